"""Encounters, conditions, allergies, adverse events, procedures, immunizations, communications and tasks as clinical records."""

from __future__ import annotations

from collections.abc import Iterator

from streams.adapters.fhir.case import Case, Person, clinical
from streams.adapters.fhir.elements import (
    Coding,
    Json,
    concepts,
    extension,
    part,
    parts,
    profiles,
    text,
    texts,
    tokens,
    word,
    words,
)
from streams.adapters.fhir.index import ENCOUNTER_OF
from streams.adapters.fhir.times import OPEN_END, UNKNOWN_START, Span, before, period, when
from streams.adapters.sources import Event

NOT_DONE = frozenset({"not-done", "rejected"})
"""Statuses of a procedure, immunization or communication, and of a task, that say it was not done."""
NO_TIME = "states no time at which it was: not read"
SINCE_WHEN = "states no onset: written as since 1900-01-01"
CATEGORY_OF_PROFILE = {
    "qicore-condition-encounter-diagnosis": "encounter-diagnosis",
    "us-core-condition-encounter-diagnosis": "encounter-diagnosis",
    "qicore-condition-problems-health-concerns": "problem-list-item",
    "us-core-condition-problems-health-concerns": "problem-list-item",
}
"""What a condition's profile says of a category that the condition leaves out."""


def encounter(case: Case) -> Iterator[Event]:
    """A record for each code of each type; without a type, of its class."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    span = case.told("period", period(part(resource, "period")))
    if span is None:
        case.leave(NO_TIME)
        return
    sort = part(resource, "class")
    code = text(sort, "code")
    yield from clinical(
        case,
        person,
        "encounter",
        case.codes(parts(resource, "type") or [{"coding": [sort]}]),
        span,
        status=text(resource, "status"),
        category=code and (word(Coding(system, code)) if (system := text(sort, "system")) else code),
        reason_code=tokens(parts(resource, "reasonCode")),
        disposition_code=tokens(concepts(part(resource, "hospitalization"), "dischargeDisposition")),
        part_of=case.part_of("partOf", "Encounter"),
    )


def condition(case: Case) -> Iterator[Event]:
    """A record for each code, from onset to abatement; the same once more for each further encounter that cites it as a diagnosis."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    codes, prevalence, recorded = (
        case.codes(concepts(resource, "code")),
        _prevalence(case, person),
        case.time("recordedDate"),
    )
    for number, within in enumerate(_encounters(case, person) or [None]):
        yield from clinical(
            case,
            person,
            "condition",
            codes,
            prevalence,
            record_id=case.record_id if number == 0 else f"{case.record_id}@{within}",
            status=words(concepts(resource, "clinicalStatus")),
            verification_status=words(concepts(resource, "verificationStatus")),
            category=words(parts(resource, "category")) or _category_of_profile(resource),
            authored=recorded,
            part_of=within,
            body_site=tokens(parts(resource, "bodySite")),
        )


def allergy(case: Case) -> Iterator[Event]:
    """A record for each code, from onset on."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    yield from clinical(
        case,
        person,
        "allergy",
        case.codes(concepts(resource, "code")),
        _prevalence(case, person),
        status=words(concepts(resource, "clinicalStatus")),
        verification_status=words(concepts(resource, "verificationStatus")),
        category=";".join(texts(resource, "category")),
        authored=case.time("recordedDate"),
        part_of=case.part_of("encounter", "Encounter"),
    )


def adverse_event(case: Case) -> Iterator[Event]:
    """An observation of category `adverse-event`: what happened to the patient, by its code."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    span = case.moment("date") or case.moment("detected")
    if span is None:
        case.leave(NO_TIME)
        return
    yield from clinical(
        case,
        person,
        "observation",
        case.codes(concepts(resource, "event")),
        span,
        status=text(resource, "actuality"),
        category="adverse-event",
        authored=case.time("recordedDate"),
        part_of=case.part_of("encounter", "Encounter"),
    )


