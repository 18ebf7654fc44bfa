"""Value sets: which codes mean a mammogram, a hospice stay, a controller of asthma. They come from files, never from code.

`ValueSets` is the code index of the measure engine: from a code to the sets that hold it. A set that cannot be used is kept with its
reason, so that nobody takes it for an empty one. Source: design.md, measures as editions; measures.md 13.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property

import msgspec

from state.reference.codes import INGREDIENT, Code, System

_REMEMBERED = 1 << 18
"""Codes whose answer is kept. Feeds use some ten thousand; only rubbish reaches the limit, and then the memory starts anew."""


class InvalidValueSets(Exception):
    """Value sets cannot be used; the message names the file and the place in it, and what to do."""


class ConflictingValueSets(InvalidValueSets):
    """Two files say different things of one set."""


class MissingValueSets(InvalidValueSets):
    """Sets are asked for that are in no file, or in one that could not be used."""


class CodeRange(msgspec.Struct, frozen=True, order=True):
    """All codes of a system whose first characters, as many as `low` and `high` have, lie between these, both included.

    Only codes with digits where the bounds have digits, and letters where they have letters, so that 10004 to 69990 holds no 1126F.
    """

    system: System
    low: str
    high: str

    def holds(self, text: str) -> bool:
        """Whether a normal code of this system is in the range."""
        start = text[: len(self.low)]
        return self.low <= start <= self.high and shape(start) == shape(self.low)


def shape(text: str) -> str:
    """Where a code has digits (9) and where something else (A)."""
    return "".join("9" if character.isdecimal() else "A" for character in text)


class Medication(msgspec.Struct, frozen=True):
    """What a medication list says of a drug. `package_size` is in `unit` (an inhaler's canister holds so much); None where not said."""

    code: Code
    generic_name: str = ""
    route: str = ""
    package_size: Decimal | None = None
    unit: str = ""


class ValueSet(msgspec.Struct, frozen=True, kw_only=True):
    """One set. `id` is its OID, else its name; `names` are others under which it may be asked for; `source` is file and place."""

    id: str
    names: tuple[str, ...] = ()
    version: str = ""
    codes: frozenset[Code] = frozenset()
    prefixes: frozenset[Code] = frozenset()
    ranges: frozenset[CodeRange] = frozenset()
    medications: frozenset[Medication] = frozenset()
    source: str = ""

    def digest(self) -> bytes:
        """Sha256 over id and content; where it came from and what its version is called make no difference."""
        content = (
            self.id,
            sorted(self.codes),
            sorted(self.prefixes),
            sorted(self.ranges),
            sorted(msgspec.json.encode(medication) for medication in self.medications),
        )
        return hashlib.sha256(msgspec.json.encode(content)).digest()

    def is_empty(self) -> bool:
        """Whether no code at all can be in it."""
        return not (self.codes or self.prefixes or self.ranges)


class Unusable(msgspec.Struct, frozen=True):
    """A set that a file names but that cannot be used, and why: it is missing with a reason, not empty.

    `part` is what the file has of a set that was cut off, for whoever takes it so: see `ValueSets.as_published`.
    """

    id: str
    names: tuple[str, ...]
    reason: str
    part: ValueSet | None = None


class ImportedSets(msgspec.Struct, frozen=True):
    """What files hold: the sets, and those of which the files do not say enough."""

    sets: tuple[ValueSet, ...]
    unusable: tuple[Unusable, ...] = ()


class ValueSets:
    """An immutable collection of sets, asked by code. Sets are named by id or any of their names.

    Raises `InvalidValueSets` for an empty set, for a drug listed twice in different words, and `ConflictingValueSets` where two sets
    have the same id or name and not the same content. Equal ones are one; it keeps the later version's name.
    """

    def __init__(self, sets: Iterable[ValueSet], unusable: Iterable[Unusable] = ()) -> None:
        self._sets: dict[str, ValueSet] = {}
        self._ids: dict[str, str] = {}
        self._medications: dict[str, Mapping[Code, Medication]] = {}
        self._known: dict[Code, tuple[str, ...]] = {}
        for one in sorted(sets, key=lambda one: (one.id, one.version)):
            self._add(one)
        for one in self._sets.values():
            for name in one.names:
                self._name(name, one)
        self._unusable = {
            name: one
            for one in unusable
            for name in (one.id, *one.names)
            if self._ids.get(name, name) not in self._sets
        }
        self._build_index()

    def sets_of(self, code: Code) -> tuple[str, ...]:
        """The ids of all sets that hold a normal code, ascending. The hot path: a code seen before is one look into a dict."""
        found = self._known.get(code)
        if found is None:
            found = self._look_up(code)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[code] = found
        return found

    def holds(self, set_id: str, code: Code) -> bool:
        """Whether a set holds a code. Raises `MissingValueSets`."""
        return self.id_of(set_id) in self.sets_of(code)

    def id_of(self, name: str) -> str:
        """The id, as `sets_of` gives it, of a set asked for by id or name. Raises `MissingValueSets`."""
        if name in self._sets:
            return name
        found = self._ids.get(name)
        if found is None:
            self.require((name,))
            raise AssertionError(name)
        return found

    def get(self, set_id: str) -> ValueSet:
        """A set with all that its file says of it. Raises `MissingValueSets`."""
        return self._sets[self.id_of(set_id)]

    def version(self, set_id: str) -> str:
        """What the source calls the version of a set; empty where it gives none. Raises `MissingValueSets`."""
        return self.get(set_id).version

    def medications(self, set_id: str) -> Mapping[Code, Medication]:
        """The drugs of a medication list by code; empty for a set that is none. Raises `MissingValueSets`."""
        return self._medications.get(self.id_of(set_id), {})

    def missing(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that no usable set has, ascending."""
        return tuple(sorted({name for name in ids if name not in self}))

    def reason(self, name: str) -> str:
        """Why a missing set is missing: that its file could not be used, or that no file has it."""
        return self.unusable_because(name) or "no file has it"

    def unusable_because(self, name: str) -> str | None:
        """What is wrong with a set that a file names but that cannot be used; None for every other."""
        unusable = self._unusable.get(name)
        return unusable.reason if unusable else None

    def require(self, ids: Iterable[str]) -> None:
        """Raises `MissingValueSets` with the reason of each unless all are there: a missing set is never an empty set."""
        missing = self.missing(ids)
        if missing:
            reasons = "; ".join(f"{name} ({self.reason(name)})" for name in missing)
            raise MissingValueSets(
                f"{len(missing)} value sets are missing: {reasons}. Lay a file that has them into a folder of value sets."
            )

    def without_products(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the sets, ascending, that name drugs by ingredient alone: no dispensing, which comes as a product, finds them."""
        return tuple(
            sorted({name for name in ids if {system for system, _ in self.get(name).codes} == {INGREDIENT}}),
        )

    def restricted_to(self, ids: Iterable[str]) -> ValueSets:
        """Only these sets, so that a code is found only for what is measured. Raises `MissingValueSets`."""
        wanted = tuple(ids)
        self.require(wanted)
        return ValueSets(self._sets[one] for one in {self.id_of(name) for name in wanted})

    def merged_with(self, other: ValueSets) -> ValueSets:
        """Both collections as one. Raises `ConflictingValueSets`, naming both files, where they differ about one set."""
        return ValueSets(
            (*self._sets.values(), *other._sets.values()), (*self._unusable.values(), *other._unusable.values())
        )

    def as_published(self) -> ValueSets:
        """The sets, and of those that were cut off before their end what there is of them: `cut_off` says which and why."""
        parts = {one.id: one.part for one in self._unusable.values() if one.part is not None}
        if not parts:
            return self
        return ValueSets((*self._sets.values(), *parts.values()), self._unusable.values())

    def cut_off(self, ids: Iterable[str]) -> Mapping[str, str]:
        """Those of the sets, ascending, of which a file has only a part, each with the reason."""
        found = {name: self._unusable.get(name) for name in sorted(set(ids))}
        return {name: one.reason for name, one in found.items() if one is not None and one.part is not None}

    @property
    def all(self) -> tuple[ValueSet, ...]:
        """The sets, by id ascending."""
        return tuple(self._sets[one] for one in sorted(self._sets))

    @property
    def unusable(self) -> tuple[Unusable, ...]:
        """The sets that files name but that cannot be used, by id ascending."""
        return tuple(sorted(set(self._unusable.values()), key=lambda one: (one.id, one.reason)))

    @cached_property
    def digest(self) -> str:
        """Sha256 (hex) over the content of the sets: the same whatever the order of files, rows and codes."""
        return hashlib.sha256(b"".join(sorted(one.digest() for one in self._sets.values()))).hexdigest()

    def __contains__(self, set_id: object) -> bool:
        return set_id in self._sets or set_id in self._ids

    def __len__(self) -> int:
        return len(self._sets)

    def _add(self, one: ValueSet) -> None:
        if one.is_empty():
            raise InvalidValueSets(f"{one.source}: the value set {one.id} is empty: give it a code or leave it out.")
        other = self._sets.get(one.id)
        if other is not None and other.digest() != one.digest():
            raise ConflictingValueSets(
                f"the value set {one.id} is in {_described(other)} and, with other codes, in {_described(one)}: keep one of them."
            )
        names = one.names if other is None else tuple(sorted({*one.names, *other.names}))
        self._sets[one.id] = msgspec.structs.replace(one, names=names)
        drugs = {medication.code: medication for medication in one.medications}
        if len(drugs) != len(one.medications):
            raise InvalidValueSets(
                f"{one.source}: {one.id} lists a drug twice, with different package or route: keep one."
            )
        if drugs:
            self._medications[one.id] = drugs

    def _name(self, name: str, one: ValueSet) -> None:
        other = self._sets.get(name) or self._sets.get(self._ids.get(name, ""))
        if other is not None and other.id != one.id:
            raise ConflictingValueSets(
                f"{name} names {other.id} in {_described(other)} and {one.id} in {_described(one)}: keep one of them."
            )
        if name != one.id:
            self._ids[name] = one.id

    def _build_index(self) -> None:
        codes: dict[Code, list[str]] = {}
        prefixes: dict[Code, list[str]] = {}
        ranges: dict[System, list[tuple[CodeRange, str]]] = {}
        for one in self.all:
            for code in one.codes:
                codes.setdefault(code, []).append(one.id)
            for prefix in one.prefixes:
                prefixes.setdefault(prefix, []).append(one.id)
            for span in one.ranges:
                ranges.setdefault(span.system, []).append((span, one.id))
        self._codes = codes
        self._prefixes = prefixes
        self._ranges = ranges
        lengths: dict[System, set[int]] = {}
        for system, prefix_text in prefixes:
            lengths.setdefault(system, set()).add(len(prefix_text))
        self._lengths = lengths

    def _look_up(self, code: Code) -> tuple[str, ...]:
        system, text = code
        found = set(self._codes.get(code, ()))
        for length in self._lengths.get(system, ()):
            found.update(self._prefixes.get((system, text[:length]), ()))
        found.update(one for span, one in self._ranges.get(system, ()) if span.holds(text))
        return tuple(sorted(found))


def replaced_by(
    starters: ValueSets, imported: ValueSets, replacements: Mapping[str, Iterable[tuple[str, ...]]]
) -> ValueSets:
    """The starter sets, with an imported set in the place of each that it replaces, and all other imported sets.

    An imported set of the same id or name goes before. Else `replacements` says for a starter, best first, the groups of sets that
    together are it: the first group that is there whole takes its place, as a set with the starter's id. A group may name starters
    beside imported sets, for codes that licensed rules cite one by one. A group that is there in part replaces nothing: half a set
    is worse than ours. Where the import has the set but it is unusable, the set is missing: ours would hide the mistake.
    """
    placed: list[ValueSet] = []
    spoilt: list[Unusable] = []
    for name in sorted({*(starter.id for starter in starters.all), *replacements}):
        if name in imported:
            continue
        groups = tuple(replacements.get(name, ()))
        group = next((group for group in groups if _is_whole(group, starters, imported)), None)
        reasons = [imported.unusable_because(part) for part in (name, *(part for group in groups for part in group))]
        reason = next(filter(None, reasons), None)
        if group is not None:
            placed.append(
                _joined(name, [imported.get(part) if part in imported else starters.get(part) for part in group])
            )
        elif reason is not None:
            spoilt.append(Unusable(name, (), reason))
        elif name in starters:
            placed.append(starters.get(name))
    return ValueSets((*placed, *imported.all), (*starters.unusable, *imported.unusable, *spoilt))


def _is_whole(group: tuple[str, ...], starters: ValueSets, imported: ValueSets) -> bool:
    return any(part in imported for part in group) and all(part in imported or part in starters for part in group)


def _joined(set_id: str, parts: list[ValueSet]) -> ValueSet:
    return ValueSet(
        id=set_id,
        version=" ".join(part.version for part in parts if part.version),
        codes=frozenset().union(*(part.codes for part in parts)),
        prefixes=frozenset().union(*(part.prefixes for part in parts)),
        ranges=frozenset().union(*(part.ranges for part in parts)),
        medications=frozenset().union(*(part.medications for part in parts)),
        source="; ".join(part.source for part in parts),
    )


def _described(one: ValueSet) -> str:
    return f"{one.source} (version {one.version})" if one.version else one.source
