"""DSF: golden cases of measures.md 2.1, its traps by name, and published test patients of CMS2 as facts of our own."""

from __future__ import annotations

from typing import Any

import pytest

from state.measures.facts import Kept, KeptRecord, Profile
from state.measures.outcome import Outcome
from tests.measure_builders import (
    claim,
    condition,
    covered,
    day,
    diagnosed,
    dispensing,
    encounter,
    line,
    medication,
    member,
    months,
    observation,
    order,
    outcomes,
    populations,
    procedure,
    result,
    service,
    year,
)

ANNA = member("1985-05-05")
ADOLESCENT = member("2010-05-05")
OUT, OPEN, EXCLUDED, MET = (0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 0, 1)
NOBODY = (1, 0, 0, 0)
"""Inside the initial population, and not in the denominator."""
Counts = tuple[int, int, int, int]


def program(*kept: Kept, who: Profile = ANNA) -> tuple[Counts, Counts]:
    """The rates "screened" and "followed_up"."""
    found = outcomes("capc-2025", "DSF", year(2025), who, *kept)
    return populations(found, "screened"), populations(found, "followed_up")


def score(role: str, on: str, value: object, **changes: Any) -> KeptRecord:
    return observation(role, on, value=value, **changes)


POSITIVE = score("phq9", "2025-03-01", 10)
NEGATIVE = score("phq9", "2025-03-01", 9)


# ---- screened


def test_a_standard_tool_with_a_result_screens() -> None:
    assert program() == (OPEN, NOBODY)
    assert program(NEGATIVE) == (MET, NOBODY)
    assert program(POSITIVE) == (MET, OPEN)
    assert program(observation("phq9", "2025-03-01")) == (OPEN, NOBODY)


def test_a_claim_that_bills_for_a_screen_is_none() -> None:
    assert program(service("phq9", "2025-03-01")) == (OPEN, NOBODY)
    assert program(service("depression_screening", "2025-03-01")) == (OPEN, NOBODY)


def test_a_score_that_a_practice_submits_counts() -> None:
    assert program(result("phq9", "2025-03-01", "4")) == (MET, NOBODY)
    assert program(result("phq9", "2025-03-01", "4", "rejected")) == (OPEN, NOBODY)


@pytest.mark.parametrize(
    ("on", "expected"), [("2024-12-31", OPEN), ("2025-01-01", MET), ("2025-12-01", MET), ("2025-12-02", OPEN)]
)
def test_screens_count_until_december_1(on: str, expected: Counts) -> None:
    assert program(score("phq9", on, 3))[0] == expected


def test_in_a_rolling_period_the_last_day_is_thirty_days_before_its_end() -> None:
    period = months("2024-07-01", "2025-06-30")
    for on, expected in (("2025-05-31", MET), ("2025-06-01", OPEN)):
        assert populations(outcomes("capc-2025", "DSF", period, ANNA, score("phq9", on, 3)), "screened") == expected


@pytest.mark.parametrize(
    ("birth", "expected"), [("2013-01-01", OPEN), ("2013-01-02", OUT)], ids=["12 on January 1", "not yet 12"]
)
def test_members_are_12_on_the_first_day(birth: str, expected: Counts) -> None:
    assert program(who=member(birth))[0] == expected


def test_adolescents_are_not_screened_with_tools_for_adults_nor_adults_with_those_for_adolescents() -> None:
    for role in ("bdi_ii", "duke_ad", "gds_short", "gds_long", "m3", "cudos"):
        assert program(score(role, "2025-03-01", 1), who=ADOLESCENT)[0] == OPEN
        assert program(score(role, "2025-03-01", 1))[0] == MET
    assert program(score("phq9_teen", "2025-03-01", 1), who=ADOLESCENT)[0] == MET
    assert program(score("phq9_teen", "2025-03-01", 1))[0] == OPEN


