"""A detector of another maker goes the whole way: converted, verified, with its accuracy."""

from __future__ import annotations

import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data import load
from edgecnn.embedded_manifest import load_artifact
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.vision import load_detector
from tests.unit.detection.small_detectors import (
    NAMES,
    RED,
    SIDE,
    ULTRALYTICS,
    draw,
    write_detector,
    write_scenes,
)

pytest.importorskip("onnx", reason="the detectors are written with onnx")
pytest.importorskip("onnxruntime", reason="the files are quantized and run with onnxruntime")
pytest.importorskip("faster_coco_eval", reason="AP is computed by faster-coco-eval")


def test_a_yolo_is_quantized_and_keeps_its_head_its_classes_and_its_accuracy(tmp_path):
    path = write_detector(tmp_path / "yolo.onnx", metadata=ULTRALYTICS)
    data = load(f"coco:{write_scenes(tmp_path / 'scenes')}")

    (outcome,) = convert(path, "onnx:dynamic_int8", calibration=data, out=tmp_path / "made")

    assert outcome.artifact is not None, outcome.error
    manifest = load_artifact(outcome.artifact.path).manifest
    assert manifest.task == "detection"
    assert manifest.labels == NAMES
    assert manifest.postprocessing is not None
    assert (manifest.postprocessing.head, manifest.postprocessing.class_names) == ("yolov8", NAMES)
    assert manifest.preprocessing == LetterboxPreprocessing(SIDE, SIDE, 3)

    found = verify_artifact(outcome.artifact.path, parent=path, dataset=data)
    assert found.accuracy is not None
    assert found.accuracy.metric == "AP50-95"
    assert found.accuracy.value == pytest.approx(1, abs=1e-6)
    assert found.passed

    detector = load_detector(
        outcome.artifact.path, runtime="onnxruntime:cpu", classes=["stop sign"]
    )
    assert len(detector(draw([(1, 1, RED)])[:, :, ::-1])) == 1


def test_a_quantized_output_that_loses_the_scores_does_not_pass(tmp_path):
    path = write_detector(tmp_path / "yolo.onnx", metadata=ULTRALYTICS)
    coarse = write_detector(tmp_path / "coarse.onnx", metadata=ULTRALYTICS, output_step=2.5)
    data = load(f"coco:{write_scenes(tmp_path / 'scenes')}")

    found = verify_artifact(coarse, parent=path, dataset=data)

    assert found.accuracy is not None
    assert found.accuracy.value == 0
    assert not found.passed
    assert found.gate is not None
    said = " ".join((found.gate.reason, *found.gate.notes))
    assert "every value is 0: lost" in said
