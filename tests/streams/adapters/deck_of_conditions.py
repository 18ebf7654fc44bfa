"""Test patients of CMS165, CMS122, CMS2 and CMS117, path by path."""

from __future__ import annotations

from typing import Any

from tests.fhir_resources import (
    LOINC,
    SNOMED,
    categories,
    coded,
    fact,
    measured,
    pressure,
    prevalent,
)
from tests.streams.adapters.deck_builders import (
    DECLINED,
    EIGHTEEN,
    EXCEPTED,
    EXCLUDED,
    MAY,
    MET,
    NEGATIVE,
    OPEN,
    OUT,
    POSITIVE,
    SAYS,
    SIXTY,
    TWELVE,
    TWO,
    WHEELCHAIR,
    Case,
    Role,
    asked,
    done,
    ill,
    lab,
    of,
    prescribed,
    somebody,
    teller_of,
    visit,
)

CASES: list[Case] = []
case = teller_of(CASES)

# ---- blood pressures
TENSE = ill("hypertension", "Y-06-30T23:59:59Z")
PATIENT = (EIGHTEEN, visit(), TENSE)
at_may = {"effectiveDateTime": "Y-05-01T08:30:00Z"}
case("CBP", "no reading", *PATIENT, is_=OPEN)
case("CBP", "139/89", *PATIENT, pressure(139, 89, **at_may), is_=MET)
case("CBP", "140/89", *PATIENT, pressure(140, 89, **at_may), is_=OPEN)
case("CBP", "139/90", *PATIENT, pressure(139, 90, **at_may), is_=OPEN)
case("CBP", "139 and nothing", *PATIENT, pressure(139, None, **at_may), is_=OPEN)
case("CBP", "of no encounter", *PATIENT, pressure(139, 89, at=None, **at_may), is_=OPEN, in_2026=MET)
case(
    "CBP",
    "of an encounter that is not there",
    *PATIENT,
    pressure(139, 89, at="nowhere", **at_may),
    is_=OPEN,
    in_2026=MET,
)
for state, expected in (("preliminary", OPEN), ("corrected", MET), ("entered-in-error", OPEN), ("cancelled", OPEN)):
    case("CBP", f"a reading that is {state}", *PATIENT, pressure(139, 89, status=state, **at_may), is_=expected)
TWICE = (pressure(150, 70, id="a", **at_may), pressure(120, 95, id="b", **at_may))
case("CBP", "the lowest of a day, each for itself", *PATIENT, *TWICE, is_=MET)
case(
    "CBP",
    "a later day",
    *PATIENT,
    pressure(120, 70, id="a", **at_may),
    pressure(150, 95, id="b", effectiveDateTime="Y-05-02"),
    is_=OPEN,
)
case("CBP", "hypertension of July", EIGHTEEN, visit(), ill("hypertension", "Y-07-01T00:00:00Z"), is_=OUT)
case(
    "CBP", "hypertension that is over", EIGHTEEN, visit(), ill("hypertension", "Y-2-07-01", status="resolved"), is_=OUT
)
case(
    "CBP",
    "hypertension that was refuted",
    EIGHTEEN,
    visit(),
    ill("hypertension", "Y-02-01", verified="refuted"),
    is_=OPEN,
    in_2026=OUT,
)
case("CBP", "hypertension of no onset", EIGHTEEN, visit(), ill("hypertension", None), is_=OPEN)
case("CBP", "85 on the last day", somebody("Y-85-01-01"), visit(), TENSE, is_=OPEN)
case("CBP", "86 on the last day", somebody("Y-86-12-31"), visit(), TENSE, is_=OUT)
case("CBP", "frail at 81", somebody("Y-81-12-31"), visit(), TENSE, WHEELCHAIR, is_=EXCLUDED)
case("CBP", "frail at 80", somebody("Y-80-01-01"), visit(), TENSE, WHEELCHAIR, is_=OPEN)
case("CBP", "pregnant on the last day", *PATIENT, ill("pregnancy", "Y-12-31T23:59:59Z"), is_=EXCLUDED)
case("CBP", "pregnant later", *PATIENT, ill("pregnancy", "Y+1-01-01T00:00:00Z"), is_=OPEN)
case("CBP", "dialysis long ago", *PATIENT, done("renal_procedure", "Y-8-01-01"), is_=EXCLUDED)
case(
    "CBP",
    "monthly care of kidneys",
    *PATIENT,
    visit("renal_encounter", id="r", period={"start": "Y-3-01-01", "end": "Y-3-01-31"}),
    is_=EXCLUDED,
)
case(
    "CBP",
    "kidneys that failed and were well",
    *PATIENT,
    ill("renal_diagnosis", "Y-8-01-01", "Y-7-01-01", status="resolved"),
    is_=OPEN,
)

