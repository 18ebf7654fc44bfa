"""FHIR R4 ValueSets, alone or in Bundles, composed or expanded. Source: measures.md 13; FHIR R4, ValueSet.compose.

What a ValueSet lists under `compose` counts, with groupings walked through all files given: published expansions end after 1,000 codes.
The expansion counts only where `compose` lists nothing (filters, whole systems, members that are not there) and the expansion is whole;
one that was cut off is a part of a set, which only editions that take sets as they are published use. Of two files that differ about a
set, one that lies in a folder above the other counts, so that older or converted copies may lie below.
Codes marked inactive stay: claims of earlier years use them. Abstract entries are headings, not codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

import msgspec

from state.reference.codes import (
    PROCEDURE_SYSTEMS,
    Code,
    UnknownSystem,
    UnusableCode,
    code_of,
    is_partial_bill_type,
    system_of,
)
from state.reference.tables import TableFile
from state.reference.value_sets import ImportedSets, InvalidValueSets, Unusable, ValueSet

_CAPPED = 1000
"""Terminology servers cut an expansion here when they do not say its total."""
_OID = re.compile(r"(?:^|[/:])([0-2](?:\.\d+){3,})$")


class _Concept(msgspec.Struct):
    code: str


class _Include(msgspec.Struct, rename="camel"):
    system: str = ""
    concept: list[_Concept] = []
    filter: list[dict[str, Any]] = []
    value_set: list[str] = []


class _Compose(msgspec.Struct):
    include: list[_Include] = []
    exclude: list[_Include] = []


class _Contains(msgspec.Struct):
    system: str = ""
    code: str = ""
    abstract: bool = False
    contains: list[_Contains] = []


class _Expansion(msgspec.Struct):
    total: int | None = None
    contains: list[_Contains] = []


class _Identifier(msgspec.Struct):
    value: str = ""


class _Resource(msgspec.Struct, rename="camel"):
    """A ValueSet as far as it matters here; of other resources only the type is read."""

    resource_type: str = ""
    id: str = ""
    url: str = ""
    identifier: list[_Identifier] = []
    version: str = ""
    name: str = ""
    compose: _Compose | None = None
    expansion: _Expansion | None = None


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"null")


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


class _Kind(msgspec.Struct, rename="camel"):
    resource_type: str = ""


class _NotEnough(Exception):
    """The resources do not say which codes are in a set; the message says why. `part`: the codes before an expansion was cut off."""

    def __init__(self, why: str, part: frozenset[Code] = frozenset()) -> None:
        super().__init__(why)
        self.part = part


def read(files: Iterable[TableFile]) -> ImportedSets:
    """The sets of all files together, because groupings name sets of other files.

    Raises `InvalidValueSets` for a file that is no JSON, no FHIR resource or holds no ValueSet.
    """
    found: list[tuple[_Resource, str]] = []
    for file in files:
        resources = list(_value_sets(file, file.data))
        if not resources:
            raise InvalidValueSets(f"{file.name} holds no ValueSet: lay only FHIR ValueSets and Bundles of them here.")
        found += [(resource, file.name) for resource in resources]
    found = _uppermost(found)
    by_reference: dict[str, _Resource] = {}
    for resource, _ in found:
        for reference in {resource.url, set_id_of(resource.url), _id(resource)}:
            by_reference.setdefault(reference, resource)
            by_reference.setdefault(f"{reference}|{resource.version}", resource)
    sets, unusable = [], []
    for resource, name in found:
        set_id = _id(resource)
        if not set_id:
            raise InvalidValueSets(f"{name}: a ValueSet has neither OID nor name: give it one.")
        try:
            codes = _codes(resource, by_reference, ())
            if not codes:
                raise _NotEnough("it has no code")
        except _NotEnough as why:
            part = _set(resource, set_id, why.part, name) if why.part else None
            unusable.append(Unusable(set_id, (), f"{name}: {why}", part))
            continue
        sets.append(_set(resource, set_id, codes, name))
    return ImportedSets(tuple(sets), tuple(unusable))


def _set(resource: _Resource, set_id: str, codes: Iterable[Code], name: str) -> ValueSet:
    every = frozenset(codes)
    partial = frozenset(code for code in every if code[0] == "UBTOB" and is_partial_bill_type(code[1]))
    return ValueSet(id=set_id, version=resource.version, codes=every - partial, prefixes=partial, source=name)


def _uppermost(found: list[tuple[_Resource, str]]) -> list[tuple[_Resource, str]]:
    """Without the resources of files below a folder in which a file has the same set."""
    folders: dict[str, set[PurePath]] = {}
    for resource, name in found:
        folders.setdefault(_id(resource), set()).add(PurePath(name).parent)
    return [
        (resource, name) for resource, name in found if folders[_id(resource)].isdisjoint(PurePath(name).parent.parents)
    ]


def set_id_of(reference: str) -> str:
    """The OID of a canonical URL, `urn:oid:` or bare OID, without its version; the reference itself where it has none."""
    canonical = reference.split("|", 1)[0]
    oid = _OID.search(canonical)
    return oid[1] if oid else canonical


def _id(resource: _Resource) -> str:
    for text in (resource.url, *(identifier.value for identifier in resource.identifier)):
        oid = _OID.search(text.split("|", 1)[0])
        if oid:
            return oid[1]
    return resource.name or resource.id or resource.url


def _value_sets(file: TableFile, data: bytes | msgspec.Raw) -> Iterator[_Resource]:
    try:
        kind = msgspec.json.decode(data, type=_Kind).resource_type
        if kind == "ValueSet":
            yield msgspec.json.decode(data, type=_Resource)
        elif kind == "Bundle":
            for entry in msgspec.json.decode(data, type=_Bundle).entry:
                if bytes(entry.resource) != b"null":
                    yield from _value_sets(file, entry.resource)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise InvalidValueSets(
            f"{file.name} is no FHIR R4 JSON ({wrong}): take the resource as it was published."
        ) from None


def _codes(resource: _Resource, known: dict[str, _Resource], through: tuple[str, ...]) -> set[Code]:
    """The codes of a set. `through`: the sets on the way here, so that a circle is seen."""
    if resource.url and resource.url in through:
        raise _NotEnough(f"{set_id_of(resource.url)} contains itself by way of other sets")
    way = (*through, resource.url)
    if resource.compose is None or not resource.compose.include:
        return _expanded(resource, "it has no compose.include")
    try:
        codes = set[Code]().union(*(_included(part, known, way) for part in resource.compose.include))
        return codes.difference(*(_included(part, known, way) for part in resource.compose.exclude))
    except _NotEnough as why:
        return _expanded(resource, str(why))


def _included(part: _Include, known: dict[str, _Resource], way: tuple[str, ...]) -> set[Code]:
    """The codes of one include or exclude: those listed, and of these only what every set named beside them has too."""
    if part.filter:
        raise _NotEnough(f"a filter over {part.system} chooses its codes")
    if part.system and not (part.concept or part.value_set):
        raise _NotEnough(f"it takes all of {part.system}")
    groups = [_all(part.system, (concept.code for concept in part.concept))] if part.concept else []
    for reference in part.value_set:
        member = known.get(reference) or known.get(set_id_of(reference))
        if member is None:
            raise _NotEnough(f"its member {set_id_of(reference)} is in no file")
        groups.append(_codes(member, known, way))
    if not groups:
        raise _NotEnough("an include says nothing")
    codes = set.intersection(*groups)
    if part.system and not part.concept:
        system = system_of(part.system)
        return {code for code in codes if code[0] == system or {code[0], system} <= PROCEDURE_SYSTEMS}
    return codes


def _expanded(resource: _Resource, why: str) -> set[Code]:
    """The codes of the expansion, used because of `why`. Raises `_NotEnough` when there is none or it was cut off."""
    if resource.expansion is None or not resource.expansion.contains:
        raise _NotEnough(f"{why}, and it has no expansion: fetch it expanded")
    entries = list(_flat(resource.expansion.contains))
    total = resource.expansion.total
    codes: set[Code] = set()
    for entry in entries:
        if entry.code and not entry.abstract:
            codes |= _all(entry.system, (entry.code,))
    if (total is not None and total > len(entries)) or (total is None and len(entries) == _CAPPED):
        raise _NotEnough(
            f"{why}, and its expansion ends after {len(entries)} of {total or 'unknown'}: fetch its members, or one whole expansion",
            frozenset(codes),
        )
    return codes


def _flat(entries: Iterable[_Contains]) -> Iterator[_Contains]:
    for entry in entries:
        yield entry
        yield from _flat(entry.contains)


def _all(system: str, texts: Iterable[str]) -> set[Code]:
    try:
        return {code_of(system, text) for text in texts}
    except (UnknownSystem, UnusableCode) as wrong:
        raise _NotEnough(str(wrong)) from None
