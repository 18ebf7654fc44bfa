"""Test patients whose charts are odd: what is not stated, mere days, periods with one end, codes without a system.

What CQL calls uncertain does not hold; what it calls absent is nobody's.
"""

from __future__ import annotations

from tests.fhir_resources import QICORE, SNOMED, USCORE, coded, pressure, prevalent
from tests.streams.adapters.deck_builders import (
    EIGHTEEN,
    EXCEPTED,
    EXCLUDED,
    MAY,
    MET,
    NEGATIVE,
    OPEN,
    OUT,
    POSITIVE,
    SIXTY,
    SIXTY_SIX,
    TWELVE,
    WHEELCHAIR,
    Case,
    Role,
    asked,
    done,
    ill,
    of,
    prescribed,
    sexed,
    somebody,
    teller_of,
    visit,
)
from tests.streams.adapters.deck_of_conditions import ADULT, CHILD, DIABETIC, GROWN, PATIENT, SCREENED, TEEN, refused

CASES: list[Case] = []
case = teller_of(CASES)

# ---- a sex that is not recorded
AS_MEASURED = {"meta": {"profile": [f"{QICORE}/qicore-patient"]}}
NO_SEX = somebody("Y-60-03-01", extension=[])
case("BCS", "a chart without a sex", NO_SEX | AS_MEASURED, visit(), is_=OPEN, in_2026=OUT)
case("BCS", "a sex that no chart is asked for", NO_SEX, visit(), is_=OPEN)
case("BCS", "neither sex", somebody("Y-60-03-01", gender="unknown", extension=sexed("248153000")), visit(), is_=OUT)
SEX_AS_CODING = [{"url": f"{USCORE}/us-core-sex", "valueCoding": coded(SNOMED, "248152002")["coding"][0]}]
case("BCS", "a sex with its system", somebody("Y-60-03-01", extension=SEX_AS_CODING) | AS_MEASURED, visit(), is_=OPEN)

# ---- periods of which one end is stated
for name, last, expected in (
    ("in the year", "Y-06-01T00:00:00Z", EXCLUDED),
    ("before it", "Y-1-12-31T23:59:59Z", OPEN),
    ("after it", "Y+1-02-01T00:00:00Z", OPEN),
):
    spell = {"period": {"end": last}}
    case(
        "COL",
        f"hospice of which only an end {name} is stated",
        SIXTY,
        visit(),
        visit("hospice_encounter", id="h", **spell),
        is_=expected,
    )
    care = of("Procedure", "palliative_intervention", performedPeriod={"end": last})
    case("COL", f"palliative care of which only an end {name} is stated", SIXTY, visit(), care, is_=expected)
case(
    "COL",
    "hospice that has begun",
    SIXTY,
    visit(),
    visit("hospice_encounter", id="h", period={"start": "Y-1-02-01"}),
    is_=EXCLUDED,
)
case(
    "COL",
    "hospice that will begin",
    SIXTY,
    visit(),
    visit("hospice_encounter", id="h", period={"start": "Y+1-01-01"}),
    is_=OPEN,
)
MONTHLY = {"id": "r", "period": {"end": "Y-3-01-31T00:00:00Z"}}
case("CBP", "monthly care of kidneys since nobody says when", *PATIENT, visit("renal_encounter", **MONTHLY), is_=OPEN)
case(
    "CBP",
    "monthly care of kidneys that goes on",
    *PATIENT,
    visit("renal_encounter", id="r", period={"start": "Y-03-01"}),
    is_=EXCLUDED,
)
case(
    "CBP",
    "dialysis that goes on",
    *PATIENT,
    of("Procedure", "renal_procedure", performedPeriod={"start": "Y-8-01-01"}),
    is_=OPEN,
)
OVER = {"onset": "Y-9-01-01", "status": "resolved"}
FROM_DECEMBER = {"start": "Y-1-12-01T00:00:00Z", "end": "Y-01-01T00:00:00Z"}
for name, over, expected in (
    ("at the first moment", {"abatement": "Y-01-01T00:00:00Z"}, OPEN),
    ("over a month to the first moment", {"abatementPeriod": FROM_DECEMBER}, OUT),
    ("over a month to the second moment", {"abatementPeriod": FROM_DECEMBER | {"end": "Y-01-01T00:00:01Z"}}, OPEN),
    ("over a month to the mere first day", {"abatementPeriod": {"start": "Y-1-12-01", "end": "Y-01-01"}}, OUT),
    ("over a month without an end", {"abatementPeriod": {"start": "Y-1-12-01"}}, OUT),
):
    case("CBP", f"hypertension that ended {name}", EIGHTEEN, visit(), ill("hypertension", **OVER, **over), is_=expected)

