"""The Faust adaptation: agents of batches, positions that are ours, and a commit guard. All private API of Faust is used here.

Faust's price is paid per message, so a message is a run of consecutive records of one partition (faust.md 0.1).
Stands on faust-streaming 0.15.3 and aiokafka 0.14.0; `tests/kafka/test_batching.py` and `tests/streams/test_faust_api.py`
fail when what is used here moves.

Three promises:
- A partition of a log with a state file starts at the position that the file gives, whatever the group committed.
- Consumers read committed records only.
- An offset is committed only after `settle`, in order and without a hole; Faust's own acknowledgements commit nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiokafka
import faust
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.stopping import EXIT_HOLE, end_process

MOST_RECORDS = 500
"""Records in one batch at the most; beyond it the gain per record is small and the memory held is not."""


FETCH_WAIT_MS = 100
"""How long the broker may hold an empty fetch. Faust's 1,500 would also be the wait for every other partition of that broker."""


class Record(Protocol):
    """What the consumer hands on: an aiokafka record."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Batch:
    """A run of records of one partition, in offset order. It covers the offsets from `begin` up to, not including, `end`."""

    tp: TP
    generation: int
    begin: int
    end: int
    records: tuple[Record, ...]


OwnPosition = Callable[[TP], Awaitable[int | None]]
"""The next offset to apply of a partition that has a state file; None: the group's committed offset counts."""


