"""Which lines are visits, and whose: attribution.md 2.2, 2.3 and 2.4, condition by condition."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    CARDIOLOGY,
    COMMUNITY_NURSE,
    FAMILY_MEDICINE,
    HEALTH_CENTER,
    NURSE_PRACTITIONER,
    PALLIATIVE,
    ROSTER,
    SCHOOL_NURSE,
    TINS,
    Case,
    claim,
    knowing,
    line,
    practice,
    provider,
)

D = "2025-06-30"
OWN = f"TIN:{TINS['A']}"
"""The practice of a clinician whom no roster knows, billing under the TIN of practice A."""


def practice_of(one: Any, *, known: Any = None) -> str | None:
    return Case(one, known=knowing() if known is None else known).on(D).practice_id


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"hcpcs_code": "36415"}, False),
        ({"hcpcs_code": "99490"}, False),
        ({"hcpcs_code": "99498"}, False),
        ({"hcpcs_code": "99497"}, True),
        ({"hcpcs_code": "90471"}, False),
        ({"hcpcs_code": "99421"}, False),
        ({"hcpcs_code": "99441"}, False),
        ({"hcpcs_code": "98000", "place_of_service_code": "10"}, True),
        ({"hcpcs_code": "T1015"}, False),
        ({"hcpcs_code": "99304"}, False),
        ({"hcpcs_code": "99304", "place_of_service_code": "32"}, True),
        ({"place_of_service_code": "32"}, False),
        ({"place_of_service_code": "21"}, False),
        ({"place_of_service_code": "23"}, False),
        ({"place_of_service_code": "31"}, False),
        ({"place_of_service_code": "17"}, False),
        ({"place_of_service_code": "20"}, False),
        ({"place_of_service_code": "03"}, False),
        ({"place_of_service_code": None}, False),
        ({"line_status": "denied"}, False),
        ({"rendering_taxonomy": CARDIOLOGY}, False),
        ({"rendering_taxonomy": "207V00000X"}, False),
        ({"hcpcs_code": "99461"}, True),
        ({"hcpcs_code": "99461", "rendering_taxonomy": "207R00000X"}, False),
        ({"rendering_taxonomy": SCHOOL_NURSE}, True),
        ({"rendering_taxonomy": SCHOOL_NURSE, "place_of_service_code": "03"}, True),
        ({"rendering_taxonomy": SCHOOL_NURSE, "place_of_service_code": "12"}, False),
        ({"rendering_taxonomy": SCHOOL_NURSE, "hcpcs_code": "99349"}, False),
        ({"rendering_taxonomy": COMMUNITY_NURSE, "place_of_service_code": "50"}, True),
        ({"rendering_taxonomy": COMMUNITY_NURSE, "place_of_service_code": "22"}, False),
        ({"rendering_taxonomy": COMMUNITY_NURSE, "place_of_service_code": "10"}, False),
        ({"rendering_taxonomy": PALLIATIVE}, True),
        ({"rendering_taxonomy": PALLIATIVE, "hcpcs_code": "99396"}, False),
        ({"rendering_taxonomy": NURSE_PRACTITIONER}, False),
        ({"rendering_taxonomy": "364SF0001X"}, False),
    ],
)
def test_a_line_is_a_visit_by_code_place_and_taxonomy(changes: dict[str, Any], counts: bool) -> None:
    assert practice_of(claim("C1", line("2025-01-10", "7", **changes))) == (OWN if counts else None)


@pytest.mark.parametrize(
    ("changes", "of_line", "counts"),
    [
        ({"bill_type_code": "0711"}, {"revenue_center_code": "521"}, True),
        ({"bill_type_code": "771"}, {"revenue_center_code": "0522"}, True),
        ({"bill_type_code": "771"}, {"revenue_center_code": "0524"}, False),
        ({"bill_type_code": "771"}, {"hcpcs_code": "T1015"}, True),
        ({"bill_type_code": "131"}, {"revenue_center_code": "0510", "hcpcs_code": "99213"}, False),
        ({"bill_type_code": "851"}, {"revenue_center_code": "0960", "hcpcs_code": "99213"}, True),
        ({"bill_type_code": "851"}, {"revenue_center_code": "0510", "hcpcs_code": "99213"}, False),
        ({"bill_type_code": "851"}, {"revenue_center_code": "0960"}, False),
        ({"bill_type_code": None}, {"revenue_center_code": "0521"}, False),
    ],
)
def test_an_institutional_line_is_a_visit_by_form(
    changes: dict[str, Any], of_line: dict[str, Any], counts: bool
) -> None:
    of_line = {"hcpcs_code": None, "place_of_service_code": None} | of_line
    one = claim("C1", line("2025-01-10", "7", **of_line), claim_type="institutional", **changes)
    assert practice_of(one) == (OWN if counts else None)


def test_a_health_center_needs_nobody_in_person() -> None:
    seen = Case(claim("C1", line("2025-01-10", None), billing_taxonomy=HEALTH_CENTER), known=knowing()).on(D)
    assert (seen.practice_id, seen.provider_npi, seen.visits_12m) == (OWN, None, 1)


def test_nobody_else_may_leave_the_clinician_out() -> None:
    assert practice_of(claim("C1", line("2025-01-10", None))) is None


def test_a_line_that_lacks_nothing_but_a_taxonomy_is_flagged() -> None:
    seen = Case(claim("C1", line("2025-01-10", "7", rendering_taxonomy=None)), known=knowing()).on(D)
    assert (seen.practice_id, seen.flags) == (None, ("taxonomy_unknown",))


@pytest.mark.parametrize(("is_pcp", "taxonomy", "counts"), [(True, CARDIOLOGY, True), (False, FAMILY_MEDICINE, False)])
def test_the_roster_beats_the_taxonomy_in_both_directions(is_pcp: bool, taxonomy: str, counts: bool) -> None:
    known = knowing(provider("7", "A", is_pcp=is_pcp))
    one = claim("C1", line("2025-01-10", "7", rendering_taxonomy=taxonomy))
    assert practice_of(one, known=known) == ("A" if counts else None)


def test_a_roster_row_counts_for_its_dates_only() -> None:
    known = knowing(provider("7", "A", "2025-01-10", "2025-02-10"))
    on = {when: practice_of(claim("C1", line(when, "7")), known=known) for when in ("2025-01-09", "2025-01-10")}
    assert on == {"2025-01-09": OWN, "2025-01-10": "A"}


def test_an_unspecified_nurse_practitioner_counts_under_a_tin_flagged_primary_care() -> None:
    one = claim("C1", line("2025-01-10", "7", rendering_taxonomy=NURSE_PRACTITIONER))
    assert practice_of(one, known=knowing(provider("1", "A"))) == OWN
    assert practice_of(one, known=knowing(provider("1", "A", end="2025-01-10"))) is None


def test_palliative_care_counts_where_plain_primary_care_was_not_seen() -> None:
    at_home = claim("C1", line("2025-01-10", "7", rendering_taxonomy=PALLIATIVE), billing_tin="959999999")
    case = Case(at_home, known=knowing(*ROSTER))
    assert case.on(D).practice_id == "TIN:959999999"
    case.tell("2024-09-01 B")
    assert case.on(D).practice_id == "B"
    assert case.on("2025-09-01").practice_id == "TIN:959999999"


def test_a_hospice_stay_bars_palliative_visits_on_its_days() -> None:
    stay = claim("H", line("2025-01-01"), claim_type="institutional", bill_type_code="811")
    for discharged, expected in (("2025-01-10", None), ("2025-01-09", OWN)):
        case = Case(claim("C1", line("2025-01-10", "7", rendering_taxonomy=PALLIATIVE)), known=knowing())
        ended = type(stay)(
            **{name: getattr(stay, name) for name in stay.__struct_fields__ if name != "discharge_date"},
            discharge_date=line(discharged).claim_line_start_date,
        )
        case.tell(ended)
        assert case.on(D).practice_id == expected


@pytest.mark.parametrize(
    ("npi", "tin", "billing_npi", "expected"),
    [
        ("7", TINS["B"], None, "B"),
        ("7", "950000009", "19", "C"),
        ("1", "950000009", "19", "A"),
        ("8", "950000009", "19", "C"),
        ("8", "950000009", None, "TIN:950000009"),
        ("8", None, "18", "NPI:18"),
        ("8", None, None, "NPI:8"),
    ],
)
def test_the_practice_of_a_line_is_the_first_of_five_that_hits(
    npi: str, tin: str | None, billing_npi: str | None, expected: str
) -> None:
    known = knowing(
        *ROSTER, provider("7", "A"), provider("7", "B"), practice("C", organisation_npis=("19",)), practice("A")
    )
    one = claim("C1", line("2025-01-10", npi), billing_tin=tin, billing_npi=billing_npi)
    assert practice_of(one, known=known) == expected
