"""The benchmarks run and say what they measured; how fast anything is, no test asks."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest

from ops.bench import __main__ as bench
from ops.bench import kept, table
from ops.bench.measured import Better, Found, Result, result


def test_benchmarks_without_a_broker_write_their_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        "tick_share",
        "bytes_per_member",
        "bytes_per_member_all",
        "replay_vs_json",
        "replay_measures_vs_duckdb",
    ]
    asked = [word for name in names for word in ("--only", name)]
    bench.main([*asked, "--members", "60", "--claims", "10", "--repeats", "1", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "results.json").read_text())
    assert [one["name"] for one in results] == names
    for one in results:
        assert {"name", "what", "ours", "peer", "ratio", "goal", "better", "met"} <= one.keys()
        assert one["better"] in {"higher", "lower"}
        assert one["ours"] > 0
        compared = one["ours"] if one["ratio"] is None else one["ratio"]
        assert one["met"] is (compared >= one["goal"] if one["better"] == "higher" else compared <= one["goal"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)


def test_the_goals_are_those_that_were_set() -> None:
    goals = {
        line.name: (line.better, line.goal) for one in table.BENCHMARKS for line in one.lines if line.goal is not None
    }
    assert goals == {
        "core_vs_faust_noop": ("higher", 1.0),
        "core_vs_quix": ("higher", 0.7),
        "all_vs_faust_noop": ("higher", 0.7),
        "all_vs_quix": ("higher", 0.5),
        "restart_s": ("lower", 2),
        "tick_share": ("lower", 0.03),
        "bytes_per_member": ("lower", 1024),
        "bytes_per_member_all": ("lower", 4096),
        "replay_vs_json": ("lower", 4),
        "replay_measures_vs_duckdb": ("lower", 3),
    }


@pytest.mark.parametrize(
    ("better", "ours", "met"),
    [
        ("higher", (1, 3, 9), True),
        ("higher", (1, 1, 9), False),
        ("lower", (1, 2, 9), True),
        ("lower", (1, 3, 9), False),
    ],
)
def test_a_goal_is_met_by_the_median_of_the_runs(better: Better, ours: tuple[float, ...], *, met: bool) -> None:
    found = Found(name="some", ours=ours, peer=(2,))
    assert result(found, what="", unit="s", better=better, goal=1).met is met


def test_a_comparison_of_several_processes_with_one_says_so() -> None:
    found = Found(name="some", ours=[1], peer=[2], processes=3)
    assert result(found, what="some work", unit="s", better="lower", goal=1).what == "some work (processes: 3 beside 1)"


def test_the_page_on_benchmarks_says_what_is_kept_and_has_a_section_for_each_goal_missed() -> None:
    page = (kept.DOCS / "benchmarks.md").read_text()
    assert kept.section(kept.read()) in page, "run `make bench ARGS=--keep`; the tables are not written by hand"
    missed = {one.result.name for one in kept.read() if one.result.met is False}
    assert missed <= {line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")}
    lines = {line.name for one in table.BENCHMARKS for line in one.lines if not line.name.endswith("_two_processes")}
    assert all(f"| `{name}` |" in page for name in lines)
    assert {one.result.name for one in kept.read()} <= {line.name for one in table.BENCHMARKS for line in one.lines}


def measured(name: str, ours: float) -> Result:
    return result(Found(name=name, ours=[ours], peer=[2.0]), what="this | that", unit="s", better="lower", goal=4)


def test_a_run_replaces_what_it_measured_and_leaves_the_rest_with_its_date(tmp_path: Path) -> None:
    for name in ("benchmarks.md", "benchmarks.json"):
        shutil.copy(kept.DOCS / name, tmp_path)
    (tmp_path / "benchmarks.json").write_text("[]")
    before, after = dt.date(2026, 1, 5), dt.date(2026, 2, 7)
    first = [measured("replay_vs_json", 9.0), measured("tick_share", 1.0), measured("core_vs_quix_two_processes", 3.0)]
    kept.keep(first, before, "an old machine", tmp_path)
    kept.keep([measured("replay_vs_json", 6.0)], after, "a new machine", tmp_path)
    assert [(one.result.name, one.result.ours, one.measured) for one in kept.read(tmp_path)] == [
        ("core_vs_quix_two_processes", 3.0, before),
        ("tick_share", 1.0, before),
        ("replay_vs_json", 6.0, after),
    ]
    page = (tmp_path / "benchmarks.md").read_text()
    one_process, _, two_processes = page.partition("### Two worker processes")
    assert "| replay_vs_json | this / that | 6 s | 2 s | 3 | ≤ 4 | yes | 2026-02-07 (2) |" in one_process
    assert "| core_vs_quix_two_processes |" in two_processes
    assert "1. 2026-01-05: an old machine\n2. 2026-02-07: a new machine" in page
    assert page.count(kept.BEGIN) == page.count(kept.END) == 1
    assert page.startswith("# How fast it is")
    # What people write below stays as it is.
    assert page.partition(kept.END)[2] == (kept.DOCS / "benchmarks.md").read_text().partition(kept.END)[2]


def test_what_two_processes_gave_stands_in_a_second_table(capsys: pytest.CaptureFixture[str]) -> None:
    table.print_results([measured("core_vs_quix", 1.0), measured("core_vs_quix_two_processes", 3.0)])
    one, _, two = capsys.readouterr().out.partition("Two worker processes, no goal")
    assert "core_vs_quix " in one
    assert "core_vs_quix_two_processes" not in one
    assert "core_vs_quix_two_processes" in two


def test_what_was_measured_small_is_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--keep", "--members", "60", "--out", str(tmp_path)])
    assert "--keep goes with the sizes that the goals are for" in capsys.readouterr().err


def test_the_conditions_name_machine_versions_and_sizes(tmp_path: Path) -> None:
    said = table.conditions(table.Sizes(60, 10, 1, tmp_path))
    for part in (
        "cores of",
        "Python 3.",
        "faust-streaming 0.",
        "quixstreams 3.",
        "duckdb ",
        "60 members, 10 claims a run",
        "median of 1",
    ):
        assert part in said
