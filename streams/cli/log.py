"""`panelstream log export`: the log as event files with positions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import Bootstrap, Prefix
from streams.cli.progress import progress
from streams.settings import Settings

app = typer.Typer(help="The log that every result rests on.")


@app.callback()
def group() -> None:
    """The log that every result rests on."""


@app.command("export")
def export(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder without event files; made if it is not there.")],
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Write the log as event files with positions: all member facts and reference records, in clear. Workers may go on.

    One file for `control` and one for each partition of `member-events`, only for the owner to read. `panelstream replay` reads
    them as any event files, and with --snapshot proves a close from them.

    Example: panelstream log export --out log-2025-07
    """
    from schemas.codec import Codec
    from schemas.registry import registry_for
    from streams import exporting

    settings = Settings.from_environment(bootstrap=bootstrap, prefix=prefix)
    codec = Codec(registry_for(settings.registry_url, settings.prefix))
    with progress() as part:
        made = exporting.export(settings, codec, out, part)
    facts = sum(one.records for one in made if one.topic == "member-events")
    typer.echo(
        f"wrote {facts:,} records of {len(made) - 1} partitions of member-events and {made[0].records:,} of control to {out}"
    )
    typer.echo(
        "These files are member data in clear: only you may read them; keep them where the log may be kept.", err=True
    )
