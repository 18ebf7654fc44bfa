"""The charts of Synthea: counted and summed against the source, and codes that claims have because a table says so."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

import ops.sample
from streams.adapters import synthea, synthea_care
from streams.adapters.left_out import LeftOut
from tests.streams.adapters.test_synthea import of_type, source_rows

SAMPLE = Path(ops.sample.__file__).parent / "synthea"


@pytest.fixture(scope="module")
def imported():
    left_out = LeftOut(io.StringIO())
    return list(synthea.events(SAMPLE, left_out)), left_out


@pytest.fixture(scope="module")
def payers_of():
    """The payers that ever insured a patient; for who never was, that of the uninsured."""
    names = {row["Id"]: row["NAME"] for row in source_rows("payers.csv")}
    found = defaultdict(set)
    for row in source_rows("payer_transitions.csv"):
        found[row["PATIENT"]].add(names[row["PAYER"]])
    return {patient: payers - {"NO_INSURANCE"} or payers for patient, payers in found.items()}


@pytest.mark.parametrize("table", ["encounters", *synthea_care.TABLES])
def test_every_row_is_a_record_of_the_patient_at_each_payer(imported, payers_of, table):
    rows = [row for row in source_rows(f"{table}.csv") if row["CODE"] not in synthea_care.OWN_SCORES]
    told = {
        (event["member_id"], event["payer"], event["record_id"])
        for event in of_type(imported[0], "clinical")
        if event["source_file"] == f"{table}.csv"
    }
    assert Counter(member for member, _, _ in told) == Counter(
        row["PATIENT"] for row in rows for _ in payers_of[row["PATIENT"]]
    )
    assert rows


def test_blood_pressures_and_laboratory_results_add_up_to_those_of_the_source(imported, payers_of):
    for code in ("8480-6", "8462-4", "4548-4", "2339-0"):
        told = sum(Decimal(event["value"]) for event in of_type(imported[0], "clinical") if event["code"] == code)
        source = sum(
            Decimal(row["VALUE"]) * len(payers_of[row["PATIENT"]])
            for row in source_rows("observations.csv")
            if row["CODE"] == code
        )
        assert told == source > 0


def test_an_end_is_known_no_earlier_than_it_comes(imported):
    for event in of_type(imported[0], "clinical"):
        assert event.get("end", "")[:10] <= event["accepted_at"][:10]
    ended = [event for event in of_type(imported[0], "clinical") if event["record_version"] == 2]
    assert {event["kind"] for event in ended} == {"condition", "medication", "procedure"}
    first = {
        (event["payer"], event["record_id"]): event
        for event in of_type(imported[0], "clinical")
        if event["record_version"] == 1
    }
    assert all("end" not in first[event["payer"], event["record_id"]] for event in ended)


def test_what_is_no_code_or_has_no_code_to_bill_it_with_is_listed(imported):
    counts = imported[1].counts
    scores = [row for row in source_rows("observations.csv") if row["CODE"] in synthea_care.OWN_SCORES]
    assert sum(count for (table, _), count in counts.items() if table == "observations.csv") == len(scores) == 75
    lines = [line for claim in of_type(imported[0], "claim") for line in claim["lines"]]
    uncoded = sum("hcpcs_code" not in line and line.get("place_of_service_code") != "01" for line in lines)
    assert sum(count for (table, _), count in counts.items() if table == "claims_transactions.csv") <= uncoded


def test_a_colonoscopy_is_billed_as_one_on_the_day_of_the_procedure(imported):
    billed = {
        (claim["member_id"], line["claim_line_start_date"])
        for claim in of_type(imported[0], "claim")
        for line in claim["lines"]
        if line.get("hcpcs_code") == "45378"
    }
    assert billed == {
        (row["PATIENT"], row["START"][:10]) for row in source_rows("procedures.csv") if row["CODE"] == "73761001"
    }
    assert len(billed) == 3


def test_diagnoses_are_billed_in_icd_10_cm_and_the_others_are_left_to_the_chart(imported):
    claims = of_type(imported[0], "claim")
    assert {claim.get("diagnosis_code_type") for claim in claims} == {"icd-10-cm", None}
    hypertension = {claim["claim_id"] for claim in claims if "I10" in claim.get("diagnosis_codes", ())}
    assert hypertension == {
        row["Id"]
        for row in source_rows("claims.csv")
        if "59621000" in [row[f"DIAGNOSIS{place}"] for place in range(1, 9)]
    }
    known = {row["code"] for row in synthea._table("synthea_codes.csv") if row["code_system"] == "ICD10CM"}
    left = sum(
        len({row[f"DIAGNOSIS{place}"] for place in range(1, 9)} - {""} - known) for row in source_rows("claims.csv")
    )
    assert sum(count for (table, _), count in imported[1].counts.items() if table == "claims.csv") == left


def test_a_chart_is_not_known_before_the_payer_has_heard_of_the_member(imported):
    first: dict[tuple[object, object], str] = {}
    for event in imported[0]:
        if event["event_type"] == "enrollment":
            key = event["payer"], event["member_id"]
            first[key] = min(str(event["accepted_at"]), first.get(key, "9"))
    charts = [event for event in of_type(imported[0], "clinical") if (event["payer"], event["member_id"]) in first]
    assert all(event["accepted_at"] >= first[event["payer"], event["member_id"]] for event in charts)
    assert charts
