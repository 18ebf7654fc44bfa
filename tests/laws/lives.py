"""One member as a partition keeps it, record by record, with closes among the rest."""

from __future__ import annotations

import atexit
import datetime as dt
import hashlib
import shutil
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from schemas.records import Adjustment, Close, CloseAnnul, Position, Table
from state import engine
from state.calendar import FOREVER
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge, Touch
from state.reference.tables import TableStore
from tests.laws.histories import MEMBER, PAYER, fold_one
from tests.laws.naive import Said

DATA = files("state") / "data"
TABLES = Path(tempfile.mkdtemp(prefix="panelstream-tables-"))
atexit.register(shutil.rmtree, TABLES, ignore_errors=True)


def laid(kind: str, data: bytes) -> Table:
    """A table laid where knowledge finds it; in force from a day still to be said."""
    digest = hashlib.sha256(data).hexdigest()
    (TABLES / digest).write_bytes(data)
    return Table(kind=kind, name=kind, version="1", digest=digest, activated_from=dt.date.max)


OTHER_TABLES = (
    laid("ruleset", (DATA / "rulesets" / "weighted.toml").read_bytes()),
    laid("ruleset", (DATA / "rulesets" / "recency_first.toml").read_bytes()),
    laid(
        "primary_care_services",
        b"".join(
            line
            for line in (DATA / "primary_care_services.csv").read_bytes().splitlines(keepends=True)
            if b"99211-99215" not in line
        ),
    ),
)
INITIAL = Knowledge.initial(TableStore([TABLES]))


class Life:
    """A member, what is known of reference, the lists it is frozen on and what their adjustments add up to."""

    def __init__(self, today: dt.date) -> None:
        self.member = engine.new_member(PAYER, MEMBER)
        self.rows: dict[str, Any] = {}
        self.known: Knowledge = INITIAL.reach(today).knowledge
        self.today = today
        self.terms: set[str] = set()
        self.control = 0
        self.lists: dict[str, tuple[FrozenList, engine.Frozen]] = {}
        self.adjusted: dict[str, Counter[str]] = {}
        self.said: dict[tuple[str, str], Any] = {}
        """What stands last under each key of each topic."""
        self.due: dt.date | None = None
        self.alert_open = False
        self.advance("tick", FOREVER)

    def advance(self, cause: str, since: int) -> None:
        rows = self.rows if self.known.frozen and self.known.needs_history() else None
        made = engine.advance(self.member, self.today, self.known, cause=cause, position="", since=since, rows=rows)
        self.terms |= engine.terms(self.member) | made.terms
        self.due, self.alert_open = made.due, made.alert_open
        for output in made.outputs:
            self.said[output.topic, output.key] = output.record
            if isinstance(output.record, Adjustment):
                one = output.record
                self.adjusted[one.close_id][one.practice_id] += 1 if one.after == "attributed" else -1
        self.member = engine.decode_member(engine.encode_member(self.member))

    def fact(self, said: Said) -> None:
        done = fold_one(self.member, self.rows, said, self.known)
        self.terms |= engine.terms(self.member)
        if done.changed:
            self.advance(done.cause, done.since)

    def reference(self, record: Any) -> None:
        self.control += 1
        applied = self.known.apply(record, Position("control", 0, self.control), as_of=self.today)
        self.known = applied.knowledge
        self.touched(applied.touch, "roster", applied.touch.since)

    def touched(self, touch: Touch, cause: str, since: int) -> None:
        if touch.everyone:
            engine.rederive(self.member, self.rows, self.known)
        alerted = self.alert_open and touch.open_alerts_of == PAYER
        if touch.everyone or touch.payer == PAYER or alerted or touch.terms & self.terms:
            self.advance(cause, since)

    def tick(self, date: dt.date) -> None:
        reached = self.known.reach(date)
        self.known, self.today = reached.knowledge, date
        if reached.touch.everyone:
            self.touched(reached.touch, "tick", FOREVER)
        elif self.due is not None and self.due <= date:
            self.advance("tick", FOREVER)

    def close(self, reading: Any, as_of: dt.date) -> None:
        self.control += 1
        close = Close(
            close_id=f"c{self.control}",
            period=f"{as_of}",
            reading=reading,
            actor="",
            as_of=as_of,
            closed_on=self.today,
            retro_months=12,
        )
        one = self.known.frozen_list(close, self.control)
        if PAYER not in one.left_out:
            enough = engine.keeps_lines_of(one, self.today, self.known)
            frozen = engine.freeze(self.member, one, self.today, self.known, None if enough else self.rows)
            self.terms |= frozen.terms
            self.lists[close.close_id] = (one, frozen)
            self.adjusted[close.close_id] = Counter()
        self.known = self.known.apply(close, Position("control", 0, self.control), as_of=self.today).knowledge
        self.member = engine.decode_member(engine.encode_member(self.member))

    def annul(self, close_id: str) -> None:
        order = CloseAnnul(close_id=close_id, actor="", reason="")
        self.known = self.known.apply(order, Position("control", 0, self.control), as_of=self.today).knowledge
