"""Which type a practice is, how large its pool is, whose counts make its rates. Source: payment.md 4.1, 4.6 and 4.7."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from schemas.money import PracticeTypeRule
from state.payment.contracts import in_force
from state.payment.pool import PoolMonth, design_limits, incentive_pct, incentive_pool, months_of, pool_month
from state.payment.practice_type import MemberMonths, member_months, practice_type
from state.payment.rates import NO_RISK_WEIGHTS, Baseline, Counts, baseline_of_period, counts_of, performance
from tests.money_cases import MONTHS, P2, contract, d, person, pool_months, terms

RULE = PracticeTypeRule()
MEASURES = terms().program.measures


@pytest.mark.parametrize(
    ("share", "before", "expected"),
    [
        (80, None, "pediatric"),
        ("79.99", None, "mixed"),
        (20, None, "adult"),
        ("20.01", None, "mixed"),
        (50, None, "mixed"),
        ("79.99", "pediatric", "pediatric"),
        (75, "pediatric", "pediatric"),
        ("74.99", "pediatric", "mixed"),
        (25, "adult", "adult"),
        ("25.01", "adult", "mixed"),
        (78, "mixed", "mixed"),
        (22, "mixed", "mixed"),
        (80, "adult", "pediatric"),
        (20, "pediatric", "adult"),
    ],
)
def test_80_20_with_five_points_of_hysteresis(share: object, before: str | None, expected: str) -> None:
    found = practice_type(MemberMonths(int(d(share) * 100), 10_000), RULE, before)  # type: ignore[arg-type]
    assert found.type == expected
    assert found.reason


def test_the_plan_may_set_the_type_with_a_reason() -> None:
    rule = PracticeTypeRule(override="mixed", override_reason="two sites, one of them pediatric")
    found = practice_type(MemberMonths(90, 100), rule, None)
    assert (found.type, found.share_pct) == ("mixed", 90)
    assert found.reason == "set by the plan: two sites, one of them pediatric"


def test_a_practice_without_member_months_stays_what_it_was() -> None:
    assert practice_type(MemberMonths(0, 0), RULE, "adult").type == "adult"
    assert practice_type(MemberMonths(0, 0), RULE, None).type == "mixed"


def test_a_member_month_is_a_childs_until_the_18th_birthday_has_come() -> None:
    july, august = dt.date(2025, 7, 1), dt.date(2025, 8, 1)
    turning = person("t", 17, month=august)  # 18 a year from August: 17 in both months
    adult = person("a", 18, month=july)
    assert member_months([(july, [turning, adult]), (august, [turning, adult])]) == MemberMonths(2, 4)


def test_the_pool_of_the_specification() -> None:
    pool = incentive_pool(pool_months())
    assert (pool.amount, pool.member_months) == (51840, 10_800)


def test_a_pool_of_two_contracts_is_the_sum_of_their_months() -> None:
    first = PoolMonth(month=dt.date(2025, 1, 1), members=100, base_pmpm=d("32.00"), incentive_pct=d(15))
    second = PoolMonth(month=dt.date(2025, 2, 1), members=100, base_pmpm=d("40.00"), incentive_pct=d(10))
    pool = incentive_pool([first, second])
    assert pool.amount == 480 + 400
    assert pool.formula == (
        "32.00 base PMPM x 100 member months x 15% + 40.00 base PMPM x 100 member months x 10% = 880.00"
    )


def test_the_months_of_a_pool_are_the_periods() -> None:
    assert months_of(P2) == tuple(MONTHS)
    late = msgspec.structs.replace(P2, pool_from=dt.date(2024, 10, 1), pool_months=3)
    assert [month.month for month in months_of(late)] == [10, 11, 12]


def test_a_month_of_the_pool_goes_by_the_contract_in_force_in_it() -> None:
    first = contract(effective_to="2025-03-01", incentive_max_pct="20")
    then = contract(contract_id="C2", effective_from="2025-03-01", base_pmpm="40.00", incentive_max_pct="10")
    found = [in_force([first, then], "acme", "A", month) for month in months_of(P2)]
    assert [one and one.contract_id for one in found] == ["C1", "C1", "C2", "C2", "C2", "C2"]
    months = [pool_month(one, month, 100) for one, month in zip(found, months_of(P2), strict=True) if one]
    assert incentive_pool(months).amount == 200 * 32 * Fraction(15, 100) + 400 * 40 * Fraction(10, 100)
    assert in_force([first, then], "best", "A", MONTHS[0]) is None
    assert in_force([first], "acme", "A", dt.date(2025, 3, 1)) is None
    again = contract(effective_to="2025-02-01")
    assert in_force([first, again], "acme", "A", dt.date(2025, 2, 1)) is None


def test_a_pool_of_no_months_is_nothing() -> None:
    assert incentive_pool([]).amount == 0


def test_the_incentive_is_limited_to_15_percent_of_base_and_to_the_contracts_own_ceiling() -> None:
    assert incentive_pct(contract(incentive_max_pct="20")) == 15
    assert incentive_pct(contract(incentive_max_pct="12")) == 12
    assert incentive_pct(contract(ceilings={"total_pct": "30", "incentive_pct": "10"})) == 10


@pytest.mark.parametrize(("phm", "over"), [("4.80", False), ("4.81", True)])
def test_30_percent_over_base_is_a_design_limit_of_contracted_rates(phm: str, over: bool) -> None:
    limits = design_limits(contract(phm_pmpm=phm, element_1_increase_pct="0"))
    assert limits.element_2_pct == Decimal(phm) / 32 * 100
    assert limits.over == over
    assert design_limits(contract(phm_pmpm="4.80", element_1_increase_pct="0.01")).over


def test_rates_are_of_the_plans_own_members_unless_contracts_pool_them() -> None:
    counts = [
        Counts(payer=payer, measure="COL", numerator=d(met), denominator=d(members))
        for payer, met, members in (("acme", 5, 8), ("best", 20, 32), ("calm", 1, 10))
    ]
    alone = {payer: contract(payer=payer) for payer in ("acme", "best", "calm")}
    pooled = alone | {payer: contract(payer=payer, pools={"pool_rates": True}) for payer in ("acme", "best")}
    col = MEASURES["COL"]
    own = performance(col, counts_of(counts, "acme", alone), None)
    both = performance(col, counts_of(counts, "acme", pooled), None)
    assert (own.rate, own.denominator) == (d("62.50"), 8)
    assert (both.rate, both.denominator) == (d("62.50"), 40)
    assert performance(col, counts_of(counts, "calm", pooled), None).rate == d("10.00")


def test_utilisation_is_observed_over_expected_times_the_reference_rate() -> None:
    ahu = [Counts(payer="acme", measure="AHU", numerator=d(18), denominator=d(900), expected=d("22.5"))]
    assert performance(MEASURES["AHU"], ahu, None, reference_rate=d("0.025")).rate == d("20.00")


def test_without_weights_or_a_reference_rate_the_raw_rate_is_never_paid_on() -> None:
    weighed = [Counts(payer="acme", measure="AHU", numerator=d(18), denominator=d(900), expected=d(20))]
    raw = [Counts(payer="acme", measure="AHU", numerator=d(18), denominator=d(900))]
    nothing_expected = [Counts(payer="acme", measure="AHU", numerator=d(18), denominator=d(900), expected=d(0))]
    assert performance(MEASURES["AHU"], weighed, None).unscored == NO_RISK_WEIGHTS
    assert performance(MEASURES["AHU"], nothing_expected, None, d("0.025")).unscored == NO_RISK_WEIGHTS
    for found in (performance(MEASURES["AHU"], raw, None, d("0.025")), performance(MEASURES["TCOC"], raw, None)):
        assert (found.rate, found.unscored) == (None, NO_RISK_WEIGHTS)


def test_the_cost_index_is_observed_over_expected() -> None:
    tcoc = [Counts(payer="acme", measure="TCOC", numerator=d(950), denominator=d(700), expected=d(1000))]
    assert performance(MEASURES["TCOC"], tcoc, None).rate == d("0.95")


def test_nobody_counted_is_no_rate() -> None:
    assert performance(MEASURES["COL"], [], None).rate is None


def test_the_baseline_is_frozen_unless_the_contract_rebases() -> None:
    frozen, last = Baseline(value=d(50)), Baseline(value=d(60))
    assert baseline_of_period(frozen, last, rebase=False) is frozen
    assert baseline_of_period(frozen, last, rebase=True) is last
    assert baseline_of_period(frozen, None, rebase=True) is frozen
