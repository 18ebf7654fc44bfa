"""Which edition and which rate of each measure element 3 pays: the program's choice, read from `state/data/payment`.

`paid_editions.csv`: the edition of a period is that of the last row whose `ends_from` is not after the period's end, unless its record
names another. `paid_rates.csv`: the result and rate of each measure of the incentive, for depression by the period's phase, and what
its observed numbers are compared with: nothing (a percentage), the `events` that risk adjustment expects, or the cost at the mean of
the `peers`. The rate's denominator is what counts for the minimum: members after exclusions, without outliers.
Source: payment.md 4.6; measures.md 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from schemas.records import DsfPhase, Period
from state.calendar import FOREVER, Day, from_date
from state.reference.tables import TableFile, TableStore, read_rows

RATE_COLUMNS = ("measure", "dsf_phase", "result", "rate", "expected", "source")
EDITION_COLUMNS = ("edition", "ends_from", "source")
Expected = Literal["", "events", "peers"]


class PaidRate(msgspec.Struct, frozen=True):
    """The rate of a measure that is paid: of which result it is, and what observed numbers are compared with."""

    measure: str
    result: str
    rate: str
    expected: Expected

    @property
    def name(self) -> str:
        """Under which it stands on statements: a baseline of another rate is none."""
        return f"{self.result} {self.rate}"


def edition_of(store: TableStore, period: Period) -> str | None:
    """The edition by which a period is paid; None for one that ends before the program's first."""
    if period.edition is not None:
        return period.edition
    end = from_date(period.performance_end)
    begun = [name for name, first in _editions(store.built_in("payment/paid_editions")) if first <= end]
    return begun[-1] if begun else None


def rates_of(store: TableStore, phase: DsfPhase) -> Mapping[str, PaidRate]:
    """The rate that is paid of each measure of the incentive, in a phase of depression screening."""
    every = _rates(store.built_in("payment/paid_rates"))
    return {one.measure: one for of_phase, one in every if of_phase in ("", phase)}


@lru_cache(maxsize=4)
def _editions(file: TableFile) -> tuple[tuple[str, Day], ...]:
    found = [(row.text("edition"), row.day("ends_from", FOREVER)) for row in read_rows(file, EDITION_COLUMNS)]
    return tuple(sorted(found, key=lambda one: one[1]))


@lru_cache(maxsize=4)
def _rates(file: TableFile) -> tuple[tuple[str, PaidRate], ...]:
    compared: Mapping[str, Expected] = {one: one for one in get_args(Expected)}
    return tuple(
        (
            row.optional("dsf_phase"),
            PaidRate(row.text("measure"), row.text("result"), row.text("rate"), compared[row.optional("expected")]),
        )
        for row in read_rows(file, RATE_COLUMNS)
    )
