"""Laws of frozen lists: whatever comes before, between and after closes, lists and adjustments add up to what is known now."""

from __future__ import annotations

import atexit
import datetime as dt
import hashlib
import random
import shutil
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Adjustment, Close, CloseAnnul, Position, Table
from state import engine, results
from state.calendar import FOREVER, from_date
from state.reference.knowledge import FrozenList, Knowledge, Touch
from state.reference.tables import TableStore
from tests.fixtures.lengths import LONG
from tests.laws.histories import MEMBER, PAYER, Reference, fold_one, folded, history, readable
from tests.laws.naive import Said

DAY = dt.timedelta(days=1)
seeds = st.integers(min_value=0, max_value=2**40)
examples = (lambda law: law) if LONG else settings(max_examples=150)


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
    """One member as a partition keeps it, record by record, with closes among the rest."""

    def __init__(self, today: dt.date) -> None:
        self.member = engine.new_member(PAYER, MEMBER)
        self.rows: dict[str, Any] = {}
        self.known: Knowledge = INITIAL.reach(today).knowledge
        self.today = today
        self.terms: set[str] = set()
        self.control = 0
        self.lists: dict[str, tuple[FrozenList, engine.Frozen]] = {}
        self.adjusted: dict[str, Counter[str]] = {}
        self.advance("tick", FOREVER)

    def advance(self, cause: str, since: int) -> None:
        rows = self.rows if self.known.frozen and self.known.needs_history() else None
        made = engine.advance(self.member, self.today, self.known, cause=cause, position="", since=since, rows=rows)
        self.terms |= engine.terms(self.member)
        for output in made.outputs:
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
        if touch.everyone or touch.payer == PAYER or touch.terms & self.terms:
            self.advance(cause, since)

    def tick(self, date: dt.date) -> None:
        reached = self.known.reach(date)
        self.known, self.today = reached.knowledge, date
        self.touched(reached.touch, "tick", FOREVER)
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
        one = FrozenList.of(close, self.control)
        enough = engine.keeps_lines_of(one, self.today, self.known)
        frozen = engine.freeze(self.member, one, self.today, self.known, None if enough else self.rows)
        self.lists[close.close_id] = (one, frozen)
        self.adjusted[close.close_id] = Counter()
        self.known = self.known.apply(close, Position("control", 0, self.control), as_of=self.today).knowledge
        self.member = engine.decode_member(engine.encode_member(self.member))

    def annul(self, close_id: str) -> None:
        order = CloseAnnul(close_id=close_id, actor="", reason="")
        self.known = self.known.apply(order, Position("control", 0, self.control), as_of=self.today).knowledge


def lived(rng: random.Random) -> tuple[Life, list[Said], Reference, dt.date]:
    """A life with the records of a history in the order of their positions, the reference among them, ticks and closes anywhere."""
    said, reference, as_of = history(rng)
    life = Life(as_of - rng.randrange(30, 200) * DAY)
    known: Reference = []
    steps: list[tuple[str, Any]] = [("fact", one) for one in said] + [("reference", one) for one, _ in reference]
    rng.shuffle(steps)
    for _ in range(rng.randrange(1, 7)):
        steps.insert(rng.randrange(len(steps) + 1), ("close", None))
    if rng.random() < 0.4:
        table = msgspec.structs.replace(rng.choice(OTHER_TABLES), activated_from=as_of - rng.randrange(-30, 400) * DAY)
        steps.insert(rng.randrange(len(steps) + 1), ("reference", table))
    for kind, one in steps:
        if kind == "fact":
            life.fact(one)
        elif kind == "reference":
            life.reference(one)
            known.append((one, Position("control", 0, life.control)))
        else:
            reading = rng.choice(["panel", "panel", "initial", "final"])
            day = life.today + rng.randrange(-330, 40) * DAY
            life.close(reading, day.replace(day=1) if reading == "panel" else day)
            if rng.random() < 0.1:
                life.annul(rng.choice(list(life.lists)))
        if rng.random() < 0.3:
            life.tick(min(as_of + 400 * DAY, life.today + rng.randrange(1, 90) * DAY))
    return life, said, known, as_of


