"""Letterboxing: the whole image, its aspect kept, and every box finds the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.preprocessing import (
    LETTERBOX_FILL,
    LetterboxPreprocessing,
    preprocessing_from_dict,
)

side = st.integers(1, 700)


@given(side, side, st.integers(32, 640), st.integers(32, 640))
def test_the_image_fills_one_side_and_lies_inside(height, width, rows, columns):
    place = LetterboxPreprocessing(rows, columns, 3).place(height, width)

    assert place.height == rows or place.width == columns
    assert 0 <= place.left <= columns - place.width
    assert 0 <= place.top <= rows - place.height
    assert min(place.height, place.width) >= 1


@given(st.integers(20, 700), st.integers(20, 700))
def test_the_margins_are_even(height, width):
    place = LetterboxPreprocessing(320, 320, 3).place(height, width)

    assert abs(320 - place.width - 2 * place.left) <= 1
    assert abs(320 - place.height - 2 * place.top) <= 1


@given(side, side, st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5))
def test_boxes_find_the_way_back(height, width, shares):
    place = LetterboxPreprocessing(416, 416, 3).place(height, width)
    boxes = np.asarray(shares, np.float32).reshape(-1, 4) * [width, height, width, height]

    there_and_back = place.to_image(place.to_tensor(boxes))

    np.testing.assert_allclose(there_and_back, boxes, atol=1e-3 * max(height, width))


def test_a_mark_in_the_image_is_where_the_mapping_says():
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 150:170] = 255
    letterbox = LetterboxPreprocessing(128, 128, 3)

    tensor = letterbox(image)
    box = letterbox.place(100, 200).to_tensor(np.asarray([[150, 40, 170, 60]], np.float32))[0]

    lit = np.argwhere(tensor[:, :, 0] > 0.9 * LETTERBOX_FILL / 255 + 0.1)
    inside = lit[(lit[:, 0] >= 32) & (lit[:, 0] < 96)]
    np.testing.assert_allclose(inside.min(axis=0), box[[1, 0]], atol=1)
    np.testing.assert_allclose(inside.max(axis=0) + 1, box[[3, 2]], atol=1)


def test_margins_are_gray_and_an_image_of_the_right_size_is_left_alone():
    letterbox = LetterboxPreprocessing(64, 64, 3)
    rng = np.random.default_rng(0)
    square, wide = rng.integers(0, 256, (64, 64, 3), np.uint8), np.zeros((16, 64, 3), np.uint8)

    np.testing.assert_allclose(letterbox(square), square / np.float32(255), atol=1e-6)
    np.testing.assert_allclose(letterbox(wide)[:24], LETTERBOX_FILL / 255, atol=1e-6)
    assert (letterbox(wide)[24:40] == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 4), (5, 3, 1), (7, 900, 3)])
def test_images_of_any_kind_become_three_channels(shape):
    assert LetterboxPreprocessing(32, 64, 3)(np.zeros(shape, np.uint8)).shape == (32, 64, 3)


def test_it_travels_as_json():
    letterbox = LetterboxPreprocessing(416, 512, 3, fill=0)

    again = preprocessing_from_dict(letterbox.to_dict())

    assert again == letterbox
    assert isinstance(again, LetterboxPreprocessing)


def test_an_image_may_stand_in_the_left_top_corner():
    letterbox = LetterboxPreprocessing(64, 64, 3, align="top_left", scale=1.0, order="bgr")
    place = letterbox.place(50, 100)
    red = np.zeros((50, 100, 3), np.uint8)
    red[:, :, 0] = 200

    tensor = letterbox(red)

    assert (place.left, place.top, place.height, place.width) == (0, 0, 32, 64)
    np.testing.assert_array_equal(tensor[0, 0], [0, 0, 200])
    np.testing.assert_array_equal(tensor[40, 10], [114, 114, 114])
    assert preprocessing_from_dict(letterbox.to_dict()) == letterbox


def test_another_corner_is_refused():
    with pytest.raises(InputError, match="align is"):
        LetterboxPreprocessing(64, 64, 3, align="bottom")
