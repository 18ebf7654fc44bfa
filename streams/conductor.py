"""The conductor: folds `control`, the log of the program, and broadcasts what members need, numbered without gaps.

Whoever owns the one partition of `control` is the conductor. A sequence is a pure function of the log before it, so that a
record broadcast twice carries the same number and is ignored the second time.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from schemas.codec import Codec
from schemas.keys import partition_of
from schemas.money import Contract, MoneySaid, StatementRelease
from schemas.records import (
    FORMAT_VERSION,
    Close,
    CloseAnnul,
    Envelope,
    Partial,
    PartialSums,
    Period,
    Position,
    Practice,
    Refused,
    Restated,
    Site,
    Snapshot,
    SurveyResult,
    Table,
    Tick,
    Version,
)
from schemas.topics import name as topic_name
from schemas.unions import ControlRecord, MoneyRecord, ProgramRecord
from state import closing
from state.calendar import EARLIEST
from state.engine import Refusal
from state.ledger.folding import PROGRAM_CONFLICT
from state.measures import cahps
from state.measures.measuring import Window, of_program
from state.payment.terms import PAID_BY
from state.reference.tables import TableStore
from state.reference.usable_tables import why_unusable
from state.stores.log_state import OutboxRow
from state.stores.program import ProgramState
from streams import paying
from streams.paying import Booked
from streams.producing import Message, Sender
from streams.stopping import EXIT_FAULT, EXIT_HOLE, Stop, failpoint

if TYPE_CHECKING:
    # Faust comes with it, which takes half a second: commands that only send need none of it.
    from streams.batching import Batch
    from streams.batching import Record as Received

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What one record of `control` makes of the program: kept and sent in one transaction."""

    broadcast: ControlRecord | None = None
    seen: tuple[str, bytes] | None = None
    """Event id and content digest of a reference record."""
    period: Period | None = None
    closed_period: tuple[str, Period] | None = None
    """A close that is taken up, and the record of its period that it is paid by, whatever is published later."""
    survey_result: SurveyResult | None = None
    partial: Partial | None = None
    sums: PartialSums | None = None
    restated: tuple[Restated, int] | None = None
    """What a partition hands over with a close, and the offset of the close's request."""
    closes: tuple[tuple[Close, Snapshot], ...] = ()
    """Requests of closes with what they stand at now: kept, and said on `snapshots`."""
    answers: tuple[Snapshot, ...] = ()
    """Said on `snapshots` and not kept."""
    booked: Booked = paying.NOTHING
    """Statements, entries of the money ledger, and what they rest on."""
    refusal: Refusal | None = None
    """The record goes to quarantine."""


