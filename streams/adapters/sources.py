"""Reading the files of a source: CSV rows with their row numbers, and errors that name the file and the column."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLAIM_LAG = dt.timedelta(days=14)
"""From a claim's last day to the day on which we say it was accepted, where no paid date is known (our assumption)."""

Event = dict[str, object]
"""One line of an event file, its keys as the event files have them; a key without a value is absent."""


class SourceError(Exception):
    """A source's files cannot be read as that source: the message names the file, what is wrong and what to do."""


class Row(NamedTuple):
    """One row of a CSV file: the file's name, the row's number in it (the header is row 1), the values by column."""

    file: str
    number: int
    values: dict[str, str]


def rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """Every data row of a CSV file, with values stripped of surrounding blanks.

    Raises `SourceError` if the file is absent, or lacks one of the columns, or has a row of another width.
    """
    if not path.is_file():
        message = f"{path} is missing: this source needs it; add it to the folder and import again."
        raise SourceError(message)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = [name.strip() for name in next(lines, [])]
        missing = [column for column in columns if column not in header]
        if missing:
            message = (
                f"{path} has no column {', '.join(missing)}: compare its header with the layout of the source, "
                "rename or add the column, and import again."
            )
            raise SourceError(message)
        for number, values in enumerate(lines, start=2):
            if not values:
                continue
            if len(values) != len(header):
                message = (
                    f"{path} row {number} has {len(values)} values, its header {len(header)}: "
                    "mend the row and import again."
                )
                raise SourceError(message)
            yield Row(path.name, number, {name: value.strip() for name, value in zip(header, values, strict=True)})


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that match a pattern, by name. Raises `SourceError` if there is none."""
    found = sorted(folder.glob(pattern))
    if not found:
        message = f"{folder} has no file {pattern}: name the folder that holds it."
        raise SourceError(message)
    return found


def day(row: Row, column: str) -> dt.date | None:
    """The calendar day in a column (a date, or the UTC day of a time); None where it is empty.

    Raises `SourceError` for anything else.
    """
    value = row.values[column]
    if not value:
        return None
    try:
        return dt.date.fromisoformat(value[:10])
    except ValueError:
        message = f"{row.file} row {row.number}: {column} is not a date (YYYY-MM-DD): correct it and import again."
        raise SourceError(message) from None


def required_day(row: Row, column: str) -> dt.date:
    """As `day`, but an empty value raises `SourceError`."""
    value = day(row, column)
    if value is None:
        message = f"{row.file} row {row.number}: {column} is empty: every row needs it; correct it and import again."
        raise SourceError(message)
    return value


def required_whole_number(row: Row, column: str) -> int:
    """The whole number in a column. Raises `SourceError` for anything else."""
    try:
        return int(row.values[column])
    except ValueError:
        message = f"{row.file} row {row.number}: {column} is not a whole number: correct it and import again."
        raise SourceError(message) from None


def amount(row: Row, column: str) -> Decimal:
    """The dollars in a column, zero where it is empty. Raises `SourceError` for anything else."""
    try:
        return Decimal(row.values[column] or "0")
    except InvalidOperation:
        message = f"{row.file} row {row.number}: {column} is not an amount: correct it and import again."
        raise SourceError(message) from None


def accepted(when: dt.date) -> str:
    """A day as the time of acceptance: its midnight in UTC, RFC 3339."""
    return f"{when.isoformat()}T00:00:00Z"


def without_nulls(event: Event) -> Event:
    """The event with only the keys that have a value: absent is how event files say null."""
    return {key: value for key, value in event.items() if value is not None and value not in ("", [], {})}
