"""Cold rows: every version of a fact, whole, read only when a fact of the same thing arrives.

Names: `claim:<control number>`, `pharmacy:<control number>`, `clinical:<record id>`, `span:<span id>`, `selection:<selection id>`,
`plan:<month>`, `request:<kind>:<first day>:<practice>`, `id:<event id>` for ids that the source gave.
"""

from __future__ import annotations

import datetime as dt
from hashlib import blake2b

import msgspec

from schemas.records import Claim, Enrollment, MemberFact, Position

Body = MemberFact


class Sighting(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One event that said something: its place in the input (the lowest, when it was sent again), and when the source said it."""

    event_id: str
    position: Position
    occurred_at: dt.datetime | None


class Statement(msgspec.Struct, array_like=True):
    """One content, and the events that said it. Where it came from is not part of the content."""

    digest: bytes
    body: Body
    sightings: list[Sighting]

    @property
    def first(self) -> Sighting:
        """The sighting that came first."""
        return min(self.sightings, key=lambda sighting: sighting.position)


class History(msgspec.Struct, array_like=True, tag="history"):
    """Everything said of one claim family, dispensing, clinical record, span, selection, request, or month of a plan's list.

    `numbers`: the control numbers of a claim family or a dispensing, the lowest first.
    """

    statements: list[Statement]
    numbers: list[str] = []

    @property
    def is_claim(self) -> bool:
        """Whether it is a claim family."""
        return isinstance(self.statements[0].body, Claim)


class Forward(msgspec.Struct, array_like=True, frozen=True, tag="forward"):
    """This control number belongs to the claim family that stands at another number."""

    number: str


class KnownId(msgspec.Struct, array_like=True, frozen=True, tag="id"):
    """An event id that the source gave, and the row that its first content belongs to."""

    row: str


Row = History | Forward | KnownId

_encoder = msgspec.msgpack.Encoder()
_NOT_CONTENT = dict.fromkeys(("event_id", "source_system", "source_file", "source_row", "occurred_at", "accepted_at"))


def content(body: Body) -> Body:
    """What a record says, without where it came from and without contact data."""
    if isinstance(body, Enrollment) and body.contact is not None:
        body = msgspec.structs.replace(body, contact=None)
    if (
        body.event_id is None
        and body.source_system is None
        and body.source_file is None
        and body.source_row is None
        and body.occurred_at is None
        and body.accepted_at is None
    ):
        return body
    return msgspec.structs.replace(body, **_NOT_CONTENT)


def digest(said: Body) -> bytes:
    """16 bytes that are equal iff two contents are."""
    return blake2b(_encoder.encode(said), digest_size=16).digest()


def standing(statements: list[Statement]) -> list[Statement]:
    """The statements that hold: where one event id came with several contents, the one that came first has it.

    A statement that is left without an id does not stand. Source: design.md law 2.
    """
    if len(statements) == 1:
        return statements
    holders: dict[str, tuple[Position, bytes]] = {}
    for statement in statements:
        for sighting in statement.sightings:
            claim = (sighting.position, statement.digest)
            if sighting.event_id not in holders or claim < holders[sighting.event_id]:
                holders[sighting.event_id] = claim
    holding = {held for _, held in holders.values()}
    return [statement for statement in statements if statement.digest in holding]


def newest(history: History, version: str) -> Statement:
    """The statement of the highest version; of several contents under one version the one that came first in the input."""
    statements = standing(history.statements)
    highest = max(getattr(one.body, version) for one in statements)
    return min((one for one in statements if getattr(one.body, version) == highest), key=lambda one: one.first.position)


def take(history: History, said: Body, sighting: Sighting) -> bool:
    """Add a sighting of a content. False when it was known and nothing changed."""
    mark = digest(said)
    for statement in history.statements:
        if statement.digest != mark:
            continue
        for place, known in enumerate(statement.sightings):
            if known.event_id == sighting.event_id:
                if known.position <= sighting.position:
                    return False
                statement.sightings[place] = sighting
                return True
        statement.sightings.append(sighting)
        statement.sightings.sort()
        return True
    history.statements.append(Statement(mark, said, [sighting]))
    history.statements.sort(key=lambda statement: statement.digest)
    return True
