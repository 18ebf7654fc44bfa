"""Small dense histories of one member: every rule of attribution.md meets every other one within a few dozen facts."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, MutableMapping, Sequence
from decimal import Decimal
from typing import Any

from schemas.records import (
    AttributionDecision,
    AttributionRequest,
    Claim,
    ClaimLine,
    Clinical,
    Coverage,
    Enrollment,
    FeedManifest,
    MemberFact,
    PayerRecord,
    PcpSelection,
    Period,
    PharmacyClaim,
    PlanAttribution,
    Position,
    Practice,
    Provider,
)
from state import engine
from state.reference.knowledge import Knowledge
from state.reference.tables import TableStore
from tests.laws.naive import FQHC, INCLUDE, NPPA, PALLIATIVE, Said, add_months

PAYER, MEMBER = "aetna", "M1"
NPIS = ("1000000004", "1000000012", "1000000020", "1000000038")
SPECIALIST = "207RC0000X"
ACCEPTED = dt.datetime(2025, 7, 1, 9, tzinfo=dt.UTC)
EPOCH = dt.datetime(2022, 1, 1, tzinfo=dt.UTC)
INITIAL = Knowledge.initial(TableStore([]))

Reference = list[tuple[Any, Position]]
History = tuple[list[Said], Reference, dt.date]


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.as_of = rng.choice(
            [
                dt.date(2025, 6, 30),
                dt.date(2025, 2, 28),
                dt.date(2024, 2, 29),
                dt.date(2025, 8, 31),
                dt.date(2025, 3, 1),
                dt.date(2025, 1, 1) + dt.timedelta(days=rng.randrange(365)),
            ]
        )
        as_of = self.as_of
        self.days = [
            add_months(as_of, -12),
            add_months(as_of, -18),
            add_months(as_of, -12) + dt.timedelta(days=1),
            add_months(as_of, -18) + dt.timedelta(days=1),
            as_of,
            dt.date(2024, 2, 29),
            dt.date(2023, 8, 31),
            dt.date(2024, 8, 31),
            *(as_of - dt.timedelta(days=rng.randrange(600)) for _ in range(4)),
            as_of - dt.timedelta(days=rng.randrange(330, 366)),
            as_of + dt.timedelta(days=rng.randrange(1, 60)),
        ]
        self.practices = ["A", "B", "C"][: rng.choice([2, 3])]
        self.npis = NPIS[: rng.choice([2, 3, 4])]
        self.tins = {p: f"95000000{i}" for i, p in enumerate(self.practices, 1)}
        self.said: list[Said] = []
        self.reference: Reference = []
        self.versions: dict[str, int] = {}

    def maybe(self, share: float) -> bool:
        return self.rng.random() < share

    def day(self) -> dt.date:
        return self.rng.choice(self.days)

    def turn(self) -> dt.date:
        """A date on which something begins or ends: near, on either side."""
        return self.as_of + dt.timedelta(days=self.rng.choice([-200, -30, 0, 1, 5, 29, 60, 90, 150, 400]))

    def moment(self) -> dt.datetime:
        return EPOCH + dt.timedelta(days=self.rng.randrange(1500))

    def say(self, body: MemberFact) -> None:
        number = len(self.said)
        given = self.maybe(0.5)
        self.said.append(Said(f"e{number}", Position("facts", 0, number), body, given))

    def know(self, record: Any) -> None:
        self.reference.append((record, Position("reference", 0, len(self.reference))))

    # -- reference

    def roster(self) -> None:
        for npi in self.npis:
            if self.maybe(0.2):
                continue
            for practice in self.rng.sample(self.practices, self.rng.choice([1, 1, 1, 2])):
                row = Provider(
                    npi=npi,
                    practice_id=practice,
                    tin=self.tins[practice] if self.maybe(0.9) else "959999999",
                    taxonomy_code=self.rng.choice([INCLUDE, SPECIALIST]),
                    is_pcp=self.maybe(0.85),
                    effective_from=dt.date(2020, 1, 1) if self.maybe(0.7) else self.day(),
                    effective_to=None,
                    roster_version=1,
                )
                if self.maybe(0.25):
                    row = _changed(row, effective_to=max(self.turn(), row.effective_from))
                self.know(row)
                if self.maybe(0.1):
                    self.know(_changed(row, roster_version=self.rng.choice([1, 2]), is_pcp=not row.is_pcp))
        for practice in self.practices:
            if self.maybe(0.3):
                self.know(
                    Practice(
                        practice_id=practice,
                        name=practice,
                        participating=self.maybe(0.5),
                        effective_from=dt.date(2020, 1, 1),
                        effective_to=self.turn() if self.maybe(0.3) else None,
                        tins=(self.tins[practice],),
                        organisation_npis=(f"19{ord(practice)}000000",) if self.maybe(0.7) else (),
                    )
                )
        if self.maybe(0.4):
            self.know(PayerRecord(payer=PAYER, name="P", products=("PPO", "HMO") if self.maybe(0.5) else ()))
            if self.maybe(0.3):
                products = ("PPO",) if self.maybe(0.5) else ("HMO",)
                self.know(PayerRecord(payer=PAYER, name="P", products=products, effective_from=self.turn()))
            if self.maybe(0.3):
                last = self.reference[-1][0]
                self.know(
                    _changed(
                        last,
                        selection_order=self.rng.choice(["date_first", "source_first"]),
                        auto_assigned_counts=False,
                    )
                )

    # -- facts

    def spans(self) -> None:
        if self.maybe(0.03):
            return
        for number in range(self.rng.choice([1, 1, 1, 2])):
            start = dt.date(2022, 1, 1) if number == 0 and self.maybe(0.9) else self.turn()
            span = Enrollment(
                payer=PAYER,
                member_id=MEMBER,
                span_id=f"S{number}",
                span_version=1,
                enrollment_start_date=start,
                enrollment_end_date=None if self.maybe(0.8) else max(start, self.turn()),
                product=self.rng.choice(["PPO", "PPO", "HMO"]),
                line_of_business="commercial",
                birth_date=dt.date(1980, 5, 17),
                gender="F",
                death_date=self.turn() if self.maybe(0.05) else None,
                occurred_at=self.moment() if self.maybe(0.5) else None,
                coverage=Coverage(medical=self.maybe(0.5), pharmacy=True) if self.maybe(0.15) else None,
            )
            self.say(span)
            for version in (2, 3):
                if self.maybe(0.2):
                    end = self.rng.choice([None, max(start, self.turn()), max(start, self.turn())])
                    death = self.turn() if self.maybe(0.1) else None
                    code = None
                    if self.maybe(0.1):
                        end, code = start - dt.timedelta(days=1), "024"
                    self.say(
                        _changed(
                            span,
                            span_version=version,
                            enrollment_end_date=end,
                            death_date=death,
                            maintenance_type_code=code,
                            occurred_at=self.moment() if self.maybe(0.5) else None,
                        )
                    )

    def selections(self) -> None:
        for number in range(self.rng.choice([0, 0, 0, 1, 1, 2, 3])):
            start = self.rng.choice([dt.date(2024, 1, 1), self.day(), self.turn()])
            one = PcpSelection(
                payer=PAYER,
                member_id=MEMBER,
                selection_id=f"L{number}",
                selection_version=1,
                pcp_npi=self.rng.choice(self.npis),
                selection_source=self.rng.choice(["member_selected", "plan_matched", "plan_auto_assigned"]),
                effective_from=start,
                effective_to=max(start, self.turn()) if self.maybe(0.5) else None,
                practice_id=self.rng.choice(self.practices) if self.maybe(0.5) else None,
            )
            self.say(one)
            if self.maybe(0.2):
                self.say(_changed(one, selection_version=2, effective_to=max(start, self.turn())))

    def line(self, number: int, day: dt.date, practice: str) -> ClaimLine:
        return ClaimLine(
            claim_line_number=number,
            claim_line_start_date=day,
            hcpcs_code=self.rng.choice(["99213", "99213", "99213", "99203", "99396", "G0439", "36415"]),
            place_of_service_code=self.rng.choice(["11"] * 10 + ["02", "02", "20", "21"]),
            line_status="denied" if self.maybe(0.05) else self.rng.choice(["paid", None]),
            rendering_npi=self.rng.choice(self.npis) if self.maybe(0.95) else None,
            rendering_taxonomy=self.rng.choice([INCLUDE] * 8 + [SPECIALIST, PALLIATIVE, NPPA, None]),
        )

    def claim(self, number: int) -> None:
        practice = self.rng.choice(self.practices)
        day = self.day()
        facts: dict[str, Any] = {
            "payer": PAYER,
            "member_id": MEMBER,
            "payer_claim_control_number": f"C{number:02}",
            "claim_frequency_code": "1",
            "claim_status": self.rng.choice(["paid"] * 12 + ["encounter_accepted", "denied", "reversed", "pending"]),
            "claim_type": "professional",
            "claim_id": f"id{self.rng.randrange(100)}" if self.maybe(0.2) else None,
            "billing_tin": self.tins[practice] if self.maybe(0.9) else None,
            "billing_npi": f"19{ord(practice)}000000" if self.maybe(0.5) else None,
            "lines": tuple(self.line(n, day, practice) for n in range(1, self.rng.choice([2, 2, 3]))),
        }
        kind = self.rng.random()
        if kind < 0.08:
            facts |= {
                "claim_type": "institutional",
                "bill_type_code": "771",
                "lines": (ClaimLine(claim_line_number=1, claim_line_start_date=day, revenue_center_code="0521"),),
            }
            facts["billing_taxonomy"] = FQHC if self.maybe(0.5) else None
        elif kind < 0.1:
            facts |= {"claim_type": "institutional", "bill_type_code": "813", "admission_date": day}
            facts |= {"discharge_date": day + dt.timedelta(days=self.rng.choice([0, 30]))}
        first = Claim(**facts)
        versioned = self.rng.choice(["version", "adjudicated", "neither"])
        chain = [first]
        while self.maybe(0.3) and len(chain) < 4:
            chain.append(self.later(chain[-1], len(chain), number, practice))
        for place, one in enumerate(chain, 1):
            when = EPOCH + dt.timedelta(days=place)
            order = {"version": {"claim_version": place}, "adjudicated": {"adjudicated_at": when}, "neither": {}}
            self.say(_changed(one, **order[versioned]))

    def later(self, before: Claim, place: int, number: int, practice: str) -> Claim:
        frequency = self.rng.choice(["7", "7", "7", "8", "8", "1"])
        own = before.payer_claim_control_number
        renamed = frequency != "1" and self.maybe(0.4)
        day = before.lines[0].claim_line_start_date if self.maybe(0.7) else self.day()
        return _changed(
            before,
            claim_frequency_code=frequency,
            claim_status=self.rng.choice(["paid", "paid", "paid", "denied", "reversed", "pending"])
            if frequency != "8"
            else "paid",
            payer_claim_control_number=f"C{number:02}-{place}" if renamed else own,
            original_claim_id=own if renamed or (frequency != "1" and self.maybe(0.5)) else None,
            lines=before.lines
            if before.claim_type == "institutional" or self.maybe(0.4)
            else tuple(self.line(n, day, practice) for n in range(1, self.rng.choice([2, 2, 3]))),
        )

    # -- requests and plans' own lists

    def requests(self) -> None:
        for number in range(self.rng.choice([1, 1, 2, 3])):
            start = self.rng.choice([dt.date(2024, 1, 1), self.day(), self.turn(), self.turn()])
            about: dict[str, Any] = {
                "payer": PAYER,
                "member_id": MEMBER,
                "practice_id": self.rng.choice(self.practices),
                "request": self.rng.choice(["add", "remove"]),
                "effective_from": start,
                "effective_to": max(start, self.turn()) if self.maybe(0.4) else None,
            }
            asked = AttributionRequest(**about, reason=f"r{number}", due_date=self.turn())
            if self.maybe(0.85):
                self.say(asked)
            if self.maybe(0.15):
                self.say(_changed(asked, due_date=self.turn(), effective_to=None))
            for _ in range(self.rng.choice([0, 1, 1, 1, 2])):
                verdict = self.rng.choice(["accepted", "accepted", "accepted", "rejected"])
                end = max(start, self.turn()) if self.maybe(0.3) else None
                self.say(AttributionDecision(**{**about, "effective_to": end}, decision=verdict))  # type: ignore[arg-type]

        for _ in range(self.rng.choice([0, 0, 1, 2])):
            end = self.turn()
            self.know(
                Period(
                    period=self.rng.choice(["P1", "P2"]),
                    performance_end=end,
                    k1=end + dt.timedelta(days=90),
                    k2=end + dt.timedelta(days=180),
                    pool_from=dt.date(2025, 1, 1),
                    pool_months=12,
                )
            )

    def unread(self) -> None:
        """Facts that attribution does not read, of few names, so that versions, voids and repeated contents meet."""
        for _ in range(self.rng.randrange(5)):
            if self.maybe(0.5):
                self.say(
                    Clinical(
                        payer=PAYER,  # type: ignore[arg-type]
                        member_id=MEMBER,  # type: ignore[arg-type]
                        record_id=self.rng.choice(["R1", "R2"]),
                        record_version=self.rng.choice([1, 2]),
                        kind="observation",
                        code_system="LOINC",
                        code="4548-4",
                        start=f"{self.day()}",
                        value=Decimal(self.rng.choice(["7.9", "9.1"])),
                    )
                )
                continue
            void = self.maybe(0.3)
            self.say(
                PharmacyClaim(
                    payer=PAYER,  # type: ignore[arg-type]
                    member_id=MEMBER,  # type: ignore[arg-type]
                    payer_claim_control_number=self.rng.choice(["C1", "P1", "P2"]),
                    claim_frequency_code="8" if void else "1",
                    claim_status="reversed" if void else "paid",
                    ndc_code="00093721410",
                    dispensing_date=self.day(),
                    days_supply=30,
                    quantity=Decimal(30),
                    original_claim_id=self.rng.choice([None, "P1", "P2"]),
                )
            )

    def plan_lists(self) -> None:
        """The payer goes by its plan's own list, now, once, or from some day on."""
        terms = PayerRecord(payer=PAYER, name="P", attribution_mode="plan")
        self.know(terms if self.maybe(0.6) else _changed(terms, effective_from=self.turn()))
        if self.maybe(0.3):
            self.know(_changed(terms, attribution_mode="platform", effective_from=self.turn()))
        seen = [one.body.billing_tin for one in self.said if isinstance(one.body, Claim)]
        visited = [practice for practice, tin in self.tins.items() if tin in seen]
        usual = self.rng.choice(visited or self.practices)
        this_month = self.as_of.replace(day=1)
        months = [add_months(this_month, n) for n in (-14, -3, -2, -1, -1, 0, 0, 0, 1, 1, 2)]
        steady = self.maybe(0.4)
        if steady:
            months = [this_month]
        for _ in range(self.rng.choice([0, 1, 2, 3, 4, 6])):
            month = self.rng.choice(months)
            entry = PlanAttribution(
                payer=PAYER,
                member_id=MEMBER,
                attribution_month=str(month)[: self.rng.choice([7, 10])],
                practice_id=self.rng.choice([*self.practices, *self.practices, *[usual] * 8, "Z"]),
                list_version=self.rng.choice([1, 1, 2]),
                npi=self.rng.choice(self.npis) if self.maybe(0.7) else None,
            )
            self.say(entry)
            if self.maybe(0.15):
                self.say(_changed(entry, practice_id=self.rng.choice(self.practices)))
        for _ in range(0 if steady else self.rng.choice([0, 1, 2, 3])):
            start = self.rng.choice(months)
            self.know(
                FeedManifest(
                    payer=PAYER,
                    feed="plan_attribution" if self.maybe(0.95) else "claims",
                    file="f",
                    list_version=self.rng.choice([1, 1, 2]),
                    covers_from=start,
                    covers_to=add_months(start, self.rng.choice([0, 0, 0, 1, 3])) + 27 * dt.timedelta(days=1),
                    records=1,
                    full_replacement=self.maybe(0.7),
                )
            )


