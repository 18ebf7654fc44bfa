"""The sums of a closed reading on their way to the conductor: cut to the size of records in a partition, added up where all have come.

Of all members of a practice alone: strata are reported, never paid on (program.md). Source: design.md, closing a period.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from schemas.records import NamedSum, PartialSums, RateSums
from state.measures.catalogue import MEASURES
from state.measures.outcome import Sums
from state.measures.rates import Cell
from state.measures.said import cell_named

_encoder = msgspec.msgpack.Encoder()
MOST_BYTES = 1_000_000
"""Of the sums of one record, as MessagePack with names: more than they take as Avro. The topic takes four times as much."""
ByEdition = Mapping[tuple[str, Cell], Sums]
"""What all members of practices add up to, by edition and cell."""


def parts(
    close_id: str, of_close: str, partition: int, sums: Mapping[str, Sums], *, first: int = 0
) -> Iterator[PartialSums]:
    """What a partition hands over of a reading, in records numbered from `first`; none where nothing is counted.

    `sums` by the keys of cells (state.measures.said.cell_key); those of strata are left out.
    """
    part: list[RateSums] = []
    size, number = 0, first
    for one in sorted(_rates(sums), key=lambda one: (one.payer, one.practice_id, one.edition, one.measure, one.rate)):
        more = len(_encoder.encode(one))
        if part and size + more > MOST_BYTES:
            yield PartialSums(close_id=close_id, of_close=of_close, partition=partition, part=number, sums=tuple(part))
            part, size, number = [], 0, number + 1
        part.append(one)
        size += more
    if part:
        yield PartialSums(close_id=close_id, of_close=of_close, partition=partition, part=number, sums=tuple(part))


def added_up(every: Iterable[PartialSums]) -> ByEdition:
    """What some parts add up to: those of all partitions, or frozen sums and what has changed of them since."""
    found: dict[tuple[str, Cell], Sums] = {}
    for part in every:
        for one in part.sums:
            key = one.edition, Cell(one.measure, one.rate, one.payer, one.practice_id, "")
            some = Sums(one.denominator, one.numerator, {named.name: named.value for named in one.sums})
            found[key] = found[key] + some if key in found else some
    return {key: found[key] for key in sorted(found) if not found[key].is_nothing}


def _rates(sums: Mapping[str, Sums]) -> Iterator[RateSums]:
    for key, some in sums.items():
        asked, cell = cell_named(key)
        # A stratum is a word of the plan's, which may hold the sign that parts keys: what then looks like a measure is none.
        if not cell.stratum and cell.measure in MEASURES:
            yield RateSums(
                payer=cell.payer,
                practice_id=cell.practice_id,
                edition=asked.edition,
                measure=cell.measure,
                rate=cell.rate,
                denominator=some.denominator,
                numerator=some.numerator,
                sums=tuple(NamedSum(name=name, value=value) for name, value in sorted(some.more.items())),
            )
