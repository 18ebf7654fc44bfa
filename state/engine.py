"""The outside of the state machine of a member: fold a fact, evaluate a day, say what changed. Everything else is inside.

Used alike by the member agent, by `replay` and by the tests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from hashlib import blake2b

import msgspec

from schemas.keys import member_key
from schemas.records import Adjustment, Aggregate, Alert, Attribution, AttributionChange, Gaps, MeasureResult
from state.attribution import alerts, frozen, grounds, plan_list, requests
from state.attribution.answer import Answer, answer
from state.attribution.decision import View, decide
from state.attribution.frozen import Frozen
from state.attribution.grounds import Grounds
from state.attribution.projection import next_change
from state.attribution.requests import Asked
from state.calendar import FOREVER, Day, add_months, from_date, to_date
from state.ledger.at_once import fold_alone, rows_alone
from state.ledger.folding import CAUSE_OF_FACT, Fact, FactKind, Folded, Refusal, fold, rederive, row_names, rows_missing
from state.ledger.member import KEPT_MONTHS, Closed, Member, Said, prune, terms
from state.ledger.rows import Row
from state.measures.credit import PracticeOn
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge

__all__ = [
    "CAUSE_OF_FACT",
    "Advanced",
    "Asked",
    "Fact",
    "FactKind",
    "Folded",
    "Frozen",
    "Grounds",
    "Member",
    "OnList",
    "Output",
    "Refusal",
    "Row",
    "advance",
    "attribution",
    "changes_kept_from",
    "decode_change",
    "decode_member",
    "decode_row",
    "encode_change",
    "encode_member",
    "encode_row",
    "first_said",
    "fold",
    "fold_alone",
    "freeze",
    "grounds_of",
    "keeps_lines_of",
    "lists_of",
    "new_member",
    "open_alert",
    "practice_on",
    "practices_of",
    "rederive",
    "requests_of",
    "row_names",
    "rows_alone",
    "rows_missing",
    "terms",
]

_encoder = msgspec.msgpack.Encoder()
CHANGES_KEPT = 18
"""Months for which a member's changes are kept for `explain`; the topic keeps them for two years."""
_change_decoder = msgspec.msgpack.Decoder(AttributionChange)
_member_decoder = msgspec.msgpack.Decoder(Member)
_row_decoder: msgspec.msgpack.Decoder[Row] = msgspec.msgpack.Decoder(Row)


class Output(msgspec.Struct, frozen=True):
    """A record for a topic; None withdraws what stands under the key."""

    topic: str
    key: str
    record: Attribution | AttributionChange | Alert | Adjustment | MeasureResult | Gaps | Aggregate | None


class OnList(msgspec.Struct, frozen=True, kw_only=True):
    """A member on a frozen list: the practice as frozen and after the adjustments since; None for nobody's."""

    close_id: str
    period: str
    reading: str
    as_of: dt.date
    practice_id: str | None
    adjusted_to: str | None


class Advanced(msgspec.Struct, frozen=True):
    """What an evaluation gave: outputs in order, the next date on which the answer can change by itself, whether an alert is open.

    `terms`: what a change of reference finds the member by besides `terms(member)`, for the sake of frozen lists.
    """

    outputs: tuple[Output, ...]
    due: dt.date | None
    alert_open: bool
    terms: frozenset[str] = frozenset()


def new_member(payer: str, member_id: str) -> Member:
    """A member of whom nothing is known."""
    return Member(payer, member_id)


def encode_member(member: Member) -> bytes:
    """A member as it is stored; equal facts give equal bytes."""
    return _encoder.encode(member)


def decode_member(data: bytes) -> Member:
    """A stored member."""
    return _member_decoder.decode(data)


def encode_row(row: Row) -> bytes:
    """A cold row as it is stored."""
    return _encoder.encode(row)


def decode_row(data: bytes) -> Row:
    """A stored cold row."""
    return _row_decoder.decode(data)


def encode_change(change: AttributionChange) -> bytes:
    """A change as it is stored."""
    return _encoder.encode(change)


def decode_change(data: bytes) -> AttributionChange:
    """A stored change."""
    return _change_decoder.decode(data)


def changes_kept_from(as_of: dt.date) -> dt.date:
    """The first day of the changes that are kept on a day: those of the 18 months before."""
    return to_date(add_months(from_date(as_of), -CHANGES_KEPT))  # type: ignore[return-value]


