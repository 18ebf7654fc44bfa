"""CBP: golden cases of measures.md 4, its traps by name, and published test patients of CMS165 as facts of our own."""

from __future__ import annotations

from typing import Any

import pytest

from state.measures.cbp import has_hypertension
from state.measures.editions import built_in
from state.measures.facts import Kept, KeptRecord, Profile
from state.measures.outcome import Outcome
from tests.measure_builders import (
    blood_pressure,
    claim,
    condition,
    covered,
    day,
    diagnosed,
    encounter,
    line,
    medication,
    member,
    months,
    observation,
    order,
    outcomes,
    person,
    populations,
    procedure,
    result,
    service,
    year,
)

ANNA = member("1970-05-05")
ROLE = "controlled"
Counts = tuple[int, int, int, int]
"""Initial population, denominator, exclusion, numerator."""


def visit(on: str, role: str = "diagnosed_visit", diagnosis: str = "hypertension") -> Kept:
    return claim(line(role, on), diagnoses=(diagnosis,))


def program(
    *kept: Kept, who: Profile = ANNA, edition: str = "capc-2025", period: int = 2025
) -> tuple[int, int, int, int]:
    return populations(outcomes(edition, "CBP", year(period), who, *kept), ROLE)


HYPERTENSIVE = (visit("2024-03-01"), visit("2025-02-01"))
OUT, OPEN, EXCLUDED, MET = (0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 0, 1)


# ---- who has hypertension


def test_two_visits_with_hypertension_on_different_dates_are_needed() -> None:
    assert program(*HYPERTENSIVE) == OPEN
    assert program(visit("2025-02-01")) == OUT
    assert program(visit("2025-02-01"), visit("2025-02-01")) == OUT


def test_visits_count_from_january_of_the_year_before_to_june_30() -> None:
    assert program(visit("2024-01-01"), visit("2025-06-30")) == OPEN
    assert program(visit("2023-12-31"), visit("2025-06-30")) == OUT
    assert program(visit("2024-01-01"), visit("2025-07-01")) == OUT


def test_a_rolling_period_counts_its_six_months_from_its_own_first_day() -> None:
    period = months("2024-07-01", "2025-06-30")
    first, second = visit("2023-07-01"), visit("2024-12-31")
    assert populations(outcomes("capc-2025", "CBP", period, ANNA, first, second), ROLE) == OPEN
    late = visit("2025-01-01")
    assert populations(outcomes("capc-2025", "CBP", period, ANNA, first, late), ROLE) == OUT


def test_hypertensive_heart_disease_is_not_essential_hypertension() -> None:
    assert program(visit("2024-03-01", diagnosis="other"), visit("2025-02-01")) == OUT


def test_a_diagnosis_on_another_claim_than_that_of_the_visit_makes_no_visit_with_it() -> None:
    kept = (service("diagnosed_visit", "2024-03-01"), diagnosed("hypertension", "2024-03-01"), visit("2025-02-01"))
    assert program(*kept) == OUT


def test_denied_visits_count_in_the_program() -> None:
    assert (
        program(
            visit("2024-03-01"), claim(line("diagnosed_visit", "2025-02-01"), diagnoses=("hypertension",), denied=True)
        )
        == OPEN
    )


def test_a_condition_in_a_chart_belongs_to_the_encounter_that_it_names() -> None:
    seen = encounter("diagnosed_visit", "2025-02-01")
    assert program(visit("2024-03-01"), seen, condition("hypertension", "2019-01-01", part_of=seen.evidence)) == OPEN
    assert program(visit("2024-03-01"), seen, condition("hypertension", "2019-01-01", part_of="Encounter/other")) == OUT


# ---- age and enrollment


@pytest.mark.parametrize(
    ("birth", "expected"),
    [("2007-12-31", OPEN), ("2008-01-01", OUT), ("1939-12-31", OUT), ("1940-01-01", OPEN)],
)
def test_members_are_18_to_85_on_the_last_day(birth: str, expected: tuple[int, int, int, int]) -> None:
    assert program(*HYPERTENSIVE, who=member(birth)) == expected


