"""A partition at a barrier, without a broker: what it answers, who is named as missing, what reference changes later adjust."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.records import Close, CloseAnnul, Partial, Practice, Provider, Table, Tick
from schemas.topics import MOST_BYTES
from state import engine
from state.attribution import eligibility, engines
from state.reference.knowledge import Knowledge
from state.reference.tables import MissingTable, TableStore
from streams.members import CAUSE_OF_CONTROL, MemberPartition
from streams.stopping import Stop
from tests.streams.test_member_partition import CODEC, Log, claim, opened, span

JUNE, JULY = dt.date(2025, 6, 30), dt.date(2025, 7, 1)
STAYS, MOVES = "1234567893", "1245319599"


def row(npi: str, practice: str, **changes: Any) -> Provider:
    given: dict[str, Any] = {
        "npi": npi,
        "practice_id": practice,
        "tin": "950000001",
        "taxonomy_code": "207Q00000X",
        "is_pcp": True,
        "effective_from": dt.date(2020, 1, 1),
        "roster_version": 1,
    }
    return Provider(**{**given, **changes})


def panel(close_id: str = "july", as_of: dt.date = JULY) -> Close:
    return Close(close_id=close_id, period=f"{as_of:%Y-%m}", reading="panel", actor="ann", as_of=as_of, closed_on=JUNE)


async def outputs(agent: MemberPartition, topic: str) -> list[Any]:
    rows = [one for one in await agent.state.waiting(100_000) if one.topic == topic and one.value is not None]
    if topic == "control":
        # What goes before a partial is looked at where it matters.
        answers = [CODEC.decode_control(one.value or b"") for one in rows]
        return [one for one in answers if isinstance(one, Partial)]
    return [CODEC.decode_output(topic, one.value or b"")[0] for one in rows]


def six_members() -> Log:
    """Members 0 to 2 see who stays at B, 3 to 5 see who will move."""
    log = Log().control(row(STAYS, "B"), row(MOVES, "B"), Tick(date=JUNE))
    for number in range(6):
        npi = STAYS if number < 3 else MOVES
        log.add(span(str(number)), claim(str(number), f"C{number}", dt.date(2025, 5, 1), npi=npi))
    return log


async def test_the_answer_counts_members_by_payer_and_practice(tmp_path: Path) -> None:
    log = six_members().add(span("none")).control(panel())
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    (partial,) = await outputs(agent, "control")
    assert isinstance(partial, Partial)
    assert {(one.practice_id, one.members) for one in partial.counts} == {("B", 6), ("", 1)}
    assert (partial.watermark, partial.failed, partial.skips) == (len(log.records) - 1, (), ())
    lists = await outputs(agent, "panels")
    assert {one.practice_id: len(one.entries) for one in lists} == {"B": 6, None: 1}
    assert {entry.change for one in lists if one.practice_id for entry in one.entries} == {"new"}
    await agent.state.close()


async def test_practices_that_merge_move_their_members_and_adjust_what_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merger is said in roster rows: who moves has new rows from when the visits count for the new practice."""
    log = six_members().control(panel())
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    start = len(log.records)
    evaluated: Counter[str] = Counter()
    advance = engine.advance

    def counted(member: Any, *given: Any, **named: Any) -> Any:
        evaluated[member.member_id] += 1
        return advance(member, *given, **named)

    monkeypatch.setattr(engine, "advance", counted)
    ends = row(MOVES, "B", roster_version=2, effective_to=dt.date(2020, 1, 1))
    log.control(Practice(practice_id="A", name="A", participating=True, effective_from=dt.date(2020, 1, 1)))
    log.control(ends, row(MOVES, "A"))
    await agent.apply(log.batches(start=start)[0])
    assert evaluated == {"3": 2, "4": 2, "5": 2}
    made = await outputs(agent, "adjustments")
    total: Counter[tuple[str, str]] = Counter()
    for one in made:
        assert (one.cause, one.close_id, one.as_of, one.decided_on) == ("roster", "july", JULY, JUNE)
        total[one.practice_id, one.member_id] += 1 if one.after == "attributed" else -1
    assert +total == {("A", "3"): 1, ("A", "4"): 1, ("A", "5"): 1}
    assert -total == {("B", "3"): 1, ("B", "4"): 1, ("B", "5"): 1}
    await agent.state.close()


async def test_a_row_that_begins_after_the_frozen_day_adjusts_nothing(tmp_path: Path) -> None:
    log = six_members().control(panel())
    log.control(row(MOVES, "A", effective_from=dt.date(2025, 8, 1)), Tick(date=dt.date(2025, 8, 2)))
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    assert await outputs(agent, "adjustments") == []
    await agent.state.close()


async def test_after_its_months_a_list_is_adjusted_no_more(tmp_path: Path) -> None:
    log = six_members().control(panel(), Tick(date=dt.date(2026, 1, 1)))
    log.add(claim("1", "C1", dt.date(2025, 5, 1), npi=STAYS, claim_frequency_code="8", claim_status="reversed"))
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    assert await outputs(agent, "adjustments") == []
    assert engine.decode_member((await agent.state.members(["aetna|1"]))["aetna|1"].state).listed == []
    await agent.state.close()


