"""What one more closed gap would have paid, and how many the next payment takes. Source: issue "From a frozen period to money", outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Contract, PracticeType, Statement, StatementLine
from state.payment.amounts import exact, number, rounded, total
from state.payment.incentive import PLACES, IncentiveReading, Performance, incentive_payment
from state.payment.pool import Pool
from state.payment.program_tables import MeasureTerms
from state.payment.terms import Terms, resolve
from state.reference.tables import TableStore

RISK_TABLES = ("age_gender_factors", "hpi")
"""Tables that no incentive rests on."""


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """A measure and what more of it would have paid over the whole statement, all policies applied.

    `one_more`: for one more closed gap, or one event fewer where lower is better. `needed`: the smallest number of them that pays
    anything more, with what that pays; None where nothing does.
    """

    measure: str
    label: str
    lower_is_better: bool
    one_more: Decimal
    needed: int | None
    needed_pays: Decimal | None


def chances(
    terms: Terms,
    practice_type: PracticeType,
    pool: Pool,
    performances: Sequence[Performance],
    reading: IncentiveReading,
) -> tuple[Chance, ...]:
    """The chances of every scored measure of which the counts are known, in the table's order.

    More performance never pays less, so that the smallest number that pays is found by halving.
    """
    applicable = terms.measures_of(practice_type)

    def paid(results: Sequence[Performance]) -> Decimal:
        return total(
            line.amount for line in incentive_payment(applicable, results, pool, terms.contract, reading).lines
        )

    now = paid(performances)
    found: list[Chance] = []
    for measure, _ in applicable:
        result = next((one for one in performances if one.measure == measure.measure), None)
        if result is None or measure.thresholds is None or (most := _most(result, measure)) < 1:
            continue

        def more(count: int, result: Performance = result, measure: MeasureTerms = measure) -> Decimal:
            changed = _with_more(result, measure, count)
            return paid([changed if one is result else one for one in performances]) - now

        needed = _smallest(more, most)
        found.append(
            Chance(
                measure=measure.measure,
                label=measure.label,
                lower_is_better=measure.thresholds.direction < 0,
                one_more=more(1),
                needed=needed,
                needed_pays=None if needed is None else more(needed),
            )
        )
    return tuple(found)


def chances_of(statement: Statement, contract: Contract, store: TableStore) -> tuple[Chance, ...]:
    """The chances by what stands in the statement: its counts, rates, baselines, pool and type, and the contract that it cites.

    None where it has no incentive, and where the contract's terms do not give its lines again, as after a change of the engine: a
    chance that does not start from what was paid would be a wrong promise. Raises `TableError` for a table that is not there.
    """
    lines = [line for line in statement.lines if line.element == "3"]
    if not lines or statement.practice_type is None or statement.pool is None:
        return ()
    # Rates on an initial statement are completed already.
    paid_by = msgspec.structs.replace(
        contract,
        completion_factors={},
        tables=tuple(use for use in contract.tables if use.kind not in RISK_TABLES),
    )
    terms = resolve(paid_by, store)
    pool = Pool(amount=exact(statement.pool), formula=number(statement.pool), member_months=0)
    performances = tuple(map(_performance, lines))
    reading: IncentiveReading = "initial" if statement.reading == "initial" else "final"
    again = incentive_payment(terms.measures_of(statement.practice_type), performances, pool, paid_by, reading)
    if {line.item: line.amount for line in again.lines} != {line.item: line.amount for line in lines}:
        return ()
    return chances(terms, statement.practice_type, pool, performances, reading)


def _performance(line: StatementLine) -> Performance:
    """The result that a line was paid by."""
    return Performance(
        measure=line.item,
        rate=line.rate,
        baseline=line.baseline,
        numerator=line.numerator,
        denominator=line.denominator,
        unscored=line.reason if line.outcome in ("reserved", "unscored") else None,
    )


def _most(result: Performance, measure: MeasureTerms) -> int:
    """How many more there can be: open gaps, or events that might not have been."""
    if result.rate is None or result.numerator is None or not result.denominator or measure.thresholds is None:
        return 0
    whole = result.numerator if measure.thresholds.direction < 0 else result.denominator - result.numerator
    return int(whole)


def _with_more(result: Performance, measure: MeasureTerms, count: int) -> Performance:
    """The result with so many more: of a percentage by its counts; a risk-adjusted rate moves in proportion to its events."""
    numerator, denominator, rate = result.numerator, result.denominator, result.rate
    if numerator is None or denominator is None or rate is None or measure.thresholds is None:
        return result
    changed = numerator + measure.thresholds.direction * count
    value = (
        100 * exact(changed) / exact(denominator)
        if measure.unit == "percent"
        else exact(rate) * exact(changed) / exact(numerator)
    )
    return msgspec.structs.replace(result, numerator=changed, rate=rounded(value, PLACES))


def _smallest(more: Callable[[int], Decimal], most: int) -> int | None:
    if more(most) <= 0:
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if more(middle) > 0:
            high = middle
        else:
            low = middle + 1
    return low
