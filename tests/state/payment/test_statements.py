"""When a statement is made, and that it is made whole."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from state.payment.statements import why_not_stated
from tests.money_cases import P2, SPEC_RESULTS, stated

INITIAL = stated("initial", SPEC_RESULTS)
FINAL = stated("final", SPEC_RESULTS, initial=INITIAL)


@pytest.mark.parametrize(
    ("reading", "day", "standing", "said"),
    [
        ("initial", "2025-09-28", [], None),
        ("initial", "2025-09-27", [], "refused before 2025-09-28"),
        ("final", "2025-12-26", [INITIAL], "refused before 2025-12-27"),
        ("final", "2025-12-27", [INITIAL], None),
        ("final", "2025-12-27", [], None),
        ("initial", "2025-10-01", [INITIAL], "annul its close to make another"),
        ("initial", "2026-01-01", [INITIAL, FINAL], "what comes later is an adjustment"),
        ("final", "2026-01-01", [INITIAL, FINAL], "what comes later is an adjustment"),
    ],
)
def test_a_period_that_is_not_over_or_already_final_has_no_statement(reading, day, standing, said) -> None:
    why = why_not_stated(P2, reading, dt.date.fromisoformat(day), standing)
    assert why is None if said is None else said in str(why)


def test_a_statement_cites_its_snapshot_and_who_is_paid() -> None:
    assert FINAL.snapshot.close_id == "P2-final"
    assert len(FINAL.snapshot.content_digest) == 64
    assert (FINAL.payee_name, FINAL.payee_tin) == ("Practice A Inc.", "950000001")
    assert (FINAL.practice_type, FINAL.pay_date) == ("adult", P2.pay_date)


def test_each_line_can_be_followed_by_hand() -> None:
    formulas = {line.item: line.formula for line in FINAL.lines}
    assert formulas["COL"] == "9% + 5% x (64 - 63) / (67 - 63) = 10.25% of 51,840.00 x 102 / 82 = 6,609.60"
    assert formulas["GSD"] == "9% + 5% x all of it: gold is reached = 14% of 51,840.00 x 102 / 82 = 9,027.75"
    assert (
        formulas["CBP"] == "(60.2 - 58) / (74 - 58) = 13.75% of the gap closed: 6% of 51,840.00 x 102 / 82 = 3,869.03"
    )
    assert formulas["AMR"] == "80 has not reached the minimum 81"
    assert formulas["TCOC"] == "not scored"


def test_a_statement_goes_over_the_wire_and_back() -> None:
    data = msgspec.json.encode(FINAL)
    assert msgspec.json.decode(data, type=type(FINAL)) == FINAL
