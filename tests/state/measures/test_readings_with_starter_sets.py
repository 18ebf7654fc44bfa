"""CBP, GSD and DSF on the codes that payers and charts send, with the value sets that come with the project."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from state.calendar import FOREVER
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.facts import Kept, KeptLine, KeptRecord
from state.measures.outcome import Outcome, Sums
from state.measures.rates import Cell
from state.measures.results import Asked, rate_row
from state.reference.codes import INGREDIENT, code_of
from state.reference.drug_products import DrugProduct
from state.reference.starter_sets import in_force, starter_sets
from state.reference.value_sets import ValueSets
from tests.measure_builders import blood_pressure, claim, day, dispensing, member, observation, year

READINGS = ("CBP", "DSF", "GSD")
ANNA = member("1970-05-05")


def _line(code: str, on: str, *modifiers: str, system: str = "CPT", revenue: str = "") -> KeptLine:
    return KeptLine(
        start=day(on),
        end=day(on),
        hcpcs=code,
        hcpcs_system=system if code else "",  # type: ignore[arg-type]  # CPT or HCPCS
        revenue=revenue,
        place="11",
        modifiers=modifiers,
    )


def _loinc(code: str, on: str, value: object, **changes: Any) -> KeptRecord:
    charted = observation("any", on, value=value, **changes)
    return msgspec.structs.replace(charted, system="LOINC", code=code)


def _pressure(on: str, systolic: int, diastolic: int) -> list[KeptRecord]:
    codes = {"bp_panel": "85354-9", "systolic_bp": "8480-6", "diastolic_bp": "8462-4"}
    taken = blood_pressure(on, systolic, diastolic, unit="mm[Hg]")
    return [msgspec.structs.replace(one, system="LOINC", code=codes[one.code]) for one in taken]


def _seen(on: str, diagnosis: str, visit: str = "99213") -> Kept:
    return claim(_line(visit, on), diagnoses=(diagnosis,))


@pytest.fixture(scope="module", params=["capc-2024", "capc-2025"])
def bound(request: pytest.FixtureRequest) -> Bound:
    glargine = DrugProduct(
        code_of("NDC", "00088-2220-33"), code_of(INGREDIENT, "insulin glargine"), "injection", None, ""
    )
    metformin = DrugProduct(code_of("NDC", "00093-1048-01"), code_of(INGREDIENT, "metformin"), "oral", None, "")
    return Bound(built_in(request.param).only(READINGS), in_force(ValueSets([]), (glargine, metformin)))


def _rates(bound: Bound, measure: str, *kept: Kept) -> dict[str, Outcome]:
    found = evaluate(ANNA, kept, bound, year(2025), FOREVER)
    return {outcome.rate: outcome for outcome in found.outcomes.get(measure, ())}


def _is_met(bound: Bound, measure: str, rate: str, *kept: Kept) -> bool:
    return _rates(bound, measure, *kept)[rate].numerator == 1


@pytest.mark.parametrize("edition", ["capc-2024", "capc-2025"])
def test_the_program_needs_no_value_set_that_does_not_come_with_the_project(edition: str) -> None:
    assert built_in(edition).only(READINGS).missing(starter_sets()) == {}


def test_rates_say_that_starter_lists_find_no_dispensing_until_drug_products_are_loaded(bound: Bound) -> None:
    edition, cell = bound.edition, Cell("GSD", "lt8", "acme", "A", "")
    asked, sums = Asked(edition.name, "P1", "live"), Sums(40, 20)
    note = "no dispensing is found in dementia_medications, diabetes_medications: no drug products are loaded"
    assert note in str(rate_row(asked, Bound(edition, starter_sets()), cell, sums, sums, {})[-1])
    # Products of insulin and metformin are loaded, of dementia drugs none.
    assert bound.unfound["GSD"] == ("dementia_medications",)


@pytest.mark.parametrize("edition", ["cms-2025", "cms-2026"])
def test_an_ecqm_names_its_value_sets_by_oid(edition: str) -> None:
    known = built_in(edition)
    names = {name for measure in READINGS for name in known.value_sets(measure)}
    assert names
    assert all(name.startswith("2.16.840.1.113883.") for name in names)


# ---- CBP

HYPERTENSIVE = (_seen("2024-03-01", "I10"), _seen("2025-02-01", "I10", "99441"))


def test_two_visits_with_i10_are_hypertension_and_heart_disease_is_not(bound: Bound) -> None:
    assert _rates(bound, "CBP", *HYPERTENSIVE)["controlled"].denominator == 1
    assert _rates(bound, "CBP", HYPERTENSIVE[0]) == {}
    assert _rates(bound, "CBP", HYPERTENSIVE[0], _seen("2025-02-01", "I119")) == {}
    assert (
        _rates(bound, "CBP", HYPERTENSIVE[0], claim(_line("", "2025-02-01", revenue="0510"), diagnoses=("I10",))) == {}
    )


def test_readings_of_charts_and_classes_of_claims_count(bound: Bound) -> None:
    assert _is_met(bound, "CBP", "controlled", *HYPERTENSIVE, *_pressure("2025-05-01", 139, 89))
    assert not _is_met(bound, "CBP", "controlled", *HYPERTENSIVE, *_pressure("2025-05-01", 140, 89))
    classes = claim(_line("3075F", "2025-05-01"), _line("3079F", "2025-05-01"))
    assert _is_met(bound, "CBP", "controlled", *HYPERTENSIVE, classes)
    assert not _is_met(bound, "CBP", "controlled", *HYPERTENSIVE, claim(_line("3075F", "2025-05-01")))


def test_a_class_of_an_emergency_does_not_count(bound: Bound) -> None:
    classes = (_line("3074F", "2025-05-01"), _line("3078F", "2025-05-01"))
    assert _is_met(bound, "CBP", "controlled", *HYPERTENSIVE, claim(*classes))
    assert not _is_met(bound, "CBP", "controlled", *HYPERTENSIVE, claim(*classes, _line("99284", "2025-05-01")))
    room = _line("", "2025-05-01", revenue="0450")
    assert not _is_met(bound, "CBP", "controlled", *HYPERTENSIVE, claim(*classes, room))


@pytest.mark.parametrize(
    "out",
    [
        _seen("2025-05-01", "N186"),
        _seen("2025-05-01", "Z940"),
        _seen("2025-05-01", "O0991"),
        claim(_line("90935", "2025-05-01")),
    ],
)
def test_kidneys_and_pregnancy_exclude(bound: Bound, out: Kept) -> None:
    assert _rates(bound, "CBP", *HYPERTENSIVE, out)["controlled"].denominator_exclusion == 1


# ---- GSD

DIABETIC = (_seen("2024-03-01", "E119"), _seen("2025-02-01", "E1165"))


def test_diabetes_by_two_dates_or_one_and_a_drug_other_than_metformin(bound: Bound) -> None:
    assert set(_rates(bound, "GSD", *DIABETIC)) == {"lt8", "gt9"}
    assert _rates(bound, "GSD", DIABETIC[0]) == {}
    assert _rates(bound, "GSD", DIABETIC[0], dispensing("00093104801", "2025-05-01")) == {}
    assert set(_rates(bound, "GSD", DIABETIC[0], dispensing("00088222033", "2025-05-01"))) == {"lt8", "gt9"}
    assert _rates(bound, "GSD", _seen("2024-03-01", "O24410"), _seen("2025-02-01", "O24410")) == {}


@pytest.mark.parametrize(
    ("test", "below_8", "above_9"),
    [
        (claim(_line("83036", "2025-05-01")), False, True),
        (claim(_line("3044F", "2025-05-01")), True, False),
        (claim(_line("3051F", "2025-05-01")), True, False),
        (claim(_line("3052F", "2025-05-01")), False, False),
        (claim(_line("3046F", "2025-05-01")), False, True),
        (claim(_line("3044F", "2025-05-01", "8P")), False, True),
        (claim(_line("3045F", "2025-05-01")), False, True),
        (_loinc("4548-4", "2025-05-01", "7.9", unit="%"), True, False),
        (_loinc("59261-8", "2025-05-01", "64", unit="mmol/mol"), False, False),
        (_loinc("97506-0", "2025-05-01", "9.1", unit="%"), False, True),
    ],
    ids=["83036", "3044F", "3051F", "3052F", "3046F", "8P", "3045F", "4548-4", "59261-8", "97506-0"],
)
def test_results_of_claims_and_laboratories_count(bound: Bound, test: Kept, below_8: bool, above_9: bool) -> None:
    assert _is_met(bound, "GSD", "lt8", *DIABETIC, test) is below_8
    assert _is_met(bound, "GSD", "gt9", *DIABETIC, test) is above_9


# ---- DSF


def test_a_score_of_an_instrument_counts_and_the_code_of_a_screening_alone_does_not(bound: Bound) -> None:
    assert _is_met(bound, "DSF", "screened", _loinc("44261-6", "2025-05-01", 4, unit="{score}"))
    assert not _is_met(bound, "DSF", "screened", claim(_line("96127", "2025-05-01")))
    assert not _is_met(bound, "DSF", "screened", claim(_line("G8431", "2025-05-01", system="HCPCS")))


def test_a_positive_screen_is_followed_up_by_a_visit_for_depression_a_brief_tool_or_a_full_one(bound: Bound) -> None:
    positive = _loinc("44261-6", "2025-05-01", 15)
    assert not _is_met(bound, "DSF", "followed_up", positive)
    assert _is_met(bound, "DSF", "followed_up", positive, _seen("2025-05-31", "F321"))
    assert not _is_met(bound, "DSF", "followed_up", positive, _seen("2025-06-01", "F321"))
    assert not _is_met(bound, "DSF", "followed_up", positive, _seen("2025-05-20", "I10"))
    brief = _loinc("55758-7", "2025-05-01", 4)
    assert _is_met(bound, "DSF", "followed_up", brief, _loinc("44261-6", "2025-05-01", 4))


def test_a_bipolar_disorder_or_depression_of_the_year_before_excludes(bound: Bound) -> None:
    assert _rates(bound, "DSF", _seen("2024-05-01", "F319"))["screened"].denominator_exclusion == 1
    assert _rates(bound, "DSF", _seen("2024-05-01", "F331"))["screened"].denominator_exclusion == 1
    assert _rates(bound, "DSF", _seen("2025-05-01", "F331"))["screened"].denominator_exclusion == 0
