"""`panelstream worker`: the service."""

from __future__ import annotations

import typer

from streams.cli.options import Bootstrap, Prefix, State
from streams.settings import Settings


def command(bootstrap: Bootstrap = None, prefix: Prefix = None, state: State = None) -> None:
    """Run a worker: intake, member agents, conductor and relay, on the partitions it is given.

    Runs until it is told to stop (Ctrl-C, SIGTERM: status 0) or must not go on (a sentence and another status). Start more
    of them to share the work.

    Example: panelstream worker --bootstrap kafka:9092 --state /var/lib/panelstream
    """
    from streams.worker import run

    raise typer.Exit(run(Settings.from_environment(bootstrap=bootstrap, prefix=prefix, state=state)))
