from __future__ import annotations

import csv
import datetime as dt
import io
import json
import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.records import Claim, Clinical, Enrollment, PharmacyClaim
from schemas.registry import EmbeddedRegistry
from state import validation
from streams.adapters import fhir
from streams.adapters.fhir.left_out import LeftOut
from streams.adapters.sources import SourceError

CODEC = Codec(EmbeddedRegistry())
LATER = dt.date(2027, 6, 1)
SNOMED, LOINC, CPT = "http://snomed.info/sct", "http://loinc.org", "http://www.ama-assn.org/go/cpt"
RXNORM, CVX = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/cvx"
HL7 = "http://terminology.hl7.org/CodeSystem"
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


@pytest.fixture
def imported(tmp_path):
    """Imports resources as one bundle, with the patient Ana unless another is among them."""

    def run(*resources, payer="fhir"):
        people = () if any(each["resourceType"] == "Patient" for each in resources) else (patient(),)
        (tmp_path / "bundle.json").write_text(json.dumps(bundle(*people, *resources)))
        found = Import([tmp_path], payer)
        assert found.refused == []
        return found

    return run


# -- times ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("2025-03-01", "2025-03-01", None),
        ("2025-03-01T23:59:59.000-05:00", "2025-03-01T23:59:59.000-05:00", None),
        ("2025-03-01T08:30Z", "2025-03-01T08:30:00Z", None),
    ],
)
def test_a_point_in_time_is_kept_as_it_is_written_and_has_no_end(imported, written, start, end):
    found = imported(observation(effectiveDateTime=written))
    assert (found.only.start, found.only.end) == (start, end)
    assert found.reasons == set()


@pytest.mark.parametrize(
    ("written", "start", "end", "note"),
    [
        ("2025-02", "2025-02-01", "2025-02-28", "effective is known only to the month or year: all of it is written"),
        ("2024", "2024-01-01", "2024-12-31", "effective is known only to the month or year: all of it is written"),
        ("2025-03-01T08:30:00", "2025-03-01", None, "effective is a time without a zone: only its day is kept"),
    ],
)
def test_a_time_said_otherwise_is_noted(imported, written, start, end, note):
    found = imported(observation(effectiveDateTime=written))
    assert (found.only.start, found.only.end) == (start, end)
    assert found.reasons == {("Observation", note)}


@pytest.mark.parametrize("written", ["2025-02-30", "soon", "2025-13", "0000", "2025-03-01T25:00:00Z"])
def test_a_result_of_a_day_that_does_not_exist_is_not_guessed_but_noted(imported, written):
    found = imported(observation(effectiveDateTime=written))
    assert found.of(Clinical) == []
    assert ("Observation", "effective is no date that exists") in found.reasons


@pytest.mark.parametrize(
    ("given_", "start", "end"),
    [
        ({"start": "2025-03-01", "end": "2025-03-04T10:00:00Z"}, "2025-03-01", "2025-03-04T10:00:00Z"),
        ({"start": "2025-03-01"}, "2025-03-01", "2199-12-31"),
        ({"end": "2025-03-04"}, "1900-01-01", "2025-03-04"),
    ],
)
def test_a_period_keeps_both_ends_and_one_that_goes_on_is_no_point_in_time(imported, given_, start, end):
    found = imported(observation(effectiveDateTime=None, effectivePeriod=given_))
    assert (found.only.start, found.only.end) == (start, end)


def test_a_timing_goes_from_its_first_event_to_its_last(imported):
    events = ["2025-03-04T00:30:00+02:00", "2025-03-03T23:00:00Z", "2025-03-01T08:00:00Z"]
    found = imported(observation(effectiveDateTime=None, effectiveTiming={"event": events}))
    assert (found.only.start, found.only.end) == ("2025-03-01T08:00:00Z", "2025-03-03T23:00:00Z")


# -- encounters ----------------------------------------------------------------------------------------------------------


def test_an_encounter_is_a_record_for_each_code_of_its_types_the_first_by_its_own_id(imported):
    types = [{"coding": [*coded(SNOMED, "32485007")["coding"], *coded(CPT, "99221")["coding"]]}, coded(CPT, "99238")]
    discharge = {"dischargeDisposition": coded(SNOMED, "428361000124107")}
    inpatient = {"system": f"{HL7}/v3-ActCode", "code": "IMP"}
    found = imported(
        encounter(type=types, hospitalization=discharge, reasonCode=[coded(SNOMED, "22298006")], **{"class": inpatient})
    ).charted
    assert {record: (each.code_system, each.code) for record, each in found.items()} == {
        "Encounter/e": (SNOMED, "32485007"),
        f"Encounter/e#{CPT}|99221": (CPT, "99221"),
        f"Encounter/e#{CPT}|99238": (CPT, "99238"),
    }
    for each in found.values():
        assert (each.kind, each.status, each.category) == ("encounter", "finished", "IMP")
        assert (each.start, each.end) == ("2025-05-01T09:00:00Z", "2025-05-01T09:20:00Z")
        assert each.disposition_code == f"{SNOMED}|428361000124107"
        assert each.reason_code == f"{SNOMED}|22298006"


def test_an_encounter_without_a_type_is_named_by_its_class(imported):
    found = imported(encounter(type=[])).only
    assert (found.code_system, found.code) == (f"{HL7}/v3-ActCode", "AMB")


# -- conditions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "start", "end"),
    [
        ({"onsetDateTime": "2024-07-01T00:00:00Z"}, "2024-07-01T00:00:00Z", None),
        ({"onsetDateTime": "2024-07-01", "abatementDateTime": "2025-01-31"}, "2024-07-01", "2025-01-31"),
        (
            {"onsetPeriod": {"start": "2024-07-01", "end": "2024-09-01"}, "abatementPeriod": {"start": "2025-01-01"}},
            "2024-07-01",
            None,
        ),
        # Born on the 29th of February 1960: turned 50 on the 28th of February 2010, and was it until the day before turning 51.
        ({"onsetAge": {"value": 50, "code": "a"}}, "2010-02-28", None),
        ({"onsetDateTime": "2000-01-01", "abatementAge": {"value": 50, "unit": "years"}}, "2000-01-01", "2011-02-27"),
        (
            {"onsetRange": {"low": {"value": 40, "code": "a"}, "high": {"value": 41, "code": "a"}}},
            "2000-02-29",
            None,
        ),
    ],
)
def test_a_condition_lasts_from_its_onset_to_its_abatement(imported, stated, start, end):
    found = imported(condition(**stated)).only
    assert (found.start, found.end) == (start, end)


