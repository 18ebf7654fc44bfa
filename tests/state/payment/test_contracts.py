"""Contracts validated as a whole: one message per mistake, every departure, and what is refused (issue: bad input)."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import jsonschema
import msgspec
import pytest

from schemas.money import (
    Ceilings,
    Contract,
    Policies,
    Pools,
    PracticeTypeRule,
    ServiceClass,
    TableUse,
    contract_schema,
)
from state.payment import program_tables
from state.payment.contract_files import given
from state.payment.contracts import Report, check
from state.payment.terms import resolve
from state.reference.tables import BUILT_IN, InvalidTable, MissingTable, TableFile, TableStore
from tests.money_cases import STORE, contract

ROOT = Path(__file__).parents[3]
PLAIN: dict[str, Any] = {
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
FACTORS = "gender,age_from,age_to,factor\nF,0,17,0.80\nF,18,,1.10\nM,0,17,0.85\nM,18,,0.95\n"
SCORES = "census_tract,percentile\n06037000100,12.5\n06037000200,\n"


def confirmed(track: str) -> list[dict[str, Any]]:
    """The printed table of a track with every open column and code said, as a plan would."""
    file = program_tables.shipped(STORE, f"service_classes_{track.lower()}")
    return [
        {"name": one.name, "codes": list(one.codes) or [f"9{9000 + n}"], "column": one.column or "fee_for_service"}
        for n, one in enumerate(program_tables.parse_classes(file))
    ]


class Folder:
    """A folder of tables, and contracts that name them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = TableStore([path])

    def use(self, kind: str, text: str, version: str = "2024") -> dict[str, str]:
        data = text.encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.path / f"{digest}.csv").write_bytes(data)
        return {"kind": kind, "name": f"our {kind}", "version": version, "digest": digest}

    def risk(self, factors: str = FACTORS, scores: str = SCORES) -> list[dict[str, str]]:
        return [self.use("age_gender_factors", factors), self.use("hpi", scores, "3.0")]

    def in_track(self, track: str, **changes: Any) -> dict[str, Any]:
        return PLAIN | {
            "track": track,
            "capitation_pmpm": "20.00",
            "capitated_places_of_service": ["11", "02"],
            "service_classes": confirmed(track),
            "tables": self.risk(),
            **changes,
        }

    def check(self, *records: dict[str, Any]) -> Report:
        return check(given("\n".join(map(json.dumps, records)).encode()), self.store)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def said(report: Report, level: str = "mistake") -> list[str]:
    return [f"{one.place}: {one.message}" for one in report.findings if one.level == level]


@pytest.mark.parametrize("track", ["A", "B", "C"])
def test_a_complete_contract_has_no_mistake(folder: Folder, track: str) -> None:
    report = folder.check(PLAIN if track == "A" else folder.in_track(track))
    assert said(report) == []
    assert resolve(report.contracts[0], folder.store).contract is report.contracts[0]


def test_the_common_model_departs_from_nothing(folder: Folder) -> None:
    assert said(folder.check(PLAIN), "departure") == []


def test_the_tables_of_the_program_may_be_named_by_digest(folder: Folder) -> None:
    kinds = ("incentive_measures", "incentive_shares", "hpi_adjustments")
    digests = {kind: hashlib.sha256((BUILT_IN / "payment" / f"{kind}.csv").read_bytes()).hexdigest() for kind in kinds}
    tables = [{"kind": kind, "name": "guide", "version": "1", "digest": digest} for kind, digest in digests.items()]
    report = folder.check(PLAIN | {"tables": tables}, other(effective_from="2023-01-01", effective_to="2024-07-01"))
    assert [one.level for one in report.findings] == []


