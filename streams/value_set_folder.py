"""Value sets and directories of drug products from folders: every .json, .csv and .xlsx below them, read by what it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from state.reference.tables import TableFile
from state.reference.value_set_files.reading import ValueSetFiles, read_files
from state.reference.value_sets import InvalidValueSets, ValueSets

_READ = (".json", ".csv", ".xlsx")


def load_value_sets(folders: Iterable[Path | str]) -> ValueSetFiles:
    """All files in folders and their subfolders; the order of files and folders makes no difference.

    Raises `InvalidValueSets` or `TableError`, naming file and place, as `read_files` does, and for a folder that is not there or without a
    file to read. Hidden files and the `~$` files of an open workbook are left alone.
    """
    return read_files(file for folder in folders for file in _files(Path(folder)))


def value_sets_in_force(folder: Path, *, is_given: bool) -> ValueSets:
    """All sets that measures may use: those of a folder before those that come with the project.

    `is_given`: somebody has named the folder, so that it must be there; the default one may be missing.
    """
    return load_value_sets([folder] if is_given or folder.is_dir() else []).in_force()


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
