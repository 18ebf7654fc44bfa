"""What measures look at: the claims, dispensings, clinical records and submitted results of one member that stand now.

Two forms. *Kept* facts are what a state file stores: per cold row what stands of it, and of that only what a value set in use can
touch. A *fact* is one coded thing in them, found by the role that an edition gives to its code. Days are ordinals; `end` is the last
day, included; FOREVER while something has no end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from state.calendar import FOREVER, Day
from state.reference.codes import Code
from state.reference.value_sets import Medication

_NO_MEDICATIONS: Mapping[Code, Medication] = {}

Kind = Literal[
    "service",
    "diagnosis",
    "dispensing",
    "observation",
    "immunization",
    "procedure",
    "condition",
    "medication",
    "encounter",
    "device",
    "allergy",
]
"""A claim gives services (lines, ICD-10-PCS procedures, bill types, MS-DRGs) and diagnoses, a pharmacy claim dispensings; the others are
the kinds of clinical records."""


def _never(_code: Code, _place: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What any value set or rule in use can touch.

    `reads`: whether a code matters at all. `only_beside`: whether it matters only beside something else of its claim, when it was done at
    a place of service ("" for none), so that a claim with nothing else need not be kept.
    """

    reads: Callable[[Code], bool]
    only_beside: Callable[[Code, str], bool] = _never

    def __call__(self, code: Code) -> bool:
        """Whether a code matters."""
        return self.reads(code)

    def by_itself(self, code: Code, place: str = "") -> bool:
        """Whether a claim is worth keeping for this code alone."""
        return self.reads(code) and not self.only_beside(code, place)


ENCOUNTER_CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
"""The code system of an encounter's class, which is the category of its record: AMB, EMER, IMP and so on."""