def test_a_condition_without_an_onset_is_since_always_and_that_is_noted(imported):
    found = imported(condition(recordedDate="2025-02-03"), condition("d", onsetString="in childhood"))
    assert {(each.start, each.authored) for each in found.of(Clinical)} == {
        ("1900-01-01", "2025-02-03"),
        ("1900-01-01", None),
    }
    assert found.left_out.counts["Condition", "states no onset: written as since 1900-01-01"] == 2
    assert found.left_out.counts["Condition", "onset is only text, no date"] == 1


def test_a_condition_keeps_its_statuses_its_categories_and_its_side(imported):
    found = imported(
        condition(
            onsetDateTime="2025-01-01",
            clinicalStatus=coded(f"{HL7}/condition-clinical", "recurrence"),
            verificationStatus=coded(f"{HL7}/condition-ver-status", "entered-in-error"),
            category=[
                coded(f"{HL7}/condition-category", "problem-list-item"),
                coded("http://hl7.org/fhir/us/core/CodeSystem/condition-category", "health-concern"),
                coded("urn:of:our:own", "chronic"),
            ],
            bodySite=[coded(SNOMED, "7771000"), coded(SNOMED, "24028007")],
        )
    ).only
    assert (found.status, found.verification_status) == ("recurrence", "entered-in-error")
    assert found.category == "problem-list-item;health-concern;urn:of:our:own|chronic"
    assert found.body_site == f"{SNOMED}|7771000;{SNOMED}|24028007"


def test_a_condition_without_a_category_has_the_one_that_its_profile_fixes(imported):
    profile = {"profile": [f"{QICORE}/qicore-condition-encounter-diagnosis"]}
    assert imported(condition(onsetDateTime="2025-01-01", meta=profile)).only.category == "encounter-diagnosis"


def test_a_condition_belongs_to_its_encounter_and_again_to_each_that_cites_it(imported):
    cites = [{"condition": {"reference": "Condition/c"}}]
    found = imported(
        encounter("e1", diagnosis=cites),
        encounter("e2", diagnosis=cites),
        condition(onsetDateTime="2025-01-01", encounter={"reference": "Encounter/e2"}),
    ).charted
    conditions = {record: each.part_of for record, each in found.items() if each.kind == "condition"}
    assert conditions == {"Condition/c": "Encounter/e2", "Condition/c@Encounter/e1": "Encounter/e1"}


# -- observations --------------------------------------------------------------------------------------------------------


def test_parts_of_a_blood_pressure_belong_to_it_and_it_to_its_encounter(imported):
    def part(code, value):
        return {"code": coded(LOINC, code), "valueQuantity": {"value": value, "unit": "mmHg", "code": "mm[Hg]"}}

    found = imported(
        observation(
            code=coded(LOINC, "85354-9"),
            category=[coded(f"{HL7}/observation-category", "vital-signs")],
            component=[part("8480-6", 139), part("8462-4", 88.50)],
            encounter={"reference": "Encounter/visit"},
        )
    ).charted
    whole = found["Observation/o"]
    assert (whole.part_of, whole.value, whole.value_code) == ("Encounter/visit", None, None)
    parts = [found["Observation/o/component/0"], found["Observation/o/component/1"]]
    assert [(each.code, each.value, each.unit) for each in parts] == [
        ("8480-6", Decimal(139), "mm[Hg]"),
        ("8462-4", Decimal("88.5"), "mm[Hg]"),
    ]
    for each in parts:
        assert (each.part_of, each.start, each.status, each.category) == (
            "Observation/o",
            whole.start,
            "final",
            "vital-signs",
        )


@pytest.mark.parametrize(
    ("result", "value", "value_code", "unit"),
    [
        ({}, None, None, None),
        ({"valueQuantity": {"value": 7.96, "unit": "percent", "code": "%"}}, Decimal("7.96"), None, "%"),
        ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "%"}}, Decimal(5), "comparator|<", "%"),
        ({"valueInteger": 0}, Decimal(0), None, None),
        ({"valueCodeableConcept": coded(SNOMED, "373066001")}, None, f"{SNOMED}|373066001", None),
        ({"valueCodeableConcept": {"text": "negative"}}, None, "text|negative", None),
        ({"valueString": "negative"}, None, "text|negative", None),
        ({"valueBoolean": False}, None, "boolean|false", None),
        ({"valueDateTime": "2025-03-01"}, None, "dateTime|2025-03-01", None),
        (
            {"valueRange": {"low": {"value": 5, "code": "%"}, "high": {"value": 7}}},
            None,
            "range|5/7",
            "%",
        ),
        (
            {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
            None,
            "ratio|1/128",
            None,
        ),
        ({"valuePeriod": {"start": "2025-01-01"}}, None, "period|2025-01-01/", None),
    ],
)
def test_a_result_of_any_type_is_kept_and_none_stays_none(imported, result, value, value_code, unit):
    found = imported(observation(**result))
    assert (found.only.value, found.only.value_code, found.only.unit) == (value, value_code, unit)
    assert found.reasons == set()


def test_a_result_in_two_systems_keeps_both_codes(imported):
    both = {"coding": [*coded(SNOMED, "260385009")["coding"], *coded(LOINC, "LA6577-6")["coding"]]}
    assert imported(observation(valueCodeableConcept=both)).only.value_code == f"{SNOMED}|260385009;{LOINC}|LA6577-6"


