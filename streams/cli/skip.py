"""`panelstream skip`: the last resort when one record stops a partition."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import Annotated

import typer

from schemas.topics import name as topic_name
from state.stores.members import MemberState
from streams.settings import Settings, member_file
from streams.stopping import EXIT_CONFIG, Stop


def command(
    partition: Annotated[int, typer.Argument(help="Partition of member-events.")],
    offset: Annotated[int, typer.Argument(help="Offset at which the partition stands still.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the state for ever.")],
) -> None:
    """Have one record of `member-events` passed over, by its digest, when nothing else gets a partition going again.

    The record is kept beside the state. Stop the worker that owns the partition first. A broadcast must not be skipped: the
    partition would stop at the hole it leaves.

    Example: panelstream skip 3 120441 --reason "envelope written by a faulty release, see ticket 88"
    """
    settings = Settings.from_environment()
    path = member_file(settings.state, partition)
    if not path.exists():
        raise Stop(
            f"{path} does not exist: run this where the worker keeps its state, with its PANELSTREAM_STATE.",
            EXIT_CONFIG,
        )
    digest = asyncio.run(_order(settings, partition, offset, reason))
    typer.echo(
        f"member-events[{partition}] at {offset} (sha256 {digest[:16]}) will be passed over; start the worker again."
    )


async def _order(settings: Settings, partition: int, offset: int, reason: str) -> str:
    from streams.rebuilding import read_log

    topic = topic_name(settings.prefix, "member-events")
    state = await MemberState.open(
        member_file(settings.state, partition),
        topic=topic,
        partition=partition,
        partitions=settings.partitions,
        patience=1,
    )
    try:
        if offset < state.watermark:
            raise Stop(
                f"member-events[{partition}] at {offset} is applied already (the state ends at {state.watermark}).",
                EXIT_CONFIG,
            )
        record = next(iter(read_log(settings, topic, partition, offset, offset + 1))).records[0]
        digest = hashlib.sha256(record.value or b"").hexdigest()
        async with state.transaction():
            await state.order_skip(offset, digest, reason, dt.datetime.now(dt.UTC))
        return digest
    finally:
        await state.close()
