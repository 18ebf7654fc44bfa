"""A frozen reading asked again from an exported log: what its manifest says was known, and whether the same comes out.

Source: design.md law 3: a snapshot's manifest lists its positions, `replay --snapshot` recomputes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from schemas.keys import member_key
from schemas.records import PartitionPosition, Passed, Position, Table
from state.calendar import EARLIEST, from_date
from state.reference.knowledge import Knowledge
from streams.log_files import BROADCAST, UNREADABLE, Logged
from streams.stopping import EXIT_CONFIG, Stop


class FrozenClose(msgspec.Struct, frozen=True):
    """Which close a manifest is of."""

    id: str
    period: str
    reading: str


class FrozenRuleset(msgspec.Struct, frozen=True):
    """The ruleset of a close, by name and sha256."""

    name: str
    digest: str


class FrozenCounts(msgspec.Struct, frozen=True):
    """How many members have an answer, and how many of them a practice."""

    members: int
    attributed: int


class FrozenPositions(msgspec.Struct, frozen=True):
    """What was known: of each partition what lies below its watermark, but for what was passed over; of `control` what lies below."""

    member_events: tuple[PartitionPosition, ...]
    control: int
    passed_over: tuple[Passed, ...] = ()


class Measured(msgspec.Struct, frozen=True):
    """What the measures of a reading say: the digest, and how many results there are."""

    digest: str
    results: int


class FrozenTable(msgspec.Struct, frozen=True):
    """An edition, value set or supplied table by which a reading was measured."""

    kind: str
    digest: str


class FrozenMeasures(Measured, frozen=True):
    """The measures of a close, and by what they were asked."""

    by: tuple[FrozenTable, ...]

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """(kind, sha256) of what they were asked by."""
        return tuple((one.kind, one.digest) for one in self.by)


class Manifest(msgspec.Struct, frozen=True):
    """The manifest.json of a complete close (state.results.close_manifest), as far as it binds a replay."""

    close: FrozenClose
    as_of: dt.date
    engine_version: str
    ruleset: FrozenRuleset
    tables: Mapping[str, str]
    content_digest: str
    counts: FrozenCounts
    positions: FrozenPositions
    payers_not_frozen: tuple[str, ...] = ()
    failed_members: tuple[str, ...] = ()
    measures: FrozenMeasures | None = None

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest in a file. Raises `Stop` when it is none of a complete close."""
        if not path.is_file():
            raise Stop(
                f"{path} does not exist: name the manifest.json that `panelstream close export` wrote.", EXIT_CONFIG
            )
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Stop(
                f"{path} is not the manifest of a complete close: name the manifest.json that `panelstream close export` wrote.",
                EXIT_CONFIG,
            ) from None

    def leaves_out(self, payer: str, member_id: str) -> bool:
        """Whether a member is in no list and no digest: the payer was not frozen, or the service could not work the member."""
        return payer in self.payers_not_frozen or member_key(payer, member_id) in self.failed_members

    def base_tables(self, knowledge: Knowledge) -> Iterator[tuple[Table, Position]]:
        """The tables of the close that this release would not have in force by itself: those of the release that closed.

        As records older than all others, so that what the log has put in force goes before.
        """
        ours = {one.kind: one.digest for one in knowledge.tables_in_force(from_date(self.as_of))}
        theirs = {**self.tables, "ruleset": self.ruleset.digest}
        for place, kind in enumerate(ours):
            if theirs.get(kind, ours[kind]) != ours[kind]:
                table = Table(kind=kind, name=kind, version="", digest=theirs[kind], activated_from=EARLIEST)
                yield table, Position("", 0, place)

    def differences(
        self, knowledge: Knowledge, members: int, attributed: int, content_digest: str, measures: Measured | None
    ) -> list[str]:
        """What is another than at the close, a phrase each; empty when the snapshot is equal."""
        frozen = self.measures
        named = {(record.kind, record.digest) for record, _ in knowledge.table_records}
        found = {"ruleset": self.ruleset.digest, **self.tables}
        ours = {one.kind: one.digest for one in knowledge.tables_in_force(from_date(self.as_of))}
        compared = [
            ("members", self.counts.members, members),
            ("attributed", self.counts.attributed, attributed),
            *((f"table {kind}", found.get(kind), ours.get(kind)) for kind in sorted(found.keys() | ours.keys())),
            *(
                (f"table {kind}", digest, None)
                for kind, digest in (frozen.tables if frozen else ())
                if (kind, digest) not in named
            ),
            ("content digest", self.content_digest, content_digest),
            ("results of measures", frozen and frozen.results, measures and measures.results),
            ("measures digest", frozen and frozen.digest, measures and measures.digest),
        ]
        different = [
            f"{what} {'none' if here is None else here} (at the close {'none' if then is None else then})"
            for what, then, here in compared
            if then != here
        ]
        here = knowledge.at(from_date(self.as_of)).engine_version
        if different and self.engine_version != here:
            different.append(f"engine version {here} (at the close {self.engine_version})")
        return different


