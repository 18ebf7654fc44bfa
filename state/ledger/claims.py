"""Claim families: which version of a claim stands, and what a void or denial took back. Source: attribution.md 2.5."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from schemas.records import Claim, PharmacyClaim, Position
from state.attribution.qualifying import candidates, hospice_days
from state.ledger.member import NOTHING, Derived, Hospice, Line, Setting
from state.ledger.rows import History, Statement, standing
from state.reference.knowledge import Knowledge

_EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC)
_FREQUENCY_RANK = {"1": 0, "7": 1, "8": 2}
CONTRIBUTES = frozenset({"paid", "encounter_accepted"})
"""The claim statuses whose lines can be evidence."""

Order = tuple[int, dt.datetime, int, int, dt.datetime, int, Position]
Versioned = TypeVar("Versioned", Claim, PharmacyClaim)


class Resolution(msgspec.Struct, Generic[Versioned], frozen=True):
    """The version of a family that stands, and those that contributed before it, the latest first."""

    current: Versioned | None
    before: tuple[Versioned, ...]


def resolve(history: History, kind: type[Versioned], *, allow_reopen: bool) -> Resolution[Versioned]:
    """Which version of a family of claims, or of a dispensing, stands. Raises `TypeError` when it holds anything else.

    Versions go in the order of `_in_order`. A pending one waits and changes nothing; a void closes the family, and what follows it
    counts only where a ruleset allows a claim to be opened again; otherwise each supersedes the one before. Denied and
    reversed versions stand like others, they only contribute nothing.
    """
    statements = standing(history.statements)
    if len(statements) == 1:
        claim = _body(statements[0], kind)
        return Resolution(claim if _is_live(claim) else None, ())
    current: Versioned | None = None
    closed = False
    before: list[Versioned] = []
    for claim in _in_order(statements, kind):
        if claim.claim_status == "pending" or (closed and (claim.claim_frequency_code == "8" or not allow_reopen)):
            continue
        if current is not None and current.claim_status in CONTRIBUTES:
            before.insert(0, current)
        closed = claim.claim_frequency_code == "8"
        current = None if closed else claim
    return Resolution(current, tuple(before))


def derive(history: History, knowledge: Knowledge) -> Derived:
    """What a family contributes to its member: lines that stand, lines that a void or denial took back, hospice days."""
    resolution = resolve(history, Claim, allow_reopen=knowledge.ruleset.allow_reopen)
    family = history.numbers[0]
    current = resolution.current
    if not resolution.before:
        return NOTHING if current is None else _derive_one(current, family, knowledge)
    lines: list[tuple[Setting, int]] = []
    refused: Sequence[tuple[Setting, int]] | None = None
    hospice: tuple[Hospice, ...] = ()
    if current is not None and current.claim_status in CONTRIBUTES:
        lines = candidates(current, knowledge, denied=False)
        refused = candidates(current, knowledge, denied=True)
        stay = hospice_days(current)
        hospice = () if stay is None else (Hospice(*stay, family),)
    once = candidates(resolution.before[0], knowledge, denied=False)
    retracted = [found for found in once if found not in lines and (refused is None or found in refused)]
    return Derived(
        lines=_of_family(lines, family, current) if current else (),
        retracted=_of_family(retracted, family, resolution.before[0]) if retracted else (),
        hospice=hospice,
    )


def derive_alone(claim: Claim, knowledge: Knowledge) -> Derived:
    """As `derive`, of a claim that is all of its family."""
    return _derive_one(claim, claim.payer_claim_control_number, knowledge) if _is_live(claim) else NOTHING


def _derive_one(claim: Claim, family: str, knowledge: Knowledge) -> Derived:
    """What the version of a family that stands contributes, where none before it did."""
    if claim.claim_status not in CONTRIBUTES:
        return NOTHING
    lines, stay = candidates(claim, knowledge, denied=False), hospice_days(claim)
    if not lines and stay is None:
        return NOTHING
    return Derived(
        lines=_of_family(lines, family, claim),
        hospice=() if stay is None else (Hospice(*stay, family),),
    )


def _is_live(claim: Claim | PharmacyClaim) -> bool:
    """Whether a claim stands where nothing else is said of its family."""
    return claim.claim_status != "pending" and claim.claim_frequency_code != "8"


def _of_family(found: Sequence[tuple[Setting, int]], family: str, claim: Claim) -> tuple[tuple[Setting, Line], ...]:
    cited = claim.claim_id or claim.payer_claim_control_number
    claim_id = "" if cited == family else cited
    if len(found) == 1:
        setting, day = found[0]
        return ((setting, Line(day, family, claim_id)),)
    return tuple(sorted((setting, Line(day, family, claim_id)) for setting, day in found))


def _body(statement: Statement, kind: type[Versioned]) -> Versioned:
    if not isinstance(statement.body, kind):
        raise TypeError(f"a family holds something that is no {kind.__name__}")
    return statement.body


def _in_order(statements: Sequence[Statement], kind: type[Versioned]) -> list[Versioned]:
    """The versions of a family, the first first. Source: attribution.md 2.5.

    By the payer's version, where it numbers them all; else by the time of adjudication, where it gives it for all. Where that says
    nothing, what replaces comes after what it replaces; then go version and time as far as they are known, original before
    replacement before void, and the input position.
    """
    claims = [(_body(statement, kind), statement.first.position) for statement in statements]
    depths = _depths(claim for claim, _ in claims)
    numbered = all(claim.claim_version is not None for claim, _ in claims)
    timed = all(claim.adjudicated_at is not None for claim, _ in claims)

    def order(one: tuple[Versioned, Position]) -> Order:
        claim, position = one
        version, adjudicated = claim.claim_version or 0, claim.adjudicated_at or _EARLIEST
        return (
            version if numbered else 0,
            adjudicated if timed else _EARLIEST,
            depths[claim.payer_claim_control_number],
            version,
            adjudicated,
            _FREQUENCY_RANK[claim.claim_frequency_code],
            position,
        )

    return [claim for claim, _ in sorted(claims, key=order)]


def _depths(claims: Iterable[Claim | PharmacyClaim]) -> dict[str, int]:
    """For each control number, how many replacements lead to it. Numbers that replace each other in a circle are equally deep."""
    links: set[tuple[str, str]] = set()
    depths: dict[str, int] = {}
    for claim in claims:
        number, replaced = claim.payer_claim_control_number, claim.original_claim_id
        depths[number] = 0
        if replaced is not None:
            depths[replaced] = 0
            if replaced != number:
                links.add((number, replaced))
    for _ in depths:
        for number, replaced in links:
            depths[number] = max(depths[number], min(depths[replaced] + 1, len(depths)))
    return depths
