"""What practices have rendered to one member, as payments count it: standing claim lines by day, code and place.

Kept for the months that may still be stated, in a row of its own that attribution does not read. Source: payment.md 4.1, carve-out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Literal

import msgspec

from schemas.records import Claim
from state.attribution.standing import practice_of
from state.calendar import Day, add_months, month_of
from state.ledger.claims import CONTRIBUTES, resolve
from state.ledger.member import Member, Setting
from state.ledger.rows import History, Row
from state.payment.age_gender import age_on
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge

LATE = 3
"""So many months after its own a month's lines are kept though no panel of it is frozen; for one frozen later they are read anew."""


class Person(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """What payments tell a member on the list of a practice by: the payer's product, gender, and age in whole years on the panel's day."""

    practice_id: str
    product: str
    gender: Literal["F", "M", "U"]
    age: int


class Service(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """Lines of one claim family that payments do not tell apart. Missing identifiers and codes are "". Amounts are cents.

    `practice_id`: who rendered them, by the roster as it was when they were last counted; "" for nobody who is known.
    """

    day: Day
    family: str
    code: str
    place: str
    npi: str
    billing_npi: str
    billing_tin: str
    practice_id: str
    lines: int
    allowed: int
    paid: int


class Moved(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """As whom a panel has a member by now, where that differs from the panel as frozen. `person` None: it is on nobody's list."""

    close: int
    person: Person | None


class Services(msgspec.Struct, frozen=True, array_like=True):
    """What is counted of a member, both sorted."""

    rendered: tuple[Service, ...] = ()
    moved: tuple[Moved, ...] = ()


NONE = Services()


def person_on(member: Member, practice_id: str, day: Day) -> Person:
    """What a member on a list counts as, by the span that starts last of those that cover the day, else of all.

    One on a list has been enrolled; a decision may have put somebody there whose coverage is not known: product "", age 0.
    """
    covering = [span for span in member.spans if span.start <= day < span.end] or member.spans
    if not covering:
        return Person(practice_id, "", "U", 0)
    span = covering[0] if len(covering) == 1 else max(covering, key=lambda one: (one.start, one.span_id))
    return Person(practice_id, span.product, span.gender, _age(span.birth, day))


@lru_cache(maxsize=1 << 16)
def _age(birth: Day, day: Day) -> int:
    return age_on(dt.date.fromordinal(birth), dt.date.fromordinal(day))


def rendered(history: History, knowledge: Knowledge) -> list[Service]:
    """The lines of a claim family that stand: of its standing version, if that is paid or an encounter, those not denied."""
    claim = resolve(history, Claim, allow_reopen=knowledge.ruleset.allow_reopen).current
    if claim is None or claim.claim_status not in CONTRIBUTES:
        return []
    billing_npi, billing_tin = claim.billing_npi or "", claim.billing_tin or ""
    practices: dict[tuple[str, Day], str] = {}
    found: dict[tuple[Day, str, str, str], list[int]] = {}
    for line in claim.lines:
        if line.line_status == "denied":
            continue
        day, npi = line.claim_line_start_date.toordinal(), line.rendering_npi or ""
        if (npi, day) not in practices:
            practices[npi, day] = _practice(npi, billing_npi, billing_tin, day, knowledge)
        sums = found.setdefault((day, line.hcpcs_code or "", line.place_of_service_code or "", npi), [0, 0, 0])
        sums[0] += 1
        sums[1] += _cents(line.allowed_amount)
        sums[2] += _cents(line.paid_amount)
    return [
        Service(day, history.numbers[0], code, place, npi, billing_npi, billing_tin, practices[npi, day], *sums)
        for (day, code, place, npi), sums in found.items()
    ]


def with_families(services: Services, rows: Iterable[tuple[str, Row | None]], knowledge: Knowledge) -> Services:
    """The services with what some cold rows say of claims now, in the place of what was known of these families."""
    histories = [row for _, row in rows if isinstance(row, History) and row.is_claim]
    if not histories:
        return services
    families = {number for history in histories for number in history.numbers}
    found = [one for one in services.rendered if one.family not in families]
    for history in histories:
        found += rendered(history, knowledge)
    return msgspec.structs.replace(services, rendered=tuple(found))


def from_rows(services: Services, rows: Mapping[str, Row | None], knowledge: Knowledge) -> Services:
    """The services made anew from all cold rows: another version of a claim may stand by other rules."""
    return with_families(msgspec.structs.replace(services, rendered=()), rows.items(), knowledge)


def placed(services: Services, knowledge: Knowledge) -> Services:
    """The services with who rendered them as the roster has it now."""
    found = []
    for one in services.rendered:
        practice = _practice(one.npi, one.billing_npi, one.billing_tin, one.day, knowledge)
        found.append(one if practice == one.practice_id else msgspec.structs.replace(one, practice_id=practice))
    return msgspec.structs.replace(services, rendered=tuple(found))


def on_panels(services: Services, member: Member, panels: Sequence[FrozenList], as_of: Day | None) -> Services:
    """The services of months that may still be stated, and as whom the panels (`panels_of`) have the member now.

    Such months have a panel that may be adjusted, or are at most `LATE` months old. Before the first tick nobody knows, and all are kept.
    """
    if as_of is None:
        return Services(tuple(sorted(services.rendered)), ())
    months = {one.as_of for one in panels}
    kept = [
        one
        for one in services.rendered
        if (month := month_of(one.day)) in months or add_months(month, LATE + 1) > as_of
    ]
    days = {one.number: one.as_of for one in panels}
    moved = []
    for listed in member.listed:
        if listed.close in days:
            now = person_on(member, listed.now, days[listed.close]) if listed.now else None
            if now != frozen_person(member, listed.close):
                moved.append(Moved(listed.close, now))
    return Services(tuple(sorted(kept)), tuple(sorted(moved, key=lambda one: one.close)))


def terms_of(services: Services) -> frozenset[str]:
    """What a change of roster or practice finds the member by: who rendered and who billed."""
    return frozenset(f"npi:{npi}" for one in services.rendered for npi in (one.npi, one.billing_npi) if npi)


def needs_rows(one: FrozenList, as_of: Day) -> bool:
    """Whether a panel that is frozen now is of a month whose lines are not kept any more."""
    return add_months(one.as_of, LATE + 1) <= as_of


def panels_of(knowledge: Knowledge, as_of: Day | None) -> tuple[FrozenList, ...]:
    """The frozen panels that may still be adjusted on a day."""
    if as_of is None:
        return ()
    return tuple(one for one in knowledge.frozen if one.close.reading == "panel" and one.until > as_of)


def concerned(panels: Iterable[FrozenList], lines: Iterable[Service]) -> tuple[FrozenList, ...]:
    """The panels of the months of some lines."""
    months = {month_of(one.day) for one in lines}
    return tuple(one for one in panels if one.as_of in months)


def frozen_person(member: Member, close: int) -> Person | None:
    """As whom a panel as frozen has a member; None for one on nobody's list."""
    listed = next((one for one in member.listed if one.close == close), None)
    if listed is None or not listed.practice_id:
        return None
    return Person(listed.practice_id, listed.product, listed.gender, listed.age)


def _practice(npi: str, billing_npi: str, billing_tin: str, day: Day, knowledge: Knowledge) -> str:
    """The practice that rendered a line, by what is known; "" where none of the ways of attribution.md 2.4 leads to a known one."""
    rows = [row for row in knowledge.roster.rows_of(npi) if row.in_force(day)]
    if not rows and not knowledge.roster.by_organisation.get(billing_npi):
        return ""
    setting = Setting(npi, billing_npi, billing_tin, "no", practice_level=False, preventive=False, needs="")
    practice = practice_of(setting, rows, day, knowledge)
    return "" if practice in (None, f"TIN:{billing_tin}", f"NPI:{billing_npi or npi}") else practice


def _cents(amount: Decimal | None) -> int:
    return 0 if amount is None else int(amount.scaleb(2).to_integral_value(ROUND_HALF_UP))
