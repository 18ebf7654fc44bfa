"""A practice's rate in a measure from the frozen counts of one plan, or pooled over its plans that say so. Source: payment.md 4.6.

Small independent practices have single-digit denominators per plan: where contracts say `pool_rates`, the rate is of the members of all
those plans together. Money is always of one plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Contract
from state.payment.amounts import exact, rounded
from state.payment.incentive import PLACES, Performance
from state.payment.program_tables import MeasureTerms

NO_RISK_WEIGHTS = "no_risk_weights"
"""Why AHU, EDU or TCOC is unscored: without weights or a reference rate there is only a raw rate, and that is never paid on."""
NO_PEERS = "no_peers"
"""Why TCOC is unscored: the payer has no other practice whose mean cost could be expected."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a close has counted of a measure for a practice and payer.

    `numerator`: members who met the measure, or observed events or cost. `denominator`: members (eligible ones for utilisation).
    `expected`: events or cost that risk adjustment expects, None without weights.
    """

    payer: str
    measure: str
    rate_name: str = ""
    numerator: Decimal
    denominator: Decimal
    expected: Decimal | None = None
    unscored: str | None = None


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen rate to compare with, and which of the measure's rates it is."""

    value: Decimal | None
    rate_name: str = ""


def counts_of(counts: Sequence[Counts], payer: str, contracts: Mapping[str, Contract]) -> Sequence[Counts]:
    """The counts a plan's rate is made of: its own, or those of all plans in the pool when its contract is in it.

    `contracts` are the practice's, by payer.
    """
    if not contracts[payer].pools.pool_rates:
        return [one for one in counts if one.payer == payer]
    return [one for one in counts if one.payer in contracts and contracts[one.payer].pools.pool_rates]


def performance(
    terms: MeasureTerms, counts: Sequence[Counts], baseline: Baseline | None, reference_rate: Decimal | None = None
) -> Performance:
    """The result in a measure over these counts.

    Percent: 100 x numerator / denominator. Per 1,000: 1,000 x (observed / expected) x R, with R the reference rate per member; a
    cost index: observed / expected. Without expected numbers, or without R where it is needed, unscored. Nobody counted: no data.
    """
    numerator = sum((one.numerator for one in counts), Decimal(0))
    denominator = sum((one.denominator for one in counts), Decimal(0))
    unscored = next((one.unscored for one in counts if one.unscored is not None), None)
    rate = None
    if denominator and unscored is None:
        if terms.unit == "percent":
            rate = rounded(100 * exact(numerator) / exact(denominator), PLACES)
        else:
            expected = [one.expected for one in counts]
            known = sum((one for one in expected if one is not None), Decimal(0))
            if None in expected or not known or (terms.unit == "per_1000" and reference_rate is None):
                unscored = NO_RISK_WEIGHTS
            else:
                scale = 1000 * exact(reference_rate) if reference_rate is not None and terms.unit == "per_1000" else 1
                rate = rounded(exact(numerator) / exact(known) * scale, PLACES)
    return Performance(
        measure=terms.measure,
        rate=rate,
        baseline=None if baseline is None else baseline.value,
        numerator=numerator,
        denominator=denominator,
        rate_name=counts[0].rate_name if counts else "",
        baseline_rate_name="" if baseline is None else baseline.rate_name,
        unscored=unscored,
    )


def baseline_of_period(frozen: Baseline | None, last_final: Baseline | None, *, rebase: bool) -> Baseline | None:
    """The baseline of a period: the one frozen before the project, or with `rebase_each_period` the last final rate."""
    return last_final if rebase and last_final is not None else frozen
