"""One fact into one member: what is new, what is known, what contradicts. Source: attribution.md 2.5, design.md law 2."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Literal

import msgspec

from schemas.records import (
    AttributionDecision,
    AttributionRequest,
    Claim,
    Clinical,
    Enrollment,
    MemberFact,
    PcpSelection,
    PharmacyClaim,
    PlanAttribution,
    Position,
    PracticeResult,
)
from state.attribution.standing import timeline
from state.calendar import FOREVER, Day, add_months, from_date, from_end, month_named
from state.ledger import claims
from state.ledger.member import (
    NOTHING,
    Derived,
    Member,
    PlanEntry,
    Request,
    Selection,
    Span,
    contribute,
    contributed,
    withdraw,
)
from state.ledger.rows import (
    Forward,
    History,
    KnownId,
    Row,
    Sighting,
    Statement,
    content,
    digest,
    newest,
    standing,
    take,
)
from state.reference.knowledge import Knowledge

Rows = MutableMapping[str, Row | None]
FactKind = Literal[
    "claim",
    "pharmacy_claim",
    "clinical",
    "enrollment",
    "pcp_selection",
    "plan_attribution",
    "attribution_request",
    "attribution_decision",
    "practice_result",
]
CAUSE_OF_FACT: Mapping[FactKind, str] = {
    "claim": "claim",
    "pharmacy_claim": "pharmacy_claim",
    "clinical": "clinical",
    "enrollment": "enrollment",
    "pcp_selection": "selection",
    "plan_attribution": "plan_list",
    "attribution_request": "request",
    "attribution_decision": "decision",
    "practice_result": "practice_result",
}


Unread = PharmacyClaim | Clinical | PracticeResult
"""The facts that attribution does not read."""
_GENDERS: Mapping[str, Literal["F", "M"]] = {"F": "F", "FEMALE": "F", "M": "M", "MALE": "M"}
_FAMILY: Mapping[type, str] = {Claim: "claim", PharmacyClaim: "pharmacy"}
"""The facts that come in families of control numbers, and under which name the rows of each stand."""


class Fact(msgspec.Struct, frozen=True):
    """What an envelope brings. `given_id`: the event id is the source's own."""

    kind: FactKind
    event_id: str
    position: Position
    accepted_at: dt.datetime
    body: MemberFact
    given_id: bool


class Refusal(msgspec.Struct, frozen=True):
    """Why something is refused, for a person to act on; no member data."""

    reason: str
    field: str | None
    message: str


class Folded(msgspec.Struct, frozen=True):
    """What became of a fact. `changed`: the member's answer may be another, from the day `since` on; `stored`: cold rows to write.

    `new`: nothing known said the same.
    """

    changed: bool
    cause: str
    refusal: Refusal | None = None
    stored: frozenset[str] = frozenset()
    since: Day = 0
    new: bool = False


CONFLICT = Refusal(
    "event_id_conflict",
    "event_id",
    "this event id was accepted with other content: send the new content under a new event id or a higher version.",
)
PROGRAM_CONFLICT = Refusal(
    "event_id_conflict",
    "event_id",
    "a reference record of this event id was accepted with other content: send the new content under a new event id.",
)
"""Of a record that is about no member; it has no versions."""
REPEATED_VERSION = Refusal(
    "version_conflict",
    None,
    "this version was accepted with other content, and the one that came first in the input stands: send the new content under a "
    "higher version.",
)
PLAN_LIST_CONFLICT = Refusal(
    "plan_list_conflict",
    "practice_id",
    "one list version gives the member to two practices in one month, and the one that came first in the input stands: send the right "
    "one under a higher list_version.",
)
UNKNOWN_PRACTICE = Refusal(
    "unknown_practice",
    "practice_id",
    "the plan's list names a practice that neither the roster nor a practice record knows in that month: correct practice_id under "
    "a higher list_version, or send the practice; the entry is kept and takes effect when the practice becomes known.",
)
DECISION_WITHOUT_REQUEST = Refusal(
    "decision_without_request",
    "effective_from",
    "no request of this practice_id, request and effective_from is known: send it, or correct the decision; the decision is kept and "
    "takes effect when its request arrives.",
)


