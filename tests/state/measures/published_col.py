"""Published test patients of CMS130 as facts of our own, with the populations that are expected of them.

From the MADiE test cases in cqframework/ecqm-content-qicore-2024 (period 2025) and -2025 (period 2026): name, birth, facts,
(initial population, denominator, denominator exclusion, numerator). Births and visits that decide nothing follow the deck's
pattern.
"""

from __future__ import annotations

from typing import Any

from state.measures.facts import KeptRecord
from tests.measure_builders import condition, encounter, medication, observation, order, procedure
from tests.state.measures.published_bcs import IN, MET, NOT_IN, OUT, Case


def _of(year: int) -> dict[str, Any]:
    call = encounter("qualifying_visit", f"{year}-01-01T01:00:00.000Z", f"{year}-01-01T01:15:00.000Z")
    office = encounter("qualifying_visit", f"{year}-01-01T00:00:00.000Z", f"{year}-01-01T01:00:00.000Z")
    return {"call": call, "office": office}


def _lab(role: str, start: str, end: str, **changes: Any) -> KeptRecord:
    return observation(role, start, end, **{"status": "corrected", "category": "laboratory", "says": "yes", **changes})


def _survey(role: str, start: str, end: str, says: str) -> KeptRecord:
    return observation(role, start, end, category="survey", says=says)


_CALL, _OFFICE = _of(2025)["call"], _of(2025)["office"]
_CALL_2026, _OFFICE_2026 = _of(2026)["call"], _of(2026)["office"]

