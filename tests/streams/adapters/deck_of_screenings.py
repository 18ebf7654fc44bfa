"""Test patients of CMS125 and CMS130, with hospice, palliative care, frailty and nursing homes, path by path."""

from __future__ import annotations

from tests.fhir_resources import (
    SNOMED,
    categories,
    coded,
)
from tests.streams.adapters.deck_builders import (
    EXCLUDED,
    HOSPICE_AT_HOME,
    MET,
    NO,
    NURSING_HOME,
    OPEN,
    OUT,
    OWN_HOME,
    SAYS,
    SIXTY,
    SIXTY_SIX,
    WHEELCHAIR,
    YES,
    Case,
    Role,
    asked,
    done,
    ill,
    imaged,
    lab,
    of,
    prescribed,
    sexed,
    somebody,
    teller_of,
    visit,
)

CASES: list[Case] = []
case = teller_of(CASES)

# ---- who is in
WOMAN = (SIXTY, visit())
case("BCS", "a woman without a mammogram", *WOMAN, is_=OPEN)
case("BCS", "no visit", SIXTY, is_=OUT)
case("BCS", "52 on the last day", somebody("Y-52-12-31"), visit(), is_=OPEN)
case("BCS", "51 on the last day", somebody("Y-51-01-01"), visit(), is_=OUT, in_2026=OPEN)
case("BCS", "42 on the last day", somebody("Y-42-12-31"), visit(), is_=OUT, in_2026=OPEN)
case("BCS", "41 on the last day", somebody("Y-41-01-01"), visit(), is_=OUT)
case("BCS", "74 on the last day", somebody("Y-74-01-01"), visit(), is_=OPEN)
case("BCS", "75 on the last day", somebody("Y-75-12-31"), visit(), is_=OUT)
case("BCS", "a man", somebody("Y-60-01-01", gender="male", extension=sexed("248153007")), visit(), is_=OUT)
case(
    "BCS", "sex and gender differ", somebody("Y-60-01-01", extension=sexed("248153007")), visit(), is_=OPEN, in_2026=OUT
)
for state in ("arrived", "triaged", "in-progress", "onleave"):
    case("BCS", f"a visit that is {state}", SIXTY, visit(status=state), is_=OPEN, in_2026=OUT)
for state in ("planned", "cancelled", "entered-in-error", "unknown"):
    case("BCS", f"a visit that is {state}", SIXTY, visit(status=state), is_=OUT)
for name, start, end, expected in (
    ("of the first day", "Y-01-01T00:00:00.000Z", "Y-01-01T00:00:00.000Z", OPEN),
    ("of the last second", "Y-12-31T23:59:59.000Z", "Y-12-31T23:59:59.000Z", OPEN),
    ("from the year before", "Y-1-12-31T23:59:59.000Z", "Y-01-01T01:00:00.000Z", OUT),
    ("into the next year", "Y-12-31T23:00:00Z", "Y+1-01-01T00:00:00Z", OUT),
    ("of mere days", "Y-12-31", "Y-12-31", OPEN),
    ("on a last evening elsewhere", "Y-12-31T20:00:00-05:00", "Y-12-31T21:00:00-05:00", OPEN),
    ("without an end", "Y-05-01T08:00:00Z", None, OUT),
):
    span = {"start": start} | ({} if end is None else {"end": end})
    case("BCS", f"a visit {name}", SIXTY, visit(period=span), is_=expected)

# ---- mammograms
for name, on, expected in (
    ("on October 1", "Y-2-10-01T00:00:00.000Z", MET),
    ("on September 30", "Y-2-09-30T23:59:59.000Z", OPEN),
    ("on the last day", "Y-12-31T23:59:59.000Z", MET),
    ("on the next day", "Y+1-01-01T00:00:00.000Z", OPEN),
    ("on a mere day", "Y-2-10-01", MET),
):
    case("BCS", f"a mammogram {name}", *WOMAN, imaged("mammography", on), is_=expected)
