"""Workbooks of value sets and medication lists, with the drift of their sheets and columns."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import openpyxl
import pytest

from state.reference.tables import TableFile
from state.reference.value_set_files import mld, vsd
from state.reference.value_set_files.workbooks import Workbook
from state.reference.value_sets import InvalidValueSets, ValueSets

MEASURES = ["Measure ID", "Measure Name", "Value Set Name", "Value Set OID"]
CODES = [
    "Value Set Name",
    "Value Set OID",
    "Value Set Version",
    "Code",
    "Definition",
    "Code System",
    "Code System OID",
    "Code System Version",
]
MAMMOGRAPHY = ["Mammography", "2.16.840.1.113883.3.464.1004.1168", "2025-03-31"]
LISTS = ["Measure ID", "Measure Name", "Medication List Name", "Medication List OID"]
DRUGS = [
    "Medication List Name",
    "Medication List OID",
    "Medication List Version",
    "Code",
    "Generic Product Name",
    "Brand Name",
    "Route",
    "Package Size",
    "Unit",
    "Code System",
    "Code System OID",
    "Code System Version",
]


def book(sheets: Mapping[str, Sequence[Sequence[Any]]]) -> Workbook:
    made = openpyxl.Workbook()
    made.remove(made.worksheets[0])
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    data = io.BytesIO()
    made.save(data)
    return Workbook(TableFile("value_sets", "book.xlsx", data.getvalue()))


def directory(*rows: Sequence[Any], measures: Sequence[Sequence[Any]] = (), prefix: str = "") -> ValueSets:
    read = vsd.read(
        book({f"{prefix}Measures to Value Sets": [MEASURES, *measures], f"{prefix}Value Sets to Codes": [CODES, *rows]})
    )
    return ValueSets(read.sets, read.unusable)


def coded(code: Any, system: str, oid: str = "") -> list[Any]:
    return [*MAMMOGRAPHY, code, "x", system, oid, "2025"]


@pytest.mark.parametrize("prefix", ["", "Volume 2 "])
def test_a_value_set_directory_is_read_and_a_set_found_by_oid_and_name(prefix: str) -> None:
    sets = directory(
        coded("77067", "CPT"),
        coded("G0202", "HCPCS"),
        coded("3014F", "CPT-CAT-II"),
        coded("50", "CPT Modifier", "2.16.840.1.113883.6.12"),
        coded(403, "UBREV"),
        coded("12.34", "ICD10CM"),
        coded("71651007", "SNOMED CT US Edition"),
        coded("018x", "UBTOB"),
        coded("24606-6", "", "2.16.840.1.113883.6.1"),
        measures=[["BCS-E", "Breast", *MAMMOGRAPHY[:2]]],
        prefix=prefix,
    )
    one = sets.get("Mammography")
    assert one.id == MAMMOGRAPHY[1]
    assert one.version == "2025-03-31"
    assert one.codes == {
        ("CPT", "77067"),
        ("HCPCS", "G0202"),
        ("CPT", "3014F"),
        ("CPT_MODIFIER", "50"),
        ("UBREV", "0403"),
        ("ICD10CM", "1234"),
        ("SNOMEDCT", "71651007"),
        ("LOINC", "24606-6"),
    }
    assert sets.sets_of(("UBTOB", "0181")) == (MAMMOGRAPHY[1],)


def test_the_sheet_of_measures_may_have_its_name_of_2021_and_a_notice_above_its_header() -> None:
    read = vsd.read(
        book(
            {
                "Measure ID to Value Sets": [["A notice of the owner"], [], MEASURES],
                "Value Sets to Codes": [["A notice"], [None, "of two lines"], CODES, coded("77067", "CPT"), [None] * 8],
            }
        )
    )
    assert [one.names for one in read.sets] == [("Mammography",)]


def test_a_missing_sheet_or_column_is_said_with_what_there_is() -> None:
    with pytest.raises(
        InvalidValueSets, match=r"book.xlsx has no sheet 'Value Sets to Codes', only 'Measures to Value Sets'"
    ):
        vsd.read(book({"Measures to Value Sets": [MEASURES]}))
    with pytest.raises(
        InvalidValueSets, match=r"book.xlsx has no sheet 'Measures to Value Sets', only 'Value Sets to Codes'"
    ):
        vsd.read(book({"Value Sets to Codes": [CODES]}))
    with pytest.raises(
        InvalidValueSets,
        match=r"sheet 'Value Sets to Codes': no row near the top has the columns 'Value Set Name', 'Code'",
    ):
        vsd.read(
            book({"Measures to Value Sets": [MEASURES], "Value Sets to Codes": [["Value Set Name", "Definition"]]})
        )
    with pytest.raises(InvalidValueSets, match=r"book.xlsx is no workbook"):
        Workbook(TableFile("value_sets", "book.xlsx", b"PK no zip"))


def test_an_unknown_system_makes_the_set_unusable_and_names_sheet_and_row() -> None:
    sets = directory(coded("77067", "CPT"), coded("1", "ABMS"), ["Other", "2.16.840.2", "", "1", "", "CVX", "", ""])
    assert sets.missing(["Mammography", "Other"]) == ("Mammography",)
    reason = sets.reason("Mammography")
    assert reason.startswith("book.xlsx: sheet 'Value Sets to Codes' row 3, code '1': code system 'ABMS' is not known")


def test_a_set_that_a_measure_names_without_codes_is_missing_with_that_reason() -> None:
    sets = directory(coded("77067", "CPT"), measures=[["AMR", "Asthma", "Asthma", "2.16.840.3"]])
    assert sets.missing(["Asthma", "Mammography"]) == ("Asthma",)
    assert sets.reason("2.16.840.3") == "book.xlsx: it has no code"


def test_one_name_with_two_oids_is_no_set() -> None:
    sets = directory(coded("77067", "CPT"), ["Mammography", "2.16.840.9", "", "77066", "", "CPT", "", ""])
    assert sets.missing(["2.16.840.9", MAMMOGRAPHY[1]]) == ("2.16.840.9",)
    assert "its name 'Mammography' is also that of" in sets.reason("2.16.840.9")


def test_a_number_that_a_spreadsheet_may_have_rounded_is_refused() -> None:
    with pytest.raises(InvalidValueSets, match=r"sheet 'Value Sets to Codes' row 2: a number of 18 digits"):
        directory(coded(428301000124106000, "SNOMED CT US Edition"))


def test_a_row_without_a_set_is_refused() -> None:
    with pytest.raises(InvalidValueSets, match=r"row 2: the row names no value set"):
        directory(["", "", "", "77067", "", "CPT", "", ""])


RELIEVER = ["Albuterol Medications", "2.16.840.1.113883.3.464.1004.1", "2025-03-31"]


@pytest.mark.parametrize("oid_heading", ["Medication List OID", "Value Set OID"])
def test_a_medication_list_directory_gives_route_and_package_size(oid_heading: str) -> None:
    header = [oid_heading if heading == "Medication List OID" else heading for heading in DRUGS]
    measures = [oid_heading if heading == "Medication List OID" else heading for heading in LISTS]
    read = mld.read(
        book(
            {
                "Measures to Medication Lists": [measures, ["AMR", "Asthma", *RELIEVER[:2]]],
                "Medication Lists to Codes": [
                    header,
                    [*RELIEVER, "00173068220", "Albuterol", "V", "inhalation", 18, "gm", "NDC", "", ""],
                    [*RELIEVER, 2123111, "Albuterol", "", "inhalation", 8.5, "gm", "RxNorm", "", ""],
                ],
            }
        )
    )
    sets = ValueSets(read.sets, read.unusable)
    drugs = sets.medications("Albuterol Medications")
    assert {code: (str(drug.package_size), drug.route) for code, drug in drugs.items()} == {
        ("NDC", "00173068220"): ("18", "inhalation"),
        ("RXNORM", "2123111"): ("8.5", "inhalation"),
    }


def test_the_medication_lists_of_2019_have_ndc_alone() -> None:
    read = mld.read(
        book(
            {
                "Measures to Medication Lists": [["Measure ID", "Measure Name", "Medication List"]],
                "Medications List to NDC Codes": [
                    ["Medication List", "NDC Code", "Brand Name", "Route", "Drug ID", "Drug Name", "Package Size"],
                    ["Diabetes Medications", 2821501, "H", "subcutaneous", "d1", "Insulin", 10],
                ],
            }
        )
    )
    (one,) = read.sets
    assert one.id == "Diabetes Medications"
    assert one.codes == {("NDC", "00002821501")}
    assert {drug.route for drug in one.medications} == {"injection"}
