"""What has changed under frozen panels since they were frozen, and what was rendered in their months: tallies of one partition.

A member counts in cells of each panel that may still be adjusted. Whatever is learned of it, the cells that it leaves and enters change
by the difference, in the transaction of the record that said it; no close ever asks all members again. What a close hands over are the
cells that have changed since the close before. Source: payment.md 4.1, carve-out and retro changes; design.md law 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from schemas.records import PeopleCount, RestatedPanel, ServiceCount
from state.calendar import month_of
from state.ledger.member import Member
from state.ledger.services import Person, Services, frozen_person
from state.reference.frozen_lists import FrozenList

Cell = tuple[int, str]
"""The number of the close of a panel, and what is counted there: `people_cell` or `service_cell`."""
Sums = tuple[int, int, int]
"""Members or lines, allowed cents, paid cents."""
Changes = dict[Cell, Sums]
MOST_COUNTS = 4_000
"""Counts in one record that is handed over: far below what a record may hold."""

_PEOPLE, _SERVICES = "people", "services"
_encoder = msgspec.json.Encoder()


def people_cell(payer: str, person: Person) -> str:
    """Members that payments do not tell apart."""
    return _encoder.encode([_PEOPLE, payer, *msgspec.structs.astuple(person)]).decode()


def service_cell(payer: str, practice_id: str, code: str, place: str, frozen: str | None, now: str | None) -> str:
    """Lines that payments do not tell apart. `frozen`, `now`: the product by which the panel has the member at the practice, if it has."""
    return _encoder.encode([_SERVICES, payer, practice_id, code, place, frozen, now]).decode()


def cells(member: Member, services: Services, panels: Iterable[FrozenList]) -> Changes:
    """Where a member counts: as a difference where a panel has it otherwise by now, and with each line rendered in a panel's month."""
    found: Changes = {}
    moved = {one.close: one.person for one in services.moved}
    for panel in panels:
        if member.payer in panel.left_out:
            continue
        number = panel.number
        frozen = frozen_person(member, number)
        now = moved.get(number, frozen)
        if now != frozen:
            for person, members in ((frozen, -1), (now, 1)):
                if person is not None:
                    _add(found, (number, people_cell(member.payer, person)), (members, 0, 0))
        for one in services.rendered:
            if one.practice_id and month_of(one.day) == panel.as_of:
                at = one.practice_id
                cell = service_cell(member.payer, at, one.code, one.place, _product(frozen, at), _product(now, at))
                _add(found, (number, cell), (one.lines, one.allowed, one.paid))
    return found


def changes(before: Changes, after: Changes) -> Changes:
    """What the cells change by that a member has left, entered, or counts in otherwise."""
    found: Changes = {}
    for cell in sorted(before.keys() | after.keys()):
        was, now = before.get(cell, (0, 0, 0)), after.get(cell, (0, 0, 0))
        if was != now:
            found[cell] = (now[0] - was[0], now[1] - was[1], now[2] - was[2])
    return found


def add(found: Changes, more: Changes) -> None:
    """Add changes up. A cell that nets to nothing stays: it was touched, and is said again."""
    for cell, sums in more.items():
        _add(found, cell, sums)


def handed_over(counted: Sequence[tuple[int, str, Sums]], closes: Mapping[int, str]) -> list[tuple[RestatedPanel, ...]]:
    """Counts (panel, cell, sums), sorted, as they are handed over: one item for each record. `closes`: the id of each panel's close."""
    parts = [counted[start : start + MOST_COUNTS] for start in range(0, len(counted), MOST_COUNTS)]
    return [
        tuple(
            _panel(closes[number], [(cell, sums) for panel, cell, sums in part if panel == number])
            for number in dict.fromkeys(panel for panel, _, _ in part)
        )
        for part in parts
    ]


def _panel(close_id: str, counted: Iterable[tuple[str, Sums]]) -> RestatedPanel:
    people: list[PeopleCount] = []
    services: list[ServiceCount] = []
    for cell, (number, allowed, paid) in counted:
        kind, payer, *rest = msgspec.json.decode(cell)
        if kind == _PEOPLE:
            practice, product, gender, age = rest
            people.append(
                PeopleCount(payer=payer, practice_id=practice, product=product, gender=gender, age=age, members=number)
            )
        else:
            practice, code, place, frozen, now = rest
            services.append(
                ServiceCount(
                    payer=payer,
                    practice_id=practice,
                    code=code,
                    place_of_service=place,
                    frozen_product=frozen,
                    product=now,
                    lines=number,
                    allowed=Decimal(allowed).scaleb(-2),
                    paid=Decimal(paid).scaleb(-2),
                )
            )
    return RestatedPanel(close_id=close_id, people=tuple(people), services=tuple(services))


def _product(person: Person | None, practice_id: str) -> str | None:
    return person.product if person is not None and person.practice_id == practice_id else None


def _add(found: Changes, cell: Cell, sums: Sums) -> None:
    was = found.get(cell, (0, 0, 0))
    found[cell] = (was[0] + sums[0], was[1] + sums[1], was[2] + sums[2])
