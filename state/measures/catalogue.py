"""Every measure of the set, by its id (program.md)."""

from __future__ import annotations

from collections.abc import Mapping

from state.measures import bcs, cis, col, ima
from state.measures.outcome import Measure

_ALL: tuple[Measure, ...] = (
    bcs.MEASURE,
    cis.MEASURE,
    col.MEASURE,
    ima.MEASURE,
)

MEASURES: Mapping[str, Measure] = {one.id: one for one in _ALL}
