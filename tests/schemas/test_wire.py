"""What is said on the wire stays readable: round trips, refusals without data, schema versions, keys."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import hashlib
import io
import json
import re
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import compatibility
from schemas.codec import OUTPUT_OF_TOPIC, TOPIC_OF, Codec, Undecodable
from schemas.keys import member_key, partition_of, split_member_key
from schemas.money import (
    Contract,
    Factor,
    LedgerEntry,
    MoneySaid,
    PaymentPosted,
    PracticeTypeRule,
    ServiceClass,
    SnapshotUse,
    Statement,
    StatementLine,
    StatementRelease,
    TableUse,
)
from schemas.npi import valid_npi
from schemas.records import (
    Adjustment,
    Aggregate,
    Alert,
    Attribution,
    AttributionChange,
    AttributionDecision,
    AttributionRequest,
    Claim,
    ClaimLine,
    Clinical,
    Close,
    CloseAnnul,
    Contact,
    Coverage,
    Enrollment,
    Envelope,
    FeedManifest,
    Gaps,
    MeasureResult,
    PanelEntry,
    PanelList,
    Partial,
    PartialSums,
    PayerRecord,
    PcpSelection,
    PeopleCount,
    Period,
    PharmacyClaim,
    PlanAttribution,
    Practice,
    PracticeResult,
    Provider,
    RateGap,
    RateResult,
    RateSums,
    Refused,
    Snapshot,
    SurveyResult,
    Table,
    Tick,
    Version,
)
from schemas.registry import EmbeddedRegistry, Schema, UnknownSchema, index, newest, schema_file
from schemas.topics import TOPICS
from schemas.unions import Record

CODEC = Codec(EmbeddedRegistry())
TIMES = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001 - bounds
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
MONEY = st.decimals(Decimal("-9999.99"), Decimal("9999.99"), places=2)
DATES = st.dates(dt.date(1900, 1, 1), dt.date(9999, 12, 31))


def records(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any record of a type, every optional field given or not."""
    special = {dt.datetime: TIMES, dt.date: DATES, Decimal: MONEY, str: TEXT, int: st.integers(-(2**31), 2**31 - 1)}
    fields = {}
    for field in msgspec.structs.fields(kind):
        strategy = _strategy(field.type, special)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        fields[field.name] = strategy if field.required else st.one_of(st.just(default), strategy)
    return st.builds(kind, **fields)


