"""Claims and corrections after a panel's close: what the next close states of them, through partitions and conductor, without a broker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faust.types import TP

from schemas.money import Statement
from schemas.records import CloseAnnul, MemberFact, Restated, Tick
from state import restating
from state.payment import money_ledger
from streams import members as members_module
from streams.batching import Batch
from tests.money_cases import P2, d
from tests.panels_to_money import (
    AUGUST,
    AUGUST_31,
    CONTRACT,
    JULY,
    JULY_31,
    JUNE_30,
    MOVES,
    ROSTER,
    STAYS,
    Closed,
    answers,
    belongs,
    ended,
    log_of,
    opened,
    row,
    span,
    stated,
    visit,
    void,
)
from tests.streams.test_paying import Said, released
from tests.streams.test_paying import worked as conducted

CLOSE_JULY = Closed(JULY, JUNE_30)
CLOSE_AUGUST = Closed(AUGUST, JULY_31)
BEGUN: list[Any] = [*ROSTER, Tick(date=JUNE_30), *(fact for member in "0123" for fact in belongs(member)), CLOSE_JULY]
"""Four members on practice B's panel of July: 4 x 20 + 4 x 4 = 96.00."""
NEXT: list[Any] = [Tick(date=JULY_31), CLOSE_AUGUST]


def statements(said: Said, period: str) -> list[Statement]:
    return [one.statement for one in said.money.statements.values() if one.statement.period == period]


def lines(statement: Statement) -> list[tuple[str, str, Decimal, Decimal | None]]:
    return [(line.item, line.kind, line.amount, line.information) for line in statement.lines]


async def test_services_of_a_month_are_told_with_the_next_panel_by_class_and_side(tmp_path: Path) -> None:
    said = await stated(
        tmp_path,
        [
            *BEGUN,
            visit("0", "C0"),
            visit("1", "C1", "99395", "80.00"),
            visit("2", "C2", "99283", "300.00", place="23"),
            visit("3", "C3", npi=MOVES),  # at practice A: no line of B's
            *[span("9"), visit("9", "C9", allowed="50.00")],  # on nobody's panel of July
            *NEXT,
        ],
    )
    (july,) = statements(said, "2025-07")
    assert lines(july) == [
        ("2025-07", "capitation", d("80.00"), None),
        ("2025-07", "population_health", d("16.00"), None),
    ]
    (august,) = statements(said, "2025-08")
    # A visit at A in July makes member 3 a patient of A from August on, and 9 one of B.
    assert lines(august) == [
        ("2025-08", "capitation", d("80.00"), None),
        ("2025-07", "fee_for_service", d("0.00"), d("80.00")),
        ("2025-07", "fee_for_service", d("0.00"), d("350.00")),
        ("2025-07", "capitated_services", d("0.00"), d("120.00")),
        ("2025-08", "population_health", d("16.00"), None),
    ]
    assert [line.label for line in august.lines[1:4]] == [
        "All other services, paid fee for service by the plan",
        "E&M 992xx, paid fee for service by the plan",
        "E&M 992xx, covered by the capitation",
    ]


async def test_a_retro_termination_and_a_void_are_an_adjustment_of_the_month_with_the_next_close(
    tmp_path: Path,
) -> None:
    """Worked out by hand.

    July: 4 x 20.00 + 4 x 4.00 = 96.00. Then member 1 turns out to have left in June, and member 2's visit in May is void: two of four
    remain. 2 x 20 + 2 x 4 = 48.00. Member 1's visit of 120.00 and 2's of 75.50 were capitated and are fee for service now; 1's well visit
    always was, and 0's visit still is capitated. 48.00 + 195.50 = 243.50, so that 147.50 more is owed.
    """
    said = await stated(
        tmp_path,
        [
            *BEGUN,
            visit("0", "C0", allowed="200.00"),
            visit("1", "C1"),
            visit("1", "C2", "99395", "80.00"),
            visit("2", "C3", "99214", "75.50"),
            ended("1"),
            void("2"),
            *NEXT,
        ],
    )
    july, adjusted = statements(said, "2025-07")
    assert (july.total, adjusted.reading, adjusted.settles) == (d("96.00"), "adjustment", july.statement_id)
    assert (adjusted.previously_stated, adjusted.total, adjusted.difference) == (d("96.00"), d("243.50"), d("147.50"))
    assert lines(adjusted) == [
        ("2025-07", "capitation", d("40.00"), None),
        ("2025-07", "turnaround", d("195.50"), None),
        ("2025-07", "fee_for_service", d("0.00"), d("80.00")),
        ("2025-07", "fee_for_service", d("0.00"), d("195.50")),
        ("2025-07", "capitated_services", d("0.00"), d("200.00")),
        ("2025-07", "population_health", d("8.00"), None),
    ]
    assert adjusted.cause == "the panel was corrected, decided on 2025-07-31"
    assert adjusted.snapshot == july.snapshot
    # August: member 2 is back by the visit of July, 1 is gone; what the adjustment has told is not told again.
    (august,) = statements(said, "2025-08")
    assert lines(august) == [
        ("2025-08", "capitation", d("60.00"), None),
        ("2025-08", "population_health", d("12.00"), None),
    ]
    assert said.closes[-1].message == (
        "1 statement drafted, 72.00 dollars; 1 statement of earlier months adjusted, 147.50 dollars"
    )
    assert money_ledger.balance(said.money.entries, "aetna", "B").earned == d("315.50")  # type: ignore[arg-type]
    every = [one.statement for one in said.money.statements.values()]
    assert money_ledger.disagreements(said.money.entries, every) == ()


