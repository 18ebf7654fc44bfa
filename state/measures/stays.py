"""Stays in hospital, put together from claims alone, and of them from what counts. Source: measures.md 10.2 and 10.3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from state.calendar import Day
from state.measures import status
from state.measures.facts import Fact, KeptClaim, Person
from state.measures.status import Statuses

ROLES = frozenset({"inpatient_stay", "nonacute_inpatient_stay", "observation_stay", "still_patient"})


@dataclass(frozen=True, slots=True)
class Stay:
    """From admission to discharge, with the claims that say it. A transfer, and observation that led to admission, are one stay."""

    start: Day
    end: Day
    claims: tuple[KeptClaim, ...]
    discharged: bool


def services(person: Person, statuses: Statuses, *roles: str) -> Iterator[Fact]:
    """Services on claims that count."""
    return (fact for fact in status.encounters(person, statuses, *roles) if fact.kind == "service")


def admissions(person: Person, statuses: Statuses) -> list[KeptClaim]:
    """The claims of inpatient and observation stays of any kind: those in which a visit to an emergency room can end."""
    return _claims(services(person, statuses, "inpatient_stay", "nonacute_inpatient_stay", "observation_stay"))


def acute_stays(person: Person, statuses: Statuses) -> list[Stay]:
    """Acute inpatient and observation stays, by their first day.

    Claims whose days meet, or follow one another from one day to the next, are one stay: parts of one bill, direct transfers, observation
    that led to admission. The last discharge is the stay's. A nonacute stay is none, and joins nothing.
    """
    nonacute = {fact.of.row for fact in services(person, statuses, "nonacute_inpatient_stay")}
    claims = [
        claim
        for claim in _claims(services(person, statuses, "inpatient_stay", "observation_stay"))
        if claim.row not in nonacute
    ]
    stays: list[list[KeptClaim]] = []
    last = None
    for claim in sorted(claims, key=lambda one: (one.start, one.end, one.row)):
        if last is not None and claim.start <= last + 1:
            stays[-1].append(claim)
            last = max(last, claim.end)
        else:
            stays.append([claim])
            last = claim.end
    return [_stay(person, some) for some in stays]


def _stay(person: Person, claims: list[KeptClaim]) -> Stay:
    """A stay whose last claims all say that the patient is still there has no discharge yet."""
    end = max(claim.end for claim in claims)
    discharged = any(not _is_still_there(person, claim) for claim in claims if claim.end == end)
    return Stay(claims[0].start, end, tuple(claims), discharged)


def _is_still_there(person: Person, claim: KeptClaim) -> bool:
    return person.plays(("DISCHARGE_STATUS", claim.disposition), "still_patient") or person.plays(
        ("UBTOB", claim.bill_type), "still_patient"
    )


def _claims(facts: Iterable[Fact]) -> list[KeptClaim]:
    by_row = {fact.of.row: fact.of for fact in facts if isinstance(fact.of, KeptClaim)}
    return [by_row[row] for row in sorted(by_row)]
