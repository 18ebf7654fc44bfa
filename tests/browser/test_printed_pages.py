"""The printed pages in a real browser: readable on a telephone and on paper, by eye and read aloud, with nothing fetched."""

from __future__ import annotations

import base64
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.money import Statement
from state.payment import comparison, comparison_sheet
from state.payment.comparison import Comparison, Rules
from state.payment.element2 import Risk
from state.payment.statement_page import page
from state.payment.statement_sheet import View
from state.payment.statements import month_lines, month_statement
from state.payment.what_if import chances_of
from tests.browser.chromium import Page, chromium
from tests.money_cases import STORE, contract, d, person, result, statable, stated, terms

COUNTED = [
    result("BCS", 78, 74, numerator=d(117), denominator=d(150)),
    result("COL", "62.5", 60, numerator=d(125), denominator=d(200)),
    result("CBP", "60.2", 58, numerator=d(301), denominator=d(500)),
    result("GSD", 70, 61, numerator=d(70), denominator=d(100)),
    result("AMR", 80, 79, numerator=d(40), denominator=d(50)),
    result("AHU", 20, 24, numerator=d(36), denominator=d(1800)),
    result("EDU", 128, 131, numerator=d(230), denominator=d(1800)),
]
FINAL = stated("final", COUNTED, initial=stated("initial", COUNTED[:2]))
PAPER = 816
"""Letter, 8.5 inches, in pixels of style sheets."""
CONTRAST = """
(() => {
  const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const one = rgb.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * one[0] + 0.7152 * one[1] + 0.0722 * one[2];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const rgb = parts(getComputedStyle(at).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0) return rgb;
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const style = getComputedStyle(element);
    const ink = parts(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    least = Math.min(least, (a + 0.05) / (b + 0.05));
  }
  return least;
})()
"""


def monthly() -> Statement:
    of = terms(phm_pmpm="4.00")
    start = FINAL.stated_on.replace(month=7, day=1)
    lines = month_lines(of, start, {start: [person(f"m{n}", 40) for n in range(98)]}, Risk())
    made = month_statement(statable("2025-07-panel", "2025-06-30"), of, start, lines)
    return msgspec.structs.replace(made, payer="Blue Example of California")


def statement_page() -> bytes:
    final = View(statement=FINAL, state="released", chances=chances_of(FINAL, contract(), STORE))
    return page("Practice A Inc.", [final, View(statement=monthly(), state="draft")])


def simulation_page() -> bytes:
    made = Comparison(
        in_force=Rules(ruleset="guide", contracts=("C1",)),
        simulated=Rules(ruleset="recency_first", contracts=("C1",)),
        members=comparison.members_of({("2025-07", "acme", "A"): 98}, {("2025-07", "acme", "A"): 97}),
        moved=comparison.moved_of({("2025-07", "acme", "A", ""): 1}),
        money=comparison.money_of([FINAL], [monthly()]),
    )
    return comparison_sheet.page(made)


PAGES = {"statement": statement_page, "simulation": simulation_page}


@pytest.fixture
async def browser() -> AsyncIterator[Page]:
    async with chromium() as page:
        yield page


@pytest.mark.parametrize("which", PAGES)
async def test_a_page_is_read_on_a_telephone_and_on_paper_and_fetches_nothing(
    browser: Page, tmp_path: Path, which: str
) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(PAGES[which]())
    await browser.open(path)
    for pixels in (360, 768, 1280):
        await browser.width(pixels)
        assert await browser.look("document.documentElement.scrollWidth") <= pixels
    await browser.width(PAPER - 120, "print")
    assert await browser.look("document.documentElement.scrollWidth") <= PAPER - 120
    assert await browser.look(
        "[...document.querySelectorAll('.wide')].every((one) => one.scrollWidth <= one.clientWidth)"
    )
    assert browser.requests() == [path.as_uri()]
    assert browser.complaints() == []
    # WCAG 2.2 AA: 4.5 to 1 for text.
    assert await browser.look(CONTRAST) >= 4.5


async def test_a_statement_is_read_aloud_in_order_with_names_for_tables_and_drawings(
    browser: Page, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(statement_page())
    await browser.open(path)
    await browser.ask("Accessibility.enable")
    nodes: list[dict[str, Any]] = (await browser.ask("Accessibility.getFullAXTree"))["nodes"]
    said = [
        (
            one["role"]["value"],
            one.get("name", {}).get("value", ""),
            {p["name"]: p["value"].get("value") for p in one.get("properties", ())},
        )
        for one in nodes
        if not one.get("ignored")
    ]
    levels = [properties["level"] for role, _, properties in said if role == "heading"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tables = [name for role, name, _ in said if role == "table"]
    assert "What each measure has earned" in tables
    assert "What one more would have paid" in tables
    assert "" not in tables
    drawings = [name for role, name, _ in said if role in ("image", "img", "graphics-document")]
    assert "result 62.5, before 60, minimum 52, threshold 63, gold 67" in drawings
    assert any("lower is better" in name for name in drawings)
    assert "" not in drawings


async def test_the_drawing_of_a_measure_shows_where_its_result_stands(browser: Page, tmp_path: Path) -> None:
    """BCS lies between threshold and gold, COL before the threshold, GSD beyond gold, AMR before the minimum; AHU, where lower is better,
    between threshold and gold."""
    path = tmp_path / "page.html"
    path.write_bytes(statement_page())
    await browser.open(path)
    places = await browser.look(
        """[...document.querySelectorAll('td svg')].map((drawing) => {
             const x = (kind) => drawing.querySelector(kind).getBoundingClientRect();
             const now = x('.now');
             return [drawing.closest('tr').querySelector('th').firstChild.data.match(/\\((\\w+)\\)/)[1], (now.left + now.right) / 2,
                     x('.improving').left, x('.attaining').left, x('.beyond').left];
           })"""
    )
    found = {name: sum(now >= border for border in borders) for name, now, *borders in places}
    assert found == {"AMR": 0, "COL": 1, "CBP": 1, "EDU": 1, "BCS": 2, "AHU": 2, "GSD": 3}


async def test_a_statement_prints_on_letter_paper_each_plan_from_its_own_page(browser: Page, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(statement_page())
    await browser.open(path)
    printed = base64.b64decode(
        (await browser.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True))["data"]
    )
    # The overview, the two pages of the incentive, the month.
    assert printed.count(b"/Type /Page\n") == 4
    assert b"/MediaBox [0 0 612 792]" in printed
