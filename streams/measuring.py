"""The measures of a replay: one edition and period after the other for each member, rows into files in their order.

Rows of one rate come by payer and member, as members do; so each rate has a file of its own while the members pass, on disk beyond a
megabyte, and the files are put one after the other at the end.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import msgspec

from state import engine, results
from state.calendar import from_date
from state.ledger.rows import History
from state.measures import digest
from state.measures import results as rows_of
from state.measures.credit import credit_of
from state.measures.editions import Bound
from state.measures.evaluation import Found, ask, seen
from state.measures.frozen import kept_from
from state.measures.keeping import profile_of, span_of
from state.measures.measuring import Window
from state.measures.outcome import Outcome, Sums, none_of
from state.measures.rates import Cell, counted, known_shares, of_all, peers
from state.measures.said import cell_key
from state.reference.knowledge import Knowledge
from streams.files import write_whole

IN_MEMORY = 1 << 20
"""Bytes of one rate's rows that are held in memory."""
Row = Sequence[object]


class Rows:
    """Rows of CSV files, in buckets that are written one after the other, by their name."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, ...], tempfile.SpooledTemporaryFile[bytes]] = {}
        self._saved: list[SavedRows] = []

    def add(self, bucket: tuple[str, ...], row: Row) -> bytes:
        """Put a row at the end of a bucket; its line."""
        file = self._buckets.get(bucket)
        if file is None:
            file = self._buckets[bucket] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by `close`
        line = results.line(row)
        file.write(line)
        return line

    def chunks(self, columns: Sequence[str]) -> Iterator[bytes]:
        """The header, then every bucket: first the rows taken in, as their files came, then those added."""
        yield results.line(columns)
        with ExitStack() as stack:
            saved = [(stack.enter_context(one.path.open("rb")), one.places) for one in self._saved]
            for name in sorted(self._buckets.keys() | {name for _, places in saved for name in places}):
                for whole, places in saved:
                    yield from _read(whole, *places.get(name, (0, 0)))
                if name in self._buckets:
                    file = self._buckets[name]
                    yield from _read(file, 0, file.tell())

    def save(self, path: Path) -> SavedRows:
        """Put the buckets into a file, one after the other, and let go of them."""
        places: dict[tuple[str, ...], tuple[int, int]] = {}
        with path.open("wb") as whole:
            for name, file in self._buckets.items():
                places[name] = whole.tell(), file.tell()
                whole.writelines(_read(file, 0, file.tell()))
                file.close()
        self._buckets = {}
        return SavedRows(path, places)

    def take_in(self, saved: SavedRows) -> None:
        """Put rows of a file at the end of their buckets; none was added yet."""
        self._saved.append(saved)

    def close(self) -> None:
        """Let go of what is on disk."""
        for file in self._buckets.values():
            file.close()


@dataclass(frozen=True)
class SavedRows:
    """Rows in a file: at which byte each bucket begins, and how many it has."""

    path: Path
    places: Mapping[tuple[str, ...], tuple[int, int]]


def _read(file: IO[bytes], start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size:
        chunk = file.read(min(size, IN_MEMORY))
        size -= len(chunk)
        yield chunk


def _with_those_outside(bound: Bound, found: Found) -> Mapping[str, Sequence[Outcome]]:
    """The outcomes of a member; under an eCQM edition also those of measures that do not concern the member, all counts 0.

    So decks of test patients are compared case by case, and nobody has to guess what a missing row means. The program's editions have a
    row only for whom a measure concerns: rows of zeros for all others of a plan would say nothing.
    """
    if bound.edition.form != "ecqm":
        return found.outcomes
    return {
        measure.id: found.outcomes.get(measure.id)
        or [none_of(rate) for rate in measure.rates(bound.edition.parameters[measure.id])]
        for measure in bound.edition.measures()
    }


@dataclass
class Results:
    """What measures.csv, rates.csv and gaps.csv are made of; results come by payer and member."""

    measures: Rows = field(default_factory=Rows)
    gaps: Rows = field(default_factory=Rows)
    sums: dict[tuple[rows_of.Asked, Cell], Sums] = field(default_factory=dict)
    count: int = 0
    """Lines of measures.csv."""
    _total: int = 0

    def add(self, asked: rows_of.Asked, measure: str, rows: Iterable[Row], gaps: Iterable[Row]) -> None:
        """Put the lines of a measure of a member at the end: those of its rates, and those of their gaps."""
        for row in rows:
            rate = str(row[rows_of.MEASURES_COLUMNS.index("rate")])
            line = self.measures.add((asked.edition, asked.period, asked.reading, measure, rate), row)
            self._total += digest.of_line(line)
            self.count += 1
        for row in gaps:
            line = self.gaps.add((asked.edition, asked.period, asked.reading, measure), row)
            self._total += digest.of_line(line)

    def count_in(self, asked: rows_of.Asked, cell: Cell, sums: Sums) -> None:
        """Add to a sum."""
        known = self.sums.get((asked, cell))
        self.sums[asked, cell] = sums if known is None else known + sums

    def save(self, path: Path) -> SavedResults:
        """All of it, to be taken in elsewhere, with the rows in files whose names `path` begins."""
        return SavedResults(
            self.measures.save(path.with_suffix(".measures")),
            self.gaps.save(path.with_suffix(".gaps")),
            _sums_encoder.encode([(asked, cell, sums) for (asked, cell), sums in self.sums.items()]),
            self.count,
            self._total,
        )

    def take_in(self, saved: SavedResults) -> None:
        """Add the results of the members that follow."""
        self.measures.take_in(saved.measures)
        self.gaps.take_in(saved.gaps)
        for asked, cell, sums in _sums_decoder.decode(saved.sums):
            self.count_in(asked, cell, sums)
        self.count += saved.count
        self._total += saved.total

    @property
    def digest(self) -> str:
        """As a close has it (state.measures.digest)."""
        cells = (digest.of_sums(cell_key(0, asked, cell), sums) for (asked, cell), sums in self.sums.items())
        return digest.text(self._total + sum(cells))

    def write(self, out: Path, bounds: Iterable[Bound], surveyed: Iterable[Row] = ()) -> dict[str, str]:
        """Write the three files into a folder, with lines of surveys (state.measures.cahps); the sha256 of each by its name."""
        by_edition = {bound.edition.name: bound for bound in bounds}
        together = peers(self.sums)
        rates = (
            results.line(
                rows_of.rate_row(
                    asked,
                    by_edition[asked.edition],
                    cell,
                    self.sums[asked, cell],
                    together.get((asked, of_all(cell)), Sums()),
                    known_shares(asked, cell, self.sums),
                )
            )
            for asked, cell in sorted(self.sums)
        )
        return {
            "measures.csv": write_whole(out / "measures.csv", self.measures.chunks(rows_of.MEASURES_COLUMNS)),
            "rates.csv": write_whole(
                out / "rates.csv", [results.line(rows_of.RATES_COLUMNS), *rates, *map(results.line, surveyed)]
            ),
            "gaps.csv": write_whole(out / "gaps.csv", self.gaps.chunks(rows_of.GAPS_COLUMNS)),
        }

    def close(self) -> None:
        """Let go of what is on disk."""
        self.measures.close()
        self.gaps.close()


_sums_encoder = msgspec.msgpack.Encoder()
_sums_decoder = msgspec.msgpack.Decoder(list[tuple[rows_of.Asked, Cell, Sums]])


@dataclass(frozen=True)
class SavedResults:
    """The results of some members; `sums` are packed."""

    measures: SavedRows
    gaps: SavedRows
    sums: bytes
    count: int
    total: int


@dataclass
class Measuring:
    """Measures of some editions over some periods, as of a day.

    `accepted_only`: as initial and final readings have it (state.measures.evaluation).
    """

    bounds: Sequence[Bound]
    windows: Sequence[Window]
    as_of: dt.date
    reading: str = rows_of.LIVE
    accepted_only: bool = False
    results: Results = field(default_factory=Results)

    def anew(self) -> Measuring:
        """The same, as yet of nobody."""
        return replace(self, results=Results())

    def take(
        self,
        payer: str,
        member_id: str,
        member: engine.Member,
        rows: Mapping[str, engine.Row | None],
        knowledge: Knowledge,
    ) -> None:
        """Ask every measure of a member, folded and not yet advanced."""
        kept = kept_from(rows, self.bounds, allow_reopen=knowledge.ruleset.allow_reopen)
        profile = profile_of(
            span_of(name, row) for name, row in rows.items() if name.startswith("span:") and isinstance(row, History)
        )
        day = from_date(self.as_of)

        practice_on = engine.practices_of(member, knowledge)
        found = [
            (
                bound.edition.name,
                window,
                measure,
                outcomes,
                credit_of(outcomes).practice(window.period, day, practice_on),
            )
            for bound in self.bounds
            for person in (seen(profile, kept, bound, day, accepted_only=self.accepted_only),)
            for window in self.windows
            for measure, outcomes in self._said(bound, ask(person, bound, window.period)).items()
        ]
        for edition, window, measure, outcomes, practice in found:
            asked = rows_of.Asked(edition, window.id, self.reading)
            about = (asked, measure, payer, member_id, practice)
            self.results.add(
                asked,
                measure,
                (rows_of.measure_row(*about, outcome, day) for outcome in outcomes),
                rows_of.gap_rows(*about, outcomes, day),
            )
            for cell, sums in counted(measure, payer, practice, profile, outcomes):
                self.results.count_in(asked, cell, sums)

    def _said(self, bound: Bound, found: Found) -> Mapping[str, Sequence[Outcome]]:
        """What is written of a member: of a close asked again just what the close said."""
        return _with_those_outside(bound, found) if self.reading == rows_of.LIVE else found.outcomes
