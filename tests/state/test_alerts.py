"""Fall-off alerts: raised, changed, resolved, expired, withdrawn. Source: attribution.md 2.7."""

from __future__ import annotations

import datetime as dt
from typing import Any

from schemas.records import Alert, FeedManifest, PcpSelection, Position
from state import engine
from tests.builders import ACCEPTED, CODEC, answer, claim, knowledge, line, roster_row, span

A, B = "950000001", "950000002"
DAY = dt.timedelta(days=1)
KNOWN = knowledge(roster_row(), roster_row(npi="1245319599", practice="B", tin=B))


class Life:
    """A member lived forward: facts and ticks in order, with every alert event on the way."""

    def __init__(self, known: Any = KNOWN) -> None:
        self.known = known
        self.member: Any = engine.new_member("aetna", "1")
        self.rows: dict[str, Any] = {}
        self.events: list[Alert] = []
        self.current: dict[str, Alert | None] = {}
        self.due: dt.date | None = None
        self.place = 0
        self.day = dt.date(2020, 1, 1)

    def learn(self, day: dt.date, *facts: Any) -> Life:
        self.day = day
        for body in facts:
            self.place += 1
            kind = str(type(body).__struct_config__.tag)
            fact = engine.Fact(
                kind, CODEC.event_id_of(body), Position("f", 0, self.place), ACCEPTED, body, given_id=False
            )  # type: ignore[arg-type]
            while missing := engine.rows_missing(fact, self.rows):
                self.rows.update(dict.fromkeys(missing))
            if engine.fold(self.member, self.rows, fact, self.known).changed:
                self._advance({"pcp_selection": "selection"}.get(kind, kind))
        return self

    def until(self, day: dt.date) -> Life:
        while self.due is not None and self.due <= day:
            self.day = self.due
            self._advance("tick")
        self.day = day
        return self

    def _advance(self, cause: str) -> None:
        advanced = engine.advance(self.member, self.day, self.known, cause=cause, position="f/0/1")
        self.due = advanced.due
        for output in advanced.outputs:
            if output.topic == "alert-history":
                assert isinstance(output.record, Alert)
                self.events.append(output.record)
            elif output.topic == "attribution-alerts":
                self.current[output.key] = output.record  # type: ignore[assignment]

    def told(self) -> list[tuple[str, str, str, int | None]]:
        return [(str(alert.as_of), alert.state, alert.reason, alert.horizon_days) for alert in self.events]


def test_a_last_visit_that_ages_is_told_at_each_horizon_and_then_the_member_is_gone() -> None:
    life = Life().learn(dt.date(2024, 9, 1), span(), claim("C1", line(dt.date(2024, 8, 20)))).until(dt.date(2026, 8, 1))
    assert life.told() == [
        ("2025-11-22", "raised", "aging_out", 90),
        ("2025-12-22", "changed", "aging_out", 60),
        ("2026-01-21", "changed", "aging_out", 30),
        ("2026-02-13", "changed", "aging_out", 7),
        ("2026-02-20", "expired", "aging_out", None),
    ]
    first = life.events[0]
    assert (first.secure_until, first.visits_needed) == (dt.date(2026, 2, 20), 1)
    assert (first.next_panel_date, first.panel_visit_by) == (dt.date(2026, 3, 1), dt.date(2026, 2, 28))
    assert life.current == {"aetna|1|A": None}


def test_the_visit_that_an_alert_asks_for_by_its_last_date_keeps_the_member_on_the_panel() -> None:
    visits = [claim("C1", line(dt.date(2024, 8, 20)))]
    (first, *_) = Life().learn(dt.date(2025, 11, 22), span(), *visits).events
    assert first.panel_visit_by is not None
    assert first.next_panel_date is not None
    late = answer(knowledge(roster_row()), first.next_panel_date, *visits, claim("C2", line(first.panel_visit_by)))
    assert (late.practice_id, first.panel_visit_by + DAY) == ("A", first.next_panel_date)


def test_a_member_who_is_back_before_each_panel_is_missing_from_none() -> None:
    away = PcpSelection(
        payer="aetna", member_id="1", selection_id="P", selection_version=1, pcp_npi="1245319599",  # type: ignore[arg-type]
        selection_source="member_selected", effective_from=dt.date(2025, 7, 3), effective_to=dt.date(2025, 7, 20),
    )  # fmt: skip
    stays = span(enrollment_end_date=None)
    life = Life().learn(dt.date(2025, 6, 1), stays, claim("C1", line(dt.date(2025, 5, 1))), away)
    (alert,) = life.events
    assert (alert.secure_until, alert.next_practice_id) == (dt.date(2025, 7, 3), "B")
    # back with their own practice on 20 July, and missing only when the visit has aged
    assert (alert.next_panel_date, alert.panel_visit_by) == (dt.date(2026, 11, 1), dt.date(2026, 10, 31))
    chosen = PcpSelection(
        payer="aetna", member_id="1", selection_id="Q", selection_version=1, pcp_npi="1234567893",  # type: ignore[arg-type]
        selection_source="member_selected", effective_from=dt.date(2025, 1, 1),
    )  # fmt: skip
    (alert,) = Life().learn(dt.date(2025, 6, 1), stays, chosen, away).events
    assert (alert.secure_until, alert.next_panel_date, alert.panel_visit_by) == (dt.date(2025, 7, 3), None, None)