def _changed(record: Any, **changes: Any) -> Any:
    return type(record)(**{**{n: getattr(record, n) for n in record.__struct_fields__}, **changes})


def history(rng: random.Random) -> History:
    """What was said of one member, the reference of its world, and the day asked about."""
    maker = _Maker(rng)
    maker.roster()
    maker.spans()
    maker.selections()
    for number in range(rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 10])):
        maker.claim(number)
    if maker.maybe(0.35):
        maker.requests()
    if maker.maybe(0.2):
        maker.plan_lists()
    if maker.maybe(0.2):
        maker.unread()
    positions = [one.position for one in maker.said]
    if rng.random() < 0.7:  # the order of arrival says nothing of the order of making
        rng.shuffle(positions)
    said = [
        Said(one.event_id, position, one.body, one.given_id)
        for one, position in zip(maker.said, positions, strict=True)
    ]
    return sorted(said, key=lambda one: one.position), maker.reference, maker.as_of


def knowledge_of(reference: Reference) -> Knowledge:
    """What the engine knows of a world."""
    known = INITIAL
    for record, position in reference:
        known = known.apply(record, position, as_of=None).knowledge
    return known


def fact(one: Said) -> engine.Fact:
    """An event as the engine takes it."""
    kind: Any = type(one.body).__struct_config__.tag
    return engine.Fact(kind, one.event_id, one.position, ACCEPTED, one.body, one.given_id)


