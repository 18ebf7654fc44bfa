"""Provisional: replaced by the branch wt-vsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from state.reference.codes import Code


class ValueSets:
    """Value sets by id."""

    def __init__(self, sets: Mapping[str, Iterable[Code]]) -> None:
        self._sets = {name: frozenset(codes) for name, codes in sets.items()}
        self.digest = ""

    def __contains__(self, set_id: str) -> bool:
        return set_id in self._sets

    def sets_of(self, code: Code) -> tuple[str, ...]:
        """The ids of all sets that hold a code."""
        return tuple(sorted(name for name, codes in self._sets.items() if code in codes))

    def restricted_to(self, ids: Iterable[str]) -> ValueSets:
        """The named sets alone."""
        return ValueSets({name: self._sets[name] for name in ids})
