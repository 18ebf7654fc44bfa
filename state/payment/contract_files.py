"""What a file of contracts holds: one contract as JSON, or event records one a line (interface.md section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from schemas.records import Period, Practice, Table
from state.payment.contract_reading import TAG, Finding

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_BESIDE: Mapping[str, type[Practice | Table | Period]] = {"practice": Practice, "table": Table, "period": Period}


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds: contracts as raw JSON with their place, the records beside them, and what could not be read."""

    contracts: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    practices: tuple[Practice, ...] = ()
    tables: tuple[Table, ...] = ()
    periods: tuple[Period, ...] = ()
    unreadable: tuple[Finding, ...] = ()


def given(data: bytes) -> Given:
    """The contracts, practices, tables and periods of a file; other records are passed over, what cannot be read is a mistake.

    A file that is one JSON object is one contract, with or without event_type.
    """
    try:
        whole = _JSON.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _records(data)
    if isinstance(whole, dict) and whole.get(TAG) in (None, "contract"):
        return Given(contracts=(("file", whole),))
    return _records(data)


def _records(data: bytes) -> Given:
    contracts: list[tuple[str, Mapping[str, Any]]] = []
    beside: list[Practice | Table | Period] = []
    unreadable: list[Finding] = []
    for place, line in _lines(data):
        try:
            raw = _JSON.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            unreadable.append(Finding("mistake", place, "is not one JSON object: give one record a line."))
            continue
        kind = raw.get(TAG) if isinstance(raw, dict) else None
        if kind == "contract":
            contracts.append((place, raw))
        elif isinstance(kind, str) and kind in _BESIDE:
            try:
                beside.append(msgspec.convert(raw, _BESIDE[kind]))
            except msgspec.ValidationError as problem:
                unreadable.append(Finding("mistake", f"{place}, {kind}", f"{problem}: correct it."))
        elif kind is None:
            unreadable.append(
                Finding("mistake", f"{place}, {TAG}", "is missing: say what record it is, as in contract.")
            )
    return Given(
        contracts=tuple(contracts),
        practices=tuple(one for one in beside if isinstance(one, Practice)),
        tables=tuple(one for one in beside if isinstance(one, Table)),
        periods=tuple(one for one in beside if isinstance(one, Period)),
        unreadable=tuple(unreadable),
    )


def _lines(data: bytes) -> Iterator[tuple[str, bytes]]:
    for row, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield f"line {row}", line
