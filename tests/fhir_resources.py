"""Small FHIR resources of our own, and what an import makes of them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json

from schemas.codec import Codec
from schemas.records import Clinical
from schemas.registry import EmbeddedRegistry
from state import validation
from streams.adapters import fhir
from streams.adapters.left_out import LeftOut

CODEC = Codec(EmbeddedRegistry())
LATER = dt.date(2027, 6, 1)
SNOMED, LOINC, CPT = "http://snomed.info/sct", "http://loinc.org", "http://www.ama-assn.org/go/cpt"
RXNORM, CVX = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/cvx"
HL7 = "http://terminology.hl7.org/CodeSystem"
QUALITY = "http://fhir.org/guides/astp/us-quality-core/StructureDefinition"
QICORE, USCORE = (f"http://hl7.org/fhir/us/{guide}/StructureDefinition" for guide in ("qicore", "core"))


def coded(system, code):
    return {"coding": [{"system": system, "code": code, "display": "words of a terminology"}]}


def who(kind="subject", patient="ana"):
    return {kind: {"reference": f"Patient/{patient}"}}


def patient(identity="ana", **more):
    return {"resourceType": "Patient", "id": identity, "gender": "female", "birthDate": "1960-02-29"} | more


def resource(kind, identity="x", **more):
    return {"resourceType": kind, "id": identity, **who("patient" if kind == "Immunization" else "subject"), **more}


def observation(identity="o", **more):
    base = {"status": "final", "code": coded(LOINC, "4548-4"), "effectiveDateTime": "2025-03-01T08:30:00-07:00"}
    return resource("Observation", identity, **(base | more))


def condition(identity="c", **more):
    return resource("Condition", identity, code=coded(SNOMED, "73211009"), **more)


def encounter(identity="e", **more):
    base = {
        "status": "finished",
        "class": {"system": f"{HL7}/v3-ActCode", "code": "AMB"},
        "type": [coded(CPT, "99213")],
        "period": {"start": "2025-05-01T09:00:00Z", "end": "2025-05-01T09:20:00Z"},
    }
    return resource("Encounter", identity, **(base | more))


def bundle(*resources):
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


class Import:
    """What came of importing files: the events as the wire's records, and what was left out."""

    def __init__(self, paths, payer="fhir"):
        self.list = io.StringIO()
        self.left_out = LeftOut(self.list)
        self.raw = list(fhir.events(paths, self.left_out, payer))
        self.all = [CODEC.from_json(json.dumps(event)) for event in self.raw]
        self.refused = [refusal for each in self.all if (refusal := validation.refusal(each, LATER))]

    def of(self, kind):
        return [each for each in self.all if isinstance(each, kind)]

    @property
    def charted(self):
        """Clinical records by their id, without those of a patient's sex."""
        return {each.record_id: each for each in self.of(Clinical)}

    @property
    def only(self):
        (found,) = self.of(Clinical)
        return found

    @property
    def reasons(self):
        return set(self.left_out.counts)

    @property
    def rows(self):
        return list(csv.DictReader(io.StringIO(self.list.getvalue())))


def coverage(identity="k", **more):
    base = {
        "status": "active",
        "period": {"start": "2025-01-01T00:00:00Z", "end": "2025-12-31"},
        "payor": [{"display": "acme"}],
        "beneficiary": {"reference": "Patient/ana"},
    }
    return {"resourceType": "Coverage", "id": identity} | base | more


NDC = "http://hl7.org/fhir/sid/ndc"


def adjudicated(**amounts):
    return [
        {"category": coded(f"{HL7}/adjudication", name), "amount": {"value": amount, "currency": "USD"}}
        for name, amount in amounts.items()
    ]


