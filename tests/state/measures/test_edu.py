"""EDU: golden cases of measures.md 10.1, 10.2 and 16.18, with real codes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.facts import KeptClaim
from state.measures.measure_tables import RISK_DIAGNOSIS
from state.measures.outcome import Outcome
from state.measures.utilisation import OBSERVED, OBSERVED_TO_EXPECTED, RISK_STANDARDISED
from state.reference.starter_sets import starter_sets
from tests.measure_builders import covered, day, member, months, year
from tests.state.measures import naive_hospital
from tests.state.measures.hospital_claims import (
    added,
    asked,
    claim,
    ed_facility,
    ed_professional,
    inpatient,
    line,
    observation,
    supplied,
    value,
)

PERIOD = year(2025)
ADULT = member("1980-05-01", "F")
COLUMNS = "row,code,cc,ranking_group,rank,hcc,parts,measure,model,gender,ages,weight"
WEIGHTS = f"""{COLUMNS}
cc,E11.9,19,,,,,,,,,
cc,I50.9,85,,,,,,,,,
cc,N18.4,137,,,,,,,,,
cc,E11.65,18,,,,,,,,,
rank,,18,DIABETES,1,HCC-18,,,,,,
rank,,19,DIABETES,2,HCC-19,,,,,,
rank,,85,HEART,1,HCC-85,,,,,,
comb,,,,,HCC-901,HCC-18 HCC-85,,,,,
comb,,,,,HCC-902,HCC-18 HCC-85 H137,,,,,
weight,,,,,,,EDU,logistic,,,-2
weight,,,,,,,EDU,logistic,F,18-64,0.5
weight,,,,,,,EDU,logistic,M,18-64,0.25
weight,,,,,HCC-19,,EDU,logistic,,,0.75
weight,,,,,HCC-18,,EDU,logistic,,,1
weight,,,,,HCC-901,,EDU,logistic,,,0.125
weight,,,,,HCC-902,,EDU,logistic,,,0.5
weight,,,,,,,EDU,count,,,0.25
weight,,,,,H137,,EDU,count,,,0.125
"""
REFERENCE = "measure,per_member,mean_ratio\nEDU,0.1505,\nAHU,0.0313,1.1\n"
TABLES = supplied(rau_weights=WEIGHTS, reference_rates=REFERENCE)
BOTH = Bound(built_in("capc-2025").only(["EDU", "AHU"]), starter_sets(), TABLES)


def visits(*kept: KeptClaim, period: Any = PERIOD) -> int:
    """How many visits are counted of an adult."""
    return asked("EDU", period, ADULT, *kept)[OBSERVED].numerator


def diagnosed(on: str, *codes: str, visit: str = "99213") -> KeptClaim:
    """A doctor's claim of an outpatient visit with some diagnoses."""
    return claim(
        on, on, line(on, hcpcs=visit, place="11"), institutional=False, principal=codes[0], diagnoses=tuple(codes)
    )


# ---- measures.md 16.18: what engineers get wrong


def test_facility_and_professional_claim_of_one_visit_are_one_visit() -> None:
    assert visits(ed_facility("2025-03-01"), ed_professional("2025-03-01")) == 1


def test_three_claims_on_two_days_are_two_visits() -> None:
    assert visits(ed_facility("2025-03-01"), ed_facility("2025-03-01"), ed_facility("2025-03-02")) == 2


def test_a_visit_that_became_observation_on_the_same_claim_does_not_count() -> None:
    stay = claim("2025-03-01", "2025-03-02", line("2025-03-01", revenue="0450"), line("2025-03-01", revenue="0762"))
    assert visits(stay) == 0


@pytest.mark.parametrize(
    ("admitted", "counted"), [("2025-02-28", 1), ("2025-03-01", 0), ("2025-03-02", 0), ("2025-03-03", 1)]
)
@pytest.mark.parametrize("stay", [inpatient, observation])
def test_a_visit_is_dropped_when_a_stay_begins_on_its_day_or_the_day_after(
    stay: Any, admitted: str, counted: int
) -> None:
    assert visits(ed_professional("2025-03-01"), stay(admitted, "2025-03-06")) == counted


def test_a_visit_on_the_claim_of_a_stay_is_of_the_stay_on_whichever_day() -> None:
    stay = claim("2025-03-01", "2025-03-09", line("2025-03-01", revenue="0120"), line("2025-03-05", revenue="0450"))
    assert visits(stay) == 0


