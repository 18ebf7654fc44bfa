"""Drugs as they are dispensed: which ingredients an NDC or RxNorm product has, so that lists of ingredients find dispensings.

The starter lists name ingredients, because products change weekly. A directory of products comes from the user (docs/value_sets.md).
Source: measures.md 13, RXNORM_IN_NAME.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from state.reference.codes import INGREDIENT, Code, UnknownSystem, UnusableCode, code_of
from state.reference.tables import TableFile, read_rows
from state.reference.value_set_files.listing import drug_of
from state.reference.value_sets import Medication, ValueSet, ValueSets

COLUMNS = ("code_system", "code", "ingredients", "route")


class DrugProduct(msgspec.Struct, frozen=True):
    """A product by its code. `ingredients` as a code of the system INGREDIENT; package size None where not said."""

    code: Code
    ingredients: Code
    route: str
    package_size: Decimal | None
    unit: str


def read_products(file: TableFile) -> tuple[DrugProduct, ...]:
    """The directory of a CSV: code_system, code, ingredients (joined by +), route; package_size and unit may be left out.

    Raises `InvalidTable`, naming the line, also for a product that is listed twice in different words.
    """
    found: dict[Code, DrugProduct] = {}
    for row in read_rows(file, COLUMNS):
        try:
            code = code_of(row.text("code_system"), row.text("code"))
            ingredients = code_of(INGREDIENT, row.text("ingredients"))
            drug = drug_of(
                generic_name=ingredients[1],
                route=row.optional("route"),
                package_size=row.optional("package_size"),
                unit=row.optional("unit"),
            )
        except (UnknownSystem, UnusableCode) as wrong:
            raise row.wrong("code", str(wrong).rstrip(".")) from None
        product = DrugProduct(code, ingredients, drug.route, drug.package_size, drug.unit)
        if found.setdefault(code, product) != product:
            raise row.wrong("code", f"{code[1]} is listed before with other ingredients, route or package")
    return tuple(found.values())


def with_products(sets: ValueSets, products: Iterable[DrugProduct]) -> ValueSets:
    """The sets, with every product of an ingredient in each list that names the ingredient.

    A list that says a route takes only products that have it: fluticasone for the nose is no controller of asthma. A product with more
    ingredients is another drug than each of them. What a list itself says of a product stays.
    """
    by_ingredients: dict[Code, list[DrugProduct]] = {}
    for product in products:
        by_ingredients.setdefault(product.ingredients, []).append(product)
    return ValueSets([_expanded(one, by_ingredients) for one in sets.all], sets.unusable)


def _expanded(one: ValueSet, by_ingredients: dict[Code, list[DrugProduct]]) -> ValueSet:
    added = {
        product.code: Medication(product.code, listed.generic_name, product.route, product.package_size, product.unit)
        for listed in sorted(one.medications, key=lambda listed: listed.code)
        for product in by_ingredients.get(listed.code, ())
        if listed.route in {"", product.route} and product.code not in one.codes
    }
    if not added:
        return one
    return msgspec.structs.replace(
        one, codes=one.codes | added.keys(), medications=one.medications | frozenset(added.values())
    )
