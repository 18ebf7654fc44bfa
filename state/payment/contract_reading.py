"""A contract from JSON, with every mistake of form at once, each with its place: a person mends a file once, not key by key."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import msgspec

from schemas.money import Contract

Level = Literal["mistake", "warning", "departure"]
TAG = "event_type"
MOST_DIGITS = 12
MOST_DECIMALS = 10
"""What a rate, factor or percentage can have; more is a slip, or an attempt to keep a machine busy."""
NO_DECIMAL = "Invalid decimal string"
MOST_QUOTED = 40
"""Signs of a wrong value that a sentence repeats."""


class Finding(msgspec.Struct, frozen=True, order=True):
    """Something to know of a contract: where, and a sentence that says what and, for a mistake, what to do."""

    level: Level
    place: str
    message: str


def read(raw: Mapping[str, Any], place: str) -> Contract | tuple[Finding, ...]:
    """The contract, or everything that keeps it from being one: missing, unknown and wrong keys. `place` stands before each key.

    Numbers may be JSON numbers or strings, if they were decoded without passing through floats. null is as absent.
    """
    found = tuple(Finding("mistake", *one) for one in _wrong(raw, Contract, f"{place}, "))
    return found or msgspec.convert(_without_nulls(raw), Contract)


def _wrong(raw: Mapping[str, Any], kind: type[msgspec.Struct], place: str) -> Iterator[tuple[str, str]]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in raw:
        if key not in fields and not (key == TAG and kind is Contract):
            near = difflib.get_close_matches(key, fields, 1)
            yield (
                f"{place}{key}",
                f"no key of this name{f', did you mean {near[0]}' if near else ''}: correct or remove it.",
            )
    for name, field in fields.items():
        value = raw.get(name)
        if value is None:
            if field.required:
                yield f"{place}{name}", "is missing: give it."
            continue
        yield from _wrong_value(value, field.type, f"{place}{name}")


def _wrong_value(value: Any, wanted: Any, place: str) -> Iterator[tuple[str, str]]:
    inner = [one for one in get_args(wanted) if one is not type(None)]
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        if isinstance(value, Mapping):
            yield from _wrong(value, wanted, f"{place}.")
        else:
            yield place, "is no object: give it its keys, as docs/contracts.md lists them."
    elif get_origin(wanted) is tuple and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _wrong_value(item, inner[0], f"{place}[{number}]")
    elif (
        choices := [one for kind in (wanted, *inner) if get_origin(kind) is Literal for one in get_args(kind)]
    ) and value not in choices:
        yield place, f"is none of {', '.join(choices)}: correct it."
    elif dt.date in (wanted, *inner) and not _is_day(value):
        yield place, f"{_quoted(value)} is no date: give it as YYYY-MM-DD."
    else:
        try:
            converted = msgspec.convert(value, wanted)
        except msgspec.ValidationError as problem:
            said = str(problem).partition(" - at ")[0]
            yield place, f"{_quoted(value)} is no number: correct it." if said == NO_DECIMAL else f"{said}: correct it."
            return
        numbers = converted.values() if isinstance(converted, dict) else [converted]
        if any(isinstance(number, Decimal) and not _is_plain(number) for number in numbers):
            yield place, f"is no number of at most {MOST_DIGITS} digits and {MOST_DECIMALS} decimals: correct it."


def _is_day(value: Any) -> bool:
    try:
        msgspec.convert(value, dt.date)
    except msgspec.ValidationError:
        return False
    return True


def _quoted(value: Any) -> str:
    """A wrong value as JSON has it, cut where nobody would read on."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."


def _is_plain(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and number.adjusted() < MOST_DIGITS and exponent >= -MOST_DECIMALS


def _without_nulls(raw: Any) -> Any:
    if isinstance(raw, Mapping):
        return {key: _without_nulls(value) for key, value in raw.items() if value is not None}
    if isinstance(raw, list):
        return [_without_nulls(item) for item in raw]
    return raw
