"""Hospice, palliative care, frailty and death: what takes a member out, and what just does not. Seen through COL."""

from __future__ import annotations

import pytest

from state.measures.facts import Kept
from tests.measure_builders import (
    claim,
    condition,
    diagnosed,
    dispensing,
    encounter,
    line,
    medication,
    member,
    observation,
    order,
    outcomes,
    populations,
    procedure,
    service,
    year,
)

VISIT = encounter("qualifying_visit", "2025-06-01")
IN, OUT = (1, 1, 0, 0), (1, 1, 1, 0)


def _program(*kept: Kept, birth: str = "1955-06-01", **profile: str) -> tuple[int, int, int, int]:
    return populations(outcomes("capc-2025", "COL", year(2025), member(birth, **profile), *kept), "screened")


def _ecqm(*kept: Kept, edition: str = "cms-2025", birth: str = "1955-06-01") -> tuple[int, int, int, int]:
    return populations(outcomes(edition, "COL", year(2025), member(birth), VISIT, *kept), "screened")


def test_hospice_care_with_a_day_in_the_period_excludes() -> None:
    assert _program(service("hospice_encounter", "2025-01-01")) == OUT
    assert _program(service("hospice_intervention", "2025-12-31")) == OUT
    assert _program(service("hospice_encounter", "2024-12-31")) == IN
    assert _program(claim(line("hospice_encounter", "2024-12-20", "2025-01-01"))) == OUT


def test_care_of_which_only_the_end_is_stated_must_end_in_the_period() -> None:
    for until, expected in (("2024-12-31", IN), ("2025-01-01", OUT), ("2025-12-31", OUT), ("2026-01-01", IN)):
        assert _program(procedure("hospice_intervention", "1900-01-01", until)) == expected


def test_death_in_the_period_excludes_in_the_program_and_not_in_the_ecqm() -> None:
    assert _program(death="2025-01-01") == OUT
    assert _program(death="2025-12-31") == OUT
    assert _program(death="2024-12-31") == IN
    assert (
        populations(
            outcomes("cms-2025", "COL", year(2025), member("1955-06-01", death="2025-05-05"), VISIT), "screened"
        )
        == IN
    )


def test_a_discharge_of_the_dead_is_a_death_on_the_last_day_of_the_stay() -> None:
    stay = claim(on="2025-01-01", institutional=True, disposition="discharged_dead")
    assert _program(stay) == OUT
    assert _program(claim(on="2024-12-31", disposition="discharged_dead")) == IN


def test_palliative_care_excludes_by_diagnosis_or_service_but_not_by_a_laboratory_claim() -> None:
    assert _program(diagnosed("palliative_diagnosis", "2025-03-01")) == OUT
    assert _program(service("palliative_encounter", "2025-03-01")) == OUT
    assert _program(diagnosed("palliative_diagnosis", "2025-03-01", places=("laboratory_place",))) == IN
    assert _program(diagnosed("palliative_diagnosis", "2025-03-01", places=("11", "laboratory_place"))) == OUT


FRAIL = (service("frailty_device", "2025-02-01"), diagnosed("frailty_diagnosis", "2025-03-01"))
ILL = (diagnosed("advanced_illness", "2024-01-01"), diagnosed("advanced_illness", "2025-12-31"))


def test_the_program_asks_for_frailty_on_two_days_and_illness_on_two_days() -> None:
    assert _program(*FRAIL, *ILL) == OUT
    assert _program(FRAIL[0], *ILL) == IN
    assert _program(*FRAIL, ILL[0]) == IN
    same_day = (service("frailty_device", "2025-02-01"), diagnosed("frailty_diagnosis", "2025-02-01"))
    assert _program(*same_day, *ILL) == IN
    assert _program(*FRAIL, ILL[0], diagnosed("advanced_illness", "2024-01-01")) == IN


