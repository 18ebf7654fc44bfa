"""What holds for every claim and correction after a panel: adjustments lead to what would have been stated, and nothing else decides."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.money import Statement
from schemas.records import Tick
from state.payment import money_ledger
from state.payment.amounts import total
from state.payment.statements import encode
from tests.money_cases import contract, d
from tests.panels_to_money import (
    AUGUST,
    JULY,
    JULY_31,
    JUNE_30,
    MOVES,
    ROSTER,
    STAYS,
    TRACK_B,
    Closed,
    belongs,
    ended,
    span,
    stated,
    visit,
    void,
)
from tests.streams.test_paying import Said

OF = [contract(**TRACK_B, payer="aetna", practice_id="B", products=["PPO"])]
CLOSE_JULY, CLOSE_AUGUST = Closed(JULY, JUNE_30), Closed(AUGUST, JULY_31)
MEMBERS = "01234567"
corrections = st.sampled_from(["late", "ended", "void", "other product", "nothing"])
services = st.tuples(
    st.sampled_from(MEMBERS),
    st.sampled_from(["99213", "99213", "99395"]),
    st.sampled_from(["11", "11", "23"]),
    st.integers(1, 30_000),
    st.sampled_from([STAYS, STAYS, MOVES]),
    st.booleans(),
)
lives = st.tuples(
    st.lists(corrections, min_size=len(MEMBERS), max_size=len(MEMBERS)), st.lists(services, min_size=6, max_size=14)
)
SOME = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
"""An example takes a tenth of a second: making a failing one smaller would take minutes."""
Life = tuple[list[str], list[tuple[str, str, str, int, str, bool]]]


def known_in_june(life: Life) -> list[Any]:
    return [fact for member, what in zip(MEMBERS, life[0], strict=True) if what != "late" for fact in belongs(member)]


def corrected(life: Life) -> list[Any]:
    """What turns out later of the members of July."""
    found: list[Any] = []
    for member, what in zip(MEMBERS, life[0], strict=True):
        if what == "ended":
            found.append(ended(member))
        elif what == "void":
            found.append(void(member))
        elif what == "other product":
            found.append(span(member, span_version=2, product="HMO"))
        elif what == "late":
            found += belongs(member)
    return found


def claims(life: Life) -> list[Any]:
    """The claims of July, some of them void again."""
    found: list[Any] = []
    for number, (member, code, place, cents, npi, gone) in enumerate(life[1]):
        found.append(visit(member, f"J{number}", code, str(Decimal(cents).scaleb(-2)), npi=npi, place=place))
        if gone:
            found.append(void(member, f"J{number}", JULY.replace(day=9)))
    return found


async def of_log(*records: Any, partitions: int = 1, step: int | None = None) -> Said:
    with TemporaryDirectory() as folder:
        return await stated(Path(folder), [*ROSTER, Tick(date=JUNE_30), *records], partitions, of=OF, step=step)


def of_july(said: Said) -> list[Statement]:
    return [one.statement for one in said.money.statements.values() if one.statement.period == "2025-07"]


def fee_for_service(said: Said) -> Decimal:
    """What July's own lines came to fee for service, as it was told last."""
    for one in reversed(list(said.money.statements.values())):
        told = [line for line in one.statement.lines if line.information is not None and line.item == "2025-07"]
        if told:
            return total(line.information or d(0) for line in told if line.kind == "fee_for_service")
    return d(0)


@given(lives)
@SOME
async def test_adjustments_add_up_to_the_difference_of_what_would_have_been_stated(life: Life) -> None:
    """The month as frozen and its adjustments, against the month frozen when all was known.

    The capitations differ by nothing; what was capitated when it was adjudicated and is fee for service now, or the reverse, is the rest.
    """
    june, late, july = known_in_june(life), corrected(life), claims(life)
    next_close = [Tick(date=JULY_31), CLOSE_AUGUST]
    adjusted = await of_log(*june, CLOSE_JULY, *july, *late, *next_close)
    uncorrected = await of_log(*june, CLOSE_JULY, *july, *next_close)
    all_known = await of_log(*june, *late, CLOSE_JULY, *july, *next_close)
    turned = fee_for_service(all_known) - fee_for_service(uncorrected)
    (should,) = of_july(all_known)
    first, *adjustments = of_july(adjusted)
    assert total(one.difference for one in adjustments) == should.total - first.total + turned
    assert fee_for_service(adjusted) == fee_for_service(all_known)
    assert len(of_july(uncorrected)) == 1
    every = [one.statement for one in adjusted.money.statements.values()]
    assert money_ledger.disagreements(adjusted.money.entries, every) == ()
    assert -sum(one.amount for one in adjusted.money.entries if one.from_account == "earned") == -total(
        one.difference for one in every
    )


@given(lives, st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 9))
@SOME
async def test_any_split_over_partitions_any_batch_and_any_order_of_facts_gives_the_same_bytes(
    life: Life, chance: random.Random, partitions: int, step: int
) -> None:
    after = [*claims(life), *corrected(life)]
    shuffled = chance.sample(after, len(after))
    next_close = [Tick(date=JULY_31), CLOSE_AUGUST]
    one = await of_log(*known_in_june(life), CLOSE_JULY, *after, *next_close)
    other = await of_log(*known_in_june(life), CLOSE_JULY, *shuffled, *next_close, partitions=partitions, step=step)
    assert [encode(found.statement) for found in one.money.statements.values()] == [
        encode(found.statement) for found in other.money.statements.values()
    ]
    assert one.money.entries == other.money.entries


@given(lives)
@SOME
async def test_one_close_more_in_between_moves_no_cent(life: Life) -> None:
    """Corrections adjusted in two portions lead to what they lead to at once."""
    late, september = [*claims(life), *corrected(life)], Closed(AUGUST.replace(month=9), JULY_31.replace(month=8))
    half = len(late) // 2
    end = [Tick(date=JULY_31.replace(month=8)), september]
    at_once = await of_log(*known_in_june(life), CLOSE_JULY, Tick(date=JULY_31), *late, *end)
    twice = await of_log(
        *known_in_june(life), CLOSE_JULY, *late[:half], Tick(date=JULY_31), CLOSE_AUGUST, *late[half:], *end
    )
    assert of_july(twice)[-1].total == of_july(at_once)[-1].total
    assert total(one.difference for one in of_july(twice)) == of_july(at_once)[-1].total
