"""The value sets that come with the project."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from state.reference.codes import code_of
from state.reference.starter_sets import in_force, replacements, starter_sets
from state.reference.tables import BUILT_IN
from state.reference.value_sets import ValueSet, ValueSets

FILES = sorted((BUILT_IN / "value_sets").glob("*.csv"))
DOCS = Path(__file__).parents[3] / "docs" / "value_sets.md"


def test_every_starter_set_can_be_used_and_is_in_the_docs() -> None:
    assert starter_sets().unusable == ()
    words = set(re.findall(r"`([a-z0-9_]+)`", DOCS.read_text(encoding="utf-8")))
    assert [one.id for one in starter_sets().all if one.id not in words] == []
    assert [name for name in replacements() if name not in words] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_needs_a_licence_is_not_shipped(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            assert row["source"], row
            assert not row["code_system"].startswith(("SNOMED", "NDC")), row
            assert "VSAC" not in row["source"], row
    assert (BUILT_IN / "value_sets" / "NOTICE.md").is_file()


@pytest.mark.parametrize(
    ("system", "code", "sets"),
    [
        ("CVX", "146", {"dtap", "ipv", "hib", "hepb"}),
        ("CVX", "110", {"dtap", "ipv", "hepb"}),
        ("CVX", "120", {"dtap", "ipv", "hib"}),
        ("CVX", "94", {"mmr", "vzv"}),
        ("CVX", "51", {"hib", "hepb"}),
        ("CVX", "198", {"dtap", "hepb"}),
        ("CVX", "119", {"rotavirus_2dose"}),
        ("CVX", "149", {"laiv"}),
        ("CVX", "162", set()),
        ("CPT", "90714", set()),
        ("CPT", "90621", set()),
        ("CPT", "96127", set()),
        ("CPT", "77046", set()),
        ("HCPCS", "G0327", set()),
        ("ICD10CM", "I10", {"hypertension"}),
        ("ICD10CM", "I11.9", set()),
        ("ICD10CM", "E08.9", set()),
        ("ICD10CM", "O24.410", {"pregnancy", "maternity_diagnosis"}),
        ("ICD10CM", "O24.011", {"pregnancy", "maternity_diagnosis", "diabetes"}),
        ("CPT", "3045F", set()),
        ("CPT", "45378", {"colonoscopy", "ed_procedure"}),
        ("CPT", "45395", {"ed_procedure"}),
        ("UBREV", "0510", {"outpatient"}),
        ("CPT", "99213", {"outpatient", "outpatient_without_revenue"}),
        ("INGREDIENT", "albuterol+budesonide", {"asthma_reliever"}),
        ("INGREDIENT", "metformin", {"metformin"}),
        ("INGREDIENT", "metformin+sitagliptin", {"diabetes_medications"}),
    ],
)
def test_a_code_is_in_these_starter_sets_and_in_no_other(system: str, code: str, sets: set[str]) -> None:
    assert set(starter_sets().sets_of(code_of(system, code))) == sets


def test_the_older_and_the_newer_telephone_codes_are_both_visits() -> None:
    for code in ("99441", "99443", "98008", "98015"):
        assert starter_sets().sets_of(("CPT", code)) == ("telephone_visit",)


def test_every_replacement_names_a_starter_or_a_set_that_only_an_import_has() -> None:
    only_imported = {name for name in replacements() if name not in starter_sets()}
    assert only_imported == {
        "acute_condition",
        "anaphylaxis_dtap",
        "anaphylaxis_tdap",
        "encephalitis_dtap",
        "encephalitis_tdap",
        "potentially_planned_procedure",
    }


def test_licensed_sets_take_the_place_of_starters_and_ecqm_sets_of_the_same_title_do_not() -> None:
    def imported(*names: str) -> ValueSets:
        return ValueSets(
            [ValueSet(id="2.16.840.1.113883.3.464.1.1", names=names, codes=frozenset({("CPT", "00001")}), source="x")]
        )

    assert in_force(imported("Mammography")).holds("mammography", ("CPT", "00001"))
    assert not in_force(imported("Mammography")).holds("mammography", ("CPT", "77067"))
    assert in_force(imported()).holds("mammography", ("CPT", "77067"))
    palliative = ("Palliative Care Encounter", "Palliative Care Assessment", "Palliative Care Intervention")
    assert in_force(imported(*palliative)).holds("palliative_care", ("ICD10CM", "Z515"))
