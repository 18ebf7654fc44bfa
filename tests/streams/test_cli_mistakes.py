"""Expected mistakes at the command line: one clear sentence that says what to do, a status that is not 0, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from ops import program
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, EXIT_FAULT, EXIT_STATE

NOBODY = "127.0.0.1:1"
"""Where no broker listens."""
Run = Callable[..., "Ended"]


class Ended:
    """How a run of the program ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    @property
    def sentence(self) -> str:
        """What stands on standard error, when it is the one sentence that it must be."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("panelstream: ")
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the program in this process, with a state folder of its own and no broker."""
    monkeypatch.setenv("PANELSTREAM_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP", NOBODY)
    for name in ("TABLES", "KEYS", "CLOCK", "PREFIX", "PARTITIONS", "EMBEDDED", "REGISTRY_URL"):
        monkeypatch.delenv(f"PANELSTREAM_{name}", raising=False)

    def running(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as end:
            program.main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return Ended(int(end.value.code or 0), said.out, said.err)

    return running


@pytest.fixture
def event_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes event files."""

    def making(*events: dict[str, Any], name: str = "events.ndjson") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        return path

    return making


def verbs(app: typer.Typer, *before: str) -> list[tuple[str, ...]]:
    """Every verb of the program with those it stands under."""
    found = [
        (*before, command.name or command.callback.__name__) for command in app.registered_commands if command.callback
    ]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found += verbs(group.typer_instance, *before, str(group.name))
    return found


@pytest.mark.parametrize("verb", verbs(program.app()), ids=" ".join)
def test_the_help_of_every_verb_has_an_example(run: Run, verb: tuple[str, ...]) -> None:
    ended = run(*verb, "--help")
    assert ended.status == 0
    spoken = [word for word in verb if word != "period"]  # understood where a period stands
    assert f"Example: panelstream {' '.join(spoken)}" in " ".join(ended.out.split())


def test_without_a_verb_the_help_is_shown(run: Run) -> None:
    ended = run()
    assert ended.status == 0
    assert "quarantine" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "--wrong"], "No such option: --wrong. See `panelstream publish --help`."),
        (["nonsense"], "No such command 'nonsense'. See `panelstream --help`."),
        (["quarantine"], "See `panelstream quarantine --help`."),
        (["tick", "2025-02-30"], "'2025-02-30' is not a date: give it as YYYY-MM-DD."),
        (["tick", "9999-12-31"], "9999-12-31 is not between 1900 and 2199: give the day you mean."),
        (["tick", "0025-07-01"], "0025-07-01 is not between 1900 and 2199: give the day you mean."),
        (["generate", "--members", "0", "--seed", "1", "--from", "2025-01-01", "--to", "2025-02-01"], "--members"),
        (["replay", "x.ndjson", "--as-of", "2025-07-01"], "Missing option '--out'"),
        (["log"], "Missing command. See `panelstream log --help`."),
        (["log", "export"], "Missing option '--out'"),
        (
            ["replay", "x.ndjson", "--as-of", "2025-07-01", "--out", "o", "--known-at", "noon"],
            "'noon' is not a time with its zone",
        ),
        (
            ["replay", "x.ndjson", "--as-of", "2025-07-01", "--out", "o", "--known-at", "2025-07-01T00:00"],
            "is not a time with its zone: give it as 2025-07-01T00:00:00Z.",
        ),
        (
            ["generate", "--members", "1", "--seed", "1", "--from", "2025-02-01", "--to", "2025-01-01"],
            "give a later --to",
        ),
        (["publish", "nowhere.ndjson"], "nowhere.ndjson does not exist: name NDJSON files"),
        (["publish", "/"], "/ is a folder, not an event file"),
        (["import", "tuva", "nowhere", "--out", "o"], "name the folder that holds it"),
        (["explain", "--payer", "p", "--member", "m", "--ruleset", "guide"], "go with --files"),
        (["explain", "--payer", "p", "--member", "m", "--files", "x"], "--files needs --as-of"),
        (["quarantine", "replay"], "Give either the IDs of records, or --all"),
        (["quarantine", "replay", "claims/0/1", "--reason", "x"], "--reason goes with --all"),
        (["tick", "2199-01-01"], "lies beyond tomorrow"),
        (["tick", "0202-07-01"], "0202-07-01 is not between 1900 and 2199"),
        (["explain", "--payer", "p", "--member", "m", "--as-of", "0001-01-01"], "is not between 1900 and 2199"),
        (["replay", "x.ndjson", "--as-of", "9999-12-31", "--out", "o"], "is not between 1900 and 2199"),
    ],
)
def test_a_wrong_argument_gives_one_sentence(run: Run, arguments: list[str], said: str) -> None:
    ended = run(*arguments)
    assert ended.status == EXIT_CONFIG
    assert said in ended.sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ["worker"],
        ["topics", "create"],
        ["topics", "check"],
        ["publish", "EVENTS"],
        ["tick", "2025-07-01"],
        ["quarantine", "list"],
        ["quarantine", "show", "claims/0/1"],
        ["quarantine", "replay", "--all"],
        ["log", "export", "--out", "nowhere"],
    ],
    ids=" ".join,
)
def test_a_broker_that_is_away_gives_one_sentence(
    run: Run, arguments: list[str], event_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.topic_admin.PATIENCE", 0.5)
    path = event_file({"event_type": "payer", "payer": "acme", "name": "Acme"})
    ended = run(*(str(path) if argument == "EVENTS" else argument for argument in arguments))
    assert ended.status == EXIT_BROKER
    assert f"No Kafka broker answers at {NOBODY}: start it, or set KAFKA_BOOTSTRAP" in ended.sentence


@pytest.mark.parametrize("verb", ["create", "check"])
def test_topics_are_not_asked_of_the_embedded_broker(run: Run, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANELSTREAM_EMBEDDED", "1")
    assert "not offered on the embedded broker" in run("topics", verb).sentence


def test_a_setting_that_is_wrong_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANELSTREAM_PARTITIONS", "many")
    ended = run("topics", "check")
    assert ended.status == EXIT_CONFIG
    assert "PANELSTREAM_PARTITIONS is 'many'" in ended.sentence


def test_a_registry_that_is_away_gives_one_sentence(
    run: Run, event_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANELSTREAM_REGISTRY_URL", "http://127.0.0.1:1")
    ended = run("publish", event_file({"event_type": "payer", "payer": "acme", "name": "Acme"}))
    assert ended.status == EXIT_BROKER
    assert "The schema registry at http://127.0.0.1:1 does not answer" in ended.sentence


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give --as-of DATE, or --snapshot MANIFEST."),
        (["--snapshot", "nowhere.json"], "nowhere.json does not exist: name the manifest.json"),
        (["--snapshot", "nowhere.json", "--as-of", "2025-07-01"], "--snapshot brings its own --as-of"),
        (["--snapshot", "nowhere.json", "--ruleset", "guide"], "leave them out"),
    ],
)
def test_a_replay_asks_either_for_a_day_or_for_a_snapshot(
    run: Run, event_file: Callable[..., Path], tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = run("replay", event_file(), *arguments, "--out", tmp_path / "out")
    assert ended.status == EXIT_CONFIG
    assert said in ended.sentence
    assert not (tmp_path / "out").exists()


def test_an_unknown_ruleset_names_those_there_are(run: Run, event_file: Callable[..., Path], tmp_path: Path) -> None:
    ended = run("replay", event_file(), "--as-of", "2025-07-01", "--ruleset", "fair", "--out", tmp_path / "out")
    assert ended.status == EXIT_CONFIG
    assert "no ruleset 'fair'" in ended.sentence
    assert "guide, recency_first, weighted" in ended.sentence
    assert not (tmp_path / "out").exists()


def test_an_unknown_table_digest_is_named(run: Run, event_file: Callable[..., Path], tmp_path: Path) -> None:
    digest = "ab" * 32
    path = event_file(
        {
            "event_type": "table",
            "kind": "npi_taxonomy",
            "name": "nppes",
            "version": "1",
            "digest": digest,
            "activated_from": "2025-01-01",
        }
    )
    ended = run("replay", path, "--as-of", "2025-07-01", "--out", tmp_path / "out")
    assert ended.status == EXIT_CONFIG
    assert digest in ended.sentence
    assert "lay the file there" in ended.sentence


def test_two_files_of_one_name_cannot_be_told_apart(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for path in (tmp_path / "x.ndjson", tmp_path / "a" / "x.ndjson"):
        path.write_text("{}\n")
    files = (tmp_path / "x.ndjson", tmp_path / "a" / "x.ndjson")
    assert "rename one of them" in run("replay", *files, "--as-of", "2025-07-01", "--out", tmp_path / "out").sentence


def test_a_member_whose_state_is_elsewhere_is_not_guessed(run: Run) -> None:
    ended = run("explain", "--payer", "acme", "--member", "A1")
    assert ended.status == EXIT_STATE
    assert "ask on the host whose worker holds partition" in ended.sentence


def test_an_unknown_member_is_told_with_no_more_than_was_asked(run: Run, event_file: Callable[..., Path]) -> None:
    path = event_file({"event_type": "payer", "payer": "acme", "name": "Acme"})
    ended = run("explain", "--payer", "acme", "--member", "A1", "--files", path, "--as-of", "2025-07-01")
    assert ended.status == EXIT_CONFIG
    assert ended.sentence.startswith("panelstream: No member A1 of payer acme is known in events.ndjson")


def test_an_unknown_fault_tells_where_but_nothing_of_the_data(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("Jane Doe")

    monkeypatch.setattr("ops.sample.population.population", broken)
    ended = run("generate", "--members", "1", "--seed", "1", "--from", "2025-01-01", "--to", "2025-02-01")
    assert ended.status == EXIT_FAULT
    assert "KeyError at" in ended.sentence
    assert "Jane" not in ended.err


def test_the_program_runs_as_a_process_and_ends_with_the_status() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ops.program", "publish", "--wrong"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == EXIT_CONFIG
    assert ended.stderr == "panelstream: No such option: --wrong. See `panelstream publish --help`.\n"
    assert ended.stdout == ""


def test_a_close_without_a_broker_says_so(run: Run) -> None:
    ended = run("close", "2025-07", "--reading", "panel", "--bootstrap", "127.0.0.1:1")
    assert ended.status == 73
    assert "No Kafka broker answers at 127.0.0.1:1" in ended.err


def test_a_close_without_its_reading_is_told_which_there_are(run: Run) -> None:
    ended = run("close", "2025-07")
    assert ended.status == 78
    assert "Missing option '--reading'. Choose from: panel, initial, final." in ended.err


def test_a_close_is_not_withdrawn_without_a_word_why(run: Run) -> None:
    ended = run("close", "annul", "X", "--reason", " ")
    assert ended.status == 78
    assert "--reason is empty" in ended.err
