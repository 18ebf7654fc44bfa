"""Whether a practice is mixed, pediatric or adult in a period, which sets its measures. Source: payment.md 4.7."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from fractions import Fraction

import msgspec

from schemas.money import PracticeType, PracticeTypeRule
from state.payment.age_gender import Person, age_on
from state.payment.amounts import exact, number

UNDER = 18
"""Years: a member month counts as a child's while the member is younger on the month's first day."""


class MemberMonths(msgspec.Struct, frozen=True):
    """Attributed member months of the trailing 12 months, and how many of them are children's."""

    under_18: int
    all: int


class TypeOfPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a practice in a period and why, as a sentence for its statement."""

    type: PracticeType
    share_pct: Fraction | None
    reason: str


def member_months(panels: Iterable[tuple[dt.date, Iterable[Person]]]) -> MemberMonths:
    """Member months of monthly panels, each with the first day of its month."""
    under = everybody = 0
    for month, panel in panels:
        for person in panel:
            everybody += person.members
            under += person.members * (age_on(person.birth_date, month) < UNDER)
    return MemberMonths(under, everybody)


def practice_type(months: MemberMonths, rule: PracticeTypeRule, before: PracticeType | None) -> TypeOfPeriod:
    """The type of a practice in a period.

    The plan's override stands above all. From `pediatric_from_pct` on a practice is pediatric, up to `adult_up_to_pct` adult, both
    included, else mixed. Pediatric or adult practices stay what they were until the share has moved more than
    `hysteresis_points` beyond the border. Without member months: as before, else mixed.
    """
    share = Fraction(100 * months.under_18, months.all) if months.all else None
    if rule.override is not None:
        return TypeOfPeriod(type=rule.override, share_pct=share, reason=f"set by the plan: {rule.override_reason}")
    if share is None:
        kept: PracticeType = before or "mixed"
        return TypeOfPeriod(type=kept, share_pct=None, reason="no member months in the trailing 12 months")
    said = f"{number(share, 2)}% of {months.all:,} member months are of members under {UNDER}"
    slack = exact(rule.hysteresis_points)
    pediatric, adult = exact(rule.pediatric_from_pct), exact(rule.adult_up_to_pct)
    if share >= pediatric:
        return TypeOfPeriod(type="pediatric", share_pct=share, reason=f"{said}: {number(pediatric, 2)}% or more")
    if share <= adult:
        return TypeOfPeriod(type="adult", share_pct=share, reason=f"{said}: {number(adult, 2)}% or less")
    if before == "pediatric" and share >= pediatric - slack:
        return TypeOfPeriod(
            type="pediatric",
            share_pct=share,
            reason=f"{said}: pediatric before, and not below {number(pediatric - slack, 2)}%",
        )
    if before == "adult" and share <= adult + slack:
        return TypeOfPeriod(
            type="adult", share_pct=share, reason=f"{said}: adult before, and not above {number(adult + slack, 2)}%"
        )
    return TypeOfPeriod(type="mixed", share_pct=share, reason=f"{said}: between the borders")
