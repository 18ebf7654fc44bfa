"""What is expected of published test patients is what is found."""

from __future__ import annotations

import pytest

from tests.measure_builders import member, outcomes, populations, year
from tests.state.measures import published_bcs, published_col
from tests.state.measures.published_bcs import Case

_ALL = [
    *(("cms-2025", "BCS", 2025, case) for case in published_bcs.PERIOD_2025),
    *(("cms-2026", "BCS", 2026, case) for case in published_bcs.PERIOD_2026),
    *(("cms-2025", "COL", 2025, case) for case in published_col.PERIOD_2025),
    *(("cms-2026", "COL", 2026, case) for case in published_col.PERIOD_2026),
]


@pytest.mark.parametrize(
    ("edition", "measure", "number", "case"), _ALL, ids=[f"{one[1]}-{one[2]}-{one[3][0]}" for one in _ALL]
)
def test_a_published_patient_is_in_the_populations_expected(
    edition: str, measure: str, number: int, case: Case
) -> None:
    _, birth, facts, expected = case
    assert populations(outcomes(edition, measure, year(number), member(birth), *facts), "screened") == expected
