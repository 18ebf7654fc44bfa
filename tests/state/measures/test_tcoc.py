"""TCOC: golden cases of measures.md 11 and 16.20, with real codes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.calendar import to_date
from state.measures.credit import credit_of
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.facts import CoverSpan, Kept, Profile
from state.measures.measure_tables import PRICED_SERVICE
from state.measures.outcome import Sums
from state.measures.rates import Cell, of_all, peers
from state.measures.tcoc import INDEX, PMPM
from state.reference.starter_sets import starter_sets
from tests.measure_builders import covered, day, member, year
from tests.state.measures.hospital_claims import (
    added,
    asked,
    bound,
    claim,
    fill,
    inpatient,
    line,
    supplied,
    value,
)

PERIOD = year(2025)
ADULT = member("1980-05-01", "F")
PRICES = """code_system,code,modifier,per,price
CPT,99213,,unit,90
CPT,71046,,line,30
CPT,71046,26,line,10
HCPCS,J1745,,unit,12.5
UBREV,0450,,line,700
MSDRG,193,,stay,9000
NDC,00093-0058-01,,unit,0.25
RXNORM,860975,,line,8
"""
TABLES = supplied(tcoc_prices=PRICES)
NAME = "standardised cost by the supplied table"


def office(on: str, *lines: Any, **changes: Any) -> Kept:
    """A doctor's claim of an office visit, or of the lines given."""
    some = lines or (line(on, hcpcs="99213", place="11"),)
    return claim(on, on, *some, **{"institutional": False, **changes})


def cost(*kept: Kept, profile: Profile = ADULT, on: str = "2025-12-31") -> dict[str, str]:
    """The sums of a member, without the stratum."""
    found = asked("TCOC", PERIOD, profile, *kept, tables=TABLES, as_of=day(on))[INDEX].sums
    return {name.partition(":")[0]: f"{number.normalize():f}" for name, number in found.items()}


def is_measured(profile: Profile) -> bool:
    """Whether a member is in the population, with prices and without."""
    with_prices = bool(asked("TCOC", PERIOD, profile, tables=TABLES))
    assert with_prices == bool(asked("TCOC", PERIOD, profile))
    return with_prices


# ---- without a table


def test_without_a_price_table_there_is_no_cost_and_a_reason_and_never_zero() -> None:
    found = asked("TCOC", PERIOD, ADULT, office("2025-03-01"))
    assert set(found) == {INDEX}
    assert value("TCOC", INDEX, added(found.values())) == (None, "unscored: no tcoc_prices are supplied")


def test_without_a_price_table_nothing_is_kept_for_it_and_with_one_everything_that_could_have_a_price() -> None:
    assert bound("TCOC").roles_of["CPT", "99213"] == ()
    priced = bound("TCOC", TABLES)
    codes = (("CPT", "99213"), ("CPT", "0001A"), ("UBREV", "0300"), ("NDC", "99999999999"), ("ICD10CM", "J189"))
    assert [priced.roles_of[code] for code in codes] == [(PRICED_SERVICE,)] * 4 + [()]
    assert priced.readers[PRICED_SERVICE] == {"TCOC"}
    others = Bound(built_in("capc-2025").only(["BCS"]), starter_sets(), TABLES)
    assert others.roles_of["CPT", "99213"] == ()


def test_where_nothing_has_a_price_the_measure_is_unscored() -> None:
    found = asked("TCOC", PERIOD, ADULT, office("2025-03-01", line("2025-03-01", hcpcs="99999")), tables=TABLES)
    assert value("TCOC", PMPM, added([found[PMPM]]), TABLES) == (
        None,
        "unscored: none of the services has a price; 1 of 1 services have no price",
    )


def test_members_who_had_no_services_cost_nothing() -> None:
    healthy = added([asked("TCOC", PERIOD, ADULT, tables=TABLES)[PMPM]])
    assert value("TCOC", PMPM, healthy, TABLES) == (Decimal("0.00"), f"not risk adjusted; {NAME}")


