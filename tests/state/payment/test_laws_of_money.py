"""What holds for every contract and every result: more never pays less, lines add up, splitting and order move nothing."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.money import Contract
from schemas.records import ServiceCount
from state.payment.age_gender import Band, Factors, Person
from state.payment.amounts import cents, rounded, spread, total
from state.payment.element1 import classed, services
from state.payment.element2 import Risk, population_health
from state.payment.hpi import Adjustment
from state.payment.incentive import IncentiveReading, Performance, incentive_payment
from state.payment.pool import PoolMonth, incentive_pool
from state.payment.practice_type import TypeOfPeriod
from state.payment.program_tables import PRACTICE_TYPES, MeasureTerms, Shares
from state.payment.statements import encode, period_statement
from state.payment.what_if import chances, chances_of
from tests.money_cases import (
    ADULT,
    MIXED,
    P2,
    SPEC_RESULTS,
    STORE,
    contract,
    d,
    pool_months,
    result,
    statable,
    stated,
    terms,
)

TERMS = terms()
CAPITATED = terms(
    track="B",
    capitation_pmpm="20.00",
    capitated_places_of_service=["11"],
    service_classes=[{"name": "E&M 992xx", "codes": ["99202-99299"], "column": "capitated"}],
)
JULY = dt.date(2025, 7, 1)
LOWER = ("AHU", "EDU")
policies = st.fixed_dictionaries(
    {
        "over_100": st.sampled_from(["cap", "normalise", "pay"]),
        "unscored": st.sampled_from(["redistribute", "withhold"]),
        "curve": st.sampled_from(["linear", "steps(1)", "steps(3)", "steps(10)"]),
    }
)
contracts = st.builds(
    lambda policy, initial: contract(policies=policy, initial_pct=str(initial)),
    policies,
    st.sampled_from(["1", "0.8", "0.333"]),
)
readings = st.sampled_from(["initial", "final"])


def rate_of(measure: str) -> st.SearchStrategy[Decimal]:
    """Rates around the measure's goals, in hundredths and sometimes thousandths."""
    top = 200_000 if measure == "EDU" else 50_000 if measure == "AHU" else 100_000
    return st.integers(0, top).map(lambda thousandths: Decimal(thousandths).scaleb(-3))


@st.composite
def results(draw: st.DrawFn, measures: tuple[str, ...]) -> list[Performance]:
    found = []
    for measure in measures:
        if TERMS.program.measures[measure].thresholds is None or draw(st.integers(0, 9)) == 0:
            continue
        found.append(result(measure, draw(rate_of(measure)), draw(st.none() | rate_of(measure))))
    return found


practice_types = st.sampled_from(PRACTICE_TYPES)
pools = st.builds(
    lambda counts, base: [
        PoolMonth(month=JULY, members=count, base_pmpm=Decimal(base).scaleb(-2), incentive_pct=d(15))
        for count in counts
    ],
    st.lists(st.integers(0, 3000), max_size=6),
    st.integers(1, 10_000),
)


def paid(practice: str, given_: list[Performance], months: list[PoolMonth], of: Contract, reading: IncentiveReading):
    return incentive_payment(TERMS.measures_of(practice), given_, incentive_pool(months), of, reading)  # type: ignore[arg-type]


def sum_of(*arguments) -> Decimal:
    return total(line.amount for line in paid(*arguments).lines)


def all_measures(practice: str) -> tuple[str, ...]:
    return tuple(TERMS.program.shares[practice])  # type: ignore[index]


@given(st.data(), practice_types, pools, contracts, readings)
def test_more_performance_never_pays_less(data, practice, months, of, reading) -> None:
    before = data.draw(results(all_measures(practice)))
    if not before:
        return
    chosen = data.draw(st.integers(0, len(before) - 1))
    one = before[chosen]
    better = data.draw(rate_of(one.measure))
    improves = better <= one.rate if one.measure in LOWER else better >= one.rate  # type: ignore[operator]
    if not improves:
        better, before[chosen] = one.rate, msgspec.structs.replace(one, rate=better)  # type: ignore[assignment]
    after = [*before]
    after[chosen] = msgspec.structs.replace(one, rate=better)
    assert sum_of(practice, after, months, of, reading) >= sum_of(practice, before, months, of, reading)


