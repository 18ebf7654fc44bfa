"""The servers that other tests stand on: they must be what they claim before anything is proved with them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from ops.brokers import kafka, maven
from ops.brokers.embedded import EmbeddedBroker
from ops.brokers.kafka import KafkaBroker
from ops.brokers.processes import Process, ServerFailedError, free_ports
from ops.brokers.registry import SchemaRegistry


def create_topic(bootstrap: str, name: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(15)


def produce(bootstrap: str, topic: str, partitions: int, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "message.max.bytes": 4_500_000})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions)
    assert producer.flush(20) == 0


def consume(bootstrap: str, topic: str, partitions: int, count: int) -> list[bytes]:
    """That many values from the beginning, partition by partition; fewer if they do not come within 20 seconds."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    found: list[tuple[int, int, bytes]] = []
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        end = time.monotonic() + 20
        while len(found) < count and time.monotonic() < end:
            for message in consumer.consume(500, 0.2):
                assert message.error() is None
                partition, offset, value = message.partition(), message.offset(), message.value()
                assert partition is not None
                assert offset is not None
                assert value is not None
                found.append((partition, offset, value))
    finally:
        consumer.close()
    return [value for _, _, value in sorted(found)]


def dealt(values: list[bytes], partitions: int) -> list[bytes]:
    return [value for partition in range(partitions) for value in values[partition::partitions]]


VALUES = [b"record %d" % number for number in range(1_000)]


def test_what_is_produced_to_a_created_topic_is_consumed(kafka_broker: KafkaBroker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}claims"
    create_topic(kafka_broker.bootstrap, topic, 3)
    produce(kafka_broker.bootstrap, topic, 3, VALUES)
    assert consume(kafka_broker.bootstrap, topic, 3, len(VALUES)) == dealt(VALUES, 3)


def test_a_record_of_four_megabytes_is_taken(kafka_broker: KafkaBroker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}member-events"
    create_topic(kafka_broker.bootstrap, topic, 1)
    produce(kafka_broker.bootstrap, topic, 1, [os.urandom(4_000_000)])
    assert len(consume(kafka_broker.bootstrap, topic, 1, 1)[0]) == 4_000_000


def test_a_second_owner_of_a_transactional_id_fences_the_first(kafka_broker: KafkaBroker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}attribution"
    create_topic(kafka_broker.bootstrap, topic, 1)
    settings = {
        "bootstrap.servers": kafka_broker.bootstrap,
        "transactional.id": f"{topic_prefix}relay-0",
        "log_level": 0,
    }
    former, owner = Producer(settings), Producer(settings)
    former.init_transactions(20)
    former.begin_transaction()
    former.produce(topic, b"old", partition=0)
    former.flush(20)

    owner.init_transactions(20)
    owner.begin_transaction()
    owner.produce(topic, b"new", partition=0)
    owner.commit_transaction(20)

    with pytest.raises(KafkaException) as refused:
        former.commit_transaction(20)
    assert refused.value.args[0].code() in {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
    assert consume(kafka_broker.bootstrap, topic, 1, 1) == [b"new"]


def test_acknowledged_records_survive_kill_and_restart(broker_to_kill: KafkaBroker) -> None:
    create_topic(broker_to_kill.bootstrap, "claims", 2)
    produce(broker_to_kill.bootstrap, "claims", 2, VALUES)
    before = broker_to_kill.bootstrap

    broker_to_kill.kill()
    with pytest.raises(ConnectionRefusedError):
        connect(broker_to_kill.bootstrap)
    broker_to_kill.restart()

    assert broker_to_kill.bootstrap == before
    assert consume(before, "claims", 2, len(VALUES)) == dealt(VALUES, 2)


def test_a_broker_that_cannot_be_prepared_says_why_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker_factory: Callable[..., KafkaBroker]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ServerFailedError, match="neither"):
        broker_factory(settings={"process.roles": "neither"}).start()
    assert not list(tmp_path.iterdir())


def test_a_broker_that_does_not_start_shows_its_log_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker_factory: Callable[..., KafkaBroker]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ServerFailedError, match="heap size"):
        broker_factory(heap="1m").start()
    assert not list(tmp_path.iterdir())


