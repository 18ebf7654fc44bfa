"""Published test patients of CMS125 as facts of our own, with the populations that are expected of them.

From the MADiE test cases in cqframework/ecqm-content-qicore-2024 (period 2025) and -2025 (period 2026): name, birth, facts,
(initial population, denominator, denominator exclusion, numerator). Births and visits that decide nothing follow the deck's
pattern. All are women; in 2026 a chart records it.
"""

from __future__ import annotations

from state.measures.facts import Kept
from tests.measure_builders import condition, encounter, medication, observation, order, procedure

Expected = tuple[int, int, int, int]
Case = tuple[str, str, tuple[Kept, ...], Expected]

IN: Expected = (1, 1, 0, 0)
OUT: Expected = (1, 1, 1, 0)
MET: Expected = (1, 1, 0, 1)
NOT_IN: Expected = (0, 0, 0, 0)

_AGED_52 = "1973-12-31"
_AGED_74 = "1951-12-31"
_FIRST_DAY = encounter("qualifying_visit", "2025-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z")
_LAST_DAY = encounter("qualifying_visit", "2025-12-31T00:00:00.000Z", "2025-12-31T23:59:59.000Z")
_WHEELCHAIR = order("device", "frailty_device", "2025-11-01T23:59:00.000Z", status="completed")
_RIVASTIGMINE = medication("dementia_medication", "2025-12-30", "2026-03-29")
_HOSPICE_FACILITY, _HOSPICE_HOME = "428371000124100", "428361000124107"

PERIOD_2025: tuple[Case, ...] = (
    (
        "DENEXFail-HospiceServicesEndOnDec31B4MP",
        _AGED_52,
        (
            _FIRST_DAY,
            encounter(
                "inpatient_encounter",
                "2024-12-31T23:59:59.000Z",
                "2024-12-31T23:59:59.000Z",
                disposition=_HOSPICE_FACILITY,
            ),
        ),
        IN,
    ),
    (
        "DENEXPass-HospiceDischargeToHomeDuringMP",
        _AGED_74,
        (
            _LAST_DAY,
            encounter(
                "inpatient_encounter", "2024-12-31T23:59:59.000Z", "2025-01-01T01:00:00.000Z", disposition=_HOSPICE_HOME
            ),
        ),
        OUT,
    ),
    (
        "DENEXPass-HospiceDiagnosisOverlapsMP",
        _AGED_74,
        (_LAST_DAY, condition("hospice_diagnosis", "2024-12-31T23:59:59.000Z")),
        OUT,
    ),
    (
        "DENEXPass-BilateralMastDxOnDec31OfMP",
        _AGED_52,
        (_FIRST_DAY, condition("history_of_bilateral_mastectomy", "2025-12-31T23:59:59.000Z")),
        OUT,
    ),
    (
        "DENEXPass-RightAndLeftMastDxDec31OfMP",
        _AGED_52,
        (
            _FIRST_DAY,
            condition("absence_of_right_breast", "2025-12-31T23:59:59.000Z"),
            condition("absence_of_left_breast", "2025-12-31T23:59:59.000Z"),
        ),
        OUT,
    ),
    (
        "DENEXPass-UniMastRandLProcJan1OfMP",
        _AGED_52,
        (
            _FIRST_DAY,
            procedure("unilateral_mastectomy_right", "2025-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"),
            procedure("unilateral_mastectomy_left", "2025-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"),
        ),
        OUT,
    ),
    (
        "DENEXPass-UniMastDxRandLQualOnJan1OfMP",
        _AGED_52,
        (
            _FIRST_DAY,
            condition("unilateral_mastectomy_diagnosis", "2025-01-01T00:00:00.000Z", body_site="7771000"),
            condition("unilateral_mastectomy_diagnosis", "2025-01-01T00:00:00.000Z", body_site="24028007"),
        ),
        OUT,
    ),
    (
        "DENEXFail-UniMastDxRQualOnJan1AfterMP",
        _AGED_52,
        (
            _FIRST_DAY,
            condition("unilateral_mastectomy_diagnosis", "2026-01-01T00:00:00.000Z", body_site="24028007"),
            condition("unilateral_mastectomy_diagnosis", "2025-01-01T00:00:00.000Z", body_site="7771000"),
        ),
        IN,
    ),
    ("DENEXPass-DementiaMedsDuringMP", _AGED_74, (_LAST_DAY, _RIVASTIGMINE, _WHEELCHAIR), OUT),
    (
        "DENEXPass-FrailtyEncOverlapsMP",
        _AGED_74,
        (
            _LAST_DAY,
            _RIVASTIGMINE,
            encounter("frailty_encounter", "2025-01-01T00:00:00.000Z", "2025-01-02T00:00:00.000Z"),
        ),
        OUT,
    ),
    (
        "DENEXFail-AdvIllnessDxBefore2Yrs",
        _AGED_74,
        (_LAST_DAY, condition("advanced_illness", "2023-12-31T23:59:59.000Z"), _WHEELCHAIR),
        IN,
    ),
    (
        "DENEXFail-66yoInNursingHomeStatusNull",
        "1959-12-31",
        (
            _FIRST_DAY,
            observation(
                "housing_status",
                "2025-12-31T23:59:59.000Z",
                "2025-12-31T23:59:59.000Z",
                status="cancelled",
                category="survey",
                says="nursing_home",
            ),
        ),
        IN,
    ),
    (
        "DENEXPass-PalliativeCareObsOnJan1OfMPDuringInterval",
        _AGED_52,
        (
            _FIRST_DAY,
            observation(
                "palliative_assessment", "2025-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z", category="survey"
            ),
        ),
        OUT,
    ),
    (
        "DENEXFail-PalliativeCareObsOnJan1AfterInterval",
        _AGED_52,
        (
            _FIRST_DAY,
            observation(
                "palliative_assessment", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", category="survey"
            ),
        ),
        IN,
    ),
    (
        "DENEXFail-PalliativeCareObsOnDec31B4Interval",
        _AGED_52,
        (
            _FIRST_DAY,
            observation(
                "palliative_assessment", "2023-12-31T23:59:59.000Z", "2023-12-31T23:59:59.000Z", category="survey"
            ),
        ),
        IN,
    ),
    (
        "DENEXPass-FrailtyDeviceRequestNoPerformedModExt",
        _AGED_74,
        (
            _LAST_DAY,
            _RIVASTIGMINE,
            order("device", "frailty_device", "2025-11-01T23:59:00.000Z", status="completed", not_done=False),
        ),
        OUT,
    ),
)

