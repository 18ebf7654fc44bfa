"""EDU: visits to an emergency department that ended without a stay. Source: measures.md 10.2."""

from __future__ import annotations

from collections.abc import Sequence

from state.calendar import Day
from state.measures import stays, utilisation
from state.measures.facts import Fact, KeptClaim, Person
from state.measures.outcome import Step, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.stays import services
from state.measures.utilisation import Event

_ROLES = frozenset(
    {
        "ed_place",
        "ed_procedure",
        "ed_visit",
        "electroconvulsive_therapy",
        "mental_disorder",
        "psychiatry",
        *stays.ROLES,
    }
)

_BESIDE = {
    "ed_procedure": ("ed_place",),
    "electroconvulsive_therapy": ("ed_place",),
    "mental_disorder": (),
    "psychiatry": ("ed_place",),
}
"""What is read of the claims of a visit, and by itself only in an emergency room."""


def events(person: Person, period: Period, statuses: Statuses) -> tuple[Sequence[Event], Sequence[Step]]:
    """The visits of the period that count: one a day, however many claims say it, facility and professional alike."""
    led_to_a_stay: list[Fact] = []
    mental: list[Fact] = []
    counted: list[Event] = []
    admitted = stays.admissions(person, statuses)
    for day, facts in sorted(visits(person, period, statuses).items()):
        if ends_in_a_stay(day, facts, admitted):
            led_to_a_stay += facts
        elif is_mental(person, day, facts, statuses):
            mental += facts
        else:
            counted.append(Event(day, _claims(facts)))
    return counted, (
        step("not counted: led to an inpatient or observation stay", led_to_a_stay),
        step("not counted: for a mental disorder, psychiatry or electroconvulsive therapy", mental),
    )


def visits(person: Person, period: Period, statuses: Statuses) -> dict[Day, list[Fact]]:
    """The days of visits: a code of an emergency department, or a procedure that was done in one."""
    found: dict[Day, list[Fact]] = {}
    for fact in services(person, statuses, "ed_visit"):
        found.setdefault(fact.start, []).append(fact)
    for fact in services(person, statuses, "ed_procedure"):
        if _is_in_ed(person, fact):
            found.setdefault(fact.start, []).append(fact)
    return {day: facts for day, facts in found.items() if period.holds(day)}


def ends_in_a_stay(day: Day, facts: Sequence[Fact], admitted: Sequence[KeptClaim]) -> bool:
    """Whether a claim of the visit is of a stay too, or a stay began on the day of the visit or the day after [check]."""
    rows = {fact.of.row for fact in facts}
    return any(claim.row in rows or day <= claim.start <= day + 1 for claim in admitted)


def is_mental(person: Person, day: Day, facts: Sequence[Fact], statuses: Statuses) -> bool:
    """Whether any claim of the visit has a mental disorder as its principal diagnosis, or psychiatry or ECT was part of it [check].

    Of it are the lines of its claims, and those of that day in an emergency room: not a therapist's office on the same day.
    """
    rows = {fact.of.row for fact in facts}
    if any(
        person.plays((claim.diagnosis_system, claim.principal), "mental_disorder")
        for claim in _claims(facts)
        if claim.principal
    ):
        return True
    return any(
        fact.of.row in rows or (fact.start == day and _is_in_ed(person, fact))
        for fact in services(person, statuses, "psychiatry", "electroconvulsive_therapy")
    )


def _is_in_ed(person: Person, fact: Fact) -> bool:
    return fact.line is not None and fact.line.place != "" and person.plays(("POS", fact.line.place), "ed_place")


def _claims(facts: Sequence[Fact]) -> tuple[KeptClaim, ...]:
    by_row = {fact.of.row: fact.of for fact in facts if isinstance(fact.of, KeptClaim)}
    return tuple(by_row[row] for row in sorted(by_row))


MEASURE = utilisation.measure("EDU", "Emergency Department Utilization", _ROLES, _BESIDE, events)
