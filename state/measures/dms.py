"""DMS: is a depression watched with the PHQ-9? Three assessment periods a year; a member counts once in each with a visit for it.

Source: measures.md 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

import msgspec

from state.calendar import Day, add_months
from state.measures import depression_scores, eligibility, exclusions, status
from state.measures.depression_scores import Score, excluded, scores, visits
from state.measures.eligibility import Eligibility
from state.measures.facts import Fact, Person
from state.measures.outcome import Measure, Outcome, Step, in_turn, none_of, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses

TOTAL = "assessed"
YEAR = 12
"""Months of a period."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of DMS. An assessment period has so many `months`; the age is that on the first day of the period."""

    youngest: int
    months: int
    teen_until: int
    eligibility: Eligibility
    statuses: Statuses
    death: bool


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that DMS reads."""
    out = exclusions.roles_of_all(death_excludes=parameters.death)
    return depression_scores.ROLES | status.ROLES | out | eligibility.roles(parameters.eligibility)


def rates(parameters: Parameters) -> tuple[str, ...]:
    """One for each assessment period of a year, then their total."""
    return (*(f"{TOTAL}_{number}" for number in range(1, 1 + ceil(YEAR / parameters.months))), TOTAL)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """A rate for each assessment period, then their total, which counts periods, not members. Empty without any visit for depression."""
    birth = person.profile.birth
    if birth is None:
        return ()
    statuses = parameters.statuses
    days = visits(person, statuses)
    if not any(period.holds(day) for day in days):
        return ()
    asked = in_turn(_asked(person, period, parameters))
    if not asked[-1].holds:
        return ()
    out = excluded(person, period, statuses, death_excludes=parameters.death)
    totals = scores(person, birth, statuses, parameters.teen_until)
    outcomes = [
        _assessed(f"{TOTAL}_{number}", part, (asked, out), days, totals, period.end) or none_of(f"{TOTAL}_{number}")
        for number, part in enumerate(assessment_periods(period, parameters.months), 1)
    ]
    return (*outcomes, _total(outcomes, period)) if any(one.denominator for one in outcomes) else ()


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Age, enrollment, and a visit for depression in the period. Source: measures.md 2.2."""
    yield from _asked(person, period, parameters)
    days = visits(person, parameters.statuses)
    yield step(
        "a visit for depression in the period",
        (fact for day, facts in days.items() if period.holds(day) for fact in facts),
    )


def _asked(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    yield eligibility.is_old_enough(person, period, parameters.youngest)
    yield eligibility.is_eligible(person, period, parameters.eligibility, parameters.statuses)


def assessment_periods(period: Period, months: int) -> list[Period]:
    """The period cut into parts of so many months; a year gives January to April, May to August, September to December."""
    parts: list[Period] = []
    start = period.start
    while start <= period.end:
        following = add_months(period.start, months * (len(parts) + 1))
        parts.append(Period(start, min(following - 1, period.end)))
        start = following
    return parts


def _assessed(
    rate: str,
    part: Period,
    asked: tuple[tuple[Step, ...], tuple[Step, ...]],
    days: Mapping[Day, list[Fact]],
    totals: list[Score],
    anchor: Day,
) -> Outcome | None:
    """The outcome of one assessment period: a visit in it, and a PHQ-9 total in it."""
    population, out = asked
    within = [one for one in totals if part.holds(one.day)]
    visited = step(
        "a visit for depression in the assessment period",
        (fact for day, facts in days.items() if part.holds(day) for fact in facts),
    )
    return proportion(
        rate,
        population=(*population, visited),
        exclusions=out,
        numerator=(
            Step(
                "a PHQ-9 total in the assessment period",
                holds=bool(within),
                evidence=tuple(dict.fromkeys(one.evidence for one in within)),
            ),
        ),
        closes_with="a PHQ-9 total",
        due_by=part.end,
        anchor=anchor,
    )


def _total(outcomes: list[Outcome], period: Period) -> Outcome:
    """All assessment periods together: one member counts up to as often as there are periods. Each of these has its gap, not their sum."""
    return Outcome(
        rate=TOTAL,
        initial_population=sum(one.initial_population for one in outcomes),
        denominator=sum(one.denominator for one in outcomes),
        denominator_exclusion=sum(one.denominator_exclusion for one in outcomes),
        numerator=sum(one.numerator for one in outcomes),
        evidence=tuple(dict.fromkeys(name for one in outcomes for name in one.evidence)),
        steps=tuple(dict.fromkeys(one for of in outcomes for one in of.steps)),
        anchor=period.end,
        has_gap=False,
    )


def needs(_parameters: Parameters) -> tuple[frozenset[str], ...]:
    """Nobody has a visit for depression without both."""
    return depression_scores.VISITED


MEASURE = Measure(
    "DMS",
    "Depression Monitoring with the PHQ-9",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    beside=depression_scores.BESIDE,
    needs=needs,
)
