"""Inputs for models without data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing, tensor_range
from edgecnn.runtimes.tensors import to_model
from edgecnn.synthetic_inputs import SyntheticInputs
from edgecnn.tensor_spec import TensorSpec, is_batched

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(lambda sizes: (1, *sizes))


def made(*specs: TensorSpec, count: int = 32, **more) -> list[np.ndarray]:
    return SyntheticInputs(specs, count, **more).arrays()


@settings(max_examples=60, deadline=None)
@given(
    shape=shapes,
    dtype=st.sampled_from(["float32", "float64", "float16", "bool", "int32", "int64", "uint8"]),
    count=st.integers(2, 40),
)
def test_samples_differ_and_come_back_equal(shape, dtype, count):
    assume(dtype != "bool" or count * np.prod(shape) >= 32)  # fewer may be equal by chance
    (first,), (again,) = (made(TensorSpec("x", shape, dtype), count=count) for _ in range(2))
    assert first.shape == (count, *shape[1:])
    assert np.array_equal(first, again)
    assert any(not np.array_equal(first[0], sample) for sample in first[1:])


@settings(max_examples=60, deadline=None)
@given(shape=shapes, dtype=st.sampled_from(["float32", "int32", "uint8"]))
def test_inputs_of_one_shape_differ(shape, dtype):
    left, right = made(TensorSpec("a", shape, dtype), TensorSpec("b", shape, dtype))
    assert not np.array_equal(left, right)
    difference = left.astype(np.float64) - right
    assert len(np.unique(difference)) > 1  # a - b depends on the sample


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(["int8", "uint8"]),
    scale=st.floats(1e-4, 10.0, allow_subnormal=False),
    zero_point=st.integers(-128, 127),
    shape=shapes.filter(lambda shape: np.prod(shape) >= 16),
)
def test_quantized_inputs_cover_every_level(dtype, scale, zero_point, shape):
    point = zero_point + 128 if dtype == "uint8" else zero_point
    spec = TensorSpec("x", shape, dtype, "", float(np.float32(scale)), point)
    (samples,) = made(spec)
    stored = np.concatenate([to_model(sample[None], spec) for sample in samples])
    assert len(np.unique(stored)) == 256


def test_integers_without_a_scale_cover_their_whole_range():
    (samples,) = made(TensorSpec("pixels", (1, 8, 8, 3), "uint8"))
    assert samples.dtype == np.uint8
    assert set(np.unique(samples)) == set(range(256))


def test_two_samples_have_different_means():
    """A network that averages over an image must see a difference."""
    (samples,) = made(TensorSpec("x", (1, 96, 96, 3), "float32"), count=8)
    assert np.ptp(samples.mean(axis=(1, 2, 3))) > 0.02


def test_real_values_fill_the_range_that_is_known():
    (samples,) = made(TensorSpec("x", (1, 16, 16, 3), "float32"), values={"x": (-1.0, 255.0)})
    assert -1 <= samples.min() < 1
    assert 253 < samples.max() <= 255


def test_ids_stay_below_the_table_also_as_real_values():
    for dtype in ("int32", "int64", "float32"):
        (ids,) = made(TensorSpec("ids", (1, 40), dtype, "NL"), vocabularies={"ids": 5})
        assert ids.dtype == dtype
        assert set(np.unique(ids)) == set(range(5))


def test_a_mask_is_of_zeros_and_ones_and_never_empty():
    ids, mask = made(
        TensorSpec("input_ids", (1, 12), "int64"), TensorSpec("attention_mask", (1, 12), "int64")
    )
    assert set(np.unique(mask)) == {0, 1}
    assert (mask[:, 0] == 1).all()
    assert ids.max() > 1


def test_a_length_is_within_the_sequence():
    _, lengths = made(
        TensorSpec("tokens", (1, 12), "int32"), TensorSpec("seq_length", (1,), "int32")
    )
    assert lengths.min() >= 1
    assert lengths.max() <= 12
    assert len(np.unique(lengths)) > 1


def test_float64_stays_float64():
    (samples,) = made(TensorSpec("x", (1, 3), "float64"))
    assert samples.dtype == np.float64


def test_inputs_without_a_batch_are_whole():
    scalar, anchors = TensorSpec("threshold", (), "float32"), TensorSpec("anchors", (7, 2), "int64")
    assert not is_batched(scalar, 1)
    assert not is_batched(anchors, 1)
    samples = made(scalar, anchors, count=4)
    assert [array.shape for array in samples] == [(4,), (4, 7, 2)]


def test_channels_first_gives_the_same_values_as_channels_last():
    (last,) = made(TensorSpec("x", (1, 8, 6, 3), "float32", "NHWC"))
    (first,) = made(TensorSpec("x", (1, 3, 8, 6), "float32", "NCHW"))
    assert np.array_equal(last, first)


def test_open_dimensions_and_text_are_refused():
    with pytest.raises(InputError, match="open"):
        made(TensorSpec("x", (1, None, 3), "float32"))
    with pytest.raises(InputError, match="takes S8"):
        made(TensorSpec("x", (1, 3), "S8"))


def test_what_is_fed_is_said():
    specs = [
        TensorSpec("a", (1, 4), "int8", "", 0.898, -128),
        TensorSpec("b", (1, 4), "float32"),
        TensorSpec("c", (1, 4), "int32"),
    ]
    assert SyntheticInputs(specs, 4).describe() == "noise 0…229, noise 0…1, whole numbers 0…99"


@pytest.mark.parametrize(
    ("preprocessing", "expected"),
    [
        (ImagePreprocessing(8, 8, 3), (0.0, 1.0)),
        (ImagePreprocessing(8, 8, 3, scale=1.0), (0.0, 255.0)),
        (ImagePreprocessing(8, 8, 1, mean=(0.5,), std=(0.5,)), (-1.0, 1.0)),
        (LetterboxPreprocessing(8, 8, 3), (0.0, 1.0)),
        (ImagePreprocessing(8, 8, 3, contrast="picture"), None),
        (None, None),
    ],
)
def test_the_range_of_a_preprocessing_is_known(preprocessing, expected):
    found = tensor_range(preprocessing)
    assert found == (pytest.approx(expected) if expected else None)


def test_a_mean_for_each_channel_widens_the_range():
    caffe = ImagePreprocessing(8, 8, 3, scale=1.0, mean=(103.9, 116.8, 123.7))
    assert tensor_range(caffe) == pytest.approx((-123.7, 151.1))
