"""The benchmarks run and say what they measured; how fast anything is, no test asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.bench import __main__ as bench
from ops.bench import table
from ops.bench.measured import Better, Found, result


def test_benchmarks_without_a_broker_write_their_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["tick_share", "bytes_per_member", "replay_vs_json"]
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
        "restart_s": ("lower", 2),
        "tick_share": ("lower", 0.03),
        "bytes_per_member": ("lower", 1024),
        "replay_vs_json": ("lower", 4),
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
