"""A member's visits: distinct dates at practices and providers, from the lines that are evidence. Source: attribution.md 2.3, 2.4."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from state.attribution.standing import timeline
from state.calendar import Day, first_live
from state.ledger.member import Hospice, Line, Member
from state.reference.knowledge import Knowledge


class Tally(msgspec.Struct, frozen=True):
    """The visits of a member at one practice, or of one provider there: distinct dates, ascending, and the preventive among them."""

    id: str
    days: list[Day]
    preventive: list[Day]


class Evidence(NamedTuple):
    """A line that is evidence: whose visit it is part of."""

    line: Line
    practice_id: str
    npi: str
    preventive: bool


class Visits(msgspec.Struct, frozen=True):
    """All visits of a member. `palliative` evidence counts in a window only where no plain primary care visit is live in it."""

    evidence: list[Evidence]
    palliative: list[Evidence]
    include_days: list[Day]
    unknown_days: list[Day]
    tallies: dict[str, Tally]
    with_palliative: dict[str, Tally]

    def palliative_counts(self, day: Day, months: int) -> bool:
        """Whether palliative evidence counts in the window of `months` at `day`. Source: attribution.md 2.3, COND_PALL."""
        return bool(self.palliative) and not live(self.include_days, day, months)

    def practices(self, day: Day, months: int) -> dict[str, Tally]:
        """Visits by practice, as they count in the window of `months` at `day`; of any date."""
        return self.with_palliative if self.palliative_counts(day, months) else self.tallies

    def lines(self, practice_id: str, day: Day, months: int) -> list[Evidence]:
        """The evidence behind the live visits of a practice in the window of `months` at `day`."""
        first = first_live(day, months)
        evidence = self.evidence + self.palliative if self.palliative_counts(day, months) else self.evidence
        return [one for one in evidence if one.practice_id == practice_id and first <= one.line.day <= day]

    def days(self) -> set[Day]:
        """Every date on which something in here begins to live."""
        return {
            *self.unknown_days,
            *(one.line.day for one in self.evidence),
            *(one.line.day for one in self.palliative),
        }

    def plus(self, practice_id: str, extra: Iterable[Day]) -> Visits:
        """These visits and plain primary care visits to a practice on some more days."""
        extra = set(extra)
        return msgspec.structs.replace(
            self,
            include_days=sorted(extra.union(self.include_days)),
            tallies=_with_days(self.tallies, practice_id, extra),
            with_palliative=_with_days(self.with_palliative, practice_id, extra),
        )


def live(days: Sequence[Day], day: Day, months: int) -> int:
    """How many of some dates, ascending, are live in the window of `months` at `day`."""
    return bisect_right(days, day) - bisect_left(days, first_live(day, months))


def visits_of(member: Member, knowledge: Knowledge, *, restored: bool = False) -> Visits:
    """The visits of a member under what is known; with the lines that a void or denial took back, if `restored`."""
    evidence: list[Evidence] = []
    palliative: list[Evidence] = []
    include_days: set[Day] = set()
    unknown_days: list[Day] = []
    for care in member.care:
        standings = timeline(care.setting, knowledge)
        if standings.standings == (None,):
            continue
        preventive = care.setting.preventive
        for line in care.lines + care.retracted if restored else care.lines:
            standing = standings.at(line.day)
            if standing is None:
                continue
            if not standing.known:
                unknown_days.append(line.day)
            elif not standing.palliative:
                evidence.append(Evidence(line, standing.practice_id, standing.npi, preventive))
                if standing.include:
                    include_days.add(line.day)
            elif not in_hospice(member.hospice, line.day):
                palliative.append(Evidence(line, standing.practice_id, standing.npi, preventive))
    tallies = tally(evidence, lambda one: one.practice_id)
    return Visits(
        evidence=evidence,
        palliative=palliative,
        include_days=sorted(include_days),
        unknown_days=sorted(unknown_days),
        tallies=tallies,
        with_palliative=tally(evidence + palliative, lambda one: one.practice_id) if palliative else tallies,
    )


def tally(evidence: Iterable[Evidence], owner: Callable[[Evidence], str]) -> dict[str, Tally]:
    """Distinct dates of evidence by its owner (a practice, or a provider), ascending. Source: attribution.md 2.4."""
    days: dict[str, set[Day]] = {}
    preventive: dict[str, set[Day]] = {}
    for one in evidence:
        who = owner(one)
        days.setdefault(who, set()).add(one.line.day)
        if one.preventive:
            preventive.setdefault(who, set()).add(one.line.day)
    return {who: Tally(who, sorted(seen), sorted(preventive.get(who, ()))) for who, seen in days.items()}


def in_hospice(stays: Iterable[Hospice], day: Day) -> bool:
    """Whether a hospice billed for the member on a day; such a day is no palliative visit. Source: attribution.md 2.3, COND_PALL."""
    return any(stay.start <= day <= stay.end for stay in stays)


def _with_days(tallies: dict[str, Tally], practice_id: str, extra: set[Day]) -> dict[str, Tally]:
    known = tallies.get(practice_id) or Tally(practice_id, [], [])
    return {**tallies, practice_id: Tally(practice_id, sorted(extra.union(known.days)), known.preventive)}
