"""When a thing was: its first and last day, and how that lies to a window. Days are compared as written, never moments.

A window is two days, both included. Sources: QICoreCommon of the eCQMs (toInterval, prevalenceInterval, latest), the interval relations
of CQL ("during day of", "overlaps day of", "ends during day of").
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from state.calendar import FOREVER, Day, to_date
from state.measures.facts import Fact, KeptRecord

GOING_ON = frozenset({"active", "recurrence", "relapse"})
"""Clinical statuses in which a condition without an end goes on. Source: QICoreCommon, prevalenceInterval."""
OPEN_END: Day = dt.date(2199, 12, 31).toordinal()
"""How a chart writes the end of a period that has begun and of which no end is stated (docs/fhir.md)."""
UNKNOWN_START: Day = dt.date(1900, 1, 1).toordinal()
"""How a chart writes the beginning of a period of which only the end is stated (docs/fhir.md)."""
_STRETCHES = frozenset({"condition", "medication"})
"""Kinds of records that go on, or last nobody knows how long, when no end is given. All others took place on one day."""


def end_of(fact: Fact) -> Day:
    """The last day of a fact; FOREVER while it goes on. What has no end and is no stretch of time ends on the day on which it began."""
    return fact.start if fact.end == FOREVER and fact.kind not in _STRETCHES else fact.end


def prevalence(fact: Fact) -> tuple[Day, Day | None]:
    """From the onset of a condition to its abatement: FOREVER while it goes on, None when it is over and nobody said since when.

    A diagnosis on a claim is a condition on the days of its service. Source: QICoreCommon, prevalenceInterval.
    """
    record = fact.of
    if isinstance(record, KeptRecord) and record.end == FOREVER and GOING_ON.isdisjoint(record.status.split(";")):
        return record.start, None
    return fact.start, fact.end


def prevails(fact: Fact, start: Day, end: Day) -> bool:
    """Whether a condition surely was there on some day of the window.

    With an end that nobody said, that is sure only if it began in the window. Source: CQL, overlaps with an unknown boundary.
    """
    first, last = prevalence(fact)
    return start <= first <= end if last is None else first <= end and last >= start


def overlaps(fact: Fact, start: Day, end: Day) -> bool:
    """Whether a fact that is no condition surely has a day in the window ("overlaps day of").

    A period of which only the end is stated must end in the window: nobody knows whether it had begun. Source: CQL, overlaps.
    """
    last = end_of(fact)
    return start <= last and (last <= end if fact.start == UNKNOWN_START else fact.start <= end)


def starts_in(fact: Fact, start: Day, end: Day) -> bool:
    """Whether it begins in the window ("starts during day of")."""
    return start <= fact.start <= end


def ends_in(fact: Fact, start: Day, end: Day) -> bool:
    """Whether it ends in the window ("ends during day of"); what goes on does not."""
    return start <= end_of(fact) <= end


def starts_by(fact: Fact, end: Day) -> bool:
    """Whether something that is no condition surely began by a day; one of which only the end is stated began nobody knows when."""
    return UNKNOWN_START < fact.start <= end


def lies_in(fact: Fact, start: Day, end: Day) -> bool:
    """Whether it begins and ends in the window ("during day of")."""
    return start <= fact.start and end_of(fact) <= end


def latest(fact: Fact) -> Day:
    """The day to which a result belongs: the end of its period where there is one, else its start. Source: QICoreCommon, latest."""
    return fact.start if fact.end >= OPEN_END else fact.end


def earliest(fact: Fact) -> Day:
    """The day on which something began; of a period of which only the end is stated, that end. Source: QICoreCommon, earliest."""
    return end_of(fact) if fact.start == UNKNOWN_START else fact.start


def ordered_on(fact: Fact) -> Day:
    """The day on which an order was written ("authoredOn")."""
    record = fact.record
    return fact.start if record is None or record.authored is None else record.authored


@lru_cache(maxsize=1 << 10)
def between(start: Day, end: Day) -> str:
    """A window in words, as steps of a rule name it: "from 2023-10-01 to 2025-12-31"."""
    return f"from {to_date(start)} to {to_date(end)}"


def supply_overlaps(fact: Fact, start: Day, end: Day) -> bool:
    """Whether the period of a medication order has a day in the window; an order that says no length has no period.

    Source: CumulativeMedicationDuration, medicationRequestPeriod.
    """
    return fact.end != FOREVER and fact.start <= end and fact.end >= start