@pytest.mark.parametrize(
    ("role", "from_score"),
    [
        ("phq9", 10),
        ("phq2", 3),
        ("bdi_fs", 8),
        ("bdi_ii", 20),
        ("cesd_r", 17),
        ("duke_ad", 30),
        ("gds_short", 5),
        ("gds_long", 10),
        ("epds", 10),
        ("m3", 5),
        ("promis_depression", 60),
        ("cudos", 31),
    ],
)
def test_each_tool_is_positive_from_its_cut_off(role: str, from_score: int) -> None:
    assert program(score(role, "2025-03-01", from_score)) == (MET, OPEN)
    assert program(score(role, "2025-03-01", from_score - 1)) == (MET, NOBODY)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (diagnosed("bipolar_disorder", "2001-01-01"), EXCLUDED),
        (diagnosed("bipolar_disorder", "2024-12-31"), EXCLUDED),
        (diagnosed("bipolar_disorder", "2025-01-01"), OPEN),
        (diagnosed("depression", "2024-01-01"), EXCLUDED),
        (diagnosed("depression", "2024-12-31"), EXCLUDED),
        (diagnosed("depression", "2023-12-31"), OPEN),
        (diagnosed("depression", "2025-01-01"), OPEN),
        (service("hospice_encounter", "2025-12-31"), EXCLUDED),
    ],
)
def test_exclusions(kept: Kept, expected: Counts) -> None:
    assert program(kept)[0] == expected


def test_an_excluded_member_with_a_positive_screen_is_in_neither_numerator_nor_second_denominator() -> None:
    assert program(POSITIVE, diagnosed("depression", "2024-06-01")) == (EXCLUDED, NOBODY)


def test_a_member_without_enough_enrollment_is_in_neither_rate() -> None:
    gone = member("1985-05-05", "F", covered("2025-01-01", "2025-11-30"))
    assert program(NEGATIVE, who=gone) == (OUT, OUT)


# ---- followed up


def follow_up(on: str) -> Kept:
    return claim(line("follow_up_visit", on), diagnoses=("behavioral_health_condition",))


@pytest.mark.parametrize(
    ("on", "expected"),
    [("2025-02-28", OPEN), ("2025-03-01", MET), ("2025-03-31", MET), ("2025-04-01", OPEN)],
    ids=["the day before", "the same day", "day 30", "day 31"],
)
def test_a_follow_up_is_on_the_day_or_in_the_30_days_after(on: str, expected: Counts) -> None:
    assert program(POSITIVE, follow_up(on))[1] == expected


def test_the_first_positive_screen_decides_not_the_last() -> None:
    again = score("phq9", "2025-09-01", 15)
    assert program(POSITIVE, again, follow_up("2025-09-05")) == (MET, OPEN)
    assert program(POSITIVE, again, follow_up("2025-03-05")) == (MET, MET)


@pytest.mark.parametrize(
    "kept",
    [
        follow_up("2025-03-05"),
        claim(line("depression_case_management", "2025-03-05"), diagnoses=("depression_symptom",)),
        service("behavioral_health_encounter", "2025-03-05"),
        diagnosed("exercise_counselling", "2025-03-05"),
        dispensing("antidepressant", "2025-03-05"),
    ],
)
def test_what_follows_up(kept: Kept) -> None:
    assert program(POSITIVE, kept)[1] == MET


@pytest.mark.parametrize(
    "kept",
    [
        service("follow_up_visit", "2025-03-05"),
        diagnosed("behavioral_health_condition", "2025-03-05"),
        service("depression_case_management", "2025-03-05"),
        dispensing("diabetes_medication", "2025-03-05"),
        dispensing("antidepressant", "2025-03-05", denied=True),
    ],
)
def test_what_does_not_follow_up(kept: Kept) -> None:
    assert program(POSITIVE, kept)[1] == OPEN


def test_a_negative_full_screen_of_the_same_day_takes_back_a_positive_brief_one() -> None:
    brief = score("phq2", "2025-03-01", 3)
    assert program(brief)[1] == OPEN
    assert program(brief, score("phq9", "2025-03-01", 9))[1] == MET
    assert program(brief, score("phq9", "2025-03-02", 9))[1] == OPEN
    assert program(brief, score("bdi_fs", "2025-03-01", 1))[1] == OPEN
    assert program(brief, score("phq9", "2025-03-01", 10), score("epds", "2025-03-01", 2))[1] == OPEN


