"""Continuous enrollment: unions of spans, gaps, the anchor day. Source: measures.md 1.2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from state.calendar import Day, add_months
from state.measures.facts import CoverSpan, Profile

Benefit = Literal["medical", "pharmacy", "mental_health"]
FULL_YEAR_FROM = 6
"""A stub shorter than so many months allows no gap (measures.md 1.2 step 3)."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a gap is allowed: so many gaps in each full year, none longer than so many days; none in a stub."""

    gaps_a_year: int = 1
    longest_gap: int = 45


def uncovered(profile: Profile, start: Day, end: Day, benefit: Benefit = "medical") -> list[tuple[Day, Day]]:
    """The stretches from `start` to `end`, both included, in which the member had no cover with a benefit, leading and trailing ones too.

    All products of the payer count; spans that touch are one.
    """
    gaps: list[tuple[Day, Day]] = []
    at = start
    for span in sorted(_with(profile.spans, benefit)):
        if span.start > end or span.end < at:
            continue
        if span.start > at:
            gaps.append((at, span.start - 1))
        at = max(at, span.end + 1)
        if at > end:
            return gaps
    gaps.append((at, end))
    return gaps


def enrolled(profile: Profile, start: Day, end: Day, rule: Rule, benefit: Benefit = "medical") -> bool:
    """Whether the member was continuously enrolled from `start` to `end`, both included.

    The window is cut into years counted back from its end; a rest of less than six months at its beginning is a stub. The rule is
    asked of each year by itself. Gap days are uncovered calendar days. Source: measures.md 1.2 steps 1 to 5.
    """
    last = end
    while last >= start:
        first = max(start, add_months(last + 1, -12))
        gaps = uncovered(profile, first, last, benefit)
        is_stub = first > add_months(last + 1, -FULL_YEAR_FROM)
        allowed = 0 if is_stub else rule.gaps_a_year
        if len(gaps) > allowed or any(after - before + 1 > rule.longest_gap for before, after in gaps):
            return False
        last = first - 1
    return True


def enrolled_on(profile: Profile, day: Day, benefit: Benefit = "medical") -> bool:
    """Whether the member was covered on a day. Source: measures.md 1.2 step 4."""
    return any(span.start <= day <= span.end for span in _with(profile.spans, benefit))


def _with(spans: Iterable[CoverSpan], benefit: Benefit) -> list[CoverSpan]:
    return [span for span in spans if getattr(span, benefit)]
