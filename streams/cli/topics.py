"""`panelstream topics create|check`: the topics that the laws stand on."""

from __future__ import annotations

from typing import Annotated

import typer

from streams import topic_admin
from streams.cli.options import Bootstrap, Prefix
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

app = typer.Typer(help="Create or check every topic with its partitions, cleanup policy and timestamp type.")


@app.command()
def create(
    replication: Annotated[int, typer.Option(min=1, metavar="N", help="Copies the broker keeps of each topic.")] = 1,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Create the topics that are missing; those that are there are left alone.

    Example: panelstream topics create --replication 3
    """
    settings = _settings(bootstrap, prefix, "create")
    created = topic_admin.create(settings, replication=replication)
    for name in created:
        typer.echo(f"created {name}")
    if not created:
        typer.echo("every topic was there already")


@app.command()
def check(bootstrap: Bootstrap = None, prefix: Prefix = None) -> None:
    """Say what is wrong with the topics, a line each; status 0 when nothing is.

    Example: panelstream topics check --bootstrap kafka:9092
    """
    mistakes = topic_admin.check(_settings(bootstrap, prefix, "check"))
    for mistake in mistakes:
        typer.echo(mistake)
    if mistakes:
        raise Stop(f"{len(mistakes)} of the topics' settings are wrong: mend what is listed above.", EXIT_CONFIG)
    typer.echo("every topic is as it must be")


def _settings(bootstrap: str | None, prefix: str | None, verb: str) -> Settings:
    settings = Settings.from_environment(bootstrap=bootstrap, prefix=prefix)
    if settings.embedded:
        raise Stop(
            f"topics {verb} is not offered on the embedded broker, which has no admin calls: use a real Kafka.",
            EXIT_CONFIG,
        )
    return settings
