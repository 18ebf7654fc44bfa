"""How far long work is: a bar on a terminal, a plain line every few seconds elsewhere. On standard error, never in a result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 10.0
"""Seconds between two plain lines."""

Report = Callable[[int, int], None]
"""Told how much is done, and of how much; 0 where nobody knows."""


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], Report]]:
    """Show how far each part of the work is: `part("members")` gives whom to tell."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda what: _Lines(console, what).report
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:

        def part(what: str) -> Report:
            task = bars.add_task(what, total=None, amount="")
            return lambda done, total: bars.update(
                task, completed=done, total=total or None, amount=_amount(done, total)
            )

        yield part


class _Lines:
    """Plain lines for one part of the work."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._last = time.monotonic()

    def report(self, done: int, total: int) -> None:
        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            self._console.print(f"{self._what}: {_amount(done, total)}")


def _amount(done: int, total: int) -> str:
    return f"{done:,} of {total:,}" if total else f"{done:,}"
