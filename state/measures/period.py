"""The period that is measured. Every date of a rule is an offset from its first or last day. Source: measures.md 1.1."""

from __future__ import annotations

import msgspec

from state.calendar import Day, add_months


class Period(msgspec.Struct, frozen=True, order=True):
    """A measurement period, both days included. HEDIS and the eCQMs mean a calendar year; the program also rolls."""

    start: Day
    end: Day

    @property
    def prior_start(self) -> Day:
        """The first day of the year before the period ("January 1 of the prior year")."""
        return add_months(self.start, -12)

    def months_before_start(self, months: int) -> Day:
        """The day so many months before the first day ("October 1 two years prior" is 15)."""
        return add_months(self.start, -months)

    def years_before_start(self, years: int) -> Day:
        """The day so many years before the first day: a look-back of n years and the period itself."""
        return add_months(self.start, -12 * years)

    def holds(self, day: Day) -> bool:
        """Whether a day lies in the period."""
        return self.start <= day <= self.end
