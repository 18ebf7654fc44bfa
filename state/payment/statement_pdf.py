"""The printed statement as a PDF: what the page says, set for paper, tagged for screen readers (PDF/UA-1)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import msgspec
import typst

from state.payment.statement_sheet import View, sheet


def pdf(practice_name: str, views: Sequence[View]) -> bytes:
    """The statements of a practice for printing, dated by the last of them.

    Equal views give equal bytes, on any machine: its fonts are the library's.
    """
    template = resources.files("state.data.payment").joinpath("statement.typ").read_bytes()
    said = msgspec.json.encode(sheet(practice_name, views)).decode()
    return typst.compile(
        template, format="pdf", ignore_system_fonts=True, sys_inputs={"sheet": said}, pdf_standards=["ua-1"]
    )
