"""The same results from files alone, without a broker, by the very same state machine: for trying, backfills and audits.

Two passes. The first decodes and validates every line as intake would, takes up what is reference, and remembers for each member the
rows that speak of it: some 16 bytes a line. The second folds one member after the other and forgets it, so that memory does
not grow with history.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import mmap
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec

from schemas.codec import Codec, Undecodable
from schemas.keys import member_key
from schemas.money import Contract
from schemas.records import (
    Alert,
    Attribution,
    MemberFact,
    Position,
    Practice,
    ReferenceRecord,
    Site,
    Table,
)
from schemas.registry import EmbeddedRegistry
from schemas.unions import MoneyRecord, Record
from state import engine, results, validation
from state.calendar import EARLIEST, LATEST, from_date
from state.measures.editions import Bound, Edition
from state.measures.measuring import Window, months_to
from state.measures.period import Period
from state.measures.results import LIVE, Asked, period_named
from state.payment.terms import PAID_BY
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from state.reference.value_sets import ValueSets
from state.results import Quarantined
from streams.files import write_whole
from streams.log_files import NO_EVENTS, UNREADABLE, Logged, LogPlace, logged
from streams.measuring import Measuring
from streams.publishing import accepted_on, decode
from streams.rates_shown import Shown, together
from streams.snapshots import Cut, Manifest, Measured
from streams.stopping import EXIT_CONFIG, Stop

DEFAULT_RULESET = "guide"
_ROW_BITS = 40
_ROW_MASK = (1 << _ROW_BITS) - 1
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MemberName = tuple[str, str]
"""(payer, member_id)."""
Report = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Question:
    """What a replay is asked: the day described, what was known, and by which rules."""

    as_of: dt.date
    known_at: dt.datetime | None = None
    """Records accepted later are left out. None: all are known."""
    ruleset: str | None = None
    """A ruleset of the project by name, in place of any that the files bring. None: theirs, else the guide's."""
    snapshot: Manifest | None = None
    """The close to ask again: what it knew is known, by its tables, of the members that it froze."""
    editions: Sequence[Edition] = ()
    """The measures to ask."""
    value_sets: ValueSets | None = None
    """Those by which they are asked; given with editions."""
    periods: Sequence[Period] = ()
    """The periods to ask them of."""

    @classmethod
    def of_snapshot(cls, manifest: Manifest) -> Question:
        """What a close has answered."""
        return cls(manifest.as_of, snapshot=manifest)


class EventFiles:
    """Event files as rows that can be read again. Raises `Stop` for files that one position would not tell apart."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(dict.fromkeys(path.resolve() for path in paths))
        self.names = [path.name for path in self._paths]
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise Stop(
                f"Two files are called {repeated[0]}: a record's place is its file's name and row, so rename one of them.",
                EXIT_CONFIG,
            )
        self._starts: list[array[int]] = []
        self._maps: list[mmap.mmap | bytes] = []
        self.digests: list[str] = []

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self._paths)

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Every line with its file (by number) and row (from 1), and afterwards random access by `line`."""
        for number, path in enumerate(self._paths):
            starts, at, digest = array("Q"), 0, hashlib.sha256()
            with path.open("rb") as file:
                for row, line in enumerate(file, start=1):
                    starts.append(at)
                    at += len(line)
                    digest.update(line)
                    yield number, row, line
                starts.append(at)
                self._maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if at else b"")
            self._starts.append(starts)
            self.digests.append(digest.hexdigest())

    def line(self, number: int, row: int) -> bytes:
        """A row once more."""
        starts = self._starts[number]
        return self._maps[number][starts[row - 1] : starts[row]]

    def rows(self) -> list[int]:
        """The number of rows of each file."""
        return [len(starts) - 1 for starts in self._starts]


