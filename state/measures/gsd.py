"""GSD, Glycemic Status Assessment for Patients With Diabetes: the last HbA1c or glucose management indicator of the period.

Sources: measures.md 6; for the eCQM editions CMS122 CQL (FHIR; 0.1.002 for 2025, 0.5.000 for 2026), which has the rate above 9 alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from state.calendar import Day, to_date
from state.measures import eligibility, status
from state.measures import exclusions as shared
from state.measures.eligibility import Eligibility, is_aged, is_eligible
from state.measures.facts import Fact, KeptRecord, Person
from state.measures.frailty import FrailtyRule
from state.measures.outcome import Measure, Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import between, latest, prevails, starts_in
from state.reference.measured_units import UnknownUnit, converted


class StatedDiabetes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="diagnoses"):
    """Diabetes by diagnoses on so many different dates from so many months before the period to its end, or by one and a drug.

    `drugs`: the roles of glucose-lowering drugs of which one dispensing in that time suffices.
    """

    diagnoses: int = 2
    months_before: int = 12
    drugs: tuple[str, ...] = ("diabetes_medication",)


class PrevalentDiabetes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="by", tag="condition"):
    """Diabetes by a condition that was there on some day of the period; of a category, where one is named."""

    category: str = ""


class GlycemicRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rate of the measure: the last result `below` a percentage, or `above` one; above counts a missing result and no test as well."""

    name: str
    below: Decimal | None = None
    above: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.below is None) == (self.above is None):
            raise ValueError("a rate has either `below` or `above`")


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of GSD.

    `classes`: roles of CPT II codes, each with a percentage that stands for the class. `missing_is_lowest`: of several results of the last
    day one that is missing is the lowest, as CQL sorts; else a number of the day takes its place, as when a claim tells of the test
    and the laboratory of its result. `number_needed`: a result in words, or in a unit that nobody knows, is a missing one; else it is
    a result that is above nothing.
    """

    eligibility: Eligibility
    diabetes: StatedDiabetes | PrevalentDiabetes
    statuses: Statuses
    frailty: FrailtyRule
    rates: tuple[GlycemicRate, ...]
    classes: Mapping[str, Decimal] = {}
    missing_is_lowest: bool = False
    number_needed: bool = False
    youngest: int = 18
    oldest: int = 75
    death: bool = False


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that the measure reads under an edition."""
    found = {"diabetes", "hba1c_test", "gmi", *parameters.classes}
    if isinstance(parameters.diabetes, StatedDiabetes):
        found |= set(parameters.diabetes.drugs)
    return frozenset(found).union(
        eligibility.roles(parameters.eligibility),
        shared.roles_of_all(death_excludes=parameters.death),
        shared.roles_of_the_ill(parameters.frailty),
        status.ROLES,
    )


def rates(parameters: Parameters) -> tuple[str, ...]:
    """Those of the edition."""
    return tuple(one.name for one in parameters.rates)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """The rates of the edition, in its order. Empty outside the initial population."""
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    out = exclusions(person, period, parameters)
    last = last_result(person, period, parameters)
    outcomes = (_rate(rate, period, asked, out, last) for rate in parameters.rates)
    return tuple(outcome for outcome in outcomes if outcome is not None)


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Age, diabetes, enrolled or seen. Source: measures.md 6, denominator; CMS122 CQL, Initial Population."""
    yield is_aged(person, period, parameters.youngest, parameters.oldest)
    yield has_diabetes(person, period, parameters)
    yield is_eligible(person, period, parameters.eligibility, parameters.statuses)


def has_diabetes(person: Person, period: Period, parameters: Parameters) -> Step:
    """Whether the member has diabetes. Sources: measures.md 6, denominator; CMS122 CQL, Initial Population.

    A claim states its diagnoses once, on its first day, however many days its lines have: a stay with a line a day is one date, and so is
    a series of visits on one claim. The source says "different dates" and no more.
    """
    rule, statuses = parameters.diabetes, parameters.statuses
    diagnoses = list(status.conditions(person, statuses, "diabetes"))
    if isinstance(rule, PrevalentDiabetes):
        return step(
            "diabetes in the period",
            (f for f in diagnoses if _is_of(f, rule.category) and prevails(f, period.start, period.end)),
        )
    first = period.months_before_start(rule.months_before)
    stated = [fact for fact in diagnoses if starts_in(fact, first, period.end)]
    drugs = [f for f in status.dispensed(person, statuses, *rule.drugs) if starts_in(f, first, period.end)]
    asks = f"diabetes diagnosed on {rule.diagnoses} dates, or once with a drug for it, {between(first, period.end)}"
    if len({fact.start for fact in stated}) >= rule.diagnoses:
        return step(asks, stated)
    found = step(asks, [*stated, *drugs])
    return found if stated and drugs else found.not_enough()


def exclusions(person: Person, period: Period, parameters: Parameters) -> tuple[Step, ...]:
    """Every exclusion, as a step. Sources: measures.md 1.4; CMS122 CQL, Denominator Exclusions."""
    statuses = parameters.statuses
    return (
        *shared.of_all(person, period, statuses, death_excludes=parameters.death),
        *shared.of_the_ill(person, period, statuses, parameters.frailty),
    )


@dataclass(frozen=True, slots=True)
class LastResult:
    """What is known of the last day with a test: its lowest result in percent, None when there is none.

    `lowest`: what gave it. `is_other`: there is a result, but no number, and the edition tells that from a missing one.
    """

    percent: Decimal | None = None
    is_other: bool = False
    facts: tuple[Fact, ...] = ()
    day: Day | None = None
    lowest: Fact | None = None

    def __str__(self) -> str:
        """As an open gap tells it; a class by its code, for the percentage that stands for it was not measured."""
        if self.day is None:
            return "none yet"
        if self.percent is None or self.lowest is None:
            said = "without a value"
        else:
            said = f"{self.percent:f} %" if self.lowest.claim is None else self.lowest.code[1]
        return f"now {said} on {to_date(self.day)}"


def last_result(person: Person, period: Period, parameters: Parameters) -> LastResult:
    """The lowest result of the last day of the period with a test, with result or without.

    A result of a stretch of time, such as the indicator, belongs to its last day. Sources: measures.md 6, numerator; CMS122 CQL, Lowest
    Glycemic Status Assessment Reading on Most Recent Day.
    """
    tests = [one for one in _tests(person, parameters) if period.holds(one[0])]
    if not tests:
        return LastResult()
    last = max(day for day, _, _ in tests)
    of_day = [(percent, fact) for day, percent, fact in tests if day == last]
    facts = tuple(fact for _, fact in of_day)
    numbers = [percent for percent, _ in of_day if percent is not None]
    if not numbers or (parameters.missing_is_lowest and len(numbers) < len(of_day)):
        without = [fact for percent, fact in of_day if percent is None]
        is_other = not parameters.number_needed and all(status.has_result(fact) for fact in without)
        return LastResult(is_other=is_other, facts=facts, day=last)
    percent = min(numbers)
    lowest = next(fact for value, fact in of_day if value == percent)
    return LastResult(percent, facts=facts, day=last, lowest=lowest)


def _tests(person: Person, parameters: Parameters) -> Iterator[tuple[Day, Decimal | None, Fact]]:
    """Every test with its day and its result in percent."""
    statuses = parameters.statuses
    for fact in status.laboratory_tests(person, statuses, "hba1c_test", "gmi"):
        yield latest(fact), _percent(fact), fact
    for role in sorted(parameters.classes):
        for fact in status.procedures(person, statuses, role):
            yield fact.start, parameters.classes[role], fact


_HBA1C = ("LOINC", "4548-4")
"""As which a test is read whose code is in no table of units, such as a code of a laboratory's own."""