def row_names(fact: Fact) -> tuple[str, ...]:
    """The cold rows a fact needs first."""
    body = fact.body
    names: tuple[str, ...]
    match body:
        case Claim() | PharmacyClaim():
            numbers = dict.fromkeys(
                (body.payer_claim_control_number, body.original_claim_id or body.payer_claim_control_number)
            )
            names = tuple(f"{_FAMILY[type(body)]}:{number}" for number in numbers)
        case Clinical():
            names = (f"clinical:{body.record_id}",)
        case PracticeResult():
            names = (f"result:{body.result_id}",)
        case Enrollment():
            names = (f"span:{body.span_id}",)
        case PcpSelection():
            names = (f"selection:{body.selection_id}",)
        case PlanAttribution():
            names = (f"plan:{month_named(body.attribution_month)}",)
        case AttributionRequest() | AttributionDecision():
            names = (f"request:{body.request}:{body.effective_from}:{body.practice_id}",)
    return (*names, f"id:{fact.event_id}") if fact.given_id else names


def rows_missing(fact: Fact, rows: Mapping[str, Row | None]) -> tuple[str, ...]:
    """The names still to be read: a control number may point on to where its family stands."""
    wanted = list(row_names(fact))
    missing = [name for name in wanted if name not in rows]
    for name in wanted:
        row = rows.get(name)
        if isinstance(row, Forward):
            place = f"{name.partition(':')[0]}:{row.number}"
            if place not in rows:
                missing.append(place)
            elif place not in wanted:
                wanted.append(place)
    return tuple(dict.fromkeys(missing))


def fold(member: Member, rows: Rows, fact: Fact, knowledge: Knowledge) -> Folded:
    """Take a fact into a member. Known facts change nothing; an id that is known with other content is refused.

    Within one claim family, span or selection the content that came first in the input has the id, in whatever order the two
    arrive. Across them the order of arrival decides.
    """
    cause = CAUSE_OF_FACT[fact.kind]
    said = content(fact.body)
    sighting = Sighting(fact.event_id, fact.position, fact.body.occurred_at)
    stored: set[str] = set()
    if fact.given_id:
        home = row_names(fact)[0]
        known = rows.get(f"id:{fact.event_id}")
        if isinstance(known, KnownId) and known.row != home:
            return Folded(changed=False, cause=cause, refusal=CONFLICT)
        if known is None:
            rows[f"id:{fact.event_id}"] = KnownId(home)
            stored.add(f"id:{fact.event_id}")
    if isinstance(said, Claim):
        return _fold_claim(member, rows, said, sighting, knowledge, stored)
    if isinstance(said, Unread):
        return _fold_unread(member, rows, fact, said, sighting, stored)
    kept, put, doubt = _KEPT[type(said)]
    place, history = _history(rows, row_names(fact)[0])
    before, contents = getattr(member, kept), len(history.statements)
    refused, took = _take(history, said, sighting)
    refusal = CONFLICT if refused else None
    if took:
        put(member, history)
        stored.add(place)
        refusal = refusal or doubt(history, said, knowledge)
    changed, new = before != getattr(member, kept), len(history.statements) > contents
    return Folded(changed, cause, refusal, frozenset(stored), new=new)


def rederive(member: Member, rows: Mapping[str, Row | None], knowledge: Knowledge) -> None:
    """What was pruned or depends on code lists again from the cold rows: the member's lines, and the entries of plans' lists."""
    member.care, member.hospice = [], []
    for row in rows.values():
        if isinstance(row, History) and row.is_claim:
            contribute(member, claims.derive(row, knowledge))
        elif isinstance(row, History) and isinstance(row.statements[0].body, PlanAttribution):
            _put_plan_entry(member, row)


