"""What is said of measures on topics: results and gaps of members, and what practices' members add up to (interface.md section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.keys import member_key
from schemas.records import Aggregate, Gaps, MeasureResult, MemberId, NamedSum, Payer, RateGap, RateResult
from state.calendar import Day, to_date
from state.measures.editions import Bound
from state.measures.gaps import gap_of
from state.measures.outcome import Outcome, Sums
from state.measures.rates import Cell
from state.measures.results import LIVE, Asked, Result

Said = tuple[str, str, MeasureResult | Gaps | None]
"""Topic, key, and the record; None withdraws what stands under the key."""


def result_key(payer: str, member_id: str, edition: str, measure: str, period: str, reading: str) -> str:
    """The key of a result; a reading that is closed stands beside the live one."""
    key = f"{member_key(Payer(payer), MemberId(member_id))}|{edition}|{measure}|{period}"
    return key if reading == LIVE else f"{key}|{reading}"


def said_of(
    result: Result,
    bounds: Iterable[Bound],
    reading: str,
    as_of: Day,
    payer: str,
    member_id: str,
    engine_version: str,
) -> Iterator[Said]:
    """What a result says on the topics `measures` and `gaps`; who is in no population any more is withdrawn from both."""
    key = result_key(payer, member_id, result.edition, result.measure, result.window.id, reading)
    if not result.outcomes:
        yield "measures", key, None
        yield "gaps", key, None
        return
    bound = next(one for one in bounds if one.edition.name == result.edition)
    about = {
        "payer": payer,
        "member_id": member_id,
        "practice_id": result.practice or None,
        "edition": result.edition,
        "period": result.window.id,
        "period_start": to_date(result.window.period.start),
        "period_end": to_date(result.window.period.end),
        "reading": reading,
        "measure": result.measure,
        "as_of": to_date(as_of),
        "label": bound.edition.label,
        "value_sets": bound.digest,
        "engine_version": engine_version,
    }
    yield "measures", key, MeasureResult(rates=tuple(_rate(one) for one in result.outcomes), **about)  # type: ignore[arg-type]
    gaps = tuple(
        RateGap(
            rate=outcome.rate,
            status=gap.status,
            closes_with=gap.closes_with,
            due_by=to_date(gap.due_by),
            evidence=gap.evidence,
        )
        for outcome in result.outcomes
        if (gap := gap_of(outcome, as_of)) is not None
    )
    yield "gaps", key, Gaps(gaps=gaps, **about) if gaps else None  # type: ignore[arg-type]


def rows_said(
    asked: Asked, result: MeasureResult, gaps: Gaps | None
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The lines of measures.csv and gaps.csv of what was said of a measure: those that its outcomes give (state.measures.results)."""
    by_rate = {} if gaps is None else {gap.rate: gap for gap in gaps.gaps}
    about = (result.payer, result.member_id, result.practice_id or "")
    measures: list[tuple[object, ...]] = []
    for one in result.rates:
        gap = by_rate.get(one.rate)
        measures.append(
            (
                *(asked.edition, asked.period, asked.reading, result.measure, one.rate, *about),
                one.initial_population,
                one.denominator,
                one.denominator_exclusion,
                one.numerator,
                one.numerator_exclusion,
                one.denominator_exception,
                None if gap is None else gap.status,
                None if gap is None else gap.due_by,
                one.evidence,
            )
        )
    open_or_not: list[tuple[object, ...]] = [
        (
            *(asked.edition, asked.period, asked.reading, result.measure, *about),
            gap.status,
            gap.closes_with,
            gap.due_by,
            gap.evidence,
            gap.rate,
        )
        for gap in by_rate.values()
    ]
    return measures, open_or_not


def cell_of(one: Aggregate) -> tuple[Asked, Cell, Sums]:
    """What a sum that was said is a sum over, and the sum."""
    asked = Asked(one.edition, one.period, one.reading)
    cell = Cell(one.measure, one.rate, one.payer, one.practice_id, one.stratum)
    return asked, cell, Sums(one.denominator, one.numerator, {sum_.name: sum_.value for sum_ in one.sums})


def cell_key(partition: int, asked: Asked, cell: Cell) -> str:
    """The key of a sum: everything that it is a sum over."""
    return "|".join(
        (
            str(partition),
            cell.practice_id,
            cell.payer,
            asked.edition,
            cell.measure,
            cell.rate,
            cell.stratum,
            asked.period,
            asked.reading,
        )
    )


def cell_named(key: str) -> tuple[Asked, Cell]:
    """What a sum is a sum over, by the key that `cell_key` has given it; only a practice may hold the sign that parts a key."""
    practice_id, payer, edition, measure, rate, stratum, period, reading = key.partition("|")[2].rsplit("|", 7)
    return Asked(edition, period, reading), Cell(measure, rate, payer, practice_id, stratum)


def aggregate(partition: int, asked: Asked, cell: Cell, sums: Sums, as_of: Day, engine_version: str) -> Aggregate:
    """A sum as it is said: absolute, so that the newest for a key replaces the one before."""
    return Aggregate(
        source_partition=partition,
        practice_id=cell.practice_id,
        payer=cell.payer,
        edition=asked.edition,
        measure=cell.measure,
        rate=cell.rate,
        stratum=cell.stratum,
        period=asked.period,
        reading=asked.reading,
        as_of=to_date(as_of),  # type: ignore[arg-type]
        denominator=sums.denominator,
        numerator=sums.numerator,
        sums=tuple(NamedSum(name=name, value=value) for name, value in sorted(sums.more.items())),
        engine_version=engine_version,
    )


def _rate(outcome: Outcome) -> RateResult:
    return RateResult(
        rate=outcome.rate,
        initial_population=outcome.initial_population,
        denominator=outcome.denominator,
        denominator_exclusion=outcome.denominator_exclusion,
        numerator=outcome.numerator,
        numerator_exclusion=outcome.numerator_exclusion,
        denominator_exception=outcome.denominator_exception,
        band=outcome.band,
        evidence=outcome.evidence,
        note=outcome.note,
    )
