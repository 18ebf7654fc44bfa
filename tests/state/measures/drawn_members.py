"""Members drawn with dates on purpose at the borders of a rule: the day before, the day itself, the day after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from state.calendar import FOREVER, Day, add_months
from state.measures.facts import CoverSpan, Kept, KeptClaim, KeptDispensing, KeptLine, KeptRecord, KeptResult, Profile
from state.measures.period import Period
from tests.measure_builders import ROLE, year

OPEN_END = dt.date(2199, 12, 31).toordinal()
PERIODS = (year(2025), year(2026), Period(dt.date(2024, 7, 1).toordinal(), dt.date(2025, 6, 30).toordinal()))
STATUSES = ("final", "corrected", "preliminary", "cancelled", "entered-in-error", "")
ORDER_STATUSES = ("active", "completed", "draft", "")


def border_days(period: Period, months_before: Sequence[int]) -> st.SearchStrategy[Day]:
    """Days at the borders of the period and of windows that begin so many months before it."""
    borders = [period.start, period.end, *(add_months(period.start, -months) for months in months_before)]
    return st.sampled_from(sorted({day + by for day in borders for by in (-1, 0, 1)} | {period.start + 90}))


def births(period: Period, ages: Sequence[int]) -> st.SearchStrategy[Day]:
    """Births by which somebody turns so old on the last day of the period, the day before or the day after."""
    days = {add_months(period.end, -12 * age) + by for age in ages for by in (-1, 0, 1)}
    leap = {dt.date(number, 2, 29).toordinal() for number in (1952, 1960, 1972, 1980)}
    return st.sampled_from(sorted(days | leap))


@st.composite
def profiles(draw: st.DrawFn, period: Period, ages: Sequence[int], window_months: int) -> Profile:
    """Mostly a woman covered throughout; sometimes a man, someone with gaps, or someone who died."""
    start = add_months(period.start, -window_months)
    spans: tuple[CoverSpan, ...] = (_cover(start - 400, FOREVER),)
    if draw(st.integers(0, 3)) == 0:
        gap = draw(st.sampled_from((1, 44, 45, 46)))
        at = draw(
            st.sampled_from((start, start + 30, period.start - 20, period.start, period.end - 45, period.end - 44))
        )
        spans = (_cover(start - 400, at - 1), _cover(at + gap, FOREVER))
        if draw(st.booleans()):
            spans = (*spans[:1], _cover(at + gap, period.end - 60), _cover(period.end - 58, FOREVER))
    death = None
    if draw(st.integers(0, 9)) == 0:
        death = draw(st.sampled_from((period.start - 1, period.start, period.end, period.end + 1)))
    return Profile(birth=draw(births(period, ages)), gender=draw(st.sampled_from("FFFM")), spans=spans, death=death)


def _cover(start: Day, end: Day) -> CoverSpan:
    return CoverSpan(start, max(start, end), "PPO", medical=True, pharmacy=True, mental_health=True)


@st.composite
def facts(draw: st.DrawFn, days: st.SearchStrategy[Day], roles: Sequence[tuple[str, str]], number: int) -> Kept:
    """A fact of one of the (shape, role) pairs. Shapes: line, diagnosis, fill, result, stay, and the kinds of clinical records."""
    shape, role = draw(st.sampled_from(roles))
    start = draw(days)
    if shape in ("line", "diagnosis", "stay"):
        end = start + draw(st.sampled_from((0, 0, 1)))
        modifiers = draw(
            st.sampled_from(
                ((), (), ("left_modifier",), ("right_modifier",), ("bilateral_modifier",), ("not_done_modifier",))
            )
        )
        line = KeptLine(start, end, hcpcs=role, hcpcs_system="CPT", modifiers=modifiers, denied=draw(st.booleans()))
        return KeptClaim(
            row=f"c:{number}",
            evidence=f"C{number}",
            institutional=shape == "stay",
            start=start,
            end=end,
            denied=draw(st.booleans()),
            lines=(line,) if shape == "line" else (),
            diagnoses=(role,) if shape == "diagnosis" else (),
            disposition=role if shape == "stay" else "",
            places=draw(st.sampled_from(((), ("11",), ("laboratory_place",), ("11", "laboratory_place")))),
        )
    if shape == "fill":
        return KeptDispensing(f"d:{number}", f"D{number}", start, 30, Decimal(30), role, "", denied=draw(st.booleans()))
    if shape == "result":
        state = draw(st.sampled_from(("submitted", "accepted", "rejected")))
        return KeptResult(f"pr:{number}", "P1", ROLE, role, start, Decimal(1), "", state, "")  # type: ignore[arg-type]
    return _record(draw, shape, role, start, number)


def _record(draw: st.DrawFn, kind: str, role: str, start: Day, number: int) -> KeptRecord:
    said: dict[str, Any] = {"not_done": draw(st.integers(0, 7)) == 0}
    end = draw(st.sampled_from((FOREVER, start, start + 1, OPEN_END)))
    if kind == "encounter":
        said["status"] = draw(st.sampled_from(("finished", "finished", "in-progress", "planned", "")))
        said["disposition"] = draw(st.sampled_from(("", "428361000124107")))
    elif kind == "observation":
        said["status"] = draw(st.sampled_from(STATUSES))
        said["category"] = draw(st.sampled_from(("survey", "laboratory", "imaging", "laboratory;imaging", "")))
        said["value_code"] = draw(
            st.sampled_from(("", "yes", "nursing_home", "frailty_device", "own_home", "female", "male"))
        )
        said["value_system"] = ROLE if said["value_code"] else ""
        said["value"] = draw(st.sampled_from((None, None, Decimal(0))))
    elif kind == "condition":
        said["status"] = draw(st.sampled_from(("active", "recurrence", "resolved", "inactive", "")))
        said["verification"] = draw(st.sampled_from(("", "confirmed", "provisional", "refuted", "entered-in-error")))
        said["body_site"] = draw(st.sampled_from(("", "7771000", "24028007")))
        said["not_done"] = False
        end = draw(st.sampled_from((FOREVER, FOREVER, start, start + 1, start + 400)))
    elif kind == "procedure":
        said["status"] = draw(st.sampled_from(("completed", "completed", "in-progress", "active", "")))
        said["intent"] = draw(st.sampled_from(("", "", "", "order", "plan")))
        said["body_site"] = draw(st.sampled_from(("", "7771000", "24028007")))
    else:
        said["status"] = draw(st.sampled_from(ORDER_STATUSES))
        said["intent"] = draw(st.sampled_from(("order", "original-order", "plan")))
        end = draw(st.sampled_from((FOREVER, start + 1, start + 400)))
    if draw(st.booleans()) and said.get("intent"):
        said["authored"] = start
    return KeptRecord(row=f"cr:{number}", kind=kind, system=ROLE, code=role, start=start, end=end, **said)  # type: ignore[arg-type]


EXCLUSIONS: tuple[tuple[str, str], ...] = (
    ("encounter", "hospice_encounter"),
    ("encounter", "inpatient_encounter"),
    ("line", "hospice_intervention"),
    ("procedure", "hospice_intervention"),
    ("observation", "hospice_assessment"),
    ("condition", "hospice_diagnosis"),
    ("condition", "palliative_diagnosis"),
    ("diagnosis", "palliative_diagnosis"),
    ("observation", "palliative_assessment"),
    ("procedure", "palliative_intervention"),
    ("stay", "discharged_dead"),
)
FRAILTY: tuple[tuple[str, str], ...] = (
    ("device", "frailty_device"),
    ("line", "frailty_device"),
    ("diagnosis", "frailty_diagnosis"),
    ("condition", "frailty_diagnosis"),
    ("encounter", "frailty_encounter"),
    ("observation", "frailty_symptom"),
    ("observation", "equipment_used"),
    ("condition", "advanced_illness"),
    ("diagnosis", "advanced_illness"),
    ("fill", "dementia_medication"),
    ("medication", "dementia_medication"),
    ("observation", "housing_status"),
)
VISITS: tuple[tuple[str, str], ...] = (("encounter", "qualifying_visit"), ("line", "qualifying_visit"))


@st.composite
def members(
    draw: st.DrawFn,
    roles: Sequence[tuple[str, str]],
    ages: Sequence[int],
    months_before: Sequence[int],
    window_months: int,
) -> tuple[Period, Profile, list[Kept]]:
    """A period, a member and what is known of them: facts of the measure, of exclusions, of frailty, or of a few roles alone."""
    period = draw(st.sampled_from(PERIODS))
    profile = draw(profiles(period, ages, window_months))
    days = border_days(period, months_before)
    pool = draw(
        st.one_of(
            st.sampled_from(((*roles, *VISITS), (*FRAILTY, *roles[:2]), FRAILTY)),
            st.lists(st.sampled_from((*roles, *VISITS, *EXCLUSIONS, *FRAILTY)), min_size=1, max_size=3),
        )
    )
    visit = KeptRecord("cr:visit", "encounter", ROLE, "qualifying_visit", period.start, period.start, status="finished")
    drawn = [draw(facts(days, pool, number)) for number in range(draw(st.integers(0, 6)))]
    return period, profile, [*drawn, *([visit] if draw(st.integers(0, 4)) else [])]
