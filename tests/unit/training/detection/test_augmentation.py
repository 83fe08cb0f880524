"""Views of annotated images: signs stay in their boxes, words are never mirrored."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.boxes.base import BoxedImage
from edgecnn.data.synthetic.faces import octagon
from edgecnn.training.detection.augmentation import LEAST_VISIBLE, View, augment
from edgecnn.training.detection.loss import targets

cv2 = pytest.importorskip("cv2", reason="views are cut with opencv-python")

BOX = np.asarray([[60, 40, 140, 120]], np.float32)


def image_with_an_octagon(mark=True):
    """Gray, a red octagon in BOX, and a blue mark in its left half that a mirror would move."""
    image = np.full((200, 300, 3), 90, np.uint8)
    corners = BOX[0, :2] + octagon() * (BOX[0, 2:] - BOX[0, :2])
    cv2.fillConvexPoly(image, corners.astype(np.int32), (220, 20, 20))
    if mark:
        image[70:90, 66:86] = (20, 20, 220)
    return BoxedImage(image, BOX)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("whole", [False, True])
def test_the_sign_stays_in_its_box_and_its_mark_on_the_left(seed, whole):
    view = View(192, 256, whole=whole)

    seen = augment(image_with_an_octagon(), view, np.random.default_rng(seed), drawn=True)

    assert seen.image.shape == (192, 192, 3)
    pixels = seen.image.astype(int)
    red = (pixels[:, :, 0] > pixels[:, :, 1] + 60) & (pixels[:, :, 0] > pixels[:, :, 2] + 60)
    rows, columns = np.nonzero(red)
    if not len(seen.boxes) or red.sum() < 400:
        return
    box = seen.boxes[0]
    blur = 2 + (box[2] - box[0]) / 80  # an enlarged pixel reaches beyond its edge
    assert columns.min() >= box[0] - blur
    assert columns.max() <= box[2] + blur
    assert rows.min() >= box[1] - blur
    assert rows.max() <= box[3] + blur
    whole_sign = (box[:2] > 1).all() and (box[2:] < 191).all()
    blue = (pixels[:, :, 2] > pixels[:, :, 0] + 60) & (pixels[:, :, 2] > pixels[:, :, 1] + 60)
    if whole_sign and blue.sum() > 20:
        assert np.nonzero(blue)[1].mean() < box[[0, 2]].mean()


def test_the_same_seed_gives_the_same_view():
    views = [
        augment(image_with_an_octagon(), View(128, 256), np.random.default_rng(5), drawn=False)
        for _ in range(2)
    ]

    np.testing.assert_array_equal(views[0].image, views[1].image)
    np.testing.assert_array_equal(views[0].boxes, views[1].boxes)


def test_a_sign_of_which_little_is_left_is_ignored_not_lost():
    sample = image_with_an_octagon()
    found = [
        augment(sample, View(96, 512), np.random.default_rng(seed), drawn=True)
        for seed in range(60)
    ]

    assert any(len(seen.boxes) for seen in found)
    assert any(len(seen.ignored) for seen in found)
    assert 0 < LEAST_VISIBLE < 1


def test_an_image_without_signs_has_none_after():
    plain = BoxedImage(np.zeros((50, 70, 3), np.uint8), np.zeros((0, 4), np.float32))

    seen = augment(plain, View(64, 128), np.random.default_rng(0), drawn=False)

    assert seen.boxes.shape == seen.ignored.shape == (0, 4)


def test_a_small_sign_has_a_positive_cell_and_ignored_ground_counts_neither_way():
    sign = np.asarray([[30, 30, 37, 37]], np.float32)
    ignored = np.asarray([[64, 64, 96, 96]], np.float32)

    target = targets(sign, ignored, 128)

    assert target.shape == (16, 16, 6)
    assert (target[:, :, 0] > 0).any()
    assert (target[9:11, 9:11, 1] == 0).all()
    assert target[0, 15, 1] == 1


def test_positive_cells_lie_inside_their_sign_and_share_its_weight():
    sign = np.asarray([[10, 20, 210, 180]], np.float32)

    target = targets(sign, np.zeros((0, 4), np.float32), 256)

    positive = target[:, :, 0] > 0
    assert np.isfinite(target).all()
    rows, columns = np.nonzero(positive)
    np.testing.assert_allclose(
        [columns.mean(), rows.mean()], [110 / 8 - 0.5, 100 / 8 - 0.5], atol=1
    )
    assert target[:, :, 0].sum() == pytest.approx(np.sqrt(positive.sum()), rel=1e-5)
    assert (target[:, :, 1] <= 1).all()
    assert target[12, 13, 1] < 0.01


def test_the_smaller_of_two_signs_gets_the_cell_both_claim():
    signs = np.asarray([[48, 48, 80, 80], [0, 0, 128, 128]], np.float32)

    target = targets(signs, np.zeros((0, 4), np.float32), 128)

    assert 2 ** target[8, 8, 2] * 8 == pytest.approx(68 - 48, abs=0.1)
