"""docs/explain.md holds to what `explain` gives: its example, its keys, its reasons."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from ops.program import app
from schemas.records import AttributionChange
from state import engine
from state.attribution import grounds
from state.attribution.requests import State
from streams.cli.explain import DECIDED_BY, NOT_COUNTED
from tests.event_files import Event, claim, reference, seen, span, write

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()


def section(heading: str) -> list[str]:
    """The names in the first column of the table under a heading."""
    body = re.split(r"^#+ ", PAGE.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.split("|")[1] for line in body.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def example(folder: Path, *more: str) -> str:
    emergency: Event = claim(("2025-05-02", "A", "1"), "C3")
    emergency["lines"][0]["place_of_service_code"] = "23"
    visits = seen(("2024-08-20", "A", "1"), ("2024-12-05", "A", "2"), ("2025-04-04", "B", "9"))
    path = write(folder / "example.ndjson", [*reference(), *visits, emergency])
    asked = ["explain", "--payer", "acme", "--member", "M", "--files", str(path), "--as-of", "2025-06-30", *more]
    return CliRunner().invoke(app(), asked).stdout


def measure_example(folder: Path, *more: str) -> str:
    mammogram = claim(("2025-03-10", "A", "1"), "C2")
    mammogram["lines"][0]["hcpcs_code"] = "77067"
    events = [*reference(), span(birth_date="1965-05-05"), claim(("2025-01-20", "A", "1"), "C1"), mammogram]
    path = write(folder / "example.ndjson", events)
    asked = ["explain", "--payer", "acme", "--member", "M", "--files", str(path), "--as-of", "2025-12-31"]
    return CliRunner().invoke(app(), [*asked, "--edition", "capc-2025", *more]).stdout


def test_the_example_is_what_explain_says(tmp_path: Path) -> None:
    assert examples() == [
        example(tmp_path),
        measure_example(tmp_path, "--measure", "BCS", "--period", "2025-01-01..2025-12-31"),
        measure_example(tmp_path, "--measure", "CIS", "--period", "rolling"),
    ]


def examples() -> list[str]:
    return re.findall(r"^```\n(acme.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_keys_of_a_measure_are_those_of_the_page(tmp_path: Path) -> None:
    told = json.loads(measure_example(tmp_path, "--measure", "BCS", "--json"))
    assert section("### `--measure --json`") == list(told)
    (one,) = told["measures"]
    for name, part in (("measures", one), ("measures.credit", one["credit"]), ("measures.facts", one["facts"][0])):
        assert sorted(set(section(f"### `{name}`")) - {"anchor", "most_months"}) == sorted(part)
    assert set(one["rates"][0]) <= set(section("### `measures.rates`"))


def test_the_keys_of_the_answer_are_those_of_the_page(tmp_path: Path) -> None:
    assert section("## For a program: `--json`") == list(json.loads(example(tmp_path, "--json")))


@pytest.mark.parametrize(
    ("heading", "record"),
    [
        ("### `ranked`", grounds.Ranked),
        ("### `ranked.winner`", grounds.Contender),
        ("### `evidence`", grounds.EvidenceVisit),
        ("### `not_counted`", grounds.NotCounted),
        ("### `requests`", engine.Asked),
        ("### `lists`", engine.OnList),
        ("### `changes`", AttributionChange),
    ],
)
def test_the_keys_of_a_part_are_those_of_the_page(heading: str, record: Any) -> None:
    assert sorted(section(heading)) == sorted(record.__struct_fields__)


def test_every_reason_and_criterion_is_in_words_here_and_on_the_page() -> None:
    reasons = set(get_args(grounds.Why))
    assert set(section("## Why a claim does not count")) == reasons == set(NOT_COUNTED)
    assert all(f"`{one}`" in PAGE for one in (*DECIDED_BY, *get_args(State)))
