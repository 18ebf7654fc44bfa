"""Laws that hold for any history of a member: order, repetition, storing, ticking and voiding change nothing they should not."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Alert, Attribution, Claim, Position
from state import engine
from tests.fixtures.lengths import LONG
from tests.laws import naive
from tests.laws.histories import MEMBER, PAYER, fold_one, folded, history, knowledge_of, readable
from tests.laws.naive import Said

DAY = dt.timedelta(days=1)
seeds = st.integers(min_value=0, max_value=2**40)
examples = (lambda law: law) if LONG else settings(max_examples=150)


def answer(member: engine.Member, as_of: dt.date, known: Any) -> Attribution:
    return engine.attribution(member, as_of, known)


def stored(member: engine.Member, rows: dict[str, Any]) -> tuple[bytes, dict[str, bytes]]:
    return engine.encode_member(member), {n: engine.encode_row(r) for n, r in rows.items() if r is not None}


def through_bytes(rows: dict[str, Any]) -> dict[str, Any]:
    return {n: None if r is None else engine.decode_row(engine.encode_row(r)) for n, r in rows.items()}


@examples
@given(seeds)
def test_any_order_of_arrival_gives_the_same_bytes(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    expected = folded(said, known)
    for _ in range(3):
        arrived = folded(rng.sample(said, len(said)), known)
        assert engine.encode_member(arrived[0]) == engine.encode_member(expected[0]), readable(said, reference, as_of)
        assert answer(arrived[0], as_of, known) == answer(expected[0], as_of, known)
    shuffled = knowledge_of(rng.sample(reference, len(reference)))
    assert answer(folded(said, shuffled)[0], as_of, shuffled) == answer(expected[0], as_of, known)


@examples
@given(seeds)
def test_repetition_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    expected = stored(*folded(said, known))
    repeated = said + rng.choices(said, k=len(said)) if said else []
    rng.shuffle(repeated)
    assert stored(*folded(repeated, known)) == expected, readable(said, reference, as_of)
    # sent again under a new place: the first place is kept
    again = [Said(s.event_id, Position("resent", 0, s.position.offset), s.body, s.given_id) for s in said]
    assert stored(*folded([*said, *again], known)) == expected
    assert stored(*folded([*again, *said], known)) == expected


@examples
@given(seeds)
def test_only_what_says_something_new_is_told_from_a_duplicate(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    member, rows = engine.new_member(PAYER, MEMBER), {}
    contents: set[str] = set()
    for one in rng.sample(said, len(said)) + rng.choices(said, k=len(said) // 2):
        done = fold_one(member, rows, one, known)
        says = f"{type(one.body).__name__} {naive.content(one.body)}"
        assert done.new is (says not in contents), readable(said, reference, as_of)
        contents.add(says)


@examples
@given(seeds)
def test_storing_between_facts_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    rng.shuffle(said)
    expected = stored(*folded(said, known))
    member, rows = engine.new_member(PAYER, MEMBER), {}
    for one in said:
        fold_one(member, rows, one, known)
        member, rows = engine.decode_member(engine.encode_member(member)), through_bytes(rows)
    assert stored(member, rows) == expected, readable(said, reference, as_of)


@examples
@given(seeds)
def test_advancing_after_every_fact_is_advancing_once(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    rng.shuffle(said)
    day = as_of - rng.randrange(200) * DAY
    member, rows = engine.new_member(PAYER, MEMBER), {}
    for one in said:
        fold_one(member, rows, one, known)
        engine.advance(member, day, known, cause="claim", position=str(one.position))
        day = min(as_of, day + rng.randrange(20) * DAY)
    engine.advance(member, as_of, known, cause="tick", position="end")
    once, _ = folded(said, known)
    engine.advance(once, as_of, known, cause="tick", position="end")
    for later in (as_of, as_of + 45 * DAY, as_of + 300 * DAY):
        assert answer(member, later, known) == answer(once, later, known), readable(said, reference, later)
        assert engine.open_alert(member, later, known) == engine.open_alert(once, later, known)


@examples
@given(seeds)
def test_a_voided_claim_never_happened(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    claims = [s for s in said if isinstance(s.body, Claim)]
    if not claims:
        return
    number = rng.choice(claims).body.payer_claim_control_number.split("-")[0]
    family = [s for s in claims if s.body.payer_claim_control_number.split("-")[0] == number]
    void = msgspec.structs.replace(
        family[0].body,
        payer_claim_control_number=max(s.body.payer_claim_control_number for s in family),
        claim_frequency_code="8",
        claim_status="paid",
        claim_version=99,
        adjudicated_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        original_claim_id=None,
    )
    # a void closes the version it names and those it replaced: send one for every number of the family
    voids = [
        Said(f"void{n}", Position("voids", 0, n), msgspec.structs.replace(void, payer_claim_control_number=name), True)
        for n, name in enumerate(sorted({s.body.payer_claim_control_number for s in family}))
    ]
    arrived = [*said, *voids]
    rng.shuffle(arrived)
    without, _ = folded([s for s in said if s not in family], known)
    voided, _ = folded(arrived, known)
    for day in (as_of, as_of + 100 * DAY):
        assert answer(voided, day, known) == answer(without, day, known), readable(arrived, reference, day)


@examples
@given(seeds)
def test_tick_by_tick_says_what_is_so(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    member, _ = folded(said, known)
    pristine, _ = folded(said, known)
    last: Attribution | None = None
    alerts: dict[str, Any] = {}
    due: dt.date | None = as_of
    for number in range(200):
        day = as_of + number * DAY
        if due is not None and due <= day:
            done = engine.advance(member, day, known, cause="tick", position=str(number))
            due = done.due
            assert due is None or due > day
            for output in done.outputs:
                if output.topic == "attribution":
                    last = output.record  # type: ignore[assignment]
                elif output.topic == "attribution-alerts":
                    alerts[output.key] = output.record
        assert last is not None
        now = answer(pristine, day, known)
        assert msgspec.structs.replace(last, as_of=day) == now, readable(said, reference, day)
        alert = engine.open_alert(pristine, day, known)
        standing = [a for a in alerts.values() if a is not None and a.state in {"raised", "changed"}]
        expected = [] if alert is None else [_bare(alert)]
        assert [_bare(a) for a in standing] == expected, readable(said, reference, day)


@examples
@given(seeds)
def test_a_clock_that_stood_still_tells_the_loss_for_the_same_reason(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    daily, _ = folded(said, known)
    late, _ = folded(said, known)
    for member in (daily, late):
        engine.advance(member, as_of, known, cause="claim", position="0")
    until = as_of + rng.randrange(2, 60) * DAY
    lost: dict[str, list[str]] = {}
    for number in range(1, (until - as_of).days + 1):
        for alert in _expired(daily, as_of + number * DAY, known):
            lost.setdefault(alert.practice_id, []).append(alert.reason)
    for alert in _expired(late, until, known):
        assert alert.reason == lost[alert.practice_id][-1], readable(said, reference, until)


def _expired(member: engine.Member, day: dt.date, known: Any) -> list[Any]:
    outputs = engine.advance(member, day, known, cause="tick", position="").outputs
    records = [output.record for output in outputs if output.topic == "alert-history"]
    return [alert for alert in records if isinstance(alert, Alert) and alert.state == "expired"]


def _bare(alert: Any) -> Any:
    return msgspec.structs.replace(alert, as_of=dt.date.min, state="raised")


@examples
@given(seeds)
def test_what_came_later_does_not_change_what_was_known(seed: int) -> None:
    """Known at K: the answer from a prefix is that of a member of whom nothing else was ever said."""
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    known = knowledge_of(reference)
    rng.shuffle(said)
    member, rows = engine.new_member(PAYER, MEMBER), {}
    for number, one in enumerate(said, 1):
        fold_one(member, rows, one, known)
        alone, _ = folded(rng.sample(said[:number], number), known)
        assert answer(member, as_of, known) == answer(alone, as_of, known), readable(said, reference, as_of)
        # asking about any day changes nothing
        before = engine.encode_member(member)
        answer(member, as_of + rng.randrange(-300, 300) * DAY, known)
        engine.open_alert(member, as_of, known)
        assert engine.encode_member(member) == before
