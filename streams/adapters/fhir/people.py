"""Patients and their coverage as enrollment spans, and what only a chart says of their sex.

A patient without a coverage that can be said gets one span that never took effect (maintenance type 024, its end before its start): it
carries who they are, and no coverage is invented.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from streams.adapters.fhir.case import Case, Person, clinical, provenance, version
from streams.adapters.fhir.elements import ABSENT, Coding, Json, codings, extension, part, parts, profiles, text, texts
from streams.adapters.fhir.times import Span, day, iso
from streams.adapters.sources import Event, without_nulls

NEVER = "024"
"""834 INS03: cancelled; with its end before its start the span never took effect."""
ONE_DAY = dt.timedelta(days=1)
PROFILES = "http://hl7.org/fhir/us/core/StructureDefinition"
"""The code system under which a patient's sex (`us-core-sex`, `us-core-birthsex`) is a record of its own."""
SEX = "us-core-sex"
MEASURED = frozenset({"qicore-patient", "us-quality-core-patient"})
"""Profiles of a patient in which that extension is the sex."""
PAYMENT_SOURCES = ("https://nahdo.org/sopt", "urn:oid:2.16.840.1.113883.3.221.5")
"""Source of Payment Typology: its first digit tells the line of business."""
LINES = {"1": "medicare", "2": "medicaid", "3": "government", "5": "commercial", "6": "commercial", "8": "uninsured"}
PRODUCTS = {"HMO": "HMO", "PPO": "PPO", "POS": "POS", "EPO": "EPO"}
ONLY = {
    "DRUGPOL": {"medical": False, "pharmacy": True},
    "MENTPOL": {"medical": False, "mental_health": True},
    "DENTPRG": {"medical": False},
    "DENTAL": {"medical": False},
    "VISPOL": {"medical": False},
}
"""Coverage types (HL7 ActCode) that cover one benefit alone; any other is taken to be medical."""
RACES = {
    "1002-5": "american indian or alaska native",
    "2028-9": "asian",
    "2054-5": "black or african american",
    "2076-8": "native hawaiian or other pacific islander",
    "2106-3": "white",
    "2131-1": "other",
}
"""OMB categories in the words of the Tuva input layer."""
ETHNICITIES = {"2135-2": "hispanic or latino", "2186-5": "not hispanic or latino"}
UNKNOWN = {"UNK": "unknown", "ASKU": "asked but unknown"}


def patient(case: Case) -> Iterator[Event]:
    """A span for each coverage, or one that never took effect; a record for the sex that a chart states."""
    person = case.around.person(case.found.scope, case.id)
    if person is None:
        return
    birth = day(person.birth_date)
    if birth is None:
        case.leave("has no birthDate of a whole day: no enrollment is made")
    else:
        who = _demographics(case, birth)
        spans = [span for coverage in person.coverages for span in _coverage(case, person, coverage)]
        for span in spans or [_never(case, payer, birth) for payer in person.payers]:
            yield without_nulls(
                {"event_type": "enrollment", "member_id": person.member_id, **span, **who, **provenance(case)}
            )
    yield from _sex(case, person)


def coverage(case: Case) -> Iterator[Event]:
    """Nothing by itself: a coverage is told with its patient. Noted where that cannot be."""
    case.person()
    status = text(case.resource, "status")
    if status == "draft":
        case.leave("is a draft: no span is made")
    elif day(text(part(case.resource, "period"), "start")) is None:
        case.leave("has no period that starts on a day: no span is made")
    return iter(())


def _coverage(case: Case, person: Person, coverage: Json) -> Iterator[Event]:
    """The span of a coverage, if it says from which day on. Cancelled or entered in error, it never took effect."""
    period, status = part(coverage, "period"), text(coverage, "status")
    start, end = day(text(period, "start")), day(text(period, "end"))
    if start is None or status == "draft" or (text(period, "end") and end is None):
        return
    taken_back = status in ("cancelled", "entered-in-error") or (end is not None and end < start)
    last = start - ONE_DAY if taken_back else end
    payer = case.around.payer_of(case.found.scope, coverage)
    types = codings(part(coverage, "type"))
    yield {
        "payer": payer if payer in person.payers else person.payers[0],
        "span_id": f"Coverage/{coverage['id']}",
        # Either may change without the other: the sum rises whenever one of them does.
        "span_version": version(case.resource) + version(coverage),
        "enrollment_start_date": start.isoformat(),
        "enrollment_end_date": iso(last),
        "product": _product(coverage, types),
        "line_of_business": _line_of_business(types),
        "coverage": next((ONLY[each.code] for each in types if each.code in ONLY), {"medical": True}),
        "maintenance_type_code": NEVER if taken_back else None,
    }


def _never(case: Case, payer: str, birth: dt.date) -> Event:
    return {
        "payer": payer,
        "span_id": "none",
        "span_version": version(case.resource),
        "enrollment_start_date": birth.isoformat(),
        "enrollment_end_date": (birth - ONE_DAY).isoformat(),
        "product": "NONE",
        "line_of_business": "unknown",
        "maintenance_type_code": NEVER,
    }


