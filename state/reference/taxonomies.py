"""Who counts as primary care, by provider taxonomy, and which taxonomy an NPI had when. Source: attribution.md 2.2 rule 5 and 2.3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal, cast

import msgspec

from state.calendar import Day
from state.reference.tables import TableFile, read_rows

COLUMNS = ("taxonomy_code", "label", "status", "condition", "pediatric_or_family", "source")
CONDITIONS = ("palliative", "school", "community", "nppa", "facility", "switch:count_cns", "switch:obgyn_as_pcp")
DIRECTORY_COLUMNS = ("npi", "taxonomy_code", "primary", "effective_from")
NPPES_COLUMNS = ("NPI", "Healthcare Provider Taxonomy Code_1", "Healthcare Provider Primary Taxonomy Switch_1")
"""What an extract of the NPPES file must have. There are up to 15 of the latter two; all other columns are passed over."""
_NPPES_PLACES = range(1, 16)
_ORGANISATIONS = ("25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "38")
"""First digits of the taxonomies that are not persons. Source: NUCC code set, groups of non-individuals."""


class Taxonomy(msgspec.Struct, frozen=True):
    """Whether a taxonomy is primary care: include, exclude, or conditional on all of `conditions`."""

    status: Literal["include", "exclude", "conditional"]
    conditions: tuple[str, ...]
    pediatric_or_family: bool


class Taxonomies(msgspec.Struct, frozen=True):
    """The compiled list; a taxonomy that is not listed is no primary care."""

    by_code: Mapping[str, Taxonomy]

    def find(self, code: str | None) -> Taxonomy | None:
        """The entry of a taxonomy code, None when it is not listed."""
        return None if code is None else self.by_code.get(code)


class Directory(msgspec.Struct, frozen=True):
    """Primary taxonomies of NPIs over time (an NPPES extract)."""

    by_npi: Mapping[str, tuple[tuple[Day, str], ...]]

    def taxonomy(self, npi: str, day: Day) -> str | None:
        """The primary taxonomy in force on a day; None when the directory does not know."""
        found = None
        for start, code in self.by_npi.get(npi, ()):
            if start <= day:
                found = code
        return found

    def days(self, npi: str) -> Iterator[Day]:
        """The days on which the primary taxonomy of an NPI changes."""
        return (start for start, _ in self.by_npi.get(npi, ()))


def is_organisation(taxonomy_code: str) -> bool:
    """Whether a taxonomy belongs to an organisation, not to a person."""
    return taxonomy_code.startswith(_ORGANISATIONS)


@lru_cache(maxsize=64)
def parse(file: TableFile) -> Taxonomies:
    """The list of a CSV file. Raises `InvalidTable`, naming the row."""
    by_code: dict[str, Taxonomy] = {}
    for row in read_rows(file, COLUMNS):
        code = row.text("taxonomy_code")
        if code in by_code:
            raise row.wrong("taxonomy_code", f"{code} is listed twice")
        status = cast(
            "Literal['include', 'exclude', 'conditional']", row.one_of("status", ("include", "exclude", "conditional"))
        )
        conditions = row.words("condition", CONDITIONS)
        if (status == "conditional") != bool(conditions):
            raise row.wrong("condition", "a condition stands beside status=conditional, and only there")
        row.text("source")
        by_code[code] = Taxonomy(status, conditions, row.one_of("pediatric_or_family", ("yes", "no")) == "yes")
    return Taxonomies(by_code)


@lru_cache(maxsize=8)
def parse_directory(file: TableFile) -> Directory:
    """The directory of a CSV file: npi, taxonomy_code, primary (yes, no), effective_from. Only primary taxonomies count.

    Or of an extract of the NPPES file in its own columns, which knows no days: what it says holds on all of them.
    """
    if NPPES_COLUMNS[1].encode() in file.data.partition(b"\n")[0]:
        return Directory({npi: ((0, code),) for npi, code in _nppes(file)})
    found: dict[str, list[tuple[Day, str]]] = {}
    for row in read_rows(file, DIRECTORY_COLUMNS):
        entry = (row.day("effective_from", 0), row.text("taxonomy_code"))
        npi = row.text("npi")
        if row.one_of("primary", ("yes", "no")) == "yes":
            found.setdefault(npi, []).append(entry)
    return Directory({npi: tuple(sorted(entries)) for npi, entries in found.items()})


def _nppes(file: TableFile) -> Iterator[tuple[str, str]]:
    """Each NPI with its primary taxonomy: the one switched Y, else the first that stands there. A deactivated NPI has none."""
    for row in read_rows(file, NPPES_COLUMNS):
        npi, first = row.text("NPI"), None
        for place in _NPPES_PLACES:
            code = row.optional(f"Healthcare Provider Taxonomy Code_{place}")
            if not code:
                continue
            first = first or code
            if row.optional(f"Healthcare Provider Primary Taxonomy Switch_{place}") == "Y":
                first = code
                break
        if first is not None:
            yield npi, first
