"""Element 3: what share of the pool each measure earns, and what it pays. Source: payment.md 4.3 to 4.6.

A measure pays by itself: at or above the threshold a share that rises to the gold share (attainment), within the improvement range a flat
share when a tenth of the gap between baseline and gold is closed. One formula serves both directions, because both differences
change sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from schemas.money import Contract, Factor, Policies, StatementLine
from state.payment.amounts import cents, dollars, exact, number, plain, rounded, spread, total
from state.payment.pool import Pool
from state.payment.program_tables import MeasureTerms, Shares

GAP = Fraction(1, 10)
"""The part of the gap between baseline and gold that improvement must close."""
PLACES = 2
"""Rates are rounded to two decimals before they are compared, so that what is printed is what was computed."""
COMPLETED = ("AHU", "EDU", "TCOC")
"""Measures that missing claims make look too good: the initial reading multiplies them by the contract's completion factors."""
Kind = Literal["attainment", "improvement", "ineligible", "unscored"]
IncentiveReading = Literal["initial", "final"]


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """A practice's result in a measure, as frozen. `rate` None: no data. `unscored`: why the measure itself cannot say a rate.

    `rate_name` and `baseline_rate_name` say which of a measure's rates they are: a baseline of another rate (another phase of DSF)
    is none.
    """

    measure: str
    rate: Decimal | None
    baseline: Decimal | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None
    rate_name: str = ""
    baseline_rate_name: str = ""
    unscored: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a measure has earned: percent of the pool before any policy, exact. `formula` shows how, `reason` why nothing."""

    measure: str
    kind: Kind
    reason: str | None
    rate: Decimal | None
    baseline: Decimal | None
    share: Fraction
    formula: str


class _Times(msgspec.Struct, frozen=True):
    """A factor that all lines share, with the fraction a person can check by hand."""

    name: str
    value: Fraction
    text: str


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of element 3, with the sum of shares before and after the policy on sums over 100%."""

    lines: tuple[StatementLine, ...]
    uncapped_pct: Fraction
    paid_pct: Fraction
    notes: tuple[str, ...]


def minimum_denominator(contract: Contract, terms: MeasureTerms) -> int:
    """Below how many members a measure is not scored: the contract's number, else the table's."""
    return contract.minimum_denominators.get(terms.measure, terms.minimum_denominator)


def completed(performance: Performance, factors: Mapping[str, Decimal]) -> Performance:
    """The result as it will look when the claims still missing have come: for AHU, EDU and TCOC in the initial reading."""
    factor = factors.get(performance.measure)
    if factor is None or performance.rate is None or performance.measure not in COMPLETED:
        return performance
    return msgspec.structs.replace(performance, rate=rounded(exact(performance.rate) * exact(factor), PLACES))


def score(terms: MeasureTerms, shares: Shares, performance: Performance, *, at_least: int, curve: str) -> Outcome:
    """What a result earns. Exactly at the minimum is eligible, exactly at the threshold attains, beyond gold is gold.

    `at_least` is the smallest denominator that is scored. Unscored with a reason: thresholds_to_be_decided, the measure's own,
    no_data, denominator_below_minimum. Nothing with a reason: below_minimum, no_baseline, baseline_at_gold, gap_not_closed.
    """
    rate = None if performance.rate is None else rounded(performance.rate, PLACES)
    same_rate = performance.baseline_rate_name in ("", performance.rate_name)
    baseline = rounded(performance.baseline, PLACES) if performance.baseline is not None and same_rate else None

    def outcome(kind: Kind, reason: str | None, share: Fraction, formula: str) -> Outcome:
        return Outcome(
            measure=terms.measure,
            kind=kind,
            reason=reason,
            rate=rate,
            baseline=baseline,
            share=share,
            formula=formula,
        )

    why = _why_unscored(terms, performance, at_least)
    if why is not None or rate is None or terms.thresholds is None:
        return outcome("unscored", why, Fraction(0), "not scored")
    goal, s = terms.thresholds, terms.thresholds.direction
    x, minimum, threshold, gold = (exact(one) for one in (rate, goal.minimum, goal.threshold, goal.gold))
    if s * x >= s * threshold:
        p = _steps(min(Fraction(1), (x - threshold) / (gold - threshold)), curve)
        share = exact(shares.threshold) + (exact(shares.gold) - exact(shares.threshold)) * p
        rise = f"{number(shares.threshold)}% + {number(exact(shares.gold) - exact(shares.threshold))}%"
        way = f"({number(rate)} - {number(goal.threshold)}) / ({number(goal.gold)} - {number(goal.threshold)})"
        if s * x >= s * gold:
            way = "all of it: gold is reached"
        elif curve != "linear":
            way = f"{number(p, 4)}, which is {way} in {curve}"
        formula = f"{rise} x {way} = {number(share, 4)}%"
        return outcome("attainment", None, share, formula)
    if s * x < s * minimum:
        return outcome(
            "ineligible",
            "below_minimum",
            Fraction(0),
            f"{number(rate)} has not reached the minimum {number(goal.minimum)}",
        )
    if baseline is None:
        return outcome("ineligible", "no_baseline", Fraction(0), "in the improvement range, but without a baseline")
    b = exact(baseline)
    if s * b >= s * gold:
        return outcome(
            "ineligible",
            "baseline_at_gold",
            Fraction(0),
            f"the baseline {number(baseline)} was at gold already: declined",
        )
    g = (x - b) / (gold - b)
    closed = f"({number(rate)} - {number(baseline)}) / ({number(goal.gold)} - {number(baseline)}) = {number(100 * g, 2)}% of the gap closed"
    if g >= GAP:
        return outcome("improvement", None, exact(shares.improvement), f"{closed}: {number(shares.improvement)}%")
    return outcome("ineligible", "gap_not_closed", Fraction(0), f"{closed}: less than 10%")