def test_every_mistake_of_form_is_told_at_once_with_its_place(folder: Folder) -> None:
    wrong = PLAIN | {
        "capitaton_pmpm": "3",
        "phm_pmpm": "four",
        "track": "D",
        "payee_name": None,
        "policies": {"over_100": "cut", "curve": "steps(0)"},
        "service_classes": [{"name": "x"}, {"codes": ["1"]}, "y"],
        "base_pmpm": "NaN",
        "ceilings": 30,
    }
    places = [line.split(": ")[0] for line in said(folder.check(wrong))]
    assert places == [
        f"file, contract C1, {place}"
        for place in (
            "capitaton_pmpm",
            "payee_name",
            "track",
            "base_pmpm",
            "phm_pmpm",
            "ceilings",
            "service_classes[1].name",
            "service_classes[2]",
            "policies.over_100",
            "policies.curve",
        )
    ]
    assert any("did you mean capitation_pmpm" in line for line in said(folder.check(wrong)))
    assert any("is none of cap, normalise, pay" in line for line in said(folder.check(wrong)))


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        ({"payer": "a|b"}, "payer", "holds a '|'"),
        ({"contract_id": " "}, "contract_id", "is empty"),
        ({"payee_tin": "95-0000001"}, "payee_tin", "nine digits"),
        ({"effective_to": "2024-07-01"}, "effective_to", "ends before it starts (2024-07-01, 2024-07-01)"),
        ({"base_pmpm": "0"}, "base_pmpm", "is not above zero"),
        ({"phm_pmpm": "-1"}, "phm_pmpm", "is negative"),
        ({"capitation_pmpm": "3"}, "capitation_pmpm", "track A pays everything fee for service"),
        ({"incentive_max_pct": "0.15"}, "incentive_max_pct", "15% is written as 15"),
        ({"incentive_max_pct": "-1"}, "incentive_max_pct", "does not lie in 0 to 100"),
        ({"element_1_increase_pct": "101"}, "element_1_increase_pct", "does not lie in 0 to 100"),
        ({"ceilings": {"total_pct": "40"}}, "ceilings.total_pct", "may only lower"),
        ({"ceilings": {"incentive_pct": "16"}}, "ceilings.incentive_pct", "may only lower"),
        ({"initial_pct": "80"}, "initial_pct", "80% is written as 0.8"),
        ({"initial_pct": "0"}, "initial_pct", "is not above 0"),
        ({"completion_factors": {"COL": "1.1"}}, "completion_factors.COL", "flatter AHU, EDU, TCOC only"),
        ({"completion_factors": {"AHU": "0.9"}}, "completion_factors.AHU", "is below 1"),
        ({"minimum_denominators": {"XYZ": 30}}, "minimum_denominators.XYZ", "is no measure"),
        ({"minimum_denominators": {"COL": 0}}, "minimum_denominators.COL", "is not above zero"),
        ({"retro_limit_months": 0}, "retro_limit_months", "between 1 and 36"),
        ({"practice_type": {"adult_up_to_pct": "90"}}, "practice_type", "lies below pediatric_from_pct"),
        ({"practice_type": {"hysteresis_points": "31"}}, "practice_type.hysteresis_points", "beyond the middle"),
        ({"practice_type": {"override": "adult"}}, "practice_type.override_reason", "needs its reason"),
        ({"service_classes": [{"name": "x"}]}, "service_classes", "track A capitates nothing"),
        ({"phm_pmpm": "4.00"}, "tables", "no table of kind age_gender_factors"),
        ({"phm_pmpm": "4.00"}, "tables", "no table of kind hpi"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    folder: Folder, change: dict[str, Any], place: str, message: str
) -> None:
    found = [
        one
        for one in folder.check(PLAIN | change).mistakes
        if one.place == f"file, contract {(PLAIN | change)['contract_id']}, {place}"
    ]
    assert any(message in one.message for one in found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capitation_pmpm": None}, "track B pays a capitation"),
        ({"service_classes": []}, "of the printed table of track B are missing: say which column"),
        ({"service_classes": []}, "no class is capitated"),
        ({"capitated_places_of_service": []}, "name the places of service"),
        ({"capitated_places_of_service": ["office"]}, "'office' is no place of service"),
    ],
)
def test_a_capitating_contract_leaves_nothing_open(folder: Folder, change: dict[str, Any], message: str) -> None:
    assert any(message in line for line in said(folder.check(folder.in_track("B", **change))))


@pytest.mark.parametrize("track", ["B", "C"])
def test_neither_b_nor_c_has_a_default_a_template_as_printed_is_refused(folder: Folder, track: str) -> None:
    file = program_tables.shipped(STORE, f"service_classes_{track.lower()}")
    printed = [
        {"name": one.name, "codes": list(one.codes), "column": one.column} for one in program_tables.parse_classes(file)
    ]
    found = said(folder.check(folder.in_track(track, service_classes=printed)))
    open_columns = [line for line in found if "is in no column" in line]
    open_codes = [line for line in found if "has no codes" in line]
    assert (len(open_columns), len(open_codes)) == {"B": (4, 0), "C": (0, 19)}[track]
    assert len(found) == len(open_columns) + len(open_codes)


