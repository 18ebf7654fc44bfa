"""TCOC: total cost of care at standard prices, against the peers. Source: measures.md 11, program.md, payment.md 4.6.

All services count. A member's cost is cut at a limit a year; a practice's index is its cost over the cost that its members would have at
the mean of all practices of the payer, member month for member month, by age and gender. Without a price table there is no cost: unscored.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from state.calendar import Day, add_months, month_of
from state.measures.bands import Band, band_of
from state.measures.eligibility import is_aged
from state.measures.enrollment import Benefit, enrolled_on
from state.measures.facts import Person
from state.measures.measure_tables import NO_TABLES, PRICED_SERVICE, MeasureTables
from state.measures.outcome import HUNDREDTH, Measure, Outcome, Step, Sums, in_turn
from state.measures.period import Period
from state.measures.standard_cost import NOTHING, Cost, costs
from state.reference.tcoc_prices import Prices

INDEX = "index"
PMPM = "pmpm"
BENEFITS: tuple[Benefit, ...] = ("medical", "pharmacy")
PRICE_PLACES = Decimal("0.0001")
"""To how much of a dollar a member's cost is rounded, so that sums are the same in any order."""
INDEX_PLACES = Decimal("0.0001")
SMALL_COST = 600
"""Members below whom TCOC is flagged (payment.md 4.6)."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of TCOC.

    `months`: medical member months that a member needs; `limit`: dollars of a member and period beyond which cost is cut; `strata`: ages
    within which practices are compared, by gender, and [] for no adjustment; `prices`: what costs by the supplied table are called.
    """

    youngest: int
    oldest: int
    months: int
    limit: Decimal
    prices: str
    strata: tuple[Band, ...] = ()
    tables: MeasureTables = NO_TABLES


def roles(parameters: Parameters) -> frozenset[str]:
    """What TCOC reads: every code that can have a price, once there is a table of them."""
    return frozenset() if parameters.tables.prices is None else frozenset({PRICED_SERVICE})


