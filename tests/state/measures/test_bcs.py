"""BCS: golden cases of measures.md 3 and of CMS125, each trap by its name."""

from __future__ import annotations

import pytest

from state.measures.facts import CoverSpan, Kept
from state.measures.period import Period
from tests.measure_builders import (
    claim,
    condition,
    covered,
    day,
    diagnosed,
    encounter,
    line,
    member,
    months,
    observation,
    order,
    outcomes,
    populations,
    procedure,
    service,
    year,
)

IN, OUT, MET, NOT_IN = (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 0, 1), (0, 0, 0, 0)


def _program(
    *kept: Kept,
    birth: str = "1965-06-01",
    gender: str = "F",
    spans: tuple[CoverSpan, ...] = (),
    period: Period | None = None,
    edition: str = "capc-2024",
) -> tuple[int, int, int, int]:
    found = outcomes(edition, "BCS", period or year(2024), member(birth, gender, *spans), *kept)
    return populations(found, "screened")


def test_a_mammogram_counts_for_27_months() -> None:
    assert _program(service("mammography", "2022-10-01")) == MET
    assert _program(service("mammography", "2022-09-30")) == IN
    assert _program(service("mammography", "2024-12-31")) == MET
    assert _program(service("mammography", "2025-01-01")) == IN


def test_a_rolling_period_moves_the_window_with_it() -> None:
    period = months("2024-07-01", "2025-06-30")
    assert _program(service("mammography", "2023-04-01"), period=period) == MET
    assert _program(service("mammography", "2023-03-31"), period=period) == IN


def test_women_are_measured_from_52_to_74_on_the_last_day() -> None:
    assert _program(birth="1972-12-31") == IN
    assert _program(birth="1973-01-01") == NOT_IN
    assert _program(birth="1950-01-01") == IN
    assert _program(birth="1949-12-31") == NOT_IN
    assert _program(gender="M") == NOT_IN


def test_a_birthday_on_february_29_is_on_february_28_in_other_years() -> None:
    assert _program(birth="1972-02-29", period=months("2023-03-01", "2024-02-28")) == NOT_IN
    assert _program(birth="1972-02-29", period=months("2023-03-01", "2024-02-29")) == IN
    assert _program(birth="1972-02-29", period=months("2024-03-01", "2025-02-28")) == IN


def test_the_three_months_before_the_two_years_allow_no_gap() -> None:
    assert _program(spans=(covered("2022-10-01", "2030-01-01"),)) == IN
    assert _program(spans=(covered("2022-10-02", "2030-01-01"),)) == NOT_IN


def test_who_has_left_by_the_last_day_is_not_measured() -> None:
    assert _program(spans=(covered("2020-01-01", "2024-12-30"),)) == NOT_IN
    assert _program(spans=(covered("2020-01-01", "2024-12-31"),)) == IN


def test_left_and_right_on_one_day_or_years_apart_are_both() -> None:
    def removed(on: str, *modifiers: str) -> Kept:
        return service("unilateral_mastectomy", on, modifiers=modifiers)

    assert _program(removed("2020-05-05", "left_modifier"), removed("2020-05-05", "right_modifier")) == OUT
    assert _program(removed("2001-05-05", "left_modifier"), removed("2024-12-31", "right_modifier")) == OUT
    assert _program(removed("2020-05-05", "left_modifier", "right_modifier")) == OUT
    assert _program(removed("2020-05-05", "bilateral_modifier")) == OUT


def test_the_same_side_twice_or_a_side_unknown_is_not_both() -> None:
    left = service("unilateral_mastectomy", "2020-05-05", modifiers=("left_modifier",))
    again = service("unilateral_mastectomy", "2021-05-05", modifiers=("left_modifier",))
    unknown = service("unilateral_mastectomy", "2021-05-05")
    assert _program(left, again) == IN
    assert _program(left, unknown) == IN
    assert _program(unknown, service("unilateral_mastectomy", "2021-06-05")) == IN


