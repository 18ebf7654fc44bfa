"""Hospice care in the period takes a member out of every clinical measure.

Sources: measures.md 1.4; Hospice CQL, Has Hospice Services. One rule for both families of editions: the program's bind fewer codes.
"""

from __future__ import annotations

from state.measures import status
from state.measures.facts import Person
from state.measures.outcome import Step, one_of
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import ends_in, ordered_on, overlaps, prevails

ROLES = frozenset(
    {
        "hospice_assessment",
        "hospice_diagnosis",
        "hospice_discharge",
        "hospice_encounter",
        "hospice_intervention",
        "inpatient_encounter",
        "yes",
    }
)


def in_hospice(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether any sign of hospice care has a day in the period; a discharge to hospice and an order must lie in it."""
    start, end = period.start, period.end
    found = [
        fact
        for fact in status.encounters(person, statuses, "inpatient_encounter")
        if fact.record is not None
        and person.says(fact.record.disposition, "hospice_discharge")
        and ends_in(fact, start, end)
    ]
    found += [f for f in status.encounters(person, statuses, "hospice_encounter") if overlaps(f, start, end)]
    found += [
        fact
        for fact in status.assessments(person, statuses, "hospice_assessment")
        if status.says(person, fact, "yes") and overlaps(fact, start, end)
    ]
    found += [
        f for f in status.orders(person, statuses, "procedure", "hospice_intervention") if period.holds(ordered_on(f))
    ]
    found += [f for f in status.procedures(person, statuses, "hospice_intervention") if overlaps(f, start, end)]
    found += [f for f in status.conditions(person, statuses, "hospice_diagnosis") if prevails(f, start, end)]
    return one_of("hospice care in the period", found)
