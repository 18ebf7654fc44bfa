"""Laws of element 3 from sums to statements: partitions do not matter, the ledger holds what is stated; and which rate is paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.money import LedgerEntry, Statement
from schemas.records import Period, Snapshot
from state.closing import opened
from state.measures import catalogue, editions
from state.measures.outcome import Sums
from state.measures.rates import Cell
from state.measures.results import Asked
from state.measures.said import cell_key, cell_named
from state.payment import drafting, frozen_rates, money_ledger, paid_rates, partial_sums, statements
from state.payment.drafting import Known, Panel
from state.payment.frozen_rates import FrozenRates, NotMeasured, Reading
from state.payment.incentive import IncentiveReading
from state.payment.rates import NO_PEERS
from state.reference.reference_rates import ReferenceRate
from tests.money_cases import MONTHS, P2, STORE, contract, d
from tests.paid_cases import EDITION, P2_WITH_BASELINE, RATE, close, people

LABELS = {EDITION: "adjusted, uncertified, unaudited"}
R = {"AHU": ReferenceRate(d("0.020")), "EDU": ReferenceRate(d("0.100"))}
PRACTICES = ("A", "Z")
PAID = {measure: name for measure, name in RATE.items() if measure not in {"DSF", "DMS"}}


def key(measure: str, practice: str, payer: str = "acme", rate: str | None = None, stratum: str = "") -> Cell:
    return Cell(measure, rate or PAID[measure], payer, practice, stratum)


def reading(close_id: str, sums: Mapping[Cell, Sums], edition: str = EDITION) -> Reading:
    return Reading(
        close_id=close_id,
        period=close_id.partition("-")[0],
        editions=LABELS,
        sums={(edition, cell): some for cell, some in sums.items()},
        reference=R,
    )


def snapshot(period: str, kind: Any, as_of: dt.date) -> Snapshot:
    asked = msgspec.structs.replace(close(period, kind), as_of=as_of, closed_on=as_of)
    return msgspec.structs.replace(opened(asked, 1), state="complete", content_digest="0" * 64, engine_version="1")


def known(*standing: Statement, **changes: Any) -> Known:
    terms = {"minimum_denominators": dict.fromkeys(PAID, 1)}
    panels = {
        month: Panel(
            snapshot=snapshot(f"{month:%Y-%m}", "panel", month),
            people=tuple(people(120, practice, age) for practice in PRACTICES for age in (8, 40)),
        )
        for month in MONTHS
    }
    return Known(
        contracts=[contract(contract_id=one, practice_id=one, **terms, **changes) for one in PRACTICES],
        practices=(),
        panels=panels,
        standing=standing,
        store=STORE,
    )


def drafted(frozen: FrozenRates, which: IncentiveReading, *standing: Statement) -> tuple[Statement, ...]:
    of = snapshot("P2", which, P2.performance_end)
    day = P2.k1 if which == "initial" else P2.k2
    return drafting.period_drafts(known(*standing), P2_WITH_BASELINE, which, of, frozen, day)


def rates(now: Mapping[Cell, Sums], before: Mapping[Cell, Sums], period: Period = P2_WITH_BASELINE) -> FrozenRates:
    return frozen_rates.rates_of(STORE, period, reading("P2-final", now), reading("P0-final", before))


@st.composite
def members(draw: st.DrawFn) -> list[tuple[Cell, Sums]]:
    """What each of some members adds to some rates."""
    found = []
    for _ in range(draw(st.integers(0, 25))):
        measure = draw(st.sampled_from(sorted(PAID)))
        more = {"expected": draw(st.decimals("0.001", 2, places=3))} if measure in {"AHU", "EDU"} else {}
        cell = key(measure, draw(st.sampled_from(PRACTICES)))
        found.append((cell, Sums(1, draw(st.integers(0, 1)), more)))
    return found


def summed(some: list[tuple[Cell, Sums]]) -> dict[Cell, Sums]:
    found: dict[Cell, Sums] = {}
    for cell, sums in some:
        found[cell] = found.get(cell, Sums()) + sums
    return found


# -- laws ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(now=members(), before=members(), data=st.data())
def test_any_split_of_members_over_partitions_and_records_gives_the_same_statements_byte_for_byte(
    now: list[tuple[Cell, Sums]], before: list[tuple[Cell, Sums]], data: st.DataObject
) -> None:
    split: list[list[tuple[Cell, Sums]]] = [[] for _ in range(3)]
    for one in data.draw(st.permutations(now)):
        split[data.draw(st.integers(0, 2))].append(one)
    parts = []
    most, partial_sums.MOST_BYTES = partial_sums.MOST_BYTES, data.draw(st.sampled_from([1, 200, 1_000_000]))
    try:
        for partition, some in enumerate(split):
            asked = Asked(EDITION, "P2", "final")
            stored = {cell_key(partition, asked, cell): sums for cell, sums in summed(some).items()}
            strata = {
                cell_key(partition, asked, msgspec.structs.replace(cell, stratum="race:a|b")): sums
                for cell, sums in summed(some).items()
            }
            parts += partial_sums.parts("P2-final", "P2-final", partition, {**strata, **stored})
    finally:
        partial_sums.MOST_BYTES = most
    told = {cell: sums for (_, cell), sums in partial_sums.added_up(data.draw(st.permutations(parts))).items()}
    in_parts, at_once = (drafted(rates(one, summed(before)), "final") for one in (told, summed(now)))
    assert list(map(statements.encode, in_parts)) == list(map(statements.encode, at_once))


@settings(max_examples=40, deadline=None)
@given(before=members(), seen=st.lists(members(), min_size=3, max_size=3))
def test_final_less_initial_and_every_adjustment_add_up_to_the_ledger(
    before: list[tuple[Cell, Sums]], seen: list[list[tuple[Cell, Sums]]]
) -> None:
    entries: list[LedgerEntry] = []
    stands: list[Statement] = []

    def state(made: tuple[Statement, ...]) -> None:
        for one in made:
            entries.extend(money_ledger.stated(entries, one, one.stated_on))
        stands.extend(made)

    first, second, third = (rates(summed(one), summed(before)) for one in seen)
    state(drafted(first, "initial"))
    state(drafted(second, "final", *stands))
    final = snapshot("P2", "final", P2.performance_end)
    later = snapshot("2026-02", "panel", dt.date(2026, 2, 1))
    state(drafting.period_adjustments(known(*stands), P2_WITH_BASELINE, final, third, later, dt.date(2026, 1, 27)))
    assert money_ledger.disagreements(entries, stands) == ()
    for practice in PRACTICES:
        mine = [one for one in stands if one.practice_id == practice]
        assert mine[1].difference == mine[1].total - mine[0].total
        assert sum(one.amount for one in entries if one.practice_id == practice) == mine[-1].total
        alone = next(one for one in drafted(third, "final", *mine[:1]) if one.practice_id == practice)
        assert mine[-1].total == alone.total, "an adjustment says what the final statement would say now"


# -- which rate is paid -------------------------------------------------------------------------------------------------


def test_every_rate_that_is_paid_is_one_of_its_measure_in_the_editions_of_the_program() -> None:
    for phase in ("screening", "monitoring", "remission"):
        paid = paid_rates.rates_of(STORE, phase)  # type: ignore[arg-type]
        assert sorted(paid) == sorted(["AHU", "AMR", "BCS", "CBP", "CIS", "COL", "DSF", "EDU", "GSD", "IMA", "TCOC"])
        for name in ("capc-2024", "capc-2025"):
            parameters = editions.built_in(name).parameters
            for one in paid.values():
                assert one.rate in catalogue.MEASURES[one.result].rates(parameters[one.result]), (name, one)


@pytest.mark.parametrize(
    ("end", "edition"),
    [("2023-12-31", None), ("2024-12-31", "capc-2024"), ("2025-06-30", "capc-2025"), ("2026-12-31", "capc-2025")],
)
def test_a_period_is_paid_by_the_rules_of_the_year_in_which_it_ends(end: str, edition: str | None) -> None:
    assert paid_rates.edition_of(STORE, msgspec.structs.replace(P2, performance_end=dt.date.fromisoformat(end))) == edition  # fmt: skip


def test_a_period_may_name_its_edition() -> None:
    assert paid_rates.edition_of(STORE, msgspec.structs.replace(P2, edition="capc-2024")) == "capc-2024"
    with pytest.raises(
        NotMeasured, match="P2 is paid by mine, and P2-final was measured by capc-2025: put that edition in force"
    ):
        rates({}, {}, msgspec.structs.replace(P2, edition="mine"))


def test_of_diabetes_the_rate_under_8_is_paid_and_other_rates_strata_and_editions_are_not() -> None:
    now = {
        key("GSD", "A"): Sums(100, 70),
        key("GSD", "A", rate="gt9"): Sums(100, 20),
    }
    found = rates(now, {}).sums
    assert [(cell.measure, one.numerator, one.rate_name) for cell, one in found.items()] == [
        ("GSD", Decimal(70), "GSD lt8")
    ]
    other = reading("P2-final", now, "capc-2024")
    assert frozen_rates.rates_of(STORE, P2, other, None).sums == {}


def test_cost_is_compared_with_the_mean_of_all_practices_of_the_payer() -> None:
    """A costs 300 in 2 months, Z 500 in 2: the mean is 200 a month, so that A has 300 / 400 = 0.75 and Z 1.25."""
    index = {
        Cell("TCOC", "index", "acme", "A", ""): Sums(700, 0, {"medical_months": d(2), "price_medical": d(300)}),
        Cell("TCOC", "index", "acme", "Z", ""): Sums(700, 0, {"medical_months": d(2), "price_medical": d(500)}),
        Cell("TCOC", "index", "alone", "A", ""): Sums(700, 0, {"medical_months": d(2), "price_medical": d(500)}),
    }
    found = rates(index, {}).sums
    assert [(one.numerator, one.expected, one.unscored) for one in found.values()] == [
        (d(300), d(400), None),
        (d(500), d(400), None),
        (d(500), d(500), NO_PEERS),
    ]


def test_rates_are_pooled_with_their_baselines() -> None:
    """A is 40 of 60 with acme and 24 of 40 with beta: 64% together, after 58% together; alone it would be 66.67%."""
    now = {key("COL", "A"): Sums(60, 40), key("COL", "A", "beta"): Sums(40, 24)}
    before = {key("COL", "A"): Sums(50, 30), key("COL", "A", "beta"): Sums(50, 28)}
    pooled = {"pools": {"pool_rates": True}}
    both = [contract(**pooled), contract(**pooled, contract_id="C2", payer="beta")]
    what = Known(contracts=both, practices=(), panels=known().panels, standing=(), store=STORE)
    of = snapshot("P2", "initial", P2.performance_end)
    made = drafting.period_drafts(what, P2_WITH_BASELINE, "initial", of, rates(now, before), P2.k1)
    lines = [line for one in made for line in one.lines if line.item == "COL"]
    assert [(one.rate, one.baseline) for one in lines] == [(d("64.00"), d("58.00"))] * 2


def test_the_key_of_a_sum_is_read_as_it_was_written_also_where_a_practice_has_the_sign_that_parts_it() -> None:
    asked, cell = Asked(EDITION, "P2", "final"), key("COL", "A|B")
    assert cell_named(cell_key(3, asked, cell)) == (asked, cell)
