"""Measures at a period's closes: initial, then final, then adjustments; and the same bytes wherever a worker was killed."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Close, CloseAnnul, Partial, PartialSums, PracticeResult, Snapshot, Table, Tick
from state import closing, engine, results
from state.calendar import from_date
from state.measures.credit import credit_of
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.keeping import kept_of, profile_of, span_of
from state.measures.measuring import of_program
from state.measures.outcome import Sums
from state.measures.rates import Cell, counted, sums_of
from state.measures.results import Asked, gap_rows, measure_row, rate_row
from state.payment import partial_sums
from state.payment.partial_sums import added_up
from state.reference.starter_sets import starter_sets
from state.reference.tables import BUILT_IN
from streams import members as members_module
from streams.frozen_results import read_back
from streams.members import MemberPartition
from tests.streams.test_closes_of_a_partition import outputs
from tests.streams.test_measured_members import (
    EDITION,
    P1,
    ROSTER,
    _everyone,
    edition_table,
    last_said,
    mammogram,
    program,
    random_history,
    woman,
)
from tests.streams.test_member_partition import CODEC, Log, claim, opened, worked
from tests.streams.test_snapshots import closed

K2 = dt.date(2025, 7, 1)
D = from_date(P1.performance_end)
ELSEWHERE = {"tin": "950000002", "npi": "1245319599"}
BCS = f"measure:{EDITION}:BCS:screened"


def close(reading: Any = "final", close_id: str | None = None, **changes: Any) -> Close:
    made = Close(
        close_id=close_id or f"P1-{reading}",
        period="P1",
        reading=reading,
        actor="ann",
        as_of=P1.performance_end,
        closed_on=K2,
    )
    return msgspec.structs.replace(made, **changes)


def year_closed(log: Log, *closes: Any) -> Log:
    return log.control(Tick(date=K2), *(closes or (close(),)))


def seen(*members: str) -> Log:
    """Women of practice A without a mammogram."""
    log = program(Log())
    for member in members:
        log.add(woman(member), claim(member, f"V{member}", dt.date(2024, 6, 3)))
    return log


def adjusted(said: list[Any], what: str = BCS) -> list[tuple[str, str, str, str]]:
    """Adjustments of a rate: practice, before, after, cause."""
    found = [record[0] for topic, _, record in said if topic == "adjustments"]
    return [(one.practice_id, one.before, one.after, one.cause) for one in found if one.what == what]


def submitted_mammogram(member: str, **changes: Any) -> PracticeResult:
    made = PracticeResult(
        payer="aetna",
        member_id=member,  # type: ignore[arg-type]
        practice_id="A",  # type: ignore[arg-type]
        result_id="R1",
        result_version=1,
        code_system="CPT",
        code="77067",
        date=dt.date(2024, 5, 6),
        document_ref="D1",
        state="submitted",
    )
    return msgspec.structs.replace(made, **changes)


# -- initial and final --------------------------------------------------------------------------------------------------


def read_as(said: list[Any], reading: str) -> tuple[int, str]:
    """Member 1's numerator, and the gap."""
    key = f"aetna|1|{EDITION}|BCS|P1{reading and '|'}{reading}".encode()
    return last_said(said, "measures")[key].rates[0].numerator, last_said(said, "gaps")[key].gaps[0].status


async def test_what_a_practice_submits_counts_live_and_in_a_closed_reading_once_it_is_accepted(tmp_path: Path) -> None:
    submitted, accepted = submitted_mammogram("1"), submitted_mammogram("1", result_version=2, state="accepted")
    log = year_closed(seen("1").add(submitted), close("initial")).add(accepted).control(close("final"))
    _, said = await worked(tmp_path, log.batches())
    assert read_as(said, "") == (1, "closed")
    assert read_as(said, "initial") == (0, "open")
    assert read_as(said, "final") == (1, "closed")
    sums = {key: (one.numerator, one.denominator) for key, one in last_said(said, "aggregates").items()}
    assert [sums[f"0|A|aetna|{EDITION}|BCS|screened||P1|{of}".encode()] for of in ("live", "initial", "final")] == [
        (1, 1),
        (0, 1),
        (1, 1),
    ]


