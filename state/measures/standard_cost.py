"""What the services of a member cost at standard prices. Source: measures.md 11; denied lines cost nothing (attribution.md 2.9).

A service without a price is counted and never taken for free; a claim that paid nothing, under capitation, costs what it costs anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from state.calendar import Day
from state.measures.enrollment import Benefit, enrolled_on
from state.measures.facts import KeptClaim, KeptDispensing, KeptLine, Person
from state.measures.measure_tables import PRICED_SERVICE
from state.measures.period import Period
from state.reference.codes import Code
from state.reference.tcoc_prices import STAYS, Price, Prices

NOTHING = Decimal()


@dataclass(frozen=True, slots=True)
class Cost:
    """A service, fill or stay: its standard price, None where the table has none, and what the plan allowed for it."""

    benefit: Benefit
    price: Decimal | None
    allowed: Decimal
    evidence: str


def costs(person: Person, period: Period, prices: Prices) -> list[Cost]:
    """What was done on the days of the period up to today on which the member had the benefit that pays for it."""
    last = min(period.end, person.as_of)
    claims: dict[str, KeptClaim] = {}
    fills: dict[str, KeptDispensing] = {}
    for fact in person.facts(PRICED_SERVICE):
        if fact.denied:
            continue
        if isinstance(fact.of, KeptClaim):
            claims[fact.of.row] = fact.of
        elif isinstance(fact.of, KeptDispensing):
            fills[fact.of.row] = fact.of
    ordered = [claims[row] for row in sorted(claims)]
    dated = [*_stays(ordered, prices), *_lines(ordered, prices), *_fills(fills, prices)]
    return [
        cost for day, cost in dated if period.start <= day <= last and enrolled_on(person.profile, day, cost.benefit)
    ]


def _stays(claims: Iterable[KeptClaim], prices: Prices) -> Iterator[tuple[Day, Cost]]:
    """Stays whose MS-DRG has a price: one for all bills of an admission, on its first day."""
    stays: dict[tuple[Day, str], list[KeptClaim]] = {}
    for claim in claims:
        if _stay_price(claim, prices) is not None:
            stays.setdefault((claim.start, claim.drg), []).append(claim)
    for (day, drg), bills in sorted(stays.items()):
        price = prices.find((STAYS, drg))
        assert price is not None  # noqa: S101 - only stays with a price are grouped
        allowed = sum((_allowed(line.allowed) for bill in bills for line in bill.lines if not line.denied), NOTHING)
        yield day, Cost("medical", price.of(None), allowed, bills[0].evidence)


def _lines(claims: Iterable[KeptClaim], prices: Prices) -> Iterator[tuple[Day, Cost]]:
    """Lines of claims that are not of a priced stay: by procedure code, else by revenue code."""
    for claim in claims:
        if _stay_price(claim, prices) is not None:
            continue
        for line in claim.lines:
            if not line.denied:
                price = _line_price(line, prices)
                worth = None if price is None else price.of(line.units)
                yield line.start, Cost("medical", worth, _allowed(line.allowed), claim.evidence)


def _fills(fills: Mapping[str, KeptDispensing], prices: Prices) -> Iterator[tuple[Day, Cost]]:
    """Drugs that a pharmacy dispensed."""
    for row in sorted(fills):
        fill = fills[row]
        price = prices.find(("NDC", fill.ndc)) or prices.find(("RXNORM", fill.rxnorm))
        worth = None if price is None else price.of(fill.quantity)
        yield fill.day, Cost("pharmacy", worth, _allowed(fill.allowed), fill.evidence)


def _stay_price(claim: KeptClaim, prices: Prices) -> Price | None:
    return prices.find((STAYS, claim.drg)) if claim.institutional and claim.drg else None


def _line_price(line: KeptLine, prices: Prices) -> Price | None:
    codes: tuple[Code, ...] = ((line.hcpcs_system or "HCPCS", line.hcpcs), ("UBREV", line.revenue))
    found = (prices.find(code, line.modifiers) for code in codes if code[1])
    return next((price for price in found if price is not None), None)


def _allowed(amount: Decimal | None) -> Decimal:
    return NOTHING if amount is None else amount
