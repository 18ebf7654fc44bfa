"""Immunized by a birthday: who is asked, who is out, and each combination of antigens. Childhood and adolescents differ in data alone.

Sources: measures.md 8 and 9; CMS117 CQL, Initial Population, Denominator Exclusions, Numerator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from state.calendar import Day, add_months
from state.measures import eligibility, exclusions, status
from state.measures.age import birthday
from state.measures.eligibility import Visited, is_aged, is_eligible
from state.measures.enrollment import Benefit, Rule, enrolled, enrolled_on
from state.measures.facts import Person
from state.measures.outcome import Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import between
from state.measures.vaccines import Antigen, Protection, Until, before_birth, protection


class EnrolledBefore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="birthday"):
    """The birthday lies in the period; continuously enrolled for so many months before it, and on it. Source: measures.md 8 and 9."""

    months: int = 12
    benefits: tuple[Benefit, ...] = ("medical",)
    gaps: Rule = Rule()


class Immunizations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of immunizations by the birthday of `years`.

    Each of `combinations` and each antigen is a rate. `exclusions` are the roles of conditions and procedures that take a member out
    when they began by the birthday. Doses that two sources date up to `same_dose_within` days apart are one.
    """

    years: int
    eligibility: EnrolledBefore | Visited
    antigens: Mapping[str, Antigen]
    combinations: Mapping[str, tuple[str, ...]]
    statuses: Statuses
    death: bool
    exclusions: tuple[str, ...] = ()
    same_dose_within: int = 0


def roles(parameters: Immunizations) -> frozenset[str]:
    """The roles that the rule reads."""
    antigens = (antigen.roles() for antigen in parameters.antigens.values())
    out = exclusions.roles_of_all(death_excludes=parameters.death)
    return enters(parameters).union(out, status.ROLES, parameters.exclusions, *antigens)


def enters(parameters: Immunizations) -> frozenset[str]:
    """What the population reads: a visit, where the edition asks for one."""
    return eligibility.roles(parameters.eligibility) if isinstance(parameters.eligibility, Visited) else frozenset()


def rates(parameters: Immunizations) -> tuple[str, ...]:
    """A rate for each combination, then one for each antigen."""
    return (*parameters.combinations, *parameters.antigens)


def evaluate(person: Person, period: Period, parameters: Immunizations) -> tuple[Outcome, ...]:
    """A rate for each combination, then one for each antigen; all for those who are of the age and eligible. Anchor: the birthday."""
    birth = person.profile.birth
    if birth is None:
        return ()
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    until = Until(birth, parameters.years, parameters.same_dose_within)
    out = _exclusions(person, period, parameters, until)
    early = before_birth(person, parameters.antigens.values(), birth)
    known = {
        name: protection(person, parameters.statuses, name, antigen, until)
        for name, antigen in parameters.antigens.items()
    }
    groups = {**parameters.combinations, **{name: (name,) for name in known}}
    return tuple(
        _outcome(rate, {name: known[name] for name in names}, (asked, out, early), until.last)
        for rate, names in groups.items()
    )


def population(person: Person, period: Period, parameters: Immunizations) -> Iterator[Step]:
    """A birthday in the period, and enrolled before it and on it; for the eCQM, of that age and seen.

    Sources: measures.md 8 and 9; CMS117 CQL, Initial Population.
    """
    rule, years, birth = parameters.eligibility, parameters.years, person.profile.birth
    if isinstance(rule, Visited):
        yield is_aged(person, period, years, years)
        yield is_eligible(person, period, rule, parameters.statuses)
        return
    asks = f"birthday {years} in the period"
    if birth is None:
        yield Step(asks, holds=False)
        return
    day = birthday(birth, years)
    yield Step(asks, period.holds(day))
    # The months before the birthday end on the day before it, so that they are whole years and no stub; the birthday is the anchor.
    start = add_months(day, -rule.months)
    holds = enrolled_on(person.profile, day) and all(
        enrolled(person.profile, start, day - 1, rule.gaps, benefit) for benefit in rule.benefits
    )
    benefits = " and ".join(rule.benefits)
    yield Step(f"continuously enrolled ({benefits}) {between(start, day - 1)}, and on birthday {years}", holds)


def _exclusions(person: Person, period: Period, parameters: Immunizations, until: Until) -> tuple[Step, ...]:
    """Hospice care, death, and what began by the birthday. Source: measures.md 1.4, 8; CMS117 CQL, Denominator Exclusions."""
    statuses = parameters.statuses
    steps = list(exclusions.of_all(person, period, statuses, death_excludes=parameters.death))
    for role in parameters.exclusions:
        found = (*status.conditions(person, statuses, role), *status.procedures(person, statuses, role))
        steps.append(
            step(f"{role} by the birthday", [fact for fact in found if until.birth <= fact.start <= until.last])
        )
    return tuple(steps)


def _outcome(
    rate: str,
    of: Mapping[str, Protection],
    asked: tuple[tuple[Step, ...], tuple[Step, ...], tuple[Step, ...]],
    last: Day,
) -> Outcome:
    """The outcome of a combination: met when every antigen of it is. A gap is closed at the earliest when its last antigen can be."""
    population, out, early = asked
    steps = tuple(one.step for one in of.values())
    missing = [one for one in of.values() if not one.step.holds]
    evidence = tuple(dict.fromkeys(name for one in steps for name in one.evidence))
    found = proportion(
        rate,
        population=population,
        exclusions=out,
        numerator=(Step(f"{rate}: all of {', '.join(of)}", not missing, evidence),),
        closes_with="; ".join(one.step.asks for one in missing),
        due_by=last,
        anchor=last,
    )
    assert found is not None  # noqa: S101 - the population has been asked
    opens_on = max((one.opens_on for one in missing), default=last)
    return msgspec.structs.replace(
        found,
        steps=(*population, *out, *early, *steps),
        opens_on=opens_on if found.closes_with else None,
    )
