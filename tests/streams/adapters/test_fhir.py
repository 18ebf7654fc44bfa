"""Files of FHIR, references between resources, versions, mistakes, and the verb that imports them."""

from __future__ import annotations

import datetime as dt
import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from schemas.records import Clinical
from streams.adapters import fhir
from streams.adapters.left_out import LeftOut
from streams.adapters.sources import SourceError
from streams.cli import imports
from tests.fhir_resources import (
    LOINC,
    RXNORM,
    Import,
    benefit,
    bundle,
    coded,
    condition,
    coverage,
    encounter,
    observation,
    patient,
    resource,
    who,
)

# -- versions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meta", "version"),
    [
        ({}, 1),
        ({"versionId": "7", "lastUpdated": "2025-07-01T00:00:00Z"}, 7),
        ({"versionId": "a1", "lastUpdated": "1970-01-02T00:00:00Z"}, 86_400_000),
    ],
)
def test_a_version_is_the_sources_number_else_the_time_of_the_last_change(imported, meta, version):
    assert imported(observation(meta=meta)).only.record_version == version


def test_a_fact_is_known_from_the_last_change_on_unless_that_lies_before_it(imported):
    known = imported(observation(meta={"lastUpdated": "2025-07-01T00:00:00Z"})).only.accepted_at
    assert known == dt.datetime(2025, 7, 1, tzinfo=dt.UTC)
    assert imported(observation(meta={"lastUpdated": "2020-07-01T00:00:00Z"})).only.accepted_at is None


# -- files, references, mistakes ----------------------------------------------------------------------------------------


def test_bulk_files_are_read_in_any_order_and_what_is_wrong_is_listed_with_its_line(tmp_path):
    stranger = observation("s", subject={"reference": "Patient/nobody"})
    lines = [observation("o"), stranger, {"resourceType": "Basic", "id": "b"}, observation(None)]
    text = "\n".join(json.dumps(each) for each in lines[:2]) + "\n{not json\n\n" + "\n".join(map(json.dumps, lines[2:]))
    (tmp_path / "Observation.ndjson").write_text(text)
    (tmp_path / "Patient.ndjson").write_text(json.dumps(patient()) + "\n")
    (tmp_path / "notes.txt").write_text("words")
    found = Import([tmp_path])
    assert list(found.charted) == ["Observation/o"]
    assert [(row["file"], row["line"], row["resource_type"], row["reason"]) for row in found.rows] == [
        ("Observation.ndjson", "2", "Observation", "is about a patient whom the input does not have: not read"),
        ("Observation.ndjson", "3", "file", "is not JSON"),
        ("Observation.ndjson", "5", "Basic", "is a type that is not read"),
        ("Observation.ndjson", "6", "Observation", "has no id: not read"),
        ("notes.txt", "", "file", "is no .json or .ndjson file: not read"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{\n"resourceType": \n}', "3", "is not JSON"),
        ("[1, 2]", "1", "is no FHIR resource: it has no resourceType"),
        ("\udcff", "1", "is not JSON"),
        ("[" * 100_000, "1", "is not JSON"),
        ('{"resourceType": "Bundle", "entry": [{}]}', "1", "is an entry without a resource"),
    ],
)
def test_a_file_that_is_no_resource_is_listed_and_the_rest_goes_on(tmp_path, text, line, reason):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    (tmp_path / "b.json").write_text(json.dumps(bundle(patient(), observation())))
    found = Import([tmp_path])
    assert list(found.charted) == ["Observation/o"]
    assert [(row["file"], row["line"], row["reason"]) for row in found.rows] == [("a.json", line, reason)]


def test_the_same_ids_in_two_bundles_are_two_things(tmp_path):
    for name, code in (("ana", "10"), ("bo", "20")):
        order = resource(
            "MedicationRequest",
            "r",
            medicationReference={"reference": "Medication/m"},
            authoredOn="2025-01-01",
            subject={"reference": f"Patient/{name}"},
        )
        cites = encounter(f"of-{name}", diagnosis=[{"condition": {"reference": "Condition/c"}}])
        both = [cites | who(patient=name), condition(onsetDateTime="2025-01-01") | who(patient=name)]
        medication = {"resourceType": "Medication", "id": "m", "code": coded(RXNORM, code)}
        (tmp_path / f"{name}.json").write_text(json.dumps(bundle(patient(name), medication, order, *both)))
    found = Import([tmp_path]).of(Clinical)
    assert {each.member_id: each.code for each in found if each.kind == "medication"} == {"ana": "10", "bo": "20"}
    assert {each.member_id: each.part_of for each in found if each.kind == "condition"} == {
        "ana": "Encounter/of-ana",
        "bo": "Encounter/of-bo",
    }


