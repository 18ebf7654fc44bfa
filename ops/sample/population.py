"""A made-up population and all that is sent about it: the events of `panelstream generate`.

Everything follows from the seed: two runs with equal arguments yield equal events, on any machine. It is a caricature
with plausible rates, for trying and for measuring, and says nothing about any real plan, practice or person.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import json
import math
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, cast

from ops.sample import claims
from ops.sample.care import Care
from ops.sample.community import PLANS, Community, Office, Plan, community, reference_records, roster_changes
from ops.sample.feeds import with_manifests
from ops.sample.mishaps import Filing, broken, moment, sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Event = dict[str, object]

BLOCK = 5_000
"""Members whose events are sorted in memory at once; larger populations are merged from temporary files."""
ONE_DAY = dt.timedelta(days=1)
OUTAGE_DAYS = 9
"""Each payer sends nothing for so many days once, and then everything at once and in no order."""
VISITS_PER_YEAR = {"specialist": 0.9, "laboratory": 1.1, "emergency": 0.2, "urgent_care": 0.25, "inpatient": 0.05}
"""Means over members other than primary care, whose mean is 3 (a gamma distribution: many see little, some a lot)."""
HABITS = {"never": 0.12, "stops": 0.15, "moves": 0.08, "splits": 0.08, "regular": 0.57}
LIVES = {
    "steady": 0.744,
    "leaves": 0.08,
    "taken_back": 0.04,
    "reinstated": 0.02,
    "dies": 0.006,
    "changes_product": 0.03,
    "changes_payer": 0.05,
    "two_payers": 0.03,
}
SELECTING = 0.3
SELECTION_SOURCES = {"member_selected": 0.5, "plan_matched": 0.3, "plan_auto_assigned": 0.2}
RACES = ("white", "asian", "black or african american", "other race", "unknown")
FIRST_NAMES = (
    "Ana",
    "Ben",
    "Carla",
    "Dev",
    "Eva",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jun",
    "Kofi",
    "Lena",
    "Mina",
    "Noa",
)
LAST_NAMES = (
    "Alder",
    "Birch",
    "Cypress",
    "Dogwood",
    "Elm",
    "Fir",
    "Hazel",
    "Juniper",
    "Linden",
    "Maple",
    "Oak",
    "Pine",
)


def population(
    members: int, seed: int, start: dt.date, end: dt.date, *, bad_share: float = 0.01, care: bool = False
) -> Iterator[Event]:
    """All events about a population that are accepted from start to end (both days included), in order of acceptance.

    Reference records and the members enrolled on the first day come first. Services are dated from start on; what is
    accepted after the end is not yielded. At the end of each week every payer says what its claims file of that week
    held (feed_manifest); claims carry that file and their row in it. `bad_share` of the events of members (0 to 1) are
    malformed; the correct record follows later, or never. With `care` members also have what measures look
    for: see `ops.sample.care`.
    """
    if members < 1 or end < start or not 0 <= bad_share <= 1:
        message = "a population needs at least one member, an end not before its start, and a bad share from 0 to 1."
        raise ValueError(message)
    places = community(_random(f"{seed}:community"), members=members, start=start, end=end)
    world = World(seed=seed, start=start, end=end, bad_share=bad_share, places=places, care=care)
    yield from reference_records(places, start)
    last_moment = f"{end.isoformat()}T23:59:59Z"
    everything = heapq.merge(
        _sorted(roster_changes(places, _random(f"{seed}:roster"), start)),
        _member_events(world, members),
        key=_acceptance,
    )
    in_time = itertools.takewhile(lambda event: _acceptance(event) <= last_moment, everything)
    yield from with_manifests(in_time, start, end)


@dataclass(frozen=True)
class World:
    """What all members share."""

    seed: int
    start: dt.date
    end: dt.date
    bad_share: float
    places: Community
    care: bool

    def arrives(self, plan: Plan, event: Event) -> Event:
        """The event, put off to the day after its payer's outage if it falls into it."""
        first = self.start + (self.end - self.start) * (0.35 + 0.1 * PLANS.index(plan))
        after = first + ONE_DAY * OUTAGE_DAYS
        day, time = _acceptance(event).split("T")
        return event | {"accepted_at": f"{after}T{time}"} if f"{first}" <= day < f"{after}" else event

    def day(self, rng: Random, low: float, high: float) -> dt.date:
        """A day at a random share of the period between low and high."""
        return self.start + (self.end - self.start) * rng.uniform(low, high)


