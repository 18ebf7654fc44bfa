"""A contract with the tables it names, ready to pay by: complete, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Contract, PracticeType, TableUse
from state.payment import age_gender, hpi, program_tables
from state.payment.age_gender import Factors
from state.payment.element2 import Risk
from state.payment.hpi import Location
from state.payment.program_tables import MeasureTerms, ProgramTables, Shares
from state.payment.service_classes import ServiceClasses, compiled
from state.reference.tables import TableFile, TableStore

PAID_BY: Mapping[str, Callable[[TableFile], object]] = {
    "age_gender_factors": age_gender.parse,
    "hpi": hpi.parse_scores,
    "hpi_adjustments": program_tables.parse_hpi_adjustments,
    "incentive_measures": program_tables.parse_measures,
    "incentive_shares": program_tables.parse_shares,
}
"""Kinds of tables that contracts pay by. A contract names its own by digest, so that a record of one puts nothing in force: it is checked,
kept on the log, and not told to members."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a contract pays by. `factors`: None where it names none, so that nothing is adjusted by age and gender."""

    contract: Contract
    program: ProgramTables
    classes: ServiceClasses
    factors: Factors | None
    hpi_scores: Mapping[str, Decimal]

    def measures_of(self, practice_type: PracticeType) -> Sequence[tuple[MeasureTerms, Shares]]:
        """The measures that apply to a practice of this type, in the table's order: 11, 5 or 9."""
        shares = self.program.shares[practice_type]
        return [(self.program.measures[measure], one) for measure, one in shares.items()]

    def risk(self, sites: Sequence[Location], normaliser: Decimal, population: str) -> Risk:
        """What adjusts this practice's PMPMs. `normaliser`: the average factor of `population`, frozen with the snapshot."""
        return Risk(
            factors=self.factors,
            normaliser=normaliser,
            population=population,
            hpi=hpi.of_practice(
                sites,
                self.program.hpi_adjustments,
                panel_weighted=self.contract.policies.hpi_location == "panel_weighted",
            ),
        )


def resolve(contract: Contract, store: TableStore) -> Terms:
    """The contract with its tables, those of the program where it names none.

    Raises `TableError` for a table that is missing or wrong, `BadCodes` for a class that cannot be read: nothing is paid by half a
    contract.
    """
    named: dict[str, TableUse] = {use.kind: use for use in contract.tables}
    factors = named.get("age_gender_factors")
    scores = named.get("hpi")
    return Terms(
        contract=contract,
        program=ProgramTables(
            measures=program_tables.parse_measures(_file(named, "incentive_measures", store)),
            shares=program_tables.parse_shares(_file(named, "incentive_shares", store)),
            hpi_adjustments=program_tables.parse_hpi_adjustments(_file(named, "hpi_adjustments", store)),
        ),
        classes=compiled(contract),
        factors=None if factors is None else age_gender.parse(store.load(factors.kind, factors.digest)),
        hpi_scores={} if scores is None else hpi.parse_scores(store.load(scores.kind, scores.digest)),
    )


def _file(named: Mapping[str, TableUse], kind: str, store: TableStore) -> TableFile:
    use = named.get(kind)
    return program_tables.shipped(store, kind) if use is None else store.load(use.kind, use.digest)
