"""Until when an attribution holds if nothing new is known, why it ends, and what would keep it. Source: attribution.md 2.7.

The decision can only change on a breakpoint: a visit of the practice leaves a window, a visit known ahead begins to count, a
selection, coverage or roster row begins or ends. Visits of others leaving a window never hurt the practice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from state.attribution import ranking, requests, selection
from state.attribution.decision import Decision, View, by_claims, decide, runner_up
from state.attribution.visits import live
from state.calendar import FOREVER, Day, add_months, first_live, month_start_from
from state.ledger.member import Selection

DropReason = Literal[
    "aging_out",
    "outranked",
    "already_tied",
    "fallback_flip",
    "selection_ending",
    "selection_changed",
    "coverage_ending",
    "product_change",
    "deceased",
    "provider_leaving",
    "practice_leaving",
    "dispute_decided",
    "not_on_plan_list",
]
WINDOWS = (12, 18)
WEIGHTED_WINDOW = 24


class Projection(msgspec.Struct, frozen=True):
    """The end in sight. All None: there is none."""

    secure_until: Day | None = None
    reason: DropReason | None = None
    next_practice_id: str | None = None
    visits_needed: int | None = None


class Panel(msgspec.Struct, frozen=True):
    """The first monthly panel that lacks the member, and what would keep the member on it, though the attribution ended before it.

    `visit_by`: the last date of the `visits_needed`; both None where no visit helps.
    """

    first: Day
    visit_by: Day | None
    visits_needed: int | None


def panel_at_stake(view: View, practice: str, day: Day, end: Day) -> Panel | None:
    """The first monthly panel that lacks a member whose attribution ends on `end`; None where the member is back for every one.

    Panels are frozen the evening before, so that is the last day for a visit.
    """
    first = _panel_without(view, practice, end)
    if first is None:
        return None
    needed = visits_needed(view, practice, day, first, decide(view, first))
    return Panel(first, None if needed is None else _free_days(view, practice, day, first)[0], needed)


def _panel_without(view: View, practice: str, end: Day) -> Day | None:
    """The first day of a month on or after `end` on which the member is not at the practice; None where there is none.

    Only the first month that begins after a change can be another than the one before.
    """
    months = sorted({month_start_from(day) for day in (end, *(one for one in _changes(view) if one > end))} - {FOREVER})
    return next((first for first in months if decide(view, first).practice_id != practice), None)


def last_day_at(view: View, practice: str, day: Day) -> Day | None:
    """The latest day before `day` on which the member was at a practice, by what is known now; None where there was none."""
    ends = sorted({day, *(one for one in _changes(view) if one < day)}, reverse=True)
    return next((one - 1 for one in ends if one > 1 and decide(view, one - 1).practice_id == practice), None)


def _changes(view: View) -> set[Day]:
    """The days on which an answer can be another than the day before, past and to come."""
    changes = set(view.turns)
    for tally in view.visits.with_palliative.values():
        for one in tally.days:
            changes.add(one)
            changes.update(add_months(one, months) for months in _windows(view))
    return changes


def project(view: View, day: Day, now: Decision) -> Projection:
    """What ends the attribution `now`, decided for `day`. Nothing for a member who is not attributed.

    Between two turns of something else only visits can end it, and they only where claims, or visits at several practices of the
    selected PCP, decide.
    """
    practice = now.practice_id
    if practice is None:
        return Projection()
    since, held = day, now
    for turn in (*view.turns[bisect_right(view.turns, day) :], FOREVER):
        end = _lost_by_visits(view, practice, held, since, turn)
        if end is None and turn == FOREVER:
            return Projection()
        then = decide(view, turn if end is None else end)
        if then.practice_id != practice:
            end = turn if end is None else end
            needed = visits_needed(view, practice, day, end, then)
            return Projection(end, _reason(view, day, now, end, then), then.practice_id, needed)
        since, held = turn, then
    return Projection()


def _lost_by_visits(view: View, practice: str, held: Decision, since: Day, until: Day) -> Day | None:
    """The first day after `since` and before `until` on which visits give the member to another, or to nobody."""
    if held.selection is not None:
        if not selection.depends_on_visits(held.selection, since, view.knowledge):
            return None
    elif not held.by_visits:
        return None
    if held.selection is None and len(view.visits.with_palliative) == 1:
        end = _last_visit_leaves(view.visits.with_palliative[practice].days, since)
        return end if end < until else None
    days = sorted({one for one in _visit_days(view, practice) if since < one < until})
    if held.selection is not None:
        return next((one for one in days if decide(view, one).practice_id != practice), None)
    for one in days:
        if not _leads(view, practice, one) and by_claims(view, one).practice_id != practice:
            return one
    return None


def _leads(view: View, practice: str, day: Day) -> bool:
    """Whether the practice has most visits in 12 months on a day, where that alone decides: most questions end here."""
    visits = view.visits
    if visits.palliative or view.knowledge.ruleset.practice_order[0] != "visits":
        return False
    ours = live(visits.tallies[practice].days, day, 12)
    for tally in visits.tallies.values():
        if tally.id != practice and live(tally.days, day, 12) >= ours:
            return False
    return ours > 0


def _last_visit_leaves(days: Sequence[Day], since: Day) -> Day:
    """The first day after `since` on which no visit of the only practice is live in 18 months."""
    end = since + 1
    for one in days:
        if one <= end:
            end = max(end, add_months(one, 18))
    return end


def visits_needed(view: View, practice: str, day: Day, until: Day, then: Decision) -> int | None:
    """The fewest visits to the practice, on the latest days before `until` and not before `day`, that keep the member on `until`.

    Days on which the member is seen there already add nothing. None when no number of visits helps. `then` is what is decided for
    `until` without them.
    """
    if then.step == "decision" or view.plan_decides(until):
        return None
    if then.selection is None and practice in view.barred(until):
        return None
    if then.practice_id is None:
        # Where nobody is seen, one visit is enough; to who is not eligible, none is.
        return 1 if then.reason == "no_primary_care_visit" else None
    if then.selection is not None and not selection.depends_on_visits(then.selection, until, view.knowledge):
        return None
    free = _free_days(view, practice, day, until)
    for count in range(1, min(len(free), _most_visits(view)) + 1):
        kept = msgspec.structs.replace(view, visits=view.visits.plus(practice, free[:count]))
        if decide(kept, until).practice_id == practice:
            return count
    return None


def _free_days(view: View, practice: str, day: Day, until: Day) -> list[Day]:
    """The latest days before `until` and not before `day` on which the member is not seen at a practice, as many as can matter."""
    tallies = view.visits.tallies
    seen = set(tallies[practice].days) if practice in tallies else set()
    first = max(day, until - _most_visits(view) - len(seen) - 2)
    return [one for one in range(until - 1, first - 1, -1) if one not in seen]


def _most_visits(view: View) -> int:
    """One more visit than any practice has, twice over for rulesets with weights: more never changes a ranking."""
    return 2 * max((len(tally.days) for tally in view.visits.with_palliative.values()), default=0) + 1


def _visit_days(view: View, practice: str) -> Iterator[Day]:
    """The days on which visits can hurt a practice: its own leave a window, or any visit known ahead begins to count.

    Those of others leaving a window matter only where a selected PCP has several practices, or where palliative visits count again.
    """
    visits = view.visits
    windows = _windows(view)
    everyones = bool(visits.palliative)
    for tally in visits.with_palliative.values():
        yield from tally.days
        if everyones or tally.id == practice:
            for months in windows:
                for one in tally.days:
                    yield add_months(one, months)


def _windows(view: View) -> tuple[int, ...]:
    return WINDOWS if view.knowledge.ruleset.longest_window == WINDOWS[-1] else (*WINDOWS, WEIGHTED_WINDOW)


def _reason(view: View, day: Day, now: Decision, end: Day, then: Decision) -> DropReason:
    """Why the attribution ends: what changes on `end` itself. What is structural comes before what visits do."""
    if then.reason == "deceased":
        return "deceased"
    if then.reason == "out_of_scope_product":
        return "product_change"
    if then.reason in {"coverage_ended", "not_yet_effective"}:
        return "coverage_ending"
    if view.plan_decides(end):
        return "not_on_plan_list"
    member = view.member
    if member.requests and {now.practice_id, then.practice_id} & requests.newly_decided(member, end, view.knowledge):
        return "dispute_decided"
    if not member.selections and then.practice_id is None:
        return "aging_out"
    before = decide(view, end - 1)
    if before.selection is not None:
        return _reason_of_selection(view, before, before.selection, end, then)
    if then.step == "selected":
        return "selection_changed"
    if then.practice_id is None:
        return "aging_out"
    if before.step == "claims_12" and then.step == "claims_18":
        return "fallback_flip"
    return "already_tied" if _tied(view, day, now, then.practice_id) else "outranked"


def _tied(view: View, day: Day, now: Decision, other: str) -> bool:
    """Whether the practice of `day` has no more visits than `other`, the runner-up, and holds the member by a later criterion."""
    if runner_up(view, now, day) != other:
        return False
    tallies = view.visits.practices(day, now.months)
    ours, theirs = (live(tallies[one].days, day, now.months) for one in (now.practice_id or "", other))
    return ours == theirs


def _reason_of_selection(view: View, before: Decision, chosen: Selection, end: Day, then: Decision) -> DropReason:
    follows = then.selection is not None and then.selection.selection_id != chosen.selection_id
    if chosen.end <= end:
        return "selection_changed" if follows else "selection_ending"
    if follows and then.selection is not None and then.selection.start >= end:
        return "selection_changed"
    roster, practice = view.knowledge.roster, before.practice_id or ""
    if not roster.practice_active(practice, end):
        return "practice_leaving"
    rows = roster.rows_of(chosen.npi)
    if before.npi is not None and not any(r.is_pcp and r.practice_id == practice and r.in_force(end) for r in rows):
        return "provider_leaving"
    if follows:
        return "selection_changed"
    # The same selection names no practice, and the visits move between those of its PCP; or it no longer counts.
    return "outranked" if then.selection is not None else "selection_ending"


def next_change(view: View, day: Day) -> Day | None:
    """The next day on which an answer can change by itself: a turn, or a visit of any practice begins or ceases to be live.

    Visits that a void or denial took back count as well: what an alert says of them can change.
    """
    visits = view.visits
    place = bisect_right(view.turns, day)
    found = ranking.next_provider_day(visits, day, view.knowledge)
    if place < len(view.turns):
        found = min(found, view.turns[place])
    retracted = [sorted(line.day for line in care.retracted) for care in view.member.care if care.retracted]
    for days in (*(tally.days for tally in visits.with_palliative.values()), visits.unknown_days, *retracted):
        found = min(found, _next_turn(days, day, _windows(view)))
    return None if found == FOREVER else found


def _next_turn(days: Sequence[Day], day: Day, windows: Iterable[int]) -> Day:
    """The next day on which one of some visits, ascending, begins or ceases to be live in a window; FOREVER when none does."""
    known = bisect_right(days, day)
    found = days[known] if known < len(days) else FOREVER
    for months in windows:
        oldest = bisect_left(days, first_live(day, months))
        if oldest < known:
            found = min(found, add_months(days[oldest], months))
    return found
