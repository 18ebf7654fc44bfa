"""Step 0b: attribution requests, their decisions, and what beats what. Source: attribution.md 2.6 step 0b."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from state import engine
from tests.cases import ROSTER, Case, asked, day, decided, knowing, provider, selection, span

D = "2025-06-30"
SEEN = ("2025-01-10 A 1", "2025-02-10 A 2", "2025-03-10 B")
ADD_C = (asked("add", "C", "2025-05-01"), decided("add", "C", "2025-05-01"))
REMOVE_A = (asked("remove", "A", "2025-05-01"), decided("remove", "A", "2025-05-01"))


def found(*facts: Any, when: str = D, covered: bool = True) -> tuple[str | None, str | None]:
    said = Case(*facts, covered=covered).on(when)
    return said.step, said.practice_id


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ((*SEEN, *ADD_C), ("decision", "C")),
        ((*SEEN, *REMOVE_A), ("claims_12", "B")),
        (("2025-01-10 A 1", *REMOVE_A), (None, None)),
        ((selection("1"), "2025-03-10 B", *REMOVE_A), ("claims_12", "B")),
        ((selection("1", practice_id="A"), *REMOVE_A), (None, None)),
        ((selection("9"), *ADD_C), ("decision", "C")),
        ((*SEEN, *ADD_C, *REMOVE_A), ("decision", "C")),
        ((*SEEN, asked("add", "C", "2025-05-01")), ("claims_12", "A")),
        ((*SEEN, asked("add", "C", "2025-05-01"), decided("add", "C", "2025-05-01", "rejected")), ("claims_12", "A")),
        ((*SEEN, *ADD_C, decided("add", "C", "2025-05-01", "rejected")), ("claims_12", "A")),
    ],
    ids=[
        "an add attributes",
        "a removal bars the practice, and the next is found",
        "a removal from the only practice leaves nobody",
        "a removal bars an earlier selection too",
        "a removal bars the practice that an earlier selection names",
        "an add beats an earlier selection",
        "both hold beside each other",
        "an open request changes nothing",
        "a rejected request changes nothing",
        "the later decision on one request stands",
    ],
)
def test_what_a_decision_does(facts: tuple[Any, ...], expected: tuple[str | None, str | None]) -> None:
    assert found(*facts) == expected


def test_a_decision_holds_from_its_first_day_up_to_its_end() -> None:
    case = Case(*SEEN, asked("add", "C", "2025-05-01", effective_to="2025-09-01"), decided("add", "C", "2025-05-01"))
    days = ("2025-04-30", "2025-05-01", "2025-08-31", "2025-09-01")
    assert [case.on(when).practice_id for when in days] == ["A", "C", "C", "A"]
    seen = case.on(D)
    assert (str(seen.secure_until), seen.drop_reason, seen.next_practice_id) == ("2025-09-01", "dispute_decided", "A")


def test_the_end_in_the_decision_beats_that_of_the_request() -> None:
    facts = (
        asked("add", "C", "2025-05-01", effective_to="2025-09-01"),
        decided("add", "C", "2025-05-01", effective_to="2025-07-01"),
    )
    assert str(Case(*SEEN, *facts).on(D).secure_until) == "2025-07-01"


def test_eligibility_comes_before_any_decision() -> None:
    assert found(span(end="2025-06-15"), *SEEN, *ADD_C, covered=False) == (None, None)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ((*ADD_C, selection("9", "2025-05-02")), ("selected", "B")),
        ((*ADD_C, selection("9", "2025-05-01")), ("decision", "C")),
        ((*ADD_C, selection("9", "2025-05-02", selection_source="plan_matched")), ("decision", "C")),
        ((*ADD_C, selection("9", "2025-05-02", "2025-06-30")), ("decision", "C")),
        ((*ADD_C, selection("7", "2025-05-02")), ("decision", "C")),
        ((*REMOVE_A, selection("1", "2025-05-02")), ("selected", "A")),
        ((*REMOVE_A, selection("1", "2025-05-02", selection_source="plan_auto_assigned")), (None, None)),
        (
            (*ADD_C, selection("9", "2025-05-02"), selection("1", "2025-06-01", selection_source="plan_matched")),
            ("selected", "B"),
        ),
    ],
    ids=[
        "a later choice of the member beats an add",
        "a choice of the same day does not",
        "the plan's match does not",
        "a choice no longer in force does not",
        "a choice of somebody unknown does not",
        "a later choice of the member beats a removal",
        "an assignment does not",
        "with an add in force only the member's own later choices count",
    ],
)
def test_a_later_selection_by_the_member_beats_a_decision(facts: tuple[Any, ...], expected: Any) -> None:
    assert found(*facts) == expected


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ((asked("add", "B", "2025-06-01"), decided("add", "B", "2025-06-01")), ("decision", "B")),
        ((asked("add", "B", "2025-05-01"), decided("add", "B", "2025-05-01")), ("decision", "B")),
        ((asked("add", "B", "2025-04-01"), decided("add", "B", "2025-04-01")), ("decision", "C")),
        ((asked("remove", "C", "2025-06-01"), decided("remove", "C", "2025-06-01")), ("claims_12", "A")),
        ((asked("remove", "C", "2025-04-01"), decided("remove", "C", "2025-04-01")), ("decision", "C")),
    ],
    ids=["later day", "same day, later in the input", "earlier day", "removed later", "removed before the add"],
)
def test_of_several_decisions_the_latest_holds(later: tuple[Any, ...], expected: Any) -> None:
    assert found(*SEEN, *ADD_C, *later) == expected


def test_a_decision_waits_for_its_request_in_whatever_order_they_come() -> None:
    request, decision = ADD_C
    case = Case(*SEEN)
    first = case.tell(decision, event_id="D1")
    assert first.refusal is not None
    assert first.refusal.reason == "decision_without_request"
    assert case.on(D).practice_id == "A"
    assert case.tell(decision, event_id="D1").refusal is None, "said again, it is known"
    assert case.tell(request).changed
    assert case.on(D).practice_id == "C"
    states = {_told_in(order) for order in itertools.permutations(((request, 5), (decision, 6)))}
    assert len(states) == 1


def _told_in(order: Any) -> bytes:
    case = Case(*SEEN)
    for fact, place in order:
        case.tell(fact, offset=place, event_id=f"given{place}")
    return engine.encode_member(case.member)


def test_a_request_is_flagged_while_it_waits_and_once_it_is_overdue() -> None:
    case = Case(*SEEN, asked("remove", "A", "2025-05-01", due="2025-07-15"))
    assert case.on("2025-07-15").flags == ("request_open:A",)
    assert case.on("2025-07-16").flags == ("request_overdue:A",)
    assert case.advance(D).due == dt.date(2025, 7, 16)
    (said,) = [out for out in case.advance("2025-07-16").outputs if out.topic == "attribution"]
    assert said.record.flags == ("request_overdue:A",)  # type: ignore[union-attr]
    case.tell(decided("remove", "A", "2025-05-01", "rejected"))
    assert case.on("2025-07-16").flags == ()


def test_a_removal_in_force_is_flagged_and_the_conflict_named() -> None:
    assert Case(*SEEN, *REMOVE_A).on(D).flags == ("removed:A",)
    assert Case(*SEEN, *ADD_C).on(D).flags == ("conflict:A",)


def test_the_provider_of_an_added_member_is_the_one_seen_most_there() -> None:
    add_a = (asked("add", "A", "2025-05-01"), decided("add", "A", "2025-05-01"))
    seen = Case(*SEEN, "2025-04-10 B", "2025-04-11 B", *add_a).on(D)
    assert (seen.step, seen.practice_id, seen.provider_npi, seen.visits_12m) == ("decision", "A", "2", 2)
    never_seen = Case(*SEEN, *ADD_C).on(D)
    assert (never_seen.provider_npi, never_seen.reason, never_seen.evidence) == (None, None, ())


def test_the_practice_that_loses_a_member_by_a_decision_hears_why() -> None:
    case = Case(*SEEN, asked("add", "C", "2025-06-01"))
    case.advance(D)
    case.tell(decided("add", "C", "2025-06-01"))
    (alert,) = case.alerts(D, "decision")
    assert (alert.practice_id, alert.state, alert.reason, alert.next_practice_id) == (
        "A",
        "expired",
        "dispute_decided",
        "C",
    )


def test_a_decision_announced_for_later_raises_an_alert_that_no_visit_resolves() -> None:
    case = Case(*SEEN, asked("remove", "A", "2025-08-01"), decided("remove", "A", "2025-08-01"))
    (alert,) = case.alerts(D)
    assert (alert.reason, alert.secure_until, alert.next_practice_id) == ("dispute_decided", day("2025-08-01"), "B")
    assert (alert.visits_needed, alert.panel_visit_by) == (None, None)
    (gone,) = case.alerts("2025-08-01")
    assert (gone.state, gone.reason) == ("expired", "dispute_decided")


def test_visits_keep_a_member_at_a_barred_practice_where_the_member_chose_it_after_that() -> None:
    both = (provider("5", "A"), provider("5", "B"))
    case = Case(
        *("2024-08-01 A 1", "2025-04-04 B"), *REMOVE_A, selection("5", "2025-05-02"), known=knowing(*ROSTER, *both)
    )
    seen = case.on(D)
    assert (seen.practice_id, str(seen.secure_until), seen.next_practice_id, seen.visits_needed) == (
        "A",
        "2025-08-01",
        "B",
        1,
    )


def test_requests_are_listed_with_how_they_stand() -> None:
    case = Case(
        *SEEN,
        asked("remove", "A", "2025-05-01", due="2025-06-15"),
        asked("add", "B", "2025-05-01", due="2025-12-01"),
        decided("remove", "B", "2025-05-02"),
        *(asked("add", "C", "2025-05-03", effective_to="2025-06-01"), decided("add", "C", "2025-05-03")),
        *(asked("remove", "C", "2025-05-04"), decided("remove", "C", "2025-05-04", "rejected")),
        *(asked("remove", "C", "2025-05-05"), decided("remove", "C", "2025-05-05")),
        *(asked("remove", "C", "2025-08-01"), decided("remove", "C", "2025-08-01")),
    )
    states = [one.state for one in engine.requests_of(case.member, day(D), case.known)]
    assert states == ["overdue", "open", "without_request", "ended", "rejected", "in_force", "to_come"]
