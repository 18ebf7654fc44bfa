"""Age in completed years, by the date alone. Source: measures.md 1.3."""

from __future__ import annotations

from state.calendar import Day, add_months


def birthday(birth: Day, years: int) -> Day:
    """The day on which somebody turns so many years old. Born on February 29: February 28 in other years, as CQL adds years."""
    return add_months(birth, 12 * years)


def age_on(birth: Day, day: Day) -> int:
    """Completed years on a day; negative before birth."""
    years = (day - birth) // 366
    while birthday(birth, years + 1) <= day:
        years += 1
    return years
