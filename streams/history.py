"""What event files say, as far as it was known: reference taken up, members waiting to be folded.

Two passes. The first asks of every line only whom it speaks of, takes up what is reference, and remembers for each member its lines:
24 bytes a line. The second reads, validates as intake would and folds the lines of one member after the other, and forgets them,
so that memory does not grow with what they say.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from schemas.codec import Codec, Undecodable, content_digest, event_id_of
from schemas.money import Contract
from schemas.records import MemberFact, Position, Practice, ReferenceRecord, Site, SurveyResult, Table
from schemas.registry import EmbeddedRegistry
from schemas.unions import ProgramRecord, Record
from state import engine, validation
from state.calendar import EARLIEST, LATEST, from_date
from state.ledger.folding import PROGRAM_CONFLICT
from state.measures import cahps
from state.measures.editions import Bound, Edition
from state.measures.measuring import Window, months_to
from state.measures.period import Period
from state.measures.results import LIVE, period_named
from state.payment import acceptance
from state.payment.terms import PAID_BY
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from state.reference.value_sets import ValueSets
from state.results import Quarantined
from streams.event_files import EventFiles, Part
from streams.log_files import NO_EVENTS, UNREADABLE, Logged, LogPlace, logged
from streams.measuring import Measuring
from streams.publishing import accepted_on, decode
from streams.snapshots import Cut, Manifest
from streams.stopping import EXIT_CONFIG, Stop

DEFAULT_RULESET = "guide"
HEARD_EVERY = 10_000
"""Lines between two reports."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MemberName = tuple[str, str]
"""(payer, member_id)."""
Heard = Callable[[int], None]
"""Told how much more is done."""


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


class _Spoken(msgspec.Struct, frozen=True, gc=False):
    """Whom a line speaks of, where it is plainly a fact about a member."""

    event_type: engine.FactKind
    payer: str
    member_id: str


_spoken = msgspec.json.Decoder(_Spoken)


@dataclass
class Tally:
    """What was read of lines."""

    read: Counter[str] = field(default_factory=Counter)
    """Records that were known and valid, by kind."""
    refused: list[Quarantined] = field(default_factory=list)
    first_accepted: dt.datetime | None = None
    last_accepted: dt.datetime | None = None

    def accepted(self, when: dt.datetime) -> None:
        """A record was accepted at a time."""
        if self.first_accepted is None or when < self.first_accepted:
            self.first_accepted = when
        if self.last_accepted is None or when > self.last_accepted:
            self.last_accepted = when

    def add(self, other: Tally) -> None:
        """Take in what was read of other lines."""
        self.read.update(other.read)
        self.refused += other.refused
        for when in (other.first_accepted, other.last_accepted):
            if when is not None:
                self.accepted(when)


@dataclass
class Door:
    """Lines as intake would take them, as far as they were known when the question asks."""

    question: Question
    codec: Codec = field(default_factory=lambda: Codec(EmbeddedRegistry()))
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        known_at = self.question.known_at
        known_on = (known_at or _EPOCH).astimezone(dt.UTC).date()
        self._otherwise = min(max(known_on, EARLIEST), LATEST) if known_at else LATEST

    def take(self, line: bytes, says: Logged | None) -> Record | engine.Refusal | None:
        """The record in a line, or why there is none; None where it was not known yet.

        `says`: what a line of an exported log says of itself. What stands on the log was accepted once, by the rules of that day.
        """
        record = decode(self.codec, line) if says is None else _exported(self.codec, line, says)
        if isinstance(record, engine.Refusal):
            return record
        when = record.accepted_at
        if when is not None:
            if self.question.known_at is not None and when > self.question.known_at:
                return None
            self.tally.accepted(when)
        return (says is None and validation.refusal(record, accepted_on(record, self._otherwise))) or record


