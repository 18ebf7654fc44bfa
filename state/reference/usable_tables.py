"""Whether a table can be put in force at all: asked before anybody is told of it, since what stands on the log stops whoever reads it."""

from __future__ import annotations

from schemas.records import Table
from state.measures import editions, measure_tables
from state.payment.terms import PAID_BY
from state.reference.knowledge import MEASURED, PARSERS
from state.reference.tables import MissingTable, TableError, TableStore
from state.reference.value_set_files.reading import read_files
from state.reference.value_sets import InvalidValueSets


def why_unusable(record: Table, store: TableStore) -> str | None:
    """Why a table cannot be used, as a sentence; None when it can. Raises `MissingTable` when its file is in no folder."""
    kinds = sorted((*PARSERS, *MEASURED, *PAID_BY))
    if record.kind not in kinds:
        return f"tables of kind {record.kind!r} are unknown to this release: it knows {', '.join(kinds)}."
    file = store.load(record.kind, record.digest)
    try:
        if record.kind in PARSERS:
            PARSERS[record.kind](file)
        elif record.kind in PAID_BY:
            PAID_BY[record.kind](file)
        elif record.kind == "editions":
            editions.parse(file)
        elif record.kind == "value_sets":
            read_files([file])
        else:
            measure_tables.parse([file])
    except MissingTable:
        raise
    except (TableError, InvalidValueSets) as problem:
        return str(problem)
    return None
