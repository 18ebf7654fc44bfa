"""Intake: every record a plan sends becomes an envelope, a control record, or a row in quarantine; never nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP

from schemas.codec import TOPIC_OF, Codec
from schemas.keys import partition_of
from schemas.records import (
    AttributionDecision,
    AttributionRequest,
    Claim,
    ClaimLine,
    Clinical,
    Contact,
    Enrollment,
    FeedManifest,
    PcpSelection,
    PharmacyClaim,
    PlanAttribution,
    Position,
    Practice,
    PracticeResult,
    Provider,
    Record,
    Table,
)
from schemas.registry import EmbeddedRegistry
from schemas.topics import MOST_BYTES as MOST_OF_A_TOPIC
from streams.batching import Batch
from streams.intake import HISTORY_HEADER, MOST_BYTES, MOST_KEPT, ORIGIN_HEADER, Intake
from streams.producing import Message
from streams.rebuilding import LogRecord
from streams.vault import Vault

CODEC = Codec(EmbeddedRegistry())
NOW = dt.datetime(2025, 7, 1, 9, tzinfo=dt.UTC)
DAY = dt.date(2025, 6, 20)


class Kept:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, messages: Sequence[Message]) -> None:
        self.messages.extend(messages)


def line(number: int = 1, day: dt.date = DAY, **changes: Any) -> ClaimLine:
    return ClaimLine(claim_line_number=number, claim_line_start_date=day, hcpcs_code="99213", **changes)


def claim(*lines: ClaimLine, **changes: Any) -> Claim:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "M1",
        "payer_claim_control_number": "C1",
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "claim_type": "professional",
        "lines": lines or (line(),),
    }
    return Claim(**{**given, **changes})


def span(**changes: Any) -> Enrollment:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "M1",
        "span_id": "S1",
        "span_version": 1,
        "enrollment_start_date": dt.date(2024, 1, 1),
        "product": "PPO",
        "line_of_business": "commercial",
        "birth_date": dt.date(1980, 1, 1),
        "gender": "F",
    }
    return Enrollment(**{**given, **changes})


def dispensed(**changes: Any) -> PharmacyClaim:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "M1",
        "payer_claim_control_number": "P1",
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "ndc_code": "00093721410",
        "dispensing_date": DAY,
        "days_supply": 30,
        "quantity": Decimal(30),
    }
    return PharmacyClaim(**{**given, **changes})


def charted(**changes: Any) -> Clinical:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "M1",
        "record_id": "R1",
        "record_version": 1,
        "kind": "observation",
        "code_system": "LOINC",
        "code": "4548-4",
        "start": f"{DAY}",
    }
    return Clinical(**{**given, **changes})


def submitted(**changes: Any) -> PracticeResult:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "M1",
        "practice_id": "A",
        "result_id": "R1",
        "result_version": 1,
        "code_system": "LOINC",
        "code": "4548-4",
        "date": DAY,
        "value": Decimal("7.1"),
        "unit": "%",
        "document_ref": "D1",
        "state": "submitted",
    }
    return PracticeResult(**{**given, **changes})


def selection(**changes: Any) -> PcpSelection:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "NEVER-ENROLLED",
        "selection_id": "P1",
        "selection_version": 1,
        "pcp_npi": "1234567893",
        "selection_source": "member_selected",
        "effective_from": DAY,
    }
    return PcpSelection(**{**given, **changes})


def listed(**changes: Any) -> PlanAttribution:
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "M1",
        "attribution_month": "2025-07",
        "practice_id": "A",
        "list_version": 1,
    }
    return PlanAttribution(**{**given, **changes})


def asked(**changes: Any) -> AttributionRequest:
    about: dict[str, Any] = {"payer": "aetna", "member_id": "M1", "practice_id": "A", "request": "add"}
    given = {**about, "reason": "moved here", "effective_from": DAY, "due_date": DAY}
    return AttributionRequest(**{**given, **changes})


def decided(**changes: Any) -> AttributionDecision:
    about: dict[str, Any] = {"payer": "aetna", "member_id": "M1", "practice_id": "A", "request": "add"}
    return AttributionDecision(**{**about, "effective_from": DAY, "decision": "accepted", **changes})


async def taken(
    folder: Path, topic: str, *values: bytes, headers: tuple[tuple[str, bytes], ...] = ()
) -> tuple[list[Message], Vault]:
    sender, vault = Kept(), Vault(folder / "keys")
    intake = Intake(CODEC, vault, sender, prefix="t.", partitions=24, now=lambda: NOW)  # type: ignore[arg-type]
    records = tuple(
        LogRecord(f"t.{topic}", 3, 70 + place, 0, None, value, headers) for place, value in enumerate(values)
    )
    await intake.take(Batch(TP(f"t.{topic}", 3), 1, 70, 70 + len(values), records))
    return sender.messages, vault


async def test_how_to_reach_a_member_stands_on_the_log_only_under_the_payers_key(tmp_path: Path) -> None:
    data = CODEC.encode_record(span(contact=Contact(last_name="Featherstonehaugh", phone="555-0100")))
    (message,), vault = await taken(tmp_path, "enrollments", data)
    assert b"Featherstonehaugh" not in (message.value or b"")
    assert b"555-0100" not in (message.value or b"")
    envelope = CODEC.decode_envelope(message.value or b"")
    assert CODEC.decode_facts("enrollment", envelope.facts) == span()
    assert vault.open("aetna", envelope.original) == data


async def test_a_claim_becomes_an_envelope_for_its_member_with_its_position_and_its_bytes(tmp_path: Path) -> None:
    data = CODEC.encode_record(claim(line(rendering_npi="1234567890"), event_id="E1"))
    (message,), vault = await taken(tmp_path, "claims", data)
    envelope = CODEC.decode_envelope(message.value or b"")
    assert (message.topic, message.key, message.partition) == (
        "t.member-events",
        b"aetna|M1",
        partition_of("aetna|M1", 24),
    )
    assert (envelope.event_id, envelope.position, envelope.accepted_at) == ("E1", Position("claims", 3, 70), NOW)
    assert envelope.flags == ("npi_check_digit:lines.rendering_npi",)
    assert data not in envelope.original
    assert vault.open("aetna", envelope.original) == data


async def test_a_replayed_record_keeps_its_first_position(tmp_path: Path) -> None:
    headers = ((ORIGIN_HEADER, b"enrollments/7/1234"),)
    (message,), _ = await taken(tmp_path, "enrollments", CODEC.encode_record(span()), headers=headers)
    assert CODEC.decode_envelope(message.value or b"").position == Position("enrollments", 7, 1234)


@pytest.mark.parametrize(
    "header",
    [b"", b"claims", b"claims/x/1", b"\xff/0/1", b"claims/-1/5", b"claims/0/" + b"9" * 20, "claims/\u0661/1".encode()],
)
async def test_a_header_that_names_no_place_stops_nothing(tmp_path: Path, header: bytes) -> None:
    (message,), _ = await taken(
        tmp_path, "enrollments", CODEC.encode_record(span()), headers=((ORIGIN_HEADER, header),)
    )
    assert CODEC.decode_envelope(message.value or b"").position == Position("enrollments", 3, 70)


async def test_an_own_time_of_acceptance_counts_only_for_history(tmp_path: Path) -> None:
    then = dt.datetime(2024, 2, 3, tzinfo=dt.UTC)
    data = CODEC.encode_record(span(accepted_at=then))
    (live,), _ = await taken(tmp_path, "enrollments", data)
    (history,), _ = await taken(tmp_path, "enrollments", data, headers=((HISTORY_HEADER, b"1"),))
    assert CODEC.decode_envelope(live.value or b"").accepted_at == NOW
    assert CODEC.decode_envelope(history.value or b"").accepted_at == then


@pytest.mark.parametrize("then", [dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=dt.UTC)])
async def test_a_time_of_acceptance_that_cannot_be_is_quarantined_where_it_would_count(
    tmp_path: Path, then: dt.datetime
) -> None:
    data = CODEC.encode_record(claim(accepted_at=then))
    (live,), _ = await taken(tmp_path, "claims", data)
    (history,), _ = await taken(tmp_path, "claims", data, headers=((HISTORY_HEADER, b"1"),))
    assert CODEC.decode_envelope(live.value or b"").accepted_at == NOW
    refused, _ = CODEC.decode_output("quarantine", history.value or b"")
    assert (refused.reason, refused.field) == ("impossible_date", "accepted_at")


async def test_reference_records_go_to_control(tmp_path: Path) -> None:
    provider = Provider(npi="1234567893", practice_id="A", tin="95", taxonomy_code="207Q00000X", is_pcp=True,
                        effective_from=DAY, roster_version=1)  # fmt: skip
    (message,), _ = await taken(tmp_path, "reference", CODEC.encode_record(provider))
    assert (message.topic, message.partition) == ("t.control", 0)
    assert CODEC.decode_control(message.value or b"") == provider


@pytest.mark.parametrize(
    ("topic", "record", "reason", "field"),
    [
        ("claims", claim(line(day=dt.date(2025, 7, 3))), "service_date_in_future", "lines.claim_line_start_date"),
        ("claims", claim(line(day=dt.date(1805, 7, 3))), "impossible_date", "lines.claim_line_start_date"),
        ("claims", claim(line(claim_line_end_date=dt.date(2025, 6, 1))), "end_before_start", "lines.claim_line_end_date"),
        ("claims", claim(line(1), line(2), line(1)), "repeated_line_number", "lines.claim_line_number"),
        ("claims", claim(lines=()), "no_lines", "lines"),
        ("claims", claim(payer=""), "missing_value", "payer"),
        ("claims", claim(payer="a|b"), "bad_payer", "payer"),
        ("claims", claim(payer_claim_control_number=""), "missing_value", "payer_claim_control_number"),
        ("claims", claim(admission_date=DAY, discharge_date=dt.date(2025, 6, 1)), "end_before_start", "discharge_date"),
        ("pharmacy-claims", dispensed(payer_claim_control_number=""), "missing_value", "payer_claim_control_number"),
        ("pharmacy-claims", dispensed(ndc_code="9372141"), "bad_code", "ndc_code"),
        ("pharmacy-claims", dispensed(dispensing_date=dt.date(2025, 7, 3)), "service_date_in_future", "dispensing_date"),
        ("pharmacy-claims", dispensed(dispensing_date=dt.date(1805, 7, 3)), "impossible_date", "dispensing_date"),
        ("pharmacy-claims", dispensed(days_supply=0), "impossible_value", "days_supply"),
        ("pharmacy-claims", dispensed(quantity=Decimal(-1)), "impossible_value", "quantity"),
        ("clinical", charted(record_id=""), "missing_value", "record_id"),
        ("clinical", charted(code=" "), "missing_value", "code"),
        ("clinical", charted(code_system=""), "missing_value", "code_system"),
        ("clinical", charted(start="2025-02-29"), "impossible_date", "start"),
        ("clinical", charted(start="2025-06"), "impossible_date", "start"),
        ("clinical", charted(start="2025-06-01Z"), "impossible_date", "start"),
        ("clinical", charted(start="2025-06-01T08:30:00"), "impossible_date", "start"),
        ("clinical", charted(end="1025-06-01"), "impossible_date", "end"),
        ("clinical", charted(end="2025-06-01", start="2025-06-02"), "end_before_start", "end"),
        ("clinical", charted(start="2025-07-03"), "service_date_in_future", "start"),
        ("clinical", charted(value=Decimal(0)), "impossible_value", "value"),
        ("clinical", charted(value=Decimal("7.1"), unit="stones"), "unit_not_known", "unit"),
        ("clinical", charted(value=Decimal(154), unit="mg/dL"), "unit_not_known", "unit"),
        ("clinical", charted(code="8480-6", value=Decimal(0), unit="mm[Hg]"), "impossible_value", "value"),
        ("clinical", charted(code="8462-4", value=Decimal(-1)), "impossible_value", "value"),
        ("clinical", charted(code="8480-6", value=Decimal(16), unit="kPa"), "unit_not_known", "unit"),
        ("clinical", charted(code_system="our own list"), "unknown_code_system", "code_system"),
        ("clinical", charted(code="M1"), "bad_code", "code"),
        ("clinical", charted(code_system="RXNORM", code="000"), "bad_code", "code"),
        ("clinical", charted(code_system="NDC", code="M1-72"), "bad_code", "code"),
        ("clinical", charted(kind="condition", code_system="ICD-10-CM", code="diabetes"), "bad_code", "code"),
        ("clinical", charted(kind="procedure", code_system="CPT", code="A1c of M1"), "bad_code", "code"),
        ("clinical", charted(kind="immunization", code_system="CVX", code="flu"), "bad_code", "code"),
        ("requests", submitted(code_system="LOINK"), "unknown_code_system", "code_system"),
        ("requests", submitted(code_system=" "), "missing_value", "code_system"),
        ("requests", submitted(code="A1c of M1"), "bad_code", "code"),
        ("requests", submitted(code="4548"), "bad_code", "code"),
        ("requests", submitted(value=Decimal(154), unit="mg/dL"), "unit_not_known", "unit"),
        ("requests", submitted(date=dt.date(2025, 7, 3)), "service_date_in_future", "date"),
        ("requests", submitted(state="rejected"), "missing_value", "reason"),
        ("requests", submitted(document_ref=""), "missing_value", "document_ref"),
        ("enrollments", span(enrollment_end_date=dt.date(2023, 1, 1)), "end_before_start", "enrollment_end_date"),
        ("enrollments", span(birth_date=dt.date(2031, 1, 1)), "impossible_date", "birth_date"),
        ("enrollments", span(death_date=dt.date(1970, 1, 1)), "end_before_start", "death_date"),
        ("enrollments", span(death_date=dt.date(2025, 7, 3)), "impossible_date", "death_date"),
        ("pcp-selections", selection(effective_to=dt.date(2025, 1, 1)), "end_before_start", "effective_to"),
        ("plan-attributions", listed(attribution_month="2025-13"), "impossible_date", "attribution_month"),
        ("plan-attributions", listed(attribution_month="07/2025"), "impossible_date", "attribution_month"),
        ("plan-attributions", listed(attribution_month="2025-02-30"), "impossible_date", "attribution_month"),
        ("plan-attributions", listed(attribution_month="0000-01"), "impossible_date", "attribution_month"),
        ("plan-attributions", listed(attribution_month="1025-01"), "impossible_date", "attribution_month"),
        ("plan-attributions", listed(list_version=-1), "impossible_value", "list_version"),
        ("plan-attributions", listed(practice_id=""), "missing_value", "practice_id"),
        ("plan-attributions", listed(payer="a|b"), "bad_payer", "payer"),
        ("requests", asked(effective_to=dt.date(2025, 1, 1)), "end_before_start", "effective_to"),
        ("requests", asked(effective_from=dt.date(1025, 1, 1)), "impossible_date", "effective_from"),
        ("requests", asked(due_date=dt.date(9999, 12, 31)), "impossible_date", "due_date"),
        ("requests", asked(practice_id=""), "missing_value", "practice_id"),
        ("requests", decided(member_id=""), "missing_value", "member_id"),
        ("requests", decided(effective_to=dt.date(2025, 1, 1)), "end_before_start", "effective_to"),
        ("requests", decided(due_date=dt.date(1025, 1, 1)), "impossible_date", "due_date"),
        ("reference", Provider(npi="1234567893", practice_id="A", tin="95", taxonomy_code="x", is_pcp=True, roster_version=1,
                               effective_from=dt.date(2025, 3, 1), effective_to=dt.date(2025, 2, 1)),
         "end_before_start", "effective_to"),
        ("reference", FeedManifest(payer="a", feed="claims", file="f", list_version=1, covers_from=DAY,
                                   covers_to=dt.date(2025, 1, 1), records=1), "end_before_start", "covers_to"),
        ("reference", Provider(npi="", practice_id="A", tin="95", taxonomy_code="x", is_pcp=True, roster_version=1, effective_from=DAY),
         "missing_value", "npi"),
        ("reference", Provider(npi="1234567893", practice_id="", tin="95", taxonomy_code="x", is_pcp=True, roster_version=1,
                               effective_from=DAY), "missing_value", "practice_id"),
        ("reference", Practice(practice_id="", name="A", participating=True, effective_from=DAY), "missing_value", "practice_id"),
        ("pcp-selections", selection(selection_id=""), "missing_value", "selection_id"),
        ("pcp-selections", selection(pcp_npi=""), "missing_value", "pcp_npi"),
        ("reference", Table(kind="ruleset", name="guide", version="1", digest="abc", activated_from=DAY), "bad_digest", "digest"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_goes_to_quarantine_with_its_reason_field_and_bytes(
    tmp_path: Path, topic: str, record: Record, reason: str, field: str
) -> None:
    data = CODEC.encode_record(record)
    (message,), vault = await taken(tmp_path, topic, data)
    refused, version = CODEC.decode_output("quarantine", message.value or b"")
    assert (message.topic, message.key, version) == ("t.quarantine", f"{topic}/3/70".encode(), None)
    assert (refused.reason, refused.field) == (reason, field)
    assert (refused.topic, refused.partition, refused.offset) == (topic, 3, 70)
    assert "M1" not in refused.message
    assert vault.open(refused.payer or "", refused.original) == data


@pytest.mark.parametrize(
    "record",
    [
        claim(lines=(), claim_frequency_code="8", claim_status="reversed"),
        claim(line(day=dt.date(2025, 7, 2))),
        dispensed(),
        dispensed(ndc_code="0093-7214-10", prescriber_npi="1234567890"),
        dispensed(claim_frequency_code="8", claim_status="reversed", days_supply=0, quantity=Decimal(-30)),
        charted(value=Decimal("7.9"), unit="%", source="lab"),
        charted(start="2025-07-01T08:30:00-07:00", end="2025-07-01T16:30:00.123456789Z"),
        charted(kind="medication", intent="order", start="2025-08-01"),
        charted(not_done=True, reason_code="183932001"),
        charted(code_system="http://loinc.org|2.77", code=" 4548-4 "),
        charted(code_system="urn:oid:1.2.840.114350", code="our code"),
        charted(kind="condition", code_system="ICD-10-CM", code="e11.65 "),
        charted(kind="procedure", code_system="cpt", code="3044f"),
        charted(kind="immunization", code_system="CVX", code="3"),
        submitted(),
        submitted(state="accepted", decided_by="ann", result_version=2),
        submitted(state="rejected", reason="the document is of another test", value=None),
        span(maintenance_type_code="024", enrollment_end_date=dt.date(2023, 12, 31)),
        span(enrollment_end_date=dt.date(9999, 12, 31)),
        span(death_date=dt.date(2025, 7, 2)),
        selection(),
        selection(pcp_npi="1234567890"),
        selection(effective_to=DAY),
        listed(),
        listed(attribution_month="2025-07-31"),
        listed(npi="1234567890"),
        asked(effective_to=dt.date(9999, 12, 31)),
        decided(),
    ],
)
async def test_what_is_odd_but_right_is_accepted(tmp_path: Path, record: Record) -> None:
    (message,), _ = await taken(tmp_path, TOPIC_OF[type(record)], CODEC.encode_record(record))
    assert (message.topic, message.partition) == ("t.member-events", partition_of(message.key.decode(), 24))
    envelope = CODEC.decode_envelope(message.value or b"")
    assert CODEC.decode_facts(envelope.kind, envelope.facts) == record


async def test_an_npi_on_a_plans_list_that_cannot_be_one_is_flagged(tmp_path: Path) -> None:
    (message,), _ = await taken(tmp_path, "plan-attributions", CODEC.encode_record(listed(npi="1234567890")))
    assert CODEC.decode_envelope(message.value or b"").flags == ("npi_check_digit:npi",)


async def test_a_decision_outside_the_closed_list_is_refused_without_its_value(tmp_path: Path) -> None:
    raw = {
        "event_type": "attribution_decision",
        "attribution_decision": {
            "payer": "aetna", "member_id": "M1", "practice_id": "A", "request": "add", "effective_from": DAY, "decision": "M1-perhaps",
        },
    }  # fmt: skip
    (message,), _ = await taken(tmp_path, "requests", CODEC._encode("requests", raw))
    refused, _ = CODEC.decode_output("quarantine", message.value or b"")
    assert (refused.reason, refused.field) == ("not_in_list", "decision")
    assert "M1" not in refused.message


async def test_a_record_over_one_megabyte_and_one_that_is_no_avro_are_quarantined_beside_a_good_one(
    tmp_path: Path,
) -> None:
    messages, vault = await taken(tmp_path, "claims", b"x" * (MOST_BYTES + 1), b"{}", CODEC.encode_record(claim()))
    reasons = [
        CODEC.decode_output("quarantine", message.value or b"")[0].reason
        for message in messages
        if "quarantine" in message.topic
    ]
    assert (reasons, messages[2].topic) == (["too_large", "not_avro"], "t.member-events")
    refused, _ = CODEC.decode_output("quarantine", messages[1].value or b"")
    assert vault.open("", refused.original) == b"{}"


async def test_a_record_that_no_topic_of_ours_could_take_is_quarantined_as_far_as_it_goes(tmp_path: Path) -> None:
    data = b"x" * 6_000_000
    (message,), vault = await taken(tmp_path, "claims", data)
    assert len(message.value or b"") < MOST_OF_A_TOPIC - 1_000
    refused, _ = CODEC.decode_output("quarantine", message.value or b"")
    assert refused.reason == "too_large"
    assert refused.message.endswith("send it in parts; of its 6,000,000 bytes only the first 4,000,000 are kept here.")
    assert vault.open("", refused.original) == data[:MOST_KEPT]


async def test_a_record_that_the_log_could_not_take_is_quarantined_whole(tmp_path: Path) -> None:
    given = {"hcpcs_code": "1", "place_of_service_code": "1", "revenue_center_code": "1", "ndc_code": "1"}
    lines = [ClaimLine(claim_line_number=n, claim_line_start_date=DAY, **given) for n in range(1, 35_000)]  # type: ignore[arg-type]
    data = CODEC.encode_record(claim(*lines))
    assert len(data) < MOST_BYTES
    (message,), vault = await taken(tmp_path, "claims", data)
    refused, _ = CODEC.decode_output("quarantine", message.value or b"")
    assert (message.topic, refused.reason) == ("t.quarantine", "too_large")
    assert vault.open("aetna", refused.original) == data