async def test_who_is_enrolled_late_is_paid_for_and_capitated_services_come_off(tmp_path: Path) -> None:
    said = await stated(tmp_path, [*BEGUN, *belongs("7"), visit("7", "C7"), *NEXT])
    _, adjusted = statements(said, "2025-07")
    # 24.00 more for the member month, 120.00 less for what the plan has paid fee for service.
    assert (adjusted.total, adjusted.difference) == (d("0.00"), d("-96.00"))
    assert [line.amount for line in adjusted.lines if line.amount] == [d("100.00"), d("-120.00"), d("20.00")]


async def test_a_negative_adjustment_is_carried_forward_and_never_asked_back(tmp_path: Path) -> None:
    records = [*BEGUN, ended("1"), *NEXT]
    said = await stated(tmp_path / "drafts", records)
    july, adjusted = statements(said, "2025-07")
    (august,) = statements(said, "2025-08")
    assert (adjusted.difference, august.difference) == (d("-24.00"), d("72.00"))
    orders = [released(one.statement_id) for one in (july, adjusted, august)]
    said = await stated(tmp_path / "released", [*records, *orders])
    asked = {one.statement_id: one.amount for one in said.money.entries if one.kind == "to_pay"}
    assert asked == {july.statement_id: d("96.00"), august.statement_id: d("48.00")}


async def test_an_adjustment_goes_out_after_what_it_takes_the_place_of(tmp_path: Path) -> None:
    records = [*BEGUN, ended("1"), *NEXT]
    _, adjusted = statements(await stated(tmp_path / "drafts", records), "2025-07")
    said = await stated(tmp_path / "early", [*records, released(adjusted.statement_id)])
    assert "release that one first" in (said.money.refused[adjusted.statement_id][1].message or "")


async def test_a_correction_taken_back_is_adjusted_back_and_later_claims_count_where_the_panel_has_them(
    tmp_path: Path,
) -> None:
    september = [Tick(date=AUGUST_31), Closed(dt.date(2025, 9, 1), AUGUST_31)]
    back = span("1", span_version=3)
    said = await stated(
        tmp_path, [*BEGUN, visit("1", "C1"), ended("1"), *NEXT, back, visit("1", "C2", allowed="10.00"), *september]
    )
    july, first, second = statements(said, "2025-07")
    assert [one.total for one in (july, first, second)] == [d("96.00"), d("192.00"), d("96.00")]
    assert (second.settles, second.difference) == (first.statement_id, d("-96.00"))
    assert ("2025-07", "capitated_services", d("0.00"), d("130.00")) in lines(second)


async def test_a_claim_that_comes_after_the_correction_is_turned_with_the_close_after_it(tmp_path: Path) -> None:
    september = [Tick(date=AUGUST_31), Closed(dt.date(2025, 9, 1), AUGUST_31)]
    said = await stated(tmp_path, [*BEGUN, ended("1"), *NEXT, visit("1", "C1"), *september])
    assert [one.difference for one in statements(said, "2025-07")] == [d("96.00"), d("-24.00"), d("120.00")]


