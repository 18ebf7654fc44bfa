"""Real workers on a real Kafka through every fault: nothing lost, nothing doubled, the same answers as from the facts alone."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable

import confluent_kafka
import pytest

from ops.brokers.kafka import KafkaBroker
from schemas.topics import name as topic_name
from tests.fixtures.facts import CODEC, TICKS, Facts, check, check_rebuilt, facts
from tests.fixtures.lengths import LONG
from tests.fixtures.workers import FREEZING, PARTITIONS, SMALL_STEPS, Service, WorkerProcess
from tests.kafka.test_closes import JULY, ask, check_adjusted, panel, stands

FENCED = 72
CRASHED = 70


def feed(service: Service, sent: Facts) -> None:
    """Everything at once: reference, facts, and the clock moved several times."""
    service.publish(sent.reference)
    service.publish(sent.members)
    for date in TICKS:
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
        "before_delete:5",
        "after_delete:3",
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
    killed = service.start(failpoint=failpoint, alter=SMALL_STEPS, PANELSTREAM_WORKER="steady")
    assert killed.ended() == -signal.SIGKILL
    service.start(PANELSTREAM_WORKER="steady")
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


@pytest.mark.parametrize("failpoint", ["before_step", "after_step", "before_step:6", "after_step:7"])
def test_a_worker_killed_in_the_middle_of_a_wide_record_goes_on_where_it_stood(
    service: Service, failpoint: str
) -> None:
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.publish(sent.members)
    killed = service.start(failpoint=failpoint, alter=SMALL_STEPS, PANELSTREAM_WORKER="steady")
    service.settle()
    for date in TICKS:
        service.tick(date)
    assert killed.ended() == -signal.SIGKILL
    service.start(alter=SMALL_STEPS, PANELSTREAM_WORKER="steady")
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


def test_killed_four_times_while_it_works_a_worker_with_a_lasting_name_is_back_in_seconds(service: Service) -> None:
    sent = facts()
    service.publish(sent.reference)
    service.tick(TICKS[0])
    portion = len(sent.members) // 5 + 1
    waits = []
    for part in range(5):
        began = time.monotonic()
        worker = service.start(PANELSTREAM_WORKER="steady")
        service.publish(sent.members[part * portion : (part + 1) * portion])
        service.at_work()
        waits.append(time.monotonic() - began)
        if part < 4:
            worker.send(signal.SIGKILL)
            worker.ended()
            service.tick(TICKS[part])
    print(f"from the start of a worker to its first answers: {', '.join(f'{wait:.1f}' for wait in waits)} s")
    assert min(waits[1:]) < 10, "a restart takes as long as a lost session: the worker's name does not last"
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


def test_what_was_fetched_before_the_first_commit_and_dropped_by_a_rebalance_is_fetched_again(service: Service) -> None:
    sent = facts(60, 5)
    feed(service, sent)
    service.start(alter={"ALTERED_DROP": "6"})
    service.at_work()
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


def test_told_to_stop_in_the_middle_it_ends_with_zero_and_goes_on_later(service: Service) -> None:
    sent = facts()
    feed(service, sent)
    worker = service.start(alter=SMALL_STEPS)
    service.at_work()
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    assert service.lag() > 0, "it was done before it was told to stop"
    service.start()
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


def test_a_second_worker_of_the_host_joins_and_leaves(service: Service) -> None:
    sent = facts()
    half = len(sent.members) // 2
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.start("first", alter=SMALL_STEPS)
    service.publish(sent.members[:half])
    service.at_work()
    second = service.start("second")
    service.publish(sent.members[half:])
    service.wait_until(lambda: service.owners() == 2, "shared by two")
    for date in TICKS[1:]:
        service.tick(date)
    service.at_work()
    second.send(signal.SIGTERM)
    assert second.ended() == 0
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


def test_workers_with_folders_of_their_own_join_leave_and_return(service: Service) -> None:
    sent = facts()
    third = len(sent.members) // 3
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.start("first", state="host-a")
    service.publish(sent.members[:third])
    service.at_work()
    second = service.start("second", state="host-b")
    service.wait_until(lambda: service.owners() == 2, "shared by two")
    service.publish(sent.members[third : 2 * third])
    service.tick(TICKS[1])
    service.settle()
    second.send(signal.SIGTERM)
    assert second.ended() == 0
    service.publish(sent.members[2 * third :])
    service.tick(TICKS[2])
    service.settle()
    service.start("second again", state="host-b")
    service.wait_until(lambda: service.owners() == 2, "shared by two again")
    service.tick(TICKS[3])
    service.settle()
    end(service)
    check(service, sent, TICKS[-1], folders=("host-a", "host-b"))


def test_an_old_folder_killed_while_it_catches_up_leaves_nothing_old_behind(service: Service) -> None:
    sent = facts(60, 5)
    feed(service, sent)
    service.start("ahead", state="host-a")
    service.settle()
    end(service)
    # It begins at the beginning of the log, of which everything was said, and never comes to its end.
    behind = service.start("behind", state="host-b", failpoint="after_delete:4", PANELSTREAM_WORKER="steady")
    assert behind.ended() == -signal.SIGKILL
    service.start("ahead again", state="host-a", PANELSTREAM_WORKER="steady")
    service.wait_until(lambda: service.owners() == 1, "owned")
    service.settle()
    end(service)
    check(service, sent, TICKS[-1], folders=["host-a"])


@pytest.mark.parametrize("failpoint", ["before_relay:3", "intake_before_send:2", "conductor_after_commit:4"])
def test_a_frozen_worker_that_thaws_when_another_has_its_work_overwrites_nothing(
    service: Service, failpoint: str
) -> None:
    sent = facts(60, 5)
    feed(service, sent)
    frozen = service.start("frozen", state="host-a", failpoint=failpoint, alter={**SMALL_STEPS, **FREEZING})
    service.wait_until(frozen.frozen, "frozen")
    other = service.start("other", state="host-b")
    service.settle()
    frozen.send(signal.SIGCONT)
    service.wait_until(
        lambda: service.owners() == 2 or any(one.process.poll() is not None for one in (frozen, other)), "back or ended"
    )
    if failpoint.startswith("before_relay") and frozen.process.poll() is not None:
        # What it was about to send is old by now, and the broker refuses it; unless it was the conductor's, which repetition does not hurt.
        assert frozen.ended() in {FENCED, CRASHED}, frozen.said()
        assert "Another worker has taken over" in frozen.said() or frozen.ended() == CRASHED

    def at_rest_under_supervision() -> bool:
        nonlocal other
        if other.process.poll() is not None:
            # Thawed while it opens a partition, a worker takes it from the one that has it: that one says so, and is started again;
            # as is one whose partition goes between a fetch and its seek, which Faust does not survive.
            assert other.process.returncode in {FENCED, CRASHED}, other.said()
            other = service.start("other again", state="host-b")
        return service.owners() >= 1 and service.lag() == 0

    service.wait_until(at_rest_under_supervision, "at rest")
    service.settle()
    other.send(signal.SIGTERM)
    if frozen.process.poll() is None:
        frozen.send(signal.SIGTERM)
    assert other.ended() in {0, FENCED, CRASHED}, other.said()
    # In order, fenced by the broker, or for another good reason; never silently.
    assert frozen.ended() == 0 or frozen.said().rstrip().splitlines()[-1].startswith("panelstream: "), frozen.said()
    check(service, sent, TICKS[-1], folders=["host-b"])


def test_a_broker_that_dies_and_returns(
    broker_to_kill: KafkaBroker, service_on: Callable[[KafkaBroker], Service]
) -> None:
    service = service_on(broker_to_kill)
    sent = facts(60, 5)
    half = len(sent.members) // 2
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.publish(sent.members[:half])
    service.start(alter=SMALL_STEPS)
    service.at_work()
    broker_to_kill.kill()
    time.sleep(2.0)
    broker_to_kill.restart()
    service.publish(sent.members[half:])
    for date in TICKS[1:]:
        service.tick(date)

    def done_under_supervision() -> bool:
        worker = service.workers[-1]
        if worker.process.poll() is not None:
            # A worker may give up in one sentence; its supervisor starts it again.
            assert worker.process.returncode > 0
            assert worker.said().rstrip().splitlines()[-1].startswith("panelstream: ")
            service.start()
        return service.lag() == 0

    service.wait_until(done_under_supervision, "done", 90)
    service.settle()
    end(service)
    check(service, sent, TICKS[-1])


def test_an_old_state_and_a_lost_one_are_made_good_from_the_log(service: Service) -> None:
    sent = facts(60, 5)
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
    # A record more for every partition tells when it has come to the end of the log.
    service.start()
    service.tick(TICKS[-1].replace(month=12))
    service.settle()
    end(service)
    check(service, sent, TICKS[-1].replace(month=12))


def test_a_lost_folder_and_a_fresh_consumer_group_double_nothing(service: Service) -> None:
    sent = facts(60, 5)
    feed(service, sent)
    service.start()
    service.settle()
    end(service)
    before = service.records("member-events")
    shutil.rmtree(service.folder / "state")
    service.admin.delete_consumer_groups([service.settings.group])[service.settings.group].result(10)
    # Intake reads every input again, the conductor broadcasts everything again, the state is made from the whole log.
    service.start()
    service.settle()
    end(service)
    assert service.records("member-events") > 1.5 * before
    check(service, sent, TICKS[-1])


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
    # Its marks are written after the answer: one that came last would stand above the last record for ever.
    service.wait_until(lambda: service.is_decided("claims"), "decided")
    service.publish_bytes(
        "claims",
        b"not avro",
        CODEC.encode_record(ghost)[:-20],
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


@pytest.mark.parametrize("seed", range(3) if LONG else [2])
def test_a_larger_population_lives_through_kills_at_random(service: Service, seed: int) -> None:
    """Two workers, killed and stopped while facts, ticks and a close go on."""
    rng = random.Random(seed)
    sent = facts(1200 if LONG else 400, 100 + seed)
    service.publish(sent.reference)
    service.tick(TICKS[0])
    workers: dict[str, WorkerProcess] = {}
    parts = 12 if LONG else 5
    portion = len(sent.members) // parts + 1
    for part in range(parts):
        for name in ("a", "b"):
            if name not in workers or workers[name].process.poll() is not None:
                workers[name] = service.start(name, PANELSTREAM_WORKER=f"steady-{name}")
        service.publish(sent.members[part * portion : (part + 1) * portion])
        if part in (parts // 4, 2 * (parts // 4)):
            service.tick(TICKS[part // (parts // 4)])
        if part == parts // 2:
            ask(service, panel("july", "2025-07"))
        time.sleep(rng.uniform(0.5, 6))
        how = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, None])
        if how is not None:
            victim = workers[rng.choice("ab")]
            victim.send(how)
            victim.ended()
    service.tick(TICKS[3])
    for name in ("a", "b"):
        if workers[name].process.poll() is not None:
            workers[name] = service.start(name, PANELSTREAM_WORKER=f"steady-{name}")
    service.settle(180)
    for worker in workers.values():
        worker.send(signal.SIGTERM)
        worker.ended()
    check(service, sent, TICKS[3])
    assert stands(service, "july").state == "complete"
    check_adjusted(service, sent, "july", JULY)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_hosts_die_freeze_and_return_while_reference_comes_late(service: Service, seed: int) -> None:
    """Two workers in one folder and a third with its own; killed together and alone, frozen past the session, started again."""
    rng = random.Random(seed)
    sent = facts(1500, 200 + seed)
    folders = {"a": "state", "b": "state", "c": "host-c"}
    workers: dict[str, WorkerProcess] = {}
    frozen_since: float | None = None

    def start_those_that_ended() -> None:
        for name, folder in folders.items():
            if name not in workers or workers[name].process.poll() is not None:
                workers[name] = service.start(name, state=folder, PANELSTREAM_WORKER=f"steady-{name}")

    parts, late = 14, len(sent.reference) // 2
    portion = len(sent.members) // parts + 1
    service.publish(sent.reference[:late])
    service.tick(TICKS[0])
    for part in range(parts):
        start_those_that_ended()
        service.publish(sent.members[part * portion : (part + 1) * portion])
        if part == 2:
            service.publish(sent.reference[late:])
        if part in (3, 7):
            service.tick(TICKS[1 + part // 7])
        if part == 6:
            ask(service, panel("july", "2025-07"))
        time.sleep(rng.uniform(1, 8))
        if frozen_since is not None and time.monotonic() - frozen_since > 11:
            workers["c"].send(signal.SIGCONT)
            frozen_since = None
        how = rng.choice(["freeze", "kill", "kill", "kill two", "stop", "let"])
        running = [
            name
            for name, one in workers.items()
            if one.process.poll() is None and (frozen_since is None or name != "c")
        ]
        if how == "freeze" and "c" in running:
            workers["c"].send(signal.SIGSTOP)
            frozen_since = time.monotonic()
        elif how in ("kill", "kill two", "stop"):
            for name in rng.sample(running, min(len(running), 2 if how == "kill two" else 1)):
                workers[name].send(signal.SIGTERM if how == "stop" else signal.SIGKILL)
                workers[name].ended()
    if frozen_since is not None:
        workers["c"].send(signal.SIGCONT)
    service.tick(TICKS[3])

    def done_under_supervision() -> bool:
        start_those_that_ended()
        return service.lag() <= 0

    service.wait_until(done_under_supervision, "done", 180)
    service.settle(60)
    for worker in workers.values():
        worker.send(signal.SIGTERM)
        worker.ended()
    check(service, sent, TICKS[3], folders=("state", "host-c"))
    assert stands(service, "july").state == "complete"
    check_adjusted(service, sent, "july", JULY)
