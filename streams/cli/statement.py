"""`panelstream statement` and `panelstream ledger`: what practices have earned, who lets it go out, what is owed and paid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from streams.cli.close import Actor, service, who
from streams.cli.options import Bootstrap, Prefix, Tables
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

if TYPE_CHECKING:
    from schemas.money import LedgerEntry
    from streams.statements import Standing

app = typer.Typer(help="Statements: what practices have earned, and who lets it go out.")

StatementId = Annotated[str, typer.Argument(metavar="ID", help="The statement, as `statement show` names it.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the statement.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program.")]
NOBODY = "nobody"
PayerOption = Annotated[str | None, typer.Option("--payer", metavar="P", help="Only this payer's.")]
PracticeOption = Annotated[str | None, typer.Option("--practice", metavar="ID", help="Only this practice's.")]


@app.command()
def show(
    statement_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A statement; left out: one line for each.")
    ] = None,
    *,
    period: Annotated[str | None, typer.Option(metavar="P", help="Only those of a month or period.")] = None,
    payer: PayerOption = None,
    practice: PracticeOption = None,
    state: Annotated[
        Literal["draft", "held", "released", "withdrawn"] | None, typer.Option(help="Only those in this state.")
    ] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Show a statement line by line with its formulas, or list all with their states.

    Example: panelstream statement show --state draft
    Example: panelstream statement show 2025-07-panel.aetna.practice-a.0f3a99c1d2e4
    """
    from streams import statements

    found = statements.money(*service(bootstrap, prefix))
    if statement_id is not None:
        one = statements.find(found, statement_id)
        _say(told(one), one if as_json else None)
        return
    chosen = [
        one
        for one in found.statements.values()
        if period in (None, one.statement.period)
        and payer in (None, one.statement.payer)
        and practice in (None, one.statement.practice_id)
        and state in (None, one.state)
    ]
    _say(listed(chosen), chosen if as_json else None)


@app.command()
def export(
    period: Annotated[str, typer.Option(metavar="P", help="A month (2025-07) or a period's id (P1).")],
    out: Annotated[Path, typer.Option(metavar="DIR")],
    *,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="Drafts and held ones too, for whoever releases them.")
    ] = False,
    tables: Tables = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Write a period's released statements as files, for programs and to print.

    For programs statements.csv, statement_lines.csv and a FHIR bundle of each statement; to print, a page (HTML) and a PDF for each
    practice, with all its plans and what one more closed gap would have paid.

    Example: panelstream statement export --period 2025-07 --out july-statements
    """
    from state.reference.tables import TableStore
    from streams import statements

    settings, codec = service(bootstrap, prefix)
    every = [one for one in statements.money(settings, codec).statements.values() if one.statement.period == period]
    shown = {"released", *(("draft", "held") if drafts else ())}
    chosen = [one for one in every if one.state in shown]
    if not chosen:
        waiting = sum(one.state in ("draft", "held") for one in every)
        raise Stop(
            f"No statement of {period} is released, {waiting:,} wait for `panelstream statement release`: --drafts writes those too."
            if waiting
            else f"There is no statement of {period}: `panelstream statement show` lists all.",
            EXIT_CONFIG,
        )
    store = TableStore([Settings.from_environment(tables=tables).tables])
    files = statements.export(chosen, statements.contracts(settings, codec), store, out)
    typer.echo(
        f"{len(chosen):,} {'statement' if len(chosen) == 1 else 'statements'} of {period} in {len(files):,} files in {out}"
    )


@app.command()
def release(
    statement_id: StatementId,
    reason: Reason,
    *,
    actor: Actor = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Let a draft go out to be paid. The second person: not who closed the period.

    Example: panelstream statement release 2025-07-panel.aetna.practice-a.0f3a99c1d2e4 --actor ben --reason "checked with the plan"
    """
    _ordered(statement_id, "release", reason, actor, bootstrap, prefix)


