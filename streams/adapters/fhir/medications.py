"""Medication requests, dispensings, administrations and statements as clinical records, over the days that they cover.

The days covered are those of the CQL library CumulativeMedicationDuration: measures ask whether they overlap a period. Where nothing
says how long, a request or dispensing has its first day and no end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from streams.adapters.fhir.care import NO_TIME, reason, recorded_in_extension
from streams.adapters.fhir.case import Case, Person, clinical
from streams.adapters.fhir.elements import Coding, Json, concepts, number, part, parts, text, texts, words
from streams.adapters.fhir.orders import do_not_perform
from streams.adapters.fhir.times import Span, day, iso
from streams.adapters.sources import Event

PER_DAY = {
    **dict.fromkeys(("s", "second", "seconds"), Decimal(86_400)),
    **dict.fromkeys(("min", "minute", "minutes"), Decimal(1_440)),
    **dict.fromkeys(("h", "hour", "hours"), Decimal(24)),
    **dict.fromkeys(("d", "day", "days"), Decimal(1)),
    **dict.fromkeys(("wk", "week", "weeks"), 1 / Decimal(7)),
    **dict.fromkeys(("mo", "month", "months"), 1 / Decimal(30)),
    **dict.fromkeys(("a", "year", "years"), 1 / Decimal(365)),
}
"""How many of a unit of time are a day, where a dosage says how often. Source: CumulativeMedicationDuration, ToDaily."""
DAYS = {
    **dict.fromkeys(("s", "second", "seconds"), 1 / Decimal(86_400)),
    **dict.fromkeys(("min", "minute", "minutes"), 1 / Decimal(1_440)),
    **dict.fromkeys(("h", "hour", "hours"), 1 / Decimal(24)),
    **dict.fromkeys(("d", "day", "days"), Decimal(1)),
    **dict.fromkeys(("wk", "week", "weeks"), Decimal(7)),
    **dict.fromkeys(("mo", "month", "months"), Decimal("30.4375")),
    **dict.fromkeys(("a", "year", "years"), Decimal("365.25")),
}
"""How many days a unit of time has, where a supply says how long it lasts. Source: UCUM."""
LONGEST = Decimal(36_525)
"""No supply lasts longer than this many days: a hundred years."""
NOT_GIVEN = frozenset({"not-done", "declined", "not-taken"})
"""Statuses of an administration, a dispensing and a statement that say it was not."""


def medication_request(case: Case) -> Iterator[Event]:
    """A medication with an intent over the days that the order covers."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    authored = case.moment("authoredOn")
    span = covered_by_request(resource)
    if span is None:
        case.leave(NO_TIME)
        return
    yield from clinical(
        case,
        person,
        "medication",
        _codes(case),
        span,
        status=text(resource, "status"),
        category=words(parts(resource, "category")),
        intent=text(resource, "intent"),
        not_done=do_not_perform(resource) or None,
        reason_code=reason(resource),
        authored=authored and authored.start,
        part_of=_medication(case) or case.part_of("encounter", "Encounter"),
    )


def medication_dispense(case: Case) -> Iterator[Event]:
    """A medication that was handed over, over the days that it lasts."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    not_done, recorded = text(resource, "status") in NOT_GIVEN, recorded_in_extension(case)
    span = covered_by_dispense(resource) or (recorded if not_done else None)
    if span is None:
        case.leave(NO_TIME)
        return
    yield from _given(case, person, span, not_done=not_done, authored=recorded, within="context")


def medication_administration(case: Case) -> Iterator[Event]:
    """A medication that was given."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    not_done, recorded = text(resource, "status") in NOT_GIVEN, recorded_in_extension(case)
    span = case.span("effective") or (recorded if not_done else None)
    if span is None:
        case.leave(NO_TIME)
        return
    yield from _given(case, person, span, not_done=not_done, authored=recorded, within="context")


