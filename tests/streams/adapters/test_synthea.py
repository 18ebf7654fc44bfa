from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import ops.sample
from schemas.unions import Record
from streams.adapters import synthea
from streams.adapters.identifiers import npi_of, with_check_digit
from streams.adapters.left_out import LeftOut
from streams.adapters.sources import SourceError

SAMPLE = Path(ops.sample.__file__).parent / "synthea"


def source_rows(name):
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def of_type(events, event_type):
    return [event for event in events if event["event_type"] == event_type]


@pytest.fixture(scope="module")
def sample():
    return list(synthea.events(SAMPLE, LeftOut(io.StringIO())))


@pytest.fixture(scope="module")
def first_lines(sample):
    """The first line of the claim of each encounter, with the encounter."""
    encounters = {row["Id"]: row for row in source_rows("encounters.csv")}
    appointments = {row["Id"]: encounters[row["APPOINTMENTID"]] for row in source_rows("claims.csv")}
    return [
        (appointments[claim["claim_id"]], claim, claim["lines"][0])
        for claim in of_type(sample, "claim")
        if claim["lines"][0].get("place_of_service_code") != "01"
    ]


@pytest.fixture
def export(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "export"))


def test_every_claim_of_the_export_appears_once_with_a_line_for_each_charge(sample):
    claims = of_type(sample, "claim")
    assert Counter(claim["claim_id"] for claim in claims) == Counter(row["Id"] for row in source_rows("claims.csv"))
    charges = Counter(row["CLAIMID"] for row in source_rows("claims_transactions.csv") if row["TYPE"] == "CHARGE")
    assert {claim["claim_id"]: len(claim["lines"]) for claim in claims} == charges
    assert (len(claims), charges.total()) == (1267, 1545)


def test_charges_and_payments_of_the_primary_payer_add_up_to_those_of_the_export(sample):
    lines = [line for claim in of_type(sample, "claim") for line in claim["lines"]]
    transactions = source_rows("claims_transactions.csv")
    charged = sum(Decimal(row["AMOUNT"]) for row in transactions if row["TYPE"] == "CHARGE")
    by_payers = secondary = Decimal(0)
    before = {}
    for row in transactions:
        if row["METHOD"] == "ECHECK":
            by_payers += Decimal(row["PAYMENTS"])
            if before[row["CLAIMID"]]["TRANSFERTYPE"] == "2":
                secondary += Decimal(row["PAYMENTS"])
        before[row["CLAIMID"]] = row
    assert secondary == Decimal("523.28")
    assert sum(Decimal(line["allowed_amount"]) for line in lines) == charged
    assert sum(Decimal(line["paid_amount"]) for line in lines) == by_payers - secondary


def test_each_encounter_has_one_claim_of_its_own_and_prescriptions_are_pharmacy_claims(sample, first_lines):
    assert Counter(encounter["Id"] for encounter, _, _ in first_lines) == Counter(
        row["Id"] for row in source_rows("encounters.csv")
    )
    pharmacy = [
        line
        for claim in of_type(sample, "claim")
        for line in claim["lines"]
        if line.get("place_of_service_code") == "01"
    ]
    assert len(pharmacy) == 1267 - 604
    assert not any("hcpcs_code" in line or "claim_line_end_date" in line for line in pharmacy)


def test_visits_are_billed_as_their_encounter_class_says(first_lines):
    seen = defaultdict(set)
    for encounter, claim, line in first_lines:
        how = claim.get("bill_type_code") or line["place_of_service_code"]
        seen[encounter["ENCOUNTERCLASS"]].add((claim["claim_type"], how, line.get("hcpcs_code", "")[:4]))
    assert seen["inpatient"] == {("institutional", "111", "")}
    assert seen["emergency"] == {("professional", "23", "9928")}
    assert {how for _, how, _ in seen["urgentcare"]} == {"20"}
    assert {code for _, _, code in seen["wellness"]} == {"9938", "9939", ""}
    assert {code for _, _, code in seen["ambulatory"]} == {"9920", "9921", ""}


def test_certifying_a_death_is_no_visit(first_lines):
    certified = [(claim, line) for encounter, claim, line in first_lines if encounter["CODE"] == "308646001"]
    assert len(certified) == 2
    assert all("hcpcs_code" not in line and claim["claim_status"] == "pending" for claim, line in certified)


