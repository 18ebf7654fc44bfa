"""The engine and the naive oracle say the same of every member, on every field."""

from __future__ import annotations

import os
import random

import pytest

from state import engine
from tests.laws import naive
from tests.laws.histories import folded, history, knowledge_of, readable

CHUNK = 1_000
MEMBERS = 100_000 if os.environ.get("PANELSTREAM_TESTS") == "long" else 10_000


def compare(seed: int) -> str | None:
    """What differs for the member of a seed, with its history."""
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    expected = naive.attribution(said, reference, as_of)
    arrived = rng.sample(said, len(said))
    known = knowledge_of(rng.sample(reference, len(reference)))
    member, _ = folded(arrived, known)
    found = engine.attribution(member, as_of, known)
    wrong = {k: (getattr(found, k), v) for k, v in expected.items() if getattr(found, k) != v}
    alert = engine.open_alert(member, as_of, known)
    told = alert and (
        alert.practice_id,
        alert.secure_until,
        alert.shadow,
        alert.visits_needed,
        alert.next_panel_date,
        alert.panel_visit_by,
    )
    if told != (alert_expected := naive.alert(said, reference, as_of)):
        wrong["alert"] = (told, alert_expected)
    if not wrong:
        return None
    lines = [f"seed {seed}, arrival {[one.event_id for one in arrived]}", readable(said, reference, as_of)]
    return "\n".join([*lines, *(f"  {k}: engine {ours!r}, oracle {theirs!r}" for k, (ours, theirs) in wrong.items())])


@pytest.mark.parametrize("chunk", range(MEMBERS // CHUNK))
def test_engine_and_oracle_agree(chunk: int) -> None:
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        problem = compare(seed)
        assert problem is None, problem
