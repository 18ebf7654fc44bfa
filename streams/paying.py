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

from schemas.money import Contract, LedgerEntry, MoneySaid, PaymentPosted, StatementRelease
from schemas.records import Close, Partial, Practice, Site, Snapshot
from state.engine import Refusal
from state.payment import acceptance, corrections, drafting, money_ledger, releases
from state.payment.amounts import dollars, total
from state.payment.closes import NothingStated
from state.payment.drafting import Drafted, Known, Panel
from state.payment.element2 import in_force, quarter_of
from state.payment.service_classes import BadCodes
from state.reference.tables import TableError, TableStore
from state.stores.program import ProgramState, Stated
from streams import paid_readings
from streams.stopping import EXIT_CONFIG, EXIT_FAULT, Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What a record makes of the money: to be kept and said in one transaction."""

    practice: Practice | None = None
    site: Site | None = None
    contract: Contract | None = None
    closed_contracts: tuple[str, tuple[Contract, ...]] | None = None
    """A close that has stated a period, and the contracts that hold for its adjustments too."""
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
TWO_MAIN_SITES = Refusal(
    "two_main_sites",
    "main",
    "another site of the practice is its main site on some of the same days: end that one first (a record of its site_id and "
    "effective_from with effective_to, or with main false), then send this one again.",
)


def key(payer: str, practice_id: str, period: str) -> str:
    """The key of what is said of a practice's money with a payer in a period."""
    return f"{payer}|{practice_id}|{period}"


async def contract(state: ProgramState, tables: TableStore, given: Contract) -> Booked:
    """Take up a contract, unless it does not fit those that stand. Raises `Stop` for a table that is not there."""
    with _all_tables():
        refusal = acceptance.misfit(given, await state.contracts(), await state.periods(), tables)
    return Booked(contract=given) if refusal is None else Booked(refusal=refusal)


async def site(state: ProgramState, given: Site) -> Booked:
    """Take up where a practice is, unless it would have two main sites on one day."""
    others = [
        one
        for one in await state.sites()
        if one.practice_id == given.practice_id
        and (one.site_id, one.effective_from) != (given.site_id, given.effective_from)
    ]
    if given.main and any(one.main and _together(one, given) for one in others):
        return Booked(refusal=TWO_MAIN_SITES)
    return Booked(site=given)


def _together(one: Site, other: Site) -> bool:
    """Whether there is a day on which both are in force."""
    ends = [site.effective_to or dt.date.max for site in (one, other)]
    return max(one.effective_from, other.effective_from) < min(ends)


async def posting(state: ProgramState, payment: PaymentPosted) -> Booked:
    """Book what was really paid: against the statement that it names, else as an open item."""
    found = await state.statement(payment.statement_id)
    statements = {} if found is None else {payment.statement_id: found.statement}
    before, last = await state.ledger_of(
        payment.payer, money_ledger.NOBODY if found is None else found.statement.practice_id
    )
    try:
        return Booked(entries=_numbered(money_ledger.posted(before, payment, statements), last))
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
    now = msgspec.structs.replace(found, state=releases.state_after(given), order=given)
    if now.state != "released":
        return Booked(statements=(now,))
    before, last = await state.ledger_of(statement.payer, statement.practice_id)
    return Booked(statements=(now,), entries=_numbered(money_ledger.released(before, given.statement_id, on), last))


