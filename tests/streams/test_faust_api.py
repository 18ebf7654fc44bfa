"""What `streams.batching` takes from Faust's and aiokafka's private API: this fails when it moves."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from types import SimpleNamespace

import aiokafka
import faust
import pytest
from aiokafka.errors import IllegalStateError
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams import batching


@pytest.mark.parametrize(
    ("package", "pinned"), [("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1"), ("aiokafka", "0.14.0")]
)
def test_the_versions_are_those_the_adaptation_was_proved_on(package: str, pinned: str) -> None:
    assert version(package) == pinned


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("seek_to_committed", ["self"]),
        ("perform_seek", ["self"]),
        ("getmany", ["self", "timeout"]),
        ("_wait_next_records", ["self", "timeout"]),
        ("_filter_tps_with_pending_acks", ["self", "topics"]),
        ("_new_offset", ["self", "tp"]),
        ("_should_commit", ["self", "tp", "offset"]),
        ("_add_gap", ["self", "tp", "offset_from", "offset_to"]),
        ("on_partitions_revoked", ["self", "revoked"]),
        ("seek", ["self", "partition", "offset"]),
        ("earliest_offsets", ["self", "partitions"]),
        ("highwater", ["self", "tp"]),
    ],
)
def test_each_method_we_override_or_call_is_still_there(name: str, parameters: list[str]) -> None:
    method = inspect.unwrap(getattr(driver.Consumer, name))
    assert list(inspect.signature(method).parameters) == parameters


def test_the_commit_goes_through_the_two_methods_we_guard() -> None:
    assert "_filter_tps_with_pending_acks" in inspect.getsource(Consumer.force_commit)
    assert "_new_offset" in inspect.getsource(Consumer._filter_committable_offsets)
    assert "_committed_offset" in inspect.getsource(Consumer._should_commit)


def test_messages_are_drained_from_getmany_and_dropped_only_below_the_read_offset() -> None:
    source = inspect.getsource(Consumer._drain_messages)
    assert "self.getmany" in source
    assert "offset >= r_offset" in source


def test_the_thread_builds_its_consumer_where_we_set_the_isolation_level() -> None:
    assert "_create_worker_consumer" in inspect.getsource(driver.AIOKafkaConsumerThread._create_consumer)
    assert "self._isolation_level" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)


def test_a_message_is_built_from_the_fields_we_give() -> None:
    names = list(inspect.signature(ConsumerMessage.__init__).parameters)[1:]
    assert names[:12] == [
        "topic",
        "partition",
        "offset",
        "timestamp",
        "timestamp_type",
        "headers",
        "key",
        "value",
        "checksum",
        "serialized_key_size",
        "serialized_value_size",
        "tp",
    ]
    assert "generation_id" in names


async def test_installing_gives_an_app_our_consumer() -> None:
    app = faust.App("test-install", broker="kafka://127.0.0.1:1", store="memory://", web_enabled=False)

    async def nowhere(_tp: object) -> int | None:
        return None

    batching.install(app, nowhere)
    assert issubclass(app.transport.Consumer, batching.BatchConsumer)


async def test_what_was_fetched_and_dropped_before_anything_was_committed_is_read_again() -> None:
    """aiokafka seeks to offsets above zero only: a first record that a rebalance dropped was never read."""
    assert "if offset and offset > 0" in inspect.getsource(aiokafka.AIOKafkaConsumer.seek_to_committed)
    new, at_zero, old, own = (TP("claims", number) for number in range(4))
    sought: dict[TP, int] = {}

    class Thread:
        async def seek_to_committed(self) -> dict[TP, int | None]:
            return {new: None, at_zero: 0, old: 40, own: None}

        async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
            return dict.fromkeys(partitions, 3)

    class Bare(batching.BatchConsumer):
        def __init__(self) -> None:
            self.app = SimpleNamespace(consumer_generation_id=1)  # type: ignore[assignment]
            self._thread = Thread()  # type: ignore[assignment]
            self._read_offset = {}  # type: ignore[assignment]
            self._placed, self._next_read, self._settled, self._unsent = {}, {}, {}, set()

        async def seek(self, partition: TP, offset: int) -> None:
            sought[partition] = offset

        async def own_position(self, tp: TP) -> int | None:  # type: ignore[override]
            return 12 if tp == own else None

    consumer = Bare()
    assert await consumer.seek_to_committed() == {new: 3, at_zero: 3, old: 40, own: 12}
    assert sought == {new: 3, at_zero: 3, own: 12}
    assert {tp: consumer.settled(tp) for tp in (new, at_zero, old, own)} == {new: 3, at_zero: 3, old: 40, own: 12}
    # What came of the own file's position may still wait to be sent.
    assert set(consumer._filter_tps_with_pending_acks()) == {new, at_zero, old}


async def test_a_seek_that_outlives_its_assignment_notes_nothing_of_it() -> None:
    """Noted as placed by the former assignment, what is read of a partition under the next one would never be settled."""
    claims, own = TP("claims", 0), TP("member-events", 0)
    app = SimpleNamespace(consumer_generation_id=1)

    class Thread:
        async def seek_to_committed(self) -> dict[TP, int | None]:
            return {own: None, claims: 40}

        async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
            return dict.fromkeys(partitions, 0)

    class Bare(batching.BatchConsumer):
        def __init__(self) -> None:
            self.app = app  # type: ignore[assignment]
            self._thread = Thread()  # type: ignore[assignment]
            self._read_offset = {}  # type: ignore[assignment]
            self._placed, self._next_read, self._settled, self._unsent = {}, {}, {}, set()

        async def seek(self, partition: TP, offset: int) -> None:
            assert app.consumer_generation_id == 2 or partition == own

        async def own_position(self, tp: TP) -> int | None:  # type: ignore[override]
            if tp == own and app.consumer_generation_id == 1:
                # Opening the file took so long that the partitions were assigned anew, and the new assignment has sought.
                app.consumer_generation_id = 2
                await self.seek_to_committed()
            return 12 if tp == own else None

    consumer = Bare()
    with pytest.raises(IllegalStateError):
        await consumer.seek_to_committed()
    consumer.settle(batching.Batch(claims, 2, 40, 50, ()))
    assert consumer.settled(claims) == 50


def test_the_end_of_a_partition_that_was_lost_meanwhile_is_not_known() -> None:
    """A worker that looked at its lag during a rebalance ended."""
    assert "assert self._subscription.is_assigned" in inspect.getsource(aiokafka.AIOKafkaConsumer.highwater)

    class Bare(batching.BatchConsumer):
        def __init__(self) -> None:
            """Nothing is started."""

        def highwater(self, tp: TP) -> int:
            assert tp.partition == 1, "Partition is not assigned"
            return 40

    assert Bare().end_of(TP("claims", 1)) == 40
    assert Bare().end_of(TP("claims", 0)) is None
