"""Schemas identified by a real registry: ours registered under FULL_TRANSITIVE, those of plans read."""

from __future__ import annotations

import copy
import datetime as dt
import io
import json
import struct
from collections.abc import Iterator

import fastavro
import msgspec
import pytest
from confluent_kafka.schema_registry import Schema as Registered
from confluent_kafka.schema_registry import SchemaRegistryClient

from ops.brokers.registry import SchemaRegistry
from schemas.codec import Codec, Undecodable
from schemas.records import Claim, ClaimLine
from schemas.registry import RegistryAway, RegistryError, RemoteRegistry, newest
from schemas.topics import TOPICS

CLAIM = Claim(
    payer="aetna",
    member_id="M1",
    payer_claim_control_number="C1",
    claim_frequency_code="1",
    claim_status="paid",
    claim_type="professional",
    lines=(ClaimLine(claim_line_number=1, claim_line_start_date=dt.date(2025, 1, 10), hcpcs_code="99213"),),
)


@pytest.fixture
def remote(registry: SchemaRegistry, topic_prefix: str) -> Iterator[RemoteRegistry]:
    opened = RemoteRegistry(registry.url, topic_prefix)
    yield opened
    opened.close()


def test_our_schemas_are_registered_once_and_written_with_the_registrys_numbers(
    registry: SchemaRegistry, remote: RemoteRegistry, topic_prefix: str
) -> None:
    again = RemoteRegistry(registry.url, topic_prefix)
    assert [remote.id_of(topic.name) for topic in TOPICS] == [again.id_of(topic.name) for topic in TOPICS]
    again.close()
    codec = Codec(remote)
    data = codec.encode_record(CLAIM)
    assert struct.unpack(">bi", data[:5]) == (0, remote.id_of("claims"))
    assert codec.decode_input("claims", data) == CLAIM


def test_the_registry_refuses_a_breaking_version_and_a_plans_compatible_one_is_read(
    registry: SchemaRegistry, remote: RemoteRegistry, topic_prefix: str
) -> None:
    newer = copy.deepcopy(newest("claims"))
    newer["fields"].append({"name": "network", "type": ["null", "string"], "default": None})
    breaking = copy.deepcopy(newest("claims"))
    breaking["fields"].append({"name": "urgency", "type": "string"})
    subject = f"{topic_prefix}claims-value"
    with SchemaRegistryClient({"url": registry.url}) as client:
        with pytest.raises(Exception, match=r"(?i)compatib|409"):
            client.register_schema(subject, Registered(json.dumps(breaking), "AVRO"))
        number = client.register_schema(subject, Registered(json.dumps(newer), "AVRO"))
    raw = {**msgspec.to_builtins(CLAIM, builtin_types=(dt.date,)), "network": "in"}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(newer, named_schemas={}), raw)
    assert Codec(remote).decode_input("claims", struct.pack(">bi", 0, number) + out.getvalue()) == CLAIM


def test_a_number_the_registry_does_not_know_is_refused_with_what_to_do(remote: RemoteRegistry) -> None:
    with pytest.raises(Undecodable, match="no schema has id 987654 here") as refused:
        Codec(remote).decode_input("claims", struct.pack(">bi", 0, 987_654) + b"x")
    assert refused.value.reason == "unknown_schema"


@pytest.mark.parametrize(
    ("text", "kind"),
    [('{"type": "object", "properties": {}}', "JSON"), ('syntax = "proto3"; message A {}', "PROTOBUF")],
)
def test_a_schema_that_is_not_avro_sends_its_record_to_quarantine(
    registry: SchemaRegistry, remote: RemoteRegistry, topic_prefix: str, text: str, kind: str
) -> None:
    with SchemaRegistryClient({"url": registry.url}) as client:
        number = client.register_schema(f"{topic_prefix}{kind}", Registered(text, kind))
    for _ in range(2):
        with pytest.raises(Undecodable, match=f"schema {number} is not an Avro schema: register it as Avro") as refused:
            Codec(remote).decode_input("claims", struct.pack(">bi", 0, number) + b"x")
        assert refused.value.reason == "unknown_schema"


def test_an_avro_schema_of_something_else_sends_its_record_to_quarantine(
    registry: SchemaRegistry, remote: RemoteRegistry, topic_prefix: str
) -> None:
    other = {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "int"}]}
    with SchemaRegistryClient({"url": registry.url}) as client:
        number = client.register_schema(f"{topic_prefix}other", Registered(json.dumps(other), "AVRO"))
    with pytest.raises(Undecodable, match=f"schema {number} is not a version of this topic's schema") as refused:
        Codec(remote).decode_input("claims", struct.pack(">bi", 0, number) + b"\x02")
    assert refused.value.reason == "incompatible_schema"


def test_a_registry_that_goes_away_while_we_work_is_said_in_one_sentence(topic_prefix: str) -> None:
    with SchemaRegistry() as own:
        remote = RemoteRegistry(own.url, topic_prefix)
        known = remote.id_of("claims")
        assert remote.schema(known)["name"] == "Claim"
    with pytest.raises(RegistryAway, match=r"does not answer.*nothing was acknowledged"):
        remote.schema(987_654)
    assert remote.schema(known)["name"] == "Claim"
    remote.close()


def test_a_registry_that_is_away_is_said_in_one_sentence(topic_prefix: str) -> None:
    with pytest.raises(RegistryError, match="does not answer"):
        RemoteRegistry("http://127.0.0.1:9", topic_prefix)