@given(st.data(), practice_types, pools, contracts, readings)
def test_the_total_is_the_sum_of_rounded_lines_and_a_cap_is_a_cap(data, practice, months, of, reading) -> None:
    found = paid(practice, data.draw(results(all_measures(practice))), months, of, reading)
    amounts = [line.amount for line in found.lines]
    before = [line.amount_before_cap for line in found.lines]
    assert all(amount == amount.quantize(Decimal("0.01")) and amount >= 0 for amount in amounts)
    if of.policies.over_100 == "cap":
        advance = of.initial_pct if reading == "initial" else Decimal(1)
        limit = (sum(m.members * m.base_pmpm for m in months) * Decimal("0.15") * advance).quantize(
            Decimal("0.01"), ROUND_HALF_UP
        )
        assert sum(amounts) == min(sum(before), limit)
        assert all(now <= was for now, was in zip(amounts, before, strict=True))
    else:
        assert amounts == before


@given(st.data(), practice_types, contracts, readings)
def test_order_of_results_and_months_changes_no_byte(data, practice, of, reading) -> None:
    kind = msgspec.structs.replace(MIXED, type=practice)
    given_ = data.draw(results(all_measures(practice)))
    months = pool_months()
    with_contract = msgspec.structs.replace(TERMS, contract=of)
    one = encode(stated(reading, given_, kind, of=with_contract, months=months))
    shuffled = data.draw(st.permutations(given_))
    other = encode(stated(reading, list(shuffled), kind, of=with_contract, months=data.draw(st.permutations(months))))
    assert one == other


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8), st.integers(1, 10_000))
def test_splitting_the_months_of_a_pool_moves_nothing(counts: list[int], base: int) -> None:
    pmpm = Decimal(base).scaleb(-2)

    def pool(members: list[int]) -> Fraction:
        return incentive_pool(
            [PoolMonth(month=JULY, members=one, base_pmpm=pmpm, incentive_pct=d(15)) for one in members]
        ).amount

    assert pool(counts) == pool([sum(counts)]) == pool([1] * sum(counts))


people = st.builds(
    lambda born, gender: (born, gender), st.dates(dt.date(1930, 1, 1), dt.date(2025, 6, 30)), st.sampled_from("FMU")
)
FACTORS = Factors(
    tuple(
        Band(gender, first, first + 9, d(first + 73) / 100 if gender == "F" else d(first + 57) / 90)
        for gender in "FM"
        for first in range(0, 100, 10)
    )
)


@given(st.lists(people, max_size=60), st.integers(0, 60), st.integers(0, 5), st.sampled_from(["1", "1.0475", "0.97"]))
def test_splitting_a_panel_moves_no_more_than_half_a_cent_a_line(members, cut, pct, normaliser) -> None:
    panel = [Person(f"m{n}", born, gender) for n, (born, gender) in enumerate(members)]
    risk = Risk(factors=FACTORS, normaliser=d(normaliser), hpi=Adjustment(pct=d(pct), decile=1))

    def amount(part: list[Person]) -> Decimal:
        line = population_health(contract(phm_pmpm="4.37"), JULY, part, risk)
        assert line is not None
        return line.amount

    parts = amount(panel[:cut]) + amount(panel[cut:])
    assert abs(amount(panel) - parts) <= Decimal("0.01")
    assert amount(panel) == amount(panel[::-1])


codes = st.sampled_from(["99213", "99395", "J0696", ""])


@given(st.lists(st.tuples(codes, st.integers(0, 99_999), st.sampled_from([None, "PPO"])), max_size=30))
def test_what_is_capitated_and_what_is_not_adds_up_to_what_was_allowed(
    lines: list[tuple[str, int, str | None]],
) -> None:
    given_ = [
        ServiceCount(
            payer="acme",
            practice_id="A",
            code=code,
            place_of_service="11",
            frozen_product=product,
            product=product,
            lines=1,
            allowed=Decimal(amount).scaleb(-2),
            paid=d(0),
        )
        for code, amount, product in lines
    ]
    found = [classed(one, CAPITATED.contract, CAPITATED.classes) for one in given_]
    whole = sum((one.allowed for one in given_), Decimal(0))
    assert total(one.capitated + one.fee_for_service for one in found) == whole
    told = services(JULY, given_, CAPITATED.contract, CAPITATED.classes)
    assert total(line.information for line in told if line.information) == whole


