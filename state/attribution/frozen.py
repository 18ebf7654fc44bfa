"""Frozen lists: who stands on them, what differs from the list before, and what turns out different later. Source: attribution.md 2.9.

A list is asked by `freeze` once, when a period is closed. After that `adjustments` asks the same question again whenever something
new is known, and says a difference once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import msgspec

from schemas.records import Adjustment, Attribution, Change, MemberId, PanelEntry, Payer, PracticeId
from state.attribution.answer import answer
from state.attribution.decision import View, decide
from state.calendar import Day, add_months, first_live, to_date
from state.ledger.folding import rederive
from state.ledger.member import KEPT_MONTHS, Listed, Member, prune, terms
from state.ledger.rows import Row
from state.ledger.services import person_on
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge

Rows = Mapping[str, Row | None]


class Frozen(msgspec.Struct, frozen=True):
    """The answer of a member on the day of a close, and the entries it gives on the lists of practices (None: of nobody).

    `terms`: what else a change of reference finds the member by, because the list rests on other code lists than those in force.
    """

    attribution: Attribution
    entries: tuple[tuple[PracticeId | None, PanelEntry], ...]
    terms: frozenset[str]


def keeps_lines_of(day: Day, as_of: Day, knowledge: Knowledge) -> bool:
    """Whether the lines that members keep in memory on `as_of` are all that matter on `day`, read by the code lists of that day."""
    if knowledge.at(day).tables is not knowledge.tables:
        return False
    window = knowledge.ruleset.longest_window
    first = first_live(day, window)
    return add_months(first, KEPT_MONTHS) > as_of or add_months(first, window) > knowledge.earliest_frozen


def freeze(member: Member, one: FrozenList, as_of: Day, knowledge: Knowledge, rows: Rows | None) -> Frozen:
    """Whose patient the member is on the day of a close, remembered for later adjustments.

    `as_of` is the clock's day, `knowledge` what is known without the list. `rows` are all cold rows of the member, needed where
    not `keeps_lines_of`.
    """
    day, close = one.as_of, one.close
    then = knowledge.at(day)
    read = _as_read_by(member, then, rows)
    found = answer(View.of(read, then), day).attribution
    before = _panel_before(member, day, knowledge) if close.reading == "panel" else None
    known = (
        None if before is None else next((listed for listed in member.listed if listed.close == before.number), None)
    )
    practice, entries = found.practice_id, []
    stays = known is not None and known.practice_id == practice
    since = known.since if known is not None and stays else day
    on_panel = practice is not None and close.reading == "panel"
    entries.append(
        (
            practice,
            PanelEntry(
                payer=found.payer,
                member_id=found.member_id,
                change=_change(known if stays else None, found) if on_panel else None,
                span_start=to_date(since) if on_panel else None,
                span_end=None,
                attribution=found,
            ),
        )
    )
    if known is not None and known.practice_id and not stays:
        entries.append((PracticeId(known.practice_id), _gone(member, known, day)))
    if rows is not None and close.reading != "initial":
        # What was forgotten matters again, for as long as the list may be adjusted.
        rederive(member, rows, knowledge)
        prune(member, as_of, min(day, knowledge.earliest_needed(as_of)), knowledge.ruleset.longest_window)
    if practice is not None and close.reading != "initial":
        person = person_on(member, practice, day)
        listed = Listed(
            one.number,
            practice,
            practice,
            found.provider_npi or "",
            found.step or "",
            since,
            person.product,
            person.gender,
            person.age,
        )
        member.listed = sorted([*member.listed, listed])
    return Frozen(found, tuple(entries), frozenset() if rows is None else terms(read))


def terms_of_lists(member: Member, knowledge: Knowledge, rows: Rows | None) -> frozenset[str]:
    """What else a change of reference finds the member by, for the lists that rest on other code lists than those in force."""
    if rows is None:
        return frozenset()
    others = [then for one in knowledge.frozen if (then := knowledge.at(one.as_of)) is not knowledge]
    return frozenset().union(*(terms(_as_read_by(member, then, rows)) for then in others))


def adjustments(
    member: Member, view: View, *, since: Day, rows: Rows | None, cause: str, position: str, day: Day
) -> list[Adjustment]:
    """What is different now on the frozen lists that may still be adjusted: one record for each practice that gains or loses.

    `since` is the first day on which what is new can matter. `rows` are all cold rows of the member, where the knowledge
    `needs_history`.
    """
    knowledge = view.knowledge
    made: list[Adjustment] = []
    for one in knowledge.frozen:
        if one.as_of < since or one.until <= day or member.payer in one.left_out:
            continue
        then = knowledge.at(one.as_of)
        asked = view if then is knowledge else View.of(_as_read_by(member, then, rows), then)
        now = decide(asked, one.as_of).practice_id or ""
        known = next((listed for listed in member.listed if listed.close == one.number), None)
        before = "" if known is None else known.now
        if now == before:
            continue
        changed = (
            Listed(one.number, "", now, "", "", one.as_of) if known is None else msgspec.structs.replace(known, now=now)
        )
        member.listed = sorted([*(listed for listed in member.listed if listed is not known), changed])
        on, off = "attributed", "not_attributed"
        made += [
            Adjustment(
                payer=Payer(member.payer),
                member_id=MemberId(member.member_id),
                practice_id=PracticeId(practice),
                close_id=one.close.close_id,
                period=one.close.period,
                reading=one.close.reading,
                as_of=to_date(one.as_of),  # type: ignore[arg-type]
                what="attribution",
                before=was,
                after=becomes,
                cause=cause,
                cause_position=position,
                decided_on=to_date(day),  # type: ignore[arg-type]
                ruleset=then.ruleset_name,
                engine_version=then.engine_version,
            )
            for practice, was, becomes in ((before, on, off), (now, off, on))
            if practice
        ]
    return made


def forget(member: Member, knowledge: Knowledge) -> None:
    """Forget the lists that are adjusted no more."""
    if member.listed:
        numbers = {one.number for one in knowledge.frozen}
        if any(listed.close not in numbers for listed in member.listed):
            member.listed = [listed for listed in member.listed if listed.close in numbers]


def practice_on(member: Member, one: FrozenList, knowledge: Knowledge, rows: Rows | None) -> Callable[[Day], str]:
    """Whose patient the member was on days up to that of a frozen reading, by the code lists of the reading; "" for nobody's.

    For the credit of its measures. `rows` are all cold rows of the member, where `freeze` or `adjustments` need them.
    """
    then = knowledge.at(one.as_of)
    view: View | None = None

    @cache
    def on(day: Day) -> str:
        nonlocal view
        if view is None:
            view = View.of(_as_read_by(member, then, rows), then)
        return decide(view, day).practice_id or ""

    return on


def _as_read_by(member: Member, knowledge: Knowledge, rows: Rows | None) -> Member:
    """The member with its lines derived anew, where rows are given: the lines in memory may be too few, or of other code lists."""
    if rows is None:
        return member
    other = msgspec.structs.replace(member, care=[], hospice=[])
    rederive(other, rows, knowledge)
    return other


def _panel_before(member: Member, day: Day, knowledge: Knowledge) -> FrozenList | None:
    """The last panel before a day that has a list of the member's payer."""
    panels = [one for one in knowledge.frozen if one.close.reading == "panel" and one.as_of < day]
    panels = [one for one in panels if member.payer not in one.left_out]
    return max(panels, key=lambda one: (one.as_of, one.number), default=None)


def _change(known: Listed | None, found: Attribution) -> Change:
    if known is None:
        return "new"
    same = (known.npi, known.step) == (found.provider_npi or "", found.step or "")
    return "nochange" if same else "changed"


def _gone(member: Member, known: Listed, day: Day) -> PanelEntry:
    """The entry of a member who has left a list: cancelled where an adjustment has said since that it never belonged there."""
    return PanelEntry(
        payer=Payer(member.payer),
        member_id=MemberId(member.member_id),
        change="dropped" if known.now == known.practice_id else "cancelled",
        span_start=to_date(known.since),
        span_end=to_date(day),
        attribution=None,
    )
