"""Everything of reference known at K: tables in force, roster, practices, payers, how far claims reach.

A value: `apply` and `reach` give new knowledge and say whom the difference concerns (design.md law 4). Two orders of the same
records give the same knowledge: an identity and a version decide, then the position (law 2).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from schemas.records import FeedManifest, PayerRecord, Position, Practice, Provider, ReferenceRecord, Table
from state.attribution import rulesets
from state.attribution.rulesets import Ruleset
from state.calendar import Day, from_date
from state.reference import services as service_lists
from state.reference import taxonomies as taxonomy_lists
from state.reference.roster import Roster
from state.reference.services import Services
from state.reference.tables import MissingTable, TableFile, TableStore
from state.reference.taxonomies import Directory, Taxonomies

if TYPE_CHECKING:
    from state.attribution.standing import Timeline
    from state.ledger.member import Setting

_PARSERS = {
    "npi_taxonomy": taxonomy_lists.parse_directory,
    "primary_care_services": service_lists.parse,
    "primary_care_taxonomies": taxonomy_lists.parse,
    "ruleset": rulesets.parse,
}


class Touch(msgspec.Struct, frozen=True):
    """Whom a reference record concerns; nothing given is nobody."""

    everyone: bool = False
    payer: str | None = None
    open_alerts_of: str | None = None
    terms: frozenset[str] = frozenset()


class Applied(msgspec.Struct, frozen=True):
    """Knowledge after a record, and whom it concerns."""

    knowledge: Knowledge
    touch: Touch


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The tables in force."""

    services: Services
    taxonomies: Taxonomies
    directory: Directory
    ruleset: Ruleset


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """What is known of reference. Immutable for its users; `timelines` only remembers what follows from the rest."""

    store: TableStore
    built_in: Tables
    tables: Tables
    table_records: tuple[tuple[Table, Position], ...] = ()
    reached: Day | None = None
    roster: Roster = field(default_factory=Roster.empty)
    payers: Mapping[str, tuple[tuple[PayerRecord, Position], ...]] = field(default_factory=dict)
    claims_cover: Mapping[str, dt.date] = field(default_factory=dict)
    version: int = 0
    timelines: dict[Setting, Timeline] = field(default_factory=dict)

    @classmethod
    def initial(cls, tables: TableStore, *, ruleset: str = "guide") -> Knowledge:
        """The lists that come with the project and no roster. Raises `UnknownRuleset`, `InvalidTable`."""
        built_in = Tables(
            services=service_lists.parse(tables.built_in("primary_care_services")),
            taxonomies=taxonomy_lists.parse(tables.built_in("primary_care_taxonomies")),
            directory=Directory({}),
            ruleset=rulesets.parse(tables.built_in_ruleset(ruleset)),
        )
        return cls(store=tables, built_in=built_in, tables=built_in)

    @property
    def ruleset(self) -> Ruleset:
        """The parameters of attribution in force."""
        return self.tables.ruleset

    @property
    def ruleset_name(self) -> str:
        """The name under which results cite the parameters."""
        return self.tables.ruleset.name

    def payer(self, payer: str, day: Day) -> PayerRecord | None:
        """The payer's terms in force on a day."""
        found = None
        for record, _ in self.payers.get(payer, ()):
            if from_date(record.effective_from) <= day:
                found = record
        return found

    def data_through(self, payer: str) -> dt.date | None:
        """The last day that the payer's claims feeds say they cover."""
        return self.claims_cover.get(payer)

    def apply(self, record: ReferenceRecord, position: Position, *, as_of: dt.date | None) -> Applied:
        """Take up one record. An older or equal one changes nothing. Raises `TableError` for a table that cannot be used."""
        match record:
            case Provider():
                return self._with_roster(self.roster.with_provider(record, position))
            case Practice():
                return self._with_roster(self.roster.with_practice(record, position))
            case PayerRecord():
                return self._with_payer(record, position)
            case FeedManifest():
                return self._with_manifest(record)
            case Table():
                return self._with_table(record, position, as_of)

    def reach(self, as_of: dt.date) -> Applied:
        """Put in force the tables whose first day has come. Concerns everyone when one differs from the one in force."""
        day = from_date(as_of)
        if self.reached is not None and day <= self.reached:
            return Applied(self, Touch())
        return self._in_force(self.table_records, day)

    def _with_roster(self, changed: tuple[Roster, frozenset[str]] | None) -> Applied:
        if changed is None:
            return Applied(self, Touch())
        roster, terms = changed
        timelines = {} if terms else self.timelines
        return Applied(replace(self, roster=roster, version=self.version + 1, timelines=timelines), Touch(terms=terms))

    def _with_payer(self, record: PayerRecord, position: Position) -> Applied:
        known = self.payers.get(record.payer, ())
        same = next((one for one in known if one[0].effective_from == record.effective_from), None)
        if same is not None and same[1] >= position:
            return Applied(self, Touch())
        kept = sorted(
            (*(one for one in known if one is not same), (record, position)), key=lambda one: one[0].effective_from
        )
        knowledge = replace(self, payers={**self.payers, record.payer: tuple(kept)}, version=self.version + 1)
        unchanged = same is not None and _terms_of(same[0]) == _terms_of(record)
        return Applied(knowledge, Touch() if unchanged else Touch(payer=record.payer))

    def _with_manifest(self, record: FeedManifest) -> Applied:
        known = self.claims_cover.get(record.payer)
        if record.feed != "claims" or (known is not None and known >= record.covers_to):
            return Applied(self, Touch())
        covers = {**self.claims_cover, record.payer: record.covers_to}
        return Applied(replace(self, claims_cover=covers, version=self.version + 1), Touch(open_alerts_of=record.payer))

    def _with_table(self, record: Table, position: Position, as_of: dt.date | None) -> Applied:
        if record.kind not in _PARSERS:
            raise MissingTable(
                f"tables of kind {record.kind!r} are unknown to this release: it knows {', '.join(sorted(_PARSERS))}."
            )
        _PARSERS[record.kind](self.store.load(record.kind, record.digest))
        place = (record.activated_from, position)
        places = [(one.activated_from, at) for one, at in self.table_records]
        if place in places:
            return Applied(self, Touch())
        at = bisect_right(places, place)
        records = (*self.table_records[:at], (record, position), *self.table_records[at:])
        days = [day for day in (self.reached, None if as_of is None else from_date(as_of)) if day is not None]
        if not days:
            return Applied(replace(self, table_records=records, version=self.version + 1), Touch())
        return self._in_force(records, max(days), known=False)

    def _in_force(self, records: tuple[tuple[Table, Position], ...], day: Day, *, known: bool = True) -> Applied:
        """The tables in force on a day: of each kind the latest activated, of two on one day the later record."""
        latest = {record.kind: record.digest for record, _ in records if from_date(record.activated_from) <= day}

        def load(kind: str) -> TableFile | None:
            return self.store.load(kind, latest[kind]) if kind in latest else None

        services, taxonomies = load("primary_care_services"), load("primary_care_taxonomies")
        directory, ruleset = load("npi_taxonomy"), load("ruleset")
        tables = Tables(
            services=service_lists.parse(services) if services else self.built_in.services,
            taxonomies=taxonomy_lists.parse(taxonomies) if taxonomies else self.built_in.taxonomies,
            directory=taxonomy_lists.parse_directory(directory) if directory else self.built_in.directory,
            ruleset=rulesets.parse(ruleset) if ruleset else self.built_in.ruleset,
        )
        changed = any(getattr(tables, name) is not getattr(self.tables, name) for name in Tables.__slots__)
        return Applied(
            replace(
                self,
                table_records=records,
                tables=tables if changed else self.tables,
                reached=day,
                version=self.version + (changed or not known),
                timelines={} if changed else self.timelines,
            ),
            Touch(everyone=changed),
        )


def _terms_of(record: PayerRecord) -> tuple[object, ...]:
    """What attribution reads of a payer's record."""
    return (record.products, record.selection_order, record.auto_assigned_counts)