async def test_what_happens_after_the_last_day_is_not_in_the_reading(tmp_path: Path) -> None:
    log = seen("1").add(mammogram("1", "M1", dt.date(2025, 1, 2)))
    _, said = await worked(tmp_path, year_closed(log).batches())
    assert read_as(said, "final") == (0, "open")
    assert last_said(said, "measures")[f"aetna|1|{EDITION}|BCS|P1|final".encode()].as_of == P1.performance_end


async def test_the_credit_is_that_of_the_last_day_as_known_at_the_close(tmp_path: Path) -> None:
    log = seen("1").add(claim("1", "V2", dt.date(2025, 2, 3), **ELSEWHERE))
    _, said = await worked(tmp_path, year_closed(log).batches())
    result = last_said(said, "measures")[f"aetna|1|{EDITION}|BCS|P1|final".encode()]
    assert result.practice_id == "A"


async def test_the_credit_follows_the_rules_of_the_last_day_and_so_do_adjustments(tmp_path: Path) -> None:
    """Since March the latest visit decides, and in December the most visits did."""
    recency = (BUILT_IN / "rulesets" / "recency_first.toml").read_bytes()
    table = Table(
        kind="ruleset",
        name="recency_first",
        version="1",
        digest=hashlib.sha256(recency).hexdigest(),
        activated_from=dt.date(2025, 3, 1),
    )
    log = program(Log()).control(table).add(woman("1"), claim("1", "V1", dt.date(2024, 6, 3)))
    log.add(claim("1", "V2", dt.date(2024, 7, 3)), claim("1", "V3", dt.date(2024, 9, 3), **ELSEWHERE))
    year_closed(log).add(mammogram("1", "M1", dt.date(2024, 5, 6)))
    _, said = await worked(tmp_path, log.batches())
    results = last_said(said, "measures")
    assert results[f"aetna|1|{EDITION}|BCS|P1|final".encode()].practice_id == "A"
    assert results[f"aetna|1|{EDITION}|BCS|rolling".encode()].practice_id == f"TIN:{ELSEWHERE['tin']}"
    assert adjusted(said) == [("A", "0/1", "1/1", "claim")]


async def test_a_panel_and_a_close_without_editions_measure_nothing(tmp_path: Path) -> None:
    log = Log().control(ROSTER, P1, Tick(date=dt.date(2025, 2, 10))).add(woman("1"))
    panel = msgspec.structs.replace(close("panel", "july"), period="2025-07", as_of=K2)
    agent = await opened(tmp_path)
    await agent.apply(year_closed(log, panel, close("final")).batches()[0])
    assert [(one.measured_by, one.measures_digest) for one in await outputs(agent, "control")] == [((), None)] * 2
    assert await outputs(agent, "measures") == []
    await agent.state.close()


# -- the same bytes -----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The worker is gone."""


async def everything(agent: MemberPartition) -> tuple[str, list[Any]]:
    rows = [(row.topic, row.key, row.value, row.cause, row.ordinal) for row in await agent.state.waiting(100_000)]
    return await agent.state.digest(), rows


@pytest.mark.parametrize("at", [*((name, place) for name in ("before_step", "after_step") for place in (1, 2, 4)),
                                ("before_partial", 1), ("after_partial", 1)])  # fmt: skip
async def test_a_worker_killed_at_any_step_of_a_close_leaves_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: tuple[str, int]
) -> None:
    log = seen("1", "2", "3", "4").add(mammogram("2", "M1", dt.date(2024, 5, 6))).control(Tick(date=K2))
    start = len(log.records)
    log.control(close()).add(mammogram("3", "M2", dt.date(2024, 5, 6)))
    before, after = log.batches([start])
    monkeypatch.setattr(members_module, "STEP", 1)

    async def run(folder: Path, *, killed: bool) -> tuple[str, list[Any]]:
        agent = await opened(folder)
        await agent.apply(before)
        if killed:
            left = {at[0]: at[1]}

            def failpoint(name: str) -> None:
                left[name] = left.get(name, 0) - 1
                if left[name] == 0:
                    raise Killed

            with monkeypatch.context() as patch:
                patch.setattr(members_module, "failpoint", failpoint)
                with pytest.raises(Killed):
                    await agent.apply(after)
            await agent.state.close()
            agent = await opened(folder)
        await agent.apply(after)
        found = await everything(agent)
        await agent.state.close()
        return found

    assert await run(tmp_path / "killed", killed=True) == await run(tmp_path / "whole", killed=False)


