"""What element 3 needs of a frozen reading: the sums of each measure by payer and practice, and what they are compared with.

The one place where measures hand over to money. Source: payment.md 4.3 and 4.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from schemas.money import Contract, PracticeType, Statement
from state.payment.incentive import Performance
from state.payment.rates import Baseline, Counts, baseline_of_period, counts_of, performance
from state.payment.terms import Terms


class Cell(msgspec.Struct, frozen=True, order=True):
    """What a measure of the incentive is counted for."""

    payer: str
    practice_id: str
    measure: str


class FrozenRates(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The sums of a frozen reading, in the rate of each measure that is paid.

    `baselines`: frozen before the project. `reference_rates`: R of the measures per 1,000, frozen with the reading.
    """

    sums: Mapping[Cell, Counts]
    baselines: Mapping[Cell, Baseline] = {}
    reference_rates: Mapping[str, Decimal] = {}


def performances(
    frozen: FrozenRates,
    terms: Terms,
    practice_type: PracticeType,
    contracts: Mapping[str, Contract],
    last_final: Statement | None,
) -> Iterator[Performance]:
    """The results of a practice with one payer in the measures of its type; none for a measure that was not counted.

    `contracts` are the practice's, by payer: rates may be pooled over them. `last_final` is the final statement of the period before.
    """
    contract = terms.contract
    for measure, _ in terms.measures_of(practice_type):
        cells = [Cell(payer, contract.practice_id, measure.measure) for payer in sorted(contracts)]
        counts = counts_of([frozen.sums[cell] for cell in cells if cell in frozen.sums], contract.payer, contracts)
        if not counts:
            continue
        found = frozen.baselines.get(Cell(contract.payer, contract.practice_id, measure.measure))
        yield performance(
            measure,
            counts,
            baseline_of_period(
                found,
                _last_rate(last_final, measure.measure, counts[0].rate_name),
                rebase=contract.policies.rebase_each_period,
            ),
            frozen.reference_rates.get(measure.measure),
        )


def _last_rate(statement: Statement | None, measure: str, rate_name: str) -> Baseline | None:
    """The rate that a final statement has paid on; a period whose rate is another has its baseline reset by its own frozen one."""
    for line in () if statement is None else statement.lines:
        if line.element == "3" and line.item == measure and line.rate is not None:
            return Baseline(value=line.rate, rate_name=rate_name)
    return None
