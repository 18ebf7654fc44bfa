"""The clinical tables and pharmacy claims of the Tuva input layer, as event files: what measures need beside medical claims.

How rows are read, where the layout leaves a choice (source: the Tuva input layer; HL7 v2 table 0085 for statuses of results):

- Clinical tables name a person and no payer: whose member the person is says eligibility. A person of several payers is a member of each.
- The normalized code goes before the source's; of a laboratory result the component's before the order's.
- A laboratory result is dated by its collection, else by its result; times have no zone, so only the day is told.
- A row without a code or a date says nothing that can be found: it is left out and listed.
- A result is a number with its unit, or `text|...`; a result of no text is a test without a result.
- A claim's line of the pharmacy layout is a dispensing of its own; its control number is the claim's and the line's. Rows with negative
  amounts or quantity take back what other rows of the line said: the line's net decides whether a second version is a void.
- `days_supply` is asked for by the service and often empty in the layout: then it is 1, the least that a dispensing can be, and listed.
  Where days count (tablets of AMR), a dispensing of 30 days or less is one event and one unit, so that 1 never adds any.
- Appointments and plan-run attribution are not read: see `NOT_READ`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from streams.adapters.charts import Membership, People, note, records, result
from streams.adapters.left_out import LeftOut, Place
from streams.adapters.sources import Event, Row, accepted, amount, day, required_day, rows, without_nulls

OBSERVATIONS = (
    *("observation_id", "person_id", "encounter_id", "observation_date", "observation_type"),
    *("source_code_type", "source_code", "normalized_code_type", "normalized_code"),
    *("result", "source_units", "normalized_units", "data_source"),
)
LABORATORY = (
    *("lab_result_id", "person_id", "encounter_id", "status", "result", "result_datetime", "collection_datetime"),
    *("source_order_type", "source_order_code", "source_component_type", "source_component_code"),
    *("normalized_order_type", "normalized_order_code", "normalized_component_type", "normalized_component_code"),
    *("source_units", "normalized_units", "data_source"),
)
IMMUNIZATIONS = (
    *("immunization_id", "person_id", "encounter_id", "occurrence_date", "status", "status_reason"),
    *("source_code_type", "source_code", "normalized_code_type", "normalized_code", "data_source"),
)
PHARMACY = (
    *("claim_id", "claim_line_number", "member_id", "payer", "prescribing_provider_npi", "dispensing_date", "ndc_code"),
    *("quantity", "days_supply", "paid_date", "paid_amount", "allowed_amount", "data_source"),
)
STATUSES = {
    "F": "final",
    "P": "preliminary",
    "C": "corrected",
    "X": "cancelled",
    "D": "entered-in-error",
    "W": "entered-in-error",
}
"""Status of a result in words of FHIR. Source: HL7 v2 table 0085; a status in words stays as it is."""
NOT_READ = {
    "appointment*.csv": "is a table of appointments, which are no care that took place: not read",
    "provider_attribution*.csv": "is the plan's own attribution without a practice of the roster: not read",
}
UNITS_AT_LEAST = 1
"""Days' supply of a dispensing whose row says none."""


def care(folder: Path, people: People, left_out: LeftOut) -> Iterator[Event]:
    """What the clinical tables and pharmacy claims of a folder say, table by table; a table that is not there is none."""
    for path in sorted(folder.glob("observation*.csv")):
        for row in rows(path, OBSERVATIONS):
            yield from _observation(row, people, left_out)
    for path in sorted(folder.glob("lab_result*.csv")):
        for row in rows(path, LABORATORY):
            yield from _laboratory_result(row, people, left_out)
    for path in sorted(folder.glob("immunization*.csv")):
        for row in rows(path, IMMUNIZATIONS):
            yield from _immunization(row, people, left_out)
    yield from dispensings(folder, left_out)
    for pattern, reason in NOT_READ.items():
        for path in sorted(folder.glob(pattern)):
            left_out.add(path.name, reason, Place(path.name, 0))


def memberships(spans: Sequence[Event]) -> People:
    """Whose member each person is, by the enrollment spans of the source."""
    found: dict[str, dict[tuple[str, str], dt.date]] = {}
    for span in spans:
        start = dt.date.fromisoformat(str(span["enrollment_start_date"]))
        known = found.setdefault(str(span.get("person_id") or span["member_id"]), {})
        key = str(span["payer"]), str(span["member_id"])
        known[key] = min(start, known.get(key, start))
    return {
        person: tuple(Membership(*key, since) for key, since in sorted(known.items()))
        for person, known in found.items()
    }


