"""What was not done, requests, devices and medications of FHIR as clinical records."""

from __future__ import annotations

import pytest

from schemas.records import Clinical
from tests.fhir_resources import CPT, CVX, HL7, QICORE, QUALITY, RXNORM, SNOMED, coded, resource

# -- not done, not to be done -------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("guide", [f"{QICORE}/qicore", f"{QUALITY}/us-quality-core"])
def test_a_procedure_of_a_value_set_that_was_not_done_names_the_value_set(imported, guide):
    value_set = "http://cts.nlm.nih.gov/fhir/ValueSet/2.16.840.1.113883.3.464.1003.108.12.1020"
    found = imported(
        resource(
            "Procedure",
            status="not-done",
            code={"extension": [{"url": f"{guide}-notDoneValueSet", "valueCanonical": value_set}]},
            extension=[{"url": f"{guide}-recorded", "valueDateTime": "2025-04-01T10:00:00Z"}],
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
            reasonCode=[coded(SNOMED, "705406009")],
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
    device = resource(
        "DeviceRequest", codeCodeableConcept=coded(SNOMED, "705406009"), authoredOn="2025-11-01", **allowed
    )
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
        resource("Communication", status="completed", topic=coded(SNOMED, "705406009"), sent="2025-01-01T00:00:00Z"),
        resource(
            "Task",
            status="rejected",
            intent="order",
            code=coded(SNOMED, "310000008"),
            authoredOn="2025-01-02",
            statusReason=coded(SNOMED, "183932001"),
            **{"for": {"reference": "Patient/ana"}},
        ),
        resource("AdverseEvent", actuality="actual", event=coded(SNOMED, "39579001"), date="2025-01-03"),
    ).of(Clinical)
    assert [(each.kind, each.category, each.not_done, each.reason_code) for each in found] == [
        ("observation", "communication", False, None),
        ("procedure", "task", True, f"{SNOMED}|183932001"),
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


# -- medications --------------------------------------------------------------------------------------------------------

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
