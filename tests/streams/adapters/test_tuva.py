from __future__ import annotations

import csv
import io
import itertools
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from ops.sample import profile_tuva
from schemas.records import Claim, PayerRecord, Practice, Provider
from schemas.unions import Record
from streams.adapters import tuva
from streams.adapters.identifiers import with_check_digit
from streams.adapters.left_out import LeftOut
from streams.adapters.sources import SourceError

SAMPLE = Path(profile_tuva.__file__).parent / "tuva"


def source_rows(name):
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def claim_row(**values):
    base = {
        "claim_id": "1",
        "claim_line_number": "1",
        "claim_type": "professional",
        "member_id": "m1",
        "payer": "plan",
        "claim_start_date": "2024-03-01",
        "claim_end_date": "2024-03-01",
        "claim_line_start_date": "2024-03-01",
        "claim_line_end_date": "2024-03-01",
        "hcpcs_code": "99213",
        "place_of_service_code": "11",
        "rendering_npi": "1003000126",
        "allowed_amount": "100.00",
        "paid_amount": "80.00",
        "charge_amount": "150.00",
    }
    return base | values


def taken_back(**values):
    row = claim_row(**values)
    amounts = ("allowed_amount", "paid_amount", "charge_amount")
    return row | {column: f"-{row[column]}" for column in amounts}


@pytest.fixture
def claims_of(tmp_path):
    def translate(*rows, columns=tuva.CLAIM_COLUMNS):
        with (tmp_path / "medical_claim.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        return list(tuva.claims(tmp_path))

    return translate


@pytest.fixture(scope="module")
def sample():
    return list(tuva.events(SAMPLE, LeftOut(io.StringIO())))


@pytest.fixture(scope="module")
def sample_claims(sample):
    return [event for event in sample if event["event_type"] == "claim"]


def test_every_claim_of_the_sample_appears_once_with_all_its_lines(sample_claims):
    rows = source_rows("medical_claim_seed.csv")
    assert Counter(event["claim_id"] for event in sample_claims) == Counter({row["claim_id"] for row in rows})
    lines = Counter(
        (event["claim_id"], str(line["claim_line_number"])) for event in sample_claims for line in event["lines"]
    )
    assert lines == Counter((row["claim_id"], row["claim_line_number"]) for row in rows)
    assert (len(sample_claims), lines.total()) == (1138, 2075)


@pytest.mark.parametrize("amount", ["allowed_amount", "paid_amount"])
def test_the_amounts_of_the_sample_add_up_to_those_of_the_source(sample_claims, amount):
    total = sum(Decimal(line.get(amount, "0")) for event in sample_claims for line in event["lines"])
    assert total == sum(Decimal(row[amount] or "0") for row in source_rows("medical_claim_seed.csv"))
    assert total > 0


def test_an_institutional_total_charge_is_kept_once_and_not_on_every_line(sample_claims):
    (claim,) = [event for event in sample_claims if event["claim_id"] == "1582931"]
    assert [line.get("charge_amount") for line in claim["lines"]] == ["31505.00"] + [None] * 16
    totals = {
        row["claim_id"]: Decimal(row["charge_amount"])
        for row in source_rows("medical_claim_seed.csv")
        if row["claim_type"] == "institutional"
    }
    charged = sum(
        Decimal(line.get("charge_amount", "0"))
        for event in sample_claims
        if event["claim_type"] == "institutional"
        for line in event["lines"]
    )
    assert charged == sum(totals.values())


def test_all_events_are_well_formed_records_and_in_order_of_acceptance(sample):
    for event in sample:
        record = msgspec.json.decode(json.dumps(event), type=Record)
        assert set(event) <= {*record.__struct_fields__, "event_type"}
        if isinstance(record, Claim):
            starts = [line.claim_line_start_date for line in record.lines]
            assert max(starts) <= record.accepted_at.date()
    assert [event["accepted_at"] for event in sample] == sorted(event["accepted_at"] for event in sample)


def test_frequency_comes_from_the_bill_type_of_institutional_claims_only(sample_claims):
    by_bill_type = Counter((event.get("bill_type_code"), event["claim_frequency_code"]) for event in sample_claims)
    assert {bill_type for bill_type, frequency in by_bill_type if frequency == "7"} == {"137"}
    assert by_bill_type["137", "7"] == 3
    assert by_bill_type["13I", "1"] == 4


def test_diagnoses_are_icd_10_cm_whatever_the_source_calls_them(sample_claims):
    assert {event.get("diagnosis_code_type") for event in sample_claims} == {"icd-10-cm", None}
    assert all("" not in event.get("diagnosis_codes", []) for event in sample_claims)


def test_a_claim_without_line_dates_takes_those_of_its_header(sample_claims):
    (claim,) = [event for event in sample_claims if event["claim_id"] == "690699"]
    assert {(line["claim_line_start_date"], line["claim_line_end_date"]) for line in claim["lines"]} == {
        ("2018-03-28", "2018-03-30")
    }
    assert (claim["admission_date"], claim["discharge_date"]) == ("2018-03-28", "2018-03-30")
    assert claim["accepted_at"] == "2018-04-13T00:00:00Z"


def test_every_enrollment_row_of_the_sample_is_one_span_and_none_overlap(sample):
    spans = [event for event in sample if event["event_type"] == "enrollment"]
    assert len(spans) == len({span["span_id"] for span in spans}) == 31
    for member in {span["member_id"] for span in spans}:
        own = sorted((s["enrollment_start_date"], s["enrollment_end_date"]) for s in spans if s["member_id"] == member)
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(own))


