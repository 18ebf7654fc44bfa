"""What a worker logs: one JSON object a line, or plain text. Never a member's data.

Our own messages name topics, partitions, offsets and kinds of faults. Messages of libraries may quote what they were given,
so that of an exception only its kind and place are written, never its text.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import traceback
from typing import Literal

from streams import stopping

QUIET = ("aiokafka", "kafka", "faust", "mode", "asyncio", "aiosqlite", "streams.batching")
"""Libraries (the last speaks as Faust's consumer) of which only what is worse than a warning is worth a line in service."""
QUOTING = ("faust", "mode", "asyncio", "py")
"""Libraries (and Python's own warnings) whose messages may hold values: of these the pattern is written, not what was put in."""
Style = Literal["json", "text"]


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One object: time (UTC), level, logger, message; of a fault its kind and where."""
        line: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["fault"] = _fault(record.exc_info[1])
        return json.dumps(line)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The same for a person."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line = f"{when} {record.levelname.lower()} {record.name}: {_message(record)}"
        if record.exc_info and record.exc_info[1] is not None:
            line += f" ({_fault(record.exc_info[1])})"
        return line


def _message(record: logging.LogRecord) -> str:
    """The message; of libraries that quote what they were given, only what they say of it."""
    library = record.name.partition(".")[0]
    if library in QUOTING:
        return str(record.msg).partition("\n")[0]
    return record.getMessage()


def _fault(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)[-3:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(fault).__name__} at {places}" if places else type(fault).__name__


def _last_line(sentence: str) -> str:
    """The sentence with which a worker ends, as an object: whoever collects lines must not lose the most important one."""
    return _Json().format(logging.LogRecord("panelstream", logging.CRITICAL, "", 0, "%s", (sentence,), None))


def set_up(style: Style) -> None:
    """Send everything of this process to standard error in one style."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    if style == "json":
        stopping.end_as(_last_line)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
