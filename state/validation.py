"""What is refused at the door, and what is only flagged: the mistakes that plans really send (design.md law 6).

A refusal names the field and says what to do; it never repeats a member's data. Closed lists and types are checked where a
record becomes typed (schemas.codec); here stand the rules between values.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import get_args

from schemas.money import Contract, PaymentPosted, PracticeType
from schemas.npi import valid_npi
from schemas.records import (
    AttributionDecision,
    AttributionRequest,
    Claim,
    Clinical,
    Enrollment,
    FeedManifest,
    MemberFact,
    PayerRecord,
    PcpSelection,
    Period,
    PharmacyClaim,
    PlanAttribution,
    Practice,
    PracticeResult,
    Provider,
    Site,
    SurveyResult,
    Table,
)
from schemas.unions import Record
from state.calendar import EARLIEST, LATEST, day_written, month_named, to_date
from state.engine import Refusal
from state.measures import cahps
from state.reference.codes import (
    DIAGNOSIS_SYSTEMS,
    SYSTEMS,
    Code,
    UnknownSystem,
    UnusableCode,
    code_of,
    diagnosis_system,
    is_formed,
)
from state.reference.measured_units import UnknownUnit, converted, is_measured

GRACE = dt.timedelta(days=1)
"""A service may be dated a day after the day of acceptance, for time zones (attribution.md 2.2 rule 6)."""
MOST_MONTHS = 60
_MONTH = re.compile(r"\d{4}-\d{2}")
_NDC = re.compile(r"\d{10,11}|\d{4,5}-\d{3,4}-\d{1,2}")
_HAPPENED = frozenset({"observation", "immunization", "procedure"})
"""What cannot lie ahead; an encounter, a device or a medication may be ordered for a day to come."""
_TRACT = re.compile(r"[0-9]{11}")
_TIN = re.compile(r"[0-9]{9}")
_CENT = Decimal("0.01")
_HIGHEST = Decimal(100)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def refusal(record: Record, accepted_on: dt.date) -> Refusal | None:
    """The first thing wrong with a record accepted on a day (UTC), or None. Source: attribution.md 2.2, issue list in docs."""
    if not EARLIEST <= accepted_on <= LATEST:
        # Only a record of history brings a day of its own.
        return _impossible("accepted_at")
    match record:
        case Claim():
            return _claim(record, accepted_on)
        case PharmacyClaim():
            return _pharmacy_claim(record, accepted_on)
        case Clinical():
            return _clinical(record, accepted_on)
        case Enrollment():
            return _enrollment(record, accepted_on)
        case PcpSelection():
            lacking = _lacking(record, "selection_id", "pcp_npi")
            return _identity(record) or lacking or _span(record.effective_from, record.effective_to, "effective_to")
        case PlanAttribution():
            return _plan_attribution(record)
        case AttributionRequest() | AttributionDecision():
            return _request(record)
        case PracticeResult():
            return _practice_result(record, accepted_on)
        case Provider():
            lacking = _lacking(record, "npi", "practice_id")
            return lacking or _reference_span(record.effective_from, record.effective_to, "effective_to")
        case Practice():
            return _practice(record)
        case PayerRecord():
            return _payer(record.payer) or _start(record.effective_from, "effective_from")
        case FeedManifest():
            return _payer(record.payer) or _reference_span(record.covers_from, record.covers_to, "covers_to")
        case Period():
            return _period(record)
        case Contract():
            # Its mistakes need the tables that it names (state.payment.acceptance).
            return _start(record.effective_from, "effective_from")
        case PaymentPosted():
            return _payment(record)
        case Site():
            return _site(record)
        case SurveyResult():
            return cahps.refusal(record)
        case Table():
            return (
                None
                if _SHA256.fullmatch(record.digest)
                else Refusal(
                    "bad_digest",
                    "digest",
                    "digest is not 64 lower-case hex digits: send the sha256 of the table's file.",
                )
            )


def _period(period: Period) -> Refusal | None:
    """A period that could never be closed, or whose readings would come before its end. Source: payment.md 4.0."""
    if not period.period or _MONTH.fullmatch(period.period) or "|" in period.period:
        return Refusal(
            "bad_period",
            "period",
            "period is empty, holds a '|' or looks like a month (YYYY-MM names a month's panel): name it as in P1.",
        )
    if not period.performance_end < period.k1 <= period.k2:
        return Refusal(
            "end_before_start",
            "k1",
            f"performance_end, k1 and k2 are not in this order ({period.performance_end}, {period.k1}, {period.k2}): correct them.",
        )
    if period.baseline == period.period:
        return Refusal(
            "bad_period",
            "baseline",
            "baseline is the period itself: name the period that ends before the project starts.",
        )
    for field, months in (("pool_months", period.pool_months), ("window_months", period.window_months)):
        if not 1 <= months <= MOST_MONTHS:
            return Refusal("impossible_value", field, f"{field} is not between 1 and {MOST_MONTHS}: correct it.")
    return _start(period.performance_end, "performance_end") or _start(period.pool_from, "pool_from")


def _payment(payment: PaymentPosted) -> Refusal | None:
    """A payment that could not be booked: it moves whole cents, between two who are named. Negative where money came back."""
    lacking = _payer(payment.payer) or _lacking(payment, "statement_id", "trace_no")
    if lacking is not None:
        return lacking
    if not _TIN.fullmatch(payment.payee_tin):
        return Refusal(
            "bad_code", "payee_tin", "payee_tin is not nine digits: give the tax id of the payee without hyphens."
        )
    if not payment.amount or payment.amount != payment.amount.quantize(_CENT):
        return Refusal("impossible_value", "amount", "amount is zero or no whole number of cents: correct it.")
    return _start(payment.date, "date")


def _practice(practice: Practice) -> Refusal | None:
    """A practice that payment could not be adjusted or typed by. Source: payment.md 4.2, 4.7."""
    lacking = _lacking(practice, "practice_id")
    if lacking is not None:
        return lacking
    if practice.type_override not in (None, *get_args(PracticeType)):
        return Refusal(
            "bad_code",
            "type_override",
            f"type_override is none of {', '.join(get_args(PracticeType))}: correct it, or leave it out to have the type worked out.",
        )
    return _percentile(practice.hpi_percentile) or _reference_span(
        practice.effective_from, practice.effective_to, "effective_to"
    )


def _site(site: Site) -> Refusal | None:
    """A site that could not be found in an HPI file, or that is nowhere. Source: payment.md 4.2."""
    lacking = _lacking(site, "practice_id", "site_id", "address")
    if lacking is not None:
        return lacking
    if not _TRACT.fullmatch(site.census_tract):
        return Refusal(
            "bad_code",
            "census_tract",
            "census_tract is not 11 digits: give state, county and tract without a point, as in 06001400100.",
        )
    return _percentile(site.hpi_percentile) or _reference_span(site.effective_from, site.effective_to, "effective_to")


def _percentile(percentile: Decimal | None) -> Refusal | None:
    if percentile is None or (percentile.is_finite() and 0 <= percentile <= _HIGHEST):
        return None
    return Refusal(
        "impossible_value",
        "hpi_percentile",
        "hpi_percentile does not lie in 0 to 100: correct it, or leave it out for that of the census tract.",
    )


def flags(record: Record) -> tuple[str, ...]:
    """What is odd but accepted: `npi_check_digit:FIELD` for an NPI that cannot be one (typed wrong, or made up)."""
    return tuple(sorted({f"npi_check_digit:{field}" for field, npi in _npis(record) if not valid_npi(npi)}))


def _npis(record: Record) -> Iterator[tuple[str, str]]:
    match record:
        case Claim():
            if record.billing_npi:
                yield "billing_npi", record.billing_npi
            for line in record.lines:
                if line.rendering_npi:
                    yield "lines.rendering_npi", line.rendering_npi
        case PharmacyClaim():
            if record.prescriber_npi:
                yield "prescriber_npi", record.prescriber_npi
        case PcpSelection():
            yield "pcp_npi", record.pcp_npi
        case PlanAttribution():
            if record.npi:
                yield "npi", record.npi
        case Provider():
            yield "npi", record.npi
        case Practice():
            for npi in record.organisation_npis:
                yield "organisation_npis", npi
        case _:
            return


def _claim(claim: Claim, accepted_on: dt.date) -> Refusal | None:
    found = _identity(claim)
    if found:
        return found
    if not claim.payer_claim_control_number:
        return _empty("payer_claim_control_number")
    if claim.diagnosis_codes:
        try:
            diagnosis_system(claim.diagnosis_code_type or "")
        except UnknownSystem:
            return Refusal(
                "unknown_code_system",
                "diagnosis_code_type",
                f"diagnosis_code_type names no system of diagnoses: write one of {', '.join(DIAGNOSIS_SYSTEMS)}, or leave it out for "
                "ICD-10-CM.",
            )
    if not claim.lines and claim.claim_frequency_code != "8":
        return Refusal("no_lines", "lines", "a claim that is not a void has no lines: send it with its service lines.")
    latest = accepted_on + GRACE
    numbers: set[int] = set()
    for line in claim.lines:
        start, end = line.claim_line_start_date, line.claim_line_end_date
        if start > latest:
            return _in_future("lines.claim_line_start_date", accepted_on)
        if not start >= EARLIEST:
            return _impossible("lines.claim_line_start_date")
        if end is not None and end < start:
            return _backwards("lines.claim_line_end_date")
        if line.claim_line_number in numbers:
            return Refusal(
                "repeated_line_number",
                "lines.claim_line_number",
                f"line number {line.claim_line_number} stands twice in one claim: number the lines and send it again.",
            )
        numbers.add(line.claim_line_number)
    if claim.admission_date and claim.discharge_date and claim.discharge_date < claim.admission_date:
        return _backwards("discharge_date")
    return None


def _pharmacy_claim(claim: PharmacyClaim, accepted_on: dt.date) -> Refusal | None:
    found = _identity(claim)
    if found:
        return found
    if not claim.payer_claim_control_number:
        return _empty("payer_claim_control_number")
    if not _NDC.fullmatch(claim.ndc_code):
        return Refusal(
            "bad_code", "ndc_code", "ndc_code is not ten or eleven digits, with or without hyphens: correct the code."
        )
    if claim.dispensing_date > accepted_on + GRACE:
        return _in_future("dispensing_date", accepted_on)
    if claim.claim_frequency_code != "8":
        # A void only takes back; what it repeats of the dispensing may be negative, or zero.
        for field, number in (("days_supply", claim.days_supply), ("quantity", claim.quantity)):
            if number <= 0:
                return Refusal(
                    "impossible_value",
                    field,
                    f"{field} is not above zero: correct it, or send a void to take the claim back.",
                )
    return _start(claim.dispensing_date, "dispensing_date")


def _clinical(record: Clinical, accepted_on: dt.date) -> Refusal | None:
    found = _identity(record)
    if found:
        return found
    for field in ("record_id", "code_system", "code"):
        if not getattr(record, field).strip():
            return _empty(field)
    days: dict[str, dt.date] = {}
    for field in ("start", "end", "authored"):
        text = getattr(record, field)
        if text is None:
            continue
        try:
            days[field] = day_written(text)
        except ValueError:
            return Refusal(
                "impossible_date",
                field,
                f"{field} is not a day as YYYY-MM-DD that exists, nor a moment with its zone as 2025-07-01T08:30:00-07:00: correct it "
                "and send it again.",
            )
        if not EARLIEST <= days[field] <= LATEST:
            return _impossible(field)
    if record.kind in _HAPPENED and days["start"] > accepted_on + GRACE:
        return _in_future("start", accepted_on)
    if "end" in days and days["end"] < days["start"]:
        return _backwards("end")
    return _coded(record)


def _coded(record: Clinical | PracticeResult) -> Refusal | None:
    """A code that no value set can ever hold, since its system has no name here or it is none of that system; else as `_measured`.

    A system under a URI or OID of its own is one, and any code of it. What was written is never repeated: it may be a name that slipped
    into the wrong column.
    """
    try:
        code = code_of(record.code_system, record.code)
    except UnknownSystem:
        return Refusal(
            "unknown_code_system",
            "code_system",
            f"code_system names no system that is known: write one of {', '.join(SYSTEMS)}, or the system's URI or OID.",
        )
    except UnusableCode as problem:
        return Refusal("bad_code", "code", f"code is no code of its code_system ({problem}) Correct one of the two.")
    if not is_formed(code):
        return Refusal(
            "bad_code",
            "code",
            f"code does not have the form of a code of {code[0]}: correct it, or code_system, and send it again.",
        )
    return _measured(record, code)


def _measured(record: Clinical | PracticeResult, code: Code) -> Refusal | None:
    """A number that measures compare with a threshold, and that cannot be one, or is in a unit that nobody knows.

    No number is no mistake: a test may be done before its result is known. Source: measures.md 6; state/data/measured_units.csv.
    """
    if record.value is None or not is_measured(code):
        return None
    if record.value <= 0:
        return Refusal(
            "impossible_value",
            "value",
            "value is not above zero, which neither a blood pressure nor a glycemic result can be: correct it, or leave it out where "
            "nothing was measured.",
        )
    try:
        converted(code, record.value, record.unit or "")
    except UnknownUnit as problem:
        return Refusal("unit_not_known", "unit", f"unit does not fit the code: {problem}")
    return None


def _enrollment(span: Enrollment, accepted_on: dt.date) -> Refusal | None:
    found = _identity(span)
    if found:
        return found
    if not span.span_id:
        return _empty("span_id")
    if span.birth_date > accepted_on + GRACE or span.birth_date < dt.date(1880, 1, 1):
        return _impossible("birth_date")
    if span.death_date and span.death_date < span.birth_date:
        return _backwards("death_date")
    if span.death_date and span.death_date > accepted_on + GRACE:
        return _impossible("death_date")
    # 834 INS03 024 with an end before the start takes back a span that never took effect.
    if span.maintenance_type_code == "024":
        return _start(span.enrollment_start_date, "enrollment_start_date")
    return _span(span.enrollment_start_date, span.enrollment_end_date, "enrollment_end_date")


def _plan_attribution(entry: PlanAttribution) -> Refusal | None:
    found = _identity(entry) or (None if entry.practice_id else _empty("practice_id"))
    if found:
        return found
    try:
        month = to_date(month_named(entry.attribution_month))
    except ValueError:
        return Refusal(
            "impossible_date",
            "attribution_month",
            "attribution_month is not a month, as YYYY-MM or a day of it as YYYY-MM-DD: correct it and send it again.",
        )
    if entry.list_version < 0:
        return Refusal(
            "impossible_value",
            "list_version",
            "list_version is negative: number the versions of a list from 1 upwards.",
        )
    return None if month is not None and EARLIEST <= month <= LATEST else _impossible("attribution_month")


def _request(record: AttributionRequest | AttributionDecision) -> Refusal | None:
    found = _identity(record) or (None if record.practice_id else _empty("practice_id"))
    if found:
        return found
    due = None if record.due_date is None else _start(record.due_date, "due_date")
    return due or _span(record.effective_from, record.effective_to, "effective_to")


def _practice_result(result: PracticeResult, accepted_on: dt.date) -> Refusal | None:
    found = _identity(result)
    if found:
        return found
    for field in ("practice_id", "result_id", "code_system", "code", "document_ref"):
        if not getattr(result, field).strip():
            return _empty(field)
    if result.date > accepted_on + GRACE:
        return _in_future("date", accepted_on)
    if result.state == "rejected" and not result.reason:
        return _empty("reason")
    return _start(result.date, "date") or _coded(result)


def _lacking(record: Record, *fields: str) -> Refusal | None:
    """The first of some fields that is empty."""
    return next((_empty(field) for field in fields if not getattr(record, field)), None)


def _identity(record: MemberFact) -> Refusal | None:
    return _payer(record.payer) or (None if record.member_id else _empty("member_id"))


def _payer(payer: str) -> Refusal | None:
    if not payer:
        return _empty("payer")
    if "|" in payer:
        return Refusal(
            "bad_payer", "payer", "payer holds a '|', which separates payer and member in keys: use another name."
        )
    return None


def _start(start: dt.date, field: str) -> Refusal | None:
    return None if EARLIEST <= start <= LATEST else _impossible(field)


def _span(start: dt.date, end: dt.date | None, field: str) -> Refusal | None:
    if end is not None and end < start:
        return _backwards(field)
    return _start(start, field.replace("_to", "_from").replace("_end_", "_start_"))


def _reference_span(start: dt.date, end: dt.date | None, field: str) -> Refusal | None:
    """As `_span`, with the dates in the message: they are nobody's."""
    if end is not None and end < start:
        return _backwards(field, f" ({start} > {end})")
    return _span(start, end, field)


def _backwards(field: str, dates: str = "") -> Refusal:
    return Refusal(
        "end_before_start", field, f"{field} lies before its start{dates}: correct the dates and send it again."
    )


def _impossible(field: str) -> Refusal:
    return Refusal(
        "impossible_date",
        field,
        f"{field} lies outside {EARLIEST.year} to {LATEST.year} or after today: correct the date and send it again.",
    )


def _in_future(field: str, accepted_on: dt.date) -> Refusal:
    return Refusal(
        "service_date_in_future",
        field,
        f"{field} lies after the day it was accepted ({accepted_on}): correct the date and send it again.",
    )


def _empty(field: str) -> Refusal:
    return Refusal("missing_value", field, f"{field} is empty: send the record with it.")
