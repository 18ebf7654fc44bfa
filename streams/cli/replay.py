"""`panelstream replay`: the same results from files alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Files, Tables, day, existing_files, moment
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, EXIT_FAULT, Stop

if TYPE_CHECKING:
    from streams.replaying import Replayed


def command(
    files: Files,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for panel.csv, alerts.csv, quarantine.csv, manifest.json.")
    ],
    as_of: Annotated[
        dt.date | None,
        typer.Option(
            "--as-of", metavar="DATE", parser=day, help="The day described, YYYY-MM-DD; needed without --snapshot."
        ),
    ] = None,
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
    snapshot: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST",
            help="The manifest.json of a close: answer again what it answered, from an exported log, and compare.",
        ),
    ] = None,
    tables: Tables = None,
) -> None:
    """Work event files as the service would, without a broker, and write what it would say on a day.

    Equal records give equal bytes, in whatever order and however often they stand in the files. Between two versions that nothing
    else orders, the file's name decides, then the row.

    With --snapshot the day, the rules and what was known are those of the close; it ends with status 0 only if the same content digest
    comes out.

    Example: panelstream replay events.ndjson --as-of 2025-07-01 --known-at 2025-07-15 --out july
    """
    from state.reference.tables import TableStore
    from streams.replaying import Question, replay
    from streams.snapshots import Manifest

    existing_files(files)
    if snapshot is not None:
        if as_of or known_at or ruleset:
            raise Stop("--snapshot brings its own --as-of, --known-at and --ruleset: leave them out.", EXIT_CONFIG)
        question = Question.of_snapshot(Manifest.read(snapshot))
    elif as_of is not None:
        question = Question(as_of, known_at, ruleset)
    else:
        raise Stop("Give --as-of DATE, or --snapshot MANIFEST. See `panelstream replay --help`.", EXIT_CONFIG)
    settings = Settings.from_environment(tables=tables)
    with progress() as part:
        replayed = replay(files, question, TableStore([settings.tables]), out, report=part)
    counts = replayed.counts
    typer.echo(
        f"{counts['members']:,} members on {question.as_of}: {counts['attributed']:,} attributed, {counts['alerts']:,} alerts open, "
        f"{counts['quarantined']:,} records refused; see {out / 'manifest.json'}"
    )
    if replayed.failed:
        typer.echo(
            f"{len(replayed.failed):,} members could not be worked and are missing: the manifest names them; please report it.",
            err=True,
        )
    if question.snapshot is not None:
        _compare(question.snapshot.close.id, replayed, out)
    if replayed.failed:
        raise typer.Exit(1)


def _compare(close_id: str, replayed: Replayed, out: Path) -> None:
    """Say whether the snapshot came out again. Raises `Stop` when it did not."""
    if replayed.differences:
        raise Stop(
            f"NOT EQUAL to {close_id}: {'; '.join(replayed.differences)}. The answers are in {out / 'panel.csv'}: compare them with those "
            "of the close.",
            EXIT_FAULT,
        )
    without = f", without {replayed.left_out:,} members that it has not frozen" if replayed.left_out else ""
    typer.echo(f"equal to {close_id}: content digest {replayed.content_digest}{without}")
