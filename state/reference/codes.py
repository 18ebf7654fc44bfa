"""Provisional: replaced by the branch wt-vsets."""

from __future__ import annotations

System = str
Code = tuple[str, str]


class UnknownSystem(Exception):
    """A code system that nobody knows."""


_NAMES = {
    "http://snomed.info/sct": "SNOMEDCT",
    "http://loinc.org": "LOINC",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RXNORM",
}


def system_of(text: str) -> System:
    """The canonical name of a code system."""
    if not text.strip():
        raise UnknownSystem("the code system is empty: name it.")
    return _NAMES.get(text, text)


def normal_code(system: System, text: str) -> Code:
    """A code in its normal form."""
    code = text.strip().upper()
    if system.startswith("ICD"):
        code = code.replace(".", "")
    if system in ("CPT", "HCPCS"):
        system = "CPT" if code[:4].isdigit() else "HCPCS"
    return system, code
