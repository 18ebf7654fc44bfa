"""`panelstream replay`: the same results from files alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Files, KnownAt, Tables, ValueSetFolder, day, existing_files, measured_period
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, EXIT_FAULT, Stop

if TYPE_CHECKING:
    from state.measures.editions import Edition
    from state.reference.value_sets import ValueSets
    from streams.replaying import Replayed


def command(
    files: Files,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the CSV files and manifest.json.")],
    as_of: Annotated[
        dt.date | None,
        typer.Option(
            "--as-of", metavar="DATE", parser=day, help="The day described, YYYY-MM-DD; needed without --snapshot."
        ),
    ] = None,
    known_at: KnownAt = None,
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
    period: Annotated[
        list[str] | None,
        typer.Option(
            metavar="START..END", help="A measurement period, both days included; may be given several times."
        ),
    ] = None,
    edition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:MEASURE,...]",
            help="An edition of measures to ask, as capc-2025 or cms-2025:BCS,COL; may be given several times.",
        ),
    ] = None,
    valuesets: ValueSetFolder = None,
    tables: Tables = None,
) -> None:
    """Work event files as the service would, without a broker, and write what it would say on a day.

    Equal records give equal bytes, in whatever order and however often they stand in the files. Between two versions that nothing
    else orders, the file's name decides, then the row.

    With --edition and --period it asks the measures too, writes measures.csv, rates.csv and gaps.csv, and prints the rates of all
    practices together, equity-sensitive measures first; a value set that is missing stops it with its name.

    A process for each core shares the work, with the same result; `taskset` gives it fewer cores.

    With --snapshot the day, the rules and what was known are those of the close, and so are the editions, where it measured; it ends with
    status 0 only if the same digests come out.

    Example: panelstream replay events.ndjson --as-of 2025-07-01 --known-at 2025-07-15 --out july
    Example: panelstream replay events.ndjson --as-of 2025-12-31 --edition capc-2025 --period 2025-01-01..2025-12-31 --out y2025
    """
    from state.reference.tables import TableStore
    from streams.rates_shown import lines
    from streams.replaying import Question, replay
    from streams.snapshots import Manifest
    from streams.value_set_folder import value_sets_in_force

    existing_files(files)
    settings = Settings.from_environment(tables=tables, value_sets=valuesets)
    if bool(period) != bool(edition):
        raise Stop("--edition and --period go together: name the measures and the period to ask them of.", EXIT_CONFIG)
    if snapshot is not None:
        if as_of or known_at or ruleset or edition:
            raise Stop(
                "--snapshot brings its own --as-of, --known-at, --ruleset and editions: leave them out.",
                EXIT_CONFIG,
            )
        question = Question.of_snapshot(Manifest.read(snapshot))
    elif as_of is not None:
        periods = [measured_period(one) for one in period or []]
        sets = value_sets_in_force(settings.value_sets, is_given=valuesets is not None) if edition else None
        editions = _editions(edition or [], sets) if sets else []
        question = Question(as_of, known_at, ruleset, editions=editions, value_sets=sets, periods=periods)
    else:
        raise Stop("Give --as-of DATE, or --snapshot MANIFEST. See `panelstream replay --help`.", EXIT_CONFIG)
    with progress() as part:
        replayed = replay(files, question, TableStore([settings.tables]), out, report=part)
    counts = replayed.counts
    typer.echo(
        f"{counts['members']:,} members on {question.as_of}: {counts['attributed']:,} attributed, {counts['alerts']:,} alerts open, "
        f"{counts['quarantined']:,} records refused; see {out / 'manifest.json'}"
    )
    for line in lines(replayed.rates):
        typer.echo(line)
    if replayed.failed:
        typer.echo(
            f"{len(replayed.failed):,} members could not be worked and are missing: the manifest names them; please report it.",
            err=True,
        )
    if question.snapshot is not None:
        _compare(question.snapshot.close.id, replayed, out)
    if replayed.failed:
        raise typer.Exit(1)


def _editions(names: list[str], sets: ValueSets) -> list[Edition]:
    """Editions by name, or some of their measures. Raises `TableError` for an unknown one, and for one whose value sets are missing."""
    from state.measures.editions import Bound, built_in

    found = []
    for text in dict.fromkeys(names):
        name, _, some = text.partition(":")
        edition = built_in(name).only(some.split(",")) if some else built_in(name)
        bound = Bound(edition, sets)
        if bound.unfound:
            lists = sorted({one for found in bound.unfound.values() for one in found})
            typer.echo(
                f"{name} finds no dispensing in {', '.join(lists)}, which name drugs by ingredient alone, so that "
                f"{', '.join(bound.unfound)} lack what was dispensed: lay a directory of drug products into a folder of value sets "
                "(docs/value_sets.md).",
                err=True,
            )
        cut_off = edition.cut_off(sets)
        if cut_off:
            typer.echo(
                f"{name} uses {len(cut_off)} value sets that were cut off, so that codes beyond are not found: "
                f"`panelstream valuesets check {name}` names them.",
                err=True,
            )
        found.append(edition)
    return found


def _compare(close_id: str, replayed: Replayed, out: Path) -> None:
    """Say whether the snapshot came out again. Raises `Stop` when it did not."""
    if replayed.differences:
        raise Stop(
            f"NOT EQUAL to {close_id}: {'; '.join(replayed.differences)}. The answers are in {out / 'panel.csv'}: compare them with those "
            "of the close.",
            EXIT_FAULT,
        )
    without = f", without {replayed.left_out:,} members that it has not frozen" if replayed.left_out else ""
    measured = "" if replayed.measures is None else f", measures digest {replayed.measures.digest}"
    typer.echo(f"equal to {close_id}: content digest {replayed.content_digest}{measured}{without}")
