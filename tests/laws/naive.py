"""Attribution written a second time, from the specification and without any cleverness: the whole history is read each time.

It checks `state`, and must never be made from it. Sources: attribution.md 2.2 to 2.7 and the choices in docs/attribution.md.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.records import (
    AttributionDecision,
    AttributionRequest,
    Claim,
    ClaimLine,
    Enrollment,
    FeedManifest,
    MemberFact,
    PayerRecord,
    PcpSelection,
    Period,
    PlanAttribution,
    Position,
    Practice,
    Provider,
)

DAY = dt.timedelta(days=1)
FAR = dt.date(9999, 12, 31)


def add_months(day: dt.date, months: int) -> dt.date:
    month = day.month - 1 + months
    year = day.year + month // 12
    month = month % 12 + 1
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def live(visit: dt.date, day: dt.date, months: int) -> bool:
    return visit <= day < add_months(visit, months)


@dataclass
class Said:
    """One event as it arrived."""

    event_id: str
    position: Position
    body: MemberFact
    given_id: bool


@dataclass
class World:
    """The reference records, newest of each identity."""

    rows: list[Provider] = field(default_factory=list)
    practices: list[Practice] = field(default_factory=list)
    payers: list[PayerRecord] = field(default_factory=list)
    manifests: list[FeedManifest] = field(default_factory=list)
    periods: list[Period] = field(default_factory=list)

    @staticmethod
    def of(reference: Sequence[tuple[Any, Position]]) -> World:
        rows: dict[Any, tuple[Any, Provider]] = {}
        practices: dict[Any, tuple[Any, Practice]] = {}
        payers: dict[Any, tuple[Any, PayerRecord]] = {}
        periods: dict[Any, tuple[Any, Period]] = {}
        for record, position in reference:
            if isinstance(record, Provider):
                _keep(
                    rows,
                    (record.npi, record.practice_id, record.tin, record.effective_from),
                    (record.roster_version, position),
                    record,
                )
            elif isinstance(record, Practice):
                _keep(practices, (record.practice_id, record.effective_from), (position,), record)
            elif isinstance(record, PayerRecord):
                _keep(payers, (record.payer, record.effective_from), (position,), record)
            elif isinstance(record, Period):
                _keep(periods, record.period, (position,), record)
        manifests = [r for r, _ in reference if isinstance(r, FeedManifest) and r.feed == "plan_attribution"]
        return World(
            [r for _, r in rows.values()],
            [r for _, r in practices.values()],
            [r for _, r in payers.values()],
            manifests,
            [r for _, r in periods.values()],
        )

    def rows_of(self, npi: str, day: dt.date) -> list[Provider]:
        return [r for r in self.rows if r.npi == npi and r.effective_from <= day < (r.effective_to or FAR)]

    def knows(self, npi: str) -> bool:
        return any(r.npi == npi for r in self.rows)

    def practice_active(self, practice: str, day: dt.date) -> bool:
        records = [p for p in self.practices if p.practice_id == practice]
        if records:
            return any(p.effective_from <= day < (p.effective_to or FAR) for p in records)
        return any(r.practice_id == practice and r.effective_from <= day < (r.effective_to or FAR) for r in self.rows)

    def payer(self, payer: str, day: dt.date) -> PayerRecord | None:
        found = [p for p in self.payers if p.payer == payer and p.effective_from <= day]
        return max(found, key=lambda p: p.effective_from) if found else None


def _keep(known: dict[Any, Any], key: Any, order: Any, record: Any) -> None:
    if key not in known or order > known[key][0]:
        known[key] = (order, record)


# -- facts --------------------------------------------------------------------------------------------------------------

FACT = ("event_id", "source_system", "source_file", "source_row", "occurred_at", "accepted_at", "contact")


def content(body: Any) -> str:
    return repr([(name, getattr(body, name)) for name in body.__struct_fields__ if name not in FACT])


def once(said: Sequence[Said]) -> list[Said]:
    """Each content once, at its first place; of one id with several contents the one that came first."""
    firsts: dict[tuple[str, str], Said] = {}
    for one in sorted(said, key=lambda s: s.position):
        firsts.setdefault((one.event_id, content(one.body)), one)
    ids: dict[str, Said] = {}
    for one in sorted(firsts.values(), key=lambda s: s.position):
        ids.setdefault(one.event_id, one)
    contents: dict[str, Said] = {}
    for one in sorted(ids.values(), key=lambda s: s.position):
        contents.setdefault(content(one.body), one)
    return list(contents.values())


def families(claims: Sequence[Said]) -> list[list[Said]]:
    groups: list[tuple[set[str], list[Said]]] = []
    for one in claims:
        numbers = {one.body.payer_claim_control_number} | (
            {one.body.original_claim_id} if one.body.original_claim_id else set()
        )
        joined = [group for group in groups if group[0] & numbers]
        groups = [group for group in groups if group not in joined]
        groups.append((numbers.union(*(g[0] for g in joined)), [one, *(m for g in joined for m in g[1])]))
    return [members for _, members in groups]


def depth(family: Sequence[Said], number: str, seen: frozenset[str] = frozenset()) -> int:
    before = [
        one.body.original_claim_id
        for one in family
        if one.body.payer_claim_control_number == number and one.body.original_claim_id not in (None, number)
    ]
    return max((1 + depth(family, o, seen | {number}) for o in before if o not in seen | {number}), default=0)


RANK = {"1": 0, "7": 1, "8": 2}
MINIMUM = dt.datetime.min.replace(tzinfo=dt.UTC)


def order(family: Sequence[Said], one: Said) -> Any:
    """The payer's version if it sends one, else adjudication; a family that lacks them is led by who replaces whom."""
    claim, all_ = one.body, [member.body for member in family]
    return (
        claim.claim_version if all(c.claim_version is not None for c in all_) else 0,
        claim.adjudicated_at if all(c.adjudicated_at is not None for c in all_) else MINIMUM,
        depth(family, claim.payer_claim_control_number),
        claim.claim_version or 0,
        claim.adjudicated_at or MINIMUM,
        RANK[claim.claim_frequency_code],
        one.position,
    )


