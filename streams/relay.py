"""The relay: takes committed outputs from a state file to the broker, in order, and only then lets the input be acknowledged.

One task per state file. Outputs of a member partition go in transactions under an identity of that partition, so that the
broker fences a frozen former owner. What was said already is not said again (`streams.said`): not after a kill between sending
and forgetting, and not by a worker whose file is older than what another one has sent. Broadcasts go plainly, since a
partition ignores a sequence it has applied, and so does what members answer to the conductor: `control` and `member-events` are
never written in transactions, whose marks would look like holes (design.md).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence

from schemas.records import Version
from state.stores.log_state import LogState, OutboxRow
from streams.batching import Batch
from streams.producing import FencedSender, Message, Sender
from streams.stopping import EXIT_FAULT, Stop, failpoint

PORTION = 2_000
"""Outputs of one transaction at the most."""


class Relay:
    """Relays one state file's outbox and settles the batches whose outputs are out."""

    def __init__(
        self,
        state: LogState,
        sender: Sender,
        settle: Callable[[Batch], None],
        partitions: int,
        last_said: Callable[[], Version | None] | None = None,
        answers: tuple[str, Sender] | None = None,
    ) -> None:
        """`last_said` tells, once the sender has its identity, up to which version the outputs are out; None: they have none.

        `answers`: a topic that is written plainly, and by whom.
        """
        self._state = state
        self._sender = sender
        self._settle = settle
        self._partitions = partitions
        self._unsettled: deque[Batch] = deque()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._closing = False
        self._last_said = last_said
        self._answers = answers
        self._said: tuple[int, int] | None = None
        self._work.set()

    def committed(self, batch: Batch) -> None:
        """The state now holds this batch: relay what it caused, then settle it."""
        self._unsettled.append(batch)
        self._idle.clear()
        self._work.set()

    async def run(self) -> None:
        """Relay until `close`. Raises `Stop` when the broker fences or fails."""
        if isinstance(self._sender, FencedSender):
            await self._sender.claim()
        if self._last_said is not None:
            version = await asyncio.to_thread(self._last_said)
            self._said = None if version is None else (version.offset, version.ordinal)
        while True:
            await self._work.wait()
            if self._closing:
                return
            self._work.clear()
            await self._empty()

    async def _empty(self) -> None:
        while not self._closing:
            done = len(self._unsettled)
            rows = await self._state.waiting(PORTION)
            if not rows:
                for _ in range(done):
                    self._settle(self._unsettled.popleft())
                if not self._unsettled:
                    self._idle.set()
                    return
                continue
            failpoint("before_relay")
            await self._send(rows)
            failpoint("before_delete")
            await self._state.relayed(rows[-1].sequence)
            failpoint("after_delete")

    async def _send(self, rows: Sequence[OutboxRow]) -> None:
        news = rows if self._said is None else [row for row in rows if _version(row) > self._said]
        for plain, some in itertools.groupby(news, key=self._is_answer):
            sender = self._answers[1] if plain and self._answers else self._sender
            await sender.send(
                [
                    Message(row.topic, partition, row.key, row.value)
                    for row in some
                    for partition in (range(self._partitions) if row.partition is None else (row.partition,))
                ]
            )

    def _is_answer(self, row: OutboxRow) -> bool:
        return self._answers is not None and row.topic == self._answers[0]

    async def drained(self) -> None:
        """Wait until every output committed so far is out."""
        await self._idle.wait()

    def close(self) -> None:
        """Stop after the transaction under way; what is left stays in the outbox."""
        self._closing = True
        self._work.set()


def _version(row: OutboxRow) -> tuple[int, int]:
    if row.cause is None or row.ordinal is None:
        raise Stop(f"An output for {row.topic} does not say what caused it: please report it.", EXIT_FAULT)
    return row.cause, row.ordinal
