"""Patients, coverage and explanations of benefit of FHIR as enrollment spans and claims."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from schemas.records import Claim, Clinical, Enrollment, PharmacyClaim
from tests.fhir_resources import (
    HL7,
    NDC,
    PROVIDERS,
    RXNORM,
    SNOMED,
    USCORE,
    adjudicated,
    benefit,
    coded,
    coverage,
    observation,
    patient,
)

# -- people -------------------------------------------------------------------------------------------------------------


def test_a_patient_without_coverage_is_known_by_a_span_that_never_took_effect(imported):
    (span,) = imported(patient()).of(Enrollment)
    assert (span.payer, span.member_id, span.birth_date) == ("fhir", "ana", dt.date(1960, 2, 29))
    assert span.maintenance_type_code == "024"
    assert span.enrollment_end_date is not None
    assert span.enrollment_end_date < span.enrollment_start_date


def test_each_coverage_is_a_span_and_its_payer_the_payor(imported):
    (span,) = imported(
        patient(),
        coverage(
            type={"coding": [{"system": "https://nahdo.org/sopt", "code": "512"}]},
            **{"class": [{"type": coded(f"{HL7}/coverage-class", "plan"), "value": "gold", "name": "Gold"}]},
        ),
    ).of(Enrollment)
    assert (span.payer, span.span_id, span.product, span.line_of_business) == (
        "acme",
        "Coverage/k",
        "Gold",
        "commercial",
    )
    assert (span.enrollment_start_date, span.enrollment_end_date) == (dt.date(2025, 1, 1), dt.date(2025, 12, 31))
    assert span.maintenance_type_code is None


@pytest.mark.parametrize(
    ("changes", "payer"),
    [
        ({"payor": [{"reference": "Organization/o1"}]}, "Plan of o1"),
        ({"payor": [{"reference": "Organization/o2"}]}, "o2"),
        ({"payor": [{"display": "a|b"}]}, "a/b"),
        ({"payor": [{"reference": "Patient/ana"}]}, "house"),
        ({"payor": []}, "house"),
        ({"payor": [{"identifier": {"value": "77"}}]}, "77"),
    ],
)
def test_a_payer_is_named_by_the_payor_else_by_the_one_who_imports(imported, changes, payer):
    organisation = {"resourceType": "Organization", "id": "o1", "name": "Plan of o1"}
    found = imported(patient(), organisation, coverage(**changes), observation(), payer="house")
    assert {each.payer for each in found.all} == {payer}


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_coverage_that_was_taken_back_never_took_effect(imported, status):
    (span,) = imported(patient(), coverage(status=status)).of(Enrollment)
    assert (span.maintenance_type_code, span.enrollment_end_date) == ("024", dt.date(2024, 12, 31))


def test_a_coverage_without_a_first_day_makes_no_span_and_is_noted(imported):
    found = imported(patient(), coverage(period={}))
    (span,) = found.of(Enrollment)
    assert (span.payer, span.maintenance_type_code) == ("acme", "024")
    assert ("Coverage", "has no period that starts on a day: no span is made") in found.reasons


def test_a_patient_of_two_payers_is_a_member_of_both_with_all_facts(imported):
    found = imported(patient(), coverage("a"), coverage("b", payor=[{"display": "bolt"}]), observation())
    assert sorted((each.payer, type(each).__name__) for each in found.all) == [
        ("acme", "Clinical"),
        ("acme", "Enrollment"),
        ("bolt", "Clinical"),
        ("bolt", "Enrollment"),
    ]


def test_a_drug_policy_covers_drugs_alone(imported):
    (span,) = imported(patient(), coverage(type=coded(f"{HL7}/v3-ActCode", "DRUGPOL"))).of(Enrollment)
    assert span.coverage is not None
    assert (span.coverage.medical, span.coverage.pharmacy) == (False, True)


def test_a_member_number_comes_before_the_id_of_the_patient(imported):
    number = {"type": coded(f"{HL7}/v2-0203", "MB"), "value": "W123"}
    found = imported(patient(identifier=[number]), observation())
    assert {each.member_id for each in found.all} == {"W123"}


def test_a_patient_keeps_race_ethnicity_language_death_and_address(imported):
    def omb(name, *codes):
        inner = [{"url": "ombCategory", "valueCoding": {"system": "urn:oid:x", "code": code}} for code in codes]
        return {"url": f"{USCORE}/{name}", "extension": [*inner, {"url": "text", "valueString": "Words"}]}

    (span,) = imported(
        patient(
            extension=[omb("us-core-race", "2028-9"), omb("us-core-ethnicity", "2135-2")],
            communication=[
                {"language": coded("urn:ietf:bcp:47", "en")},
                {"language": coded("x", "es"), "preferred": True},
            ],
            deceasedDateTime="2025-08-01T04:00:00-07:00",
            address=[{"use": "old", "state": "NV"}, {"state": "CA", "postalCode": "94110", "line": ["1 A St"]}],
            name=[{"family": "Ruiz", "given": ["Ana", "M"]}],
            telecom=[{"system": "phone", "value": "555"}],
        )
    ).of(Enrollment)
    assert (span.race, span.ethnicity, span.language) == ("asian", "hispanic or latino", "es")
    assert (span.death_date, span.state, span.zip_code) == (dt.date(2025, 8, 1), "CA", "94110")
    assert span.contact is not None
    assert (span.contact.first_name, span.contact.last_name, span.contact.phone) == ("Ana M", "Ruiz", "555")


def test_two_races_are_two_or_more_and_words_stand_where_there_is_no_category(imported):
    race = [{"url": "ombCategory", "valueCoding": {"code": code}} for code in ("2028-9", "2106-3")]
    extensions = [
        {"url": f"{USCORE}/us-core-race", "extension": race},
        {"url": f"{USCORE}/us-core-ethnicity", "extension": [{"url": "text", "valueString": "Not Known"}]},
    ]
    (span,) = imported(patient(extension=extensions)).of(Enrollment)
    assert (span.race, span.ethnicity) == ("two or more races", "not known")


def test_sex_is_a_record_beside_the_administrative_gender(imported):
    extensions = [
        {"url": f"{USCORE}/us-core-sex", "valueCode": "248152002"},
        {"url": f"{USCORE}/us-core-birthsex", "valueCode": "F"},
    ]
    found = imported(patient(gender="unknown", extension=extensions))
    assert [each.gender for each in found.of(Enrollment)] == ["unknown"]
    assert {each.code: (each.value_code, each.start) for each in found.of(Clinical)} == {
        "us-core-sex": (f"{SNOMED}|248152002", "1960-02-29"),
        "us-core-birthsex": (f"{HL7}/v3-AdministrativeGender|F", "1960-02-29"),
    }


def test_sex_may_be_a_coding(imported):
    stated = {"url": f"{USCORE}/us-core-sex", "valueCoding": {"system": SNOMED, "code": "248152002"}}
    assert imported(patient(extension=[stated])).of(Clinical)[0].value_code == f"{SNOMED}|248152002"


@pytest.mark.parametrize(
    "profile",
    ["qicore/StructureDefinition/qicore-patient", "us/quality-core/StructureDefinition/us-quality-core-patient"],
)
def test_that_a_patient_of_an_ecqm_states_no_sex_is_a_record_without_a_result(imported, profile):
    (said,) = imported(patient(meta={"profile": [f"http://hl7.org/fhir/{profile}"]})).of(Clinical)
    assert (said.code, said.value_code, said.reason_code) == ("us-core-sex", None, f"{HL7}/data-absent-reason|unknown")
    assert not imported(patient(meta={"profile": [f"{USCORE}/us-core-patient"]})).of(Clinical)


def test_who_has_no_whole_day_of_birth_has_facts_and_no_enrollment(imported):
    found = imported(patient(birthDate="1960-02"), observation())
    assert [type(each) for each in found.all] == [Clinical]
    assert ("Patient", "has no birthDate of a whole day: no enrollment is made") in found.reasons


# -- claims -------------------------------------------------------------------------------------------------------------


def test_an_explanation_of_benefit_is_a_claim_with_its_lines(imported):
    (claim,) = imported(*PROVIDERS, benefit()).of(Claim)
    assert (claim.payer_claim_control_number, claim.claim_frequency_code, claim.claim_status) == ("N-b", "1", "paid")
    assert (claim.claim_type, claim.billing_npi, claim.billing_tin) == ("professional", "1234567893", "123456789")
    assert claim.diagnosis_codes == ("E11.9", "I10")
    assert (claim.paid_date, claim.adjudicated_at) == (dt.date(2025, 3, 25), dt.datetime(2025, 3, 20, tzinfo=dt.UTC))
    (line,) = claim.lines
    assert (line.hcpcs_code, line.modifiers, line.place_of_service_code) == ("99213", ("25",), "11")
    assert (line.claim_line_start_date, line.claim_line_end_date) == (dt.date(2025, 3, 1), dt.date(2025, 3, 2))
    assert (line.rendering_npi, line.rendering_taxonomy) == ("1245319599", "207Q00000X")
    assert (line.charge_amount, line.allowed_amount, line.paid_amount) == (150, Decimal("100.25"), 80)


def test_an_institutional_claim_keeps_its_bill_type_stay_and_disposition(imported):
    def said(category, **more):
        return {"category": coded("urn:c4bb", category), **more}

    (claim,) = imported(
        benefit(
            kind="institutional",
            supportingInfo=[
                said("typeofbill", code=coded("urn:tob", "0111")),
                said("admissionperiod", timingPeriod={"start": "2025-03-01", "end": "2025-03-04"}),
                said("discharge-status", code=coded("urn:ds", "50")),
                said("drg", code=coded("urn:drg", "470")),
            ],
            procedure=[{"procedureCodeableConcept": coded("http://www.cms.gov/Medicare/Coding/ICD10", "0SR90JZ")}],
        )
    ).of(Claim)
    assert (claim.claim_type, claim.bill_type_code, claim.drg_code) == ("institutional", "0111", "470")
    assert (claim.admission_date, claim.discharge_date) == (dt.date(2025, 3, 1), dt.date(2025, 3, 4))
    assert (claim.discharge_disposition_code, claim.procedure_codes) == ("50", ("0SR90JZ",))


def test_a_claim_whose_lines_are_all_denied_is_denied(imported):
    denial = [{"category": coded("urn:c4bb", "denialreason")}, *adjudicated(paidtoprovider=0)]
    item = benefit()["item"][0] | {"adjudication": denial}
    (claim,) = imported(benefit(item=[item])).of(Claim)
    assert (claim.claim_status, claim.lines[0].line_status) == ("denied", "denied")


def test_a_claim_that_names_a_prior_one_replaces_it_and_the_old_one_stands_until_then(imported):
    by = {"relationship": coded("urn:r", "replacedby"), "reference": {"value": "N-new"}}
    prior = {"relationship": coded("urn:r", "prior"), "reference": {"value": "N-old"}}
    old, new = imported(benefit("old", status="cancelled", related=[by]), benefit("new", related=[prior])).of(Claim)
    assert (old.claim_frequency_code, old.original_claim_id) == ("1", None)
    assert (new.claim_frequency_code, new.original_claim_id) == ("7", "N-old")


def test_a_cancelled_claim_that_nothing_replaces_is_a_void(imported):
    (claim,) = imported(benefit(status="cancelled")).of(Claim)
    assert (claim.claim_frequency_code, claim.claim_status) == ("8", "reversed")


def test_a_pharmacy_benefit_is_a_pharmacy_claim(imported):
    item = {
        "sequence": 1,
        "productOrService": {"coding": [*coded(NDC, "00093721410")["coding"], *coded(RXNORM, "312836")["coding"]]},
        "servicedDate": "2025-04-01",
        "quantity": {"value": 60},
        "adjudication": adjudicated(eligible=12.5),
    }
    supply = {"category": coded("urn:c4bb", "dayssupply"), "valueQuantity": {"value": 30}}
    (claim,) = imported(benefit(kind="pharmacy", item=[item], supportingInfo=[supply])).of(PharmacyClaim)
    assert (claim.ndc_code, claim.rxnorm_code, claim.dispensing_date) == ("00093721410", "312836", dt.date(2025, 4, 1))
    assert (claim.days_supply, claim.quantity, claim.allowed_amount) == (30, Decimal(60), Decimal("12.5"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use": "preauthorization"}, "is a preauthorization, not a claim: not read"),
        ({"type": coded("x", "vision")}, "is an oral or vision claim: not read"),
        ({"type": {}}, "has no type that is known (professional, institutional, pharmacy): not read"),
        ({"item": []}, "has no line with a day of service: not read"),
        ({"type": coded("x", "pharmacy")}, "names no NDC: not read"),
        ({"status": "draft"}, "is a draft: not read"),
    ],
)
def test_a_benefit_that_is_no_claim_we_read_is_noted(imported, changes, reason):
    found = imported(benefit(**changes))
    assert found.of(Claim) == []
    assert ("ExplanationOfBenefit", reason) in found.reasons
