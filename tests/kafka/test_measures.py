"""Measures on a real Kafka: what is said live, through kills and rebalances, is what `replay` says of the same log, line by line."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import random
import signal
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from ops.program import app
from schemas.records import (
    Claim,
    ClaimLine,
    Clinical,
    Enrollment,
    Period,
    PracticeId,
    PracticeResult,
    SurveyResult,
    Table,
)
from schemas.unions import Record
from state.calendar import from_date
from state.measures.editions import FOLDER
from state.measures.measuring import of_program, rolling
from state.measures.results import period_named
from streams import exporting
from tests.fixtures.facts import TICKS, facts
from tests.fixtures.workers import SMALL_STEPS, Service
from tests.kafka.test_faults import end
from tests.kafka.test_log_export import frozen, replayed, silent

P2 = Period(
    period="P2",
    performance_end=dt.date(2025, 6, 30),
    k1=dt.date(2025, 9, 28),
    k2=dt.date(2025, 12, 27),
    pool_from=dt.date(2025, 1, 1),
    pool_months=6,
)
SURVEY = SurveyResult(
    practice_id=PracticeId("P"),
    survey="CG-CAHPS",
    survey_version="3.1 adult",
    period="P2",
    composite="access",
    value=Decimal("61.4"),
    n=112,
)
SCREENINGS = ("77067", "45378", "82274", "83036", "3044F", "3074F", "3078F", "99213")


def edition(name: str) -> Table:
    digest = hashlib.sha256((FOLDER / f"{name}.toml").read_bytes()).hexdigest()
    return Table(kind="editions", name=name, version="1", digest=digest, activated_from=dt.date(2024, 1, 1))


def measured(seed: int) -> tuple[list[Record], list[Record]]:
    """A population with what measures look at: screenings, results of charts and practices; some of it void, repeated, undecided."""
    chance = random.Random(seed)
    sent = facts(60, 5)
    more: list[Record] = []
    for span in [one for one in sent.members if isinstance(one, Enrollment)]:
        for number in range(3):
            day = dt.date(2024, 2, 1) + dt.timedelta(days=chance.randint(0, 500))
            line = ClaimLine(claim_line_number=1, claim_line_start_date=day, hcpcs_code=chance.choice(SCREENINGS))
            claim = Claim(
                payer=span.payer,
                member_id=span.member_id,
                payer_claim_control_number=f"M{span.member_id}-{number}",
                claim_frequency_code="1",
                claim_status="paid",
                claim_type="professional",
                lines=(line,),
                diagnosis_codes=(chance.choice(("I10", "E11.9", "Z00.00")),),
            )
            more.append(claim)
            if chance.random() < 0.2:
                more.append(Claim(**{**_fields(claim), "claim_frequency_code": "8", "claim_status": "reversed"}))
            if chance.random() < 0.2:
                more.append(claim)
        more.append(
            Clinical(
                payer=span.payer,
                member_id=span.member_id,
                record_id="A1C",
                record_version=chance.randint(1, 2),
                kind="observation",
                code_system="http://loinc.org",
                code="4548-4",
                start="2025-03-05",
                value=Decimal(chance.choice((6, 8, 10))),
                unit="%",
                status="final",
                category="laboratory",
            )
        )
        state = chance.choice(("submitted", "accepted", "rejected"))
        more.append(
            PracticeResult(
                payer=span.payer,
                member_id=span.member_id,
                practice_id="P",  # type: ignore[arg-type]
                result_id="R1",
                result_version=1,
                code_system="LOINC",
                code="4548-4",
                date=dt.date(2025, 5, 5),
                document_ref="chart",
                state=state,  # type: ignore[arg-type]
                value=Decimal(8),
                unit="%",
                reason="unreadable",
            )
        )
    members = [*sent.members, *more]
    chance.shuffle(members)
    return [*sent.reference, P2, edition("capc-2025")], members


def _fields(claim: Claim) -> dict[str, Any]:
    return {name: getattr(claim, name) for name in claim.__struct_fields__}


@pytest.mark.parametrize("fault", ["none", "after_commit:3", "before_relay:4", "joins and leaves"])
def test_what_is_said_live_is_what_replay_says_of_the_same_log(service: Service, tmp_path: Path, fault: str) -> None:
    reference, members = measured(7)
    half = len(members) // 2
    service.publish(reference[:-1])
    service.publish(members[:half])
    service.tick(TICKS[0])
    killed = "" if ":" not in fault else fault
    worker = service.start(failpoint=killed, alter=SMALL_STEPS)
    if killed:
        assert worker.ended() == -signal.SIGKILL
        service.start("again")
    # The edition comes into force in the middle of work.
    service.publish(reference[-1:])
    for date in TICKS[1:3]:
        service.tick(date)
    if fault == "joins and leaves":
        second = service.start("second")
        service.wait_until(lambda: service.owners() == 2, "shared by two")
    service.publish(members[half:])
    if fault == "joins and leaves":
        service.at_work(5)
        second.send(signal.SIGTERM)
        assert second.ended() == 0
    service.tick(TICKS[3])
    service.settle()
    end(service)
    exporting.export(service.settings, service.codec, tmp_path / "log", silent)

    windows = {"rolling": rolling(from_date(TICKS[3])), "P2": of_program(P2)}
    out = tmp_path / "out"
    periods = [part for period in windows.values() for part in ("--period", period_named(period))]
    files = sorted(map(str, (tmp_path / "log").glob("*.ndjson")))
    asked = ["replay", *files, "--as-of", str(TICKS[3]), "--edition", "capc-2025", *periods, "--out", str(out)]
    result = CliRunner().invoke(app(), asked)
    assert result.exit_code == 0, result.output

    names = {period_named(period): window for window, period in windows.items()}
    wanted = {
        line.replace(f",{named},", f",{window},", 1)
        for line in (out / "measures.csv").read_text().splitlines()[1:]
        for named, window in names.items()
        if f",{named}," in line
    }
    assert said_live(service) == wanted
    assert len(wanted) > 200
    assert sums_live(service) == sums_replayed(out / "rates.csv", names)


def test_a_period_is_closed_with_its_measures_and_proved_from_the_log(service: Service, tmp_path: Path) -> None:
    reference, members = measured(8)
    third = len(members) // 3
    service.publish(reference)
    service.publish(members[:third])
    service.tick(TICKS[0])
    service.start(alter=SMALL_STEPS)
    service.publish(members[third : 2 * third])
    service.tick(P2.k1)
    service.publish([SURVEY])
    initial = frozen(service, "P2", "initial", tmp_path / "initial")
    service.publish([*members[2 * third :], msgspec.structs.replace(SURVEY, value=Decimal(70))])
    service.tick(P2.k2)
    final = frozen(service, "P2", "final", tmp_path / "final")
    late = measured(9)[1]
    service.publish(late)
    service.settle()
    end(service)
    exporting.export(service.settings, service.codec, tmp_path / "log", silent)

    for name, snapshot in (("initial", initial), ("final", final)):
        out = tmp_path / f"{name}-again"
        result = replayed(tmp_path / "log", tmp_path / name / "manifest.json", out)
        assert result.exit_code == 0, result.output
        assert f"equal to {snapshot.close_id}" in result.output
        for file in ("panel.csv", "measures.csv", "rates.csv", "gaps.csv"):
            written = (tmp_path / name / file).read_bytes()
            assert (out / file).read_bytes() == written, file
            assert len(written.splitlines()) > 20, file
    assert (tmp_path / "initial" / "measures.csv").read_bytes() != (tmp_path / "final" / "measures.csv").read_bytes()
    for name, value in (("initial", "61.4"), ("final", "70")):
        last = (tmp_path / name / "rates.csv").read_text().splitlines()[-1]
        assert last.startswith(f"capc-2025,P2,{name},CAHPS,access,,P,,112,,{value},"), last
    changed = [record for _, record, _ in service.read("adjustments") if record.what.startswith("measure:capc-2025:")]
    assert changed, "what came after the final close changed nothing that was measured"
    assert all(one.close_id == final.close_id and one.before != one.after for one in changed)


def said_live(service: Service) -> set[str]:
    """The newest results and gaps of every member, as lines of measures.csv."""
    results = {key: record for key, record, _ in service.read("measures") if record is None or record.reading == "live"}
    gaps = {key: record for key, record, _ in service.read("gaps") if record is None or record.reading == "live"}
    lines = set()
    for key, record in results.items():
        if record is None:
            continue
        known = gaps.get(key)
        of_rate = {} if known is None else {gap.rate: gap for gap in known.gaps}
        for rate in record.rates:
            gap = of_rate.get(rate.rate)
            lines.add(
                ",".join(
                    _texts(
                        (
                            record.edition,
                            record.period,
                            record.reading,
                            record.measure,
                            rate.rate,
                            record.payer,
                            record.member_id,
                            record.practice_id,
                            rate.initial_population,
                            rate.denominator,
                            rate.denominator_exclusion,
                            rate.numerator,
                            rate.numerator_exclusion,
                            rate.denominator_exception,
                            gap and gap.status,
                            gap and gap.due_by,
                            ";".join(rate.evidence),
                        )
                    )
                )
            )
    return lines


def _texts(values: Iterable[object]) -> list[str]:
    return ["" if value is None else str(value) for value in values]


Place = tuple[str, ...]


def sums_live(service: Service) -> dict[Place, tuple[int, int]]:
    """The newest sums of every partition, added up."""
    found: dict[Place, tuple[int, int]] = defaultdict(lambda: (0, 0))
    newest = {key: record for key, record, _ in service.read("aggregates")}
    for one in newest.values():
        place = (one.period, one.measure, one.rate, one.payer, one.practice_id, one.stratum)
        found[place] = (found[place][0] + one.denominator, found[place][1] + one.numerator)
    return {place: pair for place, pair in found.items() if pair != (0, 0)}


def sums_replayed(path: Path, names: dict[str, str]) -> dict[Place, tuple[int, int]]:
    """The sums of rates.csv."""
    with path.open(newline="") as file:
        return {
            (
                names[row["period"]],
                row["measure"],
                row["rate"],
                row["payer"],
                row["practice_id"],
                row["stratum"],
            ): pair
            for row in csv.DictReader(file)
            if (pair := (int(row["denominator"]), int(row["numerator"]))) != (0, 0)
        }
