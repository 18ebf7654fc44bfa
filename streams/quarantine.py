"""The quarantine read, and sent again after a fix: nothing that was refused is lost (design.md law 6).

A record keeps its first place in the order however often it is sent again: its position travels in a header. When one is sent again, a mark
without a value follows it into `quarantine` under its key; an entry younger than the mark was refused again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import confluent_kafka

from schemas.codec import Codec
from schemas.records import Position, Refused
from schemas.topics import name as topic_name
from streams import topic_admin
from streams.intake import ORIGIN_HEADER
from streams.producing import Message, Sender
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, Stop
from streams.vault import UNKNOWN_PAYER, Vault

PATIENCE = 30.0
REPLAYED_HEADER = "panelstream-replayed"
"""On a mark: the offset in `quarantine` of the entry that was sent again."""
CONTROL = "control"
"""Refused by the conductor: bytes of ours, not sealed, without an input topic to go back to."""


@dataclass(frozen=True)
class Entry:
    """A refused record as it waits."""

    position: Position
    refused: Refused
    partition: int
    offset: int
    """Where the entry stands in `quarantine`."""
    replayed: bool
    """Sent again since, and not refused again so far."""

    @property
    def name(self) -> str:
        """What a person calls it: topic/partition/offset of where the record first stood."""
        return str(self.position)


def entries(settings: Settings, codec: Codec) -> list[Entry]:
    """Every record in quarantine, once, newest first. Raises `Stop` when the broker is away."""
    newest: dict[Position, Entry] = {}
    marks: dict[str, int] = {}
    for message in _messages(settings, topic_name(settings.prefix, "quarantine")):
        value = message.value()
        if value is None:
            header = dict(message.headers() or []).get(REPLAYED_HEADER)
            if header is not None:
                marks[_text(message.key())] = int(header)
            continue
        refused, _ = codec.decode_output("quarantine", value)
        position = Position(refused.topic, refused.partition, refused.offset)
        newest[position] = Entry(position, refused, message.partition() or 0, message.offset() or 0, replayed=False)
    found = [
        Entry(one.position, one.refused, one.partition, one.offset, replayed=marks.get(one.name, -1) >= one.offset)
        for one in newest.values()
    ]
    return sorted(found, key=lambda one: (one.refused.refused_at, one.position), reverse=True)


def original(entry: Entry, vault: Vault) -> bytes:
    """The bytes that were refused. Raises `Stop` when their payer's key is gone."""
    if entry.position.topic == CONTROL:
        return entry.refused.original
    return vault.open(entry.refused.payer or UNKNOWN_PAYER, entry.refused.original)


def send_again(settings: Settings, vault: Vault, chosen: Iterable[Entry]) -> int:
    """Send the original bytes to their topics once more, in the order in which they first came; return how many.

    Raises `Stop` for a record of `control`, before anything is sent, and when the broker does not take one.
    """
    ordered = sorted(chosen, key=lambda one: one.position)
    for entry in ordered:
        if entry.position.topic == CONTROL:
            raise Stop(
                f"{entry.name} was refused by the conductor and has no input topic to go back to: publish the corrected record "
                "under an event id of its own.",
                EXIT_CONFIG,
            )
    counts = topic_admin.partition_counts(settings)
    messages, marks = [], []
    for entry in ordered:
        topic = topic_name(settings.prefix, entry.position.topic)
        if topic not in counts:
            raise Stop(f"Topic {topic} does not exist: run `panelstream topics create`.", EXIT_CONFIG)
        partition = entry.position.partition if entry.position.partition < counts[topic] else 0
        headers = {ORIGIN_HEADER: entry.name.encode()}
        messages.append(Message(topic, partition, b"", original(entry, vault), headers))
        marks.append(
            Message(
                topic_name(settings.prefix, "quarantine"),
                entry.partition,
                entry.name.encode(),
                None,
                {REPLAYED_HEADER: str(entry.offset).encode()},
            )
        )
    sender = Sender(settings.bootstrap)
    sender.send_now(messages)
    sender.send_now(marks)
    return len(messages)


def _messages(settings: Settings, topic: str) -> Iterator[confluent_kafka.Message]:
    """Every committed message of a topic up to its present end."""
    count = topic_admin.partition_counts(settings).get(topic)
    if count is None:
        raise Stop(f"Topic {topic} does not exist: run `panelstream topics create`.", EXIT_CONFIG)
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": f"{settings.group}-quarantine",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "log_level": 2,
        }
    )
    try:
        ends: dict[int, int] = {}
        for partition in range(count):
            place = confluent_kafka.TopicPartition(topic, partition)
            low, high = consumer.get_watermark_offsets(place, timeout=PATIENCE)
            if high > low:
                ends[partition] = high
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0) for partition in ends])
        deadline = time.monotonic() + PATIENCE
        while ends:
            for message in consumer.consume(1_000, timeout=0.2):
                if message.error() is None:
                    deadline = time.monotonic() + PATIENCE
                    yield message
            # A transaction's end takes an offset too: what counts is how far the consumer stands, not what it gave.
            for known in consumer.position([confluent_kafka.TopicPartition(topic, partition) for partition in ends]):
                if known.offset >= ends[known.partition]:
                    del ends[known.partition]
            if time.monotonic() > deadline:
                raise Stop(f"The broker stopped answering while {topic} was read: check it and try again.", EXIT_BROKER)
    except confluent_kafka.KafkaException as problem:
        raise Stop(
            f"{topic} cannot be read ({problem.args[0].str()}): check the broker and the topic.", EXIT_BROKER
        ) from None
    finally:
        consumer.close()


def _text(key: bytes | str | None) -> str:
    return key.decode() if isinstance(key, bytes) else key or ""
