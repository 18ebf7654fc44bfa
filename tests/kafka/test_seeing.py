"""A worker as its operator sees it: metrics, health, readiness and logs, and no member in any of them."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.error
import urllib.request
from typing import Any

import msgspec

from schemas.records import Claim
from streams import metrics
from tests.fixtures.facts import TICKS, facts
from tests.fixtures.workers import Service
from tests.kafka.test_closes import close


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
    except OSError:
        return 0, ""


def samples(text: str) -> dict[str, float]:
    """Values by name with labels."""
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    }


def test_a_worker_shows_what_it_did_and_names_no_member(service: Service) -> None:
    sent = facts(60, 5)
    port = free_port()
    marked = [
        msgspec.structs.replace(one, member_id=f"SECRET{one.member_id}", **secret(one))
        for one in sent.members  # type: ignore[union-attr]
    ]
    worker = service.start(PANELSTREAM_METRICS_PORT=str(port), PANELSTREAM_LOG="json")
    service.wait_until(lambda: asked(port, "/ready")[0] == 200, "ready")
    service.publish([*sent.reference, *marked])
    service.publish_bytes("claims", b"SECRET", b"\0\0\0\0\1SECRET", b"\0\0\0\3\xe7SECRET")
    service.tick(TICKS[0])
    service.settle()
    close(service, "2025-07")
    assert json.loads(asked(port, "/health")[1])["healthy"] is True
    assert json.loads(asked(port, "/ready")[1]) == {"ready": True, "lacking": []}
    assert asked(port, "/else")[0] == 404
    service.wait_until(lambda: is_looked_at(samples(asked(port, "/metrics")[1])), "looked at since everything is done")
    text = asked(port, "/metrics")[1]
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    assert "SECRET" not in text
    assert "SECRET" not in worker.said()
    shown = samples(text)
    worked = sum(
        value
        for name, value in shown.items()
        if name.startswith("panelstream_records_total{") and 'stage="members"' in name
    )
    assert worked >= len(sent.members) - 20
    assert shown['panelstream_quarantined_total{reason="not_avro",topic="claims"}'] == 1
    assert shown["panelstream_end_to_end_seconds_count"] > 0
    assert shown['panelstream_close_seconds_count{reading="panel"}'] == 1
    assert shown['panelstream_transaction_seconds_count{log="member-events"}'] > 0
    assert is_looked_at(shown)
    families = set(re.findall(r"^# TYPE (panelstream_\w+) ", text, re.MULTILINE))
    assert families == {one.name for one in metrics.TABLE}
    for line in worker.said().splitlines():
        assert {"time", "level", "logger", "message"} <= json.loads(line).keys()


def is_looked_at(shown: dict[str, float]) -> bool:
    """The gauges are looked at every few seconds, one after the other: they show work that is done some time after it is."""
    by_name = {
        name: [value for full, value in shown.items() if full.partition("{")[0] == name]
        for name in (
            "panelstream_lag_records",
            "panelstream_outbox_rows",
            "panelstream_members_failed",
            "panelstream_alerts_open",
            "panelstream_closes_open",
        )
    }
    return (
        shown.get('panelstream_partitions{log="member-events"}') == 4
        and shown.get('panelstream_partitions{log="control"}') == 1
        and all(by_name.values())
        and sum(by_name.pop("panelstream_alerts_open")) > 0
        and not any(value for values in by_name.values() for value in values)
    )


def secret(record: Any) -> dict[str, str]:
    """Names that would be found if they were said."""
    if not isinstance(record, Claim):
        return {}
    return {"payer_claim_control_number": f"SECRET{record.payer_claim_control_number}"}
