"""The log as files: everything that results rest on, with where it stands, readable without a broker and without keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from schemas.codec import Codec
from schemas.topics import name as topic_name
from streams.files import write_whole
from streams.log_files import control_line, member_line
from streams.rebuilding import read_log
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, EXIT_FAULT, Stop
from streams.waiting import Progress, Report

if TYPE_CHECKING:
    from streams.batching import Record as Received

ONLY_OWNER = 0o600
INDEX = "export.json"


class ExportedFile(msgspec.Struct, frozen=True):
    """A file of an export: how many records of a partition it holds, from offset 0 on, and its sha256."""

    file: str
    topic: str
    partition: int
    records: int
    sha256: str


def export(settings: Settings, codec: Codec, out: Path, report: Callable[[str], Report]) -> list[ExportedFile]:
    """Write `control.ndjson`, `member-events-NNNN.ndjson` for each partition, and `export.json`, which names them.

    Each log is taken as far as it reaches now. Only the owner may read the files. Raises `Stop` when there is an export in `out`
    already, when a log does not begin at 0, or when the broker is away.
    """
    if any(out.glob("*.ndjson")):
        raise Stop(f"{out} holds event files already: choose another --out folder.", EXIT_CONFIG)
    with Progress(settings, report) as progress:
        ends = progress.ends(["member-events"])
        # Last: what a partition was told stands on `control` then, too.
        ends |= progress.ends(["control"])
        partitions = progress.partitions("member-events")
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    told, done, total = report("records"), 0, sum(ends.values())

    def worked(records: int) -> None:
        nonlocal done
        done += records
        told(done, total)

    made: list[ExportedFile] = []
    for topic, partition in [("control", 0), *(("member-events", one) for one in range(partitions))]:
        name = topic_name(settings.prefix, topic)
        end = ends.get((name, partition), 0)
        file = "control.ndjson" if topic == "control" else f"member-events-{partition:04}.ndjson"
        lines = _lines(settings, codec, topic, partition, end, worked)
        sha256 = write_whole(out / file, lines, mode=ONLY_OWNER)
        made.append(ExportedFile(file, topic, partition, end, sha256))
    index = msgspec.json.format(msgspec.json.encode({"files": made}), indent=2) + b"\n"
    write_whole(out / INDEX, [index], mode=ONLY_OWNER)
    return made


def _lines(
    settings: Settings, codec: Codec, topic: str, partition: int, end: int, worked: Callable[[int], None]
) -> Iterator[bytes]:
    for batch in read_log(settings, topic_name(settings.prefix, topic), partition, 0, end):
        for record in batch.records:
            if topic == "control":
                yield _control_line(codec, record)
            else:
                yield member_line(codec, partition, record.offset, record.value)
        worked(len(batch.records))


def _control_line(codec: Codec, record: Received) -> bytes:
    arrived = dt.datetime.fromtimestamp(record.timestamp / 1000, dt.UTC)
    try:
        return control_line(codec, record.offset, arrived, record.value)
    except Exception as problem:
        raise Stop(
            f"control[0] at {record.offset} is not a record this release can read ({type(problem).__name__}): export with a release "
            "that can.",
            EXIT_FAULT,
        ) from problem