def test_a_result_that_is_absent_says_why(imported):
    absent = coded(f"{HL7}/data-absent-reason", "not-performed")
    assert imported(observation(dataAbsentReason=absent)).only.reason_code == f"{HL7}/data-absent-reason|not-performed"


@pytest.mark.parametrize(
    ("value", "said", "note"),
    [
        (1.23456789, "value", "value has more than 6 decimals: it is rounded to 6"),
        (10**13, "value_code", "value has more than 12 digits: it is told as text"),
    ],
)
def test_a_number_that_does_not_fit_is_kept_as_far_as_it_does_and_noted(imported, value, said, note):
    found = imported(observation(valueQuantity={"value": value, "code": "%"}))
    assert str(getattr(found.only, said)) in {"1.234568", "text|10000000000000"}
    assert ("Observation", note) in found.reasons


def test_an_observation_that_was_not_made_has_its_reason_and_the_time_at_which_that_was_said(imported):
    reason = {"url": f"{QICORE}/qicore-notDoneReason", "valueCodeableConcept": coded(SNOMED, "720834000")}
    found = imported(
        observation(status="cancelled", effectiveDateTime=None, issued="2025-06-28T08:00:00.000Z", extension=[reason])
    ).only
    assert (found.not_done, found.status, found.reason_code) == (True, "cancelled", f"{SNOMED}|720834000")
    assert (found.start, found.authored) == ("2025-06-28T08:00:00.000Z", "2025-06-28T08:00:00.000Z")


def test_an_observation_that_was_made_is_not_dated_by_its_issue(imported):
    found = imported(observation(effectiveDateTime=None, issued="2025-06-28T08:00:00Z"))
    assert found.of(Clinical) == []
    assert found.reasons == {("Observation", "states no time at which it was: not read")}


# -- not done, not to be done --------------------------------------------------------------------------------------------


def test_a_vaccine_that_was_not_given_has_its_reason(imported):
    found = imported(
        resource(
            "Immunization",
            status="not-done",
            statusReason=coded(f"{HL7}/v3-ActReason", "PATOBJ"),
            vaccineCode=coded(CVX, "141"),
            occurrenceString="refused",
            recorded="2025-10-02",
        )
    )
    assert (found.only.kind, found.only.not_done, found.only.start) == ("immunization", True, "2025-10-02")
    assert found.only.reason_code == f"{HL7}/v3-ActReason|PATOBJ"


def test_a_procedure_of_a_value_set_that_was_not_done_names_the_value_set(imported):
    value_set = "http://cts.nlm.nih.gov/fhir/ValueSet/2.16.840.1.113883.3.464.1003.108.12.1020"
    found = imported(
        resource(
            "Procedure",
            status="not-done",
            code={"extension": [{"url": f"{QICORE}/qicore-notDoneValueSet", "valueCanonical": value_set}]},
            extension=[{"url": f"{QICORE}/qicore-recorded", "valueDateTime": "2025-04-01T10:00:00Z"}],
            statusReason=coded(SNOMED, "105480006"),
        )
    ).only
    assert (found.code_system, found.code) == (f"{QICORE}/qicore-notDoneValueSet", value_set)
    assert (found.not_done, found.reason_code) == (True, f"{SNOMED}|105480006")
    assert (found.start, found.authored) == ("2025-04-01T10:00:00Z", "2025-04-01T10:00:00Z")


def test_a_procedure_keeps_when_and_where_it_was_done(imported):
    period = {"start": "2025-01-02T10:00:00Z", "end": "2025-01-02T11:00:00Z"}
    found = imported(
        resource(
            "Procedure",
            status="completed",
            code=coded(CPT, "45378"),
            performedPeriod=period,
            encounter={"reference": "Encounter/e"},
            bodySite=[coded(SNOMED, "71854001")],
        )
    ).only
    assert (found.kind, found.status, found.not_done, found.intent) == ("procedure", "completed", False, None)
    assert (found.start, found.end, found.part_of) == (period["start"], period["end"], "Encounter/e")
    assert found.body_site == f"{SNOMED}|71854001"


def test_a_service_request_is_a_procedure_with_an_intent_on_the_day_it_was_written(imported):
    found = imported(
        resource(
            "ServiceRequest",
            status="active",
            intent="order",
            code=coded(SNOMED, "385763009"),
            authoredOn="2025-11-02T00:00:00Z",
            occurrenceDateTime="2030-01-01",
            reasonCode=[coded(SNOMED, "1")],
        )
    ).only
    assert (found.kind, found.intent, found.status, found.not_done) == ("procedure", "order", "active", False)
    assert (found.start, found.authored) == ("2025-11-02T00:00:00Z", "2025-11-02T00:00:00Z")


NOT_ORDERED = [
    {"doNotPerform": True},
    {"modifierExtension": [{"url": f"{QICORE}/qicore-doNotPerform", "valueBoolean": True}]},
    {"modifierExtension": [{"url": f"{QICORE}/qicore-doNotPeform", "valueBoolean": True}]},
    {
        "modifierExtension": [
            {
                "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-DeviceRequest.doNotPerform",
                "valueBoolean": True,
            }
        ]
    },
]


@pytest.mark.parametrize("said", NOT_ORDERED)
def test_a_request_not_to_do_something_is_not_done(imported, said):
    order = {"status": "completed", "intent": "order", "authoredOn": "2025-11-01"}
    found = imported(
        resource("DeviceRequest", codeCodeableConcept=coded(SNOMED, "183240000"), **order, **said),
        resource("ServiceRequest", code=coded(SNOMED, "385763009"), **order, **said),
        resource("MedicationRequest", medicationCodeableConcept=coded(RXNORM, "312836"), **order, **said),
    )
    assert {(each.kind, each.intent, each.not_done) for each in found.of(Clinical)} == {
        ("device", "order", True),
        ("procedure", "order", True),
        ("medication", "order", True),
    }


def test_a_request_that_says_it_may_be_done_is_one(imported):
    allowed = {"modifierExtension": [{"url": f"{QICORE}/qicore-doNotPerform", "valueBoolean": False}]}
    device = resource("DeviceRequest", codeCodeableConcept=coded(SNOMED, "1"), authoredOn="2025-11-01", **allowed)
    assert imported(device).only.not_done is False


