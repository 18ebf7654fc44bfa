"""Units of what measures compare with a threshold."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from schemas.records import Clinical, PracticeResult
from state.reference.measured_units import UnknownUnit, converted, is_measured
from state.validation import refusal

A1C, GMI, SYSTOLIC = ("LOINC", "4548-4"), ("LOINC", "97506-0"), ("LOINC", "8480-6")
IFCC = ("LOINC", "59261-8")


def charted(**changes: Any) -> Clinical:
    given: dict[str, Any] = {
        "payer": "acme",
        "member_id": "M",
        "record_id": "R1",
        "record_version": 1,
        "kind": "observation",
        "code_system": "LOINC",
        "code": "4548-4",
        "start": "2025-05-01",
    }
    return Clinical(**{**given, **changes})


def reason_of(record: Clinical) -> str:
    found = refusal(record, dt.date(2025, 6, 1))
    return "" if found is None else found.reason


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected"),
    [
        (A1C, "7.2", "%", "7.2"),
        (A1C, "7.2", "", "7.2"),
        (A1C, "7.2", " % ", "7.2"),
        (A1C, "7.2", "%{HbA1c}", "7.2"),
        (A1C, "50", "mmol/mol", "6.726"),
        (A1C, "50", "MMOL/MOL", "6.726"),
        (GMI, "211.6", "mg/dL", "9"),
        (SYSTOLIC, "139", "mm[Hg]", "139"),
        (SYSTOLIC, "139", "mm Hg", "139"),
        (IFCC, "50", "mmol/mol", "6.726"),
        (("LOINC", "44261-6"), "12", "stones", "12"),
    ],
)
def test_a_number_becomes_what_rules_compare(code: tuple[str, str], value: str, unit: str, expected: str) -> None:
    assert converted(code, Decimal(value), unit) == Decimal(expected)


@pytest.mark.parametrize(
    ("code", "unit"), [(A1C, "mg/dL"), (A1C, "stones"), (SYSTOLIC, "kPa"), (GMI, "g"), (IFCC, "%"), (IFCC, "")]
)
def test_a_unit_that_does_not_fit_is_unknown_and_the_message_names_those_that_do(
    code: tuple[str, str], unit: str
) -> None:
    with pytest.raises(UnknownUnit, match="send the number in one of them"):
        converted(code, Decimal(7), unit)


def test_a_code_of_no_row_is_read_as_another_where_the_rule_names_one() -> None:
    own = ("acme", "A1C")
    assert converted(own, Decimal(50), "mmol/mol") == 50
    assert converted(own, Decimal(50), "mmol/mol", A1C) == Decimal("6.726")
    with pytest.raises(UnknownUnit):
        converted(own, Decimal(50), "g/dL", A1C)


def test_only_codes_of_the_table_are_measured() -> None:
    assert is_measured(A1C)
    assert not is_measured(("LOINC", "85354-9"))
    assert not is_measured(("CPT", "83036"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"value": Decimal("7.1"), "unit": "%"}, ""),
        ({"value": Decimal(54), "unit": "mmol/mol"}, ""),
        ({"value": Decimal(154), "unit": "mg/dL"}, "unit_not_known"),
        ({"code": "97506-0", "value": Decimal(154), "unit": "mg/dL"}, ""),
        ({"code": " 4548-4 ", "value": Decimal(7), "unit": "stones"}, "unit_not_known"),
        ({"code_system": "http://loinc.org", "value": Decimal(0)}, "impossible_value"),
        ({"code": "59261-8", "value": Decimal(54)}, "unit_not_known"),
        ({"code": "59261-8", "value": Decimal("7.2"), "unit": "%"}, "unit_not_known"),
        ({"code": "8462-4", "value": Decimal(0), "unit": "mm[Hg]"}, "impossible_value"),
        ({"code_system": "urn:oid:1.2.3", "code": "OURS", "value": Decimal(0), "unit": "stones"}, ""),
        ({"code": "44261-6", "value": Decimal(0), "unit": "{score}"}, ""),
    ],
)
def test_what_cannot_be_is_refused_and_a_missing_number_is_not(changes: dict[str, Any], expected: str) -> None:
    assert reason_of(charted(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"value": Decimal(54), "unit": "mmol/mol"}, ""),
        ({"value": Decimal("7.1"), "unit": "stones"}, "unit_not_known"),
        ({"value": Decimal(0), "unit": "%"}, "impossible_value"),
    ],
)
def test_what_a_practice_submits_is_in_a_known_unit_too(changes: dict[str, Any], expected: str) -> None:
    given: dict[str, Any] = {
        "payer": "acme",
        "member_id": "M",
        "practice_id": "P1",
        "result_id": "R1",
        "result_version": 1,
        "code_system": "LOINC",
        "code": "4548-4",
        "date": dt.date(2025, 5, 1),
        "document_ref": "D1",
        "state": "submitted",
    }
    found = refusal(PracticeResult(**{**given, **changes}), dt.date(2025, 6, 1))
    assert ("" if found is None else found.reason) == expected


def test_a_refusal_says_what_to_do_and_no_number() -> None:
    found = refusal(charted(value=Decimal("7.31"), unit="stones"), dt.date(2025, 6, 1))
    assert found is not None
    assert found.message == (
        "unit does not fit the code: LOINC 4548-4 is known in %, mmol/mol, percent: send the number in one of them."
    )