def test_the_gap_of_a_positive_screen_is_due_in_30_days() -> None:
    found = outcomes("capc-2025", "DSF", year(2025), ANNA, POSITIVE)
    assert found["followed_up"].due_by == day("2025-03-31")
    assert found["followed_up"].closes_with.endswith("within 30 days of the positive screen of 2025-03-01")
    assert found["screened"].closes_with == ""
    found = outcomes("capc-2025", "DSF", year(2025), ANNA)
    assert found["screened"].due_by == day("2025-12-01")
    assert found["followed_up"].closes_with == ""


def test_the_band_is_that_of_the_first_day() -> None:
    for birth, band in (("2007-01-02", "12-17"), ("2007-01-01", "18-64"), ("1960-01-01", "65-200")):
        found = outcomes("capc-2025", "DSF", year(2025), member(birth), POSITIVE)
        assert {one.band for one in found.values()} == {band}


# ---- the eCQM: published test patients of CMS2


def ecqm(number: int, birth: str, *kept: Kept) -> tuple[int, int, int, int, int]:
    found: dict[str, Outcome] = outcomes(f"cms-{number}", "DSF", year(number), member(birth), *kept)
    one = found.get("screened", Outcome(rate="screened"))
    return (*populations(found, "screened"), one.denominator_exception)


def seen(number: int, start: str = "06-21T08:00:00Z", end: str = "06-21T08:15:00Z", **changes: Any) -> KeptRecord:
    return encounter("depression_visit", f"{number}-{start}", f"{number}-{end}", **{"category": "AMB", **changes})


def screen(group: str, on: str, answer: str = "positive", **changes: Any) -> KeptRecord:
    return observation(
        f"{group}_screening", on, **{"category": "procedure;survey", "says": f"screening_{answer}", **changes}
    )


def drug(group: str, authored: str, last: str | None) -> KeptRecord:
    return medication(f"{group}_medication", authored[:10], last, authored=authored, authored_at=authored)


def not_done(group: str, issued: str, reason: str = "720834000") -> KeptRecord:
    return observation(
        f"{group}_screening",
        issued,
        status="cancelled",
        not_done=True,
        authored=issued,
        authored_at=issued,
        reason_code=reason,
        value_code="true",
        value_system="boolean",
    )


YEARS = pytest.mark.parametrize("number", [2025, 2026])
NOT_IN, UNMET, LEFT_OUT, DONE, EXCEPTED = (
    (0, 0, 0, 0, 0),
    (1, 1, 0, 0, 0),
    (1, 1, 1, 0, 0),
    (1, 1, 0, 1, 0),
    (1, 1, 0, 0, 1),
)


def twelve(number: int) -> str:
    return f"{number - 12}-01-01"


def eighteen(number: int) -> str:
    return f"{number - 18}-01-01"


@YEARS
def test_published_12_year_old_with_a_prescription_on_the_day_of_the_visit(number: int) -> None:
    kept = (
        seen(number),
        screen("adolescent", f"{number}-06-15T08:00:00Z"),
        drug("adolescent", f"{number}-06-21T08:00:00Z", f"{number}-07-20"),
    )
    assert ecqm(number, twelve(number), *kept) == DONE


def test_published_12_year_old_of_2025_with_a_prescription_the_day_after_of_no_stated_length() -> None:
    for number, expected in ((2025, DONE), (2026, UNMET)):
        kept = (
            seen(number),
            screen("adolescent", f"{number}-06-15T08:00:00Z"),
            drug("adolescent", f"{number}-06-22T08:00:00.000+00:00", None),
        )
        assert ecqm(number, twelve(number), *kept) == expected


