"""Childhood immunizations: the golden cases and traps of measures.md 8 and of the CQL of CMS117."""

from __future__ import annotations

import datetime as dt

import pytest

from state.measures.editions import Bound, built_in
from state.measures.facts import Kept, Profile
from state.measures.outcome import Outcome
from state.reference.starter_sets import starter_sets
from tests.measure_builders import (
    claim,
    condition,
    covered,
    diagnosed,
    encounter,
    immunization,
    line,
    member,
    months,
    outcomes,
    populations,
    procedure,
    record,
    service,
    year,
)
from tests.state.measures import naive_immunizations as naive

BIRTH = dt.date(2023, 6, 15)
PROGRAM, ECQM, ECQM_2026 = "capc-2025", "cms-2025", "cms-2026"
VISIT = encounter("child_visit", "2025-06-20")
IN, MET, EXCLUDED = (1, 1, 0, 0), (1, 1, 0, 1), (1, 1, 1, 0)


def at(days: int = 0, years: int = 0) -> str:
    """So many days after a birthday of the child; 0 is birth."""
    return (naive.turns(BIRTH, years) + dt.timedelta(days=days)).isoformat()


def asked(*kept: Kept, edition: str = PROGRAM, child: Profile | None = None) -> dict[str, Outcome]:
    """What CIS says for 2025 of a child who turns two in June; a visit is there in the eCQM's form."""
    visits = () if edition == PROGRAM else (VISIT,)
    return outcomes(edition, "CIS", year(2025), child or member(BIRTH.isoformat()), *visits, *kept)


def shots(vaccine: str, *days: str) -> list[Kept]:
    return [immunization(vaccine, day) for day in days]


def met(found: dict[str, Outcome], rate: str) -> bool:
    return found[rate].numerator == 1


ALL_SHOTS: list[Kept] = [
    *shots("dtap+ipv+hib+hib_3dose+hepb", at(60), at(120), at(180)),
    *shots("dtap", at(90, 1)),
    *shots("pcv", at(60), at(120), at(180), at(0, 1)),
    *shots("rotavirus_2dose", at(60), at(120)),
    *shots("influenza", at(200), at(230)),
    *shots("mmr+vzv+hepa", at(0, 1)),
]


def without(*roles: str) -> list[Kept]:
    """All shots, as if those of the roles had never been."""
    return [one for one in ALL_SHOTS if not set(roles) & set(getattr(one, "code", "").split("+"))]


@pytest.mark.parametrize("edition", [PROGRAM, "capc-2024", ECQM])
def test_a_child_with_every_vaccine_meets_every_rate(edition: str) -> None:
    found = asked(*ALL_SHOTS, edition=edition)
    assert {one.numerator for one in found.values()} == {1}
    assert found["combo10"].denominator == 1


def test_the_program_shows_combinations_10_7_and_3_and_each_antigen() -> None:
    names = ["dtap", "ipv", "mmr", "hib", "vzv", "pcv", "hepa", "hepb", "rotavirus", "influenza"]
    assert list(asked()) == ["combo10", "combo7", "combo3", *names]


def test_without_influenza_combination_7_is_met_and_10_is_not() -> None:
    found = asked(*without("influenza"))
    assert (met(found, "combo10"), met(found, "combo7"), met(found, "combo3")) == (False, True, True)
    assert "influenza" in found["combo10"].closes_with
    assert found["combo10"].due_by == found["combo10"].anchor


@pytest.mark.parametrize(
    ("role", "before", "first"),
    [
        ("dtap", at(41), at(42)),
        ("ipv", at(41), at(42)),
        ("pcv", at(41), at(42)),
        ("hib+hib_3dose", at(41), at(42)),
        ("rotavirus_3dose", at(41), at(42)),
        ("mmr", at(-1, 1), at(0, 1)),
        ("vzv", at(-1, 1), at(0, 1)),
        ("hepa", at(-1, 1), at(0, 1)),
        ("hepb", at(-1), at(0)),
    ],
)
@pytest.mark.parametrize("edition", [PROGRAM, ECQM])
def test_a_dose_counts_from_the_first_day_of_its_window_and_not_the_day_before(
    edition: str, role: str, before: str, first: str
) -> None:
    doses = {"dtap": 4, "pcv": 4, "mmr": 1, "vzv": 1, "hepa": 1}.get(role, 3)
    rate = role.partition("+")[0].removesuffix("_3dose")
    others = shots(role, *(at(400 + number) for number in range(doses - 1)))
    assert not met(asked(*others, *shots(role, before), edition=edition), rate)
    assert met(asked(*others, *shots(role, first), edition=edition), rate)


