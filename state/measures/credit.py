"""Who gets the credit for a measure: the practice of the member on the measure's anchor day. Source: attribution.md 2.9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from state.calendar import Day, add_months, month_of
from state.measures.outcome import Outcome
from state.measures.period import Period

PracticeOn = Callable[[Day], str]
"""Whose patient the member is on a day; "" for nobody's."""


def credited(outcomes: Iterable[Outcome], period: Period, as_of: Day, practice_on: PracticeOn) -> str:
    """The practice that gets the credit: on the anchor, or today where that is earlier; "" for nobody.

    The anchor is the one that the measure's outcomes name, else the period's last day. A measure whose outcomes say `most_months` goes to
    the practice of most attributed months of the period, the latest on a tie; a month is attributed as on its first day.
    """
    some = list(outcomes)
    if any(outcome.most_months for outcome in some):
        return most_months(period, as_of, practice_on)
    anchors = [outcome.anchor for outcome in some if outcome.anchor is not None]
    return practice_on(min(min(anchors, default=period.end), as_of))


def most_months(period: Period, as_of: Day, practice_on: PracticeOn) -> str:
    """The practice of most attributed months of a period up to a day, the latest on a tie; "" when no month is attributed."""
    months: Counter[str] = Counter()
    latest: dict[str, Day] = {}
    month = month_of(period.start)
    while month <= min(period.end, as_of):
        practice = practice_on(max(month, period.start))
        if practice:
            months[practice] += 1
            latest[practice] = month
        month = add_months(month, 1)
    return max(months, key=lambda one: (months[one], latest[one], one), default="")
