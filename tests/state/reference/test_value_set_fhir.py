"""FHIR ValueSets: composed, grouped, expanded, cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from state.reference.tables import TableFile
from state.reference.value_set_files import fhir
from state.reference.value_sets import InvalidValueSets, ValueSets

CTS = "http://cts.nlm.nih.gov/fhir/ValueSet/"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SCT = "http://snomed.info/sct"


def listed(system: str, *codes: str) -> dict[str, Any]:
    return {"system": system, "concept": [{"code": code, "display": "x"} for code in codes]}


def grouped(*oids: str) -> dict[str, Any]:
    return {"valueSet": [f"{CTS}{oid}" for oid in oids]}


def value_set(
    oid: str, *include: dict[str, Any], exclude: tuple[dict[str, Any], ...] = (), **more: Any
) -> dict[str, Any]:
    compose = (
        {"compose": {"include": list(include), **({"exclude": list(exclude)} if exclude else {})}} if include else {}
    )
    return {
        "resourceType": "ValueSet",
        "id": f"{oid}-2025",
        "url": f"{CTS}{oid}",
        "version": "2025",
        "name": "N",
        **compose,
        **more,
    }


def expansion(*entries: tuple[str, str], total: int | None = None) -> dict[str, Any]:
    return {
        "contains": [{"system": system, "code": code} for system, code in entries],
        **({} if total is None else {"total": total}),
    }


def read(*resources: dict[str, Any]) -> ValueSets:
    files = [
        TableFile("value_sets", f"{place}.json", json.dumps(resource).encode())
        for place, resource in enumerate(resources)
    ]
    imported = fhir.read(files)
    return ValueSets(imported.sets, imported.unusable)


def test_a_set_is_known_by_the_oid_of_its_url_or_identifier() -> None:
    sets = read(
        value_set("2.16.840.1", listed(ICD, "I10")),
        {
            **value_set("x", listed(ICD, "I11.0")),
            "url": "http://example.org/ValueSet/hypertension",
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.16.840.2"}],
        },
        {**value_set("x", listed(ICD, "I12.0")), "url": "http://example.org/ValueSet/kidney", "name": "Kidney"},
    )
    assert sets.sets_of(("ICD10CM", "I10")) == ("2.16.840.1",)
    assert sets.sets_of(("ICD10CM", "I110")) == ("2.16.840.2",)
    assert sets.sets_of(("ICD10CM", "I120")) == ("Kidney",)
    assert sets.version("2.16.840.1") == "2025"
    assert fhir.set_id_of("http://cts.nlm.nih.gov/fhir/ValueSet/2.16.840.1|20240105") == "2.16.840.1"
    assert fhir.set_id_of("urn:oid:2.16.840.1") == "2.16.840.1"


def test_what_is_composed_counts_although_the_expansion_ends_after_a_thousand() -> None:
    many = [str(number) for number in range(1, 1793)]
    cut = expansion(*((SCT, code) for code in many[:1000]), total=1792)
    sets = read(value_set("2.16.840.1", listed(SCT, *many), expansion=cut))
    assert len(sets.get("2.16.840.1").codes) == 1792


def test_a_grouping_is_walked_through_all_files_and_bundles() -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": value_set("2.16.840.3", listed(SCT, "7"))}, {}]}
    sets = read(
        value_set("2.16.840.1", grouped("2.16.840.2"), grouped("2.16.840.3"), expansion=expansion((SCT, "9"))),
        value_set("2.16.840.2", grouped("2.16.840.4")),
        bundle,
        value_set("2.16.840.4", listed(ICD, "I10")),
    )
    assert sets.sets_of(("ICD10CM", "I10")) == ("2.16.840.1", "2.16.840.2", "2.16.840.4")
    assert sets.sets_of(("SNOMEDCT", "7")) == ("2.16.840.1", "2.16.840.3")
    assert sets.sets_of(("SNOMEDCT", "9")) == ()


def test_sets_named_in_one_include_are_cut_with_one_another_and_exclude_takes_away() -> None:
    sets = read(
        value_set("2.16.840.1", listed(SCT, "1", "2", "3")),
        value_set("2.16.840.2", listed(SCT, "2", "3", "4")),
        value_set("2.16.840.3", grouped("2.16.840.1", "2.16.840.2")),
        value_set("2.16.840.4", grouped("2.16.840.1"), exclude=(listed(SCT, "2"),)),
        value_set("2.16.840.5", {**listed(SCT, "1", "4"), **grouped("2.16.840.2")}),
        value_set("2.16.840.6", listed(SCT, "1"), listed(ICD, "I10")),
        value_set("2.16.840.7", {"system": ICD, **grouped("2.16.840.6")}),
    )
    codes = {one.id[-1]: {code for _, code in one.codes} for one in sets.all}
    assert codes["3"] == {"2", "3"}
    assert codes["4"] == {"1", "3"}
    assert codes["5"] == {"4"}
    assert codes["7"] == {"I10"}


def test_an_expansion_counts_where_nothing_is_composed_and_it_is_whole() -> None:
    tree = {
        "contains": [
            {"system": SCT, "code": "1", "abstract": True, "contains": [{"system": SCT, "code": "2", "inactive": True}]}
        ]
    }
    sets = read(
        value_set("2.16.840.1", expansion=tree),
        value_set(
            "2.16.840.2", {"system": SCT, "filter": [{"property": "concept"}]}, expansion=expansion((SCT, "5"), total=1)
        ),
        value_set("2.16.840.3", grouped("2.16.840.99"), expansion=expansion((SCT, "6"), total=1)),
    )
    assert sets.get("2.16.840.1").codes == {("SNOMEDCT", "2")}
    assert sets.sets_of(("SNOMEDCT", "5")) == ("2.16.840.2",)
    assert sets.sets_of(("SNOMEDCT", "6")) == ("2.16.840.3",)


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (
            value_set("2.16.840.1", {"system": SCT, "filter": [{"property": "concept"}]}),
            "a filter over http://snomed.info/sct",
        ),
        (value_set("2.16.840.1", {"system": SCT}), "it takes all of http://snomed.info/sct"),
        (
            value_set("2.16.840.1", grouped("2.16.840.9")),
            "its member 2.16.840.9 is in no file, and it has no expansion",
        ),
        (
            value_set("2.16.840.1", grouped("2.16.840.9"), expansion=expansion((SCT, "1"), total=1792)),
            "its expansion ends after 1 of 1792",
        ),
        (
            value_set("2.16.840.1", expansion=expansion(*((SCT, str(code)) for code in range(1, 1001)))),
            "its expansion ends after 1000 of unknown",
        ),
        (value_set("2.16.840.1"), "it has no compose.include, and it has no expansion"),
        (value_set("2.16.840.1", listed(SCT, "1"), exclude=(listed(SCT, "1"),)), "it has no code"),
        (value_set("2.16.840.1", listed("nonsense", "1")), "code system 'nonsense' is not known"),
        (value_set("2.16.840.1", grouped("2.16.840.1")), "contains itself"),
    ],
)
def test_a_set_that_does_not_say_its_codes_is_missing_with_the_reason(resource: dict[str, Any], reason: str) -> None:
    sets = read(resource, value_set("2.16.840.2", listed(SCT, "1")))
    assert sets.missing(["2.16.840.1", "2.16.840.2"]) == ("2.16.840.1",)
    assert reason in sets.reason("2.16.840.1")
    assert sets.reason("2.16.840.1").startswith("0.json: ")


def test_of_a_set_that_was_cut_off_there_is_a_part_for_those_who_take_it_as_it_was_published() -> None:
    cut = value_set("2.16.840.1", expansion=expansion((SCT, "1"), (ICD, "I10"), total=1973))
    sets = read(cut, value_set("2.16.840.2", listed(SCT, "2")), value_set("2.16.840.3", grouped("2.16.840.9")))
    assert sets.sets_of(("SNOMEDCT", "1")) == ()
    taken = sets.as_published()
    assert taken.sets_of(("ICD10CM", "I10")) == ("2.16.840.1",)
    assert taken.missing(["2.16.840.1", "2.16.840.2", "2.16.840.3"]) == ("2.16.840.3",)
    assert list(sets.cut_off(["2.16.840.1", "2.16.840.2", "2.16.840.3"])) == ["2.16.840.1"]
    assert "its expansion ends after 2 of 1973" in sets.cut_off(["2.16.840.1"])["2.16.840.1"]


def test_a_whole_set_counts_before_one_that_was_cut_off() -> None:
    cut = value_set("2.16.840.1", expansion=expansion((SCT, "1"), total=2))
    whole = value_set("2.16.840.1", listed(SCT, "1", "2"))
    for sets in (read(cut, whole), read(whole, cut)):
        assert len(sets.as_published().get("2.16.840.1").codes) == 2
        assert not sets.cut_off(["2.16.840.1"])


def test_of_two_files_the_one_in_a_folder_above_counts() -> None:
    files = {
        "sets/a.json": value_set("2.16.840.1", listed(SCT, "1")),
        "sets/converted/a.json": value_set("2.16.840.1", listed(SCT, "2")),
        "sets/converted/b.json": value_set("2.16.840.2", listed(SCT, "3")),
    }
    found = fhir.read(TableFile(".json", name, json.dumps(one).encode()) for name, one in files.items())
    sets = ValueSets(found.sets, found.unusable)
    assert sets.get("2.16.840.1").codes == {("SNOMEDCT", "1")}
    assert sets.sets_of(("SNOMEDCT", "3")) == ("2.16.840.2",)


def test_two_versions_of_a_set_are_refused_and_the_same_twice_is_one() -> None:
    first = value_set("2.16.840.1", listed(SCT, "1"))
    assert len(read(first, first)) == 1
    with pytest.raises(
        InvalidValueSets, match=r"0.json \(version 2025\) and, with other codes, in 1.json \(version 2026\)"
    ):
        read(first, {**value_set("2.16.840.1", listed(SCT, "2")), "version": "2026"})


def test_codes_of_hl7_terminologies_are_kept_under_their_uri() -> None:
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    assert read(value_set("2.16.840.1", listed(act, "EMER"))).sets_of((act, "EMER")) == ("2.16.840.1",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "0.json is no FHIR R4 JSON"),
        (b"\xff", "0.json is no FHIR R4 JSON"),
        (b'{"resourceType": "Patient"}', "0.json holds no ValueSet"),
        (b'{"resourceType": "Bundle"}', "0.json holds no ValueSet"),
        (b'{"resourceType": "ValueSet", "compose": {"include": [{"concept": [{}]}]}}', "0.json is no FHIR R4 JSON"),
        (b'{"resourceType": "ValueSet"}', "neither OID nor name"),
    ],
)
def test_a_file_that_is_no_value_set_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidValueSets, match=reason):
        fhir.read([TableFile("value_sets", "0.json", data)])
