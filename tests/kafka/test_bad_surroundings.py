"""A worker in bad surroundings ends with one clear sentence and an exit code, and loses nothing."""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import shutil
import signal
import sqlite3

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from schemas.records import Table
from schemas.topics import name as topic_name
from state.stores.log_state import FORMAT
from streams import topic_admin
from tests.fixtures.facts import TICKS, Facts, check, facts
from tests.fixtures.workers import PARTITIONS, Service, WorkerProcess

FAULT, HOLE, BROKER, STATE, CONFIG = 70, 71, 73, 74, 78


def sentence(worker: WorkerProcess, code: int) -> str:
    """The last line of a worker that ended with this code."""
    assert worker.ended() == code, worker.said()
    last = worker.said().rstrip().splitlines()[-1]
    assert last.startswith("panelstream: ")
    assert "Traceback" not in worker.said()
    return last


def test_a_broker_that_is_away(service: Service) -> None:
    worker = service.start(KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert "No Kafka broker answers at 127.0.0.1:9" in sentence(worker, BROKER)


def test_topics_that_are_missing(service: Service) -> None:
    worker = service.start(PANELSTREAM_PREFIX="nothing-there.")
    assert "run `panelstream topics create`" in sentence(worker, CONFIG)


def test_a_partition_count_that_is_not_the_topics(service: Service) -> None:
    worker = service.start(PANELSTREAM_PARTITIONS="8")
    assert f"has {PARTITIONS} partitions, PANELSTREAM_PARTITIONS asks for 8" in sentence(worker, CONFIG)


def test_a_log_that_is_compacted(service: Service) -> None:
    worked(service)
    alter(service, "cleanup.policy", "compact")
    assert "has cleanup.policy=compact, it must be delete" in sentence(service.start(), CONFIG)
    alter(service, "cleanup.policy", "delete")
    finished(service)


def test_a_log_that_takes_only_short_records(service: Service) -> None:
    alter(service, "max.message.bytes", "1048588")
    assert "has max.message.bytes=1048588, it must be 4194304 or more" in sentence(service.start(), CONFIG)
    alter(service, "max.message.bytes", "5000000")
    worked(service)
    finished(service)


def alter(service: Service, key: str, value: str) -> None:
    """Change a setting of the log of members."""
    setting = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    name = topic_name(service.settings.prefix, "member-events")
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[setting])
    for done in service.admin.incremental_alter_configs([resource]).values():
        done.result(10)


def test_a_setting_that_is_none(service: Service) -> None:
    assert "PANELSTREAM_CLOCK is 'broken'" in sentence(service.start(PANELSTREAM_CLOCK="broken"), CONFIG)


def worked(service: Service) -> None:
    """A service with something in its state, at rest."""
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.publish(sent.members)
    service.tick(TICKS[0])
    worker = service.start()
    service.settle()
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0


def finished(service: Service, *more_reference: Table) -> None:
    """Once mended, the service goes on as if nothing had been."""
    for date in TICKS[1:]:
        service.tick(date)
    worker = service.start()
    service.settle()
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    sent = facts(60, 5)
    check(service, Facts(sent.reference + more_reference, sent.members), TICKS[-1])


def test_state_files_that_changed_places(service: Service) -> None:
    worked(service)
    first, second = (service.folder / "state" / f"members-000{n}.sqlite" for n in (1, 2))
    aside = first.with_suffix(".aside")
    first.rename(aside)
    second.rename(first)
    assert "put the right file in its place" in sentence(service.start(), STATE)
    first.rename(second)
    aside.rename(first)
    finished(service)


def test_a_state_file_of_another_format(service: Service) -> None:
    worked(service)
    path = service.folder / "state" / "members-0001.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET format = 99")
    db.close()
    assert f"state format 99, this release reads {FORMAT}" in sentence(service.start(), STATE)
    path.unlink()
    finished(service)


def test_a_state_file_held_by_a_live_process(service: Service) -> None:
    worked(service)
    with (service.folder / "state" / "members-0001.lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        intruder = service.start(alter={"ALTERED_LOCK_PATIENCE": "1"})
        assert "members-0001.sqlite is held by another live process" in sentence(intruder, STATE)
    finished(service)


def test_a_disk_that_is_full(service: Service) -> None:
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.tick(TICKS[0])
    first = service.start()
    service.settle()
    first.send(signal.SIGTERM)
    assert first.ended() == 0
    service.publish(sent.members)
    full = service.start("on a full disk", most_bytes=150_000)
    said = sentence(full, STATE)
    assert "cannot be written (disk I/O error)" in said
    assert "free its disk" in said
    finished(service)


def test_a_table_that_is_not_there(service: Service) -> None:
    worked(service)
    data = b"npi,taxonomy_code,primary,effective_from\n1234567893,207Q00000X,yes,2020-01-01\n"
    digest = hashlib.sha256(data).hexdigest()
    table = Table(kind="npi_taxonomy", name="nppes", version="1", digest=digest, activated_from=dt.date(2020, 1, 1))
    service.publish([table])
    assert digest[:8] in sentence(service.start(), CONFIG)
    tables = service.folder / "state" / "tables"
    tables.mkdir(exist_ok=True)
    (tables / f"{digest}.csv").write_bytes(data)
    finished(service, table)


def test_a_log_that_was_cut(service: Service) -> None:
    worked(service)
    (service.folder / "state" / "members-0000.sqlite").unlink()
    place = TopicPartition(topic_name(service.settings.prefix, "member-events"), 0, 50)
    for done in service.admin.delete_records([place]).values():
        done.result(10)
    assert "records of the log are missing" in sentence(service.start(), HOLE)


@pytest.mark.parametrize("log", ["member-events", "control"])
def test_a_log_that_was_replaced_while_its_outputs_stand(service: Service, log: str) -> None:
    worked(service)
    shutil.rmtree(service.folder / "state")
    name = topic_name(service.settings.prefix, log)
    for done in service.admin.delete_topics([name]).values():
        done.result(10)
    service.wait_until(lambda: name not in service.admin.list_topics(timeout=10).topics, "gone")
    topic_admin.create(service.settings, replication=1)
    said = sentence(service.start(), HOLE)
    assert f"{log}[0] ends at 0" in said
    assert "was cut or replaced" in said


def test_an_input_topic_of_the_plans_own_partition_count_is_welcome(service: Service) -> None:
    name = topic_name(service.settings.prefix, "claims")
    for done in service.admin.delete_topics([name]).values():
        done.result(10)
    service.wait_until(lambda: name not in service.admin.list_topics(timeout=10).topics, "gone")
    for done in service.admin.create_topics([NewTopic(name, 7, 1, config={"max.message.bytes": "4194304"})]).values():
        done.result(10)
    worker = service.start()
    service.wait_until(lambda: service.owners() == 1, "at work")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0


def test_a_crash_of_faust_itself_ends_the_process_with_a_sentence_and_loses_nothing(service: Service) -> None:
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.publish(sent.members)
    for date in TICKS:
        service.tick(date)
    assert "Faust's part of the worker has crashed (RuntimeError" in sentence(
        service.start(alter={"ALTERED_CRASH": "5"}), FAULT
    )
    again = service.start()
    service.wait_until(lambda: service.owners() == 1, "owned")
    service.settle()
    again.send(signal.SIGTERM)
    assert again.ended() == 0
    check(service, sent, TICKS[-1])