def test_a_gap_of_45_days_is_allowed_and_one_of_46_is_not() -> None:
    allowed = member("1970-05-05", "F", covered("2024-01-01", "2025-03-31"), covered("2025-05-16", "2025-12-31"))
    assert program(*HYPERTENSIVE, who=allowed) == OPEN
    longer = member("1970-05-05", "F", covered("2024-01-01", "2025-03-31"), covered("2025-05-17", "2025-12-31"))
    assert program(*HYPERTENSIVE, who=longer) == OUT


# ---- the last blood pressure


def test_the_last_blood_pressure_counts_not_the_best() -> None:
    kept = (*HYPERTENSIVE, *blood_pressure("2025-03-01", 120, 70), *blood_pressure("2025-10-01", 150, 70))
    assert program(*kept) == OPEN


@pytest.mark.parametrize(
    ("systolic", "diastolic", "expected"),
    [(139, 89, MET), (140, 89, OPEN), (139, 90, OPEN), ("139.9", "89.9", MET)],
)
def test_both_numbers_must_be_below_140_and_90(
    systolic: object, diastolic: object, expected: tuple[int, int, int, int]
) -> None:
    assert program(*HYPERTENSIVE, *blood_pressure("2025-10-01", systolic, diastolic)) == expected


def test_of_several_readings_of_a_day_the_lowest_of_each_number_counts_each_for_itself() -> None:
    kept = (*HYPERTENSIVE, *blood_pressure("2025-10-01", 150, 80), *blood_pressure("2025-10-01", 130, 95))
    assert program(*kept) == MET


def test_a_last_reading_without_diastolic_is_not_controlled_and_no_earlier_day_takes_its_place() -> None:
    kept = (*HYPERTENSIVE, *blood_pressure("2025-09-01", 120, 70), *blood_pressure("2025-10-01", 120, None))
    assert program(*kept) == OPEN


def test_a_reading_before_the_second_diagnosis_does_not_count() -> None:
    assert program(*HYPERTENSIVE, *blood_pressure("2025-01-31", 120, 70)) == OPEN
    assert program(*HYPERTENSIVE, *blood_pressure("2025-02-01", 120, 70)) == MET


def test_a_reading_outside_the_period_does_not_count() -> None:
    early = (visit("2024-03-01"), visit("2024-04-01"))
    assert program(*early, *blood_pressure("2024-12-31", 120, 70)) == OPEN
    assert program(*early, *blood_pressure("2025-01-01", 120, 70)) == MET
    assert program(*early, *blood_pressure("2025-12-31", 120, 70)) == MET
    assert program(*early, *blood_pressure("2026-01-01", 120, 70)) == OPEN


def test_numbers_that_stand_alone_are_a_reading() -> None:
    kept = (observation("systolic_bp", "2025-10-01", value=120), observation("diastolic_bp", "2025-10-01", value=70))
    assert program(*HYPERTENSIVE, *kept) == MET
    assert program(*HYPERTENSIVE, kept[0]) == OPEN


def test_a_reading_of_a_hospital_stay_or_emergency_does_not_count() -> None:
    stay = claim(
        line("inpatient_stay+acute_contact", "2025-09-01"),
        start=day("2025-09-01"),
        end=day("2025-09-05"),
        institutional=True,
    )
    assert program(*HYPERTENSIVE, stay, *blood_pressure("2025-09-03", 120, 70)) == OPEN
    assert program(*HYPERTENSIVE, stay, *blood_pressure("2025-09-06", 120, 70)) == MET
    emergency = encounter("acute_contact", "2025-09-03", category="EMER")
    assert program(*HYPERTENSIVE, emergency, *blood_pressure("2025-09-03", 120, 70)) == OPEN


def test_a_reading_at_an_office_visit_counts_on_the_day_of_an_emergency_too() -> None:
    emergency, office = (
        encounter("acute_contact", "2025-09-03"),
        encounter("diagnosed_visit", "2025-09-03", category="AMB"),
    )
    assert program(*HYPERTENSIVE, emergency, office, *blood_pressure("2025-09-03", 120, 70, at=office)) == MET