def test_a_visit_of_the_last_day_that_led_to_a_stay_of_the_next_period_does_not_count() -> None:
    assert visits(ed_facility("2025-12-31"), inpatient("2026-01-01", "2026-01-04")) == 0


def test_a_visit_that_ended_in_a_nonacute_stay_does_not_count_either() -> None:
    nursing = claim("2025-03-02", "2025-03-20", line("2025-03-02", revenue="0191"), bill_type="0211")
    assert visits(ed_facility("2025-03-01"), nursing) == 0


# ---- measures.md 10.2


@pytest.mark.parametrize(("on", "counted"), [("2024-12-31", 0), ("2025-01-01", 1), ("2025-12-31", 1)])
def test_a_visit_counts_from_the_first_to_the_last_day_of_the_period(on: str, counted: int) -> None:
    assert visits(ed_facility(on)) == counted


def test_a_visit_counts_in_a_rolling_period_too() -> None:
    rolling = months("2024-07-01", "2025-06-30")
    assert visits(ed_facility("2024-06-30"), ed_facility("2024-07-01"), period=rolling) == 1


@pytest.mark.parametrize(("place", "counted"), [("23", 1), ("11", 0), ("", 0)])
def test_a_procedure_is_a_visit_only_in_an_emergency_room(place: str, counted: int) -> None:
    stitches = claim("2025-03-01", "2025-03-01", line("2025-03-01", hcpcs="12001", place=place))
    assert visits(stitches) == counted


def test_a_denied_line_is_no_visit_and_a_denied_claim_neither() -> None:
    denied_line = claim("2025-03-01", "2025-03-01", line("2025-03-01", revenue="0450", denied=True))
    assert visits(denied_line, ed_facility("2025-04-01", denied=True)) == 0


def test_a_denied_stay_leaves_the_visit_standing() -> None:
    assert visits(ed_facility("2025-03-01"), inpatient("2025-03-01", "2025-03-04", denied=True)) == 1


@pytest.mark.parametrize("who", [ed_facility, ed_professional])
def test_a_visit_is_dropped_when_any_of_its_claims_is_principally_mental(who: Any) -> None:
    other = ed_professional if who is ed_facility else ed_facility
    assert visits(who("2025-03-01", principal="F10129"), other("2025-03-01")) == 0


def test_a_mental_disorder_that_is_not_principal_drops_nothing() -> None:
    assert visits(ed_facility("2025-03-01", diagnoses=("R079", "F411"))) == 1


@pytest.mark.parametrize(("code", "place", "counted"), [("90791", "23", 0), ("90870", "23", 0), ("90834", "11", 1)])
def test_psychiatry_in_the_room_drops_a_visit_and_in_an_office_on_the_day_does_not(
    code: str, place: str, counted: int
) -> None:
    seen = claim("2025-03-01", "2025-03-01", line("2025-03-01", hcpcs=code, place=place), institutional=False)
    assert visits(ed_facility("2025-03-01"), seen) == counted


def test_electroconvulsive_therapy_on_the_claim_of_a_visit_drops_it() -> None:
    both = claim("2025-03-01", "2025-03-01", line("2025-03-01", revenue="0450"), line("2025-03-01", hcpcs="90870"))
    assert visits(both) == 0


# ---- measures.md 10.1: who is looked at


@pytest.mark.parametrize(("birth", "counted"), [("2007-12-31", 1), ("2008-01-01", 0), ("1930-01-01", 1)])
def test_adults_on_the_last_day_are_measured(birth: str, counted: int) -> None:
    assert len(asked("EDU", PERIOD, member(birth)).values()) == 2 * counted


@pytest.mark.parametrize(("back", "measured"), [("2024-02-15", True), ("2024-02-16", False)])
def test_a_gap_of_45_days_in_the_year_before_is_allowed_and_one_of_46_is_not(back: str, measured: bool) -> None:
    profile = member("1980-01-01", "F", covered("2023-01-01", "2023-12-31"), covered(back, "2030-12-31"))
    assert bool(asked("EDU", PERIOD, profile)) == measured


