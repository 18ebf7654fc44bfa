"""Facts of one member for tests of measures, so that a test shows only what matters to it.

A code is written as the role that it plays: `encounter("qualifying_visit", "2025-03-01")`. Several roles are joined by `+`. The
parameters are those of a real edition; its single codes ("LOINC|8480-6") play their roles too. Days are written as in ISO 8601;
where a moment is written, it is kept as charts have it.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from state.calendar import FOREVER, Day
from state.measures.catalogue import MEASURES
from state.measures.editions import Edition, built_in
from state.measures.facts import (
    CoverSpan,
    Kept,
    KeptClaim,
    KeptDispensing,
    KeptLine,
    KeptRecord,
    KeptResult,
    Person,
    Profile,
    person_of,
)
from state.measures.outcome import Outcome
from state.measures.period import Period
from state.reference.codes import Code

_NUMBERS = itertools.count(1)
ROLE = "ROLE"
"""The code system of the codes that are roles."""


def day(text: str) -> Day:
    """The day of a date or moment, as written."""
    return dt.date.fromisoformat(text[:10]).toordinal()


def year(number: int) -> Period:
    """A calendar year."""
    return Period(day(f"{number}-01-01"), day(f"{number}-12-31"))


def months(first: str, last: str) -> Period:
    """A period from a day to a day."""
    return Period(day(first), day(last))


def member(birth: str, gender: str = "F", *spans: CoverSpan, **changes: Any) -> Profile:
    """A woman covered since 2000 without an end, unless said otherwise."""
    cover = spans or (CoverSpan(day("2000-01-01"), FOREVER, "PPO", medical=True, pharmacy=True, mental_health=True),)
    death = changes.pop("death", None)
    return Profile(birth=day(birth), gender=gender, spans=cover, death=None if death is None else day(death), **changes)


def covered(start: str, end: str, product: str = "PPO") -> CoverSpan:
    """A span of coverage with every benefit."""
    return CoverSpan(day(start), day(end), product, medical=True, pharmacy=True, mental_health=True)


def record(kind: str, role: str, start: str, end: str | None = None, **changes: Any) -> KeptRecord:
    """A clinical record whose code plays a role. `value` is a number, `says` the role of a coded result."""
    if "value" in changes:
        changes["value"] = Decimal(str(changes["value"]))
    if "says" in changes:
        changes["value_system"], changes["value_code"] = ROLE, changes.pop("says")
    if "authored" in changes:
        changes["authored"] = day(changes["authored"])
    given: dict[str, Any] = {
        "row": f"cr:R{next(_NUMBERS)}",
        "system": ROLE,
        "code": role,
        "start": day(start),
        "end": FOREVER if end is None else day(end),
        "start_at": start if len(start) > 10 else "",
        "end_at": end if end is not None and len(end) > 10 else "",
    }
    return KeptRecord(kind=kind, **{**given, **changes})  # type: ignore[arg-type]  # one of Kind


def encounter(role: str, start: str, end: str | None = None, **changes: Any) -> KeptRecord:
    """A finished encounter that ends on the day on which it begins, unless said otherwise."""
    return record("encounter", role, start, end or start, **{"status": "finished", **changes})


def condition(role: str, start: str, end: str | None = None, **changes: Any) -> KeptRecord:
    """An active condition of a problem list."""
    return record("condition", role, start, end, **{"status": "active", "category": "problem-list-item", **changes})


def observation(role: str, start: str, end: str | None = None, **changes: Any) -> KeptRecord:
    """A final observation without a result."""
    return record("observation", role, start, end, **{"status": "final", **changes})


def blood_pressure(
    on: str, systolic: object, diastolic: object, at: KeptRecord | None = None, **changes: Any
) -> list[KeptRecord]:
    """A final reading with its parts; None for a part that is missing. `at`: the encounter at which it was taken."""
    within = "" if at is None else at.evidence
    panel = observation("bp_panel", on, **{"category": "vital-signs", "part_of": within, **changes})
    parts = (("systolic_bp", systolic), ("diastolic_bp", diastolic))
    return [panel] + [
        observation(role, on, value=value, **{**changes, "part_of": panel.evidence})
        for role, value in parts
        if value is not None
    ]


def procedure(role: str, start: str, end: str | None = None, **changes: Any) -> KeptRecord:
    """A completed procedure."""
    return record("procedure", role, start, end, **{"status": "completed", **changes})


def immunization(role: str, start: str, **changes: Any) -> KeptRecord:
    """A completed immunization."""
    return record("immunization", role, start, **{"status": "completed", **changes})


def order(kind: str, role: str, authored: str, **changes: Any) -> KeptRecord:
    """An active order of a procedure, device or medication."""
    return record(kind, role, authored, **{"status": "active", "intent": "order", "authored": authored, **changes})


def medication(role: str, start: str, end: str | None = None, **changes: Any) -> KeptRecord:
    """An active order of a drug for a time."""
    return record(
        "medication", role, start, end, **{"status": "active", "intent": "order", "authored": start, **changes}
    )


def line(role: str, start: str, end: str | None = None, **changes: Any) -> KeptLine:
    """A service line whose procedure code plays a role."""
    return KeptLine(start=day(start), end=day(end or start), hcpcs=role, hcpcs_system="CPT", **changes)


def claim(*lines: KeptLine, diagnoses: Iterable[str] = (), on: str = "", **changes: Any) -> KeptClaim:
    """A claim of some lines, or of diagnoses alone, each of which plays a role; the first is the principal."""
    number = next(_NUMBERS)
    said = tuple(diagnoses)
    given: dict[str, Any] = {
        "row": f"c:C{number}",
        "evidence": f"C{number}",
        "institutional": False,
        "start": day(on) if on else min(one.start for one in lines),
        "end": day(on) if on else max(one.end for one in lines),
        "denied": False,
        "lines": lines,
        "diagnoses": said,
        "principal": said[0] if said else "",
    }
    return KeptClaim(**{**given, **changes})


def service(role: str, on: str, **changes: Any) -> KeptClaim:
    """A claim of one line."""
    return claim(line(role, on, **changes))


def diagnosed(role: str, on: str, **changes: Any) -> KeptClaim:
    """A claim that says a diagnosis and nothing else that counts."""
    return claim(diagnoses=(role,), on=on, **changes)


def dispensing(role: str, on: str, days_supply: int = 30, quantity: str = "30", **changes: Any) -> KeptDispensing:
    """A drug dispensed."""
    number = next(_NUMBERS)
    given: dict[str, Any] = {
        "row": f"d:D{number}",
        "evidence": f"D{number}",
        "day": day(on),
        "days_supply": days_supply,
        "quantity": Decimal(quantity),
        "ndc": role,
        "rxnorm": "",
        "denied": False,
    }
    return KeptDispensing(**{**given, **changes})


def result(role: str, on: str, value: str | None, state: str = "accepted", unit: str = "") -> KeptResult:
    """A result that a practice submitted."""
    number = next(_NUMBERS)
    return KeptResult(
        row=f"pr:P{number}",
        practice_id="P1",
        system=ROLE,
        code=role,
        day=day(on),
        value=None if value is None else Decimal(value),
        unit=unit,
        state=state,  # type: ignore[arg-type]  # one of the three
        document_ref="",
    )


class RolesOf(dict[Code, tuple[str, ...]]):
    """Codes that are roles play themselves; the single codes of an edition play theirs."""

    def __init__(self, codes: Mapping[str, Iterable[Code]] | None = None) -> None:
        super().__init__()
        self._codes: dict[Code, set[str]] = {}
        for role, given in (codes or {}).items():
            for code in given:
                self._codes.setdefault(code, set()).add(role)

    def __missing__(self, code: Code) -> tuple[str, ...]:
        found = tuple(sorted(self._codes.get(code, set()) | set(code[1].split("+"))))
        self[code] = found
        return found


def person(
    profile: Profile, kept: Iterable[Kept], codes: Mapping[str, Iterable[Code]] | None = None, as_of: Day = FOREVER
) -> Person:
    """The member as a measure sees them."""
    return person_of(profile, kept, RolesOf(codes), as_of)


def outcomes(
    edition: str | Edition, measure: str, period: Period, profile: Profile, *kept: Kept, as_of: Day = FOREVER
) -> dict[str, Outcome]:
    """What a measure of an edition says, by rate; empty for a member outside the initial population."""
    known = built_in(edition) if isinstance(edition, str) else edition
    who = person(profile, kept, known.codes, as_of)
    return {one.rate: one for one in MEASURES[measure].evaluate(who, period, known.parameters[measure])}


def populations(found: Mapping[str, Outcome], rate: str) -> tuple[int, int, int, int]:
    """Initial population, denominator, denominator exclusion and numerator of a rate; zeros outside the population."""
    one = found.get(rate, Outcome(rate=rate))
    return one.initial_population, one.denominator, one.denominator_exclusion, one.numerator