def test_advanced_illness_counts_from_the_first_day_of_the_year_before() -> None:
    assert _program(*FRAIL, diagnosed("advanced_illness", "2023-12-31"), ILL[1]) == IN


def test_a_dementia_drug_dispensed_in_the_two_years_stands_for_advanced_illness() -> None:
    assert _program(*FRAIL, dispensing("dementia_medication", "2024-01-01")) == OUT
    assert _program(*FRAIL, dispensing("dementia_medication", "2023-12-31", days_supply=90)) == IN
    assert _program(*FRAIL, dispensing("dementia_medication", "2024-01-01", denied=True)) == IN


def test_members_of_65_are_not_excluded_and_those_of_66_are() -> None:
    assert _program(*FRAIL, *ILL, birth="1960-01-01") == IN
    assert _program(*FRAIL, *ILL, birth="1959-12-31") == OUT


def test_frailty_before_the_period_does_not_count() -> None:
    before = (service("frailty_device", "2024-12-31"), diagnosed("frailty_diagnosis", "2024-12-30"))
    assert _program(*before, *ILL) == IN


def test_the_ecqm_asks_for_one_of_each() -> None:
    device = order("device", "frailty_device", "2025-01-01")
    assert _ecqm(device, condition("advanced_illness", "2024-01-01")) == OUT
    assert _ecqm(device, condition("advanced_illness", "2023-12-31")) == IN
    assert _ecqm(device) == IN


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"status": "completed"}, True),
        ({"status": "draft"}, False),
        ({"status": ""}, False),
        ({"intent": "plan"}, False),
        ({"not_done": True}, False),
    ],
)
def test_a_device_counts_when_it_is_really_ordered(changes: dict[str, object], counts: bool) -> None:
    device = order("device", "frailty_device", "2025-01-01", **changes)
    assert _ecqm(device, condition("advanced_illness", "2025-01-01")) == (OUT if counts else IN)


def test_an_order_that_was_made_original_counts_in_2026_and_not_in_2025() -> None:
    device = order("device", "frailty_device", "2025-01-01", intent="original-order")
    ill = condition("advanced_illness", "2025-01-01")
    assert _ecqm(device, ill) == IN
    assert _ecqm(device, ill, edition="cms-2026") == OUT


def test_equipment_used_is_frailty_when_its_value_is_a_frailty_device() -> None:
    ill = condition("advanced_illness", "2025-01-01")
    used = observation("equipment_used", "2025-01-01", category="survey", says="frailty_device")
    assert _ecqm(used, ill) == OUT
    assert _ecqm(observation("equipment_used", "2025-01-01", category="survey", says="other"), ill) == IN
    assert (
        _ecqm(observation("equipment_used", "2024-12-31", "2025-01-01", category="survey", says="frailty_device"), ill)
        == OUT
    )
    assert (
        _ecqm(observation("equipment_used", "2025-12-31", "2026-01-01", category="survey", says="frailty_device"), ill)
        == IN
    )


def test_a_condition_that_is_over_since_nobody_knows_when_counts_only_if_it_began_in_the_period() -> None:
    ill = condition("advanced_illness", "2025-01-01")
    assert _ecqm(condition("frailty_diagnosis", "2020-01-01", status="active"), ill) == OUT
    assert _ecqm(condition("frailty_diagnosis", "2020-01-01", status="resolved"), ill) == IN
    assert _ecqm(condition("frailty_diagnosis", "2025-01-01", status="resolved"), ill) == OUT
    assert _ecqm(condition("frailty_diagnosis", "2020-01-01", "2025-01-01", status="resolved"), ill) == OUT
    assert _ecqm(condition("frailty_diagnosis", "2020-01-01", "2024-12-31", status="active"), ill) == IN


