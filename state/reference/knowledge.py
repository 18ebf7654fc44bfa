"""Everything of reference known at K: tables in force, roster, practices, payers, how far claims reach, plans' own lists.

A value: `apply` and `reach` give new knowledge and say whom the difference concerns (design.md law 4). Two orders of the same
records give the same knowledge: an identity and a version decide, then the position (law 2).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from schemas.records import (
    Close,
    CloseAnnul,
    FeedManifest,
    PayerRecord,
    Period,
    Position,
    Practice,
    Provider,
    ReferenceRecord,
    Table,
    TableInForce,
)
from state.attribution import engines, rulesets
from state.attribution.engines import Engine
from state.attribution.rulesets import Ruleset
from state.calendar import FOREVER, Day, from_date, month_of
from state.ledger.member import PROGRAM_PERIOD
from state.measures import measure_tables
from state.measures.editions import Bound
from state.measures.measure_tables import MeasureTables
from state.measures.measuring import Agreed, Measuring, agreed, bound_by, months_to, waiting_among
from state.reference import services as service_lists
from state.reference import taxonomies as taxonomy_lists
from state.reference.frozen_lists import FrozenList
from state.reference.roster import Changed, Roster
from state.reference.services import Services
from state.reference.tables import MissingTable, TableFile, TableStore
from state.reference.taxonomies import Directory, Taxonomies

if TYPE_CHECKING:
    from state.attribution.standing import Timeline
    from state.ledger.member import Setting

PARSERS: Mapping[str, Callable[[TableFile], object]] = {
    "engine": engines.parse,
    "npi_taxonomy": taxonomy_lists.parse_directory,
    "primary_care_services": service_lists.parse,
    "primary_care_taxonomies": taxonomy_lists.parse,
    "ruleset": rulesets.parse,
}

MEASURED = ("editions", "value_sets", *measure_tables.KINDS)
"""Kinds of tables by which is measured: of editions and value sets one is in force under each name, of the others one."""
ALWAYS_IN_FORCE = ("primary_care_services", "primary_care_taxonomies")
"""Kinds of which there is always a table in force; the others only once a record has brought one."""


class Touch(msgspec.Struct, frozen=True):
    """Whom a reference record concerns, and from which day on; nobody given is nobody."""

    everyone: bool = False
    payer: str | None = None
    open_alerts_of: str | None = None
    terms: frozenset[str] = frozenset()
    since: Day = 0


class Applied(msgspec.Struct, frozen=True):
    """Knowledge after a record, and whom it concerns."""

    knowledge: Knowledge
    touch: Touch


class PlanList(msgspec.Struct, frozen=True, order=True):
    """The plan's own lists of some months are there, by their manifest: `first` and `last` are first days of months, both included.

    `full`: whoever is not on it is not attributed; else it says what has changed.
    """

    first: Day
    last: Day
    list_version: int
    full: bool

    def same_list(self, other: PlanList) -> bool:
        """Whether two are versions of one list: of the same months, and of the same kind."""
        return (self.first, self.last, self.full) == (other.first, other.last, other.full)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The tables in force."""

    services: Services
    taxonomies: Taxonomies
    directory: Directory
    ruleset: Ruleset
    engine: Engine

    def same_as(self, other: Tables) -> bool:
        """Whether they are the very same tables."""
        return all(getattr(self, name) is getattr(other, name) for name in Tables.__slots__)


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """What is known of reference. Immutable for its users; `timelines` and `tables_on` only remember what follows from the rest."""

    store: TableStore
    built_in: Tables
    built_in_ruleset: str
    """sha256 of the file of the ruleset that holds where no record brings another."""
    tables: Tables
    table_records: tuple[tuple[Table, Position], ...] = ()
    reached: Day | None = None
    roster: Roster = field(default_factory=Roster.empty)
    payers: Mapping[str, tuple[tuple[PayerRecord, Position], ...]] = field(default_factory=dict)
    claims_cover: Mapping[str, dt.date] = field(default_factory=dict)
    periods: Mapping[str, tuple[Period, Position]] = field(default_factory=dict)
    frozen: tuple[FrozenList, ...] = ()
    """The frozen lists that may still be adjusted or compared with, in the order in which they were asked for."""
    plan_lists: Mapping[str, tuple[PlanList, ...]] = field(default_factory=dict)
    measuring: Measuring = field(default_factory=Measuring)
    """What is measured: nothing until a record has put an edition in force."""
    closed_for_good: Mapping[str, str] = field(default_factory=dict)
    """The periods whose final reading is frozen, with the close that did it."""
    read_initially: Mapping[str, str] = field(default_factory=dict)
    """The periods whose initial reading is frozen, with the close that did it."""
    version: int = 0
    timelines: dict[Setting, Timeline] = field(default_factory=dict)
    tables_on: dict[Day, Tables] = field(default_factory=dict)

    @classmethod
    def initial(cls, tables: TableStore, *, ruleset: str = "guide") -> Knowledge:
        """The lists that come with the project and no roster. Raises `UnknownRuleset`, `InvalidTable`."""
        rules = tables.built_in_ruleset(ruleset)
        built_in = Tables(
            services=service_lists.parse(tables.built_in("primary_care_services")),
            taxonomies=taxonomy_lists.parse(tables.built_in("primary_care_taxonomies")),
            directory=Directory({}),
            ruleset=rulesets.parse(rules),
            engine=engines.first(),
        )
        digest = hashlib.sha256(rules.data).hexdigest()
        return cls(store=tables, built_in=built_in, built_in_ruleset=digest, tables=built_in)

    @property
    def ruleset(self) -> Ruleset:
        """The parameters of attribution in force."""
        return self.tables.ruleset

    @property
    def ruleset_name(self) -> str:
        """The name under which results cite the parameters."""
        return self.tables.ruleset.name

    @property
    def engine_version(self) -> str:
        """The version of the rules as code, under which results cite them."""
        return self.tables.engine.version

    def payer(self, payer: str, day: Day) -> PayerRecord | None:
        """The payer's terms in force on a day."""
        found = None
        for record, _ in self.payers.get(payer, ()):
            if from_date(record.effective_from) <= day:
                found = record
        return found

    def runs_itself(self, payer: str) -> bool:
        """Whether the payer goes by its plan's own list on any day."""
        return any(record.attribution_mode == "plan" for record, _ in self.payers.get(payer, ()))

    def plan_decides(self, payer: str, day: Day) -> bool:
        """Whether the payer goes by its plan's own list on a day."""
        terms = self.payer(payer, day)
        return terms is not None and terms.attribution_mode == "plan"

    def is_stale(self, payer: str, day: Day) -> bool:
        """Whether a payer that goes by its plan's own list has not said that the list of the month of a day is there."""
        month = month_of(day)
        lists = self.plan_lists.get(payer, ())
        return self.plan_decides(payer, day) and not any(one.first <= month <= one.last for one in lists)

    def frozen_list(self, close: Close, number: int) -> FrozenList:
        """The list that a close makes by what is known. No panel is frozen of a payer whose own list is missing (attribution.md 2.9)."""
        one = FrozenList.of(close, number)
        if close.reading != "panel":
            measured = self._measured_by(self.table_records, from_date(close.closed_on))
            period = self.periods.get(close.period)
            if period is None or not self.bounds_of(measured):
                return one
            begins = months_to(one.as_of, period[0].window_months).start
            return msgspec.structs.replace(one, measured_by=measured, measured_from=begins)
        missing = frozenset(payer for payer in self.payers if self.is_stale(payer, one.as_of))
        return msgspec.structs.replace(one, left_out=missing)

    def data_through(self, payer: str) -> dt.date | None:
        """The last day that the payer's claims feeds say they cover."""
        return self.claims_cover.get(payer)

    def at(self, day: Day) -> Knowledge:
        """What is known, with the tables in force on a day, be it past or to come."""
        tables = self.tables_on.get(day)
        if tables is None:
            tables = self.tables_on[day] = self._tables_on(self.table_records, day)
        return self if tables is self.tables else replace(self, tables=tables, timelines={}, tables_on={})

    def tables_in_force(self, day: Day) -> tuple[TableInForce, ...]:
        """The tables that results of a day rest on, by kind, with the sha256 of their files."""
        found = {kind: hashlib.sha256(self.store.built_in(kind).data).hexdigest() for kind in ALWAYS_IN_FORCE}
        found["ruleset"] = self.built_in_ruleset
        for record, _ in self.table_records:
            if record.kind not in MEASURED and from_date(record.activated_from) <= day:
                found[record.kind] = record.digest
        return tuple(TableInForce(kind=kind, digest=found[kind]) for kind in sorted(found))

    @property
    def earliest_frozen(self) -> Day:
        """The earliest day of a list that may still be adjusted; FOREVER when there is none."""
        return min((one.as_of for one in self.frozen), default=FOREVER)

    def earliest_needed(self, as_of: Day) -> Day:
        """The earliest day whose attribution may still be asked: of a frozen list, or of a measured period that is open or frozen."""
        days = [one.as_of if one.measured_from is None else one.measured_from for one in self.frozen]
        if not self.measuring.is_nothing:
            days.append(self.measuring.earliest(as_of))
        return min(days, default=FOREVER)

    def measure_tables(self, day: Day) -> MeasureTables:
        """The supplied tables of weights, reference rates and prices in force on a day."""
        latest = {
            record.kind: record.digest
            for record, _ in self.table_records
            if record.kind in measure_tables.KINDS and from_date(record.activated_from) <= day
        }
        return measure_tables.parse(self.store.load(kind, digest) for kind, digest in sorted(latest.items()))

    def needs_history(self) -> bool:
        """Whether a list that may be adjusted rests on other code lists or measures than those in force, so that rows must be read anew."""
        return any(self.at(one.as_of).tables is not self.tables or not self.keeps_facts_of(one) for one in self.frozen)

    def keeps_facts_of(self, one: FrozenList) -> bool:
        """Whether what members keep for the measures in force is all that a reading is measured by."""
        if one.window is None or one.measured_by == self.measuring.digests:
            return True
        ours, theirs = set(self.measuring.digests), set(one.measured_by)
        return theirs <= ours and all(kind == "editions" for kind, _ in ours - theirs)

    def bounds_of(self, measured_by: tuple[tuple[str, str], ...]) -> tuple[Bound, ...]:
        """The editions among some tables, bound to the value sets and supplied tables among them. Raises `TableError`."""
        return bound_by(self.store, measured_by)

    def reading_of(self, close_id: str) -> tuple[str, str] | None:
        """The period and reading that an initial or final close has frozen; None for any other close."""
        for reading, closes in (("initial", self.read_initially), ("final", self.closed_for_good)):
            for period, other in closes.items():
                if other == close_id:
                    return period, reading
        return None

    def apply(
        self, record: ReferenceRecord | Close | CloseAnnul, position: Position, *, as_of: dt.date | None
    ) -> Applied:
        """Take up one record. An older or equal one changes nothing. Raises `TableError` for a table that cannot be used."""
        match record:
            case Provider():
                return self._with_roster(self.roster.with_provider(record, position))
            case Practice():
                return self._with_roster(self.roster.with_practice(record, position))
            case Period():
                return self._with_period(record, position)
            case Close():
                return self._with_close(record, position)
            case CloseAnnul():
                return self._with_annulment(record)
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
        kept = tuple(one for one in self.frozen if one.kept_until > day)
        applied = self._in_force(self.table_records, day)
        return Applied(_measured_again(replace(applied.knowledge, frozen=kept)), applied.touch)

    def _with_roster(self, changed: Changed | None) -> Applied:
        if changed is None:
            return Applied(self, Touch())
        timelines = {} if changed.terms else self.timelines
        return Applied(
            replace(self, roster=changed.roster, version=self.version + 1, timelines=timelines),
            Touch(terms=changed.terms, since=changed.since),
        )

    def _with_period(self, record: Period, position: Position) -> Applied:
        known = self.periods.get(record.period)
        if known is not None and known[1] >= position:
            return Applied(self, Touch())
        knowledge = replace(self, periods={**self.periods, record.period: (record, position)}, version=self.version + 1)
        if not self.measuring.is_nothing:
            return Applied(_measured_again(knowledge), Touch(everyone=True))
        ends = {record.performance_end, *(() if known is None else (known[0].performance_end,))}
        if known is not None and len(ends) == 1:
            return Applied(knowledge, Touch())
        return Applied(knowledge, Touch(terms=frozenset({PROGRAM_PERIOD}), since=from_date(min(ends)) + 1))

    def _with_close(self, record: Close, position: Position) -> Applied:
        if record.reading == "initial":
            initially = {**self.read_initially, record.period: record.close_id}
            return Applied(replace(self, read_initially=initially), Touch())
        frozen = replace(self, frozen=(*self.frozen, self.frozen_list(record, position.offset)))
        if record.reading == "panel":
            return Applied(frozen, Touch())
        closed = {**self.closed_for_good, record.period: record.close_id}
        return Applied(_measured_again(replace(frozen, closed_for_good=closed)), Touch())

    def _with_annulment(self, record: CloseAnnul) -> Applied:
        kept = tuple(one for one in self.frozen if one.close.close_id != record.close_id)
        if len(kept) == len(self.frozen) and record.close_id not in self.read_initially.values():
            # Of a final close that is adjusted no more nothing is remembered that could be opened again.
            return Applied(self, Touch())
        closed = {period: close_id for period, close_id in self.closed_for_good.items() if close_id != record.close_id}
        initially = {
            period: close_id for period, close_id in self.read_initially.items() if close_id != record.close_id
        }
        is_measured = self.reading_of(record.close_id) is not None and not self.measuring.is_nothing
        knowledge = replace(self, frozen=kept, closed_for_good=closed, read_initially=initially)
        return Applied(_measured_again(knowledge), Touch(everyone=is_measured))

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
        return Applied(
            knowledge, Touch() if unchanged else Touch(payer=record.payer, since=from_date(record.effective_from))
        )

    def _with_manifest(self, record: FeedManifest) -> Applied:
        if record.feed == "plan_attribution":
            return self._with_plan_list(record)
        known = self.claims_cover.get(record.payer)
        if record.feed != "claims" or (known is not None and known >= record.covers_to):
            return Applied(self, Touch())
        covers = {**self.claims_cover, record.payer: record.covers_to}
        return Applied(replace(self, claims_cover=covers, version=self.version + 1), Touch(open_alerts_of=record.payer))

    def _with_plan_list(self, record: FeedManifest) -> Applied:
        there = PlanList(
            first=month_of(from_date(record.covers_from)),
            last=month_of(from_date(record.covers_to)),
            list_version=record.list_version,
            full=record.full_replacement,
        )
        known = self.plan_lists.get(record.payer, ())
        same = next((one for one in known if one.same_list(there)), None)
        if same is not None and same.list_version >= there.list_version:
            return Applied(self, Touch())
        kept = sorted((*(one for one in known if one is not same), there))
        lists = {**self.plan_lists, record.payer: tuple(kept)}
        touch = Touch(payer=record.payer, since=there.first) if self.runs_itself(record.payer) else Touch()
        return Applied(replace(self, plan_lists=lists, version=self.version + 1), touch)

    def _with_table(self, record: Table, position: Position, as_of: dt.date | None) -> Applied:
        if record.kind not in PARSERS and record.kind not in MEASURED:
            kinds = ", ".join(sorted((*PARSERS, *MEASURED)))
            raise MissingTable(f"tables of kind {record.kind!r} are unknown to this release: it knows {kinds}.")
        if record.kind in PARSERS:
            PARSERS[record.kind](self.store.load(record.kind, record.digest))
        place = (record.activated_from, position)
        places = [(one.activated_from, at) for one, at in self.table_records]
        if place in places:
            return Applied(self, Touch())
        at = bisect_right(places, place)
        records = (*self.table_records[:at], (record, position), *self.table_records[at:])
        days = [day for day in (self.reached, None if as_of is None else from_date(as_of)) if day is not None]
        if not days:
            return Applied(replace(self, table_records=records, version=self.version + 1, tables_on={}), Touch())
        applied = self._in_force(records, max(days), known=False)
        known = _measured_again(replace(applied.knowledge, frozen=self.frozen))
        otherwise = any(not known.at(one.as_of).tables.same_as(self.at(one.as_of).tables) for one in self.frozen)
        return Applied(known, Touch(everyone=applied.touch.everyone or otherwise))

    def _in_force(self, records: tuple[tuple[Table, Position], ...], day: Day, *, known: bool = True) -> Applied:
        """The tables in force on a day put in force."""
        tables = self._tables_on(records, day)
        measuring = self._measuring_on(records, day)
        changed = tables is not self.tables or measuring is not self.measuring
        return Applied(
            replace(
                self,
                table_records=records,
                tables=tables,
                measuring=measuring,
                reached=day,
                version=self.version + (changed or not known),
                timelines={} if changed else self.timelines,
                tables_on={} if changed or not known else self.tables_on,
            ),
            Touch(everyone=changed),
        )

    def _tables_on(self, records: tuple[tuple[Table, Position], ...], day: Day) -> Tables:
        """The tables in force on a day: of each kind the latest activated, of two on one day the later record."""
        latest = {record.kind: record.digest for record, _ in records if from_date(record.activated_from) <= day}

        def load(kind: str) -> TableFile | None:
            return self.store.load(kind, latest[kind]) if kind in latest else None

        services, taxonomies = load("primary_care_services"), load("primary_care_taxonomies")
        directory, ruleset, engine = load("npi_taxonomy"), load("ruleset"), load("engine")
        tables = Tables(
            services=service_lists.parse(services) if services else self.built_in.services,
            taxonomies=taxonomy_lists.parse(taxonomies) if taxonomies else self.built_in.taxonomies,
            directory=taxonomy_lists.parse_directory(directory) if directory else self.built_in.directory,
            ruleset=rulesets.parse(ruleset) if ruleset else self.built_in.ruleset,
            engine=engines.parse(engine) if engine else self.built_in.engine,
        )
        return self.tables if tables.same_as(self.tables) else tables

    def _measuring_on(self, records: tuple[tuple[Table, Position], ...], day: Day) -> Measuring:
        """What is measured on a day: of each name the edition and the value sets latest activated."""
        digests, contradicting = self._measured_by(records, day), self._sets_on(records, day).contradicting
        if (digests, contradicting) == (self.measuring.digests, self.measuring.contradicting):
            return self.measuring
        periods = [period for period, _ in self.periods.values()]
        waiting = waiting_among(self.store, digests)
        closed = frozenset(self.closed_for_good)
        return Measuring.of(self.bounds_of(digests), periods, closed, digests, waiting, contradicting)

    def _measured_by(self, records: tuple[tuple[Table, Position], ...], day: Day) -> tuple[tuple[str, str], ...]:
        """(kind, sha256) of what is measured by on a day: of each name what was latest activated, unless it contradicts others."""
        latest = {
            (record.kind, "" if record.kind in measure_tables.KINDS else record.name): record.digest
            for record, _ in records
            if record.kind in MEASURED and record.kind != "value_sets" and from_date(record.activated_from) <= day
        }
        sets = (("value_sets", digest) for _, digest in self._sets_on(records, day).digests)
        return tuple(sorted((*((kind, digest) for (kind, _), digest in latest.items()), *sets)))

    def _sets_on(self, records: tuple[tuple[Table, Position], ...], day: Day) -> Agreed:
        """The value sets that are in force on a day, and those that contradict them."""
        in_order = tuple(
            (record.name, record.digest)
            for record, _ in records
            if record.kind == "value_sets" and from_date(record.activated_from) <= day
        )
        return agreed(self.store, in_order)


def _measured_again(knowledge: Knowledge) -> Knowledge:
    """The same editions over the periods that are open now."""
    measuring = knowledge.measuring
    if measuring.is_nothing:
        return knowledge
    periods = [period for period, _ in knowledge.periods.values()]
    closed = frozenset(knowledge.closed_for_good)
    measuring = Measuring.of(
        measuring.bounds, periods, closed, measuring.digests, measuring.waiting, measuring.contradicting
    )
    annullable = {one.close.close_id for one in knowledge.frozen}
    settled = frozenset(period for period, close_id in knowledge.closed_for_good.items() if close_id in annullable)
    return replace(knowledge, measuring=replace(measuring, settled=settled))


def _terms_of(record: PayerRecord) -> tuple[object, ...]:
    """What attribution reads of a payer's record."""
    return (record.products, record.attribution_mode, record.selection_order, record.auto_assigned_counts)
