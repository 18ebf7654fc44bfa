"""At which practice a line is a visit: attribution.md 2.4."""

from __future__ import annotations

import pytest

from tests.builders import claim, line
from tests.cases import ROSTER, TINS, Case, day, knowing, practice, provider


@pytest.mark.parametrize(
    ("npi", "tin", "billing_npi", "expected"),
    [
        ("7", TINS["B"], None, "B"),
        ("7", "950000009", "19", "C"),
        ("1", "950000009", "19", "A"),
        ("8", "950000009", "19", "C"),
        ("8", "950000009", None, "TIN:950000009"),
        ("8", None, "18", "NPI:18"),
        ("8", None, None, "NPI:8"),
    ],
)
def test_the_practice_of_a_line_is_the_first_of_five_that_hits(
    npi: str, tin: str | None, billing_npi: str | None, expected: str
) -> None:
    known = knowing(
        *ROSTER, provider("7", "A"), provider("7", "B"), practice("C", organisation_npis=("19",)), practice("A")
    )
    one = claim("C1", line(day("2025-01-10"), rendering_npi=npi), billing_tin=tin, billing_npi=billing_npi)
    assert Case(one, known=known).on("2025-06-30").practice_id == expected