# ---- blood pressures
at_may = {"effectiveDateTime": "Y-05-01T08:30:00Z"}
for code, of_2025 in (("AMB", MET), ("IMP", OPEN)):
    case(
        "CBP",
        f"a reading at a visit of class {code}, of no system",
        EIGHTEEN,
        visit(**{"class": {"code": code}}),
        PATIENT[2],
        pressure(139, 89, **at_may),
        is_=of_2025,
        in_2026=MET,
    )
case(
    "CBP",
    "a reading over a night",
    *PATIENT,
    pressure(139, 89, effectivePeriod={"start": "Y-1-12-31T22:00:00Z", "end": "Y-01-01T06:00:00Z"}),
    is_=MET,
)
case(
    "CBP",
    "a reading over the last night",
    *PATIENT,
    pressure(139, 89, effectivePeriod={"start": "Y-12-31T22:00:00Z", "end": "Y+1-01-01T06:00:00Z"}),
    is_=OPEN,
)
case(
    "CBP",
    "a reading that has no end",
    *PATIENT,
    pressure(139, 89, effectivePeriod={"start": "Y-05-01T08:30:00Z"}),
    is_=MET,
)

# ---- what published patients are about
STAY = {"id": "h", "period": {"start": "Y-1-12-31T23:59:59.000Z", "end": "Y-01-01T01:00:00.000Z"}}
case(
    "CBP", "a stay into the first day, to nobody knows where", *PATIENT, visit("inpatient_encounter", **STAY), is_=OPEN
)
RECORDED = {"extension": [{"url": f"{QICORE}/qicore-recorded", "valueDateTime": "Y-12-31T00:00:00.000Z"}]}
NEXT_DAY = {"performedPeriod": {"start": "Y+1-01-01T00:00:00.000Z", "end": "Y+1-01-01T01:00:00.000Z"}}
case(
    "CBP",
    "hospice of the next day, recorded in the year",
    *PATIENT,
    of("Procedure", "hospice_intervention", **NEXT_DAY, **RECORDED),
    is_=OPEN,
)
LATE = prevalent(Role("advanced_illness"), "Y-1-12-31T23:59:59.000Z", category="encounter-diagnosis", id="late")
ADMITTED = visit("inpatient_encounter", id="i", diagnosis=[{"condition": {"reference": "Condition/late"}}])
OLD_DIABETIC = (SIXTY_SIX, *DIABETIC[1:])
case("GSD", "frail, and ill by the diagnosis of a stay", *OLD_DIABETIC, WHEELCHAIR, LATE, ADMITTED, is_=EXCLUDED)
case("GSD", "ill by the diagnosis of a stay", *OLD_DIABETIC, LATE, ADMITTED, is_=MET)
NOT_ORDERED = {
    "of 2025": f"{QICORE}/qicore-doNotPerform",
    "of 2026": "http://hl7.org/fhir/5.0/StructureDefinition/extension-DeviceRequest.doNotPerform",
}
for name, url in NOT_ORDERED.items():
    for said, expected in ((True, MET), (False, EXCLUDED)):
        chair = WHEELCHAIR | {"modifierExtension": [{"url": url, "valueBoolean": said}]}
        case(
            "GSD",
            f"ill, with a device that is not to be: {said}, in the words {name}",
            *OLD_DIABETIC,
            LATE,
            chair,
            is_=expected,
        )

