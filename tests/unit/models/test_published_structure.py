"""Each architecture is what its paper, or the source that it names, says."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from edgecnn import models
from edgecnn.errors import InputError
from tests.unit.models.small_networks import random_samples, small


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
