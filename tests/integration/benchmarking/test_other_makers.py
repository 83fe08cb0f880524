"""Detectors of other makers have their average precision on every runtime, and a reason without."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.cli import invoke
from tests.unit.detection.small_detectors import NAMES, ULTRALYTICS, write_detector, write_scenes

pytest.importorskip("onnx", reason="the detectors are written with onnx")
pytest.importorskip("faster_coco_eval", reason="AP is computed by faster-coco-eval")

pytestmark = pytest.mark.slow

BRIEF = (
    "--quick",
    "--min-secs",
    "0.05",
    "--max-secs",
    "0.5",
    "--processes",
    "1",
    "--min-runs",
    "8",
)


def rows_of(out):
    return json.loads(out.read_text())["measurements"]


def measured(tmp_path, models, *more, names=NAMES, runtimes="onnxruntime:cpu"):
    data = write_scenes(tmp_path / "scenes", names)
    out = tmp_path / "results.json"
    code = invoke(
        ["benchmark", *map(str, models), "--data", f"coco:{data}", "--runtimes", runtimes,
         *BRIEF, *more, "--out", str(out)]
    )  # fmt: skip
    assert code == 0
    return rows_of(out)


def test_all_classes_that_both_sides_have_are_scored_on_every_runtime(tmp_path):
    path = write_detector(tmp_path / "yolo.onnx", metadata=ULTRALYTICS)

    rows = measured(tmp_path, [path], runtimes="onnxruntime:cpu,openvino:cpu")

    assert len(rows) == 2
    for row in rows:
        assert row["accuracy"]["metric"] == "AP50-95"
        assert row["accuracy"]["value"] == pytest.approx(1, abs=1e-6)
        assert row["accuracy"]["further"]["classes"] == 2
        assert row["accuracy"]["further"]["false_alarms_per_100"] == 0
        assert row["fed"]["known_from"] == "metadata"


def test_a_restriction_finds_the_class_under_the_models_name(tmp_path):
    paths = [
        write_detector(tmp_path / f"{layout}.onnx", layout, classes=80 if layout != "yolov8" else 2,
                       metadata=ULTRALYTICS if layout == "yolov8" else None)
        for layout in ("yolov8", "fastestdet")
    ]  # fmt: skip
    # FastestDet has COCO's 80 names here, and its red squares are persons: none is a stop sign.
    rows = measured(tmp_path, paths, "--classes", "stop", names=("stop", "cow"))

    found = {row["artifact"]["name"]: row["accuracy"] for row in rows}
    assert found["yolov8.onnx"]["value"] == pytest.approx(1, abs=1e-6)
    assert found["yolov8.onnx"]["further"]["signs"] == 2
    assert found["fastestdet.onnx"]["value"] < 0.1
    assert found["fastestdet.onnx"]["further"]["recall"] == 0


def test_what_cannot_be_scored_says_why_and_is_measured_all_the_same(tmp_path):
    ambiguous = write_detector(tmp_path / "ambiguous.onnx", "yolox", classes=7)
    nameless = write_detector(tmp_path / "nameless.onnx", "yolov8", classes=7)

    rows = measured(tmp_path, [ambiguous, nameless])

    reasons = {row["artifact"]["name"]: " ".join(row["reasons"]) for row in rows}
    assert "--head NAME" in reasons["ambiguous.onnx"]
    assert "7 classes without names" in reasons["nameless.onnx"]
    assert all(row["accuracy"] is None and row["latency_ms"]["p50"] > 0 for row in rows)


def test_the_users_word_settles_it(tmp_path):
    path = write_detector(tmp_path / "ambiguous.onnx", "yolox", classes=3)
    labels = tmp_path / "labels.txt"
    labels.write_text("stop sign\nperson\nnothing\n")

    (row,) = measured(tmp_path, [path], "--head", "yolox", "--labels", str(labels))

    assert row["accuracy"]["value"] == pytest.approx(1, abs=1e-6)
    assert "(BGR)" in row["fed"]["values"]


def test_a_classifier_of_imagenet_is_scored_on_a_folder_of_two_of_its_classes(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    image = pytest.importorskip("PIL.Image", reason="images are written with Pillow")
    weights = np.zeros((3, 1001), np.float32)
    weights[0, 1] = weights[1, 218] = 9  # red is a tench, green an English springer
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["colors"]),
        helper.make_node("Flatten", ["colors"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 16, 16))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 1001))],
        [numpy_helper.from_array(weights, "weights")],
    )
    path = tmp_path / "classifier.onnx"
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    for name, color in (("n01440764", (200, 30, 30)), ("n02102040", (30, 200, 30))):
        (tmp_path / "two" / name).mkdir(parents=True)
        for number in range(10):
            tint = tuple(value + number for value in color)
            image.new("RGB", (20, 16), tint).save(tmp_path / "two" / name / f"{number}.png")
    out = tmp_path / "results.json"

    code = invoke(
        ["benchmark", str(path), "--data", f"folder:{tmp_path / 'two'}", "--runtimes",
         "onnxruntime:cpu", "--preprocessing", "imagenet-torch-crop", *BRIEF, "--out", str(out)]
    )  # fmt: skip

    assert code == 0
    (row,) = rows_of(out)
    assert row["accuracy"]["metric"] == "top1"
    assert row["accuracy"]["value"] == 1
    assert row["accuracy"]["answered"] == 2
