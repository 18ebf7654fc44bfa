"""Editions: the measures of a year and program as data. Source: design.md, measures as editions.

An edition binds *roles*, the words in which a measure's rule speaks of codes, to value sets and single codes, and gives each measure
its parameters. One file, so that a digest names it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, Literal

import msgspec

from state.calendar import Day
from state.measures.catalogue import MEASURES
from state.measures.facts import Fact, Kept, KeptClaim, Wanted, coded
from state.measures.measure_tables import NO_TABLES, ROLES_OF_TABLES, MeasureTables
from state.measures.outcome import Measure
from state.measures.period import Period
from state.measures.touching import can_change
from state.reference.codes import Code, UnknownSystem, UnusableCode, code_of
from state.reference.tables import BUILT_IN, InvalidTable, TableError, TableFile
from state.reference.value_sets import Medication, ValueSets

FOLDER = BUILT_IN / "editions"


class UnknownEdition(TableError):
    """No edition has this name."""


class MissingValueSets(TableError):
    """An edition needs value sets that are not loaded; never an empty set instead (measures.md 13)."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sets: Mapping[str, tuple[str, ...]] = {}
    optional: Mapping[str, tuple[str, ...]] = {}
    codes: Mapping[str, tuple[str, ...]] = {}
    parameters: Mapping[str, Any] = {}


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    label: str
    form: Literal["administrative", "ecqm"]
    sets: Mapping[str, tuple[str, ...]] = {}
    optional: Mapping[str, tuple[str, ...]] = {}
    codes: Mapping[str, tuple[str, ...]] = {}
    parameters: Mapping[str, Any] = {}
    measures: Mapping[str, _Section] = {}


class Edition(msgspec.Struct, frozen=True):
    """An edition, read. `label` stands on every rate; `parameters` are typed as each measure asks; `digest` is the file's sha256.

    `optional` sets add to a role where they are loaded, and stop nothing where they are not: what may not be shipped, and what a rule
    can do without.
    """

    name: str
    label: str
    form: Literal["administrative", "ecqm"]
    digest: str
    sets: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, tuple[Code, ...]]
    parameters: Mapping[str, Any]

    def measures(self) -> tuple[Measure, ...]:
        """The measures of the edition, by id."""
        return tuple(MEASURES[name] for name in sorted(self.parameters))

    def roles(self, measure: str) -> frozenset[str]:
        """The roles that a measure of the edition reads."""
        return MEASURES[measure].roles(self.parameters[measure])

    def value_sets(self, measure: str) -> frozenset[str]:
        """The value sets that a measure of the edition needs."""
        return frozenset(one for role in self.roles(measure) for one in self.sets.get(role, ()))

    def usable(self, loaded: ValueSets) -> ValueSets:
        """The loaded sets as the edition takes them.

        An eCQM is read with its value sets as they are published, also with one that was cut off after 1,000 codes: so the publishers'
        own runs have it. The program's editions pay by their results, and take whole sets alone. Source: measures.md 13.
        """
        return loaded.as_published() if self.form == "ecqm" else loaded

    def cut_off(self, loaded: ValueSets) -> Mapping[str, str]:
        """The value sets that the edition uses although they were cut off, each with what is wrong with it."""
        if self.form != "ecqm":
            return {}
        return loaded.cut_off(name for measure in self.parameters for name in self.value_sets(measure))

    def missing(self, loaded: ValueSets) -> Mapping[str, tuple[str, ...]]:
        """The value sets that are not loaded, each with the measures that it stops."""
        loaded = self.usable(loaded)
        stopped: dict[str, list[str]] = {}
        for measure in sorted(self.parameters):
            for name in sorted(self.value_sets(measure)):
                if name not in loaded:
                    stopped.setdefault(name, []).append(measure)
        return {name: tuple(measures) for name, measures in sorted(stopped.items())}

    def unfound(self, loaded: ValueSets) -> Mapping[str, tuple[str, ...]]:
        """Of each measure the lists of drugs in which no dispensing is found, because they name drugs by ingredient alone.

        Where nobody has laid a directory of products beside the starter lists, a measure asks and finds nothing: its rates say so.
        """
        usable = self.usable(loaded)
        lists = {measure: usable.without_products(self.value_sets(measure)) for measure in sorted(self.parameters)}
        return {measure: names for measure, names in lists.items() if names}

    def only(self, measures: Iterable[str]) -> Edition:
        """The edition with some of its measures alone. Raises `UnknownEdition` for a measure that it does not have."""
        wanted = sorted(set(measures))
        for name in wanted:
            if name not in self.parameters:
                raise UnknownEdition(f"{self.name} has no measure {name}: it has {', '.join(sorted(self.parameters))}.")
        return msgspec.structs.replace(self, parameters={name: self.parameters[name] for name in wanted})

    def supplied(self, tables: MeasureTables) -> Edition:
        """The edition with tables handed to the measures that ask for them: to those whose parameters have `tables`."""
        return msgspec.structs.replace(
            self,
            parameters={
                name: msgspec.structs.replace(parameters, tables=tables)
                if "tables" in MEASURES[name].parameters.__struct_fields__
                else parameters
                for name, parameters in self.parameters.items()
            },
        )

    def absent(self, loaded: ValueSets) -> frozenset[str]:
        """The roles that no code can play, because every set that could give them is optional and none is loaded."""
        return frozenset(
            role
            for measure in self.parameters
            for role in self.roles(measure)
            if self.optional.get(role)
            and not self.sets.get(role)
            and not self.codes.get(role)
            and not any(name in loaded for name in self.optional[role])
        )