@given(st.fractions(-1000, 1000), st.integers(0, 4))
def test_rounding_is_half_up_and_symmetrical(number: Fraction, places: int) -> None:
    found = rounded(number, places)
    assert abs(Fraction(found) - number) <= Fraction(1, 2 * 10**places)
    assert rounded(-number, places) == -found


@pytest.mark.parametrize(
    ("number", "expected"), [("0.005", "0.01"), ("0.015", "0.02"), ("2.675", "2.68"), ("-0.005", "-0.01")]
)
def test_half_a_cent_is_a_cent(number: str, expected: str) -> None:
    assert cents(d(number)) == d(expected)


def test_a_third_is_not_cut_off_before_half_a_cent_is_decided() -> None:
    assert cents(Fraction(1, 3) * Fraction(3, 200)) == d("0.01")


@given(st.lists(st.integers(0, 1_000_000), max_size=9), st.integers(0, 3_000_000))
def test_amounts_are_brought_down_to_a_limit_to_the_cent(given_: list[int], limit: int) -> None:
    amounts = tuple(Decimal(one).scaleb(-2) for one in given_)
    found = spread(amounts, Decimal(limit).scaleb(-2))
    assert sum(found) == min(sum(amounts), Decimal(limit).scaleb(-2))
    assert all(0 <= now <= was for now, was in zip(found, amounts, strict=True))


def by_hand(measure: MeasureTerms, shares: Shares, rate: Decimal, baseline: Decimal | None) -> Decimal:
    """The share by the sentences of payment.md 4.3, told apart by direction and in plain decimals."""
    goal = measure.thresholds
    assert goal is not None
    x = rate.quantize(Decimal("0.01"), ROUND_HALF_UP)
    b = None if baseline is None else baseline.quantize(Decimal("0.01"), ROUND_HALF_UP)
    if goal.gold > goal.threshold:
        attains, in_range, at_gold = x >= goal.threshold, x >= goal.minimum, b is not None and b >= goal.gold
        closed = b is not None and not at_gold and (x - b) * 10 >= goal.gold - b
        way = (x - goal.threshold) / (goal.gold - goal.threshold)
    else:
        attains, in_range, at_gold = x <= goal.threshold, x <= goal.minimum, b is not None and b <= goal.gold
        closed = b is not None and not at_gold and (b - x) * 10 >= b - goal.gold
        way = (goal.threshold - x) / (goal.threshold - goal.gold)
    if attains:
        return shares.threshold + (shares.gold - shares.threshold) * min(Decimal(1), way)
    return shares.improvement if in_range and closed else Decimal(0)


@given(st.data(), practice_types)
def test_shares_agree_with_a_second_reading_of_the_specification(data, practice) -> None:
    given_ = data.draw(results(all_measures(practice)))
    lines = {line.item: line for line in paid(practice, given_, pool_months(), contract(), "initial").lines}
    for one in given_:
        shares = TERMS.program.shares[practice][one.measure]
        expected = by_hand(TERMS.program.measures[one.measure], shares, one.rate, one.baseline)  # type: ignore[arg-type]
        assert lines[one.measure].share_pct == expected.quantize(Decimal("0.0001"), ROUND_HALF_UP)


POOL = incentive_pool(pool_months())


