"""The state file of `control`: what the conductor has seen and how far it has broadcast."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from state.stores.log_state import LogState


class ProgramState(LogState):
    """The open state file of the one partition of `control`."""

    SCHEMA: ClassVar[str] = """
        CREATE TABLE program (sequence INTEGER NOT NULL, ticked TEXT);
        INSERT INTO program VALUES (0, NULL);
        CREATE TABLE seen (event_id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
        """

    sequence: int
    """Sequence of the last broadcast, without gaps from 1."""
    ticked: dt.date | None
    """The date of the last tick broadcast."""

    async def _on_open(self) -> None:
        row = (await self.fetch("SELECT sequence, ticked FROM program"))[0]
        self.sequence = int(row[0])
        self.ticked = dt.date.fromisoformat(row[1]) if row[1] else None

    async def digest_of(self, event_id: str) -> bytes | None:
        """The content digest under which a reference record of this id was broadcast."""
        rows = await self.fetch("SELECT digest FROM seen WHERE event_id = ?", (event_id,))
        return bytes(rows[0][0]) if rows else None

    async def note_seen(self, event_id: str, digest: bytes) -> None:
        """A reference record is broadcast under this id. Inside a transaction."""
        await self._db.execute("INSERT INTO seen VALUES (?, ?)", (event_id, digest))

    async def note_broadcast(self, sequence: int, ticked: dt.date | None) -> None:
        """The last sequence given out, and the date if it was a tick. Inside a transaction."""
        await self._db.execute(
            "UPDATE program SET sequence = ?, ticked = coalesce(?, ticked)", (sequence, ticked and ticked.isoformat())
        )
        self.sequence = sequence
        self.ticked = ticked or self.ticked