@dataclass
class Member:
    """A person as one payer knows them, while their events are made."""

    world: World
    rng: Random
    index: int
    plan: Plan
    product: str
    since: dt.date
    birth_date: dt.date
    gender: str
    until: dt.date | None = None
    events: list[Event] = field(default_factory=list)
    claim_count: int = 0

    @property
    def member_id(self) -> str:
        """The same number at every payer: member ids are unique only within a payer."""
        return str(1_000_000 + self.index)

    def age(self, day: dt.date) -> int:
        """Completed years on a day."""
        born = self.birth_date
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    def record(self, event: Event) -> None:
        """Take an event; of claims and enrollments the world's bad share is sent broken, and 3 of 5 again as it should.

        The good one then comes one to twenty days later.
        """
        if self.world.bad_share and self.rng.random() < self.world.bad_share:
            self.events.append(self.world.arrives(self.plan, broken(self.rng, event)))
            if self.rng.random() >= 0.6:
                return
            later = dt.datetime.fromisoformat(str(event["accepted_at"])) + ONE_DAY * self.rng.randint(1, 20)
            event = event | {"accepted_at": moment(later)}
        self.events.append(self.world.arrives(self.plan, event))


def _random(seed: str) -> Random:
    return Random(seed)  # noqa: S311 (nothing secret: the same seed must give the same people)


def _member_events(world: World, members: int) -> Iterator[Event]:
    """Events of all members in order of acceptance, ties in the order of members."""
    blocks = [range(first, min(first + BLOCK, members)) for first in range(0, members, BLOCK)]
    if len(blocks) == 1:
        yield from _block(world, blocks[0])
        return
    with ExitStack() as open_files:
        files = []
        for block in blocks:
            file = open_files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            file.writelines(json.dumps(event) + "\n" for event in _block(world, block))
            file.seek(0)
            files.append(file)
        yield from heapq.merge(*(map(json.loads, file) for file in files), key=_acceptance)


def _block(world: World, indices: range) -> Iterator[Event]:
    return _sorted(itertools.chain.from_iterable(_life(world, index) for index in indices))


def _sorted(events: Iterable[Event]) -> Iterator[Event]:
    return iter(sorted(events, key=_acceptance))


def _acceptance(event: Event) -> str:
    return str(event["accepted_at"])


def _life(world: World, index: int) -> list[Event]:
    """All events about one person, unsorted."""
    rng = _random(f"{world.seed}:member:{index}")
    plan = rng.choices(PLANS, [plan.share for plan in PLANS])[0]
    joins_late = rng.random() < 0.15
    member = Member(
        world=world,
        rng=rng,
        index=index,
        plan=plan,
        product=_pick(rng, plan.products),
        since=world.day(rng, 0.02, 0.8)
        if joins_late
        else (world.start - ONE_DAY * rng.randint(30, 1000)).replace(day=1),
        birth_date=_cared_birth_date(world, index, _birth_date(rng, world.start)),
        gender=rng.choice(("female", "male")),
    )
    life = _pick(rng, LIVES)
    _be_enrolled(member, life)
    found: list[Event] = []
    if life in ("changes_payer", "two_payers"):
        other = _second_payer(member, life)
        _enroll(other, 1, accepted=other.since)
        found += _cared_for(other)
    return found + _cared_for(member)