PERIOD_2025: tuple[Case, ...] = (
    (
        "NUMERPass-FOBTDuringMP",
        "1979-12-31",
        (_CALL, _lab("fobt", "2025-01-01T00:00:00.000Z", "2025-01-01T01:00:00.000Z")),
        MET,
    ),
    (
        "NUMERFail-sDNA3YearsPriorMP",
        "1979-12-31",
        (_CALL, _lab("stool_dna", "2022-12-31T23:50:00.000Z", "2022-12-31T23:59:00.000Z")),
        IN,
    ),
    (
        "NUMERFail-FlexibleSigmoidoscopy5YearsPrior",
        "1979-12-31",
        (_CALL, procedure("flexible_sigmoidoscopy", "2020-12-31T23:00:00.000Z", "2020-12-31T23:59:00.000Z")),
        IN,
    ),
    (
        "NUMERFail-Colonography5YearsPrior",
        "1979-12-31",
        (_CALL, _lab("ct_colonography", "2020-12-31T23:00:00.000Z", "2020-12-31T23:59:00.000Z")),
        IN,
    ),
    (
        "NUMERPass-Colonography4YearsPrior",
        "1979-01-01",
        (_CALL, _lab("ct_colonography", "2021-01-01T01:00:00.000Z", "2021-01-01T01:15:00.000Z")),
        MET,
    ),
    (
        "NUMERPass-ColonoscopyDuringMP",
        "1979-12-31",
        (_CALL, procedure("colonoscopy", "2025-01-01T01:00:00.000Z", "2025-01-01T01:15:00.000Z")),
        MET,
    ),
    (
        "NUMERPass-Colonoscopy9YearsPrior",
        "1979-01-01",
        (_CALL, procedure("colonoscopy", "2016-01-01T01:00:00.000Z", "2016-01-01T01:15:00.000Z")),
        MET,
    ),
    (
        "NUMERFail-Colonoscopy10YearsPrior",
        "1979-01-01",
        (_CALL, procedure("colonoscopy", "2015-12-31T23:00:00.000Z", "2015-12-31T23:59:00.000Z")),
        IN,
    ),
    (
        "DENEXPass-ColectomyDuringMP",
        "1979-12-31",
        (_CALL, procedure("total_colectomy", "2025-12-31T23:00:00.000Z", "2025-12-31T23:59:00.000Z")),
        OUT,
    ),
    (
        "DENEXFail-ColectomyAfterMP",
        "1979-12-31",
        (_CALL, procedure("total_colectomy", "2026-01-01T01:00:00.000Z", "2026-01-01T01:15:00.000Z")),
        IN,
    ),
    (
        "DENEXPass-HospiceProcedureDuringMP",
        "1979-12-31",
        (_CALL, procedure("hospice_intervention", "2025-01-01T00:00:00.000Z", "2025-01-01T01:00:00.000Z")),
        OUT,
    ),
    (
        "DENEXPass-HospiceObsValueIsYes",
        "1979-12-31",
        (_CALL, _survey("hospice_assessment", "2024-12-31T00:00:00.000Z", "2025-01-01T00:00:00.000Z", "yes")),
        OUT,
    ),
    (
        "DENEXPass-PalliativeCareProd",
        "1979-12-31",
        (_CALL, procedure("palliative_intervention", "2025-01-01T00:00:00.000Z", "2025-01-01T01:00:00.000Z")),
        OUT,
    ),
    (
        "DENEXPass-PalliativeCareSurveyOverlapsAfterMP",
        "1979-12-31",
        (_CALL, _survey("palliative_assessment", "2025-12-31T00:00:00.000Z", "2026-01-01T00:00:00.000Z", "yes")),
        OUT,
    ),
    (
        "DENEXPass-LivingInNursingHome",
        "1958-12-31",
        (_OFFICE, _survey("housing_status", "2024-12-31T00:00:00.000Z", "2025-01-01T00:00:00.000Z", "nursing_home")),
        OUT,
    ),
    (
        "DENEXFail-LastHousingStatusNotNursingHome",
        "1958-12-31",
        (_OFFICE, _survey("housing_status", "2024-12-31T00:00:00.000Z", "2025-01-01T00:00:00.000Z", "own_home")),
        IN,
    ),
    (
        "DENEXFail-FrailtyDeviceB4MP",
        "1958-12-31",
        (
            _OFFICE,
            condition("advanced_illness", "2024-12-31T23:59:59.000Z"),
            order("device", "frailty_device", "2024-11-01T23:59:00.000Z", status="completed"),
        ),
        IN,
    ),
    (
        "IPPass-FrailtySymObservation",
        "1978-12-31",
        (
            _CALL,
            medication("dementia_medication", "2025-12-30", "2026-03-29"),
            _lab("frailty_symptom", "2024-12-31T00:00:00.000Z", "2025-01-01T00:00:00.000Z", status="final"),
        ),
        IN,
    ),
    (
        "IPFail-46WithQualEncAfterMP",
        "1979-12-31",
        (encounter("qualifying_visit", "2026-01-01T01:00:00.000Z", "2026-01-01T01:15:00.000Z"),),
        NOT_IN,
    ),
)

