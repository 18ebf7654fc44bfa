"""Synthea's CSV export as event files.

Synthea simulates care, not billing: it has no HCPCS codes, NPIs, TINs or plan products. What we put in their place:

- Visit codes, places of service, bill types: `synthea_visits.csv`, the first row that fits encounter class, encounter
  code, age, and whether the patient is new. A patient is new who had no encounter with the organisation in the three
  years before (CPT's rule). Levels are the middle one, since the source has none.
- Taxonomies: `synthea_specialties.csv`. Only its primary care physicians are PCPs of the roster; nurse practitioners
  and physician assistants have no specialty in the source and are left to the rules of their taxonomy.
- NPI and TIN are made from the provider's or organisation's id (`streams.adapters.identifiers`); a practice is an
  organisation, participating, under its own TIN and organisational NPI.
- A member is a patient at a payer, by the patient's id: claims name no other, and MEMBERID is a new one at nearly
  every renewal. MEMBERID is part of the span's id.

How its rows are read:

- An encounter has one claim for itself and one for each prescription, and no column tells them apart: the first charge
  of the encounter's own claim has the encounter's code. A prescription's claim becomes a professional claim at a
  pharmacy (POS 01) without HCPCS, dated by the charge: its end date would be the end of the medication, years later.
- Charges are the lines, in the order of CHARGEID. The end 1970-01-01 is Synthea's null. Dates are UTC days of the
  source's times.
- Procedures and diagnoses (SNOMED) are billed as `synthea_codes.csv` says: those that measures look at, and common
  illness. Where nobody can say it in CPT or ICD-10-CM a claim has no code, which is listed: the chart has it as it is.
- The clinical tables are read by `synthea_care`.
- Synthea knows no discount: the allowed amount is the charge. The paid amount is what the primary payer paid (ECHECK
  before the charge is transferred to another party); copays, the patient's own and a secondary payer's money are not.
- HEALTHCARECLAIMTYPEID1 does not say professional or institutional, only wellness or not: it is not used.
- Insurance id 0 is the payer of the encounter, NO_INSURANCE. Its claims are kept under that name, its years in
  payer_transitions are no coverage and give no span.
- A transition ends where the next starts: the last covered day is the day before. One of no length never took effect
  (maintenance type 024).
- A death is the next version of the span it falls in, accepted as claims are, so that nobody knows of it before.
- Claims are accepted 14 days after their last day, spans on their first day, reference records on the first day of
  the year of the oldest record.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from collections import defaultdict
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from streams.adapters import synthea_care
from streams.adapters.charts import Membership, note
from streams.adapters.identifiers import npi_of, tin_of
from streams.adapters.left_out import Place
from streams.adapters.sources import (
    CLAIM_LAG,
    Event,
    Row,
    SourceError,
    accepted,
    amount,
    day,
    required_day,
    required_whole_number,
    rows,
    without_nulls,
)
from streams.adapters.states import postal_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from streams.adapters.left_out import LeftOut

SOURCE = "synthea"
NO_INSURANCE = "NO_INSURANCE"
NULL_TIME = "1970-01-01T00:00:00Z"
ONE_DAY = dt.timedelta(days=1)
NEW_PATIENT_YEARS = 3
"""A patient not seen in an organisation for three years is new to it. Source: CPT, new and established patient."""

COLUMNS = {
    "patients": (
        *("Id", "BIRTHDATE", "DEATHDATE", "FIRST", "LAST", "RACE", "ETHNICITY", "GENDER", "ADDRESS", "CITY", "STATE"),
        "ZIP",
    ),
    "encounters": (
        *("Id", "START", "STOP", "PATIENT", "ORGANIZATION", "PROVIDER", "PAYER", "ENCOUNTERCLASS", "CODE"),
        "REASONCODE",
    ),
    "claims": (
        *("Id", "PATIENTID", "PROVIDERID", "PRIMARYPATIENTINSURANCEID", "APPOINTMENTID", "SERVICEDATE", "STATUS1"),
        *(f"DIAGNOSIS{place}" for place in range(1, 9)),
    ),
    "claims_transactions": (
        *("CLAIMID", "CHARGEID", "TYPE", "AMOUNT", "METHOD", "FROMDATE", "TODATE", "PROCEDURECODE", "UNITS"),
        *("TRANSFERTYPE", "PAYMENTS"),
    ),
    "providers": ("Id", "ORGANIZATION", "SPECIALITY"),
    "organizations": ("Id", "NAME"),
    "payers": ("Id", "NAME"),
    "payer_transitions": ("PATIENT", "MEMBERID", "START_YEAR", "END_YEAR", "PAYER"),
}
"""The files read, and what each must have. Other files and columns of the export are not read."""

PRODUCTS = {
    "Medicare": ("FFS", "medicare"),
    "Medicaid": ("FFS", "medicaid"),
    "Dual Eligible": ("FFS", "dual"),
    NO_INSURANCE: ("NONE", "uninsured"),
}
"""Product and line of business of a payer by its name; any other payer is commercial and sells a PPO."""
RACES = {
    "black": "black or african american",
    "hawaiian": "native hawaiian or other pacific islander",
    "native": "american indian or alaska native",
}
"""Synthea's words for race that differ from those of the Tuva input layer."""
ETHNICITIES = {"hispanic": "hispanic or latino", "nonhispanic": "not hispanic or latino"}
GENDERS = {"M": "male", "F": "female"}


