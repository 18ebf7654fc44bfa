"""A snapshot asked again from the lines of its log: equal whatever had happened, and never equal to something else."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.sample.population import population
from schemas.codec import Undecodable
from schemas.records import (
    Attribution,
    Close,
    MemberFact,
    PayerRecord,
    PlanAttribution,
    Position,
    Snapshot,
    Tick,
)
from schemas.unions import Record
from state import closing, engine, results, validation
from state.reference.knowledge import Knowledge
from state.reference.tables import MissingTable, TableStore
from state.stores.members import MemberState
from streams.log_files import control_line, member_line
from streams.members import MemberPartition
from streams.replaying import Question, Replayed, replay
from streams.snapshots import Manifest
from streams.stopping import Stop
from tests.streams.test_closes_of_a_partition import JUNE, MOVES, STAYS, outputs, panel, row, six_members
from tests.streams.test_member_partition import ACCEPTED, CODEC, TOPIC, Log, claim, span

DAY = dt.date(2025, 5, 1)


@dataclasses.dataclass
class Closed:
    """A closed partition: its manifest and answers as `close export` writes them, and its log as `log export` does."""

    folder: Path
    snapshot: Snapshot

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def files(self) -> list[Path]:
        return [self.folder / "control.ndjson", self.folder / "member-events-0000.ndjson"]

    def again(
        self, *, files: list[Path] | None = None, tables: TableStore | None = None, processes: int | None = None
    ) -> Replayed:
        question = Question.of_snapshot(Manifest.read(self.manifest))
        return replay(files or self.files, question, tables or TableStore(), self.folder / "again", processes=processes)

    def touch(self, number: int, change: Callable[[list[bytes]], Iterable[bytes]]) -> None:
        """Change the lines of a file."""
        path = self.files[number]
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    def check_equal(self) -> Replayed:
        replayed = self.again()
        assert replayed.differences == []
        assert (self.folder / "again" / "panel.csv").read_bytes() == (self.folder / "panel.csv").read_bytes()
        return replayed


async def closed(
    folder: Path, log: Log, *, ruleset: str = "guide", passed_over: Iterable[int] = (), failing: str | None = None
) -> Closed:
    """Work a log with one close in it, and write what comes of it and the log itself."""
    state = await MemberState.open(folder / "members.sqlite", topic=TOPIC, partition=0, partitions=1, patience=1)
    async with state.transaction():
        for offset in passed_over:
            digest = hashlib.sha256(log.records[offset].value or b"").hexdigest()
            await state.order_skip(offset, digest, "broken", ACCEPTED)
    knowledge = Knowledge.initial(TableStore(), ruleset=ruleset)
    agent = await MemberPartition.resume(state, knowledge, CODEC, prefix="", partition=0, partitions=1)
    with pytest.MonkeyPatch.context() as patch:
        if failing:
            patch.setattr(engine, "freeze", _failing_for(failing, engine.freeze))
        await agent.apply(log.batches()[0])
    (partial,) = await outputs(agent, "control")
    lists = await outputs(agent, "panels")
    await state.close()

    control = [(0, CODEC.encode_control(Tick(date=dt.date(1990, 1, 1))))]
    for record in log.records:
        envelope = _envelope(record.value or b"")
        if envelope is not None and envelope.sequence is not None:
            broadcast = CODEC.decode_facts("control", envelope.facts)
            control.append((envelope.position.offset, CODEC.encode_control(broadcast)))
            if isinstance(broadcast, Close):
                opened = closing.opened(broadcast, envelope.position.offset)
    snapshot = closing.completed(opened, [partial])
    answers: dict[tuple[str, str], Attribution] = {
        (one.payer, one.member_id): one.attribution for part in lists for one in part.entries if one.attribution
    }
    (folder / "panel.csv").write_bytes(b"".join(results.panel_csv(answers[name] for name in sorted(answers))))
    made = Closed(folder, snapshot)
    made.manifest.write_bytes(msgspec.json.encode(results.close_manifest(snapshot, {})))
    made.files[0].write_bytes(b"".join(control_line(CODEC, offset, ACCEPTED, value) for offset, value in control))
    made.files[1].write_bytes(b"".join(member_line(CODEC, 0, one.offset, one.value) for one in log.records))
    return made


def _envelope(value: bytes) -> Any:
    try:
        return CODEC.decode_envelope(value)
    except Undecodable:
        return None


def _failing_for(member_id: str, sound: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(member: engine.Member, *arguments: Any, **named: Any) -> Any:
        if member.member_id == member_id:
            raise ZeroDivisionError
        return sound(member, *arguments, **named)

    return faulty


def at(log: Log, position: Position) -> Log:
    """The log with its last record come from another place of the input."""
    last = log.records[-1]
    envelope = msgspec.structs.replace(CODEC.decode_envelope(last.value or b""), position=position)
    log.records[-1] = dataclasses.replace(last, value=CODEC.encode_envelope(envelope))
    return log


# -- the law ------------------------------------------------------------------------------------------------------------


@cache
def good_and_bad_days() -> tuple[list[Any], list[MemberFact]]:
    """Reference and facts of a made-up population, as intake lets them in."""
    reference: list[Record] = []
    about_members: list[MemberFact] = []
    for event in population(12, 5, dt.date(2024, 1, 1), JUNE, bad_share=0.05):
        try:
            record = CODEC.from_json(json.dumps(event))
        except Undecodable:
            continue
        if isinstance(record, MemberFact):
            if validation.refusal(record, (record.accepted_at or ACCEPTED).date()) is None:
                about_members.append(record)
        else:
            reference.append(record)
    return reference, about_members


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random=st.randoms(use_true_random=False), close_after=st.floats(0, 1), reference_after=st.floats(0, 1))
def test_whatever_had_come_in_whatever_order_the_snapshot_comes_out_again(
    random: Random, close_after: float, reference_after: float
) -> None:
    reference, about_members = good_and_bad_days()
    order = random.sample(about_members, len(about_members))
    barrier = int(close_after * len(order))
    early = int(reference_after * barrier)
    log = Log().control(Tick(date=JUNE), *reference[::2]).add(*order[:early]).control(*reference[1::2])
    log.add(*order[early:barrier]).control(panel()).add(*order[barrier:])
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(closed(Path(folder), log)).check_equal()


async def test_a_snapshot_comes_out_again_by_several_processes(tmp_path: Path) -> None:
    reference, about_members = good_and_bad_days()
    log = Log().control(Tick(date=JUNE), *reference).add(*about_members[::2])
    made = await closed(tmp_path, log.control(panel()).add(*about_members[1::2]))
    first, second = made.again(processes=1), made.again(processes=2)
    assert first.differences == second.differences == []
    assert first == second
    made.touch(1, lambda lines: (line.replace(b'"claim_status":"paid"', b'"claim_status":"odd"') for line in lines))
    for processes in (1, 2):
        with pytest.raises(Stop, match=r"line \d+ was changed since its export: claim_status is not one of"):
            made.again(processes=processes)


# -- what only the log tells --------------------------------------------------------------------------------------------


def of_one_id(number: str, npi: str) -> MemberFact:
    return claim("0", number, DAY, npi=npi, event_id="E1")


def two_practices() -> Log:
    return Log().control(row(STAYS, "B"), row(MOVES, "C", tin="950000002"), Tick(date=JUNE)).add(span("0"))


@pytest.mark.parametrize(("first", "practice"), [(STAYS, "B"), (MOVES, "C")])
async def test_of_two_claims_of_one_event_id_the_one_that_arrived_first_stands(
    tmp_path: Path, first: str, practice: str
) -> None:
    tins = {STAYS: "950000001", MOVES: "950000002"}
    log = two_practices()
    for number, npi in (("C1", first), ("C2", MOVES if first == STAYS else STAYS)):
        log.add(claim("0", number, DAY, npi=npi, tin=tins[npi], event_id="E1"))
        at(log, Position("claims", 0, 100 - len(log.records)))
    made = await closed(tmp_path, log.control(panel()))
    made.check_equal()
    assert f",{practice},{first}," in (tmp_path / "panel.csv").read_text()


@pytest.mark.parametrize("place", [1, 99])
async def test_of_two_contents_of_one_version_the_one_that_entered_first_stands(tmp_path: Path, place: int) -> None:
    log = two_practices().add(claim("0", "C1", DAY, npi=STAYS))
    log.add(span("0", enrollment_end_date=dt.date(2025, 5, 31)))
    made = await closed(tmp_path, at(log, Position("claims", 0, place)).control(panel()))
    made.check_equal()
    assert made.snapshot.attributed == (0 if place == 1 else 1)


async def test_a_reference_record_sent_again_does_not_move_to_a_later_place(tmp_path: Path) -> None:
    """The conductor says it once: what came in between stays the later one."""
    terms = [
        PayerRecord(payer="aetna", name="Aetna", products=(products,), event_id=products) for products in ("PPO", "HMO")
    ]
    log = two_practices().add(claim("0", "C1", DAY, npi=STAYS)).control(*terms, terms[0], repeat=False)
    # The last one is on `control` alone.
    envelope = log.records.pop()
    log.control(panel())
    log.records[-1] = dataclasses.replace(log.records[-1], value=_renumbered(log.records[-1].value or b""))
    made = await closed(tmp_path, log)
    again = CODEC.encode_control(CODEC.decode_facts("control", CODEC.decode_envelope(envelope.value or b"").facts))
    made.touch(0, lambda lines: [*lines[:-1], control_line(CODEC, len(lines) - 1, ACCEPTED, again), lines[-1]])
    assert made.check_equal().counts["attributed"] == 0


def _renumbered(value: bytes) -> bytes:
    """A broadcast with the number before its own; where its record stands on `control` stays."""
    envelope = CODEC.decode_envelope(value)
    return CODEC.encode_envelope(msgspec.structs.replace(envelope, sequence=(envelope.sequence or 0) - 1))


async def test_a_fact_that_is_long_as_text_is_read_all_the_same(tmp_path: Path) -> None:
    long = span("0", span_version=2, language="x" * 1_100_000)
    made = await closed(tmp_path, two_practices().add(long, claim("0", "C1", DAY, npi=STAYS)).control(panel()))
    made.check_equal()


# -- who is left out ----------------------------------------------------------------------------------------------------


async def test_members_that_the_service_could_not_work_are_left_out_and_told(tmp_path: Path) -> None:
    made = await closed(tmp_path, six_members().control(panel()), failing="4")
    replayed = made.check_equal()
    assert (replayed.counts["members"], replayed.left_out) == (5, 1)
    told = json.loads((tmp_path / "again" / "manifest.json").read_text())["snapshot"]
    assert told["failed_members"] == ["aetna|4"]


async def test_a_payer_whose_own_list_was_missing_is_left_out(tmp_path: Path) -> None:
    log = six_members().control(PayerRecord(payer="molina", name="Molina", attribution_mode="plan"))
    log.add(span("9", payer="molina"), PlanAttribution(payer="molina", member_id="9", attribution_month="2025-06",
                                                       practice_id="B", list_version=1))  # fmt: skip
    replayed = (await closed(tmp_path, log.control(panel()))).check_equal()
    assert (replayed.counts["members"], replayed.left_out) == (6, 1)


async def test_what_an_operator_had_passed_over_is_passed_over_again(tmp_path: Path) -> None:
    log = six_members()
    log.records.append(dataclasses.replace(log.records[-1], offset=len(log.records), value=b"no envelope"))
    readable = len(log.records)
    log.add(claim("0", "C9", DAY, npi=MOVES)).control(panel())
    made = await closed(tmp_path, log, passed_over=(readable - 1, readable))
    made.check_equal()
    text = made.manifest.read_text()
    made.manifest.write_text(text.replace(hashlib.sha256(b"no envelope").hexdigest(), "0" * 64))
    with pytest.raises(Stop, match="line 16 could not be read when the log was exported"):
        made.again()


# -- rules --------------------------------------------------------------------------------------------------------------


async def test_the_rules_are_those_of_the_release_that_closed(tmp_path: Path) -> None:
    log = six_members().control(panel())
    made = await closed(tmp_path, log, ruleset="recency_first")
    assert made.snapshot.ruleset == "recency_first"
    made.check_equal()
    assert json.loads((tmp_path / "again" / "manifest.json").read_text())["ruleset"]["name"] == "recency_first"


async def test_a_table_that_is_not_here_is_named_by_its_digest(tmp_path: Path) -> None:
    made = await closed(tmp_path, six_members().control(panel()))
    manifest = json.loads(made.manifest.read_text())
    manifest["tables"]["primary_care_services"] = "ab" * 32
    made.manifest.write_text(json.dumps(manifest))
    with pytest.raises(MissingTable, match=r"primary_care_services with sha256 abab.* is in no folder of tables"):
        made.again()


async def test_a_table_that_the_log_does_not_bring_is_a_difference(tmp_path: Path) -> None:
    made = await closed(tmp_path, six_members().control(panel()))
    manifest = json.loads(made.manifest.read_text())
    manifest["tables"]["npi_taxonomy"] = "ab" * 32
    manifest["engine_version"] = "0.0"
    made.manifest.write_text(json.dumps(manifest))
    assert made.again().differences == [
        f"table npi_taxonomy none (at the close {'ab' * 32})",
        "engine version 1 (at the close 0.0)",
    ]


# -- what is refused ----------------------------------------------------------------------------------------------------


async def test_a_line_that_says_something_else_gives_another_digest(tmp_path: Path) -> None:
    made = await closed(tmp_path, six_members().control(panel()))
    made.touch(1, lambda lines: [line.replace(b"2025-05-01", b"2022-05-01") for line in lines])
    different = made.again().differences
    assert [one.split(" (")[0] for one in different[:1]] == ["attributed 0"]
    assert different[-1].endswith(f"(at the close {made.snapshot.content_digest})")


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        (1, lambda lines: [*lines[:5], *lines[6:]], r"line 6 is member-events\[0\] at 6, where offset 5 should stand"),
        (1, lambda lines: [*lines[:5], lines[4], *lines[5:]], "line 6 .* at 4, where offset 5 should stand"),
        (1, lambda lines: lines[:-1], r"member-events\[0\] ends before offset 15, and july reaches to 15"),
        (1, lambda lines: [], r"member-events\[0\] is not in the files"),
        (0, lambda lines: lines[:-1], r"control\[0\] ends before offset 4, and july reaches to 4"),
        (1, lambda lines: [b"{\n", *lines[1:]], "line 1 does not say where it stands"),
        (1, lambda lines: [line.replace(b'"units"', b'"unit"').replace(b'"gender":"F"', b'"gender":1') for line in lines],
         "line 4 was changed since its export: gender"),
        (1, lambda lines: [line.replace(b'"partition":0', b'"partition":7') for line in lines],
         r"line 1 is of member-events\[7\], which july does not know"),
        (0, lambda lines: [line.replace(b'"july"', b'"june"') for line in lines], "is not where july was closed"),
        (1, lambda lines: [line.replace(b'"control":4', b'"control":3') for line in lines], "is not where july was closed"),
    ],
)  # fmt: skip
async def test_lines_that_are_no_longer_those_of_the_log_are_refused(
    tmp_path: Path, number: int, change: Callable[[list[bytes]], Iterable[bytes]], said: str
) -> None:
    made = await closed(tmp_path, six_members().control(panel()))
    made.touch(number, change)
    with pytest.raises(Stop, match=said):
        made.again()


async def test_an_event_file_cannot_prove_a_snapshot(tmp_path: Path) -> None:
    made = await closed(tmp_path, six_members().control(panel()))
    other = tmp_path / "events.ndjson"
    other.write_text(CODEC.to_json(row(STAYS, "B")) + "\n")
    with pytest.raises(Stop, match=r"events.ndjson line 1 does not say where it stands on the log"):
        made.again(files=[*made.files, other])


@pytest.mark.parametrize(
    "content", ['{"as_of": "2025-07-01"}', "no json", '{"close": {"id": "x"}, "content_digest": null}']
)
def test_what_is_no_manifest_of_a_complete_close_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "manifest.json"
    with pytest.raises(Stop, match="does not exist"):
        Manifest.read(path)
    path.write_text(content)
    with pytest.raises(Stop, match="is not the manifest of a complete close"):
        Manifest.read(path)


# -- without a snapshot -------------------------------------------------------------------------------------------------


async def test_an_exported_log_replays_like_any_event_file(tmp_path: Path) -> None:
    """What came after the close is in; ticks, closes and broadcasts are passed over; what cannot be read is told."""
    log = six_members().control(panel())
    log.records.append(dataclasses.replace(log.records[-1], offset=len(log.records), value=b"no envelope"))
    made = await closed(tmp_path, log.add(span("7")), passed_over=[len(log.records) - 2])
    for files in (made.files, made.files[::-1]):
        replayed = replay(files, Question(panel().as_of or JUNE), TableStore(), tmp_path / "plain")
        assert (replayed.counts["members"], replayed.counts["attributed"]) == (7, 6)
        assert "undecodable" in (tmp_path / "plain" / "quarantine.csv").read_text()
        manifest = json.loads((tmp_path / "plain" / "manifest.json").read_text())
        assert manifest["content_digest"] == replayed.content_digest
        assert "snapshot" not in manifest


def test_a_key_called_log_in_an_event_file_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    event = json.loads(CODEC.to_json(span("0")))
    path.write_text(
        "".join(json.dumps({**event, "log": some}, separators=(",", ":")) + "\n" for some in ({}, {"offset": "x"}, 3))
    )
    replayed = replay([path], Question(JUNE), TableStore(), tmp_path / "out")
    assert (replayed.counts["members"], replayed.counts["quarantined"]) == (1, 0)


def test_the_content_digest_of_a_replay_is_that_of_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(CODEC.to_json(one) + "\n" for one in (row(STAYS, "B"), span("0"), claim("0", "C", DAY))))
    replayed = replay([path], Question(JUNE), TableStore(), tmp_path / "out")
    lines = (tmp_path / "out" / "panel.csv").read_bytes().splitlines(keepends=True)[1:]
    total = sum(int(hashlib.sha256(line).hexdigest(), 16) for line in lines)
    assert replayed.content_digest == f"{total % 2**256:064x}"
