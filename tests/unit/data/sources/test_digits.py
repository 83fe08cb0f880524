"""The digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

import edgecnn.data


def test_values_fill_the_range_of_a_byte():
    samples = edgecnn.data.load("digits")["train"].samples

    assert samples.min() == 0
    assert samples.max() == 255
    assert len(np.unique(samples)) == 17


def test_all_1797_images_are_dealt_out_70_10_20():
    sizes = {name: len(split) for name, split in edgecnn.data.load("digits").splits.items()}

    assert sum(sizes.values()) == 1797
    assert abs(sizes["train"] / 1797 - 0.7) < 0.01
    assert abs(sizes["test"] / 1797 - 0.2) < 0.01


def test_the_hints_center_the_pixels():
    dataset = edgecnn.data.load("digits")

    tensors = dataset.preprocessing((8, 8, 1)).batch(dataset["train"].samples)

    assert abs(tensors.mean()) < 0.01
    assert abs(tensors.std() - 1) < 0.01


def test_the_content_is_the_one_that_results_speak_of():
    # A change here means other splits or pixels: numbers before and after do not compare.
    digest = edgecnn.data.load("digits", seed=0).sha256

    assert digest == "baf4ff6a344035feb12d48e28f99f5d9b99f514b72c94c38fee7426f6c132ccd"
