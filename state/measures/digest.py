"""One number for everything that a close has measured, equal for equal facts, however members are spread over partitions.

It is a sum modulo a prime: of the sha256 of every line of measures.csv and gaps.csv but the headers, and, for what rates rest on, of
every sum times the sha256 of its name. So digests of partitions add up to that of all, for sums too: a sum over two partitions is the
sum of theirs. The prime makes decimal fractions whole.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

from state.measures.outcome import Sums

PRIME = 2**256 - 189
"""The largest below 2 to the 256."""


def of_line(line: bytes) -> int:
    """The part of a line of measures.csv or gaps.csv."""
    return int.from_bytes(hashlib.sha256(line).digest())


def of_sums(key: str, sums: Sums) -> int:
    """The part of what a cell adds up to; `key` is the cell's (state.measures.said.cell_key), whose partition does not matter."""
    cell = key.partition("|")[2]
    amounts = {"denominator": Decimal(sums.denominator), "numerator": Decimal(sums.numerator)}
    named = {**amounts, **{f"sum {name}": value for name, value in sums.more.items()}}
    return sum(_number(f"{cell}|{name}") * _whole(value) for name, value in named.items()) % PRIME


def text(total: int) -> str:
    """A digest as 64 hex digits."""
    return f"{total % PRIME:064x}"


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest())


def _whole(value: Decimal) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator * pow(denominator, -1, PRIME) % PRIME
