"""DSF as the eCQM has it, CMS2: screened for depression at or before a visit of the period, with follow-up where the screen is positive.

Source: CMS2 CQL (FHIR; 0.2.000 for 2025, 0.4.001 for 2026). Adolescents and adults have tools, drugs and referrals of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from state.calendar import FOREVER
from state.measures import status
from state.measures.age import age_on
from state.measures.eligibility import is_old_enough
from state.measures.facts import Fact, KeptRecord, Person
from state.measures.moments import is_before, is_within, is_within_days, order, start, written
from state.measures.outcome import Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import end_of, lies_in, ordered_on

RATE = "screened"
Group = Literal["adolescent", "adult"]
_GROUPS: tuple[Group, ...] = ("adolescent", "adult")


class AtVisits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="visits"):
    """What an edition says of the rule.

    Ages are those on the first day of the period. A screen belongs to a visit that begins on its last day or up to `days_before` days
    after it; a follow-up is ordered on the day on which the visit ends or up to `follow_up_days` after it. `by_moment`: a bipolar
    disorder and a reason not to screen lie to the visit by the moment; else by the day. `supply_goes_on`: a drug must also last beyond a
    visit that it overlaps.
    """

    youngest: int = 12
    adolescents_until: int = 17
    adults_from: int = 17
    days_before: int = 14
    follow_up_days: int = 2
    visit_statuses: tuple[str, ...] = ("finished",)
    screening_statuses: tuple[str, ...] = ("final",)
    by_moment: bool = False
    supply_goes_on: bool = False


VISITS = frozenset({"depression_visit"})
ROLES = VISITS.union(
    {
        "bipolar_disorder",
        "reason_not_to_screen",
        "screening_negative",
        "screening_positive",
        *(f"{group}_{what}" for group in _GROUPS for what in ("follow_up", "medication", "referral", "screening")),
    }
)


def evaluate(person: Person, period: Period, rule: AtVisits, statuses: Statuses) -> tuple[Outcome, ...]:
    """The one rate, "screened". Empty for members too young on the first day, and for those without a visit."""
    birth = person.profile.birth
    asked = in_turn(population(person, period, rule, statuses))
    if birth is None or not asked[-1].holds:
        return ()
    age, visits = age_on(birth, period.start), list(_visits(person, period, rule, statuses))
    groups = [g for g in _GROUPS if (age <= rule.adolescents_until if g == "adolescent" else age >= rule.adults_from)]
    outcome = proportion(
        RATE,
        population=asked,
        exclusions=(has_bipolar_disorder(person, visits, rule),),
        numerator=tuple(one for g in groups for one in screened(person, period, visits, g, rule, statuses)),
        closes_with="a depression screening at a visit, with follow-up when it is positive",
        due_by=period.end,
        anchor=period.end,
    )
    return () if outcome is None else (_with_exception(outcome, reason_not_to_screen(person, visits, rule)),)


def population(person: Person, period: Period, rule: AtVisits, statuses: Statuses) -> Iterator[Step]:
    """Old enough on the first day, and seen. Source: CMS2 CQL, Initial Population."""
    yield is_old_enough(person, period, rule.youngest)
    yield step("a visit in the period", _visits(person, period, rule, statuses))


def has_bipolar_disorder(person: Person, visits: list[Fact], rule: AtVisits) -> Step:
    """Whether a bipolar disorder of the problem list or among the concerns began before a visit, whatever became of it.

    A diagnosis of an encounter does not count, so none of a claim.
    Source: CMS2 CQL, History of Bipolar Diagnosis Before Qualifying Encounter.
    """
    found = [
        fact
        for fact in person.facts("bipolar_disorder")
        if isinstance(fact.of, KeptRecord)
        and fact.kind == "condition"
        and not {"problem-list-item", "health-concern"}.isdisjoint(fact.of.category.split(";"))
        and any(_began_before(fact, visit, rule) for visit in visits)
    ]
    return step("bipolar disorder before a visit", found)


def screened(
    person: Person, period: Period, visits: list[Fact], group: Group, rule: AtVisits, statuses: Statuses
) -> tuple[Step, Step]:
    """Whether the last screen with the tool of a group was negative, or positive and followed up.

    The last is the one that began last; of two at one moment, that whose name comes last. Source: CMS2 CQL, Has Most Recent ...
    Screening Negative, Most Recent ... Screening Positive and Follow Up Provided.
    """
    negative = f"the last screen of an {group} is negative"
    positive = f"the last screen of an {group} is positive, with follow-up"
    last = max(_screens(person, visits, group, rule), key=lambda fact: (order(start(fact)), fact.of.row), default=None)
    if last is None:
        return step(negative, ()), step(positive, ())
    followed: list[Fact] = []
    if status.says(person, last, "screening_positive"):
        near = [visit for visit in visits if visit.start - rule.days_before <= last.start <= visit.start]
        followed = list(_follow_ups(person, period, near, group, rule, statuses))
    return (
        step(negative, [last] if status.says(person, last, "screening_negative") else ()),
        step(positive, [last, *followed] if followed else ()),
    )


def reason_not_to_screen(person: Person, visits: list[Fact], rule: AtVisits) -> Step:
    """Whether a medical reason or the patient's wish not to screen was noted during a visit, and that tool was not used.

    Either tool, whatever the age. Source: CMS2 CQL, Denominator Exceptions.
    """
    found: list[Fact] = []
    for group in _GROUPS:
        if any(True for _ in _screens(person, visits, group, rule)):
            continue
        for fact in person.facts(f"{group}_screening"):
            record = fact.record
            if (
                record is not None
                and record.not_done
                and person.says(record.reason_code, "reason_not_to_screen")
                and any(_noted_during(fact, visit, rule) for visit in visits)
            ):
                found.append(fact)
    return step("a reason not to screen, noted during a visit", found)


def _visits(person: Person, period: Period, rule: AtVisits, statuses: Statuses) -> Iterator[Fact]:
    """Source: CMS2 CQL, Qualifying Encounter During Measurement Period: begun and ended in the period, and finished."""
    for fact in status.encounters(person, statuses, "depression_visit"):
        is_finished = fact.record is None or fact.record.status in rule.visit_statuses
        if is_finished and lies_in(fact, period.start, period.end):
            yield fact


def _screens(person: Person, visits: list[Fact], group: Group, rule: AtVisits) -> Iterator[Fact]:
    """Screens with a result that ended on the day of a visit or shortly before. Source: CMS2 CQL, Has ... Depression Screening."""
    for fact in person.facts(f"{group}_screening"):
        record = fact.record
        if record is None or record.not_done or record.status not in rule.screening_statuses:
            continue
        day = end_of(fact)
        if status.has_result(fact) and any(visit.start - rule.days_before <= day <= visit.start for visit in visits):
            yield fact


def _follow_ups(
    person: Person, period: Period, visits: list[Fact], group: Group, rule: AtVisits, statuses: Statuses
) -> Iterator[Fact]:
    """What follows up a positive screen at one of the visits: something done during it, or ordered as it ended or shortly after.

    Orders of a referral count whatever their intent. A dispensing stands for its order. Source: CMS2 CQL, Follow Up Intervention for
    Positive ... Depression Screening.
    """
    for fact in status.procedures(person, statuses, f"{group}_follow_up"):
        if period.holds(fact.start) and any(_done_during(fact, visit) for visit in visits):
            yield fact
    for fact in _orders(person, group, visits, rule, statuses):
        day = ordered_on(fact)
        if period.holds(day) and any(0 <= day - end_of(visit) <= rule.follow_up_days for visit in visits):
            yield fact


def _orders(person: Person, group: Group, visits: list[Fact], rule: AtVisits, statuses: Statuses) -> Iterator[Fact]:
    for fact in person.facts(f"{group}_referral"):
        record = fact.record
        is_request = record is not None and fact.kind == "procedure" and record.intent != "" and not record.not_done
        if is_request and record is not None and record.status in statuses.orders:
            yield fact
    drugs = (
        *status.orders(person, statuses, "medication", f"{group}_medication"),
        *status.dispensed(person, statuses, f"{group}_medication"),
    )
    for fact in drugs:
        if not rule.supply_goes_on or any(_lasts_beyond(fact, visit) for visit in visits):
            yield fact


def _lasts_beyond(order: Fact, visit: Fact) -> bool:
    """Whether the time of an order overlaps a visit and goes on after it, by days; an order that says no length has no such time.

    Source: CQL, overlaps after day of.
    """
    return FOREVER > order.end > end_of(visit) and order.start <= end_of(visit) and order.end >= visit.start


def _began_before(fact: Fact, visit: Fact, rule: AtVisits) -> bool:
    return is_before(start(fact), start(visit)) if rule.by_moment else fact.start < visit.start


def _done_during(fact: Fact, visit: Fact) -> bool:
    """By the moment; by the day where a claim speaks, which knows no more. Source: CQL, during."""
    by_day = fact.record is None or visit.record is None
    return is_within_days(fact.start, visit) if by_day else is_within(start(fact), visit)


def _noted_during(fact: Fact, visit: Fact, rule: AtVisits) -> bool:
    """What nobody says when it was noted, was noted during none: CQL asks for `issued`."""
    if fact.record is None or fact.record.authored is None:
        return False
    by_day = not rule.by_moment or visit.record is None
    return is_within_days(fact.record.authored, visit) if by_day else is_within(written(fact), visit)


def _with_exception(outcome: Outcome, reason: Step) -> Outcome:
    """The outcome with its exception: only for those who are neither out nor in the numerator."""
    excepted = reason.holds and not outcome.denominator_exclusion and not outcome.numerator
    if not excepted:
        return msgspec.structs.replace(outcome, steps=(*outcome.steps, reason))
    return msgspec.structs.replace(
        outcome,
        denominator_exception=1,
        steps=(*outcome.steps, reason),
        evidence=tuple(dict.fromkeys((*outcome.evidence, *reason.evidence))),
        closes_with="",
        due_by=None,
    )
