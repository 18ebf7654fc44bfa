"""Gaps: what is still to be done for a member, by when, and what would do. Source: issue list of measures.md 12, DEQM gap status.

Only for members in a denominator: who is outside has no gap, open or closed.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from state.calendar import Day
from state.measures.outcome import Outcome

Status = Literal["open", "closed", "prospective", "not_applicable", "excluded"]


class Gap(msgspec.Struct, frozen=True):
    """The gap of one rate for one member."""

    status: Status
    closes_with: str
    due_by: Day | None
    evidence: tuple[str, ...]


def gap_of(outcome: Outcome, as_of: Day) -> Gap | None:
    """How the gap of a rate stands on a day; None outside the denominator and for a rate that has no gap.

    A gap is prospective while the first day on which it can be closed lies ahead. One that was not closed by its last day stays open:
    it was missed, and `due_by` says when.
    """
    if not outcome.has_gap or outcome.denominator == 0:
        return None
    met = outcome.numerator >= outcome.denominator - outcome.denominator_exclusion
    if outcome.lower_is_better:
        met = outcome.numerator == 0
    status: Status
    if outcome.denominator_exclusion >= outcome.denominator:
        status = "excluded"
    elif outcome.denominator_exception:
        status = "not_applicable"
    elif met:
        status = "closed"
    elif outcome.opens_on is not None and outcome.opens_on > as_of:
        status = "prospective"
    else:
        status = "open"
    return Gap(status, outcome.closes_with, outcome.due_by, outcome.evidence)
