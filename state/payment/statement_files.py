"""Statements as rows: statements.csv, statement_lines.csv and ledger.csv (interface.md section 4). Equal statements give equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from schemas.money import Factor, LedgerEntry, Statement, StatementState
from state.results import rows_csv

STATEMENTS = (
    "payer",
    "practice_id",
    "period",
    "reading",
    "statement_id",
    "state",
    "contract_id",
    "payee_name",
    "payee_tin",
    "track",
    "practice_type",
    "covers_from",
    "covers_to",
    "stated_on",
    "pay_date",
    "pool",
    "uncapped_pct",
    "paid_pct",
    "total_before_caps",
    "total",
    "previously_stated",
    "difference",
    "settles",
    "cause",
    "close_id",
    "content_digest",
    "engine_version",
)
LINES = (
    "payer",
    "practice_id",
    "period",
    "reading",
    "statement_id",
    "element",
    "item",
    "kind",
    "label",
    "outcome",
    "reason",
    "members",
    "numerator",
    "denominator",
    "rate_name",
    "rate",
    "baseline",
    "minimum",
    "threshold",
    "gold",
    "gold_share_pct",
    "share_pct",
    "factors",
    "formula",
    "amount_before_cap",
    "amount",
    "information",
)
LEDGER = (
    "number",
    "on",
    "payer",
    "practice_id",
    "period",
    "kind",
    "statement_id",
    "trace_no",
    "from_account",
    "to_account",
    "amount",
)
_OF_STATEMENT = 5
"""The leading columns of a line that its statement gives."""


def statements_csv(statements: Iterable[tuple[Statement, StatementState]]) -> Iterator[bytes]:
    """statements.csv, line by line: a row for each statement with its state, sorted."""
    return _rows(
        STATEMENTS,
        (
            [_of_statement(statement, state, column) for column in STATEMENTS]
            for statement, state in sorted(statements, key=lambda one: _order(one[0]))
        ),
    )


def statement_lines_csv(statements: Iterable[Statement]) -> Iterator[bytes]:
    """statement_lines.csv, line by line: a row for each element and measure or month, in the statement's order."""
    return _rows(
        LINES,
        (
            [
                *(getattr(statement, column) for column in LINES[:_OF_STATEMENT]),
                *(getattr(line, column) for column in LINES[_OF_STATEMENT:]),
            ]
            for statement in sorted(statements, key=_order)
            for line in statement.lines
        ),
    )


def ledger_csv(entries: Iterable[LedgerEntry]) -> Iterator[bytes]:
    """ledger.csv, line by line, in the order in which entries were appended."""
    return _rows(LEDGER, ([getattr(entry, column) for column in LEDGER] for entry in entries))


def _order(statement: Statement) -> tuple[str, ...]:
    return (statement.payer, statement.practice_id, statement.period, statement.reading, statement.statement_id)


def _of_statement(statement: Statement, state: StatementState, column: str) -> object:
    match column:
        case "state":
            return state
        case "close_id" | "content_digest":
            return getattr(statement.snapshot, column)
        case _:
            return getattr(statement, column)


def _rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    return rows_csv(columns, ([_amounts(value) for value in row] for row in rows))


def _amounts(value: object) -> object:
    """Amounts without exponents, factors by their names; anything else as it is."""
    match value:
        case Decimal():
            return f"{value:f}"
        case tuple():
            return ";".join(f"{one.name}={one.value:f}" for one in value if isinstance(one, Factor))
        case _:
            return value