def _percent(fact: Fact) -> Decimal | None:
    """The result in percent, unrounded; None where there is no number, or none in a known unit."""
    if fact.value is None:
        return None
    try:
        return converted(fact.code, fact.value, fact.unit, _HBA1C)
    except UnknownUnit:
        return None


def _is_of(fact: Fact, category: str) -> bool:
    """Whether a condition is of a category; a diagnosis on a claim is an encounter's diagnosis."""
    if not category:
        return True
    return category in (fact.of.category.split(";") if isinstance(fact.of, KeptRecord) else ("encounter-diagnosis",))


def _rate(
    rate: GlycemicRate, period: Period, population: tuple[Step, ...], out: tuple[Step, ...], last: LastResult
) -> Outcome | None:
    percent = last.percent
    if rate.above is not None:
        # No test counts, a test without a result counts, a result that is no number does not: CMS122 CQL, Numerator.
        holds = percent > rate.above if percent is not None else not last.is_other
        asks = f"the last result is above {rate.above} %, missing, or there is none"
    else:
        holds = percent is not None and rate.below is not None and percent < rate.below
        asks = f"the last result is below {rate.below} %"
    shown = step(asks, last.facts)
    outcome = proportion(
        rate.name,
        population=population,
        exclusions=out,
        numerator=(Step(asks, holds, shown.evidence),),
        closes_with=_closes_with(rate, last),
        due_by=period.end,
        anchor=period.end,
    )
    return outcome if outcome is None or rate.above is None else _inverse(outcome, rate, period, last)


def _inverse(outcome: Outcome, rate: GlycemicRate, period: Period, last: LastResult) -> Outcome:
    """The outcome of a rate whose numerator is the gap."""
    is_open = outcome.numerator == 1
    return msgspec.structs.replace(
        outcome,
        lower_is_better=True,
        closes_with=_closes_with(rate, last) if is_open else "",
        due_by=period.end if is_open else None,
    )


def _closes_with(rate: GlycemicRate, last: LastResult) -> str:
    return f"an HbA1c or GMI of {_wanted(rate)} as the last of the period ({last})"


def _wanted(rate: GlycemicRate) -> str:
    return f"at most {rate.above} %" if rate.above is not None else f"less than {rate.below} %"


def enters(parameters: Parameters) -> frozenset[str]:
    """What the population reads: diabetes, and the drugs for it where the edition asks for them."""
    drugs = parameters.diabetes.drugs if isinstance(parameters.diabetes, StatedDiabetes) else ()
    return eligibility.roles(parameters.eligibility).union(("diabetes",), drugs)


def needs(_parameters: Parameters) -> tuple[frozenset[str], ...]:
    """Nobody has diabetes without a diagnosis: a drug alone does not say so."""
    return (frozenset({"diabetes"}),)


MEASURE = Measure(
    "GSD",
    "Glycemic Status Assessment for Patients With Diabetes",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    needs=needs,
    enters=enters,
)