def test_hospice_takes_a_member_out() -> None:
    care = claim("2025-02-01", "2025-02-01", line("2025-02-01", hcpcs="99377"), institutional=False)
    found = asked("EDU", PERIOD, ADULT, care, ed_facility("2025-03-01"))[OBSERVED]
    assert (found.denominator, found.denominator_exclusion, found.numerator) == (1, 1, 0)
    assert added([found]).is_nothing


def test_denied_hospice_care_takes_nobody_out() -> None:
    care = claim("2025-02-01", "2025-02-01", line("2025-02-01", hcpcs="99377"), institutional=False, denied=True)
    assert asked("EDU", PERIOD, ADULT, care)[OBSERVED].denominator_exclusion == 0


def test_without_a_threshold_nobody_is_an_outlier_and_the_rate_says_so() -> None:
    many = [ed_facility(f"2025-{month:02d}-01") for month in range(1, 13)]
    found = asked("EDU", PERIOD, ADULT, *many)[OBSERVED]
    assert found.numerator == 12
    assert value("EDU", OBSERVED, added([found])) == (
        Decimal("12000.00"),
        "observed, not risk adjusted; the edition sets no outlier threshold of EDU",
    )


# ---- rates


def test_without_weights_the_standardised_rate_is_unscored_with_a_reason_and_the_observed_rate_is_named_as_such() -> (
    None
):
    found = asked("EDU", PERIOD, ADULT, ed_facility("2025-03-01"))
    assert set(found) == {RISK_STANDARDISED, OBSERVED}
    worth, note = value("EDU", RISK_STANDARDISED, added([found[RISK_STANDARDISED]]))
    assert worth is None
    assert note == "unscored: no rau_weights of EDU are supplied; observed_per_1000 is what was observed"


def test_with_weights_and_without_a_reference_rate_the_ratio_is_known_and_the_standardised_rate_is_not() -> None:
    tables = supplied(rau_weights=WEIGHTS)
    found = asked("EDU", PERIOD, ADULT, ed_facility("2025-03-01"), tables=tables)
    assert value("EDU", RISK_STANDARDISED, added([found[RISK_STANDARDISED]]), tables) == (
        None,
        "unscored: no reference rate of EDU is supplied; observed 1, expected 0.234239",
    )
    assert value("EDU", OBSERVED_TO_EXPECTED, added([found[OBSERVED_TO_EXPECTED]]), tables)[0] == Decimal("4.2691")


def test_the_standardised_rate_is_observed_over_expected_times_the_reference_per_1000_members() -> None:
    outcomes = [
        asked("EDU", PERIOD, ADULT, ed_facility("2025-03-01"), tables=TABLES)[RISK_STANDARDISED],
        *(asked("EDU", PERIOD, ADULT, tables=TABLES)[RISK_STANDARDISED] for _ in range(3)),
    ]
    # x = -2 + 0.5, y = 0.25: each of the four is expected to come 0.234239 times.
    assert value("EDU", RISK_STANDARDISED, added(outcomes), TABLES) == (
        Decimal("160.63"),
        "observed 1, expected 0.936956, reference 0.1505",
    )


def expected(*kept: KeptClaim, profile: Any = ADULT) -> Decimal:
    """What is expected of a member."""
    return asked("EDU", PERIOD, profile, *kept, tables=TABLES)[RISK_STANDARDISED].sums["expected"]


def of_weights(x: str, y: str = "0.25") -> Decimal:
    """The product of both models."""
    chance = Decimal(x).exp() / (1 + Decimal(x).exp())
    return (chance * Decimal(y).exp()).quantize(Decimal("0.000001"))


def test_only_the_highest_rank_of_a_group_weighs() -> None:
    assert expected(diagnosed("2024-05-01", "E119", "E1165")) == of_weights("-0.5")


def test_a_diagnosis_weighs_from_the_year_before_alone() -> None:
    assert expected(diagnosed("2024-12-31", "E119")) == of_weights("-0.75")
    assert expected(diagnosed("2025-01-01", "E119")) == of_weights("-1.5")
    assert expected(diagnosed("2023-12-31", "E119")) == of_weights("-1.5")


def test_a_diagnosis_of_a_claim_without_a_contact_does_not_weigh() -> None:
    assert expected(diagnosed("2024-05-01", "E119", visit="80053")) == of_weights("-1.5")


def test_a_denied_diagnosis_does_not_weigh() -> None:
    assert expected(msgspec.structs.replace(diagnosed("2024-05-01", "E119"), denied=True)) == of_weights("-1.5")


