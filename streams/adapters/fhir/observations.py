"""Observations and their components as clinical records: a result that is a number, a code, or anything else that was written."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from streams.adapters.fhir.care import NO_TIME, reason
from streams.adapters.fhir.case import Case, Person, clinical
from streams.adapters.fhir.elements import Json, concepts, number, part, parts, text, tokens, words, written
from streams.adapters.fhir.times import Span
from streams.adapters.sources import Event

CANCELLED = "cancelled"
"""The status of an observation that was not made (QI-Core ObservationNotDone, ObservationCancelled)."""
MOST_DIGITS, MOST_DECIMALS = 12, 6
"""What a number of the service may have."""
PLAIN = ("valueString", "valueDateTime", "valueTime")
"""Results that are text."""


def observation(case: Case) -> Iterator[Event]:
    """A record for each code, and for each code of each component, which belongs to it."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    not_done, issued = text(resource, "status") == CANCELLED, case.moment("issued")
    span = case.span("effective") or (issued if not_done else None)
    if span is None:
        case.leave(NO_TIME)
        return
    shared: dict[str, Any] = {
        "status": text(resource, "status"),
        "category": words(parts(resource, "category")),
        "not_done": not_done or None,
        "authored": issued and issued.start,
    }
    codes = case.codes(concepts(resource, "code"))
    yield from clinical(
        case,
        person,
        "observation",
        codes,
        span,
        **result(case, resource),
        **shared,
        reason_code=reason(resource) or tokens(concepts(resource, "dataAbsentReason")),
        part_of=case.part_of("encounter", "Encounter"),
        body_site=tokens(concepts(resource, "bodySite")),
    )
    for place, component in enumerate(parts(resource, "component")):
        yield from _component(case, person, component, place, span, shared)


def _component(
    case: Case, person: Person, component: Json, place: int, span: Span, shared: dict[str, Any]
) -> Iterator[Event]:
    yield from clinical(
        case,
        person,
        "observation",
        case.codes(concepts(component, "code")),
        span,
        record_id=f"{case.record_id}/component/{place}",
        **result(case, component),
        **shared,
        reason_code=tokens(concepts(component, "dataAbsentReason")),
        part_of=case.record_id,
    )


def result(case: Case, holder: Json) -> dict[str, Any]:
    """`value[x]` as value and unit, or as value_code; nothing where there is no result.

    A number stands in `value`; what bounds it (`<`, `>=`) in value_code as `comparator|<`. A code is `system|code`; anything else is
    its type and what is written: `text|negative`, `boolean|true`, `dateTime|2025-03-01`, `range|5/7`.
    """
    quantity = part(holder, "valueQuantity")
    if quantity:
        return _quantity(case, quantity)
    whole = number(holder, "valueInteger")
    if whole is not None:
        return _number(case, whole)
    coded = tokens(concepts(holder, "valueCodeableConcept"))
    if coded is not None:
        return {"value_code": coded}
    truth = holder.get("valueBoolean")
    if isinstance(truth, bool):
        return {"value_code": f"boolean|{str(truth).lower()}"}
    for name in PLAIN:
        said = text(holder, name)
        if said is not None:
            kind = "text" if name == "valueString" else name.removeprefix("value")
            return {"value_code": f"{kind[0].lower()}{kind[1:]}|{said}"}
    for name, ends in (("valueRange", ("low", "high")), ("valueRatio", ("numerator", "denominator"))):
        ratio = part(holder, name)
        if ratio:
            numbers = [number(part(ratio, end), "value") for end in ends]
            shown = "/".join("" if each is None else written(each) for each in numbers)
            unit = _unit(part(ratio, ends[0])) or _unit(part(ratio, ends[1]))
            return {"value_code": f"{name.removeprefix('value').lower()}|{shown}", "unit": unit}
    span = part(holder, "valuePeriod")
    if span:
        return {"value_code": f"period|{text(span, 'start') or ''}/{text(span, 'end') or ''}"}
    other = next((name for name in holder if name.startswith("value")), None)
    if other is not None:
        case.leave(f"{other} is a result of a type that is not read: only that there is one is told")
        return {"value_code": f"{other.removeprefix('value')}|"}
    return {}


def _quantity(case: Case, quantity: Json) -> dict[str, Any]:
    value, unit = number(quantity, "value"), _unit(quantity)
    if value is None:
        case.leave("valueQuantity has no value: only that there is a result is told")
        return {"value_code": "quantity|", "unit": unit}
    comparator = text(quantity, "comparator")
    said = _number(case, value) | {"unit": unit}
    return said | {"value_code": f"comparator|{comparator}"} if comparator else said


def _number(case: Case, value: Decimal) -> dict[str, Any]:
    """A number, with as many decimals as the service keeps; one with too many digits stays as text."""
    if not value.is_finite() or abs(value) >= Decimal(10) ** MOST_DIGITS:
        case.leave("value has more than 12 digits: it is told as text")
        return {"value_code": f"text|{value}"}
    rounded = value.quantize(Decimal(1).scaleb(-MOST_DECIMALS))
    if rounded != value:
        case.leave("value has more than 6 decimals: it is rounded to 6")
        return {"value": written(rounded)}
    return {"value": written(value)}


def _unit(quantity: Json) -> str | None:
    """The UCUM code, else the unit as it is shown."""
    return text(quantity, "code") or text(quantity, "unit")
