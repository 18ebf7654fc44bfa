"""Value sets and directories of drug products from folders: every .json, .csv and .xlsx below them, read by what it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from state.reference.drug_products import DrugProduct, read_products
from state.reference.tables import TableFile
from state.reference.value_set_files import fhir, mld, neutral_csv, vsd
from state.reference.value_set_files.workbooks import Workbook
from state.reference.value_sets import ImportedSets, InvalidValueSets, ValueSets

_READ = (".json", ".csv", ".xlsx")


class ValueSetFiles(msgspec.Struct, frozen=True):
    """What the folders hold. `state.reference.starter_sets.in_force` puts it before the sets that come with the project."""

    sets: ValueSets
    products: tuple[DrugProduct, ...]


def load_value_sets(folders: Iterable[Path | str]) -> ValueSetFiles:
    """All files in folders and their subfolders; the order of files and folders makes no difference.

    Raises `InvalidValueSets` or `TableError`, naming file and place, for a folder that is not there or without a file to read, a file
    that is not in its format, and two files that differ about one set. A set that a file does not say enough of is among `unusable`.
    Hidden files and the `~$` files of an open workbook are left alone.
    """
    files = [file for folder in folders for file in _files(Path(folder))]
    resources = [file for file in files if file.kind == ".json"]
    tables = [file for file in files if file.kind == ".csv"]
    directories = [file for file in tables if b"ingredients" in file.data.split(b"\n", 1)[0]]
    imported = [
        *([fhir.read(resources)] if resources else []),
        *(neutral_csv.read(file) for file in tables if file not in directories),
        *(part for file in files if file.kind == ".xlsx" for part in _read_workbook(file)),
    ]
    return ValueSetFiles(
        ValueSets([one for part in imported for one in part.sets], [one for part in imported for one in part.unusable]),
        tuple(product for file in directories for product in read_products(file)),
    )


def _files(folder: Path) -> list[TableFile]:
    if not folder.is_dir():
        raise InvalidValueSets(f"{folder} is no folder: give the folder that holds the files of value sets.")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix.lower() in _READ and not path.name.startswith((".", "~$"))
    )
    if not paths:
        raise InvalidValueSets(f"{folder} holds no .json, .csv or .xlsx file: lay the files of value sets there.")
    return [TableFile(path.suffix.lower(), str(path), path.read_bytes()) for path in paths]


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
