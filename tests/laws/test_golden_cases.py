"""The golden cases of attribution.md 2.8 and the edges of the windows, asked of the engine and of the oracle alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from schemas.records import Claim, ClaimLine, Enrollment, PcpSelection, Position, Provider
from state import engine
from tests.laws import naive
from tests.laws.histories import MEMBER, PAYER, folded, knowledge_of
from tests.laws.lives import Life
from tests.laws.naive import Said

D = "2025-06-30"
HOME = {"A": "1", "B": "9", "C": "5"}
TINS = {"A": "950000001", "B": "950000002", "C": "950000003"}
REFERENCE = [
    (
        Provider(
            npi=npi,
            practice_id=practice,
            tin=TINS[practice],
            taxonomy_code="207Q00000X",
            is_pcp=True,
            effective_from=dt.date(2020, 1, 1),
            roster_version=1,
        ),
        Position("reference", 0, offset),
    )
    for offset, (npi, practice) in enumerate([("1", "A"), ("2", "A"), ("9", "B"), ("5", "C")])
]

Ask = Callable[[list[Said], str], dict[str, Any]]


def by_engine(said: list[Said], day: str) -> dict[str, Any]:
    known = knowledge_of(REFERENCE)
    member, _ = folded(said, known)
    found = engine.attribution(member, dt.date.fromisoformat(day), known)
    return {name: getattr(found, name) for name in found.__struct_fields__}


def by_oracle(said: list[Said], day: str) -> dict[str, Any]:
    return naive.attribution(said, REFERENCE, dt.date.fromisoformat(day))


def by_close(said: list[Said], day: str) -> dict[str, Any]:
    """The final reading of a period that ended on that day, closed half a year later."""
    as_of = dt.date.fromisoformat(day)
    life = Life(as_of - dt.timedelta(days=100))
    for record, _ in REFERENCE:
        life.reference(record)
    for one in said:
        life.fact(one)
    life.tick(as_of + dt.timedelta(days=180))
    life.close("final", as_of)
    ((_, frozen),) = life.lists.values()
    return {name: getattr(frozen.attribution, name) for name in frozen.attribution.__struct_fields__}


def by_adjustments(said: list[Said], day: str) -> dict[str, Any]:
    """A close at which nothing was known, and what its adjustments add up to; the rest is the engine's."""
    as_of = dt.date.fromisoformat(day)
    life = Life(as_of)
    life.close("final", as_of)
    for record, _ in REFERENCE:
        life.reference(record)
    for one in said:
        life.fact(one)
    (total,) = life.adjusted.values()
    practices = [practice for practice, count in total.items() if count]
    assert [total[one] for one in practices] in ([], [1])
    return {**by_engine(said, day), "practice_id": practices[0] if practices else None}


@pytest.fixture(
    params=[by_engine, by_oracle, by_close, by_adjustments], ids=["engine", "oracle", "close", "adjustments"]
)
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param  # type: ignore[no-any-return]


def visit(spoken: str, **changes: Any) -> Claim:
    """`2025-01-10 A 2`: the day, the practice and the clinician (else the first one there)."""
    day, practice, *npi = spoken.split()
    line = ClaimLine(
        claim_line_number=1,
        claim_line_start_date=dt.date.fromisoformat(day),
        hcpcs_code="99213",
        place_of_service_code="11",
        rendering_npi=npi[0] if npi else HOME[practice],
        line_status=changes.pop("line_status", None),
    )
    facts: dict[str, Any] = {
        "payer": PAYER,
        "member_id": MEMBER,
        "payer_claim_control_number": spoken,
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "claim_type": "professional",
        "billing_tin": TINS[practice],
        "lines": (line,),
    }
    return Claim(**{**facts, **changes})


