"""DSF as the program has it, DSF-E: members screened for depression in the period, and those screened positive followed up in 30 days.

Source: measures.md 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from state.calendar import Day, to_date
from state.measures import eligibility, exclusions, status
from state.measures.age import age_on
from state.measures.bands import Band
from state.measures.diagnosed_visits import diagnosed_visits
from state.measures.eligibility import Enrolled, is_eligible, is_old_enough
from state.measures.facts import Fact, Person
from state.measures.outcome import Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import latest, prevails, starts_in

SCREENED, FOLLOWED_UP = "screened", "followed_up"


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A standard questionnaire, by the role of its code: from which score it is positive, and who may be asked it.

    `brief`: a short form, whose positive result a full-length screen of the same day can take back.
    """

    role: str
    positive_from: Decimal
    brief: bool = False
    youngest: int = 0
    oldest: int = 200


class Screening(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="enrollment"):
    """What an edition says of the rule. Ages are those on the first day of the period.

    Screens count until `days_left` days before the last day of the period; a follow-up until `follow_up_days` after the first positive.
    """

    eligibility: Enrolled
    instruments: tuple[Instrument, ...]
    bands: tuple[Band, ...] = ()
    youngest: int = 12
    days_left: int = 30
    follow_up_days: int = 30


FOLLOW_UP_ROLES = frozenset(
    {
        "antidepressant",
        "behavioral_health_condition",
        "behavioral_health_encounter",
        "depression_case_management",
        "depression_symptom",
        "exercise_counselling",
        "follow_up_visit",
    }
)
"""What is read of a follow-up alone; a depression takes out as well."""

BESIDE: dict[str, tuple[str, ...]] = {"depression_case_management": (), "follow_up_visit": ()}
"""A follow-up by a visit or by case management is read with the diagnosis on its claim alone."""


def roles(rule: Screening, *, death_excludes: bool) -> frozenset[str]:
    """The roles that the rule reads."""
    return (
        FOLLOW_UP_ROLES
        | {"bipolar_disorder", "depression", *(one.role for one in rule.instruments)}
        | eligibility.roles(rule.eligibility)
        | exclusions.roles_of_all(death_excludes=death_excludes)
    )


@dataclass(frozen=True, slots=True)
class Screen:
    """An answered questionnaire."""

    day: Day
    fact: Fact
    instrument: Instrument

    @property
    def is_positive(self) -> bool:
        """Whether the score is known and reaches the threshold."""
        return self.fact.value is not None and self.fact.value >= self.instrument.positive_from

    @property
    def is_negative(self) -> bool:
        """Whether the score is known and stays below the threshold."""
        return self.fact.value is not None and self.fact.value < self.instrument.positive_from


def evaluate(
    person: Person, period: Period, rule: Screening, statuses: Statuses, *, death_excludes: bool
) -> tuple[Outcome, ...]:
    """The rates "screened" and "followed_up". Empty for members too young on the first day, or not enrolled."""
    birth = person.profile.birth
    asked = in_turn(population(person, period, rule, statuses))
    if birth is None or not asked[-1].holds:
        return ()
    age = age_on(birth, period.start)
    last_day = period.end - rule.days_left
    band = next((f"{youngest}-{oldest}" for youngest, oldest in rule.bands if youngest <= age <= oldest), "")
    screens = [one for one in screens_of(person, rule, statuses, age) if period.start <= one.day <= last_day]
    by_screen = step("screened with a result, with a tool for the age", (one.fact for one in screens))
    first = proportion(
        SCREENED,
        population=asked,
        exclusions=(
            *exclusions.of_all(person, period, statuses, death_excludes=death_excludes),
            had_bipolar_disorder(person, period, statuses),
            was_depressed(person, period, statuses),
        ),
        numerator=(by_screen,),
        closes_with="a depression screen with a standard tool for the age, and its score",
        due_by=last_day,
        anchor=period.end,
        band=band,
    )
    if first is None:
        return ()
    return first, _followed_up(person, period, rule, statuses, first, screens)


