"""The measures of a replay: one edition and period after the other for each member, rows into files in their order.

Rows of one rate come by payer and member, as members do; so each rate has a file of its own while the members pass, on disk beyond a
megabyte, and the files are put one after the other at the end.
"""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from state import engine, results
from state.calendar import from_date
from state.ledger.rows import History
from state.measures import results as rows_of
from state.measures.credit import credit_of
from state.measures.editions import Bound, wanted_by
from state.measures.evaluation import ask, seen
from state.measures.keeping import kept_of, profile_of, span_of
from state.measures.outcome import Sums
from state.measures.period import Period
from state.measures.rates import Cell, counted, of_all, peers
from state.reference.knowledge import Knowledge
from streams.files import write_whole

IN_MEMORY = 1 << 20
"""Bytes of one rate's rows that are held in memory."""
LIVE = "live"


class Rows:
    """Rows of CSV files, in buckets that are written one after the other, by their name."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, ...], tempfile.SpooledTemporaryFile[str]] = {}
        self._writers: dict[tuple[str, ...], Any] = {}

    def add(self, bucket: tuple[str, ...], row: Sequence[object]) -> None:
        """Put a row at the end of a bucket."""
        writer = self._writers.get(bucket)
        if writer is None:
            file = self._buckets[bucket] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by `close`
                IN_MEMORY, "w+", encoding="utf-8", newline=""
            )
            writer = self._writers[bucket] = csv.writer(file, lineterminator="\n")
        writer.writerow(map(results.text, row))

    def chunks(self, columns: Sequence[str]) -> Iterator[bytes]:
        """The header, then every bucket."""
        yield results.line(columns)
        for name in sorted(self._buckets):
            file = self._buckets[name]
            file.seek(0)
            while chunk := file.read(IN_MEMORY):
                yield chunk.encode()

    def close(self) -> None:
        """Let go of what is on disk."""
        for file in self._buckets.values():
            file.close()


@dataclass
class Measuring:
    """Measures of some editions over some periods, as of a day."""

    bounds: Sequence[Bound]
    periods: Sequence[Period]
    as_of: dt.date
    measures: Rows = field(default_factory=Rows)
    gaps: Rows = field(default_factory=Rows)
    sums: dict[tuple[rows_of.Asked, Cell], Sums] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wanted = wanted_by(self.bounds)

    def take(
        self,
        payer: str,
        member_id: str,
        member: engine.Member,
        rows: Mapping[str, engine.Row | None],
        knowledge: Knowledge,
    ) -> None:
        """Ask every measure of a member, folded and not yet advanced."""
        reopen = knowledge.ruleset.allow_reopen
        kept = [
            one
            for name, row in sorted(rows.items())
            if (one := kept_of(name, row, self.wanted, allow_reopen=reopen)) is not None
        ]
        profile = profile_of(
            span_of(name, row) for name, row in rows.items() if name.startswith("span:") and isinstance(row, History)
        )
        day = from_date(self.as_of)

        practice_on = engine.practices_of(member, knowledge)
        found = [
            (bound.edition.name, period, measure, outcomes, credit_of(outcomes).practice(period, day, practice_on))
            for bound in self.bounds
            for person in (seen(profile, kept, bound, day),)
            for period in self.periods
            for measure, outcomes in ask(person, bound, period).outcomes.items()
        ]
        for edition, period, measure, outcomes, practice in found:
            asked = rows_of.Asked(edition, rows_of.period_named(period), LIVE)
            for outcome in outcomes:
                row = rows_of.measure_row(asked, measure, payer, member_id, practice, outcome, day)
                self.measures.add((asked.edition, asked.period, asked.reading, measure, outcome.rate), row)
            for row in rows_of.gap_rows(asked, measure, payer, member_id, practice, outcomes, day):
                self.gaps.add((asked.edition, asked.period, asked.reading, measure), row)
            for cell, sums in counted(measure, payer, practice, profile, outcomes):
                known = self.sums.get((asked, cell))
                self.sums[asked, cell] = sums if known is None else known + sums

    def write(self, out: Path) -> dict[str, str]:
        """Write measures.csv, rates.csv and gaps.csv into a folder; the sha256 of each by its name."""
        editions = {bound.edition.name: bound.edition for bound in self.bounds}
        together = peers(self.sums)
        rates = (
            results.line(
                rows_of.rate_row(
                    asked,
                    editions[asked.edition],
                    cell,
                    self.sums[asked, cell],
                    together.get((asked, of_all(cell)), Sums()),
                )
            )
            for asked, cell in sorted(self.sums)
        )
        try:
            return {
                "measures.csv": write_whole(out / "measures.csv", self.measures.chunks(rows_of.MEASURES_COLUMNS)),
                "rates.csv": write_whole(out / "rates.csv", [results.line(rows_of.RATES_COLUMNS), *rates]),
                "gaps.csv": write_whole(out / "gaps.csv", self.gaps.chunks(rows_of.GAPS_COLUMNS)),
            }
        finally:
            self.measures.close()
            self.gaps.close()
