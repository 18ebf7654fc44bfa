"""What counts as done, ordered or confirmed. One function for each kind of thing that a rule asks for; all else in a rule is dates.

Claims and charts answer together: a line that stands is a service that took place, a diagnosis on a claim a condition on the days of
its service. Sources: measures.md 1.5 (claims); the Status library of the eCQMs (charts), whose lists differ by year and so are data.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from state.measures.facts import Fact, KeptClaim, KeptDispensing, KeptRecord, KeptResult, Person


class Statuses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition takes as done.

    `unstated`: a record without any status counts. `pointed_medications`: an order counts that has its code in a resource it points to
    (its `part_of`). `studies_as_procedures`: a study, test or assessment that a chart has as a procedure
    counts as done. A category, where one is named, must stand on the record. `verification` lists
    the verification statuses of a condition that count, beside none at all; empty: all of them.
    """

    denied: bool = True
    laboratory_diagnoses: bool = False
    unstated: bool = True
    pointed_medications: bool = True
    studies_as_procedures: bool = True
    encounters: tuple[str, ...] = ("finished",)
    results: tuple[str, ...] = ("final", "amended", "corrected")
    symptoms: tuple[str, ...] = ("preliminary", "final", "amended", "corrected")
    procedures: tuple[str, ...] = ("completed",)
    orders: tuple[str, ...] = ("active", "completed")
    intents: tuple[str, ...] = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
    medications: tuple[str, ...] = ("active",)
    verification: tuple[str, ...] = ()
    assessment_category: str = ""
    laboratory_category: str = ""
    study_category: str = ""


POINTED_AT = "Medication/"
"""How `part_of` begins where an order's code is that of a resource it points to."""
ROLES = frozenset({"laboratory_place", "not_done_modifier"})
"""What every measure that looks at claims reads beside its own roles."""