async def test_a_panel_adjusted_for_one_month_is_still_the_one_that_a_late_next_panel_is_compared_with(
    tmp_path: Path,
) -> None:
    log = six_members().control(msgspec.structs.replace(panel(), retro_months=1), Tick(date=dt.date(2025, 8, 5)))
    log.add(claim("1", "C1", dt.date(2025, 5, 1), npi=STAYS, claim_frequency_code="8", claim_status="reversed"))
    log.control(panel("august", dt.date(2025, 8, 1)))
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    assert await outputs(agent, "adjustments") == []
    entries = {
        entry.member_id: (entry.change, entry.span_start)
        for one in await outputs(agent, "panels")
        if one.close_id == "august"
        for entry in one.entries
        if one.practice_id
    }
    assert entries == {"1": ("dropped", JULY)} | dict.fromkeys("02345", ("nochange", JULY))
    await agent.state.close()


async def test_an_annulled_list_is_adjusted_no_more(tmp_path: Path) -> None:
    log = six_members().control(panel(), CloseAnnul(close_id="july", actor="ann", reason="a mistake"))
    log.add(claim("1", "C1", dt.date(2025, 5, 1), npi=STAYS, claim_frequency_code="8", claim_status="reversed"))
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    assert await outputs(agent, "adjustments") == []
    await agent.state.close()


def second_engine(folder: Path, patch: pytest.MonkeyPatch) -> Table:
    """The record of an engine, known to this release, whose rules differ in one thing: member 1 is not eligible."""
    not_eligible = eligibility.not_eligible

    def mended(member: Any, day: int, knowledge: Knowledge) -> Any:
        barred = knowledge.engine_version == "2" and member.member_id == "1"
        return "not_yet_effective" if barred else not_eligible(member, day, knowledge)

    patch.setattr(engines, "KNOWN", ("1", "2"))
    patch.setattr(eligibility, "not_eligible", mended)
    (folder / "2.toml").write_bytes(b'version = "2"')
    digest = hashlib.sha256(b'version = "2"').hexdigest()
    return Table(kind="engine", name="2", version="2", digest=digest, activated_from=dt.date(2025, 1, 1))


async def test_another_engine_works_every_member_again_and_adjusts_what_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = second_engine(tmp_path, monkeypatch)
    agent = await opened(tmp_path, Knowledge.initial(TableStore([tmp_path])))
    log = six_members().control(panel(), second, panel("again"))
    await agent.apply(log.batches()[0])
    (change,) = [one for one in await outputs(agent, "attribution-changes") if one.cause == "engine"]
    assert (change.member_id, change.after_status, change.engine_version) == ("1", "not_attributed", "2")
    (made,) = await outputs(agent, "adjustments")
    assert (made.member_id, made.practice_id, made.after, made.cause) == ("1", "B", "not_attributed", "engine")
    assert {one.member_id: one.engine_version for one in await outputs(agent, "attribution")} == dict.fromkeys(
        "012345", "2"
    )
    before, after = await outputs(agent, "control")
    assert (before.engine_version, after.engine_version) == ("1", "2")
    assert {one.kind: one.digest for one in after.tables}["engine"] == second.digest
    await agent.state.close()


async def test_an_engine_that_this_release_lacks_stops_the_worker_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = second_engine(tmp_path, monkeypatch)
    monkeypatch.setattr(engines, "KNOWN", ("1",))
    engines.parse.cache_clear()
    agent = await opened(tmp_path, Knowledge.initial(TableStore([tmp_path])))
    with pytest.raises(MissingTable, match=r"engine version '2' .* works by 1: install the release that has it"):
        await agent.apply(six_members().control(second).batches()[0])
    await agent.state.close()


async def test_who_is_gone_because_the_list_before_was_wrong_is_cancelled(tmp_path: Path) -> None:
    log = six_members().control(panel())
    log.add(claim("1", "C1", dt.date(2025, 5, 1), npi=STAYS, claim_frequency_code="8", claim_status="reversed"))
    log.add(span("2", span_version=2, enrollment_end_date=dt.date(2025, 7, 31)))
    log.control(panel("august", dt.date(2025, 8, 1)))
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    entries = {
        (one.practice_id, entry.member_id): entry
        for one in await outputs(agent, "panels")
        if one.close_id == "august"
        for entry in one.entries
    }
    assert entries["B", "1"].change == "cancelled"
    assert (entries["B", "2"].change, entries["B", "2"].span_start, entries["B", "2"].span_end) == (
        "dropped",
        JULY,
        dt.date(2025, 8, 1),
    )
    assert entries["B", "2"].attribution is None
    assert (entries["B", "3"].change, entries["B", "3"].span_start) == ("nochange", JULY)
    await agent.state.close()


