"""What stands behind an answer: the criterion that parted it from the runner-up, its visits, the claims that did not count."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.program import app
from ops.sample.population import population
from state import engine
from state.attribution.grounds import NotCounted, Ranked
from state.reference.tables import TableStore
from streams.cli.explain import DECIDED_BY, NOT_COUNTED
from streams.replaying import History, Question
from tests.event_files import Event, Visit, asked, claim, decided, reference, seen, span, void, write

D = dt.date(2025, 6, 30)
SAMPLE = Path(__file__).parents[2] / "ops" / "sample"


def grounds(folder: Path, events: Iterable[Event], day: dt.date = D, ruleset: str | None = None) -> engine.Grounds:
    path = write(folder / "events.ndjson", [*reference(), *events])
    history = History.of([path], Question(day, ruleset=ruleset), TableStore([]))
    member, rows = history.fold(("acme", "M"))
    assert member is not None
    return engine.grounds_of(member, day, history.knowledge, rows)


def ranked(folder: Path, *visits: Visit, **asked_for: Any) -> Ranked:
    found = grounds(folder, seen(*visits), **asked_for).ranked
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("visits", "winner", "runner_up", "decided_by"),
    [
        ([("2024-09-03", "A", "1"), ("2025-01-10", "A", "2"), ("2025-05-02", "B", "9")], "A", "B", "visits"),
        ([("2024-09-03", "A", "1"), ("2025-05-02", "B", "9")], "B", "A", "latest_visit"),
        ([("2024-03-01", "A", "1"), ("2024-04-01", "A", "1"), ("2024-06-01", "B", "9")], "A", "B", "visits"),
        ([("2025-01-10", "A", "1"), ("2025-01-10", "A", "2"), ("2025-02-10", "B", "9")], "B", "A", "latest_visit"),
        ([("2025-01-10", "A", "1"), ("2025-01-10", "B", "9")], "A", "B", "id"),
        ([("2024-08-20", "A", "1"), ("2024-12-05", "A", "1"), ("2025-04-04", "B", "9")], "A", "B", "visits"),
        ([("2024-08-20", "A", "1")], "A", None, None),
        ([("2024-03-20", "B", "9"), ("2024-04-20", "B", "9"), ("2024-08-20", "A", "1")], "A", None, None),
        ([("2025-01-10", "A", "1"), ("2025-01-10", "B", "9"), ("2024-02-01", "B", "9")], "B", "A", "visits_18m"),
    ],
)
def test_the_criterion_that_decided_a_golden_case_is_named(
    tmp_path: Path, visits: list[Visit], winner: str, runner_up: str | None, decided_by: str | None
) -> None:
    found = ranked(tmp_path, *visits)
    second = None if found.runner_up is None else found.runner_up.practice_id
    assert (found.winner.practice_id, second, found.decided_by) == (winner, runner_up, decided_by)


def test_preventive_visits_decide_after_numbers_and_dates(tmp_path: Path) -> None:
    wellness = claim(("2025-01-10", "B", "9"), "C1")
    wellness["lines"][0]["hcpcs_code"] = "99396"
    found = grounds(tmp_path, [span(), claim(("2025-01-10", "A", "1"), "C0"), wellness]).ranked
    assert found is not None
    assert (found.winner.practice_id, found.winner.preventive_visits, found.decided_by) == ("B", 1, "preventive_visits")


def test_another_ruleset_decides_by_its_own_order(tmp_path: Path) -> None:
    golden_6: list[Visit] = [("2024-08-20", "A", "1"), ("2024-12-05", "A", "1"), ("2025-04-04", "B", "9")]
    found = ranked(tmp_path, *golden_6, ruleset="recency_first")
    assert (found.winner.practice_id, found.decided_by) == ("B", "latest_visit")


def test_visits_of_eighteen_months_are_counted_in_their_window(tmp_path: Path) -> None:
    found = ranked(tmp_path, ("2024-03-01", "A", "1"), ("2024-04-01", "A", "1"), ("2024-06-01", "B", "9"))
    assert (found.window_months, found.winner.visits_12m, found.winner.visits_18m) == (18, 0, 2)


def test_two_claims_of_one_provider_on_one_day_are_one_visit(tmp_path: Path) -> None:
    found = grounds(tmp_path, seen(("2025-01-10", "A", "1"), ("2025-01-10", "A", "1"), ("2025-02-10", "A", "2")))
    assert [(str(one.visit_date), one.provider_npi, one.claim_ids) for one in found.evidence] == [
        ("2025-01-10", "1", ("C0", "C1")),
        ("2025-02-10", "2", ("C2",)),
    ]


def test_where_visits_did_not_decide_there_is_neither_a_ranking_nor_evidence(tmp_path: Path) -> None:
    events = [*seen(("2025-05-02", "B", "9")), asked("add", "C", "2025-06-01"), decided("add", "C", "2025-06-01")]
    found = grounds(tmp_path, events)
    assert (found.ranked, found.evidence) == (None, ())


def test_the_next_day_on_which_anything_can_change_is_that_of_the_next_expiry(tmp_path: Path) -> None:
    assert grounds(tmp_path, seen(("2024-08-20", "A", "1"))).next_change_on == dt.date(2025, 8, 20)


def uncounted(**changes: Any) -> Event:
    """A claim of practice A whose only line is changed so that it does not count."""
    of_line = {name: changes.pop(name) for name in list(changes) if name in LINE}
    one = claim(("2025-05-02", "A", "1"), "X", **changes)
    one["lines"][0].update(of_line)
    return one


LINE = {"hcpcs_code", "place_of_service_code", "rendering_npi", "rendering_taxonomy", "line_status"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hcpcs_code": "70551"}, "service"),
        ({"place_of_service_code": "23"}, "place_of_service"),
        ({"claim_status": "denied"}, "denied"),
        ({"claim_status": "reversed"}, "reversed"),
        ({"claim_status": "pending"}, "pending"),
        ({"line_status": "denied"}, "line_denied"),
        ({"rendering_npi": None}, "nobody_named"),
        ({"rendering_npi": "77"}, "taxonomy_unknown"),
        ({"rendering_npi": "77", "rendering_taxonomy": "207RC0000X"}, "taxonomy"),
        ({"claim_type": "institutional", "bill_type_code": "111"}, "bill_type"),
    ],
)
def test_a_claim_that_does_not_count_is_told_with_the_reason(tmp_path: Path, changes: Event, why: str) -> None:
    npi = changes.get("rendering_npi", "1") or ""
    found = grounds(tmp_path, [span(), uncounted(**changes)])
    assert found.not_counted == (NotCounted(dt.date(2025, 5, 2), "X", npi, why),)  # type: ignore[arg-type]


def test_a_roster_that_says_no_pcp_is_the_reason_told(tmp_path: Path) -> None:
    specialist = {**reference()[1], "npi": "88", "is_pcp": False}
    found = grounds(tmp_path, [specialist, span(), uncounted(rendering_npi="88")])
    assert [one.why for one in found.not_counted] == ["roster"]


def test_a_voided_claim_is_told_once_whichever_came_first(tmp_path: Path) -> None:
    one = claim(("2025-05-02", "B", "9"), "C0")
    for events in ([span(), one, void(one)], [span(), void(one), one]):
        assert [(out.claim_id, out.why) for out in grounds(tmp_path, events).not_counted] == [("C0", "voided")]


def test_a_claim_of_which_one_line_counts_counts(tmp_path: Path) -> None:
    one = claim(("2025-05-02", "B", "9"), "C0")
    one["lines"].append({**one["lines"][0], "claim_line_number": 2, "hcpcs_code": "36415"})
    assert grounds(tmp_path, [span(), one]).not_counted == ()


def test_claims_older_than_eighteen_months_or_of_later_days_are_not_told(tmp_path: Path) -> None:
    old, later = uncounted(claim_status="denied"), uncounted(claim_status="denied")
    old["lines"][0]["claim_line_start_date"], later["lines"][0]["claim_line_start_date"] = "2023-12-30", "2025-07-01"
    later["payer_claim_control_number"] = "Y"
    assert grounds(tmp_path, [span(), old, later]).not_counted == ()


def test_every_member_of_the_samples_and_of_a_population_can_be_explained(tmp_path: Path) -> None:
    made_up = write(tmp_path / "made_up.ndjson", population(200, 5, dt.date(2024, 1, 1), D, bad_share=0.02))
    for source in ("tuva", "synthea"):
        out = tmp_path / f"{source}.ndjson"
        ended = CliRunner().invoke(app(), ["import", source, str(SAMPLE / source), "--out", str(out)])
        assert ended.exit_code == 0
    told: set[str] = set()
    for day, paths in (
        (dt.date(2018, 1, 1), [SAMPLE / "tuva" / "roster.ndjson", tmp_path / "tuva.ndjson"]),
        (dt.date(2023, 7, 1), [tmp_path / "synthea.ndjson"]),
        (D, [made_up]),
    ):
        history = History.of(paths, Question(day), TableStore([]))
        assert history.members()
        for name in history.members():
            member, rows = history.fold(name)
            if member is None:
                continue
            answer = engine.attribution(member, day, history.knowledge)
            found = engine.grounds_of(member, day, history.knowledge, rows)
            assert tuple(sorted({one for visit in found.evidence for one in visit.claim_ids})) == answer.evidence
            counted = {one for visit in found.evidence for one in visit.claim_ids}
            assert counted.isdisjoint(one.claim_id for one in found.not_counted)
            if found.ranked is not None:
                first, second = found.ranked.winner, found.ranked.runner_up
                assert (first.visits_12m, first.visits_18m) == (answer.visits_12m, answer.visits_18m)
                assert (second and second.practice_id) == answer.runner_up_practice_id
                assert found.ranked.decided_by is None or found.ranked.decided_by in DECIDED_BY
            told.update(one.why for one in found.not_counted)
    assert told <= NOT_COUNTED.keys()
    assert {"service", "place_of_service", "denied", "voided"} <= told


def test_the_ranking_and_what_did_not_count_are_put_into_words(tmp_path: Path) -> None:
    events = [*reference(), *seen(("2024-09-03", "A", "1"), ("2025-05-02", "B", "9")), uncounted(hcpcs_code="70551")]
    path = write(tmp_path / "events.ndjson", events)
    arguments = ["explain", "--payer", "acme", "--member", "M", "--files", str(path), "--as-of", str(D)]
    said = [" ".join(one.split()) for one in CliRunner().invoke(app(), arguments).stdout.splitlines()]
    assert "runner-up A: 1 in 12 months, 1 in 18, the last on 2024-09-03" in said
    assert "decided by a later visit: 2025-05-02 against 2024-09-03 (latest_visit)" in said
    assert "evidence 2025-05-02, provider 9: C1" in said
    assert "not counted 2025-05-02, provider 1: X, not a primary care service (service)" in said
    as_json = json.loads(CliRunner().invoke(app(), [*arguments, "--json"]).stdout)
    assert as_json["ranked"]["decided_by"] == "latest_visit"
