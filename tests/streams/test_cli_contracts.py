"""`panelstream contracts check`: what a person sees of a contract, and the status a script sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops import program
from streams.stopping import EXIT_CONFIG

CONTRACT: dict[str, Any] = {
    "event_type": "contract",
    "contract_id": "C1",
    "payer": "acme",
    "practice_id": "A",
    "payee_name": "Practice A Inc.",
    "payee_tin": "950000001",
    "track": "A",
    "effective_from": "2024-07-01",
    "base_pmpm": "32.00",
    "incentive_max_pct": "15",
}


def checked(path: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as end:
        program.main(["contracts", "check", str(path)])
    said = capfd.readouterr()
    return int(end.value.code or 0), said.out.splitlines(), said.err.strip()


def test_a_contract_in_order_is_told_what_can_be_reached(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(CONTRACT | {"policies": {"unscored": "withhold"}}, indent=2))
    status, lines, err = checked(path, capfd)
    assert (status, err) == (0, "")
    assert lines == [
        "departure file, contract C1, policies.unscored: withhold instead of redistribute.",
        "split     C1: element 1 0%, element 2 0%, element 3 15% over base payment: 15% of at most 30%",
        (
            "reachable C1, mixed: 11 measures, improvement 44.5%, gold 104.0% as printed; at most 88.00% in the initial statement, "
            "88.00% in the final"
        ),
        (
            "reachable C1, pediatric: 5 measures, improvement 41.0%, gold 99.0% as printed; at most 63.00% in the initial statement, "
            "63.00% in the final"
        ),
        (
            "reachable C1, adult: 9 measures, improvement 42.0%, gold 102.0% as printed; at most 82.00% in the initial statement, "
            "82.00% in the final"
        ),
        "1 contract read: 0 mistakes, 0 warnings, 1 departure",
    ]


def test_mistakes_end_with_a_status_and_the_next_step(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "contracts.ndjson"
    second = CONTRACT | {"contract_id": "C2", "track": "C"}
    path.write_text("".join(json.dumps(one) + "\n" for one in (CONTRACT, second)))
    status, lines, err = checked(path, capfd)
    assert status == 1
    assert all(line.startswith("mistake   line 2, contract C2, ") for line in lines if line.startswith("mistake"))
    assert any("practice A is in track A by contract C1 and in track C by this one" in line for line in lines)
    count = sum(line.startswith("mistake") for line in lines)
    assert err == f"{count} mistakes: correct them and check again."


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, err = checked(tmp_path / "nowhere.json", capfd)
    assert status == EXIT_CONFIG
    assert err.endswith("nowhere.json does not exist: name a file with contracts.")