async def test_services_are_told_again_only_when_they_have_changed(tmp_path: Path) -> None:
    september = [Tick(date=AUGUST_31), Closed(dt.date(2025, 9, 1), AUGUST_31)]
    october = [Tick(date=dt.date(2025, 9, 30)), Closed(dt.date(2025, 10, 1), dt.date(2025, 9, 30))]
    gone = void("0", "C0", dt.date(2025, 7, 9))
    said = await stated(tmp_path, [*BEGUN, visit("0", "C0"), *NEXT, *september, gone, *october])
    told = {
        one.statement.period: [line.information for line in one.statement.lines if line.information is not None]
        for one in said.money.statements.values()
    }
    assert told == {"2025-07": [], "2025-08": [d("120.00")], "2025-09": [], "2025-10": [d("0.00")]}


async def test_a_panel_frozen_after_its_month_has_its_services_at_once(tmp_path: Path) -> None:
    late = dt.date(2025, 12, 15)
    begun = BEGUN[:-1]
    facts = [visit("0", "C0"), visit("1", "C1", allowed="30.00"), void("1", "C1", dt.date(2025, 7, 9))]
    said = await stated(tmp_path, [*begun, *facts, Tick(date=late), Closed(JULY, late)])
    (july,) = statements(said, "2025-07")
    assert [line for line in lines(july) if line[3] is not None] == [
        ("2025-07", "capitated_services", d("0.00"), d("120.00"))
    ]


async def test_what_a_roster_row_moves_afterwards_moves_members_and_lines(tmp_path: Path) -> None:
    """The clinician of B turns out to have been at A all along: B loses its members of July, and its lines are A's."""
    moved = [row(STAYS, "B", roster_version=2, effective_to=dt.date(2020, 1, 1)), row(STAYS, "A")]
    said = await stated(tmp_path, [*BEGUN, visit("0", "C0"), visit("1", "C1", "90471", "25.00"), *moved, *NEXT])
    july, adjusted = statements(said, "2025-07")
    assert (july.total, adjusted.total) == (d("96.00"), d("0.00"))
    assert [line.kind for line in adjusted.lines] == ["capitation", "population_health"]


async def test_a_line_that_is_no_visit_is_found_by_a_roster_row_too(tmp_path: Path) -> None:
    """An injection by a nurse whom no roster has yet."""
    nurse = "1093817465"
    shot = visit("0", "C0", "90471", "25.00", npi=nurse, billing_tin="950000009")
    september = [Tick(date=AUGUST_31), Closed(dt.date(2025, 9, 1), AUGUST_31)]
    late = row(nurse, "B", is_pcp=False, taxonomy_code="163W00000X", tin="950000009")
    said = await stated(tmp_path, [*BEGUN, shot, *NEXT, late, *september])
    (august,), (statement,) = statements(said, "2025-08"), statements(said, "2025-09")
    assert [line for line in lines(august) if line[3] is not None] == []
    assert [line for line in lines(statement) if line[3] is not None] == [
        ("2025-07", "fee_for_service", d("0.00"), d("25.00"))
    ]


async def test_after_the_retro_limit_a_month_stands_for_good(tmp_path: Path) -> None:
    late = dt.date(2026, 1, 1)
    records = [*BEGUN, Tick(date=late), ended("1"), Closed(dt.date(2026, 2, 1), late)]
    said = await stated(tmp_path, records)
    assert len(statements(said, "2025-07")) == 1


async def test_the_contract_of_a_month_holds_for_its_adjustments(tmp_path: Path) -> None:
    dearer = msgspec.structs.replace(CONTRACT, capitation_pmpm=d("99.00"))
    said = await stated(tmp_path, [*BEGUN, dearer, ended("1"), *NEXT])
    _, adjusted = statements(said, "2025-07")
    assert adjusted.total == d("72.00")
    (august,) = statements(said, "2025-08")
    assert august.total == d("309.00")  # 3 x 99 + 3 x 4


async def test_an_annulled_panel_takes_its_adjustments_along_and_is_stated_anew(tmp_path: Path) -> None:
    annul = CloseAnnul(close_id="2025-07-panel", actor="ann", reason="roster")
    again = Closed(JULY, JULY_31, "2025-07-panel-2")
    said = await stated(tmp_path, [*BEGUN, visit("1", "C1"), ended("1"), *NEXT, annul, again])
    july = [
        (one.state, one.statement.total) for one in said.money.statements.values() if one.statement.period == "2025-07"
    ]
    assert july == [("withdrawn", d("96.00")), ("withdrawn", d("192.00")), ("draft", d("72.00"))]
    assert money_ledger.balance(said.money.entries, "aetna", "B").earned == d("144.00")  # type: ignore[arg-type]


