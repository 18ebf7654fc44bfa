"""FHIR's data types, read as they come: what is missing or of another shape reads as absent, never as a fault.

A code travels as `system|code`, the system as the source writes it (its URI). Several are joined by `;`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

Json = dict[str, Any]
"""An object of a resource."""

NOT_DONE_VALUE_SET = "http://hl7.org/fhir/us/qicore/StructureDefinition/qicore-notDoneValueSet"
"""The code system under which a whole value set, by its canonical URL, stands for a code: none of these was done."""
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_HL7 = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")
"""Systems whose codes are words of FHIR itself, such as `survey` or `active`: they are written without it."""


class Coding(NamedTuple):
    """A code of a system; a coding without a system has an empty one."""

    system: str
    code: str

    def __str__(self) -> str:
        return f"{self.system}|{self.code}"


def part(holder: Json, name: str) -> Json:
    """The object under a name; an empty one where there is none."""
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def parts(holder: Json, name: str) -> list[Json]:
    """The objects of a list under a name."""
    found = holder.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(holder: Json, name: str) -> str | None:
    """The text under a name without surrounding blanks; None where there is none."""
    found = holder.get(name)
    return (found.strip() or None) if isinstance(found, str) else None


def texts(holder: Json, name: str) -> list[str]:
    """The texts of a list under a name."""
    found = holder.get(name)
    return [each.strip() for each in found if isinstance(each, str)] if isinstance(found, list) else []


def number(holder: Json, name: str) -> Decimal | None:
    """The number under a name."""
    found = holder.get(name)
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        return None
    return Decimal(found)


def concepts(holder: Json, name: str) -> list[Json]:
    """The CodeableConcepts under a name, whether it holds one or a list."""
    return parts(holder, name) or [found for found in (part(holder, name),) if found]


def codings(concept: Json) -> list[Coding]:
    """The codes of a CodeableConcept in its order, each once; a value set that was not done is a code of its own system."""
    found = [
        Coding(text(coding, "system") or "", code)
        for coding in parts(concept, "coding")
        if (code := text(coding, "code")) is not None
    ]
    value_set = extension(concept, "notdonevalueset")
    canonical = text(value_set, "valueCanonical") or text(value_set, "valueUri")
    if canonical:
        found.append(Coding(NOT_DONE_VALUE_SET, canonical))
    return list(dict.fromkeys(found))


def tokens(them: Iterable[Json]) -> str | None:
    """CodeableConcepts as `system|code`; one that is only words as `text|words`, one that is absent by its reason. None for none."""
    found: list[str] = []
    for concept in them:
        codes = [str(coding) for coding in codings(concept)]
        words = text(concept, "text")
        absent = text(extension(concept, "/data-absent-reason"), "valueCode")
        found += codes or ([f"text|{words}"] if words else [f"{ABSENT}|{absent}"] if absent else [])
    return ";".join(dict.fromkeys(found)) or None


def words(them: Iterable[Json]) -> str | None:
    """CodeableConcepts whose codes are words of FHIR: the bare code where the system is HL7's, `system|code` else."""
    return (
        ";".join(dict.fromkeys(word(coding) for concept in them for coding in codings(concept) if coding.code)) or None
    )


def word(coding: Coding) -> str:
    """The bare code of a system of HL7's, `system|code` of any other."""
    return coding.code if coding.system.startswith(_HL7) else str(coding)


def extension(holder: Json, *endings: str) -> Json:
    """The first extension, or modifier extension, whose URL ends in one of the endings. Empty where there is none."""
    for found in (*parts(holder, "extension"), *parts(holder, "modifierExtension")):
        if (text(found, "url") or "").lower().endswith(endings):
            return found
    return {}


def profiles(resource: Json) -> list[str]:
    """The last steps of the profiles that a resource claims."""
    return [each.rsplit("/", 1)[-1] for each in texts(part(resource, "meta"), "profile")]


def identifiers(holder: Json, kind: str) -> Iterator[str]:
    """The values of the identifiers of a kind (a code of HL7's table 0203, or of CARIN's)."""
    for found in parts(holder, "identifier"):
        value = text(found, "value")
        if value and any(coding.code == kind for coding in codings(part(found, "type"))):
            yield value


def identifier_of(holder: Json, *systems: str) -> str | None:
    """The value of the first identifier of one of the systems."""
    for found in parts(holder, "identifier"):
        value = text(found, "value")
        if value and text(found, "system") in systems:
            return value
    return None


def written(value: Decimal) -> str:
    """A number as an event file has it: plain decimals."""
    return format(value, "f")


class Reference(NamedTuple):
    """What a reference points to; the kind is empty where the reference does not say it."""

    kind: str
    id: str
    by_url: bool = False
    """By the URL of a bundle's entry (urn:uuid:...), not by a resource's id."""


def reference(holder: Json) -> Reference | None:
    """The literal reference that an element makes; None for none, or one by identifier alone. `#id` is contained."""
    literal = text(holder, "reference")
    if literal is None:
        return None
    if literal.startswith("#"):
        return Reference("#", literal[1:])
    if literal.startswith("urn:"):
        return Reference("", literal.rsplit(":", 1)[-1], by_url=True)
    steps = literal.split("/_history/")[0].rstrip("/").split("/")
    return Reference(steps[-2] if len(steps) > 1 else "", steps[-1])
