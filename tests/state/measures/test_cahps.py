"""CAHPS is imported, and it is shown for information. Source: measures.md 12."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.records import Period, PracticeId, SurveyResult
from state import validation
from state.measures.cahps import of_window, rate_rows
from state.measures.catalogue import MEASURES
from state.measures.editions import built_in
from state.measures.measuring import Window
from state.measures.results import RATES_COLUMNS
from tests.measure_builders import year

ACCESS = SurveyResult(
    practice_id=PracticeId("P1"),
    survey="CG-CAHPS",
    survey_version="3.1 adult",
    period="MY2025",
    composite="access",
    value=Decimal("61.4"),
    n=112,
    mode_adjusted=True,
)
MONTHS = "2025-01-01..2025-12-31"
MY2025 = Period(
    period="MY2025",
    performance_end=dt.date(2025, 12, 31),
    k1=dt.date(2026, 3, 31),
    k2=dt.date(2026, 6, 30),
    pool_from=dt.date(2025, 1, 1),
    pool_months=12,
)
PROGRAM = [built_in("capc-2025")]


def of(**changes: Any) -> SurveyResult:
    return msgspec.structs.replace(ACCESS, **changes)


def test_a_result_is_a_line_of_rates_for_information_only() -> None:
    (row,) = rate_rows(PROGRAM, "MY2025", "final", [ACCESS])
    assert dict(zip(RATES_COLUMNS, row, strict=True)) == {
        "edition": "capc-2025",
        "period": "MY2025",
        "reading": "final",
        "measure": "CAHPS",
        "rate": "access",
        "payer": "",
        "practice_id": "P1",
        "stratum": "",
        "denominator": 112,
        "numerator": None,
        "value": Decimal("61.4"),
        "note": "information only, as imported; CG-CAHPS 3.1 adult; adjusted for mode",
    }


def test_few_answers_are_flagged_and_not_dropped() -> None:
    (row,) = rate_rows(PROGRAM, "MY2025", "live", [of(n=12, mode_adjusted=False)])
    assert row[-2] == Decimal("61.4")
    assert row[-1] == "information only, as imported; CG-CAHPS 3.1 adult; not adjusted for mode; fewer than 30"


def test_a_period_that_the_vendor_names_otherwise_is_named_in_the_note() -> None:
    (row,) = rate_rows(PROGRAM, MONTHS, "live", [of(mode_adjusted=None)])
    assert row[1] == MONTHS
    assert row[-1] == "information only, as imported; CG-CAHPS 3.1 adult; reported for MY2025"


def test_the_editions_of_the_program_have_it_and_the_ecqms_do_not() -> None:
    editions = [built_in(name) for name in ("capc-2024", "capc-2025", "cms-2025", "cms-2026")]
    assert [row[0] for row in rate_rows(editions, "MY2025", "live", [ACCESS])] == ["capc-2024", "capc-2025"]


def test_results_of_a_period_say_its_id_or_its_months() -> None:
    by_months, other = of(period=MONTHS), of(period="2024")
    every = [of(composite="staff"), ACCESS, by_months, other]
    assert of_window(every, Window("MY2025", year(2025))) == (by_months, ACCESS, every[0])
    assert of_window(every, Window(MONTHS, year(2025))) == (by_months,)
    assert of_window(every, Window(MONTHS, year(2025)), [MY2025]) == (by_months, ACCESS, every[0])
    assert of_window(every, Window("x", year(2024)), [MY2025]) == ()


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"value": Decimal("100.1")}, "impossible_value", "value"),
        ({"value": Decimal(-1)}, "impossible_value", "value"),
        ({"value": Decimal("NaN")}, "impossible_value", "value"),
        ({"n": 0}, "impossible_value", "n"),
        ({"n": -5}, "impossible_value", "n"),
        ({"composite": " "}, "missing_value", "composite"),
        ({"practice_id": ""}, "missing_value", "practice_id"),
        ({"period": ""}, "missing_value", "period"),
        ({"survey": "é" * 41}, "too_large", "survey"),
    ],
)
def test_a_result_that_cannot_be_is_refused_at_the_door_by_its_field(
    changes: dict[str, Any], reason: str, field: str
) -> None:
    found = validation.refusal(of(**changes), dt.date(2026, 1, 15))
    assert found is not None
    assert (found.reason, found.field) == (reason, field)


@pytest.mark.parametrize("share", [0, 100])
def test_nobody_and_everybody_may_be_content(share: int) -> None:
    assert validation.refusal(of(value=Decimal(share)), dt.date(2026, 1, 15)) is None


def test_a_survey_is_read_from_its_record() -> None:
    text = b"""{"event_type": "survey_result", "practice_id": "P1", "survey": "CG-CAHPS", "survey_version": "3.1 adult",
        "period": "MY2025", "composite": "access", "value": "61.4", "n": 112, "mode_adjusted": true}"""
    assert msgspec.json.decode(text, type=SurveyResult) == ACCESS


def test_it_is_no_measure_that_is_asked_of_members() -> None:
    assert "CAHPS" not in MEASURES
