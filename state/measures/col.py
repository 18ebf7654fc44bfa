"""COL: colorectal cancer screening. One of five tests, each with its own look-back of whole years.

Sources: measures.md 5 (program); CMS130 CQL (eCQM). The same steps; ages, eligibility and what counts as done come from the edition.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from state.measures import eligibility, exclusions, status
from state.measures.bands import Band, band_of
from state.measures.eligibility import Eligibility
from state.measures.facts import Person
from state.measures.frailty import FrailtyRule
from state.measures.outcome import Measure, Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import between, end_of, ends_in, latest

RATE = "screened"


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of COL. The years are those before the period that still count.

    `result_needed`: a stool test without a result is none.
    """

    youngest: int
    oldest: int
    eligibility: Eligibility
    statuses: Statuses
    death: bool
    frailty: FrailtyRule
    result_needed: bool
    fobt_years: int = 0
    stool_dna_years: int = 2
    sigmoidoscopy_years: int = 4
    ct_colonography_years: int = 4
    colonoscopy_years: int = 9
    bands: tuple[Band, ...] = ()


_TESTS = {
    "fobt": "a stool test for blood",
    "stool_dna": "a stool DNA test",
    "flexible_sigmoidoscopy": "a flexible sigmoidoscopy",
    "ct_colonography": "a CT colonography",
    "colonoscopy": "a colonoscopy",
}
"""The roles of tests, each with what people call them."""
_ROLES = frozenset({*_TESTS, "colorectal_cancer", "total_colectomy"})


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that COL reads."""
    return (
        _ROLES
        | status.ROLES
        | eligibility.roles(parameters.eligibility)
        | exclusions.roles_of_all(death_excludes=parameters.death)
        | exclusions.roles_of_the_ill(parameters.frailty)
    )


def rates(_parameters: Parameters) -> tuple[str, ...]:
    """The one rate."""
    return (RATE,)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """Whether a member of the age was screened. Empty for anybody else."""
    statuses = parameters.statuses
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    outcome = proportion(
        RATE,
        population=asked,
        # measures.md 5, "Exclusions", and 1.4; CMS130 CQL, Denominator Exclusions.
        exclusions=(
            *exclusions.of_all(person, period, statuses, death_excludes=parameters.death),
            has_cancer(person, period, statuses),
            without_colon(person, period, statuses),
            *exclusions.of_the_ill(person, period, statuses, parameters.frailty),
        ),
        # measures.md 5, "Numerator"; CMS130 CQL, Numerator.
        numerator=(
            stool_test(person, period, parameters, "fobt", parameters.fobt_years),
            stool_test(person, period, parameters, "stool_dna", parameters.stool_dna_years),
            endoscopy(person, period, statuses, "flexible_sigmoidoscopy", parameters.sigmoidoscopy_years),
            imaging(person, period, statuses, "ct_colonography", parameters.ct_colonography_years),
            endoscopy(person, period, statuses, "colonoscopy", parameters.colonoscopy_years),
        ),
        closes_with="a colorectal cancer screening: stool test, sigmoidoscopy, CT colonography or colonoscopy",
        due_by=period.end,
        anchor=period.end,
        band=band_of(person, period, parameters.bands),
    )
    return () if outcome is None else (outcome,)


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Of the age, enrolled or seen. Source: measures.md 5, first line; CMS130 CQL, Initial Population."""
    yield eligibility.is_aged(person, period, parameters.youngest, parameters.oldest)
    yield eligibility.is_eligible(person, period, parameters.eligibility, parameters.statuses)


def stool_test(person: Person, period: Period, parameters: Parameters, role: str, years: int) -> Step:
    """Whether a stool test belongs to a day of the window, by the end of its period. Source: CMS130 CQL, Fecal Occult and Stool DNA."""
    start = period.years_before_start(years)
    return step(
        f"{_TESTS[role]} {between(start, period.end)}",
        [
            fact
            for fact in status.laboratory_tests(person, parameters.statuses, role)
            if (status.has_result(fact) or not parameters.result_needed) and start <= latest(fact) <= period.end
        ],
    )


def endoscopy(person: Person, period: Period, statuses: Statuses, role: str, years: int) -> Step:
    """Whether a procedure ended in the window. Source: CMS130 CQL, Colonoscopy and Flexible Sigmoidoscopy Performed."""
    start = period.years_before_start(years)
    return step(
        f"{_TESTS[role]} {between(start, period.end)}",
        [f for f in status.procedures(person, statuses, role) if ends_in(f, start, period.end)],
    )


def imaging(person: Person, period: Period, statuses: Statuses, role: str, years: int) -> Step:
    """Whether a study ended in the window. Source: CMS130 CQL, CT Colonography Performed."""
    start = period.years_before_start(years)
    return step(
        f"{_TESTS[role]} {between(start, period.end)}",
        [f for f in status.studies(person, statuses, role) if ends_in(f, start, period.end)],
    )


def has_cancer(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether colorectal cancer began by the last day of the period, that day too.

    Source: measures.md 5; CMS130 CQL, Malignant Neoplasm.
    """
    return step(
        "colorectal cancer",
        [f for f in status.conditions(person, statuses, "colorectal_cancer") if f.start <= period.end],
    )


def without_colon(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether a total colectomy ended by the last day of the period. Source: CMS130 CQL, Total Colectomy Performed."""
    return step(
        "total colectomy",
        [f for f in status.procedures(person, statuses, "total_colectomy") if end_of(f) <= period.end],
    )


def enters(parameters: Parameters) -> frozenset[str]:
    """What the population reads: a visit, where the edition asks for one."""
    return eligibility.roles(parameters.eligibility)


MEASURE = Measure("COL", "Colorectal Cancer Screening", Parameters, roles, rates, population, evaluate, enters=enters)
