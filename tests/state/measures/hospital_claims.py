"""Claims of hospitals with real codes, and measures of capc-2025 asked with the starter sets and supplied tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any

from state.calendar import FOREVER, Day
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.facts import Kept, KeptClaim, KeptDispensing, KeptLine, Profile
from state.measures.measure_tables import NO_TABLES, MeasureTables, parse
from state.measures.outcome import Outcome, Sums
from state.measures.period import Period
from state.measures.rates import Cell, sums_of, value_of
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableFile
from tests.measure_builders import day

_NUMBERS = itertools.count(1)
ED_ROOM = "0450"
ROOM_AND_BOARD = "0120"
OBSERVATION = "0762"


@cache
def bound(measure: str, tables: MeasureTables = NO_TABLES) -> Bound:
    """A measure of capc-2025 with the starter sets."""
    return Bound(built_in("capc-2025").only([measure]), starter_sets(), tables)


def asked(
    measure: str,
    period: Period,
    profile: Profile,
    *kept: Kept,
    tables: MeasureTables = NO_TABLES,
    as_of: Day = FOREVER,
) -> dict[str, Outcome]:
    """What a measure says of a member, by rate."""
    found = evaluate(profile, kept, bound(measure, tables), period, as_of).outcomes
    return {outcome.rate: outcome for outcome in found.get(measure, ())}


def added(outcomes: Iterable[Outcome]) -> Sums:
    """What some members add up to."""
    total = Sums()
    for outcome in outcomes:
        total += sums_of(outcome)
    return total


def value(
    measure: str, rate: str, sums: Sums, tables: MeasureTables = NO_TABLES, peers: Sums | None = None
) -> tuple[Decimal | None, str]:
    """The value of a rate of a practice, and its note."""
    cell = Cell(measure, rate, "P", "A", "")
    return value_of(cell, sums, peers or Sums(), bound(measure, tables).edition.parameters[measure])


def supplied(**files: str) -> MeasureTables:
    """Tables from CSV text, by kind."""
    return parse(TableFile(kind, f"{kind}.csv", text.encode()) for kind, text in files.items())


def line(on: str, *, hcpcs: str = "", revenue: str = "", place: str = "", **changes: Any) -> KeptLine:
    """A line with a procedure code, a revenue code or both."""
    system: Any = "" if not hcpcs else "CPT" if hcpcs[0].isdecimal() else "HCPCS"
    return KeptLine(
        start=day(on), end=day(on), hcpcs=hcpcs, hcpcs_system=system, revenue=revenue, place=place, **changes
    )


def claim(start: str, end: str, *lines: KeptLine, principal: str = "R079", **changes: Any) -> KeptClaim:
    """An institutional claim that was paid, with the lines given."""
    name = changes.pop("name", f"H{next(_NUMBERS)}")
    given: dict[str, Any] = {
        "row": f"c:{name}",
        "evidence": name,
        "institutional": True,
        "start": day(start),
        "end": day(end),
        "denied": False,
        "lines": tuple(sorted(lines)),
        "principal": principal,
        "diagnoses": (principal,),
        "discharged": True,
    }
    return KeptClaim(**{**given, **changes})


def ed_facility(on: str, **changes: Any) -> KeptClaim:
    """A hospital's claim of a visit to its emergency room."""
    return claim(on, on, line(on, revenue=ED_ROOM), **changes)


def ed_professional(on: str, **changes: Any) -> KeptClaim:
    """A doctor's claim of a visit to an emergency room."""
    return claim(on, on, line(on, hcpcs="99284", place="23"), **{"institutional": False, **changes})


def inpatient(start: str, end: str, **changes: Any) -> KeptClaim:
    """An acute stay."""
    given: dict[str, Any] = {"bill_type": "0111", "disposition": "01", "principal": "J189"}
    return claim(start, end, line(start, revenue=ROOM_AND_BOARD), **{**given, **changes})


def observation(start: str, end: str, **changes: Any) -> KeptClaim:
    """An observation stay."""
    return claim(start, end, line(start, revenue=OBSERVATION), **{"bill_type": "0131", **changes})


def fill(on: str, ndc: str, quantity: str = "30", **changes: Any) -> KeptDispensing:
    """A drug dispensed."""
    number = next(_NUMBERS)
    given: dict[str, Any] = {
        "row": f"d:D{number}",
        "evidence": f"D{number}",
        "day": day(on),
        "days_supply": 30,
        "quantity": Decimal(quantity),
        "ndc": ndc,
        "rxnorm": "",
        "denied": False,
    }
    return KeptDispensing(**{**given, **changes})
