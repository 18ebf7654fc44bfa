"""How made-up visits are billed: one original claim per encounter, before anything goes wrong with it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from ops.sample.community import Clinician, Office

Event = dict[str, object]

OFFICE_LEVELS = {True: ("99203", "99204"), False: ("99213", "99214", "99212")}
PREVENTIVE_AGES = (0, 4, 11, 17, 39, 64)
"""Last ages of the bands of 99381-99387 (new) and 99391-99397 (established). Source: CPT."""
DIAGNOSES = {
    "child": ("J069", "H6690", "J4520", "Z00129", "R509", "L209"),
    "adult": ("I10", "E119", "E785", "M545", "F411", "J069", "K219", "Z0000", "R51", "E6601"),
}
SPECIALIST_PROCEDURES = {"cardiology": "93000", "dermatology": "11102", "gynaecology": "88175", "orthopaedics": "73562"}
LABORATORY_TESTS = ("80053", "85025", "80061", "83036", "84443", "81001")
ALLOWED_DOLLARS = {
    "99203": 138,
    "99204": 206,
    "99212": 69,
    "99213": 112,
    "99214": 158,
    "36415": 9,
    "90471": 31,
    "90686": 24,
    "80053": 12,
    "85025": 9,
    "80061": 15,
    "83036": 11,
    "84443": 19,
    "81001": 4,
    "93000": 18,
    "11102": 121,
    "88175": 31,
    "73562": 44,
    "99283": 420,
    "99284": 690,
    "99285": 1010,
}
"""Rounded, for sums of a plausible size; a code that is absent costs 150 dollars."""


def primary_care_claim(
    rng: Random, *, office: Office, clinician: Clinician, day: dt.date, age: int, new_patient: bool
) -> Event:
    """A primary care visit: every fourth preventive, every tenth at home by video.

    At a health center it is institutional, and three times of ten nobody says who saw the member.
    """
    preventive = rng.random() < 0.25
    if preventive:
        band = sum(age > last for last in PREVENTIVE_AGES)
        code = str((99381 if new_patient else 99391) + band)
    else:
        code = rng.choice(OFFICE_LEVELS[new_patient])
    if office.kind == "health_center":
        lines = [
            _line(1, day, clinician, "G0468" if preventive else "G0466" if new_patient else "G0467", revenue="0521"),
            _line(2, day, clinician, code, revenue="0521", dollars=0),
        ]
        if rng.random() < 0.3:
            lines = [_unnamed(line) for line in lines]
        return _claim(rng, office, age, lines, bill_type="771")
    video = not preventive and rng.random() < 0.1
    place = "10" if video else "11"
    lines = [_line(1, day, clinician, code, place=place, modifiers=("95",) if video else ())]
    if preventive and rng.random() < 0.5:
        lines += [_line(2, day, clinician, "90471", place=place), _line(3, day, clinician, "90686", place=place)]
    elif not video and rng.random() < 0.2:
        lines.append(_line(2, day, clinician, "36415", place=place))
    return _claim(rng, office, age, lines)


def specialist_claim(rng: Random, *, office: Office, day: dt.date, age: int) -> Event:
    """An office visit with a specialist, every third with a procedure."""
    clinician = rng.choice(office.clinicians)
    lines = [_line(1, day, clinician, rng.choice(OFFICE_LEVELS[False]), place="11")]
    if rng.random() < 1 / 3:
        lines.append(_line(2, day, clinician, SPECIALIST_PROCEDURES[office.kind], place="11"))
    return _claim(rng, office, age, lines)


def laboratory_claim(rng: Random, *, office: Office, day: dt.date, age: int) -> Event:
    """One to four tests."""
    tests = rng.sample(LABORATORY_TESTS, rng.randint(1, 4))
    lines = [_line(number, day, office.clinicians[0], test, place="81") for number, test in enumerate(tests, start=1)]
    return _claim(rng, office, age, lines)


def emergency_claim(rng: Random, *, office: Office, day: dt.date, age: int) -> Event:
    """The physician's claim of an emergency department visit."""
    code = rng.choice(("99283", "99284", "99285"))
    return _claim(rng, office, age, [_line(1, day, rng.choice(office.clinicians), code, place="23")])


def urgent_care_claim(rng: Random, *, office: Office, day: dt.date, age: int) -> Event:
    """An office code at an urgent care center, which is no primary care visit."""
    return _claim(rng, office, age, [_line(1, day, rng.choice(office.clinicians), "99213", place="20")])


def inpatient_claim(rng: Random, *, office: Office, day: dt.date, age: int) -> Event:
    """A hospital stay of one to six nights, discharged home."""
    discharge = day + dt.timedelta(days=rng.randint(1, 6))
    nights = (discharge - day).days
    attending = rng.choice(office.clinicians)
    room = _line(1, day, attending, None, revenue="0120", dollars=3200 * nights) | {
        "claim_line_end_date": discharge.isoformat(),
        "units": str(nights),
    }
    pharmacy = _line(2, day, attending, None, revenue="0250", dollars=310) | {
        "claim_line_end_date": discharge.isoformat()
    }
    return _claim(rng, office, age, [room, pharmacy], bill_type="111") | {
        "admission_date": day.isoformat(),
        "discharge_date": discharge.isoformat(),
        "discharge_disposition_code": "01",
        "drg_code": rng.choice(("470", "392", "603", "194", "807")),
    }


def last_day(claim: Event) -> dt.date:
    """The last day of service of a claim made here."""
    lines: list[dict[str, str]] = claim["lines"]  # type: ignore[assignment]
    return dt.date.fromisoformat(max(line["claim_line_end_date"] for line in lines))


def _line(
    number: int,
    day: dt.date,
    clinician: Clinician,
    code: str | None,
    *,
    place: str | None = None,
    revenue: str | None = None,
    modifiers: tuple[str, ...] = (),
    dollars: int | None = None,
) -> Event:
    allowed = ALLOWED_DOLLARS.get(code or "", 150) if dollars is None else dollars
    line: Event = {
        "claim_line_number": number,
        "claim_line_start_date": day.isoformat(),
        "claim_line_end_date": day.isoformat(),
        "units": "1",
        "rendering_npi": clinician.npi,
        "rendering_taxonomy": clinician.taxonomy,
        "allowed_amount": f"{allowed}.00",
        "paid_amount": f"{allowed * 0.8:.2f}",
        "charge_amount": f"{allowed * 1.6:.2f}",
    }
    if code:
        line["hcpcs_code"] = code
    if place:
        line["place_of_service_code"] = place
    if revenue:
        line["revenue_center_code"] = revenue
    if modifiers:
        line["modifiers"] = list(modifiers)
    return line


def _unnamed(line: Event) -> Event:
    return {key: value for key, value in line.items() if key not in {"rendering_npi", "rendering_taxonomy"}}


def _claim(rng: Random, office: Office, age: int, lines: list[Event], bill_type: str | None = None) -> Event:
    codes = DIAGNOSES["child" if age < 18 else "adult"]
    claim: Event = {
        "claim_type": "institutional" if bill_type else "professional",
        "billing_npi": office.npi,
        "billing_tin": office.tin,
        "diagnosis_code_type": "icd-10-cm",
        "diagnosis_codes": rng.sample(codes, rng.randint(1, 3)),
        "lines": lines,
    }
    if office.kind == "health_center":
        claim["billing_taxonomy"] = "261QF0400X"
    if bill_type:
        claim["bill_type_code"] = bill_type
    return claim
