"""The tables of element 3 that a plan may supply in the place of the program's: which kinds there are, and how each is read.

Contracts name them by digest, and nobody else reads them: a `table` record of such a kind is checked at the door and puts nothing in
force, so that members are not told of it. Source: interface.md 3, contract and table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from state.payment import program_tables
from state.reference.tables import TableFile

PARSERS: Mapping[str, Callable[[TableFile], object]] = {
    "hpi_adjustments": program_tables.parse_hpi_adjustments,
    "incentive_measures": program_tables.parse_measures,
    "incentive_shares": program_tables.parse_shares,
}
