"""Versions of the rules as code: which this release can work by, and which is in force. Source: design.md, change of code and rules.

A mended rule gives old facts new answers. It takes effect by a record, at one place of the log for every partition, and the members
are worked again with `engine` as the cause; a rule that a version changed asks for the version in force.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache

import msgspec

from state.reference.tables import InvalidTable, MissingTable, TableFile

KNOWN = ("1",)
"""The versions this release can work by; the first holds where no record says another."""


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of the rules; stored with every result."""

    version: str


def first() -> Engine:
    """The version that holds where no record has brought one."""
    return Engine(KNOWN[0])


@lru_cache(maxsize=16)
def parse(file: TableFile) -> Engine:
    """The version that a TOML file names. Raises `InvalidTable`; `MissingTable` when this release cannot work by it."""
    try:
        engine = msgspec.convert(tomllib.loads(file.data.decode()), Engine)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as problem:
        raise InvalidTable(
            f"{file.name} names no engine version ({problem}): compare it with state/data/engines/1.toml."
        ) from None
    if engine.version not in KNOWN:
        raise MissingTable(
            f"engine version {engine.version!r} is in force, and this release works by {', '.join(KNOWN)}: "
            "install the release that has it and start again."
        )
    return engine
