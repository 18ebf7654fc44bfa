"""The published test patients of CMS117 for the periods 2025 and 2026, as facts of our own, with the populations expected of them.

Source: ecqm-content-qicore-2024, tests of ChildhoodImmunizationStatusFHIR; the names are theirs. Those of 2026
(ecqm-content-qicore-2025, CMS117FHIRChildhoodImmunizationStatus) are ten of them, a year later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import starmap

import msgspec
import pytest

from state.calendar import FOREVER
from state.measures.facts import Kept, KeptRecord
from tests.measure_builders import (
    condition,
    encounter,
    immunization,
    member,
    observation,
    order,
    outcomes,
    populations,
    procedure,
    record,
    year,
)

IN, OUT_OF_ALL, EXCLUDED, MET = (1, 1, 0, 0), (0, 0, 0, 0), (1, 1, 1, 0), (1, 1, 0, 1)
TELEPHONE = encounter("child_visit", "2025-01-01T01:00:00Z", "2025-01-01T01:15:00Z")
CVX_146 = "dtap+ipv+hib_3dose+hepb"
CVX_51 = "hib_3dose+hepb"
CVX_94 = "mmr+vzv"


def shots(vaccine: str, *days: str) -> list[Kept]:
    """Immunizations in January 2024, or on a day given in full."""
    return [immunization(vaccine, f"2024-01-{day}" if len(day) == 2 else day) for day in days]


def procedures(*given: tuple[str, str]) -> list[Kept]:
    """Vaccines known as procedures in January 2024, or on a day given in full."""
    days = ((role, f"2024-01-{day}" if len(day) == 2 else day) for role, day in given)
    return list(starmap(procedure, days))


PNEUMOCOCCUS = shots("pcv", "12", "14", "20", "22")
OTHERS = [*shots("hepa", "02"), *shots("rotavirus_2dose", "02", "07"), *shots("influenza", "02", "10"), *PNEUMOCOCCUS]
HEXAVALENT = shots(CVX_146, "02", "05", "07", "10", "02", "06", "09")
ALL = [
    *HEXAVALENT,
    *shots("hib_3dose", "02", "02", "02"),
    *shots(CVX_51, "02", "10", "12"),
    *shots(CVX_94, "02", "02"),
    *OTHERS,
]


def without(vaccine: str) -> list[Kept]:
    """All vaccines but one."""
    return [one for one in ALL if not (isinstance(one, KeptRecord) and one.code == vaccine)]


ANAPHYLAXES = [
    condition(f"anaphylaxis_{name}", "2024-01-12" if name == "pcv" else "2024-01-02")
    for name in ("dtap", "ipv", "mmr", "hib", "hepb", "vzv", "pcv", "hepa", "rotavirus", "influenza")
]
AS_PROCEDURES = [
    *shots(CVX_146, "02", "05", "07", "02", "06"),
    *procedures(
        ("dtap_administered", "02"),
        ("ipv_administered", "02"),
        ("mmr_administered+vzv_administered", "02"),
        ("dtap_administered+ipv_administered+hib_3dose_administered+hepb_administered", "02"),
        ("hib_4dose_administered", "02"),
        ("hepb_administered", "02"),
        ("pcv_administered", "02"),
        ("hepa_administered", "02"),
        ("rotavirus_2dose_administered", "07"),
        ("rotavirus_3dose_administered", "08"),
        ("laiv_administered", "2025-01-01"),
    ),
    *shots("hib_3dose", "02", "02"),
    *shots(CVX_51, "02", "10"),
    *shots(CVX_94, "02"),
    *shots("pcv", "12", "14", "20"),
    *shots("rotavirus_2dose", "02"),
    *shots("influenza", "02"),
]
WITH_PROCEDURES = [
    *shots(CVX_146, "02", "05", "07", "02", "06"),
    *procedures(
        ("dtap_administered", "02"),
        ("ipv_administered", "02"),
        ("mmr_administered+vzv_administered", "02"),
        ("dtap_administered+ipv_administered+hib_3dose_administered+hepb_administered", "02"),
        ("hepb_administered", "02"),
        ("pcv_administered", "02"),
        ("hepa_administered", "02"),
        ("rotavirus_2dose_administered", "07"),
        ("influenza_administered", "10"),
    ),
    *shots("hib_3dose", "02", "02"),
    *shots(CVX_51, "02", "10"),
    *shots(CVX_94, "02"),
    *shots("pcv", "12", "14", "20"),
    *shots("rotavirus_2dose", "02"),
    *shots("influenza", "02"),
]
NEWBORN = [
    *HEXAVALENT,
    *shots(CVX_94, "02", "02"),
    *shots("hib_3dose", "2023-01-02", "02", "02"),
    record("procedure", "", "2023-01-03", system="ICD10PCS", code="3E0234Z", status="completed"),
    *shots(CVX_51, "10", "12"),
    *OTHERS,
]
TWO_DTAP_ON_A_DAY = [
    *shots("dtap", "02", "02", "07", "10"),
    *shots("ipv", "02", "06", "09"),
    *shots("hib_3dose", "02", "02", "02"),
    *shots(CVX_51, "02", "10", "12"),
    *shots(CVX_94, "02", "02"),
    *OTHERS,
]
ILLNESSES = [condition(name, "2024-01-02") for name in ("mumps", "measles", "rubella")]
HOSPITAL = ("inpatient_encounter", "2024-12-31T23:59:59Z", "2025-01-01T01:00:00Z")

CASES: dict[str, tuple[Sequence[Kept], tuple[int, int, int, int]]] = {
    "IPPass 2WithQualEnc": ([TELEPHONE], IN),
    "IPPass OfficeOrOtherOutpatientVisit": (
        [record("encounter", "", "2025-01-01", "2025-01-01", system="CPT", code="99211", status="finished")],
        IN,
    ),
    "DENEXPass HospiceDischargeToHomeDuringMP": (
        [TELEPHONE, encounter(*HOSPITAL, disposition="428361000124107")],
        EXCLUDED,
    ),
    "DENEXPass HospiceDischargeToFacilityDuringMP": (
        [TELEPHONE, encounter(*HOSPITAL, disposition="428371000124100")],
        EXCLUDED,
    ),
    "DENEXFail HospiceEncB4MP": ([TELEPHONE, encounter("hospice_encounter", "2024-12-31")], IN),
    "DENEXPass HospiceEncDuringMP": ([TELEPHONE, encounter("hospice_encounter", "2025-01-02")], EXCLUDED),
    "DENEXPass HospiceServiceRequestDuringMP": (
        [TELEPHONE, order("procedure", "hospice_intervention", "2025-01-02", status="completed")],
        EXCLUDED,
    ),
    "DENEXPass HospiceProcedureStartsDuringMP": (
        [TELEPHONE, procedure("hospice_intervention", "2025-12-31T00:00:00Z", "2025-12-31T23:59:59Z")],
        EXCLUDED,
    ),
    "DENEXPass HospiceDiagnosisOverlapsMP": (
        [TELEPHONE, condition("hospice_diagnosis", "2025-12-31T23:59:59Z")],
        EXCLUDED,
    ),
    "DENEXPass HospiceObsValueIsYes": (
        [
            TELEPHONE,
            observation(
                "hospice_assessment", "2024-12-31T00:00:00Z", "2025-01-01T00:00:00Z", category="survey", says="yes"
            ),
        ],
        EXCLUDED,
    ),
    "DENEXPass SevereCombinedImmunodeficiency": ([TELEPHONE, condition("scid", "2024-01-02")], EXCLUDED),
    "DENEXPass HIV": ([TELEPHONE, condition("hiv", "2024-01-02")], EXCLUDED),
    "DENEXPass Intussusception": ([TELEPHONE, condition("intussusception", "2024-01-02")], EXCLUDED),
    "DENEXPass LymphaticMalignantNeoplasm": (
        [TELEPHONE, condition("lymphoreticular_cancer", "2024-01-02")],
        EXCLUDED,
    ),
    "DENEXPass Immunodeficiency": ([TELEPHONE, condition("immune_disorder", "2024-01-02"), *ALL], EXCLUDED),
    "NUMERPass AllAnaphylaxis": ([TELEPHONE, *ANAPHYLAXES], MET),
    "NUMERPass AllAnaphylaxisOrConditions": (
        [
            TELEPHONE,
            *(
                one
                for one in ANAPHYLAXES
                if one.code not in ("anaphylaxis_dtap", "anaphylaxis_hepb", "anaphylaxis_vzv", "anaphylaxis_hepa")
            ),
            *(
                condition(name, "2024-01-02")
                for name in ("encephalitis_dtap", "hepatitis_b", "varicella_zoster", "hepatitis_a")
            ),
        ],
        MET,
    ),
    "NUMERPass DTapPolioSameCode": (
        [TELEPHONE, *shots(CVX_146, "02", "02", "07", "10", "02", "06", "09"), *ALL[len(HEXAVALENT) :]],
        MET,
    ),
    "NUMERPass LAIV": (
        [TELEPHONE, *without("influenza"), *shots("influenza", "02"), *shots("laiv", "2025-01-01")],
        MET,
    ),
    "NUMERPass Rotavirus3Dose": (
        [TELEPHONE, *without("rotavirus_2dose"), *shots("rotavirus_3dose", "02", "07", "09")],
        MET,
    ),
    "NUMERPass MMRDiagnoses": ([TELEPHONE, *without(CVX_94), *shots("vzv", "02"), *ILLNESSES], MET),
    "NUMERPass HepBNewBorn": ([TELEPHONE, *NEWBORN], MET),
    "NUMERPass AllVacccinesWithProcedures": ([TELEPHONE, *WITH_PROCEDURES], MET),
    "NUMERPass AllVaccinesAsProcedures2Hib4LAIVRV3": ([TELEPHONE, *AS_PROCEDURES], MET),
    "NUMERFail TwoDTapSameDay": ([TELEPHONE, *TWO_DTAP_ON_A_DAY], IN),
}


OF_2026 = (
    "DENEXPass HospiceDischargeToHomeDuringMP",
    "DENEXPass HospiceDischargeToFacilityDuringMP",
    "DENEXPass HospiceServiceRequestDuringMP",
    "DENEXPass HospiceProcedureStartsDuringMP",
    "DENEXPass HospiceDiagnosisOverlapsMP",
    "DENEXPass HospiceObsValueIsYes",
    "NUMERPass AllAnaphylaxisOrConditions",
    "NUMERPass AllVaccinesAsProcedures2Hib4LAIVRV3",
    "NUMERPass AllVacccinesWithProcedures",
    "NUMERFail TwoDTapSameDay",
)


def a_year_later(fact: Kept) -> KeptRecord:
    """The same thing on the same day of the next year."""
    assert isinstance(fact, KeptRecord)
    days = {field: _next_year(getattr(fact, field)) for field in ("start", "end", "authored")}
    moments = {
        field: f"{int(at[:4]) + 1}{at[4:]}"
        for field in ("start_at", "end_at", "authored_at")
        if (at := getattr(fact, field))
    }
    return msgspec.structs.replace(fact, **days, **moments)


def _next_year(day: int | None) -> int | None:
    if day is None or day >= FOREVER:
        return day
    date = dt.date.fromordinal(day)
    return date.replace(year=date.year + 1).toordinal()


@pytest.mark.parametrize("name", CASES)
def test_a_published_patient_of_cms117_has_the_populations_expected_of_it(name: str) -> None:
    facts, expected = CASES[name]
    found = outcomes("cms-2025", "CIS", year(2025), member("2023-01-01"), *facts)
    assert populations(found, "combo10") == expected


def test_the_published_patient_who_turned_two_on_the_last_day_of_2024_is_not_measured_in_2025() -> None:
    visit = encounter("child_visit", "2025-01-01T01:00:00Z", "2025-01-01T01:15:00Z")
    assert outcomes("cms-2025", "CIS", year(2025), member("2022-12-31"), visit) == {}


@pytest.mark.parametrize("name", OF_2026)
def test_a_published_patient_of_2026_has_the_populations_expected_of_it(name: str) -> None:
    facts, expected = CASES[name]
    found = outcomes("cms-2026", "CIS", year(2026), member("2024-01-01"), *map(a_year_later, facts))
    assert populations(found, "combo10") == expected
