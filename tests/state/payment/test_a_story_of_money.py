"""One practice through a summer: panels, a retro-termination, a void, both closes of a period and a late fact, worked out by hand.

Track B, capitation 20.00 and population health 4.00 a member and month, base 32.00, pool 15%. Three members, nobody adjusted.
"""

from __future__ import annotations

import datetime as dt

from schemas.money import LedgerEntry, PaymentPosted, Statement
from schemas.records import ServiceCount
from state.payment import money_ledger as ledger
from state.payment.element1 import turnaround
from state.payment.element2 import Risk
from state.payment.statements import adjustment, month_lines, month_statement
from state.payment.terms import Terms
from tests.money_cases import ADULT, contract, d, person, pool_months, result, statable, stated, terms

JULY, AUGUST = dt.date(2025, 7, 1), dt.date(2025, 8, 1)
TERMS: Terms = terms(
    track="B",
    capitation_pmpm="20.00",
    phm_pmpm="4.00",
    capitated_places_of_service=["11"],
    service_classes=[{"name": "E&M 992xx", "codes": ["99202-99299"], "column": "capitated"}],
)
VISIT = ServiceCount(
    payer="acme",
    practice_id="A",
    code="99213",
    place_of_service="11",
    frozen_product="PPO",
    product=None,
    lines=1,
    allowed=d("120.00"),
    paid=d("0.00"),
)
"""Of m2, who is on the panel as frozen and not by now."""


def month(first: dt.date, members: str, *services: ServiceCount) -> Statement:
    """The month's statement for these members; `services` are July's lines that are known now."""
    turned = turnaround(first, services, TERMS.contract, TERMS.classes)
    people = [person(name, 40) for name in members.split()]
    lines = month_lines(TERMS, first, {first: people}, Risk(), () if turned is None else (turned,))
    return month_statement(statable(f"2025-{first.month:02}-panel", "2025-06-30"), TERMS, first, lines)


def adjusted(standing: Statement, now: Statement, cause: str, position: str) -> Statement:
    made = adjustment(standing, now, contract(), cause=cause, cause_position=position, decided_on=dt.date(2025, 12, 1))
    assert made is not None
    return made


def test_every_cent_of_a_summer_is_where_it_was_worked_out_to_be() -> None:
    july = month(JULY, "m1 m2 m3")
    assert july.total == d("72.00")  # 3 x 20 + 3 x 4

    ended = adjusted(july, month(JULY, "m1 m3", VISIT), "enrollment", "member-events/0/7")
    # 2 x 20 + 2 x 4, and the visit of m2 is fee for service now: 120.
    assert (ended.total, ended.difference) == (d("168.00"), d("96.00"))

    voided = adjusted(ended, month(JULY, "m1 m3"), "claim", "member-events/0/9")
    assert (voided.total, voided.difference) == (d("48.00"), d("-120.00"))

    pool = pool_months(members=3)  # 32 x 15% x 18 member months = 86.40
    initial = stated("initial", [result("COL", 67)], ADULT, months=pool)
    assert initial.total == d("12.10")  # 14% of 86.40 = 12.096

    final = stated("final", [result("COL", 66)], ADULT, months=pool, initial=initial)
    # 9 + 5 x 3/4 = 12.75%, times 102 / 14 because nothing else is scored: 92.892857% of 86.40 = 80.2594.
    assert (final.total, final.difference) == (d("80.26"), d("68.16"))

    late = adjusted(
        final, stated("final", [result("COL", 67)], ADULT, months=pool, initial=initial), "claim", "member-events/0/11"
    )
    # Gold: 102% of the pool, limited to 86.40.
    assert (late.total, late.difference) == (d("86.40"), d("6.14"))

    august = month(AUGUST, "m1 m3 m4")
    statements = [july, ended, voided, initial, final, late, august]
    assert len({one.statement_id for one in statements}) == len(statements)

    entries: list[LedgerEntry] = []
    carried = []
    for one in statements:
        entries += ledger.stated(entries, one, one.stated_on)
        entries += ledger.released(entries, one.statement_id, one.stated_on)
        carried.append(ledger.balance(entries, one.payer, one.practice_id).carried)
    assert carried == [d(amount) for amount in ("0", "0", "-120.00", "-107.90", "-39.74", "-33.60", "0")]
    asked = {entry.statement_id: entry.amount for entry in entries if entry.kind == "to_pay"}
    assert asked == {july.statement_id: d("72.00"), ended.statement_id: d("96.00"), august.statement_id: d("38.40")}

    by_id = {one.statement_id: one for one in statements}
    for number, (statement_id, amount) in enumerate(asked.items()):
        payment = PaymentPosted(
            payer=july.payer,
            payee_tin=july.payee_tin,
            statement_id=statement_id,
            amount=amount,
            date=august.stated_on,
            trace_no=f"T{number}",
        )
        entries += ledger.posted(entries, payment, by_id)
    assert ledger.open_items(entries) == ()
    assert ledger.disagreements(entries, statements) == ()
    balance = ledger.balance(entries, july.payer, july.practice_id)
    # What stands: July 48.00, the period 86.40, August 72.00.
    assert balance.earned == balance.paid == d("206.40")
