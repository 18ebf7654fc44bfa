"""Death in the period takes a member out. Source: measures.md 1.4 (required by the program's measures since MY2023), 12.1."""

from __future__ import annotations

from state.measures.facts import Person
from state.measures.outcome import Step, step
from state.measures.period import Period
from state.measures.status import Statuses, counts
from state.measures.timing import ends_in

ROLES = frozenset({"discharged_dead"})


def died(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether the plan gives a date of death in the period, or a stay that counts ended in it with a discharge of the dead."""
    stays = [
        fact
        for fact in person.facts("discharged_dead")
        if counts(person, statuses, fact) and ends_in(fact, period.start, period.end)
    ]
    asked = step("died in the period", stays)
    day = person.profile.death
    return Step(asked.asks, holds=True, evidence=asked.evidence) if day is not None and period.holds(day) else asked
