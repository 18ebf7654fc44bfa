"""Money in the conductor without a broker: drafts at a close, release and hold, payments, annulment, and that the log alone decides."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP

from schemas.codec import Codec
from schemas.money import MoneySaid, PaymentPosted, StatementRelease
from schemas.records import Close, CloseAnnul, PeopleCount, Practice, Refused, Snapshot, Tick
from schemas.registry import EmbeddedRegistry
from state.payment import money_ledger
from state.reference.tables import TableStore
from state.stores.program import ProgramState
from streams.batching import Batch
from streams.conductor import Conductor
from streams.paying import key
from streams.rebuilding import LogRecord
from streams.statements import Money, gathered
from tests.money_cases import contract, d
from tests.paid_cases import answer as partial

CODEC = Codec(EmbeddedRegistry())
PARTITIONS = 2
JUNE, JULY, AUGUST, SEPTEMBER = (dt.date(2025, month, 1) for month in (6, 7, 8, 9))
B: dict[str, Any] = {
    "track": "B",
    "capitation_pmpm": "20.00",
    "phm_pmpm": "4.00",
    "capitated_places_of_service": ["11"],
    "service_classes": [{"name": "E&M 992xx", "codes": ["99202-99299"], "column": "capitated"}],
}


def people(members: int, practice: str = "A", age: int = 40, product: str = "PPO", payer: str = "acme") -> PeopleCount:
    return PeopleCount(payer=payer, practice_id=practice, product=product, gender="F", age=age, members=members)


def close(month: str, close_id: str = "", reading: Any = "panel") -> Close:
    return Close(close_id=close_id or f"{month}-{reading}", period=month, reading=reading, actor="ann")


def panel(month: str, *who: PeopleCount, close_id: str = "") -> list[Any]:
    """A panel closed by two partitions that have the same people."""
    one = close(month, close_id)
    return [one, *(partial(number, one.close_id, *who) for number in range(PARTITIONS))]


def released(statement_id: str, actor: str = "ben", action: Any = "release") -> StatementRelease:
    return StatementRelease(statement_id=statement_id, action=action, actor=actor, reason="checked")


def paid(statement_id: str, amount: str, trace_no: str = "T1") -> PaymentPosted:
    return PaymentPosted(
        payer="acme",  # type: ignore[arg-type]
        payee_tin="950000001",  # type: ignore[arg-type]
        statement_id=statement_id,
        amount=d(amount),
        date=dt.date(2025, 7, 10),
        trace_no=trace_no,
    )


class Said:
    """What the conductor has put out, in order."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.bytes = [(one.topic, one.key, one.partition, one.value) for one in rows if one.topic != "member-events"]
        decoded = [CODEC.decode_output(topic, value) for topic, _, _, value in self.bytes]
        self.records = [record for record, _ in decoded]
        self.broadcast = sum(one.topic == "member-events" for one in rows)
        self.money: Money = gathered(
            (version, record) for record, version in decoded if isinstance(record, MoneySaid) and version is not None
        )

    @property
    def states(self) -> list[tuple[str, str, Decimal]]:
        return [(one.statement.period, one.state, one.statement.difference) for one in self.money.statements.values()]

    @property
    def refused(self) -> list[tuple[str, str]]:
        return [(one.reason, one.message) for one in self.records if isinstance(one, Refused)]

    @property
    def closes(self) -> list[Snapshot]:
        return [one for one in self.records if isinstance(one, Snapshot)]

    def id_of(self, period: str) -> str:
        return next(name for name, one in self.money.statements.items() if one.statement.period == period)