def _strategy(kind: Any, special: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    if hasattr(kind, "__supertype__"):
        return _strategy(kind.__supertype__, special)
    if kind in special:
        return special[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return records(kind)
    if hasattr(kind, "__metadata__"):
        pattern = kind.__metadata__[0].pattern
        if pattern is not None:
            return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
        return _strategy(kind.__origin__, special)
    origin, arguments = getattr(kind, "__origin__", None), getattr(kind, "__args__", ())
    if origin is tuple:
        return st.lists(_strategy(arguments[0], special), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXT, _strategy(arguments[1], special), max_size=3)
    if kind.__class__.__name__ in {"UnionType", "_UnionGenericAlias"}:
        # An empty text that may be absent is read as absent.
        return st.one_of([_strategy(one, special) for one in arguments]).filter(lambda value: value != "")
    if kind is type(None):
        return st.none()
    return st.from_type(kind)


INPUTS = [
    *(Claim, PharmacyClaim, Clinical, Enrollment, PcpSelection, PlanAttribution),
    *(AttributionRequest, AttributionDecision, PracticeResult),
    *(Provider, Practice, PayerRecord, Table, FeedManifest, Period, Contract, PaymentPosted),
]


@pytest.mark.parametrize("kind", INPUTS)
@settings(max_examples=40)
@given(data=st.data())
def test_every_input_record_survives_avro_json_and_the_compact_facts(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    assert CODEC.decode_input(TOPIC_OF[kind], CODEC.encode_record(record)) == record
    assert CODEC.from_json(CODEC.to_json(record)) == record
    assert CODEC.decode_facts(str(kind.__struct_config__.tag), CODEC.encode_facts(record)) == record


@settings(max_examples=40)
@given(data=st.data())
def test_every_control_record_survives_the_log(data: st.DataObject) -> None:
    record = data.draw(
        st.one_of(
            [
                records(kind)
                for kind in (
                    Provider,
                    Practice,
                    PayerRecord,
                    Table,
                    FeedManifest,
                    Period,
                    Tick,
                    Close,
                    CloseAnnul,
                    Partial,
                    PartialSums,
                    Contract,
                    PaymentPosted,
                    StatementRelease,
                )
            ]
        )
    )
    assert CODEC.decode_control(CODEC.encode_control(record)) == record


@pytest.mark.parametrize("topic", sorted(OUTPUT_OF_TOPIC))
@settings(max_examples=40)
@given(data=st.data())
def test_every_output_survives_with_its_version(topic: str, data: st.DataObject) -> None:
    record = data.draw(records(OUTPUT_OF_TOPIC[topic]))
    version = data.draw(st.none() | st.builds(Version, st.integers(0, 99), st.integers(0, 2**40), st.integers(0, 99)))
    assert CODEC.decode_output(topic, CODEC.encode_output(topic, record, version)) == (record, version)


@given(records(Envelope).filter(lambda e: e.sequence is None or e.sequence >= 0))
def test_an_envelope_survives(envelope: Envelope) -> None:
    assert CODEC.decode_envelope(CODEC.encode_envelope(envelope)) == envelope


def claim(**changes: Any) -> Claim:
    given_: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "M1",
        "payer_claim_control_number": "C1",
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "claim_type": "professional",
        "lines": (ClaimLine(claim_line_number=1, claim_line_start_date=dt.date(2025, 1, 10), hcpcs_code="99213"),),
    }
    return Claim(**{**given_, **changes})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_avro"),
        (b'{"payer": "aetna"}', "not_avro"),
        (struct.pack(">bi", 0, 99_999) + b"x", "unknown_schema"),
        (CODEC.encode_record(claim())[:-3], "undecodable"),
        (CODEC.encode_record(claim()) + b"more", "undecodable"),
    ],
)
def test_bytes_that_are_no_record_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as refused:
        CODEC.decode_input("claims", data)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"claim_frequency_code": "3"}, "not_in_list", "claim_frequency_code"),
        ({"claim_status": "maybe-M1"}, "not_in_list", "claim_status"),
        ({"claim_type": "dental"}, "not_in_list", "claim_type"),
        ({"member_id": 7}, "wrong_type", "member_id"),
        ({"paid_date": "2025-02-30"}, "impossible_date", "paid_date"),
        (
            {"lines": [{"claim_line_number": "one", "claim_line_start_date": "2025-01-01"}]},
            "wrong_type",
            "lines.claim_line_number",
        ),
        ({"lines": [{"claim_line_number": 1}]}, "missing_value", "lines.claim_line_start_date"),
    ],
)
def test_a_line_that_does_not_fit_is_refused_by_its_field_and_without_its_value(
    changes: dict[str, Any], reason: str, field: str
) -> None:
    line = {**json.loads(CODEC.to_json(claim())), **changes}
    with pytest.raises(Undecodable) as refused:
        CODEC.from_json(json.dumps(line))
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert "M1" not in refused.value.message


def test_a_value_outside_a_closed_list_can_travel_and_is_refused_at_intake() -> None:
    raw = msgspec.to_builtins(claim(), builtin_types=(dt.date,))
    raw["claim_status"] = "lost"
    data = CODEC._encode("claims", raw)
    with pytest.raises(Undecodable) as refused:
        CODEC.decode_input("claims", data)
    assert (refused.value.reason, refused.value.field) == ("not_in_list", "claim_status")


def test_a_date_that_does_not_exist_in_avro_is_refused() -> None:
    schema = json.loads(json.dumps(newest("pcp-selections")))
    for field in schema["fields"]:
        if field["name"] == "effective_from":
            field["type"] = "int"
    selection = PcpSelection(
        payer="a", member_id="m", selection_id="s", selection_version=1, pcp_npi="1", selection_source="member_selected",
        effective_from=dt.date(2025, 1, 1),
    )  # fmt: skip
    raw = msgspec.to_builtins(selection, builtin_types=(dt.date,)) | {"effective_from": 2**31 - 1}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas={}), raw)
    with pytest.raises(Undecodable) as refused:
        CODEC.decode_input(
            "pcp-selections", struct.pack(">bi", 0, index()["pcp-selections"]["1"]["id"]) + out.getvalue()
        )
    assert refused.value.reason == "impossible_value"


