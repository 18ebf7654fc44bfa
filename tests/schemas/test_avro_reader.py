"""The reader that is written for a schema gives what fastavro gives, and nothing where the bytes do not follow the schema."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro_reader import reader_of
from schemas.codec import INPUT_OF_TOPIC, Codec, Undecodable
from schemas.records import Envelope, Position
from schemas.registry import EmbeddedRegistry, newest

CODEC = Codec(EmbeddedRegistry())
TOPICS = [*INPUT_OF_TOPIC, "member-events"]
LONG = st.integers(-(2**63), 2**63 - 1)
MOMENT = st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2400, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001 - the zone is given
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=90),
    "bytes": st.binary(max_size=90),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": LONG,
    "boolean": st.booleans(),
    "date": st.dates(dt.date(1800, 1, 1), dt.date(2400, 1, 1)),
    "timestamp-micros": MOMENT,
}


def drawn(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type of our schemas."""
    if isinstance(kind, list):
        return st.none() | drawn(kind[1])
    if isinstance(kind, str):
        return OF_TYPE[kind]
    if kind["type"] == "record":
        return st.fixed_dictionaries({field["name"]: drawn(field["type"]) for field in kind["fields"]})
    if kind["type"] == "array":
        return st.lists(drawn(kind["items"]), max_size=3)
    return OF_TYPE[kind["logicalType"]]


def written(topic: str, raw: dict[str, Any]) -> bytes:
    """A record as fastavro writes it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(newest(topic), named_schemas={}), raw)
    return out.getvalue()


def without_nulls(raw: Any) -> Any:
    """A record without the fields that are null."""
    if isinstance(raw, dict):
        return {name: without_nulls(value) for name, value in raw.items() if value is not None}
    return [without_nulls(one) for one in raw] if isinstance(raw, list) else raw


@pytest.mark.parametrize("topic", TOPICS)
@settings(max_examples=40)
@given(st.data())
def test_what_is_read_is_what_fastavro_reads_but_for_nulls(topic: str, data: st.DataObject) -> None:
    read = reader_of(newest(topic))
    assert read is not None
    raw = data.draw(drawn(newest(topic)))
    assert read(b"head" + written(topic, raw), 4) == without_nulls(raw)


@settings(max_examples=150)
@given(st.data())
def test_bytes_that_do_not_follow_the_schema_are_never_read_otherwise_than_by_fastavro(data: st.DataObject) -> None:
    read = reader_of(newest("claims"))
    assert read is not None
    whole = bytearray(written("claims", data.draw(drawn(newest("claims")))))
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = bytes(
        data.draw(
            st.sampled_from(
                [
                    whole[:place],
                    whole + b"\0",
                    whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :],
                ]
            )
        )
    )
    try:
        found = read(broken, 0)
    except Exception:
        return
    stream = io.BytesIO(broken)
    assert found == without_nulls(
        fastavro.schemaless_reader(stream, fastavro.parse_schema(newest("claims"), named_schemas={}), None)
    )
    assert stream.tell() == len(broken)


def test_a_schema_with_what_is_not_known_has_no_reader() -> None:
    field = {"name": "amounts", "type": {"type": "map", "values": "string"}}
    assert reader_of({"type": "record", "name": "Any", "fields": [field]}) is None
    assert reader_of({"type": "record", "name": "Any", "fields": [{"name": "one", "type": ["string", "null"]}]}) is None


@pytest.mark.parametrize("number", ["82 00", "ff ff ff ff ff ff ff ff ff ff 01"])
def test_a_number_longer_than_it_need_be_is_left_to_fastavro(number: str) -> None:
    read = reader_of({"type": "record", "name": "Any", "fields": [{"name": "one", "type": "long"}]})
    assert read is not None
    with pytest.raises(ValueError):  # noqa: PT011 - it says no more
        read(bytes.fromhex(number), 0)


@given(
    st.builds(
        Envelope,
        kind=st.text(),
        event_id=st.text(max_size=200),
        payer=st.text(),
        member_id=st.text(),
        position=st.builds(Position, st.text(), st.integers(0, 2**31 - 1), LONG),
        accepted_at=MOMENT,
        format_version=st.integers(0, 2**31 - 1),
        flags=st.lists(st.text(), max_size=200).map(tuple),
        facts=st.binary(),
        original=st.binary(max_size=300),
        sequence=st.none() | LONG,
    )
)
def test_an_envelope_is_written_as_fastavro_writes_it(envelope: Envelope) -> None:
    position = envelope.position
    raw = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
    raw["position"] = {"topic": position.topic, "partition": position.partition, "offset": position.offset}
    data = CODEC.encode_envelope(envelope)
    assert data[5:] == written("member-events", raw)
    assert CODEC.decode_envelope(data) == envelope


def test_what_the_reader_cannot_read_is_refused_with_a_reason() -> None:
    whole = CODEC.encode_record(CODEC.from_json(LINE))
    for broken in (whole[:-1], whole + b"\0"):
        with pytest.raises(Undecodable):
            CODEC.decode_input("pcp-selections", broken)


LINE = (
    '{"event_type": "pcp_selection", "payer": "p", "member_id": "M1", "selection_id": "s", "selection_version": 1, '
    '"pcp_npi": "1234567893", "selection_source": "member_selected", "effective_from": "2025-01-01"}'
)
