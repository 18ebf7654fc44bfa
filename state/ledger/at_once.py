"""Facts of a member by who has all of them at hand: most share nothing with any other, and for these nothing needs to be looked up.

`fold` looks for what is known already, and remembers what the next fact may have to be told from. Where it is certain that no other
fact comes to the same rows, both are left out; the member is the same, and nothing is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.records import Claim, Clinical, MemberFact, PharmacyClaim, Position
from state.ledger.claims import derive_alone
from state.ledger.folding import Rows
from state.ledger.member import Member, contribute
from state.ledger.rows import History, KnownId, Sighting, Statement
from state.reference.knowledge import Knowledge


def rows_alone(facts: Sequence[MemberFact]) -> list[tuple[str, ...] | None]:
    """Of each of the facts of a member, which are all that there are, the rows to which it alone comes; None where it shares one."""
    every = [_rows(fact) for fact in facts]
    times: dict[str, int] = {}
    for names in every:
        for name in names:
            times[name] = times.get(name, 0) + 1
    return [
        names if _is_single(fact) and all(times[name] == 1 for name in names) else None
        for fact, names in zip(facts, every, strict=True)
    ]


def fold_alone(
    member: Member, rows: Rows, said: MemberFact, names: Iterable[str], position: Position, knowledge: Knowledge
) -> None:
    """As `fold` of a fact that alone comes to some rows. They lack the marks of which other facts are told, and are not to be stored."""
    row, *event_id = names
    for name in event_id:
        rows[name] = KnownId(row)
    numbers = [said.payer_claim_control_number] if isinstance(said, Claim | PharmacyClaim) else []
    rows[row] = History([Statement(b"", said, [Sighting("", position, said.occurred_at)])], numbers)
    if isinstance(said, Claim):
        contribute(member, derive_alone(said, knowledge))


def _is_single(fact: MemberFact) -> bool:
    """Whether a fact is of a kind of which each has a row of its own, unless another says so."""
    match fact:
        case Claim() | PharmacyClaim():
            return fact.original_claim_id in {None, fact.payer_claim_control_number}
        case _:
            return isinstance(fact, Clinical)


def _rows(fact: MemberFact) -> tuple[str, ...]:
    """The rows to which a fact comes that could be single, and that of its event id where the source gave one."""
    names: tuple[str, ...] = ()
    match fact:
        case Claim() | PharmacyClaim():
            prefix = "claim" if isinstance(fact, Claim) else "pharmacy"
            names = (f"{prefix}:{fact.payer_claim_control_number}",)
            if fact.original_claim_id not in {None, fact.payer_claim_control_number}:
                names = (*names, f"{prefix}:{fact.original_claim_id}")
        case Clinical():
            names = (f"clinical:{fact.record_id}",)
    return names if fact.event_id is None else (*names, f"id:{fact.event_id}")
