"""The drafts of a close: what its frozen people, the contracts in force and the practices known make of statements, or why none.

The outside for the conductor, above `closes`: which practices, months and terms a close pays, gathered from what it knows.
Source: payment.md 4.0, 4.1, 4.2 and 4.7; issue "From a frozen period to money", statements.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from schemas.money import Contract, PracticeTypeRule, SnapshotUse, Statement, StatementLine
from schemas.records import PeopleCount, Period, Practice, ServiceCount, Site, Snapshot
from state.calendar import add_months, from_date, month_of
from state.payment.age_gender import MissingBand, Person, normaliser
from state.payment.amounts import plain
from state.payment.closes import (
    MonthOf,
    NothingStated,
    PeriodOf,
    month_statements,
    period_statements,
    restated_period,
)
from state.payment.element2 import Risk, in_force, month_name, months_paid, quarter_of
from state.payment.frozen_rates import FrozenRates, performances
from state.payment.hpi import Adjustment, Location, NoDecile
from state.payment.incentive import IncentiveReading
from state.payment.pool import PoolMonth, months_of, pool_month
from state.payment.practice_type import MemberMonths, TypeOfPeriod, member_months, practice_type
from state.payment.statements import Statable, adjustment
from state.payment.terms import Terms, resolve
from state.reference.tables import TableStore

TRAILING_MONTHS = 12
_AGAIN = "then annul this close and close again."


class Panel(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The frozen panel of a month: its manifest, its people as frozen, and what is known since.

    `moved`: differences to the people; `services`: what practices have rendered in its month.
    """

    snapshot: Snapshot
    people: tuple[PeopleCount, ...]
    moved: tuple[PeopleCount, ...] = ()
    services: tuple[ServiceCount, ...] = ()


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What a month was stated by, apart from its panels: it holds for the month's adjustments too, whatever is agreed or learned since.

    Population constants are frozen with the snapshot (design.md, closing a period), and a later record of a contract is for what is stated
    from then on.
    """

    contract: Contract
    normaliser: Decimal
    population: str
    hpi: Adjustment

    def terms(self, store: TableStore) -> tuple[Terms, Risk]:
        """The terms, and what adjusts the month's PMPMs. Raises `TableError`, `BadCodes`."""
        terms = resolve(self.contract, store)
        return terms, Risk(factors=terms.factors, normaliser=self.normaliser, population=self.population, hpi=self.hpi)


