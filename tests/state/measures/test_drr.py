"""Depression remission or response: the golden cases and traps of measures.md 2.3, and the laws."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.measures.facts import Kept, Profile
from state.measures.outcome import Outcome
from tests.measure_builders import (
    claim,
    covered,
    day,
    diagnosed,
    line,
    member,
    months,
    observation,
    outcomes,
    service,
    year,
)
from tests.state.measures import naive_depression as naive

ADULT = member("1980-02-02")
OPENED = dt.date(2025, 1, 10)
RATES = ["follow_up", "remission", "response"]


def after(days: int) -> str:
    """So many days after the elevated total."""
    return (OPENED + dt.timedelta(days=days)).isoformat()


def seen(on: str) -> Kept:
    return claim(line("depression_visit", on), diagnoses=("major_depression_or_dysthymia",))


def phq9(on: str, total: int, **changes: object) -> Kept:
    return observation("phq9", on, value=total, **changes)


def asked(*kept: Kept, who: Profile = ADULT, edition: str = "capc-2025") -> dict[str, Outcome]:
    return outcomes(edition, "DRR", year(2025), who, *kept)


def episode(*kept: Kept, total: int = 16) -> list[int]:
    """The numerators after an elevated total on the day of a visit."""
    return [one.numerator for one in asked(seen(after(0)), phq9(after(0), total), *kept).values()]


def test_a_total_below_5_is_remission_and_one_of_half_at_most_is_response() -> None:
    assert list(asked(seen(after(0)), phq9(after(0), 16))) == RATES
    assert episode(phq9(after(150), 4)) == [1, 1, 1]
    assert episode(phq9(after(150), 5)) == [1, 0, 1]
    assert episode(phq9(after(150), 8)) == [1, 0, 1]
    assert episode(phq9(after(150), 9)) == [1, 0, 0]
    assert episode(phq9(after(150), 8), total=15) == [1, 0, 0]
    assert episode() == [0, 0, 0]


def test_the_most_recent_total_in_follow_up_decides_not_the_best() -> None:
    assert episode(phq9(after(130), 3), phq9(after(200), 12)) == [1, 0, 0]
    assert episode(phq9(after(130), 12), phq9(after(200), 3)) == [1, 1, 1]
    assert episode(phq9(after(200), 12), phq9(after(200), 3)) == [1, 1, 1]


@pytest.mark.parametrize(("days", "counts"), [(119, 0), (120, 1), (240, 1), (241, 0)])
def test_follow_up_runs_from_day_120_to_day_240_after_the_total(days: int, counts: int) -> None:
    assert episode(phq9(after(days), 4)) == [counts] * 3


def test_the_window_hangs_on_the_total_and_not_on_the_visit() -> None:
    kept = [seen(after(-15)), phq9(after(0), 16), phq9(after(240), 4)]
    assert [one.numerator for one in asked(*kept).values()] == [1, 1, 1]


@pytest.mark.parametrize(("total", "is_in"), [(9, False), (10, True)])
def test_a_total_above_9_opens_an_episode(total: int, is_in: bool) -> None:
    assert bool(asked(seen(after(0)), phq9(after(0), total))) is is_in


@pytest.mark.parametrize(("days", "is_in"), [(-16, False), (-15, True), (0, True), (15, True), (16, False)])
def test_a_visit_lies_within_15_days_of_the_total_either_side(days: int, is_in: bool) -> None:
    assert bool(asked(seen(after(days)), phq9(after(0), 16))) is is_in


@pytest.mark.parametrize(
    ("on", "is_in"), [("2024-04-30", False), ("2024-05-01", True), ("2025-04-30", True), ("2025-05-01", False)]
)
def test_intake_runs_from_may_1_of_the_year_before_to_april_30(on: str, is_in: bool) -> None:
    assert bool(asked(seen(on), phq9(on, 16))) is is_in


def test_an_episode_of_the_last_day_of_intake_closes_on_december_26() -> None:
    found = asked(seen("2025-04-30"), phq9("2025-04-30", 16))["follow_up"]
    assert (found.opens_on, found.due_by) == (day("2025-08-28"), day("2025-12-26"))
    assert found.anchor == day("2025-12-31")


def test_the_gaps_say_which_total_is_wanted_and_when() -> None:
    found = asked(seen("2025-04-30"), phq9("2025-04-30", 15))
    window = "from 2025-08-28 to 2025-12-26"
    assert {rate: one.closes_with for rate, one in found.items()} == {
        "follow_up": f"a PHQ-9 total {window}",
        "remission": f"a PHQ-9 total below 5 as the last {window}",
        "response": f"a PHQ-9 total of at most 7.5 as the last {window}",
    }


def test_in_a_rolling_period_intake_moves_with_it() -> None:
    rolling = months("2024-07-01", "2025-06-30")
    for on, is_in in (("2023-10-31", False), ("2023-11-01", True), ("2024-10-31", True), ("2024-11-01", False)):
        assert bool(outcomes("capc-2025", "DRR", rolling, ADULT, seen(on), phq9(on, 16))) is is_in


def test_the_first_elevated_total_near_a_visit_opens_the_episode() -> None:
    kept = [phq9("2024-06-01", 20), seen(after(0)), phq9(after(0), 16), phq9(after(30), 24), phq9(after(150), 8)]
    assert [one.numerator for one in asked(*kept, seen(after(30))).values()] == [1, 0, 1]


@pytest.mark.parametrize(("birth", "is_in"), [("2012-05-01", True), ("2012-05-02", False)])
def test_a_member_is_twelve_on_the_first_day_of_intake(birth: str, is_in: bool) -> None:
    assert bool(asked(seen(after(0)), phq9(after(0), 16), who=member(birth))) is is_in


def test_enrollment_runs_from_the_start_of_intake_with_a_gap_in_each_year() -> None:
    def told(*spans: tuple[str, str]) -> bool:
        who = member("1980-02-02", "F", *(covered(*span) for span in spans))
        return bool(asked(seen(after(0)), phq9(after(0), 16), who=who))

    assert told(("2024-06-15", "2025-12-31"))
    assert not told(("2024-06-16", "2025-12-31"))
    assert told(("2024-05-01", "2024-10-01"), ("2024-11-01", "2025-03-01"), ("2025-04-01", "2025-12-31"))
    assert not told(("2024-05-01", "2025-12-30"))


def test_another_disorder_hospice_and_death_take_a_member_out() -> None:
    kept = [seen(after(0)), phq9(after(0), 16), phq9(after(150), 4)]
    for out in (diagnosed("bipolar_disorder", "2010-01-01"), service("hospice_encounter", "2025-01-01")):
        found = asked(*kept, out).values()
        assert [(one.denominator_exclusion, one.numerator) for one in found] == [(1, 0)] * 3
    dead = member("1980-02-02", death="2025-12-31")
    assert [one.denominator_exclusion for one in asked(*kept, who=dead).values()] == [1, 1, 1]


DATES = [OPENED + dt.timedelta(days=days) for days in (-16, -15, 0, 1, 15, 16, 119, 120, 121, 239, 240, 241)]
DATES += [dt.date(2024, 4, 30), dt.date(2024, 5, 1), dt.date(2025, 4, 30), dt.date(2025, 5, 1), dt.date(2025, 8, 28)]
SCORES = st.lists(
    st.tuples(st.sampled_from(DATES), st.sampled_from([None, 0, 4, 5, 8, 9, 10, 16, 20]), st.just("phq9")), max_size=8
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(DATES), min_size=1, max_size=4), SCORES)
def test_a_second_reading_agrees_whatever_the_order(visits: list[dt.date], scores: list[naive.Score]) -> None:
    kept = [seen(on.isoformat()) for on in visits]
    kept += [
        observation(kind, on.isoformat(), **({} if total is None else {"value": total})) for on, total, kind in scores
    ]
    found = asked(*kept)
    assert {name: one.numerator == 1 for name, one in found.items()} == naive.remission(2025, visits, scores)
    assert asked(*reversed(kept), *kept) == found


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(DATES), min_size=1, max_size=3), SCORES)
def test_between_the_days_of_facts_no_day_changes_anything(visits: list[dt.date], scores: list[naive.Score]) -> None:
    kept = [seen(on.isoformat()) for on in visits]
    kept += [observation("phq9", on.isoformat(), value=total or 0) for on, total, _ in scores]
    starts = {on.toordinal() for on in visits} | {on.toordinal() for on, _, _ in scores}
    before: dict[str, Outcome] | None = None
    for number in range(day("2024-04-25"), day("2025-12-31")):
        found = outcomes("capc-2025", "DRR", year(2025), ADULT, *kept, as_of=number)
        if before is not None and number not in starts:
            assert found == before
        before = found
