"""Element 1: direct services, capitated or fee for service, and the capitation of a month. Source: payment.md 4.1, carve-out.

A line is capitated only if its class is capitated for the track, the member is on this practice's paid panel for that payer and month,
and the line was rendered by that practice; otherwise it is fee for service. Both amounts are said, so that element 1 can be audited.
Lines come counted, those alike together: which of them are on the panel and who rendered them is settled where members are
(`state.restating`), which class they are in is the contract's to say, here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

import msgspec

from schemas.money import Contract, StatementLine
from schemas.records import ServiceCount
from state.payment.age_gender import Person
from state.payment.amounts import NOTHING, cents, dollars, number, total
from state.payment.element2 import Risk, month_name, pmpm_line
from state.payment.service_classes import ServiceClasses

Why = Literal["capitated", "class", "other_practice", "not_on_panel"]
Group = tuple[bool, str]
"""Whether capitated, and the class."""


class Classed(msgspec.Struct, frozen=True, kw_only=True):
    """Lines with their class and both amounts: what capitation covers of them, and what is paid fee for service; one of them is 0."""

    lines: int
    paid: Decimal
    service_class: str
    why: Why
    capitated: Decimal
    fee_for_service: Decimal


def classed(count: ServiceCount, contract: Contract, classes: ServiceClasses, *, corrected: bool = True) -> Classed:
    """How lines are paid, and why: the first condition of the carve-out rule that they fail.

    By the panel as corrected since, or as frozen. The paid panel is that of the contract's products.
    """
    name, capitated = classes.name_of(count.code or None, count.place_of_service or None)
    product = count.product if corrected else count.frozen_product
    why: Why = "capitated"
    if not capitated:
        why = "class"
    elif (count.payer, count.practice_id) != (contract.payer, contract.practice_id):
        why = "other_practice"
    elif product is None or (contract.products and product not in contract.products):
        why = "not_on_panel"
    paid = why == "capitated"
    amount = cents(count.allowed)
    return Classed(
        lines=count.lines,
        paid=count.paid,
        service_class=name,
        why=why,
        capitated=amount if paid else NOTHING,
        fee_for_service=NOTHING if paid else amount,
    )


def capitation(contract: Contract, month: dt.date, panel: Iterable[Person], risk: Risk) -> StatementLine | None:
    """The capitation of a month: PMPM x member months x age and gender x HPI. None for track A, which has none."""
    if contract.track == "A" or contract.capitation_pmpm is None:
        return None
    return pmpm_line(
        contract,
        month,
        panel,
        risk,
        rate=contract.capitation_pmpm,
        element="1",
        kind="capitation",
        label="Capitation of direct services",
    )


def services(
    month: dt.date,
    counts: Iterable[ServiceCount],
    contract: Contract,
    classes: ServiceClasses,
    before: Iterable[StatementLine] = (),
) -> tuple[StatementLine, ...]:
    """What a practice's own lines of a month come to, for information: capitated or not, and by class, one line each.

    Fee for service is paid through the plan's claims, in track A all of it: it is said and never paid here; capitated services are
    paid by the capitation. `before`: what was last said of the month; a class that has no line any more is said with nothing.
    """
    groups: dict[Group, list[Classed]] = {_group(line): [] for line in before}
    for count in counts:
        one = classed(count, contract, classes)
        if one.why != "other_practice":
            groups.setdefault((one.why == "capitated", one.service_class), []).append(one)
    return tuple(
        StatementLine(
            element="1",
            item=month_name(month),
            kind="capitated_services" if capitated else "fee_for_service",
            label=f"{name}{_COVERED if capitated else _CLAIMED}",
            formula=f"{number(sum(one.lines for one in of_it))} lines, allowed {dollars(_allowed(of_it))}, "
            f"paid by the plan {dollars(total(one.paid for one in of_it))}",
            amount_before_cap=NOTHING,
            amount=NOTHING,
            information=_allowed(of_it),
        )
        for (capitated, name), of_it in sorted(groups.items())
    )


def turnaround(
    month: dt.date, counts: Iterable[ServiceCount], contract: Contract, classes: ServiceClasses
) -> StatementLine | None:
    """What lines of a month owe that have changed sides because the panel has; None where none has.

    Against the panel as frozen, by which the plan has adjudicated them. A member who never belonged there: the capitation of the month
    goes back with the restated member months, and the capitated lines are paid fee for service. A member who did: the reverse.
    """
    lines, amounts = 0, []
    for count in counts:
        before, after = (classed(count, contract, classes, corrected=corrected) for corrected in (False, True))
        if (before.why == "capitated") != (after.why == "capitated"):
            lines += count.lines
            amounts.append(after.fee_for_service - before.fee_for_service)
    if not lines:
        return None
    return StatementLine(
        element="1",
        item=month_name(month),
        kind="turnaround",
        label="Services that changed sides with the panel",
        formula=f"{number(lines)} lines: {dollars(total(amounts))} fee for service",
        amount_before_cap=total(amounts),
        amount=total(amounts),
    )


_COVERED, _CLAIMED = ", covered by the capitation", ", paid fee for service by the plan"


def _group(line: StatementLine) -> Group:
    """The group that a line of `services` was made of."""
    capitated = line.kind == "capitated_services"
    return capitated, line.label.removesuffix(_COVERED if capitated else _CLAIMED)


def _allowed(of_it: Iterable[Classed]) -> Decimal:
    return total(one.capitated + one.fee_for_service for one in of_it)
