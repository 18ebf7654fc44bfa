"""Statements as CSV, as a FHIR bundle in the shape of VBPR, and as a page for a practice manager."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import state
from schemas.money import LineKind, Statement
from schemas.records import ServiceCount
from state.payment import money_ledger, statement_fhir
from state.payment.element1 import services
from state.payment.element2 import Risk
from state.payment.incentive import IncentiveReading
from state.payment.pool import incentive_pool
from state.payment.printed_tables import Table
from state.payment.statement_files import ledger_csv, statement_lines_csv, statements_csv
from state.payment.statement_page import page
from state.payment.statement_pdf import pdf
from state.payment.statement_sheet import (
    OUTCOMES,
    READINGS,
    REASONS,
    STATES,
    Incentive,
    MeasureRow,
    Part,
    Scale,
    Sheet,
    View,
)
from state.payment.statements import month_lines, month_statement
from state.payment.what_if import chances, chances_of
from tests.money_cases import SPEC_RESULTS, STORE, contract, d, person, pool_months, result, statable, stated, terms

INITIAL = stated("initial", SPEC_RESULTS)
FINAL = stated("final", SPEC_RESULTS, initial=INITIAL)
TEMPLATE = Path(state.__file__).parent / "data" / "payment" / "statement.typ"
LESS = msgspec.structs.replace(FINAL, difference=d("-8.00"))


def month() -> Statement:
    of = terms(phm_pmpm="4.00")
    start = INITIAL.stated_on.replace(month=7, day=1)
    lines = month_lines(of, start, {start: [person(f"m{n}", 40) for n in range(98)]}, Risk())
    return month_statement(statable("2025-07-panel", "2025-06-30"), of, start, lines)


def rows(lines: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(lines).decode())))


def test_statements_csv_has_a_row_for_each_statement_with_its_state() -> None:
    found = rows(statements_csv([(FINAL, "draft"), (INITIAL, "released"), (month(), "held")]))
    assert [(row["period"], row["reading"], row["state"], row["total"], row["difference"]) for row in found] == [
        ("2025-07", "panel", "held", "392.00", "392.00"),
        ("P2", "final", "draft", "31973.27", "6269.27"),
        ("P2", "initial", "released", "25704.00", "25704.00"),
    ]
    assert found[1]["settles"] == INITIAL.statement_id
    assert found[1]["content_digest"] == "0" * 64


def test_statement_lines_csv_adds_up_to_the_totals() -> None:
    found = rows(statement_lines_csv([FINAL, month()]))
    assert [(row["element"], row["item"]) for row in found[:1]] == [("2", "2025-07")]
    assert sum(d(row["amount"]) for row in found if row["period"] == "P2") == FINAL.total
    col = next(row for row in found if row["item"] == "COL")
    assert (col["rate"], col["baseline"], col["minimum"], col["threshold"], col["gold"]) == (
        "64.00",
        "58.00",
        "52",
        "63",
        "67",
    )
    assert (col["gold_share_pct"], col["share_pct"], col["amount"]) == ("14.0", "10.2500", "6609.60")
    assert col["factors"] == "shares of unscored measures redistributed=1.24390244"


def test_the_ledger_is_written_as_it_was_appended() -> None:
    entries = money_ledger.stated([], INITIAL, INITIAL.stated_on)
    entries += money_ledger.released(entries, INITIAL.statement_id, INITIAL.stated_on)
    found = rows(ledger_csv(entries))
    assert [(row["number"], row["kind"], row["to_account"], row["amount"]) for row in found] == [
        ("1", "stated", "drafted", "25704.00"),
        ("2", "released", "due", "25704.00"),
        ("3", "to_pay", "payable", "25704.00"),
    ]


def test_equal_statements_give_equal_bytes_in_any_order() -> None:
    both = [(FINAL, "draft"), (INITIAL, "released")]
    assert list(statements_csv(both)) == list(statements_csv(both[::-1]))  # type: ignore[arg-type]
    assert list(statement_lines_csv([FINAL, INITIAL])) == list(statement_lines_csv([INITIAL, FINAL]))
    assert statement_fhir.encode(FINAL, contract()) == statement_fhir.encode(FINAL, contract())
    assert page("A", [View(statement=FINAL, state="draft")]) == page("A", [View(statement=FINAL, state="draft")])


def resources(statement: Statement) -> dict[str, list[dict[str, Any]]]:
    bundle = json.loads(statement_fhir.encode(statement, contract(effective_to="2026-01-01")))
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in bundle["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def test_the_bundle_has_payer_practice_contract_report_and_a_quality_report_for_each_rate() -> None:
    found = resources(FINAL)
    assert {kind: len(ones) for kind, ones in found.items()} == {"Organization": 2, "Measure": 1, "MeasureReport": 8}
    report, *qualities = found["MeasureReport"]
    assert report["meta"]["profile"] == [
        "http://hl7.org/fhir/us/davinci-vbpr/StructureDefinition/vbp-performance-measurereport"
    ]
    assert found["Measure"][0]["effectivePeriod"] == {"start": "2024-07-01", "end": "2025-12-31"}
    assert all("vbp-quality-measurereport" in one["meta"]["profile"][0] for one in qualities)
    assert len(report["evaluatedResource"]) == len(qualities) == 7


def test_the_groups_of_the_bundle_carry_the_money() -> None:
    report = resources(FINAL)["MeasureReport"][0]
    money = {group["id"]: group["measureScore"]["extension"][0]["valueMoney"]["value"] for group in report["group"]}
    assert money["total"] == pytest.approx(31973.27)
    assert money["difference"] == pytest.approx(6269.27)
    assert sum(value for name, value in money.items() if name.startswith("line-")) == pytest.approx(31973.27)
    assert b'"value":31973.27' in statement_fhir.encode(FINAL, contract())


def test_every_reference_of_the_bundle_is_in_the_bundle() -> None:
    text = statement_fhir.encode(FINAL, contract()).decode()
    urls = {entry["fullUrl"] for entry in json.loads(text)["entry"]}
    referenced = set(re.findall(r'"reference":"([^"]+)"', text))
    assert referenced <= urls
    assert len(referenced) == 2 + 7  # payer and practice, and the quality reports
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", url) for url in urls)
    ids = [one["id"] for ones in resources(FINAL).values() for one in ones]
    assert all(re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", name) for name in ids)


def test_rates_thresholds_and_baselines_have_their_units_in_the_bundle() -> None:
    qualities = {one["measure"].rsplit(":", 1)[1]: one for one in resources(FINAL)["MeasureReport"][1:]}
    percent = {"unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
    assert qualities["COL"]["group"][0]["measureScore"] == {"value": 64.00, **percent}
    assert qualities["EDU"]["group"][0]["measureScore"] == {"value": 128.00, "unit": "per 1,000 members"}
    extensions = qualities["COL"]["extension"]
    assert extensions[0]["valueCodeableConcept"]["coding"][0]["code"] == "proportion"
    thresholds = [one["extension"] for one in extensions if one["url"].endswith("/threshold")]
    assert [(value["valueQuantity"]["value"], kind["valueCodeableConcept"]["text"]) for value, kind in thresholds] == [
        (52, "minimum"),
        (63, "threshold"),
        (67, "gold"),
    ]
    # VBPR's own baseline needs a period, which a statement does not say.
    assert [one["valueQuantity"]["value"] for one in extensions if one["url"] == "urn:panelstream:baseline"] == [58]


def test_a_month_of_a_quarter_is_the_service_period_of_its_line() -> None:
    of = terms(phm_pmpm="4.00", phm_frequency="quarterly")
    months = [INITIAL.stated_on.replace(month=number, day=1) for number in (7, 8, 9)]
    panels = {one: [person("m", 40, month=one)] for one in months}
    made = month_statement(statable("2025-07-panel"), of, months[0], month_lines(of, months[0], panels, Risk()))
    (report,) = resources(made)["MeasureReport"]
    periods = [group["extension"][-1]["valuePeriod"] for group in report["group"] if group["id"].startswith("line-")]
    assert [(one["start"], one["end"]) for one in periods] == [
        ("2025-07-01", "2025-07-31"),
        ("2025-08-01", "2025-08-31"),
        ("2025-09-01", "2025-09-30"),
    ]
    assert report["period"] == {"start": "2025-07-01", "end": "2025-09-30"}
    # Not adjusted: a care coordination fee without risk.
    assert report["group"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "ccf"


def test_every_kind_of_line_has_its_metric() -> None:
    assert set(statement_fhir.METRIC_OF) == set(get_args(LineKind))


def test_lower_is_better_is_said_in_the_bundle() -> None:
    qualities = {one["measure"].rsplit(":", 1)[1]: one for one in resources(FINAL)["MeasureReport"][1:]}
    notation = {name: one["improvementNotation"]["coding"][0]["code"] for name, one in qualities.items()}
    assert {name for name, code in notation.items() if code == "decrease"} == {"AHU", "EDU"}


class Outline(HTMLParser):
    """What a screen reader goes by: tags with their attributes, and the text."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(*views: View) -> tuple[Outline, str]:
    outline = Outline(page("Practice A", views))
    return outline, " ".join(" ".join(outline.words).split())


