"""What could not be said, or only otherwise: counted by what it is of and why, and listed line by line in a file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

COLUMNS = ("file", "line", "entry", "resource_type", "reason")
"""Of a CSV source the line is the row (its header is row 1) and the resource type the table."""


class Place(NamedTuple):
    """Where something stands: the file below the folder that was named, its line, and its entry in a FHIR bundle (from 1)."""

    file: str
    line: int
    entry: int | None = None


class LeftOut:
    """The counts, and the list as it grows. It names places and elements, never what stands in them."""

    def __init__(self, file: TextIO) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """By resource type, or table, and reason."""
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(COLUMNS)

    def add(self, kind: str, reason: str, place: Place) -> None:
        """One resource or row, or a part of it, that is not in the event file as it stands in the source."""
        self.counts[kind, reason] += 1
        self._rows.writerow((place.file, place.line or None, place.entry, kind, reason))

    def sentences(self) -> Iterator[str]:
        """A line for each type and reason, in order."""
        for (kind, reason), count in sorted(self.counts.items()):
            yield f"{kind}: {reason}: {count:,}"


def list_beside(out: Path) -> Path:
    """The file beside an event file in which everything left out is listed."""
    return out.with_name(f"{out.name}.left-out.csv")


@contextmanager
def listing(out: Path) -> Iterator[LeftOut]:
    """The list beside an event file, there when it is complete."""
    whole = list_beside(out)
    fresh = whole.with_name(f"{whole.name}.part")
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            yield LeftOut(file)
        fresh.replace(whole)
    finally:
        fresh.unlink(missing_ok=True)