class Drafted(msgspec.Struct, frozen=True):
    """A statement and, of a month's, what it was stated by."""

    statement: Statement
    basis: Basis | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the program knows when a close is complete.

    `contracts`: one of each id, the last. `panels`: complete ones, by the first day of their month. `standing`: statements that were not
    withdrawn, in the order in which they were stated. `bases`: what those of months were stated by, by their ids.
    """

    contracts: Sequence[Contract]
    practices: Sequence[Practice]
    panels: Mapping[dt.date, Panel]
    standing: Sequence[Statement]
    store: TableStore
    sites: Sequence[Site] = ()
    bases: Mapping[str, Basis] = msgspec.field(default_factory=dict)


Services = Mapping[tuple[str, str], tuple[StatementLine, ...]]
"""What there is to say of services, for information, by payer and practice."""
NO_SERVICES: Services = {}


def month_drafts(
    known: Known, month: dt.date, stated_on: dt.date, services: Services = NO_SERVICES
) -> tuple[Drafted, ...]:
    """What the panel of a month lets be stated: elements 1 and 2 of the month, and of a quarter whose last panel it was.

    A contract that pays by the quarter is stated when the three panels of the quarter stand. Statements that stand are not made again;
    a contract that pays nothing by the month has none. What there is to say of services stands on the first statement that a practice and
    payer has. Raises `NothingStated`, `TableError`.
    """
    made: list[Drafted] = []
    told: set[tuple[str, str]] = set()
    # Of the earlier months of its quarter one may have waited for this panel.
    for one in quarter_of(month):
        if one not in known.panels:
            continue
        found = [((of.terms.contract.payer, of.terms.contract.practice_id), of) for of in _months_of(known, one, month)]
        practices = dict(found)
        with_services = [
            msgspec.structs.replace(of, services=() if who in told else services.get(who, ())) for who, of in found
        ]
        for statement in month_statements(statable(known.panels[one].snapshot, stated_on), one, with_services):
            if any(line.information is None for line in statement.lines):
                who = (statement.payer, statement.practice_id)
                told.add(who)
                made.append(Drafted(statement, _basis(practices[who])))
    return tuple(made)


def late_drafts(known: Known, stated_on: dt.date) -> tuple[Drafted, ...]:
    """What months whose panels stand, and may still be adjusted, pay by contracts that came after them: nothing is lost by coming late.

    `known`: with those panels, without that of the close itself. The people are those that were frozen; what has changed of them since is
    adjusted with the close after. Raises `NothingStated`, `TableError`.
    """
    made: list[Drafted] = []
    for month, panel in sorted(known.panels.items()):
        until = panel.snapshot.retro_until
        if until is not None and stated_on < until:
            standing = [*known.standing, *(one.statement for one in made)]
            made += month_drafts(msgspec.structs.replace(known, standing=standing), month, stated_on)
    return tuple(made)


def period_drafts(
    known: Known, period: Period, reading: IncentiveReading, snapshot: Snapshot, frozen: FrozenRates, stated_on: dt.date
) -> tuple[Statement, ...]:
    """The statements of an initial or final close: element 3. Raises `NothingStated`, also for a panel of the pool that is missing."""
    contracts = _of_period(known, period)
    practices = [_period_of(known, period, one, contracts, frozen) for one in contracts]
    made = period_statements(statable(snapshot, stated_on), period, reading, practices)
    uncovered = {(one.payer, one.practice_id): tuple(_uncovered(known, period, one)) for one in contracts}
    return tuple(
        msgspec.structs.replace(one, notes=(*one.notes, *uncovered[one.payer, one.practice_id], *frozen.notes))
        for one in made
    )


def not_paid(known: Known, period: Period) -> tuple[str, ...]:
    """Whose contracts have ended before a period did, so that it pays them nothing: a sentence for each practice and payer."""
    paid = {(one.payer, one.practice_id) for one in known.contracts if in_force(one, period.performance_end)}
    ended = {
        (one.payer, one.practice_id)
        for one in known.contracts
        for month in months_of(period)
        if in_force(one, month) and (one.payer, one.practice_id) not in paid
    }
    return tuple(
        f"practice {practice} with {payer} has no contract in force on {period.performance_end}, by which {period.period} would be paid"
        for payer, practice in sorted(ended)
    )


def period_adjustments(
    known: Known, period: Period, snapshot: Snapshot, frozen: FrozenRates, later: Snapshot, stated_on: dt.date
) -> tuple[Statement, ...]:
    """The adjustments of a period's final statements, now that the close `later` has told what its frozen sums have become (`frozen`).

    Pool and practice type stay those of the final statement, whose close is `snapshot`; `known` has its contracts as they were then.
    Each practice and payer whose amounts have changed has one: rates may be pooled, and costs compared with peers, so that a change of
    one practice may move another. None after the contract's retro limit, and none of a period that has no final statement. Raises
    `NothingStated` as `period_drafts` does.
    """
    contracts = _of_period(known, period)
    by_id = {one.contract_id: one for one in contracts}
    last = {
        (one.payer, one.practice_id): one
        for one in known.standing
        if one.snapshot.close_id == snapshot.close_id and one.contract_id in by_id
    }
    practices = {
        key: _period_of(known, period, by_id[one.contract_id], contracts, frozen) for key, one in sorted(last.items())
    }
    made: list[Statement] = []
    for key, one in practices.items():
        restated = restated_period(statable(snapshot, last[key].stated_on), period, one)
        adjusted = adjustment(
            last[key],
            restated,
            one.terms.contract,
            cause=f"What has become known until {later.close_id} was closed",
            cause_position=later.close_id,
            decided_on=stated_on,
        )
        if adjusted is not None:
            more = _uncovered(known, period, one.terms.contract)
            made.append(msgspec.structs.replace(adjusted, notes=(*adjusted.notes, *more, *frozen.notes)))
    return tuple(made)


def _of_period(known: Known, period: Period) -> list[Contract]:
    """The contracts that pay a period: those in force on its last day.

    Raises `NothingStated` for a panel of the pool that is missing, or that lacks the list of a payer that attributes by its own.
    """
    contracts = [one for one in known.contracts if in_force(one, period.performance_end)]
    paid = {(one.payer, one.practice_id) for one in contracts}
    missing: list[str] = []
    for month in months_of(period):
        payers = {one.payer for one in known.contracts if (one.payer, one.practice_id) in paid and in_force(one, month)}
        panel = known.panels.get(month)
        if panel is None and payers:
            missing.append(f"the panel of {month_name(month)} is missing, on which the pool rests: freeze it, {_AGAIN}")
        missing += (
            f"the panel of {month_name(month)}, on which the pool rests, has no list of {payer}: annul it and freeze it again "
            f"when the list is there, {_AGAIN}"
            for payer in sorted(payers.intersection(() if panel is None else panel.snapshot.not_frozen))
        )
    if missing:
        raise NothingStated(missing)
    return contracts


def why_kept(snapshot: Snapshot, standing: Iterable[Statement], periods: Iterable[Period]) -> str | None:
    """Why a close cannot be withdrawn because a statement of another close rests on it, as a sentence; None where none does.

    On a panel rest the statements of its months, and of the periods whose pool it is in; on a final reading those of the periods whose
    baseline it is. `periods`: as their records stood when those statements were made.
    """
    if snapshot.as_of is None:
        return None
    every = list(periods)
    if snapshot.reading != "panel":
        paid = {one.period for one in every if snapshot.reading == "final" and one.baseline == snapshot.period}
        resting = next((one for one in standing if one.period in paid and one.reading != "panel"), None)
        if resting is None:
            return None
        return f"it is the baseline of statement {resting.statement_id}: annul {resting.snapshot.close_id} first."
    pools: dict[str, set[dt.date]] = {}
    for period in every:
        pools.setdefault(period.period, set()).update(months_of(period))
    for one in standing:
        month = one.reading == "panel" and one.covers_from <= snapshot.as_of <= one.covers_to
        if one.snapshot.close_id != snapshot.close_id and (month or snapshot.as_of in pools.get(one.period, ())):
            return f"statement {one.statement_id} rests on it: annul {one.snapshot.close_id} first."
    return None


def panels_for(period: Period) -> tuple[dt.date, ...]:
    """The months whose panels a period's statements rest on: those that make the practice type, and those of the pool."""
    return (*_trailing(period), *months_of(period))


