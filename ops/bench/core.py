"""Claims in, attribution and alerts out, end to end on a real Kafka, beside peers that read the very same claims.

The service begins with every member's history in its state files and re-keys, validates, keeps every version, attributes, projects
and alerts. The peers begin empty, find the claims keyed by member already, and are timed inside the process from their first
event on; the service from the moment it may go on until its outputs are committed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import uuid
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from ops.bench import measures
from ops.bench.measured import Found, Sizes
from ops.bench.service import PATIENCE, Service, now, service
from ops.brokers.kafka import KafkaBroker
from schemas.registry import newest
from streams.producing import Message

PEERS = Path(__file__).with_name("peers")
ROOT = Path(__file__).parents[2]
TRIES = 3


@dataclass(frozen=True)
class Peer:
    """A program that reads claims, and the result that compares the service with it."""

    name: str
    program: str
    mode: str = ""


FAUST_NOOP = Peer("core_vs_faust_noop", "faust_peer", "noop")
FAUST_DECODE = Peer("core_vs_faust_decode", "faust_peer", "decode")
FAUST_COUNT = Peer("core_vs_faust_count", "faust_peer", "count")
QUIX = Peer("core_vs_quix", "quix_peer")
ALL_FAUST_NOOP = Peer("all_vs_faust_noop", "faust_peer", "noop")
ALL_QUIX = Peer("all_vs_quix", "quix_peer")


def core_vs_faust(sizes: Sizes) -> Iterator[Found]:
    """Claims a second of the service and of Faust agents of single events; with one process each, then with two.

    The one with a table works alone: of two of them one now and then waits for ever for the leader of a partition of its changelog.
    """
    yield from _beside((FAUST_NOOP, FAUST_DECODE, FAUST_COUNT), sizes, alone=(FAUST_COUNT,))


def core_vs_quix(sizes: Sizes) -> Iterator[Found]:
    """Claims a second of the service and of Quix Streams; with one process each, then with two."""
    yield from _beside((QUIX,), sizes)


def all_vs_faust(sizes: Sizes) -> Iterator[Found]:
    """Claims a second of the service with every measure of the program asked, and of the Faust agent that does nothing."""
    yield from _beside((ALL_FAUST_NOOP,), sizes.with_measures)
    yield measures.claims_without_measure(sizes.with_measures)


def all_vs_quix(sizes: Sizes) -> Iterator[Found]:
    """Claims a second of the service with every measure of the program asked, and of Quix Streams."""
    yield from _beside((ALL_QUIX,), sizes.with_measures)


def _beside(peers: Sequence[Peer], sizes: Sizes, *, alone: Sequence[Peer] = ()) -> Iterator[Found]:
    """`alone`: peers that are measured with one process only."""
    with KafkaBroker() as broker, service(broker, sizes) as ours:
        claims = _given(broker, ours, sizes)
        for processes in (1, 2):
            peers = peers if processes == 1 else [peer for peer in peers if peer not in alone]
            rates: list[float] = []
            theirs: dict[str, list[float]] = {peer.name: [] for peer in peers}
            for _ in range(sizes.repeats):
                rates.append(_rate_of_service(ours, sizes, processes))
                for peer in peers:
                    theirs[peer.name].append(_rate_of_peer(peer, broker, claims, sizes, processes))
            for peer in peers:
                name = peer.name if processes == 1 else f"{peer.name}_two_processes"
                yield Found(name=name, ours=rates, peer=theirs[peer.name])


def _rate_of_service(ours: Service, sizes: Sizes, processes: int) -> float:
    """Claims a second of so many workers, from going on before a full topic to the last output committed."""
    for number in range(processes):
        ours.start(f"worker-{number}")
    ours.send(ours.next_claims(sizes.warm_up))
    ours.wait_until_done()
    ours.wait_for_owners(processes)
    claims = ours.next_claims(sizes.claims)
    with ours.held():
        ours.send(claims)
        started = now()
    ours.wait_until_done()
    took = now() - started
    ours.stop()
    return sizes.claims / took


def _given(broker: KafkaBroker, ours: Service, sizes: Sizes) -> str:
    """A topic with the claims that every peer reads, keyed by member."""
    topic = f"{ours.settings.prefix}peers"
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, num_partitions=sizes.partitions, replication_factor=1)])[topic].result(15)
    claims = ours.next_claims(sizes.claims)
    ours.send([Message(topic, claim.partition, claim.key, claim.value) for claim in claims])
    return topic


# -- peers ------------------------------------------------------------------------------------------------------------------


def _rate_of_peer(peer: Peer, broker: KafkaBroker, topic: str, sizes: Sizes, processes: int) -> float:
    """Claims a second of so many processes of a peer. A Faust group now and then never begins: it is then tried again."""
    for _ in range(TRIES):
        rate = _tried(peer, broker, topic, sizes, processes)
        if rate is not None:
            return rate
    raise RuntimeError(f"{peer.name}: the peer did not read all claims in {TRIES} tries of {PATIENCE:.0f} seconds")


def _tried(peer: Peer, broker: KafkaBroker, topic: str, sizes: Sizes, processes: int) -> float | None:
    """From the first event that one of the processes saw to the last; None when they did not read all claims in time."""
    group = f"{peer.program}-{peer.mode}-{uuid.uuid4().hex[:8]}"
    folder = sizes.folder / "peers" / group
    environment = {
        "KAFKA_BOOTSTRAP": broker.bootstrap,
        "PYTHONWARNINGS": "ignore",
        "BENCH_GROUP": group,
        "BENCH_TOPIC": topic,
        "BENCH_MODE": peer.mode,
        "BENCH_PARTITIONS": str(sizes.partitions),
        "BENCH_SCHEMA": _schema(),
    }
    if peer.program == "quix_peer":
        command = [str(_quix_python(sizes)), str(PEERS / "quix_peer.py")]
    else:
        command = [sys.executable, "-m", "ops.bench.peers.faust_peer", "worker", "-l", "error", "--without-web"]
    running = [
        Running(command, environment | {"BENCH_FOLDER": str(folder / str(number))}) for number in range(processes)
    ]
    try:
        deadline = now() + PATIENCE
        while sum(one.count for one in running) < sizes.claims:
            if now() > deadline or all(one.ended() for one in running):
                return None
            threading.Event().wait(0.05)
    finally:
        for one in running:
            one.end()
        shutil.rmtree(folder, ignore_errors=True)
    began = [one.first for one in running if one.count]
    return sizes.claims / (max(one.last for one in running) - min(began))


class Running:
    """A process of a peer, and how far it is by its own clock."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.count = 0
        self.first = self.last = 0.0
        Path(environment["BENCH_FOLDER"]).mkdir(parents=True)
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            word, _, rest = line.partition(" ")
            if word == "progress":  # Faust writes there as well
                first, last, count = rest.split()
                self.first, self.last, self.count = float(first), float(last), int(count)


def _quix_python(sizes: Sizes) -> Path:
    """The Python of an environment with Quix Streams, made at first."""
    folder = sizes.folder / "quix"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(PEERS / "quix_requirements.txt")]
        subprocess.run(install, check=True)  # noqa: S603 - our own list
        (folder / "ready").touch()
    return python.absolute()


def _schema() -> str:
    return json.dumps(newest("claims"))
