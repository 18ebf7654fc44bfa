"""Depression monitoring: the golden cases and traps of measures.md 2.2, and the laws."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.measures import dms
from state.measures.facts import Kept, Profile
from state.measures.gaps import gap_of
from state.measures.outcome import Outcome
from tests.measure_builders import (
    claim,
    condition,
    covered,
    day,
    diagnosed,
    encounter,
    line,
    member,
    months,
    observation,
    outcomes,
    populations,
    result,
    service,
    year,
)
from tests.state.measures import naive_depression as naive

ADULT = member("1980-02-02")
RATES = ["assessed_1", "assessed_2", "assessed_3", "assessed"]


def asked(*kept: Kept, who: Profile = ADULT, edition: str = "capc-2025") -> dict[str, Outcome]:
    return outcomes(edition, "DMS", year(2025), who, *kept)


def seen(on: str, visit: str = "depression_visit", diagnosis: str = "major_depression_or_dysthymia") -> Kept:
    """A visit with a diagnosis of depression, on one claim."""
    return claim(line(visit, on), diagnoses=(diagnosis,))


def phq9(on: str, total: str | None = "7", **changes: object) -> Kept:
    return observation("phq9", on, value=total, **changes) if total is not None else observation("phq9", on, **changes)


def test_a_member_counts_once_in_each_assessment_period_with_a_visit() -> None:
    visits = [seen("2025-01-10"), seen("2025-02-10"), seen("2025-06-10"), seen("2025-12-31")]
    found = asked(*visits, phq9("2025-04-30"), phq9("2025-12-01"))
    assert list(found) == RATES
    assert [(one.denominator, one.numerator) for one in found.values()] == [(1, 1), (1, 0), (1, 1), (3, 2)]


def test_a_period_without_a_visit_has_no_denominator_whatever_was_scored() -> None:
    found = asked(seen("2025-01-10"), phq9("2025-06-10"))
    assert [(one.denominator, one.numerator) for one in found.values()] == [(1, 0), (0, 0), (0, 0), (1, 0)]


@pytest.mark.parametrize(
    ("on", "rate"),
    [
        ("2024-12-31", None),
        ("2025-01-01", "assessed_1"),
        ("2025-04-30", "assessed_1"),
        ("2025-05-01", "assessed_2"),
        ("2025-08-31", "assessed_2"),
        ("2025-09-01", "assessed_3"),
        ("2025-12-31", "assessed_3"),
        ("2026-01-01", None),
    ],
)
def test_assessment_periods_are_thirds_of_the_year(on: str, rate: str | None) -> None:
    found = asked(seen(on))
    assert [name for name in RATES[:3] if populations(found, name)[1]] == ([] if rate is None else [rate])


def test_each_assessment_period_has_its_gap_and_their_sum_has_none() -> None:
    found = asked(seen("2025-01-10"), seen("2025-06-10"), phq9("2025-02-01", "9"))
    gaps = {rate: gap_of(found[rate], day("2025-12-31")) for rate in RATES}
    assert {rate: gap.status for rate, gap in gaps.items() if gap} == {"assessed_1": "closed", "assessed_2": "open"}
    assert gaps["assessed_2"] is not None
    assert (gaps["assessed_2"].closes_with, gaps["assessed_2"].due_by) == ("a PHQ-9 total", day("2025-08-31"))


def test_a_rolling_period_is_cut_by_its_own_months() -> None:
    parts = dms.assessment_periods(months("2024-07-01", "2025-06-30"), 4)
    assert [(one.start, one.end) for one in parts] == [
        (day("2024-07-01"), day("2024-10-31")),
        (day("2024-11-01"), day("2025-02-28")),
        (day("2025-03-01"), day("2025-06-30")),
    ]


def test_the_diagnosis_stands_with_the_visit() -> None:
    assert not asked(
        service("depression_visit", "2025-01-10"), diagnosed("major_depression_or_dysthymia", "2025-01-11")
    )
    assert not asked(seen("2025-01-10", diagnosis="other"))
    visit = encounter("depression_visit", "2025-01-10")
    assert asked(visit, condition("major_depression_or_dysthymia", "2024-05-05", part_of=visit.evidence))


def test_a_questionnaire_without_a_total_is_none() -> None:
    assert populations(asked(seen("2025-01-10"), phq9("2025-02-01", None)), "assessed") == (1, 1, 0, 0)
    assert populations(asked(seen("2025-01-10"), service("phq9", "2025-02-01")), "assessed") == (1, 1, 0, 0)
    assert populations(asked(seen("2025-01-10"), phq9("2025-02-01", "0")), "assessed") == (1, 1, 0, 1)


@pytest.mark.parametrize("status", ["preliminary", "cancelled", "entered-in-error"])
def test_a_score_that_is_not_final_does_not_count(status: str) -> None:
    assert asked(seen("2025-01-10"), phq9("2025-02-01", status=status))["assessed"].numerator == 0


def test_a_score_that_a_practice_submitted_counts_unless_it_was_rejected() -> None:
    assert asked(seen("2025-01-10"), result("phq9", "2025-02-01", "11"))["assessed"].numerator == 1
    assert asked(seen("2025-01-10"), result("phq9", "2025-02-01", "11", "rejected"))["assessed"].numerator == 0


def test_the_version_for_teens_counts_up_to_the_age_of_17() -> None:
    teen, score = member("2007-06-10"), observation("phq9_teen", "2025-06-09", value="7")
    assert asked(seen("2025-05-10"), score, who=teen)["assessed"].numerator == 1
    late = observation("phq9_teen", "2025-06-10", value="7")
    assert asked(seen("2025-05-10"), late, who=teen)["assessed"].numerator == 0
    assert asked(seen("2025-05-10"), phq9("2025-06-10"), who=teen)["assessed"].numerator == 1


@pytest.mark.parametrize(("birth", "is_in"), [("2013-01-01", True), ("2013-01-02", False)])
def test_a_member_is_twelve_on_the_first_day(birth: str, is_in: bool) -> None:
    assert bool(asked(seen("2025-01-10"), who=member(birth))) is is_in


def test_enrollment_is_that_of_the_year() -> None:
    assert asked(seen("2025-03-10"), who=member("1980-02-02", "F", covered("2025-02-15", "2025-12-31")))
    assert not asked(seen("2025-03-10"), who=member("1980-02-02", "F", covered("2025-02-16", "2025-12-31")))


@pytest.mark.parametrize(
    "role", ["bipolar_disorder", "personality_disorder", "psychotic_disorder", "pervasive_developmental_disorder"]
)
def test_another_disorder_at_any_time_up_to_the_end_takes_a_member_out(role: str) -> None:
    kept = [seen("2025-01-10"), seen("2025-06-10"), phq9("2025-01-10")]
    found = asked(*kept, diagnosed(role, "2001-01-01"))
    assert [(one.denominator, one.denominator_exclusion, one.numerator) for one in found.values()] == [
        (1, 1, 0),
        (1, 1, 0),
        (0, 0, 0),
        (2, 2, 0),
    ]
    assert asked(*kept, diagnosed(role, "2025-12-31"))["assessed"].denominator_exclusion == 2
    assert asked(*kept, diagnosed(role, "2026-01-01"))["assessed"].denominator_exclusion == 0


def test_hospice_takes_a_member_out() -> None:
    assert asked(seen("2025-01-10"), service("hospice_encounter", "2025-12-31"))["assessed"].denominator_exclusion == 1


def test_the_gap_is_due_by_the_end_of_its_assessment_period() -> None:
    found = asked(seen("2025-05-10"))["assessed_2"]
    assert (found.closes_with, found.due_by, found.anchor) == ("a PHQ-9 total", day("2025-08-31"), day("2025-12-31"))


def test_the_gaps_of_the_total_are_those_of_its_assessment_periods() -> None:
    found = asked(seen("2025-01-10"), seen("2025-05-10"), phq9("2025-02-01"))
    assert found["assessed"].denominator - found["assessed"].numerator == 1
    assert gap_of(found["assessed"], day("2025-06-01")) is None
    gap = gap_of(found["assessed_2"], day("2025-06-01"))
    assert gap is not None
    assert (gap.status, gap.closes_with, gap.due_by) == ("open", "a PHQ-9 total", day("2025-08-31"))


DATES = [dt.date(2025, month, date) for month, date in ((1, 1), (4, 30), (5, 1), (8, 31), (9, 1), (12, 31))]
DATES += [dt.date(2024, 12, 31), dt.date(2026, 1, 1)]
SCORES = st.lists(
    st.tuples(st.sampled_from(DATES), st.sampled_from([None, 0, 4, 9, 10, 20]), st.sampled_from(["phq9", "phq9_teen"])),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(DATES), max_size=4), SCORES)
def test_a_second_reading_agrees_whatever_the_order(visits: list[dt.date], scores: list[naive.Score]) -> None:
    kept = [seen(on.isoformat()) for on in visits]
    kept += [
        observation(kind, on.isoformat(), **({} if total is None else {"value": total})) for on, total, kind in scores
    ]
    found = asked(*kept)
    assert {name: (one.denominator, one.numerator) for name, one in found.items()} == naive.monitored(
        2025, visits, scores
    )
    assert asked(*reversed(kept), *kept) == found