# ---- glycemic status
SWEET = ill("diabetes", "Y-5-01-01", category="encounter-diagnosis")
SEEN = visit("qualifying_visit+glycemic_visit")
DIABETIC = (SIXTY, SEEN, SWEET)
A1C = "hba1c_test"
case("GSD", "no test", *DIABETIC, is_=MET)
case("GSD", "9.1", *DIABETIC, lab(A1C, "Y-03-01", valueQuantity=measured(9.1)), is_=MET)
case("GSD", "9", *DIABETIC, lab(A1C, "Y-03-01", valueQuantity=measured(9)), is_=OPEN)
case(
    "GSD",
    "an indicator of 9.1",
    *DIABETIC,
    fact(
        "Observation",
        coded(LOINC, "97506-0"),
        category=categories("laboratory"),
        effectiveDateTime="Y-03-01",
        valueQuantity=measured(9.1),
    ),
    is_=MET,
)
case(
    "GSD",
    "no result, later",
    *DIABETIC,
    lab(A1C, "Y-03-01", valueQuantity=measured(7)),
    lab(A1C, "Y-03-02", id="late"),
    is_=MET,
)
case(
    "GSD",
    "no result of that day",
    *DIABETIC,
    lab(A1C, "Y-03-01", valueQuantity=measured(7)),
    lab(A1C, "Y-03-01", id="late"),
    is_=MET,
)
case("GSD", "a result that is a code", *DIABETIC, lab(A1C, "Y-03-01", **SAYS), is_=OPEN)
case("GSD", "a test of the last year", *DIABETIC, lab(A1C, "Y-1-12-31T23:59:59Z", valueQuantity=measured(7)), is_=MET)
case(
    "GSD",
    "a test of no laboratory",
    *DIABETIC,
    lab(A1C, "Y-03-01", category=categories("exam"), valueQuantity=measured(7)),
    is_=MET,
)
case(
    "GSD",
    "two of a day",
    *DIABETIC,
    lab(A1C, "Y-03-01T08:00:00Z", valueQuantity=measured(7)),
    lab(A1C, "Y-03-01T09:00:00Z", id="late", valueQuantity=measured(10)),
    is_=OPEN,
)
case("GSD", "diabetes of the problem list", SIXTY, SEEN, ill("diabetes", "Y-5-01-01"), is_=MET, in_2026=OUT)
case(
    "GSD",
    "diabetes that ended on the first day",
    SIXTY,
    SEEN,
    ill("diabetes", "Y-5-01-01", "Y-01-01", status="resolved", category="encounter-diagnosis"),
    is_=MET,
)
case(
    "GSD",
    "diabetes that ended before",
    SIXTY,
    SEEN,
    ill("diabetes", "Y-5-01-01", "Y-1-12-31", status="resolved", category="encounter-diagnosis"),
    is_=OUT,
)
case(
    "GSD",
    "diabetes that was refuted",
    SIXTY,
    SEEN,
    SWEET | {"verificationStatus": coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "refuted")},
    is_=MET,
    in_2026=OUT,
)
case("GSD", "seen on a screen", SIXTY, visit("virtual"), SWEET, is_=MET, in_2026=OUT)
case(
    "GSD",
    "seen by a dietitian",
    SIXTY,
    fact("Encounter", coded("http://www.ama-assn.org/go/cpt", "97802"), period=MAY),
    SWEET,
    is_=OUT,
    in_2026=MET,
)

