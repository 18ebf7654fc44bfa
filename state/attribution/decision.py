"""The decision procedure at (D, K): eligible, selected, seen in 12 months, seen in 18. Source: attribution.md 2.6."""

from __future__ import annotations

from typing import Literal

import msgspec

from state.attribution import eligibility, ranking, selection
from state.attribution.visits import Visits, visits_of
from state.calendar import FOREVER, Day
from state.ledger.member import Member, Selection
from state.reference.knowledge import Knowledge

Step = Literal["selected", "claims_12", "claims_18"]
STEPS: tuple[tuple[Step, int], ...] = (("claims_12", 12), ("claims_18", 18))
"""The steps by claims with their windows in months. The second is asked only if the first has no candidate ("if necessary")."""


class View(msgspec.Struct, frozen=True):
    """One member under what is known, with its visits and the days on which something other than a visit turns worked out once."""

    member: Member
    visits: Visits
    knowledge: Knowledge
    turns: list[Day]

    @classmethod
    def of(cls, member: Member, knowledge: Knowledge, *, restored: bool = False) -> View:
        """The view of a member; with the lines that a void or denial took back, if `restored`."""
        turns = {*eligibility.days(member, knowledge), *selection.days(member, knowledge)}
        turns.discard(FOREVER)
        return cls(member, visits_of(member, knowledge, restored=restored), knowledge, sorted(turns))


class Decision(msgspec.Struct, frozen=True):
    """Which practice, by which step. `npi` is given by step 1 only; the provider of steps 2 and 3 is `ranking.provider`."""

    step: Step | None
    practice_id: str | None
    reason: str | None
    npi: str | None = None
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
    if not view.member.selections:
        return by_claims(view, day)
    chosen = selection.selected(view.member, view.visits, day, view.knowledge)
    if chosen.selection is not None:
        return Decision("selected", chosen.practice_id, None, chosen.npi, chosen.selection, chosen.flags)
    return by_claims(view, day, chosen.flags)


def by_claims(view: View, day: Day, flags: tuple[str, ...] = ()) -> Decision:
    """Steps 2 and 3: by visits in 12 months, and only where there is none by visits in 18."""
    order = view.knowledge.ruleset.practice_order
    for step, months in STEPS:
        candidates = ranking.candidates(view.visits, day, months)
        if candidates:
            return Decision(step, ranking.best(candidates, day, months, order), None, None, None, flags)
    return Decision(None, None, "no_primary_care_visit", flags=flags)


def runner_up(view: View, decision: Decision, day: Day) -> str | None:
    """The practice that came second where claims decided; None where a selection did, or where there is no other."""
    if decision.selection is not None or decision.practice_id is None or len(view.visits.with_palliative) == 1:
        return None
    others = [
        tally for tally in ranking.candidates(view.visits, day, decision.months) if tally.id != decision.practice_id
    ]
    return ranking.best(others, day, decision.months, view.knowledge.ruleset.practice_order)