def population(person: Person, period: Period, rule: Screening, statuses: Statuses) -> Iterator[Step]:
    """Old enough on the first day, and enrolled. Source: measures.md 2.1, denominator 1 and enrollment."""
    yield is_old_enough(person, period, rule.youngest)
    yield is_eligible(person, period, rule.eligibility, statuses)


def screens_of(person: Person, rule: Screening, statuses: Statuses, age: int) -> Iterator[Screen]:
    """Every screen with a result by a tool that suits the age. Source: measures.md 2.1, numerator 1 and cut-offs.

    A claim that bills for a screen says neither tool nor score: it is none.
    """
    for instrument in rule.instruments:
        if not instrument.youngest <= age <= instrument.oldest:
            continue
        for fact in status.assessments(person, statuses, instrument.role):
            if status.has_result(fact):
                yield Screen(latest(fact), fact, instrument)


def had_bipolar_disorder(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether a bipolar disorder was stated before the period, however long ago. Source: measures.md 2.1, exclusions."""
    found = status.conditions(person, statuses, "bipolar_disorder")
    return step("bipolar disorder before the period", [fact for fact in found if fact.start < period.start])


def was_depressed(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether the member had a depression in the year before the period. Source: measures.md 2.1, exclusions."""
    found = status.conditions(person, statuses, "depression")
    return step(
        "depression in the year before the period",
        [fact for fact in found if prevails(fact, period.prior_start, period.start - 1)],
    )


def _followed_up(
    person: Person, period: Period, rule: Screening, statuses: Statuses, screened: Outcome, screens: list[Screen]
) -> Outcome:
    """The rate of those who count as screened and were positive, from the first positive screen. Source: measures.md 2.1, denominator 2."""
    positives = [one for one in screens if one.is_positive] if screened.numerator else []
    asks = "a positive screen"
    if not positives:
        return Outcome(
            rate=FOLLOWED_UP,
            initial_population=1,
            band=screened.band,
            anchor=period.end,
            steps=(*screened.steps, Step(asks, holds=False)),
            parts=screened.parts,
        )
    day = min(one.day for one in positives)
    on_day = [one for one in positives if one.day == day]
    outcome = proportion(
        FOLLOWED_UP,
        population=(step(asks, (one.fact for one in on_day)),),
        exclusions=(),
        numerator=(
            is_followed_up(person, day, day + rule.follow_up_days, statuses),
            is_taken_back(on_day, [one for one in screens if one.day == day]),
        ),
        closes_with="a visit for a condition of the mind, a therapy or an antidepressant "
        f"within {rule.follow_up_days} days of the positive screen of {to_date(day)}",
        due_by=day + rule.follow_up_days,
        anchor=period.end,
        band=screened.band,
    )
    assert outcome is not None  # noqa: S101 - there is a positive screen
    return outcome


def is_followed_up(person: Person, first: Day, last: Day, statuses: Statuses) -> Step:
    """Whether something was done about it from `first` to `last`, both included. Source: measures.md 2.1, numerator 2."""
    visits = diagnosed_visits(person, statuses, ("follow_up_visit",), ("behavioral_health_condition", "depression"))
    managed = diagnosed_visits(person, statuses, ("depression_case_management",), ("depression", "depression_symptom"))
    found = [f for days in (visits, managed) for day, facts in days.items() if first <= day <= last for f in facts]
    for some in (
        status.encounters(person, statuses, "behavioral_health_encounter"),
        status.conditions(person, statuses, "exercise_counselling"),
        status.dispensed(person, statuses, "antidepressant"),
    ):
        found += [fact for fact in some if starts_in(fact, first, last)]
    return step("followed up", found)


def is_taken_back(positives: list[Screen], on_day: list[Screen]) -> Step:
    """Whether positives of brief tools alone are followed by a negative full-length screen of the same day. Source: measures.md 2.1."""
    brief = all(one.instrument.brief for one in positives)
    full = [one.fact for one in on_day if not one.instrument.brief and one.is_negative]
    return step("a negative full-length screen on the day of a positive brief one", full if brief else ())