@app.command()
def hold(
    statement_id: StatementId,
    reason: Reason,
    *,
    actor: Actor = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Keep a draft back until somebody releases it.

    Example: panelstream statement hold 2025-07-panel.aetna.practice-a.0f3a99c1d2e4 --actor ben --reason "roster of June was wrong"
    """
    _ordered(statement_id, "hold", reason, actor, bootstrap, prefix)


def ledger(
    *,
    payer: PayerOption = None,
    practice: PracticeOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the entries as ledger.csv has them.")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Show the money ledger: every amount stated, released and paid, the balances, and what waits for somebody.

    Example: panelstream ledger --payer aetna --practice practice-a
    """
    from state.payment import money_ledger, statement_files
    from streams import statements
    from streams.files import write_whole

    def ours(one: LedgerEntry) -> bool:
        return payer in (None, one.payer) and practice in (None, one.practice_id)

    entries = statements.money(*service(bootstrap, prefix)).entries
    chosen = [one for one in entries if ours(one)]
    if out is not None:
        write_whole(out, statement_files.ledger_csv(chosen))
    _say(
        balanced(entries, payer, practice),
        {"entries": chosen, "balances": money_ledger.balances(chosen), "open_items": money_ledger.open_items(chosen)}
        if as_json
        else None,
    )


def _say(lines: Iterator[str], found: object | None) -> None:
    """What was found as JSON, if asked; else the lines."""
    if found is not None:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    for line in lines:
        typer.echo(line)


def listed(chosen: Sequence[Standing]) -> Iterator[str]:
    """Statements, one a line: what is to be settled by each, and in all."""
    from state.payment.amounts import total
    from state.payment.printed_tables import Table, as_text

    if not chosen:
        yield "There is no such statement: a close drafts them for contracts in force, and says why not."
        return
    yield from as_text(
        Table(
            caption="Statements",
            columns=("Statement", "Period", "Reading", "Payer", "Practice", "State", "Total", "To settle"),
            rows=tuple(
                (
                    one.statement.statement_id,
                    one.statement.period,
                    one.statement.reading,
                    one.statement.payer,
                    one.statement.practice_id,
                    one.state,
                    _amount(one.statement.total),
                    _amount(one.statement.difference),
                )
                for one in chosen
            ),
            # Withdrawn ones count no more.
            sums=(
                "In all, without withdrawn ones",
                *("",) * 6,
                _amount(total(one.statement.difference for one in chosen if one.state != "withdrawn")),
            ),
            amounts=2,
        )
    )


def told(one: Standing) -> Iterator[str]:
    """A statement for a person, line by line."""
    from state.payment.printed_tables import Table, as_text

    statement = one.statement
    yield f"{statement.statement_id}: {one.state}"
    yield f"  {statement.reading} statement of {statement.period}, for {statement.covers_from} to {statement.covers_to}"
    yield f"  {statement.payer} to {statement.payee_name} ({statement.practice_id}, tax id {statement.payee_tin})"
    yield (
        f"  from close {statement.snapshot.close_id} of {statement.snapshot.actor}, stated on {statement.stated_on}, contract "
        f"{statement.contract_id}, track {statement.track}"
    )
    if one.order is not None:
        yield f"  {one.state} by {one.order.actor}: {one.order.reason}"
    if statement.settles is not None:
        yield f"  takes the place of {statement.settles}" + (f": {statement.cause}" if statement.cause else "")
    if statement.pool_formula is not None:
        yield f"  {statement.practice_type} practice ({statement.practice_type_reason}), pool {statement.pool_formula}"
    yield ""
    table = Table(
        caption="Lines",
        columns=("Element", "Item", "What", "Outcome", "Amount"),
        rows=tuple(
            (
                line.element,
                line.item,
                line.label,
                " ".join(filter(None, (line.outcome, f"({line.reason})" if line.reason else ""))),
                f"({_amount(line.information)})" if line.information is not None else _amount(line.amount),
            )
            for line in statement.lines
        ),
        sums=("Total", "", "", "", _amount(statement.total)),
        amounts=1,
    )
    yield from (f"  {line}" for line in as_text(table))
    whole, before, difference = map(_amount, (statement.total, statement.previously_stated, statement.difference))
    yield f"  total {whole}, stated before {before}, to settle {difference}"
    if any(line.information is not None for line in statement.lines):
        yield "  Amounts in parentheses are for information and not paid by this statement."
    yield ""
    yield from (f"  {line.item}: {line.formula}" for line in statement.lines)
    yield from (f"  {note}" for note in statement.notes)


def balanced(entries: Sequence[LedgerEntry], payer: str | None, practice: str | None) -> Iterator[str]:
    """The ledger for a person: entries, balances, open items, of one payer or practice if asked. A payment for nobody has no practice."""
    from state.payment import money_ledger
    from state.payment.printed_tables import Table, as_text

    def asked(of_payer: str, of_practice: str) -> bool:
        return payer in (None, of_payer) and practice in (None, of_practice)

    chosen = [entry for entry in entries if asked(entry.payer, entry.practice_id)]
    if not chosen:
        yield "The ledger has no such entry: a close that drafts statements makes the first."
        return
    tables = [
        Table(
            caption="Entries",
            columns=("No", "On", "What", "From", "To", "Payer", "Practice", "Statement", "Payment", "Amount"),
            rows=tuple(
                (
                    str(entry.number),
                    str(entry.on),
                    entry.kind.replace("_", " "),
                    entry.from_account,
                    entry.to_account,
                    entry.payer,
                    entry.practice_id or NOBODY,
                    entry.statement_id,
                    entry.trace_no or "",
                    _amount(entry.amount),
                )
                for entry in chosen
            ),
            amounts=1,
        ),
        Table(
            caption="Balances",
            columns=("Payer", "Practice", "Stated", "In drafts", "To be paid", "Paid", "Carried"),
            rows=tuple(
                (
                    one.payer,
                    one.practice_id or NOBODY,
                    *map(_amount, (one.earned, one.drafted, one.payable, one.paid, one.carried)),
                )
                for one in money_ledger.balances(chosen)
            ),
            amounts=5,
        ),
        Table(
            caption="Waiting for somebody",
            columns=("Payer", "Practice", "What", "Statement", "Amount"),
            rows=tuple(
                (one.payer, one.practice_id or NOBODY, one.what, one.statement_id, _amount(one.amount))
                for one in money_ledger.open_items(chosen)
            ),
            amounts=1,
        ),
    ]
    for place, table in enumerate(tables):
        if place:
            yield ""
        yield table.caption
        yield from as_text(table) if table.rows else ("nothing",)


def _ordered(
    statement_id: str,
    action: Literal["release", "hold"],
    reason: str,
    actor: str | None,
    bootstrap: str | None,
    prefix: str | None,
) -> None:
    from streams import statements

    if not reason.strip():
        raise Stop("--reason is empty: say why, it is kept with the statement.", EXIT_CONFIG)
    settings, codec = service(bootstrap, prefix)
    with progress() as part:
        found = statements.order(
            settings,
            codec,
            statement_id,
            action,
            actor=actor or who(),
            reason=reason,
            report=part,
        )
    typer.echo(f"{statement_id} is {found.state}: {_amount(found.statement.difference)}")


def _amount(amount: Decimal) -> str:
    return f"{amount:,.2f}"