# ---- prices


def test_a_line_costs_its_price_for_each_unit_or_for_the_line() -> None:
    some = office(
        "2025-03-01",
        line("2025-03-01", hcpcs="99213", units=Decimal(2)),
        line("2025-03-01", hcpcs="71046", units=Decimal(3)),
        line("2025-03-01", hcpcs="J1745", units=Decimal(10)),
    )
    assert cost(some)["price_medical"] == str(180 + 30 + 125)


@pytest.mark.parametrize("units", [None, Decimal(0)])
def test_a_line_without_units_is_one_unit(units: Decimal | None) -> None:
    assert cost(office("2025-03-01", line("2025-03-01", hcpcs="99213", units=units)))["price_medical"] == "90"


def test_a_modifier_with_a_price_of_its_own_has_it() -> None:
    parts = office("2025-03-01", line("2025-03-01", hcpcs="71046", modifiers=("XU", "26")))
    assert cost(parts)["price_medical"] == "10"


def test_a_line_whose_procedure_has_no_price_costs_what_its_revenue_code_costs() -> None:
    visit = claim("2025-03-01", "2025-03-01", line("2025-03-01", hcpcs="99284", revenue="0450"))
    assert cost(visit)["price_medical"] == "700"


def test_a_stay_costs_the_price_of_its_drg_once_however_many_bills_and_lines_it_has() -> None:
    bills = [
        inpatient("2025-03-01", "2025-03-31", drg="193", bill_type="0112"),
        inpatient("2025-03-01", "2025-04-05", drg="193", bill_type="0114"),
    ]
    assert cost(*bills)["price_medical"] == "9000"
    assert cost(*bills)["services"] == "1"
    assert cost(*bills, inpatient("2025-05-01", "2025-05-03", drg="193"))["price_medical"] == "18000"


def test_a_stay_whose_drg_has_no_price_is_counted_by_its_lines_as_without_one() -> None:
    assert cost(inpatient("2025-03-01", "2025-03-05", drg="999")) == {
        "medical_months": "12",
        "pharmacy_months": "12",
        "services": "1",
        "unpriced": "1",
    }


def test_a_drug_costs_by_quantity_or_by_fill() -> None:
    found = cost(fill("2025-03-01", "00093005801", "60"), fill("2025-04-01", "", rxnorm="860975"))
    assert found["price_pharmacy"] == "23"
    assert "price_medical" not in found


def test_a_claim_that_paid_nothing_under_capitation_costs_what_it_costs_anybody() -> None:
    capitated = office("2025-03-01", line("2025-03-01", hcpcs="99213", allowed=Decimal(0)))
    assert cost(capitated)["price_medical"] == "90"


def test_a_denied_line_and_a_denied_claim_cost_nothing() -> None:
    lines = (line("2025-03-01", hcpcs="99213", denied=True), line("2025-03-01", hcpcs="71046"))
    found = cost(office("2025-03-01", *lines), office("2025-03-02", denied=True), fill("2025-03-03", "x", denied=True))
    assert (found["price_medical"], found["services"]) == ("30", "1")


# ---- months and benefits


def test_only_days_of_the_period_count() -> None:
    assert cost(office("2024-12-31"), office("2025-01-01"), office("2025-12-31"))["price_medical"] == "180"


def test_pharmacy_has_months_of_its_own_where_it_is_carved_out() -> None:
    carved = member("1980-05-01", "F", CoverSpan(day("2020-01-01"), day("2030-01-01"), "PPO"))
    found = cost(office("2025-03-01"), fill("2025-03-01", "00093005801"), profile=carved)
    assert found == {"medical_months": "12", "price_medical": "90", "services": "1"}


