"""Names of states as postal codes."""

from __future__ import annotations

import csv
import functools
from importlib import resources


@functools.cache
def _codes() -> dict[str, str]:
    text = resources.files(__package__).joinpath("us_states.csv").read_text(encoding="utf-8")
    return {row["name"].casefold(): row["code"] for row in csv.DictReader(text.splitlines())}


def postal_code(state: str) -> str | None:
    """Two letters for a state given by name or already by its letters; anything unknown as it came; None if empty.

    Source: USPS Publication 28, appendix B (us_states.csv).
    """
    return _codes().get(state.casefold(), state) or None
