"""`panelstream close`: freezes a period's reading, withdraws one, writes one as files."""

from __future__ import annotations

import getpass
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from streams.cli.options import Bootstrap, Prefix
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

if TYPE_CHECKING:
    from schemas.codec import Codec
    from schemas.records import Snapshot


class _PeriodFirst(TyperGroup):
    """`close 2025-07 --reading panel`: what is none of the verbs below is a period."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["period", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_PeriodFirst,
    help="Freeze a reading of a period: `panelstream close PERIOD --reading panel|initial|final [--out DIR]`.",
)

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write what was frozen there, as `close export` does."),
]
Actor = Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Who asks. Default: who is logged in.")]
CloseId = Annotated[str, typer.Argument(metavar="ID", help="The close, as `close list` names it.")]


@app.command("period")
def close(
    period: Annotated[
        str, typer.Argument(metavar="PERIOD", help="A month (2025-07) for its panel, else a period's id (P1).")
    ],
    reading: Annotated[Literal["panel", "initial", "final"], typer.Option(help="Which reading.")],
    *,
    out: Out = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Kept in the manifest.")] = None,
    actor: Actor = None,
    retro_months: Annotated[
        int, typer.Option(min=1, max=36, help="Months within which later differences become adjustments.")
    ] = 6,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Freeze the lists of a period, with everything that plans have sent up to now, and wait until they stand.

    A panel describes the first day of its month and is closed before it; initial and final describe the last day of a
    period and are refused before its k1 and k2. Interrupted, the same command goes on waiting.

    Example: panelstream close 2025-07 --reading panel --out july
    """
    from streams import closing

    settings, codec = _service(bootstrap, prefix)
    with progress() as part:
        found = closing.request(
            settings,
            codec,
            period,
            reading,
            actor=actor or _who(),
            reason=reason,
            retro_months=retro_months,
            report=part,
        )
        if out is not None:
            closing.export(settings, codec, found, out)
    for line in _told(found, out):
        typer.echo(line)


@app.command("annul")
def annul(
    close_id: CloseId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the close.")],
    *,
    actor: Actor = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Withdraw a close of which nothing has been released: its lists count no more, and the period can be closed again.

    Example: panelstream close annul 2025-07-panel --reason "roster of June was missing"
    """
    from streams import closing

    if not reason.strip():
        raise Stop("--reason is empty: say why, it is kept with the close.", EXIT_CONFIG)
    settings, codec = _service(bootstrap, prefix)
    with progress() as part:
        found = closing.annul(settings, codec, close_id, actor=actor or _who(), reason=reason, report=part)
    typer.echo(f"{found.close_id} is annulled: {found.message}")


@app.command("export")
def export(
    close_id: CloseId,
    out: Annotated[Path, typer.Option(metavar="DIR")],
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Write what was frozen, checked against its manifest, with the adjustments made since.

    panel.csv, lists.csv, adjustments.csv and manifest.json; of a period that was measured measures.csv, rates.csv and gaps.csv too.

    Example: panelstream close export P1-final --out p1-final
    """
    from streams import closing

    settings, codec = _service(bootstrap, prefix)
    found = closing.find(settings, codec, close_id)
    if found.state != "complete":
        raise Stop(f"{close_id} is {found.state}: there is nothing to write.", EXIT_CONFIG)
    closing.export(settings, codec, found, out)
    for line in _told(found, out):
        typer.echo(line)


@app.command("list")
def list_(bootstrap: Bootstrap = None, prefix: Prefix = None) -> None:
    """Every close, and how it stands.

    Example: panelstream close list
    """
    from streams import closing

    settings, codec = _service(bootstrap, prefix)
    for one in closing.every_close(settings, codec):
        if one.state == "open":
            waits_for = closing.missing(settings, codec, one)
            how = f"waits for partitions {', '.join(map(str, waits_for))}" if waits_for else "waits for the conductor"
        else:
            how = f"{one.attributed:,} members on lists"
        typer.echo(f"{one.close_id}  {one.state}  {one.reading} of {one.period} as of {one.as_of}, {how}")


def _who() -> str:
    """Who is logged in. Raises `Stop` where the system knows no name, as in a container under a bare number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Stop("Nobody is logged in by name here: say with --actor NAME who asks.", EXIT_CONFIG) from None


def _service(bootstrap: str | None, prefix: str | None) -> tuple[Settings, Codec]:
    from schemas.codec import Codec
    from schemas.registry import registry_for
    from schemas.topics import name as topic_name
    from streams import topic_admin

    settings = Settings.from_environment(bootstrap=bootstrap, prefix=prefix)
    # Asked of the broker, so that a shell without PANELSTREAM_PARTITIONS looks where the service writes.
    events = topic_name(settings.prefix, "member-events")
    partitions = topic_admin.partition_counts(settings).get(events)
    if partitions is None:
        raise Stop(f"Topic {events} does not exist: run `panelstream topics create`.", EXIT_CONFIG)
    settings = replace(settings, partitions=partitions)
    return settings, Codec(registry_for(settings.registry_url, settings.prefix))


def _told(snapshot: Snapshot, out: Path | None) -> list[str]:
    practices = {one.practice_id for one in snapshot.counts if one.practice_id}
    lines = [
        f"{snapshot.close_id}: {snapshot.list_kind} list as of {snapshot.as_of} ({snapshot.list_status})",
        f"  {snapshot.attributed:,} of {snapshot.members:,} members on the lists of {len(practices)} practices",
        f"  content digest {snapshot.content_digest}",
    ]
    if snapshot.measured_by:
        lines.append(f"  {snapshot.measure_results:,} results of measures, measures digest {snapshot.measures_digest}")
    elif snapshot.reading != "panel":
        lines.append("  nothing was measured: no edition was in force when the period was closed")
    if snapshot.not_frozen:
        lines.append(
            f"  NOT FROZEN: the lists of {', '.join(snapshot.not_frozen)}, whose own list of the month is missing: when it and its "
            f"`feed_manifest` are published, `panelstream close annul {snapshot.close_id} --reason TEXT` and close again"
        )
    if snapshot.failed:
        lines.append(f"  INCOMPLETE: {len(snapshot.failed)} members could not be worked; the manifest names them")
    if out is not None:
        lines.append(f"  written to {out}")
    return lines