LONG = {"start": "Y-2-09-30T00:00:00Z", "end": "Y-2-10-01T00:00:00Z"}
case("BCS", "a mammogram that ends in time", *WOMAN, imaged("mammography", effectivePeriod=LONG), is_=MET)
OPEN_ENDED = {"start": "Y-03-01T00:00:00Z"}
case("BCS", "a mammogram that has no end", *WOMAN, imaged("mammography", effectivePeriod=OPEN_ENDED), is_=OPEN)
for state in ("amended", "corrected"):
    case("BCS", f"a mammogram that is {state}", *WOMAN, imaged("mammography", "Y-03-01", status=state), is_=MET)
for state in ("registered", "preliminary", "cancelled", "entered-in-error", "unknown"):
    case("BCS", f"a mammogram that is {state}", *WOMAN, imaged("mammography", "Y-03-01", status=state), is_=OPEN)
case(
    "BCS", "a mammogram of no category", *WOMAN, imaged("mammography", "Y-03-01", category=None), is_=MET, in_2026=OPEN
)
case(
    "BCS", "a mammogram that is a request", *WOMAN, of("ServiceRequest", "mammography", authoredOn="Y-03-01"), is_=OPEN
)

# ---- mastectomies
BOTH = "history_of_bilateral_mastectomy"
case(
    "BCS",
    "both breasts, on the last day",
    *WOMAN,
    ill(BOTH, "Y-12-31T23:59:59Z"),
    imaged("mammography", "Y-03-01"),
    is_=EXCLUDED,
)
case("BCS", "both breasts, later", *WOMAN, ill(BOTH, "Y+1-01-01T00:00:00Z"), is_=OPEN)
case("BCS", "both breasts, nobody knows when", *WOMAN, ill(BOTH, None), is_=EXCLUDED)
for state in ("unconfirmed", "provisional", "differential", "confirmed"):
    case("BCS", f"both breasts, {state}", *WOMAN, ill(BOTH, "Y-1-01-01", verified=state), is_=EXCLUDED)
for state in ("refuted", "entered-in-error"):
    case("BCS", f"both breasts, {state}", *WOMAN, ill(BOTH, "Y-1-01-01", verified=state), is_=EXCLUDED, in_2026=OPEN)
LEFT, RIGHT = "absence_of_left_breast", "unilateral_mastectomy_right"
case("BCS", "left and right", *WOMAN, ill(LEFT, "Y-9-01-01"), done(RIGHT, "Y-12-31T10:00:00Z"), is_=EXCLUDED)
case("BCS", "left alone", *WOMAN, ill(LEFT, "Y-9-01-01"), is_=OPEN)
for state in ("not-done", "in-progress", "stopped", "entered-in-error"):
    case(
        "BCS",
        f"left, and a right that is {state}",
        *WOMAN,
        ill(LEFT, "Y-9-01-01"),
        done(RIGHT, "Y-1-01-01", status=state),
        is_=OPEN,
    )
SIDED = tuple(
    ill("unilateral_mastectomy_diagnosis", "Y-01-01", id=f"c{code}", bodySite=[coded(SNOMED, code)])
    for code in ("7771000", "24028007")
)
case("BCS", "two of a site", *WOMAN, *SIDED, is_=EXCLUDED)
case("BCS", "one of a site", *WOMAN, SIDED[0], is_=OPEN)

