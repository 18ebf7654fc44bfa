"""The clinical adjustment: factors by age band and gender, supplied by the plan or OHCA. Source: payment.md 4.2."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import msgspec

from state.payment.amounts import exact
from state.reference.tables import TableFile, read_rows

COLUMNS = ("gender", "age_from", "age_to", "factor")
OLDEST = 130
_GENDERS = {"F": "F", "FEMALE": "F", "M": "M", "MALE": "M"}


class Person(msgspec.Struct, frozen=True, order=True):
    """A member on a frozen panel, as far as money needs to know; or several alike, `members` of them, where nobody is told apart."""

    member_id: str
    birth_date: dt.date
    gender: str
    members: int = 1


class Band(msgspec.Struct, frozen=True, order=True):
    """A factor for ages in whole years, both included."""

    gender: str
    age_from: int
    age_to: int
    factor: Decimal

    @property
    def name(self) -> str:
        """As in F35-44; F85+ where it has no end."""
        return f"{self.gender}{self.age_from}" + ("+" if self.age_to >= OLDEST else f"-{self.age_to}")


class MissingBand(Exception):
    """No band of the table holds an age: the contract that names it pays nobody until it is complete."""


class Factors(msgspec.Struct, frozen=True):
    """The bands of a table."""

    bands: tuple[Band, ...]

    def band(self, gender: str, age: int) -> Band:
        """The band of a gender (F, M) at an age. Raises `MissingBand`."""
        for band in self.bands:
            if band.gender == gender and band.age_from <= age <= band.age_to:
                return band
        raise MissingBand(f"the age and gender factors have no band for {gender} at {age}: complete the table.")

    def of(self, gender: str, age: int) -> Fraction:
        """The factor; for a gender that is neither F nor M the average of the age's two. Raises `MissingBand`."""
        known = _GENDERS.get(gender.upper())
        if known is not None:
            return exact(self.band(known, age).factor)
        return (exact(self.band("F", age).factor) + exact(self.band("M", age).factor)) / 2

    def missing(self) -> tuple[str, ...]:
        """The ages that no band holds, one word for each gap: F45-54, M85+."""
        gaps: list[str] = []
        for gender in ("F", "M"):
            age = 0
            for band in sorted(band for band in self.bands if band.gender == gender):
                if band.age_from > age:
                    gaps.append(Band(gender, age, band.age_from - 1, Decimal(0)).name)
                age = max(age, band.age_to + 1)
            if age < OLDEST:
                gaps.append(Band(gender, age, OLDEST, Decimal(0)).name)
        return tuple(gaps)


class Averaged(msgspec.Struct, frozen=True, kw_only=True):
    """A panel's members and the sum of their factors, relative to the population that averages 1."""

    members: int
    weight: Fraction

    @property
    def average(self) -> Fraction:
        """The panel's average factor; 1 for an empty panel."""
        return self.weight / self.members if self.members else Fraction(1)


def age_on(birth_date: dt.date, day: dt.date) -> int:
    """Whole years on a day; 0 for a child not yet born. Born on 29 February: a year older on 1 March of common years."""
    years = day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))
    return max(0, years)


def averaged(panel: Iterable[Person], month: dt.date, factors: Factors | None, normaliser: Decimal) -> Averaged:
    """The factors of a panel at the first day of a payment month, divided by the frozen average of the population.

    Without a table every member counts 1. Raises `MissingBand`.
    """
    weight, members = Fraction(0), 0
    for person in panel:
        members += person.members
        if factors is not None:
            weight += person.members * factors.of(person.gender, age_on(person.birth_date, month))
    return Averaged(members=members, weight=Fraction(members) if factors is None else weight / exact(normaliser))


def normaliser(population: Iterable[Person], month: dt.date, factors: Factors) -> Fraction:
    """The average factor of a plan's attributed population: dividing by it makes that population average 1. 1 for nobody."""
    return averaged(population, month, factors, Decimal(1)).average


@lru_cache(maxsize=64)
def parse(file: TableFile) -> Factors:
    """The bands of a CSV table; no age_to: no end. Raises `InvalidTable`, also where two bands hold one age. Gaps are `missing`."""
    bands: list[Band] = []
    for row in read_rows(file, COLUMNS):
        first = int(row.number("age_from"))
        last = int(row.number("age_to")) if row.optional("age_to") else OLDEST
        band = Band(row.one_of("gender", ("F", "M")), first, last, row.number("factor"))
        if last < first:
            raise row.wrong("age_to", f"band {band.name} ends before it starts")
        if any(other.gender == band.gender and other.age_from <= last and first <= other.age_to for other in bands):
            raise row.wrong("age_from", f"band {band.name} overlaps another")
        bands.append(band)
    return Factors(tuple(sorted(bands)))
