"""Traps of the second kind: fast, and wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.data.base import Dataset, Split
from edgecnn.manifest import sha256_of, sidecar_path, write_manifest

BRIEF = Protocol("brief", processes=1, min_secs=0.1, min_runs=64, max_secs=1.0, max_runs=500)


def onnx_model(path: Path, *nodes, **constants) -> Path:
    """A hand-made .onnx from "input" (batch, 4) to "output" (batch, 2)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        list(nodes),
        "trap",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def test_a_model_that_answers_a_constant_is_caught(measure, tmp_path: Path):
    from onnx import helper

    path = onnx_model(
        tmp_path / "constant.onnx",
        helper.make_node("MatMul", ["input", "zeros"], ["output"]),
        zeros=np.zeros((4, 2), np.float32),
    )
    row = measure(path, "onnxruntime:cpu")
    assert row.verdict == "INVALID"
    assert "the output is the same for every synthetic input" in " ".join(row.reasons)


def test_nan_outputs_are_caught(measure, tmp_path: Path):
    from onnx import helper

    path = onnx_model(
        tmp_path / "nan.onnx",
        helper.make_node("MatMul", ["input", "weights"], ["sums"]),
        helper.make_node("Log", ["sums"], ["output"]),
        weights=np.full((4, 2), -1.0, np.float32),
    )
    row = measure(path, "onnxruntime:cpu")
    assert row.verdict == "INVALID"
    assert "NaN or infinity" in " ".join(row.reasons)


def darkened(dataset: Dataset) -> Dataset:
    """A quarter of the brightness, as from another camera."""

    def darken(split: Split) -> Split:
        images = np.stack([split.samples[index] for index in range(len(split))])
        return Split((images // 64).astype(np.uint8), split.labels)

    splits = {name: darken(split) for name, split in dataset.splits.items()}
    return replace(dataset, splits=splits, sha256="0" * 64)


def test_an_int8_model_calibrated_on_the_wrong_data_is_caught(
    trained_lenet, digits, tmp_path: Path
):
    """Calibrated on images a quarter as bright, its ranges clip the real ones."""
    from edgecnn.conversion.convert import convert_one

    wrong = convert_one(
        trained_lenet.path, "tflite:static_int8", calibration=darkened(digits), out=tmp_path
    )
    results = benchmark(
        [trained_lenet, wrong],
        ["keras:cpu", "litert:cpu"],
        protocol=BRIEF,
        data=digits,
    )
    row = next(row for row in results.measurements if row.runtime == "litert")
    assert row.verdict == "INVALID"
    assert "accuracy collapse" in row.reasons[0]
    assert "calibration data" in row.reasons[0]
    assert row.accuracy.mcnemar_p < 0.01


def test_preprocessing_that_differs_from_training_is_caught(
    lenet_artifacts, digits, measure, tmp_path: Path
):
    """The same file, with a sidecar that takes black for white."""
    artifact = lenet_artifacts["tflite:float32"]
    path = tmp_path / "inverted.tflite"
    path.write_bytes(artifact.path.read_bytes())
    right = artifact.manifest.preprocessing
    inverted = replace(right, scale=-right.scale, mean=(right.mean[0] - 1.0,))
    write_manifest(path, replace(artifact.manifest, preprocessing=inverted))
    row = measure(path, "litert:cpu", data=digits)
    assert row.verdict == "INVALID"
    assert "the preprocessing differs from the one in training" in " ".join(row.reasons)


def test_a_file_swapped_under_its_manifest_is_refused(lenet_artifacts, measure, tmp_path: Path):
    from edgecnn.errors import InputError

    artifact = lenet_artifacts["tflite:float32"]
    path = tmp_path / "swapped.tflite"
    path.write_bytes(artifact.path.read_bytes() + b"\0")
    document = json.loads(sidecar_path(artifact.path).read_text())
    sidecar_path(path).write_text(json.dumps(document))
    assert document["sha256"] != sha256_of(path)
    with pytest.raises(InputError, match="not the file its manifest describes"):
        measure(path, "litert:cpu")


@pytest.mark.usefixtures("misbehaving_runtime")
def test_a_runtime_that_dies_is_a_row_with_its_reason_and_the_others_are_measured(model_file: Path):
    """The ways to die are in tests/integration/benchmarking/test_worker_process.py."""
    runtimes = ["misbehaving:crash", "misbehaving:cpu"]
    results = benchmark([model_file], runtimes, protocol=BRIEF)
    rows = {row.device: row for row in results.measurements}
    assert (rows["crash"].status, rows["crash"].verdict) == ("crashed", None)
    assert "SIGABRT" in rows["crash"].error
    assert rows["cpu"].status == "ok"
    assert rows["cpu"].latency is not None


def test_scores_that_share_a_quantized_output_with_boxes_are_said_to_be_lost(tmp_path: Path):
    from edgecnn.data import load
    from tests.unit.detection.small_detectors import ULTRALYTICS, write_detector, write_scenes

    pytest.importorskip("faster_coco_eval", reason="AP is computed by faster-coco-eval")
    data = load(f"coco:{write_scenes(tmp_path / 'scenes')}")
    path = write_detector(tmp_path / "int8.onnx", metadata=ULTRALYTICS, output_step=2.5)

    (row,) = benchmark([path], ["onnxruntime:cpu"], protocol=BRIEF, data=data).measurements

    assert row.accuracy is not None
    assert row.accuracy.value == 0
    reasons = " ".join(row.reasons)
    assert "share one quantized output with a step of 2.5" in reasons
    assert "scores of 0…1 are lost in it, the highest is 0" in reasons
