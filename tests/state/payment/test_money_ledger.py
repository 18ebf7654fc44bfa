"""What was stated, asked for, paid and carried on: nothing edited, nothing lost."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.money import LedgerEntry, PaymentPosted, Statement, StatementRelease
from state.payment import money_ledger as ledger
from state.payment.element2 import Risk
from state.payment.money_ledger import Contradiction
from state.payment.releases import state_after, why_not_withdrawn, why_refused
from state.payment.statements import adjustment, month_lines, month_statement
from tests.money_cases import SPEC_RESULTS, d, person, result, statable, stated, terms

DAY = dt.date(2025, 10, 1)
INITIAL = stated("initial", SPEC_RESULTS)
FINAL = stated("final", SPEC_RESULTS, initial=INITIAL)
POOR = [
    result(measure, rate)
    for measure, rate in (("COL", 5), ("CBP", 5), ("GSD", 5), ("AMR", 5), ("AHU", 90), ("EDU", 900))
]
WORSE = stated("final", [result("BCS", 78, 74), *POOR], initial=INITIAL)
"""A final statement that earns far less than the initial one said."""


def folded(*steps: tuple[str, Any]) -> list[LedgerEntry]:
    """The ledger after: ("state", statement), ("release", id), ("withdraw", id), ("post", (payment, statements))."""
    entries: list[LedgerEntry] = []
    for what, given_ in steps:
        match what:
            case "state":
                entries += ledger.stated(entries, given_, DAY)
            case "release":
                entries += ledger.released(entries, given_.statement_id, DAY)
            case "withdraw":
                entries += ledger.withdrawn(entries, given_.statement_id, DAY)
            case _:
                entries += ledger.posted(entries, *given_)
    return entries


def gone_out(*statements: Statement) -> list[LedgerEntry]:
    return folded(*(step for one in statements for step in (("state", one), ("release", one))))


def payment(
    statement: Statement, amount: object, trace_no: str = "T1", **more: Any
) -> tuple[PaymentPosted, dict[str, Statement]]:
    plain: dict[str, Any] = {
        "payer": "acme",
        "payee_tin": "950000001",
        "statement_id": statement.statement_id,
        "amount": d(amount),
        "date": DAY,
        "trace_no": trace_no,
    }
    return PaymentPosted(**(plain | more)), {statement.statement_id: statement}


def of(entries: list[LedgerEntry]) -> ledger.Balance:
    (found,) = ledger.balances(entries)
    return found


def test_a_draft_is_stated_but_not_yet_to_be_paid() -> None:
    balance = of(folded(("state", INITIAL)))
    assert (balance.earned, balance.drafted, balance.payable) == (d("25704.00"), d("25704.00"), 0)


def test_a_released_statement_is_to_be_paid() -> None:
    balance = of(gone_out(INITIAL))
    assert (balance.drafted, balance.payable) == (0, d("25704.00"))


def test_the_final_statement_asks_for_the_difference() -> None:
    entries = gone_out(INITIAL, FINAL)
    assert of(entries).payable == FINAL.total == d("31973.27")
    asked = [entry.amount for entry in entries if entry.kind == "to_pay"]
    assert asked == [d("25704.00"), d("6269.27")]


def test_a_negative_true_up_is_carried_and_never_asked_back() -> None:
    entries = gone_out(INITIAL, WORSE)
    balance = of(entries)
    assert balance.payable == d("25704.00")
    assert balance.carried == WORSE.difference < 0
    assert [item.what for item in ledger.open_items(entries)] == ["to be paid", ledger.CARRIED]


def test_what_is_carried_is_taken_from_the_next_payment() -> None:
    month = month_of(20_000)
    balance = of(gone_out(INITIAL, WORSE, month))
    assert balance.carried == 0
    assert balance.payable == d("25704.00") + WORSE.difference + month.total


def test_payments_are_matched_and_open_items_shown() -> None:
    entries = folded(("state", INITIAL), ("release", INITIAL), ("post", payment(INITIAL, "25000.00")))
    assert [(item.what, item.amount) for item in ledger.open_items(entries)] == [(ledger.TO_BE_PAID, d("704.00"))]
    entries += ledger.posted(entries, *payment(INITIAL, "704.00", "T2"))
    assert ledger.open_items(entries) == ()
    assert of(entries).paid == d("25704.00")


def test_the_same_payment_again_changes_nothing_and_another_amount_is_refused() -> None:
    entries = folded(("state", INITIAL), ("release", INITIAL), ("post", payment(INITIAL, "25704.00")))
    assert ledger.posted(entries, *payment(INITIAL, "25704.00")) == ()
    with pytest.raises(Contradiction, match="send a correction under a trace number of its own"):
        ledger.posted(entries, *payment(INITIAL, "25704.01"))


@pytest.mark.parametrize("change", [{"payee_tin": "950000009"}, {"payer": "best"}, {"statement_id": "nobody-knows"}])
def test_a_payment_that_fits_no_statement_is_an_open_item(change: dict[str, str]) -> None:
    entries = folded(("state", INITIAL), ("release", INITIAL), ("post", payment(INITIAL, "100.00", **change)))
    assert (ledger.UNASKED, d("100.00")) in [(item.what, item.amount) for item in ledger.open_items(entries)]
    assert ledger.balance(entries, INITIAL.payer, INITIAL.practice_id).payable == d("25704.00")


def test_a_payment_before_the_release_is_matched_by_it() -> None:
    entries = folded(("state", INITIAL), ("post", payment(INITIAL, "25704.00")))
    assert [item.what for item in ledger.open_items(entries)] == [ledger.UNASKED]
    entries += ledger.released(entries, INITIAL.statement_id, DAY)
    assert ledger.open_items(entries) == ()


def test_too_much_paid_is_an_open_item() -> None:
    entries = folded(("state", INITIAL), ("release", INITIAL), ("post", payment(INITIAL, "25804.00")))
    assert [(item.what, item.amount) for item in ledger.open_items(entries)] == [(ledger.PAID_TOO_MUCH, d("-100.00"))]


def test_a_withdrawn_draft_leaves_nothing_but_its_trace() -> None:
    entries = folded(("state", INITIAL), ("withdraw", INITIAL), ("withdraw", INITIAL))
    assert len(entries) == 2
    assert (of(entries).earned, of(entries).drafted) == (0, 0)
    with pytest.raises(Contradiction, match="was withdrawn"):
        ledger.released(entries, INITIAL.statement_id, DAY)


def test_a_released_statement_is_not_withdrawn() -> None:
    with pytest.raises(Contradiction, match="what is wrong with it is adjusted"):
        ledger.withdrawn(gone_out(INITIAL), INITIAL.statement_id, DAY)


def test_a_statement_is_never_edited() -> None:
    entries = folded(("state", INITIAL))
    assert ledger.stated(entries, INITIAL, DAY) == ()
    with pytest.raises(Contradiction, match="a statement is never edited"):
        ledger.stated(entries, msgspec.structs.replace(INITIAL, difference=d("1.00")), DAY)


def test_an_unknown_statement_cannot_be_released() -> None:
    with pytest.raises(Contradiction, match="is not in the ledger"):
        ledger.released([], "nobody-knows", DAY)


def test_statements_and_ledger_agree_and_a_difference_is_told() -> None:
    entries = gone_out(INITIAL, FINAL)
    assert ledger.disagreements(entries, [INITIAL, FINAL]) == ()
    told = ledger.disagreements(entries, [INITIAL])
    assert told == ("statements add up to 25,704.00, the ledger to 31,973.27.",)
    broken = msgspec.structs.replace(FINAL, total=FINAL.total + 1)
    assert len(ledger.disagreements(entries, [INITIAL, broken])) == 2


def month_of(members: int, close_id: str = "2025-07-panel") -> Statement:
    of_contract = terms(phm_pmpm="4.00")
    july = dt.date(2025, 7, 1)
    panel = [person(f"m{n}", 40) for n in range(members)]
    return month_statement(
        statable(close_id, "2025-06-30"), of_contract, july, month_lines(of_contract, july, {july: panel}, Risk())
    )


def test_an_adjustment_restates_a_month_and_the_ledger_takes_up_the_difference() -> None:
    contract = terms(phm_pmpm="4.00").contract
    standing, now = month_of(100), month_of(98)
    made = adjustment(standing, now, contract, cause="enrollment", cause_position="member-events/3/17", decided_on=DAY)
    assert made is not None
    assert (made.total, made.previously_stated, made.difference) == (d("392.00"), d("400.00"), d("-8.00"))
    assert (made.reading, made.settles) == ("adjustment", standing.statement_id)
    again = adjustment(made, month_of(99), contract, cause="claim", cause_position="member-events/3/18", decided_on=DAY)
    assert again is not None
    assert again.difference == d("4.00")
    assert len({standing.statement_id, made.statement_id, again.statement_id}) == 3
    entries = gone_out(standing, made, again)
    assert ledger.disagreements(entries, [standing, made, again]) == ()
    assert of(entries).earned == d("396.00")


def test_nothing_changed_or_too_late_is_no_adjustment() -> None:
    contract = terms(phm_pmpm="4.00").contract
    standing = month_of(100)

    def adjusted(members: int, on: str) -> Statement | None:
        return adjustment(
            standing,
            month_of(members),
            contract,
            cause="claim",
            cause_position="x",
            decided_on=dt.date.fromisoformat(on),
        )

    assert adjusted(100, "2025-10-01") is None
    assert adjusted(98, "2025-12-29") is not None
    assert adjusted(98, "2025-12-30") is None  # six months from the later of the day described and the day stated


def test_lines_that_only_inform_are_no_adjustment() -> None:
    standing = month_of(100)
    more = msgspec.structs.replace(standing.lines[0], kind="fee_for_service", amount=d("0.00"), information=d("9.00"))
    now = msgspec.structs.replace(standing, lines=(*standing.lines, more))
    contract = terms(phm_pmpm="4.00").contract
    assert adjustment(standing, now, contract, cause="claim", cause_position="x", decided_on=DAY) is None


def test_an_initial_statement_is_settled_and_not_adjusted() -> None:
    with pytest.raises(ValueError, match="its final statement settles it"):
        adjustment(INITIAL, FINAL, terms().contract, cause="claim", cause_position="x", decided_on=DAY)


@pytest.mark.parametrize(
    ("action", "actor", "state", "said"),
    [
        ("release", "bob", "draft", None),
        ("release", "bob", "held", None),
        ("hold", "ann", "draft", None),
        ("release", "Ann ", "draft", "a second person releases it"),
        ("release", "bob", "released", "becomes an adjustment"),
        ("hold", "bob", "released", "becomes an adjustment"),
        ("release", "bob", "withdrawn", "close the period again"),
        ("release", " ", "draft", "needs its actor and a reason"),
    ],
)
def test_a_second_person_releases_or_holds(action: str, actor: str, state: str, said: str | None) -> None:
    order = StatementRelease(statement_id=INITIAL.statement_id, action=action, actor=actor, reason="checked")  # type: ignore[arg-type]
    why = why_refused(order, INITIAL, state)  # type: ignore[arg-type]
    assert why is None if said is None else said in str(why)
    assert state_after(order) == ("released" if action == "release" else "held")


@pytest.mark.parametrize(
    ("settled", "goes"), [("released", True), ("draft", False), ("held", False), ("withdrawn", False)]
)
def test_a_difference_goes_out_after_what_it_is_a_difference_to(settled: str, goes: bool) -> None:
    order = StatementRelease(statement_id=FINAL.statement_id, action="release", actor="bob", reason="checked")
    why = why_refused(order, FINAL, "draft", settled)  # type: ignore[arg-type]
    assert (why is None) == goes
    assert goes or "release that one first" in str(why)


def test_a_statement_that_another_settles_is_not_withdrawn_before_it() -> None:
    assert "annul its close first" in str(why_not_withdrawn(INITIAL, "draft", [INITIAL, FINAL]))
    assert why_not_withdrawn(FINAL, "draft", [INITIAL, FINAL]) is None
    assert "becomes an adjustment" in str(why_not_withdrawn(FINAL, "released", [FINAL]))


def test_an_unknown_statement_is_not_released() -> None:
    order = StatementRelease(statement_id="x", action="release", actor="bob", reason="checked")
    assert "is not known" in str(why_refused(order, None, "draft"))


@given(st.lists(st.tuples(st.integers(-500_000, 500_000), st.booleans()), max_size=25))
def test_carry_forward_never_loses_a_cent(moves: list[tuple[int, bool]]) -> None:
    entries: list[LedgerEntry] = []
    in_all = Decimal(0)
    for number, (amount, goes_out) in enumerate(moves):
        one = msgspec.structs.replace(INITIAL, statement_id=f"S{number}", difference=Decimal(amount).scaleb(-2))
        entries += ledger.stated(entries, one, DAY)
        if goes_out:
            in_all += one.difference
            entries += ledger.released(entries, one.statement_id, DAY)
    asked = [entry.amount for entry in entries if entry.kind == "to_pay"]
    assert all(amount > 0 for amount in asked)
    balance = ledger.balance(entries, INITIAL.payer, INITIAL.practice_id)
    assert sum(asked) + balance.carried == in_all
    assert balance.carried <= 0
    assert balance.earned == balance.drafted + balance.carried + balance.payable + balance.paid
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=6))
def test_final_minus_initial_equals_the_ledger(totals: list[int]) -> None:
    entries: list[LedgerEntry] = []
    standing = Decimal("0.00")
    for number, amount in enumerate(totals):
        now = Decimal(amount).scaleb(-2)
        one = msgspec.structs.replace(
            INITIAL, statement_id=f"S{number}", total=now, previously_stated=standing, difference=now - standing
        )
        entries += ledger.stated(entries, one, DAY)
        standing = now
    assert of(entries).earned == Decimal(totals[-1]).scaleb(-2)
