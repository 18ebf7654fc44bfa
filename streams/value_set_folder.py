"""Value sets from folders: every .json, .csv and .xlsx below them, read by what it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from state.reference.tables import TableFile
from state.reference.value_set_files import fhir, mld, neutral_csv, vsd
from state.reference.value_set_files.workbooks import Workbook
from state.reference.value_sets import ImportedSets, InvalidValueSets, ValueSets

_READ = (".json", ".csv", ".xlsx")


def load_value_sets(folders: Iterable[Path | str]) -> ValueSets:
    """The sets of all files in folders and their subfolders; the order of files and folders makes no difference.

    Raises `InvalidValueSets` or `TableError`, naming file and place, for a folder that is not there or without a file to read, a file
    that is not in its format, and two files that differ about one set. A set that a file does not say enough of is among `unusable`.
    Hidden files and the `~$` files of an open workbook are left alone.
    """
    imported = [part for folder in folders for part in _read_folder(Path(folder))]
    return ValueSets(
        [one for part in imported for one in part.sets], [one for part in imported for one in part.unusable]
    )


def _read_folder(folder: Path) -> list[ImportedSets]:
    if not folder.is_dir():
        raise InvalidValueSets(f"{folder} is no folder: give the folder that holds the files of value sets.")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix.lower() in _READ and not path.name.startswith((".", "~$"))
    )
    if not paths:
        raise InvalidValueSets(f"{folder} holds no .json, .csv or .xlsx file: lay the files of value sets there.")
    files = [TableFile("value_sets", str(path), path.read_bytes()) for path in paths]
    resources = [file for file in files if file.name.lower().endswith(".json")]
    return [
        *([fhir.read(resources)] if resources else []),
        *(neutral_csv.read(file) for file in files if file.name.lower().endswith(".csv")),
        *(part for file in files if file.name.lower().endswith(".xlsx") for part in _read_workbook(file)),
    ]


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
