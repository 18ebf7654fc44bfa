"""Steps 0, 1 and 4: eligibility, selections, the provider inside a practice. Source: attribution.md 2.6."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Coverage, Position, Table
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from tests.builders import FAMILY_MEDICINE
from tests.cases import PRACTICE_OF, ROSTER, Case, knowing, payer, practice, provider, selection, span

D = "2025-06-30"


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ((), "not_yet_effective"),
        ((span("2025-07-01"),), "not_yet_effective"),
        ((span(end="2025-06-29"),), "coverage_ended"),
        ((span(end="2025-06-30"),), "no_primary_care_visit"),
        ((span(product="HMO"),), "out_of_scope_product"),
        ((span(death_date="2025-06-30"),), "deceased"),
        ((span(death_date="2025-07-01"),), "no_primary_care_visit"),
        ((span(end="2019-12-31", maintenance_type_code="024"),), "not_yet_effective"),
        ((span(end="2025-01-01"), span("2025-07-15", span_id="S2")), "coverage_ended"),
        ((span(coverage=Coverage(medical=False, pharmacy=True)),), "not_yet_effective"),
        ((span(coverage=Coverage(medical=True)),), "no_primary_care_visit"),
        (
            (span(end="2025-01-01"), span(span_id="S2", coverage=Coverage(medical=False, mental_health=True))),
            "coverage_ended",
        ),
    ],
)
def test_why_a_member_is_not_attributed(spans: tuple[Any, ...], reason: str) -> None:
    case = Case(*spans, covered=False, known=knowing(*ROSTER, payer(products=("PPO",))))
    assert (case.on(D).status, case.on(D).reason) == ("not_attributed", reason)


def test_a_death_stands_until_the_version_that_reported_it_is_replaced() -> None:
    case = Case(span(death_date="2025-01-01"), "2025-01-10 A", covered=False)
    assert case.on(D).reason == "deceased"
    case.tell(span(span_version=2))
    assert case.on(D).practice_id == "A"


def chosen(*selections: Any, known: Any = None) -> tuple[str | None, str | None, str | None, tuple[str, ...]]:
    seen = Case("2025-01-10 A", *selections, known=known).on(D)
    return seen.step, seen.practice_id, seen.provider_npi, seen.flags


def test_the_newest_selection_decides_and_claims_stand_in_a_flag() -> None:
    assert chosen(selection("9", "2024-01-01"), selection("5", "2024-06-01")) == ("selected", "C", "5", ("conflict:A",))


def test_of_one_day_the_members_own_word_comes_first_and_then_the_last_to_come_in() -> None:
    plans = selection("9", selection_source="plan_matched")
    assert chosen(selection("5"), plans)[1] == "C"
    assert chosen(selection("5"), selection("9"))[1] == "B"


def test_a_payer_may_put_the_source_first_or_leave_its_own_assignments_out() -> None:
    some = (selection("5"), selection("9", "2024-06-01", selection_source="plan_auto_assigned"))
    assert chosen(*some)[1] == "B"
    for terms in (payer(selection_order="source_first"), payer(auto_assigned_counts=False)):
        assert chosen(*some, known=knowing(*ROSTER, terms))[1] == "C"


def test_where_only_the_pcp_has_left_the_practice_stands_to_be_paneled_again() -> None:
    known = knowing(provider("9", "B", end="2025-06-01"), *ROSTER[:2], practice("B"))
    assert chosen(selection("9", practice_id="B"), known=known) == ("selected", "B", None, ("conflict:A", "repanel"))


def test_where_pcp_and_practice_have_left_the_selection_is_passed_over() -> None:
    known = knowing(provider("9", "B", end="2025-06-01"), *ROSTER[:2], practice("B", end="2025-06-30"))
    assert chosen(selection("9", practice_id="B"), known=known) == ("claims_12", "A", "1", ("selected_pcp_inactive",))


def test_without_a_practice_it_is_that_of_most_visits_and_then_the_lowest() -> None:
    known = knowing(*ROSTER, provider("5", "B"))
    case = Case(selection("5"), known=known)
    assert case.on(D).practice_id == "B"
    case.tell("2025-01-10 C")
    assert case.on(D).practice_id == "C"
    case.tell(selection("5", "2024-02-01", selection_id="under tin", pcp_tin="950000002"))
    assert case.on(D).practice_id == "B"


def test_the_practice_stands_where_no_provider_is_active_there_any_more() -> None:
    rows = [provider(npi, home, end="2025-06-01" if home == "A" else None) for npi, home in PRACTICE_OF.items()]
    seen = Case("2025-01-10 A 1", known=knowing(*rows)).on(D)
    assert (seen.practice_id, seen.provider_npi, seen.reason) == ("A", None, "provider_inactive")


def test_the_provider_who_left_gives_way_to_the_next() -> None:
    known = knowing(provider("1", "A", end="2025-06-01"), provider("2", "A"))
    case = Case("2025-01-10 A 1", "2025-02-10 A 1", "2025-03-10 A 2", known=known)
    assert (case.on("2025-05-31").provider_npi, case.on("2025-06-01").provider_npi) == ("1", "2")


def test_a_pcp_whom_only_the_directory_knows_counts_from_the_day_of_the_specialty_there(tmp_path: Path) -> None:
    rows = f"npi,taxonomy_code,primary,effective_from\n7,207RC0000X,yes,\n7,{FAMILY_MEDICINE},yes,2025-08-01\n".encode()
    digest = hashlib.sha256(rows).hexdigest()
    (tmp_path / digest).write_bytes(rows)
    table = Table(kind="npi_taxonomy", name="d", version="1", digest=digest, activated_from=dt.date(2020, 1, 1))
    known = Knowledge.initial(TableStore([tmp_path])).apply(
        table, Position("control", 0, 0), as_of=dt.date(2025, 6, 30)
    )
    case = Case(selection("7"), known=known.knowledge)
    assert case.on(D).practice_id is None
    assert case.on("2025-08-01").practice_id == "NPI:7"
    assert case.advance(D).due == dt.date(2025, 8, 1)


def test_an_end_at_the_end_of_all_days_is_none() -> None:
    never = "9999-12-31"
    known = knowing(provider("1", "A", effective_to=dt.date.max), practice("A", effective_to=dt.date.max))
    found = Case(span(end=never), selection("1", end=never), covered=False, known=known).on(D)
    assert (found.practice_id, found.secure_until, found.drop_reason) == ("A", None, None)
