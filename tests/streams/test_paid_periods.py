"""Element 3 in the conductor without a broker: from sums of partitions to statements, the ledger, and adjustments after the final close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.money import Statement
from schemas.records import CloseAnnul, RateSums, Table, Tick
from state.payment import money_ledger
from streams.stopping import Stop
from tests.money_cases import P2, amounts, contract, d
from tests.paid_cases import (
    EDITION,
    FINAL_AMOUNTS,
    P2_WITH_BASELINE,
    SPEC_AMOUNTS,
    SPEC_BASELINE,
    SPEC_NOW,
    answer,
    begun,
    close,
    final,
    initial,
    measured_by,
    panel,
    people,
    period,
    rate,
    reference_rates,
    six_panels,
)
from tests.streams.test_paying import Said, released, worked

JANUARY = dt.date(2026, 1, 27)
"""After the final close of P2, within the retro limit."""


def spec(folder: Path) -> tuple[list[Any], tuple[Any, ...]]:
    """The adult practice of payment.md 4.5 up to its pool's panels, and the tables it is measured by."""
    tables = measured_by(EDITION, supplied=reference_rates(folder))
    return [contract(), *begun(tables)], tables


def moved(*sums: RateSums, day: dt.date = JANUARY, month: str = "2026-02", close_id: str = "") -> list[Any]:
    """A panel after the final close at whose barrier a partition tells what P2's sums have changed by since, in all."""
    return [Tick(date=day), *panel(month, people(2), close_id=close_id, moved={"P2-final": sums})]


def statements(said: Said) -> list[Statement]:
    return [one.statement for one in said.money.statements.values()]