def incentive_payment(
    applicable: Sequence[tuple[MeasureTerms, Shares]],
    performances: Iterable[Performance],
    pool: Pool,
    contract: Contract,
    reading: IncentiveReading,
) -> Paid:
    """What the results of a practice pay in a reading: completed, scored and paid, a line for each measure that applies.

    No data for a measure that is not among `performances`.
    """
    given = {one.measure: one for one in performances}
    results: dict[str, Performance] = {}
    for measure, _ in applicable:
        name = measure.measure
        result = given.get(name, Performance(measure=name, rate=None))
        results[name] = completed(result, contract.completion_factors) if reading == "initial" else result
    outcomes = [
        score(
            measure,
            shares,
            results[measure.measure],
            at_least=minimum_denominator(contract, measure),
            curve=contract.policies.curve,
        )
        for measure, shares in applicable
    ]
    return pay(
        outcomes,
        {measure.measure: measure for measure, _ in applicable},
        {measure.measure: shares for measure, shares in applicable},
        results,
        pool,
        contract,
        reading,
    )


def pay(
    outcomes: Sequence[Outcome],
    measures: Mapping[str, MeasureTerms],
    shares: Mapping[str, Shares],
    performances: Mapping[str, Performance],
    pool: Pool,
    contract: Contract,
    reading: IncentiveReading,
) -> Paid:
    """What the outcomes pay under the contract's policies: one line a measure, rounded once; the total is their sum.

    Initial: shares of unscored measures are reserved, and every line is times `initial_pct`. Final: they are redistributed over the
    scored measures in proportion to gold share, or withheld. A sum over 100% is capped (lines brought down to the pool, to the
    cent), normalised by the gold sum of the practice type, or paid.
    """
    policies = contract.policies
    spreading, notes = _redistribution(outcomes, shares, policies, reading)
    advance = exact(contract.initial_pct) if reading == "initial" else Fraction(1)
    times = tuple(
        one
        for one in (
            spreading,
            _norm(shares, policies),
            _Times("initial percentage", advance, number(advance)),
        )
        if one.value != 1
    )
    factor = math.prod((one.value for one in times), start=Fraction(1))
    before = tuple(cents(pool.amount * one.share / 100 * factor) for one in outcomes)
    limit = cents(pool.amount * advance)
    after = spread(before, limit) if policies.over_100 == "cap" else before
    uncapped = sum((one.share for one in outcomes), Fraction(0)) * spreading.value
    if after != before:
        notes = (*notes, f"The lines add up to {dollars(total(before))} and are limited to the pool, {dollars(limit)}.")
    return Paid(
        lines=tuple(
            _line(
                one,
                measures[one.measure],
                shares[one.measure],
                performances,
                pool,
                times,
                was,
                now,
                contract,
                reading,
            )
            for one, was, now in zip(outcomes, before, after, strict=True)
        ),
        uncapped_pct=uncapped,
        paid_pct=min(uncapped, Fraction(100))
        if policies.over_100 == "cap"
        else uncapped * _norm(shares, policies).value,
        notes=notes,
    )


def gold_sum(shares: Mapping[str, Shares]) -> Decimal:
    """What all measures of a practice type pay at gold, as printed: 104, 99, 102."""
    return sum((one.gold for one in shares.values()), Decimal(0))


