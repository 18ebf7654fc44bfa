"""What element 3 needs of a frozen reading: the sums of each measure by payer and practice, and what they are compared with.

The one place where measures hand over to money. Source: payment.md 4.3 and 4.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from schemas.money import Contract, PracticeType, Statement
from schemas.records import Period, Snapshot
from state.measures import tcoc
from state.measures.measuring import measured_editions
from state.measures.outcome import Sums
from state.measures.rates import Cell as SumsCell
from state.measures.utilisation import EXPECTED_SUM
from state.payment import paid_rates
from state.payment.incentive import Performance
from state.payment.paid_rates import PaidRate
from state.payment.partial_sums import ByEdition
from state.payment.rates import NO_PEERS, Baseline, Counts, baseline_of_period, counts_of, performance
from state.payment.terms import Terms
from state.reference import reference_rates
from state.reference.reference_rates import ReferenceRate
from state.reference.tables import TableStore


class NotMeasured(Exception):
    """A reading has no results of the edition by which its period is paid; the message says what to do."""


class Cell(msgspec.Struct, frozen=True, order=True):
    """What a measure of the incentive is counted for."""

    payer: str
    practice_id: str
    measure: str


class Reading(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A reading that is closed: its sums, the labels of the editions that measured it, and the reference rates frozen with it."""

    close_id: str
    period: str
    editions: Mapping[str, str]
    sums: ByEdition
    reference: Mapping[str, ReferenceRate] = {}


