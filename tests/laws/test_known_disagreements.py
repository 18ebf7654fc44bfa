"""Members on whom the engine is still wrong, by attribution.md 2.3 and 2.6. Remove a case with the fix that makes it pass."""

from __future__ import annotations

import pytest

from tests.laws.test_naive_agrees import compare

SPECIALTY = "of several roster rows the first tells the specialty, not the row that lists the PCP (standing.py)"
WINDOW = "palliative visits of a provider are judged in 18 months where the step has 12 (ranking.py, _days_of)"


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(59894, marks=pytest.mark.xfail(strict=True, reason=SPECIALTY)),
        pytest.param(63165, marks=pytest.mark.xfail(strict=True, reason=SPECIALTY)),
        pytest.param(92076, marks=pytest.mark.xfail(strict=True, reason=SPECIALTY)),
        pytest.param(84437, marks=pytest.mark.xfail(strict=True, reason=WINDOW)),
    ],
)
def test_engine_and_oracle_agree(seed: int) -> None:
    assert compare(seed) is None
