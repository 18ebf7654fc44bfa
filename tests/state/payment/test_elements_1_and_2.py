"""Capitation, population health, age, gender and HPI, and who is paid for a line. Source: payment.md 4.1 and 4.2."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from schemas.records import ServiceCount
from state.payment import hpi
from state.payment.age_gender import Band, Factors, MissingBand, Person, age_on, normaliser
from state.payment.element1 import capitation, classed, services, turnaround
from state.payment.element2 import Risk, months_paid, population_health
from state.payment.hpi import NO_SCORE, WEIGHED_ALIKE, Location, adjustment, decile_of, of_practice
from state.payment.service_classes import BadCodes, compiled, span_of
from state.payment.statements import month_lines, month_statement
from tests.money_cases import contract, d, person, statable, terms

JULY = dt.date(2025, 7, 1)
BY_DECILE = terms().program.hpi_adjustments
FACTORS = Factors(
    (
        Band("F", 35, 44, d("1.05")),
        Band("M", 35, 44, d("0.78")),
        Band("F", 55, 64, d("1.42")),
        Band("M", 55, 64, d("1.10")),
        Band("M", 0, 17, d("0.92")),
    )
)
PANEL = [
    *(person(f"f{n}", 40, "F") for n in range(400)),
    *(person(f"m{n}", 40, "M") for n in range(350)),
    *(person(f"o{n}", 60, "F") for n in range(300)),
    *(person(f"c{n}", 10, "M") for n in range(150)),
]
"""The 1,200 members of payment.md 4.2."""
TRACK_B = {
    "track": "B",
    "capitation_pmpm": "20.00",
    "phm_pmpm": "4.00",
    "capitated_places_of_service": ["11", "02"],
    "service_classes": [
        {"name": "Well visits", "codes": ["99381-99387", "99391-99397"], "column": "fee_for_service"},
        {"name": "E&M 992xx", "codes": ["99202-99299"], "column": "capitated"},
        {"name": "Immunizations", "codes": ["90281-90756", "G0008-G0010"], "column": "fee_for_service"},
        {"name": "Other E&M", "codes": ["99300-99499"], "column": "capitated"},
    ],
}
B = terms(**TRACK_B)


def at(decile: int | None, factors: Factors | None = FACTORS) -> Risk:
    percentile = None if decile is None else d(decile * 10 - 5)
    return Risk(factors=factors, hpi=adjustment(percentile, BY_DECILE))


def phm(risk: Risk, **changes: object) -> Decimal:
    line = population_health(contract(phm_pmpm="4.00", **changes), JULY, PANEL, risk)
    assert line is not None
    return line.amount


def visit(code: str = "99213", **more: object) -> ServiceCount:
    """A visit at the practice of the contract, of a member on its panel as frozen and by now."""
    plain: dict[str, object] = {
        "payer": "acme",
        "practice_id": "A",
        "code": code,
        "place_of_service": "11",
        "frozen_product": "PPO",
        "product": "PPO",
        "lines": 1,
        "allowed": d("120.00"),
        "paid": d("100.00"),
    }
    return ServiceCount(**(plain | more))  # type: ignore[arg-type]


GONE = {"product": None}
COME = {"frozen_product": None}


def test_the_month_of_the_specification_without_adjustment_and_at_deciles_7_3_and_1() -> None:
    assert phm(Risk()) == d("4800.00")
    assert phm(at(7)) == d("5028.00")
    assert phm(at(3)) == d("5178.84")
    assert phm(at(1)) == d("5279.40")


def test_the_line_of_a_month_can_be_followed_by_hand() -> None:
    line = population_health(contract(phm_pmpm="4.00"), JULY, PANEL, at(3))
    assert line is not None
    assert line.formula == "4.00 x 1,200 members x 1.0475 x 1.03 = 5,178.84"
    assert [(factor.name, factor.value) for factor in line.factors] == [
        ("average age and gender factor", d("1.0475")),
        ("HPI, decile 3", d("1.03")),
    ]


def test_additive_factors_are_another_amount_and_stated_in_the_contract() -> None:
    assert phm(at(3), policies={"factor_order": "additive"}) == d("5172.00")  # 4 x 1,200 x (1.0475 + 0.03)


def test_the_adjustment_of_element_2_can_be_switched_off() -> None:
    assert phm(at(1), policies={"adjust_element_2": False}) == d("4800.00")


def test_factors_are_relative_to_the_population_that_averages_1() -> None:
    average = normaliser(PANEL, JULY, FACTORS)
    assert average == Decimal("1.0475")
    assert phm(Risk(factors=FACTORS, normaliser=d("1.0475"), population="the plan's PPO")) == d("4800.00")


def test_age_is_of_the_first_day_of_the_payment_month() -> None:
    assert age_on(dt.date(1981, 7, 1), JULY) == 44
    assert age_on(dt.date(1981, 7, 2), JULY) == 43
    assert age_on(dt.date(2004, 2, 29), dt.date(2025, 2, 28)) == 20
    assert age_on(dt.date(2004, 2, 29), dt.date(2025, 3, 1)) == 21
    assert age_on(dt.date(2025, 7, 2), JULY) == 0


def test_an_unknown_gender_has_the_average_of_its_age() -> None:
    assert FACTORS.of("U", 40) == (Decimal("1.05") + Decimal("0.78")) / 2
    assert FACTORS.of("female", 40) == FACTORS.of("F", 40)


def test_an_age_without_a_band_pays_nobody_rather_than_somebody_wrongly() -> None:
    with pytest.raises(MissingBand, match="no band for F at 10: complete the table"):
        population_health(contract(phm_pmpm="4.00"), JULY, [*PANEL, person("x", 10, "F")], at(3))


def test_gaps_of_a_table_are_named() -> None:
    assert FACTORS.missing() == ("F0-34", "F45-54", "F65+", "M18-34", "M45-54", "M65+")


@pytest.mark.parametrize(
    ("percentile", "decile"),
    [("0", 1), ("9.99", 1), ("10", 2), ("49.9", 5), ("50", 6), ("89.99", 9), ("90", 10), ("99", 10), ("100", 10)],
)
def test_a_percentile_gives_its_decile(percentile: str, decile: int) -> None:
    assert decile_of(d(percentile)) == decile


def test_low_hpi_is_raised_and_the_upper_half_is_not() -> None:
    assert [BY_DECILE[decile] for decile in range(1, 11)] == [5, 4, 3, 2, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("percentile", ["-0.01", "100.01"])
def test_a_percentile_outside_0_to_100_is_refused(percentile: str) -> None:
    with pytest.raises(ValueError, match="does not lie in 0 to 100"):
        decile_of(d(percentile))


def test_a_tract_without_a_score_adds_nothing_and_says_so() -> None:
    assert adjustment(None, BY_DECILE) == hpi.Adjustment(pct=d(0), decile=None, flags=(NO_SCORE,))
    line = population_health(contract(phm_pmpm="4.00"), JULY, PANEL, at(None))
    assert line is not None
    assert (line.amount, line.reason) == (d("5028.00"), NO_SCORE)


SITES = [
    Location(site_id="S1", percentile=d(5), members=300),
    Location(site_id="S2", percentile=d(85), members=100, main=True),
]


def test_of_several_sites_the_main_one_decides() -> None:
    assert of_practice(SITES, BY_DECILE, panel_weighted=False).pct == 0


def test_or_the_panel_weighs_the_sites_in_steps_of_a_hundredth() -> None:
    assert of_practice(SITES, BY_DECILE, panel_weighted=True).pct == d("3.75")
    uneven = [Location(site_id="S1", percentile=d(5), members=1), Location(site_id="S2", percentile=d(85), members=2)]
    assert of_practice(uneven, BY_DECILE, panel_weighted=True).pct == d("1.67")


def test_without_a_site_or_a_member_there_is_no_score() -> None:
    assert of_practice([], BY_DECILE, panel_weighted=False).flags == (NO_SCORE,)
    empty = [Location(site_id="S1", percentile=d(5), members=0)]
    assert of_practice(empty, BY_DECILE, panel_weighted=True).flags == (NO_SCORE,)


def test_sites_whose_members_are_not_known_weigh_the_same_and_the_line_says_so() -> None:
    unknown = [Location(site_id=f"S{n}", percentile=d(percentile)) for n, percentile in enumerate((5, 15, 85))]
    found = of_practice(unknown, BY_DECILE, panel_weighted=True)
    assert (found.pct, found.flags) == (d("3.00"), (WEIGHED_ALIKE,))
    assert of_practice(unknown[:1], BY_DECILE, panel_weighted=True).flags == ()


def test_a_quarter_is_paid_at_its_start_for_its_three_months() -> None:
    quarterly = contract(phm_frequency="quarterly")
    assert months_paid(quarterly, JULY) == (JULY, dt.date(2025, 8, 1), dt.date(2025, 9, 1))
    assert months_paid(quarterly, dt.date(2025, 8, 1)) == ()
    assert months_paid(contract(), dt.date(2025, 8, 1)) == (dt.date(2025, 8, 1),)


def test_a_quarterly_statement_has_one_line_a_month() -> None:
    of = terms(phm_pmpm="4.00", phm_frequency="quarterly")
    panels = {dt.date(2025, month, 1): PANEL[: 100 * month] for month in (7, 8, 9)}
    lines = month_lines(of, JULY, panels, Risk())
    assert [(line.item, line.amount) for line in lines] == [
        ("2025-07", d("2800.00")),
        ("2025-08", d("3200.00")),
        ("2025-09", d("3600.00")),
    ]
    statement = month_statement(statable("2025-07-panel"), of, JULY, lines)
    assert (statement.total, statement.covers_from, statement.covers_to) == (d("9600.00"), JULY, dt.date(2025, 9, 30))


def test_capitation_and_population_health_stand_beside_each_other() -> None:
    lines = month_lines(B, JULY, {JULY: PANEL}, at(3))
    assert [(line.element, line.kind, line.amount) for line in lines] == [
        ("1", "capitation", d("25894.20")),
        ("2", "population_health", d("5178.84")),
    ]


def test_track_a_has_no_capitation_and_shows_its_services_for_information() -> None:
    of = terms(phm_pmpm="4.00")
    lines = services(JULY, [visit(), visit("G0439")], of.contract, of.classes)
    assert capitation(of.contract, JULY, PANEL, Risk()) is None
    assert [(line.kind, line.amount, line.information) for line in lines] == [("fee_for_service", 0, d("240.00"))]
    assert lines[0].label == "All other services, paid fee for service by the plan"


@pytest.mark.parametrize(
    ("service", "why", "name"),
    [
        (visit(), "capitated", "E&M 992xx"),
        (visit("99202"), "capitated", "E&M 992xx"),
        (visit("99201"), "class", "All other services"),
        (visit("99395"), "class", "Well visits"),
        (visit("99387"), "class", "Well visits"),
        (visit("99388"), "capitated", "Other E&M"),
        (visit("99490"), "capitated", "Other E&M"),
        (visit("99499"), "capitated", "Other E&M"),
        (visit("99500"), "class", "All other services"),
        (visit("90688"), "class", "Immunizations"),
        (visit("G0009"), "class", "Immunizations"),
        (visit("36415"), "class", "All other services"),
        (visit(""), "class", "All other services"),
        (visit("99281", place_of_service="23"), "class", "E&M 992xx"),
        (visit("99285", place_of_service="23"), "class", "E&M 992xx"),
        (visit("99223", place_of_service="21"), "class", "E&M 992xx"),
        (visit("99291", place_of_service="21"), "class", "E&M 992xx"),
        (visit("99213", place_of_service=""), "class", "E&M 992xx"),
        (visit("99213", place_of_service="02"), "capitated", "E&M 992xx"),
        (visit("99308", place_of_service="31"), "class", "Other E&M"),
        (visit(**GONE), "not_on_panel", "E&M 992xx"),
        (visit(practice_id="B"), "other_practice", "E&M 992xx"),
        (visit(payer="other"), "other_practice", "E&M 992xx"),
    ],
)
def test_a_line_is_capitated_only_by_class_place_panel_and_practice(service: ServiceCount, why: str, name: str) -> None:
    found = classed(service, B.contract, B.classes)
    assert (found.why, found.service_class) == (why, name)
    amount = d("120.00")
    assert (found.capitated, found.fee_for_service) == ((amount, 0) if why == "capitated" else (0, amount))


def test_a_member_of_a_plan_that_the_contract_does_not_pay_for_is_on_no_paid_panel() -> None:
    hmo = contract(**TRACK_B, products=["HMO"])
    assert classed(visit(), hmo, B.classes).why == "not_on_panel"
    assert classed(visit(product="HMO"), hmo, B.classes).why == "capitated"


def test_the_first_class_that_holds_a_code_decides_and_may_ask_for_a_place() -> None:
    home_first = contract(
        **TRACK_B
        | {
            "service_classes": [
                {"name": "At home", "codes": ["99202-99499"], "column": "fee_for_service", "places_of_service": ["12"]},
                {"name": "Rest", "codes": ["99202-99499"], "column": "capitated"},
            ]
        }
    )
    classes = compiled(home_first)
    assert classes.name_of("99213", "12") == ("At home", False)
    assert classes.name_of("99213", "11") == ("Rest", True)


@pytest.mark.parametrize(
    ("word", "inside", "outside"),
    [
        ("99202-99215", "99213", "99216"),
        ("J0000-J9999", "J0696", "Q0091"),
        ("0001T-9999T", "0446T", "0001A"),
        ("G0008", "G0008", "G0009"),
    ],
)
def test_codes_are_read_with_their_letters(word: str, inside: str, outside: str) -> None:
    span = span_of(word)
    assert span.holds(inside)
    assert not span.holds(outside)


@pytest.mark.parametrize("word", ["992xx", "99215-99202", "J0000-Q9999", "9921", "", "99202-", "99202-99215-99216"])
def test_what_is_no_code_is_refused(word: str) -> None:
    with pytest.raises(BadCodes):
        span_of(word)


def test_a_member_taken_off_the_panel_turns_capitated_lines_back_to_fee_for_service() -> None:
    lines = [visit(**GONE, lines=2), visit("99395", **GONE), visit()]
    line = turnaround(JULY, lines, B.contract, B.classes)
    assert line is not None
    assert (line.item, line.amount) == ("2025-07", d("120.00"))
    assert line.formula == "2 lines: 120.00 fee for service"


def test_a_member_put_on_the_panel_does_the_reverse() -> None:
    line = turnaround(JULY, [visit(**COME)], B.contract, B.classes)
    assert line is not None
    assert line.amount == d("-120.00")


def test_a_panel_that_has_not_changed_turns_nothing() -> None:
    assert turnaround(JULY, [visit(), visit(practice_id="B", **GONE)], B.contract, B.classes) is None


def test_amounts_of_services_are_told_by_class_both_what_is_capitated_and_what_is_not() -> None:
    counts = [visit(), visit("99214", lines=3, allowed=d("30.50")), visit("99395"), visit(**GONE)]
    lines = services(JULY, counts, B.contract, B.classes)
    assert [(line.item, line.kind, line.label.partition(",")[0], line.information) for line in lines] == [
        ("2025-07", "fee_for_service", "E&M 992xx", d("120.00")),
        ("2025-07", "fee_for_service", "Well visits", d("120.00")),
        ("2025-07", "capitated_services", "E&M 992xx", d("150.50")),
    ]
    assert lines[2].formula == "4 lines, allowed 150.50, paid by the plan 200.00"
    assert {line.amount for line in lines} == {d("0.00")}


def test_a_class_that_has_no_line_any_more_is_told_with_nothing() -> None:
    before = services(JULY, [visit(), visit("99395")], B.contract, B.classes)
    now = services(JULY, [visit("99395")], B.contract, B.classes, before)
    assert [(line.kind, line.information) for line in now] == [
        ("fee_for_service", d("120.00")),
        ("capitated_services", d("0.00")),
    ]
    assert services(JULY, [visit("99395")], B.contract, B.classes, now) == now


def test_a_member_month_is_whole_whenever_the_member_joined() -> None:
    one = [Person("x", dt.date(1985, 1, 1), "F")]
    line = capitation(B.contract, JULY, one, Risk())
    assert line is not None
    assert line.amount == d("20.00")
