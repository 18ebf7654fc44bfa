"""Whether an NPI can be one: ten digits, the last a check digit (ISO 7812, Luhn, over the prefix 80840)."""

from __future__ import annotations

from functools import lru_cache

from stdnum import luhn

PREFIX = "80840"


@lru_cache(maxsize=131_072)
def valid_npi(npi: str) -> bool:
    """True for ten digits with a right check digit. Source: CMS, NPI check digit."""
    return len(npi) == 10 and npi.isascii() and npi.isdigit() and bool(luhn.is_valid(PREFIX + npi))
