"""From a panel to a payment on a real Kafka: drafted, released by a second person, paid, and the same again from the log alone."""

from __future__ import annotations

import csv
import datetime as dt
import json
import signal
from collections import Counter
from decimal import Decimal
from pathlib import Path

from typer.testing import CliRunner

from ops.program import app
from schemas.money import Contract, PaymentPosted, Policies
from schemas.records import Refused
from state.payment import money_ledger
from streams import statements
from streams.statements import Money
from streams.stopping import Stop
from tests.fixtures.facts import TICKS, Facts, expected, facts
from tests.fixtures.workers import Service

JULY = dt.date(2025, 7, 1)


def contract(payer: str, practice: str, **changes: object) -> Contract:
    """Population health 4.00 a member and month, not adjusted."""
    return Contract(
        **{  # type: ignore[arg-type]
            "contract_id": "C1",
            "payer": payer,
            "practice_id": practice,
            "payee_name": "Practice Inc.",
            "payee_tin": "950000001",
            "track": "A",
            "effective_from": dt.date(2024, 7, 1),
            "base_pmpm": Decimal("32.00"),
            "phm_pmpm": Decimal("4.00"),
            "incentive_max_pct": Decimal(15),
            "policies": Policies(adjust_element_2=False),
            **changes,
        }
    )


def largest_list(sent: Facts, service: Service) -> tuple[str, str, int]:
    """The payer and practice with the most members on the panel of July, and how many they are."""
    answers = expected(sent, JULY, service.settings.tables).attribution.values()
    counts = Counter((str(one.payer), str(one.practice_id)) for one in answers if one.practice_id)
    ((payer, practice), members) = counts.most_common(1)[0]
    return payer, practice, members


def run(service: Service, *arguments: object) -> tuple[int, str]:
    """A verb in this process: its status and what it says."""
    settings = service.settings
    result = CliRunner().invoke(
        app(), [*map(str, arguments), "--bootstrap", settings.bootstrap, "--prefix", settings.prefix]
    )
    said = result.exception.sentence if isinstance(result.exception, Stop) else result.output
    return result.exit_code, said


def money(service: Service) -> Money:
    return statements.money(service.settings, service.codec)


def test_a_panel_is_drafted_released_by_a_second_person_and_paid(service: Service, tmp_path: Path) -> None:
    sent = facts(60, 5)
    payer, practice, members = largest_list(sent, service)
    amount = Decimal(4) * members
    wrong = contract(payer, practice, contract_id="C2", payee_tin="12")
    service.publish([*sent.reference, contract(payer, practice), wrong])
    service.tick(TICKS[0])
    service.start()
    service.settle()
    refused: list[Refused] = [record for _, record, _ in service.read("quarantine") if record.topic == "reference"]
    assert [(one.reason, one.field) for one in refused] == [("contract_mistake", "payee_tin")]
    service.publish(sent.members)
    status, said = run(service, "close", "2025-07", "--reading", "panel", "--actor", "ann")
    assert status == 0, said
    assert f"1 statement drafted, {amount:,.2f} dollars" in said
    ((name, draft),) = money(service).statements.items()
    assert (draft.state, draft.statement.total, draft.statement.lines[0].members) == ("draft", amount, members)

    reason = ("--reason", "checked with the plan")
    status, said = run(service, "statement", "release", name, "--actor", "ann", *reason)
    assert status != 0
    assert "a second person releases it" in said
    status, said = run(service, "statement", "export", "--period", "2025-07", "--out", tmp_path / "early")
    assert "1 wait for `panelstream statement release`" in said
    assert run(service, "statement", "release", name, "--actor", "ben", *reason) == (
        0,
        f"{name} is released: {amount:,.2f}\n",
    )
    status, said = run(service, "close", "annul", "2025-07-panel", *reason)
    assert status != 0
    assert f"statement {name} is released" in said

    payment = PaymentPosted(
        payer=draft.statement.payer,
        payee_tin=draft.statement.payee_tin,
        statement_id=name,
        amount=amount,
        date=dt.date(2025, 7, 8),
        trace_no="T1",
    )
    service.publish([payment, payment])
    service.settle()
    said = run(service, "ledger", "--payer", payer, "--practice", practice)[1]
    balance, waiting = said.partition("Balances\n")[2].split("\n\nWaiting for somebody\n")
    assert balance.splitlines()[-1].split()[-5:] == [f"{amount:,.2f}", "0.00", "0.00", f"{amount:,.2f}", "0.00"]
    assert waiting == "nothing\n"
    assert run(service, "statement", "export", "--period", "2025-07", "--out", tmp_path / "out")[0] == 0
    (row,) = csv.DictReader((tmp_path / "out" / "statements.csv").read_text().splitlines())
    assert (row["statement_id"], row["state"], row["total"]) == (name, "released", f"{amount:.2f}")
    assert json.loads((tmp_path / "out" / f"{name}.json").read_bytes())["resourceType"] == "Bundle"
    assert b"Practice Inc." in (tmp_path / "out" / f"{name}.html").read_bytes()
    assert (tmp_path / "out" / f"{name}.pdf").read_bytes().startswith(b"%PDF-")

    before = money(service)
    (worker,) = service.workers
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    count = service.records("statements")
    for file in (service.folder / "state").glob("control.*"):
        file.unlink()
    service.start("two")
    service.settle()
    service.wait_until(lambda: service.records("statements") >= 2 * count, "said again from the log")
    assert money(service) == before
    assert money_ledger.disagreements(before.entries, [draft.statement]) == ()
