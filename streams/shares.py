"""A replay in shares that know nothing of each other: parts of the files to look at, then members to answer for.

What a look finds of members lies on disk, in blocks of members in their order, so that a share of the members reads what it needs and
nothing has to hold all of it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

import msgspec

from schemas.keys import member_key
from schemas.records import Alert, Attribution, Position, ReferenceRecord
from state import engine, results
from state.reference.tables import TableStore
from streams.event_files import EventFiles, Part
from streams.history import Door, History, Looked, MemberName, Question, Tally, look
from streams.measuring import Measuring, SavedResults
from streams.processes import Heard
from streams.snapshots import Cut

BLOCK = 256
"""Members of one block."""
HEARD_EVERY = 2_000
"""Lines between two reports."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[list[MemberName], list[bytes]])


class Block(msgspec.Struct, frozen=True):
    """Some members of a part, in their order: the first, how many lines speak of all of them, and where they stand in the file."""

    first: MemberName
    lines: int
    start: int
    size: int


@dataclass(frozen=True)
class Filed:
    """What a part is about, with the members in a file."""

    looked: Looked
    path: Path
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, looked: Looked, path: Path) -> Filed:
        """Put the members into a file."""
        names = sorted(looked.members)
        blocks = []
        with path.open("wb") as file:
            for at in range(0, len(names), BLOCK):
                some = names[at : at + BLOCK]
                lines = [looked.members[name].tobytes() for name in some]
                start = file.tell()
                size = file.write(_encoder.encode((some, lines)))
                blocks.append(Block(some[0], sum(map(len, lines)) // 24, start, size))
        looked.members = {}
        return cls(looked, path, tuple(blocks))


class FilePart(msgspec.Struct, frozen=True):
    """A part to look at, and where to put what it is about."""

    part: Part
    path: Path


@dataclass(frozen=True)
class Look:
    """The first pass over parts of the files, and the digest of a file given by its number."""

    files: EventFiles
    question: Question
    cut: Cut | None

    def __call__(self, task: FilePart | int, heard: Heard) -> Filed | str:
        """What a part is about; for a number the sha256 of that file."""
        if isinstance(task, int):
            return self.files.digest(task)
        return Filed.of(look(self.files, task.part, self.question, self.cut, only=None, heard=heard), task.path)


class Piece(msgspec.Struct, frozen=True):
    """The blocks of one part that a share needs: `before` are the rows of the file (by number) before the part."""

    file: int
    before: int
    path: Path
    blocks: tuple[Block, ...]


class Share(msgspec.Struct, frozen=True):
    """The members from `first` on and before `end` (None: all that follow), and where their lines stand; `out` begins names of files."""

    first: MemberName
    end: MemberName | None
    pieces: tuple[Piece, ...]
    out: Path

    def lines(self) -> Iterator[tuple[MemberName, int, int, array[int]]]:
        """Member, file, rows before, and lines, part by part."""
        for piece in self.pieces:
            with piece.path.open("rb") as file:
                for block in piece.blocks:
                    file.seek(block.start)
                    for name, found in zip(*_decoder.decode(file.read(block.size)), strict=True):
                        if self.first <= name and (self.end is None or name < self.end):
                            lines = array("Q")
                            lines.frombytes(found)
                            yield name, piece.file, piece.before, lines


def shares(filed: Sequence[tuple[int, int, Filed]], most: int, folder: Path) -> list[Share]:
    """All members in shares of about `most` lines, in order. `filed`: file by number, rows before the part, and what the part is about."""
    firsts: list[MemberName] = []
    lines = most
    for block in sorted((block for *_, one in filed for block in one.blocks), key=lambda block: block.first):
        if lines >= most and (not firsts or block.first > firsts[-1]):
            firsts.append(block.first)
            lines = 0
        lines += block.lines
    return [
        Share(
            first,
            end,
            tuple(
                Piece(file, before, one.path, some)
                for file, before, one in filed
                if (some := _between(one.blocks, first, end))
            ),
            folder / f"share-{number}",
        )
        for number, (first, end) in enumerate(zip_longest(firsts, firsts[1:]))
    ]


def _between(blocks: Sequence[Block], first: MemberName, end: MemberName | None) -> tuple[Block, ...]:
    """The blocks in which a member from `first` on and before `end` may stand."""
    start = max(0, bisect_right(blocks, first, key=lambda block: block.first) - 1)
    return tuple(block for block in blocks[start:] if end is None or block.first < end)


@dataclass
class Answered:
    """What the members of a share, or of several, have as answers; rows are in files."""

    tally: Tally = field(default_factory=Tally)
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    taxonomy_unknown: Counter[str] = field(default_factory=Counter)
    total: int = 0
    """The sum of the digests of the answers."""
    left_out: int = 0
    panel: list[Path] = field(default_factory=list)
    alerts: list[Path] = field(default_factory=list)
    """Files of lines without headers, in order."""
    measured: SavedResults | None = None
    """What the measures say of one share."""

    def add(self, other: Answered) -> None:
        """Take in what the members of the next share have, but for what the measures say."""
        self.tally.add(other.tally)
        self.counts.update(other.counts)
        self.failed += other.failed
        self.taxonomy_unknown.update(other.taxonomy_unknown)
        self.total += other.total
        self.left_out += other.left_out
        self.panel += other.panel
        self.alerts += other.alerts


@dataclass(frozen=True)
class Answer:
    """The second pass, over shares of the members: every one read, folded and asked."""

    files: EventFiles
    question: Question
    tables: TableStore
    reference: Sequence[tuple[ReferenceRecord, Position]]
    """What the first pass has found, in order."""

    def __call__(self, share: Share, heard: Heard) -> Answered:
        """The answers of a share, in files."""
        known = self._known
        history = History(self.files, self.question, Door(self.question, known.door.codec), known.knowledge)
        for name, file, before, lines in share.lines():
            history.members_lines.setdefault(name, []).append((file, before, lines))
        answered = Answered(tally=history.tally)
        measuring = None if self._measuring is None else self._measuring.anew()
        panel, alerts = share.out.with_suffix(".panel"), share.out.with_suffix(".alerts")
        with ExitStack() as stack:
            rows, said = (stack.enter_context(path.open("wb")) for path in (panel, alerts))
            for answer, alert in _answers(history, answered, measuring, heard):
                rows.write(answer)
                said.write(alert)
        answered.panel, answered.alerts = [panel], [alerts]
        if measuring is not None:
            answered.measured = measuring.results.save(share.out)
        return answered

    @cached_property
    def _known(self) -> History:
        """What is known of reference, as the first pass has found it."""
        history = History.before(self.files, self.question, self.tables)
        for record, position in self.reference:
            history.take_up(record, position)
        history.reach()
        return history

    @cached_property
    def _measuring(self) -> Measuring | None:
        return self._known.measuring()


def _answers(
    history: History, answered: Answered, measuring: Measuring | None, heard: Heard
) -> Iterator[tuple[bytes, bytes]]:
    """The lines of panel.csv and alerts.csv of every member, by payer and member id; what measures say goes to `measuring`."""
    snapshot, counts, worked = history.question.snapshot, answered.counts, 0
    for name in history.members():
        worked += sum(len(lines) for *_, lines in history.members_lines[name]) // 3
        if worked >= HEARD_EVERY:
            heard(worked)
            worked = 0
        told = history.told(name)
        if not told:
            continue
        if snapshot is not None and snapshot.leaves_out(*name):
            answered.left_out += 1
            continue
        try:
            member, rows = history.fold(name, told)
            if member is None:
                continue
            if measuring is not None:
                measuring.take(*name, member, rows, history.knowledge)
            said = engine.first_said(member, history.question.as_of, history.knowledge)
        except Exception as fault:
            # As in the service, one member's fault must not stop the others, and nobody may overlook it.
            counts["failed"] += 1
            answered.failed.append(f"{member_key(*name)} {type(fault).__name__}")
            continue
        yield _lines(*said, answered)
    heard(worked)


def _lines(answer: Attribution, alert: Alert | None, answered: Answered) -> tuple[bytes, bytes]:
    """A member's lines of panel.csv and alerts.csv, and what they count."""
    answered.counts["members"] += 1
    answered.counts[answer.status] += 1
    if "taxonomy_unknown" in answer.flags:
        answered.taxonomy_unknown[answer.payer] += 1
    line = results.panel_line(answer)
    answered.total += results.line_digest(line)
    if alert is None:
        return line, b""
    answered.counts["alerts"] += 1
    return line, results.alert_line(alert)
