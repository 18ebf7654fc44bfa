"""What a worker tells of itself over HTTP: `/metrics` for Prometheus, `/health` (restart me if not), `/ready` (send me work).

Served by a thread of its own, so that a worker whose event loop stands still can still say so. No member's data is ever shown.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prometheus_client

from streams import metrics
from streams.stopping import EXIT_CONFIG, Stop

STANDSTILL = 30.0
"""Seconds without a turn of the event loop after which a worker is not healthy."""


class Pulse:
    """What the event loop last said of itself. Written by the loop, read by the server's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()
        self._lacking: tuple[str, ...] = ("the worker is starting",)

    def beat(self, lacking: tuple[str, ...]) -> None:
        """The loop turns; `lacking` says what keeps the worker from being ready."""
        self._beat = self._clock()
        self._lacking = lacking

    def health(self) -> tuple[int, dict[str, object]]:
        """Status and body of /health."""
        age = self._clock() - self._beat
        alive = age < STANDSTILL
        return (200 if alive else 503), {"healthy": alive, "seconds_since_last_turn": round(age, 1)}

    def ready(self) -> tuple[int, dict[str, object]]:
        """Status and body of /ready."""
        status, _ = self.health()
        lacking = self._lacking if status == 200 else ("the event loop stands still",)
        return (503 if lacking else 200), {"ready": not lacking, "lacking": list(lacking)}


def serve(host: str, port: int, pulse: Pulse) -> ThreadingHTTPServer:
    """Serve until the process ends. Raises `Stop` when the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(
                    200, prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest(metrics.registry)
                )
            elif path in ("/health", "/ready"):
                status, body = pulse.health() if path == "/health" else pulse.ready()
                self._answer(status, "application/json", json.dumps(body).encode() + b"\n")
            else:
                self._answer(404, "text/plain; charset=utf-8", b"There are /metrics, /health and /ready.\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Who looked is not worth a line."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError:
        raise Stop(
            f"Port {port} on {host} is taken: set PANELSTREAM_METRICS_PORT to a free one.", EXIT_CONFIG
        ) from None
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server
