"""Statements: money derived from a frozen snapshot, as drafts. Equal inputs give equal ids and equal bytes.

A statement is complete or is not made: whatever is missing raises before the first line. The final one settles the initial, and an
adjustment restates a month or period after its panel or final close; each says the total it takes the place of and the difference.
Source: payment.md 4.0, 4.1 and 4.6; design.md, closing a period.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Contract, SnapshotUse, Statement, StatementLine, StatementReading
from schemas.records import Period
from state.calendar import add_months, from_date, to_date
from state.payment import element1, element2
from state.payment.age_gender import Person
from state.payment.amounts import NOTHING, cents, number, plain, rounded, total
from state.payment.element2 import Risk, month_name, months_paid
from state.payment.incentive import IncentiveReading, Performance, incentive_payment
from state.payment.pool import PoolMonth, incentive_pool
from state.payment.practice_type import TypeOfPeriod
from state.payment.terms import Terms

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


class Statable(msgspec.Struct, frozen=True, kw_only=True):
    """What every statement of a close has in common."""

    snapshot: SnapshotUse
    engine_version: str
    stated_on: dt.date


def statement_id(close_id: str, contract: Contract, *more: str) -> str:
    """The id of a statement: readable, fit for a file's name, the same whenever the same close is worked again.

    The digest at its end keeps two apart whose names differ only in signs that are left out.
    """
    parts = (close_id, contract.payer, contract.practice_id, *more)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return ".".join([*(_UNSAFE.sub("-", part).strip("-") for part in parts), digest])


def why_not_stated(
    period: Period, reading: IncentiveReading, stated_on: dt.date, standing: Iterable[Statement]
) -> str | None:
    """Why a period has no such statement now, as a sentence; None when it may be made.

    `standing`: statements of the period, payer and practice that were not withdrawn.
    """
    first = period.k1 if reading == "initial" else period.k2
    if stated_on < first:
        return f"the {reading} statement of {period.period} is refused before {first}: claims of the period are still expected."
    readings = {one.reading: one for one in standing}
    if "final" in readings:
        return f"the final statement of {period.period} stands, as {readings['final'].statement_id}: what comes later is an adjustment."
    if reading in readings:
        return f"the {reading} statement of {period.period} stands, as {readings[reading].statement_id}: annul its close to make another."
    return None


def month_lines(
    terms: Terms,
    month: dt.date,
    panels: Mapping[dt.date, Sequence[Person]],
    risk: Risk,
    services: Sequence[StatementLine] = (),
) -> tuple[StatementLine, ...]:
    """The lines of elements 1 and 2 that the panel of a month pays.

    Capitation of the month; what there is to say of services, made by `element1`; element 2 of the month, or of the quarter's three at its
    start. `panels` hold every month that is paid. Raises `MissingBand`.
    """
    capitation = element1.capitation(terms.contract, month, panels[month], risk)
    paid = [(one, panels[one]) for one in months_paid(terms.contract, month)]
    return (
        *(() if capitation is None else (capitation,)),
        *services,
        *element2.element_2(terms.contract, paid, risk),
    )


def month_statement(of: Statable, terms: Terms, month: dt.date, lines: tuple[StatementLine, ...]) -> Statement:
    """The statement of a month's panel: elements 1 and 2."""
    last = max((*months_paid(terms.contract, month), month))
    return _statement(
        of,
        terms.contract,
        statement_id=statement_id(of.snapshot.close_id, terms.contract),
        period=month_name(month),
        reading="panel",
        covers=(month, _last_day(last)),
        lines=lines,
    )


def period_statement(
    of: Statable,
    terms: Terms,
    period: Period,
    reading: IncentiveReading,
    practice_type: TypeOfPeriod,
    months: Sequence[PoolMonth],
    performances: Iterable[Performance],
    initial: Statement | None = None,
) -> Statement:
    """The initial or final statement of a period: element 3.

    `months` are the pool's months with the panel's members; `performances` the frozen results, no data for a measure that is not
    among them. `initial` is the statement that a final one settles.
    """
    contract = terms.contract
    pool = incentive_pool(months)
    paid = incentive_payment(terms.measures_of(practice_type.type), performances, pool, contract, reading)
    made = _statement(
        of,
        contract,
        statement_id=statement_id(of.snapshot.close_id, contract),
        period=period.period,
        reading=reading,
        covers=(_window_start(period), period.performance_end),
        lines=paid.lines,
        before=initial,
    )
    return msgspec.structs.replace(
        made,
        practice_type=practice_type.type,
        practice_type_reason=practice_type.reason,
        pool=plain(pool.amount),
        pool_formula=pool.formula,
        uncapped_pct=rounded(paid.uncapped_pct, 4),
        paid_pct=rounded(paid.paid_pct, 4),
        # What is stated after the period's pay date is settled with the next payment.
        pay_date=period.pay_date if period.pay_date is not None and of.stated_on <= period.pay_date else None,
        notes=(*paid.notes, *_advance(contract, reading)),
    )


