"""Rates as people see them: all practices together, the measures that the program calls equity sensitive before the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from state.measures.editions import Edition
from state.measures.outcome import Sums
from state.measures.rates import Cell, value_of
from state.measures.results import Asked
from state.payment.program_tables import parse_measures, shipped
from state.reference.tables import TableStore

MARK = "*"
"""Stands behind a measure that the program calls equity sensitive (QTI)."""


class Shown(NamedTuple):
    """A rate of all practices and payers together. `value` is None where there is none, or where practices are compared with each other."""

    measure: str
    rate: str
    practices: int
    denominator: int
    numerator: int
    value: str | None


@lru_cache(maxsize=1)
def equity_sensitive() -> frozenset[str]:
    """The measures that the program calls equity sensitive. Source: program.md, by the table of the incentive."""
    measures = parse_measures(shipped(TableStore(), "incentive_measures"))
    return frozenset(name for name, terms in measures.items() if terms.equity_sensitive)


def in_order(measures: Iterable[str]) -> list[str]:
    """Measures as people see them: equity sensitive ones first, then by name."""
    return sorted(measures, key=lambda name: (name not in equity_sensitive(), name))


def marked(measure: str) -> str:
    """A measure's name, marked where it is equity sensitive."""
    return f"{measure} {MARK}" if measure in equity_sensitive() else measure


def together(sums: Mapping[tuple[Asked, Cell], Sums], editions: Mapping[str, Edition]) -> dict[Asked, list[Shown]]:
    """For each edition, period and reading the rates of all practices together, in the order in which people see them."""
    added: dict[tuple[Asked, str, str], tuple[Sums, set[str]]] = {}
    for (asked, cell), some in sums.items():
        if cell.stratum:
            continue
        known, practices = added.get((asked, cell.measure, cell.rate), (Sums(), set[str]()))
        added[asked, cell.measure, cell.rate] = (known + some, practices | {cell.practice_id})
    order = in_order({measure for _, measure, _ in added})
    found: dict[Asked, list[Shown]] = {}
    for asked, measure, rate in sorted(added, key=lambda key: (key[0], order.index(key[1]), key[2])):
        whole, practices = added[asked, measure, rate]
        cell = Cell(measure, rate, "", "", "")
        value, _ = value_of(cell, whole, Sums(), editions[asked.edition].parameters[measure])
        shown = Shown(
            measure,
            rate,
            len(practices),
            whole.denominator,
            whole.numerator,
            None if value is None else str(value),
        )
        found.setdefault(asked, []).append(shown)
    return found


def lines(found: Mapping[Asked, Iterable[Shown]]) -> Iterator[str]:
    """The rates as a table of plain text, a title above each edition, period and reading."""
    for asked, some in found.items():
        yield f"{asked.edition}, {asked.period}, all practices ({MARK} equity sensitive, first; by practice and stratum in rates.csv)"
        yield f"  {'measure':9}{'rate':20}{'practices':>9}{'counted':>9}{'met':>8}{'value':>10}"
        for one in some:
            value = one.value if one.value is not None else "-"
            yield f"  {marked(one.measure):9}{one.rate:20}{one.practices:>9,}{one.denominator:>9,}{one.numerator:>8,}{value:>10}"
