"""What was frozen is proved from the log as files: the same digest and the same bytes, and no changed or missing line goes unseen."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.program import app
from schemas.records import Period, Reading, Snapshot
from streams import closing, exporting
from streams.stopping import Stop
from streams.waiting import Report
from tests.fixtures.facts import Facts, expected, facts
from tests.fixtures.workers import PARTITIONS, Service

JUNE = dt.date(2025, 6, 30)
P2 = Period(
    period="P2",
    performance_end=JUNE,
    k1=dt.date(2025, 8, 15),
    k2=dt.date(2025, 11, 1),
    pool_from=dt.date(2025, 1, 1),
    pool_months=6,
)


def silent(_what: str) -> Report:
    return lambda _done, _total: None


def frozen(service: Service, period: str, reading: Reading, out: Path) -> Snapshot:
    """A close and what it wrote."""
    snapshot = closing.request(
        service.settings, service.codec, period, reading, actor="test", reason=None, retro_months=6, report=silent
    )
    closing.export(service.settings, service.codec, snapshot, out)
    return snapshot


def replayed(log: Path, manifest: Path, out: Path) -> Result:
    files = sorted(map(str, log.glob("*.ndjson")))
    return CliRunner().invoke(app(), ["replay", *files, "--snapshot", str(manifest), "--out", str(out)])


def refused(log: Path, manifest: Path, out: Path) -> str:
    """The sentence with which a replay ends."""
    result = replayed(log, manifest, out)
    assert isinstance(result.exception, Stop)
    return result.exception.sentence


def test_two_snapshots_are_proved_from_an_exported_log(service: Service, tmp_path: Path) -> None:
    sent = facts(60, 5)
    half = len(sent.members) // 2
    service.publish([*sent.reference, P2])
    service.publish(sent.members[:half])
    service.tick(JUNE)
    service.start()
    panel = frozen(service, "2025-07", "panel", tmp_path / "panel")
    service.publish(sent.members[half:])
    service.tick(P2.k1)
    initial = frozen(service, "P2", "initial", tmp_path / "initial")
    service.publish(sent.members[half:])
    service.settle()
    log = tmp_path / "log"
    files = exporting.export(service.settings, service.codec, log, silent)

    assert [one.file for one in files] == [
        "control.ndjson",
        *(f"member-events-{n:04}.ndjson" for n in range(PARTITIONS)),
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in log.iterdir()} == {0o600}
    for one in files:
        lines = [json.loads(line) for line in (log / one.file).read_bytes().splitlines()]
        assert [line["log"]["offset"] for line in lines] == list(range(one.records))
    assert panel.content_digest != initial.content_digest
    for name, snapshot in (("panel", panel), ("initial", initial)):
        out = tmp_path / f"{name}-again"
        result = replayed(log, tmp_path / name / "manifest.json", out)
        assert result.exit_code == 0, result.output
        assert f"equal to {snapshot.close_id}: content digest {snapshot.content_digest}" in result.output
        assert (out / "panel.csv").read_bytes() == (tmp_path / name / "panel.csv").read_bytes()
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["content_digest"] == snapshot.content_digest
        assert (manifest["snapshot"]["id"], manifest["snapshot"]["equal"]) == (snapshot.close_id, True)
    check_without_snapshot(log, sent, service, tmp_path / "plain")
    check_what_was_touched_is_seen(log, tmp_path)
    with pytest.raises(Stop, match="holds event files already"):
        exporting.export(service.settings, service.codec, log, silent)


def check_without_snapshot(log: Path, sent: Facts, service: Service, out: Path) -> None:
    """Like any event file: what the facts alone give, by the positions at which they entered, whatever the order of the files."""
    files = sorted(map(str, log.glob("*.ndjson")))
    results = set()
    for order in (files, files[::-1]):
        result = CliRunner().invoke(app(), ["replay", *order, "--as-of", str(JUNE), "--out", str(out)])
        assert result.exit_code == 0, result.output
        results.add((out / "panel.csv").read_bytes())
    (panel,) = results
    answers = expected(sent, JUNE, service.settings.tables).attribution
    rows = [line.split(",") for line in panel.decode().splitlines()[1:]]
    assert {f"{row[0]}|{row[1]}": row[4] for row in rows} == {
        key: answer.practice_id or "" for key, answer in answers.items()
    }


def check_what_was_touched_is_seen(log: Path, tmp_path: Path) -> None:
    manifest, out = tmp_path / "panel" / "manifest.json", tmp_path / "touched-again"
    wanted = json.loads(manifest.read_text())["positions"]
    watermarks = {one["partition"]: one["watermark"] for one in wanted["member_events"]}
    events = log / "member-events-0001.ndjson"
    lines = events.read_bytes().splitlines(keepends=True)

    def touched(lines: list[bytes]) -> Path:
        folder = tmp_path / "touched"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(log, folder)
        (folder / events.name).write_bytes(b"".join(lines))
        return folder

    known = lines[: watermarks[1]]
    spans = [place for place, line in enumerate(known) if kind_of(line) == "enrollment"]
    changed = known[spans[0]].replace(b'"member_id":"', b'"member_id":"X')
    assert "NOT EQUAL to 2025-07-panel: members " in refused(
        touched([*lines[: spans[0]], changed, *lines[spans[0] + 1 :]]), manifest, out
    )
    assert "where offset 4 should stand: lines are missing" in refused(touched(lines[:4] + lines[5:]), manifest, out)
    swapped = [lines[1], lines[0], *lines[2:]]
    assert "where offset 0 should stand" in refused(touched(swapped), manifest, out)
    broken = [b"{\n", *lines[1:]]
    assert "does not say where it stands on the log" in refused(touched(broken), manifest, out)
    assert f"member-events[1] ends before offset {watermarks[1]}, and 2025-07-panel reaches to" in refused(
        touched(known), manifest, out
    )
    without = touched(lines)
    (without / events.name).unlink()
    assert "member-events[1] is not in the files" in refused(without, manifest, out)


def kind_of(line: bytes) -> str:
    return str(json.loads(line)["event_type"])
