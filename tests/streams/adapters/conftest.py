"""What the tests of the FHIR adapter share."""

from __future__ import annotations

import io
import json

import pytest

from streams.adapters.left_out import LeftOut
from tests.fhir_resources import Import, bundle, patient


@pytest.fixture
def imported(tmp_path):
    """Imports resources as one bundle, with the patient Ana unless another is among them."""

    def run(*resources, payer="fhir"):
        people = () if any(each["resourceType"] == "Patient" for each in resources) else (patient(),)
        (tmp_path / "bundle.json").write_text(json.dumps(bundle(*people, *resources)))
        found = Import([tmp_path], payer)
        assert found.refused == []
        return found

    return run


@pytest.fixture
def left_out():
    """The list of what an import leaves out."""
    return LeftOut(io.StringIO())
