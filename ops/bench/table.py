"""Which benchmarks there are, what each goal is, and how results are told."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from ops.bench import closing, core, files, measures, restart, stored
from ops.bench.measured import Better, Found, Result, Sizes, result

TWO_PROCESSES = "_two_processes"
"""Ends the names of what is measured with two processes each."""
QUIX = Path(__file__).parent / "peers" / "quix_requirements.txt"


class Line(msgspec.Struct, frozen=True):
    """One result: its name, what is measured, the unit, which way is better, the goal (None: shown beside others)."""

    name: str
    what: str
    unit: str
    better: Better
    goal: float | None = None


class Benchmark(msgspec.Struct, frozen=True):
    """One measurement and the results it gives."""

    run: Callable[[Sizes], Iterator[Found]]
    lines: tuple[Line, ...]


def _with_two_processes(*lines: Line) -> tuple[Line, ...]:
    """These lines, and each again with two processes of ours and of the peer, where there is no goal."""
    return (
        *lines,
        *(
            msgspec.structs.replace(
                line, name=line.name + TWO_PROCESSES, what=f"{line.what}; two processes each", goal=None
            )
            for line in lines
        ),
    )


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        core.core_vs_faust,
        _with_two_processes(
            Line(
                "core_vs_faust_noop",
                "claims in, attribution and alerts out, beside a Faust agent that does nothing",
                "events/s",
                "higher",
                1.0,
            ),
            Line("core_vs_faust_decode", "the same beside a Faust agent that reads their Avro", "events/s", "higher"),
            Line("core_vs_faust_count", "the same beside a Faust agent that counts in a table", "events/s", "higher"),
        ),
    ),
    Benchmark(
        core.core_vs_quix,
        _with_two_processes(
            Line("core_vs_quix", "the same beside 12-month attribution in Quix Streams", "events/s", "higher", 0.7)
        ),
    ),
    Benchmark(
        core.all_vs_faust,
        (
            *_with_two_processes(
                Line(
                    "all_vs_faust_noop",
                    "the same with every measure and gap, beside a Faust agent that does nothing",
                    "events/s",
                    "higher",
                    0.7,
                )
            ),
            Line("claims_without_measure", "of 100 claims of all_vs_*, those that touch no measure", "%", "higher"),
        ),
    ),
    Benchmark(
        core.all_vs_quix,
        _with_two_processes(
            Line(
                "all_vs_quix",
                "the same with every measure and gap, beside 12-month attribution in Quix Streams",
                "events/s",
                "higher",
                0.5,
            )
        ),
    ),
    Benchmark(
        restart.restart_s,
        (Line("restart_s", "a killed worker started again: seconds to its first output", "s", "lower", 2),),
    ),
    Benchmark(
        closing.close_s,
        (
            Line("close_s", "a panel of all members: seconds from asking for it to its manifest", "s", "lower"),
            Line(
                "close_waiting_s",
                "claim to answer, 99 in 100 at most: during a close, beside without one",
                "s",
                "lower",
            ),
        ),
    ),
    Benchmark(
        stored.tick_share,
        (Line("tick_share", "a clock tick with 1% of the members due, beside one with all due", "s", "lower", 0.03),),
    ),
    Benchmark(
        stored.bytes_per_member,
        (Line("bytes_per_member", "hot state of a member with 24 months of history", "bytes", "lower", 1024),),
    ),
    Benchmark(
        measures.bytes_per_member_all,
        (
            Line(
                "bytes_per_member_all",
                "the same with 36 months and every measure over two windows",
                "bytes",
                "lower",
                4096,
            ),
        ),
    ),
    Benchmark(
        files.replay_vs_json,
        (Line("replay_vs_json", "replay of a history, beside reading it as JSON", "s", "lower", 4),),
    ),
    Benchmark(
        measures.replay_measures_vs_duckdb,
        (
            Line(
                "replay_measures_vs_duckdb",
                "replay of three years with every measure over two, beside DuckDB doing four of them",
                "s",
                "lower",
                3,
            ),
        ),
    ),
)


def names() -> list[str]:
    """The names that `--only` takes: the first result of each benchmark."""
    return [benchmark.lines[0].name for benchmark in BENCHMARKS]


def run(sizes: Sizes, only: Sequence[str], tell: Callable[[str], None]) -> list[Result]:
    """Run the benchmarks named in `only`, or all of them, and compare each with its goal."""
    results: list[Result] = []
    for benchmark in BENCHMARKS:
        name = benchmark.lines[0].name
        if only and name not in only:
            continue
        tell(name)
        lines = {line.name: line for line in benchmark.lines}
        for found in benchmark.run(sizes):
            line = lines[found.name]
            results.append(result(found, what=line.what, unit=line.unit, better=line.better, goal=line.goal))
    return results


def shown(results: Iterable[Result]) -> Grid:
    """The table for a person: medians, and the slowest and fastest run."""
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for column, justify in COLUMNS:
        grid.add_column(column, justify=justify)  # type: ignore[arg-type]
    for one in results:
        grid.add_row(*cells(one))
    return grid


def conditions(sizes: Sizes) -> str:
    """Under what a run was made: machine, versions, sizes."""
    return (
        f"{_machine()}; {_versions()}; {sizes.members:,} members, {sizes.claims:,} claims a run, {sizes.partitions} partitions, "
        f"median of {sizes.repeats}, lowest and highest run in brackets"
    )


def write(results: Sequence[Result], out: Path) -> None:
    """Write results.json."""
    out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.encode(list(results))
    (out / "results.json").write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")


def print_results(results: Sequence[Result]) -> None:
    """Print the table, and a second one of what was measured with two processes."""
    console = Console(highlight=False, width=160)
    for title, rows in by_processes(results):
        console.print(f"\n{title}", style="bold")
        console.print(shown(rows))


def by_processes(results: Iterable[Result]) -> Iterator[tuple[str, list[Result]]]:
    """The results with one worker process, then those with two, under their titles; what there is none of is left out."""
    one: list[Result] = []
    two: list[Result] = []
    for found in results:
        (two if found.name.endswith(TWO_PROCESSES) else one).append(found)
    for title, rows in (("One worker process", one), ("Two worker processes, no goal", two)):
        if rows:
            yield title, rows


COLUMNS = (
    ("name", "left"),
    ("what", "left"),
    ("ours", "right"),
    ("peer", "right"),
    ("ratio", "right"),
    ("goal", "right"),
    ("met", "left"),
)


def cells(one: Result) -> list[str]:
    """A result as a row under `COLUMNS`."""
    sign = "≥" if one.better == "higher" else "≤"
    return [
        one.name,
        one.what,
        _with_spread(one.ours, one.ours_runs, one.unit),
        "" if one.peer is None else _with_spread(one.peer, one.peer_runs, one.unit),
        "" if one.ratio is None else f"{one.ratio:.3g}",
        "" if one.goal is None else f"{sign} {one.goal:,g}",
        "" if one.met is None else "yes" if one.met else "no",
    ]


def _with_spread(median: float, runs: Sequence[float], unit: str) -> str:
    if len(runs) < 2:
        return f"{_number(median)} {unit}"
    return f"{_number(median)} {unit} ({_number(min(runs))} to {_number(max(runs))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machine() -> str:
    model = (
        next(
            (
                line.partition(":")[2].strip()
                for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                if line.startswith("model name")
            ),
            platform.processor(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    return f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release().partition('-')[0]}"


def _versions() -> str:
    packages = ("faust-streaming", "aiokafka", "confluent-kafka", "fastavro", "msgspec", "duckdb")
    quix = next(line for line in QUIX.read_text(encoding="utf-8").splitlines() if line.startswith("quixstreams=="))
    return ", ".join(
        [
            f"Python {platform.python_version()}",
            *(f"{one} {importlib.metadata.version(one)}" for one in packages),
            quix.replace("==", " "),
        ]
    )