@dataclass
class History:
    """What event files say, as far as it was known: reference taken up, members waiting to be folded."""

    files: EventFiles
    codec: Codec
    question: Question
    knowledge: Knowledge
    places: dict[MemberName, array[int]] = field(default_factory=dict)
    refused: list[Quarantined] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)
    """Records that were known and valid, by kind."""
    contracts: dict[str, Contract] = field(default_factory=dict)
    """No answer of a member rests on them; of one id the last."""
    practices: dict[tuple[str, dt.date], Practice] = field(default_factory=dict)
    """Of one practice and first day the last."""
    sites: dict[tuple[str, str, dt.date], Site] = field(default_factory=dict)
    """Of one site and first day the last."""
    first_accepted: dt.datetime | None = None
    last_accepted: dt.datetime | None = None

    @classmethod
    def of(
        cls,
        paths: Sequence[Path],
        question: Question,
        tables: TableStore,
        *,
        only: MemberName | None = None,
        report: Report = _silent,
    ) -> History:
        """Read event files; of members only `only`, if given. `report` hears bytes read and bytes there are.

        Raises `Stop` for files that cannot be told apart, or that are not what a snapshot knew; `TableError` for a table or ruleset
        that cannot be used.
        """
        knowledge = Knowledge.initial(tables, ruleset=question.ruleset or DEFAULT_RULESET)
        files = EventFiles(paths)
        self = cls(files, Codec(EmbeddedRegistry()), question, knowledge)
        known_on = (question.known_at or _EPOCH).astimezone(dt.UTC).date()
        otherwise = min(max(known_on, EARLIEST), LATEST) if question.known_at else LATEST
        cut = None if question.snapshot is None else Cut(question.snapshot)
        for table, position in () if question.snapshot is None else question.snapshot.base_tables(knowledge):
            self.knowledge = self.knowledge.apply(table, position, as_of=None).knowledge
        seen: dict[str, bytes] = {}
        done, total = 0, files.size
        for number, row, line in files.lines():
            done += len(line)
            if row % 10_000 == 0:
                report(done, total)
            if line.isspace():
                continue
            says = logged(line)
            if cut is not None and not cut.takes(says, files.names[number], row):
                continue
            if says is not None and says.event_type in NO_EVENTS:
                continue
            record = decode(self.codec, line) if says is None else _exported(self.codec, line, says)
            if isinstance(record, engine.Refusal):
                if cut is not None:
                    raise Stop(
                        f"{files.names[number]} line {row} was changed since its export: {record.message}", EXIT_CONFIG
                    )
                self._refuse(number, row, record)
                continue
            if self._is_known(record):
                # What stands on the log was accepted once, by the rules of that day.
                refusal = validation.refusal(record, accepted_on(record, otherwise)) if says is None else None
                if refusal is not None:
                    self._refuse(number, row, refusal)
                elif isinstance(record, MemberFact):
                    self._note_fact(record, number, row, only)
                elif isinstance(record, Contract):
                    self.contracts[record.contract_id] = record
                elif isinstance(record, Site):
                    self.sites[record.practice_id, record.site_id, record.effective_from] = record
                elif not (isinstance(record, MoneyRecord) or (isinstance(record, Table) and record.kind in PAID_BY)):
                    # No answer of a member rests on money.
                    self._apply(record, number, row, None if says is None else says.log, seen)
        if cut is not None:
            cut.check_complete()
        self.knowledge = self.knowledge.reach(question.as_of).knowledge
        return self

    def bounds(self) -> list[Bound]:
        """The editions asked for, with their value sets and the tables that the files have put in force; of a close, its own."""
        snapshot = self.question.snapshot
        if snapshot is not None:
            return [] if snapshot.measures is None else list(self.knowledge.bounds_of(snapshot.measures.tables))
        sets = self.question.value_sets
        if sets is None:
            return []
        tables = self.knowledge.measure_tables(from_date(self.question.as_of))
        return [Bound(edition, sets, tables) for edition in self.question.editions]

    def windows(self) -> list[Window]:
        """The periods to ask the editions of. Raises `Stop` when the log does not have the period that a close has measured."""
        snapshot = self.question.snapshot
        if snapshot is None:
            return [Window(period_named(period), period) for period in self.question.periods]
        if snapshot.measures is None:
            return []
        known = self.knowledge.periods.get(snapshot.close.period)
        if known is None:
            raise Stop(
                f"{snapshot.close.id} has measured {snapshot.close.period}, which is not in the log: export the log that was closed.",
                EXIT_CONFIG,
            )
        return [Window(known[0].period, months_to(from_date(snapshot.as_of), known[0].window_months))]

    def measuring(self) -> Measuring | None:
        """What is measured, as yet of nobody; None for nothing."""
        bounds, snapshot = self.bounds(), self.question.snapshot
        if not bounds:
            return None
        reading = LIVE if snapshot is None else snapshot.close.reading
        return Measuring(bounds, self.windows(), self.question.as_of, reading, accepted_only=snapshot is not None)

    def members(self) -> list[MemberName]:
        """The members spoken of, by payer and member id."""
        return sorted(self.places)

    def fold(self, name: MemberName) -> tuple[engine.Member | None, dict[str, engine.Row | None]]:
        """A member with all its facts folded, and all its cold rows; None when no fact was kept. Their refusals join `refused`."""
        member = engine.new_member(*name)
        rows: dict[str, engine.Row | None] = {}
        kept = False
        # All rows of the member are here: one that is not was never made.
        for place, fact in zip(self.places[name], self.facts(name), strict=True):
            folded = engine.fold(member, rows, fact, self.knowledge)
            if folded.refusal is not None:
                self._refuse(place >> _ROW_BITS, place & _ROW_MASK, folded.refusal)
            kept = kept or folded.changed or bool(folded.stored)
        return (member if kept else None), rows

    def facts(self, name: MemberName) -> Iterator[engine.Fact]:
        """The facts of a member, in the order of the files."""
        return (self._fact(place >> _ROW_BITS, place & _ROW_MASK) for place in self.places[name])

    def _fact(self, number: int, row: int) -> engine.Fact:
        line = self.files.line(number, row)
        body = cast("MemberFact", self.codec.from_json(line, checked=True))
        kind: Any = type(body).__struct_config__.tag
        says = logged(line)
        place = None if says is None else says.log
        return engine.Fact(
            kind=kind,
            event_id=(place and place.event_id) or self.codec.event_id_of(body),
            position=self._position(number, row, place),
            accepted_at=body.accepted_at or _EPOCH,
            body=body,
            given_id=body.event_id is not None,
        )

    def _is_known(self, record: Record) -> bool:
        when = record.accepted_at
        if when is None:
            return True
        if self.question.known_at is not None and when > self.question.known_at:
            return False
        self.first_accepted = min(when, self.first_accepted or when)
        self.last_accepted = max(when, self.last_accepted or when)
        return True

    def _note_fact(self, record: MemberFact, number: int, row: int, only: MemberName | None) -> None:
        self.read[str(type(record).__struct_config__.tag)] += 1
        name = (str(record.payer), str(record.member_id))
        if only is None or name == only:
            places = self.places.get(name)
            if places is None:
                places = self.places[name] = array("Q")
            places.append(number << _ROW_BITS | row)

    def _apply(
        self, record: ReferenceRecord, number: int, row: int, place: LogPlace | None, seen: dict[str, bytes]
    ) -> None:
        self.read[str(type(record).__struct_config__.tag)] += 1
        event_id, digest = self.codec.event_id_of(record), self.codec.content_digest(record)
        if seen.get(event_id) == digest:
            # The conductor says a record once: sent again, it does not move to a later place.
            return
        known = seen.setdefault(event_id, digest)
        if known != digest:
            self._refuse(number, row, _CONFLICT)
        elif not (self.question.ruleset and isinstance(record, Table) and record.kind == "ruleset"):
            position = self._position(number, row, place)
            self.knowledge = self.knowledge.apply(record, position, as_of=None).knowledge
            if isinstance(record, Practice):
                self.practices[record.practice_id, record.effective_from] = record

    def _position(self, number: int, row: int, place: LogPlace | None) -> Position:
        return Position(self.files.names[number], 0, row) if place is None else place.first

    def _refuse(self, number: int, row: int, refusal: engine.Refusal) -> None:
        self.refused.append(
            Quarantined(self.files.names[number], (row,), refusal.reason, refusal.field or "", refusal.message)
        )