@YEARS
def test_published_12_year_old_with_a_prescription_three_days_after(number: int) -> None:
    kept = (
        seen(number),
        screen("adolescent", f"{number - 12}-06-15T08:00:00.000+00:00"),
        drug("adolescent", f"{number}-06-24T08:00:00.000+00:00", None),
    )
    assert ecqm(number, twelve(number), *kept) == UNMET


@YEARS
def test_published_17_year_old_with_the_tool_for_adults(number: int) -> None:
    kept = (
        screen("adult", f"{number}-01-01T08:00:00.000+00:00"),
        seen(number, "01-01T08:00:00.000+00:00", "01-01T08:15:00.000+00:00"),
        drug("adult", f"{number}-01-01T08:14:00.000+00:00", f"{number}-01-30"),
    )
    assert ecqm(number, f"{number - 17}-01-01", *kept) == DONE
    assert ecqm(number, f"{number - 16}-01-01", *kept) == UNMET


@YEARS
def test_published_adult_with_a_prescription_on_the_day_of_the_visit(number: int) -> None:
    kept = (
        seen(number),
        screen("adult", f"{number}-06-15T08:00:00Z"),
        drug("adult", f"{number}-06-21T08:00:00Z", f"{number}-07-20"),
    )
    assert ecqm(number, eighteen(number), *kept) == DONE


@YEARS
def test_published_adult_with_a_medical_reason_not_to_screen(number: int) -> None:
    visit = seen(number, "06-28T08:00:00.000+00:00", "06-28T08:15:00.000+00:00")
    reason = not_done("adult", f"{number}-06-28T08:00:00.000+00:00", "reason_not_to_screen")
    assert ecqm(number, eighteen(number), visit, reason) == EXCEPTED


@YEARS
def test_published_adult_who_declined_to_be_screened(number: int) -> None:
    visit = seen(number, "06-28T08:00:00.000+00:00", "06-28T08:15:00.000+00:00")
    reason = not_done("adult", f"{number}-06-28T08:00:00.000+00:00")
    assert ecqm(number, f"{number - 18}-12-31", visit, reason) == EXCEPTED


@YEARS
def test_published_adult_who_declined_and_was_screened_a_week_ago_with_an_answer_that_is_no_code(number: int) -> None:
    visit = seen(number, "06-28T08:00:00.000+00:00", "06-28T08:15:00.000+00:00")
    reason = not_done("adult", f"{number}-06-28T08:00:00.000+00:00")
    answered = observation(
        "adult_screening", f"{number}-06-21T08:00:00.000+00:00", value_system="boolean", value_code="true"
    )
    assert ecqm(number, eighteen(number), visit, reason, answered) == UNMET


@YEARS
@pytest.mark.parametrize("onset", ["5 years before", "6 days before"])
def test_published_adult_with_a_bipolar_disorder(number: int, onset: str) -> None:
    year_of_onset = number - 5 if onset == "5 years before" else number
    bipolar = condition("bipolar_disorder", f"{year_of_onset}-06-15T08:00:00.000+00:00")
    assert ecqm(number, eighteen(number), seen(number), bipolar) == LEFT_OUT


@YEARS
def test_published_12_year_old_with_a_procedure_during_the_visit(number: int) -> None:
    kept = (
        seen(number),
        screen("adolescent", f"{number}-06-21T08:00:00.000+00:00"),
        procedure("adolescent_follow_up", f"{number}-06-21T08:00:00.000+00:00"),
    )
    assert ecqm(number, twelve(number), *kept) == DONE


@YEARS
def test_published_12_year_old_with_a_referral_on_the_last_day_of_a_visit_of_a_week(number: int) -> None:
    kept = (
        seen(number, "06-15T08:00:00.000+00:00", "06-21T08:15:00.000+00:00"),
        screen("adolescent", f"{number}-06-15T08:00:00.000+00:00"),
        order("procedure", "adolescent_referral", f"{number}-06-21T08:00:00.000+00:00"),
    )
    assert ecqm(number, twelve(number), *kept) == DONE