def _fold_claim(
    member: Member, rows: Rows, said: Claim, sighting: Sighting, knowledge: Knowledge, stored: set[str]
) -> Folded:
    number, refusal, new = said.payer_claim_control_number, None, True
    homes: set[str] = {number}
    histories: list[History] = []
    if said.original_claim_id in {None, number} and rows.get(f"claim:{number}") is None:
        # Most claims are the first of their family and the last, so that there is nothing to look for.
        merged = rows[f"claim:{number}"] = History([Statement(digest(said), said, [sighting])], [number])
        stored.add(f"claim:{number}")
    else:
        homes, histories, merged = _family(rows, said)
        contents = len(merged.statements)
        refused, took = _take(merged, said, sighting)
        new = len(merged.statements) > contents
        refusal = CONFLICT if refused else None
        if not took and len(histories) == 1 and histories[0].numbers == merged.numbers:
            return Folded(changed=False, cause="claim", refusal=refusal, stored=frozenset(stored))
        stored |= _put_family(rows, merged, "claim")
    derived = claims.derive(merged, knowledge)
    before = contributed(member, homes) if histories else NOTHING
    if derived != before:
        if before != NOTHING:
            withdraw(member, homes)
        contribute(member, derived)
    if knowledge.frozen and knowledge.needs_history():
        # What is no candidate by the code lists in force may be one by those of a frozen list.
        return Folded(changed=True, cause="claim", refusal=refusal, stored=frozenset(stored), new=new)
    # Whoever is known is answered, also one of whom nothing but a claim that is no evidence is known.
    first = member.said is None and not histories
    changed = first or (derived != before and (member.said is None or _is_evidence(derived, before, knowledge)))
    since = _first_day(derived, before) if changed else 0
    return Folded(changed=changed, cause="claim", refusal=refusal, stored=frozenset(stored), since=since, new=new)


def _fold_unread(member: Member, rows: Rows, fact: Fact, said: Unread, sighting: Sighting, stored: set[str]) -> Folded:
    """Keep a fact that attribution does not read. Whoever is known by nothing else is answered all the same."""
    cause = CAUSE_OF_FACT[fact.kind]
    first = member.said is None
    if not isinstance(said, PharmacyClaim):
        place, history = _history(rows, row_names(fact)[0])
        contents = len(history.statements)
        refused, took = _take(history, said, sighting)
        new = len(history.statements) > contents
        if took:
            stored.add(place)
        version = "record_version" if isinstance(said, Clinical) else "result_version"
        repeated = took and len(_said_under(history, said, version)) > 1
        refusal = CONFLICT if refused else REPEATED_VERSION if repeated else None
        return Folded(changed=first, cause=cause, refusal=refusal, stored=frozenset(stored), new=new)
    _, histories, merged = _family(rows, said)
    contents = len(merged.statements)
    refused, took = _take(merged, said, sighting)
    refusal, new = CONFLICT if refused else None, len(merged.statements) > contents
    if took or len(histories) != 1 or histories[0].numbers != merged.numbers:
        stored |= _put_family(rows, merged, "pharmacy")
    return Folded(changed=first, cause=cause, refusal=refusal, stored=frozenset(stored), new=new)


def _family(rows: Rows, said: Claim | PharmacyClaim) -> tuple[set[str], list[History], History]:
    """The numbers at which the families of a claim or dispensing stand, these families, and the one they are with it."""
    prefix = _FAMILY[type(said)]
    numbers = {said.payer_claim_control_number, said.original_claim_id or said.payer_claim_control_number}
    homes = {_home(rows, number, prefix) for number in numbers}
    histories = [row for home in homes if isinstance(row := rows.get(f"{prefix}:{home}"), History)]
    return homes, histories, _together(histories, numbers)


def _first_day(derived: Derived, before: Derived) -> Day:
    """The first day on which what a family contributes matters, now or before."""
    lines = (line.day for some in (derived, before) for _, line in some.lines)
    return min((*lines, *(stay.start for some in (derived, before) for stay in some.hospice)), default=0)


