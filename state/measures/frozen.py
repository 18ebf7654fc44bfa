"""Measures of a reading that is closed: what was said of a member when it was, and what turns out different later.

A reading is asked by `results_of` once, when its period is closed, as of the last day of the period, with only those results of
practices that the plan has accepted. After that `asked_again` asks the same question whenever something new is known, and says a
difference once. Source: design.md, closing a period; attribution.md 2.9.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from state.ledger.rows import Row
from state.measures.credit import Credit, PracticeOn, credit_of
from state.measures.editions import Bound, wanted_by
from state.measures.evaluation import evaluate
from state.measures.facts import Kept, Profile
from state.measures.keeping import kept_of
from state.measures.measuring import Window
from state.measures.outcome import Sums
from state.measures.rates import Cell, Counted, counted_of
from state.measures.results import RESTATED, Asked, Result

Key = tuple[str, str]
"""Edition and measure."""
Touched = Mapping[str, Collection[str]]
"""Measures by edition."""
NOT_COUNTED = "0/0"


class FrozenMeasure(msgspec.Struct, frozen=True, array_like=True):
    """What a closed reading says of a measure, as adjusted since: how the credit is found, whose it is, and what is counted."""

    edition: str
    measure: str
    credit: Credit
    practice: str
    counted: tuple[Counted, ...]

    @property
    def key(self) -> Key:
        """What it is of."""
        return self.edition, self.measure


class FrozenReading(msgspec.Struct, frozen=True, array_like=True):
    """What a close has frozen of a member, by edition and measure."""

    close_id: str
    period: str
    reading: str
    results: tuple[FrozenMeasure, ...] = ()


class Difference(msgspec.Struct, frozen=True, order=True):
    """What a rate counts a member with for a practice, before and now: numerator/denominator, "0/0" where it does not count."""

    edition: str
    measure: str
    rate: str
    practice: str
    before: str
    after: str


def results_of(
    profile: Profile, kept: Iterable[Kept], bounds: Iterable[Bound], window: Window, practice_on: PracticeOn
) -> Iterator[Result]:
    """What every measure says of a member for a period that is over, as of its last day."""
    facts = list(kept)
    for bound in bounds:
        for measure, outcomes in evaluate(
            profile, facts, bound, window.period, window.period.end, accepted_only=True
        ).outcomes.items():
            practice = credit_of(outcomes).practice(window.period, window.period.end, practice_on)
            yield Result(bound.edition.name, window, measure, practice, outcomes)


def remembered(result: Result) -> FrozenMeasure:
    """What is kept of a result."""
    return FrozenMeasure(
        result.edition, result.measure, credit_of(result.outcomes), result.practice, counted_of(result.outcomes)
    )


def kept_from(rows: Mapping[str, Row | None], bounds: Iterable[Bound], *, allow_reopen: bool) -> list[Kept]:
    """The facts in all cold rows of a member that some editions can use."""
    wanted = wanted_by(bounds)
    found = (kept_of(name, row, wanted, allow_reopen=allow_reopen) for name, row in sorted(rows.items()))
    return [one for one in found if one is not None]


def asked_again(
    known: FrozenReading,
    profile: Profile,
    kept: Sequence[Kept],
    bounds: Iterable[Bound],
    window: Window,
    practice_on: PracticeOn,
    *,
    touched: Touched | None,
) -> tuple[FrozenReading, list[Difference]]:
    """A closed reading by what is known now, and what is different: one for each rate and practice concerned.

    `touched` are the measures that can be others (None: all). `practice_on` says whose patient the member is by what is known now.
    """
    results = {one.key: one for one in known.results}
    different: list[Difference] = []
    for bound in bounds:
        edition = bound.edition.name
        only = (
            None
            if touched is None
            else frozenset(touched.get(edition, ())) | _moved(results, edition, window, practice_on)
        )
        if only is not None and not only:
            continue
        outcomes = evaluate(
            profile, kept, bound, window.period, window.period.end, only=only, accepted_only=True
        ).outcomes
        asked = {name for of, name in results if of == edition} | set(outcomes) if only is None else only
        for name in sorted(asked):
            before, now = results.get((edition, name)), None
            if name in outcomes:
                practice = credit_of(outcomes[name]).practice(window.period, window.period.end, practice_on)
                now = remembered(Result(edition, window, name, practice, outcomes[name]))
            if now is not None or before is not None:
                # What is there no more stays known, so that it is withdrawn with the close.
                results[edition, name] = now or FrozenMeasure(edition, name, Credit(), "", ())
            different += _differences(edition, name, before, now)
    kept_results = tuple(results[key] for key in sorted(results))
    return msgspec.structs.replace(known, results=kept_results), different


def moved(payer: str, known: FrozenReading, now: FrozenReading) -> Iterator[tuple[Asked, Cell, Sums]]:
    """What the sums of a final reading change by when a member's part of it becomes another: of all members alone, no strata.

    `now` says all that `known` did, as `asked_again` gives it.
    """
    before = {one.key: one for one in known.results}
    for one in now.results:
        was = before.get(one.key)
        if was is not None and (was.practice, was.counted) == (one.practice, one.counted):
            continue
        asked = Asked(one.edition, now.period, RESTATED)
        if was is not None:
            yield from ((asked, cell, -sums) for cell, sums in _cells(payer, was))
        yield from ((asked, cell, sums) for cell, sums in _cells(payer, one))


def _cells(payer: str, one: FrozenMeasure) -> Iterator[tuple[Cell, Sums]]:
    if one.practice:
        for counted in one.counted:
            cell = Cell(one.measure, counted.rate, payer, one.practice, "")
            yield cell, Sums(counted.denominator, counted.numerator, counted.more)


def _moved(
    results: Mapping[Key, FrozenMeasure], edition: str, window: Window, practice_on: PracticeOn
) -> frozenset[str]:
    """The measures whose credit is another's now."""
    return frozenset(
        one.measure
        for one in results.values()
        if one.edition == edition
        and one.counted
        and one.credit.practice(window.period, window.period.end, practice_on) != one.practice
    )


def _differences(
    edition: str, measure: str, before: FrozenMeasure | None, now: FrozenMeasure | None
) -> Iterator[Difference]:
    was, becomes = _counts(before), _counts(now)
    for place in sorted(was.keys() | becomes.keys()):
        pair = was.get(place, NOT_COUNTED), becomes.get(place, NOT_COUNTED)
        if pair[0] != pair[1]:
            rate, practice = place
            yield Difference(edition, measure, rate, practice, *pair)


def _counts(one: FrozenMeasure | None) -> dict[tuple[str, str], str]:
    """What is counted, by rate and practice; nothing of nobody's patient."""
    if one is None or not one.practice:
        return {}
    return {(counted.rate, one.practice): str(counted) for counted in one.counted}
