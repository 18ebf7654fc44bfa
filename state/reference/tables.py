"""Tables of the program: files named by the digest of their bytes, and those that come with the project.

A record of kind `table` puts a file in force; whoever owns the service lays the file into one of the folders. Source: design.md,
change of code and rules.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from state.calendar import Day, from_date

BUILT_IN = Path(__file__).parent.parent / "data"


class TableError(Exception):
    """A table cannot be used; the message says which, why, and what to do."""


class MissingTable(TableError):
    """A table is not where it should be."""


class InvalidTable(TableError):
    """A table's content breaks its format."""


class UnknownRuleset(TableError):
    """No ruleset has this name."""


class TableFile(msgspec.Struct, frozen=True):
    """The bytes of a table and the name under which messages speak of it."""

    kind: str
    name: str
    data: bytes


class TableStore:
    """Finds tables by digest in folders. Any file name will do: what counts is the sha256 of the content."""

    def __init__(self, folders: Iterable[Path | str] = ()) -> None:
        self._folders = [Path(folder) for folder in folders]
        self._found: dict[str, Path] = {}

    def load(self, kind: str, digest: str) -> TableFile:
        """The table of this sha256 (hex). Raises `MissingTable` when no folder holds it."""
        path = self._found.get(digest)
        if path is None:
            self._look()
            path = self._found.get(digest)
        if path is None:
            places = ", ".join(str(folder) for folder in self._folders) or "none is configured"
            raise MissingTable(
                f"the table {kind} with sha256 {digest} is in no folder of tables ({places}): lay the file there and start again."
            )
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise InvalidTable(f"{path} changed while the service ran: put back the file with sha256 {digest}.")
        return TableFile(kind, path.name, data)

    def built_in(self, kind: str) -> TableFile:
        """The table of this kind that comes with the project."""
        return _shipped(kind, BUILT_IN / f"{kind}.csv")

    def built_in_ruleset(self, name: str) -> TableFile:
        """A ruleset that comes with the project, by name. Raises `UnknownRuleset`."""
        known = sorted(path.stem for path in (BUILT_IN / "rulesets").glob("*.toml"))
        if name not in known:
            raise UnknownRuleset(
                f"there is no ruleset {name!r}: the project has {', '.join(known)}; send your own as a table of kind ruleset."
            )
        return _shipped("ruleset", BUILT_IN / "rulesets" / f"{name}.toml")

    def _look(self) -> None:
        shipped = [*BUILT_IN.glob("*.csv"), *BUILT_IN.glob("payment/*.csv"), *BUILT_IN.glob("*/*.toml")]
        laid = [
            path for folder in self._folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_file()
        ]
        for path in [*shipped, *laid]:
            self._found[hashlib.sha256(path.read_bytes()).hexdigest()] = path


def _shipped(kind: str, path: Path) -> TableFile:
    if not path.is_file():
        raise MissingTable(f"{path} is missing from the installation: install panelstream again.")
    return TableFile(kind, path.name, path.read_bytes())


class TableRow:
    """One row of a CSV table, with messages that name the file, the line and the column."""

    def __init__(self, file: TableFile, line: int, values: dict[str, str]) -> None:
        self._file = file
        self.line = line
        self._values = values

    def wrong(self, column: str, problem: str) -> InvalidTable:
        """The error that says what is wrong with a column of this row."""
        return InvalidTable(
            f"{self._file.name} line {self.line}, {column}: {problem}. Correct the row and send the table again."
        )

    def text(self, column: str) -> str:
        """A value that must be there."""
        value = self._values[column].strip()
        if not value:
            raise self.wrong(column, "is empty")
        return value

    def words(self, column: str, allowed: Iterable[str]) -> tuple[str, ...]:
        """Words separated by spaces, each from a closed list; may be empty."""
        words = tuple(self._values[column].split())
        for word in words:
            self._check(column, word, allowed)
        return words

    def optional(self, column: str) -> str:
        """A value of a column that a table may leave out; empty where there is none."""
        return self._values.get(column, "").strip()

    def number(self, column: str) -> Decimal:
        """A number from 0 upwards that must be there."""
        value = self.signed(column)
        if value < 0:
            raise self.wrong(column, f"{self.text(column)!r} is not a number from 0 upwards")
        return value

    def signed(self, column: str) -> Decimal:
        """A number that must be there and may be below 0."""
        text = self.text(column)
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise self.wrong(column, f"{text!r} is not a number") from None
        if not value.is_finite():
            raise self.wrong(column, f"{text!r} is not a number")
        return value

    def one_of(self, column: str, allowed: Iterable[str]) -> str:
        """A value from a closed list."""
        return self._check(column, self.text(column), allowed)

    def day(self, column: str, absent: Day) -> Day:
        """An ISO date as a day; `absent` where the value is empty."""
        value = self._values[column].strip()
        if not value:
            return absent
        try:
            return from_date(dt.date.fromisoformat(value))
        except ValueError:
            raise self.wrong(column, f"{value!r} is not a date YYYY-MM-DD") from None

    def _check(self, column: str, value: str, allowed: Iterable[str]) -> str:
        choices = sorted(allowed)
        if value not in choices:
            raise self.wrong(column, f"{value!r} is none of {', '.join(choices)}")
        return value


def read_rows(file: TableFile, columns: Sequence[str]) -> Iterator[TableRow]:
    """The rows of a CSV table. Raises `InvalidTable` when it is not UTF-8 CSV with these columns, or has no row."""
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidTable(f"{file.name} is not UTF-8: save it as UTF-8 CSV.") from None
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise InvalidTable(
            f"{file.name} has no column {', '.join(missing)}: a table of kind {file.kind} needs {', '.join(columns)}."
        )
    empty = True
    for values in reader:
        empty = False
        if None in values or None in values.values():
            raise InvalidTable(
                f"{file.name} line {reader.line_num} has not as many values as the header: correct the row."
            )
        yield TableRow(file, reader.line_num, values)
    if empty:
        raise InvalidTable(f"{file.name} has no row: an empty table is never what is meant.")