# ---- depression
TEEN, ADULT = "73831-0", "73832-8"
CHILD, GROWN = (TWELVE, visit("depression_visit")), (SIXTY, visit("depression_visit"))
case("DSF", "not screened", *CHILD, is_=OPEN)
case("DSF", "eleven", somebody("Y-12-01-02"), visit("depression_visit"), is_=OUT)
case("DSF", "a visit that goes on", TWELVE, visit("depression_visit", status="in-progress"), is_=OUT)
case("DSF", "negative", *CHILD, asked(TEEN, "Y-05-01T10:00:00Z", NEGATIVE), is_=MET)
case("DSF", "negative, with the tool of adults", *CHILD, asked(ADULT, "Y-05-01", NEGATIVE), is_=OPEN)
SEVENTEEN = (somebody("Y-17-01-01"), visit("depression_visit"))
for name, tool in (("adolescents", TEEN), ("adults", ADULT)):
    case("DSF", f"negative at 17, with the tool of {name}", *SEVENTEEN, asked(tool, "Y-05-01", NEGATIVE), is_=MET)
case("DSF", "negative 14 days before", *CHILD, asked(TEEN, "Y-04-17T00:00:00Z", NEGATIVE), is_=MET)
case("DSF", "negative 15 days before", *CHILD, asked(TEEN, "Y-04-16T23:59:59Z", NEGATIVE), is_=OPEN)
case("DSF", "negative the day after", *CHILD, asked(TEEN, "Y-05-02T00:00:00Z", NEGATIVE), is_=OPEN)
case("DSF", "negative, corrected", *CHILD, asked(TEEN, "Y-05-01", NEGATIVE, status="corrected"), is_=OPEN, in_2026=MET)
case("DSF", "negative, amended", *CHILD, asked(TEEN, "Y-05-01", NEGATIVE, status="amended"), is_=OPEN)
case(
    "DSF",
    "negative, then positive",
    *CHILD,
    asked(TEEN, "Y-04-30T08:00:00Z", NEGATIVE),
    asked(TEEN, "Y-05-01T07:00:00Z", POSITIVE, id="late"),
    is_=OPEN,
)
SCREENED = (*CHILD, asked(TEEN, "Y-05-01T08:00:00Z", POSITIVE))
case("DSF", "positive", *SCREENED, is_=OPEN)
for name, more, expected in (
    ("on the day", {}, MET),
    ("two days after", {"authoredOn": "Y-05-03T23:59:59Z"}, MET),
    ("three days after", {"authoredOn": "Y-05-04T00:00:00Z"}, OPEN),
    ("before", {"authoredOn": "Y-04-30T23:59:59Z"}, OPEN),
    ("on hold", {"status": "on-hold"}, OPEN),
    ("as a plan", {"intent": "plan"}, MET),
):
    referral = of("ServiceRequest", "adolescent_referral", authoredOn="Y-05-01T08:00:00Z") | more
    case("DSF", f"positive, referred {name}", *SCREENED, referral, is_=expected)
case("DSF", "positive, a drug that day", *SCREENED, prescribed("adolescent_medication", "Y-05-01T08:30:00Z"), is_=MET)
case(
    "DSF",
    "positive, a drug the day after",
    *SCREENED,
    prescribed("adolescent_medication", "Y-05-02T08:30:00Z"),
    is_=MET,
    in_2026=OPEN,
)
case(
    "DSF",
    "positive, a drug of no length",
    *SCREENED,
    prescribed("adolescent_medication", "Y-05-01T08:30:00Z", days=None),
    is_=MET,
    in_2026=OPEN,
)
case("DSF", "positive, a drug of adults", *SCREENED, prescribed("adult_medication", "Y-05-01T08:30:00Z"), is_=OPEN)
case("DSF", "positive, seen during the visit", *SCREENED, done("adolescent_follow_up", "Y-05-01T08:59:00Z"), is_=MET)
case("DSF", "positive, seen after the visit", *SCREENED, done("adolescent_follow_up", "Y-05-01T09:01:00Z"), is_=OPEN)
case(
    "DSF",
    "positive, seen during the visit, elsewhere",
    *SCREENED,
    done("adolescent_follow_up", "Y-05-01T03:59:00-05:00"),
    is_=MET,
)
BIPOLAR = {"onset": "Y-05-01T07:59:59Z"}
case("DSF", "bipolar a second before", *GROWN, ill("bipolar_disorder", **BIPOLAR), is_=EXCLUDED, in_2026=OPEN)
case(
    "DSF",
    "bipolar the day before",
    *GROWN,
    ill("bipolar_disorder", "Y-04-30T23:59:59Z", status="resolved"),
    is_=EXCLUDED,
)
case(
    "DSF",
    "bipolar, a diagnosis of the visit",
    *GROWN,
    ill("bipolar_disorder", "Y-04-30", category="encounter-diagnosis"),
    is_=OPEN,
)