def test_a_rate_of_members_with_and_without_pharmacy_divides_each_by_its_own_months() -> None:
    carved = member("1980-05-01", "F", CoverSpan(day("2020-01-01"), day("2030-01-01"), "PPO"))
    outcomes = [
        asked("TCOC", PERIOD, ADULT, fill("2025-03-01", "00093005801", "480"), office("2025-05-01"), tables=TABLES),
        asked("TCOC", PERIOD, carved, office("2025-03-01"), tables=TABLES),
    ]
    sums = added(found[PMPM] for found in outcomes)
    # 180 / 24 + 120 / 12, and not 300 / 24
    assert value("TCOC", PMPM, sums, TABLES) == (Decimal("17.50"), f"not risk adjusted; {NAME}")


@pytest.mark.parametrize(("first", "measured"), [("2025-04-01", True), ("2025-04-02", False), ("2025-05-01", False)])
def test_nine_member_months_are_needed(first: str, measured: bool) -> None:
    assert is_measured(member("1980-05-01", "F", covered(first, "2025-12-31"))) == measured


@pytest.mark.parametrize(
    ("birth", "measured"),
    [("2024-12-31", True), ("2025-01-01", False), ("1960-12-31", False), ("1961-01-01", True)],
)
def test_ages_one_to_sixty_four_on_the_last_day_are_measured(birth: str, measured: bool) -> None:
    assert is_measured(member(birth)) == measured


def test_months_that_have_not_begun_add_no_month_and_the_day_of_the_next_is_named() -> None:
    assert cost(office("2025-03-01"), on="2025-03-31")["medical_months"] == "3"
    edition = bound("TCOC", TABLES)
    assert evaluate(ADULT, (), edition, PERIOD, day("2025-03-31")).next_day == day("2025-04-01")
    assert evaluate(ADULT, (), edition, PERIOD, day("2025-12-01")).next_day is None


def test_lines_of_days_that_lie_ahead_cost_nothing_yet() -> None:
    both = office("2025-03-31", line("2025-03-31", hcpcs="99213"), line("2025-04-01", hcpcs="99213"))
    assert (cost(both, on="2025-03-31")["price_medical"], cost(both, on="2025-04-01")["price_medical"]) == ("90", "180")


@pytest.mark.parametrize(("gender", "name"), [("F", "F"), ("male", "M"), ("other", "U"), ("", "U")])
def test_months_are_told_apart_by_gender_and_age(gender: str, name: str) -> None:
    sums = asked("TCOC", PERIOD, member("1980-05-01", gender), tables=TABLES)[INDEX].sums
    assert set(sums) == {f"medical_months:{name}45-54", f"pharmacy_months:{name}45-54"}


def test_the_practice_of_most_attributed_months_has_the_credit_the_latest_on_a_tie() -> None:
    credit = credit_of(asked("TCOC", PERIOD, ADULT, tables=TABLES).values())
    assert credit_of(asked("TCOC", PERIOD, ADULT).values()) == credit
    assert credit.practice(PERIOD, PERIOD.end, lambda on: "B" if on >= day("2025-07-01") else "A") == "B"
    assert credit.practice(PERIOD, PERIOD.end, lambda on: "B" if on >= day("2025-08-01") else "A") == "A"


# ---- the limit


def expensive(allowed: str) -> Kept:
    """A stay that the plan allowed so much for."""
    room = line("2025-03-01", revenue="0120", allowed=Decimal(allowed))
    return claim("2025-03-01", "2025-03-20", room, drg="193", bill_type="0111")


@pytest.mark.parametrize(("allowed", "price"), [("125000", "9000"), ("250000", "4500"), ("1000000", "1125")])
def test_cost_is_cut_in_the_proportion_in_which_the_allowed_amount_is_cut_at_the_limit(
    allowed: str, price: str
) -> None:
    assert cost(expensive(allowed))["price_medical"] == price