def test_the_page_says_what_was_earned_why_and_what_one_more_gap_would_have_paid() -> None:
    now = [*SPEC_RESULTS[:1], result("COL", "62.5", 60, numerator=d(25), denominator=d(40)), *SPEC_RESULTS[2:]]
    statement = stated("final", now, initial=INITIAL)
    found = chances(terms(), "adult", incentive_pool(pool_months()), now, "final")
    _, words = read(View(statement=statement, state="released", chances=found))
    assert f"Practice A Inc. earned ${statement.total:,} from acme for July 1, 2024 to June 30, 2025." in words
    assert "Payment is planned for about October 1, 2025." in words
    assert "32.00 base PMPM x 10,800 member months x 15% = 51,840.00" in words
    assert "Improved enough" in words
    assert "Not paid: the result has not reached the minimum" in words
    assert "Not scored: the program has not set goals yet" in words
    assert "1 more closed gap would have paid $" in words
    assert "content digest 0000" in words
    for line in statement.lines:
        assert line.formula in words


def test_the_page_is_complete_in_itself_and_accessible() -> None:
    outline, _ = read(View(statement=FINAL, state="draft"), View(statement=month(), state="released"))
    assert outline.open == []
    tags = [tag for tag, _ in outline.tags]
    assert not {"script", "img", "link", "iframe"} & set(tags)
    assert all("src" not in attributes and "href" not in attributes for _, attributes in outline.tags)
    assert ("html", {"lang": "en"}) in outline.tags
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1
    assert tags.count("caption") == tags.count("table")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in outline.tags if tag == "th")


