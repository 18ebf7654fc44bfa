"""Who gets the credit for a measure: the practice of the member on the measure's anchor day. Source: attribution.md 2.9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from state.calendar import Day, add_months, month_of
from state.measures.outcome import Outcome
from state.measures.period import Period

PracticeOn = Callable[[Day], str]
"""Whose patient the member is on a day; "" for nobody's."""


class Credit(msgspec.Struct, frozen=True, array_like=True):
    """How the credit for a measure is found. `anchor`: the day that decides, None for the period's last.

    `most_months`: the practice of most attributed months of the period has it, the latest on a tie; a month is attributed as on its
    first day.
    """

    anchor: Day | None = None
    most_months: bool = False

    def last_day(self, period: Period, as_of: Day) -> Day:
        """The latest day whose attribution decides: what can matter only after it leaves the credit where it is."""
        if self.most_months:
            return max(month_of(min(period.end, as_of)), period.start)
        return min(period.end if self.anchor is None else self.anchor, as_of)

    def practice(self, period: Period, as_of: Day, practice_on: PracticeOn) -> str:
        """The practice that gets the credit: on the anchor, or today where that is earlier; "" for nobody."""
        if self.most_months:
            return most_months(period, as_of, practice_on)
        return practice_on(self.last_day(period, as_of))

    def stays(self, practice: str, since: Day, period: Period, as_of: Day, practice_on: PracticeOn) -> bool:
        """Whether a practice that had the credit has it still, where attribution can be another from the day `since` on alone.

        Who had most months, and has every month from that day on, has most months and the latest.
        """
        if since > self.last_day(period, as_of):
            return True
        has_all_since = self.most_months and all(
            practice_on(day) == practice for day in _months_of(period, as_of) if day >= since
        )
        return has_all_since or self.practice(period, as_of, practice_on) == practice


def credit_of(outcomes: Iterable[Outcome]) -> Credit:
    """How the credit is found for a measure, as its outcomes name it; of several anchors the first."""
    some = list(outcomes)
    anchors = [outcome.anchor for outcome in some if outcome.anchor is not None]
    return Credit(min(anchors, default=None), any(outcome.most_months for outcome in some))


def _months_of(period: Period, as_of: Day) -> Iterator[Day]:
    """The first day of each month of a period up to a day."""
    month = month_of(period.start)
    while month <= min(period.end, as_of):
        yield max(month, period.start)
        month = add_months(month, 1)


def attributed_months(period: Period, as_of: Day, practice_on: PracticeOn) -> list[str]:
    """The practice of each attributed month of a period up to a day, in order; a month is attributed as on its first day."""
    return [practice for day in _months_of(period, as_of) if (practice := practice_on(day))]


def most_months(period: Period, as_of: Day, practice_on: PracticeOn) -> str:
    """The practice of most attributed months of a period up to a day, the latest on a tie; "" when no month is attributed."""
    found = attributed_months(period, as_of, practice_on)
    months, latest = Counter(found), {practice: number for number, practice in enumerate(found)}
    return max(months, key=lambda one: (months[one], latest[one]), default="")
