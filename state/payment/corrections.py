"""What panels that were corrected since make of the statements of their months, and what there is to say of services by now.

A statement of a month stands on the panel as it was frozen. With each later close, as long as the panel may be adjusted, the month is
worked again by the very terms that it was stated by, with the people as corrected and the lines known by then; where an amount differs, an
adjustment takes the place of what stands: the month's capitation goes back and its capitated lines turn to fee for service, or the reverse.
Claims of a month arrive after its panel, so that services are told for information on a later statement of the practice, month by month,
whenever they have changed. Source: payment.md 4.1, carve-out, retro changes; 4.6, negative true-up.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Contract, Statement, StatementLine
from schemas.records import PeopleCount, ServiceCount
from state.payment import element1
from state.payment.age_gender import MissingBand
from state.payment.amounts import NOTHING
from state.payment.closes import NothingStated
from state.payment.drafting import Basis, Drafted, Known, Panel, Services, persons, statable
from state.payment.element2 import in_force, month_name, months_paid
from state.payment.service_classes import compiled
from state.payment.statements import adjustment, month_lines, month_statement

CAUSE = "the panel was corrected"
_TOLD = frozenset({"capitated_services", "fee_for_service"})


def adjusted_months(known: Known, close_id: str, decided_on: dt.date) -> tuple[Drafted, ...]:
    """The adjustments of months whose panels have been corrected, by payer, practice and month; `close_id` is the close that brings them.

    Statements of months none of whose panels is among `known` any more stand for good. Raises `NothingStated`: a factor is missing.
    """
    last: dict[tuple[str, str, str], Statement] = {}
    for one in known.standing:
        if one.statement_id in known.bases:
            last[one.payer, one.practice_id, one.period] = one
    made: list[Drafted] = []
    reasons: list[str] = []
    for _, standing in sorted(last.items()):
        try:
            made += _adjusted(known, standing, known.bases[standing.statement_id], close_id, decided_on)
        except MissingBand as problem:
            reasons.append(f"practice {standing.practice_id} with {standing.payer}: {problem}")
    if reasons:
        raise NothingStated(reasons)
    return tuple(made)


def services_to_tell(known: Known, made: Sequence[Drafted] = ()) -> Services:
    """What services of the months among `known` come to, where it is not what a statement has said last; `made` are adjustments of now.

    By the contract in force on the first of the month.
    """
    said = [*known.standing, *(one.statement for one in made)]
    found: dict[tuple[str, str], tuple[StatementLine, ...]] = {}
    for month, panel in sorted(known.panels.items()):
        for contract in known.contracts:
            if in_force(contract, month) and contract.payer not in panel.snapshot.not_frozen:
                who = (contract.payer, contract.practice_id)
                before = _told(said, *who, month)
                now = element1.services(month, _ours(panel, contract), contract, compiled(contract), before)
                if now != before:
                    found[who] = (*found.get(who, ()), *now)
    return found


def corrected(panel: Panel) -> Panel:
    """The panel with its people as they are known by now."""
    return msgspec.structs.replace(panel, people=people_together([*panel.people, *panel.moved]))


def people_together(counts: Iterable[PeopleCount]) -> tuple[PeopleCount, ...]:
    """Counts of people, those alike together; none of nothing."""
    found: Counter[PeopleCount] = Counter()
    for one in counts:
        found[msgspec.structs.replace(one, members=0)] += one.members
    return tuple(msgspec.structs.replace(one, members=members) for one, members in sorted(found.items()) if members)


def services_together(counts: Iterable[ServiceCount]) -> tuple[ServiceCount, ...]:
    """Counts of services, those alike together; none of nothing."""
    found: dict[ServiceCount, tuple[int, Decimal, Decimal]] = {}
    for one in counts:
        alike = msgspec.structs.replace(one, lines=0, allowed=NOTHING, paid=NOTHING)
        lines, allowed, paid = found.get(alike, (0, NOTHING, NOTHING))
        found[alike] = (lines + one.lines, allowed + one.allowed, paid + one.paid)
    together = [
        msgspec.structs.replace(one, lines=lines, allowed=allowed, paid=paid)
        for one, (lines, allowed, paid) in found.items()
        if lines
    ]
    return tuple(sorted(together, key=_order))


def _adjusted(known: Known, standing: Statement, basis: Basis, close_id: str, decided_on: dt.date) -> Iterator[Drafted]:
    contract, month = basis.contract, standing.covers_from
    months = sorted({month, *months_paid(contract, month)})
    if not known.panels.keys() >= set(months):
        return
    terms, risk = basis.terms(known.store)
    counts = _ours(known.panels[month], contract)
    turned = element1.turnaround(month, counts, contract, terms.classes)
    before = _told(known.standing, contract.payer, contract.practice_id, month)
    told = element1.services(month, counts, contract, terms.classes, before)
    now: Mapping[dt.date, Panel] = {one: corrected(known.panels[one]) for one in months}
    lines = month_lines(
        terms,
        month,
        {one: persons(panel, one, contract) for one, panel in now.items()},
        risk,
        (*(() if turned is None else (turned,)), *told),
    )
    of = statable(known.panels[month].snapshot, standing.stated_on)
    made = adjustment(
        standing,
        month_statement(of, terms, month, lines),
        contract,
        cause=CAUSE,
        cause_position=close_id,
        decided_on=decided_on,
    )
    if made is not None:
        yield Drafted(made, basis)


def _ours(panel: Panel, contract: Contract) -> list[ServiceCount]:
    who = (contract.payer, contract.practice_id)
    return [one for one in panel.services if (one.payer, one.practice_id) == who]


def _told(said: Sequence[Statement], payer: str, practice_id: str, month: dt.date) -> tuple[StatementLine, ...]:
    """What was said last of the services of a month."""
    item = month_name(month)
    for one in reversed(said):
        if (one.payer, one.practice_id) == (payer, practice_id):
            lines = tuple(line for line in one.lines if line.kind in _TOLD and line.item == item)
            if lines:
                return lines
    return ()


def _order(one: ServiceCount) -> tuple[str, ...]:
    """Not on a panel before on it."""
    frozen, now = ("" if product is None else f"+{product}" for product in (one.frozen_product, one.product))
    return one.payer, one.practice_id, one.code, one.place_of_service, frozen, now
