"""One resource with what is around it: who its patient is, what it refers to, where to note what cannot be said of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from streams.adapters.fhir.elements import Coding, Json, codings, part, parts, reference, text
from streams.adapters.fhir.index import COVERAGE_OF, Index, known
from streams.adapters.fhir.reading import Found
from streams.adapters.fhir.times import Span, Unreadable, span, when
from streams.adapters.left_out import LeftOut
from streams.adapters.sources import Event, without_nulls

SOURCE = "fhir"
SUBJECTS = ("subject", "patient", "beneficiary", "for")
"""Under which names resources say whose they are."""


class Person(NamedTuple):
    """A patient as a member: by one id at each payer that covers them."""

    id: str
    member_id: str
    birth_date: str | None
    payers: tuple[str, ...]
    coverages: tuple[Json, ...]
    """What is known of their coverage, entered in error or not."""


class Surroundings:
    """What one import knows: the index of its files, the payer where none is named, and what it has left out."""

    def __init__(self, index: Index, left_out: LeftOut, payer: str) -> None:
        self.index = index
        self.left_out = left_out
        self.payer = payer
        self.person = lru_cache(maxsize=1 << 12)(self._person)

    def _person(self, scope: str, identity: str) -> Person | None:
        known_of = self.index.one(scope, "Patient", identity)
        if known_of is None:
            return None
        latest = {str(each["id"]): each for each in self.index.every(scope, COVERAGE_OF, identity)}
        coverages = tuple(latest[each] for each in sorted(latest))
        payers = {self.payer_of(scope, each) for each in coverages if text(each, "status") != "entered-in-error"}
        return Person(
            identity,
            str(known_of["member_id"]),
            known_of["birth_date"],
            tuple(sorted(payers)) or (self.payer,),
            coverages,
        )

    def payer_of(self, scope: str, coverage: Json) -> str:
        """Who pays under a coverage: as it is shown, else the name of the organisation, else its id; else the import's payer."""
        for payor in parts(coverage, "payor"):
            name = self.organisation_name(scope, payor, coverage)
            if name is not None:
                return name
        return self.payer

    def organisation_name(self, scope: str, pointer: Json, holder: Json) -> str | None:
        """The name under which an organisation is a payer: a '|' would part payer and member in keys, so it becomes a '/'."""
        pointed = reference(pointer)
        if pointed is not None and pointed.kind not in ("", "#", "Organization"):
            return None
        said = text(pointer, "display")
        if said is None and pointed is not None:
            found = self.looked_up(scope, pointed.kind, pointed.id, holder, "Organization", by_url=pointed.by_url)
            said = text(found or {}, "name") or (None if pointed.kind == "#" else pointed.id)
        said = said or text(part(pointer, "identifier"), "value")
        return said and said.replace("|", "/")

    def looked_up(
        self, scope: str, kind: str, identity: str, holder: Json, wanted: str, *, by_url: bool
    ) -> Json | None:
        """What is known of a resource of a wanted type that a reference points to; of a contained one as of any other."""
        if kind == "#":
            for inner in parts(holder, "contained"):
                if text(inner, "id") == identity:
                    return next((said for found, _, said in known(inner, identity) if found == wanted), None)
            return None
        if kind not in ("", wanted):
            return None
        return self.index.one(
            scope, wanted, self.index.named(scope, identity) if by_url else self.index.renamed(scope, wanted, identity)
        )


