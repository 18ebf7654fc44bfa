"""All facts of a member at once give what one after the other gives: what shares no row with another is only not looked up.

And what is said of a member first is what is said of it at any other time.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from functools import cache
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.sample.population import population
from schemas.codec import Codec, Undecodable
from schemas.records import Claim, Clinical, MemberFact, PharmacyClaim, Position
from schemas.registry import EmbeddedRegistry
from schemas.unions import MoneyRecord
from state import engine, validation
from state.ledger.rows import History, content
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore

CODEC = Codec(EmbeddedRegistry())
LAST = dt.date(2025, 6, 30)
EPOCH = dt.datetime(2025, 7, 1, tzinfo=dt.UTC)


@cache
def people() -> tuple[Knowledge, dict[tuple[str, str], list[MemberFact]]]:
    """What is known of reference, and the valid facts of members, mishaps and all, with a chart and a dispensing each."""
    knowledge = Knowledge.initial(TableStore())
    facts: dict[tuple[str, str], list[MemberFact]] = defaultdict(list)
    for row, event in enumerate(population(25, 11, dt.date(2024, 1, 1), LAST, bad_share=0.3)):
        try:
            record = CODEC.from_json(json.dumps(event))
        except Undecodable:
            continue
        if isinstance(record, MemberFact):
            if validation.refusal(record, LAST) is None:
                facts[record.payer, record.member_id].append(record)
        elif not isinstance(record, MoneyRecord):
            knowledge = knowledge.apply(record, Position("reference", 0, row), as_of=None).knowledge
    for payer, member_id in facts:
        about: dict[str, Any] = {"payer": payer, "member_id": member_id}
        chart = {"event_type": "clinical", **about, "record_id": "O1", "record_version": 1, "kind": "observation"}
        fill = {"event_type": "pharmacy_claim", **about, "payer_claim_control_number": "RX1", "claim_status": "paid"}
        for event in (
            {**chart, "code_system": "LOINC", "code": "4548-4", "start": "2025-02-01"},
            {
                **fill,
                "claim_frequency_code": "1",
                "ndc_code": "00093005801",
                "dispensing_date": "2025-03-01",
                "days_supply": 30,
                "quantity": "30",
            },
        ):
            record = CODEC.from_json(json.dumps(event))
            assert isinstance(record, MemberFact)
            facts[payer, member_id].append(record)
    return knowledge.reach(LAST).knowledge, dict(facts)


def fact_of(body: MemberFact, row: int) -> engine.Fact:
    kind: Any = type(body).__struct_config__.tag
    return engine.Fact(kind, CODEC.event_id_of(body), Position("f", 0, row), EPOCH, body, body.event_id is not None)


def said(rows: dict[str, engine.Row | None]) -> dict[str, Any]:
    """What rows say: their contents with the first place of each, without marks and ids."""
    return {
        name: (
            row.numbers,
            sorted((one.first.position, msgspec.json.encode(content(one.body))) for one in row.statements),
        )
        if isinstance(row, History)
        else row
        for name, row in rows.items()
    }


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), named=st.floats(0, 1), again=st.floats(0, 0.5))
def test_at_once_as_one_after_the_other(seed: int, named: float, again: float) -> None:
    random = Random(seed)
    knowledge, everybody = people()
    shared = False
    for name, facts in everybody.items():
        bodies = given_ids(random, facts, named, again)
        one_by_one, rows = engine.new_member(*name), dict[str, engine.Row | None]()
        refused = [
            (row, folded.refusal)
            for row, body in enumerate(bodies)
            if (folded := engine.fold(one_by_one, rows, fact_of(body, row), knowledge)).refusal is not None
        ]
        at_once, their_rows = engine.new_member(*name), dict[str, engine.Row | None]()
        their_refused = []
        for row, (body, alone) in enumerate(zip(bodies, engine.rows_alone(bodies), strict=True)):
            if alone is not None:
                engine.fold_alone(at_once, their_rows, body, alone, Position("f", 0, row), knowledge)
                continue
            shared = shared or isinstance(body, Claim | Clinical | PharmacyClaim)
            folded = engine.fold(at_once, their_rows, fact_of(body, row), knowledge)
            if folded.refusal is not None:
                their_refused.append((row, folded.refusal))
        assert engine.encode_member(at_once) == engine.encode_member(one_by_one)
        assert their_refused == refused
        assert said(their_rows) == said(rows)
        assert list(their_rows) == list(rows)
        outputs = engine.advance(one_by_one, LAST, knowledge, cause="tick", position="").outputs
        answer, alert = engine.first_said(at_once, LAST, knowledge)
        assert [one.record for one in outputs if one.topic == "attribution"] == [answer]
        assert [one.record for one in outputs if one.topic == "attribution-alerts"] == (
            [] if alert is None else [alert]
        )
    assert shared, "the made-up population has claims that are corrected"


def given_ids(random: Random, facts: list[MemberFact], named: float, again: float) -> list[MemberFact]:
    """Facts in any order, some of them with an id, which now and then another has too, and some of them twice."""
    ids = [f"E{number}" for number in range(2 * len(facts))]
    bodies = [
        msgspec.structs.replace(fact, event_id=random.choice(ids)) if random.random() < named else fact
        for fact in facts
    ]
    bodies += [fact for fact in bodies if random.random() < again]
    random.shuffle(bodies)
    return bodies
