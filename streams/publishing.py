"""Event files to their topics: validated first as intake would, so that a sender hears at once what would be refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from schemas.codec import TOPIC_OF, Codec, Undecodable
from schemas.keys import member_key, partition_of
from schemas.records import Claim, Enrollment, PayerRecord, PcpSelection, Practice, Provider, Record, Table
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from state import validation
from state.engine import Refusal
from streams import topic_admin
from streams.intake import HISTORY_HEADER, MOST_BYTES
from streams.producing import Message, Sender
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

PORTION = 10_000
"""Lines between two waits for the broker."""
SHOWN = 20
"""Refused lines that are told one by one; all are counted."""


@dataclass
class Published:
    """What came of publishing."""

    sent: Counter[str] = field(default_factory=Counter)
    """Records by topic."""
    refused: Counter[str] = field(default_factory=Counter)
    """Lines by reason."""
    told: list[str] = field(default_factory=list)
    """The first refusals: where, field, what to do. No member data."""


def read(codec: Codec, line: bytes, *, history: bool, today: dt.date) -> Record | Refusal:
    """A line of an event file as a valid record, or why it is refused.

    With `history` it is judged as of the day of its own accepted_at, where it has one; else as of `today` (UTC).
    """
    if len(line) > MOST_BYTES:
        return Refusal("too_large", None, f"the record has over {MOST_BYTES:,} bytes: send it in parts.")
    try:
        record = codec.from_json(line)
    except Undecodable as problem:
        return Refusal(problem.reason, problem.field, problem.message)
    accepted_on = today
    if history and record.accepted_at is not None:
        accepted_on = record.accepted_at.astimezone(dt.UTC).date()
    return validation.refusal(record, accepted_on) or record


def message_of(codec: Codec, record: Record, *, prefix: str, partitions: int, history: bool) -> Message:
    """A record for its input topic, which has `partitions`. Without `history` its accepted_at is left out."""
    topic = TOPIC_OF[type(record)]
    key = _key(record)
    if not history and record.accepted_at is not None:
        record = msgspec.structs.replace(record, accepted_at=None)
    return Message(
        topic_name(prefix, topic),
        0 if topic == "reference" else partition_of(key, partitions),
        key.encode(),
        codec.encode_record(record),
        {HISTORY_HEADER: b"1"} if history else {},
    )


def publish(
    settings: Settings,
    codec: Codec,
    files: Sequence[Path],
    *,
    history: bool,
    refused_to: BinaryIO | None = None,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Published:
    """Send the valid lines of event files, in order; refused lines go to `refused_to` as they are.

    `report` hears the bytes read and the bytes there are. Raises `Stop` when the broker does not take what is sent; what
    was sent before stays sent, and sending it all again changes nothing.
    """
    counts = input_partitions(settings)
    sender = Sender(settings.bootstrap)
    today = dt.datetime.now(dt.UTC).date()
    published = Published()
    total, done = sum(path.stat().st_size for path in files), 0
    waiting: list[Message] = []
    for path, row, line in _lines(files):
        done += len(line)
        found = read(codec, line, history=history, today=today) if line.strip() else None
        if isinstance(found, Refusal):
            published.refused[found.reason] += 1
            if len(published.told) < SHOWN:
                place = f"{path}:{row}"
                published.told.append(f"{place}  {found.field or '-'}  {found.message}")
            if refused_to is not None:
                refused_to.write(line if line.endswith(b"\n") else line + b"\n")
        elif found is not None:
            topic = TOPIC_OF[type(found)]
            published.sent[topic] += 1
            waiting.append(
                message_of(codec, found, prefix=settings.prefix, partitions=counts[topic], history=history)
            )
        if len(waiting) >= PORTION:
            sender.send_now(waiting)
            waiting = []
            report(done, total)
    sender.send_now(waiting)
    return published


def input_partitions(settings: Settings) -> Mapping[str, int]:
    """The partition count that each input topic really has: plans choose theirs. Raises `Stop` when one is missing."""
    there = topic_admin.partition_counts(settings)
    counts = {}
    for topic in TOPICS:
        if topic.is_input:
            name = topic_name(settings.prefix, topic.name)
            if name not in there:
                raise Stop(f"Topic {name} does not exist: run `panelstream topics create`.", EXIT_CONFIG)
            counts[topic.name] = there[name]
    return counts


def _lines(files: Sequence[Path]) -> Iterator[tuple[Path, int, bytes]]:
    for path in files:
        with path.open("rb") as file:
            for row, line in enumerate(file, start=1):
                yield path, row, line


def _key(record: Record) -> str:
    match record:
        case Claim() | Enrollment() | PcpSelection():
            return member_key(record.payer, record.member_id)
        case Provider():
            name = record.npi
        case Practice():
            name = record.practice_id
        case Table():
            name = record.name
        case PayerRecord():
            name = record.payer
        case _:
            name = record.payer
    return f"{record.__struct_config__.tag}:{name}"