# ---- CPT II


@pytest.mark.parametrize(("unit", "expected"), [("", MET), ("mm[Hg]", MET), ("mmHg", MET), ("kPa", OPEN)])
def test_a_number_in_an_unknown_unit_is_none(unit: str, expected: tuple[int, int, int, int]) -> None:
    assert program(*HYPERTENSIVE, *blood_pressure("2025-05-01", 18, 11, unit=unit)) == expected


def test_cpt_ii_classes_count_as_numbers_in_them() -> None:
    low = (service("systolic_130_139", "2025-10-01"), service("diastolic_80_89", "2025-10-01"))
    assert program(*HYPERTENSIVE, *low) == MET
    high = (service("systolic_ge_140", "2025-10-01"), service("diastolic_80_89", "2025-10-01"))
    assert program(*HYPERTENSIVE, *high) == OPEN
    assert program(*HYPERTENSIVE, *high, service("systolic_130_139", "2025-10-01")) == MET


def test_a_later_day_with_only_a_systolic_code_makes_the_last_day_incomplete() -> None:
    kept = (
        service("systolic_lt_130", "2025-09-01"),
        service("diastolic_lt_80", "2025-09-01"),
        service("systolic_lt_130", "2025-10-01"),
    )
    assert program(*HYPERTENSIVE, *kept) == OPEN


def test_a_cpt_ii_code_with_a_modifier_for_not_done_is_no_reading() -> None:
    kept = (
        service("systolic_lt_130", "2025-10-01", modifiers=("not_done_modifier",)),
        service("diastolic_lt_80", "2025-10-01"),
    )
    assert program(*HYPERTENSIVE, *kept) == OPEN


def test_a_code_on_a_denied_line_without_charge_counts() -> None:
    kept = (
        service("systolic_lt_130", "2025-10-01", denied=True),
        service("diastolic_lt_80", "2025-10-01", denied=True),
    )
    assert program(*HYPERTENSIVE, *kept) == MET


def test_a_code_on_the_claim_of_an_emergency_does_not_count() -> None:
    kept = claim(
        line("acute_contact", "2025-10-01"),
        line("systolic_lt_130", "2025-10-01"),
        line("diastolic_lt_80", "2025-10-01"),
    )
    assert program(*HYPERTENSIVE, kept) == OPEN


def test_what_a_practice_submits_counts() -> None:
    kept = (result("systolic_bp", "2025-10-01", "128"), result("diastolic_bp", "2025-10-01", "78"))
    assert program(*HYPERTENSIVE, *kept) == MET
    rejected = result("systolic_bp", "2025-10-01", "128", "rejected")
    assert program(*HYPERTENSIVE, rejected, kept[1]) == OPEN


# ---- exclusions


@pytest.mark.parametrize(
    "kept",
    [
        diagnosed("renal_diagnosis", "1999-01-01"),
        diagnosed("renal_diagnosis", "2025-12-31"),
        service("renal_procedure", "2010-01-01"),
        diagnosed("pregnancy", "2025-01-01"),
        service("hospice_encounter", "2025-06-01"),
        diagnosed("palliative_diagnosis", "2025-06-01"),
        claim(
            line("inpatient_stay", "2025-12-31"),
            line("nonacute_inpatient_stay", "2025-12-31"),
            start=day("2025-12-31"),
            end=day("2026-01-09"),
        ),
    ],
)
def test_members_are_excluded(kept: Kept) -> None:
    assert program(*HYPERTENSIVE, *blood_pressure("2025-10-01", 120, 70), kept) == EXCLUDED


@pytest.mark.parametrize(
    "kept",
    [
        diagnosed("renal_diagnosis", "2026-01-01"),
        service("renal_procedure", "2026-01-01"),
        diagnosed("pregnancy", "2024-12-31"),
        diagnosed("pregnancy", "2026-01-01"),
        claim(
            line("inpatient_stay", "2025-01-02"),
            line("nonacute_inpatient_stay", "2025-01-02"),
            start=day("2024-12-31"),
            end=day("2025-01-09"),
        ),
        claim(line("inpatient_stay", "2025-06-01")),
    ],
)
def test_members_are_not_excluded(kept: Kept) -> None:
    assert program(*HYPERTENSIVE, kept) == OPEN


