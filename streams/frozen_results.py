"""The measures of a reading that is closed, read back from the topics: what `close export` writes beside the lists.

What was said at the barriers of the close is of it, and nothing else under the same keys: the version of a record says where it was caused.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import msgspec

from schemas.records import Aggregate, Gaps, MeasureResult, Snapshot, Version
from state.measures.results import Asked
from state.measures.said import cell_of, rows_said
from streams.measuring import Results

Said = Iterable[tuple[str, Any, Version | None]]
"""Key, record and version of every record of a topic."""
_encoder = msgspec.msgpack.Encoder()
_result = msgspec.msgpack.Decoder(MeasureResult)
_gaps = msgspec.msgpack.Decoder(Gaps)


def read_back(snapshot: Snapshot, read: Callable[[str], Said]) -> Results:
    """The results and sums of a complete close. `read` gives a topic.

    Results lie in a file on disk until they are in order: those of a million members need not fit into memory.
    """
    barriers = {one.partition: one.watermark for one in snapshot.positions}
    made = Results()

    def of_close(topic: str) -> Iterable[tuple[str, Any]]:
        for key, record, version in read(topic):
            is_of_it = version is not None and barriers.get(version.partition) == version.offset
            if is_of_it and (record.period, record.reading) == (snapshot.period, snapshot.reading):
                yield key, record

    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/results.sqlite")) as db:
        for topic in ("measures", "gaps"):
            db.execute(
                f"CREATE TABLE {topic} (payer, member, edition, measure, {topic[0]}, "
                "PRIMARY KEY (payer, member, edition, measure)) WITHOUT ROWID"
            )
            db.executemany(
                f"INSERT OR REPLACE INTO {topic} VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - our own names
                (
                    (one.payer, one.member_id, one.edition, one.measure, _encoder.encode(one))
                    for _, one in of_close(topic)
                ),
            )
        in_order = db.execute(
            "SELECT m, g FROM measures LEFT JOIN gaps USING (payer, member, edition, measure) "
            "ORDER BY payer, member, edition, measure"
        )
        for result_bytes, gaps_bytes in in_order:
            result = _result.decode(result_bytes)
            gaps = None if gaps_bytes is None else _gaps.decode(gaps_bytes)
            asked = Asked(result.edition, result.period, result.reading)
            made.add(asked, result.measure, *rows_said(asked, result, gaps))
    newest: dict[str, Aggregate] = dict(of_close("aggregates"))
    for record in newest.values():
        asked, cell, sums = cell_of(record)
        if not sums.is_nothing:
            made.count_in(asked, cell, sums)
    return made