def _pick(rng: Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def _birth_date(rng: Random, start: dt.date) -> dt.date:
    years = rng.uniform(66, 88) if rng.random() < 0.05 else rng.triangular(1, 65, 42)
    return start - ONE_DAY * int(365.25 * years)


def _cared_birth_date(world: World, index: int, drawn: dt.date) -> dt.date:
    """As drawn; where care is looked at, every fifteenth turns two or thirteen within the last year: too few are born or that age else."""
    if not world.care or index % 15:
        return drawn
    age = 2 if index % 2 else 13
    return dt.date(world.end.year - age, world.end.month, 1) - ONE_DAY * (index * 37 % 365)


def _be_enrolled(member: Member, life: str) -> None:
    """Enrollment spans of a life, with terms known ahead, taken back, reinstated, ended by death."""
    world, rng = member.world, member.rng
    _enroll(member, 1, accepted=member.since)
    last = max(member.since + ONE_DAY * 20, world.day(rng, 0.3, 0.95))
    match life:
        case "leaves" | "changes_payer":
            member.until = last
            _enroll(member, 2, accepted=last - ONE_DAY * rng.randint(5, 60), code="024")
        case "taken_back":
            _enroll(member, 2, accepted=last + ONE_DAY * rng.randint(30, 90), code="024", until=last)
        case "reinstated":
            accepted = last + ONE_DAY * rng.randint(20, 60)
            _enroll(member, 2, accepted=accepted, code="024", until=last)
            _enroll(member, 3, accepted=accepted + ONE_DAY * rng.randint(5, 45), code="025")
        case "dies":
            member.until = last
            accepted = last + ONE_DAY * rng.randint(5, 30)
            _enroll(member, 2, accepted=accepted, code="024", death_date=last.isoformat())
        case "changes_product":
            _enroll(member, 2, accepted=last - ONE_DAY * 10, code="024", until=last)
            member.product = "EPO" if member.product == "PPO" else "PPO"
            _enroll(member, 1, accepted=last - ONE_DAY * 10, since=last + ONE_DAY)


def _second_payer(member: Member, life: str) -> Member:
    plan = member.rng.choice([plan for plan in PLANS if plan is not member.plan])
    return Member(
        world=member.world,
        rng=member.rng,
        index=member.index,
        plan=plan,
        product=_pick(member.rng, plan.products),
        since=cast("dt.date", member.until) + ONE_DAY if life == "changes_payer" else member.since,
        birth_date=member.birth_date,
        gender=member.gender,
    )


def _enroll(
    member: Member,
    version: int,
    *,
    accepted: dt.date,
    code: str = "021",
    since: dt.date | None = None,
    until: dt.date | None = None,
    **more: object,
) -> None:
    rng, world = member.rng, member.world
    since, until = since or member.since, until or (member.until if version > 1 else None)
    index = member.index
    known = max(accepted + ONE_DAY * (rng.randint(-15, 10) if version == 1 else 0), world.start)
    event: Event = {
        "event_type": "enrollment",
        "payer": member.plan.payer,
        "member_id": member.member_id,
        "person_id": f"P{index:07d}",
        "span_id": f"{member.member_id}-{since.isoformat()}",
        "span_version": version,
        "enrollment_start_date": since.isoformat(),
        "product": member.product,
        "line_of_business": "commercial",
        "birth_date": member.birth_date.isoformat(),
        "gender": member.gender,
        "coverage": {"medical": True, "pharmacy": index % 5 != 0, "mental_health": True},
        "race": RACES[index % len(RACES)],
        "ethnicity": "hispanic or latino" if index % 3 == 0 else "not hispanic or latino",
        "language": "es" if index % 6 == 0 else "en",
        "state": "CA",
        "zip_code": f"9{index % 1700 + 20:04d}",
        "maintenance_type_code": code,
        "contact": {
            "first_name": FIRST_NAMES[index % len(FIRST_NAMES)],
            "last_name": LAST_NAMES[index % len(LAST_NAMES)],
            "phone": f"555-01{index % 100:02d}",
            "preferred_language": "es" if index % 6 == 0 else "en",
        },
        "source_system": member.plan.payer,
        "accepted_at": f"{known.isoformat()}T00:{rng.randint(1, 59):02d}:00Z",
        **more,
    }
    if until:
        event["enrollment_end_date"] = until.isoformat()
    member.record(event)


def _cared_for(member: Member) -> list[Event]:
    """Selections and claims of a member; returns these and the member's other events."""
    habit = _pick(member.rng, HABITS)
    practices = [
        practice
        for practice in member.world.places.practices
        if practice.kind != "children" or member.age(member.world.start) < 18
    ]
    home, other = member.rng.choice(practices), member.rng.choice(practices)
    if member.rng.random() < SELECTING:
        _select(member, home, other)
    _visit_primary_care(member, habit, home, other)
    _visit_elsewhere(member)
    return [*member.events, *_measured_care(member)] if member.world.care else member.events


def _measured_care(member: Member) -> list[Event]:
    about: Event = {
        "payer": member.plan.payer,
        "member_id": member.member_id,
        "birth_date": member.birth_date.isoformat(),
        "gender": member.gender,
    }
    world = member.world
    made = Care.of(about, world.seed, world.start, world.end).all()
    rng = _random(f"{world.seed}:care mistakes:{member.plan.payer}:{member.member_id}")
    # What is broken of them never comes again: nobody looks after a feed of charts as after one of claims.
    return [broken(rng, event) if rng.random() < world.bad_share else event for event in made]


def _select(member: Member, home: Office, other: Office) -> None:
    """A PCP selection from the first day of the member; some end, some are changed to another practice."""
    rng, world = member.rng, member.world
    since = max(member.since, world.start - ONE_DAY * 400)
    first = _selection(member, 1, home, since)
    member.events.append(first | {"accepted_at": _early(max(since, world.start), rng)})
    fate = rng.random()
    if fate >= 0.3:
        return
    last = max(since, world.day(rng, 0.2, 0.9))
    known = max(last + ONE_DAY * rng.randint(-20, 20), world.start + ONE_DAY)
    ended = {"selection_version": 2, "effective_to": last.isoformat(), "accepted_at": _early(known, rng)}
    member.events.append(first | ended)
    if fate < 0.15:
        member.events.append(_selection(member, 2, other, last) | {"accepted_at": _early(known, rng)})


def _selection(member: Member, number: int, practice: Office, since: dt.date) -> Event:
    rng = member.rng
    event: Event = {
        "event_type": "pcp_selection",
        "payer": member.plan.payer,
        "member_id": member.member_id,
        "selection_id": f"{member.member_id}-{number}",
        "selection_version": 1,
        "pcp_npi": rng.choice(practice.on(since)).npi,
        "selection_source": _pick(rng, SELECTION_SOURCES),
        "effective_from": since.isoformat(),
        "source_system": member.plan.payer,
    }
    if rng.random() < 0.6:
        event["practice_id"] = practice.office_id
    if rng.random() < 0.5:
        event["pcp_tin"] = practice.tin
    return event


def _early(day: dt.date, rng: Random) -> str:
    return f"{day.isoformat()}T01:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}Z"


def _days(member: Member, per_year: float) -> Iterator[dt.date]:
    """Random days of care while the member is covered, from the first day of the population on (a Poisson process)."""
    world = member.world
    first = max(member.since, world.start)
    days = ((member.until or world.end) - first).days
    passed = member.rng.expovariate(per_year / 365.25)
    while passed <= days:
        yield first + ONE_DAY * int(passed)
        passed += member.rng.expovariate(per_year / 365.25)


def _visit_primary_care(member: Member, habit: str, home: Office, other: Office) -> None:
    rng, world = member.rng, member.world
    if habit == "never":
        return
    turn = world.day(rng, 0.1, 0.6)
    own = {office.office_id: rng.choice(office.clinicians) for office in (home, other)}
    known = {home.office_id} if rng.random() < 0.7 else set()
    for day in _days(member, max(0.3, rng.gammavariate(2, 1.5))):
        if habit == "stops" and day > turn:
            return
        away = (habit == "moves" and day > turn) or (habit == "splits" and rng.random() < 0.5)
        office = other if away else home
        present = office.on(day)
        mine = own[office.office_id]
        claim = claims.primary_care_claim(
            rng,
            office=office,
            clinician=mine if mine in present and rng.random() < 0.7 else rng.choice(present),
            day=day,
            age=member.age(day),
            new_patient=office.office_id not in known,
        )
        known.add(office.office_id)
        _file(member, claim)


def _visit_elsewhere(member: Member) -> None:
    rng, places = member.rng, member.world.places
    for day in _days(member, VISITS_PER_YEAR["specialist"]):
        _file(member, claims.specialist_claim(rng, office=rng.choice(places.specialists), day=day, age=member.age(day)))
    for kind, make, office in (
        ("laboratory", claims.laboratory_claim, places.laboratory),
        ("emergency", claims.emergency_claim, places.hospital),
        ("urgent_care", claims.urgent_care_claim, places.urgent_care),
        ("inpatient", claims.inpatient_claim, places.hospital),
    ):
        for day in _days(member, VISITS_PER_YEAR[kind]):
            _file(member, make(rng, office=office, day=day, age=member.age(day)))


def _file(member: Member, claim: Event) -> None:
    """Send a claim: days to weeks after the service, one in fifty months later."""
    rng, plan = member.rng, member.plan
    lag = min(90.0, rng.lognormvariate(math.log(9), 0.7)) + (rng.uniform(60, 300) if rng.random() < 0.02 else 0)
    accepted = claims.last_day(claim) + dt.timedelta(days=1 + int(lag))
    time = dt.time(rng.randint(2, 22), rng.randint(0, 59), rng.randint(0, 59))
    member.claim_count += 1
    number = f"{member.index:07d}{member.claim_count:04d}"
    filing = Filing(
        plan=plan,
        member_id=member.member_id,
        control_number=f"{plan.payer[:2].upper()}{number}",
        claim_id=f"C{plan.payer[:1].upper()}{number}",
        accepted_at=dt.datetime.combine(accepted, time, dt.UTC),
        claim=claim,
    )
    for event in sent(rng, filing, encounter_only=member.product == "HMO"):
        member.record(event)
