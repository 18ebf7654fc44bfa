"""Steps 2 to 4: the practice seen most, and the provider in it. Source: attribution.md 2.6 steps 2, 3, 4.

The order of criteria is the ruleset's; the lowest id settles a full tie, so that the order is total.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from state.attribution.rulesets import Ruleset
from state.attribution.visits import Tally, Visits, live
from state.calendar import Day, first_live
from state.reference.knowledge import Knowledge

Criterion = Callable[[Tally, Day, int], int]


def _latest(tally: Tally, day: Day, months: int) -> Day:
    first = first_live(day, months)
    return max((one for one in tally.days if first <= one <= day), default=0)


CRITERIA: Mapping[str, Criterion] = {
    "visits": lambda tally, day, months: live(tally.days, day, months),
    "latest_visit": _latest,
    "visits_18m": lambda tally, day, _months: live(tally.days, day, 18),
    "preventive_visits": lambda tally, day, months: live(tally.preventive, day, months),
    # Two thirds in the last 12 months of 24, one third before: 2 and 1, to stay with whole numbers.
    "weighted_visits": lambda tally, day, _months: live(tally.days, day, 12) + live(tally.days, day, 24),
}


class Ranked(msgspec.Struct, frozen=True):
    """The winner and the one that came second; ids."""

    winner: str | None
    runner_up: str | None


def rank_practices(visits: Visits, day: Day, months: int, ruleset: Ruleset) -> Ranked:
    """Practices with a live visit in the window of `months` (12 or 18), best first. Nobody when no visit is live."""
    tallies = visits.practices(day, months)
    candidates = [tally for tally in tallies.values() if live(tally.days, day, months)]
    if len(candidates) < 2:
        return Ranked(candidates[0].id if candidates else None, None)
    criteria = [CRITERIA[name] for name in ruleset.practice_order]
    best = sorted(candidates, key=lambda tally: (*(-criterion(tally, day, months) for criterion in criteria), tally.id))
    return Ranked(best[0].id, best[1].id)


def provider(visits: Visits, practice_id: str, day: Day, months: int, knowledge: Knowledge) -> str | None:
    """The provider seen most at a practice in the same window, among those active there on the day; None when none is left."""
    seen = {one.npi for one in visits.lines(practice_id, day, months) if one.npi}
    active = [npi for npi in seen if is_active(npi, practice_id, day, knowledge)]
    if len(active) < 2:
        return active[0] if active else None
    tallies = {npi: Tally(npi, _days_of(visits, practice_id, npi, day, months), []) for npi in active}
    criteria = [CRITERIA[name] for name in knowledge.ruleset.provider_order]
    return min(active, key=lambda npi: (*(-criterion(tallies[npi], day, months) for criterion in criteria), npi))


def is_active(npi: str, practice_id: str, day: Day, knowledge: Knowledge) -> bool:
    """Whether a provider is active at a practice on a day: by a roster row; one whom no roster knows counts as active."""
    rows = knowledge.roster.rows_of(npi)
    return not rows or any(row.practice_id == practice_id and row.in_force(day) for row in rows)


def provider_days(visits: Visits, knowledge: Knowledge) -> Iterator[Day]:
    """The days on which the provider in a practice can change by the roster."""
    for npi in {one.npi for one in (*visits.evidence, *visits.palliative) if one.npi}:
        yield from knowledge.roster.provider_days(npi)


def _days_of(visits: Visits, practice_id: str, npi: str, day: Day, months: int) -> list[Day]:
    """Dates of a provider's visits at a practice, ascending; palliative ones where the step's window of `months` counts them."""
    counted = visits.evidence + visits.palliative if visits.palliative_counts(day, months) else visits.evidence
    return sorted({one.line.day for one in counted if one.practice_id == practice_id and one.npi == npi})
