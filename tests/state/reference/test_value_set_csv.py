"""Value sets and drug products from CSV."""

from __future__ import annotations

from decimal import Decimal

import pytest

from state.reference.drug_products import read_products, with_products
from state.reference.tables import InvalidTable, TableFile
from state.reference.value_set_files import neutral_csv
from state.reference.value_sets import ImportedSets, ValueSets


def read(*lines: str, header: str = "value_set,code_system,code,description,source") -> ImportedSets:
    return neutral_csv.read(TableFile("value_sets", "own.csv", "\n".join((header, *lines)).encode()))


def loaded(imported: ImportedSets) -> ValueSets:
    return ValueSets(imported.sets, imported.unusable)


def test_codes_ranges_and_prefixes_of_a_csv_are_found() -> None:
    sets = loaded(
        read(
            "frailty,HCPCS_RANGE,E0100-e0105,Cane,x",
            "frailty,ICD10CM_PREFIX,l89,Ulcer,x",
            "frailty,icd-10-cm,R54,Frailty,x",
            "stay,UBREV_RANGE,100-219,Room,x",
            "stay,UBTOB_PREFIX,018,Swing bed,x",
            "stay,UBTOB,21X,Nursing facility,x",
            "ed,REV,450,Emergency,x",
        )
    )
    assert sets.sets_of(("HCPCS", "E0105")) == ("frailty",)
    assert sets.sets_of(("HCPCS", "E0106")) == ()
    assert sets.sets_of(("ICD10CM", "L89154")) == ("frailty",)
    assert sets.sets_of(("ICD10CM", "R54")) == ("frailty",)
    assert sets.sets_of(("UBREV", "0219")) == ("stay",)
    assert sets.sets_of(("UBREV", "0220")) == ()
    assert sets.sets_of(("UBTOB", "0184")) == ("stay",)
    assert sets.sets_of(("UBTOB", "0214")) == ("stay",)
    assert sets.sets_of(("UBTOB", "0131")) == ()
    assert sets.sets_of(("UBREV", "0450")) == ("ed",)


def test_an_oid_beside_the_name_is_the_id_and_the_name_still_finds_the_set() -> None:
    sets = loaded(read("Mammography,urn:oid:2.16.1,2025,CPT,77067", header="value_set,oid,version,code_system,code"))
    assert sets.sets_of(("CPT", "77067")) == ("2.16.1",)
    assert sets.version("Mammography") == "2025"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,ABC,1,x,x", "own.csv: line 2, code '1': code system 'ABC' is not known"),
        ("a,,1,x,x", "own.csv: line 2, code '1': the code system is empty"),
        ("a,CPT,,x,x", "own.csv: line 2, code '': the code is empty"),
        ("a,CPT_RANGE,99205-99202,x,x", "the lower one first"),
        ("a,CPT_RANGE,99202,x,x", "with a hyphen between"),
        ("a,CPT_RANGE,1126F-99202,x,x", "alike in letters and digits"),
        ("a,ICD10CM_PREFIX,,x,x", "the prefix is empty"),
        ("a,REFERENCE,CMS_ALGORITHM,x,x", "code system 'REFERENCE' is not known"),
    ],
)
def test_a_wrong_row_makes_its_set_unusable_and_no_other(row: str, reason: str) -> None:
    imported = read(row, "a,CPT,77067,x,x", "b,CPT,77067,x,x")
    assert [one.id for one in imported.sets] == ["b"]
    assert reason in imported.unusable[0].reason
    assert loaded(imported).missing(["a", "b"]) == ("a",)


def test_a_file_without_its_columns_or_with_a_row_without_a_set_is_refused() -> None:
    with pytest.raises(InvalidTable, match=r"own.csv has no column code_system"):
        read("a,1", header="value_set,code")
    with pytest.raises(InvalidTable, match=r"own.csv line 2, value_set: is empty"):
        read(",CPT,77067,x,x")
    with pytest.raises(InvalidTable, match=r"is not UTF-8"):
        neutral_csv.read(TableFile("value_sets", "own.csv", b"value_set\xff"))


DRUGS = "value_set,code_system,code,generic_name,route,package_size,unit"


def test_a_medication_list_has_route_and_package_size_in_one_spelling() -> None:
    imported = read("reliever,NDC,0173-0682-20,Albuterol  Sulfate,Respiratory (Inhalation),18.00,G", header=DRUGS)
    (drug,) = loaded(imported).medications("reliever").values()
    assert (drug.code, drug.generic_name, drug.route) == (("NDC", "00173068220"), "albuterol sulfate", "inhalation")
    assert (drug.package_size, drug.unit) == (Decimal(18), "g")


@pytest.mark.parametrize("size", ["0", "-1", "a lot", "nan"])
def test_a_package_size_that_is_no_number_above_zero_makes_the_list_unusable(size: str) -> None:
    imported = read(f"reliever,NDC,00173068220,albuterol,inhalation,{size},g", header=DRUGS)
    assert "line 2: package size" in imported.unusable[0].reason


LISTS = (
    "controller,INGREDIENT,fluticasone,fluticasone,inhalation,,",
    "controller,INGREDIENT,fluticasone+salmeterol,,inhalation,,",
    "other,CPT,77067,,,,",
)
PRODUCTS = "code_system,code,ingredients,route,package_size,unit"


def products(*lines: str) -> TableFile:
    return TableFile("drug_products", "products.csv", "\n".join((PRODUCTS, *lines)).encode())


def test_a_product_is_in_the_lists_of_its_ingredients_and_route() -> None:
    directory = read_products(
        products(
            "RXNORM,895994,Fluticasone,inhalation,120,actuat",
            "NDC,60505-0829-01,fluticasone,nasal,16,g",
            "NDC,00173069500,salmeterol + fluticasone,Inhalation,,",
        )
    )
    sets = with_products(loaded(read(*LISTS, header=DRUGS)), directory)
    assert sets.sets_of(("RXNORM", "895994")) == ("controller",)
    assert sets.sets_of(("NDC", "60505082901")) == ()
    assert sets.sets_of(("NDC", "00173069500")) == ("controller",)
    drug = sets.medications("controller")[("RXNORM", "895994")]
    assert (drug.generic_name, drug.route, drug.package_size) == ("fluticasone", "inhalation", 120)


def test_a_list_of_ingredients_alone_finds_no_dispensing_and_says_so() -> None:
    sets = loaded(read(*LISTS, header=DRUGS))
    assert sets.without_products(["controller", "other"]) == ("controller",)
    directory = read_products(products("RXNORM,895994,fluticasone,inhalation,,"))
    assert with_products(sets, directory).without_products(["controller", "other"]) == ()


def test_a_product_listed_twice_in_different_words_is_refused() -> None:
    with pytest.raises(InvalidTable, match=r"products.csv line 3, code: 00000000001 is listed before"):
        read_products(products("NDC,1,fluticasone,nasal,,", "NDC,1,fluticasone,oral,,"))
    with pytest.raises(InvalidTable, match=r"products.csv line 2, code: code system 'X' is not known"):
        read_products(products("X,1,fluticasone,nasal,,"))
