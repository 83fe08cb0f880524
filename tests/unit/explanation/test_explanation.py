"""What is said of a network is so: checked on networks made by hand, whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.explanation import images
from edgecnn.explanation.color import contributions
from edgecnn.explanation.feature_maps import strongest
from edgecnn.explanation.grad_cam import candidates, class_maps, weigh
from edgecnn.explanation.network import MapLayer, spatial_layers, stages
from edgecnn.explanation.occlusion import occlude
from edgecnn.explanation.receptive_field import effective_fields, fewest_holding
from edgecnn.explanation.shift import moved, shift_curve
from edgecnn.explanation.subject import softmax, within_one
from edgecnn.preprocessing import ImagePreprocessing


@pytest.fixture(scope="module")
def keras():
    from edgecnn.keras_files import import_keras

    return import_keras()


@pytest.fixture(scope="module")
def brightness(keras):
    """Class 0 speaks for bright places, class 1 for nothing: a 1×1 filter, then a global mean."""
    image = keras.Input((16, 16, 1), name="input")
    x = keras.layers.Conv2D(2, 1, activation="relu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="answer")(x))
    model.get_layer("conv").set_weights([np.array([[[[1.0, 0.0]]]]), np.zeros(2)])
    model.get_layer("answer").set_weights([np.array([[9.0, 0.0], [0.0, 0.0]]), np.zeros(2)])
    return model


def scores_of(model):
    return lambda tensors: np.asarray(model(tensors, training=False))


def spot(row: int, column: int) -> np.ndarray:
    tensor = np.zeros((16, 16, 1), np.float32)
    tensor[row : row + 3, column : column + 3] = 1
    return tensor


@pytest.mark.parametrize(("row", "column"), [(1, 2), (10, 12), (6, 6)])
def test_grad_cam_finds_the_evidence(brightness, row, column):
    layers = spatial_layers(brightness)
    zero, one = class_maps(brightness, spot(row, column), [0, 1], candidates(layers))
    assert zero.layer.name == "conv"
    assert np.array_equal(zero.heat > 0.5, spot(row, column)[:, :, 0] > 0)
    assert not one.heat.any()


def test_grad_cam_weighs_maps_by_their_mean_gradient():
    maps = np.zeros((2, 2, 2), np.float32)
    maps[0, 0, 0], maps[1, 1, 1] = 1, 1
    gradient = np.stack([np.full((2, 2), 2.0), np.full((2, 2), -1.0)], axis=2)
    assert weigh(maps, gradient).tolist() == [[1, 0], [0, 0]]


def test_the_gradient_is_taken_before_the_softmax(brightness):
    from edgecnn.explanation.network import record

    tensor = np.full((1, 16, 16, 1), 50, np.float32)  # the softmax saturates here
    recording, target = record(brightness, tensor, (), lambda made: made.scores[:, 0])
    assert float(np.asarray(target)[0]) == pytest.approx(450, rel=1e-5)
    assert recording.gradient(target, recording.tensors) == pytest.approx(9 / 256)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_effective_field_of_one_convolution_is_its_kernel(keras, size):
    image = keras.Input((15, 15, 3))
    maps = keras.layers.Conv2D(1, size, padding="same", name="conv")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    model = keras.Model(image, keras.layers.Dense(2)(pooled))
    kernel = np.random.default_rng(0).normal(size=(size, size, 3, 1)).astype(np.float32)
    model.get_layer("conv").set_weights([kernel, np.zeros(1)])
    inputs = np.random.default_rng(1).random((4, 15, 15, 3), dtype=np.float32)
    (field,) = effective_fields(model, inputs, spatial_layers(model))
    expected = np.abs(kernel).sum(axis=(2, 3))
    reach = slice(7 - size // 2, 7 + size // 2 + 1)
    assert field.weight[reach, reach] == pytest.approx(expected / expected.sum(), rel=1e-4)
    assert field.weight.sum() == pytest.approx(field.weight[reach, reach].sum())


def test_the_effective_field_of_a_sequential_model_is_that_of_its_own_graph(keras):
    model = keras.Sequential([keras.Input((20, 20, 1))])
    for name in ("a", "b"):  # Sequential makes a new graph with every layer
        model.add(keras.layers.Conv2D(1, 3, kernel_initializer="ones", name=name))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(2))
    inputs = np.ones((1, 20, 20, 1), np.float32)
    one, two = effective_fields(model, inputs, spatial_layers(model))
    assert (np.count_nonzero(one.weight), np.count_nonzero(two.weight)) == (9, 25)
    assert class_maps(model, inputs[0], [0], candidates(spatial_layers(model)))


@pytest.mark.parametrize(("share", "count"), [(0.5, 1), (0.75, 2), (0.76, 3), (1.0, 3)])
def test_the_area_is_the_fewest_pixels_that_hold_the_share(share, count):
    assert fewest_holding(np.array([[0.5, 0.25], [0.25, 0]], np.float32), share) == count


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_network_that_reads_one_color_owes_everything_to_it(keras, channel):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(1, 1, activation="relu", name="conv")(image)
    x = keras.layers.GlobalMaxPooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="answer")(x))
    kernel = np.zeros((1, 1, 3, 1), np.float32)
    kernel[0, 0, channel] = 1
    model.get_layer("conv").set_weights([kernel, np.zeros(1)])
    model.get_layer("answer").set_weights([np.array([[4.0, 0.0]]), np.zeros(2)])
    tensor = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    found = contributions(scores_of(model), tensor, 0, model)
    for place, one in enumerate(found):
        assert one.share == pytest.approx(float(place == channel), abs=1e-6)
        assert (one.drop > 0.05) if place == channel else one.drop == pytest.approx(0, abs=1e-6)
    assert [one.channel for one in found] == ["red", "green", "blue"]


def test_occlusion_costs_most_where_the_evidence_is(brightness):
    found = occlude(scores_of(brightness), spot(12, 1), 0)
    row, column = np.unravel_index(found.drop.argmax(), found.drop.shape)
    assert row >= 8
    assert column <= 3
    assert found.drop[0, -1] == pytest.approx(0, abs=0.01)


def split_of(tensors: np.ndarray, labels) -> Split:
    return Split((tensors * 255).astype(np.uint8), np.asarray(labels, np.int64))


def test_a_globally_pooled_network_does_not_mind_a_shift_and_a_dense_one_does(keras, brightness):
    samples = np.stack([spot(6, 6) if place % 2 else np.zeros((16, 16, 1)) for place in range(40)])
    split = split_of(samples, [0 if place % 2 else 1 for place in range(40)])
    preprocessing = ImagePreprocessing(16, 16, 1)
    brightness.get_layer("answer").set_weights(
        [np.array([[900.0, 0.0], [0.0, 0.0]]), np.array([0.0, 1.0])]
    )
    pooled = shift_curve("pooled", scores_of(brightness), split, preprocessing, range(5), limit=40)
    brightness.get_layer("answer").set_weights([np.array([[9.0, 0.0], [0.0, 0.0]]), np.zeros(2)])
    assert [point.accuracy for point in pooled.points] == [1.0] * 5

    dense = keras.Sequential(
        [keras.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(2, name="answer")]
    )
    weights = np.zeros((256, 2), np.float32)
    weights[:, 0] = spot(6, 6).reshape(-1)  # looks at one place alone
    dense.get_layer("answer").set_weights([weights, np.array([0.0, 0.5])])
    fixed = shift_curve("dense", scores_of(dense), split, preprocessing, (0, 2, 3), limit=40)
    assert [point.accuracy for point in fixed.points] == [1.0, 1.0, 0.5]
    assert [point.agreement for point in fixed.points] == [1.0, 1.0, 0.5]
    low, high = fixed.points[2].accuracy_ci95
    assert low < 0.5 < high
    assert {point.n for point in fixed.points} == {40}


def test_what_moves_in_is_the_images_edge():
    tensor = np.arange(9, dtype=np.float32).reshape(3, 3, 1)
    assert moved(tensor, 1, 0)[:, :, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert moved(tensor, 0, -1)[:, :, 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
    assert np.array_equal(moved(tensor, 0, 0), tensor)


@pytest.mark.parametrize("shifts", [(), (-1,), (16,)])
def test_a_shift_must_leave_something_of_the_image(brightness, shifts):
    split = split_of(np.zeros((2, 16, 16, 1)), [0, 1])
    with pytest.raises(InputError, match="shifts run from 0 to 15"):
        shift_curve(
            "x", scores_of(brightness), split, ImagePreprocessing(16, 16, 1), shifts, limit=2
        )


def test_stages_go_from_the_first_layer_to_the_last_map_size(keras):
    from edgecnn import models

    layers = spatial_layers(models.outline("resnet8"))
    chosen = stages(layers, 6)
    assert [layer.rows for layer in chosen] == [32, 32, 16, 8]
    assert all(layer.finished for layer in chosen)
    many = [MapLayer(f"l{place}", "ReLU", True, 99 - place, 9, 1) for place in range(20)]
    assert [layer.name for layer in stages(many, 3)][::2] == ["l0", "l19"]


def test_the_strongest_maps_are_those_that_vary():
    maps = np.zeros((4, 4, 3), np.float32)
    maps[:, :, 0] = 7  # high, and says nothing of this image
    maps[0, 0, 1], maps[0, 0, 2] = 1, 3
    found = strongest(MapLayer("x", "ReLU", True, 4, 4, 3), maps, 2)
    assert found.channels == (2, 1)
    assert found.silent == 1
    assert found.maps.max() == 1


def test_logits_become_probabilities_and_probabilities_are_known():
    logits = np.array([[2.0, 0.0, -1.0]])
    assert not within_one(logits)
    assert softmax(logits).sum() == pytest.approx(1)
    assert within_one(np.array([[0.6, 0.0, 0.0]], np.float32))  # int8 softmax of 1,000 classes
    assert within_one(np.array([[0.9, 0.8, 0.1]], np.float32))  # sigmoid


def test_a_png_is_read_back_as_it_was(tmp_path):
    pillow = pytest.importorskip("PIL.Image", reason="pip install pillow")
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    path = tmp_path / "x.png"
    path.write_bytes(images.png(image))
    assert np.array_equal(np.asarray(pillow.open(path)), image)


def test_no_evidence_leaves_an_image_gray():
    image = np.full((6, 6, 3), 100, np.uint8)
    shown = images.glowing(image, np.zeros((2, 2), np.float32))
    assert np.array_equal(shown, np.full((6, 6, 3), 55, np.uint8))
