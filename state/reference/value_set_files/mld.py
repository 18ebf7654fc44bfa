"""Medication list directories: workbooks with `Measures to Medication Lists` and `Medication Lists to Codes`, 2019 to 2025.

Each drug comes with its generic name, route and package size, which the asthma ratio counts by. Before 2020 there is no code system
and every code is an NDC. Source: measures.md 13.
"""

from __future__ import annotations

from state.reference.codes import UnusableCode
from state.reference.value_set_files.listing import Listing, drug_of
from state.reference.value_set_files.vsd import system_text
from state.reference.value_set_files.workbooks import Workbook
from state.reference.value_sets import ImportedSets

CODES_SHEETS = ("Medication Lists to Codes", "Medications List to NDC Codes", "Medication Lists to NDC Codes")
_MEASURES_SHEETS = ("Measures to Medication Lists", "Measure ID to Medication Lists", "Measures to Medications List")
_COLUMNS = {
    "name": ("Medication List Name", "Medication List", "Medications List"),
    "oid": ("Medication List OID", "Value Set OID"),
    "version": ("Medication List Version",),
    "code": ("Code", "NDC Code"),
    "generic_name": ("Generic Product Name", "Drug Name"),
    "route": ("Route",),
    "package_size": ("Package Size",),
    "unit": ("Unit",),
    "system": ("Code System",),
    "system_oid": ("Code System OID",),
}


def read(book: Workbook) -> ImportedSets:
    """The lists of a directory. Raises `InvalidValueSets` when a sheet or column is missing."""
    listing = Listing(book.name)
    measures, codes = book.required_sheet(*_MEASURES_SHEETS), book.required_sheet(*CODES_SHEETS)
    for row in book.rows(measures, {key: _COLUMNS[key] for key in ("name", "oid")}, ("name",)):
        listing.announce(row.texts["name"], row.texts.get("oid", ""))
    for row in book.rows(codes, _COLUMNS, ("name", "code")):
        name, oid, place = row.texts["name"], row.texts.get("oid", ""), f"sheet {codes!r} row {row.number}"
        try:
            drug = drug_of(
                generic_name=row.texts.get("generic_name", ""),
                route=row.texts.get("route", ""),
                package_size=row.texts.get("package_size", ""),
                unit=row.texts.get("unit", ""),
            )
        except UnusableCode as wrong:
            listing.wrong(name=name, oid=oid, place=place, problem=str(wrong))
            continue
        listing.add(
            name=name,
            oid=oid,
            version=row.texts.get("version", ""),
            system=system_text(row.texts["system"], row.texts.get("system_oid", ""))
            if "system" in row.texts
            else "NDC",
            code=row.texts["code"],
            place=place,
            drug=drug,
        )
    return listing.finish()
