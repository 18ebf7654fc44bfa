"""The places of a made-up population: payers, practices with their clinicians over time, specialists, labs, hospitals.

Names, addresses and numbers are invented; NPIs have valid check digits and may by chance belong to somebody.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.adapters.identifiers import npi_of, tin_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

Event = dict[str, object]

MEMBERS_PER_PRACTICE = 150
LONG_AGO_YEARS = 4
"""Reference records and enrollments may reach this many years back from the first day of the population."""


@dataclass(frozen=True)
class Plan:
    """A payer: its share of members, its products with theirs, those in scope, which marks of a version it sends."""

    payer: str
    name: str
    share: float
    products: dict[str, float]
    in_scope: tuple[str, ...]
    sends: tuple[str, ...]


PLANS = (
    Plan("aetna", "Aetna", 0.45, {"PPO": 0.9, "EPO": 0.1}, ("PPO", "EPO"), ("claim_version", "adjudicated_at")),
    Plan("blueshield", "Blue Shield", 0.35, {"PPO": 0.85, "HMO": 0.15}, ("PPO",), ("adjudicated_at",)),
    Plan("healthnet", "Health Net", 0.2, {"PPO": 0.8, "EPO": 0.1, "HMO": 0.1}, (), ()),
)
"""Between them: versions and times, times only, neither; a payer whose HMO does not count, and one without a list."""

ADULT_TAXONOMIES = ("207Q00000X", "207R00000X", "363LF0000X", "208D00000X")
CHILD_TAXONOMIES = ("208000000X", "207Q00000X", "363LP0200X")
UNSPECIFIED_TAXONOMIES = ("363L00000X", "363A00000X")
"""Nurse practitioners and physician assistants without a specialty: the roster says that they are PCPs."""

SPECIALTIES = {
    "cardiology": "207RC0000X",
    "dermatology": "207N00000X",
    "gynaecology": "207V00000X",
    "orthopaedics": "207X00000X",
}


@dataclass(frozen=True)
class Clinician:
    """Somebody who sees members, from a day (inclusive) to a day (exclusive; None is open)."""

    npi: str
    taxonomy: str
    since: dt.date
    until: dt.date | None = None

    def active(self, day: dt.date) -> bool:
        """Whether the clinician works there on a day."""
        return self.since <= day and (self.until is None or day < self.until)


@dataclass(frozen=True)
class Office:
    """A billing unit: a practice, a specialist's office, a laboratory or a hospital."""

    office_id: str
    name: str
    tin: str
    npi: str
    clinicians: tuple[Clinician, ...]
    kind: str
    participating: bool = True

    def on(self, day: dt.date) -> tuple[Clinician, ...]:
        """Who works there on a day; everybody ever if nobody does, so that a late claim still finds a name."""
        return tuple(clinician for clinician in self.clinicians if clinician.active(day)) or self.clinicians


@dataclass(frozen=True)
class Community:
    """Everywhere a member can go."""

    practices: tuple[Office, ...]
    specialists: tuple[Office, ...]
    laboratory: Office
    hospital: Office
    urgent_care: Office


