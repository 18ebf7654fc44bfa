"""Laws of money over made-up lives of a program: closes, what is told late, annulments, orders, payments, changed contracts, in any order.

After each record the ledger is the sum of the statements that stand, no month and no period is stated twice, and each difference has what
it is a difference to; at the end every byte is the same when the conductor was killed on the way.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.records import CloseAnnul, PeopleCount, Restated, RestatedPanel, Tick
from state.payment import money_ledger
from tests.money_cases import P2, contract, d
from tests.paid_cases import (
    EDITION,
    P0,
    P2_WITH_BASELINE,
    SPEC_BASELINE,
    SPEC_NOW,
    measured_by,
    panel,
    people,
    period,
    rate,
    reference_rates,
)
from tests.streams.test_paying import B, Said, paid, released, worked

OF = (
    contract(phm_pmpm="4.00", phm_frequency="quarterly", policies={"adjust_element_2": False}),
    contract(**B, contract_id="CB", practice_id="B", initial_pct="0.7"),
)
MONTHS = [*(f"2025-{month:02}" for month in range(7, 13)), "2026-01", "2026-02"]


class Life:
    """Records for the log, one after the other, as they might come by what the conductor has said so far."""

    def __init__(self, seed: int, tables: Any) -> None:
        self.any, self.tables, self.number = random.Random(seed), tables, 0
        self.day = dt.date(2025, 6, 1)

    def begun(self) -> list[Any]:
        found: list[Any] = [*OF, P0, P2_WITH_BASELINE, Tick(date=P0.k2)]
        found += [*period("P0", "final", SPEC_BASELINE, self.tables), Tick(date=self.day)]
        return found + [one for month in range(1, 7) for one in panel(f"2025-{month:02}", *self.people())]

    def people(self) -> list[PeopleCount]:
        return [people(2 * self.any.randrange(1, 200), practice=name) for name in "AB"]

    def next(self, said: Said) -> list[Any]:
        self.number += 1
        complete = {one.close_id: one.reading for one in said.closes if one.state == "complete"}
        names = list(said.money.statements)
        match self.any.choice(["panel", "panel", "period", "annul", "release", "release", "pay", "contract"]):
            case "panel":
                month = self.any.choice(MONTHS)
                self.day = max(self.day, dt.date.fromisoformat(f"{month}-01") - dt.timedelta(days=3))
                finals = [name for name, reading in complete.items() if reading == "final" and name != "P0-final"]
                sums = {name: [rate("COL", self.any.randrange(-6, 3), 0)] for name in finals}
                return [
                    Tick(date=self.day),
                    *self.told(complete, panel(month, *self.people(), close_id=self.id, moved=sums)),
                ]
            case "period":
                reading = self.any.choice(["initial", "final"])
                self.day = max(self.day, P2.k1 if reading == "initial" else P2.k2)
                asked = period("P2", reading, SPEC_NOW, self.tables, close_id=self.id)
                return [Tick(date=self.day), *self.told(complete, asked)]
            case "annul":
                return [CloseAnnul(close_id=self.any.choice(list(complete)), actor="ann", reason="roster")]
            case "release" if names:
                return [released(self.any.choice(names))]
            case "pay" if names:
                return [paid(self.any.choice(names), f"{self.any.randrange(1, 900)}.00", f"T{self.any.randrange(4)}")]
            case _:
                changes = self.any.choice(
                    [
                        {"phm_pmpm": d(5)},
                        {"base_pmpm": d(48)},
                        {"effective_to": dt.date(2025, self.any.randrange(5, 12), 1)},
                    ]
                )
                return [msgspec.structs.replace(self.any.choice(OF), **changes)]

    @property
    def id(self) -> str:
        return f"close-{self.number}"

    def told(self, complete: dict[str, str], asked: list[Any]) -> list[Any]:
        """With what a partition hands over of two earlier panels."""
        panels = [name for name, reading in complete.items() if reading == "panel"]
        late = [
            RestatedPanel(close_id=name, people=(people(self.any.randrange(-1, 3), practice=self.any.choice("AB")),))
            for name in self.any.sample(panels, 2)
        ]
        return [asked[0], Restated(close_id=self.id, partition=0, panels=tuple(late)), *asked[1:]]


def holds(said: Said) -> None:
    """The laws, of what has been said so far."""
    entries = said.money.entries
    stands = [one.statement for one in said.money.statements.values() if one.state != "withdrawn"]
    assert money_ledger.disagreements(entries, stands) == ()
    assert [one.number for one in entries] == list(range(1, len(entries) + 1))
    first = Counter((one.practice_id, one.period, one.reading) for one in stands if one.reading != "adjustment")
    paid_for = Counter(
        (one.practice_id, line.kind, line.item)
        for one in stands
        for line in one.lines
        if one.reading == "panel" and line.members is not None
    )
    settled = Counter(one.settles for one in stands if one.settles is not None)
    assert {*first.values(), *paid_for.values(), *settled.values()} <= {1}
    assert settled.keys() <= {one.statement_id for one in stands}
    for one in money_ledger.balances(entries):
        assert one.carried <= 0
        assert one.earned == one.drafted + one.carried + one.payable + one.paid + one.unmatched


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_to_a_program_no_cent_is_lost_or_said_twice(tmp_path: Path, seed: int) -> None:
    life = Life(seed, measured_by(EDITION, supplied=reference_rates(tmp_path)))
    log = life.begun()
    said = await worked(tmp_path / "life", *log, tables=tmp_path)
    for _ in range(25):
        log += life.next(said)
        said = await worked(tmp_path / "life", *log, tables=tmp_path)
        holds(said)
    assert len(said.money.statements) > 10
    killed = await worked(tmp_path / "killed", *log, cuts=[life.any.randrange(60, len(log))], tables=tmp_path)
    assert killed.bytes == said.bytes
