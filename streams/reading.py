"""A consumer that reads committed records only and joins no group: for commands and for looking back."""

from __future__ import annotations

import confluent_kafka

from streams.settings import Settings


def committed_reader(settings: Settings, purpose: str) -> confluent_kafka.Consumer:
    """A consumer to be given its partitions. It tells of their ends, and commits nothing. `purpose` names it at the broker."""
    return confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": f"{settings.group}-{purpose}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
            "log_level": 2,
        }
    )
