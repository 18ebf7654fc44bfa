"""A statement is a draft until a second person releases or holds it. Payout readers see released ones only.

Source: issue "From a frozen period to money", statements; interface.md, `statement release|hold`.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.money import Statement, StatementRelease, StatementState


def why_refused(
    order: StatementRelease, statement: Statement | None, state: StatementState, settled: StatementState | None = None
) -> str | None:
    """Why an order cannot be carried out, as a sentence; None when it can. `state` is the statement's now.

    `settled` is the state of the statement that it takes the place of, where there is one: that goes out first, because what is paid
    is the difference. The second person is not the one who closed the period. A held statement can be released; a released one is
    held no more, because it may have been paid: what is wrong with it becomes an adjustment.
    """
    name = f"statement {order.statement_id}"
    if statement is None:
        return f"{name} is not known: `panelstream statement show` lists those there are."
    if not order.actor.strip() or not order.reason.strip():
        return f"an order on {name} needs its actor and a reason: give both."
    if state == "withdrawn":
        return f"{name} was withdrawn with its close: close the period again."
    if state == "released":
        return f"{name} is released already: what is wrong with it becomes an adjustment."
    if order.action == "release" and order.actor.strip().casefold() == statement.snapshot.actor.strip().casefold():
        return f"{name} follows from a close by {order.actor}: a second person releases it."
    if order.action == "release" and statement.settles is not None and settled != "released":
        return f"{name} pays the difference to {statement.settles}, which is not released: release that one first."
    return None


def why_not_withdrawn(statement: Statement, state: StatementState, standing: Iterable[Statement]) -> str | None:
    """Why a statement cannot be withdrawn with its close, as a sentence; None when it can.

    `standing` are the statements not withdrawn: one that settles it would state a difference to nothing.
    """
    if state == "released":
        return f"statement {statement.statement_id} is released: what is wrong with it becomes an adjustment."
    later = next((one for one in standing if one.settles == statement.statement_id), None)
    if later is not None:
        return f"statement {later.statement_id} takes the place of {statement.statement_id}: annul its close first."
    return None


def state_after(order: StatementRelease) -> StatementState:
    """The state of a statement after an order that was not refused."""
    return "released" if order.action == "release" else "held"
