"""The value sets that come with the project, and which licensed sets take their place. Files: `state/data/value_sets`, see its NOTICE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from state.reference.drug_products import DrugProduct, with_products
from state.reference.tables import BUILT_IN, TableFile, read_rows
from state.reference.value_set_files import neutral_csv
from state.reference.value_sets import ValueSets, replaced_by


@lru_cache(maxsize=1)
def starter_sets() -> ValueSets:
    """The starter sets: an approximation without licensed content, good for trying and for measures that it covers."""
    files = [TableFile("value_sets", path.name, path.read_bytes()) for path in (BUILT_IN / "value_sets").glob("*.csv")]
    imported = [neutral_csv.read(file) for file in files]
    return ValueSets(
        [one for part in imported for one in part.sets], [one for part in imported for one in part.unusable]
    )


@lru_cache(maxsize=1)
def replacements() -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """For our name of a set: the groups of names in licensed workbooks that together are it, best first."""
    path = BUILT_IN / "imported_value_sets.csv"
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for row in read_rows(TableFile("imported_value_sets", path.name, path.read_bytes()), ("value_set", "imported")):
        name, group = row.text("value_set"), tuple(part.strip() for part in row.text("imported").split(";"))
        found[name] = (*found.get(name, ()), group)
    return found


def in_force(imported: ValueSets, products: Iterable[DrugProduct] = ()) -> ValueSets:
    """All sets that measures may use: imported ones before starters, and dispensed products in the lists of their ingredients."""
    return with_products(replaced_by(starter_sets(), imported, replacements()), products)
