"""Fall-off alerts: when one is open, what it says, how it ends. Source: attribution.md 2.7."""

from __future__ import annotations

from schemas.records import Alert, MemberId, Payer, PracticeId
from state.attribution.answer import Answer
from state.attribution.decision import Decision, View, decide
from state.attribution.projection import Projection, last_day_at, panel_at_stake, project
from state.calendar import Day, to_date

HORIZONS = (7, 30, 60, 90)
"""Days before `secure_until` at which the practice is told, and told again."""
WITHDRAWN_AFTER = 90
"""Days after which the record of a resolved or expired alert is withdrawn. Source: interface.md section 5."""
REASON_OF_CAUSE = {
    "selection": "selection_ending",
    "enrollment": "coverage_ending",
    "roster": "provider_leaving",
    "practice": "practice_leaving",
    "request": "dispute_decided",
    "decision": "dispute_decided",
    "period": "dispute_decided",
}
RESOLUTION_OF_CAUSE = {"claim": "visit"}


def horizon(days_left: int) -> int | None:
    """The smallest horizon that holds so many days; None beyond the widest."""
    return next((one for one in HORIZONS if days_left <= one), None)


def open_alert(view: View, found: Answer, day: Day) -> Alert | None:
    """The alert that is open on a day by the pure rule: attributed, and the end in sight within the widest horizon.

    The reason is `data_retracted` where the visits that a void or denial took back would have kept the member longer. Where the plan's
    own list decides and holds, the end that the common rule sees is told, marked as its shadow.
    """
    end = found.projection.secure_until
    practice = found.decision.practice_id
    if practice is None:
        return None
    if end is None or horizon(end - day) is None:
        end = found.shadow.secure_until
        if end is None or horizon(end - day) is None:
            return None
        return _alert(view.shadow, found, day, practice, "raised", "likely_to_fall_off", found.shadow, shadow=True)
    reason: str = found.projection.reason or "aging_out"
    if any(care.retracted for care in view.member.care):
        restored = View.of(view.member, view.knowledge, restored=True)
        then = decide(restored, day)
        if then.practice_id == practice:
            later = project(restored, day, then).secure_until
            if later is None or later > end:
                reason = "data_retracted"
    return _alert(view, found, day, practice, "raised", reason, found.projection)


def panel_lost_on(view: View, found: Answer, alert: Alert, day: Day) -> Day | None:
    """The first day on which too few days are left for the visits that keep a member with an open alert on the panel at stake."""
    practice, end = found.decision.practice_id, (found.shadow if alert.shadow else found.projection).secure_until
    if practice is None or end is None:
        return None
    panel = panel_at_stake(view.shadow if alert.shadow else view, practice, day, end)
    return None if panel is None or panel.visits_needed is None else panel.first - panel.visits_needed + 1


def expired_alert(view: View, found: Answer, day: Day, practice: str, step: str | None, cause: str) -> Alert:
    """The practice has lost the member: why. `step` is the one by which it had the member, `cause` what was applied."""
    reason = _reason_of_loss(view, found.decision, day, practice, step, cause)
    return _alert(view, found, day, practice, "expired", reason, found.projection)


def resolved_alert(view: View, found: Answer, day: Day, practice: str, cause: str, *, shadow: bool) -> Alert:
    """The end is out of sight again; `cause` is what put it there. `shadow`: the alert was the common rule's."""
    projection = found.shadow if shadow and found.decision.step == "plan" else found.projection
    resolution = RESOLUTION_OF_CAUSE.get(cause, cause)
    return _alert(view, found, day, practice, "resolved", "secured", projection, resolution=resolution, shadow=shadow)


def _reason_of_loss(view: View, now: Decision, day: Day, practice: str, step: str | None, cause: str) -> str:
    # A clock that stood still for days says what it would have said on the day itself.
    held = last_day_at(view, practice, day) if cause == "tick" else None
    if held is not None:
        return project(view, held, decide(view, held)).reason or "aging_out"
    if now.reason == "deceased":
        return "deceased"
    if now.reason == "out_of_scope_product":
        return "product_change"
    if now.reason in {"coverage_ended", "not_yet_effective"}:
        return "coverage_ending"
    if view.plan_decides(day):
        return "not_on_plan_list"
    if now.step == "decision" or practice in view.barred(day) or REASON_OF_CAUSE.get(cause) == "dispute_decided":
        return "dispute_decided"
    if any(care.retracted for care in view.member.care):
        restored = View.of(view.member, view.knowledge, restored=True)
        if decide(restored, day).practice_id == practice:
            return "data_retracted"
    if now.step == "selected":
        return "selection_changed"
    if cause in REASON_OF_CAUSE:
        return REASON_OF_CAUSE[cause]
    if now.practice_id is None:
        return "aging_out"
    return "fallback_flip" if step == "claims_12" and now.step == "claims_18" else "outranked"


def _alert(
    view: View,
    found: Answer,
    day: Day,
    practice: str,
    state: str,
    reason: str,
    projection: Projection,
    *,
    resolution: str | None = None,
    shadow: bool = False,
) -> Alert:
    ours = found.decision.practice_id == practice
    end = projection.secure_until if state == "raised" else None
    panel = None if end is None else panel_at_stake(view, practice, day, end)
    return Alert(
        payer=Payer(view.member.payer),
        member_id=MemberId(view.member.member_id),
        practice_id=PracticeId(practice),
        as_of=to_date(day),  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        reason=reason,
        resolution=resolution,
        secure_until=to_date(projection.secure_until) if ours else to_date(day),
        next_practice_id=projection.next_practice_id if ours else found.decision.practice_id,  # type: ignore[arg-type]
        next_panel_date=None if panel is None else to_date(panel.first),
        panel_visit_by=None if panel is None else to_date(panel.visit_by),
        horizon_days=None if end is None else horizon(end - day),
        visits_needed=None if end is None else projection.visits_needed,
        data_through=view.knowledge.data_through(view.member.payer),
        ruleset=view.knowledge.ruleset_name,
        engine_version=view.knowledge.engine_version,
        shadow=shadow,
    )
