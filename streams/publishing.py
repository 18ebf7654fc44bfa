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
from schemas.money import Contract, PaymentPosted
from schemas.records import (
    FeedManifest,
    MemberFact,
    PayerRecord,
    Period,
    Practice,
    Provider,
    Site,
    SurveyResult,
    Table,
)
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from schemas.unions import Record
from state import validation
from state.engine import Refusal
from state.payment import acceptance
from state.reference.tables import TableStore
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


def decode(codec: Codec, line: bytes) -> Record | Refusal:
    """A line of an event file as a record, or why it is none."""
    if len(line) > MOST_BYTES:
        return Refusal("too_large", None, f"the record has over {MOST_BYTES:,} bytes: send it in parts.")
    try:
        record = codec.from_json(line)
    except Undecodable as problem:
        return Refusal(problem.reason, problem.field, problem.message)
    if isinstance(record, Contract):
        return acceptance.form(msgspec.json.decode(line)) or record
    return record


def accepted_on(record: Record, otherwise: dt.date) -> dt.date:
    """The day (UTC) on which a record says it was accepted; `otherwise` where it does not say."""
    when = record.accepted_at
    if when is None:
        return otherwise
    return when.date() if when.tzinfo is dt.UTC else when.astimezone(dt.UTC).date()


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
    tables = TableStore([settings.tables])
    today = dt.datetime.now(dt.UTC).date()
    published = Published()
    total, done = sum(path.stat().st_size for path in files), 0
    waiting: list[Message] = []
    for path, row, line in _lines(files):
        done += len(line)
        if line.isspace():
            continue
        found = decode(codec, line)
        if not isinstance(found, Refusal):
            found = validation.refusal(found, accepted_on(found, today) if history else today) or found
        if isinstance(found, Contract):
            found = acceptance.refusal(found, tables) or found
        if isinstance(found, Refusal):
            published.refused[found.reason] += 1
            if len(published.told) < SHOWN:
                place = f"{path}:{row}"
                published.told.append(f"{place}  {found.field or '-'}  {found.message}")
            if refused_to is not None:
                refused_to.write(line if line.endswith(b"\n") else line + b"\n")
        else:
            topic = TOPIC_OF[type(found)]
            published.sent[topic] += 1
            waiting.append(message_of(codec, found, prefix=settings.prefix, partitions=counts[topic], history=history))
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
    if isinstance(record, MemberFact):
        return member_key(record.payer, record.member_id)
    match record:
        case Provider():
            return f"provider:{record.npi}"
        case Practice():
            return f"practice:{record.practice_id}"
        case Table():
            return f"table:{record.name}"
        case PayerRecord():
            return f"payer:{record.payer}"
        case FeedManifest():
            return f"feed_manifest:{record.payer}"
        case Period():
            return f"period:{record.period}"
        case Contract():
            return f"contract:{record.contract_id}"
        case PaymentPosted():
            return f"payment_posted:{record.payer}"
        case Site():
            return f"site:{record.practice_id}"
        case SurveyResult():
            return f"survey_result:{record.practice_id}"