def test_a_refuted_condition_counts_in_2025_and_not_in_2026() -> None:
    device = order("device", "frailty_device", "2025-01-01")
    for verification, in_2026 in (
        ("refuted", IN),
        ("entered-in-error", IN),
        ("confirmed", OUT),
        ("", OUT),
        ("provisional", OUT),
    ):
        ill = condition("advanced_illness", "2025-01-01", verification=verification)
        assert _ecqm(device, ill) == OUT
        assert _ecqm(device, ill, edition="cms-2026") == in_2026


def test_a_symptom_may_be_preliminary_and_an_assessment_may_not() -> None:
    ill = condition("advanced_illness", "2025-01-01")
    assert _ecqm(observation("frailty_symptom", "2025-01-01", status="preliminary"), ill) == OUT
    assert _ecqm(observation("frailty_symptom", "2025-01-01", status="cancelled"), ill) == IN
    palliative = {"role": "palliative_assessment", "start": "2025-01-01", "category": "survey"}
    assert _ecqm(observation(**palliative, status="preliminary")) == IN
    assert _ecqm(observation(**palliative, status="amended")) == OUT


def test_an_order_of_a_dementia_drug_counts_while_its_supply_lasts_and_is_active() -> None:
    device = order("device", "frailty_device", "2025-01-01")
    assert _ecqm(device, medication("dementia_medication", "2023-10-04", "2024-01-01")) == OUT
    assert _ecqm(device, medication("dementia_medication", "2023-10-03", "2023-12-31")) == IN
    assert _ecqm(device, medication("dementia_medication", "2025-12-31", "2026-03-01")) == OUT
    assert _ecqm(device, medication("dementia_medication", "2026-01-01", "2026-03-01")) == IN
    assert _ecqm(device, medication("dementia_medication", "2025-05-01")) == IN
    assert _ecqm(device, medication("dementia_medication", "2025-05-01", "2025-06-01", status="completed")) == IN


def test_the_last_housing_status_of_a_day_decides_by_its_moment() -> None:
    def home(at: str, says: str) -> Kept:
        return observation("housing_status", at, category="survey", says=says)

    morning, evening = "2025-03-01T08:00:00.000Z", "2025-03-01T20:00:00.000Z"
    assert _ecqm(home(morning, "own_home"), home(evening, "nursing_home")) == OUT
    assert _ecqm(home(morning, "nursing_home"), home(evening, "own_home")) == IN
    assert _ecqm(home("2025-12-31", "nursing_home"), home("2026-01-01", "own_home")) == OUT
    assert _ecqm(home("2025-12-31", "nursing_home"), birth="1960-01-01") == IN


def test_a_discharge_to_hospice_counts_by_the_day_on_which_the_stay_ends() -> None:
    def stay(start: str, end: str, **changes: str) -> Kept:
        return encounter("inpatient_encounter", start, end, **{"disposition": "428361000124107", **changes})

    assert _ecqm(stay("2024-12-20", "2025-01-01")) == OUT
    assert _ecqm(stay("2025-12-31", "2026-01-01")) == IN
    assert _ecqm(stay("2025-05-01", "2025-05-09", disposition="306689006")) == IN
    assert _ecqm(stay("2025-05-01", "2025-05-09", status="planned")) == IN


def test_hospice_assessed_and_denied_is_no_hospice() -> None:
    assert _ecqm(observation("hospice_assessment", "2025-05-01", category="survey", says="no")) == IN
    assert _ecqm(observation("hospice_assessment", "2025-05-01", category="survey")) == IN
    assert _ecqm(observation("hospice_assessment", "2025-05-01", category="exam", says="yes")) == IN


def test_a_service_that_was_asked_for_is_not_performed() -> None:
    assert _ecqm(order("procedure", "palliative_intervention", "2025-05-01", status="completed")) == IN
    assert _ecqm(procedure("palliative_intervention", "2025-05-01", status="not-done", not_done=True)) == IN
    assert _ecqm(procedure("palliative_intervention", "2025-05-01", status="in-progress")) == IN
    assert _ecqm(procedure("palliative_intervention", "2024-05-01", "2025-01-01")) == OUT
