"""The made-up population with what measures look for: valid, in order, the same for equal seeds, with rates between none and all."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from ops.demo_measures import SHOWN
from ops.sample.population import population
from schemas.codec import Codec
from schemas.records import MemberFact
from schemas.registry import EmbeddedRegistry
from state.measures.editions import built_in
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from state.validation import refusal
from streams.rates_shown import Shown, equity_sensitive, in_order, lines
from streams.replaying import Question, replay

START, END = dt.date(2024, 1, 1), dt.date(2025, 7, 31)
MEMBERS = 700


@pytest.fixture(scope="module")
def events() -> list[dict[str, object]]:
    return list(population(MEMBERS, 11, START, END, bad_share=0, care=True))


@pytest.fixture(scope="module")
def rates(events: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory) -> list[Shown]:
    folder = tmp_path_factory.mktemp("care")
    path = folder / "events.ndjson"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    from streams.cli.options import measured_period

    question = Question(
        dt.date(2025, 6, 30),
        editions=[built_in("capc-2025")],
        value_sets=starter_sets(),
        periods=[measured_period("2024-07-01..2025-06-30")],
    )
    (found,) = replay([path], question, TableStore(), folder / "out").rates.values()
    return list(found)


def test_care_comes_in_order_of_acceptance_and_each_record_is_accepted(events: list[dict[str, object]]) -> None:
    times = [str(event["accepted_at"]) for event in events]
    assert times == sorted(times)
    assert {event["event_type"] for event in events} >= {"clinical", "pharmacy_claim"}
    codec = Codec(EmbeddedRegistry())
    for event in events:
        record = codec.from_json(json.dumps(event).encode())
        if isinstance(record, MemberFact):
            assert record.accepted_at is not None
            assert refusal(record, record.accepted_at.date()) is None, event


def test_equal_seeds_give_equal_care_and_claims_are_those_of_the_population_without_care() -> None:
    one, again = (list(population(20, 3, START, END, care=True)) for _ in range(2))
    assert one == again
    without = {json.dumps(event) for event in population(20, 3, START, END) if event["event_type"] == "pcp_selection"}
    assert without <= {json.dumps(event) for event in one}


def test_what_is_broken_of_care_is_refused_with_a_reason_and_a_field() -> None:
    codec, reasons = Codec(EmbeddedRegistry()), set()
    for event in population(60, 5, START, END, bad_share=0.2, care=True):
        if event["event_type"] in {"clinical", "pharmacy_claim"}:
            record = codec.from_json(json.dumps(event).encode())
            assert record.accepted_at is not None
            found = refusal(record, record.accepted_at.date())
            reasons.add("" if found is None else f"{found.reason} {found.field}")
    assert reasons == {
        "",
        *("unknown_code_system code_system", "bad_code code", "impossible_value value", "unit_not_known unit"),
        *("impossible_date start", "impossible_value days_supply", "bad_code ndc_code"),
    }


def test_every_rate_that_the_demo_shows_lies_between_none_and_all(rates: list[Shown]) -> None:
    by_name = {(one.measure, one.rate): one for one in rates}
    for measure, rate in SHOWN.items():
        one = by_name[measure, rate]
        assert 0 < one.numerator < one.denominator, one


def test_equity_sensitive_measures_are_shown_first(rates: list[Shown]) -> None:
    assert equity_sensitive() == {"CBP", "CIS", "COL", "GSD"}
    order = list(dict.fromkeys(one.measure for one in rates))
    assert order[:4] == ["CBP", "CIS", "COL", "GSD"]
    assert order == in_order(order)
    assert order[4:] == sorted(order[4:])


def test_the_printed_table_marks_them_and_shows_no_number_where_practices_are_compared() -> None:
    from state.measures.results import Asked

    some = [Shown("CBP", "controlled", 2, 40, 10, "25.00"), Shown("TCOC", "index", 2, 90, 0, None)]
    title, header, first, second = lines({Asked("capc-2025", "y", "live"): some})
    assert "equity sensitive" in title
    assert header.split() == ["measure", "rate", "practices", "counted", "met", "value"]
    assert first.split() == ["CBP", "*", "controlled", "2", "40", "10", "25.00"]
    assert second.split() == ["TCOC", "index", "2", "90", "0", "-"]


def test_the_demo_adds_up_payers_and_leaves_out_strata(tmp_path: Path) -> None:
    from ops.demo_measures import _all, _cell, _frozen

    (tmp_path / "rates.csv").write_text(
        "measure,rate,payer,practice_id,stratum,denominator,numerator\n"
        "CBP,controlled,aetna,A,,10,4\nCBP,controlled,healthnet,A,,5,2\nCBP,controlled,aetna,A,race:white,9,4\n"
        "CBP,controlled,aetna,B,,5,5\nCIS,dtap,aetna,A,,3,3\n"
    )
    counts = _frozen(tmp_path)
    assert dict(counts) == {("A", "CBP"): (15, 6), ("B", "CBP"): (5, 5)}
    assert [_cell("CBP", counts.get((practice, "CBP"))) for practice in ("A", "B", "C")] == [
        "40 of 15",
        "100 of 5",
        "-",
    ]
    assert _cell("CBP", _all(counts, "CBP")) == "55 of 20"
    assert _cell("EDU", (8, 2)) == "250"
