"""What stands last under a member's key is what all facts together give, whatever came first: facts, reference, ticks, closes."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.records import Alert, FeedManifest, Position
from state import engine
from tests.fixtures.lengths import LONG
from tests.laws.histories import MEMBER, PAYER, Reference, folded, history, readable
from tests.laws.lives import INITIAL, OTHER_TABLES, Life
from tests.laws.naive import Said

DAY = dt.timedelta(days=1)
seeds = st.integers(min_value=0, max_value=2**40)
examples = (lambda law: law) if LONG else settings(max_examples=400)


def lived(rng: random.Random) -> tuple[Life, list[Said], Reference, dt.date]:
    """A life in which everything of a history comes once or twice and in any order, the clock moves anywhere, and closes come between."""
    said, reference, as_of = history(rng)
    life = Life(as_of - rng.randrange(30, rng.choice([200, 900])) * DAY)
    known: Reference = []
    again = rng.choices(said, k=len(said) // 2) if said else []
    steps: list[tuple[str, Any]] = [("fact", one) for one in (*said, *again)]
    steps += [("reference", one) for one, _ in reference]
    if rng.random() < 0.3:
        covers = as_of - rng.randrange(-30, 100) * DAY
        steps.append(("reference", _claims_cover(covers)))
    if rng.random() < 0.3:
        day = as_of - rng.randrange(-30, 400) * DAY
        steps.append(("reference", msgspec.structs.replace(rng.choice(OTHER_TABLES), activated_from=day)))
    steps += [("close", None)] * rng.choice([0, 0, 1, 3])
    rng.shuffle(steps)
    for kind, one in steps:
        if kind == "fact":
            life.fact(one)
        elif kind == "reference":
            life.reference(one)
            known.append((one, Position("control", 0, life.control)))
        else:
            life.close("final", life.today + rng.randrange(-330, 40) * DAY)
        if rng.random() < 0.3:
            life.tick(life.today + rng.choice([1, 7, 31, rng.randrange(1, 90)]) * DAY)
    return life, said, known, as_of


def _claims_cover(day: dt.date) -> FeedManifest:
    return FeedManifest(
        payer=PAYER, feed="claims", file="f", list_version=1, covers_from=day, covers_to=day, records=1,
        full_replacement=False,
    )  # type: ignore[arg-type]  # fmt: skip


def undated(record: Any) -> Any:
    """A record without the day it was said, and an open alert without whether it was raised or changed last."""
    if isinstance(record, Alert):
        return msgspec.structs.replace(record, as_of=dt.date.min, state="raised")
    return msgspec.structs.replace(record, as_of=dt.date.min)


@examples
@given(seeds)
@example(25878)  # a selection of a PCP alone, and what says whether the practice goes on comes after everything else
@example(42168)
@example(49017)
def test_what_stands_last_is_what_all_facts_together_give(seed: int) -> None:
    rng = random.Random(seed)
    life, said, reference, as_of = lived(rng)
    if not said:
        return
    known = INITIAL
    for record, position in rng.sample(reference, len(reference)):
        known = known.apply(record, position, as_of=None).knowledge
    known = known.reach(life.today).knowledge
    member, rows = folded(rng.sample(said, len(said)), known)
    last = life.said["attribution", f"{PAYER}|{MEMBER}"]
    assert undated(last) == undated(engine.attribution(member, life.today, known)), readable(said, reference, as_of)
    alert = engine.open_alert(member, life.today, known)
    standing = [
        undated(one)
        for (topic, _), one in life.said.items()
        if topic == "attribution-alerts" and one is not None and one.state in {"raised", "changed"}
    ]
    assert standing == ([] if alert is None else [undated(alert)]), readable(said, reference, as_of)
    assert _stored(life.rows) == _stored(rows), readable(said, reference, as_of)


def _stored(rows: dict[str, Any]) -> dict[str, bytes]:
    return {name: engine.encode_row(row) for name, row in rows.items() if row is not None}