def said(*facts: Any, death: str | None = None) -> list[Said]:
    span = Enrollment(
        payer=PAYER,
        member_id=MEMBER,
        span_id="S",
        span_version=1,
        enrollment_start_date=dt.date(2020, 1, 1),
        product="PPO",
        line_of_business="commercial",
        birth_date=dt.date(1980, 5, 17),
        gender="F",
        death_date=None if death is None else dt.date.fromisoformat(death),
    )
    bodies = [span, *(visit(one) if isinstance(one, str) else one for one in facts)]
    return [
        Said(f"e{number}", Position("facts", 0, number), body, given_id=False) for number, body in enumerate(bodies)
    ]


def check(found: dict[str, Any], **expected: Any) -> None:
    assert {name: found[name] for name in expected} == {
        name: dt.date.fromisoformat(value) if name in {"secure_until", "last_visit_date"} and value else value
        for name, value in expected.items()
    }


CASE_1 = ("2024-09-03 A 1", "2025-01-10 A 2", "2025-05-02 B 9")
CASE_2 = ("2024-09-03 A 1", "2025-05-02 B 9")


def test_01_frequency_before_recency(ask: Ask) -> None:
    check(
        ask(said(*CASE_1), D),
        step="claims_12",
        practice_id="A",
        provider_npi="2",
        runner_up_practice_id="B",
        visits_12m=2,
        last_visit_date="2025-01-10",
        evidence=CASE_1[:2],
    )


def test_02_more_recent_of_equals(ask: Ask) -> None:
    check(ask(said(*CASE_2), D), practice_id="B", provider_npi="9", runner_up_practice_id="A")


def test_03_eighteen_months_where_twelve_are_empty(ask: Ask) -> None:
    found = ask(said("2024-03-01 A", "2024-04-01 A", "2024-06-01 B"), D)
    check(found, step="claims_18", practice_id="A", visits_12m=0, visits_18m=2)


def test_04_two_clinicians_one_practice_visit(ask: Ask) -> None:
    found = ask(said("2025-01-10 A 1", "2025-01-10 A 2", "2025-02-10 B 9"), D)
    check(found, practice_id="B", runner_up_practice_id="A")


def test_05_full_tie_goes_to_the_lower_id(ask: Ask) -> None:
    check(ask(said("2025-01-10 A", "2025-01-10 B"), D), practice_id="A")


def test_06_outranked(ask: Ask) -> None:
    check(
        ask(said("2024-08-20 A", "2024-12-05 A", "2025-04-04 B"), D),
        practice_id="A",
        secure_until="2025-08-20",
        drop_reason="outranked",
        next_practice_id="B",
        visits_needed=1,
    )


def test_07_aging_out_after_eighteen_months(ask: Ask) -> None:
    found = ask(said("2024-08-20 A"), D)
    check(found, practice_id="A", secure_until="2026-02-20", drop_reason="aging_out", next_practice_id=None)
    check(ask(said("2024-08-20 A"), "2025-08-20"), step="claims_18", practice_id="A")


def test_08_fallback_flip(ask: Ask) -> None:
    found = ask(said("2024-03-20 B", "2024-04-20 B", "2024-08-20 A"), D)
    check(found, practice_id="A", secure_until="2025-08-20", drop_reason="fallback_flip", next_practice_id="B")


def test_09_provider_by_lowest_npi(ask: Ask) -> None:
    found = ask(said("2025-01-05 A 1", "2025-02-05 A 2", "2025-03-05 A 2", "2025-03-05 A 1"), D)
    check(found, practice_id="A", provider_npi="1", visits_12m=3)


def test_10_voided_visit_no_longer_counts(ask: Ask) -> None:
    visits = ("2025-01-10 A", "2025-02-10 A", "2025-03-10 B")
    check(ask(said(*visits), D), practice_id="A")
    check(ask(said(*visits, visit("2025-02-10 A", claim_frequency_code="8")), D), practice_id="B")


