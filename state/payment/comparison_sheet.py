"""A comparison in words: the tables that a person reads, on the terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from html import escape

import msgspec

from state.payment.amounts import NOTHING, dollars, number, total
from state.payment.comparison import Comparison, Money, Rules, by_element
from state.payment.printed_tables import Table, as_html
from state.payment.statement_page import document

SIDES = ("In force", "Simulated", "Difference")
NOBODY = "nobody"
EQUAL = ("0", "0.00")
"""How no difference is written."""
MOST_ROWS = 60


def sentences(made: Comparison) -> Iterator[str]:
    """What is compared, and what stands in the way of comparing all of it."""
    yield (
        f"In force: {_said(made.in_force, 'as it stands')}. Simulated: {_said(made.simulated, 'as given')}. Nothing of it is published."
    )
    before, after = _totals(made)
    yield f"In force ${dollars(before)}, simulated ${dollars(after)}, difference {_signed(after - before)}."
    yield from made.not_stated
    if made.refused_records:
        yield f"{number(made.refused_records)} records were refused and count on neither side: `panelstream replay` lists them."
    if made.failed_members:
        yield f"{number(made.failed_members)} members could not be worked and are missing: please report it."


def tables(made: Comparison) -> Iterator[Table]:
    """Money by practice, period and element; members by practice and month; who moved where, and what each changed line pays."""
    money = by_element(made.money)
    before, after = _totals(made)
    yield Table(
        caption="Money",
        columns=("Payer", "Practice", "Period", "Element", *SIDES),
        rows=tuple(
            (one.payer, one.practice_id, one.period, f"{one.element}, {one.label}", *_sides(one)) for one in money
        ),
        sums=("Total", "", "", "", dollars(before), dollars(after), _signed(after - before)),
        amounts=3,
    )
    yield Table(
        caption="Members on panels",
        columns=("Month", "Payer", "Practice", *SIDES),
        rows=tuple(
            (
                one.month,
                one.payer,
                one.practice_id or NOBODY,
                number(one.in_force),
                number(one.simulated),
                f"{one.difference:+,}" if one.difference else "0",
            )
            for one in made.members
        ),
        amounts=3,
    )
    if made.moved:
        yield Table(
            caption="Members who change practice",
            columns=("Month", "Payer", "From", "To", "Members"),
            rows=tuple(
                (one.month, one.payer, one.from_practice or NOBODY, one.to_practice or NOBODY, number(one.members))
                for one in made.moved
            ),
            amounts=1,
        )
    changed = [one for one in made.money if one.difference]
    if changed:
        yield Table(
            caption="Lines that change",
            columns=("Payer", "Practice", "Period", "Line", *SIDES),
            rows=tuple(
                (one.payer, one.practice_id, one.period, f"{one.item}, {one.label}", *_sides(one)) for one in changed
            ),
            amounts=3,
        )


def brief(one: Table) -> tuple[Table, str | None]:
    """A table short enough for a terminal: of a long one the rows that differ, and a sentence on the others."""
    if len(one.rows) <= MOST_ROWS or one.columns[-1] != SIDES[-1]:
        return one, None
    differing = tuple(row for row in one.rows if row[-1] not in EQUAL)
    said = f"{number(len(one.rows) - len(differing))} rows without a difference are not shown; --out writes all."
    return msgspec.structs.replace(one, rows=differing), said


def page(made: Comparison) -> bytes:
    """The comparison as one page, complete in itself."""
    body = [f"<p>{escape(one)}</p>" for one in sentences(made)]
    for one in tables(made):
        body += ["<section>", *as_html(one), "</section>"]
    return document("Simulation", "Two sets of rules side by side", body)


def _said(rules: Rules, how: str) -> str:
    contracts = f", contract {', '.join(rules.contracts)} {how}" if rules.contracts else ""
    editions = f", edition {', '.join(rules.editions)}" if rules.editions else ""
    return f"ruleset {rules.ruleset}{editions}{contracts}"


def _totals(made: Comparison) -> tuple[Decimal, Decimal]:
    return (
        total(one.in_force or NOTHING for one in made.money),
        total(one.simulated or NOTHING for one in made.money),
    )


def _sides(one: Money) -> tuple[str, str, str]:
    return (
        "" if one.in_force is None else dollars(one.in_force),
        "" if one.simulated is None else dollars(one.simulated),
        _signed(one.difference),
    )


def _signed(amount: Decimal) -> str:
    return f"+{dollars(amount)}" if amount > 0 else dollars(amount)
