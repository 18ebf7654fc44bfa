"""Results that practices submit, from an event file to a gap: live, in what only accepted ones count for, and out again."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Claim, ClaimLine, PracticeResult, Tick
from state.ledger.rows import History as RowHistory
from state.measures.editions import Bound, built_in, wanted_by
from state.measures.evaluation import evaluate
from state.measures.keeping import kept_of, profile_of, span_of
from state.measures.outcome import Outcome
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from streams.replaying import History, Question, replay
from tests.event_files import Event, claim, practice_result, reference, span, write
from tests.measure_builders import year
from tests.streams.test_measured_members import P1, ROSTER, edition_table, last_said, woman
from tests.streams.test_member_partition import Log, worked
from tests.streams.test_member_partition import claim as visit

D = dt.date(2025, 12, 31)
BOUND = Bound(built_in("capc-2025").only(["GSD"]), starter_sets())
REJECTED = {"state": "rejected", "reason": "the document is of another test"}


def diabetic(**changes: Any) -> list[Event]:
    """A member of practice A with diabetes stated on two days, and no test."""
    stated = {"diagnosis_codes": ["E11.9"], "diagnosis_code_type": "icd-10-cm"}
    days = ("2025-02-03", "2025-04-03")
    return [span(**changes), *(claim((day, "A", "1"), f"C{day}", **stated) for day in days)]


def replayed(folder: Path, events: list[Event]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The gap of the rate below 8 by replay, and what was refused."""
    question = Question(D, editions=[BOUND.edition], value_sets=starter_sets(), periods=[year(2025)])
    replay([write(folder / "e.ndjson", [*reference(), *events])], question, TableStore([]), folder / "out")
    with (folder / "out" / "measures.csv").open(newline="") as file:
        (rate,) = [row for row in csv.DictReader(file) if row["rate"] == "lt8"]
    with (folder / "out" / "quarantine.csv").open(newline="") as file:
        return rate, list(csv.DictReader(file))


def read(folder: Path, events: list[Event], *, accepted_only: bool) -> Outcome:
    """The rate below 8 as a reading has it, of facts folded from an event file."""
    path = write(folder / "e.ndjson", [*reference(), *events])
    history = History.of([path], Question(D), TableStore([]))
    _, rows = history.fold(("acme", "M"))
    kept = [
        one
        for name, row in rows.items()
        if (one := kept_of(name, row, wanted_by([BOUND]), allow_reopen=False)) is not None
    ]
    profile = profile_of(
        span_of(name, row) for name, row in rows.items() if name.startswith("span:") and isinstance(row, RowHistory)
    )
    found = evaluate(profile, kept, BOUND, year(2025), D.toordinal(), accepted_only=accepted_only)
    return next(one for one in found.outcomes["GSD"] if one.rate == "lt8")


@pytest.mark.parametrize(
    ("versions", "live", "accepted_alone"),
    [
        ([{}], 1, 0),
        ([{"state": "accepted"}], 1, 1),
        ([REJECTED], 0, 0),
        ([{}, {"state": "accepted", "result_version": 2}], 1, 1),
        ([{}, {**REJECTED, "result_version": 2}], 0, 0),
        ([{**REJECTED, "result_version": 2}, {}], 0, 0),
        ([{"state": "accepted", "result_version": 3}, {**REJECTED, "result_version": 2}, {}], 1, 1),
        ([{"state": "accepted", "value": "9.4"}], 0, 0),
        ([{"state": "accepted"}, {"result_id": "R2", "value": "9.9", "date": "2025-11-01"}], 0, 1),
    ],
)
def test_live_readings_count_what_is_submitted_and_others_only_what_is_accepted(
    tmp_path: Path, versions: list[dict[str, Any]], live: int, accepted_alone: int
) -> None:
    events = [*diabetic(), *(practice_result(**changes) for changes in versions)]
    assert read(tmp_path, events, accepted_only=False).numerator == live
    assert read(tmp_path, events, accepted_only=True).numerator == accepted_alone
    rate, refused = replayed(tmp_path, events)
    assert (rate["numerator"], rate["denominator"], refused) == (str(live), "1", [])
    assert rate["gap_status"] == ("closed" if live else "open")


def test_the_result_is_the_evidence(tmp_path: Path) -> None:
    assert "R1" in read(tmp_path, [*diabetic(), practice_result()], accepted_only=False).evidence


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"code_system": "OUR LAB"}, "unknown_code_system", "code_system"),
        ({"code": "A1C"}, "bad_code", "code"),
        ({"unit": "stones"}, "unit_not_known", "unit"),
        ({"value": "0"}, "impossible_value", "value"),
        ({"document_ref": ""}, "missing_value", "document_ref"),
    ],
)
def test_what_no_measure_could_ever_read_is_refused_at_the_door_with_what_to_do(
    tmp_path: Path, changes: dict[str, Any], reason: str, field: str
) -> None:
    rate, (refused,) = replayed(tmp_path, [*diabetic(), practice_result(**changes)])
    assert (rate["numerator"], refused["reason"], refused["field"]) == ("0", reason, field)
    assert refused["message"].startswith(f"{field} ")
    assert "OUR LAB" not in refused["message"]
    assert "A1C" not in refused["message"]


