"""Code systems and codes: every spelling of a system is one name and every spelling of a code one text.

So claims, charts and value sets meet. Source: measures.md 13; dots, case and padding as they come in real files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

System: TypeAlias = str
"""One of `SYSTEMS`, or the URI of a system that has no name here (HL7 terminologies among them)."""
Code: TypeAlias = tuple[System, str]
"""A system and a code in their normal spelling, as `code_of` gives them."""

INGREDIENT = "INGREDIENT"
"""Names of active ingredients, lower case, in alphabetical order, joined by `+`: our own way to name a drug whatever its maker."""

_SPELLINGS: Mapping[System, tuple[str, ...]] = {
    # name: its URIs and OIDs, then other spellings. Sources: HL7 terminology (URIs, OIDs), measures.md 13 (workbook spellings).
    "CPT": ("http://www.ama-assn.org/go/cpt", "2.16.840.1.113883.6.12", "CPT II", "CPT CAT II", "CPT4", "CPT 4"),
    "CPT_MODIFIER": ("CPT Modifier", "CPT MOD", "Modifier", "HCPCS Modifier"),
    "CVX": ("http://hl7.org/fhir/sid/cvx", "2.16.840.1.113883.12.292", "2.16.840.1.113883.6.59"),
    "DISCHARGE_STATUS": (
        "https://www.nubc.org/CodeSystem/PatDischargeStatus",
        "2.16.840.1.113883.6.301.5",
        "UB Discharge Status",
    ),
    "HCPCS": (
        "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "https://www.cms.gov/Medicare/Coding/MedHCPCSGenInfo",
        "http://www.ada.org/cdt",
        "2.16.840.1.113883.6.285",
        "2.16.840.1.113883.6.14",
        "2.16.840.1.113883.6.13",
        "HCPCS Level II",
        "CDT",  # dental codes are HCPCS codes that begin with D
    ),
    "ICD10CM": ("http://hl7.org/fhir/sid/icd-10-cm", "2.16.840.1.113883.6.90"),
    "ICD10PCS": (
        "http://www.cms.gov/Medicare/Coding/ICD10",
        "http://hl7.org/fhir/sid/icd-10-pcs",
        "http://www.icd10data.com/icd10pcs",
        "2.16.840.1.113883.6.4",
    ),
    "ICD9CM": ("http://hl7.org/fhir/sid/icd-9-cm", "2.16.840.1.113883.6.103"),
    "ICD9PCS": ("2.16.840.1.113883.6.104", "ICD-9-CM Procedure"),
    INGREDIENT: ("RXNORM IN NAME",),
    "LOINC": ("http://loinc.org", "2.16.840.1.113883.6.1"),
    "MSDRG": (
        "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/MS-DRG-Classifications-and-Software",
        "2.16.840.1.113883.6.345",
        "DRG",
    ),
    "NDC": ("http://hl7.org/fhir/sid/ndc", "2.16.840.1.113883.6.69"),
    "NUCC": (
        "http://nucc.org/provider-taxonomy",
        "2.16.840.1.113883.6.101",
        "NUCC Provider Taxonomy",
        "Provider Taxonomy",
    ),
    "POS": (
        "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set",
        "https://www.cms.gov/Medicare/Coding/place-of-service-codes",
        "2.16.840.1.113883.6.50",
        "CMS Place of Service",
        "Place of Service",
    ),
    "RXNORM": ("http://www.nlm.nih.gov/research/umls/rxnorm", "2.16.840.1.113883.6.88"),
    "SNOMEDCT": (
        "http://snomed.info/sct",
        "2.16.840.1.113883.6.96",
        "SNOMED",
        "SNOMED CT US Edition",
        "SNOMED CT US",
        "SCT",
    ),
    "UBREV": (
        "https://www.nubc.org/CodeSystem/RevenueCodes",
        "2.16.840.1.113883.6.301.3",
        "REV",
        "Revenue Code",
        "UB Revenue",
    ),
    "UBTOB": (
        "https://www.nubc.org/CodeSystem/TypeOfBill",
        "2.16.840.1.113883.6.301.1",
        "TOB",
        "Type of Bill",
        "UB Type of Bill",
    ),
}
SYSTEMS: tuple[System, ...] = tuple(_SPELLINGS)
PROCEDURE_SYSTEMS = frozenset({"CPT", "HCPCS", "CPT_MODIFIER"})
"""Given one for another everywhere; the code itself says which it is."""

_OID = re.compile(r"(?:urn:oid:)?([0-2](?:\.\d+){2,})", re.IGNORECASE)
_BLANK = re.compile(r"[\s\u200b\ufeff]+")
_ZERO_FILLED: Mapping[System, int] = {"UBREV": 4, "POS": 2, "CVX": 2, "MSDRG": 3, "DISCHARGE_STATUS": 2}
"""Systems whose numeric codes have a fixed width at least: spreadsheets and feeds lose the zeros in front, or add some."""
_UNPADDED = frozenset({"LOINC", "RXNORM", "SNOMEDCT"})
"""Systems whose codes never begin with a zero: one in front is padding."""

_FORMS: Mapping[System, re.Pattern[str]] = {
    # the forms of normal codes, as the owners of the systems describe them; systems that are not here take any code
    "CPT": re.compile(r"\d{4}[0-9A-Z]"),
    "CPT_MODIFIER": re.compile(r"[0-9A-Z]{2}"),
    "CVX": re.compile(r"\d{2,3}"),
    "HCPCS": re.compile(r"[A-Z]\d{4}"),
    "ICD10CM": re.compile(r"[A-Z]\d[0-9A-Z]{1,5}"),
    "ICD10PCS": re.compile(r"[0-9A-HJ-NP-Z]{7}"),
    "ICD9CM": re.compile(r"\d{3,5}|E\d{3,4}|V\d{2,4}"),
    "LOINC": re.compile(r"(\d{1,7}|L[A-Z]\d+)-\d"),
    "RXNORM": re.compile(r"\d{1,9}"),
    "SNOMEDCT": re.compile(r"\d{6,18}"),
}


_DIAGNOSES: Mapping[System, tuple[str, ...]] = {
    # how claims name the system of their diagnoses besides its own spellings: by number, and by the qualifiers of X12 837 HI
    "ICD10CM": ("icd10", "10", "0", "abk", "abf", "abj"),
    "ICD9CM": ("icd9", "9", "bk", "bf", "bj"),
    "SNOMEDCT": (),
}
DIAGNOSIS_SYSTEMS: tuple[System, ...] = tuple(_DIAGNOSES)


class UnknownSystem(Exception):
    """A text names no code system; the message says how to name one."""


class UnusableCode(Exception):
    """A text is no code of its system; the message says why."""


def _words(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def _uri(text: str) -> str:
    """A URI in the spelling under which it is looked up: versions, the last slash and http or https make no difference."""
    uri = text.split("|", 1)[0].rstrip("/").casefold()
    return f"http://{uri.removeprefix('https://')}" if uri.startswith("https://") else uri


_BY_URI = {
    _uri(spelling): system for system, spellings in _SPELLINGS.items() for spelling in spellings if "://" in spelling
}
_BY_OID = {
    spelling: system for system, spellings in _SPELLINGS.items() for spelling in spellings if _OID.fullmatch(spelling)
}
_BY_WORDS = {
    _words(spelling): system
    for system, spellings in _SPELLINGS.items()
    for spelling in (system, *spellings)
    if "://" not in spelling and not _OID.fullmatch(spelling)
}


@lru_cache(maxsize=4096)
def system_of(text: str) -> System:
    """The system of a name, FHIR URI, `urn:oid:` or bare OID, in any case and with or without a version after `|`.

    A URI or OID that is not listed is a system of its own, under that URI. Raises `UnknownSystem` for an empty text or another word.
    """
    name = text.strip()
    by_words = _BY_WORDS.get(_words(name))
    if by_words is not None:
        return by_words
    oid = _OID.fullmatch(name.split("|", 1)[0])
    if oid:
        return _BY_OID.get(oid[1], f"urn:oid:{oid[1]}")
    if "://" in name or name.casefold().startswith("urn:"):
        uri = _uri(name)
        if uri.startswith("http://snomed.info/sct/"):
            return "SNOMEDCT"
        return _BY_URI.get(uri, name.split("|", 1)[0])
    what = f"code system {text!r} is not known" if name else "the code system is empty"
    raise UnknownSystem(f"{what}: write one of {', '.join(SYSTEMS)}, or the system's URI or OID.")


@lru_cache(maxsize=256)
def diagnosis_system(text: str) -> System:
    """The system of a claim's diagnoses, by the `diagnosis_code_type` that the claim writes; ICD-10-CM where it writes none.

    Raises `UnknownSystem` for a text that names none, or a system in which no diagnosis is written.
    """
    if not text.strip():
        return "ICD10CM"
    words = _words(text)
    for system, spellings in _DIAGNOSES.items():
        if words in spellings:
            return system
    system = system_of(text)
    if system not in _DIAGNOSES:
        raise UnknownSystem(f"diagnoses are never in {system}: write one of {', '.join(_DIAGNOSES)}.")
    return system


@lru_cache(maxsize=1 << 17)
def code_of(system: str, text: str) -> Code:
    """The code of a spelling of a system and a spelling of a code. The one way from what a source wrote to a `Code`.

    CPT and HCPCS meet, because a claim has one field for both: what begins with a digit is CPT (levels I to III), what begins with a
    letter is HCPCS, and two characters are a modifier, whichever of the systems it was given under.
    Raises `UnknownSystem` and `UnusableCode`.
    """
    known = system_of(system)
    code = normal_code(known, text)
    if known in PROCEDURE_SYSTEMS:
        known = _procedure_system(known, code)
    return known, code


def normal_code(system: System, text: str) -> str:
    """The one spelling of a code in a system of `system_of`: no blanks, no dots in ICD codes, upper case, zeros as the system has them.

    NDC becomes eleven digits: with hyphens by its segments (4-4-2, 5-3-2, 5-4-1 are filled to 5-4-2), without by zeros in front.
    Type of bill becomes four digits; one that ends in X or lacks its last digit keeps what it says (see `is_partial_bill_type`).
    A code of a system that is known only by its URI keeps its case. Raises `UnusableCode` when nothing is left.
    """
    code = _BLANK.sub("", text).strip("'\"")
    if not code:
        raise UnusableCode(f"the code is empty: give a code of {system}, or leave the row out.")
    if system == INGREDIENT:
        return "+".join(sorted(filter(None, map(_ingredient, re.split(r"[+/;]", text.casefold())))))
    if system not in _SPELLINGS:
        return code
    code = code.upper()
    if system in {"ICD10CM", "ICD10PCS", "ICD9CM", "ICD9PCS"}:
        code = code.replace(".", "")
    elif system == "NDC":
        code = _ndc(code)
    elif system == "UBTOB":
        code = _bill_type(code)
    elif system in {"CPT", "HCPCS"} and code.isdecimal() and len(code) in {3, 4}:
        code = code.zfill(5)
    elif system in _UNPADDED:
        code = code.lstrip("0")
    elif system in _ZERO_FILLED and code.isdecimal():
        code = code.lstrip("0").zfill(_ZERO_FILLED[system])
    if not code:
        raise UnusableCode(f"zeros alone are no code of {system}.")
    return code


def is_formed(code: Code) -> bool:
    """Whether a normal code has the form of codes of its system, whether or not it is one of them; true where no form is known."""
    form = _FORMS.get(code[0])
    return form is None or form.fullmatch(code[1]) is not None


def _ingredient(text: str) -> str:
    """One active ingredient: blanks are single; commas and the word human (`insulin, regular, human`) say nothing more."""
    return " ".join(word for word in text.replace(",", " ").split() if word != "human")


def is_partial_bill_type(code: str) -> bool:
    """Whether a normal type of bill says only facility and class of care (`013`, from `13X` or `013`), and so stands for all like it."""
    return len(code) == 3


def normal_prefix(system: System, text: str) -> Code:
    """The beginning of codes: as `code_of`, but nothing is filled up with zeros, because the length is what it says."""
    prefix = _BLANK.sub("", text).upper()
    if system.startswith(("ICD", "NDC")):
        prefix = prefix.replace(".", "").replace("-", "")
    if not prefix:
        raise UnusableCode(f"the prefix is empty: it would be every code of {system}.")
    if system in {"CPT", "HCPCS"}:
        system = "CPT" if prefix[0].isdecimal() else "HCPCS"
    return system, prefix


def _procedure_system(system: System, code: str) -> System:
    if len(code) == 2:
        return "CPT_MODIFIER"
    if system == "CPT_MODIFIER":
        raise UnusableCode("a modifier has two characters.")
    return "CPT" if code[0].isdecimal() else "HCPCS"


def _ndc(code: str) -> str:
    segments = code.split("-")
    if len(segments) == 3:
        code = "".join(segment.zfill(width) for segment, width in zip(segments, (5, 4, 2), strict=True))
    digits = code.replace("-", "")
    if not digits.isdecimal() or len(digits) > 11:
        raise UnusableCode("an NDC has eleven digits, or ten with hyphens between its segments.")
    return digits.zfill(11)


def _bill_type(code: str) -> str:
    digits = code.rstrip("X")
    if not digits[:2].isdecimal() or len(digits) > 4:
        raise UnusableCode("a type of bill has three digits, or four with a zero in front.")
    if digits != code or len(digits) < 3:
        return digits.zfill(3)
    return digits if digits.startswith("0") else digits.zfill(4)