def test_devices_are_named_by_the_device_that_is_pointed_to(imported):
    walker = {"resourceType": "Device", "id": "w", "type": coded(SNOMED, "705406009")}
    found = imported(
        walker,
        resource("DeviceUseStatement", status="active", device={"reference": "Device/w"}, timingDateTime="2025-02-01"),
        resource("DeviceRequest", codeReference={"reference": "Device/w"}, authoredOn="2025-01-01", intent="plan"),
    ).charted
    assert {record: (each.kind, each.code, each.intent) for record, each in found.items()} == {
        "DeviceUseStatement/x": ("device", "705406009", None),
        "DeviceRequest/x": ("device", "705406009", "plan"),
    }


def test_communications_tasks_and_adverse_events_are_told_by_their_category(imported):
    found = imported(
        resource("Communication", status="completed", topic=coded(SNOMED, "1"), sent="2025-01-01T00:00:00Z"),
        resource(
            "Task",
            status="rejected",
            intent="order",
            code=coded(SNOMED, "2"),
            authoredOn="2025-01-02",
            statusReason=coded(SNOMED, "9"),
            **{"for": {"reference": "Patient/ana"}},
        ),
        resource("AdverseEvent", actuality="actual", event=coded(SNOMED, "3"), date="2025-01-03"),
    ).of(Clinical)
    assert [(each.kind, each.category, each.not_done, each.reason_code) for each in found] == [
        ("observation", "communication", False, None),
        ("procedure", "task", True, f"{SNOMED}|9"),
        ("observation", "adverse-event", False, None),
    ]


def test_an_allergy_keeps_its_statuses(imported):
    found = imported(
        {
            "resourceType": "AllergyIntolerance",
            "id": "a",
            "patient": {"reference": "Patient/ana"},
            "code": coded(SNOMED, "294659004"),
            "category": ["medication"],
            "clinicalStatus": coded(f"{HL7}/allergyintolerance-clinical", "active"),
            "verificationStatus": coded(f"{HL7}/allergyintolerance-verification", "confirmed"),
            "onsetDateTime": "2024-05",
        }
    ).only
    assert (found.kind, found.category, found.status, found.verification_status) == (
        "allergy",
        "medication",
        "active",
        "confirmed",
    )
    assert (found.start, found.end) == ("2024-05-01", None)


# -- medications ---------------------------------------------------------------------------------------------------------

TWICE_A_DAY = {"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}


def dosage(**repeat):
    return {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": {"value": 1}}]}


@pytest.mark.parametrize(
    ("order", "start", "end"),
    [
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 90, "code": "days"}}}, "2025-01-10", "2025-04-09"),
        (
            {"dispenseRequest": {"expectedSupplyDuration": {"value": 1, "unit": "wk"}, "numberOfRepeatsAllowed": 3}},
            "2025-01-10",
            "2025-02-06",
        ),
        # 60 tablets, one of them twice a day: 30 days. As many every 12 hours, or at two times of the day.
        (
            {
                "dispenseRequest": {"quantity": {"value": 60}},
                "dosageInstruction": [dosage(frequency=2, period=1, periodUnit="d")],
            },
            "2025-01-10",
            "2025-02-08",
        ),
        (
            {
                "dispenseRequest": {"quantity": {"value": 60}},
                "dosageInstruction": [dosage(frequency=1, period=12, periodUnit="h")],
            },
            "2025-01-10",
            "2025-02-08",
        ),
        (
            {
                "dispenseRequest": {"quantity": {"value": 60}},
                "dosageInstruction": [dosage(timeOfDay=["08:00:00", "20:00:00"])],
            },
            "2025-01-10",
            "2025-02-08",
        ),
        # The larger dose and the higher frequency count: 60 / (2 * 3) = 10 days.
        (
            {
                "dispenseRequest": {"quantity": {"value": 60}},
                "dosageInstruction": [
                    {
                        "timing": {
                            "repeat": {"frequency": 1, "frequencyMax": 3, "period": 1, "periodUnit": "d"},
                        },
                        "doseAndRate": [{"doseRange": {"low": {"value": 1}, "high": {"value": 2}}}],
                    }
                ],
            },
            "2025-01-10",
            "2025-01-19",
        ),
        # Part of a day counts as none: 25 tablets, two a day.
        (
            {
                "dispenseRequest": {"quantity": {"value": 25}},
                "dosageInstruction": [dosage(frequency=2, period=1, periodUnit="d")],
            },
            "2025-01-10",
            "2025-01-21",
        ),
        (
            {"dosageInstruction": [dosage(boundsPeriod={"start": "2025-01-05T10:00:00Z", "end": "2025-03-01"})]},
            "2025-01-05",
            "2025-03-01",
        ),
        (
            {
                "dosageInstruction": [dosage(boundsPeriod={"start": "2025-01-05", "end": "2025-03-01"})],
                "dispenseRequest": {"expectedSupplyDuration": {"value": 10, "code": "d"}},
            },
            "2025-01-05",
            "2025-01-14",
        ),
        (
            {"authoredOn": None, "dispenseRequest": {"validityPeriod": {"start": "2025-02-01", "end": "2025-08-01"}}},
            "2025-02-01",
            None,
        ),
        # Neither how much at a time nor how often: nobody can say how long it lasts.
        ({"dispenseRequest": {"quantity": {"value": 60}}}, "2025-01-10", None),
        ({"dosageInstruction": [dosage(frequency=1), dosage(frequency=1)]}, "2025-01-10", None),
        ({}, "2025-01-10", None),
    ],
)
def test_an_order_covers_the_days_that_its_supply_lasts(imported, order, start, end):
    base = {"status": "active", "intent": "order", "authoredOn": "2025-01-10T23:00:00.000+00:00"}
    found = imported(
        resource("MedicationRequest", medicationCodeableConcept=coded(RXNORM, "312836"), **(base | order))
    ).only
    assert (found.kind, found.start, found.end) == ("medication", start, end)
    assert found.authored == (base | order)["authoredOn"]


