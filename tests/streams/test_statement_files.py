"""Statements and the ledger as commands show and write them, from what was said on the topic."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.money import Contract, MoneySaid, StatementRelease, StatementState
from schemas.records import Version
from state.payment import money_ledger
from streams import statements
from streams.cli import statement
from streams.cli.statement import balanced, listed, told
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


def test_an_adjustment_goes_by_the_contract_of_the_statement_it_takes_the_place_of() -> None:
    first = msgspec.structs.replace(P2, reading="final")
    again = [
        msgspec.structs.replace(first, statement_id=name, reading="adjustment", settles=of)
        for name, of in (("A1", P2.statement_id), ("A2", "A1"))
    ]
    made = [(5, first), (9, again[0]), (12, again[1])]
    every = [
        (version, msgspec.structs.replace(one, statement=of)) for n, of in made for version, one in [said(n, "draft")]
    ]
    found = statements.gathered(every)
    dearer = contract(base_pmpm="64.00")
    given = [(3, contract()), (7, dearer)]
    assert [statements.contract_of(one, given) for one in found.statements.values()] == [contract()] * 3


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


def standing() -> statements.Standing:
    return statements.gathered(EVERYTHING).statements[P2.statement_id]


def test_a_statement_is_shown_line_by_line_with_its_formulas() -> None:
    lines = list(told(standing()))
    assert lines[0] == f"{P2.statement_id}: released"
    assert "  released by ben: checked" in lines
    assert ["3", "BCS", "Breast", "cancer", "screening", "attainment", "4,147.20"] in [line.split() for line in lines]
    assert any(
        line.startswith("  BCS: 6% + 4% x (78 - 76) / (80 - 76)") and line.endswith("4,147.20") for line in lines
    )
    assert "  total 25,704.00, stated before 0.00, to settle 25,704.00" in lines
    assert any("ineligible (below_minimum)" in line for line in lines)


def test_statements_are_listed_with_what_they_settle_in_all() -> None:
    withdrawn = statements.Standing(Version(0, 1, 0), Version(0, 2, 0), P2, "withdrawn", None)
    lines = list(listed([standing(), withdrawn]))
    assert lines[0].split() == ["Statement", "Period", "Reading", "Payer", "Practice", "State", "Total", "To", "settle"]
    assert lines[2].split() == [P2.statement_id, "P2", "initial", "acme", "A", "released", "25,704.00", "25,704.00"]
    assert lines[-1].split()[-1] == "25,704.00"
    assert list(listed([])) == [
        "There is no such statement: a close drafts them for contracts in force, and says why not."
    ]


def test_the_ledger_shows_entries_balances_and_what_waits() -> None:
    every = [*STATED, *RELEASED]
    lines = list(balanced(every, None, None))
    rows = {line.split()[0]: line.split() for line in lines if line[:1].isdigit()}
    assert rows["3"][2:6] == ["to", "pay", "due", "payable"]
    assert rows["3"][-1] == "25,704.00"
    balance = lines[lines.index("Balances") + 3].split()
    assert balance == ["acme", "A", "25,704.00", "0.00", "25,704.00", "0.00", "0.00"]
    waiting = lines[lines.index("Waiting for somebody") + 3].split()
    assert waiting == ["acme", "A", "to", "be", "paid", P2.statement_id, "25,704.00"]
    assert lines == list(balanced(every, "acme", "A"))
    assert list(balanced(every, "other", None)) == [
        "The ledger has no such entry: a close that drafts statements makes the first."
    ]


def test_what_is_shown_is_there_for_a_program_too(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(statements, "money", lambda *_: statements.gathered(EVERYTHING))
    monkeypatch.setattr(statement, "service", lambda *_: (None, None))
    statement.show(P2.statement_id, as_json=True)
    one = json.loads(capsys.readouterr().out)
    assert (one["state"], one["statement"]["total"], one["order"]["actor"]) == ("released", "25704.00", "ben")
    statement.show(state="draft", as_json=True)
    assert json.loads(capsys.readouterr().out) == []
    statement.show(period="P2", payer="acme", as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == 1
    statement.ledger(as_json=True)
    ledger = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in ledger["entries"]] == ["stated", "released", "to_pay"]
    assert ledger["open_items"][0]["amount"] == "25704.00"
    assert ledger["balances"][0]["payable"] == "25704.00"
