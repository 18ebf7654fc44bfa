"""EDU, AHU and TCOC of one member day by day: sums that were said piece by piece are those of all facts at once. Design.md law 4."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Claim, Coverage, Enrollment, Position
from state.calendar import Day
from state.ledger.rows import History, Row, Sighting, Statement
from state.measures.credit import credit_of
from state.measures.editions import Bound, built_in
from state.measures.evaluation import evaluate
from state.measures.facts import Profile
from state.measures.keeping import kept_of, profile_of, span_of
from state.measures.measuring import Measuring
from state.measures.outcome import Sums
from state.measures.rates import Cell, counted
from state.measures.standing import Standing, Touched, advance, take
from state.reference.starter_sets import starter_sets
from tests import builders
from tests.measure_builders import day
from tests.state.measures.hospital_claims import supplied
from tests.state.measures.test_edu import REFERENCE, WEIGHTS

PRICES = "code_system,code,modifier,per,price\nCPT,99213,,unit,90\nUBREV,0450,,line,700\nUBREV,0120,,line,2000\n"
BOUND = Bound(
    built_in("capc-2025").only(["AHU", "EDU", "TCOC"]),
    starter_sets(),
    supplied(rau_weights=WEIGHTS, reference_rates=REFERENCE, tcoc_prices=PRICES),
)
MEASURING = Measuring.of([BOUND], [], frozenset())
START, END = day("2025-01-28"), day("2025-04-03")
MOVES = day("2025-03-10")
"""The day from which the member is practice B's."""
KINDS: dict[str, dict[str, Any]] = {
    "visit": {"hcpcs_code": "99213", "place_of_service_code": "11"},
    "room": {"revenue_center_code": "0450", "hcpcs_code": None, "place_of_service_code": None},
    "stay": {"revenue_center_code": "0120", "hcpcs_code": None, "place_of_service_code": None},
}


def practice_on(on: Day) -> str:
    return "B" if on >= MOVES else "A"


def claim(number: int, kind: str, on: Day, status: str) -> Claim:
    """A claim of one service, with diabetes; `void` is a frequency of its own."""
    when = dt.date.fromordinal(on)
    void = status == "void"
    return builders.claim(
        f"C{number}",
        builders.line(when, **KINDS[kind]),
        claim_type="professional" if kind == "visit" else "institutional",
        claim_frequency_code="8" if void else "1",
        claim_status="paid" if void else status,
        diagnosis_codes=("E119", "J189"),
        discharge_date=when + dt.timedelta(2) if kind == "stay" else None,
    )


def row_of(*bodies: Any) -> Row:
    return History(
        [
            Statement(bytes([at]), body, [Sighting(str(at), Position("claims", 0, at), None)])
            for at, body in enumerate(bodies)
        ],
        ["C"],
    )


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[Day, str, Row]]:
    """Claims of before, on and after the day on which they come, some corrected or voided later, and a span that may end early."""
    told: list[tuple[Day, str, Row]] = []
    for number in range(draw(st.integers(1, 5))):
        comes = draw(st.integers(START, END))
        first = claim(number, draw(st.sampled_from(sorted(KINDS))), comes + draw(st.integers(-300, 20)), "paid")
        told.append((comes, f"claim:C{number}", row_of(first)))
        if draw(st.booleans()):
            status = draw(st.sampled_from(("void", "denied", "paid")))
            on = first.lines[0].claim_line_start_date.toordinal() + draw(st.integers(-1, 1))
            then = claim(number, draw(st.sampled_from(sorted(KINDS))), on, status)
            if status != "void":
                then = msgspec.structs.replace(then, claim_frequency_code="7")
            told.append((draw(st.integers(comes, END)), f"claim:C{number}", row_of(first, then)))
    if draw(st.booleans()):
        ends = draw(st.sampled_from((dt.date(2025, 2, 28), dt.date(2024, 6, 30))))
        told.append((draw(st.integers(START, END)), "span:S1", row_of(span(), span(ends))))
    return sorted(told, key=lambda one: one[0])


def span(end: dt.date | None = None) -> Enrollment:
    cover = Coverage(medical=True, pharmacy=True)
    return builders.span(coverage=cover, enrollment_end_date=end, span_version=1 if end is None else 2)


def at_once(rows: dict[str, Row], as_of: Day) -> dict[tuple[str, Cell], Sums]:
    """The sums by all facts on a day."""
    found: dict[tuple[str, Cell], Sums] = defaultdict(Sums)
    kept = [
        one
        for name, row in sorted(rows.items())
        if (one := kept_of(name, row, MEASURING.wanted, allow_reopen=False)) is not None
    ]
    profile = profile_of(span_of(name, row) for name, row in rows.items() if name.startswith("span:"))  # type: ignore[arg-type]
    for window in MEASURING.windows(as_of):
        for measure, outcomes in evaluate(profile, kept, BOUND, window.period, as_of).outcomes.items():
            practice = credit_of(outcomes).practice(window.period, as_of, practice_on)
            for cell, sums in counted(measure, "aetna", practice, profile, outcomes):
                found[window.id, cell] += sums
    return dict(found)


@settings(max_examples=40, deadline=None)
@given(stories())
def test_sums_that_were_said_piece_by_piece_are_those_of_all_facts_at_once(story: list[tuple[Day, str, Row]]) -> None:
    standing, rows = Standing(), {"span:S1": row_of(span())}
    said: dict[tuple[str, Cell], Sums] = defaultdict(Sums)

    def step(on: Day, touched: Touched | None, before: Profile) -> None:
        changes = advance(standing, MEASURING, on, "aetna", practice_on, touched=touched, before=before)
        for asked, cell, sums in changes.sums:
            said[asked.period, cell] += sums

    step(START - 1, take(standing, rows.items(), MEASURING, allow_reopen=False), Profile())
    for on in range(START, END + 1):
        before = profile_of(standing.spans)
        is_due = standing.next_day is not None and standing.next_day <= on
        step(on, None if is_due or dt.date.fromordinal(on).day == 1 else Touched(), before)
        for _, name, row in (one for one in story if one[0] == on):
            before = profile_of(standing.spans)
            rows[name] = row
            step(on, take(standing, [(name, row)], MEASURING, allow_reopen=False), before)
        assert {key: sums for key, sums in said.items() if not sums.is_nothing} == at_once(rows, on)