@pytest.mark.parametrize(
    ("antigen", "kept", "told"),
    [
        ("dtap", shots("dtap", at(41), at(120), at(180), at(400)), "dtap: 4 doses of dtap (3 so far, 1 too early)"),
        ("mmr", shots("mmr", at(-1, 1)), "mmr: 1 dose of mmr (0 so far, 1 too early)"),
        (
            "hepb",
            [
                *shots("hepb", at(60)),
                service("hepb_newborn_administered", at(0)),
                service("hepb_newborn_administered", at(7)),
            ],
            "hepb: 3 doses of hepb (2 so far)",
        ),
        (
            "rotavirus",
            [*shots("rotavirus_2dose", at(60)), *shots("rotavirus_3dose", at(120))],
            "rotavirus: 2 doses of rotavirus_2dose or 3 doses of rotavirus_3dose or 3 of any (2 so far)",
        ),
    ],
)
def test_the_gap_says_what_a_series_needs_what_counts_so_far_and_what_was_too_early(
    antigen: str, kept: list[Kept], told: str
) -> None:
    assert asked(*kept)[antigen].closes_with == told


@pytest.mark.parametrize("edition", [PROGRAM, ECQM, ECQM_2026])
def test_a_dose_on_the_second_birthday_counts_and_one_on_the_day_after_does_not(edition: str) -> None:
    assert met(asked(*shots("mmr", at(0, 2)), edition=edition), "mmr")
    assert not met(asked(*shots("mmr", at(1, 2)), edition=edition), "mmr")


def test_the_program_takes_influenza_from_day_180() -> None:
    assert not met(asked(*shots("influenza", at(179), at(300))), "influenza")
    assert met(asked(*shots("influenza", at(180), at(300))), "influenza")


def test_the_ecqm_of_2025_takes_influenza_immunizations_from_day_42_and_procedures_from_day_180() -> None:
    assert met(asked(*shots("influenza", at(42), at(300)), edition=ECQM), "influenza")
    assert not met(asked(*shots("influenza", at(41), at(300)), edition=ECQM), "influenza")
    given = [procedure("influenza_administered", at(179)), procedure("influenza_administered", at(300))]
    assert not met(asked(*given, edition=ECQM), "influenza")
    assert met(asked(*given[1:], procedure("influenza_administered", at(180)), edition=ECQM), "influenza")


def test_the_ecqm_of_2026_takes_influenza_from_day_180_however_it_is_known() -> None:
    child, visit = member("2024-06-15"), encounter("child_visit", "2026-03-01")
    for count, first in ((0, "2024-12-11"), (1, "2024-12-12")):
        kept = [immunization("influenza", first), immunization("influenza", "2025-03-01"), visit]
        found = outcomes(ECQM_2026, "CIS", year(2026), child, *kept)
        assert found["influenza"].numerator == count


@pytest.mark.parametrize("edition", [PROGRAM, ECQM])
def test_two_records_of_one_day_are_one_dose(edition: str) -> None:
    assert not met(asked(*shots("dtap", at(60), at(60), at(120), at(180)), edition=edition), "dtap")
    both = [immunization("ipv", at(60)), procedure("ipv_administered", at(60)), immunization("ipv", at(90))]
    assert not met(asked(*both, edition=edition), "ipv")


