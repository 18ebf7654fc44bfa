"""AMR: asthma medication ratio. Of members with persistent asthma, those whose units are controllers for one half at least.

Persistent: one criterion at least in the period and one in the year before it, not necessarily the same. Dispensing events decide who
is in, units make the ratio. Source: measures.md 7.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from state.calendar import Day, to_date
from state.measures import asthma_drugs, eligibility, exclusions, status
from state.measures.asthma_drugs import DrugRules, Supply, dispensing_events, supplies, units
from state.measures.bands import Band, band_of
from state.measures.diagnosed_visits import diagnosed_visits
from state.measures.eligibility import Enrolled
from state.measures.facts import Fact, Person
from state.measures.outcome import Measure, Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses

RATE = "ratio"
_VISITS = frozenset({"outpatient", "telephone_visit", "online_assessment"})
_CONTACTS = _VISITS | {"acute_inpatient", "ed_visit", "inpatient_stay", "nonacute_inpatient_stay"}
"""What is read with the asthma on its claim alone."""
_ROLES = _CONTACTS | {"asthma", "other_respiratory_disease"}


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of AMR.

    `events` dispensing events in a year are a criterion by themselves; `visits` with a diagnosis are one beside `events_with_visits`.
    `least_ratio` is met when reached, unrounded.
    """

    youngest: int
    oldest: int
    enrollment: Enrolled
    pharmacy: Enrolled
    statuses: Statuses
    death: bool
    drugs: DrugRules
    visits: int = 4
    events_with_visits: int = 2
    events: int = 4
    least_ratio: Decimal = Decimal("0.5")
    bands: tuple[Band, ...] = ()


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that AMR reads."""
    return (
        _ROLES
        | status.ROLES
        | asthma_drugs.roles(parameters.drugs)
        | exclusions.roles_of_all(death_excludes=parameters.death)
    )


def rates(_parameters: Parameters) -> tuple[str, ...]:
    """The one rate."""
    return (RATE,)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """Whether a member with persistent asthma has a ratio of one half. Empty for anybody else."""
    statuses = parameters.statuses
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    given = supplies(person, statuses, parameters.drugs, period.start, period.end)
    known = units([one for one in given if one.is_controller], parameters.drugs)
    of = units(given, parameters.drugs)
    outcome = proportion(
        RATE,
        population=asked,
        exclusions=(
            *exclusions.of_all(person, period, statuses, death_excludes=parameters.death),
            step(
                "another disease of the airways, ever",
                [f for f in status.conditions(person, statuses, "other_respiratory_disease") if f.start <= period.end],
            ),
            Step("no controller or reliever dispensed in the period", holds=not given),
        ),
        numerator=(
            Step(
                f"controllers are {known} of {of} units, {parameters.least_ratio:.2f} of them at least",
                holds=of > 0 and known >= parameters.least_ratio * of,
                evidence=tuple(dict.fromkeys(one.evidence for one in given)),
            ),
        ),
        closes_with=f"{_missing(known, of, parameters.least_ratio)} more units of controllers",
        due_by=period.end,
        anchor=period.end,
        band=band_of(person, period, parameters.bands),
    )
    return () if outcome is None else (outcome,)


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Age, persistent asthma in both years, enrollment in both, pharmacy in the period: step by step, since few members have asthma."""
    statuses = parameters.statuses
    yield eligibility.is_aged(person, period, parameters.youngest, parameters.oldest)
    yield has_persistent_asthma(person, period.prior_start, period.start - 1, parameters)
    yield has_persistent_asthma(person, period.start, period.end, parameters)
    yield eligibility.is_eligible(person, period, parameters.enrollment, statuses)
    yield eligibility.is_eligible(person, period, parameters.pharmacy, statuses)