# -- identity -----------------------------------------------------------------------------------------------------------


def test_an_event_id_is_the_sources_or_follows_from_key_and_version() -> None:
    assert CODEC.event_id_of(claim(event_id="E9")) == "E9"
    versioned = CODEC.event_id_of(claim(claim_version=2))
    assert versioned == CODEC.event_id_of(claim(claim_version=2, claim_status="denied"))
    assert versioned != CODEC.event_id_of(claim(claim_version=3))
    assert versioned != CODEC.event_id_of(claim(claim_version=2, claim_frequency_code="8"))


def test_without_a_version_two_claims_are_one_event_only_if_they_say_the_same() -> None:
    first = claim(source_file="a.ndjson", source_row=1, accepted_at=dt.datetime(2025, 1, 1, tzinfo=dt.UTC))
    assert CODEC.event_id_of(first) == CODEC.event_id_of(claim(source_file="b.ndjson", source_row=7))
    assert CODEC.event_id_of(first) != CODEC.event_id_of(claim(claim_status="denied"))
    assert CODEC.content_digest(first) == CODEC.content_digest(claim())


def test_two_practices_in_one_version_of_a_list_are_two_events() -> None:
    one, other = (
        PlanAttribution(payer="a", member_id="m", attribution_month="2025-06", practice_id=practice, list_version=1)  # type: ignore[arg-type]
        for practice in "AB"
    )
    assert CODEC.event_id_of(one) != CODEC.event_id_of(other)


def test_a_request_and_its_decision_are_two_events() -> None:
    about: dict[str, Any] = {
        "payer": "a",
        "member_id": "m",
        "practice_id": "A",
        "request": "add",
        "effective_from": dt.date(2025, 6, 1),
    }
    asked = AttributionRequest(**about, reason="r", due_date=dt.date(2025, 7, 1))
    assert CODEC.event_id_of(asked) != CODEC.event_id_of(AttributionDecision(**about, decision="accepted"))


def test_a_member_fact_does_not_belong_on_the_topic_of_another() -> None:
    raw = {"event_type": "claim", "attribution_request": None, "attribution_decision": None}
    with pytest.raises(Undecodable) as refused:
        CODEC.decode_input("requests", CODEC._encode("requests", raw))
    assert (refused.value.reason, refused.value.field) == ("unknown_event_type", "event_type")


def test_an_alert_of_the_release_before_is_read_as_the_rule_of_the_payer() -> None:
    schema = fastavro.parse_schema(schema_file("alert-history", 1), named_schemas={})
    raw = dict.fromkeys(field["name"] for field in schema_file("alert-history", 1)["fields"])
    raw |= {"payer": "a", "member_id": "m", "practice_id": "A", "as_of": dt.date(2025, 6, 30), "state": "raised"}
    raw |= {"reason": "outranked", "ruleset": "guide", "engine_version": "1"}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, raw)
    number = index()["alert-history"]["1"]["id"]
    alert, _ = CODEC.decode_output("alert-history", struct.pack(">bi", 0, number) + out.getvalue())
    assert alert.shadow is False


# -- schema files -------------------------------------------------------------------------------------------------------


def _records_of(schema: Any) -> list[Schema]:
    if isinstance(schema, list):
        return [record for branch in schema for record in _records_of(branch)]
    if isinstance(schema, dict):
        if schema.get("type") == "record":
            return [schema, *(record for field in schema["fields"] for record in _records_of(field["type"]))]
        return _records_of(schema.get("items"))
    return []


@pytest.mark.parametrize("topic", [topic.name for topic in TOPICS])
def test_every_record_and_field_says_what_it_is(topic: str) -> None:
    for record in _records_of(newest(topic)):
        assert record["doc"].strip()
        assert [field["name"] for field in record["fields"] if not field.get("doc", "").strip()] == []


