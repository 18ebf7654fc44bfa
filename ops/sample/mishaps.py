"""What goes wrong with a claim on its way: the events of a bad day, and records that are simply broken."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from ops.sample.community import Plan

Event = dict[str, object]


@dataclass(frozen=True)
class Filing:
    """One claim as it is sent: to whom, for whom, under which numbers, and when its first version is accepted (UTC)."""

    plan: Plan
    member_id: str
    control_number: str
    claim_id: str
    accepted_at: dt.datetime
    claim: Event

    def version(
        self,
        number: int,
        *,
        accepted_at: dt.datetime,
        adjudicated_at: dt.datetime | None = None,
        frequency: str = "1",
        status: str = "paid",
        new_number: bool = False,
        **changes: object,
    ) -> Event:
        """One version of the claim. A replacement or void names the number it replaces; adjudicated a day before."""
        adjudicated = (adjudicated_at or accepted_at) - dt.timedelta(days=1)
        event: Event = {
            "event_type": "claim",
            "payer": self.plan.payer,
            "member_id": self.member_id,
            "payer_claim_control_number": self.control_number + ("R" if new_number else ""),
            "claim_id": self.claim_id + ("R" if new_number else ""),
            "claim_frequency_code": frequency,
            "claim_status": status,
            **self.claim,
            **changes,
            "source_system": self.plan.payer,
            "accepted_at": moment(accepted_at),
        }
        if frequency != "1":
            event["original_claim_id"] = self.control_number
        if "claim_version" in self.plan.sends:
            event["claim_version"] = number
        if "adjudicated_at" in self.plan.sends:
            event["adjudicated_at"] = moment(adjudicated)
            if status == "paid":
                event["paid_date"] = adjudicated.date().isoformat()
        return event


def moment(when: dt.datetime) -> str:
    """A time in UTC to the second, RFC 3339: as text these sort by time."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def sent(rng: Random, filing: Filing, *, encounter_only: bool) -> Iterator[Event]:
    """All versions of a claim that its payer sends, not always in order: mostly one, else the fate of `FATES` it meets.

    `encounter_only` is for members of capitated products: accepted at zero instead of paid.
    """
    if encounter_only:
        yield filing.version(1, accepted_at=filing.accepted_at, status="encounter_accepted", lines=_unpaid(filing))
        return
    draw = rng.random()
    for share, fate in FATES:
        draw -= share
        if draw < 0:
            yield from fate(rng, filing)
            return
    yield filing.version(1, accepted_at=filing.accepted_at)


def _later(rng: Random, filing: Filing) -> dt.datetime:
    return filing.accepted_at + dt.timedelta(days=rng.randint(3, 45), seconds=rng.randint(0, 40_000))


def _sent_twice(_: Random, filing: Filing) -> Iterator[Event]:
    event = filing.version(1, accepted_at=filing.accepted_at)
    yield event
    yield event


def _sent_again(rng: Random, filing: Filing) -> Iterator[Event]:
    event = filing.version(1, accepted_at=filing.accepted_at)
    yield event
    yield event | {"accepted_at": moment(_later(rng, filing))}


def _replaced(rng: Random, filing: Filing) -> Iterator[Event]:
    yield filing.version(1, accepted_at=filing.accepted_at)
    later = _later(rng, filing)
    yield filing.version(2, accepted_at=later, frequency="7", lines=_corrected(rng, filing))


def _replaced_under_new_number(rng: Random, filing: Filing) -> Iterator[Event]:
    yield filing.version(1, accepted_at=filing.accepted_at)
    later = _later(rng, filing)
    yield filing.version(2, accepted_at=later, frequency="7", new_number=True, lines=_corrected(rng, filing))


def _replacement_first(rng: Random, filing: Filing) -> Iterator[Event]:
    later = _later(rng, filing)
    lines = _corrected(rng, filing)
    yield filing.version(
        2, accepted_at=filing.accepted_at, adjudicated_at=later, frequency="7", new_number=True, lines=lines
    )
    yield filing.version(1, accepted_at=later, adjudicated_at=filing.accepted_at)


