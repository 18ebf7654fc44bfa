"""Our own layout: a CSV with value_set, code_system and code, and as much more as is known. Source: measures.md 13.

Further columns, each may be left out: oid, version, description, source, and for medication lists generic_name, route, package_size,
unit. A code system may end in _RANGE (the code is `low-high`, both included) or _PREFIX.
"""

from __future__ import annotations

from state.reference.codes import UnusableCode
from state.reference.tables import TableFile, read_rows
from state.reference.value_set_files.listing import Listing, drug_of
from state.reference.value_sets import ImportedSets

COLUMNS = ("value_set", "code_system", "code")


def read(file: TableFile) -> ImportedSets:
    """The sets of a file. Raises `InvalidTable` when it is not UTF-8 CSV with these columns, or a row names no set."""
    listing = Listing(file.name)
    for row in read_rows(file, COLUMNS):
        name, oid = row.text("value_set"), row.optional("oid")
        place = f"line {row.line}"
        try:
            drug = drug_of(
                generic_name=row.optional("generic_name"),
                route=row.optional("route"),
                package_size=row.optional("package_size"),
                unit=row.optional("unit"),
            )
        except UnusableCode as wrong:
            listing.wrong(name=name, oid=oid, place=place, problem=str(wrong))
            continue
        listing.add(
            name=name,
            oid=oid,
            version=row.optional("version"),
            system=row.optional("code_system"),
            code=row.optional("code"),
            place=place,
            drug=drug,
        )
    return listing.finish()
