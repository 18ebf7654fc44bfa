"""Two sets of rules side by side over the same facts: whose members they are, and what each practice is paid by them.

Made by `panelstream simulate`; nothing of it is published. Source: issue "From a frozen period to money", simulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Statement
from state.payment.amounts import NOTHING
from state.results import rows_csv

ELEMENTS = {"1": "direct services", "2": "population health", "3": "performance incentive"}
PanelCounts = Mapping[tuple[str, str, str], int]
"""Members by month, payer and practice ("" for nobody's)."""


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """Members of a payer on the panel of a practice; practice "": of nobody."""

    month: str
    payer: str
    practice_id: str
    in_force: int
    simulated: int
    difference: int


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Members who are on another practice's panel by the simulated rules."""

    month: str
    payer: str
    from_practice: str
    to_practice: str
    members: int


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of a statement pays by either rules; None where it has no such line."""

    payer: str
    practice_id: str
    period: str
    element: str
    item: str
    label: str
    in_force: Decimal | None
    simulated: Decimal | None
    difference: Decimal


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What one side goes by: its ruleset, the editions it is measured by, and the contracts that the other side does not have just so."""

    ruleset: str
    editions: tuple[str, ...] = ()
    contracts: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to compare. `not_stated`: sentences why a side has no statement where it might have one."""

    in_force: Rules
    simulated: Rules
    members: tuple[Members, ...]
    moved: tuple[Moved, ...]
    money: tuple[Money, ...]
    not_stated: tuple[str, ...] = ()
    refused_records: int = 0
    failed_members: int = 0


def members_of(in_force: PanelCounts, simulated: PanelCounts) -> tuple[Members, ...]:
    """The panels side by side, by month, payer and practice."""
    return tuple(
        Members(
            month=month,
            payer=payer,
            practice_id=practice,
            in_force=(before := in_force.get((month, payer, practice), 0)),
            simulated=(after := simulated.get((month, payer, practice), 0)),
            difference=after - before,
        )
        for month, payer, practice in sorted({*in_force, *simulated})
    )


def moved_of(moves: Mapping[tuple[str, str, str, str], int]) -> tuple[Moved, ...]:
    """Who moved from where to where, by month and payer."""
    return tuple(
        Moved(month=month, payer=payer, from_practice=before, to_practice=after, members=members)
        for (month, payer, before, after), members in sorted(moves.items())
    )


def money_of(in_force: Iterable[Statement], simulated: Iterable[Statement]) -> tuple[Money, ...]:
    """The lines of the statements side by side; those that only inform pay nothing and are left out."""
    before, after = _lines(in_force), _lines(simulated)
    return tuple(
        Money(
            payer=payer,
            practice_id=practice,
            period=period,
            element=element,
            item=item,
            label=label,
            in_force=before.get(key),
            simulated=after.get(key),
            difference=after.get(key, NOTHING) - before.get(key, NOTHING),
        )
        for key in sorted({*before, *after})
        for payer, practice, period, element, item, label in (key,)
    )


def by_element(money: Sequence[Money]) -> tuple[Money, ...]:
    """The same by practice, period and element: what a person looks at first."""
    before: Counter[tuple[str, str, str, str]] = Counter()
    after: Counter[tuple[str, str, str, str]] = Counter()
    for one in money:
        key = (one.payer, one.practice_id, one.period, one.element)
        before[key] += one.in_force or NOTHING  # type: ignore[assignment]
        after[key] += one.simulated or NOTHING  # type: ignore[assignment]
    return tuple(
        Money(
            payer=payer,
            practice_id=practice,
            period=period,
            element=element,
            item="",
            label=ELEMENTS[element],
            in_force=Decimal(before[key]),
            simulated=Decimal(after[key]),
            difference=Decimal(after[key]) - before[key],
        )
        for key in sorted(before)
        for payer, practice, period, element in (key,)
    )


def members_csv(made: Comparison) -> Iterator[bytes]:
    """members.csv: the panels side by side."""
    return _csv(Members, made.members)


def moved_csv(made: Comparison) -> Iterator[bytes]:
    """moved.csv: members who change practice."""
    return _csv(Moved, made.moved)


def money_csv(made: Comparison) -> Iterator[bytes]:
    """money.csv: each line of the statements side by side."""
    return _csv(Money, made.money)


def _lines(statements: Iterable[Statement]) -> Mapping[tuple[str, str, str, str, str, str], Decimal]:
    found: dict[tuple[str, str, str, str, str, str], Decimal] = {}
    for one in statements:
        for line in one.lines:
            if line.information is None:
                key = (one.payer, one.practice_id, one.period, line.element, line.item, line.label)
                found[key] = found.get(key, NOTHING) + line.amount
    return found


def _csv(kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> Iterator[bytes]:
    columns = kind.__struct_fields__
    return rows_csv(columns, ([_plain(getattr(row, column)) for column in columns] for row in rows))


def _plain(value: object) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else value