def medication_statement(case: Case) -> Iterator[Event]:
    """A medication that somebody says was taken; without a time of taking, when it was said."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    asserted = case.moment("dateAsserted")
    span = case.span("effective") or asserted
    if span is None:
        case.leave(NO_TIME)
        return
    not_done = text(resource, "status") in NOT_GIVEN
    yield from _given(case, person, span, not_done=not_done, authored=asserted, within="context")


def covered_by_request(request: Json) -> Span | None:
    """The days a request covers (medicationRequestPeriod); None where no day can be said on which it begins.

    It begins on the first day of the dosage's bounds, else when it was written, else when its supply may begin. It lasts for the
    supply's days, worked out from quantity, dose and frequency where they are not said, once and for each refill; else to the end of
    the bounds.
    """
    dosage, dispense = _dosage(request), part(request, "dispenseRequest")
    bounds = part(part(part(dosage, "timing"), "repeat"), "boundsPeriod")
    start = (
        day(text(bounds, "start"))
        or day(text(request, "authoredOn"))
        or day(text(part(dispense, "validityPeriod"), "start"))
    )
    if start is None:
        return None
    supply = _days(part(dispense, "expectedSupplyDuration"))
    if supply is None:
        supply = _lasting(number(part(dispense, "quantity"), "value"), dosage)
    refills = number(dispense, "numberOfRepeatsAllowed") or Decimal(0)
    end = _last_day(start, None if supply is None else supply * (1 + refills)) or day(text(bounds, "end"))
    return Span(start.isoformat(), iso(end))


def covered_by_dispense(dispense: Json) -> Span | None:
    """The days a dispensing covers (medicationDispensePeriod); None where it says no day on which it was handed over or prepared."""
    start = day(text(dispense, "whenHandedOver")) or day(text(dispense, "whenPrepared"))
    if start is None:
        return None
    supply = _days(part(dispense, "daysSupply"))
    if supply is None:
        supply = _lasting(number(part(dispense, "quantity"), "value"), _dosage(dispense))
    end = _last_day(start, supply)
    return Span(start.isoformat(), iso(end))


def _given(
    case: Case, person: Person, span: Span, *, not_done: bool, authored: Span | None, within: str
) -> Iterator[Event]:
    resource = case.resource
    yield from clinical(
        case,
        person,
        "medication",
        _codes(case),
        span,
        status=text(resource, "status"),
        category=words(concepts(resource, "category")),
        not_done=not_done or None,
        reason_code=reason(resource),
        authored=authored and authored.start,
        part_of=case.part_of(within, "Encounter"),
    )


def _codes(case: Case) -> list[Coding]:
    """The codes of the medication: said here, or those of the resource that is pointed to, contained or not."""
    pointed = case.known(part(case.resource, "medicationReference"), "Medication")
    said = concepts(case.resource, "medicationCodeableConcept") or ([pointed["code"]] if pointed else [])
    if not said and part(case.resource, "medicationReference"):
        case.leave("names a Medication that the input does not have")
    return case.codes(said)


def _medication(case: Case) -> str | None:
    """The record_id of the Medication whose codes an order has, where it has none of its own: an edition may not look through it."""
    if parts(part(case.resource, "medicationCodeableConcept"), "coding"):
        return None
    pointed = case.known(part(case.resource, "medicationReference"), "Medication")
    return None if pointed is None else f"Medication/{text(pointed, 'id') or ''}"


def _dosage(resource: Json) -> Json:
    """The only dosage instruction: of several none can be said to hold."""
    instructions = parts(resource, "dosageInstruction")
    return instructions[0] if len(instructions) == 1 else {}


def _lasting(quantity: Decimal | None, dosage: Json) -> Decimal | None:
    """For how many days a quantity lasts; None where dose or frequency are not said."""
    rates = parts(dosage, "doseAndRate")
    rate = rates[0] if len(rates) == 1 else {}
    dose = number(part(part(rate, "doseRange"), "high"), "value") or number(part(rate, "doseQuantity"), "value")
    daily = _doses_a_day(part(part(dosage, "timing"), "repeat"))
    return quantity / (dose * daily) if quantity is not None and dose and daily else None


def _doses_a_day(repeat: Json) -> Decimal:
    """How often a day: by frequency and period, else by the number of times of day; zero where neither is said."""
    frequency = number(repeat, "frequencyMax") or number(repeat, "frequency")
    length, unit = number(repeat, "period"), text(repeat, "periodUnit")
    if frequency and length and unit in PER_DAY:
        return frequency * PER_DAY[unit] / length
    return Decimal(len(texts(repeat, "timeOfDay")))


def _days(duration: Json) -> Decimal | None:
    """A duration in days."""
    value, unit = number(duration, "value"), text(duration, "code") or text(duration, "unit")
    return value * DAYS[unit] if value is not None and unit in DAYS else None


def _last_day(start: dt.date, days: Decimal | None) -> dt.date | None:
    """The last day of so many, the first of them `start`; part of a day counts as none, and no supply is shorter than its first day."""
    if days is None or not 0 < days <= LONGEST:
        return None
    return start + dt.timedelta(days=int(days - 1))