def statable(snapshot: Snapshot, stated_on: dt.date) -> Statable:
    """What the statements of a close have in common."""
    return Statable(
        snapshot=SnapshotUse(
            close_id=snapshot.close_id,
            content_digest=snapshot.content_digest or "",
            as_of=snapshot.as_of or stated_on,
            actor=snapshot.actor,
        ),
        engine_version=snapshot.engine_version or "",
        stated_on=stated_on,
    )


def _months_of(known: Known, month: dt.date, closed: dt.date) -> Iterator[MonthOf]:
    """What a month pays the practices that it can be stated for, now that the panel of `closed` stands."""
    stated = {(one.payer, one.practice_id) for one in known.standing if one.period == month_name(month)}
    # Paid with its quarter, it is not paid again by terms that come later.
    paid_by = {
        (one.payer, one.practice_id): one.contract_id
        for one in known.standing
        if one.covers_from <= month <= one.covers_to and any(line.element != "3" for line in one.lines)
    }
    for contract in known.contracts:
        together = months_paid(contract, month)
        months = {month, *together}
        # A quarter may have waited for a month in which its contract holds no more.
        awaited = closed in months or (contract.phm_frequency == "quarterly" and together)
        if (
            not in_force(contract, month)
            or (contract.payer, contract.practice_id) in stated
            or paid_by.get((contract.payer, contract.practice_id), contract.contract_id) != contract.contract_id
            or not awaited
            or not months <= known.panels.keys()
            or any(contract.payer in known.panels[one].snapshot.not_frozen for one in months)
        ):
            continue
        terms = resolve(contract, known.store)
        yield MonthOf(
            terms=terms,
            panels={one: persons(known.panels[one], one, contract) for one in sorted(months)},
            risk=_risk(known, terms, month),
        )


def persons(panel: Panel, month: dt.date, contract: Contract, *, of_payer: bool = False) -> tuple[Person, ...]:
    """The people of a panel whom a contract pays for, or all of its payer's plans (`of_payer`): alike ones together."""
    return tuple(
        Person("", month.replace(year=month.year - one.age), one.gender, one.members)
        for one in panel.people
        if one.payer == contract.payer
        and (of_payer or one.practice_id == contract.practice_id)
        and (not contract.products or one.product in contract.products)
    )


def _basis(of: MonthOf) -> Basis:
    return Basis(
        contract=of.terms.contract, normaliser=of.risk.normaliser, population=of.risk.population, hpi=of.risk.hpi
    )


def _risk(known: Known, terms: Terms, month: dt.date) -> Risk:
    """What adjusts the month's PMPMs. The population that averages 1: all members of the contract's plans on panels of the month."""
    contract = terms.contract
    average = Fraction(1)
    try:
        if terms.factors is not None:
            everybody = persons(known.panels[month], month, contract, of_payer=True)
            average = normaliser(everybody, month, terms.factors)
        return terms.risk(
            locations(known, terms, month),
            plain(average),
            f"{contract.payer}'s members on the panels of {month_name(month)}",
        )
    except (MissingBand, NoDecile) as problem:
        raise NothingStated([f"practice {contract.practice_id} with {contract.payer}: {problem}"]) from None


