"""Edition files: what the head says reaches every measure that has the key, and a measure's own section goes before it."""

from __future__ import annotations

import pytest

from state.measures.editions import built_in, parse
from state.reference.tables import BUILT_IN, InvalidTable, TableFile


def _file(text: str) -> TableFile:
    return TableFile("edition", "trial.toml", text.encode())


def _text() -> str:
    return (BUILT_IN / "editions" / "capc-2025.toml").read_text()


def test_what_the_head_says_reaches_every_measure_that_has_the_key() -> None:
    edition = built_in("capc-2025")
    assert edition.parameters["BCS"].statuses == edition.parameters["COL"].statuses
    assert edition.parameters["BCS"].frailty.frail_days == 2
    assert edition.parameters["COL"].death


def test_a_section_of_a_measure_goes_before_the_head() -> None:
    own = _text().replace("[measures.COL.parameters]\n", "[measures.COL.parameters]\ndeath = false\n")
    edition = parse(_file(own))
    assert not edition.parameters["COL"].death
    assert edition.parameters["BCS"].death


def test_a_key_of_the_head_that_no_measure_has_is_refused_by_name() -> None:
    wrong = _text().replace("[parameters]\ndeath = true\n", "[parameters]\ndeath = true\ndaeth = true\n")
    with pytest.raises(InvalidTable, match="daeth"):
        parse(_file(wrong))


def test_a_role_without_any_code_is_refused_by_name() -> None:
    with pytest.raises(InvalidTable, match="stool_dna"):
        parse(_file(_text().replace('stool_dna = ["stool_dna"]\n', "")))


@pytest.mark.parametrize("edition", ["capc-2024", "capc-2025", "cms-2025", "cms-2026"])
def test_every_edition_says_what_its_rates_are(edition: str) -> None:
    assert "uncertified" in built_in(edition).label
