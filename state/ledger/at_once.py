"""Facts of a member by who has all of them at hand: most share nothing with any other, and for these nothing needs to be looked up.

`fold` looks for what is known already, and remembers what the next fact may have to be told from. Where it is certain that no other
fact comes to the same rows, both are left out; the member is the same, and nothing is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.records import Claim, Clinical, Enrollment, MemberFact, PcpSelection, PharmacyClaim, Position
from state.ledger.claims import derive_alone
from state.ledger.folding import Rows, put_selection, put_span
from state.ledger.member import Member, contribute
from state.ledger.rows import History, KnownId, Sighting, Statement
from state.reference.knowledge import Knowledge

_NAMED_BY: Mapping[type, tuple[str, str]] = {
    Claim: ("claim", "payer_claim_control_number"),
    PharmacyClaim: ("pharmacy", "payer_claim_control_number"),
    Clinical: ("clinical", "record_id"),
    Enrollment: ("span", "span_id"),
    PcpSelection: ("selection", "selection_id"),
}
"""The facts of which each has a row of its own unless another says so: what its name begins with, and which field ends it."""


def rows_alone(facts: Sequence[MemberFact]) -> list[tuple[str, ...] | None]:
    """Of each of the facts of a member, which are all that there are, the rows to which it alone comes; None where it shares one."""
    every = [_rows(fact) for fact in facts]
    times: dict[str, int] = {}
    for names in every:
        for name in names:
            times[name] = times.get(name, 0) + 1
    return [
        None if type(fact) not in _NAMED_BY or any(times[name] > 1 for name in names) or _is_linked(fact) else names
        for fact, names in zip(facts, every, strict=True)
    ]


def fold_alone(
    member: Member, rows: Rows, said: MemberFact, names: Iterable[str], position: Position, knowledge: Knowledge
) -> None:
    """As `fold` of a fact that alone comes to some rows. They lack the marks of which other facts are told, and are not to be stored."""
    row, *event_id = names
    for name in event_id:
        rows[name] = KnownId(row)
    history = rows[row] = History([Statement(b"", said, [Sighting("", position, said.occurred_at)])])
    match said:
        case Claim():
            history.numbers = [said.payer_claim_control_number]
            contribute(member, derive_alone(said, knowledge))
        case PharmacyClaim():
            history.numbers = [said.payer_claim_control_number]
        case Enrollment():
            put_span(member, history)
        case PcpSelection():
            put_selection(member, history)


def _is_linked(fact: MemberFact) -> bool:
    """Whether a fact brings two control numbers together."""
    if not isinstance(fact, Claim | PharmacyClaim):
        return False
    replaced = fact.original_claim_id
    return replaced is not None and replaced != fact.payer_claim_control_number


def _rows(fact: MemberFact) -> tuple[str, ...]:
    """The rows to which a fact comes that could be alone there, and that of its event id where the source gave one."""
    names: tuple[str, ...] = ()
    named = _NAMED_BY.get(type(fact))
    if named is not None:
        names = (f"{named[0]}:{getattr(fact, named[1])}",)
        if _is_linked(fact):
            names = (*names, f"{named[0]}:{fact.original_claim_id}")  # type: ignore[union-attr]  # only claims are linked
    return names if fact.event_id is None else (*names, f"id:{fact.event_id}")
