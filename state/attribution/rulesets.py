"""Rulesets: the readings of the guide that a payer may choose between, as data. Source: attribution.md 2.6, reading notes."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Literal

import msgspec

from state.reference.tables import InvalidTable, TableFile

PracticeCriterion = Literal["visits", "latest_visit", "visits_18m", "preventive_visits", "weighted_visits"]
ProviderCriterion = Literal["visits", "latest_visit", "visits_18m"]


class Switches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What counts as primary care beyond the common reading; all off unless a contract says so."""

    count_retail_clinic: bool = False
    count_urgent_care: bool = False
    count_async_virtual: bool = False
    count_consults: bool = False
    count_immunization_only: bool = False
    obgyn_as_pcp: bool = False
    count_cns: bool = False


class Ruleset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of attribution. The orders rank practices and providers, best first; the lowest id settles a full tie."""

    name: str
    practice_order: tuple[PracticeCriterion, ...]
    provider_order: tuple[ProviderCriterion, ...]
    services: Literal["listed", "all_lines"] = "listed"
    allow_reopen: bool = False
    switches: Switches = Switches()

    @property
    def longest_window(self) -> int:
        """Months for which a visit can matter."""
        return 24 if "weighted_visits" in self.practice_order else 18


@lru_cache(maxsize=64)
def parse(file: TableFile) -> Ruleset:
    """The ruleset of a TOML file. Raises `InvalidTable` with the key that is wrong."""
    try:
        return msgspec.convert(tomllib.loads(file.data.decode()), Ruleset)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as problem:
        raise InvalidTable(
            f"{file.name} is not a ruleset ({problem}): compare it with state/data/rulesets/guide.toml."
        ) from None
