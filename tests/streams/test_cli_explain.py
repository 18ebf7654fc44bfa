"""Explain: everything that an answer rests on, in words for a person and as JSON for a program."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.program import app
from tests.event_files import (
    Event,
    Visit,
    asked,
    claim,
    decided,
    listed,
    plan_list,
    plan_run,
    reference,
    seen,
    span,
    void,
    write,
)

D = "2025-06-30"
GOLDEN_6: list[Visit] = [("2024-08-20", "A", "1"), ("2024-12-05", "A", "1"), ("2025-04-04", "B", "9")]


def explained(tmp_path: Path, events: list[Event], *more: str) -> str:
    path = write(tmp_path / "events.ndjson", [*reference(), *events])
    asked = ["explain", "--payer", "acme", "--member", "M", "--files", str(path), "--as-of", D, *more]
    ended = CliRunner().invoke(app(), asked)
    assert ended.exit_code == 0, ended.exception
    return ended.stdout


def line(said: str, about: str) -> str:
    (found,) = [one for one in said.splitlines() if one.strip().startswith(about)]
    return " ".join(found.split())


def test_an_answer_comes_with_step_counts_runner_up_and_evidence(tmp_path: Path) -> None:
    said = explained(tmp_path, seen(*GOLDEN_6))
    assert said.splitlines()[0] == f"acme M on {D}"
    assert line(said, "attributed to") == "attributed to A, provider 1"
    assert line(said, "because of") == "because of primary care visits of the last 12 months (step claims_12)"
    assert line(said, "visits") == "visits 2 in 12 months, 2 in 18, the last on 2024-12-05"
    assert line(said, "runner-up") == "runner-up B: 1 in 12 months, 1 in 18, the last on 2025-04-04"
    assert line(said, "decided by") == "decided by more visits in 12 months: 2 against 1 (visits)"
    told = [" ".join(one.split()) for one in said.splitlines() if one.startswith("  evidence")]
    assert told == ["evidence 2024-08-20, provider 1: C0", "evidence 2024-12-05, provider 1: C1"]


def test_it_says_until_when_why_and_what_would_keep_the_member(tmp_path: Path) -> None:
    said = explained(tmp_path, seen(*GOLDEN_6))
    assert line(said, "holds until") == ("holds until 2025-08-20, then B: another practice comes out ahead (outranked)")
    assert line(said, "to keep them") == "to keep them a visit before 2025-08-20"
    assert line(said, "alert").startswith("alert open, within 60 days: outranked; missing from the panel of 2025-09-01")


def test_an_end_that_no_visit_prevents_is_said_to_be_one(tmp_path: Path) -> None:
    said = explained(tmp_path, [span(enrollment_end_date="2025-07-31"), claim(("2025-05-02", "B", "9"), "C1")])
    assert line(said, "holds until") == "holds until 2025-08-01, then no practice: coverage ends (coverage_ending)"
    assert line(said, "to keep them") == "to keep them no visit would"


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([span()], "no_primary_care_visit"),
        ([span(death_date="2025-01-01")], "deceased"),
        ([span(enrollment_end_date="2024-12-31")], "coverage_ended"),
        ([span(enrollment_start_date="2025-12-01")], "not_yet_effective"),
        ([*seen(("2025-05-02", "B", "9")), void(seen(("2025-05-02", "B", "9"))[1])], "no_primary_care_visit"),
    ],
)
def test_a_member_without_a_practice_is_told_why(tmp_path: Path, events: list[Event], why: str) -> None:
    said = explained(tmp_path, events)
    assert line(said, "not attributed").endswith(f"({why})")
    assert "holds until" not in said


def test_a_conflict_flag_is_put_into_words(tmp_path: Path) -> None:
    selection: dict[str, Any] = {
        "event_type": "pcp_selection",
        "payer": "acme",
        "member_id": "M",
        "selection_id": "P",
        "selection_version": 1,
        "pcp_npi": "5",
        "selection_source": "member_selected",
        "effective_from": "2025-01-01",
        "practice_id": "C",
    }
    said = explained(tmp_path, [*seen(("2025-05-02", "B", "9")), selection])
    assert line(said, "flag") == "flag conflict:B: claims alone would say B"


def test_requests_and_decisions_are_told_with_how_they_stand(tmp_path: Path) -> None:
    events = [
        *seen(("2025-05-02", "B", "9")),
        asked("add", "C", "2025-06-01", effective_to="2025-09-01"),
        decided("add", "C", "2025-06-01"),
        asked("remove", "B", "2025-06-15"),
        asked("remove", "A", "2025-06-15", due_date="2025-06-20"),
    ]
    said = explained(tmp_path, events)
    assert line(said, "because of") == "because of an accepted decision on an attribution request (step decision)"
    assert line(said, "holds until").endswith(
        "then B: a decision on an attribution request takes effect, or ends (dispute_decided)"
    )
    told = [" ".join(one.split()) for one in said.splitlines() if one.startswith("  request")]
    assert told == [
        "request to add C from 2025-06-01: was accepted, in force until 2025-09-01",
        "request to remove A from 2025-06-15: was to be decided by 2025-06-20",
        "request to remove B from 2025-06-15: waits for its decision, due 2025-07-15",
    ]
    as_json = json.loads(explained(tmp_path, events, "--json"))
    assert [one["state"] for one in as_json["requests"]] == ["in_force", "overdue", "open"]
    assert "flag request_open:B: a request about that practice waits for its decision" in " ".join(said.split())


def test_an_answer_from_a_plans_list_is_told_with_the_shadow(tmp_path: Path) -> None:
    events = [plan_run(), *seen(("2024-03-01", "A", "1")), listed("2025-06", "A"), plan_list("2025-06")]
    said = explained(tmp_path, events)
    assert line(said, "because of") == "because of the plan's own list (step plan)"
    assert line(said, "holds") == "holds until something new is known"
    assert "likely_to_fall_off by the common rule, which is not the plan's" in line(said, "alert")
    other = explained(tmp_path, [plan_run(), *seen(("2024-03-01", "A", "1")), plan_list("2025-06")])
    assert line(other, "not attributed") == (
        "not attributed: covered, but not on the plan's own list (not_on_plan_list)"
    )
    assert line(other, "flag") == "flag conflict:A: the common rule would say A"


def test_how_far_claims_reach_is_said(tmp_path: Path) -> None:
    manifest = {
        "event_type": "feed_manifest",
        "payer": "acme",
        "feed": "claims",
        "file": "f",
        "list_version": 1,
        "covers_from": "2025-01-01",
        "covers_to": "2025-05-31",
        "records": 1,
    }
    assert line(explained(tmp_path, [span(), manifest]), "claims") == "claims said to reach 2025-05-31"
    assert "has not been said" in explained(tmp_path, [span()])


def test_a_program_gets_every_field(tmp_path: Path) -> None:
    told = json.loads(explained(tmp_path, seen(*GOLDEN_6), "--json"))
    assert told["attribution"]["practice_id"] == "A"
    assert told["attribution"]["evidence"] == ["C0", "C1"]
    assert told["alert"]["panel_visit_by"] == str(dt.date(2025, 8, 31))
    assert told["failed"] is None


def test_another_ruleset_and_an_earlier_knowledge_can_be_asked_of_files(tmp_path: Path) -> None:
    late = claim(("2025-06-02", "A", "1"), "C9", accepted_at="2025-08-01T00:00:00Z")
    events = [*seen(*GOLDEN_6), late]
    assert line(explained(tmp_path, events), "visits").startswith("visits 3 in 12")
    assert line(explained(tmp_path, events, "--known-at", "2025-07-01"), "visits").startswith("visits 2 in 12")
    assert line(explained(tmp_path, seen(*GOLDEN_6), "--ruleset", "recency_first"), "attributed") == (
        "attributed to B, provider 9"
    )
