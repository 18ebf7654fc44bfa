"""Replay by several processes: the same bytes as by one, each line and member worked once, and nothing left behind by one that fails."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.sample.population import population
from state.measures.editions import built_in
from state.measures.period import Period
from state.reference.starter_sets import starter_sets
from state.reference.tables import MissingTable, TableError, TableStore
from streams import replaying
from streams.event_files import EventFiles
from streams.history import Looked
from streams.processes import Heard, Processes, cores
from streams.replaying import Question, processes_for, replay
from streams.shares import Filed, shares
from streams.stopping import EXIT_BROKER, EXIT_FAULT, Stop
from tests.event_files import reference, seen, write

D = dt.date(2025, 6, 30)


# -- equal bytes --------------------------------------------------------------------------------------------------------


def test_any_number_of_processes_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [json.dumps(event).encode() for event in population(60, 7, dt.date(2024, 1, 1), D)]
    half = len(events) // 2
    broken = [b"not json", b'{"event_type":"claim","payer":"acme","member_id":"M"}', b"  ", b'{"event_type":"tick"}']
    files = [tmp_path / "first.ndjson", tmp_path / "second.ndjson", tmp_path / "empty.ndjson"]
    files[0].write_bytes(b"\n".join([*events[:half], *broken, *events[: half // 4]]))
    files[1].write_bytes(b"\n".join([*broken, *events[half:]]) + b"\n")
    files[2].touch()
    year = Period(dt.date(2024, 7, 1).toordinal(), D.toordinal())
    question = Question(D, editions=(built_in("capc-2025"),), value_sets=starter_sets(), periods=(year,))
    made = {}
    for count in (1, 2, 3):
        # Shares that are smaller than what is worth it, so that there are many.
        monkeypatch.setattr(replaying, "SHARE", 150 * count)
        monkeypatch.setattr(replaying, "PART", 50_000 * count)
        out = tmp_path / str(count)
        replay(files, question, TableStore(), out, processes=count)
        made[count] = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
    assert set(made[1]) == {
        *("panel.csv", "alerts.csv", "quarantine.csv", "manifest.json"),
        *("measures.csv", "rates.csv", "gaps.csv"),
    }
    assert min(data.count(b"\n") for data in made[1].values()) > 1
    assert f"first.ndjson,{half + 1},not_json".encode() in made[1]["quarantine.csv"]
    assert made[2] == made[1]
    assert made[3] == made[1]


def test_few_events_are_worked_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "cores", lambda: 4)
    assert [processes_for(size) for size in (0, 1 << 20, 20 << 20, 1 << 40)] == [1, 1, 2, 4]


def test_a_container_with_time_for_fewer_cores_has_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    quota = tmp_path / "cpu.max"
    assert cores(quota) == 8
    for text, count in (("max 100000\n", 8), ("250000 100000\n", 2), ("50000 100000\n", 1), ("9900000 100000\n", 8)):
        quota.write_text(text)
        assert cores(quota) == count


# -- every line and every member once -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    lines=st.lists(st.binary(max_size=8).map(lambda text: text.replace(b"\n", b"")), max_size=9),
    most=st.integers(1, 30),
)
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_parts_of_a_file_have_all_its_lines_in_order(lines: list[bytes], most: int, end: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        path.write_bytes(b"\n".join(lines) + end)
        files, found, whole = EventFiles([path]), [], []
        with path.open("rb") as file:
            whole = list(file)
        for part in files.parts(most):
            for row, (number, start, line) in enumerate(files.lines(part), start=1):
                assert number == row
                assert files.line(0, start, start + len(line)) == line
                found.append(line)
        assert found == whole
        assert [len(list(files.lines(part))) for part in files.parts()] == ([len(whole)] if whole else [])


@settings(deadline=None, max_examples=50)
@given(
    parts=st.lists(st.dictionaries(st.integers(0, 900), st.integers(1, 3), max_size=700), min_size=1, max_size=3),
    most=st.integers(1, 1000),
)
def test_shares_have_every_member_once_with_all_its_lines(parts: list[dict[int, int]], most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        filed = []
        for number, part in enumerate(parts):
            names = {("acme", f"M{name:03}"): array("Q", range(3 * lines)) for name, lines in part.items()}
            filed.append((number, 10 * number, Filed.of(Looked(members=names), Path(folder) / str(number))))
        met = [
            [(name, file, before, len(lines) // 3) for name, file, before, lines in share.lines()]
            for share in shares(filed, most, Path(folder))
        ]
    names = [sorted({name for name, *_ in some}) for some in met]
    assert [name for some in names for name in some] == sorted(
        {("acme", f"M{name:03}") for part in parts for name in part}
    )
    assert sorted(one for some in met for one in some) == sorted(
        (("acme", f"M{name:03}"), number, 10 * number, lines)
        for number, part in enumerate(parts)
        for name, lines in part.items()
    )


# -- processes that fail ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Doing:
    """Work that goes wrong at a task."""

    wrong: str

    def __call__(self, task: int, heard: Heard) -> int:
        heard(task)
        if task == 3:
            match self.wrong:
                case "stop":
                    raise Stop("the reason", EXIT_BROKER)
                case "table":
                    raise MissingTable("a table is missing")
                case "fault":
                    raise ZeroDivisionError("a member's data")
                case "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
        return task * task


def test_results_come_in_the_order_of_the_tasks_and_what_was_done_is_heard() -> None:
    heard: list[int] = []
    with Processes(2) as processes:
        assert list(processes.each(Doing(""), range(9), heard.append)) == [task * task for task in range(9)]
        assert list(processes.each(Doing(""), [], heard.append)) == []
        assert list(processes.each(Doing(""), [5, 7], heard.append)) == [25, 49]
    assert sum(heard) == sum(range(9)) + 12


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ("stop", Stop, "^the reason$"),
        ("table", MissingTable, "^a table is missing$"),
        (
            "fault",
            Stop,
            r"^An unknown fault, ZeroDivisionError at test_replay_processes.py:\d+ < .*: please report it\.$",
        ),
        ("killed", Stop, r"^A process that shared the work ended by signal 9: .*start again\.$"),
    ],
)
def test_what_goes_wrong_in_a_process_is_said_here(wrong: str, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as problem, Processes(2) as processes:
        list(processes.each(Doing(wrong), range(9), lambda _more: None))
    if isinstance(problem.value, Stop):
        assert problem.value.code == (EXIT_BROKER if wrong == "stop" else EXIT_FAULT)


def test_a_replay_that_stops_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    missing = {"event_type": "table", "kind": "ruleset", "name": "ours", "version": "1", "digest": "0" * 64}
    events = [*reference(), *seen(("2025-01-10", "A", "1")), {**missing, "activated_from": "2025-01-01"}]
    file = write(tmp_path / "events.ndjson", events)
    for count in (1, 2):
        with pytest.raises(TableError, match="0000"):
            replay([file], Question(D), TableStore(), tmp_path / "out", processes=count)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_changes_while_it_is_read_is_no_ground_for_an_answer(tmp_path: Path) -> None:
    file = write(tmp_path / "events.ndjson", [*reference(), *seen(("2025-01-10", "A", "1"))])

    def appended(_done: int, _total: int) -> None:
        with file.open("a") as more:
            more.write("\n")

    with pytest.raises(Stop, match=r"^events\.ndjson changed while it was read"):
        replay([file], Question(D), TableStore(), tmp_path / "out", report=lambda _what: appended)
    assert list((tmp_path / "out").iterdir()) == []


SLOW = """
import sys, time
from streams.processes import Processes
from tests.streams.test_replay_processes import Sleeping
if __name__ == "__main__":
    with Processes(2) as processes:
        for done in processes.each(Sleeping(), [0, 0, 60, 60], print):
            print("done", flush=True)
"""


@dataclass(frozen=True)
class Sleeping:
    """Work that takes its time."""

    def __call__(self, task: int, heard: Heard) -> None:
        time.sleep(task)


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, ends: signal.Signals) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"done\n"
    if ends == signal.SIGINT:
        # As a terminal does it: to all of them.
        os.killpg(process.pid, ends)
    else:
        process.kill()
    _, said = process.communicate(timeout=30)
    assert said.count(b"Traceback") == (1 if ends == signal.SIGINT else 0), said
    until = time.monotonic() + 20
    while _is_any_left(process.pid):
        assert time.monotonic() < until, "a process is left"
        time.sleep(0.05)


def _is_any_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