def test_of_nested_combinations_the_larger_alone_weighs_and_what_no_group_ranks_is_an_hcc_by_itself() -> None:
    assert expected(diagnosed("2024-05-01", "E1165", "I509")) == of_weights("-0.375")
    assert expected(diagnosed("2024-05-01", "E1165", "I509", "N184")) == of_weights("0", "0.375")


def test_gender_and_age_weigh() -> None:
    assert expected(profile=member("1980-01-01", "male")) == of_weights("-1.75")


def test_whom_the_weights_do_not_know_leaves_observed_and_expected_alike() -> None:
    found = asked("EDU", PERIOD, member("1950-01-01"), ed_facility("2025-03-01"), tables=TABLES)
    assert found[OBSERVED].numerator == 1
    sums = added([found[RISK_STANDARDISED]])
    assert (sums.denominator, sums.numerator, sums.more) == (0, 0, {"unweighted": Decimal(1)})
    assert value("EDU", RISK_STANDARDISED, sums, TABLES) == (
        None,
        "1 of an age or gender that the weights do not know left out",
    )


def test_an_outlier_leaves_observed_and_expected_and_is_shown_as_a_rate() -> None:
    parameters = built_in("capc-2025").only(["EDU"])
    with_outliers = msgspec.structs.replace(
        parameters, parameters={"EDU": msgspec.structs.replace(parameters.parameters["EDU"], outlier=2)}
    )
    edition = Bound(with_outliers, starter_sets(), TABLES)

    def of(*kept: KeptClaim) -> dict[str, Outcome]:
        return {one.rate: one for one in evaluate(ADULT, kept, edition, PERIOD, day("2025-12-31")).outcomes["EDU"]}

    two, one = of(ed_facility("2025-03-01"), ed_facility("2025-04-01")), of(ed_facility("2025-03-01"))
    assert added([two[RISK_STANDARDISED]]).is_nothing
    sums = added([two[OBSERVED], one[OBSERVED]])
    measure = edition.edition.measures()[0]
    assert measure.value(sums, OBSERVED, edition.edition.parameters["EDU"]) == (
        Decimal("1000.00"),
        "observed, not risk adjusted; 1 outliers left out, 500.00 per 1,000 members",
    )


def test_an_edition_cannot_write_the_tables_itself() -> None:
    parameters = msgspec.to_builtins(
        {"youngest": 18, "oldest": 99, "eligibility": {"by": "enrollment"}, "statuses": {}, "tables": {}}
    )
    with pytest.raises(msgspec.ValidationError, match="MeasureTables"):
        msgspec.convert(parameters, built_in("capc-2025").measures()[0].parameters)


def test_diagnoses_are_looked_for_only_where_weights_are_supplied() -> None:
    assert "risk_contact" not in Bound(built_in("capc-2025").only(["EDU"]), starter_sets()).readers
    with_weights = Bound(built_in("capc-2025").only(["EDU"]), starter_sets(), TABLES)
    assert with_weights.readers["risk_contact"] == {"EDU"}
    assert with_weights.roles_of[("ICD10CM", "E119")] == (RISK_DIAGNOSIS,)
    assert with_weights.roles_of[("ICD10CM", "M545")] == ()


# ---- the second reading


@settings(max_examples=300, deadline=None)
@given(naive_hospital.members(), st.randoms(use_true_random=False))
def test_a_naive_reading_counts_the_same_visits_in_any_order(case: naive_hospital.Case, order: Any) -> None:
    shuffled = list(case.claims)
    order.shuffle(shuffled)
    found = asked("EDU", PERIOD, ADULT, *shuffled, tables=TABLES)
    assert found[OBSERVED].numerator == naive_hospital.ed_visits(case, PERIOD)
    assert found == asked("EDU", PERIOD, ADULT, *case.claims, tables=TABLES)


@settings(max_examples=60, deadline=None)
@given(naive_hospital.members(), st.integers(day("2024-12-28"), day("2026-01-03")))
def test_nothing_changes_between_the_days_that_are_named(case: naive_hospital.Case, on: int) -> None:
    here = evaluate(ADULT, case.claims, BOTH, PERIOD, on)
    if here.next_day is None or here.next_day > on + 1:
        assert evaluate(ADULT, case.claims, BOTH, PERIOD, on + 1).outcomes == here.outcomes
