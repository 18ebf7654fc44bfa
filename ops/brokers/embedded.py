"""The broker of the demo: librdkafka's built-in one, inside this process, so that nothing needs installing.

It is no Kafka and proves nothing about one: no compaction; no retention but the cap of 5 MiB or 100,000 batches a
partition, beyond which the oldest are dropped without a word; nothing on disk; no fencing of a frozen writer; no
offsets in transactions; no admin calls. Its interface is experimental, so that everything that touches it is in this
module and confluent-kafka is pinned.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka

PARTITION_BYTES = 5 * 1024 * 1024
"""What a partition holds; older records are dropped beyond it."""

_PRODUCER = 0


class EmbeddedBroker:
    """librdkafka's mock broker at `bootstrap` between `start` and `stop`, for the demo only: see what it lacks above.

    Any client of this machine can reach it, other processes included; it lives and dies with this process. Creating
    topics, describing settings and fencing do not work on it.
    """

    bootstrap: str
    """`host:port` once started; empty before."""

    def __init__(self) -> None:
        self.bootstrap = ""
        self._library: ctypes.CDLL | None = None
        self._client: int | None = None
        self._cluster: int | None = None

    def start(self, topics: Mapping[str, int]) -> None:
        """Start it with these topics and their partition counts; raises `RuntimeError` if librdkafka refuses."""
        self._library = library = _load()
        reason = ctypes.create_string_buffer(512)
        settings = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set(
            settings, b"log_level", b"3", reason, len(reason)
        )  # it warns that it has no broker to find
        self._client = library.rd_kafka_new(_PRODUCER, settings, reason, len(reason))
        if not self._client:
            raise RuntimeError(f"librdkafka gave no client: {reason.value.decode()}")
        self._cluster = library.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            self.stop()
            raise RuntimeError("librdkafka started no embedded broker")
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        for name, partitions in topics.items():
            error = library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
            if error:
                self.stop()
                raise RuntimeError(
                    f"the embedded broker refused topic {name} with {partitions} partitions: error {error}"
                )
        self.bootstrap = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def stop(self) -> None:
        """Stop it; every record is gone. Close the clients first, or they complain of a broker that went away."""
        if self._library is not None and self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        if self._library is not None and self._client:
            self._library.rd_kafka_destroy(self._client)
        self._library = self._client = self._cluster = None
        self.bootstrap = ""

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.stop()

    def __enter__(self) -> Self:
        return self


def _load() -> ctypes.CDLL:
    """The librdkafka that the installed confluent_kafka brings and has loaded; its functions declared."""
    package = Path(confluent_kafka.__file__).parent
    places = [package.with_name("confluent_kafka.libs"), package / ".dylibs"]  # of the wheels for Linux and macOS
    found = [file for place in places for file in sorted(place.glob("librdkafka*")) if "librdkafka++" not in file.name]
    if not found:
        raise RuntimeError(
            f"confluent_kafka {confluent_kafka.__version__} was not installed from a wheel for Linux or macOS, so "
            "there is no embedded broker: set KAFKA_BOOTSTRAP to a Kafka."
        )
    library = ctypes.CDLL(str(found[0]))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