async def worked(
    folder: Path,
    *records: Any,
    cuts: Sequence[int] = (),
    tables: Path | None = None,
    partitions: int = PARTITIONS,
) -> Said:
    """What the conductor makes of some records, killed after each of `cuts`; `tables`: the folder of tables, else the same."""
    log = [LogRecord("control", 0, place, 0, b"", CODEC.encode_control(one)) for place, one in enumerate(records)]
    rows: list[Any] = []
    for last in (*cuts, len(log)):
        state = await ProgramState.open(
            folder / "control.sqlite", topic="control", partition=0, partitions=1, patience=1
        )
        try:
            agent = Conductor(state, CODEC, prefix="", partitions=partitions, tables=TableStore([tables or folder]))
            await agent.apply(Batch(TP("control", 0), 1, 0, last, tuple(log[:last])))
            rows = await state.waiting(100_000)
        finally:
            await state.close()
    return Said(rows)


TICKED = Tick(date=dt.date(2025, 6, 27))


async def test_a_panel_makes_drafts_of_elements_1_and_2_and_the_ledger_holds_them(tmp_path: Path) -> None:
    said = await worked(tmp_path, contract(**B), TICKED, *panel("2025-07", people(100), people(50, "Z")))
    assert said.states == [("2025-07", "draft", d("4800.00"))]  # 200 x 20 + 200 x 4
    (standing,) = said.money.statements.values()
    assert [line.amount for line in standing.statement.lines] == [d("4000.00"), d("800.00")]
    assert standing.statement.snapshot.close_id == "2025-07-panel"
    assert [(one.kind, one.amount) for one in said.money.entries] == [("stated", d("4800.00"))]
    assert said.closes[-1].message == "1 statement drafted, 4,800.00 dollars"
    assert said.bytes[-1][0] == "snapshots"
    # Nobody but the conductor hears of a contract.
    assert said.broadcast == 2


async def test_age_gender_and_location_adjust_what_a_panel_pays(tmp_path: Path) -> None:
    factors = tmp_path / "factors.csv"
    rows = ["F,0,44,1.2", "F,45,,0.8", "M,0,44,1.2", "M,45,,0.8"]
    factors.write_text("gender,age_from,age_to,factor\n" + "\n".join(rows) + "\n")
    scores = tmp_path / "hpi.csv"
    scores.write_text("census_tract,percentile\n06001400100,5\n")
    digest = {one: hashlib.sha256(one.read_bytes()).hexdigest() for one in (factors, scores)}
    tables = [
        {"kind": "age_gender_factors", "name": "f", "version": "1", "digest": digest[factors]},
        {"kind": "hpi", "name": "h", "version": "3", "digest": digest[scores]},
    ]
    practice = Practice(
        practice_id="A",  # type: ignore[arg-type]
        name="A",
        participating=True,
        effective_from=dt.date(2020, 1, 1),
        census_tract="06001400100",
    )
    # Of the payer's 400 members on panels half are young: their average is 1. Practice A has the young ones.
    said = await worked(
        tmp_path,
        contract(**B, tables=tables),
        practice,
        TICKED,
        *panel("2025-07", people(100), people(100, "Z", age=60)),
    )
    # 200 x 1.2 x 1.05 (decile 1) x 20.00 and x 4.00
    assert said.states == [("2025-07", "draft", d("6048.00"))]
    (standing,) = said.money.statements.values()
    assert standing.statement.lines[0].factors[0].name.endswith("acme's members on the panels of 2025-07")


async def test_a_contract_for_some_plans_pays_for_their_members_only(tmp_path: Path) -> None:
    said = await worked(
        tmp_path, contract(**B, products=["HMO"]), TICKED, *panel("2025-07", people(100), people(3, product="HMO"))
    )
    assert said.states == [("2025-07", "draft", d("144.00"))]


async def test_a_contract_that_pays_nothing_by_the_month_has_no_monthly_statement(tmp_path: Path) -> None:
    said = await worked(tmp_path, contract(), TICKED, *panel("2025-07", people(100)))
    assert (said.states, said.closes[-1].message) == ([], None)


