"""The state file of one partition of `member-events`: members, their cold rows, the terms they are found by, reference records.

One row a member holds all that an event needs; cold rows (claim families, source-given ids) are read by name only.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import msgspec

from state.restating import Changes, Sums
from state.stores.log_state import LogState

T = TypeVar("T")

CONTENT = (
    "SELECT as_of, control FROM progress",
    "SELECT control, record FROM reference ORDER BY control",
    "SELECT key, due, alert, failed, state FROM members ORDER BY key",
    "SELECT member, name, state FROM rows ORDER BY member, name",
    "SELECT event_offset, envelope FROM held ORDER BY event_offset",
    "SELECT member, event_offset, ordinal, record FROM changes ORDER BY member, event_offset, ordinal",
    "SELECT event_offset, digest, reason FROM skips ORDER BY event_offset",
    "SELECT key, state FROM measures ORDER BY key",
    "SELECT cell, sums FROM sums ORDER BY cell",
    "SELECT member, state FROM services ORDER BY member",
    "SELECT close, cell, number, allowed, paid, handed FROM restated ORDER BY close, cell",
)
"""What makes two state files the same: all but positions, epochs and times of acceptance."""
NEVER = "9999-12-31"
AT_ONCE = "0001-01-01"
"""Due date of a member folded before the partition's first tick."""


class MemberRow(msgspec.Struct, frozen=True):
    """A member as stored: `due` is the next date on which its answer can change by itself."""

    key: str
    due: dt.date | None
    alert_open: bool
    failed: str | None
    state: bytes


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change of a member's attribution as stored, under the version with which it was said."""

    member: str
    offset: int
    ordinal: int
    as_of: dt.date
    record: bytes


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a wide record has been worked: the last member done and the outputs so far."""

    offset: int
    last_key: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which members a wide record concerns. Exactly one of the fields is given; `everyone` is none of them."""

    due_by: dt.date | None = None
    payer: str | None = None
    open_alerts_of: str | None = None
    terms: frozenset[str] = frozenset()