# ---- hospice and palliative care
MDS = "45755-6"
case("COL", "hospice says yes", *WOMAN, asked(MDS, "Y-12-31T23:00:00Z", YES), is_=EXCLUDED)
case("COL", "hospice says no", *WOMAN, asked(MDS, "Y-12-31T23:00:00Z", NO), is_=OPEN)
case("COL", "hospice says yes, of no survey", *WOMAN, asked(MDS, "Y-03-01", YES, category=categories("exam")), is_=OPEN)
case("COL", "hospice says yes, provisionally", *WOMAN, asked(MDS, "Y-03-01", YES, status="preliminary"), is_=OPEN)
ORDERED = {"authoredOn": "Y-12-31T23:59:59Z"}
case("COL", "hospice is ordered", *WOMAN, of("ServiceRequest", "hospice_intervention", **ORDERED), is_=EXCLUDED)
case(
    "COL",
    "hospice was ordered",
    *WOMAN,
    of("ServiceRequest", "hospice_intervention", status="completed", **ORDERED),
    is_=EXCLUDED,
)
case(
    "COL",
    "hospice is drafted",
    *WOMAN,
    of("ServiceRequest", "hospice_intervention", status="draft", **ORDERED),
    is_=OPEN,
)
case(
    "COL",
    "hospice is planned",
    *WOMAN,
    of("ServiceRequest", "hospice_intervention", intent="plan", **ORDERED),
    is_=OPEN,
)
case(
    "COL",
    "hospice by an original order",
    *WOMAN,
    of("ServiceRequest", "hospice_intervention", intent="original-order", **ORDERED),
    is_=OPEN,
    in_2026=EXCLUDED,
)
case(
    "COL",
    "hospice is not to be",
    *WOMAN,
    of("ServiceRequest", "hospice_intervention", doNotPerform=True, **ORDERED),
    is_=OPEN,
)
case(
    "COL",
    "hospice was ordered before",
    *WOMAN,
    of("ServiceRequest", "hospice_intervention", authoredOn="Y-1-12-31T23:59:59Z"),
    is_=OPEN,
)
for name, start, end, expected in (
    ("ends on the first day", "Y-1-11-01T00:00:00Z", "Y-01-01T00:00:00Z", EXCLUDED),
    ("ends on the day before", "Y-1-11-01T00:00:00Z", "Y-1-12-31T23:59:59Z", OPEN),
    ("begins on the last day", "Y-12-31T23:59:59Z", "Y+1-01-09T00:00:00Z", EXCLUDED),
):
    spell = {"period": {"start": start, "end": end}}
    case("COL", f"a hospice encounter {name}", *WOMAN, visit("hospice_encounter", id="h", **spell), is_=expected)
    sent = visit("inpatient_encounter", id="h", hospitalization=HOSPICE_AT_HOME, **spell)
    case("COL", f"a stay that {name}, then hospice", *WOMAN, sent, is_=OPEN if start.startswith("Y-12") else expected)
case(
    "COL",
    "a stay, then home",
    *WOMAN,
    visit("inpatient_encounter", id="h", hospitalization={"dischargeDisposition": coded(SNOMED, "10161009")}),
    is_=OPEN,
)
for name, said, expected in (
    ("goes on", {"onset": "Y-3-01-01"}, EXCLUDED),
    ("is over, nobody says since when", {"onset": "Y-3-01-01", "status": "resolved"}, OPEN),
    ("began in the year and is over", {"onset": "Y-06-01", "status": "resolved"}, EXCLUDED),
    ("has no status", {"onset": "Y-3-01-01", "status": None}, OPEN),
    ("came back", {"onset": "Y-3-01-01", "status": "recurrence"}, EXCLUDED),
    (
        "ended on the first day",
        {"onset": "Y-3-01-01", "abatement": "Y-01-01T00:00:00Z", "status": "resolved"},
        EXCLUDED,
    ),
    ("ended before, and is active", {"onset": "Y-3-01-01", "abatement": "Y-1-12-31T23:00:00Z"}, OPEN),
):
    case("COL", f"a hospice diagnosis {name}", *WOMAN, ill("hospice_diagnosis", **said), is_=expected)
    case(
        "COL",
        f"a palliative diagnosis {name}",
        *WOMAN,
        ill("palliative_diagnosis", category="encounter-diagnosis", **said),
        is_=expected,
    )
SURVEY = {"start": "Y-12-31T00:00:00Z", "end": "Y+1-01-05T00:00:00Z"}
case(
    "COL",
    "a palliative survey into the next year",
    *WOMAN,
    asked("71007-9", None, effectivePeriod=SURVEY),
    is_=EXCLUDED,
)
case("COL", "a palliative survey of the next year", *WOMAN, asked("71007-9", "Y+1-01-01T00:00:00Z"), is_=OPEN)
case("COL", "a palliative intervention", *WOMAN, done("palliative_intervention", "Y-01-01T00:00:00Z"), is_=EXCLUDED)