def test_death_in_the_period_excludes() -> None:
    assert program(*HYPERTENSIVE, who=member("1970-05-05", death="2025-12-31")) == EXCLUDED


def frail(on: str, again: str) -> tuple[Kept, Kept]:
    return service("frailty_device", on), service("frailty_device", again)


def test_from_81_frailty_alone_excludes_and_before_it_does_not() -> None:
    eighty, eighty_one = member("1945-12-31"), member("1944-12-31")
    assert program(*HYPERTENSIVE, *frail("2025-03-01", "2025-04-01"), who=eighty) == OPEN
    assert program(*HYPERTENSIVE, *frail("2025-03-01", "2025-04-01"), who=eighty_one) == EXCLUDED
    assert program(*HYPERTENSIVE, *frail("2025-03-01", "2025-03-01"), who=eighty_one) == OPEN


def test_from_66_to_80_frailty_and_advanced_illness_exclude_together() -> None:
    ill = (diagnosed("advanced_illness", "2024-03-01"), diagnosed("advanced_illness", "2025-04-01"))
    assert program(*HYPERTENSIVE, *frail("2025-03-01", "2025-04-01"), *ill, who=member("1959-12-31")) == EXCLUDED
    assert program(*HYPERTENSIVE, *frail("2025-03-01", "2025-04-01"), *ill, who=member("1960-01-01")) == OPEN


# ---- what is said beside the counts


def test_who_has_too_few_visits_is_told_those_there_are() -> None:
    one = visit("2025-02-01")
    known = built_in("capc-2025")
    asked, _ = has_hypertension(person(ANNA, [one], known.codes), year(2025), known.parameters["CBP"])
    assert (asked.holds, asked.evidence) == (False, (one.evidence,))
    assert asked.asks == "2 visits with hypertension on different dates from 2024-01-01 to 2025-06-30"


def test_an_open_gap_says_what_closes_it_and_until_when() -> None:
    (found,) = outcomes("capc-2025", "CBP", year(2025), ANNA, *HYPERTENSIVE).values()
    assert (found.closes_with, found.due_by) == (
        "a blood pressure below 140/90 as the last of the period (none yet)",
        day("2025-12-31"),
    )
    assert found.evidence == tuple(one.evidence for one in HYPERTENSIVE)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ([*blood_pressure("2025-10-01", 150, 80), *blood_pressure("2025-10-01", 142, 95)], "now 142/80 on 2025-10-01"),
        ([*blood_pressure("2025-10-01", 120, None)], "now 120/? on 2025-10-01"),
        (
            [service("systolic_ge_140", "2025-10-01"), service("diastolic_lt_80", "2025-10-01")],
            "now systolic_ge_140/diastolic_lt_80 on 2025-10-01",
        ),
    ],
)
def test_an_open_gap_says_what_the_last_day_says_by_now_and_a_class_by_its_code(kept: list[Kept], told: str) -> None:
    (found,) = outcomes("capc-2025", "CBP", year(2025), ANNA, *HYPERTENSIVE, *kept).values()
    assert found.closes_with == f"a blood pressure below 140/90 as the last of the period ({told})"


def test_a_met_rate_cites_the_readings_of_its_day() -> None:
    reading = blood_pressure("2025-10-01", 120, 70)
    (found,) = outcomes("capc-2025", "CBP", year(2025), ANNA, *HYPERTENSIVE, *reading).values()
    assert reading[0].evidence in found.evidence
    assert found.closes_with == ""
    assert found.due_by is None


# ---- the eCQM: published test patients of CMS165, each with what it is about


def ecqm(number: int, birth: str, *kept: Kept) -> tuple[int, int, int, int]:
    found: dict[str, Outcome] = outcomes(f"cms-{number}", "CBP", year(number), member(birth), *kept)
    return populations(found, ROLE)