def current(family: Sequence[Said], reopen: bool) -> Claim | None:
    answer: Claim | None = None
    closed = False
    for one in sorted(family, key=lambda o: order(family, o)):
        claim = one.body
        if claim.claim_status == "pending":
            continue
        if claim.claim_frequency_code == "8":
            answer, closed = None, True
        elif not closed or reopen:
            answer, closed = claim, False
    return answer


# -- visits (2.2 to 2.4) ------------------------------------------------------------------------------------------------

PREVENTIVE = {*map(str, (*range(99381, 99388), *range(99391, 99398))), "G0402", "G0438", "G0439"}
VISIT_CODES = PREVENTIVE | {
    *map(
        str,
        (*range(99202, 99206), *range(99211, 99216), *range(99341, 99346), *range(99347, 99351), *range(99401, 99405)),
    ),
    *("99483", "99495", "99496", "G0466", "G0467", "G0468"),
}
PALLIATIVE_CODES = {"99203", "99213"}
NEVER_PLACES = {
    "03",
    "17",
    "20",
    "21",
    "23",
    "24",
    "31",
    "32",
    "34",
    "41",
    "42",
    "51",
    "52",
    "53",
    "55",
    "56",
    "61",
    "81",
}
INCLUDE, NPPA, PALLIATIVE, FQHC = "207Q00000X", "363L00000X", "207QH0002X", "261QF0400X"


@dataclass(frozen=True)
class Seen:
    """A line that is evidence: `palliative` counts only where nobody else of primary care was seen in the window."""

    practice: str
    npi: str | None
    day: dt.date
    preventive: bool
    palliative: bool
    competes: bool
    claim: str


@dataclass
class Told:
    """Everything the facts say, once."""

    world: World
    spans: list[Said]
    selections: list[PcpSelection]
    seen: list[Seen]
    unknown: list[dt.date]
    entries: list[PlanAttribution]
    requests: list[Asked]


