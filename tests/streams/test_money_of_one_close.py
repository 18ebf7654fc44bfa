"""One close that states its month, adjusts an earlier one and adjusts a final reading: ledger and statements agree at each step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.money import Contract
from schemas.records import CloseAnnul, PeopleCount, RateSums, Restated, RestatedPanel, Tick
from state.payment import money_ledger
from tests.money_cases import contract, d
from tests.paid_cases import EDITION, SPEC_NOW, answer, begun, final, measured_by, panel, people, rate, reference_rates
from tests.streams.test_paying import B, Said, released, worked
from tests.streams.test_paying import paid as paid_to

MONTHLY = contract(phm_pmpm="4.00", policies={"adjust_element_2": False})
"""The contract of payment.md 4.5 with 4.00 a month for population health, unadjusted."""
DECEMBER, JANUARY = dt.date(2025, 12, 27), dt.date(2026, 1, 27)
GONE = people(-10)


def told(close_id: str, of: str, *who: PeopleCount) -> Restated:
    """What a partition hands over with a close: differences to the people of an earlier panel."""
    return Restated(close_id=close_id, partition=0, panels=(RestatedPanel(close_id=of, people=who),))


def february(
    *who: PeopleCount, sums: Sequence[RateSums] = (), close_id: str = "2026-02-panel", month: str = "2026-02"
) -> list[Any]:
    """The panel of February with 100 members, at whose barrier partitions tell what has changed of January's panel and of P2."""
    asked, *answers = panel(month, people(100), close_id=close_id, moved={"P2-final": sums} if sums else {})
    return [asked, *([told(close_id, "2026-01-panel", *who)] if who else []), *answers]


def paid(folder: Path, *, of: Contract = MONTHLY) -> list[Any]:
    """Everything up to P2's final statement and January's panel of 100."""
    tables = measured_by(EDITION, supplied=reference_rates(folder))
    return [of, *begun(tables), *final(SPEC_NOW, tables), *panel("2026-01", people(100)), Tick(date=JANUARY)]


def standing(said: Said) -> list[tuple[str, str, str, Decimal]]:
    """What was made after the pool's panels: period, reading, state and difference."""
    return [
        (one.statement.period, one.statement.reading, one.state, one.statement.difference)
        for one in said.money.statements.values()
        if one.statement.period >= "2026"
    ]


def agrees(said: Said) -> bool:
    """Whether the ledger is the sum of the statements that stand."""
    stands = [one.statement for one in said.money.statements.values() if one.state != "withdrawn"]
    earned = sum(one.difference for one in stands)
    found = money_ledger.balance(said.money.entries, *_both())
    return money_ledger.disagreements(said.money.entries, stands) == () and found.earned == earned


def _both() -> Any:
    return "acme", "A"


async def test_one_close_states_its_month_and_adjusts_a_month_and_a_final_reading_and_can_be_annulled_and_closed_again(
    tmp_path: Path,
) -> None:
    """January 100 x 4.00, then 90 x 4.00; P2 as in the golden case of one void pair; February 100 x 4.00."""
    log = paid(tmp_path)

    async def after(name: str, *more: Any) -> Said:
        log.extend(more)
        said = await worked(tmp_path / name, *log, tables=tmp_path)
        assert agrees(said)
        return said

    begun_with = [("2026-01", "panel", "draft", d("400.00")), ("P2", "final", "draft", d("31973.27"))]
    said = await after("begun")
    assert sorted(standing(said)) == begun_with
    said = await after("closed", *february(GONE, sums=[rate("COL", -2, 0)]))
    at_once = [
        ("2026-01", "adjustment", "draft", d("-40.00")),
        ("2026-02", "panel", "draft", d("400.00")),
        ("P2", "adjustment", "draft", d("-2740.57")),
    ]
    assert sorted(standing(said)[2:]) == at_once
    assert said.closes[-1].message == (
        "1 statement drafted, 400.00 dollars; 1 statement of earlier months adjusted, -40.00 dollars; "
        "1 statement of final readings adjusted, -2,740.57 dollars"
    )
    # Each entry is of a statement of its own, and in the order in which they are said.
    assert [one.number for one in said.money.entries] == list(range(1, len(said.money.entries) + 1))
    # What the close has brought of others' statements goes with theirs: only its own are withdrawn.
    said = await after("annulled", CloseAnnul(close_id="2026-02-panel", actor="ann", reason="roster"))
    assert [one for one in standing(said) if one[2] == "withdrawn"] == [("2026-02", "panel", "withdrawn", d("400.00"))]
    # Closed again with the same told, the adjustments stand already; nothing is made twice.
    again = february(sums=[rate("COL", -2, 0)], close_id="2026-02-panel-2")
    said = await after("again", *again)
    assert standing(said)[5:] == [("2026-02", "panel", "draft", d("400.00"))]
    assert said.closes[-1].message == "1 statement drafted, 400.00 dollars"
    # Asked again, also by the id of the one that was annulled, it is the same close.
    said = await after("asked", *again, *february(close_id="2026-02-panel"))
    assert len(standing(said)) == 6
    # And what is told back is adjusted back.
    said = await after("back", *february(people(0), sums=[rate("COL", 0, 0)], close_id="b", month="2026-03"))
    assert sorted(standing(said)[6:]) == [
        ("2026-01", "adjustment", "draft", d("40.00")),
        ("2026-03", "panel", "draft", d("400.00")),
        ("P2", "adjustment", "draft", d("2740.57")),
    ]


