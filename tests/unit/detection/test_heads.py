"""Every head is found by its outputs, and reads finite boxes or refuses, whatever is in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.class_names import coco_names
from edgecnn.detection.answer import decode_outputs
from edgecnn.detection.heads import find_head, open_head
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing
from edgecnn.registry import HEADS
from tests.unit.detection.head_outputs import ASKED_CELLS, CELLS, PLUS_CELLS, SIDE, boxes, clues

COCO = coco_names()
KNOWN = {
    "heat_map": ([(12, 12, 1), (12, 12, 4)], {}),
    "yolov5": ([(3 * ASKED_CELLS, 85)], {}),
    "yolov5_nms": ([(100, 4), (100,), (100,), ()], {"strides": (8, 16, 32), "class_names": COCO}),
    "yolov8": ([(84, ASKED_CELLS)], {}),
    "end_to_end": ([(300, 6)], {}),
    "yolox": ([(ASKED_CELLS, 85)], {}),
    "nanodet": ([(ASKED_CELLS + 4, 112)], {}),
    "ssd": ([(10, 4), (10,), (10,), ()], {"parts": (0, 1, 2, 3)}),
    "fastestdet": ([(85, 6, 6)], {}),
}


@pytest.mark.parametrize("head", HEADS.names())
def test_each_head_is_found_by_its_outputs_and_no_other_claims_them(head):
    if head not in KNOWN:
        pytest.skip("a head of another package")
    outputs, said = KNOWN[head]

    assert find_head(clues(outputs, **said), "model").head == head


@pytest.mark.parametrize("head", HEADS.names())
def test_each_head_says_how_its_makers_prepare_images(head):
    made = open_head(Postprocessing(head)).preprocessing(48, SIDE)

    assert made.shape == (48, SIDE, 3)
    assert made.place(100, 50).height <= 48


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([(10,)], {}),  # class scores
        ([(ASKED_CELLS, 17)], {}),  # YOLOX of 12 classes, or YOLOv8 of 13
        ([(10, 4), (10,), (10,), ()], {}),  # in which order?
        ([(13, 6, 6)], {}),  # FastestDet of 8 classes, or a map of 13
        ([], {}),
    ],
)
def test_outputs_that_could_be_several_things_are_asked_about(outputs, said):
    with pytest.raises(InputError, match="not a detector, or one whose head is not known") as asked:
        find_head(clues(outputs, **said), "model.onnx")

    assert "--head" in asked.value.hint
    assert all(name in asked.value.hint for name in HEADS.names())


@pytest.mark.parametrize(("columns", "head"), [(17, "yolox"), (16, "yolov8"), (44, "nanodet")])
def test_names_of_classes_tell_heads_apart(columns, head):
    names = tuple(f"class {number}" for number in range(12))

    assert find_head(clues([(ASKED_CELLS, columns)], class_names=names), "model").head == head


def test_metadata_that_say_end_to_end_are_believed():
    found = find_head(clues([(ASKED_CELLS, 6)], end_to_end=True, class_names=("a", "b")), "model")

    assert found.head == "end_to_end"


def test_output_names_say_which_is_which():
    four = [(10,), (10, 4), (), (10,)]
    names = ("detection_scores:0", "detection_boxes:0", "num_detections:0", "detection_classes:0")

    assert find_head(clues(four, names=names), "model").order == (1, 3, 0, 2)


def test_yolox_stands_in_the_left_top_corner_and_fastestdet_is_stretched():
    yolox = open_head(Postprocessing("yolox")).preprocessing(SIDE, SIDE)
    stretched = open_head(Postprocessing("fastestdet")).preprocessing(SIDE, SIDE)

    assert isinstance(yolox, LetterboxPreprocessing)
    assert (yolox.place(100, 50).left, yolox.place(100, 50).top) == (0, 0)
    assert (yolox.order, yolox.scale, yolox.fill) == ("bgr", 1.0, 114)
    assert isinstance(stretched, ImagePreprocessing)
    assert (stretched.place(100, 50).height, stretched.place(100, 50).width) == (SIDE, SIDE)


SHAPES = {
    "heat_map": [(1, 8, 8, 1), (1, 8, 8, 4)],
    "yolov5": [(1, 3 * CELLS, 7)],
    "yolov5_nms": [(1, 10, 4), (1, 10), (1, 10), (1,)],
    "yolov8": [(1, 6, CELLS)],
    "end_to_end": [(1, 30, 6)],
    "yolox": [(1, CELLS, 7)],
    "nanodet": [(1, PLUS_CELLS, 34)],
    "ssd": [(1, 10, 4), (1, 10), (1, 10), (1,)],
    "fastestdet": [(1, 7, 4, 4)],
}


@pytest.mark.parametrize("head", [name for name in HEADS.names() if name in SHAPES])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_whatever_stands_in_the_outputs_boxes_are_finite_and_best_first(head, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    scale = data.draw(st.sampled_from([0.3, 1.0, 30.0, 1e30]))
    odd = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e38, -1e38, 0.0]))
    rng = np.random.default_rng(seed)
    outputs = []
    for shape in SHAPES[head]:
        one = (rng.random(shape) - data.draw(st.sampled_from([0.0, 0.5]))) * scale
        outputs.append(np.where(rng.random(shape) < 0.1, odd, one).astype(np.float32))
    opened = open_head(Postprocessing(head), every_class=data.draw(st.booleans()))
    place = LetterboxPreprocessing(SIDE, SIDE, 3).place(50, 100)

    with np.errstate(all="ignore"):
        found = decode_outputs(
            outputs, (SIDE, SIDE, 3), place, (50, 100), min_score=0.1, head=opened
        )

    assert np.isfinite(found.xyxy).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert (np.diff(found.scores) <= 0).all()
    assert (found.xyxy[:, [0, 1]] >= 0).all()
    assert (found.xyxy[:, 2] <= 100).all()
    assert (found.xyxy[:, 3] <= 50).all()


@pytest.mark.parametrize("head", [name for name in HEADS.names() if name in SHAPES])
@pytest.mark.parametrize(
    "outputs",
    [[], [np.zeros((1, 10))], [np.zeros((1, 3, 3, 3, 3, 3))], [np.zeros(4)], [np.zeros((1, 5, 0))]],
    ids=["none", "class scores", "six axes", "one axis", "nothing"],
)
def test_outputs_of_another_model_are_refused_in_one_line(head, outputs):
    with pytest.raises(InputError) as refused:
        boxes(head, outputs)

    assert "\n" not in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_score": 1.5},
        {"max_iou": -0.1},
        {"strides": (0,)},
        {"anchors": ((1.0, 2.0),)},
        {"strides": (8,), "anchors": ((1.0, float("nan")),)},
        {"strides": (8,), "anchors": ((1.0, 2.0, 3.0),)},
    ],
)
def test_a_record_that_no_head_can_have_is_refused(wrong):
    with pytest.raises(InputError, match="postprocessing"):
        Postprocessing("yolov5", **wrong)


def test_an_unknown_head_names_the_known_ones():
    with pytest.raises(InputError, match="unknown detection head 'yolov9'") as refused:
        open_head(Postprocessing("yolov9"))

    assert "yolov8" in refused.value.hint