class VisitRule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `synthea_visits.csv`: for which encounters it holds (empty holds for all), and how they are billed."""

    encounter_class: str
    encounter_code: str
    patient: str
    age_from: str
    age_to: str
    effective_from: str
    claim_type: str
    place_of_service: str
    bill_type: str
    revenue_center: str
    hcpcs: str
    modifier: str
    note: str

    def holds(self, encounter: Row, *, age: int, patient: str) -> bool:
        """Whether an encounter of a patient of that age, `new` or `established`, is billed by this row."""
        values = encounter.values
        return (
            self.encounter_class == values["ENCOUNTERCLASS"]
            and self.encounter_code in ("", values["CODE"])
            and self.patient in ("", patient)
            and int(self.age_from or 0) <= age <= int(self.age_to or 999)
            and self.effective_from <= values["START"]
        )


class Export:
    """The rows of one export, by what joins them; what cannot be said of them goes to `left_out`."""

    def __init__(self, folder: Path, left_out: LeftOut) -> None:
        self.left_out = left_out
        read = {name: list(rows(folder / f"{name}.csv", columns)) for name, columns in COLUMNS.items()}
        self.charts = {"encounters": read["encounters"]} | {
            name: list(rows(folder / f"{name}.csv", columns))
            for name, columns in synthea_care.COLUMNS.items()
            if (folder / f"{name}.csv").is_file()
        }
        self.billed_as = {row["code"]: (row["code_system"], row["billed_as"]) for row in _table("synthea_codes.csv")}
        self.claims = read["claims"]
        self.transitions = read["payer_transitions"]
        self.providers = read["providers"]
        self.organizations = {row.values["Id"]: row for row in read["organizations"]}
        self.payers = {row.values["Id"]: row for row in read["payers"]}
        self.patients = {row.values["Id"]: row for row in read["patients"]}
        self.encounters = {row.values["Id"]: row for row in read["encounters"]}
        self.taxonomies = {row.values["Id"]: _speciality(row)[0] for row in read["providers"]}
        self.transactions: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(read["claims_transactions"], key=lambda row: required_whole_number(row, "CHARGEID")):
            self.transactions[row.values["CLAIMID"]].append(row)
        self.seen: dict[tuple[str, str], list[dt.date]] = defaultdict(list)
        for row in read["encounters"]:
            self.seen[row.values["PATIENT"], row.values["ORGANIZATION"]].append(required_day(row, "START"))
        self.first_day = min(
            min((required_day(row, "START") for row in read["encounters"]), default=dt.date.max),
            min((required_day(row, "START_YEAR") for row in self.transitions), default=dt.date.max),
        ).replace(month=1, day=1)

    def payer(self, source_id: str) -> str:
        """A payer's id in our events: its name in small letters, words joined by hyphens."""
        return "-".join(self.payers[source_id].values["NAME"].lower().replace("_", " ").split())

    def members(self) -> dict[str, tuple[Membership, ...]]:
        """Each patient as a member of the payers that ever insured them, from the first span on; else of NO_INSURANCE."""
        found: dict[str, dict[str, dt.date]] = {patient: {} for patient in self.patients}
        uninsured: dict[str, dict[str, dt.date]] = {patient: {} for patient in self.patients}
        for row in self.transitions:
            name = self.payers[row.values["PAYER"]].values["NAME"]
            known = (uninsured if name == NO_INSURANCE else found)[row.values["PATIENT"]]
            start, payer = required_day(row, "START_YEAR"), self.payer(row.values["PAYER"])
            known[payer] = min(start, known.get(payer, start))
        return {
            patient: tuple(
                Membership(payer, patient, since) for payer, since in sorted((known or uninsured[patient]).items())
            )
            for patient, known in found.items()
        }

    def code(self, source_code: str, *systems: str) -> str | None:
        """As which code of one of the systems a source's code is billed; None where `synthea_codes.csv` does not say it."""
        system, code = self.billed_as.get(source_code, ("", ""))
        return code if system in systems else None

    def is_new_patient(self, encounter: Row) -> bool:
        """Whether the patient had no encounter with the organisation in the three years before this one's day."""
        today = required_day(encounter, "START")
        last_of_february = min(today.day, 28) if today.month == 2 else today.day
        limit = today.replace(year=today.year - NEW_PATIENT_YEARS, day=last_of_february)
        before = self.seen[encounter.values["PATIENT"], encounter.values["ORGANIZATION"]]
        return not any(limit <= other < today for other in before)


