"""A statement as a FHIR bundle in the shape of Da Vinci Value-Based Performance Reporting (VBPR STU 1).

A collection of the payer and the practice, the contract as a value-based performance Measure, the report with a group for each line and for
the totals, and a quality report for each measure. It has VBPR's profiles, extensions and codes; validation against the published
package is not claimed. A baseline without its period and a share of the pool, for which VBPR has no element, stand in extensions of ours.
Source of the names: HL7/davinci-vbpr, input/fsh, profiles vbp-measure, vbp-performance-measurereport and vbp-quality-measurereport,
extensions payment-stream, service-period, alternate-measurescore, threshold, organization-subject and group-reference.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from schemas.money import Contract, Statement, StatementLine
from state.calendar import add_months, month_named, to_date
from state.payment.incentive import COMPLETED

VBPR = "http://hl7.org/fhir/us/davinci-vbpr"
US_CORE_ORGANIZATION = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-organization"
CATEGORY = "http://hl7.org/fhir/StructureDefinition/measurereport-category"
CATEGORIES = "http://hl7.org/fhir/CodeSystem/measurereport-category"
METRICS = f"{VBPR}/CodeSystem/vbp-performance-metric"
STREAMS = f"{VBPR}/CodeSystem/payment-stream"
SCORING = "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/extension-measureScoring"
SCORINGS = "http://terminology.hl7.org/CodeSystem/measure-scoring"
IMPROVEMENT = "http://terminology.hl7.org/CodeSystem/measure-improvement-notation"
UCUM = "http://unitsofmeasure.org"
TAX_ID = "urn:oid:2.16.840.1.113883.4.4"
OURS = "urn:panelstream"
STREAM_OF = {
    "1": ("pcpcp", "Primary care capitation payment"),
    "2": ("ccf-with-risk", "Population health management payment, risk adjusted"),
    "3": ("p4p", "Performance incentive"),
}
UNADJUSTED_STREAM = ("ccf", "Population health management payment")
METRIC_OF = {
    "capitation": ("capitation", "Capitation"),
    "capitated_services": ("paid-claim", "Services covered by the capitation"),
    "fee_for_service": ("paid-claim", "Services paid fee for service"),
    "turnaround": ("paid-claim", "Services that changed sides with the panel"),
    "population_health": ("ccf", "Population health management"),
    "incentive": ("earned-incentive", "Earned incentive"),
}
_MONTH = re.compile(r"\d{4}-\d{2}")
Resource = dict[str, Any]


def bundle(statement: Statement, contract: Contract) -> Resource:
    """The bundle of a statement and the contract it goes by. Equal statements give equal bundles."""
    payer, practice, measure, report = (
        f"{kind}-{_digest(statement, kind)}" for kind in ("payer", "practice", "contract", "report")
    )
    qualities = [
        (_quality(statement, line, f"quality-{_digest(statement, line.item)}", payer), number)
        for number, line in enumerate(statement.lines, start=1)
        if line.element == "3" and line.rate is not None
    ]
    resources = [
        _organization(payer, statement.payer, None),
        _organization(practice, statement.payee_name, statement),
        _measure(statement, contract, measure),
        _report(statement, report, measure, payer, practice, [(one["id"], number) for one, number in qualities]),
        *(one for one, _ in qualities),
    ]
    return {
        "resourceType": "Bundle",
        "id": f"bundle-{_digest(statement, 'bundle')}",
        "identifier": {"system": OURS, "value": statement.statement_id},
        "type": "collection",
        "entry": [{"fullUrl": _url(one["id"]), "resource": one} for one in resources],
    }


def encode(statement: Statement, contract: Contract) -> bytes:
    """The bundle as JSON. Amounts are JSON numbers with the digits they have, as FHIR decimals are."""
    return msgspec.json.Encoder(decimal_format="number").encode(bundle(statement, contract))


def _organization(id_: str, name: str, statement: Statement | None) -> Resource:
    tax = [] if statement is None else [{"system": TAX_ID, "value": statement.payee_tin}]
    ours = name if statement is None else statement.practice_id
    return {
        "resourceType": "Organization",
        "id": id_,
        "meta": {"profile": [US_CORE_ORGANIZATION]},
        "identifier": [*tax, {"system": OURS, "value": ours}],
        "active": True,
        "name": name,
    }


def _measure(statement: Statement, contract: Contract, id_: str) -> Resource:
    streams = sorted({line.element for line in statement.lines if line.kind != "fee_for_service"})
    term = {"start": contract.effective_from.isoformat()}
    if contract.effective_to is not None:
        # FHIR periods include their end; the contract names the first day on which it no longer holds.
        term["end"] = (contract.effective_to - dt.timedelta(days=1)).isoformat()
    return {
        "resourceType": "Measure",
        "id": id_,
        "meta": {"profile": [f"{VBPR}/StructureDefinition/vbp-measure"]},
        "extension": [_stream(element, adjusted=contract.policies.adjust_element_2) for element in streams],
        "url": f"{OURS}:{id_}",
        "identifier": [{"system": OURS, "value": statement.contract_id}],
        "name": f"Contract{_digest(statement, 'contract')}",
        "title": f"Contract {statement.contract_id} between {statement.payer} and {statement.payee_name}",
        "status": "active",
        "description": f"What {statement.payer} pays {statement.payee_name}, in track {statement.track}.",
        "effectivePeriod": term,
    }


def _report(
    statement: Statement, id_: str, measure: str, payer: str, practice: str, qualities: list[tuple[str, int]]
) -> Resource:
    groups = [_group(statement, line, number) for number, line in enumerate(statement.lines, start=1)]
    for name, text, amount in (
        ("total", "Total", statement.total),
        ("previously-stated", "Previously stated", statement.previously_stated),
        ("difference", "To settle", statement.difference),
    ):
        groups.append({"id": name, "code": _concept(OURS, name, text), "measureScore": _money(amount)})
    found: Resource = {
        "resourceType": "MeasureReport",
        "id": id_,
        "meta": {"profile": [f"{VBPR}/StructureDefinition/vbp-performance-measurereport"]},
        "extension": [{"url": CATEGORY, "valueCodeableConcept": {"coding": [{"system": CATEGORIES, "code": "vbp"}]}}],
        "identifier": [{"system": OURS, "value": statement.statement_id}],
        "status": "complete",
        "type": "summary",
        "measure": f"{OURS}:{measure}",
        "subject": {
            "extension": [
                {
                    "url": f"{VBPR}/StructureDefinition/organization-subject",
                    "valueReference": {"reference": _url(practice)},
                }
            ],
            "display": statement.payee_name,
        },
        "date": statement.stated_on.isoformat(),
        "reporter": {"reference": _url(payer)},
        "period": _period(statement),
        "group": groups,
    }
    if qualities:
        found["evaluatedResource"] = [
            {
                "extension": [{"url": f"{VBPR}/StructureDefinition/group-reference", "valueString": f"line-{number}"}],
                "reference": _url(quality),
            }
            for quality, number in qualities
        ]
    return found


def _group(statement: Statement, line: StatementLine, number: int) -> Resource:
    code, text = METRIC_OF[line.kind]
    # Services paid fee for service belong to no payment stream of a value-based contract.
    streams = [] if line.kind == "fee_for_service" else [_stream(line.element, adjusted=bool(line.factors))]
    served = {"url": f"{VBPR}/StructureDefinition/service-period", "valuePeriod": _served(statement, line)}
    return {
        "id": f"line-{number}",
        "extension": [*streams, served],
        "code": _concept(METRICS, code, f"{text}: {line.item}, {line.label}"),
        "measureScore": _money(line.amount if line.information is None else line.information),
    }


def _quality(statement: Statement, line: StatementLine, id_: str, payer: str) -> Resource:
    """A measure's rate with the thresholds it was held against, its baseline, and the percent of the pool that it weighs."""
    scoring = "ratio" if line.item in COMPLETED else "proportion"
    extensions: list[Resource] = [
        {"url": SCORING, "valueCodeableConcept": {"coding": [{"system": SCORINGS, "code": scoring}]}},
        *(
            {
                "url": f"{VBPR}/StructureDefinition/threshold",
                "extension": [{"url": "threshold", "valueQuantity": _quantity(line, value)}, _kind(kind)],
            }
            for kind, value in (("minimum", line.minimum), ("threshold", line.threshold), ("gold", line.gold))
            if value is not None
        ),
    ]
    if line.baseline is not None:
        extensions.append({"url": f"{OURS}:baseline", "valueQuantity": _quantity(line, line.baseline)})
    if line.gold_share_pct is not None:
        extensions.append({"url": f"{OURS}:gold-share", "valueDecimal": line.gold_share_pct})
    lower = line.gold is not None and line.threshold is not None and line.gold < line.threshold
    group: Resource = {} if line.rate is None else {"measureScore": _quantity(line, line.rate)}
    counts = [
        (name, value)
        for name, value in (("numerator", line.numerator), ("denominator", line.denominator))
        # A cost is no count.
        if value is not None and value == value.to_integral_value()
    ]
    if counts:
        group["population"] = [
            {
                "id": f"calculated-{name}",
                "code": _concept(
                    f"{VBPR}/CodeSystem/vbp-measure-population", f"calculated-{name}", f"Calculated {name}"
                ),
                "count": int(value),
            }
            for name, value in counts
        ]
    return {
        "resourceType": "MeasureReport",
        "id": id_,
        "meta": {"profile": [f"{VBPR}/StructureDefinition/vbp-quality-measurereport"]},
        "extension": extensions,
        "status": "complete",
        "type": "summary",
        "measure": f"{OURS}:measure:{line.item}",
        "date": statement.stated_on.isoformat(),
        "reporter": {"reference": _url(payer)},
        "period": _period(statement),
        "improvementNotation": {"coding": [{"system": IMPROVEMENT, "code": "decrease" if lower else "increase"}]},
        "group": [group],
    }