def has_persistent_asthma(person: Person, start: Day, end: Day, parameters: Parameters) -> Step:
    """Whether one criterion at least holds in a year, both days included. Source: measures.md 7, "Persistent asthma", 1 to 5."""
    given = supplies(person, parameters.statuses, parameters.drugs, start, end)
    criteria = (
        _emergencies(person, start, end, parameters.statuses),
        _stays(person, start, end, parameters.statuses),
        _visits_and_drugs(person, start, end, parameters, given),
        _drugs(person, start, end, parameters, given),
    )
    held = [one for one in criteria if one.holds]
    asks = " or ".join(one.asks for one in held or criteria)
    evidence = tuple(dict.fromkeys(name for one in held for name in one.evidence))
    return Step(
        f"persistent asthma from {to_date(start)} to {to_date(end)}: {asks}", holds=bool(held), evidence=evidence
    )


def _emergencies(person: Person, start: Day, end: Day, statuses: Statuses) -> Step:
    """Criterion 1: a visit to an emergency department whose principal diagnosis is asthma."""
    visits = [f for f in status.encounters(person, statuses, "ed_visit") if start <= f.start <= end]
    return step("an emergency visit for asthma", _for_asthma(person, statuses, visits))


def _stays(person: Person, start: Day, end: Day, statuses: Statuses) -> Step:
    """Criteria 2 and 3: an acute inpatient encounter in the year, or a discharge from an acute stay in it, principally for asthma."""
    nonacute = {f.of.row for f in status.encounters(person, statuses, "nonacute_inpatient_stay")}
    encounters = [f for f in status.encounters(person, statuses, "acute_inpatient") if start <= f.start <= end]
    discharges = [
        f
        for f in status.encounters(person, statuses, "inpatient_stay")
        if f.of.row not in nonacute and f.claim is not None and start <= f.claim.end <= end
    ]
    return step("an acute stay for asthma", _for_asthma(person, statuses, [*encounters, *discharges]))


def _visits_and_drugs(person: Person, start: Day, end: Day, parameters: Parameters, given: list[Supply]) -> Step:
    """Criterion 4: visits on different days with any diagnosis of asthma, and some dispensing events."""
    events = dispensing_events(given)
    days = diagnosed_visits(person, parameters.statuses, _VISITS, {"asthma"}) if given else {}
    within = {day: facts for day, facts in days.items() if start <= day <= end}
    found = step("", (fact for facts in within.values() for fact in facts))
    return Step(
        f"{parameters.visits} visits for asthma with {parameters.events_with_visits} dispensing events",
        holds=len(within) >= parameters.visits and events >= parameters.events_with_visits,
        evidence=(*found.evidence, *(one.evidence for one in given)),
    )


def _drugs(person: Person, start: Day, end: Day, parameters: Parameters, given: list[Supply]) -> Step:
    """Criterion 5: dispensing events. Where all are antibodies or leukotriene modifiers, with a diagnosis of asthma in the year."""
    holds = dispensing_events(given) >= parameters.events
    diagnoses = [f for f in status.conditions(person, parameters.statuses, "asthma") if start <= f.start <= end]
    if all(one.needs_diagnosis for one in given):
        holds = holds and bool(diagnoses)
    return Step(f"{parameters.events} dispensing events", holds=holds, evidence=tuple(one.evidence for one in given))


def _for_asthma(person: Person, statuses: Statuses, services: list[Fact]) -> list[Fact]:
    """The services whose claim has asthma as its principal diagnosis. A chart does not say which diagnosis is principal."""
    principal = {f.of.row for f in status.conditions(person, statuses, "asthma") if f.is_principal}
    return [fact for fact in services if fact.of.row in principal]


def _missing(known: int, of: int, least_ratio: Decimal) -> int:
    """The units of controllers that would bring the ratio up, with nothing else dispensed; one where there are none at all."""
    return max(1, math.ceil((least_ratio * of - known) / (1 - least_ratio)))


def needs(parameters: Parameters) -> tuple[frozenset[str], ...]:
    """Nobody has asthma without a diagnosis of it or a drug for it."""
    return (asthma_drugs.roles(parameters.drugs) | {"asthma"},)


MEASURE = Measure(
    "AMR",
    "Asthma Medication Ratio",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    beside=dict.fromkeys(_CONTACTS, ()),
    needs=needs,
)
