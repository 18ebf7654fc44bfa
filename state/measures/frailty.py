"""Frailty with advanced illness, and living in a nursing home, take members of an age out of BCS, COL, GSD and CBP.

Sources: measures.md 1.4; AdvancedIllnessandFrailty CQL.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from state.calendar import Day
from state.measures import status
from state.measures.age import age_on
from state.measures.facts import Fact, Person
from state.measures.moments import end_order
from state.measures.outcome import Step, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import end_of, ends_in, ordered_on, overlaps, prevails, starts_in, supply_overlaps


class FrailtyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which age; on how many different days each must show; from which age frailty alone suffices (CBP: 81); nursing homes or not."""

    from_age: int = 66
    frail_days: int = 1
    ill_days: int = 1
    alone_from_age: int | None = None
    nursing_home: bool = True


_FRAIL = frozenset({"frailty_device", "frailty_diagnosis", "frailty_encounter", "frailty_symptom", "equipment_used"})
_ILL = frozenset({"advanced_illness", "dementia_medication"})
_HOME = frozenset({"housing_status", "nursing_home"})


def roles(rule: FrailtyRule) -> frozenset[str]:
    """The roles that the rule reads."""
    return _FRAIL | _ILL | (_HOME if rule.nursing_home else frozenset())


def excluded(person: Person, period: Period, rule: FrailtyRule, statuses: Statuses) -> tuple[Step, ...]:
    """The exclusions of the rule, each as a step. Ages are those on the last day of the period; nobody of unknown birth has one."""
    birth = person.profile.birth
    age = -1 if birth is None else age_on(birth, period.end)
    if age < rule.from_age:
        return ()
    frail = is_frail(person, period, rule, statuses)
    if rule.alone_from_age is not None and age >= rule.alone_from_age:
        steps = [msgspec.structs.replace(frail, asks=f"aged {rule.alone_from_age} or more, and frail")]
    else:
        ill = has_advanced_illness(person, period, rule, statuses)
        steps = [
            Step(
                f"aged {rule.from_age} or more, frail, with advanced illness",
                holds=frail.holds and ill.holds,
                evidence=(*frail.evidence, *ill.evidence) if frail.holds and ill.holds else (),
            )
        ]
    if rule.nursing_home:
        steps.append(lives_in_nursing_home(person, period, rule, statuses))
    return tuple(steps)


def is_frail(person: Person, period: Period, rule: FrailtyRule, statuses: Statuses) -> Step:
    """Whether devices, diagnoses, encounters or symptoms show frailty in the period, on so many different days.

    Something that began before the period counts on its first day. Source: AdvancedIllnessandFrailty CQL, Has Criteria Indicating Frailty.
    """
    start, end = period.start, period.end
    shown = [
        (ordered_on(fact), fact)
        for fact in status.devices(person, statuses, "frailty_device")
        if period.holds(ordered_on(fact))
    ]
    shown += [
        (end_of(fact), fact)
        for fact in status.assessments(person, statuses, "equipment_used")
        if status.says(person, fact, "frailty_device") and ends_in(fact, start, end)
    ]
    there = [f for f in status.conditions(person, statuses, "frailty_diagnosis") if prevails(f, start, end)]
    there += [f for f in status.encounters(person, statuses, "frailty_encounter") if overlaps(f, start, end)]
    there += [f for f in status.symptoms(person, statuses, "frailty_symptom") if overlaps(f, start, end)]
    shown += [(max(start, fact.start), fact) for fact in there]
    return _on_days("frail in the period", shown, rule.frail_days)


def has_advanced_illness(person: Person, period: Period, rule: FrailtyRule, statuses: Statuses) -> Step:
    """Whether advanced illness began on so many different days of the period or the year before, or a dementia drug was had in them.

    A diagnosis on a claim begins with its service. A drug: dispensed in those two years, or ordered for a time that has a day in them.
    Source: AdvancedIllnessandFrailty CQL, Has Advanced Illness and Has Dementia Medications in Year Before or During Measurement Period.
    """
    start, end = period.prior_start, period.end
    ill = [
        (fact.start, fact)
        for fact in status.conditions(person, statuses, "advanced_illness")
        if starts_in(fact, start, end)
    ]
    drugs = [
        f for f in status.active_medications(person, statuses, "dementia_medication") if supply_overlaps(f, start, end)
    ]
    drugs += [f for f in status.dispensed(person, statuses, "dementia_medication") if starts_in(f, start, end)]
    diagnosed = _on_days("advanced illness in the period or the year before", ill, rule.ill_days)
    return step(diagnosed.asks, drugs) if drugs and not diagnosed.holds else diagnosed


def lives_in_nursing_home(person: Person, period: Period, rule: FrailtyRule, statuses: Statuses) -> Step:
    """Whether the last housing status that ends by the last day of the period is a nursing home.

    Source: AdvancedIllnessandFrailty CQL, Is Age 66 or Older Living Long Term in a Nursing Home.
    """
    asks = f"aged {rule.from_age} or more, living in a nursing home"
    known = [f for f in status.assessments(person, statuses, "housing_status") if end_of(f) <= period.end]
    last = max(known, key=end_order, default=None)
    return step(asks, [last] if last is not None and status.says(person, last, "nursing_home") else [])


def _on_days(asks: str, shown: Iterable[tuple[Day, Fact]], days: int) -> Step:
    """Holds when the facts lie on at least so many different days."""
    found = list(shown)
    return step(asks, [fact for _, fact in found] if len({day for day, _ in found}) >= days else [])
