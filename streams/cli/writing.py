"""Events to an event file, whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import typer

from streams.cli.progress import progress


def write_events(events: Iterable[Mapping[str, object]], out: Path | None) -> int:
    """Write events as NDJSON to `out` (None: standard output) and say how many. A file appears only when it is complete."""
    encode = msgspec.json.Encoder().encode
    count = 0
    if out is None:
        for event in events:
            sys.stdout.buffer.write(encode(event) + b"\n")
            count += 1
        sys.stdout.buffer.flush()
        return count
    fresh = out.with_name(out.name + ".part")
    try:
        with fresh.open("wb") as file, progress() as part:
            report = part("events")
            for event in events:
                file.write(encode(event) + b"\n")
                count += 1
                if count % 10_000 == 0:
                    report(count, 0)
        fresh.replace(out)
    finally:
        fresh.unlink(missing_ok=True)
    typer.echo(f"wrote {count:,} events to {out}")
    return count