_SEX = observation("recorded_sex", "1952-12-31", says="female")
_VISIT = encounter("qualifying_visit", "2026-01-01T00:00:00.000+00:00", "2026-01-01T00:00:00.000+00:00")
_VISIT_AT_THE_END = encounter("qualifying_visit", "2026-12-31T00:00:00.000+00:00", "2026-12-31T23:59:59.000+00:00")
_DRUG_2026 = medication("dementia_medication", "2026-12-30", "2027-03-29")

PERIOD_2026: tuple[Case, ...] = (
    (
        "NUMPass-MammogramDec31OfMPDuringInterval",
        "1974-12-31",
        (
            _SEX,
            _VISIT,
            observation(
                "mammography", "2026-12-31T23:59:59.000+00:00", "2026-12-31T23:59:59.000+00:00", category="imaging"
            ),
        ),
        MET,
    ),
    (
        "NUMFail-MammogramSep30B4Interval",
        "1974-12-31",
        (
            _SEX,
            _VISIT,
            observation(
                "mammography", "2023-09-30T00:00:00.000+00:00", "2023-09-30T00:00:00.000+00:00", category="imaging"
            ),
        ),
        IN,
    ),
    (
        "DENEXPass-HospiceServiceRequestDuringMP",
        "1952-12-31",
        (
            _SEX,
            _VISIT_AT_THE_END,
            order("procedure", "hospice_intervention", "2026-01-02T00:00:00.000+00:00", status="completed"),
        ),
        OUT,
    ),
    (
        "DENEXPass-HospiceCondEncDiagnosisOverlapsMP",
        "1952-12-31",
        (
            _SEX,
            _VISIT_AT_THE_END,
            condition("hospice_diagnosis", "2025-12-31T23:59:59.000+00:00", category="encounter-diagnosis"),
        ),
        OUT,
    ),
    (
        "DENEXPass-BilateralMastCondEncDxOnDec31OfMP",
        "1974-12-31",
        (
            _SEX,
            _VISIT,
            condition(
                "history_of_bilateral_mastectomy", "2025-12-31T23:59:59.000+00:00", category="encounter-diagnosis"
            ),
        ),
        OUT,
    ),
    (
        "DENEXPass-FrailtyCondEncDxOverlapsMP",
        "1952-12-31",
        (
            _SEX,
            _VISIT_AT_THE_END,
            _DRUG_2026,
            condition("frailty_diagnosis", "2025-06-30T23:59:59.000+00:00", category="encounter-diagnosis"),
        ),
        OUT,
    ),
    (
        "DENEXPass-FrailtySymptomOverlapsMP",
        "1952-12-31",
        (
            _SEX,
            _VISIT_AT_THE_END,
            _DRUG_2026,
            observation(
                "frailty_symptom", "2025-12-31T00:00:00.000+00:00", "2026-01-01T00:00:00.000+00:00", category="survey"
            ),
        ),
        OUT,
    ),
    (
        "DENEXPass-FrailtyDeviceRequestNoPerformedModExt",
        "1952-12-31",
        (
            _SEX,
            _VISIT_AT_THE_END,
            _DRUG_2026,
            order("device", "frailty_device", "2026-11-01T23:59:00.000+00:00", status="completed"),
        ),
        OUT,
    ),
    (
        "DENEXPass-HospiceEncOverlapsMP",
        "1952-12-31",
        (
            _SEX,
            _VISIT_AT_THE_END,
            encounter("hospice_encounter", "2025-12-31T23:59:59.000+00:00", "2026-01-01T01:00:00.000+00:00"),
        ),
        OUT,
    ),
    (
        "DENEXFail-HospiceServicesEndOnJan1AfterMP",
        "1974-12-31",
        (
            _SEX,
            _VISIT,
            encounter(
                "inpatient_encounter",
                "2027-01-01T00:00:00.000+00:00",
                "2027-01-01T00:00:00.000+00:00",
                disposition=_HOSPICE_FACILITY,
            ),
        ),
        IN,
    ),
    (
        "DENEXFail-RightMastDxJan1AfterMP",
        "1974-12-31",
        (
            _SEX,
            _VISIT,
            condition("absence_of_right_breast", "2027-01-01T00:00:00.000+00:00"),
            condition("absence_of_left_breast", "2026-01-01T00:00:00.000+00:00"),
        ),
        IN,
    ),
    (
        "DENEXFail-66yoInNursingHomeStatusUnknown",
        "1959-12-31",
        (
            _SEX,
            _VISIT,
            observation(
                "housing_status",
                "2026-12-31T23:59:59.000+00:00",
                "2026-12-31T23:59:59.000+00:00",
                status="unknown",
                category="survey",
                says="nursing_home",
            ),
        ),
        IN,
    ),
    (
        "IPPass-42yoWOfficeVisEncJan1OfMP",
        "1984-12-31",
        (_SEX, encounter("qualifying_visit", "2026-01-01T00:00:00.000+00:00", "2026-01-01T01:00:00.000+00:00")),
        IN,
    ),
    (
        "DENEXPass-AdvIllnessDxWithin2Yrs",
        "1952-12-31",
        (
            _SEX,
            _VISIT_AT_THE_END,
            condition("advanced_illness", "2025-01-01T00:00:00.000+00:00"),
            order("device", "frailty_device", "2026-11-01T23:59:00.000+00:00", status="completed"),
        ),
        OUT,
    ),
    (
        "DENEXPass-UniMastRandLProcDec31OfMP",
        "1974-12-31",
        (
            _SEX,
            _VISIT,
            procedure("unilateral_mastectomy_right", "2026-12-31T23:59:59.000+00:00", "2026-12-31T23:59:59.000+00:00"),
            procedure("unilateral_mastectomy_left", "2026-12-31T23:59:59.000+00:00", "2026-12-31T23:59:59.000+00:00"),
        ),
        OUT,
    ),
    ("IPFail-75yoWOfficVisEncJan1OfMP", "1950-12-31", (_SEX, _VISIT), NOT_IN),
)