async def test_the_measures_digest_does_not_depend_on_steps_batches_or_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for place, (step, order) in enumerate([(2_000, (0, 1, 2)), (1, (2, 0, 1)), (2, (1, 2, 0))]):
        monkeypatch.setattr(members_module, "STEP", step)
        log = seen("1", "2", "3")
        late = [
            mammogram("1", "M1", dt.date(2024, 5, 6)),
            claim("2", "V9", dt.date(2024, 11, 3), **ELSEWHERE),
            woman("3", span_version=2, race="other"),
        ]
        agent = await opened(tmp_path / str(place))
        for batch in year_closed(log.add(*(late[number] for number in order))).batches([5, 9]):
            await agent.apply(batch)
        (partial,) = await outputs(agent, "control")
        found.add((partial.measures_digest, partial.measure_results, partial.measured_by))
        await agent.state.close()
    ((_, results, measured_by),) = found
    assert results
    assert [one.kind for one in measured_by] == ["editions"]


async def test_a_member_whose_measures_cannot_be_asked_is_named_and_the_others_are_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from state import freezing

    results_of = freezing.results_of

    def faulty(profile: Any, kept: Any, *given: Any) -> Any:
        if any(one.row.endswith("M2") for one in kept):
            raise RuntimeError("a mistake of ours")
        return results_of(profile, kept, *given)

    monkeypatch.setattr(freezing, "results_of", faulty)
    agent = await opened(tmp_path)
    await agent.apply(year_closed(seen("1", "2").add(mammogram("2", "M2", dt.date(2024, 5, 6)))).batches()[0])
    (partial,) = await outputs(agent, "control")
    assert partial.failed == ("aetna|2",)
    assert {(one.member_id, one.reading) for one in await outputs(agent, "measures")} >= {("1", "final")}
    assert ("2", "final") not in {(one.member_id, one.reading) for one in await outputs(agent, "measures")}
    assert sum(one.members for one in partial.counts) == 1
    await agent.state.close()


# -- adjustments --------------------------------------------------------------------------------------------------------


async def test_a_late_mammogram_is_an_adjustment_and_its_void_another_each_said_once(tmp_path: Path) -> None:
    log = year_closed(seen("1"))
    late = mammogram("1", "M1", dt.date(2024, 5, 6))
    void = mammogram("1", "M1", dt.date(2024, 5, 6), claim_frequency_code="8", claim_status="reversed")
    log.add(late, late, claim("1", "V5", dt.date(2024, 3, 3)), void, void)
    _, said = await worked(tmp_path, log.batches(range(len(log.records))))
    assert adjusted(said) == [("A", "0/1", "1/1", "claim"), ("A", "1/1", "0/1", "claim")]
    (first, _) = [record[0] for topic, _, record in said if topic == "adjustments" and record[0].what == BCS]
    assert (first.close_id, first.period, first.reading, first.as_of) == ("P1-final", "P1", "final", P1.performance_end)
    assert (first.decided_on, first.cause_position.split("/")[0]) == (K2, "claims")
    assert read_as(said, "final") == (0, "open")


async def test_who_becomes_the_patient_of_another_takes_the_measures_along(tmp_path: Path) -> None:
    log = year_closed(seen("1")).add(claim("1", "V2", dt.date(2024, 11, 3), **ELSEWHERE))
    _, said = await worked(tmp_path, log.batches())
    assert adjusted(said) == [
        ("A", "0/1", "0/0", "claim"),
        (f"TIN:{ELSEWHERE['tin']}", "0/0", "0/1", "claim"),
    ]


