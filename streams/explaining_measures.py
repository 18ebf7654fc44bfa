"""Why measures say what they say of a member: which editions and periods are meant, and what each gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cache

from state import engine
from state.calendar import from_date
from state.ledger.rows import History
from state.measures.catalogue import MEASURES
from state.measures.editions import Bound, built_in, wanted_by
from state.measures.explained import ExplainedMeasure, explained
from state.measures.keeping import kept_of, profile_of, span_of
from state.measures.measuring import ROLLING, Window, of_program, rolling
from state.measures.period import Period
from state.measures.results import period_named
from state.reference.knowledge import Knowledge
from state.reference.value_sets import ValueSets
from streams.explaining import Known
from streams.stopping import EXIT_CONFIG, Stop


def explained_measures(
    known: Known, measure: str, edition: str | None, period: Period | str | None, value_sets: Callable[[], ValueSets]
) -> list[ExplainedMeasure]:
    """What a measure says of a member, by edition and period.

    `edition`: one by name, in force or of the project; None: all in force that have the measure. `period`: days, a program period's id
    or `rolling`; None: all that are open. `value_sets` are asked for an edition that is not in force. Raises `Stop` for a measure,
    edition or period that is not known, `TableError` for one whose value sets are missing.
    """
    if measure not in MEASURES:
        raise Stop(f"There is no measure {measure}: the measures are {', '.join(sorted(MEASURES))}.", EXIT_CONFIG)
    member, rows, knowledge = known.member, dict(known.rows), known.knowledge
    bounds = _bounds(known, measure, edition, value_sets)
    windows = _windows(knowledge, known.as_of, period)
    # The hot state holds what matters from its own date on; credit may be that of an earlier day.
    engine.rederive(member, rows, knowledge)
    wanted, reopen = wanted_by(bounds), knowledge.ruleset.allow_reopen
    kept = [
        one
        for name, row in sorted(rows.items())
        if (one := kept_of(name, row, wanted, allow_reopen=reopen)) is not None
    ]
    profile = profile_of(
        span_of(name, row) for name, row in rows.items() if name.startswith("span:") and isinstance(row, History)
    )

    @cache
    def attributed(day: int) -> tuple[str, str]:
        answer = engine.attribution(member, dt.date.fromordinal(day), knowledge)
        return answer.practice_id or "", answer.step or ""

    as_of = from_date(known.as_of)
    return [
        explained(profile, kept, bound, measure, window, as_of, attributed) for bound in bounds for window in windows
    ]


def _bounds(known: Known, measure: str, edition: str | None, value_sets: Callable[[], ValueSets]) -> list[Bound]:
    in_force = {one.edition.name: one for one in known.knowledge.measuring.bounds}
    if edition is None:
        found = [one for one in in_force.values() if measure in one.edition.parameters]
        if not found:
            raise Stop(
                f"No edition that has {measure} is in force in {known.source}: name one with --edition, as in capc-2025.",
                EXIT_CONFIG,
            )
        return found
    if edition in in_force:
        # Raises for a measure that the edition does not have.
        in_force[edition].edition.only([measure])
        return [in_force[edition]]
    tables = known.knowledge.measure_tables(from_date(known.as_of))
    return [Bound(built_in(edition).only([measure]), value_sets(), tables)]


def _windows(knowledge: Knowledge, as_of: dt.date, period: Period | str | None) -> Sequence[Window]:
    day = from_date(as_of)
    if period is None:
        return knowledge.measuring.windows(day)
    if isinstance(period, Period):
        return [Window(period_named(period), period)]
    if period == ROLLING:
        return [Window(ROLLING, rolling(day))]
    if period not in knowledge.periods:
        raise Stop(
            f"{period!r} is no period: give rolling, days as 2025-01-01..2025-12-31, or a period of the program"
            f" ({', '.join(sorted(knowledge.periods)) or 'none is known'}).",
            EXIT_CONFIG,
        )
    return [Window(period, of_program(knowledge.periods[period][0]))]