def _product(coverage: Json, types: list[Coding]) -> str:
    """HMO, PPO, POS or EPO where the type says it; else the plan's name, else the type's code."""
    known = next((PRODUCTS[each.code] for each in types if each.code in PRODUCTS), None)
    plan = next(
        (
            text(each, "name") or text(each, "value")
            for each in parts(coverage, "class")
            if any(kind.code == "plan" for kind in codings(part(each, "type")))
        ),
        None,
    )
    return known or plan or (types[0].code if types else None) or "unknown"


def _line_of_business(types: list[Coding]) -> str:
    for each in types:
        if each.system in PAYMENT_SOURCES:
            return LINES.get(each.code[:1], "other")
    return "unknown"


def _demographics(case: Case, birth: dt.date) -> Event:
    resource = case.resource
    address = _current(parts(resource, "address"), ("home", "physical"))
    name = _current(parts(resource, "name"), ("official", "usual"))
    language = _language(resource)
    return {
        "birth_date": birth.isoformat(),
        "gender": text(resource, "gender") or "unknown",
        "race": _omb(resource, "us-core-race", RACES, "two or more races"),
        "ethnicity": _omb(resource, "us-core-ethnicity", ETHNICITIES, "unknown"),
        "language": language,
        "death_date": _death(case),
        "state": text(address, "state"),
        "zip_code": text(address, "postalCode"),
        "contact": without_nulls(
            {
                "first_name": " ".join(texts(name, "given")),
                "last_name": text(name, "family"),
                "phone": next(
                    (text(each, "value") for each in parts(resource, "telecom") if text(each, "system") == "phone"),
                    None,
                ),
                "address": ", ".join(filter(None, [*texts(address, "line"), text(address, "city")])),
                "preferred_language": language,
            }
        ),
    }


def _death(case: Case) -> str | None:
    died = text(case.resource, "deceasedDateTime")
    if died is None:
        if case.resource.get("deceasedBoolean") is True:
            case.leave("is deceased, without a date: the death is not told")
        return None
    found = day(died)
    if found is None:
        case.leave("has a deceasedDateTime that is no whole day: the death is not told")
    return iso(found)


def _language(resource: Json) -> str | None:
    """The preferred language, else the first that is named."""
    named = parts(resource, "communication")
    first = next((each for each in named if each.get("preferred") is True), named[0] if named else {})
    spoken = part(first, "language")
    return next((coding.code for coding in codings(spoken)), None) or text(spoken, "text")


def _omb(resource: Json, name: str, categories: dict[str, str], several: str) -> str | None:
    """The OMB category of race or ethnicity; where there is none, its text."""
    said = extension(resource, name)
    found = [
        categories.get(code) or UNKNOWN.get(code) or (text(coding, "display") or code).lower()
        for each in parts(said, "extension")
        if text(each, "url") == "ombCategory" and (code := text(coding := part(each, "valueCoding"), "code"))
    ]
    if len(set(found)) > 1:
        return several
    plain = next((text(each, "valueString") for each in parts(said, "extension") if text(each, "url") == "text"), None)
    return found[0] if found else plain and plain.lower()


def _current(them: list[Json], uses: tuple[str, ...]) -> Json:
    """The one of the preferred uses, else the first that is not old."""
    live = [each for each in them if text(each, "use") != "old" and text(part(each, "period"), "end") is None]
    return next((each for each in live if text(each, "use") in uses), live[0] if live else {})


def _sex(case: Case, person: Person) -> Iterator[Event]:
    """`us-core-sex` and `us-core-birthsex`, as observations from birth on: measures tell them from administrative gender.

    Of a patient as the eCQMs know them (`MEASURED`), that the former is not stated is told too, as an observation without a result:
    CMS125 of 2026 asks for it and for nothing else.
    """
    born = day(person.birth_date)
    if born is None:
        return
    for name in (SEX, "us-core-birthsex"):
        token = _sex_stated(extension(case.resource, name))
        if token is None and (name != SEX or MEASURED.isdisjoint(profiles(case.resource))):
            continue
        yield from clinical(
            case,
            person,
            "observation",
            [Coding(PROFILES, name)],
            Span(born.isoformat()),
            record_id=f"{case.record_id}/{name}",
            value_code=token,
            reason_code=None if token else f"{ABSENT}|unknown",
            status="final",
        )


def _sex_stated(said: Json) -> str | None:
    stated = codings(part(said, "valueCodeableConcept")) or codings({"coding": [part(said, "valueCoding")]})
    code = text(said, "valueCode")
    return str(stated[0]) if stated else code and f"{_sex_system(code)}|{code}"


def _sex_system(code: str) -> str:
    """The system of a bare code: SNOMED's codes are numbers, the others are HL7's words."""
    return (
        "http://snomed.info/sct" if code.isdigit() else "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"
    )
