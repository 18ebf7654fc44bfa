"""The records that travel: facts from plans, reference records, envelopes, and outputs, as typed values.

Field names follow the Tuva input layer where it has one; versions, frequency and status follow X12 (spec: events.md 5.1, 5.3).
Dates are `datetime.date`, times are aware `datetime`, money is `Decimal` dollars.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal, NewType

import msgspec

Payer = NewType("Payer", str)
MemberId = NewType("MemberId", str)
MemberKey = NewType("MemberKey", str)
"""`payer|member_id`: a person as one payer knows them."""
PracticeId = NewType("PracticeId", str)
Npi = NewType("Npi", str)
Tin = NewType("Tin", str)
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number that Avro can hold."""
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
"""A time with its zone: one without could not be compared with others."""

FORMAT_VERSION = 1
"""Version of the compact facts inside an envelope; raised with a golden file for each."""


class Position(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Where a record first entered: topic, partition, offset; for files: file name, 0, row. Never changed by re-sending.

    It is the order of last resort between two versions of one fact (design.md law 2).
    """

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What any record may say of its origin (events.md 5.2)."""

    event_id: str | None = None
    source_system: str | None = None
    source_file: str | None = None
    source_row: Whole | None = None
    occurred_at: Moment | None = None
    accepted_at: Moment | None = None


ClaimFrequency = Literal["1", "7", "8"]
"""837 CLM05-3: 1 original, 7 replacement, 8 void."""
ClaimStatus = Literal["paid", "denied", "reversed", "encounter_accepted", "pending"]
ClaimType = Literal["professional", "institutional"]
LineStatus = Literal["paid", "denied"]


class ClaimLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One service of a claim."""

    claim_line_number: Whole
    claim_line_start_date: dt.date
    claim_line_end_date: dt.date | None = None
    hcpcs_code: str | None = None
    modifiers: tuple[str, ...] = ()
    revenue_center_code: str | None = None
    place_of_service_code: str | None = None
    units: Decimal | None = None
    line_status: LineStatus | None = None
    ndc_code: str | None = None
    rendering_npi: Npi | None = None
    rendering_taxonomy: str | None = None
    allowed_amount: Decimal | None = None
    paid_amount: Decimal | None = None
    charge_amount: Decimal | None = None


class Claim(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="claim"):
    """One version of a claim, its lines nested so that header and lines cannot tear apart."""

    payer: Payer
    member_id: MemberId
    payer_claim_control_number: str
    claim_frequency_code: ClaimFrequency
    claim_status: ClaimStatus
    claim_type: ClaimType
    lines: tuple[ClaimLine, ...]
    claim_id: str | None = None
    original_claim_id: str | None = None
    claim_version: Whole | None = None
    adjudicated_at: Moment | None = None
    paid_date: dt.date | None = None
    billing_npi: Npi | None = None
    billing_tin: Tin | None = None
    billing_taxonomy: str | None = None
    bill_type_code: str | None = None
    admission_date: dt.date | None = None
    discharge_date: dt.date | None = None
    discharge_disposition_code: str | None = None
    drg_code: str | None = None
    diagnosis_code_type: str | None = None
    diagnosis_codes: tuple[str, ...] = ()
    procedure_codes: tuple[str, ...] = ()


class PharmacyClaim(
    Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="pharmacy_claim"
):
    """One version of a dispensing. Versions and voids as a claim's; an NCPDP B2 reversal is a void. Source: events.md 5.3."""

    payer: Payer
    member_id: MemberId
    payer_claim_control_number: str
    claim_frequency_code: ClaimFrequency
    claim_status: ClaimStatus
    ndc_code: str
    dispensing_date: dt.date
    days_supply: Whole
    quantity: Decimal
    prescriber_npi: Npi | None = None
    allowed_amount: Decimal | None = None
    paid_amount: Decimal | None = None
    rxnorm_code: str | None = None
    original_claim_id: str | None = None
    claim_version: Whole | None = None
    adjudicated_at: Moment | None = None


ClinicalKind = Literal[
    "observation", "immunization", "procedure", "condition", "medication", "encounter", "device", "allergy"
]


class Clinical(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="clinical"):
    """One version of what a chart, laboratory or registry says of a member. Identity: record_id; the highest record_version stands.

    `start`, `end` and `authored` are a day as YYYY-MM-DD or a moment with its zone, as the source wrote it: the day is the one
    written. `value` is a number in `unit`; a coded result is `value_code`. `part_of` is the record_id of what it belongs to, such as
    the blood pressure of which it is the systolic part. `body_site` tells left from right where the code does not.
    """

    payer: Payer
    member_id: MemberId
    record_id: str
    record_version: Whole
    kind: ClinicalKind
    code_system: str
    code: str
    start: str
    end: str | None = None
    value: Decimal | None = None
    value_code: str | None = None
    unit: str | None = None
    status: str | None = None
    source: str | None = None
    category: str | None = None
    verification_status: str | None = None
    intent: str | None = None
    not_done: bool = False
    reason_code: str | None = None
    disposition_code: str | None = None
    authored: str | None = None
    part_of: str | None = None
    body_site: str | None = None


class Coverage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which benefits a span covers."""

    medical: bool = True
    pharmacy: bool = False
    mental_health: bool = False


class Contact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to reach a member: for pages only, never part of a member's state."""

    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    address: str | None = None
    preferred_language: str | None = None


class Enrollment(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="enrollment"):
    """One version of an enrollment span. The end date is the last covered day; null is open.

    A span that ends before it starts is only accepted with maintenance type 024: it never took effect.
    """

    payer: Payer
    member_id: MemberId
    span_id: str
    span_version: Whole
    enrollment_start_date: dt.date
    enrollment_end_date: dt.date | None = None
    product: str
    line_of_business: str
    birth_date: dt.date
    gender: str
    person_id: str | None = None
    coverage: Coverage | None = None
    race: str | None = None
    ethnicity: str | None = None
    language: str | None = None
    death_date: dt.date | None = None
    state: str | None = None
    zip_code: str | None = None
    maintenance_type_code: Literal["001", "021", "024", "025", "030"] | None = None
    contact: Contact | None = None


SelectionSource = Literal["member_selected", "plan_matched", "plan_auto_assigned"]


class PcpSelection(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="pcp_selection"):
    """One version of a PCP selection, in force while effective_from <= D < effective_to (null is open)."""

    payer: Payer
    member_id: MemberId
    selection_id: str
    selection_version: Whole
    pcp_npi: Npi
    selection_source: SelectionSource
    effective_from: dt.date
    effective_to: dt.date | None = None
    practice_id: PracticeId | None = None
    pcp_tin: Tin | None = None


class PlanAttribution(
    Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="plan_attribution"
):
    """An entry of a plan's own list: whose patient a member is in a month. Identity: the month; the highest list_version stands.

    `attribution_month` is YYYY-MM, or any day of the month as YYYY-MM-DD.
    """

    payer: Payer
    member_id: MemberId
    attribution_month: str
    practice_id: PracticeId
    list_version: Whole
    npi: Npi | None = None
    method_label: str | None = None


RequestKind = Literal["add", "remove"]


class AttributionRequest(
    Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="attribution_request"
):
    """A practice or member asks that the member be added to a practice, or removed from it, from a day on; due_date: answer by then.

    Identity: (practice_id, request, effective_from); the later record wins.
    """

    payer: Payer
    member_id: MemberId
    practice_id: PracticeId
    request: RequestKind
    reason: str
    effective_from: dt.date
    effective_to: dt.date | None = None
    due_date: dt.date


class AttributionDecision(
    Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="attribution_decision"
):
    """What was decided of the request of the same practice_id, request and effective_from; the later record wins.

    An accepted one is in force while effective_from <= D < effective_to; without effective_to the request's holds, and without that the
    end of the program period (attribution.md 2.6 step 0b).
    """

    payer: Payer
    member_id: MemberId
    practice_id: PracticeId
    request: RequestKind
    effective_from: dt.date
    decision: Literal["accepted", "rejected"]
    effective_to: dt.date | None = None
    reason: str | None = None
    decided_by: str | None = None
    due_date: dt.date | None = None


class PracticeResult(
    Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="practice_result"
):
    """A result that a practice submitted for a measure, and what the plan made of it. The highest result_version stands.

    Only accepted ones count in initial and final readings; the live one shows submitted ones too.
    """

    payer: Payer
    member_id: MemberId
    practice_id: PracticeId
    result_id: str
    result_version: Whole
    code_system: str
    code: str
    date: dt.date
    document_ref: str
    state: Literal["submitted", "accepted", "rejected"]
    value: Decimal | None = None
    unit: str | None = None
    decided_by: str | None = None
    reason: str | None = None


class Provider(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="provider"):
    """A roster row: an NPI at a practice under a TIN while effective_from <= D < effective_to (null is open).

    Identity: (npi, practice_id, tin, effective_from); a higher roster_version of the same identity replaces it.
    """

    npi: Npi
    practice_id: PracticeId
    tin: Tin
    taxonomy_code: str
    is_pcp: bool
    effective_from: dt.date
    effective_to: dt.date | None = None
    roster_version: Whole


class Practice(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="practice"):
    """A practice while effective_from <= D < effective_to. Identity: (practice_id, effective_from), the later record wins."""

    practice_id: PracticeId
    name: str
    participating: bool
    effective_from: dt.date
    effective_to: dt.date | None = None
    tins: tuple[Tin, ...] = ()
    organisation_npis: tuple[Npi, ...] = ()
    census_tract: str | None = None
    hpi_percentile: Decimal | None = None
    type_override: str | None = None


class Site(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="site"):
    """Where a practice is while effective_from <= D < effective_to.

    Identity: (practice_id, site_id, effective_from), the later record wins. `hpi_percentile`: of the site, where it is known; else that of
    its `census_tract` (11 digits) in the contract's HPI file. Source: payment.md 4.2.
    """

    practice_id: PracticeId
    site_id: str
    address: str
    census_tract: str
    effective_from: dt.date
    effective_to: dt.date | None = None
    county: str | None = None
    hpi_percentile: Decimal | None = None
    main: bool = False


class PayerRecord(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="payer"):
    """A payer's terms. Identity: (payer, effective_from), the later record wins. No products means every product is in scope."""

    payer: Payer
    name: str
    products: tuple[str, ...] = ()
    attribution_mode: Literal["platform", "plan"] = "platform"
    effective_from: dt.date = dt.date(1900, 1, 1)
    selection_order: Literal["date_first", "source_first"] = "date_first"
    auto_assigned_counts: bool = True


class Table(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="table"):
    """A table of the program put in force from a date, by the sha256 of its file (hex)."""

    kind: str
    name: str
    version: str
    digest: str
    activated_from: dt.date


class FeedManifest(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="feed_manifest"):
    """What a payer says it has sent: the source of `data_through`."""

    payer: Payer
    feed: str
    file: str
    list_version: Whole
    covers_from: dt.date
    covers_to: dt.date
    records: Whole
    amount_total: Decimal | None = None
    full_replacement: bool = False


DsfPhase = Literal["screening", "monitoring", "remission"]
"""The program brings depression in by phases: screening, then monitoring (DMS), then remission (DRR)."""


class Period(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="period"):
    """A period that is measured and paid. Identity: period; the later record wins. Source: payment.md 4.0.

    The initial reading is refused before `k1`, the final one before `k2`. The pool covers the base payment of `pool_months` months
    from `pool_from` on; rates cover the `window_months` months that end with `performance_end`. `edition`: by which results are paid,
    None for the program's (state.payment.paid_rates). `baseline`: the period before the project whose final reading is the baseline;
    None for none. `dsf_phase`: which rate is paid of depression, whose baseline is of the same phase.
    """

    period: str
    performance_end: dt.date
    k1: dt.date
    k2: dt.date
    pool_from: dt.date
    pool_months: int
    window_months: int = 12
    pay_date: dt.date | None = None
    edition: str | None = None
    baseline: str | None = None
    dsf_phase: DsfPhase = "screening"


class SurveyResult(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="survey_result"):
    """A composite of a patient survey for a practice, as its vendor reports it: for information, never for payment.

    Identity: (practice_id, survey, survey_version, period, composite); the later record wins. `period`: the id of a program period, or the
    months asked of as START..END. `value`: percent of answers in the most
    favourable class, of `n` people who answered. `mode_adjusted`: whether the vendor has adjusted for the way of asking.
    """

    practice_id: PracticeId
    survey: str
    survey_version: str
    period: str
    composite: str
    value: Decimal
    n: Whole
    mode_adjusted: bool | None = None


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type", tag="tick"):
    """The clock of every partition moves to this date."""

    date: dt.date


Reading = Literal["panel", "initial", "final"]


class LogEnd(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """How far a partition of a topic reaches: the offset after its last record."""

    topic: str
    partition: int
    offset: int


class Close(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="close"):
    """The request to freeze a reading of a period (design.md, closing a period).

    `period` is a month (YYYY-MM) for a panel, a period's id for the others. `as_of` is D. `cutoff` says how far the input topics
    reached when it was asked: everything below is known to the close. Differences that show within `retro_months` become adjustments.
    `as_of` and `closed_on`, the clock's date when it was taken up, are the conductor's to say.
    """

    close_id: str
    period: str
    reading: Reading
    actor: str
    reason: str | None = None
    cutoff: tuple[LogEnd, ...] = ()
    retro_months: int = 6
    as_of: dt.date | None = None
    closed_on: dt.date | None = None


class CloseAnnul(msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type", tag="close_annul"):
    """The order to withdraw a close of which nothing has been released."""

    close_id: str
    actor: str
    reason: str


class TableInForce(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """A table that a result rests on, by the sha256 of its file (hex)."""

    kind: str
    digest: str


class PracticeCount(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Members of a payer on the frozen list of a practice; no practice: not attributed."""

    payer: str
    practice_id: str
    members: int


class PeopleCount(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Members of a payer and product on the frozen list of a practice, by age in whole years on D and gender (F, M, else U)."""

    payer: str
    practice_id: str
    product: str
    gender: Literal["F", "M", "U"]
    age: int
    members: int


class ServiceCount(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Standing claim lines of a month that a practice has rendered to members of a payer, those alike together.

    `code` and `place_of_service`: "" where the line has none. `frozen_product`: the plan as whose members the month's panel has them at
    this practice, as frozen; `product`: as corrected since; None: they are not on it. Amounts in dollars, each line rounded to the cent.
    """

    payer: str
    practice_id: str
    code: str
    place_of_service: str
    frozen_product: str | None
    product: str | None
    lines: int
    allowed: Decimal
    paid: Decimal


class RestatedPanel(msgspec.Struct, frozen=True, kw_only=True):
    """What is different by now in one partition under a frozen panel, and what was rendered in its month.

    Absolute: each count takes the place of what the partition has said of it before, and one of 0 takes it back. `people` are the
    differences to the people as frozen: negative where there are fewer.
    """

    close_id: str
    people: tuple[PeopleCount, ...] = ()
    services: tuple[ServiceCount, ...] = ()


class Restated(msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type", tag="restated"):
    """What one partition hands over with a close, before its partial; in several records where it is much.

    Of the panels that may still be adjusted all that has changed since the close before.
    """

    close_id: str
    partition: int
    panels: tuple[RestatedPanel, ...]


class Passed(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """A record of `member-events` passed over by an operator's order."""

    partition: int
    offset: int
    digest: str
    reason: str


class Partial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="partial"):
    """What one partition of `member-events` has frozen for a close.

    `watermark` is the offset of the barrier: everything before it is in. `digest` is the sum of the digests of the frozen answers
    (hex), so that partials add up, however members are spread. `failed` members are missing from the lists; of the payers in
    `not_frozen` there is no list, because the plan's own is missing. `people` are those on lists, as payments count them.
    `measured_by` are the editions, value sets and supplied tables by which
    the reading was measured, none where nothing was; `measures_digest` is that of the results of measures and of what they add up
    to (state.measures.digest), `measure_results` the number of the results, one for each member and rate. `sums_parts`: so many records of
    `PartialSums` of the partition stand before it.
    """

    close_id: str
    partition: int
    watermark: int
    accepted_at: Moment
    ruleset: str
    tables: tuple[TableInForce, ...]
    engine_version: str
    digest: str
    counts: tuple[PracticeCount, ...] = ()
    failed: tuple[str, ...] = ()
    not_frozen: tuple[str, ...] = ()
    skips: tuple[Passed, ...] = ()
    measured_by: tuple[TableInForce, ...] = ()
    measures_digest: str | None = None
    measure_results: int = 0
    people: tuple[PeopleCount, ...] = ()
    sums_parts: int = 0


class NamedSum(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """A sum of a rate that is no proportion."""

    name: str
    value: Decimal


class RateSums(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all members of a practice add up to under a rate of an edition: as frozen, or what that has changed by since."""

    payer: str
    practice_id: str
    edition: str
    measure: str
    rate: str
    denominator: int
    numerator: int
    sums: tuple[NamedSum, ...] = ()


class PartialSums(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="partial_sums"
):
    """What rates of a closed reading rest on in one partition, said at the barrier of a close, before its partial.

    `of_close` is the close whose reading it is: `close_id` itself for the sums that were frozen with it; an earlier final one for what
    its sums have changed by since it was frozen, in all, so that the last that was said stands alone. `part` counts from 0.
    """

    close_id: str
    of_close: str
    partition: int
    part: int
    sums: tuple[RateSums, ...] = ()


MemberFact = (
    Claim
    | PharmacyClaim
    | Clinical
    | Enrollment
    | PcpSelection
    | PlanAttribution
    | AttributionRequest
    | AttributionDecision
    | PracticeResult
)
ReferenceRecord = Provider | Practice | PayerRecord | Table | FeedManifest | Period
"""What a member's answer may rest on: broadcast to every partition."""


class Version(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Version of an output: the record that caused it, and its place among that record's outputs.

    A receiver applies an output iff its version is newer than what it has for the key (design.md, outputs).
    """

    partition: int
    offset: int
    ordinal: int


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """Whose patient a member is on `as_of`, by which step, and until when. One per member (law 7, interface.md 4 and 5)."""

    payer: Payer
    member_id: MemberId
    as_of: dt.date
    status: Literal["attributed", "not_attributed"]
    step: Literal["decision", "selected", "claims_12", "claims_18", "plan"] | None
    practice_id: PracticeId | None
    provider_npi: Npi | None
    reason: str | None
    visits_12m: int
    visits_18m: int
    last_visit_date: dt.date | None
    runner_up_practice_id: PracticeId | None
    secure_until: dt.date | None
    drop_reason: str | None
    next_practice_id: PracticeId | None
    visits_needed: int | None
    evidence: tuple[str, ...]
    flags: tuple[str, ...]
    ruleset: str
    engine_version: str


class AttributionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A member's practice, provider, step or status has changed, and why."""

    payer: Payer
    member_id: MemberId
    as_of: dt.date
    cause: str
    cause_position: str
    before_status: str | None
    before_step: str | None
    before_practice_id: PracticeId | None
    before_provider_npi: Npi | None
    after_status: str
    after_step: str | None
    after_practice_id: PracticeId | None
    after_provider_npi: Npi | None
    reason: str | None
    engine_version: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A member may fall off (or has fallen off) the list of a practice. One current record per member and practice (attribution.md 2.7)."""

    payer: Payer
    member_id: MemberId
    practice_id: PracticeId
    as_of: dt.date
    state: Literal["raised", "changed", "resolved", "expired"]
    reason: str
    resolution: str | None
    secure_until: dt.date | None
    next_practice_id: PracticeId | None
    next_panel_date: dt.date | None
    panel_visit_by: dt.date | None
    horizon_days: int | None
    visits_needed: int | None
    data_through: dt.date | None
    ruleset: str
    engine_version: str
    shadow: bool = False
    """Told by the common rule while the payer goes by its plan's own list: not the plan's rule."""


ListKind = Literal["prospective", "retrospective"]
"""A panel says whose members are expected in a month; the readings of a period say whose they were at its end."""
ListStatus = Literal["open", "final"]
"""The initial reading of a period is still open, a final one follows it. Source: the list status of Da Vinci ATR."""
Change = Literal["new", "changed", "nochange", "dropped", "cancelled"]
"""Against the list before: new on it; the provider or the step is another; the same; gone since; gone because the earlier list had been
wrong. Source: the change types of Da Vinci ATR."""


class PanelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One member on a frozen list. `attribution` is null for one who has left it: whose patient that is now, is not said.

    `span_start` is the day of the first of the unbroken row of monthly panels that lead here, `span_end` the day of the first
    panel without the member.
    """

    payer: Payer
    member_id: MemberId
    change: Change | None
    span_start: dt.date | None
    span_end: dt.date | None
    attribution: Attribution | None


class PanelList(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a frozen list: the members of a practice that live in one partition, or, without a practice, who is nobody's.

    The list is valid once the snapshot of its close is complete.
    """

    close_id: str
    period: str
    reading: Reading
    as_of: dt.date
    list_kind: ListKind
    list_status: ListStatus
    practice_id: PracticeId | None
    entries: tuple[PanelEntry, ...]


class PartitionPosition(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Where a partition of `member-events` stood at a barrier, and the latest time of acceptance before it."""

    partition: int
    watermark: int
    accepted_at: Moment


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of a close, as it stands: open until every partition has answered.

    What is equal for equal facts: from `as_of` to `failed`, what was measured, and what surveys say of the period.
    Where and when it was done: `positions`, `control`, `cutoff`, `skips`.
    """

    close_id: str
    period: str
    reading: Reading
    state: Literal["open", "complete", "annulled", "refused"]
    message: str | None
    actor: str
    reason: str | None
    as_of: dt.date | None
    list_kind: ListKind
    list_status: ListStatus
    ruleset: str | None
    tables: tuple[TableInForce, ...]
    engine_version: str | None
    content_digest: str | None
    counts: tuple[PracticeCount, ...]
    members: int
    attributed: int
    not_frozen: tuple[str, ...]
    failed: tuple[str, ...]
    retro_until: dt.date | None
    positions: tuple[PartitionPosition, ...]
    control: int
    cutoff: tuple[LogEnd, ...]
    skips: tuple[Passed, ...]
    measured_by: tuple[TableInForce, ...] = ()
    measures_digest: str | None = None
    measure_results: int = 0
    survey_results: tuple[SurveyResult, ...] = ()


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """Something is different now from what is frozen, and why. One for each practice concerned.

    `what` is `attribution`: the practice has gained or lost a member; or `measure:<edition>:<measure>:<rate>`: before and after are what
    the member counts with for the practice, as numerator/denominator, and named sums after it where the rate has any.
    """

    payer: Payer
    member_id: MemberId
    practice_id: PracticeId
    close_id: str
    period: str
    reading: Reading
    as_of: dt.date
    what: str
    before: str
    after: str
    cause: str
    cause_position: str
    decided_on: dt.date
    ruleset: str
    engine_version: str


class RateResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rate of a measure for a member, counted as state.measures.outcome counts."""

    rate: str
    initial_population: int
    denominator: int
    denominator_exclusion: int
    numerator: int
    numerator_exclusion: int
    denominator_exception: int
    band: str
    evidence: tuple[str, ...]
    note: str


class MeasureResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a measure says of a member, rate by rate. `label` is how the rate is to be called."""

    payer: Payer
    member_id: MemberId
    practice_id: str | None
    edition: str
    period: str
    period_start: dt.date
    period_end: dt.date
    reading: str
    measure: str
    as_of: dt.date
    rates: tuple[RateResult, ...]
    label: str
    value_sets: str
    engine_version: str


class RateGap(msgspec.Struct, frozen=True, kw_only=True):
    """The gap of one rate."""

    rate: str
    status: str
    closes_with: str
    due_by: dt.date | None
    evidence: tuple[str, ...]


class Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """What is still to be done for a member under a measure; only for members in a denominator."""

    payer: Payer
    member_id: MemberId
    practice_id: str | None
    edition: str
    period: str
    period_start: dt.date
    period_end: dt.date
    reading: str
    measure: str
    as_of: dt.date
    gaps: tuple[RateGap, ...]
    label: str
    value_sets: str
    engine_version: str


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """What the members of one partition add up to under a rate: absolute, so that the newest for a key replaces the one before."""

    source_partition: int
    practice_id: str
    payer: str
    edition: str
    measure: str
    rate: str
    stratum: str
    period: str
    reading: str
    as_of: dt.date
    denominator: int
    numerator: int
    sums: tuple[NamedSum, ...]
    engine_version: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A record in quarantine: where it stood, why it was refused, and its bytes (law 6). The message holds no member data."""

    topic: str
    partition: int
    offset: int
    reason: str
    field: str | None
    message: str
    refused_at: dt.datetime
    payer: str | None
    original: bytes


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on `member-events`: a thin wrapper around compact facts, or around a broadcast control record.

    `facts` is the msgpack of a member fact or control record; `original` the bytes that came in, encrypted under the payer's key.
    `sequence` numbers broadcasts without gaps; null for facts.
    """

    kind: str
    event_id: str
    payer: str
    member_id: str
    position: Position
    accepted_at: dt.datetime
    format_version: int
    flags: tuple[str, ...]
    facts: bytes
    original: bytes
    sequence: int | None = None
