"""Statements and the ledger as commands show and write them, from what was said on the topic."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
from pathlib import Path

import pytest

from schemas.money import Contract, MoneySaid, StatementRelease, StatementState
from schemas.records import Version
from state.payment import money_ledger
from streams import statements
from streams.cli.statement import balanced, told
from streams.stopping import Stop
from tests.money_cases import SPEC_RESULTS, STORE, contract, d, stated

P2 = stated("initial", SPEC_RESULTS)
RELEASE = StatementRelease(statement_id=P2.statement_id, action="release", actor="ben", reason="checked")
ON = dt.date(2025, 10, 1)


def said(offset: int, state: StatementState, order: StatementRelease | None = None) -> tuple[Version, MoneySaid]:
    return Version(0, offset, 0), MoneySaid(
        kind="statement",
        payer=P2.payer,
        practice_id=P2.practice_id,
        period=P2.period,
        on=ON,
        state=state,
        statement=P2,
        order=order,
    )


def entries(offset: int, *made: object) -> list[tuple[Version, MoneySaid]]:
    return [
        (
            Version(0, offset, 1 + place),
            MoneySaid(kind="entry", payer=P2.payer, practice_id=P2.practice_id, period=P2.period, on=ON, entry=one),  # type: ignore[arg-type]
        )
        for place, one in enumerate(made)
    ]


STATED = money_ledger.stated([], P2, ON)
RELEASED = money_ledger.released(STATED, P2.statement_id, ON)
EVERYTHING = [said(5, "draft"), *entries(5, *STATED), said(9, "released", RELEASE), *entries(9, *RELEASED)]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_said_twice_and_in_any_order_stands_once(seed: int) -> None:
    """Partitions are read side by side, and a conductor that crashed says again what it had said."""
    again = EVERYTHING * 2
    random.Random(seed).shuffle(again)
    found = statements.gathered(again)
    standing = statements.find(found, P2.statement_id)
    assert (standing.state, standing.order, standing.drafted) == ("released", RELEASE, Version(0, 5, 0))
    assert found.entries == [*STATED, *RELEASED]


def test_a_statement_that_is_not_there_is_told_with_the_next_step() -> None:
    with pytest.raises(Stop, match="`panelstream statement show` lists all"):
        statements.find(statements.gathered([]), "S")


def test_files_of_a_period_say_what_the_statement_says_and_by_the_contract_of_its_day(tmp_path: Path) -> None:
    found = list(statements.gathered(EVERYTHING).statements.values())
    given: list[tuple[int, Contract]] = [(1, contract()), (7, contract(payee_name="Another Inc."))]
    files = statements.export(found, given, STORE, tmp_path)
    assert {path.name for path in files} == {
        "statements.csv",
        "statement_lines.csv",
        f"{P2.statement_id}.json",
        f"{P2.statement_id}.html",
        f"{P2.statement_id}.pdf",
    }
    (row,) = csv.DictReader((tmp_path / "statements.csv").read_text().splitlines())
    assert (row["state"], row["total"]) == ("released", "25704.00")
    lines = list(csv.DictReader((tmp_path / "statement_lines.csv").read_text().splitlines()))
    assert sum(d(line["amount"]) for line in lines) == d("25704.00")
    assert json.loads((tmp_path / f"{P2.statement_id}.json").read_bytes())["identifier"]["value"] == P2.statement_id
    assert b"25,704.00" in (tmp_path / f"{P2.statement_id}.html").read_bytes()
    with pytest.raises(Stop, match="Contract C1 is not on the topic control"):
        statements.export(found, given[1:], STORE, tmp_path)


def test_a_statement_is_shown_line_by_line_with_its_formulas() -> None:
    lines = list(told(statements.gathered(EVERYTHING).statements[P2.statement_id]))
    assert lines[0] == f"{P2.statement_id}: released"
    assert "  released by ben: checked" in lines
    assert any(line.startswith("  BCS") and "4,147.20" in line for line in lines)
    assert "  total 25,704.00, stated before 0.00, difference 25,704.00" in lines


def test_the_ledger_shows_entries_balances_and_what_waits() -> None:
    every = [*STATED, *RELEASED]
    lines = list(balanced(every, None, None))
    assert sum(line.startswith("balance") for line in lines) == 1
    assert lines[-1] == f"open    A with acme: 25,704.00 to be paid, {P2.statement_id}"
    assert lines == list(balanced(every, "acme", "A"))
    assert list(balanced(every, "other", None)) == []
