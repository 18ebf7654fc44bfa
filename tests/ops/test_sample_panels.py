"""The Tuva 10 and the Synthea 27 from their source files to their panels: as committed, and as the oracle has them.

What stands in the committed panels is told member by member in docs/samples.md.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.program import app
from schemas.codec import Codec
from schemas.records import MemberFact, Position
from schemas.registry import EmbeddedRegistry
from tests.laws import naive

SAMPLE = Path(__file__).parents[2] / "ops" / "sample"
EXPECTED = Path(__file__).parent / "expected"
CODEC = Codec(EmbeddedRegistry())


def ran(*arguments: object) -> None:
    result = CliRunner().invoke(app(), [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def event_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("samples")
    for source in ("tuva", "synthea"):
        ran("import", source, SAMPLE / source, "--out", folder / f"{source}.ndjson")
    return {"tuva": [SAMPLE / "tuva" / "roster.ndjson", folder / "tuva.ndjson"], "synthea": [folder / "synthea.ndjson"]}


CASES = [("tuva", "2017-12-31"), ("tuva", "2018-07-01"), ("synthea", "2023-07-01")]


@pytest.mark.parametrize(("source", "as_of"), CASES)
def test_a_sample_gives_its_committed_panel_and_alerts(
    event_files: dict[str, list[Path]], tmp_path: Path, source: str, as_of: str
) -> None:
    ran("replay", *event_files[source], "--as-of", as_of, "--known-at", f"{as_of}T23:59:59Z", "--out", tmp_path)
    for name in ("panel", "alerts"):
        assert (tmp_path / f"{name}.csv").read_text() == (EXPECTED / f"{source}-{as_of}-{name}.csv").read_text()
    assert (tmp_path / "quarantine.csv").read_text().count("\n") == 1


@pytest.mark.parametrize(("source", "as_of"), CASES)
def test_the_oracle_gives_the_same_panel(event_files: dict[str, list[Path]], source: str, as_of: str) -> None:
    known_at = dt.datetime.fromisoformat(f"{as_of}T23:59:59Z")
    reference, said = [], {}
    for path in event_files[source]:
        for row, line in enumerate(path.read_text().splitlines()):
            record = CODEC.from_json(line)
            if record.accepted_at is None or record.accepted_at > known_at:
                continue
            position = Position(path.name, 0, row)
            if isinstance(record, MemberFact):
                one = naive.Said(CODEC.event_id_of(record), position, record, given_id=record.event_id is not None)
                said.setdefault((record.payer, record.member_id), []).append(one)
            else:
                reference.append((record, position))
    with (EXPECTED / f"{source}-{as_of}-panel.csv").open(newline="") as file:
        panel = {(row["payer"], row["member_id"]): row for row in csv.DictReader(file)}
    assert set(panel) == set(said)
    for key, some in said.items():
        answer = naive.attribution(some, reference, dt.date.fromisoformat(as_of))
        for name, value in answer.items():
            text = ";".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
            assert panel[key][name] == text, (source, name, json.dumps({k: str(v) for k, v in answer.items()}))