@pytest.mark.parametrize(
    ("code_system", "code"),
    [
        ("LOINC", "4548-4"),
        ("loinc", " 4548-4 "),
        ("http://loinc.org", "4548-4"),
        ("2.16.840.1.113883.6.1", "4548-4\t"),
        ("CPT II", "3044f"),
    ],
)
def test_a_code_counts_in_every_spelling(tmp_path: Path, code_system: str, code: str) -> None:
    event = practice_result(code_system=code_system, code=code)
    rate, refused = replayed(tmp_path, [*diabetic(), event])
    assert refused == []
    assert rate["numerator"] == "1"


@pytest.mark.parametrize("written", ["E11.9", "e11.9", " E119 ", "e11.9\t"])
@pytest.mark.parametrize(
    "system", ["ICD-10-CM", "icd10cm", "http://hl7.org/fhir/sid/icd-10-cm", "2.16.840.1.113883.6.90"]
)
def test_a_charts_condition_and_a_claims_diagnosis_meet_in_every_spelling(
    tmp_path: Path, system: str, written: str
) -> None:
    chart = {
        "event_type": "clinical",
        "payer": "acme",
        "member_id": "M",
        "record_id": "K1",
        "record_version": 1,
        "kind": "condition",
        "code_system": system,
        "code": written,
        "start": "2025-05-05",
        "status": "active",
    }
    on_a_claim = claim(("2025-02-03", "A", "1"), "C1", diagnosis_codes=[written], diagnosis_code_type="ICD-10-CM")
    rate, refused = replayed(tmp_path, [span(), on_a_claim, chart, practice_result()])
    assert (refused, rate["denominator"], rate["evidence"]) == ([], "1", "C1;K1;R1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"code_system": "our list"}, "unknown_code_system"), ({"code": "no code at all"}, "bad_code")],
)
def test_a_charts_record_that_no_measure_could_ever_read_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    chart = {
        "event_type": "clinical",
        "payer": "acme",
        "member_id": "M",
        "record_id": "K1",
        "record_version": 1,
        "kind": "observation",
        "code_system": "LOINC",
        "code": "4548-4",
        "start": "2025-05-05",
        **changes,
    }
    _, (refused,) = replayed(tmp_path, [*diabetic(), chart])
    assert refused["reason"] == reason
    assert "our list" not in refused["message"]
    assert "no code at all" not in refused["message"]


def result(**changes: Any) -> PracticeResult:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "1",
        "practice_id": "A",
        "result_id": "R1",
        "result_version": 1,
        "code_system": "LOINC",
        "code": "8480-6",
        "date": dt.date(2024, 11, 4),
        "value": 128,
        "unit": "mm[Hg]",
        "document_ref": "D1",
        "state": "submitted",
    }
    return PracticeResult(**{**given, **changes})


def diagnosed(number: str, day: dt.date) -> Claim:
    line = ClaimLine(
        claim_line_number=1,
        claim_line_start_date=day,
        hcpcs_code="99213",
        place_of_service_code="11",
        rendering_npi="1234567893",
        rendering_taxonomy="207Q00000X",
    )
    return visit("1", number, day, lines=(line,), diagnosis_codes=("I10",), diagnosis_code_type="icd-10-cm")


async def test_a_worker_closes_the_gap_when_a_result_comes_and_opens_it_when_the_plan_rejects_it(
    tmp_path: Path,
) -> None:
    log = Log().control(ROSTER, P1, edition_table(), Tick(date=dt.date(2025, 2, 10)))
    log.add(woman("1"), diagnosed("V1", dt.date(2024, 2, 3)), diagnosed("V2", dt.date(2024, 4, 3)))
    log.add(result(), result(result_id="R2", code="8462-4", value=79))
    log.add(result(result_version=2, state="rejected", reason="another member's document"))
    log.add(result(result_version=3, state="accepted", decided_by="ann"))
    _, said = await worked(tmp_path, log.batches(range(len(log.records))))
    gaps = [
        (record[0].gaps[0].status, record[0].gaps[0].evidence)
        for topic, key, record in said
        if topic == "gaps" and key == b"aetna|1|capc-2025|CBP|P1"
    ]
    # The systolic part alone is no whole reading; the plan takes it back, and then accepts it after all.
    assert [status for status, _ in gaps] == ["open", "open", "closed", "open", "closed"]
    assert {"R1", "R2"} <= set(gaps[-1][1])
    assert last_said(said, "aggregates")[b"0|A|aetna|capc-2025|CBP|controlled||P1|live"].numerator == 1
