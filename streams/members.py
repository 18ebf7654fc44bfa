"""The member agent: folds envelopes into members, decides what changed, and commits both with the position, once.

What changed is decided per record, so that it does not depend on where a batch was cut; writing is done per batch.
No rule of the program stands here: `state.engine` decides, this module feeds it, stores, and hands on (design.md,
exactly-once effects on Faust).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import msgspec

from schemas.codec import Codec
from schemas.codec import Output as OutputRecord
from schemas.keys import partition_of
from schemas.records import (
    AttributionChange,
    Close,
    CloseAnnul,
    Envelope,
    Position,
    ReferenceRecord,
    Refused,
    Restated,
    Table,
    Tick,
    Version,
)
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from schemas.unions import ControlRecord
from state import engine, restating
from state.calendar import FOREVER, Day, from_date, month_of, to_date
from state.freezing import Freezing
from state.ledger.services import needs_rows, panels_of
from state.reference.knowledge import Knowledge, Touch
from state.stores.log_state import OutboxRow
from state.stores.members import AT_ONCE, ChangeRow, Cursor, MemberRow, MemberState, Selection
from streams.batching import Batch, Record
from streams.member_measures import Because, MeasuredMember, SumChange, summed, sums_at_close, sums_withdrawn
from streams.member_services import MemberServices
from streams.stopping import EXIT_FAULT, EXIT_HOLE, Stop, failpoint

logger = logging.getLogger(__name__)

STEP = 2_000
"""Members of one step of a wide record."""
CAUSE_OF_CONTROL = {
    "tick": "tick",
    "provider": "roster",
    "practice": "practice",
    "payer": "payer",
    "table": "table",
    "feed_manifest": "feed_manifest",
    "period": "period",
    "close_annul": "close",
}
SAID_BY = {"alert-history": "state", "attribution-changes": "cause", "adjustments": "cause"}
"""By what the outputs of a topic are counted."""
COMPACTED = frozenset(topic.name for topic in TOPICS if topic.cleanup == "compact")


@dataclass(slots=True)
class Working:
    """A member while a batch is worked on: its state and the cold rows that the batch's facts need."""

    stored_state: bytes | None
    """As it stands in the file, until somebody looks at it: a member is decoded, worked and encoded while it is at hand."""
    rows: dict[str, engine.Row | None]
    due: dt.date | None
    alert_open: bool
    failed: str | None
    terms: frozenset[str] = frozenset()
    """Those under which it stands in the index."""
    more_terms: frozenset[str] = frozenset()
    """Those to index besides its own."""
    changed: bool = False
    stored: set[str] = field(default_factory=set)
    held: list[tuple[int, bytes]] = field(default_factory=list)
    measured: MeasuredMember = field(default_factory=lambda: MeasuredMember(None))
    services: MemberServices = field(default_factory=lambda: MemberServices(None))
    opened: engine.Member | None = None

    @property
    def member(self) -> engine.Member:
        """The member."""
        if self.opened is None:
            assert self.stored_state is not None  # noqa: S101 - a new member is opened already
            self.opened = engine.decode_member(self.stored_state)
            self.terms = engine.terms(self.opened)
        return self.opened


@dataclass(slots=True)
class Rewritten:
    """What a transaction is to write of the members that were worked."""

    members: list[MemberRow] = field(default_factory=list)
    standings: list[tuple[str, bytes]] = field(default_factory=list)
    rows: list[tuple[str, str, bytes]] = field(default_factory=list)
    terms: list[tuple[str, str]] = field(default_factory=list)
    held: list[tuple[int, str, bytes]] = field(default_factory=list)
    services: list[tuple[str, bytes | None]] = field(default_factory=list)
    restated: restating.Changes = field(default_factory=dict)

    @classmethod
    def of(cls, working: Mapping[str, Working]) -> Rewritten:
        """Those of all members of a step."""
        self = cls()
        for key, mine in working.items():
            self.take(key, mine)
        return self

    def take(self, key: str, mine: Working) -> None:
        """Those of a member."""
        if mine.changed:
            member = mine.member
            self.members.append(MemberRow(key, mine.due, mine.alert_open, mine.failed, engine.encode_member(member)))
            self.terms.extend((term, key) for term in (engine.terms(member) | mine.more_terms) - mine.terms)
        if mine.measured.changed:
            self.standings.append((key, mine.measured.encoded()))
        for name in mine.stored:
            row = mine.rows[name]
            if row is not None:
                self.rows.append((key, name, engine.encode_row(row)))
        self.held.extend((offset, key, raw) for offset, raw in mine.held)
        is_new, services = mine.services.rewritten()
        if is_new:
            self.services.append((key, services))
        restating.add(self.restated, mine.services.changes)