def test_a_draft_says_that_nothing_is_paid_on_it() -> None:
    assert "Draft. Not released: nothing is paid on it yet." in read(View(statement=FINAL, state="draft"))[1]


def test_a_negative_difference_is_never_asked_back() -> None:
    words = read(View(statement=LESS, state="released"))[1]
    assert "$8.00 is taken from payments to come; nothing is asked back." in words
    assert "-$8.00" in words


def test_several_plans_stand_in_one_view_and_add_up() -> None:
    other = msgspec.structs.replace(month(), payer="best")
    words = read(View(statement=FINAL, state="released"), View(statement=other, state="draft"))[1]
    assert "All your plans" in words
    assert f"Together ${FINAL.total + other.total:,}" in words
    assert "All your plans" not in read(View(statement=FINAL, state="released"))[1]


def test_what_is_earned_together_counts_a_statement_and_what_takes_its_place_once() -> None:
    """Initial and final of P2, and January with its adjustment from 400.00 to 360.00: what is earned is what is settled in all."""
    january = msgspec.structs.replace(month(), total=d("400.00"), difference=d("400.00"))
    adjusted = msgspec.structs.replace(
        january,
        statement_id="adjusted",
        reading="adjustment",
        settles=january.statement_id,
        total=d("360.00"),
        difference=d("-40.00"),
    )
    every = (INITIAL, FINAL, january, adjusted)
    words = read(*(View(statement=one, state="released") for one in every))[1]
    assert f"Together ${FINAL.total + d('360.00'):,} ${FINAL.total + d('360.00'):,}" in words


def test_names_cannot_break_the_page() -> None:
    lines = (msgspec.structs.replace(FINAL.lines[0], label="<u>", formula="1 <s> 2"),)
    odd = msgspec.structs.replace(FINAL, lines=lines, payee_name="<b>A & B</b>", payer='"x"<script>', notes=("<i>",))
    outline = Outline(page("<script>", [View(statement=odd, state="draft")]))
    assert not {"script", "b", "i", "u", "s"} & {tag for tag, _ in outline.tags}
    assert "<b>A & B</b>" in " ".join(outline.words)


def test_every_reading_state_outcome_and_reason_has_its_words() -> None:
    assert set(READINGS) == set(_choices("reading"))
    assert set(STATES) == {"draft", "held", "released", "withdrawn"}
    readings: tuple[IncentiveReading, ...] = ("initial", "final")
    results = [
        *SPEC_RESULTS[:3],
        result("GSD", 60),
        result("AHU", 25, 18),
        result("EDU", None, unscored="no_risk_weights"),
        result("COL", 70, denominator=d(3)),
    ]
    for reading in readings:
        lines = stated(reading, results).lines
        assert {line.outcome for line in lines} <= set(OUTCOMES)
        assert {line.reason for line in lines if line.reason} <= set(REASONS)


