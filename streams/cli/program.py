"""The verbs that need nothing of `ops`, as one program; `ops.program` adds its own and runs it."""

from __future__ import annotations

import typer

from streams.cli import publish, rebuild, tick, topics, worker


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
    app.command("rebuild")(rebuild.command)
    return app
