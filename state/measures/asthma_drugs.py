"""Asthma drugs dispensed: dispensing events say who has asthma, units say what it is treated with. Two counts, never one.

A canister, an injection or thirty days of tablets is a unit; how many events they are depends on drug and day. Source: measures.md 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import msgspec

from state.calendar import Day
from state.measures import status
from state.measures.facts import Fact, KeptDispensing, Person
from state.measures.status import Statuses
from state.reference.value_sets import Medication

CONTROLLERS = "asthma_controller"
RELIEVERS = "asthma_reliever"
ANTIBODIES = "asthma_antibody"
LEUKOTRIENE_MODIFIERS = "asthma_leukotriene_modifier"
ANTIBODIES_GIVEN = "asthma_antibody_administration"
ONE_ORAL_SUPPLY = 30
"""Days of tablets that are one event and one unit (measures.md 7)."""

ROUTES = ("oral", "inhalation", "injection")
"""The routes of these lists, as `value_set_files.listing.route_of` writes them; a steroid for the nose is on none of them."""


class DrugRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How drugs are read and counted.

    `solution_units`: where a package is measured so, it is a nebuliser's solution, and a dispensing is one unit whatever its volume.
    `oral_units`: a part of thirty days at the end is a unit or none. `antibodies_given`: whether antibodies given in a clinic and
    billed as a service count as dispensed.
    """

    solution_units: tuple[str, ...] = ("ml",)
    oral_units: Literal["down", "up"] = "down"
    antibodies_given: bool = False


class Supply(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """One dispensing of a drug. `packages` are canisters or injections, at least one.

    `needs_diagnosis`: such drugs are given for other diseases too, so that they alone do not say asthma.
    """

    day: Day
    drug: str
    route: str
    days: int
    packages: int
    is_controller: bool
    needs_diagnosis: bool
    evidence: str


def roles(rules: DrugRules) -> frozenset[str]:
    """The roles that the lists of asthma drugs have."""
    lists = {CONTROLLERS, RELIEVERS, ANTIBODIES, LEUKOTRIENE_MODIFIERS}
    return frozenset(lists | ({ANTIBODIES_GIVEN} if rules.antibodies_given else set()))


def supplies(person: Person, statuses: Statuses, rules: DrugRules, start: Day, end: Day) -> list[Supply]:
    """The controllers and relievers dispensed in the window, by day. Fills denied or reversed were not dispensed."""
    found = [
        supply
        for role in (CONTROLLERS, RELIEVERS)
        for fact in status.dispensed(person, statuses, role)
        if start <= fact.start <= end
        if (supply := _supply(person, rules, fact, role)) is not None
    ]
    if rules.antibodies_given:
        found += [
            Supply(
                day=fact.start,
                drug=fact.code[1],
                route="injection",
                days=1,
                packages=1,
                is_controller=True,
                needs_diagnosis=True,
                evidence=fact.evidence,
            )
            for fact in status.procedures(person, statuses, ANTIBODIES_GIVEN)
            if start <= fact.start <= end
        ]
    return sorted(found)


def dispensing_events(given: Iterable[Supply]) -> int:
    """How many dispensing events some supplies are.

    Tablets of a drug on a day are one event for thirty days or less, else one for each full thirty days; inhalers of a drug on a day
    are one, however many; every injection is one. Source: measures.md 7 (FLOOR).
    """
    days, inhaled, events = _oral_days(given), set(), 0
    for one in given:
        if one.route == "inhalation":
            inhaled.add((one.day, one.drug))
        elif one.route == "injection":
            events += one.packages
    return events + len(inhaled) + sum(max(1, supply // ONE_ORAL_SUPPLY) for supply in days)


def units(given: Iterable[Supply], rules: DrugRules) -> int:
    """How many units some supplies are: each canister and injection one, tablets of a drug on a day one for thirty days.

    Source: measures.md 7; what is left of longer supplies by `oral_units`, because sources differ.
    """
    packages = sum(one.packages for one in given if one.route != "oral")
    extra = ONE_ORAL_SUPPLY - 1 if rules.oral_units == "up" else 0
    return packages + sum(max(1, (days + extra) // ONE_ORAL_SUPPLY) for days in _oral_days(given))


def _oral_days(given: Iterable[Supply]) -> list[int]:
    """The days of tablets of each drug on each day."""
    days: dict[tuple[Day, str], int] = {}
    for one in given:
        if one.route == "oral":
            days[one.day, one.drug] = days.get((one.day, one.drug), 0) + one.days
    return list(days.values())


def _supply(person: Person, rules: DrugRules, fact: Fact, role: str) -> Supply | None:
    fill = fact.of
    assert isinstance(fill, KeptDispensing)  # noqa: S101 - `status.dispensed` gives no others
    codes = [(system, code) for system, code in (("NDC", fill.ndc), ("RXNORM", fill.rxnorm)) if code]
    listed = next((person.medications[code] for code in codes if code in person.medications), Medication(fact.code))
    is_antibody = any(person.plays(code, ANTIBODIES) for code in codes)
    is_leukotriene_modifier = any(person.plays(code, LEUKOTRIENE_MODIFIERS) for code in codes)
    # A list that names no route: antibodies are injected, leukotriene modifiers are tablets, and all others are mostly inhaled.
    route = listed.route or ("injection" if is_antibody else "oral" if is_leukotriene_modifier else "inhalation")
    if route not in ROUTES:
        return None
    return Supply(
        day=fill.day,
        drug=listed.generic_name.casefold() or fact.code[1],
        route=route,
        days=fill.days_supply,
        packages=_packages(rules, listed, fill.quantity),
        is_controller=role == CONTROLLERS,
        needs_diagnosis=is_antibody or is_leukotriene_modifier,
        evidence=fact.evidence,
    )


def _packages(rules: DrugRules, listed: Medication, quantity: Decimal) -> int:
    """Packages in a quantity, to the nearest whole one and at least one; one where the list gives no size, and for a solution."""
    if not listed.package_size or listed.unit.casefold() in rules.solution_units:
        return 1
    return max(1, int((quantity / listed.package_size).quantize(Decimal(1), ROUND_HALF_UP)))