def test_a_class_twice_or_of_no_code_is_a_mistake(folder: Folder) -> None:
    classes = [*confirmed("B"), {"name": "SNF", "codes": ["992xx"], "column": "capitated"}]
    found = said(folder.check(folder.in_track("B", service_classes=classes)))
    assert any("class 'SNF' stands twice" in line for line in found)
    assert any("'992xx' is neither a code of five signs nor a range" in line for line in found)


def test_a_missing_factor_band_is_refused(folder: Folder) -> None:
    tables = folder.risk(factors="gender,age_from,age_to,factor\nF,0,64,1\nM,0,17,1\nM,21,,1\n")
    (line,) = said(folder.check(folder.in_track("B", tables=tables)))
    assert "our age_gender_factors 2024 has no factor for F65+, M18-20: complete the table." in line


def test_a_factor_of_nothing_is_refused(folder: Folder) -> None:
    tables = folder.risk(factors=FACTORS.replace("1.10", "0"))
    (line,) = said(folder.check(folder.in_track("B", tables=tables)))
    assert "the factor of F18+ is 0" in line


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("F,0,17,1\nF,17,,1\n", "overlaps another"),
        ("F,18,0,1\n", "ends before it starts"),
        ("X,0,,1\n", "none of F, M"),
        ("F,0,,-1\n", "not a number from 0"),
    ],
)
def test_a_table_of_factors_is_read_strictly(folder: Folder, rows: str, message: str) -> None:
    tables = folder.risk(factors=f"gender,age_from,age_to,factor\n{rows}")
    assert any(message in line for line in said(folder.check(folder.in_track("B", tables=tables))))


def test_an_hpi_version_that_is_nowhere_is_refused(folder: Folder) -> None:
    tables = folder.risk()
    tables[1] = tables[1] | {"version": "9.9", "digest": "0" * 64}
    (line,) = said(folder.check(folder.in_track("B", tables=tables)))
    assert "hpi our hpi, version 9.9, is not known: the table hpi with sha256 0000" in line


def test_an_hpi_version_that_no_table_record_brought_is_refused(folder: Folder) -> None:
    tables = folder.risk()
    record = {
        "event_type": "table",
        "kind": "hpi",
        "name": "hpi",
        "version": "2.0",
        "digest": "1" * 64,
        "activated_from": "2024-01-01",
    }
    (line,) = said(folder.check(folder.in_track("B", tables=tables), record))
    assert "hpi version 3.0 with this digest is not known: the table records of the file have version 2.0" in line


def test_two_tables_of_one_kind_are_refused(folder: Folder) -> None:
    tables = folder.risk()
    assert any(
        "a second table of kind hpi" in line
        for line in said(folder.check(folder.in_track("B", tables=[*tables, tables[1]])))
    )


def shipped_text(kind: str) -> str:
    return (BUILT_IN / "payment" / f"{kind}.csv").read_text()


def test_a_measure_without_threshold_is_refused(folder: Folder) -> None:
    measures = shipped_text("incentive_measures").replace("yes,52,63,67", "yes,52,,67")
    report = folder.check(PLAIN | {"tables": [folder.use("incentive_measures", measures)]})
    assert any("measure COL is scored and has no threshold" in line for line in said(report))
    with pytest.raises(InvalidTable):
        resolve(contract(tables=[folder.use("incentive_measures", measures)]), folder.store)


def test_a_share_of_a_measure_that_the_table_does_not_have_is_refused(folder: Folder) -> None:
    measures = "\n".join(line for line in shipped_text("incentive_measures").splitlines() if not line.startswith("COL"))
    report = folder.check(PLAIN | {"tables": [folder.use("incentive_measures", measures)]})
    assert any(
        "measure COL has a share for mixed and adult practices and no threshold" in line for line in said(report)
    )


