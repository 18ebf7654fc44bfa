"""Step 0b: what accepted requests say on a day, and what is still open of them. Source: attribution.md 2.6 step 0b.

Of several accepted requests about one practice the latest holds: by first day, then by the later position of the decision. Of several
practices to which the member is added, the same order decides. Every practice that the member is removed from is barred.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from schemas.records import Position, RequestKind
from state.calendar import FOREVER, Day, from_date, to_date
from state.ledger.member import Member, Request, Selection
from state.reference.knowledge import Knowledge


class Rulings(msgspec.Struct, frozen=True):
    """What decisions in force on a day say: the one that adds the member to a practice, and since when practices are barred."""

    added: Request | None = None
    barred: Mapping[str, Day] = {}

    def allow(self, selection: Selection, practice_id: str) -> bool:
        """Whether a selection may give the member to a practice: it is not barred, or the member chose it after that."""
        since = self.barred.get(practice_id)
        return since is None or _chosen_after(selection, since)

    def counts(self, selection: Selection) -> bool:
        """Whether a selection is asked at all: the member is added nowhere, or chose after that."""
        return self.added is None or _chosen_after(selection, self.added.start)


NO_RULINGS = Rulings()

State = Literal["open", "overdue", "rejected", "without_request", "to_come", "in_force", "ended"]


class Asked(msgspec.Struct, frozen=True):
    """A request and how it stands on a day. `effective_to` of an accepted one is the day on which it really ends, None for never."""

    practice_id: str
    request: RequestKind
    effective_from: dt.date | None
    effective_to: dt.date | None
    due_date: dt.date | None
    state: State


def rulings(member: Member, day: Day, knowledge: Knowledge) -> Rulings:
    """What the decisions in force on a day say."""
    latest: dict[str, Request] = {}
    for one in sorted(member.requests, key=_order):
        if one.takes_effect and one.start <= day < end_of(one, knowledge):
            latest[one.practice_id] = one
    return Rulings(
        max((one for one in latest.values() if one.request == "add"), key=_order, default=None),
        {one.practice_id: one.start for one in latest.values() if one.request == "remove"},
    )


def newly_decided(member: Member, day: Day, knowledge: Knowledge) -> set[str]:
    """The practices about which decisions say something else on a day than on the day before."""
    then, now = (_said(rulings(member, one, knowledge)) for one in (day - 1, day))
    return {practice for practice, _ in then ^ now}


def end_of(request: Request, knowledge: Knowledge) -> Day:
    """The first day on which a decision is no longer in force."""
    return default_end(request.start, knowledge) if request.end is None else request.end


def default_end(effective_from: Day, knowledge: Knowledge) -> Day:
    """The day after the program period in which `effective_from` lies: the first that ends on it or later. FOREVER while none is known."""
    ends = (from_date(period.performance_end) for period, _ in knowledge.periods.values())
    return min((end for end in ends if end >= effective_from), default=FOREVER - 1) + 1


def asked(member: Member, day: Day, knowledge: Knowledge) -> Iterator[Asked]:
    """Every request and decision, by first day, and how it stands on a day."""
    for one in member.requests:
        end = end_of(one, knowledge) if one.takes_effect else one.end
        yield Asked(
            one.practice_id,
            one.request,
            to_date(one.start),
            to_date(end),
            to_date(one.due),
            _state(one, day, knowledge),
        )


def _state(request: Request, day: Day, knowledge: Knowledge) -> State:
    if request.due is None:
        return "without_request"
    if request.is_open:
        return "overdue" if request.due < day else "open"
    if not request.takes_effect:
        return "rejected"
    if day < request.start:
        return "to_come"
    return "in_force" if day < end_of(request, knowledge) else "ended"


def flags(member: Member, day: Day) -> Iterator[str]:
    """`request_open:PRACTICE` for a request that waits for its decision, `request_overdue:PRACTICE` from the day after its due date."""
    for one in member.requests:
        if one.is_open and one.due is not None:
            yield f"request_{'overdue' if one.due < day else 'open'}:{one.practice_id}"


def days(member: Member, knowledge: Knowledge) -> Iterator[Day]:
    """The days on which a decision begins or ends, or a request becomes overdue."""
    for one in member.requests:
        if one.takes_effect:
            yield one.start
            yield end_of(one, knowledge)
        elif one.is_open and one.due is not None:
            yield one.due + 1


def _order(request: Request) -> tuple[Day, Position]:
    return request.start, request.position


def _said(ruled: Rulings) -> set[tuple[str, tuple[str, Day]]]:
    said = {(practice, ("remove", since)) for practice, since in ruled.barred.items()}
    return said if ruled.added is None else {*said, (ruled.added.practice_id, ("add", ruled.added.start))}


def _chosen_after(selection: Selection, day: Day) -> bool:
    return selection.source == "member_selected" and selection.start > day
