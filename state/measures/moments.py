"""Which of two times comes first, to the moment where both are written to the moment, else by the day.

Most rules compare days (`timing`). CMS2 compares some times as they are, on one day too. Of two times on one day of which one is only
a day, neither comes first: CQL calls that uncertain, and what is uncertain does not hold.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple

from state.calendar import Day
from state.measures.facts import Fact
from state.measures.timing import end_of, ordered_on


class When(NamedTuple):
    """A day, and the moment of it as it is written with its zone; "" where only the day is known."""

    day: Day
    at: str = ""


def start(fact: Fact) -> When:
    """When a fact began."""
    return When(fact.start, "" if fact.record is None else fact.record.start_at)


def end(fact: Fact) -> When:
    """When a fact ended; one of a single time when it was."""
    record, day = fact.record, end_of(fact)
    return When(day, "" if record is None else record.end_at or (record.start_at if day == record.start else ""))


def written(fact: Fact) -> When:
    """When an order or note was written down; where nobody says, when it began."""
    record = fact.record
    return start(fact) if record is None or record.authored is None else When(ordered_on(fact), record.authored_at)


def is_before(one: When, other: When) -> bool:
    """Whether a time surely lies before another."""
    if one.at and other.at:
        return _instant(one.at) < _instant(other.at)
    return one.day < other.day


def is_within(time: When, fact: Fact) -> bool:
    """Whether a time surely lies from the beginning to the end of a fact, both included."""
    return _is_from(time, start(fact)) and _is_from(end(fact), time)


def is_within_days(day: Day, fact: Fact) -> bool:
    """Whether a day is one of those from the beginning to the end of a fact."""
    return fact.start <= day <= end_of(fact)


def _is_from(one: When, other: When) -> bool:
    """Whether a time surely is another or lies after it."""
    if one.at and other.at:
        return _instant(one.at) >= _instant(other.at)
    return one.day > other.day or (one.day == other.day and not one.at and not other.at)


def order(time: When) -> tuple[Day, dt.datetime]:
    """A key that sorts times: by the day as written, then by the moment; a mere day comes first."""
    return time.day, _instant(time.at) if time.at else dt.datetime.min.replace(tzinfo=dt.UTC)


def end_order(fact: Fact) -> tuple[Day, dt.datetime, Day, str]:
    """A key that sorts by the end, to the moment where moments are written, then by the start, then by the name of the record."""
    return *order(end(fact)), fact.start, fact.of.row


@lru_cache(maxsize=1 << 12)
def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
