"""Step 0: may the member be attributed at all? Source: attribution.md 2.6 step 0."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

from state.calendar import Day, from_date
from state.ledger.member import Member
from state.reference.knowledge import Knowledge

NotEligible = Literal["deceased", "coverage_ended", "out_of_scope_product", "not_yet_effective"]
_EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC)


def death_of(member: Member) -> Day | None:
    """The day of death as the newest-reported span version that carries one says; it stands until that version is replaced."""
    told = [span for span in member.spans if span.death is not None]
    return max(told, key=lambda span: (span.reported_at or _EARLIEST, span.position)).death if told else None


def not_eligible(member: Member, day: Day, knowledge: Knowledge) -> NotEligible | None:
    """Why a member cannot be attributed on a day; None for a member alive and covered in an in-scope product.

    A payer that names no products, or is not known, has every product in scope. Deceased from the day of death on.
    """
    death = death_of(member)
    if death is not None and death <= day:
        return "deceased"
    covered = [span for span in member.spans if span.took_effect and span.start <= day < span.end]
    if covered:
        terms = knowledge.payer(member.payer, day)
        products = terms.products if terms is not None else ()
        if not products or any(span.product in products for span in covered):
            return None
        return "out_of_scope_product"
    if any(span.took_effect and span.end <= day for span in member.spans):
        return "coverage_ended"
    return "not_yet_effective"


def days(member: Member, knowledge: Knowledge) -> Iterator[Day]:
    """The days on which eligibility can change."""
    for span in member.spans:
        yield span.start
        yield span.end
    death = death_of(member)
    if death is not None:
        yield death
    for record, _ in knowledge.payers.get(member.payer, ()):
        yield from_date(record.effective_from)