def test_a_visit_resolves_an_alert_and_says_so() -> None:
    life = (
        Life().learn(dt.date(2024, 9, 1), span(), claim("C1", line(dt.date(2024, 8, 20)))).until(dt.date(2025, 12, 1))
    )
    life.learn(dt.date(2025, 12, 1), claim("C2", line(dt.date(2025, 11, 28))))
    assert life.told()[-1][:2] == ("2025-12-01", "resolved")
    assert life.events[-1].resolution == "visit"
    life.until(dt.date(2026, 3, 2))
    assert life.current == {"aetna|1|A": None}


def test_a_void_that_takes_the_member_away_alerts_at_once() -> None:
    life = Life().learn(
        dt.date(2025, 6, 30),
        span(),
        claim("C1", line(dt.date(2025, 1, 10))),
        claim("C2", line(dt.date(2025, 2, 10))),
        claim("C3", line(dt.date(2025, 3, 10), rendering_npi="1245319599"), billing_tin=B),
    )
    life.learn(
        dt.date(2025, 7, 2), claim("C2", line(dt.date(2025, 2, 10)), claim_frequency_code="8", claim_status="reversed")
    )
    assert life.told() == [("2025-07-02", "expired", "data_retracted", None)]
    assert (life.events[0].practice_id, life.events[0].next_practice_id) == ("A", "B")


def test_a_denial_that_brings_the_end_near_alerts_at_once_with_its_reason() -> None:
    life = Life().learn(
        dt.date(2025, 12, 20), span(), claim("C2", line(dt.date(2025, 11, 10))), claim("C1", line(dt.date(2024, 8, 1)))
    )
    assert life.told() == []
    life.learn(dt.date(2025, 12, 21), claim("C2", line(dt.date(2025, 11, 10)), claim_status="denied", claim_version=2))
    assert life.told() == [("2025-12-21", "raised", "data_retracted", 60)]


def test_a_selection_of_another_practice_takes_the_member_at_once() -> None:
    chosen = PcpSelection(
        payer="aetna", member_id="1", selection_id="P", selection_version=1, pcp_npi="1245319599",  # type: ignore[arg-type]
        selection_source="member_selected", effective_from=dt.date(2025, 7, 1),
    )  # fmt: skip
    life = Life().learn(dt.date(2025, 6, 1), span(), claim("C1", line(dt.date(2025, 5, 1))))
    life.learn(dt.date(2025, 6, 2), chosen)
    assert life.told() == [("2025-06-02", "raised", "selection_changed", 30)]
    life.until(dt.date(2025, 7, 1))
    assert life.told()[-1] == ("2025-07-01", "expired", "selection_changed", None)


def test_an_end_of_coverage_is_told_without_asking_for_visits() -> None:
    life = Life().learn(
        dt.date(2025, 6, 1), span(enrollment_end_date=dt.date(2025, 7, 31)), claim("C1", line(dt.date(2025, 5, 1)))
    )
    alert = life.events[0]
    assert (alert.reason, alert.secure_until, alert.visits_needed, alert.panel_visit_by) == (
        "coverage_ending",
        dt.date(2025, 8, 1),
        None,
        None,
    )


def test_an_alert_says_how_far_claims_were_received() -> None:
    manifest = FeedManifest(
        payer="aetna", feed="claims", file="f", list_version=1, covers_from=dt.date(2025, 5, 1),  # type: ignore[arg-type]
        covers_to=dt.date(2025, 11, 15), records=9,
    )  # fmt: skip
    life = Life(knowledge(roster_row(), manifest)).learn(
        dt.date(2024, 9, 1), span(), claim("C1", line(dt.date(2024, 8, 20)))
    )
    assert life.until(dt.date(2025, 11, 22)).events[0].data_through == dt.date(2025, 11, 15)


def test_a_late_death_ends_the_attribution_and_the_practice_learns_why() -> None:
    life = Life().learn(dt.date(2025, 6, 1), span(), claim("C1", line(dt.date(2025, 5, 1))))
    life.learn(dt.date(2025, 6, 30), span(span_version=2, death_date=dt.date(2025, 6, 1)))
    assert life.told() == [("2025-06-30", "expired", "deceased", None)]
