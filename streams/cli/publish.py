"""`panelstream publish`: event files to their topics."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import Bootstrap, Files, Prefix, existing_files
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop


def command(
    files: Files,
    *,
    history: Annotated[
        bool, typer.Option("--history", help="The records' own accepted_at is when they were known: for backfills.")
    ] = False,
    refused: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the refused lines here, as they are, to mend and send again."),
    ] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Send event files to their topics, validated first; says how many lines were refused and why.

    Valid lines are sent even where others are refused; then the status is 1. Sending a file twice changes nothing.

    Example: panelstream publish claims.ndjson roster.ndjson --refused mend-me.ndjson
    """
    from schemas.codec import Codec
    from schemas.registry import registry_for
    from streams.publishing import publish

    existing_files(files)
    settings = Settings.from_environment(bootstrap=bootstrap, prefix=prefix)
    codec = Codec(registry_for(settings.registry_url, settings.prefix))
    with contextlib.ExitStack() as stack:
        refused_to = None
        if refused is not None:
            if any(refused.exists() and refused.samefile(path) for path in files):
                raise Stop(f"{refused} is one of the files to send: give --refused another name.", EXIT_CONFIG)
            refused_to = stack.enter_context(refused.open("wb"))
        report = stack.enter_context(progress())("bytes sent")
        published = publish(settings, codec, files, history=history, refused_to=refused_to, report=report)
    for topic, count in published.sent.items():
        typer.echo(f"sent {count:,} to {settings.prefix}{topic}")
    for told in published.told:
        typer.echo(f"refused {told}")
    if published.refused:
        total = published.refused.total()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in published.refused.most_common())
        more = "" if total <= len(published.told) else f" (the first {len(published.told)} above)"
        typer.echo(f"{total:,} lines refused: {reasons}{more}. Correct them and publish those lines again.", err=True)
        raise typer.Exit(1)
