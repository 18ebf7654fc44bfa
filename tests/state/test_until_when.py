"""secure_until, why, and what keeps the member; alerts and their states. Source: attribution.md 2.7."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

from schemas.records import Position
from state import engine
from state.attribution import projection
from tests.cases import MEMBER, PAYER, ROSTER, Case, knowing, payer, practice, provider, selection, span
from tests.laws.histories import fold_one, history

D = "2025-06-30"
SEEN = ("2024-08-20 A", "2024-12-05 A", "2025-04-04 B")


def end(case: Case, when: str = D) -> tuple[str | None, str | None, str | None, int | None]:
    seen = case.on(when)
    until = None if seen.secure_until is None else seen.secure_until.isoformat()
    return until, seen.drop_reason, seen.next_practice_id, seen.visits_needed


@pytest.mark.parametrize(
    ("facts", "reference", "expected"),
    [
        (SEEN, ROSTER, ("2025-08-20", "outranked", "B", 1)),
        (("2025-01-10 A", "2024-12-01 B"), ROSTER, ("2026-07-10", "aging_out", None, 1)),
        (("2024-08-01 A", "2025-06-01 A", "2024-10-01 B", "2025-05-01 B"), ROSTER, ("2025-08-01", "already_tied", "B", 1)),
        ((selection("1", end="2025-09-01"), "2025-04-04 B"), ROSTER, ("2025-09-01", "selection_ending", "B", 1)),
        ((selection("1"), selection("9", "2025-09-01")), ROSTER, ("2025-09-01", "selection_changed", "B", None)),
        ((span(end="2025-07-31", span_version=2), "2025-01-10 A"), ROSTER, ("2025-08-01", "coverage_ending", None, None)),
        (("2025-01-10 A", span(death_date="2025-08-01", span_version=2)), ROSTER, ("2025-08-01", "deceased", None, None)),
        (
            ("2025-01-10 A",),
            (*ROSTER, payer(products=("PPO",)), payer("2025-09-01", products=("HMO",))),
            ("2025-09-01", "product_change", None, None),
        ),
        ((selection("1"),), (provider("1", "A", end="2025-09-01"), practice("A")), ("2025-09-01", "provider_leaving", None, 1)),
        (
            (selection("1", practice_id="A"),),
            (provider("1", "A", end="2025-08-01"), practice("A", end="2025-09-01")),
            ("2025-09-01", "practice_leaving", None, 1),
        ),
    ],
)  # fmt: skip
def test_until_when_and_why(facts: tuple[Any, ...], reference: tuple[Any, ...], expected: Any) -> None:
    found = end(Case(*facts, known=knowing(*reference)))
    assert found == expected


@pytest.mark.parametrize("ruleset", ["guide", "recency_first", "weighted"])
def test_the_answer_holds_every_day_until_the_end_and_not_on_it(ruleset: str) -> None:
    for seed in range(400):
        said, reference, as_of = history(random.Random(seed))
        known = knowing(*(record for record, _ in reference), ruleset=ruleset)
        member, rows = engine.new_member(PAYER, MEMBER), {}
        for one in said:
            fold_one(member, rows, one, known)
        found = engine.attribution(member, as_of, known)
        if found.practice_id is None:
            continue
        days = ((found.secure_until or as_of + dt.timedelta(days=600)) - as_of).days
        for later in range(1, days):
            held = engine.attribution(member, as_of + dt.timedelta(days=later), known).practice_id
            assert held == found.practice_id, (seed, later)
        if found.secure_until is not None:
            after = engine.attribution(member, found.secure_until, known)
            assert after.practice_id == found.next_practice_id != found.practice_id, seed


def test_so_many_visits_on_the_last_days_keep_the_member_and_one_less_does_not() -> None:
    seen = ("2024-08-20 A", "2024-09-20 A", "2024-10-20 A", "2025-04-01 B", "2025-04-02 B")
    until, reason, following, needed = end(Case(*seen))
    assert (until, reason, following, needed) == ("2025-08-20", "outranked", "B", 1)
    for extra, keeps in ((0, False), (1, True)):
        days = [(dt.date.fromisoformat(until or "") - dt.timedelta(days=one + 1)).isoformat() for one in range(extra)]
        assert (Case(*seen, *(f"{one} A" for one in days)).on(until or "").practice_id == "A") is keeps


def test_every_date_that_changes_what_is_said_is_due_before_it_comes() -> None:
    case, now = Case(*SEEN), dt.date(2025, 4, 30)
    due: dt.date | None = now
    while now < dt.date(2027, 6, 1):
        advanced = case.advance(now.isoformat())
        assert not advanced.outputs or now == due, now
        due = advanced.due if now == due or advanced.due != due else due
        now += dt.timedelta(days=1)


def test_a_visit_resolves_the_alert_and_ninety_days_later_its_record_is_withdrawn() -> None:
    case = Case(*SEEN)
    assert [one.state for one in case.alerts(D)] == ["raised"]
    case.tell("2025-06-29 A")
    (resolved,) = case.alerts(D, "claim")
    assert (resolved.state, resolved.resolution) == ("resolved", "visit")
    withdrawn = [out for out in case.advance("2025-09-28").outputs if out.record is None]
    assert [(out.topic, out.key) for out in withdrawn] == [("attribution-alerts", "aetna|1|A")]


def test_a_practice_that_loses_a_member_learns_why_though_no_alert_was_open() -> None:
    case = Case("2025-01-10 A", "2025-02-10 B 9")
    case.advance(D)
    case.tell("2025-03-10 A")
    (lost,) = case.alerts(D, "claim")
    assert (lost.practice_id, lost.state, lost.reason, lost.next_practice_id) == ("B", "expired", "outranked", "A")


def test_the_next_panel_is_the_first_that_lacks_the_member() -> None:
    gap = (span(end="2025-08-10", span_version=2), span("2025-08-20", "2025-10-15", span_id="S2"))
    (raised,) = Case("2025-01-10 A", *gap).alerts(D)
    assert (raised.secure_until, raised.next_panel_date) == (dt.date(2025, 8, 11), dt.date(2025, 11, 1))


@pytest.mark.parametrize(
    "late", [provider("2", "A"), practice("A")], ids=["another PCP's row", "the practice's own record"]
)
def test_who_chose_a_pcp_alone_is_found_by_what_is_learned_of_the_practice_that_the_pcp_leaves(late: Any) -> None:
    case = Case(selection("1"), known=knowing(provider("1", "A", end="2025-09-01")))
    assert end(case) == ("2025-09-01", "practice_leaving", None, 1)
    learned = case.known.apply(late, Position("control", 0, 99), as_of=None)
    assert learned.touch.terms & engine.terms(case.member)
    case.known = learned.knowledge
    assert end(case) == ("2025-09-01", "provider_leaving", None, 1)


def test_what_ends_in_a_distant_century_costs_no_question_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    really = projection.decide
    monkeypatch.setattr(projection, "decide", lambda view, on: (asked.append(on), really(view, on))[1])
    away = selection("9", "2025-07-03", "2025-07-20")
    case = Case(span(end="9998-12-31", span_version=2), selection("1"), away)
    (alert,) = case.alerts(D)
    assert (alert.practice_id, str(alert.secure_until), str(alert.next_panel_date)) == ("A", "2025-07-03", "9999-01-01")
    assert len(asked) < 30