def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    script = f"""
import pathlib, sys, time
from ops.brokers.processes import Process
command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
Process(command, pathlib.Path({str(tmp_path / "log")!r})).start()
print("started", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert eventually(lambda: answers(port))
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not answers(port))


def test_a_stopped_server_leaves_nothing_running(tmp_path: Path) -> None:
    server = Process(["sleep", "600"], tmp_path / "log")
    server.start()
    pid = server.pid
    assert pid is not None
    server.terminate(5)
    assert not server.running()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_two_processes_that_fetch_at_once_get_one_whole_folder(tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "mvn"
    fake.parent.mkdir()
    fake.write_text(f"""#!/bin/sh
echo run >> {tmp_path}/runs
for word; do case $word in -DoutputDirectory=*) target=${{word#*=}};; esac; done
mkdir -p "$target"; echo one > "$target/a.jar"; sleep 0.5; echo two > "$target/b.jar"
""")
    fake.chmod(0o755)
    script = """
from ops.brokers import kafka
from ops.brokers.maven import fetch
print(sorted(file.name for file in fetch("thing/libs", kafka.POM, "1", "copy-dependencies").iterdir()))
"""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PATH": f"{fake.parent}:{os.environ['PATH']}"}
    both = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == ["['a.jar', 'b.jar']"] * 2
    assert (tmp_path / "runs").read_text() == "run\n"


def test_maven_saying_no_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "mvn"
    fake.write_text("#!/bin/sh\necho the repository is away\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ServerFailedError, match="the repository is away"):
        maven.fetch("thing/libs", kafka.POM, "1", "copy-dependencies")


def test_the_registry_takes_a_schema_and_refuses_one_that_breaks_readers(
    registry: SchemaRegistry, topic_prefix: str
) -> None:
    def schema(*fields: str) -> Schema:
        return Schema(f'{{"type": "record", "name": "claim", "fields": [{", ".join(fields)}]}}', "AVRO")

    subject = f"{topic_prefix}claims-value"
    payer = '{"name": "payer", "type": "string"}'
    optional = '{"name": "note", "type": ["null", "string"], "default": null}'
    breaking = '{"name": "amount", "type": "string"}'
    with SchemaRegistryClient({"url": registry.url}) as client:
        number = client.register_schema(subject, schema(payer))
        client.set_compatibility(subject_name=subject, level="FULL_TRANSITIVE")
        assert client.get_latest_version(subject).schema_id == number
        assert client.register_schema(subject, schema(payer, optional)) != number
        with pytest.raises(SchemaRegistryError) as refused:
            client.register_schema(subject, schema(payer, breaking))
    assert refused.value.http_status_code == 409


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        broker.start({"claims": 8, "control": 1})
        yield broker


def test_the_embedded_broker_gives_back_what_eight_partitions_took(embedded: EmbeddedBroker) -> None:
    produce(embedded.bootstrap, "claims", 8, VALUES)
    assert consume(embedded.bootstrap, "claims", 8, len(VALUES)) == dealt(VALUES, 8)


def test_the_embedded_broker_assigns_a_group_at_once(embedded: EmbeddedBroker) -> None:
    produce(embedded.bootstrap, "claims", 8, VALUES)
    consumer = Consumer({"bootstrap.servers": embedded.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe(["claims"])
        began = time.monotonic()
        assert consumer.poll(10) is not None
        assert time.monotonic() - began < 2.5
        assert len(consumer.assignment()) == 8
    finally:
        consumer.close()


def test_two_embedded_brokers_know_nothing_of_each_other() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        one.start({"claims": 1})
        other.start({"claims": 1})
        assert one.bootstrap != other.bootstrap
        produce(one.bootstrap, "claims", 1, [b"one"])
        produce(other.bootstrap, "claims", 1, [b"other"])
        assert consume(one.bootstrap, "claims", 1, 1) == [b"one"]


def connect(bootstrap: str) -> None:
    host, port = bootstrap.split(":")
    with socket.create_connection((host, int(port)), 2):
        pass


def answers(port: int) -> bool:
    try:
        connect(f"127.0.0.1:{port}")
    except OSError:
        return False
    return True


def eventually(condition: object) -> bool:
    assert callable(condition)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