def _voided(rng: Random, filing: Filing) -> Iterator[Event]:
    yield filing.version(1, accepted_at=filing.accepted_at)
    yield filing.version(2, accepted_at=_later(rng, filing), frequency="8", status="reversed")


def _void_first(rng: Random, filing: Filing) -> Iterator[Event]:
    later = _later(rng, filing)
    yield filing.version(2, accepted_at=filing.accepted_at, adjudicated_at=later, frequency="8", status="reversed")
    yield filing.version(1, accepted_at=later, adjudicated_at=filing.accepted_at)


def _denied(_: Random, filing: Filing) -> Iterator[Event]:
    yield filing.version(1, accepted_at=filing.accepted_at, status="denied", lines=_unpaid(filing))


def _denied_then_paid(rng: Random, filing: Filing) -> Iterator[Event]:
    yield from _denied(rng, filing)
    yield filing.version(2, accepted_at=_later(rng, filing), frequency="7")


def _pending_then_paid(rng: Random, filing: Filing) -> Iterator[Event]:
    yield filing.version(1, accepted_at=filing.accepted_at, status="pending", lines=_unpaid(filing))
    yield filing.version(2, accepted_at=_later(rng, filing), frequency="7")


def _first_line_denied(_: Random, filing: Filing) -> Iterator[Event]:
    first, *others = _lines(filing)
    denied = first | {"line_status": "denied", "paid_amount": "0.00"}
    paid = [line | {"line_status": "paid"} for line in others]
    yield filing.version(1, accepted_at=filing.accepted_at, lines=[denied, *paid])


FATES: tuple[tuple[float, Callable[[Random, Filing], Iterator[Event]]], ...] = (
    (0.005, _sent_twice),
    (0.010, _sent_again),
    (0.012, _replaced),
    (0.012, _replaced_under_new_number),
    (0.003, _replacement_first),
    (0.010, _voided),
    (0.003, _void_first),
    (0.012, _denied),
    (0.015, _denied_then_paid),
    (0.006, _pending_then_paid),
    (0.008, _first_line_denied),
)
"""Shares of claims; the rest is paid once and stays. Assumed."""


def _lines(filing: Filing) -> list[Event]:
    return cast("list[Event]", filing.claim["lines"])


def _unpaid(filing: Filing) -> list[Event]:
    return [line | {"paid_amount": "0.00"} for line in _lines(filing)]


def _corrected(rng: Random, filing: Filing) -> list[Event]:
    """The lines as a replacement corrects them: another level, a day earlier, or only one line left."""
    first, *others = _lines(filing)
    match rng.randrange(3):
        case 0 if first.get("hcpcs_code") == "99213":
            return [first | {"hcpcs_code": "99214", "allowed_amount": "158.00", "paid_amount": "126.40"}, *others]
        case 1 if "revenue_center_code" not in first:
            earlier = _day(first, "claim_line_start_date") - dt.timedelta(days=1)
            dates = {"claim_line_start_date": earlier.isoformat(), "claim_line_end_date": earlier.isoformat()}
            return [line | dates for line in (first, *others)]
        case _:
            return [first]


def _day(line: Event, key: str) -> dt.date:
    return dt.date.fromisoformat(str(line[key]))


def broken(rng: Random, event: Event) -> Event:
    """A copy of an event with one mistake that makes it malformed, and nothing that says so."""
    copied = copy.deepcopy(event)
    rng.choice(WAYS_TO_BREAK[str(event["event_type"])])(rng, copied)
    return copied


def _first_line(event: Event) -> Event:
    return cast("list[Event]", event["lines"])[0]


def _impossible_date(_: Random, event: Event) -> None:
    line = _first_line(event)
    line["claim_line_start_date"] = f"{str(line['claim_line_start_date'])[:4]}-02-30"


