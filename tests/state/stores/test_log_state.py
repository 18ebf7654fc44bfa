"""A state file: one owner, one partition, all of a batch or nothing."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from state.stores.log_state import FORMAT, EpochLost, OutboxRow, StateFileError
from state.stores.members import Cursor, MemberRow, MemberState, Selection

TOPIC = "member-events"
HOLD = """
import asyncio, sys, pathlib
from state.stores.members import MemberState

async def main():
    held = await MemberState.open(pathlib.Path(sys.argv[1]), topic="member-events", partition=0, partitions=4)
    print("open", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


async def opened(folder: Path, *, partition: int = 0, partitions: int = 4, topic: str = TOPIC) -> MemberState:
    return await MemberState.open(
        folder / "members.sqlite", topic=topic, partition=partition, partitions=partitions, patience=0.1
    )


async def test_a_batch_is_there_with_its_watermark_or_not_at_all(tmp_path: Path) -> None:
    state = await opened(tmp_path)
    row = MemberRow("aetna|1", None, alert_open=False, failed=None, state=b"x")
    async with state.transaction(watermark=10):
        await state.write_members([row])

    async def interrupted() -> None:
        async with state.transaction(watermark=20):
            await state.write_members([MemberRow("aetna|2", None, alert_open=False, failed=None, state=b"y")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await interrupted()
    await state.close()
    again = await opened(tmp_path)
    assert again.watermark == 10
    assert list(await again.members(["aetna|1", "aetna|2"])) == ["aetna|1"]
    await again.close()


async def test_each_opening_raises_the_epoch_and_a_former_owner_writes_nothing(tmp_path: Path) -> None:
    state = await opened(tmp_path)
    with sqlite3.connect(state.path) as other:
        other.execute("UPDATE meta SET epoch = epoch + 1")

    async def written() -> None:
        async with state.transaction(watermark=5):
            pass

    with pytest.raises(EpochLost, match="another worker"):
        await written()
    await state.close()
    again = await opened(tmp_path)
    assert (again.epoch, again.watermark) == (3, 0)
    await again.close()


async def test_a_file_of_another_partition_topic_or_count_is_refused_in_a_sentence(tmp_path: Path) -> None:
    await (await opened(tmp_path)).close()
    with pytest.raises(StateFileError, match=r"is the state of member-events\[0\], not of member-events\[3\]"):
        await opened(tmp_path, partition=3)
    with pytest.raises(StateFileError, match=r"not of other-events\[0\]"):
        await opened(tmp_path, topic="other-events")
    with pytest.raises(StateFileError, match="made for 4 partitions of member-events, the topic has 8"):
        await opened(tmp_path, partitions=8)


async def test_a_file_of_another_format_is_refused_in_a_sentence(tmp_path: Path) -> None:
    state = await opened(tmp_path)
    await state.close()
    with sqlite3.connect(state.path) as other:
        other.execute("UPDATE meta SET format = 99")
    with pytest.raises(StateFileError, match=f"state format 99, this release reads {FORMAT}"):
        await opened(tmp_path)


async def test_what_is_no_state_file_at_all_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "members.sqlite"
    path.write_bytes(b"something else entirely, longer than a header of a database file would be " * 20)
    with pytest.raises(StateFileError, match="cannot be used"):
        await opened(tmp_path)
    assert path.read_bytes().startswith(b"something else")


async def test_a_file_held_by_a_live_process_is_refused_in_a_sentence(tmp_path: Path) -> None:
    holder = subprocess.Popen(  # noqa: ASYNC220 - another process is the point
        [sys.executable, "-c", HOLD, str(tmp_path / "members.sqlite")], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StateFileError, match="held by another live process"):
            await opened(tmp_path)
    finally:
        holder.kill()
        holder.communicate()
    await (await opened(tmp_path)).close()


async def test_outputs_leave_in_order_and_only_once_relayed(tmp_path: Path) -> None:
    state = await opened(tmp_path)
    rows = [OutboxRow("attribution", b"k%d" % n, 0, None if n == 1 else b"v") for n in range(3)]
    async with state.transaction(watermark=1):
        await state.put_out(rows)
    waiting = await state.waiting(2)
    assert [row.key for row in waiting] == [b"k0", b"k1"]
    assert waiting[1].value is None
    await state.relayed(waiting[-1].sequence)
    assert [row.key for row in await state.waiting(9)] == [b"k2"]
    await state.close()


async def test_a_full_disk_is_said_and_nothing_of_the_batch_is_kept(tmp_path: Path) -> None:
    state = await opened(tmp_path)
    pages = (await state.fetch("PRAGMA page_count"))[0][0]
    await state.fetch(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        async with state.transaction(watermark=1):
            await state.put_out([OutboxRow("attribution", b"k", 0, b"v" * 100_000)] * 5)
    assert state.watermark == 0
    assert await state.waiting(9) == []
    await state.close()


async def test_a_wide_record_finds_exactly_the_members_it_concerns(tmp_path: Path) -> None:
    day = dt.date(2025, 6, 30)
    state = await opened(tmp_path)
    async with state.transaction(watermark=1):
        await state.write_members(
            [
                MemberRow("aetna|1", day, alert_open=True, failed=None, state=b"1"),
                MemberRow("aetna|2", day + dt.timedelta(1), alert_open=False, failed=None, state=b"2"),
                MemberRow("aetna|3", day, alert_open=True, failed="ValueError", state=b"3"),
                MemberRow("blue|1", None, alert_open=True, failed=None, state=b"4"),
            ]
        )
        await state.write_terms([("npi:1", "aetna|2"), ("npi:1", "blue|1"), ("npi:2", "aetna|1")])

    async def found(selection: Selection, after: str = "") -> list[str]:
        return [row.key for row in await state.concerned(selection, after, 10)]

    assert await found(Selection(due_by=day)) == ["aetna|1"]
    assert await found(Selection(due_by=day + dt.timedelta(1)), "aetna|1") == ["aetna|2"]
    assert await found(Selection(payer="aetna")) == ["aetna|1", "aetna|2"]
    assert await found(Selection(open_alerts_of="blue")) == ["blue|1"]
    assert await found(Selection(terms=frozenset({"npi:1"}))) == ["aetna|2", "blue|1"]
    assert await found(Selection()) == ["aetna|1", "aetna|2", "blue|1"]
    await state.close()


async def test_a_cursor_survives_until_its_control_record_is_finished(tmp_path: Path) -> None:
    state = await opened(tmp_path)
    async with state.transaction():
        await state.move_cursor(Cursor(7, "aetna|2", 3))
    await state.close()
    again = await opened(tmp_path)
    assert again.cursor == Cursor(7, "aetna|2", 3)
    async with again.transaction(watermark=8):
        await again.finish_control(1, as_of=dt.date(2025, 1, 1), record=b"r", offset=7)
    await again.close()
    last = await opened(tmp_path)
    assert (last.cursor, last.control, last.as_of, last.watermark) == (None, 1, dt.date(2025, 1, 1), 8)
    assert await last.reference() == [(7, b"r")]
    await last.close()
