"""`panelstream simulate`: what other contracts or another ruleset would have made of the same facts."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streams.cli.options import Files, KnownAt, Tables, ValueSetFolder, existing_files
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

if TYPE_CHECKING:
    from state.payment.contract_files import Given


def command(
    files: Files,
    month: Annotated[
        list[str] | None,
        typer.Option(
            metavar="YYYY-MM[..YYYY-MM]",
            help="A month whose panel pays elements 1 and 2, or several; may be given several times.",
        ),
    ] = None,
    period: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="A period of the files, as P1, whose final reading pays element 3; may be given several times.",
        ),
    ] = None,
    contract: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Contracts in place of those with their contract_id, or beside them; may be given several times.",
        ),
    ] = None,
    ruleset: Annotated[
        str | None, typer.Option(metavar="NAME", help="guide, recency_first or weighted, in place of the one in force.")
    ] = None,
    edition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="An edition of measures, as capc-2025, in place of the one that a period is paid by."
        ),
    ] = None,
    known_at: KnownAt = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write members.csv, moved.csv, money.csv, simulation.json and simulation.html."
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
    valuesets: ValueSetFolder = None,
    tables: Tables = None,
) -> None:
    """Run another contract, ruleset or edition over event files, beside what is in force: members and money side by side.

    Panels and measures are made as by `replay`, statements as by `close`. Nothing is published. Contracts, practices, periods and
    tables in force are those of the event files; of one contract_id the last. Status 1 where something could not be stated.

    Example: panelstream simulate events.ndjson --month 2025-07..2025-09 --contract dearer.json --out dearer
    Example: panelstream simulate events.ndjson --month 2025-07 --period P2 --ruleset recency_first
    """
    from state.payment import comparison_sheet
    from state.payment.printed_tables import as_text
    from state.reference.tables import TableStore
    from streams import simulating
    from streams.value_set_folder import value_sets_in_force

    existing_files(files)
    if not contract and ruleset is None and edition is None:
        raise Stop("Nothing else to try: give --contract FILE, --ruleset NAME or --edition NAME.", EXIT_CONFIG)
    if not month and not period:
        raise Stop("Nothing to pay: give --month 2025-07, or --period with the id of a period record.", EXIT_CONFIG)
    if edition is not None and not period:
        raise Stop("--edition measures periods: give --period with the id of a period record.", EXIT_CONFIG)
    settings = Settings.from_environment(tables=tables, value_sets=valuesets)
    asked = simulating.Asked(
        months=months(month or []),
        periods=list(dict.fromkeys(period or [])),
        known_at=known_at,
        ruleset=ruleset,
        edition=edition,
        value_sets=value_sets_in_force(settings.value_sets, is_given=valuesets is not None) if period else None,
        given=_given(existing_files(contract or [])),
    )
    store = TableStore([settings.tables])
    with progress() as part:
        made = simulating.simulate(files, asked, store, report=part)
    if out is not None:
        simulating.write(made, comparison_sheet.page(made), out)
    if as_json:
        sys.stdout.write(simulating.as_json(made).decode())
    else:
        for one in comparison_sheet.sentences(made):
            typer.echo(one)
        for table in comparison_sheet.tables(made):
            shown, left_out = comparison_sheet.brief(table)
            typer.echo(f"\n{table.caption}")
            for line in (*as_text(shown), *([left_out] if left_out else ())):
                typer.echo(line)
        if out is not None:
            typer.echo(f"\nwritten to {out}")
    if made.failed_members or made.not_stated:
        raise typer.Exit(1)


def months(texts: list[str]) -> list[dt.date]:
    """The first days of months given as YYYY-MM or YYYY-MM..YYYY-MM, each once, in order. Raises `Stop`."""
    from state.calendar import add_months, month_named

    found: set[dt.date] = set()
    for text in texts:
        first, dots, last = text.partition("..")
        try:
            start, end = month_named(first), month_named(last if dots else first)
        except ValueError:
            start, end = 1, 0
        if start > end:
            raise Stop(f"{text!r} is no month: give it as 2025-07, or several as 2025-07..2025-09.", EXIT_CONFIG)
        while start <= end:
            found.add(dt.date.fromordinal(start))
            start = add_months(start, 1)
    return sorted(found)


def _given(files: list[Path]) -> Given:
    """What the files of contracts hold, each place with its file."""
    from state.payment.contract_files import Given, given

    every = [(path.name, given(path.read_bytes())) for path in files]
    return Given(
        contracts=tuple((f"{name}, {place}", raw) for name, one in every for place, raw in one.contracts),
        practices=tuple(practice for _, one in every for practice in one.practices),
        periods=tuple(period for _, one in every for period in one.periods),
        unreadable=tuple(
            msgspec.structs.replace(finding, place=f"{name}, {finding.place}")
            for name, one in every
            for finding in one.unreadable
        ),
    )
