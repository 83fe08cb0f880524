"""Exports hold what the programs that read them have published."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from edgecnn.analysis.gate import GateBaseline, regression_gate
from edgecnn.reporting import exports
from tests.unit.reporting import factory, hostile_results

# Bencher Metric Format, as its reference publishes it.
BMF = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "properties": {
                        "value": {"type": "number"},
                        "lower_value": {"type": "number"},
                        "upper_value": {"type": "number"},
                    },
                    "required": ["value"],
                }
            },
        }
    },
}
# The fields that github-action-benchmark reads from a custom tool's file.
CUSTOM = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
    },
}
# Elements of JUnit XML with the attributes and children that junit-10.xsd allows.
JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "classname", "time", "assertions", "status"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}


@pytest.fixture(params=[factory.sample, hostile_results.hostile], ids=["sample", "hostile"])
def rows(request):
    return exports.rows_of([request.param()])


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_bmf_fits_its_schema_and_every_name_its_limit(rows):
    document = strict(exports.bmf(rows))
    jsonschema.validate(document, BMF)
    assert document
    assert all(len(name) <= 1_024 for name in document)
    assert all(len(measure) <= 64 for entry in document.values() for measure in entry)


def test_latency_goes_to_bencher_in_nanoseconds_with_its_interval():
    row = factory.measurement()
    (entry,) = strict(exports.bmf([row])).values()
    assert entry["latency"]["value"] == pytest.approx(row.latency.p50 * 1e6)
    assert entry["latency"]["lower_value"] < entry["latency"]["value"]
    assert entry["latency"]["upper_value"] > entry["latency"]["value"]


def test_custom_smaller_is_better_holds_only_what_is_better_when_it_is_smaller(rows):
    entries = strict(exports.custom_smaller_is_better(rows))
    jsonschema.validate(entries, CUSTOM)
    assert {entry["name"].rpartition(": ")[2] for entry in entries} <= {
        "p50",
        "peak memory",
        "top1 error",
    }
    names = [entry["name"] for entry in entries]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("render", [exports.bmf, exports.custom_smaller_is_better])
def test_invalid_rows_and_rows_without_a_number_are_not_exported(render):
    invalid = factory.measurement(verdict="INVALID")
    failed = factory.measurement(status="failed", runs=(), verdict=None)
    assert not strict(render([invalid, failed]))


def test_a_number_keeps_its_name_when_the_row_of_another_file_is_invalid():
    first, second = (
        replace(row, artifact=replace(row.artifact, name="model.tflite", sha256=digest * 64))
        for row, digest in ((factory.measurement(), "a"), (factory.measurement(slowdown=9), "b"))
    )
    pinned = replace(second, placement=replace(second.placement, affinity=(0, 1)))
    whole = strict(exports.bmf([first, second, pinned]))
    rest = strict(exports.bmf([replace(first, verdict="INVALID"), second, pinned]))
    assert len(whole) == 3
    assert rest.items() < whole.items()
    assert sum("cores 0,1" in name for name in whole) == 1


def check_junit(element):
    attributes, children = JUNIT[element.tag]
    assert set(element.attrib) <= attributes
    for child in element:
        assert child.tag in children
        check_junit(child)


def test_junit_has_the_elements_that_its_readers_know(rows):
    root = ET.fromstring(exports.junit(rows))
    check_junit(root)
    (suite,) = root
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases) == len(rows)
    for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(suite.findall(f"testcase/{kind}")) == int(suite.get(count))
    assert all(float(case.get("time")) >= 0 for case in cases)


def test_in_junit_a_row_of_a_gate_fails_when_it_got_worse():
    old, new = factory.measurement(), factory.measurement(slowdown=1.5)
    gate = regression_gate([(new, GateBaseline((old,)))], "main")
    root = ET.fromstring(exports.junit([new], gate))
    (failure,) = root.findall("testsuite/testcase/failure")
    assert "slower than main" in failure.get("message")
    assert root.find("testsuite").get("failures") == "1"
