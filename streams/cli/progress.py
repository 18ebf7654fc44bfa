"""How far long work is: a bar on a terminal, a plain line every few seconds elsewhere. On standard error, never in a result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 10.0
"""Seconds between two plain lines."""

Report = Callable[[int, int], None]
"""Told how much is done, and of how much."""


@contextlib.contextmanager
def progress(what: str) -> Iterator[Report]:
    """Show `what` and how far it is, as `report(done, total)` is called."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            console.print(f"{what}: {done:,} of {total:,}")

    yield line
