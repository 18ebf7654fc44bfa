"""What a measure says of one member: populations, evidence, what would close the gap and until when (law 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from state.calendar import Day
from state.measures.facts import Fact, Person
from state.measures.period import Period


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One step of a rule as it went for a member: what was asked, whether it holds, and the facts that decided."""

    asks: str
    holds: bool
    evidence: tuple[str, ...] = ()

    def not_enough(self) -> Step:
        """The step as one that does not hold, with the facts that there are and that are not enough."""
        return Step(self.asks, holds=False, evidence=self.evidence)


def step(asks: str, found: Iterable[Fact]) -> Step:
    """A step that holds when there are facts for it: they are its evidence, each cited once, in the order of their days."""
    facts = sorted(found, key=lambda fact: (fact.start, fact.evidence))
    return Step(asks, holds=bool(facts), evidence=tuple(dict.fromkeys(fact.evidence for fact in facts)))


def one_of(asks: str, found: Iterable[Fact]) -> Step:
    """A step that holds when there is any fact for it, however many: the first is its evidence, since one is enough."""
    first = min(found, key=lambda fact: (fact.start, fact.evidence), default=None)
    return Step(asks, holds=first is not None, evidence=() if first is None else (first.evidence,))


def in_turn(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps asked one after the other, up to the first that does not hold, which is the last of them."""
    found: list[Step] = []
    for one in steps:
        found.append(one)
        if not one.holds:
            break
    return tuple(found)


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rate of a measure for one member. Counts are 0 or 1; for a rate that counts more than once a member, the number.

    The populations are nested as CQL-based measures nest them: exclusions are taken out of `denominator` by whoever makes a rate, never
    here, so that 1 in `denominator` and 1 in `denominator_exclusion` stand side by side (measures.md 16.21). `numerator` is only
    counted for members in the denominator who are not excluded. `sums` are what a rate that is no proportion adds up (observed events,
    expected events, prices, months).

    Of the `steps` the first ask for the population, those after them for exclusions, all others for the numerator: `parts` are the numbers
    of the first two; both 0 where steps of several rates stand together.

    `closes_with` and `due_by` say what would close an open gap, and the last day for it; `opens_on` the first day on which it can be
    closed, where that lies ahead. `lower_is_better`: the numerator is the gap; a rate that a service cannot close has none (`has_gap`).
    `anchor`: the day that decides whose credit it is, None for the period's last; `most_months`: the practice of most attributed months has
    it (state.measures.credit). `changes_on`: the next day on which the outcome is another though nothing is said, such as one more month
    that has begun.
    """

    rate: str
    initial_population: int = 0
    denominator: int = 0
    denominator_exclusion: int = 0
    numerator: int = 0
    numerator_exclusion: int = 0
    denominator_exception: int = 0
    evidence: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    parts: tuple[int, int] = (0, 0)
    band: str = ""
    anchor: Day | None = None
    most_months: bool = False
    closes_with: str = ""
    due_by: Day | None = None
    opens_on: Day | None = None
    changes_on: Day | None = None
    lower_is_better: bool = False
    has_gap: bool = True
    sums: Mapping[str, Decimal] = {}
    note: str = ""


HUNDREDTH = Decimal("0.01")
SMALL = 30
"""Below so many members a rate is flagged, never dropped (payment.md 4.6); some measures need more."""


class Sums(msgspec.Struct, frozen=True, array_like=True):
    """What outcomes of many members add up to: denominator and numerator after exclusions and exceptions, and named sums of other rates."""

    denominator: int = 0
    numerator: int = 0
    more: Mapping[str, Decimal] = {}

    def __add__(self, other: Sums) -> Sums:
        if not other.more:
            return Sums(self.denominator + other.denominator, self.numerator + other.numerator, self.more)
        more = dict(self.more)
        for name, value in other.more.items():
            more[name] = more.get(name, Decimal()) + value
        return Sums(
            self.denominator + other.denominator,
            self.numerator + other.numerator,
            {name: value for name, value in sorted(more.items()) if value},
        )

    def __neg__(self) -> Sums:
        return Sums(-self.denominator, -self.numerator, {name: -value for name, value in self.more.items()})

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is counted."""
        return self.denominator == 0 and self.numerator == 0 and not self.more


def percent(sums: Sums, rate: str, parameters: Any) -> tuple[Decimal | None, str]:  # noqa: ARG001 - asked alike of all measures
    """A proportion in percent, to two decimals, half up (payment.md 4.3), and nothing to note; None of nobody."""
    if sums.denominator <= 0:
        return None, ""
    return (Decimal(100 * sums.numerator) / sums.denominator).quantize(HUNDREDTH, ROUND_HALF_UP), ""


def proportion(
    rate: str,
    *,
    population: Sequence[Step],
    exclusions: Sequence[Step],
    numerator: Sequence[Step],
    closes_with: str,
    due_by: Day,
    anchor: Day,
    band: str = "",
) -> Outcome | None:
    """The outcome of a rate that a member meets or does not: in the population if every step of it holds, out if any exclusion does.

    None outside the initial population. Evidence: what put the member in, then what took the member out, else what met the rate. What
    would close the gap is named only where there is one.
    """
    if not all(one.holds for one in population):
        return None
    out = [one for one in exclusions if one.holds]
    met = [one for one in numerator if one.holds] if not out else []
    deciding = (*population, *(out or met))
    is_open = not out and not met
    return Outcome(
        rate=rate,
        initial_population=1,
        denominator=1,
        denominator_exclusion=int(bool(out)),
        numerator=int(bool(met)),
        evidence=tuple(dict.fromkeys(name for one in deciding for name in one.evidence)),
        steps=(*population, *exclusions, *numerator),
        parts=(len(population), len(exclusions)),
        band=band,
        anchor=anchor,
        closes_with=closes_with if is_open else "",
        due_by=due_by if is_open else None,
    )


def day_after(period: Period, _parameters: Any) -> Day:
    """The farthest that most rules look: for a stay in which an emergency of the last day ended."""
    return period.end + 1


def _nothing(_parameters: Any) -> tuple[frozenset[str], ...]:
    return ()


def _no_other(_period: Period, _parameters: Any) -> Mapping[str, Day]:
    return {}


def _whoever(_parameters: Any) -> Mapping[str, str]:
    return {}


class Measure(msgspec.Struct, frozen=True):
    """A measure as the engine knows it.

    `parameters` is the type of what an edition says of it; `roles` names the roles of codes that it reads under given parameters, so
    that a missing value set is found at the start; `rates` names the rates that it has under them, in order; `population` asks step by
    step what puts a member into the initial population, so that it can be said why somebody is not in it; `evaluate` answers for one
    member; its outcomes carry every rate of the measure, in one order, also for a member outside the initial population (all counts 0),
    unless nothing of the measure concerns the member at all, when it is empty. `value` makes a rate's value of its sums, with a note
    where it has none or another than its name says. `compare`, where given, is asked in its place where all practices are known: it
    takes the sums of the practice and those of all together. `needs` are groups of roles: without a fact of each the measure does not
    concern a member, which is seen before anything is asked. `looks_until` is the last day for a period on which anything that begins
    can matter; `roles_until` are roles that matter until another day than that. `enters` are the roles that `population` reads, None for
    all: who is outside stays outside whatever else is said. `only_counted` are roles that are read only of members whom a rate counts,
    each with that rate. `beside` are roles that are read only beside another fact of the same claim, each with the roles of places at
    which they are read by themselves. With fewer than `small` members a rate is flagged.
    """

    id: str
    title: str
    parameters: type[Any]
    roles: Callable[[Any], frozenset[str]]
    rates: Callable[[Any], tuple[str, ...]]
    population: Callable[[Person, Period, Any], Iterable[Step]]
    evaluate: Callable[[Person, Period, Any], tuple[Outcome, ...]]
    value: Callable[[Sums, str, Any], tuple[Decimal | None, str]] = percent
    compare: Callable[[Sums, Sums, str, Any], tuple[Decimal | None, str]] | None = None
    beside: Mapping[str, tuple[str, ...]] = {}
    small: int = SMALL
    needs: Callable[[Any], tuple[frozenset[str], ...]] = _nothing
    looks_until: Callable[[Period, Any], Day] = day_after
    roles_until: Callable[[Period, Any], Mapping[str, Day]] = _no_other
    enters: Callable[[Any], frozenset[str]] | None = None
    only_counted: Callable[[Any], Mapping[str, str]] = _whoever


def none_of(rate: str) -> Outcome:
    """A member who is not in the initial population of a rate."""
    return Outcome(rate=rate)