def _exported(codec: Codec, line: bytes, says: Logged) -> Record | engine.Refusal:
    """The event in a line of an exported log, or why there is none. No limit of size: its form on the wire was short enough."""
    if says.event_type == UNREADABLE:
        return _UNREADABLE
    try:
        return codec.from_json(line)
    except Undecodable as problem:
        return engine.Refusal(problem.reason, problem.field, problem.message)


_UNREADABLE = engine.Refusal(
    "undecodable", None, "this record could not be read when the log was exported: export with a release that can."
)
_CONFLICT = engine.Refusal(
    "event_id_conflict",
    "event_id",
    "a reference record of this event id was accepted with other content: send the new content under a new event id.",
)


@dataclass
class Replayed:
    """What a replay found, for a person; everything else is in the files."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Members whose facts could not be worked, with the kind of the fault: they are missing from the results."""
    taxonomy_unknown: Counter[str] = field(default_factory=Counter)
    """Members by payer of whom lines would be visits if anything said what the provider is. Source: attribution.md 2.2 rule 5."""
    content_digest: str = ""
    """Of the answers, as a close has it (state.results)."""
    measures: Measured | None = None
    """What the measures say, where they were asked."""
    rates: Mapping[Asked, Sequence[Shown]] = field(default_factory=dict)
    """The rates of all practices together, as people see them."""
    left_out: int = 0
    """Members that the snapshot has not frozen."""
    differences: list[str] = field(default_factory=list)
    """What is another than in the snapshot; empty when it is equal."""


