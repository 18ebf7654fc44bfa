"""Palliative care in the period takes a member out of BCS, COL, GSD and CBP.

Sources: measures.md 1.4; PalliativeCare CQL, Has Palliative Care in the Measurement Period.
"""

from __future__ import annotations

from state.measures import status
from state.measures.facts import Person
from state.measures.outcome import Step, one_of
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import overlaps, prevails

ROLES = frozenset({"palliative_assessment", "palliative_diagnosis", "palliative_encounter", "palliative_intervention"})


def in_palliative_care(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether an assessment, diagnosis, encounter or intervention of palliative care has a day in the period."""
    start, end = period.start, period.end
    found = [f for f in status.assessments(person, statuses, "palliative_assessment") if overlaps(f, start, end)]
    found += [f for f in status.conditions(person, statuses, "palliative_diagnosis") if prevails(f, start, end)]
    found += [f for f in status.encounters(person, statuses, "palliative_encounter") if overlaps(f, start, end)]
    found += [f for f in status.procedures(person, statuses, "palliative_intervention") if overlaps(f, start, end)]
    return one_of("palliative care in the period", found)
