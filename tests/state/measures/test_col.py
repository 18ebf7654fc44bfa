"""COL: golden cases of measures.md 5 and of CMS130, each trap by its name."""

from __future__ import annotations

import pytest

from state.measures.facts import CoverSpan, Kept
from tests.measure_builders import (
    condition,
    covered,
    diagnosed,
    encounter,
    member,
    months,
    observation,
    outcomes,
    populations,
    procedure,
    result,
    service,
    year,
)

IN, OUT, MET, NOT_IN = (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 0, 1), (0, 0, 0, 0)
VISIT = encounter("qualifying_visit", "2025-06-01")


def _program(*kept: Kept, birth: str = "1970-06-01", spans: tuple[CoverSpan, ...] = ()) -> tuple[int, ...]:
    return populations(outcomes("capc-2025", "COL", year(2025), member(birth, "M", *spans), *kept), "screened")


def _ecqm(*kept: Kept, edition: str = "cms-2025") -> tuple[int, ...]:
    return populations(outcomes(edition, "COL", year(2025), member("1970-06-01", "M"), VISIT, *kept), "screened")


@pytest.mark.parametrize(
    ("role", "first", "before"),
    [
        ("fobt", "2025-01-01", "2024-12-31"),
        ("stool_dna", "2023-01-01", "2022-12-31"),
        ("flexible_sigmoidoscopy", "2021-01-01", "2020-12-31"),
        ("ct_colonography", "2021-01-01", "2020-12-31"),
        ("colonoscopy", "2016-01-01", "2015-12-31"),
    ],
)
def test_each_test_has_its_calendar_years(role: str, first: str, before: str) -> None:
    assert _program(service(role, first)) == MET
    assert _program(service(role, before)) == IN
    assert _program(service(role, "2025-12-31")) == MET
    assert _program(service(role, "2026-01-01")) == IN


def test_a_rolling_period_counts_years_from_its_own_start() -> None:
    found = outcomes(
        "capc-2025",
        "COL",
        months("2024-07-01", "2025-06-30"),
        member("1970-06-01"),
        service("colonoscopy", "2015-07-01"),
    )
    assert populations(found, "screened") == MET
    too_old = outcomes(
        "capc-2025",
        "COL",
        months("2024-07-01", "2025-06-30"),
        member("1970-06-01"),
        service("colonoscopy", "2015-06-30"),
    )
    assert populations(too_old, "screened") == IN


def test_members_are_measured_from_46_to_75_and_in_two_bands() -> None:
    assert _program(birth="1979-12-31") == IN
    assert _program(birth="1980-01-01") == NOT_IN
    assert _program(birth="1950-01-01") == IN
    assert _program(birth="1949-12-31") == NOT_IN
    bands = [
        outcomes("capc-2025", "COL", year(2025), member(birth))["screened"].band
        for birth in ("1976-01-01", "1975-12-31")
    ]
    assert bands == ["46-49", "50-75"]


def test_both_years_ask_for_enrollment() -> None:
    assert _program(spans=(covered("2024-02-15", "2030-01-01"),)) == IN
    assert _program(spans=(covered("2024-02-16", "2030-01-01"),)) == NOT_IN


def test_cancer_or_a_colectomy_up_to_the_last_day_excludes() -> None:
    assert _program(diagnosed("colorectal_cancer", "2025-12-31")) == OUT
    assert _program(diagnosed("colorectal_cancer", "2026-01-01")) == IN
    assert _program(diagnosed("colorectal_cancer", "2010-01-01", places=("laboratory_place",))) == IN
    assert _program(service("total_colectomy", "1990-01-01")) == OUT
    assert _ecqm(condition("colorectal_cancer", "1990-01-01", status="resolved")) == OUT
    assert _ecqm(procedure("total_colectomy", "2025-12-31", "2026-01-01")) == IN


def test_the_program_counts_the_laboratory_claim_and_the_ecqm_asks_for_a_result() -> None:
    claimed = service("fobt", "2025-03-03")
    assert _program(claimed) == MET
    assert _ecqm(claimed) == IN
    resulted = observation("fobt", "2025-03-03", category="laboratory", value=0)
    empty = observation("fobt", "2025-03-03", category="laboratory")
    assert _ecqm(resulted) == MET
    assert _ecqm(empty) == IN
    assert _program(empty) == MET


def test_any_result_is_a_result_also_one_that_is_only_text() -> None:
    text = observation("fobt", "2025-03-03", category="laboratory", value_system="text", value_code="negative")
    no_number = observation("fobt", "2025-03-03", category="laboratory", value_system="quantity")
    assert _ecqm(text) == MET
    assert _ecqm(no_number) == MET


def test_a_result_of_a_practice_counts_unless_the_plan_rejected_it() -> None:
    assert _program(result("fobt", "2025-03-03", "1")) == MET
    assert _program(result("fobt", "2025-03-03", "1", "submitted")) == MET
    assert _program(result("fobt", "2025-03-03", "1", "rejected")) == IN


def test_a_stool_test_belongs_to_the_end_of_its_period_or_to_its_start_where_none_is_known() -> None:
    def test_of(start: str, end: str | None) -> Kept:
        return observation("fobt", start, end, category="laboratory", value=1)

    assert _ecqm(test_of("2024-12-31", "2025-01-01")) == MET
    assert _ecqm(test_of("2025-12-31", "2026-01-01")) == IN
    assert _ecqm(test_of("2025-12-31", "2199-12-31")) == MET
    assert _ecqm(test_of("2025-12-31", None)) == MET


@pytest.mark.parametrize(
    ("status", "category", "counts"),
    [
        ("final", "laboratory", True),
        ("amended", "laboratory", True),
        ("corrected", "laboratory", True),
        ("preliminary", "laboratory", False),
        ("registered", "laboratory", False),
        ("cancelled", "laboratory", False),
        ("entered-in-error", "laboratory", False),
        ("unknown", "laboratory", False),
        ("final", "imaging", False),
        ("final", "", False),
    ],
)
def test_a_laboratory_test_counts_by_status_and_category(status: str, category: str, counts: bool) -> None:
    expected = MET if counts else IN
    stool = observation("stool_dna", "2025-03-03", status=status, category=category, value=1)
    assert _ecqm(stool) == expected
    assert _ecqm(stool, edition="cms-2026") == expected


@pytest.mark.parametrize(("edition", "counts"), [("cms-2025", True), ("cms-2026", False)])
def test_an_imaging_study_needs_its_category_since_2026(edition: str, counts: bool) -> None:
    study = observation("ct_colonography", "2025-03-03", category="laboratory")
    assert _ecqm(study, edition=edition) == (MET if counts else IN)


def test_an_endoscopy_counts_by_its_end() -> None:
    assert _ecqm(procedure("colonoscopy", "2015-12-31", "2016-01-01")) == MET
    assert _ecqm(procedure("colonoscopy", "2025-12-31", "2026-01-01")) == IN
    assert _ecqm(procedure("colonoscopy", "2025-03-03", status="in-progress")) == IN


def test_an_excluded_member_leaves_the_numerator_too() -> None:
    assert _program(service("colonoscopy", "2020-01-01"), diagnosed("colorectal_cancer", "2024-01-01")) == OUT
