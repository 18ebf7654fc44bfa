"""Encounters, conditions and observations of FHIR as clinical records, and how their times are written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from schemas.records import Clinical
from tests.fhir_resources import CPT, HL7, LOINC, QICORE, SNOMED, coded, condition, encounter, observation

# -- times --------------------------------------------------------------------------------------------------------------


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


# -- encounters ---------------------------------------------------------------------------------------------------------


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


def test_the_class_of_an_encounter_without_a_code_system_is_its_bare_code(imported):
    assert imported(encounter(**{"class": {"code": "AMB"}})).only.category == "AMB"


# -- conditions ---------------------------------------------------------------------------------------------------------


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
        # A period's end is open, as CQL has it: a day or a millisecond less, never to before the onset.
        ({"onsetDateTime": "2024-07-01", "abatementPeriod": {"end": "2025-01-01"}}, "2024-07-01", "2024-12-31"),
        (
            {"onsetDateTime": "2024-07-01T00:00:00Z", "abatementPeriod": {"end": "2025-01-01T00:00:00Z"}},
            "2024-07-01T00:00:00Z",
            "2024-12-31T23:59:59.999Z",
        ),
        ({"onsetDateTime": "2024-07-01", "abatementPeriod": {"end": "2024-07-01"}}, "2024-07-01", "2024-07-01"),
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


# -- observations -------------------------------------------------------------------------------------------------------


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
        ({"valueInteger": 3}, Decimal(3), None, None),
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


@pytest.mark.parametrize(
    "absent",
    [
        coded(f"{HL7}/data-absent-reason", "unknown"),
        {
            "extension": [
                {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"},
            ]
        },
    ],
)
def test_a_result_that_is_absent_says_why(imported, absent):
    found = imported(observation(dataAbsentReason=absent)).only
    assert (found.value, found.value_code) == (None, None)
    assert found.reason_code == f"{HL7}/data-absent-reason|unknown"


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