@pytest.mark.parametrize(
    ("kind", "topic", "name"),
    [
        (Claim, "claims", "Claim"),
        (ClaimLine, "claims", "ClaimLine"),
        (PharmacyClaim, "pharmacy-claims", "PharmacyClaim"),
        (Clinical, "clinical", "Clinical"),
        (Enrollment, "enrollments", "Enrollment"),
        (Coverage, "enrollments", "Coverage"),
        (Contact, "enrollments", "Contact"),
        (PcpSelection, "pcp-selections", "PcpSelection"),
        (PlanAttribution, "plan-attributions", "PlanAttribution"),
        (AttributionRequest, "requests", "AttributionRequest"),
        (AttributionDecision, "requests", "AttributionDecision"),
        (PracticeResult, "requests", "PracticeResult"),
        (MeasureResult, "measures", "MeasureResult"),
        (RateResult, "measures", "RateResult"),
        (Gaps, "gaps", "Gaps"),
        (RateGap, "gaps", "Gap"),
        (Aggregate, "aggregates", "Aggregate"),
        (Provider, "reference", "Provider"),
        (Practice, "reference", "Practice"),
        (PayerRecord, "reference", "PayerRecord"),
        (Table, "reference", "ProgramTable"),
        (FeedManifest, "control", "FeedManifest"),
        (Period, "reference", "Period"),
        (Close, "control", "Close"),
        (CloseAnnul, "control", "CloseAnnul"),
        (Partial, "control", "Partial"),
        (PartialSums, "control", "PartialSums"),
        (RateSums, "control", "RateSums"),
        (PanelEntry, "panels", "PanelEntry"),
        (PanelList, "panels", "PanelList"),
        (Snapshot, "snapshots", "Snapshot"),
        (Adjustment, "adjustments", "Adjustment"),
        (Tick, "control", "Tick"),
        (Envelope, "member-events", "Envelope"),
        (Attribution, "attribution", "Attribution"),
        (AttributionChange, "attribution-changes", "AttributionChange"),
        (Alert, "attribution-alerts", "Alert"),
        (Alert, "alert-history", "Alert"),
        (Refused, "quarantine", "Refused"),
        (PeopleCount, "control", "PeopleCount"),
        (Contract, "reference", "Contract"),
        (Contract, "control", "Contract"),
        (ServiceClass, "control", "ServiceClass"),
        (PracticeTypeRule, "control", "PracticeTypeRule"),
        (TableUse, "control", "TableUse"),
        (PaymentPosted, "reference", "PaymentPosted"),
        (PaymentPosted, "control", "PaymentPosted"),
        (SurveyResult, "reference", "SurveyResult"),
        (SurveyResult, "control", "SurveyResult"),
        (StatementRelease, "control", "StatementRelease"),
        (MoneySaid, "statements", "MoneySaid"),
        (Statement, "statements", "Statement"),
        (StatementLine, "statements", "StatementLine"),
        (SnapshotUse, "statements", "SnapshotUse"),
        (Factor, "statements", "Factor"),
        (LedgerEntry, "statements", "LedgerEntry"),
    ],
)
def test_records_and_schemas_have_the_same_fields(kind: type[msgspec.Struct], topic: str, name: str) -> None:
    record = next(record for record in _records_of(newest(topic)) if record["name"] == name)
    assert {field["name"] for field in record["fields"]} - {"version"} == set(kind.__struct_fields__) - {"version"}


def test_a_landed_schema_never_changes_and_its_number_is_its_own() -> None:
    numbers = [entry["id"] for versions in index().values() for entry in versions.values()]
    assert len(numbers) == len(set(numbers))
    assert set(index()) == {topic.name for topic in TOPICS}
    for topic, versions in index().items():
        for version, entry in versions.items():
            text = json.dumps(schema_file(topic, int(version)), sort_keys=True, separators=(",", ":"))
            assert hashlib.sha256(text.encode()).hexdigest() == entry["fingerprint"], (
                f"{topic}/{version}.avsc was changed"
            )


def test_the_schemas_of_this_release_are_fully_compatible_with_all_before_them() -> None:
    assert compatibility.main() == 0


def _with_field(schema: Schema, field: dict[str, Any]) -> Schema:
    changed = copy.deepcopy(schema)
    changed["fields"].append(field)
    return changed


def _without(schema: Schema, name: str) -> Schema:
    changed = copy.deepcopy(schema)
    changed["fields"] = [field for field in changed["fields"] if field["name"] != name]
    return changed