def fold_one(member: engine.Member, rows: MutableMapping[str, Any], one: Said, known: Knowledge) -> engine.Folded:
    """Fold one event, reading rows as the worker does."""
    event = fact(one)
    here = {name: rows.get(name) for name in engine.row_names(event)}
    while missing := engine.rows_missing(event, here):
        here |= {name: rows.get(name) for name in missing}
    done = engine.fold(member, here, event, known)
    rows.update({name: here[name] for name in done.stored})
    return done


def folded(said: Iterable[Said], known: Knowledge) -> tuple[engine.Member, dict[str, Any]]:
    """A member after all of these events."""
    member, rows = engine.new_member(PAYER, MEMBER), {}
    for one in said:
        fold_one(member, rows, one, known)
    return member, rows


def readable(said: Sequence[Said], reference: Reference, as_of: dt.date) -> str:
    """A history as a person reads it."""
    lines = [f"as of {as_of}"]
    for record, position in reference:
        lines.append(f"  {position.offset:3} {type(record).__name__} {_short(record)}")
    for one in said:
        lines += [f"  {one.position.offset:3} {one.event_id} {type(one.body).__name__} {_short(one.body)}"]
    return "\n".join(lines)


def _short(record: Any) -> str:
    shown = []
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value in (None, (), "") or name in (
            "payer",
            "member_id",
            "name",
            "line_of_business",
            "birth_date",
            "gender",
        ):
            continue
        if name == "lines":
            value = "[" + "; ".join(_short(line) for line in value) + "]"
        shown.append(f"{name.replace('payer_claim_control_number', 'number').replace('claim_line_', '')}={value}")
    return " ".join(shown)