def test_shares_over_100_are_refused_under_the_strict_policy(folder: Folder) -> None:
    found = said(folder.check(PLAIN | {"policies": {"strict_shares": True}}))
    (line,) = found
    assert "104 for mixed practices, 99 for pediatric practices, 102 for adult practices, not to 100" in line


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("incentive_measures", "yes,52,63,67", "yes,64,63,67", "do not run in one direction"),
        ("incentive_measures", "yes,52,63,67", "yes,52,67,67", "do not run in one direction"),
        ("incentive_measures", "yes,52,63,67", "yes,67,67,67", "do not run in one direction"),
        ("incentive_measures", "yes,26,21,18", "yes,26,17,18", "do not run in one direction"),
        ("incentive_shares", "adult,COL,6.0,9.0", "adult,COL,9.5,9.0", "shares must rise"),
        ("incentive_shares", "adult,COL", "adult,CBP", "stands twice"),
        ("hpi_adjustments", "10,0", "9,0", "no row for decile 10"),
    ],
)
def test_tables_in_which_a_practice_could_lose_by_improving_are_refused(
    folder: Folder, kind: str, old: str, new: str, message: str
) -> None:
    text = shipped_text(kind)
    assert old in text
    report = folder.check(PLAIN | {"tables": [folder.use(kind, text.replace(old, new))]})
    assert any(message in line for line in said(report))


def other(**changes: Any) -> dict[str, Any]:
    return PLAIN | {"contract_id": "C2"} | changes


def test_contracts_that_overlap_are_refused(folder: Folder) -> None:
    (line,) = said(folder.check(PLAIN, other(effective_from="2025-01-01")))
    assert "overlaps contract C1 of the same practice and plan from 2025-01-01 on" in line


def test_a_practice_in_two_tracks_with_one_plan_on_one_date_is_refused(folder: Folder) -> None:
    (line,) = said(folder.check(PLAIN, folder.in_track("B", contract_id="C2", effective_from="2025-01-01")))
    assert (
        "practice A is in track A by contract C1 and in track B by this one, with the same plan, from 2025-01-01 on"
        in line
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"payer": "best"},
        {"practice_id": "B"},
        {"effective_from": "2023-01-01", "effective_to": "2024-07-01"},
    ],
)
def test_contracts_of_other_plans_practices_and_dates_stand_beside_each_other(
    folder: Folder, changes: dict[str, Any]
) -> None:
    assert said(folder.check(PLAIN, other(**changes))) == []


def test_products_of_one_payer_stand_in_one_contract_because_statements_are_of_a_practice_and_payer(
    folder: Folder,
) -> None:
    found = said(folder.check(PLAIN | {"products": ["PPO 1"]}, other(products=["PPO 2"])))
    assert [line.partition(": ")[2] for line in found] == [
        "overlaps contract C1 of the same practice and plan from 2024-07-01 on: name the products of both in one."
    ]
    assert len(said(folder.check(PLAIN | {"products": ["PPO 1"]}, other()))) == 1
    assert len(said(folder.check(PLAIN | {"products": ["PPO 1", "PPO 2"]}, other(products=["PPO 2"])))) == 1


def test_a_later_record_of_the_same_contract_takes_its_place(folder: Folder) -> None:
    assert said(folder.check(PLAIN, PLAIN | {"base_pmpm": "33.00"})) == []


PROJECT = {
    "event_type": "period",
    "period": "P1",
    "performance_end": "2024-12-31",
    "k1": "2025-03-31",
    "k2": "2025-06-29",
    "pool_from": "2024-07-01",
    "pool_months": 6,
}


def test_targets_do_not_change_inside_the_project(folder: Folder) -> None:
    eased = folder.use("incentive_measures", shipped_text("incentive_measures").replace("yes,52,63,67", "yes,52,63,66"))
    before = PLAIN | {"effective_to": "2024-10-01"}
    for records in ([before, other(effective_from="2024-10-01", tables=[eased])], [PLAIN, PLAIN | {"tables": [eased]}]):
        (line,) = said(folder.check(*records))
        assert "targets do not change during the project" in line
    after = [PLAIN | {"effective_to": "2025-01-01"}, other(effective_from="2025-01-01", tables=[eased])]
    assert len(said(folder.check(*after))) == 1
    assert said(folder.check(*after, PROJECT)) == []


