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
