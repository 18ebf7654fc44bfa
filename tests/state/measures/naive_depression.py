"""A second reading of DMS and DRR from measures.md 2.2 and 2.3, with nothing of the engine's rule.

Told in words: visits are days, scores are (day, total or None, questionnaire), for an adult who is always enrolled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

Score = tuple[dt.date, int | None, str]


def monitored(year: int, visits: Sequence[dt.date], scores: Sequence[Score]) -> dict[str, tuple[int, int]]:
    """Denominator and numerator of each assessment period and of all; empty when there is none."""
    found: dict[str, tuple[int, int]] = {}
    for number, months in enumerate(((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12)), 1):
        seen = any(day.year == year and day.month in months for day in visits)
        scored = any(
            day.year == year and day.month in months and total is not None and kind == "phq9"
            for day, total, kind in scores
        )
        found[f"assessed_{number}"] = (int(seen), int(seen and scored))
    found["assessed"] = (sum(one for one, _ in found.values()), sum(one for _, one in found.values()))
    return found if found["assessed"][0] else {}


def remission(year: int, visits: Sequence[dt.date], scores: Sequence[Score]) -> dict[str, bool]:
    """Follow-up, remission, response; empty without an episode."""
    counted = sorted((day, Decimal(total)) for day, total, kind in scores if total is not None and kind == "phq9")
    opening = [
        (day, total)
        for day, total in counted
        if dt.date(year - 1, 5, 1) <= day <= dt.date(year, 4, 30)
        and total > 9
        and any(-15 <= (visit - day).days <= 15 for visit in visits)
    ]
    if not opening:
        return {}
    first_day, first_total = opening[0]
    followed = [(day, total) for day, total in counted if 120 <= (day - first_day).days <= 240]
    if not followed:
        return {"follow_up": False, "remission": False, "response": False}
    last_day = max(day for day, _ in followed)
    last = min(total for day, total in followed if day == last_day)
    return {"follow_up": True, "remission": last < 5, "response": last <= first_total / 2}
