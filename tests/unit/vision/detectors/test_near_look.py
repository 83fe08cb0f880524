"""Where something large is seen, half of the input is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.detection.detections import Detections
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing
from edgecnn.vision.detectors.near_look import half_size, halved, may_be_large, merge_looks

pytest.importorskip("cv2", reason="cv2 is not installed")


@pytest.mark.parametrize(
    ("size", "half"),
    [
        ((512, 512), (256, 256)),
        ((448, 768), (256, 384)),  # 224 is not a multiple of 64
        ((384, 384), (192, 192)),
        ((320, 320), None),
        ((256, 256), None),
    ],
)
def test_the_half_is_an_input_that_the_network_takes(size, half):
    assert half_size(LetterboxPreprocessing(*size, 3)) == half


def test_only_letterboxed_inputs_have_a_half():
    assert half_size(ImagePreprocessing(512, 512, 3)) is None


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32", "float16"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_each_value_of_the_half_is_the_mean_of_four(dtype, channels_first):
    rng = np.random.default_rng(1)
    low, high = (-128, 128) if dtype == "int8" else (0, 256)
    image = rng.integers(low, high, (8, 12, 3)).astype(dtype)
    mean = image.astype(np.float64).reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    fill = np.asarray([1, 2, 3], dtype)
    tensor = image.transpose(2, 0, 1) if channels_first else image
    half = halved(tensor[None], (6, 6), fill, channels_first=channels_first)
    shown = half[0].transpose(1, 2, 0) if channels_first else half[0]
    assert shown.dtype == image.dtype
    assert shown.shape == (6, 6, 3)
    np.testing.assert_allclose(shown[:4].astype(np.float64), mean, atol=0.51)
    np.testing.assert_array_equal(shown[4:], np.broadcast_to(fill, (2, 6, 3)))


def boxes(*rows):
    """(side, score[, class]): squares at the upper left, each a little lower than the last."""
    xyxy = [(at * 3, at * 3, at * 3 + row[0], at * 3 + row[0]) for at, row in enumerate(rows)]
    ids = np.asarray([row[2] if len(row) > 2 else 0 for row in rows], np.int64)
    return Detections(
        np.asarray(xyxy, np.float32).reshape(-1, 4),
        np.asarray([row[1] for row in rows], np.float32),
        ids,
    )


@pytest.mark.parametrize(
    ("row", "large"),
    [((300, 0.9), True), ((150, 0.25), True), ((150, 0.1), False), ((100, 0.9), False)],
)
def test_a_large_box_calls_for_a_look_also_where_it_is_in_doubt(row, large):
    assert may_be_large(boxes(row)) is large
    assert not may_be_large(Detections.none())


def test_what_is_large_is_taken_from_the_half_and_what_is_small_from_the_whole():
    whole = Detections(
        np.asarray([[0, 0, 400, 300], [600, 600, 640, 640]], np.float32),
        np.asarray([0.95, 0.8], np.float32),
    )
    half = Detections(
        np.asarray([[10, 10, 420, 410], [598, 598, 645, 645]], np.float32),
        np.asarray([0.7, 0.9], np.float32),
    )
    found = merge_looks(whole, half)
    np.testing.assert_array_equal(found.xyxy, [[600, 600, 640, 640], [10, 10, 420, 410]])
    np.testing.assert_allclose(found.scores, [0.8, 0.7])


def test_a_part_of_what_is_large_is_not_a_second_object():
    whole = Detections(np.asarray([[50, 50, 250, 200]], np.float32), np.asarray([0.6], np.float32))
    half = Detections(np.asarray([[10, 10, 420, 410]], np.float32), np.asarray([0.9], np.float32))
    np.testing.assert_array_equal(merge_looks(whole, half).xyxy, half.xyxy)


def test_objects_of_two_classes_may_lie_in_one_place():
    whole = boxes((100, 0.6, 0), (100, 0.9, 1))
    found = merge_looks(whole, Detections.none())
    assert found.class_ids.tolist() == [1, 0]
    assert len(merge_looks(Detections.none(), Detections.none())) == 0
