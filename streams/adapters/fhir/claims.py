"""Explanations of benefit (CARIN Blue Button) as claims and pharmacy claims, one event for each version.

- A family is the payer's number (identifier type `uc`, else the first identifier, else the id). What names a `prior` claim, or is named
  by another's `replacedby`, replaces it (frequency 7). A cancelled one is a void (8), unless the claim that replaces it is in the input:
  it then stands as it was, for its replacement to supersede.
- A line is denied where an adjudication says why and nothing was paid; a claim is denied when all of its lines are.
- Oral and vision claims, and what is no claim (preauthorization, predetermination), are not read and noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from streams.adapters.fhir.case import Case, Person, provenance
from streams.adapters.fhir.elements import (
    Coding,
    Json,
    codings,
    number,
    part,
    parts,
    text,
    written,
)
from streams.adapters.fhir.index import NPI, REPLACED_BY, TAXONOMY, control_number, related
from streams.adapters.fhir.times import Span, day, iso, when
from streams.adapters.sources import Event, without_nulls

NDC = "http://hl7.org/fhir/sid/ndc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SERVICES = ("http://www.ama-assn.org/go/cpt", "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets")
"""Systems of what stands in `hcpcs_code`."""
MORE_SERVICES = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
PLACES = "https://www.cms.gov/Medicare/Coding/place-of-service-codes"
ICD10CM = ("http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10")
SUBMITTED, ALLOWED, PAID = ("submitted",), ("eligible", "allowed"), ("paidtoprovider", "benefit")
"""Adjudications that are the charge, the allowed and the paid amount (CARIN, HL7 adjudication)."""
DENIAL = "denialreason"


def explanation_of_benefit(case: Case) -> Iterator[Event]:
    """The claim or pharmacy claim of an explanation of benefit."""
    person, resource = case.person(), case.resource
    if person is None:
        return
    status, use = text(resource, "status"), text(resource, "use")
    kinds = {coding.code for coding in codings(part(resource, "type"))}
    if use not in (None, "claim"):
        case.leave(f"is a {use}, not a claim: not read")
    elif status == "draft":
        case.leave("is a draft: not read")
    elif kinds & {"oral", "vision"}:
        case.leave("is an oral or vision claim: not read")
    elif "pharmacy" in kinds:
        yield from _pharmacy(case, person)
    elif kinds & {"professional", "institutional"}:
        yield from _medical(case, person, "institutional" if "institutional" in kinds else "professional")
    else:
        case.leave("has no type that is known (professional, institutional, pharmacy): not read")


def _medical(case: Case, person: Person, claim_type: str) -> Iterator[Event]:
    resource = case.resource
    head = _head(case, person)
    lines = [line for item in parts(resource, "item") if (line := _line(case, item)) is not None]
    if not lines and head["claim_frequency_code"] != "8":
        case.leave("has no line with a day of service: not read")
        return
    admission = _supporting(resource, "admissionperiod")
    stay = part(admission, "timingPeriod")
    yield without_nulls(
        {
            "event_type": "claim",
            **head,
            "claim_status": _status(resource, lines),
            "claim_type": claim_type,
            "lines": lines,
            "claim_id": case.id,
            "paid_date": _iso(text(part(resource, "payment"), "date")),
            "billing_npi": _provider(case, part(resource, "provider"))[0],
            "billing_tin": _tin(case, part(resource, "provider")),
            "bill_type_code": _supporting_code(resource, "typeofbill"),
            "admission_date": _iso(text(stay, "start") or text(admission, "timingDate")),
            "discharge_date": _iso(text(stay, "end")),
            "discharge_disposition_code": _supporting_code(resource, "discharge-status"),
            "drg_code": _supporting_code(resource, "drg"),
            "diagnosis_code_type": "icd-10-cm",
            "diagnosis_codes": _diagnoses(case),
            "procedure_codes": [
                coding.code
                for each in parts(resource, "procedure")
                for coding in codings(part(each, "procedureCodeableConcept"))[:1]
            ],
            **provenance(case, max((str(line["claim_line_start_date"]) for line in lines), default=None)),
        }
    )


def _pharmacy(case: Case, person: Person) -> Iterator[Event]:
    """A dispensing: of several items the first that has an NDC."""
    resource = case.resource
    items = parts(resource, "item")
    coded = [(item, codes) for item, codes in zip(items, map(_item_codes, items), strict=True) if _ndc(codes)]
    if not coded:
        case.leave("names no NDC: not read")
        return
    if len(items) > 1:
        case.leave("has several items: the first with an NDC is read")
    item, codes = coded[0]
    dispensed = day(text(item, "servicedDate") or text(part(item, "servicedPeriod"), "start"))
    dispensed = dispensed or day(text(part(resource, "billablePeriod"), "start"))
    supply = number(part(_supporting(resource, "dayssupply"), "valueQuantity"), "value")
    quantity = number(part(item, "quantity"), "value")
    if dispensed is None or supply is None or quantity is None:
        case.leave("lacks the day, the days' supply or the quantity of the dispensing: not read")
        return
    head = _head(case, person)
    paid = _amount(item, PAID) or _total(resource, PAID)
    yield without_nulls(
        {
            "event_type": "pharmacy_claim",
            **head,
            "claim_status": _status(resource, [_denied_or_paid(item)]),
            "ndc_code": _ndc(codes),
            "rxnorm_code": next((code.code for code in codes if code.system == RXNORM), None),
            "dispensing_date": dispensed.isoformat(),
            "days_supply": int(supply),
            "quantity": written(quantity),
            "prescriber_npi": _care_team(case, {"prescribing", "prescriber"})[0],
            "allowed_amount": _amount(item, ALLOWED) or _total(resource, ALLOWED),
            "paid_amount": paid,
            **provenance(case, dispensed.isoformat()),
        }
    )


def _head(case: Case, person: Person) -> Event:
    """Whose claim it is, its family, and what it does to the version before."""
    resource, scope = case.resource, case.found.scope
    control = control_number(resource, case.id)
    prior = next(related(resource, "prior"), None)
    if prior is None:
        before = case.around.index.one(scope, REPLACED_BY, control) or case.around.index.one(
            scope, REPLACED_BY, case.id
        )
    else:
        before = case.around.index.one(scope, "ExplanationOfBenefit", prior) or {"control_number": prior}
    replaced = None if before is None else str(before["control_number"])
    gone = text(resource, "status") in ("cancelled", "entered-in-error")
    superseded = any(
        case.around.index.one(scope, "ExplanationOfBenefit", other) is not None
        for other in related(resource, "replacedby")
    )
    adjudicated = when(text(resource, "created") or "")
    return {
        "payer": _payer(case, person),
        "member_id": person.member_id,
        "payer_claim_control_number": control,
        "claim_frequency_code": "8" if gone and not superseded else "7" if replaced else "1",
        "original_claim_id": replaced,
        "adjudicated_at": adjudicated.start if isinstance(adjudicated, Span) and "T" in adjudicated.start else None,
    }


def _payer(case: Case, person: Person) -> str:
    """Of the coverage that the claim names, else the insurer; else the patient's first payer."""
    insurances = parts(case.resource, "insurance")
    focal = [each for each in insurances if each.get("focal") is True] or insurances
    for each in focal:
        covered = case.known(part(each, "coverage"), "Coverage")
        if covered is not None:
            return case.around.payer_of(case.found.scope, covered)
    named = case.around.organisation_name(case.found.scope, part(case.resource, "insurer"), case.resource)
    return named or person.payers[0]


