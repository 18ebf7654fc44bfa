"""Builds closes as the conductor meets them, for tests of element 3: sums of measures by partition, panels, the baseline before them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from schemas.records import Close, NamedSum, Partial, PartialSums, PeopleCount, Period, RateSums, TableInForce, Tick
from state.measures.editions import FOLDER
from tests.money_cases import P2, d

PARTITIONS = 2
EDITION = "capc-2025"
BASELINE = "P0"
P0 = Period(
    period=BASELINE,
    performance_end=dt.date(2024, 6, 30),
    k1=dt.date(2024, 9, 28),
    k2=dt.date(2024, 12, 27),
    pool_from=dt.date(2024, 1, 1),
    pool_months=6,
)
"""The twelve months before the project: its final reading is the baseline."""
P2_WITH_BASELINE = msgspec.structs.replace(P2, baseline=BASELINE)
RATE = {
    "CIS": "combo10",
    "IMA": "combo2",
    "AMR": "ratio",
    "BCS": "screened",
    "COL": "screened",
    "CBP": "controlled",
    "GSD": "lt8",
    "AHU": "risk_standardised",
    "EDU": "risk_standardised",
    "DSF": "screened",
    "DMS": "assessed",
}
REFERENCE = "measure,per_member,mean_ratio\nAHU,0.020,\nEDU,0.100,\n"
"""R of the examples: 20 stays and 100 visits per 1,000."""


def measured_by(*names: str, supplied: Path | None = None) -> tuple[TableInForce, ...]:
    """The tables of a reading: editions that come with the project, and reference rates."""
    found = [
        TableInForce(kind="editions", digest=hashlib.sha256((FOLDER / f"{name}.toml").read_bytes()).hexdigest())
        for name in names or (EDITION,)
    ]
    if supplied is not None:
        digest = hashlib.sha256(supplied.read_bytes()).hexdigest()
        found.append(TableInForce(kind="reference_rates", digest=digest))
    return tuple(found)


def rate(
    measure: str,
    numerator: int,
    denominator: int,
    *,
    expected: object = None,
    payer: str = "acme",
    practice: str = "A",
    name: str | None = None,
    edition: str = EDITION,
    **sums: object,
) -> RateSums:
    """The sums of a rate: the one of the measure that is paid."""
    named = {**({} if expected is None else {"expected": expected}), **sums}
    return RateSums(
        payer=payer,
        practice_id=practice,
        edition=edition,
        measure=measure,
        rate=name or RATE[measure],
        denominator=denominator,
        numerator=numerator,
        sums=tuple(NamedSum(name=key, value=d(value)) for key, value in sorted(named.items())),
    )


SPEC_NOW = (
    rate("BCS", 78, 100),
    rate("COL", 64, 100),
    rate("CBP", 301, 500),
    rate("GSD", 70, 100),
    rate("AMR", 80, 100),
    rate("AHU", 200, 1000, expected=200),
    rate("EDU", 1280, 1000, expected=1000),
)
SPEC_BASELINE = (
    rate("BCS", 74, 100),
    rate("COL", 58, 100),
    rate("CBP", 290, 500),
    rate("GSD", 61, 100),
    rate("AMR", 79, 100),
    rate("AHU", 240, 1000, expected=200),
    rate("EDU", 1310, 1000, expected=1000),
)
"""The adult practice of payment.md 4.5: what it has now, and what it had in the year before the project."""
SPEC_AMOUNTS = {
    "BCS": d("4147.20"),
    "COL": d("5313.60"),
    "CBP": d("3110.40"),
    "GSD": d("7257.60"),
    "AHU": d("3801.60"),
    "EDU": d("2073.60"),
}
FINAL_AMOUNTS = {
    "BCS": d("5158.71"),
    "COL": d("6609.60"),
    "CBP": d("3869.03"),
    "GSD": d("9027.75"),
    "AHU": d("4728.82"),
    "EDU": d("2579.36"),
}
"""The same with the shares of DSF and TCOC redistributed: times 102/82."""


def people(members: int, practice: str = "A", age: int = 40, payer: str = "acme") -> PeopleCount:
    """Members on a list who are alike."""
    return PeopleCount(payer=payer, practice_id=practice, product="PPO", gender="F", age=age, members=members)


def close(period: str, reading: Any = "panel", close_id: str = "") -> Close:
    """A request by ann."""
    return Close(close_id=close_id or f"{period}-{reading}", period=period, reading=reading, actor="ann")


def answer(number: int, close_id: str, *who: PeopleCount, **more: Any) -> Partial:
    """A partition's answer."""
    return Partial(
        close_id=close_id,
        partition=number,
        watermark=10,
        accepted_at=dt.datetime(2025, 6, 30, tzinfo=dt.UTC),
        ruleset="guide",
        tables=(),
        engine_version="1",
        digest="1",
        people=who,
        **more,
    )


def panel(
    month: str, *who: PeopleCount, close_id: str = "", moved: Mapping[str, Sequence[RateSums]] | None = None
) -> list[Any]:
    """A panel closed by two partitions, half of the people in each; the first has sums of final readings that have `moved`."""
    one = close(month, close_id=close_id)
    parts = [
        PartialSums(close_id=one.close_id, of_close=of, partition=0, part=place, sums=tuple(sums))
        for place, (of, sums) in enumerate((moved or {}).items())
    ]
    halves = [msgspec.structs.replace(each, members=each.members // PARTITIONS) for each in who]
    return [
        one,
        *parts,
        answer(0, one.close_id, *halves, sums_parts=len(parts)),
        *(answer(number, one.close_id, *halves) for number in range(1, PARTITIONS)),
    ]


def six_panels(members: int, **more: Any) -> list[Any]:
    """The panels of the pool of P2."""
    return [one for month in range(1, 7) for one in panel(f"2025-{month:02}", people(members, **more))]


def period(
    name: str, reading: str, sums: Sequence[RateSums], tables: tuple[TableInForce, ...], *, close_id: str = ""
) -> list[Any]:
    """A period closed by two partitions; the first has all sums."""
    one = close(name, reading, close_id)
    part = PartialSums(close_id=one.close_id, of_close=one.close_id, partition=0, part=0, sums=tuple(sums))
    return [
        one,
        part,
        answer(0, one.close_id, measured_by=tables, sums_parts=1),
        answer(1, one.close_id, measured_by=tables),
    ]


def begun(
    tables: tuple[TableInForce, ...], sums: Sequence[RateSums] = SPEC_BASELINE, *, members: int = 1800, **more: Any
) -> list[Any]:
    """The baseline's reading, then the panels of P2's pool."""
    return [
        P0,
        P2_WITH_BASELINE,
        Tick(date=P0.k2),
        *period(BASELINE, "final", sums, tables),
        Tick(date=dt.date(2025, 6, 1)),
        *six_panels(members, **more),
    ]


def initial(sums: Sequence[RateSums], tables: tuple[TableInForce, ...]) -> list[Any]:
    """P2 closed initially on its first day."""
    return [Tick(date=P2.k1), *period("P2", "initial", sums, tables)]


def final(sums: Sequence[RateSums], tables: tuple[TableInForce, ...]) -> list[Any]:
    """P2 closed for good on its first day."""
    return [Tick(date=P2.k2), *period("P2", "final", sums, tables)]


def reference_rates(folder: Path) -> Path:
    """The table of R, laid where the conductor finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reference_rates.csv"
    path.write_text(REFERENCE)
    return path
