"""The tables of the program as data: thresholds of measures, shares by practice type, HPI adjustments, templates of service classes.

They come with the project, with their source in each row; a contract may name its own by digest, and that is a departure.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

import msgspec

from schemas.money import Column, PracticeType, ServiceClass
from state.reference.tables import TableFile, TableRow, TableStore, read_rows

PRACTICE_TYPES: tuple[PracticeType, ...] = ("mixed", "pediatric", "adult")
MEASURE_COLUMNS = (
    "measure",
    "label",
    "type",
    "population",
    "equity_sensitive",
    "scored",
    "minimum",
    "threshold",
    "gold",
    "unit",
    "minimum_denominator",
    "source",
)
SHARE_COLUMNS = ("practice_type", "measure", "improvement", "threshold", "gold", "source")
ADJUSTMENT_COLUMNS = ("decile", "adjustment_pct", "source")
CLASS_COLUMNS = ("class", "codes", "column", "note", "source")
SHIPPED = {
    kind: f"payment/{kind}"
    for kind in ("incentive_measures", "incentive_shares", "hpi_adjustments", "service_classes_b", "service_classes_c")
}
"""The tables that come with the project, by kind, and where they lie."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """From where a measure pays improvement, attainment, and the most. Lower is better where gold lies below the threshold."""

    minimum: Decimal
    threshold: Decimal
    gold: Decimal

    @property
    def direction(self) -> int:
        """+1 where more is better, -1 where less is. Source: payment.md 4.3."""
        return 1 if self.gold > self.threshold else -1


class MeasureTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of the incentive. No thresholds: to be decided, not scored, and never invented here."""

    measure: str
    label: str
    type: str
    population: str
    equity_sensitive: bool
    unit: str
    minimum_denominator: int
    thresholds: Thresholds | None


class Shares(msgspec.Struct, frozen=True):
    """Percent of the incentive pool: for improvement, at the threshold, and at gold."""

    improvement: Decimal
    threshold: Decimal
    gold: Decimal


class ProgramTables(msgspec.Struct, frozen=True, eq=False):
    """What a contract's incentive and HPI adjustment go by."""

    measures: Mapping[str, MeasureTerms]
    shares: Mapping[PracticeType, Mapping[str, Shares]]
    hpi_adjustments: Mapping[int, Decimal]


def shipped(store: TableStore, kind: str) -> TableFile:
    """The table of the program of this kind that comes with the project."""
    return store.built_in(SHIPPED[kind])


@lru_cache(maxsize=64)
def parse_measures(file: TableFile) -> Mapping[str, MeasureTerms]:
    """Measures by id, in the table's order. Raises `InvalidTable`: also for a measure that is scored and has no threshold."""
    found: dict[str, MeasureTerms] = {}
    for row in read_rows(file, MEASURE_COLUMNS):
        measure = row.text("measure")
        if measure in found:
            raise row.wrong("measure", f"{measure} stands twice")
        row.text("source")
        found[measure] = MeasureTerms(
            measure=measure,
            label=row.text("label"),
            type=row.one_of("type", ("quality", "utilization", "cost")),
            population=row.one_of("population", ("adult", "pediatric", "both")),
            equity_sensitive=row.one_of("equity_sensitive", ("yes", "no")) == "yes",
            unit=row.one_of("unit", ("percent", "per_1000", "index")),
            minimum_denominator=int(row.number("minimum_denominator")),
            thresholds=_thresholds(row, measure),
        )
    return found


@lru_cache(maxsize=64)
def parse_shares(file: TableFile) -> Mapping[PracticeType, Mapping[str, Shares]]:
    """Shares by practice type and measure. Raises `InvalidTable`: also where a practice could lose by improving into attainment."""
    found: dict[PracticeType, dict[str, Shares]] = {one: {} for one in PRACTICE_TYPES}
    for row in read_rows(file, SHARE_COLUMNS):
        name = row.one_of("practice_type", PRACTICE_TYPES)
        of_type = found[next(one for one in PRACTICE_TYPES if one == name)]
        measure = row.text("measure")
        if measure in of_type:
            raise row.wrong("measure", f"{measure} stands twice for {name} practices")
        shares = Shares(*(row.number(column) for column in ("improvement", "threshold", "gold")))
        if not Decimal(0) <= shares.improvement <= shares.threshold <= shares.gold <= Decimal(100):
            raise row.wrong(
                "improvement", "shares must rise from improvement over threshold to gold and lie between 0 and 100"
            )
        row.text("source")
        of_type[measure] = shares
    return found


@lru_cache(maxsize=64)
def parse_hpi_adjustments(file: TableFile) -> Mapping[int, Decimal]:
    """Percent by decile 1 to 10. Raises `InvalidTable` when a decile is missing."""
    found: dict[int, Decimal] = {}
    row = None
    for row in read_rows(file, ADJUSTMENT_COLUMNS):
        decile = int(row.one_of("decile", map(str, range(1, 11))))
        row.text("source")
        found[decile] = row.number("adjustment_pct")
    missing = [decile for decile in range(1, 11) if decile not in found]
    if missing and row is not None:
        raise row.wrong("decile", f"the table has no row for decile {missing[0]}")
    return found


@lru_cache(maxsize=16)
def parse_classes(file: TableFile) -> tuple[ServiceClass, ...]:
    """The classes of a printed table in its order: a template to confirm, with no column where the guide does not prove one."""
    columns: dict[str, Column] = {"capitated": "capitated", "fee_for_service": "fee_for_service"}
    return tuple(
        ServiceClass(
            name=row.text("class"),
            codes=tuple(row.optional("codes").split()),
            column=columns.get(row.optional("column")),
        )
        for row in read_rows(file, CLASS_COLUMNS)
    )


def _thresholds(row: TableRow, measure: str) -> Thresholds | None:
    if row.one_of("scored", ("yes", "no")) == "no":
        return None
    for column in ("minimum", "threshold", "gold"):
        if not row.optional(column):
            raise row.wrong(
                column, f"measure {measure} is scored and has no {column}: give all three, or say scored=no"
            )
    found = Thresholds(minimum=row.number("minimum"), threshold=row.number("threshold"), gold=row.number("gold"))
    s = found.direction
    if not s * found.minimum <= s * found.threshold < s * found.gold:
        raise row.wrong("minimum", f"minimum, threshold and gold of {measure} do not run in one direction")
    return found
