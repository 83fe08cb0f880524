"""What a Keras model proves about the input that it wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from edgecnn.feeding.keras_model import prove  # noqa: E402 (after the skip)

pytestmark = pytest.mark.slow

SIZE = (32, 32, 3)
L = keras.layers


def network(*first: Any, shape: tuple[int, ...] = SIZE) -> Any:
    """A small classifier that begins with the layers given."""
    rest = [L.Conv2D(2, 3), L.GlobalAveragePooling2D(), L.Dense(2)]
    return keras.Sequential([keras.Input(shape), *first, *rest])


def adapted(highest: float) -> Any:
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(0).random((50, *SIZE), np.float32) * highest)
    return layer


def inside(scale: Callable[[Any], Any], build: Callable[[], Any]) -> Any:
    """A network of keras.applications behind something else, as a functional model."""
    tensor = keras.Input(SIZE)
    return keras.Model(tensor, L.Dense(2)(build()(scale(tensor))))


def application(name: str, **more: Any) -> Any:
    build = getattr(keras.applications, name)
    side = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}.get(name, 32)
    return build(
        weights=None, include_top=False, pooling="avg", input_shape=(side, side, 3), **more
    )


FIRST_LAYERS = {
    "1/255": (lambda: network(L.Rescaling(1 / 255)), "raw", "Rescaling(1/255)"),
    "1/127.5 - 1": (
        lambda: network(L.Rescaling(1 / 127.5, -1)), "raw", "Rescaling(1/127.5, -1)"),
    "behind padding and resizing": (
        lambda: network(L.ZeroPadding2D(2), L.Resizing(24, 24), L.Rescaling(1 / 255)), "raw",
        "Rescaling(1/255)"),
    "behind augmentation": (
        lambda: network(L.RandomFlip(), L.RandomRotation(0.1), L.Rescaling(1 / 255)), "raw",
        "Rescaling(1/255)"),
    "in a nested pipeline": (
        lambda: network(keras.Sequential([L.RandomFlip(), L.Rescaling(1 / 255)])), "raw",
        "Rescaling(1/255)"),
    "statistics of pixels": (
        lambda: network(L.Normalization(mean=[120, 110, 100], variance=[3600, 3600, 3600])),
        "raw", "Normalization"),
    "adapted to pixels": (lambda: network(adapted(255)), "raw", "Normalization"),
    "adapted to 0…1": (lambda: network(adapted(1)), "0..1", "Normalization"),
    "2x - 1": (lambda: network(L.Rescaling(2, -1)), "0..1", "Rescaling(2, -1)"),
    "times 255": (lambda: network(L.Rescaling(255)), "0..1", "Rescaling(255)"),
    "back to pixels": (
        lambda: network(L.Rescaling(127.5, 127.5)), "-1..1", "Rescaling(127.5, 127.5)"),
    "upside down": (lambda: network(L.Rescaling(-1 / 255, 1)), "raw", "Rescaling(−1/255, 1)"),
    "only centered": (lambda: network(L.Rescaling(1.0, -128)), "raw", "Rescaling(1, −128)"),
    "one channel": (
        lambda: network(L.Rescaling(1 / 255), shape=(28, 28, 1)), "raw", "Rescaling(1/255)"),
}  # fmt: skip


@pytest.mark.parametrize("case", FIRST_LAYERS)
def test_first_layers_that_scale_prove_the_range(case: str):
    build, preset, named = FIRST_LAYERS[case]
    proof = prove(build())
    assert proof is not None
    assert (proof.known_from, proof.preset) == ("model", preset)
    assert named.replace("−", "-") in proof.because.replace("−", "-")


@pytest.mark.parametrize("module", ["mobilenet_v2", "resnet", "densenet"])
def test_preprocess_input_inside_of_a_model_is_seen(module: str):
    prepare = getattr(keras.applications, module).preprocess_input
    tensor = keras.Input(SIZE)
    proof = prove(keras.Model(tensor, L.Conv2D(2, 3)(prepare(tensor))))
    assert proof is not None
    assert (proof.known_from, proof.preset) == ("model", "raw")


def test_operations_written_by_hand_are_seen():
    tensor = keras.Input(SIZE)
    proof = prove(keras.Model(tensor, L.Conv2D(2, 3)((tensor - 127.5) / 127.5)))
    assert proof is not None
    assert proof.preset == "raw"


def test_a_first_batch_normalization_that_has_learned_pixels_proves_them():
    layer = L.BatchNormalization()
    model = network(layer)
    assert prove(model) is None, "before training its statistics say nothing"
    layer.moving_mean.assign([120, 115, 105])
    layer.moving_variance.assign([60**2] * 3)
    proof = prove(model)
    assert proof is not None
    assert proof.preset == "raw"


@pytest.mark.parametrize(
    "build",
    [
        network,
        lambda: network(L.Rescaling(1.0)),
        lambda: network(L.ZeroPadding2D(1)),
        lambda: keras.Sequential([keras.Input((16,), dtype="int32"), L.Embedding(9, 2)]),
        lambda: keras.Sequential([keras.Input((16, 2)), L.LSTM(3), L.Dense(2)]),
    ],
)
def test_a_model_that_does_nothing_to_its_input_proves_nothing(build):
    assert prove(build()) is None


def test_a_model_with_two_inputs_proves_nothing():
    first, second = keras.Input((4,)), keras.Input((4,))
    assert prove(keras.Model([first, second], L.Dense(2)(first - second))) is None


def test_a_normalization_of_each_image_by_itself_is_no_proof():
    """Any scale goes in: the same comes out."""
    tensor = keras.Input(SIZE)
    even = tensor / (keras.ops.max(tensor, axis=(1, 2, 3), keepdims=True) + 1e-3)
    assert prove(keras.Model(tensor, L.Conv2D(2, 3)(even))) is None


FAMILIES = {
    "MobileNet": "-1..1",
    "MobileNetV2": "-1..1",
    "InceptionV3": "-1..1",
    "Xception": "-1..1",
    "ResNet50": "caffe",
    "ResNet50V2": "-1..1",
    "VGG16": "caffe",
    "DenseNet121": "imagenet-torch",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_keras_applications_is_known_by_its_layers(name: str):
    proof = prove(application(name))
    assert proof is not None
    assert (proof.known_from, proof.preset) == ("family", FAMILIES[name])


@pytest.mark.parametrize(
    "name", ["EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small", "ConvNeXtTiny"]
)
def test_networks_that_scale_inside_take_raw_pixels(name: str):
    proof = prove(application(name))
    assert proof is not None
    assert (proof.known_from, proof.preset) == ("model", "raw")


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetV2B0"])
def test_without_their_first_layers_they_take_what_those_gave(name: str):
    proof = prove(application(name, include_preprocessing=False))
    assert proof is not None
    assert (proof.known_from, proof.preset) == ("family", "-1..1")


def test_what_lies_before_a_network_decides_over_its_family():
    model = inside(L.Rescaling(1 / 127.5, -1), lambda: application("MobileNetV2"))
    proof = prove(model)
    assert proof is not None
    assert (proof.known_from, proof.preset) == ("model", "raw")


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0"])
@pytest.mark.parametrize("sequential", [True, False])
def test_a_nested_network_is_looked_into_also_after_saving(name, sequential, tmp_path):
    base = application(name)
    if sequential:
        model = keras.Sequential([keras.Input(SIZE), base, L.Dense(2)])
    else:
        model = inside(lambda tensor: tensor, lambda: base)
    model.save(tmp_path / "model.keras")
    expected = {"MobileNetV2": "-1..1", "EfficientNetB0": "raw"}[name]
    for one in (model, keras.saving.load_model(tmp_path / "model.keras")):
        proof = prove(one)
        assert proof is not None
        assert proof.preset == expected
