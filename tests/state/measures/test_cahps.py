"""CAHPS is imported: the later result of a composite stands, and it is shown for information. Source: measures.md 12."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.records import PracticeId, SurveyResult
from state.measures.cahps import problem, rate_rows, standing
from state.measures.catalogue import MEASURES
from state.measures.results import RATES_COLUMNS

ACCESS = SurveyResult(
    practice_id=PracticeId("P1"),
    survey="CG-CAHPS",
    survey_version="3.1 adult",
    period="2025",
    composite="access",
    value=Decimal("61.4"),
    n=112,
    mode_adjusted=True,
)


def of(**changes: Any) -> SurveyResult:
    return msgspec.structs.replace(ACCESS, **changes)


def test_a_result_is_a_line_of_rates_for_information_only() -> None:
    (row,) = rate_rows([ACCESS])
    assert dict(zip(RATES_COLUMNS, row, strict=True)) == {
        "edition": "",
        "period": "2025",
        "reading": "imported",
        "measure": "CAHPS",
        "rate": "access",
        "payer": "",
        "practice_id": "P1",
        "stratum": "",
        "denominator": 112,
        "numerator": None,
        "value": Decimal("61.4"),
        "note": "information only; CG-CAHPS 3.1 adult; adjusted for mode",
    }


def test_few_answers_are_flagged_and_not_dropped() -> None:
    (row,) = rate_rows([of(n=12, mode_adjusted=False)])
    assert row[-2:] == (Decimal("61.4"), "information only; CG-CAHPS 3.1 adult; not adjusted for mode; fewer than 30")


def test_the_later_result_of_a_composite_stands_and_other_versions_and_periods_stand_beside_it() -> None:
    later, child, earlier = of(value=Decimal(70)), of(survey_version="3.1 child"), of(period="2024")
    assert standing([ACCESS, child, earlier, later]) == (earlier, later, child)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": Decimal("100.1")}, "value: is no percentage"),
        ({"value": Decimal(-1)}, "value: is no percentage"),
        ({"value": Decimal("NaN")}, "value: is no percentage"),
        ({"n": 0}, "n: nobody answered"),
        ({"composite": " "}, "composite: is empty"),
    ],
)
def test_a_result_that_cannot_be_is_refused_by_its_field(changes: dict[str, Any], says: str) -> None:
    assert (problem(of(**changes)) or "").startswith(says)


@pytest.mark.parametrize("share", [0, 100])
def test_nobody_and_everybody_may_be_content(share: int) -> None:
    assert problem(of(value=Decimal(share))) is None


def test_a_survey_is_read_from_its_record() -> None:
    text = b"""{"event_type": "survey_result", "practice_id": "P1", "survey": "CG-CAHPS", "survey_version": "3.1 adult",
        "period": "2025", "composite": "access", "value": "61.4", "n": 112, "mode_adjusted": true}"""
    assert msgspec.json.decode(text, type=SurveyResult) == ACCESS


def test_it_is_no_measure_that_is_asked_of_members() -> None:
    assert "CAHPS" not in MEASURES
