"""What is seen of calibration data before a quantizer believes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgecnn.conversion.calibration import DrawnSamples
from edgecnn.conversion.calibration_check import check
from edgecnn.data.base import Dataset, Split
from edgecnn.preprocessing import ImagePreprocessing, SignalPreprocessing

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 8, 8, 1), np.uint8)
SIGNALS = RNG.normal(size=(40, 16)).astype(np.float32)


def drawn(samples: np.ndarray, labels: Sequence[int] | None = None, classes: int = 2):
    count = len(samples)
    labels = np.asarray(labels if labels is not None else np.arange(count) % classes, np.int64)
    names = tuple(str(label) for label in range(classes))
    data = Dataset(
        "some", "classification", names, {"train": Split(samples, labels)}, "ab", samples.shape[1:]
    )
    image = samples.dtype == np.uint8
    prepare = ImagePreprocessing(8, 8, 1) if image else SignalPreprocessing(16)
    return DrawnSamples(data, "train", prepare)


def warnings(samples: DrawnSamples) -> str:
    found = check(samples)
    assert found.problem_for("static_int8") is None
    return " ".join(found.warnings)


def test_good_samples_are_not_mentioned():
    assert check(drawn(IMAGES)).warnings == ()
    assert check(drawn(SIGNALS)).warnings == ()


def test_black_images_are_refused():
    found = check(drawn(np.zeros_like(IMAGES)))
    for recipe in ("static_int8", "int16x8"):
        assert "40 calibration samples are constant (all 0)" in found.problem_for(recipe)


def test_images_of_one_color_each_are_refused():
    flat = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 8, 8, 1))
    assert "each of one value" in check(drawn(flat.copy())).problem_for("static_int8")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_is_refused_with_its_place(value: float):
    samples = SIGNALS.copy()
    samples[7, 3] = value
    problem = check(drawn(samples)).problem_for("static_int8")
    assert "1 of 40 calibration samples hold NaN or infinity (train 7)" in problem


def test_some_black_images_are_named():
    samples = IMAGES.copy()
    samples[[3, 9]] = 0
    assert "2 of 40 calibration samples are of one value each (train 3, 9)" in warnings(
        drawn(samples)
    )


def test_duplicates_are_counted():
    samples = np.concatenate([IMAGES[:20], IMAGES[:20]])
    assert "20 of 40 calibration samples repeat another one" in warnings(drawn(samples))
    assert "all 8 calibration samples are the same one" in warnings(
        drawn(np.repeat(IMAGES[:1], 8, axis=0))
    )
    assert "one calibration sample" in warnings(drawn(IMAGES[:1]))


def test_one_outlier_is_named_and_refused_for_8_bit_where_it_leaves_no_levels():
    samples = SIGNALS.copy()
    samples[5, 2] = 1_000.0
    found = check(drawn(samples))
    assert "one calibration sample widens the range" in found.problem_for("static_int8")
    assert "(train 5)" in found.problem_for("static_int8")
    assert found.problem_for("int16x8") is None


def test_a_small_outlier_is_a_warning():
    samples = SIGNALS.copy()
    samples[5, 2] = 40.0
    assert "of 256 levels for the rest" in warnings(drawn(samples))


def test_two_sided_outliers_are_seen():
    samples = SIGNALS.copy()
    samples[5, 2] = -1_000.0
    assert check(drawn(samples)).problem_for("static_int8") is not None


def test_one_class_and_too_few_samples_are_named():
    assert "all calibration samples are of one class of 2 (1)" in warnings(drawn(IMAGES, [1] * 40))
    assert "5 calibration samples are fewer than the 10 classes" in warnings(
        drawn(IMAGES[:5], range(5), classes=10)
    )
    assert "show 2 of 10 classes" in warnings(drawn(IMAGES, [0, 1] * 20, classes=10))


def test_another_scale_than_the_models_is_named():
    dark = (IMAGES // 64).astype(np.uint8)
    assert "of the model's input range 0…1" in warnings(drawn(dark))