def events(folder: Path, left_out: LeftOut) -> Iterator[Event]:
    """Reference records, enrollment spans, claims and charts of an export, in order of acceptance, in this order within a day.

    What cannot be said goes to `left_out`. Raises `SourceError` naming the file and the column or row if something is missing or unknown.
    """
    export = Export(folder, left_out)
    found = [*payers(export), *practices(export), *providers(export), *enrollments(export), *claims(export)]
    found += synthea_care.chart(export.charts, export.members(), left_out, SOURCE)
    for name in synthea_care.NOT_READ:
        if (folder / f"{name}.csv").is_file():
            left_out.add(f"{name}.csv", "is a table that no measure looks at: not read", Place(f"{name}.csv", 0))
    yield from sorted(found, key=lambda event: str(event["accepted_at"]))


def payers(export: Export) -> Iterator[Event]:
    """One record per payer; its only product is that of `PRODUCTS`."""
    for source_id, row in export.payers.items():
        product, _ = PRODUCTS.get(row.values["NAME"], ("PPO", "commercial"))
        yield _from(row, export.first_day) | {
            "event_type": "payer",
            "payer": export.payer(source_id),
            "name": row.values["NAME"],
            "products": [product],
            "attribution_mode": "platform",
            "effective_from": export.first_day.isoformat(),
        }


def practices(export: Export) -> Iterator[Event]:
    """One record per organisation."""
    for source_id, row in export.organizations.items():
        yield _from(row, export.first_day) | {
            "event_type": "practice",
            "practice_id": source_id,
            "name": row.values["NAME"],
            "participating": True,
            "effective_from": export.first_day.isoformat(),
            "tins": [tin_of(source_id)],
            "organisation_npis": [npi_of(source_id)],
        }


def providers(export: Export) -> Iterator[Event]:
    """One roster row per provider. Raises `SourceError` if two ids happen to give one NPI."""
    owners: dict[str, str] = {npi_of(source_id): source_id for source_id in export.organizations}
    for row in export.providers:
        npi = npi_of(row.values["Id"])
        if owners.setdefault(npi, row.values["Id"]) != row.values["Id"]:
            message = f"{row.file} row {row.number}: its id and {owners[npi]} give the same NPI: change one of the ids."
            raise SourceError(message)
        taxonomy, is_pcp = _speciality(row)
        yield _from(row, export.first_day) | {
            "event_type": "provider",
            "npi": npi,
            "practice_id": row.values["ORGANIZATION"],
            "tin": tin_of(row.values["ORGANIZATION"]),
            "taxonomy_code": taxonomy,
            "is_pcp": is_pcp,
            "effective_from": export.first_day.isoformat(),
            "roster_version": 1,
        }


def enrollments(export: Export) -> Iterator[Event]:
    """One span per insured row of payer_transitions, and its second version where the patient died in it."""
    for row in export.transitions:
        values = row.values
        if export.payers[values["PAYER"]].values["NAME"] == NO_INSURANCE:
            continue
        start, end = required_day(row, "START_YEAR"), required_day(row, "END_YEAR") - ONE_DAY
        patient = export.patients[values["PATIENT"]]
        never_took_effect = {"maintenance_type_code": "024"} if end < start else {}
        span = _from(row, start) | _span(export, row, patient, start) | {"enrollment_end_date": end.isoformat()}
        yield span | never_took_effect
        death = day(patient, "DEATHDATE")
        if death and start <= death <= end:
            yield span | {
                "span_version": 2,
                "enrollment_end_date": death.isoformat(),
                "death_date": death.isoformat(),
                "maintenance_type_code": "024",
                "accepted_at": accepted(death + CLAIM_LAG),
            }


