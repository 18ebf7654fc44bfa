"""A second reading of CBP, from measures.md 4 and the CQL of CMS165 as it stands there: whole history, plain loops, nothing shared.

It knows the facts that `test_naive_readings` draws, and no others. Codes are the roles that they play.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from state.calendar import FOREVER
from state.measures.facts import Kept, KeptClaim, KeptRecord, Profile

Counts = tuple[int, int, int, int]
NONE: Counts = (0, 0, 0, 0)
ACUTE = ("EMER", "IMP", "ACUTE", "NONAC", "PRENC", "SS")
GOES_ON = ("active", "recurrence", "relapse")


def date(ordinal: int) -> dt.date:
    return dt.date.max if ordinal >= FOREVER else dt.date.fromordinal(ordinal)


def age(birth: int, on: dt.date) -> int:
    born = date(birth)
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def counts(population: bool, out: bool, met: bool) -> Counts:
    return (1, 1, int(out), int(met and not out)) if population else NONE


def program(profile: Profile, kept: Sequence[Kept], year: int = 2025) -> Counts:
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    claims = [one for one in kept if isinstance(one, KeptClaim)]
    records = [one for one in kept if isinstance(one, KeptRecord)]
    visits = set()
    for claim in claims:
        for line in claim.lines:
            in_time = dt.date(year - 1, 1, 1) <= date(line.start) <= dt.date(year, 6, 30)
            if in_time and line.hcpcs == "diagnosed_visit" and "hypertension" in claim.diagnoses:
                visits.add(date(line.start))
    assert profile.birth is not None
    population = 18 <= age(profile.birth, last) <= 85 and len(visits) >= 2
    if not population:
        return NONE
    second = sorted(visits)[1]
    contacts = [
        (date(line.start), date(line.end)) for claim in claims for line in claim.lines if line.hcpcs == "acute_contact"
    ]
    contacts += [
        (date(record.start), date(record.end))
        for record in records
        if record.kind == "encounter" and record.code == "acute_contact" and record.status in ("finished", "")
    ]
    systolic: dict[dt.date, list[Decimal]] = {}
    diastolic: dict[dt.date, list[Decimal]] = {}
    days = set()
    for panel in records:
        if panel.code != "bp_panel" or panel.status not in ("final", "amended", "corrected", ""):
            continue
        on = date(panel.start)
        seen = [one for one in records if one.kind == "encounter" and one.row.split(":")[1] == panel.part_of]
        if seen and seen[0].category:
            if seen[0].category in ACUTE:
                continue
        elif any(start <= on <= end for start, end in contacts):
            continue
        if on < second or not first <= on <= last:
            continue
        days.add(on)
        for part in records:
            if part.part_of == panel.row.split(":")[1] and part.value is not None:
                into = systolic if part.code == "systolic_bp" else diastolic
                into.setdefault(on, []).append(part.value)
    numbers = {"systolic_lt_130": 129, "systolic_130_139": 139, "systolic_ge_140": 140}
    more = {"diastolic_lt_80": 79, "diastolic_80_89": 89, "diastolic_ge_90": 90}
    for claim in claims:
        if any(line.hcpcs == "acute_contact" for line in claim.lines):
            continue
        for line in claim.lines:
            on = date(line.start)
            if "not_done_modifier" in line.modifiers or on < second or not first <= on <= last:
                continue
            if line.hcpcs in numbers:
                days.add(on)
                systolic.setdefault(on, []).append(Decimal(numbers[line.hcpcs]))
            if line.hcpcs in more:
                days.add(on)
                diastolic.setdefault(on, []).append(Decimal(more[line.hcpcs]))
    met = False
    if days:
        latest = max(days)
        met = min(systolic.get(latest, [Decimal(999)])) < 140 and min(diastolic.get(latest, [Decimal(999)])) < 90
    out = False
    for claim in claims:
        started = date(claim.start)
        if "renal_diagnosis" in claim.diagnoses and started <= last:
            out = True
        if "pregnancy" in claim.diagnoses and first <= started <= last:
            out = True
        if any(line.hcpcs == "renal_procedure" and date(line.end) <= last for line in claim.lines):
            out = True
        if any(line.hcpcs == "hospice_encounter" and first <= date(line.start) <= last for line in claim.lines):
            out = True
    return counts(population, out, met)


def ecqm(year: int, profile: Profile, kept: Sequence[Kept]) -> Counts:
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    records = [one for one in kept if isinstance(one, KeptRecord)]
    performed = ("finished", "arrived", "triaged", "in-progress", "onleave") if year == 2025 else ("finished",)

    def overlaps(condition: KeptRecord, start: dt.date, end: dt.date) -> bool:
        if year == 2026 and condition.verification in ("refuted", "entered-in-error"):
            return False
        onset = date(condition.start)
        if condition.end == FOREVER and condition.status not in GOES_ON:
            return start <= onset <= end
        return onset <= end and date(condition.end) >= start

    conditions = [one for one in records if one.kind == "condition"]
    hypertension = any(one.code == "hypertension" and overlaps(one, first, dt.date(year, 6, 30)) for one in conditions)
    visited = any(
        one.kind == "encounter"
        and one.code == "qualifying_visit"
        and one.status in performed
        and first <= date(one.start)
        and date(one.end) <= last
        for one in records
    )
    assert profile.birth is not None
    population = 18 <= age(profile.birth, last) <= 85 and hypertension and visited
    out = any(one.code in ("pregnancy", "renal_diagnosis") and overlaps(one, first, last) for one in conditions)
    for one in records:
        if one.kind == "procedure" and one.code == "renal_procedure" and one.status == "completed":
            ended = one.start if one.end == FOREVER else one.end
            out = out or date(ended) <= last
        if one.kind == "encounter" and one.code == "renal_encounter" and one.status in performed:
            out = out or date(one.start) <= last
    days: dict[dt.date, list[KeptRecord]] = {}
    for panel in records:
        if panel.code != "bp_panel" or panel.status not in ("final", "amended", "corrected"):
            continue
        on = date(panel.start if panel.end == FOREVER else panel.end)
        if not first <= on <= last:
            continue
        classes = [
            one.category for one in records if one.kind == "encounter" and one.row.split(":")[1] == panel.part_of
        ]
        known = [each for each in classes if each]
        by_class = bool(known) and known[0] not in ACUTE
        stays = [one for one in records if one.kind == "encounter" and one.code == "acute_contact"]
        by_day = not any(one.status in performed and date(one.start) <= on <= date(one.end) for one in stays)
        if not (by_class or (by_day and year == 2026)):
            continue
        days.setdefault(on, []).append(panel)
    met = False
    if days:
        met = True
        for code, threshold in (("systolic_bp", 140), ("diastolic_bp", 90)):
            lowest: list[Decimal | None] = []
            for panel in days[max(days)]:
                name = panel.row.split(":")[1]
                values = [one.value for one in records if one.code == code and one.part_of == name]
                lowest.append(values[0] if values else None)
            if None in lowest or min(one for one in lowest if one is not None) >= threshold:
                met = False
    return counts(population, out, met)
