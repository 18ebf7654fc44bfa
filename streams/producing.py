"""Sending through librdkafka: acknowledged by the broker before anything is called sent, partition always explicit.

A tenth of the cost of aiokafka's producer (design.md, where the time goes).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import confluent_kafka
import msgspec

from streams.stopping import EXIT_BROKER, EXIT_FENCED, Stop

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds to wait for the broker before giving up; a supervisor starts the process again."""
MOST_BYTES = 4_500_000


class Message(msgspec.Struct, frozen=True):
    """One record to send."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Mapping[str, str | bytes | None] = {}


class Sender:
    """A plain, idempotent, acknowledged producer."""

    def __init__(self, bootstrap: str, **config: Any) -> None:
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.max.bytes": MOST_BYTES,
                "message.timeout.ms": int(PATIENCE * 1000),
                # Whether everything is out, `flush` says: a report of every record taken would cost as much as sending it.
                "delivery.report.only.error": True,
                "queue.buffering.max.messages": 500_000,
                "log_level": 2,
                **config,
            }
        )
        self._failures: list[confluent_kafka.KafkaError] = []

    async def send(self, messages: Sequence[Message]) -> None:
        """Send in order and return when the broker has acknowledged all of them. Raises `Stop` if it does not."""
        self._put(messages)
        left = await asyncio.to_thread(self._producer.flush, PATIENCE)
        self._check(left)

    def send_now(self, messages: Sequence[Message]) -> None:
        """As `send`, for commands without an event loop."""
        self._put(messages)
        self._check(self._producer.flush(PATIENCE))

    def _put(self, messages: Sequence[Message]) -> None:
        produce, noted = self._producer.produce, self._noted
        for number, message in enumerate(messages):
            while True:
                try:
                    produce(
                        message.topic,
                        message.value,
                        message.key,
                        message.partition,
                        on_delivery=noted,
                        headers=dict(message.headers) or None,
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
            if number % 1000 == 999:
                self._producer.poll(0)

    def _noted(self, error: confluent_kafka.KafkaError | None, _message: confluent_kafka.Message) -> None:
        if error is not None:
            self._failures.append(error)

    def _check(self, left: int) -> None:
        if self._failures:
            first, self._failures = self._failures[0], []
            raise Stop(
                f"The broker did not take what was sent ({first.str()}): nothing was acknowledged; "
                "check the broker and its topics (`panelstream topics check`), then start again.",
                EXIT_BROKER,
            )
        if left:
            raise Stop(
                f"The broker did not answer for {PATIENCE:.0f} seconds: nothing was acknowledged; check that it runs.",
                EXIT_BROKER,
            )


class FencedSender(Sender):
    """A transactional producer: the broker refuses a former owner of the same `identity` for good."""

    def __init__(self, bootstrap: str, identity: str) -> None:
        super().__init__(bootstrap, **{"transactional.id": identity, "transaction.timeout.ms": int(PATIENCE * 1000)})
        self._identity = identity

    async def claim(self) -> None:
        """Fence whoever held this identity before: what it sent is decided then. Raises `Stop` when the broker does not answer."""
        await self._call(patiently, self._producer.init_transactions, PATIENCE)

    async def send(self, messages: Sequence[Message]) -> None:
        """Send in order in one transaction; return when it is committed. Raises `Stop` (EXIT_FENCED) for a former owner."""
        await self._call(self._send_in_one, messages)

    def _send_in_one(self, messages: Sequence[Message]) -> None:
        self._producer.begin_transaction()
        self._put(messages)
        patiently(self._producer.commit_transaction, PATIENCE)
        self._check(0)

    async def _call(self, function: Callable[..., object], *arguments: object) -> None:
        while True:
            try:
                await asyncio.to_thread(function, *arguments)
            except confluent_kafka.KafkaException as problem:
                error = problem.args[0]
            else:
                return
            if error.txn_requires_abort():
                try:
                    await asyncio.to_thread(patiently, self._producer.abort_transaction, PATIENCE)
                except confluent_kafka.KafkaException as problem:
                    error = problem.args[0]
                else:
                    self._failures.clear()
                    continue
            if error.code() in _FENCED_CODES:
                raise Stop(
                    f"Another worker has taken over {self._identity}: this one sent nothing more. Start it again.",
                    EXIT_FENCED,
                )
            raise Stop(
                f"The broker refused a transaction of {self._identity} ({error.str()}): nothing was acknowledged; "
                "check the broker, then start again.",
                EXIT_BROKER,
            )


def patiently(call: Callable[..., T], *arguments: object) -> T:
    """The answer of a call that the broker may ask to repeat; the call itself resumes where it stood. Gives up in time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call(*arguments)
        except confluent_kafka.KafkaException as problem:
            error = problem.args[0]
            if not (error.retriable() or error.code() in _NOT_READY) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


_NOT_READY = {
    confluent_kafka.KafkaError.NOT_COORDINATOR,
    confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
    confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION,
    confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE,
}
_FENCED_CODES = {
    confluent_kafka.KafkaError._FENCED,  # noqa: SLF001 - librdkafka's own code, public by its documentation
    # What a fenced producer answers to everything after the first refusal: it is lost for good.
    confluent_kafka.KafkaError._FATAL,  # noqa: SLF001
    confluent_kafka.KafkaError.PRODUCER_FENCED,
    confluent_kafka.KafkaError.INVALID_PRODUCER_EPOCH,
}
