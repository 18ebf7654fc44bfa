"""The part of the demo in which measures are asked: rates and open gaps on a day, then what two readings of a period freeze."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import confluent_kafka
from rich.table import Table as Grid

from ops.sample.population import Event
from schemas.records import Snapshot
from state.measures.editions import FOLDER
from state.measures.results import LIVE
from streams.rates_shown import MARK, marked
from streams.reading import read_since

if TYPE_CHECKING:
    from ops.demo import Demo

PERIOD: Event = {
    "event_type": "period",
    "period": "DEMO",
    "performance_end": "2025-06-30",
    "k1": "2025-07-02",
    "k2": "2025-08-01",
    "pool_from": "2025-01-01",
    "pool_months": 6,
    "accepted_at": "2025-06-01T00:00:00Z",
}
"""A period whose claims are waited for 2 and 32 days, in place of 90 and 180, so that the demo ends."""
EDITION = "capc-2025"
ACTIVE_FROM = "2025-06-01"
SHOWN = {
    "CBP": "controlled",
    "CIS": "combo10",
    "COL": "screened",
    "GSD": "lt8",
    "BCS": "screened",
    "DSF": "screened",
    "IMA": "combo2",
    "EDU": "observed_per_1000",
}
"""The measures shown, each by one rate, equity sensitive ones first. EDU is visits per 1,000; fewer are better."""
PER_THOUSAND = frozenset({"EDU"})
GAPS_SHOWN = ("CBP", "CIS", "COL", "GSD", "BCS", "IMA")
Counts = Mapping[tuple[str, str], tuple[int, int]]
"""By practice and measure: how many count, and how many of them meet the measure."""


def edition() -> Event:
    """The record that puts the edition in force."""
    digest = hashlib.sha256((FOLDER / f"{EDITION}.toml").read_bytes()).hexdigest()
    return {
        "event_type": "table",
        "kind": "editions",
        "name": EDITION,
        "version": "1",
        "digest": digest,
        "activated_from": ACTIVE_FROM,
        "accepted_at": f"{ACTIVE_FROM}T00:00:00Z",
    }


def show_live(demo: Demo) -> Counts:
    """Rates of every practice as they stand now, and some open gaps; what was counted."""
    counts = _live(demo)
    practices = sorted({practice for practice, _ in counts})
    demo.console.print(
        f"Edition {EDITION}, the year to {PERIOD['performance_end']} as far as it is known, starter value sets: adjusted, "
        f"uncertified, unaudited.\nPercent who meet a measure, and of how many members; {MARK} equity sensitive:"
    )
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    grid.add_column("practice", no_wrap=True)
    for measure in SHOWN:
        per = " per 1,000" if measure in PER_THOUSAND else ""
        grid.add_column(f"{marked(measure)}{per}", justify="right", no_wrap=True)
    for practice in practices:
        grid.add_row(practice, *(_cell(measure, counts.get((practice, measure))) for measure in SHOWN))
    grid.add_row("all", *(_cell(measure, _all(counts, measure)) for measure in SHOWN))
    demo.console.print(grid)
    _show_gaps(demo)
    return counts


def show_readings(demo: Demo, live: Counts, initial: Snapshot, final: Snapshot, folder: Path) -> None:
    """What the readings of the period froze, all practices together, beside what was live when the month began."""
    readings = {
        f"live on {ACTIVE_FROM}": live,
        "initial": _frozen(folder / initial.close_id),
        "final": _frozen(folder / final.close_id),
    }
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    grid.add_column("measure, all practices", no_wrap=True)
    for name in readings:
        grid.add_column(name, justify="right", no_wrap=True)
    for measure, rate in SHOWN.items():
        cells = [_cell(measure, _all(counts, measure)) for counts in readings.values()]
        grid.add_row(f"{marked(measure)} {rate}", *cells)
    demo.console.print("\nRates of the period as they were frozen (rates.csv and gaps.csv lie beside the lists):")
    demo.console.print(grid)


def _live(demo: Demo) -> Counts:
    """The newest sums of every partition for the period, read from the topic that consumers read."""
    found: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for one in _now(demo, "aggregates"):
        shown = SHOWN.get(one.measure) == one.rate and not one.stratum and one.denominator
        if shown:
            counted, met = found[one.practice_id, one.measure]
            found[one.practice_id, one.measure] = counted + one.denominator, met + one.numerator
    return found


def _now(demo: Demo, topic: str) -> list[Any]:
    """The records of a compacted topic that say how the period stands now: the last of each key, unless it was taken back."""
    found: dict[bytes, Any] = {}
    partitions = dict.fromkeys(range(demo.settings.partitions), confluent_kafka.OFFSET_BEGINNING)
    for message in read_since(demo.settings, topic, partitions):
        data, key = message.value(), message.key() or b""
        if data is None:
            found.pop(key, None)
        else:
            found[key] = demo.codec.decode_output(topic, data)[0]
    return [one for one in found.values() if (one.period, one.reading) == (PERIOD["period"], LIVE)]


def _frozen(folder: Path) -> Counts:
    found: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    with (folder / "rates.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if SHOWN.get(row["measure"]) == row["rate"] and not row["stratum"]:
                counted, met = found[row["practice_id"], row["measure"]]
                found[row["practice_id"], row["measure"]] = (
                    counted + int(row["denominator"]),
                    met + int(row["numerator"]),
                )
    return found


def _all(counts: Counts, measure: str) -> tuple[int, int]:
    some = [both for (_, name), both in counts.items() if name == measure]
    return sum(counted for counted, _ in some), sum(met for _, met in some)


def _cell(measure: str, both: tuple[int, int] | None) -> str:
    if both is None or not both[0]:
        return "-"
    counted, met = both
    return f"{1000 * met / counted:.0f}" if measure in PER_THOUSAND else f"{100 * met / counted:.0f} of {counted}"


def _show_gaps(demo: Demo) -> None:
    """One open gap of each measure, in words."""
    open_gaps = [
        (one.measure, one.payer, one.member_id, one.practice_id or "", gap)
        for one in _now(demo, "gaps")
        for gap in one.gaps
        if gap.status == "open" and gap.closes_with and one.practice_id
    ]
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for column in ("open gaps", "in all", "for example", "closes with", "by"):
        grid.add_column(column, no_wrap=column != "closes with")
    for measure in GAPS_SHOWN:
        some = sorted((gap for gap in open_gaps if gap[0] == measure), key=lambda gap: gap[1:4])
        if some:
            _, payer, member, practice, first = some[0]
            members = len({gap[1:3] for gap in some})
            example = f"{payer} {member} at {practice}"
            grid.add_row(marked(measure), str(members), example, first.closes_with, str(first.due_by or ""))
    demo.console.print()
    demo.console.print(grid)