PERIOD_2026: tuple[Case, ...] = (
    (
        "NUMERPass-FOBTDuringMP",
        "1979-12-31",
        (_CALL_2026, _lab("fobt", "2026-01-01T00:00:00.000+00:00", "2026-01-01T01:00:00.000+00:00")),
        MET,
    ),
    (
        "NUMERFail-FOBTBeforeMP",
        "1979-12-31",
        (_CALL_2026, _lab("fobt", "2024-12-31T23:50:00.000+00:00", "2024-12-31T23:59:00.000+00:00")),
        IN,
    ),
    (
        "NUMERFail-sDNA3YearsPriorMP",
        "1979-12-31",
        (_CALL_2026, _lab("stool_dna", "2023-12-31T23:50:00.000+00:00", "2023-12-31T23:59:00.000+00:00")),
        IN,
    ),
    (
        "NUMERFail-Colonography5YearsPrior",
        "1979-12-31",
        (_CALL_2026, _lab("ct_colonography", "2020-12-31T23:00:00.000+00:00", "2020-12-31T23:59:00.000+00:00")),
        IN,
    ),
    (
        "NUMERPass-Colonography4YearsPrior",
        "1979-01-01",
        (
            _CALL_2026,
            observation(
                "ct_colonography",
                "2022-01-01T01:00:00.000+00:00",
                "2022-01-01T01:15:00.000+00:00",
                category="imaging",
                says="yes",
            ),
        ),
        MET,
    ),
    (
        "DENEXPass-ColectomyDuringMP",
        "1979-12-31",
        (_CALL_2026, procedure("total_colectomy", "2026-12-31T23:00:00.000+00:00", "2026-12-31T23:59:00.000+00:00")),
        OUT,
    ),
    (
        "DENEXPass-HospiceProcedureDuringMP",
        "1980-12-31",
        (
            _CALL_2026,
            procedure("hospice_intervention", "2026-01-01T00:00:00.000+00:00", "2026-01-01T01:00:00.000+00:00"),
        ),
        OUT,
    ),
    (
        "DENEXPass-HospiceObsValueIsYes",
        "1980-12-31",
        (
            _CALL_2026,
            _survey("hospice_assessment", "2025-12-31T00:00:00.000+00:00", "2026-01-01T00:00:00.000+00:00", "yes"),
        ),
        OUT,
    ),
    (
        "DENEXPass-HospiceCondEncDiagnosisOverlapsMP",
        "1980-12-31",
        (_CALL_2026, condition("hospice_diagnosis", "2026-12-31T23:59:59Z", category="encounter-diagnosis")),
        OUT,
    ),
    (
        "DENEXPass-PalliativeCareProd",
        "1980-12-31",
        (
            _CALL_2026,
            procedure("palliative_intervention", "2026-01-01T00:00:00.000+00:00", "2026-01-01T01:00:00.000+00:00"),
        ),
        OUT,
    ),
    (
        "DENEXPass-PalliativeCareCondEncDiagnosis",
        "1980-12-31",
        (_CALL_2026, condition("palliative_diagnosis", "2025-12-31T23:59:59Z", category="encounter-diagnosis")),
        OUT,
    ),
    (
        "DENEXPass-PalliativeCareSurveyOverlapsAfterMP",
        "1980-12-31",
        (
            _CALL_2026,
            _survey("palliative_assessment", "2026-12-31T00:00:00.000+00:00", "2027-01-01T00:00:00.000+00:00", "yes"),
        ),
        OUT,
    ),
    (
        "DENEXPass-LivingInNursingHome",
        "1958-12-31",
        (
            _OFFICE_2026,
            _survey("housing_status", "2025-12-31T00:00:00.000+00:00", "2026-01-01T00:00:00.000+00:00", "nursing_home"),
        ),
        OUT,
    ),
    (
        "DENEXFail-LastHousingStatusNotNursingHome",
        "1958-12-31",
        (
            _OFFICE_2026,
            _survey("housing_status", "2025-12-31T00:00:00.000+00:00", "2026-01-01T00:00:00.000+00:00", "own_home"),
        ),
        IN,
    ),
    (
        "DENEXFail-DementiaStartsAfterMP",
        "1958-12-31",
        (
            _OFFICE_2026,
            medication("dementia_medication", "2027-01-01", "2027-03-31"),
            order("device", "frailty_device", "2026-11-01T23:59:00.000+00:00", status="completed"),
        ),
        IN,
    ),
    (
        "NUMERPass-sDNA2YearsPriorMP",
        "1979-12-31",
        (_CALL_2026, _lab("stool_dna", "2024-12-31T01:00:00.000+00:00", "2024-12-31T01:15:00.000+00:00")),
        MET,
    ),
    (
        "DENEXPass-DementiaStartsDuringMP",
        "1958-12-31",
        (
            _OFFICE_2026,
            medication("dementia_medication", "2026-12-30", "2027-03-29"),
            order("device", "frailty_device", "2026-11-01T23:59:00.000+00:00", status="completed"),
        ),
        OUT,
    ),
    (
        "DENEXFail-FrailtyDeviceB4MP",
        "1958-12-31",
        (
            _OFFICE_2026,
            condition("advanced_illness", "2024-12-31T23:59:59.000+00:00"),
            order("device", "frailty_device", "2024-11-01T23:59:00.000+00:00", status="completed"),
        ),
        IN,
    ),
)
