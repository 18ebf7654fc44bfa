"""`panelstream simulate`: other contracts and rulesets over the same event files, by the code of replay and close."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ops import program
from ops.sample.population import population
from schemas.codec import Codec
from schemas.registry import EmbeddedRegistry
from state.payment.comparison_sheet import SIDES, brief
from state.payment.printed_tables import Table
from state.reference.tables import BUILT_IN, TableStore
from streams.log_files import control_line
from streams.replaying import Question, replay
from streams.stopping import EXIT_CONFIG
from tests.event_files import Event, claim, reference, span, write
from tests.money_cases import contract

UNADJUSTED = {"adjust_element_2": False}


def given(contract_id: str = "C-A", practice: str = "A", **changes: Any) -> Event:
    """A contract as a record of an event file: 4 dollars per member and month."""
    plain = {"phm_pmpm": "4.00", "policies": UNADJUSTED} | changes
    made = contract(contract_id=contract_id, practice_id=practice, **plain)
    return {"event_type": "contract", **msgspec.to_builtins(made)}


def world() -> list[Event]:
    """30 members who went to A twice, a third of them last to B."""
    events = [*reference(), given(), given("C-B", "B")]
    for number in range(30):
        member = f"M{number}"
        events += [span(member), claim(("2024-09-03", "A", "1"), f"{member}a", member)]
        events.append(claim(("2025-01-10", "A", "2"), f"{member}b", member))
        if number % 3 == 0:
            events.append(claim(("2025-05-02", "B", "9"), f"{member}c", member))
    return events


def simulated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *options: str, events: list[Event] | None = None
) -> tuple[int, str, str]:
    """Status, standard output and standard error."""
    files = write(tmp_path / "events.ndjson", world() if events is None else events)
    with pytest.raises(SystemExit) as end:
        program.main(["simulate", str(files), *options])
    said = capfd.readouterr()
    return int(end.value.code or 0), said.out, said.err.strip()


def contract_file(tmp_path: Path, *records: Event) -> str:
    path = tmp_path / "given.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return str(path)


def test_a_dearer_contract_pays_more_for_the_same_members(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dearer = contract_file(tmp_path, given(phm_pmpm="6.00"))
    status, out, err = simulated(tmp_path, capfd, "--month", "2025-07", "--contract", dearer, "--json")
    made = json.loads(out)
    assert (status, err) == (0, "")
    assert made["in_force"] == {"ruleset": "guide", "editions": [], "contracts": ["C-A"]}
    assert {(one["practice_id"], one["in_force"], one["simulated"], one["difference"]) for one in made["money"]} == {
        ("A", "120.00", "180.00", "60.00"),
        ("B", "0.00", "0.00", "0.00"),
    }
    assert [(one["practice_id"], one["in_force"], one["simulated"]) for one in made["members"]] == [("A", 30, 30)]
    assert made["moved"] == []


def test_another_ruleset_moves_members_and_their_money(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = simulated(tmp_path, capfd, "--month", "2025-07..2025-08", "--ruleset", "recency_first", "--json")
    made = json.loads(out)
    assert status == 0
    assert [(one["month"], one["from_practice"], one["to_practice"], one["members"]) for one in made["moved"]] == [
        ("2025-07", "A", "B", 10),
        ("2025-08", "A", "B", 10),
    ]
    assert {(one["practice_id"], one["in_force"], one["simulated"]) for one in made["money"]} == {
        ("A", "120.00", "80.00"),
        ("B", "0.00", "40.00"),
    }


def test_a_ruleset_that_the_files_bring_is_the_one_in_force(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rules = (BUILT_IN / "rulesets" / "recency_first.toml").read_bytes()
    digest = hashlib.sha256(rules).hexdigest()
    (tmp_path / f"{digest}.toml").write_bytes(rules)
    said = {"kind": "ruleset", "name": "ours", "version": "1", "digest": digest, "activated_from": "2025-06-01"}
    options = ("--month", "2025-07", "--ruleset", "guide", "--tables", str(tmp_path), "--json")
    _, out, _ = simulated(tmp_path, capfd, *options, events=[*world(), {"event_type": "table", **said}])
    made = json.loads(out)
    assert (made["in_force"]["ruleset"], made["simulated"]["ruleset"]) == ("recency_first", "guide")
    assert [(one["from_practice"], one["to_practice"], one["members"]) for one in made["moved"]] == [("B", "A", 10)]


def test_a_contract_beside_those_in_force_has_no_line_on_their_side(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    new = contract_file(tmp_path, given("C-N", effective_from="2025-08-01"))
    ended = [given(effective_to="2025-08-01") if one.get("contract_id") == "C-A" else one for one in world()]
    _, out, _ = simulated(tmp_path, capfd, "--month", "2025-07..2025-08", "--contract", new, "--json", events=ended)
    found = {
        (one["period"], one["practice_id"]): (one["in_force"], one["simulated"]) for one in json.loads(out)["money"]
    }
    assert found["2025-07", "A"] == ("120.00", "120.00")
    assert found["2025-08", "A"] == (None, "120.00")


def test_a_contract_by_the_quarter_is_paid_for_the_whole_quarter_of_a_month(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quarterly = contract_file(tmp_path, given(phm_frequency="quarterly"))
    _, out, _ = simulated(tmp_path, capfd, "--month", "2025-08", "--contract", quarterly, "--json")
    money = [one for one in json.loads(out)["money"] if one["practice_id"] == "A" and one["simulated"]]
    assert [(one["period"], one["item"], one["simulated"]) for one in money] == [
        ("2025-07", month, "120.00") for month in ("2025-07", "2025-08", "2025-09")
    ]


PERIOD = {
    "event_type": "period",
    "period": "P2",
    "performance_end": "2025-06-30",
    "k1": "2025-09-28",
    "k2": "2025-12-27",
    "pool_from": "2025-01-01",
    "pool_months": 6,
}


def screened_world() -> list[Event]:
    """40 members of A aged 60, of whom 26 had a colonoscopy, eight of them by B, whom they saw last."""
    events = [*reference(), PERIOD, given(phm_pmpm=None)]
    cover = {"medical": True, "pharmacy": True}
    for number in range(40):
        member = f"M{number}"
        events += [span(member, birth_date="1965-01-05", coverage=cover)]
        events.append(claim(("2024-09-03", "A", "1"), f"{member}a", member))
        events.append(claim(("2025-01-10", "A", "2"), f"{member}b", member))
        if number < 26:
            done = claim(("2025-03-05", "B" if number < 8 else "A", "9" if number < 8 else "1"), f"{member}c", member)
            done["lines"][0]["hcpcs_code"] = "45378"
            events.append(done)
        if number < 8:
            events.append(claim(("2025-05-02", "B", "9"), f"{member}d", member))
    return events


def test_a_period_pays_element_3_by_its_measures_on_both_sides(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """26 of 40 are 65%, half way from threshold to gold: 9 + 5 x 0.5 percent, times 102 / 24.

    BCS is scored and pays nothing; the shares of what is not scored go to the two.
    """
    less = contract_file(tmp_path, given(phm_pmpm=None, incentive_max_pct="10"))
    options = ("--period", "P2", "--contract", less, "--json")
    status, out, _ = simulated(tmp_path, capfd, *options, events=screened_world())
    made = json.loads(out)
    assert status == 0, made["not_stated"]
    assert made["in_force"]["editions"] == ["capc-2025"]
    paid = {one["item"]: (one["in_force"], one["simulated"]) for one in made["money"] if one["in_force"] != "0.00"}
    # 240 member months x 32.00 x 15% = 1,152.00, and 768.00 at 10%.
    assert paid == {"COL": ("563.04", "375.36")}
    assert {one["month"] for one in made["members"]} == {f"2025-{month:02}" for month in range(1, 7)}


def test_another_ruleset_moves_results_and_the_pool(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without the eight who saw B last, 18 of 32 are 56.25%: in the improvement range, and nothing to compare with."""
    options = ("--period", "P2", "--ruleset", "recency_first", "--json")
    _, out, _ = simulated(tmp_path, capfd, *options, events=screened_world())
    paid = {one["item"]: (one["in_force"], one["simulated"]) for one in json.loads(out)["money"]}
    assert paid["COL"] == ("563.04", "0.00")


