"""Laws of frozen lists: whatever comes before, between and after closes, lists and adjustments add up to what is known now."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.records import Close, Position
from state import engine, results
from state.calendar import from_date
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge
from tests.builders import FAMILY_MEDICINE
from tests.cases import practice, provider, selection, span
from tests.fixtures.lengths import LONG
from tests.laws.histories import MEMBER, PAYER, Reference, folded, history, readable
from tests.laws.lives import INITIAL, OTHER_TABLES, Life, laid
from tests.laws.naive import Said

DAY = dt.timedelta(days=1)
seeds = st.integers(min_value=0, max_value=2**40)
examples = (lambda law: law) if LONG else settings(max_examples=150)


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
            if life.lists and rng.random() < 0.1:
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
@example(17372)  # a line that is a candidate by the code lists of the frozen day alone, and a late roster row
@example(28667)
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
def test_what_leaves_a_list_leaves_the_list_of_a_practice(seed: int) -> None:
    """Who was on no list when it was frozen, and got on one by an adjustment, has left nobody's list on the next panel."""
    life, *_ = lived(random.Random(seed))
    for _, frozen in life.lists.values():
        (answer,) = [(practice, entry) for practice, entry in frozen.entries if entry.attribution is not None]
        assert answer[0] == frozen.attribution.practice_id
        gone = [(practice, entry.change) for practice, entry in frozen.entries if entry.attribution is None]
        assert all(practice and change in ("dropped", "cancelled") for practice, change in gone)


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
    member.spans, member.selections, member.requests = life.member.spans, life.member.selections, life.member.requests
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
        if f"c{life.control}" not in life.lists:
            continue  # the plan's own list is missing: no panel, and the next one is compared with the last that was
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


@examples
@given(seeds)
def test_who_is_gone_was_dropped_unless_an_adjustment_has_taken_the_member_off_the_panel_before(seed: int) -> None:
    """Facts and reference come in between six monthly panels, in any order and late."""
    rng = random.Random(seed)
    said, reference, as_of = history(rng)
    life = Life(as_of - 200 * DAY)
    steps: list[Any] = [(life.fact, one) for one in said] + [(life.reference, record) for record, _ in reference]
    rng.shuffle(steps)
    month = life.today.replace(day=1)
    before: str | None = None
    for left in range(6, 0, -1):
        for _ in range(len(steps) // left):
            apply, one = steps.pop()
            apply(one)
        month = (month + 31 * DAY).replace(day=1)
        life.tick(month - DAY)
        life.close("panel", month)
        if f"c{life.control}" not in life.lists:
            continue
        _, frozen = life.lists[f"c{life.control}"]
        was = None if before is None else life.lists[before][1].attribution.practice_id
        gone = {practice: entry.change for practice, entry in frozen.entries if entry.attribution is None}
        if was is None or was == frozen.attribution.practice_id:
            assert gone == {}
        else:
            assert before is not None
            assert gone == {was: "cancelled" if life.adjusted[before][was] < 0 else "dropped"}
        before = f"c{life.control}"


def _directory_of(npi: str) -> Any:
    row = f"npi,taxonomy_code,primary,effective_from\n{npi},{FAMILY_MEDICINE},yes,\n"
    return msgspec.structs.replace(laid("npi_taxonomy", row.encode()), activated_from=dt.date(2020, 1, 1))


@pytest.mark.parametrize(
    ("known", "chosen", "late", "practice_id"),
    [
        (
            [provider("1", "A", end="2025-01-01"), provider("2", "A")],
            selection("1", practice_id="A"),
            practice("A", "2026-01-01"),
            "A",
        ),
        ([_directory_of("7")], selection("7"), provider("7", "A", "2026-01-01"), "NPI:7"),
    ],
    ids=["the first record of a practice", "the first row of a PCP whom only the directory knew"],
)
def test_what_is_told_first_of_whom_the_list_took_at_another_word_adjusts_a_list_of_an_earlier_day(
    known: list[Any], chosen: Any, late: Any, practice_id: str
) -> None:
    life = Life(dt.date(2025, 7, 1))
    for record in known:
        life.reference(record)
    for number, body in enumerate((span(), chosen)):
        life.fact(Said(f"e{number}", Position("facts", 0, number), body, given_id=False))
    life.close("final", dt.date(2025, 7, 1))
    ((name, (_, frozen)),) = life.lists.items()
    assert frozen.attribution.practice_id == practice_id
    life.reference(late)
    assert engine.attribution(life.member, dt.date(2025, 7, 1), life.known).practice_id is None
    assert life.adjusted[name] == {practice_id: -1}
