"""A real Apache Kafka, one node, for tests and benchmarks: what the laws of a log are tried on.

`python -m ops.brokers.kafka` runs one in the foreground and prints its address.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ops.brokers import maven
from ops.brokers.processes import (
    Container,
    MissingToolsError,
    Process,
    ServerFailedError,
    docker_engine_runs,
    free_ports,
)

VERSION = "4.1.0"
POM = Path(__file__).with_name("kafka_pom.xml")
CACHED = f"kafka-{VERSION}/libs"
IMAGE = f"apache/kafka:{VERSION}"

PATIENCE = 90.0
"""Seconds for a broker to answer; four are usual, more when every core is busy."""

Way = Literal["given", "maven", "docker"]

_LARGEST_RECORD = 4_718_592  # 4.5 MiB: our limit for member-events, 4 MB, and its envelope

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "broker.session.timeout.ms": "3000",  # after kill -9 the controller waits this long before it takes the broker back
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(_LARGEST_RECORD),
    "replica.fetch.max.bytes": str(_LARGEST_RECORD),
}


def ways(environment: Mapping[str, str] | None = None) -> list[Way]:
    """How this machine can provide a Kafka, the preferred first; empty when it cannot."""
    env = os.environ if environment is None else environment
    found: list[Way] = []
    if env.get("KAFKA_BOOTSTRAP"):
        found.append("given")
    if maven.find_java() is not None and maven.can_fetch(CACHED):
        found.append("maven")
    if docker_engine_runs():
        found.append("docker")
    return found


class KafkaBroker:
    """A Kafka that answers at `bootstrap` between `start` and `stop`; a context manager.

    Taken from `KAFKA_BOOTSTRAP` if that is set, else run by Java with jars from Maven, else by Docker. A broker of our
    own listens on 127.0.0.1 only, creates no topic by itself and dies with this process. One that was given is never
    stopped and cannot be killed.
    """

    bootstrap: str
    """`host:port`, known from the beginning and the same after a restart."""

    def __init__(
        self,
        *,
        data: Path | None = None,
        settings: Mapping[str, str] | None = None,
        own: bool = False,
        heap: str = "512m",
    ) -> None:
        """Choose the way; nothing runs yet.

        `data` is the folder for log and settings, kept after `stop`; without it a temporary one, removed; with it
        Docker is no way. `settings` are broker properties over ours. `own` asks for a broker that may be killed even
        where one is given. Raises `MissingToolsError`.
        """
        possible = [
            way for way in ways() if not (own and way == "given") and not (data is not None and way == "docker")
        ]
        if not possible:
            raise MissingToolsError(
                "No Kafka to be had here: install Java 17 or later and Maven (on Debian: apt-get install "
                "openjdk-17-jre-headless maven), or start the Docker engine, or set KAFKA_BOOTSTRAP to a broker."
            )
        self._way = possible[0]
        self._server: Process | Container | None = None
        self._settings = dict(settings or {})
        self._data = data
        self._folder: Path | None = None
        self._heap = heap
        if self._way == "given":
            self.bootstrap = os.environ["KAFKA_BOOTSTRAP"]
        else:
            self._ports = free_ports(2)
            self.bootstrap = f"127.0.0.1:{self._ports[0]}"

    @property
    def pid(self) -> int | None:
        """The broker's process id; None when it is not a child of ours."""
        return self._server.pid if isinstance(self._server, Process) else None

    @property
    def log(self) -> str:
        """The last lines of the broker's log; empty for one that was given."""
        return self._server.last_lines() if self._server is not None else ""

    def start(self) -> None:
        """Start it and return when it answers and every partition has a leader; raises `ServerFailedError`."""
        try:
            if self._way != "given":
                if self._server is None:
                    self._server = self._by_java() if self._way == "maven" else self._by_docker()
                self._server.start()
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, in order where its data stays; a temporary folder is removed."""
        if self._server is not None:
            if self._data is not None:
                self._server.terminate(20)
            self._server.remove()
            self._server = None
        if self._folder is not None and self._data is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """Kill -9 the broker; its data stays for `restart`."""
        self._ours().kill()

    def restart(self) -> None:
        """Start it again with the same port and data, stopping it first where it still runs."""
        server = self._ours()
        if server.running():
            server.terminate(20)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.stop()

    def _ours(self) -> Process | Container:
        if self._server is None:
            raise RuntimeError(
                "only a broker of our own that was started can be killed or restarted: KafkaBroker(own=True)"
            )
        return self._server

    def _properties(self, *, listen: str, port: int, controller: int) -> dict[str, str]:
        return {
            **_SETTINGS,
            "listeners": f"PLAINTEXT://{listen}:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            **self._settings,
        }

    def _by_java(self) -> Process:
        java = maven.find_java() or "java"
        libs = maven.fetch(CACHED, POM, VERSION, "copy-dependencies")
        folder = self._folder = self._data or Path(tempfile.mkdtemp(prefix="panelstream-kafka-"))
        folder.mkdir(parents=True, exist_ok=True)
        properties = self._properties(listen="127.0.0.1", port=self._ports[0], controller=self._ports[1])
        properties["log.dirs"] = str(folder / "log")
        file = folder / "server.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="ascii")
        classes = ["-cp", f"{libs}/*", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        classes += ["-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]
        if not (folder / "log" / "meta.properties").exists():
            name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            answer = subprocess.run(  # noqa: S603
                [
                    java,
                    "-XX:TieredStopAtLevel=1",
                    *classes,
                    "kafka.tools.StorageTool",
                    "format",
                    f"--cluster-id={name}",
                    f"--config={file}",
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
            )
            if answer.returncode != 0:
                raise ServerFailedError(f"Kafka could not prepare {folder}:\n{(answer.stdout + answer.stderr)[-2000:]}")
        return Process(
            [java, "-Xms256m", f"-Xmx{self._heap}", "-XX:+ExitOnOutOfMemoryError", *classes, "kafka.Kafka", str(file)],
            folder / "broker.log",
        )

    def _by_docker(self) -> Container:
        properties = self._properties(listen="0.0.0.0", port=9092, controller=9093)  # noqa: S104 - inside the container
        environment = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in properties.items()}
        environment["KAFKA_HEAP_OPTS"] = f"-Xms256m -Xmx{self._heap}"
        return Container(IMAGE, ports={self._ports[0]: 9092}, environment=environment)

    def _wait(self) -> None:
        admin = AdminClient(
            {
                "bootstrap.servers": self.bootstrap,
                "log_level": 0,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 200,
            }
        )
        end = time.monotonic() + PATIENCE
        problem = "no answer"
        while time.monotonic() < end:
            if self._server is not None and not self._server.running():
                raise ServerFailedError(f"Kafka ended while it started; the last lines of its log:\n{self.log}")
            try:
                metadata = admin.list_topics(timeout=1)
            except KafkaException as error:
                problem = str(error)
                continue
            leaders = [
                partition.leader for topic in metadata.topics.values() for partition in topic.partitions.values()
            ]
            if metadata.brokers and all(leader >= 0 for leader in leaders):
                return
            problem = "partitions without a leader"
            time.sleep(0.05)
        raise ServerFailedError(
            f"No Kafka at {self.bootstrap} after {PATIENCE:.0f} s ({problem}); its log:\n{self.log}"
        )


def main() -> None:
    """Run a broker until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.brokers.kafka", description="A single Kafka for trying things out."
    )
    parser.add_argument("--data", type=Path, help="folder to keep its log in; without it everything is gone at the end")
    with KafkaBroker(data=parser.parse_args().data, own=True) as broker:
        print(f"export KAFKA_BOOTSTRAP={broker.bootstrap}", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
