"""What a printed statement says, in the words of a practice manager: one sheet, which the page and the PDF both show.

What was earned, why, and what one more closed gap would have paid; for several plans, all of them in one view, money plan by plan. It
holds no member's data. Source: issue "From a frozen period to money", outputs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Statement, StatementLine, StatementState
from state.payment.amounts import dollars, exact, number, rounded, total
from state.payment.printed_tables import Table
from state.payment.what_if import Chance

READINGS = {
    "panel": "monthly statement",
    "initial": "initial statement",
    "final": "final statement",
    "adjustment": "adjustment",
}
STATES = {
    "draft": "Draft. Not released: nothing is paid on it yet.",
    "held": "Held back. Nothing is paid on it until it is released.",
    "released": "Released.",
    "withdrawn": "Withdrawn. It counts no more.",
}
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
OUTCOMES = {
    "attainment": "Goal reached",
    "improvement": "Improved enough",
    "ineligible": "Not paid",
    "reserved": "Reserved for the final statement",
    "unscored": "Not scored",
}
REASONS = {
    "below_minimum": "the result has not reached the minimum",
    "no_baseline": "in the improvement range, but there is no earlier result to compare with",
    "baseline_at_gold": "the earlier result was at gold already",
    "gap_not_closed": "less than a tenth of the gap to gold was closed",
    "thresholds_to_be_decided": "the program has not set goals yet",
    "no_data": "no data",
    "denominator_below_minimum": "too few patients to score",
    "no_risk_weights": "no risk adjustment is available, and unadjusted rates are never paid on",
    "no_peers": "the payer has no other practice to compare costs with",
    "hpi_no_score": "the practice's location has no Healthy Places score; nothing is added for it",
    "hpi_sites_weighed_alike": "every site weighs the same, because it is not known which patient goes where",
}
BEFORE, BEYOND = Decimal("0.35"), Decimal("0.15")
"""How much of a scale lies before the minimum and beyond gold, in lengths of the way between them."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with its state and, for an incentive, what more would have paid."""

    statement: Statement
    state: StatementState
    chances: tuple[Chance, ...] = ()


class Mark(msgspec.Struct, frozen=True):
    """A number on a scale: as written, and where, in percent from the left. What lies outside stands at the end of the scale."""

    value: str
    at: Decimal


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """A measure's way from its minimum over the threshold to gold; better is always to the right. `said` is all of it as a sentence."""

    minimum: Mark
    threshold: Mark
    gold: Mark
    baseline: Mark | None
    rate: Mark | None
    said: str


