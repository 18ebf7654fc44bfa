"""FHIR R4 (QI-Core, US Core, CARIN Blue Button) as event files: bundles, single resources, bulk NDJSON.

What each element becomes is the table in docs/fhir.md, on which measures rely. One module for each family of resources; `reading` has
the files, `index` what resources must know of each other, `case` one resource with its surroundings, `left_out` what cannot be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from streams.adapters.fhir import care, claims, medications, observations, orders, people
from streams.adapters.fhir.case import Case, Surroundings
from streams.adapters.fhir.index import Index
from streams.adapters.fhir.reading import Broken, files, resources
from streams.adapters.left_out import LeftOut
from streams.adapters.sources import Event

PAYER = "fhir"
"""The payer of who has no coverage that names one."""
READ: dict[str, Callable[[Case], Iterator[Event]]] = {
    "Patient": people.patient,
    "Coverage": people.coverage,
    "Encounter": care.encounter,
    "Condition": care.condition,
    "AllergyIntolerance": care.allergy,
    "AdverseEvent": care.adverse_event,
    "Procedure": care.procedure,
    "Immunization": care.immunization,
    "Communication": care.communication,
    "Task": care.task,
    "Observation": observations.observation,
    "ServiceRequest": orders.service_request,
    "DeviceRequest": orders.device_request,
    "DeviceUseStatement": orders.device_use,
    "Device": orders.device,
    "MedicationRequest": medications.medication_request,
    "MedicationDispense": medications.medication_dispense,
    "MedicationAdministration": medications.medication_administration,
    "MedicationStatement": medications.medication_statement,
    "ExplanationOfBenefit": claims.explanation_of_benefit,
}
"""What is read of each type of resource."""
ONLY_POINTED_TO = frozenset({"Medication", "Organization", "Practitioner", "PractitionerRole"})
"""Types that say something only where another resource points to them."""


def events(paths: Sequence[Path], left_out: LeftOut, payer: str = PAYER, *, out: Path | None = None) -> Iterator[Event]:
    """The events of all resources of the files, in their order; what cannot be said goes to `left_out`.

    The files are read twice: first for what resources know of each other. What an import writes (`out`, and what is beside it under its
    name) is not read, though it stands among them. Raises `SourceError` where there is nothing to read.
    """
    sources = files(paths, out)
    with closing(Index()) as index:
        for found in resources(sources):
            if not isinstance(found, Broken):
                index.note(found)
        around = Surroundings(index, left_out, payer)
        for found in resources(sources):
            if isinstance(found, Broken):
                left_out.add(found.kind, found.reason, found.place)
            elif found.kind in READ and found.id is not None:
                yield from READ[found.kind](Case(found, around))
            elif found.kind in READ:
                left_out.add(found.kind, "has no id: not read", found.place)
            elif found.kind not in ONLY_POINTED_TO:
                left_out.add(found.kind, "is a type that is not read", found.place)
