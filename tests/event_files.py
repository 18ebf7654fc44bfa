"""Builds the lines of event files: a small world of three practices, one payer and one member."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Visit = tuple[str, str, str]
"""(date, practice, NPI)."""


def reference() -> list[Event]:
    """Two practices, their doctors, and a payer whose products are all in scope."""
    doctors = [(practice, npi) for practice, npis in {"A": "12", "B": "9", "C": "5"}.items() for npi in npis]
    return [
        {"event_type": "payer", "payer": "acme", "name": "Acme"},
        *(
            {
                "event_type": "provider",
                "npi": npi,
                "practice_id": practice,
                "tin": f"tin-{practice}",
                "taxonomy_code": "207Q00000X",
                "is_pcp": True,
                "effective_from": "2020-01-01",
                "roster_version": 1,
            }
            for practice, npi in doctors
        ),
    ]


def span(member: str = "M", **changes: Any) -> Event:
    return {
        "event_type": "enrollment",
        "payer": "acme",
        "member_id": member,
        "span_id": "S",
        "span_version": 1,
        "enrollment_start_date": "2020-01-01",
        "product": "PPO",
        "line_of_business": "commercial",
        "birth_date": "1980-05-05",
        "gender": "female",
        **changes,
    }


def claim(visit: Visit, number: str, member: str = "M", **changes: Any) -> Event:
    date, practice, npi = visit
    return {
        "event_type": "claim",
        "payer": "acme",
        "member_id": member,
        "payer_claim_control_number": number,
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "claim_type": "professional",
        "claim_version": 1,
        "billing_tin": f"tin-{practice}",
        "lines": [
            {
                "claim_line_number": 1,
                "claim_line_start_date": date,
                "hcpcs_code": "99213",
                "place_of_service_code": "11",
                "rendering_npi": npi,
            }
        ],
        **changes,
    }


def plan_run(**changes: Any) -> Event:
    """The payer goes by its plan's own list."""
    return {"event_type": "payer", "payer": "acme", "name": "Acme", "attribution_mode": "plan", **changes}


def listed(month: str, practice: str, member: str = "M", **changes: Any) -> Event:
    """An entry of the plan's own list."""
    return {
        "event_type": "plan_attribution",
        "payer": "acme",
        "member_id": member,
        "attribution_month": month,
        "practice_id": practice,
        "list_version": 1,
        **changes,
    }


def plan_list(month: str, **changes: Any) -> Event:
    """The manifest that says that the plan's list of a month is there, in full."""
    return {
        "event_type": "feed_manifest",
        "payer": "acme",
        "feed": "plan_attribution",
        "file": "list",
        "list_version": 1,
        "covers_from": f"{month}-01",
        "covers_to": f"{month}-28",
        "records": 1,
        "full_replacement": True,
        **changes,
    }


def asked(request: str, practice: str, start: str, **changes: Any) -> Event:
    """A request to add the member to a practice, or to remove them from it."""
    return {
        "event_type": "attribution_request",
        "payer": "acme",
        "member_id": "M",
        "practice_id": practice,
        "request": request,
        "reason": "not my patient",
        "effective_from": start,
        "due_date": "2025-07-15",
        **changes,
    }


def decided(request: str, practice: str, start: str, decision: str = "accepted", **changes: Any) -> Event:
    """What was decided of it."""
    asked_for = asked(request, practice, start)
    del asked_for["due_date"]
    return {**asked_for, "event_type": "attribution_decision", "decision": decision, **changes}


def practice_result(code: str = "4548-4", value: str = "7.1", unit: str = "%", **changes: Any) -> Event:
    """A result that practice A has submitted for the member: an HbA1c, unless said otherwise."""
    return {
        "event_type": "practice_result",
        "payer": "acme",
        "member_id": "M",
        "practice_id": "A",
        "result_id": "R1",
        "result_version": 1,
        "code_system": "LOINC",
        "code": code,
        "value": value,
        "unit": unit,
        "date": "2025-10-01",
        "document_ref": "chart-1",
        "state": "submitted",
        **changes,
    }


def void(original: Event) -> Event:
    return {**original, "claim_frequency_code": "8", "claim_version": 2}


def seen(*visits: Visit) -> list[Event]:
    return [span(), *(claim(visit, f"C{number}") for number, visit in enumerate(visits))]


def write(path: Path, events: Iterable[Event]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path
