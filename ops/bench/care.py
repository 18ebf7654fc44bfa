"""The members of the measured benchmarks with what measures look for: the care of `ops.sample.care`, as it comes while events pass."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator
from itertools import count

from ops.sample.care import Care, Event


def with_care(events: Iterable[Event], seed: int, start: dt.date, end: dt.date) -> Iterator[Event]:
    """The events, and the care of each member whose enrollment is among them, with services from start to end.

    Claims come in order of acceptance with the others; what charts and pharmacies say comes when a member is first heard of, and carries
    its own time of acceptance.
    """
    waiting: list[tuple[str, int, Event]] = []
    order, known = count(), set[tuple[object, object]]()
    for event in events:
        while waiting and waiting[0][0] <= str(event["accepted_at"]):
            yield heapq.heappop(waiting)[2]
        yield event
        name = event.get("payer"), event.get("member_id")
        if event["event_type"] != "enrollment" or name in known:
            continue
        known.add(name)
        care = Care.of(event, seed, start, end)
        for claim in care.claims():
            heapq.heappush(waiting, (str(claim["accepted_at"]), next(order), claim))
        yield from care.charted()
        yield from care.dispensed()
    last = f"{end}T23:59:59Z"
    yield from (event for at, _, event in sorted(waiting, key=lambda one: one[:2]) if at <= last)