def test_published_adult_of_2025_with_a_prescription_of_no_stated_length_and_a_procedure() -> None:
    prescribed = drug("adult", "2025-06-21T08:00:00.000+00:00", None)
    base = (seen(2025), screen("adult", "2025-06-15T08:00:00.000+00:00"))
    treated = procedure("adult_follow_up", "2025-06-21T08:00:00.000+00:00")
    assert ecqm(2025, eighteen(2025), *base, prescribed, treated) == DONE
    assert ecqm(2025, eighteen(2025), *base, prescribed) == DONE


def test_published_adult_of_2026_with_a_prescription_of_the_year_before() -> None:
    kept = (
        seen(2026),
        screen("adult", "2026-06-15T08:00:00.000+00:00"),
        drug("adult", "2025-06-24T08:00:00.000+00:00", None),
    )
    assert ecqm(2026, eighteen(2026), *kept) == UNMET


@YEARS
def test_published_17_year_old_with_a_bipolar_disorder(number: int) -> None:
    visit = seen(number, "01-01T08:00:00.000+00:00", "01-01T08:15:00.000+00:00")
    bipolar = condition("bipolar_disorder", f"{number - 5}-12-31T23:59:00.000+00:00")
    assert ecqm(number, f"{number - 17}-01-01", visit, bipolar) == LEFT_OUT


@YEARS
def test_published_child_who_is_not_yet_12(number: int) -> None:
    visit = seen(number, "08-12T08:00:00.000+00:00", "08-12T08:15:00.000+00:00")
    assert ecqm(number, f"{number - 12}-01-03", visit) == NOT_IN


@YEARS
def test_published_adult_seen_by_telephone_without_a_screening(number: int) -> None:
    call = seen(number, "08-12T08:00:00.000+00:00", "08-12T08:15:00.000+00:00", category="VR")
    assert ecqm(number, eighteen(number), call) == UNMET


# ---- the eCQM: paths of the CQL


@YEARS
@pytest.mark.parametrize(("birth", "expected"), [("01-01", UNMET), ("01-02", NOT_IN)])
def test_the_age_is_that_of_the_first_day(number: int, birth: str, expected: tuple[int, ...]) -> None:
    assert ecqm(number, f"{number - 12}-{birth}", seen(number)) == expected


@YEARS
@pytest.mark.parametrize(
    ("on", "expected"), [("06-06", UNMET), ("06-07", DONE), ("06-21T23:00:00Z", DONE), ("06-22", UNMET)]
)
def test_a_screen_is_on_the_day_of_the_visit_or_in_the_14_days_before(
    number: int, on: str, expected: tuple[int, ...]
) -> None:
    assert ecqm(number, eighteen(number), seen(number), screen("adult", f"{number}-{on}", "negative")) == expected


@YEARS
def test_a_screen_before_the_period_counts_at_a_visit_of_its_first_days(number: int) -> None:
    visit = seen(number, "01-01", "01-01")
    assert ecqm(number, eighteen(number), visit, screen("adult", f"{number - 1}-12-18", "negative")) == DONE


@YEARS
def test_the_last_screen_decides(number: int) -> None:
    first, last = screen("adult", f"{number}-06-15", "negative"), screen("adult", f"{number}-06-16", "positive")
    assert ecqm(number, eighteen(number), seen(number), first, last) == UNMET
    later = screen("adult", f"{number}-06-16T09:00:00Z", "negative")
    earlier = screen("adult", f"{number}-06-16T08:00:00Z", "positive")
    assert ecqm(number, eighteen(number), seen(number), later, earlier) == DONE


@YEARS
def test_a_screen_with_neither_answer_is_a_screen_and_does_not_count(number: int) -> None:
    unclear = screen("adult", f"{number}-06-15", "unclear")
    assert ecqm(number, eighteen(number), seen(number), unclear) == UNMET
    silent = observation("adult_screening", f"{number}-06-15")
    assert ecqm(number, eighteen(number), seen(number), silent, screen("adult", f"{number}-06-14", "negative")) == DONE


