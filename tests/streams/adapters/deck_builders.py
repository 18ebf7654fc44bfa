"""FHIR test patients of an eCQM in few words, and the way from their bundles to the rows that a comparison reads.

Codes of value sets are numbers of our own, one for each OID. `Y` in a date is the year that is measured; `Y-1` the one before it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from ops.program import app
from state.measures.editions import Edition, built_in
from tests.fhir_resources import (
    LOINC,
    SNOMED,
    USCORE,
    as_patient,
    categories,
    coded,
    fact,
    measured,
    patient,
    prevalent,
    value_set,
)

Counts = tuple[int, ...]
POPULATIONS = (
    "initial_population",
    "denominator",
    "denominator_exclusion",
    "numerator",
    "numerator_exclusion",
    "denominator_exception",
)
OUT, OPEN, EXCLUDED, MET = (0,) * 6, (1, 1, 0, 0, 0, 0), (1, 1, 1, 0, 0, 0), (1, 1, 0, 1, 0, 0)
EXCEPTED = (1, 1, 0, 0, 0, 1)
YES, NO, NURSING_HOME, OWN_HOME = "373066001", "373067005", "160734000", "224209007"
POSITIVE, NEGATIVE, DECLINED = "428181000124104", "428171000124102", "720834000"
RATE = {"BCS": "screened", "COL": "screened", "CBP": "controlled", "GSD": "gt9", "DSF": "screened", "CIS": "combo10"}
HOSPICE_AT_HOME = {"dischargeDisposition": coded(SNOMED, "428361000124107")}
MAY = {"start": "Y-05-01T08:00:00Z", "end": "Y-05-01T09:00:00Z"}


class Role:
    """The code of a role, once an edition is chosen."""

    def __init__(self, name: str) -> None:
        self.name = name


def of(kind: str, role: str, **more: Any) -> dict[str, Any]:
    return fact(kind, Role(role), **more)


def visit(role: str = "qualifying_visit", **more: Any) -> dict[str, Any]:
    return of("Encounter", role, **({"id": "e", "period": MAY} | more))


def ill(role: str, onset: str, *more: Any, **said: Any) -> dict[str, Any]:
    return prevalent(Role(role), onset, *more, **said)


def done(role: str, on: str, **more: Any) -> dict[str, Any]:
    return of("Procedure", role, **({"performedDateTime": on} | more))


def imaged(role: str, on: str | None = None, **more: Any) -> dict[str, Any]:
    when = {} if on is None else {"effectiveDateTime": on}
    return of("Observation", role, **({"category": categories("imaging")} | when | more))


def lab(role: str, on: str, **more: Any) -> dict[str, Any]:
    return of("Observation", role, **({"category": categories("laboratory"), "effectiveDateTime": on} | more))


def asked(loinc: str, on: str | None, says: str | None = None, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"category": categories("survey")}
    if on is not None:
        said["effectiveDateTime"] = on
    if says is not None:
        said["valueCodeableConcept"] = coded(SNOMED, says)
    return fact("Observation", coded(LOINC, loinc), **(said | more))


def prescribed(role: str, on: str, days: int | None = 30, **more: Any) -> dict[str, Any]:
    supply = {} if days is None else {"dispenseRequest": {"expectedSupplyDuration": measured(days, "d")}}
    return of("MedicationRequest", role, authoredOn=on, **(supply | more))


def sexed(code: str) -> list[dict[str, str]]:
    return [{"url": f"{USCORE}/us-core-sex", "valueCode": code}]


def somebody(birth: str, **more: Any) -> dict[str, Any]:
    return patient(birthDate=birth, **({"extension": sexed("248152002")} | more))


SIXTY, SIXTY_SIX, TWELVE, EIGHTEEN, TWO = (
    somebody(birth) for birth in ("Y-60-03-01", "Y-66-12-31", "Y-12-01-01", "Y-19-12-31", "Y-2-12-31")
)
WHEELCHAIR = of("DeviceRequest", "frailty_device", authoredOn="Y-12-31T23:00:00Z")
SAYS = {"valueCodeableConcept": coded(SNOMED, "260385009")}


class Case(NamedTuple):
    """A patient of a measure's deck, and the populations expected of each year."""

    measure: str
    name: str
    resources: tuple[Any, ...]
    of_2025: Counts
    of_2026: Counts


