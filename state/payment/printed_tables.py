"""A table in words and numbers, for people: as HTML, and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import msgspec


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table in words; the last `amounts` columns are numbers. `sums` is its last row, empty where there is none."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sums: tuple[str, ...] = ()
    amounts: int

    @property
    def first_amount(self) -> int:
        """The first column of numbers."""
        return len(self.columns) - self.amounts


def as_html(one: Table) -> Iterator[str]:
    """The table as HTML: with a caption, and heads that say what they stand over."""

    def cell(tag: str, place: int, text: str, scope: str = "") -> str:
        kind = ' class="amount"' if place >= one.first_amount else ""
        return f"<{tag}{scope}{kind}>{escape(text)}</{tag}>"

    def row(cells: Sequence[str]) -> str:
        rest = "".join(cell("td", place, text) for place, text in enumerate(cells[1:], start=1))
        return "<tr>" + cell("th", 0, cells[0], ' scope="row"') + rest + "</tr>"

    # What is too wide for a telephone is pushed from side to side, also by keyboard.
    yield f'<div class="wide" role="region" aria-label="{escape(one.caption)}" tabindex="0">'
    yield "<table>"
    yield f"<caption>{escape(one.caption)}</caption>"
    heads = "".join(cell("th", place, text, ' scope="col"') for place, text in enumerate(one.columns))
    yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    yield from map(row, one.rows)
    yield "</tbody>"
    if one.sums:
        yield f"<tfoot>{row(one.sums)}</tfoot>"
    yield "</table>"
    yield "</div>"


def as_text(one: Table) -> Iterator[str]:
    """The table as lines: words to the left, numbers to the right, the sums below a rule."""
    every = [one.columns, *one.rows, *([one.sums] if one.sums else [])]
    widths = [max(len(row[place]) for row in every) for place in range(len(one.columns))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if place >= one.first_amount else text.ljust(width)
            for place, (text, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    yield line(one.columns)
    yield line(["-" * width for width in widths])
    yield from map(line, one.rows)
    if one.sums:
        yield line(["-" * width for width in widths])
        yield line(one.sums)
