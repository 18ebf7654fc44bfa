"""A second reading of GSD, from measures.md 6 and the CQL of CMS122: whole history, plain loops, nothing shared.

It knows the facts that `test_naive_readings` draws, and no others. Codes are the roles that they play.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from state.calendar import FOREVER
from state.measures.facts import Kept, KeptClaim, KeptDispensing, KeptRecord, Profile
from tests.state.measures.naive_cbp import NONE, Counts, age, counts, date

CLASSES = {"hba1c_lt_7": "6.5", "hba1c_7_to_lt_8": "7.5", "hba1c_8_to_9": "8.5", "hba1c_gt_9": "10"}


def program(profile: Profile, kept: Sequence[Kept], year: int = 2025) -> tuple[Counts, Counts]:
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    before = dt.date(year - 1, 1, 1)
    stated, drug, out = set(), False, False
    days: dict[dt.date, list[Decimal]] = {}
    for one in kept:
        if isinstance(one, KeptClaim):
            if (
                "diabetes" in one.diagnoses
                and before <= date(one.start) <= last
                and one.places != ("laboratory_place",)
            ):
                stated.add(date(one.start))
            for line in one.lines:
                on = date(line.start)
                if line.hcpcs == "hospice_encounter" and first <= on <= last:
                    out = True
                if "not_done_modifier" in line.modifiers or not first <= on <= last:
                    continue
                if line.hcpcs == "hba1c_test":
                    days.setdefault(on, [])
                if line.hcpcs in CLASSES:
                    days.setdefault(on, []).append(Decimal(CLASSES[line.hcpcs]))
        if isinstance(one, KeptDispensing) and one.ndc == "diabetes_medication" and not one.denied:
            drug = drug or before <= date(one.day) <= last
        if isinstance(one, KeptRecord) and one.code in ("hba1c_test", "gmi"):
            on = date(one.start if one.end == FOREVER else one.end)
            if one.status in ("final", "amended", "corrected", "") and first <= on <= last:
                days.setdefault(on, [])
                if one.value is not None:
                    days[on].append(one.value)
    assert profile.birth is not None
    population = 18 <= age(profile.birth, last) <= 75 and (len(stated) >= 2 or (len(stated) == 1 and drug))
    if not population:
        return NONE, NONE
    numbers = days[max(days)] if days else []
    return (
        counts(True, out, bool(numbers) and min(numbers) < 8),
        counts(True, out, not numbers or min(numbers) > 9),
    )


def ecqm(year: int, profile: Profile, kept: Sequence[Kept]) -> Counts:
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    records = [one for one in kept if isinstance(one, KeptRecord)]
    visit = "qualifying_visit" if year == 2025 else "glycemic_visit"
    performed = ("finished", "arrived", "triaged", "in-progress", "onleave") if year == 2025 else ("finished",)
    visited = diabetic = False
    days: dict[dt.date, list[KeptRecord]] = {}
    for one in records:
        start, end = date(one.start), date(one.end)
        if one.kind == "encounter" and one.code == visit and one.status in performed and first <= start and end <= last:
            visited = True
        if one.kind == "condition" and one.code == "diabetes":
            if year == 2026 and (
                one.verification in ("refuted", "entered-in-error") or one.category != "encounter-diagnosis"
            ):
                continue
            if one.end == FOREVER and one.status not in ("active", "recurrence", "relapse"):
                diabetic = diabetic or first <= start <= last
            else:
                diabetic = diabetic or (start <= last and end >= first)
        if one.kind == "observation" and one.code in ("hba1c_test", "gmi") and one.category == "laboratory":
            on = start if one.end == FOREVER else end
            if one.status in ("final", "amended", "corrected") and first <= on <= last:
                days.setdefault(on, []).append(one)
    assert profile.birth is not None
    population = 18 <= age(profile.birth, last) <= 75 and visited and diabetic
    met = True
    if days:
        of_day = days[max(days)]
        lowest = min(of_day, key=lambda one: (one.value is not None, one.value or Decimal(0)))
        met = lowest.value is None or lowest.value > 9
    return counts(population, False, met)