@dataclass
class Asked:
    """A request as it was last sent, and what was last decided of it; one of them may be missing."""

    request: AttributionRequest | None
    decision: AttributionDecision | None
    position: Position
    by_default: dt.date = FAR

    @property
    def about(self) -> Any:
        return self.request or self.decision

    @property
    def until(self) -> dt.date:
        ends = [one.effective_to for one in (self.decision, self.request) if one is not None and one.effective_to]
        return ends[0] if ends else self.by_default

    def in_force(self, day: dt.date) -> bool:
        if self.request is None or self.decision is None or self.decision.decision != "accepted":
            return False
        return self.about.effective_from <= day < self.until

    def flag(self, day: dt.date) -> str | None:
        if self.request is None or self.decision is not None:
            return None
        return f"request_{'overdue' if day > self.request.due_date else 'open'}:{self.request.practice_id}"


def practice_of(world: World, claim: Claim, line: ClaimLine) -> str | None:
    day = line.claim_line_start_date
    rows = world.rows_of(line.rendering_npi, day) if line.rendering_npi else []
    under_tin = sorted(r.practice_id for r in rows if r.tin == claim.billing_tin)
    if under_tin:
        return under_tin[0]
    if len({r.practice_id for r in rows}) == 1:
        return rows[0].practice_id
    owners = sorted(
        p.practice_id
        for p in world.practices
        if claim.billing_npi in p.organisation_npis and p.effective_from <= day < (p.effective_to or FAR)
    )
    if owners:
        return owners[0]
    if claim.billing_tin:
        return f"TIN:{claim.billing_tin}"
    npi = claim.billing_npi or line.rendering_npi
    return f"NPI:{npi}" if npi else None


def standing(world: World, claim: Claim, line: ClaimLine, hospice: Sequence[tuple[dt.date, dt.date]]) -> str:
    """no, yes, practice (without provider), palliative, unknown."""
    day, bill = line.claim_line_start_date, claim.bill_type_code or ""
    health_center = bill[:2] in ("71", "77") and claim.claim_type == "institutional"
    if claim.claim_type == "institutional" and not health_center:
        return "no"
    if line.hcpcs_code not in VISIT_CODES and not (health_center and line.revenue_center_code == "0521"):
        return "no"
    if claim.claim_type == "professional" and line.place_of_service_code in NEVER_PLACES:
        return "no"
    if line.rendering_npi is None:
        return "practice" if health_center or claim.billing_taxonomy == FQHC else "no"
    rows = world.rows_of(line.rendering_npi, day)
    mapped = [r for r in rows if r.tin == claim.billing_tin]
    if mapped:
        first = min(r.practice_id for r in mapped)
        rows = [r for r in mapped if r.practice_id == first]
    if rows:
        return "yes" if any(r.is_pcp for r in rows) else "no"
    taxonomy = line.rendering_taxonomy
    if taxonomy is None:
        return "unknown"
    if taxonomy.startswith("2") and taxonomy.startswith("261Q"):
        return "practice" if health_center or claim.billing_taxonomy == FQHC else "no"
    if taxonomy == INCLUDE:
        return "yes"
    if taxonomy == NPPA:
        practice = practice_of(world, claim, line)
        flagged = [
            r
            for r in world.rows
            if r.is_pcp
            and r.effective_from <= day < (r.effective_to or FAR)
            and (r.tin == claim.billing_tin or r.practice_id == practice)
        ]
        return "yes" if flagged else "no"
    if taxonomy == PALLIATIVE:
        fits = line.hcpcs_code in PALLIATIVE_CODES and not any(a <= day <= b for a, b in hospice)
        return "palliative" if fits else "no"
    return "no"


def specialty(world: World, claim: Claim, line: ClaimLine) -> str | None:
    """The taxonomy of the clinician on the day: the roster's, by the row that makes a PCP of them, else the claim's."""
    rows = world.rows_of(line.rendering_npi, line.claim_line_start_date) if line.rendering_npi else []
    mapped = [r for r in rows if r.tin == claim.billing_tin] or rows
    pcps = sorted((r for r in mapped if r.is_pcp), key=lambda r: (r.practice_id, r.tin))
    return pcps[0].taxonomy_code if pcps else line.rendering_taxonomy


