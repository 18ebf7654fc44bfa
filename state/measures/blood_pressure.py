"""Blood pressures: which readings count, and whether those of the last day are below the thresholds.

Sources: measures.md 4, CMS165 CQL (Qualifying Systolic and Diastolic Blood Pressure Reading, Lowest ... on Most Recent Blood Pressure Day).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

from state.calendar import Day, to_date
from state.measures import status
from state.measures.facts import Fact, KeptClaim, Person
from state.measures.status import Statuses
from state.measures.timing import end_of, latest
from state.reference.measured_units import UnknownUnit, converted

Setting = Literal["acute", "other", "unknown"]


class BloodPressureRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a controlled blood pressure is: systolic and diastolic below these, in mm Hg.

    `stated_setting`: a chart's reading counts only when it says at which encounter it was taken, and that was neither a hospital stay
    nor an emergency. Else a reading of unknown setting counts too, unless such a contact has the day of the reading. `either_setting`:
    one of them is enough, a setting that is neither, or a day without such a contact.
    `gap_spoils_day`: where several readings are of the last day and one of them lacks a number, that number is the lowest, and is missing.
    `systolic_classes`, `diastolic_classes`: roles of CPT II codes, each with a number that stands for the class.
    """

    systolic_below: Decimal = Decimal(140)
    diastolic_below: Decimal = Decimal(90)
    stated_setting: bool = False
    either_setting: bool = False
    gap_spoils_day: bool = False
    systolic_classes: Mapping[str, Decimal] = {}
    diastolic_classes: Mapping[str, Decimal] = {}


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers that one source gives of one day; None for a number that it should have given and did not."""

    fact: Fact
    day: Day
    systolic: tuple[Decimal | None, ...]
    diastolic: tuple[Decimal | None, ...]


def roles(rule: BloodPressureRule) -> frozenset[str]:
    """The roles that the rule reads."""
    numbers = {"bp_panel", "systolic_bp", "diastolic_bp", *rule.systolic_classes, *rule.diastolic_classes}
    return frozenset(numbers | _CLASSES | (set() if rule.stated_setting else {"acute_contact"}))


def readings(person: Person, rule: BloodPressureRule, statuses: Statuses) -> list[Reading]:
    """Every reading that counts, whenever it was taken, but for those of hospital stays and emergencies.

    A reading that covers a stretch of time belongs to its last day.
    """
    classes = _classes(person)
    contacts = [_days(fact) for fact in status.encounters(person, statuses, "acute_contact")]
    counted: list[Reading] = []
    for reading in _taken(person, rule, statuses):
        where = _setting(person, reading.fact, classes)
        by_day = where == "unknown" and not rule.stated_setting
        if by_day or (where == "acute" and rule.either_setting and reading.fact.record is not None):
            where = "acute" if any(start <= reading.day <= end for start, end in contacts) else "other"
        if where == "other":
            counted.append(reading)
    return counted


def lowest_below(numbers: list[Decimal | None], threshold: Decimal, *, gap_spoils_day: bool) -> bool:
    """Whether the lowest number of a day is below a threshold; with no number at all it is not."""
    if gap_spoils_day and None in numbers:
        return False
    return any(number is not None and number < threshold for number in numbers)


def is_controlled(on_last_day: list[Reading], rule: BloodPressureRule) -> bool:
    """Whether the lowest systolic and the lowest diastolic number of a day, each for itself, are below the thresholds.

    A day on which only one of the two was taken is not controlled: no earlier day takes its place.
    """
    systolic = [number for reading in on_last_day for number in reading.systolic]
    diastolic = [number for reading in on_last_day for number in reading.diastolic]
    spoils = rule.gap_spoils_day
    return lowest_below(systolic, rule.systolic_below, gap_spoils_day=spoils) and lowest_below(
        diastolic, rule.diastolic_below, gap_spoils_day=spoils
    )


def told(on_last_day: list[Reading]) -> str:
    """What the last day says by now, as an open gap tells it: its lowest numbers, each for itself, and "?" for one that is missing.

    A class is told by its code, for the number that stands for it was not measured.
    """
    if not on_last_day:
        return "none yet"
    systolic = _lowest([(number, one.fact) for one in on_last_day for number in one.systolic if number is not None])
    diastolic = _lowest([(number, one.fact) for one in on_last_day for number in one.diastolic if number is not None])
    return f"now {systolic}/{diastolic} on {to_date(on_last_day[0].day)}"


def _lowest(numbers: list[tuple[Decimal, Fact]]) -> str:
    if not numbers:
        return "?"
    number, fact = min(numbers, key=lambda one: one[0])
    return f"{number:f}" if fact.claim is None else fact.code[1]


_CLASSES = frozenset({"acute_class", "other_class"})
"""Roles of an encounter's class: a hospital stay or an emergency, and every other."""


