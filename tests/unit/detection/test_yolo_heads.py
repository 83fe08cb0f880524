"""Boxes that were computed by hand, for the heads of the YOLO family."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgecnn.errors import InputError
from tests.unit.detection.head_outputs import CELLS, SIDE, boxes, logit, rows


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