def in_hospice(claim: Claim) -> tuple[dt.date, dt.date] | None:
    if (claim.bill_type_code or "")[:2] not in ("81", "82") or claim.claim_type != "institutional":
        return None
    starts = [line.claim_line_start_date for line in claim.lines]
    ends = [line.claim_line_end_date or line.claim_line_start_date for line in claim.lines]
    return claim.admission_date or min(starts), claim.discharge_date or max(ends)


def newest(said: Sequence[Said], name: str, version: str) -> list[Said]:
    """The highest version of each; of one version with several contents the one that came first."""
    found: dict[str, Said] = {}
    for one in sorted(said, key=lambda s: (-getattr(s.body, version), s.position)):
        found.setdefault(getattr(one.body, name), one)
    return list(found.values())


def told(said: Sequence[Said], reference: Sequence[tuple[Any, Position]]) -> Told:
    world = World.of(reference)
    facts = once(said)
    spans = newest([s for s in facts if isinstance(s.body, Enrollment)], "span_id", "span_version")
    choices = newest([s for s in facts if isinstance(s.body, PcpSelection)], "selection_id", "selection_version")
    choices.sort(key=lambda s: s.position, reverse=True)
    claims = [current(f, reopen=False) for f in families([s for s in facts if isinstance(s.body, Claim)])]
    good = [c for c in claims if c is not None and c.claim_status not in ("denied", "reversed")]
    hospice = [r for r in map(in_hospice, good) if r is not None]
    seen, unknown = [], []
    for claim in good:
        for line in claim.lines:
            if line.line_status == "denied":
                continue
            kind = standing(world, claim, line, hospice)
            if kind == "unknown":
                unknown.append(line.claim_line_start_date)
            elif kind != "no" and practice_of(world, claim, line) is not None:
                seen.append(
                    Seen(
                        practice_of(world, claim, line),
                        None if kind == "practice" else line.rendering_npi,
                        line.claim_line_start_date,
                        line.hcpcs_code in PREVENTIVE,
                        kind == "palliative",
                        kind == "yes" and specialty(world, claim, line) == INCLUDE,
                        claim.claim_id or claim.payer_claim_control_number,
                    )
                )
    return Told(world, spans, [s.body for s in choices], seen, unknown, entries_of(facts), requests_of(facts, world))


def entries_of(facts: Sequence[Said]) -> list[PlanAttribution]:
    entries = [s for s in facts if isinstance(s.body, PlanAttribution)]
    months = {s.body.attribution_month[:7] for s in entries}
    return [
        min(
            (s for s in entries if s.body.attribution_month[:7] == month),
            key=lambda s: (-s.body.list_version, s.position),
        ).body
        for month in sorted(months)
    ]


def requests_of(facts: Sequence[Said], world: World) -> list[Asked]:
    found: dict[Any, Asked] = {}
    for kind in (AttributionRequest, AttributionDecision):
        for one in sorted((s for s in facts if isinstance(s.body, kind)), key=lambda s: s.position):
            body: Any = one.body
            key = (body.practice_id, body.request, body.effective_from)
            ends = sorted(p.performance_end for p in world.periods if p.performance_end >= body.effective_from)
            until = ends[0] + DAY if ends else FAR
            if kind is AttributionRequest:
                found[key] = Asked(body, None, one.position, until)
            else:
                request = found[key].request if key in found else None
                found[key] = Asked(request, body, one.position, until)
    return list(found.values())


# -- the decision (2.6) -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decided:
    step: str | None
    practice: str | None
    provider: str | None
    reason: str | None
    flags: tuple[str, ...] = ()
    selection: PcpSelection | None = None
    ranking: tuple[str, ...] = ()


def counted(seen: Sequence[Seen], day: dt.date, step: int) -> list[Seen]:
    """Palliative care counts where nobody of an include specialty was seen in the window of the step."""
    competes = any(s.competes and live(s.day, day, step) for s in seen)
    return [s for s in seen if not (s.palliative and competes)]


def in_window(seen: Sequence[Seen], day: dt.date, months: int, step: int) -> list[Seen]:
    return [s for s in counted(seen, day, step) if live(s.day, day, months)]