async def test_a_quarter_paid_at_once_is_adjusted_as_one_when_one_of_its_months_has_changed(tmp_path: Path) -> None:
    quarterly = msgspec.structs.replace(
        CONTRACT, capitation_pmpm=None, track="A", phm_frequency="quarterly", service_classes=()
    )
    begun = BEGUN[:-1]
    months = [Closed(dt.date(2025, month, 1), JUNE_30) for month in (7, 8)]
    leaves = span("1", span_version=2, enrollment_end_date=dt.date(2025, 7, 20))
    october = [Tick(date=dt.date(2025, 9, 30)), Closed(dt.date(2025, 10, 1), dt.date(2025, 9, 30))]
    september = [Tick(date=dt.date(2025, 7, 2)), Closed(dt.date(2025, 9, 1), dt.date(2025, 7, 2))]
    said = await stated(tmp_path, [*begun, *months, *september, leaves, *october], of=[quarterly])
    july, adjusted = statements(said, "2025-07")
    # 4.00 x 4 members x 3 months; then one leaves for August and September.
    assert (july.total, adjusted.total, adjusted.difference) == (d("48.00"), d("40.00"), d("-8.00"))
    assert [line.members for line in adjusted.lines] == [4, 3, 3]


@pytest.mark.parametrize(("partitions", "step"), [(1, 1), (2, None), (3, 4)])
async def test_the_same_is_stated_however_members_are_spread_and_batches_cut(
    tmp_path: Path, partitions: int, step: int | None
) -> None:
    records = [
        *BEGUN,
        visit("0", "C0"),
        visit("1", "C1"),
        ended("1"),
        *belongs("7"),
        visit("7", "C7"),
        void("2"),
        *NEXT,
    ]
    one = await stated(tmp_path / "one", records)
    other = await stated(tmp_path / "other", records, partitions, step=step)
    assert [one.statement for one in one.money.statements.values()] == [
        one.statement for one in other.money.statements.values()
    ]


async def test_much_is_handed_over_in_several_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [*BEGUN, *(visit(str(n % 4), f"C{n}", f"992{n}") for n in range(10, 20)), ended("1"), *NEXT]
    whole = await stated(tmp_path / "whole", records)
    monkeypatch.setattr(restating, "MOST_COUNTS", 3)
    parts = await stated(tmp_path / "parts", records)
    found = (await answers(tmp_path / "again", records))["2025-08-panel"]
    assert sum(isinstance(one, Restated) for one in found) > 2
    assert {name: one.statement for name, one in whole.money.statements.items()} == {
        name: one.statement for name, one in parts.money.statements.items()
    }


async def test_only_what_has_changed_is_handed_over(tmp_path: Path) -> None:
    september = [Tick(date=AUGUST_31), Closed(dt.date(2025, 9, 1), AUGUST_31)]
    records = [*BEGUN, visit("0", "C0"), visit("1", "C1", "99395"), *NEXT, visit("2", "C2"), *september]
    given = await answers(tmp_path, records)
    handed = {
        name: [
            count.code for one in found if isinstance(one, Restated) for panel in one.panels for count in panel.services
        ]
        for name, found in given.items()
    }
    assert handed == {"2025-07-panel": [], "2025-08-panel": ["99213", "99395"], "2025-09-panel": ["99213"]}


LIFE = [*BEGUN, visit("0", "C0"), visit("1", "C1"), ended("1"), *belongs("7"), visit("7", "C7"), void("2"), *NEXT]


@pytest.mark.parametrize("cut", [4, 6, 7, 8])
async def test_the_conductor_states_the_same_bytes_wherever_it_is_killed(tmp_path: Path, cut: int) -> None:
    whole, killed = await stated(tmp_path / "whole", LIFE), await stated(tmp_path / "killed", LIFE, cuts=[cut])
    assert killed.bytes == whole.bytes


class Killed(Exception):
    """The worker dies here."""


