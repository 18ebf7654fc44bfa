"""The part of the demo in which lists are frozen: two monthly panels, then a period with its two readings, and an adjustment."""

from __future__ import annotations

import csv
import datetime as dt
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table as Grid

from ops import demo_measures
from ops.sample.population import Event
from schemas.records import Attribution, Reading, Snapshot
from streams import closing
from streams.waiting import Report

if TYPE_CHECKING:
    from ops.demo import Demo

CLOSES = Path("demo-out") / "closes"
K1, K2 = dt.date(2025, 7, 2), dt.date(2025, 8, 1)
PRACTICES_SHOWN = 5


def frozen(demo: Demo, period: str, reading: Reading) -> Snapshot:
    """Close a reading as the command does."""
    return closing.request(
        demo.settings, demo.codec, period, reading, actor="demo", reason=None, retro_months=6, report=_silent
    )


def close(demo: Demo, period: str, reading: Reading) -> tuple[Snapshot, float]:
    """Close a reading, write its files, and say how long the closing took, in seconds."""
    started = time.monotonic()
    found = frozen(demo, period, reading)
    took = time.monotonic() - started
    closing.export(demo.settings, demo.codec, found, CLOSES / found.close_id)
    return found, took


def show(demo: Demo, history: Sequence[Event], late: Sequence[Event], live: demo_measures.Counts) -> None:
    """Close July, then the period that ended with June; let late claims come between, and a void after the final reading."""
    demo.title("5  Lists and rates are frozen: a panel each month, then a period with an initial and a final reading")
    panel, took = close(demo, "2025-07", "panel")
    demo.console.print(
        f"panelstream close 2025-07 --reading panel: {panel.attributed:,} of {panel.members:,} members on lists, frozen in {took:.1f} s."
    )
    _show_changes(demo, CLOSES / panel.close_id / "lists.csv")
    demo.tick(K1)
    initial, _ = close(demo, "DEMO", "initial")
    demo.publish(late)
    demo.tick(K2)
    final, _ = close(demo, "DEMO", "final")
    differ = len(_differences(initial, final))
    demo.console.print(
        f"\nPeriod DEMO as of {initial.as_of}: the initial reading has {initial.attributed:,} members on lists. {len(late):,} events came "
        f"in during July.\nThe final reading has {final.attributed:,}; {differ} members stand elsewhere than in the initial one."
    )
    demo_measures.show_readings(demo, live, initial, final, CLOSES)
    demo.console.print()
    void = _void_of_the_only_claim(demo, final, history)
    if void is not None:
        demo.publish([void])
        demo.tick(K2 + dt.timedelta(days=1))
    for snapshot in (panel, final):
        closing.export(demo.settings, demo.codec, snapshot, CLOSES / snapshot.close_id)
    _show_adjustments(demo, panel, final)


def _show_changes(demo: Demo, lists: Path) -> None:
    changes: dict[str, Counter[str]] = {}
    for row in _rows(lists):
        changes.setdefault(row["practice_id"], Counter())[row["change"]] += 1
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    grid.add_column("practice, list of July", no_wrap=True)
    kinds = ("new", "changed", "nochange", "dropped")
    for kind in ("on the list", *kinds):
        grid.add_column(kind, justify="right")
    largest = sorted(changes, key=lambda one: (-changes[one].total(), one))[:PRACTICES_SHOWN]
    for practice in largest:
        counts = changes[practice]
        gone = counts["dropped"] + counts["cancelled"]
        grid.add_row(practice, str(counts.total() - gone), *(str(counts[kind] or "") for kind in kinds))
    demo.console.print(grid)


def _show_adjustments(demo: Demo, *snapshots: Snapshot) -> None:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for column in ("adjustments", "made", "by cause", "for example"):
        grid.add_column(column, no_wrap=column != "for example")
    for snapshot in snapshots:
        rows = _rows(CLOSES / snapshot.close_id / "adjustments.csv")
        causes = Counter(row["cause"] for row in rows)
        grid.add_row(
            f"to {snapshot.close_id}",
            str(len(rows)),
            ", ".join(f"{count} {cause}" for cause, count in causes.items()),
            "" if not rows else _example(rows[-1]),
        )
    demo.console.print(grid)
    demo.console.print(f"Lists, adjustments and manifests lie under {CLOSES}/.")


def _example(row: dict[str, str]) -> str:
    """An adjustment in words; of a measure its name and rate come first."""
    what = " ".join(row["what"].split(":")[2:])
    before = f"{what} " if what else ""
    return "{payer} {member_id} at {practice_id}: ".format_map(row) + f"{before}{row['before']}, now {row['after']}"


def _differences(initial: Snapshot, final: Snapshot) -> set[tuple[str, str, str]]:
    """Members whose practice is not the same in both readings, by what the second one says."""
    first, second = (
        {(row["payer"], row["member_id"], row["practice_id"]) for row in _rows(CLOSES / one.close_id / "panel.csv")}
        for one in (initial, final)
    )
    return second - first


def _void_of_the_only_claim(demo: Demo, final: Snapshot, history: Sequence[Event]) -> Event | None:
    """The void of a claim that alone keeps a member on a final list."""
    demo.listen()
    claims = {
        (event["payer"], event["member_id"], event.get("claim_id") or event["payer_claim_control_number"]): event
        for event in history
        if event["event_type"] == "claim"
    }
    for row in _rows(CLOSES / final.close_id / "panel.csv"):
        now: Attribution | None = demo.heard.attribution.get(f"{row['payer']}|{row['member_id']}", (None, None))[1]
        evidence = row["evidence"].split(";")
        claim = claims.get((row["payer"], row["member_id"], evidence[0]))
        if len(evidence) == 1 and claim is not None and now is not None and row["visits_18m"] == "1":
            return {
                **{
                    key: value
                    for key, value in claim.items()
                    if key not in {"event_id", "claim_version", "adjudicated_at"}
                },
                "claim_frequency_code": "8",
                "original_claim_id": claim["payer_claim_control_number"],
                "claim_version": 99,
                "lines": [],
                "accepted_at": f"{K2}T12:00:00Z",
            }
    return None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _silent(_what: str) -> Report:
    return lambda _done, _total: None