def lists_of(member: Member, knowledge: Knowledge) -> tuple[OnList, ...]:
    """The frozen lists that may still be adjusted and on which the member stands or stood, the latest day first."""
    closes = {one.number: one for one in knowledge.frozen}
    found = [(closes[one.close], one) for one in member.listed if one.close in closes]
    return tuple(
        OnList(
            close_id=one.close.close_id,
            period=one.close.period,
            reading=one.close.reading,
            as_of=to_date(one.as_of),  # type: ignore[arg-type]
            practice_id=listed.practice_id or None,
            adjusted_to=listed.now or None,
        )
        for one, listed in sorted(found, key=lambda pair: (-pair[0].as_of, pair[0].number))
    )


def attribution(member: Member, as_of: dt.date, knowledge: Knowledge) -> Attribution:
    """Whose patient the member is on a day, whatever was said before. Changes nothing."""
    return answer(View.of(member, knowledge), from_date(as_of)).attribution


def practices_of(member: Member, knowledge: Knowledge) -> Callable[[Day], str]:
    """Whose patient the member is on a day, "" for nobody's: as `attribution` says, without all else that it says. Changes nothing.

    For as long as the member is not folded or advanced. A day that was asked before costs nothing.
    """
    view: View | None = None
    known: dict[Day, str] = {}

    def practice_on(day: Day) -> str:
        nonlocal view
        if day not in known:
            view = view or View.of(member, knowledge)
            known[day] = decide(view, day).practice_id or ""
        return known[day]

    return practice_on


def open_alert(member: Member, as_of: dt.date, knowledge: Knowledge) -> Alert | None:
    """The alert that is open on a day, whatever was said before. Changes nothing."""
    view, day = View.of(member, knowledge), from_date(as_of)
    return alerts.open_alert(view, answer(view, day), day)


def grounds_of(member: Member, as_of: dt.date, knowledge: Knowledge, rows: Mapping[str, Row | None]) -> Grounds:
    """What the answer of a day rests on. `rows` are all cold rows of the member. Changes nothing."""
    return grounds.grounds(View.of(member, knowledge), rows, from_date(as_of))


def requests_of(member: Member, as_of: dt.date, knowledge: Knowledge) -> tuple[Asked, ...]:
    """The member's attribution requests and decisions, and how each stands on a day. Changes nothing."""
    return tuple(requests.asked(member, from_date(as_of), knowledge))


def keeps_lines_of(one: FrozenList, as_of: dt.date, knowledge: Knowledge) -> bool:
    """Whether `freeze` can do without the cold rows."""
    return frozen.keeps_lines_of(one.as_of, from_date(as_of), knowledge)


def freeze(
    member: Member, one: FrozenList, as_of: dt.date, knowledge: Knowledge, rows: Mapping[str, Row | None] | None
) -> Frozen:
    """A member's answer and its entries on the lists of a close, remembered. Source: design.md, closing a period."""
    return frozen.freeze(member, one, from_date(as_of), knowledge, rows)


def practice_on(
    member: Member, one: FrozenList, knowledge: Knowledge, rows: Mapping[str, Row | None] | None
) -> PracticeOn:
    """Whose patient the member was on the days of a frozen reading's measures, by what is known. Changes nothing."""
    return frozen.practice_on(member, one, knowledge, rows)


def advance(
    member: Member,
    as_of: dt.date,
    knowledge: Knowledge,
    *,
    cause: str,
    position: str,
    since: Day = FOREVER,
    rows: Mapping[str, Row | None] | None = None,
) -> Advanced:
    """Evaluate a member on a day, say what has changed since last time, and remember it. `as_of` never goes back.

    `cause` is what was applied (claim, enrollment, selection, plan_list, request, decision, tick, roster, practice, payer, table,
    engine, feed_manifest, period), `position` the input position it came from. `since` is the first day on which what was applied can
    matter, for what is frozen already; `rows` are all cold rows of the member where the knowledge `needs_history`.
    """
    day = from_date(as_of)
    _forget(member, day, knowledge)
    view = View.of(member, knowledge)
    found = answer(view, day)
    current = alerts.open_alert(view, found, day)
    now = Said(
        _mark(found.attribution),
        found.decision.step,
        found.decision.practice_id,
        found.attribution.provider_npi,
        None if current is None else _mark(current),
        current is not None and current.shadow,
    )
    outputs = [
        *_said_answer(member, found, now, cause, position),
        *_said_alerts(member, view, found, current, now, day, cause),
        *(
            Output("adjustments", f"{member_key(member.payer, member.member_id)}|{one.period}", one)
            for one in frozen.adjustments(member, view, since=since, rows=rows, cause=cause, position=position, day=day)
        ),
    ]
    member.said = now
    return Advanced(
        tuple(outputs),
        to_date(_due(member, view, found, current, day)),
        current is not None,
        frozen.terms_of_lists(member, knowledge, rows),
    )


