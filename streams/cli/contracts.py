"""`panelstream contracts check`: every mistake and departure of a contract, before anybody is paid by it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streams.cli.options import Tables
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

if TYPE_CHECKING:
    from state.payment.contracts import Report

app = typer.Typer(help="Contracts: what is wrong with them, and where they depart from the common model.")

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="One contract as JSON, or contract, practice, table and period records as NDJSON."
    ),
]


@app.command()
def check(
    file: File,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
    tables: Tables = None,
) -> None:
    """Say every mistake, warning and departure, and the most that each practice type can reach. Status 1 when there is a mistake.

    Tables that contracts name are looked for, by digest, in the folder of your own tables.

    Example: panelstream contracts check contracts.ndjson --tables tables
    """
    from state.payment import contracts
    from state.payment.contract_files import given
    from state.reference.tables import TableStore

    if not file.is_file():
        why = "is a folder" if file.is_dir() else "does not exist"
        raise Stop(f"{file} {why}: name a file with contracts.", EXIT_CONFIG)
    settings = Settings.from_environment(tables=tables)
    report = contracts.check(given(file.read_bytes()), TableStore([settings.tables]))
    if as_json:
        found = {"contracts": len(report.contracts), "findings": report.findings, "reachable": report.reachable}
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        for line in told(report):
            typer.echo(line)
    if report.mistakes:
        count = len(report.mistakes)
        typer.echo(
            f"{count:,} {'mistake' if count == 1 else 'mistakes'}: correct {'it' if count == 1 else 'them'} and check again.",
            err=True,
        )
        raise typer.Exit(1)


def told(report: Report) -> list[str]:
    """The report for a person, line by line: mistakes first, then warnings, departures, and what can be reached."""
    from state.payment.amounts import number

    lines = [
        f"{level:<9} {one.place}: {one.message}"
        for level in ("mistake", "warning", "departure")
        for one in report.findings
        if one.level == level
    ]
    lines += [
        f"split     {contract_id}: element 1 {number(limits.element_1_pct, 2)}%, element 2 {number(limits.element_2_pct, 2)}%, element 3 "
        f"{number(limits.element_3_pct, 2)}% over base payment: {number(limits.total_pct, 2)}% of at most {number(limits.ceiling_pct)}%"
        for contract_id, limits in report.limits
    ]
    lines += [
        f"reachable {one.contract_id}, {one.practice_type}: {one.measures} measures, improvement {one.improvement_sum}%, gold "
        f"{one.gold_sum}% as printed; at most {one.initial}% in the initial statement, {one.final}% in the final"
        for one in report.reachable
    ]
    counted = len(report.contracts)
    levels = {
        level: sum(one.level == level for one in report.findings) for level in ("mistake", "warning", "departure")
    }
    lines.append(
        f"{counted:,} {'contract' if counted == 1 else 'contracts'} read: "
        + ", ".join(f"{count:,} {level}{'' if count == 1 else 's'}" for level, count in levels.items())
    )
    return lines