def test_a_corrected_screen_counts_in_2026_alone() -> None:
    for number, expected in ((2025, UNMET), (2026, DONE)):
        corrected = screen("adult", f"{number}-06-15", "negative", status="corrected")
        assert ecqm(number, eighteen(number), seen(number), corrected) == expected


@YEARS
def test_adolescents_and_adults_have_tools_of_their_own(number: int) -> None:
    adolescent = screen("adolescent", f"{number}-06-15", "negative")
    adult = screen("adult", f"{number}-06-15", "negative")
    for birth, first, second in ((16, DONE, UNMET), (17, DONE, DONE), (18, UNMET, DONE)):
        who = f"{number - birth}-01-01"
        assert ecqm(number, who, seen(number), adolescent) == first
        assert ecqm(number, who, seen(number), adult) == second


@YEARS
def test_a_referral_follows_up_until_two_days_after_the_end_of_the_visit_whatever_its_intent(number: int) -> None:
    visit = seen(number, "06-21", "06-23")
    positive = screen("adult", f"{number}-06-21")
    for on, expected in (("06-22", UNMET), ("06-23", DONE), ("06-25", DONE), ("06-26", UNMET)):
        asked = order("procedure", "adult_referral", f"{number}-{on}", intent="plan")
        assert ecqm(number, eighteen(number), visit, positive, asked) == expected
    for changes in ({"status": "revoked"}, {"status": "draft"}, {"not_done": True}):
        asked = order("procedure", "adult_referral", f"{number}-06-23", **changes)
        assert ecqm(number, eighteen(number), visit, positive, asked) == UNMET


@YEARS
def test_a_procedure_follows_up_from_the_beginning_to_the_end_of_the_visit(number: int) -> None:
    positive = screen("adult", f"{number}-06-21T07:00:00Z")
    for at, expected in (
        ("07:59:59", UNMET),
        ("08:00:00", DONE),
        ("08:15:00", DONE),
        ("08:15:01", UNMET),
    ):
        done = procedure("adult_follow_up", f"{number}-06-21T{at}Z")
        assert ecqm(number, eighteen(number), seen(number), positive, done) == expected
    assert ecqm(number, eighteen(number), seen(number), positive, service("adult_follow_up", f"{number}-06-21")) == DONE
    undone = procedure("adult_follow_up", f"{number}-06-21T08:00:00Z", status="not-done")
    assert ecqm(number, eighteen(number), seen(number), positive, undone) == UNMET


@YEARS
def test_whether_a_mere_day_lies_in_a_visit_of_moments_nobody_knows(number: int) -> None:
    positive = screen("adult", f"{number}-06-20T07:00:00Z")
    stay = seen(number, "06-21T08:00:00Z", "06-23T08:00:00Z")
    for on, expected in (("06-21", UNMET), ("06-22", DONE), ("06-23", UNMET)):
        assert (
            ecqm(number, eighteen(number), stay, positive, procedure("adult_follow_up", f"{number}-{on}")) == expected
        )


@YEARS
def test_a_follow_up_after_the_period_does_not_count(number: int) -> None:
    visit, positive = seen(number, "12-31", "12-31"), screen("adult", f"{number}-12-31")
    late = order("procedure", "adult_referral", f"{number + 1}-01-01")
    assert ecqm(number, eighteen(number), visit, positive, late) == UNMET
    assert (
        ecqm(number, eighteen(number), visit, positive, order("procedure", "adult_referral", f"{number}-12-31")) == DONE
    )


def test_a_drug_of_2026_must_last_beyond_the_visit() -> None:
    for number, expected in ((2025, DONE), (2026, UNMET)):
        kept = (seen(number), screen("adult", f"{number}-06-21"))
        assert ecqm(number, eighteen(number), *kept, drug("adult", f"{number}-06-21", f"{number}-06-21")) == expected
        after = drug("adult", f"{number}-06-22", f"{number}-07-21")
        assert ecqm(number, eighteen(number), *kept, after) == expected


