"""What `replay` and `close` write, as rows and bytes: CSV with a header, sorted by the leading columns (interface.md section 4).

Equal answers give equal bytes: lines end with a line feed, null is empty, several values are joined by `;`, dates are ISO.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from schemas.records import Adjustment, Alert, Attribution, PanelEntry, Snapshot

PANEL = (
    "payer",
    "member_id",
    "status",
    "step",
    "practice_id",
    "provider_npi",
    "reason",
    "visits_12m",
    "visits_18m",
    "last_visit_date",
    "runner_up_practice_id",
    "secure_until",
    "drop_reason",
    "next_practice_id",
    "visits_needed",
    "evidence",
    "flags",
)
ALERTS = (
    "payer",
    "member_id",
    "practice_id",
    "state",
    "reason",
    "secure_until",
    "next_panel_date",
    "panel_visit_by",
    "horizon_days",
    "visits_needed",
    "data_through",
)
LISTS = (
    "practice_id",
    "payer",
    "member_id",
    "period",
    "reading",
    "as_of",
    "list_kind",
    "list_status",
    "change",
    "span_start",
    "span_end",
    "step",
    "provider_npi",
)
ADJUSTMENTS = ("period", "payer", "member_id", "practice_id", "what", "before", "after", "cause")
QUARANTINE = ("source", "position", "reason", "field", "message")


class Quarantined(msgspec.Struct, frozen=True, order=True):
    """A refused record: `source` is the file or topic it came from, `position` its row or partition and offset there."""

    source: str
    position: tuple[int, ...]
    reason: str
    field: str
    message: str


def panel_csv(answers: Iterable[Attribution]) -> Iterator[bytes]:
    """panel.csv, line by line. `answers` are sorted by payer and member."""
    return _lines(PANEL, answers)


def panel_line(answer: Attribution) -> bytes:
    """A line of panel.csv."""
    return line(getattr(answer, column) for column in PANEL)


def alert_line(alert: Alert) -> bytes:
    """A line of alerts.csv, where they stand by payer, member and practice."""
    return line(getattr(alert, column) for column in ALERTS)


def quarantine_csv(refused: Iterable[Quarantined]) -> Iterator[bytes]:
    """quarantine.csv, line by line, by source and place in it, each record once."""
    return _lines(QUARANTINE, sorted(set(refused)))


def lists_csv(snapshot: Snapshot, entries: Iterable[tuple[str, PanelEntry]]) -> Iterator[bytes]:
    """lists.csv: the members of each practice's list and those who left it. `entries` are sorted by practice, payer and member.

    Who is on no list is in panel.csv alone.
    """
    return rows_csv(
        LISTS,
        (
            (
                practice,
                entry.payer,
                entry.member_id,
                snapshot.period,
                snapshot.reading,
                snapshot.as_of,
                snapshot.list_kind,
                snapshot.list_status,
                entry.change,
                entry.span_start,
                entry.span_end,
                entry.attribution and entry.attribution.step,
                entry.attribution and entry.attribution.provider_npi,
            )
            for practice, entry in entries
            if practice
        ),
    )


def adjustments_csv(made: Iterable[Adjustment]) -> Iterator[bytes]:
    """adjustments.csv, by period, payer, member, practice and the order in which they were made (offset of the cause)."""
    return _lines(ADJUSTMENTS, made)


def close_manifest(snapshot: Snapshot, files: dict[str, str]) -> dict[str, object]:
    """manifest.json of a close. `files`: the sha256 of each file beside it. Positions stand in a section of their own."""
    tables = {table.kind: table.digest for table in snapshot.tables}
    return {
        "close": {
            "id": snapshot.close_id,
            "period": snapshot.period,
            "reading": snapshot.reading,
            "state": snapshot.state,
            "list_kind": snapshot.list_kind,
            "list_status": snapshot.list_status,
            "actor": snapshot.actor,
            "reason": snapshot.reason,
            "retro_until": snapshot.retro_until,
        },
        "as_of": snapshot.as_of,
        "engine_version": snapshot.engine_version,
        "ruleset": {"name": snapshot.ruleset, "digest": tables.pop("ruleset", None)},
        "tables": tables,
        "content_digest": snapshot.content_digest,
        "measures": None
        if not snapshot.measured_by
        else {
            "digest": snapshot.measures_digest,
            "results": snapshot.measure_results,
            "by": [{"kind": one.kind, "digest": one.digest} for one in snapshot.measured_by],
        },
        "counts": {
            "members": snapshot.members,
            "attributed": snapshot.attributed,
            "not_attributed": snapshot.members - snapshot.attributed,
            "failed": len(snapshot.failed),
        },
        "practices": [
            {"payer": one.payer, "practice_id": one.practice_id, "members": one.members}
            for one in snapshot.counts
            if one.practice_id
        ],
        "payers_not_frozen": snapshot.not_frozen,
        "failed_members": snapshot.failed,
        "files": files,
        "positions": {
            "member_events": snapshot.positions,
            "control": snapshot.control,
            "inputs": snapshot.cutoff,
            "passed_over": snapshot.skips,
        },
    }


def answer_digest(answer: Attribution) -> int:
    """The sha256 of an answer's line of panel.csv as a number. A list's content digest is their sum, whatever their order."""
    return line_digest(panel_line(answer))


def line_digest(panel: bytes) -> int:
    """As `answer_digest`, of a line that is there already."""
    return int.from_bytes(hashlib.sha256(panel).digest())


def content_digest(total: int) -> str:
    """A sum of digests of answers as 64 hex digits: the sum is taken modulo 2 to the 256."""
    return f"{total % (1 << 256):064x}"


def line(values: Iterable[object]) -> bytes:
    """One line of a CSV file."""
    texts = ["" if value is None else value if type(value) is str else _text(value) for value in values]
    plain = ",".join(texts)
    if len(texts) > 1 and plain.count(",") == len(texts) - 1 and _QUOTED.isdisjoint(plain):
        # As the writer would have it, in a third of the time.
        return f"{plain}\n".encode()
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(texts)
    return buffer.getvalue().encode()


_QUOTED = frozenset('"\r\n')


def _lines(columns: Sequence[str], records: Iterable[msgspec.Struct]) -> Iterator[bytes]:
    return rows_csv(columns, ([getattr(record, column) for column in columns] for record in records))


def rows_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """A CSV file, line by line: the header, then the rows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([_text(value) for value in row])
    yield buffer.getvalue().encode()


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case int():
            return str(value)
        case dt.date():
            return value.isoformat()
        case tuple() if value and isinstance(value[0], int):
            return "/".join(map(str, value))
        case tuple():
            return ";".join(value)
        case _:
            return str(value)
