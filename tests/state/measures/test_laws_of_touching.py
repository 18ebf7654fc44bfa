"""What is not asked would have said the same: facts that touch nothing, measures that lack what they need, roles left unread."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from decimal import Decimal

import msgspec
import pytest

from state.measures.catalogue import MEASURES
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate, seen
from state.measures.facts import CoverSpan, Kept, KeptClaim, KeptLine, KeptRecord, Profile, first_start
from state.measures.outcome import Outcome
from state.measures.period import Period
from state.measures.rates import counted_of
from state.reference.starter_sets import starter_sets
from tests.fixtures.lengths import LONG

BOUND = Bound(built_in("capc-2025"), starter_sets())


def _day(text: str) -> int:
    return dt.date.fromisoformat(text).toordinal()


PERIODS = (Period(_day("2024-01-01"), _day("2024-12-31")), Period(_day("2024-07-01"), _day("2025-06-30")))
AS_OF = _day("2025-08-15")
COVER = (CoverSpan(_day("2020-01-01"), _day("2030-01-01"), "HMO", medical=True, pharmacy=True, mental_health=True),)
PROFILES = tuple(
    Profile(birth=_day(born), gender="F", spans=COVER) for born in ("1955-03-01", "1968-05-05", "2009-02-02")
)
DAYS = (_day("2023-07-01"), _day("2025-08-30"))
CODES = (
    *(("CPT", "99213"),) * 20,
    ("CPT", "99284"),
    ("CPT", "99221"),
    ("CPT", "90834"),
    ("CPT", "90870"),
    ("CPT", "36415"),
    ("CPT", "77067"),
    ("CPT", "45378"),
    ("CPT", "83036"),
    ("CPT", "3074F"),
    ("CPT", "3078F"),
    ("CPT", "3044F"),
    ("CPT", "90935"),
    ("HCPCS", "G9473"),
    ("HCPCS", "E0143"),
)
REVENUE = (*("",) * 30, "0450", "0120", "0521", "0118")
PLACES = ("", "11", "11", "21", "23", "81")
DIAGNOSES = (
    "I10",
    "I10",
    "E119",
    "F329",
    "F329",
    "F411",
    "F319",
    "J4520",
    "O0990",
    "O80",
    "N186",
    "C189",
    "Z515",
    "R079",
)
OBSERVATIONS = (("44261-6", 14), ("8480-6", 132), ("8462-4", 82), ("4548-4", 8))
"""A PHQ-9 total, a systolic and a diastolic pressure, HbA1c."""


def _claim(chance: random.Random, number: int, illness: str) -> KeptClaim:
    start = chance.randint(*DAYS)
    end = start + chance.choice((0, 0, 0, 3))
    lines = [
        KeptLine(
            start=start,
            end=end,
            hcpcs=code,
            hcpcs_system=system,  # type: ignore[arg-type]
            revenue=chance.choice(REVENUE),
            place=chance.choice(PLACES),
            denied=chance.random() < 0.1,
        )
        for system, code in chance.choices(CODES, k=chance.choice((1, 1, 2)))
    ]
    some = (*chance.choices((illness, ""), (3, 1)), *chance.choices(DIAGNOSES, k=chance.choice((0, 0, 1))))
    diagnoses = tuple(dict.fromkeys(filter(None, some)))
    return KeptClaim(
        row=f"claim:{number}",
        evidence=f"C{number}",
        institutional=end > start,
        start=start,
        end=end,
        denied=False,
        lines=tuple(sorted(lines)),
        principal=diagnoses[0] if diagnoses else "",
        diagnoses=diagnoses,
        discharged=end > start,
        places=tuple(sorted({line.place for line in lines if line.place})),
    )


def _record(chance: random.Random, number: int) -> KeptRecord:
    code, value = chance.choice(OBSERVATIONS)
    day = chance.randint(*DAYS)
    return KeptRecord(
        row=f"clinical:{number}",
        kind="observation",
        system="LOINC",
        code=code,
        start=day,
        end=day,
        value=Decimal(value + chance.randint(-6, 12)),
        status="final",
    )


def _member(seed: int) -> tuple[Profile, list[Kept]]:
    """Somebody who is mostly ill of one thing, so that measures find enough of it."""
    chance = random.Random(seed)
    illness = chance.choice(DIAGNOSES)
    facts: list[Kept] = [
        _record(chance, number) if chance.random() < 0.25 else _claim(chance, number, illness)
        for number in range(chance.randint(2, 9))
    ]
    return chance.choice(PROFILES), facts


DRAWN = [_member(seed) for seed in range(10_000 if LONG else 500)]


@pytest.mark.parametrize("period", PERIODS)
def test_a_fact_changes_no_measure_that_it_does_not_touch(period: Period) -> None:
    """Neither when it comes nor when it is taken back, as the member then stands."""
    for profile, kept in DRAWN:
        there = evaluate(profile, kept, BOUND, period, AS_OF).outcomes
        for one in kept:
            gone = evaluate(profile, [other for other in kept if other is not one], BOUND, period, AS_OF).outcomes
            for before, after in ((gone, there), (there, gone)):
                asked = _asked(one, period, before)
                assert {name: after.get(name) for name in BOUND.measures if name not in asked} == {
                    name: before.get(name) for name in BOUND.measures if name not in asked
                }


def _asked(fact: Kept, period: Period, before: Mapping[str, tuple[Outcome, ...]]) -> set[str]:
    return {
        name
        for name, roles in BOUND.touched_by(fact).items()
        if BOUND.can_change(
            name,
            roles,
            first_start(fact),
            period,
            frozenset(one.rate for one in counted_of(before[name])) if name in before else None,
        )
    }


@pytest.mark.parametrize("period", PERIODS)
def test_what_is_not_asked_of_a_member_would_have_had_no_outcome(period: Period) -> None:
    for profile, kept in DRAWN:
        person = seen(profile, kept, BOUND, AS_OF)
        said = evaluate(profile, kept, BOUND, period, AS_OF).outcomes
        for name in BOUND.measures:
            asked = MEASURES[name].evaluate(person, period, BOUND.edition.parameters[name])
            assert said.get(name, ()) == asked
            alone = evaluate(profile, kept, BOUND, period, AS_OF, only=[name]).outcomes
            assert alone.get(name, ()) == asked


def test_an_office_visit_touches_what_its_diagnosis_is_read_for() -> None:
    line = KeptLine(start=AS_OF - 9, end=AS_OF - 9, hcpcs="99213", hcpcs_system="CPT", place="11")
    visit = KeptClaim("claim:1", "C1", institutional=False, start=line.start, end=line.end, denied=False, lines=(line,))
    assert not BOUND.touched_by(visit)
    assert BOUND.touched_by(_with_diagnosis(visit, "I10")) == {"CBP": {"hypertension"}}
    assert not BOUND.touched_by(_with_diagnosis(visit, "R079"))


def test_hypertension_that_is_first_stated_late_in_the_period_changes_nothing() -> None:
    period, hypertension = PERIODS[0], frozenset({"hypertension"})
    last = _day("2024-06-30")
    assert BOUND.can_change("CBP", hypertension, last, period, counted=None)
    assert not BOUND.can_change("CBP", hypertension, last + 1, period, counted=None)
    assert BOUND.can_change("CBP", hypertension | {"pregnancy"}, last + 1, period, counted=frozenset({"controlled"}))


def test_who_is_outside_comes_in_by_what_the_population_reads_alone() -> None:
    period, readings = PERIODS[0], frozenset({"systolic_blood_pressure", "pregnancy"})
    assert not BOUND.can_change("CBP", readings, period.start, period, counted=None)
    assert BOUND.can_change("CBP", readings, period.start, period, counted=frozenset())


def test_a_follow_up_is_looked_for_after_a_positive_screen_alone() -> None:
    period, visit = PERIODS[0], frozenset({"behavioral_health_encounter"})
    assert not BOUND.can_change("DSF", visit, period.start, period, counted=frozenset({"screened"}))
    assert BOUND.can_change("DSF", visit, period.start, period, counted=frozenset({"screened", "followed_up"}))


def _with_diagnosis(claim: KeptClaim, code: str) -> KeptClaim:
    return msgspec.structs.replace(claim, principal=code, diagnoses=(code,))


def test_measures_that_follow_up_look_as_far_as_their_parameters_say() -> None:
    period = PERIODS[0]
    assert BOUND.looks_until("CBP", period) == period.end + 1
    assert BOUND.looks_until("DRR", period) == period.end + 1
    drr = BOUND.edition.parameters["DRR"]
    later = msgspec.structs.replace(drr, follow_up=(120, 300))
    assert MEASURES["DRR"].looks_until(period, later) == _day("2024-04-30") + 300
    dsf = BOUND.edition.parameters["DSF"]
    late = msgspec.structs.replace(dsf, rule=msgspec.structs.replace(dsf.rule, days_left=0))
    assert MEASURES["DSF"].looks_until(period, late) == period.end + dsf.rule.follow_up_days
