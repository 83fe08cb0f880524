"""What a benchmark leaves behind: raw samples are the truth, the rest is derived."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.results import (
    SCHEMA_VERSION,
    Accuracy,
    ArtifactRecord,
    Effective,
    Environment,
    Measurement,
    Parity,
    Results,
    Run,
    RuntimeOptions,
)

OLD = Path(__file__).with_name("old_results")


def run(samples: tuple[int, ...] = tuple(range(1_000_000, 1_000_100))) -> Run:
    return Run(
        load_ns=5_000_000,
        first_inference_ns=3_000_000,
        warmup_ns=(2_000_000,),
        samples_ns=samples,
        rss_bytes={"at_start": 100, "after_load": 150, "peak": 180},
        effective=Effective("XNNPACK", "float32", "a CPU", 1.0, 1),
    )


def measurement(**more) -> Measurement:
    artifact = ArtifactRecord("m.tflite", "tflite", "float32", "ab", 10, "lenet5")
    return Measurement(artifact, "litert", "cpu", runs=(run(), run()), **more)


FULL = Results(
    (
        measurement(
            accuracy=Accuracy("top1", 0.9, 10, (0.6, 0.98)),
            parity=Parity(0.1, 40.0, 1.0, 1.0, 10, "cd"),
            verdict="VALID",
        ),
        Measurement(
            ArtifactRecord("m.onnx", "onnx", "float16", "ef", 20),
            "onnxruntime",
            "cuda",
            RuntimeOptions(2, 4),
            status="unsupported",
            error="no driver",
            hint="install one",
        ),
    ),
    Environment("2026-01-01T00:00:00+01:00", {"cpu_model": "a CPU", "gpus": []}),
    {"name": "quick"},
    {"name": "digits", "sha256": "12"},
    "edgecnn run",
)


def test_results_survive_the_disk(tmp_path: Path):
    path = tmp_path / "results.json"
    FULL.save(path)
    assert Results.load(path) == FULL


def test_the_file_has_the_keys_that_others_rely_on():
    document = FULL.to_dict()
    row = document["measurements"][0]
    assert set(document) >= {"schema_version", "environment", "measurements"}
    assert set(row) >= {
        "artifact", "runtime", "device", "options", "effective", "load_ms", "first_inference_ms",
        "latency_ms", "throughput_per_s", "samples", "memory", "accuracy", "parity", "verdict",
        "reasons", "status", "error",
    }  # fmt: skip
    assert set(row["artifact"]) >= {"name", "format", "recipe", "sha256", "size_bytes"}
    assert set(row["latency_ms"]) >= {
        "p50", "p90", "p95", "p99", "mean", "std", "min", "max", "ci95",
    }  # fmt: skip
    assert set(row["effective"]) >= {
        "provider", "precision", "delegated_fraction", "device_name",
    }  # fmt: skip
    assert row["latency_ms"]["p99"] is None  # 200 samples do not carry a p99


def test_a_file_keeps_the_schema_it_was_written_in():
    """So that a comparison can refuse two that differ."""
    older = FULL.to_dict() | {"schema_version": 0}
    assert Results.from_dict(older).schema_version == 0


@pytest.mark.parametrize("path", sorted(OLD.glob("*.json")), ids=lambda path: path.stem)
def test_a_file_that_an_earlier_version_wrote_is_read(path: Path):
    results = Results.load(path)
    assert results.left_out == ()
    assert results.schema_version < SCHEMA_VERSION
    assert results.measurements[0].latency.count > 0


def test_placement_and_load_of_an_old_file_are_what_they_were():
    (row,) = Results.load(OLD / "schema_3_last.json").measurements
    assert row.placement.affinity == (0,)
    assert (row.load.scenario, row.load.streams) == ("offline", 2)
    assert (row.options.threads, row.options.batch) == (1, 1)


def with_row(change) -> dict:
    """A document of two rows; `change` is applied to the first row's dictionary."""
    document = json.loads(json.dumps(FULL.to_dict()))
    change(document["measurements"][0])
    return document


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row: row["runs"][1]["samples_ns"].__setitem__(3, float("nan")),
         r"measurements\[0\]\.runs\[1\]\.samples_ns\[3\]: .* received: nan"),
        (lambda row: row["runs"][0]["samples_ns"].__setitem__(3, -5),
         r"runs\[0\]\.samples_ns\[3\]: is negative: -5"),
        (lambda row: row["runs"][0].update(samples_ns="fast"), "samples_ns: expected a list"),
        (lambda row: row["runs"][0].pop("load_ns"), r"runs\[0\]\.load_ns: is missing"),
        (lambda row: row["runs"][0].update(blocks=[{"first": 90, "count": 20}]),
         r"blocks\[0\]: covers samples 90 to 110 of 100"),
        (lambda row: row["runs"][0].update(queries={"valid": False}),
         r"queries\.samples: is missing"),
        (lambda row: row["runs"][0].update(passes={"memory": {"inferences": 3}}),
         r"passes\.memory\.growth_second_half_bytes: is missing"),
        (lambda row: row["runs"][0].update(passes={"energy": 3}), r"energy: expected an object"),
        (lambda row: row["options"].update(threads=0), r"options\.threads: expected 1 or more"),
        (lambda row: row.update(status="fine"), "status: expected one of ok, unsupported"),
        (lambda row: row["accuracy"].update(value=float("inf")), r"accuracy\.value: expected"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path, change, reason):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(with_row(change)))
    results = Results.load(path)
    assert results.measurements == FULL.measurements[1:]
    (lost,) = results.left_out
    assert lost.row == "row 1 (m.tflite on litert)"
    assert re.search(reason, lost.reason)


