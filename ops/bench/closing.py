"""How long a close of all members takes, and how long a claim waits for its answer meanwhile."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from ops.bench.measured import Found, Sizes
from ops.bench.service import Service, now, service
from ops.brokers.kafka import KafkaBroker
from streams import closing
from streams.waiting import Report

PERIOD = "2025-07"
"""The panel of the month that follows the day of the population."""
CLAIMS_A_SECOND = 50
ALONE = 5.0
"""Seconds for which claims go through while nothing is closed."""


def close_s(sizes: Sizes) -> Iterator[Found]:
    """Seconds from asking for a panel until its manifest is there; and the waiting times of claims then, and without a close."""
    took: list[float] = []
    during: list[float] = []
    alone: list[float] = []
    with KafkaBroker() as broker, service(broker, sizes) as ours, ThreadPoolExecutor() as pool:
        ours.start()
        ours.wait_for_owners(1)
        ours.send(ours.next_claims(sizes.warm_up))
        ours.wait_until_done()
        for _ in range(sizes.repeats):
            rest = threading.Event()
            threading.Timer(ALONE, rest.set).start()
            alone.append(_waited(ours, rest))
            ended = threading.Event()
            waiting = pool.submit(_waited, ours, ended)
            try:
                took.append(_closed(ours))
            finally:
                ended.set()
            during.append(waiting.result())
        ours.stop()
    yield Found(name="close_s", ours=took)
    yield Found(name="close_waiting_s", ours=during, peer=alone)


def _closed(ours: Service) -> float:
    """Close, and withdraw it, so that it can be closed again."""
    started = now()
    snapshot = closing.request(
        ours.settings, ours.codec, PERIOD, "panel", actor="bench", reason=None, retro_months=6, report=_in_silence
    )
    took = now() - started
    closing.annul(ours.settings, ours.codec, snapshot.close_id, actor="bench", reason="bench", report=_in_silence)
    return took


def _waited(ours: Service, ended: threading.Event) -> float:
    """Seconds until the answer of a claim can be read, of 99 claims in 100 of those that changed an answer."""
    reader = ours.outputs("attribution")
    sent: dict[bytes, float | None] = {}
    """By member, when its only claim so far was sent; None once an answer could be another claim's."""
    waits: list[float] = []
    while not ended.is_set():
        (claim,) = ours.next_claims(1)
        key = claim.key or b""
        sent[key] = None if key in sent else now()
        ours.send([claim])
        following = now() + 1 / CLAIMS_A_SECOND
        while (left := following - now()) > 0:
            for message in reader.consume(100, left):
                began = sent.get(message.key() or b"")
                if began is not None:
                    waits.append(now() - began)
                    sent[message.key() or b""] = None
    reader.close()
    return statistics.quantiles(waits, n=100)[98]


def _in_silence(_doing: str) -> Report:
    return lambda _done, _of: None