def _numbered(entries: Sequence[LedgerEntry], last: int) -> tuple[LedgerEntry, ...]:
    """Entries that were made of a part of the ledger, numbered as they follow the whole of it."""
    return tuple(msgspec.structs.replace(one, number=last + place) for place, one in enumerate(entries, 1))


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
    every_statement = [one for one in await state.statements() if one.state != "withdrawn"]
    known = Known(
        contracts=every,
        practices=await state.practices(),
        panels={},
        standing=[one.statement for one in every_statement],
        store=tables,
        sites=await state.sites(),
        bases={one.statement.statement_id: one.basis for one in every_statement if one.basis is not None},
    )
    late = msgspec.structs.replace(known, panels=await paid_readings.adjustable(state, snapshot, partials, stated_on))
    drafted: list[Drafted] = []
    closed: tuple[str, tuple[Contract, ...]] | None = None
    said: list[str] = []
    with _all_tables():
        try:
            drafted += corrections.adjusted_months(late, snapshot.close_id, stated_on)
            said += _told(drafted, "of earlier months adjusted")
        except NothingStated as problem:
            said.append(f"no statement of an earlier month was adjusted: {problem}")
        try:
            services = corrections.services_to_tell(late, drafted)
            own, unpaid = await _own(state, known, snapshot, partials, stated_on, services)
            said = [*_told(own, "drafted"), *unpaid, *said]
            drafted += own
            if own and snapshot.reading != "panel":
                closed = (snapshot.close_id, tuple(every))
        except NothingStated as problem:
            said.insert(0, f"no statement was made: {problem}")
        try:
            standing = [*known.standing, *(one.statement for one in drafted)]
            others = {month: panel for month, panel in late.panels.items() if panel.snapshot is not snapshot}
            came_late = drafting.late_drafts(msgspec.structs.replace(late, standing=standing, panels=others), stated_on)
            said += _told(came_late, "of earlier months drafted, whose contracts came late")
            drafted += came_late
        except NothingStated as problem:
            said.append(f"no statement of an earlier month was made: {problem}")
        adjusted, refused = await paid_readings.adjustments(state, known, snapshot, stated_on)
        said += _told([Drafted(one) for one in adjusted], "of final readings adjusted")
        if refused:
            said.append(f"no statement of a final reading was adjusted: {' '.join(refused)}")
        drafted += map(Drafted, adjusted)
    made = [one.statement for one in drafted]
    stands = known.standing
    before = await state.ledger()
    entries: list[LedgerEntry] = []
    for one in made:
        entries += money_ledger.stated([*before, *entries], one, stated_on)
    wrong = money_ledger.disagreements([*before, *entries], [*stands, *made])
    if wrong:
        raise Stop(f"Statements and the money ledger disagree ({wrong[0]}): nothing was stated; report it.", EXIT_FAULT)
    return Booked(
        closed_contracts=closed,
        statements=tuple(Stated(one.statement, "draft", None, one.basis) for one in drafted),
        entries=tuple(entries),
        message="; ".join(said) or None,
    )


async def withdrawals(state: ProgramState, snapshot: Snapshot, on: dt.date) -> Booked | str:
    """The drafts of a close that is annulled, withdrawn; or why it cannot be, as a sentence."""
    every = [one for one in await state.statements() if one.state != "withdrawn"]
    mine = [one for one in every if one.statement.snapshot.close_id == snapshot.close_id]
    # Adjustments go with the close whose statement they take the place of.
    stands = [one.statement for one in every if one not in mine]
    why = next((said for one in mine if (said := releases.why_not_withdrawn(one.statement, one.state, stands))), None)
    closes = sorted({one.snapshot.close_id for one in stands})
    periods = [period for one in closes if (period := await state.closed_period(one)) is not None]
    why = why or drafting.why_kept(snapshot, stands, periods)
    if why is not None:
        return why
    before = await state.ledger()
    entries: list[LedgerEntry] = []
    for one in mine:
        entries += money_ledger.withdrawn([*before, *entries], one.statement.statement_id, on)
    gone = tuple(msgspec.structs.replace(one, state="withdrawn") for one in mine)
    return Booked(statements=gone, entries=tuple(entries))


async def _own(
    state: ProgramState,
    known: Known,
    snapshot: Snapshot,
    partials: Sequence[Partial],
    stated_on: dt.date,
    services: drafting.Services,
) -> tuple[Sequence[Drafted], Sequence[str]]:
    """The statements that a close pays: elements 1 and 2 of a panel, element 3 of a period; and whom the period does not pay."""
    if snapshot.reading == "panel":
        month = snapshot.as_of or stated_on
        panels = await paid_readings.panels(state, quarter_of(month))
        panels[month] = Panel(snapshot=snapshot, people=paid_readings.people_of(partials))
        return drafting.month_drafts(msgspec.structs.replace(known, panels=panels), month, stated_on, services), ()
    period = await state.closed_period(snapshot.close_id)
    if period is None:
        return (), ()
    unpaid = drafting.not_paid(known, period)
    if not any(in_force(one, period.performance_end) for one in known.contracts):
        return (), unpaid
    frozen = await paid_readings.rates(state, known.store, period, snapshot)
    known = msgspec.structs.replace(known, panels=await paid_readings.panels(state, drafting.panels_for(period)))
    made = drafting.period_drafts(known, period, snapshot.reading, snapshot, frozen, stated_on)
    return [Drafted(one) for one in made], unpaid


def _told(some: Sequence[Drafted], what: str) -> list[str]:
    """What there is to say of statements that are made, if there are any."""
    amount = dollars(total(one.statement.difference for one in some))
    noun = "statement" if len(some) == 1 else "statements"
    return [f"{len(some):,} {noun} {what}, {amount} dollars"] if some else []


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