class Cut:
    """The lines of an exported log that a close knew. Raises `Stop` for lines that no export has, and for lines that are missing."""

    def __init__(self, manifest: Manifest) -> None:
        positions = manifest.positions
        self._manifest = manifest
        self._ends = {("member-events", one.partition): one.watermark for one in positions.member_events}
        self._ends["control", 0] = positions.control
        self._next = dict.fromkeys(self._ends, 0)
        self._passed_over = {(one.partition, one.offset): one.digest for one in positions.passed_over}

    def takes(self, line: Logged | None, file: str, row: int) -> bool:
        """Whether a line was known to the close; the lines are given in the order of the files."""
        if line is None:
            raise Stop(
                f"{file} line {row} does not say where it stands on the log: --snapshot needs the files that `panelstream log export` "
                "wrote, unchanged.",
                EXIT_CONFIG,
            )
        place = line.log.topic, line.log.partition
        end = self._ends.get(place)
        if end is None:
            raise Stop(
                f"{file} line {row} is of {place[0]}[{place[1]}], which {self._manifest.close.id} does not know: export the log that "
                "was closed.",
                EXIT_CONFIG,
            )
        if self._next[place] > end:
            return False
        if line.log.offset != self._next[place]:
            raise Stop(
                f"{file} line {row} is {line.log}, where offset {self._next[place]} should stand: lines are missing, doubled or out "
                "of order. Export the log again.",
                EXIT_CONFIG,
            )
        self._next[place] += 1
        if line.log.offset == end:
            self._check_barrier(line, file, row)
            return False
        if line.event_type == UNREADABLE:
            if self._passed_over.get((place[1], line.log.offset)) == line.log.digest:
                return False
            raise Stop(
                f"{file} line {row} could not be read when the log was exported, and {self._manifest.close.id} knew it: export with "
                "the release that closed.",
                EXIT_CONFIG,
            )
        return place[0] == "control" or (place[1], line.log.offset) not in self._passed_over

    def check_complete(self) -> None:
        """Raise `Stop` when the files end before the close does."""
        for (topic, partition), end in self._ends.items():
            reached = self._next[topic, partition]
            if reached <= end:
                there = f"ends before offset {reached}" if reached else "is not in the files"
                raise Stop(
                    f"{topic}[{partition}] {there}, and {self._manifest.close.id} reaches to {end}: name every file of an export made "
                    "after the close.",
                    EXIT_CONFIG,
                )

    def _check_barrier(self, line: Logged, file: str, row: int) -> None:
        close = self._manifest.close
        is_here = (
            line.close_id == close.id
            if line.log.topic == "control"
            else line.event_type == BROADCAST and line.log.control == self._manifest.positions.control
        )
        if not is_here:
            raise Stop(
                f"{file} line {row} is not where {close.id} was closed: this is another log, or another manifest.",
                EXIT_CONFIG,
            )