async def test_who_was_not_known_at_the_close_counts_by_an_adjustment(tmp_path: Path) -> None:
    log = year_closed(seen("1")).add(woman("9"), claim("9", "V9", dt.date(2024, 6, 3)))
    _, said = await worked(tmp_path, log.batches())
    assert adjusted(said) == [("A", "0/0", "0/1", "claim")]
    late = [key for topic, key, _ in said if topic == "measures" and key.startswith(b"aetna|9|")]
    assert late
    assert not [key for key in late if key.endswith(b"|P1|final")]


async def test_an_initial_reading_is_never_adjusted_nor_a_final_one_after_its_months(tmp_path: Path) -> None:
    late = mammogram("1", "M1", dt.date(2024, 5, 6))
    log = year_closed(seen("1"), close("initial")).add(late)
    assert adjusted((await worked(tmp_path / "initial", log.batches()))[1]) == []
    log = year_closed(seen("1")).control(Tick(date=dt.date(2026, 1, 1))).add(late)
    assert adjusted((await worked(tmp_path / "later", log.batches()))[1]) == []
    agent = await opened(tmp_path / "later")
    stored = await agent.state.standings(["aetna|1"])
    assert b"P1-final" not in stored["aetna|1"]
    await agent.state.close()


async def test_another_edition_changes_no_closed_reading_and_late_facts_are_read_by_the_old_one(tmp_path: Path) -> None:
    log = year_closed(seen("1"))
    other = msgspec.structs.replace(edition_table("capc-2024"), name=EDITION, activated_from=dt.date(2024, 6, 1))
    log.control(other)
    _, said = await worked(tmp_path / "before", log.batches())
    assert [record[0].what for topic, _, record in said if topic == "adjustments"] == []
    log.add(mammogram("1", "M1", dt.date(2024, 5, 6)))
    _, said = await worked(tmp_path / "after", log.batches())
    assert adjusted(said) == [("A", "0/1", "1/1", "claim")]


# -- annulment ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reading", ["initial", "final"])
async def test_an_annulled_close_is_withdrawn_and_closed_again_it_counts_nobody_twice(
    tmp_path: Path, reading: Any
) -> None:
    log = year_closed(seen("1", "2"), close(reading))
    log.control(CloseAnnul(close_id=f"P1-{reading}", actor="ann", reason="a mistake"))
    _, said = await worked(tmp_path / "annulled", log.batches())
    for topic in ("measures", "gaps", "aggregates"):
        assert [key for name, key, _ in said if name == topic and key.endswith(f"|P1|{reading}".encode())]
        assert not [key for key in last_said(said, topic) if key.endswith(f"|P1|{reading}".encode())]
    log.add(woman("2", span_version=2, enrollment_end_date=dt.date(2024, 8, 1)))
    log.control(close(reading, "again"))
    agent = await opened(tmp_path / "again")
    await agent.apply(log.batches()[0])
    first, second = await outputs(agent, "control")
    assert first.measures_digest != second.measures_digest
    _, said = await worked(tmp_path / "more", log.batches())
    cell = last_said(said, "aggregates")[f"0|A|aetna|{EDITION}|BCS|screened||P1|{reading}".encode()]
    assert (cell.numerator, cell.denominator) == (0, 1)
    await agent.state.close()
    once = year_closed(
        seen("1", "2").add(woman("2", span_version=2, enrollment_end_date=dt.date(2024, 8, 1))), close(reading)
    )
    agent = await opened(tmp_path / "once")
    await agent.apply(once.batches()[0])
    (alone,) = await outputs(agent, "control")
    assert (alone.measures_digest, alone.measure_results) == (second.measures_digest, second.measure_results)
    await agent.state.close()


# -- the law ------------------------------------------------------------------------------------------------------------

BOUND = Bound(built_in(EDITION), starter_sets())


