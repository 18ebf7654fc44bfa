"""From a code to the sets that hold it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.reference.codes import Code
from state.reference.value_sets import (
    CodeRange,
    ConflictingValueSets,
    InvalidValueSets,
    Medication,
    MissingValueSets,
    Unusable,
    ValueSet,
    ValueSets,
    replaced_by,
)


def one(set_id: str, *codes: str, source: str = "a.csv", **more: object) -> ValueSet:
    return ValueSet(id=set_id, codes=frozenset(("CPT", code) for code in codes), source=source, **more)  # type: ignore[arg-type]


def test_a_code_finds_every_set_that_holds_it_by_list_prefix_or_range() -> None:
    sets = ValueSets(
        [
            one("listed", "77067"),
            ValueSet(id="prefix", prefixes=frozenset({("ICD10CM", "E11"), ("ICD10CM", "O")})),
            ValueSet(id="longer", prefixes=frozenset({("ICD10CM", "E1165")})),
            ValueSet(id="range", ranges=frozenset({CodeRange("CPT", "10004", "77067")})),
        ]
    )
    assert sets.sets_of(("CPT", "77067")) == ("listed", "range")
    assert sets.sets_of(("CPT", "10004")) == ("range",)
    assert sets.sets_of(("CPT", "10003")) == ()
    assert sets.sets_of(("CPT", "77068")) == ()
    assert sets.sets_of(("ICD10CM", "E1165")) == ("longer", "prefix")
    assert sets.sets_of(("ICD10CM", "E116")) == ("prefix",)
    assert sets.sets_of(("ICD10CM", "O0990")) == ("prefix",)
    assert sets.sets_of(("ICD10PCS", "E1165")) == ()
    assert sets.holds("listed", ("CPT", "77067"))
    assert not sets.holds("listed", ("CPT", "77068"))


def test_a_range_of_numbers_holds_no_code_with_a_letter() -> None:
    surgery = CodeRange("CPT", "10004", "69990")
    assert surgery.holds("36415")
    assert not surgery.holds("1126F")
    assert not surgery.holds("0464U")


def test_a_range_of_categories_holds_the_codes_below_them() -> None:
    cancer = CodeRange("ICD10CM", "C81", "C96")
    assert cancer.holds("C9200")
    assert cancer.holds("C81")
    assert cancer.holds("C96Z")
    assert not cancer.holds("C7A00")
    assert not cancer.holds("C97")


def test_a_set_is_found_by_its_oid_and_by_its_name() -> None:
    sets = ValueSets([one("2.16.1", "1", names=("Mammography",), version="2025")])
    assert "Mammography" in sets
    assert "2.16.1" in sets
    assert sets.id_of("Mammography") == "2.16.1"
    assert sets.version("Mammography") == "2025"
    assert sets.holds("Mammography", ("CPT", "1"))
    assert sets.missing(["Mammography", "2.16.1", "Other"]) == ("Other",)


def test_a_missing_set_is_an_error_with_its_reason_and_never_an_empty_set() -> None:
    sets = ValueSets([one("a", "1")], [Unusable("2.16.9", ("Frailty",), "vsd.xlsx: code system 'ABC' is not known")])
    for name in ("2.16.9", "Frailty"):
        with pytest.raises(MissingValueSets, match=r"code system 'ABC' is not known"):
            sets.holds(name, ("CPT", "1"))
    with pytest.raises(
        MissingValueSets, match=r"2 value sets are missing: Frailty \(vsd.xlsx.*\); b \(no file has it\)"
    ):
        sets.require(["a", "b", "Frailty"])
    with pytest.raises(MissingValueSets):
        sets.restricted_to(["a", "b"])


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(InvalidValueSets, match=r"a.csv: the value set a is empty"):
        ValueSets([one("a")])


def test_one_set_in_two_files_is_refused_when_they_differ_and_both_are_named() -> None:
    first, second = one("2.1", "1", source="2024.json", version="v1"), one("2.1", "2", source="2025.json", version="v2")
    with pytest.raises(
        ConflictingValueSets, match=r"2024.json \(version v1\) and, with other codes, in 2025.json \(version v2\)"
    ):
        ValueSets([second, first])
    with pytest.raises(ConflictingValueSets):
        ValueSets([first]).merged_with(ValueSets([second]))
    same = ValueSets([first]).merged_with(ValueSets([one("2.1", "1", source="copy.json", version="v2", names=("M",))]))
    assert same.version("M") == "v2"


def test_one_name_of_two_sets_is_refused() -> None:
    with pytest.raises(ConflictingValueSets, match=r"Mammography names 2.1 in a.csv and 2.2 in b.csv"):
        ValueSets([one("2.1", "1", names=("Mammography",)), one("2.2", "1", names=("Mammography",), source="b.csv")])
    with pytest.raises(ConflictingValueSets):
        ValueSets([one("Mammography", "1"), one("2.2", "1", names=("Mammography",))])


def test_only_what_is_measured_is_in_the_index() -> None:
    sets = ValueSets([one("a", "1", "2"), one("b", "2", names=("B",)), one("c", "2")])
    restricted = sets.restricted_to(["a", "B"])
    assert restricted.sets_of(("CPT", "2")) == ("a", "b")
    assert "c" not in restricted
    assert restricted.digest != sets.digest


def test_a_medication_list_says_how_much_a_package_holds() -> None:
    inhaler = Medication(("NDC", "00173068220"), "albuterol", "inhalation", Decimal(18), "g")
    sets = ValueSets([ValueSet(id="reliever", codes=frozenset({inhaler.code}), medications=frozenset({inhaler}))])
    assert sets.medications("reliever")[("NDC", "00173068220")].package_size == 18
    twice = frozenset({inhaler, Medication(inhaler.code, "albuterol", "inhalation", Decimal("6.7"), "g")})
    with pytest.raises(InvalidValueSets, match=r"lists a drug twice"):
        ValueSets([ValueSet(id="reliever", codes=frozenset({inhaler.code}), medications=twice)])


def test_an_imported_set_goes_before_the_starter_of_the_same_name() -> None:
    starters = ValueSets([one("mammography", "1"), one("fobt", "2")])
    imported = ValueSets([one("2.16.1", "9", names=("mammography",))])
    sets = replaced_by(starters, imported, {})
    assert sets.sets_of(("CPT", "9")) == ("2.16.1",)
    assert sets.sets_of(("CPT", "1")) == ()
    assert sets.holds("mammography", ("CPT", "9"))
    assert sets.holds("fobt", ("CPT", "2"))


def test_licensed_sets_that_together_are_a_starter_take_its_place_only_all_together() -> None:
    starters = ValueSets([one("dtap", "1"), one("z", "7")])
    groups = {"dtap": (("DTaP Immunization", "DTaP Procedure"),), "frail": (("Frailty", "z"),)}
    half = ValueSets([one("2.1", "5", names=("DTaP Immunization",))])
    assert replaced_by(starters, half, groups).sets_of(("CPT", "1")) == ("dtap",)
    whole = half.merged_with(
        ValueSets([one("2.2", "6", names=("DTaP Procedure",)), one("2.3", "8", names=("Frailty",))])
    )
    sets = replaced_by(starters, whole, groups)
    assert sets.sets_of(("CPT", "1")) == ()
    assert sets.sets_of(("CPT", "5")) == ("2.1", "dtap")
    assert sets.sets_of(("CPT", "6")) == ("2.2", "dtap")
    assert sets.sets_of(("CPT", "7")) == ("frail", "z")


def test_a_starter_does_not_hide_that_the_imported_set_is_unusable() -> None:
    starters = ValueSets([one("dtap", "1"), one("ipv", "2")])
    broken = ValueSets([], [Unusable("2.1", ("DTaP",), "x.xlsx: row 4"), Unusable("ipv", (), "y.csv: line 2")])
    sets = replaced_by(starters, broken, {"dtap": (("DTaP",),)})
    assert sets.missing(["dtap", "ipv"]) == ("dtap", "ipv")
    assert (sets.reason("dtap"), sets.reason("ipv")) == ("x.xlsx: row 4", "y.csv: line 2")


SYSTEM = st.sampled_from(["CPT", "ICD10CM"])
TEXT = st.text("01AB", min_size=1, max_size=3)
CODES = st.frozensets(st.tuples(SYSTEM, TEXT), max_size=4)
RANGES = st.frozensets(
    st.tuples(SYSTEM, st.text("01", min_size=2, max_size=2), st.text("01", min_size=2, max_size=2)).map(
        lambda drawn: CodeRange(drawn[0], *sorted(drawn[1:]))
    ),
    max_size=2,
)
SETS = st.lists(
    st.builds(ValueSet, id=st.sampled_from("abcdef"), codes=CODES, prefixes=CODES, ranges=RANGES),
    max_size=5,
    unique_by=lambda drawn: drawn.id,
).map(lambda drawn: [one for one in drawn if not one.is_empty()])


def naive_holds(one: ValueSet, code: Code) -> bool:
    system, text = code
    if code in one.codes or any(system == of and text.startswith(prefix) for of, prefix in one.prefixes):
        return True
    for span in one.ranges:
        width = len(span.low)
        in_shape = text[:width].isdecimal() and len(text) >= width
        if span.system == system and in_shape and int(span.low) <= int(text[:width]) <= int(span.high):
            return True
    return False


@given(SETS, st.lists(st.tuples(SYSTEM, TEXT), max_size=8))
def test_the_index_says_what_looking_into_each_set_says(drawn: list[ValueSet], codes: list[Code]) -> None:
    sets = ValueSets(drawn)
    for code in (*codes, *codes):
        assert sets.sets_of(code) == tuple(sorted(one.id for one in drawn if naive_holds(one, code)))


@given(SETS, st.randoms(use_true_random=False))
def test_the_digest_is_the_same_whatever_the_order(drawn: list[ValueSet], random: object) -> None:
    shuffled = list(drawn)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    elsewhere = [msgspec.structs.replace(one, source="b", version="9") for one in shuffled]
    assert ValueSets(elsewhere).digest == ValueSets(drawn).digest


@given(SETS, st.tuples(SYSTEM, TEXT))
def test_the_digest_changes_with_any_code(drawn: list[ValueSet], code: Code) -> None:
    for place, one in enumerate(drawn):
        if code not in one.codes:
            changed = ValueSet(id=one.id, codes=one.codes | {code}, prefixes=one.prefixes, ranges=one.ranges)
            assert ValueSets([*drawn[:place], changed, *drawn[place + 1 :]]).digest != ValueSets(drawn).digest
