"""CBP, Controlling High Blood Pressure: members with hypertension whose last blood pressure of the period is below 140/90.

Sources: measures.md 4; for the eCQM editions CMS165 CQL (FHIR; 0.1.000 for 2025, 0.5.000 for 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from state.calendar import Day, add_months
from state.measures import blood_pressure, eligibility, status
from state.measures import exclusions as shared
from state.measures.blood_pressure import BloodPressureRule, Reading, is_controlled, readings, told
from state.measures.diagnosed_visits import diagnosed_visits
from state.measures.eligibility import Eligibility, is_aged, is_eligible
from state.measures.facts import Person
from state.measures.frailty import FrailtyRule
from state.measures.outcome import Measure, Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import between, end_of, prevails, starts_by

RATE = "controlled"


class DiagnosedVisits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="visits"):
    """Hypertension by visits on so many different dates, from so many months before the period until so many months into it."""

    visits: int = 2
    months_before: int = 12
    months_into: int = 6


class PrevalentCondition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="condition"):
    """Hypertension by a condition that was there on some day of the first so many months of the period."""

    months_into: int = 6


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of CBP.

    `renal_ever`: kidney disease, dialysis and the like take out whenever they were until the end of the period; else a diagnosis must
    prevail in the period. `nonacute_stays`: an admission to a facility that is no acute hospital takes out. `death`: so does death.
    """

    eligibility: Eligibility
    hypertension: DiagnosedVisits | PrevalentCondition
    statuses: Statuses
    frailty: FrailtyRule
    reading: BloodPressureRule
    youngest: int = 18
    oldest: int = 85
    renal_ever: bool = False
    nonacute_stays: bool = False
    death: bool = False


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that the measure reads under an edition."""
    found = {"hypertension", "pregnancy", "renal_diagnosis", "renal_procedure"}
    if isinstance(parameters.hypertension, DiagnosedVisits):
        found.add("diagnosed_visit")
    if not parameters.renal_ever:
        found.add("renal_encounter")
    if parameters.nonacute_stays:
        found |= {"inpatient_stay", "nonacute_inpatient_stay"}
    return frozenset(found).union(
        blood_pressure.roles(parameters.reading),
        eligibility.roles(parameters.eligibility),
        shared.roles_of_all(death_excludes=parameters.death),
        shared.roles_of_the_ill(parameters.frailty),
        status.ROLES,
    )


def rates(_parameters: Parameters) -> tuple[str, ...]:
    """The one rate."""
    return (RATE,)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """The one rate, "controlled". Empty outside the initial population."""
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    _, since = has_hypertension(person, period, parameters)
    limits = f"{parameters.reading.systolic_below}/{parameters.reading.diastolic_below}"
    on_last_day = last_readings(person, max(since, period.start), period.end, parameters)
    outcome = proportion(
        RATE,
        population=asked,
        exclusions=exclusions(person, period, parameters),
        numerator=(controlled(on_last_day, parameters),),
        closes_with=f"a blood pressure below {limits} as the last of the period ({told(on_last_day)})",
        due_by=period.end,
        anchor=period.end,
    )
    return () if outcome is None else (outcome,)


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Age, hypertension, enrolled or seen. Source: measures.md 4, denominator; CMS165 CQL, Initial Population."""
    yield is_aged(person, period, parameters.youngest, parameters.oldest)
    yield has_hypertension(person, period, parameters)[0]
    yield is_eligible(person, period, parameters.eligibility, parameters.statuses)


def has_hypertension(person: Person, period: Period, parameters: Parameters) -> tuple[Step, Day]:
    """Whether the member has hypertension, and the first day from which a reading counts.

    By visits: the day of the second (or whichever is asked for) of them, in order. By a condition: the first day of the period.
    Sources: measures.md 4, denominator and numerator; CMS165 CQL, Essential Hypertension Diagnosis (the months end before their last day
    plus one, so that July 1 is out).
    """
    rule, statuses = parameters.hypertension, parameters.statuses
    last = add_months(period.start, rule.months_into) - 1
    if isinstance(rule, DiagnosedVisits):
        first = period.months_before_start(rule.months_before)
        visits = diagnosed_visits(person, statuses, ("diagnosed_visit",), ("hypertension",))
        days = sorted(day for day in visits if first <= day <= last)
        asks = f"{rule.visits} visits with hypertension on different dates {between(first, last)}"
        found = step(asks, (fact for day in days[: rule.visits] for fact in visits[day]))
        if len(days) < rule.visits:
            return found.not_enough(), period.start
        return found, days[rule.visits - 1]
    conditions = status.conditions(person, statuses, "hypertension")
    asks = f"hypertension in the first {rule.months_into} months of the period"
    return step(asks, [fact for fact in conditions if prevails(fact, period.start, last)]), period.start