def locations(known: Known, terms: Terms, month: dt.date) -> tuple[Location, ...]:
    """Where the practice is in a month: its sites, each with its own percentile, else that of its census tract in the contract's HPI file.

    Which site a member goes to is not known. Without a `site` record the practice's own record is its one site.
    """
    practice_id = terms.contract.practice_id
    sites: list[tuple[str, str | None, Decimal | None, bool]] = [
        (one.site_id, one.census_tract, one.hpi_percentile, one.main)
        for one in known.sites
        if one.practice_id == practice_id
        and one.effective_from <= month
        and (one.effective_to is None or month < one.effective_to)
    ]
    practice = _practice(known, practice_id, month)
    if not sites and practice is not None:
        sites = [(practice.practice_id, practice.census_tract, practice.hpi_percentile, True)]
    return tuple(
        Location(
            site_id=site_id,
            percentile=terms.hpi_scores.get(tract or "") if percentile is None else percentile,
            main=main,
        )
        for site_id, tract, percentile, main in sites
    )


def _practice(known: Known, practice_id: str, day: dt.date) -> Practice | None:
    """The practice's record in force on a day, of several the one that starts last."""
    found = [
        one
        for one in known.practices
        if one.practice_id == practice_id
        and one.effective_from <= day
        and (one.effective_to is None or day < one.effective_to)
    ]
    return max(found, key=lambda one: one.effective_from, default=None)


def _period_of(
    known: Known, period: Period, contract: Contract, contracts: Sequence[Contract], frozen: FrozenRates
) -> PeriodOf:
    ours = [one for one in known.standing if (one.payer, one.practice_id) == (contract.payer, contract.practice_id)]
    terms = resolve(contract, known.store)
    kind = _type_of(known, period, contract, ours)
    before = [one for one in ours if one.reading == "final" and one.covers_to < period.performance_end]
    return PeriodOf(
        terms=terms,
        practice_type=kind,
        months=tuple(_pool_months(known, period, contract)),
        performances=tuple(
            performances(
                frozen,
                terms,
                kind.type,
                {one.payer: one for one in contracts if one.practice_id == contract.practice_id},
                max(before, key=lambda one: one.covers_to, default=None),
            )
        ),
        standing=tuple(one for one in ours if one.period == period.period),
    )


def _pool_months(known: Known, period: Period, contract: Contract) -> Iterator[PoolMonth]:
    """The pool's months by the contract of the payer and practice in force in each; none where there was none."""
    for month in months_of(period):
        for one in known.contracts:
            if (one.payer, one.practice_id) == (contract.payer, contract.practice_id) and in_force(one, month):
                yield pool_month(one, month, sum(each.members for each in persons(known.panels[month], month, one)))


def _uncovered(known: Known, period: Period, contract: Contract) -> Iterator[str]:
    covered = {one.month for one in _pool_months(known, period, contract)}
    without = [month_name(month) for month in months_of(period) if month not in covered]
    if without:
        yield f"No contract was in force in {', '.join(without)}: the pool has no base payment of them."


def _type_of(known: Known, period: Period, contract: Contract, ours: Sequence[Statement]) -> TypeOfPeriod:
    """The type of a practice in a period, written with the period's first close: an initial statement's holds in the final one.

    Member months are those of all payers, of the 12 months before the pool's first; where none of them has a panel, as before the
    project, those of the pool's months. The practice's record may set the type as the contract may, which has the last word.
    """
    first = next((one for one in ours if one.period == period.period and one.practice_type is not None), None)
    if first is not None and first.practice_type is not None:
        return TypeOfPeriod(type=first.practice_type, share_pct=None, reason=first.practice_type_reason or "")
    before = [one for one in ours if one.practice_type is not None and one.covers_to < period.performance_end]
    last = max(before, key=lambda one: one.covers_to, default=None)
    counted = _counted(known, contract.practice_id, _trailing(period))
    if not counted.all:
        counted = _counted(known, contract.practice_id, months_of(period))
    return practice_type(counted, _rule(known, period, contract), None if last is None else last.practice_type)


def _rule(known: Known, period: Period, contract: Contract) -> PracticeTypeRule:
    practice = _practice(known, contract.practice_id, period.performance_end)
    rule = contract.practice_type
    if rule.override is not None or practice is None or practice.type_override is None:
        return rule
    override = {"mixed", "pediatric", "adult"} & {practice.type_override}
    return msgspec.structs.replace(
        rule, override=next(iter(override), None), override_reason="by the practice's record"
    )


def _counted(known: Known, practice_id: str, months: Iterable[dt.date]) -> MemberMonths:
    return member_months(
        (
            month,
            [
                Person("", month.replace(year=month.year - one.age), one.gender, one.members)
                for one in known.panels[month].people
                if one.practice_id == practice_id
            ],
        )
        for month in months
        if month in known.panels
    )


def _trailing(period: Period) -> list[dt.date]:
    first = month_of(from_date(period.pool_from))
    return [dt.date.fromordinal(add_months(first, -ahead)) for ahead in range(TRAILING_MONTHS, 0, -1)]
