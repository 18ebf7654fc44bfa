"""The measures of a partition's members while a batch is worked on: what is read for it, what it changes, what is written after it.

No rule of a measure stands here: `state.measures.standing` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from schemas.keys import member_key
from schemas.records import Adjustment, Aggregate, Close, MemberId, PartialSums, Payer, PracticeId
from state import engine
from state.calendar import FOREVER, Day, to_date
from state.freezing import Freezing
from state.measures import standing
from state.measures.credit import PracticeOn
from state.measures.facts import Profile
from state.measures.frozen import Difference, FrozenReading, asked_again, kept_from, moved, remembered
from state.measures.keeping import profile_of
from state.measures.outcome import Sums
from state.measures.rates import Cell, counted
from state.measures.results import LIVE, RESTATED, Asked, Result
from state.measures.said import aggregate, cell_key, result_key, said_of
from state.measures.standing import Standing, Touched
from state.payment import partial_sums
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge
from state.stores.members import MemberState

_encoder = msgspec.msgpack.Encoder()
_standing = msgspec.msgpack.Decoder(Standing)
_sums = msgspec.msgpack.Decoder(Sums)
NOTHING = Touched()
SumChange = tuple[Asked, Cell, Sums]
Said = tuple[tuple[engine.Output, ...], tuple[SumChange, ...]]
"""Outputs in order, and what sums change by."""


class Because(msgspec.Struct, frozen=True):
    """Why closed readings are asked again: the cause, the input position it came from, and the first day on which it can matter.

    `rows`: all cold rows of the member, where the knowledge `needs_history`.
    """

    cause: str
    position: str
    since: Day
    rows: Mapping[str, engine.Row | None] | None = None


class MeasuredMember:
    """A member's measures in a batch; decoded when first touched."""

    def __init__(self, stored: bytes | None) -> None:
        self._stored = stored
        self._standing: Standing | None = None
        self.changed = False
        self.touched: Touched | None = None
        """What `take` or `advance` has last found touched; None: everything."""

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
        moved_since: Day,
    ) -> Said:
        """Take up rows that a fact has changed; outputs and changes of sums.

        `moved_since`: the first day on which attribution may be another by it; FOREVER where it was not asked anew.
        """
        measuring = knowledge.measuring
        self._forget(knowledge)
        spans, said, due = self.standing.spans, self.standing.said, self.standing.next_day
        touched = standing.take(self.standing, rows, measuring, allow_reopen=knowledge.ruleset.allow_reopen)
        self.touched = touched
        self.changed |= touched.everything or touched.since < FOREVER
        if touched.is_nothing and moved_since == FOREVER:
            return (), ()
        if as_of is None:
            return (), ()
        changes = standing.advance(
            self.standing,
            measuring,
            as_of,
            member.payer,
            _practice_on(member, as_of, knowledge),
            touched=touched,
            before=profile_of(spans),
            moved_since=moved_since,
        )
        self.changed |= said != self.standing.said or due != self.standing.next_day
        return _outputs(changes, member, as_of, knowledge), changes.sums

    def advance(self, member: engine.Member, as_of: Day, knowledge: Knowledge, *, everything: bool) -> Said:
        """Ask again on a day: everything, or what the day and the member's attribution have changed."""
        self._forget(knowledge)
        due = self.standing.next_day
        self.touched = None if everything else NOTHING
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
        self._standing = standing.retake(rows, knowledge.measuring, self.standing, allow_reopen=reopen)
        self.changed = True

    @property
    def profile(self) -> Profile:
        """Who the member is."""
        return profile_of(self.standing.spans)

    def freeze(self, member: engine.Member, found: tuple[Result, ...], freezing: Freezing) -> Said:
        """Remember the results of a reading that is being closed; outputs and what sums change by."""
        one = freezing.one
        close, day = one.close, one.as_of
        results = tuple(sorted((remembered(result) for result in found), key=lambda kept: kept.key))
        if results:
            self._put(FrozenReading(close.close_id, close.period, close.reading, results))
        bounds = freezing.bounds
        outputs = tuple(
            engine.Output(topic, key, record)
            for result in found
            for topic, key, record in said_of(
                result, bounds, close.reading, day, member.payer, member.member_id, freezing.engine_version
            )
        )
        profile = self.profile
        sums = tuple(
            (Asked(result.edition, result.window.id, close.reading), cell, some)
            for result in found
            for cell, some in counted(result.measure, member.payer, result.practice, profile, result.outcomes)
        )
        return outputs, sums

    def adjust(self, member: engine.Member, as_of: Day, knowledge: Knowledge, because: Because) -> Said:
        """What is different now in the final readings that may still be adjusted, each difference once, and what their sums change by.

        Called after `take` or `advance`, with what they have found touched.
        """
        made: list[engine.Output] = []
        sums: list[SumChange] = []
        for one in knowledge.frozen:
            if one.window is None or one.until <= as_of:
                continue
            is_kept = knowledge.keeps_facts_of(one)
            touched = self.touched if is_kept else None
            if touched is not None and touched.is_nothing and because.since > one.as_of:
                continue
            bounds = knowledge.bounds_of(one.measured_by)
            close = one.close
            known = next(
                (other for other in self.standing.frozen if other.close_id == close.close_id),
                FrozenReading(close.close_id, close.period, close.reading),
            )
            reopen = knowledge.ruleset.allow_reopen
            now, different = asked_again(
                known,
                self.profile,
                self.standing.facts() if is_kept else kept_from(because.rows or {}, bounds, allow_reopen=reopen),
                bounds,
                one.window,
                engine.practice_on(member, one, knowledge, because.rows),
                touched=None if touched is None or touched.everything else touched.measures,
            )
            if now != known:
                self._put(now)
                sums += moved(member.payer, known, now)
            made += (_adjustment(member, one, difference, as_of, knowledge, because) for difference in different)
        return tuple(made), tuple(sums)

    def withdraw(self, member: engine.Member, close_id: str) -> tuple[engine.Output, ...]:
        """Take back the results of a close that is annulled."""
        gone = [one for one in self.standing.frozen if one.close_id == close_id]
        if not gone:
            return ()
        self.standing.frozen = [one for one in self.standing.frozen if one.close_id != close_id]
        self.changed = True
        return tuple(
            engine.Output(
                topic,
                result_key(member.payer, member.member_id, result.edition, result.measure, one.period, one.reading),
                None,
            )
            for one in gone
            for result in one.results
            for topic in ("measures", "gaps")
        )

    def _put(self, reading: FrozenReading) -> None:
        others = [one for one in self.standing.frozen if one.close_id != reading.close_id]
        self.standing.frozen = sorted([*others, reading], key=lambda one: one.close_id)
        self.changed = True

    def _forget(self, knowledge: Knowledge) -> None:
        """Forget the final readings that are adjusted no more, and the initial ones that they have settled."""
        if not self.standing.frozen:
            return
        alive = {one.close.close_id for one in knowledge.frozen}
        finals = knowledge.closed_for_good
        kept = [
            one
            for one in self.standing.frozen
            if finals.get(one.period) in alive or (one.reading == "initial" and one.period not in finals)
        ]
        if len(kept) < len(self.standing.frozen):
            self.standing.frozen, self.changed = kept, True

    @property
    def due(self) -> Day | None:
        """The next day on which a measure can change by itself."""
        return self.standing.next_day


