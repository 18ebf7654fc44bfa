"""When a statement is made, and that it is made whole."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from state.payment.age_gender import Band, Factors
from state.payment.closes import MonthOf, NothingStated, PeriodOf, month_statements, period_statements
from state.payment.element2 import Risk
from state.payment.statements import period_statement, why_not_stated
from tests.money_cases import ADULT, P2, SPEC_RESULTS, d, person, pool_months, statable, stated, terms

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


def test_a_statement_that_comes_after_the_pay_date_of_its_period_promises_no_day() -> None:
    """P2 is paid on October 1: a final statement of December is settled with the next payment."""
    of = statable("P2-final", "2025-12-27")
    late = period_statement(of, terms(), P2, "final", ADULT, pool_months(), SPEC_RESULTS)
    assert (late.pay_date, late.total) == (None, d("31973.27"))


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


JULY = dt.date(2025, 7, 1)


def month_of(practice: str, *, risk: Risk = Risk(), members: int = 10, **changes: object) -> MonthOf:  # noqa: B008
    of = terms(practice_id=practice, phm_pmpm="4.00", **changes)
    return MonthOf(terms=of, panels={JULY: [person(f"m{n}", 40) for n in range(members)]}, risk=risk)


def period_of(practice: str, *standing: object) -> PeriodOf:
    return PeriodOf(
        terms=terms(practice_id=practice),
        practice_type=ADULT,
        months=tuple(pool_months()),
        performances=tuple(SPEC_RESULTS),
        standing=standing,  # type: ignore[arg-type]
    )


def test_a_panel_close_states_every_practice_in_order() -> None:
    found = month_statements(statable("2025-07-panel"), JULY, [month_of("B"), month_of("A")])
    assert [(one.practice_id, str(one.total)) for one in found] == [("A", "40.00"), ("B", "40.00")]


def test_a_missing_factor_of_one_practice_leaves_no_partial_set() -> None:
    gap = Risk(factors=Factors((Band("F", 0, 17, ADULT_FACTOR),)))
    with pytest.raises(NothingStated) as why:
        month_statements(
            statable("2025-07-panel"), JULY, [month_of("A"), month_of("B", risk=gap), month_of("C", risk=gap)]
        )
    assert why.value.reasons == tuple(
        f"practice {name} with acme: the age and gender factors have no band for F at 40: complete the table."
        for name in "BC"
    )


ADULT_FACTOR = terms().contract.base_pmpm


def test_a_quarter_without_all_its_panels_states_nothing() -> None:
    with pytest.raises(NothingStated, match="the panel of 2025-08 is missing") as why:
        month_statements(statable("2025-07-panel"), JULY, [month_of("A", phm_frequency="quarterly")])
    assert len(why.value.reasons) == 2


def test_two_contracts_of_one_practice_and_payer_state_nothing() -> None:
    with pytest.raises(NothingStated, match="practice A with acme: 2 contracts on one day"):
        month_statements(statable("2025-07-panel"), JULY, [month_of("A"), month_of("A")])


def test_a_final_close_settles_the_initial_of_each_practice() -> None:
    initial, other = period_statements(statable("P2-initial"), P2, "initial", [period_of("A"), period_of("B")])
    late = statable("P2-final", "2026-01-01")
    found = period_statements(late, P2, "final", [period_of("B", other), period_of("A", initial)])
    assert [one.settles for one in found] == [initial.statement_id, other.statement_id]
    assert {str(one.difference) for one in found} == {"6269.27"}


def test_a_close_that_is_too_early_or_again_states_nothing_for_anybody() -> None:
    with pytest.raises(
        NothingStated, match="practice A with acme: the final statement of P2 is refused before 2025-12-27"
    ):
        period_statements(statable("P2-final"), P2, "final", [period_of("A")])
    with pytest.raises(NothingStated) as why:
        period_statements(statable("P2-initial"), P2, "initial", [period_of("A", INITIAL), period_of("B")])
    assert len(why.value.reasons) == 1
