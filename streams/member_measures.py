"""The measures of a partition's members while a batch is worked on: what is read for it, what it changes, what is written after it.

No rule of a measure stands here: `state.measures.standing` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from schemas.records import Aggregate
from state import engine
from state.calendar import FOREVER, Day
from state.measures import standing
from state.measures.credit import PracticeOn
from state.measures.keeping import profile_of
from state.measures.outcome import Sums
from state.measures.rates import Cell
from state.measures.results import Asked
from state.measures.said import aggregate, cell_key, said_of
from state.measures.standing import Standing, Touched
from state.reference.knowledge import Knowledge
from state.stores.members import MemberState

_encoder = msgspec.msgpack.Encoder()
_standing = msgspec.msgpack.Decoder(Standing)
_sums = msgspec.msgpack.Decoder(Sums)
NOTHING = Touched()
SumChange = tuple[Asked, Cell, Sums]
Said = tuple[tuple[engine.Output, ...], tuple[SumChange, ...]]
"""Outputs in order, and what sums change by."""


class MeasuredMember:
    """A member's measures in a batch; decoded when first touched."""

    def __init__(self, stored: bytes | None) -> None:
        self._stored = stored
        self._standing: Standing | None = None
        self.changed = False

    @property
    def standing(self) -> Standing:
        """What stands."""
        if self._standing is None:
            self._standing = Standing() if self._stored is None else _standing.decode(self._stored)
        return self._standing

    def encoded(self) -> bytes:
        """As it is stored; equal facts give equal bytes."""
        return _encoder.encode(self.standing)

    def take(
        self,
        rows: Iterable[tuple[str, engine.Row | None]],
        member: engine.Member,
        as_of: Day | None,
        knowledge: Knowledge,
        *,
        answered: bool,
    ) -> Said:
        """Take up rows that a fact has changed; outputs and changes of sums. `answered`: attribution has been asked anew as well."""
        measuring = knowledge.measuring
        before = profile_of(self.standing.spans)
        touched = standing.take(self.standing, rows, measuring, allow_reopen=knowledge.ruleset.allow_reopen)
        if touched.is_nothing and not answered:
            return (), ()
        self.changed = True
        if as_of is None:
            return (), ()
        changes = standing.advance(
            self.standing,
            measuring,
            as_of,
            member.payer,
            _practice_on(member, as_of, knowledge),
            touched=touched,
            before=before,
        )
        return _outputs(changes, member, as_of, knowledge), changes.sums

    def advance(self, member: engine.Member, as_of: Day, knowledge: Knowledge, *, everything: bool) -> Said:
        """Ask again on a day: everything, or what the day and the member's attribution have changed."""
        due = self.standing.next_day
        everything = everything or (due is not None and due <= as_of)
        changes = standing.advance(
            self.standing,
            knowledge.measuring,
            as_of,
            member.payer,
            _practice_on(member, as_of, knowledge),
            touched=None if everything else NOTHING,
            before=profile_of(self.standing.spans),
        )
        self.changed = True
        return _outputs(changes, member, as_of, knowledge), changes.sums

    def retake(self, rows: Mapping[str, engine.Row | None], knowledge: Knowledge) -> None:
        """Make the facts anew from all cold rows: other codes may count now."""
        reopen = knowledge.ruleset.allow_reopen
        self._standing = standing.retake(rows, knowledge.measuring, self.standing.said, allow_reopen=reopen)
        self.changed = True

    @property
    def due(self) -> Day | None:
        """The next day on which a measure can change by itself."""
        return self.standing.next_day


def _practice_on(member: engine.Member, as_of: Day, knowledge: Knowledge) -> PracticeOn:
    on_days = engine.practices_of(member, knowledge)

    def practice_on(day: Day) -> str:
        if day >= as_of and member.said is not None:
            return member.said.practice_id or ""
        return on_days(day) if day < FOREVER else ""

    return practice_on


def _outputs(
    changes: standing.Changes, member: engine.Member, as_of: Day, knowledge: Knowledge
) -> tuple[engine.Output, ...]:
    return tuple(
        engine.Output(topic, key, record)
        for result in changes.results
        for topic, key, record in said_of(
            result, knowledge.measuring, as_of, member.payer, member.member_id, knowledge.engine_version
        )
    )


async def summed(
    state: MemberState, partition: int, changes: Iterable[SumChange], as_of: Day, engine_version: str
) -> tuple[list[tuple[str, bytes | None]], list[tuple[str, Aggregate]]]:
    """What a batch has changed of the sums of the partition: rows to write, and absolute values to say, by key."""
    by_cell: dict[tuple[Asked, Cell], Sums] = {}
    for asked, cell, sums in changes:
        known = by_cell.get((asked, cell))
        by_cell[asked, cell] = sums if known is None else known + sums
    keys = {
        cell_key(partition, asked, cell): (asked, cell)
        for (asked, cell), sums in by_cell.items()
        if not sums.is_nothing
    }
    stored = await state.sums(sorted(keys))
    rows: list[tuple[str, bytes | None]] = []
    said: list[tuple[str, Aggregate]] = []
    for key in sorted(keys):
        asked, cell = keys[key]
        sums = by_cell[asked, cell]
        if key in stored:
            sums = _sums.decode(stored[key]) + sums
        rows.append((key, None if sums.is_nothing else _encoder.encode(sums)))
        said.append((key, aggregate(partition, asked, cell, sums, as_of, engine_version)))
    return rows, said
