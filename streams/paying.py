"""Money in the conductor: what contracts, completed closes, orders and payments make of statements and the money ledger.

Reads the state file, changes nothing: what is to be kept and said comes back as `Booked`, and goes into the transaction of its record.
The rules are in `state.payment`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from schemas.money import Contract, LedgerEntry, MoneySaid, PaymentPosted, Statement, StatementRelease
from schemas.records import Close, Partial, Practice, Snapshot
from state.engine import Refusal
from state.payment import acceptance, contracts, drafting, money_ledger, releases
from state.payment.amounts import dollars, total
from state.payment.closes import NothingStated
from state.payment.drafting import Known, Panel
from state.payment.service_classes import BadCodes
from state.reference.tables import TableError, TableStore
from state.stores.program import ProgramState, Stated
from streams import paid_readings
from streams.stopping import EXIT_CONFIG, EXIT_FAULT, Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What a record makes of the money: to be kept and said in one transaction."""

    practice: Practice | None = None
    contract: Contract | None = None
    statements: tuple[Stated, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    refused: tuple[MoneySaid, ...] = ()
    """Orders that were not carried out: said, and not kept."""
    refusal: Refusal | None = None
    """The record goes to quarantine."""
    message: str | None = None
    """What there is to say of the close."""

    def said(self, on: dt.date) -> list[tuple[str, MoneySaid]]:
        """The records for `statements`, each under its key."""
        every = [
            *(_said(one, on) for one in self.statements),
            *self.refused,
            *(
                MoneySaid(
                    kind="entry",
                    payer=one.payer,
                    practice_id=one.practice_id,
                    period=one.period,
                    on=on,
                    entry=one,
                )
                for one in self.entries
            ),
        ]
        return [(key(one.payer, one.practice_id, one.period), one) for one in every]


NOTHING = Booked()


def key(payer: str, practice_id: str, period: str) -> str:
    """The key of what is said of a practice's money with a payer in a period."""
    return f"{payer}|{practice_id}|{period}"


async def contract(state: ProgramState, tables: TableStore, given: Contract) -> Booked:
    """Take up a contract, unless it does not fit those that stand. Raises `Stop` for a table that is not there."""
    beside = [one for one in await state.contracts() if one.practice_id == given.practice_id]
    named = [(f"contract {one.contract_id}", one) for one in (*beside, given)]
    with _all_tables():
        wrong = next(contracts.together(named, await state.periods(), tables), None)
    if wrong is None:
        return Booked(contract=given)
    return Booked(refusal=acceptance.said(wrong[0].rpartition(", ")[2], wrong[1]))


async def posting(state: ProgramState, payment: PaymentPosted) -> Booked:
    """Book what was really paid: against the statement that it names, else as an open item."""
    found = await state.statement(payment.statement_id)
    statements = {} if found is None else {payment.statement_id: found.statement}
    try:
        return Booked(entries=money_ledger.posted(await state.ledger(), payment, statements))
    except money_ledger.Contradiction as problem:
        return Booked(refusal=Refusal("payment_contradiction", "amount", str(problem)))


async def order(state: ProgramState, given: StatementRelease, on: dt.date) -> Booked:
    """Release or hold a statement, or say why not."""
    found = await state.statement(given.statement_id)
    if found is None:
        return Booked(
            refusal=Refusal("unknown_statement", "statement_id", releases.why_refused(given, None, "draft") or "")
        )
    statement = found.statement
    settled = None if statement.settles is None else await state.statement(statement.settles)
    why = releases.why_refused(given, statement, found.state, None if settled is None else settled.state)
    if why is not None:
        refused = msgspec.structs.replace(_said(found, on), kind="refused", statement=None, order=given, message=why)
        return Booked(refused=(refused,))
    now = Stated(statement, releases.state_after(given), given)
    if now.state != "released":
        return Booked(statements=(now,))
    return Booked(statements=(now,), entries=money_ledger.released(await state.ledger(), given.statement_id, on))


async def drafts(
    state: ProgramState, tables: TableStore, request: Close, snapshot: Snapshot, partials: Sequence[Partial]
) -> Booked:
    """The statements of a close that is complete with these partials, all of them or none, and what to say of it.

    Besides its own: the adjustments of final statements whose sums have changed since they were frozen, as partitions have said at its
    barrier. Raises `Stop` for a table that is not there, or when statements and ledger disagree.
    """
    every = await state.contracts()
    if not every or snapshot.as_of is None:
        return NOTHING
    stated_on = request.closed_on or snapshot.as_of
    stands = [one.statement for one in await state.statements() if one.state != "withdrawn"]
    known = Known(contracts=every, practices=await state.practices(), panels={}, standing=stands, store=tables)
    made: list[Statement] = []
    said: list[str] = []
    with _all_tables():
        try:
            own = await _own(state, known, snapshot, partials, stated_on)
            if own:
                amount = dollars(total(one.difference for one in own))
                said.append(f"{_statements(own)} drafted, {amount} dollars")
            made += own
        except NothingStated as problem:
            said.append(f"no statement was made: {problem}")
        adjusted, refused = await paid_readings.adjustments(state, known, snapshot, stated_on)
        if adjusted:
            amount = dollars(total(one.difference for one in adjusted))
            said.append(f"{_statements(adjusted)} of final readings adjusted, {amount} dollars")
        if refused:
            said.append(f"no statement was adjusted: {' '.join(refused)}")
        made += adjusted
    before = await state.ledger()
    entries: list[LedgerEntry] = []
    for one in made:
        entries += money_ledger.stated([*before, *entries], one, stated_on)
    wrong = money_ledger.disagreements([*before, *entries], [*stands, *made])
    if wrong:
        raise Stop(f"Statements and the money ledger disagree ({wrong[0]}): nothing was stated; report it.", EXIT_FAULT)
    return Booked(
        statements=tuple(Stated(one, "draft") for one in made), entries=tuple(entries), message="; ".join(said) or None
    )


async def withdrawals(state: ProgramState, snapshot: Snapshot, on: dt.date) -> Booked | str:
    """The drafts of a close that is annulled, withdrawn; or why it cannot be, as a sentence."""
    every = [one for one in await state.statements() if one.state != "withdrawn"]
    stands = [one.statement for one in every]
    mine = [one for one in every if one.statement.snapshot.close_id == snapshot.close_id]
    # Adjustments go with the close whose statement they take the place of.
    others = [one.statement for one in every if one not in mine]
    why = next((said for one in mine if (said := releases.why_not_withdrawn(one.statement, one.state, others))), None)
    why = why or drafting.why_kept(snapshot, stands, await state.periods())
    if why is not None:
        return why
    before = await state.ledger()
    entries: list[LedgerEntry] = []
    for one in mine:
        entries += money_ledger.withdrawn([*before, *entries], one.statement.statement_id, on)
    gone = tuple(Stated(one.statement, "withdrawn", one.order) for one in mine)
    return Booked(statements=gone, entries=tuple(entries))


async def _own(
    state: ProgramState, known: Known, snapshot: Snapshot, partials: Sequence[Partial], stated_on: dt.date
) -> tuple[Statement, ...]:
    """The statements that a close pays: elements 1 and 2 of a panel, element 3 of a period."""
    if snapshot.reading == "panel":
        month = snapshot.as_of or stated_on
        panels = await paid_readings.panels(state, drafting.quarter_of(month))
        panels[month] = Panel(snapshot=snapshot, people=paid_readings.people_of(partials))
        return drafting.month_drafts(msgspec.structs.replace(known, panels=panels), month, stated_on)
    period = await state.closed_period(snapshot.close_id)
    if period is None or not any(drafting.in_force(one, period.performance_end) for one in known.contracts):
        return ()
    frozen = await paid_readings.rates(state, known.store, period, snapshot)
    known = msgspec.structs.replace(known, panels=await paid_readings.panels(state, drafting.panels_for(period)))
    return drafting.period_drafts(known, period, snapshot.reading, snapshot, frozen, stated_on)


def _statements(some: Sequence[Statement]) -> str:
    return f"{len(some):,} {'statement' if len(some) == 1 else 'statements'}"


@contextlib.contextmanager
def _all_tables() -> Iterator[None]:
    """Nothing is paid by half a contract: a table that is missing here stops the conductor until it is laid where it belongs."""
    try:
        yield
    except (TableError, BadCodes) as problem:
        raise Stop(f"A contract cannot be paid by: {problem}", EXIT_CONFIG) from None


def _said(stated: Stated, on: dt.date) -> MoneySaid:
    statement = stated.statement
    return MoneySaid(
        kind="statement",
        payer=statement.payer,
        practice_id=statement.practice_id,
        period=statement.period,
        on=on,
        state=stated.state,
        statement=statement,
        order=stated.order,
    )
