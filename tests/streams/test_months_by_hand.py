"""Months worked out by hand, from facts of members to the cent: age, gender and location, and the edges of the retro limit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.money import ServiceClass, TableUse
from schemas.records import Practice, Tick
from tests.money_cases import d
from tests.panels_to_money import (
    CONTRACT,
    JULY,
    JUNE_30,
    MOVES,
    ROSTER,
    Closed,
    belongs,
    ended,
    span,
    stated,
    table,
    visit,
)
from tests.streams.test_corrected_panels import statements
from tests.streams.test_member_partition import claim

FACTORS = "gender,age_from,age_to,factor\nF,0,34,1.0\nF,35,,1.5\nM,0,34,1.0\nM,35,,0.5\n"
SCORES = "census_tract,percentile\n06001400100,29.9\n"
"""Decile 3: 3 percent."""
WHERE = Practice(
    practice_id="B",  # type: ignore[arg-type]
    name="B",
    participating=True,
    effective_from=dt.date(2020, 1, 1),
    census_tract="06001400100",
)
DAY = dt.date(1990, 7, 1)


async def test_ages_on_a_birthday_unknown_gender_and_decile_3_to_the_cent(tmp_path: Path) -> None:
    """35 on the first of July: 1.5; a day short of it: 1.0; of no gender: (1.5 + 0.5) / 2; a man: 0.5. Together 4.0 for four.

    One man of 35 more at practice A makes the payer's average 4.5 / 5 = 0.9. 20.00 x 4.0/0.9 x 1.03 = 91.56, 4.00 x the same = 18.31.
    """
    names = (("age_gender_factors", "factors.csv", FACTORS), ("hpi", "hpi.csv", SCORES))
    uses = tuple(
        TableUse(kind=kind, name=name, version="1", digest=table(tmp_path, name, text)) for kind, name, text in names
    )
    facts: list[Any] = [
        *belongs("0", birth_date=DAY),
        *belongs("1", birth_date=DAY + dt.timedelta(days=1)),
        *belongs("2", birth_date=DAY, gender="X"),
        *belongs("3", birth_date=DAY, gender="M"),
        span("4", birth_date=DAY, gender="M"),
        claim("4", "V4", dt.date(2025, 5, 1), npi=MOVES),
    ]
    begun = [*ROSTER, WHERE, Tick(date=JUNE_30), *facts, Closed(JULY, JUNE_30)]
    # The second turns out to be a day older, and the man to be a woman: 1.5 + 1.5 + 1.0 + 1.5 by the average as it was frozen.
    found = [
        span("1", span_version=2, birth_date=DAY),
        span("3", span_version=2, birth_date=DAY, gender="F"),
        Tick(date=dt.date(2025, 7, 31)),
        Closed(dt.date(2025, 8, 1), dt.date(2025, 7, 31)),
    ]
    of = [msgspec.structs.replace(CONTRACT, tables=uses)]
    july, adjusted = statements(await stated(tmp_path, [*begun, *found], of=of), "2025-07")
    assert [line.amount for line in july.lines] == [d("91.56"), d("18.31")]
    assert july.lines[0].formula == "20.00 x 4 members x 1.111111 x 1.03 = 91.56"
    # 20.00 x 5.5/0.9 x 1.03 = 125.89, and 25.18.
    assert [line.amount for line in adjusted.lines if line.amount] == [d("125.89"), d("25.18")]


@pytest.mark.parametrize(("day", "adjusted"), [(dt.date(2025, 12, 31), 1), (dt.date(2026, 1, 1), 0)])
async def test_a_month_is_adjusted_on_the_last_day_of_the_retro_limit_and_not_on_the_day_after(
    tmp_path: Path, day: dt.date, adjusted: int
) -> None:
    """July was closed on June 30 and describes July 1: six months end with December 31."""
    begun = [*ROSTER, Tick(date=JUNE_30), *(fact for member in "01" for fact in belongs(member)), Closed(JULY, JUNE_30)]
    late = [Tick(date=day), ended("1"), Closed(dt.date(2026, 2, 1), day)]
    assert len(statements(await stated(tmp_path, [*begun, *late]), "2025-07")) == 1 + adjusted


TRACK_C = msgspec.structs.replace(
    CONTRACT,
    track="C",
    capitation_pmpm=d("30.00"),
    service_classes=(
        ServiceClass(name="SNF", codes=("99304-99316",), column="fee_for_service"),
        ServiceClass(name="E&M", codes=("99202-99499",), column="capitated"),
        ServiceClass(name="Ceftriaxone", codes=("J0696",), column="fee_for_service"),
        ServiceClass(name="Non-oral drugs", codes=("J0000-J9999",), column="capitated"),
        ServiceClass(name="Category III", codes=("0001T-9999T",), column="capitated"),
    ),
)


async def test_in_track_c_exceptions_and_other_places_stay_fee_for_service_when_a_member_leaves(tmp_path: Path) -> None:
    """Two members at 30.00 + 4.00; one turns out to have left. 100 + 25 + 300 turn from capitated to fee for service, the rest never was.

    34.00 + 425.00 = 459.00 instead of 68.00.
    """
    lines = [
        ("99213", "100.00", "11"),
        ("99213", "80.00", "31"),
        ("99309", "70.00", "11"),
        ("J0696", "40.00", "11"),
        ("J3301", "25.00", "11"),
        ("0075T", "300.00", "11"),
        ("36415", "9.00", "11"),
    ]
    visits = [visit("1", f"C{n}", code, allowed, place=place) for n, (code, allowed, place) in enumerate(lines)]
    begun = [*ROSTER, Tick(date=JUNE_30), *(fact for member in "01" for fact in belongs(member)), Closed(JULY, JUNE_30)]
    late = [*visits, ended("1"), Tick(date=dt.date(2025, 7, 31)), Closed(dt.date(2025, 8, 1), dt.date(2025, 7, 31))]
    july, adjusted = statements(await stated(tmp_path, [*begun, *late], of=[TRACK_C]), "2025-07")
    assert (july.total, adjusted.total, adjusted.difference) == (d("68.00"), d("459.00"), d("391.00"))
    told = {line.label.partition(",")[0]: line.information for line in adjusted.lines if line.information is not None}
    assert told == {
        "All other services": d("9.00"),
        "Category III": d("300.00"),
        "Ceftriaxone": d("40.00"),
        "E&M": d("180.00"),
        "Non-oral drugs": d("25.00"),
        "SNF": d("70.00"),
    }


async def test_in_track_a_a_member_who_leaves_takes_population_health_back_and_turns_no_line(tmp_path: Path) -> None:
    of = [
        msgspec.structs.replace(
            CONTRACT, track="A", capitation_pmpm=None, service_classes=(), capitated_places_of_service=()
        )
    ]
    begun = [*ROSTER, Tick(date=JUNE_30), *(fact for member in "01" for fact in belongs(member)), Closed(JULY, JUNE_30)]
    late = [
        visit("1", "C1"),
        ended("1"),
        Tick(date=dt.date(2025, 7, 31)),
        Closed(dt.date(2025, 8, 1), dt.date(2025, 7, 31)),
    ]
    july, adjusted = statements(await stated(tmp_path, [*begun, *late], of=of), "2025-07")
    assert (july.total, adjusted.total) == (d("8.00"), d("4.00"))
    assert "turnaround" not in {line.kind for line in adjusted.lines}
