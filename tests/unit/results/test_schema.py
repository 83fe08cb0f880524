"""The published JSON Schema says what results files hold: those that are written, and old ones."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from edgecnn.results import schema as results_schema
from tests.unit.reporting import factory, hostile_results

OLD = Path(__file__).parents[1] / "old_results"


def as_json(results) -> object:
    return json.loads(json.dumps(results.to_dict()))


def test_the_published_schema_is_that_of_the_types():
    published = resources.files("edgecnn").joinpath("assets/results.schema.json").read_text("utf-8")
    assert published == results_schema.text(), (
        "python -m edgecnn.results.schema > edgecnn/assets/results.schema.json"
    )


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(results_schema.results_schema())


@pytest.mark.parametrize("made", [factory.sample, factory.networks, hostile_results.hostile])
def test_what_is_written_fits_the_schema(made):
    jsonschema.validate(as_json(made()), results_schema.results_schema())


@pytest.mark.parametrize("path", sorted(OLD.glob("*.json")), ids=lambda path: path.stem)
def test_old_files_fit_the_schema(path):
    jsonschema.validate(json.loads(path.read_text()), results_schema.results_schema())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema_version",), 99),
        (("measurements", 0, "runtime"), 7),
        (("measurements", 0, "verdict"), "GOOD"),
        (("measurements", 0, "runs", 0, "samples_ns"), "many"),
        (("measurements", 0, "artifact", "size_bytes"), None),
    ],
)
def test_what_does_not_fit_is_refused(place, value):
    document = as_json(replace(factory.sample(), measurements=(factory.measurement(),)))
    holder = document
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, results_schema.results_schema())
