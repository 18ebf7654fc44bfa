"""Claims, a retro-termination and a void after a panel's close, on a real Kafka: the next close adjusts what was stated."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from schemas.money import TableUse
from schemas.records import Claim, ClaimLine, Enrollment, Practice, Provider, Site, Table
from state.payment import money_ledger
from state.payment.program_tables import parse_classes, shipped
from state.reference.tables import TableStore
from tests.fixtures.workers import Service
from tests.kafka.test_statements import contract, money, run
from tests.panels_to_money import table

NPI = "1234567893"
PAYER, PRACTICE = "aetna", "B"
JUNE_30, JULY_31 = dt.date(2025, 6, 30), dt.date(2025, 7, 31)


def claim(member: str, number: str, day: dt.date, code: str, allowed: str, **changes: Any) -> Claim:
    line = ClaimLine(
        claim_line_number=1,
        claim_line_start_date=day,
        hcpcs_code=code,
        place_of_service_code="11",
        rendering_npi=NPI,  # type: ignore[arg-type]
        rendering_taxonomy="207Q00000X",
        allowed_amount=Decimal(allowed),
        paid_amount=Decimal(0),
    )
    given: dict[str, Any] = {
        "payer": PAYER,
        "member_id": member,
        "payer_claim_control_number": number,
        "claim_frequency_code": "1",
        "claim_status": "paid",
        "claim_type": "professional",
        "billing_tin": "950000001",
        "lines": (line,),
    }
    return Claim(**{**given, **changes})


def span(member: str, version: int = 1, end: dt.date | None = None) -> Enrollment:
    return Enrollment(
        payer=PAYER,  # type: ignore[arg-type]
        member_id=member,  # type: ignore[arg-type]
        span_id="S1",
        span_version=version,
        enrollment_start_date=dt.date(2024, 1, 1),
        enrollment_end_date=end,
        product="PPO",
        line_of_business="commercial",
        birth_date=dt.date(1980, 1, 1),
        gender="F",
    )


def reference(tables: Path) -> list[Any]:
    """A practice with one clinician and one site, and its contract: 20.00 capitation, 4.00 population health.

    Of the printed classes of track B, what the guide leaves open is fee for service. Its tables are laid where the service finds them: all
    members count 1, and the site's HPI adds nothing.
    """
    supplied = {
        "age_gender_factors": "gender,age_from,age_to,factor\nF,0,,1\nM,0,,1\n",
        "hpi": "census_tract,percentile\n06001400100,95\n",
    }
    records = []
    for kind, text in supplied.items():
        digest = table(tables, f"{kind}.csv", text)
        records.append(Table(kind=kind, name=kind, version="1", digest=digest, activated_from=dt.date(2025, 1, 1)))
    roster = Provider(
        npi=NPI,  # type: ignore[arg-type]
        practice_id=PRACTICE,  # type: ignore[arg-type]
        tin="950000001",  # type: ignore[arg-type]
        taxonomy_code="207Q00000X",
        is_pcp=True,
        effective_from=dt.date(2020, 1, 1),
        roster_version=1,
    )
    practice = Practice(
        practice_id=PRACTICE,  # type: ignore[arg-type]
        name="Practice B",
        participating=True,
        effective_from=dt.date(2020, 1, 1),
    )
    site = Site(
        practice_id=PRACTICE,  # type: ignore[arg-type]
        site_id="S1",
        address="1 Main Street, Oakland",
        census_tract="06001400100",
        effective_from=dt.date(2020, 1, 1),
        main=True,
    )
    uses = tuple(TableUse(kind=one.kind, name=one.name, version=one.version, digest=one.digest) for one in records)  # type: ignore[arg-type]
    track_b = contract(
        PAYER,
        PRACTICE,
        track="B",
        capitation_pmpm=Decimal("20.00"),
        capitated_places_of_service=("11",),
        service_classes=tuple(
            msgspec.structs.replace(one, column=one.column or "fee_for_service")
            for one in parse_classes(shipped(TableStore(), "service_classes_b"))
        ),
        tables=uses,
    )
    return [roster, practice, site, *records, track_b]


def test_a_retro_termination_and_a_void_are_adjusted_with_the_next_panel(service: Service) -> None:
    """Worked out by hand.

    July: 4 members x (20.00 + 4.00) = 96.00. Then member 1 turns out to have left in June, and member 2's one visit is void: 2 remain,
    2 x 24.00 = 48.00. Their visits of 120.00 and 75.50 in July were capitated and are fee for service now: 48.00 + 195.50 = 243.50, that is
    147.50 more. August: member 2 is back by the visit of July: 3 x 24.00 = 72.00.
    """
    service.publish(reference(service.settings.tables))
    service.tick(JUNE_30)
    service.start()
    service.settle()
    may = dt.date(2025, 5, 1)
    members = ("0", "1", "2", "3")
    service.publish([fact for one in members for fact in (span(one), claim(one, f"V{one}", may, "99213", "110.00"))])
    refused = [(record.reason, record.message) for _, record, _ in service.read("quarantine")]
    assert refused == []
    status, said = run(service, "close", "2025-07", "--reading", "panel", "--actor", "ann")
    assert status == 0, said
    assert "1 statement drafted, 96.00 dollars" in said

    july = dt.date(2025, 7, 9)
    void = {"claim_frequency_code": "8", "claim_status": "reversed"}
    service.publish(
        [
            claim("0", "C0", july, "99214", "200.00"),
            claim("1", "C1", july, "99213", "120.00"),
            claim("1", "C2", july, "99395", "80.00"),
            claim("2", "C3", july, "99213", "75.50"),
            span("1", 2, dt.date(2025, 6, 15)),
            claim("2", "V2", may, "99213", "110.00", **void),
        ]
    )
    service.settle()
    service.tick(JULY_31)
    status, said = run(service, "close", "2025-08", "--reading", "panel", "--actor", "ann")
    assert status == 0, said
    assert "1 statement drafted, 72.00 dollars; 1 statement of earlier months adjusted, 147.50 dollars" in said

    stated = [one.statement for one in money(service).statements.values()]
    first, adjusted, august = sorted(stated, key=lambda one: (one.period, one.reading != "panel"))
    assert (adjusted.reading, adjusted.settles) == ("adjustment", first.statement_id)
    assert (adjusted.previously_stated, adjusted.total, adjusted.difference) == (
        Decimal("96.00"),
        Decimal("243.50"),
        Decimal("147.50"),
    )
    assert [(line.kind, line.amount, line.information) for line in adjusted.lines] == [
        ("capitation", Decimal("40.00"), None),
        ("turnaround", Decimal("195.50"), None),
        ("fee_for_service", Decimal("0.00"), Decimal("80.00")),
        ("fee_for_service", Decimal("0.00"), Decimal("195.50")),
        ("capitated_services", Decimal("0.00"), Decimal("200.00")),
        ("population_health", Decimal("8.00"), None),
    ]
    assert august.total == Decimal("72.00")
    assert money_ledger.disagreements(money(service).entries, stated) == ()
