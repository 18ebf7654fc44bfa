"""Which class of a contract a service line is in, and whether that class is capitated. Source: payment.md 4.1, tables 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from schemas.money import Contract, ServiceClass

OTHER = "All other services"
"""What no class of the contract holds: fee for service in every track, the last row of both printed tables."""
_CODE = re.compile(r"([A-Z]?)([0-9]{1,5})([A-Z]?)")


class BadCodes(ValueError):
    """A word of a class is neither a code nor a range of codes."""


class Span(msgspec.Struct, frozen=True):
    """Codes from `first` to `last` that share letters and length: J0000-J9999, 0001T-9999T."""

    before: str
    first: int
    last: int
    after: str
    digits: int

    def holds(self, code: str) -> bool:
        """Whether the code is of this span."""
        found = _CODE.fullmatch(code)
        return (
            found is not None
            and (found[1], found[3], len(found[2])) == (self.before, self.after, self.digits)
            and self.first <= int(found[2]) <= self.last
        )


class Compiled(msgspec.Struct, frozen=True):
    """A class with its codes read."""

    service_class: ServiceClass
    spans: tuple[Span, ...]

    def holds(self, code: str, place_of_service: str | None) -> bool:
        """Whether a line of this code, rendered at this place, is of the class."""
        places = self.service_class.places_of_service
        return (not places or place_of_service in places) and any(span.holds(code) for span in self.spans)


class ServiceClasses(msgspec.Struct, frozen=True):
    """The classes of a contract in its order, and the places of service that capitation pays for."""

    classes: tuple[Compiled, ...]
    capitated_places: frozenset[str]

    def name_of(self, code: str | None, place_of_service: str | None) -> tuple[str, bool]:
        """The class of a line and whether it is capitated.

        The first class that holds the code decides. A line rendered elsewhere than at the contract's places of capitation is fee for
        service whatever its class, so that "992xx" does not swallow emergency and hospital visits.
        """
        if code is not None:
            for one in self.classes:
                if one.holds(code, place_of_service):
                    capitated = one.service_class.column == "capitated" and place_of_service in self.capitated_places
                    return one.service_class.name, capitated
        return OTHER, False


def span_of(word: str) -> Span:
    """A code or a range as a span. Raises `BadCodes`."""
    first, dash, last = word.partition("-")
    one, other = _CODE.fullmatch(first), _CODE.fullmatch(last if dash else first)
    if (
        not one
        or not other
        or (one[1], one[3], len(one[2])) != (other[1], other[3], len(other[2]))
        or len(first) != 5
        or int(one[2]) > int(other[2])
    ):
        raise BadCodes(f"{word!r} is neither a code of five signs nor a range of such codes")
    return Span(one[1], int(one[2]), int(other[2]), one[3], len(one[2]))


def compiled(contract: Contract) -> ServiceClasses:
    """The classes of a contract, ready to ask. Raises `BadCodes`. Track A capitates nothing."""
    classes: Iterable[ServiceClass] = () if contract.track == "A" else contract.service_classes
    return ServiceClasses(
        tuple(Compiled(one, tuple(span_of(word) for word in one.codes)) for one in classes),
        frozenset(contract.capitated_places_of_service),
    )