def test_a_patient_is_new_only_on_the_first_visit_to_an_organisation_in_three_years(first_lines):
    last_seen = {}
    for encounter, _, line in sorted(first_lines, key=lambda found: found[0]["START"]):
        key = encounter["PATIENT"], encounter["ORGANIZATION"]
        if line.get("hcpcs_code", "")[:4] in ("9938", "9920"):
            assert last_seen.get(key, "0000") <= f"{int(encounter['START'][:4]) - 3}{encounter['START'][4:]}"
        last_seen[key] = encounter["START"]


def test_all_events_are_well_formed_records_and_in_order_of_acceptance(sample):
    for event in sample:
        record = msgspec.json.decode(json.dumps(event), type=Record)
        assert set(event) <= {*record.__struct_fields__, "event_type"}
    assert [event["accepted_at"] for event in sample] == sorted(event["accepted_at"] for event in sample)


def test_no_line_ends_before_it_starts_or_is_accepted_before_it(sample):
    for claim in of_type(sample, "claim"):
        for line in claim["lines"]:
            end = line.get("claim_line_end_date", line["claim_line_start_date"])
            assert line["claim_line_start_date"] <= end <= claim["accepted_at"][:10]


def test_made_up_npis_are_valid_distinct_and_always_the_same(sample):
    providers, practices = of_type(sample, "provider"), of_type(sample, "practice")
    npis = [event["npi"] for event in providers] + [npi for event in practices for npi in event["organisation_npis"]]
    assert len(npis) == len(set(npis)) == 166 + 63
    assert all(npi == with_check_digit(npi[:9]) for npi in npis)
    assert npi_of("0f4db68f-7743-3960-b373-4a47d811dec2") == "1367278946"
    assert {line["rendering_npi"] for claim in of_type(sample, "claim") for line in claim["lines"]} <= set(npis)


def test_the_roster_has_every_provider_and_calls_physicians_of_primary_care_pcps(sample):
    rows = {npi_of(row["Id"]): row for row in source_rows("providers.csv")}
    pcps = {rows[event["npi"]]["SPECIALITY"] for event in of_type(sample, "provider") if event["is_pcp"]}
    assert pcps == {"GENERAL PRACTICE", "FAMILY PRACTICE", "INTERNAL MEDICINE"}
    assert len(rows) == len(of_type(sample, "provider"))


def test_insured_years_are_spans_that_never_overlap_and_uninsured_ones_are_none(sample):
    none = next(row["Id"] for row in source_rows("payers.csv") if row["NAME"] == "NO_INSURANCE")
    insured = [row for row in source_rows("payer_transitions.csv") if row["PAYER"] != none]
    spans = of_type(sample, "enrollment")
    latest = {(span["payer"], span["member_id"], span["span_id"]): span for span in spans}
    assert len(latest) == len(insured) == 793
    by_person = defaultdict(list)
    for span in latest.values():
        if span["enrollment_end_date"] < span["enrollment_start_date"]:
            assert span["maintenance_type_code"] == "024"
            continue
        by_person[span["person_id"]].append((span["enrollment_start_date"], span["enrollment_end_date"]))
    for own in map(sorted, by_person.values()):
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(own))


def test_a_death_is_known_only_after_it_and_ends_the_span(sample):
    deaths = [span for span in of_type(sample, "enrollment") if "death_date" in span]
    assert [(span["death_date"], span["enrollment_end_date"], span["span_version"]) for span in deaths] == [
        ("1976-07-25", "1976-07-25", 2),
        ("2004-03-21", "2004-03-21", 2),
    ]
    assert all(span["accepted_at"] > span["death_date"] for span in deaths)


def test_an_unknown_speciality_is_named_with_its_row(export, left_out):
    path = export / "providers.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("GENERAL PRACTICE", "ALCHEMY", 1), encoding="utf-8")
    with pytest.raises(SourceError, match=r"providers\.csv row 2: speciality ALCHEMY"):
        list(synthea.events(export, left_out))


def test_an_unknown_encounter_class_is_named_with_its_row(export, left_out):
    path = export / "encounters.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("ambulatory", "levitation", 1), encoding="utf-8")
    with pytest.raises(SourceError, match=r"encounters\.csv row 2: .*levitation"):
        list(synthea.events(export, left_out))


def test_a_missing_column_or_file_is_named(export, left_out):
    path = export / "payers.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("NAME", "LABEL", 1), encoding="utf-8")
    with pytest.raises(SourceError, match=r"payers\.csv has no column NAME"):
        list(synthea.events(export, left_out))
    path.unlink()
    with pytest.raises(SourceError, match=r"payers\.csv is missing"):
        list(synthea.events(export, left_out))
