"""`panelstream import tuva|synthea|fhir`: a source's files as an event file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.writing import write_events

if TYPE_CHECKING:
    from streams.adapters.left_out import LeftOut
    from streams.adapters.sources import Event

app = typer.Typer(help="Turn a source's files into an event file.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the source's CSV files.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The event file to write.")]


@app.command()
def tuva(folder: Folder, out: Out) -> None:
    """Turn Tuva input layer files (claims, eligibility, pharmacy, observations, results, immunizations) into an event file.

    What it cannot say is counted and listed beside it.

    Example: panelstream import tuva ops/sample/tuva --out tuva.ndjson
    """
    from streams.adapters import tuva as adapter

    _write(out, lambda left_out: adapter.events(folder, left_out))


@app.command()
def synthea(folder: Folder, out: Out) -> None:
    """Turn a Synthea CSV export into an event file: practices and providers with it, the claims filled in where it is thin.

    What it cannot say is counted and listed beside it.

    Example: panelstream import synthea ops/sample/synthea --out synthea.ndjson
    """
    from streams.adapters import synthea as adapter

    _write(out, lambda left_out: adapter.events(folder, left_out))


@app.command()
def fhir(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="DIR_OR_FILE...", help="Folders and files of FHIR R4: bundles (.json), bulk .ndjson."),
    ],
    out: Out,
    payer: Annotated[
        str, typer.Option("--payer", metavar="NAME", help="The payer of patients whose coverage names none.")
    ] = "fhir",
) -> None:
    """Turn FHIR R4 (QI-Core, US Core, CARIN Blue Button) into an event file; what it cannot say is counted and listed beside it.

    Example: panelstream import fhir export/ --out fhir.ndjson --payer acme
    """
    from streams.adapters.fhir import events

    _write(out, lambda left_out: events(paths, left_out, payer, out=out))


def _write(out: Path, events_of: Callable[[LeftOut], Iterator[Event]]) -> None:
    """Write the events of a source, and beside them the list of what is left out; say how much."""
    from streams.adapters.left_out import list_beside, listing

    with listing(out) as left_out:
        write_events(events_of(left_out), out)
    for sentence in left_out.sentences():
        typer.echo(sentence)
    count = left_out.counts.total()
    typer.echo(f"{count:,} thing{'' if count == 1 else 's'} left out or said otherwise, listed in {list_beside(out)}")
