"""Why a measure says what it says of a member: every step with its facts, the gap, and whose credit it is (law 7).

Nothing is decided here: the measure is asked as it always is, and what it rests on is laid out.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from state.calendar import Day, to_date
from state.measures.catalogue import MEASURES
from state.measures.credit import attributed_months, credit_of
from state.measures.editions import Bound
from state.measures.enrollment import Benefit, uncovered
from state.measures.evaluation import evaluate
from state.measures.facts import (
    Fact,
    Kept,
    KeptClaim,
    KeptDispensing,
    KeptRecord,
    KeptResult,
    Profile,
    coded,
    person_of,
)
from state.measures.gaps import gap_of
from state.measures.measuring import Window
from state.measures.outcome import Outcome, Step, in_turn

Part = Literal["population", "exclusion", "numerator", ""]
"""What a step asks for; "" where steps of several rates stand together."""
BENEFITS: tuple[Benefit, ...] = ("medical", "pharmacy")
FARTHEST_MONTHS = 15
Attributed = Callable[[Day], tuple[str, str]]
"""Whose patient the member is on a day, and by which step of attribution; both "" for nobody's."""


class AskedStep(msgspec.Struct, frozen=True):
    """A step of the rule as it went: what it asks, whether it holds, and what decided it."""

    part: Part
    asks: str
    holds: bool
    evidence: tuple[str, ...]


class CitedFact(msgspec.Struct, frozen=True, kw_only=True):
    """Something cited: where it stands, its day, and those of its codes that the measure reads.

    `kind`: claim, pharmacy_claim, a kind of clinical record, or practice_result. `state`: denied for a claim, submitted or accepted for a
    result of a practice, which initial and final readings count once it is accepted.
    """

    evidence: str
    kind: str
    date: dt.date
    codes: tuple[str, ...]
    value: Decimal | None
    unit: str
    state: str


class ExplainedGap(msgspec.Struct, frozen=True, kw_only=True):
    """The gap of a rate. `opens_on`: the first day on which it can be closed, where that lies ahead."""

    status: str
    closes_with: str
    due_by: dt.date | None
    opens_on: dt.date | None


class ExplainedRate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate of the measure for the member: populations, steps, evidence, gap; no gap for a rate that a service cannot close."""

    rate: str
    initial_population: int
    denominator: int
    denominator_exclusion: int
    numerator: int
    numerator_exclusion: int
    denominator_exception: int
    lower_is_better: bool
    band: str
    note: str
    steps: tuple[AskedStep, ...]
    evidence: tuple[str, ...]
    gap: ExplainedGap | None


class ExplainedCredit(msgspec.Struct, frozen=True, kw_only=True):
    """The practice that a measure counts for; null for nobody's.

    `by`: `anchor`, whose patient the member was on `date` by a `step` of attribution, or `most_months`, whose patient the member was on the
    first day of most months up to `date`, with the number for each practice.
    """

    practice_id: str | None
    by: Literal["anchor", "most_months"]
    date: dt.date
    step: str | None
    months: Mapping[str, int]


class Uncovered(msgspec.Struct, frozen=True, kw_only=True):
    """Days without cover with a benefit, the first and the last included."""

    benefit: str
    start: dt.date
    end: dt.date
    days: int


class ExplainedMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of an edition, over one period, for one member.

    `not_in_population`: the steps asked, the last of which keeps the member out; empty for a member in the initial population of a rate.
    `uncovered`: of a member who is not, the gaps in cover of the period and the 15 months before it, the farthest that a measure looks:
    whoever asks why somebody is not continuously enrolled wants them.
    """

    edition: str
    label: str
    measure: str
    title: str
    period: str
    period_start: dt.date
    period_end: dt.date
    credit: ExplainedCredit | None
    rates: tuple[ExplainedRate, ...]
    not_in_population: tuple[AskedStep, ...]
    uncovered: tuple[Uncovered, ...]
    facts: tuple[CitedFact, ...]


def explained(
    profile: Profile,
    kept: Iterable[Kept],
    bound: Bound,
    measure: str,
    window: Window,
    as_of: Day,
    attributed: Attributed,
) -> ExplainedMeasure:
    """What a measure says of a member on a day, live, and why. `kept` are the facts that stand (state.measures.keeping.kept_of)."""
    facts = tuple(kept)
    outcomes = evaluate(profile, facts, bound, window.period, as_of, only=[measure]).outcomes.get(measure, ())
    rates = tuple(_rate(one, as_of) for one in outcomes)
    out = () if any(one.initial_population for one in outcomes) else _out(profile, facts, bound, measure, window, as_of)
    cited = {name for one in (*out, *(step for rate in rates for step in rate.steps)) for name in one.evidence}
    cited.update(name for rate in rates for name in rate.evidence)
    return ExplainedMeasure(
        edition=bound.edition.name,
        label=bound.edition.label,
        measure=measure,
        title=MEASURES[measure].title,
        period=window.id,
        period_start=_date(window.period.start),
        period_end=_date(window.period.end),
        credit=_credit(outcomes, window, as_of, attributed) if outcomes else None,
        rates=rates,
        not_in_population=out,
        uncovered=_uncovered(profile, window) if out else (),
        facts=_cited(facts, cited, bound, measure),
    )