def rates(parameters: Parameters) -> tuple[str, ...]:
    """The index and, where prices are supplied, the cost of a member and month."""
    return (INDEX,) if parameters.tables.prices is None else (INDEX, PMPM)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """Cost and months of a member; without prices that the member would be measured, and no more."""
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    common: dict[str, Any] = {
        "initial_population": 1,
        "parts": (len(asked), 0),
        "denominator": 1,
        "most_months": True,
        "lower_is_better": True,
        "has_gap": False,
    }
    if parameters.tables.prices is None:
        return (Outcome(rate=INDEX, steps=asked, **common),)
    common["sums"], step = cost_sums(person, period, parameters, parameters.tables.prices)
    common["steps"] = (*asked, step)
    common["changes_on"] = next_month(period, person.as_of)
    return Outcome(rate=INDEX, **common), Outcome(rate=PMPM, **common)


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Age on the last day [BK], and months of the whole period as they are known, those ahead too. Source: measures.md 11."""
    yield is_aged(person, period, parameters.youngest, parameters.oldest)
    months = sum(1 for _ in member_months(person, period, "medical", period.end))
    yield Step(
        f"{months} medical member months, of {parameters.months} that are needed", holds=months >= parameters.months
    )


def cost_sums(
    person: Person, period: Period, parameters: Parameters, prices: Prices
) -> tuple[dict[str, Decimal], Step]:
    """What a member adds up to: months and cost by benefit and stratum, and how many services had no price.

    Months are those that have begun. Every claim is evidence, and stands in the step alone: a cost cites them all.
    """
    found = costs(person, period, prices)
    kept = share_kept(found, parameters.limit)
    where = stratum(person, period, parameters)
    sums: dict[str, Decimal] = {}
    for benefit in BENEFITS:
        months = sum(1 for _ in member_months(person, period, benefit, min(period.end, person.as_of)))
        whole = sum((cost.price for cost in found if cost.benefit == benefit and cost.price is not None), NOTHING)
        sums[f"{benefit}_months{where}"] = Decimal(months)
        sums[f"price_{benefit}{where}"] = (whole * kept).quantize(PRICE_PLACES, ROUND_HALF_UP)
    sums["services"] = Decimal(len(found))
    sums["unpriced"] = Decimal(sum(1 for cost in found if cost.price is None))
    cut = "" if kept == 1 else f", cut to {(100 * kept).quantize(HUNDREDTH)}% at {parameters.limit}"
    said = f"{len(found)} services, {sums['unpriced']} without a price{cut}"
    evidence = tuple(dict.fromkeys(sorted(cost.evidence for cost in found)))
    return {name: value for name, value in sorted(sums.items()) if value}, Step(said, bool(found), evidence)


def share_kept(found: list[Cost], limit: Decimal) -> Decimal:
    """The share of a member's cost that stays: standard prices are cut in the proportion in which what was allowed is cut at the limit.

    The limit is that of the period, however many months the member has, and is applied before any averaging. What the plan allowed
    nothing for, as under capitation, weighs with its standard price. Source: measures.md 11 and 16.20.
    """
    total = sum((cost.allowed if cost.allowed > 0 else cost.price or NOTHING for cost in found), NOTHING)
    return Decimal(1) if total <= limit else limit / total


def member_months(person: Person, period: Period, benefit: Benefit, until: Day) -> Iterator[Day]:
    """The months of the period that have begun by a day and on whose first day the member has the benefit."""
    month = month_of(period.start)
    while month <= until:
        day = max(month, period.start)
        if enrolled_on(person.profile, day, benefit):
            yield day
        month = add_months(month, 1)


def next_month(period: Period, as_of: Day) -> Day | None:
    """The day on which one more month of the period begins; None in its last."""
    if as_of >= period.end:
        return None
    day = max(add_months(month_of(as_of), 1), period.start)
    return day if day <= period.end else None


def stratum(person: Person, period: Period, parameters: Parameters) -> str:
    """The suffix of sums of people like this one, such as ":F18-44"; "" where the edition compares all with all."""
    if not parameters.strata:
        return ""
    gender = person.profile.gender[:1].upper()
    return f":{gender if gender in {'F', 'M'} else 'U'}{band_of(person, period, parameters.strata)}"


def compare(sums: Sums, peers: Sums, rate: str, parameters: Parameters) -> tuple[Decimal | None, str]:
    """The value of a rate: dollars a member month, or the index against the peers, which are all practices of the payer together."""
    if parameters.tables.prices is None:
        return None, "unscored: no tcoc_prices are supplied"
    if sums.denominator <= 0:
        return None, ""
    notes = [parameters.prices]
    services, unpriced = sums.more.get("services", NOTHING), sums.more.get("unpriced", NOTHING)
    if unpriced:
        notes.append(f"{unpriced} of {services} services have no price")
    if unpriced and unpriced == services:
        return None, "; ".join(("unscored: none of the services has a price", *notes[1:]))
    if rate == PMPM:
        return pmpm(sums).quantize(HUNDREDTH, ROUND_HALF_UP), "; ".join(("not risk adjusted", *notes))
    if peers.denominator <= sums.denominator:
        return None, "; ".join(("unscored: no other practice to compare with", *notes))
    notes.append("adjusted for age and gender" if parameters.strata else "not risk adjusted")
    expected = expected_cost(sums, peers)
    if expected <= 0:
        return None, "; ".join(("unscored: the peers have no cost", *notes))
    return (observed_cost(sums) / expected).quantize(INDEX_PLACES, ROUND_HALF_UP), "; ".join(notes)


def pmpm(sums: Sums) -> Decimal:
    """Medical cost a medical month and pharmacy cost a pharmacy month: where pharmacy is carved out, its months are fewer."""
    total = NOTHING
    for benefit in BENEFITS:
        months = _sum(sums, f"{benefit}_months")
        total += _sum(sums, f"price_{benefit}") / months if months else NOTHING
    return total


def observed_cost(sums: Sums) -> Decimal:
    """What the practice's members cost at standard prices, after the limit."""
    return sum((_sum(sums, f"price_{benefit}") for benefit in BENEFITS), NOTHING)


def expected_cost(sums: Sums, peers: Sums) -> Decimal:
    """What the practice's member months would cost at the mean of the peers, benefit by benefit and stratum by stratum."""
    total = NOTHING
    for benefit in BENEFITS:
        for where, months in _strata(sums, f"{benefit}_months"):
            of_peers = peers.more.get(f"{benefit}_months{where}", NOTHING)
            if of_peers:
                total += months * peers.more.get(f"price_{benefit}{where}", NOTHING) / of_peers
    return total


def value(sums: Sums, rate: str, parameters: Parameters) -> tuple[Decimal | None, str]:
    """The value of a rate where nothing is known of the peers."""
    return compare(sums, Sums(), rate, parameters)


def _strata(sums: Sums, name: str) -> Iterator[tuple[str, Decimal]]:
    return ((key[len(name) :], number) for key, number in sums.more.items() if key.partition(":")[0] == name)


def _sum(sums: Sums, name: str) -> Decimal:
    return sum((number for _, number in _strata(sums, name)), NOTHING)


def enters(_parameters: Parameters) -> frozenset[str]:
    """The population reads no code: age and months of coverage alone."""
    return frozenset()


MEASURE = Measure(
    "TCOC",
    "Total Cost of Care",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    value,
    compare,
    small=SMALL_COST,
    enters=enters,
)