async def test_who_came_on_a_list_by_an_adjustment_has_left_nobodys_list_on_the_next(tmp_path: Path) -> None:
    log = Log().control(row(STAYS, "B"), Tick(date=JUNE)).add(span("1")).control(panel())
    log.add(claim("1", "C1", dt.date(2025, 5, 1), npi=STAYS)).control(panel("august", dt.date(2025, 8, 1)))
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    (adjusted,) = await outputs(agent, "adjustments")
    assert (adjusted.practice_id, adjusted.after, adjusted.cause) == ("B", "attributed", "claim")
    lists = [one for one in await outputs(agent, "panels") if one.close_id == "august"]
    assert [(one.practice_id, [entry.change for entry in one.entries]) for one in lists] == [("B", ["new"])]
    await agent.state.close()


async def test_a_list_of_members_with_much_evidence_is_put_out_in_records_that_the_topic_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is seen each day has hundreds of claims, and plans' claim ids are long: six members here stand for a step of 2,000."""
    freeze = engine.freeze

    def seen_each_day(member: Any, *given: Any) -> Any:
        found = freeze(member, *given)
        ids = tuple(f"{member.member_id}-{number:0200d}" for number in range(10_000))
        answer = msgspec.structs.replace(found.attribution, evidence=ids)
        ((practice, entry),) = found.entries
        return engine.Frozen(answer, ((practice, msgspec.structs.replace(entry, attribution=answer)),), frozenset())

    monkeypatch.setattr(engine, "freeze", seen_each_day)
    agent = await opened(tmp_path)
    await agent.apply(six_members().control(panel()).batches()[0])
    rows = [one for one in await agent.state.waiting(100_000) if one.topic == "panels"]
    entries = [entry.member_id for one in await outputs(agent, "panels") for entry in one.entries]
    places = [one.ordinal for one in rows]
    await agent.state.close()
    assert max(len(one.value or b"") for one in rows) < MOST_BYTES
    assert sorted(entries) == list("012345")
    assert len(set(places)) == len(rows)


async def test_a_member_that_cannot_be_worked_is_named_and_the_others_are_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze = engine.freeze

    def faulty(member: Any, *given: Any) -> Any:
        if member.member_id == "4":
            raise RuntimeError("a mistake of ours")
        return freeze(member, *given)

    monkeypatch.setattr(engine, "freeze", faulty)
    agent = await opened(tmp_path)
    await agent.apply(six_members().control(panel()).batches()[0])
    (partial,) = await outputs(agent, "control")
    assert partial.failed == ("aetna|4",)
    assert sum(one.members for one in partial.counts) == 5
    await agent.state.close()


async def test_a_close_before_the_first_tick_stops_the_partition(tmp_path: Path) -> None:
    agent = await opened(tmp_path)
    with pytest.raises(Stop, match="closes a period before the first tick"):
        await agent.apply(Log().control(panel()).batches()[0])
    await agent.state.close()


async def test_the_digest_of_the_answers_does_not_depend_on_steps_batches_or_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for place, (step, cuts) in enumerate([(2_000, []), (2, []), (2_000, [3, 5, 9, 12]), (1, [4])]):
        monkeypatch.setattr("streams.members.STEP", step)
        agent = await opened(tmp_path / str(place))
        for batch in six_members().control(panel()).batches(cuts):
            await agent.apply(batch)
        (partial,) = await outputs(agent, "control")
        digests.add((partial.digest, partial.counts))
        await agent.state.close()
    assert len(digests) == 1


def test_the_page_on_closing_names_every_cause_of_an_adjustment() -> None:
    page = (Path(__file__).parents[2] / "docs" / "closing.md").read_text()
    without_effect = {"tick", "close"}
    causes = {*engine.CAUSE_OF_FACT.values(), *CAUSE_OF_CONTROL.values(), "engine"} - without_effect
    assert {cause for cause in causes if f"`{cause}`" not in page} == set()


async def test_the_answer_counts_those_on_lists_by_product_gender_and_age_on_the_day(tmp_path: Path) -> None:
    """Payments are adjusted by it. Who turns 40 on the day is 40; a later span says better who somebody is."""
    log = six_members().add(
        span("0", span_id="S2", enrollment_start_date=dt.date(2025, 6, 1), product="HMO", gender="female"),
        span("1", span_version=2, birth_date=dt.date(1985, 7, 1), gender="X"),
        span("2", span_version=2, birth_date=dt.date(1985, 7, 2), gender="M"),
        span("none"),
    )
    log.control(panel())
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    (partial,) = await outputs(agent, "control")
    other = span("3").birth_date
    age = JULY.year - other.year - ((other.month, other.day) > (JULY.month, JULY.day))
    assert {(one.product, one.gender, one.age): one.members for one in partial.people} == Counter(
        {("HMO", "F", age): 1, ("PPO", "U", 40): 1, ("PPO", "M", 39): 1, ("PPO", "F", age): 3}
    )
    assert {(one.payer, one.practice_id) for one in partial.people} == {("aetna", "B")}
    await agent.state.close()