class Case:
    """A resource being turned into events."""

    def __init__(self, found: Found, around: Surroundings) -> None:
        self.found = found
        self.around = around
        self.resource = found.resource
        self.kind = found.kind
        self.id = found.id or ""

    @property
    def record_id(self) -> str:
        """The id under which others belong to it, such as `Encounter/7`."""
        return f"{self.kind}/{self.id}"

    def leave(self, reason: str) -> None:
        """Note what cannot be said, or not as the source says it."""
        self.around.left_out.add(self.kind, reason, self.found.place)

    def person(self) -> Person | None:
        """Whose resource it is. None, and noted, where it is nobody's that the input knows."""
        pointer = next((found for name in SUBJECTS if (found := part(self.resource, name))), {})
        pointed = reference(pointer)
        if pointed is None:
            self.leave("names no patient by a reference: not read")
            return None
        if pointed.kind not in ("", "Patient"):
            self.leave(f"is about a {pointed.kind}, not a patient: not read" if pointed.kind != "#" else _UNKNOWN)
            return None
        index, scope = self.around.index, self.found.scope
        identity = index.named(scope, pointed.id) if pointed.by_url else index.renamed(scope, "Patient", pointed.id)
        person = self.around.person(self.found.scope, identity)
        if person is None:
            self.leave(_UNKNOWN)
        return person

    def known(self, pointer: Json, kind: str) -> Json | None:
        """What is known of the resource of a kind that an element points to. None where it points to none that the input has."""
        pointed = reference(pointer)
        if pointed is None:
            return None
        return self.around.looked_up(
            self.found.scope, pointed.kind, pointed.id, self.resource, kind, by_url=pointed.by_url
        )

    def part_of(self, name: str, kind: str) -> str | None:
        """The record_id of the resource of a kind that an element points to."""
        pointed = reference(part(self.resource, name))
        if pointed is None or pointed.kind not in ("", kind):
            return None
        index, scope = self.around.index, self.found.scope
        identity = index.named(scope, pointed.id) if pointed.by_url else index.renamed(scope, kind, pointed.id)
        return f"{kind}/{identity}"

    def span(self, name: str, birth: str | None = None) -> Span | None:
        """The time under a name of many types; what it cannot say of it is noted."""
        return self.told(name, span(self.resource, name, birth))

    def moment(self, name: str) -> Span | None:
        """The time under a name of one type."""
        written = text(self.resource, name)
        return self.told(name, when(written)) if written else None

    def time(self, name: str) -> str | None:
        """When something was written down."""
        found = self.moment(name)
        return found and found.start

    def told(self, name: str, found: Span | Unreadable | None) -> Span | None:
        """A time, with a note of what had to be said otherwise."""
        if found is not None and found.note:
            self.leave(f"{name} {found.note}")
        return found if isinstance(found, Span) else None

    def codes(self, concepts: Sequence[Json]) -> list[Coding]:
        """The codes that name a record; those without a system are noted, and so is it if none is left."""
        found = list(dict.fromkeys(coding for concept in concepts for coding in codings(concept)))
        named = [coding for coding in found if coding.system]
        if len(named) < len(found):
            self.leave("has a code without a system: that code is not read")
        if not named:
            self.leave("has no code of a system: not read")
        return named


_UNKNOWN = "is about a patient whom the input does not have: not read"


def version(resource: Json) -> int:
    """The version of a resource: its versionId if that is a number, else the milliseconds of lastUpdated, else 1."""
    meta = part(resource, "meta")
    number = text(meta, "versionId") or ""
    if number.isascii() and number.isdigit() and len(number) <= 15:
        return int(number)
    updated = when(text(meta, "lastUpdated") or "")
    if isinstance(updated, Span) and "T" in updated.start:
        return int(dt.datetime.fromisoformat(updated.start).timestamp() * 1000)
    return 1


def provenance(case: Case, latest: str | None = None) -> Event:
    """Where an event comes from, and when it was known: lastUpdated, unless that lies before what it tells of."""
    place = case.found.place
    updated = when(text(part(case.resource, "meta"), "lastUpdated") or "")
    known_at = updated.start if isinstance(updated, Span) and "T" in updated.start else None
    if known_at is not None and latest is not None and known_at[:10] < latest[:10]:
        known_at = None
    return {
        "source_system": SOURCE,
        "source_file": place.file,
        "source_row": place.entry or place.line,
        "accepted_at": known_at,
    }


def clinical(
    case: Case,
    person: Person,
    kind: str,
    codes: Sequence[Coding],
    span: Span,
    *,
    record_id: str | None = None,
    **said: object,
) -> Iterator[Event]:
    """A clinical record for each code and each payer of the person.

    The first code's record is the resource itself, such as `Procedure/7`; each further one's is that with `#system|code` after it.
    """
    whole = record_id or case.record_id
    for number, coding in enumerate(codes):
        for payer in person.payers:
            yield without_nulls(
                {
                    "event_type": "clinical",
                    "payer": payer,
                    "member_id": person.member_id,
                    "record_id": whole if number == 0 else f"{whole}#{coding}",
                    "record_version": version(case.resource),
                    "kind": kind,
                    "code_system": coding.system,
                    "code": coding.code,
                    "start": span.start,
                    "end": span.end,
                    **said,
                    **provenance(case, span.start),
                }
            )
