"""The state file of `control`: what the conductor has seen, how far it has broadcast, periods and closes, and all of the money."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import ClassVar, TypeVar

import msgspec

from schemas.money import Contract, LedgerEntry, Statement, StatementRelease, StatementState
from schemas.records import (
    Close,
    Partial,
    PartialSums,
    PeopleCount,
    Period,
    Practice,
    Restated,
    ServiceCount,
    Site,
    Snapshot,
    SurveyResult,
)
from state.measures.cahps import identity
from state.payment.drafting import Basis
from state.payment.money_ledger import NOBODY
from state.stores.log_state import LogState

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_NONE = Decimal(0)


class Stated(msgspec.Struct, frozen=True):
    """A statement, its state, the order that has brought it there, if any did, and what a month was stated by."""

    statement: Statement
    state: StatementState
    order: StatementRelease | None = None
    basis: Basis | None = None


class _Counted(msgspec.Struct, frozen=True):
    """A count under a panel: of people, or of services."""

    people: PeopleCount | None = None
    services: ServiceCount | None = None

    @property
    def cell(self) -> str:
        """What is counted, without how many."""
        alike = self.people and msgspec.structs.replace(self.people, members=0)
        lines = self.services and msgspec.structs.replace(self.services, lines=0, allowed=_NONE, paid=_NONE)
        return msgspec.json.encode((alike, lines)).decode()


class ProgramState(LogState):
    """The open state file of the one partition of `control`."""

    SCHEMA: ClassVar[str] = """
        CREATE TABLE program (sequence INTEGER NOT NULL, ticked TEXT);
        INSERT INTO program VALUES (0, NULL);
        CREATE TABLE seen (event_id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE periods (period TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE closes (
            close_id TEXT PRIMARY KEY, period TEXT NOT NULL, state TEXT NOT NULL, request BLOB NOT NULL, snapshot BLOB NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE closed_periods (close_id TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE closed_contracts (
            close_id TEXT NOT NULL, contract_id TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (close_id, contract_id)
        ) WITHOUT ROWID;
        CREATE TABLE partials (
            close_id TEXT NOT NULL, partition INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (close_id, partition)
        ) WITHOUT ROWID;
        CREATE TABLE partial_sums (
            close_id TEXT NOT NULL, of_close TEXT NOT NULL, partition INTEGER NOT NULL, part INTEGER NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (close_id, of_close, partition, part)
        ) WITHOUT ROWID;
        CREATE TABLE practices (
            practice_id TEXT NOT NULL, effective_from TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (practice_id, effective_from)
        ) WITHOUT ROWID;
        CREATE TABLE sites (
            practice_id TEXT NOT NULL, site_id TEXT NOT NULL, effective_from TEXT NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (practice_id, site_id, effective_from)
        ) WITHOUT ROWID;
        CREATE TABLE survey_results (
            practice_id TEXT NOT NULL, survey TEXT NOT NULL, survey_version TEXT NOT NULL, period TEXT NOT NULL, composite TEXT NOT NULL,
            record BLOB NOT NULL, PRIMARY KEY (practice_id, survey, survey_version, period, composite)
        ) WITHOUT ROWID;
        CREATE TABLE restated (
            panel TEXT NOT NULL, partition INTEGER NOT NULL, cell TEXT NOT NULL, control INTEGER NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (panel, partition, cell, control)
        ) WITHOUT ROWID;
        CREATE TABLE contracts (contract_id TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE statements (
            stated INTEGER PRIMARY KEY, statement_id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, record BLOB NOT NULL
        );
        CREATE TABLE ledger (
            number INTEGER PRIMARY KEY, payer TEXT NOT NULL, practice_id TEXT NOT NULL, record BLOB NOT NULL
        );
        CREATE INDEX ledger_of ON ledger (payer, practice_id);
        """

    sequence: int
    """Sequence of the last broadcast, without gaps from 1."""
    ticked: dt.date | None
    """The date of the last tick broadcast."""

    async def _on_open(self) -> None:
        row = (await self.fetch("SELECT sequence, ticked FROM program"))[0]
        self.sequence = int(row[0])
        self.ticked = dt.date.fromisoformat(row[1]) if row[1] else None

    async def digest_of(self, event_id: str) -> bytes | None:
        """The content digest under which a reference record of this id was broadcast."""
        rows = await self.fetch("SELECT digest FROM seen WHERE event_id = ?", (event_id,))
        return bytes(rows[0][0]) if rows else None

    async def note_seen(self, event_id: str, digest: bytes) -> None:
        """A reference record is broadcast under this id. Inside a transaction."""
        await self._db.execute("INSERT INTO seen VALUES (?, ?)", (event_id, digest))

    async def note_broadcast(self, sequence: int, ticked: dt.date | None) -> None:
        """The last sequence given out, and the date if it was a tick. Inside a transaction."""
        await self._db.execute(
            "UPDATE program SET sequence = ?, ticked = coalesce(?, ticked)", (sequence, ticked and ticked.isoformat())
        )
        self.sequence = sequence
        self.ticked = ticked or self.ticked

    # -- money ----------------------------------------------------------------------------------------------------------

    async def practices(self) -> list[Practice]:
        """Every record of a practice, the last of each first day."""
        rows = await self.fetch("SELECT record FROM practices ORDER BY practice_id, effective_from")
        return [msgspec.msgpack.decode(row[0], type=Practice) for row in rows]

    async def note_practice(self, practice: Practice) -> None:
        """Keep a practice's record. Inside a transaction."""
        await self._db.execute(
            "INSERT OR REPLACE INTO practices VALUES (?, ?, ?)",
            (practice.practice_id, practice.effective_from.isoformat(), _encoder.encode(practice)),
        )

    async def sites(self) -> list[Site]:
        """Every record of a site, the last of each first day."""
        rows = await self.fetch("SELECT record FROM sites ORDER BY practice_id, site_id, effective_from")
        return [msgspec.msgpack.decode(row[0], type=Site) for row in rows]

    async def note_site(self, site: Site) -> None:
        """Keep a site. Inside a transaction."""
        await self._db.execute(
            "INSERT OR REPLACE INTO sites VALUES (?, ?, ?, ?)",
            (site.practice_id, site.site_id, site.effective_from.isoformat(), _encoder.encode(site)),
        )

    async def restated(self, panel: str, control: int) -> tuple[list[PeopleCount], list[ServiceCount]]:
        """What partitions have handed over of a panel with the closes asked for up to an offset of `control`: people and services.

        Of each count of each partition the last, so that it does not matter which partition answers a close first.
        """
        rows = await self.fetch(
            "SELECT partition, cell, record FROM restated WHERE panel = ? AND control <= ? ORDER BY control",
            (panel, control),
        )
        latest = {(row[0], row[1]): msgspec.msgpack.decode(row[2], type=_Counted) for row in rows}
        every = [latest[key] for key in sorted(latest)]
        return [one.people for one in every if one.people], [one.services for one in every if one.services]

    async def note_restated(self, restated: Restated, control: int) -> None:
        """Keep what a partition hands over with the close asked for at an offset of `control`. Inside a transaction."""
        rows = [
            (panel.close_id, restated.partition, counted.cell, control, _encoder.encode(counted))
            for panel in restated.panels
            for counted in (
                *(_Counted(people=one) for one in panel.people),
                *(_Counted(services=one) for one in panel.services),
            )
        ]
        await self._db.executemany("INSERT OR REPLACE INTO restated VALUES (?, ?, ?, ?, ?)", rows)

    async def forget_restated(self, control: int) -> None:
        """Forget counts that others have taken the place of by the close asked for at an offset. Inside a transaction.

        Those of closes that were asked for later stay beside them: they are not for this one.
        """
        await self._db.execute(
            "DELETE FROM restated WHERE control < (SELECT max(control) FROM restated AS later WHERE later.panel = restated.panel "
            "AND later.partition = restated.partition AND later.cell = restated.cell AND later.control <= ?)",
            (control,),
        )

    async def contracts(self) -> list[Contract]:
        """The contracts, of one id the last, by id."""
        rows = await self.fetch("SELECT record FROM contracts ORDER BY contract_id")
        return [msgspec.msgpack.decode(row[0], type=Contract) for row in rows]

    async def note_contract(self, contract: Contract) -> None:
        """Keep a contract in the place of any of its id. Inside a transaction."""
        await self._db.execute(
            "INSERT OR REPLACE INTO contracts VALUES (?, ?)", (contract.contract_id, _encoder.encode(contract))
        )

    async def statements(self) -> list[Stated]:
        """Every statement as it stands, in the order in which they were stated."""
        rows = await self.fetch("SELECT record FROM statements ORDER BY stated")
        return [msgspec.msgpack.decode(row[0], type=Stated) for row in rows]

    async def statement(self, statement_id: str) -> Stated | None:
        """A statement as it stands."""
        rows = await self.fetch("SELECT record FROM statements WHERE statement_id = ?", (statement_id,))
        return _decoded(rows, Stated)

    async def note_statement(self, stated: Stated) -> None:
        """Keep a statement as it stands. Inside a transaction."""
        await self._db.execute(
            "INSERT INTO statements (statement_id, state, record) VALUES (?, ?, ?) "
            "ON CONFLICT (statement_id) DO UPDATE SET state = excluded.state, record = excluded.record",
            (stated.statement.statement_id, stated.state, _encoder.encode(stated)),
        )

    async def ledger(self) -> list[LedgerEntry]:
        """The money ledger, in the order of its numbers."""
        rows = await self.fetch("SELECT record FROM ledger ORDER BY number")
        return [msgspec.msgpack.decode(row[0], type=LedgerEntry) for row in rows]

    async def ledger_of(self, payer: str, practice_id: str) -> tuple[list[LedgerEntry], int]:
        """What the money ledger has of a practice and payer, and of the payer's payments that no statement asks for; its last number."""
        rows = await self.fetch(
            "SELECT record FROM ledger WHERE payer = ? AND practice_id IN (?, ?) ORDER BY number",
            (payer, practice_id, NOBODY),
        )
        last = await self.fetch("SELECT coalesce(max(number), 0) FROM ledger")
        return [msgspec.msgpack.decode(row[0], type=LedgerEntry) for row in rows], int(last[0][0])

    async def note_entries(self, entries: Iterable[LedgerEntry]) -> None:
        """Append to the money ledger. Inside a transaction."""
        await self._db.executemany(
            "INSERT INTO ledger VALUES (?, ?, ?, ?)",
            [(entry.number, entry.payer, entry.practice_id, _encoder.encode(entry)) for entry in entries],
        )

    # -- surveys --------------------------------------------------------------------------------------------------------

    async def survey_results(self) -> list[SurveyResult]:
        """What surveys say, of one identity the last, by identity."""
        rows = await self.fetch(
            "SELECT record FROM survey_results ORDER BY practice_id, survey, survey_version, period, composite"
        )
        return [msgspec.msgpack.decode(row[0], type=SurveyResult) for row in rows]

    async def survey_results_beside(self, result: SurveyResult) -> int:
        """How many other results say the period of a result."""
        rows = await self.fetch(
            "SELECT count(*) FROM survey_results WHERE period = ?"
            " AND (practice_id, survey, survey_version, period, composite) <> (?, ?, ?, ?, ?)",
            (result.period, *identity(result)),
        )
        return int(rows[0][0])

    async def note_survey_result(self, result: SurveyResult) -> None:
        """Keep a result in the place of any of its identity. Inside a transaction."""
        await self._db.execute(
            "INSERT OR REPLACE INTO survey_results VALUES (?, ?, ?, ?, ?, ?)",
            (*identity(result), _encoder.encode(result)),
        )

    # -- periods and closes ---------------------------------------------------------------------------------------------

    async def period(self, period: str) -> Period | None:
        """A period as last published."""
        rows = await self.fetch("SELECT record FROM periods WHERE period = ?", (period,))
        return _decoded(rows, Period)

    async def periods(self) -> list[Period]:
        """Every period, by its id."""
        rows = await self.fetch("SELECT record FROM periods ORDER BY period")
        return [msgspec.msgpack.decode(row[0], type=Period) for row in rows]

    async def note_period(self, period: Period) -> None:
        """Keep a period. Inside a transaction."""
        await self._db.execute("INSERT OR REPLACE INTO periods VALUES (?, ?)", (period.period, _encoder.encode(period)))

    async def snapshot(self, close_id: str) -> Snapshot | None:
        """A close that was taken up, as it stands."""
        rows = await self.fetch("SELECT snapshot FROM closes WHERE close_id = ?", (close_id,))
        return _decoded(rows, Snapshot)

    async def request(self, close_id: str) -> Close | None:
        """The request of a close that was taken up."""
        return _decoded(await self.fetch("SELECT request FROM closes WHERE close_id = ?", (close_id,)), Close)

    async def standing(self, period: str) -> list[Snapshot]:
        """The closes of a period that were taken up and not annulled."""
        rows = await self.fetch(
            "SELECT snapshot FROM closes WHERE period = ? AND state IN ('open', 'complete') ORDER BY close_id",
            (period,),
        )
        return [msgspec.msgpack.decode(row[0], type=Snapshot) for row in rows]

    async def panels(self) -> list[Snapshot]:
        """The complete panels, by month."""
        rows = await self.fetch("SELECT snapshot FROM closes WHERE state = 'complete' ORDER BY period, close_id")
        every = (msgspec.msgpack.decode(row[0], type=Snapshot) for row in rows)
        return [one for one in every if one.reading == "panel"]

    async def open_closes(self) -> int:
        """How many closes wait for partitions."""
        return int((await self.fetch("SELECT count(*) FROM closes WHERE state = 'open'"))[0][0])

    async def note_close(self, request: Close, snapshot: Snapshot) -> None:
        """Keep a close as it stands. Inside a transaction."""
        await self._db.execute(
            "INSERT OR REPLACE INTO closes VALUES (?, ?, ?, ?, ?)",
            (snapshot.close_id, snapshot.period, snapshot.state, _encoder.encode(request), _encoder.encode(snapshot)),
        )

    async def closed_period(self, close_id: str) -> Period | None:
        """The period of a close as its record stood when the close was taken up; None for a panel."""
        return _decoded(await self.fetch("SELECT record FROM closed_periods WHERE close_id = ?", (close_id,)), Period)

    async def note_closed_period(self, close_id: str, period: Period) -> None:
        """Keep the record of a period under a close of it. Inside a transaction."""
        await self._db.execute(
            "INSERT OR IGNORE INTO closed_periods VALUES (?, ?)", (close_id, _encoder.encode(period))
        )

    async def closed_contracts(self, close_id: str) -> list[Contract]:
        """The contracts by which the statements of a period's close were made, whatever was agreed later, by id."""
        rows = await self.fetch(
            "SELECT record FROM closed_contracts WHERE close_id = ? ORDER BY contract_id", (close_id,)
        )
        return [msgspec.msgpack.decode(row[0], type=Contract) for row in rows]

    async def note_closed_contracts(self, close_id: str, contracts: Iterable[Contract]) -> None:
        """Keep the contracts that a period's close is stated by. Inside a transaction."""
        await self._db.executemany(
            "INSERT INTO closed_contracts VALUES (?, ?, ?)",
            [(close_id, one.contract_id, _encoder.encode(one)) for one in contracts],
        )

    async def partials(self, close_id: str) -> list[Partial]:
        """What partitions have answered to a close, by partition."""
        rows = await self.fetch("SELECT record FROM partials WHERE close_id = ? ORDER BY partition", (close_id,))
        return [msgspec.msgpack.decode(row[0], type=Partial) for row in rows]

    async def sums(self, close_id: str, of_close: str) -> list[PartialSums]:
        """What partitions have said at the barrier of a close of the sums of a reading."""
        rows = await self.fetch(
            "SELECT record FROM partial_sums WHERE close_id = ? AND of_close = ? ORDER BY partition, part",
            (close_id, of_close),
        )
        return [msgspec.msgpack.decode(row[0], type=PartialSums) for row in rows]

    async def restated_readings(self, close_id: str) -> list[str]:
        """The closes of whose readings partitions have said, at the barrier of a later close, that sums have changed."""
        rows = await self.fetch(
            "SELECT DISTINCT of_close FROM partial_sums WHERE close_id = ? AND of_close <> ? ORDER BY of_close",
            (close_id, close_id),
        )
        return [str(row[0]) for row in rows]

    async def sums_parts(self, close_id: str, partition: int) -> int:
        """How many records of sums a partition has sent for a close."""
        row = await self.fetch(
            "SELECT count(*) FROM partial_sums WHERE close_id = ? AND partition = ?", (close_id, partition)
        )
        return int(row[0][0])

    async def note_sums(self, sums: PartialSums) -> None:
        """Keep what a partition has said of sums; the same again changes nothing. Inside a transaction."""
        await self._db.execute(
            "INSERT OR IGNORE INTO partial_sums VALUES (?, ?, ?, ?, ?)",
            (sums.close_id, sums.of_close, sums.partition, sums.part, _encoder.encode(sums)),
        )

    async def note_partial(self, partial: Partial) -> None:
        """Keep the answer of a partition. Inside a transaction."""
        await self._db.execute(
            "INSERT INTO partials VALUES (?, ?, ?)", (partial.close_id, partial.partition, _encoder.encode(partial))
        )


def _decoded(rows: Sequence[Sequence[bytes]], kind: type[T]) -> T | None:
    return msgspec.msgpack.decode(rows[0][0], type=kind) if rows else None
