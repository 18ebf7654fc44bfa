"""The same results from files alone, without a broker, by the very same state machine: for trying, backfills and audits.

Members know nothing of each other, so that they are worked in shares, by as many processes as there are cores; whoever works a
share, the bytes are the same.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from state import results
from state.calendar import from_date
from state.measures import cahps
from state.measures.results import Asked, period_named
from state.reference.tables import TableStore
from streams.event_files import EventFiles
from streams.files import write_whole
from streams.history import History, MemberName, Question
from streams.measuring import Measuring
from streams.processes import Processes, cores
from streams.rates_shown import Shown, together
from streams.shares import Answer, Answered, Filed, FilePart, Look, shares
from streams.snapshots import Cut, Measured

__all__ = ["History", "MemberName", "Question", "Replayed", "processes_for", "replay"]

Report = Callable[[int, int], None]
ALONE = 8 << 20
"""Bytes of events that one process has worked before another has started."""
PART, SHARE = 256 << 20, 25_000
"""At most so many bytes of a part of the files, and lines of a share of the members: what one process holds does not grow with history."""
READ_AHEAD = 1 << 20


def _silent(_done: int, _total: int) -> None:
    """Nobody listens."""


@dataclass
class Replayed:
    """What a replay found, for a person; everything else is in the files."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Members whose facts could not be worked, with the kind of the fault: they are missing from the results."""
    taxonomy_unknown: Counter[str] = field(default_factory=Counter)
    """Members by payer of whom lines would be visits if anything said what the provider is. Source: attribution.md 2.2 rule 5."""
    content_digest: str = ""
    """Of the answers, as a close has it (state.results)."""
    measures: Measured | None = None
    """What the measures say, where they were asked."""
    rates: Mapping[Asked, Sequence[Shown]] = field(default_factory=dict)
    """The rates of all practices together, as people see them."""
    left_out: int = 0
    """Members that the snapshot has not frozen."""
    differences: list[str] = field(default_factory=list)
    """What is another than in the snapshot; empty when it is equal."""


