"""`panelstream statement` and `panelstream ledger`: what practices have earned, who lets it go out, what is owed and paid."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
PayerOption = Annotated[str | None, typer.Option("--payer", metavar="P", help="Only this payer's.")]
PracticeOption = Annotated[str | None, typer.Option("--practice", metavar="ID", help="Only this practice's.")]


@app.command()
def show(
    statement_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A statement; left out: one line for each.")
    ] = None,
    *,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Show a statement line by line with its formulas, or list all with their states.

    Example: panelstream statement show 2025-07-panel.aetna.practice-a.0f3a99c1d2e4
    """
    from streams import statements

    found = statements.money(*service(bootstrap, prefix))
    if statement_id is not None:
        for line in told(statements.find(found, statement_id)):
            typer.echo(line)
        return
    for one in found.statements.values():
        typer.echo(f"{one.statement.statement_id}  {one.state}  {_amount(one.statement.difference)}")


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
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Show the money ledger: every amount stated, released and paid, the balances, and what waits for somebody.

    Example: panelstream ledger --payer aetna --practice practice-a
    """
    from streams import statements

    found = statements.money(*service(bootstrap, prefix))
    for line in balanced(found.entries, payer, practice):
        typer.echo(line)


def told(one: Standing) -> Iterator[str]:
    """A statement for a person, line by line."""
    statement = one.statement
    contract = f"contract {statement.contract_id}, track {statement.track}"
    total, before, difference = map(_amount, (statement.total, statement.previously_stated, statement.difference))
    yield f"{statement.statement_id}: {one.state}"
    yield f"  {statement.reading} statement of {statement.period}"
    yield f"  {statement.payer} to {statement.payee_name} ({statement.practice_id})"
    yield f"  from close {statement.snapshot.close_id} of {statement.snapshot.actor}, {contract}"
    if one.order is not None:
        yield f"  {one.state} by {one.order.actor}: {one.order.reason}"
    for line in statement.lines:
        why = f" ({line.reason})" if line.reason else ""
        yield f"  {line.item}  {line.label}: {line.formula}{why}"
    yield f"  total {total}, stated before {before}, difference {difference}"
    for note in statement.notes:
        yield f"  {note}"


def balanced(entries: list[LedgerEntry], payer: str | None, practice: str | None) -> Iterator[str]:
    """The ledger for a person: entries, balances, open items, of one payer or practice if asked. A payment for nobody has no practice."""
    from state.payment import money_ledger

    def asked(of_payer: str, of_practice: str) -> bool:
        return payer in (None, of_payer) and practice in (None, of_practice)

    for entry in entries:
        if asked(entry.payer, entry.practice_id):
            trace = f", payment {entry.trace_no}" if entry.trace_no else ""
            yield (
                f"{entry.number:>6}  {entry.on}  {entry.kind:<15} {_amount(entry.amount):>14}  {entry.from_account} to {entry.to_account}  "
                f"{entry.statement_id}{trace}"
            )
    for one in money_ledger.balances(entries):
        if asked(one.payer, one.practice_id):
            yield (
                f"balance {one.practice_id or 'nobody'} with {one.payer}: stated {_amount(one.earned)}, in drafts {_amount(one.drafted)}, "
                f"to be paid {_amount(one.payable)}, paid {_amount(one.paid)}, carried {_amount(one.carried)}"
            )
    for item in money_ledger.open_items(entries):
        if asked(item.payer, item.practice_id):
            about = f", {item.statement_id}" if item.statement_id else ""
            yield f"open    {item.practice_id or 'nobody'} with {item.payer}: {_amount(item.amount)} {item.what}{about}"


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
