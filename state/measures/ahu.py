"""AHU: discharges from acute inpatient and observation stays that nobody planned ("total acute"). Source: measures.md 10.3."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from state.measures import death, stays, utilisation
from state.measures.facts import Person
from state.measures.outcome import Step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.stays import Stay, acute_stays, services
from state.measures.utilisation import Event

_PRINCIPAL = ("mental_disorder", "liveborn_infant", "maternity_diagnosis")
_PLANNED_PRINCIPAL = ("chemotherapy_admission", "rehabilitation_admission")
_TRANSPLANTS = ("bone_marrow_transplant", "kidney_transplant", "organ_transplant")
_ROLES = frozenset(
    {
        "acute_condition",
        "maternity_stay",
        "potentially_planned_procedure",
        *_PRINCIPAL,
        *_PLANNED_PRINCIPAL,
        *_TRANSPLANTS,
        *death.ROLES,
        *stays.ROLES,
    }
)

_BESIDE: dict[str, tuple[str, ...]] = dict.fromkeys((*_PRINCIPAL, *_PLANNED_PRINCIPAL, "acute_condition"), ())
"""What is read of the principal diagnosis of a stay, which its claim keeps."""


def events(person: Person, period: Period, statuses: Statuses) -> tuple[Sequence[Event], Sequence[Step]]:
    """The discharges of the period that count, by the day of the last discharge of a stay."""
    reasons: tuple[tuple[str, Callable[[Person, Stay, Statuses], bool]], ...] = (
        ("for a mental disorder, a birth or maternity", is_for_another_measure),
        ("planned", is_planned),
        ("death in the stay", ended_in_death),
    )
    dropped: dict[str, list[Stay]] = {name: [] for name, _ in reasons}
    counted: list[Event] = []
    for stay in acute_stays(person, statuses):
        if not stay.discharged or not period.holds(stay.end):
            continue
        why = next((name for name, applies in reasons if applies(person, stay, statuses)), None)
        if why is None:
            counted.append(Event(stay.end, stay.claims))
        else:
            dropped[why].append(stay)
    return counted, tuple(
        Step(
            f"not counted: {name}",
            bool(some),
            tuple(dict.fromkeys(claim.evidence for stay in some for claim in stay.claims)),
        )
        for name, some in dropped.items()
    )


def is_for_another_measure(person: Person, stay: Stay, statuses: Statuses) -> bool:
    """Whether any claim of the stay is principally of a mental disorder, a live-born infant or maternity [check]."""
    rows = {claim.row for claim in stay.claims}
    return _principal(person, stay, *_PRINCIPAL) or any(
        fact.of.row in rows for fact in services(person, statuses, "maternity_stay")
    )


def is_planned(person: Person, stay: Stay, statuses: Statuses) -> bool:
    """Whether it was for chemotherapy or rehabilitation, a transplant, or a procedure that is planned when nothing acute stands first.

    A procedure is of the stay when it was done on one of its days, whoever billed it. [check]
    """
    if _principal(person, stay, *_PLANNED_PRINCIPAL) or _is_done(person, stay, statuses, *_TRANSPLANTS):
        return True
    return _is_done(person, stay, statuses, "potentially_planned_procedure") and not _principal(
        person, stay, "acute_condition"
    )


def ended_in_death(person: Person, stay: Stay, statuses: Statuses) -> bool:
    """Whether a claim of the stay says so, or the plan's day of death lies in it."""
    rows = {claim.row for claim in stay.claims}
    day = person.profile.death
    return (day is not None and stay.start <= day <= stay.end) or any(
        fact.of.row in rows for fact in services(person, statuses, "discharged_dead")
    )


def _principal(person: Person, stay: Stay, *roles: str) -> bool:
    return any(
        person.plays((claim.diagnosis_system, claim.principal), *roles) for claim in stay.claims if claim.principal
    )


def _is_done(person: Person, stay: Stay, statuses: Statuses, *roles: str) -> bool:
    rows = {claim.row for claim in stay.claims}
    return any(
        fact.of.row in rows or stay.start <= fact.start <= stay.end for fact in services(person, statuses, *roles)
    )


MEASURE = utilisation.measure("AHU", "Acute Hospital Utilization", _ROLES, _BESIDE, events)
