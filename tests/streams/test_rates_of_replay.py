"""Utilisation and cost from event files to rates.csv: replay with an edition, its value sets and supplied tables."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from state.measures.editions import built_in
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from streams.replaying import Question, replay
from tests.event_files import claim, reference, span, write
from tests.measure_builders import year

D = dt.date(2025, 12, 31)
PRICES = "code_system,code,modifier,per,price\nCPT,99213,,unit,90\nCPT,99214,,unit,130\nNDC,00093005801,,unit,0.5\n"
WEIGHTS = (
    "row,code,cc,ranking_group,rank,hcc,parts,measure,model,gender,ages,weight\n"
    "cc,I10,24,,,,,,,,,\n"
    "weight,,,,,,,EDU,logistic,,,-1\n"
    "weight,,,,,H24,,EDU,logistic,,,1\n"
    "weight,,,,,,,EDU,count,,,0\n"
)
FILES = {
    "tcoc_prices": PRICES.encode(),
    "rau_weights": WEIGHTS.encode(),
    "reference_rates": b"measure,per_member\nEDU,0.15\n",
}


def table(kind: str) -> dict[str, Any]:
    """The record that puts a table in force."""
    digest = hashlib.sha256(FILES[kind]).hexdigest()
    said = {"event_type": "table", "kind": kind, "name": kind, "version": "1", "digest": digest}
    return {**said, "activated_from": "2025-01-01"}


def world() -> list[dict[str, Any]]:
    """Member M of practice A sees the doctor twice, once with hypertension the year before, and the emergency room once; N of B once."""

    def seen(date: str, practice: str, npi: str, number: str, member: str, code: str, **changes: Any) -> dict[str, Any]:
        visit = claim((date, practice, npi), number, member, **changes)
        visit["lines"][0]["hcpcs_code"] = code
        return visit

    room = {
        **claim(("2025-06-01", "A", "1"), "C3", "M"),
        "claim_type": "institutional",
        "bill_type_code": "131",
        "lines": [
            {
                "claim_line_number": 1,
                "claim_line_start_date": "2025-06-01",
                "revenue_center_code": "450",
                "hcpcs_code": "99283",
            }
        ],
    }
    drug = {
        "event_type": "pharmacy_claim",
        "payer": "acme",
        "member_id": "N",
        "payer_claim_control_number": "D1",
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "ndc_code": "0093-0058-01",
        "dispensing_date": "2025-05-01",
        "days_supply": 30,
        "quantity": "30",
    }
    cover = {"medical": True, "pharmacy": True}
    return [
        *reference(),
        span("M", coverage=cover),
        span("N", coverage=cover),
        seen("2024-12-31", "A", "1", "C1", "M", "99213", diagnosis_codes=["I10"], diagnosis_code_type="icd-10-cm"),
        seen("2025-03-01", "A", "1", "C2", "M", "99214"),
        room,
        seen("2025-03-01", "B", "9", "C4", "N", "99213"),
        drug,
    ]


@pytest.fixture
def rates(tmp_path: Path) -> Any:
    def of(*kinds: str) -> dict[tuple[str, str, str], dict[str, str]]:
        tables = tmp_path / "tables"
        tables.mkdir()
        for kind in kinds:
            (tables / f"{kind}.csv").write_bytes(FILES[kind])
        edition = built_in("capc-2025").only(["EDU", "TCOC"])
        question = Question(D, editions=[edition], value_sets=starter_sets(), periods=[year(2025)])
        events = [*map(table, kinds), *world()]
        replay([write(tmp_path / "e.ndjson", events)], question, TableStore([tables]), tmp_path / "out")
        with (tmp_path / "out" / "rates.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if not row["stratum"]]
        return {(row["measure"], row["rate"], row["practice_id"]): row for row in rows}

    return of


def test_practices_are_compared_by_cost_and_visits_are_set_against_what_was_expected(
    rates: Any, tmp_path: Path
) -> None:
    found = rates(*FILES)
    # A: one visit of 130, an emergency visit without a price; B: 90 and a drug of 15; both have one member of one stratum
    assert found["TCOC", "pmpm", "A"]["value"] == "10.83"
    assert found["TCOC", "pmpm", "B"]["value"] == "8.75"
    assert found["TCOC", "index", "A"]["value"] == "1.1064"
    assert found["TCOC", "index", "B"]["value"] == "0.8936"
    assert "1 of 2 services have no price" in found["TCOC", "index", "A"]["note"]
    # hypertension of the day before the period weighs: e^0 / (1 + e^0)
    assert found["EDU", "risk_standardised", "A"]["value"] == "300.00"
    assert found["EDU", "observed_to_expected", "A"]["value"] == "2.0000"
    assert found["EDU", "observed_per_1000", "B"]["value"] == "0.00"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["editions"][0]["tables"] == {kind: table(kind)["digest"] for kind in sorted(FILES)}


def test_without_tables_nothing_is_scored_and_every_line_says_why(rates: Any) -> None:
    found = rates()
    assert {key[:2] for key in found} == {("TCOC", "index"), ("EDU", "risk_standardised"), ("EDU", "observed_per_1000")}
    assert (found["TCOC", "index", "A"]["value"], found["EDU", "risk_standardised", "A"]["value"]) == ("", "")
    assert "unscored: no tcoc_prices are supplied" in found["TCOC", "index", "A"]["note"]
    assert found["EDU", "observed_per_1000", "A"]["value"] == "1000.00"
