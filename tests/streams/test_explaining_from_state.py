"""Explain, asked of a worker's state file: the history of a member and the frozen lists it stands on."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from ops.program import app
from schemas.records import Close, PcpSelection, Tick
from state.stores.members import MemberState
from streams.members import MemberPartition
from streams.settings import member_file
from tests.streams.test_closes_of_a_partition import MOVES, STAYS, row
from tests.streams.test_member_partition import CODEC, KNOWLEDGE, TOPIC, Log, claim, span

JUNE = dt.date(2025, 6, 30)


async def kept(folder: Path, log: Log) -> None:
    """The state of a service of one partition after a log."""
    state = await MemberState.open(member_file(folder, 0), topic=TOPIC, partition=0, partitions=1)
    agent = await MemberPartition.resume(state, KNOWLEDGE, CODEC, prefix="", partition=0, partitions=1)
    await agent.apply(log.batches()[0])
    await state.close()


def explained(folder: Path, *more: str) -> str:
    ended = CliRunner().invoke(
        app(),
        ["explain", "--payer", "aetna", "--member", "1", "--state", str(folder), *more],
        env={"PANELSTREAM_PARTITIONS": "1"},
    )
    assert ended.exit_code == 0, ended.exception
    return ended.stdout


def life() -> Log:
    """A member who is seen at A, chooses B, is frozen there, has the choice taken back, and loses coverage."""
    chosen = PcpSelection(
        payer="aetna",  # type: ignore[arg-type]
        member_id="1",  # type: ignore[arg-type]
        selection_id="P",
        selection_version=1,
        pcp_npi=MOVES,  # type: ignore[arg-type]
        selection_source="member_selected",
        effective_from=dt.date(2025, 1, 1),
    )
    ended: Any = {**{name: getattr(chosen, name) for name in chosen.__struct_fields__}, "selection_version": 2}
    log = Log().control(row(STAYS, "A"), row(MOVES, "B", tin="950000002"), Tick(date=JUNE))
    log.add(span("1"), claim("1", "C1", dt.date(2025, 5, 1), npi=STAYS))
    log.add(chosen)
    log.control(
        Close(
            close_id="july", period="2025-07", reading="panel", actor="ann", as_of=dt.date(2025, 7, 1), closed_on=JUNE
        )
    )
    log.add(PcpSelection(**{**ended, "effective_to": dt.date(2025, 2, 1)}))
    log.add(span("1", span_version=2, enrollment_end_date=dt.date(2025, 7, 31)))
    return log.control(Tick(date=dt.date(2025, 8, 2)))


async def test_every_change_is_told_with_its_cause_the_latest_first(tmp_path: Path) -> None:
    await kept(tmp_path, life())
    said = [line.strip() for line in explained(tmp_path).splitlines() if line.strip().startswith("changed ")]
    told = [" ".join(line.split()) for line in said]
    assert [line.partition(", by ")[2].split()[0] for line in told] == ["tick", "selection", "selection", "claim"]
    assert told[0].endswith("A (claims_12) -> not attributed (coverage_ended)")
    assert told[1].endswith("B (selected) -> A (claims_12)")
    assert told[2].endswith("A (claims_12) -> B (selected)")
    assert told[3].endswith("not attributed -> A (claims_12)")


async def test_a_frozen_list_is_told_with_what_it_was_adjusted_to(tmp_path: Path) -> None:
    await kept(tmp_path, life())
    said = " ".join(explained(tmp_path, "--as-of", "2025-07-15").split())
    assert "frozen list panel of 2025-07 as of 2025-07-01: B, adjusted since to A" in said


async def test_json_holds_the_same(tmp_path: Path) -> None:
    await kept(tmp_path, life())
    found = json.loads(explained(tmp_path, "--json"))
    assert [one["cause"] for one in found["changes"]] == ["tick", "selection", "selection", "claim"]
    assert found["lists"] == [
        {
            "close_id": "july",
            "period": "2025-07",
            "reading": "panel",
            "as_of": "2025-07-01",
            "practice_id": "B",
            "adjusted_to": "A",
        }
    ]


async def test_a_change_by_the_roster_a_void_and_time_names_each(tmp_path: Path) -> None:
    seen, lasts = dt.date(2025, 5, 1), dt.date(2024, 8, 1)
    log = Log().control(row(STAYS, "A"), row(MOVES, "B", tin="950000002"), Tick(date=JUNE))
    log.add(span("1"), claim("1", "C1", seen, npi=STAYS), claim("1", "C2", lasts, npi=MOVES, tin="950000002"))
    # Of two practices under one TIN the lower id has the visits.
    log.control(row(STAYS, "0", roster_version=2))
    log.add(claim("1", "C1", seen, npi=STAYS, claim_frequency_code="8", claim_version=2))
    await kept(tmp_path, log.control(Tick(date=dt.date(2025, 8, 1)), Tick(date=dt.date(2026, 2, 1))))
    found = json.loads(explained(tmp_path, "--json"))
    told = [(one["cause"], one["before_practice_id"], one["after_practice_id"]) for one in found["changes"]]
    assert told == [
        ("tick", "B", None),
        ("tick", "B", "B"),
        ("claim", "0", "B"),
        ("roster", "A", "0"),
        ("claim", None, "A"),
    ]
    positions = [one["cause_position"] for one in found["changes"]]
    assert len(set(positions)) == len(positions)
    assert [(one["claim_id"], one["why"]) for one in found["not_counted"]] == [("C1", "voided")]


async def test_changes_older_than_eighteen_months_are_forgotten_with_the_next_one(tmp_path: Path) -> None:
    log = life().control(Tick(date=dt.date(2027, 2, 3)))
    log.add(span("1", span_version=3, enrollment_end_date=None), claim("1", "C9", dt.date(2027, 2, 1), npi=STAYS))
    await kept(tmp_path, log)
    state = await MemberState.open(member_file(tmp_path, 0), topic=TOPIC, partition=0, partitions=1)
    days = [row[0] for row in await state.fetch("SELECT as_of FROM changes ORDER BY event_offset")]
    await state.close()
    assert set(days) == {"2027-02-03"}


async def test_from_files_the_history_is_said_not_to_be_known(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(CODEC.to_json(span("1")) + "\n")
    ended = CliRunner().invoke(
        app(), ["explain", "--payer", "aetna", "--member", "1", "--files", str(file), "--as-of", "2025-06-30"]
    )
    assert "changes not known from files" in " ".join(ended.stdout.split())
