"""The money ledger: every amount ever stated, what is to be paid of it, and what was paid. Append-only; nothing is ever edited.

Double-entry in spirit: an entry moves an amount from one account to another, so that all accounts of a practice and payer add up to
nothing. A statement moves its difference from `earned` to `drafted`; its release moves that to `due` and nets it at once with what
is carried: a positive sum is `payable` under this statement, a negative one is `carried` to the next. So a negative true-up takes from
amounts not yet asked for and never asks money back, and no cent is lost on the way. Source: payment.md 4.6, negative true-up;
issue "From a frozen period to money", money ledger.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from schemas.money import Account, LedgerEntry, PaymentPosted, Statement
from schemas.records import Payer, PracticeId
from state.payment.amounts import NOTHING, dollars, total

Entries = Sequence[LedgerEntry]
TO_BE_PAID = "to be paid"
PAID_TOO_MUCH = "paid too much"
UNASKED = "paid, but no released statement of this payee asks for it"
CARRIED = "carried to the next payment"
NOBODY = PracticeId("")
"""The practice of a payment that no statement asks for."""


class Contradiction(Exception):
    """The ledger holds something else under the same identity, or is asked for what cannot follow; the message says what to do."""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Where the money of a practice and payer stands."""

    payer: str
    practice_id: str
    earned: Decimal
    drafted: Decimal
    carried: Decimal
    payable: Decimal
    paid: Decimal
    unmatched: Decimal


