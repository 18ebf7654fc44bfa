"""Tables that measures need and nobody may ship: weights, reference rates, prices. Their owner supplies them. Source: interface.md 2.

They are bound to an edition, as value sets are: without one of them a measure says so, and is unscored (payment.md 4.6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from state.reference import reference_rates, risk_weights, tcoc_prices
from state.reference.codes import Code
from state.reference.reference_rates import ReferenceRates
from state.reference.risk_weights import RiskWeights
from state.reference.tables import InvalidTable, TableFile
from state.reference.tcoc_prices import Prices

KINDS = (risk_weights.KIND, reference_rates.KIND, tcoc_prices.KIND)
RISK_DIAGNOSIS = "risk_diagnosis"
"""The role of a diagnosis that the weights know."""
PRICED_SERVICE = "priced_service"
"""The role of every code that could have a price, so that what has none is counted."""
ROLES_OF_TABLES = frozenset({RISK_DIAGNOSIS, PRICED_SERVICE})
"""The roles that tables give to codes, beside those that an edition gives."""


class MeasureTables:
    """The tables that were supplied for an edition; None for each that was not.

    `absent` are the roles for which no value set is loaded because all that could play them are optional. A plain class, so that an
    edition file cannot write it: only `Bound` gives it to parameters.
    """

    __slots__ = ("absent", "digests", "prices", "reference", "weights")

    def __init__(
        self,
        *,
        weights: RiskWeights | None = None,
        reference: ReferenceRates | None = None,
        prices: Prices | None = None,
        absent: frozenset[str] = frozenset(),
        digests: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.weights = weights
        self.reference: ReferenceRates = reference or {}
        self.prices = prices
        self.absent = absent
        self.digests = digests

    def lacking(self, absent: Iterable[str]) -> MeasureTables:
        """The same tables beside value sets that lack some roles."""
        return MeasureTables(
            weights=self.weights,
            reference=self.reference,
            prices=self.prices,
            absent=frozenset(absent),
            digests=self.digests,
        )

    def roles_of(self, code: Code) -> frozenset[str]:
        """The roles that the tables give to a code."""
        roles = set()
        if self.weights is not None and code in self.weights.categories:
            roles.add(RISK_DIAGNOSIS)
        if self.prices is not None and code[0] in tcoc_prices.SYSTEMS:
            roles.add(PRICED_SERVICE)
        return frozenset(roles)


NO_TABLES = MeasureTables()
"""Nothing was supplied."""


def parse(files: Iterable[TableFile]) -> MeasureTables:
    """The tables of some files, each by its kind. Raises `InvalidTable`, also for two of one kind and for a kind that is none of these."""
    by_kind: dict[str, TableFile] = {}
    for file in files:
        if file.kind not in KINDS:
            raise InvalidTable(f"{file.name} is of kind {file.kind}: measures take {', '.join(KINDS)}.")
        other = by_kind.setdefault(file.kind, file)
        if other is not file:
            raise InvalidTable(
                f"{file.name} and {other.name} are both of kind {file.kind}: give an edition one of them."
            )
    weights, reference, prices = (by_kind.get(kind) for kind in KINDS)
    return MeasureTables(
        weights=None if weights is None else risk_weights.parse(weights),
        reference=None if reference is None else reference_rates.parse(reference),
        prices=None if prices is None else tcoc_prices.parse(prices),
        digests=_digests(by_kind),
    )


def _digests(by_kind: Mapping[str, TableFile]) -> tuple[tuple[str, str], ...]:
    return tuple((kind, hashlib.sha256(file.data).hexdigest()) for kind, file in sorted(by_kind.items()))
