"""At which practice a line is a visit, and whether it is one: the roster's part. Source: attribution.md 2.2 rule 5, 2.3, 2.4.

The answer depends on the setting and the service date alone, so it is remembered for each setting as a line of time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from state.attribution.qualifying import meets
from state.calendar import Day
from state.ledger.member import Setting
from state.reference.knowledge import Knowledge
from state.reference.roster import RosterRow


class Standing(msgspec.Struct, frozen=True):
    """A line of evidence: the practice, the provider ("" where the visit is the practice's alone), and what it competes with.

    `include`: the provider's taxonomy is plain primary care, which bars palliative evidence. `palliative`: counts only where nothing
    bars it (2.3, COND_PALL). `known` is False for a line that lacks nothing but a taxonomy: it is flagged and is no evidence.
    """

    practice_id: str
    npi: str
    include: bool
    palliative: bool
    known: bool


class Timeline(msgspec.Struct, frozen=True):
    """Standings of a setting over service dates: `standings[i]` from `starts[i]` on, None where a line is no evidence."""

    starts: tuple[Day, ...]
    standings: tuple[Standing | None, ...]

    def at(self, day: Day) -> Standing | None:
        """The standing of a line of this service date."""
        return self.standings[bisect_right(self.starts, day) - 1]


def timeline(setting: Setting, knowledge: Knowledge) -> Timeline:
    """The standings of a setting under what is known; made once and remembered with the knowledge."""
    found = knowledge.timelines.get(setting)
    if found is None:
        starts: list[Day] = []
        standings: list[Standing | None] = []
        for start in sorted({0, *_days(setting, knowledge)}):
            standing = _standing(setting, start, knowledge)
            if not standings or standing != standings[-1]:
                starts.append(start)
                standings.append(standing)
        found = knowledge.timelines[setting] = Timeline(tuple(starts), tuple(standings))
    return found


def practice_of(setting: Setting, rows: list[RosterRow], day: Day, knowledge: Knowledge) -> str | None:
    """The practice of a line: the first of the five ways that hits, None where nobody is named at all. Source: attribution.md 2.4.

    `rows` are the provider's roster rows in force on the service date.
    """
    here = [row.practice_id for row in rows if row.tin == setting.billing_tin]
    if here:
        return min(here)
    practices = {row.practice_id for row in rows}
    if len(practices) == 1:
        return practices.pop()
    spells = knowledge.roster.by_organisation.get(setting.billing_npi) or ()
    organisations = [spell.practice_id for spell in spells if spell.in_force(day)]
    if organisations:
        return min(organisations)
    if setting.billing_tin:
        return f"TIN:{setting.billing_tin}"
    npi = setting.billing_npi or setting.npi
    return f"NPI:{npi}" if npi else None


def _standing(setting: Setting, day: Day, knowledge: Knowledge) -> Standing | None:
    rows = [row for row in knowledge.roster.rows_of(setting.npi) if row.in_force(day)]
    practice_id = practice_of(setting, rows, day, knowledge)
    if practice_id is None:
        return None
    if rows:
        mapped = [row for row in rows if row.tin == setting.billing_tin and row.practice_id == practice_id] or rows
        listed = [row for row in mapped if row.is_pcp]
        taxonomy = knowledge.tables.taxonomies.find(listed[0].taxonomy_code) if listed else None
        if not listed or not meets(taxonomy, setting.needs):
            return None
        include = taxonomy is not None and taxonomy.status == "include"
        return Standing(practice_id, setting.npi, include=include, palliative=False, known=True)
    if setting.verdict == "no":
        return None
    if setting.verdict == "flagged" and not knowledge.roster.is_primary_care(practice_id, setting.billing_tin, day):
        return None
    return Standing(
        practice_id,
        "" if setting.practice_level else setting.npi,
        include=setting.verdict == "include",
        palliative=setting.verdict == "palliative",
        known=setting.verdict != "unknown",
    )


def _days(setting: Setting, knowledge: Knowledge) -> Iterator[Day]:
    """The service dates on which the standing of a setting can change."""
    roster = knowledge.roster
    yield from roster.provider_days(setting.npi)
    spells = roster.by_organisation.get(setting.billing_npi) or ()
    for spell in spells:
        yield spell.start
        yield spell.end
    if setting.verdict == "flagged":
        for rows in (
            roster.by_tin.get(setting.billing_tin),
            *(roster.by_practice.get(spell.practice_id) for spell in spells),
        ):
            for row in rows or ():
                yield row.start
                yield row.end
