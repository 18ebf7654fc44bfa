"""Other rules over the same event files: panels and money of some months and periods, side by side with those in force.

By the very code of a close: members are folded by the replay and frozen as at a panel's barrier, drafts are made as the conductor makes
them. Nothing is published, no broker is asked. Each side knows what the files say, for all months alike.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from schemas.money import Contract, Statement
from schemas.records import Close, Practice
from state import closing
from state.calendar import EARLIEST
from state.freezing import Freezing
from state.payment import comparison, contracts, drafting
from state.payment.closes import NothingStated
from state.payment.comparison import Comparison, Rules
from state.payment.contract_files import Given
from state.payment.drafting import Known, Panel
from state.payment.element2 import month_name
from state.reference.tables import TableStore
from streams.files import write_whole
from streams.replaying import History, MemberName, Question
from streams.stopping import EXIT_CONFIG, Stop

Report = Callable[[int, int], None]
SHOWN = 2_000
"""Members between two looks at how far the work is."""
_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a simulation is asked: months whose panels pay, and what takes the place of the rules in force."""

    months: Sequence[dt.date]
    known_at: dt.datetime | None = None
    ruleset: str | None = None
    """A ruleset of the project; None: as the files bring it."""
    given: Given = dataclasses.field(default_factory=Given)
    """Contracts that take the place of those with their ids, or stand beside them."""


@dataclass
class _Side:
    """One set of rules while members pass: their panels, month by month, and at the end their statements."""

    history: History
    freezings: list[tuple[dt.date, Close, Freezing]]
    failed: int = 0
    statements: list[Statement] = field(default_factory=list)

    @classmethod
    def of(cls, history: History, months: Sequence[dt.date]) -> _Side:
        last = months[-1]
        history.question = dataclasses.replace(history.question, as_of=last)
        history.knowledge = history.knowledge.reach(last).knowledge
        freezings = []
        for number, month in enumerate(months):
            name = month_name(month)
            close = Close(
                close_id=f"{name}-simulated",
                period=name,
                reading="panel",
                actor="simulate",
                as_of=month,
                closed_on=month,
            )
            one = history.knowledge.frozen_list(close, number)
            freezings.append((month, close, Freezing.of(one, month, history.knowledge, None)))
        return cls(history, freezings)

    def take(self, name: MemberName) -> list[str | None]:
        """Freeze a member in every month; the practice in each, "" for nobody's, None where there is no list of the payer.

        A member who cannot be worked is in no panel of the months from the fault on; how many there are is said.
        """
        found: list[str | None] = []
        try:
            member, rows = self.history.fold(name)
            for _, _, freezing in self.freezings if member is not None else ():
                if member is not None:
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
        for number, (month, close, freezing) in enumerate(self.freezings):
            partial = freezing.partial(partition=0, watermark=0, accepted_at=_BEGINNING, failed=(), skips=(), sums={})
            snapshot = closing.completed(closing.opened(close, number), [partial])
            found[month] = Panel(snapshot=snapshot, people=partial.people)
        return found


def simulate(
    paths: Sequence[Path],
    asked: Asked,
    tables: TableStore,
    *,
    report: Callable[[str], Report],
) -> tuple[Comparison, Mapping[str, Sequence[Statement]]]:
    """The two sides compared, and the drafts of each (`in_force`, `simulated`).

    Raises `Stop` for files that cannot be told apart and for contracts with a mistake, `TableError` for a table or ruleset that cannot
    be used.
    """
    before = _read(paths, asked, None, tables, report("bytes read"))
    other = asked.ruleset is not None and asked.ruleset != before.knowledge.ruleset_name
    after = _read(paths, asked, asked.ruleset, tables, report("bytes read again")) if other else before
    in_force = before.contracts
    taken = contracts_instead(before, asked.given, tables)
    months = months_needed(asked.months, (*in_force.values(), *taken.values()))
    sides = [_Side.of(before, months), *([_Side.of(after, months)] if other else [])]
    moves: Counter[tuple[str, str, str, str]] = Counter()
    names = before.members()
    tell = report("members")
    for done, name in enumerate(names):
        if done % SHOWN == 0:
            tell(done, len(names))
        answers = [side.take(name) for side in sides]
        for month, was, now in zip(months, answers[0], answers[-1], strict=False):
            if was is not None and now is not None and was != now:
                moves[month_name(month), name[0], was, now] += 1
    not_stated: list[str] = []
    made: dict[str, Sequence[Statement]] = {}
    for what, side, by in (("in force", sides[0], in_force), ("simulated", sides[-1], taken)):
        practices = [*side.history.practices.values(), *(asked.given.practices if what == "simulated" else ())]
        drafts, why = _drafts(side.panels(), by, practices, asked.months, tables)
        made[what.replace(" ", "_")] = drafts
        not_stated += [f"{what}, {sentence}" for sentence in why]
    return (
        Comparison(
            in_force=_rules(before, in_force, taken),
            simulated=_rules(after, taken, in_force),
            members=comparison.members_of(_counts(sides[0].panels()), _counts(sides[-1].panels())),
            moved=comparison.moved_of(moves),
            money=comparison.money_of(made["in_force"], made["simulated"]),
            not_stated=tuple(not_stated),
            refused_records=len(set(before.refused)),
            failed_members=max(side.failed for side in sides),
        ),
        made,
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


def months_needed(asked: Iterable[dt.date], every: Iterable[Contract]) -> list[dt.date]:
    """The months whose panels are made: those asked for, and of a contract that pays by the quarter their whole quarters."""
    quarterly = any(one.phm_frequency == "quarterly" for one in every)
    return sorted({month for one in asked for month in (one, *(drafting.quarter_of(one) if quarterly else ()))})


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


def _drafts(
    panels: Mapping[dt.date, Panel],
    by: Mapping[str, Contract],
    practices: Sequence[Practice],
    months: Sequence[dt.date],
    tables: TableStore,
) -> tuple[list[Statement], list[str]]:
    """The drafts of the months, and why there are none where there are none."""
    made: list[Statement] = []
    why: list[str] = []
    ordered = [by[name] for name in sorted(by)]
    for month in months:
        known = Known(contracts=ordered, practices=practices, panels=panels, standing=made, store=tables)
        try:
            made = [*made, *drafting.month_drafts(known, month, month)]
        except NothingStated as problem:
            why += [f"{month_name(month)}: {reason}" for reason in problem.reasons]
    return made, why


def _counts(panels: Mapping[dt.date, Panel]) -> comparison.PanelCounts:
    return {
        (month_name(month), one.payer, one.practice_id): one.members
        for month, panel in panels.items()
        for one in panel.snapshot.counts
    }


def _rules(history: History, mine: Mapping[str, Contract], others: Mapping[str, Contract]) -> Rules:
    differing = tuple(name for name, one in sorted(mine.items()) if others.get(name) != one)
    return Rules(ruleset=history.knowledge.ruleset_name, contracts=differing)
