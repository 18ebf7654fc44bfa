"""What is refused when a period is to be closed, and how the answers of the partitions become one manifest."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from schemas.records import Close, Partial, Passed, Period, PracticeCount, Snapshot, TableInForce
from state import closing, validation

TODAY = dt.date(2025, 10, 1)
P2 = Period(
    period="P2",
    performance_end=dt.date(2025, 6, 30),
    k1=dt.date(2025, 9, 28),
    k2=dt.date(2025, 12, 27),
    pool_from=dt.date(2025, 1, 1),
    pool_months=6,
)
P2_LONGER = msgspec.structs.replace(P2, performance_end=dt.date(2025, 7, 31))
"""The period after a record that moves its end."""
LATER = dt.date(2026, 1, 2)


def close(period: str = "P2", reading: Any = "initial", **given: Any) -> Close:
    return Close(**{"close_id": f"{period}-{reading}", "period": period, "reading": reading, "actor": "ann", **given})


def standing(reading: Any) -> Snapshot:
    return closing.opened(close(reading=reading, as_of=P2.performance_end, closed_on=TODAY), 7)


@pytest.mark.parametrize(
    ("asked", "period", "today", "others", "why"),
    [
        (close(), P2, None, [], "the clock has not been set"),
        (close("P9"), None, TODAY, [], "period P9 is not known: publish its `period` record first"),
        (close("2025-13", "panel"), None, TODAY, [], "2025-13 is no month"),
        (close("P2", "panel"), P2, TODAY, [], "P2 is no month"),
        (close("0000-07", "panel"), None, TODAY, [], "0000-07 is no month from 1900 on"),
        (close("0202-07", "panel"), None, TODAY, [], "0202-07 is no month from 1900 on"),
        (close("2026-01", "panel"), None, TODAY, [], "describes 2026-01-01, and the clock stands at 2025-10-01"),
        (close(), P2, dt.date(2025, 9, 27), [], "refused before 2025-09-28, and the clock stands at 2025-09-27"),
        (close(reading="final"), P2, TODAY, [], "refused before 2025-12-27"),
        (close(), P2, TODAY, [standing("initial")], "was closed already, as P2-initial"),
        (close(reading="final"), P2, dt.date(2026, 1, 2), [standing("final")], "was closed already, as P2-final"),
        (close(), P2, TODAY, [standing("final")], "the final reading of P2 stands already, as P2-final"),
        (close(reading="final"), P2_LONGER, LATER, [standing("initial")], "P2-initial stands for 2025-06-30"),
    ],
)
def test_a_close_that_cannot_be_is_refused_with_what_to_do(
    asked: Close, period: Period | None, today: dt.date | None, others: list[Snapshot], why: str
) -> None:
    said = closing.why_refused(asked, period, today, others)
    assert said is not None
    assert why in said


@pytest.mark.parametrize(
    ("asked", "period", "today", "others", "day"),
    [
        (close(), P2, dt.date(2025, 9, 28), [], dt.date(2025, 6, 30)),
        (close(reading="final"), P2, dt.date(2025, 12, 27), [standing("initial")], dt.date(2025, 6, 30)),
        (close(reading="final"), P2, dt.date(2025, 12, 27), [], dt.date(2025, 6, 30)),
        (close("2025-11", "panel"), None, dt.date(2025, 10, 31), [], dt.date(2025, 11, 1)),
        (close("2025-03", "panel"), None, TODAY, [], dt.date(2025, 3, 1)),
    ],
)
def test_a_close_that_may_be_has_its_day(
    asked: Close, period: Period | None, today: dt.date, others: list[Snapshot], day: dt.date
) -> None:
    assert closing.why_refused(asked, period, today, others) is None
    assert closing.day_of(asked, period) == day


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"period": "2025-06"}, "period"),
        ({"period": ""}, "period"),
        ({"period": "P|2"}, "period"),
        ({"k1": dt.date(2025, 6, 30)}, "k1"),
        ({"k2": dt.date(2025, 9, 27)}, "k1"),
        ({"performance_end": dt.date(205, 6, 30)}, "performance_end"),
        ({"pool_months": 0}, "pool_months"),
        ({"window_months": 61}, "window_months"),
        ({"pool_from": dt.date(25, 1, 1)}, "pool_from"),
        ({"baseline": "P2"}, "baseline"),
    ],
)
def test_a_period_that_could_not_be_closed_is_refused_at_the_door(wrong: dict[str, Any], field: str) -> None:
    refusal = validation.refusal(msgspec.structs.replace(P2, **wrong), TODAY)
    assert refusal is not None
    assert refusal.field == field


def test_a_period_that_can_be_closed_is_accepted() -> None:
    assert validation.refusal(P2, TODAY) is None


def partial(number: int, **given: Any) -> Partial:
    return Partial(
        **{
            "close_id": "P2-initial",
            "partition": number,
            "watermark": 100 + number,
            "accepted_at": dt.datetime(2025, 10, 1, tzinfo=dt.UTC),
            "ruleset": "guide",
            "tables": (TableInForce(kind="ruleset", digest="ab"),),
            "engine_version": "1",
            "digest": f"{2**256 - 1:x}",
            "counts": (
                PracticeCount(payer="aetna", practice_id="", members=2),
                PracticeCount(payer="aetna", practice_id="A", members=3),
            ),
            "failed": (f"aetna|{number}",),
            "skips": (Passed(partition=number, offset=4, digest="cd", reason="unreadable"),),
            **given,
        }
    )


def test_partials_add_up_whatever_their_order() -> None:
    whole = closing.completed(standing("initial"), [partial(2), partial(0), partial(1)])
    assert whole == closing.completed(standing("initial"), [partial(0), partial(1), partial(2)])
    assert (whole.state, whole.members, whole.attributed) == ("complete", 15, 9)
    assert whole.counts == (
        PracticeCount(payer="aetna", practice_id="", members=6),
        PracticeCount(payer="aetna", practice_id="A", members=9),
    )
    assert whole.content_digest == f"{2**256 - 3:064x}"
    assert [one.watermark for one in whole.positions] == [100, 101, 102]
    assert whole.failed == ("aetna|0", "aetna|1", "aetna|2")
    assert [one.partition for one in whole.skips] == [0, 1, 2]


@pytest.mark.parametrize("other", [{"engine_version": "2"}, {"ruleset": "weighted"}, {"tables": ()}])
def test_partitions_that_went_by_different_rules_make_no_manifest(other: dict[str, Any]) -> None:
    with pytest.raises(closing.MixedPartials, match="run workers of one release"):
        closing.completed(standing("initial"), [partial(0), partial(1, **other)])
