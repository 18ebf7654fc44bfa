"""What a benchmark says: medians with their runs, beside a peer or a goal (interface.md section 1)."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and where what was prepared is kept."""

    members: int
    claims: int
    """Claims of one run of the service and its peers."""
    repeats: int
    folder: Path
    partitions: int = 8
    seed: int = 2025
    measured: bool = False
    """Whether every measure of the program is asked, of members with three years and with what measures look for."""

    @property
    def with_measures(self) -> Sizes:
        """The same sizes, with measures."""
        return dataclasses.replace(self, measured=True)

    @property
    def warm_up(self) -> int:
        """Claims given to a fresh process before it is timed."""
        return max(1, self.claims // 10)

    @property
    def live(self) -> int:
        """Claims kept back from the history: one run's for the peers, and others for each run with one process and with two."""
        return self.claims + 2 * self.repeats * (self.claims + max(self.warm_up, FIRST_EVENTS))


FIRST_EVENTS = 20
"""Claims that wait for a worker that is started again."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark measured, run by run. `peer` is empty where only the goal is compared with.

    `processes`: how many of ours worked beside one of the peer's; None where the benchmark says itself who works.
    """

    name: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    processes: int | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A line of results.json. `ratio` is ours / peer; `met` compares it, or ours where there is no peer, with the goal."""

    name: str
    what: str
    ours: float
    peer: float | None
    ratio: float | None
    goal: float | None
    better: Better
    met: bool | None
    unit: str
    ours_runs: Sequence[float]
    peer_runs: Sequence[float]


def result(found: Found, *, what: str, unit: str, better: Better, goal: float | None) -> Result:
    """The medians of what was measured, and whether they meet the goal."""
    ours = statistics.median(found.ours)
    peer = statistics.median(found.peer) if found.peer else None
    ratio = None if peer is None else ours / peer
    compared = ours if ratio is None else ratio
    met = None if goal is None else compared >= goal if better == "higher" else compared <= goal
    return Result(
        name=found.name,
        what=what if found.processes is None else f"{what} (processes: {found.processes} beside 1)",
        ours=_rounded(ours),
        peer=None if peer is None else _rounded(peer),
        ratio=None if ratio is None else _rounded(ratio),
        goal=goal,
        better=better,
        met=met,
        unit=unit,
        ours_runs=[_rounded(run) for run in found.ours],
        peer_runs=[_rounded(run) for run in found.peer],
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
