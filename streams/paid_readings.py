"""What closes have frozen, gathered from the conductor's file for money: the people of panels, and the sums that rates of periods rest on.

Reads, changes nothing; the rules are in `state.payment`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Sequence

import msgspec

from schemas.money import Statement
from schemas.records import Partial, PeopleCount, Period, Snapshot
from state.payment import corrections, drafting, frozen_rates
from state.payment.closes import NothingStated
from state.payment.drafting import Known, Panel
from state.payment.element2 import quarter_of
from state.payment.frozen_rates import FrozenRates, NotMeasured, Reading
from state.payment.partial_sums import added_up
from state.reference.tables import TableStore
from state.stores.program import ProgramState


async def panels(state: ProgramState, months: Container[dt.date]) -> dict[dt.date, Panel]:
    """The complete panels of some months, by the first day of each."""
    return {
        one.as_of: Panel(snapshot=one, people=people_of(await state.partials(one.close_id)))
        for one in await state.panels()
        if one.as_of is not None and one.as_of in months
    }


async def adjustable(
    state: ProgramState, snapshot: Snapshot, partials: Sequence[Partial], on: dt.date
) -> dict[dt.date, Panel]:
    """The panels that may still be adjusted on a day, with what the close `snapshot` has told of them, by the first day of each.

    A quarter that is paid at once may be adjusted as long as one of its panels may.
    """
    every = [one for one in await state.panels() if one.close_id != snapshot.close_id]
    if snapshot.reading == "panel":
        every.append(snapshot)
    recent = {one.as_of for one in every if one.as_of and one.retro_until is not None and on < one.retro_until}
    months = {month for one in recent for month in quarter_of(one)}
    found: dict[dt.date, Panel] = {}
    for one in every:
        if one.as_of not in months:
            continue
        people, services = await state.restated(one.close_id, snapshot.control)
        found[one.as_of] = Panel(
            snapshot=one,
            people=people_of(partials if one is snapshot else await state.partials(one.close_id)),
            moved=corrections.people_together(people),
            services=corrections.services_together(services),
        )
    return found


def people_of(partials: Iterable[Partial]) -> tuple[PeopleCount, ...]:
    """The people of a close, those of all partitions together."""
    return corrections.people_together(one for partial in partials for one in partial.people)


async def rates(
    state: ProgramState, store: TableStore, period: Period, snapshot: Snapshot, later: Snapshot | None = None
) -> FrozenRates:
    """What an initial or final reading of a period is paid on: as it was frozen, or as its sums had become at the close `later`.

    The baseline is as frozen, whatever came later. Raises `NothingStated`, `TableError`.
    """
    baseline = None
    if period.baseline is not None:
        for one in await state.standing(period.baseline):
            if one.reading == "final" and one.state == "complete":
                baseline = await _reading(state, store, one)
    try:
        return frozen_rates.rates_of(store, period, await _reading(state, store, snapshot, later), baseline)
    except NotMeasured as problem:
        raise NothingStated([str(problem)]) from None


async def adjustments(
    state: ProgramState, known: Known, later: Snapshot, stated_on: dt.date
) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """The adjustments of final statements whose sums have changed, as told at the close `later`; and why those of a period are not made.

    A close that comes after says it again: what has changed is told in all.
    """
    made: list[Statement] = []
    refused: list[str] = []
    stated = {one.snapshot.close_id for one in known.standing}
    for close_id in await state.restated_readings(later.close_id):
        # A reading that pays nobody, as a baseline's, may have no edition by which to pay.
        final = await state.snapshot(close_id) if close_id in stated else None
        period = None if final is None else await state.closed_period(close_id)
        if final is None or final.state != "complete" or period is None:
            continue
        try:
            frozen = await rates(state, known.store, period, final, later)
            there = msgspec.structs.replace(
                known,
                contracts=await state.closed_contracts(close_id),
                panels=await panels(state, drafting.panels_for(period)),
            )
            made += drafting.period_adjustments(there, period, final, frozen, later, stated_on)
        except NothingStated as problem:
            refused += problem.reasons
    return tuple(made), tuple(refused)


async def _reading(
    state: ProgramState, store: TableStore, snapshot: Snapshot, later: Snapshot | None = None
) -> Reading:
    parts = await state.sums(snapshot.close_id, snapshot.close_id)
    if later is not None:
        parts += await state.sums(later.close_id, snapshot.close_id)
    return frozen_rates.reading_of(store, snapshot, added_up(parts))