# ---- depression, by the moment and by the day
case(
    "DSF",
    "positive, seen on the mere day of a visit of hours",
    *SCREENED,
    done("adolescent_follow_up", "Y-05-01"),
    is_=OPEN,
)
ON_A_DAY = (
    TWELVE,
    visit("depression_visit", period={"start": "Y-05-01", "end": "Y-05-01"}),
    asked(TEEN, "Y-05-01", POSITIVE),
)
case("DSF", "positive, seen on the mere day of a mere day", *ON_A_DAY, done("adolescent_follow_up", "Y-05-01"), is_=MET)
case(
    "DSF",
    "positive, seen in an hour of a mere day",
    *ON_A_DAY,
    done("adolescent_follow_up", "Y-05-01T08:30:00Z"),
    is_=OPEN,
)
OF_TWO_DAYS = (
    TWELVE,
    visit("depression_visit", period={"start": "Y-05-01", "end": "Y-05-03"}),
    asked(TEEN, "Y-05-01", POSITIVE),
)
case(
    "DSF",
    "positive, seen in an hour between two mere days",
    *OF_TWO_DAYS,
    done("adolescent_follow_up", "Y-05-02T08:30:00Z"),
    is_=MET,
)
case(
    "DSF",
    "positive, referred on a mere day",
    *SCREENED,
    of("ServiceRequest", "adolescent_referral", authoredOn="Y-05-01"),
    is_=MET,
)
case(
    "DSF",
    "positive, a drug for long",
    *SCREENED,
    prescribed("adolescent_medication", "Y-04-30T08:30:00Z", days=90),
    is_=OPEN,
)
FIRST_DAY_GIVEN = {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": "Y-05-02"}}}}]}
case(
    "DSF",
    "positive, a drug that day from the next day on",
    *SCREENED,
    prescribed("adolescent_medication", "Y-05-01T08:30:00Z", **FIRST_DAY_GIVEN),
    is_=MET,
    in_2026=OPEN,
)
for intent, of_2025, of_2026 in (("original-order", OPEN, MET), ("instance-order", OPEN, MET), ("option", OPEN, OPEN)):
    drug = prescribed("adolescent_medication", "Y-05-01T08:30:00Z", intent=intent)
    case("DSF", f"positive, a drug by an {intent}", *SCREENED, drug, is_=of_2025, in_2026=of_2026)
UNDATED = refused("Y-05-01T08:30:00.000Z") | {"issued": None, "effectiveDateTime": "Y-05-01T08:30:00Z"}
case("DSF", "declined, and not said when", *GROWN, UNDATED, is_=OPEN)
case("DSF", "declined at the last moment of the visit", *GROWN, refused("Y-05-01T09:00:00.000Z"), is_=EXCEPTED)
case("DSF", "declined a moment before the visit", *GROWN, refused("Y-05-01T07:59:59.999Z"), is_=OPEN, in_2026=EXCEPTED)
LATER_VISIT = visit("depression_visit", id="f", period={key: one.replace("05-01", "09-01") for key, one in MAY.items()})
case("DSF", "negative at the first visit alone", *CHILD, LATER_VISIT, asked(TEEN, "Y-05-01", NEGATIVE), is_=MET)
case(
    "DSF",
    "negative at the first visit, positive at the second",
    *CHILD,
    LATER_VISIT,
    asked(TEEN, "Y-05-01", NEGATIVE),
    asked(TEEN, "Y-09-01", POSITIVE, id="late"),
    is_=OPEN,
)
case(
    "DSF",
    "positive at the first visit, followed up at the second",
    *SCREENED,
    LATER_VISIT,
    done("adolescent_follow_up", "Y-09-01T08:30:00Z"),
    is_=OPEN,
)
case("DSF", "bipolar between two visits", *GROWN, LATER_VISIT, ill("bipolar_disorder", "Y-06-01"), is_=EXCLUDED)
case("DSF", "bipolar, nobody knows since when", *GROWN, ill("bipolar_disorder", None), is_=EXCLUDED)
CONCERN = [coded("http://hl7.org/fhir/us/core/CodeSystem/condition-category", "health-concern")]
case(
    "DSF",
    "bipolar, among the concerns",
    *GROWN,
    ill("bipolar_disorder", "Y-1-06-01") | {"category": CONCERN},
    is_=EXCLUDED,
)
LONG = {"effectivePeriod": {"start": "Y-04-10T08:00:00Z", "end": "Y-04-20T08:00:00Z"}}
case("DSF", "negative over ten days", *GROWN, asked(ADULT, None, NEGATIVE, **LONG), is_=MET)
REFERRED = of("ServiceRequest", "adult_referral", authoredOn="Y-05-01T08:00:00Z")
case(
    "DSF",
    "positive over ten days that began too early",
    *GROWN,
    asked(ADULT, None, POSITIVE, **LONG),
    REFERRED,
    is_=OPEN,
)
case(
    "DSF",
    "negative, and it has no end",
    *GROWN,
    asked(ADULT, None, NEGATIVE, effectivePeriod={"start": "Y-04-28"}),
    is_=OPEN,
)

# ---- published patients of whom nothing like it stood in the other decks
REMITTED = ill("bipolar_disorder", "Y-5-06-15T08:00:00Z", status="remission", abatementDateTime="Y-06-29T23:59:00Z")
case("DSF", "bipolar in remission since after the visit", *GROWN, REMITTED, is_=EXCLUDED)
case("DSF", "bipolar over years ago", *GROWN, REMITTED | {"abatementDateTime": "Y-3-01-01"}, is_=EXCLUDED)
case(
    "DSF",
    "declined, and screened a week before with no answer that decides",
    *GROWN,
    refused("Y-05-01T08:00:00.000Z"),
    asked(ADULT, "Y-04-24T08:00:00Z", valueBoolean=True),
    is_=OPEN,
)
DEMENTED = prescribed("dementia_medication", "Y-12-30T00:00:00Z", 90)
SYMPTOM = of("Observation", "frailty_symptom", effectivePeriod={"start": "Y-12-31", "end": "Y-12-31"})
for born, expected in (("Y-46-12-31", OPEN), ("Y-65-01-01", OPEN), ("Y-66-12-31", EXCLUDED)):
    case("COL", f"frail and demented, born {born}", somebody(born), visit(), DEMENTED, SYMPTOM, is_=expected)