class Conductor:
    """The owner of `control` at work. `partitions` is the number of partitions of `member-events`; contracts name tables of `tables`."""

    def __init__(
        self,
        state: ProgramState,
        codec: Codec,
        *,
        prefix: str,
        partitions: int,
        tables: TableStore,
    ) -> None:
        self.state = state
        self._tables = tables
        self._codec = codec
        self._prefix = prefix
        self._partitions = partitions
        self.closed: list[tuple[str, float]] = []
        """Closes completed since somebody last looked: the reading, and the seconds from its request to its manifest."""
        self._asked: dict[str, int] = {}

    async def apply(self, batch: Batch) -> None:
        """Broadcast what of a batch lies above the watermark. Raises `Stop` on a hole or anything unknown."""
        records = [record for record in batch.records if record.offset >= self.state.watermark]
        if not records:
            return
        first, last = records[0].offset, records[-1].offset
        if first != self.state.watermark or last - first + 1 != len(records):
            raise Stop(
                f"control[0] does not continue at {self.state.watermark}, where the state ends (got {first} to {last}): "
                "records of the log are missing. Restore the topic, or a backup of the state that reaches further.",
                EXIT_HOLE,
            )
        for record in records:
            await self._one(record)

    async def _one(self, received: Received) -> None:
        try:
            record = self._codec.decode_control(received.value or b"")
        except Exception as problem:
            raise Stop(
                f"control[0] at {received.offset} is not a record this release can read ({type(problem).__name__}): "
                "start a release that can; nothing was acknowledged.",
                EXIT_FAULT,
            ) from problem
        made = await self._made_of(record, received)
        self._time(made, received)
        failpoint("conductor_before_commit")
        state = self.state
        async with state.transaction(watermark=received.offset + 1):
            if made.seen:
                await state.note_seen(*made.seen)
            if made.period:
                await state.note_period(made.period)
            if made.closed_period:
                await state.note_closed_period(*made.closed_period)
            if made.survey_result:
                await state.note_survey_result(made.survey_result)
            if made.sums:
                await state.note_sums(made.sums)
            if made.partial:
                await state.note_partial(made.partial)
            if made.restated:
                await state.note_restated(*made.restated)
            for request, snapshot in made.closes:
                await state.note_close(request, snapshot)
                if snapshot.state == "complete":
                    await state.forget_restated(snapshot.control)
            await self._keep_money(made.booked)
            await state.put_out(self._outputs(made, received))
            if made.broadcast:
                await state.note_broadcast(
                    state.sequence + 1, made.broadcast.date if isinstance(made.broadcast, Tick) else None
                )
        failpoint("conductor_after_commit")

    async def _keep_money(self, booked: Booked) -> None:
        if booked.practice:
            await self.state.note_practice(booked.practice)
        if booked.site:
            await self.state.note_site(booked.site)
        if booked.contract:
            await self.state.note_contract(booked.contract)
        if booked.closed_contracts:
            await self.state.note_closed_contracts(*booked.closed_contracts)
        for stated in booked.statements:
            await self.state.note_statement(stated)
        await self.state.note_entries(booked.entries)

    def _time(self, made: Made, received: Received) -> None:
        for _, snapshot in made.closes:
            if snapshot.state == "open":
                self._asked[snapshot.close_id] = received.timestamp
            elif snapshot.close_id in self._asked:
                seconds = (received.timestamp - self._asked.pop(snapshot.close_id)) / 1000
                if snapshot.state == "complete":
                    self.closed.append((snapshot.reading, seconds))

    async def _made_of(self, record: ControlRecord, received: Received) -> Made:
        match record:
            case Tick():
                # A tick that does not move the date is history already made.
                moves = self.state.ticked is None or record.date > self.state.ticked
                return Made(broadcast=record if moves else None)
            case Close():
                return await self._close(record, received.offset)
            case CloseAnnul():
                return await self._annul(record)
            case Partial():
                return await self._partial(record)
            case PartialSums():
                return await self._sums(record)
            case Restated():
                known = await self.state.snapshot(record.close_id)
                return Made() if known is None else Made(restated=(record, known.control))
            case StatementRelease():
                # Before the first tick nothing is stated.
                booked = await paying.order(self.state, record, self.state.ticked or _time(received).date())
                return Made(booked=booked, refusal=booked.refusal)
            case _:
                return await self._reference(record)

    async def _reference(self, record: ProgramRecord) -> Made:
        event_id, digest = self._codec.event_id_of(record), self._codec.content_digest(record)
        known = await self.state.digest_of(event_id)
        if known is not None:
            return Made(refusal=None if known == digest else PROGRAM_CONFLICT)
        seen = (event_id, digest)
        if isinstance(record, SurveyResult):
            if await self.state.survey_results_beside(record) >= cahps.MOST:
                return Made(refusal=cahps.TOO_MANY)
            return Made(seen=seen, survey_result=record)
        if isinstance(record, MoneyRecord):
            booked = await self._money(record)
            return Made(seen=None if booked.refusal else seen, booked=booked, refusal=booked.refusal)
        if isinstance(record, Table):
            # Broadcast, it would end every worker for good.
            why = why_unusable(record, self._tables)
            if why is not None:
                return Made(refusal=Refusal("unusable_table", "digest", why))
            if record.kind in PAID_BY:
                return Made(seen=seen)
        return Made(
            broadcast=record,
            seen=seen,
            period=record if isinstance(record, Period) else None,
            booked=Booked(practice=record) if isinstance(record, Practice) else paying.NOTHING,
        )

    async def _money(self, record: MoneyRecord) -> Booked:
        if isinstance(record, Contract):
            return await paying.contract(self.state, self._tables, record)
        if isinstance(record, Site):
            return await paying.site(self.state, record)
        return await paying.posting(self.state, record)

    # -- closes ---------------------------------------------------------------------------------------------------------

    async def _close(self, asked: Close, offset: int) -> Made:
        """Take a close up and raise the barrier, or say why not. The same request again is the same close."""
        known = await self.state.snapshot(asked.close_id)
        if known is not None and (known.period, known.reading) == (asked.period, asked.reading):
            return Made()
        period = await self.state.period(asked.period)
        why = (
            f"the id {asked.close_id} is that of another close: leave it out, or choose another."
            if known is not None
            else closing.why_refused(asked, period, self.state.ticked, await self.state.standing(asked.period))
        )
        if why is not None:
            return Made(answers=(closing.refused(asked, offset, why),))
        close = msgspec.structs.replace(asked, as_of=closing.day_of(asked, period), closed_on=self.state.ticked)
        opened = closing.opened(close, offset)
        if period is None:
            return Made(broadcast=close, closes=((close, opened),))
        window = Window(period.period, of_program(period))
        surveyed = cahps.of_window(await self.state.survey_results(), window)
        opened = msgspec.structs.replace(opened, survey_results=tuple(map(cahps.frozen, surveyed)))
        return Made(broadcast=close, closed_period=(close.close_id, period), closes=((close, opened),))

    async def _annul(self, order: CloseAnnul) -> Made:
        """Withdraw a close and have its lists forgotten. What is not there to be withdrawn is left alone."""
        request, known = await self.state.request(order.close_id), await self.state.snapshot(order.close_id)
        if request is None or known is None or known.state == "annulled":
            return Made()
        withdrawn = await paying.withdrawals(self.state, known, self.state.ticked or known.as_of or EARLIEST)
        if isinstance(withdrawn, str):
            return Made(answers=(msgspec.structs.replace(known, message=f"{closing.NOT_ANNULLED} {withdrawn}"),))
        message = f"{order.actor}: {order.reason}"
        annulled = msgspec.structs.replace(known, state="annulled", message=message)
        return Made(broadcast=order, closes=((request, annulled),), booked=withdrawn)

    async def _sums(self, sums: PartialSums) -> Made:
        """Keep what a partition says of sums before it answers."""
        known = await self.state.snapshot(sums.close_id)
        return Made(sums=sums if known is not None and known.state == "open" else None)

    async def _partial(self, partial: Partial) -> Made:
        """Keep a partition's answer; with the last one the close is complete."""
        request, known = await self.state.request(partial.close_id), await self.state.snapshot(partial.close_id)
        partials = await self.state.partials(partial.close_id)
        if request is None or known is None or known.state != "open":
            return Made()
        if partial.partition in {one.partition for one in partials}:
            return Made()
        if await self.state.sums_parts(partial.close_id, partial.partition) != partial.sums_parts:
            raise Stop(
                f"Partition {partial.partition} answered to {partial.close_id} with {partial.sums_parts} records of sums before it, and "
                "others stand on control: records of the log are missing. Restore the topic.",
                EXIT_HOLE,
            )
        if len(partials) + 1 < self._partitions:
            return Made(partial=partial)
        try:
            complete = closing.completed(known, [*partials, partial])
        except closing.MixedPartials as problem:
            order = CloseAnnul(close_id=known.close_id, actor="panelstream", reason=str(problem))
            annulled = msgspec.structs.replace(known, state="annulled", message=str(problem))
            return Made(partial=partial, broadcast=order, closes=((request, annulled),))
        booked = await paying.drafts(self.state, self._tables, request, complete, [*partials, partial])
        complete = msgspec.structs.replace(complete, message=booked.message)
        return Made(partial=partial, closes=((request, complete),), booked=booked)

    # -- outputs --------------------------------------------------------------------------------------------------------

    def _outputs(self, made: Made, received: Received) -> list[OutboxRow]:
        rows = [] if made.broadcast is None else [self._broadcast(received, made.broadcast)]
        said = [*(snapshot for _, snapshot in made.closes), *made.answers]
        money = made.booked.said(self.state.ticked or _time(received).date())
        every: list[tuple[str, str, Snapshot | MoneySaid]] = [
            # Statements before their close: who waits for that finds them.
            *(("statements", key, one) for key, one in money),
            *(("snapshots", f"{one.period}|{one.reading}", one) for one in said),
        ]
        rows += [self._said(*one, received.offset, ordinal) for ordinal, one in enumerate(every)]
        return rows if made.refusal is None else [*rows, self._refused(made.refusal, received)]

    def _said(self, topic: str, key: str, record: Snapshot | MoneySaid, offset: int, ordinal: int) -> OutboxRow:
        value = self._codec.encode_output(topic, record, Version(0, offset, ordinal))
        partition = partition_of(key, self._partitions)
        return OutboxRow(topic_name(self._prefix, topic), key.encode(), partition, value, offset, ordinal)

    def _broadcast(self, received: Received, record: ControlRecord) -> OutboxRow:
        envelope = Envelope(
            kind="control",
            event_id=f"control/{received.offset}",
            payer="",
            member_id="",
            position=Position("control", 0, received.offset),
            accepted_at=_time(received),
            format_version=FORMAT_VERSION,
            flags=(),
            facts=self._codec.encode_facts(record),
            original=b"",
            sequence=self.state.sequence + 1,
        )
        return OutboxRow(
            topic_name(self._prefix, "member-events"), b"control", None, self._codec.encode_envelope(envelope)
        )

    def _refused(self, refusal: Refusal, received: Received) -> OutboxRow:
        refused = Refused(
            topic="control",
            partition=0,
            offset=received.offset,
            reason=refusal.reason,
            field=refusal.field,
            message=refusal.message,
            refused_at=_time(received),
            payer=None,
            original=received.value or b"",
        )
        value = self._codec.encode_output("quarantine", refused, None)
        return OutboxRow(topic_name(self._prefix, "quarantine"), f"control/0/{received.offset}".encode(), 0, value)


def tick_message(codec: Codec, prefix: str, date: dt.date) -> Message:
    """The record that moves the clock of every partition to a date."""
    return Message(topic_name(prefix, "control"), 0, b"tick", codec.encode_control(Tick(date=date)))


async def tick_if_midnight_passed(
    state: ProgramState, codec: Codec, sender: Sender, prefix: str, today: dt.date
) -> bool:
    """Append today's tick to `control` unless it was broadcast already. Twice is harmless."""
    if state.ticked is not None and state.ticked >= today:
        return False
    await sender.send([tick_message(codec, prefix, today)])
    return True


def _time(received: Received) -> dt.datetime:
    return dt.datetime.fromtimestamp(received.timestamp / 1000, dt.UTC)