class MeasureRow(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of the incentive. `scale` None: no goals are set."""

    measure: str
    label: str
    outcome: str
    rate: str
    counted: str
    baseline: str
    share: str
    amount: str
    paid: bool
    scale: Scale | None


class Incentive(msgspec.Struct, frozen=True, kw_only=True):
    """Element 3: what could be earned, each measure, and what the shares come to."""

    before: tuple[str, ...]
    rows: tuple[MeasureRow, ...]
    share: str
    amount: str
    after: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One statement. `figures`: the amounts to see first. `working`: each line's item, label and formula. `grounds`: what it rests on."""

    heading: str
    notice: str
    final: bool
    figures: tuple[tuple[str, str], ...]
    lead: tuple[str, ...]
    monthly: Table | None
    incentive: Incentive | None
    chances: Table | None
    services: Table | None
    settlement: Table
    notes: tuple[str, ...]
    working: tuple[tuple[str, str, str], ...]
    grounds: str


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """The statements of a practice. `dated`: the last day on which one of them was stated; `overview` where there are several."""

    practice: str
    dated: dt.date
    overview: Table | None
    parts: tuple[Part, ...]


def sheet(practice_name: str, views: Sequence[View]) -> Sheet:
    """What the statements of a practice say. Equal views give equal sheets."""
    return Sheet(
        practice=practice_name,
        dated=max(one.statement.stated_on for one in views),
        overview=_overview(views) if len(views) > 1 else None,
        parts=tuple(map(_part, views)),
    )


def amount(value: Decimal) -> str:
    """An amount as people read it: $1,234.50, and -$8.00."""
    return f"${dollars(value)}" if value >= 0 else f"-${dollars(-value)}"


def _overview(views: Sequence[View]) -> Table:
    """All statements, and what they come to: of those that take the place of others the last is what is earned."""
    statements = [one.statement for one in views]
    settled = {one.settles for one in statements}
    return Table(
        caption="Each plan pays by itself",
        columns=("Plan", "Statement", "State", "Earned", "To settle"),
        rows=tuple(
            (
                one.statement.payer,
                f"{_named(one.statement.period)}, {READINGS[one.statement.reading]}",
                one.state,
                amount(one.statement.total),
                amount(one.statement.difference),
            )
            for one in views
        ),
        sums=(
            "Together",
            "",
            "",
            amount(total(one.total for one in statements if one.statement_id not in settled)),
            amount(total(one.difference for one in statements)),
        ),
        amounts=2,
    )


def _part(view: View) -> Part:
    statement = view.statement
    incentive = [line for line in statement.lines if line.element == "3"]
    monthly = [line for line in statement.lines if line.element != "3" and line.information is None]
    informing = [line for line in statement.lines if line.information is not None]
    return Part(
        heading=f"{statement.payer}, {_named(statement.period)}: {READINGS[statement.reading]}",
        notice=STATES[view.state],
        final=view.state == "released",
        figures=tuple(_figures(statement)),
        lead=tuple(_lead(statement)),
        monthly=_monthly(monthly) if monthly else None,
        incentive=_incentive(statement, incentive) if incentive else None,
        chances=_chances(view.chances) if view.chances else None,
        services=_services(informing) if informing else None,
        settlement=Table(
            caption="Settlement",
            columns=("What", "Amount"),
            rows=(
                ("Total of this statement", amount(statement.total)),
                ("Stated before", amount(statement.previously_stated)),
            ),
            sums=("To settle", amount(statement.difference)),
            amounts=1,
        ),
        notes=statement.notes,
        working=tuple((_named(line.item), line.label, _working(line)) for line in statement.lines),
        grounds=_grounds(statement),
    )


def _working(line: StatementLine) -> str:
    """How an amount came about, and what its factors are."""
    factors = "; ".join(f"{one.name}: {number(one.value)}" for one in line.factors)
    return f"{line.formula}. Factors: {factors}." if factors else line.formula


def _figures(statement: Statement) -> Iterator[tuple[str, str]]:
    yield "Earned", amount(statement.total)
    if statement.pool is not None:
        yield "Most that could be earned", amount(statement.pool)
    yield "To settle", amount(statement.difference)
    if statement.pay_date is not None:
        yield "Payment planned for about", _day(statement.pay_date)


def _lead(statement: Statement) -> Iterator[str]:
    """What was earned and what is settled, in a few sentences."""
    yield (
        f"{statement.payee_name} earned {amount(statement.total)} from {statement.payer} for {_day(statement.covers_from)} to "
        f"{_day(statement.covers_to)}."
    )
    if statement.settles is not None:
        before = f"{amount(statement.previously_stated)} was stated before, so"
        if statement.difference >= 0:
            yield f"{before} {amount(statement.difference)} is added."
        else:
            yield f"{before} {amount(-statement.difference)} is taken from payments to come; nothing is asked back."
    if statement.pay_date is not None:
        yield f"Payment is planned for about {_day(statement.pay_date)}."
    if statement.cause is not None:
        yield f"This takes the place of statement {statement.settles or ''}. Cause: {statement.cause}."


def _monthly(lines: Sequence[StatementLine]) -> Table:
    return Table(
        caption="Monthly payments",
        columns=("Month", "For", "Patients", "Amount"),
        rows=tuple(
            (
                _named(line.item),
                line.label + (f" ({_reason(line)})" if line.reason else ""),
                "" if line.members is None else number(line.members),
                amount(line.amount),
            )
            for line in lines
        ),
        sums=("Total", "", "", amount(total(line.amount for line in lines))),
        amounts=2,
    )


def _services(lines: Sequence[StatementLine]) -> Table:
    return Table(
        caption="For your information: services rendered, as they are known by now",
        columns=("Month", "Services", "Allowed amount"),
        rows=tuple((_named(line.item), line.label, amount(line.information or Decimal(0))) for line in lines),
        amounts=1,
    )


def _incentive(statement: Statement, lines: Sequence[StatementLine]) -> Incentive:
    before = []
    if statement.pool_formula is not None:
        before.append(f"The most you could earn is the incentive pool: {statement.pool_formula} dollars.")
    if statement.practice_type is not None:
        before.append(
            f"You are paid as {'an' if statement.practice_type == 'adult' else 'a'} {statement.practice_type} practice "
            f"({statement.practice_type_reason or ''}); {len(lines)} measures apply."
        )
    after = []
    if statement.uncapped_pct is not None and statement.paid_pct is not None:
        after.append(
            f"By the rules of the contract the shares come to {number(statement.uncapped_pct, 4)}% of the pool, of which "
            f"{number(statement.paid_pct, 4)}% counts."
        )
    return Incentive(
        before=tuple(before),
        rows=tuple(map(_measure, lines)),
        share=f"{number(sum((line.share_pct or Decimal(0) for line in lines), Decimal(0)), 4)}%",
        amount=amount(total(line.amount for line in lines)),
        after=tuple(after),
    )


def _measure(line: StatementLine) -> MeasureRow:
    counts = line.numerator is not None and line.denominator is not None
    return MeasureRow(
        measure=line.item,
        label=line.label,
        outcome=OUTCOMES[line.outcome or "unscored"] + (f": {_reason(line)}" if line.reason else ""),
        rate="" if line.rate is None else number(line.rate),
        counted=f"{number(line.numerator or 0)} of {number(line.denominator or 0)}" if counts else "",
        baseline="" if line.baseline is None else number(line.baseline),
        share=f"{number(line.share_pct or 0, 4)}%",
        amount=amount(line.amount),
        paid=line.amount > 0,
        scale=_scale(line),
    )


def _scale(line: StatementLine) -> Scale | None:
    minimum, threshold, gold = line.minimum, line.threshold, line.gold
    if minimum is None or threshold is None or gold is None or minimum == gold:
        return None

    def mark(value: Decimal) -> Mark:
        way = (exact(value) - exact(minimum)) / (exact(gold) - exact(minimum))
        at = 100 * (way + exact(BEFORE)) / (1 + exact(BEFORE) + exact(BEYOND))
        return Mark(number(value), rounded(min(max(at, exact(0)), exact(100)), 1))

    said = [
        "no result" if line.rate is None else f"result {number(line.rate)}",
        "nothing before" if line.baseline is None else f"before {number(line.baseline)}",
        f"minimum {number(minimum)}",
        f"threshold {number(threshold)}",
        f"gold {number(gold)}",
        *(("lower is better",) if gold < threshold else ()),
    ]
    return Scale(
        minimum=mark(minimum),
        threshold=mark(threshold),
        gold=mark(gold),
        baseline=None if line.baseline is None else mark(line.baseline),
        rate=None if line.rate is None else mark(line.rate),
        said=", ".join(said),
    )


def _chances(chances: Sequence[Chance]) -> Table:
    return Table(
        caption="What one more would have paid",
        columns=("Measure", "The next step that pays", "Just one more"),
        rows=tuple((f"{one.label} ({one.measure})", _next_step(one), amount(one.one_more)) for one in chances),
        amounts=1,
    )


def _next_step(one: Chance) -> str:
    if one.needed is None or one.needed_pays is None:
        return "nothing more could be earned"
    thing = "fewer event" if one.lower_is_better else "more closed gap"
    things = thing if one.needed == 1 else f"{thing}s"
    return f"{number(one.needed)} {things} would have paid {amount(one.needed_pays)}"


def _grounds(statement: Statement) -> str:
    snapshot = statement.snapshot
    return (
        f"Statement {statement.statement_id}, contract {statement.contract_id}, track {statement.track}, payee {statement.payee_name}, "
        f"stated on {_day(statement.stated_on)}. Frozen facts: close {snapshot.close_id} as of {_day(snapshot.as_of)}, content digest "
        f"{snapshot.content_digest}, engine version {statement.engine_version}."
    )


def _reason(line: StatementLine) -> str:
    return ", ".join(REASONS.get(one, one) for one in (line.reason or "").split(","))


def _named(item: str) -> str:
    """A month in words: July 2025. The id of a period or a measure as it is."""
    year, hyphen, month = item.partition("-")
    return f"{MONTHS[int(month) - 1]} {year}" if hyphen and (year + month).isdecimal() else item


def _day(day: dt.date) -> str:
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
