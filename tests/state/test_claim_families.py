"""Versions, voids, denials and duplicates of one claim: attribution.md 2.5."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import msgspec
import pytest

from state import engine
from tests.cases import Case, selection, span, visit

D = "2025-06-30"
JAN, MAY = "2025-01-10 A", "2025-05-02 B"


def version(spoken: str, number: str, frequency: str, **other: Any) -> Any:
    """A version of a claim for a visit, under its own control number."""
    return visit(spoken, payer_claim_control_number=number, claim_frequency_code=frequency, **other)


def practices(*versions: Any, **case: Any) -> set[str | None]:
    """The answers over every order of arrival; the places in the input stay those of the versions as given."""
    found = set()
    for order in itertools.permutations(enumerate(versions, 1)):
        one = Case(**case)
        for offset, body in order:
            one.tell(body, event_id=f"v{offset}", offset=offset)
        found.add(one.on(D).practice_id)
    return found


def test_a_replacement_retires_what_it_replaces() -> None:
    assert practices(version(JAN, "C1", "1"), version(MAY, "C2", "7", original_claim_id="C1")) == {"B"}


def test_a_chain_of_replacements_ends_at_its_last() -> None:
    chain = (
        version(JAN, "C3", "1"),
        version(MAY, "C2", "7", original_claim_id="C3"),
        version("2025-02-10 C", "C1", "7", original_claim_id="C2"),
    )
    assert practices(*chain) == {"C"}


def test_a_void_closes_the_family_whenever_it_arrives() -> None:
    assert practices(version(JAN, "C1", "1"), version(JAN, "C1", "8")) == {None}


def test_a_claim_after_its_void_stays_closed() -> None:
    versions = [version(JAN, "C1", frequency, claim_version=at) for at, frequency in enumerate("181", 1)]
    assert practices(*versions) == {None}


@pytest.mark.parametrize("status", ["denied", "reversed"])
def test_a_denial_takes_the_visit_back_and_payment_gives_it_again(status: str) -> None:
    paid, denied, again = (
        version(JAN, "C1", "1", claim_version=at, claim_status=of)
        for at, of in enumerate(("paid", status, "encounter_accepted"), 1)
    )
    assert practices(paid, denied) == {None}
    assert practices(paid, denied, again) == {"A"}


def test_a_pending_version_replaces_nothing() -> None:
    assert practices(version(JAN, "C1", "1"), version(MAY, "C1", "7", claim_status="pending", claim_version=9)) == {"A"}


def test_without_versions_adjudication_orders_and_then_the_input() -> None:
    early, late = (dt.datetime(2025, month, 1, tzinfo=dt.UTC) for month in (2, 3))
    by_time = (version(MAY, "C1", "7", adjudicated_at=late), version(JAN, "C1", "7", adjudicated_at=early))
    assert practices(*by_time) == {"B"}
    assert practices(version(MAY, "C1", "7"), version(JAN, "C1", "7")) == {"A"}


def test_the_payers_version_comes_before_who_replaces_whom() -> None:
    renamed = version("2025-02-10 C", "C2", "7", original_claim_id="C1", claim_version=2)
    again = version(MAY, "C1", "7", claim_version=3)
    assert practices(version(JAN, "C1", "1", claim_version=1), renamed, again) == {"B"}
    early, late, last = (dt.datetime(2025, month, 1, tzinfo=dt.UTC) for month in (2, 3, 6))
    by_time = (
        version(JAN, "C1", "1", adjudicated_at=early),
        version("2025-02-10 C", "C2", "7", original_claim_id="C1", adjudicated_at=late),
        version(MAY, "C1", "7", adjudicated_at=last),
    )
    assert practices(*by_time) == {"B"}


def test_a_replacement_without_a_version_comes_after_a_numbered_original() -> None:
    renamed = version(MAY, "C2", "7", original_claim_id="C1")
    assert practices(version(JAN, "C1", "1", claim_version=4), renamed) == {"B"}


def test_replacements_in_a_circle_have_one_answer() -> None:
    circle = (
        version(JAN, "C1", "7", original_claim_id="C2", claim_version=1),
        version(MAY, "C2", "7", original_claim_id="C1", claim_version=2),
    )
    assert practices(*circle) == {"B"}


def test_a_known_event_id_with_other_content_is_refused_and_the_first_in_the_input_stands() -> None:
    first, second = version(JAN, "C1", "1"), version(MAY, "C1", "1")
    answers = set()
    for order in ((1, 2), (2, 1)):
        case = Case()
        done = [case.tell({1: first, 2: second}[at], event_id="E", offset=at) for at in order]
        assert [one.refusal is not None for one in done] == [False, True]
        answers.add(case.on(D).practice_id)
    assert answers == {"A"}


def test_an_event_id_known_on_another_claim_is_refused() -> None:
    case = Case()
    case.tell(version(JAN, "C1", "1"), event_id="E")
    refused = case.tell(version(MAY, "C9", "1"), event_id="E").refusal
    assert refused is not None
    assert (refused.reason, case.on(D).practice_id) == ("event_id_conflict", "A")


def test_the_same_content_under_another_id_changes_nothing() -> None:
    case = Case(JAN)
    before = engine.encode_member(case.member)
    done = case.tell(msgspec.structs.replace(visit(JAN), source_file="again.csv", source_row=7))
    assert not done.changed
    assert engine.encode_member(case.member) == before


def test_a_specialist_changes_no_answer() -> None:
    case = Case(JAN)
    case.advance(D)
    lines = visit("2025-02-01 B").lines
    other = tuple(msgspec.structs.replace(one, rendering_npi="77", rendering_taxonomy="207RC0000X") for one in lines)
    assert not case.tell(visit("2025-02-01 B", lines=other)).changed


def test_a_roster_row_makes_a_known_line_a_visit_without_reading_the_claim_again() -> None:
    case = Case(covered=True)
    lines = visit("2025-02-01 B").lines
    case.tell(
        visit("2025-02-01 B", lines=tuple(msgspec.structs.replace(one, rendering_taxonomy=None) for one in lines))
    )
    assert case.on(D).practice_id == "B"
    assert {"npi:9"} <= engine.terms(case.member)


def test_the_highest_version_of_a_span_and_a_selection_stands_in_any_order() -> None:
    open_, closed = span(), span(end="2025-03-01", span_version=2)
    assert {Case(*order, covered=False).on(D).reason for order in ((open_, closed), (closed, open_))} == {
        "coverage_ended"
    }
    first, later = selection("5"), selection("9", selection_id="5", selection_version=2)
    assert {Case(*order).on(D).practice_id for order in ((first, later), (later, first))} == {"B"}


def test_of_two_contents_under_one_version_the_first_in_the_input_stands_and_the_other_is_named() -> None:
    contents = {1: span(), 2: span(end="2025-03-01")}
    for order in ((1, 2), (2, 1)):
        case = Case(covered=False)
        done = [case.tell(contents[at], offset=at) for at in order]
        assert [one.refusal and one.refusal.reason for one in done] == [None, "version_conflict"]
        assert case.on(D).reason == "no_primary_care_visit"


def test_a_member_of_two_years_fits_in_a_kilobyte() -> None:
    months = [f"{year}-{month:02}-15 A {1 + month % 2}" for year in (2023, 2024) for month in (1, 3, 6, 8, 11)]
    case = Case(*(visit(one, claim_id=f"PCN{at:09}") for at, one in enumerate(months)))
    case.advance("2024-12-31")
    assert len(engine.encode_member(case.member)) < 1_024