def knowledge_of(reference: Reference) -> Knowledge:
    known = INITIAL
    for record, position in reference:
        known = known.apply(record, position, as_of=None).knowledge
    return known


def on_list(practice: str | None) -> Counter[str]:
    return Counter() if practice is None else Counter([practice])


@examples
@given(seeds)
def test_a_list_and_its_adjustments_are_the_list_of_what_is_known_now(seed: int) -> None:
    rng = random.Random(seed)
    life, said, reference, as_of = lived(rng)
    alive = {one.close.close_id for one in life.known.frozen}
    now, _ = folded(rng.sample(said, len(said)), (known := knowledge_of(reference)))
    for close_id, (one, frozen) in life.lists.items():
        if close_id not in alive:
            continue
        day = dt.date.fromordinal(one.as_of)
        then = known.reach(day).knowledge
        fresh, _ = folded(said, then)
        total = on_list(frozen.attribution.practice_id)
        total.update(life.adjusted[close_id])
        assert +total == on_list(engine.attribution(fresh, day, then).practice_id), (
            f"{one.close.reading} of {day}\n{readable(said, reference, as_of)}"
        )
        assert not -total
    assert now is not None


@examples
@given(seeds)
def test_an_initial_reading_is_never_adjusted_and_changes_no_final_one(seed: int) -> None:
    rng = random.Random(seed)
    life, *_ = lived(rng)
    assert all(not life.adjusted[name] for name, (one, _) in life.lists.items() if one.close.reading == "initial")
    day = life.today - rng.randrange(200) * DAY
    before = engine.encode_member(life.member)
    alone = _final(life, before, day)
    life.close("initial", day)
    assert _final(life, engine.encode_member(life.member), day) == alone


def _final(life: Life, member: bytes, day: dt.date) -> engine.Frozen:
    close = Close(close_id="F", period="F", reading="final", actor="", as_of=day, closed_on=life.today)
    one = FrozenList.of(close, 10**6)
    enough = engine.keeps_lines_of(one, life.today, life.known)
    return engine.freeze(engine.decode_member(member), one, life.today, life.known, None if enough else life.rows)


@examples
@given(seeds)
def test_what_is_frozen_is_what_the_facts_give_on_that_day(seed: int) -> None:
    """The hot state, pruned and carried from day to day, answers a day of the past or the future as all facts together do."""
    rng = random.Random(seed)
    life, _, reference, _ = lived(rng)
    day = life.today + rng.randrange(-330, 40) * DAY
    frozen = _final(life, engine.encode_member(life.member), day)
    then = knowledge_of(reference).reach(day).knowledge
    member = engine.new_member(PAYER, MEMBER)
    member.spans, member.selections = life.member.spans, life.member.selections
    engine.rederive(member, life.rows, then)
    assert results.answer_digest(frozen.attribution) == results.answer_digest(engine.attribution(member, day, then))


@examples
@given(seeds)
def test_a_member_is_new_stays_or_is_gone_on_each_panel_as_against_the_one_before(seed: int) -> None:
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    life = Life(as_of - 200 * DAY)
    for record, _ in reference:
        life.reference(record)
    for one in said:
        life.fact(one)
    before: str | None = None
    since: dt.date | None = None
    month = life.today.replace(day=1)
    for _ in range(6):
        month = (month + 31 * DAY).replace(day=1)
        life.tick(month - DAY)
        life.close("panel", month)
        one, frozen = life.lists[f"c{life.control}"]
        entries = dict(frozen.entries)
        now = frozen.attribution.practice_id
        assert one.as_of == from_date(month)
        if before is not None and before != now:
            gone = entries[before]  # type: ignore[index]
            assert (gone.change, gone.span_start, gone.span_end, gone.attribution) == ("dropped", since, month, None)
        else:
            assert len(entries) == 1
        if now is not None:
            since = since if now == before else month
            assert entries[now].change in (("nochange", "changed") if now == before else ("new",))
            assert entries[now].span_start == since
        before = now