class OpenItem(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that waits for somebody: to be paid, paid too much, carried to the next payment, or paid for no statement of ours."""

    what: str
    payer: str
    practice_id: str
    statement_id: str
    amount: Decimal


def stated(entries: Entries, statement: Statement, on: dt.date) -> tuple[LedgerEntry, ...]:
    """The entry of a new statement: its difference. Nothing when it stands already. Raises `Contradiction` for another amount."""
    known = _one(entries, "stated", statement.statement_id)
    if known is not None:
        if known.amount != statement.difference:
            raise Contradiction(
                f"statement {statement.statement_id} stands with {dollars(known.amount)}, not {dollars(statement.difference)}: "
                "a statement is never edited; annul its close, or adjust it."
            )
        return ()
    return (
        LedgerEntry(
            number=len(entries) + 1,
            kind="stated",
            payer=statement.payer,
            practice_id=statement.practice_id,
            period=statement.period,
            statement_id=statement.statement_id,
            from_account="earned",
            to_account="drafted",
            amount=statement.difference,
            on=on,
        ),
    )


def withdrawn(entries: Entries, statement_id: str, on: dt.date) -> tuple[LedgerEntry, ...]:
    """The entry that takes back a draft. Nothing when it is gone already. Raises `Contradiction` for one that is released or unknown."""
    known = _stated(entries, statement_id)
    if _one(entries, "withdrawn", statement_id) is not None:
        return ()
    if _one(entries, "released", statement_id) is not None:
        raise Contradiction(
            f"statement {statement_id} is released: it is not withdrawn, what is wrong with it is adjusted."
        )
    return (
        msgspec.structs.replace(
            known,
            number=len(entries) + 1,
            kind="withdrawn",
            from_account="drafted",
            to_account="earned",
            on=on,
        ),
    )


def released(entries: Entries, statement_id: str, on: dt.date) -> tuple[LedgerEntry, ...]:
    """The entries of a release: the difference is due, netted with what is carried, and asked for or carried on.

    A payment that came before its statement is matched now. Nothing when it is released already. Raises `Contradiction` for a
    statement that is unknown or withdrawn.
    """
    known = _stated(entries, statement_id)
    if _one(entries, "released", statement_id) is not None:
        return ()
    if _one(entries, "withdrawn", statement_id) is not None:
        raise Contradiction(f"statement {statement_id} was withdrawn: close the period again to state it anew.")
    made: list[LedgerEntry] = []

    def move(kind: str, source: Account, target: Account, amount: Decimal, trace_no: str | None = None) -> None:
        made.append(
            msgspec.structs.replace(
                known,
                number=len(entries) + len(made) + 1,
                kind=kind,
                from_account=source,
                to_account=target,
                amount=amount,
                on=on,
                trace_no=trace_no,
            )
        )

    move("released", "drafted", "due", known.amount)
    carried = balance(entries, known.payer, known.practice_id).carried
    if carried:
        move("taken_up", "carried", "due", carried)
    net = known.amount + carried
    if net > 0:
        move("to_pay", "due", "payable", net)
    elif net < 0:
        move("carried_forward", "due", "carried", net)
    for early in entries:
        of_it = (early.payer, early.practice_id, early.statement_id) == (known.payer, known.practice_id, statement_id)
        if of_it and early.from_account == "unmatched":
            move("matched", "payable", "unmatched", early.amount, early.trace_no)
    return tuple(made)


def posted(entries: Entries, payment: PaymentPosted, statements: Mapping[str, Statement]) -> tuple[LedgerEntry, ...]:
    """The entry of what was really paid: against its statement, else unmatched and an open item.

    It matches when the statement is the payer's, the tax id its payee's, and it has been released. The same payment again changes
    nothing. Raises `Contradiction` for another amount under its trace number.
    """
    for entry in entries:
        if (entry.kind, entry.payer, entry.trace_no, entry.statement_id) == (
            "posted",
            payment.payer,
            payment.trace_no,
            payment.statement_id,
        ):
            if entry.amount != payment.amount:
                raise Contradiction(
                    f"payment {payment.trace_no} of {payment.payer} for {payment.statement_id} stands with {dollars(entry.amount)}: "
                    "send a correction under a trace number of its own."
                )
            return ()
    statement = statements.get(payment.statement_id)
    ours = statement is not None and statement.payer == payment.payer and statement.payee_tin == payment.payee_tin
    asked = ours and _one(entries, "released", payment.statement_id) is not None
    return (
        LedgerEntry(
            number=len(entries) + 1,
            kind="posted",
            payer=payment.payer,
            practice_id=statement.practice_id if statement is not None and ours else NOBODY,
            period=statement.period if statement is not None and ours else "",
            statement_id=payment.statement_id,
            from_account="payable" if asked else "unmatched",
            to_account="paid",
            amount=payment.amount,
            on=payment.date,
            trace_no=payment.trace_no,
        ),
    )


def balance(entries: Iterable[LedgerEntry], payer: Payer, practice_id: PracticeId) -> Balance:
    """Where the money of one practice and payer stands. `earned` is counted as what has been stated, so that it is positive."""
    of_both = [entry for entry in entries if (entry.payer, entry.practice_id) == (payer, practice_id)]
    stands = {
        account: _standing(of_both, account) for account in ("drafted", "carried", "payable", "paid", "unmatched")
    }
    return Balance(payer=payer, practice_id=practice_id, earned=-_standing(of_both, "earned"), **stands)


def balances(entries: Entries) -> tuple[Balance, ...]:
    """The balance of every practice and payer, sorted."""
    both = sorted({(entry.payer, entry.practice_id) for entry in entries})
    return tuple(balance(entries, payer, practice_id) for payer, practice_id in both)


def open_items(entries: Entries) -> tuple[OpenItem, ...]:
    """What waits for somebody, by payer, practice and statement."""
    by_statement: dict[tuple[str, str, str], list[LedgerEntry]] = {}
    for entry in entries:
        by_statement.setdefault((entry.payer, entry.practice_id, entry.statement_id), []).append(entry)
    found = [
        OpenItem(what=what, payer=payer, practice_id=practice_id, statement_id=statement_id, amount=amount)
        for (payer, practice_id, statement_id), of_it in sorted(by_statement.items())
        for what, amount in _waiting(_standing(of_it, "payable"), -_standing(of_it, "unmatched"))
    ]
    return (
        *found,
        *(
            OpenItem(what=CARRIED, payer=one.payer, practice_id=one.practice_id, statement_id="", amount=one.carried)
            for one in balances(entries)
            if one.carried
        ),
    )


def disagreements(entries: Entries, statements: Iterable[Statement]) -> tuple[str, ...]:
    """Where statements that stand and the ledger differ, as sentences; nothing when they agree. Checked at each close.

    Every statement's total is the sum of its lines, its difference is in the ledger once, and all differences add up to what the
    ledger holds as stated; all accounts together add up to nothing, because every entry only moves money.
    """
    wrong: list[str] = []
    standing = list(statements)
    times = Counter(entry.statement_id for entry in entries if entry.kind == "stated")
    amounts = {entry.statement_id: entry.amount for entry in entries if entry.kind == "stated"}
    for one in standing:
        if one.total != total(line.amount for line in one.lines):
            wrong.append(f"statement {one.statement_id}: its lines do not add up to {dollars(one.total)}.")
        if one.difference != one.total - one.previously_stated:
            wrong.append(
                f"statement {one.statement_id}: total less previously stated is not {dollars(one.difference)}."
            )
        if times[one.statement_id] != 1 or amounts[one.statement_id] != one.difference:
            wrong.append(f"statement {one.statement_id}: the ledger does not hold its {dollars(one.difference)}.")
    in_ledger = -_standing(entries, "earned")
    in_statements = total(one.difference for one in standing)
    if in_ledger != in_statements:
        wrong.append(f"statements add up to {dollars(in_statements)}, the ledger to {dollars(in_ledger)}.")
    return tuple(wrong)


def _waiting(payable: Decimal, unmatched: Decimal) -> Iterator[tuple[str, Decimal]]:
    if payable:
        yield TO_BE_PAID if payable > 0 else PAID_TOO_MUCH, payable
    if unmatched:
        yield UNASKED, unmatched


def _stated(entries: Entries, statement_id: str) -> LedgerEntry:
    known = _one(entries, "stated", statement_id)
    if known is None:
        raise Contradiction(f"statement {statement_id} is not in the ledger: state it first.")
    return known


def _one(entries: Entries, kind: str, statement_id: str) -> LedgerEntry | None:
    return next((entry for entry in entries if entry.kind == kind and entry.statement_id == statement_id), None)


def _standing(entries: Iterable[LedgerEntry], account: Account) -> Decimal:
    """What has come to an account less what has left it."""
    found = NOTHING
    for entry in entries:
        if entry.to_account == account:
            found += entry.amount
        if entry.from_account == account:
            found -= entry.amount
    return found
