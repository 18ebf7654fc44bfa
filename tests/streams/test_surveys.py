"""What surveys say of practices, on its way: into replay, and through the conductor into what a close has frozen. No member hears of it."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.records import SurveyResult, Tick
from schemas.topics import MOST_BYTES
from state import closing
from state.measures import cahps
from state.measures.editions import built_in
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from streams.publishing import message_of
from streams.replaying import Question, Replayed, replay
from tests.event_files import Event, reference, seen, span, write
from tests.measure_builders import year
from tests.state.measures.test_cahps import ACCESS, MONTHS, MY2025, of
from tests.streams.test_conductor import CODEC, close, log, partials, worked
from tests.streams.test_paying import worked as said_with_refusals

D = dt.date(2025, 12, 31)
MY = Tick(date=MY2025.k2)


def line(one: Any) -> Event:
    """A record as a line of an event file."""
    event: Event = msgspec.json.decode(CODEC.to_json(one))
    return event


def replayed(folder: Path, *results: SurveyResult) -> Replayed:
    """A year with a member, its program period, and what surveys say."""
    asked = [built_in("capc-2025").only(["EDU"])]
    question = Question(D, editions=asked, value_sets=starter_sets(), periods=[year(2025)])
    events = [*reference(), line(MY2025), span(), *seen(("2025-03-01", "A", "1")), *map(line, results)]
    return replay([write(folder / "e.ndjson", events)], question, TableStore(), folder / "out", processes=1)


def surveyed(folder: Path) -> list[dict[str, str]]:
    """The lines of CAHPS."""
    with (folder / "out" / "rates.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["measure"] == "CAHPS"]


def test_replay_shows_the_results_of_the_months_it_is_asked_for(tmp_path: Path) -> None:
    replayed(tmp_path, of(period="MY2024"), of(period=MONTHS, composite="staff"), ACCESS)
    first, second = surveyed(tmp_path)
    assert (first["edition"], first["period"], first["reading"]) == ("capc-2025", MONTHS, "live")
    assert (first["rate"], first["practice_id"], first["denominator"], first["value"]) == ("staff", "P1", "112", "61.4")
    assert (second["rate"], second["numerator"], second["stratum"]) == ("access", "", "")
    assert second["note"].startswith("information only, as imported; ")
    assert "reported for MY2025" in second["note"]


def test_the_later_result_stands_and_one_sent_again_does_not_come_back(tmp_path: Path) -> None:
    replayed(tmp_path, ACCESS, of(value=Decimal(70)), ACCESS)
    assert [row["value"] for row in surveyed(tmp_path)] == ["70"]


def test_an_event_id_with_other_content_waits_in_quarantine(tmp_path: Path) -> None:
    found = replayed(tmp_path, of(event_id="E1"), of(event_id="E1", value=Decimal(70)), of(n=0))
    assert [row["value"] for row in surveyed(tmp_path)] == ["61.4"]
    with (tmp_path / "out" / "quarantine.csv").open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == ["event_id_conflict", "impossible_value"]
    assert found.counts["quarantined"] == 2


async def test_more_results_than_a_close_can_freeze_wait_in_quarantine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cahps, "MOST", 2)
    results = [ACCESS, of(composite="staff"), of(composite="rating"), of(n=500), of(period=MONTHS)]
    said = await said_with_refusals(tmp_path, *results)
    assert [reason for reason, _ in said.refused] == ["too_many_results"]
    assert replayed(tmp_path, *results).counts["quarantined"] == 1
    assert [(row["rate"], row["denominator"]) for row in surveyed(tmp_path)] == [
        ("access", "112"),
        ("access", "500"),
        ("staff", "112"),
    ]


def test_the_largest_results_of_a_close_fit_into_its_record() -> None:
    text = "x" * cahps.LONGEST
    largest = of(practice_id=text, survey=text, survey_version=text, period=text, composite=text, n=2**62)
    snapshot = closing.opened(close(), 1)
    every = msgspec.structs.replace(snapshot, survey_results=(cahps.frozen(largest),) * (2 * cahps.MOST))
    assert len(CODEC.encode_output("snapshots", every, None)) < 0.9 * MOST_BYTES


def test_surveys_change_nothing_else_that_replay_says(tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    with_them, without = replayed(tmp_path, ACCESS), replayed(tmp_path / "without")
    assert (with_them.measures, with_them.content_digest) == (without.measures, without.content_digest)
    assert with_them.rates == without.rates
    lines = [(folder / "out" / "rates.csv").read_text().splitlines() for folder in (tmp_path, tmp_path / "without")]
    assert lines[0][:-1] == lines[1]
    assert len(lines[1]) > 1


async def test_no_member_hears_of_a_survey(tmp_path: Path) -> None:
    assert await worked(tmp_path, log(ACCESS)) == ([], [])


async def test_a_close_freezes_what_surveys_said_of_its_period_when_it_was_asked_for(tmp_path: Path) -> None:
    staff, later = of(composite="staff", period=MONTHS, event_id="E1", mode_adjusted=None), of(value=Decimal(70))
    records = [MY2025, MY, of(period="MY2024"), ACCESS, staff, later, close("final", "MY2025", "c"), of(n=500)]
    whole = log(*records, *partials("c"))
    _, said = await worked(tmp_path / "whole", whole)
    assert said[-1].state == "complete"
    assert said[-1].survey_results == (cahps.frozen(staff), later)
    assert (await worked(tmp_path / "cut", whole, [3, 4, 6, 7, 8]))[1] == said


async def test_a_panel_has_no_survey(tmp_path: Path) -> None:
    panel = [MY2025, MY, ACCESS, of(period="2026-07"), close("panel", "2026-07", "c")]
    _, said = await worked(tmp_path, log(*panel, *partials("c")))
    assert [one.survey_results for one in said] == [(), ()]


async def test_the_conductor_refuses_an_event_id_with_other_content(tmp_path: Path) -> None:
    said = await said_with_refusals(tmp_path, of(event_id="E1"), of(event_id="E1"), of(event_id="E1", n=9))
    assert [reason for reason, _ in said.refused] == ["event_id_conflict"]
    assert said.broadcast == 0


def test_it_is_sent_over_reference_under_its_practice() -> None:
    message = message_of(CODEC, ACCESS, prefix="", partitions=1, history=False)
    assert (message.topic, message.key) == ("reference", b"survey_result:P1")
    assert CODEC.decode_input("reference", message.value or b"") == ACCESS