def procedure(case: Case) -> Iterator[Event]:
    """A record for each code, when it was performed; one that was not done, when that was recorded."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    recorded = recorded_in_extension(case)
    span = happened(case, "performed", text(resource, "status") in NOT_DONE, recorded)
    if span is None:
        return
    yield from clinical(
        case,
        person,
        "procedure",
        case.codes(concepts(resource, "code")),
        span,
        status=text(resource, "status"),
        category=words(concepts(resource, "category")),
        not_done=text(resource, "status") in NOT_DONE or None,
        reason_code=reason(resource),
        authored=recorded and recorded.start,
        part_of=case.part_of("encounter", "Encounter"),
        body_site=tokens(parts(resource, "bodySite")),
    )


def immunization(case: Case) -> Iterator[Event]:
    """A record for each code of the vaccine, when it was given; one that was not given, when that was recorded."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    recorded = case.moment("recorded")
    span = happened(case, "occurrence", text(resource, "status") in NOT_DONE, recorded)
    if span is None:
        return
    yield from clinical(
        case,
        person,
        "immunization",
        case.codes(concepts(resource, "vaccineCode")),
        span,
        status=text(resource, "status"),
        not_done=text(resource, "status") in NOT_DONE or None,
        reason_code=reason(resource),
        authored=recorded and recorded.start,
        part_of=case.part_of("encounter", "Encounter"),
        body_site=tokens(concepts(resource, "site")),
    )


def communication(case: Case) -> Iterator[Event]:
    """An observation of category `communication`, when it was sent: by its topic, else its reasons."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    not_done = text(resource, "status") in NOT_DONE
    recorded = recorded_in_extension(case)
    span = case.moment("sent") or case.moment("received") or (recorded if not_done else None)
    if span is None:
        case.leave(NO_TIME)
        return
    yield from clinical(
        case,
        person,
        "observation",
        case.codes(concepts(resource, "topic") or parts(resource, "reasonCode")),
        span,
        status=text(resource, "status"),
        category="communication",
        not_done=not_done or None,
        reason_code=reason(resource),
        authored=recorded and recorded.start,
        part_of=case.part_of("encounter", "Encounter"),
    )


def task(case: Case) -> Iterator[Event]:
    """A procedure of category `task` with its intent, on the day it was made: what is to be done may lie ahead."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    authored = case.moment("authoredOn")
    span = authored or case.told("executionPeriod", period(part(resource, "executionPeriod")))
    if span is None:
        case.leave(NO_TIME)
        return
    yield from clinical(
        case,
        person,
        "procedure",
        case.codes(concepts(resource, "code")),
        span,
        status=text(resource, "status"),
        category="task",
        intent=text(resource, "intent"),
        not_done=text(resource, "status") in NOT_DONE or None,
        reason_code=reason(resource),
        authored=authored and authored.start,
        part_of=case.part_of("encounter", "Encounter"),
    )


def happened(case: Case, name: str, not_done: bool, recorded: Span | None) -> Span | None:  # noqa: FBT001
    """When something was done; of what was not done, else when that was recorded. None, and noted, where nothing says it."""
    span = case.span(name) or (recorded if not_done else None)
    if span is None:
        case.leave(NO_TIME)
    return span


def recorded_in_extension(case: Case) -> Span | None:
    """`recorded` of QI-Core or US Quality Core: when the source wrote it down, for resources that have no element for it."""
    written = text(extension(case.resource, "-recorded"), "valueDateTime")
    return case.told("recorded", when(written)) if written else None


def reason(resource: Json) -> str | None:
    """Why it was not done, else why it was: statusReason, QI-Core's extensions, reasonCode."""
    said = extension(resource, "notdonereason", "donotperformreason", "statusreason", "reasonrefused")
    why_not = concepts(resource, "statusReason") or concepts(resource, "statusReasonCodeableConcept")
    return tokens(why_not or concepts(said, "valueCodeableConcept") or concepts(resource, "reasonCode"))


def _prevalence(case: Case, person: Person) -> Span:
    """From the beginning of the onset to the end of the abatement (QICoreCommon.prevalenceInterval).

    No onset: since always. No abatement, or one that is only text: no end. One over a period is over before that ends, as CQL has it.
    """
    onset, abatement = case.span("onset", person.birth_date), case.span("abatement", person.birth_date)
    if onset is None:
        case.leave(SINCE_WHEN)
    first = UNKNOWN_START if onset is None else onset.start
    last = None if abatement is None else abatement.end or abatement.start
    if last is None or last == OPEN_END:
        return Span(first)
    is_period = text(part(case.resource, "abatementPeriod"), "end") is not None
    return Span(first, before(last, first) if is_period else last)


def _encounters(case: Case, person: Person) -> list[str]:
    """The record_ids of the encounters of a condition: its own first, then those that cite it, in order."""
    own = case.part_of("encounter", "Encounter")
    cited = case.around.index.every(case.found.scope, ENCOUNTER_OF, f"{person.id}/{case.id}")
    others = sorted({f"Encounter/{each['encounter']}" for each in cited} - {own})
    return [each for each in (own, *others) if each is not None]


def _category_of_profile(resource: Json) -> str | None:
    return next((CATEGORY_OF_PROFILE[each] for each in profiles(resource) if each in CATEGORY_OF_PROFILE), None)
