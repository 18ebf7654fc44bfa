"""Every measure of an edition for one member and period: one look at the facts, one outcome a rate, the next day that matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from state.calendar import Day
from state.measures.catalogue import MEASURES
from state.measures.editions import Bound
from state.measures.facts import Kept, KeptResult, Person, Profile, person_of
from state.measures.outcome import Outcome
from state.measures.period import Period


class Found(msgspec.Struct, frozen=True):
    """What the measures say of a member: outcomes by measure, and the next day on which any of them can change by itself."""

    outcomes: Mapping[str, tuple[Outcome, ...]]
    next_day: Day | None


def evaluate(
    profile: Profile,
    kept: Iterable[Kept],
    bound: Bound,
    period: Period,
    as_of: Day,
    *,
    only: Iterable[str] | None = None,
    accepted_only: bool = False,
) -> Found:
    """Ask the measures of an edition of a member, as of a day; `only` some of them.

    `accepted_only`: results of practices count only once the plan has accepted them, as initial and final readings have it; rejected
    ones never count. A measure that does not concern the member has no outcome.
    """
    some = None if only is None else tuple(only)
    person = seen(profile, kept, bound, as_of, only=some, accepted_only=accepted_only)
    return ask(person, bound, period, only=some)


def seen(
    profile: Profile,
    kept: Iterable[Kept],
    bound: Bound,
    as_of: Day,
    *,
    only: Iterable[str] | None = None,
    accepted_only: bool = False,
) -> Person:
    """The member as the measures of an edition, or `only` some, see them on a day, whatever the period: `ask` about one after the other."""
    counting = _counting(kept, accepted_only=accepted_only)
    read = None if only is None else bound.read_by(frozenset(only))
    return person_of(profile, counting, bound.roles_of, as_of, bound.medications, read)


def ask(person: Person, bound: Bound, period: Period, *, only: Iterable[str] | None = None) -> Found:
    """Ask the measures of an edition of a member that was `seen` with it, in one period; `only` some of them.

    A measure whose `needs` nothing meets has no outcome, and is not asked.
    """
    there = person.roles.keys()
    outcomes = {
        name: found
        for name in (bound.measures if only is None else sorted(only))
        if not any(there.isdisjoint(group) for group in bound.needs[name])
        and (found := MEASURES[name].evaluate(person, period, bound.edition.parameters[name]))
    }
    days = [one.changes_on for found in outcomes.values() for one in found if one.changes_on is not None]
    if person.next_start is not None:
        days.append(person.next_start)
    return Found(outcomes, min(days, default=None))


def _counting(kept: Iterable[Kept], *, accepted_only: bool) -> Iterable[Kept]:
    return (
        one
        for one in kept
        if not isinstance(one, KeptResult)
        or one.state == "accepted"
        or (one.state == "submitted" and not accepted_only)
    )
