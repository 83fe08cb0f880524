"""Boxes that were computed by hand, for every head; and outputs that are not boxes at all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.class_names import coco_names
from edgecnn.detection.answer import boxes_in
from edgecnn.detection.heads import Clues, find_head, head_class, open_head
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing
from edgecnn.registry import HEADS

SIDE = 64
CELLS = 64 + 16 + 4  # strides 8, 16 and 32
PLUS_CELLS = CELLS + 1  # and 64


def logit(share):
    return np.log(share / (1 - share))


def boxes(head, outputs, *, min_score=0.3, every_class=False, side=SIDE, **record):
    """Boxes in pixels of a square input."""
    opened = open_head(Postprocessing(head, **record), every_class=every_class)
    ordered = opened.ordered([np.asarray(output) for output in outputs], side, side)
    return opened.boxes([part[0] for part in ordered], side, side, min_score)


def rows(columns, count, *filled):
    """(1, count, columns) of zeros, with the rows (place, values) in it."""
    made = np.zeros((1, count, columns), np.float32)
    for place, values in filled:
        made[0, place, : len(values)] = values
    return made


def test_yolov5_multiplies_objectness_and_class_score():
    one = rows(7, 3 * CELLS, (5, (32, 24, 20, 10, 0.8, 0.1, 0.9)), (9, (5, 5, 4, 4, 0.5, 0.5, 0)))

    found = boxes("yolov5", [one])

    np.testing.assert_allclose(found.xyxy, [[22, 19, 42, 29]])
    np.testing.assert_allclose(found.scores, [0.72], rtol=1e-6)
    assert found.class_ids.tolist() == [1]


def test_shares_of_the_input_become_pixels():
    one = rows(7, 3 * CELLS, (5, (0.5, 0.375, 0.3125, 0.15625, 0.8, 0.1, 0.9)))

    np.testing.assert_allclose(boxes("yolov5", [one]).xyxy, [[22, 19, 42, 29]])


def test_yolov5_decodes_raw_maps_with_the_anchors_that_are_stated():
    maps = [np.full((1, 3, side, side, 7), -9, np.float32) for side in (8, 4, 2)]
    # second anchor of stride 16, cell (row 2, column 1): the center is
    # (2 × 0.75 − 0.5 + 1) × 16 = 32 and (2 × 0.5 − 0.5 + 2) × 16 = 40, the size is the anchor's
    maps[1][0, 1, 2, 1] = [logit(0.75), 0, 0, 0, 9, 9, -9]
    anchors = ((10, 13, 16, 30, 33, 23), (30, 61, 20, 10, 59, 119), (1, 1, 2, 2, 3, 3))

    found = boxes("yolov5", maps, strides=(8, 16, 32), anchors=anchors)

    np.testing.assert_allclose(found.xyxy, [[22, 35, 42, 45]], rtol=1e-5)
    folded = [one.transpose(0, 1, 4, 2, 3).reshape(1, 21, *one.shape[2:4]) for one in maps]
    again = boxes("yolov5", folded[::-1], strides=(8, 16, 32), anchors=anchors)
    np.testing.assert_allclose(again.xyxy, found.xyxy)


def test_raw_maps_without_anchors_are_one_clear_line():
    maps = [np.zeros((1, 3, side, side, 7), np.float32) for side in (8, 4, 2)]

    with pytest.raises(InputError, match="no metadata say which anchors") as refused:
        boxes("yolov5", maps)

    assert "manifest" in refused.value.hint


@pytest.mark.parametrize("first", [True, False], ids=["rows first", "boxes first"])
def test_yolov8_takes_the_best_class_of_a_box(first):
    one = rows(6, CELLS, (5, (32, 24, 20, 10, 0.4, 0.9)))

    found = boxes("yolov8", [one.transpose(0, 2, 1) if first else one])

    np.testing.assert_allclose(found.xyxy, [[22, 19, 42, 29]])
    assert found.class_ids.tolist() == [1]


def test_for_averages_a_box_stands_for_each_of_its_classes():
    one = rows(6, CELLS, (5, (32, 24, 20, 10, 0.4, 0.9)))

    found = boxes("yolov8", [one], every_class=True)

    assert found.class_ids.tolist() == [1, 0]
    np.testing.assert_allclose(found.scores, [0.9, 0.4])


def test_masks_behind_named_classes_are_passed_over():
    one = rows(40, CELLS, (5, (32, 24, 20, 10, 0.4, 0.2, 99)))
    prototypes = np.zeros((1, 32, 16, 16), np.float32)

    found = boxes("yolov8", [one.transpose(0, 2, 1), prototypes], class_names=("sign", "person"))

    assert found.class_ids.tolist() == [0]


def test_other_numbers_of_classes_than_are_named_are_refused():
    one = rows(7, 3 * CELLS, (5, (32, 24, 20, 10, 0.8, 0.1, 0.9)))

    with pytest.raises(InputError, match="2 classes for head yolov5, but 3 are named"):
        boxes("yolov5", [one], class_names=("a", "b", "c"))


@pytest.mark.parametrize("scale", [1, SIDE], ids=["pixels", "shares"])
def test_finished_boxes_stay_as_they_are_and_padding_goes(scale):
    kept = np.asarray([[22, 19, 42, 29, 0.9, 11], [23, 20, 43, 30, 0.8, 11]], np.float32)
    kept[:, :4] /= scale
    one = rows(6, 300, *enumerate(kept))

    found = boxes("end_to_end", [one])

    np.testing.assert_allclose(found.xyxy, [[22, 19, 42, 29], [23, 20, 43, 30]], rtol=1e-6)
    assert found.class_ids.tolist() == [11, 11]


def yolox_rows(score):
    # the 19th cell of stride 16 lies in row 2, column 2: center (0.5 + 2) × 16, (−0.25 + 2) × 16
    place = 64 + 2 * 4 + 2
    scores = score(0.8), score(0.1), score(0.9)
    return rows(7, CELLS, (place, (0.5, -0.25, np.log(1.25), np.log(0.625), *scores)))


def test_yolox_boxes_are_in_units_of_their_cells():
    found = boxes("yolox", [yolox_rows(lambda share: share)])

    np.testing.assert_allclose(found.xyxy, [[30, 23, 50, 33]], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.72], rtol=1e-5)


def test_yolox_without_its_sigmoid_and_with_its_boxes_decoded():
    raw = yolox_rows(logit)
    raw[0, :, 4:][raw[0, :, 4:] == 0] = -9
    decoded = rows(7, CELLS, (3, (40, 28, 20, 10, 0.8, 0.1, 0.9)))

    for one in (raw, decoded):
        np.testing.assert_allclose(boxes("yolox", [one]).xyxy, [[30, 23, 50, 33]], rtol=1e-5)


def test_yolox_rows_that_are_pieces_of_maps_are_turned():
    rows_in_order = yolox_rows(logit)[0]
    starts = (0, 64, 64 + 16, CELLS)
    pieces = [
        np.ascontiguousarray(rows_in_order[start:stop].T).reshape(stop - start, 7)
        for start, stop in pairwise(starts)
    ]

    found = boxes(
        "yolox", [np.concatenate(pieces)[None]], unturned=True, logits=True, min_score=0.6
    )

    np.testing.assert_allclose(found.xyxy, [[30, 23, 50, 33]], rtol=1e-5)


@pytest.mark.parametrize(
    ("cells", "point"), [(PLUS_CELLS, (16, 32)), (CELLS, (24, 40))], ids=["plus", "first"]
)
def test_nanodet_reaches_as_far_as_its_distributions_say(cells, point):
    one = np.zeros((1, cells, 2 + 32), np.float32)
    place = 64 + 2 * 4 + 1  # stride 16, row 2, column 1
    one[0, place, 1] = 0.9
    sides = np.full((4, 8), -50, np.float32)
    for side, strides in enumerate((1, 2, 0, 1)):
        sides[side, strides] = 50
    one[0, place, 2:] = sides.ravel()

    found = boxes("nanodet", [one])

    x, y = point
    np.testing.assert_allclose(found.xyxy, [[x - 16, y - 32, x, y + 16]], atol=1e-4)
    assert found.class_ids.tolist() == [1]


def test_nanodet_keeps_scores_and_distributions_apart():
    whole = np.random.default_rng(5).random((1, PLUS_CELLS, 3 + 32)).astype(np.float32)
    starts = (0, 64, 80, 84, 85)
    apart = [
        part
        for start, stop in pairwise(starts)
        for part in (whole[:, start:stop, 3:], whole[:, start:stop, :3])
    ]

    one, several = boxes("nanodet", [whole]), boxes("nanodet", apart[::-1])

    assert len(one) > 3
    np.testing.assert_array_equal(one.xyxy, several.xyxy)
    np.testing.assert_array_equal(one.class_ids, several.class_ids)
    shapes = [(cells, columns) for cells in (144, 36, 9, 4) for columns in (80, 32)]
    assert find_head(clues(shapes), "model").head == "nanodet"


def test_nanodet_takes_the_mean_of_a_distribution():
    one = np.zeros((1, CELLS, 1 + 32), np.float32)
    one[0, 64, 0] = 0.9  # stride 16, first cell: every distance is the mean of 0…7, 3.5 strides

    np.testing.assert_allclose(boxes("nanodet", [one]).xyxy, [[8 - 56, 8 - 56, 8 + 56, 8 + 56]])


def ssd_outputs():
    corners = np.asarray([[[0.25, 0.5, 0.5, 0.75], [0, 0, 1, 1], [0.1, 0.1, 0.2, 0.2]]], np.float32)
    classes = np.asarray([[12.0, 0.0, 3.0]], np.float32)
    scores = np.asarray([[0.9, 0.6, 0.8]], np.float32)
    return [corners, classes, scores, np.asarray([2.0], np.float32)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 3, 0, 2)])
def test_ssd_reads_its_four_outputs_in_the_stated_order(order):
    mixed: list[np.ndarray] = [np.zeros(0)] * 4
    for part, place in zip(ssd_outputs(), order, strict=True):
        mixed[place] = part

    for record in ({"order": order}, {}):  # where nothing is stated, the values tell
        found = boxes("ssd", mixed, **record)
        np.testing.assert_allclose(found.xyxy, [[32, 16, 48, 32], [0, 0, 64, 64]])
        assert found.class_ids.tolist() == [12, 0]


def test_yolov5s_own_nms_gives_left_before_top():
    found = boxes("yolov5_nms", ssd_outputs())

    np.testing.assert_allclose(found.xyxy[0], [16, 32, 32, 48])


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_fastestdet_weighs_objectness_and_class(last):
    one = np.zeros((1, 7, 4, 4), np.float32)
    # center (tanh(0.5493) + 1) = 1.5 columns, 2 rows; width sigmoid(0) = half of the input
    one[0, :, 2, 1] = [0.8, np.arctanh(0.5), 0, 0, logit(0.25), 0.1, 0.9]

    found = boxes("fastestdet", [one.transpose(0, 2, 3, 1) if last else one])

    np.testing.assert_allclose(found.xyxy, [[24 - 16, 32 - 8, 24 + 16, 32 + 8]], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [0.8**0.6 * 0.9**0.4], rtol=1e-5)
    assert found.class_ids.tolist() == [1]


@pytest.mark.parametrize(
    ("shape", "classes"),
    [
        ((6, 22, 22), 1),
        ((22, 22, 6), 1),
        ((85, 22, 22), 80),
        ((85, 20, 36), 80),
        ((20, 36, 85), 80),
        ((6, 20, 36), None),  # of which either might be the channels
        ((None, 22, 22), None),
        ((6, None, None), 1),
    ],
)
def test_fastestdets_classes_are_not_its_cells(shape, classes):
    assert head_class("fastestdet").classes_of([shape]) == classes


COCO = coco_names()
ASKED = 96  # at 64 the numbers of cells are those of COCO's classes and a few more
ASKED_CELLS = 144 + 36 + 9
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


def clues(outputs, **said):
    return Clues(ASKED, ASKED, tuple(outputs), **said)


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
        found = boxes_in(outputs, (SIDE, SIDE, 3), place, (50, 100), min_score=0.1, head=opened)

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
