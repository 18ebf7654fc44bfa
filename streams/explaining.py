"""One member's answers, asked of a worker's state file or of event files: read only, at any date."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from schemas.codec import Codec
from schemas.keys import member_key, partition_of
from schemas.records import Alert, Attribution, AttributionChange, Position, Tick
from schemas.registry import EmbeddedRegistry
from state import engine
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from streams.replaying import History, Question
from streams.settings import Settings, member_file
from streams.stopping import EXIT_CONFIG, EXIT_STATE, Stop


@dataclass(frozen=True)
class Explanation:
    """What is said of a member on a day, and what it rests on."""

    attribution: Attribution
    alert: Alert | None
    """The alert open on that day."""
    grounds: engine.Grounds
    """The visits behind it, what put it before the runner-up, and the claims that did not count."""
    requests: tuple[engine.Asked, ...]
    """Attribution requests and decisions, by first day."""
    lists: tuple[engine.OnList, ...]
    """Frozen lists on which the member stands or stood, the latest first."""
    changes: tuple[AttributionChange, ...] | None
    """Every change of the last 18 months, the latest first; None where the facts were read from files, which hold no history."""
    data_through: dt.date | None
    """The last day that the payer's claims are said to cover."""
    source: str
    """Where the facts were read, and how far they go."""
    failed: str | None
    """The kind of fault for which the service set the member aside: facts that came later are not in the answer."""


@dataclass(frozen=True)
class Known:
    """A member as it is known on a day: what there is to explain from."""

    member: engine.Member
    rows: Mapping[str, engine.Row | None]
    as_of: dt.date
    knowledge: Knowledge
    changes: tuple[AttributionChange, ...] | None
    source: str
    failed: str | None
    """As in `Explanation`, the three."""


def from_state(settings: Settings, payer: str, member_id: str, as_of: dt.date | None) -> Known:
    """The member as a worker of this host knows it, on `as_of` or, without it, on the partition's own date.

    Raises `Stop` for a state file that is not here or of another partition count, an unknown member, a clock not set yet.
    """
    key = member_key(payer, member_id)
    partition = partition_of(key, settings.partitions)
    path = member_file(settings.state, partition)
    if not path.exists():
        raise Stop(
            f"{path} does not exist: ask on the host whose worker holds partition {partition}, or set PANELSTREAM_STATE to its folder "
            "and PANELSTREAM_PARTITIONS to its count.",
            EXIT_STATE,
        )
    codec = Codec(EmbeddedRegistry())
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            db.execute("BEGIN")
            partitions, watermark = db.execute("SELECT partitions, watermark FROM meta").fetchone()
            (today,) = db.execute("SELECT as_of FROM progress").fetchone()
            stored = db.execute("SELECT state, failed FROM members WHERE key = ?", (key,)).fetchone()
            changed = db.execute(
                "SELECT as_of, record FROM changes WHERE member = ? ORDER BY event_offset DESC, ordinal DESC", (key,)
            ).fetchall()
            cold = dict(db.execute("SELECT name, state FROM rows WHERE member = ?", (key,)).fetchall())
            reference = db.execute("SELECT record, event_offset FROM reference ORDER BY control").fetchall()
    except sqlite3.Error as problem:
        raise Stop(
            f"{path} cannot be read ({problem}): check its permissions, and that it is a state file.", EXIT_STATE
        ) from None
    if partitions != settings.partitions:
        raise Stop(
            f"{path} is of {partitions} partitions, PANELSTREAM_PARTITIONS is {settings.partitions}: set it to {partitions}.",
            EXIT_CONFIG,
        )
    source = f"member-events[{partition}] below offset {watermark}"
    if stored is None:
        raise _unknown(payer, member_id, source)
    day = as_of or (dt.date.fromisoformat(today) if today else None)
    if day is None:
        raise Stop("The clock has not been set: run `panelstream tick DATE`, or give --as-of.", EXIT_CONFIG)
    knowledge = Knowledge.initial(TableStore([settings.tables]))
    for facts, offset in reference:
        record = codec.decode_facts("control", facts)
        if not isinstance(record, Tick):
            knowledge = knowledge.apply(record, Position("control", 0, offset), as_of=None).knowledge
    knowledge = knowledge.reach(day).knowledge
    member = engine.decode_member(stored[0])
    rows = {name: engine.decode_row(data) for name, data in cold.items()}
    if str(day) != today:
        # The hot state holds what matters from its own date on, by the code lists of that date: for another day, everything again.
        engine.rederive(member, rows, knowledge)
    oldest = engine.changes_kept_from(day).isoformat()
    changes = tuple(engine.decode_change(record) for when, record in changed if oldest <= when <= day.isoformat())
    return Known(member, rows, day, knowledge, changes, source, stored[1])


def from_files(
    settings: Settings,
    paths: Sequence[Path],
    payer: str,
    member_id: str,
    question: Question,
    report: Callable[[int, int], None],
) -> Known:
    """The member as `replay` of these files would have it. Raises `Stop` for an unknown member."""
    name = (payer, member_id)
    history = History.of(paths, question, TableStore([settings.tables]), only=name, report=report)
    source = ", ".join(history.files.names)
    member, rows = history.fold(name) if name in history.members_lines else (None, {})
    if member is None:
        raise _unknown(payer, member_id, source)
    return Known(member, rows, question.as_of, history.knowledge, None, source, None)


def explanation(known: Known) -> Explanation:
    """Why the member is whose patient."""
    member, as_of, knowledge = known.member, known.as_of, known.knowledge
    return Explanation(
        engine.attribution(member, as_of, knowledge),
        engine.open_alert(member, as_of, knowledge),
        engine.grounds_of(member, as_of, knowledge, known.rows),
        engine.requests_of(member, as_of, knowledge),
        engine.lists_of(member, knowledge),
        known.changes,
        knowledge.data_through(member.payer),
        known.source,
        known.failed,
    )


def _unknown(payer: str, member_id: str, source: str) -> Stop:
    return Stop(
        f"No member {member_id} of payer {payer} is known in {source}: check both, or wait until the worker has caught up.",
        EXIT_CONFIG,
    )
