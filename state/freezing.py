"""One partition's part of a close: its members frozen one by one, the lists they make, and the answer to the conductor.

Source: design.md, closing a period.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from schemas.records import (
    PanelEntry,
    PanelList,
    Partial,
    Passed,
    PeopleCount,
    PracticeCount,
    PracticeId,
    TableInForce,
)
from state import engine, results
from state.closing import kind_and_status
from state.ledger.member import Member
from state.ledger.rows import Row
from state.ledger.services import person_on
from state.measures import digest
from state.measures.editions import Bound
from state.measures.facts import Kept, Profile
from state.measures.frozen import kept_from, results_of
from state.measures.outcome import Sums
from state.measures.results import Asked, Result, gap_rows, measure_row
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge

_encoder = msgspec.msgpack.Encoder()
Alike = tuple[str, str, str, Literal["F", "M", "U"], int]
"""Payer, practice, product, gender and age: members that payments do not tell apart."""
MOST_BYTES = 1_000_000
"""Of the entries of one list record, as MessagePack with names: more than they take as Avro. Topics take four times as much."""


class Tally(msgspec.Struct, array_like=True):
    """What was frozen so far: the sum of the digests of the answers (hex), and members by payer and practice ("" for none).

    Of measures the sum of the digests of the lines of results (hex), and how many results there are; what they add up to is with the sums.
    `people`: members on lists, counted as in the partial.
    """

    digest: str
    counts: dict[str, dict[str, int]]
    measures: str = "0"
    results: int = 0
    people: list[PeopleCount] = []


class Freezing:
    """A close under way in one partition. What `take` is given is remembered until `lists` hands it out."""

    def __init__(self, one: FrozenList, as_of: dt.date, knowledge: Knowledge, tally: Tally) -> None:
        self.one = one
        self._as_of = as_of
        self._knowledge = knowledge
        self._total = int(tally.digest, 16)
        self._counts = tally.counts
        self._measures = int(tally.measures, 16)
        self._results = tally.results
        self._people = Counter({_alike(one): one.members for one in tally.people})
        self._entries: dict[PracticeId | None, list[PanelEntry]] = {}

    @classmethod
    def of(cls, one: FrozenList, as_of: dt.date, knowledge: Knowledge, tally: bytes | None) -> Freezing:
        """Begin, or go on where a tally stands. `as_of` is the clock's date, `knowledge` what is known without this close."""
        begun = Tally("0", {}) if tally is None else msgspec.msgpack.decode(tally, type=Tally)
        return cls(one, as_of, knowledge, begun)

    def take(self, member: Member, rows: Mapping[str, Row | None] | None) -> frozenset[str]:
        """Freeze one member, if a list is made for its payer; return the terms it is to be found by besides its own.

        `rows` as `engine.freeze` needs them.
        """
        if member.payer in self.one.left_out:
            return frozenset()
        frozen = engine.freeze(member, self.one, self._as_of, self._knowledge, rows)
        for practice, entry in frozen.entries:
            self._entries.setdefault(practice, []).append(entry)
        self._total += results.answer_digest(frozen.attribution)
        counts = self._counts.setdefault(member.payer, {})
        practice_id = frozen.attribution.practice_id or ""
        counts[practice_id] = counts.get(practice_id, 0) + 1
        if practice_id:
            person = person_on(member, practice_id, self.one.as_of)
            self._people[member.payer, person.practice_id, person.product, person.gender, person.age] += 1
        return frozen.terms

    def measure(
        self, member: Member, profile: Profile, kept: Iterable[Kept], rows: Mapping[str, Row | None] | None
    ) -> tuple[Result, ...]:
        """What the reading's measures say of a member, before `take` freezes it; nothing where nothing is measured.

        `kept` are the facts that the member keeps for measures; `rows` all cold rows, where `needs_rows`.
        """
        window = self.one.window
        if window is None:
            return ()
        bounds = self.bounds
        if rows is not None:
            kept = kept_from(rows, bounds, allow_reopen=self._knowledge.ruleset.allow_reopen)
        whose = engine.practice_on(member, self.one, self._knowledge, rows)
        return tuple(results_of(profile, kept, bounds, window, whose))

    def count(self, member: Member, found: Iterable[Result]) -> None:
        """Take the results of a member's measures into the digest of the close."""
        for result in found:
            asked = Asked(result.edition, result.window.id, self.one.close.reading)
            about = (asked, result.measure, member.payer, member.member_id, result.practice)
            day = self.one.as_of
            rows = [
                *(measure_row(*about, one, day) for one in result.outcomes),
                *gap_rows(*about, result.outcomes, day),
            ]
            self._measures += sum(digest.of_line(results.line(row)) for row in rows)
            self._results += len(result.outcomes)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The editions by which the reading is measured."""
        return self._knowledge.bounds_of(self._measured_by) if self._measured_by else ()

    @property
    def engine_version(self) -> str:
        """The rules as code by which the day of the reading is judged."""
        return self._knowledge.at(self.one.as_of).engine_version

    def needs_rows(self) -> bool:
        """Whether `measure` and `take` need the cold rows."""
        enough = engine.keeps_lines_of(self.one, self._as_of, self._knowledge)
        return not (enough and self._knowledge.keeps_facts_of(self.one))

    def lists(self) -> list[tuple[str, PanelList]]:
        """The lists of the members taken since the last call, by practice, each under its key; a long one in several parts."""
        close = self.one.close
        kind, status = kind_and_status(close.reading)
        entries, self._entries = self._entries, {}
        return [
            (
                f"{close.period}|{close.reading}|{practice or ''}",
                PanelList(
                    close_id=close.close_id,
                    period=close.period,
                    reading=close.reading,
                    as_of=close.as_of,  # type: ignore[arg-type]
                    list_kind=kind,
                    list_status=status,
                    practice_id=practice,
                    entries=part,
                ),
            )
            for practice in sorted(entries, key=lambda one: one or "")
            for part in _parts(entries[practice])
        ]

    def tally(self) -> bytes:
        """What to go on from after a crash."""
        return _encoder.encode(
            Tally(f"{self._total:x}", self._counts, f"{self._measures:x}", self._results, self._counted())
        )

    def partial(
        self,
        *,
        partition: int,
        watermark: int,
        accepted_at: dt.datetime,
        failed: Sequence[str],
        skips: Iterable[tuple[int, str, str]],
        sums: Mapping[str, Sums],
        sums_parts: int,
    ) -> Partial:
        """The partition's answer, when every member was taken. `sums` are what the reading's results add up to, by the keys of cells.

        `sums_parts`: in how many records sums go before it.
        """
        then = self._knowledge.at(self.one.as_of)
        total = self._measures + sum(digest.of_sums(cell, some) for cell, some in sums.items())
        return Partial(
            close_id=self.one.close.close_id,
            partition=partition,
            watermark=watermark,
            accepted_at=accepted_at,
            ruleset=then.ruleset_name,
            tables=self._knowledge.tables_in_force(self.one.as_of),
            engine_version=then.engine_version,
            digest=results.content_digest(self._total),
            counts=tuple(
                PracticeCount(payer=payer, practice_id=practice, members=members)
                for payer, practices in sorted(self._counts.items())
                for practice, members in sorted(practices.items())
            ),
            failed=tuple(failed),
            not_frozen=tuple(sorted(self.one.left_out)),
            skips=tuple(
                Passed(partition=partition, offset=offset, digest=sha256, reason=reason)
                for offset, sha256, reason in skips
            ),
            measured_by=tuple(TableInForce(kind=kind, digest=sha256) for kind, sha256 in self._measured_by),
            measures_digest=digest.text(total) if self._measured_by else None,
            measure_results=self._results,
            people=tuple(self._counted()),
            sums_parts=sums_parts,
        )

    @property
    def _measured_by(self) -> tuple[tuple[str, str], ...]:
        return () if self.one.window is None else self.one.measured_by

    def _counted(self) -> list[PeopleCount]:
        return [
            PeopleCount(payer=payer, practice_id=practice, product=product, gender=gender, age=age, members=members)
            for (payer, practice, product, gender, age), members in sorted(self._people.items())
        ]


def _alike(one: PeopleCount) -> Alike:
    return (one.payer, one.practice_id, one.product, one.gender, one.age)


def _parts(entries: Iterable[PanelEntry]) -> Iterator[tuple[PanelEntry, ...]]:
    """Entries in order, cut before a part would outgrow a record."""
    part: list[PanelEntry] = []
    size = 0
    for entry in entries:
        more = len(_encoder.encode(entry))
        if part and size + more > MOST_BYTES:
            yield tuple(part)
            part, size = [], 0
        part.append(entry)
        size += more
    yield tuple(part)
