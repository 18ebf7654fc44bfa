"""Which claim lines could be visits: form, code, place of service and taxonomy. Source: attribution.md 2.2 and 2.3.

What a roster says of the provider is asked later (state.attribution.standing), so that a roster row that arrives late needs no
claim read again; what code lists, taxonomies and rulesets say is settled here, and settled again when one of them changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

from schemas.records import Claim, ClaimLine
from state.attribution.rulesets import Switches
from state.calendar import Day
from state.ledger.member import Setting, Verdict
from state.reference.knowledge import Knowledge, Tables
from state.reference.services import Service
from state.reference.taxonomies import Taxonomy, is_organisation

HEALTH_CENTERS = frozenset({"261QF0400X", "261QR1300X"})
"""Billing taxonomies of federally qualified health centers and rural health clinics. Source: attribution.md 2.2 rule 5."""
_HEALTH_CENTER_BILLS = frozenset({"71x", "77x"})
_INPATIENT_BILLS = frozenset({"11x", "12x", "21x", "22x"})
_HOSPICE_BILLS = frozenset({"81x", "82x"})


NoVisit = Literal["service", "place_of_service", "bill_type", "contradicting_conditions", "nobody_named"]
"""Why a line is no visit whatever a roster says: the code, the place or type of bill, both asking for other taxonomies, no clinician."""


class Opening(NamedTuple):
    """What a line's code and place leave open to its provider."""

    preventive: bool
    needs: str
    """The only taxonomies that will do: "pediatric_or_family", "school", or "" for any."""
    uses: frozenset[str]
    """The restricted groups of 2.3 whose visit this may be."""


def candidates(claim: Claim, knowledge: Knowledge, *, denied: bool) -> list[tuple[Setting, Day]]:
    """The distinct (setting, day) of lines that could be visits, sorted; of the denied lines instead, if `denied`.

    The claim's own status is not asked: that is the family's matter (state.ledger.claims).
    """
    tables = knowledge.tables
    form = _form_of(claim)
    found: list[tuple[Setting, Day]] = []
    for line in claim.lines:
        if (line.line_status == "denied") is not denied:
            continue
        day = line.claim_line_start_date.toordinal()
        setting = _setting(claim, form, line, day, tables)
        if isinstance(setting, Setting):
            found.append((setting, day))
    return sorted(set(found)) if len(found) > 1 else found


def setting_of(claim: Claim, line: ClaimLine, tables: Tables) -> Setting | NoVisit:
    """The setting of a line that could be a visit, else why it is none whatever a roster says. Its status is not asked."""
    return _setting(claim, _form_of(claim), line, line.claim_line_start_date.toordinal(), tables)


def _form_of(claim: Claim) -> tuple[str | None, bool]:
    """(type of bill, whether a health center bills)."""
    bill = bill_type(claim)
    return bill, bill in _HEALTH_CENTER_BILLS or claim.billing_taxonomy in HEALTH_CENTERS


def _setting(
    claim: Claim, form: tuple[str | None, bool], line: ClaimLine, day: Day, tables: Tables
) -> Setting | NoVisit:
    npi = line.rendering_npi
    read = _read(
        form,
        line.hcpcs_code,
        line.revenue_center_code,
        line.place_of_service_code,
        None if npi is None else tables.directory.taxonomy(npi, day) or line.rendering_taxonomy,
        npi is not None,
        tables.services.unchanged_since(day),
        tables,
    )
    if not isinstance(read, tuple):
        return read
    return Setting(npi or "", claim.billing_npi or "", claim.billing_tin or "", *read)


@lru_cache(maxsize=1 << 16)
def _read(
    form: tuple[str | None, bool],
    hcpcs_code: str | None,
    revenue_code: str | None,
    place: str | None,
    taxonomy: str | None,
    named: bool,  # noqa: FBT001 - by place, since a line is asked for often
    since: Day,
    tables: Tables,
) -> tuple[Verdict, bool, bool, str] | NoVisit:
    """What lists and taxonomy say of a line: verdict, whether the visit is the practice's alone, preventive, needs; or why it is none."""
    opening = _opening(Shape(*form, hcpcs_code, revenue_code, place), since, tables)
    if not isinstance(opening, Opening):
        return opening
    clinician = _clinician(taxonomy, opening, tables, named=named, health_center=form[1])
    return "nobody_named" if clinician is None else (*clinician, opening.preventive, opening.needs)


def hospice_days(claim: Claim) -> tuple[Day, Day] | None:
    """First and last day that a hospice bills, None for any other claim. Source: attribution.md 2.3, COND_PALL."""
    if bill_type(claim) not in _HOSPICE_BILLS:
        return None
    days = [
        day
        for line in claim.lines
        if line.line_status != "denied"
        for day in (line.claim_line_start_date, line.claim_line_end_date or line.claim_line_start_date)
    ]
    if not days:
        return None
    first = claim.admission_date or min(days)
    return first.toordinal(), max(claim.discharge_date or max(days), first).toordinal()


def bill_type(claim: Claim) -> str | None:
    """The type of bill without frequency: `0771` and `771` are both `77x`. None on a professional claim, "" where it is missing."""
    if claim.claim_type == "professional":
        return None
    code = (claim.bill_type_code or "").lstrip("0")
    return f"{code[:2]}x" if len(code) >= 2 else ""


