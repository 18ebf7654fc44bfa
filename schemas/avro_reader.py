"""Avro read by a function that is written for its schema: what a general reader looks up for every field stands in its text.

Knows what our schemas are made of, and no more: `reader_of` gives None for anything else. A reader raises some exception on bytes that
do not follow the schema, without saying what is wrong with them; who wants to know asks fastavro (schemas.codec).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

Reader = Callable[[bytes, int], dict[str, Any]]
"""(data, where the record begins) -> its fields as fastavro gives them, but without those that are null. The data ends with it."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_INDENT = "    "


class _Unknown(Exception):
    """A type that is not read here."""


def reader_of(schema: Mapping[str, Any]) -> Reader | None:
    """The reader of a record schema; None when it has a type that is not known here."""
    try:
        body = "\n".join(_INDENT + line for line in _record(schema, "record", 0))
    except _Unknown:
        return None
    text = f"def read(data, at):\n{body}\n    if at != len(data):\n        raise EOFError\n    return record0"
    known: dict[str, Any] = {"number": _number, "size": _size, "day": _day, "moment": _moment}
    exec(text, known)  # noqa: S102 - the text is made of our own schemas' field names, as literals
    read: Reader = known["read"]
    return read


def _record(schema: Mapping[str, Any], target: str, depth: int) -> Iterator[str]:
    name = f"{target}{depth}"
    yield f"{name} = {{}}"
    for field in schema["fields"]:
        yield from _value(field["type"], f"{name}[{field['name']!r}]", depth)


def _value(kind: Any, target: str, depth: int) -> Iterator[str]:
    """Lines that read a value of a type at `at` into `target`."""
    if isinstance(kind, list):
        if len(kind) != 2 or kind[0] != "null":
            raise _Unknown
        yield "branch = data[at]"
        yield "at += 1"
        yield "if branch:"
        yield f"{_INDENT}if branch != 2: raise ValueError"
        yield from _inside(_value(kind[1], target, depth))
        return
    name, logical = (kind, None) if isinstance(kind, str) else (kind["type"], kind.get("logicalType"))
    if name == "record":
        yield from _record(kind, "inner", depth + 1)
        yield f"{target} = inner{depth + 1}"
    elif name == "array":
        yield from _array(kind["items"], target, depth + 1)
    elif name in {"string", "bytes"} and logical is None:
        # A text that would go beyond the end is seen at the end: nothing then ends where the data does.
        yield "end = data[at]"
        yield "if end & 129: end, at = size(data, at)"
        yield "else: end >>= 1; at += 1"
        yield "end += at"
        yield f"{target} = data[at:end]" + (".decode()" if name == "string" else "")
        yield "at = end"
    elif name == "boolean":
        yield f"{target} = bool(data[at])"
        yield "at += 1"
    elif name in {"int", "long"} and logical in _WHOLE:
        yield from _whole("whole")
        yield f"{target} = {_WHOLE[logical]}"
    else:
        raise _Unknown


def _array(items: Any, target: str, depth: int) -> Iterator[str]:
    yield f"items{depth} = []"
    yield "while True:"
    yield from _inside(_whole(f"left{depth}"))
    yield f"{_INDENT}if left{depth} <= 0:"
    yield f"{_INDENT * 2}if left{depth}: raise ValueError"  # blocks that tell their size in bytes: nobody we know writes them
    yield f"{_INDENT * 2}break"
    yield f"{_INDENT}for _ in range(left{depth}):"
    yield from _inside(_inside(_value(items, f"item{depth}", depth)))
    yield f"{_INDENT * 2}items{depth}.append(item{depth})"
    yield f"{target} = items{depth}"


def _whole(target: str) -> Iterator[str]:
    """Most numbers take one byte."""
    yield f"{target} = data[at]"
    yield f"if {target} > 127: {target}, at = number(data, at)"
    yield f"else: {target} = ({target} >> 1) ^ -({target} & 1); at += 1"


def _inside(lines: Iterator[str]) -> Iterator[str]:
    return (_INDENT + line for line in lines)


_WHOLE: Mapping[str | None, str] = {None: "whole", "date": "day(whole)", "timestamp-micros": "moment(whole)"}


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of several bytes and where it ends. Raises `ValueError` for one written longer than it need be, or than a long."""
    byte = data[at]
    found, shift = byte & 127, 7
    while byte > 127:
        at += 1
        byte = data[at]
        found |= (byte & 127) << shift
        shift += 7
    if not byte or shift > 70:
        raise ValueError
    return (found >> 1) ^ -(found & 1), at + 1


def _size(data: bytes, at: int) -> tuple[int, int]:
    size, at = _number(data, at)
    if size < 0:
        raise ValueError
    return size, at


@lru_cache(maxsize=20_000)
def _day(number: int) -> dt.date:
    return dt.date.fromordinal(_EPOCH_DAY + number)


def _moment(number: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=number)
