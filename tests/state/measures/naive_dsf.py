"""A second reading of DSF, from measures.md 2.1 and the CQL of CMS2: whole history, plain loops, nothing shared.

It knows the facts that `test_naive_readings` draws, and no others. Codes are the roles that they play.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from state.calendar import FOREVER
from state.measures.facts import Kept, KeptClaim, KeptDispensing, KeptRecord, Profile
from tests.state.measures.naive_cbp import NONE, Counts, age, counts, date

POSITIVE = {"phq9": 10, "phq2": 3, "bdi_ii": 20, "phq9_teen": 10}


def program(profile: Profile, kept: Sequence[Kept], year: int = 2025) -> tuple[Counts, Counts]:
    first, last, until = dt.date(year, 1, 1), dt.date(year, 12, 31), dt.date(year, 12, 1)
    assert profile.birth is not None
    old = age(profile.birth, first)
    if old < 12:
        return NONE, NONE
    out = False
    follow_ups: list[dt.date] = []
    for one in kept:
        if isinstance(one, KeptClaim):
            on = date(one.start)
            if "bipolar_disorder" in one.diagnoses and on < first:
                out = True
            if "depression" in one.diagnoses and dt.date(year - 1, 1, 1) <= on < first:
                out = True
            for line in one.lines:
                if line.hcpcs == "hospice_encounter" and first <= date(line.start) <= last:
                    out = True
                if line.hcpcs == "behavioral_health_encounter":
                    follow_ups.append(date(line.start))
                if line.hcpcs == "follow_up_visit" and "behavioral_health_condition" in one.diagnoses:
                    follow_ups.append(date(line.start))
        if isinstance(one, KeptDispensing) and one.ndc == "antidepressant" and not one.denied:
            follow_ups.append(date(one.day))
    screens: list[tuple[dt.date, str, bool]] = []
    for one in kept:
        if isinstance(one, KeptRecord) and one.code in POSITIVE and one.value is not None:
            if (one.code == "bdi_ii" and old < 18) or (one.code == "phq9_teen" and old > 17):
                continue
            if one.status in ("final", "amended", "corrected", "") and first <= date(one.start) <= until:
                screens.append((date(one.start), one.code, one.value >= POSITIVE[one.code]))
    screened = counts(True, out, bool(screens))
    positives = sorted(day for day, _, positive in screens if positive)
    if out or not positives:
        return screened, (1, 0, 0, 0)
    index = positives[0]
    met = any(index <= day <= index + dt.timedelta(days=30) for day in follow_ups)
    tools = [tool for day, tool, positive in screens if day == index and positive]
    negatives = [tool for day, tool, positive in screens if day == index and not positive and tool != "phq2"]
    if set(tools) == {"phq2"} and negatives:
        met = True
    return screened, counts(True, False, met)


def ecqm(year: int, profile: Profile, kept: Sequence[Kept]) -> tuple[int, int, int, int, int]:
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    assert profile.birth is not None
    old = age(profile.birth, first)
    records = [one for one in kept if isinstance(one, KeptRecord)]
    visits = [
        one
        for one in records
        if one.code == "depression_visit"
        and one.status == "finished"
        and first <= date(one.start)
        and date(one.end) <= last
    ]
    if old < 12 or not visits:
        return 0, 0, 0, 0, 0

    def time(day: int, at: str) -> dt.datetime | dt.date:
        return dt.datetime.fromisoformat(at) if at else date(day)

    def before(one: dt.datetime | dt.date, other: dt.datetime | dt.date) -> bool:
        if isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
            return one < other
        return dt.date(one.year, one.month, one.day) < dt.date(other.year, other.month, other.day)

    def surely_from(one: dt.datetime | dt.date, other: dt.datetime | dt.date) -> bool:
        if isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
            return one >= other
        days = dt.date(one.year, one.month, one.day), dt.date(other.year, other.month, other.day)
        return days[0] > days[1] or (days[0] == days[1] and type(one) is type(other))

    def in_visit(when: dt.datetime | dt.date, visit: KeptRecord) -> bool:
        return surely_from(when, time(visit.start, visit.start_at)) and surely_from(time(visit.end, visit.end_at), when)

    out = False
    for one in records:
        if one.code != "bipolar_disorder" or one.category == "encounter-diagnosis":
            continue
        for visit in visits:
            if year == 2025:
                out = out or before(time(one.start, one.start_at), time(visit.start, visit.start_at))
            else:
                out = out or one.start < visit.start
    statuses = ("final",) if year == 2025 else ("final", "corrected")
    met, excepted = False, False
    for group in ("adolescent", "adult"):
        screens = []
        for one in records:
            if one.code != f"{group}_screening" or one.status not in statuses:
                continue
            if one.value is None and not one.value_code:
                continue
            ended = one.start if one.end == FOREVER else one.end
            if any(0 <= visit.start - ended <= 14 for visit in visits):
                screens.append(one)
        if not screens:
            for one in records:
                if one.code == f"{group}_screening" and one.status == "cancelled" and one.reason_code == "720834000":
                    assert one.authored is not None
                    for visit in visits:
                        if year == 2025:
                            excepted = excepted or in_visit(time(one.authored, one.authored_at), visit)
                        else:
                            excepted = excepted or visit.start <= one.authored <= visit.end
        if not screens or (group == "adolescent" and old > 17) or (group == "adult" and old < 17):
            continue
        latest = max(screens, key=lambda one: (one.start, one.start_at, one.row))
        if latest.value_code == "screening_negative":
            met = True
        if latest.value_code != "screening_positive":
            continue
        near = [visit for visit in visits if 0 <= visit.start - latest.start <= 14]
        for one in records:
            for visit in near:
                done = one.code == f"{group}_follow_up" and one.status == "completed"
                if done and in_visit(time(one.start, one.start_at), visit) and first <= date(one.start) <= last:
                    met = True
                if one.authored is None or not 0 <= one.authored - visit.end <= 2 or date(one.authored) > last:
                    continue
                if one.code == f"{group}_referral" and one.status in ("active", "completed"):
                    met = True
                if one.code == f"{group}_medication" and one.status in ("active", "completed"):
                    goes_on = any(one.end != FOREVER and one.start <= other.end < one.end for other in near)
                    met = met or year == 2025 or goes_on
    return 1, 1, int(out), int(met and not out), int(excepted and not out and not met)
