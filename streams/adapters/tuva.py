"""The Tuva input layer as event files: medical_claim and eligibility here, pharmacy claims and clinical tables in `tuva_care`.

How its rows are read, where the layout leaves a choice (source: the Tuva input layer; events.md 5.1, 5.4):

- A claim's rows are gathered by claim_id from the whole file (they need not stand together). claim_id is also the
  control number: the layout has no other. One claim is one version, unless rows of it are negative: see `versions`.
- Institutional rows have no line dates: the claim's start and end stand for them.
- An institutional claim repeats its total charge on every row. Where all of several rows carry the same charge it is
  kept on the first line only. Payment is left where it is (of institutional claims on line 1), and so are the rows
  of revenue code 0001, which are totals and not services.
- Frequency is the last digit of an institutional bill type where that is 7 (replacement) or 8 (void), else 1. The
  letters of payer-made adjustments (13I) are 1: they replace nothing that a provider sent. A 7 names no original,
  because the layout has none.
- `icd-10-pcs` as the type of diagnosis codes is a slip for `icd-10-cm`: diagnoses are never coded in PCS.
- Empty places among the diagnosis codes are closed up and repeated codes kept once. Where the first diagnosis is the
  empty one, the list starts with the second.
- The billing NPI of an institutional claim is the facility's where it has none.
- accepted_at is the midnight of paid_date, else of 14 days after the claim's end. For enrollment it is the span's
  first day.
- Several eligibility files in one folder may be layouts of the same data: a span that says the same again is one
  span; one that says otherwise for the same member and first day is its next version.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from streams.adapters import tuva_care
from streams.adapters.sources import (
    CLAIM_LAG,
    Event,
    Row,
    accepted,
    amount,
    day,
    matching,
    required_day,
    required_whole_number,
    rows,
    without_nulls,
)
from streams.adapters.states import postal_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from streams.adapters.left_out import LeftOut

AMOUNTS = ("paid_amount", "allowed_amount", "charge_amount")
DIAGNOSES = tuple(f"diagnosis_code_{place}" for place in range(1, 26))
PROCEDURES = tuple(f"procedure_code_{place}" for place in range(1, 26))
MODIFIERS = tuple(f"hcpcs_modifier_{place}" for place in range(1, 6))
SERVICE = (
    "hcpcs_code",
    *MODIFIERS,
    "revenue_center_code",
    "place_of_service_code",
    "claim_line_start_date",
    "claim_line_end_date",
    "rendering_npi",
)
"""What makes two rows of a claim the same service, whatever their lines: how a mirrored row finds its original."""

CLAIM_COLUMNS = (
    *("claim_id", "claim_line_number", "claim_type", "member_id", "payer", "claim_start_date", "claim_end_date"),
    *("admission_date", "discharge_date", "discharge_disposition_code", "bill_type_code", "drg_code"),
    *("billing_npi", "billing_tin", "facility_npi", "service_unit_quantity", "paid_date", "diagnosis_code_type"),
    *("data_source",),
    *(*SERVICE, *AMOUNTS, *DIAGNOSES, *PROCEDURES),
)
ELIGIBILITY_COLUMNS = (
    *("person_id", "member_id", "gender", "race", "ethnicity", "birth_date", "death_date"),
    *("enrollment_start_date", "enrollment_end_date", "payer", "payer_type", "plan"),
    *("first_name", "last_name", "address", "state", "zip_code", "phone", "data_source"),
)
PRODUCTS = ("PPO", "HMO", "EPO", "POS")
PRODUCT_OF_PAYER_TYPE = {"medicare": "FFS", "medicaid": "FFS"}
"""The product of a plan whose name holds no word of `PRODUCTS`: fee for service for public payers, else PPO."""


def events(folder: Path, left_out: LeftOut) -> Iterator[Event]:
    """All that a folder says, in order of acceptance; what cannot be said goes to `left_out`.

    Needed are `medical_claim*.csv` and `eligibility*.csv`; pharmacy claims and clinical tables are read where they are. Within one day
    enrollment comes first, then claims, then what `tuva_care` reads, in the order of the files. Raises `SourceError` naming the file and
    the column if something is missing.
    """
    spans = list(enrollments(folder))
    found = [*spans, *claims(folder), *tuva_care.care(folder, tuva_care.memberships(spans), left_out)]
    yield from sorted(found, key=lambda event: str(event["accepted_at"]))


def claims(folder: Path) -> Iterator[Event]:
    """One event per claim version, claims in the order in which they first appear."""
    gathered: dict[tuple[str, str], list[Row]] = {}
    for path in matching(folder, "medical_claim*.csv"):
        for row in rows(path, CLAIM_COLUMNS):
            gathered.setdefault((row.values["payer"], row.values["claim_id"]), []).append(row)
    for claim_rows in gathered.values():
        yield from versions(_distinct(claim_rows))


def versions(claim: Sequence[Row]) -> Iterator[Event]:
    """The versions that the rows of one claim stand for; duplicate rows are gone already.

    Rows without a negative amount are one version. Negative rows take back what other rows said: the first version
    then holds the rows before them, and the second what is left when the amounts of each service (`SERVICE`) are
    summed. A service with opposite signs and a net of zero or less is gone; with nothing left the second version is
    a void, else a replacement. A claim of negative rows alone is a void whose original is elsewhere. A row of zero
    with no mirror is a service paid at zero. Source: events.md 5.4.
    """
    given = [row for row in claim if not _is_negative(row)]
    if len(given) == len(claim):
        frequency = _frequency(claim[0])
        yield _claim_version(claim, claim, frequency)
        return
    if given:
        yield _claim_version(claim, _first_of_each_line(given), "1", version=1)
    left = _net(claim)
    if left:
        yield _claim_version(claim, left, "7", version=2)
    else:
        yield _claim_version(claim, _first_of_each_line(given or [_negated(row) for row in claim]), "8", version=2)


def enrollments(folder: Path) -> Iterator[Event]:
    """One event per span version, its id the member and the first day; gender, race and the like as the source says."""
    seen: dict[tuple[str, str], list[Event]] = {}
    for path in matching(folder, "eligibility*.csv"):
        for row in rows(path, ELIGIBILITY_COLUMNS):
            event = _span(row)
            known = seen.setdefault((row.values["payer"], str(event["span_id"])), [])
            if any(_same_but_for_origin(event, other) for other in known):
                continue
            event["span_version"] = len(known) + 1
            known.append(event)
            yield event


def _distinct(claim: Sequence[Row]) -> list[Row]:
    """The rows without exact repetitions, by line number and then by place in the file."""
    unique = {tuple(row.values.items()): row for row in reversed(claim)}
    return sorted(
        unique.values(), key=lambda row: (required_whole_number(row, "claim_line_number"), row.file, row.number)
    )


def _is_negative(row: Row) -> bool:
    return any(amount(row, column) < 0 for column in AMOUNTS)


def _negated(row: Row) -> Row:
    return row._replace(values=row.values | {column: row.values[column].removeprefix("-") for column in AMOUNTS})


def _first_of_each_line(given: Sequence[Row]) -> list[Row]:
    first: dict[int, Row] = {}
    for row in given:
        first.setdefault(required_whole_number(row, "claim_line_number"), row)
    return list(first.values())


def _net(claim: Sequence[Row]) -> list[Row]:
    """What is left of each service when its amounts are summed: rows not taken back, and remainders above zero."""
    services: dict[tuple[str, ...], list[Row]] = {}
    for row in claim:
        services.setdefault(tuple(row.values[column] for column in SERVICE), []).append(row)
    left: list[Row] = []
    for same in services.values():
        if not any(map(_is_negative, same)):
            left.extend(same)
            continue
        sums = {column: sum((amount(row, column) for row in same), Decimal(0)) for column in AMOUNTS}
        if max(sums.values()) > 0 and min(sums.values()) >= 0:
            stated = {column: str(sums[column]) for column in AMOUNTS if any(row.values[column] for row in same)}
            left.append(same[0]._replace(values=same[0].values | stated))
    return left


def _frequency(row: Row) -> str:
    last = row.values["bill_type_code"][-1:]
    return last if row.values["claim_type"] == "institutional" and last in ("7", "8") else "1"


def _claim_version(claim: Sequence[Row], line_rows: Sequence[Row], frequency: str, version: int | None = None) -> Event:
    head = claim[0]
    values = head.values
    institutional = values["claim_type"] == "institutional"
    first = min(claim, key=lambda row: (row.file, row.number))
    codes = list(dict.fromkeys(filter(None, (values[column] for column in DIAGNOSES))))
    paid = day(head, "paid_date")
    return without_nulls(
        {
            "event_type": "claim",
            "payer": values["payer"],
            "member_id": values["member_id"],
            "payer_claim_control_number": values["claim_id"],
            "claim_id": values["claim_id"],
            "claim_frequency_code": frequency,
            "claim_version": version,
            "claim_status": "reversed" if frequency == "8" else "paid",
            "claim_type": values["claim_type"],
            "paid_date": paid.isoformat() if paid else None,
            "billing_npi": values["billing_npi"] or (values["facility_npi"] if institutional else None),
            "billing_tin": values["billing_tin"],
            "bill_type_code": values["bill_type_code"],
            "admission_date": _first_stated(claim, "admission_date"),
            "discharge_date": _first_stated(claim, "discharge_date"),
            "discharge_disposition_code": values["discharge_disposition_code"],
            "drg_code": _first_stated(claim, "drg_code"),
            "diagnosis_code_type": _diagnosis_code_type(values["diagnosis_code_type"]) if codes else None,
            "diagnosis_codes": codes,
            "procedure_codes": [values[column] for column in PROCEDURES if values[column]],
            "lines": _lines(line_rows, institutional=institutional),
            "source_system": values["data_source"],
            "source_file": first.file,
            "source_row": first.number,
            "accepted_at": accepted(paid or required_day(head, "claim_end_date") + CLAIM_LAG),
        }
    )


def _first_stated(claim: Sequence[Row], column: str) -> str | None:
    """A header value that some rows of the claim leave empty (admission, discharge, DRG)."""
    return next((row.values[column] for row in claim if row.values[column]), None)


def _diagnosis_code_type(stated: str) -> str:
    return "icd-10-cm" if stated in ("", "icd-10-pcs") else stated


def _lines(line_rows: Sequence[Row], *, institutional: bool) -> list[Event]:
    charges = {row.values["charge_amount"] for row in line_rows}
    charge_is_a_total = institutional and len(line_rows) > 1 and len(charges) == 1
    return [
        _line(row, charge="" if charge_is_a_total and place else row.values["charge_amount"])
        for place, row in enumerate(line_rows)
    ]


def _line(row: Row, *, charge: str) -> Event:
    values = row.values
    start = day(row, "claim_line_start_date") or required_day(row, "claim_start_date")
    end = day(row, "claim_line_end_date") or required_day(row, "claim_end_date")
    return without_nulls(
        {
            "claim_line_number": required_whole_number(row, "claim_line_number"),
            "claim_line_start_date": start.isoformat(),
            "claim_line_end_date": end.isoformat(),
            "hcpcs_code": values["hcpcs_code"],
            "modifiers": [values[column] for column in MODIFIERS if values[column]],
            "revenue_center_code": values["revenue_center_code"],
            "place_of_service_code": values["place_of_service_code"],
            "units": values["service_unit_quantity"],
            "rendering_npi": values["rendering_npi"],
            "allowed_amount": values["allowed_amount"],
            "paid_amount": values["paid_amount"],
            "charge_amount": charge,
        }
    )


def _span(row: Row) -> Event:
    values = row.values
    start = required_day(row, "enrollment_start_date")
    end, death = day(row, "enrollment_end_date"), day(row, "death_date")
    contact = {key: values[key] for key in ("first_name", "last_name", "phone", "address") if values[key]}
    return without_nulls(
        {
            "event_type": "enrollment",
            "payer": values["payer"],
            "member_id": values["member_id"],
            "span_id": f"{values['member_id']}:{start.isoformat()}",
            "span_version": 1,
            "enrollment_start_date": start.isoformat(),
            "enrollment_end_date": end.isoformat() if end else None,
            "product": _product(values["plan"], values["payer_type"]),
            "line_of_business": values["payer_type"],
            "birth_date": required_day(row, "birth_date").isoformat(),
            "death_date": death.isoformat() if death else None,
            "gender": values["gender"],
            "race": values["race"],
            "ethnicity": values["ethnicity"],
            "person_id": values["person_id"],
            "state": postal_code(values["state"]),
            "zip_code": values["zip_code"],
            "contact": contact,
            "source_system": values["data_source"],
            "source_file": row.file,
            "source_row": row.number,
            "accepted_at": accepted(start),
        }
    )


def _product(plan: str, payer_type: str) -> str:
    words = plan.upper().replace("-", " ").replace("_", " ").split()
    named = next((product for product in PRODUCTS if product in words), None)
    return named or PRODUCT_OF_PAYER_TYPE.get(payer_type.casefold(), "PPO")


def _same_but_for_origin(one: Event, other: Event) -> bool:
    apart = {"source_file", "source_row", "source_system", "span_version"}
    return {key: value for key, value in one.items() if key not in apart} == {
        key: value for key, value in other.items() if key not in apart
    }
