"""What stands in a state file: the cost of a clock tick when few are due beside that when all are, and the size of a member."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faust.types import TP

from ops.bench import people
from ops.bench.measured import Found, Sizes
from schemas.codec import Codec
from schemas.records import FORMAT_VERSION, Envelope, Position, Tick
from schemas.registry import EmbeddedRegistry
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from state.stores.members import NEVER, MemberState
from streams.batching import Batch
from streams.members import MemberPartition

ONE_OF = 100
"""One member of so many is due."""


def bytes_per_member(sizes: Sizes) -> Iterator[Found]:
    """The hot state of a member with 24 months of history: what is read and written with each of its events."""
    db = sqlite3.connect(people.standing_file(sizes))
    mean = db.execute("SELECT avg(length(state)) FROM members").fetchone()[0]
    db.close()
    yield Found(name="bytes_per_member", ours=[mean])


def tick_share(sizes: Sizes) -> Iterator[Found]:
    """Seconds for a tick with one member in a hundred due, and with every member due."""
    copy = sizes.folder / "ticked.sqlite"
    shutil.copyfile(people.standing_file(sizes), copy)
    try:
        ours, peer = asyncio.run(_ticks(copy, sizes.repeats))
    finally:
        for path in sizes.folder.glob("ticked.*"):
            path.unlink()
    yield Found(name="tick_share", ours=ours, peer=peer)


async def _ticks(path: Path, repeats: int) -> tuple[list[float], list[float]]:
    codec = Codec(EmbeddedRegistry())
    state = await MemberState.open(path, topic=people.TOPIC, partition=0, partitions=1)
    agent = await MemberPartition.resume(
        state, Knowledge.initial(TableStore([])), codec, prefix="", partition=0, partitions=1
    )
    day = people.DAY
    few: list[float] = []
    all_: list[float] = []
    for _ in range(repeats):
        for one_of, took in ((ONE_OF, few), (1, all_)):
            day += dt.timedelta(days=1)
            await _make_due(state, day, one_of)
            batch = _tick(codec, state, day)
            started = time.perf_counter()
            await agent.apply(batch)
            took.append(time.perf_counter() - started)
            async with state.transaction():
                await state.forget_outputs()
            await state.fetch("PRAGMA wal_checkpoint(TRUNCATE)")
    await state.close()
    return few, all_


async def _make_due(state: MemberState, day: dt.date, one_of: int) -> None:
    """Make one member of so many due on a day, evenly over the keys, and the others never."""
    async with state.transaction():
        await state.fetch(
            "UPDATE members SET due = CASE WHEN place % ? = 0 THEN ? ELSE ? END FROM "
            "(SELECT key AS k, row_number() OVER (ORDER BY key) AS place FROM members) WHERE key = k",
            (one_of, day.isoformat(), NEVER),
        )
    await state.fetch("PRAGMA wal_checkpoint(TRUNCATE)")


def _tick(codec: Codec, state: MemberState, day: dt.date) -> Batch:
    envelope = Envelope(
        kind="control",
        event_id="control",
        payer="",
        member_id="",
        position=Position("control", 0, state.control),
        accepted_at=state.accepted_at,
        format_version=FORMAT_VERSION,
        flags=(),
        facts=codec.encode_facts(Tick(date=day)),
        original=b"",
        sequence=state.control + 1,
    )
    at = state.watermark
    record = Stood(people.TOPIC, 0, at, 0, b"control", codec.encode_envelope(envelope), ())
    return Batch(TP(people.TOPIC, 0), 0, at, at + 1, (record,))


@dataclass(frozen=True)
class Stood:
    """A record as the consumer hands it on."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
