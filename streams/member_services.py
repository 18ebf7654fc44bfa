"""The services of a partition's members while a batch is worked on: what is read for it, what it changes, what is written after it.

No rule stands here: `state.ledger.services` says what counts, `state.restating` where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from state import restating
from state.calendar import Day
from state.engine import Member, Row
from state.ledger import services
from state.ledger.services import NONE, Services
from state.reference.frozen_lists import FrozenList
from state.reference.knowledge import Knowledge
from state.restating import Changes

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Services)


class MemberServices:
    """A member's services in a batch."""

    def __init__(self, stored: bytes | None) -> None:
        self._stored = stored
        self._decoded: Services | None = None
        self.changes: Changes = {}
        """What cells change by."""
        self.terms: frozenset[str] = frozenset()
        """By what else a change of roster finds the member: who rendered and billed the lines that are new."""

    @property
    def _standing(self) -> Services:
        """What is counted of the member; decoded when first asked."""
        if self._decoded is None:
            self._decoded = NONE if self._stored is None else _decoder.decode(self._stored)
        return self._decoded

    def rewritten(self) -> tuple[bool, bytes | None]:
        """Whether there is anything to write, and what: None where nothing is counted of the member any more."""
        if self._decoded is None:
            return False, self._stored
        data = None if self._decoded == NONE else _encoder.encode(self._decoded)
        return data != self._stored, data

    def take(
        self, rows: Iterable[tuple[str, Row | None]], member: Member, as_of: Day | None, knowledge: Knowledge
    ) -> None:
        """Take up rows that a fact has changed, and what it has changed of the panels."""
        self._put(services.with_families(self._standing, rows, knowledge), member, as_of, knowledge)

    def retake(self, rows: Mapping[str, Row | None], member: Member, as_of: Day | None, knowledge: Knowledge) -> None:
        """Make the services anew from all cold rows."""
        self._put(services.from_rows(self._standing, rows, knowledge), member, as_of, knowledge)

    def advance(self, member: Member, as_of: Day | None, knowledge: Knowledge) -> None:
        """Ask roster and panels again."""
        self._put(services.placed(self._standing, knowledge), member, as_of, knowledge)

    def freeze(
        self, member: Member, one: FrozenList, as_of: Day, knowledge: Knowledge, rows: Mapping[str, Row | None] | None
    ) -> None:
        """Count what was rendered already in the month of a panel that is being frozen.

        `knowledge` has the panel; `rows` are all cold rows of the member, where `services.needs_rows`.
        """
        if rows is not None:
            panels = services.panels_of(knowledge, as_of)
            found = services.on_panels(services.from_rows(self._standing, rows, knowledge), member, panels, as_of)
            self.terms |= services.terms_of(found)
            self._decoded = found
        restating.add(self.changes, restating.cells(member, self._standing, (one,)))

    def _put(self, found: Services, member: Member, as_of: Day | None, knowledge: Knowledge) -> None:
        before, panels = self._standing, services.panels_of(knowledge, as_of)
        after = self._decoded = services.on_panels(found, member, panels, as_of)
        if before == after:
            return
        both = frozenset(before.rendered) & frozenset(after.rendered)
        gone, come = (tuple(line for line in one.rendered if line not in both) for one in (before, after))
        self.terms |= services.terms_of(Services(come))
        if before.moved == after.moved:
            # What stays counts where it did.
            before, after = Services(gone, before.moved), Services(come, after.moved)
            panels = services.concerned(panels, (*gone, *come))
        if panels:
            restating.add(
                self.changes,
                restating.changes(restating.cells(member, before, panels), restating.cells(member, after, panels)),
            )