def replay(
    paths: Sequence[Path],
    question: Question,
    tables: TableStore,
    out: Path,
    *,
    report: Callable[[str], Report] = lambda _what: _silent,
) -> Replayed:
    """Write panel.csv, alerts.csv, quarantine.csv and manifest.json into `out`; with editions measures.csv, rates.csv, gaps.csv too.

    `report(what)` gives whom to tell how far that part of the work is. The manifest is written last and names the sha256 of
    every file. Raises `Stop` and `TableError` as `History.of` does.
    """
    history = History.of(paths, question, tables, report=report("bytes read"))
    replayed = Replayed()
    alerts: list[Alert] = []
    out.mkdir(parents=True, exist_ok=True)
    measuring = history.measuring()
    answers = _answers(history, replayed, alerts, measuring, report("members"))
    digests = {
        "panel.csv": write_whole(out / "panel.csv", results.panel_csv(answers)),
        "alerts.csv": write_whole(
            out / "alerts.csv",
            results.alerts_csv(sorted(alerts, key=lambda alert: (alert.payer, alert.member_id, alert.practice_id))),
        ),
        "quarantine.csv": write_whole(out / "quarantine.csv", results.quarantine_csv(history.refused)),
        **({} if measuring is None else measuring.write(out)),
    }
    replayed.counts["quarantined"] = len(set(history.refused))
    if measuring is not None:
        replayed.measures = Measured(measuring.results.digest, measuring.results.count)
        editions = {bound.edition.name: bound.edition for bound in measuring.bounds}
        replayed.rates = together(measuring.results.sums, editions)
    if question.snapshot is not None:
        members, attributed = replayed.counts["members"], replayed.counts["attributed"]
        replayed.differences = question.snapshot.differences(
            history.knowledge, members, attributed, replayed.content_digest, replayed.measures
        )
    manifest = _manifest(history, replayed, digests, measuring)
    write_whole(out / "manifest.json", [msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"])
    return replayed


def _answers(
    history: History, replayed: Replayed, alerts: list[Alert], measuring: Measuring | None, report: Report
) -> Iterator[Attribution]:
    """The answer of every member, by payer and member id; open alerts go to `alerts`, what measures say to `measuring`."""
    counts, question, total = replayed.counts, history.question, 0
    snapshot = question.snapshot
    names = [name for name in history.members() if snapshot is None or not snapshot.leaves_out(*name)]
    replayed.left_out = len(history.members()) - len(names)
    counts.update({"members": 0, "attributed": 0, "not_attributed": 0, "alerts": 0, "failed": 0})
    for done, name in enumerate(names):
        if done % 500 == 0:
            report(done, len(names))
        try:
            member, rows = history.fold(name)
            if member is None:
                continue
            if measuring is not None:
                measuring.take(*name, member, rows, history.knowledge)
            advanced = engine.advance(member, question.as_of, history.knowledge, cause="tick", position="")
        except Exception as fault:
            # As in the service, one member's fault must not stop the others, and nobody may overlook it.
            counts["failed"] += 1
            replayed.failed.append(f"{member_key(*name)} {type(fault).__name__}")
            continue
        for output in advanced.outputs:
            record = output.record
            if isinstance(record, Attribution):
                counts["members"] += 1
                counts[record.status] += 1
                if "taxonomy_unknown" in record.flags:
                    replayed.taxonomy_unknown[record.payer] += 1
                total += results.answer_digest(record)
                yield record
            elif isinstance(record, Alert) and output.topic == "attribution-alerts":
                counts["alerts"] += 1
                alerts.append(record)
    replayed.content_digest = results.content_digest(total)


def _manifest(
    history: History, replayed: Replayed, digests: dict[str, str], measuring: Measuring | None
) -> dict[str, Any]:
    question, knowledge, files = history.question, history.knowledge, history.files
    in_force = {table.kind: table.digest for table in knowledge.tables_in_force(from_date(question.as_of))}
    manifest: dict[str, Any] = {
        "as_of": question.as_of,
        "known_at": question.known_at,
        "engine_version": knowledge.engine_version,
        "ruleset": {"name": knowledge.ruleset_name, "digest": in_force.pop("ruleset")},
        "tables": in_force,
        "editions": [
            {
                "name": bound.edition.name,
                "digest": bound.edition.digest,
                "value_sets": bound.digest,
                "tables": dict(bound.tables.digests),
            }
            for bound in (() if measuring is None else measuring.bounds)
        ],
        "periods": [period_named(window.period) for window in (() if measuring is None else measuring.windows)],
        "content_digest": replayed.content_digest,
        "measures_digest": None if replayed.measures is None else replayed.measures.digest,
        "counts": dict(sorted(replayed.counts.items())),
        "taxonomy_unknown": dict(sorted(replayed.taxonomy_unknown.items())),
        "failed_members": replayed.failed,
        "files": digests,
        "positions": {
            "files": [
                {"file": name, "rows": rows, "sha256": digest}
                for name, rows, digest in zip(files.names, files.rows(), files.digests, strict=True)
            ],
            "records": dict(sorted(history.read.items())),
            "first_accepted_at": history.first_accepted,
            "last_accepted_at": history.last_accepted,
        },
    }
    if question.snapshot is not None:
        manifest["snapshot"] = {
            "id": question.snapshot.close.id,
            "content_digest": question.snapshot.content_digest,
            "equal": not replayed.differences,
            "differences": replayed.differences,
            "payers_not_frozen": question.snapshot.payers_not_frozen,
            "failed_members": question.snapshot.failed_members,
        }
    return manifest
