"""Workbooks (xlsx) as texts: sheets and columns are found by their words, because their spelling drifts from year to year."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from state.reference.tables import TableFile
from state.reference.value_sets import InvalidValueSets

_HEADER_WITHIN = 20
"""A header row stands at most this far down: notices of owners may stand above it."""
_EXACT = 10**15
"""A whole number from here on has lost digits in a spreadsheet."""


class Row(msgspec.Struct, frozen=True):
    """A row: its number in the sheet, from 1, and its texts by our name of the column."""

    number: int
    texts: Mapping[str, str]


class Workbook:
    """The sheets of a file. Raises `InvalidValueSets` when it is no workbook."""

    def __init__(self, file: TableFile) -> None:
        self.name = file.name
        with warnings.catch_warnings():
            # openpyxl warns of styles and extensions that it does not show; only the texts are wanted.
            warnings.simplefilter("ignore", UserWarning)
            try:
                self._book = openpyxl.load_workbook(io.BytesIO(file.data), read_only=True, data_only=True)
            except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError):
                raise InvalidValueSets(f"{file.name} is no workbook: save it as .xlsx.") from None
        self._sheets = {_words(title): title for title in self._book.sheetnames}

    def sheet(self, *endings: str) -> str | None:
        """The title of the first sheet whose words end so: `Volume 2 Value Sets to Codes` for `Value Sets to Codes`."""
        for ending in endings:
            for words, title in self._sheets.items():
                if words.endswith(_words(ending)):
                    return title
        return None

    def required_sheet(self, *endings: str) -> str:
        """As `sheet`. Raises `InvalidValueSets` when there is none, saying which sheets there are."""
        title = self.sheet(*endings)
        if title is None:
            raise InvalidValueSets(
                f"{self.name} has no sheet {endings[0]!r}, only {', '.join(map(repr, self._book.sheetnames))}: "
                "take the workbook as its owner delivers it."
            )
        return title

    def rows(self, title: str, columns: Mapping[str, Sequence[str]], required: Iterable[str]) -> Iterator[Row]:
        """The rows of a sheet under its header. `columns`: our names, and for each the headings that it had over the years.

        Raises `InvalidValueSets` when no row near the top has the required columns, or a cell holds what a spreadsheet spoilt.
        """
        sheet = self._book[title]
        sheet.reset_dimensions()
        numbered = enumerate(sheet.iter_rows(values_only=True), start=1)
        known = {_words(heading): ours for ours, headings in columns.items() for heading in headings}
        needed = set(required)
        for _, cells in islice(numbered, _HEADER_WITHIN):
            places: dict[str, int] = {}
            for place, cell in enumerate(cells):
                ours = known.get(_words(str(cell or "")))
                if ours is not None:
                    places.setdefault(ours, place)
            if needed <= places.keys():
                break
        else:
            headings = ", ".join(repr(columns[ours][0]) for ours in columns if ours in needed)
            raise InvalidValueSets(f"{self.name}, sheet {title!r}: no row near the top has the columns {headings}.")
        for number, cells in numbered:
            texts = {
                ours: self._text(cells[place], f"sheet {title!r} row {number}") if place < len(cells) else ""
                for ours, place in places.items()
            }
            if any(texts.values()):
                yield Row(number, texts)

    def _text(self, cell: Any, place: str) -> str:
        if cell is None:
            return ""
        if isinstance(cell, dt.datetime):
            return cell.date().isoformat()
        if isinstance(cell, float) and cell.is_integer():
            cell = int(cell)
        if isinstance(cell, int) and abs(cell) >= _EXACT:
            raise InvalidValueSets(
                f"{self.name}, {place}: a number of {len(str(cell))} digits, which spreadsheets round: keep such codes as text."
            )
        return str(cell).strip()


def _words(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())
