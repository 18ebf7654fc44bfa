"""How a process ends when it must not go on: one clear sentence on standard error and an exit code that says which kind.

A worker ends by `end_process`, not by `sys.exit`: Faust hangs on the latter, and an orderly shutdown would acknowledge
what was not done (faust.md 1.5, H6).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

EXIT_FAULT = 70
"""Something unknown: nothing of the record was kept; a supervisor may restart."""
EXIT_HOLE = 71
"""The log does not continue where the state ends."""
EXIT_FENCED = 72
"""Another worker owns the partition now."""
EXIT_BROKER = 73
"""The broker or the registry cannot be reached."""
EXIT_STATE = 74
"""A state file cannot be used: locked, of another format or partition, or the disk is full."""
EXIT_CONFIG = 78
"""A setting, an argument or a table is wrong or missing."""


class Stop(Exception):
    """The process has to end. The text is the one sentence for a person: what is wrong and what to do next."""

    def __init__(self, sentence: str, code: int = EXIT_FAULT) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code

    def __reduce__(self) -> tuple[type[Stop], tuple[str, int]]:
        """So that one process can tell another."""
        return Stop, (self.sentence, self.code)


_last_line: Callable[[str], str] = "panelstream: {}".format


def end_as(last_line: Callable[[str], str]) -> None:
    """Have the sentence with which this process may end written as its other lines are."""
    global _last_line  # noqa: PLW0603 - of the process, as its standard error is
    _last_line = last_line


def end_process(sentence: str, code: int) -> NoReturn:
    """Print the sentence and end at once, acknowledging nothing."""
    stream = sys.__stderr__ or sys.stderr
    stream.write(_last_line(sentence) + "\n")
    stream.flush()
    os._exit(code)


_failpoint, _, _passes = os.environ.get("PANELSTREAM_FAILPOINT", "").partition(":")
_passes_left = int(_passes or 1)


def failpoint(name: str) -> None:
    """Die by SIGKILL here if `PANELSTREAM_FAILPOINT=name[:nth pass]` asks for it: how tests prove what a crash leaves."""
    global _passes_left  # noqa: PLW0603 - counts the passes of this process
    if name == _failpoint:
        _passes_left -= 1
        if _passes_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