class Bound:
    """An edition with the value sets that are loaded: which roles a code has, and which measures read a role.

    `roles_of` remembers: a code that came before costs one look-up. `medications` is what the medication lists say of a drug, by its
    code; where two lists name one, the set of the later id speaks. `tables` are those that were supplied for the edition: the parameters
    of `edition` carry them from here on. `measures` are the ids of its measures, in order; `needs` what each needs, `unfound` the lists of
    drugs in which it finds nothing (`Edition.unfound`).
    Raises `MissingValueSets` when a set is missing.
    """

    def __init__(self, edition: Edition, loaded: ValueSets, tables: MeasureTables = NO_TABLES) -> None:
        loaded = edition.usable(loaded)
        edition = edition.supplied(tables)
        edition = edition.supplied(tables.lacking(edition.absent(loaded)))
        missing = edition.missing(loaded)
        if missing:
            some = "; ".join(f"{name} (stops {', '.join(measures)})" for name, measures in list(missing.items())[:5])
            more = "" if len(missing) <= 5 else f" and {len(missing) - 5} more"
            raise MissingValueSets(
                f"{edition.name} needs {len(missing)} value sets that are not loaded: {some}{more}. "
                f"Lay their files into a folder of value sets; `panelstream valuesets check {edition.name}` lists all."
            )
        self.edition = edition
        self.tables = tables
        self.measures = tuple(sorted(edition.parameters))
        roles = {role for measure in edition.parameters for role in edition.roles(measure)}
        for role in sorted(roles - ROLES_OF_TABLES):
            if role not in edition.sets and role not in edition.optional and role not in edition.codes:
                raise InvalidTable(
                    f"{edition.name} binds no value set or code to the role {role}, which is read with the supplied tables: name one."
                )
        sets = {
            role: (
                *edition.sets.get(role, ()),
                *(name for name in edition.optional.get(role, ()) if name in loaded),
            )
            for role in roles
        }
        needed = {name for names in sets.values() for name in names}
        self.value_sets = loaded.restricted_to(needed)
        self.digest = self.value_sets.digest
        self.unfound = edition.unfound(self.value_sets)
        self.medications: Mapping[Code, Medication] = {
            code: medication
            for name in sorted(needed)
            for code, medication in self.value_sets.medications(name).items()
        }
        by_set: dict[str, list[str]] = {}
        by_code: dict[Code, list[str]] = {}
        for role in sorted(roles):
            for name in sets[role]:
                by_set.setdefault(self.value_sets.id_of(name), []).append(role)
            for code in edition.codes.get(role, ()):
                by_code.setdefault(code, []).append(role)
        self.roles_of: Mapping[Code, tuple[str, ...]] = _RolesOf(
            self.value_sets, by_set, by_code, tables, ROLES_OF_TABLES & roles
        )
        readers: dict[str, set[str]] = {}
        for measure in edition.parameters:
            for role in edition.roles(measure):
                readers.setdefault(role, set()).add(measure)
        self.readers: Mapping[str, frozenset[str]] = {role: frozenset(names) for role, names in readers.items()}
        self.needs: Mapping[str, tuple[frozenset[str], ...]] = {
            measure: MEASURES[measure].needs(edition.parameters[measure]) for measure in self.measures
        }
        self._read_by: dict[frozenset[str], Mapping[Code, tuple[str, ...]]] = {}
        self._beside: dict[str, frozenset[str]] = {
            role: frozenset(place for name in names for place in MEASURES[name].beside[role])
            for role, names in self.readers.items()
            if all(role in MEASURES[name].beside for name in names)
        }

    def only_beside(self, code: Code, place: str) -> bool:
        """Whether every role of a code is read only beside something else of its claim, when it was done at a place of service."""
        at = self.roles_of[("POS", place)] if place else ()
        return all(role in self._beside and self._beside[role].isdisjoint(at) for role in self.roles_of[code])

    def read_by(self, measures: frozenset[str]) -> Mapping[Code, tuple[str, ...]]:
        """The roles of a code that some measures of the edition read."""
        found = self._read_by.get(measures)
        if found is None:
            roles = frozenset(role for role, names in self.readers.items() if not names.isdisjoint(measures))
            found = self._read_by[measures] = _SomeRolesOf(self.roles_of, roles)
        return found

    def looks_until(self, measure: str, period: Period) -> Day:
        """The last day for a period on which anything that begins can matter to a measure."""
        return MEASURES[measure].looks_until(period, self.edition.parameters[measure])

    def touched_by(self, kept: Kept) -> Mapping[str, frozenset[str]]:
        """The measures that a kept fact can touch, each with the roles by which it reads the fact.

        Of a claim not those that read of it only what is read beside something else.
        """
        found: dict[str, set[str]] = {}
        for fact in coded(kept):
            for role in self.roles_of[fact.code]:
                for measure in self.readers.get(role, ()):
                    if not isinstance(kept, KeptClaim) or self._reads_by_itself(measure, role, fact):
                        found.setdefault(measure, set()).add(role)
        return {measure: frozenset(roles) for measure, roles in found.items()}

    def can_change(
        self, measure: str, roles: frozenset[str], since: Day, period: Period, counted: frozenset[str] | None
    ) -> bool:
        """Whether facts that have these roles and begin on the day `since` or later can change what a measure says for a period.

        `counted` are the rates that count the member; None where the measure has no outcome.
        """
        return can_change(MEASURES[measure], self.edition.parameters[measure], roles, since, period, counted)

    def _reads_by_itself(self, measure: str, role: str, fact: Fact) -> bool:
        places = MEASURES[measure].beside.get(role)
        if places is None:
            return True
        return fact.line is not None and not frozenset(places).isdisjoint(self.roles_of[("POS", fact.line.place)])


