"""The axes of tensors by name, and channels-last arrays in models that keep channels first."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.manifest import TensorSpec
from edgecnn.runtimes.tensors import guess_layout, name_axes, to_model
from edgecnn.synthetic_inputs import channels_last


@pytest.mark.parametrize(
    ("shape", "dtype", "layout"),
    [
        ((None, 64), "int32", "NL"),
        ((1, 64), "int64", "NL"),
        ((1, 10), "float32", "NC"),
        ((1, 8000, 1), "float32", "NLC"),
        ((1, 3, 8000), "float32", "NCL"),
        ((1, 128, 9), "float32", "NLC"),
        ((1, 3, 32, 32), "float32", "NCHW"),
        ((1, 8, 8, 3), "float32", "NHWC"),
        ((1, 32, 32, 32, 1), "float32", "NDHWC"),
        ((1, 1, 32, 32, 32), "float32", "NCDHW"),
        ((1,), "float32", ""),
        ((1, 2, 3, 4, 5, 6), "float32", ""),
    ],
)
def test_a_foreign_tensor_is_judged_by_where_a_channel_count_stands(
    shape: tuple[int | None, ...], dtype: str, layout: str
):
    assert guess_layout(shape, dtype) == layout


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_every_axis_has_a_letter(rank: int):
    assert len(name_axes(rank)) == rank


@pytest.mark.parametrize("sizes", [(5, 2), (5, 6, 2), (5, 6, 7, 2)])
def test_channels_last_arrays_reach_models_with_channels_first(sizes: tuple[int, ...]):
    *places, channels = sizes
    layout = f"NC{name_axes(len(sizes) + 1)[1:-1]}"
    spec = TensorSpec("input", (1, channels, *places), "float32", layout)
    array = np.random.default_rng(0).random((1, *sizes), np.float32)
    stored = to_model(array, spec)
    assert stored.shape == spec.shape
    assert np.array_equal(np.moveaxis(stored, 1, -1), array)
    assert channels_last(spec) == (1, *sizes)


def test_resized_pixels_are_rounded_for_a_model_that_takes_bytes():
    spec = TensorSpec("input", (1, 2, 2, 1), "uint8", "NHWC")
    pixels = np.array([254.6, -0.4, 255.3, 7.5], np.float32).reshape(1, 2, 2, 1)
    assert to_model(pixels, spec).ravel().tolist() == [255, 0, 255, 8]
