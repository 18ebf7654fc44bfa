"""`replay` of a history beside reading and parsing the same file as JSON: what knowing costs over reading."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ops.bench import people
from ops.bench.measured import Found, Sizes
from state.reference.tables import TableStore
from streams.replaying import Question, processes_for, replay


def replay_vs_json(sizes: Sizes) -> Iterator[Found]:
    """Seconds to replay the history to its results, by all cores, and seconds to read it as JSON, line by line, on one."""
    history = people.history_file(sizes)
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(sizes.repeats):
        started = time.perf_counter()
        _parse(history)
        peer.append(time.perf_counter() - started)
        started = time.perf_counter()
        replay([history], Question(people.DAY), TableStore([]), sizes.folder / "replayed")
        ours.append(time.perf_counter() - started)
    shutil.rmtree(sizes.folder / "replayed")
    yield Found(name="replay_vs_json", ours=ours, peer=peer, processes=processes_for(history.stat().st_size))


def _parse(history: Path) -> None:
    with history.open("rb") as file:
        for line in file:
            json.loads(line)