async def test_a_contract_that_comes_after_a_panel_pays_its_month_with_the_next_close_of_any_reading(
    tmp_path: Path,
) -> None:
    begun = [TICKED, *panel("2025-07", people(100)), contract(**B), Tick(date=dt.date(2025, 7, 30))]
    said = await worked(tmp_path, *begun, *panel("2025-08", people(100)), Tick(date=dt.date(2025, 8, 30)))
    assert said.states == [("2025-08", "draft", d("4800.00")), ("2025-07", "draft", d("4800.00"))]
    assert said.closes[-1].message == (
        "1 statement drafted, 4,800.00 dollars; "
        "1 statement of earlier months drafted, whose contracts came late, 4,800.00 dollars"
    )
    assert [one.statement.snapshot.close_id for one in said.money.statements.values()] == [
        "2025-08-panel",
        "2025-07-panel",
    ]
    # With the close after it nothing is stated again.
    again = await worked(
        tmp_path / "again", *begun, *panel("2025-08", people(100)), Tick(date=dt.date(2025, 8, 30)), *panel("2025-09")
    )
    assert again.states == [*said.states, ("2025-09", "draft", d("0.00"))]


async def test_a_contract_that_comes_after_the_retro_limit_of_a_panel_pays_its_month_nothing(tmp_path: Path) -> None:
    for place, (day, months) in enumerate((("2025-12-31", ["2026-02", "2025-07"]), ("2026-01-01", ["2026-02"]))):
        records = [TICKED, *panel("2025-07", people(100)), contract(**B), Tick(date=dt.date.fromisoformat(day))]
        said = await worked(tmp_path / str(place), *records, *panel("2026-02", people(100)))
        assert [month for month, *_ in said.states] == months


async def test_a_payer_whose_own_list_is_missing_is_not_stated(tmp_path: Path) -> None:
    asked = close("2025-07")
    answers = [partial(number, asked.close_id, not_frozen=("acme",)) for number in range(PARTITIONS)]
    said = await worked(tmp_path, contract(**B), TICKED, asked, *answers)
    assert said.states == []


async def test_a_quarter_is_stated_once_with_the_last_of_its_three_panels(tmp_path: Path) -> None:
    quarterly = contract(phm_pmpm="4.00", phm_frequency="quarterly", policies={"adjust_element_2": False})
    begun = [quarterly, TICKED, *panel("2025-07", people(10)), *panel("2025-08", people(11))]
    assert (await worked(tmp_path / "begun", *begun)).states == []
    begun += [Tick(date=dt.date(2025, 7, 31)), *panel("2025-09", people(12))]
    said = await worked(tmp_path / "done", *begun)
    assert said.states == [("2025-07", "draft", d("264.00"))]  # 4 x (20 + 22 + 24)
    (standing,) = said.money.statements.values()
    assert standing.statement.snapshot.close_id == "2025-07-panel"
    assert standing.statement.stated_on == dt.date(2025, 7, 31)
    kept = await worked(
        tmp_path / "kept", *begun, CloseAnnul(close_id="2025-08-panel", actor="ann", reason="late roster")
    )
    assert kept.closes[-1].state == "complete"
    assert "annul 2025-07-panel first" in (kept.closes[-1].message or "")


async def test_a_second_person_releases_and_what_is_paid_is_matched(tmp_path: Path) -> None:
    begun = [contract(**B), TICKED, *panel("2025-07", people(1))]
    name = (await worked(tmp_path / "draft", *begun)).id_of("2025-07")
    said = await worked(tmp_path / "own", *begun, released(name, "Ann"))
    assert said.states[0][1] == "draft"
    assert "a second person releases it" in (said.money.refused[name][1].message or "")
    orders = [released(name, action="hold"), released(name)]
    said = await worked(tmp_path / "done", *begun, *orders)
    assert said.states == [("2025-07", "released", d("48.00"))]
    assert said.money.statements[name].order == released(name)
    assert [item.what for item in money_ledger.open_items(said.money.entries)] == [money_ledger.TO_BE_PAID]
    said = await worked(tmp_path / "paid", *begun, *orders, paid(name, "48.00"), paid("X", "5.00", "T2"))
    open_items = money_ledger.open_items(said.money.entries)
    assert [(item.what, item.amount) for item in open_items] == [(money_ledger.UNASKED, d("5.00"))]
    assert money_ledger.balance(said.money.entries, *_both()).paid == d("48.00")


