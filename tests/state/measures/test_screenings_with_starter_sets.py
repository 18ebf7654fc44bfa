"""BCS and COL on the codes that payers send, with the value sets that come with the project."""

from __future__ import annotations

import pytest

from state.calendar import FOREVER
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.facts import Kept, KeptLine
from state.reference.starter_sets import starter_sets
from tests.measure_builders import claim, day, member, year

SCREENINGS = ("BCS", "COL")


def _line(code: str, on: str, *modifiers: str, system: str = "CPT", revenue: str = "", place: str = "11") -> KeptLine:
    return KeptLine(
        start=day(on),
        end=day(on),
        hcpcs=code,
        hcpcs_system=system if code else "",  # type: ignore[arg-type]  # CPT or HCPCS
        revenue=revenue,
        place=place,
        modifiers=modifiers,
    )


@pytest.fixture(scope="module")
def bound() -> Bound:
    return Bound(built_in("capc-2025").only(SCREENINGS), starter_sets())


def _counts(bound: Bound, measure: str, *kept: Kept) -> tuple[int, int]:
    found = evaluate(member("1958-06-01"), kept, bound, year(2025), FOREVER)
    (outcome,) = found.outcomes[measure]
    return outcome.denominator_exclusion, outcome.numerator


@pytest.mark.parametrize("edition", ["capc-2024", "capc-2025"])
def test_the_program_needs_no_value_set_that_does_not_come_with_the_project(edition: str) -> None:
    assert built_in(edition).only(SCREENINGS).missing(starter_sets()) == {}


@pytest.mark.parametrize("edition", ["cms-2025", "cms-2026"])
def test_an_ecqm_names_its_value_sets_by_oid(edition: str) -> None:
    known = built_in(edition)
    names = {name for measure in SCREENINGS for name in known.value_sets(measure)}
    assert names
    assert all(name.startswith("2.16.840.1.113883.") for name in names)


def test_a_screening_mammogram_by_cpt_or_revenue_code_counts_for_bcs_alone(bound: Bound) -> None:
    assert _counts(bound, "BCS", claim(_line("77067", "2024-03-03"))) == (0, 1)
    assert _counts(bound, "BCS", claim(_line("", "2024-03-03", revenue="0403"))) == (0, 1)
    assert _counts(bound, "COL", claim(_line("77067", "2024-03-03"))) == (0, 0)
    assert _counts(bound, "BCS", claim(_line("77065", "2024-03-03", "8P"))) == (0, 0)


def test_magnetic_resonance_is_no_mammogram(bound: Bound) -> None:
    assert _counts(bound, "BCS", claim(_line("77049", "2025-03-03"))) == (0, 0)


def test_a_mastectomy_of_each_side_excludes_by_modifier_and_icd_code(bound: Bound) -> None:
    left = claim(_line("19303", "2015-03-03", "LT"))
    assert _counts(bound, "BCS", left) == (0, 0)
    assert _counts(bound, "BCS", left, claim(_line("19303", "2016-03-03", "RT"))) == (1, 0)
    assert _counts(bound, "BCS", left, claim(diagnoses=("Z9011",), on="2016-03-03")) == (1, 0)
    assert _counts(bound, "BCS", claim(_line("19303", "2015-03-03", "50"))) == (1, 0)
    assert _counts(bound, "BCS", claim(diagnoses=("Z9013",), on="2016-03-03")) == (1, 0)


def test_colonoscopies_and_stool_tests_count_for_col(bound: Bound) -> None:
    assert _counts(bound, "COL", claim(_line("45378", "2016-01-01"))) == (0, 1)
    assert _counts(bound, "COL", claim(_line("G0121", "2016-01-01", system="HCPCS"))) == (0, 1)
    assert _counts(bound, "COL", claim(_line("82274", "2025-01-01"))) == (0, 1)
    assert _counts(bound, "COL", claim(_line("81528", "2023-01-01"))) == (0, 1)
    assert _counts(bound, "COL", claim(diagnoses=("C189",), on="2000-01-01")) == (1, 0)


def test_frailty_and_advanced_illness_are_known_by_hcpcs_and_icd_codes(bound: Bound) -> None:
    frail = (claim(_line("E0143", "2025-02-02", system="HCPCS")), claim(diagnoses=("R54",), on="2025-03-03"))
    ill = (claim(diagnoses=("I5022",), on="2024-02-02"), claim(diagnoses=("I5022",), on="2025-02-02"))
    assert _counts(bound, "COL", *frail, *ill) == (1, 0)
    assert _counts(bound, "COL", *frail, ill[0]) == (0, 0)


def test_hospice_and_palliative_care_are_known_by_revenue_and_icd_codes(bound: Bound) -> None:
    assert _counts(bound, "COL", claim(_line("", "2025-03-03", revenue="0651"))) == (1, 0)
    assert _counts(bound, "COL", claim(diagnoses=("Z515",), on="2025-03-03")) == (1, 0)
    assert _counts(bound, "COL", claim(diagnoses=("Z515",), on="2025-03-03", places=("81",))) == (0, 0)


def test_a_discharge_status_of_the_dead_is_a_death(bound: Bound) -> None:
    assert _counts(bound, "COL", claim(on="2025-03-03", institutional=True, disposition="20")) == (1, 0)
    assert _counts(bound, "COL", claim(on="2025-03-03", institutional=True, disposition="01")) == (0, 0)
