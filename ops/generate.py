"""`panelstream generate`: a made-up population as an event file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import day
from streams.cli.writing import write_events
from streams.stopping import EXIT_CONFIG, Stop


def command(
    members: Annotated[int, typer.Option(min=1, metavar="N", help="People of the population.")],
    seed: Annotated[int, typer.Option(metavar="S", help="Equal seeds give equal events, on any machine.")],
    start: Annotated[dt.date, typer.Option("--from", metavar="DATE", parser=day, help="First day of the history.")],
    end: Annotated[dt.date, typer.Option("--to", metavar="DATE", parser=day, help="Last day of the history.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The event file to write. Default: standard output.")
    ] = None,
) -> None:
    """Make up a population and all that plans would send of it, good days and bad: late, repeated, replaced, voided, broken.

    With claims and enrollment come what measures look for: screenings, blood pressures, results, questionnaires, vaccines, dispensings.

    The events are in order of acceptance. It is a caricature for trying and measuring, and says nothing of any real plan.

    Example: panelstream generate --members 2000 --seed 1 --from 2024-01-01 --to 2025-06-30 --out events.ndjson
    """
    from ops.sample.population import population

    if end < start:
        raise Stop(f"--to {end} lies before --from {start}: give a later --to.", EXIT_CONFIG)
    write_events(population(members, seed, start, end, care=True), out)
