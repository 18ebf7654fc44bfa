"""CIS: childhood immunizations by the second birthday.

Of the children who turn two: DTaP, IPV, MMR, HiB, HepB, chickenpox, pneumococcus, HepA, rotavirus and influenza, all ten (combination
10), and each by itself. Program: enrolled for the year before the birthday. eCQM (CMS117): two years old at the end of the period, with
a visit in it. Doses, windows and mixes are in the editions; the rule is `immunizations.evaluate`. Sources: measures.md 8; CMS117 CQL.
"""

from __future__ import annotations

from state.measures.immunizations import Immunizations, enters, evaluate, population, rates, roles
from state.measures.outcome import Measure

MEASURE = Measure(
    "CIS",
    "Childhood Immunization Status, Combination 10",
    Immunizations,
    roles,
    rates,
    population,
    evaluate,
    enters=enters,
)