def office(number: int, **changes: Any) -> KeptRecord:
    return encounter(
        "qualifying_visit",
        f"{number}-01-01T00:00:00.000+00:00",
        f"{number}-01-01T01:00:00.000+00:00",
        **{"category": "AMB", **changes},
    )


def hypertensive(number: int, onset: str = "06-30T23:59:59.000+00:00", **changes: Any) -> KeptRecord:
    return condition("hypertension", f"{number}-{onset}", **{"category": "encounter-diagnosis", **changes})


def eighteen(number: int) -> str:
    return f"{number - 19}-12-31"


YEARS = pytest.mark.parametrize("number", [2025, 2026])


@YEARS
def test_published_blood_pressure_139_89_in_the_period(number: int) -> None:
    seen = office(number)
    kept = (
        office(number),
        seen,
        hypertensive(number),
        *blood_pressure(f"{number}-01-02T00:00:00.000+00:00", 139, 89, at=seen),
    )
    assert ecqm(number, eighteen(number), *kept) == MET


@YEARS
def test_published_blood_pressure_139_89_during_an_inpatient_stay(number: int) -> None:
    stay = encounter(
        "inpatient_encounter+acute_contact",
        f"{number}-01-02T00:00:00.000+00:00",
        f"{number}-01-04T01:00:00.000+00:00",
        category="IMP",
    )
    onset = hypertensive(number, "06-29T23:59:59.000+00:00")
    kept = (office(number), stay, onset, *blood_pressure(f"{number}-01-02T00:00:00.000+00:00", 139, 89, at=stay))
    assert ecqm(number, eighteen(number), *kept) == OPEN


@YEARS
def test_published_blood_pressure_139_89_taken_during_an_emergency(number: int) -> None:
    emergency = encounter(
        "acute_contact", f"{number}-01-01T00:00:00.000+00:00", f"{number}-01-01T01:00:00.000+00:00", category="EMER"
    )
    onset = hypertensive(number, "06-29T23:59:59.000+00:00")
    kept = (
        office(number),
        emergency,
        onset,
        *blood_pressure(f"{number}-01-01T00:00:00.000+00:00", 139, 89, at=emergency),
    )
    assert ecqm(number, eighteen(number), *kept) == OPEN


def _taken_at(number: int, category: str, role: str, on: str = "02-01", status: str = "finished") -> list[Kept]:
    at = encounter(role, f"{number}-{on}T08:00:00Z", f"{number}-{on}T09:00:00Z", category=category, status=status)
    return [office(number), hypertensive(number), at, *blood_pressure(f"{number}-{on}T08:30:00Z", 139, 89, at=at)]


@pytest.mark.parametrize(
    ("category", "role", "status", "in_2025", "in_2026"),
    [
        ("EMER", "acute_contact", "finished", OPEN, OPEN),
        ("EMER", "qualifying_visit", "finished", OPEN, MET),
        ("EMER", "acute_contact", "in-progress", OPEN, MET),
        ("AMB", "acute_contact", "finished", MET, MET),
    ],
    ids=["an emergency", "its code is that of a visit", "still going on", "its class is that of a visit"],
)
def test_of_2026_a_class_that_is_no_stay_is_enough_and_so_is_a_day_without_a_stay(
    category: str, role: str, status: str, in_2025: Counts, in_2026: Counts
) -> None:
    """CMS165 of 2026 puts two readings of where a pressure was taken together."""
    assert ecqm(2025, eighteen(2025), *_taken_at(2025, category, role, status=status)) == in_2025
    assert ecqm(2026, eighteen(2026), *_taken_at(2026, category, role, status=status)) == in_2026


@YEARS
def test_a_blood_pressure_of_another_year_is_none_of_the_period(number: int) -> None:
    earlier, later = (
        blood_pressure(f"{at}T08:00:00Z", 139, 89) for at in (f"{number - 1}-12-31", f"{number + 1}-01-01")
    )
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), *earlier, *later) == OPEN