@pytest.mark.parametrize(
    ("visits", "winner"),
    [(CASE_1, "A"), (CASE_2, "B"), (("2024-08-20 A",), "A"), (("2025-01-10 A", "2025-01-10 B"), "A")],
)
def test_11_selection_beats_claims(ask: Ask, visits: tuple[str, ...], winner: str) -> None:
    chosen = PcpSelection(
        payer=PAYER,
        member_id=MEMBER,
        selection_id="L",
        selection_version=1,
        pcp_npi="5",
        selection_source="member_selected",
        effective_from=dt.date(2024, 1, 1),
        practice_id="C",
    )
    found = ask(said(*visits, chosen), D)
    check(found, step="selected", practice_id="C", provider_npi="5", flags=(f"conflict:{winner}",), evidence=())


@pytest.mark.parametrize("denied", [{"line_status": "denied"}, {"claim_status": "denied"}], ids=["lines", "header"])
def test_12_denied_lines_are_no_visit(ask: Ask, denied: dict[str, Any]) -> None:
    check(ask(said(CASE_2[0], visit(CASE_2[1], **denied)), D), practice_id="A", runner_up_practice_id=None)


def test_13_void_before_its_original(ask: Ask) -> None:
    void = visit(CASE_2[1], claim_frequency_code="8")
    early, late = ask(said(CASE_2[0], void, CASE_2[1]), D), ask(said(*CASE_2, void), D)
    assert early == late
    check(early, practice_id="A", runner_up_practice_id=None)


def test_14_death(ask: Ask) -> None:
    dead, alive = said(*CASE_1, death="2025-06-01"), said(*CASE_1)
    check(ask(dead, D), status="not_attributed", step=None, practice_id=None, reason="deceased")
    before, ends = ask(dead, "2025-05-31"), {"secure_until", "drop_reason", "next_practice_id", "visits_needed"}
    unchanged = ask(alive, "2025-05-31")
    assert {k: v for k, v in before.items() if k not in ends} == {k: v for k, v in unchanged.items() if k not in ends}
    check(before, secure_until="2025-06-01", drop_reason="deceased", visits_needed=None)


# -- the edges of the windows


@pytest.mark.parametrize(
    ("visited", "day", "step"),
    [
        ("2024-02-29", "2025-02-27", "claims_12"),
        ("2024-02-29", "2025-02-28", "claims_18"),
        ("2023-08-31", "2025-02-27", "claims_18"),
        ("2023-08-31", "2025-02-28", None),
        ("2024-07-01", "2025-06-30", "claims_12"),
        ("2024-06-30", "2025-06-30", "claims_18"),
        ("2024-01-01", "2025-06-30", "claims_18"),
        ("2023-12-31", "2025-06-30", None),
        ("2023-12-30", "2025-06-29", "claims_18"),
        ("2025-06-30", "2025-06-30", "claims_12"),
        ("2025-07-01", "2025-06-30", None),
    ],
)
def test_windows_end_on_the_same_day_of_the_month(ask: Ask, visited: str, day: str, step: str | None) -> None:
    found = ask(said(f"{visited} A"), day)
    check(found, step=step, practice_id="A" if step else None, reason=None if step else "no_primary_care_visit")


@pytest.mark.parametrize(
    ("visited", "until"), [("2024-02-29", "2025-08-29"), ("2023-08-31", "2025-02-28"), ("2024-08-31", "2026-02-28")]
)
def test_secure_until_the_last_month_ends(ask: Ask, visited: str, until: str) -> None:
    check(ask(said(f"{visited} A"), "2025-01-15"), secure_until=until, drop_reason="aging_out", visits_needed=1)


def test_the_last_visit_leaving_on_the_leap_days_anniversary_flips(ask: Ask) -> None:
    found = ask(said("2023-09-15 B", "2023-10-15 B", "2024-02-29 A"), "2025-01-15")
    check(found, practice_id="A", secure_until="2025-02-28", drop_reason="fallback_flip", next_practice_id="B")