def _is_evidence(derived: Derived, before: Derived, knowledge: Knowledge) -> bool:
    """Whether anything of what a family contributes, or did, is evidence under what is known: a specialist's visit is not."""
    lines = (*derived.lines, *before.lines, *derived.retracted, *before.retracted)
    return derived.hospice != before.hospice or any(
        timeline(setting, knowledge).at(line.day) is not None for setting, line in lines
    )


def _together(histories: Sequence[History], numbers: set[str]) -> History:
    """One family of some families and control numbers that a claim has linked."""
    together = History([], sorted(numbers.union(*(history.numbers for history in histories))))
    for history in histories:
        together.statements.extend(history.statements)
    together.statements.sort(key=lambda statement: statement.digest)
    return together


def _put_family(rows: Rows, family: History, prefix: str) -> set[str]:
    """Put a family at its lowest number, and pointers to it at the others; the names of the rows that are new."""
    root = family.numbers[0]
    rows[f"{prefix}:{root}"] = family
    put = {f"{prefix}:{root}"}
    for number in family.numbers[1:]:
        if rows.get(f"{prefix}:{number}") != Forward(root):
            rows[f"{prefix}:{number}"] = Forward(root)
            put.add(f"{prefix}:{number}")
    return put


def _home(rows: Mapping[str, Row | None], number: str, prefix: str) -> str:
    row = rows.get(f"{prefix}:{number}")
    while isinstance(row, Forward):
        number = row.number
        row = rows.get(f"{prefix}:{number}")
    return number


def _history(rows: Rows, name: str) -> tuple[str, History]:
    row = rows.get(name)
    if not isinstance(row, History):
        row = rows[name] = History([])
    return name, row


def _take(history: History, said: MemberFact, sighting: Sighting) -> tuple[bool, bool]:
    """(whether this event's id is known with other content, whether anything was added)."""
    took = take(history, said, sighting)
    if len(history.statements) == 1:
        return False, took
    holding = {statement.digest for statement in standing(history.statements)}
    same_id = [s for s in history.statements if any(seen.event_id == sighting.event_id for seen in s.sightings)]
    return len(same_id) > 1 and (took or digest(said) not in holding), took


def _said_under(history: History, said: Any, version: str) -> list[Any]:
    """Everything known under the version of what was just said."""
    number = getattr(said, version)
    return [one.body for one in history.statements if getattr(one.body, version) == number]


def _repeated_span(history: History, said: Enrollment, knowledge: Knowledge) -> Refusal | None:  # noqa: ARG001 - asked alike of all kinds
    return REPEATED_VERSION if len(_said_under(history, said, "span_version")) > 1 else None


def _repeated_selection(history: History, said: PcpSelection, knowledge: Knowledge) -> Refusal | None:  # noqa: ARG001 - as above
    return REPEATED_VERSION if len(_said_under(history, said, "selection_version")) > 1 else None


def _doubtful_entry(history: History, said: PlanAttribution, knowledge: Knowledge) -> Refusal | None:
    """Two practices for one member, month and list version; the version twice; a practice nobody knows. Source: attribution.md 2.9."""
    known = _said_under(history, said, "list_version")
    if len({one.practice_id for one in known}) > 1:
        return PLAN_LIST_CONFLICT
    if len(known) > 1:
        return REPEATED_VERSION
    next_month = add_months(month_named(said.attribution_month), 1)
    return UNKNOWN_PRACTICE if knowledge.roster.known_since(said.practice_id) >= next_month else None


def _waiting_decision(
    history: History,
    said: AttributionRequest | AttributionDecision,
    knowledge: Knowledge,  # noqa: ARG001 - as above
) -> Refusal | None:
    asked = any(isinstance(one.body, AttributionRequest) for one in history.statements)
    return None if asked or isinstance(said, AttributionRequest) else DECISION_WITHOUT_REQUEST