def _line(case: Case, item: Json) -> Event | None:
    """A line; None, and noted, where neither it nor the claim says its day."""
    period = part(item, "servicedPeriod")
    start = day(text(item, "servicedDate") or text(period, "start"))
    whole = part(case.resource, "billablePeriod")
    start = start or day(text(whole, "start"))
    end = day(text(period, "end"))
    sequence = item.get("sequence")
    if start is None or not isinstance(sequence, int):
        case.leave("has a line without a day or a number: that line is not read")
        return None
    npi, taxonomy = _care_team(case, {"rendering", "performing", "primary"}, item)
    codes = _item_codes(item)
    quantity = number(part(item, "quantity"), "value")
    return without_nulls(
        {
            "claim_line_number": sequence,
            "claim_line_start_date": start.isoformat(),
            "claim_line_end_date": end.isoformat() if end and end >= start else None,
            "hcpcs_code": next((code.code for code in codes if code.system in (*SERVICES, MORE_SERVICES)), None),
            "modifiers": [code.code for each in parts(item, "modifier") for code in codings(each)[:1]],
            "revenue_center_code": next((code.code for code in codings(part(item, "revenue"))), None),
            "place_of_service_code": _place(item),
            "units": None if quantity is None else written(quantity),
            "line_status": _denied_or_paid(item)["line_status"],
            "ndc_code": _ndc(codes),
            "rendering_npi": npi,
            "rendering_taxonomy": taxonomy,
            "allowed_amount": _amount(item, ALLOWED),
            "paid_amount": _amount(item, PAID),
            "charge_amount": _amount(item, SUBMITTED),
        }
    )


