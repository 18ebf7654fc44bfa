"""In which units a laboratory or chart may give what measures compare with a threshold, and what these make of it.

The table is `state/data/measured_units.csv`. Source: measures.md 6 (HbA1c in mmol/mol, average glucose in mg/dL under the code of GMI).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

import msgspec

from state.reference.codes import Code, code_of
from state.reference.tables import TableStore, read_rows

COLUMNS = ("what", "code_system", "codes", "unit", "factor", "offset", "divisor", "source")
_ANNOTATION = re.compile(r"\{[^}]*\}|\s")


class UnknownUnit(Exception):
    """A number is in a unit that nobody knows for its code."""


class Conversion(msgspec.Struct, frozen=True):
    """A number in this unit times `factor`, plus `offset`, over `divisor` is what rules compare."""

    factor: Decimal
    offset: Decimal
    divisor: Decimal


AS_IT_IS = Conversion(Decimal(1), Decimal(0), Decimal(1))


def spelled(unit: str) -> str:
    """A unit without case, spaces and the annotations of UCUM: `mm [Hg]`, `MM[HG]` and `mm[Hg]{sitting}` are one."""
    return _ANNOTATION.sub("", unit).lower()


def converted(code: Code, value: Decimal, unit: str, otherwise: Code | None = None) -> Decimal:
    """A number in the unit in which rules compare it.

    A code that has no row is read as `otherwise`, or its number stands as it is. A number without a unit stands as it is where rules
    compare the code in one of its own units; of a code whose every unit is converted it must name one.

    Raises `UnknownUnit`.
    """
    known = _table().get(code) or (_table().get(otherwise) if otherwise else None)
    if known is None:
        return value
    conversion = known.get(spelled(unit))
    if conversion is None:
        names = ", ".join(sorted(filter(None, known)))
        raise UnknownUnit(f"{' '.join(code)} is known in {names}: send the number in one of them.")
    return (value * conversion.factor + conversion.offset) / conversion.divisor


def is_measured(code: Code) -> bool:
    """Whether the table speaks of a code, so that a number of it must be above zero and in a unit of the table."""
    return code in _table()


@lru_cache(maxsize=1)
def _table() -> dict[Code, dict[str, Conversion]]:
    found: dict[Code, dict[str, Conversion]] = {}
    for row in read_rows(TableStore().built_in("measured_units"), COLUMNS):
        conversion = Conversion(*(Decimal(row.text(column)) for column in ("factor", "offset", "divisor")))
        for text in row.text("codes").split():
            units = found.setdefault(code_of(row.text("code_system"), text), {})
            if units.setdefault(spelled(row.text("unit")), conversion) != conversion:
                raise row.wrong("unit", "stands twice for a code, and differently")
    for units in found.values():
        if AS_IT_IS in units.values():
            units[""] = AS_IT_IS
    return found
