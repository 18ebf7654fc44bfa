"""Members in words: visits as the golden cases of attribution.md 2.8 write them, told and asked one by one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from schemas.records import (
    Alert,
    Attribution,
    AttributionDecision,
    AttributionRequest,
    Claim,
    Enrollment,
    FeedManifest,
    PayerRecord,
    PcpSelection,
    PlanAttribution,
    Position,
    Practice,
    Provider,
)
from state import engine
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from tests import builders

PAYER, MEMBER = "aetna", "1"
TINS = {"A": "950000001", "B": "950000002", "C": "950000003"}
PRACTICE_OF = {"1": "A", "2": "A", "9": "B", "5": "C"}


def day(text: str | None) -> Any:
    """A date from its ISO form; None stays None."""
    return None if text is None else dt.date.fromisoformat(text)


def provider(npi: str, practice: str, start: str = "2020-01-01", end: str | None = None, **other: Any) -> Provider:
    """A roster row: a PCP in family medicine, unless said otherwise."""
    facts = {"tin": TINS[practice], "taxonomy_code": builders.FAMILY_MEDICINE, "is_pcp": True, "roster_version": 1}
    dates = {"effective_from": day(start), "effective_to": day(end)}
    return Provider(npi=npi, practice_id=practice, **(facts | dates | other))


def practice(practice_id: str, start: str = "2020-01-01", end: str | None = None, **other: Any) -> Practice:
    """A practice that takes part."""
    facts = {"name": practice_id, "participating": True, "effective_from": day(start), "effective_to": day(end)}
    return Practice(practice_id=practice_id, **(facts | other))


def payer(start: str = "1900-01-01", **other: Any) -> PayerRecord:
    """The payer's terms from a day on."""
    return PayerRecord(payer=PAYER, name=PAYER, effective_from=day(start), **other)


def knowing(*records: Any, ruleset: str = "guide") -> Knowledge:
    """What is known after some reference records."""
    known = Knowledge.initial(TableStore(), ruleset=ruleset)
    for offset, record in enumerate(records):
        known = known.apply(record, Position("control", 0, offset), as_of=None).knowledge
    return known


ROSTER = tuple(provider(npi, practice_id) for npi, practice_id in PRACTICE_OF.items())
"""Clinicians 1 and 2 at practice A, 9 at B, 5 at C."""


def span(start: str = "2020-01-01", end: str | None = None, **other: Any) -> Enrollment:
    """A version of an enrollment span."""
    dates = {"enrollment_start_date": day(start), "enrollment_end_date": day(end)}
    if "death_date" in other:
        other["death_date"] = day(other["death_date"])
    return builders.span(**dates, **other)


def selection(npi: str, start: str = "2024-01-01", end: str | None = None, **other: Any) -> PcpSelection:
    """A version of a PCP selection by the member."""
    facts = {"selection_id": npi, "selection_version": 1, "selection_source": "member_selected"}
    dates = {"effective_from": day(start), "effective_to": day(end)}
    return PcpSelection(payer=PAYER, member_id=MEMBER, pcp_npi=npi, **(facts | dates | other))  # type: ignore[arg-type]


def asked(request: str, practice_id: str, start: str, due: str = "2025-12-31", **other: Any) -> AttributionRequest:
    """A request to add the member to a practice, or to remove them from it, from a day on."""
    other = {name: day(value) if name == "effective_to" else value for name, value in other.items()}
    facts = {"practice_id": practice_id, "request": request, "reason": "not ours", "due_date": day(due)}
    return AttributionRequest(payer=PAYER, member_id=MEMBER, effective_from=day(start), **(facts | other))  # type: ignore[arg-type]


def decided(
    request: str, practice_id: str, start: str, decision: str = "accepted", **other: Any
) -> AttributionDecision:
    """What was decided of the request of the same practice, kind and day."""
    other = {name: day(value) if name == "effective_to" else value for name, value in other.items()}
    facts = {"practice_id": practice_id, "request": request, "decision": decision}
    return AttributionDecision(payer=PAYER, member_id=MEMBER, effective_from=day(start), **(facts | other))  # type: ignore[arg-type]


def listed(month: str, practice_id: str, version: int = 1, npi: str | None = None) -> PlanAttribution:
    """The member's entry of a plan's own list."""
    return PlanAttribution(
        payer=PAYER, member_id=MEMBER, attribution_month=month, practice_id=practice_id, list_version=version, npi=npi
    )  # type: ignore[arg-type]


def plan_list(first: str, last: str | None = None, version: int = 1, *, full: bool = True) -> FeedManifest:
    """The plan's lists of some months are there."""
    return FeedManifest(
        payer=PAYER, feed="plan_attribution", file="list", list_version=version, records=1, full_replacement=full,
        covers_from=day(f"{first}-01"), covers_to=day(f"{last or first}-28"),
    )  # type: ignore[arg-type]  # fmt: skip


def visit(spoken: str, **other: Any) -> Claim:
    """`2025-01-10 A 2`: a claim for a visit on a day at a practice, with the clinician (else the first one there)."""
    when, practice_id, *npi = spoken.split()
    seen = npi[0] if npi else next(one for one, home in PRACTICE_OF.items() if home == practice_id)
    facts = {"billing_tin": TINS[practice_id], "lines": (builders.line(day(when), rendering_npi=seen),)}
    return builders.claim(spoken, **(facts | other))


class Case:
    """A member under test: told facts one by one, asked and advanced as the member agent does it."""

    def __init__(self, *facts: Any, known: Knowledge | None = None, covered: bool = True) -> None:
        self.known = knowing(*ROSTER) if known is None else known
        self.member = engine.new_member(PAYER, MEMBER)
        self.rows: dict[str, Any] = {}
        self.told = 0
        for fact in (span(), *facts) if covered else facts:
            self.tell(fact)

    def tell(self, body: Any, *, event_id: str | None = None, offset: int | None = None) -> engine.Folded:
        """Fold one fact, or a visit in words. Its place in the input is that of telling, unless given."""
        if isinstance(body, str):
            body = visit(body)
        self.told += 1
        place = Position("facts", 0, self.told if offset is None else offset)
        kind: Any = type(body).__struct_config__.tag
        fact = engine.Fact(kind, event_id or f"e{self.told}", place, builders.ACCEPTED, body, event_id is not None)
        while missing := engine.rows_missing(fact, self.rows):
            self.rows |= dict.fromkeys(missing)
        return engine.fold(self.member, self.rows, fact, self.known)

    def on(self, when: str) -> Attribution:
        """Whose patient the member is on a day."""
        return engine.attribution(self.member, day(when), self.known)

    def advance(self, when: str, cause: str = "tick") -> engine.Advanced:
        """Evaluate on a day and remember what was said."""
        return engine.advance(self.member, day(when), self.known, cause=cause, position="facts/0/0")

    def alerts(self, when: str, cause: str = "tick") -> list[Alert]:
        """The alerts said by evaluating on a day."""
        sent = self.advance(when, cause).outputs
        return [out.record for out in sent if out.topic == "alert-history" and isinstance(out.record, Alert)]