@dataclass
class Looked:
    """What a part of the files is about."""

    rows: int = 0
    members: dict[MemberName, array[int]] = field(default_factory=dict)
    """Of each member spoken of, row, first byte and end of each line, in their order."""
    others: list[tuple[int, bytes]] = field(default_factory=list)
    """Row and line of what was known and valid, and is of no member."""
    refused: list[tuple[int, engine.Refusal]] = field(default_factory=list)
    """Row of lines that are not plainly of a member, and of no use."""
    tally: Tally = field(default_factory=Tally)
    """When what is of no member was accepted."""


def look(
    files: EventFiles, part: Part, question: Question, cut: Cut | None, *, only: MemberName | None, heard: Heard
) -> Looked:
    """The first pass over a part of the files; of members only `only`, if given. `heard` is told of bytes read.

    Raises `Stop` for lines that are not what a snapshot knew: the parts are whole files then, one after the other.
    """
    door, looked, told = Door(question), Looked(), part.start
    members, name_of_file = looked.members, files.names[part.file]
    row = 0
    for row, start, line in files.lines(part):
        if row % HEARD_EVERY == 0:
            heard(start - told)
            told = start
        if line.isspace():
            continue
        says = logged(line)
        if cut is not None and not cut.takes(says, name_of_file, row):
            continue
        if says is not None and says.event_type in NO_EVENTS:
            continue
        try:
            spoken = _spoken.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            record = door.take(line, says)
            if record is None:
                continue
            if isinstance(record, engine.Refusal):
                _require_unchanged(record, cut is not None, name_of_file, row)
                looked.refused.append((row, record))
                continue
            if not isinstance(record, MemberFact):
                looked.others.append((row, line))
                continue
            name = (str(record.payer), str(record.member_id))
        else:
            name = (spoken.payer, spoken.member_id)
        if only is None or name == only:
            lines = members.get(name)
            if lines is None:
                lines = members[name] = array("Q")
            lines.extend((row, start, start + len(line)))
    looked.rows, looked.tally = row, door.tally
    heard(max(0, part.end - told))
    return looked


class Told(NamedTuple):
    """What a fact says, and where it stands: in the files, and on the log whose export they are."""

    file: int
    row: int
    place: LogPlace | None
    body: MemberFact


Lines = list[tuple[int, int, "array[int]"]]
"""Of one member the lines in each part that speaks of it, in order: the file, how many rows it has before the part, and as in `Looked`."""