def test_the_limit_is_that_of_the_member_and_year_for_all_services_together_and_never_pro_rated() -> None:
    visit = office("2025-04-01", line("2025-04-01", hcpcs="99213", allowed=Decimal(50000)))
    short = member("1980-05-01", "F", covered("2025-01-01", "2025-09-30"))
    for profile in (ADULT, short):
        found = cost(expensive("200000"), visit, fill("2025-05-01", "00093005801", "40"), profile=profile)
        # what was allowed: 250,000, and 10 at the standard price of the drug
        share = Decimal(125000) / Decimal(250010)
        whole = (Decimal(9090) * share).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        assert (found["price_medical"], found["price_pharmacy"]) == (str(whole), "4.9998")


# ---- the index


def practice(*members: tuple[Profile, tuple[Kept, ...]]) -> Sums:
    """What the members of a practice add up to."""
    return added(asked("TCOC", PERIOD, profile, *kept, tables=TABLES)[INDEX] for profile, kept in members)


CHILD = member("2015-05-01", "M")


def test_a_practice_is_compared_with_all_practices_of_the_payer_by_age_and_gender() -> None:
    visits = [office(f"2025-{month:02d}-15") for month in range(1, 5)]
    dear = practice((ADULT, tuple(visits)), (CHILD, (visits[0],)))
    cheap = practice((ADULT, tuple(visits[:2])), (CHILD, ()))
    cells = {("asked", Cell("TCOC", INDEX, "P", name, "")): sums for name, sums in (("A", dear), ("B", cheap))}
    cells["asked", Cell("TCOC", INDEX, "Q", "A", "")] = practice((ADULT, tuple(visits)))
    every = peers(cells)[("asked", of_all(Cell("TCOC", INDEX, "P", "A", "")))]
    assert every == dear + cheap
    # adults cost 270 at the mean and children 45: observed 450 of 315, and 180 of 315
    assert value("TCOC", INDEX, dear, TABLES, every) == (Decimal("1.4286"), f"{NAME}; adjusted for age and gender")
    assert value("TCOC", INDEX, cheap, TABLES, every)[0] == Decimal("0.5714")


def test_a_practice_of_children_is_not_cheap_for_having_children() -> None:
    visits = [office(f"2025-{month:02d}-15") for month in range(1, 5)]
    children = practice((CHILD, (visits[0],)))
    mixed = practice((CHILD, (visits[0],)), (ADULT, tuple(visits)))
    assert value("TCOC", INDEX, children, TABLES, children + mixed)[0] == Decimal("1.0000")


def test_a_practice_without_peers_is_unscored_and_its_cost_a_month_is_known() -> None:
    alone = practice((ADULT, (office("2025-03-01"),)))
    assert value("TCOC", INDEX, alone, TABLES, alone) == (None, f"unscored: no other practice to compare with; {NAME}")
    assert value("TCOC", PMPM, alone, TABLES, alone)[0] == Decimal("7.50")


def test_services_without_a_price_are_said_beside_the_rate() -> None:
    some = practice((ADULT, (office("2025-03-01"), office("2025-03-02", line("2025-03-02", hcpcs="99999")))))
    assert value("TCOC", PMPM, some, TABLES)[1] == f"not risk adjusted; {NAME}; 1 of 2 services have no price"


# ---- the second reading


@dataclass(frozen=True)
class Told:
    """A service in plain words."""

    on: int
    what: str
    units: int
    allowed: int
    denied: bool


@st.composite
def histories(draw: st.DrawFn) -> tuple[Told, ...]:
    """Services at both ends of the year and around the days on which coverage changes."""
    days = (day("2025-01-01"), day("2025-03-01"), day("2025-06-30"), day("2025-12-31"))
    return tuple(
        Told(
            draw(st.sampled_from(days)) + draw(st.integers(-1, 1)),
            draw(st.sampled_from(("99213", "71046", "99999", "193", "00093005801"))),
            draw(st.integers(1, 4)),
            draw(st.sampled_from((0, 100, 60000, 124900, 200000))),
            draw(st.sampled_from((False, False, True))),
        )
        for _ in range(draw(st.integers(0, 6)))
    )