def test_a_dispensing_covers_its_own_supply_without_refills(imported):
    found = imported(
        resource(
            "MedicationDispense",
            status="completed",
            medicationCodeableConcept=coded(RXNORM, "312836"),
            whenPrepared="2025-01-08",
            whenHandedOver="2025-01-10T09:00:00Z",
            daysSupply={"value": 30, "code": "d"},
        )
    ).only
    assert (found.start, found.end, found.intent) == ("2025-01-10", "2025-02-08", None)


def test_what_was_given_and_what_is_said_to_be_taken_keep_their_own_times(imported):
    found = imported(
        resource(
            "MedicationAdministration",
            status="not-done",
            statusReason=[coded(SNOMED, "182856006")],
            medicationCodeableConcept=coded(RXNORM, "1"),
            effectiveDateTime="2025-01-10T09:00:00Z",
        ),
        resource(
            "MedicationStatement",
            status="active",
            medicationCodeableConcept=coded(RXNORM, "2"),
            effectivePeriod={"start": "2024-01-01"},
            dateAsserted="2025-01-01",
        ),
    ).charted
    given_, taken = found["MedicationAdministration/x"], found["MedicationStatement/x"]
    assert (given_.not_done, given_.reason_code) == (True, f"{SNOMED}|182856006")
    assert (taken.start, taken.end, taken.authored) == ("2024-01-01", "2199-12-31", "2025-01-01")


def test_a_medication_is_found_in_the_bundle_or_in_the_order_itself(imported):
    order = {"status": "active", "intent": "order", "authoredOn": "2025-01-10"}
    found = imported(
        {"resourceType": "Medication", "id": "m", "code": coded(RXNORM, "10")},
        resource("MedicationRequest", "r1", medicationReference={"reference": "Medication/m"}, **order),
        resource(
            "MedicationRequest",
            "r2",
            medicationReference={"reference": "#inner"},
            contained=[{"resourceType": "Medication", "id": "inner", "code": coded(RXNORM, "20")}],
            **order,
        ),
        resource("MedicationRequest", "r3", medicationReference={"reference": "Medication/gone"}, **order),
    )
    assert {record: each.code for record, each in found.charted.items()} == {
        "MedicationRequest/r1": "10",
        "MedicationRequest/r2": "20",
    }
    assert ("MedicationRequest", "names a Medication that the input does not have") in found.reasons


# -- people --------------------------------------------------------------------------------------------------------------


def coverage(identity="k", **more):
    base = {
        "status": "active",
        "period": {"start": "2025-01-01T00:00:00Z", "end": "2025-12-31"},
        "payor": [{"display": "acme"}],
        "beneficiary": {"reference": "Patient/ana"},
    }
    return {"resourceType": "Coverage", "id": identity} | base | more


def test_a_patient_without_coverage_is_known_by_a_span_that_never_took_effect(imported):
    (span,) = imported(patient()).of(Enrollment)
    assert (span.payer, span.member_id, span.birth_date) == ("fhir", "ana", dt.date(1960, 2, 29))
    assert span.maintenance_type_code == "024"
    assert span.enrollment_end_date is not None
    assert span.enrollment_end_date < span.enrollment_start_date


def test_each_coverage_is_a_span_and_its_payer_the_payor(imported):
    (span,) = imported(
        patient(),
        coverage(
            type={"coding": [{"system": "https://nahdo.org/sopt", "code": "512"}]},
            **{"class": [{"type": coded(f"{HL7}/coverage-class", "plan"), "value": "gold", "name": "Gold"}]},
        ),
    ).of(Enrollment)
    assert (span.payer, span.span_id, span.product, span.line_of_business) == (
        "acme",
        "Coverage/k",
        "Gold",
        "commercial",
    )
    assert (span.enrollment_start_date, span.enrollment_end_date) == (dt.date(2025, 1, 1), dt.date(2025, 12, 31))
    assert span.maintenance_type_code is None


@pytest.mark.parametrize(
    ("changes", "payer"),
    [
        ({"payor": [{"reference": "Organization/o1"}]}, "Plan of o1"),
        ({"payor": [{"reference": "Organization/o2"}]}, "o2"),
        ({"payor": [{"display": "a|b"}]}, "a/b"),
        ({"payor": [{"reference": "Patient/ana"}]}, "house"),
        ({"payor": []}, "house"),
        ({"payor": [{"identifier": {"value": "77"}}]}, "77"),
    ],
)
def test_a_payer_is_named_by_the_payor_else_by_the_one_who_imports(imported, changes, payer):
    organisation = {"resourceType": "Organization", "id": "o1", "name": "Plan of o1"}
    found = imported(patient(), organisation, coverage(**changes), observation(), payer="house")
    assert {each.payer for each in found.all} == {payer}


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_coverage_that_was_taken_back_never_took_effect(imported, status):
    (span,) = imported(patient(), coverage(status=status)).of(Enrollment)
    assert (span.maintenance_type_code, span.enrollment_end_date) == ("024", dt.date(2024, 12, 31))


def test_a_coverage_without_a_first_day_makes_no_span_and_is_noted(imported):
    found = imported(patient(), coverage(period={}))
    (span,) = found.of(Enrollment)
    assert (span.payer, span.maintenance_type_code) == ("acme", "024")
    assert ("Coverage", "has no period that starts on a day: no span is made") in found.reasons


def test_a_patient_of_two_payers_is_a_member_of_both_with_all_facts(imported):
    found = imported(patient(), coverage("a"), coverage("b", payor=[{"display": "bolt"}]), observation())
    assert sorted((each.payer, type(each).__name__) for each in found.all) == [
        ("acme", "Clinical"),
        ("acme", "Enrollment"),
        ("bolt", "Clinical"),
        ("bolt", "Enrollment"),
    ]