def test_sides_are_known_by_procedure_absence_and_modifier_in_any_mix() -> None:
    right = (
        service("unilateral_mastectomy", "2020-05-05", modifiers=("right_modifier",)),
        diagnosed("absence_of_right_breast", "2024-12-31"),
        procedure("unilateral_mastectomy", "2020-05-05", body_site="24028007"),
        service("unilateral_mastectomy_right", "2019-01-01"),
    )
    left = (
        service("unilateral_mastectomy_left", "2021-05-05"),
        condition("absence_of_left_breast", "2000-01-01"),
    )
    for one in right:
        for other in left:
            assert _program(one, other) == OUT
        assert _program(one) == IN


def test_a_mastectomy_after_the_period_does_not_exclude_it() -> None:
    assert _program(diagnosed("history_of_bilateral_mastectomy", "2025-01-01")) == IN
    assert _program(diagnosed("history_of_bilateral_mastectomy", "2024-12-31")) == OUT
    assert _program(service("bilateral_mastectomy", "1999-01-01")) == OUT


def test_chest_surgery_excludes_since_2025_and_only_with_its_reason() -> None:
    surgery = service("gender_affirming_chest_surgery", "2023-03-03")
    reason = diagnosed("gender_dysphoria", "2022-03-03")
    assert _program(surgery, reason) == IN
    assert _program(surgery, reason, period=year(2025), edition="capc-2025") == OUT
    assert _program(surgery, period=year(2025), edition="capc-2025") == IN
    assert _program(reason, period=year(2025), edition="capc-2025") == IN


def test_excluded_members_have_no_numerator() -> None:
    assert _program(service("mammography", "2024-05-05"), service("hospice_encounter", "2024-05-06")) == OUT


@pytest.mark.parametrize("modifier", ["not_done_modifier"])
def test_a_code_with_a_modifier_for_not_done_does_not_count(modifier: str) -> None:
    assert _program(service("mammography", "2024-05-05", modifiers=(modifier,))) == IN
    assert _program(service("mammography", "2024-05-05", modifiers=("26",))) == MET


def test_a_denied_line_is_a_service_that_took_place() -> None:
    assert _program(service("mammography", "2024-05-05", denied=True)) == MET
    assert _program(claim(line("mammography", "2024-05-05"), denied=True)) == MET


@pytest.mark.parametrize(
    ("record", "counts"),
    [
        (observation("mammography", "2024-05-05"), True),
        (observation("mammography", "2024-05-05", status=""), True),
        (procedure("mammography", "2024-05-05"), True),
        (observation("mammography", "2024-05-05", status="entered-in-error"), False),
        (observation("mammography", "2024-05-05", status="preliminary"), False),
        (observation("mammography", "2024-05-05", not_done=True), False),
        (order("procedure", "mammography", "2024-05-05", status="completed"), False),
    ],
)
def test_a_chart_counts_when_it_says_that_it_was_done(record: Kept, counts: bool) -> None:
    assert _program(record) == (MET if counts else IN)


def test_an_open_gap_says_what_closes_it_and_by_when() -> None:
    found = outcomes("capc-2024", "BCS", year(2024), member("1965-06-01"))["screened"]
    assert (found.closes_with, found.due_by) == ("a mammogram", day("2024-12-31"))
    closed = outcomes("capc-2024", "BCS", year(2024), member("1965-06-01"), service("mammography", "2024-02-02"))[
        "screened"
    ]
    assert (closed.closes_with, closed.due_by) == ("", None)
    assert closed.anchor == day("2024-12-31")


def test_the_evidence_names_what_decided() -> None:
    seen, removed = service("mammography", "2024-02-02"), service("bilateral_mastectomy", "2020-01-01")
    met = outcomes("capc-2024", "BCS", year(2024), member("1965-06-01"), seen)["screened"]
    assert met.evidence == (seen.evidence,)
    out = outcomes("capc-2024", "BCS", year(2024), member("1965-06-01"), seen, removed)["screened"]
    assert out.evidence == (removed.evidence,)
    assert [one.asks for one in out.steps if one.holds and one.evidence] == [
        "both breasts removed",
        "a mammogram from 2022-10-01 to 2024-12-31",
    ]


def _ecqm(
    *kept: Kept, edition: str = "cms-2026", number: int = 2026, birth: str = "1970-06-01", gender: str = "F"
) -> tuple[int, ...]:
    return populations(outcomes(edition, "BCS", year(number), member(birth, gender), *kept), "screened")


