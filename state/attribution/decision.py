"""The decision procedure at (D, K): eligible, decided, selected, seen in 12 months, seen in 18. Source: attribution.md 2.6, 2.9."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from state.attribution import eligibility, plan_list, ranking, requests, selection
from state.attribution.requests import NO_RULINGS
from state.attribution.visits import Visits, visits_of
from state.calendar import FOREVER, Day
from state.ledger.member import Member, Selection
from state.reference.knowledge import Knowledge

Step = Literal["decision", "selected", "claims_12", "claims_18", "plan"]
STEPS: tuple[tuple[Step, int], ...] = (("claims_12", 12), ("claims_18", 18))
"""The steps by claims with their windows in months. The second is asked only if the first has no candidate ("if necessary")."""


class View(msgspec.Struct, frozen=True):
    """One member under what is known, with its visits and the days on which something other than a visit turns worked out once.

    `plan_run`: the plan's own list answers on the days on which the payer goes by it; else the common rule does on every day.
    """

    member: Member
    visits: Visits
    knowledge: Knowledge
    turns: list[Day]
    plan_run: bool = False

    @classmethod
    def of(cls, member: Member, knowledge: Knowledge, *, restored: bool = False) -> View:
        """The view of a member; with the lines that a void or denial took back, if `restored`."""
        turns = {*eligibility.days(member, knowledge), *selection.days(member, knowledge)}
        if member.requests:
            turns.update(requests.days(member, knowledge))
        plan_run = knowledge.runs_itself(member.payer)
        if plan_run:
            turns.update(plan_list.days(member, knowledge))
        turns.discard(FOREVER)
        return cls(member, visits_of(member, knowledge, restored=restored), knowledge, sorted(turns), plan_run)

    @property
    def shadow(self) -> View:
        """The same member by the common rule on every day."""
        return msgspec.structs.replace(self, plan_run=False)

    def plan_decides(self, day: Day) -> bool:
        """Whether the plan's own list answers on a day."""
        return self.plan_run and self.knowledge.plan_decides(self.member.payer, day)

    def barred(self, day: Day) -> Collection[str]:
        """The practices from which decisions remove the member on a day."""
        if not self.member.requests:
            return ()
        return requests.rulings(self.member, day, self.knowledge).barred


class Decision(msgspec.Struct, frozen=True):
    """Which practice, by which step. `npi` is given by a selection or a plan's list only; else the provider is `ranking.provider`."""

    step: Step | None
    practice_id: str | None
    reason: str | None
    npi: str | None = None
    selection: Selection | None = None
    flags: tuple[str, ...] = ()

    @property
    def by_visits(self) -> bool:
        """Whether steps 2 and 3 gave the member to the practice, or to nobody."""
        return self.step in ("claims_12", "claims_18")

    @property
    def months(self) -> int:
        """The window in which visits are counted as evidence."""
        return 18 if self.step == "claims_18" else 12


def decide(view: View, day: Day) -> Decision:
    """Whose patient the member is on a day."""
    reason = eligibility.not_eligible(view.member, day, view.knowledge)
    if reason is not None:
        return Decision(None, None, reason)
    if view.plan_decides(day):
        return _by_plan(view, day)
    if not view.member.selections and not view.member.requests:
        return by_claims(view, day)
    ruled = requests.rulings(view.member, day, view.knowledge) if view.member.requests else NO_RULINGS
    chosen = selection.selected(view.member, view.visits, day, view.knowledge, ruled)
    if chosen.selection is not None:
        return Decision("selected", chosen.practice_id, None, chosen.npi, chosen.selection, chosen.flags)
    if ruled.added is not None:
        return Decision("decision", ruled.added.practice_id, None, flags=chosen.flags)
    return by_claims(view, day, chosen.flags)


def _by_plan(view: View, day: Day) -> Decision:
    """What the plan's own list says: decisions and selections are the plan's affair, its list carries them."""
    found = plan_list.entry_on(view.member, day, view.knowledge)
    flags = ("stale_list",) if found.stale else ()
    if found.entry is None:
        return Decision(None, None, "not_on_plan_list", flags=flags)
    if view.knowledge.roster.known_since(found.entry.practice_id) > day:
        return Decision(None, None, "unknown_practice", flags=flags)
    return Decision("plan", found.entry.practice_id, None, found.entry.npi, flags=flags)


def by_claims(view: View, day: Day, flags: tuple[str, ...] = ()) -> Decision:
    """Steps 2 and 3: by visits in 12 months, and only where there is none by visits in 18."""
    order = view.knowledge.ruleset.practice_order
    barred = view.barred(day)
    for step, months in STEPS:
        candidates = ranking.candidates(view.visits, day, months)
        if barred:
            candidates = [tally for tally in candidates if tally.id not in barred]
        if candidates:
            return Decision(step, ranking.best(candidates, day, months, order), None, None, None, flags)
    return Decision(None, None, "no_primary_care_visit", flags=flags)


def runner_up(view: View, decision: Decision, day: Day) -> str | None:
    """The practice that came second where claims decided; None where they did not, or where there is no other."""
    if not decision.by_visits or len(view.visits.with_palliative) == 1:
        return None
    left_out = {decision.practice_id, *view.barred(day)}
    others = [tally for tally in ranking.candidates(view.visits, day, decision.months) if tally.id not in left_out]
    return ranking.best(others, day, decision.months, view.knowledge.ruleset.practice_order)
