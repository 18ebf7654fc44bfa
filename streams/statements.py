"""Statements and the money ledger for commands: reading them, asking for a release or a hold, writing them as files. Blocking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from schemas.codec import Codec
from schemas.money import Contract, LedgerEntry, MoneySaid, Statement, StatementRelease, StatementState
from schemas.records import Version
from schemas.topics import name as topic_name
from state.payment import statement_fhir, statement_files, statement_page, statement_pdf
from state.payment.statement_sheet import View
from state.payment.what_if import chances_of
from state.reference.tables import TableStore
from streams.files import write_whole
from streams.producing import Message, Sender
from streams.reading import read_outputs, read_since
from streams.settings import Settings
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, Stop
from streams.waiting import Progress, Report

PATIENCE = 60.0
"""Seconds without a sign of the conductor before we stop waiting; the order stands without us."""
LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Standing:
    """A statement as it stands, and the order that has brought it there.

    `drafted` is the version of its draft, of an adjustment that of the statement whose terms hold for it too.
    """

    drafted: Version
    version: Version
    statement: Statement
    state: StatementState
    order: StatementRelease | None


@dataclass(slots=True)
class Money:
    """What stands on `statements`."""

    statements: dict[str, Standing] = field(default_factory=dict)
    """By id, in the order in which they were stated."""
    refused: dict[str, tuple[Version, MoneySaid]] = field(default_factory=dict)
    """The last order on each that was not carried out."""
    entries: list[LedgerEntry] = field(default_factory=list)
    """The money ledger, by number."""


def money(settings: Settings, codec: Codec) -> Money:
    """All statements and the money ledger. Raises `Stop` when the broker is away."""
    return gathered(
        (version, record)
        for _, record, version in read_outputs(settings, codec, "statements", range(settings.partitions))
        if version is not None
    )


def gathered(said: Iterable[tuple[Version, MoneySaid]]) -> Money:
    """What stands by all that was said, in whatever order it is read, and said again or not."""
    found = Money()
    entries: dict[int, LedgerEntry] = {}
    for version, one in sorted(said, key=lambda each: each[0]):
        if one.entry is not None:
            entries[one.entry.number] = one.entry
        elif one.statement is not None and one.state is not None:
            name = one.statement.settles if one.statement.reading == "adjustment" else one.statement.statement_id
            known = found.statements.get(name or "")
            drafted = version if known is None else known.drafted
            found.statements[one.statement.statement_id] = Standing(
                drafted, version, one.statement, one.state, one.order
            )
        elif one.order is not None:
            found.refused[one.order.statement_id] = (version, one)
    found.entries = [entries[number] for number in sorted(entries)]
    return found


def find(found: Money, statement_id: str) -> Standing:
    """A statement by its id. Raises `Stop` when there is none."""
    known = found.statements.get(statement_id)
    if known is None:
        raise Stop(f"No statement has the id {statement_id}: `panelstream statement show` lists all.", EXIT_CONFIG)
    return known


def order(
    settings: Settings,
    codec: Codec,
    statement_id: str,
    action: Literal["release", "hold"],
    *,
    actor: str,
    reason: str,
    report: Callable[[str], Report],
) -> Standing:
    """Release or hold a statement and return how it stands then.

    Raises `Stop` with why it was refused, or that no conductor moves.
    """
    before = find(money(settings, codec), statement_id).version
    given = StatementRelease(statement_id=statement_id, action=action, actor=actor, reason=reason)
    Sender(settings.bootstrap).send_now(
        [Message(topic_name(settings.prefix, "control"), 0, b"statement_release", codec.encode_control(given))]
    )
    with Progress(settings, report) as progress:
        moved_at, moved_to = time.monotonic(), object()
        while True:
            found = money(settings, codec)
            now, refused = find(found, statement_id), found.refused.get(statement_id)
            if now.version > before and now.order == given:
                return now
            if refused is not None and refused[0] > before and refused[1].order == given:
                raise Stop(refused[1].message or "the order was refused.", EXIT_CONFIG)
            stands: object = progress.position("control")
            if stands != moved_to:
                moved_at, moved_to = time.monotonic(), stands
            elif time.monotonic() - moved_at > PATIENCE:
                raise Stop(
                    f"The {action} of {statement_id} is asked for, and for {PATIENCE:.0f} seconds no conductor moves: start workers "
                    "with `panelstream worker`; it is carried out then, and `panelstream statement show` says so.",
                    EXIT_BROKER,
                )
            time.sleep(LOOK)


def contracts(settings: Settings, codec: Codec) -> list[tuple[int, Contract]]:
    """The contracts on `control` with their offsets, in order. Raises `Stop` when the broker is away."""
    found = []
    for message in read_since(settings, "control", {0: 0}):
        if message.key() == b"contract":
            record = codec.decode_control(message.value() or b"")
            if isinstance(record, Contract):
                found.append((message.offset() or 0, record))
    return found


def contract_of(one: Standing, given: Iterable[tuple[int, Contract]]) -> Contract:
    """The contract that a statement goes by: the last of its id before the statement, or what it adjusts, was drafted.

    Raises `Stop` when it is not there.
    """
    name = one.statement.contract_id
    known = [contract for offset, contract in given if contract.contract_id == name and offset < one.drafted.offset]
    if not known:
        raise Stop(f"Contract {name} is not on the topic control: the log was cut; restore it.", EXIT_CONFIG)
    return known[-1]


def export(
    chosen: Sequence[Standing], given: Sequence[tuple[int, Contract]], tables: TableStore, out: Path
) -> list[Path]:
    """Write statements.csv, statement_lines.csv, a FHIR bundle for each statement, and for each payee a page and a PDF. Returns the files.

    Raises `TableError` for a table of a contract that says what a measure pays and is not there.
    """
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, Iterable[bytes]] = {
        "statements.csv": statement_files.statements_csv((one.statement, one.state) for one in chosen),
        "statement_lines.csv": statement_files.statement_lines_csv(one.statement for one in chosen),
    }
    for one in chosen:
        bundle = statement_fhir.encode(one.statement, contract_of(one, given))
        files[f"{one.statement.statement_id}.json"] = [bundle]
    for name, payee_name, views in of_payees(chosen, given, tables):
        files[f"{name}.html"] = [statement_page.page(payee_name, views)]
        files[f"{name}.pdf"] = [statement_pdf.pdf(payee_name, views)]
    for name, chunks in files.items():
        write_whole(out / name, chunks)
    return [out / name for name in files]


def of_payees(
    chosen: Sequence[Standing], given: Sequence[tuple[int, Contract]], tables: TableStore
) -> Iterator[tuple[str, str, list[View]]]:
    """All statements of each payee for one printed sheet, under the name of its first statement, with what more would have paid."""
    found: dict[tuple[str, str], list[View]] = {}
    for one in sorted(chosen, key=lambda each: (each.statement.practice_id, each.statement.payer, each.version)):
        chances = chances_of(one.statement, contract_of(one, given), tables)
        key = (one.statement.practice_id, one.statement.payee_name)
        found.setdefault(key, []).append(View(statement=one.statement, state=one.state, chances=chances))
    for (_, payee_name), views in found.items():
        yield views[0].statement.statement_id, payee_name, views
