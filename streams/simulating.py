"""Other rules over the same event files: panels and money of some months and periods, side by side with those in force.

By the very code of a close: members are folded by the replay, measured as at a final reading and frozen as at a panel's barrier, drafts are
made as the conductor makes them. Nothing is published, no broker is asked. Each side knows what the files say, for all months alike.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from schemas.money import Contract, Statement
from schemas.records import Close, Period, Practice
from state import closing
from state.calendar import EARLIEST, from_date
from state.freezing import Freezing
from state.measures.editions import Bound, built_in
from state.measures.measuring import Window, months_to
from state.payment import comparison, contracts, drafting, frozen_rates, paid_rates
from state.payment.closes import NothingStated
from state.payment.comparison import Comparison, Rules
from state.payment.contract_files import Given
from state.payment.drafting import Known, Panel
from state.payment.element2 import month_name, quarter_of
from state.payment.frozen_rates import NotMeasured, Reading
from state.payment.pool import months_of
from state.reference.tables import TableStore
from state.reference.value_sets import ValueSets
from streams.files import write_whole
from streams.measuring import Measuring
from streams.replaying import History, MemberName, Question
from streams.stopping import EXIT_CONFIG, Stop

Report = Callable[[int, int], None]
SHOWN = 2_000
"""Members between two looks at how far the work is."""
_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a simulation is asked: months whose panels pay, periods whose final reading does, and what is other than in force."""

    months: Sequence[dt.date] = ()
    periods: Sequence[str] = ()
    """By the ids of their records."""
    known_at: dt.datetime | None = None
    ruleset: str | None = None
    """A ruleset of the project; None: as the files bring it."""
    edition: str | None = None
    """An edition by which the periods are measured and paid; None: that of their records, else the program's."""
    value_sets: ValueSets | None = None
    """Those by which is measured; given with periods."""
    given: Given = dataclasses.field(default_factory=Given)
    """Contracts that take the place of those with their ids, or stand beside them."""


@dataclass
class _Side:
    """One set of rules while members pass: their panels and measures, and at the end their statements."""

    history: History
    contracts: Mapping[str, Contract]
    practices: Sequence[Practice]
    periods: Mapping[str, Period]
    freezings: Sequence[tuple[Close, Freezing]]
    measurings: Mapping[tuple[str, str], Measuring]
    """By period and edition."""
    failed: int = 0

    @classmethod
    def of(
        cls,
        history: History,
        asked: Asked,
        months: Sequence[dt.date],
        contracts: Mapping[str, Contract],
        *,
        given: bool,
    ) -> _Side:
        """`given`: whether this side goes by what was given in place of what the files say."""
        periods = {name: period for name, (period, _) in history.knowledge.periods.items()}
        practices = list(history.practices.values())
        if given:
            practices += asked.given.practices
            if asked.edition is not None:
                periods = {name: msgspec.structs.replace(one, edition=asked.edition) for name, one in periods.items()}
        measured = list(_measured(history.knowledge.store, periods, asked.periods))
        last = max([*months, *(one.performance_end for _, one in measured)])
        history.question = dataclasses.replace(history.question, as_of=last)
        history.knowledge = history.knowledge.reach(last).knowledge
        return cls(
            history=history,
            contracts=contracts,
            practices=practices,
            periods=periods,
            freezings=[_freezing(history, number, month) for number, month in enumerate(months)],
            measurings={
                (one.period, edition): _measuring(history, one, edition, asked.value_sets)
                for edition, one in measured
                if asked.value_sets is not None
            },
        )

    def take(self, name: MemberName) -> list[str | None]:
        """Measure and freeze a member; the practice in each month, "" for nobody's, None where there is no list of the payer.

        A member who cannot be worked is missing from what comes after the fault; how many there are is said.
        """
        found: list[str | None] = []
        try:
            member, rows = self.history.fold(name)
            if member is None:
                return found
            for measuring in self.measurings.values():
                measuring.take(*name, member, rows, self.history.knowledge)
            for _, freezing in self.freezings:
                freezing.take(member, rows if freezing.needs_rows() else None)
                lists = [one for _, one in freezing.lists()]
                found.append((lists[0].practice_id or "") if lists else None)
        except Exception:
            # As in a replay: one member's fault must not stop the others, and nobody may overlook it.
            self.failed += 1
            return []
        return found

    def panels(self) -> Mapping[dt.date, Panel]:
        """The panels as a close would have frozen them."""
        found = {}
        for number, (close, freezing) in enumerate(self.freezings):
            partial = freezing.partial(
                partition=0, watermark=0, accepted_at=_BEGINNING, failed=(), skips=(), sums={}, sums_parts=0
            )
            snapshot = closing.completed(closing.opened(close, number), [partial])
            if snapshot.as_of is not None:
                found[snapshot.as_of] = Panel(snapshot=snapshot, people=partial.people)
        return found

    def drafts(
        self, asked: Asked, panels: Mapping[dt.date, Panel], tables: TableStore
    ) -> tuple[list[Statement], list[str]]:
        """The drafts of months and periods, and why there are none where there are none."""
        made: list[Statement] = []
        why: list[str] = []

        def known() -> Known:
            ordered = [self.contracts[name] for name in sorted(self.contracts)]
            return Known(
                contracts=ordered,
                practices=self.practices,
                panels=panels,
                standing=made,
                store=tables,
                sites=tuple(self.history.sites.values()),
            )

        for month in asked.months:
            try:
                made = [*made, *(one.statement for one in drafting.month_drafts(known(), month, month))]
            except NothingStated as problem:
                why += [f"{month_name(month)}: {reason}" for reason in problem.reasons]
        for name in asked.periods:
            period = self.periods[name]
            edition = paid_rates.edition_of(tables, period) or ""
            baseline = None if period.baseline is None else self._reading(period.baseline, edition)
            snapshot = closing.opened(_close(name, "final", period.performance_end, period.k2), 0)
            try:
                frozen = frozen_rates.rates_of(tables, period, self._reading(name, edition), baseline)
                made = [
                    *made,
                    *drafting.period_drafts(known(), period, "final", snapshot, frozen, period.k2),
                ]
                why += [f"{name}: {sentence}" for sentence in drafting.not_paid(known(), period)]
            except NotMeasured as problem:
                why.append(f"{name}: {problem}")
            except NothingStated as problem:
                why += [f"{name}: {reason}" for reason in problem.reasons]
        return made, why

    def _reading(self, period: str, edition: str) -> Reading:
        """What was measured of a period, as a final reading hands it to money; nothing where it was not measured."""
        measuring = self.measurings.get((period, edition))
        bounds = () if measuring is None else measuring.bounds
        sums = {} if measuring is None else measuring.results.sums
        return Reading(
            close_id=_close_id(period, "final"),
            period=period,
            editions={one.edition.name: one.edition.label for one in bounds},
            sums={(asked.edition, cell): some for (asked, cell), some in sorted(sums.items()) if not cell.stratum},
            reference=next((one.tables.reference for one in bounds), {}),
        )


