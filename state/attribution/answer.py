"""The answer for a member on a day, whole: decision, provider, counts, evidence, end in sight. Source: attribution.md 2.6, 2.7."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from schemas.records import Attribution, MemberId, Npi, Payer, PracticeId
from state.attribution import ranking, requests
from state.attribution.decision import Decision, View, by_claims, decide, runner_up
from state.attribution.projection import Projection, project
from state.attribution.visits import Visits, live
from state.calendar import Day, first_live, to_date


class Answer(msgspec.Struct, frozen=True):
    """An attribution and what stands behind it."""

    attribution: Attribution
    decision: Decision
    projection: Projection
    shadow: Projection = Projection()
    """The end in sight by the common rule, where the plan's own list decides and both name one practice. Source: attribution.md 2.7."""


def answer(view: View, day: Day) -> Answer:
    """Whose patient the member is on a day, and until when."""
    decision = decide(view, day)
    projection = project(view, day, decision)
    attribution = _attribution(view, day, decision, projection)
    return Answer(attribution, decision, projection, _shadow(view, day, decision))


def _shadow(view: View, day: Day, decision: Decision) -> Projection:
    if decision.step != "plan":
        return Projection()
    shadow = view.shadow
    then = decide(shadow, day)
    return project(shadow, day, then) if then.practice_id == decision.practice_id else Projection()


def _attribution(view: View, day: Day, decision: Decision, projection: Projection) -> Attribution:
    member, visits = view.member, view.visits
    practice = decision.practice_id
    npi, reason = decision.npi, decision.reason
    # Practice-level tallies include palliative visits exactly where the step's window counts them.
    days = _days_at(visits, practice, day, decision.months)
    if practice is not None and decision.step not in ("selected", "plan"):
        npi = ranking.provider(visits, practice, day, decision.months, view.knowledge)
        reason = "provider_inactive" if npi is None and live(days, day, decision.months) else None
    second = runner_up(view, decision, day)
    longest = live(days, day, 18)
    return Attribution(
        payer=Payer(member.payer),
        member_id=MemberId(member.member_id),
        as_of=to_date(day),  # type: ignore[arg-type]
        status="not_attributed" if practice is None else "attributed",
        step=decision.step,
        practice_id=None if practice is None else PracticeId(practice),
        provider_npi=None if npi is None else Npi(npi),
        reason=reason,
        visits_12m=live(days, day, 12),
        visits_18m=longest,
        last_visit_date=to_date(days[bisect_right(days, day) - 1]) if longest else None,
        runner_up_practice_id=None if second is None else PracticeId(second),
        secure_until=to_date(projection.secure_until),
        drop_reason=projection.reason,
        next_practice_id=None if projection.next_practice_id is None else PracticeId(projection.next_practice_id),
        visits_needed=projection.visits_needed,
        evidence=_evidence(visits, decision, day),
        flags=_flags(view, decision, day),
        ruleset=view.knowledge.ruleset_name,
        engine_version=view.knowledge.engine_version,
    )


def _days_at(visits: Visits, practice: str | None, day: Day, months: int) -> list[Day]:
    tally = None if practice is None else visits.practices(day, months).get(practice)
    return [] if tally is None else tally.days


def _evidence(visits: Visits, decision: Decision, day: Day) -> tuple[str, ...]:
    """The claims behind the visits that decided; nothing where they did not."""
    if decision.practice_id is None or not decision.by_visits:
        return ()
    first = first_live(day, decision.months)
    seen = visits.seen_at(decision.practice_id, day, decision.months)
    return tuple(sorted({line.evidence for one in seen for line in one.lines if first <= line.day <= day}))


def _flags(view: View, decision: Decision, day: Day) -> tuple[str, ...]:
    flags = set(decision.flags)
    winner = None
    if view.plan_decides(day):
        winner = decide(view.shadow, day).practice_id
    elif decision.step in ("decision", "selected"):
        winner = by_claims(view, day).practice_id
    if winner is not None and winner != decision.practice_id:
        flags.add(f"conflict:{winner}")
    if view.member.requests:
        flags.update(requests.flags(view.member, day))
        if not view.plan_decides(day):
            flags.update(f"removed:{practice}" for practice in view.barred(day))
    if live(view.visits.unknown_days, day, 18):
        flags.add("taxonomy_unknown")
    return tuple(sorted(flags))
