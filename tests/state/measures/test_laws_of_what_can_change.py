"""What no fact of some roles can change stays: of every measure of every edition, as the facts come and as they are taken back."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from state.measures.catalogue import MEASURES
from state.measures.editions import built_in
from state.measures.facts import Kept, KeptClaim, KeptRecord, Profile, first_start
from state.measures.outcome import Outcome
from state.measures.period import Period
from state.measures.rates import counted_of
from state.measures.touching import can_change
from tests.fixtures.lengths import LONG
from tests.measure_builders import (
    ROLE,
    RolesOf,
    claim,
    condition,
    dispensing,
    encounter,
    line,
    member,
    observation,
    order,
    person,
    procedure,
    result,
    year,
)

PERIOD = year(2025)
EDITIONS = tuple(built_in(name) for name in ("capc-2024", "capc-2025", "cms-2025", "cms-2026"))
MEASURED = [(edition, name) for edition in EDITIONS for name in sorted(edition.parameters)]
BORN = ("1950-03-01", "1970-05-05", "1980-02-29", "2012-02-02", "2023-03-03")
DAYS = (
    "2023-09-30", "2024-03-01", "2024-05-01", "2024-11-20", "2024-12-31", "2025-01-01", "2025-03-03",
    "2025-06-30", "2025-07-01", "2025-09-09", "2025-12-01", "2025-12-31", "2026-01-01", "2026-01-20",
)  # fmt: skip
MEMBERS = 1_000 if LONG else 60


def _fact(chance: random.Random, roles: list[str]) -> Kept:
    """A fact of one role, or a claim with a diagnosis and a service of two."""
    role, on = chance.choice(roles), chance.choice(DAYS)
    match chance.randrange(9):
        case 0 | 1 | 2:
            return claim(line(chance.choice(roles), on), diagnoses=[role], on=on)
        case 3:
            return condition(role, on)
        case 4:
            return encounter(role, on)
        case 5:
            return observation(role, on, value=chance.choice((1, 7, 12, 130)), says=chance.choice(roles))
        case 6:
            return procedure(role, on) if chance.random() < 0.5 else order("procedure", role, on)
        case 7:
            return dispensing(role, on)
        case _:
            return result(role, on, str(chance.choice((5, 9, 125))))


def _roles_by_which(fact: Kept, read: frozenset[str], plays: RolesOf) -> frozenset[str]:
    if isinstance(fact, KeptClaim):
        codes = [*(one.hcpcs for one in fact.lines), *fact.diagnoses]
    else:
        codes = [fact.code if isinstance(fact, KeptRecord) else getattr(fact, "code", "") or getattr(fact, "ndc", "")]
    return read & {role for code in codes for role in plays[ROLE, code]}


def _counted(outcomes: tuple[Outcome, ...]) -> frozenset[str] | None:
    return frozenset(one.rate for one in counted_of(outcomes)) if outcomes else None


@pytest.mark.parametrize(("edition", "name"), MEASURED, ids=[f"{edition.name} {name}" for edition, name in MEASURED])
def test_what_cannot_change_does_not_change(edition, name) -> None:  # type: ignore[no-untyped-def]
    measure, parameters = MEASURES[name], edition.parameters[name]
    read, plays = edition.roles(name), RolesOf(edition.codes)
    chance = random.Random(f"{edition.name} {name}")
    # Mostly what puts somebody in, so that there is somebody to be changed.
    roles = [*sorted(read), *sorted(read if measure.enters is None else measure.enters(parameters)) * 5]

    def said(profile: Profile, kept: list[Kept], period: Period) -> tuple[Outcome, ...]:
        return measure.evaluate(person(profile, kept, edition.codes), period, parameters)

    for _ in range(MEMBERS):
        profile, kept = member(chance.choice(BORN)), []
        steps = [said(profile, kept, PERIOD)]
        for _ in range(8 if roles else 0):
            kept = [*kept, _fact(chance, roles)]
            steps.append(said(profile, kept, PERIOD))
        for fact, (gone, there) in zip(kept, pairwise(steps), strict=True):
            touched = _roles_by_which(fact, read, plays)
            for before in (gone, there):
                if not can_change(measure, parameters, touched, first_start(fact), PERIOD, _counted(before)):
                    assert gone == there
