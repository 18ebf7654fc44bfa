"""Service and device requests, and devices in use, as clinical records. A request is known by its intent."""

from __future__ import annotations

from collections.abc import Iterator

from streams.adapters.fhir.care import NO_TIME, reason
from streams.adapters.fhir.case import Case, Person, clinical
from streams.adapters.fhir.elements import Coding, Json, concepts, extension, part, parts, text, tokens, words
from streams.adapters.fhir.times import Span
from streams.adapters.sources import Event

NOT_ORDERED = ("donotperform", "donotpeform")
"""The endings of the modifier extensions for what may not be done; QI-Core's was once misspelt, and is found so."""


def do_not_perform(resource: Json) -> bool:
    """Whether a request says that something is not to be done."""
    return resource.get("doNotPerform") is True or extension(resource, *NOT_ORDERED).get("valueBoolean") is True


def service_request(case: Case) -> Iterator[Event]:
    """A procedure with an intent, on the day it was asked for; for when it is asked is not told, it may lie ahead."""
    person, resource = case.person(), case.resource
    if person is not None:
        yield from _request(case, person, "procedure", case.codes(concepts(resource, "code")))


def device_request(case: Case) -> Iterator[Event]:
    """A device with an intent, on the day it was asked for."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    device = case.known(part(resource, "codeReference"), "Device")
    code = concepts(resource, "codeCodeableConcept") or ([device["code"]] if device else [])
    yield from _request(case, person, "device", case.codes(code))


def device_use(case: Case) -> Iterator[Event]:
    """A device that a patient uses, over the time of its use."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    device = case.known(part(resource, "device"), "Device")
    recorded = case.moment("recordedOn")
    span = case.span("timing") or recorded
    if span is None:
        case.leave(NO_TIME)
        return
    yield from clinical(
        case,
        person,
        "device",
        case.codes([device["code"]] if device else []),
        span,
        status=text(resource, "status"),
        reason_code=reason(resource),
        authored=recorded and recorded.start,
        body_site=tokens(concepts(resource, "bodySite")),
    )


def device(case: Case) -> Iterator[Event]:
    """Nothing by itself: a device is told by the record of its use. Noted where it says whose it is."""
    if any(case.resource.get(name) for name in ("patient", "subject")):
        case.leave("is told only by a DeviceUseStatement or DeviceRequest that names it")
    return iter(())


def _request(case: Case, person: Person, kind: str, codes: list[Coding]) -> Iterator[Event]:
    resource = case.resource
    authored = case.moment("authoredOn")
    span: Span | None = authored or case.span("occurrence")
    if span is None:
        case.leave(NO_TIME)
        return
    yield from clinical(
        case,
        person,
        kind,
        codes,
        span,
        status=text(resource, "status"),
        category=words(parts(resource, "category")),
        intent=text(resource, "intent"),
        not_done=do_not_perform(resource) or None,
        reason_code=reason(resource),
        authored=authored and authored.start,
        part_of=case.part_of("encounter", "Encounter"),
        body_site=tokens(parts(resource, "bodySite")),
    )