async def test_the_adult_practice_of_the_specification_from_partials_to_the_cent(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    said = await worked(tmp_path, *before, *initial(SPEC_NOW, tables), *final(SPEC_NOW, tables))
    first, last = statements(said)
    assert (first.reading, first.practice_type, first.pool) == ("initial", "adult", d("51840.00"))
    assert (amounts(first), first.total) == (SPEC_AMOUNTS, d("25704.00"))
    assert (amounts(last), last.total) == (FINAL_AMOUNTS, d("31973.27"))
    assert (last.settles, last.difference) == (first.statement_id, d("6269.27"))
    assert [one.amount for one in said.money.entries] == [d("25704.00"), d("6269.27")]
    assert {(line.item, line.reason) for line in last.lines if line.outcome == "unscored"} == {
        ("DSF", "thresholds_to_be_decided"),
        ("TCOC", "thresholds_to_be_decided"),
    }
    assert {line.item: line.rate_name for line in last.lines if line.rate}["GSD"] == "GSD lt8"
    assert last.notes[-2:] == (
        "Rates by capc-2025: adjusted, uncertified, unaudited.",
        "Baseline: P0-final.",
    )
    assert [one.message for one in said.closes if one.period == "P0"] == [None, None]
    assert said.closes[-1].message == "1 statement drafted, 6,269.27 dollars"


async def test_the_pediatric_practice_of_the_specification(tmp_path: Path) -> None:
    tables = measured_by()
    now = [rate("CIS", 70, 100), rate("IMA", 38, 100), rate("AMR", 87, 100)]
    before = [rate("CIS", 60, 100), rate("IMA", 30, 100), rate("AMR", 83, 100)]
    said = await worked(tmp_path, contract(), *begun(tables, before, age=8), *initial(now, tables))
    (made,) = statements(said)
    # 27%, 11% + 7% x 3/11 and 11% of 51,840.00
    assert (made.practice_type, made.uncapped_pct) == ("pediatric", d("50.9091"))
    assert amounts(made) == {"CIS": d("13996.80"), "IMA": d("6692.07"), "AMR": d("5702.40")}


async def test_completion_factors_and_the_initial_share_are_in_the_initial_statement_alone(tmp_path: Path) -> None:
    """AHU 20 x 1.05 is 21, exactly the threshold: 6%. Of all 80% are paid at first."""
    tables = measured_by(EDITION, supplied=reference_rates(tmp_path))
    terms = contract(completion_factors={"AHU": "1.05"}, initial_pct="0.8")
    now = [rate("AHU", 200, 1000, expected=200)]
    said = await worked(tmp_path, terms, *begun(tables), *initial(now, tables), *final(now, tables))
    first, last = statements(said)
    assert amounts(first) == {"AHU": d("2488.32")}  # 51,840.00 x 6% x 0.8
    assert next(line.rate for line in last.lines if line.item == "AHU") == d("20.00")


async def test_a_practice_stays_what_it_was_while_its_share_of_children_is_just_beyond_the_border(
    tmp_path: Path,
) -> None:
    """23% of member months are children's: mixed, but for a practice that was adult in the period before."""
    tables = measured_by()
    p1 = msgspec.structs.replace(
        P2,
        period="P1",
        performance_end=dt.date(2024, 12, 31),
        k1=dt.date(2025, 3, 31),
        k2=dt.date(2025, 6, 29),
        pool_from=dt.date(2024, 7, 1),
        edition=EDITION,
    )
    who = people(154), people(46, age=8)
    panels = [one for month in (*range(7, 13), *range(1, 7))
              for one in panel(f"{2024 + (month < 7)}-{month:02}", *who)]  # fmt: skip
    now = [rate("COL", 64, 100)]
    adult = contract(practice_type={"override": "adult", "override_reason": "no pediatrician"})
    before = [p1, P2, Tick(date=dt.date(2025, 6, 29)), *panels, *period("P1", "final", now, tables)]
    said = await worked(tmp_path / "adult", adult, *before, contract(), *initial(now, tables))
    assert [one.practice_type for one in statements(said)] == ["adult", "adult"]
    assert (statements(said)[1].practice_type_reason or "").endswith("adult before, and not above 25%")
    said = await worked(tmp_path / "mixed", contract(), *before, *initial(now, tables))
    assert [one.practice_type for one in statements(said)] == ["mixed", "mixed"]


# -- what is not known is not paid --------------------------------------------------------------------------------------


async def test_without_a_baseline_improvement_pays_nothing_and_attainment_does(tmp_path: Path) -> None:
    tables = measured_by()
    now = [rate("CBP", 301, 500), rate("COL", 64, 100)]
    records = [contract(), P2, Tick(date=dt.date(2025, 6, 1)), *six_panels(1800), *initial(now, tables)]
    (made,) = statements(await worked(tmp_path, *records))
    assert amounts(made) == {"COL": SPEC_AMOUNTS["COL"]}
    assert next(line.reason for line in made.lines if line.item == "CBP") == "no_baseline"
    assert made.notes[-1] == "No baseline: the record of P2 names no baseline."


async def test_a_baseline_that_another_edition_measured_is_none(tmp_path: Path) -> None:
    old = measured_by("capc-2024")
    before = [msgspec.structs.replace(one, edition="capc-2024") for one in SPEC_BASELINE]
    now = [rate("CBP", 301, 500)]
    (made,) = statements(
        await worked(tmp_path, contract(), *begun(old, before), *initial(now, measured_by("capc-2024", EDITION)))
    )
    assert next(line.reason for line in made.lines if line.item == "CBP") == "no_baseline"
    assert made.notes[-1] == "No baseline: P0-final was not measured by capc-2025."


async def test_without_reference_rates_utilisation_is_unscored_and_never_paid_on_the_raw_rate(tmp_path: Path) -> None:
    tables = measured_by()
    now = [rate("AHU", 10, 1000, expected=200), rate("EDU", 10, 1000)]
    (made,) = statements(await worked(tmp_path, contract(), *begun(tables), *initial(now, tables)))
    found = {line.item: (line.outcome, line.reason) for line in made.lines if line.item in {"AHU", "EDU"}}
    assert set(found.values()) == {("reserved", "no_risk_weights")}


async def test_expected_events_are_calibrated_by_the_mean_ratio_of_the_table(tmp_path: Path) -> None:
    supplied = tmp_path / "reference_rates.csv"
    supplied.write_text("measure,per_member,mean_ratio\nAHU,0.020,1.25\n")
    tables = measured_by(EDITION, supplied=supplied)
    now = [rate("AHU", 200, 1000, expected=160)]
    (made,) = statements(await worked(tmp_path, contract(), *begun(tables), *initial(now, tables)))
    assert next(line.rate for line in made.lines if line.item == "AHU") == d(
        "20.00"
    )  # 1,000 x 200/(160 x 1.25) x 0.020


async def test_the_edition_of_the_period_is_paid_of_several_that_measured_it(tmp_path: Path) -> None:
    tables = measured_by("capc-2024", EDITION)
    now = [rate("COL", 64, 100), rate("COL", 70, 100, edition="capc-2024")]
    records = [contract(), P2, Tick(date=dt.date(2025, 6, 1)), *six_panels(1800)]
    (made,) = statements(await worked(tmp_path / "new", *records, *initial(now, tables)))
    assert amounts(made) == {"COL": SPEC_AMOUNTS["COL"]}
    records[1] = msgspec.structs.replace(P2, edition="capc-2024")
    (made,) = statements(await worked(tmp_path / "named", *records, *initial(now, tables)))
    assert amounts(made) == {"COL": d("7257.60")}  # gold: 14%


@pytest.mark.parametrize("tables", [(), ("capc-2024",)])
async def test_a_reading_without_the_edition_of_its_period_states_nothing_and_says_what_to_do(
    tmp_path: Path, tables: tuple[str, ...]
) -> None:
    by = measured_by(*tables) if tables else ()
    said = await worked(tmp_path, contract(), *begun(by), *initial(SPEC_NOW, by))
    assert (statements(said), said.closes[-1].state) == ([], "complete")
    message = said.closes[-1].message or ""
    assert message.startswith("no statement was made: P2 is paid by capc-2025, and P2-initial was measured by ")
    assert (tables[0] if tables else "no edition") in message


async def test_a_period_whose_pool_lacks_a_panel_is_not_stated_and_says_which(tmp_path: Path) -> None:
    tables = measured_by()
    records = [contract(), P2, Tick(date=P2.k1), *six_panels(2)[9:], *initial([rate("COL", 64, 100)], tables)]
    said = await worked(tmp_path, *records)
    assert statements(said) == []
    assert "the panel of 2025-01 is missing" in (said.closes[-1].message or "")


async def test_a_panel_without_the_list_of_a_payer_is_no_pool_for_its_contracts(tmp_path: Path) -> None:
    tables = measured_by()
    asked = close("2025-06")
    without = [asked, *(answer(number, asked.close_id, not_frozen=("acme",)) for number in range(2))]
    records = [contract(), P2, Tick(date=dt.date(2025, 6, 1)), *six_panels(2)[:-3], *without]
    said = await worked(tmp_path, *records, *initial([rate("COL", 64, 100)], tables))
    assert statements(said) == []
    assert "the panel of 2025-06, on which the pool rests, has no list of acme" in (said.closes[-1].message or "")


async def test_a_pool_month_of_a_contract_that_has_ended_needs_its_panel_too(tmp_path: Path) -> None:
    earlier = contract(contract_id="C0", effective_to="2025-04-01")
    later = contract(effective_from="2025-04-01")
    records = [
        earlier,
        later,
        P2,
        Tick(date=P2.k1),
        *six_panels(2)[9:],
        *initial([rate("COL", 64, 100)], measured_by()),
    ]
    said = await worked(tmp_path, *records)
    assert "the panel of 2025-03 is missing" in (said.closes[-1].message or "")


async def test_whose_contract_has_ended_before_the_period_is_not_paid_and_the_close_says_who(tmp_path: Path) -> None:
    tables = measured_by()
    left = contract(contract_id="C2", practice_id="B", effective_to="2025-06-01")
    now = [rate("COL", 64, 100)]
    said = await worked(tmp_path, contract(), left, *begun(tables), *initial(now, tables))
    assert [one.practice_id for one in statements(said)] == ["A"]
    assert said.closes[-1].message == (
        "1 statement drafted, 5,313.60 dollars; practice B with acme has no contract in force on 2025-06-30, by which P2 would be paid"
    )


async def test_months_of_the_pool_without_a_contract_are_named_on_the_statement(tmp_path: Path) -> None:
    """As where a renewal was sent under the id of the contract that it follows: only 3 x 1,800 x 32.00 x 15% are left."""
    tables = measured_by()
    renewed = contract(effective_from="2025-04-01")
    said = await worked(tmp_path, contract(), renewed, *begun(tables), *initial([rate("COL", 64, 100)], tables))
    (made,) = statements(said)
    assert made.pool == d("25920.00")
    assert "No contract was in force in 2025-01, 2025-02, 2025-03: the pool has no base payment of them." in made.notes


async def test_the_phase_of_depression_chooses_rate_and_baseline(tmp_path: Path) -> None:
    table = tmp_path / "measures.csv"
    header = (
        "measure,label,type,population,equity_sensitive,scored,minimum,threshold,gold,unit,minimum_denominator,source"
    )
    table.write_text(f"{header}\nDSF,Depression,quality,both,no,yes,20,40,60,percent,30,test\n")
    shares = tmp_path / "shares.csv"
    lines = [f"{kind},DSF,4,6,10,test" for kind in ("adult", "mixed", "pediatric")]
    shares.write_text("practice_type,measure,improvement,threshold,gold,source\n" + "\n".join(lines) + "\n")
    use = [
        {"kind": kind, "name": "t", "version": "1", "digest": _digest(path)}
        for kind, path in (("incentive_measures", table), ("incentive_shares", shares))
    ]
    before = [rate("DSF", 39, 100), rate("DMS", 21, 100)]
    now = [rate("DSF", 39, 100), rate("DMS", 30, 100)]
    tables = measured_by()
    records = [contract(tables=use), *begun(tables, before), *initial(now, tables)]
    (screening,) = statements(await worked(tmp_path / "screening", *records, tables=tmp_path))
    assert (screening.lines[0].rate_name, screening.lines[0].reason) == ("DSF screened", "gap_not_closed")
    records[2] = msgspec.structs.replace(P2_WITH_BASELINE, dsf_phase="monitoring")
    (monitoring,) = statements(await worked(tmp_path / "monitoring", *records, tables=tmp_path))
    # (30 - 21)/(60 - 21) of the gap is closed: the improvement share, 4%.
    assert (monitoring.lines[0].rate_name, monitoring.lines[0].amount) == ("DMS assessed", d("2073.60"))


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- after the final close ----------------------------------------------------------------------------------------------


async def test_what_moves_a_final_reading_is_adjusted_with_the_next_close_of_any_reading(tmp_path: Path) -> None:
    """Two of the 64 screened for COL were voided: 62% is below the threshold and closes 4/9 of the gap from 58: 6% x 102/82."""
    before, tables = spec(tmp_path)
    records = [*before, *initial(SPEC_NOW, tables), *final(SPEC_NOW, tables), *moved(rate("COL", -2, 0))]
    said = await worked(tmp_path, *records)
    (_, last, adjusted) = statements(said)
    assert (adjusted.reading, adjusted.settles) == ("adjustment", last.statement_id)
    assert amounts(adjusted) == {**FINAL_AMOUNTS, "COL": d("3869.03")}
    assert (adjusted.previously_stated, adjusted.difference) == (d("31973.27"), d("-2740.57"))
    assert adjusted.cause == "What has become known until 2026-02-panel was closed, decided on 2026-01-27"
    assert said.closes[-1].message == "1 statement of final readings adjusted, -2,740.57 dollars"
    assert money_ledger.balance(said.money.entries, adjusted.payer, adjusted.practice_id).earned == adjusted.total
    # The next close tells all that has changed since the final one: what is adjusted already is not adjusted twice.
    again = await worked(tmp_path / "again", *records, *moved(rate("COL", -2, 0), month="2026-03"), tables=tmp_path)
    assert statements(again) == statements(said)
    back = await worked(tmp_path / "back", *records, *moved(rate("COL", 0, 0), month="2026-03"), tables=tmp_path)
    assert [one.difference for one in statements(back)][-1] == d("2740.57")
    assert statements(back)[-1].settles == adjusted.statement_id


async def test_an_adjustment_is_released_after_what_it_takes_the_place_of_and_a_negative_one_is_carried(
    tmp_path: Path,
) -> None:
    before, tables = spec(tmp_path)
    records = [*before, *initial(SPEC_NOW, tables), *final(SPEC_NOW, tables), *moved(rate("COL", -2, 0))]
    names = [one.statement_id for one in statements(await worked(tmp_path / "draft", *records, tables=tmp_path))]
    early = await worked(tmp_path / "early", *records, released(names[-1]), tables=tmp_path)
    assert "release that one first" in (early.money.refused[names[-1]][1].message or "")
    said = await worked(tmp_path / "all", *records, *map(released, names), tables=tmp_path)
    assert {one.state for one in said.money.statements.values()} == {"released"}
    found = money_ledger.balance(said.money.entries, *_both())
    assert (found.payable, found.carried) == (d("31973.27"), d("-2740.57"))


def _both() -> Any:
    return "acme", "A"


async def test_after_the_retro_limit_nothing_is_adjusted(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    records = [*before, *final(SPEC_NOW, tables)]
    late = moved(rate("COL", -2, 0), day=dt.date(2026, 6, 27), month="2026-07")
    assert len(statements(await worked(tmp_path / "late", *records, *late, tables=tmp_path))) == 1
    last_day = moved(rate("COL", -2, 0), day=dt.date(2026, 6, 26), month="2026-07")
    assert len(statements(await worked(tmp_path / "in time", *records, *last_day, tables=tmp_path))) == 2


async def test_a_change_that_moves_no_amount_makes_no_statement(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    said = await worked(tmp_path, *before, *final(SPEC_NOW, tables), *moved(rate("AMR", -1, 0), rate("GSD", 1, 1)))
    assert (len(statements(said)), said.closes[-1].message) == (1, None)


async def test_the_baseline_stays_what_it_was_when_it_was_frozen(tmp_path: Path) -> None:
    """Had the baseline of CBP been restated to 74, improvement would be declined."""
    before, tables = spec(tmp_path)
    baseline_moved = {"P0-final": [rate("CBP", 80, 0)], "P2-final": [rate("AMR", -1, 0)]}
    later = [Tick(date=JANUARY), *panel("2026-02", people(2), moved=baseline_moved)]
    said = await worked(tmp_path, *before, *final(SPEC_NOW, tables), *later)
    assert (len(statements(said)), said.closes[-1].message) == (1, None)


async def test_a_period_record_that_comes_after_the_final_close_changes_no_adjustment(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    records = [*before, *final(SPEC_NOW, tables)]
    other = msgspec.structs.replace(P2_WITH_BASELINE, edition="capc-2024", pool_months=3, baseline=None)
    said = await worked(tmp_path / "before", *records, *moved(rate("COL", -2, 0)), tables=tmp_path)
    late = await worked(tmp_path / "after", *records, other, *moved(rate("COL", -2, 0)), tables=tmp_path)
    assert len(statements(late)) == 2
    assert statements(late) == statements(said)


async def test_one_close_adjusts_every_final_reading_that_has_moved(tmp_path: Path) -> None:
    """64% of COL is 10.25% of the pool, times 102/14; of 62% and of 70%, without a baseline, nothing and 14%."""
    tables = measured_by()
    p1 = msgspec.structs.replace(
        P2,
        period="P1",
        performance_end=dt.date(2024, 12, 31),
        k1=dt.date(2025, 3, 31),
        k2=dt.date(2025, 9, 1),
        pool_from=dt.date(2024, 7, 1),
        edition=EDITION,
    )
    panels = [one for month in range(7, 13) for one in panel(f"2024-{month:02}", people(1800))]
    now = [rate("COL", 64, 100)]
    records = [contract(), p1, P2, Tick(date=dt.date(2025, 9, 1)), *panels, *six_panels(1800)]
    records += [*period("P1", "final", now, tables), *final(now, tables)]
    both = {"P1-final": [rate("COL", -2, 0)], "P2-final": [rate("COL", 6, 0)]}
    records += [Tick(date=dt.date(2025, 12, 28)), *panel("2026-01", people(2), moved=both)]
    said = await worked(tmp_path, *records)
    first = d("38713.37")  # 51,840.00 x 10.25% x 102/14
    assert [(one.period, one.reading, one.total) for one in statements(said)] == [
        ("P1", "final", first),
        ("P2", "final", first),
        ("P1", "adjustment", d("0.00")),
        ("P2", "adjustment", d("51840.00")),
    ]
    assert said.closes[-1].message == "2 statements of final readings adjusted, -25,586.74 dollars"


async def test_an_annulled_final_close_takes_its_adjustments_along(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    records = [*before, *final(SPEC_NOW, tables), *moved(rate("COL", -2, 0))]
    annul = CloseAnnul(close_id="P2-final", actor="ann", reason="wrong tables")
    said = await worked(tmp_path, *records, annul, *period("P2", "final", SPEC_NOW, tables, close_id="P2-final-2"))
    states = [(one.statement.reading, one.state) for one in said.money.statements.values()]
    assert states == [("final", "withdrawn"), ("adjustment", "withdrawn"), ("final", "draft")]
    assert money_ledger.balance(said.money.entries, *_both()).earned == d("31973.27")


async def test_a_baseline_on_which_a_statement_rests_is_not_annulled(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    annul = CloseAnnul(close_id="P0-final", actor="ann", reason="a mistake")
    said = await worked(tmp_path, *before, *initial(SPEC_NOW, tables), annul)
    assert (said.closes[-1].state, "annul P2-initial first" in (said.closes[-1].message or "")) == ("complete", True)


async def test_a_panel_of_the_pool_is_kept_also_when_a_later_period_record_leaves_its_month_out(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    shorter = msgspec.structs.replace(P2_WITH_BASELINE, pool_months=3, baseline=None)
    records = [*before, *final(SPEC_NOW, tables), shorter]
    for close_id in ("2025-06-panel", "P0-final"):
        annul = CloseAnnul(close_id=close_id, actor="ann", reason="a mistake")
        said = await worked(tmp_path / close_id, *records, annul, tables=tmp_path)
        assert (said.closes[-1].state, "annul P2-final first" in (said.closes[-1].message or "")) == ("complete", True)


# -- tables -------------------------------------------------------------------------------------------------------------


async def test_tables_of_contracts_are_checked_at_the_door_and_members_hear_nothing_of_them(tmp_path: Path) -> None:
    good, bad = tmp_path / "shares.csv", tmp_path / "bad.csv"
    header = "practice_type,measure,improvement,threshold,gold,source\n"
    good.write_text(f"{header}adult,COL,6,9,14,plan\n")
    bad.write_text(f"{header}adult,COL,20,9,14,plan\n")
    tables = [
        Table(kind="incentive_shares", name=path.stem, version="1", digest=_digest(path), activated_from=JANUARY)
        for path in (good, bad)
    ]
    said = await worked(tmp_path, *tables)
    assert [(reason, "shares must rise" in message) for reason, message in said.refused] == [("unusable_table", True)]
    assert said.broadcast == 0


# -- the log alone decides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [31, 33, 34, 37, 39, 44])
async def test_statements_are_the_same_bytes_wherever_the_conductor_is_killed(tmp_path: Path, cut: int) -> None:
    before, tables = spec(tmp_path)
    whole = [*before, *initial(SPEC_NOW, tables), *final(SPEC_NOW, tables), *moved(rate("COL", -2, 0))]
    killed = await worked(tmp_path / "cut", *whole, cuts=[cut], tables=tmp_path)
    assert killed.bytes == (await worked(tmp_path / "one", *whole, tables=tmp_path)).bytes


async def test_sums_that_come_again_after_a_kill_count_once(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    (tick, asked, part, first, second) = initial(SPEC_NOW, tables)
    once = await worked(tmp_path / "once", *before, tick, asked, part, first, second, tables=tmp_path)
    again = [tick, asked, part, part, first, part, first, second, part, second]
    assert statements(await worked(tmp_path / "again", *before, *again, tables=tmp_path)) == statements(once)


async def test_an_answer_whose_sums_are_not_on_the_log_stops_the_conductor(tmp_path: Path) -> None:
    before, tables = spec(tmp_path)
    records: Sequence[Any] = [
        *before,
        Tick(date=P2.k1),
        close("P2", "initial"),
        answer(0, "P2-initial", measured_by=tables, sums_parts=1),
    ]
    with pytest.raises(Stop, match="records of the log are missing"):
        await worked(tmp_path, *records)
