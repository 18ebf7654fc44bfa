"""Rates of a practice: outcomes of its members added up, and the value that follows.

Sums are absolute and add up over members, partitions and payers alike; a value is made from sums alone. Excluded members leave both
denominator and numerator (measures.md 16.21).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from state.measures.catalogue import MEASURES
from state.measures.facts import Profile
from state.measures.outcome import Outcome, Sums

Of = TypeVar("Of")
"""What else a cell's sums belong to, such as a reading of a period."""


EQUITY = ("race", "ethnicity", "language")
"""What strata are made of besides age bands. Reported, never paid on (program.md)."""
UNKNOWN = "unknown"
_SAYS_NOTHING = frozenset(
    {
        *(
            "",
            "unknown",
            "unk",
            "u",
            "asked but unknown",
            "asku",
            "not asked",
            "nask",
            "no information",
            "ni",
            "none given",
        ),
        *(
            "not reported",
            "not provided",
            "not available",
            "n/a",
            "na",
            "null",
            "declined",
            "declined to answer",
            "refused",
        ),
        *("patient declined", "prefer not to say", "prefer not to answer", "choose not to disclose", "not disclosed"),
    }
)
"""What plans write for somebody of whom they do not know it. Source: HL7 NullFlavor, CDC race and ethnicity, common feeds."""


class Cell(msgspec.Struct, frozen=True, order=True):
    """Where an outcome is counted. `stratum` is "" for all members, else `band:...`, `race:...`, `ethnicity:...` or `language:...`."""

    measure: str
    rate: str
    payer: str
    practice_id: str
    stratum: str


def sums_of(outcome: Outcome) -> Sums:
    """What one member adds to a rate."""
    counted = outcome.denominator - outcome.denominator_exclusion - outcome.denominator_exception
    if counted <= 0:
        return Sums(more=outcome.sums)
    return Sums(counted, outcome.numerator - outcome.numerator_exclusion, outcome.sums)


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """What one rate of a member was counted with, and in which age band."""

    rate: str
    band: str
    denominator: int
    numerator: int
    more: Mapping[str, Decimal] = {}

    def __str__(self) -> str:
        """As adjustments say it: numerator/denominator, and named sums after it."""
        return " ".join(
            (f"{self.numerator}/{self.denominator}", *(f"{name}={value}" for name, value in sorted(self.more.items())))
        )


def counted_of(outcomes: Iterable[Outcome]) -> tuple[Counted, ...]:
    """What the rates of a measure count a member with; rates that do not count the member are left out."""
    return tuple(
        Counted(outcome.rate, outcome.band, sums.denominator, sums.numerator, sums.more)
        for outcome in outcomes
        if not (sums := sums_of(outcome)).is_nothing
    )


def strata_of(profile: Profile, band: str) -> Iterator[str]:
    """The strata in which a member counts besides all: age band, race, ethnicity, language; `unknown` where the plan does not say."""
    if band:
        yield f"band:{band}"
    for kind, value in zip(EQUITY, (profile.race, profile.ethnicity, profile.language), strict=True):
        yield f"{kind}:{spoken(value)}"


def spoken(value: str) -> str:
    """What a plan says of somebody, in one spelling; `unknown` where it says that it does not know, in whatever words."""
    words = " ".join(value.casefold().split())
    return UNKNOWN if words in _SAYS_NOTHING else words


def counted(
    measure: str, payer: str, practice_id: str, profile: Profile, outcomes: Iterable[Outcome]
) -> Iterator[tuple[Cell, Sums]]:
    """Where a member counts with a measure, and with what. Nothing for a member whom nobody gets the credit for."""
    if not practice_id:
        return
    for outcome in outcomes:
        sums = sums_of(outcome)
        if sums.is_nothing:
            continue
        yield Cell(measure, outcome.rate, payer, practice_id, ""), sums
        for stratum in strata_of(profile, outcome.band):
            yield Cell(measure, outcome.rate, payer, practice_id, stratum), sums


def value_of(cell: Cell, sums: Sums, peers: Sums, parameters: Any) -> tuple[Decimal | None, str]:
    """The value of a rate and what there is to say of it; `peers` are the sums of all practices of the payer in the same stratum."""
    measure = MEASURES[cell.measure]
    if measure.compare is not None:
        return measure.compare(sums, peers, cell.rate, parameters)
    return measure.value(sums, cell.rate, parameters)


def known_shares(of: Of, cell: Cell, sums: Mapping[tuple[Of, Cell], Sums]) -> dict[str, int]:
    """Of how many percent of a rate's denominator race, ethnicity and language are known, rounded down: 100 is everybody.

    Said of all members of a rate; empty for one of its strata and for a denominator of nobody.
    """
    whole = sums[of, cell].denominator
    if cell.stratum or whole <= 0:
        return {}
    unknown = {
        kind: sums.get((of, msgspec.structs.replace(cell, stratum=f"{kind}:{UNKNOWN}")), Sums()).denominator
        for kind in EQUITY
    }
    return {kind: 100 * (whole - number) // whole for kind, number in unknown.items()}


def of_all(cell: Cell) -> Cell:
    """The cell of all practices of a payer together, for the same rate and stratum."""
    return msgspec.structs.replace(cell, practice_id="")


def peers(sums: Mapping[tuple[Of, Cell], Sums]) -> dict[tuple[Of, Cell], Sums]:
    """The sums of all practices together, for the measures that compare practices."""
    found: dict[tuple[Of, Cell], Sums] = {}
    for (of, cell), some in sums.items():
        if MEASURES[cell.measure].compare is not None:
            key = of, of_all(cell)
            found[key] = found.get(key, Sums()) + some
    return found
