"""Boxes that were computed by hand, for NanoDet, SSD and FastestDet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgecnn.detection.heads import find_head, head_class
from tests.unit.detection.head_outputs import CELLS, PLUS_CELLS, boxes, clues, logit


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