def _rate(outcome: Outcome, as_of: Day) -> ExplainedRate:
    gap = gap_of(outcome, as_of)
    return ExplainedRate(
        rate=outcome.rate,
        initial_population=outcome.initial_population,
        denominator=outcome.denominator,
        denominator_exclusion=outcome.denominator_exclusion,
        numerator=outcome.numerator,
        numerator_exclusion=outcome.numerator_exclusion,
        denominator_exception=outcome.denominator_exception,
        lower_is_better=outcome.lower_is_better,
        band=outcome.band,
        note=outcome.note,
        steps=tuple(_step(one, _part(number, outcome.parts)) for number, one in enumerate(outcome.steps)),
        evidence=outcome.evidence,
        gap=None
        if gap is None
        else ExplainedGap(
            status=gap.status,
            closes_with=gap.closes_with,
            due_by=to_date(gap.due_by),
            opens_on=to_date(outcome.opens_on) if gap.status == "prospective" else None,
        ),
    )


def _part(number: int, parts: tuple[int, int]) -> Part:
    population, exclusions = parts
    if parts == (0, 0):
        return ""
    if number < population:
        return "population"
    return "exclusion" if number < population + exclusions else "numerator"


def _step(one: Step, part: Part) -> AskedStep:
    return AskedStep(part, one.asks, one.holds, one.evidence)


def _out(
    profile: Profile, kept: Iterable[Kept], bound: Bound, measure: str, window: Window, as_of: Day
) -> tuple[AskedStep, ...]:
    """The steps up to the one that keeps the member out of the initial population."""
    counting = [one for one in kept if not (isinstance(one, KeptResult) and one.state == "rejected")]
    person = person_of(profile, counting, bound.roles_of, as_of, bound.medications)
    steps = MEASURES[measure].population(person, window.period, bound.edition.parameters[measure])
    return tuple(_step(one, "population") for one in in_turn(steps))


def _uncovered(profile: Profile, window: Window) -> tuple[Uncovered, ...]:
    birth, period = profile.birth, window.period
    if birth is None or birth > period.end:
        return ()
    start = max(birth, period.months_before_start(FARTHEST_MONTHS))
    gaps: dict[Benefit, list[tuple[Day, Day]]] = {
        benefit: uncovered(profile, start, period.end, benefit) for benefit in BENEFITS
    }
    return tuple(
        Uncovered(benefit=benefit, start=_date(first), end=_date(last), days=last - first + 1)
        for benefit, found in gaps.items()
        for first, last in found
    )


def _credit(outcomes: Iterable[Outcome], window: Window, as_of: Day, attributed: Attributed) -> ExplainedCredit:
    credit = credit_of(outcomes)
    practice = credit.practice(window.period, as_of, lambda day: attributed(day)[0])
    last = min(window.period.end, as_of)
    if credit.most_months:
        months = Counter(attributed_months(window.period, as_of, lambda day: attributed(day)[0]))
        return ExplainedCredit(
            practice_id=practice or None,
            by="most_months",
            date=_date(last),
            step=None,
            months=dict(sorted(months.items())),
        )
    day = last if credit.anchor is None else min(credit.anchor, as_of)
    return ExplainedCredit(
        practice_id=practice or None, by="anchor", date=_date(day), step=attributed(day)[1] or None, months={}
    )


def _cited(kept: Iterable[Kept], cited: set[str], bound: Bound, measure: str) -> tuple[CitedFact, ...]:
    """What stands under the names that are cited, by day; of each only what the measure reads of it."""
    roles = bound.edition.roles(measure)
    found: dict[tuple[Day, str, str], list[Fact]] = {}
    for one in kept:
        if one.evidence in cited:
            for fact in coded(one):
                if not roles.isdisjoint(bound.roles_of[fact.code]):
                    found.setdefault((fact.start, fact.evidence, one.row), []).append(fact)
    return tuple(
        CitedFact(
            evidence=evidence,
            kind=_kind(facts[0].of),
            date=_date(day),
            codes=tuple(dict.fromkeys(" ".join(fact.code) for fact in facts)),
            value=facts[0].value,
            unit=facts[0].unit,
            state=_state(facts),
        )
        for (day, evidence, _), facts in sorted(found.items(), key=lambda item: item[0])
    )


def _kind(one: Kept) -> str:
    match one:
        case KeptClaim():
            return "claim"
        case KeptDispensing():
            return "pharmacy_claim"
        case KeptRecord():
            return one.kind
        case KeptResult():
            return "practice_result"


def _state(facts: list[Fact]) -> str:
    one = facts[0].of
    if isinstance(one, KeptResult):
        return one.state
    return "denied" if all(fact.denied for fact in facts) else ""


def _date(day: Day) -> dt.date:
    return dt.date.fromordinal(day)
