"""A real schema registry that speaks Confluent's interface, for tests: it refuses a schema that breaks a reader."""

from __future__ import annotations

import http.client
import os
import shutil
import tempfile
import time
import urllib.parse
from pathlib import Path
from types import TracebackType
from typing import Self

from ops.brokers import maven
from ops.brokers.processes import (
    Container,
    MissingToolsError,
    Process,
    ServerFailedError,
    docker_engine_runs,
    free_ports,
)

VERSION = "2.6.13.Final"
POM = Path(__file__).with_name("registry_pom.xml")
CACHED = f"apicurio-registry-{VERSION}"
IMAGE = f"apicurio/apicurio-registry-mem:{VERSION}"

PATIENCE = 90.0
"""Seconds for a registry to answer; six are usual, more when every core is busy."""


def available() -> bool:
    """Whether this machine can provide a registry: `PANELSTREAM_REGISTRY_URL`, Java with Maven, or Docker."""
    return bool(os.environ.get("PANELSTREAM_REGISTRY_URL")) or _java_way() or docker_engine_runs()


class SchemaRegistry:
    """An Apicurio Registry that answers at `url` between `start` and `stop`, its schemas in memory; a context manager.

    Where `PANELSTREAM_REGISTRY_URL` is set, that one is used and never stopped.
    """

    url: str
    """What a Confluent client takes as `url`."""

    def __init__(self) -> None:
        """Choose the way; nothing runs yet. Raises `MissingToolsError`."""
        self._server: Process | Container | None = None
        self._folder: Path | None = None
        self._given = os.environ.get("PANELSTREAM_REGISTRY_URL")
        if self._given:
            self.url = self._given
            return
        if not _java_way() and not docker_engine_runs():
            raise MissingToolsError(
                "No schema registry to be had here: install Java 17 or later and Maven (on Debian: apt-get install "
                "openjdk-17-jre-headless maven), or start the Docker engine, or set PANELSTREAM_REGISTRY_URL."
            )
        self._port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def start(self) -> None:
        """Start it and return when it answers; raises `ServerFailedError`."""
        try:
            if not self._given:
                self._server = self._by_java() if _java_way() else self._by_docker()
                self._server.start()
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it; its schemas are gone."""
        if self._server is not None:
            self._server.remove()
            self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.stop()

    def _by_java(self) -> Process:
        java = maven.find_java() or "java"
        program = maven.fetch(CACHED, POM, VERSION, "unpack-dependencies")
        jar = next(program.glob("**/apicurio-registry-app-*-runner.jar"))
        self._folder = Path(tempfile.mkdtemp(prefix="panelstream-registry-"))
        options = [
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={self._port}",
        ]
        return Process([java, *options, "-jar", str(jar)], self._folder / "registry.log")

    def _by_docker(self) -> Container:
        return Container(IMAGE, ports={self._port: 8080}, environment={})

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while not _answers(self.url):
            log = self._server.last_lines() if self._server is not None else ""
            if self._server is not None and not self._server.running():
                raise ServerFailedError(
                    f"The schema registry ended while it started; the last lines of its log:\n{log}"
                )
            if time.monotonic() > end:
                raise ServerFailedError(f"No schema registry at {self.url} after {PATIENCE:.0f} s; its log:\n{log}")
            time.sleep(0.1)


def _java_way() -> bool:
    return maven.find_java() is not None and maven.can_fetch(CACHED)


def _answers(url: str) -> bool:
    place = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.netloc, timeout=5)
    try:
        connection.request("GET", f"{place.path}/subjects")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
