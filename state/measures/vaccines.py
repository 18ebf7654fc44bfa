"""Whether somebody is protected by a birthday: which doses count, on how many days, in which mix, and what stands in for them.

Which vaccines, how many and from when is data of the edition.
Source: measures.md 8 and 9; CMS117 CQL, Numerator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from state.calendar import Day
from state.measures import status
from state.measures.age import birthday
from state.measures.facts import Fact, Person
from state.measures.outcome import Step, step
from state.measures.status import Statuses
from state.measures.timing import earliest

VISIT_DIAGNOSIS = "encounter-diagnosis"
"""The category of a condition that was the diagnosis of a visit, and not only on a problem list."""


class OneDoseOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dose may be of another vaccine, or be known by another code, which counts in a window of its own.

    From `first_day` to `last_day` after birth, or, with neither, on the last birthday alone. `others` says what is asked of the days of
    the remaining doses: that they are later, that they are other days, or nothing.
    """

    vaccine: str
    others: Literal["later", "other_days", "any_days"]
    first_day: int | None = None
    last_day: int | None = None

    def window(self, birth: Day, last: Day) -> tuple[Day, Day]:
        """The days on which it counts, both included."""
        if self.first_day is None or self.last_day is None:
            return last, last
        return birth + self.first_day, birth + self.last_day

    def completes(self, one: Iterable[Day], plain: frozenset[Day], doses: int) -> bool:
        """Whether one such dose and the plain ones make the number of doses."""
        match self.others:
            case "later":
                return any(sum(day > given for day in plain) >= doses - 1 for given in one)
            case "other_days":
                return any(len(plain - {given}) >= doses - 1 for given in one)
            case "any_days":
                return any(True for _ in one) and len(plain) >= doses - 1


class Spaced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fewer doses are enough where some two of them are so many days apart."""

    doses: int
    days: int


class Antigen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What protects against one thing.

    `vaccines` gives the doses of a full series of each vaccine: days of service, so that doses of one day are one. Where several are
    used, `mixed` says how many days there must be in all: as many as the longest series among those used, or as many as the longest of
    all unless one series is complete by itself. Doses count from `from_day` after birth, or from a birthday, to the last birthday;
    those known as procedures or service lines from `procedures_from_day`, where that is another day. `instead` are conditions that
    stand in for doses, each a group of roles that must all be there; for those in `visit_diagnosis_only` an entry of a problem list is
    not enough.
    """

    vaccines: Mapping[str, int]
    from_day: int = 0
    from_birthday: int = 0
    procedures_from_day: int | None = None
    mixed: Literal["longest_used", "one_complete"] = "longest_used"
    one_of: OneDoseOf | None = None
    spaced: Spaced | None = None
    instead: tuple[tuple[str, ...], ...] = ()
    visit_diagnosis_only: tuple[str, ...] = ()

    def all_vaccines(self) -> tuple[str, ...]:
        """The vaccines, and what one dose may be instead."""
        return (*self.vaccines, *(() if self.one_of is None else (self.one_of.vaccine,)))

    def roles(self) -> frozenset[str]:
        """The roles that tell doses and conditions."""
        return frozenset(role for vaccine in self.all_vaccines() for role in roles_of(vaccine)).union(*self.instead)


class Until(msgspec.Struct, frozen=True):
    """From birth to the birthday of so many years. Doses that two sources date `same_dose_within` days apart are one."""

    birth: Day
    years: int
    same_dose_within: int

    @property
    def last(self) -> Day:
        """The birthday, the last day that counts."""
        return birthday(self.birth, self.years)


class Protection(msgspec.Struct, frozen=True):
    """Whether somebody is protected, as a step with the facts that decide; `opens_on` is the first day on which a dose can count."""

    step: Step
    opens_on: Day


def roles_of(vaccine: str) -> tuple[str, str]:
    """The role of a vaccine's immunizations, and that of the procedures and service lines by which it is known.

    Two, because the eCQM has a value set for each, with codes of different systems.
    """
    return vaccine, f"{vaccine}_administered"


def protection(person: Person, statuses: Statuses, name: str, antigen: Antigen, until: Until) -> Protection:
    """Whether the doses up to the birthday, that day included, or a condition instead, protect the member.

    Source: measures.md 8 (on or before the birthday, different dates of service), 9; CMS117 CQL, Numerator.
    """
    birth, last = until.birth, until.last
    opens_on = max(birth + antigen.from_day, birthday(birth, antigen.from_birthday))
    procedures_from = opens_on if antigen.procedures_from_day is None else birth + antigen.procedures_from_day
    given = {
        vaccine: _given(person, statuses, vaccine, (opens_on, procedures_from), last) for vaccine in antigen.vaccines
    }
    one: list[Fact] = []
    if antigen.one_of is not None:
        first, final = antigen.one_of.window(birth, last)
        one = _given(person, statuses, antigen.one_of.vaccine, (first, first), final)
    every = (*(fact for facts in given.values() for fact in facts), *one)
    repeated = repeats(every, until.same_dose_within)
    days = {vaccine: _days(facts) - repeated for vaccine, facts in given.items()}
    cited = step("", every).evidence
    if _complete(antigen, days, _days(one) - repeated):
        return Protection(Step(f"{name}: {_needed(antigen)}", holds=True, evidence=cited), opens_on)
    for group in antigen.instead:
        conditions = [_conditions(person, statuses, antigen, role, until) for role in group]
        if all(conditions):
            found = step(
                f"{name}: {' and '.join(group)}, in place of doses", (fact for of in conditions for fact in of)
            )
            return Protection(found, opens_on)
    known = frozenset[Day]().union(*days.values())
    # Of those that may be one of the series, one, however many there are.
    so_far = len(known) + (1 if _days(one) - repeated - known else 0)
    # Told to whoever sees them in a registry and wonders.
    too_early = [
        fact
        for vaccine in antigen.vaccines
        for fact in _given(person, statuses, vaccine, (birth, birth), min(opens_on, procedures_from) - 1)
    ]
    early = len(_days(too_early))
    asks = f"{name}: {_needed(antigen)} ({so_far} so far{f', {early} too early' if early else ''})"
    return Protection(Step(asks, holds=False, evidence=cited), opens_on)


