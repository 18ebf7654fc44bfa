"""What EDU and AHU share: who is looked at, outliers, observed and expected events, and the rates. Source: measures.md 10.1 and 10.4.

Fewer is better. A member whose events reach the outlier threshold leaves observed and expected, and is counted as an outlier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from state.measures import eligibility, exclusions, risk, status
from state.measures.bands import Band, band_of
from state.measures.eligibility import Eligibility
from state.measures.facts import KeptClaim, Person
from state.measures.measure_tables import NO_TABLES, RISK_DIAGNOSIS, MeasureTables
from state.measures.outcome import HUNDREDTH, Measure, Outcome, Step, Sums, in_turn
from state.measures.period import Period
from state.measures.status import Statuses

RISK_STANDARDISED = "risk_standardised"
OBSERVED_TO_EXPECTED = "observed_to_expected"
OBSERVED = "observed_per_1000"
EXPECTED_SUM = "expected"
OUTLIERS_SUM = "outliers"
UNWEIGHTED_SUM = "unweighted"
RATIO_PLACES = Decimal("0.0001")
THOUSAND = 1000
SMALL_UTILISATION = 150
"""Eligible members below whom EDU and AHU are flagged (payment.md 4.6)."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edition says of EDU or AHU.

    `outlier`: from so many counted events in the period on a member is an outlier; without it nobody is. `tables`: what was supplied.
    """

    youngest: int
    oldest: int
    eligibility: Eligibility
    statuses: Statuses
    outlier: int | None = None
    bands: tuple[Band, ...] = ()
    tables: MeasureTables = NO_TABLES


class Event(msgspec.Struct, frozen=True):
    """An event that counts, and the claims that say it."""

    day: int
    claims: tuple[KeptClaim, ...]


Events = Callable[[Person, Period, Statuses], tuple[Sequence[Event], Sequence[Step]]]
"""The events of a member that count, and the steps by which others were dropped."""


def measure(
    name: str, title: str, own_roles: frozenset[str], beside: Mapping[str, tuple[str, ...]], events: Events
) -> Measure:
    """EDU or AHU, by what it counts. `beside`: see `Measure`; a diagnosis that weighs is read beside a contact."""

    def roles(parameters: Parameters) -> frozenset[str]:
        return (
            own_roles
            | status.ROLES
            | eligibility.roles(parameters.eligibility)
            | exclusions.roles_of_all(death_excludes=False)
            | (risk.ROLES if _has_weights(parameters, name) else frozenset())
        )

    def rates(parameters: Parameters) -> tuple[str, ...]:
        ratio = (OBSERVED_TO_EXPECTED,) if _has_weights(parameters, name) else ()
        return RISK_STANDARDISED, *ratio, OBSERVED

    def evaluate(person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
        return _outcomes(name, events, person, period, parameters)

    def value(sums: Sums, rate: str, parameters: Parameters) -> tuple[Decimal | None, str]:
        return _value(name, own_roles, sums, rate, parameters)

    return Measure(
        name,
        title,
        Parameters,
        roles,
        rates,
        population,
        evaluate,
        value,
        beside={RISK_DIAGNOSIS: (), **beside},
        small=SMALL_UTILISATION,
        enters=lambda parameters: eligibility.roles(parameters.eligibility),
    )


def _outcomes(name: str, events: Events, person: Person, period: Period, parameters: Parameters) -> tuple[Outcome, ...]:
    """The rates of a member: the standardised one, the ratio where there are weights, and what was observed.

    Denied lines are no evidence of anything here, whatever the edition says of clinical measures (attribution.md 2.9).
    """
    statuses = _paid(parameters)
    asked = in_turn(population(person, period, parameters))
    if not asked[-1].holds:
        return ()
    # measures.md 1.4: hospice [check]. Who dies is measured until then, if enrollment allows.
    excluded = exclusions.of_all(person, period, statuses, death_excludes=False)
    counted, dropped = events(person, period, statuses)
    cited = tuple(dict.fromkeys(claim.evidence for event in counted for claim in event.claims))
    observed = Step(f"counted {len(counted)}", bool(counted), cited)
    # measures.md 10.1: an outlier takes all events, and what was expected, along.
    outlier = parameters.outlier is not None and len(counted) >= parameters.outlier
    steps = (*asked, *excluded, *dropped, observed)
    if parameters.outlier is not None:
        steps = (*steps, Step(f"outlier: {parameters.outlier} or more", outlier, cited if outlier else ()))
    is_out = any(one.holds for one in excluded)
    common: dict[str, Any] = {
        "initial_population": 1,
        "parts": (len(asked), len(excluded)),
        "denominator": 1,
        "band": band_of(person, period, parameters.bands),
        "anchor": period.end,
        "lower_is_better": True,
        "has_gap": False,
    }
    if is_out or outlier:
        evidence = tuple(dict.fromkeys(n for one in excluded for n in one.evidence if one.holds)) if is_out else cited
        gone: dict[str, Any] = {**common, "denominator_exclusion": 1, "evidence": evidence, "steps": steps}
        shown = {OUTLIERS_SUM: Decimal(1)} if not is_out else {}
        standardised = Outcome(rate=RISK_STANDARDISED, **gone)
        ratio = Outcome(rate=OBSERVED_TO_EXPECTED, **gone)
        raw = Outcome(rate=OBSERVED, sums=shown, **gone)
    else:
        common |= {"numerator": len(counted), "evidence": cited}
        raw = Outcome(rate=OBSERVED, steps=steps, **common)
        adjusted = _adjusted(name, person, period, parameters, statuses, {**common, "steps": steps})
        standardised, ratio = (
            Outcome(rate=RISK_STANDARDISED, **adjusted),
            Outcome(rate=OBSERVED_TO_EXPECTED, **adjusted),
        )
    return (standardised, ratio, raw) if _has_weights(parameters, name) else (standardised, raw)


def population(person: Person, period: Period, parameters: Parameters) -> Iterator[Step]:
    """Adults, enrolled for the year and the year before [BK]. Source: measures.md 10.1."""
    yield eligibility.is_aged(person, period, parameters.youngest, parameters.oldest)
    yield eligibility.is_eligible(person, period, parameters.eligibility, _paid(parameters))


def _paid(parameters: Parameters) -> Statuses:
    return msgspec.structs.replace(parameters.statuses, denied=False)


def _adjusted(
    name: str,
    person: Person,
    period: Period,
    parameters: Parameters,
    statuses: Statuses,
    common: dict[str, Any],
) -> dict[str, Any]:
    """The outcome of a member with what was expected; who cannot be weighed leaves observed and expected alike."""
    weights = parameters.tables.weights
    if weights is None or not weights.speaks_of(name):
        return common
    weighed, diagnoses = risk.comorbidities(person, period, statuses)
    found = risk.conditions(weights, diagnoses)
    events = risk.expected(weights, name, person, period, found)
    said = "no weight for the age and gender" if events is None else f"expected {events} with {_named(found)}"
    common = {**common, "steps": (*common["steps"], weighed, Step(said, events is not None, weighed.evidence))}
    if events is None:
        return {**common, "denominator_exclusion": 1, "numerator": 0, "sums": {UNWEIGHTED_SUM: Decimal(1)}}
    return {**common, "sums": {EXPECTED_SUM: events}}


def _value(
    name: str, own_roles: frozenset[str], sums: Sums, rate: str, parameters: Parameters
) -> tuple[Decimal | None, str]:
    """The value of a rate. Never the raw rate under another name: without weights or R the standardised one has none (payment.md 4.6)."""
    if rate == OBSERVED:
        return _observed(name, own_roles, sums, parameters)
    if not _has_weights(parameters, name):
        return None, f"unscored: no rau_weights of {name} are supplied; {OBSERVED} is what was observed"
    expected = sums.more.get(EXPECTED_SUM, Decimal())
    notes = []
    if unweighted := sums.more.get(UNWEIGHTED_SUM):
        notes.append(f"{unweighted} of an age or gender that the weights do not know left out")
    if sums.denominator <= 0 or expected <= 0:
        return None, "; ".join(notes)
    ratio = Decimal(sums.numerator) / expected
    told = f"observed {sums.numerator}, expected {expected.normalize():f}"
    if rate == OBSERVED_TO_EXPECTED:
        return ratio.quantize(RATIO_PLACES, ROUND_HALF_UP), "; ".join((told, *notes))
    reference = parameters.tables.reference.get(name)
    if reference is None:
        return None, "; ".join((f"unscored: no reference rate of {name} is supplied", told, *notes))
    per_1000 = THOUSAND * reference.per_member * Decimal(sums.numerator) / (expected * reference.mean_ratio)
    told = f"{told}, reference {reference.per_member.normalize():f}"
    return per_1000.quantize(HUNDREDTH, ROUND_HALF_UP), "; ".join((told, *notes))


def _observed(name: str, own_roles: frozenset[str], sums: Sums, parameters: Parameters) -> tuple[Decimal | None, str]:
    notes = ["observed, not risk adjusted"]
    outliers = sums.more.get(OUTLIERS_SUM, Decimal())
    if parameters.outlier is None:
        notes.append(f"the edition sets no outlier threshold of {name}")
    elif outliers:
        rate = THOUSAND * outliers / (sums.denominator + outliers)
        notes.append(f"{outliers} outliers left out, {rate.quantize(HUNDREDTH, ROUND_HALF_UP)} per 1,000 members")
    if lacking := sorted(parameters.tables.absent & own_roles):
        notes.append(f"without the value sets for {', '.join(lacking)}")
    if sums.denominator <= 0:
        return None, "; ".join(notes)
    value = (Decimal(THOUSAND * sums.numerator) / sums.denominator).quantize(HUNDREDTH, ROUND_HALF_UP)
    return value, "; ".join(notes)


def _has_weights(parameters: Parameters, name: str) -> bool:
    return parameters.tables.weights is not None and parameters.tables.weights.speaks_of(name)


def _named(found: frozenset[str]) -> str:
    return ", ".join(sorted(found)) or "no condition that weighs"