def benefit(identity="b", kind="professional", **more):
    line = {
        "sequence": 1,
        "productOrService": coded(CPT, "99213"),
        "modifier": [coded(CPT, "25")],
        "servicedPeriod": {"start": "2025-03-01", "end": "2025-03-02"},
        "locationCodeableConcept": coded("https://www.cms.gov/Medicare/Coding/place-of-service-codes", "11"),
        "quantity": {"value": 1},
        "careTeamSequence": [2],
        "adjudication": adjudicated(submitted=150, eligible=100.25, paidtoprovider=80),
    }
    base = {
        "resourceType": "ExplanationOfBenefit",
        "id": identity,
        "patient": {"reference": "Patient/ana"},
        "status": "active",
        "use": "claim",
        "outcome": "complete",
        "type": coded(f"{HL7}/claim-type", kind),
        "created": "2025-03-20T00:00:00Z",
        "identifier": [
            {
                "type": coded("http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBIdentifierType", "uc"),
                "value": f"N-{identity}",
            }
        ],
        "provider": {"reference": "Organization/clinic"},
        "payment": {"date": "2025-03-25"},
        "diagnosis": [
            {"sequence": 1, "diagnosisCodeableConcept": coded("http://hl7.org/fhir/sid/icd-10-cm", "I10")},
            {
                "sequence": 2,
                "diagnosisCodeableConcept": coded("http://hl7.org/fhir/sid/icd-10-cm", "E11.9"),
                "type": [coded(f"{HL7}/ex-diagnosistype", "principal")],
            },
        ],
        "careTeam": [
            {"sequence": 1, "provider": {"reference": "Practitioner/ref"}, "role": coded("urn:x", "referring")},
            {
                "sequence": 2,
                "provider": {"reference": "Practitioner/doc"},
                "role": coded("urn:x", "rendering"),
                "qualification": coded("http://nucc.org/provider-taxonomy", "207Q00000X"),
            },
        ],
        "item": [line],
    }
    return base | more


PROVIDERS = (
    {
        "resourceType": "Organization",
        "id": "clinic",
        "identifier": [
            {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"},
            {"system": "urn:oid:2.16.840.1.113883.4.4", "value": "12-3456789"},
        ],
    },
    {
        "resourceType": "Practitioner",
        "id": "doc",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1245319599"}],
    },
)


def as_patient(name, *resources):
    """A bundle of ana's resources, as those of another patient: each of a deck has a name of their own."""
    return json.loads(
        json.dumps(bundle(*resources)).replace('"ana"', f'"{name}"').replace("Patient/ana", f"Patient/{name}")
    )


def fact(kind, code, **more):
    """A resource of a kind, with its code where it belongs and a status that counts; `more` says the rest or otherwise."""
    where = {
        "Encounter": ("type", "finished"),
        "Immunization": ("vaccineCode", "completed"),
        "DeviceRequest": ("codeCodeableConcept", "active"),
        "MedicationRequest": ("medicationCodeableConcept", "active"),
        "Observation": ("code", "final"),
        "Procedure": ("code", "completed"),
        "ServiceRequest": ("code", "active"),
    }
    place, status = where[kind]
    base = {"status": status, place: [code] if kind == "Encounter" else code}
    if kind == "Encounter":
        base["class"] = {"system": f"{HL7}/v3-ActCode", "code": "AMB"}
    if kind.endswith("Request"):
        base["intent"] = "order"
    return {key: said for key, said in (resource(kind) | base | more).items() if said is not None}


def prevalent(code, onset, abatement=None, *, status="active", category="problem-list-item", verified=None, **more):
    """A condition with its statuses; None for a status that is not stated."""
    said = {
        "onsetDateTime": onset,
        "abatementDateTime": abatement,
        "clinicalStatus": status and coded(f"{HL7}/condition-clinical", status),
        "verificationStatus": verified and coded(f"{HL7}/condition-ver-status", verified),
        "category": [coded(f"{HL7}/condition-category", category)],
    }
    return {key: one for key, one in (condition(**(said | more)) | {"code": code}).items() if one is not None}


def categories(*names):
    return [coded(f"{HL7}/observation-category", name) for name in names]


def measured(value, unit="%"):
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def pressure(systolic, diastolic, at="e", **more):
    """A blood pressure in mm Hg; None for a number that is not there."""
    numbers = (("8480-6", systolic), ("8462-4", diastolic))
    component = [
        {"code": coded(LOINC, code)} | ({} if value is None else {"valueQuantity": measured(value, "mm[Hg]")})
        for code, value in numbers
    ]
    within = {} if at is None else {"encounter": {"reference": f"Encounter/{at}"}}
    return fact(
        "Observation",
        coded(LOINC, "85354-9"),
        category=categories("vital-signs"),
        component=component,
        **within,
        **more,
    )


def value_set(oid, *codes, cut_at=None):
    """A published value set of SNOMED codes: composed, or expanded and cut off of so many."""
    url = f"http://cts.nlm.nih.gov/fhir/ValueSet/{oid}"
    said = {"resourceType": "ValueSet", "id": oid, "url": url, "version": "20240101", "name": f"V{oid}"}
    if cut_at is None:
        return said | {"compose": {"include": [{"system": SNOMED, "concept": [{"code": code} for code in codes]}]}}
    return said | {"expansion": {"total": cut_at, "contains": [{"system": SNOMED, "code": code} for code in codes]}}