@YEARS
def test_published_hypertension_that_begins_after_the_first_six_months(number: int) -> None:
    assert ecqm(number, eighteen(number), office(number), hypertensive(number, "07-01T00:00:00.000+00:00")) == OUT
    assert ecqm(number, eighteen(number), office(number), hypertensive(number)) == OPEN


@YEARS
def test_published_kidney_transplant_on_december_30(number: int) -> None:
    transplant = procedure(
        "renal_procedure", f"{number}-12-30T00:00:00.000+00:00", f"{number}-12-30T23:59:59.000+00:00"
    )
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), transplant) == EXCLUDED


@YEARS
def test_published_monthly_care_of_end_stage_kidneys(number: int) -> None:
    care = encounter("renal_encounter", f"{number}-01-01T00:00:00.000+00:00", f"{number}-01-01T01:00:00.000+00:00")
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), care) == EXCLUDED


@YEARS
def test_published_kidney_disease_of_stage_5_in_the_period(number: int) -> None:
    disease = condition("renal_diagnosis", f"{number}-06-30T23:59:59.000Z")
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), disease) == EXCLUDED


@YEARS
def test_published_pregnancy_that_begins_after_the_period(number: int) -> None:
    after = condition("pregnancy", f"{number + 1}-01-01T00:00:00.000+00:00")
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), after) == OPEN
    during = condition("pregnancy", f"{number}-06-30T23:59:59.000+00:00")
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), during) == EXCLUDED


@YEARS
def test_published_frailty_alone_at_81(number: int) -> None:
    chair = order("device", "frailty_device", f"{number}-11-01T23:59:00.000+00:00", status="completed")
    kept = (office(number), hypertensive(number), chair)
    assert ecqm(number, f"{number - 81}-12-31", *kept) == EXCLUDED
    assert ecqm(number, f"{number - 80}-12-31", *kept) == OPEN
    drug = medication("dementia_medication", f"{number}-03-01", f"{number}-05-29")
    assert ecqm(number, f"{number - 80}-12-31", *kept, drug) == EXCLUDED


@YEARS
def test_published_hospice_assessment_that_says_no(number: int) -> None:
    assessed = observation(
        "hospice_assessment",
        f"{number - 1}-12-31T00:00:00.000+00:00",
        f"{number}-01-01T00:00:00.000+00:00",
        category="survey",
    )
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), assessed) == OPEN


@YEARS
def test_published_hospice_encounter_that_ends_before_the_period(number: int) -> None:
    before = encounter(
        "hospice_encounter", f"{number - 1}-12-31T21:59:59.000+00:00", f"{number - 1}-12-31T23:59:59.000+00:00"
    )
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), before) == OPEN
    into = encounter(
        "hospice_encounter", f"{number - 1}-12-31T21:59:59.000+00:00", f"{number}-01-01T00:00:00.000+00:00"
    )
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), into) == EXCLUDED


@YEARS
def test_published_dialysis_on_december_30(number: int) -> None:
    dialysis = procedure("renal_procedure", f"{number}-12-30T00:00:00.000+00:00", f"{number}-12-30T23:59:59.000+00:00")
    assert ecqm(number, eighteen(number), office(number), hypertensive(number), dialysis) == EXCLUDED


def listed(number: int, onset: str = "06-30T23:59:59.000+00:00") -> KeptRecord:
    """Hypertension of a problem list, as most of the published patients have it."""
    return hypertensive(number, onset, category="problem-list-item")


@YEARS
def test_published_discharge_to_a_hospice_from_a_stay_that_begins_in_the_last_second_before_the_period(
    number: int,
) -> None:
    stay = encounter(
        "inpatient_encounter",
        f"{number - 1}-12-31T23:59:59.000+00:00",
        f"{number}-01-01T01:00:00.000+00:00",
        category="AMB",
        disposition="hospice_discharge",
    )
    assert ecqm(number, eighteen(number), office(number), listed(number), stay) == EXCLUDED