class ReadCommittedThread(driver.AIOKafkaConsumerThread):
    """The consumer thread, reading committed records only: Faust's default delivers records of aborted transactions."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class BatchConsumer(driver.Consumer):
    """Hands out batches, starts where the state files end, commits what was settled."""

    own_position: OwnPosition

    def on_init(self) -> None:
        """Start with nothing placed and nothing settled."""
        super().on_init()
        self._placed: dict[TP, int] = {}
        self._next_read: dict[TP, int] = {}
        self._settled: dict[TP, int] = {}
        self._unsent: set[TP] = set()
        """Placed by their own position, and not yet known to have sent all that came of what lies below it."""

    def _new_consumer_thread(self) -> ReadCommittedThread:
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition: to its own position where it has one, else to the committed offset.

        Raises `IllegalStateError` when another assignment comes meanwhile: that one seeks for itself, and what is noted here of
        the former one would keep it from ever settling what it reads.
        """
        generation = self.app.consumer_generation_id
        committed = dict(await super().seek_to_committed())
        self._require(generation)
        # aiokafka seeks to offsets above zero only: what it has fetched of the other partitions, and a rebalance has dropped since,
        # would never be read.
        unsought = [tp for tp, offset in committed.items() if not offset or offset < 0]
        begins = dict(await self.earliest_offsets(*unsought)) if unsought else {}
        self._require(generation)
        for tp, offset in committed.items():
            if tp in begins:
                await self.seek(tp, begins[tp])
            committed[tp] = await self._place(tp, generation, begins.get(tp, offset))
        return committed

    async def perform_seek(self) -> None:
        """As Faust's, but an own position counts as not yet committed, so that the lag shown is the lag that is."""
        await super().perform_seek()
        for tp in self._placed:
            self._committed_offset[tp] = None

    async def _place(self, tp: TP, generation: int, committed: int | None) -> int:
        own = await self.own_position(tp)
        self._require(generation)
        # What a former owner has left to be sent must be out before its position is committed: whoever opened the file settles it.
        self._unsent.add(tp)
        self._placed[tp] = generation
        if own is not None:
            self._next_read[tp] = self._settled[tp] = own
            await self.seek(tp, own)
            return own
        self._unsent.discard(tp)
        if committed is None or committed < 0:
            self._next_read.pop(tp, None)
            self._settled.pop(tp, None)
            return -1
        self._next_read[tp] = self._settled[tp] = committed
        return committed

    def _require(self, generation: int) -> None:
        if self.app.consumer_generation_id != generation:
            raise IllegalStateError("the partitions were assigned anew while their positions were looked for")

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's signature
        """Yield batches of at most `MOST_RECORDS`, each as one message whose value is a `Batch`."""
        fetched, active = await self._wait_next_records(timeout)
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            # Dropped. Where partitions were taken away meanwhile, the next assignment seeks, before flow is on again.
            with contextlib.suppress(IllegalStateError):
                await self.perform_seek()
            return
        generation = self.app.consumer_generation_id
        waiting = {
            tp: records
            for tp, records in fetched.items()
            if records and (active is None or tp in active or tp in self._buffered_partitions)
        }
        for tp in list(waiting):
            # Flow can be on before the seek of a new assignment: what was fetched from elsewhere is dropped.
            if self._placed.get(tp) != generation:
                own = await self.own_position(tp)
                if own is not None:
                    with contextlib.suppress(IllegalStateError):  # seen below: another generation
                        await self._place(tp, generation, None)
                    if waiting[tp][0].offset != own:
                        del waiting[tp]
        while waiting:
            for tp in list(waiting):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                chunk, rest = waiting[tp][:MOST_RECORDS], waiting[tp][MOST_RECORDS:]
                if rest:
                    waiting[tp] = rest
                else:
                    del waiting[tp]
                self.app.monitor.track_tp_end_offset(tp, self.end_of(tp) or 0)
                yield tp, self._message(tp, generation, chunk)

    def _message(self, tp: TP, generation: int, records: list[Record]) -> ConsumerMessage:
        first, last = records[0], records[-1]
        begin = min(self._next_read.get(tp, first.offset), first.offset)
        self._next_read[tp] = last.offset + 1
        self._settled.setdefault(tp, begin)
        batch = Batch(tp, generation, begin, last.offset + 1, tuple(records))
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            0,
            [],
            None,
            batch,  # type: ignore[arg-type]
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )

    def settle(self, batch: Batch) -> None:
        """Everything up to the end of this batch is done for good and may be committed.

        Batches of a former generation settle nothing. A batch that begins after what is settled would commit past
        records nobody has handled: the process ends.
        """
        if (
            batch.generation != self.app.consumer_generation_id
            or self._placed.get(batch.tp, batch.generation) != batch.generation
        ):
            return
        settled = self._settled.get(batch.tp, batch.begin)
        if batch.begin > settled:
            end_process(
                f"{batch.tp.topic}[{batch.tp.partition}]: a batch begins at {batch.begin}, but only what lies below {settled} "
                "is done. Nothing was acknowledged; start the worker again.",
                EXIT_HOLE,
            )
        self._settled[batch.tp] = max(settled, batch.end)
        self._unsent.discard(batch.tp)

    def end_of(self, tp: TP) -> int | None:
        """The end of a partition as the broker told it last; None where it did not yet, or the partition is another's by now."""
        # The consumer's own thread can lose the partition at any moment, and aiokafka only asserts that it has it.
        with contextlib.suppress(AssertionError, AttributeError):
            return self.highwater(tp)
        return None

    def settled(self, tp: TP) -> int | None:
        """The offset up to which everything of a partition is done; None before the first batch."""
        return self._settled.get(tp)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (
            tp
            for tp in list(self._settled)
            if tp not in self._unsent and (topics is None or tp in topics or tp.topic in topics)
        )

    def _new_offset(self, tp: TP) -> int | None:
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self._settled.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to fill: a batch says itself which offsets it covers."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget what was placed; the callback of the app then waits for the work in flight."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._placed.pop(tp, None)
            self._next_read.pop(tp, None)
            self._settled.pop(tp, None)


def install(app: faust.App, own_position: OwnPosition) -> None:
    """Make `app` consume in batches, with positions from `own_position`. Call right after `faust.App(...)`."""

    class Transport(driver.Transport):
        class Consumer(BatchConsumer):
            pass

    Transport.Consumer.own_position = staticmethod(own_position)
    app.transport = Transport(app.conf.broker_consumer, app, loop=app.loop)


def consumer_of(app: faust.App) -> BatchConsumer:
    """The app's consumer, typed as ours."""
    consumer = app.consumer
    assert isinstance(consumer, BatchConsumer)  # noqa: S101 - install() made it so
    return consumer
