"""One price for one service, whoever did it and whoever paid: a supplied table. Source: measures.md 11, program.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import msgspec

from state.reference.codes import Code, System, UnknownSystem, UnusableCode, code_of, system_of
from state.reference.tables import TableFile, TableRow, read_rows

KIND = "tcoc_prices"
COLUMNS = ("code_system", "code", "modifier", "per", "price")
STAYS: System = "MSDRG"
"""The system whose price is of a whole stay."""
SYSTEMS: frozenset[System] = frozenset({"CPT", "HCPCS", "UBREV", "NDC", "RXNORM", STAYS})
"""The systems whose codes can have a price, so that what has none is seen."""


class Price(msgspec.Struct, frozen=True):
    """A price in dollars, of each unit or of the line, fill or stay as a whole."""

    amount: Decimal
    per_unit: bool

    def of(self, units: Decimal | None) -> Decimal:
        """The price of so many units; a line that names none, or none above 0, is one unit."""
        return self.amount * units if self.per_unit and units is not None and units > 0 else self.amount


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """The table: prices by code and modifier, "" where the price does not depend on one."""

    by_code: Mapping[tuple[Code, str], Price]

    def find(self, code: Code, modifiers: Iterable[str] = ()) -> Price | None:
        """The price of a code with the first of the modifiers that has one of its own; None where the table has none."""
        for modifier in modifiers:
            found = self.by_code.get((code, modifier))
            if found is not None:
                return found
        return self.by_code.get((code, ""))


@lru_cache(maxsize=16)
def parse(file: TableFile) -> Prices:
    """The prices of a CSV table. Raises `InvalidTable`, also for a code that has two."""
    prices: dict[tuple[Code, str], Price] = {}
    for row in read_rows(file, COLUMNS):
        code, modifier = _code(row), row.optional("modifier").upper()
        per = row.one_of("per", ("stay",) if code[0] == STAYS else ("unit", "line"))
        if (code, modifier) in prices:
            raise row.wrong("code", f"{code[1]} has a price already: leave one of them")
        prices[code, modifier] = Price(row.number("price"), per == "unit")
    return Prices(prices)


def _code(row: TableRow) -> Code:
    try:
        system = system_of(row.text("code_system"))
        if system not in SYSTEMS:
            raise row.wrong("code_system", f"{system} has no prices: use {', '.join(sorted(SYSTEMS))}")
        return code_of(system, row.text("code"))
    except UnknownSystem as problem:
        raise row.wrong("code_system", str(problem)) from None
    except UnusableCode as problem:
        raise row.wrong("code", str(problem)) from None