def _both() -> Any:
    return "acme", "A"


async def test_a_payment_under_a_known_trace_with_another_amount_waits_in_quarantine(tmp_path: Path) -> None:
    begun = [contract(**B), TICKED, *panel("2025-07", people(1))]
    said = await worked(tmp_path, *begun, paid("X", "5.00"), paid("X", "5.00"), paid("X", "6.00"))
    assert [one.amount for one in said.money.entries if one.kind == "posted"] == [d("5.00")]
    assert [reason for reason, _ in said.refused] == ["payment_contradiction"]


async def test_an_order_on_no_statement_waits_in_quarantine(tmp_path: Path) -> None:
    said = await worked(tmp_path, TICKED, released("nothing"))
    assert [reason for reason, _ in said.refused] == ["unknown_statement"]


async def test_an_annulled_close_takes_its_drafts_along_and_the_month_is_stated_anew(tmp_path: Path) -> None:
    begun = [contract(**B), TICKED, *panel("2025-07", people(1))]
    annul = CloseAnnul(close_id="2025-07-panel", actor="ann", reason="roster")
    again = panel("2025-07", people(2), close_id="2025-07-panel-2")
    said = await worked(tmp_path / "again", *begun, annul, *again)
    assert said.states == [("2025-07", "withdrawn", d("48.00")), ("2025-07", "draft", d("96.00"))]
    assert money_ledger.balance(said.money.entries, *_both()).earned == d("96.00")
    name = said.id_of("2025-07")
    kept = await worked(tmp_path / "released", *begun, released(name), annul)
    assert (kept.closes[-1].state, kept.states[0][1]) == ("complete", "released")
    assert (kept.closes[-1].message or "").startswith("not annulled: statement 2025-07-panel.acme.A.")


async def test_a_contract_that_overlaps_another_waits_in_quarantine_and_pays_nobody(tmp_path: Path) -> None:
    other = contract(**B, contract_id="C2")
    said = await worked(tmp_path, contract(), other, TICKED, *panel("2025-07", people(1)))
    assert [reason for reason, _ in said.refused] == ["contract_mistake"]
    assert "is in track A by contract C1" in said.refused[0][1]
    assert said.states == []


async def test_a_later_record_of_a_contract_takes_its_place(tmp_path: Path) -> None:
    dearer = contract(**B | {"capitation_pmpm": "30.00"})
    said = await worked(tmp_path, contract(**B), dearer, TICKED, *panel("2025-07", people(1)))
    assert said.states == [("2025-07", "draft", d("68.00"))]


# -- the log alone decides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(1, 12, 2))
async def test_statements_and_ledger_are_the_same_bytes_wherever_the_conductor_is_killed(
    tmp_path: Path, cut: int
) -> None:
    begun = [contract(**B), TICKED, *panel("2025-07", people(7))]
    name = (await worked(tmp_path / "draft", *begun)).id_of("2025-07")
    whole = [*begun, released(name), paid(name, "336.00"), *panel("2025-08", people(8)), paid("X", "1.00", "T9")]
    assert (await worked(tmp_path / "cut", *whole, cuts=[cut])).bytes == (await worked(tmp_path / "one", *whole)).bytes


async def test_everything_of_a_practice_and_payer_in_a_period_stands_in_one_partition_in_order(tmp_path: Path) -> None:
    said = await worked(tmp_path, contract(**B), TICKED, *panel("2025-07", people(1)))
    keys = {(found, partition) for topic, found, partition, _ in said.bytes if topic == "statements"}
    assert {found for found, _ in keys} == {key("acme", "A", "2025-07").encode()}
    assert len(keys) == 1
