"""A mapping that never changes: `put` gives a new one that shares nearly everything with the old."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_SHELVES = 512
"""A roster of 100,000 rows is taken up row by row: each `put` copies one shelf of 200 and the list of shelves."""


class FrozenMap(Generic[K, V]):
    """An immutable mapping for thousands of entries that arrive one by one. It has no order: readers ask by key."""

    __slots__ = ("_shelves",)

    def __init__(self, shelves: tuple[dict[K, V], ...] = ({},) * _SHELVES) -> None:
        self._shelves = shelves

    def get(self, key: K) -> V | None:
        """The value of a key, None when there is none."""
        return self._shelves[hash(key) % _SHELVES].get(key)

    def put(self, key: K, value: V) -> FrozenMap[K, V]:
        """This mapping with one value replaced."""
        place = hash(key) % _SHELVES
        shelves = list(self._shelves)
        shelves[place] = {**shelves[place], key: value}
        return FrozenMap(tuple(shelves))
