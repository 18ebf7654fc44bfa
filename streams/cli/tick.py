"""`panelstream tick`: moves the clock."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from streams.cli.options import Bootstrap, Prefix, day
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop


def command(
    date: Annotated[dt.date, typer.Argument(metavar="DATE", parser=day, help="The day to move to, YYYY-MM-DD.")],
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Move the clock of every partition to a date, and wait until all that follows from it is out.

    A date the clock has passed changes nothing. Live workers tick by themselves at local midnight; there, a date beyond
    tomorrow is refused (PANELSTREAM_CLOCK=manual lifts that).

    Example: panelstream tick 2025-07-01
    """
    from schemas.codec import Codec
    from schemas.registry import registry_for
    from streams.waiting import wait_until_applied

    settings = Settings.from_environment(bootstrap=bootstrap, prefix=prefix)
    tomorrow = dt.datetime.now(settings.timezone).date() + dt.timedelta(days=1)
    if settings.clock == "live" and date > tomorrow:
        raise Stop(
            f"{date} lies beyond tomorrow ({tomorrow} in {settings.timezone}) and a clock never goes back: give an earlier "
            "date, or set PANELSTREAM_CLOCK=manual where days are made up.",
            EXIT_CONFIG,
        )
    codec = Codec(registry_for(settings.registry_url, settings.prefix))
    with progress() as part:
        wait_until_applied(settings, codec, date, report=part)
    typer.echo(f"the clock stands at {date}, and all that follows from it is out")
