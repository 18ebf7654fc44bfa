"""How far outputs are out is found behind whatever a former owner left unfinished."""

from __future__ import annotations

import datetime as dt

import confluent_kafka

from schemas.records import Attribution, MemberId, Payer, Version
from schemas.topics import name as topic_name
from streams.producing import Message
from streams.said import last_said
from tests.fixtures.workers import Service

ANSWER = Attribution(
    payer=Payer("aetna"),
    member_id=MemberId("1"),
    as_of=dt.date(2025, 7, 1),
    status="not_attributed",
    step=None,
    practice_id=None,
    provider_npi=None,
    reason="no_primary_care_visit",
    visits_12m=0,
    visits_18m=0,
    last_visit_date=None,
    runner_up_practice_id=None,
    secure_until=None,
    drop_reason=None,
    next_practice_id=None,
    visits_needed=None,
    evidence=(),
    flags=(),
    ruleset="guide",
    engine_version="1",
)


def say(service: Service, topic: str, *versions: Version | None) -> None:
    """Outputs of partition 1, as a relay would send them; None: a tombstone."""
    service.sender.send_now(
        [
            Message(
                topic_name(service.settings.prefix, topic),
                1,
                b"aetna|1",
                None if version is None else service.codec.encode_output("attribution", ANSWER, version),
            )
            for version in versions
        ]
    )


def log_of(service: Service, records: int) -> None:
    """A log of so many records."""
    name = topic_name(service.settings.prefix, "member-events")
    service.sender.send_now([Message(name, 1, b"x", b"x")] * records)


def test_nothing_said_is_nothing(service: Service) -> None:
    assert last_said(service.settings, service.codec, 1) is None


def test_the_newest_version_is_found_behind_tombstones_and_an_aborted_transaction(service: Service) -> None:
    log_of(service, 10)
    say(service, "attribution", Version(1, 3, 0), Version(1, 7, 2), *[None] * 40)
    zombie = confluent_kafka.Producer(
        {"bootstrap.servers": service.settings.bootstrap, "transactional.id": f"{service.settings.prefix}zombie"}
    )
    zombie.init_transactions(30)
    zombie.begin_transaction()
    value = service.codec.encode_output("attribution", ANSWER, Version(1, 9, 0))
    for _ in range(200):
        zombie.produce(topic_name(service.settings.prefix, "attribution"), value, b"aetna|1", 1)
    zombie.flush(30)
    zombie.abort_transaction(30)
    assert last_said(service.settings, service.codec, 1) == Version(1, 7, 2)
    assert last_said(service.settings, service.codec, 0) is None
