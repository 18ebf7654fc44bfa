"""Which schema a record was written with: by the number in its first bytes, from our own files or from a registry.

Without a registry our schemas identify themselves by the numbers in `avro/index.json`, which never change. With one, they are
registered there under FULL_TRANSITIVE compatibility, and whatever plans have registered is read.
"""

from __future__ import annotations

import json
from functools import cached_property
from importlib.resources import files
from typing import Any, Protocol

FOLDER = files("schemas") / "avro"
NOT_FOUND, SERVER_FAULT = 404, 500
"""HTTP status codes."""
Schema = dict[str, Any]


class RegistryError(Exception):
    """The registry refuses a schema of ours. The text says what to do."""


class RegistryAway(RegistryError):
    """The registry does not answer, or not sensibly: what was under way can be done again when it is back."""


class UnknownSchema(LookupError):
    """No schema has this number."""


class ForeignSchema(LookupError):
    """The schema of this number is not Avro."""


class Registry(Protocol):
    """What the codec needs of a registry."""

    def id_of(self, topic: str) -> int:
        """The number under which the newest schema of a topic is written."""

    def schema(self, number: int) -> Schema:
        """The schema of a number. Raises `UnknownSchema`."""


def schema_file(topic: str, version: int) -> Schema:
    """A version of a topic's schema as it stands in `schemas/avro`."""
    loaded: Schema = json.loads((FOLDER / topic / f"{version}.avsc").read_text(encoding="utf-8"))
    return loaded


def index() -> dict[str, dict[str, dict[str, Any]]]:
    """Topic -> version -> {id, fingerprint}."""
    loaded: dict[str, dict[str, dict[str, Any]]] = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    return loaded


def newest(topic: str) -> Schema:
    """The schema this release reads and writes a topic with."""
    return schema_file(topic, max(map(int, index()[topic])))


class EmbeddedRegistry:
    """The files of this release as a registry."""

    @cached_property
    def _by_id(self) -> dict[int, tuple[str, int]]:
        return {
            entry["id"]: (topic, int(version))
            for topic, versions in index().items()
            for version, entry in versions.items()
        }

    @cached_property
    def _newest(self) -> dict[str, int]:
        return {topic: versions[max(versions, key=int)]["id"] for topic, versions in index().items()}

    def id_of(self, topic: str) -> int:
        """The number in index.json of a topic's newest schema."""
        return self._newest[topic]

    def schema(self, number: int) -> Schema:
        """The schema file of a number in index.json."""
        if number not in self._by_id:
            raise UnknownSchema(number)
        return schema_file(*self._by_id[number])


class RemoteRegistry:
    """A Confluent-compatible schema registry by URL; our subjects are `<prefix><topic>-value`."""

    def __init__(self, url: str, prefix: str) -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        self._url = url
        self._client = SchemaRegistryClient({"url": url})
        self._ids = {
            topic: self._register(f"{prefix}{topic}-value", versions, topic) for topic, versions in index().items()
        }
        self._schemas: dict[int, Schema] = {}

    def _register(self, subject: str, versions: dict[str, Any], topic: str) -> int:
        from confluent_kafka.schema_registry import ConfigCompatibilityLevel, ServerConfig
        from confluent_kafka.schema_registry import Schema as Registered
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        number = -1
        try:
            for version in sorted(versions, key=int):
                text = json.dumps(schema_file(topic, int(version)))
                number = self._client.register_schema(subject, Registered(text, "AVRO"))
            self._client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.FULL_TRANSITIVE))
        except SchemaRegistryError as problem:
            if problem.http_status_code >= SERVER_FAULT:
                raise self._away(problem) from None
            raise RegistryError(
                f"The schema registry at {self._url} refuses {subject} ({problem.error_message}): it holds another schema "
                "under that subject; use another PANELSTREAM_PREFIX or clear the subject."
            ) from None
        except Exception as problem:
            raise self._away(problem) from None
        return number

    def _away(self, problem: Exception) -> RegistryAway:
        return RegistryAway(
            f"The schema registry at {self._url} does not answer ({type(problem).__name__}): start it or correct "
            "PANELSTREAM_REGISTRY_URL; nothing was acknowledged."
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def id_of(self, topic: str) -> int:
        """The number the registry gave to a topic's newest schema."""
        return self._ids[topic]

    def schema(self, number: int) -> Schema:
        """The schema of a number, asked once."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        if number not in self._schemas:
            try:
                found = self._client.get_schema(number)
            except SchemaRegistryError as problem:
                if problem.http_status_code == NOT_FOUND:
                    raise UnknownSchema(number) from None
                raise self._away(problem) from None
            except Exception as problem:
                raise self._away(problem) from None
            try:
                self._schemas[number] = json.loads(found.schema_str or "")
            except ValueError:
                raise ForeignSchema(number) from None
            if found.schema_type != "AVRO":
                del self._schemas[number]
                raise ForeignSchema(number)
        return self._schemas[number]


def registry_for(url: str | None, prefix: str) -> Registry:
    """The registry at `url`, or this release's own files. Raises `RegistryError`."""
    return RemoteRegistry(url, prefix) if url else EmbeddedRegistry()