# ---- frailty with advanced illness, nursing homes
OLD = (SIXTY_SIX, visit())
DEMENTED = ill("advanced_illness", "Y-1-01-01T00:00:00Z")
case("COL", "frail and ill", *OLD, WHEELCHAIR, DEMENTED, is_=EXCLUDED)
case("COL", "frail and ill at 65", somebody("Y-65-01-01"), visit(), WHEELCHAIR, DEMENTED, is_=OPEN)
case("COL", "frail", *OLD, WHEELCHAIR, is_=OPEN)
case("COL", "ill", *OLD, DEMENTED, is_=OPEN)
case("COL", "frail, and ill since earlier", *OLD, WHEELCHAIR, ill("advanced_illness", "Y-2-12-31T23:59:59Z"), is_=OPEN)
case("COL", "frail, and ill since nobody knows", *OLD, WHEELCHAIR, ill("advanced_illness", None), is_=OPEN)
for name, more, expected in (
    ("is draft", {"status": "draft"}, OPEN),
    ("was given", {"status": "completed"}, EXCLUDED),
    ("is a plan", {"intent": "plan"}, OPEN),
    ("is of the year before", {"authoredOn": "Y-1-12-31T23:59:59Z"}, OPEN),
):
    case("COL", f"ill, with a device that {name}", *OLD, DEMENTED, WHEELCHAIR | more, is_=expected)
STAFF = {"valueCodeableConcept": Role("frailty_device")}
case("COL", "ill, and uses a device", *OLD, DEMENTED, asked("98181-1", "Y-01-01T00:00:00Z", **STAFF), is_=EXCLUDED)
case("COL", "ill, and used a device", *OLD, DEMENTED, asked("98181-1", "Y-1-12-31T23:59:59Z", **STAFF), is_=OPEN)
WEAK = of("Observation", "frailty_symptom", status="preliminary", effectiveDateTime="Y-01-01T00:00:00Z")
case("COL", "ill, and weak", *OLD, DEMENTED, WEAK, is_=EXCLUDED)
case("COL", "ill, and has fallen before", *OLD, DEMENTED, ill("frailty_diagnosis", "Y-5-01-01"), is_=EXCLUDED)
case("COL", "ill, and seen for frailty", *OLD, DEMENTED, visit("frailty_encounter", id="f"), is_=EXCLUDED)
for name, drug, expected in (
    ("in the year before", prescribed("dementia_medication", "Y-1-01-01T00:00:00Z"), EXCLUDED),
    ("that lasts into the year before", prescribed("dementia_medication", "Y-2-12-30T00:00:00Z", days=3), EXCLUDED),
    ("that ends too early", prescribed("dementia_medication", "Y-2-12-30T00:00:00Z", days=2), OPEN),
    ("on the next day", prescribed("dementia_medication", "Y+1-01-01T00:00:00Z"), OPEN),
    ("of no length", prescribed("dementia_medication", "Y-03-01T00:00:00Z", days=None), OPEN),
    ("that is over", prescribed("dementia_medication", "Y-03-01T00:00:00Z", status="completed"), OPEN),
    ("that is proposed", prescribed("dementia_medication", "Y-03-01T00:00:00Z", intent="proposal"), OPEN),
    ("not to be given", prescribed("dementia_medication", "Y-03-01T00:00:00Z", doNotPerform=True), OPEN),
):
    case("COL", f"frail, with a drug {name}", *OLD, WHEELCHAIR, drug, is_=expected)
