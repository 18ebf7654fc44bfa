"""The conductor: folds `control`, the log of the program, and broadcasts what members need, numbered without gaps.

Whoever owns the one partition of `control` is the conductor. A sequence is a pure function of the log before it, so that a
record broadcast twice carries the same number and is ignored the second time.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas.codec import Codec
from schemas.records import FORMAT_VERSION, ControlRecord, Envelope, Position, Refused, Tick
from schemas.topics import name as topic_name
from state.stores.log_state import OutboxRow
from state.stores.program import ProgramState
from streams.producing import Message, Sender
from streams.stopping import EXIT_FAULT, EXIT_HOLE, Stop, failpoint

if TYPE_CHECKING:
    # Faust comes with it, which takes half a second: commands that only send need none of it.
    from streams.batching import Batch
    from streams.batching import Record as Received

logger = logging.getLogger(__name__)


class Conductor:
    """The owner of `control` at work."""

    def __init__(self, state: ProgramState, codec: Codec, *, prefix: str) -> None:
        self.state = state
        self._codec = codec
        self._prefix = prefix

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
        state = self.state
        outputs: Sequence[OutboxRow] = ()
        ticked, seen = None, None
        if isinstance(record, Tick):
            # A tick that does not move the date is history already made.
            if state.ticked is None or record.date > state.ticked:
                outputs, ticked = [self._broadcast(received, record)], record.date
        else:
            event_id, digest = self._codec.event_id_of(record), self._codec.content_digest(record)
            known = await state.digest_of(event_id)
            if known is None:
                outputs, seen = [self._broadcast(received, record)], (event_id, digest)
            elif known != digest:
                outputs = [self._conflict(received)]
        failpoint("conductor_before_commit")
        async with state.transaction(watermark=received.offset + 1):
            if seen:
                await state.note_seen(*seen)
            await state.put_out(outputs)
            if seen or ticked:
                await state.note_broadcast(state.sequence + 1, ticked)
        failpoint("conductor_after_commit")

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

    def _conflict(self, received: Received) -> OutboxRow:
        refused = Refused(
            topic="control",
            partition=0,
            offset=received.offset,
            reason="event_id_conflict",
            field="event_id",
            message="a reference record of this event id was accepted with other content: send the new content under a new event id.",
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