def _choices(field: str) -> tuple[str, ...]:
    schema = msgspec.json.schema(Statement)["$defs"]["Statement"]["properties"][field]
    return tuple(schema["enum"])


# -- the PDF ------------------------------------------------------------------------------------------------------------


def views() -> list[View]:
    found = chances_of(FINAL, contract(), STORE)
    return [View(statement=FINAL, state="released", chances=found), View(statement=month(), state="draft")]


def test_a_pdf_is_the_same_bytes_for_the_same_statements_and_others_for_others() -> None:
    made = pdf("Practice A", views())
    assert made == pdf("Practice A", views())
    assert made != pdf("Practice A", views()[:1])
    assert made != pdf("Practice B", views())


def test_a_pdf_is_letter_paper_tagged_for_screen_readers_and_dated_by_its_statement() -> None:
    made = pdf("Practice A", views())
    assert made.startswith(b"%PDF-")
    assert b"pdfuaid:part" in made
    assert made.count(b"/MediaBox[0 0 612 792]") == 4
    assert b"2025-10-01" in made  # FINAL.stated_on, the last of them


def test_names_are_text_and_never_markup_of_the_pdf() -> None:
    odd = msgspec.structs.replace(
        FINAL, payee_name='#panic("x") *A* Nguyễn', payer="$x^2$ @nobody", notes=("#let x = 1 //",)
    )
    assert pdf('= "A" #import "/etc/hosts"', [View(statement=odd, state="held")]).startswith(b"%PDF-")


@pytest.mark.parametrize("kind", [Sheet, Part, Incentive, MeasureRow, Scale, Table])
def test_the_pdf_leaves_out_nothing_that_the_page_says(kind: type[msgspec.Struct]) -> None:
    template = TEMPLATE.read_text("utf-8")
    assert {name for name in kind.__struct_fields__ if f".{name}" not in template} == set()


# -- what one more would have paid, by what stands in the statement -----------------------------------------------------


def test_the_chances_of_a_statement_need_nothing_but_the_statement_and_its_contract() -> None:
    now = [result("COL", "62.5", 60, numerator=d(125), denominator=d(200)), *SPEC_RESULTS[2:]]
    for reading in ("initial", "final"):
        statement = stated(reading, now)  # type: ignore[arg-type]
        expected = chances(terms(), "adult", incentive_pool(pool_months()), now, reading)  # type: ignore[arg-type]
        assert chances_of(statement, contract(), STORE) == expected


def test_an_initial_rate_is_not_completed_twice() -> None:
    of = terms(completion_factors={"AHU": "1.1"}, initial_pct="0.8")
    now = [result("AHU", "17", 24, numerator=d(34), denominator=d(1800))]
    statement = stated("initial", now, of=of)
    (line,) = [line for line in statement.lines if line.item == "AHU"]
    assert line.rate == d("18.70")
    (chance,) = chances_of(statement, of.contract, STORE)
    # 33 of 34 events at 18.7 are 18.15: (18.7 - 18.15) / 3 of the 4 points between threshold and gold, and 80% of it now.
    assert chance.one_more == d("304.13")


def test_a_month_and_a_statement_of_other_terms_promise_nothing() -> None:
    assert chances_of(month(), contract(phm_pmpm="4.00"), STORE) == ()
    assert chances_of(FINAL, contract(policies={"over_100": "normalise"}), STORE) == ()


def test_services_are_told_on_the_page_and_in_the_lines_and_pay_nothing() -> None:
    visits = ServiceCount(
        payer="acme",
        practice_id="A",
        code="99213",
        place_of_service="11",
        frozen_product=None,
        product=None,
        lines=3,
        allowed=d("360.50"),
        paid=d("300.00"),
    )
    of = terms(phm_pmpm="4.00")
    told = services(INITIAL.stated_on.replace(month=6, day=1), [visits], of.contract, of.classes)
    plain = month()
    with_services = msgspec.structs.replace(plain, lines=(*plain.lines, *told))
    found = rows(statement_lines_csv([with_services]))
    assert [(row["item"], row["kind"], row["amount"], row["information"]) for row in found] == [
        ("2025-07", "population_health", "392.00", ""),
        ("2025-06", "fee_for_service", "0.00", "360.50"),
    ]
    html = page("A", [View(statement=with_services, state="draft")]).decode()
    assert "All other services, paid fee for service by the plan" in html
    assert "$360.50" in html