def test_departures_name_what_is_and_what_would_be(folder: Folder) -> None:
    measures = shipped_text("incentive_measures").replace("yes,52,63,67", "yes,52,63,66")
    shares = shipped_text("incentive_shares").replace("adult,COL,6.0,9.0,14.0", "adult,COL,6.0,9.0,12.0")
    raised = shipped_text("hpi_adjustments").replace("6,0", "6,1")
    classes = confirmed("B")
    classes[0]["column"] = "fee_for_service"
    report = folder.check(
        folder.in_track(
            "B",
            service_classes=[*classes, {"name": "Ours", "codes": ["36415"], "column": "capitated"}],
            policies={"over_100": "normalise", "adjust_element_2": False},
            ceilings={"incentive_pct": "10"},
            practice_type={"override": "adult", "override_reason": "x"},
            minimum_denominators={"COL": 20},
            initial_pct="0.8",
            retro_limit_months=12,
            tables=[
                *folder.risk(),
                folder.use("incentive_measures", measures),
                folder.use("incentive_shares", shares),
                folder.use("hpi_adjustments", raised),
            ],
        )
    )
    assert said(report) == []
    assert [line.removeprefix("file, contract C1, ") for line in said(report, "departure")] == [
        "policies.over_100: normalise instead of cap.",
        "policies.adjust_element_2: false instead of true.",
        "ceilings.incentive_pct: 10 instead of 15.",
        "practice_type.override: adult instead of none.",
        "retro_limit_months: 12 instead of 6.",
        "initial_pct: the initial statement pays 80% of what is projected.",
        "service_classes[0].column: class 'E&M 992xx' is fee_for_service instead of capitated.",
        "service_classes[7]: class 'Ours' is not in the printed table of track B.",
        "minimum_denominators.COL: 20 instead of 30.",
        "tables[2]: measure COL: 52-63 / 66 instead of 52-63 / 67.",
        "tables[3]: share of COL, adult: 6 / 9 / 12 instead of 6 / 9 / 14.",
        "tables[4]: HPI decile 6: 1% instead of 0%.",
    ]


def test_over_30_percent_and_over_15_are_warnings(folder: Folder) -> None:
    off = {"adjust_element_2": False}
    report = folder.check(PLAIN | {"incentive_max_pct": "20", "phm_pmpm": "6.00", "policies": off})
    assert said(report) == []
    assert [line.removeprefix("file, contract C1, ") for line in said(report, "warning")] == [
        (
            "ceilings.total_pct: the three elements add 33.75% to base payment (0 + 18.75 + 15), over the ceiling of 30%; nothing that is "
            "earned is cut for it."
        ),
        "incentive_max_pct: 20% is over the ceiling of the incentive: the pool is limited at 15%.",
    ]


def test_the_reachable_maximum_of_each_practice_type_is_told(folder: Folder) -> None:
    found = {one.practice_type: one for one in folder.check(PLAIN).reachable}
    assert {
        name: (one.measures, str(one.gold_sum), str(one.initial), str(one.final)) for name, one in found.items()
    } == {
        "mixed": (11, "104.0", "88.00", "100.00"),
        "pediatric": (5, "99.0", "63.00", "99.00"),
        "adult": (9, "102.0", "82.00", "100.00"),
    }


def practice(**changes: Any) -> dict[str, Any]:
    plain = {
        "event_type": "practice",
        "practice_id": "A",
        "name": "A",
        "participating": True,
        "effective_from": "2020-01-01",
    }
    return plain | changes


def test_contracts_are_checked_against_the_practices_beside_them(folder: Folder) -> None:
    assert any("no practice record of A" in line for line in said(folder.check(PLAIN, practice(practice_id="B"))))
    for percentile in ("120", "NaN"):
        found = said(folder.check(PLAIN, practice(hpi_percentile=percentile)))
        assert any("hpi_percentile does not lie in 0 to 100" in line for line in found)
    track_b = folder.in_track("B")
    for score in ({}, {"census_tract": "06037000200"}):
        assert any("has no HPI score" in line for line in said(folder.check(track_b, practice(**score)), "warning"))
    for score in ({"hpi_percentile": "40"}, {"census_tract": "06037000100"}):
        assert said(folder.check(track_b, practice(**score)), "warning") == []