@pytest.mark.parametrize("back", range(1, 10, 2))
async def test_such_a_close_and_its_annulment_are_the_same_bytes_wherever_the_conductor_is_killed(
    tmp_path: Path, back: int
) -> None:
    annul = CloseAnnul(close_id="2026-02-panel", actor="ann", reason="roster")
    log = [*paid(tmp_path), *february(GONE, sums=[rate("COL", -2, 0)]), annul]
    log += february(GONE, sums=[rate("COL", -2, 0)], close_id="2026-02-panel-2")
    whole = await worked(tmp_path / "whole", *log, tables=tmp_path)
    killed = await worked(tmp_path / "killed", *log, cuts=[len(log) - back], tables=tmp_path)
    assert killed.bytes == whole.bytes
    assert agrees(whole)


# -- contracts that change while a statement stands ---------------------------------------------------------------------


async def test_the_contracts_of_a_final_statement_hold_for_its_adjustments(tmp_path: Path) -> None:
    """A base of 64.00 agreed afterwards is for what is stated from then on: two fewer in COL are 2,740.57 less, not a double pool."""
    log = paid(tmp_path)
    dearer = msgspec.structs.replace(MONTHLY, base_pmpm=d("64.00"), phm_pmpm=d("5.00"))
    said = await worked(tmp_path / "dearer", *log, dearer, *february(sums=[rate("COL", -2, 0)]), tables=tmp_path)
    assert sorted(standing(said))[-3:] == [
        ("2026-02", "panel", "draft", d("500.00")),
        ("P2", "adjustment", "draft", d("-2740.57")),
        ("P2", "final", "draft", d("31973.27")),
    ]
    # Nor does one that is ended in the past take its adjustments away.
    ended = msgspec.structs.replace(MONTHLY, effective_to=dt.date(2025, 6, 1))
    said = await worked(tmp_path / "ended", *log, ended, *february(sums=[rate("COL", -2, 0)]), tables=tmp_path)
    assert sorted(standing(said))[-2:] == [
        ("P2", "adjustment", "draft", d("-2740.57")),
        ("P2", "final", "draft", d("31973.27")),
    ]
    assert agrees(said)