def test_a_drug_policy_covers_drugs_alone(imported):
    (span,) = imported(patient(), coverage(type=coded(f"{HL7}/v3-ActCode", "DRUGPOL"))).of(Enrollment)
    assert span.coverage is not None
    assert (span.coverage.medical, span.coverage.pharmacy) == (False, True)


def test_a_member_number_comes_before_the_id_of_the_patient(imported):
    number = {"type": coded(f"{HL7}/v2-0203", "MB"), "value": "W123"}
    found = imported(patient(identifier=[number]), observation())
    assert {each.member_id for each in found.all} == {"W123"}


def test_a_patient_keeps_race_ethnicity_language_death_and_address(imported):
    def omb(name, *codes):
        inner = [{"url": "ombCategory", "valueCoding": {"system": "urn:oid:x", "code": code}} for code in codes]
        return {"url": f"{USCORE}/{name}", "extension": [*inner, {"url": "text", "valueString": "Words"}]}

    (span,) = imported(
        patient(
            extension=[omb("us-core-race", "2028-9"), omb("us-core-ethnicity", "2135-2")],
            communication=[
                {"language": coded("urn:ietf:bcp:47", "en")},
                {"language": coded("x", "es"), "preferred": True},
            ],
            deceasedDateTime="2025-08-01T04:00:00-07:00",
            address=[{"use": "old", "state": "NV"}, {"state": "CA", "postalCode": "94110", "line": ["1 A St"]}],
            name=[{"family": "Ruiz", "given": ["Ana", "M"]}],
            telecom=[{"system": "phone", "value": "555"}],
        )
    ).of(Enrollment)
    assert (span.race, span.ethnicity, span.language) == ("asian", "hispanic or latino", "es")
    assert (span.death_date, span.state, span.zip_code) == (dt.date(2025, 8, 1), "CA", "94110")
    assert span.contact is not None
    assert (span.contact.first_name, span.contact.last_name, span.contact.phone) == ("Ana M", "Ruiz", "555")


def test_two_races_are_two_or_more_and_words_stand_where_there_is_no_category(imported):
    race = [{"url": "ombCategory", "valueCoding": {"code": code}} for code in ("2028-9", "2106-3")]
    extensions = [
        {"url": f"{USCORE}/us-core-race", "extension": race},
        {"url": f"{USCORE}/us-core-ethnicity", "extension": [{"url": "text", "valueString": "Not Known"}]},
    ]
    (span,) = imported(patient(extension=extensions)).of(Enrollment)
    assert (span.race, span.ethnicity) == ("two or more races", "not known")


def test_sex_is_a_record_beside_the_administrative_gender(imported):
    extensions = [
        {"url": f"{USCORE}/us-core-sex", "valueCode": "248152002"},
        {"url": f"{USCORE}/us-core-birthsex", "valueCode": "F"},
    ]
    found = imported(patient(gender="unknown", extension=extensions))
    assert [each.gender for each in found.of(Enrollment)] == ["unknown"]
    assert {each.code: (each.value_code, each.start) for each in found.of(Clinical)} == {
        "us-core-sex": (f"{SNOMED}|248152002", "1960-02-29"),
        "us-core-birthsex": (f"{HL7}/v3-AdministrativeGender|F", "1960-02-29"),
    }


def test_who_has_no_whole_day_of_birth_has_facts_and_no_enrollment(imported):
    found = imported(patient(birthDate="1960-02"), observation())
    assert [type(each) for each in found.all] == [Clinical]
    assert ("Patient", "has no birthDate of a whole day: no enrollment is made") in found.reasons


# -- versions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meta", "version"),
    [
        ({}, 1),
        ({"versionId": "7", "lastUpdated": "2025-07-01T00:00:00Z"}, 7),
        ({"versionId": "a1", "lastUpdated": "1970-01-02T00:00:00Z"}, 86_400_000),
    ],
)
def test_a_version_is_the_sources_number_else_the_time_of_the_last_change(imported, meta, version):
    assert imported(observation(meta=meta)).only.record_version == version


def test_a_fact_is_known_from_the_last_change_on_unless_that_lies_before_it(imported):
    known = imported(observation(meta={"lastUpdated": "2025-07-01T00:00:00Z"})).only.accepted_at
    assert known == dt.datetime(2025, 7, 1, tzinfo=dt.UTC)
    assert imported(observation(meta={"lastUpdated": "2020-07-01T00:00:00Z"})).only.accepted_at is None


# -- claims --------------------------------------------------------------------------------------------------------------

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


def test_an_explanation_of_benefit_is_a_claim_with_its_lines(imported):
    (claim,) = imported(*PROVIDERS, benefit()).of(Claim)
    assert (claim.payer_claim_control_number, claim.claim_frequency_code, claim.claim_status) == ("N-b", "1", "paid")
    assert (claim.claim_type, claim.billing_npi, claim.billing_tin) == ("professional", "1234567893", "123456789")
    assert claim.diagnosis_codes == ("E11.9", "I10")
    assert (claim.paid_date, claim.adjudicated_at) == (dt.date(2025, 3, 25), dt.datetime(2025, 3, 20, tzinfo=dt.UTC))
    (line,) = claim.lines
    assert (line.hcpcs_code, line.modifiers, line.place_of_service_code) == ("99213", ("25",), "11")
    assert (line.claim_line_start_date, line.claim_line_end_date) == (dt.date(2025, 3, 1), dt.date(2025, 3, 2))
    assert (line.rendering_npi, line.rendering_taxonomy) == ("1245319599", "207Q00000X")
    assert (line.charge_amount, line.allowed_amount, line.paid_amount) == (150, Decimal("100.25"), 80)


