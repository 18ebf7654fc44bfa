"""Where practices are, and tables that contracts pay by: taken up by the conductor, heard of by no member."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.records import PeopleCount, Practice, Site, Table
from state import validation
from state.payment.hpi import NO_SCORE, WEIGHED_ALIKE
from tests.money_cases import contract, d
from tests.panels_to_money import table
from tests.streams.test_paying import TICKED, B, Said, panel, people, worked

SCORES = "census_tract,percentile\n06001400100,5\n06001400200,85\n06001400300,\n"


def site(site_id: str, tract: str = "06001400100", **changes: Any) -> Site:
    given: dict[str, Any] = {
        "practice_id": "A",
        "site_id": site_id,
        "address": "1 Main Street, Oakland",
        "census_tract": tract,
        "effective_from": dt.date(2020, 1, 1),
    }
    return Site(**{**given, **changes})


async def stated(folder: Path, *records: Any, **policies: Any) -> Said:
    """A panel of 100 members at 24.00 under a contract with HPI scores: 2,400.00 before adjustment."""
    uses = [{"kind": "hpi", "name": "HPI", "version": "3", "digest": table(folder, "hpi.csv", SCORES)}]
    return await worked(
        folder, contract(**B, tables=uses, policies=policies), *records, TICKED, *panel("2025-07", people(50))
    )


def difference(said: Said) -> Decimal:
    return said.states[0][2]


def reasons(said: Said) -> set[str | None]:
    (one,) = said.money.statements.values()
    return {line.reason for line in one.statement.lines}


async def test_the_main_site_decides_whatever_the_practice_record_says(tmp_path: Path) -> None:
    practice = Practice(
        practice_id="A",  # type: ignore[arg-type]
        name="A",
        participating=True,
        effective_from=dt.date(2020, 1, 1),
        hpi_percentile=d(25),
    )
    low, high = site("S1"), site("S2", "06001400200", main=True)
    assert difference(await stated(tmp_path / "none", practice)) == d("2472.00")  # decile 3: 3%
    assert difference(await stated(tmp_path / "main", practice, low, high)) == d("2400.00")  # decile 9
    assert difference(await stated(tmp_path / "first", practice, low, site("S2", "06001400200"))) == d("2520.00")


async def test_a_site_counts_from_its_first_to_its_last_day_and_a_later_record_takes_its_place(tmp_path: Path) -> None:
    closed = site("S1", effective_to=dt.date(2025, 7, 1))
    assert difference(await stated(tmp_path / "closed", closed, site("S2", "06001400200"))) == d("2400.00")
    assert difference(await stated(tmp_path / "moved", site("S1"), site("S1", "06001400200"))) == d("2400.00")
    own = site("S1", "06001400200", hpi_percentile=d(5))
    assert difference(await stated(tmp_path / "own", own)) == d("2520.00")


async def test_a_panel_weighs_sites_alike_while_nothing_says_which_member_goes_where(tmp_path: Path) -> None:
    said = await stated(tmp_path, site("S1"), site("S2", "06001400200", main=True), hpi_location="panel_weighted")
    assert difference(said) == d("2460.00")  # (5% + 0%) / 2
    assert reasons(said) == {WEIGHED_ALIKE}


async def test_a_site_in_a_tract_without_a_score_adds_nothing_and_says_so(tmp_path: Path) -> None:
    said = await stated(tmp_path, site("S1", "06001400300"))
    assert (difference(said), reasons(said)) == (d("2400.00"), {NO_SCORE})


async def test_two_main_sites_on_one_day_wait_in_quarantine(tmp_path: Path) -> None:
    second = site("S2", "06001400200", main=True)
    said = await stated(tmp_path / "two", site("S1", main=True), second)
    assert [reason for reason, _ in said.refused] == ["two_main_sites"]
    assert difference(said) == d("2520.00")
    ended = site("S1", main=True, effective_to=dt.date(2025, 6, 1))
    later = site("S2", "06001400200", main=True, effective_from=dt.date(2025, 6, 1))
    said = await stated(tmp_path / "after", site("S1", main=True), ended, later)
    assert (said.refused, difference(said)) == ([], d("2400.00"))


async def test_no_member_hears_of_a_site(tmp_path: Path) -> None:
    assert (await worked(tmp_path, site("S1"))).broadcast == 0


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"census_tract": "6001400100"}, "bad_code", "census_tract"),
        ({"census_tract": "06001-4001.00"}, "bad_code", "census_tract"),
        ({"hpi_percentile": d("100.5")}, "impossible_value", "hpi_percentile"),
        ({"hpi_percentile": d(-1)}, "impossible_value", "hpi_percentile"),
        ({"effective_to": dt.date(2019, 1, 1)}, "end_before_start", "effective_to"),
        ({"address": ""}, "missing_value", "address"),
        ({"practice_id": ""}, "missing_value", "practice_id"),
    ],
)
def test_a_site_that_is_nowhere_is_refused_at_the_door(changes: dict[str, Any], reason: str, field: str) -> None:
    found = validation.refusal(site("S1", **changes), dt.date(2025, 6, 1))
    assert found is not None
    assert (found.reason, found.field) == (reason, field)
    assert validation.refusal(site("S1"), dt.date(2025, 6, 1)) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"hpi_percentile": d("250")}, "hpi_percentile"),
        ({"hpi_percentile": d("-0.1")}, "hpi_percentile"),
        ({"hpi_percentile": d("NaN")}, "hpi_percentile"),
        ({"type_override": "family"}, "type_override"),
    ],
)
async def test_a_practice_by_which_nobody_could_be_paid_is_refused_at_the_door_and_stops_no_close(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    plain = Practice(
        practice_id="A",  # type: ignore[arg-type]
        name="A",
        participating=True,
        effective_from=dt.date(2020, 1, 1),
    )
    found = validation.refusal(msgspec.structs.replace(plain, **changes), dt.date(2025, 6, 1))
    assert found is not None
    assert found.field == field
    assert validation.refusal(msgspec.structs.replace(plain, type_override="adult"), dt.date(2025, 6, 1)) is None
    # One that an earlier release has let in: nobody is paid by it, and the close says why.
    let_in = msgspec.structs.replace(plain, hpi_percentile=d("250"))
    said = await worked(tmp_path, contract(**B), let_in, TICKED, *panel("2025-07", people(1)))
    assert said.states == []
    assert said.closes[-1].message == (
        "no statement was made: practice A with acme: HPI percentile 250 does not lie in 0 to 100: correct the practice record or "
        "the table."
    )


FACTORS = """gender,age_from,age_to,factor
F,0,34,1.0
F,35,44,1.05
F,45,54,1.0
F,55,,1.42
M,0,17,0.92
M,18,34,1.0
M,35,44,0.78
M,45,,1.0
"""


def supplied(kind: str, digest: str) -> Table:
    return Table(kind=kind, name=kind, version="1", digest=digest, activated_from=dt.date(2025, 1, 1))


@pytest.mark.parametrize(("kind", "text"), [("age_gender_factors", FACTORS), ("hpi", SCORES)])
async def test_a_table_that_contracts_pay_by_is_taken_up_and_told_to_no_member(
    tmp_path: Path, kind: str, text: str
) -> None:
    said = await worked(tmp_path, supplied(kind, table(tmp_path, "supplied.csv", text)))
    assert (said.refused, said.broadcast) == ([], 0)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("age_gender_factors", "gender,age_from,age_to,factor\nF,35,30,1\n", "band F35-30 ends before it starts"),
        ("hpi", "census_tract,percentile\n06001400100,101\n", "101 does not lie in 0 to 100"),
        ("hpi", "tract,percentile\n06001400100,5\n", "has no column census_tract"),
        ("hpi_scores", SCORES, "are unknown to this release: it knows age_gender_factors, "),
    ],
)
async def test_a_table_that_cannot_be_paid_by_waits_in_quarantine(
    tmp_path: Path, kind: str, text: str, says: str
) -> None:
    said = await worked(tmp_path, supplied(kind, table(tmp_path, "supplied.csv", text)))
    assert [reason for reason, _ in said.refused] == ["unusable_table"]
    assert says in said.refused[0][1]


async def test_the_month_of_the_specification_through_a_frozen_panel(tmp_path: Path) -> None:
    """1,200 members at 4.00 with the specification's factors, of a plan whose members on panels average 1.

    Practice A's 1,200 count 1,257; 6 men of practice Z at 0.78 and 696 boys at 0.92 count 57 less than they are.
    """
    alike = [("A", "F", 40, 400), ("A", "M", 40, 350), ("A", "F", 60, 300), ("A", "M", 10, 150)]
    others = [("Z", "M", 40, 6), ("Z", "M", 10, 696)]
    everybody = [
        PeopleCount(payer="acme", practice_id=practice, product="PPO", gender=gender, age=age, members=members // 2)  # type: ignore[arg-type]
        for practice, gender, age, members in (*alike, *others)
    ]
    amounts = []
    for decile in (None, 7, 3, 1):
        folder = tmp_path / str(decile)
        uses = [{"kind": "age_gender_factors", "name": "f", "version": "1", "digest": table(folder, "f.csv", FACTORS)}]
        where = [site("S1", hpi_percentile=d(10 * (decile or 10) - 5))]
        of = contract(phm_pmpm="4.00", tables=uses, policies={"adjust_element_2": decile is not None})
        amounts.append(difference(await worked(folder, of, *where, TICKED, *panel("2025-07", *everybody))))
    assert amounts == [d("4800.00"), d("5028.00"), d("5178.84"), d("5279.40")]