class Arrived(msgspec.Struct, frozen=True):
    """An envelope, decoded, with the offset at which it stands on `member-events`."""

    offset: int
    key: str
    envelope: Envelope
    raw: bytes


class MemberPartition:
    """One partition of `member-events` at work."""

    def __init__(
        self, state: MemberState, knowledge: Knowledge, codec: Codec, *, prefix: str, partition: int, partitions: int
    ) -> None:
        self.state = state
        self.knowledge = knowledge
        self.counts: Counter[tuple[str, str]] = Counter()
        """Records worked since somebody last looked, by kind and result."""
        self.said: Counter[tuple[str, str]] = Counter()
        """Outputs made since somebody last looked: an alert by its state, a change or adjustment by its cause, a refusal by its reason."""
        self._sums: list[tuple[str, bytes | None]] = []
        """Rows of sums that the transaction under way is to write."""
        self._codec = codec
        self._prefix = prefix
        self._partition = partition
        self._partitions = partitions

    @classmethod
    async def resume(
        cls, state: MemberState, initial: Knowledge, codec: Codec, *, prefix: str, partition: int, partitions: int
    ) -> MemberPartition:
        """Take up a state file: everything of reference that it has applied is known again."""
        self = cls(state, initial, codec, prefix=prefix, partition=partition, partitions=partitions)
        for offset, facts in await state.reference():
            record = codec.decode_facts("control", facts)
            if not isinstance(record, Tick):
                self.knowledge = self.knowledge.apply(
                    record, Position("control", 0, offset), as_of=state.as_of
                ).knowledge
        if state.as_of is not None:
            self.knowledge = self.knowledge.reach(state.as_of).knowledge
        return self

    async def apply(self, batch: Batch) -> None:
        """Apply what of a batch lies above the watermark. Raises `Stop` on a hole, a foreign key, or anything unknown."""
        waiting = [record for record in batch.records if record.offset >= self.state.watermark]
        if not waiting:
            return
        self._check_unbroken(waiting, batch.end)
        run: list[Arrived] = []
        for record in waiting:
            if record.offset in self.state.skips:
                await self._facts(run)
                run = []
                await self._skip(record)
                continue
            one = self._arrived(record)
            if one.envelope.sequence is None:
                run.append(one)
                continue
            await self._facts(run)
            run = []
            await self._control(one)
        await self._facts(run)

    def _arrived(self, record: Record) -> Arrived:
        offset = record.offset
        if record.value is None or record.key is None:
            raise Stop(
                f"{self._place(offset)} has no key or no value: nothing but panelstream may write there. {self._last_resort(offset)}",
                EXIT_FAULT,
            )
        try:
            envelope = self._codec.decode_envelope(record.value)
        except Exception as problem:
            raise Stop(
                f"{self._place(offset)} is not an envelope this release can read ({type(problem).__name__}): "
                f"start a release that can; nothing was acknowledged. {self._last_resort(offset)}",
                EXIT_FAULT,
            ) from problem
        key = record.key.decode()
        if envelope.sequence is None and partition_of(key, self._partitions) != self._partition:
            raise Stop(
                f"{self._place(offset)} has a key that belongs to partition {partition_of(key, self._partitions)} of "
                f"{self._partitions}: its producer counts partitions differently; nothing was acknowledged.",
                EXIT_FAULT,
            )
        return Arrived(offset, key, envelope, record.value)

    def _last_resort(self, offset: int) -> str:
        return f"As the last resort: panelstream skip {self._partition} {offset} --reason TEXT."

    async def _skip(self, record: Record) -> None:
        """Pass over a record by an operator's order, keeping its bytes. Raises `Stop` when the bytes are not those meant."""
        data = record.value or b""
        if hashlib.sha256(data).hexdigest() != self.state.skips[record.offset]:
            raise Stop(
                f"{self._place(record.offset)} was ordered to be skipped, but it is not the record that was meant (its digest "
                "differs): the log was replaced. Nothing was acknowledged.",
                EXIT_FAULT,
            )
        async with self.state.transaction(watermark=record.offset + 1):
            await self.state.hold([(record.offset, (record.key or b"").decode(errors="replace"), data)])
        self.counts["record", "skipped"] += 1

    def _check_unbroken(self, waiting: Sequence[Record], end: int) -> None:
        first, last = waiting[0].offset, waiting[-1].offset
        if first != self.state.watermark or last - first + 1 != len(waiting) or end != last + 1:
            raise Stop(
                f"member-events[{self._partition}] does not continue at {self.state.watermark}, where the state ends "
                f"(got {first} to {last}, {len(waiting)} records): records of the log are missing. Restore the topic, "
                "or a backup of the state that reaches further.",
                EXIT_HOLE,
            )

    # -- facts ----------------------------------------------------------------------------------------------------------

    async def _facts(self, run: Sequence[Arrived]) -> None:
        if not run:
            return
        facts = [self._fact(one) for one in run]
        working = await self._fetch(run, facts)
        last = {one.key: one.offset for one in run}
        changed = Rewritten()
        outputs: list[tuple[Version, engine.Output | Refused]] = []
        sums: list[tuple[int, SumChange]] = []
        for place, (one, fact) in enumerate(zip(run, facts, strict=True)):
            mine = working[one.key]
            if mine.failed is not None:
                mine.held.append((one.offset, one.raw))
            else:
                try:
                    self._work(mine, one, fact, outputs, sums)
                except Exception as fault:
                    outputs = [out for out in outputs if out[0].offset != one.offset]
                    sums = [change for change in sums if change[0] != one.offset]
                    mine = working[one.key] = await self._failed(one, run[:place], facts[:place], fault)
                    outputs.append((Version(self._partition, one.offset, 0), self._refused(one, _fault_refusal(fault))))
            if last[one.key] == one.offset:
                changed.take(one.key, mine)
                del working[one.key]
        failpoint("before_commit")
        end = run[-1].offset + 1
        ordinal = sum(version.offset == end - 1 for version, _ in outputs)
        outputs.extend(await self._summed((change for _, change in sums), self.state.as_of, end - 1, ordinal))
        async with self.state.transaction(watermark=end):
            await self._write(changed)
            await self._write_sums()
            await self.state.put_out(self._outbox(outputs))
            await self._note_changes(outputs)
            await self.state.note_accepted(max(one.envelope.accepted_at for one in run))
        failpoint("after_commit")

    def _fact(self, one: Arrived) -> engine.Fact:
        envelope = one.envelope
        body = self._codec.decode_facts(envelope.kind, envelope.facts)
        return engine.Fact(
            kind=cast("engine.FactKind", envelope.kind),
            event_id=envelope.event_id,
            position=envelope.position,
            accepted_at=envelope.accepted_at,
            body=body,
            given_id=body.event_id is not None,
        )

    async def _fetch(self, run: Sequence[Arrived], facts: Sequence[engine.Fact]) -> dict[str, Working]:
        stored = await self.state.members(list(dict.fromkeys(one.key for one in run)))
        working: dict[str, Working] = {}
        for one in run:
            if one.key in working:
                continue
            row = stored.get(one.key)
            if row is None:
                member = engine.new_member(one.envelope.payer, one.envelope.member_id)
                working[one.key] = Working(None, {}, None, alert_open=False, failed=None, opened=member)
            else:
                working[one.key] = _stored(row)
        if self._needs_history:
            for key, rows in (await self._all_rows(list(working))).items():
                working[key].rows.update(rows)
        await self._fetch_measures(working)
        await self._fetch_services(working)
        needed = [
            (one.key, name)
            for one, fact in zip(run, facts, strict=True)
            for name in engine.row_names(fact)
            if name not in working[one.key].rows
        ]
        while needed:
            wanted = list(dict.fromkeys(needed))
            found = await self.state.rows(wanted)
            for key, name in wanted:
                data = found.get((key, name))
                working[key].rows[name] = None if data is None else engine.decode_row(data)
            needed = [
                (one.key, name)
                for one, fact in zip(run, facts, strict=True)
                for name in engine.rows_missing(fact, working[one.key].rows)
            ]
        return working

    async def _fetch_measures(self, working: Mapping[str, Working]) -> None:
        if not self.knowledge.measuring.is_nothing:
            for key, stored in (await self.state.standings(list(working))).items():
                working[key].measured = MeasuredMember(stored)

    async def _fetch_services(self, working: Mapping[str, Working]) -> None:
        for key, stored in (await self.state.services(list(working))).items():
            working[key].services = MemberServices(stored)

    async def _all_rows(self, keys: Sequence[str]) -> dict[str, dict[str, engine.Row | None]]:
        """Every cold row of some members."""
        stored = await self.state.all_rows(keys)
        return {key: {name: engine.decode_row(data) for name, data in rows.items()} for key, rows in stored.items()}

    @property
    def _needs_history(self) -> bool:
        return bool(self.knowledge.frozen) and self.knowledge.needs_history()

    def _work(
        self,
        mine: Working,
        one: Arrived,
        fact: engine.Fact,
        outputs: list[tuple[Version, engine.Output | Refused]],
        sums: list[tuple[int, SumChange]],
    ) -> None:
        folded = engine.fold(mine.member, mine.rows, fact, self.knowledge)
        mine.stored |= folded.stored
        made: list[engine.Output | Refused] = []
        if folded.refusal is not None:
            self.counts[fact.kind, folded.refusal.reason] += 1
            made.append(self._refused(one, folded.refusal))
        else:
            self.counts[fact.kind, "applied" if folded.new else "duplicate"] += 1
        if folded.changed or folded.stored:
            mine.changed = True
        if folded.changed:
            if self.state.as_of is None:
                mine.due = dt.date.fromisoformat(AT_ONCE)
            else:
                made.extend(
                    self._advance(
                        mine, self.state.as_of, engine.CAUSE_OF_FACT[fact.kind], str(fact.position), folded.since
                    )
                )
        moved_since = folded.since if folded.changed else FOREVER
        if not self.knowledge.measuring.is_nothing and (folded.changed or folded.stored):
            said, changes = mine.measured.take(
                [(name, mine.rows[name]) for name in sorted(folded.stored)],
                mine.member,
                None if self.state.as_of is None else from_date(self.state.as_of),
                self.knowledge,
                moved_since=moved_since,
            )
            made.extend(said)
            sums.extend((one.offset, change) for change in changes)
            mine.due = _sooner(mine.due, mine.measured.due)
            if self.state.as_of is not None and self.knowledge.frozen:
                because = self._because(engine.CAUSE_OF_FACT[fact.kind], str(fact.position), moved_since, mine)
                said, changes = mine.measured.adjust(mine.member, from_date(self.state.as_of), self.knowledge, because)
                made.extend(said)
                sums.extend((one.offset, change) for change in changes)
        if folded.changed or folded.stored:
            rows = [(name, mine.rows[name]) for name in sorted(folded.stored)]
            mine.services.take(rows, mine.member, self._today, self.knowledge)
            mine.more_terms |= mine.services.terms
        outputs.extend((Version(self._partition, one.offset, ordinal), out) for ordinal, out in enumerate(made))

    @property
    def _today(self) -> Day | None:
        return None if self.state.as_of is None else from_date(self.state.as_of)

    def _because(self, cause: str, position: str, since: Day, mine: Working) -> Because:
        return Because(cause, position, since, mine.rows if self._needs_history else None)

    def _advance(
        self, mine: Working, as_of: dt.date, cause: str, position: str, since: Day
    ) -> tuple[engine.Output, ...]:
        advanced = engine.advance(
            mine.member,
            as_of,
            self.knowledge,
            cause=cause,
            position=position,
            since=since,
            rows=mine.rows if self._needs_history else None,
        )
        mine.due, mine.alert_open, mine.changed = advanced.due, advanced.alert_open, True
        mine.more_terms |= advanced.terms
        return advanced.outputs

    async def _failed(
        self, one: Arrived, before: Sequence[Arrived], facts: Sequence[engine.Fact], fault: Exception
    ) -> Working:
        """The member as it was before the fault: from the file, with the batch's earlier facts applied again; marked failed."""
        logger.error(
            "a member of %s failed at offset %d: %s", self._place(one.offset), one.offset, type(fault).__name__
        )
        mine_before = [(earlier, fact) for earlier, fact in zip(before, facts, strict=True) if earlier.key == one.key]
        again = (
            await self._fetch(
                [one, *(earlier for earlier, _ in mine_before)], [self._fact(one), *(fact for _, fact in mine_before)]
            )
        )[one.key]
        for earlier, fact in mine_before:
            self._work(again, earlier, fact, [], [])
        again.failed = type(fault).__name__
        again.changed = True
        again.held.append((one.offset, one.raw))
        self.counts[one.envelope.kind, "failed"] += 1
        return again

    # -- control records ------------------------------------------------------------------------------------------------

    async def _control(self, one: Arrived) -> None:
        sequence = one.envelope.sequence or 0
        if sequence <= self.state.control:
            async with self.state.transaction(watermark=one.offset + 1):
                pass
            return
        if sequence != self.state.control + 1:
            raise Stop(
                f"{self._place(one.offset)} is control record {sequence}, but {self.state.control} is the last one here: "
                "a broadcast is missing. Nothing was acknowledged; see the conductor's log.",
                EXIT_HOLE,
            )
        record = self._codec.decode_facts("control", one.envelope.facts)
        if isinstance(record, Close):
            await self._close(one, record)
            return
        cause = _cause_of(record)
        position = str(one.envelope.position)
        if isinstance(record, Tick):
            if self.state.as_of is None or record.date > self.state.as_of:
                reached = self.knowledge.reach(record.date)
                self._say_what_waits(reached.knowledge)
                self.knowledge = reached.knowledge
                touch = reached.touch if reached.touch.everyone else None
                monthly = not self.knowledge.measuring.is_nothing and (
                    self.state.as_of is None
                    or month_of(from_date(self.state.as_of)) != month_of(from_date(record.date))
                )
                await self._wide(one, touch, record.date, cause, position, monthly=monthly)
                await self._finish(one, as_of=record.date, record=None)
            else:
                await self._finish(one, as_of=None, record=None)
            return
        applied = self.knowledge.apply(
            record, Position("control", 0, one.envelope.position.offset), as_of=self.state.as_of
        )
        withdrawn = record.close_id if isinstance(record, CloseAnnul) else None
        closed = None if withdrawn is None else self.knowledge.reading_of(withdrawn)
        self._say_what_waits(applied.knowledge)
        self.knowledge = applied.knowledge
        if self.state.as_of is not None:
            await self._wide(one, applied.touch, self.state.as_of, cause, position, withdrawn=withdrawn)
        elif applied.touch.everyone:
            await self._wide(one, applied.touch, None, cause, position)
        await self._finish(one, as_of=None, record=one.envelope.facts, withdrawn=closed)

    def _say_what_waits(self, then: Knowledge) -> None:
        """Say it once when an edition cannot come into force for want of value sets, and when value sets contradict others."""
        for name, why in set(then.measuring.contradicting) - set(self.knowledge.measuring.contradicting):
            logger.error(
                "the value sets of record %s are not in force, what was before stays: %s Publish a record of the same name whose "
                "file agrees with the others.",
                name,
                why,
            )
        for name, missing in set(then.measuring.waiting) - set(self.knowledge.measuring.waiting):
            logger.error(
                "edition %s is not in force: %d value sets are missing, %s first. Lay their files into the folder of tables and "
                "publish their records (`panelstream tables lay`); `panelstream valuesets check %s` lists all.",
                name,
                len(missing),
                missing[0],
                name,
            )

    async def _wide(
        self,
        one: Arrived,
        touch: Touch | None,
        as_of: dt.date | None,
        cause: str,
        position: str,
        *,
        monthly: bool = False,
        withdrawn: str | None = None,
    ) -> None:
        """Work the members a control record concerns in steps, with a cursor in the file. `touch` None: those who are due.

        `monthly`: a month has begun, so that the measures of everyone look at other twelve months. `withdrawn`: a close that is annulled.
        """
        selections = [Selection()] if monthly else _selections(touch, as_of)
        cursor = self.state.cursor
        if cursor is None or cursor.offset != one.offset:
            cursor = Cursor(one.offset, "", 0)
        for selection in selections:
            while True:
                rows = await self.state.concerned(selection, cursor.last_key, STEP)
                if not rows:
                    break
                cursor = await self._step(
                    one, rows, cursor, touch, as_of, cause, position, monthly=monthly, withdrawn=withdrawn
                )

    async def _step(
        self,
        one: Arrived,
        rows: Sequence[MemberRow],
        cursor: Cursor,
        touch: Touch | None,
        as_of: dt.date | None,
        cause: str,
        position: str,
        *,
        monthly: bool,
        withdrawn: str | None,
    ) -> Cursor:
        codes_changed = touch is not None and touch.everyone
        cold = await self._all_rows([row.key for row in rows]) if codes_changed or self._needs_history else {}
        working = {row.key: _stored(row) for row in rows}
        await self._fetch_measures(working)
        await self._fetch_services(working)
        outputs: list[tuple[Version, engine.Output | Refused]] = []
        sums: list[SumChange] = []
        ordinal = cursor.ordinal
        for row in rows:
            mine = working[row.key]
            changes: tuple[SumChange, ...] = ()
            made: tuple[engine.Output, ...] = ()
            try:
                mine.rows.update(cold.get(row.key, {}))
                if codes_changed:
                    engine.rederive(mine.member, mine.rows, self.knowledge)
                    mine.changed = True
                since = FOREVER if touch is None or cause == "tick" else touch.since
                if as_of is not None:
                    made = self._advance(mine, as_of, cause, position, since)
                day = None if as_of is None else from_date(as_of)
                if codes_changed:
                    mine.services.retake(mine.rows, mine.member, day, self.knowledge)
                else:
                    mine.services.advance(mine.member, day, self.knowledge)
                if not self.knowledge.measuring.is_nothing:
                    if codes_changed:
                        mine.measured.retake(mine.rows, self.knowledge)
                    if withdrawn is not None:
                        made = (*made, *mine.measured.withdraw(mine.member, withdrawn))
                    if as_of is not None:
                        said, changes = mine.measured.advance(
                            mine.member, from_date(as_of), self.knowledge, everything=codes_changed or monthly
                        )
                        made = (*made, *said)
                        mine.due = _sooner(mine.due, mine.measured.due)
                        if self.knowledge.frozen and cause != "tick":
                            because = self._because(cause, position, since, mine)
                            said, moved = mine.measured.adjust(mine.member, from_date(as_of), self.knowledge, because)
                            made, changes = (*made, *said), (*changes, *moved)
            except Exception as fault:
                logger.error(
                    "a member of %s failed at offset %d: %s", self._place(one.offset), one.offset, type(fault).__name__
                )
                mine = working[row.key] = _stored(row)
                mine.failed, mine.changed = type(fault).__name__, True
                made, changes = (), ()
                self.counts[cause, "failed"] += 1
            sums.extend(changes)
            for out in made:
                outputs.append((Version(self._partition, one.offset, ordinal), out))
                ordinal += 1
        outputs.extend(await self._summed(sums, as_of, one.offset, ordinal))
        after = Cursor(one.offset, rows[-1].key, cursor.ordinal + len(outputs))
        failpoint("before_step")
        async with self.state.transaction():
            await self._write(Rewritten.of(working))
            await self._write_sums()
            await self.state.put_out(self._outbox(outputs))
            await self._note_changes(outputs)
            await self.state.move_cursor(after)
        failpoint("after_step")
        return after

    async def _summed(
        self, changes: Iterable[SumChange], as_of: dt.date | None, offset: int, ordinal: int
    ) -> list[tuple[Version, engine.Output | Refused]]:
        """The sums that a batch has changed, as outputs of its last record; the rows wait for `_write_sums`."""
        every = list(changes)
        if not every or as_of is None:
            self._sums = []
            return []
        self._sums, said = await summed(
            self.state, self._partition, every, from_date(as_of), self.knowledge.engine_version
        )
        return [
            (Version(self._partition, offset, ordinal + place), engine.Output("aggregates", key, record))
            for place, (key, record) in enumerate(said)
        ]

    async def _write_sums(self) -> None:
        if self._sums:
            await self.state.write_sums(self._sums)
            self._sums = []

    # -- closes ---------------------------------------------------------------------------------------------------------

    async def _close(self, one: Arrived, close: Close) -> None:
        """Freeze every member in steps, put the lists out, and answer with what was frozen (design.md, closing a period)."""
        number = one.envelope.position.offset
        today = self.state.as_of
        if today is None:
            raise Stop(f"{self._place(one.offset)} closes a period before the first tick: report it.", EXIT_FAULT)
        tally = await self.state.tally(one.offset)
        freezing = Freezing.of(self.knowledge.frozen_list(close, number), today, self.knowledge, tally)
        applied = self.knowledge.apply(close, Position("control", 0, number), as_of=today)
        cursor = self.state.cursor
        if cursor is None or cursor.offset != one.offset:
            cursor = Cursor(one.offset, "", 0)
        while rows := await self.state.concerned(Selection(), cursor.last_key, STEP):
            cursor = await self._freeze_step(one, rows, cursor, freezing, applied.knowledge)
        sums, parts = await sums_at_close(self.state, self.knowledge, close, self._partition, from_date(today))
        partial = freezing.partial(
            partition=self._partition,
            watermark=one.offset,
            accepted_at=self.state.accepted_at,
            failed=await self.state.failed(),
            skips=await self.state.passed_over(one.offset),
            sums=sums,
            sums_parts=len(parts),
        )
        panels = {panel.number: panel.close.close_id for panel in panels_of(applied.knowledge, from_date(today))}
        counted = await self.state.to_hand_over(panels)
        topic = topic_name(self._prefix, "control")
        said: list[tuple[bytes, ControlRecord]] = [(b"partial_sums", part) for part in parts]
        said += (
            (b"restated", Restated(close_id=close.close_id, partition=self._partition, panels=part))
            for part in restating.handed_over(counted, panels)
        )
        said.append((b"partial", partial))
        answers = [
            OutboxRow(topic, key, 0, self._codec.encode_control(record), one.offset, cursor.ordinal + place)
            for place, (key, record) in enumerate(said)
        ]
        failpoint("before_partial")
        async with self.state.transaction(watermark=one.offset + 1):
            await self.state.put_out(answers)
            await self.state.note_handed_over(panels)
            await self.state.note_tally(one.offset, None)
            await self.state.finish_control(
                one.envelope.sequence or 0, as_of=None, record=one.envelope.facts, offset=number
            )
        self.knowledge = applied.knowledge
        failpoint("after_partial")

    async def _freeze_step(
        self, one: Arrived, rows: Sequence[MemberRow], cursor: Cursor, freezing: Freezing, then: Knowledge
    ) -> Cursor:
        """Freeze some members. `then` is what is known with the close."""
        today = from_date(self.state.as_of)
        is_panel = freezing.one.close.reading == "panel"
        late = is_panel and needs_rows(freezing.one, today)
        needed = freezing.needs_rows() or late
        cold = await self._all_rows([row.key for row in rows]) if needed else {}
        working = {row.key: _stored(row) for row in rows}
        await self._fetch_measures(working)
        if is_panel:
            await self._fetch_services(working)
        said: list[engine.Output] = []
        sums: list[SumChange] = []
        for row in rows:
            mine = working[row.key]
            every = cold[row.key] if needed else None
            try:
                facts = mine.measured.standing.facts()
                found = freezing.measure(mine.member, mine.measured.profile, facts, every)
                mine.more_terms = freezing.take(mine.member, every)
                if is_panel:
                    mine.services.freeze(mine.member, freezing.one, today, then, every if late else None)
                    mine.more_terms |= mine.services.terms
                freezing.count(mine.member, found)
                results, changes = mine.measured.freeze(mine.member, found, freezing)
                said.extend(results)
                sums.extend(changes)
                mine.changed = True
            except Exception as fault:
                logger.error(
                    "a member of %s failed at offset %d: %s", self._place(one.offset), one.offset, type(fault).__name__
                )
                mine = working[row.key] = _stored(row)
                mine.failed, mine.changed = type(fault).__name__, True
                self.counts["close", "failed"] += 1
        lists = freezing.lists()
        outputs = [
            OutboxRow(
                topic_name(self._prefix, "panels"),
                key.encode(),
                partition_of(key, self._partitions),
                self._codec.encode_output("panels", part, Version(self._partition, one.offset, cursor.ordinal + place)),
                one.offset,
                cursor.ordinal + place,
            )
            for place, (key, part) in enumerate(lists)
        ]
        first = cursor.ordinal + len(outputs)
        measured: list[tuple[Version, engine.Output | Refused]] = [
            (Version(self._partition, one.offset, first + place), out) for place, out in enumerate(said)
        ]
        measured += await self._summed(sums, to_date(freezing.one.as_of), one.offset, first + len(measured))
        after = Cursor(one.offset, rows[-1].key, first + len(measured))
        failpoint("before_step")
        async with self.state.transaction():
            await self._write(Rewritten.of(working))
            await self._write_sums()
            await self.state.put_out([*outputs, *self._outbox(measured)])
            await self.state.note_tally(one.offset, freezing.tally())
            await self.state.move_cursor(after)
        failpoint("after_step")
        return after

    async def _finish(
        self,
        one: Arrived,
        *,
        as_of: dt.date | None,
        record: bytes | None,
        withdrawn: tuple[str, str] | None = None,
    ) -> None:
        """The last transaction of a control record. `withdrawn`: a reading whose sums count no more."""
        gone, unsaid = ([], []) if withdrawn is None else await sums_withdrawn(self.state, *withdrawn)
        cursor = self.state.cursor
        done = 0 if cursor is None or cursor.offset != one.offset else cursor.ordinal
        outputs = [
            (Version(self._partition, one.offset, done + place), engine.Output("aggregates", cell, None))
            for place, cell in enumerate(gone)
        ]
        async with self.state.transaction(watermark=one.offset + 1):
            await self.state.write_sums((cell, None) for cell in (*gone, *unsaid))
            await self.state.put_out(self._outbox(outputs))
            await self.state.finish_control(
                one.envelope.sequence or 0, as_of=as_of, record=record, offset=one.envelope.position.offset
            )

    # -- writing --------------------------------------------------------------------------------------------------------

    async def _write(self, changes: Rewritten) -> None:
        await self.state.write_members(changes.members)
        if changes.standings:
            await self.state.write_standings(changes.standings)
        if changes.rows:
            await self.state.write_rows(changes.rows)
        if changes.terms:
            await self.state.write_terms(changes.terms)
        if changes.held:
            await self.state.hold(changes.held)
        if changes.services:
            await self.state.write_services(changes.services)
        if changes.restated:
            await self.state.add_restated(changes.restated)

    async def _note_changes(self, outputs: Iterable[tuple[Version, engine.Output | Refused]]) -> None:
        """Keep the changes of attribution where `explain` finds them."""
        made = [
            ChangeRow(out.key, version.offset, version.ordinal, out.record.as_of, engine.encode_change(out.record))
            for version, out in outputs
            if isinstance(out, engine.Output) and isinstance(out.record, AttributionChange)
        ]
        if made:
            oldest = engine.changes_kept_from(max(one.as_of for one in made))
            await self.state.note_changes(made, oldest)

    def _outbox(self, outputs: Iterable[tuple[Version, engine.Output | Refused]]) -> Iterator[OutboxRow]:
        """Rows in order; of several values for one key of a compacted topic only the last of the batch."""
        latest: dict[tuple[str, str], OutboxRow] = {}
        record: OutputRecord | None
        for place, (version, out) in enumerate(outputs):
            if isinstance(out, Refused):
                topic, key, record = "quarantine", f"{out.topic}/{out.partition}/{out.offset}", out
                partition = partition_of(key, self._partitions)
                self.said["refused", f"{out.topic}|{out.reason}"] += 1
            else:
                topic, key, record = out.topic, out.key, out.record
                partition = self._partition if topic != "aggregates" else partition_of(key, self._partitions)
                label = SAID_BY.get(topic)
                if label is not None:
                    self.said[topic, getattr(record, label)] += 1
            value = None if record is None else self._codec.encode_output(topic, record, version)
            slot = (topic, key) if topic in COMPACTED else (topic, f"{key}#{place}")
            latest.pop(slot, None)
            name = topic_name(self._prefix, topic)
            latest[slot] = OutboxRow(name, key.encode(), partition, value, version.offset, version.ordinal)
        return iter(latest.values())

    def _refused(self, one: Arrived, refusal: engine.Refusal) -> Refused:
        position = one.envelope.position
        return Refused(
            topic=position.topic,
            partition=position.partition,
            offset=position.offset,
            reason=refusal.reason,
            field=refusal.field,
            message=refusal.message,
            refused_at=one.envelope.accepted_at,
            payer=one.envelope.payer,
            original=one.envelope.original,
        )

    def _place(self, offset: int) -> str:
        return f"member-events[{self._partition}] at {offset}"


