"""The member agent without a broker: positions, holes, batch borders, failed members, wide records in steps."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faust.types import TP
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.keys import member_key, partition_of
from schemas.records import (
    AttributionDecision,
    AttributionRequest,
    Claim,
    ClaimLine,
    Close,
    Enrollment,
    Envelope,
    FeedManifest,
    MemberFact,
    Partial,
    PayerRecord,
    PlanAttribution,
    Position,
    Practice,
    Provider,
    Tick,
)
from schemas.registry import EmbeddedRegistry
from state import engine
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from state.stores.members import MemberState
from streams import members as members_module
from streams.batching import Batch
from streams.members import MemberPartition
from streams.rebuilding import LogRecord
from streams.stopping import EXIT_FAULT, EXIT_HOLE, Stop

CODEC = Codec(EmbeddedRegistry())
KNOWLEDGE = Knowledge.initial(TableStore([]))
TOPIC = "member-events"
PARTITIONS = 1
ACCEPTED = dt.datetime(2025, 7, 1, 9, tzinfo=dt.UTC)


def claim(
    member: str, number: str, day: dt.date, *, npi: str = "1234567893", tin: str = "950000001", **changes: Any
) -> Claim:
    line = ClaimLine(
        claim_line_number=1,
        claim_line_start_date=day,
        hcpcs_code="99213",
        place_of_service_code="11",
        rendering_npi=npi,
        rendering_taxonomy="207Q00000X",
    )
    given_: dict[str, Any] = {
        "payer": "aetna",
        "member_id": member,
        "payer_claim_control_number": number,
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "claim_type": "professional",
        "billing_tin": tin,
        "lines": (line,),
    }
    return Claim(**{**given_, **changes})


def span(member: str, **changes: Any) -> Enrollment:
    given_: dict[str, Any] = {
        "payer": "aetna",
        "member_id": member,
        "span_id": "S1",
        "span_version": 1,
        "enrollment_start_date": dt.date(2023, 1, 1),
        "product": "PPO",
        "line_of_business": "commercial",
        "birth_date": dt.date(1980, 1, 1),
        "gender": "F",
    }
    return Enrollment(**{**given_, **changes})


class Log:
    """A partition of `member-events` in the making."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.sequence = 0

    def add(self, *records: MemberFact) -> Log:
        for record in records:
            key = member_key(record.payer, record.member_id)
            self._append(
                key,
                Envelope(
                    kind=str(type(record).__struct_config__.tag),
                    event_id=CODEC.event_id_of(record),
                    payer=record.payer,
                    member_id=record.member_id,
                    position=Position("claims", 0, len(self.records)),
                    accepted_at=ACCEPTED,
                    format_version=1,
                    flags=(),
                    facts=CODEC.encode_facts(record),
                    original=b"sealed",
                ),
            )
        return self

    def control(self, *records: Any, repeat: bool = False) -> Log:
        for record in records:
            if not repeat:
                self.sequence += 1
            self._append(
                "control",
                Envelope(
                    kind="control",
                    event_id=f"control/{self.sequence}",
                    payer="",
                    member_id="",
                    position=Position("control", 0, self.sequence),
                    accepted_at=ACCEPTED,
                    format_version=1,
                    flags=(),
                    facts=CODEC.encode_facts(record),
                    original=b"",
                    sequence=self.sequence,
                ),
            )
        return self

    def _append(self, key: str, envelope: Envelope) -> None:
        offset = len(self.records)
        self.records.append(LogRecord(TOPIC, 0, offset, 0, key.encode(), CODEC.encode_envelope(envelope)))

    def batches(self, cuts: Sequence[int] = (), start: int = 0) -> list[Batch]:
        borders = sorted({start, *(cut for cut in cuts if start < cut < len(self.records)), len(self.records)})
        return [
            Batch(TP(TOPIC, 0), 1, first, last, tuple(self.records[first:last]))
            for first, last in itertools.pairwise(borders)
        ]


async def opened(folder: Path, knowledge: Knowledge = KNOWLEDGE) -> MemberPartition:
    state = await MemberState.open(
        folder / "members.sqlite", topic=TOPIC, partition=0, partitions=PARTITIONS, patience=1
    )
    return await MemberPartition.resume(state, knowledge, CODEC, prefix="", partition=0, partitions=PARTITIONS)


