"""How much the incentive can pay in a period, and the design limits of a contract. Source: payment.md 4.1.

Base payment is undefined in the program texts; here it is the contract's `base_pmpm`, fixed per practice and plan: the allowed amount of
the practice's direct services for its attributed members over the reference year, per member and month.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from schemas.money import Contract
from schemas.records import Period
from state.calendar import add_months, from_date, month_of
from state.payment.amounts import dollars, exact, number

INCENTIVE_LIMIT = Decimal(15)
TOTAL_LIMIT = Decimal(30)
"""Percent of base payment: the incentive, and all three elements together."""


class PoolMonth(msgspec.Struct, frozen=True, kw_only=True):
    """A month of a period's pool: members on the practice's panel, and the terms of the contract in force."""

    month: dt.date
    members: int
    base_pmpm: Decimal
    incentive_pct: Decimal


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """The most a period's incentive is worth, exact, with the formula a person can check by hand."""

    amount: Fraction
    formula: str
    member_months: int


class DesignLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Each element's contracted increase in percent of base payment, before risk adjustment, and whether the sum is over the ceiling."""

    element_1_pct: Fraction
    element_2_pct: Fraction
    element_3_pct: Fraction
    ceiling_pct: Decimal

    @property
    def total_pct(self) -> Fraction:
        """The contracted increase over base payment."""
        return self.element_1_pct + self.element_2_pct + self.element_3_pct

    @property
    def over(self) -> bool:
        """Whether the sum exceeds the ceiling: a warning when the contract is loaded, never a cut of what was earned."""
        return self.total_pct > exact(self.ceiling_pct)


def incentive_pct(contract: Contract) -> Decimal:
    """Percent of base payment that makes the pool: as contracted, at most the ceiling and the program's 15."""
    return min(contract.incentive_max_pct, contract.ceilings.incentive_pct, INCENTIVE_LIMIT)


def months_of(period: Period) -> tuple[dt.date, ...]:
    """The first days of the months that a period's pool covers."""
    first = month_of(from_date(period.pool_from))
    return tuple(dt.date.fromordinal(add_months(first, ahead)) for ahead in range(period.pool_months))


def pool_month(contract: Contract, month: dt.date, members: int) -> PoolMonth:
    """A month of the pool by the contract in force in it."""
    return PoolMonth(month=month, members=members, base_pmpm=contract.base_pmpm, incentive_pct=incentive_pct(contract))


def incentive_pool(months: Sequence[PoolMonth]) -> Pool:
    """Base payment of the period's months times the incentive percentage, without risk adjustment; 0 for no months.

    Months under the same terms are one product, so that the formula stays short.
    """
    members: Counter[tuple[Decimal, Decimal]] = Counter()
    for month in months:
        members[month.base_pmpm, month.incentive_pct] += month.members
    parts = [(count, base, pct) for (base, pct), count in members.items()]
    amount = sum((count * exact(base) * exact(pct) / 100 for count, base, pct in parts), Fraction(0))
    formula = " + ".join(
        f"{dollars(base)} base PMPM x {number(count)} member months x {number(pct)}%" for count, base, pct in parts
    )
    return Pool(
        amount=amount,
        formula=f"{formula or 'no member months'} = {dollars(amount)}",
        member_months=members.total(),
    )


def design_limits(contract: Contract) -> DesignLimits:
    """What the contract adds to base payment, by element. Element 1's part is its contracted increase over base."""
    base = exact(contract.base_pmpm)
    return DesignLimits(
        element_1_pct=exact(contract.element_1_increase_pct),
        element_2_pct=100 * exact(contract.phm_pmpm or 0) / base if base else Fraction(0),
        element_3_pct=exact(incentive_pct(contract)),
        ceiling_pct=min(contract.ceilings.total_pct, TOTAL_LIMIT),
    )
