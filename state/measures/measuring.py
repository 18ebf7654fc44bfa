"""What is measured: the editions in force with their value sets, and the periods that are open. Source: design.md, measures as editions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from schemas.records import Period as ProgramPeriod
from state.calendar import Day, add_months, from_date, month_of
from state.measures import measure_tables
from state.measures.editions import Bound, Edition, parse, wanted_by
from state.measures.facts import Wanted
from state.measures.period import Period
from state.reference.tables import MissingTable, TableError, TableStore
from state.reference.value_set_files.reading import read_files
from state.reference.value_sets import InvalidValueSets, ValueSets

ROLLING = "rolling"
"""The id of the twelve months that end with the month of the day."""
YEAR = 12


class Window(msgspec.Struct, frozen=True, order=True):
    """An open period: `id` is a program period's, or ROLLING."""

    id: str
    period: Period


@lru_cache(maxsize=64)
def rolling(as_of: Day) -> Period:
    """The twelve months that end with the month of a day: a month's worth of days gives one answer, so that a day costs nothing."""
    end = add_months(month_of(as_of), 1) - 1
    return Period(add_months(end + 1, -YEAR), end)


def of_program(period: ProgramPeriod) -> Period:
    """The months whose rates a program period pays. Source: payment.md 4.0."""
    return months_to(from_date(period.performance_end), period.window_months)


def months_to(end: Day, months: int) -> Period:
    """So many months that end with a day, itself included."""
    return Period(add_months(end + 1, -months), end)


@dataclass(frozen=True, slots=True, eq=False)
class Measuring:
    """The editions in force, bound to their value sets, and the program's periods that have no final close."""

    bounds: tuple[Bound, ...] = ()
    program: tuple[Window, ...] = ()
    wanted: Wanted = field(default_factory=lambda: wanted_by(()))
    digests: tuple[tuple[str, str], ...] = ()
    """(kind, sha256) of the tables that say it: editions, value sets and what else is supplied."""
    waiting: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Editions that are not in force because value sets are missing, each with their names."""
    contradicting: tuple[tuple[str, str], ...] = ()
    """Value sets that are not in force because they contradict others, by the names of their records, each with the reason."""
    settled: frozenset[str] = frozenset()
    """The periods whose final reading is frozen and could still be annulled."""

    @classmethod
    def of(
        cls,
        bounds: Iterable[Bound],
        periods: Iterable[ProgramPeriod],
        closed: frozenset[str],
        digests: tuple[tuple[str, str], ...] = (),
        waiting: tuple[tuple[str, tuple[str, ...]], ...] = (),
        contradicting: tuple[tuple[str, str], ...] = (),
    ) -> Measuring:
        """What is measured by these editions; `closed` are the periods whose final reading is frozen."""
        some = tuple(bounds)
        program = tuple(sorted(Window(one.period, of_program(one)) for one in periods if one.period not in closed))
        return cls(some, program, wanted_by(some), digests, waiting, contradicting)

    @property
    def is_nothing(self) -> bool:
        """Whether no edition is in force."""
        return not self.bounds

    def windows(self, as_of: Day) -> tuple[Window, ...]:
        """The open periods on a day: the rolling one, and those of the program that have begun."""
        return (
            *(one for one in self.program if one.period.start <= as_of),
            Window(ROLLING, rolling(as_of)),
        )

    def earliest(self, as_of: Day) -> Day:
        """The first day of the open periods."""
        return min(one.period.start for one in self.windows(as_of))


@lru_cache(maxsize=32)
def bound_by(store: TableStore, digests: tuple[tuple[str, str], ...]) -> tuple[Bound, ...]:
    """The editions among some tables (kind, sha256), bound to the value sets and supplied tables among them. Raises `TableError`.

    Those that wait for value sets are left out. Remembered: the partitions of a worker share them, and what they remember of codes.
    """
    every = sorted(digests)
    sets = _value_sets(store, digests)
    tables = measure_tables.parse(store.load(kind, digest) for kind, digest in every if kind in measure_tables.KINDS)
    return tuple(Bound(edition, sets, tables) for edition in _editions(store, digests) if not edition.missing(sets))


def waiting_among(store: TableStore, digests: tuple[tuple[str, str], ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The editions among some tables that wait for value sets, each with the names of these.

    The sets may come by a later record, which a worker that ended here would never reach.
    """
    sets = _value_sets(store, digests)
    return tuple(
        (edition.name, tuple(missing)) for edition in _editions(store, digests) if (missing := edition.missing(sets))
    )


def measured_editions(store: TableStore, digests: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The editions among some tables by which was measured, those that did not wait for value sets, each with its label."""
    given = tuple(sorted(digests))
    waiting = {name for name, _ in waiting_among(store, given)}
    return {edition.name: edition.label for edition in _editions(store, given) if edition.name not in waiting}


class Agreed(msgspec.Struct, frozen=True):
    """The value sets that may be in force together, by the names of their records, and those that contradict them, each with the reason."""

    digests: tuple[tuple[str, str], ...]
    contradicting: tuple[tuple[str, str], ...]


@lru_cache(maxsize=64)
def agreed(store: TableStore, in_order: tuple[tuple[str, str], ...]) -> Agreed:
    """Which of some value sets (name of the record, sha256), in the order in which they were put in force, are in force.

    Raises `MissingTable`. Each could be used alone, or it would not have been taken up. What contradicts those before it waits until
    they agree, as after a later record of the same name; meanwhile what was in force under its name stays. A worker that ended here
    would never reach that.
    """
    current: dict[str, str] = {}
    waiting: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name, digest in in_order:
        waiting[name] = digest
        for other in (name, *(one for one in waiting if one != name)):
            tried = {**current, other: waiting[other]}
            why = _why_contradicting(store, frozenset(tried.values()))
            if why is None:
                current = tried
            else:
                reasons[other] = why
        waiting = {other: one for other, one in waiting.items() if current.get(other) != one}
    return Agreed(tuple(sorted(current.items())), tuple((name, reasons[name]) for name in sorted(waiting)))


@lru_cache(maxsize=64)
def _why_contradicting(store: TableStore, digests: frozenset[str]) -> str | None:
    if len(digests) < 2:
        return None
    try:
        read_files(store.load("value_sets", digest) for digest in sorted(digests)).in_force()
    except MissingTable:
        raise
    except (TableError, InvalidValueSets) as problem:
        return str(problem)
    return None


@lru_cache(maxsize=8)
def _value_sets(store: TableStore, digests: tuple[tuple[str, str], ...]) -> ValueSets:
    return read_files(store.load(kind, digest) for kind, digest in sorted(digests) if kind == "value_sets").in_force()


def _editions(store: TableStore, digests: tuple[tuple[str, str], ...]) -> list[Edition]:
    return [parse(store.load(kind, digest)) for kind, digest in sorted(digests) if kind == "editions"]
