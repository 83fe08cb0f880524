"""Receptive fields, against those in the literature and against what really moves a unit."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from edgecnn import models
from edgecnn.errors import UnsupportedError
from edgecnn.models.receptive_field import receptive_fields


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride"),
    [
        ("lenet5", "c5", 32, 4),
        ("alexnet", "pool5", 195, 32),
        ("resnet8", "block3_out", 25, 4),
        ("resnet18", "conv5_2_out", 435, 32),
        ("resnet50", "conv5_3_out", 483, 32),
        ("textcnn", "conv5", 5, 1),
        ("voxnet", "pool2", 11, 4),
    ],
)
def test_is_that_of_the_literature(name, layer, size, stride):
    assert receptive_fields(models.outline(name))[layer][:2] == (size, stride)


def test_the_widest_branch_counts():
    fields = receptive_fields(models.outline("googlenet", input_shape=(64, 64, 3)))

    assert fields["inception_3a"] == fields["inception_3a_5x5_conv"]
    assert fields["inception_3a"].size > fields["inception_3a_3x3_conv"].size


def test_a_dilated_window_skips_what_lies_between():
    model = keras.Sequential([keras.Input((32, 32, 1)), layers.Conv2D(1, 3, dilation_rate=4)])

    assert [field.size for field in receptive_fields(model).values()][-1] == 9


def test_after_flattening_a_unit_sees_everything():
    fields = receptive_fields(models.outline("simple"))

    assert (fields["flatten"].size, fields["flatten"].offset) == (28, 14)
    assert fields["hidden"] == fields["flatten"]


def test_upsampling_brings_fields_closer_together():
    model = keras.Sequential(
        [keras.Input((16, 16, 1)), layers.AveragePooling2D(4), layers.UpSampling2D(2)]
    )

    assert [tuple(field) for field in receptive_fields(model).values()][-1] == (4, 2, 1)


@pytest.mark.parametrize("side", [15, 16, 17])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_what_moves_a_unit_lies_just_there(side, padding):
    """Positive weights: every pixel of the field counts, and none outside of it."""
    model = keras.Sequential(
        [
            keras.Input((side, side, 1)),
            layers.Conv2D(1, 3, 2, padding=padding, kernel_initializer="ones", name="first"),
            layers.ZeroPadding2D(((1, 0), (1, 0)), name="pad"),
            layers.Conv2D(1, 2, padding=padding, kernel_initializer="ones", name="second"),
            layers.MaxPooling2D(2, 1, padding=padding, name="last"),
        ]
    )
    field = receptive_fields(model)["last"]
    each_pixel = np.eye(side * side).reshape(-1, side, side, 1)
    row = column = model.output_shape[1] // 2
    moved = model.predict(each_pixel, verbose=0)[:, row, column, 0].reshape(side, side) != 0

    first = field.offset + row * field.stride - field.size / 2
    expected = np.zeros((side, side), bool)
    span = slice(max(0, int(first)), int(first + field.size))
    expected[span, span] = True
    np.testing.assert_array_equal(moved, expected)


def test_a_gate_of_the_whole_map_widens_the_fields_and_moves_none():
    image = keras.Input((32, 32, 4))
    maps = layers.Conv2D(4, 3, padding="same", name="before")(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(maps)
    gate = layers.Dense(4, activation="sigmoid", name="gate")(gate)
    gated = layers.Multiply(name="gated")([gate, maps])
    model = keras.Model(image, layers.Conv2D(4, 3, 2, padding="same", name="after")(gated))
    fields = receptive_fields(model)

    seen, before = fields["gated"], fields["before"]
    assert (seen.stride, seen.offset) == (before.stride, before.offset)
    assert seen.size == fields["gate"].size > before.size
    assert fields["after"] == (seen.size + 2, 2, 1.5)  # the first window begins in the first pixel


def inner(name):
    return keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(1, 3, padding="same", name=f"{name}_conv"),
            layers.MaxPooling2D(2, name=f"{name}_pool"),
        ],
        name=name,
    )


def test_a_model_inside_the_model_goes_on_from_what_it_is_given():
    image = keras.Input((32, 32, 1))
    x = layers.MaxPooling2D(2, name="first")(image)
    x = inner("nested")(x)
    fields = receptive_fields(keras.Model(image, layers.Conv2D(1, 3, name="last")(x)))

    assert fields["nested_conv"][:2] == (6, 2)
    assert fields["nested_pool"][:2] == (8, 4)
    assert fields["last"][:2] == (16, 4)


def test_each_call_of_a_model_inside_has_fields_of_its_own():
    shared = keras.Sequential(
        [keras.Input((32, 32, 1)), layers.Conv2D(1, 3, padding="same", name="conv")]
    )
    image = keras.Input((32, 32, 1))
    once = shared(image)
    twice = shared(once)
    model = keras.Model(image, [layers.ReLU(name="one")(once), layers.ReLU(name="two")(twice)])
    fields = receptive_fields(model)

    assert (fields["one"].size, fields["two"].size) == (3, 5)


def test_a_model_inside_of_open_size_is_refused():
    image = keras.Input((32, 32, 1))
    anywhere = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 3)])

    with pytest.raises(UnsupportedError, match="fixed sizes"):
        receptive_fields(keras.Model(image, anywhere(image)))


def test_a_model_that_does_not_tell_its_graph_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UnsupportedError, match="has no graph to read"):
        receptive_fields(Own())


def test_an_open_size_is_refused():
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 3)])

    with pytest.raises(UnsupportedError, match="fixed size"):
        receptive_fields(model)