def test_layouts_of_the_same_eligibility_are_one_span_and_a_changed_one_its_next_version(tmp_path):
    text = (SAMPLE / "eligibility_seed_v1.csv").read_text(encoding="utf-8")
    (tmp_path / "eligibility_1.csv").write_text(text, encoding="utf-8")
    (tmp_path / "eligibility_2.csv").write_text(text.replace("2018-10-31", "2018-09-30", 1), encoding="utf-8")
    spans = list(tuva.enrollments(tmp_path))
    assert len(spans) == 32
    assert [(span["span_id"], span["enrollment_end_date"]) for span in spans if span["span_version"] == 2] == [
        ("10:2016-01-01", "2018-09-30")
    ]


def test_a_repeated_row_counts_once(claims_of):
    (claim,) = claims_of(claim_row(), claim_row())
    assert len(claim["lines"]) == 1


def test_a_claim_that_is_mirrored_to_net_zero_is_voided(claims_of):
    original, void = claims_of(claim_row(), taken_back(claim_line_number="2"))
    assert (original["claim_frequency_code"], original["claim_version"]) == ("1", 1)
    assert (void["claim_frequency_code"], void["claim_version"], void["claim_status"]) == ("8", 2, "reversed")


def test_a_zero_paid_claim_without_a_mirror_stays(claims_of):
    (claim,) = claims_of(claim_row(allowed_amount="0.00", paid_amount="0.00", charge_amount="-0.00"))
    assert claim["claim_frequency_code"] == "1"
    assert "claim_version" not in claim


def test_a_line_taken_back_and_charged_again_is_a_replacement(claims_of):
    again = claim_row(hcpcs_code="99214", allowed_amount="140.00")
    original, replacement = claims_of(claim_row(), taken_back(), again)
    assert [line["hcpcs_code"] for line in original["lines"]] == ["99213"]
    assert replacement["claim_frequency_code"] == "7"
    assert [(line["hcpcs_code"], line["allowed_amount"]) for line in replacement["lines"]] == [("99214", "140.00")]


def test_what_is_partly_taken_back_keeps_its_net_amount(claims_of):
    less = claim_row(allowed_amount="-30.00", paid_amount="-24.00", charge_amount="0.00")
    _, replacement = claims_of(claim_row(), claim_row(claim_line_number="2", hcpcs_code="36415"), less)
    amounts = {line["hcpcs_code"]: line["allowed_amount"] for line in replacement["lines"]}
    assert amounts == {"99213": "70.00", "36415": "100.00"}


def test_negative_rows_alone_void_a_claim_sent_elsewhere(claims_of):
    (void,) = claims_of(taken_back())
    assert (void["claim_frequency_code"], void["lines"][0]["allowed_amount"]) == ("8", "100.00")


def test_a_paid_date_is_the_day_of_acceptance(claims_of):
    (claim,) = claims_of(claim_row(paid_date="2024-03-20"))
    assert (claim["paid_date"], claim["accepted_at"]) == ("2024-03-20", "2024-03-20T00:00:00Z")


def test_a_missing_column_is_named_with_its_file(claims_of):
    columns = tuple(column for column in tuva.CLAIM_COLUMNS if column != "claim_end_date")
    with pytest.raises(SourceError, match=r"medical_claim\.csv has no column claim_end_date"):
        claims_of(claim_row(), columns=columns)


def test_a_folder_without_claims_is_named(tmp_path):
    with pytest.raises(SourceError, match="medical_claim"):
        list(tuva.claims(tmp_path))


def test_an_impossible_date_is_named_with_its_row(claims_of):
    with pytest.raises(SourceError, match=r"medical_claim\.csv row 2: claim_end_date"):
        claims_of(claim_row(claim_end_date="2024-02-30"))


def test_the_roster_of_the_sample_names_those_who_mostly_see_primary_care_patients(sample_claims):
    records = msgspec.json.decode(
        b"[" + b",".join((SAMPLE / "roster.ndjson").read_bytes().splitlines()) + b"]",
        type=list[Provider | Practice | PayerRecord],
    )
    providers = [record for record in records if isinstance(record, Provider)]
    practices = {record.practice_id for record in records if isinstance(record, Practice)}
    rendering = {line["rendering_npi"] for event in sample_claims for line in event["lines"]}
    assert len(providers) == len({provider.npi for provider in providers}) == 135
    assert {provider.practice_id for provider in providers} == practices
    assert all(provider.npi in rendering and provider.is_pcp for provider in providers)
    assert all(provider.npi == with_check_digit(provider.npi[:9]) for provider in providers)
    assert [record.payer for record in records if isinstance(record, PayerRecord)] == ["medicare"]


def test_a_profile_counts_visit_codes_only_where_and_while_they_count(tmp_path, claims_of):
    services = tmp_path / "services.csv"
    services.write_text(
        "code_system,code_or_range,counts_as_visit,effective_start,effective_end\n"
        "CPT,99211-99215,yes,,2024-06-30\nPOS,11;22,yes,,\nCPT,99304-99310,conditional,,\n",
        encoding="utf-8",
    )
    claims = claims_of(
        claim_row(),
        claim_row(claim_line_number="2", place_of_service_code="21"),
        claim_row(claim_line_number="3", claim_line_start_date="2024-07-01", claim_line_end_date="2024-07-01"),
        claim_row(claim_line_number="4", hcpcs_code="99305"),
    )
    assert profile_tuva.primary_care_share(claims, services) == {"1003000126": 0.25}
