"""Creating the topics and checking that they are what the laws stand on: partitions, cleanup, timestamps (interface.md 5)."""

from __future__ import annotations

from collections.abc import Iterator

import confluent_kafka
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from schemas.topics import TOPICS, Topic, config
from schemas.topics import name as topic_name
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, Stop

PATIENCE = 15.0
CHECKED = ("cleanup.policy", "retention.ms", "message.timestamp.type")
"""Settings that a number depends on; others are the operator's."""


def create(settings: Settings, *, replication: int) -> list[str]:
    """Create the topics that are missing; return their names. Raises `Stop` when the broker refuses."""
    there = partition_counts(settings)
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
    # The client must outlive what it was asked for.
    admin = _admin(settings)
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
    return list(_mistakes(settings))


def require(settings: Settings) -> None:
    """Raise `Stop` with the first mistake and the number of further ones."""
    mistakes = check(settings)
    if mistakes:
        more = f" ({len(mistakes) - 1} more: `panelstream topics check`)" if len(mistakes) > 1 else ""
        raise Stop(mistakes[0] + more, EXIT_CONFIG)


def partition_counts(settings: Settings) -> dict[str, int]:
    """The partition count of every topic at the broker, by its full name. Raises `Stop` when the broker is away."""
    try:
        topics = _admin(settings).list_topics(timeout=PATIENCE).topics
    except confluent_kafka.KafkaException:
        raise Stop(
            f"No Kafka broker answers at {settings.bootstrap}: start it, or set KAFKA_BOOTSTRAP to where it is.",
            EXIT_BROKER,
        ) from None
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _mistakes(settings: Settings) -> Iterator[str]:
    there = partition_counts(settings)
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
    admin = _admin(settings)
    answers = {
        resource.name: answer
        for resource, answer in admin.describe_configs(resources, request_timeout=PATIENCE).items()
    }
    for topic in present:
        name = topic_name(settings.prefix, topic.name)
        actual = answers[name].result(PATIENCE)
        for key, value in config(topic).items():
            if topic.owned and key in CHECKED and actual[key].value != value:
                yield (
                    f"Topic {name} has {key}={actual[key].value}, it must be {value}: "
                    f"set it with the broker's kafka-configs tool (--alter --topic {name} --add-config {key}={value})."
                )


def _wanted(settings: Settings, topic: Topic) -> int:
    return settings.partitions if topic.partitioned else 1


def _admin(settings: Settings) -> AdminClient:
    return AdminClient({"bootstrap.servers": settings.bootstrap, "log_level": 2})
