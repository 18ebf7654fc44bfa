"""Sets from files that list one code a row: rows are gathered set by set, and what is wrong in a row makes its set unusable."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from state.reference.codes import (
    Code,
    System,
    UnknownSystem,
    UnusableCode,
    code_of,
    is_partial_bill_type,
    normal_code,
    normal_prefix,
    system_of,
)
from state.reference.value_sets import CodeRange, ImportedSets, InvalidValueSets, Medication, Unusable, ValueSet, shape

_ROUTES = (
    ("inhal", "inhalation"),
    ("nasal", "nasal"),
    ("subcut", "injection"),
    ("intraven", "injection"),
    ("intramusc", "injection"),
    ("inject", "injection"),
    ("infus", "injection"),
    ("oral", "oral"),
)
"""Words of a route in workbooks and directories, and the route that counting knows (measures.md 7)."""
_SHOWN = 3
"""Mistakes that the reason of an unusable set quotes; the first ones, because they are usually all alike."""


class _Draft:
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.versions: set[str] = set()
        self.codes: set[Code] = set()
        self.prefixes: set[Code] = set()
        self.ranges: set[CodeRange] = set()
        self.medications: dict[Code, Medication] = {}
        self.problems: list[str] = []


class Listing:
    """The sets of one file while it is read."""

    def __init__(self, file_name: str) -> None:
        self._file = file_name
        self._drafts: dict[str, _Draft] = {}
        self._owners: dict[str, str] = {}
        self._announced: set[tuple[str, str]] = set()

    def announce(self, name: str, oid: str) -> None:
        """A set is named; without a row of its own it is unusable as empty."""
        if name:
            self._announced.add((name, oid))

    def add(
        self, *, name: str, oid: str, version: str, system: str, code: str, place: str, drug: Medication | None = None
    ) -> None:
        """A row. `system` may end in _RANGE (low-high, both included) or _PREFIX. `drug` says more of the code, whatever its own code."""
        if not (name or oid):
            raise InvalidValueSets(f"{self._file}, {place}: the row names no value set: name it or take the row out.")
        draft = self._draft(name, oid)
        if version:
            draft.versions.add(version)
        try:
            if system.upper().endswith("_RANGE"):
                draft.ranges.add(range_of(system[: -len("_RANGE")], code))
            elif system.upper().endswith("_PREFIX"):
                draft.prefixes.add(normal_prefix(system_of(system[: -len("_PREFIX")]), code))
            else:
                self._add_code(draft, code_of(system, code), drug)
        except (UnknownSystem, UnusableCode) as wrong:
            draft.problems.append(f"{place}, code {code!r}: {wrong}")

    def wrong(self, *, name: str, oid: str, place: str, problem: str) -> None:
        """A row of a set cannot be read."""
        self._draft(name, oid).problems.append(f"{place}: {problem}")

    def finish(self) -> ImportedSets:
        """All sets of the file, by id ascending."""
        for name, oid in self._announced:
            if name not in self._owners:
                self._draft(name, oid)
        sets, unusable = [], []
        for set_id in sorted(self._drafts):
            draft = self._drafts[set_id]
            names = tuple(sorted(draft.names - {set_id}))
            one = ValueSet(
                id=set_id,
                names=names,
                version=" ".join(sorted(draft.versions)),
                codes=frozenset(draft.codes),
                prefixes=frozenset(draft.prefixes),
                ranges=frozenset(draft.ranges),
                medications=frozenset(draft.medications.values()),
                source=self._file,
            )
            problems = draft.problems or (["it has no code"] if one.is_empty() else [])
            if problems:
                more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
                unusable.append(Unusable(set_id, names, f"{self._file}: {'; '.join(problems[:_SHOWN])}{more}"))
            else:
                sets.append(one)
        return ImportedSets(tuple(sets), tuple(unusable))

    def _draft(self, name: str, oid: str) -> _Draft:
        set_id = oid.removeprefix("urn:oid:") or self._owners.get(name, name)
        draft = self._drafts.setdefault(set_id, _Draft())
        owner = self._owners.setdefault(name, set_id)
        if name and owner != set_id:
            draft.problems.append(f"its name {name!r} is also that of {owner}: give each set a name of its own")
        elif name:
            draft.names.add(name)
        return draft

    @staticmethod
    def _add_code(draft: _Draft, code: Code, drug: Medication | None) -> None:
        if code[0] == "UBTOB" and is_partial_bill_type(code[1]):
            draft.prefixes.add(code)
            return
        draft.codes.add(code)
        if drug is None or not (drug.generic_name or drug.route or drug.package_size):
            return
        row = Medication(code, drug.generic_name, drug.route, drug.package_size, drug.unit)
        if draft.medications.setdefault(code, row) != row:
            raise UnusableCode("it is listed before with another route, package or name: keep one row.")


def range_of(system: str, text: str) -> CodeRange:
    """`E0100-E0105` as a range. Raises `UnusableCode` unless both bounds have one length, one shape, and stand in order."""
    low, _, high = text.partition("-")
    known = system_of(system)
    if low.strip() and high.strip():
        first, last = _bound(known, low), _bound(known, high)
        if first[0] == last[0] and shape(first[1]) == shape(last[1]) and first[1] <= last[1]:
            return CodeRange(first[0], first[1], last[1])
    raise UnusableCode("a range is two codes alike in letters and digits, the lower one first, with a hyphen between.")


def _bound(system: System, text: str) -> Code:
    """A bound in its spelling; only codes of a fixed width are filled with zeros, because `C81` bounds all codes below it."""
    return (
        (system, normal_code(system, text))
        if system in {"UBREV", "POS", "CVX", "MSDRG"}
        else normal_prefix(system, text)
    )


def drug_of(*, generic_name: str, route: str, package_size: str, unit: str) -> Medication:
    """What a row says of a drug, still without its code. Raises `UnusableCode` for a package size that is no number above 0."""
    size = None
    if package_size:
        try:
            size = Decimal(package_size)
        except InvalidOperation:
            size = Decimal(0)
        if not (size.is_finite() and size > 0):
            raise UnusableCode(f"package size {package_size!r} is no number above 0.")
        size = size.normalize()
    return Medication(
        ("", ""), " ".join(generic_name.casefold().split()), route_of(route), size, unit.strip().casefold()
    )


def route_of(text: str) -> str:
    """oral, inhalation, injection or nasal for the words of sources; another route as it is written, in lower case."""
    words = text.casefold().strip()
    return next((route for part, route in _ROUTES if re.search(rf"\b{part}", words)), words)
