"""Every measure of the set, by its id (program.md)."""

from __future__ import annotations

from collections.abc import Mapping

from state.measures import ahu, amr, bcs, cbp, cis, col, dms, drr, dsf, edu, gsd, ima, tcoc
from state.measures.outcome import Measure

_ALL: tuple[Measure, ...] = (
    ahu.MEASURE,
    amr.MEASURE,
    bcs.MEASURE,
    cbp.MEASURE,
    cis.MEASURE,
    col.MEASURE,
    dms.MEASURE,
    drr.MEASURE,
    dsf.MEASURE,
    edu.MEASURE,
    gsd.MEASURE,
    ima.MEASURE,
    tcoc.MEASURE,
)

MEASURES: Mapping[str, Measure] = {one.id: one for one in _ALL}
