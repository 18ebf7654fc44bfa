"""Members, claims and roster rows for tests, so that a test shows only what matters to it."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from schemas.codec import Codec
from schemas.records import Attribution, Claim, ClaimLine, Enrollment, MemberFact, Position, Provider
from schemas.registry import EmbeddedRegistry
from state import engine
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore

CODEC = Codec(EmbeddedRegistry())
FAMILY_MEDICINE = "207Q00000X"
ACCEPTED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def line(day: dt.date, number: int = 1, **changes: Any) -> ClaimLine:
    """An office visit by a family physician, unless said otherwise."""
    given: dict[str, Any] = {
        "claim_line_number": number,
        "claim_line_start_date": day,
        "hcpcs_code": "99213",
        "place_of_service_code": "11",
        "rendering_npi": "1234567893",
        "rendering_taxonomy": FAMILY_MEDICINE,
    }
    return ClaimLine(**{**given, **changes})


def claim(number: str, *lines: ClaimLine, **changes: Any) -> Claim:
    """A paid professional claim of one member under one tax id, unless said otherwise."""
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "1",
        "payer_claim_control_number": number,
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "claim_type": "professional",
        "billing_tin": "950000001",
        "lines": lines,
    }
    return Claim(**{**given, **changes})


def span(**changes: Any) -> Enrollment:
    """Open commercial PPO coverage since 2020, unless said otherwise."""
    given: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "1",
        "span_id": "S1",
        "span_version": 1,
        "enrollment_start_date": dt.date(2020, 1, 1),
        "product": "PPO",
        "line_of_business": "commercial",
        "birth_date": dt.date(1980, 1, 1),
        "gender": "F",
    }
    return Enrollment(**{**given, **changes})


def roster_row(npi: str = "1234567893", practice: str = "A", tin: str = "950000001", **changes: Any) -> Provider:
    """A PCP at a practice since 2020, unless said otherwise."""
    given: dict[str, Any] = {
        "npi": npi,
        "practice_id": practice,
        "tin": tin,
        "taxonomy_code": FAMILY_MEDICINE,
        "is_pcp": True,
        "effective_from": dt.date(2020, 1, 1),
        "roster_version": 1,
    }
    return Provider(**{**given, **changes})


def knowledge(*records: Any, tables: TableStore | None = None, as_of: dt.date = dt.date(2025, 6, 30)) -> Knowledge:
    """What is known after some reference records, in order."""
    known = Knowledge.initial(tables or TableStore([]))
    for place, record in enumerate(records):
        known = known.apply(record, Position("control", 0, place), as_of=None).knowledge
    return known.reach(as_of).knowledge


def member(known: Knowledge, *facts: MemberFact) -> Any:
    """A member made of facts, in order."""
    made = engine.new_member(facts[0].payer, facts[0].member_id)
    rows: dict[str, Any] = {}
    for place, body in zip(itertools.count(), facts, strict=False):
        fact = engine.Fact(
            str(type(body).__struct_config__.tag),  # type: ignore[arg-type]
            CODEC.event_id_of(body),
            Position("facts", 0, place),
            ACCEPTED,
            body,
            body.event_id is not None,
        )
        while missing := engine.rows_missing(fact, rows):
            rows.update(dict.fromkeys(missing))
        engine.fold(made, rows, fact, known)
    return made


def answer(known: Knowledge, as_of: dt.date, *facts: MemberFact) -> Attribution:
    """Whose patient a member of these facts, covered throughout, is on a day."""
    return engine.attribution(member(known, span(), *facts), as_of, known)
