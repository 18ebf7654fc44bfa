"""Visits at which a condition was stated: the diagnosis stands on the claim of the visit, or the chart's condition names its encounter.

Sources: measures.md 2.1 and 4 (a visit *with* a diagnosis).
"""

from __future__ import annotations

from collections.abc import Collection

from state.calendar import Day
from state.measures import status
from state.measures.facts import Fact, Person
from state.measures.status import Statuses


def diagnosed_visits(
    person: Person, statuses: Statuses, visits: Collection[str], diagnoses: Collection[str]
) -> dict[Day, list[Fact]]:
    """The days of visits with one of the roles `visits`, each with the facts of visit and diagnosis, where a diagnosis stands with it.

    A claim's diagnosis belongs to every line of the claim. A condition in a chart belongs to the encounter that it names; one that
    names none belongs to the encounters of the day on which it began.
    """
    stated: dict[str | Day, list[Fact]] = {}
    for fact in status.conditions(person, statuses, *sorted(diagnoses)):
        record = fact.record
        where = fact.of.row if record is None else (record.part_of or record.start)
        stated.setdefault(where, []).append(fact)
    days: dict[Day, list[Fact]] = {}
    if not stated:
        return days
    for visit in status.encounters(person, statuses, *sorted(visits)):
        record = visit.record
        places: tuple[str | Day, ...] = (visit.of.row,) if record is None else (record.evidence, record.start)
        with_it = [fact for place in places for fact in stated.get(place, ())]
        if with_it:
            days.setdefault(visit.start, []).extend((visit, *with_it))
    return days
