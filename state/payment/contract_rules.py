"""What is wrong with one contract: the rules between its values, and the tables that it names. Source: payment.md 4.0 to 4.7."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from schemas.money import Contract, TableUse
from state.payment import program_tables
from state.payment.age_gender import Factors
from state.payment.amounts import number
from state.payment.incentive import COMPLETED, gold_sum
from state.payment.pool import INCENTIVE_LIMIT, TOTAL_LIMIT, design_limits
from state.payment.program_tables import PRACTICE_TYPES, MeasureTerms
from state.payment.service_classes import BadCodes, span_of
from state.payment.terms import PAID_BY
from state.reference.tables import TableError, TableStore

Said = tuple[str, str]
"""The key and the sentence."""
TEMPLATES = {"B": "service_classes_b", "C": "service_classes_c"}
MOST_RETRO_MONTHS = 36
_TIN_DIGITS = 9


def mistakes(contract: Contract, store: TableStore) -> Iterator[Said]:
    """Everything for which a contract is refused, a sentence each, in the order of its keys."""
    yield from _names(contract)
    yield from _rates(contract)
    yield from _initial(contract)
    yield from _practice_type(contract)
    yield from _services(contract, store)
    yield from _tables(contract, store)


def warnings(contract: Contract) -> Iterator[Said]:
    """What is accepted and should be known before anybody is paid by it."""
    limits = design_limits(contract)
    if limits.over:
        yield (
            "ceilings.total_pct",
            (
                f"the three elements add {number(limits.total_pct, 2)}% to base payment ({number(limits.element_1_pct, 2)} + "
                f"{number(limits.element_2_pct, 2)} + {number(limits.element_3_pct, 2)}), over the ceiling of "
                f"{number(limits.ceiling_pct)}%; nothing that is earned is cut for it."
            ),
        )
    limit = min(contract.ceilings.incentive_pct, INCENTIVE_LIMIT)
    if contract.incentive_max_pct > limit:
        yield (
            "incentive_max_pct",
            f"{number(contract.incentive_max_pct)}% is over the ceiling of the incentive: the pool is limited at {number(limit)}%.",
        )


def needs_risk_tables(contract: Contract) -> bool:
    """Whether any PMPM of the contract is adjusted by age, gender and HPI."""
    element_2 = contract.phm_pmpm is not None and contract.policies.adjust_element_2
    return contract.track != "A" or element_2


def measures_in_force(contract: Contract, store: TableStore) -> Mapping[str, MeasureTerms]:
    """The measures by the contract's own table or the program's. Raises `TableError`."""
    for use in contract.tables:
        if use.kind == "incentive_measures":
            return program_tables.parse_measures(store.load(use.kind, use.digest))
    return program_tables.parse_measures(program_tables.shipped(store, "incentive_measures"))


def _names(contract: Contract) -> Iterator[Said]:
    for key in ("contract_id", "payer", "practice_id", "payee_name"):
        if not getattr(contract, key).strip():
            yield key, "is empty: give it."
    if "|" in contract.payer:
        yield "payer", "holds a '|', which separates payer and member in keys: use another name."
    if len(contract.payee_tin) != _TIN_DIGITS or not contract.payee_tin.isdecimal():
        yield "payee_tin", "is not nine digits: give the tax id without hyphens."
    if contract.effective_to is not None and contract.effective_to <= contract.effective_from:
        yield (
            "effective_to",
            (
                f"the contract ends before it starts ({contract.effective_from}, {contract.effective_to}): the end is the first day "
                "on which it no longer holds."
            ),
        )


def _rates(contract: Contract) -> Iterator[Said]:
    if contract.base_pmpm <= 0:
        yield "base_pmpm", "is not above zero: give the base payment per member and month."
    for key in ("capitation_pmpm", "phm_pmpm"):
        rate = getattr(contract, key)
        if rate is not None and rate < 0:
            yield key, "is negative: correct it."
    if contract.track == "A" and contract.capitation_pmpm is not None:
        yield "capitation_pmpm", "track A pays everything fee for service: leave it out, or name track B or C."
    if contract.track != "A" and not contract.capitation_pmpm:
        yield "capitation_pmpm", f"track {contract.track} pays a capitation: give its PMPM."
    for key in ("incentive_max_pct", "element_1_increase_pct"):
        pct = getattr(contract, key)
        if not 0 <= pct <= 100:
            yield key, f"{number(pct)} does not lie in 0 to 100 percent: correct it."
        elif 0 < pct < 1:
            yield key, f"{number(pct)} is less than one percent: 15% is written as 15."
    for key, limit in (("total_pct", TOTAL_LIMIT), ("incentive_pct", INCENTIVE_LIMIT)):
        pct = getattr(contract.ceilings, key)
        if not 0 <= pct <= limit:
            yield (
                f"ceilings.{key}",
                f"{number(pct)} does not lie in 0 to {number(limit)}: a contract may only lower the program's ceiling.",
            )


def _initial(contract: Contract) -> Iterator[Said]:
    if not 0 < contract.initial_pct <= 1:
        yield "initial_pct", f"{number(contract.initial_pct)} is not above 0 and at most 1: 80% is written as 0.8."
    for measure, factor in sorted(contract.completion_factors.items()):
        if measure not in COMPLETED:
            yield f"completion_factors.{measure}", f"missing claims flatter {', '.join(COMPLETED)} only: remove it."
        elif factor < 1:
            yield (
                f"completion_factors.{measure}",
                f"{number(factor)} is below 1: claims that are missing can only be added.",
            )
    if not 1 <= contract.retro_limit_months <= MOST_RETRO_MONTHS:
        yield "retro_limit_months", f"is not between 1 and {MOST_RETRO_MONTHS}: correct it."


def _practice_type(contract: Contract) -> Iterator[Said]:
    rule = contract.practice_type
    if not 0 <= rule.adult_up_to_pct < rule.pediatric_from_pct <= 100:
        yield "practice_type", "adult_up_to_pct lies below pediatric_from_pct, both in 0 to 100: correct them."
    elif not rule.hysteresis_points >= 0 or 2 * rule.hysteresis_points > rule.pediatric_from_pct - rule.adult_up_to_pct:
        yield (
            "practice_type.hysteresis_points",
            "reaches from one border beyond the middle to the other: make it smaller.",
        )
    if rule.override is not None and not (rule.override_reason or "").strip():
        yield "practice_type.override_reason", "a type set by the plan needs its reason: give it."


def _services(contract: Contract, store: TableStore) -> Iterator[Said]:
    if contract.track == "A":
        for key in ("service_classes", "capitated_places_of_service"):
            if getattr(contract, key):
                yield key, "track A capitates nothing: leave it out, or name track B or C."
        return
    names = [one.name for one in contract.service_classes]
    for place, one in enumerate(contract.service_classes):
        key = f"service_classes[{place}]"
        if names.index(one.name) != place:
            yield key, f"class {one.name!r} stands twice: give each its own name."
        if one.column is None:
            yield f"{key}.column", f"class {one.name!r} is in no column: say capitated or fee_for_service."
        if not one.codes:
            yield f"{key}.codes", f"class {one.name!r} has no codes: name them."
        for word in one.codes:
            try:
                span_of(word)
            except BadCodes as problem:
                yield f"{key}.codes", f"{problem}: correct it."
    printed = program_tables.parse_classes(program_tables.shipped(store, TEMPLATES[contract.track]))
    missing = [template.name for template in printed if template.name not in names]
    if missing:
        yield (
            "service_classes",
            (
                f"{', '.join(map(repr, missing))} of the printed table of track {contract.track} "
                f"{'is' if len(missing) == 1 else 'are'} missing: say which column each class is in; "
                f"state/data/payment/{TEMPLATES[contract.track]}.csv is the template."
            ),
        )
    if not any(one.column == "capitated" for one in contract.service_classes):
        yield "service_classes", "no class is capitated: a capitation without services covers nothing."
    places = contract.capitated_places_of_service
    if not places:
        yield (
            "capitated_places_of_service",
            "is empty: name the places of service that the capitation covers, as in 11 and 02.",
        )
    for place_of_service in places:
        if len(place_of_service) != 2 or not place_of_service.isdecimal():
            yield "capitated_places_of_service", f"{place_of_service!r} is no place of service: two digits, as in 11."


def _tables(contract: Contract, store: TableStore) -> Iterator[Said]:
    uses: dict[str, TableUse] = {}
    for place, use in enumerate(contract.tables):
        if use.kind in uses:
            yield f"tables[{place}]", f"a second table of kind {use.kind}: a contract goes by one of each."
        uses[use.kind] = use
        yield from ((f"tables[{place}]", said) for said in _table(use, store))
    if needs_risk_tables(contract):
        for kind, what in (("age_gender_factors", "the age and gender factors"), ("hpi", "the HPI file")):
            if kind not in uses:
                yield (
                    "tables",
                    f"no table of kind {kind}: name {what} with version and digest, because PMPMs are adjusted by it.",
                )
    try:
        measures = measures_in_force(contract, store)
        shares_use = uses.get("incentive_shares")
        file = (
            program_tables.shipped(store, "incentive_shares")
            if shares_use is None
            else store.load(shares_use.kind, shares_use.digest)
        )
        shares = program_tables.parse_shares(file)
    except TableError:
        return  # said above, with the place of the table
    for measure in dict.fromkeys(name for of_type in shares.values() for name in of_type):
        if measure not in measures:
            types = " and ".join(one for one in PRACTICE_TYPES if measure in shares[one])
            yield (
                "tables",
                f"measure {measure} has a share for {types} practices and no threshold: complete the measures.",
            )
    sums = {one: gold_sum(shares[one]) for one in PRACTICE_TYPES}
    if contract.policies.strict_shares and set(sums.values()) != {Decimal(100)}:
        said = ", ".join(f"{number(whole)} for {one} practices" for one, whole in sums.items() if whole != Decimal(100))
        yield (
            "policies.strict_shares",
            f"the gold shares add up to {said}, not to 100: name other tables, or switch strict_shares off.",
        )
    for measure, least in sorted(contract.minimum_denominators.items()):
        if measure not in measures:
            yield f"minimum_denominators.{measure}", "is no measure of the incentive: correct the name."
        elif least < 1:
            yield f"minimum_denominators.{measure}", "is not above zero: correct it."


def _table(use: TableUse, store: TableStore) -> Iterator[str]:
    """What is wrong with a table that a contract names: it is not there, cannot be read, or has a gap."""
    try:
        file = store.load(use.kind, use.digest)
        found = PAID_BY[use.kind](file)
        if isinstance(found, Factors):
            gaps = found.missing()
            if gaps:
                yield f"{use.name} {use.version} has no factor for {', '.join(gaps)}: complete the table."
            for band in found.bands:
                if band.factor == 0:
                    yield f"the factor of {band.name} is 0: members of that band would count nothing; correct it."
    except TableError as problem:
        unknown = ", is not known" if "in no folder" in str(problem) else ""
        yield f"{use.kind} {use.name}, version {use.version}{unknown}: {problem}"
