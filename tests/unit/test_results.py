"""What a benchmark leaves behind: raw samples are the truth, the rest is derived."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.results import (
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
        ('{"schema_version": 1, "measurements": [{"artifact": 3}]}', "not an edgecnn results file"),
        ('{"schema_version": 1, "measurements": ["row"]}', "not an edgecnn results file"),
        ("[" * 100_000, "not a complete JSON file"),
    ],
)
def test_a_file_that_is_not_ours_is_a_clear_line(tmp_path: Path, text: str, word: str):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(InputError, match=word):
        Results.load(path)


def test_a_missing_file_is_a_clear_line(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read"):
        Results.load(tmp_path / "none.json")


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