def _stream(element: str, *, adjusted: bool) -> Resource:
    code, text = UNADJUSTED_STREAM if element == "2" and not adjusted else STREAM_OF[element]
    return {"url": f"{VBPR}/StructureDefinition/payment-stream", "valueCodeableConcept": _concept(STREAMS, code, text)}


def _quantity(line: StatementLine, value: Decimal) -> Resource:
    """A rate with its unit: percent, or what utilisation and cost are measured in."""
    if line.item not in COMPLETED:
        return {"value": value, "unit": "%", "system": UCUM, "code": "%"}
    return {"value": value, "unit": "index" if line.item == "TCOC" else "per 1,000 members"}


def _kind(kind: str) -> Resource:
    return {"url": "type", "valueCodeableConcept": {"text": kind}}


def _concept(system: str, code: str, text: str) -> Resource:
    return {"coding": [{"system": system, "code": code}], "text": text}


def _money(amount: Decimal) -> Resource:
    return {
        "extension": [
            {
                "url": f"{VBPR}/StructureDefinition/alternate-measurescore",
                "valueMoney": {"value": amount, "currency": "USD"},
            }
        ]
    }


def _period(statement: Statement) -> Mapping[str, str]:
    return {"start": statement.covers_from.isoformat(), "end": statement.covers_to.isoformat()}


def _served(statement: Statement, line: StatementLine) -> Mapping[str, str]:
    """The month of a line that is of one; else the whole period."""
    if not _MONTH.fullmatch(line.item):
        return _period(statement)
    first = month_named(line.item)
    last = to_date(add_months(first, 1) - 1) or statement.covers_to
    return {"start": dt.date.fromordinal(first).isoformat(), "end": last.isoformat()}


def _url(id_: str) -> str:
    """What a resource is found by in the bundle, which lies on no server."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{OURS}:{id_}").urn


def _digest(statement: Statement, part: str) -> str:
    """Ids of resources: at most 64 letters, digits and hyphens, and the same whenever the same statement is written."""
    return hashlib.sha256(f"{statement.statement_id}\0{part}".encode()).hexdigest()[:24]
