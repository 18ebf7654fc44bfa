"""What is usual: the observed rate of a reference population, by measure. A supplied table. Source: measures.md 10.4, payment.md 4.6."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

import msgspec

from state.reference.tables import TableFile, read_rows

KIND = "reference_rates"
COLUMNS = ("measure", "per_member")
MOST = 5
"""Events per member and year beyond which a rate was surely written per 1,000."""


class ReferenceRate(msgspec.Struct, frozen=True):
    """R: events per member and year; and the mean ratio of observed to expected by which ratios are calibrated, 1 for none."""

    per_member: Decimal
    mean_ratio: Decimal = Decimal(1)


ReferenceRates = Mapping[str, ReferenceRate]


@lru_cache(maxsize=16)
def parse(file: TableFile) -> ReferenceRates:
    """The reference rates of a CSV table, by measure. Raises `InvalidTable`."""
    rates: dict[str, ReferenceRate] = {}
    for row in read_rows(file, COLUMNS):
        measure = row.text("measure")
        if measure in rates:
            raise row.wrong("measure", f"{measure} has a rate already: leave one of them")
        per_member = row.number("per_member")
        if not 0 < per_member <= MOST:
            raise row.wrong("per_member", f"{per_member} is no rate per member: write 150 per 1,000 as 0.150")
        mean_ratio = row.number("mean_ratio") if row.optional("mean_ratio") else Decimal(1)
        if not mean_ratio:
            raise row.wrong("mean_ratio", "is 0: leave it empty where ratios are not calibrated")
        rates[measure] = ReferenceRate(per_member, mean_ratio)
    return rates
