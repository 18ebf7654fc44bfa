"""Real workers on a real Kafka through every fault: nothing lost, nothing doubled, the same answers as from the facts alone."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable

import confluent_kafka
import pytest

from ops.brokers.kafka import KafkaBroker
from schemas.topics import name as topic_name
from tests.fixtures.facts import CODEC, TICKS, Facts, check, check_rebuilt, facts
from tests.fixtures.workers import PARTITIONS, Service


def feed(service: Service, sent: Facts, *, ticks: int = len(TICKS)) -> None:
    """Everything at once: reference, facts, and the clock moved several times."""
    service.publish(sent.reference)
    service.publish(sent.members)
    for date in TICKS[:ticks]:
        service.tick(date)


def end(service: Service) -> None:
    """End every worker in order; each says 0."""
    running = [worker for worker in service.workers if worker.process.poll() is None]
    for worker in running:
        worker.send(signal.SIGTERM)
    assert [worker.ended() for worker in running] == [0] * len(running)


def test_one_undisturbed_worker_gives_what_the_facts_give(service: Service) -> None:
    sent = facts()
    feed(service, sent)
    service.start()
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])
    check_rebuilt(service)


@pytest.mark.parametrize(
    "failpoint",
    [
        "before_commit",
        "after_commit:2",
        "before_relay:2",
        "before_delete",
        "after_delete:2",
        "before_step",
        "after_step",
        "conductor_before_commit:3",
        "conductor_after_commit:2",
        "intake_before_send:2",
        "intake_after_send",
    ],
)
def test_a_worker_killed_at_any_step_and_started_again_loses_and_doubles_nothing(
    service: Service, failpoint: str
) -> None:
    sent = facts(60, 5)
    feed(service, sent)
    killed = service.start(failpoint=failpoint, PANELSTREAM_WORKER="steady")
    assert killed.ended() == -signal.SIGKILL
    began = time.monotonic()
    service.start(PANELSTREAM_WORKER="steady")
    service.settle()
    print(f"{failpoint}: all done {time.monotonic() - began:.1f} s after the restart")
    end(service)
    check(service, sent, TICKS[-1])
    check_rebuilt(service)


def test_killed_four_times_while_it_works(service: Service) -> None:
    sent = facts()
    service.publish(sent.reference)
    portion = len(sent.members) // 5 + 1
    for part in range(5):
        worker = service.start(PANELSTREAM_WORKER="steady")
        service.publish(sent.members[part * portion : (part + 1) * portion])
        if part < len(TICKS):
            service.tick(TICKS[part])
        if part < 4:
            time.sleep(3.0)
            worker.send(signal.SIGKILL)
            worker.ended()
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])
    check_rebuilt(service)


def test_told_to_stop_in_the_middle_it_ends_with_zero_and_goes_on_later(service: Service) -> None:
    sent = facts()
    feed(service, sent)
    worker = service.start()
    time.sleep(4.0)
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    service.start()
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])
    check_rebuilt(service)


def test_a_second_worker_of_the_host_joins_and_leaves(service: Service) -> None:
    sent = facts()
    half = len(sent.members) // 2
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.start("first")
    service.publish(sent.members[:half])
    second = service.start("second")
    time.sleep(5.0)
    service.publish(sent.members[half:])
    for date in TICKS[1:3]:
        service.tick(date)
    service.settle()
    second.send(signal.SIGTERM)
    assert second.ended() == 0
    service.tick(TICKS[3])
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])
    check_rebuilt(service)


def test_workers_with_folders_of_their_own_join_leave_and_return(service: Service) -> None:
    sent = facts()
    third = len(sent.members) // 3
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.start("first", state="host-a")
    service.publish(sent.members[:third])
    service.settle()
    second = service.start("second", state="host-b")
    service.publish(sent.members[third : 2 * third])
    service.tick(TICKS[1])
    time.sleep(4.0)
    service.settle()
    second.send(signal.SIGTERM)
    assert second.ended() == 0
    service.publish(sent.members[2 * third :])
    service.tick(TICKS[2])
    service.settle()
    service.start("second again", state="host-b")
    time.sleep(4.0)
    service.tick(TICKS[3])
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


def test_a_frozen_worker_that_thaws_overwrites_nothing(service: Service) -> None:
    sent = facts()
    half = len(sent.members) // 2
    service.publish(sent.reference)
    service.publish(sent.members[:half])
    service.tick(TICKS[0])
    frozen = service.start("frozen", state="host-a")
    time.sleep(3.5)
    frozen.send(signal.SIGSTOP)
    service.start("other", state="host-b")
    service.publish(sent.members[half:])
    for date in TICKS[1:]:
        service.tick(date)
    service.settle(90)
    frozen.send(signal.SIGCONT)
    time.sleep(6.0)
    code = frozen.process.poll()
    if code is not None:
        # Fenced by the broker, or gone already for another good reason; never in order, never silently.
        assert code > 0, frozen.said()
        assert frozen.said().rstrip().splitlines()[-1].startswith("panelstream: ")
    service.settle(90)
    end(service)
    check(service, sent, TICKS[-1])


def test_a_broker_that_dies_and_returns(
    broker_to_kill: KafkaBroker, service_on: Callable[[KafkaBroker], Service]
) -> None:
    service = service_on(broker_to_kill)
    sent = facts(60, 5)
    half = len(sent.members) // 2
    service.publish(sent.reference)
    service.publish(sent.members[:half])
    service.tick(TICKS[0])
    worker = service.start()
    time.sleep(3.5)
    broker_to_kill.kill()
    time.sleep(3.0)
    broker_to_kill.restart()
    service.publish(sent.members[half:])
    for date in TICKS[1:]:
        service.tick(date)
    time.sleep(5.0)
    if worker.process.poll() is not None:
        # A worker may give up in one sentence; its supervisor starts it again.
        assert worker.process.returncode > 0
        assert worker.said().rstrip().splitlines()[-1].startswith("panelstream: ")
        service.start()
    service.settle(90)
    end(service)
    check(service, sent, TICKS[-1])
    check_rebuilt(service)


def test_an_old_state_and_a_lost_one_are_made_good_from_the_log(service: Service) -> None:
    sent = facts()
    half = len(sent.members) // 2
    service.publish(sent.reference)
    service.publish(sent.members[:half])
    service.tick(TICKS[0])
    service.start()
    service.settle()
    end(service)
    shutil.copytree(service.folder / "state", service.folder / "backup")
    service.publish(sent.members[half:])
    for date in TICKS[1:]:
        service.tick(date)
    service.start()
    service.settle()
    end(service)
    # The backup comes back, one partition's file is lost altogether, and the group's offsets claim that all is done.
    shutil.rmtree(service.folder / "state")
    shutil.copytree(service.folder / "backup", service.folder / "state")
    for lost in (service.folder / "state").glob("members-0002*"):
        lost.unlink()
    service.start()
    time.sleep(6.0)
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])
    check_rebuilt(service)


def test_aborted_transactions_leave_no_trace_and_malformed_records_stop_nobody(service: Service) -> None:
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.publish(sent.members)
    ghost = next(record for record in sent.members if type(record).__name__ == "Claim")
    sender = confluent_kafka.Producer(
        {"bootstrap.servers": service.settings.bootstrap, "transactional.id": f"{service.settings.prefix}plan"}
    )
    sender.init_transactions(30)
    sender.begin_transaction()
    for number in range(50):
        changed = CODEC.from_json(CODEC.to_json(ghost).replace('"member_id":"', f'"member_id":"ghost{number}-'))
        sender.produce(
            topic_name(service.settings.prefix, "claims"), CODEC.encode_record(changed), b"x", number % PARTITIONS
        )
    sender.flush(30)
    sender.abort_transaction(30)
    service.publish_bytes(
        "claims",
        b"not avro",
        b"\x00\x00\x00\x00\x01more",
        b"\x00" + (999_999).to_bytes(4, "big") + b"?",
        b"x" * 1_200_000,
    )
    for date in TICKS:
        service.tick(date)
    service.start()
    service.settle()
    end(service)
    check(service, sent, TICKS[-1], more_refused=4)
    reasons = {record.reason for _, record, _ in service.read("quarantine")}
    assert {"not_avro", "undecodable", "unknown_schema", "too_large"} <= reasons
