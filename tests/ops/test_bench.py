"""The benchmarks run, and say what they found in the layout that others read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.bench import __main__ as bench
from ops.bench import table
from ops.bench.measured import Found, result

WITHOUT_A_BROKER = ("tick_share", "bytes_per_member", "replay_vs_json")
KEYS = {"name", "what", "ours", "peer", "ratio", "goal", "better", "met"}


def test_a_benchmark_without_a_broker_writes_its_result_in_the_agreed_layout(tmp_path: Path) -> None:
    only = [word for name in WITHOUT_A_BROKER for word in ("--only", name)]
    bench.main(["--members", "40", "--claims", "5", "--repeats", "1", "--out", str(tmp_path), *only])

    results = {one["name"]: one for one in json.loads((tmp_path / "results.json").read_text())}
    assert set(results) == set(WITHOUT_A_BROKER)
    for one in results.values():
        assert set(one) >= KEYS
        assert one["better"] in {"higher", "lower"}
        assert one["met"] in {True, False}
        assert (one["ratio"] is None) == (one["peer"] is None)
    assert results["bytes_per_member"]["ours"] <= results["bytes_per_member"]["goal"]
    assert "tick_share" in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize(
    ("better", "ours", "met"),
    [
        ("higher", (1, 3, 9), True),
        ("higher", (1, 1, 9), False),
        ("lower", (1, 2, 9), True),
        ("lower", (1, 3, 9), False),
    ],
)
def test_a_goal_is_met_by_the_median_of_the_runs(better: str, ours: tuple[float, ...], *, met: bool) -> None:
    found = Found(name="some", ours=ours, peer=(2,))
    assert result(found, what="", unit="s", better=better, goal=1).met is met  # type: ignore[arg-type]


def test_every_goal_of_the_interface_is_measured_under_a_name_of_its_own() -> None:
    goals = {
        line.name: line.goal for benchmark in table.BENCHMARKS for line in benchmark.lines if line.goal is not None
    }
    assert goals == {
        "core_vs_faust_noop": 1.0,
        "core_vs_quix": 0.7,
        "restart_s": 2,
        "tick_share": 0.03,
        "bytes_per_member": 1024,
        "replay_vs_json": 4,
    }
    names = [line.name for benchmark in table.BENCHMARKS for line in benchmark.lines]
    assert len(names) == len(set(names))