class FrozenRates(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The sums of a frozen reading, in the rate of each measure that is paid.

    `reference_rates`: R of the measures per 1,000, frozen with the reading. `baseline`: the same of the reading before the project.
    `notes`: what there is to say of both on statements.
    """

    sums: Mapping[Cell, Counts]
    reference_rates: Mapping[str, Decimal] = {}
    baseline: FrozenRates | None = None
    notes: tuple[str, ...] = ()


def reading_of(store: TableStore, snapshot: Snapshot, sums: ByEdition) -> Reading:
    """A close that is complete with its sums, by the tables it was measured by. Raises `TableError` for one that is not there."""
    digests = [(one.kind, one.digest) for one in snapshot.measured_by]
    supplied = next((digest for kind, digest in digests if kind == reference_rates.KIND), None)
    reference = None if supplied is None else store.load(reference_rates.KIND, supplied)
    return Reading(
        close_id=snapshot.close_id,
        period=snapshot.period,
        editions=measured_editions(store, digests),
        sums=sums,
        reference={} if reference is None else reference_rates.parse(reference),
    )


def rates_of(store: TableStore, period: Period, reading: Reading, baseline: Reading | None) -> FrozenRates:
    """What a period is paid on: the sums of the edition and rates of the program's choice, and the same of the baseline's reading.

    A baseline that was not measured by the edition is none: the statements say so. Raises `NotMeasured`.
    """
    edition = paid_rates.edition_of(store, period)
    if edition is None or edition not in reading.editions:
        by = ", ".join(sorted(reading.editions)) or "no edition"
        raise NotMeasured(
            f"{period.period} is paid by {edition or 'no edition that is known'}, and {reading.close_id} was measured by {by}: put that "
            "edition in force, or name another in the `period` record, then annul this close and close again."
        )
    paid = paid_rates.rates_of(store, period.dsf_phase)
    found = _rates(reading, edition, paid)
    missing = None
    if period.baseline is None:
        missing = f"the record of {period.period} names no baseline"
    elif baseline is None:
        missing = f"no final reading of {period.baseline} stands"
    elif edition not in baseline.editions:
        missing = f"{baseline.close_id} was not measured by {edition}"
    there = baseline is not None and missing is None
    said = f"No baseline: {missing}." if missing else f"Baseline: {baseline.close_id if baseline else ''}."
    return msgspec.structs.replace(
        found,
        baseline=_rates(baseline, edition, paid) if there and baseline is not None else None,
        notes=(f"Rates by {edition}: {reading.editions[edition]}.", said),
    )


def performances(
    frozen: FrozenRates,
    terms: Terms,
    practice_type: PracticeType,
    contracts: Mapping[str, Contract],
    last_final: Statement | None,
) -> Iterator[Performance]:
    """The results of a practice with one payer in the measures of its type; none for a measure that was not counted.

    `contracts` are the practice's, by payer: rates may be pooled over them, and then their baselines are too. `last_final` is the final
    statement of the period before.
    """
    contract = terms.contract
    for measure, _ in terms.measures_of(practice_type):
        counts = _counts(frozen, contract, contracts, measure.measure)
        if not counts:
            continue
        before = None if frozen.baseline is None else _counts(frozen.baseline, contract, contracts, measure.measure)
        baseline = None
        if before and frozen.baseline is not None:
            rate = performance(measure, before, None, frozen.baseline.reference_rates.get(measure.measure)).rate
            baseline = Baseline(value=rate, rate_name=before[0].rate_name)
        yield performance(
            measure,
            counts,
            baseline_of_period(
                baseline,
                _last_rate(last_final, measure.measure),
                rebase=contract.policies.rebase_each_period,
            ),
            frozen.reference_rates.get(measure.measure),
        )


def _counts(frozen: FrozenRates, contract: Contract, contracts: Mapping[str, Contract], measure: str) -> list[Counts]:
    cells = [Cell(payer, contract.practice_id, measure) for payer in sorted(contracts)]
    return list(counts_of([frozen.sums[cell] for cell in cells if cell in frozen.sums], contract.payer, contracts))


def _last_rate(statement: Statement | None, measure: str) -> Baseline | None:
    """The rate that a final statement has paid on; of another phase of depression it is no baseline."""
    for line in () if statement is None else statement.lines:
        if line.element == "3" and line.item == measure and line.rate is not None:
            return Baseline(value=line.rate, rate_name=line.rate_name or "")
    return None


def _rates(reading: Reading, edition: str, paid: Mapping[str, PaidRate]) -> FrozenRates:
    by_rate = {(one.result, one.rate): one for one in paid.values()}
    peers: dict[tuple[str, str], Sums] = {}
    for (of, cell), sums in reading.sums.items():
        one = by_rate.get((cell.measure, cell.rate))
        if of == edition and one is not None and one.expected == "peers":
            peers[cell.payer, one.measure] = peers.get((cell.payer, one.measure), Sums()) + sums
    return FrozenRates(
        sums={
            Cell(cell.payer, cell.practice_id, one.measure): _counted(
                one, cell, sums, peers.get((cell.payer, one.measure), Sums()), reading.reference.get(one.result)
            )
            for (of, cell), sums in reading.sums.items()
            if of == edition and (one := by_rate.get((cell.measure, cell.rate))) is not None
        },
        reference_rates={
            one.measure: reading.reference[one.result].per_member
            for one in paid.values()
            if one.expected == "events" and one.result in reading.reference
        },
    )


def _counted(one: PaidRate, cell: SumsCell, sums: Sums, peers: Sums, reference: ReferenceRate | None) -> Counts:
    """What a practice has in a rate. Expected events are calibrated by the mean ratio that comes with R (measures.md 10.4)."""
    numerator, expected, unscored = Decimal(sums.numerator), None, None
    if one.expected == "events" and EXPECTED_SUM in sums.more:
        expected = sums.more[EXPECTED_SUM] * (Decimal(1) if reference is None else reference.mean_ratio)
    elif one.expected == "peers" and sums.more:
        numerator, expected = tcoc.observed_cost(sums), tcoc.expected_cost(sums, peers)
        unscored = NO_PEERS if peers.denominator <= sums.denominator else None
    return Counts(
        payer=cell.payer,
        measure=one.measure,
        rate_name=one.name,
        numerator=numerator,
        denominator=Decimal(sums.denominator),
        expected=expected,
        unscored=unscored,
    )
