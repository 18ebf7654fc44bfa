"""Childhood immunizations: the laws, and a second reading that agrees."""

from __future__ import annotations

import datetime as dt
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from state.measures.facts import Kept
from state.measures.outcome import Outcome
from tests.measure_builders import condition, encounter, immunization, member, outcomes, procedure, year
from tests.state.measures import naive_immunizations as naive

PROGRAM, ECQM, ECQM_2026 = "capc-2025", "cms-2025", "cms-2026"
VACCINES = ["dtap", "ipv", "mmr", "hib", "hib_3dose", "hib_4dose", "hepb", "vzv", "pcv", "hepa"]
VACCINES += ["rotavirus_2dose", "rotavirus_3dose", "influenza", "laiv"]
ILLNESSES = ["anaphylaxis_dtap", "encephalitis_dtap", "measles", "mumps", "rubella", "hepatitis_b", "varicella_zoster"]
ILLNESSES += ["anaphylaxis_hib", "anaphylaxis_pcv", "hepatitis_a", "anaphylaxis_influenza", "anaphylaxis_mmr"]
OFFSETS = [-1, 0, 1, 7, 8, 41, 42, 43, 60, 120, 179, 180, 181, 300]
Shot = tuple[str, str, dt.date]
Ill = tuple[str, dt.date, str]


@st.composite
def children(draw: st.DrawFn) -> tuple[dt.date, list[Shot], list[Ill]]:
    """A birth date, shots and illnesses on days that matter: nearly complete series, and doses at random."""
    birth = draw(
        st.sampled_from([dt.date(2024, 2, 29), dt.date(2024, 1, 1), dt.date(2024, 12, 31), dt.date(2024, 6, 15)])
    )
    days = [birth + dt.timedelta(days=offset) for offset in OFFSETS]
    days += [naive.turns(birth, years) + dt.timedelta(days=offset) for years in (1, 2) for offset in (-1, 0, 1)]
    kinds = st.sampled_from(["shot", "procedure"])
    shots_at_random = draw(st.lists(st.tuples(st.sampled_from(VACCINES), kinds, st.sampled_from(days)), max_size=25))
    series: list[Shot] = []
    for vaccine in draw(st.lists(st.sampled_from(VACCINES), unique=True)):
        count = draw(st.integers(1, 4))
        series += [
            (vaccine, draw(kinds), day) for day in draw(st.lists(st.sampled_from(days), min_size=count, max_size=4))
        ]
    if draw(st.booleans()):
        left_out = draw(st.sets(st.sampled_from(VACCINES), max_size=1))
        whole = [birth + dt.timedelta(days=offset) for offset in (60, 120, 181, 300)] + [naive.turns(birth, 1)]
        series += [(vaccine, "shot", day) for vaccine in VACCINES if vaccine not in left_out for day in whole]
    born = [("hepb_newborn", "procedure", draw(st.sampled_from(days)))] if draw(st.booleans()) else []
    categories = st.sampled_from(["encounter-diagnosis", "problem-list-item"])
    ill = draw(st.lists(st.tuples(st.sampled_from(ILLNESSES), st.sampled_from(days), categories), max_size=4))
    return birth, [*shots_at_random, *series, *born], ill


def kept_of(shots_given: list[Shot], ill: list[Ill]) -> list[Kept]:
    kept: list[Kept] = [
        immunization(name, day.isoformat()) if kind == "shot" else procedure(f"{name}_administered", day.isoformat())
        for name, kind, day in shots_given
    ]
    return kept + [condition(name, day.isoformat(), category=category) for name, day, category in ill]


@settings(max_examples=200, deadline=None)
@given(children(), st.sampled_from([PROGRAM, ECQM, ECQM_2026]))
def test_a_second_reading_agrees_on_every_rate(child: tuple[dt.date, list[Shot], list[Ill]], edition: str) -> None:
    birth, given_shots, ill = child
    kept = [*kept_of(given_shots, ill), encounter("child_visit", "2026-05-05")]
    found = outcomes(edition, "CIS", year(2026), member(birth.isoformat()), *kept)
    assert {name: one.numerator == 1 for name, one in found.items()} == naive.childhood(
        edition, birth, given_shots, ill
    )


@settings(max_examples=50, deadline=None)
@given(children(), st.integers(0, 10**6))
def test_order_and_repetition_make_no_difference_and_what_was_voided_was_never_there(
    child: tuple[dt.date, list[Shot], list[Ill]], seed: int
) -> None:
    birth, given_shots, ill = child
    kept = kept_of(given_shots, ill)
    who = member(birth.isoformat())
    found = outcomes(PROGRAM, "CIS", year(2026), who, *kept)
    mixed = [*kept, *kept]
    random.Random(seed).shuffle(mixed)
    assert outcomes(PROGRAM, "CIS", year(2026), who, *mixed) == found
    voided = kept_of(given_shots[1:], ill)
    without_first = naive.childhood(PROGRAM, birth, given_shots[1:], ill)
    again = outcomes(PROGRAM, "CIS", year(2026), who, *voided)
    assert {name: one.numerator == 1 for name, one in again.items()} == without_first


@settings(max_examples=25, deadline=None)
@given(children())
def test_between_the_days_of_facts_no_day_changes_anything(child: tuple[dt.date, list[Shot], list[Ill]]) -> None:
    birth, given_shots, ill = child
    kept = kept_of(given_shots, ill)
    who = member(birth.isoformat())
    starts = {one.start for one in kept}  # type: ignore[union-attr]  # records all
    before: dict[str, Outcome] | None = None
    for day in range(birth.toordinal() - 2, birth.toordinal() + 760, 3):
        found = outcomes(PROGRAM, "CIS", year(2026), who, *kept, as_of=day)
        if before is not None and starts.isdisjoint(range(day - 2, day + 1)):
            assert found == before
        before = found
