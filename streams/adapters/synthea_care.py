"""The clinical tables of Synthea's CSV export as event files: encounters, conditions, procedures, observations and what else charts hold.

How rows are read:

- A chart is a patient's, and a patient is a member of each payer that ever insured them: the chart goes to each, as history
  comes with a person, and not before the payer has heard of the member. Who was never insured has a chart under
  NO_INSURANCE alone.
- Codes stay the source's: SNOMED CT, LOINC, CVX, RxNorm. Times stay as written, so that the day is that of UTC, as claims have it.
- What ends on a later day than it begins is told twice: without its end, and, from the day of its end on, with it.
- An id is the table and the encounter, the code and the time; of two rows that are equal in these the second one is `#2`.
- An encounter's class is that of HL7's ActCode (`CLASSES`); wellness, outpatient, urgent care and ambulatory are all AMB.
- A medication is an order (RxNorm): Synthea has no NDC, so that no dispensing can be told.
- QALY, DALY and QOLS are Synthea's own scores, without an encounter and of no code system: left out and listed.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.adapters.charts import People, note, records, result
from streams.adapters.left_out import LeftOut
from streams.adapters.sources import Event, Row, day, required_day, without_nulls

COLUMNS = {
    "conditions": ("START", "STOP", "PATIENT", "ENCOUNTER", "CODE"),
    "procedures": ("START", "STOP", "PATIENT", "ENCOUNTER", "CODE", "REASONCODE"),
    "observations": ("DATE", "PATIENT", "ENCOUNTER", "CATEGORY", "CODE", "VALUE", "UNITS"),
    "immunizations": ("DATE", "PATIENT", "ENCOUNTER", "CODE"),
    "medications": ("START", "STOP", "PATIENT", "ENCOUNTER", "CODE", "REASONCODE"),
    "allergies": ("START", "STOP", "PATIENT", "ENCOUNTER", "CODE", "SYSTEM"),
    "devices": ("START", "STOP", "PATIENT", "ENCOUNTER", "CODE"),
}
"""The clinical tables that are read where they are there, and what each must have; encounters are read with the claims."""
NOT_READ = ("careplans", "imaging_studies", "supplies")
"""Tables that no measure looks at."""
CLASSES = {"emergency": "EMER", "inpatient": "IMP", "virtual": "VR", "home": "HH", "snf": "IMP", "hospice": "HH"}
"""HL7 ActCode of an encounter class; AMB for every other."""
OWN_SCORES = frozenset({"QALY", "DALY", "QOLS"})
ALLERGY_SYSTEMS = {"SNOMED-CT": "SNOMEDCT", "RxNorm": "RXNORM"}


class Table(NamedTuple):
    """What a table holds: the kind of its records, the system of its codes, and what else a row says."""

    kind: str
    system: str
    says: Callable[[Row], Event]


def _stopped(row: Row) -> Event:
    return {"end": row.values["STOP"], "status": "completed" if row.values["STOP"] else "active"}


def _reasoned(row: Row) -> Event:
    reason = row.values["REASONCODE"]
    return {"reason_code": f"SNOMEDCT|{reason}"} if reason else {}


TABLES = {
    "conditions": Table(
        "condition",
        "SNOMEDCT",
        lambda row: {
            "end": row.values["STOP"],
            "status": "resolved" if row.values["STOP"] else "active",
            "verification_status": "confirmed",
        },
    ),
    "procedures": Table(
        "procedure", "SNOMEDCT", lambda row: {"end": row.values["STOP"], "status": "completed"} | _reasoned(row)
    ),
    "observations": Table(
        "observation",
        "LOINC",
        lambda row: {"unit": row.values["UNITS"], "category": row.values["CATEGORY"], "status": "final"},
    ),
    "immunizations": Table("immunization", "CVX", lambda _row: {"status": "completed"}),
    "medications": Table(
        "medication",
        "RXNORM",
        lambda row: _stopped(row) | {"intent": "order", "authored": row.values["START"]} | _reasoned(row),
    ),
    "allergies": Table(
        "allergy",
        "SNOMEDCT",
        lambda row: {
            "code_system": ALLERGY_SYSTEMS.get(row.values["SYSTEM"], row.values["SYSTEM"]),
            "end": row.values["STOP"],
            "status": "resolved" if row.values["STOP"] else "active",
        },
    ),
    "devices": Table("device", "SNOMEDCT", _stopped),
}


def chart(tables: dict[str, list[Row]], people: People, left_out: LeftOut, source: str) -> Iterator[Event]:
    """The records of the clinical tables that are there, and of the encounters."""
    for row in tables["encounters"]:
        yield from _encounter(row, people, left_out, source)
    for name, table in TABLES.items():
        seen: Counter[str] = Counter()
        for row in tables.get(name, ()):
            values = row.values
            if values["CODE"] in OWN_SCORES:
                note(left_out, row, f"{values['CODE']} is a score of Synthea's own, of no code system: not read")
                continue
            start = values.get("START") or values["DATE"]
            identity = f"{name}/{values['ENCOUNTER']}/{values['CODE']}/{start}"
            seen[identity] += 1
            facts: Event = {
                "record_id": identity if seen[identity] == 1 else f"{identity}#{seen[identity]}",
                "kind": table.kind,
                "code_system": table.system,
                "code": values["CODE"],
                "start": start,
                **table.says(row),
                **(result(row, values["VALUE"], left_out) if name == "observations" else {}),
                "source": "ehr",
                "part_of": f"encounters/{values['ENCOUNTER']}" if values["ENCOUNTER"] else None,
            }
            for version, known in _versions(row, without_nulls(facts)):
                yield from records(row, people, values["PATIENT"], known, left_out, version, source)


def _versions(row: Row, facts: Event) -> Iterator[tuple[Event, dt.date]]:
    """A record as it is first known, with the day; and, of what ended on a later day, as it is known from then on."""
    start = required_day(row, "START" if "START" in row.values else "DATE")
    end = day(row, "STOP") if "STOP" in row.values else None
    if end is None or end <= start:
        yield facts, start
        return
    going_on = "in-progress" if facts["kind"] == "procedure" else "active"
    yield {key: value for key, value in facts.items() if key != "end"} | {"status": going_on}, start
    yield facts | {"record_version": 2}, end


def _encounter(row: Row, people: People, left_out: LeftOut, source: str) -> Iterator[Event]:
    values = row.values
    facts: Event = {
        "record_id": f"encounters/{values['Id']}",
        "kind": "encounter",
        "code_system": "SNOMEDCT",
        "code": values["CODE"],
        "start": values["START"],
        "end": values["STOP"],
        "category": CLASSES.get(values["ENCOUNTERCLASS"], "AMB"),
        "status": "finished",
        "source": "ehr",
        "reason_code": f"SNOMEDCT|{values['REASONCODE']}" if values["REASONCODE"] else None,
    }
    yield from records(
        row, people, values["PATIENT"], required_day(row, "STOP"), left_out, without_nulls(facts), source
    )
