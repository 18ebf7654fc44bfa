"""A contract at the door: one with a mistake is refused, with the sentence that `contracts check` says of it.

What is wrong by itself or with its tables is seen at intake; what does not fit the contracts that stand already, by the conductor, who has
them. Source: issue "From a frozen period to money", contracts as data and bad input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from schemas.money import Contract
from schemas.records import Period
from state.engine import Refusal
from state.payment import contract_rules, contracts
from state.payment.contract_reading import Finding, read
from state.reference.tables import TableStore

MISTAKE = "contract_mistake"
"""The reason under which contracts wait in quarantine."""


def form(raw: Mapping[str, Any]) -> Refusal | None:
    """The first mistake of form of a contract as JSON: also a key that no contract has, which a typed record would have lost."""
    found = read(raw, "contract")
    return None if isinstance(found, Contract) else _first(found)


def refusal(contract: Contract, store: TableStore) -> Refusal | None:
    """The first mistake of a contract, or None."""
    found = form(msgspec.to_builtins(contract))
    if found is not None:
        return found
    wrong = next(contract_rules.mistakes(contract, store), None)
    return None if wrong is None else said(*wrong)


def misfit(
    contract: Contract, standing: Iterable[Contract], periods: Sequence[Period], store: TableStore
) -> Refusal | None:
    """Why a contract does not fit those that stand, or None. Raises `TableError` for a table of the program that is not there."""
    beside = [one for one in standing if one.practice_id == contract.practice_id]
    named = [(f"contract {one.contract_id}", one) for one in (*beside, contract)]
    wrong = next(contracts.together(named, periods, store), None)
    return None if wrong is None else said(wrong[0].rpartition(", ")[2], wrong[1])


def said(key: str, sentence: str) -> Refusal:
    """A mistake as a refusal: the key is its field."""
    return Refusal(MISTAKE, key, f"{key} {sentence}" if sentence[:1].islower() else f"{key}: {sentence}")


def _first(findings: tuple[Finding, ...]) -> Refusal:
    return said(findings[0].place.removeprefix("contract, "), findings[0].message)
