"""A detector goes through `benchmark`, `verify` and `report` like any other model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.cli import invoke
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.embedded_manifest import load_artifact
from edgecnn.system.places import ASSETS

for library in ("cv2", "ai_edge_litert", "onnxruntime", "faster_coco_eval"):
    pytest.importorskip(library, reason=f"{library} is not installed")
Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

IMAGES = 12
HEIGHT, WIDTH = 300, 400


def shipped_threshold():
    return load_artifact(ASSETS / "stop_sign_nano_static_int8.tflite").manifest.metrics["min_score"]


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    """Drawn scenes as a COCO folder."""
    folder = tmp_path_factory.mktemp("signs")
    (folder / "images").mkdir()
    images, annotations = [], []
    for number, scene in enumerate(SyntheticScenes(7, IMAGES, HEIGHT, WIDTH)):
        name = f"{number}.png"
        Image.fromarray(scene.image).save(folder / "images" / name)
        images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
        for boxes, crowd in ((scene.boxes, 0), (scene.ignored, 1)):
            for left, top, right, bottom in boxes.tolist():
                annotations.append(
                    {"id": len(annotations), "image_id": number, "category_id": 1,
                     "bbox": [left, top, right - left, bottom - top], "iscrowd": crowd}
                )  # fmt: skip
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "stop sign"}],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def edgecnn(*arguments):
    """Run a command in this process; its exit code."""
    return invoke([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def results(signs, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "results.json"
    code = edgecnn(
        "benchmark", *sorted(ASSETS.glob("stop_sign_nano*int8.tflite")),
        *sorted(ASSETS.glob("stop_sign_nano*int8.onnx")),
        "--runtimes", "litert:cpu,onnxruntime:cpu", "--data", f"coco:{signs}",
        "--quick", "--min-secs", "0.1", "--max-secs", "1", "--processes", "1", "--out", out,
    )  # fmt: skip
    assert code == 0
    return out


def test_every_file_in_every_runtime_has_its_average_precision(results):
    document = json.loads(results.read_text())

    assert len(document["measurements"]) == 2
    for row in document["measurements"]:
        accuracy = row["accuracy"]
        assert (accuracy["metric"], accuracy["n"]) == ("AP50-95", IMAGES)
        low, high = accuracy["ci95"]
        assert 0 <= low <= accuracy["value"] <= high <= 1
        further = accuracy["further"]
        assert further["ap50"] > 0.3
        assert further["min_score"] == pytest.approx(shipped_threshold())
        assert further["signs"] > 0
        assert 0 <= further["recall"] <= 1
        assert 0 <= further["false_alarms_per_100"] <= 100
    values = [row["accuracy"]["value"] for row in document["measurements"]]
    assert abs(values[0] - values[1]) < 0.05  # two int8 files of the same weights
    assert document["data"]["samples"] == {"test": IMAGES}


@pytest.mark.parametrize("ending", [".html", ".md", ".csv"])
def test_the_report_calls_the_metric_by_its_name(results, ending, tmp_path):
    page = tmp_path / f"report{ending}"

    assert edgecnn("report", results, "--out", page) == 0
    assert "AP50-95" in page.read_text(encoding="utf-8")


def test_the_benchmark_counts_as_the_live_detector_does(signs, results):
    """Same file, same images, through `load_detector`: as many signs found, but for one whose
    score is so near the threshold (0.708 and 0.723 of 0.71) that another way to resize decides.
    """
    from edgecnn.data import load
    from edgecnn.evaluation.detection import evaluate_detections
    from edgecnn.vision import load_detector

    split = load(f"coco:{signs}")["test"]
    detector = load_detector("stop_sign_nano", min_score=0.01)
    found = [detector(np.ascontiguousarray(image[:, :, ::-1])) for image in split.samples]
    live = evaluate_detections(
        split.ground_truth,
        found,
        min_score=shipped_threshold(),
        place=detector.preprocessing.place,
    )

    further = json.loads(results.read_text())["measurements"][0]["accuracy"]["further"]
    assert live.ap50 == pytest.approx(further["ap50"], abs=0.02)
    assert live.recall == pytest.approx(further["recall"], abs=1.01 / further["signs"])
    assert live.false_alarms_per_100 == pytest.approx(further["false_alarms_per_100"])


@pytest.mark.slow
def test_a_converted_detector_passes_the_gate_of_its_parent(signs, tmp_path, capsys):
    pytest.importorskip("tensorflow", reason="conversion needs TensorFlow")
    parent = ASSETS / "stop_sign_nano.keras"
    assert edgecnn("convert", parent, "--to", "onnx:float32", "--out", tmp_path) == 0
    (artifact,) = tmp_path.glob("*.onnx")
    capsys.readouterr()

    code = edgecnn("verify", artifact, "--parent", parent, "--data", f"coco:{signs}")

    assert code == 0
    assert "pass" in (told := capsys.readouterr().out)
    assert "AP50-95" in told


def test_a_classifier_among_detectors_is_a_row_that_says_so(signs, tmp_path):
    keras = pytest.importorskip("keras", reason="a classifier is built")
    model = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.save(tmp_path / "classes.keras")
    out = tmp_path / "results.json"

    edgecnn(
        "benchmark", tmp_path / "classes.keras", "--runtimes", "keras:cpu",
        "--data", f"coco:{signs}", "--quick",
        "--min-secs", "0.1", "--max-secs", "1", "--processes", "1", "--out", out,
    )  # fmt: skip

    (row,) = json.loads(out.read_text())["measurements"]
    assert row["status"] == "ok"
    assert row["accuracy"] is None