class Read:
    """P1 read at once from all facts that stand in a state file, by what is written nowhere else: the oracle of a close."""

    def __init__(self) -> None:
        self.rows: dict[str, set[tuple[object, ...]]] = {"measures": set(), "gaps": set()}
        self.cells: dict[tuple[Asked, Cell], Sums] = {}
        self.counts: dict[tuple[str, str, str], str] = {}
        """By member, what and practice."""

    @classmethod
    async def of(cls, agent: MemberPartition, reading: str) -> Read:
        self = cls()
        stored = await agent.state.concerned(_everyone(), "", 100)
        every = await agent._all_rows([row.key for row in stored])
        for row in stored:
            self._take(engine.decode_member(row.state), every[row.key], agent, reading)
        return self

    def _take(self, member: Any, rows: dict[str, Any], agent: MemberPartition, reading: str) -> None:
        asked, period = Asked(EDITION, "P1", reading), of_program(P1)
        engine.rederive(member, rows, agent.knowledge)
        kept = [
            one for name in sorted(rows)
            if (one := kept_of(name, rows[name], agent.knowledge.measuring.wanted, allow_reopen=False)) is not None
        ]  # fmt: skip
        profile = profile_of(span_of(name, one) for name, one in rows.items() if name.startswith("span:"))

        def practice_on(day: int) -> str:
            return engine.attribution(member, dt.date.fromordinal(day), agent.knowledge).practice_id or ""

        found = evaluate(profile, kept, BOUND, period, D, accepted_only=True).outcomes
        for measure, outcomes in found.items():
            practice = credit_of(outcomes).practice(period, D, practice_on)
            about = (asked, measure, member.payer, member.member_id, practice)
            self.rows["measures"] |= {measure_row(*about, one, D) for one in outcomes}
            self.rows["gaps"] |= set(gap_rows(*about, outcomes, D))
            for cell, sums in counted(measure, member.payer, practice, profile, outcomes):
                self.cells[asked, cell] = self.cells.get((asked, cell), Sums()) + sums
            for one in outcomes:
                sums = sums_of(one)
                if practice and not sums.is_nothing:
                    named = "".join(f" {name}={value}" for name, value in sorted(sums.more.items()))
                    place = (member.member_id, f"measure:{EDITION}:{measure}:{one.rate}", practice)
                    self.counts[place] = f"{sums.numerator}/{sums.denominator}{named}"


def manifest_of(asked: Close, partial: Partial) -> Snapshot:
    return closing.completed(closing.opened(asked, 0), [partial])


async def said_by(agent: MemberPartition) -> dict[str, list[Any]]:
    """Key, record and version of everything in the outbox, by topic."""
    found: dict[str, list[Any]] = {"measures": [], "gaps": [], "aggregates": [], "adjustments": []}
    for row in await agent.state.waiting(100_000):
        if row.topic in found and row.value is not None:
            found[row.topic].append((row.key.decode(), *CODEC.decode_output(row.topic, row.value)))
    return found