def _sooner(one: dt.date | None, day: Day | None) -> dt.date | None:
    """The earlier of a date and a day; None for neither."""
    other = to_date(day)
    return one if other is None else other if one is None else min(one, other)


def _stored(row: MemberRow) -> Working:
    return Working(row.state, {}, row.due, row.alert_open, row.failed)


def _selections(touch: Touch | None, as_of: dt.date | None) -> list[Selection]:
    if touch is None:
        return [Selection(due_by=as_of)]
    if touch.everyone:
        return [Selection()]
    if touch.payer is not None:
        return [Selection(payer=touch.payer)]
    if touch.open_alerts_of is not None:
        return [Selection(open_alerts_of=touch.open_alerts_of)]
    if touch.terms:
        return [Selection(terms=touch.terms)]
    return []


def _cause_of(record: ReferenceRecord | Tick | CloseAnnul) -> str:
    """What changes are said to come of: the kind of record, or `engine` where it put other rules in force."""
    if isinstance(record, Table) and record.kind == "engine":
        return record.kind
    return CAUSE_OF_CONTROL[str(type(record).__struct_config__.tag)]


def _fault_refusal(fault: Exception) -> engine.Refusal:
    return engine.Refusal(
        "member_failed",
        None,
        f"applying it failed with {type(fault).__name__}: the fact is kept and the member marked failed; report this, and after "
        "a release that mends it run `panelstream rebuild`.",
    )
