"""Pixels to tensors: one implementation for training, calibration, evaluation and camera."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgecnn.errors import InputError
from edgecnn.preprocessing import ImagePreprocessing, preprocessing_from_dict, resize


def image(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_resizing_equals_pillow_s_bilinear_filter(h: int, w: int, height: int, width: int):
    source = image(h, w, seed=h * 61 + w)
    ours = resize(source.astype(np.float32), height, width)
    channels = [
        Image.fromarray(source[:, :, c].astype(np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for c in range(3)
    ]
    theirs = np.stack([np.asarray(channel) for channel in channels], axis=2)
    np.testing.assert_allclose(ours, theirs, atol=0.01)


def test_an_image_of_the_right_size_passes_unchanged():
    source = image(8, 8)
    tensor = ImagePreprocessing(8, 8, 3, scale=1.0)(source)
    np.testing.assert_array_equal(tensor, source)
    assert tensor.dtype == np.float32


def test_padding_centers_a_smaller_image_on_black():
    tensor = ImagePreprocessing(32, 32, 1, fit="pad", scale=1.0)(np.full((28, 28), 9, np.uint8))
    assert tensor[2:30, 2:30].min() == 9
    assert tensor.sum() == 9 * 28 * 28


def test_an_image_too_large_to_pad_is_resized():
    tensor = ImagePreprocessing(8, 8, 1, fit="pad", scale=1.0)(np.full((20, 10), 9, np.uint8))
    np.testing.assert_allclose(tensor, 9, rtol=1e-6)


def test_normalization_is_per_channel():
    red = np.zeros((2, 2, 3), np.uint8)
    red[:, :, 0] = 255
    tensor = ImagePreprocessing(2, 2, 3, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 2.0))(red)
    np.testing.assert_allclose(tensor[0, 0], [1.0, 0.0, 0.0], atol=1e-6)


def test_contrast_of_its_own_makes_dark_and_hazy_images_alike():
    made = ImagePreprocessing(8, 8, 3, contrast="picture")
    clear = image(8, 8, 3).astype(np.float32)
    dark, hazy = clear * 0.25, clear * 0.25 + 120
    expected = (clear - clear.mean()) / clear.std()
    for seen in (clear, dark, hazy):
        np.testing.assert_allclose(made(seen.astype(np.uint8)), expected, atol=0.05)


def test_contrast_of_its_own_does_not_blow_up_noise():
    flat = np.full((8, 8, 3), 90, np.uint8)
    flat[0, 0, 0] = 91
    tensor = ImagePreprocessing(8, 8, 3, contrast="picture")(flat)
    assert np.abs(tensor).max() < 0.5


def test_gray_is_weighted_by_bt601():
    tensor = ImagePreprocessing(1, 1, 1, scale=1.0)(np.array([[[100, 50, 200]]], np.uint8))
    assert tensor[0, 0, 0] == pytest.approx(0.299 * 100 + 0.587 * 50 + 0.114 * 200, abs=1e-3)


def test_gray_becomes_color_by_repeating_and_alpha_is_dropped():
    gray = ImagePreprocessing(2, 2, 3, scale=1.0)(np.full((2, 2), 7, np.uint8))
    np.testing.assert_array_equal(gray, 7)
    rgba = ImagePreprocessing(2, 2, 3, scale=1.0)(image(2, 2, 4))
    np.testing.assert_array_equal(rgba, image(2, 2, 4)[:, :, :3])


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (0, 4, 3), (1, 2, 2, 3)])
def test_what_is_no_image_is_refused_with_its_shape(shape: tuple[int, ...]):
    with pytest.raises(InputError, match=r"received: \("):
        ImagePreprocessing(4, 4, 3)(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "arguments",
    [
        {"height": 0, "width": 4, "channels": 3},
        {"height": 4, "width": 4, "channels": 2},
        {"height": 4, "width": 4, "channels": 3, "fit": "zoom"},
        {"height": 4, "width": 4, "channels": 3, "contrast": "more"},
        {"height": 4, "width": 4, "channels": 3, "mean": (1.0, 2.0)},
        {"height": 4, "width": 4, "channels": 3, "std": (0.0,)},
    ],
)
def test_impossible_settings_are_refused(arguments: dict):
    with pytest.raises(InputError):
        ImagePreprocessing(**arguments)


@pytest.mark.parametrize(
    "preprocessing",
    [
        ImagePreprocessing(6, 5, 3),
        ImagePreprocessing(6, 5, 1, mean=(0.4,), std=(0.2,)),
        ImagePreprocessing(6, 5, 3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        ImagePreprocessing(6, 5, 3, contrast="picture"),
        ImagePreprocessing(9, 9, 3, fit="pad"),
    ],
)
@pytest.mark.parametrize("shapes", [[(6, 5, 3)] * 4, [(6, 5, 3), (4, 4, 3), (6, 5), (6, 5, 4)]])
def test_a_batch_is_its_images(preprocessing: ImagePreprocessing, shapes: list):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]

    together = preprocessing.batch(images)

    np.testing.assert_array_equal(together, [preprocessing(image) for image in images])
    assert together.dtype == np.float32


def test_a_batch_holds_one_large_image_at_a_time():
    side = 1000
    images = (np.zeros((side, side, 3), np.uint8) for _ in range(30))

    tracemalloc.start()
    ImagePreprocessing(8, 8, 3).batch(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 15 * 3 * side**2  # all of them, in bytes, are twice as many


def test_a_preprocessing_survives_json():
    original = ImagePreprocessing(32, 24, 3, "pad", 0.5, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    assert preprocessing_from_dict(json.loads(json.dumps(original.to_dict()))) == original


@pytest.mark.parametrize("values", [{}, {"kind": "magic"}, {"kind": "image", "height": 4}])
def test_what_is_no_preprocessing_is_refused(values: dict):
    with pytest.raises(InputError):
        preprocessing_from_dict(values)


@pytest.mark.parametrize(("height", "width"), [(60, 80), (91, 40), (32, 32), (20, 30)])
def test_a_crop_is_the_center_of_the_resized_shorter_side(height: int, width: int):
    source = image(height, width)
    short = 32  # of Resize(32) and CenterCrop(28), which torchvision's networks are measured with
    size = (short, int(short * height / width)) if width <= height else (
        int(short * width / height), short
    )  # fmt: skip
    resized = resize(source.astype(np.float32), size[1], size[0])
    top, left = round((size[1] - 28) / 2), round((size[0] - 28) / 2)

    tensor = ImagePreprocessing(28, 28, 3, fit="crop", scale=1.0)(source)

    np.testing.assert_allclose(tensor, resized[top : top + 28, left : left + 28], atol=1e-3)


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@given(st.integers(4, 70), st.integers(4, 70))
def test_a_mark_is_where_its_place_says(fit: str, height: int, width: int):
    made = ImagePreprocessing(20, 24, 3, fit=fit, scale=1.0)
    place = made.place(height, width)
    box = np.asarray([[0, 0, width, height]], np.float32)

    inside = place.to_tensor(box)

    np.testing.assert_allclose(place.to_image(inside), box, atol=1e-3)
    expected = [place.left, place.top, place.left + place.width, place.top + place.height]
    np.testing.assert_allclose(inside[0], expected, atol=1e-3)
    if fit == "crop":  # the tensor lies in the image, and all of it is filled
        assert max(place.left, place.top) <= 0
        assert place.left + place.width >= 24
        assert place.top + place.height >= 20


@pytest.mark.parametrize("crop", [0.0, 1.5, -1.0])
def test_a_crop_beyond_the_image_is_refused(crop: float):
    with pytest.raises(InputError, match="crop is a share"):
        ImagePreprocessing(8, 8, 3, fit="crop", crop=crop)
