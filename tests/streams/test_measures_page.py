"""docs/measures.md is what the measures say of themselves."""

from __future__ import annotations

from pathlib import Path

from state.measures.catalogue import MEASURES
from streams.measures_page import RULES, as_markdown

PAGE = Path(__file__).parents[2] / "docs" / "measures.md"


def test_the_page_is_what_the_measures_say() -> None:
    assert PAGE.read_text() == as_markdown(), "run `python -m streams.measures_page > docs/measures.md`"


def test_every_measure_has_a_place_with_what_it_asks_and_what_the_editions_set() -> None:
    assert set(RULES) == set(MEASURES)
    page = as_markdown()
    for name, measure in MEASURES.items():
        of_measure = page.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
        for part in (measure.title, "Rates (", f"### {name}: steps", f"### {name}: what the editions set", "Needed ("):
            assert part in of_measure, (name, part)


def test_a_changed_parameter_changes_the_page() -> None:
    assert "| `oldest` | 74 | 74 | 74 | 74 |" in as_markdown()
    assert "| `colonoscopy_years` | 9 | 9 | 9 | 9 |" in as_markdown()
