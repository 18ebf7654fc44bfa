"""What an answer rests on: the visits behind it, what put it before the runner-up, and the claims that did not count, and why.

Asked by `explain` only, of one member, with all its cold rows. Source: attribution.md 2.2 to 2.6.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from schemas.records import Claim, ClaimLine
from state.attribution import ranking
from state.attribution.decision import Decision, View, decide, runner_up
from state.attribution.projection import next_change
from state.attribution.qualifying import NoVisit, setting_of
from state.attribution.standing import timeline
from state.attribution.visits import Tally, in_hospice, live
from state.calendar import Day, first_live, to_date
from state.ledger.claims import CONTRIBUTES, resolve
from state.ledger.member import Setting
from state.ledger.rows import History, Row, standing
from state.reference.knowledge import Knowledge

MONTHS = 18
"""How far back claims that did not count are told."""
Why = Literal[
    NoVisit,
    "voided",
    "pending",
    "denied",
    "reversed",
    "line_denied",
    "taxonomy",
    "taxonomy_unknown",
    "roster",
    "practice_not_primary_care",
    "practice_unknown",
    "hospice",
    "palliative",
]
"""Why a claim line is no evidence."""


class Contender(msgspec.Struct, frozen=True):
    """A practice in the ranking. Its counts and latest visit on the day described; `preventive_visits` in the window that decided."""

    practice_id: str
    visits_12m: int
    visits_18m: int
    preventive_visits: int
    last_visit_date: dt.date | None


class Ranked(msgspec.Struct, frozen=True):
    """The winner beside the runner-up, by the visits of a window.

    `decided_by`: the first criterion of the ruleset by which they differ, or "id"; None without a runner-up.
    """

    window_months: int
    winner: Contender
    runner_up: Contender | None
    decided_by: str | None


class EvidenceVisit(msgspec.Struct, frozen=True):
    """A day on which a provider was seen at the practice; `provider_npi` None where the visit is the practice's alone."""

    visit_date: dt.date
    provider_npi: str | None
    claim_ids: tuple[str, ...]


class NotCounted(msgspec.Struct, frozen=True, order=True):
    """A claim of which no line was evidence for any practice: a day, a provider and a reason of it."""

    service_date: dt.date
    claim_id: str
    provider_npi: str
    why: Why


class Grounds(msgspec.Struct, frozen=True):
    """What an answer rests on. `next_change_on`: the first day after it on which it can change by itself."""

    ranked: Ranked | None
    evidence: tuple[EvidenceVisit, ...]
    not_counted: tuple[NotCounted, ...]
    next_change_on: dt.date | None


def grounds(view: View, rows: Mapping[str, Row | None], day: Day) -> Grounds:
    """What the answer of a day rests on. `rows` are all cold rows of the member."""
    decision = decide(view, day)
    return Grounds(
        _ranked(view, decision, day),
        tuple(_evidence(view, decision, day)),
        tuple(sorted(set(_not_counted(view, rows.values(), decision.months, day)))),
        to_date(next_change(view, day)),
    )


def _ranked(view: View, decision: Decision, day: Day) -> Ranked | None:
    """None where visits did not decide."""
    if decision.practice_id is None or not decision.by_visits:
        return None
    tallies = view.visits.practices(day, decision.months)
    first, second = tallies[decision.practice_id], runner_up(view, decision, day)
    winner = _contender(first, decision.months, day)
    if second is None:
        return Ranked(decision.months, winner, None, None)
    order = view.knowledge.ruleset.practice_order
    decided_by = ranking.deciding(first, tallies[second], day, decision.months, order)
    return Ranked(decision.months, winner, _contender(tallies[second], decision.months, day), decided_by)


def _contender(tally: Tally, months: int, day: Day) -> Contender:
    seen = [one for one in tally.days if one <= day]
    return Contender(
        tally.id,
        live(tally.days, day, 12),
        live(tally.days, day, 18),
        live(tally.preventive, day, months),
        to_date(seen[-1]) if seen else None,
    )


def _evidence(view: View, decision: Decision, day: Day) -> Iterator[EvidenceVisit]:
    """The claims behind the visits that decided, by date and provider; nothing where visits did not."""
    if decision.practice_id is None or not decision.by_visits:
        return
    first = first_live(day, decision.months)
    found: dict[tuple[Day, str], set[str]] = {}
    for seen in view.visits.seen_at(decision.practice_id, day, decision.months):
        for line in seen.lines:
            if first <= line.day <= day:
                found.setdefault((line.day, seen.npi), set()).add(line.evidence)
    for (on, npi), claims in sorted(found.items()):
        yield EvidenceVisit(dt.date.fromordinal(on), npi or None, tuple(sorted(claims)))


def _not_counted(view: View, rows: Iterable[Row | None], months: int, day: Day) -> Iterator[NotCounted]:
    first = first_live(day, MONTHS)
    for row in rows:
        if not isinstance(row, History) or not row.is_claim:
            continue
        claim, refused = _standing_claim(row, view.knowledge)
        lines = [line for line in claim.lines if first <= line.claim_line_start_date.toordinal() <= day]
        reasons = [(line, refused or _why_not(view, claim, line, months, day)) for line in lines]
        if all(why is not None for _, why in reasons):
            cited = claim.claim_id or claim.payer_claim_control_number
            for line, why in reasons:
                if why is not None:
                    yield NotCounted(line.claim_line_start_date, cited, line.rendering_npi or "", why)


def _standing_claim(family: History, knowledge: Knowledge) -> tuple[Claim, Why | None]:
    """The version of a claim that speaks for its family, and why the whole of it does not count, if it does not."""
    resolution = resolve(family, Claim, allow_reopen=knowledge.ruleset.allow_reopen)
    current = resolution.current
    if current is None:
        bodies = [one.body for one in standing(family.statements) if isinstance(one.body, Claim)]
        voids = [one for one in bodies if one.claim_frequency_code == "8" and one.claim_status != "pending"]
        return (resolution.before or tuple(bodies))[0], "voided" if voids else "pending"
    if current.claim_status in CONTRIBUTES:
        return current, None
    return current, "reversed" if current.claim_status == "reversed" else "denied"


def _why_not(view: View, claim: Claim, line: ClaimLine, months: int, day: Day) -> Why | None:
    """Why a line of a claim that stands is no evidence; None where it is."""
    if line.line_status == "denied":
        return "line_denied"
    setting = setting_of(claim, line, view.knowledge.tables)
    if not isinstance(setting, Setting):
        return setting
    on = line.claim_line_start_date.toordinal()
    found = timeline(setting, view.knowledge).at(on)
    if found is None:
        return _why_no_standing(setting, on, view.knowledge)
    if not found.known:
        return "taxonomy_unknown"
    if not found.palliative:
        return None
    if in_hospice(view.member.hospice, on):
        return "hospice"
    return None if view.visits.palliative_counts(day, months) else "palliative"


def _why_no_standing(setting: Setting, on: Day, knowledge: Knowledge) -> Why:
    """What the roster or the taxonomy has against a line that could be a visit."""
    if any(row.in_force(on) for row in knowledge.roster.rows_of(setting.npi)):
        return "roster"
    if not (setting.billing_npi or setting.billing_tin or setting.npi):
        return "practice_unknown"
    return "taxonomy" if setting.verdict == "no" else "practice_not_primary_care"
