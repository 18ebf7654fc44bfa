"""Publishing: which topic, partition and key a line of an event file is sent to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.codec import Codec
from schemas.keys import partition_of
from schemas.registry import EmbeddedRegistry
from state.engine import Refusal
from streams.publishing import decode, message_of
from tests.event_files import asked, decided, listed, plan_list, plan_run, practice_result, span

CODEC = Codec(EmbeddedRegistry())


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        (span(), "enrollments"),
        (listed("2025-06", "A"), "plan-attributions"),
        (asked("add", "A", "2025-06-01"), "requests"),
        (decided("add", "A", "2025-06-01"), "requests"),
        (practice_result(), "requests"),
    ],
)
def test_a_fact_of_a_member_goes_to_its_topic_under_the_members_key(event: dict[str, Any], topic: str) -> None:
    record = decode(CODEC, json.dumps(event).encode())
    assert not isinstance(record, Refusal)
    message = message_of(CODEC, record, prefix="t.", partitions=7, history=False)
    assert (message.topic, message.key, message.partition) == (f"t.{topic}", b"acme|M", partition_of("acme|M", 7))
    assert CODEC.decode_input(topic, message.value or b"") == record


@pytest.mark.parametrize(("event", "key"), [(plan_run(), b"payer:acme"), (plan_list("2025-06"), b"feed_manifest:acme")])
def test_a_reference_record_goes_to_the_one_partition_of_reference(event: dict[str, Any], key: bytes) -> None:
    record = decode(CODEC, json.dumps(event).encode())
    assert not isinstance(record, Refusal)
    message = message_of(CODEC, record, prefix="t.", partitions=1, history=False)
    assert (message.topic, message.key, message.partition) == ("t.reference", key, 0)


CONTRACT: dict[str, Any] = {
    "event_type": "contract",
    "contract_id": "C1",
    "payer": "acme",
    "practice_id": "A",
    "payee_name": "Practice A Inc.",
    "payee_tin": "950000001",
    "track": "A",
    "effective_from": "2024-07-01",
    "base_pmpm": "32.00",
    "incentive_max_pct": 15,
}
POSTED: dict[str, Any] = {
    "event_type": "payment_posted",
    "payer": "acme",
    "payee_tin": "950000001",
    "statement_id": "S",
    "amount": "48.00",
    "date": "2025-07-10",
    "trace_no": "T1",
}


@pytest.mark.parametrize(("event", "key"), [(CONTRACT, b"contract:C1"), (POSTED, b"payment_posted:acme")])
def test_records_of_money_are_reference(event: dict[str, Any], key: bytes) -> None:
    record = decode(CODEC, json.dumps(event).encode())
    assert not isinstance(record, Refusal)
    message = message_of(CODEC, record, prefix="t.", partitions=1, history=False)
    assert (message.topic, message.key, message.partition) == ("t.reference", key, 0)


def test_a_key_that_no_contract_has_is_refused_before_it_is_lost() -> None:
    refused = decode(CODEC, json.dumps(CONTRACT | {"initial_pctt": "0.8"}).encode())
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.field) == ("contract_mistake", "initial_pctt")
    assert "did you mean initial_pct" in refused.message
