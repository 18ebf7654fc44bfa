"""CBP, GSD and DSF against a second, naive reading of each, and the laws of every measure, on members with boundary dates on purpose."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from state.calendar import Day
from state.measures.facts import Kept, Profile, coded
from state.measures.outcome import Outcome
from tests.measure_builders import (
    blood_pressure,
    claim,
    condition,
    diagnosed,
    dispensing,
    encounter,
    line,
    medication,
    member,
    observation,
    order,
    outcomes,
    populations,
    procedure,
    service,
    year,
)
from tests.state.measures import naive_cbp, naive_dsf, naive_gsd

Facts = tuple[Kept, ...]
Draw = st.DrawFn

SOME = settings(max_examples=150, deadline=None)
DAYS = {
    number: tuple(
        f"{on}"
        for base in (
            dt.date(number - 1, 1, 1),
            dt.date(number, 1, 1),
            dt.date(number, 6, 30),
            dt.date(number, 12, 1),
            dt.date(number, 12, 31),
        )
        for on in (base - dt.timedelta(days=1), base, base + dt.timedelta(days=1))
    )
    for number in (2025, 2026)
}
TIMES = ("", "T07:59:59Z", "T08:00:00Z", "T08:15:00Z", "T08:15:01Z")


def days(number: int) -> st.SearchStrategy[str]:
    return st.sampled_from(DAYS[number])


def after(base: Facts, more: st.SearchStrategy[Facts]) -> st.SearchStrategy[Facts]:
    """What is drawn, in most draws after facts that bring a member of the age into the population."""
    return st.tuples(st.sampled_from([base, base, base, ()]), more).map(lambda both: both[0] + both[1])


def births(number: int, *ages: int) -> st.SearchStrategy[Profile]:
    """The birthdays on which the youngest and the oldest are in or out, and in as many draws one in between."""
    edges = [f"{number - age - extra}-{on}" for age in ages for extra in (0, 1) for on in ("01-01", "12-31")]
    between = [f"{number - 50}-05-05"] * len(edges)
    return st.sampled_from(edges + between).map(member)


def several(one: st.SearchStrategy[Facts], most: int = 7) -> st.SearchStrategy[Facts]:
    return st.lists(one, max_size=most).map(lambda found: tuple(fact for facts in found for fact in facts))


def alone(
    made: Callable[..., Kept], *arguments: st.SearchStrategy[str] | str, **more: object
) -> st.SearchStrategy[Facts]:
    given_ = [one if isinstance(one, st.SearchStrategy) else st.just(one) for one in arguments]
    named = {key: value if isinstance(value, st.SearchStrategy) else st.just(value) for key, value in more.items()}
    return st.builds(lambda *a, **k: (made(*a, **k),), *given_, **named)


def ordered(draw: Draw, number: int) -> tuple[str, str]:
    first, second = draw(days(number)), draw(days(number))
    return min(first, second), max(first, second)


# ---- CBP


@st.composite
def a_reading(draw: Draw, number: int) -> Facts:
    on = draw(days(number))
    at = None
    facts: list[Kept] = []
    if draw(st.sampled_from([True, True, False])):
        kind = draw(st.sampled_from(["AMB", "AMB", "EMER", "IMP", "SS", ""]))
        at = encounter(draw(st.sampled_from(["qualifying_visit", "acute_contact", "nothing"])), on, category=kind)
        facts.append(at)
    number_of = st.sampled_from([120, 139, 139, 140, None])
    status = draw(st.sampled_from(["final", "final", "amended", "preliminary"]))
    systolic, diastolic = draw(number_of), draw(st.sampled_from([70, 89, 89, 90, None]))
    return (*facts, *blood_pressure(on, systolic, diastolic, at=at, status=status))


def diagnosed_visit(on: str) -> Kept:
    return claim(line("diagnosed_visit", on), diagnoses=("hypertension",))


def facts_of_the_program_cbp(number: int) -> st.SearchStrategy[Facts]:
    code = st.sampled_from(
        ["systolic_lt_130", "systolic_130_139", "systolic_ge_140", "diastolic_lt_80", "diastolic_ge_90"]
    )
    modifiers = st.sampled_from([(), (), ("not_done_modifier",)])
    base = (diagnosed_visit(f"{number - 1}-03-01"), diagnosed_visit(f"{number}-01-01"))
    drawn = several(
        st.one_of(
            alone(diagnosed_visit, days(number)),
            a_reading(number),
            a_reading(number),
            a_reading(number),
            alone(service, code, days(number), modifiers=modifiers),
            alone(service, st.sampled_from(["acute_contact", "renal_procedure", "hospice_encounter"]), days(number)),
            alone(diagnosed, st.sampled_from(["renal_diagnosis", "pregnancy"]), days(number)),
        ),
        4,
    )
    return after(base, drawn)


@st.composite
def a_condition(draw: Draw, number: int, *roles: str) -> Facts:
    start, end = ordered(draw, number)
    return (
        condition(
            draw(st.sampled_from(roles)),
            start,
            draw(st.sampled_from([None, end])),
            status=draw(st.sampled_from(["active", "relapse", "resolved", "inactive", ""])),
            verification=draw(st.sampled_from(["", "confirmed", "refuted", "entered-in-error"])),
            category=draw(st.sampled_from(["encounter-diagnosis", "problem-list-item"])),
        ),
    )


@st.composite
def an_encounter(draw: Draw, number: int, *roles: str) -> Facts:
    start, end = ordered(draw, number)
    status = draw(st.sampled_from(["finished", "finished", "in-progress", "planned"]))
    return (encounter(draw(st.sampled_from(roles)), start, draw(st.sampled_from([start, end])), status=status),)


@st.composite
def a_procedure(draw: Draw, number: int, role: str) -> Facts:
    start, end = ordered(draw, number)
    status = draw(st.sampled_from(["completed", "not-done", "in-progress"]))
    return (procedure(role, start, draw(st.sampled_from([None, end])), status=status),)


def facts_of_the_ecqm_cbp(number: int) -> st.SearchStrategy[Facts]:
    base = (encounter("qualifying_visit", f"{number}-03-01"), condition("hypertension", f"{number - 1}-03-01"))
    drawn = several(
        st.one_of(
            a_condition(number, "hypertension"),
            an_encounter(number, "qualifying_visit"),
            a_reading(number),
            a_reading(number),
            a_reading(number),
            a_condition(number, "renal_diagnosis", "pregnancy", "hypertension"),
            an_encounter(number, "qualifying_visit", "renal_encounter", "acute_contact"),
            a_procedure(number, "renal_procedure"),
        ),
        4,
    )
    return after(base, drawn)


# ---- GSD


@st.composite
def a_result(draw: Draw, number: int) -> Facts:
    start, end = ordered(draw, number)
    value = draw(st.sampled_from([None, "6.9", "7.99", "8.0", "9.0", "9.1"]))
    given_ = {} if value is None else {"value": value}
    return (
        observation(
            draw(st.sampled_from(["hba1c_test", "gmi"])),
            start,
            draw(st.sampled_from([None, end])),
            status=draw(st.sampled_from(["final", "final", "corrected", "cancelled"])),
            category=draw(st.sampled_from(["laboratory", "laboratory", "survey"])),
            **given_,
        ),
    )


def facts_of_the_program_gsd(number: int) -> st.SearchStrategy[Facts]:
    code = st.sampled_from([*naive_gsd.CLASSES, "hba1c_test"])
    places = st.sampled_from([(), ("laboratory_place",)])
    base = (diagnosed("diabetes", f"{number - 1}-03-01"), diagnosed("diabetes", f"{number}-03-01"))
    drawn = several(
        st.one_of(
            alone(diagnosed, "diabetes", days(number)),
            alone(diagnosed, "diabetes", days(number), places=places),
            alone(
                dispensing, st.sampled_from(["diabetes_medication", "metformin"]), days(number), denied=st.booleans()
            ),
            a_result(number),
            a_result(number),
            alone(observation, "hba1c_test", days(number), says="in_words"),
            alone(service, code, days(number), modifiers=st.sampled_from([(), ("not_done_modifier",)])),
            alone(service, "hospice_encounter", days(number)),
        ),
        4,
    )
    return after(base, drawn)


def facts_of_the_ecqm_gsd(number: int) -> st.SearchStrategy[Facts]:
    role = "qualifying_visit" if number == 2025 else "glycemic_visit"
    stated = condition("diabetes", f"{number - 1}-03-01", category="encounter-diagnosis")
    drawn = several(
        st.one_of(
            a_condition(number, "diabetes"),
            an_encounter(number, role),
            a_result(number),
            a_result(number),
        )
    )
    return after((encounter(role, f"{number}-03-01"), stated), drawn)


# ---- DSF


def facts_of_the_program_dsf(number: int) -> st.SearchStrategy[Facts]:
    near = st.one_of(days(number), st.sampled_from([f"{number}-11-{on:02}" for on in (1, 2, 30)]))
    tool = st.sampled_from([*naive_dsf.POSITIVE])
    score = st.sampled_from([None, 0, 2, 3, 9, 10, 19, 20])

    def scored(role: str, on: str, value: int | None) -> Kept:
        return observation(role, on) if value is None else observation(role, on, value=value)

    def visited(on: str) -> Kept:
        return claim(line("follow_up_visit", on), diagnoses=("behavioral_health_condition",))

    return several(
        st.one_of(
            alone(scored, tool, near, score),  # type: ignore[arg-type]  # a number or none
            alone(scored, tool, near, score),  # type: ignore[arg-type]
            alone(visited, near),
            alone(
                service, st.sampled_from(["behavioral_health_encounter", "follow_up_visit", "hospice_encounter"]), near
            ),
            alone(dispensing, "antidepressant", near, denied=st.booleans()),
            alone(diagnosed, st.sampled_from(["bipolar_disorder", "depression"]), near),
        )
    )


@st.composite
def facts_of_the_ecqm_dsf(draw: Draw, number: int) -> Facts:
    """Around one day of visits, to the moment."""
    middle = dt.date.fromisoformat(draw(st.sampled_from([f"{number}-06-21", f"{number}-01-01", f"{number}-12-31"])))

    def on(*offsets: int) -> str:
        return f"{middle + dt.timedelta(days=draw(st.sampled_from(offsets)))}"

    def at(*offsets: int) -> str:
        return on(*offsets) + draw(st.sampled_from(TIMES))

    visit = encounter("depression_visit", f"{middle}T08:00:00Z", f"{middle}T08:15:00Z")
    facts: list[Kept] = draw(st.sampled_from([[visit], [visit], []])).copy()
    for _ in range(draw(st.integers(0, 6))):
        group = draw(st.sampled_from(["adolescent", "adult"]))
        match draw(
            st.sampled_from(["visit", "visit", "screen", "screen", "bipolar", "declined", "done", "asked", "drug"])
        ):
            case "visit":
                first, last = sorted((at(0, 0, 1), at(0, 0, 1)))
                facts.append(
                    encounter(
                        "depression_visit",
                        first,
                        last,
                        status=draw(st.sampled_from(["finished", "finished", "planned"])),
                    )
                )
            case "screen":
                answer = draw(st.sampled_from(["positive", "positive", "negative", "unclear"]))
                status = draw(st.sampled_from(["final", "final", "corrected", "preliminary"]))
                facts.append(
                    observation(
                        f"{group}_screening", at(-15, -14, -1, -1, 0, 0, 1), status=status, says=f"screening_{answer}"
                    )
                )
            case "bipolar":
                category = draw(st.sampled_from(["problem-list-item", "health-concern", "encounter-diagnosis"]))
                facts.append(condition("bipolar_disorder", at(-1, 0, 1, 400), category=category))
            case "declined":
                when = at(-1, 0, 1)
                moment = when if len(when) > 10 else ""
                facts.append(
                    observation(
                        f"{group}_screening",
                        when,
                        status="cancelled",
                        not_done=True,
                        authored=when,
                        authored_at=moment,
                        reason_code=draw(st.sampled_from(["720834000", "1"])),
                    )
                )
            case "done":
                status = draw(st.sampled_from(["completed", "not-done"]))
                facts.append(procedure(f"{group}_follow_up", at(-1, 0, 1), status=status))
            case "asked":
                status = draw(st.sampled_from(["active", "draft"]))
                facts.append(order("procedure", f"{group}_referral", on(-1, 0, 2, 3), status=status))
            case _:
                first = on(-1, 0, 1, 2)
                last_day = draw(st.sampled_from([None, first, f"{middle + dt.timedelta(days=30)}"]))
                facts.append(medication(f"{group}_medication", first, last_day))
    return tuple(facts)


def exception_of(found: dict[str, Outcome], rate: str) -> int:
    return found[rate].denominator_exception if rate in found else 0


# ---- agreement


@SOME
@given(births(2025, 17, 18, 85, 50), facts_of_the_program_cbp(2025))
def test_cbp_of_the_program_is_what_the_naive_reading_says(who: Profile, kept: Facts) -> None:
    assert populations(outcomes("capc-2025", "CBP", year(2025), who, *kept), "controlled") == naive_cbp.program(
        who, kept
    )


@SOME
@given(
    st.sampled_from([2025, 2026]).flatmap(
        lambda n: st.tuples(st.just(n), births(n, 17, 18, 85, 50), facts_of_the_ecqm_cbp(n))
    )
)
def test_cbp_of_the_ecqm_is_what_the_naive_reading_says(drawn: tuple[int, Profile, Facts]) -> None:
    number, who, kept = drawn
    found = outcomes(f"cms-{number}", "CBP", year(number), who, *kept)
    assert populations(found, "controlled") == naive_cbp.ecqm(number, who, kept)


@SOME
@given(births(2025, 17, 18, 75, 50), facts_of_the_program_gsd(2025))
def test_gsd_of_the_program_is_what_the_naive_reading_says(who: Profile, kept: Facts) -> None:
    found = outcomes("capc-2025", "GSD", year(2025), who, *kept)
    assert (populations(found, "lt8"), populations(found, "gt9")) == naive_gsd.program(who, kept)


@SOME
@given(
    st.sampled_from([2025, 2026]).flatmap(
        lambda n: st.tuples(st.just(n), births(n, 17, 18, 75, 50), facts_of_the_ecqm_gsd(n))
    )
)
def test_gsd_of_the_ecqm_is_what_the_naive_reading_says(drawn: tuple[int, Profile, Facts]) -> None:
    number, who, kept = drawn
    assert populations(outcomes(f"cms-{number}", "GSD", year(number), who, *kept), "gt9") == naive_gsd.ecqm(
        number, who, kept
    )


@SOME
@given(births(2025, 11, 12, 17, 18, 50), facts_of_the_program_dsf(2025))
def test_dsf_of_the_program_is_what_the_naive_reading_says(who: Profile, kept: Facts) -> None:
    found = outcomes("capc-2025", "DSF", year(2025), who, *kept)
    assert (populations(found, "screened"), populations(found, "followed_up")) == naive_dsf.program(who, kept)


@SOME
@given(
    st.sampled_from([2025, 2026]).flatmap(
        lambda n: st.tuples(st.just(n), births(n, 11, 12, 16, 17, 18), facts_of_the_ecqm_dsf(n))
    )
)
def test_dsf_of_the_ecqm_is_what_the_naive_reading_says(drawn: tuple[int, Profile, Facts]) -> None:
    number, who, kept = drawn
    found = outcomes(f"cms-{number}", "DSF", year(number), who, *kept)
    assert (*populations(found, "screened"), exception_of(found, "screened")) == naive_dsf.ecqm(number, who, kept)


# ---- laws


ANY = st.one_of(
    st.tuples(st.just("capc-2025"), st.just("CBP"), births(2025, 18, 50), facts_of_the_program_cbp(2025)),
    st.tuples(st.just("cms-2026"), st.just("CBP"), births(2026, 18, 50), facts_of_the_ecqm_cbp(2026)),
    st.tuples(st.just("capc-2025"), st.just("GSD"), births(2025, 18, 50), facts_of_the_program_gsd(2025)),
    st.tuples(st.just("cms-2025"), st.just("GSD"), births(2025, 18, 50), facts_of_the_ecqm_gsd(2025)),
    st.tuples(st.just("capc-2025"), st.just("DSF"), births(2025, 12, 50), facts_of_the_program_dsf(2025)),
    st.tuples(st.just("cms-2026"), st.just("DSF"), births(2026, 12, 17, 50), facts_of_the_ecqm_dsf(2026)),
)
Drawn = tuple[str, str, Profile, Facts]


def number_of(edition: str) -> int:
    return int(edition[-4:])


@SOME
@given(ANY, st.randoms(use_true_random=False))
def test_the_order_of_the_facts_does_not_matter(drawn: Drawn, rng: random.Random) -> None:
    edition, measure, who, kept = drawn
    shuffled = list(kept)
    rng.shuffle(shuffled)
    period = year(number_of(edition))
    assert outcomes(edition, measure, period, who, *kept) == outcomes(edition, measure, period, who, *shuffled)


@SOME
@given(ANY, st.integers(0, 800), st.integers(0, 40))
def test_between_two_days_on_which_facts_begin_nothing_changes(drawn: Drawn, after: int, later: int) -> None:
    edition, measure, who, kept = drawn
    period = year(number_of(edition))
    as_of: Day = period.start - 400 + after
    starts = {fact.start for one in kept for fact in coded(one)}
    until = min((day for day in starts if day > as_of), default=as_of + later + 1)
    first = outcomes(edition, measure, period, who, *kept, as_of=as_of)
    assert first == outcomes(edition, measure, period, who, *kept, as_of=min(as_of + later, until - 1))
