"""COL a second time, from measures.md 5 and the text of CMS130."""

from __future__ import annotations

from collections.abc import Iterable

from state.measures.facts import Kept, Profile
from tests.state.measures.naive_parts import (
    FAR,
    Thing,
    age,
    date,
    diagnosed,
    is_eligible,
    is_out,
    months_earlier,
    observed,
    performed,
    program,
    things,
)

YEARS_BEFORE = {"fobt": 0, "stool_dna": 2, "flexible_sigmoidoscopy": 4, "ct_colonography": 4, "colonoscopy": 9}


def _counts(x: Thing, role: str, edition: str) -> bool:
    if role in ("fobt", "stool_dna"):
        return observed(x, edition, "laboratory") and (program(edition) or x.has_value)
    if role == "ct_colonography":
        return observed(x, edition, "imaging" if edition == "cms-2026" else "")
    return performed(x, edition)


def in_period(edition: str, start: int, end: int, profile: Profile, kept: Iterable[Kept]) -> tuple[int, int, int, int]:
    found, first, last = things(kept), date(start), date(end)
    assert first is not None
    assert last is not None
    if not (46 <= age(profile, last) <= 75 and is_eligible(found, profile, first, last, edition, months=12)):
        return 0, 0, 0, 0
    cancer = any("colorectal_cancer" in x.roles and diagnosed(x, edition) and x.start <= last for x in found)
    colectomy = any("total_colectomy" in x.roles and performed(x, edition) and x.last <= last for x in found)
    if cancer or colectomy or is_out(found, profile, first, last, edition):
        return 1, 1, 1, 0
    for role, years in YEARS_BEFORE.items():
        since = months_earlier(first, 12 * years)
        for x in found:
            # a stool test belongs to its start when its period has no end; the others then have not ended
            until = x.start if role in ("fobt", "stool_dna") and x.last >= FAR else x.last
            if role in x.roles and _counts(x, role, edition) and since <= until <= last:
                return 1, 1, 0, 1
    return 1, 1, 0, 0
