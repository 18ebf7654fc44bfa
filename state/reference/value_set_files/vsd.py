"""Value set directories: workbooks with the sheets `Measures to Value Sets` and `Value Sets to Codes`, in the layouts of 2018 to 2025.

A set has a name and an OID there and is found by either. Source: measures.md 13.
"""

from __future__ import annotations

from state.reference.codes import UnknownSystem, system_of
from state.reference.value_set_files.listing import Listing
from state.reference.value_set_files.workbooks import Workbook
from state.reference.value_sets import ImportedSets

CODES_SHEET = "Value Sets to Codes"
_MEASURES_SHEETS = ("Measures to Value Sets", "Measure ID to Value Sets", "Measure to Value Sets")
_COLUMNS = {
    "name": ("Value Set Name", "Value Set"),
    "oid": ("Value Set OID", "OID"),
    "version": ("Value Set Version", "Version"),
    "code": ("Code",),
    "system": ("Code System", "Code System Name"),
    "system_oid": ("Code System OID",),
}


def read(book: Workbook) -> ImportedSets:
    """The sets of a directory. Raises `InvalidValueSets` when a sheet or column is missing.

    A set that a measure names and that has no codes is unusable. The system of a code is what its name says, else its OID.
    """
    listing = Listing(book.name)
    measures, codes = book.required_sheet(*_MEASURES_SHEETS), book.required_sheet(CODES_SHEET)
    for row in book.rows(measures, {key: _COLUMNS[key] for key in ("name", "oid")}, ("name",)):
        listing.announce(row.texts["name"], row.texts.get("oid", ""))
    for row in book.rows(codes, _COLUMNS, ("name", "code", "system")):
        listing.add(
            name=row.texts["name"],
            oid=row.texts.get("oid", ""),
            version=row.texts.get("version", ""),
            system=system_text(row.texts.get("system", ""), row.texts.get("system_oid", "")),
            code=row.texts["code"],
            place=f"sheet {codes!r} row {row.number}",
        )
    return listing.finish()


def system_text(name: str, oid: str) -> str:
    """What names the code system of a row: its name where that is known, because modifiers share the OID of their system."""
    try:
        system_of(name)
    except UnknownSystem:
        return oid or name
    return name
