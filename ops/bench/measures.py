"""What measures cost: the state of a member with all of them, a replay of them beside DuckDB, and how many claims touch none."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ops.bench import people
from ops.bench.measured import Found, Sizes
from schemas.codec import Codec
from schemas.records import Claim, Position
from schemas.registry import EmbeddedRegistry
from state.ledger.rows import History, Sighting, Statement
from state.measures.editions import Bound, built_in, wanted_by
from state.measures.keeping import kept_of
from state.measures.period import Period
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from streams.replaying import Question, processes_for, replay

PERIODS = tuple(
    Period(dt.date(year, 1, 1).toordinal(), dt.date(year, 12, 31).toordinal())
    for year in (people.MEASURED_DAY.year - 1, people.MEASURED_DAY.year)
)
"""The two periods of which a replay is asked."""
Results = Mapping[tuple[str, str, str, str, str], tuple[str, str]]
"""By measure, rate, year, payer and member: excluded or not, met or not; of those in a denominator."""


class Disagreement(Exception):
    """Two readings of the same events say different things, so that their times say nothing."""


def bytes_per_member_all(sizes: Sizes) -> Iterator[Found]:
    """The hot state of a member with 36 months of history and all measures: attribution's, and the measures'."""
    db = sqlite3.connect(people.standing_file(sizes.with_measures))
    (mean,) = db.execute(
        "SELECT avg(length(members.state) + coalesce(length(measures.state), 0)) FROM members LEFT JOIN measures USING (key)"
    ).fetchone()
    db.close()
    yield Found(name="bytes_per_member_all", ours=[mean])


def claims_without_measure(sizes: Sizes) -> Found:
    """Of 100 live claims, how many no measure reads anything of."""
    edition = Bound(built_in(people.EDITION), starter_sets())
    wanted, codec = wanted_by([edition]), Codec(EmbeddedRegistry())
    touching = total = 0
    with people.live_file(sizes).open("rb") as live:
        for line in itertools.islice(live, sizes.claims):
            body = codec.from_json(line)
            assert isinstance(body, Claim)  # noqa: S101 - what is live is a claim
            row = History([Statement(b"", body, [Sighting("", Position("", 0, 0), None)])])
            kept = kept_of("", row, wanted, allow_reopen=False)
            total += 1
            touching += kept is not None and bool(edition.touched_by(kept))
    return Found(name="claims_without_measure", ours=[100 * (total - touching) / total])


def replay_measures_vs_duckdb(sizes: Sizes) -> Iterator[Found]:
    """Seconds to replay a history with all measures over two years, and for DuckDB to do four of them over the same file.

    DuckDB has one core, replay all. Raises `Disagreement` when the four differ for any member.
    """
    from ops.bench import in_sql

    measured = sizes.with_measures
    history, out = people.history_file(measured), sizes.folder / "measures-replayed"
    edition, sets = built_in(people.EDITION), starter_sets()
    question = Question(people.MEASURED_DAY, editions=(edition,), value_sets=sets, periods=PERIODS)
    theirs = out / "duckdb.csv"
    ours_took: list[float] = []
    peer_took: list[float] = []
    out.mkdir(parents=True, exist_ok=True)
    for _ in range(sizes.repeats):
        started = time.perf_counter()
        in_sql.measure(history, theirs, edition, sets, PERIODS, people.MEASURED_DAY)
        peer_took.append(time.perf_counter() - started)
        started = time.perf_counter()
        replay([history], question, TableStore([]), out)
        ours_took.append(time.perf_counter() - started)
    require_agreement(results_of_replay(out / "measures.csv"), results_of_peer(theirs))
    shutil.rmtree(out)
    yield Found(
        name="replay_measures_vs_duckdb",
        ours=ours_took,
        peer=peer_took,
        processes=processes_for(history.stat().st_size),
    )


def results_of_replay(path: Path) -> Results:
    """The four measures in a measures.csv of ours."""
    from ops.bench.in_sql import MEASURES

    return {
        (row["measure"], row["rate"], row["period"][:4], row["payer"], row["member_id"]): (
            row["denominator_exclusion"],
            row["numerator"],
        )
        for row in _rows(path)
        if row["measure"] in MEASURES and row["denominator"] == "1"
    }


def results_of_peer(path: Path) -> Results:
    """What the peer wrote."""
    return {
        (row["measure"], row["rate"], row["period"], row["payer"], row["member_id"]): (
            row["denominator_exclusion"],
            row["numerator"],
        )
        for row in _rows(path)
    }


def require_agreement(ours: Results, theirs: Results) -> None:
    """Raises `Disagreement` with the first difference unless both say the same of the same members."""
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            measure, rate, year, *_ = key
            raise Disagreement(
                f"{measure} {rate} of {year}: a member is {ours.get(key)} by replay and {theirs.get(key)} by DuckDB "
                "(excluded, met): one of the two is wrong; compare measures.csv with duckdb.csv."
            )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
