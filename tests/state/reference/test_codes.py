"""Every spelling of a system and of a code is one code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.reference.codes import (
    SYSTEMS,
    UnknownSystem,
    UnusableCode,
    code_of,
    normal_code,
    normal_prefix,
    system_of,
)


@pytest.mark.parametrize(
    ("spelling", "system"),
    [
        ("CPT", "CPT"),
        ("cpt", "CPT"),
        ("CPT-CAT-II", "CPT"),
        ("CPT_II", "CPT"),
        ("http://www.ama-assn.org/go/cpt", "CPT"),
        ("urn:oid:2.16.840.1.113883.6.12", "CPT"),
        ("2.16.840.1.113883.6.12", "CPT"),
        ("CPT Modifier", "CPT_MODIFIER"),
        ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets/", "HCPCS"),
        ("ICD-10-CM", "ICD10CM"),
        ("http://hl7.org/fhir/sid/icd-10-cm|2025", "ICD10CM"),
        ("http://www.cms.gov/Medicare/Coding/ICD10", "ICD10PCS"),
        ("ICD9CM", "ICD9CM"),
        ("http://hl7.org/fhir/sid/cvx", "CVX"),
        ("http://loinc.org", "LOINC"),
        ("RxNorm", "RXNORM"),
        ("http://hl7.org/fhir/sid/ndc", "NDC"),
        ("SNOMED CT US Edition", "SNOMEDCT"),
        ("http://snomed.info/sct/731000124108/version/20240901", "SNOMEDCT"),
        ("UBREV", "UBREV"),
        ("UBTOB", "UBTOB"),
        (" pos ", "POS"),
        ("MSDRG", "MSDRG"),
        ("http://nucc.org/provider-taxonomy", "NUCC"),
    ],
)
def test_a_system_has_one_name_however_a_source_spells_it(spelling: str, system: str) -> None:
    assert system_of(spelling) == system


def test_a_terminology_without_a_name_here_is_a_system_under_its_uri() -> None:
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    assert system_of(act) == act
    assert system_of(f"{act}|9.0.0") == act
    assert system_of("2.16.840.1.113883.5.4") == "urn:oid:2.16.840.1.113883.5.4"
    assert code_of(act, " EMER ") == (act, "EMER")
    assert code_of("http://example.org/local", "aB-1") == ("http://example.org/local", "aB-1")


@pytest.mark.parametrize("text", ["", "  ", "ICD", "HEDIS", "2.16"])
def test_a_word_that_names_no_system_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UnknownSystem, match=r"write one of CPT, .*or the system's URI or OID"):
        system_of(text)


@pytest.mark.parametrize(
    ("system", "text", "code"),
    [
        ("ICD10CM", "f32.a", ("ICD10CM", "F32A")),
        ("ICD10CM", " E11.9 ", ("ICD10CM", "E119")),
        ("ICD10CM", "E119", ("ICD10CM", "E119")),
        ("ICD9CM", "250.00", ("ICD9CM", "25000")),
        ("ICD10PCS", "0htv0zz", ("ICD10PCS", "0HTV0ZZ")),
        ("NDC", "0002-8215-01", ("NDC", "00002821501")),
        ("NDC", "50242-040-62", ("NDC", "50242004062")),
        ("NDC", "60575-4112-1", ("NDC", "60575411201")),
        ("NDC", "50242-0040-62", ("NDC", "50242004062")),
        ("NDC", "2821501", ("NDC", "00002821501")),
        ("UBREV", "450", ("UBREV", "0450")),
        ("UBREV", "0450", ("UBREV", "0450")),
        ("POS", "2", ("POS", "02")),
        ("CVX", "3", ("CVX", "03")),
        ("CVX", "146", ("CVX", "146")),
        ("MSDRG", "65", ("MSDRG", "065")),
        ("UBTOB", "131", ("UBTOB", "0131")),
        ("UBTOB", "0131", ("UBTOB", "0131")),
        ("UBTOB", "13x", ("UBTOB", "013")),
        ("UBTOB", "018", ("UBTOB", "018")),
        ("RXNORM", "0000435", ("RXNORM", "435")),
        ("LOINC", "la6576-8", ("LOINC", "LA6576-8")),
        ("CPT", "100", ("CPT", "00100")),
        ("LOINC", "4548-4\u00a0", ("LOINC", "4548-4")),
        ("CPT", "'77067", ("CPT", "77067")),
    ],
)
def test_dots_case_and_padding_make_no_difference(system: str, text: str, code: tuple[str, str]) -> None:
    assert code_of(system, text) == code


@pytest.mark.parametrize("system", ["CPT", "HCPCS", "CPT-CAT-II", "http://www.ama-assn.org/go/cpt"])
def test_cpt_and_hcpcs_meet_whichever_of_them_a_code_was_given_under(system: str) -> None:
    assert code_of(system, "77067") == ("CPT", "77067")
    assert code_of(system, "3074f") == ("CPT", "3074F")
    assert code_of(system, "0464U") == ("CPT", "0464U")
    assert code_of(system, "G0202") == ("HCPCS", "G0202")
    assert code_of(system, "LT") == ("CPT_MODIFIER", "LT")
    assert code_of(system, "50") == ("CPT_MODIFIER", "50")


def test_ingredients_are_one_text_whatever_their_order_and_separator() -> None:
    expected = ("INGREDIENT", "budesonide+formoterol")
    assert code_of("INGREDIENT", "Formoterol / Budesonide") == expected
    assert code_of("RXNORM_IN_NAME", "budesonide+formoterol") == expected
    assert code_of("INGREDIENT", "insulin, regular, human") == code_of("INGREDIENT", "insulin regular")


@pytest.mark.parametrize(
    ("system", "text"),
    [
        ("LOINC", ""),
        ("CPT", "  "),
        ("RXNORM", "000"),
        ("NDC", "123456789012"),
        ("NDC", "abc"),
        ("UBTOB", "X"),
        ("UBTOB", "01311"),
        ("CPT_MODIFIER", "99213"),
    ],
)
def test_what_is_no_code_is_refused(system: str, text: str) -> None:
    with pytest.raises(UnusableCode):
        code_of(system, text)


def test_a_prefix_is_not_filled_with_zeros() -> None:
    assert normal_prefix("ICD10CM", "o24.0") == ("ICD10CM", "O240")
    assert normal_prefix("UBTOB", "018") == ("UBTOB", "018")
    assert normal_prefix("CPT", "g0") == ("HCPCS", "G0")
    with pytest.raises(UnusableCode):
        normal_prefix("ICD10CM", " ")


@given(st.sampled_from(SYSTEMS), st.text("0123456789ABFGTUX.-x ", min_size=1, max_size=12))
def test_a_normal_code_stays_as_it_is_when_it_is_read_again(system: str, text: str) -> None:
    try:
        code = code_of(system, text)
    except UnusableCode:
        return
    assert normal_code(*code) == code[1]
    assert code_of(*code) == code
