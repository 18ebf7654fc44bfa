"""Replay: results from files alone; equal records give equal bytes, whatever their order, repetition or files."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.sample.population import population
from schemas.records import Alert, Attribution, MemberId, Payer, PracticeId
from state import results
from state.reference.tables import TableStore
from streams.replaying import Question, replay
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

D = dt.date(2025, 6, 30)
RESULTS = ("panel.csv", "alerts.csv", "quarantine.csv")


def run(files: Sequence[Path], out: Path, **question: Any) -> dict[str, bytes]:
    """The bytes of every CSV, after a look at what the manifest says of them."""
    replay(files, Question(**{"as_of": D, **question}), TableStore(), out)
    made = {name: (out / name).read_bytes() for name in RESULTS}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in made.items()}
    assert manifest["failed_members"] == []
    return made


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(data.decode().splitlines()))


def panel_of(tmp_path: Path, events: Iterable[Event], **question: Any) -> dict[str, str]:
    """The panel row of the one member there is."""
    made = run([write(tmp_path / "events.ndjson", [*reference(), *events])], tmp_path / "out", **question)
    (row,) = rows(made["panel.csv"])
    return row


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """A made-up population with all its mishaps."""
    return list(population(150, 7, dt.date(2024, 1, 1), D))


# -- golden cases (attribution.md 2.8) ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        pytest.param(
            [("2024-09-03", "A", "1"), ("2025-01-10", "A", "2"), ("2025-05-02", "B", "9")],
            {
                "practice_id": "A",
                "provider_npi": "2",
                "step": "claims_12",
                "visits_12m": "2",
                "runner_up_practice_id": "B",
            },
            id="1 frequency decides",
        ),
        pytest.param(
            [("2024-09-03", "A", "1"), ("2025-05-02", "B", "9")],
            {"practice_id": "B", "provider_npi": "9"},
            id="2 recency breaks the tie",
        ),
        pytest.param(
            [("2024-03-01", "A", "1"), ("2024-04-01", "A", "1"), ("2024-06-01", "B", "9")],
            {"practice_id": "A", "step": "claims_18", "visits_12m": "0", "visits_18m": "2"},
            id="3 eighteen months where twelve are empty",
        ),
        pytest.param(
            [("2025-01-10", "A", "1"), ("2025-01-10", "A", "2"), ("2025-02-10", "B", "9")],
            {"practice_id": "B"},
            id="4 two providers on one day are one visit",
        ),
        pytest.param(
            [("2025-01-10", "A", "1"), ("2025-01-10", "B", "9")], {"practice_id": "A"}, id="5 a full tie goes by id"
        ),
        pytest.param(
            [("2024-08-20", "A", "1"), ("2024-12-05", "A", "1"), ("2025-04-04", "B", "9")],
            {"practice_id": "A", "secure_until": "2025-08-20", "next_practice_id": "B", "drop_reason": "outranked"},
            id="6 outranked",
        ),
        pytest.param(
            [("2024-08-20", "A", "1")],
            {"practice_id": "A", "secure_until": "2026-02-20", "next_practice_id": "", "drop_reason": "aging_out"},
            id="7 ageing out",
        ),
        pytest.param(
            [("2024-03-20", "B", "9"), ("2024-04-20", "B", "9"), ("2024-08-20", "A", "1")],
            {"practice_id": "A", "secure_until": "2025-08-20", "next_practice_id": "B", "drop_reason": "fallback_flip"},
            id="8 flip to eighteen months",
        ),
        pytest.param(
            [("2025-01-05", "A", "1"), ("2025-02-05", "A", "2"), ("2025-03-05", "A", "2"), ("2025-03-05", "A", "1")],
            {"practice_id": "A", "provider_npi": "1"},
            id="9 equal providers go by NPI",
        ),
    ],
)
def test_a_golden_case_by_files(tmp_path: Path, visits: list[Visit], expected: dict[str, str]) -> None:
    row = panel_of(tmp_path, seen(*visits))
    assert {name: row[name] for name in expected} == expected
    assert row["status"] == "attributed"


def test_a_voided_visit_no_longer_counts(tmp_path: Path) -> None:
    events = seen(("2025-01-10", "A", "1"), ("2025-02-10", "A", "1"), ("2025-03-10", "B", "9"))
    assert panel_of(tmp_path, events)["practice_id"] == "A"
    assert panel_of(tmp_path, [*events, void(events[2])])["practice_id"] == "B"


def test_a_void_before_its_original_leaves_no_visit(tmp_path: Path) -> None:
    events = seen(("2024-09-03", "A", "1"), ("2025-05-02", "B", "9"))
    before = panel_of(tmp_path, [void(events[2]), *events])
    assert before["practice_id"] == "A"
    assert before == panel_of(tmp_path, [*events, void(events[2])])


def test_the_dead_have_no_practice_and_had_one_the_day_before(tmp_path: Path) -> None:
    events = [span(death_date="2025-06-01"), claim(("2025-05-02", "B", "9"), "C1")]
    dead = panel_of(tmp_path, events)
    assert (dead["status"], dead["reason"], dead["practice_id"]) == ("not_attributed", "deceased", "")
    assert panel_of(tmp_path, events, as_of=dt.date(2025, 5, 31))["practice_id"] == "B"


def test_a_selection_decides_and_says_what_claims_would(tmp_path: Path) -> None:
    selection = {
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
    row = panel_of(tmp_path, [*seen(("2025-05-02", "B", "9")), selection])
    assert (row["practice_id"], row["step"], row["flags"]) == ("C", "selected", "conflict:B")


def test_a_decision_moves_the_member_whatever_the_order_of_the_lines(tmp_path: Path) -> None:
    events = [*seen(("2025-05-02", "B", "9")), asked("add", "C", "2025-06-01"), decided("add", "C", "2025-06-01")]
    row = panel_of(tmp_path, events)
    assert (row["practice_id"], row["step"], row["flags"]) == ("C", "decision", "conflict:B")
    assert panel_of(tmp_path, events[::-1]) == row
    assert panel_of(tmp_path, events, as_of=dt.date(2025, 5, 31))["practice_id"] == "B"
    period = {"event_type": "period", "period": "P1", "performance_end": "2025-08-31", "k1": "2025-11-30",
              "k2": "2026-02-28", "pool_from": "2025-01-01", "pool_months": 12}  # fmt: skip
    ends = panel_of(tmp_path, [*events, period])
    assert (ends["secure_until"], ends["drop_reason"], ends["next_practice_id"]) == (
        "2025-09-01",
        "dispute_decided",
        "B",
    )


def test_a_decision_without_its_request_is_told_and_has_no_effect(tmp_path: Path) -> None:
    events = [*reference(), *seen(("2025-05-02", "B", "9")), decided("add", "C", "2025-06-01")]
    made = run([write(tmp_path / "events.ndjson", events)], tmp_path / "out")
    (row,), (refused,) = rows(made["panel.csv"]), rows(made["quarantine.csv"])
    assert row["practice_id"] == "B"
    assert (refused["reason"], refused["position"]) == ("decision_without_request", str(len(events)))


def test_a_payer_that_runs_attribution_itself_is_answered_from_its_list(tmp_path: Path) -> None:
    events = [*reference()[1:], plan_run(), *seen(("2024-03-01", "A", "1")), plan_list("2025-06")]
    events += [
        listed("2025-06", "A", npi="1"),
        span("N"),
        span("O"),
        listed("2025-06", "X", "O"),
        listed("2025-06", "B", npi="7"),
    ]
    made = run([write(tmp_path / "events.ndjson", events)], tmp_path / "out")
    panel = {row["member_id"]: row for row in rows(made["panel.csv"])}
    assert (panel["M"]["step"], panel["M"]["practice_id"], panel["M"]["provider_npi"]) == ("plan", "A", "1")
    assert [(panel[one]["status"], panel[one]["reason"]) for one in "NO"] == [
        ("not_attributed", "not_on_plan_list"),
        ("not_attributed", "unknown_practice"),
    ]
    assert [row["reason"] for row in rows(made["quarantine.csv"])] == ["unknown_practice", "plan_list_conflict"]
    (alert,) = rows(made["alerts.csv"])
    assert (alert["member_id"], alert["reason"], alert["secure_until"]) == ("M", "likely_to_fall_off", "2025-09-01")
    stale = run([tmp_path / "events.ndjson"], tmp_path / "out", as_of=dt.date(2025, 7, 1))
    assert {row["flags"] for row in rows(stale["panel.csv"])} == {"stale_list"}


@pytest.mark.parametrize(
    ("event", "reason", "field"),
    [
        (listed("2025-6", "A"), "impossible_date", "attribution_month"),
        (listed("2025-06", "A", list_version="one"), "wrong_type", "list_version"),
        (listed("2025-06", "A", list_version=None), "missing_value", "list_version"),
        (asked("transfer", "A", "2025-06-01"), "not_in_list", "request"),
        (asked("add", "A", "2025-06-31"), "impossible_date", "effective_from"),
        (asked("add", "A", "2025-06-01", effective_to="2025-05-01"), "end_before_start", "effective_to"),
        (decided("add", "A", "2025-06-01", "perhaps"), "not_in_list", "decision"),
        ({key: value for key, value in asked("add", "A", "2025-06-01").items() if key != "due_date"}, "missing_value", "due_date"),
    ],
)  # fmt: skip
def test_a_list_entry_request_or_decision_that_makes_no_sense_is_told(
    tmp_path: Path, event: Event, reason: str, field: str
) -> None:
    made = run([write(tmp_path / "events.ndjson", [*reference(), span(), event])], tmp_path / "out")
    (refused,) = rows(made["quarantine.csv"])
    assert (refused["reason"], refused["field"]) == (reason, field)


def test_an_alert_stands_in_its_file_once_ninety_days_are_left(tmp_path: Path) -> None:
    events = [*reference(), *seen(("2024-08-20", "A", "1"), ("2024-12-05", "A", "1"), ("2025-04-04", "B", "9"))]
    made = run([write(tmp_path / "events.ndjson", events)], tmp_path / "out")
    (alert,) = rows(made["alerts.csv"])
    assert (alert["practice_id"], alert["reason"], alert["secure_until"]) == ("A", "outranked", "2025-08-20")
    assert (alert["horizon_days"], alert["visits_needed"], alert["data_through"]) == ("60", "1", "")


# -- determinism --------------------------------------------------------------------------------------------------------


def test_the_order_of_files_does_not_matter(tmp_path: Path, events: list[Event]) -> None:
    files = [write(tmp_path / f"part{number}.ndjson", events[number::3]) for number in range(3)]
    made = [run(order, tmp_path / "out") for order in itertools.permutations(files)]
    assert all(one == made[0] for one in made)
    assert rows(made[0]["panel.csv"])


def test_the_order_of_lines_does_not_matter_where_versions_decide(tmp_path: Path) -> None:
    events = [
        *reference(),
        *seen(("2024-09-03", "A", "1"), ("2025-01-10", "A", "2"), ("2025-05-02", "B", "9")),
        span(span_version=2, enrollment_end_date="2025-12-31"),
        void(claim(("2025-01-10", "A", "2"), "C1")),
        claim(("2025-01-12", "A", "2"), "C1", claim_frequency_code="7", claim_version=1),
    ]
    made = {
        run([write(tmp_path / "events.ndjson", order)], tmp_path / "out")["panel.csv"]
        for order in (events, events[::-1], events[1::2] + events[::2], sorted(events, key=json.dumps))
    }
    assert len(made) == 1


def test_duplicates_change_nothing(tmp_path: Path, events: list[Event]) -> None:
    once = write(tmp_path / "events.ndjson", events)
    again = write(tmp_path / "events_again.ndjson", events)
    first, both = run([once], tmp_path / "out"), run([once, again], tmp_path / "out")
    assert (first["panel.csv"], first["alerts.csv"]) == (both["panel.csv"], both["alerts.csv"])
    assert run([once, once], tmp_path / "out") == first


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path, events: list[Event]) -> None:
    path = write(tmp_path / "events.ndjson", events)
    here = run([path], tmp_path / "here")
    arguments = ["replay", str(path), "--as-of", str(D), "--out", str(tmp_path / "there")]
    ended = subprocess.run(
        [sys.executable, "-m", "ops.program", *arguments],
        env={"PYTHONHASHSEED": "12345", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert {name: (tmp_path / "there" / name).read_bytes() for name in RESULTS} == here
    assert (tmp_path / "there" / "manifest.json").read_bytes() == (tmp_path / "here" / "manifest.json").read_bytes()


# -- two times, rules, refusals -----------------------------------------------------------------------------------------


def test_what_was_accepted_after_the_knowledge_time_is_not_known(tmp_path: Path) -> None:
    late = claim(("2025-05-02", "B", "9"), "C9", accepted_at="2025-08-01T00:00:00Z")
    events = [*seen(("2024-09-03", "A", "1")), late]
    known_at = dt.datetime(2025, 7, 15, tzinfo=dt.UTC)
    assert panel_of(tmp_path, events, known_at=known_at)["practice_id"] == "A"
    assert panel_of(tmp_path, events)["practice_id"] == "B"


def test_what_only_money_rests_on_is_passed_over(tmp_path: Path) -> None:
    site = {
        "event_type": "site",
        "practice_id": "A",
        "site_id": "S1",
        "address": "1 Main Street",
        "census_tract": "06001400100",
        "effective_from": "2020-01-01",
    }
    scores = {
        "event_type": "table",
        "kind": "hpi",
        "name": "HPI",
        "version": "3",
        "digest": "0" * 64,
        "activated_from": "2020-01-01",
    }
    made = run([write(tmp_path / "events.ndjson", [*reference(), site, scores])], tmp_path / "out")
    assert made == run([write(tmp_path / "without.ndjson", reference())], tmp_path / "other")


def test_a_ruleset_asked_for_takes_the_place_of_the_common_one(tmp_path: Path) -> None:
    events = seen(("2024-09-03", "A", "1"), ("2025-01-10", "A", "2"), ("2025-05-02", "B", "9"))
    assert panel_of(tmp_path, events)["practice_id"] == "A"
    assert panel_of(tmp_path, events, ruleset="recency_first")["practice_id"] == "B"
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["ruleset"]["name"] == "recency_first"


def test_a_visit_that_names_nobody_by_an_empty_text_is_none(tmp_path: Path) -> None:
    nobody = claim(("2025-05-02", "B", ""), "C1")
    nobody["lines"][0]["rendering_taxonomy"] = "207Q00000X"
    assert panel_of(tmp_path, [span(), nobody])["reason"] == "no_primary_care_visit"
    chosen = {
        "event_type": "pcp_selection",
        "payer": "acme",
        "member_id": "M",
        "selection_id": "S1",
        "selection_version": 1,
        "pcp_npi": "5",
        "selection_source": "member_selected",
        "effective_from": "2025-01-01",
        "practice_id": "",
        "pcp_tin": "",
    }
    row = panel_of(tmp_path, [span(), chosen])
    assert (row["practice_id"], row["provider_npi"], row["flags"]) == ("C", "5", "")


def test_members_whose_visits_lack_a_specialty_are_counted_by_payer(tmp_path: Path) -> None:
    nobody = ("2025-05-02", "A", "77")
    other = claim(nobody, "C3", "N2", payer="zenith"), span("N2", payer="zenith")
    events = [*reference(), span("N1"), claim(nobody, "C1", "N1"), claim(nobody, "C2", "N1"), *other, *seen()]
    run([write(tmp_path / "events.ndjson", events)], tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["taxonomy_unknown"] == {"acme": 1, "zenith": 1}


def test_what_is_refused_is_listed_with_its_row_and_nothing_of_it_counts(tmp_path: Path) -> None:
    future = claim(("2025-09-01", "B", "9"), "C8", accepted_at="2025-06-01T00:00:00Z")
    lines = [json.dumps(event) for event in (*reference(), span(), claim(("2025-05-02", "A", "1"), "C1"), future)]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(["not json", "", *lines]) + "\n")
    made = run([path], tmp_path / "out")
    found = [(row["source"], row["position"], row["reason"]) for row in rows(made["quarantine.csv"])]
    assert found == [
        ("events.ndjson", "1", "not_json"),
        ("events.ndjson", str(2 + len(lines)), "service_date_in_future"),
    ]
    assert rows(made["panel.csv"])[0]["practice_id"] == "A"
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]
    assert (counts["quarantined"], counts["attributed"], counts["members"]) == (2, 1, 1)


def test_an_event_id_with_other_content_is_refused(tmp_path: Path) -> None:
    first = claim(("2025-05-02", "A", "1"), "C1", event_id="E1")
    other = claim(("2025-05-03", "B", "9"), "C2", event_id="E1")
    made = run([write(tmp_path / "events.ndjson", [*reference(), span(), first, other])], tmp_path / "out")
    assert [row["reason"] for row in rows(made["quarantine.csv"])] == ["event_id_conflict"]
    assert rows(made["panel.csv"])[0]["practice_id"] == "A"


def test_empty_files_give_headers(tmp_path: Path) -> None:
    made = run([write(tmp_path / "events.ndjson", [])], tmp_path / "out")
    assert made["panel.csv"].decode() == ",".join(results.PANEL) + "\n"
    assert made["alerts.csv"].decode() == ",".join(results.ALERTS) + "\n"
    assert made["quarantine.csv"].decode() == ",".join(results.QUARANTINE) + "\n"


def test_a_half_written_result_never_stands_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "events.ndjson", [*reference(), *seen(("2025-05-02", "B", "9"))])

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("state.engine.first_said", stopped)
    with pytest.raises(KeyboardInterrupt):
        replay([path], Question(D), TableStore(), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_members_fault_stops_nobody_and_is_named_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from state import engine

    sound = engine.first_said

    def faulty(member: engine.Member, *arguments: Any, **named: Any) -> Any:
        if member.member_id == "bad":
            raise ZeroDivisionError
        return sound(member, *arguments, **named)

    monkeypatch.setattr("state.engine.first_said", faulty)
    events = [*reference(), span("bad"), span("good")]
    replayed = replay([write(tmp_path / "e.ndjson", events)], Question(D), TableStore(), tmp_path / "out")
    assert replayed.failed == ["acme|bad ZeroDivisionError"]
    assert [row["member_id"] for row in rows((tmp_path / "out" / "panel.csv").read_bytes())] == ["good"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["counts"]["failed"], manifest["failed_members"]) == (1, replayed.failed)


# -- the columns --------------------------------------------------------------------------------------------------------


def test_a_panel_row_joins_evidence_and_leaves_null_empty() -> None:
    answer = Attribution(
        payer=Payer("acme"),
        member_id=MemberId("M,1"),
        as_of=D,
        status="attributed",
        step="claims_12",
        practice_id=PracticeId("A"),
        provider_npi=None,
        reason="provider_inactive",
        visits_12m=2,
        visits_18m=3,
        last_visit_date=dt.date(2025, 5, 2),
        runner_up_practice_id=None,
        secure_until=None,
        drop_reason=None,
        next_practice_id=None,
        visits_needed=None,
        evidence=("C1", "C2"),
        flags=(),
        ruleset="guide",
        engine_version="1",
    )
    lines = b"".join(results.panel_csv([answer])).decode().splitlines()
    assert lines[1] == 'acme,"M,1",attributed,claims_12,A,,provider_inactive,2,3,2025-05-02,,,,,,C1;C2,'


def test_an_alert_row_has_the_columns_of_the_contract() -> None:
    alert = Alert(
        payer=Payer("acme"),
        member_id=MemberId("M"),
        practice_id=PracticeId("A"),
        as_of=D,
        state="raised",
        reason="outranked",
        resolution=None,
        secure_until=dt.date(2025, 8, 20),
        next_practice_id=PracticeId("B"),
        next_panel_date=dt.date(2025, 9, 1),
        panel_visit_by=dt.date(2025, 8, 31),
        horizon_days=60,
        visits_needed=1,
        data_through=None,
        ruleset="guide",
        engine_version="1",
    )
    line = results.alert_line(alert).decode()
    assert line == "acme,M,A,raised,outranked,2025-08-20,2025-09-01,2025-08-31,60,1,\n"
