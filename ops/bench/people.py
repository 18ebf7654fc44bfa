"""The population that benchmarks work on: made up once for its sizes, kept, and folded into a state file by the engine itself.

The history is everything but the last claims to be accepted; those are the live ones, in their order.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ops.bench.care import with_care
from ops.bench.measured import Sizes
from ops.sample.population import population
from schemas.codec import Codec
from schemas.keys import member_key, partition_of
from schemas.records import Period, Table
from schemas.registry import EmbeddedRegistry
from state import engine
from state.calendar import from_date, to_date
from state.measures.editions import built_in
from state.measures.outcome import Sums
from state.measures.said import cell_key
from state.reference.tables import TableStore
from state.stores.members import MemberRow, MemberState
from streams.member_measures import MeasuredMember, SumChange
from streams.replaying import History, Question
from streams.settings import Settings, member_file

START, DAY = dt.date(2023, 4, 1), dt.date(2025, 6, 30)
"""Of the population. The live claims are its last weeks, so that the history before them has 24 months."""
MEASURED_START, MEASURED_DAY = dt.date(2023, 1, 1), dt.date(2025, 12, 31)
"""Of a population that is measured: three years."""
EDITION = "capc-2025"
"""What is measured of it, over the twelve months of the day and those of a program period."""
PERIOD = Period(
    period="P2",
    performance_end=dt.date(2025, 6, 30),
    k1=dt.date(2026, 1, 31),
    k2=dt.date(2026, 6, 30),
    pool_from=dt.date(2025, 1, 1),
    pool_months=6,
)
PORTION = 1_000
"""Members of one transaction."""
TOPIC = "member-events"
_OF_MEMBERS = tuple(
    f'{{"event_type":"{kind}"'.encode()
    for kind in ("claim", "enrollment", "pcp_selection", "clinical", "pharmacy_claim")
)


def day(sizes: Sizes) -> dt.date:
    """The day of the population, on which its standing members were last asked."""
    return MEASURED_DAY if sizes.measured else DAY


def history_file(sizes: Sizes) -> Path:
    """The event file of the history; made with the one of the live claims where it is not there yet."""
    path = _folder(sizes) / "history.ndjson"
    if not path.exists():
        _make_up(sizes, path)
    return path


def live_file(sizes: Sizes) -> Path:
    """The event file of the live claims, in order of acceptance."""
    return history_file(sizes).with_name("live.ndjson")


def standing_file(sizes: Sizes) -> Path:
    """A state file, one partition of one, that holds every member with its history on `day`; made where it is not there yet."""
    path = member_file(_folder(sizes), 0)
    if not path.exists():
        asyncio.run(_fold(sizes, path))
    return path


def settle_in(sizes: Sizes, settings: Settings) -> None:
    """Put the standing members into the state files of a service that has seen the reference and the day, and is stopped."""
    source = standing_file(sizes)
    for partition in range(settings.partitions):
        db = sqlite3.connect(member_file(settings.state, partition))
        db.execute("ATTACH ? AS source", (str(source),))
        db.execute("CREATE TEMP TABLE ours (key TEXT PRIMARY KEY) WITHOUT ROWID")
        keys = db.execute("SELECT key FROM source.members").fetchall()
        with db:
            db.executemany(
                "INSERT INTO ours VALUES (?)",
                [row for row in keys if partition_of(row[0], settings.partitions) == partition],
            )
            for table, member in (
                ("members", "key"),
                ("rows", "member"),
                ("terms", "member"),
                ("measures", "key"),
            ):
                db.execute(
                    f"INSERT INTO {table} SELECT * FROM source.{table} WHERE {member} IN (SELECT key FROM ours)"  # noqa: S608 - our own names
                )
            db.execute("INSERT INTO sums SELECT * FROM source.sums WHERE cell LIKE ?", (f"{partition}|%",))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()


def reference(history: Path) -> Iterator[bytes]:
    """The lines of an event file of ours that are reference."""
    with history.open("rb") as file:
        yield from (line for line in file if not line.startswith(_OF_MEMBERS))


def _folder(sizes: Sizes) -> Path:
    kind = "-measured" if sizes.measured else ""
    folder = sizes.folder / f"members-{sizes.members}-live-{sizes.live}-seed-{sizes.seed}{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _events(sizes: Sizes) -> Iterator[dict[str, object]]:
    if not sizes.measured:
        return population(sizes.members, sizes.seed, START, DAY, bad_share=0)
    start, end = MEASURED_START, MEASURED_DAY
    edition = Table(
        kind="editions", name=EDITION, version="1", digest=built_in(EDITION).digest, activated_from=dt.date(2024, 1, 1)
    )
    codec = Codec(EmbeddedRegistry())
    told = (json.loads(codec.to_json(record)) for record in (PERIOD, edition))
    people = population(sizes.members, sizes.seed, start, end, bad_share=0)
    return itertools.chain(told, with_care(people, sizes.seed, start, end))


def _make_up(sizes: Sizes, path: Path) -> None:
    fresh = path.with_suffix(".part")
    late: deque[bytes] = deque()
    with fresh.open("wb") as history:
        for event in _events(sizes):
            line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
            if event["event_type"] != "claim":
                history.write(line)
                continue
            late.append(line)
            if len(late) > sizes.live:
                history.write(late.popleft())
    path.with_name("live.ndjson").write_bytes(b"".join(late))
    fresh.replace(path)


async def _fold(sizes: Sizes, path: Path) -> None:
    file, today = history_file(sizes), day(sizes)
    history = History.of([file], Question(today), TableStore([]))
    fresh = path.with_suffix(".part")
    fresh.unlink(missing_ok=True)
    state = await MemberState.open(fresh, topic=TOPIC, partition=0, partitions=1)
    names = history.members()
    sums: dict[str, Sums] = {}
    for start in range(0, len(names), PORTION):
        members: list[MemberRow] = []
        rows: list[tuple[str, str, bytes]] = []
        terms: list[tuple[str, str]] = []
        standings: list[tuple[str, bytes]] = []
        for name in names[start : start + PORTION]:
            key, member = member_key(*name), engine.new_member(*name)
            cold: dict[str, engine.Row | None] = {}
            for told in history.told(name):
                engine.fold(member, cold, history.fact(told), history.knowledge)
            advanced = engine.advance(member, today, history.knowledge, cause="tick", position="")
            due = advanced.due
            if sizes.measured:
                measured = MeasuredMember(None)
                measured.retake(cold, history.knowledge)
                _, changes = measured.advance(member, from_date(today), history.knowledge, everything=True)
                _add_up(sums, changes, partition_of(key, sizes.partitions))
                standings.append((key, measured.encoded()))
                due = min((one for one in (due, to_date(measured.due)) if one is not None), default=None)
            members.append(MemberRow(key, due, advanced.alert_open, None, engine.encode_member(member)))
            rows += [(key, name, engine.encode_row(row)) for name, row in cold.items() if row is not None]
            terms += [(term, key) for term in engine.terms(member)]
        async with state.transaction():
            await state.write_members(members)
            await state.write_rows(rows)
            await state.write_terms(terms)
            await state.write_standings(standings)
    async with state.transaction():
        await state.write_sums((cell, msgspec.msgpack.encode(one)) for cell, one in sorted(sums.items()))
    codec = Codec(EmbeddedRegistry())
    for number, line in enumerate(reference(file), start=1):
        async with state.transaction():
            await state.finish_control(
                number, as_of=today, record=codec.encode_facts(codec.from_json(line)), offset=number - 1
            )
    await state.close()
    fresh.replace(path)


def _add_up(sums: dict[str, Sums], changes: Iterable[SumChange], partition: int) -> None:
    for asked, cell, one in changes:
        key = cell_key(partition, asked, cell)
        sums[key] = sums.get(key, Sums()) + one
