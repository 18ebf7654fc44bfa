"""A partition's state made anew from the log, to prove the live one right or to take its place.

The same `MemberPartition` works the same log into an empty file; nothing is sent anywhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka
from faust.types import TP

from schemas.codec import Codec
from schemas.topics import name as topic_name
from state.reference.knowledge import Knowledge
from state.stores.members import MemberState
from streams.batching import MOST_RECORDS, Batch
from streams.members import MemberPartition
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_HOLE, Stop

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record read back from the log."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


async def rebuild(
    settings: Settings,
    codec: Codec,
    knowledge: Knowledge,
    partition: int,
    up_to: int | None,
    path: Path,
    skips: Iterable[tuple[int, str, str, dt.datetime]] = (),
) -> tuple[str, int]:
    """Work `member-events[partition]` from its beginning up to an offset (None: its end) into a new file at `path`.

    `skips` are the live file's: what an operator had passed over stays passed over.
    Returns the digest of what it then knows, and its watermark. Raises `Stop` when the log does not begin at 0.
    """
    topic = topic_name(settings.prefix, "member-events")
    state = await MemberState.open(path, topic=topic, partition=partition, partitions=settings.partitions)
    try:
        async with state.transaction():
            for skip in skips:
                await state.order_skip(*skip)
        agent = await MemberPartition.resume(
            state, knowledge, codec, prefix=settings.prefix, partition=partition, partitions=settings.partitions
        )
        for batch in read_log(settings, topic, partition, state.watermark, up_to):
            await agent.apply(batch)
            async with state.transaction():
                await state.forget_outputs()
        return await state.digest(), state.watermark
    finally:
        await state.close()


def read_log(settings: Settings, topic: str, partition: int, start: int, up_to: int | None) -> Iterator[Batch]:
    """Batches of a partition of a log from `start` up to, not including, `up_to` (None: the end as it is now)."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": f"{settings.group}-rebuild",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "fetch.message.max.bytes": 8_000_000,
            "log_level": 2,
        }
    )
    try:
        first, end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=PATIENCE)
        if first > start:
            raise Stop(
                f"{topic}[{partition}] begins at {first}, not at {start}: the log was cut, so nothing can be made from it. "
                "Restore the topic, or a backup of the state.",
                EXIT_HOLE,
            )
        end = end if up_to is None else up_to
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, start)])
        position = start
        while position < end:
            messages = consumer.consume(min(MOST_RECORDS, end - position), timeout=PATIENCE)
            if not messages or any(message.error() for message in messages):
                raise Stop(
                    f"The broker stopped answering while {topic}[{partition}] was read: check it and try again.",
                    EXIT_BROKER,
                )
            records = tuple(
                LogRecord(
                    topic, partition, message.offset() or 0, message.timestamp()[1], message.key(), message.value()
                )
                for message in messages
            )
            yield Batch(TP(topic, partition), 0, position, records[-1].offset + 1, records)
            position = records[-1].offset + 1
    except confluent_kafka.KafkaException as problem:
        raise Stop(
            f"{topic}[{partition}] cannot be read ({problem.args[0].str()}): check the broker and the topic.",
            EXIT_BROKER,
        ) from None
    finally:
        consumer.close()