def _retyped(schema: Schema, name: str, kind: str) -> Schema:
    changed = copy.deepcopy(schema)
    next(field for field in changed["fields"] if field["name"] == name)["type"] = kind
    return changed


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda s: _with_field(s, {"name": "urgency", "type": "string"}), "urgency"),
        (lambda s: _without(s, "claim_type"), "claim_type"),
        (lambda s: _retyped(s, "claim_status", "int"), "claim_status"),
    ],
)
def test_a_breaking_change_is_refused_with_the_field_named(change: Any, field: str) -> None:
    found = list(compatibility.breaks({"1": newest("claims"), "2": change(newest("claims"))}))
    assert found
    assert any(field in sentence for sentence in found)


def test_an_optional_field_may_come_and_go() -> None:
    added = _with_field(newest("claims"), {"name": "network", "type": ["null", "string"], "default": None})
    assert list(compatibility.breaks({"1": newest("claims"), "2": added, "3": _without(added, "drg_code")})) == []


@dataclasses.dataclass
class OtherWriters:
    """A registry that knows an older and a newer writer of claims beside us."""

    schemas: dict[int, Schema]

    def id_of(self, topic: str) -> int:
        return EmbeddedRegistry().id_of(topic)

    def schema(self, number: int) -> Schema:
        if number in self.schemas:
            return self.schemas[number]
        raise UnknownSchema(number)


def test_records_of_an_older_and_of_a_newer_writer_are_both_read() -> None:
    older = _without(newest("claims"), "discharge_disposition_code")
    newer = _with_field(newest("claims"), {"name": "network", "type": ["null", "string"], "default": None})
    codec = Codec(OtherWriters({501: older, 502: newer}))
    raw = msgspec.to_builtins(claim(), builtin_types=(dt.date,))
    for number, schema, more in ((501, older, {}), (502, newer, {"network": "in"})):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema), named_schemas={}), {**raw, **more})
        assert codec.decode_input("claims", struct.pack(">bi", 0, number) + out.getvalue()) == claim()


GOLDEN = Path(__file__).parent / "golden"


def test_facts_of_every_format_version_ever_written_are_still_read() -> None:
    """A file per version: lines of hex, kind and the JSON that must come out."""
    files = sorted(GOLDEN.glob("facts-v*.txt"))
    assert files
    for file in files:
        for line in file.read_text().splitlines():
            kind, data, expected = line.split(" ", 2)
            record = CODEC.decode_facts(kind, bytes.fromhex(data))
            assert json.loads(CODEC.to_json(record)) == json.loads(expected)


LINE = '{"event_type": "claim", "payer": "p", "member_id": "m", "payer_claim_control_number": "c", "claim_frequency_code": "1", \
"claim_status": "paid", "claim_type": "professional", "lines": [{"claim_line_number": 1, "claim_line_start_date": "2025-01-10"%s}]%s}'


def test_a_null_is_the_same_as_nothing() -> None:
    nulls = LINE % (', "modifiers": null, "allowed_amount": null', ', "diagnosis_codes": null, "claim_id": null')
    assert CODEC.from_json(nulls) == CODEC.from_json(LINE % ("", ""))


@pytest.mark.parametrize(
    "amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "9" * 13, "0.0000001", "-1E12"]
)
def test_what_is_no_amount_of_money_is_refused_in_json_and_in_avro(amount: str) -> None:
    line = ClaimLine(claim_line_number=1, claim_line_start_date=dt.date(2025, 1, 10), allowed_amount=Decimal(amount))
    for read in (
        lambda: CODEC.from_json(LINE % (f', "allowed_amount": "{amount}"', "")),
        lambda: CODEC.decode_input("claims", CODEC.encode_record(msgspec.structs.replace(claim(), lines=(line,)))),
    ):
        with pytest.raises(Undecodable, match="is no amount of at most 12 digits and 6 decimals") as refused:
            read()
        assert (refused.value.reason, refused.value.field) == ("impossible_value", "lines.allowed_amount")


@pytest.mark.parametrize("amount", ["0", "-0.00", "999999999999.999999", "1E2", "120.00"])
def test_an_amount_of_money_is_taken_as_it_is(amount: str) -> None:
    record = CODEC.from_json(LINE % (f', "allowed_amount": "{amount}"', ""))
    assert isinstance(record, Claim)
    assert record.lines[0].allowed_amount == Decimal(amount)


