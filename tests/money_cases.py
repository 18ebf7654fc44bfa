"""Builds contracts, panels and results, so that a test of money shows only what matters to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from schemas.money import Contract, SnapshotUse, Statement
from schemas.records import Period
from state.payment.age_gender import Person
from state.payment.incentive import IncentiveReading, Performance
from state.payment.pool import PoolMonth
from state.payment.practice_type import TypeOfPeriod
from state.payment.statements import Statable, period_statement
from state.payment.terms import Terms, resolve
from state.reference.tables import TableStore

STORE = TableStore()
P2 = Period(
    period="P2",
    performance_end=dt.date(2025, 6, 30),
    k1=dt.date(2025, 9, 28),
    k2=dt.date(2025, 12, 27),
    pool_from=dt.date(2025, 1, 1),
    pool_months=6,
    pay_date=dt.date(2025, 10, 1),
)
MONTHS = [dt.date(2025, month, 1) for month in range(1, 7)]
ADULT = TypeOfPeriod(type="adult", share_pct=None, reason="given")
PEDIATRIC = TypeOfPeriod(type="pediatric", share_pct=None, reason="given")
MIXED = TypeOfPeriod(type="mixed", share_pct=None, reason="given")
GOLD = {"CIS": 70, "IMA": 46, "AMR": 91, "BCS": 80, "COL": 67, "CBP": 74, "GSD": 69, "AHU": 18, "EDU": 107}


def d(number: object) -> Decimal:
    """A decimal as it is written."""
    return Decimal(str(number))


def contract(**changes: Any) -> Contract:
    """The contract of payment.md 4.5: base 32.00, pool 15%; with what a test wants otherwise, as JSON would give it."""
    plain: dict[str, Any] = {
        "contract_id": "C1",
        "payer": "acme",
        "practice_id": "A",
        "payee_name": "Practice A Inc.",
        "payee_tin": "950000001",
        "track": "A",
        "effective_from": "2024-07-01",
        "base_pmpm": "32.00",
        "incentive_max_pct": "15",
    }
    return msgspec.convert(plain | changes, Contract)


def terms(**changes: Any) -> Terms:
    """A contract with the tables of the program."""
    return resolve(contract(**changes), STORE)


def result(measure: str, rate: object, baseline: object = None, **more: Any) -> Performance:
    """A measure's result."""
    return Performance(
        measure=measure,
        rate=None if rate is None else d(rate),
        baseline=None if baseline is None else d(baseline),
        **more,
    )


SPEC_RESULTS = [
    result("BCS", 78, 74),
    result("COL", 64, 58),
    result("CBP", "60.2", 58),
    result("GSD", 70, 61),
    result("AMR", 80, 79),
    result("AHU", 20, 24),
    result("EDU", 128, 131),
]
"""The adult practice of payment.md 4.5."""


def pool_months(members: int = 1800, base: str = "32.00", pct: str = "15") -> list[PoolMonth]:
    """Six months of a panel."""
    return [PoolMonth(month=month, members=members, base_pmpm=d(base), incentive_pct=d(pct)) for month in MONTHS]


def statable(close_id: str, stated_on: str = "2025-10-01") -> Statable:
    """A close that statements follow from."""
    snapshot = SnapshotUse(close_id=close_id, content_digest="0" * 64, as_of=dt.date(2025, 6, 30), actor="ann")
    return Statable(snapshot=snapshot, engine_version="1", stated_on=dt.date.fromisoformat(stated_on))


def stated(
    reading: IncentiveReading,
    results: list[Performance],
    practice: TypeOfPeriod = ADULT,
    *,
    of: Terms | None = None,
    months: list[PoolMonth] | None = None,
    initial: Statement | None = None,
) -> Statement:
    """The statement of a period."""
    return period_statement(
        statable(f"P2-{reading}"),
        of or terms(),
        P2,
        reading,
        practice,
        pool_months() if months is None else months,
        results,
        initial,
    )


def amounts(statement: Statement) -> Mapping[str, Decimal]:
    """What each line pays, without those that pay nothing."""
    return {line.item: line.amount for line in statement.lines if line.amount}


def person(member_id: str, age: int, gender: str = "F", month: dt.date = dt.date(2025, 7, 1)) -> Person:
    """A member of an age on the first of a month."""
    return Person(member_id, month.replace(year=month.year - age), gender)
