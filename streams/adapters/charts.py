"""Rows of charts, laboratories and registries as clinical records: whose they are, what was found, and where the row stands."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from streams.adapters.left_out import LeftOut, Place
from streams.adapters.sources import Event, Row, accepted, without_nulls

MOST_DIGITS, MOST_DECIMALS = 12, 6
"""What a number of the service may have."""
_NUMBER = re.compile(r"(?P<bound>[<>]=?)?\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+))")


class Membership(NamedTuple):
    """A person as a member of a payer, and the day on which the payer first hears of them."""

    payer: str
    member_id: str
    since: dt.date


People = Mapping[str, tuple[Membership, ...]]
"""The memberships of each person of a source: a person of several payers is a member of each, with all facts (as docs/fhir.md has it)."""


def records(
    row: Row, people: People, person: str, known: dt.date, left_out: LeftOut, facts: Event, source: str
) -> Iterator[Event]:
    """One record for each membership of a person, each first version; none, and noted, where the source knows no such member.

    Accepted on the day of the fact, or on that of the membership where the fact is older: history comes with the member.
    """
    memberships = people.get(person, ())
    if not memberships:
        note(left_out, row, "is about a person who is nobody's member in the input: not read")
    for one in memberships:
        yield without_nulls(
            {
                "event_type": "clinical",
                "payer": one.payer,
                "member_id": one.member_id,
                "record_version": 1,
                **facts,
                "source_system": source,
                "source_file": row.file,
                "source_row": row.number,
                "accepted_at": accepted(max(known, one.since)),
            }
        )


def result(row: Row, text: str, left_out: LeftOut) -> Event:
    """What a test gave, as `value` or `value_code`; nothing where nothing stands.

    A number, with its bound (`<5`) as `comparator|<`, rounded to the six decimals that the service keeps; any other text as `text|...`.
    """
    if not text:
        return {}
    found = _NUMBER.fullmatch(text)
    if found is None:
        return {"value_code": f"text|{text}"}
    value = Decimal(found["number"])
    if abs(value) >= Decimal(10) ** MOST_DIGITS:
        note(left_out, row, f"the result has more than {MOST_DIGITS} digits: it is told as text")
        return {"value_code": f"text|{text}"}
    rounded = value.quantize(Decimal(1).scaleb(-MOST_DECIMALS))
    if rounded != value:
        note(left_out, row, f"the result has more than {MOST_DECIMALS} decimals: it is rounded to {MOST_DECIMALS}")
    said: Event = {"value": f"{rounded.normalize():f}"}
    return said | {"value_code": f"comparator|{found['bound']}"} if found["bound"] else said


def note(left_out: LeftOut, row: Row, reason: str) -> None:
    """Note what of a row is not in the event file, or not as it stands there."""
    left_out.add(row.file, reason, Place(row.file, row.number))