def days_at(seen: Iterable[Seen], practice: str, npi: str | None = None) -> set[dt.date]:
    return {s.day for s in seen if s.practice == practice and (npi is None or s.npi == npi)}


def ranked(seen: Sequence[Seen], day: dt.date, months: int) -> list[str]:
    here, longer = in_window(seen, day, months, months), in_window(seen, day, 18, months)

    def best(practice: str) -> Any:
        days = days_at(here, practice)
        preventive = days_at([s for s in here if s.preventive], practice)
        return (-len(days), -max(days).toordinal(), -len(days_at(longer, practice)), -len(preventive), practice)

    return sorted({s.practice for s in here}, key=best)


def uncovered(facts: Told, payer: str, day: dt.date) -> str | None:
    deaths = [s for s in facts.spans if s.body.death_date is not None]
    if deaths:
        last = max(deaths, key=lambda s: (s.body.occurred_at or MINIMUM, s.position))
        if last.body.death_date <= day:
            return "deceased"
    real = [
        s.body
        for s in facts.spans
        if (s.body.enrollment_end_date is None or s.body.enrollment_end_date >= s.body.enrollment_start_date)
        and (s.body.coverage is None or s.body.coverage.medical)
    ]
    covering = [s for s in real if s.enrollment_start_date <= day <= (s.enrollment_end_date or FAR)]
    if not covering:
        return "coverage_ended" if any((s.enrollment_end_date or FAR) < day for s in real) else "not_yet_effective"
    terms = facts.world.payer(payer, day)
    if terms is None or not terms.products or any(s.product in terms.products for s in covering):
        return None
    return "out_of_scope_product"


SOURCES = ("member_selected", "plan_matched", "plan_auto_assigned")


def standing_decisions(facts: Told, day: dt.date) -> list[Asked]:
    """Of those in force on a day the last about each practice."""
    here = sorted(
        (one for one in facts.requests if one.in_force(day)), key=lambda one: (one.about.effective_from, one.position)
    )
    return list({one.about.practice_id: one for one in here}.values())


def added(facts: Told, day: dt.date) -> Asked | None:
    adds = [one for one in standing_decisions(facts, day) if one.about.request == "add"]
    return max(adds, key=lambda one: (one.about.effective_from, one.position), default=None)


def removed(facts: Told, day: dt.date) -> dict[str, dt.date]:
    return {
        one.about.practice_id: one.about.effective_from
        for one in standing_decisions(facts, day)
        if one.about.request == "remove"
    }


def selected(
    facts: Told, payer: str, day: dt.date
) -> tuple[PcpSelection, str, str | None, tuple[str, ...]] | tuple[str, ...]:
    world, terms = facts.world, facts.world.payer(payer, day)
    here = [s for s in facts.selections if s.effective_from <= day < (s.effective_to or FAR)]
    if terms is not None and not terms.auto_assigned_counts:
        here = [s for s in here if s.selection_source != "plan_auto_assigned"]
    source_first = terms is not None and terms.selection_order == "source_first"

    addition, bars = added(facts, day), removed(facts, day)

    def chosen_after(one: PcpSelection, decided: dt.date) -> bool:
        return one.selection_source == "member_selected" and one.effective_from > decided

    def open_to(one: PcpSelection, practice: str) -> bool:
        return practice not in bars or chosen_after(one, bars[practice])

    if addition is not None:
        here = [s for s in here if chosen_after(s, addition.about.effective_from)]

    def before(one: PcpSelection) -> Any:
        source, start = SOURCES.index(one.selection_source), -one.effective_from.toordinal()
        return (source, start) if source_first else (start, source)

    flags: tuple[str, ...] = ()
    for one in sorted(here, key=before):  # the later position stands first already
        rows = [r for r in world.rows_of(one.pcp_npi, day) if r.is_pcp]
        if one.practice_id is not None:
            rows = [r for r in rows if r.practice_id == one.practice_id]
        if rows:
            practices = {r.practice_id for r in rows if one.pcp_tin in (None, r.tin)} or {r.practice_id for r in rows}
            practices = {p for p in practices if open_to(one, p)}
            if not practices:
                continue
            year = in_window(facts.seen, day, 12, 12)
            practice = min(practices, key=lambda p: (-len(days_at(year, p)), p))
            return one, practice, one.pcp_npi, flags
        if one.practice_id is not None and world.practice_active(one.practice_id, day):
            if not open_to(one, one.practice_id):
                continue
            return one, one.practice_id, None, ("repanel", *flags)
        flags = ("selected_pcp_inactive",)
    return flags


