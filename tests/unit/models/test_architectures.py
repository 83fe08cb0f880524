"""Every registered architecture keeps the contract; each is what its source says."""

from __future__ import annotations

import functools
import math
from importlib import resources
from pathlib import Path

import keras
import numpy as np
import pytest

from edgecnn import models
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.models.summary import summarize
from edgecnn.registry import MODELS

SMALL = {"image": (32, 32, 3), "text": (16,), "signal": (2048, 1), "volume": (14, 14, 14, 1)}
"""Sizes at which every architecture is built in no time."""


def small(name, **more):
    return {"input_shape": SMALL[models.modality(name)], "num_classes": 10} | more


def build(name, **more):
    return models.build(name, **small(name, **more))


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


def random_samples(model, count=3):
    shape = (count, *model.input_shape[1:])
    if model.inputs[0].dtype == "int32":
        return np.random.default_rng(0).integers(0, 100, size=shape, dtype=np.int32)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


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


def test_googlenet_has_two_more_heads_while_it_trains():
    model = models.build("googlenet", auxiliary_heads=True)

    assert model.count_params() == 13_378_280
    assert model.output_names == ["probabilities", "auxiliary_4a", "auxiliary_4d"]


def test_every_weight_of_a_bottleneck_learns():
    """One block to a stage: ResNet-50 has 3 to 6, and takes a minute to trace."""
    from edgecnn.models.resnet import _build

    model = _build("resnet50", (32, 32, 3), 4, blocks=(1, 1, 1, 1), bottleneck=True, width=0.25)
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(random_samples(model), np.zeros(len(random_samples(model)), np.int64))

    for old, new in zip(before, model.trainable_weights, strict=True):
        assert not np.array_equal(old, new), new.path


@pytest.mark.slow
def test_googlenet_keeps_its_weights_when_its_heads_go():
    trained = models.build(
        "googlenet", input_shape=(32, 32, 3), num_classes=4, auxiliary_heads=True, seed=1
    )
    plain = models.build("googlenet", input_shape=(32, 32, 3), num_classes=4, seed=2)
    for layer in plain.layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())
    images = random_samples(plain)

    np.testing.assert_allclose(
        plain.predict_on_batch(images), trained.predict_on_batch(images)[0], atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("alexnet", "pool5", (3, 3, 128)),
        ("googlenet", "inception_3a", (8, 8, 256)),
        ("googlenet", "inception_5b", (2, 2, 1024)),
        ("resnet18", "conv2_2_out", (16, 16, 64)),
        ("resnet50", "conv5_3_out", (2, 2, 2048)),
    ],
)
def test_the_small_form_leaves_maps_of_a_32_pixel_image(name, layer, shape):
    assert models.outline(name, **small(name)).get_layer(layer).output.shape[1:] == shape


def test_a_bottleneck_halves_the_image_in_its_first_convolution():
    model = models.outline("resnet50", **small("resnet50"))

    assert model.get_layer("conv3_1_a_conv").strides == (2, 2)
    assert model.get_layer("conv3_1_b_conv").strides == (1, 1)


def test_voxnet_has_the_papers_parameters_and_its_normalization():
    model = models.outline("voxnet", num_classes=40)
    biases_that_normalization_replaces = 2 * 32

    normalization = 2 * 4 * 32
    assert model.count_params() - normalization + biases_that_normalization_replaces == 921_736


def test_textcnn_refuses_a_vocabulary_that_is_none():
    with pytest.raises(InputError, match=r"vocabularies.*received: 0"):
        models.build("textcnn", vocabulary_size=0)


def test_cnn1d_hears_the_pitch_that_a_band_stands_for():
    model = models.build("cnn1d", seed=0)
    bank = keras.Model(model.inputs, model.get_layer("bank_pool").output)
    time = np.arange(8000) / 8000
    low, high = (np.sin(2 * np.pi * hertz * time)[None, :, None] for hertz in (300, 2500))

    loudest = [int(bank.predict_on_batch(tone)[0].mean(0).argmax()) // 2 for tone in (low, high)]

    assert 0 < loudest[0] < loudest[1] < 40


def test_cnn1d_takes_spectrograms_without_a_filter_bank_of_its_own():
    model = models.outline("cnn1d", input_shape=(72, 40))

    assert model.count_params() == 473_930
    assert "bank_pool" not in [layer.name for layer in model.layers]


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


def test_lenet5_names_the_smallest_image_it_takes():
    with pytest.raises(InputError, match="from 32×32"):
        models.build("lenet5", input_shape=(31, 32, 1))


def test_simple_is_the_classic_stack():
    kinds = [type(layer).__name__ for layer in models.build("simple").layers]

    assert kinds == ["Conv2D", "MaxPooling2D", "Dropout", "Flatten", "Dense", "Dropout", "Dense"]


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


def test_a_plug_ins_layer_with_a_variable_of_a_given_value_has_an_outline(monkeypatch):
    class Gain(keras.layers.Layer):
        def __init__(self, **more):
            super().__init__(**more)
            self.gain = keras.Variable(1.0)

        def call(self, inputs):
            return inputs * self.gain

    def build(input_shape=(8, 8, 1), num_classes=2):
        image = keras.Input(input_shape, name="input")
        x = keras.layers.Flatten()(Gain()(image))
        return keras.Model(image, keras.layers.Dense(num_classes)(x))

    monkeypatch.setattr(models, "_builder", lambda name: build)
    assert models.outline("theirs").count_params() == 1 + 64 * 2 + 2


def test_an_outlines_weights_never_get_values():
    outline = models.outline("lenet5")
    build("simple")  # where Keras would make up for it
    keras.layers.Lambda(lambda tensor: tensor * 2)(keras.Input((3,)))
    with keras.StatelessScope():
        pass
    assert all(weight._value is None for weight in outline.weights)