def teller_of(cases: list[Case]) -> Callable[..., None]:
    """A function that puts a case at the end of a deck; the years agree unless it says otherwise."""

    def case(measure: str, name: str, *resources: Any, is_: Counts, in_2026: Counts | None = None) -> None:
        cases.append(Case(measure, name, resources, is_, is_ if in_2026 is None else in_2026))

    return case


class Deck:
    """What a comparison reads of a year: the populations of every patient, measure and rate."""

    def __init__(self, folder: Path, number: int, cases: list[Case]) -> None:
        edition = built_in(f"cms-{number}")
        needed = sorted({name for measure in edition.parameters for name in edition.value_sets(measure)})
        self._codes = {name: str(7_000_000 + place) for place, name in enumerate(needed)}
        self._edition, self._number = edition, number
        sets, patients = folder / "sets", folder / "patients"
        sets.mkdir()
        patients.mkdir()
        for place, (name, code) in enumerate(self._codes.items()):
            # Every third is cut off, as the published sets of more than 1,000 codes are.
            one = value_set(name, code, cut_at=None if place % 3 else 1973)
            (sets / f"valueset-{name}.json").write_text(json.dumps(one))
        for place, case in enumerate(cases):
            told = [one | self._named(one, number) for number, one in enumerate(self._told(case.resources))]
            (patients / f"{place}.json").write_text(json.dumps(as_patient(f"p{place}", *told)))
        events, out = folder / "events.ndjson", folder / "out"
        asked_for = ["replay", events, "--as-of", f"{number + 1}-03-31", "--edition", edition.name, "--valuesets", sets]
        asked_for += ["--out", out]
        for year in (number, number - 1):
            asked_for += ["--period", f"{year}-01-01..{year}-12-31"]
        self.said = self._run("import", "fhir", patients, "--out", events) + self._run(*asked_for)
        with (out / "measures.csv").open(newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.populations = {
            (row["member_id"], row["period"][:4], row["measure"], row["rate"]): tuple(
                int(row[one]) for one in POPULATIONS
            )
            for row in self.rows
        }

    def _run(self, *words: object) -> str:
        ended = CliRunner().invoke(app(), [str(word) for word in words])
        assert ended.exit_code == 0, ended.output
        return ended.output

    @staticmethod
    def _named(one: dict[str, Any], number: int) -> dict[str, str]:
        """An id for a resource that needs none of its own: in a bundle no two have the same."""
        return {"id": f"r{number}"} if one["id"] in ("x", "c") else {}

    def _told(self, said: Any) -> Any:
        """What is said, with the codes of the roles and the days of the year."""
        if isinstance(said, Role):
            return {"coding": [self._coding(self._edition, name) for name in said.name.split("+")]}
        if isinstance(said, dict):
            return {key: self._told(one) for key, one in said.items() if one is not None}
        if isinstance(said, list | tuple):
            return [self._told(one) for one in said]
        if isinstance(said, str):
            return re.sub(
                r"^Y([+-]\d{1,2}(?=-\d\d-\d\d))?(?=-)", lambda found: str(self._number + int(found[1] or 0)), said
            )
        return said

    def _coding(self, edition: Edition, role: str) -> dict[str, str]:
        if role == "virtual":
            return {"system": SNOMED, "code": self._codes["2.16.840.1.113883.3.464.1003.101.12.1089"]}
        names = edition.sets.get(role) or edition.sets["qualifying_visit"]
        return {"system": SNOMED, "code": self._codes[names[0]]}