def test_a_configuration_that_comes_twice_is_left_out_the_second_time():
    document = FULL.to_dict()
    document["measurements"].append(document["measurements"][0])
    results = Results.from_dict(document)
    assert results.measurements == FULL.measurements
    assert "the same configuration as a row before it" in results.left_out[0].reason


def test_what_json_does_not_have_is_null_in_a_saved_file(tmp_path: Path):
    path = tmp_path / "results.json"
    odd = replace(run(), passes={"energy": {"joules_per_inference": float("nan")}})
    row = replace(measurement(), runs=(odd,))
    Results((row,)).save(path)
    assert "NaN" not in path.read_text()
    (back,) = Results.load(path).measurements
    assert back.pass_result("energy") == {"joules_per_inference": None}


def test_derived_numbers_come_from_the_samples_not_from_the_file():
    document = FULL.to_dict()
    document["measurements"][0]["latency_ms"]["p50"] = 0.001
    assert Results.from_dict(document).measurements[0].latency.p50 == pytest.approx(1.0000495)


def test_load_and_first_inference_are_apart_from_the_steady_state():
    row = measurement()
    assert (row.load_ms, row.first_inference_ms) == (5.0, 3.0)
    assert row.latency.max < 2.0


def test_memory_is_the_largest_process_and_what_loading_added():
    assert measurement().memory == {"peak_rss_bytes": 180, "load_growth_bytes": 50}


@pytest.mark.parametrize(
    ("rss", "peak"),
    [
        ({"bare": 60, "at_start": 100, "peak": 180}, 140),
        ({"at_start": 100, "peak": 180}, 180),
        ({"bare": 60, "peak": 180}, 180),
        ({"bare": 60, "at_start": 100}, None),
    ],
)
def test_a_peak_leaves_out_edgecnn_s_own_modules_where_they_are_known(rss, peak):
    assert replace(run(), rss_bytes=rss).peak_bytes == peak


def test_the_same_key_replaces_a_row():
    again = measurement(verdict="NOISY")
    replaced = FULL.with_measurement(again)
    assert len(replaced.measurements) == len(FULL.measurements)
    assert again in replaced.measurements


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not a complete JSON file"),
        ('{"schema_version": 1, "measurements": [', "not a complete JSON file"),
        ("[]", "not an edgecnn results file"),
        ('{"name": "package.json"}', "not an edgecnn results file"),
        ('{"schema_version": 99, "measurements": []}', "newer than this edgecnn reads"),
        (
            '{"schema_version": 1, "measurements": [{"artifact": 3}]}',
            r"runs: expected a list, received: null",
        ),
        ('{"schema_version": 1, "measurements": ["row"]}', "expected an object, received: 'row'"),
        ('{"schema_version": true, "measurements": []}', "schema_version: expected a whole number"),
        ('{"schema_version": -1, "measurements": []}', "none that this edgecnn reads"),
        ('{"schema_version": 1, "measurements": [], "command": 3}', "command: expected text"),
        ('{"schema_version": 1, "schema_version": 2}', "'schema_version' comes twice"),
        ("<!doctype html><html></html>", "a page, not a results file"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_not_ours_is_a_clear_line(tmp_path: Path, text: str, word: str):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(InputError, match=word):
        Results.load(path)


def test_a_missing_file_is_a_clear_line(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        Results.load(tmp_path / "none.json")
    with pytest.raises(InputError, match="received a folder"):
        Results.load(tmp_path)


def test_keys_of_a_later_minor_version_are_left_out():
    document = json.loads(json.dumps(FULL.to_dict()))
    document["measurements"][0]["something_new"] = 1
    document["measurements"][0]["runs"][0]["something_new"] = 1
    assert Results.from_dict(document) == FULL


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({"schema_version": st.just(1), "measurements": st.lists(json_values)}))
def test_arbitrary_json_never_gets_through_as_anything_but_an_input_error(document: dict):
    if document["measurements"]:
        with pytest.raises(InputError):
            Results.from_dict(document)