def _adjustment(
    member: engine.Member, one: FrozenList, found: Difference, as_of: Day, knowledge: Knowledge, because: Because
) -> engine.Output:
    then = knowledge.at(one.as_of)
    record = Adjustment(
        payer=Payer(member.payer),
        member_id=MemberId(member.member_id),
        practice_id=PracticeId(found.practice),
        close_id=one.close.close_id,
        period=one.close.period,
        reading=one.close.reading,
        as_of=to_date(one.as_of),  # type: ignore[arg-type]
        what=f"measure:{found.edition}:{found.measure}:{found.rate}",
        before=found.before,
        after=found.after,
        cause=because.cause,
        cause_position=because.position,
        decided_on=to_date(as_of),  # type: ignore[arg-type]
        ruleset=then.ruleset_name,
        engine_version=then.engine_version,
    )
    return engine.Output("adjustments", f"{member_key(record.payer, record.member_id)}|{record.period}", record)


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
            result, knowledge.measuring.bounds, LIVE, as_of, member.payer, member.member_id, knowledge.engine_version
        )
    )


async def sums_at_close(
    state: MemberState, knowledge: Knowledge, close: Close, partition: int, as_of: Day
) -> tuple[dict[str, Sums], list[PartialSums]]:
    """What the results of a reading add up to, by the keys of cells, and all the sums that the conductor is told with it.

    Besides those of the reading: what the final readings that may still be adjusted have changed by since, in all.
    """
    sums = _decoded(await state.sums_of(close.period, close.reading))
    parts = list(partial_sums.parts(close.close_id, close.close_id, partition, sums))
    for one in knowledge.frozen:
        if one.window is not None and one.until > as_of:
            changed = _decoded(await state.sums_of(one.close.period, RESTATED))
            parts += partial_sums.parts(close.close_id, one.close.close_id, partition, changed, first=len(parts))
    return sums, parts


async def sums_withdrawn(state: MemberState, period: str, reading: str) -> tuple[list[str], list[str]]:
    """The cells of a reading that is withdrawn: those that were said, and those of what has changed since, which were not."""
    restated = await state.sums_of(period, RESTATED) if reading == "final" else {}
    return list(await state.sums_of(period, reading)), list(restated)


def _decoded(stored: Mapping[str, bytes]) -> dict[str, Sums]:
    return {cell: _sums.decode(data) for cell, data in stored.items()}


async def summed(
    state: MemberState, partition: int, changes: Iterable[SumChange], as_of: Day, engine_version: str
) -> tuple[list[tuple[str, bytes | None]], list[tuple[str, Aggregate]]]:
    """What a batch has changed of the sums of the partition: rows to write, and absolute values to say, by key.

    What a final reading has changed by since is handed to the conductor with the next close, and not said here.
    """
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
        if asked.reading != RESTATED:
            said.append((key, aggregate(partition, asked, cell, sums, as_of, engine_version)))
    return rows, said
