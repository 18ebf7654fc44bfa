"""Step 1: the PCP that the member chose, or the plan matched or assigned. Source: attribution.md 2.6 step 1."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from state.attribution.requests import NO_RULINGS, Rulings
from state.attribution.visits import Visits, live
from state.calendar import Day
from state.ledger.member import Member, Selection
from state.reference.knowledge import Knowledge

SOURCE_RANK = {"member_selected": 0, "plan_matched": 1, "plan_auto_assigned": 2}


class Selected(msgspec.Struct, frozen=True):
    """What the selections say: the one that decides (None: none does) with its practice and provider, and flags."""

    selection: Selection | None
    practice_id: str | None
    npi: str | None
    flags: tuple[str, ...]


def selected(member: Member, visits: Visits, day: Day, knowledge: Knowledge, ruled: Rulings = NO_RULINGS) -> Selected:
    """The first active selection whose PCP, or else whose practice, is active on the day; `ruled` is what stands against some."""
    flags: tuple[str, ...] = ()
    for selection in _active(member, day, knowledge):
        if not ruled.counts(selection):
            continue
        practices = _practices(selection, day, knowledge)
        allowed = {one for one in practices if ruled.allow(selection, one)} if ruled.barred else practices
        if allowed:
            return Selected(selection, _most_visited(allowed, visits, day), selection.npi, flags)
        if practices:
            continue
        if selection.practice_id is not None and knowledge.roster.practice_active(selection.practice_id, day):
            if not ruled.allow(selection, selection.practice_id):
                continue
            return Selected(selection, selection.practice_id, None, (*flags, "repanel"))
        flags = ("selected_pcp_inactive",)
    return Selected(None, None, None, flags)


def depends_on_visits(selection: Selection, day: Day, knowledge: Knowledge) -> bool:
    """Whether visits settle at which of several practices the selected PCP counts."""
    return selection.practice_id is None and len(_practices(selection, day, knowledge)) > 1


def days(member: Member, knowledge: Knowledge) -> Iterator[Day]:
    """The days on which the deciding selection can change."""
    for selection in member.selections:
        yield selection.start
        yield selection.end
        yield from knowledge.roster.provider_days(selection.npi)
        if not knowledge.roster.rows_of(selection.npi):
            yield from knowledge.tables.directory.days(selection.npi)
        if selection.practice_id is not None:
            yield from knowledge.roster.practice_days(selection.practice_id)


def _active(member: Member, day: Day, knowledge: Knowledge) -> list[Selection]:
    """Selections in force, the first to be asked first. Later positions come first among equals."""
    active = [one for one in member.selections if one.start <= day < one.end]
    if not active:
        return active
    terms = knowledge.payer(member.payer, day)
    if terms is not None and not terms.auto_assigned_counts:
        active = [one for one in active if one.source != "plan_auto_assigned"]
    active.sort(key=lambda one: one.position, reverse=True)
    if terms is not None and terms.selection_order == "source_first":
        active.sort(key=lambda one: (SOURCE_RANK[one.source], -one.start))
    else:
        active.sort(key=lambda one: (-one.start, SOURCE_RANK[one.source]))
    return active


def _practices(selection: Selection, day: Day, knowledge: Knowledge) -> set[str]:
    """The practices at which the selected PCP is active: by the roster, else, where it has no row of the NPI, by taxonomy."""
    rows = knowledge.roster.rows_of(selection.npi)
    if not rows:
        code = knowledge.tables.directory.taxonomy(selection.npi, day)
        taxonomy = knowledge.tables.taxonomies.find(code)
        if taxonomy is None or taxonomy.status != "include":
            return set()
        return {selection.practice_id or (f"TIN:{selection.tin}" if selection.tin else f"NPI:{selection.npi}")}
    active = [row for row in rows if row.is_pcp and row.in_force(day)]
    if selection.practice_id is not None:
        return {row.practice_id for row in active if row.practice_id == selection.practice_id}
    billed = {row.practice_id for row in active if row.tin == selection.tin}
    return billed or {row.practice_id for row in active}


def _most_visited(practices: set[str], visits: Visits, day: Day) -> str:
    """The one of several with most member visits in 12 months, then the lowest id."""
    if len(practices) == 1:
        return next(iter(practices))
    tallies = visits.practices(day, 12)
    return min(
        practices, key=lambda practice: (-live(tallies[practice].days, day, 12) if practice in tallies else 0, practice)
    )
