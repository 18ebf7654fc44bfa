"""How many events are expected of a member, by age, gender and what was diagnosed the year before. Source: measures.md 10.1.

Two models: e^x / (1 + e^x) is the chance of any event, e^y how many there are then; x and y are sums of weights. Expected is the product.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

from state.measures import status
from state.measures.age import age_on
from state.measures.facts import Person
from state.measures.measure_tables import RISK_DIAGNOSIS
from state.measures.outcome import Step, step
from state.measures.period import Period
from state.measures.status import Statuses
from state.reference.codes import Code
from state.reference.risk_weights import Combination, Model, RiskWeights

ROLES = frozenset({"risk_contact", RISK_DIAGNOSIS})
EVENTS_PLACES = Decimal("0.000001")
"""To how many events a member's expectation is rounded, so that sums are the same in any order."""
_GENDERS = {"F": "F", "FEMALE": "F", "M": "M", "MALE": "M"}


def comorbidities(person: Person, period: Period, statuses: Statuses) -> tuple[Step, frozenset[Code]]:
    """The diagnoses that the weights know, on claims with an outpatient, telephone, observation, ED or inpatient contact.

    In the year before the period [BK], by the last day of the claim: the discharge of a stay, the day of a visit.
    """
    start, end = period.prior_start, period.start - 1
    contacts = {fact.of.row for fact in status.encounters(person, statuses, "risk_contact") if fact.kind == "service"}
    found = [
        fact
        for fact in status.conditions(person, statuses, RISK_DIAGNOSIS)
        if fact.of.row in contacts and start <= fact.end <= end
    ]
    return step("diagnoses of the year before that weigh", found), frozenset(fact.code for fact in found)


def conditions(weights: RiskWeights, diagnoses: Iterable[Code]) -> frozenset[str]:
    """The HCCs of some diagnoses: the highest rank of each group, and combinations, of nested ones the larger alone.

    A category that no group ranks is an HCC by itself, with H before its name. Source: measures.md 10.1 (public specification of PCR).
    """
    categories = {cc for code in diagnoses for cc in weights.categories.get(code, ())}
    groups: dict[str, list[tuple[int, str]]] = {}
    found: set[str] = set()
    for cc in categories:
        ranks = weights.ranks.get(cc, ())
        if not ranks:
            found.add(f"H{cc}")
        for ranked in ranks:
            groups.setdefault(ranked.group, []).append((ranked.rank, ranked.hcc))
    found.update(min(ranked)[1] for ranked in groups.values())
    together = [one for one in weights.combinations if one.parts <= found]
    return frozenset(found).union(one.hcc for one in together if not _is_nested(one, together))


def expected(
    weights: RiskWeights, measure: str, person: Person, period: Period, found: frozenset[str]
) -> Decimal | None:
    """How many events of a measure are expected; None of somebody whose age and gender the weights do not know."""
    birth = person.profile.birth
    gender = _GENDERS.get(person.profile.gender.upper(), "")
    age = -1 if birth is None else age_on(birth, period.end)
    x = _sum(weights, measure, "logistic", gender, age, found)
    y = _sum(weights, measure, "count", gender, age, found)
    if x is None or y is None:
        return None
    with localcontext() as context:
        context.prec = 28
        return (y.exp() / (1 + (-x).exp())).quantize(EVENTS_PLACES)


def _sum(
    weights: RiskWeights, measure: str, model: Model, gender: str, age: int, found: frozenset[str]
) -> Decimal | None:
    every = weights.weights[measure, model]
    mine = [
        one
        for one in every
        if one.gender in {"", gender} and one.youngest <= age <= one.oldest and (not one.hcc or one.hcc in found)
    ]
    if any(one.is_demographic for one in every) and not any(one.is_demographic for one in mine):
        return None
    return sum((one.weight for one in mine), Decimal())


def _is_nested(one: Combination, others: Iterable[Combination]) -> bool:
    return any(one.parts < other.parts for other in others)