def mixed(seed: int, asked: Close, after: float) -> tuple[Log, int]:
    """A random history in a random order, with the close and a roster row somewhere in it, and the offset of the close."""
    chance = random.Random(seed)
    facts = [CODEC.decode_envelope(one.value or b"") for one in random_history(seed).records if one.key != b"control"]
    bodies = [CODEC.decode_facts(one.kind, one.facts) for one in facts]
    for member in map(str, range(4)):
        for number in range(chance.randint(0, 3)):
            day = dt.date(2023, 1, 1) + dt.timedelta(days=chance.randint(0, 900))
            bodies.append(claim(member, f"E{member}-{number}", day, **ELSEWHERE))
        for version in range(1, chance.randint(1, 4)):
            state = chance.choice(("submitted", "accepted", "rejected"))
            bodies.append(submitted_mammogram(member, result_version=version, state=state))
    chance.shuffle(bodies)
    steps: list[Any] = [(body,) for body in bodies]
    late = msgspec.structs.replace(ROSTER, npi=ELSEWHERE["npi"], tin=ELSEWHERE["tin"], practice_id="B")
    cut = int(after * len(steps))
    steps.insert(cut, asked)
    steps.insert(chance.randint(0, len(steps)), late)
    log = Log().control(ROSTER, P1, edition_table(), Tick(date=K2))
    barrier = 0
    for step in steps:
        if step is asked:
            barrier = len(log.records)
        log = log.add(*step) if isinstance(step, tuple) else log.control(step)
    return log, barrier


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), after=st.floats(0, 1), reading=st.sampled_from(["initial", "final"]))
async def test_a_close_at_any_point_is_what_the_facts_before_it_give_and_adjustments_lead_to_what_is_known_now(
    tmp_path_factory: pytest.TempPathFactory, seed: int, after: float, reading: Any
) -> None:
    asked = close(reading)
    log, barrier = mixed(seed, asked, after)
    later = msgspec.structs.replace(close("panel", "august"), period="2025-08", as_of=dt.date(2025, 8, 1))
    before, rest = log.control(later).batches([barrier])
    agent = await opened(tmp_path_factory.mktemp("law"))
    await agent.apply(before)
    wanted = await Read.of(agent, reading)
    await agent.apply(rest)
    now = await Read.of(agent, reading)
    partial, _ = await outputs(agent, "control")
    parts = await sums_said(agent)
    made = await said_by(agent)
    await agent.state.close()

    found = read_back(manifest_of(asked, partial), lambda topic: made[topic])
    try:
        for name, rows in (("measures", found.measures), ("gaps", found.gaps)):
            lines = b"".join(rows.chunks(())).splitlines(keepends=True)[1:]
            assert sorted(lines) == sorted(results.line(row) for row in wanted.rows[name])
        assert found.sums == wanted.cells
        assert (found.digest, found.count) == (partial.measures_digest, partial.measure_results)
    finally:
        found.close()

    said = dict(wanted.counts)
    for _, one, _ in made["adjustments"]:
        if one.what != "attribution":
            place = (one.member_id, one.what, one.practice_id)
            assert said.get(place, "0/0") == one.before != one.after
            said[place] = one.after
    if reading == "initial":
        assert said == wanted.counts
    else:
        assert {place: text for place, text in said.items() if text != "0/0"} == now.counts

    # What the conductor is told: the sums as frozen, and with the next close what the final ones have changed by.
    frozen = [one for one in parts if one.close_id == asked.close_id]
    assert added_up(frozen) == of_all_members(wanted)
    assert partial.sums_parts == len(frozen)
    assert {one.of_close for one in parts} <= {asked.close_id}
    told = added_up(parts)
    assert told == of_all_members(wanted if reading == "initial" else now)


def of_all_members(read: Read) -> dict[tuple[str, Cell], Sums]:
    return {(asked.edition, cell): sums for (asked, cell), sums in read.cells.items() if not cell.stratum}


async def sums_said(agent: MemberPartition) -> list[PartialSums]:
    """The sums that a partition has told the conductor, in order."""
    rows = [one.value for one in await agent.state.waiting(100_000) if one.topic == "control" and one.value is not None]
    return [one for one in map(CODEC.decode_control, rows) if isinstance(one, PartialSums)]


async def test_sums_too_many_for_a_record_are_told_in_several_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = year_closed(seen("1", "2"))
    told = []
    for most in (partial_sums.MOST_BYTES, 300):
        monkeypatch.setattr(partial_sums, "MOST_BYTES", most)
        agent = await opened(tmp_path / str(most))
        await agent.apply(log.batches()[0])
        (partial,) = await outputs(agent, "control")
        parts = await sums_said(agent)
        assert [one.part for one in parts] == list(range(partial.sums_parts))
        told.append((len(parts), added_up(parts)))
        await agent.state.close()
    assert told[0][0] == 1 < told[1][0]
    assert told[0][1] == told[1][1]


async def test_what_a_final_reading_changes_by_is_forgotten_with_its_close(tmp_path: Path) -> None:
    log = year_closed(seen("1")).add(mammogram("1", "M1", dt.date(2024, 5, 6)))
    log.control(CloseAnnul(close_id="P1-final", actor="ann", reason="a mistake"), close("final", "again"))
    panel = msgspec.structs.replace(close("panel", "august"), period="2025-08", as_of=dt.date(2025, 8, 1))
    agent = await opened(tmp_path)
    await agent.apply(log.control(panel).batches()[0])
    told = [(one.close_id, one.of_close) for one in await sums_said(agent)]
    await agent.state.close()
    assert told == [("P1-final", "P1-final"), ("again", "again")]


