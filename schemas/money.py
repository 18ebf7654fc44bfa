"""The records of money: contracts, what statements say, how they are released, what the money ledger holds, what was really paid.

Percentages are written as percent (15 is 15%), except `initial_pct` and completion factors, which multiply. Amounts are `Decimal` dollars,
as strings in JSON. Field names: interface.md section 3, payment.md.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from schemas.records import Payer, PracticeId, Source, Tin

Track = Literal["A", "B", "C"]
"""A: everything fee for service. B: evaluation and management capitated. C: further services capitated too."""
PracticeType = Literal["mixed", "pediatric", "adult"]
Column = Literal["capitated", "fee_for_service"]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
"""The sha256 of a file, 64 lower-case hex digits."""


class ServiceClass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A class of services and the column of the track's table that it is in. The first class that holds a line decides.

    `codes` are codes and ranges, as in 99202-99215, J0000-J9999 or 0001T-9999T. With `places_of_service` the class holds only lines
    rendered there. No `column`: the contract does not say, and is refused.
    """

    name: str
    codes: tuple[str, ...] = ()
    column: Column | None = None
    places_of_service: tuple[str, ...] = ()


class Ceilings(msgspec.Struct, frozen=True, kw_only=True):
    """Design limits in percent of base payment: over all three elements, and for the incentive. A contract may only lower them."""

    total_pct: Decimal = Decimal(30)
    incentive_pct: Decimal = Decimal(15)


class TableUse(msgspec.Struct, frozen=True, kw_only=True):
    """A table the contract rests on, by kind, name, version and the sha256 of its file."""

    kind: Literal["age_gender_factors", "hpi", "incentive_measures", "incentive_shares", "hpi_adjustments"]
    name: str
    version: str
    digest: Digest


class PracticeTypeRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From which share of member months under 18 (percent) a practice is pediatric, up to which adult; an override needs its reason."""

    pediatric_from_pct: Decimal = Decimal(80)
    adult_up_to_pct: Decimal = Decimal(20)
    hysteresis_points: Decimal = Decimal(5)
    override: PracticeType | None = None
    override_reason: str | None = None


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """What the program leaves to a plan, with the common model as default (payment.md 4.2 to 4.6)."""

    over_100: Literal["cap", "normalise", "pay"] = "cap"
    strict_shares: bool = False
    unscored: Literal["redistribute", "withhold"] = "redistribute"
    curve: Annotated[str, msgspec.Meta(pattern=r"^(linear|steps\([1-9][0-9]{0,2}\))$")] = "linear"
    factor_order: Literal["multiplicative", "additive"] = "multiplicative"
    adjust_element_2: bool = True
    hpi_location: Literal["main_site", "panel_weighted"] = "main_site"
    rebase_each_period: bool = False
    rounding: Literal["half_up_cent_per_line"] = "half_up_cent_per_line"


class Pools(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this plan's counts are pooled with those of the practice's other plans that say so. Money never is."""

    pool_rates: bool = False


class Contract(Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="contract"):
    """What a payer pays a practice while effective_from <= D < effective_to. Identity: contract_id, the later record wins.

    `products` empty: all of the payer's. `base_pmpm` is the practice's fixed base payment per member and month. Source: payment.md 4.1.
    """

    contract_id: str
    payer: Payer
    practice_id: PracticeId
    payee_name: str
    payee_tin: Tin
    track: Track
    effective_from: dt.date
    effective_to: dt.date | None = None
    products: tuple[str, ...] = ()
    base_pmpm: Decimal
    element_1_increase_pct: Decimal = Decimal(0)
    capitation_pmpm: Decimal | None = None
    phm_pmpm: Decimal | None = None
    phm_frequency: Literal["monthly", "quarterly"] = "monthly"
    incentive_max_pct: Decimal
    ceilings: Ceilings = Ceilings()
    service_classes: tuple[ServiceClass, ...] = ()
    capitated_places_of_service: tuple[str, ...] = ()
    pools: Pools = Pools()
    policies: Policies = Policies()
    practice_type: PracticeTypeRule = PracticeTypeRule()
    initial_pct: Decimal = Decimal(1)
    completion_factors: dict[str, Decimal] = msgspec.field(default_factory=dict)
    minimum_denominators: dict[str, int] = msgspec.field(default_factory=dict)
    retro_limit_months: int = 6
    tables: tuple[TableUse, ...] = ()


