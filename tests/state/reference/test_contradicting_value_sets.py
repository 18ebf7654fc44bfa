"""Two records of value sets that contradict each other: each alone is good, together they would end whoever reads them."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pytest

from schemas.records import Position, Table
from state.measures.editions import FOLDER
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore

HEADER = "value_set,code_system,code,description,source\n"
DAY = dt.date(2025, 3, 1)


@pytest.fixture
def put(tmp_path: Path):
    """Puts records in force one after the other, each by its name and the codes that its file gives to mammography."""

    def knowledge(*records: tuple[str, str]) -> Knowledge:
        known = Knowledge.initial(TableStore([tmp_path]))
        edition = (FOLDER / "capc-2025.toml").read_bytes()
        tables = [table("editions", "capc-2025", edition)]
        for name, code in records:
            data = f"{HEADER}mammography,CPT,{code},x,own\n".encode()
            (tmp_path / f"{name}-{code}.csv").write_bytes(data)
            tables.append(table("value_sets", name, data))
        for offset, one in enumerate(tables):
            known = known.apply(one, Position("control", 0, offset), as_of=DAY).knowledge
        return known

    return knowledge


def table(kind: str, name: str, data: bytes) -> Table:
    digest = hashlib.sha256(data).hexdigest()
    return Table(kind=kind, name=name, version="1", digest=digest, activated_from=dt.date(2025, 1, 1))


def codes(known: Knowledge) -> set[str]:
    (bound,) = known.measuring.bounds
    return {code for code in ("77065", "77066", "77067") if "mammography" in bound.roles_of["CPT", code]}


def test_value_sets_that_contradict_those_in_force_wait_with_the_reason(put) -> None:
    known = put(("ours", "77065"), ("theirs", "77066"))
    assert codes(known) == {"77065"}
    ((name, why),) = known.measuring.contradicting
    assert name == "theirs"
    assert "mammography is in" in why
    assert "keep one of them" in why


def test_they_come_into_force_once_a_later_record_makes_them_agree(put) -> None:
    known = put(("ours", "77065"), ("theirs", "77066"), ("ours", "77066"))
    assert codes(known) == {"77066"}
    assert known.measuring.contradicting == ()


def test_a_newer_file_that_contradicts_leaves_the_older_one_of_its_name_in_force(put) -> None:
    known = put(("ours", "77065"), ("theirs", "77065"), ("theirs", "77067"))
    assert codes(known) == {"77065"}
    assert [name for name, _ in known.measuring.contradicting] == ["theirs"]


def test_value_sets_that_agree_are_in_force_together(put) -> None:
    known = put(("ours", "77065"), ("theirs", "77065"))
    assert codes(known) == {"77065"}
    assert known.measuring.contradicting == ()