def adjustable_until(statement: Statement, contract: Contract) -> dt.date | None:
    """The first day on which a panel or final statement is adjusted no more; None for no end. An initial one is settled instead."""
    first = max(from_date(statement.snapshot.as_of), from_date(statement.stated_on))
    return to_date(add_months(first, contract.retro_limit_months))


def adjustment(
    standing: Statement,
    restated: Statement,
    contract: Contract,
    *,
    cause: str,
    cause_position: str,
    decided_on: dt.date,
) -> Statement | None:
    """The statement that takes the place of a panel or final one, or of its last adjustment; None when no amount has changed.

    `restated` is the same statement worked again from what is known now. After the retro limit nothing is adjusted. Raises
    `ValueError` for an initial statement: its final one settles it.
    """
    if standing.reading == "initial":
        raise ValueError(f"statement {standing.statement_id} is an initial one: its final statement settles it.")
    until = adjustable_until(standing, contract)
    if _amounts(restated) == _amounts(standing) or (until is not None and decided_on >= until):
        return None
    return msgspec.structs.replace(
        restated,
        statement_id=statement_id(standing.snapshot.close_id, contract, cause_position),
        reading="adjustment",
        snapshot=standing.snapshot,
        stated_on=standing.stated_on,
        previously_stated=standing.total,
        difference=restated.total - standing.total,
        settles=standing.statement_id,
        cause=f"{cause}, decided on {decided_on}",
    )


def encode(statement: Statement) -> bytes:
    """The bytes of a statement: equal for equal statements."""
    return msgspec.json.encode(statement)


def _statement(
    of: Statable,
    contract: Contract,
    *,
    statement_id: str,
    period: str,
    reading: StatementReading,
    covers: tuple[dt.date, dt.date],
    lines: tuple[StatementLine, ...],
    before: Statement | None = None,
) -> Statement:
    whole = total(line.amount for line in lines)
    previously = NOTHING if before is None else before.total
    return Statement(
        statement_id=statement_id,
        period=period,
        reading=reading,
        payer=contract.payer,
        practice_id=contract.practice_id,
        contract_id=contract.contract_id,
        payee_name=contract.payee_name,
        payee_tin=contract.payee_tin,
        track=contract.track,
        stated_on=of.stated_on,
        covers_from=covers[0],
        covers_to=covers[1],
        snapshot=of.snapshot,
        engine_version=of.engine_version,
        lines=lines,
        total_before_caps=total(line.amount_before_cap for line in lines),
        total=whole,
        previously_stated=previously,
        difference=cents(whole - previously),
        settles=None if before is None else before.statement_id,
    )


def _amounts(statement: Statement) -> Mapping[tuple[str, str, str], Decimal]:
    """What each line pays, without those that pay nothing: lines that only inform change with every claim."""
    return {(line.element, line.item, line.kind): line.amount for line in statement.lines if line.amount}


def _advance(contract: Contract, reading: IncentiveReading) -> tuple[str, ...]:
    if reading == "final":
        return ()
    factors = ", ".join(f"{name} {number(value)}" for name, value in sorted(contract.completion_factors.items()))
    share = number(Decimal(100) * contract.initial_pct)
    said = f"Initial statement: {share}% of the projected amount; completion factors: {factors or 'none'}."
    return (f"{said} The final statement settles the difference.",)


def _window_start(period: Period) -> dt.date:
    """The first day of the window of rates: so many months up to the end of the period."""
    end = from_date(period.performance_end)
    start = to_date(add_months(end + 1, -period.window_months))
    return period.performance_end if start is None else start


def _last_day(month: dt.date) -> dt.date:
    return dt.date.fromordinal(add_months(from_date(month), 1) - 1)
