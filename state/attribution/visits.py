"""A member's visits: distinct dates at practices and providers, from the lines that are evidence. Source: attribution.md 2.3, 2.4."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from state.attribution.standing import Standing, Timeline, timeline
from state.calendar import Day, first_live
from state.ledger.member import Hospice, Line, Member
from state.reference.knowledge import Knowledge


class Tally(msgspec.Struct, frozen=True):
    """The visits of a member at one practice, or of one provider there: distinct dates, ascending, and the preventive among them."""

    id: str
    days: list[Day]
    preventive: list[Day]


class Seen(msgspec.Struct, frozen=True):
    """Lines that are evidence for one practice, of one provider ("" where the visits are the practice's alone), by date."""

    practice_id: str
    npi: str
    preventive: bool
    lines: list[Line]


class Visits(msgspec.Struct, frozen=True):
    """All visits of a member. `palliative` evidence counts in a window only where no plain primary care visit is live in it.

    `include_days`, `unknown_days`: dates of plain primary care (where there is palliative evidence) and of lines that lack nothing
    but a taxonomy, ascending.
    """

    evidence: list[Seen]
    palliative: list[Seen]
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

    def seen_at(self, practice_id: str, day: Day, months: int) -> list[Seen]:
        """The evidence for a practice, as it counts in the window of `months` at `day`; of any date."""
        evidence = self.evidence + self.palliative if self.palliative_counts(day, months) else self.evidence
        return [seen for seen in evidence if seen.practice_id == practice_id]

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
    evidence: list[Seen] = []
    palliative: list[Seen] = []
    plain: list[list[Line]] = []
    unknown: list[list[Line]] = []
    for care in member.care:
        lines = sorted(care.lines + care.retracted) if restored and care.retracted else care.lines
        for standing, under in by_standing(timeline(care.setting, knowledge), lines):
            if not standing.known:
                unknown.append(under)
            elif not standing.palliative:
                evidence.append(Seen(standing.practice_id, standing.npi, care.setting.preventive, under))
                if standing.include:
                    plain.append(under)
            else:
                outside = [line for line in under if not in_hospice(member.hospice, line.day)]
                palliative.append(Seen(standing.practice_id, standing.npi, care.setting.preventive, outside))
    tallies = by_practice(evidence)
    return Visits(
        evidence,
        palliative,
        _days(plain) if palliative else [],
        _days(unknown) if unknown else [],
        tallies,
        by_practice(evidence + palliative) if palliative else tallies,
    )


def by_standing(standings: Timeline, lines: list[Line]) -> Iterable[tuple[Standing, list[Line]]]:
    """Lines of one setting, by date, parted where their standing changes; without those that are no evidence."""
    if not lines:
        return ()
    first = bisect_right(standings.starts, lines[0].day) - 1
    if len(standings.starts) == 1 or first == bisect_right(standings.starts, lines[-1].day) - 1:
        standing = standings.standings[first]
        return () if standing is None else ((standing, lines),)
    parts: dict[int, list[Line]] = {}
    for line in lines:
        parts.setdefault(bisect_right(standings.starts, line.day) - 1, []).append(line)
    return [(standing, part) for place, part in parts.items() if (standing := standings.standings[place]) is not None]


def by_practice(evidence: Sequence[Seen]) -> dict[str, Tally]:
    """Distinct dates of evidence by practice, ascending. Source: attribution.md 2.4."""
    lines: dict[str, list[list[Line]]] = {}
    preventive: dict[str, list[list[Line]]] = {}
    for seen in evidence:
        if seen.lines:
            lines.setdefault(seen.practice_id, []).append(seen.lines)
            if seen.preventive:
                preventive.setdefault(seen.practice_id, []).append(seen.lines)
    return {one: Tally(one, _days(found), _days(preventive.get(one, ()))) for one, found in lines.items()}


def _days(some: Iterable[list[Line]]) -> list[Day]:
    return sorted({line.day for lines in some for line in lines})


def in_hospice(stays: Iterable[Hospice], day: Day) -> bool:
    """Whether a hospice billed for the member on a day; such a day is no palliative visit. Source: attribution.md 2.3, COND_PALL."""
    return any(stay.start <= day <= stay.end for stay in stays)


def _with_days(tallies: dict[str, Tally], practice_id: str, extra: set[Day]) -> dict[str, Tally]:
    known = tallies.get(practice_id) or Tally(practice_id, [], [])
    return {**tallies, practice_id: Tally(practice_id, sorted(extra.union(known.days)), known.preventive)}