def contract_schema() -> bytes:
    """The JSON Schema of a contract, as it lies in `contract.schema.json` beside this module."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Contract)), indent=2) + b"\n"


class PaymentPosted(
    Source, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="payment_posted"
):
    """What was really paid. Identity: (payer, trace_no, statement_id)."""

    payer: Payer
    payee_tin: Tin
    statement_id: str
    amount: Decimal
    date: dt.date
    trace_no: str


class StatementRelease(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event_type", tag="statement_release"
):
    """A second person lets a draft statement go out, or keeps it back."""

    statement_id: str
    action: Literal["release", "hold"]
    actor: str
    reason: str


class Factor(msgspec.Struct, frozen=True):
    """A number that an amount was multiplied by (or, where contracted, raised by), and its name."""

    name: str
    value: Decimal


LineKind = Literal[
    "capitation", "capitated_services", "fee_for_service", "turnaround", "population_health", "incentive"
]


class StatementLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One amount of a statement and everything it follows from. `item` is the measure or the month.

    `amount` is what the line pays, `amount_before_cap` what it would pay without limits; lines that only inform pay nothing and carry
    `information`. `reason` says why a line pays nothing, or less than the most. `rate_name`: which rate of the measure was paid.
    """

    element: Literal["1", "2", "3"]
    item: str
    kind: LineKind
    label: str
    formula: str
    amount_before_cap: Decimal
    amount: Decimal
    information: Decimal | None = None
    outcome: Literal["attainment", "improvement", "ineligible", "reserved", "unscored"] | None = None
    reason: str | None = None
    members: int | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None
    rate_name: str | None = None
    rate: Decimal | None = None
    baseline: Decimal | None = None
    minimum: Decimal | None = None
    threshold: Decimal | None = None
    gold: Decimal | None = None
    gold_share_pct: Decimal | None = None
    share_pct: Decimal | None = None
    factors: tuple[Factor, ...] = ()


class SnapshotUse(msgspec.Struct, frozen=True, kw_only=True):
    """The frozen close that a statement follows from."""

    close_id: str
    content_digest: str
    as_of: dt.date
    actor: str


StatementReading = Literal["panel", "initial", "final", "adjustment"]
StatementState = Literal["draft", "held", "released", "withdrawn"]


class Statement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a practice has earned from a payer in a period, as one reading saw it.

    `total` is the sum of the lines' amounts; `previously_stated` the total that it takes the place of; the `difference` is what the
    money ledger takes up. `uncapped_pct` and `paid_pct` are percent of the incentive pool.
    """

    statement_id: str
    period: str
    reading: StatementReading
    payer: Payer
    practice_id: PracticeId
    contract_id: str
    payee_name: str
    payee_tin: Tin
    track: Track
    stated_on: dt.date
    covers_from: dt.date
    covers_to: dt.date
    snapshot: SnapshotUse
    engine_version: str
    lines: tuple[StatementLine, ...]
    total_before_caps: Decimal
    total: Decimal
    previously_stated: Decimal = Decimal("0.00")
    difference: Decimal
    settles: str | None = None
    cause: str | None = None
    practice_type: PracticeType | None = None
    practice_type_reason: str | None = None
    pool: Decimal | None = None
    pool_formula: str | None = None
    uncapped_pct: Decimal | None = None
    paid_pct: Decimal | None = None
    pay_date: dt.date | None = None
    notes: tuple[str, ...] = ()


Account = Literal["earned", "drafted", "due", "carried", "payable", "paid", "unmatched"]
"""Where money stands: earned (by the practice, from the payer), stated in a draft, due since the release, a negative amount carried to the
next payment, to be paid, paid, and paid without a statement that asks for it."""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An amount that moves from one account to another. Entries are numbered from 1, appended, never edited.

    Negative amounts move the other way. `statement_id` is the statement it belongs to, `trace_no` the payment.
    """

    number: int
    kind: Literal["stated", "withdrawn", "released", "taken_up", "carried_forward", "to_pay", "posted", "matched"]
    payer: Payer
    practice_id: PracticeId
    period: str
    statement_id: str
    from_account: Account
    to_account: Account
    amount: Decimal
    on: dt.date
    trace_no: str | None = None


class MoneySaid(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on `statements`: a statement in a new state, an order on one that was refused, or an entry of the money ledger.

    Whoever pays reads those of kind `statement` and state `released`, and no others. `order`: who released or held it, or asked in vain;
    `message`: why in vain. `on`: the clock's date.
    """

    kind: Literal["statement", "refused", "entry"]
    payer: Payer
    practice_id: PracticeId
    period: str
    on: dt.date
    state: StatementState | None = None
    statement: Statement | None = None
    order: StatementRelease | None = None
    message: str | None = None
    entry: LedgerEntry | None = None
