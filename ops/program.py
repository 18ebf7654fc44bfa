"""The console script `panelstream`: every verb, and every expected mistake as one sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer
from typer.exceptions import Abort, TyperException

from ops import demo, generate
from schemas.registry import RegistryAway, RegistryError
from state.reference.tables import TableError
from state.reference.value_sets import InvalidValueSets
from state.stores.log_state import StateFileError
from streams.adapters.sources import SourceError
from streams.cli.program import program
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, EXIT_FAULT, EXIT_STATE, Stop

EXIT_INTERRUPTED = 130


def app() -> typer.Typer:
    """The whole program."""
    whole = program()
    whole.command("demo")(demo.command)
    whole.command("generate")(generate.command)
    return whole


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb and end the process: 0, or a sentence on standard error and another status."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = app()(given, prog_name="panelstream", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as mistake:
        _end(_usage(mistake), EXIT_CONFIG)
    except Stop as stop:
        _end(stop.sentence, stop.code)
    except RegistryAway as problem:
        _end(str(problem), EXIT_BROKER)
    except (TableError, RegistryError, SourceError, InvalidValueSets) as problem:
        _end(str(problem), EXIT_CONFIG)
    except StateFileError as problem:
        _end(str(problem), EXIT_STATE)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nothing is wrong, and nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as problem:
        _end(
            f"{problem.filename or 'A file'} cannot be used ({problem.strerror}): check its path and permissions.",
            EXIT_CONFIG,
        )
    except (KeyboardInterrupt, Abort):
        _end("stopped.", EXIT_INTERRUPTED)
    except Exception as fault:
        # A traceback may hold a member's data.
        _end(f"An unknown fault, {type(fault).__name__} at {_place(fault)}: please report it.", EXIT_FAULT)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(mistake: TyperException) -> str:
    """What is wrong with the arguments, and where their help is."""
    context = getattr(mistake, "ctx", None)
    verb = context.command_path if context else "panelstream"
    message = " ".join(mistake.format_message().split())
    return f"{message or 'A verb is missing'}{'' if message.endswith('.') else '.'} See `{verb} --help`."


def _place(fault: BaseException) -> str:
    frames = []
    traceback = fault.__traceback__
    while traceback is not None:
        frames.append(f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return " < ".join(reversed(frames[-4:]))


def _end(sentence: str, code: int) -> NoReturn:
    typer.echo(f"panelstream: {sentence}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
