"""Element 1: direct services, capitated or fee for service, and the capitation of a month. Source: payment.md 4.1, carve-out.

A line is capitated only if its class is capitated for the track, the member is on this practice's paid panel for that payer and month,
and the line was rendered by that practice; otherwise it is fee for service. Both amounts are said, so that element 1 can be audited.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from schemas.money import Contract, StatementLine
from state.payment.age_gender import Person
from state.payment.amounts import NOTHING, cents, dollars, exact, number, total
from state.payment.element2 import Risk, month_name, pmpm_line
from state.payment.service_classes import ServiceClasses

Panels = Mapping[dt.date, frozenset[str]]
"""Members on the practice's paid panel of a payer, by the first day of the month."""
Why = Literal["capitated", "class", "not_on_panel", "other_practice"]


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A standing line of a member of this payer, as adjudicated. `practice_id`: who rendered it. `allowed`: None is nothing."""

    claim: str
    line: int
    member_id: str
    day: dt.date
    code: str | None
    place_of_service: str | None
    practice_id: str
    allowed: Decimal | None


class Classed(msgspec.Struct, frozen=True, kw_only=True):
    """A line with its class and both amounts: what capitation covers of it, and what is paid fee for service; one of them is 0."""

    service: Service
    service_class: str
    why: Why
    capitated: Decimal
    fee_for_service: Decimal


def classed(service: Service, classes: ServiceClasses, panels: Panels, practice_id: str) -> Classed:
    """How a line is paid, and why: the first condition of the carve-out rule that it fails."""
    name, capitated = classes.name_of(service.code, service.place_of_service)
    amount = cents(service.allowed or 0)
    why: Why = "capitated"
    if not capitated:
        why = "class"
    elif service.member_id not in panels.get(service.day.replace(day=1), frozenset()):
        why = "not_on_panel"
    elif service.practice_id != practice_id:
        why = "other_practice"
    paid = why == "capitated"
    return Classed(
        service=service,
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


def services(lines: Sequence[Classed]) -> tuple[StatementLine, ...]:
    """What a practice's own lines come to, for information: by month, capitated or not, and class, one line each.

    Fee for service is paid through the plan's claims, in track A all of it; capitated services are paid by the capitation.
    """
    sums: Counter[tuple[str, bool, str]] = Counter()
    counts: Counter[tuple[str, bool, str]] = Counter()
    for one in lines:
        key = (month_name(one.service.day), one.why == "capitated", one.service_class)
        sums[key] += one.capitated + one.fee_for_service  # type: ignore[assignment]
        counts[key] += 1
    return tuple(
        StatementLine(
            element="1",
            item=month,
            kind="capitated_services" if capitated else "fee_for_service",
            label=f"{name}, {'covered by the capitation' if capitated else 'paid fee for service'}",
            formula=f"{number(counts[month, capitated, name])} lines, allowed {dollars(sums[month, capitated, name])}",
            amount_before_cap=NOTHING,
            amount=NOTHING,
            information=cents(sums[month, capitated, name]),
        )
        for month, capitated, name in sorted(sums)
    )


def turnaround(
    lines: Iterable[Service], classes: ServiceClasses, paid: Panels, now: Panels, practice_id: str
) -> tuple[StatementLine, ...]:
    """What lines owe that have changed sides because the panel has: one line for each month that has any.

    `paid` are the panels as frozen, `now` as corrected. A member who never belonged there: the capitation of the month goes back
    with the restated member months, and the capitated lines are paid fee for service. A member who did: the reverse.
    """
    by_month: dict[str, list[Decimal]] = {}
    for service in lines:
        before, after = (classed(service, classes, panels, practice_id) for panels in (paid, now))
        if (before.why == "capitated") != (after.why == "capitated"):
            by_month.setdefault(month_name(service.day), []).append(after.fee_for_service - before.fee_for_service)
    return tuple(
        StatementLine(
            element="1",
            item=month,
            kind="turnaround",
            label="Services that changed sides with the panel",
            formula=f"{number(len(amounts))} lines: {dollars(total(amounts))} fee for service",
            amount_before_cap=cents(exact(total(amounts))),
            amount=cents(exact(total(amounts))),
        )
        for month, amounts in sorted(by_month.items())
    )
