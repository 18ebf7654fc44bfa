"""GSD: golden cases of measures.md 6, its traps by name, and published test patients of CMS122 as facts of our own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from state.measures.editions import built_in
from state.measures.facts import Kept, KeptRecord, Profile
from state.measures.gsd import has_diabetes
from state.measures.results import GAPS_COLUMNS, Asked, gap_rows
from tests.measure_builders import (
    claim,
    condition,
    day,
    diagnosed,
    dispensing,
    encounter,
    line,
    medication,
    member,
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
DIABETIC = (diagnosed("diabetes", "2024-03-01"), diagnosed("diabetes", "2025-02-01"))
OUT, OPEN, EXCLUDED, MET = (0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 0, 1)
Counts = tuple[int, int, int, int]


def program(*kept: Kept, who: Profile = ANNA) -> tuple[Counts, Counts]:
    """The rates below 8 and above 9."""
    found = outcomes("capc-2025", "GSD", year(2025), who, *kept)
    return populations(found, "lt8"), populations(found, "gt9")


def a1c(on: str, value: object = None, **changes: Any) -> KeptRecord:
    given = {} if value is None else {"value": value}
    return observation("hba1c_test", on, **{"category": "laboratory", **given, **changes})


def measured(on: str, value: object, unit: str, code: str = "4548-4", **changes: Any) -> KeptRecord:
    """As a laboratory writes it: by its real code, for that is where units are known."""
    role = observation("gmi" if code == "97506-0" else "hba1c_test", on, value=value, unit=unit, **changes)
    return msgspec.structs.replace(role, system="LOINC", code=code)


def of_codes(*kept: Kept) -> tuple[Counts, Counts]:
    """The rates, with the real codes of a laboratory playing their roles."""
    edition = built_in("capc-2025")
    known = msgspec.structs.replace(
        edition, codes={**edition.codes, "hba1c_test": (("LOINC", "4548-4"),), "gmi": (("LOINC", "97506-0"),)}
    )
    found = outcomes(known, "GSD", year(2025), ANNA, *DIABETIC, *kept)
    return populations(found, "lt8"), populations(found, "gt9")


GOOD, BETWEEN, POOR = (MET, OPEN), (OPEN, OPEN), (OPEN, MET)


# ---- who has diabetes


def test_two_diagnoses_on_different_dates_or_one_and_a_drug() -> None:
    assert program(*DIABETIC) == POOR
    assert program(DIABETIC[0]) == (OUT, OUT)
    assert program(diagnosed("diabetes", "2025-02-01"), diagnosed("diabetes", "2025-02-01")) == (OUT, OUT)
    assert program(DIABETIC[0], dispensing("diabetes_medication", "2025-05-01")) == POOR
    assert program(dispensing("diabetes_medication", "2025-05-01")) == (OUT, OUT)


def test_a_claim_of_several_days_states_diabetes_once() -> None:
    series = claim(line("any", "2025-02-01"), line("any", "2025-02-08"), diagnoses=("diabetes",))
    assert program(series) == (OUT, OUT)
    assert program(series, diagnosed("diabetes", "2025-02-15")) == POOR


def test_who_has_one_diagnosis_and_no_drug_is_told_it() -> None:
    known = built_in("capc-2025")
    asked = has_diabetes(person(ANNA, [DIABETIC[0]], known.codes), year(2025), known.parameters["GSD"])
    assert (asked.holds, asked.evidence) == (False, (DIABETIC[0].evidence,))


def test_another_drug_or_metformin_alone_identifies_nobody() -> None:
    assert program(DIABETIC[0], dispensing("metformin", "2025-05-01")) == (OUT, OUT)
    assert program(DIABETIC[0], dispensing("antidepressant", "2025-05-01")) == (OUT, OUT)


def test_diagnoses_and_drugs_count_from_the_first_day_of_the_year_before() -> None:
    assert program(diagnosed("diabetes", "2024-01-01"), diagnosed("diabetes", "2025-12-31")) == POOR
    assert program(diagnosed("diabetes", "2023-12-31"), diagnosed("diabetes", "2025-12-31")) == (OUT, OUT)
    assert program(DIABETIC[0], dispensing("diabetes_medication", "2024-01-01")) == POOR
    assert program(DIABETIC[0], dispensing("diabetes_medication", "2023-12-31")) == (OUT, OUT)


def test_a_denied_fill_of_insulin_was_not_dispensed() -> None:
    assert program(DIABETIC[0], dispensing("diabetes_medication", "2025-05-01", denied=True)) == (OUT, OUT)


def test_a_diagnosis_of_a_claim_that_was_all_laboratory_identifies_nobody() -> None:
    laboratory = diagnosed("diabetes", "2025-02-01", places=("laboratory_place",))
    assert program(DIABETIC[0], laboratory) == (OUT, OUT)


@pytest.mark.parametrize(
    ("birth", "inside"), [("2007-12-31", True), ("2008-01-01", False), ("1950-01-01", True), ("1949-12-31", False)]
)
def test_members_are_18_to_75_on_the_last_day(birth: str, inside: bool) -> None:
    assert program(*DIABETIC, who=member(birth)) == (POOR if inside else (OUT, OUT))


# ---- the last result


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7.9", GOOD), ("7.96", GOOD), ("8.0", BETWEEN), ("8.5", BETWEEN), ("9.0", BETWEEN), ("9.01", POOR)],
)
def test_below_8_above_9_and_between_in_neither_unrounded(value: str, expected: tuple[Counts, Counts]) -> None:
    assert program(*DIABETIC, a1c("2025-06-01", value)) == expected


def test_no_test_is_poor_control() -> None:
    assert program(*DIABETIC) == POOR


def test_the_last_result_counts_and_on_one_day_the_lowest() -> None:
    assert program(*DIABETIC, a1c("2025-03-01", "7.0"), a1c("2025-09-01", "9.5")) == POOR
    assert program(*DIABETIC, a1c("2025-09-01", "9.5"), a1c("2025-09-01", "7.5")) == GOOD


def test_a_later_test_without_a_result_is_poor_control_until_the_result_comes() -> None:
    kept = (*DIABETIC, a1c("2025-03-01", "7.0"), service("hba1c_test", "2025-09-01"))
    assert program(*kept) == POOR
    assert program(*kept, a1c("2025-09-01", "7.2")) == GOOD


def test_tests_outside_the_period_do_not_count() -> None:
    assert program(*DIABETIC, a1c("2024-12-31", "7.0")) == POOR
    assert program(*DIABETIC, a1c("2025-01-01", "7.0")) == GOOD
    assert program(*DIABETIC, a1c("2025-12-31", "7.0"), a1c("2026-01-01", "9.9")) == GOOD


def test_the_management_indicator_belongs_to_the_last_day_of_its_range() -> None:
    early = observation("gmi", "2024-12-18", "2025-01-01", value="7.0", category="laboratory")
    assert program(*DIABETIC, early) == GOOD
    late = observation("gmi", "2025-12-18", "2026-01-01", value="7.0", category="laboratory")
    assert program(*DIABETIC, late) == POOR
    between = observation("gmi", "2025-05-18", "2025-06-01", value="9.5", category="laboratory")
    assert program(*DIABETIC, a1c("2025-05-31", "7.0"), between) == POOR


@pytest.mark.parametrize(
    ("role", "expected"),
    [("hba1c_lt_7", GOOD), ("hba1c_7_to_lt_8", GOOD), ("hba1c_8_to_9", BETWEEN), ("hba1c_gt_9", POOR)],
)
def test_cpt_ii_classes_count(role: str, expected: tuple[Counts, Counts]) -> None:
    assert program(*DIABETIC, service(role, "2025-06-01")) == expected


def test_a_cpt_ii_code_with_8p_does_not_count() -> None:
    assert program(*DIABETIC, service("hba1c_lt_7", "2025-06-01", modifiers=("not_done_modifier",))) == POOR


def test_what_a_practice_submits_counts() -> None:
    assert program(*DIABETIC, result("hba1c_test", "2025-06-01", "7.1")) == GOOD
    assert program(*DIABETIC, result("hba1c_test", "2025-06-01", "7.1", "rejected")) == POOR
    assert program(*DIABETIC, result("hba1c_test", "2025-06-01", "53", unit="mmol/mol")) == GOOD


# ---- units


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("53", "mmol/mol", GOOD),
        ("63.9", "mmol/mol", GOOD),
        ("64", "mmol/mol", BETWEEN),
        ("74", "mmol/mol", BETWEEN),
        ("75", "mmol/mol", POOR),
        ("53", "mmol/mol{Hb}", GOOD),
        ("7.0", "%", GOOD),
        ("7.0", "%{HbA1c}", GOOD),
        ("7.0", "", GOOD),
    ],
)
def test_a_result_in_mmol_per_mol_is_converted(value: str, unit: str, expected: tuple[Counts, Counts]) -> None:
    assert of_codes(measured("2025-06-01", value, unit)) == expected


def test_a_number_in_an_unknown_unit_or_a_result_in_words_is_a_missing_value_and_poor_control() -> None:
    assert of_codes(measured("2025-06-01", "7.0", "stones")) == POOR
    assert program(*DIABETIC, a1c("2025-06-01", says="see_report")) == POOR
    assert program(*DIABETIC, a1c("2025-05-01", "7.0"), a1c("2025-06-01", says="see_report")) == POOR
    assert program(*DIABETIC, a1c("2025-06-01", "7.0"), a1c("2025-06-01", says="see_report")) == GOOD


def test_a_test_of_a_laboratorys_own_code_is_read_in_the_units_of_hba1c() -> None:
    assert program(*DIABETIC, a1c("2025-06-01", "53", unit="mmol/mol")) == GOOD
    assert program(*DIABETIC, a1c("2025-06-01", "0.9", unit="g/dL")) == POOR


def test_average_glucose_under_the_code_of_the_indicator_is_converted() -> None:
    assert of_codes(measured("2025-06-01", "154", "mg/dL", "97506-0")) == GOOD
    assert of_codes(measured("2025-06-01", "211.6", "mg/dL", "97506-0")) == BETWEEN
    assert of_codes(measured("2025-06-01", "212", "mg/dL", "97506-0")) == POOR


# ---- exclusions, gaps


@pytest.mark.parametrize("role", ["hospice_encounter", "palliative_encounter"])
def test_hospice_and_palliative_care_exclude(role: str) -> None:
    assert program(*DIABETIC, service(role, "2025-06-01")) == (EXCLUDED, EXCLUDED)


def test_from_66_frailty_and_advanced_illness_exclude_and_frailty_alone_never_does() -> None:
    frail = (service("frailty_device", "2025-03-01"), service("frailty_device", "2025-04-01"))
    ill = (diagnosed("advanced_illness", "2024-03-01"), diagnosed("advanced_illness", "2025-04-01"))
    old = member("1955-01-01")
    assert program(*DIABETIC, *frail, who=old) == POOR
    assert program(*DIABETIC, *frail, *ill, who=old) == (EXCLUDED, EXCLUDED)


def test_of_the_rate_above_9_the_numerator_is_the_gap() -> None:
    found = outcomes("capc-2025", "GSD", year(2025), ANNA, *DIABETIC, a1c("2025-06-01", "9.5"))
    above, below = found["gt9"], found["lt8"]
    assert (above.lower_is_better, below.lower_is_better) == (True, False)
    assert above.closes_with == "an HbA1c or GMI of at most 9.0 % as the last of the period (now 9.5 % on 2025-06-01)"
    assert below.closes_with == "an HbA1c or GMI of less than 8.0 % as the last of the period (now 9.5 % on 2025-06-01)"
    assert above.due_by == below.due_by == day("2025-12-31")
    found = outcomes("capc-2025", "GSD", year(2025), ANNA, *DIABETIC, a1c("2025-06-01", "7.5"))
    assert (found["gt9"].closes_with, found["gt9"].due_by, found["lt8"].closes_with) == ("", None, "")


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ([], "none yet"),
        ([a1c("2025-05-01", "7.0"), a1c("2025-06-01")], "now without a value on 2025-06-01"),
        ([service("hba1c_gt_9", "2025-06-01")], "now hba1c_gt_9 on 2025-06-01"),
    ],
)
def test_an_open_gap_says_what_the_last_test_says_by_now_and_a_class_by_its_code(kept: list[Kept], told: str) -> None:
    found = outcomes("capc-2025", "GSD", year(2025), ANNA, *DIABETIC, *kept)["gt9"]
    assert found.closes_with == f"an HbA1c or GMI of at most 9.0 % as the last of the period ({told})"


def test_of_a_result_between_8_and_9_one_gap_is_open_and_one_closed_and_their_lines_say_which_rate() -> None:
    found = outcomes("capc-2025", "GSD", year(2025), ANNA, *DIABETIC, a1c("2025-06-01", "8.5"))
    rows = gap_rows(Asked("capc-2025", "P1", "live"), "GSD", "acme", "M", "A", found.values(), day("2025-12-31"))
    lines = [dict(zip(GAPS_COLUMNS, row, strict=True)) for row in rows]
    assert [(one["rate"], one["status"]) for one in lines] == [("lt8", "open"), ("gt9", "closed")]


def test_a_rate_has_one_threshold() -> None:
    from state.measures.gsd import GlycemicRate

    with pytest.raises(ValueError, match="either"):
        GlycemicRate("both", Decimal(8), Decimal(9))


# ---- the eCQM: published test patients of CMS122


def ecqm(number: int, birth: str, *kept: Kept) -> Counts:
    found = outcomes(f"cms-{number}", "GSD", year(number), member(birth), *kept)
    assert set(found) <= {"gt9"}
    return populations(found, "gt9")


def home(number: int, **changes: Any) -> KeptRecord:
    role = "qualifying_visit" if number == 2025 else "glycemic_visit"
    return encounter(role, f"{number}-01-01T00:00:00Z", f"{number}-01-01T00:15:00Z", **{"category": "AMB", **changes})


def diabetic(number: int, **changes: Any) -> KeptRecord:
    return condition("diabetes", f"{number}-01-01T23:59:00Z", **{"category": "encounter-diagnosis", **changes})


def eighteen(number: int) -> str:
    return f"{number - 18}-01-01"


YEARS = pytest.mark.parametrize("number", [2025, 2026])


@YEARS
def test_published_laboratory_test_with_a_null_result(number: int) -> None:
    null = a1c(f"{number}-01-02T00:00:00Z", end=f"{number}-01-03T00:00:00Z", status="corrected")
    assert ecqm(number, eighteen(number), home(number), diabetic(number), null) == MET


@YEARS
def test_published_laboratory_test_without_a_result(number: int) -> None:
    null = a1c(f"{number}-01-01T00:00:00Z", end=f"{number}-01-01T00:15:00Z", status="corrected")
    assert ecqm(number, eighteen(number), home(number), diabetic(number), null) == MET


@YEARS
def test_published_management_indicator_of_9_1(number: int) -> None:
    indicator = observation(
        "gmi",
        f"{number}-01-02T00:00:00Z",
        f"{number}-01-03T00:00:00Z",
        value="9.1",
        unit="%",
        status="corrected",
        category="laboratory",
    )
    assert ecqm(number, f"{number - 20}-01-01", home(number), diabetic(number), indicator) == MET


@YEARS
def test_published_result_that_is_a_code_is_no_missing_result(number: int) -> None:
    coded = a1c(f"{number - 1}-12-31T00:00:00Z", end=f"{number}-01-01T00:00:00Z", status="corrected", says="yes")
    assert ecqm(number, eighteen(number), home(number), diabetic(number), coded) == OPEN


def test_published_medical_nutrition_therapy_is_a_visit_of_2026() -> None:
    therapy = msgspec.structs.replace(home(2026), system="HCPCS", code="G0271")
    assert ecqm(2026, eighteen(2026), therapy, diabetic(2026)) == MET


@YEARS
def test_published_frail_and_ill(number: int) -> None:
    chair = order("device", "frailty_device", f"{number}-11-01T23:59:00.000Z", status="completed")
    drug = medication("dementia_medication", f"{number}-12-30", f"{number + 1}-03-29")
    birth = f"{number - 66}-12-31"
    assert ecqm(number, birth, home(number), diabetic(number), chair, drug) == EXCLUDED
    assert ecqm(number, birth, home(number), diabetic(number), chair) == MET
    assert ecqm(number, f"{number - 65}-12-31", home(number), diabetic(number), chair, drug) == MET


@YEARS
def test_published_wheelchair_that_was_not_ordered(number: int) -> None:
    chair = order("device", "frailty_device", f"{number}-11-01T23:59:00.000Z", status="completed", not_done=True)
    drug = medication("dementia_medication", f"{number}-12-30", f"{number + 1}-03-29")
    assert ecqm(number, f"{number - 19}-01-01", home(number), diabetic(number), chair, drug) == MET
    assert ecqm(number, f"{number - 70}-01-01", home(number), diabetic(number), chair, drug) == MET


@YEARS
def test_published_advanced_illness_of_the_last_second_of_the_year_before(number: int) -> None:
    ill = condition("advanced_illness", f"{number - 1}-12-31T23:59:59.000Z", category="encounter-diagnosis")
    chair = order("device", "frailty_device", f"{number}-11-01T23:59:00.000Z", status="completed")
    birth = f"{number - 67}-12-31"
    assert ecqm(number, birth, home(number), diabetic(number), ill, chair) == EXCLUDED
    assert ecqm(number, birth, home(number), diabetic(number), ill) == MET


@YEARS
def test_published_member_without_diabetes(number: int) -> None:
    assert ecqm(number, eighteen(number), home(number)) == OUT


@YEARS
def test_published_palliative_survey_that_overlaps_the_end(number: int) -> None:
    survey = observation(
        "palliative_assessment",
        f"{number}-12-31T00:00:00.000+00:00",
        f"{number + 1}-01-01T00:00:00.000+00:00",
        category="survey",
        says="yes",
    )
    assert ecqm(number, f"{number - 19}-01-01", home(number), diabetic(number), survey) == EXCLUDED


@YEARS
def test_published_symptom_of_frailty_of_the_first_moment_with_a_drug_for_dementia(number: int) -> None:
    first = f"{number}-01-01T00:00:00.000+00:00"
    symptom = observation("frailty_symptom", first, first, category="survey")
    drug = medication("dementia_medication", f"{number}-01-01", f"{number}-03-31")
    assert ecqm(number, f"{number - 67}-12-31", home(number), diabetic(number), symptom, drug) == EXCLUDED


@YEARS
def test_published_order_of_hospice_care(number: int) -> None:
    ordered = order("procedure", "hospice_intervention", f"{number}-01-02T00:00:00.000+00:00", status="completed")
    assert ecqm(number, f"{number - 20}-01-01", home(number), diabetic(number), ordered) == EXCLUDED


@YEARS
def test_published_hospice_care_on_the_last_day(number: int) -> None:
    care = procedure("hospice_intervention", f"{number}-12-31T00:00:00.000+00:00", f"{number}-12-31T23:59:59.000+00:00")
    assert ecqm(number, f"{number - 20}-01-01", home(number), diabetic(number), care) == EXCLUDED


@YEARS
def test_published_hospice_diagnosis_of_the_last_second(number: int) -> None:
    found = condition("hospice_diagnosis", f"{number}-12-31T23:59:59Z")
    assert ecqm(number, f"{number - 19}-01-01", home(number), diabetic(number), found) == EXCLUDED


@YEARS
def test_published_nursing_home(number: int) -> None:
    lives = observation(
        "housing_status",
        f"{number - 1}-12-31T00:00:00Z",
        f"{number}-01-01T00:00:00Z",
        category="survey",
        says="nursing_home",
    )
    assert ecqm(number, f"{number - 67}-12-31", home(number), diabetic(number), lives) == EXCLUDED


@YEARS
def test_published_advanced_illness_without_frailty(number: int) -> None:
    ill = condition("advanced_illness", f"{number - 1}-01-01T00:00:00Z")
    assert ecqm(number, f"{number - 74}-12-31", home(number), diabetic(number), ill) == MET


@YEARS
@pytest.mark.parametrize(("age", "expected"), [(75, MET), (76, OUT)])
def test_published_members_of_75_and_76(number: int, age: int, expected: Counts) -> None:
    assert ecqm(number, f"{number - age}-01-01", home(number), diabetic(number)) == expected


@YEARS
def test_published_member_without_a_visit(number: int) -> None:
    assert ecqm(number, f"{number - 19}-01-01", diabetic(number)) == OUT


# ---- the eCQM: paths of the CQL


@YEARS
@pytest.mark.parametrize(
    ("birth", "expected"), [("12-31", MET), ("01-01", OUT)], ids=["18 on the last day", "not yet 18"]
)
def test_the_age_is_that_of_the_last_day(number: int, birth: str, expected: Counts) -> None:
    year_of_birth = number - 18 if birth == "12-31" else number - 17
    assert ecqm(number, f"{year_of_birth}-{birth}", home(number), diabetic(number)) == expected


@YEARS
def test_a_result_of_9_is_not_above_9(number: int) -> None:
    base = (home(number), diabetic(number))
    assert ecqm(number, eighteen(number), *base, a1c(f"{number}-05-01", "9")) == OPEN
    assert ecqm(number, eighteen(number), *base, a1c(f"{number}-05-01", "9.1")) == MET
    assert ecqm(number, eighteen(number), *base, a1c(f"{number}-05-01", "8.9")) == OPEN


@YEARS
def test_of_a_last_day_with_a_missing_result_the_missing_one_is_the_lowest(number: int) -> None:
    kept = (home(number), diabetic(number), a1c(f"{number}-05-01", "7.0"))
    assert ecqm(number, eighteen(number), *kept) == OPEN
    assert ecqm(number, eighteen(number), *kept, a1c(f"{number}-05-01")) == MET


@YEARS
@pytest.mark.parametrize("changes", [{"status": "preliminary"}, {"status": "cancelled"}, {"category": "survey"}])
def test_a_test_that_was_not_performed_in_a_laboratory_is_none(number: int, changes: dict[str, str]) -> None:
    assert (
        ecqm(number, eighteen(number), home(number), diabetic(number), a1c(f"{number}-05-01", "7.0", **changes)) == MET
    )


def test_a_diabetes_of_the_problem_list_counts_in_2025_alone() -> None:
    for number, expected in ((2025, MET), (2026, OUT)):
        listed = diabetic(number, category="problem-list-item")
        assert ecqm(number, eighteen(number), home(number), listed) == expected


def test_a_refuted_diabetes_counts_in_2025_alone() -> None:
    for number, expected in ((2025, MET), (2026, OUT)):
        assert ecqm(number, eighteen(number), home(number), diabetic(number, verification="refuted")) == expected


def test_an_encounter_that_has_not_finished_is_a_visit_in_2025_alone() -> None:
    for number, expected in ((2025, MET), (2026, OUT)):
        assert ecqm(number, eighteen(number), home(number, status="in-progress"), diabetic(number)) == expected


@YEARS
def test_a_claim_stands_for_visit_and_diagnosis(number: int) -> None:
    role = "qualifying_visit" if number == 2025 else "glycemic_visit"
    seen = claim(line(role, f"{number}-02-01"), diagnoses=("diabetes",))
    assert ecqm(number, eighteen(number), seen) == MET
