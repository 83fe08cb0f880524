"""Every registered architecture keeps the contract, and has the sizes that its docstring names."""

from __future__ import annotations

import functools
import math
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from edgecnn import models
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.models.summary import summarize
from edgecnn.registry import MODELS
from tests.unit.models.small_networks import SMALL, build, random_samples, small


@functools.lru_cache(maxsize=1)
def built(name):
    """One model for the tests that only look at it."""
    return build(name, seed=0)


@functools.lru_cache(maxsize=1)
def built_again(name):
    """The same once more, for the tests that compare the two."""
    return build(name, seed=0)


@functools.lru_cache(maxsize=1)
def built_with_another_seed(name):
    return build(name, seed=1)


LARGE = ("googlenet", "resnet34", "resnet50")
"""Networks that take ten seconds to save and load, and seconds to build."""
NOT_LARGE = [each for each in MODELS.names() if each not in LARGE]
"""Seeds are `models.build`'s: what holds for these holds for all."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, marks=pytest.mark.slow) if each in LARGE else each
        for each in MODELS.names()
    ],
)
def name(request):
    """For the whole module: its tests run network by network, so each is built a few times only."""
    return request.param


def test_says_what_it_takes_by_default(name):
    shape = models.default_input_shape(name)

    assert len(shape) == len(SMALL[models.modality(name)])


def test_answers_with_probabilities_that_sum_to_one(name):
    model = built(name)

    outputs = model.predict_on_batch(random_samples(model))

    assert outputs.shape == (3, 10)
    assert (outputs >= 0).all()
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_calls_its_input_input_and_its_output_probabilities(name):
    model = built(name)

    assert [tensor.name for tensor in model.inputs] == ["input"]
    assert model.layers[-1].name == "probabilities"


def test_gives_every_layer_a_name_of_its_own_choice(name):
    first, second = (
        [layer.name for layer in model.layers]
        for model in (built(name), models.outline(name, **small(name)))
    )

    assert first == second  # a name that Keras made up would count on


def test_its_outline_is_the_network_without_weights(name):
    model, outline = built(name), models.outline(name, **small(name))

    assert summarize(outline).to_dict() == summarize(model).to_dict()
    assert [weight.shape for weight in outline.weights] == [
        weight.shape for weight in model.weights
    ]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=pytest.mark.slow) if each in (*LARGE, "resnet18") else each
        for each in MODELS.names()
        if each != "resnet34"  # more of ResNet-18's blocks
    ],
    scope="module",
)
def test_survives_being_saved_and_loaded(name, tmp_path):
    model = built_with_another_seed(name)
    samples = random_samples(model)
    path = tmp_path / "model.keras"
    model.save(path)

    loaded = load_keras(path)

    np.testing.assert_array_equal(loaded.predict_on_batch(samples), model.predict_on_batch(samples))


@pytest.mark.parametrize("name", NOT_LARGE, scope="module")
def test_the_same_seed_gives_the_same_weights(name):
    first, second = (model.get_weights() for model in (built(name), built_again(name)))

    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NOT_LARGE, scope="module")
def test_another_seed_gives_other_weights(name):
    first, second = (
        model.layers[-1].get_weights()[0] for model in (built(name), built_with_another_seed(name))
    )

    assert not np.array_equal(first, second)


def test_takes_other_sizes_channels_and_classes(name):
    shape = {"image": (48, 40, 1), "text": (24,), "signal": (200, 3), "volume": (16, 15, 14, 2)}

    model = models.outline(name, input_shape=shape[models.modality(name)], num_classes=4)

    assert model.output_shape == (None, 4)


@pytest.mark.parametrize(
    "shape",
    [
        (2, 2, 1), (32, 2, 1), (5000, 32, 1), (32, 32, 0), (32, 32.0, 1), (), (2,), (2, 1),
        (32, 32, 2, 1), (32, 32, 32, 32, 1),
    ],
)  # fmt: skip
def test_refuses_a_shape_it_cannot_work_with(name, shape):
    with pytest.raises(InputError, match="received"):
        models.build(name, input_shape=shape)


@pytest.mark.parametrize("classes", [0, 1, -3, 10**9, 2.5])
def test_refuses_a_number_of_classes_that_is_none(name, classes):
    with pytest.raises(InputError, match="classes"):
        build(name, num_classes=classes)


def test_an_argument_it_does_not_take_is_named(name):
    with pytest.raises(InputError, match="takes no 'bogus'") as caught:
        models.build(name, bogus=3)

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


@pytest.mark.parametrize(
    ("name", "counted", "trained"),
    [
        ("simple", 693_962, 693_962),
        ("alexnet", 62_378_344, 62_378_344),
        ("googlenet", 6_998_552, 6_998_552),
        ("resnet8", 78_666, 78_186),
        ("resnet18", 11_699_112, 11_689_512),
        ("resnet34", 21_814_696, 21_797_672),
        ("resnet50", 25_610_152, 25_557_032),
        ("textcnn", 6_360_902, 6_360_902),
        ("cnn1d", 465_930, 464_330),
        ("voxnet", 918_058, 917_930),
    ],
)
def test_has_the_parameters_its_docstring_names_at_its_defaults(name, counted, trained):
    model = models.outline(name)

    assert model.input_shape == (None, *models.default_input_shape(name))
    assert model.count_params() == counted
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == trained


@pytest.mark.parametrize(
    ("name", "sample", "shape"),
    [
        ("lenet5", (8, 8), (32, 32, 1)),  # never below what it can work with
        ("lenet5", (28, 28, 1), (32, 32, 1)),
        ("lenet5", (480, 640, 3), (32, 32, 3)),
        ("simple", (8, 8), (8, 8, 1)),
        ("alexnet", (8, 8), (16, 16, 1)),
        ("resnet18", (32, 32, 3), (32, 32, 3)),
        ("resnet18", (100, 50, 3), (100, 50, 3)),
        ("resnet18", (500, 50, 3), (224, 224, 3)),
        ("textcnn", (59,), (59,)),
        ("cnn1d", (8000,), (8000, 1)),
        ("cnn1d", (128, 9), (128, 9)),
        ("cnn1d", (72, 40), (72, 40)),
        ("voxnet", (30, 30, 30), (30, 30, 30, 1)),
    ],
)
def test_the_input_suits_the_architecture_and_the_data(name, sample, shape):
    assert models.input_shape_for(name, sample) == shape


@pytest.mark.parametrize(
    ("name", "sample"), [("lenet5", (64,)), ("textcnn", (32, 32, 3)), ("voxnet", (8000,))]
)
def test_data_of_another_kind_is_refused(name, sample):
    with pytest.raises(InputError, match="received samples of shape") as caught:
        models.input_shape_for(name, sample)

    assert "edgecnn models" in caught.value.hint


def space_of(name):
    from edgecnn.search.parameter import parameter
    from edgecnn.search.space import network_space

    return {key: parameter(key, values) for key, values in network_space(name).items()}


def test_the_smallest_network_of_the_space_is_one(name):
    smallest = build(name, **{key: each.choices[0] if each.choices else each.low
                              for key, each in space_of(name).items()})  # fmt: skip
    assert smallest.output_shape == (None, 10)
    assert smallest.count_params() < built(name).count_params()


@pytest.mark.parametrize(
    "name", [name for name in MODELS.names() if name not in LARGE], scope="module"
)
def test_the_largest_network_of_the_space_is_one(name):
    largest = build(name, **{key: each.choices[-1] if each.choices else each.high
                             for key, each in space_of(name).items()})  # fmt: skip
    assert largest.output_shape == (None, 10)