@dataclass
class History:
    """What event files say, as far as it was known."""

    files: EventFiles
    question: Question
    door: Door
    knowledge: Knowledge
    members_lines: dict[MemberName, Lines] = field(default_factory=dict)
    reference: list[tuple[ReferenceRecord, Position]] = field(default_factory=list)
    """What the files had taken up, in order."""
    contracts: dict[str, Contract] = field(default_factory=dict)
    """No answer of a member rests on them; of one id the last."""
    practices: dict[tuple[str, dt.date], Practice] = field(default_factory=dict)
    """Of one practice and first day the last."""
    sites: dict[tuple[str, str, dt.date], Site] = field(default_factory=dict)
    """Of one site and first day the last."""
    survey_results: dict[cahps.Identity, SurveyResult] = field(default_factory=dict)
    """Of one identity the last: to be shown alone."""

    @classmethod
    def before(cls, files: EventFiles, question: Question, tables: TableStore) -> History:
        """Nothing but what is known without the files. Raises `TableError` for a table or ruleset that cannot be used."""
        knowledge = Knowledge.initial(tables, ruleset=question.ruleset or DEFAULT_RULESET)
        self = cls(files, question, Door(question), knowledge)
        for table, position in () if question.snapshot is None else question.snapshot.base_tables(self.knowledge):
            self.knowledge = self.knowledge.apply(table, position, as_of=None).knowledge
        return self

    @classmethod
    def of(
        cls,
        paths: Sequence[Path],
        question: Question,
        tables: TableStore,
        *,
        only: MemberName | None = None,
        report: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> History:
        """The first pass over event files; of members only `only`, if given. `report` hears bytes read and bytes there are.

        Raises `Stop` for files that cannot be told apart, or that are not what a snapshot knew; `TableError` for a table or ruleset
        that cannot be used.
        """
        files = EventFiles(paths)
        self = cls.before(files, question, tables)
        cut = None if question.snapshot is None else Cut(question.snapshot)
        seen: dict[str, bytes] = {}
        done = 0

        def heard(more: int) -> None:
            nonlocal done
            done += more
            report(done, files.size)

        for part in files.parts():
            looked = look(files, part, question, cut, only=only, heard=heard)
            self.take_in(looked, part.file, 0, seen)
            for name, lines in looked.members.items():
                self.members_lines.setdefault(name, []).append((part.file, 0, lines))
        if cut is not None:
            cut.check_complete()
        self.reach()
        return self

    @property
    def tally(self) -> Tally:
        """What was read."""
        return self.door.tally

    def take_in(self, looked: Looked, file: int, before: int, seen: dict[str, bytes]) -> None:
        """Take up what a part of a file says of no member; `before` are the rows before it. Parts come in order.

        `seen` is content by event id, of the records before.
        """
        self.tally.add(looked.tally)
        for row, refusal in looked.refused:
            self._refuse(file, before + row, refusal)
        for row, line in looked.others:
            says = logged(line)
            record = self.door.take(line, says)
            # No answer of a member rests on money.
            if isinstance(record, Contract):
                self._note_contract(record, file, before + row, seen, is_logged=says is not None)
            elif isinstance(record, Site):
                self.sites[record.practice_id, record.site_id, record.effective_from] = record
            elif isinstance(record, SurveyResult):
                self._note_survey_result(record, file, before + row, seen)
            elif isinstance(record, ReferenceRecord) and not (isinstance(record, Table) and record.kind in PAID_BY):
                self._note_reference(record, file, before + row, None if says is None else says.log, seen)

    def take_up(self, record: ReferenceRecord, position: Position) -> None:
        """Know a reference record. Raises `TableError` for a table that cannot be used."""
        self.reference.append((record, position))
        self.knowledge = self.knowledge.apply(record, position, as_of=None).knowledge

    def reach(self) -> None:
        """Know what is in force on the day of the question: all reference was taken up."""
        self.knowledge = self.knowledge.reach(self.question.as_of).knowledge

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
        return sorted(self.members_lines)

    def told(self, name: MemberName) -> list[Told]:
        """The facts of a member that were known and valid, in the order of the files. They, and what is refused, join the tally."""
        found: list[Told] = []
        for file, before, lines in self.members_lines[name]:
            for at in range(0, len(lines), 3):
                row = before + lines[at]
                line = self.files.line(file, lines[at + 1], lines[at + 2])
                says = logged(line)
                record: Any = self.door.take(line, says)
                if isinstance(record, engine.Refusal):
                    _require_unchanged(record, self.question.snapshot is not None, self.files.names[file], row)
                    self._refuse(file, row, record)
                elif record is not None:
                    found.append(Told(file, row, None if says is None else says.log, record))
        self.tally.read.update([_KIND_OF[type(one.body)] for one in found])
        return found

    def fact(self, told: Told) -> engine.Fact:
        """What was told as the engine wants it."""
        body, place = told.body, told.place
        return engine.Fact(
            kind=_KIND_OF[type(body)],
            event_id=(place and place.event_id) or event_id_of(body),
            position=self._position(told.file, told.row, place),
            accepted_at=body.accepted_at or _EPOCH,
            body=body,
            given_id=body.event_id is not None,
        )

    def fold(
        self, name: MemberName, told: Sequence[Told] | None = None
    ) -> tuple[engine.Member | None, dict[str, engine.Row | None]]:
        """A member with all its facts folded, and all its cold rows; None when no fact was kept. What is refused joins the tally.

        `told`: the facts of the member, where they have been read. The rows are for looking at, not for a state file.
        """
        member = engine.new_member(*name)
        rows: dict[str, engine.Row | None] = {}
        kept = False
        facts = self.told(name) if told is None else told
        # All rows of the member are here: one that is not was never made.
        for one, alone in zip(facts, engine.rows_alone([one.body for one in facts]), strict=True):
            if alone is not None:
                position = self._position(one.file, one.row, one.place)
                engine.fold_alone(member, rows, one.body, alone, position, self.knowledge)
                kept = True
                continue
            folded = engine.fold(member, rows, self.fact(one), self.knowledge)
            if folded.refusal is not None:
                self._refuse(one.file, one.row, folded.refusal)
            kept = kept or folded.changed or bool(folded.stored)
        return (member if kept else None), rows

    def _note_reference(
        self, record: ReferenceRecord, file: int, row: int, place: LogPlace | None, seen: dict[str, bytes]
    ) -> None:
        self._count(record)
        digest = self._digest_if_new(record, file, row, seen)
        if digest is None:
            return
        seen[event_id_of(record)] = digest
        if not (self.question.ruleset and isinstance(record, Table) and record.kind == "ruleset"):
            self.take_up(record, self._position(file, row, place))
            if isinstance(record, Practice):
                self.practices[record.practice_id, record.effective_from] = record

    def _note_survey_result(self, record: SurveyResult, file: int, row: int, seen: dict[str, bytes]) -> None:
        self._count(record)
        digest = self._digest_if_new(record, file, row, seen)
        if digest is None:
            return
        mine, known = cahps.identity(record), self.survey_results
        if mine not in known and sum(one.period == record.period for one in known.values()) >= cahps.MOST:
            self._refuse(file, row, cahps.TOO_MANY)
            return
        seen[event_id_of(record)] = digest
        known[mine] = record

    def _note_contract(
        self, contract: Contract, file: int, row: int, seen: dict[str, bytes], *, is_logged: bool
    ) -> None:
        """As the conductor does: of a log is refused what did not fit the contracts that stood."""
        digest = self._digest_if_new(contract, file, row, seen)
        if digest is None:
            return
        if is_logged:
            periods = [period for period, _ in self.knowledge.periods.values()]
            refusal = acceptance.misfit(contract, self.contracts.values(), periods, self.knowledge.store)
            if refusal is not None:
                self._refuse(file, row, refusal)
                return
        seen[event_id_of(contract)] = digest
        self.contracts[contract.contract_id] = contract

    def _count(self, record: ProgramRecord) -> None:
        self.tally.read[str(type(record).__struct_config__.tag)] += 1

    def _digest_if_new(self, record: ProgramRecord, file: int, row: int, seen: dict[str, bytes]) -> bytes | None:
        """The digest of a record whose event id was not taken up before; None where it was.

        Sent again, it does not move to a later place; with other content, it is refused.
        """
        digest, known = content_digest(record), seen.get(event_id_of(record))
        if known is None:
            return digest
        if known != digest:
            self._refuse(file, row, PROGRAM_CONFLICT)
        return None

    def _position(self, file: int, row: int, place: LogPlace | None) -> Position:
        return Position(self.files.names[file], 0, row) if place is None else place.first

    def _refuse(self, file: int, row: int, refusal: engine.Refusal) -> None:
        self.tally.refused.append(
            Quarantined(self.files.names[file], (row,), refusal.reason, refusal.field or "", refusal.message)
        )


def _require_unchanged(refusal: engine.Refusal, is_frozen: bool, file: str, row: int) -> None:  # noqa: FBT001
    """Raise `Stop` for a line that a close knew and that cannot be read any more."""
    if is_frozen:
        raise Stop(f"{file} line {row} was changed since its export: {refusal.message}", EXIT_CONFIG)


def _exported(codec: Codec, line: bytes, says: Logged) -> Record | engine.Refusal:
    """The event in a line of an exported log, or why there is none. No limit of size: its form on the wire was short enough."""
    if says.event_type == UNREADABLE:
        return _UNREADABLE
    try:
        return codec.from_json(line)
    except Undecodable as problem:
        return engine.Refusal(problem.reason, problem.field, problem.message)


_KIND_OF: dict[type, engine.FactKind] = {kind: kind.__struct_config__.tag for kind in get_args(MemberFact)}
_UNREADABLE = engine.Refusal(
    "undecodable", None, "this record could not be read when the log was exported: export with a release that can."
)