def community(rng: Random, *, members: int, start: dt.date, end: dt.date) -> Community:
    """Practices (one for each 150 members, at least two, 2 to 6 clinicians each) and the other places.

    Every eighth practice, and of several always the second, is a federally qualified health center; the third of five
    sees children; the last of four or more takes no part in the program. About one clinician in eight leaves or joins
    between start and end; one in fifteen works at the next practice too.
    """
    count = max(2, members // MEMBERS_PER_PRACTICE)
    seed = str(rng.getrandbits(64))
    practices = [_practice(rng, seed, place, count=count, start=start, end=end) for place in range(count)]
    shared = [_with_guest(rng, practice, practices[place - 1]) for place, practice in enumerate(practices)]
    return Community(
        practices=tuple(shared),
        specialists=tuple(
            _office(seed, f"{specialty} {number}", specialty, (taxonomy,) * 3, start)
            for specialty, taxonomy in SPECIALTIES.items()
            for number in range(1, max(2, count // 8) + 1)
        ),
        laboratory=_office(seed, "laboratory", "laboratory", ("291U00000X",), start),
        hospital=_office(seed, "hospital", "hospital", ("207P00000X",) * 6, start),
        urgent_care=_office(seed, "urgent care", "urgent_care", ("207P00000X", "363A00000X"), start),
    )


def reference_records(places: Community, start: dt.date) -> Iterator[Event]:
    """Payers, practices and roster rows as they are known on the first day, all accepted at its midnight.

    Departures and arrivals of clinicians come later: see `roster_changes`.
    """
    accepted = f"{start.isoformat()}T00:00:00Z"
    since = start.replace(year=start.year - LONG_AGO_YEARS, month=1, day=1).isoformat()
    for plan in PLANS:
        yield {
            "event_type": "payer",
            "payer": plan.payer,
            "name": plan.name,
            "products": list(plan.in_scope),
            "attribution_mode": "platform",
            "effective_from": since,
            "accepted_at": accepted,
        }
    for practice in places.practices:
        yield {
            "event_type": "practice",
            "practice_id": practice.office_id,
            "name": practice.name,
            "participating": practice.participating,
            "effective_from": since,
            "tins": [practice.tin],
            "organisation_npis": [practice.npi],
            "accepted_at": accepted,
        }
        for clinician in practice.clinicians:
            if clinician.since <= start:
                yield _roster_row(practice, clinician) | {"roster_version": 1, "accepted_at": accepted}


def roster_changes(places: Community, rng: Random, start: dt.date) -> Iterator[Event]:
    """Roster rows of those who join, and second versions for those who leave.

    Accepted between thirty days before and forty days after the day itself (rosters are late), but never before start.
    """
    for practice in places.practices:
        for clinician in practice.clinicians:
            if clinician.since > start:
                accepted = _around(rng, clinician.since, start)
                yield _roster_row(practice, clinician) | {"roster_version": 1, "accepted_at": accepted}
            if clinician.until:
                row = _roster_row(practice, clinician) | {"effective_to": clinician.until.isoformat()}
                yield row | {"roster_version": 2, "accepted_at": _around(rng, clinician.until, start)}


def _roster_row(practice: Office, clinician: Clinician) -> Event:
    return {
        "event_type": "provider",
        "npi": clinician.npi,
        "practice_id": practice.office_id,
        "tin": practice.tin,
        "taxonomy_code": clinician.taxonomy,
        "is_pcp": True,
        "effective_from": clinician.since.isoformat(),
    }


def _around(rng: Random, day: dt.date, start: dt.date) -> str:
    known = max(start, day + dt.timedelta(days=rng.randint(-30, 40)))
    return f"{known.isoformat()}T{rng.randint(6, 22):02d}:{rng.randint(0, 59):02d}:00Z"


def _practice(rng: Random, seed: str, place: int, *, count: int, start: dt.date, end: dt.date) -> Office:
    children = count >= 5 and place % 5 == 2
    taxonomies = CHILD_TAXONOMIES if children else ADULT_TAXONOMIES
    since = start.replace(year=start.year - LONG_AGO_YEARS, month=1, day=1)
    clinicians = []
    for number in range(rng.randint(2, 6)):
        taxonomy = rng.choice(UNSPECIFIED_TAXONOMIES if rng.random() < 0.1 else taxonomies)
        joined, left = since, None
        # The first clinician stays, so that a practice is never empty.
        change = rng.random() if number else 1.0
        if change < 0.06:
            left = start + (end - start) * rng.uniform(0.2, 0.9)
        elif change < 0.12:
            joined = start + (end - start) * rng.uniform(0.1, 0.7)
        clinicians.append(Clinician(npi_of(f"{seed}:practice {place}:{number}"), taxonomy, joined, left))
    name = f"practice {place}"
    return Office(
        office_id=f"PR{place + 1:04d}",
        name=f"{_title(place)} {'Pediatrics' if children else 'Family Care'}",
        tin=tin_of(f"{seed}:{name}"),
        npi=npi_of(f"{seed}:{name}"),
        clinicians=tuple(clinicians),
        kind="health_center" if place % 8 == 1 else "children" if children else "practice",
        participating=count < 4 or place != count - 1,
    )


def _with_guest(rng: Random, practice: Office, neighbour: Office) -> Office:
    if practice is neighbour or rng.random() > 1 / 4:
        return practice
    guest = neighbour.clinicians[0]
    return Office(
        **{field: getattr(practice, field) for field in ("office_id", "name", "tin", "npi", "kind", "participating")},
        clinicians=(*practice.clinicians, guest),
    )


def _office(seed: str, name: str, kind: str, taxonomies: tuple[str, ...], start: dt.date) -> Office:
    since = start.replace(year=start.year - LONG_AGO_YEARS, month=1, day=1)
    return Office(
        office_id=name,
        name=name.capitalize(),
        tin=tin_of(f"{seed}:{name}"),
        npi=npi_of(f"{seed}:{name}"),
        clinicians=tuple(
            Clinician(npi_of(f"{seed}:{name}:{number}"), taxonomy, since) for number, taxonomy in enumerate(taxonomies)
        ),
        kind=kind,
    )


FIRST_WORDS = (
    "Olive",
    "Cedar",
    "Mission",
    "Valley",
    "Harbor",
    "Sierra",
    "Palm",
    "Orange",
    "Mesa",
    "Canyon",
    "Laurel",
    "Bay",
)
SECOND_WORDS = ("Grove", "Creek", "Hill", "View", "Park", "Ridge", "Point", "Springs")


def _title(place: int) -> str:
    first, rest = FIRST_WORDS[place % len(FIRST_WORDS)], place // len(FIRST_WORDS)
    second = SECOND_WORDS[(place + rest) % len(SECOND_WORDS)]
    return f"{first} {second}" + (f" {rest + 1}" if rest >= len(SECOND_WORDS) else "")
