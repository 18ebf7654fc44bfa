"""What resources have to know of each other, found in a first pass over the files and kept on disk: memory does not grow with them.

An id is unique in its scope (a bundle, a folder of single resources, or all bulk NDJSON). A reference is looked for in the scope where it
stands, then in the NDJSON, then anywhere, where it counts only if a single thing is found.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal

from streams.adapters.fhir.elements import (
    Json,
    codings,
    identifier_of,
    identifiers,
    part,
    parts,
    reference,
    text,
)
from streams.adapters.fhir.reading import EVERYWHERE, Found

NPI = "http://hl7.org/fhir/sid/us-npi"
TINS = ("urn:oid:2.16.840.1.113883.4.4", "http://hl7.org/fhir/sid/us-ein")
TAXONOMY = "http://nucc.org/provider-taxonomy"
COVERAGE_OF = "Coverage of a patient"
ENCOUNTER_OF = "Encounter of a condition"
"""Kept by patient and condition: in many exports a condition's id is unique for its patient only."""
REPLACED_BY = "Claim replaced by"
_ALIAS = "Entry"


class Index:
    """Parts of resources by scope, type and id."""

    def __init__(self) -> None:
        # An empty name is SQLite's own temporary database: on disk when it grows, gone when it is closed.
        self._kept = sqlite3.connect("")
        self._kept.execute("CREATE TABLE kept (kind TEXT, id TEXT, scope TEXT, said TEXT)")
        self._kept.execute("CREATE INDEX by_id ON kept (kind, id, scope)")

    def close(self) -> None:
        """Let the temporary database go."""
        self._kept.close()

    def note(self, found: Found) -> None:
        """Keep what others will ask of a resource."""
        identity = found.id
        if identity is None:
            return
        rows = [(kind, id_, found.scope, _json(said)) for kind, id_, said in known(found.resource, identity)]
        if found.url is not None and found.url not in (identity, f"{found.kind}/{identity}"):
            rows.append((_ALIAS, found.url, found.scope, _json({"id": identity})))
        self._kept.executemany("INSERT INTO kept VALUES (?, ?, ?, ?)", rows)

    def one(self, scope: str, kind: str, identity: str) -> Json | None:
        """What is kept of a resource; of several versions the last."""
        for here in dict.fromkeys((scope, EVERYWHERE)):
            row = self._kept.execute(
                "SELECT said FROM kept WHERE kind = ? AND id = ? AND scope = ? ORDER BY rowid DESC LIMIT 1",
                (kind, identity, here),
            ).fetchone()
            if row is not None:
                return _object(row[0])
        rows = self._kept.execute(
            "SELECT DISTINCT said FROM kept WHERE kind = ? AND id = ? LIMIT 2", (kind, identity)
        ).fetchall()
        return _object(rows[0][0]) if len(rows) == 1 else None

    def every(self, scope: str, kind: str, identity: str) -> list[Json]:
        """All that is kept under an id: of its scope and the NDJSON, and where neither says anything, of anywhere."""
        asked = "SELECT DISTINCT said FROM kept WHERE kind = ? AND id = ?"
        rows = (
            self._kept.execute(
                f"{asked} AND scope IN (?, ?) ORDER BY rowid", (kind, identity, scope, EVERYWHERE)
            ).fetchall()
            or self._kept.execute(f"{asked} ORDER BY rowid", (kind, identity)).fetchall()
        )
        return [_object(row[0]) for row in rows]

    def named(self, scope: str, url: str) -> str:
        """The id of the resource whose entry in a bundle has this URL; the URL's own last step where no entry has another id."""
        found = self.one(scope, _ALIAS, url)
        return url if found is None else str(found["id"])

    def renamed(self, scope: str, kind: str, identity: str) -> str:
        """The id of the resource that a relative reference points to: within a bundle an entry's URL may end in another id than its own."""
        row = self._kept.execute(
            "SELECT said FROM kept WHERE kind = ? AND id = ? AND scope = ? ORDER BY rowid DESC LIMIT 1",
            (_ALIAS, f"{kind}/{identity}", scope),
        ).fetchone()
        return identity if row is None else str(_object(row[0])["id"])


def known(resource: Json, identity: str) -> Iterator[tuple[str, str, Json]]:
    """What others ask of a resource, each as (kind, id, what is kept)."""
    match text(resource, "resourceType"):
        case "Patient":
            member = next(identifiers(resource, "MB"), identity)
            yield "Patient", identity, {"member_id": member, "birth_date": text(resource, "birthDate")}
        case "Coverage":
            yield "Coverage", identity, resource
            whose = reference(part(resource, "beneficiary"))
            if whose is not None:
                yield COVERAGE_OF, whose.id, resource | {"id": identity}
        case "Organization":
            tin = identifier_of(resource, *TINS) or next(identifiers(resource, "TAX"), None)
            said = {"name": text(resource, "name"), "npi": _npi(resource), "tin": tin}
            yield "Organization", identity, said
        case "Practitioner":
            yield (
                "Practitioner",
                identity,
                {"npi": _npi(resource), "taxonomy": _taxonomy(parts(resource, "qualification"))},
            )
        case "PractitionerRole":
            who, where = reference(part(resource, "practitioner")), reference(part(resource, "organization"))
            yield (
                "PractitionerRole",
                identity,
                {
                    "npi": _npi(resource),
                    "practitioner": who and who.id,
                    "organization": where and where.id,
                    "taxonomy": _taxonomy([{"code": each} for each in parts(resource, "specialty")]),
                },
            )
        case "Medication":
            yield "Medication", identity, {"code": part(resource, "code")}
        case "Device":
            yield "Device", identity, {"code": part(resource, "type")}
        case "Encounter":
            whose = reference(part(resource, "subject"))
            for diagnosis in parts(resource, "diagnosis"):
                condition = reference(part(diagnosis, "condition"))
                if condition is not None and whose is not None:
                    yield ENCOUNTER_OF, f"{whose.id}/{condition.id}", {"encounter": identity}
        case "ExplanationOfBenefit":
            control = control_number(resource, identity)
            for name in dict.fromkeys((identity, control)):
                yield "ExplanationOfBenefit", name, {"control_number": control}
            for other in related(resource, "replacedby"):
                yield REPLACED_BY, other, {"control_number": control}


def control_number(claim: Json, identity: str) -> str:
    """The payer's number of a claim: CARIN's unique claim id (`uc`), else the first identifier, else the resource's id."""
    first = next((value for each in parts(claim, "identifier") if (value := text(each, "value"))), None)
    return next(identifiers(claim, "uc"), None) or first or identity


def related(claim: Json, relationship: str) -> Iterator[str]:
    """The claims of which a claim says that they stand to it in a relationship: by number, else by the id of the resource."""
    for each in parts(claim, "related"):
        if any(coding.code == relationship for coding in codings(part(each, "relationship"))):
            pointed = reference(part(each, "claim"))
            other = text(part(each, "reference"), "value") or (pointed and pointed.id)
            if other:
                yield other


def _npi(resource: Json) -> str | None:
    return identifier_of(resource, NPI) or next(identifiers(resource, "NPI"), None)


def _taxonomy(qualifications: list[Json]) -> str | None:
    found = (coding for each in qualifications for coding in codings(part(each, "code")))
    return next((coding.code for coding in found if coding.system == TAXONOMY), None)


def _json(said: Json) -> str:
    return json.dumps(said, default=str, sort_keys=True)


def _object(said: str) -> Json:
    loaded: Json = json.loads(said, parse_float=Decimal)
    return loaded
