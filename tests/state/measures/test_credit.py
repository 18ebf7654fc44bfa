"""Whose credit a measure is, and whether it stays whose it was when a fact comes late."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.calendar import Day, month_of
from state.measures.credit import Credit, PracticeOn
from state.measures.period import Period


def _day(text: str) -> Day:
    return dt.date.fromisoformat(text).toordinal()


PERIOD = Period(_day("2025-01-01"), _day("2025-12-31"))
DAYS = range(PERIOD.start - 40, PERIOD.end + 40)
CREDITS = (Credit(most_months=True), Credit(), Credit(anchor=_day("2025-03-03")))
practices = st.lists(st.sampled_from(("", "A", "A", "B")), min_size=15, max_size=15)


def _by_month(names: list[str], since: Day = 0, earlier: PracticeOn | None = None) -> PracticeOn:
    """Another practice each month; before `since` those that `earlier` says."""

    def practice_on(day: Day) -> str:
        if earlier is not None and day < since:
            return earlier(day)
        return names[(month_of(day) - month_of(DAYS.start)) // 28 % len(names)]

    return practice_on


@pytest.mark.parametrize("credit", CREDITS)
@given(
    names=practices,
    others=practices,
    since=st.sampled_from(DAYS),
    as_of=st.sampled_from(DAYS[40:]),
)
def test_the_credit_stays_where_it_is_asked_anew_and_is_the_same(
    credit: Credit, names: list[str], others: list[str], since: Day, as_of: Day
) -> None:
    earlier = _by_month(names)
    now = _by_month(others, since, earlier)
    before = credit.practice(PERIOD, as_of, earlier)
    assert credit.stays(before, since, PERIOD, as_of, now) == (credit.practice(PERIOD, as_of, now) == before)


def test_a_visit_after_the_last_day_that_decides_is_not_asked_about() -> None:
    def nobody_may_ask(_day: Day) -> str:
        raise AssertionError

    as_of = _day("2025-08-20")
    assert Credit(most_months=True).stays("A", _day("2025-08-02"), PERIOD, as_of, nobody_may_ask)
    assert Credit().stays("A", _day("2025-08-21"), PERIOD, as_of, nobody_may_ask)
    assert Credit(anchor=_day("2025-03-03")).stays("A", _day("2025-03-04"), PERIOD, as_of, nobody_may_ask)