def provider(facts: Told, practice: str, day: dt.date, months: int) -> tuple[str | None, str | None]:
    """Step 4: the provider inside a practice, and why there is none."""
    here, longer = in_window(facts.seen, day, months, months), in_window(facts.seen, day, 18, months)
    named = {s.npi for s in here if s.practice == practice and s.npi is not None}

    def active(npi: str) -> bool:
        return not facts.world.knows(npi) or any(r.practice_id == practice for r in facts.world.rows_of(npi, day))

    def best(npi: str) -> Any:
        days = days_at(here, practice, npi)
        return (-len(days), -max(days).toordinal(), -len(days_at(longer, practice, npi)), npi)

    left = sorted((n for n in named if active(n)), key=best)
    if left:
        return left[0], None
    return None, "provider_inactive" if days_at(here, practice) else None


def by_claims(facts: Told, day: dt.date) -> Decided:
    for months in (12, 18):
        order_ = [p for p in ranked(facts.seen, day, months) if p not in removed(facts, day)]
        if order_:
            npi, reason = provider(facts, order_[0], day, months)
            return Decided(f"claims_{months}", order_[0], npi, reason, ranking=tuple(order_))
    return Decided(None, None, None, "no_primary_care_visit")


def plan_run(facts: Told, payer: str, day: dt.date) -> bool:
    terms = facts.world.payer(payer, day)
    return terms is not None and terms.attribution_mode == "plan"


def first(day: dt.date) -> dt.date:
    return day.replace(day=1)


def by_plan(facts: Told, payer: str, day: dt.date) -> Decided:
    """The plan's own list, month by month backwards (2.9)."""
    entries = {dt.date.fromisoformat(e.attribution_month[:7] + "-01"): e for e in facts.entries}
    month, stale, found, listed = first(day), False, None, None
    while month > dt.date(2015, 1, 1):
        manifests = [m for m in facts.world.manifests if first(m.covers_from) <= month <= first(m.covers_to)]
        if manifests and listed is None:
            listed = month
        if listed is not None:
            found = entries.get(month)
            full = [m.list_version for m in manifests if m.full_replacement]
            if full and (found is None or found.list_version < max(full)):
                found = None
                break
            if found is not None:
                break
        month = add_months(month, -1)
    if listed is None:
        known = [e for m, e in sorted(entries.items()) if m <= day]
        found = known[-1] if known else None
        stale = found is not None and entries.get(first(day)) is None
    else:
        stale = listed != first(day)
    flags = ("stale_list",) if stale else ()
    if found is None:
        return Decided(None, None, None, "not_on_plan_list", flags)
    records = (*facts.world.rows, *facts.world.practices)
    if not any(r.practice_id == found.practice_id and r.effective_from <= day for r in records):
        return Decided(None, None, None, "unknown_practice", flags)
    return Decided("plan", found.practice_id, found.npi, None, flags)


def decide(facts: Told, payer: str, day: dt.date, common: bool = False) -> Decided:
    """`common`: by the common rule, whatever the payer goes by."""
    always = {flag for one in facts.requests if (flag := one.flag(day))}
    if any(live(d, day, 18) for d in facts.unknown):
        always.add("taxonomy_unknown")
    listed = plan_run(facts, payer, day) and not common
    if not listed:
        always |= {f"removed:{practice}" for practice in removed(facts, day)}

    def flagged(found: Decided, *more: str, winner: str | None = None) -> Decided:
        conflict = {f"conflict:{winner}"} if winner not in (None, found.practice) else set()
        return replace(found, flags=tuple(sorted({*found.flags, *more, *always, *conflict})))

    reason = uncovered(facts, payer, day)
    if reason is not None:
        return flagged(Decided(None, None, None, reason))
    if listed:
        return flagged(by_plan(facts, payer, day), winner=decide(facts, payer, day, common=True).practice)
    claims = by_claims(facts, day)
    chosen = selected(facts, payer, day)
    if chosen and isinstance(chosen[0], PcpSelection):
        selection, practice, npi, flags = chosen
        return flagged(Decided("selected", practice, npi, None, (), selection), *flags, winner=claims.practice)
    addition = added(facts, day)
    if addition is not None:
        practice = addition.about.practice_id
        npi, reason = provider(facts, practice, day, 12)
        return flagged(Decided("decision", practice, npi, reason), *chosen, winner=claims.practice)
    return flagged(claims, *chosen)


