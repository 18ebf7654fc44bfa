"""Numbers that look and check like the real ones, for sources that have none: NPI and TIN."""

from __future__ import annotations

import hashlib

from stdnum import luhn

NPI_PREFIX = "80840"
"""Health applications, United States: an NPI's check digit is Luhn's over this prefix and the nine digits.

Source: CMS, Requirements for NPI and NPI check digit.
"""


def with_check_digit(nine_digits: str) -> str:
    """The ten-digit NPI whose first nine digits are given."""
    return nine_digits + str(luhn.calc_check_digit(NPI_PREFIX + nine_digits))


def npi_of(source_id: str) -> str:
    """An NPI made from another identifier: always the same for the same one, its check digit valid."""
    return with_check_digit("1" + _digits("npi", source_id, 8))


def tin_of(source_id: str) -> str:
    """A nine-digit tax number made from another identifier, always the same for the same one."""
    return "9" + _digits("tin", source_id, 8)


def _digits(purpose: str, source_id: str, count: int) -> str:
    digest = hashlib.sha256(f"{purpose}:{source_id}".encode()).hexdigest()
    return str(int(digest, 16))[-count:]