@YEARS
def test_a_dispensing_stands_for_its_order(number: int) -> None:
    kept = (seen(number), screen("adult", f"{number}-06-21"))
    assert ecqm(number, eighteen(number), *kept, dispensing("adult_medication", f"{number}-06-21")) == DONE


def test_a_bipolar_disorder_of_the_day_of_the_visit_lies_before_it_by_the_moment_in_2025_and_by_the_day_in_2026() -> (
    None
):
    for number, expected in ((2025, LEFT_OUT), (2026, UNMET)):
        just_before = condition("bipolar_disorder", f"{number}-06-21T07:59:59Z")
        assert ecqm(number, eighteen(number), seen(number), just_before) == expected
        just_then = condition("bipolar_disorder", f"{number}-06-21T08:00:00Z")
        assert ecqm(number, eighteen(number), seen(number), just_then) == UNMET
        some_time_then = condition("bipolar_disorder", f"{number}-06-21")
        assert ecqm(number, eighteen(number), seen(number), some_time_then) == UNMET
        the_day_before = condition("bipolar_disorder", f"{number}-06-20")
        assert ecqm(number, eighteen(number), seen(number), the_day_before) == LEFT_OUT


@YEARS
def test_a_bipolar_disorder_counts_from_problem_list_and_concerns_not_from_encounters(number: int) -> None:
    for category, expected in (
        ("problem-list-item", LEFT_OUT),
        ("health-concern", LEFT_OUT),
        ("problem-list-item;health-concern", LEFT_OUT),
        ("encounter-diagnosis", UNMET),
    ):
        stated = condition("bipolar_disorder", f"{number - 1}-01-01", category=category, status="resolved")
        assert ecqm(number, eighteen(number), seen(number), stated) == expected
    assert ecqm(number, eighteen(number), seen(number), diagnosed("bipolar_disorder", f"{number - 1}-01-01")) == UNMET


def test_a_reason_not_to_screen_is_noted_during_the_visit_by_the_moment_in_2025_and_by_the_day_in_2026() -> None:
    for number, expected in ((2025, UNMET), (2026, EXCEPTED)):
        at_eight = not_done("adult", f"{number}-06-21T08:00:00Z")
        assert ecqm(number, eighteen(number), seen(number), at_eight) == EXCEPTED
        at_nine = not_done("adult", f"{number}-06-21T09:00:00Z")
        assert ecqm(number, eighteen(number), seen(number), at_nine) == expected
        next_day = not_done("adult", f"{number}-06-22T08:00:00Z")
        assert ecqm(number, eighteen(number), seen(number), next_day) == UNMET


@YEARS
def test_no_exception_for_those_who_were_screened_or_met_the_rate_or_gave_another_reason(number: int) -> None:
    reason = not_done("adult", f"{number}-06-21T08:00:00Z")
    a_week_ago = screen("adult", f"{number}-06-14")
    assert ecqm(number, eighteen(number), seen(number), reason, a_week_ago) == UNMET
    other = not_done("adult", f"{number}-06-21T08:00:00Z", "1")
    assert ecqm(number, eighteen(number), seen(number), other) == UNMET
    adolescent = screen("adolescent", f"{number}-06-15", "negative")
    assert ecqm(number, f"{number - 17}-01-01", seen(number), reason, adolescent) == DONE
    bipolar = condition("bipolar_disorder", f"{number - 5}-01-01")
    assert ecqm(number, eighteen(number), seen(number), reason, bipolar) == LEFT_OUT


@YEARS
def test_either_tool_not_used_is_an_exception_whatever_the_age(number: int) -> None:
    assert ecqm(number, eighteen(number), seen(number), not_done("adolescent", f"{number}-06-21T08:00:00Z")) == EXCEPTED


@YEARS
@pytest.mark.parametrize("status", ["in-progress", "planned", "arrived", "cancelled"])
def test_a_visit_has_finished(number: int, status: str) -> None:
    assert ecqm(number, eighteen(number), seen(number, status=status)) == NOT_IN
