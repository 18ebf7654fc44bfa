"""The decision procedure at (D, K): eligible, selected, seen in 12 months, seen in 18. Source: attribution.md 2.6."""

from __future__ import annotations

from typing import Literal

import msgspec

from state.attribution import eligibility, ranking, selection
from state.attribution.visits import Visits, visits_of
from state.calendar import Day
from state.ledger.member import Member, Selection
from state.reference.knowledge import Knowledge

Step = Literal["selected", "claims_12", "claims_18"]


class View(msgspec.Struct, frozen=True):
    """One member under what is known, with the visits worked out once."""

    member: Member
    visits: Visits
    knowledge: Knowledge

    @classmethod
    def of(cls, member: Member, knowledge: Knowledge, *, restored: bool = False) -> View:
        """The view of a member; with the lines that a void or denial took back, if `restored`."""
        return cls(member, visits_of(member, knowledge, restored=restored), knowledge)


class Decision(msgspec.Struct, frozen=True):
    """Which practice, by which step. `npi` is given by step 1 only; the provider of steps 2 and 3 is `ranking.provider`."""

    step: Step | None
    practice_id: str | None
    reason: str | None
    npi: str | None = None
    runner_up: str | None = None
    selection: Selection | None = None
    flags: tuple[str, ...] = ()

    @property
    def months(self) -> int:
        """The window in which visits are counted as evidence."""
        return 18 if self.step == "claims_18" else 12


def decide(view: View, day: Day) -> Decision:
    """Whose patient the member is on a day."""
    reason = eligibility.not_eligible(view.member, day, view.knowledge)
    if reason is not None:
        return Decision(None, None, reason)
    chosen = selection.selected(view.member, view.visits, day, view.knowledge)
    if chosen.selection is not None:
        return Decision("selected", chosen.practice_id, None, chosen.npi, None, chosen.selection, chosen.flags)
    return by_claims(view, day, chosen.flags)


def by_claims(view: View, day: Day, flags: tuple[str, ...] = ()) -> Decision:
    """Steps 2 and 3: by visits in 12 months, and only where there is none by visits in 18."""
    for step, months in (("claims_12", 12), ("claims_18", 18)):
        ranked = ranking.rank_practices(view.visits, day, months, view.knowledge.ruleset)
        if ranked.winner is not None:
            return Decision(step, ranked.winner, None, None, ranked.runner_up, None, flags)  # type: ignore[arg-type]
    return Decision(None, None, "no_primary_care_visit", flags=flags)
