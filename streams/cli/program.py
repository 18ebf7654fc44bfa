"""The verbs that need nothing of `ops`, as one program; `ops.program` adds its own and runs it."""

from __future__ import annotations

import typer

from streams.cli import (
    close,
    contracts,
    explain,
    imports,
    log,
    publish,
    quarantine,
    rebuild,
    replay,
    simulate,
    skip,
    statement,
    tables,
    tick,
    topics,
    valuesets,
    worker,
)


def program() -> typer.Typer:
    """A fresh program with the verbs of this house."""
    app = typer.Typer(
        help="Whose patient is this, and is that about to change? Live primary care attribution and fall-off alerts.",
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.add_typer(topics.app, name="topics")
    app.command("worker")(worker.command)
    app.command("publish")(publish.command)
    app.command("tick")(tick.command)
    app.add_typer(imports.app, name="import")
    app.add_typer(close.app, name="close")
    app.add_typer(contracts.app, name="contracts")
    app.add_typer(statement.app, name="statement")
    app.command("ledger")(statement.ledger)
    app.command("replay")(replay.command)
    app.command("simulate")(simulate.command)
    app.add_typer(valuesets.app, name="valuesets")
    app.add_typer(tables.app, name="tables")
    app.add_typer(log.app, name="log")
    app.command("explain")(explain.command)
    app.add_typer(quarantine.app, name="quarantine")
    app.command("rebuild")(rebuild.command)
    app.command("skip")(skip.command)
    return app
