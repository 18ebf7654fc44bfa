"""How much of a denominator has a known race, ethnicity and language stands beside every rate, and beside no stratum."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

from state.measures.editions import built_in
from state.measures.outcome import Sums
from state.measures.rates import Cell, known_shares
from state.reference.starter_sets import starter_sets
from state.reference.tables import TableStore
from streams.replaying import Question, replay
from tests.event_files import claim, reference, span, write
from tests.measure_builders import year


def rates(folder: Path, *members: dict[str, Any]) -> list[dict[str, str]]:
    """The rates of COL for members of practice A, each with what the plan says of them."""
    events = [*reference()]
    for number, said in enumerate(members):
        events += [span(f"M{number}", birth_date="1965-05-05", **said)]
        events += [claim(("2025-03-01", "A", "1"), f"C{number}", f"M{number}")]
    edition = built_in("capc-2025").only(["COL"])
    question = Question(dt.date(2025, 12, 31), editions=[edition], value_sets=starter_sets(), periods=[year(2025)])
    replay([write(folder / "e.ndjson", events)], question, TableStore([]), folder / "out")
    with (folder / "out" / "rates.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_known_share_stands_beside_the_rate_and_not_beside_its_strata(tmp_path: Path) -> None:
    found = rates(tmp_path, {"race": "asian", "language": "es"}, {"race": "white"}, {"ethnicity": "hispanic"})
    by_stratum = {row["stratum"]: row for row in found}
    assert by_stratum[""]["note"].endswith("; known: race 66 %, ethnicity 33 %, language 33 %")
    assert by_stratum["race:unknown"]["denominator"] == "1"
    assert not any("known:" in row["note"] for stratum, row in by_stratum.items() if stratum)


def test_what_is_unknown_in_other_words_is_not_known_and_case_makes_no_stratum(tmp_path: Path) -> None:
    found = rates(tmp_path, {"race": "Declined"}, {"race": "UNK"}, {"race": " White "}, {"race": "white"})
    by_stratum = {row["stratum"]: row["denominator"] for row in found}
    assert (by_stratum["race:unknown"], by_stratum["race:white"]) == ("2", "2")
    assert next(row["note"] for row in found if not row["stratum"]).endswith(
        "; known: race 50 %, ethnicity 0 %, language 0 %"
    )
    assert {name for name in by_stratum if name.startswith("race:")} == {"race:unknown", "race:white"}


def test_a_share_is_full_only_when_everybody_is_known() -> None:
    rate = Cell("CBP", "controlled", "acme", "A", "")
    strata = {kind: Cell("CBP", "controlled", "acme", "A", f"{kind}:unknown") for kind in ("race", "language")}
    sums = {("", rate): Sums(1000, 500), ("", strata["race"]): Sums(1, 0), ("", strata["language"]): Sums(1000, 500)}
    assert known_shares("", rate, sums) == {"race": 99, "ethnicity": 100, "language": 0}


def test_of_nobody_nothing_is_known() -> None:
    rate = Cell("TCOC", "index", "acme", "A", "")
    assert known_shares("", rate, {("", rate): Sums()}) == {}