def test_the_ecqm_asks_for_a_visit_that_begins_and_ends_in_the_period() -> None:
    assert _ecqm(encounter("qualifying_visit", "2026-01-01", "2026-12-31")) == IN
    assert _ecqm(encounter("qualifying_visit", "2025-12-31", "2026-01-01")) == NOT_IN
    assert _ecqm(encounter("qualifying_visit", "2026-12-31", "2027-01-01")) == NOT_IN
    assert _ecqm(service("qualifying_visit", "2026-03-03")) == IN
    assert _ecqm() == NOT_IN


@pytest.mark.parametrize(
    ("status", "in_2025", "in_2026"),
    [
        ("finished", IN, IN),
        ("in-progress", IN, NOT_IN),
        ("onleave", IN, NOT_IN),
        ("triaged", IN, NOT_IN),
        ("arrived", IN, NOT_IN),
        ("planned", NOT_IN, NOT_IN),
        ("cancelled", NOT_IN, NOT_IN),
        ("entered-in-error", NOT_IN, NOT_IN),
        ("", NOT_IN, NOT_IN),
    ],
)
def test_a_visit_counts_by_the_statuses_of_its_year(
    status: str, in_2025: tuple[int, ...], in_2026: tuple[int, ...]
) -> None:
    assert _ecqm(encounter("qualifying_visit", "2025-03-03", status=status), edition="cms-2025", number=2025) == in_2025
    assert _ecqm(encounter("qualifying_visit", "2026-03-03", status=status)) == in_2026


def test_the_ecqm_of_2026_begins_at_42_and_that_of_2025_at_52() -> None:
    visits = (encounter("qualifying_visit", "2025-03-03"), encounter("qualifying_visit", "2026-03-03"))
    assert _ecqm(*visits, birth="1984-12-31") == IN
    assert _ecqm(*visits, birth="1985-01-01") == NOT_IN
    assert _ecqm(*visits, birth="1973-12-31", edition="cms-2025", number=2025) == IN
    assert _ecqm(*visits, birth="1974-01-01", edition="cms-2025", number=2025) == NOT_IN


def test_the_ecqm_of_2026_goes_by_the_sex_that_a_chart_records() -> None:
    visit = encounter("qualifying_visit", "2026-03-03")
    assert _ecqm(visit, observation("recorded_sex", "1970-06-01", says="male")) == NOT_IN
    assert _ecqm(visit, observation("recorded_sex", "1970-06-01", says="female"), gender="M") == IN
    assert _ecqm(visit) == IN


def test_the_ecqm_counts_mammograms_by_the_end_of_the_study_and_its_category() -> None:
    visit = encounter("qualifying_visit", "2026-03-03")
    assert _ecqm(visit, observation("mammography", "2024-09-30", "2024-10-01", category="imaging")) == MET
    assert _ecqm(visit, observation("mammography", "2026-12-31", "2027-01-01", category="imaging")) == IN
    assert _ecqm(visit, observation("mammography", "2026-03-03", category="laboratory")) == IN
    assert _ecqm(visit, observation("mammography", "2026-03-03", category="laboratory;imaging")) == MET
    assert _ecqm(visit, procedure("mammography", "2026-03-03")) == IN


def test_the_ecqm_begins_in_october_of_the_second_calendar_year_before() -> None:
    visit, study = (
        encounter("qualifying_visit", "2026-03-03"),
        observation("mammography", "2023-10-01", category="imaging"),
    )
    found = outcomes("cms-2026", "BCS", months("2025-07-01", "2026-06-30"), member("1970-06-01"), visit, study)
    assert populations(found, "screened") == MET


def test_age_bands_are_those_of_the_edition() -> None:
    visit = encounter("qualifying_visit", "2026-03-03")
    bands = {
        birth: outcomes("cms-2026", "BCS", year(2026), member(birth), visit)["screened"].band
        for birth in ("1975-01-01", "1974-12-31")
    }
    assert bands == {"1975-01-01": "42-51", "1974-12-31": "52-74"}
