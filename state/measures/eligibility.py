"""What makes somebody a member to be measured, beside age: enrollment (the program's editions) or a visit (the eCQMs).

An edition chooses: `eligibility = {by = "enrollment", ...}` or `{by = "visit"}`.
"""

from __future__ import annotations

import msgspec

from state.measures import status
from state.measures.age import age_on
from state.measures.enrollment import Benefit, Rule, enrolled, enrolled_on
from state.measures.facts import Person
from state.measures.outcome import Step, one_of
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import between, lies_in


class Enrolled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="enrollment"):
    """Continuously enrolled from so many months before the period to its last day, and on that day. Source: measures.md 1.2."""

    months_before: int = 0
    benefits: tuple[Benefit, ...] = ("medical",)
    gaps: Rule = Rule()


class Visited(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="visit"):
    """A visit with one of these roles in the period. Source: AdultOutpatientEncounters CQL, Qualifying Encounters."""

    roles: tuple[str, ...] = ("qualifying_visit",)


Eligibility = Enrolled | Visited


def roles(rule: Eligibility) -> frozenset[str]:
    """The roles that the rule reads."""
    return frozenset(rule.roles) if isinstance(rule, Visited) else frozenset()


def is_eligible(person: Person, period: Period, rule: Eligibility, statuses: Statuses) -> Step:
    """Whether the member is enrolled as the rule asks, or had a visit that began and ended in the period."""
    if isinstance(rule, Visited):
        visits = status.encounters(person, statuses, *rule.roles)
        return one_of("a visit in the period", [f for f in visits if lies_in(f, period.start, period.end)])
    start = period.months_before_start(rule.months_before)
    holds = enrolled_on(person.profile, period.end) and all(
        enrolled(person.profile, start, period.end, rule.gaps, benefit) for benefit in rule.benefits
    )
    benefits = " and ".join(rule.benefits)
    return Step(f"continuously enrolled ({benefits}) {between(start, period.end)}, and on that day", holds)


def is_old_enough(person: Person, period: Period, youngest: int) -> Step:
    """Whether the member has reached an age on the first day of the period."""
    birth = person.profile.birth
    holds = birth is not None and age_on(birth, period.start) >= youngest
    return Step(f"aged {youngest} or more on the first day of the period", holds)


def is_aged(person: Person, period: Period, youngest: int, oldest: int) -> Step:
    """Whether the member's age on the last day of the period lies from `youngest` to `oldest`, both included."""
    birth = person.profile.birth
    holds = birth is not None and youngest <= age_on(birth, period.end) <= oldest
    return Step(f"aged {youngest} to {oldest} on the last day of the period", holds)
