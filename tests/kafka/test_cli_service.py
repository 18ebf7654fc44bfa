"""The command line against a running service: publish, tick, explain, quarantine, on a real Kafka."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.brokers.kafka import KafkaBroker
from ops.sample.population import population
from schemas.topics import TOPICS
from streams.producing import Message, Sender
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, Stop
from streams.waiting import wait_until_quiet
from tests import event_files

D = dt.date(2025, 6, 30)
PARTITIONS = 3
Ended = subprocess.CompletedProcess[str]


class Service:
    """The program with its settings, and a worker that may run."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP": bootstrap,
            "PANELSTREAM_PREFIX": prefix,
            "PANELSTREAM_STATE": str(folder / "state"),
            "PANELSTREAM_PARTITIONS": str(PARTITIONS),
            "PANELSTREAM_CLOCK": "manual",
            "PYTHONFAULTHANDLER": "1",
        }
        self.settings = Settings.from_environment(self._environment)
        self._worker: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: object) -> Ended:
        """One verb, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "ops.program", *map(str, arguments)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *arguments: object) -> str:
        """One verb that must end well: what it says."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, f"{ended.stderr}\n{self.worker_log()}"
        return ended.stdout

    def quiet(self) -> None:
        """Wait until everything sent so far is applied."""
        try:
            wait_until_quiet(self.settings)
        except Stop as stop:
            pytest.fail(f"{stop.sentence}\n{self.worker_log()}")

    def start_worker(self) -> None:
        with (self.folder / "worker.log").open("ab") as log:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "ops.program", "worker"], env=self._environment, stdout=log, stderr=log
            )

    def worker_log(self) -> str:
        """What the worker has said, and how it is: for the message of a test that fails."""
        if self._worker is None:
            return "no worker runs"
        if self._worker.poll() is None:
            # With PYTHONFAULTHANDLER it says where each of its threads stands.
            self._worker.send_signal(signal.SIGABRT)
        return f"worker ended with {self._worker.wait(10)}:\n{(self.folder / 'worker.log').read_text()}"

    def stop_worker(self) -> int:
        assert self._worker is not None
        self._worker.terminate()
        status = self._worker.wait(30)
        self._worker = None
        return status

    def close(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()


@pytest.fixture
def service(kafka_broker: KafkaBroker, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A service with its topics; `start_worker` starts the rest."""
    made = Service(tmp_path, kafka_broker.bootstrap, topic_prefix)
    made.done("topics", "create")
    yield made
    made.close()


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    """A population with all its mishaps; one payer goes by its plan's own list, members of the others dispute."""
    path = tmp_path / "events.ndjson"
    events = list(population(60, 3, dt.date(2024, 1, 1), D, bad_share=0.02))
    path.write_text("".join(json.dumps(event) + "\n" for event in [*events, *_lists_and_requests(events)]))
    return path


def _lists_and_requests(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    practices = sorted({one["practice_id"] for one in events if one.get("event_type") == "provider"})
    last = max((one for one in events if one.get("event_type") == "payer"), key=lambda one: one["payer"])
    listing = last["payer"]
    members = sorted({(one["payer"], one["member_id"]) for one in events if one.get("event_type") == "enrollment"})
    yield {**last, "attribution_mode": "plan", "event_id": None}
    yield event_files.plan_list("2025-06", payer=listing)
    for place, (payer, member) in enumerate(members):
        practice = practices[place % len(practices)]
        if payer == listing and place % 3:
            yield event_files.listed("2025-06", practice, member, payer=payer)
        elif payer != listing and place % 2:
            about = {"payer": payer, "member_id": member}
            yield event_files.decided("add", practice, "2025-05-01", **about)
            yield event_files.asked("add", practice, "2025-05-01", **about)
            yield event_files.asked("remove", practices[0], "2025-05-01", **about)


def quarantined(service: Service, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.done("quarantine", "list", "--json", *arguments).splitlines()]


def _claims(event_file: Path) -> list[dict[str, Any]]:
    """The claims of a file's first year, those that name a member."""
    events = [json.loads(line) for line in event_file.read_text().splitlines() if line.startswith("{")]
    return [one for one in events[:1_000] if one.get("event_type") == "claim" and "member_id" in one]


def test_topics_are_created_once_and_checked(service: Service) -> None:
    assert service.done("topics", "create") == "every topic was there already\n"
    assert service.done("topics", "check") == "every topic is as it must be\n"


def test_a_missing_topic_is_told_by_check_publish_and_worker(
    kafka_broker: KafkaBroker, topic_prefix: str, tmp_path: Path, event_file: Path
) -> None:
    bare = Service(tmp_path, kafka_broker.bootstrap, topic_prefix)
    checked = bare.run("topics", "check")
    assert checked.returncode == EXIT_CONFIG
    assert len(checked.stdout.splitlines()) == len(TOPICS)
    asking = (
        ("publish", event_file),
        ("worker",),
        ("quarantine", "list"),
        ("tick", "2025-07-01"),
        ("close", "2025-07", "--reading", "panel"),
        ("close", "list"),
    )
    for arguments in asking:
        ended = bare.run(*arguments)
        assert ended.returncode in (EXIT_CONFIG, EXIT_BROKER)
        assert ended.stderr.startswith("panelstream: Topic ")
        assert "`panelstream topics create`" in ended.stderr


def test_the_service_says_what_replay_says(service: Service, event_file: Path, tmp_path: Path) -> None:
    """Publish a history, tick, and ask for every member: the answers are those of the files alone."""
    service.start_worker()
    published = service.run("publish", event_file, "--history", "--refused", tmp_path / "refused.ndjson")
    assert published.returncode == 1
    refused = (tmp_path / "refused.ndjson").read_text().splitlines()
    assert refused
    assert f"{len(refused):,} lines refused" in published.stderr
    assert f"{event_file}:" in published.stdout
    service.quiet()
    assert service.done("tick", D) == f"the clock stands at {D}, and all that follows from it is out\n"
    service.done("replay", event_file, "--as-of", D, "--out", tmp_path / "out")
    with (tmp_path / "out" / "panel.csv").open() as file:
        panel = list(csv.DictReader(file))
    with (tmp_path / "out" / "alerts.csv").open() as file:
        alerts = {(row["payer"], row["member_id"]): row for row in csv.DictReader(file)}
    assert len(panel) > 50
    assert {"plan", "decision", "selected", "claims_12"} <= {row["step"] for row in panel}
    assert alerts
    for row in panel[::4]:
        asked = ("explain", "--payer", row["payer"], "--member", row["member_id"], "--json")
        live = json.loads(service.done(*asked))
        filed = json.loads(service.done(*asked, "--files", event_file, "--as-of", D))
        assert live["attribution"] == filed["attribution"]
        assert live["alert"] == filed["alert"]
        answer = live["attribution"]
        assert (answer["practice_id"] or "", ";".join(answer["evidence"])) == (row["practice_id"], row["evidence"])
        assert (live["alert"] is not None) == ((row["payer"], row["member_id"]) in alerts)
    assert service.stop_worker() == 0


def test_a_past_day_is_explained_from_the_state_as_from_the_files(service: Service, event_file: Path) -> None:
    service.start_worker()
    service.run("publish", event_file, "--history")
    service.quiet()
    service.done("tick", D)
    members = {(one["payer"], one["member_id"]) for one in _claims(event_file)}
    past = D - dt.timedelta(days=300)
    attributed = 0
    for payer, member in sorted(members)[:8]:
        arguments = ("explain", "--payer", payer, "--member", member, "--as-of", past)
        assert service.done(*arguments).splitlines()[0] == f"{payer} {member} on {past}"
        live = json.loads(service.done(*arguments, "--json"))
        filed = json.loads(service.done(*arguments, "--json", "--files", event_file))
        assert live["attribution"] == filed["attribution"]
        attributed += live["attribution"]["status"] == "attributed"
    assert attributed


def test_a_tick_without_a_worker_gives_up_and_says_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas.codec import Codec
    from schemas.registry import EmbeddedRegistry
    from streams.waiting import wait_until_applied

    monkeypatch.setattr("streams.waiting.PATIENCE", 1.0)
    with pytest.raises(Stop, match=r"No worker has moved for 1 seconds.*panelstream worker") as stop:
        wait_until_applied(service.settings, Codec(EmbeddedRegistry()), D)
    assert stop.value.code == EXIT_BROKER


def test_a_panel_is_closed_written_withdrawn_and_closed_again(
    service: Service, event_file: Path, tmp_path: Path
) -> None:
    """As an accountant does it, whose shell does not know the partition count. One payer's own list of July is missing."""
    service.start_worker()
    service.run("publish", event_file, "--history")
    service.done("tick", D)
    del service._environment["PANELSTREAM_PARTITIONS"]
    early = service.run("close", "P9", "--reading", "final")
    assert early.returncode == EXIT_CONFIG
    assert early.stderr == (
        "panelstream: P9-final was refused: period P9 is not known: publish its `period` record first.\n"
    )
    july = ("close", "2025-07", "--reading", "panel", "--actor", "ann")
    said = service.done(*july, "--out", tmp_path / "july")
    assert said.startswith("2025-07-panel: prospective list as of 2025-07-01 (final)\n")
    assert "NOT FROZEN: the lists of" in said
    manifest = json.loads((tmp_path / "july" / "manifest.json").read_text())
    assert f"content digest {manifest['content_digest']}" in said
    assert manifest["close"]["actor"] == "ann"
    assert len(manifest["payers_not_frozen"]) == 1
    again = service.run(*july)
    assert again.returncode == EXIT_CONFIG
    assert "was closed already, as 2025-07-panel: `panelstream close export 2025-07-panel --out DIR`" in again.stderr
    withdrawn = service.done("close", "annul", "2025-07-panel", "--reason", "a list was missing", "--actor", "ann")
    assert withdrawn == "2025-07-panel is annulled: ann: a list was missing\n"
    gone = service.run("close", "export", "2025-07-panel", "--out", tmp_path / "gone")
    assert (gone.returncode, (tmp_path / "gone").exists()) == (EXIT_CONFIG, False)
    assert service.done(*july).startswith("2025-07-panel-2: prospective list")
    listed = service.done("close", "list").splitlines()
    assert [line.split()[:2] for line in listed] == [["2025-07-panel", "annulled"], ["2025-07-panel-2", "complete"]]
    service.done("close", "export", "2025-07-panel-2", "--out", tmp_path / "second")
    assert (tmp_path / "second" / "panel.csv").read_bytes() == (tmp_path / "july" / "panel.csv").read_bytes()
    assert service.stop_worker() == 0


def test_what_is_refused_is_listed_shown_and_sent_again(service: Service) -> None:
    prefix = service.settings.prefix
    service.start_worker()
    sender = Sender(service.settings.bootstrap)
    sender.send_now(
        [Message(f"{prefix}claims", 1, b"k", data) for data in (b"{ not avro }", b"\x00\x00\x00\x00\x63rest")]
    )
    service.quiet()
    listed = quarantined(service)
    assert [entry["id"] for entry in listed] == ["claims/1/1", "claims/1/0"]
    assert {entry["reason"] for entry in listed} == {"not_avro", "unknown_schema"}
    assert [entry["id"] for entry in quarantined(service, "--reason", "not_avro")] == ["claims/1/0"]

    shown = service.done("quarantine", "show", "claims/1/0")
    assert "not_avro" in shown
    assert "7b 20 6e 6f 74" in shown
    assert "{ not avro }" in shown

    assert service.done("quarantine", "replay", "claims/1/0").startswith("sent 1 records again")
    service.quiet()
    again = quarantined(service)
    assert [entry["id"] for entry in again] == ["claims/1/0", "claims/1/1"], "what was not fixed comes back, once"
    assert not again[0]["sent_again"]

    assert service.stop_worker() == 0
    service.done("quarantine", "replay", "--all")
    assert quarantined(service) == []
    assert {entry["id"] for entry in quarantined(service, "--replayed")} == {"claims/1/0", "claims/1/1"}


def test_a_conflict_of_the_conductor_cannot_be_sent_again(service: Service, tmp_path: Path) -> None:
    service.start_worker()
    for number, name in enumerate(("Acme", "Acme Health")):
        path = tmp_path / f"payer{number}.ndjson"
        path.write_text(json.dumps({"event_type": "payer", "event_id": "P1", "payer": "acme", "name": name}) + "\n")
        service.done("publish", path)
    service.quiet()
    (entry,) = quarantined(service)
    assert (entry["id"], entry["reason"]) == ("control/0/1", "event_id_conflict")
    assert "Acme Health" in service.done("quarantine", "show", "control/0/1")
    ended = service.run("quarantine", "replay", "control/0/1")
    assert ended.returncode == EXIT_CONFIG
    assert "publish the corrected record under an event id of its own" in ended.stderr
    assert "1 records of control cannot be sent again" in service.done("quarantine", "replay", "--all")


def test_an_unknown_member_of_a_live_partition(service: Service) -> None:
    service.start_worker()
    service.done("tick", D)
    ended = service.run("explain", "--payer", "acme", "--member", "nobody")
    assert ended.returncode == EXIT_CONFIG
    assert "No member nobody of payer acme is known in member-events[" in ended.stderr
