"""The facts of one member that attribution reads, small enough to be read and written with every event.

Every collection is kept in a total order, so that equal facts give equal bytes however they arrived (design.md law 2).
A claim line is kept where its code, form and place could make it a visit; whether its provider counts is asked of the roster
at evaluation. Days are ordinals (state.calendar).
"""

from __future__ import annotations

import datetime as dt
from bisect import insort
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from schemas.records import Position, RequestKind, SelectionSource
from state.calendar import Day, add_months

PROGRAM_PERIOD = "period"
"""The term of members with a decision that lasts until a program period ends."""
KEPT_MONTHS = 24
"""No window of any ruleset is longer, so that older lines no longer matter to the days to come."""


class Span(msgspec.Struct, frozen=True, order=True, array_like=True):
    """What the current version of an enrollment span says. Covered while start <= day < end; a span that never was has end <= start.

    `birth` and `gender` (F, M, else U) are what payments are adjusted by.
    """

    span_id: str
    start: Day
    end: Day
    product: str
    death: Day | None
    reported_at: dt.datetime | None
    position: Position
    birth: Day
    gender: Literal["F", "M", "U"]

    @property
    def took_effect(self) -> bool:
        """Whether the span ever covered a day. A termination (834 code 024) may end it before it starts."""
        return self.start < self.end


class Selection(msgspec.Struct, frozen=True, order=True, array_like=True):
    """What the current version of a PCP selection says. Active while start <= day < end."""

    selection_id: str
    npi: str
    practice_id: str | None
    tin: str | None
    source: SelectionSource
    start: Day
    end: Day
    position: Position


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A request about a practice from a day on, and what was decided of it. Source: attribution.md 2.6 step 0b.

    `end`: the first day no longer in force, None where neither of the two names one. `due`: None while only the decision is known,
    which has no effect until then. `position`: where the decision entered; the request's until there is one.
    """

    practice_id: str
    request: RequestKind
    start: Day
    end: Day | None
    due: Day | None
    decision: Literal["accepted", "rejected"] | None
    position: Position

    @property
    def is_open(self) -> bool:
        """Whether a decision is still to come."""
        return self.decision is None

    @property
    def takes_effect(self) -> bool:
        """Whether it was asked, and accepted."""
        return self.decision == "accepted" and self.due is not None


class PlanEntry(msgspec.Struct, frozen=True, array_like=True):
    """The entry of a plan's own list that stands for a member in a month: that of the highest list version."""

    month: Day
    list_version: int
    practice_id: str
    npi: str | None


Verdict = Literal["include", "met", "palliative", "flagged", "no", "unknown"]
"""What the taxonomy alone says of a line: include, met (all its conditions are), palliative (counts where COND_PALL allows), flagged
(counts where the practice or TIN is flagged primary care), no, unknown (there is no taxonomy). Source: attribution.md 2.2, 2.3."""


