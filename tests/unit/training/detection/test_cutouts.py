"""Objects are cut out whole, and pasted small where their boxes say they are."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.boxes.base import BoxedImage
from edgecnn.data.synthetic.faces import octagon
from edgecnn.training.detection.augmentation import View, augment
from edgecnn.training.detection.cutouts import SIDES, cut_out, paste

cv2 = pytest.importorskip("cv2", reason="objects are cut out with opencv-python")

GREEN = (40, 160, 60)
BLOCK = 16
"""Pixels that JPEG's colors may run over."""


def sign_at(left, top, right, bottom, *, width=300, height=200):
    """A red octagon in its box on a green field."""
    image = np.full((height, width, 3), GREEN, np.uint8)
    box = np.asarray([left, top, right, bottom], np.float32)
    corners = np.rint(box[:2] + octagon() * (box[2:] - box[:2] - 1)).astype(np.int32)
    cv2.fillConvexPoly(image, corners, (200, 20, 30))
    return BoxedImage(image, box[None])


@pytest.fixture(scope="module")
def cutouts():
    return cut_out(sign_at(60, 40, 140, 120), octagonal=True)


def test_a_sign_is_cut_out_along_its_octagon(cutouts):
    (one,) = cutouts
    inside = one.pixels[one.pixels[:, :, 3] == 255][:, :3].astype(int)
    assert (inside[:, 0] > inside[:, 1] + 60).mean() > 0.95  # red, the field stays behind
    assert one.pixels[0, 0, 3] == 0
    assert 0.7 < (one.pixels[:, :, 3] > 127).mean() < 0.9


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ((60, 40, 90, 70), "too small"),
        ((0, 40, 80, 120), "cut off by the edge"),
        ((60, 40, 100, 180), "seen from its side"),
    ],
)
def test_what_is_no_whole_sign_is_not_cut_out(box, why):
    assert cut_out(sign_at(*box), octagonal=True) == [], why


def test_signs_that_overlap_are_not_cut_out():
    sample = sign_at(60, 40, 140, 120)
    twice = BoxedImage(sample.image, np.concatenate([sample.boxes, sample.boxes + 30]))
    assert cut_out(twice, octagonal=True) == []


@pytest.mark.parametrize("seed", range(12))
def test_pasted_signs_lie_in_their_boxes_and_nowhere_else(cutouts, seed):
    empty = BoxedImage(np.full((192, 256, 3), 128, np.uint8), np.zeros((0, 4), np.float32))
    seen = paste(empty, cutouts, np.random.default_rng(seed))
    assert 1 <= len(seen.boxes) <= 3
    assert (seen.class_ids == 0).all()
    sides = (seen.boxes[:, 2:] - seen.boxes[:, :2]).max(axis=1)
    assert (sides >= 0.7 * SIDES[0]).all()
    assert (sides <= 1.4 * SIDES[1]).all()
    changed = np.abs(seen.image.astype(int) - 128).max(axis=2) > 40
    for left, top, right, bottom in seen.boxes:
        rows = slice(max(0, int(top) - BLOCK), int(bottom) + BLOCK)
        changed[rows, max(0, int(left) - BLOCK) : int(right) + BLOCK] = False
    assert not changed.any()
    assert (empty.image == 128).all(), "the sample itself stays as it is"


def test_a_sign_is_not_pasted_over_another_and_keeps_its_class(cutouts):
    old = np.asarray([[40, 40, 200, 170]], np.float32)
    sample = BoxedImage(np.full((192, 256, 3), 90, np.uint8), old, class_ids=np.asarray([4]))
    for seed in range(8):
        seen = paste(sample, cutouts, np.random.default_rng(seed))
        assert seen.class_ids[0] == 4
        for box in seen.boxes[1:]:
            apart = (box[2:] <= old[0, :2]).any() or (box[:2] >= old[0, 2:]).any()
            assert apart


def test_small_objects_are_favored_where_that_is_asked_for():
    sample = sign_at(100, 60, 180, 140)

    def median_side(small):
        sides = []
        for seed in range(60):
            view = View(192, 256, small=small)
            seen = augment(sample, view, np.random.default_rng(seed), drawn=True)
            sides += (seen.boxes[:, 2:] - seen.boxes[:, :2]).max(axis=1).tolist()
        return np.median(sides)

    assert median_side(1.0) < 0.7 * median_side(0.0)
