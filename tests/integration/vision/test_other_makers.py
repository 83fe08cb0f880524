"""Detectors of other makers, from Python and on every runtime that reads them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.class_names import coco_names
from edgecnn.errors import InputError
from edgecnn.vision import load_detector
from tests.unit.detection.small_detectors import (
    GREEN,
    NAMES,
    RED,
    ULTRALYTICS,
    draw,
    write_detector,
    write_finished,
    write_ssd,
    write_tflite_detector,
)

pytest.importorskip("onnx", reason="the detectors are written with onnx")
pytest.importorskip("ai_edge_litert", reason="a .tflite file is written and run with LiteRT")
pytest.importorskip("cv2", reason="images are prepared with OpenCV")

SCENE = draw([(1, 1, RED), (2, 3, GREEN)])[:, :, ::-1]
EXPECTED = [[32, 32, 64, 64], [96, 64, 128, 96]]
STOP_SIGN, PERSON = coco_names().index("stop sign"), coco_names().index("person")
NAMED = json.dumps({"names": dict(enumerate(NAMES)), "stride": 32, "task": "detect"})
LAYOUTS = ("yolov8", "yolov5", "yolox", "fastestdet")


def in_order(found):
    order = np.argsort(found.xyxy[:, 0])
    return found.where(order)


@pytest.mark.parametrize("runtime", ["onnxruntime:cpu", "openvino:cpu", "opencv:cpu"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_classes_are_found_where_they_are(tmp_path, layout, runtime):
    pytest.importorskip(runtime.partition(":")[0].replace("opencv", "cv2"))
    path = write_detector(tmp_path / "model.onnx", layout, metadata={"names": str(list(NAMES))})

    found = in_order(load_detector(path, runtime=runtime)(SCENE))

    np.testing.assert_allclose(found.xyxy, EXPECTED, atol=0.1)
    assert found.class_ids.tolist() == [0, 1]


@pytest.mark.parametrize("texts", [{"labels_txt": "\n".join(NAMES)}, {"metadata_json": NAMED}])
def test_a_tflite_file_names_its_classes_in_the_archive_at_its_end(tmp_path, texts):
    path = write_tflite_detector(tmp_path / "model.tflite", **texts)

    found = in_order(load_detector(path)(SCENE))

    np.testing.assert_allclose(found.xyxy, EXPECTED, atol=0.1)
    assert found.class_ids.tolist() == [0, 1]
    assert len(load_detector(path, classes=["person"])(SCENE)) == 1


@pytest.mark.parametrize(
    "outputs", [("boxes", "classes", "best", "count"), ("best", "boxes", "count", "classes")]
)
def test_the_detection_post_processing_runs_in_litert_in_whatever_order(tmp_path, outputs):
    path = write_ssd(tmp_path / "ssd.tflite", outputs)

    detector = load_detector(path, labels=NAMES)
    found = in_order(detector(SCENE))

    assert detector.head.name == "ssd"
    np.testing.assert_allclose(found.xyxy, EXPECTED, atol=0.1)
    assert found.class_ids.tolist() == [0, 1]
    assert found.scores.min() > 0.9


@pytest.mark.parametrize("layout", LAYOUTS)
def test_eighty_classes_without_names_are_cocos(tmp_path, layout):
    path = write_detector(tmp_path / "model.onnx", layout, classes=80)

    detector = load_detector(path, runtime="onnxruntime:cpu")

    assert detector.head.name == layout
    assert detector.name_of(11) == "stop sign"


def test_a_restriction_leaves_only_the_wanted_class(tmp_path):
    path = write_detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)

    found = load_detector(path, runtime="onnxruntime:cpu", classes=["Stop-Sign"])(SCENE)

    np.testing.assert_allclose(found.xyxy, EXPECTED[:1], atol=0.1)


def test_a_class_that_the_model_lacks_is_named_with_those_it_has(tmp_path):
    path = write_detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)

    with pytest.raises(InputError, match="no class 'zebra'") as refused:
        load_detector(path, runtime="onnxruntime:cpu", classes=["zebra"])

    assert "stop sign, person" in refused.value.hint


def test_classes_without_names_are_asked_for(tmp_path):
    path = write_detector(tmp_path / "model.onnx", "yolov8", classes=7)

    detector = load_detector(path, runtime="onnxruntime:cpu")
    assert detector.name_of(3) == "class 3"
    with pytest.raises(InputError, match="7 classes without names"):
        load_detector(path, runtime="onnxruntime:cpu", classes=["stop sign"])

    named = load_detector(
        path, runtime="onnxruntime:cpu", classes=["b"], labels=["a", "b", *"cdefg"]
    )
    np.testing.assert_allclose(named(SCENE).xyxy, EXPECTED[1:], atol=0.1)


def test_names_that_are_not_as_many_as_the_classes_are_refused(tmp_path):
    path = write_detector(tmp_path / "model.onnx", "yolov5", classes=7)

    with pytest.raises(InputError, match="7 classes for head yolov5, but 2 are named"):
        load_detector(path, runtime="onnxruntime:cpu", labels=NAMES)


def test_an_ambiguous_output_is_asked_about_and_a_named_head_is_taken(tmp_path):
    path = write_detector(tmp_path / "model.onnx", "yolox", classes=7)

    with pytest.raises(InputError, match="not known") as asked:
        load_detector(path, runtime="onnxruntime:cpu")
    assert "yolox" in asked.value.hint

    found = load_detector(path, runtime="onnxruntime:cpu", head="yolox")(SCENE)
    np.testing.assert_allclose(in_order(found).xyxy, EXPECTED, atol=0.1)


def test_sizes_that_are_open_come_from_the_metadata(tmp_path):
    import onnx

    path = write_detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    model = onnx.load(path)
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    for place, name in ((0, "batch"), (2, "height"), (3, "width")):
        sizes[place].dim_param = name
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "anchors"
    onnx.save(model, path)

    found = load_detector(path, runtime="onnxruntime:cpu")(SCENE)

    np.testing.assert_allclose(in_order(found).xyxy, EXPECTED, atol=0.1)


def test_another_task_of_the_same_maker_is_named(tmp_path):
    path = write_detector(tmp_path / "model.onnx", metadata=ULTRALYTICS | {"task": "obb"})

    with pytest.raises(InputError, match="its task is 'obb'"):
        load_detector(path, runtime="onnxruntime:cpu")


def test_outputs_without_any_finite_number_end_in_one_line(tmp_path):
    path = write_detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    detector = load_detector(path, runtime="onnxruntime:cpu")
    _, place = detector.prepare(SCENE)

    with pytest.raises(InputError, match="no finite number"):
        detector.finish([np.full((1, 6, 189), np.nan)], place, SCENE.shape)


def test_a_detector_may_answer_with_no_row_at_all(tmp_path):
    path = write_finished(tmp_path / "model.onnx")
    detector = load_detector(path, runtime="onnxruntime:cpu", labels=["lamp"])

    assert detector.infer(detector.prepare(np.zeros_like(SCENE))[0])[0].shape == (1, 0, 6)
    assert len(detector(np.zeros_like(SCENE))) == 0
    np.testing.assert_allclose(detector(np.full_like(SCENE, 255)).xyxy, [[32, 32, 96, 96]])


def test_what_is_fed_is_the_preprocessing_that_evaluation_uses(tmp_path):
    for layout in LAYOUTS:
        path = write_detector(tmp_path / f"{layout}.onnx", layout, classes=80)
        detector = load_detector(path, runtime="onnxruntime:cpu")
        image = draw([(0, 0, RED), (3, 3, GREEN)], side=96)

        tensor, _ = detector.prepare(image[:, :, ::-1])

        expected = detector.preprocessing(image).transpose(2, 0, 1)[None]
        np.testing.assert_allclose(tensor, expected, atol=1e-5)