def exclusions(person: Person, period: Period, parameters: Parameters) -> tuple[Step, ...]:
    """Every exclusion, as a step. Sources: measures.md 4 and 1.4; CMS165 CQL, Denominator Exclusions."""
    statuses = parameters.statuses
    return (
        *shared.of_all(person, period, statuses, death_excludes=parameters.death),
        is_pregnant(person, period, statuses),
        has_renal_disease(person, period, parameters),
        *shared.of_the_ill(person, period, statuses, parameters.frailty),
        *((in_nonacute_stay(person, period, statuses),) if parameters.nonacute_stays else ()),
    )


def is_pregnant(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether the member was pregnant on a day of the period. Source: CMS165 CQL, Pregnancy or Renal Diagnosis."""
    found = status.conditions(person, statuses, "pregnancy")
    return step("pregnant in the period", [fact for fact in found if prevails(fact, period.start, period.end)])


def has_renal_disease(person: Person, period: Period, parameters: Parameters) -> Step:
    """Whether the kidneys have failed, or one was taken out or transplanted, until the end of the period.

    Procedures count whenever they ended. Diagnoses count whenever they were stated, or if they prevail in the period, as the edition
    says; monthly care of failed kidneys counts by the day on which it began. Sources: measures.md 4 ("any time through Dec 31"); CMS165
    CQL, End Stage Renal Disease Procedures and Encounter.
    """
    statuses, end = parameters.statuses, period.end
    found = [f for f in status.procedures(person, statuses, "renal_procedure") if end_of(f) <= end]
    diagnoses = status.conditions(person, statuses, "renal_diagnosis")
    if parameters.renal_ever:
        found += [f for f in diagnoses if f.start <= end]
    else:
        found += [f for f in diagnoses if prevails(f, period.start, end)]
        found += [f for f in status.encounters(person, statuses, "renal_encounter") if starts_by(f, end)]
    return step("kidney failure, removal or transplant until the end of the period", found)


def in_nonacute_stay(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether an admission of the period was to a facility other than an acute hospital.

    An inpatient stay whose claim also says that it is none of acute care, by its day of admission. Source: measures.md 4.
    """
    nonacute = {f.of.row for f in status.encounters(person, statuses, "nonacute_inpatient_stay")}
    stays = [
        fact
        for fact in status.encounters(person, statuses, "inpatient_stay")
        if fact.of.row in nonacute and period.holds(fact.start if fact.claim is None else fact.claim.start)
    ]
    return step("admitted to nonacute inpatient care in the period", stays)


def last_readings(person: Person, first: Day, last: Day, parameters: Parameters) -> list[Reading]:
    """The readings of the last day from `first` to `last` with one that counts; none where there is no such day.

    Source: measures.md 4, numerator; CMS165 CQL, Numerator.
    """
    counted = [one for one in readings(person, parameters.reading, parameters.statuses) if first <= one.day <= last]
    most_recent = max((one.day for one in counted), default=None)
    return [one for one in counted if one.day == most_recent]


def controlled(on_last_day: list[Reading], parameters: Parameters) -> Step:
    """Whether the last day is controlled. Its readings are the evidence. Source: measures.md 4, numerator; CMS165 CQL, Numerator."""
    asks = "the last blood pressure of the period is controlled"
    found = step(asks, (one.fact for one in on_last_day))
    return found if is_controlled(on_last_day, parameters.reading) else Step(asks, holds=False, evidence=found.evidence)


def enters(parameters: Parameters) -> frozenset[str]:
    """What the population reads: hypertension, where it was stated, and visits where the edition asks for one."""
    return _of_hypertension(parameters) | eligibility.roles(parameters.eligibility)


def roles_until(period: Period, parameters: Parameters) -> Mapping[str, Day]:
    """Hypertension is looked for in the first months of the period alone."""
    last = add_months(period.start, parameters.hypertension.months_into) - 1
    return dict.fromkeys(_of_hypertension(parameters), last)


def _of_hypertension(parameters: Parameters) -> frozenset[str]:
    by_visits = isinstance(parameters.hypertension, DiagnosedVisits)
    return frozenset({"hypertension", "diagnosed_visit"} if by_visits else {"hypertension"})


def needs(parameters: Parameters) -> tuple[frozenset[str], ...]:
    """Nobody has hypertension of whom nobody says so, and by visits nobody without one."""
    if isinstance(parameters.hypertension, DiagnosedVisits):
        return frozenset({"hypertension"}), frozenset({"diagnosed_visit"})
    return (frozenset({"hypertension"}),)


MEASURE = Measure(
    "CBP",
    "Controlling High Blood Pressure",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    beside={"diagnosed_visit": ()},
    needs=needs,
    roles_until=roles_until,
    enters=enters,
)
