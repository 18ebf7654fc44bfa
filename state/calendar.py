"""Days and months. Inside `state` a day is its proleptic ordinal (`date.toordinal`): cheap to compare, to count and to store."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from functools import lru_cache

_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?")
_WHEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?")
_DAY_LENGTH = 10
Day = int
FOREVER: Day = dt.date.max.toordinal() + 1
"""The day after all days: the end of what has no end."""

EARLIEST = dt.date(1900, 1, 1)
LATEST = dt.date(2199, 12, 31)
"""A date that starts something lies between these, or somebody's conversion went wrong. Ends may be later: 9999-12-31 is open."""


def from_date(date: dt.date | None) -> Day:
    """The day of a date; FOREVER for an absent end."""
    return FOREVER if date is None else date.toordinal()


def from_end(date: dt.date | None) -> Day:
    """The day of a date on which something ends; FOREVER for an absent end, and for 9999-12-31, by which many say the same."""
    return FOREVER if date == dt.date.max else from_date(date)


def to_date(day: Day | None) -> dt.date | None:
    """The date of a day; None for None and for FOREVER."""
    return None if day is None or day >= FOREVER else dt.date.fromordinal(day)


@lru_cache(maxsize=1 << 16)
def add_months(day: Day, months: int) -> Day:
    """The same day `months` later, clamped to the month's last day; FOREVER beyond the calendar. Source: attribution.md 2.1."""
    date = dt.date.fromordinal(day)
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    if year > dt.MAXYEAR:
        return FOREVER
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(date.day, last)).toordinal()


@lru_cache(maxsize=1 << 16)
def first_live(day: Day, months: int) -> Day:
    """The earliest date of a visit that is live on `day`: v <= day < add_months(v, months). Source: attribution.md 2.1."""
    first = add_months(day, -months)
    while add_months(first, months) <= day:
        first += 1
    return first


@lru_cache(maxsize=1 << 12)
def month_of(day: Day) -> Day:
    """The first day of the month of `day`."""
    return dt.date.fromordinal(day).replace(day=1).toordinal()


def month_named(text: str) -> Day:
    """The first day of a month given as YYYY-MM, or as any day of it, YYYY-MM-DD. Raises `ValueError`."""
    if not _MONTH.fullmatch(text):
        raise ValueError("not a month")
    return month_of(dt.date.fromisoformat(text if len(text) > 7 else f"{text}-01").toordinal())


def day_written(text: str) -> dt.date:
    """The day of YYYY-MM-DD, or of a moment with its zone (RFC 3339): the one that is written. Raises `ValueError`."""
    if not _WHEN.fullmatch(text):
        raise ValueError("neither a day nor a moment with its zone")
    return dt.date.fromisoformat(text) if len(text) == _DAY_LENGTH else dt.datetime.fromisoformat(text).date()


@lru_cache(maxsize=1 << 12)
def month_start_from(day: Day) -> Day:
    """The first day of a month on or after `day`."""
    date = dt.date.fromordinal(day)
    return day if date.day == 1 else add_months(date.replace(day=1).toordinal(), 1)
