"""Steps 2 to 4: the practice seen most, and the provider in it. Source: attribution.md 2.6 steps 2, 3, 4.

The order of criteria is the ruleset's; the lowest id settles a full tie, so that the order is total.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence

from state.attribution.visits import Tally, Visits, live
from state.calendar import FOREVER, Day, first_live
from state.reference.knowledge import Knowledge

Criterion = Callable[[Tally, Day, int], int]


def _latest(tally: Tally, day: Day, months: int) -> Day:
    place = bisect_right(tally.days, day) - 1
    return tally.days[place] if place >= 0 and tally.days[place] >= first_live(day, months) else 0


CRITERIA: Mapping[str, Criterion] = {
    "visits": lambda tally, day, months: live(tally.days, day, months),
    "latest_visit": _latest,
    "visits_18m": lambda tally, day, _months: live(tally.days, day, 18),
    "preventive_visits": lambda tally, day, months: live(tally.preventive, day, months),
    # Two thirds in the last 12 months of 24, one third before: 2 and 1, to stay with whole numbers.
    "weighted_visits": lambda tally, day, _months: live(tally.days, day, 12) + live(tally.days, day, 24),
}


def candidates(visits: Visits, day: Day, months: int) -> list[Tally]:
    """The practices with a live visit in the window of `months` (12 or 18), in no order."""
    return [tally for tally in visits.practices(day, months).values() if live(tally.days, day, months)]


def best(some: Sequence[Tally], day: Day, months: int, order: Iterable[str]) -> str | None:
    """The first of some practices or providers by criteria in their order, most first; of full ties the lowest id. Nobody of none."""
    left = some
    for name in order:
        if len(left) < 2:
            break
        criterion = CRITERIA[name]
        values = [criterion(tally, day, months) for tally in left]
        most = max(values)
        left = [tally for tally, value in zip(left, values, strict=True) if value == most]
    return min([tally.id for tally in left], default=None)


def deciding(first: Tally, second: Tally, day: Day, months: int, order: Iterable[str]) -> str:
    """The first criterion by which two practices or providers differ; "id" where they differ by none."""
    return next(
        (name for name in order if CRITERIA[name](first, day, months) != CRITERIA[name](second, day, months)), "id"
    )


def provider(visits: Visits, practice_id: str, day: Day, months: int, knowledge: Knowledge) -> str | None:
    """The provider seen most at a practice in the same window, among those active there on the day; None when none is left."""
    days: dict[str, list[Day]] = {}
    for seen in visits.seen_at(practice_id, day, months):
        if seen.npi:
            days.setdefault(seen.npi, []).extend([line.day for line in seen.lines])
    tallies = [
        Tally(npi, sorted(set(found)), []) for npi, found in days.items() if is_active(npi, practice_id, day, knowledge)
    ]
    active = [tally for tally in tallies if live(tally.days, day, months)]
    return best(active, day, months, knowledge.ruleset.provider_order)


def is_active(npi: str, practice_id: str, day: Day, knowledge: Knowledge) -> bool:
    """Whether a provider is active at a practice on a day: by a roster row; one whom no roster knows counts as active."""
    rows = knowledge.roster.rows_of(npi)
    return not rows or any(row.practice_id == practice_id and row.in_force(day) for row in rows)


def next_provider_day(visits: Visits, day: Day, knowledge: Knowledge) -> Day:
    """The next day on which the provider in a practice can change by the roster; FOREVER when there is none."""
    found = FOREVER
    for npi in {seen.npi for seen in visits.evidence + visits.palliative}:
        for row in knowledge.roster.rows_of(npi):
            if row.start > day:
                found = min(found, row.start)
            elif row.end > day:
                found = min(found, row.end)
    return found
