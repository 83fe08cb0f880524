"""Rounding by the layer's output, and channels with even ranges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.conversion.quantizers.equalization import equalized
from edgecnn.conversion.quantizers.rounding import output_error, plain, rounded
from edgecnn.conversion.quantizers.weighted import (
    LARGEST,
    InputStatistics,
    WeightedLayer,
    nearest,
    patches,
    scales_of,
)

generator = np.random.default_rng(0)


def dense(outputs: int, inputs: int, name: str = "a", follower: str = "") -> WeightedLayer:
    weights = generator.normal(size=(1, outputs, inputs))
    bias = generator.normal(size=outputs)
    return WeightedLayer(name, "dense", "x", weights, bias, linear=True, follower=follower)


def seen_by(layer: WeightedLayer, rows: np.ndarray) -> InputStatistics:
    return InputStatistics(
        np.stack([rows.T @ rows / len(rows)] * layer.groups), rows.mean(axis=0)[None]
    )


def test_rounding_by_the_output_beats_rounding_to_the_nearest_where_inputs_go_together():
    layer = dense(8, 40)
    shared = generator.normal(size=(500, 3))
    rows = shared @ generator.normal(size=(3, 40)) + 0.1 * generator.normal(size=(500, 40))
    seen = seen_by(layer, rows)
    adapted = rounded(layer, seen, "channel").weights
    errors = [
        output_error(layer.weights[0], changed[0], seen.products[0])
        for changed in (adapted, plain(layer, "channel"))
    ]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
def test_a_quantizer_finds_the_same_steps_again(granularity: str):
    layer = dense(6, 30)
    rows = generator.normal(size=(200, 30)) @ generator.normal(size=(30, 30))
    changed = rounded(layer, seen_by(layer, rows), granularity)
    scales = scales_of(changed.weights, granularity)
    assert scales == pytest.approx(scales_of(layer.weights, granularity))
    assert nearest(changed.weights, scales) == pytest.approx(changed.weights)
    assert np.abs(changed.weights / scales).max() <= LARGEST + 1e-9


def test_no_weight_moves_further_than_to_the_other_side():
    layer = dense(4, 20)
    changed = rounded(layer, seen_by(layer, generator.normal(size=(50, 20))), "channel")
    steps = scales_of(layer.weights, "channel")
    assert (np.abs(changed.weights - layer.weights) < steps).all()


def test_inputs_that_are_never_there_change_nothing():
    layer = dense(4, 20)
    silent = InputStatistics(np.zeros((1, 20, 20)), np.zeros((1, 20)))
    assert rounded(layer, silent, "channel").weights == pytest.approx(plain(layer, "channel"))


def test_equalizing_evens_out_ranges_and_computes_the_same():
    first, second = dense(5, 7, "a", "b"), dense(3, 5, "b")
    first.weights[0, 2] *= 300
    second.weights[0, :, 2] /= 300
    rows = generator.normal(size=(10, 7))

    def outputs(one: WeightedLayer, two: WeightedLayer) -> np.ndarray:
        hidden = np.maximum(rows @ one.weights[0].T + one.bias, 0)
        return hidden @ two.weights[0].T + two.bias

    even, after = equalized([first, second])
    assert outputs(even, after) == pytest.approx(outputs(first, second))
    ranges = np.abs(even.weights[0]).max(axis=1)
    assert ranges.max() / ranges.min() < 20 < 300


def test_layers_with_something_else_between_them_are_left_alone():
    first, second = dense(5, 7, "a", "b"), dense(3, 5, "b")
    assert equalized([replace(first, linear=False), second]) == []
    assert equalized([replace(first, follower="c"), second]) == []


@pytest.mark.parametrize("channels_last", [True, False])
def test_patches_are_what_a_convolution_multiplies(channels_last: bool):
    image = generator.normal(size=(2, 6, 7, 3))
    kernel = generator.normal(size=(4, 3, 3, 2))  # outputs, inputs, rows, columns
    layer = WeightedLayer(
        "a",
        "convolution",
        "x",
        kernel.reshape(1, 4, -1),
        None,
        kernel=(3, 2),
        strides=(2, 1),
        dilations=(1, 2),
        padding=((1, 1), (0, 2)),
        channels_last=channels_last,
    )
    given = image if channels_last else image.transpose(0, 3, 1, 2)
    rows = patches(layer, given, 10_000, generator)[0]
    padded = np.pad(image, [(0, 0), (1, 1), (0, 2), (0, 0)])
    wanted = [
        sum(
            padded[n, top + r, left + 2 * c, i] * kernel[:, i, r, c]
            for r in range(3)
            for c in range(2)
            for i in range(3)
        )
        for n in range(2)
        for top in range(0, 6, 2)
        for left in range(7)
    ]
    assert rows @ layer.weights[0].T == pytest.approx(np.asarray(wanted))


def test_depthwise_patches_keep_channels_apart():
    image = generator.normal(size=(1, 5, 5, 4))
    weights = generator.normal(size=(4, 1, 9))
    layer = WeightedLayer(
        "a",
        "convolution",
        "x",
        weights,
        None,
        kernel=(3, 3),
        strides=(1, 1),
        dilations=(1, 1),
        padding=((0, 0), (0, 0)),
    )
    rows = patches(layer, image, 1_000, generator)
    assert rows.shape == (4, 9, 9)
    assert rows[2, 4] == pytest.approx(image[0, 1:4, 1:4, 2].ravel())
