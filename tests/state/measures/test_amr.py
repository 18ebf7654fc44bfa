"""Asthma medication ratio: the golden cases and traps of measures.md 7, and the laws."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.calendar import FOREVER
from state.measures import amr, asthma_drugs
from state.measures.asthma_drugs import DrugRules, Supply
from state.measures.editions import Bound, built_in
from state.measures.facts import Kept, KeptDispensing, Profile, person_of
from state.measures.outcome import Outcome
from state.reference.codes import Code
from state.reference.drug_products import DrugProduct
from state.reference.starter_sets import in_force
from state.reference.value_sets import Medication, ValueSets
from tests.measure_builders import (
    RolesOf,
    claim,
    condition,
    covered,
    day,
    diagnosed,
    line,
    member,
    populations,
    service,
    year,
)
from tests.state.measures import naive_amr as naive

EDITION = built_in("capc-2025")
RULES = EDITION.parameters["AMR"]
WHO = member("1990-06-15")
IN, MET, EXCLUDED, OUT = (1, 1, 0, 0), (1, 1, 0, 1), (1, 1, 1, 0), (0, 0, 0, 0)
NUMBERS = iter(range(10**9))

STEROID = ("asthma_controller", "fluticasone", "inhalation", "12", "g")
COMBINATION = ("asthma_controller", "budesonide+formoterol", "inhalation", "10.2", "g")
ALBUTEROL = ("asthma_reliever", "albuterol", "inhalation", "8.5", "g")
NEBULISER = ("asthma_reliever", "albuterol solution", "inhalation", "3", "ml")
MONTELUKAST = ("asthma_controller+asthma_leukotriene_modifier", "montelukast", "oral", "", "")
THEOPHYLLINE = ("asthma_controller", "theophylline", "oral", "", "")
OMALIZUMAB = ("asthma_controller+asthma_antibody", "omalizumab", "injection", "1", "each")
NASAL = ("asthma_controller", "fluticasone nasal", "nasal", "16", "g")
Drug = tuple[str, str, str, str, str]
DRUGS = (STEROID, COMBINATION, ALBUTEROL, NEBULISER, MONTELUKAST, THEOPHYLLINE, OMALIZUMAB, NASAL)


def code_of(drug: Drug) -> Code:
    return "NDC", f"{drug[0]}+{drug[1]}"


LISTS: Mapping[Code, Medication] = {
    code_of(drug): Medication(code_of(drug), drug[1], drug[2], Decimal(drug[3]) if drug[3] else None, drug[4])
    for drug in DRUGS
}


def fill(drug: Drug, on: str, quantity: str = "1", days_supply: int = 30, **changes: object) -> KeptDispensing:
    """A drug dispensed; `quantity` in the unit of its package."""
    number = next(NUMBERS)
    dispensed = KeptDispensing(
        row=f"d:D{number:09}",
        evidence=f"D{number:09}",
        day=day(on),
        days_supply=days_supply,
        quantity=Decimal(quantity),
        ndc=code_of(drug)[1],
        rxnorm="",
        denied=False,
    )
    return msgspec.structs.replace(dispensed, **changes)


def asked(*kept: Kept, who: Profile = WHO, rules: amr.Parameters = RULES, as_of: int = FOREVER) -> dict[str, Outcome]:
    """What AMR says for 2025."""
    person = person_of(who, kept, RolesOf(EDITION.codes), as_of, LISTS)
    return {one.rate: one for one in amr.evaluate(person, year(2025), rules)}


def told(*kept: Kept, **changes: object) -> tuple[int, int, int, int]:
    return populations(asked(*kept, **changes), "ratio")  # type: ignore[arg-type]  # of `asked`


def emergency(on: str, *diagnoses: str) -> Kept:
    """A visit to an emergency department, for asthma unless said otherwise."""
    return claim(line("ed_visit", on), diagnoses=diagnoses or ("asthma",))


BOTH_YEARS = [emergency("2024-03-01"), emergency("2025-03-01")]
ONE_EACH = [fill(STEROID, "2025-04-01", "12"), fill(ALBUTEROL, "2025-04-01", "8.5")]


# ---- who has persistent asthma


def test_an_emergency_visit_for_asthma_in_both_years_is_persistent_asthma() -> None:
    assert told(*BOTH_YEARS, *ONE_EACH) == MET
    assert told(BOTH_YEARS[0], *ONE_EACH) == OUT
    assert told(BOTH_YEARS[1], *ONE_EACH) == OUT


def test_the_criterion_may_be_another_in_the_other_year() -> None:
    events = [fill(STEROID, f"2024-0{month}-01", "12") for month in range(1, 5)]
    assert told(*events, BOTH_YEARS[1], *ONE_EACH) == MET


def test_asthma_must_be_the_principal_diagnosis_of_the_emergency_visit() -> None:
    assert told(BOTH_YEARS[0], emergency("2025-03-01", "injury", "asthma"), *ONE_EACH) == OUT


def test_an_acute_stay_counts_by_its_discharge_and_a_nonacute_one_does_not() -> None:
    stay = claim(line("inpatient_stay", "2024-12-30", "2025-01-02"), diagnoses=("asthma",), institutional=True)
    assert told(BOTH_YEARS[0], stay, *ONE_EACH) == MET
    nursing = claim(
        line("inpatient_stay+nonacute_inpatient_stay", "2024-12-30", "2025-01-02"),
        diagnoses=("asthma",),
        institutional=True,
    )
    assert told(BOTH_YEARS[0], nursing, *ONE_EACH) == OUT
    seen = claim(line("acute_inpatient", "2025-12-31"), diagnoses=("asthma",))
    assert told(BOTH_YEARS[0], seen, *ONE_EACH) == MET


@pytest.mark.parametrize(
    ("visits", "fills", "expected"), [(4, 2, MET), (3, 2, OUT), (4, 1, OUT), (0, 4, MET), (0, 3, OUT)]
)
def test_four_visits_with_two_dispensing_events_or_four_events_by_themselves(
    visits: int, fills: int, expected: tuple[int, int, int, int]
) -> None:
    seen = [
        claim(line("outpatient", f"2025-0{number + 1}-10"), diagnoses=("other", "asthma")) for number in range(visits)
    ]
    given_drugs = [fill(STEROID, f"2025-0{number + 1}-20", "12") for number in range(fills)]
    assert told(BOTH_YEARS[0], *seen, *given_drugs) == expected


def test_visits_of_one_day_are_one_visit() -> None:
    seen = [claim(line(role, "2025-02-10"), diagnoses=("asthma",)) for role in ("outpatient", "telephone_visit")]
    seen += [claim(line("online_assessment", f"2025-0{month}-10"), diagnoses=("asthma",)) for month in (3, 4)]
    drugs = [fill(STEROID, "2025-05-20", "12"), fill(STEROID, "2025-06-20", "12")]
    assert told(BOTH_YEARS[0], *seen, *drugs) == OUT
    assert told(BOTH_YEARS[0], *seen, service("outpatient", "2025-07-01"), *drugs) == OUT
    assert told(BOTH_YEARS[0], *seen, claim(line("outpatient", "2025-07-01"), diagnoses=("asthma",)), *drugs) == MET


def test_events_of_leukotriene_modifiers_or_antibodies_alone_need_a_diagnosis_in_the_same_year() -> None:
    events = [fill(MONTELUKAST, f"2025-0{month}-01") for month in range(1, 4)] + [fill(OMALIZUMAB, "2025-04-01")]
    assert told(BOTH_YEARS[0], *events) == OUT
    assert told(BOTH_YEARS[0], *events, diagnosed("asthma", "2024-06-01")) == OUT
    assert told(BOTH_YEARS[0], *events, diagnosed("asthma", "2025-06-01")) == MET
    assert told(BOTH_YEARS[0], *events, condition("asthma", "2025-06-01")) == MET
    assert told(BOTH_YEARS[0], *events[:3], fill(THEOPHYLLINE, "2025-04-01")) == MET


@pytest.mark.parametrize(
    ("birth", "is_in"), [("2020-12-31", True), ("2021-01-01", False), ("1961-01-01", True), ("1960-12-31", False)]
)
def test_ages_run_from_5_to_64_on_the_last_day(birth: str, is_in: bool) -> None:
    assert bool(asked(*BOTH_YEARS, *ONE_EACH, who=member(birth))) is is_in


@pytest.mark.parametrize(
    ("birth", "band"),
    [("2014-01-01", "5-11"), ("2013-12-31", "12-18"), ("2006-06-01", "19-50"), ("1974-12-31", "51-64")],
)
def test_the_age_band_stands_on_the_outcome(birth: str, band: str) -> None:
    assert asked(*BOTH_YEARS, *ONE_EACH, who=member(birth))["ratio"].band == band


def test_enrollment_is_that_of_both_years_each_with_its_gap() -> None:
    def cover(*spans: tuple[str, str]) -> Profile:
        return member("1990-06-15", "F", *(covered(*span) for span in spans))

    assert asked(*BOTH_YEARS, *ONE_EACH, who=cover(("2024-02-15", "2025-12-31")))
    assert not asked(*BOTH_YEARS, *ONE_EACH, who=cover(("2024-02-16", "2025-12-31")))
    assert asked(*BOTH_YEARS, *ONE_EACH, who=cover(("2024-01-31", "2025-03-01"), ("2025-04-01", "2025-12-31")))
    assert not asked(*BOTH_YEARS, *ONE_EACH, who=cover(("2024-01-01", "2025-12-30")))


def test_pharmacy_cover_is_asked_for_in_the_period_alone() -> None:
    medical = msgspec.structs.replace(covered("2024-01-01", "2024-12-31"), pharmacy=False)
    assert asked(*BOTH_YEARS, *ONE_EACH, who=member("1990-06-15", "F", medical, covered("2025-01-01", "2025-12-31")))
    both = msgspec.structs.replace(covered("2024-01-01", "2025-12-31"), pharmacy=False)
    assert not asked(*BOTH_YEARS, *ONE_EACH, who=member("1990-06-15", "F", both))


# ---- who is out


def test_another_disease_of_the_airways_at_any_time_takes_a_member_out() -> None:
    assert told(*BOTH_YEARS, *ONE_EACH, diagnosed("other_respiratory_disease", "2003-01-01")) == EXCLUDED
    assert told(*BOTH_YEARS, *ONE_EACH, diagnosed("other_respiratory_disease", "2026-01-01")) == MET


def test_a_member_to_whom_no_asthma_drug_was_dispensed_in_the_period_is_out() -> None:
    assert told(*BOTH_YEARS) == EXCLUDED
    assert told(*BOTH_YEARS, fill(STEROID, "2024-12-31", "12")) == EXCLUDED


def test_hospice_and_death_take_a_member_out() -> None:
    assert told(*BOTH_YEARS, *ONE_EACH, service("hospice_encounter", "2025-02-01")) == EXCLUDED
    assert told(*BOTH_YEARS, *ONE_EACH, who=member("1990-06-15", death="2025-12-31")) == EXCLUDED


# ---- dispensing events and units


def supply(drug: str, route: str, days: int = 30, packages: int = 1, on: int = 1) -> Supply:
    return Supply(
        day=on,
        drug=drug,
        route=route,
        days=days,
        packages=packages,
        is_controller=True,
        needs_diagnosis=False,
        evidence="",
    )


@pytest.mark.parametrize(
    ("given_days", "events", "down", "up"),
    [
        ((1,), 1, 1, 1),
        ((30,), 1, 1, 1),
        ((31,), 1, 1, 2),
        ((59,), 1, 1, 2),
        ((60,), 2, 2, 2),
        ((90,), 3, 3, 3),
        ((100,), 3, 3, 4),
        ((15, 15), 1, 1, 1),
        ((45, 45), 3, 3, 3),
    ],
)
def test_tablets_of_one_drug_on_one_day_are_summed_and_divided_by_thirty(
    given_days: tuple[int, ...], events: int, down: int, up: int
) -> None:
    given_drugs = [supply("montelukast", "oral", days) for days in given_days]
    assert asthma_drugs.dispensing_events(given_drugs) == events
    assert asthma_drugs.units(given_drugs, DrugRules()) == down
    assert asthma_drugs.units(given_drugs, DrugRules(oral_units="up")) == up


def test_two_canisters_on_one_day_are_one_event_and_two_units() -> None:
    two = [supply("albuterol", "inhalation"), supply("albuterol", "inhalation")]
    assert (asthma_drugs.dispensing_events(two), asthma_drugs.units(two, DrugRules())) == (1, 2)
    in_one_fill = [supply("albuterol", "inhalation", packages=2)]
    assert (asthma_drugs.dispensing_events(in_one_fill), asthma_drugs.units(in_one_fill, DrugRules())) == (1, 2)


def test_different_inhalers_or_tablets_of_one_day_are_events_of_their_own() -> None:
    given_drugs = [supply("albuterol", "inhalation"), supply("fluticasone", "inhalation")]
    given_drugs += [supply("montelukast", "oral"), supply("theophylline", "oral")]
    assert asthma_drugs.dispensing_events(given_drugs) == 4


def test_every_injection_is_an_event_and_a_unit() -> None:
    given_drugs = [supply("omalizumab", "injection", packages=2), supply("omalizumab", "injection")]
    assert (asthma_drugs.dispensing_events(given_drugs), asthma_drugs.units(given_drugs, DrugRules())) == (3, 3)


@pytest.mark.parametrize(
    ("quantity", "relievers"), [("8.5", 1), ("17", 2), ("17.2", 2), ("25.5", 3), ("1", 1), ("8.4", 1)]
)
def test_canisters_are_the_quantity_by_the_size_of_the_package(quantity: str, relievers: int) -> None:
    controllers = [fill(STEROID, f"2025-01-{number + 1:02}", "12") for number in range(relievers)]
    assert told(*BOTH_YEARS, fill(ALBUTEROL, "2025-06-01", quantity), *controllers) == MET
    assert told(*BOTH_YEARS, fill(ALBUTEROL, "2025-06-01", quantity), *controllers[1:]) == IN


def test_the_volume_of_a_nebulisers_solution_makes_no_more_units() -> None:
    assert told(*BOTH_YEARS, fill(NEBULISER, "2025-06-01", "375"), fill(STEROID, "2025-06-01", "12")) == MET


def test_a_steroid_for_the_nose_is_no_controller() -> None:
    assert told(*BOTH_YEARS, fill(NASAL, "2025-06-01", "16")) == EXCLUDED


def test_a_combination_for_maintenance_and_relief_is_a_controller() -> None:
    assert told(*BOTH_YEARS, fill(COMBINATION, "2025-06-01", "10.2"), fill(ALBUTEROL, "2025-06-01", "8.5")) == MET


def test_the_ratio_is_compared_unrounded() -> None:
    many = [fill(ALBUTEROL, f"2025-{month:02}-{date:02}", "8.5") for month in range(1, 11) for date in range(1, 11)]
    controllers = [
        fill(STEROID, f"2025-{month:02}-{date:02}", "12") for month in range(1, 11) for date in range(11, 21)
    ]
    assert told(*BOTH_YEARS, *many, *controllers) == MET
    assert told(*BOTH_YEARS, *many, *controllers[1:]) == IN


def test_units_are_those_of_the_period_alone() -> None:
    last_year = [fill(STEROID, "2024-12-31", "120")]
    assert told(*BOTH_YEARS, *last_year, fill(ALBUTEROL, "2025-01-01", "8.5")) == IN
    assert told(*BOTH_YEARS, fill(STEROID, "2025-12-31", "12"), fill(ALBUTEROL, "2025-01-01", "8.5")) == MET


def test_a_denied_fill_was_not_dispensed() -> None:
    assert told(*BOTH_YEARS, fill(STEROID, "2025-06-01", "12", denied=True)) == EXCLUDED


def test_a_drug_known_by_two_codes_is_dispensed_once() -> None:
    twice = fill(ALBUTEROL, "2025-06-01", "8.5", rxnorm="asthma_reliever")
    assert told(*BOTH_YEARS, twice, fill(STEROID, "2025-06-01", "12")) == MET


def test_where_a_list_says_neither_route_nor_size_a_fill_is_one_inhaler_one_injection_or_tablets() -> None:
    unlisted = fill(ALBUTEROL, "2025-06-01", "17", ndc="", rxnorm="asthma_reliever")
    assert told(*BOTH_YEARS, unlisted, fill(STEROID, "2025-06-01", "12")) == MET
    tablets = fill(
        MONTELUKAST, "2025-06-01", days_supply=90, ndc="", rxnorm="asthma_controller+asthma_leukotriene_modifier"
    )
    relievers = [fill(ALBUTEROL, f"2025-07-{date:02}", "8.5") for date in range(1, 4)]
    assert told(*BOTH_YEARS, tablets, *relievers) == MET


def test_antibodies_given_in_a_clinic_count_where_the_edition_says_so() -> None:
    given_drugs = [service("asthma_antibody_administration", "2025-05-01"), fill(ALBUTEROL, "2025-06-01", "8.5")]
    assert told(*BOTH_YEARS, *given_drugs) == IN
    counted = msgspec.structs.replace(RULES, drugs=DrugRules(antibodies_given=True))
    assert told(*BOTH_YEARS, *given_drugs, rules=counted) == MET


def test_the_gap_names_the_controllers_that_are_missing() -> None:
    found = asked(*BOTH_YEARS, fill(ALBUTEROL, "2025-06-01", "25.5"), fill(STEROID, "2025-06-01", "12"))["ratio"]
    assert found.closes_with == "2 more units of controllers"
    assert found.due_by == found.anchor == day("2025-12-31")


def test_with_the_starter_lists_and_a_directory_of_products_fills_are_read_by_their_ndc() -> None:
    inhaler = DrugProduct(("NDC", "00173060002"), ("INGREDIENT", "fluticasone"), "inhalation", Decimal(12), "g")
    spray = DrugProduct(("NDC", "00173045301"), ("INGREDIENT", "fluticasone"), "nasal", Decimal(16), "g")
    bound = Bound(EDITION.only(["AMR"]), in_force(ValueSets([]), [inhaler, spray]))
    assert bound.roles_of["NDC", "00173060002"] == ("asthma_controller",)
    assert bound.roles_of["NDC", "00173045301"] == ()
    assert bound.medications["NDC", "00173060002"].package_size == 12


# ---- laws, and the second reading

DAYS = [
    "2023-12-31",
    "2024-01-01",
    "2024-06-01",
    "2024-12-31",
    "2025-01-01",
    "2025-06-01",
    "2025-06-02",
    "2025-12-31",
    "2026-01-01",
]
Made = tuple[str, ...]


def kept_of(made: Iterable[Made]) -> list[Kept]:
    """The facts of what a second reading is told in words."""
    kept: list[Kept] = []
    for what, on, *more in made:
        if what == "fill":
            drug = next(one for one in DRUGS if one[1] == more[0])
            kept.append(fill(drug, on, more[1], int(more[2])))
        elif what == "diagnosis":
            kept.append(diagnosed(more[0], on))
        else:
            kept.append(claim(line(what, on), diagnoses=("asthma",) if more[0] == "principal" else ("other", "asthma")))
    return kept


events = st.one_of(
    st.tuples(
        st.just("fill"),
        st.sampled_from(DAYS),
        st.sampled_from([drug[1] for drug in DRUGS]),
        st.sampled_from(["1", "8.5", "12", "17", "24", "30"]),
        st.sampled_from(["15", "30", "31", "60", "90"]),
    ),
    st.tuples(
        st.sampled_from(["ed_visit", "acute_inpatient", "outpatient", "telephone_visit"]),
        st.sampled_from(DAYS),
        st.sampled_from(["principal", "other"]),
    ),
    st.tuples(st.just("diagnosis"), st.sampled_from(DAYS), st.sampled_from(["asthma", "other_respiratory_disease"])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(events, max_size=24), st.booleans(), st.integers(0, 10**6))
def test_a_second_reading_agrees_whatever_the_order(made: list[Made], starts_persistent: bool, seed: int) -> None:
    told_of = (
        [*made, ("ed_visit", "2024-06-01", "principal"), ("ed_visit", "2025-06-01", "principal")]
        if starts_persistent
        else made
    )
    kept = kept_of(told_of)
    found = told(*kept)
    assert found == naive.populations({drug[1]: drug for drug in DRUGS}, told_of, 2025)
    random.Random(seed).shuffle(kept)
    assert told(*kept) == found


@settings(max_examples=20, deadline=None)
@given(st.lists(events, max_size=15))
def test_between_the_days_of_facts_no_day_changes_anything(made: list[Made]) -> None:
    kept = kept_of([*made, ("ed_visit", "2024-06-01", "principal"), ("ed_visit", "2025-06-01", "principal")])
    starts = {dt.date.fromisoformat(on).toordinal() for on in DAYS}
    before: dict[str, Outcome] | None = None
    for number in range(day("2024-12-20"), day("2026-01-05")):
        found = asked(*kept, as_of=number)
        if before is not None and number not in starts:
            assert found == before
        before = found
