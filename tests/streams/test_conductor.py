"""The conductor at work without a broker: when a close is complete, what is answered, and that the log alone decides it."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP

from schemas.codec import Codec
from schemas.records import Close, CloseAnnul, Partial, Period, PracticeCount, Reading, Snapshot, Table, Tick
from schemas.registry import EmbeddedRegistry
from state.reference.tables import MissingTable, TableStore
from state.stores.program import ProgramState
from streams.batching import Batch
from streams.conductor import Conductor
from streams.rebuilding import LogRecord

CODEC = Codec(EmbeddedRegistry())
PARTITIONS = 3
P2 = Period(
    period="P2",
    performance_end=dt.date(2025, 6, 30),
    k1=dt.date(2025, 9, 28),
    k2=dt.date(2025, 12, 27),
    pool_from=dt.date(2025, 1, 1),
    pool_months=6,
)


def close(reading: Reading = "initial", period: str = "P2", close_id: str = "") -> Close:
    return Close(close_id=close_id or f"{period}-{reading}", period=period, reading=reading, actor="ann")


def annul(close_id: str) -> CloseAnnul:
    return CloseAnnul(close_id=close_id, actor="ann", reason="a mistake")


def partial(number: int, close_id: str = "P2-initial", **given: Any) -> Partial:
    return Partial(
        **{
            "close_id": close_id,
            "partition": number,
            "watermark": 10 + number,
            "accepted_at": dt.datetime(2025, 10, 1, tzinfo=dt.UTC),
            "ruleset": "guide",
            "tables": (),
            "engine_version": "1",
            "digest": f"{number + 1:x}",
            "counts": (PracticeCount(payer="aetna", practice_id="A", members=number),),
            **given,
        }
    )


def partials(close_id: str) -> list[Partial]:
    return [partial(number, close_id) for number in range(PARTITIONS)]


def log(*records: Any) -> list[LogRecord]:
    return [LogRecord("control", 0, place, 0, b"", CODEC.encode_control(one)) for place, one in enumerate(records)]


async def worked(folder: Path, records: Sequence[LogRecord], cuts: Sequence[int] = ()) -> tuple[list[Any], list[Any]]:
    """What was broadcast and what was said on `snapshots`, in order; the file is closed and opened again at each cut."""
    borders = sorted({0, *cuts, len(records)})
    broadcast: list[Any] = []
    said: list[Any] = []
    for _, last in itertools.pairwise(borders):
        state = await ProgramState.open(
            folder / "control.sqlite", topic="control", partition=0, partitions=1, patience=1
        )
        agent = Conductor(state, CODEC, prefix="", partitions=PARTITIONS, tables=TableStore([folder / "tables"]))
        # What lies below the watermark comes again after a crash.
        try:
            await agent.apply(Batch(TP("control", 0), 1, 0, last, tuple(records[:last])))
            rows = await state.waiting(100_000)
        finally:
            await state.close()
        envelopes = [CODEC.decode_envelope(one.value or b"") for one in rows if one.topic == "member-events"]
        broadcast = [(one.sequence, CODEC.decode_facts("control", one.facts)) for one in envelopes]
        said = [CODEC.decode_output("snapshots", one.value or b"")[0] for one in rows if one.topic == "snapshots"]
    return broadcast, said


def told(said: Sequence[Snapshot]) -> list[tuple[str, str]]:
    return [(one.close_id, one.state) for one in said]


async def test_a_close_is_complete_when_every_partition_has_answered_once(tmp_path: Path) -> None:
    begun = [P2, Tick(date=P2.k1), close(), partial(2), partial(0), partial(2), partial(0), partial(2)]
    _, said = await worked(tmp_path / "begun", log(*begun))
    assert told(said) == [("P2-initial", "open")]
    broadcast, said = await worked(tmp_path / "done", log(*begun, partial(1), partial(1)))
    assert told(said) == [("P2-initial", "open"), ("P2-initial", "complete")]
    manifest = said[-1]
    assert (manifest.members, manifest.content_digest, manifest.as_of) == (3, f"{6:064x}", P2.performance_end)
    assert [one.partition for one in manifest.positions] == [0, 1, 2]
    assert [type(one).__name__ for _, one in broadcast] == ["Period", "Tick", "Close"]


async def test_the_first_request_of_a_reading_stands_and_another_is_told_its_id(tmp_path: Path) -> None:
    records = [P2, Tick(date=P2.k1), close(), close(), close(close_id="mine"), *partials("P2-initial"), close()]
    broadcast, said = await worked(tmp_path, log(*records))
    assert told(said) == [("P2-initial", "open"), ("mine", "refused"), ("P2-initial", "complete")]
    assert "was closed already, as P2-initial" in said[1].message
    assert sum(isinstance(one, Close) for _, one in broadcast) == 1


async def test_what_is_refused_raises_no_barrier(tmp_path: Path) -> None:
    records = [P2, close(), Tick(date=P2.k1), close("final"), close("initial", "P9"), close("panel", "2026-07")]
    broadcast, said = await worked(tmp_path, log(*records))
    assert [one.state for one in said] == ["refused"] * 4
    assert not [one for _, one in broadcast if isinstance(one, Close)]


async def test_an_annulled_close_is_forgotten_everywhere_and_the_reading_can_be_closed_again(tmp_path: Path) -> None:
    again = close(close_id="again")
    records = [
        P2,
        Tick(date=P2.k1),
        close(),
        partial(0),
        annul("P2-initial"),
        partial(1),
        partial(2),
        annul("P2-initial"),
    ]
    broadcast, said = await worked(tmp_path, log(*records, again, *partials("again")))
    assert told(said) == [("P2-initial", "open"), ("P2-initial", "annulled"), ("again", "open"), ("again", "complete")]
    assert [type(one).__name__ for _, one in broadcast[2:]] == ["Close", "CloseAnnul", "Close"]


async def test_partitions_of_different_releases_annul_the_close_and_say_why(tmp_path: Path) -> None:
    records = [P2, Tick(date=P2.k1), close(), partial(0), partial(1), partial(2, engine_version="2")]
    broadcast, said = await worked(tmp_path, log(*records))
    assert told(said) == [("P2-initial", "open"), ("P2-initial", "annulled")]
    assert "run workers of one release with the same tables" in said[-1].message
    assert isinstance(broadcast[-1][1], CloseAnnul)


@pytest.mark.parametrize("seed", range(20))
async def test_wherever_the_conductor_is_killed_the_log_alone_decides(tmp_path: Path, seed: int) -> None:
    """Closes, answers, withdrawals and ticks in any order: no sequence twice, and each complete close has all partitions."""
    rng = random.Random(seed)
    ids = ["P2-initial", "P2-final", "2025-10-panel"]
    requests = [close(), close("final"), close("panel", "2025-10")]
    records = [
        *(record for record in requests * 2),
        *(one for close_id in ids for one in partials(close_id) * 2),
        *map(annul, rng.sample(ids, 1)),
        Tick(date=P2.k1),
        Tick(date=P2.k2),
    ]
    rng.shuffle(records)
    whole = log(P2, Tick(date=dt.date(2025, 9, 30)), *records)
    broadcast, said = await worked(tmp_path / "whole", whole)
    cuts = rng.sample(range(1, len(whole)), 4)
    assert (broadcast, said) == await worked(tmp_path / "cut", whole, cuts)
    assert [number for number, _ in broadcast] == list(range(1, len(broadcast) + 1))
    for one in said:
        if one.state == "complete":
            assert [position.partition for position in one.positions] == list(range(PARTITIONS))
    opened = [close_id for close_id, state in told(said) if state == "open"]
    assert len(opened) == len(set(opened))


async def test_a_table_that_cannot_be_read_is_told_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    records = []
    for kind, data in (("value_sets", b"{"), ("editions", b"name = 1"), ("tcoc_prices", b"a,b"), ("weather", b"x")):
        digest = hashlib.sha256(data).hexdigest()
        (tmp_path / "tables" / f"{digest}.json").write_bytes(data)
        records.append(Table(kind=kind, name="t", version="1", digest=digest, activated_from=dt.date(2025, 1, 1)))
    broadcast, _ = await worked(tmp_path, log(*records, Tick(date=P2.k1)))
    assert [record for _, record in broadcast] == [Tick(date=P2.k1)]


async def test_a_table_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    absent = Table(kind="ruleset", name="t", version="1", digest="0" * 64, activated_from=dt.date(2025, 1, 1))
    with pytest.raises(MissingTable):
        await worked(tmp_path, log(absent))
