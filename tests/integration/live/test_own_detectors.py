"""What detectors of other things find has its own name, and is explained as ours is."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from edgecnn.cli import invoke
from edgecnn.vision import load_detector
from edgecnn.vision.pipeline import Pipeline
from tests.unit.detection.small_detectors import SCENES, draw, write_detector

MANY = tuple(f"thing {number}" for number in range(80))
"""More than the network's map has cells a side."""


def scene(*colors):
    """Gray, with a square of each color (BGR), from left to right."""
    image = np.full((120, 160, 3), 120, np.uint8)
    for number, color in enumerate(colors):
        image[40:64, 16 + 64 * number : 40 + 64 * number] = color
    return image


RED, GREEN = (20, 20, 220), (20, 220, 20)


def labels_of(pipeline):
    return [sorted(track.label for track in result.tracks) for result in pipeline]


def test_the_only_class_of_a_detector_has_its_name(own_detector, video, tmp_path, capsys):
    events = tmp_path / "out.jsonl"
    code = invoke(["detect", str(video), "--headless", "--model", str(own_detector("helmet")),
                   "--runtime", "onnxruntime:cpu", "--events", str(events)])  # fmt: skip
    assert code == 0
    assert {json.loads(line)["label"] for line in events.read_text().splitlines()} == {"helmet"}
    said = capsys.readouterr().out
    assert "helmet #1 appears" in said
    assert ", 1 object, " in said
    assert "sign" not in said


def test_a_stop_sign_is_a_sign(own_detector, video, capsys):
    code = invoke(["detect", str(video), "--headless", "--model", str(own_detector("stop sign")),
                   "--runtime", "onnxruntime:cpu"])  # fmt: skip
    assert code == 0
    said = capsys.readouterr().out
    assert "sign #1 appears" in said
    assert ", 1 sign, " in said


def test_classes_without_names_are_told_apart_by_their_numbers(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for number, squares in enumerate(SCENES):
        image = draw(squares)[:, :, ::-1]
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
    path = write_detector(tmp_path / "model.onnx", "yolov8", classes=7)
    with Pipeline(str(tmp_path / "images"), load_detector(path, runtime="onnxruntime:cpu")) as run:
        assert labels_of(run) == [["class 0", "class 1"], ["class 1"], [], ["class 0"]]
    code = invoke(["detect", str(tmp_path / "images"), "--headless", "--model", str(path),
                   "--runtime", "onnxruntime:cpu"])  # fmt: skip
    assert code == 0
    assert ", 4 objects, " in capsys.readouterr().out


def test_a_detector_may_have_more_classes_than_cells_a_side(own_detector, tmp_path):
    cv2.imwrite(str(tmp_path / "scene.png"), scene(RED, GREEN))
    detector = load_detector(own_detector(*MANY), runtime="onnxruntime:cpu")
    with Pipeline(str(tmp_path / "scene.png"), detector) as pipeline:
        assert labels_of(pipeline) == [["thing 0", "thing 1"]]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [((), [True, True]), (("red",), [True, False]), (("green", "blue"), [False, True])],
)
def test_the_heat_of_several_classes_is_that_of_the_best_one_looked_for(
    own_detector, tmp_path, wanted, shown
):
    cv2.imwrite(str(tmp_path / "scene.png"), scene(RED, GREEN))
    path = own_detector("red", "green", "blue")
    detector = load_detector(path, runtime="onnxruntime:cpu", classes=wanted)
    with Pipeline(str(tmp_path / "scene.png"), detector, explain=True) as pipeline:
        (result,) = pipeline
    heat = result.evidence.heat
    left, right = heat[:, : heat.shape[1] // 2], heat[:, heat.shape[1] // 2 :]
    assert [bool(part.max() > 0.5) for part in (left, right)] == shown


def test_a_detector_of_several_classes_is_explained_on_the_command_line(own_detector, video):
    path = str(own_detector("red", "green", "blue"))
    assert invoke(["detect", str(video), "--headless", "--explain", "--frames", "3",
                   "--model", path, "--runtime", "onnxruntime:cpu"]) == 0  # fmt: skip


def test_names_in_a_manifest_reach_no_terminal_as_they_are(own_detector, video, tmp_path, capsys):
    path = own_detector("hat\x1b[31mted")
    events = tmp_path / "out.jsonl"
    assert load_detector(path, runtime="onnxruntime:cpu").class_names == ("hat[31mted",)
    assert invoke(["detect", str(video), "--headless", "--model", str(path), "--runtime",
                   "onnxruntime:cpu", "--events", str(events)]) == 0  # fmt: skip
    assert "\x1b" not in capsys.readouterr().out
