"""`panelstream valuesets`: which value sets an edition needs, and what stops for want of one."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.options import ValueSetFolder
from streams.settings import Settings

app = typer.Typer(help="Value sets: which codes count.", no_args_is_help=True)


@app.command("check")
def check(
    edition: Annotated[str, typer.Argument(metavar="EDITION", help="An edition of measures, as capc-2025.")],
    valuesets: ValueSetFolder = None,
) -> None:
    """Say which value sets an edition lacks, why, and which measures that stops; ends with status 1 if any is stopped.

    Example: panelstream valuesets check cms-2025 --valuesets value-sets
    """
    from state.measures.editions import built_in
    from streams.value_set_folder import value_sets_in_force

    settings = Settings.from_environment(value_sets=valuesets)
    wanted = built_in(edition)
    loaded = value_sets_in_force(settings.value_sets, is_given=valuesets is not None)
    missing, cut_off = wanted.missing(loaded), wanted.cut_off(loaded)
    loaded = wanted.usable(loaded)
    measures = sorted(wanted.parameters)
    stopped = {measure for names in missing.values() for measure in names}
    for name, stops in missing.items():
        typer.echo(f"missing  {name}  stops {', '.join(stops)}: {loaded.reason(name)}")
    for name, reason in cut_off.items():
        typer.echo(f"cut off  {name}, used as it is: {reason}")
    for measure in measures:
        names = wanted.value_sets(measure)
        word = "stopped" if measure in stopped else "ready"
        typer.echo(f"{word:8} {measure}  {len(names) - len(loaded.missing(names))} of {len(names)} value sets")
        optional = {one: role for role in sorted(wanted.roles(measure)) for one in wanted.optional.get(role, ())}
        for name in loaded.missing(optional):
            instead = "; single codes of the edition are read" if wanted.codes.get(optional[name]) else ""
            typer.echo(f"         without {name}, which is optional: {loaded.reason(name)}{instead}")
        without = loaded.without_products(sorted(names - set(loaded.missing(names))))
        for name in without:
            typer.echo(
                f"         {name} names drugs by ingredient: only a directory of drug products finds dispensings in it"
            )
    if missing:
        typer.echo(
            f"Lay the files of the missing sets into {settings.value_sets}, or name their folder with --valuesets."
        )
        raise typer.Exit(1)
