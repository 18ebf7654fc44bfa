"""BCS and COL agree with a second reading on drawn members, whatever the order, repetition and day of asking."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.calendar import FOREVER
from state.measures.catalogue import MEASURES
from state.measures.editions import built_in
from state.measures.facts import Kept, Profile
from state.measures.period import Period
from tests.fixtures.lengths import LONG
from tests.measure_builders import outcomes, person, populations
from tests.state.measures import naive_bcs, naive_col
from tests.state.measures.drawn_members import members

AGREEMENT = settings(deadline=None) if LONG else settings(max_examples=200, derandomize=True, deadline=None)
LAW = settings(deadline=None) if LONG else settings(max_examples=100, derandomize=True, deadline=None)
EDITIONS = ("capc-2024", "capc-2025", "cms-2025", "cms-2026")
BCS_ROLES = (
    ("observation", "mammography"),
    ("line", "mammography"),
    ("procedure", "mammography"),
    ("result", "mammography"),
    ("observation", "recorded_sex"),
    ("line", "unilateral_mastectomy"),
    ("line", "unilateral_mastectomy"),
    ("procedure", "unilateral_mastectomy"),
    ("condition", "unilateral_mastectomy_diagnosis"),
    ("procedure", "unilateral_mastectomy_left"),
    ("line", "unilateral_mastectomy_right"),
    ("condition", "absence_of_left_breast"),
    ("diagnosis", "absence_of_right_breast"),
    ("line", "bilateral_mastectomy"),
    ("condition", "history_of_bilateral_mastectomy"),
    ("line", "gender_affirming_chest_surgery"),
    ("diagnosis", "gender_dysphoria"),
)
COL_ROLES = (
    ("observation", "fobt"),
    ("observation", "stool_dna"),
    ("line", "fobt"),
    ("result", "fobt"),
    ("procedure", "flexible_sigmoidoscopy"),
    ("observation", "ct_colonography"),
    ("line", "ct_colonography"),
    ("procedure", "colonoscopy"),
    ("result", "colonoscopy"),
    ("line", "colonoscopy"),
    ("condition", "colorectal_cancer"),
    ("diagnosis", "colorectal_cancer"),
    ("procedure", "total_colectomy"),
    ("result", "total_colectomy"),
)
WOMEN = members(BCS_ROLES, (41, 42, 43, 52, 53, 60, 65, 66, 67, 74, 75), (12, 15, 21), 15)
ADULTS = members(COL_ROLES, (45, 46, 49, 50, 65, 66, 67, 75, 76), (12, 24, 48, 108), 12)
Drawn = tuple[Period, Profile, list[Kept]]


@pytest.mark.parametrize("edition", EDITIONS)
@AGREEMENT
@given(drawn=WOMEN)
def test_bcs_is_what_a_second_reading_says(edition: str, drawn: Drawn) -> None:
    period, profile, kept = drawn
    found = populations(outcomes(edition, "BCS", period, profile, *kept), "screened")
    assert found == naive_bcs.in_period(edition, period.start, period.end, profile, kept)


@pytest.mark.parametrize("edition", EDITIONS)
@AGREEMENT
@given(drawn=ADULTS)
def test_col_is_what_a_second_reading_says(edition: str, drawn: Drawn) -> None:
    period, profile, kept = drawn
    found = populations(outcomes(edition, "COL", period, profile, *kept), "screened")
    assert found == naive_col.in_period(edition, period.start, period.end, profile, kept)


@LAW
@given(drawn=st.one_of(WOMEN, ADULTS), edition=st.sampled_from(EDITIONS), seed=st.integers(0, 1000))
def test_the_order_in_which_facts_came_makes_no_difference(drawn: Drawn, edition: str, seed: int) -> None:
    period, profile, kept = drawn
    mixed = list(kept)
    random.Random(seed).shuffle(mixed)
    for measure in ("BCS", "COL"):
        assert outcomes(edition, measure, period, profile, *kept) == outcomes(edition, measure, period, profile, *mixed)


@LAW
@given(drawn=st.one_of(WOMEN, ADULTS), edition=st.sampled_from(EDITIONS))
def test_a_fact_that_is_said_twice_is_one_fact(drawn: Drawn, edition: str) -> None:
    period, profile, kept = drawn
    for measure in ("BCS", "COL"):
        twice = outcomes(edition, measure, period, profile, *kept, *kept)
        assert outcomes(edition, measure, period, profile, *kept) == twice


@LAW
@given(drawn=st.one_of(WOMEN, ADULTS), edition=st.sampled_from(EDITIONS))
def test_nothing_changes_by_itself_before_the_next_day(drawn: Drawn, edition: str) -> None:
    period, profile, kept = drawn
    known = built_in(edition)
    starts = sorted({period.start - 1} | {at for one in kept for at in _starts(one)})
    for measure in ("BCS", "COL"):
        for first in starts:
            who = person(profile, kept, known.codes, first)
            until = FOREVER if who.next_start is None else who.next_start
            said = MEASURES[measure].evaluate(who, period, known.parameters[measure])
            for day in {first + 1, min(until, period.end + 400) - 1}:
                if first < day < until:
                    later = person(profile, kept, known.codes, day)
                    assert MEASURES[measure].evaluate(later, period, known.parameters[measure]) == said


def _starts(one: Kept) -> set[int]:
    return {getattr(one, "start", getattr(one, "day", 0))}
