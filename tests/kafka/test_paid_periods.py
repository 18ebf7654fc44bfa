"""A period from claims to money on a real Kafka: baseline, initial, run-out, final, and a late claim after it, worked out by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from schemas.money import Contract, Statement
from schemas.records import Claim, Enrollment, Reading
from schemas.unions import Record
from state.payment import money_ledger
from streams import closing
from tests import builders
from tests.builders import line, roster_row
from tests.fixtures.workers import SMALL_STEPS, Service
from tests.kafka.test_log_export import silent
from tests.kafka.test_measures import edition
from tests.kafka.test_statements import money, run
from tests.paid_cases import P0, P2_WITH_BASELINE

PAYER, PRACTICE = "acme", "A"


def woman(member: str, version: int = 1, end: dt.date | None = None) -> Enrollment:
    """Sixty in 2025, so that BCS and COL ask of her; covered since 2020."""
    return builders.span(
        payer=PAYER,
        member_id=member,
        birth_date=dt.date(1965, 3, 1),
        span_version=version,
        **({} if end is None else {"enrollment_end_date": end}),
    )


def claimed(member: str, number: str, day: dt.date, code: str, **changes: Any) -> Claim:
    return builders.claim(number, line(day, hcpcs_code=code), payer=PAYER, member_id=member, **changes)


def terms() -> Contract:
    """The base payment of payment.md 4.5, and measures scored from two members on, since there are four."""
    return Contract(
        contract_id="C1",
        payer=PAYER,  # type: ignore[arg-type]
        practice_id=PRACTICE,  # type: ignore[arg-type]
        payee_name="Practice A Inc.",
        payee_tin="950000001",  # type: ignore[arg-type]
        track="A",
        effective_from=dt.date(2024, 7, 1),
        base_pmpm=Decimal("32.00"),
        incentive_max_pct=Decimal(15),
        minimum_denominators={"BCS": 2, "COL": 2},
    )


def known_at_first() -> list[Record]:
    """Four women who see practice A.

    Mammograms: the first of M1 and M2 count for P0 (April 2022 to June 2024) and P2 (April 2023 to June 2025), that of M3 for P2 alone.
    Colonoscopies: of M1 for both, of M2 and M3 for P2 alone.
    """
    members = ("M1", "M2", "M3", "M4")
    visits = [dt.date(2024, 3, 5), dt.date(2024, 11, 5), dt.date(2025, 5, 5)]
    return [
        *(woman(member) for member in members),
        *(claimed(member, f"V{member}-{day}", day, "99213") for member in members for day in visits),
        claimed("M1", "B1", dt.date(2024, 5, 6), "77067"),
        claimed("M2", "B2", dt.date(2023, 5, 8), "77067"),
        claimed("M3", "B3", dt.date(2025, 2, 3), "77067"),
        claimed("M1", "C1", dt.date(2020, 6, 1), "45378"),
        claimed("M2", "C2", dt.date(2024, 10, 1), "45378"),
        claimed("M3", "C3", dt.date(2024, 12, 2), "45378"),
    ]


def lines(statement: Statement) -> dict[str, tuple[str, str, str, str]]:
    """What is said of the measures that have a rate: rate, baseline, share and amount."""
    return {
        one.item: (str(one.rate), str(one.baseline), str(one.share_pct), str(one.amount))
        for one in statement.lines
        if one.rate is not None and one.outcome not in {"reserved", "unscored"}
    }


def closed(service: Service, period: str, reading: Reading) -> str:
    """A close by ann, and what it says."""
    snapshot = closing.request(
        service.settings, service.codec, period, reading, actor="ann", reason=None, retro_months=6, report=silent
    )
    assert snapshot.state == "complete"
    return snapshot.message or ""


def test_a_period_is_paid_from_claims_and_what_comes_late_settles_or_adjusts_it(
    service: Service,
) -> None:
    stated = _until_final(service)
    initial, final = stated

    # -- initial: the pool is 4 women x 6 months x 32.00 x 15% = 115.20.
    # BCS 3 of 4 after 2 of 4: (75 - 50) / (80 - 50) of the gap is closed: improvement, 4% of 115.20.
    # COL 3 of 4 after 1 of 4: above gold 67, 14%.
    assert (initial.pool, initial.practice_type) == (Decimal("115.20"), "adult")
    assert lines(initial) == {
        "BCS": ("75.00", "50.00", "4.0000", "4.61"),
        "COL": ("75.00", "25.00", "14.0000", "16.13"),
    }
    assert initial.total == Decimal("20.74")

    # -- final: M4 was not covered any more, B3 is void, C2 was no colonoscopy.
    # BCS 2 of 3 is below the minimum 70. COL 2 of 3: 9% + 5% x (66.67 - 63) / (67 - 63) = 13.5875%.
    # Scored are BCS and COL, 24 of 102: COL pays 115.20 x 13.5875% x 102/24 = 66.5244.
    assert lines(final) == {
        "BCS": ("66.67", "50.00", "0.0000", "0.00"),
        "COL": ("66.67", "25.00", "13.5875", "66.52"),
    }
    assert (final.settles, final.previously_stated, final.difference) == (
        initial.statement_id,
        Decimal("20.74"),
        Decimal("45.78"),
    )

    # -- after it: M3 has had a mammogram after all. The next close, a panel, adjusts.
    for one in stated:
        assert run(service, "statement", "release", one.statement_id, "--actor", "ben", "--reason", "checked")[0] == 0
    service.publish([_late()])
    service.tick(dt.date(2026, 1, 27))
    assert closed(service, "2026-02", "panel") == "1 statement of final readings adjusted, 48.68 dollars"
    adjusted = [one.statement for one in money(service).statements.values()][-1]
    # BCS 3 of 3 is above gold: 115.20 x 10% x 102/24 = 48.96, with COL 115.48: brought down to 115.20 in proportion.
    assert lines(adjusted) == {
        "BCS": ("100.00", "50.00", "10.0000", "48.84"),
        "COL": ("66.67", "25.00", "13.5875", "66.36"),
    }
    assert (adjusted.reading, adjusted.settles, adjusted.previously_stated, adjusted.difference) == (
        "adjustment",
        final.statement_id,
        Decimal("66.52"),
        Decimal("48.68"),
    )
    assert (
        run(service, "statement", "release", adjusted.statement_id, "--actor", "ben", "--reason", "late claim")[0] == 0
    )

    # -- the ledger: what is to be paid is what the last statement says, in three differences.
    entries = money(service).entries
    found = money_ledger.balance(entries, adjusted.payer, adjusted.practice_id)
    assert (found.earned, found.payable, found.carried) == (Decimal("115.20"), Decimal("115.20"), Decimal("0.00"))
    assert [one.amount for one in entries if one.kind == "stated"] == [
        Decimal("20.74"),
        Decimal("45.78"),
        Decimal("48.68"),
    ]
    moved = [one for _, one, _ in service.read("adjustments") if one.what == "measure:capc-2025:BCS:screened"]
    assert [(one.period, one.member_id, one.before, one.after, one.cause) for one in moved] == [
        ("P2", "M3", "0/1", "1/1", "claim")
    ]


def _until_final(on: Service) -> tuple[Statement, Statement]:
    on.publish([roster_row(), P0, P2_WITH_BASELINE, edition("capc-2025"), terms()])
    on.publish(known_at_first())
    on.tick(P0.k2)
    on.start(alter=SMALL_STEPS)
    on.settle()
    assert closed(on, "P0", "final") == ""
    on.tick(dt.date(2025, 5, 31))
    for month in range(1, 7):
        closed(on, f"2025-{month:02}", "panel")
    on.tick(P2_WITH_BASELINE.k1)
    assert closed(on, "P2", "initial") == "1 statement drafted, 20.74 dollars"
    on.publish(
        [
            woman("M4", version=2, end=dt.date(2025, 2, 28)),
            claimed("M3", "B3", dt.date(2025, 2, 3), "77067", claim_frequency_code="8", claim_status="reversed"),
            claimed("M2", "C2R", dt.date(2024, 10, 1), "99213", claim_frequency_code="7", original_claim_id="C2"),
        ]
    )
    on.tick(P2_WITH_BASELINE.k2)
    assert closed(on, "P2", "final") == "1 statement drafted, 45.78 dollars"
    initial, final = (one.statement for one in money(on).statements.values())
    return initial, final


def _late() -> Claim:
    return claimed("M3", "B4", dt.date(2025, 3, 3), "77067")