def wanted_by(bounds: Iterable[Bound]) -> Wanted:
    """What any of several editions can use of a claim or chart. It remembers, as `Bound.roles_of` does."""
    return _wanted_by(tuple(bounds))


@lru_cache(maxsize=16)
def _wanted_by(every: tuple[Bound, ...]) -> Wanted:
    return Wanted(
        reads=_Reads(tuple(one.roles_of for one in every)).__getitem__,
        only_beside=cache(lambda code, place: all(one.only_beside(code, place) for one in every)),
    )


class _Reads(dict[Code, bool]):
    def __init__(self, every: tuple[Mapping[Code, tuple[str, ...]], ...]) -> None:
        super().__init__()
        self._every = every

    def __missing__(self, code: Code) -> bool:
        found = self[code] = any(one[code] for one in self._every)
        return found


class _SomeRolesOf(dict[Code, tuple[str, ...]]):
    def __init__(self, roles_of: Mapping[Code, tuple[str, ...]], roles: frozenset[str]) -> None:
        super().__init__()
        self._roles_of = roles_of
        self._roles = roles

    def __missing__(self, code: Code) -> tuple[str, ...]:
        found = self[code] = tuple(role for role in self._roles_of[code] if role in self._roles)
        return found


class _RolesOf(dict[Code, tuple[str, ...]]):
    def __init__(
        self,
        value_sets: ValueSets,
        by_set: Mapping[str, list[str]],
        by_code: Mapping[Code, list[str]],
        tables: MeasureTables,
        roles_of_tables: frozenset[str],
    ) -> None:
        super().__init__()
        self._value_sets = value_sets
        self._by_set = by_set
        self._by_code = by_code
        self._tables = tables
        self._roles_of_tables = roles_of_tables

    def __missing__(self, code: Code) -> tuple[str, ...]:
        roles = {role for name in self._value_sets.sets_of(code) for role in self._by_set.get(name, ())}
        of_tables = self._tables.roles_of(code) & self._roles_of_tables
        found = tuple(sorted(roles.union(self._by_code.get(code, ()), of_tables)))
        self[code] = found
        return found


