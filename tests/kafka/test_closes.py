"""A period is closed by real workers on a real broker: everything below the cutoff is in, and what is frozen adds up."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import shutil
import signal
from collections import Counter
from pathlib import Path

import confluent_kafka
import pytest
from typer.testing import CliRunner

from ops.program import app
from schemas.records import Adjustment, Close, CloseAnnul, PanelList, Period, Reading, Snapshot
from schemas.topics import name as topic_name
from state import results
from streams import closing
from streams.producing import Message
from streams.publishing import message_of
from streams.stopping import Stop
from streams.waiting import Report, wait_until_quiet
from tests.fixtures.facts import CODEC, TICKS, Facts, check, expected, facts
from tests.fixtures.workers import PARTITIONS, SMALL_STEPS, Service

JULY = dt.date(2025, 7, 1)
P2 = Period(
    period="P2",
    performance_end=dt.date(2025, 6, 30),
    k1=dt.date(2025, 8, 15),
    k2=dt.date(2025, 11, 1),
    pool_from=dt.date(2025, 1, 1),
    pool_months=6,
)


def silent(_what: str) -> Report:
    return lambda _done, _total: None


def close(service: Service, period: str, reading: Reading = "panel") -> Snapshot:
    """As the command does it."""
    return closing.request(
        service.settings, service.codec, period, reading, actor="test", reason=None, retro_months=6, report=silent
    )


def ask(service: Service, *records: Close | CloseAnnul) -> None:
    """Append requests and do not wait."""
    service.sender.send_now(
        [
            Message(topic_name(service.settings.prefix, "control"), 0, b"close", CODEC.encode_control(one))
            for one in records
        ]
    )


def panel(close_id: str, month: str) -> Close:
    return Close(close_id=close_id, period=month, reading="panel", actor="test")


def stands(service: Service, close_id: str) -> Snapshot:
    return closing.find(service.settings, service.codec, close_id)


def end(service: Service) -> None:
    running = [worker for worker in service.workers if worker.process.poll() is None]
    for worker in running:
        worker.send(signal.SIGTERM)
    assert [worker.ended() for worker in running] == [0] * len(running)


def digest_of(service: Service, sent: Facts, as_of: dt.date) -> str:
    """The content digest that the facts alone give."""
    answers = expected(sent, as_of, service.settings.tables).attribution.values()
    return results.content_digest(sum(map(results.answer_digest, answers)))


def practices_of(service: Service, close_id: str) -> Counter[tuple[str, str]]:
    """Who is on whose frozen list: (practice, member)."""
    parts: list[PanelList] = [record for _, record, _ in service.read("panels") if record.close_id == close_id]
    entries = {
        (part.practice_id, one.payer, one.member_id) for part in parts for one in part.entries if one.attribution
    }
    return Counter((str(practice), f"{payer}|{member}") for practice, payer, member in entries if practice)


def adjusted(service: Service, close_id: str) -> Counter[tuple[str, str]]:
    """What the adjustments to a list add up to."""
    total: Counter[tuple[str, str]] = Counter()
    for _, record, _ in service.read("adjustments"):
        made: Adjustment = record
        if made.close_id == close_id:
            total[made.practice_id, f"{made.payer}|{made.member_id}"] += 1 if made.after == "attributed" else -1
    return total


def check_adjusted(service: Service, sent: Facts, close_id: str, as_of: dt.date) -> None:
    """The frozen list and its adjustments give what is known now of its day."""
    now = Counter(
        (answer.practice_id, key)
        for key, answer in expected(sent, as_of, service.settings.tables).attribution.items()
        if answer.practice_id
    )
    listed = practices_of(service, close_id)
    listed.update(adjusted(service, close_id))
    assert +listed == now
    assert not -listed


def test_a_panel_is_frozen_with_everything_that_was_sent(service: Service, tmp_path: Path) -> None:
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.start()
    service.settle()
    service.publish(sent.members)
    snapshot = close(service, "2025-07")
    answers = expected(sent, JULY, service.settings.tables).attribution
    out = tmp_path / "out"
    closing.export(service.settings, service.codec, snapshot, out)
    rows = list(csv.DictReader((out / "panel.csv").read_text().splitlines()))
    assert {f"{row['payer']}|{row['member_id']}": row["practice_id"] for row in rows} == {
        key: answer.practice_id or "" for key, answer in answers.items()
    }
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["content_digest"] == results.content_digest(sum(map(results.answer_digest, answers.values())))
    assert manifest["files"]["panel.csv"] == hashlib.sha256((out / "panel.csv").read_bytes()).hexdigest()
    assert len(manifest["positions"]["member_events"]) == PARTITIONS
    with pytest.raises(Stop, match="was closed already, as 2025-07-panel"):
        close(service, "2025-07")
    end(service)
    check(service, sent, TICKS[0])


@pytest.mark.parametrize(
    "failpoint",
    [
        "before_step",
        "after_step:3",
        "before_partial",
        "after_partial:2",
        "before_delete",
        "conductor_before_commit:2",
        "conductor_after_commit:2",
        "conductor_after_commit:5",
    ],
)
def test_a_close_goes_on_where_a_killed_worker_left_it(service: Service, failpoint: str) -> None:
    sent = facts(60, 5)
    half = len(sent.members) // 2
    service.publish([*sent.reference, P2])
    service.tick(TICKS[0])
    first = service.start(PANELSTREAM_WORKER="steady")
    service.publish(sent.members[:half])
    service.settle()
    first.send(signal.SIGTERM)
    assert first.ended() == 0
    ask(service, panel("july", "2025-07"))
    service.publish(sent.members[half:])
    killed = service.start(failpoint=failpoint, alter=SMALL_STEPS, PANELSTREAM_WORKER="steady")
    assert killed.ended() == -signal.SIGKILL
    service.start(alter=SMALL_STEPS, PANELSTREAM_WORKER="steady")
    service.settle()
    end(service)
    snapshot = stands(service, "july")
    assert snapshot.state == "complete"
    assert sum(practices_of(service, "july").values()) == snapshot.attributed
    check_adjusted(service, sent, "july", JULY)
    check(service, sent, TICKS[0])


def test_a_close_ends_when_the_host_of_a_partition_is_lost_with_its_state(service: Service) -> None:
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.publish(sent.members)
    service.tick(TICKS[0])
    killed = service.start(failpoint="before_partial:2", PANELSTREAM_WORKER="steady")
    service.settle()
    ask(service, panel("july", "2025-07"))
    assert killed.ended() == -signal.SIGKILL
    begun = stands(service, "july")
    assert begun.state == "open"
    assert closing.missing(service.settings, service.codec, begun)
    shutil.rmtree(service.folder / "state")
    service.start(PANELSTREAM_WORKER="steady")
    service.settle()
    end(service)
    snapshot = stands(service, "july")
    assert (snapshot.state, snapshot.content_digest) == ("complete", digest_of(service, sent, JULY))
    assert closing.missing(service.settings, service.codec, snapshot) == []
    check(service, sent, TICKS[0])


def test_a_period_is_read_twice_and_adjusted_afterwards(service: Service) -> None:
    sent = facts(60, 5)
    third = len(sent.members) // 3
    service.publish([*sent.reference, P2])
    service.publish(sent.members[:third])
    service.tick(TICKS[0])
    service.start()
    with pytest.raises(Stop, match=r"refused before 2025-08-15, and the clock stands at 2025-06-30"):
        close(service, "P2", "initial")
    service.tick(P2.k1)
    initial = close(service, "P2", "initial")
    assert initial.content_digest == digest_of(service, Facts(sent.reference, sent.members[:third]), P2.performance_end)
    service.publish(sent.members[third : 2 * third])
    with pytest.raises(Stop, match="refused before 2025-11-01"):
        close(service, "P2", "final")
    service.tick(P2.k2)
    final = close(service, "P2", "final")
    assert final.content_digest == digest_of(
        service, Facts(sent.reference, sent.members[: 2 * third]), P2.performance_end
    )
    with pytest.raises(Stop, match="was closed already, as P2-initial"):
        close(service, "P2", "initial")
    service.publish(sent.members[2 * third :])
    service.settle()
    end(service)
    assert not adjusted(service, initial.close_id)
    assert adjusted(service, final.close_id)
    check_adjusted(service, sent, final.close_id, P2.performance_end)
    check(service, sent, P2.k2)


def test_an_annulled_close_counts_no_more_and_the_month_can_be_closed_again(service: Service, tmp_path: Path) -> None:
    sent = facts(60, 5)
    half = len(sent.members) // 2
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.publish(sent.members[:half])
    service.start()
    first = close(service, "2025-07")
    closing.annul(
        service.settings, service.codec, first.close_id, actor="test", reason="half was missing", report=silent
    )
    with pytest.raises(Stop, match="there is nothing to withdraw"):
        closing.annul(service.settings, service.codec, first.close_id, actor="test", reason="again", report=silent)
    service.publish(sent.members[half:])
    second = close(service, "2025-07")
    assert second.close_id == "2025-07-panel-2"
    assert second.content_digest == digest_of(service, sent, JULY)
    service.settle()
    end(service)
    assert not adjusted(service, first.close_id)
    check_adjusted(service, sent, second.close_id, JULY)
    check(service, sent, TICKS[0])


SAMPLE = Path(__file__).parents[2] / "ops" / "sample"
CLOSES = {
    "tuva": (("2018-01", dt.date(2017, 12, 31)), ("2018-07", dt.date(2018, 6, 30))),
    "synthea": (("2023-01", dt.date(2022, 12, 31)), ("2023-07", dt.date(2023, 6, 30))),
}


@pytest.mark.parametrize("source", CLOSES)
def test_a_sample_goes_through_two_closes_and_the_lists_are_those_of_replay(
    service: Service, tmp_path: Path, source: str
) -> None:
    """What was accepted by the evening before a month is what its panel knows: as `replay --known-at` has it."""
    events = tmp_path / f"{source}.ndjson"
    ran("import", source, SAMPLE / source, "--out", events)
    roster = SAMPLE / source / "roster.ndjson"
    inputs = [events, *([roster] if roster.exists() else [])]
    records = [CODEC.from_json(line) for path in inputs for line in path.read_bytes().splitlines()]
    service.start()
    sent_until = dt.datetime.min.replace(tzinfo=dt.UTC)
    for month, evening in CLOSES[source]:
        known_at = dt.datetime.combine(evening, dt.time.max, dt.UTC)
        service.publish([one for one in records if one.accepted_at and sent_until < one.accepted_at <= known_at])
        sent_until = known_at
        service.tick(evening)
        snapshot = close(service, month)
        closing.export(service.settings, service.codec, snapshot, tmp_path / month)
        again = tmp_path / f"{month}-replayed"
        ran("replay", *inputs, "--as-of", f"{month}-01", "--known-at", known_at.isoformat(), "--out", again)
        assert (tmp_path / month / "panel.csv").read_bytes() == (again / "panel.csv").read_bytes()
        assert snapshot.attributed
    end(service)


def ran(*arguments: object) -> None:
    result = CliRunner().invoke(app(), [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def test_a_close_without_workers_says_so_and_is_taken_up_when_they_come(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.publish(sent.members)
    service.tick(TICKS[0])
    first = service.start()
    service.settle()
    first.send(signal.SIGTERM)
    assert first.ended() == 0
    with monkeypatch.context() as patch:
        patch.setattr(closing, "PATIENCE", 2.0)
        with pytest.raises(Stop, match="for 2 seconds no conductor moves: start workers"):
            close(service, "2025-07")
    service.start()
    snapshot = close(service, "2025-07")
    assert (snapshot.close_id, snapshot.state) == ("2025-07-panel", "complete")
    assert snapshot.content_digest == digest_of(service, sent, JULY)
    end(service)


def test_what_a_plan_sends_in_transactions_is_waited_for_up_to_their_last_mark(service: Service) -> None:
    """The mark of a transaction stands last on the topic, and no reader ever commits it."""
    sent = facts(60, 5)
    service.publish(sent.reference)
    service.tick(TICKS[0])
    service.start()
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": service.settings.bootstrap, "transactional.id": service.settings.prefix}
    )
    producer.init_transactions()
    producer.begin_transaction()
    for record in sent.members:
        message = message_of(service.codec, record, prefix=service.settings.prefix, partitions=PARTITIONS, history=True)
        producer.produce(message.topic, message.value, message.key, message.partition, headers=dict(message.headers))
    producer.commit_transaction()
    wait_until_quiet(service.settings)
    assert close(service, "2025-07").content_digest == digest_of(service, sent, JULY)
    end(service)
    check(service, sent, TICKS[0])