async def worked(folder: Path, batches: Sequence[Batch]) -> tuple[str, list[Any]]:
    """The digest after the batches, and everything in the outbox: (topic, key, record, version)."""
    agent = await opened(folder)
    for batch in batches:
        await agent.apply(batch)
    said = [
        (row.topic, row.key, None if row.value is None else CODEC.decode_output(row.topic, row.value))
        for row in await agent.state.waiting(100_000)
        if row.topic != "control"
    ]
    digest = await agent.state.digest()
    await agent.state.close()
    return digest, said


def history() -> Log:
    log = Log()
    log.control(Provider(npi="1234567893", practice_id="A", tin="950000001", taxonomy_code="207Q00000X", is_pcp=True,
                         effective_from=dt.date(2020, 1, 1), roster_version=1))  # fmt: skip
    log.add(span("1"), span("2"), claim("1", "C1", dt.date(2024, 8, 20)), claim("2", "C2", dt.date(2025, 5, 2)))
    log.control(Tick(date=dt.date(2025, 6, 30)))
    log.add(claim("1", "C3", dt.date(2025, 6, 1), tin="950000002", npi="1245319599"))
    log.add(claim("1", "C1", dt.date(2024, 8, 20), claim_frequency_code="8", claim_status="reversed"))
    log.add(claim("2", "C2", dt.date(2025, 5, 2)))
    log.control(FeedManifest(payer="aetna", feed="claims", file="f", list_version=1, covers_from=dt.date(2025, 6, 1),
                             covers_to=dt.date(2025, 6, 30), records=3))  # fmt: skip
    log.control(Practice(practice_id="A", name="A", participating=True, effective_from=dt.date(2020, 1, 1)))
    log.add(span("1", span_version=2, enrollment_end_date=dt.date(2025, 7, 20)))
    log.control(Tick(date=dt.date(2025, 7, 1)), Tick(date=dt.date(2025, 7, 21)))
    return log


async def test_facts_and_ticks_become_answers_with_the_version_of_their_cause(tmp_path: Path) -> None:
    _, said = await worked(tmp_path, history().batches())
    last = {key: record for topic, key, record in said if topic == "attribution"}
    first_member, second_member = last[b"aetna|1"][0], last[b"aetna|2"][0]
    assert (second_member.status, second_member.practice_id, second_member.provider_npi) == (
        "attributed",
        "A",
        "1234567893",
    )
    assert (first_member.status, first_member.reason) == ("not_attributed", "coverage_ended")
    versions = [record[1] for _, _, record in said if record is not None]
    assert versions == sorted(versions)
    assert {version.offset for version in versions} <= set(range(len(history().records)))


@pytest.mark.parametrize("ticked", [True, False], ids=["after the first tick", "before the first tick"])
async def test_a_member_known_only_by_a_claim_that_is_no_evidence_is_answered(tmp_path: Path, ticked: bool) -> None:
    log = Log().control(Tick(date=dt.date(2025, 6, 30))) if ticked else Log()
    log.add(claim("1", "C1", dt.date(2025, 5, 1), claim_status="denied"))
    if not ticked:
        log.control(Tick(date=dt.date(2025, 6, 30)))
    _, said = await worked(tmp_path, log.batches())
    answers = [(key, record[0].reason) for topic, key, record in said if topic == "attribution"]
    assert answers == [(b"aetna|1", "not_yet_effective")]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 15), max_size=8))
