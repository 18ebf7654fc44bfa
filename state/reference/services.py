"""What counts as a visit: services by code, bill types and places of service, from `primary_care_services.csv`.

Source: attribution.md 2.2, rules 2 to 4.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from state.calendar import FOREVER, Day
from state.reference.tables import TableFile, TableRow, read_rows

COLUMNS = (
    "code_system",
    "codes",
    "label",
    "category",
    "counts",
    "condition",
    "uses",
    "effective_start",
    "effective_end",
    "source",
)
SYSTEMS = ("HCPCS", "REV", "TOB", "POS")
CONDITIONS = (
    "pos_32",
    "not_inpatient",
    "fqhc_rhc_claim",
    "pediatric_or_family",
    "bill_71_77",
    "cah_method_2",
    "school_taxonomy",
    "nursing_facility_visit",
    "switch:count_retail_clinic",
    "switch:count_urgent_care",
    "switch:count_async_virtual",
    "switch:count_consults",
    "switch:count_immunization_only",
    "switch:obgyn_as_pcp",
)
USES = ("palliative", "school", "community")
"""Restricted groups of clinicians (attribution.md 2.3) whose visits a code or place may be."""
_RANGE = re.compile(r"([A-Z]?)(\d+)-([A-Z]?)(\d+)")


class Service(msgspec.Struct, frozen=True):
    """One code while it is in force, both days included. `counts` is no, yes, or conditional on all of `conditions`."""

    category: str
    counts: str
    conditions: tuple[str, ...]
    uses: frozenset[str]
    start: Day
    end: Day


class Services(msgspec.Struct, frozen=True, eq=False):
    """The compiled list: by code system, then by code. `changes`: the days on which an entry begins or no longer holds, ascending."""

    by_system: Mapping[str, Mapping[str, tuple[Service, ...]]]
    changes: tuple[Day, ...]

    def unchanged_since(self, day: Day) -> Day:
        """The first of the days up to `day` on which the list said all that it says on `day`."""
        return self.changes[bisect_right(self.changes, day) - 1]

    def find(self, system: str, code: str | None, day: Day) -> Service | None:
        """The entry of a code on a day, None when it is not listed."""
        if code is None:
            return None
        for service in self.by_system[system].get(code, ()):
            if service.start <= day <= service.end:
                return service
        return None


@lru_cache(maxsize=64)
def parse(file: TableFile) -> Services:
    """The list of a CSV file. Raises `InvalidTable`, naming the row, also when two rows hold one code at one time."""
    by_system: dict[str, dict[str, tuple[Service, ...]]] = {system: {} for system in SYSTEMS}
    changes = {0}
    for row in read_rows(file, COLUMNS):
        system = row.one_of("code_system", SYSTEMS)
        service = Service(
            category=row.text("category"),
            counts=row.one_of("counts", ("yes", "no", "conditional")),
            conditions=row.words("condition", CONDITIONS),
            uses=frozenset(row.words("uses", USES)),
            start=row.day("effective_start", 0),
            end=row.day("effective_end", FOREVER),
        )
        if (service.counts == "conditional") != bool(service.conditions):
            raise row.wrong("condition", "a condition stands beside counts=conditional, and only there")
        row.text("source")
        for code in _expand(row):
            others = by_system[system].get(code, ())
            if any(other.start <= service.end and service.start <= other.end for other in others):
                raise row.wrong("codes", f"{code} is listed twice for the same time")
            by_system[system][code] = (*others, service)
        changes |= {service.start, service.end + 1}
    return Services(by_system, tuple(sorted(changes)))


def _expand(row: TableRow) -> Iterator[str]:
    """`99202-99205;99211` as its codes."""
    for part in row.text("codes").split(";"):
        if "-" not in part:
            yield part
            continue
        found = _RANGE.fullmatch(part)
        if not found or found[1] != found[3] or len(found[2]) != len(found[4]) or int(found[2]) > int(found[4]):
            raise row.wrong("codes", f"{part!r} is not a range of codes")
        for number in range(int(found[2]), int(found[4]) + 1):
            yield f"{found[1]}{number:0{len(found[2])}d}"