# -- until when (2.7) ---------------------------------------------------------------------------------------------------


def breakpoints(facts: Told) -> set[dt.date]:
    days: set[dt.date | None] = set()
    for seen in facts.seen:
        days |= {seen.day, add_months(seen.day, 12), add_months(seen.day, 18)}
    for said in facts.spans:
        end = said.body.enrollment_end_date
        days |= {said.body.enrollment_start_date, None if end is None else end + DAY, said.body.death_date}
    for one in (*facts.selections, *facts.world.rows, *facts.world.practices):
        days |= {one.effective_from, one.effective_to}
    days |= {p.effective_from for p in facts.world.payers}
    for asked in facts.requests:
        days |= {asked.about.effective_from, asked.until}
    if any(p.attribution_mode == "plan" for p in facts.world.payers):
        days |= {dt.date(year, month, 1) for year in range(2023, 2029) for month in range(1, 13)}
    return {d for d in days if d not in (None, FAR)}


def why(facts: Told, payer: str, as_of: dt.date, end: dt.date, common: bool) -> str:
    today, before, after = (decide(facts, payer, day, common) for day in (as_of, end - DAY, end))
    eligible = {
        "deceased": "deceased",
        "coverage_ended": "coverage_ending",
        "not_yet_effective": "coverage_ending",
        "out_of_scope_product": "product_change",
    }
    if after.reason in eligible:
        return eligible[after.reason]
    if plan_run(facts, payer, end) and not common:
        return "not_on_plan_list"
    if decided_about(facts, end) & {today.practice, after.practice}:
        return "dispute_decided"
    if before.selection is not None:
        return why_selection(facts, before, after, end)
    if after.step == "selected":
        return "selection_changed"
    if after.practice is None:
        return "aging_out"
    if (before.step, after.step) == ("claims_12", "claims_18"):
        return "fallback_flip"
    if today.ranking[1:2] == (after.practice,):
        window = int(today.step[-2:])
        here = in_window(facts.seen, as_of, window, window)
        if len(days_at(here, today.practice)) == len(days_at(here, after.practice)):
            return "already_tied"
    return "outranked"


def decided_about(facts: Told, day: dt.date) -> set[str]:
    """The practices for which another decision, or none any more, holds from a day on."""

    def holding(when: dt.date) -> set[Any]:
        addition = added(facts, when)
        adds = () if addition is None else ((addition.about.practice_id, "add", addition.about.effective_from),)
        return {*adds, *((p, "remove", since) for p, since in removed(facts, when).items())}

    return {practice for practice, _, _ in holding(day) ^ holding(day - DAY)}


def why_selection(facts: Told, before: Decided, after: Decided, end: dt.date) -> str:
    chosen, following = before.selection, after.selection
    another = following is not None and following.selection_id != chosen.selection_id
    if end >= (chosen.effective_to or FAR):
        return "selection_changed" if another else "selection_ending"
    if another and following.effective_from == end:
        return "selection_changed"
    if not facts.world.practice_active(before.practice, end):
        return "practice_leaving"
    rows = [r for r in facts.world.rows_of(chosen.pcp_npi, end) if r.is_pcp and r.practice_id == before.practice]
    if before.provider is not None and not rows:
        return "provider_leaving"
    if another:
        return "selection_changed"
    return "outranked" if following is not None else "selection_ending"