def replay(
    paths: Sequence[Path],
    question: Question,
    tables: TableStore,
    out: Path,
    *,
    report: Callable[[str], Report] = lambda _what: _silent,
    processes: int | None = None,
) -> Replayed:
    """Write panel.csv, alerts.csv, quarantine.csv and manifest.json into `out`; with editions measures.csv, rates.csv, gaps.csv too.

    `report(what)` gives whom to tell how far that part of the work is. `processes`: how many work; as many as there are cores where
    the files are worth it, if not given. The manifest is written last and names the sha256 of every file. Raises `Stop` and `TableError`
    as `History.of` does, and `Stop` for a process that has gone.
    """
    files = EventFiles(paths)
    history = History.before(files, question, tables)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Beside the results, since there must be room for them.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".replay-", dir=out)))
        count = processes or processes_for(files.size)
        spread = stack.enter_context(Processes(count))
        filed, digests, rows = _look(history, spread, count, folder, report("bytes read"))
        measuring = history.measuring()
        if measuring is not None:
            stack.callback(measuring.results.close)
        lines = sum(block.lines for *_, one in filed for block in one.blocks)
        work = shares(filed, _portion(lines, SHARE, count), folder)
        heard = _summed(report("records worked"), lines)
        answered = Answered(tally=history.tally)
        answered.counts.update({"members": 0, "attributed": 0, "not_attributed": 0, "alerts": 0, "failed": 0})
        for some in spread.each(Answer(files, question, tables, history.reference), work, heard):
            answered.add(some)
            if measuring is not None and some.measured is not None:
                measuring.results.take_in(some.measured)
        files.require_unchanged()
        written = {
            "panel.csv": write_whole(out / "panel.csv", _whole(results.PANEL, answered.panel)),
            "alerts.csv": write_whole(out / "alerts.csv", _whole(results.ALERTS, answered.alerts)),
            "quarantine.csv": write_whole(out / "quarantine.csv", results.quarantine_csv(history.tally.refused)),
            **(
                {}
                if measuring is None
                else measuring.results.write(out, measuring.bounds, _surveyed(history, measuring))
            ),
        }
    replayed = Replayed(
        counts=answered.counts,
        failed=answered.failed,
        taxonomy_unknown=answered.taxonomy_unknown,
        content_digest=results.content_digest(answered.total),
        measures=None if measuring is None else Measured(measuring.results.digest, measuring.results.count),
        left_out=answered.left_out,
    )
    if measuring is not None:
        editions = {bound.edition.name: bound.edition for bound in measuring.bounds}
        replayed.rates = together(measuring.results.sums, editions)
    replayed.counts["quarantined"] = len(set(history.tally.refused))
    if question.snapshot is not None:
        members, attributed = replayed.counts["members"], replayed.counts["attributed"]
        replayed.differences = question.snapshot.differences(
            history.knowledge, members, attributed, replayed.content_digest, replayed.measures
        )
    read = [
        {"file": name, "rows": count, "sha256": digest}
        for name, count, digest in zip(files.names, rows, digests, strict=True)
    ]
    manifest = _manifest(history, replayed, written, measuring, read)
    write_whole(out / "manifest.json", [msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"])
    return replayed


def processes_for(size: int) -> int:
    """How many processes work events of so many bytes: one for each core, unless it is done before they have started."""
    return max(1, min(cores(), size // ALONE))


def _look(
    history: History, spread: Processes, count: int, folder: Path, report: Report
) -> tuple[list[tuple[int, int, Filed]], list[str], list[int]]:
    """The first pass: what the parts of the files are about (`streams.shares.shares`), the digests of the files and their rows.

    What a snapshot knew is told line after line, and so by this process alone.
    """
    files, snapshot = history.files, history.question.snapshot
    cut = None if snapshot is None else Cut(snapshot)
    look, heard = Look(files, history.question, cut), _summed(report, files.size)
    numbers = range(len(files.names))
    parts = files.parts(None if cut else _portion(files.size, PART, count))
    tasks = [FilePart(part, folder / f"part-{number}") for number, part in enumerate(parts)]
    filed: list[tuple[int, int, Filed]] = []
    digests: list[str] = []
    rows = [0] * len(numbers)
    seen: dict[str, bytes] = {}
    with Processes(1) as alone:
        for done in (spread if cut is None else alone).each(look, [*numbers, *tasks], heard):
            if isinstance(done, str):
                digests.append(done)
                continue
            file = parts[len(filed)].file
            history.take_in(done.looked, file, rows[file], seen)
            filed.append((file, rows[file], done))
            rows[file] += done.looked.rows
    if cut is not None:
        cut.check_complete()
    history.reach()
    return filed, digests, rows


def _portion(whole: int, most: int, count: int) -> int:
    """How large a portion of the work is: small enough that so many processes end together, and never more than `most`."""
    return most if count == 1 else max(1, min(most, whole // (4 * count)))


def _summed(report: Report, total: int) -> Callable[[int], None]:
    """Whom to tell how much more is done, where `report` hears how much is done."""
    done = 0

    def heard(more: int) -> None:
        nonlocal done
        done += more
        report(done, total)

    return heard


def _surveyed(history: History, measuring: Measuring) -> Iterator[tuple[object, ...]]:
    """What surveys say of the periods asked for: of a close just what it has frozen."""
    editions = [bound.edition for bound in measuring.bounds]
    periods = () if history.question.snapshot else [period for period, _ in history.knowledge.periods.values()]
    for window in measuring.windows:
        found = cahps.of_window(history.survey_results.values(), window, periods)
        yield from cahps.rate_rows(editions, window.id, measuring.reading, found)


def _whole(columns: Sequence[str], parts: Iterable[Path]) -> Iterator[bytes]:
    """A CSV file of its header and files of lines."""
    yield results.line(columns)
    for path in parts:
        with path.open("rb") as file:
            while chunk := file.read(READ_AHEAD):
                yield chunk


def _manifest(
    history: History,
    replayed: Replayed,
    digests: dict[str, str],
    measuring: Measuring | None,
    read: list[dict[str, Any]],
) -> dict[str, Any]:
    """manifest.json; `read` says of each event file what it is."""
    question, knowledge = history.question, history.knowledge
    in_force = {table.kind: table.digest for table in knowledge.tables_in_force(from_date(question.as_of))}
    manifest: dict[str, Any] = {
        "as_of": question.as_of,
        "known_at": question.known_at,
        "engine_version": knowledge.engine_version,
        "ruleset": {"name": knowledge.ruleset_name, "digest": in_force.pop("ruleset")},
        "tables": in_force,
        "editions": [
            {
                "name": bound.edition.name,
                "digest": bound.edition.digest,
                "value_sets": bound.digest,
                "tables": dict(bound.tables.digests),
            }
            for bound in (() if measuring is None else measuring.bounds)
        ],
        "periods": [period_named(window.period) for window in (() if measuring is None else measuring.windows)],
        "content_digest": replayed.content_digest,
        "measures_digest": None if replayed.measures is None else replayed.measures.digest,
        "counts": dict(sorted(replayed.counts.items())),
        "taxonomy_unknown": dict(sorted(replayed.taxonomy_unknown.items())),
        "failed_members": replayed.failed,
        "files": digests,
        "positions": {
            "files": read,
            "records": dict(sorted(history.tally.read.items())),
            "first_accepted_at": history.tally.first_accepted,
            "last_accepted_at": history.tally.last_accepted,
        },
    }
    if question.snapshot is not None:
        manifest["snapshot"] = {
            "id": question.snapshot.close.id,
            "content_digest": question.snapshot.content_digest,
            "equal": not replayed.differences,
            "differences": replayed.differences,
            "payers_not_frozen": question.snapshot.payers_not_frozen,
            "failed_members": question.snapshot.failed_members,
        }
    return manifest
