"""Bundles, single resources and bulk NDJSON as resources with their places. One bundle, or one line, is in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from streams.adapters.fhir.elements import Json, part, parts, text
from streams.adapters.left_out import Place
from streams.adapters.sources import SourceError

EVERYWHERE = ""
"""The scope of bulk NDJSON, whose ids are unique: any other resource may refer to what stands there."""


class Found(NamedTuple):
    """A resource with its place. Ids are unique within a scope: a bundle, a folder of single resources, or all bulk NDJSON."""

    place: Place
    scope: str
    resource: Json
    url: str | None = None
    """What the entry's full URL calls it: the last step of a urn:uuid, and of a web address the type and the id at its end."""

    @property
    def kind(self) -> str:
        """The type of the resource."""
        return text(self.resource, "resourceType") or "no resourceType"

    @property
    def id(self) -> str | None:
        """The id of the resource, else the one of its entry in the bundle."""
        return text(self.resource, "id") or self.url


class Broken(NamedTuple):
    """What is no resource, and why."""

    place: Place
    reason: str
    kind: str = "file"


def files(paths: Sequence[Path], out: Path | None = None) -> list[tuple[str, Path]]:
    """The files below the paths, each once, with the name by which they are told: folders in order of names.

    Hidden files are left out, and so is what is written itself: `out`, and files beside it whose names begin with its.
    Raises `SourceError` for a path that does not exist, or if there is no file at all.
    """
    found: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and not _is_written(each, out))
            below = [(each, each.relative_to(path)) for each in inside]
            found |= {
                each: name.as_posix()
                for each, name in below
                if each not in found and not any(step.startswith(".") for step in name.parts)
            }
        elif path.is_file():
            found.setdefault(path, path.name)
        else:
            message = f"{path} does not exist: name a folder, or files, of FHIR JSON or NDJSON."
            raise SourceError(message)
    if not any(path.suffix.lower() in _READ for path in found):
        message = "none of the paths holds a .json or .ndjson file: name the folder or files of the FHIR export."
        raise SourceError(message)
    return [(name, path) for path, name in found.items()]


def _is_written(path: Path, out: Path | None) -> bool:
    return out is not None and path.name.startswith(out.name) and path.parent.resolve() == out.parent.resolve()


_READ = {".json", ".ndjson", ".jsonl"}


def resources(sources: Sequence[tuple[str, Path]]) -> Iterator[Found | Broken]:
    """Every resource of the files, in order; what is none comes as `Broken`, and the rest goes on."""
    for number, (name, path) in enumerate(sources):
        if path.suffix.lower() not in _READ:
            yield Broken(Place(name, 0), "is no .json or .ndjson file: not read")
        elif path.suffix.lower() == ".json":
            yield from _document(number, name, path)
        else:
            yield from _lines(number, name, path)


def _document(number: int, name: str, path: Path) -> Iterator[Found | Broken]:
    """A file of one JSON value; one that goes on after it is read as NDJSON."""
    try:
        whole = _value(path.read_bytes())
    except json.JSONDecodeError as problem:
        if problem.msg == "Extra data":
            yield from _lines(number, name, path)
        else:
            yield Broken(Place(name, problem.lineno), "is not JSON")
        return
    except (UnicodeDecodeError, RecursionError, ValueError):
        yield Broken(Place(name, 1), "is not JSON")
        return
    yield from _resources_of(whole, Place(name, 1), f"{number}:1", f"in {path.parent}")


def _lines(number: int, name: str, path: Path) -> Iterator[Found | Broken]:
    with path.open("rb") as file:
        for row, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                whole = _value(line)
            except (RecursionError, ValueError):
                yield Broken(Place(name, row), "is not JSON")
                continue
            yield from _resources_of(whole, Place(name, row), f"{number}:{row}", EVERYWHERE)


def _resources_of(whole: Any, place: Place, scope: str, outside: str) -> Iterator[Found | Broken]:
    """The resources of a bundle, in its scope; what is no bundle, in the scope outside."""
    if not isinstance(whole, dict) or not text(whole, "resourceType"):
        yield Broken(place, "is no FHIR resource: it has no resourceType")
        return
    if whole["resourceType"] != "Bundle":
        yield Found(place, outside, whole)
        return
    for entry, each in enumerate(parts(whole, "entry"), start=1):
        inside, url = part(each, "resource"), text(each, "fullUrl") or ""
        here = place._replace(entry=entry)
        if text(part(each, "request"), "method") == "DELETE":
            yield Broken(here, "is a deletion: send the resource with status entered-in-error", "Bundle")
        elif not text(inside, "resourceType"):
            yield Broken(here, "is an entry without a resource", "Bundle")
        elif inside["resourceType"] == "Bundle":
            yield from _resources_of(inside, here, f"{scope}:{entry}", outside)
        else:
            yield Found(here, scope, inside, _named_by(url))


def _named_by(url: str) -> str | None:
    """What references call the resource of an entry with this full URL."""
    if url.startswith("urn:"):
        return url.rsplit(":", 1)[-1]
    return "/".join(url.rstrip("/").split("/")[-2:]) or None


def _value(data: bytes) -> Any:
    """JSON with its decimals as they are written. A byte order mark is left out."""
    return json.loads(data.decode("utf-8-sig"), parse_float=Decimal)
