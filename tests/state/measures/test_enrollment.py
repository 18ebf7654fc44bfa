"""Continuous enrollment: golden cases of measures.md 1.2."""

from __future__ import annotations

import pytest

from state.calendar import FOREVER
from state.measures.enrollment import Rule, enrolled, enrolled_on, uncovered
from state.measures.facts import CoverSpan, Profile
from tests.measure_builders import covered, day, member


def _is_enrolled(start: str, end: str, *spans: CoverSpan) -> bool:
    return enrolled(member("1980-01-01", "F", *spans), day(start), day(end), Rule())


def test_a_gap_of_45_days_is_allowed_and_one_of_46_is_not() -> None:
    assert _is_enrolled(
        "2024-01-01", "2024-12-31", covered("2023-01-01", "2024-03-31"), covered("2024-05-16", "2030-01-01")
    )
    assert not _is_enrolled(
        "2024-01-01", "2024-12-31", covered("2023-01-01", "2024-03-31"), covered("2024-05-17", "2030-01-01")
    )


def test_a_leading_gap_counts_like_any_other() -> None:
    assert _is_enrolled("2025-01-01", "2025-12-31", covered("2025-02-15", "2030-01-01"))
    assert not _is_enrolled("2025-01-01", "2025-12-31", covered("2025-02-16", "2030-01-01"))
    assert not _is_enrolled(
        "2025-01-01", "2025-12-31", covered("2025-01-02", "2025-06-30"), covered("2025-07-02", "2030-01-01")
    )


def test_a_trailing_gap_of_46_uncovered_days_fails() -> None:
    assert not _is_enrolled("2025-01-01", "2025-12-31", covered("2024-01-01", "2025-11-15"))
    assert _is_enrolled("2025-01-01", "2025-12-31", covered("2024-01-01", "2025-11-16"))


def test_two_short_gaps_in_a_year_fail_though_their_sum_would_be_allowed() -> None:
    spans = (
        covered("2024-01-01", "2025-02-28"),
        covered("2025-03-02", "2025-06-30"),
        covered("2025-07-02", "2030-01-01"),
    )
    assert not _is_enrolled("2025-01-01", "2025-12-31", *spans)


def test_each_year_of_a_longer_window_has_its_own_gap() -> None:
    spans = (
        covered("2023-01-01", "2024-05-31"),
        covered("2024-07-01", "2025-05-31"),
        covered("2025-07-01", "2030-01-01"),
    )
    assert _is_enrolled("2024-01-01", "2025-12-31", *spans)


def test_one_gap_across_the_border_of_two_years_is_a_gap_in_each() -> None:
    across = (covered("2023-01-01", "2024-11-30"), covered("2025-02-01", "2030-01-01"))
    assert _is_enrolled("2024-01-01", "2025-12-31", *across)
    too_long = (covered("2023-01-01", "2024-11-15"), covered("2025-02-01", "2030-01-01"))
    assert not _is_enrolled("2024-01-01", "2025-12-31", *too_long)


def test_the_stub_before_the_years_allows_no_gap() -> None:
    stub_gap = (covered("2020-01-01", "2022-10-31"), covered("2022-11-02", "2030-01-01"))
    assert not _is_enrolled("2022-10-01", "2024-12-31", *stub_gap)
    assert _is_enrolled("2022-10-01", "2024-12-31", covered("2022-10-01", "2030-01-01"))
    assert not _is_enrolled("2022-10-01", "2024-12-31", covered("2022-10-02", "2030-01-01"))


def test_spans_that_touch_or_overlap_are_one_whatever_their_product() -> None:
    assert _is_enrolled(
        "2025-01-01",
        "2025-12-31",
        covered("2024-01-01", "2025-04-30", "HMO"),
        covered("2025-05-01", "2025-09-30", "PPO"),
        covered("2025-09-01", "2030-01-01", "PPO"),
    )


def test_a_leap_year_before_is_a_full_year() -> None:
    assert _is_enrolled("2023-07-01", "2024-06-30", covered("2023-08-15", "2024-06-30"))
    assert not _is_enrolled("2023-07-01", "2024-06-30", covered("2023-08-16", "2024-06-30"))


def test_cover_without_a_benefit_is_no_cover_for_it() -> None:
    profile = Profile(birth=1, spans=(CoverSpan(day("2020-01-01"), FOREVER, "PPO", medical=True, pharmacy=False),))
    assert enrolled_on(profile, day("2025-12-31"))
    assert not enrolled_on(profile, day("2025-12-31"), "pharmacy")


@pytest.mark.parametrize(("start", "gaps"), [("2025-02-15", 45), ("2025-01-02", 1)])
def test_gap_days_are_uncovered_calendar_days(start: str, gaps: int) -> None:
    found = uncovered(member("1980-01-01", "F", covered(start, "2030-01-01")), day("2025-01-01"), day("2025-12-31"))
    assert [last - first + 1 for first, last in found] == [gaps]
