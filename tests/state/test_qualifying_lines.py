"""What is a visit: form, service, place, who. Source: attribution.md 2.2 and 2.3."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Table
from state.reference.knowledge import Knowledge
from state.reference.tables import InvalidTable, MissingTable, TableStore, UnknownRuleset
from tests.builders import answer, claim, knowledge, line, roster_row

DAY, AS_OF = dt.date(2025, 3, 10), dt.date(2025, 6, 30)
NOBODY = knowledge()
FQHC: dict[str, Any] = {"claim_type": "institutional", "bill_type_code": "771"}
PALLIATIVE, SCHOOL, COMMUNITY, NP, ORGANISATION = "207QH0002X", "363LS0200X", "363LC1500X", "363L00000X", "261QP2300X"


def is_visit(
    known: Knowledge = NOBODY, day: dt.date = DAY, header: dict[str, Any] | None = None, **changes: Any
) -> bool:
    return answer(known, max(AS_OF, day), claim("C1", line(day, **changes), **(header or {}))).visits_12m == 1


@pytest.mark.parametrize(
    ("changes", "visit"),
    [
        ({}, True),
        ({"hcpcs_code": "99396"}, True),
        ({"hcpcs_code": "G0439"}, True),
        ({"hcpcs_code": "36415"}, False),
        ({"hcpcs_code": "90471"}, False),
        ({"hcpcs_code": "99490"}, False),
        ({"hcpcs_code": "99285"}, False),
        ({"hcpcs_code": "99243"}, False),
        ({"hcpcs_code": None}, False),
        ({"hcpcs_code": "98005"}, True),
        ({"hcpcs_code": "99442"}, False),
        ({"hcpcs_code": "99497"}, True),
        ({"hcpcs_code": "99498"}, False),
        ({"hcpcs_code": "99308", "place_of_service_code": "32"}, True),
        ({"hcpcs_code": "99308", "place_of_service_code": "31"}, False),
        ({"hcpcs_code": "99213", "place_of_service_code": "32"}, False),
        ({"place_of_service_code": "10"}, True),
        ({"place_of_service_code": "12"}, True),
        ({"place_of_service_code": "21"}, False),
        ({"place_of_service_code": "23"}, False),
        ({"place_of_service_code": "20"}, False),
        ({"place_of_service_code": "17"}, False),
        ({"place_of_service_code": "03"}, False),
        ({"hcpcs_code": "99461", "rendering_taxonomy": "208000000X"}, True),
        ({"hcpcs_code": "99461", "rendering_taxonomy": "207R00000X"}, False),
        ({"rendering_taxonomy": "207RC0000X"}, False),
        ({"rendering_taxonomy": "000000000X"}, False),
        ({"rendering_taxonomy": None}, False),
        ({"rendering_npi": None}, False),
        ({"line_status": "denied"}, False),
    ],
)
def test_an_ordinary_line_is_a_visit_by_its_code_place_and_specialty(changes: dict[str, Any], visit: bool) -> None:
    assert is_visit(**changes) is visit


def test_a_retired_telephone_code_counts_on_the_dates_it_was_in_force() -> None:
    assert is_visit(day=dt.date(2024, 12, 31), hcpcs_code="99442")


@pytest.mark.parametrize(
    ("header", "changes", "visit"),
    [
        (FQHC, {"revenue_center_code": "0521", "hcpcs_code": None}, True),
        (FQHC, {"revenue_center_code": "521", "hcpcs_code": None, "rendering_npi": None}, True),
        ({**FQHC, "bill_type_code": "0711"}, {"hcpcs_code": "T1015", "rendering_npi": None}, True),
        (FQHC, {"hcpcs_code": "G0467"}, True),
        (FQHC, {"revenue_center_code": "0524", "hcpcs_code": None}, False),
        ({}, {"hcpcs_code": "T1015"}, False),
        ({"billing_taxonomy": "261QF0400X"}, {"hcpcs_code": "T1015", "place_of_service_code": "50"}, True),
        ({**FQHC, "bill_type_code": "131"}, {"hcpcs_code": "99213"}, False),
        ({**FQHC, "bill_type_code": "851"}, {"hcpcs_code": "99213", "revenue_center_code": "0981"}, True),
        ({**FQHC, "bill_type_code": "851"}, {"hcpcs_code": "99213", "revenue_center_code": "0450"}, False),
        ({**FQHC, "bill_type_code": "851"}, {"hcpcs_code": "36415", "revenue_center_code": "0981"}, False),
    ],
)
def test_an_institutional_line_is_a_visit_on_the_bills_that_may_carry_one(
    header: dict[str, Any], changes: dict[str, Any], visit: bool
) -> None:
    assert is_visit(header=header, **changes) is visit


def test_a_health_center_visit_without_a_clinician_is_the_practices_alone() -> None:
    found = answer(
        NOBODY, AS_OF, claim("C1", line(DAY, revenue_center_code="0521", hcpcs_code=None, rendering_npi=None), **FQHC)
    )
    assert (found.practice_id, found.provider_npi, found.reason) == ("TIN:950000001", None, "provider_inactive")


@pytest.mark.parametrize(
    ("taxonomy", "changes", "visit"),
    [
        (PALLIATIVE, {}, True),
        (PALLIATIVE, {"hcpcs_code": "99396"}, False),
        (PALLIATIVE, {"place_of_service_code": "34"}, False),
        (SCHOOL, {"place_of_service_code": "03"}, True),
        (SCHOOL, {"place_of_service_code": "12"}, False),
        (SCHOOL, {"hcpcs_code": "99343", "place_of_service_code": "11"}, False),
        ("207Q00000X", {"place_of_service_code": "03"}, False),
        (COMMUNITY, {"place_of_service_code": "15"}, True),
        (COMMUNITY, {"hcpcs_code": "99483"}, False),
        (COMMUNITY, {"place_of_service_code": "22"}, False),
        (NP, {}, False),
        (ORGANISATION, {}, False),
    ],
)
def test_a_restricted_specialty_counts_within_its_restrictions(
    taxonomy: str, changes: dict[str, Any], visit: bool
) -> None:
    assert is_visit(rendering_taxonomy=taxonomy, **changes) is visit


def test_palliative_care_counts_only_where_no_primary_care_was_seen_in_the_window_and_no_hospice_bills() -> None:
    palliative = claim(
        "C1", line(DAY, rendering_npi="1245319599", rendering_taxonomy=PALLIATIVE), billing_tin="950000002"
    )
    plain = claim("C2", line(dt.date(2025, 1, 5)))
    hospice = claim("C3", line(DAY, hcpcs_code=None), claim_type="institutional", bill_type_code="813")
    assert answer(NOBODY, AS_OF, palliative).practice_id == "TIN:950000002"
    assert answer(NOBODY, AS_OF, palliative, plain).practice_id == "TIN:950000001"
    assert answer(NOBODY, AS_OF, palliative, hospice).reason == "no_primary_care_visit"


def test_an_unspecified_nurse_practitioner_counts_under_a_tax_id_flagged_primary_care() -> None:
    flagged = knowledge(roster_row(npi="1245319599"))
    assert is_visit(flagged, rendering_taxonomy=NP)
    assert not is_visit(flagged, day=dt.date(2019, 12, 31), rendering_taxonomy=NP)


def test_the_roster_beats_the_specialty_in_both_directions_on_its_dates() -> None:
    cardiologist = knowledge(roster_row(taxonomy_code="207RC0000X"))
    assert is_visit(cardiologist, rendering_taxonomy="207RC0000X")
    no_pcp = knowledge(roster_row(is_pcp=False, effective_to=dt.date(2025, 4, 1)))
    assert not is_visit(no_pcp)
    assert is_visit(no_pcp, day=dt.date(2025, 4, 1))


def test_a_line_that_lacks_only_the_specialty_is_flagged() -> None:
    assert answer(NOBODY, AS_OF, claim("C1", line(DAY, rendering_taxonomy=None))).flags == ("taxonomy_unknown",)


def _stored(folder: Path, kind: str, data: bytes, suffix: str = "csv") -> Table:
    digest = hashlib.sha256(data).hexdigest()
    (folder / f"{digest}.{suffix}").write_bytes(data)
    return Table(kind=kind, name="ours", version="2", digest=digest, activated_from=dt.date(2025, 1, 1))


def test_the_users_own_npi_directory_gives_the_specialty(tmp_path: Path) -> None:
    table = _stored(
        tmp_path, "npi_taxonomy", b"npi,taxonomy_code,primary,effective_from\n1234567893,207Q00000X,yes,2020-01-01\n"
    )
    assert is_visit(knowledge(table, tables=TableStore([tmp_path])), rendering_taxonomy=None)


NPPES = """\
"NPI","Entity Type Code","Healthcare Provider Taxonomy Code_1","Healthcare Provider Primary Taxonomy Switch_1",\
"Healthcare Provider Taxonomy Code_2","Healthcare Provider Primary Taxonomy Switch_2"
"1234567893","1","207RC0000X","N","207Q00000X","Y"
"1245319599","1","207Q00000X","X","",""
"1003000126","1","207RC0000X","Y","207Q00000X","N"
"1003000134","","","","",""
"""


def test_an_extract_of_the_nppes_file_is_a_directory_as_it_is(tmp_path: Path) -> None:
    known = knowledge(_stored(tmp_path, "npi_taxonomy", NPPES.encode()), tables=TableStore([tmp_path]))
    for npi, primary_care in {"1234567893": True, "1245319599": True, "1003000126": False, "1003000134": False}.items():
        assert is_visit(known, rendering_npi=npi, rendering_taxonomy=None) is primary_care
    headless = NPPES.replace('"NPI",', '"npi",').encode()
    with pytest.raises(InvalidTable, match="has no column NPI"):
        knowledge(_stored(tmp_path, "npi_taxonomy", headless), tables=TableStore([tmp_path]))


def test_the_users_own_ruleset_turns_a_switch(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "state" / "data" / "rulesets" / "guide.toml").read_text()
    ours = text.replace("count_urgent_care = false", "count_urgent_care = true").encode()
    known = knowledge(_stored(tmp_path, "ruleset", ours, "toml"), tables=TableStore([tmp_path]))
    assert is_visit(known, place_of_service_code="20")
    literal = text.replace('services = "listed"', 'services = "all_lines"').encode()
    known = knowledge(_stored(tmp_path, "ruleset", literal, "toml"), tables=TableStore([tmp_path]))
    assert is_visit(known, hcpcs_code="36415")


def test_a_table_or_ruleset_that_is_missing_or_wrong_is_said_in_a_sentence(tmp_path: Path) -> None:
    absent = Table(kind="npi_taxonomy", name="x", version="1", digest="a" * 64, activated_from=dt.date(2025, 1, 1))
    with pytest.raises(MissingTable, match="aaaaaaaa"):
        knowledge(absent, tables=TableStore([tmp_path]))
    with pytest.raises(InvalidTable, match="npi"):
        knowledge(_stored(tmp_path, "npi_taxonomy", b"a,b\n1,2\n"), tables=TableStore([tmp_path]))
    with pytest.raises(UnknownRuleset, match="there is no ruleset 'gude'"):
        Knowledge.initial(TableStore([]), ruleset="gude")