def encounters(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Contacts that took place: service lines, and encounters in a status of `encounters`. Source: Status CQL, isEncounterPerformed."""
    for fact in person.facts(*roles):
        if _is_service(person, statuses, fact) or _is(fact, "encounter", statuses.encounters, statuses):
            yield fact


def procedures(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Procedures and interventions performed, those too that a practice documents by a submitted result.

    Source: Status CQL, isProcedurePerformed and isInterventionPerformed.
    """
    for fact in person.facts(*roles):
        if (
            _is_service(person, statuses, fact)
            or _is_procedure(fact, statuses)
            or _is_submitted(person, statuses, fact)
        ):
            yield fact


def studies(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Diagnostic studies performed: service lines and observations. Source: Status CQL, isDiagnosticStudyPerformed."""
    return _observed(person, statuses, statuses.results, statuses.study_category, roles)


def vital_signs(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Vital signs taken, of whatever category. Source: Status CQL, isObservationBP."""
    return _observed(person, statuses, statuses.results, "", roles)


def laboratory_tests(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Laboratory tests performed, with a result or without: see `has_result`. Source: Status CQL, isLaboratoryTestPerformed."""
    return _observed(person, statuses, statuses.results, statuses.laboratory_category, roles)


def assessments(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Assessments made, such as questionnaires. Source: Status CQL, isAssessmentPerformed."""
    return _observed(person, statuses, statuses.results, statuses.assessment_category, roles)


def symptoms(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Symptoms observed, preliminary ones too. Source: Status CQL, isSymptom."""
    return _observed(person, statuses, statuses.symptoms, "", roles)


def immunizations(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Vaccines given: service lines, immunizations, procedures by which one was given, and what a practice documents.

    Source: Status CQL, isImmunizationAdministered and isProcedurePerformed.
    """
    for fact in person.facts(*roles):
        if (
            _is_service(person, statuses, fact)
            or _is(fact, "immunization", statuses.procedures, statuses)
            or _is_procedure(fact, statuses)
            or _is_submitted(person, statuses, fact)
        ):
            yield fact


def conditions(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Diagnoses on claims and conditions in charts, but for those that `Statuses.verification` leaves out. Source: Status CQL, verified."""
    for fact in person.facts(*roles):
        if isinstance(fact.of, KeptClaim):
            if fact.kind == "diagnosis" and counts(person, statuses, fact):
                yield fact
        elif isinstance(fact.of, KeptRecord) and fact.kind == "condition" and _is_verified(fact.of, statuses):
            yield fact


def orders(person: Person, statuses: Statuses, kind: str, *roles: str) -> Iterator[Fact]:
    """Orders of a kind ("procedure", "device", "medication") that stand, by the day they were written: see `timing.ordered_on`.

    Source: Status CQL, isInterventionOrder, isDeviceOrder, isMedicationOrder.
    """
    for fact in person.facts(*roles):
        if _is_order(fact, statuses) and _is(fact, kind, statuses.orders, statuses):
            yield fact


def devices(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Devices ordered, and devices on a claim. Source: Status CQL, isDeviceOrderPersonalUseDevices."""
    yield from orders(person, statuses, "device", *roles)
    yield from (fact for fact in person.facts(*roles) if _is_service(person, statuses, fact))


def active_medications(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Medication orders in a status of `medications`. Source: Status CQL, isMedicationActive."""
    for fact in person.facts(*roles):
        if _is_order(fact, statuses) and _is(fact, "medication", statuses.medications, statuses):
            yield fact


def dispensed(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Drugs dispensed, by the pharmacy claims that stand: each claim once, whichever of its codes has the role."""
    seen: set[str] = set()
    for fact in person.facts(*roles):
        if isinstance(fact.of, KeptDispensing) and counts(person, statuses, fact) and fact.of.row not in seen:
            seen.add(fact.of.row)
            yield fact


def counts(person: Person, statuses: Statuses, fact: Fact) -> bool:
    """Whether what a payer or practice said stands as evidence, whatever it says.

    Denied lines count where the edition says so; a line with a modifier for "not done" never does (measures.md 1.5); a diagnosis of
    a claim that was all laboratory identifies nothing unless the edition says so (1.4). A rejected result never counts.
    """
    if not statuses.denied and fact.denied:
        return False
    of, line = fact.of, fact.line
    if isinstance(of, KeptResult):
        return of.state != "rejected"
    if line is not None:
        modifiers = line.modifiers
        return not modifiers or not any(
            person.plays(("CPT_MODIFIER", modifier), "not_done_modifier") for modifier in modifiers
        )
    if fact.kind == "diagnosis" and isinstance(of, KeptClaim) and not statuses.laboratory_diagnoses:
        return not of.places or not all(person.plays(("POS", place), "laboratory_place") for place in of.places)
    return True


def has_result(fact: Fact) -> bool:
    """Whether a result stands beside a test: a number, a code, or anything else that was written. A claim never has one."""
    record = fact.record
    return fact.value is not None or (record is not None and bool(record.value_system or record.value_code))


def says(person: Person, fact: Fact, role: str) -> bool:
    """Whether the coded result of an observation, in any of its codes, has a role, such as "yes" or "lives in a nursing home"."""
    record = fact.record
    return record is not None and any(
        person.plays(code, role) for code in ((record.value_system, record.value_code), *record.more_values)
    )


def _observed(
    person: Person, statuses: Statuses, stated: tuple[str, ...], category: str, roles: tuple[str, ...]
) -> Iterator[Fact]:
    for fact in person.facts(*roles):
        if (
            _is_submitted(person, statuses, fact)
            or _is_service(person, statuses, fact)
            or (statuses.studies_as_procedures and _is_procedure(fact, statuses))
            or (
                _is(fact, "observation", stated, statuses)
                and (not category or (fact.record is not None and category in fact.record.category.split(";")))
            )
        ):
            yield fact


def _is_submitted(person: Person, statuses: Statuses, fact: Fact) -> bool:
    return isinstance(fact.of, KeptResult) and counts(person, statuses, fact)


def _is_service(person: Person, statuses: Statuses, fact: Fact) -> bool:
    return fact.kind == "service" and counts(person, statuses, fact)


def _is(fact: Fact, kind: str, stated: tuple[str, ...], statuses: Statuses) -> bool:
    record = fact.of
    if not isinstance(record, KeptRecord) or fact.kind != kind or record.not_done:
        return False
    return record.status in stated or (record.status == "" and statuses.unstated)


def _is_verified(record: KeptRecord, statuses: Statuses) -> bool:
    return not statuses.verification or record.verification in ("", *statuses.verification)


def _is_order(fact: Fact, statuses: Statuses) -> bool:
    if not isinstance(fact.of, KeptRecord) or fact.of.intent not in statuses.intents:
        return False
    return statuses.pointed_medications or not fact.of.part_of.startswith(POINTED_AT)


def _is_procedure(fact: Fact, statuses: Statuses) -> bool:
    """What was performed. A service that was only asked for is none: requests carry an intent."""
    record = fact.record
    return record is not None and record.intent == "" and _is(fact, "procedure", statuses.procedures, statuses)