@pytest.mark.parametrize(("days_later", "counts"), [(0, False), (1, False), (3, False), (4, True)])
def test_a_claim_and_a_registry_that_date_a_dose_up_to_three_days_apart_have_one_dose_in_the_program(
    days_later: int, counts: bool
) -> None:
    registry = [immunization("ipv", at(60), source="registry"), immunization("ipv", at(120), source="registry")]
    billed = service("ipv_administered", at(120 + days_later))
    assert met(asked(*registry, billed), "ipv") is counts
    assert met(asked(*registry, billed, edition=ECQM), "ipv") is (days_later > 0)


def test_two_claims_on_two_days_are_two_doses() -> None:
    assert met(asked(*(service("ipv_administered", at(day)) for day in (60, 61, 62))), "ipv")


def test_a_line_of_a_claim_is_a_dose_and_one_said_not_to_have_been_given_is_none() -> None:
    assert met(asked(service("mmr_administered", at(10, 1))), "mmr")
    assert met(asked(service("mmr_administered", at(10, 1)), edition=ECQM), "mmr")
    assert not met(asked(service("mmr_administered", at(10, 1), modifiers=("8P",)), edition=ECQM), "mmr")


def test_a_denied_line_counts_as_the_program_counts_denied_lines() -> None:
    assert met(asked(service("mmr_administered", at(10, 1), denied=True)), "mmr")


@pytest.mark.parametrize("edition", [PROGRAM, ECQM])
@pytest.mark.parametrize("status", ["not-done", "entered-in-error"])
def test_an_immunization_not_done_or_entered_in_error_is_no_dose(edition: str, status: str) -> None:
    assert not met(asked(immunization("mmr", at(10, 1), status=status), edition=edition), "mmr")
    assert not met(asked(procedure("mmr_administered", at(10, 1), status=status), edition=edition), "mmr")


def test_the_ecqm_does_not_take_a_vaccine_by_the_codes_of_the_other_resource() -> None:
    assert not met(asked(procedure("mmr", at(10, 1)), edition=ECQM), "mmr")
    assert not met(asked(immunization("mmr_administered", at(10, 1)), edition=ECQM), "mmr")


@pytest.mark.parametrize(
    ("antigen", "condition_role"),
    [
        ("dtap", "anaphylaxis_dtap"),
        ("dtap", "encephalitis_dtap"),
        ("ipv", "anaphylaxis_ipv"),
        ("mmr", "anaphylaxis_mmr"),
        ("hib", "anaphylaxis_hib"),
        ("hepb", "anaphylaxis_hepb"),
        ("hepb", "hepatitis_b"),
        ("vzv", "anaphylaxis_vzv"),
        ("vzv", "varicella_zoster"),
        ("pcv", "anaphylaxis_pcv"),
        ("hepa", "anaphylaxis_hepa"),
        ("hepa", "hepatitis_a"),
        ("rotavirus", "anaphylaxis_rotavirus"),
        ("influenza", "anaphylaxis_influenza"),
    ],
)
@pytest.mark.parametrize("edition", [PROGRAM, ECQM])
def test_a_reaction_or_an_illness_by_the_second_birthday_stands_in_for_doses(
    edition: str, antigen: str, condition_role: str
) -> None:
    for on, counts in ((at(-1), False), (at(0), True), (at(0, 2), True), (at(1, 2), False)):
        assert met(asked(condition(condition_role, on), edition=edition), antigen) is counts


def test_all_three_of_measles_mumps_and_rubella_are_needed_in_place_of_mmr() -> None:
    three = [condition(name, at(100)) for name in ("measles", "mumps", "rubella")]
    assert met(asked(*three), "mmr")
    assert met(asked(*three, edition=ECQM), "mmr")
    assert not met(asked(*three[:2]), "mmr")
    assert met(asked(*(diagnosed(name, at(100)) for name in ("measles", "mumps", "rubella"))), "mmr")


def test_the_ecqm_of_2026_finds_measles_among_the_diagnoses_of_visits_alone() -> None:
    child, visit = member("2024-06-15"), encounter("child_visit", "2026-03-01")
    for category, count in (("problem-list-item", 0), ("encounter-diagnosis", 1)):
        kept = [condition(name, "2025-01-01", category=category) for name in ("measles", "mumps", "rubella")]
        assert outcomes(ECQM_2026, "CIS", year(2026), child, visit, *kept)["mmr"].numerator == count


