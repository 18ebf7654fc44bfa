"""Where a contract departs from the common model of the program: allowed, and never unsaid. Source: payment.md 4.4 and 4.6."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from schemas.money import Ceilings, Contract, Policies, PracticeTypeRule
from state.payment import program_tables
from state.payment.amounts import number
from state.payment.contract_rules import TEMPLATES, Said
from state.payment.program_tables import PRACTICE_TYPES, MeasureTerms, Shares
from state.reference.tables import TableStore

COMMON_RETRO_MONTHS = 6


def departures(contract: Contract, store: TableStore) -> Iterator[Said]:
    """Every departure, a sentence each: policies, ceilings, the rule of practice types, limits, service classes, tables.

    Raises `TableError` where a table cannot be read: ask only of a contract without mistakes.
    """
    yield from _values("policies", contract.policies, Policies())
    yield from _values("ceilings", contract.ceilings, Ceilings())
    yield from _values("practice_type", contract.practice_type, PracticeTypeRule())
    if contract.retro_limit_months != COMMON_RETRO_MONTHS:
        yield "retro_limit_months", f"{contract.retro_limit_months} instead of {COMMON_RETRO_MONTHS}."
    if contract.initial_pct != 1:
        yield "initial_pct", f"the initial statement pays {number(100 * contract.initial_pct)}% of what is projected."
    yield from _classes(contract, store)
    yield from _measures(contract, store)
    yield from _shares(contract, store)


def _values(place: str, given: msgspec.Struct, common: msgspec.Struct) -> Iterator[Said]:
    for name in given.__struct_fields__:
        value, usual = getattr(given, name), getattr(common, name)
        if value != usual and name != "override_reason":
            yield f"{place}.{name}", f"{_as_written(value)} instead of {_as_written(usual)}."


def _as_written(value: object) -> str:
    """A value as JSON has it, without quotes."""
    return "none" if value is None else msgspec.json.encode(value).decode().strip('"')


def _classes(contract: Contract, store: TableStore) -> Iterator[Said]:
    if contract.track not in TEMPLATES:
        return
    printed = program_tables.parse_classes(program_tables.shipped(store, TEMPLATES[contract.track]))
    templates = {one.name: one for one in printed}
    for place, one in enumerate(contract.service_classes):
        key, template = f"service_classes[{place}]", templates.get(one.name)
        if template is None:
            yield key, f"class {one.name!r} is not in the printed table of track {contract.track}."
            continue
        if template.column is not None and one.column != template.column:
            yield f"{key}.column", f"class {one.name!r} is {one.column} instead of {template.column}."
        if template.codes and one.codes != template.codes:
            yield f"{key}.codes", f"class {one.name!r} has other codes than the printed {' '.join(template.codes)}."


def _measures(contract: Contract, store: TableStore) -> Iterator[Said]:
    common = program_tables.parse_measures(program_tables.shipped(store, "incentive_measures"))
    for measure, least in sorted(contract.minimum_denominators.items()):
        usual = common[measure].minimum_denominator if measure in common else None
        if least != usual:
            yield f"minimum_denominators.{measure}", f"{least} instead of {usual}."
    for place, use in enumerate(contract.tables):
        if use.kind != "incentive_measures":
            continue
        own = program_tables.parse_measures(store.load(use.kind, use.digest))
        for measure in sorted({*own, *common}):
            said = _difference(own.get(measure), common.get(measure))
            if said:
                yield f"tables[{place}]", f"measure {measure}: {said}."


def _difference(own: MeasureTerms | None, common: MeasureTerms | None) -> str:
    if own is None:
        return "left out"
    if common is None:
        return "not in the common measure set"
    return "" if own.thresholds == common.thresholds else f"{_goals(own)} instead of {_goals(common)}"


def _goals(measure: MeasureTerms) -> str:
    goal = measure.thresholds
    return "unscored" if goal is None else f"{number(goal.minimum)}-{number(goal.threshold)} / {number(goal.gold)}"


def _shares(contract: Contract, store: TableStore) -> Iterator[Said]:
    common = program_tables.parse_shares(program_tables.shipped(store, "incentive_shares"))
    usual_hpi = program_tables.parse_hpi_adjustments(program_tables.shipped(store, "hpi_adjustments"))
    for place, use in enumerate(contract.tables):
        if use.kind == "incentive_shares":
            own = program_tables.parse_shares(store.load(use.kind, use.digest))
            for practice_type in PRACTICE_TYPES:
                for measure in sorted({*own[practice_type], *common[practice_type]}):
                    now, usual = own[practice_type].get(measure), common[practice_type].get(measure)
                    if now != usual:
                        yield (
                            f"tables[{place}]",
                            f"share of {measure}, {practice_type}: {_three(now)} instead of {_three(usual)}.",
                        )
        elif use.kind == "hpi_adjustments":
            for decile, pct in program_tables.parse_hpi_adjustments(store.load(use.kind, use.digest)).items():
                if pct != usual_hpi[decile]:
                    yield (
                        f"tables[{place}]",
                        f"HPI decile {decile}: {number(pct)}% instead of {number(usual_hpi[decile])}%.",
                    )


def _three(shares: Shares | None) -> str:
    return (
        "none"
        if shares is None
        else f"{number(shares.improvement)} / {number(shares.threshold)} / {number(shares.gold)}"
    )
