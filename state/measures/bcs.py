"""BCS: breast cancer screening. One mammogram in 27 months for women of an age.

Sources: measures.md 3 (program); CMS125 CQL (eCQM). The same steps; ages, eligibility and what counts as done come from the edition.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import msgspec

from state.calendar import FOREVER, Day, to_date
from state.measures import eligibility, exclusions, status
from state.measures.bands import Band, band_of
from state.measures.eligibility import Eligibility
from state.measures.facts import Fact, Person
from state.measures.frailty import FrailtyRule
from state.measures.outcome import Measure, Outcome, Step, in_turn, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import between, end_of, ends_in

RATE = "screened"


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of BCS.

    A mammogram may have been `months_before` before the period or, where `since_october`, since October 1 of the second calendar year
    before it, as the eCQM writes it. `chest_surgery`: whether gender-affirming chest surgery excludes. `recorded_sex`: whether the sex
    that a chart records goes before the plan's word.
    """

    youngest: int
    oldest: int
    eligibility: Eligibility
    statuses: Statuses
    death: bool
    frailty: FrailtyRule
    months_before: int = 15
    since_october: bool = False
    chest_surgery: bool = False
    recorded_sex: bool = False
    bands: tuple[Band, ...] = ()


_ROLES = frozenset(
    {
        "absence_of_left_breast",
        "absence_of_right_breast",
        "bilateral_mastectomy",
        "bilateral_modifier",
        "history_of_bilateral_mastectomy",
        "left_modifier",
        "left_side",
        "mammography",
        "right_modifier",
        "right_side",
        "unilateral_mastectomy",
        "unilateral_mastectomy_diagnosis",
        "unilateral_mastectomy_left",
        "unilateral_mastectomy_right",
    }
)


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that BCS reads."""
    surgery = {"gender_affirming_chest_surgery", "gender_dysphoria"} if parameters.chest_surgery else set()
    sex = {"recorded_sex", "female"} if parameters.recorded_sex else set()
    return (
        _ROLES
        | surgery
        | sex
        | status.ROLES
        | eligibility.roles(parameters.eligibility)
        | exclusions.roles_of_all(death_excludes=parameters.death)
        | exclusions.roles_of_the_ill(parameters.frailty)
    )


def rates(_parameters: Parameters) -> tuple[str, ...]:
    """The one rate."""
    return (RATE,)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """Whether a woman of the age had her mammogram. Empty for anybody else."""
    statuses = parameters.statuses
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    outcome = proportion(
        RATE,
        population=asked,
        # measures.md 3, "Exclusions", and 1.4; CMS125 CQL, Denominator Exclusions.
        exclusions=(
            *exclusions.of_all(person, period, statuses, death_excludes=parameters.death),
            without_breasts(person, period, statuses),
            *((chest_surgery(person, period, statuses),) if parameters.chest_surgery else ()),
            *exclusions.of_the_ill(person, period, statuses, parameters.frailty),
        ),
        numerator=(has_mammogram(person, period, parameters),),
        closes_with="a mammogram",
        due_by=period.end,
        anchor=period.end,
        band=band_of(person, period, parameters.bands),
    )
    return () if outcome is None else (outcome,)


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """A woman of the age, enrolled or seen. Source: measures.md 3, "Women; ages" and "Enrollment"; CMS125 CQL, Initial Population."""
    yield is_woman(person, parameters)
    yield eligibility.is_aged(person, period, parameters.youngest, parameters.oldest)
    yield eligibility.is_eligible(person, period, parameters.eligibility, parameters.statuses)


def is_woman(person: Person, parameters: Parameters) -> Step:
    """Whether she is female: by the sex that a chart records where the edition asks for it, else by what the plan says.

    Where no chart records it, the plan's word counts in either case. Source: measures.md 3; CMS125 CQL, Initial Population (period 2025:
    gender; period 2026: us-core-sex).
    """
    recorded = list(person.facts("recorded_sex")) if parameters.recorded_sex else []
    if recorded:
        return step("a woman", [fact for fact in recorded if status.says(person, fact, "female")])
    return Step("a woman", person.profile.gender[:1].upper() == "F")


def has_mammogram(person: Person, period: Period, parameters: Parameters) -> Step:
    """Whether a mammogram ended in the window. Source: measures.md 3, "Numerator" (27 months); CMS125 CQL, Numerator."""
    start = _october(period) if parameters.since_october else period.months_before_start(parameters.months_before)
    return step(
        f"a mammogram {between(start, period.end)}",
        [
            fact
            for fact in status.studies(person, parameters.statuses, "mammography")
            if ends_in(fact, start, period.end)
        ],
    )


def without_breasts(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether both breasts were removed by the end of the period: at once, or left and right, by whatever tells it.

    Sources: measures.md 3, "Exclusions" (sides by modifier, procedure code or absence); CMS125 CQL, Bilateral and Left and Right
    Mastectomy. Days do not matter: both on one day, or years apart.
    """
    both = list(_removed(person, period, statuses, "bilateral_mastectomy", "history_of_bilateral_mastectomy"))
    both += _sided(person, period, statuses, "bilateral_modifier", "")
    left = list(_removed(person, period, statuses, "unilateral_mastectomy_left", "absence_of_left_breast"))
    left += _sided(person, period, statuses, "left_modifier", "left_side")
    right = list(_removed(person, period, statuses, "unilateral_mastectomy_right", "absence_of_right_breast"))
    right += _sided(person, period, statuses, "right_modifier", "right_side")
    return step("both breasts removed", [*both, *(left + right if left and right else ())])


