"""What was measured on a quiet machine and is kept with its date: docs/benchmarks.json, and the tables of docs/benchmarks.md.

A run replaces the results that it measured and leaves the others, each with the date and conditions under which it was found.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ops.bench.measured import Result
from ops.bench.table import BENCHMARKS, COLUMNS, by_processes, cells

DOCS = Path(__file__).parents[2] / "docs"
BEGIN = "<!-- what was measured: written by `make bench ARGS=--keep`, not by hand -->"
END = "<!-- end of what was measured -->"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A result, the day on which it was measured, and on what machine, with which versions, at which sizes."""

    result: Result
    measured: dt.date
    conditions: str


def keep(results: Iterable[Result], measured: dt.date, conditions: str, docs: Path = DOCS) -> None:
    """Put results in the place of earlier ones of the same names, and write the page's tables anew."""
    kept = {one.result.name: one for one in read(docs)}
    kept |= {one.name: Kept(result=one, measured=measured, conditions=conditions) for one in results}
    known = [line.name for benchmark in BENCHMARKS for line in benchmark.lines]
    in_order = [kept[name] for name in known if name in kept]
    encoded = msgspec.json.encode(in_order)
    page = docs / "benchmarks.md"
    before, _, after = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = after.partition(END)
    (docs / "benchmarks.json").write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")
    page.write_text(f"{before}{section(in_order)}{after}", encoding="utf-8")


def read(docs: Path = DOCS) -> list[Kept]:
    """What is kept, in the order of the page."""
    return msgspec.json.decode((docs / "benchmarks.json").read_bytes(), type=list[Kept])


def section(kept: Sequence[Kept]) -> str:
    """What stands in the page between its marks, marks included."""
    return "\n\n".join([BEGIN, *_parts(kept), END])


def _parts(kept: Sequence[Kept]) -> Iterator[str]:
    runs = {run: number for number, run in enumerate(sorted({(one.measured, one.conditions) for one in kept}), 1)}
    by_name = {one.result.name: one for one in kept}
    for title, results in by_processes(one.result for one in kept):
        yield f"### {title}\n\n{_table([by_name[one.name] for one in results], runs)}"
    goals = [line.name for benchmark in BENCHMARKS for line in benchmark.lines if line.goal is not None]
    missed = [one.result.name for one in kept if one.result.met is False]
    missing = [name for name in goals if name not in by_name]
    if runs:
        yield "\n".join(f"{number}. {measured}: {conditions}" for (measured, conditions), number in runs.items())
    yield f"Goals missed: {', '.join(missed) or 'none'}. Goals not measured yet: {', '.join(missing) or 'none'}."


def _table(rows: Iterable[Kept], runs: Mapping[tuple[dt.date, str], int]) -> str:
    columns = [*(column for column, _ in COLUMNS), "measured"]
    rules = [*("---:" if justify == "right" else "---" for _, justify in COLUMNS), "---"]
    told = [
        [
            *(cell.replace("|", "/") for cell in cells(one.result)),
            f"{one.measured} ({runs[one.measured, one.conditions]})",
        ]
        for one in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rules, *told))
