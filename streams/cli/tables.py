"""`panelstream tables`: the record that puts a table in force, and the file laid where workers find it."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Annotated

import typer

from schemas.records import Table
from streams.cli.options import Tables, day
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

app = typer.Typer(
    help="Tables of the program: editions, value sets, weights, prices, code lists, rulesets.", no_args_is_help=True
)
From = Annotated[
    dt.date, typer.Option("--from", metavar="DATE", parser=day, help="The first day on which it is in force.")
]


@app.command("lay")
def lay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The table's file.")],
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="What it is: value_sets, editions, tcoc_prices, ruleset and so on.")
    ],
    activated_from: From,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What it is called. Default: the file's name.")
    ] = None,
    tables: Tables = None,
) -> None:
    """Copy a table into the folder of tables under its sha256, and print the record that puts it in force.

    Example: panelstream tables lay vsd.xlsx --kind value_sets --from 2025-01-01 > table.ndjson && panelstream publish table.ndjson
    """
    if not file.is_file():
        raise Stop(f"{file} does not exist: name the table's file.", EXIT_CONFIG)
    folder = Settings.from_environment(tables=tables).tables
    data = file.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{hashlib.sha256(data).hexdigest()}{file.suffix}").write_bytes(data)
    _print(kind, name or file.stem, data, activated_from)


@app.command("edition")
def edition(
    name: Annotated[
        str, typer.Argument(metavar="EDITION", help="An edition that comes with the project, as capc-2025.")
    ],
    activated_from: From,
) -> None:
    """Print the record that puts an edition of the project in force: from then on its measures are kept live.

    Example: panelstream tables edition capc-2025 --from 2025-01-01 > edition.ndjson && panelstream publish edition.ndjson
    """
    from state.measures.editions import FOLDER, built_in

    _print("editions", built_in(name).name, (FOLDER / f"{name}.toml").read_bytes(), activated_from)


def _print(kind: str, name: str, data: bytes, activated_from: dt.date) -> None:
    from schemas.codec import Codec
    from schemas.registry import EmbeddedRegistry

    digest = hashlib.sha256(data).hexdigest()
    record = Table(kind=kind, name=name, version=digest[:12], digest=digest, activated_from=activated_from)
    typer.echo(Codec(EmbeddedRegistry()).to_json(record))