@pytest.mark.parametrize("at", [("before_step", 3), ("after_step", 3), ("before_partial", 1), ("after_partial", 1)])
async def test_a_partition_killed_in_a_close_hands_over_the_same_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: tuple[str, int]
) -> None:
    monkeypatch.setattr(members_module, "STEP", 1)
    log = log_of(LIFE)
    batch = Batch(TP("member-events", 0), 1, 0, len(log), tuple(log))

    async def run(folder: Path, *, killed: bool) -> tuple[str, list[tuple[bytes, bytes | None]]]:
        agent = await opened(folder)
        if killed:
            left = dict([at])

            def failpoint(name: str) -> None:
                left[name] = left.get(name, 0) - 1
                if left[name] == 0:
                    raise Killed

            with monkeypatch.context() as patch:
                patch.setattr(members_module, "failpoint", failpoint)
                with pytest.raises(Killed):
                    await agent.apply(batch)
            await agent.state.close()
            agent = await opened(folder)
        await agent.apply(batch)
        digest = await agent.state.digest()
        said = [(one.key, one.value) for one in await agent.state.waiting(100_000) if one.topic == "control"]
        await agent.state.close()
        return digest, said

    assert await run(tmp_path / "killed", killed=True) == await run(tmp_path / "whole", killed=False)


async def test_a_released_statement_is_adjusted_by_the_terms_that_it_was_stated_by(tmp_path: Path) -> None:
    name = (await stated(tmp_path / "draft", BEGUN)).id_of("2025-07")
    held = released(name, action="hold")
    dearer = msgspec.structs.replace(CONTRACT, phm_pmpm=d("9.00"))
    said = await stated(tmp_path / "out", [*BEGUN, held, released(name), dearer, ended("1"), *NEXT])
    (july, state), (adjusted, after) = [
        (one.statement, one.state) for one in said.money.statements.values() if one.statement.period == "2025-07"
    ]
    assert (state, after, july.total, adjusted.total) == ("released", "draft", d("96.00"), d("72.00"))


async def test_the_next_close_of_any_reading_brings_the_adjustment(tmp_path: Path) -> None:
    """An initial close of a period, though it states nothing itself, because nothing was measured."""
    initial = Closed(P2.performance_end, P2.k1, reading="initial", period="P2")
    said = await stated(tmp_path, [P2, *BEGUN, ended("1"), Tick(date=P2.k1), initial])
    assert [one.difference for one in statements(said, "2025-07")] == [d("96.00"), d("-24.00")]
    message = said.closes[-1].message or ""
    assert message.startswith("no statement was made: ")
    assert message.endswith("; 1 statement of earlier months adjusted, -24.00 dollars")


async def test_what_is_handed_over_with_a_later_close_is_not_for_an_earlier_one(tmp_path: Path) -> None:
    """Partition 1 answers both closes before partition 0 answers the first: July is adjusted as if each had waited for the other."""
    september = Closed(dt.date(2025, 9, 1), JULY_31)
    records = [*BEGUN, ended("1"), *NEXT, ended("2"), september]
    given = await answers(tmp_path / "answers", records, 2)
    of = [CONTRACT, *(one for one in records if not isinstance(one, MemberFact | Closed))]
    first, second, third = (given[one.id] for one in (CLOSE_JULY, CLOSE_AUGUST, september))

    def by(partition: int, found: Sequence[Any]) -> list[Any]:
        return [one for one in found if one.partition == partition]

    begun = [*of, CLOSE_JULY.asked, *first, CLOSE_AUGUST.asked]
    in_turn = await conducted(tmp_path / "one", *begun, *second, september.asked, *third, partitions=2)
    apart = [september.asked, *by(1, second), *by(1, third), *by(0, second), *by(0, third)]
    crossed = await conducted(tmp_path / "other", *begun, *apart, partitions=2)
    assert [one.statement for one in crossed.money.statements.values()] == [
        one.statement for one in in_turn.money.statements.values()
    ]
    assert [one.difference for one in statements(crossed, "2025-07")] == [d("96.00"), d("-24.00"), d("-24.00")]


@pytest.mark.parametrize(("months", "adjusted"), [(1, 0), (2, 1)])
async def test_a_contract_may_end_adjustments_before_the_panel_does(tmp_path: Path, months: int, adjusted: int) -> None:
    """July was stated on its first day: with one month nothing is adjusted from August on."""
    of = [msgspec.structs.replace(CONTRACT, retro_limit_months=months)]
    september = [Tick(date=AUGUST_31), Closed(dt.date(2025, 9, 1), AUGUST_31)]
    said = await stated(tmp_path, [*BEGUN, *NEXT, ended("1"), *september], of=of)
    assert len(statements(said, "2025-07")) == 1 + adjusted
