"""IMA: immunizations of adolescents by the thirteenth birthday.

Of those who turn thirteen: meningococcus (ACWY; B alone is in no set), Tdap (Td is in no set) and HPV, all three (combination 2), and
each by itself. HPV: two doses 146 days apart, or three. The rule is `immunizations.evaluate`. Source: measures.md 9.
"""

from __future__ import annotations

from state.measures.immunizations import Immunizations, enters, evaluate, population, rates, roles
from state.measures.outcome import Measure

MEASURE = Measure(
    "IMA",
    "Immunizations for Adolescents, Combination 2",
    Immunizations,
    roles,
    rates,
    population,
    evaluate,
    enters=enters,
)
