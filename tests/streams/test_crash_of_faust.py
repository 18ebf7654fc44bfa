"""A worker whose Faust has crashed ends, also where Faust, while it starts, would wait for itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from streams import worker
from streams.stopping import EXIT_FAULT


def test_a_crash_that_faust_does_not_get_over_ends_the_process_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[tuple[str, int]] = []
    seen = threading.Event()

    class Service:
        crash_reason: BaseException | None = None

    def end_process(sentence: str, code: int) -> None:
        ended.append((sentence, code))
        seen.set()

    monkeypatch.setattr(worker, "end_process", end_process)
    monkeypatch.setattr(worker, "FAREWELL", 0.0)
    monkeypatch.setattr(worker, "LOOK_FOR_CRASH", 0.001)
    service: Any = Service()
    threading.Thread(target=worker._end_after_a_crash, args=(service,), daemon=True).start()
    assert not seen.wait(0.02)
    service.crash_reason = RuntimeError("said nowhere")
    assert seen.wait(10)
    ((sentence, code),) = ended
    assert sentence.startswith("Faust's part of the worker has crashed (RuntimeError at ")
    assert "said nowhere" not in sentence
    assert code == EXIT_FAULT