def repeats(doses: Iterable[Fact], within: int) -> frozenset[Day]:
    """The days of doses that are the same as an earlier one: another source, claims or registry, has it up to so many days before.

    Sources date one dose days apart, and the rule asks for no interval between doses: an adjustment of the program's editions.
    Source: measures.md 16, 13.
    """
    sources: dict[Day, set[str]] = {}
    for fact in doses:
        sources.setdefault(earliest(fact), set()).add("claim" if fact.record is None else fact.record.source)
    kept: dict[Day, set[str]] = {}
    for day, named in sorted(sources.items()):
        same = next((one for one, of in kept.items() if day - one <= within and of.isdisjoint(named)), None)
        if same is None:
            kept[day] = set(named)
        else:
            kept[same] |= named
    return frozenset(sources) - frozenset(kept)


def before_birth(person: Person, antigens: Iterable[Antigen], birth: Day) -> tuple[Step, ...]:
    """A step that names the doses dated before birth, if there are any: they can be nobody's, and are left out.

    Whoever takes records in does not know birthdays, so the measure is where it shows. Source: measures.md 8 (from birth on).
    """
    roles = sorted({role for antigen in antigens for vaccine in antigen.all_vaccines() for role in roles_of(vaccine)})
    early = step(
        "no immunization is dated before birth; such ones are left out: correct the date",
        (fact for fact in person.facts(*roles) if earliest(fact) < birth),
    )
    return (Step(early.asks, holds=False, evidence=early.evidence),) if early.holds else ()


def _complete(antigen: Antigen, days: Mapping[str, frozenset[Day]], one: frozenset[Day]) -> bool:
    every = frozenset[Day]().union(*days.values())
    if len(every) >= _wanted(antigen, days):
        return True
    if antigen.mixed == "one_complete" and any(len(days[name]) >= doses for name, doses in antigen.vaccines.items()):
        return True
    if antigen.spaced is not None and len(every) >= antigen.spaced.doses:
        return max(every) - min(every) >= antigen.spaced.days
    return antigen.one_of is not None and antigen.one_of.completes(one, every, max(antigen.vaccines.values()))


def _wanted(antigen: Antigen, days: Mapping[str, frozenset[Day]]) -> int:
    """The days that doses of a mix of vaccines must make. None used: that of the shortest series, which no days reach."""
    if antigen.mixed == "one_complete":
        return max(antigen.vaccines.values())
    used = [doses for name, doses in antigen.vaccines.items() if days[name]]
    return max(used, default=min(antigen.vaccines.values()))


def _given(person: Person, statuses: Statuses, vaccine: str, opens_on: tuple[Day, Day], last: Day) -> list[Fact]:
    """The doses of a vaccine that were given, by the day on which giving began; immunizations and procedures each from a day on."""
    as_immunization, as_procedure = roles_of(vaccine)
    return [
        *(
            fact
            for fact in status.immunizations(person, statuses, as_immunization)
            if fact.kind == "immunization" and opens_on[0] <= earliest(fact) <= last
        ),
        *(fact for fact in status.procedures(person, statuses, as_procedure) if opens_on[1] <= earliest(fact) <= last),
    ]


def _conditions(person: Person, statuses: Statuses, antigen: Antigen, role: str, until: Until) -> list[Fact]:
    """Conditions of a role whose onset lies between birth and the birthday. Source: CMS117 CQL, Numerator Inclusion Conditions."""
    return [
        fact
        for fact in status.conditions(person, statuses, role)
        if until.birth <= fact.start <= until.last
        and (role not in antigen.visit_diagnosis_only or _is_visit_diagnosis(fact))
    ]


def _is_visit_diagnosis(fact: Fact) -> bool:
    """A diagnosis on a claim is always that of a visit."""
    return fact.record is None or VISIT_DIAGNOSIS in fact.record.category.split(";")


def _needed(antigen: Antigen) -> str:
    """What a series needs, as a gap says it."""
    needed = [
        f"{doses} dose{'' if doses == 1 else 's'} of {vaccine}" for vaccine, doses in sorted(antigen.vaccines.items())
    ]
    if antigen.spaced is not None:
        needed.append(f"{antigen.spaced.doses} that are {antigen.spaced.days} days apart")
    if antigen.mixed == "one_complete" and len(antigen.vaccines) > 1:
        needed.append(f"{max(antigen.vaccines.values())} of any")
    return " or ".join(needed)


def _days(facts: Iterable[Fact]) -> frozenset[Day]:
    return frozenset(earliest(fact) for fact in facts)
