"""The exclusions that measures share, so that each names them in two lines. Source: measures.md 1.4."""

from __future__ import annotations

from state.measures import death, frailty, hospice, palliative
from state.measures.facts import Person
from state.measures.frailty import FrailtyRule
from state.measures.outcome import Step
from state.measures.period import Period
from state.measures.status import Statuses


def roles_of_all(*, death_excludes: bool) -> frozenset[str]:
    """The roles that `of_all` reads."""
    return hospice.ROLES | (death.ROLES if death_excludes else frozenset())


def of_all(person: Person, period: Period, statuses: Statuses, *, death_excludes: bool) -> tuple[Step, ...]:
    """What takes a member out of every clinical measure: hospice care, and death where the edition says so."""
    hospice_step = hospice.in_hospice(person, period, statuses)
    return (hospice_step, death.died(person, period, statuses)) if death_excludes else (hospice_step,)


def roles_of_the_ill(rule: FrailtyRule) -> frozenset[str]:
    """The roles that `of_the_ill` reads."""
    return palliative.ROLES | frailty.roles(rule)


def of_the_ill(person: Person, period: Period, statuses: Statuses, rule: FrailtyRule) -> tuple[Step, ...]:
    """What takes a member out of BCS, COL, GSD and CBP besides: palliative care, and frailty by the rule."""
    return (
        palliative.in_palliative_care(person, period, statuses),
        *frailty.excluded(person, period, rule, statuses),
    )
