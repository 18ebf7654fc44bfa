"""Element 2: the population health management payment of a month, and the adjusted PMPM that it shares with capitation.

Source: payment.md 4.1 and 4.2.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from schemas.money import Contract, Factor, LineKind, StatementLine
from state.payment.age_gender import Averaged, Factors, Person, averaged
from state.payment.amounts import cents, dollars, exact, number, plain
from state.payment.hpi import Adjustment

MONTHS_OF_A_QUARTER = 3


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What adjusts a PMPM: age and gender factors with the frozen average of their population, and the practice's HPI.

    No `factors`: every member counts 1.
    """

    factors: Factors | None = None
    normaliser: Decimal = Decimal(1)
    population: str = ""
    hpi: Adjustment = Adjustment(pct=Decimal(0), decile=None)


UNADJUSTED = Risk()


def month_name(month: dt.date) -> str:
    """A month as YYYY-MM."""
    return f"{month.year:04}-{month.month:02}"


def months_paid(contract: Contract, month: dt.date) -> tuple[dt.date, ...]:
    """The months whose element 2 is paid with the panel of a month, their first days.

    Monthly: that month. Quarterly: at the quarter's start its three months, as known then; in its other months none. Of a quarter in
    which the contract begins or ends those in which it holds, with the first of them: another contract pays the others.
    """
    if contract.phm_frequency == "monthly":
        return (month,)
    months = tuple(one for one in quarter_of(month) if in_force(contract, one))
    return months if month in months[:1] else ()


def quarter_of(month: dt.date) -> tuple[dt.date, ...]:
    """The three months of a month's quarter."""
    start = month.month - (month.month - 1) % MONTHS_OF_A_QUARTER
    return tuple(month.replace(month=start + ahead) for ahead in range(MONTHS_OF_A_QUARTER))


def in_force(contract: Contract, day: dt.date) -> bool:
    """Whether a contract holds on a day."""
    return contract.effective_from <= day and (contract.effective_to is None or day < contract.effective_to)


def population_health(contract: Contract, month: dt.date, panel: Iterable[Person], risk: Risk) -> StatementLine | None:
    """The line of a month: PMPM x member months, with the adjustments unless switched off. None where the contract pays none."""
    if contract.phm_pmpm is None:
        return None
    return pmpm_line(
        contract,
        month,
        panel,
        risk if contract.policies.adjust_element_2 else UNADJUSTED,
        rate=contract.phm_pmpm,
        element="2",
        kind="population_health",
        label="Population health management",
    )


def pmpm_line(
    contract: Contract,
    month: dt.date,
    panel: Iterable[Person],
    risk: Risk,
    *,
    rate: Decimal,
    element: str,
    kind: LineKind,
    label: str,
) -> StatementLine:
    """A PMPM over a panel, adjusted, rounded once. One member month for each on the panel: joins and leaves do not prorate.

    Multiplicative: age and gender, then HPI. Additive, where contracted: the average factor plus HPI. Raises `MissingBand`.
    """
    people = averaged(panel, month, risk.factors, risk.normaliser)
    raised = exact(risk.hpi.pct) / 100
    additive = contract.policies.factor_order == "additive"
    weight = people.weight + people.members * raised if additive else people.weight * (1 + raised)
    amount = cents(exact(rate) * weight)
    adjusted = _adjusted(people, risk, raised, additive=additive)
    return StatementLine(
        element="1" if element == "1" else "2",
        item=month_name(month),
        kind=kind,
        label=label,
        formula=f"{dollars(rate)} x {number(people.members)} members{adjusted} = {dollars(amount)}",
        amount_before_cap=amount,
        amount=amount,
        reason=",".join(risk.hpi.flags) or None,
        members=people.members,
        factors=_factors(people, risk, raised, additive=additive),
    )


def element_2(
    contract: Contract, panels: Sequence[tuple[dt.date, Sequence[Person]]], risk: Risk
) -> tuple[StatementLine, ...]:
    """The lines of the months that are paid together: one, or the three of a quarter."""
    lines = (population_health(contract, month, panel, risk) for month, panel in panels)
    return tuple(line for line in lines if line is not None)


def _adjusted(people: Averaged, risk: Risk, raised: Fraction, *, additive: bool) -> str:
    if risk.factors is None and not raised:
        return ""
    average = number(people.average, 6)
    if additive:
        return f" x ({average} + {number(raised, 4)})"
    return (f" x {average}" if risk.factors is not None else "") + (f" x {number(1 + raised, 4)}" if raised else "")


def _factors(people: Averaged, risk: Risk, raised: Fraction, *, additive: bool) -> tuple[Factor, ...]:
    found = []
    if risk.factors is not None:
        of = f", of {risk.population}" if risk.population else ""
        found.append(Factor(f"average age and gender factor{of}", plain(people.average)))
    if raised:
        decile = f", decile {risk.hpi.decile}" if risk.hpi.decile is not None else ""
        found.append(Factor(f"HPI{decile}{', added' if additive else ''}", plain(raised if additive else 1 + raised)))
    return tuple(found)