def simulate(
    paths: Sequence[Path],
    asked: Asked,
    tables: TableStore,
    *,
    report: Callable[[str], Report],
) -> Comparison:
    """The two sides compared.

    Raises `Stop` for files that cannot be told apart and for contracts with a mistake, `TableError` for a table or ruleset that cannot
    be used.
    """
    before = _read(paths, asked, None, tables, report("bytes read"))
    # A side of its own where members may be answered or measured differently; else what they are paid alone is different.
    other = asked.ruleset is not None or asked.edition is not None
    after = _read(paths, asked, asked.ruleset, tables, report("bytes read again")) if other else before
    taken = contracts_instead(before, asked.given, tables)
    months = months_needed(before, asked, (*before.contracts.values(), *taken.values()))
    in_force = _Side.of(before, asked, months, before.contracts, given=False)
    simulated = _Side.of(after, asked, months, taken, given=True)
    if after is before:
        # Members pass once.
        simulated = dataclasses.replace(simulated, freezings=in_force.freezings, measurings=in_force.measurings)
    sides = [in_force] if after is before else [in_force, simulated]
    moves: Counter[tuple[str, str, str, str]] = Counter()
    names, shown = before.members(), months_shown(before, asked, months)
    tell = report("members")
    for done, name in enumerate(names):
        if done % SHOWN == 0:
            tell(done, len(names))
        answers = [side.take(name) for side in sides]
        for month, was, now in zip(months, answers[0], answers[-1], strict=False):
            if was is not None and now is not None and was != now and month in shown:
                moves[month_name(month), name[0], was, now] += 1
    panels = [side.panels() for side in (in_force, simulated)]
    drafts = [side.drafts(asked, there, tables) for side, there in zip((in_force, simulated), panels, strict=True)]
    for side in sides:
        for measuring in side.measurings.values():
            measuring.results.close()
    return Comparison(
        in_force=_rules(in_force, taken),
        simulated=_rules(simulated, before.contracts),
        members=comparison.members_of(_counts(panels[0], shown), _counts(panels[1], shown)),
        moved=comparison.moved_of(moves),
        money=comparison.money_of(drafts[0][0], drafts[1][0]),
        not_stated=tuple(
            f"{what}, {sentence}"
            for what, (_, why) in zip(("in force", "simulated"), drafts, strict=True)
            for sentence in why
        ),
        refused_records=len(set(before.tally.refused)),
        failed_members=max(side.failed for side in sides),
    )


