"""`panelstream explain`: why a member is on a panel, until when, and what would change it; or why a measure says what it says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.explain_measures import as_json as measures_as_json
from streams.cli.explain_measures import told as measures_told
from streams.cli.options import State, Tables, ValueSetFolder, day, existing_files, measured_period, moment
from streams.cli.progress import progress
from streams.settings import Settings
from streams.stopping import EXIT_CONFIG, Stop

if TYPE_CHECKING:
    from schemas.records import Alert, Attribution
    from state.attribution.grounds import Ranked
    from streams.explaining import Explanation, Known

STEPS = {
    "decision": "an accepted decision on an attribution request",
    "selected": "a PCP selection in force",
    "claims_12": "primary care visits of the last 12 months",
    "claims_18": "primary care visits of the last 18 months; there is none in the last 12",
    "plan": "the plan's own list",
}
NOT_ATTRIBUTED = {
    "deceased": "the member has died",
    "coverage_ended": "coverage has ended",
    "out_of_scope_product": "covered, but in a product that is out of scope",
    "not_yet_effective": "no coverage has begun yet",
    "not_on_plan_list": "covered, but not on the plan's own list",
    "unknown_practice": "the plan's own list names a practice that no roster knows",
    "no_primary_care_visit": "covered, but without a PCP selection or a primary care visit in 18 months",
}
REASONS = {
    "aging_out": "the last visit that counts ages out",
    "outranked": "another practice comes out ahead",
    "already_tied": "tied with another practice, held only by the later criteria",
    "fallback_flip": "the 12 months run empty, and 18 months favour another practice",
    "selection_ending": "the PCP selection ends",
    "selection_changed": "another PCP selection takes effect",
    "coverage_ending": "coverage ends",
    "product_change": "coverage moves to a product out of scope",
    "provider_leaving": "the provider leaves",
    "practice_leaving": "the practice leaves",
    "data_retracted": "a void or denial took back a visit",
    "deceased": "the member's death is dated then",
    "dispute_decided": "a decision on an attribution request takes effect, or ends",
    "not_on_plan_list": "the plan's own list no longer names the practice",
}
DECIDED_BY = {
    "visits": "more visits in {months} months: {ours} against {theirs}",
    "latest_visit": "a later visit: {first.last_visit_date} against {second.last_visit_date}",
    "visits_18m": "more visits in 18 months: {first.visits_18m} against {second.visits_18m}",
    "preventive_visits": "more preventive visits: {first.preventive_visits} against {second.preventive_visits}",
    "weighted_visits": "more visits by weight, those of the last 12 months weighing most",
    "id": "nothing but the order of their ids: all that is compared is equal",
}
NOT_COUNTED = {
    "service": "not a primary care service",
    "place_of_service": "the place of service does not count",
    "bill_type": "the type of bill does not count",
    "contradicting_conditions": "code and place ask for different taxonomies",
    "nobody_named": "nobody in person is named, and no health center bills",
    "voided": "the claim was voided",
    "pending": "the claim is pending",
    "denied": "the claim was denied",
    "reversed": "the claim was reversed",
    "line_denied": "the line was denied",
    "taxonomy": "the provider's taxonomy does not count for this service",
    "taxonomy_unknown": "nothing says what the provider is",
    "roster": "by the roster the provider is no PCP for this service on that day",
    "practice_not_primary_care": "counts at a practice flagged primary care only, and this one is not",
    "practice_unknown": "no practice can be told",
    "hospice": "a hospice billed on that day",
    "palliative": "palliative care, which counts only without plain primary care",
}
REQUESTS = {
    "open": "waits for its decision, due {due}",
    "overdue": "was to be decided by {due}",
    "rejected": "was rejected",
    "without_request": "was decided, but has no effect until the request itself is known",
    "to_come": "was accepted, in force from then until {end}",
    "in_force": "was accepted, in force until {end}",
    "ended": "was accepted, ended {end}",
}
FLAGS = {
    "repanel": "the selected PCP is no longer active, the practice stands: assign another PCP",
    "selected_pcp_inactive": "a PCP selection was passed over: neither PCP nor practice is active",
    "removed": "a decision in force removes the member from that practice",
    "request_open": "a request about that practice waits for its decision",
    "request_overdue": "a request about that practice should have been decided by now",
    "stale_list": "the plan's own list of this month is not there, an earlier one is carried",
    "taxonomy_unknown": "a visit did not count only because nothing says what the provider is",
}


def command(
    payer: Annotated[str, typer.Option(metavar="P", help="The payer, as its records name it.")],
    member: Annotated[str, typer.Option(metavar="M", help="The payer's member id.")],
    *,
    as_of: Annotated[
        dt.date | None,
        typer.Option("--as-of", metavar="DATE", parser=day, help="The day described. Default: where the clock stands."),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--files", metavar="FILE", help="Ask event files, not a service; may be repeated."),
    ] = None,
    known_at: Annotated[
        dt.datetime | None,
        typer.Option(
            "--known-at", metavar="TIME", parser=moment, help="With --files: leave out what was accepted later."
        ),
    ] = None,
    ruleset: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --files: by another ruleset of the project.")
    ] = None,
    measure: Annotated[
        str | None, typer.Option(metavar="ID", help="Explain a measure instead, by its id: BCS, CBP, GSD, ...")
    ] = None,
    edition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --measure: by this edition, as capc-2025. Default: those in force that have the measure.",
        ),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            metavar="PERIOD",
            help="With --measure: START..END, a period of the program as P1, or rolling. Default: those that are open.",
        ),
    ] = None,
    valuesets: ValueSetFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
    state: State = None,
    tables: Tables = None,
) -> None:
    """Say why a member is attributed as they are, until when that holds, and what would change it. This shows member data.

    Read from the state of a worker on this host, also while it runs; with --files from event files alone.

    With --measure it says instead what a measure says of the member: every step of the rule with the facts that decided it, the gap with
    what closes it and by when, and which practice gets the credit.

    Example: panelstream explain --payer acme --member A123 --as-of 2025-08-01
    Example: panelstream explain --payer acme --member A123 --measure BCS --period P1
    """
    from streams.explaining import explanation
    from streams.explaining_measures import explained_measures
    from streams.value_set_folder import value_sets_in_force

    settings = Settings.from_environment(state=state, tables=tables, value_sets=valuesets)
    if measure is None:
        if edition or period or valuesets:
            raise Stop("--edition, --period and --valuesets go with --measure: name the measure, as BCS.", EXIT_CONFIG)
        found = explanation(_known(settings, payer, member, as_of, files, known_at, ruleset))
        typer.echo(_json(found) if as_json else "\n".join(_told(found)))
        return
    window = measured_period(period) if period is not None and ".." in period else period
    known = _known(settings, payer, member, as_of, files, known_at, ruleset)
    measures = explained_measures(
        known,
        measure.upper(),
        edition,
        window,
        lambda: value_sets_in_force(settings.value_sets, is_given=valuesets is not None),
    )
    typer.echo(measures_as_json(known, measures) if as_json else "\n".join(measures_told(known, measures)))


def _known(
    settings: Settings,
    payer: str,
    member: str,
    as_of: dt.date | None,
    files: list[Path] | None,
    known_at: dt.datetime | None,
    ruleset: str | None,
) -> Known:
    from streams.explaining import from_files, from_state
    from streams.replaying import Question

    if not files:
        if known_at or ruleset:
            raise Stop("--known-at and --ruleset go with --files: a state file holds one of each.", EXIT_CONFIG)
        return from_state(settings, payer, member, as_of)
    if as_of is None:
        raise Stop("--files needs --as-of: files have no clock.", EXIT_CONFIG)
    with progress() as part:
        question = Question(as_of, known_at, ruleset)
        return from_files(settings, existing_files(files), payer, member, question, part("bytes read"))


def _json(explanation: Explanation) -> str:
    import msgspec

    return msgspec.json.format(
        msgspec.json.encode(
            {
                "attribution": explanation.attribution,
                "alert": explanation.alert,
                "ranked": explanation.grounds.ranked,
                "evidence": explanation.grounds.evidence,
                "not_counted": explanation.grounds.not_counted,
                "next_change_on": explanation.grounds.next_change_on,
                "requests": explanation.requests,
                "lists": explanation.lists,
                "changes": explanation.changes,
                "data_through": explanation.data_through,
                "source": explanation.source,
                "failed": explanation.failed,
            }
        ),
        indent=2,
    ).decode()


def _told(explanation: Explanation) -> Iterator[str]:
    answer, alert = explanation.attribution, explanation.alert
    yield f"{answer.payer} {answer.member_id} on {answer.as_of}"
    if answer.practice_id:
        yield f"  attributed to  {answer.practice_id}, {_provider(answer)}"
        yield f"  because of     {STEPS[answer.step or '']} (step {answer.step})"
    else:
        yield f"  not attributed: {NOT_ATTRIBUTED.get(answer.reason or '', answer.reason)} ({answer.reason})"
    last = f", the last on {answer.last_visit_date}" if answer.last_visit_date else ""
    yield f"  visits         {answer.visits_12m} in 12 months, {answer.visits_18m} in 18{last}"
    if answer.practice_id:
        yield from _before_the_next(explanation.grounds.ranked)
    for visit in explanation.grounds.evidence:
        who = f"provider {visit.provider_npi}" if visit.provider_npi else "nobody named"
        yield f"  evidence       {visit.visit_date}, {who}: {', '.join(visit.claim_ids)}"
    if not explanation.grounds.evidence:
        yield "  evidence       none"
    if answer.practice_id:
        yield from _future(answer)
        yield from _alerted(alert)
    following = explanation.grounds.next_change_on
    yield f"  next change    {f'not before {following}' if following else 'none'}, if nothing new is known"
    for out in explanation.grounds.not_counted:
        seen = f", provider {out.provider_npi}" if out.provider_npi else ""
        yield f"  not counted    {out.service_date}{seen}: {out.claim_id}, {NOT_COUNTED[out.why]} ({out.why})"
    for flag in answer.flags:
        name, _, winner = flag.partition(":")
        if name == "conflict":
            meaning = f"{'the common rule' if answer.step in (None, 'plan') else 'claims alone'} would say {winner}"
        else:
            meaning = FLAGS.get(name, "")
        yield f"  flag           {flag}{': ' if meaning else ''}{meaning}"
    for one in explanation.requests:
        how = REQUESTS[one.state].format(due=one.due_date, end=one.effective_to or "further notice")
        yield f"  request        to {one.request} {one.practice_id} from {one.effective_from}: {how}"
    for on in explanation.lists:
        now = "" if on.adjusted_to == on.practice_id else f", adjusted since to {on.adjusted_to or 'none'}"
        yield f"  frozen list    {on.reading} of {on.period} as of {on.as_of}: {on.practice_id or 'none'}{now}"
    yield from _changed(explanation)
    through = explanation.data_through
    yield (
        f"  claims         said to reach {through}"
        if through
        else "  claims         how far they reach has not been said"
    )
    yield f"  rules          {answer.ruleset}, engine {answer.engine_version}; facts of {explanation.source}"
    if explanation.failed:
        yield f"  SET ASIDE      a fault ({explanation.failed}) keeps later facts out of this answer: please report it"


def _before_the_next(ranked: Ranked | None) -> Iterator[str]:
    """The runner-up with its counts, and the criterion by which the practice came before it."""
    if ranked is None or ranked.runner_up is None:
        yield "  runner-up      none"
        return
    first, second, months = ranked.winner, ranked.runner_up, ranked.window_months
    ours, theirs = ((one.visits_12m if months == 12 else one.visits_18m) for one in (first, second))
    counts = f"{second.visits_12m} in 12 months, {second.visits_18m} in 18, the last on {second.last_visit_date}"
    yield f"  runner-up      {second.practice_id}: {counts}"
    why = DECIDED_BY[ranked.decided_by or ""].format(
        first=first, second=second, months=months, ours=ours, theirs=theirs
    )
    yield f"  decided by     {why} ({ranked.decided_by})"


def _changed(explanation: Explanation) -> Iterator[str]:
    """Every change of the last 18 months, the latest first, each with its cause."""
    if explanation.changes is None:
        yield "  changes        not known from files: ask a worker's state"
        return
    if not explanation.changes:
        yield "  changes        none in 18 months"
    for one in explanation.changes:
        before = "first answer" if one.before_status is None else _stood(one.before_practice_id, one.before_step)
        after = _stood(one.after_practice_id, one.after_step) + ("" if one.after_practice_id else f" ({one.reason})")
        yield f"  changed        {one.as_of}, by {one.cause} {one.cause_position}: {before} -> {after}"


def _stood(practice: str | None, step: str | None) -> str:
    return f"{practice} ({step})" if practice else "not attributed"


def _provider(answer: Attribution) -> str:
    if answer.provider_npi:
        return f"provider {answer.provider_npi}"
    return "no provider (none of those seen is active there)" if answer.reason == "provider_inactive" else "no provider"


def _future(answer: Attribution) -> Iterator[str]:
    if answer.secure_until is None:
        yield "  holds          until something new is known"
        return
    why = REASONS.get(answer.drop_reason or "", answer.drop_reason)
    then = answer.next_practice_id or "no practice"
    yield f"  holds until    {answer.secure_until}, then {then}: {why} ({answer.drop_reason})"
    if answer.visits_needed:
        visits = "a visit" if answer.visits_needed == 1 else f"{answer.visits_needed} visits on different days"
        yield f"  to keep them   {visits} before {answer.secure_until}"
    else:
        yield "  to keep them   no visit would"


def _alerted(alert: Alert | None) -> Iterator[str]:
    if alert is None:
        yield "  alert          none open"
        return
    panel = f"; missing from the panel of {alert.next_panel_date}" if alert.next_panel_date else ""
    by = f", kept on it by a visit up to {alert.panel_visit_by}" if alert.panel_visit_by else ""
    shadow = " by the common rule, which is not the plan's" if alert.shadow else ""
    yield f"  alert          open, within {alert.horizon_days} days: {alert.reason}{shadow}{panel}{by}"
