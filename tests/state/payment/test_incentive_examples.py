"""The worked examples and edges of payment.md 4.3 to 4.5, to the cent."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from schemas.money import Policies
from state.payment.incentive import Performance, gold_sum, reachable, score
from state.payment.program_tables import Thresholds
from tests.money_cases import ADULT, GOLD, MIXED, PEDIATRIC, SPEC_RESULTS, amounts, d, result, stated, terms

TERMS = terms()
EXPECTED = {"BCS": "8.0000", "COL": "10.2500", "CBP": "6.0000", "GSD": "14.0000", "AHU": "7.3333", "EDU": "4.0000"}


def scored(performance: Performance, practice: str = "adult", *, at_least: int = 30, curve: str = "linear"):
    shares = TERMS.program.shares[practice]  # type: ignore[index]
    measure = performance.measure
    return score(TERMS.program.measures[measure], shares[measure], performance, at_least=at_least, curve=curve)


def test_the_adult_practice_of_the_specification_earns_its_shares() -> None:
    lines = {line.item: line for line in stated("initial", SPEC_RESULTS).lines}
    assert {name: str(line.share_pct) for name, line in lines.items() if line.share_pct} == EXPECTED
    assert {name: line.outcome for name, line in lines.items()} == {
        "BCS": "attainment",
        "COL": "attainment",
        "CBP": "improvement",
        "GSD": "attainment",
        "AMR": "ineligible",
        "AHU": "attainment",
        "EDU": "improvement",
        "DSF": "reserved",
        "TCOC": "reserved",
    }
    assert lines["AMR"].reason == "below_minimum"
    assert lines["DSF"].reason == "thresholds_to_be_decided"


def test_the_adult_practice_is_paid_25704_dollars_as_printed() -> None:
    statement = stated("initial", SPEC_RESULTS)
    assert statement.pool == Decimal("51840.00")
    assert statement.pool_formula == "32.00 base PMPM x 10,800 member months x 15% = 51,840.00"
    assert statement.uncapped_pct == Decimal("49.5833")
    assert amounts(statement) == {
        "BCS": d("4147.20"),
        "COL": d("5313.60"),
        "CBP": d("3110.40"),
        "GSD": d("7257.60"),
        "AHU": d("3801.60"),
        "EDU": d("2073.60"),
    }
    assert statement.total == statement.difference == d("25704.00")


def test_normalised_by_102_the_total_is_the_sum_of_the_rounded_lines() -> None:
    statement = stated("initial", SPEC_RESULTS, of=terms(policies={"over_100": "normalise"}))
    assert amounts(statement) == {
        "BCS": d("4065.88"),
        "COL": d("5209.41"),
        "CBP": d("3049.41"),
        "GSD": d("7115.29"),
        "AHU": d("3727.06"),
        "EDU": d("2032.94"),
    }
    assert statement.total == d("25199.99")


def test_in_the_final_statement_the_shares_of_unscored_measures_are_redistributed() -> None:
    statement = stated("final", SPEC_RESULTS)
    assert amounts(statement) == {
        "BCS": d("5158.71"),
        "COL": d("6609.60"),
        "CBP": d("3869.03"),
        "GSD": d("9027.75"),
        "AHU": d("4728.82"),
        "EDU": d("2579.36"),
    }
    assert statement.total == d("31973.27")
    assert {line.outcome for line in statement.lines if line.item in ("DSF", "TCOC")} == {"unscored"}


def test_withheld_shares_of_unscored_measures_are_paid_to_nobody() -> None:
    assert stated("final", SPEC_RESULTS, of=terms(policies={"unscored": "withhold"})).total == d("25704.00")


def test_the_final_statement_settles_the_initial() -> None:
    initial = stated("initial", SPEC_RESULTS)
    final = stated("final", SPEC_RESULTS, initial=initial)
    assert (final.settles, final.previously_stated) == (initial.statement_id, d("25704.00"))
    assert final.difference == d("6269.27")


def test_the_pediatric_practice_of_the_specification() -> None:
    statement = stated("initial", [result("CIS", 70, 60), result("IMA", 38, 30), result("AMR", 87, 83)], PEDIATRIC)
    shares = {line.item: str(line.share_pct) for line in statement.lines if line.share_pct}
    assert shares == {"CIS": "27.0000", "IMA": "12.9091", "AMR": "11.0000"}
    assert statement.uncapped_pct == Decimal("50.9091")


@pytest.mark.parametrize(
    ("measure", "baseline", "rate", "pays"),
    [
        ("COL", 52, "53.5", True),
        ("COL", 52, "53.4", False),
        ("CBP", 58, "59.6", True),
        ("CBP", 58, "59.59", False),
        ("EDU", 140, "136.7", True),
        ("EDU", 140, "136.8", False),
        ("AHU", 26, "25.2", True),
        ("AHU", 26, "25.21", False),
        ("AHU", 25, "24.3", True),
        ("AHU", 25, "24.31", False),
    ],
)
def test_improvement_pays_from_exactly_a_tenth_of_the_gap_on(
    measure: str, baseline: int, rate: str, pays: bool
) -> None:
    found = scored(result(measure, rate, baseline))
    assert (found.kind, found.reason) == (("improvement", None) if pays else ("ineligible", "gap_not_closed"))


@pytest.mark.parametrize(
    ("measure", "baseline", "ten_percent_relative"),
    [("COL", 52, "57.2"), ("CBP", 58, "63.8"), ("EDU", 140, 126), ("AHU", 25, "22.5")],
)
def test_ten_percent_relative_of_the_figure_is_a_higher_bar_than_the_gap(
    measure: str, baseline: int, ten_percent_relative: object
) -> None:
    assert scored(result(measure, ten_percent_relative, baseline)).kind == "improvement"


@pytest.mark.parametrize("measure", sorted(GOLD))
def test_the_boundaries_of_every_measure_are_exact(measure: str) -> None:
    practice = "mixed"
    terms_of = TERMS.program.measures[measure]
    shares = TERMS.program.shares[practice][measure]  # type: ignore[index]
    goal = terms_of.thresholds
    assert goal is not None
    a_bit = Decimal("0.01") * goal.direction
    far = goal.minimum - 30 * a_bit * 100
    at = lambda rate: scored(result(measure, rate, far), practice)  # noqa: E731
    assert at(goal.minimum).kind == "improvement"
    assert at(goal.minimum - a_bit).reason == "below_minimum"
    assert (at(goal.threshold).kind, at(goal.threshold).share) == ("attainment", shares.threshold)
    assert at(goal.threshold - a_bit).kind == "improvement"
    assert at(goal.gold).share == at(goal.gold + 100 * a_bit).share == shares.gold
    assert shares.threshold < at(goal.gold - a_bit).share < shares.gold


def test_a_rate_is_rounded_to_two_decimals_before_it_is_compared() -> None:
    assert scored(result("COL", "62.995")).kind == "attainment"
    assert scored(result("COL", "62.994", 52)).kind == "improvement"


def test_improvement_needs_a_baseline_of_the_same_rate() -> None:
    assert scored(result("COL", 60)).reason == "no_baseline"
    other = result("COL", 60, 50, rate_name="monitoring", baseline_rate_name="screening")
    assert scored(other).reason == "no_baseline"


@pytest.mark.parametrize(("measure", "baseline", "rate"), [("COL", 67, 60), ("COL", 70, 60), ("AHU", 18, 25)])
def test_a_practice_that_fell_from_gold_has_declined(measure: str, baseline: int, rate: int) -> None:
    assert scored(result(measure, rate, baseline)).reason == "baseline_at_gold"


def test_the_baseline_may_lie_below_the_minimum() -> None:
    assert scored(result("COL", 53, 40)).kind == "improvement"


@pytest.mark.parametrize(
    ("performance", "reason"),
    [
        (result("TCOC", "0.95"), "thresholds_to_be_decided"),
        (result("COL", None), "no_data"),
        (result("COL", 70, denominator=d(29)), "denominator_below_minimum"),
        (result("AHU", None, unscored="no_risk_weights"), "no_risk_weights"),
    ],
)
def test_an_unscored_measure_says_why(performance: Performance, reason: str) -> None:
    found = scored(performance)
    assert (found.kind, found.reason, found.share) == ("unscored", reason, 0)


def test_exactly_the_minimum_denominator_is_scored() -> None:
    assert scored(result("COL", 70, denominator=d(30))).kind == "attainment"


def test_a_curve_of_steps_counts_whole_steps() -> None:
    assert scored(result("COL", "64.9"), curve="steps(4)").share == Decimal("10.25")
    assert scored(result("COL", 65), curve="steps(4)").share == Decimal("11.5")
    assert scored(result("COL", 67), curve="steps(4)").share == 14


@pytest.mark.parametrize(
    ("practice", "improvement", "threshold", "gold", "without"),
    [("mixed", "44.5", "65.0", 104, 88), ("pediatric", "41.0", "60.5", 99, 63), ("adult", "42.0", "63.0", 102, 82)],
)
def test_the_columns_add_up_as_printed(
    practice: str, improvement: str, threshold: str, gold: int, without: int
) -> None:
    shares = TERMS.program.shares[practice]  # type: ignore[index]
    assert len(shares) == {"mixed": 11, "pediatric": 5, "adult": 9}[practice]
    assert sum(one.improvement for one in shares.values()) == Decimal(improvement)
    assert sum(one.threshold for one in shares.values()) == Decimal(threshold)
    assert gold_sum(shares) == gold
    assert sum(one.gold for name, one in shares.items() if name not in ("DSF", "TCOC")) == without


@pytest.mark.parametrize(
    ("practice", "over_100", "unscored", "initial", "final"),
    [
        ("mixed", "cap", "redistribute", 88, 100),
        ("mixed", "normalise", "redistribute", Decimal(8800) / 104, 100),
        ("mixed", "pay", "redistribute", 88, 104),
        ("mixed", "cap", "withhold", 88, 88),
        ("adult", "cap", "redistribute", 82, 100),
        ("adult", "pay", "redistribute", 82, 102),
        ("adult", "pay", "withhold", 82, 82),
        ("pediatric", "cap", "redistribute", 63, 99),
        ("pediatric", "normalise", "redistribute", 63, 99),
        ("pediatric", "pay", "withhold", 63, 63),
    ],
)
def test_the_most_a_practice_can_reach(
    practice: str, over_100: str, unscored: str, initial: object, final: object
) -> None:
    policies = Policies(over_100=over_100, unscored=unscored)  # type: ignore[arg-type]
    shares = TERMS.program.shares[practice]  # type: ignore[index]
    for reading, expected in (("initial", initial), ("final", final)):
        most = reachable(TERMS.program.measures, shares, policies, reading)  # type: ignore[arg-type]
        assert float(most) == pytest.approx(float(expected))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("practice", "over_100", "paid"),
    [
        (ADULT, "cap", "51840.00"),
        (ADULT, "pay", "52876.81"),
        (MIXED, "cap", "51840.00"),
        (MIXED, "pay", "53913.60"),
        (PEDIATRIC, "cap", "51321.59"),
        (PEDIATRIC, "pay", "51321.59"),
        (PEDIATRIC, "normalise", "51321.59"),
    ],
)
def test_all_gold_pays_the_reachable_maximum(practice, over_100: str, paid: str) -> None:
    statement = stated(
        "final", [result(*one) for one in GOLD.items()], practice, of=terms(policies={"over_100": over_100})
    )
    assert statement.total == d(paid)
    assert statement.total == sum(line.amount for line in statement.lines)
    assert (statement.total_before_caps > statement.total) == (over_100 == "cap" and practice is not PEDIATRIC)


def test_a_capped_statement_shows_each_line_before_and_after_and_the_uncapped_sum() -> None:
    statement = stated("final", [result(*one) for one in GOLD.items()])
    assert statement.uncapped_pct == d("102.0000")
    assert statement.paid_pct == d("100.0000")
    assert all(line.amount < line.amount_before_cap for line in statement.lines if line.amount)
    assert "The lines add up to 52,876.81 and are limited to the pool, 51,840.00." in statement.notes


def test_the_initial_statement_projects_missing_claims_and_pays_the_agreed_part() -> None:
    of = terms(initial_pct="0.8", completion_factors={"AHU": "1.05"})
    statement = stated("initial", [result("AHU", 20), result("COL", 67)], of=of)
    lines = {line.item: line for line in statement.lines}
    assert lines["AHU"].rate == d("21.00")
    assert lines["AHU"].amount == d("2488.32")  # 6% of the pool, times 0.8
    assert lines["COL"].amount == d("5806.08")
    assert "completion factors: AHU 1.05" in statement.notes[-1]
    assert stated("final", [result("AHU", 20)], of=of).lines[7].rate == d("20.00")


def test_the_cap_of_an_initial_statement_is_the_agreed_part_of_the_pool() -> None:
    goals = Thresholds(minimum=d(1), threshold=d(2), gold=d(3))
    measures = {
        name: msgspec.structs.replace(one, thresholds=one.thresholds or goals)
        for name, one in TERMS.program.measures.items()
    }
    program = msgspec.structs.replace(TERMS.program, measures=measures)
    of = msgspec.structs.replace(terms(initial_pct="0.8"), program=program)
    all_gold = [result(name, one.thresholds.gold) for name, one in measures.items() if one.thresholds]
    assert stated("initial", all_gold, of=of).total == d(
        "41472.00"
    )  # 80% of 51,840.00, where 102% of it would be 42,301.44


def test_a_measure_that_nobody_reported_is_no_data() -> None:
    lines = stated("initial", []).lines
    assert {line.reason for line in lines} == {"no_data", "thresholds_to_be_decided"}
    assert all(line.amount == 0 for line in lines)
