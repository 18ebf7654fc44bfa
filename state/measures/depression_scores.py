"""What monitoring (DMS) and remission (DRR) of a depression share: visits for it, PHQ-9 scores, and who is out.

Sources: measures.md 2.2 and 2.3.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from state.calendar import Day
from state.measures import exclusions, status
from state.measures.age import age_on
from state.measures.diagnosed_visits import diagnosed_visits
from state.measures.facts import Fact, Person
from state.measures.outcome import Step, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import latest

DISORDERS = ("bipolar_disorder", "personality_disorder", "psychotic_disorder", "pervasive_developmental_disorder")
OF_VISITS = frozenset({"depression_visit", "major_depression_or_dysthymia"})
VISITED = tuple(frozenset({role}) for role in sorted(OF_VISITS))
"""Without a fact of each there is no visit for depression."""
BESIDE: dict[str, tuple[str, ...]] = {"depression_visit": ()}
"""A visit is read with the diagnosis on its claim alone."""
QUESTIONNAIRES = frozenset({"phq9", "phq9_teen"})
ROLES = frozenset({*DISORDERS, "depression_visit", "major_depression_or_dysthymia", "phq9", "phq9_teen"})


class Score(msgspec.Struct, frozen=True, order=True):
    """A PHQ-9 total on a day. In order: by day, on a day the lowest first."""

    day: Day
    total: Decimal
    evidence: str


def visits(person: Person, statuses: Statuses) -> dict[Day, list[Fact]]:
    """The days of interactive outpatient visits at which major depression or dysthymia was stated, with their facts."""
    return diagnosed_visits(person, statuses, {"depression_visit"}, {"major_depression_or_dysthymia"})


def scores(person: Person, birth: Day, statuses: Statuses, teen_until: int) -> list[Score]:
    """The PHQ-9 totals, in order; those of the version for adolescents up to the age of `teen_until`.

    A questionnaire without a total is none: no score can be read from a code that says that a test was billed.
    """
    asked = (
        *status.assessments(person, statuses, "phq9"),
        *(f for f in status.assessments(person, statuses, "phq9_teen") if age_on(birth, latest(f)) <= teen_until),
    )
    return sorted(Score(latest(fact), fact.value, fact.evidence) for fact in asked if fact.value is not None)


def excluded(person: Person, period: Period, statuses: Statuses, *, death_excludes: bool) -> tuple[Step, ...]:
    """Hospice care and death in the period, and other disorders of the mind at any time up to its end. Source: measures.md 2.2."""
    return (
        *exclusions.of_all(person, period, statuses, death_excludes=death_excludes),
        *(
            step(
                f"{role} at any time",
                [f for f in status.conditions(person, statuses, role) if f.start <= period.end],
            )
            for role in DISORDERS
        ),
    )
