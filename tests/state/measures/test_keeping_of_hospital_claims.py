"""What is kept of a claim for EDU, AHU and TCOC: nothing more than their rules read, and all of it once tables are supplied."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from schemas.records import ClaimLine, Position
from state.ledger.rows import History, Sighting, Statement
from state.measures.editions import Bound, built_in, wanted_by
from state.measures.facts import KeptClaim
from state.measures.keeping import kept_of
from state.measures.measure_tables import NO_TABLES, MeasureTables
from state.reference.starter_sets import starter_sets
from tests import builders
from tests.state.measures.hospital_claims import supplied

DAY = dt.date(2025, 3, 1)
WEIGHTS = supplied(
    rau_weights="row,code,cc,ranking_group,rank,hcc,parts,measure,model,gender,ages,weight\n"
    "cc,E11.9,19,,,,,,,,,\nweight,,,,,,,EDU,logistic,,,-2\nweight,,,,,,,EDU,count,,,0.25\n"
)
PRICES = supplied(tcoc_prices="code_system,code,modifier,per,price\nCPT,99213,,unit,90\n")


def line(code: str = "", revenue: str = "", place: str = "11") -> ClaimLine:
    return ClaimLine(
        claim_line_number=1,
        claim_line_start_date=DAY,
        hcpcs_code=code or None,
        revenue_center_code=revenue or None,
        place_of_service_code=place or None,
        allowed_amount=Decimal(100),
    )


def kept(
    *lines: ClaimLine, measures: tuple[str, ...] = ("AHU", "EDU"), tables: MeasureTables = NO_TABLES, **changes: Any
) -> KeptClaim | None:
    body = builders.claim("C1", *lines, **changes)
    row = History([Statement(b"", body, [Sighting("1", Position("claims", 0, 0), None)])], ["C1"])
    bound = Bound(built_in("capc-2025").only(measures), starter_sets(), tables)
    found = kept_of("c:C1", row, wanted_by([bound]), allow_reopen=False)
    assert found is None or isinstance(found, KeptClaim)
    return found


ROOM = line(revenue="0450", place="")


@pytest.mark.parametrize("code", ["36415", "90834", "90870", "99213"])
def test_what_counts_only_in_an_emergency_room_is_not_kept_from_an_office(code: str) -> None:
    assert kept(line(code)) is None


@pytest.mark.parametrize("code", ["36415", "90791", "90870", "99284"])
def test_what_was_done_in_an_emergency_room_is_kept(code: str) -> None:
    found = kept(line(code, place="23"))
    assert found is not None
    assert [one.hcpcs for one in found.lines] == [code]


def test_a_visit_is_kept_with_what_is_read_beside_it_and_its_principal_diagnosis() -> None:
    found = kept(ROOM, line("90870", place=""), line("80053", place=""), diagnosis_codes=("F329", "J189"))
    assert found is not None
    assert sorted(one.hcpcs or one.revenue for one in found.lines) == ["0450", "90870"]
    assert (found.principal, found.diagnoses) == ("F329", ("F329",))


def test_a_diagnosis_that_drops_a_stay_is_no_reason_to_keep_an_office_visit() -> None:
    assert kept(line("99213"), diagnosis_codes=("F329", "O80", "Z5111")) is None


def test_the_same_diagnosis_is_kept_where_another_measure_reads_it() -> None:
    assert kept(line("99999"), measures=("EDU", "DMS"), diagnosis_codes=("F329",)) is not None


def test_diagnoses_that_weigh_are_kept_with_the_contact_once_weights_are_supplied() -> None:
    assert kept(line("99213"), diagnosis_codes=("E119",)) is None
    found = kept(line("99213"), tables=WEIGHTS, diagnosis_codes=("M545", "E119"))
    assert found is not None
    assert (found.diagnoses, [one.hcpcs for one in found.lines]) == (("E119",), ["99213"])
    assert kept(line("80053"), tables=WEIGHTS, diagnosis_codes=("E119",)) is None


def test_every_line_that_could_have_a_price_is_kept_once_prices_are_supplied() -> None:
    lines = (line("99213"), line("80053"), line(revenue="0300", place=""))
    assert kept(*lines, measures=("TCOC",)) is None
    found = kept(*lines, measures=("TCOC",), tables=PRICES)
    assert found is not None
    assert [one.allowed for one in found.lines] == [Decimal(100)] * 3


def test_a_denied_claim_is_kept_as_denied() -> None:
    found = kept(ROOM, claim_status="denied")
    assert found is not None
    assert found.denied
