"""`panelstream rebuild`: the state of partitions made anew from the log and compared with the live one."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from schemas.codec import Codec
from schemas.registry import registry_for
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from state.stores.members import CONTENT, digest_of_rows
from streams.settings import Settings, member_file
from streams.stopping import EXIT_CONFIG, EXIT_STATE, Stop


def command(
    partition: Annotated[
        list[int] | None,
        typer.Option("--partition", "-p", help="A partition to rebuild; may be repeated. Default: all."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep the rebuilt state files in this folder, to take the place of lost ones.")
    ] = None,
) -> None:
    """Make the state of partitions anew from the log and compare it with the live one.

    Ends with status 0 when every partition is equal. With --out, the rebuilt files can be moved into the state folder of a
    stopped worker.

    Example: panelstream rebuild --partition 3
    """
    settings = Settings.from_environment()
    if settings.embedded:
        raise Stop(
            "rebuild is not offered on the embedded broker, which drops old records: use a real Kafka.", EXIT_CONFIG
        )
    chosen = partition or list(range(settings.partitions))
    wrong = [number for number in chosen if not 0 <= number < settings.partitions]
    if wrong:
        raise Stop(f"Partition {wrong[0]} does not exist: there are {settings.partitions}, from 0.", EXIT_CONFIG)
    differing = asyncio.run(_rebuild_all(settings, chosen, out))
    if differing:
        names = ", ".join(map(str, differing))
        raise Stop(
            f"The live state of partition {names} is not what the log gives: stop the worker, move that file away, and start "
            "it again; it rebuilds from the log. Keep the file and report this.",
            EXIT_STATE,
        )


async def _rebuild_all(settings: Settings, chosen: list[int], out: Path | None) -> list[int]:
    from streams.rebuilding import rebuild

    codec = Codec(registry_for(settings.registry_url, settings.prefix))
    knowledge = Knowledge.initial(TableStore([settings.tables]))
    differing = []
    with tempfile.TemporaryDirectory(prefix="panelstream-rebuild-") as scratch:
        folder = out or Path(scratch)
        for number in chosen:
            live = _live(member_file(settings.state, number))
            fresh = member_file(folder, number)
            if fresh.exists():
                raise Stop(f"{fresh} is there already: choose another --out folder.", EXIT_CONFIG)
            digest, watermark = await rebuild(
                settings, codec, knowledge, number, live.watermark if live else None, fresh, live.skips if live else ()
            )
            if live is None:
                verdict = "no live file here"
            elif live.digest == digest:
                verdict = "equal"
            else:
                verdict = "DIFFERENT"
                differing.append(number)
            typer.echo(f"partition {number:>3}  {watermark:>9} records  {digest[:16]}  {verdict}")
    return differing


@dataclass(frozen=True)
class Live:
    """A live state file at one moment; the worker may go on writing."""

    digest: str
    watermark: int
    skips: list[tuple[int, str, str, dt.datetime]]


def _live(path: Path) -> Live | None:
    if not path.exists():
        return None
    with contextlib.closing(
        sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    ) as db:
        db.execute("BEGIN")
        watermark = int(db.execute("SELECT watermark FROM meta").fetchone()[0])
        skips = [
            (offset, digest, reason, dt.datetime.fromisoformat(decided_at))
            for offset, digest, reason, decided_at in db.execute("SELECT * FROM skips")
        ]
        return Live(digest_of_rows(row for query in CONTENT for row in db.execute(query)), watermark, skips)