def test_an_institutional_claim_keeps_its_bill_type_stay_and_disposition(imported):
    def said(category, **more):
        return {"category": coded("urn:c4bb", category), **more}

    (claim,) = imported(
        benefit(
            kind="institutional",
            supportingInfo=[
                said("typeofbill", code=coded("urn:tob", "0111")),
                said("admissionperiod", timingPeriod={"start": "2025-03-01", "end": "2025-03-04"}),
                said("discharge-status", code=coded("urn:ds", "50")),
                said("drg", code=coded("urn:drg", "470")),
            ],
            procedure=[{"procedureCodeableConcept": coded("http://www.cms.gov/Medicare/Coding/ICD10", "0SR90JZ")}],
        )
    ).of(Claim)
    assert (claim.claim_type, claim.bill_type_code, claim.drg_code) == ("institutional", "0111", "470")
    assert (claim.admission_date, claim.discharge_date) == (dt.date(2025, 3, 1), dt.date(2025, 3, 4))
    assert (claim.discharge_disposition_code, claim.procedure_codes) == ("50", ("0SR90JZ",))


def test_a_claim_whose_lines_are_all_denied_is_denied(imported):
    denial = [{"category": coded("urn:c4bb", "denialreason")}, *adjudicated(paidtoprovider=0)]
    item = benefit()["item"][0] | {"adjudication": denial}
    (claim,) = imported(benefit(item=[item])).of(Claim)
    assert (claim.claim_status, claim.lines[0].line_status) == ("denied", "denied")


def test_a_claim_that_names_a_prior_one_replaces_it_and_the_old_one_stands_until_then(imported):
    by = {"relationship": coded("urn:r", "replacedby"), "reference": {"value": "N-new"}}
    prior = {"relationship": coded("urn:r", "prior"), "reference": {"value": "N-old"}}
    old, new = imported(benefit("old", status="cancelled", related=[by]), benefit("new", related=[prior])).of(Claim)
    assert (old.claim_frequency_code, old.original_claim_id) == ("1", None)
    assert (new.claim_frequency_code, new.original_claim_id) == ("7", "N-old")


def test_a_cancelled_claim_that_nothing_replaces_is_a_void(imported):
    (claim,) = imported(benefit(status="cancelled")).of(Claim)
    assert (claim.claim_frequency_code, claim.claim_status) == ("8", "reversed")


def test_a_pharmacy_benefit_is_a_pharmacy_claim(imported):
    item = {
        "sequence": 1,
        "productOrService": {"coding": [*coded(NDC, "00093721410")["coding"], *coded(RXNORM, "312836")["coding"]]},
        "servicedDate": "2025-04-01",
        "quantity": {"value": 60},
        "adjudication": adjudicated(eligible=12.5),
    }
    supply = {"category": coded("urn:c4bb", "dayssupply"), "valueQuantity": {"value": 30}}
    (claim,) = imported(benefit(kind="pharmacy", item=[item], supportingInfo=[supply])).of(PharmacyClaim)
    assert (claim.ndc_code, claim.rxnorm_code, claim.dispensing_date) == ("00093721410", "312836", dt.date(2025, 4, 1))
    assert (claim.days_supply, claim.quantity, claim.allowed_amount) == (30, Decimal(60), Decimal("12.5"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use": "preauthorization"}, "is a preauthorization, not a claim: not read"),
        ({"type": coded("x", "vision")}, "is an oral or vision claim: not read"),
        ({"type": {}}, "has no type that is known (professional, institutional, pharmacy): not read"),
        ({"item": []}, "has no line with a day of service: not read"),
        ({"type": coded("x", "pharmacy")}, "names no NDC: not read"),
        ({"status": "draft"}, "is a draft: not read"),
    ],
)
def test_a_benefit_that_is_no_claim_we_read_is_noted(imported, changes, reason):
    found = imported(benefit(**changes))
    assert found.of(Claim) == []
    assert ("ExplanationOfBenefit", reason) in found.reasons


# -- files, references, mistakes -----------------------------------------------------------------------------------------


def test_bulk_files_are_read_in_any_order_and_what_is_wrong_is_listed_with_its_line(tmp_path):
    stranger = observation("s", subject={"reference": "Patient/nobody"})
    lines = [observation("o"), stranger, {"resourceType": "Basic", "id": "b"}, observation(None)]
    text = "\n".join(json.dumps(each) for each in lines[:2]) + "\n{not json\n\n" + "\n".join(map(json.dumps, lines[2:]))
    (tmp_path / "Observation.ndjson").write_text(text)
    (tmp_path / "Patient.ndjson").write_text(json.dumps(patient()) + "\n")
    (tmp_path / "notes.txt").write_text("words")
    found = Import([tmp_path])
    assert list(found.charted) == ["Observation/o"]
    assert [(row["file"], row["line"], row["resource_type"], row["reason"]) for row in found.rows] == [
        ("Observation.ndjson", "2", "Observation", "is about a patient whom the input does not have: not read"),
        ("Observation.ndjson", "3", "file", "is not JSON"),
        ("Observation.ndjson", "5", "Basic", "is a type that is not read"),
        ("Observation.ndjson", "6", "Observation", "has no id: not read"),
        ("notes.txt", "", "file", "is no .json or .ndjson file: not read"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{\n"resourceType": \n}', "3", "is not JSON"),
        ("[1, 2]", "1", "is no FHIR resource: it has no resourceType"),
        ("\udcff", "1", "is not JSON"),
        ("[" * 100_000, "1", "is not JSON"),
        ('{"resourceType": "Bundle", "entry": [{}]}', "1", "is an entry without a resource"),
    ],
)
def test_a_file_that_is_no_resource_is_listed_and_the_rest_goes_on(tmp_path, text, line, reason):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    (tmp_path / "b.json").write_text(json.dumps(bundle(patient(), observation())))
    found = Import([tmp_path])
    assert list(found.charted) == ["Observation/o"]
    assert [(row["file"], row["line"], row["reason"]) for row in found.rows] == [("a.json", line, reason)]