def claims(export: Export) -> Iterator[Event]:
    """One event per claim: encounters by the rule that holds for them, prescriptions at a pharmacy."""
    visit_rules = [msgspec.convert(rule, VisitRule) for rule in _table("synthea_visits.csv")]
    for row in export.claims:
        encounter = export.encounters[row.values["APPOINTMENTID"]]
        charges = list(_charges(export.transactions[row.values["Id"]]))
        if not charges:
            message = f"{row.file} row {row.number}: the claim has no CHARGE in claims_transactions.csv: add it."
            raise SourceError(message)
        if charges[0][0].values["PROCEDURECODE"] == encounter.values["CODE"]:
            yield _visit_claim(export, row, encounter, charges, visit_rules)
        else:
            yield _prescription_claim(export, row, encounter, charges)


def _visit_claim(
    export: Export, claim: Row, encounter: Row, charges: Sequence[tuple[Row, Decimal]], visit_rules: Sequence[VisitRule]
) -> Event:
    rule = _visit_rule(export, encounter, visit_rules)
    institutional = rule.claim_type == "institutional"
    lines = []
    for number, (charge, paid) in enumerate(charges, start=1):
        line = _line(export, number, charge, paid, encounter) | {
            "claim_line_end_date": _end(charge).isoformat(),
            "place_of_service_code": rule.place_of_service,
        }
        if number == 1:
            line |= {"hcpcs_code": rule.hcpcs, "revenue_center_code": rule.revenue_center}
            line |= {"modifiers": [rule.modifier] if rule.modifier else []}
        else:
            line |= {"hcpcs_code": export.code(charge.values["PROCEDURECODE"], "CPT")}
            if line["hcpcs_code"] is None:
                note(export.left_out, charge, "is a charge without a CPT code in synthea_codes.csv: its line has none")
        lines.append(without_nulls(line))
    last = max([required_day(encounter, "STOP"), *(_end(charge) for charge, _ in charges)])
    event = _header(export, claim, encounter, last) | {"claim_type": rule.claim_type, "lines": lines}
    if institutional:
        event |= {
            "bill_type_code": rule.bill_type,
            "admission_date": required_day(encounter, "START").isoformat(),
            "discharge_date": required_day(encounter, "STOP").isoformat(),
        }
    return event


def _prescription_claim(export: Export, claim: Row, encounter: Row, charges: Sequence[tuple[Row, Decimal]]) -> Event:
    lines = [
        _line(export, number, charge, paid, encounter) | {"place_of_service_code": "01"}
        for number, (charge, paid) in enumerate(charges, start=1)
    ]
    last = max(required_day(charge, "FROMDATE") for charge, _ in charges)
    return _header(export, claim, encounter, last) | {"claim_type": "professional", "lines": lines}


def _visit_rule(export: Export, encounter: Row, visit_rules: Iterable[VisitRule]) -> VisitRule:
    values = encounter.values
    born, today = required_day(export.patients[values["PATIENT"]], "BIRTHDATE"), required_day(encounter, "START")
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    patient = "new" if export.is_new_patient(encounter) else "established"
    for rule in visit_rules:
        if rule.holds(encounter, age=age, patient=patient):
            return rule
    message = (
        f"{encounter.file} row {encounter.number}: no row of synthea_visits.csv bills encounter class "
        f"{values['ENCOUNTERCLASS']}: add one."
    )
    raise SourceError(message)


def _charges(transactions: Iterable[Row]) -> Iterator[tuple[Row, Decimal]]:
    """Each charge of a claim with what its primary payer paid: transactions between two charges belong to the first."""
    charge: Row | None = None
    paid = Decimal(0)
    party = ""
    for row in transactions:
        kind = row.values["TYPE"]
        if kind == "CHARGE":
            if charge:
                yield charge, paid
            charge, paid, party = row, Decimal(0), "1"
        elif kind == "TRANSFERIN":
            party = row.values["TRANSFERTYPE"]
        elif kind == "PAYMENT" and row.values["METHOD"] == "ECHECK" and party == "1":
            paid += amount(row, "PAYMENTS")
    if charge:
        yield charge, paid


