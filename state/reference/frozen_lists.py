"""Which readings are frozen: of which day, until when they are adjusted, and by what they are measured."""

from __future__ import annotations

import msgspec

from schemas.records import Close
from state.calendar import Day, add_months, from_date
from state.measures.measuring import Window
from state.measures.period import Period

COMPARED = 3
"""Months for which a panel is at least remembered, so that the next one is compared with it, late as it may be closed."""


class FrozenList(msgspec.Struct, frozen=True):
    """A reading that is frozen. `number` is the offset of its request on `control`, `as_of` its day.

    Differences are adjustments while the clock is before `until`, except in an initial reading, which the final one settles
    (attribution.md 2.9). The members of the payers in `left_out` are on no list of it, since the plan's own was missing.
    `measured_by` are the editions, value sets and supplied tables (kind, sha256) by which it is measured for good: those in force when
    it was taken up, as the live reading had them, for a closed reading is never asked by others (design.md, change of code and rules).
    `measured_from` is the first day of the months measured. Panels, and closes while no edition is in force, have neither.
    """

    number: int
    close: Close
    as_of: Day
    until: Day
    left_out: frozenset[str] = frozenset()
    measured_by: tuple[tuple[str, str], ...] = ()
    measured_from: Day | None = None

    @classmethod
    def of(cls, close: Close, number: int) -> FrozenList:
        """The list of a close that the conductor has taken up."""
        day = from_date(close.as_of)
        return cls(number, close, day, add_months(max(day, from_date(close.closed_on)), close.retro_months))

    @property
    def window(self) -> Window | None:
        """The period that is measured, which ends on the day of the reading; None where nothing is."""
        if self.measured_from is None or not self.measured_by:
            return None
        return Window(self.close.period, Period(self.measured_from, self.as_of))

    @property
    def kept_until(self) -> Day:
        """The first day on which nothing needs the list: it is adjusted no more, and no panel is compared with it."""
        return max(self.until, add_months(self.as_of, COMPARED)) if self.close.reading == "panel" else self.until