def test_the_same_ids_in_two_bundles_are_two_things(tmp_path):
    for name, code in (("ana", "10"), ("bo", "20")):
        order = resource(
            "MedicationRequest",
            "r",
            medicationReference={"reference": "Medication/m"},
            authoredOn="2025-01-01",
            subject={"reference": f"Patient/{name}"},
        )
        cites = encounter(f"of-{name}", diagnosis=[{"condition": {"reference": "Condition/c"}}])
        both = [cites | who(patient=name), condition(onsetDateTime="2025-01-01") | who(patient=name)]
        medication = {"resourceType": "Medication", "id": "m", "code": coded(RXNORM, code)}
        (tmp_path / f"{name}.json").write_text(json.dumps(bundle(patient(name), medication, order, *both)))
    found = Import([tmp_path]).of(Clinical)
    assert {each.member_id: each.code for each in found if each.kind == "medication"} == {"ana": "10", "bo": "20"}
    assert {each.member_id: each.part_of for each in found if each.kind == "condition"} == {
        "ana": "Encounter/of-ana",
        "bo": "Encounter/of-bo",
    }


def test_single_resources_of_a_folder_find_each_other_in_it(tmp_path):
    for name, code in (("ana", "10"), ("bo", "20")):
        folder = tmp_path / name
        folder.mkdir()
        order = resource(
            "MedicationRequest", medicationReference={"reference": "Medication/m"}, authoredOn="2025-01-01"
        )
        for number, each in enumerate(
            (
                patient(name),
                order | who(patient=name),
                {"resourceType": "Medication", "id": "m", "code": coded(RXNORM, code)},
            )
        ):
            (folder / f"{number}.json").write_text(json.dumps(each))
    assert {each.member_id: each.code for each in Import([tmp_path]).of(Clinical)} == {"ana": "10", "bo": "20"}


def test_entries_refer_to_each_other_by_their_urls(tmp_path):
    entries = [
        {"fullUrl": "urn:uuid:11", "resource": patient("ana")},
        {"fullUrl": "urn:uuid:22", "resource": encounter("visit", subject={"reference": "urn:uuid:11"})},
        {
            "fullUrl": "urn:uuid:33",
            "resource": observation(None, subject={"reference": "urn:uuid:11"}, encounter={"reference": "urn:uuid:22"}),
        },
    ]
    (tmp_path / "b.json").write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    found = Import([tmp_path]).charted
    assert found["Observation/33"].part_of == "Encounter/visit"
    assert found["Observation/33"].member_id == "ana"


def test_references_with_a_server_or_a_version_are_the_same_reference(imported):
    for written in ("https://fhir.example/r4/Patient/ana", "Patient/ana/_history/3"):
        assert imported(observation(subject={"reference": written})).only.member_id == "ana"


def test_what_is_about_no_patient_is_noted(imported):
    found = imported(
        observation("a", subject={"reference": "Group/g"}), observation("b", subject={"identifier": {"value": "1"}})
    )
    assert found.reasons == {
        ("Observation", "is about a Group, not a patient: not read"),
        ("Observation", "names no patient by a reference: not read"),
    }


def test_a_code_without_a_system_is_noted_and_one_that_is_only_words_names_nothing(imported):
    mixed = {"coding": [{"code": "1"}, *coded(LOINC, "4548-4")["coding"]]}
    found = imported(observation("a", code=mixed), observation("b", code={"text": "A1c"}))
    assert list(found.charted) == ["Observation/a"]
    assert found.reasons == {
        ("Observation", "has a code without a system: that code is not read"),
        ("Observation", "has no code of a system: not read"),
    }


def test_a_path_that_is_not_there_or_holds_nothing_is_told(tmp_path):
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(SourceError, match="name"):
            Import([path])


def test_the_same_files_give_the_same_events(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(bundle(patient(), coverage(), encounter(), observation(), benefit())))
    first, second = Import([tmp_path]), Import([tmp_path])
    assert (first.raw, first.list.getvalue()) == (second.raw, second.list.getvalue())


def test_memory_does_not_grow_with_the_lines_of_a_bulk_file(tmp_path):
    def peak(count):
        (tmp_path / "Observation.ndjson").write_text(
            "".join(json.dumps(observation(str(number))) + "\n" for number in range(count))
        )
        tracemalloc.start()
        try:
            made = sum(1 for _ in fhir.events([tmp_path], LeftOut(io.StringIO())))
            return made, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (tmp_path / "Patient.ndjson").write_text(json.dumps(patient()))
    peak(10)
    few, many = peak(100), peak(2_000)
    assert (few[0], many[0]) == (101, 2_001)
    assert many[1] < few[1] + 200_000


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "x", "2025-01-01", "2025", "Patient/ana", "#"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["coding", "code", "system", "value", "reference", "start", "end", "low", "high", "url", "type"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
ELEMENTS = [
    *(
        "id",
        "meta",
        "status",
        "code",
        "type",
        "class",
        "category",
        "period",
        "subject",
        "patient",
        "beneficiary",
        "payor",
    ),
    *(
        "extension",
        "modifierExtension",
        "effectiveDateTime",
        "effectivePeriod",
        "valueQuantity",
        "valueRange",
        "component",
    ),
    *("onsetAge", "onsetRange", "abatementPeriod", "bodySite", "hospitalization", "diagnosis", "dosageInstruction"),
    *("dispenseRequest", "medicationReference", "authoredOn", "item", "related", "insurance", "careTeam", "contained"),
    *("supportingInfo", "birthDate", "communication", "address", "name", "identifier", "occurrenceTiming", "created"),
]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_resource_the_import_goes_on_and_writes_only_records(data, tmp_path_factory):
    whole = {
        "Observation": observation(),
        "Condition": condition(onsetDateTime="2025-01-01"),
        "Encounter": encounter(),
        "Coverage": coverage(),
        "Patient": patient("bo"),
        "ExplanationOfBenefit": benefit(),
        "MedicationRequest": resource(
            "MedicationRequest", medicationCodeableConcept=coded(RXNORM, "1"), authoredOn="2025"
        ),
    }
    broken = [
        each | data.draw(st.dictionaries(st.sampled_from(ELEMENTS), JUNK, max_size=3), label=kind)
        for kind, each in whole.items()
    ]
    folder = tmp_path_factory.mktemp("junk")
    (folder / "b.json").write_text(json.dumps(bundle(patient(), observation("whole"), *broken)))
    found = Import([folder])
    assert "Observation/whole" in found.charted
