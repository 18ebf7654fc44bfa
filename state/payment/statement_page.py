"""The printable statement as one HTML page: complete in itself, without script, in print and read aloud as on screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources

from state.payment.printed_tables import as_html
from state.payment.statement_sheet import Incentive, MeasureRow, Part, Scale, View, sheet

WIDTH = 240
"""Of a scale, in units of its picture."""


def page(practice_name: str, views: Sequence[View]) -> bytes:
    """The page of a practice: an overview where there are several statements, then each of them. Equal views give equal bytes."""
    made = sheet(practice_name, views)
    body = [
        *(
            ()
            if made.overview is None
            else ("<section>", "<h2>All your plans</h2>", *as_html(made.overview), "</section>")
        ),
        *(line for one in made.parts for line in _part(one)),
    ]
    return document("Payment statement for", practice_name, body)


def document(kind: str, name: str, body: Iterable[str]) -> bytes:
    """A whole page in the style of statements: what it is and of whom, then its sections."""
    style = resources.files("state.data.payment").joinpath("statement.css").read_text("utf-8")
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(kind)} {escape(name)}</title>",
        f"<style>\n{style.strip()}\n</style>",
        "</head>",
        "<body>",
        "<main>",
        f'<h1><span class="kind">{escape(kind)}</span> {escape(name)}</h1>',
        *body,
        "</main>",
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines).encode()


def _part(one: Part) -> Iterator[str]:
    yield '<section class="statement">'
    yield f"<h2>{escape(one.heading)}</h2>"
    yield f'<p class="{"released" if one.final else "state"}">{escape(one.notice)}</p>'
    yield '<dl class="figures">'
    yield from (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in one.figures)
    yield "</dl>"
    yield f"<p>{escape(' '.join(one.lead))}</p>"
    if one.monthly is not None:
        yield from as_html(one.monthly)
    if one.incentive is not None:
        yield from _incentive(one.incentive)
    if one.chances is not None:
        yield from as_html(one.chances)
    if one.services is not None:
        yield from as_html(one.services)
    yield from as_html(one.settlement)
    yield from (f"<p>{escape(note)}</p>" for note in one.notes)
    yield "<h3>How each amount was worked out</h3>"
    yield '<dl class="working">'
    yield from (
        f"<dt>{escape(item)}, {escape(label)}</dt><dd>{escape(formula)}</dd>" for item, label, formula in one.working
    )
    yield "</dl>"
    yield f'<p class="small">{escape(one.grounds)}</p>'
    yield "</section>"


def _incentive(one: Incentive) -> Iterator[str]:
    yield "<h3>Performance incentive</h3>"
    yield from (f"<p>{escape(said)}</p>" for said in one.before)
    yield from LEGEND
    yield '<div class="wide" role="region" aria-label="Measures" tabindex="0">'
    yield '<table class="measures">'
    yield "<caption>What each measure has earned</caption>"
    yield (
        '<thead><tr><th scope="col">Measure</th><th scope="col" class="amount">Your result</th><th scope="col" class="amount">Before</th>'
        '<th scope="col">Minimum, threshold, gold</th><th scope="col" class="amount">Share of pool</th>'
        '<th scope="col" class="amount">Amount</th></tr></thead>'
    )
    yield "<tbody>"
    yield from map(_measure, one.rows)
    yield "</tbody>"
    yield (
        f'<tfoot><tr><th scope="row">Total</th><td></td><td></td><td></td><td class="amount">{one.share}</td>'
        f'<td class="amount">{one.amount}</td></tr></tfoot>'
    )
    yield "</table>"
    yield "</div>"
    yield from (f"<p>{escape(said)}</p>" for said in one.after)


def _measure(row: MeasureRow) -> str:
    counted = f'<span class="counted">{row.counted}</span>' if row.counted else ""
    goals = '<span class="counted">not set</span>' if row.scale is None else _picture(row.scale)
    return (
        f'<tr><th scope="row">{escape(row.label)} ({escape(row.measure)})'
        f'<span class="{"paid" if row.paid else "unpaid"}">{escape(row.outcome)}</span></th>'
        f'<td class="amount">{row.rate}{counted}</td><td class="amount">{row.baseline}</td><td>{goals}</td>'
        f'<td class="amount">{row.share}</td><td class="amount">{row.amount}</td></tr>'
    )


def _picture(scale: Scale) -> str:
    """The scale as a drawing whose text says all that it shows."""

    def x(at: object) -> str:
        return f"{float(str(at)) * WIDTH / 100:.1f}"

    low, middle, gold = (x(one.at) for one in (scale.minimum, scale.threshold, scale.gold))
    drawn = [
        f'<svg viewBox="-8 0 {WIDTH + 16} 34" role="img" aria-label="{escape(scale.said)}">',
        f'<path class="track" d="M0 11H{WIDTH}"/>',
        f'<path class="improving" d="M{low} 11H{middle}"/>',
        f'<path class="attaining" d="M{middle} 11H{gold}"/>',
        f'<path class="beyond" d="M{gold} 11H{WIDTH}"/>',
    ]
    if scale.baseline is not None:
        drawn.append(f'<circle class="before" cx="{x(scale.baseline.at)}" cy="11" r="4.5"/>')
    if scale.rate is not None:
        drawn.append(f'<circle class="now" cx="{x(scale.rate.at)}" cy="11" r="5.5"/>')
    drawn += [
        f'<text x="{x(one.at)}" y="31">{one.value}</text>' for one in (scale.minimum, scale.threshold, scale.gold)
    ]
    return "".join((*drawn, "</svg>"))


def _sign(kind: str, said: str) -> str:
    drawn = f'<path class="{kind}" d="M0 7H28"/>' if kind in BANDS else f'<circle class="{kind}" cx="7" cy="7" r="5"/>'
    width = 28 if kind in BANDS else 14
    return f'<li><svg viewBox="0 0 {width} 14" aria-hidden="true">{drawn}</svg> {said}</li>'


BANDS = {
    "improving": "minimum to threshold: improvement pays",
    "attaining": "threshold to gold: the share grows",
    "beyond": "gold: the whole share",
}
LEGEND = (
    '<ul class="legend">',
    *(_sign(kind, said) for kind, said in ({"now": "your result", "before": "before"} | BANDS).items()),
    "</ul>",
)
