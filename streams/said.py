"""How far the outputs of a partition of `member-events` are out, read from the outputs themselves.

Every output carries its version, and they are sent in the order of versions, so that the newest one in the output topics says
it, whatever the state file of a worker holds. Read after the former owner is fenced: then nothing of it can follow.
(The offset of a group committed within the transaction would say the same, but librdkafka's call for that hangs when the
coordinator goes away: its issues 5456 and 5511.)
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import confluent_kafka

from schemas.codec import Codec
from schemas.records import Version
from schemas.topics import name as topic_name
from streams.producing import PATIENCE, patiently
from streams.reading import committed_reader
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_HOLE, Stop

VERSIONED = (
    "attribution",
    "attribution-changes",
    "attribution-alerts",
    "alert-history",
    "adjustments",
    "measures",
    "gaps",
)
"""The topics whose records carry a version; a member's partition there is that of its events."""
LAST = 16
"""Offsets looked at from the end at first: the last record, the mark of its transaction, some that were aborted."""


def last_said(settings: Settings, codec: Codec, partition: int) -> Version | None:
    """Version of the last output that the events of this partition caused and that was sent; None when there is none.

    A tombstone carries no version, nor does what went to quarantine: those after the last output count as not sent.
    Raises `Stop` when the broker does not answer, or when the outputs are of a log that reached further than this one.
    """
    consumer = committed_reader(settings, "said")
    try:
        found = [_Tail(consumer, codec, settings.prefix, topic, partition).last_version() for topic in VERSIONED]
        last = max((version for version in found if version is not None), default=None)
        log = topic_name(settings.prefix, "member-events")
        _, end = _ends(consumer, log, partition)
    except confluent_kafka.KafkaException as problem:
        raise Stop(
            f"The outputs of partition {partition} cannot be read ({problem.args[0].str()}): check the broker and its topics "
            "(`panelstream topics check`), then start again.",
            EXIT_BROKER,
        ) from None
    finally:
        consumer.close()
    if last is not None and last.offset >= end:
        raise Stop(
            f"The outputs of partition {partition} go up to {log}[{partition}] at {last.offset}, but that log ends at {end}: it "
            "was cut or replaced. Restore it, or delete the output topics with it.",
            EXIT_HOLE,
        )
    return last


@dataclass(frozen=True, slots=True)
class _Tail:
    """The end of one partition of an output topic."""

    consumer: confluent_kafka.Consumer
    codec: Codec
    prefix: str
    topic: str
    partition: int

    def last_version(self) -> Version | None:
        """Looks further and further back until there is a record with a version."""
        begin, end = _ends(self.consumer, topic_name(self.prefix, self.topic), self.partition)
        reach = LAST
        while begin < end:
            start = max(begin, end - reach)
            versions = self._versions(start, end)
            if versions:
                return max(versions)
            end, reach = start, reach * 8
        return None

    def _versions(self, start: int, end: int) -> list[Version]:
        """The versions of the committed records from `start` up to, not including, `end`."""
        place = confluent_kafka.TopicPartition(topic_name(self.prefix, self.topic), self.partition, start)
        self.consumer.assign([place])
        versions: list[Version] = []
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - public by its documentation
                    return versions
                raise confluent_kafka.KafkaException(error)
            if (message.offset() or 0) >= end:
                return versions
            data = message.value()
            if data is not None:
                version = self.codec.decode_output(self.topic, data)[1]
                if version is not None:
                    versions.append(version)
        raise confluent_kafka.KafkaException(confluent_kafka.KafkaError(confluent_kafka.KafkaError._TIMED_OUT))  # noqa: SLF001


def _ends(consumer: confluent_kafka.Consumer, topic: str, partition: int) -> tuple[int, int]:
    place = confluent_kafka.TopicPartition(topic, partition)
    begin, end = patiently(lambda: consumer.get_watermark_offsets(place, timeout=PATIENCE))
    return begin, end
