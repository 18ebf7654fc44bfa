"""The topics: who writes them, how many partitions, how long they are kept (interface.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000
FOR_EVER = -1


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `owned`: only panelstream writes it, so that its settings are part of the laws."""

    name: str
    partitioned: bool
    """N partitions, by member key; else one."""
    cleanup: Literal["delete", "compact"]
    retention_ms: int
    owned: bool = True
    is_input: bool = False

    @property
    def counted(self) -> bool:
        """Whether its partition count is ours to fix: plans key their own topics as they like."""
        return self.owned or not self.partitioned


TOPICS: tuple[Topic, ...] = (
    Topic("claims", partitioned=True, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True),
    Topic("pharmacy-claims", partitioned=True, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True),
    Topic("clinical", partitioned=True, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True),
    Topic("enrollments", partitioned=True, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True),
    Topic("pcp-selections", partitioned=True, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True),
    Topic(
        "plan-attributions", partitioned=True, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True
    ),
    Topic("requests", partitioned=True, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True),
    Topic("reference", partitioned=False, cleanup="delete", retention_ms=30 * DAY_MS, owned=False, is_input=True),
    Topic("member-events", partitioned=True, cleanup="delete", retention_ms=FOR_EVER),
    Topic("control", partitioned=False, cleanup="delete", retention_ms=FOR_EVER),
    Topic("attribution", partitioned=True, cleanup="compact", retention_ms=FOR_EVER),
    Topic("attribution-changes", partitioned=True, cleanup="delete", retention_ms=730 * DAY_MS),
    Topic("attribution-alerts", partitioned=True, cleanup="compact", retention_ms=FOR_EVER),
    Topic("alert-history", partitioned=True, cleanup="delete", retention_ms=730 * DAY_MS),
    Topic("panels", partitioned=True, cleanup="delete", retention_ms=FOR_EVER),
    Topic("snapshots", partitioned=True, cleanup="delete", retention_ms=FOR_EVER),
    Topic("adjustments", partitioned=True, cleanup="delete", retention_ms=FOR_EVER),
    Topic("measures", partitioned=True, cleanup="compact", retention_ms=FOR_EVER),
    Topic("gaps", partitioned=True, cleanup="compact", retention_ms=FOR_EVER),
    Topic("aggregates", partitioned=True, cleanup="compact", retention_ms=FOR_EVER),
    Topic("statements", partitioned=True, cleanup="delete", retention_ms=FOR_EVER),
    Topic("quarantine", partitioned=True, cleanup="delete", retention_ms=365 * DAY_MS),
)
MOST_BYTES = 4_194_304
"""Input topics take more than intake accepts (1 MB), so that a record too large is quarantined instead of stopping its sender."""


def name(prefix: str, topic: str) -> str:
    """A topic's name at the broker, under the installation's prefix."""
    return prefix + topic


def config(topic: Topic) -> dict[str, str]:
    """Settings to create a topic with. The logs are stamped by the broker: their order is the order of acceptance."""
    return {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(topic.retention_ms),
        "max.message.bytes": str(MOST_BYTES),
        "message.timestamp.type": "LogAppendTime" if topic.name in ("member-events", "control") else "CreateTime",
    }
