"""Times of FHIR as a start and an end, written as the source writes them.

A point in time has a start and no end. A period keeps both; one that has begun and has no end ends on `OPEN_END`, so that it cannot
be taken for a point. A day known only to its month or year becomes all of it. A start that is not stated is `UNKNOWN_START`.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import NamedTuple

from state.calendar import add_months
from streams.adapters.fhir.elements import Json, number, part, text, texts

UNKNOWN_START = "1900-01-01"
"""The first day that the service takes: since nobody knows when."""
OPEN_END = "2199-12-31"
"""The last day that the service takes: a period that has begun, and of which no end is stated."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PART_OF_A_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(:\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?")

NO_DATE = "is no date that exists"
NO_ZONE = "is a time without a zone: only its day is kept"
NO_DAY = "is known only to the month or year: all of it is written"
NO_START = "has a period without a start: written as 1900-01-01"
ONLY_TEXT = "is only text, no date"


class Span(NamedTuple):
    """From when to when, and what had to be said otherwise than the source does."""

    start: str
    end: str | None = None
    note: str | None = None


class Unreadable(NamedTuple):
    """A time that cannot be said, and why."""

    note: str


def when(written: str) -> Span | Unreadable:
    """A date, dateTime or instant. Days and moments with a zone stay as they are written."""
    moment = _MOMENT.fullmatch(written)
    try:
        if _DAY.fullmatch(written):
            dt.date.fromisoformat(written)
            return Span(written)
        if moment:
            day, seconds, zone = moment.groups()
            dt.date.fromisoformat(day)
            if zone is None:
                return Span(day, note=NO_ZONE)
            whole = written if seconds else f"{written[: -len(zone)]}:00{zone}"
            dt.datetime.fromisoformat(whole)
            return Span(whole)
    except ValueError:
        return Unreadable(NO_DATE)
    partly = _PART_OF_A_DATE.fullmatch(written)
    year, month = (int(partly[1]), int(partly[2] or 0)) if partly else (0, 0)
    if not 1 <= year <= dt.MAXYEAR or month > 12:
        return Unreadable(NO_DATE)
    last = month or 12
    first_day, last_day = dt.date(year, month or 1, 1), dt.date(year, last, calendar.monthrange(year, last)[1])
    return Span(first_day.isoformat(), last_day.isoformat(), NO_DAY)


def period(holder: Json) -> Span | Unreadable | None:
    """A Period; None where it says nothing."""
    first, last = text(holder, "start"), text(holder, "end")
    if first is None and last is None:
        return None
    start = Span(UNKNOWN_START, note=NO_START) if first is None else when(first)
    end = Span(OPEN_END) if last is None else when(last)
    if isinstance(start, Unreadable):
        return start
    if isinstance(end, Unreadable):
        return end
    return Span(start.start, end.end or end.start, start.note or end.note)


def timing(holder: Json) -> Span | Unreadable | None:
    """A Timing: from the first event to the last, else the period that bounds its repetition."""
    events = [when(each) for each in texts(holder, "event")]
    if not events:
        return period(part(part(holder, "repeat"), "boundsPeriod"))
    spans = [event for event in events if isinstance(event, Span)]
    if len(spans) < len(events):
        return Unreadable(NO_DATE)
    spans.sort(key=lambda span: _moment(span.start))
    first, last = spans[0], spans[-1]
    return Span(first.start, None if len(spans) == 1 else last.end or last.start, first.note or last.note)


def age(low: Json, high: Json, birth: str | None) -> Span | Unreadable:
    """The year in which a person had an age, or from the first day of one age to the last day of another.

    The last day is that before the next birthday: CQL's interval is open there (QICoreCommon.toInterval).
    """
    if birth is None or not _DAY.fullmatch(birth):
        return Unreadable("is an age, and the patient's date of birth is not known")
    first, last = _at_age(birth, low), _at_age(birth, high)
    if first is None or last is None:
        return Unreadable("is an age in a unit that is not known")
    return Span(first.isoformat(), _ordinal_date(add_months(last.toordinal(), 12) - 1).isoformat())


def span(resource: Json, name: str, birth: str | None = None) -> Span | Unreadable | None:
    """The time under a name of many types (`onset[x]`, `effective[x]`, ...); None where none is stated."""
    for suffix in ("DateTime", "Instant", "Date"):
        written = text(resource, name + suffix)
        if written is not None:
            return when(written)
    found = period(part(resource, name + "Period")) or timing(part(resource, name + "Timing"))
    if found is not None:
        return found
    years = part(resource, name + "Age")
    if years:
        return age(years, years, birth)
    between = part(resource, name + "Range")
    if between:
        return age(part(between, "low"), part(between, "high"), birth)
    return Unreadable(ONLY_TEXT) if text(resource, name + "String") else None


def day(written: str | None) -> dt.date | None:
    """The day of a date or time, as written; None for none, and for one known only to its month."""
    found = when(written) if written else None
    return dt.date.fromisoformat(found.start[:10]) if isinstance(found, Span) and found.end is None else None


def before(written: str, first: str) -> str:
    """The day before a day, the millisecond before a moment: how CQL closes an interval whose end is open. Not before its beginning."""
    if "T" in written:
        shorter = dt.datetime.fromisoformat(written) - dt.timedelta(milliseconds=1)
        found = shorter.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    else:
        found = (dt.date.fromisoformat(written) - dt.timedelta(days=1)).isoformat()
    return written if _moment(found) < _moment(first) else found


def iso(date: dt.date | None) -> str | None:
    """A day as it is written; None for none."""
    return None if date is None else date.isoformat()


_MONTHS = {"a": 12, "mo": 1, "year": 12, "years": 12, "month": 1, "months": 1}
_DAYS = {"wk": 7, "d": 1, "week": 7, "weeks": 7, "day": 1, "days": 1}


def _at_age(birth: str, quantity: Json) -> dt.date | None:
    """The day on which somebody born on a day reached an age."""
    value, unit = number(quantity, "value"), text(quantity, "code") or text(quantity, "unit")
    born = dt.date.fromisoformat(birth).toordinal()
    if value is None or not 0 <= value <= 150_000:
        return None
    if unit in _MONTHS:
        return _ordinal_date(add_months(born, int(value * _MONTHS[unit])))
    return _ordinal_date(born + int(value * _DAYS[unit])) if unit in _DAYS else None


def _ordinal_date(ordinal: int) -> dt.date:
    return dt.date.fromordinal(min(ordinal, dt.date.max.toordinal()))


def _moment(written: str) -> dt.datetime:
    """For putting times in order; a day stands at its beginning, UTC."""
    found = dt.datetime.fromisoformat(written)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
