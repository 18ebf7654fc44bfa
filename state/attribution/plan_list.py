"""Plan-run attribution: the plan's own list of a month answers, where the payer says so. Source: attribution.md 2.9.

A list counts once its manifest is known (`feed_manifest`, feed `plan_attribution`); until then the newest earlier one is carried, and
flagged. A payer that sends no manifests is taken entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from state.calendar import Day, add_months, month_of
from state.ledger.member import Member, PlanEntry
from state.reference.knowledge import Knowledge, PlanList


class OnList(msgspec.Struct, frozen=True):
    """What the plan's lists say of a member on a day: the entry that stands, and whether it is of an earlier month than the day."""

    entry: PlanEntry | None
    stale: bool


def entry_on(member: Member, day: Day, knowledge: Knowledge) -> OnList:
    """What the list for the month of a day says of a member.

    A full list leaves out whoever has no entry of its version, or of a later one. A list of changes leaves the earlier entry of
    whoever is not on it.
    """
    month = month_of(day)
    lists = knowledge.plan_lists.get(member.payer, ())
    of_month = _newest(lists, month)
    if of_month is None:
        found = _latest(member, 0, month)
        return OnList(found, stale=found is not None and found.month < month)
    full = [one for one in lists if one.full and one.first <= of_month]
    since = _newest(full, of_month)
    if since is None:
        return OnList(_latest(member, 0, of_month), stale=of_month < month)
    found = _latest(member, since, of_month)
    if found is not None and found.month == since:
        version = max(one.list_version for one in full if one.last >= since)
        found = found if found.list_version >= version else None
    return OnList(found, stale=of_month < month)


def days(member: Member, knowledge: Knowledge) -> Iterator[Day]:
    """The days on which another list begins to answer, an old one to be carried, or a listed practice to be known."""
    for one in knowledge.plan_lists.get(member.payer, ()):
        yield one.first
        yield add_months(one.last, 1)
    for entry in member.plan_entries:
        yield entry.month
        yield add_months(entry.month, 1)
        yield knowledge.roster.known_since(entry.practice_id)


def forget(member: Member, day: Day, knowledge: Knowledge) -> None:
    """Drop the entries that a full list has replaced by a day: none brings them back for that day or a later one."""
    lists = knowledge.plan_lists.get(member.payer, ())
    since = _newest([one for one in lists if one.full], month_of(day))
    if since is not None and member.plan_entries[0].month < since:
        member.plan_entries = [one for one in member.plan_entries if one.month >= since]


def _newest(lists: Sequence[PlanList], month: Day) -> Day | None:
    """The latest month up to `month` that some lists are for."""
    return max((min(one.last, month) for one in lists if one.first <= month), default=None)


def _latest(member: Member, since: Day, until: Day) -> PlanEntry | None:
    """The member's latest entry from one month to another, both included."""
    return next((one for one in reversed(member.plan_entries) if since <= one.month <= until), None)