def test_what_is_no_record_is_a_mistake_with_its_line(folder: Folder) -> None:
    lines = [
        json.dumps(PLAIN),
        "{",
        json.dumps({"payer": "acme"}),
        json.dumps(practice(participating="maybe")),
        '{"event_type": "claim"}',
        "",
    ]
    report = check(given("\n".join(lines).encode()), folder.store)
    assert [line.split(": ")[0] for line in said(report)] == ["line 2", "line 3, event_type", "line 4, practice"]
    assert said(check(given(b""), folder.store)) == ["file: holds no contract: give records of event_type contract."]


def test_a_period_beside_contracts_is_checked_too(folder: Folder) -> None:
    assert any("k1" in line for line in said(folder.check(PLAIN, PROJECT | {"k1": "2024-11-01"})))


@pytest.mark.parametrize("number", ["1e999999", "1e12", "0.00000000001", "NaN", "Infinity"])
def test_a_number_that_no_rate_can_be_is_refused(folder: Folder, number: str) -> None:
    (line,) = said(folder.check(PLAIN | {"base_pmpm": number}))
    assert line == "file, contract C1, base_pmpm: is no number of at most 12 digits and 10 decimals: correct it."


def test_numbers_of_json_never_pass_through_a_float(folder: Folder) -> None:
    text = json.dumps(PLAIN).replace('"32.00"', "32.10")
    (found,) = check(given(text.encode()), folder.store).contracts
    assert str(found.base_pmpm) == "32.10"


def test_a_contract_whose_table_is_missing_pays_nobody() -> None:
    use = {"kind": "hpi", "name": "hpi", "version": "3.0", "digest": "0" * 64}
    with pytest.raises(MissingTable):
        resolve(contract(tables=[use]), STORE)


def test_the_schema_file_is_the_schema() -> None:
    assert (ROOT / "schemas" / "contract.schema.json").read_bytes() == contract_schema(), (
        "write contract_schema() to the file"
    )


def test_a_contract_is_valid_by_its_schema_and_a_wrong_one_is_not() -> None:
    schema = json.loads(contract_schema())
    jsonschema.validate(PLAIN, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(PLAIN | {"track": "D"}, schema)


def test_every_key_is_documented_and_nothing_else() -> None:
    text = (ROOT / "docs" / "contracts.md").read_text()
    documented: dict[str, set[str]] = {}
    for section in text.split("\n## ")[1:]:
        name = section.splitlines()[0].strip("`")
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        documented[name] = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    definitions = json.loads(contract_schema())["$defs"]
    sections = {
        "Contract": "Contract",
        "Ceilings": "ceilings",
        "ServiceClass": "service_classes",
        "Pools": "pools",
        "Policies": "policies",
        "PracticeTypeRule": "practice_type",
        "TableUse": "tables",
    }
    assert {sections[name]: set(one["properties"]) for name, one in definitions.items()} == documented


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("Contract", Contract),
        ("`ceilings`", Ceilings),
        ("`service_classes`", ServiceClass),
        ("`pools`", Pools),
        ("`policies`", Policies),
        ("`practice_type`", PracticeTypeRule),
        ("`tables`", TableUse),
    ],
)
def test_defaults_and_choices_are_documented_as_they_are(section: str, kind: type[msgspec.Struct]) -> None:
    text = (ROOT / "docs" / "contracts.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("| `")]
    for field in msgspec.structs.fields(kind):
        row = next(row for row in rows if f"`{field.name}`" in row[1])
        if isinstance(field.default, str | bool | int | Decimal):
            assert msgspec.json.encode(field.default).decode().strip('"') in row[2].replace("`", ""), field.name
        for choice in get_args(field.type) if get_origin(field.type) is Literal else ():
            assert f"`{choice}`" in row[2] + row[3], (field.name, choice)


def test_shipped_tables_are_readable_and_say_their_source() -> None:
    for path in sorted((BUILT_IN / "payment").glob("*.csv")):
        assert "source" in path.read_text().splitlines()[0]
        assert path.stem in {*program_tables.SHIPPED, "paid_editions", "paid_rates"}
    file = TableFile("x", "x", b"decile,adjustment_pct,source\n1,5,\n")
    with pytest.raises(InvalidTable, match="source: is empty"):
        program_tables.parse_hpi_adjustments(file)
