"""Contracts validated as a whole: each by itself, all against each other, and against the practices, tables and periods beside them.

One message per mistake, with its place; every departure from the common model; the most each practice type can reach. A contract with a
mistake pays nobody. Source: payment.md 4.1, 4.4 and 4.6; issue "From a frozen period to money", contracts as data and bad input.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations

import msgspec

from schemas.money import Contract, PracticeType
from schemas.records import Period, Practice, Table
from state import validation
from state.calendar import LATEST
from state.payment import contract_rules, departures, hpi
from state.payment.amounts import plain
from state.payment.contract_files import Given
from state.payment.contract_reading import Finding, read
from state.payment.incentive import gold_sum, reachable
from state.payment.pool import DesignLimits, design_limits
from state.payment.program_tables import PRACTICE_TYPES, shipped
from state.payment.terms import resolve
from state.reference.tables import TableError, TableStore

FOREVER = dt.date.max

TARGETS = ("incentive_measures", "incentive_shares")
"""The kinds of tables that do not change during the project."""


class Reachable(msgspec.Struct, frozen=True, kw_only=True):
    """What a practice of a type can earn at most, percent of its incentive pool: as printed, and by the contract's policies."""

    contract_id: str
    practice_type: PracticeType
    measures: int
    improvement_sum: Decimal
    gold_sum: Decimal
    initial: Decimal
    final: Decimal


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say of the contracts of a file."""

    contracts: tuple[Contract, ...]
    findings: tuple[Finding, ...]
    reachable: tuple[Reachable, ...]
    limits: tuple[tuple[str, DesignLimits], ...]
    """By contract: what each element adds to base payment."""

    @property
    def mistakes(self) -> tuple[Finding, ...]:
        """Why contracts are refused."""
        return tuple(one for one in self.findings if one.level == "mistake")


def in_force(contracts: Iterable[Contract], payer: str, practice_id: str, day: dt.date) -> Contract | None:
    """The contract of a practice and payer on a day; of one contract_id the last of `contracts` stands."""
    last = {contract.contract_id: contract for contract in contracts}
    for contract in last.values():
        ours = (contract.payer, contract.practice_id) == (payer, practice_id)
        if ours and contract.effective_from <= day < (contract.effective_to or FOREVER):
            return contract
    return None


def check(given: Given, store: TableStore) -> Report:
    """Everything wrong, odd or departing in the contracts given, and the reachable maximum of those without a mistake."""
    findings: list[Finding] = [*given.unreadable, *_records(given)]
    contracts: list[tuple[str, Contract]] = []
    for where, raw in given.contracts:
        name = raw.get("contract_id")
        place = f"{where}, contract {name}" if isinstance(name, str) else where
        found = read(raw, place)
        if isinstance(found, Contract):
            contracts.append((place, found))
        else:
            findings += found
    if not given.contracts:
        findings.append(Finding("mistake", "file", "holds no contract: give records of event_type contract."))
    most: list[Reachable] = []
    for place, contract in contracts:
        wrong = [*contract_rules.mistakes(contract, store), *_beside(contract, given)]
        findings += [Finding("mistake", f"{place}, {key}", said) for key, said in wrong]
        findings += [Finding("warning", f"{place}, {key}", said) for key, said in contract_rules.warnings(contract)]
        findings += [Finding("warning", f"{place}, {key}", said) for key, said in _locations(contract, given, store)]
        if not wrong:
            findings += [
                Finding("departure", f"{place}, {key}", said) for key, said in departures.departures(contract, store)
            ]
            most += _reachable(contract, store)
    findings += [Finding("mistake", place, said) for place, said in together(contracts, given.periods, store)]
    return Report(
        contracts=tuple(contract for _, contract in contracts),
        findings=tuple(findings),
        reachable=tuple(most),
        limits=tuple((contract.contract_id, design_limits(contract)) for _, contract in contracts),
    )


def _records(given: Given) -> Iterator[Finding]:
    records: tuple[Practice | Table | Period, ...] = (*given.practices, *given.tables, *given.periods)
    for record in records:
        refusal = validation.refusal(record, LATEST)
        if refusal is not None:
            name = type(record).__struct_config__.tag
            yield Finding("mistake", f"{name}, {refusal.field}", refusal.message)


def _beside(contract: Contract, given: Given) -> Iterator[tuple[str, str]]:
    """What does not fit the records of the file. A kind of record of which the file has none is not asked for."""
    practices = {one.practice_id for one in given.practices}
    if practices and contract.practice_id not in practices:
        yield (
            "practice_id",
            f"the file has no practice record of {contract.practice_id}: send it too, or correct the id.",
        )
    for place, use in enumerate(contract.tables):
        of_kind = [table for table in given.tables if table.kind == use.kind]
        if of_kind and (use.version, use.digest) not in {(table.version, table.digest) for table in of_kind}:
            known = ", ".join(sorted({table.version for table in of_kind}))
            yield (
                f"tables[{place}]",
                f"{use.kind} version {use.version} with this digest is not known: the table records of the file have version {known}.",
            )


def _locations(contract: Contract, given: Given, store: TableStore) -> Iterator[tuple[str, str]]:
    """Practices without an HPI score: nothing is added for them, and somebody should know before."""
    if not contract_rules.needs_risk_tables(contract):
        return
    use = next((one for one in contract.tables if one.kind == "hpi"), None)
    try:
        scores = {} if use is None else hpi.parse_scores(store.load(use.kind, use.digest))
    except TableError:
        return  # a mistake, said with the place of the table
    for practice in given.practices:
        scored = practice.hpi_percentile is not None or (practice.census_tract or "") in scores
        if practice.practice_id == contract.practice_id and not scored:
            yield "practice_id", f"practice {practice.practice_id} has no HPI score: nothing is added for its location."


def _reachable(contract: Contract, store: TableStore) -> Iterator[Reachable]:
    program = resolve(contract, store).program
    for practice_type in PRACTICE_TYPES:
        shares = program.shares[practice_type]
        initial, final = (
            plain(reachable(program.measures, shares, contract.policies, reading), 4)
            for reading in ("initial", "final")
        )
        yield Reachable(
            contract_id=contract.contract_id,
            practice_type=practice_type,
            measures=len(shares),
            improvement_sum=sum((one.improvement for one in shares.values()), Decimal(0)),
            gold_sum=gold_sum(shares),
            initial=initial,
            final=final,
        )


def together(
    contracts: Sequence[tuple[str, Contract]], periods: Sequence[Period], store: TableStore
) -> Iterator[tuple[str, str]]:
    """What is wrong between contracts: of one practice and payer there is one contract on a day, in one track, by one set of targets.

    Whatever its products: what is stated, carried and set off is of a practice and payer.
    """
    for (_, one), (place, other) in combinations(contracts, 2):
        if (one.payer, one.practice_id) != (other.payer, other.practice_id):
            continue
        if (
            _targets(one, store) != _targets(other, store)
            and _inside_project(one, periods)
            and _inside_project(other, periods)
        ):
            yield (
                f"{place}, tables",
                (
                    f"thresholds, golds or shares differ from those of contract {one.contract_id}: targets do not change during the "
                    "project; name the same tables."
                ),
            )
        if one.contract_id == other.contract_id or not _overlap(one, other):
            continue
        days = f"from {max(one.effective_from, other.effective_from)} on"
        if one.track != other.track:
            yield (
                f"{place}, track",
                (
                    f"practice {other.practice_id} is in track {one.track} by contract {one.contract_id} and in track {other.track} by "
                    f"this one, with the same plan, {days}: a practice is in one track per plan."
                ),
            )
        else:
            apart = not {*one.products} & {*other.products} and one.products and other.products
            then = "name the products of both in one" if apart else "end one before the other begins"
            yield (
                f"{place}, effective_from",
                f"overlaps contract {one.contract_id} of the same practice and plan {days}: {then}.",
            )


def _overlap(one: Contract, other: Contract) -> bool:
    return one.effective_from < (other.effective_to or FOREVER) and other.effective_from < (one.effective_to or FOREVER)


def _targets(contract: Contract, store: TableStore) -> Mapping[str, str]:
    """The digests of thresholds and shares: of the tables the contract names, else of the program's."""
    common = {kind: hashlib.sha256(shipped(store, kind).data).hexdigest() for kind in TARGETS}
    return common | {use.kind: use.digest for use in contract.tables if use.kind in TARGETS}


def _inside_project(contract: Contract, periods: Sequence[Period]) -> bool:
    """Whether a contract holds on a day of the project: of any period given, of every day where none is."""
    if not periods:
        return True
    first = min(period.pool_from for period in periods)
    last = max(period.performance_end for period in periods)
    return contract.effective_from <= last and (contract.effective_to or FOREVER) > first
