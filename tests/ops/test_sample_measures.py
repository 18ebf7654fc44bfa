"""The Tuva 10 and the Synthea 27 from their source files to rates and gaps, as committed; explained in docs/samples.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ops.test_sample_panels import EXPECTED, event_files, ran

__all__ = ["event_files"]

CASES = [("tuva", "2017", "2018-03-31"), ("synthea", "2023", "2024-01-31")]


@pytest.mark.parametrize(("source", "year", "as_of"), CASES)
def test_a_sample_gives_its_committed_rates_and_gaps(
    event_files: dict[str, list[Path]], tmp_path: Path, source: str, year: str, as_of: str
) -> None:
    ran(
        *("replay", *event_files[source], "--as-of", as_of, "--known-at", f"{as_of}T23:59:59Z", "--out", tmp_path),
        *("--edition", "capc-2025", "--period", f"{year}-01-01..{year}-12-31"),
    )
    for name in ("measures", "rates", "gaps"):
        assert (tmp_path / f"{name}.csv").read_text() == (EXPECTED / f"{source}-{year}-{name}.csv").read_text()
    assert (tmp_path / "quarantine.csv").read_text().count("\n") == 1