def _taken(person: Person, rule: BloodPressureRule, statuses: Statuses) -> Iterator[Reading]:
    """What charts, practices and claims give: whole readings with their parts, numbers that stand alone, classes of CPT II.

    A whole reading whose parts are missing was taken, and lacks them; a part that stands alone without a number says nothing.
    """
    named = {fact.evidence for fact in person.facts("bp_panel")}
    panels = {
        fact.evidence: fact for fact in status.vital_signs(person, statuses, "bp_panel") if fact.record is not None
    }
    parts: dict[str, tuple[list[Decimal], list[Decimal]]] = {name: ([], []) for name in panels}
    for side, role in enumerate(("systolic_bp", "diastolic_bp")):
        for fact in status.vital_signs(person, statuses, role):
            within = "" if fact.record is None else fact.record.part_of
            number = _number(fact)
            if number is None:
                continue
            if within in parts:
                parts[within][side].append(number)
            elif within not in named and fact.kind == "observation":
                yield _alone(fact, latest(fact), side, number)
    for name, fact in panels.items():
        systolic, diastolic = parts[name]
        yield Reading(fact, latest(fact), (min(systolic, default=None),), (min(diastolic, default=None),))
    for side, classes in enumerate((rule.systolic_classes, rule.diastolic_classes)):
        for role in sorted(classes):
            for fact in status.procedures(person, statuses, role):
                yield _alone(fact, fact.start, side, classes[role])


_PRESSURE = ("LOINC", "8480-6")
"""As which a number is read whose code is in no table of units."""


def _number(fact: Fact) -> Decimal | None:
    """In mm Hg; None where there is no number, or none in a known unit."""
    if fact.value is None:
        return None
    try:
        return converted(fact.code, fact.value, fact.unit, _PRESSURE)
    except UnknownUnit:
        return None


def _alone(fact: Fact, day: Day, side: int, number: Decimal) -> Reading:
    return Reading(fact, day, (number,), ()) if side == 0 else Reading(fact, day, (), (number,))


def _classes(person: Person) -> dict[str, Setting]:
    """By the record id of each encounter in charts: what its class says."""
    found: dict[str, Setting] = {fact.evidence: "other" for fact in person.facts("other_class")}
    return found | {fact.evidence: "acute" for fact in person.facts("acute_class")}


def _setting(person: Person, reading: Fact, classes: Mapping[str, Setting]) -> Setting:
    """Where a reading was taken.

    A chart's: as the class of its encounter says. A claim's: in a hospital or emergency when the claim or the line says so. What a practice
    submits was taken there.
    """
    if reading.record is not None:
        return classes.get(reading.record.part_of, "unknown")
    if isinstance(reading.of, KeptClaim):
        return "acute" if any(fact.of is reading.of for fact in person.facts("acute_contact")) else "other"
    return "other"


def _days(contact: Fact) -> tuple[Day, Day]:
    """The days of a hospital stay or emergency: of a facility's claim all of it, from admission to discharge."""
    claim = contact.claim
    return (claim.start, claim.end) if claim is not None and claim.institutional else (contact.start, end_of(contact))