def put_span(member: Member, history: History) -> None:
    """Keep what the newest version of a span says."""
    statement = newest(history, "span_version")
    body = statement.body
    assert isinstance(body, Enrollment)  # noqa: S101 - a span's history holds enrollments
    start = from_date(body.enrollment_start_date)
    end = FOREVER if body.enrollment_end_date is None else min(from_date(body.enrollment_end_date) + 1, FOREVER)
    if body.coverage is not None and not body.coverage.medical:
        # What pays drugs, teeth or eyes alone pays no primary care, so that it covers no day (attribution.md 2.6 step 0, "covered").
        # A span that does not say which benefits it has is taken to cover them all.
        end = start
    span = Span(
        body.span_id,
        start,
        end,
        body.product,
        None if body.death_date is None else from_date(body.death_date),
        statement.first.occurred_at,
        statement.first.position,
        from_date(body.birth_date),
        _GENDERS.get(body.gender.upper(), "U"),
    )
    member.spans = sorted(
        [*(one for one in member.spans if one.span_id != span.span_id), span], key=lambda one: one.span_id
    )


def put_selection(member: Member, history: History) -> None:
    """Keep what the newest version of a selection says."""
    statement = newest(history, "selection_version")
    body = statement.body
    assert isinstance(body, PcpSelection)  # noqa: S101 - a selection's history holds selections
    selection = Selection(
        body.selection_id,
        body.pcp_npi,
        body.practice_id,
        body.pcp_tin,
        body.selection_source,
        from_date(body.effective_from),
        from_end(body.effective_to),
        statement.first.position,
    )
    others = [one for one in member.selections if one.selection_id != selection.selection_id]
    member.selections = sorted([*others, selection], key=lambda one: one.selection_id)


def _put_plan_entry(member: Member, history: History) -> None:
    body = newest(history, "list_version").body
    assert isinstance(body, PlanAttribution)  # noqa: S101 - a month's history holds entries of lists
    entry = PlanEntry(month_named(body.attribution_month), body.list_version, body.practice_id, body.npi)
    others = [one for one in member.plan_entries if one.month != entry.month]
    member.plan_entries = sorted([*others, entry], key=lambda one: one.month)


def _put_request(member: Member, history: History) -> None:
    """A request with its decision: of each, without a version, the last in the input stands."""
    statements = sorted(standing(history.statements), key=lambda one: one.first.position)
    asked = [one for one in statements if isinstance(one.body, AttributionRequest)]
    decided = [one for one in statements if isinstance(one.body, AttributionDecision)]
    last = (decided or asked)[-1]
    body: Any = last.body
    ends: list[Day] = [
        from_end(one.body.effective_to)  # type: ignore[union-attr]
        for one in (*decided[-1:], *asked[-1:])
        if one.body.effective_to is not None  # type: ignore[union-attr]
    ]
    request = Request(
        body.practice_id,
        body.request,
        from_date(body.effective_from),
        ends[0] if ends else None,
        from_date(asked[-1].body.due_date) if asked else None,  # type: ignore[union-attr]
        body.decision if decided else None,
        last.first.position,
    )
    others = [one for one in member.requests if _identity(one) != _identity(request)]
    member.requests = sorted([*others, request], key=_identity)


def _identity(request: Request) -> tuple[Day, str, str]:
    return request.start, request.practice_id, request.request


_KEPT: Mapping[
    type, tuple[str, Callable[[Member, History], None], Callable[[History, Any, Knowledge], Refusal | None]]
] = {
    Enrollment: ("spans", put_span, _repeated_span),
    PcpSelection: ("selections", put_selection, _repeated_selection),
    PlanAttribution: ("plan_entries", _put_plan_entry, _doubtful_entry),
    AttributionRequest: ("requests", _put_request, _waiting_decision),
    AttributionDecision: ("requests", _put_request, _waiting_decision),
}
"""Where what a kind of fact says is kept in a member, how, and what may be doubtful about it."""