def chest_surgery(person: Person, period: Period, statuses: Statuses) -> Step:
    """Whether chest surgery affirmed a gender, by the end of the period. Source: measures.md 3 (MY2025), [check]."""
    surgery = [
        f for f in status.procedures(person, statuses, "gender_affirming_chest_surgery") if end_of(f) <= period.end
    ]
    reason = [f for f in status.conditions(person, statuses, "gender_dysphoria") if f.start <= period.end]
    return step("gender-affirming chest surgery", surgery + reason if surgery and reason else [])


def _removed(
    person: Person, period: Period, statuses: Statuses, procedure_role: str, diagnosis_role: str
) -> Iterator[Fact]:
    """Procedures that ended, and conditions that began, by the end of the period."""
    yield from (f for f in status.procedures(person, statuses, procedure_role) if end_of(f) <= period.end)
    yield from (f for f in status.conditions(person, statuses, diagnosis_role) if f.start <= period.end)


def _sided(person: Person, period: Period, statuses: Statuses, modifier_role: str, side_role: str) -> list[Fact]:
    """Mastectomies of one breast whose side stands beside the code: in a modifier of the line, or as the site in a chart."""
    found = [
        f
        for f in status.procedures(person, statuses, "unilateral_mastectomy")
        if end_of(f) <= period.end
        and f.line is not None
        and any(person.plays(("CPT_MODIFIER", modifier), modifier_role) for modifier in f.line.modifiers)
    ]
    if side_role:
        charted = (
            *status.procedures(person, statuses, "unilateral_mastectomy"),
            *status.conditions(person, statuses, "unilateral_mastectomy_diagnosis"),
        )
        found += [f for f in charted if _until(f) <= period.end and _is_at(person, f, side_role)]
    return found


def _until(fact: Fact) -> Day:
    """A procedure counts by its end, a condition by its onset. Source: CMS125 CQL."""
    return fact.start if fact.kind == "condition" else end_of(fact)


def _is_at(person: Person, fact: Fact, side_role: str) -> bool:
    record = fact.record
    return record is not None and person.says(record.body_site, side_role)


def _october(period: Period) -> Day:
    """October 1 of the second calendar year before. Source: CMS125 CQL, October 1 Two Years Prior to the Measurement Period."""
    first = to_date(period.start)
    assert first is not None  # noqa: S101 - a period begins on a day
    return dt.date(first.year - 2, 10, 1).toordinal()


def enters(parameters: Parameters) -> frozenset[str]:
    """What the population reads: a recorded sex and a visit, where the edition asks for them."""
    sex = {"recorded_sex"} if parameters.recorded_sex else set()
    return eligibility.roles(parameters.eligibility) | sex


def roles_until(_period: Period, parameters: Parameters) -> Mapping[str, Day]:
    """A recorded sex counts whenever it was recorded."""
    return {"recorded_sex": FOREVER} if parameters.recorded_sex else {}


MEASURE = Measure(
    "BCS",
    "Breast Cancer Screening",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    roles_until=roles_until,
    enters=enters,
)