def refused(issued: str, why: Any = None, **more: Any) -> dict[str, Any]:
    reason = {
        "url": "http://hl7.org/fhir/us/qicore/StructureDefinition/qicore-notDoneReason",
        "valueCodeableConcept": why or coded(SNOMED, DECLINED),
    }
    return asked(ADULT, None, status="cancelled", issued=issued, extension=[reason], id="no", **more)


case("DSF", "declined", *GROWN, refused("Y-05-01T08:30:00.000Z"), is_=EXCEPTED)
case("DSF", "declined an hour late", *GROWN, refused("Y-05-01T10:00:00.000Z"), is_=OPEN, in_2026=EXCEPTED)
case("DSF", "declined the day after", *GROWN, refused("Y-05-02T08:30:00.000Z"), is_=OPEN)
case("DSF", "a medical reason", *GROWN, refused("Y-05-01T08:30:00.000Z", Role("reason_not_to_screen")), is_=EXCEPTED)
case("DSF", "another reason", *GROWN, refused("Y-05-01T08:30:00.000Z", coded(SNOMED, "1")), is_=OPEN)
case(
    "DSF",
    "declined, and screened a week ago",
    *GROWN,
    refused("Y-05-01T08:30:00.000Z"),
    asked(ADULT, "Y-04-24", POSITIVE),
    is_=OPEN,
)
case(
    "DSF",
    "declined, and negative",
    *GROWN,
    refused("Y-05-01T08:30:00.000Z"),
    asked(ADULT, "Y-04-24", NEGATIVE),
    is_=MET,
)
case(
    "DSF",
    "declined, and bipolar",
    *GROWN,
    refused("Y-05-01T08:30:00.000Z"),
    ill("bipolar_disorder", "Y-2-01-01"),
    is_=EXCLUDED,
)

# ---- childhood immunizations (born on the last day of the second year before)
SHOTS = ("02-15", "04-15", "06-15", "11-15")
CVX_OF = {"dtap": 4, "ipv": 3, "hib_3dose": 3, "hepb": 3, "pcv": 4, "rotavirus_3dose": 3}


def shot(vaccine: str, on: str, **more: Any) -> dict[str, Any]:
    return of("Immunization", vaccine, **({"id": f"{vaccine}{on}", "occurrenceDateTime": on} | more))


INFANT = (TWO, visit("child_visit"))
ALL = (
    *(shot(vaccine, f"Y-1-{day}") for vaccine, count in CVX_OF.items() for day in SHOTS[:count]),
    *(shot("influenza", f"Y-1-{day}") for day in ("09-15", "10-15")),
    *(shot(vaccine, "Y-03-01") for vaccine in ("mmr", "vzv", "hepa")),
)


def without(vaccine: str, count: int = 1) -> tuple[Any, ...]:
    mine = [one for one in ALL if one["vaccineCode"].name == vaccine]
    return tuple(one for one in ALL if one not in mine[-count:])


case("CIS", "all", *INFANT, *ALL, is_=MET)
case("CIS", "two on the next day", somebody("Y-1-01-01"), visit("child_visit"), is_=OUT)
case("CIS", "three on the last day", somebody("Y-3-12-31"), visit("child_visit"), is_=OUT)
for vaccine in (*CVX_OF, "influenza", "mmr", "vzv", "hepa"):
    case("CIS", f"all but one {vaccine}", *INFANT, *without(vaccine), is_=OPEN)
