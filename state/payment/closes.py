"""All statements of a close, or none: a partial set would pay some practices by facts that others are still disputing.

The outside for the conductor: what is frozen goes in, drafts or the sentences why there are none come out.
Source: issue "From a frozen period to money", bad input; design.md, closing a period.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from schemas.money import Statement, StatementLine
from schemas.records import Period
from state.payment.age_gender import MissingBand, Person
from state.payment.element2 import Risk, month_name, months_paid
from state.payment.incentive import IncentiveReading, Performance
from state.payment.pool import PoolMonth
from state.payment.practice_type import TypeOfPeriod
from state.payment.statements import Statable, month_lines, month_statement, period_statement, why_not_stated
from state.payment.terms import Terms


class NothingStated(Exception):
    """A close makes no statement. `reasons`: a sentence for each practice and payer that stands in the way."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = tuple(reasons)


class MonthOf(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a month's panel pays a practice by: terms, the panels of every month paid, risk, and what services came to, for information."""

    terms: Terms
    panels: Mapping[dt.date, Sequence[Person]]
    risk: Risk
    services: tuple[StatementLine, ...] = ()


class PeriodOf(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a period pays a practice by. `standing`: its statements of the period that were not withdrawn."""

    terms: Terms
    practice_type: TypeOfPeriod
    months: tuple[PoolMonth, ...]
    performances: tuple[Performance, ...]
    standing: tuple[Statement, ...] = ()


Of = TypeVar("Of", MonthOf, PeriodOf)


def month_statements(of: Statable, month: dt.date, practices: Sequence[MonthOf]) -> tuple[Statement, ...]:
    """The statements of a panel close, by payer and practice. Raises `NothingStated`: a panel or a factor is missing."""
    refused = [
        f"{_name(one)}: the panel of {month_name(paid)} is missing, which element 2 pays with this month: freeze it."
        for one in practices
        for paid in (month, *months_paid(one.terms.contract, month))
        if paid not in one.panels
    ]

    def make(one: MonthOf) -> Statement:
        return month_statement(of, one.terms, month, month_lines(one.terms, month, one.panels, one.risk, one.services))

    return _all_or_none(practices, make, refused)


def period_statements(
    of: Statable, period: Period, reading: IncentiveReading, practices: Sequence[PeriodOf]
) -> tuple[Statement, ...]:
    """The statements of an initial or final close, by payer and practice; a final one settles the initial that stands.

    Raises `NothingStated`: it is too early, or one stands already.
    """
    refused = [
        f"{_name(one)}: {why}"
        for one in practices
        if (why := why_not_stated(period, reading, of.stated_on, one.standing)) is not None
    ]

    def make(one: PeriodOf) -> Statement:
        return _period_statement(of, period, reading, one)

    return _all_or_none(practices, make, refused)


def restated_period(of: Statable, period: Period, one: PeriodOf) -> Statement:
    """A final statement worked again from what is known now: what `statements.adjustment` compares with the one that stands."""
    return _period_statement(of, period, "final", one)


def _period_statement(of: Statable, period: Period, reading: IncentiveReading, one: PeriodOf) -> Statement:
    initial = next((other for other in one.standing if other.reading == "initial"), None)
    return period_statement(of, one.terms, period, reading, one.practice_type, one.months, one.performances, initial)


def _all_or_none(
    practices: Sequence[Of], make: Callable[[Of], Statement], refused: Sequence[str]
) -> tuple[Statement, ...]:
    reasons = list(dict.fromkeys(refused))
    counts = Counter(map(_name, practices))
    reasons += [
        f"{name}: {count} contracts on one day, where there is one." for name, count in counts.items() if count > 1
    ]
    made: list[Statement] = []
    for one in practices if not reasons else ():
        try:
            made.append(make(one))
        except MissingBand as problem:
            reasons.append(f"{_name(one)}: {problem}")
    if reasons:
        raise NothingStated(reasons)
    return tuple(sorted(made, key=lambda one: (one.payer, one.practice_id)))


def _name(one: MonthOf | PeriodOf) -> str:
    contract = one.terms.contract
    return f"practice {contract.practice_id} with {contract.payer}"
