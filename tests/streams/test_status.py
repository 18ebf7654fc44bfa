"""What a worker says of itself when it cannot work, and the table of its metrics."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from streams import logs, metrics, status
from streams.status import Pulse
from streams.stopping import Stop


def test_a_worker_that_starts_is_healthy_and_not_ready() -> None:
    pulse = Pulse(lambda: 0.0)
    assert pulse.health()[0] == 200
    assert pulse.ready() == (503, {"ready": False, "lacking": ["the worker is starting"]})


def test_a_worker_whose_loop_stands_still_is_neither_healthy_nor_ready() -> None:
    now = 0.0
    pulse = Pulse(lambda: now)
    pulse.beat(())
    assert (pulse.health()[0], pulse.ready()[0]) == (200, 200)
    now = status.STANDSTILL + 1
    assert pulse.health() == (503, {"healthy": False, "seconds_since_last_turn": 31.0})
    assert pulse.ready() == (503, {"ready": False, "lacking": ["the event loop stands still"]})


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    server = status.serve("127.0.0.1", 0, Pulse())
    try:
        with pytest.raises(Stop, match="is taken: set PANELSTREAM_METRICS_PORT to a free one"):
            status.serve("127.0.0.1", server.server_port, Pulse())
    finally:
        server.shutdown()
        server.server_close()


def test_the_page_on_metrics_is_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    assert metrics.as_markdown() in page, "run `python -m streams.metrics` and put the table into docs/metrics.md"


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_log_line_holds_the_kind_and_place_of_a_fault_and_never_its_text(
    style: logs.Style, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    logs.set_up(style)
    logging.captureWarnings(capture=False)
    try:
        raise ValueError("member SECRET")
    except ValueError:
        logging.getLogger("streams.members").exception("a member of %s failed", "member-events[3]")
    logging.getLogger("mode.services").error("crashed with %r", "SECRET")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: SECRET")
    said = capsys.readouterr().err
    assert "SECRET" not in said
    first, second, third = said.splitlines()
    assert "a member of member-events[3] failed" in first
    assert "ValueError at test_status.py:" in first
    assert "crashed with" in second
    assert "Task exception was never retrieved" in third
    if style == "json":
        assert json.loads(first)["level"] == "error"


@pytest.mark.parametrize("style", ["json", "text"])
def test_the_sentence_with_which_a_worker_ends_is_a_line_of_its_log(style: logs.Style) -> None:
    program = f"from streams import logs, stopping; logs.set_up({style!r}); stopping.end_process('say why', 70)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 70
    if style == "text":
        assert line == "panelstream: say why"
    else:
        said = json.loads(line)
        assert (said["level"], said["logger"], said["message"]) == ("critical", "panelstream", "say why")
