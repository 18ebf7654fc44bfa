"""Closing a period: what is refused, what a close stands for, how the partials of the partitions become one manifest.

Source: design.md, closing a period; payment.md 4.0; attribution.md 2.9.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from schemas.records import (
    Close,
    ListKind,
    ListStatus,
    Partial,
    PartitionPosition,
    Period,
    PracticeCount,
    Reading,
    Snapshot,
)
from state import results
from state.calendar import EARLIEST, to_date
from state.measures import digest
from state.reference.frozen_lists import FrozenList

FARTHEST = dt.timedelta(days=62)
"""A panel is closed shortly before its month; one whose month begins later than this after the clock's date is a slip of the pen."""
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


class MixedPartials(Exception):
    """Partitions have frozen a close by different rules: the workers are not of one release, or do not have the same tables."""


def day_of(close: Close, period: Period | None) -> dt.date | None:
    """D of a close: the first day of a panel's month, the last day of a period. None where there is no such month or period."""
    if close.reading != "panel":
        return None if period is None else period.performance_end
    month = _MONTH.fullmatch(close.period)
    if month is None or int(month[1]) < EARLIEST.year:
        return None
    return dt.date(int(month[1]), int(month[2]), 1)


def why_refused(close: Close, period: Period | None, ticked: dt.date | None, others: Sequence[Snapshot]) -> str | None:
    """Why a close cannot be taken up, as a sentence; None when it can.

    `ticked` is the date of the clock, `others` are the closes of the same period that were taken up and not annulled.
    """
    name = (
        f"the {close.reading} reading of {close.period}" if close.reading != "panel" else f"the panel of {close.period}"
    )
    if ticked is None:
        return "the clock has not been set: run `panelstream tick DATE` first."
    day = day_of(close, period)
    if day is None:
        if close.reading == "panel":
            return f"{close.period} is no month from {EARLIEST.year} on: name a panel by its month, as in 2025-07."
        return f"period {close.period} is not known: publish its `period` record first."
    standing = {other.reading: other for other in others}
    same = standing.get(close.reading)
    if same is not None:
        return (
            f"{name} was closed already, as {same.close_id}: `panelstream close export {same.close_id}` shows it, and "
            f"`panelstream close annul {same.close_id} --reason TEXT` withdraws it."
        )
    if close.reading == "panel":
        if day - ticked > FARTHEST:
            return f"{name} describes {day}, and the clock stands at {ticked}: close it shortly before its month."
        return None
    other = next((one for one in others if one.as_of != day), None)
    if other is not None:
        return (
            f"period {close.period} ends on {day} by its last record, and {other.close_id} stands for {other.as_of}: correct the "
            f"`period` record, or withdraw that reading with `panelstream close annul {other.close_id} --reason TEXT`."
        )
    if close.reading == "initial" and "final" in standing:
        return f"the final reading of {close.period} stands already, as {standing['final'].close_id}: an initial one would settle nothing."
    first = period.k1 if period is not None and close.reading == "initial" else period.k2 if period is not None else day
    if ticked < first:
        return f"{name} is refused before {first}, and the clock stands at {ticked}: claims of the period are still expected."
    return None


def kind_and_status(reading: Reading) -> tuple[ListKind, ListStatus]:
    """Whether a reading looks ahead or back, and whether another follows it."""
    return ("prospective" if reading == "panel" else "retrospective", "open" if reading == "initial" else "final")


def opened(close: Close, control: int) -> Snapshot:
    """The manifest of a close that was taken up and has no partial yet. `control` is the offset of its request."""
    kind, status = kind_and_status(close.reading)
    return Snapshot(
        close_id=close.close_id,
        period=close.period,
        reading=close.reading,
        state="open",
        message=None,
        actor=close.actor,
        reason=close.reason,
        as_of=close.as_of,
        list_kind=kind,
        list_status=status,
        ruleset=None,
        tables=(),
        engine_version=None,
        content_digest=None,
        counts=(),
        members=0,
        attributed=0,
        not_frozen=(),
        failed=(),
        retro_until=to_date(FrozenList.of(close, control).until)
        if close.closed_on and close.reading != "initial"
        else None,
        positions=(),
        control=control,
        cutoff=close.cutoff,
        skips=(),
    )


def refused(close: Close, control: int, message: str) -> Snapshot:
    """The answer to a close that cannot be taken up."""
    return msgspec.structs.replace(opened(close, control), state="refused", message=message, retro_until=None)


def completed(snapshot: Snapshot, partials: Iterable[Partial]) -> Snapshot:
    """The manifest when every partition has answered. Raises `MixedPartials` when they went by different rules."""
    given = sorted(partials, key=lambda partial: partial.partition)
    rules = {(partial.ruleset, partial.tables, partial.engine_version, partial.measured_by) for partial in given}
    if len(rules) != 1:
        raise MixedPartials(
            f"the partitions froze {snapshot.close_id} by different rules or tables: run workers of one release with the same tables."
        )
    ruleset, tables, engine_version, measured_by = next(iter(rules))
    counts: Counter[tuple[str, str]] = Counter()
    for partial in given:
        counts.update({(one.payer, one.practice_id): one.members for one in partial.counts})
    return msgspec.structs.replace(
        snapshot,
        state="complete",
        ruleset=ruleset,
        tables=tables,
        engine_version=engine_version,
        content_digest=results.content_digest(sum(int(partial.digest, 16) for partial in given)),
        counts=tuple(
            PracticeCount(payer=payer, practice_id=practice, members=members)
            for (payer, practice), members in sorted(counts.items())
        ),
        members=counts.total(),
        attributed=sum(members for (_, practice), members in counts.items() if practice),
        not_frozen=tuple(sorted({payer for partial in given for payer in partial.not_frozen})),
        failed=tuple(sorted(member for partial in given for member in partial.failed)),
        positions=tuple(
            PartitionPosition(partition=one.partition, watermark=one.watermark, accepted_at=one.accepted_at)
            for one in given
        ),
        skips=tuple(sorted(skip for partial in given for skip in partial.skips)),
        measured_by=measured_by,
        measures_digest=digest.text(sum(int(partial.measures_digest or "0", 16) for partial in given))
        if measured_by
        else None,
        measure_results=sum(partial.measure_results for partial in given),
    )
