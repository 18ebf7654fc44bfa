"""DRR: does a depression get better? Of members with an elevated PHQ-9, those followed up, in remission, and with a response.

The first elevated total near a visit for depression opens an episode; the last total four to eight months later decides.
Source: measures.md 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from state.calendar import Day, add_months
from state.measures import depression_scores, eligibility, exclusions, status
from state.measures.age import age_on
from state.measures.depression_scores import Score, excluded, scores, visits
from state.measures.eligibility import Eligibility
from state.measures.facts import Fact, Person
from state.measures.outcome import Measure, Outcome, Step, day_after, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.measures.timing import between

FOLLOW_UP, REMISSION, RESPONSE = "follow_up", "remission", "response"


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of DRR.

    Intake begins `intake_months_before` the period and lasts `intake_months`. A total is elevated above `elevated_above`, and opens an
    episode when a visit lies within `around_visit` days, before or after. `follow_up` are the first and the last day after it on
    which a total counts.
    """

    youngest: int
    teen_until: int
    intake_months_before: int
    intake_months: int
    around_visit: int
    elevated_above: int
    follow_up: tuple[int, int]
    remission_below: int
    eligibility: Eligibility
    statuses: Statuses
    death: bool


class Episode(msgspec.Struct, frozen=True):
    """The elevated total that opens it, and the visits near it."""

    opened: Score
    visits: tuple[Fact, ...]


def roles(parameters: Parameters) -> frozenset[str]:
    """The roles that DRR reads."""
    out = exclusions.roles_of_all(death_excludes=parameters.death)
    return depression_scores.ROLES | status.ROLES | out | eligibility.roles(parameters.eligibility)


def rates(_parameters: Parameters) -> tuple[str, ...]:
    """Follow-up, remission and response, of the same members."""
    return (FOLLOW_UP, REMISSION, RESPONSE)


def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """Follow-up, remission and response of a member with an episode. Empty for anybody else."""
    birth = person.profile.birth
    if birth is None:
        return ()
    intake = intake_of(period, parameters)
    totals = scores(person, birth, parameters.statuses, parameters.teen_until)
    episode = first_episode(person, intake, totals, parameters)
    if episode is None:
        return ()
    first, last = (episode.opened.day + days for days in parameters.follow_up)
    half = f"{(episode.opened.total / 2).normalize():f}"
    followed = [one for one in totals if first <= one.day <= last]
    # On the last day with a total the lowest counts, as the lowest of a day does elsewhere (measures.md 6): the source is silent.
    latest = min((one for one in followed if one.day == followed[-1].day), default=None)
    opening = _opened(episode)
    asked = (*_asked(person, period, parameters), opening)
    out = excluded(person, period, parameters.statuses, death_excludes=parameters.death)
    return tuple(
        outcome
        for rate, wanted, asks, holds in (
            (FOLLOW_UP, "a PHQ-9 total", "a PHQ-9 total in follow-up", latest is not None),
            (
                REMISSION,
                f"a PHQ-9 total below {parameters.remission_below} as the last",
                f"the last PHQ-9 total in follow-up is below {parameters.remission_below}",
                latest is not None and latest.total < parameters.remission_below,
            ),
            (
                RESPONSE,
                f"a PHQ-9 total of at most {half} as the last",
                "the last PHQ-9 total in follow-up is half of the first at most",
                latest is not None and 2 * latest.total <= episode.opened.total,
            ),
        )
        if (
            outcome := _outcome(
                rate, wanted, Step(asks, holds, _cited(latest)), (asked, out), Period(first, last), period.end
            )
        )
    )


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Age, enrollment, and an episode that opens in intake. Source: measures.md 2.3."""
    yield from _asked(person, period, parameters)
    birth = person.profile.birth
    if birth is not None:
        totals = scores(person, birth, parameters.statuses, parameters.teen_until)
        yield _opened(first_episode(person, intake_of(period, parameters), totals, parameters))


def _asked(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    birth, intake = person.profile.birth, intake_of(period, parameters)
    holds = birth is not None and age_on(birth, intake.start) >= parameters.youngest
    yield Step(f"{parameters.youngest} or older on the first day of intake", holds)
    yield eligibility.is_eligible(person, period, parameters.eligibility, parameters.statuses)


def _opened(episode: Episode | None) -> Step:
    if episode is None:
        return Step("an elevated PHQ-9 total in intake, near a visit for depression", holds=False)
    return Step(
        f"a PHQ-9 total of {episode.opened.total} in intake, near a visit for depression",
        holds=True,
        evidence=(episode.opened.evidence, *step("", episode.visits).evidence),
    )


def intake_of(period: Period, parameters: Parameters) -> Period:
    """The days on which an episode can open: May 1 of the year before to April 30, for a calendar year."""
    start = period.months_before_start(parameters.intake_months_before)
    return Period(start, add_months(start, parameters.intake_months) - 1)


def first_episode(person: Person, intake: Period, totals: list[Score], parameters: Parameters) -> Episode | None:
    """The earliest elevated total in intake with a visit for depression near it, counted from the day of the total."""
    elevated = [one for one in totals if intake.holds(one.day) and one.total > parameters.elevated_above]
    days = visits(person, parameters.statuses) if elevated else {}
    for total in elevated:
        near = [
            fact for day, facts in days.items() if abs(day - total.day) <= parameters.around_visit for fact in facts
        ]
        if near:
            return Episode(total, tuple(near))
    return None


def _cited(score: Score | None) -> tuple[str, ...]:
    return () if score is None else (score.evidence,)


def _outcome(
    rate: str, wanted: str, met: Step, asked: tuple[tuple[Step, ...], tuple[Step, ...]], follow_up: Period, anchor: Day
) -> Outcome | None:
    population, out = asked
    found = proportion(
        rate,
        population=population,
        exclusions=out,
        numerator=(met,),
        closes_with=f"{wanted} {between(follow_up.start, follow_up.end)}",
        due_by=follow_up.end,
        anchor=anchor,
    )
    return (
        msgspec.structs.replace(found, opens_on=follow_up.start) if found is not None and found.closes_with else found
    )


def looks_until(period: Period, parameters: Parameters) -> Day:
    """The last day of follow-up of an episode that opens on the last day of intake."""
    return max(day_after(period, parameters), intake_of(period, parameters).end + parameters.follow_up[1])


def enters(parameters: Parameters) -> frozenset[str]:
    """What the population reads: visits for depression, and totals near them."""
    of_episodes = depression_scores.OF_VISITS | depression_scores.QUESTIONNAIRES
    return of_episodes | eligibility.roles(parameters.eligibility)


def needs(_parameters: Parameters) -> tuple[frozenset[str], ...]:
    """Nobody has an episode without a total, and a visit for depression near it."""
    return *depression_scores.VISITED, depression_scores.QUESTIONNAIRES


MEASURE = Measure(
    "DRR",
    "Depression Remission or Response",
    Parameters,
    roles,
    rates,
    population,
    evaluate,
    beside=depression_scores.BESIDE,
    needs=needs,
    enters=enters,
    looks_until=looks_until,
)
