"""`panelstream quarantine list|show|replay`: records that were refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Bootstrap, Prefix
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

if TYPE_CHECKING:
    from schemas.codec import Codec
    from streams.quarantine import Entry

app = typer.Typer(help="Refused records: why, their bytes, and sending them again after a fix.")

Reason = Annotated[str | None, typer.Option(metavar="REASON", help="Only records refused for this reason.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="topic/partition/offset, as the list gives it.")]


@app.command("list")
def list_(
    *,
    reason: Reason = None,
    replayed: Annotated[bool, typer.Option("--replayed", help="With records that were sent again since.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """List the records in quarantine, newest first; no member data.

    Example: panelstream quarantine list --reason missing_value
    """
    _, _, found = _read(bootstrap, prefix)
    chosen = [entry for entry in _of_reason(found, reason) if replayed or not entry.replayed]
    for entry in chosen:
        refused = entry.refused
        if as_json:
            typer.echo(json.dumps(_told(entry)))
        else:
            again = " (sent again)" if entry.replayed else ""
            typer.echo(
                f"{entry.name}  {_time(refused.refused_at)}  {refused.reason}  {refused.field or '-'}  {refused.message}{again}"
            )
    if not as_json:
        hidden = sum(entry.replayed for entry in _of_reason(found, reason)) if not replayed else 0
        typer.echo(
            f"{len(chosen):,} records in quarantine" + (f"; {hidden:,} were sent again (--replayed)" if hidden else ""),
            err=True,
        )


@app.command()
def show(name: Id, bootstrap: Bootstrap = None, prefix: Prefix = None) -> None:
    """Show one record in full, with the bytes that were refused. This shows member data.

    Example: panelstream quarantine show claims/3/1042
    """
    from streams.quarantine import original
    from streams.vault import Vault

    settings, codec, found = _read(bootstrap, prefix)
    entry = _one(found, name)
    for key, value in _told(entry).items():
        typer.echo(f"{key:<12} {'' if value is None else value}")
    data = original(entry, Vault(settings.keys))
    typer.echo(f"{'bytes':<12} {len(data):,}\n")
    typer.echo(_readable(codec, entry, data))


@app.command()
def replay(
    names: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="As the list gives them.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All records not sent again yet.")] = False,
    reason: Reason = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Send records again, as they are, to the topics they came from; they keep their place in the order.

    Only what changed outside of the bytes can make a difference: a release, a schema, a key. What has not been fixed comes back.

    Example: panelstream quarantine replay --all --reason unknown_schema
    """
    from streams.quarantine import CONTROL, send_again
    from streams.vault import Vault

    if bool(names) == everything:
        raise Stop("Give either the IDs of records, or --all (see `panelstream quarantine list`).", EXIT_CONFIG)
    if names and reason:
        raise Stop("--reason goes with --all, not with IDs.", EXIT_CONFIG)
    settings, _, found = _read(bootstrap, prefix)
    left_out = 0
    if names:
        chosen = [_one(found, name) for name in names]
    else:
        waiting = [entry for entry in _of_reason(found, reason) if not entry.replayed]
        chosen = [entry for entry in waiting if entry.position.topic != CONTROL]
        left_out = len(waiting) - len(chosen)
    sent = send_again(settings, Vault(settings.keys), chosen)
    typer.echo(f"sent {sent:,} records again; what has not been fixed comes back (`panelstream quarantine list`)")
    if left_out:
        typer.echo(
            f"{left_out:,} records of control cannot be sent again: publish the corrected records under event ids of their own."
        )


def _read(bootstrap: str | None, prefix: str | None) -> tuple[Settings, Codec, list[Entry]]:
    from schemas.codec import Codec
    from schemas.registry import registry_for
    from streams.quarantine import entries

    settings = Settings.from_environment(bootstrap=bootstrap, prefix=prefix)
    codec = Codec(registry_for(settings.registry_url, settings.prefix))
    return settings, codec, entries(settings, codec)


def _of_reason(found: list[Entry], reason: str | None) -> list[Entry]:
    known = sorted({entry.refused.reason for entry in found})
    if reason is not None and reason not in known:
        raise Stop(
            f"Nothing in quarantine has reason {reason!r}: there is {', '.join(known) or 'nothing'}.", EXIT_CONFIG
        )
    return [entry for entry in found if reason in (None, entry.refused.reason)]


def _one(found: list[Entry], name: str) -> Entry:
    for entry in found:
        if entry.name == name:
            return entry
    raise Stop(f"There is no {name} in quarantine: see `panelstream quarantine list --replayed`.", EXIT_CONFIG)


def _told(entry: Entry) -> dict[str, object]:
    refused = entry.refused
    return {
        "id": entry.name,
        "reason": refused.reason,
        "field": refused.field,
        "message": refused.message,
        "refused_at": _time(refused.refused_at),
        "sent_again": entry.replayed,
    }


def _readable(codec: Codec, entry: Entry, data: bytes) -> str:
    """The record as JSON where it can be read, else its bytes as hex and text."""
    import msgspec

    from schemas.codec import Undecodable
    from streams.quarantine import CONTROL

    topic = entry.position.topic
    try:
        record: object = codec.decode_control(data) if topic == CONTROL else codec.decode_input(topic, data)
    except Undecodable as problem:
        return f"not readable: {problem.message}\n\n" + "\n".join(_hex(data))
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode()


def _hex(data: bytes) -> list[str]:
    lines = []
    for start in range(0, len(data), 16):
        some = data[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in some)
        lines.append(f"{start:08x}  {some.hex(' '):<47}  {text}")
    return lines


def _time(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
