"""Creating the topics and checking that they are what the laws stand on: partitions, cleanup, timestamps (interface.md 5)."""

from __future__ import annotations

from collections.abc import Iterator

import confluent_kafka
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from schemas.topics import TOPICS, Topic, config
from schemas.topics import name as topic_name
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, EXIT_HOLE, Stop

PATIENCE = 15.0
CHECKED = ("cleanup.policy", "retention.ms", "message.timestamp.type")
"""Settings that a number depends on; others are the operator's, but that our topics take the longest record we write."""


def create(settings: Settings, *, replication: int) -> list[str]:
    """Create the topics that are missing; return their names. Raises `Stop` when the broker refuses."""
    # The client must outlive what it was asked for.
    admin = _admin(settings)
    there = _partition_counts(admin, settings)
    missing = [topic for topic in TOPICS if topic_name(settings.prefix, topic.name) not in there]
    if not missing:
        return []
    wanted = [
        NewTopic(
            topic_name(settings.prefix, topic.name),
            num_partitions=_wanted(settings, topic),
            replication_factor=replication,
            config=config(topic),
        )
        for topic in missing
    ]
    for name, done in admin.create_topics(wanted, operation_timeout=PATIENCE).items():
        try:
            done.result(PATIENCE)
        except confluent_kafka.KafkaException as problem:
            error = problem.args[0]
            if error.code() != confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                raise Stop(
                    f"Topic {name} could not be created ({error.str()}): check the broker's permissions.", EXIT_BROKER
                ) from None
    return [topic_name(settings.prefix, topic.name) for topic in missing]


def check(settings: Settings) -> list[str]:
    """What is wrong with the topics, a sentence each; empty when all is well. Raises `Stop` when the broker is away."""
    return list(_mistakes(_admin(settings), settings))


def require(settings: Settings) -> None:
    """Raise `Stop` with the first mistake and the number of further ones, or when a log is empty whose outputs stand."""
    admin = _admin(settings)
    mistakes = list(_mistakes(admin, settings))
    if mistakes:
        more = f" ({len(mistakes) - 1} more: `panelstream topics check`)" if len(mistakes) > 1 else ""
        raise Stop(mistakes[0] + more, EXIT_CONFIG)
    if not settings.embedded:
        _require_logs(admin, settings)


def _require_logs(admin: AdminClient, settings: Settings) -> None:
    """Raise `Stop` when a log was made anew under outputs of the former one.

    Asked before anything is written: once intake has filled the new log, its end no longer tells that it is another.
    """
    events, control, outputs = (
        topic_name(settings.prefix, topic) for topic in ("member-events", "control", "attribution")
    )
    places = [
        confluent_kafka.TopicPartition(topic, one) for topic in (events, outputs) for one in range(settings.partitions)
    ]
    places.append(confluent_kafka.TopicPartition(control, 0))
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets(dict.fromkeys(places, latest), request_timeout=PATIENCE)
    try:
        ends = {(place.topic, place.partition): found.result(PATIENCE).offset for place, found in asked.items()}
    except confluent_kafka.KafkaException as problem:
        raise Stop(
            f"The ends of the logs cannot be read ({problem.args[0].str()}): check the broker, then start again.",
            EXIT_BROKER,
        ) from None
    for partition in range(settings.partitions):
        if not ends[outputs, partition]:
            continue
        for log, place in ((events, partition), (control, 0)):
            if not ends[log, place]:
                raise Stop(
                    f"{outputs}[{partition}] holds outputs, but {log}[{place}] ends at 0: that log was cut or replaced. Restore "
                    "it, or delete the output topics with it.",
                    EXIT_HOLE,
                )


def partition_counts(settings: Settings) -> dict[str, int]:
    """The partition count of every topic at the broker, by its full name. Raises `Stop` when the broker is away."""
    return _partition_counts(_admin(settings), settings)


def _partition_counts(admin: AdminClient, settings: Settings) -> dict[str, int]:
    try:
        topics = admin.list_topics(timeout=PATIENCE).topics
    except confluent_kafka.KafkaException:
        raise Stop(
            f"No Kafka broker answers at {settings.bootstrap}: start it, or set KAFKA_BOOTSTRAP to where it is.",
            EXIT_BROKER,
        ) from None
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _mistakes(admin: AdminClient, settings: Settings) -> Iterator[str]:
    there = _partition_counts(admin, settings)
    present: list[Topic] = []
    for topic in TOPICS:
        name = topic_name(settings.prefix, topic.name)
        count = there.get(name)
        if count is None:
            yield f"Topic {name} does not exist: run `panelstream topics create`."
        elif topic.counted and count != _wanted(settings, topic):
            yield (
                f"Topic {name} has {count} partitions, PANELSTREAM_PARTITIONS asks for {_wanted(settings, topic)}: set it to "
                f"{count} if the topic was made so on purpose; a partition count never changes in place."
            )
        else:
            present.append(topic)
    if settings.embedded or not present:
        return
    resources = [ConfigResource(ResourceType.TOPIC, topic_name(settings.prefix, topic.name)) for topic in present]
    answers = {
        resource.name: answer
        for resource, answer in admin.describe_configs(resources, request_timeout=PATIENCE).items()
    }
    for topic in present:
        name = topic_name(settings.prefix, topic.name)
        actual = answers[name].result(PATIENCE)
        for key, value in config(topic).items():
            short = key == "max.message.bytes" and int(actual[key].value) < int(value)
            if topic.owned and (short or (key in CHECKED and actual[key].value != value)):
                yield (
                    f"Topic {name} has {key}={actual[key].value}, it must be {value}{' or more' if short else ''}: "
                    f"set it with the broker's kafka-configs tool (--alter --topic {name} --add-config {key}={value})."
                )


def _wanted(settings: Settings, topic: Topic) -> int:
    return settings.partitions if topic.partitioned else 1


def _admin(settings: Settings) -> AdminClient:
    return AdminClient({"bootstrap.servers": settings.bootstrap, "log_level": 2})
