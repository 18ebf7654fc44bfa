"""Immunizations for adolescents: the golden cases and traps of measures.md 9, and the laws."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.measures.editions import Bound, built_in
from state.measures.facts import Kept
from state.measures.outcome import Outcome
from state.reference.starter_sets import starter_sets
from tests.measure_builders import (
    condition,
    covered,
    immunization,
    member,
    outcomes,
    populations,
    procedure,
    service,
    year,
)
from tests.state.measures import naive_immunizations as naive

BIRTH = dt.date(2012, 5, 10)
WHO = member(BIRTH.isoformat())


def at(days: int = 0, years: int = 0) -> str:
    """So many days after a birthday of the member; 0 is birth."""
    return (naive.turns(BIRTH, years) + dt.timedelta(days=days)).isoformat()


def asked(*kept: Kept, edition: str = "capc-2025") -> dict[str, Outcome]:
    """What IMA says for 2025 of somebody who turns thirteen in May."""
    return outcomes(edition, "IMA", year(2025), WHO, *kept)


def test_meningococcus_tdap_and_two_doses_of_hpv_meet_combination_2() -> None:
    kept = [immunization("meningococcal", at(0, 11)), immunization("tdap", at(0, 11))]
    hpv = [immunization("hpv", at(0, 11)), immunization("hpv", at(146, 11))]
    assert {one.numerator for one in asked(*kept, *hpv).values()} == {1}
    open_gap = asked(*kept)
    assert [one.numerator for one in open_gap.values()] == [0, 1, 1, 0]
    assert open_gap["combo2"].closes_with.startswith("hpv")
    assert open_gap["combo2"].due_by == open_gap["combo2"].anchor == naive.turns(BIRTH, 13).toordinal()


@pytest.mark.parametrize(
    ("edition", "antigen", "first"),
    [
        ("capc-2024", "meningococcal", 11),
        ("capc-2025", "meningococcal", 10),
        ("capc-2025", "tdap", 10),
        ("capc-2024", "tdap", 10),
    ],
)
def test_a_dose_counts_from_its_birthday_to_the_thirteenth_both_included(
    edition: str, antigen: str, first: int
) -> None:
    for on, counts in ((at(-1, first), 0), (at(0, first), 1), (at(0, 13), 1), (at(1, 13), 0)):
        assert asked(immunization(antigen, on), edition=edition)[antigen].numerator == counts


@pytest.mark.parametrize(
    ("days", "counts"),
    [
        ((0, 145), 0),
        ((0, 146), 1),
        ((0, 100, 146), 1),
        ((0, 60, 120), 1),
        ((0, 0, 145), 0),
        ((-1, 145), 0),
        ((-1, 0, 145), 0),
        ((0,), 0),
    ],
)
def test_hpv_is_two_doses_146_days_apart_any_two_of_them_or_three_on_different_days(
    days: tuple[int, ...], counts: int
) -> None:
    assert asked(*(immunization("hpv", at(day, 9)) for day in days))["hpv"].numerator == counts


def test_the_gap_of_hpv_says_that_two_doses_will_do_when_they_are_far_enough_apart() -> None:
    found = asked(immunization("hpv", at(0, 11)), immunization("hpv", at(145, 11)))["hpv"]
    assert found.closes_with == "hpv: 3 doses of hpv or 2 that are 146 days apart (2 so far)"


def test_meningococcus_b_alone_and_td_are_in_no_set() -> None:
    roles_of = Bound(built_in("capc-2025").only(["IMA"]), starter_sets()).roles_of
    assert [roles_of[code] for code in (("CVX", "162"), ("CPT", "90620"), ("CPT", "90714"), ("CVX", "09"))] == [()] * 4
    assert roles_of["CPT", "90734"]
    assert roles_of["CPT", "90715"]


@pytest.mark.parametrize(
    ("antigen", "role"),
    [
        ("meningococcal", "anaphylaxis_meningococcal"),
        ("tdap", "anaphylaxis_tdap"),
        ("tdap", "encephalitis_tdap"),
        ("hpv", "anaphylaxis_hpv"),
    ],
)
def test_a_reaction_stands_in_for_doses_and_takes_nobody_out(antigen: str, role: str) -> None:
    found = asked(condition(role, at(0, 13)))
    assert populations(found, antigen) == (1, 1, 0, 1)
    assert populations(asked(condition(role, at(1, 13))), antigen) == (1, 1, 0, 0)


def test_hospice_and_death_take_an_adolescent_out() -> None:
    assert populations(asked(service("hospice_intervention", "2025-01-01")), "combo2") == (1, 1, 1, 0)
    dead = member(BIRTH.isoformat(), death="2025-06-01")
    assert populations(outcomes("capc-2025", "IMA", year(2025), dead), "combo2") == (1, 1, 1, 0)


@pytest.mark.parametrize(
    ("start", "end", "is_in"),
    [
        (at(0, 12), at(0, 13), True),
        (at(0, 12), at(-1, 13), False),
        (at(45, 12), at(0, 13), True),
        (at(46, 12), at(0, 13), False),
    ],
)
def test_enrollment_is_that_of_the_year_before_the_thirteenth_birthday(start: str, end: str, is_in: bool) -> None:
    who = member(BIRTH.isoformat(), "F", covered(start, end))
    assert bool(outcomes("capc-2025", "IMA", year(2025), who)) is is_in


@pytest.mark.parametrize(
    ("birth", "is_in"), [("2011-12-31", False), ("2012-01-01", True), ("2012-12-31", True), ("2013-01-01", False)]
)
def test_the_thirteenth_birthday_lies_in_the_period(birth: str, is_in: bool) -> None:
    assert bool(outcomes("capc-2025", "IMA", year(2025), member(birth))) is is_in


VACCINES = ["meningococcal", "tdap", "hpv", "hpv", "hpv"]
ILL = ["anaphylaxis_hpv", "anaphylaxis_tdap", "encephalitis_tdap", "anaphylaxis_meningococcal"]


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(["capc-2024", "capc-2025"]))
def test_a_second_reading_agrees_on_every_rate(data: st.DataObject, edition: str) -> None:
    birth = data.draw(st.sampled_from([dt.date(2012, 2, 29), dt.date(2012, 12, 31), dt.date(2012, 1, 1)]))
    days = [
        naive.turns(birth, years) + dt.timedelta(days=more)
        for years in (0, 9, 10, 11, 13)
        for more in (-1, 0, 1, 145, 146, 147)
    ]
    kinds = st.sampled_from(["shot", "procedure"])
    doses = data.draw(st.lists(st.tuples(st.sampled_from(VACCINES), kinds, st.sampled_from(days)), max_size=12))
    ill = data.draw(st.lists(st.tuples(st.sampled_from(ILL), st.sampled_from(days), st.just("")), max_size=2))
    kept: list[Kept] = [
        immunization(name, day.isoformat()) if kind == "shot" else procedure(f"{name}_administered", day.isoformat())
        for name, kind, day in doses
    ]
    kept += [condition(name, day.isoformat()) for name, day, _ in ill]
    expected = naive.adolescent(birth, doses, ill, 11 if edition == "capc-2024" else 10)
    found = outcomes(edition, "IMA", year(2025), member(birth.isoformat()), *kept)
    assert {name: one.numerator == 1 for name, one in found.items()} == expected
    assert outcomes(edition, "IMA", year(2025), member(birth.isoformat()), *reversed(kept), *kept) == found
