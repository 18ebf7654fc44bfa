"""Decks of FHIR test patients, from the files that a comparison has to the rows that it reads.

`import fhir`, then `replay` with an eCQM edition and a folder of FHIR ValueSets, then measures.csv: each case is a patient of one bundle.
"""

from __future__ import annotations

import pytest

from tests.streams.adapters import deck_of_conditions, deck_of_odd_charts, deck_of_screenings
from tests.streams.adapters.deck_builders import RATE, Deck

CASES = [*deck_of_screenings.CASES, *deck_of_conditions.CASES, *deck_of_odd_charts.CASES]


@pytest.fixture(scope="module")
def decks(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Deck]:
    return {number: Deck(tmp_path_factory.mktemp(str(number)), number, CASES) for number in (2025, 2026)}


@pytest.mark.parametrize("number", [2025, 2026])
@pytest.mark.parametrize("place", range(len(CASES)), ids=[f"{one.measure}: {one.name}" for one in CASES])
def test_a_patient_is_in_the_populations_of_the_ecqm(decks: dict[int, Deck], place: int, number: int) -> None:
    case = CASES[place]
    found = decks[number].populations[f"p{place}", str(number), case.measure, RATE[case.measure]]
    assert found == (case.of_2025 if number == 2025 else case.of_2026)


def test_every_patient_has_a_row_for_every_rate_of_every_period(decks: dict[int, Deck]) -> None:
    for number, deck in decks.items():
        rates = {(row["measure"], row["rate"]) for row in deck.rows}
        assert {rate for rate in rates if rate[0] != "CIS"} == {(one, RATE[one]) for one in RATE if one != "CIS"}
        assert {rate for measure, rate in rates if measure == "CIS"} >= {"combo10", "dtap", "influenza"}
        assert len(deck.rows) == len(deck.populations) == 2 * len(rates) * len(CASES)
        assert {row["period"][:4] for row in deck.rows} == {str(number), str(number - 1)}


def test_value_sets_that_were_cut_off_are_used_and_said(decks: dict[int, Deck]) -> None:
    assert all("value sets that were cut off" in deck.said for deck in decks.values())