def test_a_baseline_is_measured_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody was screened in the year before: from 0 to 56.25% is enough, 6 x 102 / 24 percent of 232 member months x 4.80."""
    before = {**PERIOD, "period": "P0", "performance_end": "2024-06-30", "k1": "2024-07-01", "k2": "2024-07-02"}
    events = [{**one, "baseline": "P0"} if one is PERIOD else one for one in screened_world()]
    events += [before, *(claim(("2024-03-04", "A", "1"), f"M{number}z", f"M{number}") for number in range(40))]
    options = ("--period", "P2", "--ruleset", "recency_first", "--json")
    status, out, err = simulated(tmp_path, capfd, *options, events=events)
    assert (status, err) == (0, "")
    paid = {one["item"]: (one["in_force"], one["simulated"]) for one in json.loads(out)["money"]}
    assert paid["COL"] == ("563.04", "283.97")


def test_another_edition_measures_one_side_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ("--period", "P2", "--edition", "capc-2024", "--json")
    _, out, _ = simulated(tmp_path, capfd, *options, events=screened_world())
    made = json.loads(out)
    assert (made["in_force"]["editions"], made["simulated"]["editions"]) == (["capc-2025"], ["capc-2024"])
    assert {one["item"] for one in made["money"]} >= {"COL", "BCS"}
    assert made["moved"] == []


def test_what_cannot_be_stated_is_said_and_ends_with_a_status(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = [{**PERIOD, "performance_end": "2023-12-31"} if one is PERIOD else one for one in screened_world()]
    status, out, _ = simulated(tmp_path, capfd, "--period", "P2", "--ruleset", "weighted", events=before)
    assert status == 1
    assert "in force, P2: P2 is paid by no edition that is known" in out


@pytest.mark.parametrize("ruleset", ["guide", "recency_first", "weighted"])
def test_panels_are_those_of_a_replay(tmp_path: Path, capfd: pytest.CaptureFixture[str], ruleset: str) -> None:
    day = dt.date(2025, 6, 1)
    events = [*population(80, 7, dt.date(2024, 1, 1), day), given("C-1", "practice-1", payer="nobody")]
    _, out, _ = simulated(tmp_path, capfd, "--month", "2025-05..2025-06", "--ruleset", ruleset, "--json", events=events)
    replay([tmp_path / "events.ndjson"], Question(day, ruleset=ruleset), TableStore(), tmp_path / "out")
    with (tmp_path / "out" / "panel.csv").open() as file:
        counts = Counter((row["payer"], row["practice_id"]) for row in csv.DictReader(file))
    members = [one for one in json.loads(out)["members"] if one["month"] == "2025-06" and one["simulated"]]
    assert {(one["payer"], one["practice_id"]): one["simulated"] for one in members} == counts


def test_equal_files_give_equal_bytes_and_a_page_that_is_complete_in_itself(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dearer = contract_file(tmp_path, given(phm_pmpm="6.00"))
    made = []
    for name in ("one", "two"):
        options = ("--month", "2025-07", "--contract", dearer, "--out", str(tmp_path / name))
        status, out, _ = simulated(tmp_path, capfd, *options)
        assert status == 0
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == {"members.csv", "moved.csv", "money.csv", "simulation.json", "simulation.html"}
    assert "acme   A         2025-07  2, population health    120.00     180.00      +60.00" in out.splitlines()
    page = made[0]["simulation.html"].decode()
    assert "+60.00" in page
    assert "<script" not in page
    assert 'lang="en"' in page


def test_a_contract_with_a_mistake_is_refused_with_what_the_check_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    overlapping = contract_file(tmp_path, given("C-X"))
    status, out, err = simulated(tmp_path, capfd, "--month", "2025-07", "--contract", overlapping)
    assert (status, out) == (EXIT_CONFIG, "")
    assert "given.ndjson, file, contract C-X, effective_from: overlaps contract C-A" in err
    assert "one takes the place of another by having its contract_id" in err
    wrong = contract_file(tmp_path, given() | {"base_pmpm": "x"})
    _, _, err = simulated(tmp_path, capfd, "--month", "2025-07", "--contract", wrong)
    assert 'given.ndjson, file, contract C-A, base_pmpm: "x" is no number' in err


def test_contracts_of_an_exported_log_are_those_in_force(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    codec = Codec(EmbeddedRegistry())
    plain = {"phm_pmpm": "4.00", "policies": UNADJUSTED}
    said = codec.encode_control(contract(contract_id="C-A", practice_id="A", **plain))
    control = tmp_path / "control.ndjson"
    control.write_bytes(control_line(codec, 5, dt.datetime(2025, 1, 1, tzinfo=dt.UTC), said))
    dearer = contract_file(tmp_path, given(phm_pmpm="6.00"))
    members = [one for one in world() if one["event_type"] != "contract"]
    options = (str(control), "--month", "2025-07", "--contract", dearer, "--json")
    status, out, _ = simulated(tmp_path, capfd, *options, events=members)
    assert status == 0
    assert [(one["in_force"], one["simulated"]) for one in json.loads(out)["money"]] == [("120.00", "180.00")]


def test_of_an_exported_log_counts_what_the_conductor_has_taken_up(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The terms of 5.00 stand: the first record came again after them, and a contract that overlaps was refused."""
    codec = Codec(EmbeddedRegistry())
    plain = {"practice_id": "A", "policies": UNADJUSTED}
    first = contract(contract_id="C-A", phm_pmpm="4.00", **plain)
    then, overlapping = (contract(contract_id=name, phm_pmpm="5.00", **plain) for name in ("C-A", "C-X"))
    day = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    lines = [
        control_line(codec, at, day, codec.encode_control(one))
        for at, one in enumerate((first, then, overlapping, first))
    ]
    control = tmp_path / "control.ndjson"
    control.write_bytes(b"".join(lines))
    dearer = contract_file(tmp_path, given(phm_pmpm="6.00"))
    members = [one for one in world() if one["event_type"] != "contract"]
    options = (str(control), "--month", "2025-07", "--contract", dearer, "--json")
    _, out, err = simulated(tmp_path, capfd, *options, events=members)
    made = json.loads(out)
    assert [(one["in_force"], one["simulated"]) for one in made["money"]] == [("150.00", "180.00")], err
    assert made["refused_records"] == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--month", "2025-07"), "Nothing else to try: give --contract FILE, --ruleset NAME or --edition NAME."),
        (("--month", "July", "--ruleset", "weighted"), "'July' is no month: give it as 2025-07"),
        (("--month", "2025-07", "--ruleset", "none"), "there is no ruleset 'none'"),
        (("--ruleset", "weighted"), "Nothing to pay: give --month 2025-07, or --period"),
        (("--month", "2025-07", "--edition", "capc-2024"), "--edition measures periods: give --period"),
        (("--period", "P9", "--ruleset", "weighted"), "No period record describes P9: the files have none."),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: tuple[str, ...], sentence: str
) -> None:
    status, _, err = simulated(tmp_path, capfd, *options)
    assert status == EXIT_CONFIG
    assert sentence in err


def test_a_long_table_shows_what_differs_and_says_how_much_it_leaves_out() -> None:
    rows = tuple((f"A{number}", "1.00", "2.00", "+1.00" if number == 7 else "0.00") for number in range(100))
    table = Table(caption="Money", columns=("Practice", *SIDES), rows=rows, amounts=3)
    shown, left_out = brief(table)
    assert [row[0] for row in shown.rows] == ["A7"]
    assert left_out == "99 rows without a difference are not shown; --out writes all."
    short = msgspec.structs.replace(table, rows=rows[:50])
    assert brief(short) == (short, None)
