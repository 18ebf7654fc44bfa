"""Whoever a measure leaves out of its initial population fails a step that can be told; whoever fails none is in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.calendar import FOREVER
from state.measures.catalogue import MEASURES
from state.measures.editions import built_in
from state.measures.facts import Kept, Profile
from state.measures.outcome import in_turn
from state.measures.period import Period
from tests.measure_builders import person
from tests.state.measures.drawn_members import members

Drawn = tuple[Period, Profile, list[Kept]]
ROLES = (
    ("diagnosis", "hypertension+diagnosed_visit"),
    ("line", "diagnosed_visit"),
    ("diagnosis", "diabetes"),
    ("diagnosis", "persistent_asthma"),
    ("line", "outpatient"),
    ("encounter", "depression_visit+major_depression_or_dysthymia"),
    ("observation", "phq9"),
)
AGES = (2, 3, 12, 13, 18, 46, 52, 65, 75)


def populations_of(measure: str, edition: str, drawn: Drawn) -> tuple[bool, bool]:
    """Whether every step of the population holds, and whether an outcome is of the initial population. Rates are those named."""
    period, profile, kept = drawn
    known = built_in(edition)
    parameters: Any = known.parameters[measure]
    who = person(profile, kept, known.codes, FOREVER)
    steps = in_turn(MEASURES[measure].population(who, period, parameters))
    found = MEASURES[measure].evaluate(who, period, parameters)
    assert not found or tuple(one.rate for one in found) == MEASURES[measure].rates(parameters)
    return steps[-1].holds, any(one.initial_population for one in found)


@pytest.mark.parametrize("measure", sorted(MEASURES))
@settings(max_examples=60, deadline=None)
@given(drawn=members(ROLES, AGES, (0, 12), 24), edition=st.sampled_from(("capc-2024", "capc-2025")))
def test_in_the_programs_editions_the_steps_say_who_is_in(measure: str, drawn: Drawn, edition: str) -> None:
    every_step_holds, is_in = populations_of(measure, edition, drawn)
    assert every_step_holds == is_in


@pytest.mark.parametrize("measure", sorted(built_in("cms-2026").parameters))
@settings(max_examples=60, deadline=None)
@given(drawn=members(ROLES, AGES, (0, 12), 24))
def test_in_the_ecqm_editions_the_steps_say_who_is_in(measure: str, drawn: Drawn) -> None:
    every_step_holds, is_in = populations_of(measure, "cms-2026", drawn)
    assert every_step_holds == is_in


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_nobody_known_is_in_no_population(measure: str) -> None:
    period = Period(739252, 739616)
    steps = in_turn(
        MEASURES[measure].population(person(Profile(), []), period, built_in("capc-2025").parameters[measure])
    )
    assert not steps[-1].holds
