"""Samples that name a model's inputs, as these take them."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.feeding.inputs import tensors_for
from edgecnn.manifest import TensorSpec

IMAGE = TensorSpec("image", (None, 4, 6, 3), "float32", "NHWC")
FIRST = TensorSpec("image", (1, 3, 4, 6), "float32", "NCHW")
IDS = TensorSpec("ids", (None, 5), "int32", "NL")
GAIN = TensorSpec("gain", (), "float32", "")
PIXELS = np.arange(72, dtype=np.float32).reshape(4, 6, 3)
WORDS = np.arange(5)


def tensors(sample, *specs, **more):
    return tensors_for(sample, specs, where="train 3", **more)


def refused(sample, *specs, match, **more) -> InputError:
    with pytest.raises(InputError, match=match) as caught:
        tensors(sample, *specs, **more)
    return caught.value


def test_the_order_is_the_models():
    ids, image = tensors({"image": PIXELS, "ids": WORDS}, IDS, IMAGE)
    np.testing.assert_array_equal(image, PIXELS)
    np.testing.assert_array_equal(ids, WORDS)
    assert ids.dtype == np.int32


@pytest.mark.parametrize("array", [PIXELS, PIXELS[None], PIXELS.transpose(2, 0, 1)])
def test_either_order_of_axes_and_a_batch_of_one_are_taken(array):
    for spec in (IMAGE, FIRST):
        (found,) = tensors({"image": array}, spec, batch=1)
        np.testing.assert_array_equal(found, PIXELS)


@pytest.mark.parametrize("name", ["serving_default_image:0", "image:0", "serving_default_image"])
def test_what_exporters_put_around_a_name_does_not_matter(name):
    spec = TensorSpec(name, IMAGE.shape, IMAGE.dtype, IMAGE.layout)
    found, _ = tensors({"image": PIXELS, "ids": WORDS}, spec, IDS)
    np.testing.assert_array_equal(found, PIXELS)


def test_one_input_takes_the_only_array():
    (found,) = tensors({"whatever": PIXELS, "labels": np.int64(3)}, IMAGE)
    np.testing.assert_array_equal(found, PIXELS)


def test_an_input_without_a_batch_axis_takes_the_sample_whole():
    (found, _) = tensors({"gain": np.float64(2), "ids": WORDS}, GAIN, IDS)
    assert found.shape == ()
    assert found.dtype == np.float32


def test_quantized_inputs_take_real_values():
    spec = TensorSpec("image", (1, 4), "int8", "NC", 0.5, 3)
    (found,) = tensors({"image": np.asarray([0.25, 1, 2, 3])}, spec, batch=1)
    assert found.dtype == np.float32


def test_a_missing_input_is_named_with_what_is_there():
    error = refused({"picture": PIXELS, "ids": WORDS}, IMAGE, IDS, match="no array for the input")
    assert "picture (4, 6, 3), ids (5,)" in error.message
    assert "image (4, 6, 3), ids (5,)" in error.hint


def test_another_shape_is_named():
    refused({"image": PIXELS[:2]}, IMAGE, match=r"takes \(4, 6, 3\) a sample, .* \(2, 6, 3\)")
    error = refused({"image": np.stack([PIXELS] * 2)}, IMAGE, match="a sample")
    assert "one file is one sample" in error.hint


def test_fractions_are_no_pixels():
    spec = TensorSpec("image", (1, 4), "uint8", "NC")
    refused({"image": np.asarray([0.5, 0, 0, 1])}, spec, match="whole numbers", batch=1)
    refused({"image": np.asarray([0, 0, 0, 300])}, spec, match="is uint8", batch=1)


def test_ids_beyond_the_table_are_refused():
    refused({"ids": WORDS}, IDS, match=r"takes ids 0…3, the data set has 4", limits={"ids": 4})
    refused({"ids": WORDS - 1}, IDS, match=r"takes ids 0…8, the data set has -1", limits={"ids": 9})


def test_text_is_no_number():
    refused({"ids": np.asarray(list("abcde"))}, IDS, match="takes numbers")
