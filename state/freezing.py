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
)
from state import engine, results
from state.calendar import Day
from state.closing import kind_and_status
from state.ledger.member import Member
from state.ledger.rows import Row
from state.payment.age_gender import age_on
from state.reference.knowledge import FrozenList, Knowledge

_encoder = msgspec.msgpack.Encoder()
Alike = tuple[str, str, str, Literal["F", "M", "U"], int]
"""Payer, practice, product, gender and age: members that payments do not tell apart."""
MOST_BYTES = 1_000_000
"""Of the entries of one list record, as MessagePack with names: more than they take as Avro. Topics take four times as much."""


class Tally(msgspec.Struct, array_like=True):
    """What was frozen so far: the sum of the digests of the answers (hex), and members by payer and practice ("" for none).

    `people`: members on lists, counted as in the partial.
    """

    digest: str
    counts: dict[str, dict[str, int]]
    people: list[PeopleCount]


class Freezing:
    """A close under way in one partition. What `take` is given is remembered until `lists` hands it out."""

    def __init__(self, one: FrozenList, as_of: dt.date, knowledge: Knowledge, tally: Tally) -> None:
        self.one = one
        self._as_of = as_of
        self._knowledge = knowledge
        self._total = int(tally.digest, 16)
        self._counts = tally.counts
        self._people = Counter({_alike(one): one.members for one in tally.people})
        self._entries: dict[PracticeId | None, list[PanelEntry]] = {}

    @classmethod
    def of(cls, one: FrozenList, as_of: dt.date, knowledge: Knowledge, tally: bytes | None) -> Freezing:
        """Begin, or go on where a tally stands. `as_of` is the clock's date, `knowledge` what is known without this close."""
        begun = Tally("0", {}, []) if tally is None else msgspec.msgpack.decode(tally, type=Tally)
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
            self._people[_person(member, practice_id, self.one.as_of)] += 1
        return frozen.terms

    def needs_rows(self) -> bool:
        """Whether `take` needs the cold rows."""
        return not engine.keeps_lines_of(self.one, self._as_of, self._knowledge)

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
        return _encoder.encode(Tally(f"{self._total:x}", self._counts, self._counted()))

    def partial(
        self,
        *,
        partition: int,
        watermark: int,
        accepted_at: dt.datetime,
        failed: Sequence[str],
        skips: Iterable[tuple[int, str, str]],
    ) -> Partial:
        """The partition's answer, when every member was taken."""
        then = self._knowledge.at(self.one.as_of)
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
                Passed(partition=partition, offset=offset, digest=digest, reason=reason)
                for offset, digest, reason in skips
            ),
            people=tuple(self._counted()),
        )

    def _counted(self) -> list[PeopleCount]:
        return [
            PeopleCount(payer=payer, practice_id=practice, product=product, gender=gender, age=age, members=members)
            for (payer, practice, product, gender, age), members in sorted(self._people.items())
        ]


def _alike(one: PeopleCount) -> Alike:
    return (one.payer, one.practice_id, one.product, one.gender, one.age)


def _person(member: Member, practice_id: str, day: Day) -> Alike:
    """What a member on a list counts as, by the span that starts last of those that cover the day, else of all.

    One on a list has been enrolled; a decision may have put somebody there whose coverage is not known: product "", age 0.
    """
    covering = [span for span in member.spans if span.start <= day < span.end]
    span = max(covering or member.spans, key=lambda one: (one.start, one.span_id), default=None)
    if span is None:
        return (member.payer, practice_id, "", "U", 0)
    age = age_on(dt.date.fromordinal(span.birth), dt.date.fromordinal(day))
    return (member.payer, practice_id, span.product, span.gender, age)


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
