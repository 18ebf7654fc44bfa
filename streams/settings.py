"""Everything a worker or a command may be told from outside, in one place: `PANELSTREAM_*` variables with their defaults."""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streams.stopping import EXIT_CONFIG, Stop

DEFAULT_PARTITIONS = 24


@dataclass(frozen=True)
class Settings:
    """How one process of panelstream is set up. Built by `from_environment`; nothing else reads the environment."""

    bootstrap: str
    """Kafka's address, `host:port[,host:port]`."""
    prefix: str
    """Put before every topic name and the consumer group: one broker can serve several installations."""
    state: Path
    """Folder of the state files; local disk, never a network volume."""
    tables: Path
    """Content-addressed folder of the tables that users bring: `<sha256>.csv`."""
    value_sets: Path
    """Folder of the value sets that users bring: FHIR ValueSets, workbooks, CSV. They go before those of the project."""
    keys: Path
    """Folder of the payers' keys (mode 0600); losing a key loses that payer's original bytes."""
    partitions: int
    """N: partitions of every topic keyed by member; fixed when the topics are created."""
    timezone: zoneinfo.ZoneInfo
    """Whose midnight a tick is."""
    clock: Literal["live", "manual"]
    """live: the conductor ticks at local midnight; manual: only the `tick` command moves the date."""
    registry_url: str | None
    """A Confluent-compatible schema registry; without it the schemas of this release identify themselves."""
    worker: str | None
    """A worker's lasting name (static membership): a restart under the same name takes seconds."""
    metrics_port: int | None
    """Where /metrics, /health and /ready are served; none: nowhere."""
    metrics_host: str
    """The address they are served on; 127.0.0.1 unless said otherwise."""
    log: Literal["json", "text"]
    """How a worker logs."""
    embedded: bool
    """The broker is librdkafka's built-in one (demo): no admin calls, CRCs not checked."""

    @property
    def group(self) -> str:
        """The consumer group, which is also the Faust app's id."""
        return f"{self.prefix}panelstream"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **changes: object) -> Settings:
        """Settings from `PANELSTREAM_*` (and `KAFKA_BOOTSTRAP`), with `changes` on top. Raises `Stop` naming the variable."""
        env = os.environ if environment is None else environment
        state = Path(env.get("PANELSTREAM_STATE", "panelstream-state"))
        zone = env.get("PANELSTREAM_TZ", "America/Los_Angeles")
        try:
            timezone = zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise Stop(
                f"PANELSTREAM_TZ is {zone!r}: give a zone name such as America/Los_Angeles.", EXIT_CONFIG
            ) from None
        values: dict[str, object] = {
            "bootstrap": env.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
            "prefix": env.get("PANELSTREAM_PREFIX", ""),
            "state": state,
            "tables": Path(env.get("PANELSTREAM_TABLES", str(state / "tables"))),
            "value_sets": Path(env.get("PANELSTREAM_VALUESETS", str(state / "value-sets"))),
            "keys": Path(env.get("PANELSTREAM_KEYS", str(state / "keys"))),
            "partitions": _whole_number(env, "PANELSTREAM_PARTITIONS", DEFAULT_PARTITIONS),
            "timezone": timezone,
            "clock": _one_of(env, "PANELSTREAM_CLOCK", ("live", "manual")),
            "registry_url": env.get("PANELSTREAM_REGISTRY_URL") or None,
            "worker": env.get("PANELSTREAM_WORKER") or None,
            "metrics_host": env.get("PANELSTREAM_METRICS_HOST") or "127.0.0.1",
            "log": _one_of(env, "PANELSTREAM_LOG", ("text", "json")),
            "metrics_port": _whole_number(env, "PANELSTREAM_METRICS_PORT", None),
            "embedded": env.get("PANELSTREAM_EMBEDDED") == "1",
        }
        return cls(**{**values, **{name: value for name, value in changes.items() if value is not None}})  # type: ignore[arg-type]


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """A value from a closed list, whose first is the default."""
    text = env.get(name) or allowed[0]
    if text not in allowed:
        raise Stop(f"{name} is {text!r}: set it to {' or '.join(allowed)}.", EXIT_CONFIG)
    return text


def _whole_number(env: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = env.get(name)
    if not text:
        return default
    if not text.isdigit() or int(text) < 1:
        raise Stop(f"{name} is {text!r}: set it to a whole number above 0.", EXIT_CONFIG)
    return int(text)


def member_file(folder: Path, partition: int) -> Path:
    """Where the state of a partition of `member-events` lies."""
    return folder / f"members-{partition:04d}.sqlite"
