"""measures.csv, rates.csv and gaps.csv, as rows (interface.md section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from state.calendar import Day, to_date
from state.measures.catalogue import MEASURES
from state.measures.editions import Bound
from state.measures.gaps import gap_of
from state.measures.measuring import Window
from state.measures.outcome import Outcome, Sums
from state.measures.period import Period
from state.measures.rates import Cell, value_of

MEASURES_COLUMNS = (
    "edition",
    "period",
    "reading",
    "measure",
    "rate",
    "payer",
    "member_id",
    "practice_id",
    "initial_population",
    "denominator",
    "denominator_exclusion",
    "numerator",
    "numerator_exclusion",
    "denominator_exception",
    "gap_status",
    "due_by",
    "evidence",
)
RATES_COLUMNS = (
    "edition",
    "period",
    "reading",
    "measure",
    "rate",
    "payer",
    "practice_id",
    "stratum",
    "denominator",
    "numerator",
    "value",
    "note",
)
GAPS_COLUMNS = (
    "edition",
    "period",
    "reading",
    "measure",
    "payer",
    "member_id",
    "practice_id",
    "status",
    "closes_with",
    "due_by",
    "evidence",
    "rate",
)
"""`rate` stands last, for those who read by position: of a measure with several, GSD and CIS, it tells their gaps apart."""


LIVE = "live"
"""The reading of what is open."""
RESTATED = "restated"
"""Under this name stands what the sums of a final reading have changed by since it was closed: kept for money, said on no topic."""


class Asked(msgspec.Struct, frozen=True, order=True):
    """Which reading of which period an outcome belongs to. `period` is as it is cited: START..END, or the id of a program's period."""

    edition: str
    period: str
    reading: str


class Result(msgspec.Struct, frozen=True):
    """What is said of a measure for a member; no outcomes: the member is not in its population any more."""

    edition: str
    window: Window
    measure: str
    practice: str
    outcomes: tuple[Outcome, ...]


def period_named(period: Period) -> str:
    """A period as START..END."""
    return f"{to_date(period.start)}..{to_date(period.end)}"


def measure_row(
    asked: Asked, measure: str, payer: str, member_id: str, practice_id: str, outcome: Outcome, as_of: Day
) -> tuple[object, ...]:
    """A line of measures.csv. The evidence is that of the outcome."""
    gap = gap_of(outcome, as_of)
    return (
        asked.edition,
        asked.period,
        asked.reading,
        measure,
        outcome.rate,
        payer,
        member_id,
        practice_id,
        outcome.initial_population,
        outcome.denominator,
        outcome.denominator_exclusion,
        outcome.numerator,
        outcome.numerator_exclusion,
        outcome.denominator_exception,
        None if gap is None else gap.status,
        None if gap is None else to_date(gap.due_by),
        outcome.evidence,
    )


def gap_rows(
    asked: Asked, measure: str, payer: str, member_id: str, practice_id: str, outcomes: Iterable[Outcome], as_of: Day
) -> Iterator[tuple[object, ...]]:
    """The lines of gaps.csv: one for each rate of a measure that has a gap."""
    for outcome in outcomes:
        gap = gap_of(outcome, as_of)
        if gap is not None:
            yield (
                asked.edition,
                asked.period,
                asked.reading,
                measure,
                payer,
                member_id,
                practice_id,
                gap.status,
                gap.closes_with,
                to_date(gap.due_by),
                gap.evidence,
                outcome.rate,
            )


def rate_row(
    asked: Asked, bound: Bound, cell: Cell, sums: Sums, peers: Sums, known: Mapping[str, int]
) -> tuple[object, ...]:
    """A line of rates.csv; the note carries the edition's label and what there is to say of the number.

    `peers`: the sums of all practices in the same place (state.measures.rates.peers). `known`: of how many percent of the denominator
    race, ethnicity and language are known (state.measures.rates.known_shares); it tells how far the strata can be trusted.
    """
    edition = bound.edition
    value, reason = value_of(cell, sums, peers, edition.parameters[cell.measure])
    notes = [edition.label, *([reason] if reason else [])]
    if unfound := bound.unfound.get(cell.measure):
        notes.append(f"no dispensing is found in {', '.join(unfound)}: no drug products are loaded")
    small = MEASURES[cell.measure].small
    if sums.denominator < small:
        notes.append(f"fewer than {small}")
    if known:
        notes.append("known: " + ", ".join(f"{kind} {share} %" for kind, share in known.items()))
    return (
        asked.edition,
        asked.period,
        asked.reading,
        cell.measure,
        cell.rate,
        cell.payer,
        cell.practice_id,
        cell.stratum,
        sums.denominator,
        sums.numerator,
        value,
        "; ".join(notes),
    )