class Setting(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Who rendered and billed a line, and what code lists and taxonomy say of it; the roster has the last word.

    `practice_level`: nobody in person is named, so that the visit is the practice's alone.
    `needs`: which taxonomies the code or place is open to, "" for any.
    Missing identifiers are "".
    """

    npi: str
    billing_npi: str
    billing_tin: str
    verdict: Verdict
    practice_level: bool
    preventive: bool
    needs: str


class Line(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A claim's service on a day: `family` is the claim family, `claim_id` the name under which it is cited where that differs."""

    day: Day
    family: str
    claim_id: str = ""

    @property
    def evidence(self) -> str:
        """The claim id under which the line is cited. Source: interface.md section 4."""
        return self.claim_id or self.family


class Care(msgspec.Struct, order=True, array_like=True):
    """The lines of one setting: those that stand, and those that stood until a void or denial took them back."""

    setting: Setting
    lines: list[Line]
    retracted: list[Line]


class Hospice(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Days, both included, billed by a hospice (bill type 81x, 82x). Source: attribution.md 2.3, COND_PALL."""

    start: Day
    end: Day
    family: str


class Closed(msgspec.Struct, frozen=True, order=True, array_like=True):
    """An alert that was resolved or expired on a day; its record is withdrawn 90 days later."""

    practice_id: str
    day: Day


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What was last said of a member: digest of the answer, its parts that a change reports, digest of the open alert.

    `shadow`: that alert is the common rule's, where the plan's own list decides.
    """

    answer: bytes
    step: str | None
    practice_id: str | None
    provider_npi: str | None
    alert: bytes | None
    shadow: bool = False


class Listed(msgspec.Struct, frozen=True, order=True, array_like=True):
    """The practice on whose frozen list a member stands. Who is on none has no entry.

    `close`: the number of the close. `now`: the practice after the adjustments made since; "" for none. `npi`, `step`: as frozen.
    `since`: the first of the unbroken row of monthly panels that lead here. `product`, `gender`, `age`: as payments count the member, as
    frozen.
    """

    close: int
    practice_id: str
    now: str
    npi: str
    step: str
    since: Day
    product: str = ""
    gender: Literal["F", "M", "U"] = "U"
    age: int = 0


class Member(msgspec.Struct, array_like=True):
    """One member of one payer."""

    payer: str
    member_id: str
    spans: list[Span] = []
    selections: list[Selection] = []
    care: list[Care] = []
    hospice: list[Hospice] = []
    said: Said | None = None
    closed: list[Closed] = []
    listed: list[Listed] = []
    requests: list[Request] = []
    plan_entries: list[PlanEntry] = []


class Derived(msgspec.Struct, frozen=True):
    """What one claim family contributes to its member."""

    lines: tuple[tuple[Setting, Line], ...] = ()
    retracted: tuple[tuple[Setting, Line], ...] = ()
    hospice: tuple[Hospice, ...] = ()


NOTHING = Derived()


def contributed(member: Member, families: Iterable[str]) -> Derived:
    """What some claim families contribute now."""
    wanted = frozenset(families)
    return Derived(
        lines=tuple((care.setting, line) for care in member.care for line in care.lines if line.family in wanted),
        retracted=tuple(
            (care.setting, line) for care in member.care for line in care.retracted if line.family in wanted
        ),
        hospice=tuple(stay for stay in member.hospice if stay.family in wanted),
    )


def withdraw(member: Member, families: Iterable[str]) -> None:
    """Take out everything that some claim families contribute."""
    wanted = frozenset(families)
    for care in member.care:
        care.lines = [line for line in care.lines if line.family not in wanted]
        care.retracted = [line for line in care.retracted if line.family not in wanted]
    member.care = [care for care in member.care if care.lines or care.retracted]
    member.hospice = [stay for stay in member.hospice if stay.family not in wanted]


def contribute(member: Member, derived: Derived) -> None:
    """Put in what a claim family contributes; it must not contribute anything yet."""
    for setting, line in derived.lines:
        insort(_care_in(member, setting).lines, line)
    for setting, line in derived.retracted:
        insort(_care_in(member, setting).retracted, line)
    for stay in derived.hospice:
        insort(member.hospice, stay)


def prune(member: Member, as_of: Day, frozen: Day, window: int) -> None:
    """Forget lines and hospice stays too old to matter; the cold rows keep them.

    They matter on `as_of` and later, and on `frozen`, the earliest frozen day that may still be adjusted, in a window of so many months.
    """

    def matters(day: Day) -> bool:
        return add_months(day, KEPT_MONTHS) > as_of or add_months(day, window) > frozen

    if all(matters(day) for day in _oldest(member)):
        return
    for care in member.care:
        care.lines = [line for line in care.lines if matters(line.day)]
        care.retracted = [line for line in care.retracted if matters(line.day)]
    member.care = [care for care in member.care if care.lines or care.retracted]
    member.hospice = [stay for stay in member.hospice if matters(stay.end)]


def _oldest(member: Member) -> Iterator[Day]:
    for care in member.care:
        if care.lines:
            yield care.lines[0].day
        if care.retracted:
            yield care.retracted[0].day
    for stay in member.hospice:
        yield stay.end


def _care_in(member: Member, setting: Setting) -> Care:
    for care in member.care:
        if care.setting == setting:
            return care
    care = Care(setting, [], [])
    insort(member.care, care)
    return care


def terms(member: Member) -> frozenset[str]:
    """What a change of reference finds the member by.

    Its providers and billers; practices selected, listed by the plan, or asked to be flagged; PCPs selected without a practice; and
    the program's periods, where a decision lasts until the end of one.
    """
    found: set[str] = set()
    for care in member.care:
        setting = care.setting
        if setting.npi:
            found.add(f"npi:{setting.npi}")
        if setting.billing_npi:
            found.add(f"npi:{setting.billing_npi}")
        if setting.verdict == "flagged":
            found.update(f"flagged:{key}" for key in (setting.billing_tin, setting.billing_npi) if key)
    for selection in member.selections:
        found.add(f"npi:{selection.npi}")
        # Which practice a selection of a PCP alone leads to is the roster's to say: the roster names those it concerns.
        named = f"practice:{selection.practice_id}" if selection.practice_id is not None else f"chosen:{selection.npi}"
        found.add(named)
    found.update(f"practice:{entry.practice_id}" for entry in member.plan_entries)
    if any(one.takes_effect and one.end is None for one in member.requests):
        found.add(PROGRAM_PERIOD)
    return frozenset(found)