@pytest.mark.parametrize(
    ("verification", "counts"), [("confirmed", 1), ("refuted", 0), ("entered-in-error", 0), ("", 1)]
)
def test_the_ecqm_of_2026_leaves_out_refuted_conditions(verification: str, counts: int) -> None:
    child, visit = member("2024-06-15"), encounter("child_visit", "2026-03-01")
    ill = condition("varicella_zoster", "2025-01-01", verification=verification)
    assert outcomes(ECQM_2026, "CIS", year(2026), child, visit, ill)["vzv"].numerator == counts
    out = condition("hiv", "2025-01-01", verification=verification)
    assert outcomes(ECQM_2026, "CIS", year(2026), child, visit, out)["vzv"].denominator_exclusion == counts


def test_hib_of_a_four_dose_product_needs_four_days_in_the_ecqm_and_three_in_the_program() -> None:
    three = [*shots("hib+hib_3dose", at(60), at(120)), *shots("hib+hib_4dose", at(180))]
    assert met(asked(*three), "hib")
    assert not met(asked(*three, edition=ECQM), "hib")
    assert met(asked(*three, *shots("hib_3dose", at(240)), edition=ECQM), "hib")
    assert met(asked(*shots("hib_3dose", at(60), at(120), at(180)), edition=ECQM), "hib")


def test_a_four_dose_product_before_day_42_does_not_raise_the_number_of_days() -> None:
    given = [*shots("hib_4dose", at(41)), *shots("hib_3dose", at(60), at(120), at(180))]
    assert met(asked(*given, edition=ECQM), "hib")


@pytest.mark.parametrize(
    ("two", "three", "program", "ecqm"),
    [
        ((60, 120), (), True, True),
        ((60,), (), False, False),
        ((), (60, 120), False, False),
        ((), (60, 120, 180), True, True),
        ((60,), (120, 180), True, True),
        ((60,), (120,), False, False),
        ((60, 120), (180,), True, True),
        ((60, 120), (120,), True, False),
        ((60, 60), (), False, False),
    ],
)
def test_rotavirus_in_every_mix_of_products(
    two: tuple[int, ...], three: tuple[int, ...], program: bool, ecqm: bool
) -> None:
    kept = [*shots("rotavirus_2dose", *map(at, two)), *shots("rotavirus_3dose", *map(at, three))]
    assert met(asked(*kept), "rotavirus") is program
    assert met(asked(*kept, edition=ECQM), "rotavirus") is ecqm


def newborn(day: int) -> Kept:
    return record("procedure", "", at(day), system="ICD10PCS", code="3E0234Z", status="completed")


@pytest.mark.parametrize("edition", [PROGRAM, ECQM])
def test_one_hepatitis_b_dose_may_be_the_newborns_procedure_on_days_0_to_7(edition: str) -> None:
    role = "hepb_newborn_administered"
    for day, counts in ((-1, False), (0, True), (7, True), (8, False)):
        dose = newborn(day) if edition == ECQM else procedure(role, at(day))
        assert met(asked(dose, *shots("hepb", at(60), at(120)), edition=edition), "hepb") is counts


def test_the_newborns_dose_may_stand_on_the_claim_of_the_birth() -> None:
    birth = claim(line("room", at(0), at(2)), institutional=True, procedures=("hepb_newborn_administered",))
    child_of_claim = outcomes(
        PROGRAM, "CIS", year(2025), member(BIRTH.isoformat()), birth, *shots("hepb", at(60), at(120))
    )
    assert child_of_claim["hepb"].numerator == 1


def test_the_newborns_dose_that_a_registry_has_a_day_later_is_one_dose_in_the_program() -> None:
    billed = claim(line("room", at(0)), institutional=True, procedures=("hepb_newborn_administered",))
    registry = [immunization("hepb", day, source="registry") for day in (at(1), at(60))]
    assert not met(asked(billed, *registry), "hepb")
    assert met(asked(billed, *registry, immunization("hepb", at(120), source="registry")), "hepb")


