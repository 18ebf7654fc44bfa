"""The command that asks for a close and follows it, without a broker: whose answer it takes, and when it stops waiting."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from schemas.codec import Codec
from schemas.records import Close, Partial, Snapshot
from schemas.registry import EmbeddedRegistry
from state import closing as rules
from streams import closing, topic_admin, waiting
from streams.cli import close as command
from streams.settings import Settings
from streams.stopping import Stop
from streams.waiting import Report

SETTINGS = Settings.from_environment({}, partitions=3)
CODEC = Codec(EmbeddedRegistry())
DAY = dt.date(2025, 6, 30)
ASKED = Close(close_id="P2-initial", period="P2", reading="initial", actor="ann", as_of=DAY, closed_on=DAY)
REFUSED = rules.refused(ASKED, 7, "too early")
OPEN = rules.opened(ASKED, 9)
COMPLETE = msgspec.structs.replace(OPEN, state="complete")


def silent(_what: str) -> Report:
    return lambda _done, _total: None


class Moving:
    """A service in which every log but those named moves on at each look."""

    still: tuple[str, ...] = ()

    def __init__(self, *_: object) -> None:
        self._looks = 0

    def __enter__(self) -> Moving:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ends(self, _topics: Iterable[str]) -> dict[Any, int]:
        return {}

    def reach(self, _topics: Iterable[str]) -> None: ...

    def position(self, topic: str, partitions: Iterable[int] = (0, 1, 2)) -> int:
        self._looks += 1
        places = {f"{topic}[{one}]" for one in partitions}
        return 0 if places <= set(self.still) or topic in self.still else self._looks


def asked(
    monkeypatch: pytest.MonkeyPatch,
    stands: Callable[[], dict[str, Snapshot]],
    *,
    still: tuple[str, ...] = (),
    answered: tuple[int, ...] = (),
) -> Snapshot:
    """Ask for the initial reading of P2, while `snapshots` says what `stands` gives at each look."""
    monkeypatch.setattr(Moving, "still", still)
    monkeypatch.setattr(closing, "Progress", Moving)
    monkeypatch.setattr(closing, "PATIENCE", 0.2)
    monkeypatch.setattr(closing, "LOOK", 0.01)
    monkeypatch.setattr(closing, "_append", lambda *_: None)
    monkeypatch.setattr(closing, "_snapshots", lambda *_, **__: stands())
    monkeypatch.setattr(closing, "_control_since", lambda *_: map(partial, answered))
    return closing.request(SETTINGS, CODEC, "P2", "initial", actor="ann", reason=None, retro_months=6, report=silent)


def partial(number: int) -> Partial:
    return Partial(
        close_id=ASKED.close_id,
        partition=number,
        watermark=1,
        accepted_at=dt.datetime(2025, 7, 1, tzinfo=dt.UTC),
        ruleset="guide",
        tables=(),
        engine_version="1",
        digest="0",
        counts=(),
    )


def test_the_refusal_of_an_earlier_request_is_not_the_answer_to_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before k1, it is asked for again after k1: under the same id, and the refusal still stands on the topic."""
    looks = iter([REFUSED, REFUSED, REFUSED, OPEN, COMPLETE])
    found = asked(monkeypatch, lambda: {"P2-initial": next(looks)})
    assert found.state == "complete"


def test_a_second_refusal_is_told_with_its_own_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([REFUSED, REFUSED, rules.refused(ASKED, 12, "still too early")])
    with pytest.raises(Stop, match="still too early"):
        asked(monkeypatch, lambda: {"P2-initial": next(looks)})


def test_a_partition_that_does_not_answer_is_named_however_busy_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Stop, match=r"partitions 2 of member-events have not answered and do not move: start workers"):
        asked(monkeypatch, lambda: {"P2-initial": OPEN}, still=("member-events[2]",), answered=(0, 1))


def test_a_conductor_that_is_away_is_told_however_busy_the_partitions_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Stop, match=r"no conductor moves: start workers .* control\[0\]"):
        asked(monkeypatch, dict, still=("control",))


def test_the_list_of_closes_says_for_which_partitions_one_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(topic_admin, "partition_counts", lambda _settings: {"member-events": 3})
    monkeypatch.setattr(closing, "_snapshots", lambda *_, **__: {"P2-initial": OPEN})
    monkeypatch.setattr(closing, "_control_since", lambda *_: [partial(1)])
    command.list_()
    assert capsys.readouterr().out == "P2-initial  open  initial of P2 as of 2025-06-30, waits for partitions 0, 2\n"


def test_closes_are_looked_for_in_as_many_partitions_as_the_broker_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever closes has PANELSTREAM_PARTITIONS often not set: the count is the broker's to say."""
    monkeypatch.setattr(topic_admin, "partition_counts", lambda _settings: {"member-events": 5})
    settings, _ = command.service(None, None)
    assert settings.partitions == 5
    monkeypatch.setattr(topic_admin, "partition_counts", lambda _settings: {})
    with pytest.raises(Stop, match="Topic member-events does not exist: run `panelstream topics create`"):
        command.service(None, None)


def test_who_has_no_name_is_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run under a number that no passwd file names."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 5)
    with pytest.raises(Stop, match="say with --actor NAME who asks"):
        command.who()


def test_waiting_ends_when_what_is_left_does_not_move_though_new_records_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partition 1 has no owner; what others send to partition 0 meanwhile is worked, and must not keep us waiting."""
    names = [topic.name for topic in waiting.TOPICS]
    monkeypatch.setattr(topic_admin, "partition_counts", lambda _settings: dict.fromkeys(names, 2))
    monkeypatch.setattr(waiting, "PATIENCE", 0.2)
    monkeypatch.setattr(waiting, "LOOK", 0.01)
    busy = iter(range(10, 10_000))
    claims = [("claims", 0), ("claims", 1)]
    monkeypatch.setattr(waiting.Progress, "_ends", lambda *_: dict.fromkeys(claims, 10))
    monkeypatch.setattr(waiting.Progress, "_committed", lambda *_: {claims[0]: next(busy), claims[1]: 4})
    with (
        waiting.Progress(SETTINGS, silent) as progress,
        pytest.raises(Stop, match=r"with 6 records of claims\[1\] to go"),
    ):
        progress.reach(["claims"])
