"""How long a worker is away when it is killed: from its new start to the first output of a claim that has waited."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from ops.bench.measured import FIRST_EVENTS, Found, Sizes
from ops.bench.service import now, service
from ops.brokers.kafka import KafkaBroker

NAME = "worker-0"


def restart_s(sizes: Sizes) -> Iterator[Found]:
    """Seconds from starting a worker after kill -9, under its lasting name, to the first attribution that can be read."""
    took: list[float] = []
    with KafkaBroker() as broker, service(broker, sizes) as ours:
        for _ in range(sizes.repeats):
            ours.start(NAME)
            ours.wait_for_owners(1)
            ours.stop(signal.SIGKILL)
            reader = ours.outputs("attribution")
            ours.send(ours.next_claims(FIRST_EVENTS))
            started = now()
            ours.start(NAME)
            while not reader.consume(1, 0.01):
                ours.require_running()
            took.append(now() - started)
            reader.close()
            ours.wait_until_done()
            ours.stop()
    yield Found(name="restart_s", ours=took)
