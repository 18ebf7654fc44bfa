"""Files of value sets and of drug products, told apart by what they are: FHIR resources, workbooks, CSV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

import msgspec

from state.reference.drug_products import DrugProduct, read_products
from state.reference.starter_sets import in_force
from state.reference.tables import TableFile
from state.reference.value_set_files import fhir, mld, neutral_csv, vsd
from state.reference.value_set_files.workbooks import Workbook
from state.reference.value_sets import ImportedSets, ValueSets


class ValueSetFiles(msgspec.Struct, frozen=True):
    """What files hold."""

    sets: ValueSets
    products: tuple[DrugProduct, ...]

    def in_force(self) -> ValueSets:
        """All sets that measures may use: these before those that come with the project."""
        return in_force(self.sets, self.products)


def read_files(files: Iterable[TableFile]) -> ValueSetFiles:
    """What files hold, in whatever order they are given; the end of a name (.json, .csv, .xlsx) says what a file is.

    Raises `InvalidValueSets` or `TableError`, naming file and place, for a file that is not in its format, and for two files that differ
    about one set. A set that a file does not say enough of is among `unusable`.
    """
    every = list(files)
    resources = [file for file in every if _kind(file) == ".json"]
    tables = [file for file in every if _kind(file) == ".csv"]
    directories = [file for file in tables if b"ingredients" in file.data.split(b"\n", 1)[0]]
    imported = [
        *([fhir.read(resources)] if resources else []),
        *(neutral_csv.read(file) for file in tables if file not in directories),
        *(part for file in every if _kind(file) == ".xlsx" for part in _read_workbook(file)),
    ]
    return ValueSetFiles(
        ValueSets([one for part in imported for one in part.sets], [one for part in imported for one in part.unusable]),
        tuple(product for file in directories for product in read_products(file)),
    )


def _kind(file: TableFile) -> str:
    return PurePath(file.name).suffix.lower()


def _read_workbook(file: TableFile) -> list[ImportedSets]:
    """A workbook is a value set directory, a medication list directory, or both in one."""
    book = Workbook(file)
    parts = []
    if book.sheet(vsd.CODES_SHEET):
        parts.append(vsd.read(book))
    if book.sheet(*mld.CODES_SHEETS):
        parts.append(mld.read(book))
    if not parts:
        book.required_sheet(vsd.CODES_SHEET, *mld.CODES_SHEETS)
    return parts
