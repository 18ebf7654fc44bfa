"""Which providers belong to which practice and when, and which practices there are. Source: attribution.md 2.4, 2.6 steps 1 and 4."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from schemas.records import Position, Practice, Provider
from state.calendar import FOREVER, Day, from_date, from_end
from state.reference.frozen_map import FrozenMap


class RosterRow(msgspec.Struct, frozen=True):
    """An NPI at a practice under a TIN while start <= day < end. The order of two versions of one row is `order`."""

    npi: str
    practice_id: str
    tin: str
    taxonomy_code: str
    is_pcp: bool
    start: Day
    end: Day
    order: tuple[int, Position]

    def in_force(self, day: Day) -> bool:
        """Whether the row holds on a day."""
        return self.start <= day < self.end

    def same_row(self, other: RosterRow) -> bool:
        """Whether two rows are versions of one: npi, practice, TIN and first day."""
        return (self.npi, self.practice_id, self.tin, self.start) == (
            other.npi,
            other.practice_id,
            other.tin,
            other.start,
        )

    def says_the_same(self, other: RosterRow) -> bool:
        """Whether two versions of one row differ in nothing but their version."""
        return (self.taxonomy_code, self.is_pcp, self.end) == (other.taxonomy_code, other.is_pcp, other.end)


class PracticeSpell(msgspec.Struct, frozen=True):
    """A practice while start <= day < end, with the NPIs under which it bills as an organisation."""

    practice_id: str
    organisation_npis: tuple[str, ...]
    start: Day
    end: Day
    order: Position

    def in_force(self, day: Day) -> bool:
        """Whether the practice exists on a day."""
        return self.start <= day < self.end

    def says_the_same(self, other: PracticeSpell) -> bool:
        """Whether two versions of one spell differ in nothing that attribution reads."""
        return (self.organisation_npis, self.end) == (other.organisation_npis, other.end)


class Changed(NamedTuple):
    """A roster with a record taken up, the terms of the members whom the record concerns, and the first day on which it can matter."""

    roster: Roster
    terms: frozenset[str]
    since: Day


class Roster(msgspec.Struct, frozen=True):
    """Everything known of providers and practices, found by NPI, practice, TIN and organisation NPI."""

    by_npi: FrozenMap[str, tuple[RosterRow, ...]]
    by_practice: FrozenMap[str, tuple[RosterRow, ...]]
    by_tin: FrozenMap[str, tuple[RosterRow, ...]]
    spells: FrozenMap[str, tuple[PracticeSpell, ...]]
    by_organisation: FrozenMap[str, tuple[PracticeSpell, ...]]

    @classmethod
    def empty(cls) -> Roster:
        """A roster before the first row."""
        return cls(FrozenMap(), FrozenMap(), FrozenMap(), FrozenMap(), FrozenMap())

    def rows_of(self, npi: str) -> tuple[RosterRow, ...]:
        """All rows of an NPI, of any date, by practice, TIN and first day."""
        return self.by_npi.get(npi) or ()

    def is_primary_care(self, practice_id: str, tin: str, day: Day) -> bool:
        """Whether a practice or a TIN is flagged primary care on a day: one of its roster rows lists a PCP. Source: 2.3, COND_NPPA."""
        rows = (*(self.by_practice.get(practice_id) or ()), *((tin and self.by_tin.get(tin)) or ()))
        return any(row.is_pcp and row.in_force(day) for row in rows)

    def known_since(self, practice_id: str) -> Day:
        """The first day of which a record speaks of a practice; FOREVER when there is none."""
        spells, rows = self.spells.get(practice_id) or (), self.by_practice.get(practice_id) or ()
        return min((*(one.start for one in spells), *(one.start for one in rows)), default=FOREVER)

    def practice_active(self, practice_id: str, day: Day) -> bool:
        """Whether a practice exists on a day: by its own record, or, when there is none, by a roster row."""
        spells = self.spells.get(practice_id)
        if spells is not None:
            return any(spell.in_force(day) for spell in spells)
        return any(row.in_force(day) for row in self.by_practice.get(practice_id) or ())

    def practice_days(self, practice_id: str) -> Iterable[Day]:
        """The days on which a practice begins or ends."""
        for spell in self.spells.get(practice_id) or self.by_practice.get(practice_id) or ():
            yield spell.start
            yield spell.end

    def provider_days(self, npi: str) -> Iterable[Day]:
        """The days on which a roster row of an NPI begins or ends."""
        for row in self.rows_of(npi):
            yield row.start
            yield row.end

    def with_provider(self, record: Provider, position: Position) -> Changed | None:
        """The roster with a row taken up; None when it is old or known.

        The first row of an NPI matters on any day: whom no roster knows is taken at the word of claims and directory.
        """
        row = RosterRow(
            npi=record.npi,
            practice_id=record.practice_id,
            tin=record.tin,
            taxonomy_code=record.taxonomy_code,
            is_pcp=record.is_pcp,
            start=from_date(record.effective_from),
            end=from_end(record.effective_to),
            order=(record.roster_version, position),
        )
        known = next((other for other in self.rows_of(row.npi) if other.same_row(row)), None)
        if known is not None and known.order >= row.order:
            return None
        roster = Roster(
            by_npi=_with_row(self.by_npi, row.npi, row),
            by_practice=_with_row(self.by_practice, row.practice_id, row),
            by_tin=_with_row(self.by_tin, row.tin, row),
            spells=self.spells,
            by_organisation=self.by_organisation,
        )
        since = row.start if self.rows_of(row.npi) else 0
        if known is not None and known.says_the_same(row):
            return Changed(roster, frozenset(), since)
        terms = {f"npi:{row.npi}", f"practice:{row.practice_id}"}
        if not self.spells.get(row.practice_id):
            # The practice has no record of its own: its rows say whether it exists.
            terms |= roster._chosen_at(row.practice_id)
        if row.is_pcp or (known is not None and known.is_pcp):
            terms.add(f"flagged:{row.tin}")
            terms.update(
                f"flagged:{npi}" for spell in self.spells.get(row.practice_id) or () for npi in spell.organisation_npis
            )
        return Changed(roster, frozenset(terms), since)

    def with_practice(self, record: Practice, position: Position) -> Changed | None:
        """The roster with a practice taken up; None when it is old or known.

        The first record of a practice matters on any day: until then its roster rows say whether it exists.
        """
        spell = PracticeSpell(
            practice_id=record.practice_id,
            organisation_npis=tuple(sorted({npi for npi in record.organisation_npis if npi})),
            start=from_date(record.effective_from),
            end=from_end(record.effective_to),
            order=position,
        )
        spells = self.spells.get(spell.practice_id) or ()
        known = next((other for other in spells if other.start == spell.start), None)
        if known is not None and known.order >= spell.order:
            return None
        kept = tuple(sorted((*(other for other in spells if other is not known), spell), key=lambda one: one.start))
        touched = {*spell.organisation_npis, *(known.organisation_npis if known else ())}
        by_organisation = self.by_organisation
        for npi in touched:
            others = tuple(other for other in by_organisation.get(npi) or () if other is not known)
            by_organisation = by_organisation.put(npi, (*others, spell) if npi in spell.organisation_npis else others)
        roster = msgspec.structs.replace(
            self, spells=self.spells.put(spell.practice_id, kept), by_organisation=by_organisation
        )
        since = spell.start if spells else 0
        if known is not None and known.says_the_same(spell):
            return Changed(roster, frozenset(), since)
        terms = {f"practice:{spell.practice_id}", *(f"npi:{npi}" for npi in touched)}
        return Changed(roster, frozenset(terms | self._chosen_at(spell.practice_id)), since)

    def _chosen_at(self, practice_id: str) -> set[str]:
        """The terms of members whose selection of a PCP alone may lead to a practice: why that ends depends on the practice."""
        return {f"chosen:{row.npi}" for row in self.by_practice.get(practice_id) or () if row.is_pcp}


def _with_row(
    rows: FrozenMap[str, tuple[RosterRow, ...]], key: str, row: RosterRow
) -> FrozenMap[str, tuple[RosterRow, ...]]:
    kept = [other for other in rows.get(key) or () if not other.same_row(row)]
    kept.append(row)
    kept.sort(key=lambda one: (one.practice_id, one.tin, one.npi, one.start))
    return rows.put(key, tuple(kept))