def dispensings(folder: Path, left_out: LeftOut) -> Iterator[Event]:
    """One event for each version of a line of a pharmacy claim, lines in the order in which they first appear."""
    gathered: dict[tuple[str, ...], list[Row]] = {}
    for path in sorted(folder.glob("pharmacy_claim*.csv")):
        for row in rows(path, PHARMACY):
            key = tuple(row.values[column] for column in ("payer", "claim_id", "claim_line_number"))
            gathered.setdefault(key, []).append(row)
    for same in gathered.values():
        distinct = list({tuple(row.values.items()): row for row in reversed(same)}.values())[::-1]
        given = [row for row in distinct if not _is_negative(row)]
        taken_back = [row for row in distinct if _is_negative(row)]
        for version, row in enumerate(given, start=1):
            yield _dispensing(row, left_out, version=version if len(distinct) > 1 else None)
        if taken_back and sum((amount(row, "quantity") for row in distinct), Decimal(0)) <= 0:
            yield _dispensing(taken_back[-1], left_out, version=len(given) + 1, void=True)
        else:
            for row in taken_back:
                note(left_out, row, "takes back a part of a dispensing, which stands as it was: not read")


def _is_negative(row: Row) -> bool:
    return any(amount(row, column) < 0 for column in ("quantity", "paid_amount", "allowed_amount"))


def _dispensing(row: Row, left_out: LeftOut, *, version: int | None, void: bool = False) -> Event:
    values = row.values
    dispensed, paid = required_day(row, "dispensing_date"), day(row, "paid_date")
    number = f"{values['claim_id']}:{values['claim_line_number']}"
    supply = amount(row, "days_supply")
    if supply < 1:
        note(left_out, row, f"days_supply is empty or below one: it is told as {UNITS_AT_LEAST}")
    return without_nulls(
        {
            "event_type": "pharmacy_claim",
            "payer": values["payer"],
            "member_id": values["member_id"],
            "payer_claim_control_number": number,
            "original_claim_id": number if void else None,
            "claim_frequency_code": "8" if void else "1",
            "claim_version": version,
            "claim_status": "reversed" if void else "paid",
            "ndc_code": values["ndc_code"],
            "dispensing_date": dispensed.isoformat(),
            "days_supply": max(int(supply), UNITS_AT_LEAST),
            "quantity": values["quantity"],
            "prescriber_npi": values["prescribing_provider_npi"],
            "allowed_amount": values["allowed_amount"],
            "paid_amount": values["paid_amount"],
            "source_system": values["data_source"],
            "source_file": row.file,
            "source_row": row.number,
            "accepted_at": accepted(max(dispensed, paid or dispensed)),
        }
    )


def _observation(row: Row, people: People, left_out: LeftOut) -> Iterator[Event]:
    values = row.values
    facts = {
        "record_id": f"observation/{values['observation_id']}",
        "kind": "observation",
        **_code(row, "normalized", "source"),
        **result(row, values["result"], left_out),
        "unit": values["normalized_units"] or values["source_units"],
        "status": "final",
        "category": values["observation_type"],
        "part_of": _within(row),
    }
    yield from _told(row, people, left_out, facts, day(row, "observation_date"))


def _laboratory_result(row: Row, people: People, left_out: LeftOut) -> Iterator[Event]:
    values = row.values
    status = STATUSES.get(values["status"], values["status"].lower())
    facts = {
        "record_id": f"lab_result/{values['lab_result_id']}",
        "kind": "observation",
        **_code(row, "normalized_component", "source_component", "normalized_order", "source_order"),
        **result(row, values["result"], left_out),
        "unit": values["normalized_units"] or values["source_units"],
        "status": status,
        "not_done": status == "cancelled" or None,
        "category": "laboratory",
        "part_of": _within(row),
    }
    yield from _told(row, people, left_out, facts, day(row, "collection_datetime") or day(row, "result_datetime"))


def _immunization(row: Row, people: People, left_out: LeftOut) -> Iterator[Event]:
    values = row.values
    facts = {
        "record_id": f"immunization/{values['immunization_id']}",
        "kind": "immunization",
        **_code(row, "normalized", "source"),
        "status": values["status"],
        "not_done": values["status"] == "not-done" or None,
        "reason_code": f"text|{values['status_reason']}" if values["status_reason"] else None,
        "part_of": _within(row),
    }
    yield from _told(row, people, left_out, facts, day(row, "occurrence_date"))


def _told(row: Row, people: People, left_out: LeftOut, facts: Event, when: dt.date | None) -> Iterator[Event]:
    if when is None or not facts["code"]:
        note(left_out, row, "has no date: not read" if when is None else "has no code: not read")
        return
    facts |= {"start": when.isoformat(), "source": "lab" if facts.get("category") == "laboratory" else "ehr"}
    yield from records(row, people, row.values["person_id"], when, left_out, facts, row.values["data_source"])


def _code(row: Row, *places: str) -> Event:
    """The first code that stands in one of the places, with the system that stands beside it, or in the place that should have it."""
    values = row.values
    for place in places:
        # The layout calls a code's system `normalized_code_type`, but an order's or component's `normalized_order_type`.
        stem = f"{place}_code_type" if f"{place}_code_type" in values else f"{place}_type"
        if values[f"{place}_code"]:
            return {"code_system": values[stem], "code": values[f"{place}_code"]}
    return {"code_system": "", "code": ""}


def _within(row: Row) -> str | None:
    return f"encounter/{row.values['encounter_id']}" if row.values["encounter_id"] else None
