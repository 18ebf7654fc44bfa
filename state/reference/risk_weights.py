"""What weighs how much when utilisation is expected: a supplied table, laid out as docs/tables.md says. Source: measures.md 10.1 and 13.

Nobody may ship such weights: the owner of a licence writes them into this layout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal, cast

import msgspec

from state.reference.codes import Code, UnusableCode, code_of
from state.reference.tables import InvalidTable, TableFile, TableRow, read_rows

KIND = "rau_weights"
COLUMNS = ("row", "code", "cc", "ranking_group", "rank", "hcc", "parts", "measure", "model", "gender", "ages", "weight")
OLDEST = 130
HEAVIEST = 100
"""No weight of a logarithm is farther from zero: a number beyond is a rate or a count in the wrong column."""
Model = Literal["logistic", "count"]
"""Whether there is any event (logistic), and how many there are if there is one (count)."""
MODELS: tuple[Model, ...] = ("logistic", "count")
_AGES = re.compile(r"(\d{1,3})(?:-(\d{1,3})|\+)")


class Ranked(msgspec.Struct, frozen=True):
    """An HCC that a condition category makes, in a group of which only the highest counts: 1 is the highest rank."""

    group: str
    rank: int
    hcc: str


class Combination(msgspec.Struct, frozen=True):
    """HCCs that together weigh more than each: `hcc` is the name under which they do."""

    parts: frozenset[str]
    hcc: str


class Weight(msgspec.Struct, frozen=True, order=True):
    """A weight, and whose it is: those with an HCC ("": all), of a gender ("": any), of ages in whole years, both included."""

    hcc: str
    gender: str
    youngest: int
    oldest: int
    weight: Decimal

    @property
    def is_demographic(self) -> bool:
        """Whether it tells people apart by age or gender alone."""
        return not self.hcc and (self.gender != "" or (self.youngest, self.oldest) != (0, OLDEST))


@dataclass(frozen=True, slots=True, eq=False)
class RiskWeights:
    """The table: condition categories of a diagnosis, ranks of a category, combinations, and the weights by measure and model."""

    categories: Mapping[Code, tuple[str, ...]]
    ranks: Mapping[str, tuple[Ranked, ...]]
    combinations: tuple[Combination, ...]
    weights: Mapping[tuple[str, Model], tuple[Weight, ...]]

    def speaks_of(self, measure: str) -> bool:
        """Whether the table has both models of a measure."""
        return (measure, "logistic") in self.weights


@lru_cache(maxsize=16)
def parse(file: TableFile) -> RiskWeights:
    """The weights of a CSV table. Raises `InvalidTable`, also where a measure has one model of the two, or a weight twice."""
    categories: dict[Code, list[str]] = {}
    ranks: dict[str, list[Ranked]] = {}
    combinations: list[Combination] = []
    weights: dict[tuple[str, Model], list[Weight]] = {}
    for row in read_rows(file, COLUMNS):
        match row.one_of("row", ("cc", "rank", "comb", "weight")):
            case "cc":
                found = categories.setdefault(_diagnosis(row), [])
                if row.text("cc") not in found:
                    found.append(row.text("cc"))
            case "rank":
                ranks.setdefault(row.text("cc"), []).append(_ranked(row))
            case "comb":
                parts = frozenset(row.text("parts").split())
                if len(parts) < 2:
                    raise row.wrong("parts", "a combination has two HCCs or more, with a blank between them")
                combinations.append(Combination(parts, row.text("hcc")))
            case "weight":
                model = cast(Model, row.one_of("model", MODELS))
                known = weights.setdefault((row.text("measure"), model), [])
                weight = _weight(row)
                if any(_overlap(weight, other) for other in known):
                    raise row.wrong("weight", "an earlier row already weighs the same people for the same reason")
                known.append(weight)
    for measure in {measure for measure, _ in weights}:
        for model in MODELS:
            if (measure, model) not in weights:
                raise InvalidTable(
                    f"{file.name} has no {model} weights of {measure}: both models are needed. Add their rows."
                )
    return RiskWeights(
        categories={code: tuple(found) for code, found in categories.items()},
        ranks={cc: tuple(found) for cc, found in ranks.items()},
        combinations=tuple(combinations),
        weights={key: tuple(sorted(found)) for key, found in weights.items()},
    )


def _diagnosis(row: TableRow) -> Code:
    try:
        return code_of("ICD10CM", row.text("code"))
    except UnusableCode as problem:
        raise row.wrong("code", str(problem)) from None


def _ranked(row: TableRow) -> Ranked:
    rank = row.number("rank")
    if rank != rank.to_integral_value():
        raise row.wrong("rank", f"{rank} is no whole number")
    return Ranked(row.text("ranking_group"), int(rank), row.text("hcc"))


def _weight(row: TableRow) -> Weight:
    gender = row.optional("gender")
    if gender not in {"", "F", "M"}:
        raise row.wrong("gender", f"{gender!r} is none of F, M, or empty for both")
    weight = row.signed("weight")
    if abs(weight) > HEAVIEST:
        raise row.wrong("weight", f"{weight} is no weight of a logarithm")
    return Weight(row.optional("hcc"), gender, *_ages(row), weight)


def _ages(row: TableRow) -> tuple[int, int]:
    text = row.optional("ages")
    if not text:
        return 0, OLDEST
    found = _AGES.fullmatch(text)
    if found is None:
        raise row.wrong("ages", f"{text!r} is not written as 18-44, 65+, or empty for all")
    youngest, oldest = int(found[1]), OLDEST if found[2] is None else int(found[2])
    if oldest < youngest:
        raise row.wrong("ages", f"{text!r} ends before it starts")
    return youngest, oldest


def _overlap(one: Weight, other: Weight) -> bool:
    if one.is_demographic != other.is_demographic or (one.hcc, one.gender) != (other.hcc, other.gender):
        return False
    return one.youngest <= other.oldest and other.youngest <= one.oldest
