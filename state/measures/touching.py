"""Whether facts that came, or were taken back, can change what a measure says: what cannot is not asked (design.md law 4)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from state.calendar import Day
from state.measures.outcome import Measure
from state.measures.period import Period


def can_change(
    measure: Measure,
    parameters: Any,
    roles: frozenset[str],
    since: Day,
    period: Period,
    counted: Collection[str] | None,
) -> bool:
    """Whether facts by which a measure reads these roles, and which begin on the day `since` or later, can change what it says.

    `counted` are the rates that count the member; None where the measure has no outcome.
    """
    moving = _moving(measure, parameters, roles, counted)
    if not moving or since <= period.start:
        return bool(moving)
    last, others = measure.looks_until(period, parameters), measure.roles_until(period, parameters)
    return any(since <= others.get(role, last) for role in moving)


def _moving(
    measure: Measure, parameters: Any, roles: frozenset[str], counted: Collection[str] | None
) -> frozenset[str]:
    """Those of the roles by which a fact can matter to a member as it stands."""
    if counted is None:
        return roles if measure.enters is None else roles & measure.enters(parameters)
    only = measure.only_counted(parameters)
    return frozenset(role for role in roles if role not in only or only[role] in counted)
