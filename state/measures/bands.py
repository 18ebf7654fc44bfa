"""Age bands of a measure: by the age on the last day of the period. Never used in payment (program.md)."""

from __future__ import annotations

from collections.abc import Iterable

from state.measures.age import age_on
from state.measures.facts import Person
from state.measures.period import Period

Band = tuple[int, int]
"""The youngest and the oldest age, both included."""


def band_of(person: Person, period: Period, bands: Iterable[Band]) -> str:
    """The band of a member as "46-49"; "" where the edition has none, for an age outside all, and for an unknown birth."""
    if person.profile.birth is None:
        return ""
    age = age_on(person.profile.birth, period.end)
    return next((f"{youngest}-{oldest}" for youngest, oldest in bands if youngest <= age <= oldest), "")
