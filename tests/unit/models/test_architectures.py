"""Every registered architecture keeps the contract; each is what its source says."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from edgecnn import models
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.registry import MODELS


def random_pictures(shape, count=3):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


@pytest.fixture(params=MODELS.names())
def name(request):
    return request.param


def test_builds_at_its_defaults(name):
    model = models.build(name)

    assert model.input_shape == (None, *models.default_input_shape(name))


def test_answers_with_probabilities_that_sum_to_one(name):
    model = models.build(name)

    outputs = model.predict_on_batch(random_pictures(model.input_shape[1:]))

    assert outputs.shape == (3, 10)
    assert (outputs >= 0).all()
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_calls_its_input_input(name):
    assert [tensor.name for tensor in models.build(name).inputs] == ["input"]


def test_gives_every_layer_a_name_of_its_own_choice(name):
    first, second = ([layer.name for layer in models.build(name).layers] for _ in range(2))

    assert first == second  # a name that Keras made up would count on


def test_survives_being_saved_and_loaded(name, tmp_path):
    model = models.build(name, seed=1)
    pictures = random_pictures(model.input_shape[1:])
    path = tmp_path / "model.keras"
    model.save(path)

    loaded = load_keras(path)

    np.testing.assert_array_equal(
        loaded.predict_on_batch(pictures), model.predict_on_batch(pictures)
    )


def test_the_same_seed_gives_the_same_weights(name):
    first, second = (models.build(name, seed=7).get_weights() for _ in range(2))

    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_weights(name):
    first, second = (models.build(name, seed=seed).get_weights()[0] for seed in (1, 2))

    assert not np.array_equal(first, second)


def test_takes_other_channels_and_classes(name):
    height, width, _ = models.default_input_shape(name)

    model = models.build(name, input_shape=(height, width, 3), num_classes=4)

    assert model.output_shape == (None, 4)


@pytest.mark.parametrize(
    "shape", [(2, 2, 1), (32, 2, 1), (5000, 32, 1), (32, 32), (32, 32, 0), (32, 32.0, 1), ()]
)
def test_refuses_a_shape_it_cannot_work_with(name, shape):
    with pytest.raises(InputError, match="received"):
        models.build(name, input_shape=shape)


@pytest.mark.parametrize("classes", [0, 1, -3, 10**9, 2.5])
def test_refuses_a_number_of_classes_that_is_none(name, classes):
    with pytest.raises(InputError, match="classes"):
        models.build(name, num_classes=classes)


def test_an_argument_it_does_not_take_is_named(name):
    with pytest.raises(InputError, match="takes no 'depth'") as caught:
        models.build(name, depth=3)

    assert "num_classes" in caught.value.hint


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(InputError, match="unknown model 'lenet'") as caught:
        models.build("lenet")

    assert "lenet5" in caught.value.hint


def test_no_architecture_mentions_tensorflow():
    for file in resources.files(models).iterdir():
        if file.name.endswith(".py"):
            source = Path(str(file)).read_text()
            assert "tensorflow" not in source, file.name
            assert "tf." not in source, file.name


def test_lenet5_has_the_61706_parameters_of_the_common_form():
    assert models.build("lenet5", input_shape=(32, 32, 1), num_classes=10).count_params() == 61_706


def test_lenet5_has_the_map_sizes_of_figure_2():
    shapes = {layer.name: layer.output.shape[1:] for layer in models.build("lenet5").layers}

    assert shapes["c1"] == (28, 28, 6)
    assert shapes["s2"] == (14, 14, 6)
    assert shapes["c3"] == (10, 10, 16)
    assert shapes["s4"] == (5, 5, 16)
    assert shapes["c5"] == (1, 1, 120)
    assert shapes["f6"] == (84,)


def test_lenet5_names_the_smallest_picture_it_takes():
    with pytest.raises(InputError, match="from 32×32"):
        models.build("lenet5", input_shape=(31, 32, 1))


def test_simple_is_the_classic_stack():
    kinds = [type(layer).__name__ for layer in models.build("simple").layers]

    assert kinds == ["Conv2D", "MaxPooling2D", "Dropout", "Flatten", "Dense", "Dropout", "Dense"]


def test_simple_has_the_parameters_its_docstring_names():
    assert models.build("simple").count_params() == 693_962
