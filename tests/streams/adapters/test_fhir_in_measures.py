"""From a FHIR bundle to the populations of CBP, GSD and DSF: what the import writes is what the rules read.

The bundles have the shape of the published test patients of CMS165, CMS122 and CMS2; codes of value sets are numbers of our own.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import Codec
from schemas.records import Clinical
from schemas.registry import EmbeddedRegistry
from state.calendar import FOREVER
from state.ledger.rows import History
from state.measures.editions import Bound, built_in, wanted_by
from state.measures.evaluation import evaluate
from state.measures.facts import Kept
from state.measures.keeping import kept_of, profile_of, span_of
from state.reference.value_sets import ValueSet, ValueSets
from streams.adapters.fhir import events
from streams.adapters.left_out import LeftOut
from tests.cases import Case
from tests.measure_builders import year

CODEC = Codec(EmbeddedRegistry())
MEASURES = ("CBP", "GSD", "DSF")
SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"
POSITIVE, YES = "428181000124104", "373066001"
Json = dict[str, Any]


class Deck:
    """An edition of which each value set holds one code of its own, and the bundles that speak in those codes."""

    def __init__(self, number: int) -> None:
        self.number = number
        edition = built_in(f"cms-{number}").only(MEASURES)
        names = sorted({name for measure in MEASURES for name in edition.value_sets(measure)})
        self._codes = {name: str(1000 + place) for place, name in enumerate(names)}
        sets = [ValueSet(id=name, codes=frozenset({("SNOMEDCT", code)})) for name, code in self._codes.items()]
        self._sets_of = edition.sets
        self.bound = Bound(edition, ValueSets(sets))

    def coded(self, role: str) -> Json:
        return concept(SNOMED, self._codes[self._sets_of[role][0]])

    def outcome(self, folder: Path, measure: str, *resources: Json) -> tuple[int, ...]:
        """Initial population, denominator, exclusion, numerator and exception."""
        entries = [{"resource": {"id": f"r{place}", **one}} for place, one in enumerate(resources)]
        path = folder / "bundle.json"
        path.write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
        told = Case()
        told.rows.clear()  # the member of the file alone, not the one that is there from the start
        for event in events([path], LeftOut(io.StringIO())):
            told.tell(CODEC.from_json(json.dumps(event, default=str)))
        wanted = wanted_by([self.bound])
        kept: list[Kept] = []
        for name, row in told.rows.items():
            one = kept_of(name, row, wanted, allow_reopen=False)
            kept += [] if one is None else [one]
        spans = [
            span_of(name, row)
            for name, row in told.rows.items()
            if name.startswith("span:") and isinstance(row, History)
        ]
        found = evaluate(profile_of(spans), kept, self.bound, year(self.number), FOREVER, only=[measure])
        (one_rate,) = found.outcomes.get(measure, ()) or (None,)
        if one_rate is None:
            return 0, 0, 0, 0, 0
        return (
            one_rate.initial_population,
            one_rate.denominator,
            one_rate.denominator_exclusion,
            one_rate.numerator,
            one_rate.denominator_exception,
        )


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def patient(birth: str) -> Json:
    return {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": birth}


def of_patient(kind: str, **said: Any) -> Json:
    return {"resourceType": kind, "subject": {"reference": "Patient/p"}, **said}


def encounter(code: Json, start: str, end: str, sort: str = "AMB", **said: Any) -> Json:
    return of_patient(
        "Encounter",
        **{"status": "finished", "class": {"system": ACT, "code": sort}, "type": [code]},
        period={"start": start, "end": end},
        **said,
    )


def condition(code: Json, onset: str, category: str = "encounter-diagnosis") -> Json:
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    sort = "http://terminology.hl7.org/CodeSystem/condition-category"
    return of_patient(
        "Condition",
        clinicalStatus=concept(clinical, "active"),
        category=[concept(sort, category)],
        code=code,
        onsetDateTime=onset,
    )


def observation(loinc: str, categories: str, **said: Any) -> Json:
    sorts = [concept(OBSERVATION, category) for category in categories.split()]
    return of_patient("Observation", **{"status": "final", "category": sorts, "code": concept(LOINC, loinc), **said})


def pressure(on: str, systolic: float | None, diastolic: float | None, **said: Any) -> Json:
    parts = [("8480-6", systolic), ("8462-4", diastolic)]
    return observation(
        "85354-9",
        "vital-signs",
        effectiveDateTime=on,
        component=[
            {"code": concept(LOINC, code), "valueQuantity": {"value": value, "unit": "mmHg", "code": "mm[Hg]"}}
            for code, value in parts
            if value is not None
        ],
        **said,
    )


@pytest.fixture(scope="module", params=[2025, 2026])
def deck(request: pytest.FixtureRequest) -> Deck:
    return Deck(request.param)


OUT, OPEN, EXCLUDED, MET, EXCEPTED = (0,) * 5, (1, 1, 0, 0, 0), (1, 1, 1, 0, 0), (1, 1, 0, 1, 0), (1, 1, 0, 0, 1)


def test_a_blood_pressure_counts_by_the_class_of_its_encounter(deck: Deck, tmp_path: Path) -> None:
    y = deck.number
    base = (
        patient(f"{y - 19}-12-31"),
        encounter(deck.coded("qualifying_visit"), f"{y}-01-01T00:00:00.000Z", f"{y}-01-01T01:00:00.000Z"),
        condition(deck.coded("hypertension"), f"{y}-06-30T23:59:59.000Z"),
    )
    for sort, expected in (("AMB", MET), ("VR", MET), ("IMP", OPEN), ("EMER", OPEN)):
        place = concept(SNOMED, "999") if expected == MET else deck.coded("inpatient_encounter")
        elsewhere = encounter(place, f"{y}-02-01T00:00:00.000Z", f"{y}-02-01T01:00:00.000Z", sort, id="seen")
        reading = pressure(f"{y}-02-01T00:00:00.000Z", 139, 89, encounter={"reference": "Encounter/seen"})
        assert deck.outcome(tmp_path, "CBP", *base, elsewhere, reading) == expected
    reading = pressure(f"{y}-02-01T00:00:00.000Z", 139, 89)
    assert deck.outcome(tmp_path, "CBP", *base, reading) == (OPEN if y == 2025 else MET)
    reading = pressure(f"{y}-02-01T00:00:00.000Z", 139, None, encounter={"reference": "Encounter/seen"})
    assert deck.outcome(tmp_path, "CBP", *base, elsewhere, reading) == OPEN


def test_hypertension_on_july_1_is_too_late(deck: Deck, tmp_path: Path) -> None:
    y = deck.number
    visit = encounter(deck.coded("qualifying_visit"), f"{y}-01-01T00:00:00.000Z", f"{y}-01-01T01:00:00.000Z")
    late = condition(deck.coded("hypertension"), f"{y}-07-01T00:00:00.000Z")
    assert deck.outcome(tmp_path, "CBP", patient(f"{y - 19}-12-31"), visit, late) == OUT


def test_a_kidney_transplant_excludes(deck: Deck, tmp_path: Path) -> None:
    y = deck.number
    transplant = of_patient(
        "Procedure",
        status="completed",
        code=deck.coded("renal_procedure"),
        performedPeriod={"start": f"{y}-12-30T00:00:00.000Z", "end": f"{y}-12-30T23:59:59.000Z"},
    )
    visit = encounter(deck.coded("qualifying_visit"), f"{y}-01-01T00:00:00.000Z", f"{y}-01-01T01:00:00.000Z")
    stated = condition(deck.coded("hypertension"), f"{y}-06-30T23:59:59.000Z")
    assert deck.outcome(tmp_path, "CBP", patient(f"{y - 19}-12-31"), visit, stated, transplant) == EXCLUDED


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"valueQuantity": {"value": 9.1, "unit": "%", "code": "%"}}, MET),
        ({"valueQuantity": {"value": 8.9, "unit": "%", "code": "%"}}, OPEN),
        ({"valueCodeableConcept": concept(SNOMED, YES)}, OPEN),
        ({"dataAbsentReason": {"text": "unknown"}}, MET),
        ({}, MET),
    ],
    ids=["9.1", "8.9", "a code", "absent", "nothing"],
)
def test_a_glycemic_result(deck: Deck, tmp_path: Path, said: Json, expected: tuple[int, ...]) -> None:
    y = deck.number
    role = "qualifying_visit" if y == 2025 else "glycemic_visit"
    found = deck.outcome(
        tmp_path,
        "GSD",
        patient(f"{y - 18}-01-01"),
        encounter(deck.coded(role), f"{y}-01-01T00:00:00Z", f"{y}-01-01T00:15:00Z"),
        condition(deck.coded("diabetes"), f"{y}-01-01T23:59:00Z"),
        observation(
            "97506-0",
            "laboratory",
            status="corrected",
            effectivePeriod={"start": f"{y - 1}-12-31T00:00:00Z", "end": f"{y}-01-01T00:00:00Z"},
            **said,
        ),
    )
    assert found == expected


def test_a_positive_screen_with_a_prescription_of_thirty_days(deck: Deck, tmp_path: Path) -> None:
    y = deck.number
    base = (
        patient(f"{y - 12}-01-01"),
        encounter(deck.coded("depression_visit"), f"{y}-06-21T08:00:00Z", f"{y}-06-21T08:15:00Z"),
        observation(
            "73831-0",
            "procedure survey",
            effectiveDateTime=f"{y}-06-15T08:00:00Z",
            valueCodeableConcept=concept(SNOMED, POSITIVE),
        ),
    )
    supply = {"expectedSupplyDuration": {"value": 30, "system": "http://unitsofmeasure.org", "code": "days"}}

    def prescribed(on: str, **said: Any) -> Json:
        given = {"status": "active", "intent": "order", "doNotPerform": False, "dispenseRequest": supply}
        drug = deck.coded("adolescent_medication")
        return of_patient("MedicationRequest", **{**given, **said}, medicationCodeableConcept=drug, authoredOn=on)

    assert deck.outcome(tmp_path, "DSF", *base) == OPEN
    assert deck.outcome(tmp_path, "DSF", *base, prescribed(f"{y}-06-21T08:00:00Z")) == MET
    assert deck.outcome(tmp_path, "DSF", *base, prescribed(f"{y}-06-24T08:00:00Z")) == OPEN
    assert deck.outcome(tmp_path, "DSF", *base, prescribed(f"{y}-06-21T08:00:00Z", doNotPerform=True)) == OPEN
    without_length = prescribed(f"{y}-06-22T08:00:00Z", dispenseRequest={})
    assert deck.outcome(tmp_path, "DSF", *base, without_length) == (MET if y == 2025 else OPEN)
    referred = of_patient(
        "ServiceRequest",
        status="active",
        intent="order",
        code=deck.coded("adolescent_referral"),
        authoredOn=f"{y}-06-23T08:00:00Z",
    )
    assert deck.outcome(tmp_path, "DSF", *base, referred) == MET


def test_a_patient_who_declined_during_the_visit(deck: Deck, tmp_path: Path) -> None:
    y = deck.number
    base = (
        patient(f"{y - 18}-01-01"),
        encounter(deck.coded("depression_visit"), f"{y}-06-28T08:00:00.000Z", f"{y}-06-28T08:15:00.000Z"),
    )
    reason = {
        "url": "http://hl7.org/fhir/us/qicore/StructureDefinition/qicore-notDoneReason",
        "valueCodeableConcept": concept(SNOMED, "720834000"),
    }

    def declined(issued: str) -> Json:
        said = {"status": "cancelled", "extension": [reason], "issued": issued, "valueBoolean": True}
        return observation("73832-8", "procedure", **said)

    assert deck.outcome(tmp_path, "DSF", *base, declined(f"{y}-06-28T08:00:00.000Z")) == EXCEPTED
    at_nine = deck.outcome(tmp_path, "DSF", *base, declined(f"{y}-06-28T09:00:00.000Z"))
    assert at_nine == (OPEN if y == 2025 else EXCEPTED)
    a_week_ago = observation("73832-8", "procedure survey", effectiveDateTime=f"{y}-06-21T08:00:00Z", valueBoolean=True)
    assert deck.outcome(tmp_path, "DSF", *base, declined(f"{y}-06-28T08:00:00.000Z"), a_week_ago) == OPEN


def test_a_bipolar_disorder_of_the_problem_list_excludes(deck: Deck, tmp_path: Path) -> None:
    y = deck.number
    base = (
        patient(f"{y - 18}-01-01"),
        encounter(deck.coded("depression_visit"), f"{y}-06-21T08:00:00.000Z", f"{y}-06-21T08:15:00.000Z"),
    )
    for category, expected in (("problem-list-item", EXCLUDED), ("encounter-diagnosis", OPEN)):
        bipolar = condition(deck.coded("bipolar_disorder"), f"{y}-06-15T08:00:00.000Z", category)
        assert deck.outcome(tmp_path, "DSF", *base, bipolar) == expected


def test_what_the_import_writes_is_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    reading = {"id": "bp", **pressure("2025-02-01T00:00:00Z", 139, 89)}
    entries = [{"resource": one} for one in (patient("1980-01-01"), reading)]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    records = [CODEC.from_json(json.dumps(event, default=str)) for event in events([path], LeftOut(io.StringIO()))]
    clinical = [one for one in records if isinstance(one, Clinical)]
    assert [one.part_of for one in clinical if one.value is not None] == ["Observation/bp", "Observation/bp"]