def needed(facts: Told, payer: str, as_of: dt.date, end: dt.date, practice: str, common: bool) -> int | None:
    taken = days_at(facts.seen, practice)
    most = 2 * max((len(days_at(facts.seen, s.practice)) for s in facts.seen), default=0) + 1
    extra: list[Seen] = []
    day = end - DAY
    while day >= as_of and len(extra) < most:
        if day not in taken:
            extra.append(Seen(practice, None, day, preventive=False, palliative=False, competes=True, claim=""))
            more = replace(facts, seen=[*facts.seen, *extra])
            if decide(more, payer, end, common).practice == practice:
                return len(extra)
        day -= DAY
    return None


@dataclass(frozen=True)
class End:
    """The first day on which the practice is another, why, whose the member is then, and the visits that would keep them."""

    day: dt.date | None = None
    reason: str | None = None
    following: str | None = None
    visits: int | None = None


def until_when(facts: Told, payer: str, as_of: dt.date, practice: str | None, common: bool = False) -> End:
    if practice is not None:
        for day in sorted(b for b in breakpoints(facts) if b > as_of):
            following = decide(facts, payer, day, common).practice
            if following != practice:
                visits = needed(facts, payer, as_of, day, practice, common)
                return End(day, why(facts, payer, as_of, day, common), following, visits)
    return End()


def alert(
    said: Sequence[Said], reference: Sequence[tuple[Any, Position]], as_of: dt.date
) -> tuple[str, dt.date, bool, int | None, dt.date | None, dt.date | None] | None:
    """The alert open on a day: practice, end, whether it is the shadow's, visits needed, the first panel without the member, and the
    last day of a visit that keeps the member on it. The plan's own end is told first (2.7)."""
    payer = said[0].body.payer if said else ""
    facts = told(said, reference)
    practice = decide(facts, payer, as_of).practice
    ends = [(until_when(facts, payer, as_of, practice), False)]
    if plan_run(facts, payer, as_of) and decide(facts, payer, as_of, common=True).practice == practice:
        ends.append((until_when(facts, payer, as_of, practice, common=True), True))
    for end, shadow in ends:
        if practice is not None and end.day is not None and end.day - as_of <= 90 * DAY:
            panel = panel_without(facts, payer, practice, end.day, shadow)
            helps = panel is not None and needed(facts, payer, as_of, panel, practice, shadow) is not None
            by = panel - DAY if helps else None
            while by is not None and by in days_at(facts.seen, practice):
                by -= DAY
            return practice, end.day, shadow, end.visits, panel, by
    return None


def panel_without(facts: Told, payer: str, practice: str, end: dt.date, common: bool) -> dt.date | None:
    """The first day of a month, not before the end, on which the member is not the practice's; the member may be back for some."""
    months = (dt.date(year, month, 1) for year in range(2023, 2030) for month in range(1, 13))
    return next((m for m in months if m >= end and decide(facts, payer, m, common).practice != practice), None)


def attribution(
    said: Sequence[Said], reference: Sequence[tuple[Any, Position]], as_of: dt.date, ruleset: str = "guide"
) -> dict[str, Any]:
    """Whose patient the one member of these facts is."""
    assert ruleset == "guide"
    payer = said[0].body.payer if said else ""
    facts = told(said, reference)
    found = decide(facts, payer, as_of)
    step = 18 if found.step == "claims_18" else 12
    by_visits = found.step in ("claims_12", "claims_18")
    here = in_window(facts.seen, as_of, step, step) if by_visits else []
    year, longer = (days_at(in_window(facts.seen, as_of, months, step), found.practice) for months in (12, 18))
    end = until_when(facts, payer, as_of, found.practice)
    return {
        "status": "not_attributed" if found.practice is None else "attributed",
        "step": found.step,
        "practice_id": found.practice,
        "provider_npi": found.provider,
        "reason": found.reason,
        "visits_12m": len(year),
        "visits_18m": len(longer),
        "last_visit_date": max(longer, default=None),
        "runner_up_practice_id": found.ranking[1] if len(found.ranking) > 1 else None,
        "secure_until": end.day,
        "drop_reason": end.reason,
        "next_practice_id": end.following,
        "visits_needed": end.visits,
        "evidence": tuple(sorted({s.claim for s in here if s.practice == found.practice})),
        "flags": found.flags,
    }
