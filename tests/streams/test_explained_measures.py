"""Explain --measure: steps with their facts, the gap and the credit, from files and from a worker's state."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.program import app
from schemas.records import Claim, ClaimLine, Tick
from tests.event_files import Event, claim, practice_result, reference, seen, span, write
from tests.streams.test_explaining_from_state import kept
from tests.streams.test_measured_members import P1, ROSTER, edition_table, mammogram, woman
from tests.streams.test_member_partition import Log
from tests.streams.test_member_partition import claim as visit

D = "2025-12-31"
WOMAN = {"birth_date": "1965-05-05"}


def lines(ended: Any) -> list[str]:
    assert ended.exit_code == 0, ended.exception
    return [" ".join(line.split()) for line in ended.stdout.splitlines()]


def from_files(folder: Path, events: list[Event], *more: str) -> Any:
    path = write(folder / "events.ndjson", [*reference(), *events])
    asked = ["explain", "--payer", "acme", "--member", "M", "--files", str(path), "--as-of", D]
    return CliRunner().invoke(app(), [*asked, "--edition", "capc-2025", "--period", "rolling", *more])


def from_state(folder: Path, *more: str) -> Any:
    asked = ["explain", "--payer", "aetna", "--member", "1", "--state", str(folder), *more]
    return CliRunner().invoke(app(), asked, env={"PANELSTREAM_PARTITIONS": "1"})


def said(event: Event, **changes: Any) -> Event:
    event["lines"][0].update(changes)
    return event


def removed(on: str) -> Event:
    """A claim of that day that says that both breasts are gone."""
    return claim((on, "A", "1"), "Z1", diagnosis_codes=["Z90.13"], diagnosis_code_type="icd-10-cm")


def hypertensive() -> list[Event]:
    visits = seen(("2025-02-01", "A", "1"), ("2025-03-01", "A", "1"))
    return [visits[0], *({**one, "diagnosis_codes": ["I10"], "diagnosis_code_type": "icd-10-cm"} for one in visits[1:])]


def test_an_exclusion_is_told_with_the_claim_that_says_it(tmp_path: Path) -> None:
    told = lines(from_files(tmp_path, [span(**WOMAN), removed("2019-04-01")], "--measure", "BCS"))
    assert "rate screened: excluded from the denominator" in told
    assert "exclusion yes both breasts removed: Z1" in told
    assert "gap none: the member is excluded" in told
    assert "fact Z1: 2019-04-01, claim, ICD10CM Z9013" in told


def test_an_open_gap_comes_with_what_closes_it_and_until_when(tmp_path: Path) -> None:
    told = lines(from_files(tmp_path, [span(**WOMAN), *seen(("2025-05-02", "B", "9"))[1:]], "--measure", "bcs"))
    assert "rate screened: in the denominator, not in the numerator" in told
    assert "gap open; closed with a mammogram, by 2025-12-31" in told
    assert "credit B: attributed by step claims_12 on 2025-12-31" in told


def test_a_gap_that_cannot_be_closed_yet_says_from_when_it_can(tmp_path: Path) -> None:
    asked = ["--measure", "CIS", "--as-of", "2024-01-15", "--period", "2025-01-01..2025-12-31"]
    told = lines(from_files(tmp_path, [span(birth_date="2023-11-20", enrollment_start_date="2023-11-20")], *asked))
    assert any(line.startswith("gap not yet: it cannot be closed before 20") for line in told)


def test_a_member_outside_is_told_the_step_that_keeps_them_out(tmp_path: Path) -> None:
    told = lines(from_files(tmp_path, [span(**{**WOMAN, "enrollment_start_date": "2025-06-01"})], "--measure", "BCS"))
    at = told.index("result not in the initial population")
    assert told[at + 1 : at + 4] == [
        "population yes a woman",
        "population yes aged 52 to 74 on the last day of the period",
        "population no continuously enrolled (medical) from 2023-10-01 to 2025-12-31, and on that day",
    ]
    assert not any(line.startswith(("credit", "rate")) for line in told)
    assert [line for line in told if line.startswith("no cover")] == [
        "no cover medical, 2023-10-01 to 2025-05-31: 609 days",
        "no cover pharmacy, 2023-10-01 to 2025-05-31: 609 days",
    ]


def test_a_gap_of_46_days_is_told_to_whoever_asks_why_a_member_is_not_enrolled(tmp_path: Path) -> None:
    spans = [
        span(**{**WOMAN, "enrollment_start_date": "2020-01-01", "enrollment_end_date": "2025-03-31"}),
        span(**{**WOMAN, "span_id": "T", "enrollment_start_date": "2025-05-17"}),
    ]
    told = lines(from_files(tmp_path, spans, "--measure", "BCS"))
    assert "no cover medical, 2025-04-01 to 2025-05-16: 46 days" in told


def test_steps_of_several_rates_are_told_once(tmp_path: Path) -> None:
    glucose = claim(("2025-02-01", "A", "1"), "G1", diagnosis_codes=["E11.9"], diagnosis_code_type="icd-10-cm")
    again = claim(("2025-04-01", "A", "1"), "G2", diagnosis_codes=["E11.65"], diagnosis_code_type="icd-10-cm")
    told = lines(from_files(tmp_path, [span(**WOMAN), glucose, again], "--measure", "GSD"))
    assert [line.split(":")[0] for line in told if line.startswith("rate ")] == ["rate lt8", "rate gt9"]
    assert sum(line.startswith("population yes diabetes diagnosed on 2 dates") for line in told) == 1
    assert "rate gt9: in the denominator, in the numerator, which is the gap" in told


def test_a_total_tells_no_step_again_and_how_often_it_counts(tmp_path: Path) -> None:
    visits = [
        {**one, "diagnosis_codes": ["F33.1"], "diagnosis_code_type": "icd-10-cm"}
        for one in seen(("2025-02-01", "A", "1"), ("2025-09-01", "A", "1"))[1:]
    ]
    told = lines(from_files(tmp_path, [span(**WOMAN), *visits], "--measure", "DMS"))
    assert "rate assessed: in the denominator 2 times, not in the numerator" in told
    assert not any(line.startswith("step ") for line in told)
    assert sum(line.startswith("gap open") for line in told) == 2


def test_the_cost_of_care_is_credited_by_months(tmp_path: Path) -> None:
    events = [span(**WOMAN), *seen(("2025-01-01", "A", "1"), ("2025-04-02", "B", "9"), ("2025-04-03", "B", "9"))[1:]]
    told = lines(from_files(tmp_path, events, "--measure", "TCOC"))
    assert "credit B: most attributed months up to 2025-12-31 (A 4, B 8)" in told


@pytest.mark.parametrize(
    ("state", "reason", "says"),
    [
        ("submitted", None, "submitted by the practice: initial and final readings count it once the plan has accepted it"),
        ("accepted", None, "submitted by the practice, accepted by the plan"),
        ("rejected", "no document", None),
    ],
)  # fmt: skip
def test_a_result_of_a_practice_is_told_with_its_state(
    tmp_path: Path, state: str, reason: str | None, says: str | None
) -> None:
    parts = [
        practice_result("8480-6", "128", "mm[Hg]", state=state, reason=reason),
        practice_result("8462-4", "79", "mm[Hg]", result_id="R2", state=state, reason=reason),
    ]
    told = lines(from_files(tmp_path, [*hypertensive(), *parts], "--measure", "CBP"))
    facts = [line for line in told if line.startswith("fact R")]
    assert facts == (
        []
        if says is None
        else [
            f"fact R1: 2025-10-01, practice_result, LOINC 8480-6 = 128 mm[Hg]; {says}",
            f"fact R2: 2025-10-01, practice_result, LOINC 8462-4 = 79 mm[Hg]; {says}",
        ]
    )
    assert ("rate controlled: in the denominator, in the numerator" in told) == (says is not None)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--measure", "XYZ"], "There is no measure XYZ: the measures are AHU"),
        (["--measure", "BCS", "--period", "P9"], "'P9' is no period"),
        (["--measure", "BCS", "--period", "2025-12-31..2025-01-01"], "is no period"),
        (["--measure", "BCS", "--edition", "capc-1999"], "there is no edition 'capc-1999'"),
        (["--measure", "EDU", "--edition", "cms-2025"], "cms-2025 has no measure EDU"),
        (["--measure", "BCS", "--edition", "cms-2025"], "value sets that are not loaded"),
        ([], "go with --measure"),
    ],
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, asked: list[str], says: str) -> None:
    ended = from_files(tmp_path, [span()], *asked)
    assert ended.exit_code != 0
    assert says in str(ended.exception)


def test_files_that_put_no_edition_in_force_need_one_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "events.ndjson", [*reference(), span()])
    asked = ["explain", "--payer", "acme", "--member", "M", "--files", str(path), "--as-of", D, "--measure", "BCS"]
    ended = CliRunner().invoke(app(), asked)
    assert "name one with --edition" in str(ended.exception)


def measured() -> Log:
    """A woman of practice A, later seen elsewhere, with a mammogram of May 2024; P1 is the year 2024."""
    log = Log().control(ROSTER, P1, edition_table(), Tick(date=dt.date(2025, 2, 10)))
    log.add(woman("1"), visit("1", "V1", dt.date(2024, 6, 3)), mammogram("1", "M1", dt.date(2024, 5, 6)))
    return log.add(visit("1", "V2", dt.date(2025, 1, 3), tin="950000002", npi="1245319599"))


async def test_a_state_file_answers_for_the_editions_in_force_and_the_periods_that_are_open(tmp_path: Path) -> None:
    await kept(tmp_path, measured())
    found = json.loads(from_state(tmp_path, "--measure", "BCS", "--json").stdout)
    assert found["as_of"] == "2025-02-10"
    told = [(one["edition"], one["period"], one["period_end"]) for one in found["measures"]]
    assert told == [("capc-2025", "P1", "2024-12-31"), ("capc-2025", "rolling", "2025-02-28")]
    assert [one["credit"]["practice_id"] for one in found["measures"]] == ["A", "TIN:950000002"]
    assert [one["rates"][0]["numerator"] for one in found["measures"]] == [1, 1]
    assert found["measures"][0]["facts"] == [
        {
            "evidence": "M1",
            "kind": "claim",
            "date": "2024-05-06",
            "codes": ["CPT 77067"],
            "value": None,
            "unit": "",
            "state": "",
        }
    ]


async def test_a_state_file_answers_for_other_editions_periods_and_days_too(tmp_path: Path) -> None:
    await kept(tmp_path, measured())
    asked = ["--measure", "BCS", "--edition", "capc-2024", "--period", "P1", "--as-of", "2024-05-05", "--json"]
    (one,) = json.loads(from_state(tmp_path, *asked).stdout)["measures"]
    assert (one["edition"], one["period"], one["credit"]["practice_id"]) == ("capc-2024", "P1", None)
    assert one["rates"][0]["numerator"] == 0  # the mammogram is of the next day


async def test_state_and_files_say_the_same(tmp_path: Path) -> None:
    from tests.streams.test_member_partition import CODEC

    await kept(tmp_path, measured())
    line = ClaimLine(
        claim_line_number=1,
        claim_line_start_date=dt.date(2024, 5, 6),
        hcpcs_code="77067",
        place_of_service_code="11",
    )
    records: list[Any] = [
        ROSTER,
        woman("1"),
        visit("1", "V1", dt.date(2024, 6, 3)),
        visit("1", "M1", dt.date(2024, 5, 6), lines=(line,)),
        visit("1", "V2", dt.date(2025, 1, 3), tin="950000002", npi="1245319599"),
    ]
    assert isinstance(records[3], Claim)
    file = tmp_path / "events.ndjson"
    file.write_text("".join(CODEC.to_json(one) + "\n" for one in records))
    asked = ["--measure", "BCS", "--edition", "capc-2025", "--period", "2024-01-01..2024-12-31", "--json"]
    named = ["explain", "--payer", "aetna", "--member", "1", "--as-of", "2025-02-10", *asked]
    by_files = json.loads(CliRunner().invoke(app(), [*named, "--files", str(file)]).stdout)
    by_state = json.loads(from_state(tmp_path, *asked).stdout)
    assert by_files["measures"] == by_state["measures"]
