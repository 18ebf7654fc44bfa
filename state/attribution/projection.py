"""Until when an attribution holds if nothing new is known, why it ends, and what would keep it. Source: attribution.md 2.7.

The decision can only change on a breakpoint: a visit of the practice leaves a window, a visit known ahead begins to count, a
selection, coverage or roster row begins or ends. Visits of others leaving a window never hurt the practice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from state.attribution import eligibility, ranking, selection
from state.attribution.decision import Decision, View, decide
from state.attribution.visits import live
from state.calendar import FOREVER, Day, add_months, month_start_from
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
]
WINDOWS = (12, 18)
WEIGHTED_WINDOW = 24


class Projection(msgspec.Struct, frozen=True):
    """The end in sight. All None: there is none."""

    secure_until: Day | None = None
    reason: DropReason | None = None
    next_practice_id: str | None = None
    visits_needed: int | None = None

    @property
    def next_panel(self) -> Day | None:
        """The first monthly panel that lacks the member: the first of a month on or after `secure_until`."""
        return None if self.secure_until is None else month_start_from(self.secure_until)

    @property
    def panel_visit_by(self) -> Day | None:
        """The last date of a visit that keeps the member, on that panel as well; None where no visit does."""
        return None if self.secure_until is None or self.visits_needed is None else self.secure_until - 1


def project(view: View, day: Day, now: Decision) -> Projection:
    """What ends the attribution `now`, decided for `day`. Nothing for a member who is not attributed."""
    practice = now.practice_id
    if practice is None:
        return Projection()
    for breakpoint_ in sorted({one for one in _breakpoints(view, practice) if day < one < FOREVER}):
        then = decide(view, breakpoint_)
        if then.practice_id != practice:
            needed = visits_needed(view, practice, day, breakpoint_)
            return Projection(breakpoint_, _reason(view, day, breakpoint_, then), then.practice_id, needed)
    return Projection()


def visits_needed(view: View, practice: str, day: Day, until: Day) -> int | None:
    """The fewest visits to the practice, on the latest days before `until` and not before `day`, that keep the member on `until`.

    Days on which the member is seen there already add nothing. None when no number of visits helps.
    """
    if eligibility.not_eligible(view.member, until, view.knowledge) is not None:
        return None
    tallies = view.visits.tallies
    seen = set(tallies[practice].days) if practice in tallies else set()
    free = [
        one for one in range(until - 1, max(day, until - _most_visits(view) - len(seen) - 2) - 1, -1) if one not in seen
    ]
    for count in range(1, min(len(free), _most_visits(view)) + 1):
        kept = msgspec.structs.replace(view, visits=view.visits.plus(practice, free[:count]))
        if decide(kept, until).practice_id == practice:
            return count
    return None


def _most_visits(view: View) -> int:
    """One more visit than any practice has, twice over for rulesets with weights: more never changes a ranking."""
    return 2 * max((len(tally.days) for tally in view.visits.with_palliative.values()), default=0) + 1


def _breakpoints(view: View, practice: str) -> Iterator[Day]:
    yield from structural_days(view)
    visits = view.visits
    windows = (*WINDOWS, WEIGHTED_WINDOW) if view.knowledge.ruleset.longest_window == WEIGHTED_WINDOW else WINDOWS
    everyones = bool(visits.palliative) or WEIGHTED_WINDOW in windows
    for tally in visits.with_palliative.values():
        for one in tally.days:
            yield one
            if everyones or tally.id == practice:
                for months in windows:
                    yield add_months(one, months)
    for one in visits.include_days if visits.palliative else ():
        for months in windows:
            yield add_months(one, months)


def structural_days(view: View) -> Iterator[Day]:
    """The days on which something other than a visit begins or ends."""
    yield from eligibility.days(view.member, view.knowledge)
    yield from selection.days(view.member, view.knowledge)


def _reason(view: View, day: Day, end: Day, then: Decision) -> DropReason:
    """Why the attribution ends: what changes on `end` itself. What is structural comes before what visits do."""
    if then.reason == "deceased":
        return "deceased"
    if then.reason == "out_of_scope_product":
        return "product_change"
    if then.reason in {"coverage_ended", "not_yet_effective"}:
        return "coverage_ending"
    before = decide(view, end - 1)
    if before.selection is not None:
        return _reason_of_selection(view, before, before.selection, end, then)
    if then.step == "selected":
        return "selection_changed"
    if then.practice_id is None:
        return "aging_out"
    if before.step == "claims_12" and then.step == "claims_18":
        return "fallback_flip"
    return "already_tied" if _tied(view, day, then.practice_id) else "outranked"


def _tied(view: View, day: Day, other: str) -> bool:
    """Whether the practice of `day` holds the member by less than a visit more than `other`, the runner-up."""
    now = decide(view, day)
    if now.selection is not None or now.runner_up != other:
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
    """The next day on which an answer can change by itself: a breakpoint of any practice, provider or flag."""
    visits = view.visits
    windows = (*WINDOWS, WEIGHTED_WINDOW) if view.knowledge.ruleset.longest_window == WEIGHTED_WINDOW else WINDOWS
    found = [one for one in (*structural_days(view), *ranking.provider_days(visits, view.knowledge)) if one > day]
    for one in visits.days():
        if one > day:
            found.append(one)
        found.extend(end for months in windows if (end := add_months(one, months)) > day)
    return min(found, default=None)
