"""Reading committed records only, in no group: for commands and for looking back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import confluent_kafka

from schemas.codec import Codec
from schemas.records import Version
from schemas.topics import name as topic_name
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, Stop

PATIENCE = 60.0
"""Seconds without a record before we stop waiting for the broker."""


def committed_reader(settings: Settings, purpose: str) -> confluent_kafka.Consumer:
    """A consumer to be given its partitions. It tells of their ends, and commits nothing. `purpose` names it at the broker."""
    return confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": f"{settings.group}-{purpose}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
            "log_level": 2,
        }
    )


def read_outputs(
    settings: Settings, codec: Codec, topic: str, partitions: Iterable[int]
) -> Iterator[tuple[str, Any, Version | None]]:
    """Every committed record of some partitions of an output topic: key, record, version. Raises `Stop` when the broker is away."""
    for message in read_since(settings, topic, dict.fromkeys(partitions, confluent_kafka.OFFSET_BEGINNING)):
        data = message.value()
        if data is not None:
            record, version = codec.decode_output(topic, data)
            yield (message.key() or b"").decode(), record, version


def read_since(settings: Settings, topic: str, since: Mapping[int, int]) -> Iterator[confluent_kafka.Message]:
    """Every committed record of some partitions of a topic, of each from an offset on. Raises `Stop` when the broker is away."""
    name = topic_name(settings.prefix, topic)
    consumer = committed_reader(settings, "read")
    try:
        waiting = set(since)
        consumer.assign([confluent_kafka.TopicPartition(name, *place) for place in since.items()])
        heard = time.monotonic()
        while waiting:
            messages = consumer.consume(2_000, 0.05)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > PATIENCE:
                raise Stop(
                    f"The broker at {settings.bootstrap} does not send {name}: check it and try again.", EXIT_BROKER
                )
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - public by its documentation
                    waiting.discard(message.partition() or 0)
                elif not error.retriable():
                    raise Stop(f"{name} cannot be read ({error.str()}): check the broker.", EXIT_BROKER)
    finally:
        consumer.close()