@YEARS
def test_published_equipment_of_the_frail(number: int) -> None:
    used = observation(
        "equipment_used",
        f"{number}-01-01T00:00:00.000+00:00",
        f"{number}-01-01T01:00:00.000+00:00",
        category="survey",
        says="frailty_device",
    )
    drug = medication("dementia_medication", f"{number}-01-01", f"{number}-03-31")
    kept = (office(number), listed(number, "06-29T23:59:59.000+00:00"), used, drug)
    assert ecqm(number, f"{number - 67}-12-31", *kept) == EXCLUDED


@YEARS
def test_published_palliative_survey_that_was_an_error(number: int) -> None:
    survey = observation(
        "palliative_assessment",
        f"{number - 1}-12-31T00:00:00.000+00:00",
        f"{number}-01-01T01:00:00.000+00:00",
        category="survey",
        says="yes",
        status="entered-in-error",
    )
    assert ecqm(number, eighteen(number), office(number), listed(number), survey) == OPEN


@YEARS
def test_published_drug_for_dementia_of_december_30(number: int) -> None:
    drug = medication("dementia_medication", f"{number}-12-30", f"{number + 1}-03-29")
    chair = order("device", "frailty_device", f"{number}-11-01T23:59:00.000+00:00", status="completed")
    kept = (office(number), listed(number), drug, chair)
    assert ecqm(number, f"{number - 67}-12-31", *kept) == EXCLUDED


@YEARS
def test_published_recipient_of_a_kidney(number: int) -> None:
    recipient = condition("renal_diagnosis", f"{number}-06-30T23:59:59.000+00:00")
    assert ecqm(number, eighteen(number), office(number), listed(number), recipient) == EXCLUDED


@YEARS
def test_published_pregnancy_of_the_next_year_as_diagnosis_of_an_encounter(number: int) -> None:
    pregnant = condition("pregnancy", f"{number + 1}-01-01T00:00:00.000+00:00", category="encounter-diagnosis")
    kept = (office(number), listed(number, "06-29T23:59:59.000+00:00"), pregnant)
    assert ecqm(number, eighteen(number), *kept) == OPEN


# ---- the eCQM: paths of the CQL


@YEARS
@pytest.mark.parametrize("kind", ["ACUTE", "EMER", "IMP", "NONAC", "PRENC", "SS"])
def test_a_reading_at_an_encounter_of_these_classes_does_not_count(number: int, kind: str) -> None:
    seen = office(number, category=kind, code="acute_contact")
    kept = (office(number), hypertensive(number), *blood_pressure(f"{number}-01-01", 120, 70, at=seen), seen)
    assert ecqm(number, eighteen(number), *kept) == OPEN


@YEARS
@pytest.mark.parametrize("kind", ["AMB", "FLD", "HH", "OBSENC", "VR"])
def test_a_reading_at_an_encounter_of_other_classes_counts_whatever_the_encounter_was_for(
    number: int, kind: str
) -> None:
    seen = office(number, category=kind, code="no role at all", status="planned")
    kept = (office(number), hypertensive(number), *blood_pressure(f"{number}-01-01", 120, 70, at=seen), seen)
    assert ecqm(number, eighteen(number), *kept) == MET


def test_a_reading_without_an_encounter_counts_only_in_2026_and_not_on_the_day_of_a_stay() -> None:
    for number, expected in ((2025, OPEN), (2026, MET)):
        kept = (office(number), hypertensive(number), *blood_pressure(f"{number}-05-01", 120, 70))
        assert ecqm(number, eighteen(number), *kept) == expected
    stay = encounter("acute_contact", "2026-05-01", "2026-05-03", category="IMP")
    kept = (office(2026), hypertensive(2026), *blood_pressure("2026-05-02", 120, 70), stay)
    assert ecqm(2026, eighteen(2026), *kept) == OPEN


@YEARS
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("final", MET),
        ("amended", MET),
        ("corrected", MET),
        ("preliminary", OPEN),
        ("entered-in-error", OPEN),
        ("cancelled", OPEN),
    ],
)
def test_only_readings_that_were_made_count(number: int, status: str, expected: tuple[int, int, int, int]) -> None:
    seen = office(number)
    kept = (seen, hypertensive(number), *blood_pressure(f"{number}-01-01", 120, 70, at=seen, status=status))
    assert ecqm(number, eighteen(number), *kept) == expected