async def test_where_batches_are_cut_changes_nothing(cuts: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    whole, said = await worked(tmp_path_factory.mktemp("whole"), history().batches())
    cut, said_in_pieces = await worked(tmp_path_factory.mktemp("cut"), history().batches(cuts))
    assert cut == whole
    newest = {(topic, key): record for topic, key, record in said}
    assert {(topic, key): record for topic, key, record in said_in_pieces} == newest


def plans_and_requests() -> Log:
    """Member 1 is listed by the plan, 2 is not, 3 is listed at a practice that is known late; requests and decisions on the way."""
    about: dict[str, Any] = {
        "payer": "aetna",
        "member_id": "2",
        "practice_id": "B",
        "request": "add",
        "effective_from": dt.date(2025, 6, 1),
    }
    rows = {"1234567893": ("A", "950000001"), "1245319599": ("B", "950000002")}
    log = Log()
    for npi, (practice, tin) in rows.items():
        log.control(Provider(npi=npi, practice_id=practice, tin=tin, taxonomy_code="207Q00000X", is_pcp=True,
                             effective_from=dt.date(2020, 1, 1), roster_version=1))  # fmt: skip
    log.control(PayerRecord(payer="aetna", name="Aetna"), Tick(date=dt.date(2025, 6, 10)))
    for member in "123":
        log.add(span(member), claim(member, f"C{member}", dt.date(2024, 3, 1)))
    log.add(AttributionDecision(**about, decision="accepted"))
    log.add(AttributionRequest(**about, reason="r", due_date=dt.date(2025, 6, 15)))
    log.add(AttributionRequest(**{**about, "member_id": "1"}, reason="r", due_date=dt.date(2025, 6, 15)))
    log.control(Tick(date=dt.date(2025, 6, 16)))
    log.control(PayerRecord(payer="aetna", name="Aetna", attribution_mode="plan", effective_from=dt.date(2025, 7, 1)))
    for member, practice in {"1": "A", "3": "X"}.items():
        log.add(
            PlanAttribution(
                payer="aetna", member_id=member, attribution_month="2025-07", practice_id=practice, list_version=1
            )
        )
    log.control(FeedManifest(payer="aetna", feed="plan_attribution", file="f", list_version=1, covers_from=dt.date(2025, 7, 1),
                             covers_to=dt.date(2025, 7, 31), records=2, full_replacement=True))  # fmt: skip
    log.control(Tick(date=dt.date(2025, 7, 1)))
    log.control(Practice(practice_id="X", name="X", participating=True, effective_from=dt.date(2020, 1, 1)))
    log.control(Tick(date=dt.date(2025, 8, 1)))
    return log


async def test_plans_lists_and_decisions_are_answered_as_they_come(tmp_path: Path) -> None:
    _, said = await worked(tmp_path, plans_and_requests().batches(range(1, 99)))
    changes: dict[bytes, list[Any]] = {}
    for topic, key, record in said:
        if topic == "attribution-changes":
            one = record[0]
            changes.setdefault(key, []).append(
                (str(one.as_of), one.cause, one.after_step, one.after_practice_id, one.reason)
            )
    assert changes[b"aetna|2"][-2:] == [
        ("2025-06-10", "request", "decision", "B", None),
        ("2025-07-01", "tick", None, None, "not_on_plan_list"),
    ]
    assert changes[b"aetna|1"][-1] == ("2025-07-01", "tick", "plan", "A", None)
    assert changes[b"aetna|3"][-1] == ("2025-07-01", "practice", "plan", "X", None)
    reasons = [record[0].reason for topic, _, record in said if topic == "quarantine"]
    assert reasons == ["decision_without_request", "unknown_practice"]
    last = {key: record[0] for topic, key, record in said if topic == "attribution"}
    assert set(last[b"aetna|1"].flags) == {"request_overdue:B", "stale_list"}
    lost = {
        key: record[0].reason
        for topic, key, record in said
        if topic == "attribution-alerts" and record[0].state == "expired"
    }
    assert lost == {b"aetna|2|A": "dispute_decided", b"aetna|2|B": "not_on_plan_list", b"aetna|3|A": "not_on_plan_list"}
    shadows = [record[0] for topic, key, record in said if topic == "alert-history" and record[0].shadow]
    assert [(one.member_id, one.state, one.reason, str(one.secure_until)) for one in shadows] == [
        ("1", "raised", "likely_to_fall_off", "2025-09-01"),
        ("1", "changed", "likely_to_fall_off", "2025-09-01"),
    ]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 24), max_size=8))
