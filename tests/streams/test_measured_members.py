"""The member agent measures: what is said live is what the facts give at once, however they came."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Aggregate, Claim, ClaimLine, Close, CloseAnnul, Period, Provider, Table, Tick
from state import engine
from state.calendar import from_date
from state.measures.credit import credit_of
from state.measures.editions import FOLDER, Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.facts import Wanted
from state.measures.keeping import kept_of, profile_of, span_of
from state.measures.measuring import of_program, rolling
from state.measures.rates import counted
from state.measures.results import Asked
from state.measures.said import cell_key
from state.reference.starter_sets import starter_sets
from tests.streams.test_member_partition import KNOWLEDGE, Log, claim, opened, span, worked

EDITION = "capc-2025"
P1 = Period(
    period="P1",
    performance_end=dt.date(2024, 12, 31),
    k1=dt.date(2025, 3, 31),
    k2=dt.date(2025, 6, 29),
    pool_from=dt.date(2024, 7, 1),
    pool_months=6,
)
ROSTER = Provider(
    npi="1234567893",
    practice_id="A",
    tin="950000001",
    taxonomy_code="207Q00000X",
    is_pcp=True,
    effective_from=dt.date(2020, 1, 1),
    roster_version=1,
)


def edition_table(name: str = EDITION) -> Table:
    import hashlib

    digest = hashlib.sha256((FOLDER / f"{name}.toml").read_bytes()).hexdigest()
    return Table(kind="editions", name=name, version="1", digest=digest, activated_from=dt.date(2024, 1, 1))


def mammogram(member: str, number: str, day: dt.date, **changes: Any) -> Claim:
    line = ClaimLine(claim_line_number=1, claim_line_start_date=day, hcpcs_code="77067", place_of_service_code="11")
    return claim(member, number, day, lines=(line,), **changes)


def woman(member: str, **changes: Any) -> Any:
    return span(member, birth_date=dt.date(1965, 3, 1), enrollment_start_date=dt.date(2021, 1, 1), **changes)


def program(log: Log) -> Log:
    log.control(ROSTER, P1, edition_table(), Tick(date=dt.date(2025, 2, 10)))
    return log


def last_said(said: list[Any], topic: str) -> dict[bytes, Any]:
    found = {key: record and record[0] for name, key, record in said if name == topic}
    return {key: record for key, record in found.items() if record is not None}


async def test_a_mammogram_closes_the_gap_and_its_void_opens_it_again(tmp_path: Path) -> None:
    log = program(Log()).add(woman("1"), claim("1", "V1", dt.date(2024, 6, 3)))
    log.add(mammogram("1", "M1", dt.date(2024, 5, 6)))
    log.add(mammogram("1", "M1", dt.date(2024, 5, 6), claim_frequency_code="8", claim_status="reversed"))
    _, said = await worked(tmp_path, log.batches(cuts=range(len(log.records))))
    gaps = [
        record[0].gaps[0].status
        for topic, key, record in said
        if topic == "gaps" and key == b"aetna|1|capc-2025|BCS|P1"
    ]
    # First nobody's gap, then that of the practice of the first visit.
    assert gaps == ["open", "open", "closed", "open"]
    sums = [(record[0].numerator, record[0].denominator) for topic, key, record in said
            if topic == "aggregates" and key == b"0|A|aetna|capc-2025|BCS|screened||P1|live"]  # fmt: skip
    assert sums == [(0, 1), (1, 1), (0, 1)]


async def test_who_has_lost_coverage_is_withdrawn_from_topics_and_sums(tmp_path: Path) -> None:
    log = program(Log()).add(
        woman("1"), claim("1", "V1", dt.date(2024, 6, 3)), mammogram("1", "M1", dt.date(2024, 5, 6))
    )
    log.add(woman("1", span_version=2, enrollment_end_date=dt.date(2024, 8, 1)))
    _, said = await worked(tmp_path, log.batches(range(len(log.records))))
    assert b"aetna|1|capc-2025|BCS|P1" not in last_said(said, "measures")
    assert b"aetna|1|capc-2025|BCS|P1" not in last_said(said, "gaps")
    cell = last_said(said, "aggregates")[b"0|A|aetna|capc-2025|BCS|screened||P1|live"]
    assert (cell.denominator, cell.numerator) == (0, 0)


async def test_a_visit_elsewhere_moves_the_credit(tmp_path: Path) -> None:
    log = program(Log()).add(
        woman("1"), claim("1", "V1", dt.date(2024, 6, 3)), mammogram("1", "M1", dt.date(2024, 5, 6))
    )
    log.add(claim("1", "V2", dt.date(2024, 11, 3), tin="950000002", npi="1245319599"))
    _, said = await worked(tmp_path, log.batches(range(len(log.records))))
    cells = last_said(said, "aggregates")
    assert cells[b"0|A|aetna|capc-2025|BCS|screened||P1|live"].denominator == 0
    assert cells[b"0|TIN:950000002|aetna|capc-2025|BCS|screened||P1|live"].numerator == 1


async def test_a_new_month_moves_the_rolling_twelve_months_of_everyone(tmp_path: Path) -> None:
    log = program(Log()).add(
        woman("1"), claim("1", "V1", dt.date(2024, 6, 3)), mammogram("1", "M1", dt.date(2023, 1, 6))
    )
    log.control(Tick(date=dt.date(2025, 4, 2)), Tick(date=dt.date(2025, 5, 1)))
    _, said = await worked(tmp_path, log.batches())
    results = [
        record[0] for topic, key, record in said if topic == "measures" and key == b"aetna|1|capc-2025|BCS|rolling"
    ]
    # The 27 months before 2025-02-28 and 2025-03-31 hold the mammogram of January 2023, those before 2025-05-31 do not.
    assert [(one.period_end, one.rates[0].numerator) for one in results] == [
        (dt.date(2025, 2, 28), 1),
        (dt.date(2025, 4, 30), 0),
        (dt.date(2025, 5, 31), 0),
    ]


async def test_a_final_close_ends_the_live_reading_of_its_period(tmp_path: Path) -> None:
    log = program(Log()).add(woman("1"), claim("1", "V1", dt.date(2024, 6, 3)))
    log.control(Tick(date=dt.date(2025, 7, 1)))
    log.control(
        Close(
            close_id="P1-final",
            period="P1",
            reading="final",
            actor="t",
            as_of=P1.performance_end,
            closed_on=dt.date(2025, 7, 1),
        )
    )
    log.add(mammogram("1", "M1", dt.date(2024, 5, 6)))
    _, said = await worked(tmp_path, log.batches())
    assert last_said(said, "measures")[b"aetna|1|capc-2025|BCS|P1"].rates[0].numerator == 0
    assert last_said(said, "measures")[b"aetna|1|capc-2025|BCS|rolling"].rates[0].numerator == 1


async def test_an_annulled_final_close_opens_its_period_again_and_counts_nobody_twice(tmp_path: Path) -> None:
    log = program(Log()).add(woman("1"), claim("1", "V1", dt.date(2024, 6, 3)))
    log.control(Tick(date=dt.date(2025, 7, 1)))
    log.control(
        Close(
            close_id="P1-final",
            period="P1",
            reading="final",
            actor="t",
            as_of=P1.performance_end,
            closed_on=dt.date(2025, 7, 1),
        )
    )
    log.add(mammogram("1", "M1", dt.date(2024, 5, 6)))
    log.control(CloseAnnul(close_id="P1-final", actor="t", reason="too early"))
    _, said = await worked(tmp_path, log.batches())
    cell = last_said(said, "aggregates")[b"0|A|aetna|capc-2025|BCS|screened||P1|live"]
    assert (cell.denominator, cell.numerator) == (1, 1)


async def test_an_edition_waits_for_its_value_sets_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = Log().control(ROSTER, P1, edition_table("cms-2025"), edition_table(), Tick(date=dt.date(2025, 2, 10)))
    log.add(woman("1"), claim("1", "V1", dt.date(2024, 6, 3)))
    _, said = await worked(tmp_path, log.batches())
    assert {record.edition for record in last_said(said, "measures").values()} == {"capc-2025"}
    assert "edition cms-2025 is not in force" in caplog.text


def random_history(seed: int) -> Log:
    """Members of one partition with late, repeated, replaced and voided claims, retro-terminations, and the clock in between."""
    chance = random.Random(seed)
    facts: list[Any] = []
    for member in map(str, range(4)):
        facts.append(woman(member))
        if chance.random() < 0.3:
            facts.append(woman(member, span_version=2, enrollment_end_date=dt.date(2024, chance.randint(3, 12), 1)))
        for number in range(chance.randint(1, 5)):
            day = dt.date(2022, 10, 1) + dt.timedelta(days=chance.randint(0, 820))
            make = chance.choice((claim, mammogram))
            tin = chance.choice(("950000001", "950000002"))
            one = make(member, f"{member}-{number}", day, tin=tin)
            facts.append(one)
            if chance.random() < 0.3:
                facts.append(
                    make(member, f"{member}-{number}", day, tin=tin, claim_frequency_code="8", claim_status="reversed")
                )
            if chance.random() < 0.3:
                facts.append(one)
    chance.shuffle(facts)
    controls: list[Any] = [
        ROSTER,
        P1,
        edition_table(),
        Tick(date=dt.date(2025, 1, 15)),
        Tick(date=dt.date(2025, 2, 10)),
    ]
    places = [*sorted(chance.sample(range(len(facts) + 1), len(controls) - 1)), len(facts)]
    log, done = Log(), 0
    for place, control in zip(places, controls, strict=True):
        log.add(*facts[done:place])
        log.control(control)
        done = place
    return log


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), cuts=st.lists(st.integers(0, 60), max_size=6))
async def test_results_and_sums_are_those_of_all_facts_at_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int]
) -> None:
    log = random_history(seed)
    folder = tmp_path_factory.mktemp("measured")
    digest, said = await worked(folder, log.batches(cuts))
    assert (await worked(tmp_path_factory.mktemp("one"), log.batches(range(len(log.records)))))[0] == digest

    agent = await opened(folder)
    knowledge, day = agent.knowledge, dt.date(2025, 2, 10)
    bound, as_of = Bound(built_in(EDITION), starter_sets()), from_date(day)
    # Live members do without what a measure reads only beside something else.
    everything = Wanted(lambda code: bool(bound.roles_of[code]))
    wanted: dict[str, dict[str, Any]] = {}
    cells: dict[str, Any] = defaultdict(lambda: (0, 0))
    stored = await agent.state.concerned(_everyone(), "", 100)
    all_rows = await agent._all_rows([row.key for row in stored])
    await agent.state.close()
    for row in stored:
        rows = all_rows[row.key]
        member = engine.decode_member(row.state)
        kept = [
            one for name in rows
            if (one := kept_of(name, rows[name], everything, allow_reopen=False)) is not None
        ]  # fmt: skip
        profile = profile_of(span_of(name, one) for name, one in rows.items() if name.startswith("span:"))  # type: ignore[arg-type]
        for window, period in (("P1", of_program(P1)), ("rolling", rolling(as_of))):
            for measure, outcomes in evaluate(profile, kept, bound, period, as_of).outcomes.items():
                practice = credit_of(outcomes).practice(
                    period,
                    as_of,
                    lambda on, member=member: (
                        engine.attribution(member, dt.date.fromordinal(on), knowledge).practice_id or ""
                    ),
                )
                wanted[f"{row.key}|{EDITION}|{measure}|{window}"] = {one.rate: one.numerator for one in outcomes}
                for cell, sums in counted(measure, member.payer, practice, profile, outcomes):
                    key = cell_key(0, Asked(EDITION, window, "live"), cell)
                    cells[key] = (cells[key][0] + sums.denominator, cells[key][1] + sums.numerator)
    found = {
        key.decode(): {one.rate: one.numerator for one in record.rates}
        for key, record in last_said(said, "measures").items()
    }
    assert found == wanted
    aggregates: dict[bytes, Aggregate] = last_said(said, "aggregates")
    counts = {key.decode(): (one.denominator, one.numerator) for key, one in aggregates.items()}
    assert {key: pair for key, pair in counts.items() if pair != (0, 0)} == dict(cells)
    assert all(one.sums == () or one.sums[0].value != Decimal() for one in aggregates.values())


def _everyone() -> Any:
    from state.stores.members import Selection

    return Selection()


def test_nothing_is_measured_before_a_record_says_so() -> None:
    assert KNOWLEDGE.measuring.is_nothing