def test_single_resources_of_a_folder_find_each_other_in_it(tmp_path):
    for name, code in (("ana", "10"), ("bo", "20")):
        folder = tmp_path / name
        folder.mkdir()
        order = resource(
            "MedicationRequest", medicationReference={"reference": "Medication/m"}, authoredOn="2025-01-01"
        )
        for number, each in enumerate(
            (
                patient(name),
                order | who(patient=name),
                {"resourceType": "Medication", "id": "m", "code": coded(RXNORM, code)},
            )
        ):
            (folder / f"{number}.json").write_text(json.dumps(each))
    assert {each.member_id: each.code for each in Import([tmp_path]).of(Clinical)} == {"ana": "10", "bo": "20"}


def test_entries_refer_to_each_other_by_their_urls(tmp_path):
    entries = [
        {"fullUrl": "urn:uuid:11", "resource": patient("ana")},
        {"fullUrl": "urn:uuid:22", "resource": encounter("visit", subject={"reference": "urn:uuid:11"})},
        {
            "fullUrl": "urn:uuid:33",
            "resource": observation(None, subject={"reference": "urn:uuid:11"}, encounter={"reference": "urn:uuid:22"}),
        },
    ]
    (tmp_path / "b.json").write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    found = Import([tmp_path]).charted
    assert found["Observation/33"].part_of == "Encounter/visit"
    assert found["Observation/33"].member_id == "ana"