for state, expected in (("not-done", OPEN), ("entered-in-error", OPEN), ("completed", MET)):
    case(
        "CIS",
        f"a last MMR that is {state}",
        *INFANT,
        *without("mmr"),
        shot("mmr", "Y-03-01", status=state),
        is_=expected,
    )
for name, on, expected in (
    ("on the second birthday", "Y-12-31T23:59:59Z", MET),
    ("after it", "Y+1-01-01T00:00:00Z", OPEN),
    ("on the first birthday", "Y-1-12-31T00:00:00Z", MET),
    ("before it", "Y-1-12-30T23:59:59Z", OPEN),
):
    case("CIS", f"MMR {name}", *INFANT, *without("mmr"), shot("mmr", on), is_=expected)
case("CIS", "MMR as a procedure", *INFANT, *without("mmr"), done("mmr_administered", "Y-03-01"), is_=MET)
LONG_ONE = {"performedPeriod": {"end": "Y-03-01T10:00:00Z"}, "performedDateTime": None}
case(
    "CIS",
    "MMR as a procedure of which only the end is known",
    *INFANT,
    *without("mmr"),
    done("mmr_administered", "", **LONG_ONE),
    is_=MET,
)
case("CIS", "DTaP on day 42", *INFANT, *without("dtap"), shot("dtap", "Y-1-02-11"), is_=MET)
case("CIS", "DTaP on day 41", *INFANT, *without("dtap"), shot("dtap", "Y-1-02-10"), is_=OPEN)
case(
    "CIS", "influenza on day 42", *INFANT, *without("influenza"), shot("influenza", "Y-1-02-11"), is_=MET, in_2026=OPEN
)
case(
    "CIS",
    "influenza, the second a live one on the birthday",
    *INFANT,
    *without("influenza"),
    shot("laiv", "Y-12-31"),
    is_=MET,
)
case(
    "CIS", "influenza, the second a live one before", *INFANT, *without("influenza"), shot("laiv", "Y-12-30"), is_=OPEN
)
NEWBORN = fact("Procedure", coded("http://www.cms.gov/Medicare/Coding/ICD10", "3E0234Z"), performedDateTime="Y-1-01-07")
case("CIS", "HepB of a newborn", *INFANT, *without("hepb"), NEWBORN, is_=MET)
case(
    "CIS",
    "HepB of a newborn on day 8",
    *INFANT,
    *without("hepb"),
    NEWBORN | {"performedDateTime": "Y-1-01-08"},
    is_=OPEN,
)
case(
    "CIS", "a fourth dose of one series and three of the other", *INFANT, *ALL, shot("hib_4dose", "Y-1-11-15"), is_=MET
)
case("CIS", "three doses of both series", *INFANT, *without("hib_3dose"), shot("hib_4dose", "Y-1-11-15"), is_=OPEN)
case("CIS", "anaphylaxis", *INFANT, *without("mmr"), prevalent(coded(SNOMED, "471331000124109"), "Y-02-01"), is_=MET)
MUMPS = tuple(ill(role, "Y-02-01", id=role) for role in ("measles", "mumps", "rubella"))
case("CIS", "the three illnesses of a problem list", *INFANT, *without("mmr"), *MUMPS, is_=MET, in_2026=OPEN)
case("CIS", "HIV", *INFANT, *ALL, ill("hiv", "Y-12-31T23:59:59Z"), is_=EXCLUDED)
case("CIS", "HIV later", *INFANT, *ALL, ill("hiv", "Y+1-01-01T00:00:00Z"), is_=MET)
case("CIS", "HIV refuted", *INFANT, *ALL, ill("hiv", "Y-02-01", verified="refuted"), is_=EXCLUDED, in_2026=MET)
case("CIS", "intussusception", *INFANT, *ALL, ill("intussusception", "Y-02-01", status="resolved"), is_=EXCLUDED)
