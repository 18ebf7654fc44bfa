"""The service as benchmarks see it: real worker processes on a real Kafka, with the standing members in their state files."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import confluent_kafka
from confluent_kafka.admin import AdminClient

from ops.bench import people
from ops.bench.measured import Sizes
from ops.brokers.kafka import KafkaBroker
from schemas.codec import Codec
from schemas.registry import EmbeddedRegistry
from schemas.topics import name as topic_name
from streams import topic_admin
from streams.conductor import tick_message
from streams.producing import Message, Sender
from streams.publishing import message_of
from streams.settings import Settings
from streams.stopping import Stop
from streams.waiting import wait_until_quiet

PATIENCE = 60.0
SOON = 15.0


@dataclass
class Service:
    """Topics, state files and workers of a run of benchmarks."""

    settings: Settings
    folder: Path
    live: Iterator[bytes]
    codec: Codec = field(default_factory=lambda: Codec(EmbeddedRegistry()))
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sender = Sender(self.settings.bootstrap)

    # -- workers --------------------------------------------------------------------------------------------------------

    def start(self, name: str = "one") -> None:
        """Start a worker under a lasting name."""
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PANELSTREAM_")},
            "KAFKA_BOOTSTRAP": self.settings.bootstrap,
            "PANELSTREAM_PREFIX": self.settings.prefix,
            "PANELSTREAM_PARTITIONS": str(self.settings.partitions),
            "PANELSTREAM_CLOCK": "manual",
            "PANELSTREAM_STATE": str(self.settings.state),
            "PANELSTREAM_KEYS": str(self.settings.keys),
            "PANELSTREAM_TABLES": str(self.settings.tables),
            "PANELSTREAM_WORKER": name,
        }
        with (self.folder / f"worker-{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(
                [sys.executable, "-m", "ops.program", "worker"], env=environment, stdout=log, stderr=log
            )

    def stop(self, signal_: signal.Signals = signal.SIGTERM) -> None:
        """End every worker."""
        for worker in self.workers.values():
            worker.send_signal(signal_)
        for worker in self.workers.values():
            worker.wait(60)
        self.workers.clear()

    def require_running(self) -> None:
        """Raises when a worker has ended by itself."""
        for name, worker in self.workers.items():
            if worker.poll() is not None:
                raise RuntimeError(f"the worker has ended: see {self.folder}/worker-{name}.log")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Workers stand still meanwhile; for less than a session's timeout."""
        for worker in self.workers.values():
            worker.send_signal(signal.SIGSTOP)
        yield
        for worker in self.workers.values():
            worker.send_signal(signal.SIGCONT)

    # -- claims ---------------------------------------------------------------------------------------------------------

    def next_claims(self, count: int) -> list[Message]:
        """The next live claims as messages for the input topic."""
        return [self._message(line) for line in _first(self.live, count)]

    def _message(self, line: bytes) -> Message:
        return message_of(
            self.codec,
            self.codec.from_json(line),
            prefix=self.settings.prefix,
            partitions=self.settings.partitions,
            history=False,
        )

    def send(self, messages: Sequence[Message]) -> None:
        """Send and wait for the broker."""
        self.sender.send_now(messages)

    def wait_until_done(self) -> None:
        """Wait until everything sent has been applied and its outputs are out, which the group's commits say."""
        wait_until_quiet(self.settings)

    def wait_for_owners(self, workers: int) -> None:
        """Wait until the group is at rest and so many workers own partitions."""
        admin = AdminClient({"bootstrap.servers": self.settings.bootstrap})
        deadline = now() + PATIENCE
        while now() < deadline:
            group = admin.describe_consumer_groups([self.settings.group])[self.settings.group].result(10)
            owning = sum(bool(member.assignment.topic_partitions) for member in group.members)
            self.require_running()
            if group.state == confluent_kafka.ConsumerGroupState.STABLE and owning == workers:
                return
            time.sleep(0.1)
        raise RuntimeError(f"{workers} workers never shared the partitions; see {self.folder}/worker-*.log")

    def outputs(self, topic: str) -> confluent_kafka.Consumer:
        """A reader of an output topic's committed records from now on."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.settings.bootstrap,
                "group.id": f"{self.settings.group}-bench",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
            }
        )
        name = topic_name(self.settings.prefix, topic)
        places = [confluent_kafka.TopicPartition(name, one) for one in range(self.settings.partitions)]
        for place in places:
            place.offset = consumer.get_watermark_offsets(place, timeout=10)[1]
        consumer.assign(places)
        return consumer


def _first(lines: Iterator[bytes], count: int) -> list[bytes]:
    found = list(itertools.islice(lines, count))
    if len(found) < count:
        raise ValueError("the population has too few live claims: take more members or fewer claims")
    return found


@contextlib.contextmanager
def service(broker: KafkaBroker, sizes: Sizes) -> Iterator[Service]:
    """A service that has seen the reference and the day, and holds the standing members; no worker runs."""
    people.standing_file(sizes)
    folder = sizes.folder / "service"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = Settings.from_environment(
        {},
        bootstrap=broker.bootstrap,
        prefix=f"bench{uuid.uuid4().hex[:8]}.",
        state=folder / "state",
        keys=folder / "keys",
        tables=folder / "tables",
        partitions=sizes.partitions,
        clock="manual",
    )
    topic_admin.create(settings, replication=1)
    _wait_for_leaders(settings)
    with people.live_file(sizes).open("rb") as live:
        made = Service(settings, folder, live)
        try:
            made.start()
            reference = people.reference(people.history_file(sizes))
            made.send(
                [
                    message_of(
                        made.codec,
                        made.codec.from_json(line),
                        prefix=settings.prefix,
                        partitions=settings.partitions,
                        history=False,
                    )
                    for line in reference
                ]
            )
            made.wait_until_done()
            made.send([tick_message(made.codec, settings.prefix, people.day(sizes))])
            made.wait_until_done()
            made.stop()
            people.settle_in(sizes, settings)
            yield made
        finally:
            made.stop(signal.SIGKILL)
    # After a fault the folder stays: what the workers wrote is in it.
    shutil.rmtree(folder)


def _wait_for_leaders(settings: Settings) -> None:
    """Wait until a worker would find its topics in order: those just made first have to find their leaders."""
    deadline = now() + SOON
    while True:
        try:
            topic_admin.require(settings)
        except Stop:
            if now() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def now() -> float:
    """Seconds on the clock that all processes of this machine share."""
    return time.monotonic()