def _date_in_future(rng: Random, event: Event) -> None:
    accepted = dt.date.fromisoformat(str(event["accepted_at"])[:10])
    later = (accepted + dt.timedelta(days=rng.randint(30, 400))).isoformat()
    _first_line(event).update(claim_line_start_date=later, claim_line_end_date=later)


def _ends_before_start(rng: Random, event: Event) -> None:
    line = _first_line(event)
    start = _day(line, "claim_line_start_date")
    line["claim_line_end_date"] = (start - dt.timedelta(days=rng.randint(1, 60))).isoformat()


def _unknown_claim_type(rng: Random, event: Event) -> None:
    event["claim_type"] = rng.choice(("dental", "vision", "PROF"))


def _wrong_check_digit(rng: Random, event: Event) -> None:
    line = _first_line(event)
    holder, key = (line, "rendering_npi") if "rendering_npi" in line else (event, "billing_npi")
    npi = str(holder[key])
    holder[key] = npi[:-1] + str((int(npi[-1]) + rng.randint(1, 9)) % 10)


def _wrong_type(rng: Random, event: Event) -> None:
    match rng.randrange(4):
        case 0:
            _first_line(event)["claim_line_number"] = "one"
        case 1:
            _first_line(event)["allowed_amount"] = "112,00 USD"
        case 2:
            event["lines"] = _first_line(event)
        case _:
            event["member_id"] = int(str(event["member_id"]))


def _repeated_line_number(_: Random, event: Event) -> None:
    cast("list[Event]", event["lines"]).append(_first_line(event) | {"hcpcs_code": "36415"})


def _no_control_number(_: Random, event: Event) -> None:
    del event["payer_claim_control_number"]


def _span_ends_before_start(rng: Random, event: Event) -> None:
    start = _day(event, "enrollment_start_date")
    event["enrollment_end_date"] = (start - dt.timedelta(days=rng.randint(1, 300))).isoformat()
    event["maintenance_type_code"] = "021"


def _impossible_birth_date(_: Random, event: Event) -> None:
    event["birth_date"] = f"{str(event['birth_date'])[:4]}-13-01"


def _span_version_in_words(_: Random, event: Event) -> None:
    event["span_version"] = "first"


def _unknown_code_system(rng: Random, event: Event) -> None:
    event["code_system"] = rng.choice(("LAB", "local", "EPIC"))


def _malformed_code(_: Random, event: Event) -> None:
    event["code"] = "see note"


def _nothing_measured(_: Random, event: Event) -> None:
    """A blood pressure of zero: what devices send when nobody wore the cuff."""
    event.update(code_system="LOINC", code="8480-6", kind="observation", value="0", unit="mm[Hg]")


def _unknown_unit(_: Random, event: Event) -> None:
    event.update(code_system="LOINC", code="4548-4", kind="observation", value="41", unit="g/L")


def _slashed_date(_: Random, event: Event) -> None:
    year, month, day = str(event["start"]).split("-")
    event["start"] = f"{month}/{day}/{year}"


def _negative_supply(_: Random, event: Event) -> None:
    event["days_supply"] = -30


def _short_ndc(_: Random, event: Event) -> None:
    event["ndc_code"] = str(event["ndc_code"])[:6]


WAYS_TO_BREAK: dict[str, tuple[Callable[[Random, Event], None], ...]] = {
    "claim": (
        _impossible_date,
        _date_in_future,
        _ends_before_start,
        _unknown_claim_type,
        _wrong_check_digit,
        _wrong_type,
        _repeated_line_number,
        _no_control_number,
    ),
    "clinical": (_unknown_code_system, _malformed_code, _nothing_measured, _unknown_unit, _slashed_date),
    "enrollment": (_span_ends_before_start, _impossible_birth_date, _span_version_in_words),
    "pharmacy_claim": (_negative_supply, _short_ndc),
}
"""An NPI that fails its check digit is the mildest: a service may accept it and only say so."""