class KeptLine(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A service line of a claim. Codes are normal (state.reference.codes); missing ones are ""."""

    start: Day
    end: Day
    hcpcs: str = ""
    hcpcs_system: Literal["", "CPT", "HCPCS"] = ""
    revenue: str = ""
    place: str = ""
    modifiers: tuple[str, ...] = ()
    denied: bool = False
    units: Decimal | None = None
    allowed: Decimal | None = None
    npi: str = ""


class KeptClaim(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The version of a claim family that stands. `principal` is its first diagnosis, `diagnoses` are all, in their order.

    `start` and `end` are admission and discharge, where given, else the first and last day of its lines. `lines` are in the order of
    their days. `places` are the places of
    service of all its lines, of those too that no value set can touch.
    """

    row: str
    evidence: str
    institutional: bool
    start: Day
    end: Day
    denied: bool
    lines: tuple[KeptLine, ...]
    diagnosis_system: Literal["ICD10CM", "ICD9CM", "SNOMEDCT"] = "ICD10CM"
    principal: str = ""
    diagnoses: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    bill_type: str = ""
    drg: str = ""
    discharged: bool = False
    disposition: str = ""
    places: tuple[str, ...] = ()


class KeptDispensing(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """The version of a dispensing that stands."""

    row: str
    evidence: str
    day: Day
    days_supply: int
    quantity: Decimal
    ndc: str
    rxnorm: str
    denied: bool
    allowed: Decimal | None = None


class KeptRecord(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """The version of a clinical record that stands, as events.md has it, with days for dates.

    `start_at`, `end_at` and `authored_at` are the moments as written where the source gave more than a day, else "". `end` is FOREVER
    where none is given. `value_code` is a normal code; `value_system` is "" where the source names none; further codes of the same result
    are `more_values`. `reason_code`, `disposition` and `body_site` are codes without their system, joined by `;`: see `Person.says`.
    """

    row: str
    kind: Kind
    system: str
    code: str
    start: Day
    end: Day
    start_at: str = ""
    end_at: str = ""
    value: Decimal | None = None
    value_code: str = ""
    value_system: str = ""
    unit: str = ""
    status: str = ""
    source: str = ""
    category: str = ""
    verification: str = ""
    intent: str = ""
    not_done: bool = False
    reason_code: str = ""
    disposition: str = ""
    authored: Day | None = None
    part_of: str = ""
    body_site: str = ""
    more_values: tuple[Code, ...] = ()
    authored_at: str = ""

    @property
    def evidence(self) -> str:
        """The record id under which it is cited."""
        return self.row.partition(":")[2]


class KeptResult(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """A result that a practice submitted: it counts in initial and final readings only once the plan has accepted it."""

    row: str
    practice_id: str
    system: str
    code: str
    day: Day
    value: Decimal | None
    state: Literal["submitted", "accepted", "rejected"]
    document_ref: str
    unit: str = ""

    @property
    def evidence(self) -> str:
        """The result id under which it is cited."""
        return self.row.partition(":")[2]


Kept = KeptClaim | KeptDispensing | KeptRecord | KeptResult


class Fact(msgspec.Struct, frozen=True):
    """One coded thing that was said of a member. `of` is what it stands in; `line` the service line, where it is of one."""

    kind: Kind
    code: Code
    start: Day
    end: Day
    of: Kept
    line: KeptLine | None = None

    @property
    def evidence(self) -> str:
        """The claim id, control number, record id or result id under which it is cited (interface.md section 4)."""
        return self.of.evidence

    @property
    def denied(self) -> bool:
        """Whether the payer has denied it, in whole or in this line."""
        if isinstance(self.of, KeptClaim):
            return self.of.denied or (self.line is not None and self.line.denied)
        return isinstance(self.of, KeptDispensing) and self.of.denied

    @property
    def record(self) -> KeptRecord | None:
        """The clinical record, where it is one."""
        return self.of if isinstance(self.of, KeptRecord) else None

    @property
    def claim(self) -> KeptClaim | None:
        """The claim, where it is of one."""
        return self.of if isinstance(self.of, KeptClaim) else None

    @property
    def value(self) -> Decimal | None:
        """The number that was measured, where there is one."""
        return self.of.value if isinstance(self.of, KeptRecord | KeptResult) else None

    @property
    def unit(self) -> str:
        """The unit of the number, as its source wrote it."""
        return self.of.unit if isinstance(self.of, KeptRecord | KeptResult) else ""

    @property
    def is_principal(self) -> bool:
        """Whether it is the principal diagnosis of its claim."""
        return self.kind == "diagnosis" and isinstance(self.of, KeptClaim) and self.of.principal == self.code[1]


def last_start(kept: Kept) -> Day:
    """The last day on which anything in a kept fact begins."""
    match kept:
        case KeptClaim():
            return max(kept.start, kept.lines[-1].start) if kept.lines else kept.start
        case KeptRecord():
            return kept.start
        case _:
            return kept.day


def first_start(kept: Kept) -> Day:
    """The first day to which anything in a kept fact can be dated: that an order was written may lie before its beginning.

    What is part of another record may be dated by it: 0.
    """
    match kept:
        case KeptClaim():
            return min(kept.start, kept.lines[0].start) if kept.lines else kept.start
        case KeptRecord():
            return 0 if kept.part_of else kept.start if kept.authored is None else min(kept.start, kept.authored)
        case _:
            return kept.day


def _every(_code: Code) -> bool:
    return True


def coded(kept: Kept, is_read: Callable[[Code], object] = _every) -> Iterator[Fact]:
    """Every coded thing in a kept fact, or those alone whose code `is_read`: most are not, and are not made."""
    code: Code
    match kept:
        case KeptClaim():
            for line in kept.lines:
                if line.hcpcs and is_read(code := (line.hcpcs_system or "HCPCS", line.hcpcs)):
                    yield Fact("service", code, line.start, line.end, kept, line)
                if line.revenue and is_read(code := ("UBREV", line.revenue)):
                    yield Fact("service", code, line.start, line.end, kept, line)
            for diagnosis in kept.diagnoses:
                if is_read(code := (kept.diagnosis_system, diagnosis)):
                    yield Fact("diagnosis", code, kept.start, kept.end, kept)
            for procedure in kept.procedures:
                if is_read(code := ("ICD10PCS", procedure)):
                    yield Fact("service", code, kept.start, kept.end, kept)
            if kept.bill_type and is_read(code := ("UBTOB", kept.bill_type)):
                yield Fact("service", code, kept.start, kept.end, kept)
            if kept.drg and is_read(code := ("MSDRG", kept.drg)):
                yield Fact("service", code, kept.start, kept.end, kept)
            if kept.disposition and is_read(code := ("DISCHARGE_STATUS", kept.disposition)):
                yield Fact("service", code, kept.start, kept.end, kept)
        case KeptDispensing():
            last = kept.day + max(kept.days_supply, 1) - 1
            if kept.ndc and is_read(code := ("NDC", kept.ndc)):
                yield Fact("dispensing", code, kept.day, last, kept)
            if kept.rxnorm and is_read(code := ("RXNORM", kept.rxnorm)):
                yield Fact("dispensing", code, kept.day, last, kept)
        case KeptRecord():
            if is_read(code := (kept.system, kept.code)):
                yield Fact(kept.kind, code, kept.start, kept.end, kept)
            if kept.kind == "encounter" and kept.category and is_read(code := (ENCOUNTER_CLASS, kept.category)):
                yield Fact(kept.kind, code, kept.start, kept.end, kept)
        case KeptResult():
            if is_read(code := (kept.system, kept.code)):
                yield Fact("observation", code, kept.day, kept.day, kept)


class CoverSpan(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A stretch of coverage by the payer: covered while start <= day <= end. Benefits beside medical are named."""

    start: Day
    end: Day
    product: str
    medical: bool = True
    pharmacy: bool = False
    mental_health: bool = False


class Profile(msgspec.Struct, frozen=True, array_like=True):
    """Who the member is, by the newest version of every enrollment span; demographics are those of the latest span that names them.

    `birth` is None while no enrollment is known. Spans that never took effect say who somebody is, and cover no day.
    """

    birth: Day | None = None
    gender: str = ""
    death: Day | None = None
    spans: tuple[CoverSpan, ...] = ()
    race: str = ""
    ethnicity: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A member as a measure sees them on a day: who they are, and the facts by the role of their code.

    Facts that begin after `as_of` are known and not yet live: they are left out, and `next_start` is the day of the first of them.
    `medications` is what the medication lists in use say of a drug, beside that it is on them.
    """

    profile: Profile
    as_of: Day
    roles: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)
    next_start: Day | None = None
    roles_of: Mapping[Code, tuple[str, ...]] = field(default_factory=dict)
    medications: Mapping[Code, Medication] = field(default_factory=dict)

    def facts(self, *roles: str) -> Iterator[Fact]:
        """The facts whose code has one of the roles, role by role, in the order of their days."""
        for role in roles:
            yield from self.roles.get(role, ())

    def plays(self, code: Code, *roles: str) -> bool:
        """Whether a code has one of the roles: for what stands beside a fact's own code, such as a place, modifier or coded result."""
        played = self.roles_of[code]
        return bool(played) and not frozenset(roles).isdisjoint(played)

    def says(self, codes: str, *roles: str) -> bool:
        """Whether one of SNOMED's codes in a field of a record, such as `disposition`, has one of the roles."""
        return any(self.plays(("SNOMEDCT", code), *roles) for code in codes.split(";"))

    def between(self, start: Day, end: Day, *roles: str) -> list[Fact]:
        """Those that begin on a day from `start` to `end`, both included, by day."""
        return [fact for fact in self.facts(*roles) if start <= fact.start <= end]

    def parts_of(self, record: KeptRecord, *roles: str) -> list[Fact]:
        """The facts of these roles that are part of a clinical record, such as the numbers of a blood pressure."""
        name = record.evidence
        return [fact for fact in self.facts(*roles) if fact.record is not None and fact.record.part_of == name]


def person_of(
    profile: Profile,
    kept: Iterable[Kept],
    roles_of: Mapping[Code, tuple[str, ...]],
    as_of: Day,
    medications: Mapping[Code, Medication] = _NO_MEDICATIONS,
    read: Mapping[Code, tuple[str, ...]] | None = None,
) -> Person:
    """The member on a day. `roles_of` and `medications` are those of an edition (state.measures.editions.Bound).

    `read`: the roles by which facts are looked for, where these are fewer than all (`Bound.read_by`).
    """
    by_code = roles_of if read is None else read
    roles: dict[str, list[Fact]] = {}
    next_start: Day | None = None
    for one in kept:
        for fact in coded(one, by_code.__getitem__):
            if fact.start > as_of:
                next_start = fact.start if next_start is None else min(next_start, fact.start)
                continue
            for role in by_code[fact.code]:
                roles.setdefault(role, []).append(fact)
    for found in roles.values():
        if len(found) > 1:
            found.sort(key=_by_day)
    by_role = {role: tuple(found) for role, found in roles.items()}
    return Person(profile, as_of, by_role, next_start, roles_of, medications)


def _by_day(fact: Fact) -> tuple[Day, Day, str, Code]:
    return fact.start, min(FOREVER, fact.end), fact.of.row, fact.code