HALF_PHARMACY = (
    CoverSpan(day("2025-01-01"), day("2025-02-28"), "PPO", pharmacy=True),
    CoverSpan(day("2025-03-01"), day("2025-06-30"), "PPO"),
    CoverSpan(day("2025-08-01"), day("2025-12-31"), "PPO", pharmacy=True),
)


def _kept(number: int, told: Told) -> Kept:
    on = str(to_date(told.on))
    amounts: dict[str, Any] = {"allowed": Decimal(told.allowed), "denied": told.denied}
    if told.what == "00093005801":
        return fill(on, told.what, str(told.units), row=f"d:{number}", evidence=f"D{number}", **amounts)
    if told.what == "193":
        room = line(on, revenue="0120", **amounts)
        return claim(on, on, room, name=f"S{number}", drg="193", denied=told.denied)
    return office(on, line(on, hcpcs=told.what, units=Decimal(told.units), **amounts), name=f"O{number}")


def _naive(history: tuple[Told, ...]) -> dict[str, str]:
    """Day by day through the calendar, without the rules that it checks."""
    medical = pharmacy = allowed = Decimal()
    services = unpriced = 0
    admitted: dict[int, Decimal] = {}
    for told in history:
        on = dt.date.fromordinal(told.on)
        has_medical = on.year == 2025 and on.month != 7
        has_pharmacy = has_medical and on.month not in {3, 4, 5, 6}
        is_drug = told.what == "00093005801"
        if told.denied or not (has_pharmacy if is_drug else has_medical):
            continue
        if told.what == "193":
            admitted[told.on] = admitted.get(told.on, Decimal()) + told.allowed
            continue
        prices = {"99213": 90 * told.units, "71046": 30, "00093005801": Decimal("0.25") * told.units}
        worth = Decimal(prices.get(told.what, 0))
        services += 1
        unpriced += told.what == "99999"
        allowed += told.allowed or worth
        pharmacy += worth if is_drug else 0
        medical += 0 if is_drug else worth
    for amount in admitted.values():
        services += 1
        medical += 9000
        allowed += amount or 9000
    kept = min(Decimal(1), 125000 / allowed) if allowed else Decimal(1)
    numbers = {
        "medical_months": Decimal(11),
        "pharmacy_months": Decimal(7),
        "price_medical": (medical * kept).quantize(Decimal("0.0001"), ROUND_HALF_UP),
        "price_pharmacy": (pharmacy * kept).quantize(Decimal("0.0001"), ROUND_HALF_UP),
        "services": Decimal(services),
        "unpriced": Decimal(unpriced),
    }
    return {name: f"{number.normalize():f}" for name, number in numbers.items() if number}


@settings(max_examples=200, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_a_naive_reading_finds_the_same_cost_in_any_order(history: tuple[Told, ...], order: Any) -> None:
    kept = [_kept(number, told) for number, told in enumerate(history)]
    order.shuffle(kept)
    profile = member("1980-05-01", "F", *HALF_PHARMACY)
    assert cost(*kept, profile=profile) == _naive(history)


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(day("2024-12-30"), day("2026-01-02")))
def test_nothing_changes_between_the_days_that_are_named(history: tuple[Told, ...], on: int) -> None:
    kept = [_kept(number, told) for number, told in enumerate(history)]
    profile = member("1980-05-01", "F", *HALF_PHARMACY)
    here = evaluate(profile, kept, bound("TCOC", TABLES), PERIOD, on)
    if here.next_day is None or here.next_day > on + 1:
        later = evaluate(profile, kept, bound("TCOC", TABLES), PERIOD, on + 1).outcomes
        strip = {name: [msgspec.structs.replace(one, changes_on=None) for one in some] for name, some in later.items()}
        assert strip == {
            name: [msgspec.structs.replace(one, changes_on=None) for one in some]
            for name, some in here.outcomes.items()
        }
