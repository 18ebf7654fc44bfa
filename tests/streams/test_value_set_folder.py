"""Folders of value sets as a user lays them."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest

from state.reference.starter_sets import in_force
from state.reference.tables import InvalidTable
from state.reference.value_sets import ConflictingValueSets, InvalidValueSets
from streams.value_set_folder import load_value_sets

ICD = "http://hl7.org/fhir/sid/icd-10-cm"


def resource(oid: str, **compose: object) -> str:
    return json.dumps(
        {"resourceType": "ValueSet", "url": f"http://cts.nlm.nih.gov/fhir/ValueSet/{oid}", "compose": compose}
    )


def workbook(path: Path, system: str = "CPT") -> None:
    made = openpyxl.Workbook()
    made.remove(made.worksheets[0])
    made.create_sheet("Measures to Value Sets").append(["Measure ID", "Value Set Name", "Value Set OID"])
    sheet = made.create_sheet("Value Sets to Codes")
    sheet.append(["Value Set Name", "Value Set OID", "Code", "Code System"])
    sheet.append(["Mammography", "2.16.840.7", "77067", system])
    made.save(path)


def test_every_file_of_the_folders_is_read_and_groupings_go_from_folder_to_folder(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "deeper").mkdir(parents=True)
    two.mkdir()
    member = {"valueSet": ["http://cts.nlm.nih.gov/fhir/ValueSet/2.16.840.2"]}
    (one / "deeper" / "a.JSON").write_text(resource("2.16.840.1", include=[member]), encoding="utf-8")
    (two / "b.json").write_text(
        resource("2.16.840.2", include=[{"system": ICD, "concept": [{"code": "I10"}]}]), encoding="utf-8"
    )
    (two / "own.csv").write_text("\ufeffvalue_set,code_system,code\nmine,CVX,3\n", encoding="utf-8")
    (two / "products.csv").write_text(
        "code_system,code,ingredients,route\nRXNORM,895994,fluticasone,inhalation\n", encoding="utf-8"
    )
    workbook(two / "vsd.xlsx")
    for ignored in ("~$vsd.xlsx", ".hidden.json", "readme.txt"):
        (two / ignored).write_text("not read", encoding="utf-8")
    files = load_value_sets([one, two])
    assert files.sets.sets_of(("ICD10CM", "I10")) == ("2.16.840.1", "2.16.840.2")
    assert files.sets.holds("Mammography", ("CPT", "77067"))
    assert files.sets.holds("mine", ("CVX", "03"))
    assert load_value_sets([two, one]).sets.digest == files.sets.digest
    sets = in_force(files.sets, files.products)
    assert sets.sets_of(("RXNORM", "895994")) == ("asthma_controller",)
    assert sets.sets_of(("CPT", "77067")) == ("2.16.840.7", "mammography")


def test_no_folder_means_no_sets() -> None:
    assert len(load_value_sets([]).sets) == 0


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "{", r"a.json is no FHIR R4 JSON"),
        ("a.xlsx", "no workbook", r"a.xlsx is no workbook"),
        ("a.csv", "value_set,code\nx,1\n", r"a.csv has no column code_system"),
        ("a.csv", "code_system,code,ingredients\nNDC,1,x\n", r"a.csv has no column route"),
        ("a.txt", "x", r"holds no .json, .csv or .xlsx file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_its_name(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises((InvalidValueSets, InvalidTable), match=reason):
        load_value_sets([tmp_path])


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueSets, match="nowhere is no folder"):
        load_value_sets([tmp_path / "nowhere"])


def test_a_workbook_of_neither_layout_is_refused_with_its_sheets(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.worksheets[0].title = "Budget"
    made.save(tmp_path / "a.xlsx")
    with pytest.raises(InvalidValueSets, match="has no sheet 'Value Sets to Codes', only 'Budget'"):
        load_value_sets([tmp_path])


def test_two_files_that_differ_about_a_set_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("value_set,code_system,code\nmine,CVX,3\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("value_set,code_system,code\nmine,CVX,94\n", encoding="utf-8")
    with pytest.raises(ConflictingValueSets, match=r"a\.csv and, with other codes, in .*b\.csv"):
        load_value_sets([tmp_path])


def test_an_unknown_system_in_a_workbook_names_file_sheet_and_row(tmp_path: Path) -> None:
    workbook(tmp_path / "vsd.xlsx", system="Unheard Of")
    sets = load_value_sets([tmp_path]).sets
    assert "vsd.xlsx: sheet 'Value Sets to Codes' row 2, code '77067': code system 'Unheard Of'" in sets.reason(
        "Mammography"
    )
    assert in_force(sets).missing(["mammography"]) == ("mammography",)