@YEARS
def test_a_reading_over_a_stretch_of_time_belongs_to_its_end(number: int) -> None:
    seen = office(number)
    base = (seen, hypertensive(number))
    before = blood_pressure(f"{number - 1}-12-31", 120, 70, at=seen, end=f"{number}-01-01")
    assert ecqm(number, eighteen(number), *base, *before) == MET
    after = blood_pressure(f"{number}-12-31", 120, 70, at=seen, end=f"{number + 1}-01-01")
    assert ecqm(number, eighteen(number), *base, *after) == OPEN
    unending = blood_pressure(f"{number}-12-31", 120, 70, at=seen, end="2199-12-31")
    assert ecqm(number, eighteen(number), *base, *unending) == MET


@YEARS
def test_a_reading_of_the_last_day_that_lacks_a_number_spoils_it(number: int) -> None:
    seen = office(number)
    kept = (seen, hypertensive(number), *blood_pressure(f"{number}-01-01", 120, 70, at=seen))
    assert ecqm(number, eighteen(number), *kept, *blood_pressure(f"{number}-01-01", 118, None, at=seen)) == OPEN


@YEARS
def test_a_condition_that_is_over_since_nobody_knows_when_must_begin_in_the_window(number: int) -> None:
    seen = office(number)
    resolved = hypertensive(number - 1, status="resolved")
    assert ecqm(number, eighteen(number), seen, resolved) == OUT
    assert ecqm(number, eighteen(number), seen, hypertensive(number, status="resolved")) == OPEN
    over = condition("hypertension", f"{number - 5}-01-01", f"{number}-01-01", status="resolved")
    assert ecqm(number, eighteen(number), seen, over) == OPEN
    gone = condition("hypertension", f"{number - 5}-01-01", f"{number - 1}-12-31", status="resolved")
    assert ecqm(number, eighteen(number), seen, gone) == OUT


def test_a_refuted_condition_counts_in_2025_and_not_in_2026() -> None:
    for number, expected in ((2025, OPEN), (2026, OUT)):
        assert ecqm(number, eighteen(number), office(number), hypertensive(number, verification="refuted")) == expected


@YEARS
def test_a_visit_begins_and_ends_in_the_period(number: int) -> None:
    early = encounter("qualifying_visit", f"{number - 1}-12-31", f"{number}-01-01")
    late = encounter("qualifying_visit", f"{number}-12-31", f"{number + 1}-01-01")
    last = encounter("qualifying_visit", f"{number}-12-31")
    assert ecqm(number, eighteen(number), hypertensive(number), early) == OUT
    assert ecqm(number, eighteen(number), hypertensive(number), late) == OUT
    assert ecqm(number, eighteen(number), hypertensive(number), last) == OPEN


@YEARS
def test_dialysis_counts_by_its_end_and_monthly_care_by_its_beginning(number: int) -> None:
    base = (office(number), hypertensive(number))
    over_the_year = (f"{number}-12-31", f"{number + 1}-01-01")
    assert ecqm(number, eighteen(number), *base, procedure("renal_procedure", *over_the_year)) == OPEN
    assert ecqm(number, eighteen(number), *base, encounter("renal_encounter", *over_the_year)) == EXCLUDED
    assert ecqm(number, eighteen(number), *base, procedure("renal_procedure", "1999-01-01")) == EXCLUDED
    assert ecqm(number, eighteen(number), *base, procedure("renal_procedure", "1999-01-01", status="not-done")) == OPEN


@YEARS
def test_a_claim_stands_for_visit_diagnosis_and_dialysis(number: int) -> None:
    seen = claim(line("qualifying_visit", f"{number}-02-01"), diagnoses=("hypertension",))
    assert ecqm(number, eighteen(number), seen) == OPEN
    assert ecqm(number, eighteen(number), seen, service("renal_procedure", f"{number}-03-01")) == EXCLUDED
