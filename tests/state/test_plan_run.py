"""Plan-run mode: the plan's own list answers, the common rule follows it as its shadow. Source: attribution.md 2.7, 2.9."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from schemas.records import Position
from state import engine
from tests.cases import (
    PAYER,
    ROSTER,
    Case,
    asked,
    day,
    decided,
    knowing,
    listed,
    payer,
    plan_list,
    practice,
    selection,
    span,
)

D = "2025-06-30"
PLAN = payer(attribution_mode="plan")


def plan_case(*facts: Any, reference: tuple[Any, ...] = (), covered: bool = True) -> Case:
    return Case(*facts, known=knowing(*ROSTER, PLAN, *reference), covered=covered)


def said(case: Case, when: str = D) -> tuple[str | None, str | None, str | None, tuple[str, ...]]:
    found = case.on(when)
    return found.step, found.practice_id, found.reason, found.flags


def test_the_list_of_the_month_answers_with_its_provider_and_the_common_rule_is_only_a_flag() -> None:
    case = plan_case(
        "2025-06-01 A 1", selection("1"), listed("2025-06", "B", npi="9"), reference=(plan_list("2025-06"),)
    )
    assert said(case) == ("plan", "B", None, ("conflict:A",))
    found = case.on(D)
    assert (found.provider_npi, found.evidence, found.runner_up_practice_id, found.visits_12m) == ("9", (), None, 0)


def test_the_mode_is_that_of_the_day() -> None:
    switch = (payer("2025-06-01", attribution_mode="plan"), payer("2025-09-01"))
    case = Case(
        "2025-05-01 A 1", listed("2025-06", "B"), known=knowing(*ROSTER, *switch, plan_list("2025-06", "2025-12"))
    )
    steps = [case.on(when).step for when in ("2025-05-31", "2025-06-01", "2025-08-31", "2025-09-01")]
    assert steps == ["claims_12", "plan", None, "claims_12"]
    before, during = case.on("2025-05-31"), case.on(D)
    assert (str(before.secure_until), before.drop_reason, before.next_practice_id) == (
        "2025-06-01",
        "not_on_plan_list",
        "B",
    )
    assert before.visits_needed is None
    assert (str(during.secure_until), during.drop_reason, during.next_practice_id) == (
        "2025-07-01",
        "not_on_plan_list",
        None,
    )


@pytest.mark.parametrize(
    ("entries", "lists", "expected"),
    [
        ([listed("2025-06", "A")], [], ("plan", "A", None, ())),
        ([listed("2025-05", "A")], [], ("plan", "A", None, ("stale_list",))),
        ([listed("2025-07", "A")], [], (None, None, "not_on_plan_list", ())),
        ([listed("2025-05", "A")], [plan_list("2025-05")], ("plan", "A", None, ("stale_list",))),
        (
            [listed("2025-05", "A"), listed("2025-06", "B")],
            [plan_list("2025-05")],
            ("plan", "A", None, ("stale_list",)),
        ),
        ([listed("2025-05", "A")], [plan_list("2025-06")], (None, None, "not_on_plan_list", ())),
        ([listed("2025-05", "A")], [plan_list("2025-06", full=False)], ("plan", "A", None, ())),
        ([listed("2025-06", "A")], [plan_list("2025-06", version=2)], (None, None, "not_on_plan_list", ())),
        ([listed("2025-06", "A", 2)], [plan_list("2025-06")], ("plan", "A", None, ())),
        ([listed("2025-06", "A"), listed("2025-06", "B", 2)], [plan_list("2025-06")], ("plan", "B", None, ())),
        ([listed("2025-06-17", "A")], [plan_list("2025-04", "2025-08")], ("plan", "A", None, ())),
        ([listed("2025-04", "A")], [plan_list("2025-04", "2025-08")], (None, None, "not_on_plan_list", ())),
        (
            [listed("2025-06", "A")],
            [plan_list("2025-04", "2025-08"), plan_list("2025-06", version=2)],
            (None, None, "not_on_plan_list", ()),
        ),
        ([], [], (None, None, "not_on_plan_list", ())),
        ([listed("2025-06", "X")], [], (None, None, "unknown_practice", ())),
    ],
    ids=[
        "no manifest: the entry of the month",
        "no manifest: an older entry is carried",
        "an entry of a later month does not answer",
        "the month's list is missing: the last one is carried",
        "entries count once the manifest of their list is known",
        "a full list without the member leaves them out",
        "a list of changes leaves the earlier entry",
        "a full list of a higher version without the member leaves them out",
        "a correction may come before its manifest",
        "the highest version stands",
        "a manifest may cover several months",
        "each of which is a list of its own",
        "of two lists of one month the higher version holds",
        "nobody listed them",
        "a practice that nobody knows",
    ],
)
def test_which_entry_answers(entries: list[Any], lists: list[Any], expected: Any) -> None:
    assert said(plan_case(*entries, reference=tuple(lists))) == expected


def test_eligibility_comes_before_the_list() -> None:
    case = plan_case(span(end="2025-06-15"), listed("2025-06", "A"), covered=False)
    assert said(case) == (None, None, "coverage_ended", ())


def test_two_practices_under_one_version_are_told_and_the_first_in_the_input_stands() -> None:
    for order in itertools.permutations((("A", 5), ("B", 6))):
        case = plan_case()
        told = [case.tell(listed("2025-06", practice_id), offset=place) for practice_id, place in order]
        assert [one.refusal.reason if one.refusal else None for one in told] == [None, "plan_list_conflict"]
        assert case.on(D).practice_id == "A"
    assert case.tell(listed("2025-06", "B", 2)).refusal is None
    assert case.on(D).practice_id == "B"


def test_another_provider_under_one_version_is_a_repeated_version() -> None:
    case = plan_case(listed("2025-06", "A", npi="1"))
    told = case.tell(listed("2025-06", "A", npi="2"))
    assert told.refusal is not None
    assert told.refusal.reason == "version_conflict"


def test_an_entry_for_an_unknown_practice_is_told_and_takes_effect_once_it_is_known() -> None:
    case = plan_case()
    told = case.tell(listed("2025-06", "X"))
    assert told.refusal is not None
    assert told.refusal.reason == "unknown_practice"
    assert case.on(D).reason == "unknown_practice"
    learned = case.known.apply(practice("X"), Position("control", 0, 99), as_of=None)
    assert learned.touch.terms & engine.terms(case.member)
    case.known = learned.knowledge
    assert said(case) == ("plan", "X", None, ())
    assert case.tell(listed("2025-07", "X")).refusal is None


def test_a_manifest_concerns_the_members_of_a_payer_that_goes_by_its_list_once() -> None:
    known = knowing(*ROSTER)
    place = Position("control", 0, 50)
    assert known.apply(plan_list("2025-06"), place, as_of=None).touch.payer is None
    first = known.apply(PLAN, place, as_of=None).knowledge.apply(plan_list("2025-06"), place, as_of=None)
    assert first.touch.payer == PAYER
    assert first.knowledge.apply(plan_list("2025-06"), place, as_of=None).touch.payer is None


def test_changing_the_mode_concerns_the_members_of_the_payer() -> None:
    known = knowing(*ROSTER, payer())
    changed = known.apply(PLAN, Position("control", 0, 50), as_of=None)
    assert changed.touch.payer == PAYER


def test_a_panel_is_not_frozen_without_the_list_of_its_month() -> None:
    known = knowing(*ROSTER, payer("2025-05-01", attribution_mode="plan"), plan_list("2025-06"))
    days = ("2025-04-01", "2025-05-01", "2025-06-01", "2025-06-30", "2025-07-01")
    assert [known.is_stale(PAYER, day(when).toordinal()) for when in days] == [False, True, False, False, True]
    assert not known.is_stale("somebody else", day(D).toordinal())


def test_how_long_a_list_holds_is_what_is_already_known_of_the_next() -> None:
    facts = (listed("2025-06", "A"), "2025-06-01 A 1")
    assert plan_case(*facts, reference=(plan_list("2025-06"),)).on(D).secure_until is None
    assert str(plan_case(*facts, reference=(plan_list("2025-06", "2025-07"),)).on(D).secure_until) == "2025-07-01"
    kept = plan_case(*facts, listed("2025-07", "A"), reference=(plan_list("2025-06", "2025-07"),))
    assert kept.on(D).secure_until is None
    ending = plan_case(*facts, span(end="2025-07-31", span_version=2), reference=(plan_list("2025-06"),)).on(D)
    assert (str(ending.secure_until), ending.drop_reason) == ("2025-08-01", "coverage_ending")


def test_the_plan_carries_decisions_in_its_list_and_the_shadow_knows_them() -> None:
    removed = (asked("remove", "A", "2025-05-01"), decided("remove", "A", "2025-05-01"))
    case = plan_case("2025-06-01 A 1", "2025-05-01 B", *removed, listed("2025-06", "A"))
    assert said(case) == ("plan", "A", None, ("conflict:B",))


def test_what_the_common_rule_sees_coming_is_told_as_its_shadow() -> None:
    case = plan_case("2024-03-01 A 1", listed("2025-06", "A"), reference=(plan_list("2025-06"),))
    assert case.on(D).secure_until is None
    (alert,) = case.alerts(D)
    assert (alert.state, alert.reason, alert.shadow) == ("raised", "likely_to_fall_off", True)
    assert (alert.secure_until, alert.visits_needed, alert.horizon_days) == (dt.date(2025, 9, 1), 1, 90)
    assert (alert.next_panel_date, alert.panel_visit_by) == (dt.date(2025, 9, 1), dt.date(2025, 8, 31))
    case.tell("2025-06-20 A 1")
    (resolved,) = case.alerts(D, "claim")
    assert (resolved.state, resolved.resolution, resolved.shadow) == ("resolved", "visit", True)


def test_the_end_that_the_plan_itself_has_announced_is_told_before_the_shadow() -> None:
    lists = (plan_list("2025-06"),)
    case = plan_case("2024-03-01 A 1", listed("2025-06", "A"), reference=lists)
    case.advance(D)
    case.known = knowing(*ROSTER, PLAN, *lists, plan_list("2025-07"))
    (alert,) = case.alerts(D, "feed_manifest")
    assert (alert.state, alert.reason, alert.shadow) == ("changed", "not_on_plan_list", False)
    (gone,) = case.alerts("2025-07-01")
    assert (gone.state, gone.reason, gone.shadow) == ("expired", "not_on_plan_list", False)


def test_a_shadow_alert_is_told_again_at_each_horizon() -> None:
    case = plan_case("2024-03-01 A 1", listed("2025-01", "A"), reference=(plan_list("2025-01"),))
    told, when = [], day("2025-01-02")
    while when is not None and when < day("2025-09-01"):
        done = case.advance(str(when))
        told += [(str(when), out.record.horizon_days) for out in done.outputs if out.topic == "alert-history"]  # type: ignore[union-attr]
        when = done.due
    assert told == [("2025-06-03", 90), ("2025-07-03", 60), ("2025-08-02", 30), ("2025-08-25", 7)]


def test_entries_replaced_two_years_ago_are_forgotten_and_come_back_from_the_cold_rows() -> None:
    months = ("2022-01", "2022-02", "2023-08", "2025-06")
    case = plan_case(
        *(listed(month, "A") for month in months), reference=tuple(map(plan_list, ("2022-02", "2023-05", "2025-06")))
    )
    case.advance(D)
    assert [dt.date.fromordinal(one.month).isoformat()[:7] for one in case.member.plan_entries] == [
        "2023-08",
        "2025-06",
    ]
    engine.rederive(case.member, case.rows, case.known)
    assert len(case.member.plan_entries) == 4