async def test_where_batches_of_lists_and_decisions_are_cut_changes_nothing(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole, said = await worked(tmp_path_factory.mktemp("whole"), plans_and_requests().batches())
    cut, said_in_pieces = await worked(tmp_path_factory.mktemp("cut"), plans_and_requests().batches(cuts))
    assert cut == whole
    assert {(topic, key): record for topic, key, record in said_in_pieces} == {
        (topic, key): record for topic, key, record in said
    }


async def test_no_panel_is_frozen_of_a_payer_whose_own_list_is_missing(tmp_path: Path) -> None:
    log = plans_and_requests()
    month = dt.date(2025, 8, 1)
    log.add(span("4", payer="other"), claim("4", "C4", dt.date(2025, 5, 1), payer="other"))
    log.control(Close(close_id="c1", period="2025-08", reading="panel", actor="a", as_of=month, closed_on=month))
    late = {"covers_from": month, "covers_to": dt.date(2025, 8, 31), "records": 0, "full_replacement": True}
    log.control(FeedManifest(payer="aetna", feed="plan_attribution", file="f", list_version=1, **late))  # type: ignore[arg-type]
    agent = await opened(tmp_path)
    for batch in log.batches():
        await agent.apply(batch)
    rows = await agent.state.waiting(100_000)
    await agent.state.close()
    (partial,) = [CODEC.decode_control(row.value or b"") for row in rows if row.topic == "control"]
    assert isinstance(partial, Partial)
    assert (partial.not_frozen, {one.payer for one in partial.counts}) == (("aetna",), {"other"})
    assert [
        CODEC.decode_output("panels", row.value or b"")[0].practice_id for row in rows if row.topic == "panels"
    ] == ["A"]
    assert not [row for row in rows if row.topic == "adjustments"], "what was not frozen is not adjusted"


async def test_what_lies_below_the_watermark_is_not_applied_again(tmp_path: Path) -> None:
    log = history()
    once, said = await worked(tmp_path, log.batches())
    again, said_again = await worked(tmp_path, log.batches())
    assert again == once
    assert said_again == said


async def test_a_visit_that_changes_no_answer_is_counted_as_applied_and_its_copy_as_a_duplicate(tmp_path: Path) -> None:
    specialist = claim("M1", "C1", dt.date(2025, 1, 5), npi="77")
    line = msgspec.structs.replace(specialist.lines[0], rendering_taxonomy="207RC0000X")
    specialist = msgspec.structs.replace(specialist, lines=(line,))
    agent = await opened(tmp_path)
    log = Log().control(Tick(date=dt.date(2025, 7, 1))).add(span("M1"), specialist, specialist)
    for batch in log.batches():
        await agent.apply(batch)
    await agent.state.close()
    counted = {(kind, result): n for (kind, result), n in agent.counts.items() if kind in ("enrollment", "claim")}
    assert counted == {("enrollment", "applied"): 1, ("claim", "applied"): 1, ("claim", "duplicate"): 1}


async def test_a_batch_that_overlaps_the_watermark_is_applied_from_there(tmp_path: Path) -> None:
    log = history()
    agent = await opened(tmp_path)
    for batch in log.batches([4])[:1]:
        await agent.apply(batch)
    assert agent.state.watermark == 4
    await agent.apply(log.batches()[0])
    digest = await agent.state.digest()
    await agent.state.close()
    assert digest == (await worked(tmp_path / "fresh", log.batches()))[0]


async def test_a_hole_in_the_log_stops_the_partition(tmp_path: Path) -> None:
    log = history()
    agent = await opened(tmp_path)
    with pytest.raises(Stop, match="does not continue at 0") as stopped:
        await agent.apply(log.batches([4])[1])
    assert stopped.value.code == EXIT_HOLE
    whole = log.batches()[0]
    holed = Batch(whole.tp, 1, 0, whole.end, whole.records[:3] + whole.records[4:])
    with pytest.raises(Stop, match="records of the log are missing"):
        await agent.apply(holed)
    assert agent.state.watermark == 0
    await agent.state.close()


async def test_a_hole_among_broadcasts_stops_the_partition_and_a_repeated_one_is_ignored(tmp_path: Path) -> None:
    log = Log().control(Tick(date=dt.date(2025, 1, 1)))
    log.control(Tick(date=dt.date(2025, 1, 1)), repeat=True)
    log.sequence += 1
    log.control(Tick(date=dt.date(2025, 1, 3)))
    agent = await opened(tmp_path)
    with pytest.raises(Stop, match="is control record 3, but 1 is the last one here") as stopped:
        await agent.apply(log.batches()[0])
    assert stopped.value.code == EXIT_HOLE
    assert agent.state.watermark == 2
    await agent.state.close()


async def test_a_key_of_another_partition_stops_the_partition(tmp_path: Path) -> None:
    number = next(n for n in range(99) if partition_of(member_key("aetna", str(n)), 4) != 0)
    log = Log().add(span(str(number)))
    state = await MemberState.open(tmp_path / "members.sqlite", topic=TOPIC, partition=0, partitions=4)
    agent = await MemberPartition.resume(state, KNOWLEDGE, CODEC, prefix="", partition=0, partitions=4)
    with pytest.raises(Stop, match="belongs to partition"):
        await agent.apply(log.batches()[0])
    await state.close()


async def test_what_is_no_envelope_stops_the_partition_before_anything_is_kept(tmp_path: Path) -> None:
    log = Log().add(span("1"))
    log.records.append(LogRecord(TOPIC, 0, 1, 0, b"aetna|1", b"someone else's bytes"))
    agent = await opened(tmp_path)
    with pytest.raises(Stop, match="is not an envelope this release can read") as stopped:
        await agent.apply(log.batches()[0])
    assert stopped.value.code == EXIT_FAULT
    assert agent.state.watermark == 0
    await agent.state.close()


async def test_a_fault_in_one_member_marks_that_member_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = engine.fold

    def faulty(member: Any, rows: Any, fact: Any, knowledge: Any) -> Any:
        folded = fold(member, rows, fact, knowledge)
        if fact.kind == "claim" and fact.body.payer_claim_control_number == "BAD":
            raise RuntimeError("a mistake of ours")
        return folded

    monkeypatch.setattr(engine, "fold", faulty)
    log = Log().control(Tick(date=dt.date(2025, 6, 30)))
    log.add(span("1"), span("2"), claim("1", "C1", dt.date(2025, 5, 1)), claim("1", "BAD", dt.date(2025, 5, 2)))
    log.add(claim("1", "C9", dt.date(2025, 5, 3)), claim("2", "C2", dt.date(2025, 5, 2)))
    agent = await opened(tmp_path)
    await agent.apply(log.batches()[0])
    rows = await agent.state.members(["aetna|1", "aetna|2"])
    assert rows["aetna|1"].failed == "RuntimeError"
    assert rows["aetna|2"].failed is None
    assert [row[0] for row in await agent.state.fetch("SELECT event_offset FROM held ORDER BY 1")] == [4, 5]
    said = [row for row in await agent.state.waiting(99) if row.topic == "quarantine"]
    refused, version = CODEC.decode_output("quarantine", said[0].value or b"")
    assert (len(said), refused.reason, refused.original) == (1, "member_failed", b"sealed")
    assert version.offset == 4
    # The member stands as it stood before the fault, with the batch's earlier claim.
    before = engine.attribution(engine.decode_member(rows["aetna|1"].state), dt.date(2025, 6, 30), agent.knowledge)
    assert before.visits_12m == 1
    await agent.state.close()


async def test_a_wide_record_taken_up_in_the_middle_ends_as_if_never_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log().control(Tick(date=dt.date(2025, 1, 1)))
    for number in range(30):
        log.add(span(str(number)), claim(str(number), f"C{number}", dt.date(2024, 12, 1 + number % 28)))
    log.control(Tick(date=dt.date(2026, 7, 1)))
    whole, said = await worked(tmp_path / "whole", log.batches())
    monkeypatch.setattr(members_module, "STEP", 7)

    class PowerCut(Exception):
        pass

    steps = 0

    def cut(name: str) -> None:
        nonlocal steps
        steps += name == "after_step"
        if steps == 3:
            steps += 1
            raise PowerCut

    monkeypatch.setattr(members_module, "failpoint", cut)
    agent = await opened(tmp_path / "cut")
    with pytest.raises(PowerCut):
        await agent.apply(log.batches()[0])
    assert agent.state.cursor is not None
    await agent.state.close()
    again, said_again = await worked(tmp_path / "cut", log.batches())
    assert again == whole
    assert said_again == said


async def test_an_ordered_skip_passes_over_that_very_record_and_keeps_it(tmp_path: Path) -> None:
    log = Log().add(span("1"))
    log.records.append(LogRecord(TOPIC, 0, 1, 0, b"aetna|1", b"someone else's bytes"))
    log.add(span("2"))
    agent = await opened(tmp_path)
    async with agent.state.transaction():
        await agent.state.order_skip(1, hashlib.sha256(b"someone else's bytes").hexdigest(), "ticket 88", ACCEPTED)
    await agent.apply(log.batches()[0])
    assert agent.state.watermark == 3
    assert await agent.state.fetch("SELECT envelope FROM held") == [(b"someone else's bytes",)]
    await agent.state.close()


async def test_a_skip_ordered_for_other_bytes_stops_the_partition(tmp_path: Path) -> None:
    log = Log().add(span("1"))
    agent = await opened(tmp_path)
    async with agent.state.transaction():
        await agent.state.order_skip(0, hashlib.sha256(b"another record").hexdigest(), "ticket 88", ACCEPTED)
    with pytest.raises(Stop, match="not the record that was meant"):
        await agent.apply(log.batches()[0])
    assert agent.state.watermark == 0
    await agent.state.close()
