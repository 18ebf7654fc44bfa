"""Every measure of the set, by its id (program.md)."""

from __future__ import annotations

from collections.abc import Mapping

from state.measures import ahu, bcs, cis, col, edu, ima, tcoc
from state.measures.outcome import Measure

_ALL: tuple[Measure, ...] = (
    ahu.MEASURE,
    bcs.MEASURE,
    cis.MEASURE,
    col.MEASURE,
    edu.MEASURE,
    ima.MEASURE,
    tcoc.MEASURE,
)

MEASURES: Mapping[str, Measure] = {one.id: one for one in _ALL}