@pytest.mark.parametrize(
    "line",
    [
        LINE % ("", f', "claim_version": {2**63}'),
        LINE % ("", f', "claim_version": {-(2**70)}'),
        LINE.replace('"claim_line_number": 1', f'"claim_line_number": {2**64}') % ("", ""),
        LINE % ("", f', "source_row": {2**65}'),
        LINE % ("", ', "more": ' + "[" * 100_000 + "]" * 100_000),
        "[" * 100_000,
        LINE % ("", ', "claim_id": "\\ud800"'),
        LINE % ("", ', "claim_version": 1e999'),
        json.dumps({"event_type": "plan_attribution", "payer": "aetna", "member_id": "M1", "practice_id": "A"})[:-1]
        + f', "attribution_month": "2025-07", "list_version": {2**63}}}',
    ],
    ids=["version", "negative", "line number", "row", "nested", "open", "surrogate", "float", "list version"],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(line: str) -> None:
    with pytest.raises(Undecodable) as refused:
        CODEC.from_json(line)
    assert refused.value.reason in {"wrong_type", "not_json"}


def test_a_mistake_before_what_is_no_json_is_refused_like_any_other() -> None:
    line = (LINE % ("", "")).encode().replace(b'"payer": "p"', b'"payer": 7')
    assert line.count(b'"payer": 7') == 1
    for broken in (line[:-5], line.replace(b'"paid"', b'"paid\xff"'), line[:-1] + b",}"):
        with pytest.raises(Undecodable) as refused:
            CODEC.from_json(broken)
        assert refused.value.reason == "not_json"


def test_the_mark_that_some_programs_put_before_utf_8_is_passed_over() -> None:
    line = LINE % ("", "")
    assert CODEC.from_json(b"\xef\xbb\xbf" + line.encode()) == CODEC.from_json(line)


def test_an_empty_text_that_may_be_absent_is_absent_in_a_file_and_on_the_wire() -> None:
    bare = CODEC.from_json(LINE % ("", ""))
    blank = LINE % (
        ', "rendering_npi": "", "rendering_taxonomy": ""',
        ', "claim_id": "", "billing_tin": "", "event_id": ""',
    )
    assert CODEC.from_json(blank) == bare
    assert isinstance(bare, Claim)
    line = msgspec.structs.replace(bare.lines[0], rendering_npi="", ndc_code="")
    sent = msgspec.structs.replace(bare, lines=(line,), billing_npi="", event_id="", source_file="")
    assert CODEC.decode_input("claims", CODEC.encode_record(sent)) == bare
    chosen = PcpSelection(
        payer="aetna", member_id="M1", selection_id="S", selection_version=1, pcp_npi="1234567893",  # type: ignore[arg-type]
        selection_source="member_selected", effective_from=dt.date(2025, 1, 1), practice_id="",  # type: ignore[arg-type]
    )  # fmt: skip
    read = CODEC.decode_input("pcp-selections", CODEC.encode_record(chosen))
    assert isinstance(read, PcpSelection)
    assert read.practice_id is None


@pytest.mark.parametrize("field", ["accepted_at", "occurred_at", "adjudicated_at"])
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_that_no_calendar_has_in_utc_is_refused_by_its_field(field: str, moment: str) -> None:
    with pytest.raises(Undecodable) as refused:
        CODEC.from_json(LINE % ("", f', "{field}": "{moment}"'))
    assert (refused.value.reason, refused.value.field) == ("impossible_date", field)


# -- keys ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "hashed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_murmur2_is_that_of_the_java_client(key: bytes, hashed: int) -> None:
    """Vectors of Apache Kafka's own UtilsTest."""
    assert murmur2(key) == hashed % 2**32
    assert partition_of(key.decode(), 24) == (hashed & 0x7FFFFFFF) % 24


def test_a_member_key_comes_apart_again() -> None:
    assert split_member_key(member_key("aetna", "M|1")) == ("aetna", "M|1")


@pytest.mark.parametrize(
    ("npi", "valid"), [("1234567893", True), ("1234567890", False), ("123456789", False), ("12345678\uff193", False)]
)
def test_an_npi_ends_in_its_check_digit(npi: str, valid: bool) -> None:
    assert valid_npi(npi) is valid
