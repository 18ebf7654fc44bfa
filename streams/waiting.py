"""Waiting until the service has done its work, by the offsets its consumer group has committed.

A worker commits an offset only when everything that came of the record is out (streams.relay), so that a group without lag means that
every output can be read. Reads only; never joins the group.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import confluent_kafka

from schemas.codec import Codec
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from streams import topic_admin
from streams.conductor import tick_message
from streams.producing import Sender
from streams.reading import committed_reader
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, Stop

PATIENCE = 60.0
"""Seconds without any worker moving before we give up."""
MARKS_AFTER = 2.0
"""Seconds without movement before we look whether there is anything to read at all."""
LOOK = 0.1
"""Seconds between two looks at the committed offsets."""
BROKER_PATIENCE = 15.0

T = TypeVar("T")

UNSETTLED = {
    confluent_kafka.KafkaError.NOT_COORDINATOR,
    confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
    confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION,
    confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE,
    confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
}

Report = Callable[[int, int], None]
Place = tuple[str, int]


def _nobody(_what: str) -> Report:
    return lambda _done, _total: None


def wait_until_applied(
    settings: Settings,
    codec: Codec,
    date: dt.date,
    *,
    with_inputs: bool = False,
    report: Callable[[str], Report] = _nobody,
) -> None:
    """Append the tick to `date` and return when every partition has applied it and all that came of it is out.

    `with_inputs`: everything that stands on the input topics now is applied before it.
    `report(what)` gives whom to tell how far that part is. Raises `Stop` when the broker is away, or no worker moves for
    `PATIENCE` seconds.
    """
    with Progress(settings, report) as progress:
        if with_inputs:
            progress.reach([topic.name for topic in TOPICS if topic.is_input])
        Sender(settings.bootstrap).send_now([tick_message(codec, settings.prefix, date)])
        progress.reach(["control"])
        progress.reach(["member-events"])


def wait_until_quiet(settings: Settings, *, report: Callable[[str], Report] = _nobody) -> None:
    """Return when everything sent before the call is applied and all that came of it is out. Raises `Stop` as above."""
    with Progress(settings, report) as progress:
        progress.reach([topic.name for topic in TOPICS if topic.is_input])
        progress.reach(["control"])
        progress.reach(["member-events"])


class Progress:
    """The committed offsets of the consumer group, watched."""

    def __init__(self, settings: Settings, report: Callable[[str], Report]) -> None:
        self._settings = settings
        self._report = report
        self._counts = topic_admin.partition_counts(settings)
        for topic in TOPICS:
            name = topic_name(settings.prefix, topic.name)
            if name not in self._counts:
                raise Stop(f"Topic {name} does not exist: run `panelstream topics create`.", EXIT_CONFIG)
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": settings.bootstrap,
                "group.id": settings.group,
                "enable.auto.commit": False,
                "log_level": 2,
            }
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def reach(self, topics: Iterable[str]) -> None:
        """Wait until the group has committed the ends that these topics have now."""
        try:
            self._reach([topic_name(self._settings.prefix, topic) for topic in topics])
        except confluent_kafka.KafkaException as problem:
            raise Stop(
                f"The broker at {self._settings.bootstrap} does not say how far the workers are "
                f"({problem.args[0].str()}): check it and try again.",
                EXIT_BROKER,
            ) from None

    def _reach(self, topics: Sequence[str]) -> None:
        ends = self._ends(topics)
        committed = self._committed(list(ends))
        total = left = _left(ends, committed)
        report = self._report(f"records of {', '.join(topics)}")
        moved_at = time.monotonic()
        while True:
            report(total - left, total)
            if not left:
                return
            if time.monotonic() - moved_at > MARKS_AFTER and self._only_marks_left(ends, committed):
                return
            if time.monotonic() - moved_at > PATIENCE:
                where = [
                    f"{topic}[{partition}]"
                    for (topic, partition), end in sorted(ends.items())
                    if committed[topic, partition] < end
                ]
                raise Stop(
                    f"No worker has moved for {PATIENCE:.0f} seconds, with {left:,} records of {_some(where)} to go: start "
                    "one with `panelstream worker`, or see why it ended; what was sent will then be applied.",
                    EXIT_BROKER,
                )
            time.sleep(LOOK)
            committed, before = self._committed(list(ends)), left
            left = _left(ends, committed)
            if left != before:
                moved_at = time.monotonic()

    def position(self, topic: str, partitions: Iterable[int] | None = None) -> int:
        """How far the group is on a topic, or on some partitions of it: a number that rises while it works."""
        chosen = range(self.partitions(topic)) if partitions is None else partitions
        name = topic_name(self._settings.prefix, topic)
        return sum(self._committed([(name, one) for one in chosen]).values())

    def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """The end of every partition of these topics that holds anything."""
        return self._ends([topic_name(self._settings.prefix, topic) for topic in topics])

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self._counts[topic_name(self._settings.prefix, topic)]

    def _only_marks_left(self, ends: dict[Place, int], committed: dict[Place, int]) -> bool:
        """Whether a reader of committed records finds nothing below the ends: the marks of transactions are no records.

        They have offsets, and whoever reads in batches of records never commits one that stands last.
        """
        waiting = {place: committed[place] for place, end in ends.items() if committed[place] < end}
        reader = committed_reader(self._settings, "look")
        try:
            reader.assign([confluent_kafka.TopicPartition(*place, at) for place, at in waiting.items()])
            deadline = time.monotonic() + BROKER_PATIENCE
            while waiting and time.monotonic() < deadline:
                message = reader.poll(0.5)
                if message is None:
                    continue
                place = (message.topic() or "", message.partition() or 0)
                if message.error() is not None or (message.offset() or 0) >= ends[place]:
                    waiting.pop(place, None)
                else:
                    return False
        finally:
            reader.close()
        return not waiting

    def _ends(self, topics: Sequence[str]) -> dict[Place, int]:
        """The end of every partition that holds anything."""
        ends: dict[Place, int] = {}
        for topic in topics:
            for partition in range(self._counts[topic]):
                low, high = self._watermarks(topic, partition)
                if high > low:
                    ends[topic, partition] = high
        return ends

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """First and end offset."""
        place = confluent_kafka.TopicPartition(topic, partition)
        return _once_settled(lambda: self._consumer.get_watermark_offsets(place, timeout=BROKER_PATIENCE))

    def _committed(self, places: Sequence[Place]) -> dict[Place, int]:
        if not places:
            return {}
        wanted = [confluent_kafka.TopicPartition(*place) for place in places]
        known = _once_settled(lambda: self._consumer.committed(wanted, timeout=BROKER_PATIENCE))
        return {(found.topic, found.partition): max(0, found.offset) for found in known}


def _left(ends: Mapping[Place, int], committed: Mapping[Place, int]) -> int:
    """How many records below some ends are not worked. What came after them counts neither way."""
    return sum(max(0, end - committed[place]) for place, end in ends.items())


def _some(names: Sequence[str], most: int = 5) -> str:
    """Names for a sentence, not too many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _once_settled(ask: Callable[[], T]) -> T:
    """An answer of the broker. One just started, or a topic just made, first has to find its leaders: asked again until then."""
    deadline = time.monotonic() + BROKER_PATIENCE
    while True:
        try:
            return ask()
        except confluent_kafka.KafkaException as problem:
            if problem.args[0].code() not in UNSETTLED or time.monotonic() > deadline:
                raise
        time.sleep(LOOK)