def contracts_instead(history: History, given: Given, tables: TableStore) -> Mapping[str, Contract]:
    """The contracts of the simulated side: those of the files, and in their place or beside them the ones given.

    Raises `Stop` with every sentence that `contracts check` says of a mistake, in the files' contracts too.
    """
    new = {str(raw.get("contract_id")) for _, raw in given.contracts}
    every = Given(
        contracts=(
            *(
                ("event files", msgspec.to_builtins(one))
                for name, one in sorted(history.contracts.items())
                if name not in new
            ),
            *given.contracts,
        ),
        practices=given.practices,
        periods=given.periods or tuple(period for period, _ in history.knowledge.periods.values()),
        unreadable=given.unreadable,
    )
    if not every.contracts:
        raise Stop(
            "There is no contract in the event files and none was given: nobody is paid. Give --contract FILE.",
            EXIT_CONFIG,
        )
    checked = contracts.check(every, tables)
    if checked.mistakes:
        said = "\n".join(f"mistake   {one.place}: {one.message}" for one in checked.mistakes)
        raise Stop(
            f"the contracts are not in order, and by such nobody is paid:\n{said}\nCorrect them; one takes the place of another by "
            "having its contract_id.",
            EXIT_CONFIG,
        )
    return {one.contract_id: one for one in checked.contracts}


def months_needed(history: History, asked: Asked, every: Iterable[Contract]) -> list[dt.date]:
    """The months whose panels are made: those asked for, whole quarters of a contract that pays by the quarter, and what periods rest on.

    Raises `Stop` for a period that no record describes.
    """
    quarterly = any(one.phm_frequency == "quarterly" for one in every)
    found = {month for one in asked.months for month in (one, *(quarter_of(one) if quarterly else ()))}
    return sorted(found.union(*(drafting.panels_for(one) for one in _periods(history, asked))))


def months_shown(history: History, asked: Asked, months: Iterable[dt.date]) -> frozenset[dt.date]:
    """The months whose members are compared: all but those that do nothing but tell a practice's type."""
    pools = {month for one in _periods(history, asked) for month in months_of(one)}
    telling = {month for one in _periods(history, asked) for month in drafting.panels_for(one)} - pools
    return frozenset(month for month in months if month in asked.months or month not in telling)


def write(made: Comparison, page: bytes, out: Path) -> list[Path]:
    """Write members.csv, moved.csv, money.csv, simulation.json and simulation.html. Returns the files."""
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, Iterable[bytes]] = {
        "members.csv": comparison.members_csv(made),
        "moved.csv": comparison.moved_csv(made),
        "money.csv": comparison.money_csv(made),
        "simulation.json": [as_json(made)],
        "simulation.html": [page],
    }
    for name, chunks in files.items():
        write_whole(out / name, chunks)
    return [out / name for name in files]


def as_json(made: Comparison) -> bytes:
    """The comparison for a program."""
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def _read(paths: Sequence[Path], asked: Asked, ruleset: str | None, tables: TableStore, report: Report) -> History:
    return History.of(paths, Question(EARLIEST, asked.known_at, ruleset), tables, report=report)


def _periods(history: History, asked: Asked) -> list[Period]:
    known = {name: period for name, (period, _) in history.knowledge.periods.items()}
    for name in asked.periods:
        if name not in known:
            there = f" the files have {', '.join(sorted(known))}." if known else " the files have none."
            raise Stop(f"No period record describes {name}:{there}", EXIT_CONFIG)
    return [known[name] for name in asked.periods]


def _measured(store: TableStore, periods: Mapping[str, Period], asked: Iterable[str]) -> Iterator[tuple[str, Period]]:
    """What is measured by which edition: each period by that which it is paid by, and its baseline by the same."""
    for name in asked:
        edition = paid_rates.edition_of(store, periods[name])
        for one in (name, periods[name].baseline) if edition is not None else ():
            if edition is not None and one is not None and one in periods:
                yield edition, periods[one]


def _measuring(history: History, period: Period, edition: str, sets: ValueSets) -> Measuring:
    """The measures of a period as its final reading has them. Raises `TableError` for an edition that is not there or lacks a value set."""
    end = from_date(period.performance_end)
    bound = Bound(built_in(edition), sets, history.knowledge.measure_tables(end))
    window = Window(period.period, months_to(end, period.window_months))
    return Measuring([bound], [window], period.performance_end, "final", accepted_only=True)


def _close_id(period: str, reading: str) -> str:
    return f"{period}-{reading}-simulated"


def _close(period: str, reading: Literal["panel", "final"], as_of: dt.date, closed_on: dt.date) -> Close:
    return Close(
        close_id=_close_id(period, reading),
        period=period,
        reading=reading,
        actor="simulate",
        as_of=as_of,
        closed_on=closed_on,
    )


def _freezing(history: History, number: int, month: dt.date) -> tuple[Close, Freezing]:
    close = _close(month_name(month), "panel", month, month)
    one = history.knowledge.frozen_list(close, number)
    return close, Freezing.of(one, month, history.knowledge, None)


def _counts(panels: Mapping[dt.date, Panel], shown: Container[dt.date]) -> comparison.PanelCounts:
    return {
        (month_name(month), one.payer, one.practice_id): one.members
        for month, panel in panels.items()
        if month in shown
        for one in panel.snapshot.counts
    }


def _rules(mine: _Side, others: Mapping[str, Contract]) -> Rules:
    differing = tuple(name for name, one in sorted(mine.contracts.items()) if others.get(name) != one)
    editions = sorted({bound.edition.name for one in mine.measurings.values() for bound in one.bounds})
    return Rules(ruleset=mine.history.knowledge.ruleset_name, editions=tuple(editions), contracts=differing)