async def test_of_a_quarter_in_which_contracts_change_each_pays_the_months_in_which_it_holds(tmp_path: Path) -> None:
    """July 200 x 4.00 by the first; August and September 2 x 200 x 5.00 by the second, with the last of their panels."""
    quarterly = {"phm_frequency": "quarterly", "policies": {"adjust_element_2": False}}
    first = contract(contract_id="C1", phm_pmpm="4.00", effective_to="2025-08-01", **quarterly)
    second = contract(contract_id="C2", phm_pmpm="5.00", effective_from="2025-08-01", **quarterly)
    log: list[Any] = [first, second, Tick(date=dt.date(2025, 7, 31))]
    panels = [one for month in (7, 8, 9) for one in panel(f"2025-{month:02}", people(200))]
    said = await worked(tmp_path / "quarterly", *log, *panels)
    assert said.states == [("2025-07", "draft", d("800.00")), ("2025-08", "draft", d("2000.00"))]
    made = [one.statement for one in said.money.statements.values()]
    assert [(one.contract_id, one.covers_to) for one in made] == [
        ("C1", dt.date(2025, 7, 31)),
        ("C2", dt.date(2025, 9, 30)),
    ]
    # The same where the second pays by the month, and where nothing follows the first.
    log[1] = msgspec.structs.replace(second, phm_frequency="monthly")
    said = await worked(tmp_path / "monthly", *log, *panels)
    assert [one[2] for one in said.states] == [d("800.00"), d("1000.00"), d("1000.00")]
    said = await worked(tmp_path / "ended", first, *log[2:], *panels)
    assert said.states == [("2025-07", "draft", d("800.00"))]


async def test_a_quarter_that_waited_is_stated_for_the_months_before_its_contract_was_ended(tmp_path: Path) -> None:
    """The practice leaves with July, which is told after August was closed: July alone, 200 x 4.00, with September's panel."""
    quarterly = contract(phm_pmpm="4.00", phm_frequency="quarterly", policies={"adjust_element_2": False})
    begun_with = [
        quarterly,
        Tick(date=dt.date(2025, 7, 31)),
        *panel("2025-07", people(200)),
        *panel("2025-08", people(200)),
    ]
    left = msgspec.structs.replace(quarterly, effective_to=dt.date(2025, 8, 1))
    said = await worked(tmp_path, *begun_with, left, *panel("2025-09", people(200)))
    assert said.states == [("2025-07", "draft", d("800.00"))]


async def test_a_month_that_was_paid_with_its_quarter_is_not_paid_again_by_terms_that_come_later(
    tmp_path: Path,
) -> None:
    """July to September are paid at once; then the contract is said to end with July and another to begin, by the month."""
    unadjusted = {"phm_pmpm": "4.00", "policies": {"adjust_element_2": False}}
    quarterly = contract(phm_frequency="quarterly", **unadjusted)
    early = [Tick(date=dt.date(2025, 7, 31)), *panel("2025-07", people(200)), *panel("2025-09", people(200))]
    log: list[Any] = [quarterly, *early, *panel("2025-08", people(200))]
    changed: list[Any] = [
        msgspec.structs.replace(quarterly, effective_to=dt.date(2025, 8, 1)),
        contract(contract_id="C2", effective_from="2025-08-01", **unadjusted),
        CloseAnnul(close_id="2025-08-panel", actor="ann", reason="new terms"),
    ]
    annulled = CloseAnnul(close_id="2025-07-panel", actor="ann", reason="new terms")
    october = [Tick(date=dt.date(2025, 9, 30)), *panel("2025-10", people(200))]
    said = await worked(tmp_path / "kept", *log, *changed, *october)
    # The quarter stands, so that August is not annulled, and October is the first month by the new terms.
    assert said.states == [("2025-07", "draft", d("2400.00")), ("2025-10", "draft", d("800.00"))]
    again = [
        annulled,
        changed[-1],
        *panel("2025-08", people(200), close_id="a"),
        *panel("2025-07", people(200), close_id="j"),
    ]
    said = await worked(tmp_path / "again", *log, *changed[:2], *again)
    assert said.states == [
        ("2025-07", "withdrawn", d("2400.00")),
        ("2025-08", "draft", d("800.00")),
        # Its panel stood while the quarter did: by the new terms it comes late.
        ("2025-09", "draft", d("800.00")),
        ("2025-07", "draft", d("800.00")),
    ]


