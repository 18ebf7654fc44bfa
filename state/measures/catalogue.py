"""Every measure of the set, by its id (program.md)."""

from __future__ import annotations

from collections.abc import Mapping

from state.measures import amr, bcs, cbp, cis, col, dms, drr, dsf, gsd, ima
from state.measures.outcome import Measure

_ALL: tuple[Measure, ...] = (
    amr.MEASURE,
    bcs.MEASURE,
    cbp.MEASURE,
    cis.MEASURE,
    col.MEASURE,
    dms.MEASURE,
    drr.MEASURE,
    dsf.MEASURE,
    gsd.MEASURE,
    ima.MEASURE,
)

MEASURES: Mapping[str, Measure] = {one.id: one for one in _ALL}