class MemberState(LogState):
    """The open state file of a member partition."""

    SCHEMA: ClassVar[str] = """
        CREATE TABLE progress (
            as_of TEXT, accepted_at TEXT NOT NULL, control INTEGER NOT NULL,
            cursor_offset INTEGER, cursor_key TEXT, cursor_ordinal INTEGER
        );
        INSERT INTO progress VALUES (NULL, '0001-01-01T00:00:00+00:00', 0, NULL, NULL, NULL);
        CREATE TABLE members (
            key TEXT PRIMARY KEY, due TEXT NOT NULL, alert INTEGER NOT NULL, failed TEXT, state BLOB NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX members_due ON members (due) WHERE failed IS NULL;
        CREATE INDEX members_alert ON members (key) WHERE alert = 1;
        CREATE INDEX members_failed ON members (key) WHERE failed IS NOT NULL;
        -- Cold rows are large and new ones come for any member: appended, and found by an index, they dirty a third fewer pages.
        CREATE TABLE rows (member TEXT NOT NULL, name TEXT NOT NULL, state BLOB NOT NULL, PRIMARY KEY (member, name));
        CREATE TABLE terms (term TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (term, member)) WITHOUT ROWID;
        CREATE TABLE held (event_offset INTEGER PRIMARY KEY, member TEXT NOT NULL, envelope BLOB NOT NULL);
        CREATE TABLE skips (event_offset INTEGER PRIMARY KEY, digest TEXT NOT NULL, reason TEXT NOT NULL, decided_at TEXT NOT NULL);
        CREATE TABLE changes (
            member TEXT NOT NULL, event_offset INTEGER NOT NULL, ordinal INTEGER NOT NULL, as_of TEXT NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (member, event_offset, ordinal)
        ) WITHOUT ROWID;
        CREATE TABLE measures (key TEXT PRIMARY KEY, state BLOB NOT NULL);
        CREATE TABLE sums (cell TEXT PRIMARY KEY, sums BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE services (member TEXT PRIMARY KEY, state BLOB NOT NULL);
        CREATE TABLE restated (
            close INTEGER NOT NULL, cell TEXT NOT NULL, number INTEGER NOT NULL, allowed INTEGER NOT NULL, paid INTEGER NOT NULL,
            handed INTEGER NOT NULL, PRIMARY KEY (close, cell)
        ) WITHOUT ROWID;
        CREATE TABLE freezing (event_offset INTEGER PRIMARY KEY, tally BLOB NOT NULL);
        CREATE TABLE reference (control INTEGER PRIMARY KEY, record BLOB NOT NULL, event_offset INTEGER NOT NULL);
        """

    as_of: dt.date | None
    """The partition's date: that of the last tick. None before the first."""
    accepted_at: dt.datetime
    """The latest time of acceptance seen: knowledge time never runs backwards."""
    control: int
    """Sequence of the last control record applied."""
    cursor: Cursor | None
    skips: dict[int, str]
    """Records an operator has ordered to be passed over: offset -> sha256 of the bytes meant."""

    async def _on_open(self) -> None:
        row = (
            await self.fetch(
                "SELECT as_of, accepted_at, control, cursor_offset, cursor_key, cursor_ordinal FROM progress"
            )
        )[0]
        self.as_of = dt.date.fromisoformat(row[0]) if row[0] else None
        self.accepted_at = dt.datetime.fromisoformat(row[1])
        self.control = int(row[2])
        self.cursor = None if row[3] is None else Cursor(row[3], row[4], row[5])
        self.skips = {row[0]: row[1] for row in await self.fetch("SELECT event_offset, digest FROM skips")}

    async def members(self, keys: Sequence[str]) -> dict[str, MemberRow]:
        """The stored members among `keys`."""
        rows: dict[str, MemberRow] = {}
        for some in _in_portions(keys):
            marks = ",".join("?" * len(some))
            for row in await self.fetch(
                f"SELECT key, due, alert, failed, state FROM members WHERE key IN ({marks})",  # noqa: S608 - marks are ours
                some,
            ):
                rows[row[0]] = _member_row(row)
        return rows

    async def rows(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The stored cold rows among (member, name)."""
        found: dict[tuple[str, str], bytes] = {}
        for some in _in_portions(names):
            marks = ",".join(["(?,?)"] * len(some))
            values = [value for pair in some for value in pair]
            for member, name, state in await self.fetch(
                # A join in this order: asked with IN, SQLite reads the whole table.
                f"WITH wanted (m, n) AS (VALUES {marks}) "  # noqa: S608
                "SELECT member, name, state FROM wanted CROSS JOIN rows ON member = m AND name = n",
                values,
            ):
                found[(member, name)] = state
        return found

    async def all_rows(self, members: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Every cold row of the given members."""
        found: dict[str, dict[str, bytes]] = {member: {} for member in members}
        for some in _in_portions(members):
            marks = ",".join("?" * len(some))
            for member, name, state in await self.fetch(
                f"SELECT member, name, state FROM rows WHERE member IN ({marks})",  # noqa: S608
                some,
            ):
                found[member][name] = state
        return found

    async def write_members(self, rows: Iterable[MemberRow]) -> None:
        """Insert or replace members. Inside a transaction."""
        await self._db.executemany(
            "INSERT INTO members VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "due = excluded.due, alert = excluded.alert, failed = excluded.failed, state = excluded.state",
            [
                (row.key, row.due.isoformat() if row.due else NEVER, int(row.alert_open), row.failed, row.state)
                for row in rows
            ],
        )

    async def write_rows(self, rows: Iterable[tuple[str, str, bytes]]) -> None:
        """Insert or replace cold rows (member, name, bytes). Inside a transaction."""
        await self._db.executemany(
            "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (member, name) DO UPDATE SET state = excluded.state",
            list(rows),
        )

    async def standings(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is stored of the measures of members, by key."""
        found: dict[str, bytes] = {}
        for some in _in_portions(keys):
            marks = ",".join("?" * len(some))
            found.update(await self.fetch(f"SELECT key, state FROM measures WHERE key IN ({marks})", some))  # type: ignore[arg-type] # noqa: S608
        return found

    async def write_standings(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Insert or replace what is stored of the measures of members (key, bytes). Inside a transaction."""
        await self._db.executemany(
            "INSERT INTO measures VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state", list(rows)
        )

    async def sums(self, cells: Sequence[str]) -> dict[str, bytes]:
        """What members add up to, by cell."""
        found: dict[str, bytes] = {}
        for some in _in_portions(cells):
            marks = ",".join("?" * len(some))
            found.update(await self.fetch(f"SELECT cell, sums FROM sums WHERE cell IN ({marks})", some))  # type: ignore[arg-type] # noqa: S608
        return found

    async def sums_of(self, period: str, reading: str) -> dict[str, bytes]:
        """What members add up to in a reading of a period, by cell: the keys of cells end with both."""
        end = f"|{period}|{reading}"
        found = await self.fetch(
            "SELECT cell, sums FROM sums WHERE substr(cell, ?) = ? ORDER BY cell", (-len(end), end)
        )
        return {str(row[0]): bytes(row[1]) for row in found}

    async def write_sums(self, rows: Iterable[tuple[str, bytes | None]]) -> None:
        """Insert or replace sums (cell, bytes); None: nothing is counted there any more. Inside a transaction."""
        every = list(rows)
        await self._db.executemany("DELETE FROM sums WHERE cell = ?", [(cell,) for cell, sums in every if sums is None])
        await self._db.executemany(
            "INSERT INTO sums VALUES (?, ?) ON CONFLICT (cell) DO UPDATE SET sums = excluded.sums",
            [(cell, sums) for cell, sums in every if sums is not None],
        )

    # -- services and frozen panels -------------------------------------------------------------------------------------

    async def services(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is stored of the services of members, by key."""
        found: dict[str, bytes] = {}
        for some in _in_portions(keys):
            marks = ",".join("?" * len(some))
            found.update(await self.fetch(f"SELECT member, state FROM services WHERE member IN ({marks})", some))  # type: ignore[arg-type] # noqa: S608
        return found

    async def write_services(self, rows: Iterable[tuple[str, bytes | None]]) -> None:
        """Insert or replace what is stored of the services of members (key, bytes); None: nothing any more. Inside a transaction."""
        every = list(rows)
        await self._db.executemany(
            "DELETE FROM services WHERE member = ?", [(key,) for key, data in every if data is None]
        )
        await self._db.executemany(
            "INSERT INTO services VALUES (?, ?) ON CONFLICT (member) DO UPDATE SET state = excluded.state",
            [(key, data) for key, data in every if data is not None],
        )

    async def add_restated(self, changes: Changes) -> None:
        """Change cells under frozen panels; they are handed over again. Inside a transaction."""
        await self._db.executemany(
            "INSERT INTO restated VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (close, cell) DO UPDATE SET number = number + excluded.number, "
            "allowed = allowed + excluded.allowed, paid = paid + excluded.paid, handed = 0",
            [(close, cell, *sums) for (close, cell), sums in changes.items()],
        )

    async def to_hand_over(self, closes: Iterable[int]) -> list[tuple[int, str, Sums]]:
        """The cells under some panels that have changed since they were handed over, sorted."""
        wanted = sorted(closes)
        marks = ",".join("?" * len(wanted))
        rows = await self.fetch(
            f"SELECT close, cell, number, allowed, paid FROM restated WHERE handed = 0 AND close IN ({marks}) ORDER BY close, cell",  # noqa: S608
            wanted,
        )
        return [(int(row[0]), str(row[1]), (int(row[2]), int(row[3]), int(row[4]))) for row in rows]

    async def note_handed_over(self, closes: Iterable[int]) -> None:
        """Everything under some panels was handed over; those under others are adjusted no more. Inside a transaction."""
        wanted = sorted(closes)
        marks = ",".join("?" * len(wanted))
        await self._db.execute(
            f"DELETE FROM restated WHERE close NOT IN ({marks}) OR (number = 0 AND allowed = 0 AND paid = 0)",  # noqa: S608
            wanted,
        )
        await self._db.execute("UPDATE restated SET handed = 1 WHERE handed = 0")

    async def write_terms(self, terms: Iterable[tuple[str, str]]) -> None:
        """Index members under terms (term, member). Inside a transaction."""
        await self._db.executemany("INSERT OR IGNORE INTO terms VALUES (?, ?)", list(terms))

    async def hold(self, facts: Iterable[tuple[int, str, bytes]]) -> None:
        """Keep facts (offset, member, envelope) of a failed member for the day its fault is mended. Inside a transaction."""
        await self._db.executemany("INSERT OR IGNORE INTO held VALUES (?, ?, ?)", list(facts))

    async def standing(self) -> tuple[int, int, int]:
        """How many members are due, failed, and have an open alert: by indexes, whatever is stored."""
        due = "SELECT count(*) FROM members WHERE failed IS NULL AND due <= ?"
        rows = await self.fetch(
            f"SELECT ({due}), (SELECT count(*) FROM members WHERE failed IS NOT NULL), "  # noqa: S608 - our own text
            "(SELECT count(*) FROM members WHERE alert = 1)",
            [AT_ONCE if self.as_of is None else self.as_of.isoformat()],
        )
        return int(rows[0][0]), int(rows[0][1]), int(rows[0][2])

    async def note_changes(self, changes: Sequence[ChangeRow], forget_before: dt.date) -> None:
        """Keep changes of attribution; those of the same members from before a day are forgotten. Inside a transaction."""
        if not changes:
            return
        await self._db.executemany(
            "DELETE FROM changes WHERE member = ? AND as_of < ?",
            [(member, forget_before.isoformat()) for member in {one.member for one in changes}],
        )
        await self._db.executemany(
            "INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?)",
            [(one.member, one.offset, one.ordinal, one.as_of.isoformat(), one.record) for one in changes],
        )

    async def tally(self, offset: int) -> bytes | None:
        """What the close at this offset has frozen so far."""
        rows = await self.fetch("SELECT tally FROM freezing WHERE event_offset = ?", (offset,))
        return bytes(rows[0][0]) if rows else None

    async def note_tally(self, offset: int, tally: bytes | None) -> None:
        """Keep what a close has frozen so far; None forgets it. Inside a transaction."""
        await self._db.execute("DELETE FROM freezing WHERE event_offset = ?", (offset,))
        if tally is not None:
            await self._db.execute("INSERT INTO freezing VALUES (?, ?)", (offset, tally))

    async def failed(self) -> list[str]:
        """The members that are marked failed, by key."""
        return [
            str(row[0]) for row in await self.fetch("SELECT key FROM members WHERE failed IS NOT NULL ORDER BY key")
        ]

    async def passed_over(self, below: int) -> list[tuple[int, str, str]]:
        """Records below an offset that an operator had passed over: (offset, sha256, reason)."""
        rows = await self.fetch(
            "SELECT event_offset, digest, reason FROM skips WHERE event_offset < ? ORDER BY event_offset", (below,)
        )
        return [(int(row[0]), str(row[1]), str(row[2])) for row in rows]

    async def order_skip(self, offset: int, digest: str, reason: str, decided_at: dt.datetime) -> None:
        """Have the record at this offset passed over, if it is the one with this sha256. Inside a transaction."""
        await self._db.execute(
            "INSERT OR REPLACE INTO skips VALUES (?, ?, ?, ?)", (offset, digest, reason, decided_at.isoformat())
        )
        self.skips[offset] = digest

    async def concerned(self, selection: Selection, after: str, most: int) -> list[MemberRow]:
        """The next members, by key, that a wide record concerns. Failed members are left out."""
        columns = "key, due, alert, failed, state"
        rule, values = _where(selection)
        return [
            _member_row(row)
            for row in await self.fetch(
                f"SELECT {columns} FROM members WHERE failed IS NULL AND key > ? AND {rule} ORDER BY key LIMIT ?",  # noqa: S608
                [after, *values, most],
            )
        ]

    async def note_accepted(self, accepted_at: dt.datetime) -> None:
        """Raise the partition's knowledge time. Inside a transaction."""
        if accepted_at > self.accepted_at:
            await self._db.execute("UPDATE progress SET accepted_at = ?", (accepted_at.isoformat(),))
            self.accepted_at = accepted_at

    async def move_cursor(self, cursor: Cursor) -> None:
        """Remember how far a wide record is done. Inside a transaction."""
        await self._db.execute(
            "UPDATE progress SET cursor_offset = ?, cursor_key = ?, cursor_ordinal = ?",
            (cursor.offset, cursor.last_key, cursor.ordinal),
        )
        self.cursor = cursor

    async def finish_control(self, control: int, *, as_of: dt.date | None, record: bytes | None, offset: int) -> None:
        """A control record is done: its sequence, the date it set, the reference record it brought. Inside a transaction."""
        await self._db.execute(
            "UPDATE progress SET control = ?, as_of = coalesce(?, as_of), "
            "cursor_offset = NULL, cursor_key = NULL, cursor_ordinal = NULL",
            (control, as_of.isoformat() if as_of else None),
        )
        if record is not None:
            await self._db.execute("INSERT INTO reference VALUES (?, ?, ?)", (control, record, offset))
        self.control = control
        self.cursor = None
        if as_of is not None:
            self.as_of = as_of

    async def reference(self) -> list[tuple[int, bytes]]:
        """Every reference record applied, in order: (event offset, facts)."""
        return [
            (row[1], row[0]) for row in await self.fetch("SELECT record, event_offset FROM reference ORDER BY control")
        ]

    async def digest(self) -> str:
        """What this partition knows and has said, as one sha256: equal for equal logs, however they were batched."""
        return digest_of_rows([row for query in CONTENT for row in await self.fetch(query)])


def digest_of_rows(rows: Iterable[Sequence[object]]) -> str:
    """The digest of the rows that the queries of `CONTENT` give, in their order."""
    total = hashlib.sha256()
    for row in rows:
        total.update(repr(tuple(row)).encode())
    return total.hexdigest()


def _member_row(row: Sequence[object]) -> MemberRow:
    key, due, alert, failed, state = row
    assert isinstance(key, str)  # noqa: S101 - the table's own types
    assert isinstance(state, bytes)  # noqa: S101
    when = None if due == NEVER else dt.date.fromisoformat(str(due))
    return MemberRow(key, when, bool(alert), None if failed is None else str(failed), state)


def _where(selection: Selection) -> tuple[str, list[str]]:
    if selection.due_by is not None:
        return "key IN (SELECT key FROM members WHERE failed IS NULL AND due <= ?)", [selection.due_by.isoformat()]
    if selection.payer is not None:
        return "key >= ? AND key < ?", [f"{selection.payer}|", f"{selection.payer}}}"]
    if selection.open_alerts_of is not None:
        payer = selection.open_alerts_of
        return "alert = 1 AND key >= ? AND key < ?", [f"{payer}|", f"{payer}}}"]
    if selection.terms:
        marks = ",".join("?" * len(selection.terms))
        return f"key IN (SELECT member FROM terms WHERE term IN ({marks}))", sorted(selection.terms)  # noqa: S608
    return "1", []


def _in_portions(values: Sequence[T], size: int = 500) -> Iterable[Sequence[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))