def test_the_ecqm_wants_both_other_hepatitis_b_doses_after_the_newborns_and_the_program_on_other_days() -> None:
    kept = shots("hepb", at(0), at(60))
    assert met(asked(procedure("hepb_newborn_administered", at(3)), *kept), "hepb")
    assert not met(asked(newborn(3), *kept, edition=ECQM), "hepb")
    same_day = [procedure("hepb_newborn_administered", at(0)), *kept]
    assert not met(asked(*same_day), "hepb")


@pytest.mark.parametrize("edition", [PROGRAM, ECQM])
def test_live_influenza_vaccine_counts_for_one_dose_on_the_second_birthday_alone(edition: str) -> None:
    for on, counts in ((at(-1, 2), False), (at(0, 2), True), (at(1, 2), False)):
        assert met(asked(*shots("influenza", at(300)), *shots("laiv", on), edition=edition), "influenza") is counts
    assert not met(asked(*shots("laiv", at(0, 2)), edition=edition), "influenza")


def test_live_and_other_influenza_vaccine_of_one_day_are_two_in_the_ecqm_and_one_in_the_program() -> None:
    kept = [*shots("influenza", at(0, 2)), *shots("laiv", at(0, 2))]
    assert met(asked(*kept, edition=ECQM), "influenza")
    assert not met(asked(*kept), "influenza")


def test_an_immunization_before_birth_is_left_out_and_named() -> None:
    early = immunization("hepb", at(-1))
    found = asked(early, *shots("hepb", at(60), at(120)))
    assert not met(found, "hepb")
    named = [one for one in found["hepb"].steps if "dated before birth" in one.asks]
    assert [(one.holds, one.evidence) for one in named] == [(False, (early.evidence,))]
    assert not [one for one in asked(*ALL_SHOTS)["hepb"].steps if "dated before birth" in one.asks]


@pytest.mark.parametrize("role", ["scid", "immune_disorder", "hiv", "lymphoreticular_cancer", "intussusception"])
@pytest.mark.parametrize("edition", [PROGRAM, ECQM])
def test_a_disease_that_began_by_the_second_birthday_takes_a_child_out(edition: str, role: str) -> None:
    for on, expected in ((at(-1), MET), (at(0), EXCLUDED), (at(0, 2), EXCLUDED), (at(1, 2), MET)):
        found = asked(*ALL_SHOTS, condition(role, on), edition=edition)
        assert populations(found, "combo10") == expected


def test_a_transplant_takes_a_child_out_of_the_program() -> None:
    assert populations(asked(service("organ_or_marrow_transplant", at(100))), "combo10") == EXCLUDED


def test_hospice_and_death_take_a_child_out() -> None:
    assert populations(asked(service("hospice_encounter", "2025-12-31")), "combo10") == EXCLUDED
    assert populations(asked(service("hospice_encounter", "2024-12-31")), "combo10") == IN
    assert populations(asked(child=member(BIRTH.isoformat(), death="2025-12-31")), "combo10") == EXCLUDED


def test_one_combination_vaccine_credits_every_antigen_that_it_holds() -> None:
    bound = Bound(built_in(PROGRAM).only(["CIS"]), starter_sets())
    for cvx, antigens in (
        ("146", {"dtap", "ipv", "hib", "hepb"}),
        ("110", {"dtap", "ipv", "hepb"}),
        ("120", {"dtap", "ipv", "hib"}),
        ("94", {"mmr", "vzv"}),
        ("51", {"hib", "hepb"}),
        ("198", {"dtap", "hepb"}),
    ):
        assert {role for role in bound.roles_of["CVX", cvx] if not role.endswith("_administered")} == antigens


def test_a_child_born_on_february_29_turns_one_and_two_on_february_28() -> None:
    child = member("2024-02-29")
    found = outcomes(PROGRAM, "CIS", year(2026), child, immunization("mmr", "2025-02-28"))
    assert found["mmr"].numerator == 1
    assert outcomes(PROGRAM, "CIS", year(2026), child, immunization("mmr", "2026-02-28"))["mmr"].numerator == 1
    assert outcomes(PROGRAM, "CIS", year(2026), child, immunization("mmr", "2026-03-01"))["mmr"].numerator == 0
    assert outcomes(PROGRAM, "CIS", year(2026), child, immunization("mmr", "2025-02-27"))["mmr"].numerator == 0


