"""Dispensings and clinical records: kept whole, version by version, though attribution does not read them."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

from schemas.records import Clinical, PharmacyClaim
from state import engine
from state.ledger.folding import CONFLICT, REPEATED_VERSION
from state.ledger.rows import Forward, History
from tests.cases import Case


def dispensed(number: str, frequency: str = "1", **changes: Any) -> PharmacyClaim:
    given: dict[str, Any] = {
        "payer": "acme",
        "member_id": "M",
        "payer_claim_control_number": number,
        "claim_frequency_code": frequency,
        "claim_status": "reversed" if frequency == "8" else "paid",
        "ndc_code": "00093721410",
        "dispensing_date": dt.date(2025, 5, 1),
        "days_supply": 30,
        "quantity": Decimal(30),
    }
    return PharmacyClaim(**{**given, **changes})


def charted(value: str, version: int = 1, **changes: Any) -> Clinical:
    given: dict[str, Any] = {
        "payer": "acme",
        "member_id": "M",
        "record_id": "R1",
        "record_version": version,
        "kind": "observation",
        "code_system": "LOINC",
        "code": "4548-4",
        "start": "2025-05-01",
        "value": Decimal(value),
    }
    return Clinical(**{**given, **changes})


def rows_of(*bodies: Any) -> set[frozenset[tuple[str, bytes]]]:
    """The cold rows over every order of arrival; the places in the input stay those of the facts as given."""
    found = set()
    for order in itertools.permutations(enumerate(bodies, 1)):
        one = Case()
        for offset, body in order:
            one.tell(body, event_id=f"v{offset}", offset=offset)
        found.add(frozenset((name, engine.encode_row(row)) for name, row in one.rows.items() if row is not None))
    return found


def test_versions_and_voids_of_a_dispensing_are_one_family_however_they_arrive() -> None:
    (kept,) = rows_of(
        dispensed("P2"), dispensed("P3", "7", original_claim_id="P2"), dispensed("P1", "8", original_claim_id="P3")
    )
    rows = {name: engine.decode_row(data) for name, data in kept}
    family = rows["pharmacy:P1"]
    assert isinstance(family, History)
    assert family.numbers == ["P1", "P2", "P3"]
    assert len(family.statements) == 3
    assert rows["pharmacy:P2"] == rows["pharmacy:P3"] == Forward("P1")


def test_a_dispensing_and_a_claim_of_one_number_are_two_things() -> None:
    one = Case()
    one.tell("2025-05-02 A")
    number = next(name for name in one.rows if name.startswith("claim:")).removeprefix("claim:")
    one.tell(dispensed(number, "8"))
    assert one.on("2025-06-30").practice_id == "A"
    assert {f"claim:{number}", f"pharmacy:{number}"} <= one.rows.keys()


def test_every_version_of_a_clinical_record_is_kept_and_a_repeated_one_is_refused() -> None:
    assert len(rows_of(charted("7.9"), charted("8.1", 2), charted("7.9"))) == 1
    one = Case()
    assert one.tell(charted("7.9")).refusal is None
    assert one.tell(charted("8.1", 2)).refusal is None
    assert one.tell(charted("9.1", 2)).refusal == REPEATED_VERSION
    history = one.rows["clinical:R1"]
    assert sorted(str(said.body.value) for said in history.statements) == ["7.9", "8.1", "9.1"]


def test_an_event_id_with_other_content_is_refused() -> None:
    one = Case()
    assert one.tell(charted("7.9"), event_id="x", offset=1).refusal is None
    assert one.tell(charted("8.1", 2), event_id="x", offset=2).refusal == CONFLICT
    assert one.tell(dispensed("P1"), event_id="x", offset=3).refusal == CONFLICT


def test_whoever_is_known_by_nothing_else_is_answered_and_an_answer_does_not_change() -> None:
    for fact in (charted("7.9"), dispensed("P1")):
        one = Case(covered=False)
        assert one.tell(fact).changed
        one.advance("2025-06-30")
        assert one.on("2025-06-30").reason == "not_yet_effective"
    one = Case()
    one.advance("2025-06-30")
    assert not one.tell(charted("7.9")).changed
    assert not one.tell(dispensed("P1")).changed
