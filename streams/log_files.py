"""A line of an exported log: an event as in event files, with a key `log` that says where its record stands.

`streams.exporting` writes such lines, `streams.replaying` reads them. No line is missing: what is no event has one too, so that a
gap in the offsets is a gap in the files.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Literal

import msgspec

from schemas.codec import BY_KIND, TOPIC_OF, Codec
from schemas.records import Envelope, MemberFact, Position
from schemas.unions import ProgramRecord

BROADCAST = "broadcast"
"""Here stands a control record that the conductor has sent to every partition; the record itself is in the file of `control`."""
UNREADABLE = "unreadable"
"""Here stands a record that this release cannot read; only its digest is known."""
NO_EVENTS = frozenset({BROADCAST, *(kind for kind, record in BY_KIND.items() if record not in TOPIC_OF)})
"""Lines that say nothing of members or reference: a replay asks of its own day, and nothing was closed in it."""
_MARK = b'"log":{'


class LogPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a record stands on its log, and what else of it a replay needs.

    A fact has its `position`, where it first entered, and its `event_id`; a broadcast the offset of its record on `control`; an
    unreadable record the sha256 (hex) of its bytes.
    """

    topic: Literal["member-events", "control"]
    partition: int
    offset: int
    position: Position | None = None
    event_id: str | None = None
    control: int | None = None
    digest: str | None = None

    @property
    def first(self) -> Position:
        """Where the record first entered, the order of last resort."""
        return self.position or Position(self.topic, self.partition, self.offset)

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] at {self.offset}"


class Logged(msgspec.Struct, frozen=True):
    """What a line says of itself. `event_type` is the kind of its record; of a close also the id."""

    event_type: str
    log: LogPlace
    close_id: str | None = None


_decoder = msgspec.json.Decoder(Logged)
_encoder = msgspec.json.Encoder()


def logged(line: bytes) -> Logged | None:
    """What a line of an exported log says of itself; None for a line of any other file."""
    if _MARK not in line:
        return None
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def member_line(codec: Codec, partition: int, offset: int, value: bytes | None) -> bytes:
    """The line of a record of `member-events`."""
    data = value or b""
    try:
        envelope = codec.decode_envelope(data)
        facts: MemberFact | None = None
        if envelope.sequence is None:
            facts = codec.decode_facts(envelope.kind, envelope.facts)
    except Exception:  # whatever an operator had to have passed over
        place = LogPlace(
            topic="member-events", partition=partition, offset=offset, digest=hashlib.sha256(data).hexdigest()
        )
        return _bare(UNREADABLE, place)
    if facts is None:
        control = envelope.position.offset
        return _bare(BROADCAST, LogPlace(topic="member-events", partition=partition, offset=offset, control=control))
    return _with_place(
        codec.to_json(msgspec.structs.replace(facts, accepted_at=envelope.accepted_at)),
        _place_of(envelope, partition, offset),
    )


def control_line(codec: Codec, offset: int, arrived: dt.datetime, value: bytes | None) -> bytes:
    """The line of a record of `control`. Where a reference record does not say when it was accepted, `arrived` does."""
    record = codec.decode_control(value or b"")
    if isinstance(record, ProgramRecord) and record.accepted_at is None:
        record = msgspec.structs.replace(record, accepted_at=arrived)
    return _with_place(codec.to_json(record), LogPlace(topic="control", partition=0, offset=offset))


def _place_of(envelope: Envelope, partition: int, offset: int) -> LogPlace:
    return LogPlace(
        topic="member-events",
        partition=partition,
        offset=offset,
        position=envelope.position,
        event_id=envelope.event_id,
    )


def _bare(event_type: str, place: LogPlace) -> bytes:
    return _encoder.encode(Logged(event_type, place)) + b"\n"


def _with_place(event: str, place: LogPlace) -> bytes:
    return event[:-1].encode() + b',"log":' + _encoder.encode(place) + b"}\n"
