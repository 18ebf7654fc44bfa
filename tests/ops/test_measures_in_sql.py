"""Four measures in SQL and in the engine say the same of the people of the benchmark."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ops.bench import in_sql, measures, people
from ops.bench.measured import Sizes
from state.measures.editions import built_in
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from streams.replaying import Question, replay


def test_duckdb_and_replay_say_the_same_of_everybody(tmp_path: Path) -> None:
    sizes = Sizes(400, 1, 1, tmp_path, seed=7).with_measures
    history, edition, sets = people.history_file(sizes), built_in(people.EDITION), starter_sets()
    question = Question(people.MEASURED_DAY, editions=(edition,), value_sets=sets, periods=measures.PERIODS)
    replay([history], question, TableStore([]), tmp_path)
    in_sql.measure(history, tmp_path / "duckdb.csv", edition, sets, measures.PERIODS, people.MEASURED_DAY)
    ours = measures.results_of_replay(tmp_path / "measures.csv")
    measures.require_agreement(ours, measures.results_of_peer(tmp_path / "duckdb.csv"))
    met = Counter((measure, rate) for (measure, rate, *_), (_, numerator) in ours.items() if numerator == "1")
    out = Counter(measure for (measure, *_), (excluded, _) in ours.items() if excluded == "1")
    assert set(met) == {
        ("BCS", "screened"),
        ("CBP", "controlled"),
        ("COL", "screened"),
        ("GSD", "gt9"),
        ("GSD", "lt8"),
    }
    assert set(out) >= {"CBP", "COL"}


def test_readings_that_differ_are_no_benchmark() -> None:
    key = ("BCS", "screened", "2025", "aetna", "1")
    with pytest.raises(measures.Disagreement, match="BCS screened of 2025"):
        measures.require_agreement({key: ("0", "1")}, {key: ("0", "0")})
    with pytest.raises(measures.Disagreement):
        measures.require_agreement({key: ("0", "1")}, {})


def test_the_share_of_claims_that_touch_no_measure_is_told(tmp_path: Path) -> None:
    sizes = Sizes(60, 40, 1, tmp_path).with_measures
    (share,) = measures.claims_without_measure(sizes).ours
    assert 0 < share < 100
