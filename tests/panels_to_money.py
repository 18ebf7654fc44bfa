"""Both state machines without a broker: facts through partitions of members, their answers through the conductor, statements out."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from faust.types import TP

from schemas.keys import member_key, partition_of
from schemas.money import StatementRelease
from schemas.records import ClaimLine, Close, Envelope, MemberFact, Partial, Position, Restated
from schemas.unions import MoneyRecord
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from state.stores.members import MemberState
from streams.batching import Batch
from streams.members import MemberPartition
from streams.rebuilding import LogRecord
from tests.money_cases import contract
from tests.streams.test_closes_of_a_partition import MOVES, STAYS, row
from tests.streams.test_member_partition import ACCEPTED, CODEC, claim, span
from tests.streams.test_paying import B as TRACK_B
from tests.streams.test_paying import Said
from tests.streams.test_paying import worked as conducted

TOPIC = "member-events"
KNOWLEDGE = Knowledge.initial(TableStore([]))
JUNE_30, JULY, AUGUST = dt.date(2025, 6, 30), dt.date(2025, 7, 1), dt.date(2025, 8, 1)
JULY_31, AUGUST_31 = dt.date(2025, 7, 31), dt.date(2025, 8, 31)
CONTRACT = contract(**TRACK_B, payer="aetna", practice_id="B")
"""Track B at practice B: capitation 20.00, population health 4.00, E&M 992xx capitated at place of service 11."""
ROSTER = (row(STAYS, "B"), row(MOVES, "A"))


class Closed(msgspec.Struct, frozen=True):
    """A close as it is asked for: of a month's panel, or of a period whose last day is `month`."""

    month: dt.date
    on: dt.date
    close_id: str = ""
    reading: Any = "panel"
    period: str = ""

    @property
    def id(self) -> str:
        return self.close_id or f"{self.name}-{self.reading}"

    @property
    def name(self) -> str:
        return self.period or f"{self.month:%Y-%m}"

    @property
    def asked(self) -> Close:
        return Close(close_id=self.id, period=self.name, reading=self.reading, actor="ann")


def belongs(member: str, **changes: Any) -> list[MemberFact]:
    """A member of aetna who is practice B's by a visit in May."""
    return [span(member, **changes), claim(member, f"V{member}", dt.date(2025, 5, 1), npi=STAYS)]


def visit(
    member: str, number: str, code: str = "99213", allowed: str = "120.00", *, npi: str = STAYS, place: str = "11",
    day: dt.date = dt.date(2025, 7, 9), **changes: Any,
) -> MemberFact:  # fmt: skip
    """A claim of one line in July, at practice B where nothing else is said."""
    line = ClaimLine(
        claim_line_number=1,
        claim_line_start_date=day,
        hcpcs_code=code,
        place_of_service_code=place,
        rendering_npi=npi,
        rendering_taxonomy="207Q00000X",
        allowed_amount=Decimal(allowed),
        paid_amount=Decimal(0),
    )
    return claim(member, number, day, lines=(line,), **changes)


def ended(member: str, on: dt.date = dt.date(2025, 6, 15)) -> MemberFact:
    """A termination that reaches back."""
    return span(member, span_version=2, enrollment_end_date=on)


def void(member: str, number: str = "", day: dt.date = dt.date(2025, 5, 1)) -> MemberFact:
    """The void of a claim: of the visit in May where nothing else is said."""
    return claim(member, number or f"V{member}", day, npi=STAYS, claim_frequency_code="8", claim_status="reversed")


async def opened(folder: Path, partition: int = 0, partitions: int = 1) -> MemberPartition:
    """A partition at work on its file in a folder."""
    state = await MemberState.open(
        folder / f"{partition}.sqlite", topic=TOPIC, partition=partition, partitions=partitions, patience=1
    )
    return await MemberPartition.resume(state, KNOWLEDGE, CODEC, prefix="", partition=partition, partitions=partitions)


async def answers(
    folder: Path, records: Sequence[Any], partitions: int = 1, *, step: int | None = None
) -> dict[str, list[Any]]:
    """What partitions answer to each close: everything handed over and the partials, partition by partition. `step`: records of a batch."""
    found: dict[str, list[Any]] = {}
    for partition in range(partitions):
        log, agent = log_of(records, partition, partitions), await opened(folder, partition, partitions)
        size = step or max(1, len(log))
        for start in range(0, len(log), size):
            some = log[start : start + size]
            await agent.apply(Batch(TP(TOPIC, partition), 1, start, start + len(some), tuple(some)))
        for out in await agent.state.waiting(100_000):
            if out.topic == "control":
                record = CODEC.decode_control(out.value or b"")
                assert isinstance(record, Restated | Partial)
                found.setdefault(record.close_id, []).append(record)
        await agent.state.close()
    return found


async def stated(
    folder: Path,
    records: Sequence[Any],
    partitions: int = 1,
    *,
    of: Sequence[Any] = (CONTRACT,),
    step: int | None = None,
    cuts: Sequence[int] = (),
) -> Said:
    """What the conductor says of a log of member facts and control records (a `Closed` is a close) under contracts and the like."""
    given = await answers(folder, records, partitions, step=step)
    log: list[Any] = list(of)
    for record in records:
        if isinstance(record, Closed):
            log += [record.asked, *_filled(given[record.id], partitions)]
        elif not isinstance(record, MemberFact):
            log.append(record)
    return await conducted(folder, *log, partitions=partitions, cuts=cuts)


def _filled(given: Sequence[Any], partitions: int) -> Iterable[Any]:
    assert sum(isinstance(one, Partial) for one in given) == partitions
    return given


def log_of(records: Sequence[Any], partition: int = 0, partitions: int = 1) -> list[LogRecord]:
    """What stands of some records in a partition of `member-events`."""
    return list(_log(records, partition, partitions))


def _log(records: Sequence[Any], partition: int, partitions: int) -> Iterable[LogRecord]:
    offset = sequence = 0
    for place, record in enumerate(records):
        if isinstance(record, MoneyRecord | StatementRelease):
            continue
        if isinstance(record, MemberFact):
            key = member_key(record.payer, record.member_id)
            if partition_of(key, partitions) != partition:
                continue
            envelope = _fact(record, place)
        else:
            sequence += 1
            key, envelope = "control", _broadcast(record, sequence)
        yield LogRecord(TOPIC, partition, offset, 0, key.encode(), CODEC.encode_envelope(envelope))
        offset += 1


def _fact(record: Any, place: int) -> Envelope:
    return Envelope(
        kind=str(type(record).__struct_config__.tag),
        event_id=CODEC.event_id_of(record),
        payer=record.payer,
        member_id=record.member_id,
        position=Position("claims", 0, place),
        accepted_at=ACCEPTED,
        format_version=1,
        flags=(),
        facts=CODEC.encode_facts(record),
        original=b"",
    )


def _broadcast(record: Any, sequence: int) -> Envelope:
    if isinstance(record, Closed):
        record = msgspec.structs.replace(record.asked, as_of=record.month, closed_on=record.on)
    return Envelope(
        kind="control",
        event_id=f"control/{sequence}",
        payer="",
        member_id="",
        position=Position("control", 0, sequence),
        accepted_at=ACCEPTED,
        format_version=1,
        flags=(),
        facts=CODEC.encode_facts(record),
        original=b"",
        sequence=sequence,
    )


def table(folder: Path, name: str, text: str) -> str:
    """Lay a table into a folder; its sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()
