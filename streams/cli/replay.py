"""`panelstream replay`: the same results from files alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import AsOf, Files, Tables, existing_files, moment
from streams.cli.progress import progress
from streams.settings import Settings


def command(
    files: Files,
    as_of: AsOf,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for panel.csv, alerts.csv, quarantine.csv, manifest.json.")
    ],
    known_at: Annotated[
        dt.datetime | None,
        typer.Option(
            "--known-at",
            metavar="TIME",
            parser=moment,
            help="Leave out what was accepted later; a date is the end of that day, UTC.",
        ),
    ] = None,
    ruleset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="guide, recency_first or weighted, in place of what the files bring. Default: theirs, else guide.",
        ),
    ] = None,
    tables: Tables = None,
) -> None:
    """Work event files as the service would, without a broker, and write what it would say on a day.

    Equal records give equal bytes, in whatever order and however often they stand in the files. Between two versions that nothing
    else orders, the file's name decides, then the row.

    Example: panelstream replay events.ndjson --as-of 2025-07-01 --known-at 2025-07-15 --out july
    """
    from state.reference.tables import TableStore
    from streams.replaying import Question, replay

    existing_files(files)
    settings = Settings.from_environment(tables=tables)
    question = Question(as_of, known_at, ruleset)
    with progress() as part:
        replayed = replay(files, question, TableStore([settings.tables]), out, report=part)
    counts = replayed.counts
    typer.echo(
        f"{counts['members']:,} members on {as_of}: {counts['attributed']:,} attributed, {counts['alerts']:,} alerts open, "
        f"{counts['quarantined']:,} records refused; see {out / 'manifest.json'}"
    )
    if replayed.failed:
        typer.echo(
            f"{len(replayed.failed):,} members could not be worked and are missing: the manifest names them; please report it.",
            err=True,
        )
        raise typer.Exit(1)