def test_a_relative_reference_finds_an_entry_whose_url_ends_in_another_id_than_its_own(tmp_path):
    """As the bundles of ecqm-content-qicore-2024 have it. An entry of another bundle is not taken for it."""
    for name in ("ana", "bo"):
        entries = [
            {"fullUrl": f"https://madie.example/Patient/{name}", "resource": patient(name)},
            {
                "fullUrl": "https://madie.example/Encounter/Encounter-1",
                "resource": encounter(f"of-{name}") | who(patient=name),
            },
            {
                "fullUrl": "https://madie.example/Observation/Observation-1",
                "resource": observation(f"o-{name}", encounter={"reference": "Encounter/Encounter-1"})
                | who(patient=name),
            },
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    found = Import([tmp_path]).charted
    assert found["Observation/o-ana"].part_of == "Encounter/of-ana"
    assert found["Observation/o-bo"].part_of == "Encounter/of-bo"


def test_references_with_a_server_or_a_version_are_the_same_reference(imported):
    for written in ("https://fhir.example/r4/Patient/ana", "Patient/ana/_history/3"):
        assert imported(observation(subject={"reference": written})).only.member_id == "ana"


def test_what_is_about_no_patient_is_noted(imported):
    found = imported(
        observation("a", subject={"reference": "Group/g"}), observation("b", subject={"identifier": {"value": "1"}})
    )
    assert found.reasons == {
        ("Observation", "is about a Group, not a patient: not read"),
        ("Observation", "names no patient by a reference: not read"),
    }


def test_a_code_without_a_system_is_noted_and_one_that_is_only_words_names_nothing(imported):
    mixed = {"coding": [{"code": "1"}, *coded(LOINC, "4548-4")["coding"]]}
    found = imported(observation("a", code=mixed), observation("b", code={"text": "A1c"}))
    assert list(found.charted) == ["Observation/a"]
    assert found.reasons == {
        ("Observation", "has a code without a system: that code is not read"),
        ("Observation", "has no code of a system: not read"),
    }


def test_a_path_that_is_not_there_or_holds_nothing_is_told(tmp_path):
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(SourceError, match="name"):
            Import([path])


def test_the_same_files_give_the_same_events(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(bundle(patient(), coverage(), encounter(), observation(), benefit())))
    first, second = Import([tmp_path]), Import([tmp_path])
    assert (first.raw, first.list.getvalue()) == (second.raw, second.list.getvalue())


def test_memory_does_not_grow_with_the_lines_of_a_bulk_file(tmp_path):
    def peak(count):
        (tmp_path / "Observation.ndjson").write_text(
            "".join(json.dumps(observation(str(number))) + "\n" for number in range(count))
        )
        tracemalloc.start()
        try:
            made = sum(1 for _ in fhir.events([tmp_path], LeftOut(io.StringIO())))
            return made, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (tmp_path / "Patient.ndjson").write_text(json.dumps(patient()))
    peak(10)
    few, many = peak(100), peak(2_000)
    assert (few[0], many[0]) == (101, 2_001)
    assert many[1] < few[1] + 200_000


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "x", "2025-01-01", "2025", "Patient/ana", "#"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["coding", "code", "system", "value", "reference", "start", "end", "low", "high", "url", "type"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
ELEMENTS = [
    *(
        "id",
        "meta",
        "status",
        "code",
        "type",
        "class",
        "category",
        "period",
        "subject",
        "patient",
        "beneficiary",
        "payor",
    ),
    *(
        "extension",
        "modifierExtension",
        "effectiveDateTime",
        "effectivePeriod",
        "valueQuantity",
        "valueRange",
        "component",
    ),
    *("onsetAge", "onsetRange", "abatementPeriod", "bodySite", "hospitalization", "diagnosis", "dosageInstruction"),
    *("dispenseRequest", "medicationReference", "authoredOn", "item", "related", "insurance", "careTeam", "contained"),
    *("supportingInfo", "birthDate", "communication", "address", "name", "identifier", "occurrenceTiming", "created"),
]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_resource_the_import_goes_on_and_writes_only_records(data, tmp_path_factory):
    whole = {kind: resource(kind, kind) for kind in fhir.READ} | {
        "Observation": observation(),
        "Condition": condition(onsetDateTime="2025-01-01"),
        "Encounter": encounter(),
        "Coverage": coverage(),
        "Patient": patient("bo"),
        "ExplanationOfBenefit": benefit(),
        "MedicationRequest": resource(
            "MedicationRequest", medicationCodeableConcept=coded(RXNORM, "1"), authoredOn="2025"
        ),
    }
    broken = [
        each | data.draw(st.dictionaries(st.sampled_from(ELEMENTS), JUNK, max_size=3), label=kind)
        for kind, each in whole.items()
    ]
    folder = tmp_path_factory.mktemp("junk")
    (folder / "b.json").write_text(json.dumps(bundle(patient(), observation("whole"), *broken)))
    found = Import([folder])
    assert "Observation/whole" in found.charted


def test_the_verb_writes_events_and_a_list_and_counts_what_was_left_out(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(bundle(patient(), observation(), {"resourceType": "Basic", "id": "b"})))
    out = tmp_path / "out.ndjson"
    ran = CliRunner().invoke(imports.app, ["fhir", str(tmp_path / "b.json"), "--out", str(out), "--payer", "acme"])
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines() == [
        f"wrote 2 events to {out}",
        "Basic: is a type that is not read: 1",
        f"1 thing left out or said otherwise, listed in {out}.left-out.csv",
    ]
    assert {json.loads(line)["payer"] for line in out.read_text().splitlines()} == {"acme"}
    assert (tmp_path / "out.ndjson.left-out.csv").read_text().splitlines() == [
        "file,line,entry,resource_type,reason",
        "b.json,1,3,Basic,is a type that is not read",
    ]


def test_an_import_does_not_read_what_it_has_written_among_its_input(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(bundle(patient(), observation())))
    arguments = ["fhir", str(tmp_path), "--out", str(tmp_path / "out.ndjson")]
    for _ in range(2):
        assert "0 things left out" in CliRunner().invoke(imports.app, arguments).stdout


def test_an_import_that_fails_leaves_no_file(tmp_path):
    ran = CliRunner().invoke(imports.app, ["fhir", str(tmp_path / "gone"), "--out", str(tmp_path / "out.ndjson")])
    assert isinstance(ran.exception, SourceError)
    assert list(tmp_path.iterdir()) == []