def reachable(
    measures: Mapping[str, MeasureTerms], shares: Mapping[str, Shares], policies: Policies, reading: IncentiveReading
) -> Fraction:
    """The most a practice of this type can earn, percent of its pool: everything that has thresholds at gold."""
    scored = [one for measure, one in shares.items() if measures[measure].thresholds is not None]
    most = sum((exact(one.gold) for one in scored), Fraction(0))
    if reading == "final" and policies.unscored == "redistribute" and most:
        most = exact(gold_sum(shares))
    if policies.over_100 == "cap":
        return min(most, Fraction(100))
    return most * _norm(shares, policies).value


def _why_unscored(terms: MeasureTerms, performance: Performance, at_least: int) -> str | None:
    if terms.thresholds is None:
        return "thresholds_to_be_decided"
    if performance.unscored is not None:
        return performance.unscored
    if performance.rate is None:
        return "no_data"
    if performance.denominator is not None and performance.denominator < at_least:
        return "denominator_below_minimum"
    return None


def _steps(p: Fraction, curve: str) -> Fraction:
    """The part of the way from threshold to gold that counts: all of it, or whole steps of `steps(n)`."""
    if curve == "linear":
        return p
    steps = int(curve.removeprefix("steps(").removesuffix(")"))
    return Fraction(p * steps // 1, steps)


def _redistribution(
    outcomes: Sequence[Outcome], shares: Mapping[str, Shares], policies: Policies, reading: IncentiveReading
) -> tuple[_Times, tuple[str, ...]]:
    """What the shares of scored measures are multiplied by for the unscored ones, and a note for people."""
    nothing = _Times("", Fraction(1), "1")
    scored = [one.measure for one in outcomes if one.kind != "unscored"]
    without = [one.measure for one in outcomes if one.kind == "unscored"]
    if not without:
        return nothing, ()
    names = ", ".join(without)
    if reading == "initial":
        return nothing, (f"Reserved until the final statement: {names}.",)
    if policies.unscored == "withhold":
        return nothing, (f"Not scored, and withheld as contracted: {names}.",)
    left = sum((exact(shares[one].gold) for one in scored), Fraction(0))
    if not left:
        return nothing, (f"No measure could be scored: {names}.",)
    whole = sum((exact(shares[one.measure].gold) for one in outcomes), Fraction(0))
    text = f"{number(whole)} / {number(left)}"
    return (
        _Times("shares of unscored measures redistributed", whole / left, text),
        (f"Not scored: {names}. Their shares go to the scored measures: each times {text}.",),
    )


def _norm(shares: Mapping[str, Shares], policies: Policies) -> _Times:
    whole = exact(gold_sum(shares))
    norm = 100 / whole if policies.over_100 == "normalise" and whole > 100 else Fraction(1)
    return _Times("shares over 100% normalised", norm, f"100 / {number(whole)}")


def _line(
    one: Outcome,
    terms: MeasureTerms,
    shares: Shares,
    performances: Mapping[str, Performance],
    pool: Pool,
    times: tuple[_Times, ...],
    before: Decimal,
    after: Decimal,
    contract: Contract,
    reading: IncentiveReading,
) -> StatementLine:
    performance, goal = performances[one.measure], terms.thresholds
    formula = one.formula
    if one.share:
        by = "".join(f" x {one.text}" for one in times)
        formula = f"{one.formula} of {dollars(pool.amount)}{by} = {dollars(before)}"
        if after != before:
            formula += f", limited to {dollars(after)}"
    factors = tuple(Factor(one.name, plain(one.value, 8)) for one in times)
    completion = contract.completion_factors.get(one.measure) if reading == "initial" else None
    if completion is not None and one.measure in COMPLETED and one.rate is not None:
        factors = (Factor("completion of claims, in the rate", completion), *factors)
    return StatementLine(
        element="3",
        item=one.measure,
        kind="incentive",
        label=terms.label,
        formula=formula,
        amount_before_cap=before,
        amount=after,
        outcome="reserved" if one.kind == "unscored" and reading == "initial" else one.kind,
        reason=one.reason,
        numerator=performance.numerator,
        denominator=performance.denominator,
        rate_name=performance.rate_name or None,
        rate=one.rate,
        baseline=one.baseline,
        minimum=goal.minimum if goal else None,
        threshold=goal.threshold if goal else None,
        gold=goal.gold if goal else None,
        gold_share_pct=shares.gold,
        share_pct=rounded(one.share, 4),
        factors=factors,
    )
