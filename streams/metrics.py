"""Every number a worker shows to Prometheus, declared in one table; docs/metrics.md is this table, and a test holds them together.

Labels never hold a member's data. Counters are raised once a batch, gauges are read off the hot path every `LOOK` seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import prometheus_client
from prometheus_client.metrics import MetricWrapperBase

LOOK = 5.0
"""Seconds between two looks at what gauges show."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bounds of the buckets of durations. The promise is a second from a claim's arrival to its answer."""
CLOSE_SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)


class Metric(NamedTuple):
    """One metric: its name, kind (Counter, Gauge, Histogram), labels, and what it means, with its unit."""

    name: str
    kind: type[MetricWrapperBase]
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = SECONDS


COUNTER, GAUGE, HISTOGRAM = prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram
TABLE = (
    Metric(
        "panelstream_records_total",
        COUNTER,
        ("stage", "kind", "result"),
        "Records worked. Stage intake: kind is the topic, result accepted or the reason of refusal. Stage members: kind is that of the "
        "fact or control record, result applied, duplicate, failed, skipped or the reason of refusal.",
    ),
    Metric(
        "panelstream_quarantined_total",
        COUNTER,
        ("topic", "reason"),
        "Records that went to quarantine, by the topic they stood on and the reason.",
    ),
    Metric(
        "panelstream_alerts_total", COUNTER, ("state",), "Fall-off alerts said: raised, changed, resolved, expired."
    ),
    Metric("panelstream_changes_total", COUNTER, ("cause",), "Changes of attribution said, by what caused them."),
    Metric(
        "panelstream_adjustments_total", COUNTER, ("cause",), "Adjustments said to frozen lists, by what caused them."
    ),
    Metric(
        "panelstream_batch_seconds",
        HISTOGRAM,
        ("stage",),
        "Seconds to work one batch, by stage (intake, members, conductor).",
    ),
    Metric(
        "panelstream_end_to_end_seconds",
        HISTOGRAM,
        (),
        "Seconds from a fact's arrival on its input topic until everything that came of it can be read: for the oldest fact of each batch.",
    ),
    Metric(
        "panelstream_transaction_seconds",
        HISTOGRAM,
        ("log",),
        "Seconds of one SQLite transaction of a state file, by log (member-events, control).",
    ),
    Metric(
        "panelstream_close_seconds",
        HISTOGRAM,
        ("reading",),
        "Seconds from the request of a close until its manifest stood.",
        CLOSE_SECONDS,
    ),
    Metric(
        "panelstream_closes_open", GAUGE, (), "Closes that were taken up and are not complete. Shown by the conductor."
    ),
    Metric("panelstream_partitions", GAUGE, ("log",), "Partitions this worker has open, by log."),
    Metric(
        "panelstream_lag_records",
        GAUGE,
        ("topic", "partition"),
        "Records that stand on a partition and are not worked yet.",
    ),
    Metric("panelstream_outbox_rows", GAUGE, ("log", "partition"), "Outputs committed and not yet sent."),
    Metric(
        "panelstream_watermark_age_seconds",
        GAUGE,
        ("log", "partition"),
        "Seconds since the last record worked was appended, while more stand; 0 without lag.",
    ),
    Metric(
        "panelstream_clock_date_seconds",
        GAUGE,
        ("partition",),
        "The clock's date: Unix time of its midnight in UTC.",
    ),
    Metric(
        "panelstream_members_due",
        GAUGE,
        ("partition",),
        "Members whose answer the clock's date may change, not asked yet.",
    ),
    Metric(
        "panelstream_members_failed",
        GAUGE,
        ("partition",),
        "Members set aside by a fault of ours; lists lack them.",
    ),
    Metric("panelstream_alerts_open", GAUGE, ("partition",), "Members with an open fall-off alert."),
)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
registry = prometheus_client.CollectorRegistry()
prometheus_client.ProcessCollector(registry=registry)
prometheus_client.PlatformCollector(registry=registry)


def _made(metric: Metric) -> MetricWrapperBase:
    # Prometheus appends _total to the name of a counter by itself.
    name = metric.name.removesuffix("_total") if metric.kind is COUNTER else metric.name
    if metric.kind is HISTOGRAM:
        return HISTOGRAM(name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets)
    return metric.kind(name, metric.meaning, metric.labels, registry=registry)


_by_name = {metric.name: _made(metric) for metric in TABLE}


def counter(name: str) -> prometheus_client.Counter:
    """A counter of the table."""
    found = _by_name[name]
    assert isinstance(found, COUNTER)  # noqa: S101 - a name of another kind is a slip in our own code
    return found


def gauge(name: str) -> prometheus_client.Gauge:
    """A gauge of the table."""
    found = _by_name[name]
    assert isinstance(found, GAUGE)  # noqa: S101
    return found


def histogram(name: str) -> prometheus_client.Histogram:
    """A histogram of the table."""
    found = _by_name[name]
    assert isinstance(found, HISTOGRAM)  # noqa: S101
    return found


def as_markdown() -> str:
    """The table as docs/metrics.md shows it."""
    rows = [
        f"| `{one.name}` | {one.kind.__name__.lower()} | {', '.join(f'`{label}`' for label in one.labels) or '-'} | {one.meaning} |"
        for one in TABLE
    ]
    return "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
