"""Arguments that several verbs share, and how they are read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from state.calendar import EARLIEST, LATEST
from streams.stopping import EXIT_CONFIG, Stop

if TYPE_CHECKING:
    from state.measures.period import Period


def day(text: str) -> dt.date:
    """A date as YYYY-MM-DD, of a year in which records may lie. Raises `typer.BadParameter`."""
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date: give it as YYYY-MM-DD.") from None
    if not EARLIEST <= date <= LATEST:
        raise typer.BadParameter(f"{text} is not between {EARLIEST.year} and {LATEST.year}: give the day you mean.")
    return date


def moment(text: str) -> dt.datetime:
    """A time as RFC 3339 with its zone; a date alone is the end of that day, UTC. Raises `typer.BadParameter`."""
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is not None and "T" not in text.upper():
        return dt.datetime.combine(when.date(), dt.time.max, dt.UTC)
    if when is None or when.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is not a time with its zone: give it as 2025-07-01T00:00:00Z.")
    return when


def measured_period(text: str) -> Period:
    """A measurement period as START..END, both days included. Raises `Stop`."""
    from state.measures.period import Period

    start, dots, end = text.partition("..")
    try:
        first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
    except ValueError:
        first = last = dt.date.min
        dots = ""
    if not dots or first > last:
        raise Stop(f"{text!r} is no period: give its first and last day as 2025-01-01..2025-12-31.", EXIT_CONFIG)
    return Period(first.toordinal(), last.toordinal())


Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap", metavar="HOST:PORT", help="Kafka's address. Default: KAFKA_BOOTSTRAP, else 127.0.0.1:9092."
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option("--prefix", metavar="TEXT", help="Before every topic and the group. Default: PANELSTREAM_PREFIX."),
]
State = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Folder of the state files. Default: PANELSTREAM_STATE."),
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Event files: NDJSON, one event a line.")]
Tables = Annotated[
    Path | None,
    typer.Option("--tables", metavar="DIR", help="Folder of your own tables. Default: PANELSTREAM_TABLES."),
]
KnownAt = Annotated[
    dt.datetime | None,
    typer.Option(
        "--known-at",
        metavar="TIME",
        parser=moment,
        help="Leave out what was accepted later; a date is the end of that day, UTC.",
    ),
]
ValueSetFolder = Annotated[
    Path | None,
    typer.Option(
        "--valuesets",
        metavar="DIR",
        help="Folder of your own value sets (FHIR ValueSets, workbooks, CSV). Default: PANELSTREAM_VALUESETS.",
    ),
]


def existing_files(files: list[Path]) -> list[Path]:
    """The files, if all are there. Raises `Stop` naming the first that is not."""
    for path in files:
        if not path.is_file():
            why = "is a folder, not an event file" if path.is_dir() else "does not exist"
            raise Stop(f"{path} {why}: name NDJSON files with one event a line.", EXIT_CONFIG)
    return files
