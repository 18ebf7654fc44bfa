"""Asking for a close, following it, and writing what was frozen as files. For commands: blocking, reads committed records only."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from schemas.codec import Codec, Undecodable
from schemas.keys import partition_of
from schemas.records import (
    Adjustment,
    Attribution,
    Close,
    CloseAnnul,
    LogEnd,
    PanelEntry,
    PanelList,
    Partial,
    Reading,
    Snapshot,
    Version,
)
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from schemas.unions import ControlRecord
from state import results
from state.closing import NOT_ANNULLED
from state.measures import cahps
from state.measures.measuring import bound_by
from state.reference.tables import TableStore
from streams.files import write_whole
from streams.frozen_results import read_back
from streams.producing import Message, Sender
from streams.reading import read_outputs, read_since
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, EXIT_FAULT, Stop
from streams.waiting import Progress, Report

PATIENCE = 60.0
"""Seconds without a sign of the workers before we stop waiting; the close goes on without us."""
LOOK = 0.1
"""Seconds between two looks at how a close stands."""
INPUTS = tuple(topic.name for topic in TOPICS if topic.is_input)


def request(
    settings: Settings,
    codec: Codec,
    period: str,
    reading: Reading,
    *,
    actor: str,
    reason: str | None,
    retro_months: int,
    report: Callable[[str], Report],
) -> Snapshot:
    """Close a reading of a period and return its manifest when every partition has answered.

    Everything that stood on the input topics when it was called is in. A close that was asked for before and is still open
    is followed, not asked again. Raises `Stop` with why it was refused, or that no worker moves.
    """
    said = _snapshots(settings, codec, _partitions_of(settings, period), refused=True)
    known = {close_id: one for close_id, one in said.items() if one.period == period and one.state != "refused"}
    open_ = next((one for one in known.values() if one.reading == reading and one.state == "open"), None)
    if open_ is not None:
        return _followed(settings, codec, open_, report)
    complete = next((one for one in known.values() if one.reading == reading and one.state == "complete"), None)
    if complete is not None:
        raise Stop(_closed_already(complete), EXIT_CONFIG)
    with Progress(settings, report) as progress:
        cutoff = progress.ends(INPUTS)
        progress.reach(INPUTS)
    close = Close(
        close_id=_next_id(known, period, reading),
        period=period,
        reading=reading,
        actor=actor,
        reason=reason,
        cutoff=tuple(
            sorted(
                LogEnd(topic=topic.removeprefix(settings.prefix), partition=partition, offset=end)
                for (topic, partition), end in cutoff.items()
            )
        ),
        retro_months=retro_months,
    )
    before = said.get(close.close_id)
    _append(settings, codec, close)
    return _followed(settings, codec, close, report, after=-1 if before is None else before.control)


def annul(
    settings: Settings, codec: Codec, close_id: str, *, actor: str, reason: str, report: Callable[[str], Report]
) -> Snapshot:
    """Withdraw a close; return how it stands then.

    Raises `Stop` for one that is not there or was withdrawn already, and when its statements are released, with why.
    """
    known = find(settings, codec, close_id)
    if known.state not in ("open", "complete"):
        raise Stop(f"{close_id} is {known.state}: there is nothing to withdraw.", EXIT_CONFIG)
    before = _newest(settings, codec, _partitions_of(settings, known.period))[close_id][0]
    _append(settings, codec, CloseAnnul(close_id=close_id, actor=actor, reason=reason))
    found = _awaited(settings, codec, known.period, close_id, ("annulled",), report, answered_since=before)
    if found.state != "annulled":
        raise Stop(f"{close_id} is {found.message}", EXIT_CONFIG)
    return found


def every_close(settings: Settings, codec: Codec) -> list[Snapshot]:
    """All closes as they stand, in the order in which they were asked for."""
    found = _snapshots(settings, codec, range(settings.partitions))
    return sorted(found.values(), key=lambda one: one.control)


def missing(settings: Settings, codec: Codec, snapshot: Snapshot) -> list[int]:
    """The partitions of `member-events` that have not answered to a close."""
    answered = {
        record.partition
        for record in _control_since(settings, codec, snapshot.control)
        if isinstance(record, Partial) and record.close_id == snapshot.close_id
    }
    return sorted(set(range(settings.partitions)) - answered)


def find(settings: Settings, codec: Codec, close_id: str) -> Snapshot:
    """A close by its id. Raises `Stop` when there is none."""
    found = _snapshots(settings, codec, range(settings.partitions)).get(close_id)
    if found is None:
        raise Stop(f"No close has the id {close_id}: `panelstream close list` shows all.", EXIT_CONFIG)
    return found


def export(settings: Settings, codec: Codec, snapshot: Snapshot, out: Path) -> None:
    """Write panel.csv, lists.csv, adjustments.csv and manifest.json of a complete close into `out`.

    Of a reading that was measured measures.csv, rates.csv and gaps.csv too.
    What was read is checked against the manifest: raises `Stop` when an answer or a result is missing or another; `TableError` when an
    edition or value set by which it was measured is not here.
    """
    answers: dict[tuple[str, str], Attribution] = {}
    entries: list[tuple[str, PanelEntry]] = []
    for _, record, _ in read_outputs(settings, codec, "panels", range(settings.partitions)):
        part: PanelList = record
        if part.close_id != snapshot.close_id:
            continue
        for entry in part.entries:
            entries.append((part.practice_id or "", entry))
            if entry.attribution is not None:
                answers[entry.payer, entry.member_id] = entry.attribution
    total = sum(results.answer_digest(answer) for answer in answers.values())
    if len(answers) != snapshot.members or results.content_digest(total) != snapshot.content_digest:
        raise Stop(
            f"The lists of {snapshot.close_id} hold {len(answers):,} answers, its manifest {snapshot.members:,}, or their digest "
            "differs: records of the panels topic are missing; nothing was written.",
            EXIT_FAULT,
        )
    measured = _measured(settings, codec, snapshot)
    made: dict[Version, Adjustment] = {
        version: record
        for _, record, version in read_outputs(settings, codec, "adjustments", range(settings.partitions))
        if record.close_id == snapshot.close_id and version is not None
    }
    in_order = sorted(made.items(), key=lambda one: (one[1].payer, one[1].member_id, one[0]))
    out.mkdir(parents=True, exist_ok=True)
    unique = {(practice, entry.payer, entry.member_id): entry for practice, entry in entries}
    digests = {
        "panel.csv": write_whole(out / "panel.csv", results.panel_csv(answers[name] for name in sorted(answers))),
        "lists.csv": write_whole(
            out / "lists.csv",
            results.lists_csv(snapshot, ((key[0], unique[key]) for key in sorted(unique))),
        ),
        "adjustments.csv": write_whole(
            out / "adjustments.csv", results.adjustments_csv(record for _, record in in_order)
        ),
    }
    if measured is not None:
        digests |= measured(out)
    manifest = msgspec.json.encode(results.close_manifest(snapshot, digests))
    write_whole(out / "manifest.json", [msgspec.json.format(manifest, indent=2) + b"\n"])


def _measured(settings: Settings, codec: Codec, snapshot: Snapshot) -> Callable[[Path], dict[str, str]] | None:
    """What writes the files of the measures of a close into a folder, once all is read and checked; None where nothing was measured."""
    if not snapshot.measured_by:
        return None
    tables = tuple((one.kind, one.digest) for one in snapshot.measured_by)
    bounds = bound_by(TableStore([settings.tables]), tables)
    found = read_back(snapshot, lambda topic: read_outputs(settings, codec, topic, range(settings.partitions)))
    if (found.count, found.digest) != (snapshot.measure_results, snapshot.measures_digest):
        found.close()
        raise Stop(
            f"The topics measures, gaps and aggregates hold {found.count:,} results of {snapshot.close_id}, its manifest "
            f"{snapshot.measure_results:,}, or their digest differs: records are missing; nothing was written.",
            EXIT_FAULT,
        )

    surveyed = cahps.rate_rows(
        (one.edition for one in bounds), snapshot.period, snapshot.reading, snapshot.survey_results
    )

    def write(out: Path) -> dict[str, str]:
        try:
            return found.write(out, bounds, surveyed)
        finally:
            found.close()

    return write


def _closed_already(snapshot: Snapshot) -> str:
    return (
        f"The {snapshot.reading} of {snapshot.period} was closed already, as {snapshot.close_id}: `panelstream close export "
        f"{snapshot.close_id} --out DIR` writes it, and `panelstream close annul {snapshot.close_id} --reason TEXT` withdraws it."
    )


def _next_id(known: Iterable[str], period: str, reading: str) -> str:
    """An id that no close of the period has had."""
    name = f"{period}-{reading}"
    taken = set(known)
    return next(one for one in (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))) if one not in taken)


def _append(settings: Settings, codec: Codec, record: Close | CloseAnnul) -> None:
    kind = str(type(record).__struct_config__.tag)
    Sender(settings.bootstrap).send_now(
        [Message(topic_name(settings.prefix, "control"), 0, kind.encode(), codec.encode_control(record))]
    )


def _followed(
    settings: Settings, codec: Codec, close: Close | Snapshot, report: Callable[[str], Report], *, after: int = -1
) -> Snapshot:
    ends = ("complete", "refused", "annulled")
    found = _awaited(settings, codec, close.period, close.close_id, ends, report, after=after)
    if found.state != "complete":
        raise Stop(f"{close.close_id} was {found.state}: {found.message}", EXIT_CONFIG)
    return found


def _awaited(
    settings: Settings,
    codec: Codec,
    period: str,
    close_id: str,
    states: tuple[str, ...],
    report: Callable[[str], Report],
    *,
    after: int = -1,
    answered_since: Version | None = None,
) -> Snapshot:
    """Wait until a close stands in one of some states. What was said of a request up to the offset `after` is another's answer.

    With `answered_since`, also until something newer says that the close is not annulled.

    Raises `Stop` when those for whom it waits do not get on with it, whatever else moves: the conductor before the barrier is
    up, the partitions that have not answered after it.
    """
    told = report("closing")
    with Progress(settings, report) as progress:
        moved_at, moved_to = time.monotonic(), object()
        while True:
            found = _snapshots(settings, codec, _partitions_of(settings, period), refused=True).get(close_id)
            if found is not None and found.control <= after:
                found = None
            kept = answered_since is not None and _was_kept(settings, codec, period, close_id, answered_since)
            if found is not None and (found.state in states or kept):
                told(1, 1)
                return found
            waits_for: list[int] = []
            if found is not None and found.state == "open" and "complete" in states:
                waits_for = missing(settings, codec, found)
                told(settings.partitions - len(waits_for), settings.partitions)
            stands: object = (
                (waits_for, progress.position("member-events", waits_for))
                if waits_for
                else progress.position("control")
            )
            if stands != moved_to:
                moved_at, moved_to = time.monotonic(), stands
            elif time.monotonic() - moved_at > PATIENCE:
                raise Stop(_no_progress(close_id, waits_for), EXIT_BROKER)
            time.sleep(LOOK)


def _was_kept(settings: Settings, codec: Codec, period: str, close_id: str, since: Version) -> bool:
    """Whether it was said of a close, later than `since`, that it is not annulled."""
    version, found = _newest(settings, codec, _partitions_of(settings, period))[close_id]
    return version > since and (found.message or "").startswith(NOT_ANNULLED)


def _no_progress(close_id: str, waits_for: Sequence[int]) -> str:
    if waits_for:
        who = f"partitions {', '.join(map(str, waits_for))} of member-events have not answered and do not move"
        then = "see in the workers' logs and at /ready who has them"
    else:
        who, then = "no conductor moves", "see why the worker that had control[0] ended"
    return (
        f"{close_id} is asked for, and for {PATIENCE:.0f} seconds {who}: start workers with `panelstream worker`, or {then}; "
        "the same command then waits for it again."
    )


def _partitions_of(settings: Settings, period: str) -> set[int]:
    return {partition_of(f"{period}|{reading}", settings.partitions) for reading in ("panel", "initial", "final")}


def _snapshots(
    settings: Settings, codec: Codec, partitions: Iterable[int], *, refused: bool = False
) -> dict[str, Snapshot]:
    """What each close was last said to be, by id."""
    found = _newest(settings, codec, partitions, refused=refused)
    return {close_id: snapshot for close_id, (_, snapshot) in found.items()}


def _newest(
    settings: Settings, codec: Codec, partitions: Iterable[int], *, refused: bool = False
) -> dict[str, tuple[Version, Snapshot]]:
    """What each close was last said to be, by id, with its version."""
    newest: dict[str, tuple[Version, Snapshot]] = {}
    for _, record, version in read_outputs(settings, codec, "snapshots", partitions):
        snapshot: Snapshot = record
        if version is None or (snapshot.state == "refused" and not refused):
            continue
        known = newest.get(snapshot.close_id)
        if known is None or known[0] < version:
            newest[snapshot.close_id] = (version, snapshot)
    return newest


def _control_since(settings: Settings, codec: Codec, offset: int) -> Iterator[ControlRecord]:
    """What stands on `control` from an offset on. Raises `Stop` when the broker is away."""
    for message in read_since(settings, "control", {0: offset}):
        with contextlib.suppress(Undecodable):
            yield codec.decode_control(message.value() or b"")