POINTED = prescribed("dementia_medication", "Y-03-01", medicationCodeableConcept=None) | {
    "medicationReference": {"reference": "Medication/m"}
}
PILLS = {"resourceType": "Medication", "id": "m", "code": Role("dementia_medication")}
case("COL", "frail, with a drug that the order points to", *OLD, WHEELCHAIR, POINTED, PILLS, is_=OPEN, in_2026=EXCLUDED)
INSIDE = POINTED | {"medicationReference": {"reference": "#m"}, "contained": [PILLS]}
case("COL", "frail, with a drug inside the order", *OLD, WHEELCHAIR, INSIDE, is_=OPEN, in_2026=EXCLUDED)
HOUSING = "71802-3"
case("COL", "lives in a nursing home", *OLD, asked(HOUSING, "Y-12-31T23:59:59Z", NURSING_HOME), is_=EXCLUDED)
case("COL", "lived there long ago", *OLD, asked(HOUSING, "Y-9-12-31", NURSING_HOME), is_=EXCLUDED)
case("COL", "will live there", *OLD, asked(HOUSING, "Y+1-01-01T00:00:00Z", NURSING_HOME), is_=OPEN)
MOVED = asked(HOUSING, "Y-06-01T10:00:00Z", OWN_HOME, id="later")
case("COL", "has left it", *OLD, asked(HOUSING, "Y-06-01T09:00:00Z", NURSING_HOME), MOVED, is_=OPEN)
WEST = asked(HOUSING, "Y-06-01T09:30:00-02:00", NURSING_HOME)
case("COL", "came to it that day, farther west", *OLD, MOVED, WEST, is_=EXCLUDED)

# ---- colorectal screenings
case("COL", "a stool test", *WOMAN, lab("fobt", "Y-01-01T00:00:00Z", **SAYS), is_=MET)
case("COL", "a stool test in words", *WOMAN, lab("fobt", "Y-01-01T00:00:00Z", valueString="negative"), is_=MET)
case("COL", "a stool test without a result", *WOMAN, lab("fobt", "Y-03-01"), is_=OPEN)
ABSENT = {"dataAbsentReason": coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown")}
case("COL", "a stool test of unknown result", *WOMAN, lab("fobt", "Y-03-01", **ABSENT), is_=OPEN)
case("COL", "a stool test of no laboratory", *WOMAN, lab("fobt", "Y-03-01", category=None, **SAYS), is_=OPEN)
case("COL", "a stool test of the year before", *WOMAN, lab("fobt", "Y-1-12-31T23:59:59Z", **SAYS), is_=OPEN)
case("COL", "a DNA test in time", *WOMAN, lab("stool_dna", "Y-2-01-01T00:00:00Z", **SAYS), is_=MET)
case("COL", "a DNA test too early", *WOMAN, lab("stool_dna", "Y-3-12-31T23:59:59Z", **SAYS), is_=OPEN)
for role, years in (("colonoscopy", 9), ("flexible_sigmoidoscopy", 4)):
    case("COL", f"a {role} in time", *WOMAN, done(role, f"Y-{years}-01-01T00:00:00Z"), is_=MET)
    case("COL", f"a {role} too early", *WOMAN, done(role, f"Y-{years + 1}-12-31T23:59:59Z"), is_=OPEN)
    case("COL", f"a {role} that was not done", *WOMAN, done(role, "Y-03-01", status="not-done"), is_=OPEN)
case("COL", "a CT in time", *WOMAN, imaged("ct_colonography", "Y-4-01-01T00:00:00Z"), is_=MET)
case("COL", "a CT too early", *WOMAN, imaged("ct_colonography", "Y-5-12-31T23:59:59Z"), is_=OPEN)
case(
    "COL",
    "cancer on the last day",
    *WOMAN,
    ill("colorectal_cancer", "Y-12-31T23:59:59Z", status="resolved"),
    is_=EXCLUDED,
)
case("COL", "cancer later", *WOMAN, ill("colorectal_cancer", "Y+1-01-01T00:00:00Z"), is_=OPEN)
case("COL", "no colon", *WOMAN, done("total_colectomy", "Y-30-01-01"), is_=EXCLUDED)
case("COL", "46 on the last day", somebody("Y-46-12-31"), visit(), is_=OPEN)
case("COL", "45 on the last day", somebody("Y-45-01-01"), visit(), is_=OUT)