async def test_two_contracts_on_one_day_are_never_paid_by_one_of_them(tmp_path: Path) -> None:
    """By products, in one track or in two: the second waits in quarantine, and the month is stated by the first."""
    ppo, hmo = contract(**B, products=["PPO"]), contract(**B, contract_id="C2", products=["HMO"])
    who = people(50), msgspec.structs.replace(people(50), product="HMO")
    said = await worked(tmp_path / "products", ppo, hmo, Tick(date=dt.date(2025, 6, 27)), *panel("2025-07", *who))
    assert said.states == [("2025-07", "draft", d("1200.00"))]
    assert [reason for reason, _ in said.refused] == ["contract_mistake"]
    fee_for_service = contract(contract_id="C2", products=["HMO"], phm_pmpm="4.00")
    said = await worked(tmp_path / "tracks", ppo, fee_for_service)
    assert "a practice is in one track per plan" in said.refused[0][1]


async def test_the_pool_counts_members_as_its_panels_were_frozen_whatever_is_corrected(tmp_path: Path) -> None:
    """June's panel turns out to have 800 members fewer before the final close, which the pool does not take up."""
    tables = measured_by(EDITION, supplied=reference_rates(tmp_path))
    asked, *answers = final(SPEC_NOW, tables)[1:]
    corrected = [Tick(date=dt.date(2025, 12, 27)), asked, told("P2-final", "2025-06-panel", people(-800)), *answers]
    said = await worked(tmp_path, contract(), *begun(tables), *corrected)
    (made,) = (one.statement for one in said.money.statements.values())
    assert (made.pool, made.total) == (d("51840.00"), d("31973.27"))


# -- one ledger of many practices ---------------------------------------------------------------------------------------


async def test_entries_of_several_practices_and_payers_are_numbered_in_one_ledger_and_netted_apart(
    tmp_path: Path,
) -> None:
    """What one practice carries is set off against its own payments of the same payer alone."""
    of = [
        contract(**B, contract_id=f"{payer}-{name}", payer=payer, practice_id=name)
        for payer in ("acme", "best")
        for name in ("A", "B")
    ]
    who = [people(50, practice=name, payer=payer) for payer in ("acme", "best") for name in ("A", "B")]
    first: list[Any] = [*of, Tick(date=dt.date(2025, 6, 27)), *panel("2025-07", *who), Tick(date=dt.date(2025, 7, 27))]
    asked, *answers = panel("2025-08", *who)
    first += [asked, told("2025-08-panel", "2025-07-panel", people(-30, practice="B", payer="best")), *answers]
    names = list((await worked(tmp_path / "drafts", *first)).money.statements)
    orders = [
        *map(released, names),
        paid_to(names[0], "1200.00"),
        paid_to("X", "5.00", "T2"),
        paid_to("X", "5.00", "T2"),
    ]
    said = await worked(tmp_path / "paid", *first, *orders)
    assert [one.number for one in said.money.entries] == list(range(1, len(said.money.entries) + 1))
    found = {(one.payer, one.practice_id): one for one in money_ledger.balances(said.money.entries)}
    # best pays B 1,200 for July and, of August's 1,200, 480 after 30 x 24.00 that it need not have paid.
    assert {both: one.payable + one.paid for both, one in found.items() if both[1]} == {
        ("acme", "A"): d("2400.00"),
        ("acme", "B"): d("2400.00"),
        ("best", "A"): d("2400.00"),
        ("best", "B"): d("1680.00"),
    }
    assert (found["acme", "A"].paid, found["acme", ""].unmatched) == (d("1200.00"), d("-5.00"))


async def test_a_quarter_waits_for_the_list_of_each_of_its_months(tmp_path: Path) -> None:
    """August is closed without the payer's list: not a quarter with nobody in August, but none until August is closed again with it."""
    quarterly = contract(phm_pmpm="4.00", phm_frequency="quarterly", policies={"adjust_element_2": False})
    asked, *_ = panel("2025-08", people(200))
    without = [asked, *(answer(number, asked.close_id, not_frozen=("acme",)) for number in range(2))]
    log: list[Any] = [quarterly, Tick(date=dt.date(2025, 7, 31))]
    log += [*panel("2025-07", people(200)), *without, *panel("2025-09", people(200))]
    assert (await worked(tmp_path / "without", *log)).states == []
    annul = CloseAnnul(close_id=asked.close_id, actor="ann", reason="the list has come")
    said = await worked(tmp_path / "with", *log, annul, *panel("2025-08", people(200), close_id="again"))
    assert said.states == [("2025-07", "draft", d("2400.00"))]