@lru_cache(maxsize=64)
def parse(file: TableFile) -> Edition:
    """The edition of a TOML file. Raises `InvalidTable` with the key that is wrong."""
    try:
        written = msgspec.convert(tomllib.loads(file.data.decode()), _Written)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as problem:
        raise InvalidTable(
            f"{file.name} is not an edition ({problem}): compare it with one of state/data/editions."
        ) from None
    sets, optional, codes = dict(written.sets), dict(written.optional), dict(written.codes)
    parameters: dict[str, Any] = {}
    for key in written.parameters:
        if not any(key in MEASURES[name].parameters.__struct_fields__ for name in written.measures if name in MEASURES):
            raise InvalidTable(
                f"{file.name}, parameters.{key}: no measure of the edition has this key. Correct it or take it out."
            )
    for name, section in written.measures.items():
        if name not in MEASURES:
            raise InvalidTable(
                f"{file.name} speaks of a measure {name}: the measures are {', '.join(sorted(MEASURES))}."
            )
        for given, known in ((section.sets, sets), (section.optional, optional), (section.codes, codes)):
            for role, values in given.items():
                if known.setdefault(role, values) != values:
                    raise InvalidTable(
                        f"{file.name} binds the role {role} twice, and differently: name one of them otherwise."
                    )
        try:
            parameters[name] = _parameters(written, section, MEASURES[name])
        except msgspec.ValidationError as problem:
            raise InvalidTable(f"{file.name}, measures.{name}.parameters: {problem}. Correct the key.") from None
        for role in MEASURES[name].roles(parameters[name]):
            if role not in sets and role not in optional and role not in codes:
                raise InvalidTable(
                    f"{file.name} binds no value set or code to the role {role}, which {name} reads: name one."
                )
    return Edition(
        name=written.name,
        label=written.label,
        form=written.form,
        digest=hashlib.sha256(file.data).hexdigest(),
        sets=sets,
        optional=optional,
        codes={role: tuple(_code(file, role, text) for text in values) for role, values in codes.items()},
        parameters=parameters,
    )


def _parameters(written: _Written, section: _Section, measure: Measure) -> Any:
    """What the edition says of a measure: its own section, over what the head of the edition says for every measure that has the key."""
    known = measure.parameters.__struct_fields__
    shared = {key: value for key, value in written.parameters.items() if key in known}
    return msgspec.convert({**shared, **section.parameters}, measure.parameters)


def built_in(name: str) -> Edition:
    """An edition that comes with the project, by name. Raises `UnknownEdition`."""
    path = FOLDER / f"{name}.toml"
    known = sorted(one.stem for one in FOLDER.glob("*.toml"))
    if name not in known:
        raise UnknownEdition(f"there is no edition {name!r}: the project has {', '.join(known)}.")
    return parse(TableFile("edition", path.name, path.read_bytes()))


def _code(file: TableFile, role: str, text: str) -> Code:
    system, bar, code = text.rpartition("|")
    if not bar:
        raise InvalidTable(
            f"{file.name}, role {role}: {text!r} is no code: write it as SYSTEM|code, as in LOINC|8480-6."
        )
    try:
        return code_of(system, code)
    except (UnknownSystem, UnusableCode) as problem:
        raise InvalidTable(f"{file.name}, role {role}: {problem}") from None
