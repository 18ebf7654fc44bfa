"""DSF, Depression Screening and Follow-Up: the program's rule goes by the period, the eCQM's by visits.

Sources: measures.md 2.1 and 15 (why they are two rules); CMS2 CQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from state.calendar import Day
from state.measures import dsf_program, dsf_visits, eligibility, status
from state.measures.dsf_program import Screening
from state.measures.dsf_visits import AtVisits
from state.measures.facts import Person
from state.measures.outcome import Measure, Outcome, Step, day_after
from state.measures.period import Period
from state.measures.status import Statuses


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of DSF: which of the two rules, and its numbers. `death`: the program's rule takes out who died."""

    rule: Screening | AtVisits
    statuses: Statuses
    death: bool = False


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that the measure reads under an edition."""
    rule = parameters.rule
    if isinstance(rule, AtVisits):
        return dsf_visits.ROLES | status.ROLES
    return dsf_program.roles(rule, death_excludes=parameters.death) | status.ROLES


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """What the rule that the edition has asks of whom it looks at."""
    rule = parameters.rule
    if isinstance(rule, AtVisits):
        return dsf_visits.population(person, period, rule, parameters.statuses)
    return dsf_program.population(person, period, rule, parameters.statuses)


def rates(parameters: Parameters) -> tuple[str, ...]:
    """Those of the rule that the edition has."""
    return (
        (dsf_visits.RATE,) if isinstance(parameters.rule, AtVisits) else (dsf_program.SCREENED, dsf_program.FOLLOWED_UP)
    )


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """The rates of the rule that the edition has."""
    rule = parameters.rule
    if isinstance(rule, AtVisits):
        return dsf_visits.evaluate(person, period, rule, parameters.statuses)
    return dsf_program.evaluate(person, period, rule, parameters.statuses, death_excludes=parameters.death)


def looks_until(period: Period, parameters: Parameters) -> Day:
    """The last day on which a positive screen of the last day can be followed up."""
    rule, end = parameters.rule, day_after(period, parameters)
    return end if isinstance(rule, AtVisits) else max(end, period.end - rule.days_left + rule.follow_up_days)


def enters(parameters: Parameters) -> frozenset[str]:
    """What the population reads: nothing but age and coverage by the program's rule, visits by the eCQM's."""
    rule = parameters.rule
    return dsf_visits.VISITS if isinstance(rule, AtVisits) else eligibility.roles(rule.eligibility)


def only_counted(parameters: Parameters) -> Mapping[str, str]:
    """By the program's rule a follow-up is looked for after a positive screen alone, and who had one counts for that rate."""
    if isinstance(parameters.rule, AtVisits):
        return {}
    return dict.fromkeys(dsf_program.FOLLOW_UP_ROLES, dsf_program.FOLLOWED_UP)


MEASURE = Measure(
    "DSF",
    "Depression Screening and Follow-Up",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    beside=dsf_program.BESIDE,
    looks_until=looks_until,
    enters=enters,
    only_counted=only_counted,
)