@pytest.mark.parametrize("seed", [3, 8])
@pytest.mark.parametrize("reading", ["initial", "final"])
async def test_replay_of_the_snapshot_writes_the_files_of_the_close_again_byte_for_byte(
    tmp_path: Path, seed: int, reading: Any
) -> None:
    asked = close(reading)
    made = await closed(tmp_path, mixed(seed, asked, 0.8)[0])
    agent = await opened(tmp_path)
    said = await said_by(agent)
    (partial,) = await outputs(agent, "control")
    await agent.state.close()
    written = read_back(manifest_of(asked, partial), lambda topic: said[topic])
    (tmp_path / "export").mkdir()
    written.write(tmp_path / "export", [BOUND])
    written.close()
    replayed = made.check_equal()
    assert replayed.measures is not None
    assert replayed.measures.digest == partial.measures_digest == made.snapshot.measures_digest
    for file in ("measures.csv", "rates.csv", "gaps.csv"):
        lines = (tmp_path / "export" / file).read_bytes()
        assert (tmp_path / "again" / file).read_bytes() == lines
        assert len(lines.splitlines()) > 3


async def test_a_result_that_is_missing_on_the_topics_gives_another_digest(tmp_path: Path) -> None:
    agent = await opened(tmp_path)
    await agent.apply(year_closed(seen("1", "2")).batches()[0])
    said = await said_by(agent)
    (partial,) = await outputs(agent, "control")
    await agent.state.close()
    for topic in ("measures", "gaps", "aggregates"):
        less = {**said, topic: [one for one in said[topic] if one[1].reading == "live" or one[1].measure != "BCS"]}
        found = read_back(manifest_of(close(), partial), lambda name, less=less: less[name])  # type: ignore[misc]
        assert found.digest != partial.measures_digest, topic
        found.close()


async def test_a_log_that_says_something_else_is_told_by_the_measures_alone(tmp_path: Path) -> None:
    """Whose patient a member is does not show when a mammogram was."""
    log = seen("1").add(mammogram("1", "M1", dt.date(2024, 5, 6)))
    made = await closed(tmp_path, year_closed(log))
    made.touch(1, lambda lines: [line.replace(b"2024-05-06", b"2014-05-06") for line in lines])
    assert [one.split(" ")[:2] for one in made.again().differences] == [["measures", "digest"]]


async def test_an_edition_that_the_log_does_not_bring_is_a_difference(tmp_path: Path) -> None:
    made = await closed(tmp_path, year_closed(seen("1")))
    digest = edition_table("capc-2024").digest
    made.manifest.write_text(made.manifest.read_text().replace(edition_table().digest, digest))
    assert f"table editions none (at the close {digest})" in made.again().differences


# -- the note on few members --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "rate", "members", "flag"),
    [
        ("BCS", "screened", 29, "fewer than 30"),
        ("BCS", "screened", 30, ""),
        ("EDU", "observed_per_1000", 149, "fewer than 150"),
        ("AHU", "observed_per_1000", 150, ""),
        ("TCOC", "pmpm", 599, "fewer than 600"),
        ("TCOC", "pmpm", 600, ""),
    ],
)
def test_a_rate_of_few_members_is_flagged_by_what_its_measure_needs_and_kept(
    measure: str, rate: str, members: int, flag: str
) -> None:
    sums = Sums(members, members // 2, {"months": Decimal(12 * members)})
    asked, cell = Asked(EDITION, "P1", "final"), Cell(measure, rate, "aetna", "A", "")
    row = rate_row(asked, BOUND, cell, sums, sums, {})
    assert row[8] == members
    notes = str(row[-1]).split("; ")
    assert [one for one in notes if one.startswith("fewer than")] == ([flag] if flag else [])
