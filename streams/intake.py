"""Intake: what plans send becomes an envelope on `member-events`, a reference record on `control`, or a row in quarantine.

Stateless. A batch is acknowledged when the broker has all that came of it; after a crash the batch is worked again, and the
deterministic event ids make the second copy harmless.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from schemas.codec import Codec, Undecodable
from schemas.keys import member_key, partition_of
from schemas.money import Contract
from schemas.records import FORMAT_VERSION, Enrollment, Envelope, MemberFact, Position, Refused
from schemas.topics import name as topic_name
from state import validation
from state.payment import acceptance
from state.reference.tables import TableStore
from streams.producing import Message, Sender
from streams.stopping import failpoint
from streams.vault import UNKNOWN_PAYER, Vault

if TYPE_CHECKING:
    # Faust comes with it, which takes half a second: commands that only send need none of it.
    from streams.batching import Batch
    from streams.batching import Record as Received

logger = logging.getLogger(__name__)

ORIGIN_HEADER = "panelstream-origin"
"""`topic/partition/offset` where a record first stood: a replay from quarantine keeps its place in the order.

Anybody may set a header: one that is no place is passed over, and the record stands where it stands."""
_ORIGIN = re.compile(rb"([A-Za-z0-9._-]+)/([0-9]{1,9})/([0-9]{1,18})")
ARRIVED_HEADER = "panelstream-arrived"
"""When a fact arrived on its input topic, as Kafka has it (ms): the beginning of the end-to-end time."""
HISTORY_HEADER = "panelstream-history"
"""Set by `publish --history`: the record's own accepted_at counts."""
MOST_BYTES = 1_000_000
"""A larger record is refused at intake (design.md, limits)."""
MOST_KEPT = 4_000_000
"""Quarantine keeps so many bytes of a record: a topic of the plan's may take more than ours do (schemas.topics.MOST_BYTES)."""
MOST_ENVELOPE = 4_150_000
"""A larger envelope is refused: the log takes schemas.topics.MOST_BYTES with key, headers and framing."""


@dataclass(frozen=True)
class Counted:
    """What came of a batch, for metrics."""

    accepted: int
    refused: tuple[str, ...]


class Intake:
    """Turns batches of input records into what the state machines read."""

    def __init__(
        self,
        codec: Codec,
        vault: Vault,
        sender: Sender,
        *,
        prefix: str,
        partitions: int,
        tables: TableStore,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._codec = codec
        self._vault = vault
        self._sender = sender
        self._prefix = prefix
        self._partitions = partitions
        self._tables = tables
        self._now = now
        self._member_events = topic_name(prefix, "member-events")
        self._control = topic_name(prefix, "control")
        self._quarantine = topic_name(prefix, "quarantine")

    async def take(self, batch: Batch) -> Counted:
        """Work one batch; return when the broker has everything that came of it. Raises `Stop` when it does not."""
        now = self._now()
        topic = batch.tp.topic.removeprefix(self._prefix)
        messages: list[Message] = []
        refused: list[str] = []
        for received in batch.records:
            message, reason = self._one(topic, received, now)
            messages.append(message)
            if reason:
                refused.append(reason)
        failpoint("intake_before_send")
        await self._sender.send(messages)
        failpoint("intake_after_send")
        return Counted(len(messages) - len(refused), tuple(refused))

    def _one(self, topic: str, received: Received, now: dt.datetime) -> tuple[Message, str | None]:
        data = received.value or b""
        headers = dict(received.headers)
        position = _position(topic, received, headers)
        if len(data) > MOST_BYTES:
            return self._refuse(
                position, data, now, "too_large", None, f"the record has over {MOST_BYTES:,} bytes: send it in parts."
            )
        try:
            record = self._codec.decode_input(topic, data)
        except Undecodable as problem:
            return self._refuse(position, data, now, problem.reason, problem.field, problem.message)
        accepted_at = now
        if HISTORY_HEADER in headers and record.accepted_at is not None:
            accepted_at = record.accepted_at
        problem_found = validation.refusal(record, accepted_at.date())
        if problem_found is None and isinstance(record, Contract):
            problem_found = acceptance.refusal(record, self._tables)
        if problem_found:
            return self._refuse(
                position,
                data,
                now,
                problem_found.reason,
                problem_found.field,
                problem_found.message,
                getattr(record, "payer", UNKNOWN_PAYER),
            )
        if isinstance(record, MemberFact):
            envelope = self._envelope(record, position, accepted_at, data, received.timestamp)
            if len(envelope.value or b"") <= MOST_ENVELOPE:
                return envelope, None
            return self._refuse(
                position,
                data,
                now,
                "too_large",
                None,
                f"the record takes over {MOST_ENVELOPE:,} bytes on the log: send it in parts.",
                record.payer,
            )
        return Message(
            self._control, 0, str(type(record).__struct_config__.tag).encode(), self._codec.encode_control(record)
        ), None

    def _envelope(
        self,
        record: MemberFact,
        position: Position,
        accepted_at: dt.datetime,
        data: bytes,
        arrived: int,
    ) -> Message:
        key = member_key(record.payer, record.member_id)
        if isinstance(record, Enrollment) and record.contact is not None:
            # How to reach a member stands on the log only within the original bytes, which are sealed under the payer's key.
            record = msgspec.structs.replace(record, contact=None)
        envelope = Envelope(
            kind=str(type(record).__struct_config__.tag),
            event_id=self._codec.event_id_of(record),
            payer=record.payer,
            member_id=record.member_id,
            position=position,
            accepted_at=accepted_at,
            format_version=FORMAT_VERSION,
            flags=validation.flags(record),
            facts=self._codec.encode_facts(record),
            original=self._vault.seal(record.payer, data),
        )
        return Message(
            self._member_events,
            partition_of(key, self._partitions),
            key.encode(),
            self._codec.encode_envelope(envelope),
            {ARRIVED_HEADER: b"%d" % arrived},
        )

    def _refuse(
        self,
        position: Position,
        data: bytes,
        now: dt.datetime,
        reason: str,
        field: str | None,
        message: str,
        payer: str = UNKNOWN_PAYER,
    ) -> tuple[Message, str]:
        if len(data) > MOST_KEPT:
            message = f"{message[:-1]}; of its {len(data):,} bytes only the first {MOST_KEPT:,} are kept here."
        refused = Refused(
            topic=position.topic,
            partition=position.partition,
            offset=position.offset,
            reason=reason,
            field=field,
            message=message,
            refused_at=now,
            payer=payer or None,
            original=self._vault.seal(payer, data[:MOST_KEPT]),
        )
        key = str(position)
        value = self._codec.encode_output("quarantine", refused, None)
        return Message(self._quarantine, partition_of(key, self._partitions), key.encode(), value), reason


def _position(topic: str, received: Received, headers: dict[str, bytes]) -> Position:
    origin = _ORIGIN.fullmatch(headers.get(ORIGIN_HEADER) or b"")
    if origin:
        return Position(origin[1].decode(), int(origin[2]), int(origin[3]))
    return Position(topic, received.partition, received.offset)
