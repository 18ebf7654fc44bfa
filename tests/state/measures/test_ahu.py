"""AHU: golden cases of measures.md 10.1, 10.3 and 16.19, with real codes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.measures.facts import KeptClaim
from state.measures.utilisation import OBSERVED, RISK_STANDARDISED
from tests import measure_builders as builders
from tests.measure_builders import member, year
from tests.state.measures import naive_hospital
from tests.state.measures.hospital_claims import (
    added,
    asked,
    claim,
    inpatient,
    line,
    observation,
    supplied,
    value,
)

PERIOD = year(2025)
ADULT = member("1980-05-01", "F")
COLUMNS = "row,code,cc,ranking_group,rank,hcc,parts,measure,model,gender,ages,weight"
TABLES = supplied(
    rau_weights=f"{COLUMNS}\nweight,,,,,,,AHU,logistic,,,-3\nweight,,,,,,,AHU,count,,,0.25\n",
    reference_rates="measure,per_member,mean_ratio\nAHU,0.0313,1.25\n",
)


def discharges(*kept: KeptClaim, profile: Any = ADULT) -> int:
    """How many discharges are counted of an adult who is no outlier."""
    return asked("AHU", PERIOD, profile, *kept)[OBSERVED].numerator


# ---- measures.md 16.19: what engineers get wrong


@pytest.mark.parametrize(
    ("admitted", "discharged", "counted"),
    [
        ("2024-12-30", "2025-01-01", 1),
        ("2024-12-30", "2024-12-31", 0),
        ("2025-12-30", "2025-12-31", 1),
        ("2025-12-30", "2026-01-01", 0),
    ],
)
def test_a_stay_counts_by_the_day_of_discharge(admitted: str, discharged: str, counted: int) -> None:
    assert discharges(inpatient(admitted, discharged)) == counted


@pytest.mark.parametrize(("second", "counted"), [("2025-03-05", 1), ("2025-03-06", 1), ("2025-03-07", 2)])
def test_a_transfer_within_a_day_is_one_stay_and_after_two_days_it_is_another(second: str, counted: int) -> None:
    assert discharges(inpatient("2025-03-01", "2025-03-05"), inpatient(second, "2025-03-12")) == counted


def test_a_chain_of_transfers_counts_on_its_last_discharge() -> None:
    chain = (inpatient("2025-12-20", "2025-12-28"), inpatient("2025-12-29", "2026-01-02"))
    assert discharges(*chain) == 0


def test_a_short_claim_inside_a_long_stay_does_not_end_it() -> None:
    long, inside, after = (
        inpatient("2025-03-01", "2025-03-10"),
        inpatient("2025-03-02", "2025-03-03"),
        inpatient("2025-03-09", "2025-03-12"),
    )
    assert discharges(long, inside, after) == 1


@pytest.mark.parametrize("admitted", ["2025-03-01", "2025-03-02", "2025-03-03"])
def test_observation_that_led_to_admission_counts_once(admitted: str) -> None:
    assert discharges(observation("2025-03-01", "2025-03-02"), inpatient(admitted, "2025-03-06")) == 1


def test_observation_and_inpatient_care_on_one_claim_count_once() -> None:
    both = claim("2025-03-01", "2025-03-04", line("2025-03-01", revenue="0762"), line("2025-03-02", revenue="0120"))
    assert discharges(both) == 1


def test_an_observation_stay_by_itself_counts() -> None:
    assert discharges(observation("2025-03-01", "2025-03-02")) == 1


@pytest.mark.parametrize(
    "nonacute",
    [
        {"bill_type": "0181"},  # swing bed
        {"bill_type": "0211"},  # skilled nursing
        {"lines": (line("2025-03-01", revenue="0128"),)},  # rehabilitation
        {"lines": (line("2025-03-01", revenue="0120"), line("2025-03-01", revenue="0024"))},
    ],
)
def test_swing_beds_nursing_and_rehabilitation_do_not_count(nonacute: dict[str, Any]) -> None:
    assert discharges(msgspec.structs.replace(inpatient("2025-03-01", "2025-03-09"), **nonacute)) == 0


def test_an_acute_stay_that_goes_on_in_nursing_counts_by_its_own_discharge() -> None:
    nursing = inpatient("2025-12-31", "2026-02-01", bill_type="0211")
    assert discharges(inpatient("2025-12-28", "2025-12-31"), nursing) == 1


def test_an_outlier_takes_its_events_and_what_was_expected_along() -> None:
    stays = [inpatient(f"2025-{month:02d}-01", f"2025-{month:02d}-03") for month in (1, 3, 5)]
    three = asked("AHU", PERIOD, ADULT, *stays, tables=TABLES)
    assert added([three[RISK_STANDARDISED]]).is_nothing
    assert added([three[OBSERVED]]).more == {"outliers": Decimal(1)}
    assert (three[OBSERVED].denominator_exclusion, three[OBSERVED].numerator) == (1, 0)
    two = asked("AHU", PERIOD, ADULT, *stays[:2], tables=TABLES)
    assert added([two[RISK_STANDARDISED]]).numerator == 2
    worth, note = value("AHU", OBSERVED, added([three[OBSERVED], two[OBSERVED]]), TABLES)
    assert worth == Decimal("2000.00")
    assert "1 outliers left out, 500.00 per 1,000 members" in note


def test_the_third_discharge_that_is_voided_brings_the_other_two_back() -> None:
    stays = [inpatient(f"2025-{month:02d}-01", f"2025-{month:02d}-03") for month in (1, 3, 5)]
    assert [discharges(*stays), discharges(*stays[:2]), discharges(*stays[:1])] == [0, 2, 1]


def test_stays_that_do_not_count_make_no_outlier() -> None:
    stays = [inpatient("2025-01-01", "2025-01-03"), inpatient("2025-03-01", "2025-03-03")]
    assert discharges(*stays, inpatient("2025-05-01", "2025-05-03", principal="F329")) == 2


# ---- measures.md 10.3


@pytest.mark.parametrize("principal", ["F329", "Z380", "O80", "Z5111", "Z510", "Z4901"])
def test_the_principal_diagnosis_drops_what_is_mental_a_birth_or_planned(principal: str) -> None:
    assert discharges(inpatient("2025-03-01", "2025-03-05", principal=principal)) == 0


def test_a_diagnosis_that_is_not_principal_drops_nothing() -> None:
    assert discharges(inpatient("2025-03-01", "2025-03-05", diagnoses=("J189", "F329", "Z5111"))) == 1


def test_a_birth_ward_drops_a_stay() -> None:
    birth = claim("2025-03-01", "2025-03-03", line("2025-03-01", revenue="0122"), principal="K359")
    assert discharges(birth) == 0


def test_any_claim_of_a_chain_can_drop_it() -> None:
    assert (
        discharges(inpatient("2025-03-01", "2025-03-05"), inpatient("2025-03-05", "2025-03-09", principal="F200")) == 0
    )


def test_a_transplant_drops_a_stay_whoever_billed_it() -> None:
    surgeon = claim("2025-03-02", "2025-03-02", line("2025-03-02", hcpcs="47135", place="21"), institutional=False)
    stay = inpatient("2025-03-01", "2025-03-15")
    assert (discharges(stay), discharges(stay, surgeon)) == (1, 0)
    assert discharges(msgspec.structs.replace(stay, procedures=("02YA0Z0",))) == 0


def test_a_transplant_on_the_claim_of_a_stay_drops_it_on_whichever_day_it_is_billed() -> None:
    early = (line("2025-03-01", revenue="0120"), line("2025-02-27", hcpcs="47135"))
    assert discharges(claim("2025-03-01", "2025-03-15", *early, principal="K7460")) == 0


@pytest.mark.parametrize(("principal", "counted"), [("acute_condition", 1), ("other", 0)])
def test_a_procedure_that_may_be_planned_drops_a_stay_unless_something_acute_stands_first(
    principal: str, counted: int
) -> None:
    stay = builders.claim(
        builders.line("inpatient_stay", "2025-03-01"),
        builders.line("potentially_planned_procedure", "2025-03-02"),
        diagnoses=(principal,),
    )
    assert builders.outcomes("capc-2025", "AHU", PERIOD, ADULT, stay)[OBSERVED].numerator == counted


def test_without_the_sets_of_planned_procedures_the_observed_rate_says_so() -> None:
    found = asked("AHU", PERIOD, ADULT, inpatient("2025-03-01", "2025-03-05"))
    assert value("AHU", OBSERVED, added([found[OBSERVED]])) == (
        Decimal("1000.00"),
        "observed, not risk adjusted; without the value sets for acute_condition, potentially_planned_procedure",
    )


def test_death_in_the_stay_drops_it_and_death_after_it_does_not() -> None:
    assert discharges(inpatient("2025-03-01", "2025-03-05", disposition="20")) == 0
    assert discharges(inpatient("2025-03-01", "2025-03-05"), profile=member("1980-01-01", death="2025-03-05")) == 0
    assert discharges(inpatient("2025-03-01", "2025-03-05"), profile=member("1980-01-01", death="2025-03-06")) == 1


def test_parts_of_one_bill_are_one_stay_and_no_discharge_before_the_last() -> None:
    first = inpatient("2025-03-01", "2025-03-31", bill_type="0112", disposition="30", discharged=False)
    last = inpatient("2025-03-01", "2025-04-12", bill_type="0114")
    assert (discharges(first), discharges(first, last)) == (0, 1)


def test_a_stay_that_was_transferred_to_where_the_patient_still_is_has_no_discharge() -> None:
    assert (
        discharges(inpatient("2025-03-01", "2025-03-05"), inpatient("2025-03-05", "2025-03-31", disposition="30")) == 0
    )


def test_a_denied_stay_and_a_denied_room_do_not_count() -> None:
    room = claim("2025-05-01", "2025-05-03", line("2025-05-01", revenue="0120", denied=True))
    assert discharges(inpatient("2025-03-01", "2025-03-05", denied=True), room) == 0


def test_a_doctors_claim_is_no_stay() -> None:
    rounds = claim("2025-03-02", "2025-03-02", line("2025-03-02", hcpcs="99232", place="21"), institutional=False)
    assert discharges(rounds) == 0


def test_the_standardised_rate_is_calibrated_by_the_mean_ratio() -> None:
    outcomes = [asked("AHU", PERIOD, ADULT, inpatient("2025-03-01", "2025-03-05"), tables=TABLES)[RISK_STANDARDISED]]
    outcomes += [asked("AHU", PERIOD, ADULT, tables=TABLES)[RISK_STANDARDISED] for _ in range(19)]
    each = (Decimal("0.25").exp() / (1 + Decimal(3).exp())).quantize(Decimal("0.000001"))
    right = (1000 / (20 * each) / Decimal("1.25") * Decimal("0.0313")).quantize(Decimal("0.01"))
    assert value("AHU", RISK_STANDARDISED, added(outcomes), TABLES)[0] == right == Decimal("20.56")


# ---- the second reading


@settings(max_examples=300, deadline=None)
@given(naive_hospital.members(naive_hospital.STAYS), st.randoms(use_true_random=False))
def test_a_naive_reading_counts_the_same_discharges_in_any_order(case: naive_hospital.Case, order: Any) -> None:
    shuffled = list(case.claims)
    order.shuffle(shuffled)
    found = asked("AHU", PERIOD, ADULT, *shuffled)
    counted = naive_hospital.discharges(case, PERIOD)
    assert (found[OBSERVED].numerator, found[OBSERVED].denominator_exclusion) == (
        (0, 1) if counted >= 3 else (counted, 0)
    )
    assert found == asked("AHU", PERIOD, ADULT, *case.claims)