@pytest.mark.parametrize(
    ("birth", "counts"), [("2022-12-31", 0), ("2023-01-01", 1), ("2023-12-31", 1), ("2024-01-01", 0)]
)
def test_the_child_turns_two_in_the_period(birth: str, counts: int) -> None:
    assert populations(outcomes(PROGRAM, "CIS", year(2025), member(birth)), "combo10")[0] == counts
    visit = encounter("child_visit", "2025-06-01")
    assert populations(outcomes(ECQM, "CIS", year(2025), member(birth), visit), "combo10")[0] == counts


def test_in_a_rolling_period_the_birthday_still_decides() -> None:
    rolling = months("2024-07-01", "2025-06-30")
    assert outcomes(PROGRAM, "CIS", rolling, member("2023-06-30"))
    assert not outcomes(PROGRAM, "CIS", rolling, member("2023-07-01"))


@pytest.mark.parametrize(
    ("spans", "is_in"),
    [
        ((covered(at(0, 1), at(0, 2)),), True),
        ((covered(at(0, 1), at(-1, 2)),), False),
        ((covered(at(45, 1), at(0, 2)),), True),
        ((covered(at(46, 1), at(0, 2)),), False),
        ((covered(at(0, 1), at(99, 1)), covered(at(145, 1), at(0, 2))), True),
        ((covered(at(0, 1), at(99, 1)), covered(at(146, 1), at(0, 2))), False),
        ((covered(at(0, 1), at(99, 1)), covered(at(110, 1), at(150, 1)), covered(at(160, 1), at(0, 2))), False),
        ((covered(at(0), at(0, 2)),), True),
    ],
)
def test_a_child_is_enrolled_for_the_year_before_the_birthday_with_one_gap_of_45_days_and_on_the_birthday(
    spans: tuple[object, ...], is_in: bool
) -> None:
    child = member(BIRTH.isoformat(), "F", *spans)  # type: ignore[arg-type]  # spans of cover
    assert bool(asked(child=child)) is is_in


@pytest.mark.parametrize(
    ("start", "end", "status", "counts"),
    [
        ("2025-01-01", "2025-01-01", "finished", 1),
        ("2024-12-31", "2025-01-01", "finished", 0),
        ("2025-12-31", "2025-12-31", "finished", 1),
        ("2025-12-31", "2026-01-01", "finished", 0),
        ("2025-06-01", "2025-06-01", "cancelled", 0),
        ("2025-06-01", "2025-06-01", "in-progress", 1),
    ],
)
def test_the_ecqm_wants_a_visit_that_began_and_ended_in_the_period(
    start: str, end: str, status: str, counts: int
) -> None:
    visit = encounter("child_visit", start, end, status=status)
    found = outcomes(ECQM, "CIS", year(2025), member(BIRTH.isoformat()), visit)
    assert populations(found, "combo10")[0] == counts


def test_a_visit_on_a_claim_is_a_visit_of_the_ecqm() -> None:
    billed = outcomes(ECQM, "CIS", year(2025), member(BIRTH.isoformat()), service("child_visit", "2025-12-31"))
    assert populations(billed, "combo10") == IN


def test_the_ecqm_of_2026_takes_finished_visits_alone() -> None:
    for status, counts in (("finished", 1), ("in-progress", 0)):
        visit = encounter("child_visit", "2026-03-01", status=status)
        found = outcomes(ECQM_2026, "CIS", year(2026), member("2024-06-15"), visit)
        assert populations(found, "combo10")[0] == counts


def test_the_gap_opens_when_the_last_missing_antigen_can_be_given() -> None:
    found = asked(*without("mmr"))
    assert found["combo10"].opens_on == naive.turns(BIRTH, 1).toordinal()
    assert found["combo10"].closes_with.startswith("mmr: 1 dose of mmr")
