"""The social adjustment: a practice's decile of the California Healthy Places Index, and what it adds. Source: payment.md 4.2.

Low HPI, less healthy conditions, is raised: the guide's "lower than the state median" settles its own wording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from state.payment.amounts import exact, rounded
from state.reference.tables import TableFile, read_rows

NO_SCORE = "hpi_no_score"
"""The flag of a location whose tract has no score: it adds nothing."""
WEIGHED_ALIKE = "hpi_sites_weighed_alike"
"""The flag of a practice whose sites are to be weighed by the panel, while nothing says which member goes where."""
COLUMNS = ("census_tract", "percentile")


class NoDecile(ValueError):
    """A percentile outside of 0 to 100."""


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A site of a practice: its tract's percentile (None: no score), its members (None: not known), whether it is the main one."""

    site_id: str
    percentile: Decimal | None
    members: int | None = None
    main: bool = False


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """What the practice's location adds, in percent, with the decile it comes from (None: no score, or several sites)."""

    pct: Decimal
    decile: int | None
    flags: tuple[str, ...] = ()


def decile_of(percentile: Decimal) -> int:
    """1 (least healthy conditions) to 10 for a percentile in [0, 100]. Raises `NoDecile` outside."""
    if not Decimal(0) <= percentile <= Decimal(100):
        raise NoDecile(
            f"HPI percentile {percentile} does not lie in 0 to 100: correct the practice record or the table."
        )
    return min(10, int(percentile // 10) + 1)


def adjustment(percentile: Decimal | None, by_decile: Mapping[int, Decimal]) -> Adjustment:
    """What one location adds. No score: 0, with a flag."""
    if percentile is None:
        return Adjustment(pct=Decimal(0), decile=None, flags=(NO_SCORE,))
    decile = decile_of(percentile)
    return Adjustment(pct=by_decile[decile], decile=decile)


def of_practice(sites: Sequence[Location], by_decile: Mapping[int, Decimal], *, panel_weighted: bool) -> Adjustment:
    """What a practice's locations add: the main site's, or the average over members in steps of 0.01 percent.

    Without one marked as main, the first site by id is. No site, or no members to weigh by: as without a score. Where it is not known which
    site members go to, every site weighs the same; a flag says so where that decides anything.
    """
    if not sites:
        return adjustment(None, by_decile)
    if not panel_weighted:
        main = min(sites, key=lambda site: (not site.main, site.site_id))
        return adjustment(main.percentile, by_decile)
    known = all(site.members is not None for site in sites)
    weights = [(site.members or 0) if known else 1 for site in sites]
    members = sum(weights)
    if members == 0:
        return adjustment(None, by_decile)
    each = [(count, adjustment(site.percentile, by_decile)) for count, site in zip(weights, sites, strict=True)]
    average = sum((count * one.pct for count, one in each), Decimal(0))
    alike = set() if known or len({one.pct for _, one in each}) == 1 else {WEIGHED_ALIKE}
    flags = tuple(sorted({flag for _, one in each for flag in one.flags} | alike))
    deciles = {one.decile for _, one in each}
    return Adjustment(
        pct=rounded(exact(average) / members, 2),
        decile=deciles.pop() if len(deciles) == 1 else None,
        flags=flags,
    )


@lru_cache(maxsize=16)
def parse_scores(file: TableFile) -> Mapping[str, Decimal]:
    """Percentile by census tract, of one version of the index. Raises `InvalidTable`."""
    found: dict[str, Decimal] = {}
    for row in read_rows(file, COLUMNS):
        tract = row.text("census_tract")
        if tract in found:
            raise row.wrong("census_tract", f"{tract} stands twice")
        if not row.optional("percentile"):
            continue
        percentile = row.number("percentile")
        if percentile > 100:
            raise row.wrong("percentile", f"{percentile} does not lie in 0 to 100")
        found[tract] = percentile
    return found
