"""Work shared out to processes, one for each core, with the same results in the same order as by one.

The processes are started afresh (spawn), so that nothing of this one, such as threads or open files, is half there in them. One that
cannot go on is a `Stop`; they all end with this one, however it ends.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from state.reference.tables import TableError
from streams.stopping import EXIT_FAULT, Stop

T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
R = TypeVar("R")
Heard = Callable[[int], None]
"""Told how much more is done."""
_EXPECTED = (Stop, TableError, OSError)


class Work(Protocol[T_contra, R_co]):
    """What is done with a task. It can be pickled, as tasks and results can; what it prepares for itself serves many tasks."""

    def __call__(self, task: T_contra, heard: Heard, /) -> R_co: ...  # noqa: D102 - see the class


def cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many processes can work at once here: on so many cores this one may run, and a container may have time for fewer (`quota`)."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time, period = quota.read_text(encoding="ascii").split()
        return max(1, min(here, int(time) // int(period)))
    except (OSError, ValueError):
        # Without a container or a limit the file is missing, or says max.
        return here


class Processes:
    """So many processes, started when there is work for more than one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._started: list[tuple[SpawnProcess, Connection]] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them: idle when all went well, in the middle of their work otherwise."""
        for process, connection in self._started:
            connection.close()
            if fault is not None:
                process.terminate()
        for process, _ in self._started:
            process.join()

    def each(self, work: Work[T, R], tasks: Sequence[T], heard: Heard) -> Iterator[R]:
        """The result of every task, in their order. Raises what the work raises, and `Stop` for a process that has gone."""
        if min(self._count, len(tasks)) <= 1:
            for task in tasks:
                yield work(task, heard)
            return
        self._start()
        waiting = iter(enumerate(tasks))
        at_work: dict[Connection, SpawnProcess] = {}
        for process, connection in self._started:
            with _gone(process):
                connection.send(work)
            at_work[connection] = process
        for connection, process in list(at_work.items()):
            if not _send_next(process, connection, waiting):
                del at_work[connection]
        results: dict[int, R] = {}
        due = 0
        while due < len(tasks):
            for ready in wait(list(at_work)):
                assert isinstance(ready, Connection)  # noqa: S101 - nothing else is waited for
                process = at_work[ready]
                with _gone(process):
                    what, number, said = ready.recv()
                if what == "heard":
                    heard(said)
                elif what == "raised":
                    raise said
                else:
                    results[number] = said
                    if not _send_next(process, ready, waiting):
                        del at_work[ready]
            while due in results:
                yield results.pop(due)
                due += 1

    def _start(self) -> None:
        if self._started:
            return
        context = multiprocessing.get_context("spawn")
        with _without_interrupts():
            for _ in range(self._count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs,), daemon=True)
                process.start()
                theirs.close()
                self._started.append((process, ours))


def _send_next(process: SpawnProcess, connection: Connection, waiting: Iterator[tuple[int, Any]]) -> bool:
    """Give a process its next task; False when none is left."""
    task = next(waiting, None)
    if task is not None:
        with _gone(process):
            connection.send(task)
    return task is not None


@contextlib.contextmanager
def _gone(process: SpawnProcess) -> Iterator[None]:
    """Raise `Stop` where a process has ended that should have listened or spoken."""
    try:
        yield
    except (EOFError, ConnectionError):
        process.join()
        code = process.exitcode or 0
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        raise Stop(
            f"A process that shared the work ended {how}: the memory may not have sufficed for {cores()} at once; give it fewer cores "
            "(taskset) or more memory, and start again.",
            EXIT_FAULT,
        ) from None


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started here never hear of Ctrl-C: the one that started them does, and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(connection: Connection) -> None:
    """Work on what comes, until whoever sends it has gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - it has just started this one
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    # What is here now stays, and what work makes goes by itself: there is little to look for.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    work: Any = None
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            message = connection.recv()
            if not isinstance(message, tuple):
                work = message
                continue
            number, task = message
            try:
                result = work(task, lambda more: connection.send(("heard", 0, more)))
            except ConnectionError:
                raise
            except _EXPECTED as problem:
                connection.send(("raised", number, problem))
            except Exception as fault:
                connection.send(("raised", number, _unknown(fault)))
            else:
                connection.send(("result", number, result))


def _end_with(parent: BaseProcess) -> None:
    """End in the middle of a task: whoever wants its result has gone."""
    parent.join()
    os._exit(EXIT_FAULT)


def _unknown(fault: Exception) -> Stop:
    """A fault that nobody expected. Its text may hold a member's data, and is not said."""
    places = []
    trace = fault.__traceback__
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return Stop(
        f"An unknown fault, {type(fault).__name__} at {' < '.join(reversed(places[-4:]))}: please report it.",
        EXIT_FAULT,
    )
