"""The printable statement: one HTML page, complete in itself, that a practice manager understands without help.

What was earned, why, and what one more closed gap would have paid; for several plans, all of them in one view, money plan by plan. No
script, no picture, nothing loaded from elsewhere; read aloud and in print as on screen. It holds no member's data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from html import escape

import msgspec

from schemas.money import Statement, StatementLine, StatementState
from state.payment.amounts import dollars, number, total
from state.payment.what_if import Chance

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .25rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; } h3 { font-size: 1.05rem; }
table { border-collapse: collapse; width: 100%; margin: .75rem 0 1.25rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { border-bottom: 1px solid #767676; padding: .35rem .5rem; text-align: left; vertical-align: top; }
.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tfoot th, tfoot td { border-top: 2px solid #1a1a1a; font-weight: 600; }
.state { border: 2px solid #1a1a1a; padding: .5rem .75rem; font-weight: 600; }
.small { font-size: .85rem; color: #454545; overflow-wrap: anywhere; }
@media print { body { font-size: 11pt; margin: 0; max-width: none; } section + section { break-before: page; } tr { break-inside: avoid; } }
""".strip()
READINGS = {
    "panel": "monthly statement",
    "initial": "initial statement",
    "final": "final statement",
    "adjustment": "adjustment",
}
STATES = {
    "draft": "Draft. Not released: nothing is paid on it yet.",
    "held": "Held back. Nothing is paid on it until it is released.",
    "released": "Released.",
    "withdrawn": "Withdrawn. It counts no more.",
}
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
OUTCOMES = {
    "attainment": "Goal reached",
    "improvement": "Improved enough",
    "ineligible": "Not paid",
    "reserved": "Reserved for the final statement",
    "unscored": "Not scored",
}
REASONS = {
    "below_minimum": "the result has not reached the minimum",
    "no_baseline": "in the improvement range, but there is no earlier result to compare with",
    "baseline_at_gold": "the earlier result was at gold already",
    "gap_not_closed": "less than a tenth of the gap to gold was closed",
    "thresholds_to_be_decided": "the program has not set goals yet",
    "no_data": "no data",
    "denominator_below_minimum": "too few patients to score",
    "no_risk_weights": "no risk adjustment is available, and unadjusted rates are never paid on",
    "hpi_no_score": "the practice's location has no Healthy Places score; nothing is added for it",
    "hpi_sites_weighed_alike": "every site weighs the same, because it is not known which patient goes where",
}


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with its state and, for an incentive, what more would have paid."""

    statement: Statement
    state: StatementState
    chances: tuple[Chance, ...] = ()


def page(practice_name: str, views: Sequence[View]) -> bytes:
    """The page of a practice: an overview where there are several statements, then each of them. Equal views give equal bytes."""
    title = f"Payment statement for {practice_name}"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{STYLE}\n</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{escape(title)}</h1>",
        *(_overview(views) if len(views) > 1 else ()),
        *(line for one in views for line in _statement(one)),
        "</main>",
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(parts).encode()


def _overview(views: Sequence[View]) -> Iterator[str]:
    yield "<section>"
    yield "<h2>All your plans</h2>"
    rows = [
        (
            escape(one.statement.payer),
            f"{escape(one.statement.period)}, {READINGS[one.statement.reading]}",
            escape(one.state),
            _amount(one.statement.total),
            _amount(one.statement.difference),
        )
        for one in views
    ]
    sums = ("Together", "", "", *(_amount(total(amounts)) for amounts in _columns(views)))
    yield from _table(
        "Each plan pays by itself", ("Plan", "Statement", "State", "Earned", "To settle"), rows, sums, amounts=2
    )
    yield "</section>"


def _columns(views: Sequence[View]) -> tuple[list[Decimal], list[Decimal]]:
    return [one.statement.total for one in views], [one.statement.difference for one in views]


def _statement(view: View) -> Iterator[str]:
    statement = view.statement
    yield "<section>"
    yield f"<h2>{escape(statement.payer)}, {escape(statement.period)}: {READINGS[statement.reading]}</h2>"
    yield f'<p class="state">{STATES[view.state]}</p>'
    yield f"<p>{escape(_summary(statement))}</p>"
    if statement.cause is not None:
        yield f"<p>This takes the place of statement {escape(statement.settles or '')}. Cause: {escape(statement.cause)}.</p>"
    incentive = [line for line in statement.lines if line.element == "3"]
    monthly = [line for line in statement.lines if line.element != "3" and line.information is None]
    informing = [line for line in statement.lines if line.information is not None]
    if monthly:
        yield from _monthly(monthly)
    if incentive:
        yield from _incentive(statement, incentive)
    if informing:
        yield from _table(
            "For your information: services rendered, as they are known by now",
            ("Month", "Services", "Allowed amount"),
            [(line.item, escape(line.label), _amount(line.information or Decimal(0))) for line in informing],
            (),
            amounts=1,
        )
    yield from _settlement(statement)
    if view.chances:
        yield from _chances(view.chances)
    for note in statement.notes:
        yield f"<p>{escape(note)}</p>"
    yield from _how(statement.lines)
    yield from _grounds(statement)
    yield "</section>"


def _summary(statement: Statement) -> str:
    """What was earned and what is settled, in one or two sentences."""
    said = f"{statement.payee_name} earned {_amount(statement.total)} from {statement.payer}"
    said += f" for {_day(statement.covers_from)} to {_day(statement.covers_to)}."
    if statement.settles is not None:
        before = f" {_amount(statement.previously_stated)} was stated before, so"
        if statement.difference >= 0:
            said += f"{before} ${dollars(statement.difference)} is added."
        else:
            said += f"{before} ${dollars(-statement.difference)} is taken from payments to come; nothing is asked back."
    if statement.pay_date is not None:
        said += f" Payment is planned for about {_day(statement.pay_date)}."
    return said


def _monthly(lines: Sequence[StatementLine]) -> Iterator[str]:
    rows = [
        (
            line.item,
            escape(line.label) + (f" ({escape(_reason(line))})" if line.reason else ""),
            "" if line.members is None else number(line.members),
            _amount(line.amount),
        )
        for line in lines
    ]
    sums = ("Total", "", "", _amount(total(line.amount for line in lines)))
    yield from _table("Monthly payments", ("Month", "For", "Patients", "Amount"), rows, sums, amounts=2)


def _incentive(statement: Statement, lines: Sequence[StatementLine]) -> Iterator[str]:
    if statement.pool_formula is not None:
        yield f"<p>The most you could earn is the incentive pool: {escape(statement.pool_formula)} dollars.</p>"
    if statement.practice_type is not None:
        yield (
            f"<p>You are paid as {'an' if statement.practice_type == 'adult' else 'a'} {statement.practice_type} practice "
            f"({escape(statement.practice_type_reason or '')}); {len(lines)} measures apply.</p>"
        )
    rows = [
        (
            f"{escape(line.label)} ({line.item})",
            "" if line.rate is None else number(line.rate),
            "" if line.baseline is None else number(line.baseline),
            _goals(line),
            OUTCOMES[line.outcome or "unscored"] + (f": {escape(_reason(line))}" if line.reason else ""),
            f"{number(line.share_pct or 0, 4)}%",
            _amount(line.amount),
        )
        for line in lines
    ]
    shares = f"{number(sum((line.share_pct or Decimal(0) for line in lines), Decimal(0)), 4)}%"
    sums = ("Total", "", "", "", "", shares, _amount(total(line.amount for line in lines)))
    columns = ("Measure", "Your result", "Before", "Minimum, threshold, gold", "Outcome", "Share of pool", "Amount")
    yield from _table("Performance incentive", columns, rows, sums, amounts=2)
    if statement.uncapped_pct is not None and statement.paid_pct is not None:
        yield (
            f"<p>By the rules of the contract the shares come to {number(statement.uncapped_pct, 4)}% of the pool, of which "
            f"{number(statement.paid_pct, 4)}% counts.</p>"
        )


def _goals(line: StatementLine) -> str:
    if line.minimum is None or line.threshold is None or line.gold is None:
        return "not set"
    less = " (lower is better)" if line.gold < line.threshold else ""
    return f"{number(line.minimum)}, {number(line.threshold)}, {number(line.gold)}{less}"


def _settlement(statement: Statement) -> Iterator[str]:
    rows = [
        ("Total of this statement", _amount(statement.total)),
        ("Stated before", _amount(statement.previously_stated)),
    ]
    yield from _table("Settlement", ("What", "Amount"), rows, ("To settle", _amount(statement.difference)), amounts=1)


def _chances(chances: Iterable[Chance]) -> Iterator[str]:
    rows = []
    for one in chances:
        thing = "fewer event" if one.lower_is_better else "more closed gap"
        if one.needed is None or one.needed_pays is None:
            rows.append((f"{escape(one.label)} ({one.measure})", _amount(one.one_more), "nothing more could be earned"))
            continue
        things = thing if one.needed == 1 else f"{thing}s"
        rows.append(
            (
                f"{escape(one.label)} ({one.measure})",
                _amount(one.one_more),
                f"{number(one.needed)} {things} would have paid ${dollars(one.needed_pays)}",
            )
        )
    columns = ("Measure", "One more would have paid", "The next payment")
    yield from _table("What more would have paid", columns, rows, (), amounts=0)


def _how(lines: Sequence[StatementLine]) -> Iterator[str]:
    yield "<h3>How each amount was worked out</h3>"
    yield "<ul>"
    for line in lines:
        yield f"<li>{escape(line.item)}, {escape(line.label)}: {escape(line.formula)}</li>"
    yield "</ul>"


def _grounds(statement: Statement) -> Iterator[str]:
    snapshot = statement.snapshot
    said = (
        f"Statement {statement.statement_id}, contract {statement.contract_id}, track {statement.track}, payee {statement.payee_name}, "
        f"stated on {_day(statement.stated_on)}. Frozen facts: close {snapshot.close_id} as of {_day(snapshot.as_of)}, content digest "
        f"{snapshot.content_digest}, engine version {statement.engine_version}."
    )
    yield f'<p class="small">{escape(said)}</p>'


def _table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], sums: Sequence[str], *, amounts: int
) -> Iterator[str]:
    """A table whose cells are HTML already; the last `amounts` columns are set to the right."""
    first_amount = len(columns) - amounts

    def cell(tag: str, place: int, text: str) -> str:
        kind = ' class="amount"' if place >= first_amount else ""
        scope = {"th": ' scope="col"', "row": ' scope="row"'}.get(tag, "")
        name = "th" if tag == "row" else tag
        return f"<{name}{scope}{kind}>{text}</{name}>"

    yield "<table>"
    yield f"<caption>{escape(caption)}</caption>"
    yield "<thead><tr>" + "".join(cell("th", place, escape(one)) for place, one in enumerate(columns)) + "</tr></thead>"
    yield "<tbody>"
    for row in rows:
        yield "<tr>" + "".join(cell("td" if place else "row", place, one) for place, one in enumerate(row)) + "</tr>"
    yield "</tbody>"
    if sums:
        yield (
            "<tfoot><tr>"
            + "".join(cell("td" if place else "row", place, one) for place, one in enumerate(sums))
            + "</tr></tfoot>"
        )
    yield "</table>"


def _reason(line: StatementLine) -> str:
    return ", ".join(REASONS.get(one, one) for one in (line.reason or "").split(","))


def _amount(amount: Decimal) -> str:
    return f"${dollars(amount)}" if amount >= 0 else f"-${dollars(-amount)}"


def _day(day: dt.date) -> str:
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
