"""BCS a second time, from measures.md 3 and the text of CMS125."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from state.measures.facts import Kept, Profile
from tests.state.measures.naive_parts import (
    age,
    date,
    diagnosed,
    is_eligible,
    is_out,
    months_earlier,
    observed,
    performed,
    program,
    service,
    things,
)

SITES = {"left": "7771000", "right": "24028007"}


def populations(
    edition: str, start: dt.date, end: dt.date, profile: Profile, kept: Iterable[Kept]
) -> tuple[int, int, int, int]:
    found = things(kept)
    sexes = [x.says for x in found if "recorded_sex" in x.roles]
    female = ("female" in sexes) if sexes and edition == "cms-2026" else profile.gender == "F"
    youngest = 42 if edition == "cms-2026" else 52
    if not (
        female and youngest <= age(profile, end) <= 74 and is_eligible(found, profile, start, end, edition, months=15)
    ):
        return 0, 0, 0, 0
    sides: set[str] = set()
    for x in found:
        done = performed(x, edition) and x.last <= end
        told = diagnosed(x, edition) and x.start <= end
        if (done and "bilateral_mastectomy" in x.roles) or (told and "history_of_bilateral_mastectomy" in x.roles):
            sides |= {"left", "right"}
        for side, site in SITES.items():
            if done and f"unilateral_mastectomy_{side}" in x.roles:
                sides.add(side)
            if told and f"absence_of_{side}_breast" in x.roles:
                sides.add(side)
            if told and "unilateral_mastectomy_diagnosis" in x.roles and x.site == site:
                sides.add(side)
            if done and "unilateral_mastectomy" in x.roles:
                if x.site == site or (service(x) and f"{side}_modifier" in x.modifiers):
                    sides.add(side)
                if service(x) and "bilateral_modifier" in x.modifiers:
                    sides.add(side)
    surgery = edition == "capc-2025" and (
        any("gender_affirming_chest_surgery" in x.roles and performed(x, edition) and x.last <= end for x in found)
        and any("gender_dysphoria" in x.roles and diagnosed(x, edition) and x.start <= end for x in found)
    )
    if len(sides) == 2 or surgery or is_out(found, profile, start, end, edition):
        return 1, 1, 1, 0
    since = months_earlier(start, 15) if program(edition) else dt.date(start.year - 2, 10, 1)
    seen = any(
        "mammography" in x.roles
        and observed(x, edition, "imaging" if edition == "cms-2026" else "")
        and since <= x.last <= end
        for x in found
    )
    return 1, 1, 0, int(seen)


def in_period(edition: str, start: int, end: int, profile: Profile, kept: Iterable[Kept]) -> tuple[int, int, int, int]:
    first, last = date(start), date(end)
    assert first is not None
    assert last is not None
    return populations(edition, first, last, profile, kept)
