"""Bytes to typed records and back: the Confluent wire format with Avro outside, msgpack for the compact facts inside.

Avro is decoded once, at the edge (design.md, where the time goes). Errors carry a reason, a field and a sentence; none of them
repeats a value, since they reach logs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import re
import struct
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import fastavro
import fastavro.read
import msgspec

from schemas.avro_reader import Reader, reader_of
from schemas.money import Contract, MoneySaid, PaymentPosted, StatementRelease
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
    Enrollment,
    Envelope,
    FeedManifest,
    Gaps,
    MeasureResult,
    MemberFact,
    PanelList,
    Partial,
    PartialSums,
    PayerRecord,
    PcpSelection,
    Period,
    PharmacyClaim,
    PlanAttribution,
    Position,
    Practice,
    PracticeResult,
    Provider,
    Refused,
    Restated,
    Site,
    Snapshot,
    Source,
    SurveyResult,
    Table,
    Tick,
    Version,
)
from schemas.registry import ForeignSchema, Registry, Schema, UnknownSchema, newest
from schemas.unions import ControlRecord, Record

T = TypeVar("T")

MAGIC = 0
_HEADER = struct.Struct(">bi")
_EMPTY: tuple[object, ...] = (None, (), [], "")

TOPIC_OF: Mapping[type, str] = {
    Claim: "claims",
    PharmacyClaim: "pharmacy-claims",
    Clinical: "clinical",
    Enrollment: "enrollments",
    PcpSelection: "pcp-selections",
    PlanAttribution: "plan-attributions",
    AttributionRequest: "requests",
    AttributionDecision: "requests",
    PracticeResult: "requests",
    Provider: "reference",
    Practice: "reference",
    PayerRecord: "reference",
    Table: "reference",
    FeedManifest: "reference",
    Period: "reference",
    Contract: "reference",
    PaymentPosted: "reference",
    Site: "reference",
    SurveyResult: "reference",
}
"""The input topic of each record."""
BY_KIND: Mapping[str, type] = {
    str(record.__struct_config__.tag): record  # type: ignore[attr-defined]
    for record in (*TOPIC_OF, Tick, Close, CloseAnnul, Partial, PartialSums, Restated, StatementRelease)
}
INPUT_OF_TOPIC: Mapping[str, type] = {
    "claims": Claim,
    "pharmacy-claims": PharmacyClaim,
    "clinical": Clinical,
    "enrollments": Enrollment,
    "pcp-selections": PcpSelection,
    "plan-attributions": PlanAttribution,
}
"""The input topics that carry one kind of record; on the others event_type names it."""
OUTPUT_OF_TOPIC: Mapping[str, type] = {
    "attribution": Attribution,
    "attribution-changes": AttributionChange,
    "attribution-alerts": Alert,
    "alert-history": Alert,
    "panels": PanelList,
    "snapshots": Snapshot,
    "adjustments": Adjustment,
    "measures": MeasureResult,
    "gaps": Gaps,
    "aggregates": Aggregate,
    "statements": MoneySaid,
    "quarantine": Refused,
}
Output = (
    Attribution
    | AttributionChange
    | Alert
    | PanelList
    | Snapshot
    | Adjustment
    | MeasureResult
    | Gaps
    | Aggregate
    | MoneySaid
    | Refused
)


class Undecodable(ValueError):
    """A record that cannot be read. `reason` is a code, `field` a path or None, `message` a sentence without data."""

    def __init__(self, reason: str, field: str | None, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.message = message


class Codec:
    """Reads and writes everything on the wire, with schemas identified by `registry`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._writers: dict[tuple[str, int], tuple[Any, Any, Reader | None]] = {}
        self._headers: dict[str, bytes] = {}
        self._facts_encoder = msgspec.msgpack.Encoder()
        self._facts_decoder = msgspec.msgpack.Decoder(Record | Tick | Close | CloseAnnul)
        self._json_decoder = msgspec.json.Decoder(Record)
        self._envelope_header = self._header("member-events")

    # -- what plans send ------------------------------------------------------------------------------------------------

    def from_json(self, line: bytes | str) -> Record:
        """A line of an event file (interface.md section 3). Unknown keys are passed over. Raises `Undecodable`."""
        try:
            record: Record = self._json_decoder.decode(line)
        except msgspec.ValidationError:
            record = _without_nulls(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if isinstance(line, bytes) and line.startswith(BOM_UTF8):
                # Some programs begin a UTF-8 file so.
                return self.from_json(line.removeprefix(BOM_UTF8))
            raise _NOT_JSON from None
        except RecursionError:
            raise _NESTED from None
        _check_numbers(record)
        _check_moments(record)
        blank = '""' in line if isinstance(line, str) else b'""' in line
        return _without_blanks(record) if blank else record

    def to_json(self, record: Record | ControlRecord) -> str:
        """The line of an event file, or of an exported log."""
        return msgspec.json.encode(record).decode()

    def encode_record(self, record: Record) -> bytes:
        """A record for its input topic."""
        topic = TOPIC_OF[type(record)]
        return self._encode(topic, _plain(record) if topic in INPUT_OF_TOPIC else _wrapped(record))

    def decode_input(self, topic: str, data: bytes) -> Record:
        """What stands on an input topic, read with our newest schema whatever it was written with. Raises `Undecodable`."""
        raw: Any = self._decode(topic, data)
        record_type: Any = INPUT_OF_TOPIC.get(topic)
        if record_type is None:
            kind = raw.get("event_type")
            record_type, raw = BY_KIND.get(str(kind)), raw.get(str(kind))
            if record_type is None or raw is None:
                raise Undecodable(
                    "unknown_event_type",
                    "event_type",
                    "event_type names no record this release knows, or its record is missing.",
                )
        record: Record = _typed(record_type, raw)
        _check_numbers(record)
        return _without_blanks(record) if _BLANK in data else record

    # -- the logs -------------------------------------------------------------------------------------------------------

    def encode_control(self, record: ControlRecord) -> bytes:
        """A record of the program's log."""
        return self._encode("control", _wrapped(record))

    def decode_control(self, data: bytes) -> ControlRecord:
        """A record of the program's log. Raises `Undecodable`."""
        raw = self._decode("control", data)
        kind = str(raw["event_type"])
        if kind not in BY_KIND:
            raise Undecodable(
                "unknown_event_type", "event_type", "event_type names no control record this release knows."
            )
        record: ControlRecord = _typed(BY_KIND[kind], raw[kind])
        return record

    def encode_facts(self, record: MemberFact | ControlRecord) -> bytes:
        """The compact facts of an envelope."""
        return self._facts_encoder.encode(record)

    def decode_facts(self, kind: str, facts: bytes) -> Any:
        """The record in an envelope of this kind ("control" for broadcasts)."""
        record = self._facts_decoder.decode(facts)
        if kind not in {"control", record.__struct_config__.tag}:
            raise Undecodable("mixed_envelope", "kind", "the envelope's kind is not that of its facts.")
        return record

    def encode_envelope(self, envelope: Envelope) -> bytes:
        """An envelope for `member-events`."""
        # Field by field, in the order of the schema: half the time of a writer that looks up what each of them is.
        position = envelope.position
        return b"".join(
            (
                self._envelope_header,
                _text(envelope.kind),
                _text(envelope.event_id),
                _text(envelope.payer),
                _text(envelope.member_id),
                _text(position.topic),
                _whole(position.partition),
                _whole(position.offset),
                _whole((envelope.accepted_at - _EPOCH) // _MICROSECOND),
                _whole(envelope.format_version),
                *((_whole(len(envelope.flags)), *map(_text, envelope.flags)) if envelope.flags else ()),
                b"\0",
                _whole(len(envelope.facts)),
                envelope.facts,
                _whole(len(envelope.original)),
                envelope.original,
                b"\0" if envelope.sequence is None else b"\2" + _whole(envelope.sequence),
            )
        )

    def decode_envelope(self, data: bytes) -> Envelope:
        """An envelope from `member-events`. Raises `Undecodable`."""
        raw = self._decode("member-events", data)
        raw["position"] = Position(**raw["position"])
        raw["flags"] = tuple(raw["flags"])
        return Envelope(**raw)

    # -- outputs --------------------------------------------------------------------------------------------------------

    def encode_output(self, topic: str, record: Output, version: Version | None) -> bytes:
        """An output with its version (None where no member agent wrote it)."""
        raw = _plain(record)
        raw["version"] = (
            None
            if version is None
            else {"partition": version.partition, "offset": version.offset, "ordinal": version.ordinal}
        )
        return self._encode(topic, raw)

    def decode_output(self, topic: str, data: bytes) -> tuple[Any, Version | None]:
        """An output and its version."""
        raw = self._decode(topic, data)
        version = raw.pop("version")
        return _typed(OUTPUT_OF_TOPIC[topic], raw), None if version is None else Version(**version)

    # -- identity -------------------------------------------------------------------------------------------------------

    def content_digest(self, record: Record) -> bytes:
        """What a record says, without who sent it when: 16 bytes."""
        return content_digest(record)

    def event_id_of(self, record: Record) -> str:
        """The source's id, else one that equal natural keys and versions share (style: 32 hex digits)."""
        return event_id_of(record)

    # -- Avro -----------------------------------------------------------------------------------------------------------

    def _header(self, topic: str) -> bytes:
        if topic not in self._headers:
            self._headers[topic] = _HEADER.pack(MAGIC, self._registry.id_of(topic))
        return self._headers[topic]

    def _encode(self, topic: str, raw: Mapping[str, Any]) -> bytes:
        out = io.BytesIO()
        out.write(self._header(topic))
        fastavro.schemaless_writer(out, _parsed(topic), raw)
        return out.getvalue()

    def _decode(self, topic: str, data: bytes) -> dict[str, Any]:
        if len(data) < _HEADER.size or data[0] != MAGIC:
            raise Undecodable(
                "not_avro",
                None,
                "the record does not begin as Confluent-framed Avro (0, schema id): send it through an Avro serializer.",
            )
        number = _HEADER.unpack_from(data)[1]
        writer, reader, own = self._schemas(topic, number)
        if own is not None:
            # What is wrong with bytes that it cannot read, the general reader says.
            with contextlib.suppress(Exception):
                return own(data, _HEADER.size)
        stream = io.BytesIO(data)
        stream.seek(_HEADER.size)
        try:
            raw = fastavro.schemaless_reader(stream, writer, reader)
        except (ValueError, OverflowError) as problem:
            if not _NO_SUCH_DATE.search(str(problem)):
                raise _undecodable(number) from None
            raise Undecodable(
                "impossible_value", None, "a date or time in the record does not exist: correct it and send it again."
            ) from None
        except fastavro.read.SchemaResolutionError:
            raise Undecodable(
                "incompatible_schema",
                None,
                f"schema {number} is not a version of this topic's schema: register the producer's under the topic's subject.",
            ) from None
        except Exception:
            raise _undecodable(number) from None
        if stream.tell() != len(data) or not isinstance(raw, dict):
            raise Undecodable(
                "undecodable", None, f"bytes are left over after schema {number}: check the producer's serializer."
            )
        return raw

    def _schemas(self, topic: str, number: int) -> tuple[Any, Any, Reader | None]:
        """The schema a record was written with, ours to read it by (None where they are the same), and a reader for that case alone."""
        known = self._writers.get((topic, number))
        if known is None:
            try:
                schema = self._registry.schema(number)
            except UnknownSchema:
                raise Undecodable(
                    "unknown_schema",
                    None,
                    f"no schema has id {number} here: register it, or set PANELSTREAM_REGISTRY_URL to its registry.",
                ) from None
            except ForeignSchema:
                raise _foreign(number) from None
            try:
                writer = fastavro.parse_schema(schema, named_schemas={})
            except Exception:  # whatever a foreign registry holds
                raise _foreign(number) from None
            reader = _parsed(topic)
            same = writer == reader
            known = self._writers[topic, number] = (
                writer,
                None if same else reader,
                reader_of(newest(topic)) if same and topic in _READ_MOST else None,
            )
        return known


_READ_MOST = frozenset((*INPUT_OF_TOPIC, "member-events"))
"""The topics for which a reader is made."""
_BLANK = b"\2\0"
"""How an empty text begins that may be absent: branch 1 of a union, length 0. Where it stands nowhere, no text is blank."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def _whole(number: int) -> bytes:
    """A number as Avro writes it."""
    left = (number << 1) ^ (number >> 63)
    if left < 128:
        return _ONE_BYTE[left]
    found = bytearray()
    while left > 127:
        found.append(left & 127 | 128)
        left >>= 7
    found.append(left)
    return bytes(found)


_ONE_BYTE = [bytes([number]) for number in range(128)]


def _text(text: str) -> bytes:
    """A text as Avro writes it."""
    data = text.encode()
    return _whole(len(data)) + data


_NO_SUCH_DATE = re.compile("out of range|ordinal must|greater than maximum|less than minimum")
"""What Python says of a number of days or microseconds that is no date."""


_NOT_JSON = Undecodable("not_json", None, "the line is not one JSON object: send one event a line.")
_NESTED = Undecodable("not_json", None, "the line is nested too deeply: send one event a line, as the schema has it.")
MOST_DIGITS, MOST_DECIMALS = 12, 6
"""No amount of the program has more digits before and after its point: more is somebody's mistake."""


def _without_nulls(line: bytes | str) -> Record:
    """A line of which something did not fit, read with its nulls as absent (interface.md section 3). Raises `Undecodable`."""
    try:
        raw = _stripped(msgspec.json.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError):
        # What did not fit stood before what is no JSON.
        raise _NOT_JSON from None
    except RecursionError:
        raise _NESTED from None
    try:
        record: Record = msgspec.convert(raw, Record)
    except msgspec.ValidationError as problem:
        raise _mistyped(problem) from None
    return record


def _stripped(value: Any) -> Any:
    match value:
        case dict():
            return {key: _stripped(one) for key, one in value.items() if one is not None}
        case list():
            return [_stripped(one) for one in value]
        case _:
            return value


R = TypeVar("R", bound=msgspec.Struct)


@cache
def _blankable(record_type: Any) -> tuple[str, ...]:
    """The texts that a record may lack."""

    def is_text(kind: Any) -> bool:
        return kind is str or getattr(kind, "__supertype__", None) is str

    hints = get_type_hints(record_type)
    given = ((name, get_args(hints[name])) for name in record_type.__struct_fields__)
    return tuple(name for name, kinds in given if type(None) in kinds and any(map(is_text, kinds)))


@cache
def _texts(record_type: Any) -> Callable[[Any], Any]:
    """All of them of one record at once."""
    return attrgetter(*_blankable(record_type))


def _without_blanks(record: R) -> R:
    """A record in which an empty text that may be absent is absent: what comes of a CSV file has many, and none means anything."""
    kind: Any = type(record)
    changes: dict[str, Any] = {}
    if "" in _texts(kind)(record):
        changes = {name: None for name in _blankable(kind) if getattr(record, name) == ""}
    if isinstance(record, Claim):
        texts = _texts(ClaimLine)
        if any("" in texts(line) for line in record.lines):
            changes["lines"] = tuple([_without_blanks(line) for line in record.lines])
    return msgspec.structs.replace(record, **changes) if changes else record


@cache
def _amounts(record_type: Any) -> tuple[str, ...]:
    """The fields of a record that hold amounts."""
    hints = get_type_hints(record_type)
    return tuple(
        name
        for name in record_type.__struct_fields__
        if Decimal in (hints[name], *get_args(hints[name])) and get_origin(hints[name]) is not dict
    )


@cache
def _moments(record_type: Any) -> tuple[str, ...]:
    """The fields of a record that hold a moment."""
    hints = get_type_hints(record_type)
    return tuple(name for name in record_type.__struct_fields__ if dt.datetime in (hints[name], *get_args(hints[name])))


def _check_moments(record: Any) -> None:
    """Refuse moments that the calendar does not have in UTC: the last of year 9999 west of it, the first of year 1 east of it."""
    kind: Any = type(record)
    for name in _moments(kind):
        moment = getattr(record, name)
        if moment is not None and not dt.MINYEAR < moment.year < dt.MAXYEAR:
            try:
                moment.astimezone(dt.UTC)
            except OverflowError:
                raise Undecodable(
                    "impossible_date", name, f"{name} is not a moment that exists: correct it and send it again."
                ) from None


def _check_numbers(record: Any) -> None:
    """Refuse amounts that are none: not a number, infinite, or of more digits than money has. Raises `Undecodable`."""
    lines = record.lines if isinstance(record, Claim) else ()
    if not _PLAIN_AMOUNTS.fullmatch("".join([_amounts_said(one.__class__)(one) for one in (record, *lines)])):
        _check_each_number(record)
        for line in lines:
            _check_each_number(line, "lines.")


_PLAIN_AMOUNTS = re.compile(r"(?:None,|[0-9]{1,12}(?:\.[0-9]{1,6})?,)*")
"""Amounts, or none, as they nearly always are: told for a whole record at once."""


@cache
def _amounts_said(record_type: Any) -> Callable[[Any], str]:
    """The amounts of a record as text, each with a comma after it."""
    names = _amounts(record_type)
    if not names:
        return lambda _record: ""
    form, values = "%s," * len(names), attrgetter(*names)
    return lambda record: form % values(record)


def _check_each_number(record: Any, within: str = "") -> None:
    for name in _amounts(record.__class__):
        amount = getattr(record, name)
        if amount is not None and not _is_amount(amount):
            field = f"{within}{name}"
            raise Undecodable(
                "impossible_value",
                field,
                f"{field} is no amount of at most {MOST_DIGITS} digits and {MOST_DECIMALS} decimals: correct it and send it again.",
            )


def _is_amount(amount: Decimal) -> bool:
    # Plain digits, or with a point and two decimals: nearly all amounts, told from their text at a third of the cost.
    text = str(amount)
    if len(text) <= MOST_DIGITS and ((text[-3:-2] == "." and text[:-3].isdecimal()) or text.isdecimal()):
        return True
    if not amount.is_finite() or amount.adjusted() >= MOST_DIGITS:
        return False
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MOST_DECIMALS


def _foreign(number: int) -> Undecodable:
    return Undecodable("unknown_schema", None, f"schema {number} is not an Avro schema: register it as Avro.")


def _undecodable(number: int) -> Undecodable:
    return Undecodable(
        "undecodable", None, f"the bytes do not follow schema {number}: check the producer's serializer."
    )


@cache
def _parsed(topic: str) -> Schema:
    schema: Schema = fastavro.parse_schema(newest(topic), named_schemas={})  # type: ignore[assignment]
    return schema


def _plain(record: Any) -> dict[str, Any]:
    """A record as Avro wants it: plain dicts, dates and times kept, decimals as strings."""
    raw: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(dt.date, dt.datetime, bytes))
    return raw


def _wrapped(record: Any) -> dict[str, Any]:
    kind = str(record.__struct_config__.tag)
    return {"event_type": kind, kind: _plain(record)}


@cache
def _decode_into(record_type: type[T]) -> Callable[[Any], T]:
    def decode(raw: Any) -> T:
        return msgspec.convert(raw, record_type, builtin_types=(dt.date, dt.datetime, bytes))

    return decode


def _typed(record_type: Any, raw: Any) -> Any:
    config = record_type.__struct_config__
    if config.tag is not None:
        raw[config.tag_field] = config.tag
    try:
        return _decode_into(record_type)(raw)
    except msgspec.ValidationError as problem:
        raise _mistyped(problem) from None


_WHERE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


def _mistyped(problem: msgspec.ValidationError) -> Undecodable:
    """What msgspec says of a value that does not fit, without the value."""
    text = str(problem)
    where = _WHERE.search(text)
    path = re.sub(r"\[(\.\.\.|\d+)\]", "", where.group(1)) if where else ""
    missing = _MISSING.search(text)
    if missing:
        field = f"{path}.{missing.group(1)}".lstrip(".")
        return Undecodable("missing_value", field, f"{field} is missing: send the record with it.")
    field = path or "event_type"
    if "with a timezone" in text:
        return Undecodable("no_zone", field, f"{field} has no time zone: send it as 2025-07-01T00:00:00Z.")
    if "Invalid enum value" in text or "Invalid value" in text:
        return Undecodable(
            "not_in_list", field, f"{field} is not one of the values it may have: see its list in the schema."
        )
    if re.search(r"Invalid (RFC3339|ISO|date|datetime)|date", text):
        return Undecodable(
            "impossible_date", field, f"{field} is not a date that exists, as YYYY-MM-DD: correct it and send it again."
        )
    expected = re.search(r"Expected `([^`]+)`", text)
    kind = f" as {expected.group(1)}" if expected else ""
    return Undecodable("wrong_type", field, f"{field} is not of its type{kind}: correct it and send it again.")


_SOURCE_FIELDS = frozenset(Source.__struct_fields__)
_canonical = msgspec.msgpack.Encoder(order="sorted")


@cache
def _content(record_type: Any) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
    """The fields in which a record says something, and all of their values at once."""
    names = tuple(sorted(name for name in record_type.__struct_fields__ if name not in _SOURCE_FIELDS))
    return names, attrgetter(*names)


def content_digest(record: Record) -> bytes:
    """What a record says, without who sent it when: blake2b, 16 bytes."""
    kind: Any = type(record)
    names, values = _content(kind)
    said = {name: value for name, value in zip(names, values(record), strict=True) if value or value not in _EMPTY}
    return hashlib.blake2b(_canonical.encode([type(record).__struct_config__.tag, said]), digest_size=16).digest()


def event_id_of(record: Record) -> str:
    """The event's id: the source's, else a digest of its natural key and version; without a version, of its content.

    Two claims without a version are one event only if they say the same (design.md law 2). So are two entries of a plan's list: what
    they may contradict each other in is said better than by their id.
    """
    if record.event_id is not None:
        return record.event_id
    parts: tuple[Any, ...] | None = None
    match record:
        case Claim(claim_version=int()) | PharmacyClaim(claim_version=int()):
            parts = (
                record.payer,
                record.member_id,
                record.payer_claim_control_number,
                record.claim_frequency_code,
                record.claim_version,
            )
        case Enrollment():
            parts = (record.payer, record.member_id, record.span_id, record.span_version)
        case Clinical():
            parts = (record.payer, record.member_id, record.record_id, record.record_version)
        case PracticeResult():
            parts = (record.payer, record.member_id, record.result_id, record.result_version)
        case PcpSelection():
            parts = (record.payer, record.member_id, record.selection_id, record.selection_version)
    if parts is None:
        return content_digest(record).hex()
    return hashlib.sha256(_canonical.encode([type(record).__struct_config__.tag, *parts])).hexdigest()[:32]
