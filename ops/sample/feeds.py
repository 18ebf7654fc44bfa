"""The weekly claims files of made-up payers: which file and row a claim came in, and what each file held."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ops.sample.community import PLANS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Event = dict[str, object]

ONE_DAY = dt.timedelta(days=1)


def with_manifests(events: Iterable[Event], start: dt.date, end: dt.date) -> Iterator[Event]:
    """The events with each payer's weekly manifest after the week; claims get their file and their row in it.

    A claim equal to the one before it is the same row sent twice.
    """
    week = 0
    rows = dict.fromkeys((plan.payer for plan in PLANS), 0)
    before: Event | None = None
    same: Event | None = None
    for event in events:
        while str(event["accepted_at"])[:10] > _last_of_week(start, week, end):
            yield from _manifests(rows, start, week, end)
            rows, week = dict.fromkeys(rows, 0), week + 1
        if event["event_type"] != "claim":
            yield event
            continue
        if event != before or same is None:
            payer = str(event["payer"])
            rows[payer] += 1
            before, same = event, event | {"source_file": _file_name(payer, week), "source_row": rows[payer]}
        yield same
    while start + ONE_DAY * 7 * week <= end:
        yield from _manifests(rows, start, week, end)
        rows, week = dict.fromkeys(rows, 0), week + 1


def _last_of_week(start: dt.date, week: int, end: dt.date) -> str:
    return min(start + ONE_DAY * (7 * week + 6), end).isoformat()


def _file_name(payer: str, week: int) -> str:
    return f"{payer}-claims-{week + 1:04d}.ndjson"


def _manifests(rows: dict[str, int], start: dt.date, week: int, end: dt.date) -> Iterator[Event]:
    last = _last_of_week(start, week, end)
    for payer, records in rows.items():
        yield {
            "event_type": "feed_manifest",
            "payer": payer,
            "feed": "claims",
            "file": _file_name(payer, week),
            "list_version": week + 1,
            "covers_from": (start + ONE_DAY * 7 * week).isoformat(),
            "covers_to": last,
            "records": records,
            "full_replacement": False,
            "source_system": payer,
            "accepted_at": f"{last}T23:59:59Z",
        }