def _item_codes(item: Json) -> list[Coding]:
    """The codes of a line and of its details, such as the drug of a service."""
    holders = (item, *parts(item, "detail"))
    return [coding for holder in holders for coding in codings(part(holder, "productOrService"))]


def _ndc(codes: list[Coding]) -> str | None:
    return next((code.code for code in codes if code.system == NDC), None)


def _place(item: Json) -> str | None:
    codes = codings(part(item, "locationCodeableConcept"))
    return next((code.code for code in codes if code.system.rstrip("/") == PLACES), None)


def _denied_or_paid(item: Json) -> Event:
    """Denied where an adjudication gives a reason of denial and none says that anything was paid."""
    denied = any(
        code.code == DENIAL for each in parts(item, "adjudication") for code in codings(part(each, "category"))
    )
    paid = Decimal(_amount(item, PAID) or 0)
    return {"line_status": "denied" if denied and paid <= 0 else "paid"}


def _status(resource: Json, lines: list[Event]) -> str:
    status, outcome = text(resource, "status"), text(resource, "outcome")
    if status in ("cancelled", "entered-in-error"):
        return "reversed"
    if outcome in ("queued", "partial"):
        return "pending"
    denied = outcome == "error" or (lines and all(line.get("line_status") == "denied" for line in lines))
    return "denied" if denied else "paid"


def _amount(holder: Json, names: tuple[str, ...], key: str = "adjudication") -> str | None:
    """The sum of the adjudications of one category, the first of the names that there is."""
    for name in names:
        found = [
            value
            for each in parts(holder, key)
            if any(code.code == name for code in codings(part(each, "category")))
            and (value := number(part(each, "amount"), "value")) is not None
        ]
        if found:
            return written(sum(found, Decimal(0)))
    return None


def _total(resource: Json, names: tuple[str, ...]) -> str | None:
    return _amount(resource, names, "total")


def _diagnoses(case: Case) -> list[str]:
    """ICD-10-CM codes, the principal one first, else in their order."""
    found = sorted(parts(case.resource, "diagnosis"), key=_rank)
    codes: list[str] = []
    for each in found:
        coded = codings(part(each, "diagnosisCodeableConcept"))
        code = next((code.code for code in coded if code.system in ICD10CM), None)
        if code is None:
            case.leave("has a diagnosis that is no ICD-10-CM code: that one is not read")
        else:
            codes.append(code)
    return list(dict.fromkeys(codes))


def _rank(diagnosis: Json) -> tuple[bool, int]:
    principal = any(code.code == "principal" for each in parts(diagnosis, "type") for code in codings(each))
    sequence = diagnosis.get("sequence")
    return not principal, sequence if isinstance(sequence, int) else 0


def _supporting(resource: Json, category: str) -> Json:
    """The first supporting information of a category."""
    for each in parts(resource, "supportingInfo"):
        if any(code.code == category for code in codings(part(each, "category"))):
            return each
    return {}


def _supporting_code(resource: Json, category: str) -> str | None:
    return next((code.code for code in codings(part(_supporting(resource, category), "code"))), None)


def _care_team(case: Case, roles: set[str], item: Json | None = None) -> tuple[str | None, str | None]:
    """NPI and taxonomy of the first of the care team in one of the roles; of a line, of those that it names."""
    named = None if item is None else item.get("careTeamSequence")
    for each in parts(case.resource, "careTeam"):
        if isinstance(named, list) and named and each.get("sequence") not in named:
            continue
        if any(code.code in roles for code in codings(part(each, "role"))):
            npi, taxonomy = _provider(case, part(each, "provider"))
            said = next((code.code for code in codings(part(each, "qualification")) if code.system == TAXONOMY), None)
            return npi, said or taxonomy
    return None, None


def _provider(case: Case, pointer: Json) -> tuple[str | None, str | None]:
    """NPI and taxonomy of whom an element points to: by identifier, or by the resource, contained or not."""
    direct = part(pointer, "identifier")
    if text(direct, "system") == NPI:
        return text(direct, "value"), None
    for kind in ("Practitioner", "Organization", "PractitionerRole"):
        found = case.known(pointer, kind)
        if found is not None:
            if kind == "PractitionerRole" and found["npi"] is None and found["practitioner"]:
                who = case.around.index.one(case.found.scope, "Practitioner", str(found["practitioner"])) or {}
                return who.get("npi"), found.get("taxonomy") or who.get("taxonomy")
            return found.get("npi"), found.get("taxonomy")
    return None, None


def _tin(case: Case, pointer: Json) -> str | None:
    found = case.known(pointer, "Organization")
    tin = found and found.get("tin")
    return str(tin).replace("-", "") if tin else None


def _iso(written_day: str | None) -> str | None:
    return iso(day(written_day))