class Shape(NamedTuple):
    """What of a line the code lists are asked about. `bill`: the type of bill, None on a professional claim."""

    bill: str | None
    health_center: bool
    hcpcs_code: str | None
    revenue_code: str | None
    place: str | None


class _Case(NamedTuple):
    """What the conditions of code lists are asked about."""

    shape: Shape
    category: str
    revenue_category: str
    switches: Switches


_CONDITIONS: dict[str, Callable[[_Case], bool]] = {
    "pos_32": lambda case: case.shape.place == "32",
    "not_inpatient": lambda case: case.shape.place != "21" and case.shape.bill not in _INPATIENT_BILLS,
    "fqhc_rhc_claim": lambda case: case.shape.health_center,
    "bill_71_77": lambda case: case.shape.bill in _HEALTH_CENTER_BILLS,
    "cah_method_2": lambda case: case.revenue_category == "cah",
    "nursing_facility_visit": lambda case: case.category == "nursing_facility",
    "pediatric_or_family": lambda _: True,
    "school_taxonomy": lambda _: True,
}
"""The conditions in the code lists, other than switches of the ruleset."""
_NEEDS = {"pediatric_or_family": "pediatric_or_family", "school_taxonomy": "school"}
"""Conditions that only the provider's taxonomy can meet, as `Opening.needs`."""


def _holds(service: Service | None, case: _Case) -> bool:
    """Whether a code, bill type or place counts in a case."""
    if service is None or service.counts == "no":
        return False
    return all(
        getattr(case.switches, condition[7:]) if condition.startswith("switch:") else _CONDITIONS[condition](case)
        for condition in service.conditions
    )


@lru_cache(maxsize=1 << 16)
def _opening(shape: Shape, day: Day, tables: Tables) -> Opening | NoVisit:
    """Rules 2 to 4 of 2.2: form, code, place. Else why the line is no visit whoever rendered it."""
    find, ruleset = tables.services.find, tables.ruleset
    revenue_code = shape.revenue_code and shape.revenue_code.zfill(4)
    by_code, by_revenue = find("HCPCS", shape.hcpcs_code, day), find("REV", revenue_code, day)
    revenue_category = by_revenue.category if by_revenue else ""
    service = None
    for listed in (by_code, by_revenue):
        if listed is not None and _holds(listed, _Case(shape, listed.category, revenue_category, ruleset.switches)):
            service = listed
            break
    if service is None and ruleset.services == "listed":
        return "service"
    case = _Case(shape, service.category if service else "", revenue_category, ruleset.switches)
    form = find("POS", shape.place, day) if shape.bill is None else find("TOB", shape.bill, day)
    if form is None or not _holds(form, case):
        return "place_of_service" if shape.bill is None else "bill_type"
    asked = {*form.conditions, *(service.conditions if service else ())}
    needs = [taxonomies for condition, taxonomies in _NEEDS.items() if condition in asked]
    if len(needs) > 1:
        return "contradicting_conditions"
    uses = service.uses if service else frozenset()
    return Opening(
        preventive=case.category == "preventive",
        needs=needs[0] if needs else "",
        uses=uses & form.uses if shape.bill is None else uses,
    )


@lru_cache(maxsize=1 << 16)
def _clinician(
    taxonomy_code: str | None, opening: Opening, tables: Tables, *, named: bool, health_center: bool
) -> tuple[Verdict, bool] | None:
    """Rule 5 of 2.2 as far as taxonomy decides it: the verdict, and whether the visit is the practice's alone.

    None where nobody in person is named and the claim is not a health center's: no roster can make that a visit.
    """
    if not named:
        return ("met", True) if health_center and not opening.needs else None
    if taxonomy_code is None:
        return "unknown", False
    organisation = is_organisation(taxonomy_code)
    if organisation and not health_center:
        return "no", True
    return _verdict(tables.taxonomies.find(taxonomy_code), opening, tables.ruleset.switches), organisation


def meets(taxonomy: Taxonomy | None, needs: str) -> bool:
    """Whether a taxonomy is one that a code or place asks for."""
    if not needs:
        return True
    if taxonomy is None:
        return False
    return taxonomy.pediatric_or_family if needs == "pediatric_or_family" else "school" in taxonomy.conditions


def _verdict(taxonomy: Taxonomy | None, opening: Opening, switches: Switches) -> Verdict:
    """The concrete reading of "service restrictions apply". Source: attribution.md 2.3.

    COND_NPPA inside a member: the practice or TIN must be flagged primary care. A school clinic that bills as an organisation must
    be on the roster, which is the same question. COND_PALL is settled at evaluation, where its window is known.
    """
    if taxonomy is None or taxonomy.status == "exclude" or not meets(taxonomy, opening.needs):
        return "no"
    if taxonomy.status == "include":
        return "include"
    verdict: Verdict = "met"
    for condition in taxonomy.conditions:
        if condition.startswith("switch:"):
            if not getattr(switches, condition[7:]):
                return "no"
        elif condition == "nppa":
            verdict = "flagged"
        elif condition == "facility":
            verdict = "flagged" if "school" in taxonomy.conditions else verdict
        elif condition not in opening.uses:
            return "no"
        elif condition == "palliative":
            verdict = "palliative"
    return verdict