def test_what_one_more_closed_gap_would_have_paid() -> None:
    now = [
        result("COL", "62.5", 62, numerator=d(25), denominator=d(40)),
        result("CBP", 30, 20, numerator=d(30), denominator=d(100)),
        result("GSD", 100, numerator=d(40), denominator=d(40)),
        result("AHU", 22, 22, numerator=d(20), denominator=d(900)),
        result("EDU", 120),
    ]
    found = {one.measure: one for one in chances(TERMS, "adult", POOL, now, "initial")}
    assert set(found) == {"COL", "CBP", "AHU"}
    # 26 of 40 is 65%: 11.5% of the pool, halfway from threshold to gold, instead of the 6% of an improvement by exactly a tenth.
    assert (found["COL"].one_more, found["COL"].needed) == (d("2851.20"), 1)
    # 56 of 100 is the minimum, and more than a tenth of the gap from 20 to 74.
    assert (found["CBP"].one_more, found["CBP"].needed, found["CBP"].needed_pays) == (0, 26, d("3110.40"))
    # One stay of 20 fewer is 20.90: attainment, 1/30 of the way.
    assert found["AHU"].lower_is_better
    assert (found["AHU"].needed, found["AHU"].one_more) == (1, d("3179.52"))


def test_nothing_more_can_be_earned_at_the_cap() -> None:
    gold = [
        result(name, rate)
        for name, rate in (("BCS", 80), ("CBP", 74), ("GSD", 69), ("AMR", 91), ("AHU", 18), ("EDU", 107))
    ]
    now = [*gold, result("COL", 66, numerator=d(66), denominator=d(100))]
    pays = {one.measure: one.needed for one in chances(TERMS, "adult", POOL, now, "final")}
    assert pays == {"COL": None}


@given(st.integers(1, 60), st.integers(0, 60))
def test_the_number_needed_is_the_smallest_that_pays(denominator: int, met: int) -> None:
    met = min(met, denominator)
    rate = rounded(Fraction(100 * met, denominator), 2)
    now = [result("COL", rate, 40, numerator=d(met), denominator=d(denominator))]
    found = chances(TERMS, "adult", POOL, now, "initial")
    if denominator < 30 or met == denominator:
        assert all(one.needed is None for one in found)
        return
    before = sum_of("adult", now, pool_months(), contract(), "initial")
    pays = [
        sum_of("adult", [result("COL", rounded(Fraction(100 * (met + n), denominator), 2), 40, denominator=d(denominator))],
               pool_months(), contract(), "initial") > before
        for n in range(1, denominator - met + 1)
    ]  # fmt: skip
    assert found[0].needed == (pays.index(True) + 1 if True in pays else None)


@given(st.data(), practice_types, pools, contracts, readings)
def test_what_stands_in_a_statement_gives_its_chances(data, practice, months, of, reading) -> None:
    """Counts, rates, baselines, pool and type are enough: nothing that was known at the close is lost on the statement."""
    counted = data.draw(results(all_measures(practice)))
    if counted:
        # Of the others the counts are not known: what more of one would pay says whether all of them came out again.
        one = data.draw(st.integers(0, len(counted) - 1))
        numerator = d(data.draw(st.integers(1, 900)))
        counted[one] = msgspec.structs.replace(counted[one], numerator=numerator, denominator=d(900))
    by = msgspec.structs.replace(TERMS, contract=of)
    made = period_statement(
        statable("P2"), by, P2, reading, TypeOfPeriod(type=practice, share_pct=None, reason="given"), months, counted
    )
    assert chances_of(made, of, STORE) == chances(by, practice, incentive_pool(months), counted, reading)


def test_equal_closes_give_equal_bytes_and_ids() -> None:
    assert encode(stated("final", SPEC_RESULTS)) == encode(stated("final", SPEC_RESULTS))
    assert stated("final", SPEC_RESULTS).statement_id == stated("final", []).statement_id
    assert stated("final", SPEC_RESULTS).statement_id.startswith("P2-final.acme.A.")


def test_names_that_differ_only_in_signs_have_different_ids() -> None:
    ids = {stated("final", [], of=terms(practice_id=name)).statement_id for name in ("a.b", "a-b", "a b", "a/b")}
    assert len(ids) == 4
    assert all("/" not in one and " " not in one for one in ids)


def test_the_window_of_rates_is_12_months_to_the_end_of_the_period() -> None:
    statement = stated("initial", SPEC_RESULTS, ADULT)
    assert (statement.covers_from, statement.covers_to) == (dt.date(2024, 7, 1), P2.performance_end)
    half = msgspec.structs.replace(P2, window_months=6)
    shorter = period_statement(statable("P2-initial"), TERMS, half, "initial", ADULT, [], [])
    assert shorter.covers_from == dt.date(2025, 1, 1)