def first_said(member: Member, as_of: dt.date, knowledge: Knowledge) -> tuple[Attribution, Alert | None]:
    """What `advance` says of a member of whom nothing was said before: the answer, and the alert where one is open."""
    day = from_date(as_of)
    _forget(member, day, knowledge)
    view = View.of(member, knowledge)
    found = answer(view, day)
    return found.attribution, alerts.open_alert(view, found, day)


def _forget(member: Member, day: Day, knowledge: Knowledge) -> None:
    """Forget what no longer matters from a day on."""
    prune(member, day, knowledge.earliest_needed(day), knowledge.ruleset.longest_window)
    frozen.forget(member, knowledge)
    if member.plan_entries:
        plan_list.forget(member, min(add_months(day, -KEPT_MONTHS), knowledge.earliest_needed(day)), knowledge)


def _said_answer(member: Member, found: Answer, now: Said, cause: str, position: str) -> list[Output]:
    said = member.said
    if said is not None and said.answer == now.answer:
        return []
    key = member_key(member.payer, member.member_id)
    outputs = [Output("attribution", key, found.attribution)]
    before = (None, None, None) if said is None else (said.step, said.practice_id, said.provider_npi)
    if before != (now.step, now.practice_id, now.provider_npi):
        outputs.append(Output("attribution-changes", key, _change(said, found.attribution, cause, position)))
    return outputs


def _change(said: Said | None, now: Attribution, cause: str, position: str) -> AttributionChange:
    return AttributionChange(
        payer=now.payer,
        member_id=now.member_id,
        as_of=now.as_of,
        cause=cause,
        cause_position=position,
        before_status=None if said is None else "not_attributed" if said.practice_id is None else "attributed",
        before_step=None if said is None else said.step,
        before_practice_id=None if said is None else said.practice_id,  # type: ignore[arg-type]
        before_provider_npi=None if said is None else said.provider_npi,  # type: ignore[arg-type]
        after_status=now.status,
        after_step=now.step,
        after_practice_id=now.practice_id,
        after_provider_npi=now.provider_npi,
        reason=now.reason,
        engine_version=now.engine_version,
    )


def _said_alerts(
    member: Member, view: View, found: Answer, current: Alert | None, now: Said, day: Day, cause: str
) -> list[Output]:
    said, practice = member.said, found.decision.practice_id
    sent: list[Alert] = []
    if said is not None and said.practice_id is not None and said.practice_id != practice:
        sent.append(alerts.expired_alert(view, found, day, said.practice_id, said.step, cause))
        member.closed = _closed(member, said.practice_id, day)
    was_open = said is not None and said.alert is not None and said.practice_id == practice
    if current is not None:
        member.closed = [one for one in member.closed if one.practice_id != practice]
        if not was_open:
            sent.append(current)
        elif said is not None and said.alert != now.alert:
            sent.append(msgspec.structs.replace(current, state="changed"))
    elif was_open and practice is not None:
        sent.append(alerts.resolved_alert(view, found, day, practice, cause, shadow=said is not None and said.shadow))
        member.closed = _closed(member, practice, day)
    outputs = [
        Output(topic, f"{alert.payer}|{alert.member_id}|{alert.practice_id}", alert)
        for alert in sent
        for topic in ("attribution-alerts", "alert-history")
    ]
    withdrawn = [one for one in member.closed if one.day + alerts.WITHDRAWN_AFTER <= day]
    member.closed = [one for one in member.closed if one not in withdrawn]
    key = member_key(member.payer, member.member_id)
    return [*outputs, *(Output("attribution-alerts", f"{key}|{one.practice_id}", None) for one in withdrawn)]


def _closed(member: Member, practice: str, day: Day) -> list[Closed]:
    return sorted([*(one for one in member.closed if one.practice_id != practice), Closed(practice, day)])


def _due(member: Member, view: View, found: Answer, current: Alert | None, day: Day) -> Day | None:
    days = [next_change(view, day), *(one.day + alerts.WITHDRAWN_AFTER for one in member.closed)]
    for projection in (found.projection, found.shadow):
        end = projection.secure_until
        if end is not None:
            # The alert opens on the widest horizon, and says a nearer one the day after each of the others has passed.
            days += [end, *(end - horizon for horizon in alerts.HORIZONS)]
            if projection.visits_needed is not None:
                days.append(end - projection.visits_needed + 1)
    if current is not None:
        days.append(alerts.panel_lost_on(view, found, current, day))
    return min((one for one in days if one is not None and one > day), default=None)


def _mark(record: Attribution | Alert) -> bytes:
    """What a record says apart from the day it was said."""
    return blake2b(_encoder.encode(msgspec.structs.replace(record, as_of=dt.date.min)), digest_size=8).digest()
