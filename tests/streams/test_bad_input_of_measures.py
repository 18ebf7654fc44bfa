"""What feeds of charts, laboratories and pharmacies really send, as a plan's data engineer would try it with `replay`.

Each record has a clear reason in quarantine, or counts as what it says: nothing is guessed and nothing is lost.
"""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from state.measures.editions import built_in
from state.reference.codes import UnknownSystem, code_of, diagnosis_system
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from streams.cli.options import measured_period
from streams.replaying import Question, replay
from tests.event_files import claim, reference, span, write

D = dt.date(2025, 12, 31)
ABOUT = {"payer": "acme", "member_id": "M"}


def record(code: str = "4548-4", system: str = "LOINC", **changes: Any) -> dict[str, Any]:
    base = {
        "event_type": "clinical",
        **ABOUT,
        "record_id": "r",
        "record_version": 1,
        "kind": "observation",
        "code_system": system,
        "code": code,
        "start": "2025-06-01",
        "status": "final",
    }
    return {**base, **changes}


def results(folder: Path, *events: dict[str, Any], about: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """Rows of measures.csv by measure and rate, and of quarantine.csv, of member M with diabetes."""
    visits = [
        {**claim((day, "A", "1"), name, "M"), "diagnosis_code_type": "ICD-10-CM", "diagnosis_codes": ["e11.9"]}
        for name, day in (("V1", "2025-02-03"), ("V2", "2025-04-03"))
    ]
    member = {**span("M"), **(about or {})}
    path = write(folder / "events.ndjson", [*reference(), member, *visits, *events])
    question = Question(
        D,
        editions=[built_in("capc-2025")],
        value_sets=starter_sets(),
        periods=[measured_period("2025-01-01..2025-12-31")],
    )
    out = folder / "out"
    replay([path], question, TableStore(), out)
    measures = {(row["measure"], row["rate"]): row for row in rows(out / "measures.csv")}
    return measures, rows(out / "quarantine.csv")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("bad", "reason", "field"),
    [
        (record(system="LAB"), "unknown_code_system", "code_system"),
        (record(system=""), "missing_value", "code_system"),
        (record(code="A1C"), "bad_code", "code"),
        (record(value="7.1", unit="furlong"), "unit_not_known", "unit"),
        (record(value="high"), "wrong_type", "value"),
        (record(value="7,1"), "wrong_type", "value"),
        (record("8480-6", value="0", unit="mm[Hg]"), "impossible_value", "value"),
        (record("8462-4", value="0", unit="mm[Hg]"), "impossible_value", "value"),
        (record("8480-6", value="16", unit="kPa"), "unit_not_known", "unit"),
        (record(start="2025-06-01T23:30:00"), "impossible_date", "start"),
        (record(start="06/01/2025"), "impossible_date", "start"),
        (record(start="2025-02-30"), "impossible_date", "start"),
        (record(kind="lab"), "not_in_list", "kind"),
        (
            {**claim(("2025-05-01", "A", "1"), "V9", "M"), "diagnosis_code_type": "local", "diagnosis_codes": ["1"]},
            "unknown_code_system",
            "diagnosis_code_type",
        ),
    ],
)
def test_a_bad_record_waits_in_quarantine_with_a_reason_and_a_field(
    tmp_path: Path, bad: dict[str, Any], reason: str, field: str
) -> None:
    measures, refused = results(tmp_path, bad)
    ((row),) = refused
    assert (row["reason"], row["field"]) == (reason, field)
    assert row["message"].rstrip().endswith((".", ")"))
    assert measures["GSD", "gt9"]["numerator"] == "1", "no result is a result above 9 (measures.md 6)"


@pytest.mark.parametrize(
    "said",
    [
        record(value="7.1", unit="%"),
        record(value="7.1"),
        record(" 4548-4 ", value="7.1", unit="%"),
        record("04548-4", system="loinc", value="7.1", unit="%"),
        record(system="urn:oid:2.16.840.1.113883.6.1", value="7.1", unit="percent"),
        record(value="54", unit="mmol/mol"),
        record(value="7.1", unit="%", start="2025-06-01T23:30:00-08:00"),
        record("3051f", system="cpt", kind="procedure", status="completed"),
    ],
)
def test_a_result_counts_however_it_is_spelled(tmp_path: Path, said: dict[str, Any]) -> None:
    measures, refused = results(tmp_path, said)
    assert refused == []
    assert (measures["GSD", "lt8"]["numerator"], measures["GSD", "gt9"]["numerator"]) == ("1", "0")


@pytest.mark.parametrize(
    ("said", "above"),
    [
        (record(value_code="text|high"), "1"),
        (record(), "1"),
        (record("85354-9", value_code="text|0/0"), "1"),
    ],
)
def test_a_result_in_words_is_as_good_as_a_test_without_one_it_is_missing(
    tmp_path: Path, said: dict[str, Any], above: str
) -> None:
    measures, refused = results(tmp_path, said)
    assert refused == []
    assert (measures["GSD", "lt8"]["numerator"], measures["GSD", "gt9"]["numerator"]) == ("0", above)


def test_a_moment_counts_on_the_day_that_is_written_whatever_its_zone(tmp_path: Path) -> None:
    late = record(value="7.1", unit="%", start="2025-12-31T23:30:00-08:00")
    measures, _ = results(tmp_path, late)
    assert measures["GSD", "lt8"]["numerator"] == "1"


def test_a_vaccine_before_birth_protects_nobody(tmp_path: Path) -> None:
    child = {"birth_date": "2023-06-15", "enrollment_start_date": "2023-06-15"}
    doses = [
        record("83", system="CVX", kind="immunization", status="completed", start=day, record_id=day)
        for day in ("2022-07-01", "2024-07-01")
    ]
    before, refused = results(tmp_path, doses[0], about=child)
    assert (before["CIS", "hepa"]["numerator"], refused) == ("0", [])
    (tmp_path / "after").mkdir()
    after, _ = results(tmp_path / "after", *doses, about=child)
    assert (before["CIS", "hepa"]["denominator"], after["CIS", "hepa"]["numerator"]) == ("1", "1")
    assert after["CIS", "hepa"]["evidence"] == "2024-07-01"


@pytest.mark.parametrize(
    ("system", "written", "normal"),
    [
        ("LOINC", "0004548-4", "4548-4"),
        ("CVX", "008", "08"),
        ("CVX", "8", "08"),
        ("CVX", "140", "140"),
        ("POS", "011", "11"),
        ("UBREV", "00450", "0450"),
        ("SNOMEDCT", "073761001", "73761001"),
        ("DISCHARGE_STATUS", "020", "20"),
    ],
)
def test_zeros_that_a_feed_has_added_or_lost_make_no_difference(system: str, written: str, normal: str) -> None:
    assert code_of(system, written) == (system, normal)


@pytest.mark.parametrize(
    ("written", "system"),
    [
        ("", "ICD10CM"),
        ("ICD-10-CM", "ICD10CM"),
        ("icd10", "ICD10CM"),
        ("ABK", "ICD10CM"),
        ("BK", "ICD9CM"),
        ("icd-9-cm", "ICD9CM"),
        ("9", "ICD9CM"),
        ("snomed-ct", "SNOMEDCT"),
    ],
)
def test_a_claim_names_the_system_of_its_diagnoses_in_many_ways(written: str, system: str) -> None:
    assert diagnosis_system(written) == system


@pytest.mark.parametrize("written", ["local", "?", "CPT", "icd-10-pcs"])
def test_a_system_in_which_no_diagnosis_is_written_is_none(written: str) -> None:
    with pytest.raises(UnknownSystem):
        diagnosis_system(written)
