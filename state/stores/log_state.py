"""The state file of one partition of a log: its position, its epoch, its outbox (design.md, exactly-once effects on Faust).

A file belongs to one process at a time (an advisory lock), to one partition of one topic for ever, and to one format.
What a batch changes, the outputs it caused and the position after it are one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import aiosqlite
import msgspec

FORMAT = 7
LOCK_PATIENCE = 15.0
"""Seconds to wait for a former owner on this host to let go of a file: a rebalance hands partitions over in a second or two."""


class StateFileError(Exception):
    """A state file cannot be used. The text says which, why, and what to do."""


class EpochLost(StateFileError):
    """Another owner has opened the file since: nothing may be written by this one."""


class OutboxRow(msgspec.Struct, frozen=True):
    """An output committed but not yet relayed. `partition` None: to every partition of the topic.

    `cause` and `ordinal` are its version: the offset of the record that caused it, and its place among that record's
    outputs. They rise along the outbox. None: the output has no version.
    """

    topic: str
    key: bytes
    partition: int | None
    value: bytes | None
    cause: int | None = None
    ordinal: int | None = None
    sequence: int = 0


class LogState:
    """An open state file. Subclasses add tables by `SCHEMA`; every write goes through `transaction`."""

    SCHEMA: ClassVar[str] = ""
    _META: ClassVar[str] = """
        CREATE TABLE meta (
            format INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, partitions INTEGER NOT NULL,
            watermark INTEGER NOT NULL, epoch INTEGER NOT NULL
        );
        CREATE TABLE outbox (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key BLOB NOT NULL, partition INTEGER, value BLOB,
            cause INTEGER, ordinal INTEGER
        );
        """

    def __init__(self, path: Path, lock: IO[bytes], db: aiosqlite.Connection, watermark: int, epoch: int) -> None:
        self.path = path
        self.watermark = watermark
        """The next offset to apply."""
        self.epoch = epoch
        self._lock = lock
        self._db = db
        self.timing: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
        """What is entered around every transaction: whoever measures gives it."""
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def open(
        cls, path: Path, *, topic: str, partition: int, partitions: int, patience: float | None = None
    ) -> Self:
        """Open or create the file, lock it, raise its epoch.

        Raises `StateFileError` when a live process holds it, or it is of another format, topic, partition or count.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = await _locked(path, LOCK_PATIENCE if patience is None else patience)
        db = None
        try:
            db = await aiosqlite.connect(path, isolation_level=None)
            await db.execute("PRAGMA journal_mode = WAL")
            # A power cut may take the last transactions back, never half of one; the log then brings them again.
            await db.execute("PRAGMA synchronous = NORMAL")
            # A batch writes some four megabytes: moved into the file after each, most pages would be written over and over.
            await db.execute("PRAGMA wal_autocheckpoint = 4000")
            await db.execute("PRAGMA cache_size = -32000")
            await db.execute("PRAGMA temp_store = MEMORY")
            watermark, epoch = await cls._claim(db, path, topic, partition, partitions)
            self = cls(path, lock, db, watermark, epoch)
            await self._on_open()
        except BaseException as error:
            if db is not None:
                await db.close()
            lock.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise StateFileError(f"{path} cannot be used ({error}): {_remedy(error)}") from error
            raise
        return self

    @classmethod
    async def _claim(
        cls, db: aiosqlite.Connection, path: Path, topic: str, partition: int, partitions: int
    ) -> tuple[int, int]:
        tables = {
            str(row[0]) for row in await db.execute_fetchall("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if not tables:
            await db.executescript("BEGIN IMMEDIATE;" + cls._META + cls.SCHEMA)
            await db.execute("INSERT INTO meta VALUES (?, ?, ?, ?, 0, 0)", (FORMAT, topic, partition, partitions))
            await db.execute("COMMIT")
        elif "meta" not in tables:
            raise StateFileError(f"{path} is not a state file: move it away or choose another PANELSTREAM_STATE.")
        await db.execute("BEGIN IMMEDIATE")
        await db.execute("UPDATE meta SET epoch = epoch + 1")
        rows = list(
            await db.execute_fetchall("SELECT format, topic, partition, partitions, watermark, epoch FROM meta")
        )
        form, its_topic, its_partition, its_partitions, watermark, epoch = rows[0]
        if form != FORMAT:
            raise StateFileError(
                f"{path} has state format {form}, this release reads {FORMAT}: "
                "move the file away and the worker rebuilds it from the log."
            )
        if (its_topic, its_partition) != (topic, partition):
            raise StateFileError(
                f"{path} is the state of {its_topic}[{its_partition}], not of {topic}[{partition}]: "
                "put the right file in its place, or move this one away and the worker rebuilds from the log."
            )
        if its_partitions != partitions:
            raise StateFileError(
                f"{path} was made for {its_partitions} partitions of {topic}, the topic has {partitions}: members would be "
                "looked for in the wrong file. Restore the topic's partition count, or start with an empty state folder "
                "and a new log."
            )
        await db.execute("COMMIT")
        return int(watermark), int(epoch)

    async def _on_open(self) -> None:
        """What a subclass reads at opening."""

    async def close(self) -> None:
        """Wait for the transaction under way, close, let go of the lock."""
        async with self._one_at_a_time:
            await self._db.close()
            self._lock.close()

    @contextlib.asynccontextmanager
    async def transaction(self, watermark: int | None = None) -> AsyncIterator[None]:
        """One transaction: all of it with the new `watermark`, or nothing. Raises `EpochLost` if another owner was here."""
        async with self._one_at_a_time:
            with self.timing():
                async with self._transaction(watermark):
                    yield

    @contextlib.asynccontextmanager
    async def _transaction(self, watermark: int | None) -> AsyncIterator[None]:
        await self._db.execute("BEGIN IMMEDIATE")
        try:
            rows = list(await self._db.execute_fetchall("SELECT epoch FROM meta"))
            if rows[0][0] != self.epoch:
                raise EpochLost(
                    f"{self.path} has been opened by another worker (epoch {rows[0][0]}, ours {self.epoch}): "
                    "nothing was written. Start this worker again."
                )
            yield
            if watermark is not None:
                await self._db.execute("UPDATE meta SET watermark = ?", (watermark,))
            await self._db.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself when its disk is full: asking again would hide why.
            if self._db.in_transaction:
                await self._db.execute("ROLLBACK")
            raise
        if watermark is not None:
            self.watermark = watermark

    async def put_out(self, rows: Iterable[OutboxRow]) -> None:
        """Add outputs to the outbox, in order. Inside a transaction."""
        await self._db.executemany(
            "INSERT INTO outbox (topic, key, partition, value, cause, ordinal) VALUES (?, ?, ?, ?, ?, ?)",
            [(row.topic, row.key, row.partition, row.value, row.cause, row.ordinal) for row in rows],
        )

    async def waiting(self, most: int) -> list[OutboxRow]:
        """The oldest outputs not yet relayed, in order."""
        async with self._one_at_a_time:
            rows = await self._db.execute_fetchall(
                "SELECT topic, key, partition, value, cause, ordinal, sequence FROM outbox ORDER BY sequence LIMIT ?",
                (most,),
            )
        return [OutboxRow(*row) for row in rows]

    async def outbox_rows(self) -> int:
        """How many outputs wait, by their sequences: they are given out without gaps."""
        rows = await self.fetch("SELECT coalesce(max(sequence) - min(sequence) + 1, 0) FROM outbox")
        return int(rows[0][0])

    async def relayed(self, up_to: int) -> None:
        """Forget the outputs up to this sequence: the broker has them."""
        async with self.transaction():
            await self._db.execute("DELETE FROM outbox WHERE sequence <= ?", (up_to,))

    async def forget_outputs(self) -> None:
        """Empty the outbox unsent: for a state made anew, whose outputs the live one has sent. Inside a transaction."""
        await self._db.execute("DELETE FROM outbox")

    async def fetch(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Rows of a query, outside or inside the transaction of the caller."""
        return list(await self._db.execute_fetchall(query, values))


async def _locked(path: Path, patience: float) -> IO[bytes]:
    lock = path.with_suffix(".lock").open("ab")
    for _ in range(max(1, int(patience / 0.1))):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(0.1)
        else:
            return lock
    lock.close()
    raise StateFileError(
        f"{path} is held by another live process: stop that worker, or give this one a PANELSTREAM_STATE of its own."
    )


def _remedy(error: sqlite3.DatabaseError) -> str:
    text = str(error)
    if "full" in text:
        return "free space on its disk and start the worker again; nothing of the batch was kept or acknowledged."
    if "locked" in text:
        return "another program is writing to it; close that and start the worker again."
    return "move it away and the worker rebuilds it from the log, or restore a backup."