def _header(export: Export, claim: Row, encounter: Row, last: dt.date) -> Event:
    values = claim.values
    insurer = values["PRIMARYPATIENTINSURANCEID"]
    said = list(dict.fromkeys(filter(None, (values[f"DIAGNOSIS{place}"] for place in range(1, 9)))))
    codes = [code for one in said if (code := export.code(one, "ICD10CM"))]
    for _ in range(len(said) - len(codes)):
        note(
            export.left_out, claim, "has a diagnosis without an ICD-10-CM code in synthea_codes.csv: left to the chart"
        )
    return _from(claim, last + CLAIM_LAG) | without_nulls(
        {
            "event_type": "claim",
            "payer": export.payer(encounter.values["PAYER"] if insurer == "0" else insurer),
            "member_id": values["PATIENTID"],
            "payer_claim_control_number": values["Id"],
            "claim_id": values["Id"],
            "claim_frequency_code": "1",
            "claim_status": "paid" if values["STATUS1"] == "CLOSED" else "pending",
            "billing_npi": npi_of(encounter.values["ORGANIZATION"]),
            "billing_tin": tin_of(encounter.values["ORGANIZATION"]),
            "diagnosis_code_type": "icd-10-cm" if codes else None,
            "diagnosis_codes": list(dict.fromkeys(codes)),
        }
    )


def _line(export: Export, number: int, charge: Row, paid: Decimal, encounter: Row) -> Event:
    provider = encounter.values["PROVIDER"]
    return {
        "claim_line_number": number,
        "claim_line_start_date": required_day(charge, "FROMDATE").isoformat(),
        "units": charge.values["UNITS"],
        "rendering_npi": npi_of(provider),
        "rendering_taxonomy": export.taxonomies[provider],
        "allowed_amount": charge.values["AMOUNT"],
        "paid_amount": f"{paid:.2f}",
        "charge_amount": charge.values["AMOUNT"],
    }


def _end(charge: Row) -> dt.date:
    """The day on which a charged service ended: its first day where the source has none."""
    column = "FROMDATE" if charge.values["TODATE"] in ("", NULL_TIME) else "TODATE"
    return required_day(charge, column)


def _span(export: Export, transition: Row, patient: Row, start: dt.date) -> Event:
    values, person = transition.values, patient.values
    product, line_of_business = PRODUCTS.get(export.payers[values["PAYER"]].values["NAME"], ("PPO", "commercial"))
    return without_nulls(
        {
            "event_type": "enrollment",
            "payer": export.payer(values["PAYER"]),
            "member_id": values["PATIENT"],
            "person_id": values["PATIENT"],
            "span_id": f"{values['MEMBERID'] or values['PATIENT']}:{start.isoformat()}",
            "span_version": 1,
            "enrollment_start_date": start.isoformat(),
            "product": product,
            "line_of_business": line_of_business,
            "birth_date": required_day(patient, "BIRTHDATE").isoformat(),
            "gender": GENDERS.get(person["GENDER"], person["GENDER"]),
            "race": RACES.get(person["RACE"], person["RACE"]),
            "ethnicity": ETHNICITIES.get(person["ETHNICITY"], person["ETHNICITY"]),
            "state": postal_code(person["STATE"]),
            "zip_code": person["ZIP"],
            "contact": {
                "first_name": person["FIRST"],
                "last_name": person["LAST"],
                "address": f"{person['ADDRESS']}, {person['CITY']}",
            },
        }
    )


def _from(row: Row, known: dt.date) -> Event:
    return {
        "source_system": SOURCE,
        "source_file": row.file,
        "source_row": row.number,
        "accepted_at": accepted(known),
    }


def _speciality(provider: Row) -> tuple[str, bool]:
    """Taxonomy of a provider, and whether the roster calls it a PCP. Raises `SourceError` for an unknown speciality."""
    name = provider.values["SPECIALITY"]
    known = _specialities()
    if name not in known:
        message = (
            f"{provider.file} row {provider.number}: speciality {name} is not in synthea_specialties.csv: "
            "add it with its taxonomy code."
        )
        raise SourceError(message)
    return known[name]


@functools.cache
def _specialities() -> dict[str, tuple[str, bool]]:
    return {
        row["speciality"]: (row["taxonomy_code"], row["is_pcp"] == "true") for row in _table("synthea_specialties.csv")
    }


def _table(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
