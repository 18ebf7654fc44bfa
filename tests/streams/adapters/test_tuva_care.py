"""The clinical tables and pharmacy claims of Tuva: counted and summed against the source, and what the layout leaves open."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

import ops.sample
from streams.adapters import tuva, tuva_care
from streams.adapters.charts import Membership
from streams.adapters.left_out import LeftOut
from tests.streams.adapters.test_tuva import source_rows

SAMPLE = Path(ops.sample.__file__).parent / "tuva"
ANA = {"ana": (Membership("plan", "m1", tuva_care.dt.date(2024, 1, 1)),)}


@pytest.fixture(scope="module")
def imported():
    left_out = LeftOut(io.StringIO())
    return list(tuva.events(SAMPLE, left_out)), left_out


@pytest.fixture
def care_of(tmp_path, left_out):
    """Writes one table and reads it: its events."""

    def translate(table, columns, *rows, people=ANA):
        with (tmp_path / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return list(tuva_care.care(tmp_path, people, left_out))

    return translate


def of_table(events, table):
    return [event for event in events if event.get("source_file") == f"{table}_seed.csv"]


@pytest.mark.parametrize(
    ("table", "kind", "rows"),
    [
        ("observation", "observation", 2917),
        ("lab_result", "observation", 1162),
        ("immunization", "immunization", 17),
        ("pharmacy_claim", None, 291),
    ],
)
def test_every_row_of_a_table_of_the_sample_is_one_event(imported, table, kind, rows):
    events = of_table(imported[0], table)
    source = source_rows(f"{table}_seed.csv")
    assert sorted(event["source_row"] for event in events) == list(range(2, rows + 2))
    assert len(source) == rows
    assert {event.get("kind") for event in events} == {kind}
    people = Counter(row["person_id"] for row in source)
    assert Counter(event["member_id"] for event in events) == people


@pytest.mark.parametrize(
    ("table", "code", "column"),
    [("observation", "8480-6", "source_code"), ("lab_result", "4548-4", "source_order_code")],
)
def test_the_results_of_a_code_add_up_to_those_of_the_source(imported, table, code, column):
    told = [Decimal(event["value"]) for event in of_table(imported[0], table) if event["code"] == code]
    source = [Decimal(row["result"]) for row in source_rows(f"{table}_seed.csv") if row[column] == code]
    assert (len(told), sum(told)) == (len(source), sum(source))
    assert source


def test_what_was_dispensed_and_paid_adds_up_to_the_source(imported):
    fills, source = of_table(imported[0], "pharmacy_claim"), source_rows("pharmacy_claim_seed.csv")
    for column in ("quantity", "paid_amount", "allowed_amount"):
        assert sum(Decimal(event[column]) for event in fills) == sum(Decimal(row[column]) for row in source)
    assert Counter(event["ndc_code"] for event in fills) == Counter(row["ndc_code"] for row in source)
    assert len({event["payer_claim_control_number"] for event in fills}) == 291


def test_an_empty_days_supply_is_told_as_the_least_and_every_such_row_is_listed(imported):
    events, left_out = imported
    assert {event["days_supply"] for event in of_table(events, "pharmacy_claim")} == {1}
    assert left_out.counts == {("pharmacy_claim_seed.csv", "days_supply is empty or below one: it is told as 1"): 291}


def test_a_chart_goes_to_the_member_of_each_payer_and_no_earlier_than_the_payer_hears_of_them(care_of):
    people = {"ana": (*ANA["ana"], Membership("other", "m9", tuva_care.dt.date(2020, 1, 1)))}
    row = observation("120")
    first, second = care_of("observation", tuva_care.OBSERVATIONS, row, people=people)
    assert (first["payer"], first["member_id"], first["accepted_at"]) == ("plan", "m1", "2024-01-01T00:00:00Z")
    assert (second["payer"], second["member_id"], second["accepted_at"]) == ("other", "m9", "2023-05-02T00:00:00Z")
    assert first["record_id"] == second["record_id"] == "observation/o1"
    assert (first["part_of"], first["category"], first["unit"]) == ("encounter/e1", "vital-signs", "mm[Hg]")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("127.0", {"value": "127"}),
        ("<5.5", {"value": "5.5", "value_code": "comparator|<"}),
        ("Never smoker", {"value_code": "text|Never smoker"}),
        ("", {}),
    ],
)
def test_a_result_is_a_number_or_text_or_nothing(care_of, written, told):
    (event,) = care_of("observation", tuva_care.OBSERVATIONS, observation(written))
    assert {key: event[key] for key in ("value", "value_code") if key in event} == told


def test_a_normalized_code_goes_before_the_sources_and_a_component_before_its_order(care_of):
    row = {
        "lab_result_id": "1",
        "person_id": "ana",
        "status": "C",
        "result": "7.1",
        "collection_datetime": "2024-05-02 08:00:00",
        "result_datetime": "2024-05-04 10:00:00",
        "source_order_type": "local",
        "source_order_code": "PANEL",
        "normalized_component_type": "loinc",
        "normalized_component_code": "4548-4",
    }
    (event,) = care_of("lab_result", tuva_care.LABORATORY, row)
    assert (event["code_system"], event["code"], event["status"]) == ("loinc", "4548-4", "corrected")
    assert event["start"] == "2024-05-02"


def test_a_row_of_nobodys_member_or_without_a_date_or_code_is_listed(care_of, left_out):
    stranger = observation("1") | {"person_id": "bob", "observation_id": "o2"}
    undated = observation("1") | {"observation_date": "", "observation_id": "o3"}
    uncoded = observation("1") | {"source_code": "", "observation_id": "o4"}
    assert care_of("observation", tuva_care.OBSERVATIONS, stranger, undated, uncoded) == []
    assert sorted(reason for _, reason in left_out.counts) == [
        "has no code: not read",
        "has no date: not read",
        "is about a person who is nobody's member in the input: not read",
    ]


def test_a_dispensing_taken_back_whole_is_voided(care_of):
    given, void = care_of("pharmacy_claim", tuva_care.PHARMACY, fill(), fill(quantity="-30", paid_amount="-9.00"))
    assert (given["claim_frequency_code"], given["claim_version"]) == ("1", 1)
    assert (void["claim_frequency_code"], void["claim_version"], void["claim_status"]) == ("8", 2, "reversed")
    assert void["original_claim_id"] == void["payer_claim_control_number"] == given["payer_claim_control_number"]


def test_a_vaccine_that_was_not_given_is_told_as_not_done(care_of):
    row = {
        "immunization_id": "i1",
        "person_id": "ana",
        "occurrence_date": "2024-02-01",
        "status": "not-done",
        "status_reason": "refused",
        "source_code_type": "cvx",
        "source_code": "140",
    }
    (event,) = care_of("immunization", tuva_care.IMMUNIZATIONS, row)
    assert (event["not_done"], event["reason_code"]) == (True, "text|refused")


def test_tables_that_are_not_read_are_listed(tmp_path, left_out):
    (tmp_path / "appointment_seed.csv").write_text("appointment_id\n1\n")
    assert list(tuva_care.care(tmp_path, {}, left_out)) == []
    assert left_out.counts.total() == 1


def observation(result):
    return {
        "observation_id": "o1",
        "person_id": "ana",
        "encounter_id": "e1",
        "observation_date": "2023-05-02",
        "observation_type": "vital-signs",
        "source_code_type": "loinc",
        "source_code": "8480-6",
        "result": result,
        "source_units": "mm[Hg]",
    }


def fill(**values):
    base = {
        "claim_id": "rx1",
        "claim_line_number": "1",
        "member_id": "m1",
        "payer": "plan",
        "dispensing_date": "2024-03-01",
        "ndc_code": "00440509685",
        "quantity": "30",
        "days_supply": "30",
        "paid_amount": "9.00",
        "allowed_amount": "10.00",
    }
    return base | values
