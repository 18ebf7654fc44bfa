"""What is not asked would have said the same: facts that touch nothing, measures that lack what they need, roles left unread."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from state.measures.catalogue import MEASURES
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate, seen
from state.measures.facts import CoverSpan, Kept, KeptClaim, KeptLine, KeptRecord, Profile
from state.measures.period import Period
from state.reference.starter_sets import starter_sets

BOUND = Bound(built_in("capc-2025"), starter_sets())


def _day(text: str) -> int:
    return dt.date.fromisoformat(text).toordinal()


PERIODS = (Period(_day("2024-01-01"), _day("2024-12-31")), Period(_day("2024-07-01"), _day("2025-06-30")))
AS_OF = _day("2025-08-15")
COVER = (CoverSpan(_day("2020-01-01"), _day("2030-01-01"), "HMO", medical=True, pharmacy=True, mental_health=True),)
PROFILES = tuple(
    Profile(birth=_day(born), gender="F", spans=COVER) for born in ("1955-03-01", "1968-05-05", "2009-02-02")
)
DAYS = st.integers(_day("2023-01-01"), _day("2025-08-30"))
CODES = (
    ("CPT", "99213"),
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
REVENUE = ("", "", "0450", "0120", "0521", "0118")
PLACES = ("", "11", "21", "23", "81")
DIAGNOSES = ("I10", "E119", "F329", "F411", "F319", "J4520", "O0990", "O80", "N186", "C189", "Z515", "R079")
RECORDS = (
    ("observation", "44261-6", 14),
    ("observation", "8480-6", 132),
    ("observation", "8462-4", 82),
    ("observation", "4548-4", 8),
)


@st.composite
def _claims(draw: st.DrawFn) -> KeptClaim:
    start = draw(DAYS)
    end = start + draw(st.sampled_from((0, 0, 0, 3)))
    lines = [
        KeptLine(
            start=start,
            end=end,
            hcpcs=code,
            hcpcs_system=system,
            revenue=draw(st.sampled_from(REVENUE)),
            place=draw(st.sampled_from(PLACES)),
            denied=draw(st.integers(0, 9)) == 0,
        )
        for system, code in draw(st.lists(st.sampled_from(CODES), max_size=2))
    ]
    diagnoses = tuple(draw(st.lists(st.sampled_from(DIAGNOSES), max_size=3, unique=True)))
    number = draw(st.integers(0, 10**6))
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


@st.composite
def _records(draw: st.DrawFn) -> KeptRecord:
    kind, code, value = draw(st.sampled_from(RECORDS))
    day = draw(DAYS)
    number = draw(st.integers(0, 10**6))
    return KeptRecord(
        row=f"clinical:{number}",
        kind=kind,  # type: ignore[arg-type]
        system="LOINC",
        code=code,
        start=day,
        end=day,
        value=Decimal(value + draw(st.integers(-6, 12))),
        status="final",
    )


FACTS = st.one_of(_claims(), _claims(), _records())
MEMBERS = st.tuples(st.sampled_from(PROFILES), st.lists(FACTS, max_size=8, unique_by=lambda one: one.row))
LAW = settings(max_examples=120, derandomize=True, deadline=None)


@LAW
@given(drawn=MEMBERS, new=FACTS)
def test_a_fact_changes_no_measure_that_it_does_not_touch(drawn: tuple[Profile, list[Kept]], new: Kept) -> None:
    profile, kept = drawn
    others = [one for one in kept if one.row != new.row]
    untouched = frozenset(BOUND.measures) - BOUND.touched_by(new)
    for period in PERIODS:
        before = evaluate(profile, others, BOUND, period, AS_OF, only=untouched).outcomes
        assert evaluate(profile, [*others, new], BOUND, period, AS_OF, only=untouched).outcomes == before


@LAW
@given(drawn=MEMBERS)
def test_what_is_not_asked_of_a_member_would_have_had_no_outcome(drawn: tuple[Profile, list[Kept]]) -> None:
    profile, kept = drawn
    person = seen(profile, kept, BOUND, AS_OF)
    for period in PERIODS:
        said = evaluate(profile, kept, BOUND, period, AS_OF).outcomes
        for name in BOUND.measures:
            asked = MEASURES[name].evaluate(person, period, BOUND.edition.parameters[name])
            assert said.get(name, ()) == asked
            alone = evaluate(profile, kept, BOUND, period, AS_OF, only=[name]).outcomes
            assert alone.get(name, ()) == asked


def test_an_office_visit_touches_what_its_diagnosis_is_read_for() -> None:
    line = KeptLine(start=AS_OF - 9, end=AS_OF - 9, hcpcs="99213", hcpcs_system="CPT", place="11")
    visit = KeptClaim("claim:1", "C1", institutional=False, start=line.start, end=line.end, denied=False, lines=(line,))
    assert BOUND.touched_by(visit) == frozenset()
    assert BOUND.touched_by(_with_diagnosis(visit, "I10")) == {"CBP"}
    assert BOUND.touched_by(_with_diagnosis(visit, "R079")) == frozenset()


def _with_diagnosis(claim: KeptClaim, code: str) -> KeptClaim:
    return msgspec.structs.replace(claim, principal=code, diagnoses=(code,))
