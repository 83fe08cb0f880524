"""Networks for texts, signals and volumes, converted to everything their formats can hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.benchmarking.cost import cost_of
from edgecnn.conversion.convert import convert
from edgecnn.conversion.outcome import ConversionOutcome
from edgecnn.conversion.targets import parse_targets
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset, Split
from edgecnn.errors import UnsupportedError

if TYPE_CHECKING:
    import keras

WORDS = ("good", "bad", "film", "plot", "dull", "fine")
VOCABULARY = len(WORDS) + 2
VOLUME = (9, 8, 10, 1)
"""Depth, height and width differ, so that a mistaken axis shows."""
LACKING = {("volume", "tflite:static_int8"), ("volume", "tflite:int16x8")}
MODALITIES = ("text", "signal", "volume")
CASES = [
    (modality, str(target))
    for modality in MODALITIES
    for target in parse_targets("all")
    if (modality, str(target)) not in LACKING
]
RUNTIMES = {
    "tflite": ("litert", "openvino", "opencv"),
    "onnx": ("onnxruntime", "openvino", "opencv"),
}
RUNS = [
    (modality, target, runtime)
    for modality, target in CASES
    for runtime in RUNTIMES[target.partition(":")[0]]
]


def text_net() -> keras.Model:
    from keras import Input, Model, layers

    ids = Input((12,), dtype="int32", name="input")
    words = layers.Embedding(VOCABULARY, 24)(ids)
    maxima = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(32, window, activation="relu")(words))
        for window in (2, 3)
    ]
    return Model(ids, layers.Dense(2, activation="softmax")(layers.Concatenate()(maxima)))


def signal_net() -> keras.Model:
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((64, 1), name="input"),
            layers.Conv1D(16, 9, padding="same", use_bias=False),  # 9: see runtimes/opencv.py
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv1D(24, 5, strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def volume_net() -> keras.Model:
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input(VOLUME, name="input"),
            layers.Conv3D(16, 3, activation="relu"),
            layers.MaxPooling3D((2, 3, 1), padding="same"),
            layers.AveragePooling3D(2, padding="same"),
            layers.Conv3D(16, (2, 1, 2)),
            layers.LeakyReLU(0.1),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(2, activation="softmax"),
        ]
    )


def samples_of(modality: str, count: int) -> tuple[str, ...] | np.ndarray:
    rng = np.random.default_rng(0)
    if modality == "text":
        return tuple(" ".join(rng.choice([*WORDS, "unheard"], 7)) for _ in range(count))
    return rng.random((count, *((64, 1) if modality == "signal" else VOLUME)), np.float32)


def dataset(modality: str) -> Dataset:
    labels = np.arange(16, dtype=np.int64) % 2
    hints = {"vocabulary": WORDS} if modality == "text" else {}
    split = Split(samples_of(modality, 16), labels)
    return Dataset(
        modality,
        "classification",
        ("no", "yes"),
        {"train": split, "test": split},
        "feed",
        (7,) if modality == "text" else np.shape(split.samples)[1:],
        preprocessing_hints=hints,
        modality=modality,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, ConversionOutcome]]:
    """A modality's net in every format: the outcome of each target; made when first asked for."""

    @cache
    def make(modality: str) -> dict[str, ConversionOutcome]:
        import keras

        keras.utils.set_random_seed(2)
        folder = tmp_path_factory.mktemp(modality)
        model = {"text": text_net, "signal": signal_net, "volume": volume_net}[modality]()
        model.save(folder / f"{modality}.keras")
        data = dataset(modality)
        outcomes = convert(
            folder / f"{modality}.keras",
            "all",
            calibration=data,
            out=folder,
            preprocessing=data.preprocessing(model.input_shape[1:]),
        )
        return {str(outcome.target): outcome for outcome in outcomes}

    return make


@pytest.mark.parametrize(("modality", "target"), CASES)
def test_every_target_that_can_be_had_agrees_with_its_parent(made, modality: str, target: str):
    outcome = made(modality)[target]
    assert outcome.status == "converted", outcome.error
    assert outcome.parity.snr_db is None or outcome.parity.snr_db > 25


@pytest.mark.parametrize("target", [target for _, target in sorted(LACKING)])
def test_integers_that_tflite_lacks_are_named_with_the_closest_target(made, target: str):
    outcome = made("volume")[target]
    assert outcome.status == "unsupported"
    assert "no integer kernel for 3-D convolution (CONV_3D" in outcome.error
    assert "closest: onnx:static_int8" in outcome.hint


def test_weights_that_stay_in_float_are_told(made):
    outcomes = made("volume")
    assert outcomes["tflite:dynamic_int8"].kept_in_float == ("CONV_3D",)
    assert outcomes["tflite:float32"].kept_in_float == ()
    assert made("signal")["tflite:static_int8"].kept_in_float == ()


@pytest.mark.parametrize("target", [str(target) for target in parse_targets("all")])
def test_word_ids_stay_int32_in_every_file(made, target: str):
    (spec,) = made("text")[target].artifact.manifest.inputs
    assert (spec.dtype, spec.layout, spec.scale) == ("int32", "NL", None)


@pytest.mark.parametrize(("modality", "layout"), [("signal", "NLC"), ("volume", "NDHWC")])
def test_axes_are_named(made, modality: str, layout: str):
    for target in ("tflite:float32", "onnx:float32", "onnx:static_int8"):
        assert made(modality)[target].artifact.manifest.inputs[0].layout == layout


@pytest.fixture(scope="module")
def answers(made) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """A modality's first four tensors, and what Keras answers to them."""

    @cache
    def ask(modality: str) -> tuple[np.ndarray, np.ndarray]:
        artifact = made(modality)["onnx:float32"].artifact
        tensors = artifact.manifest.preprocessing.batch(samples_of(modality, 16)[:4])
        keras = runtimes.load(artifact.path.with_name(f"{modality}.keras"), "keras:cpu")
        return tensors, np.concatenate([keras.run([tensor[None]])[0] for tensor in tensors])

    return ask


@pytest.mark.parametrize(("modality", "target", "runtime"), RUNS)
def test_runtimes_agree_or_say_why_not(made, answers, modality: str, target: str, runtime: str):
    tensors, expected = answers(modality)
    try:
        session = runtimes.load(made(modality)[target].artifact.path, f"{runtime}:cpu")
        found = np.concatenate([session.run([tensor[None]])[0] for tensor in tensors])
    except UnsupportedError:
        assert runtime == "opencv"
        assert target != "onnx:float32"
        return
    assert np.abs(found - expected).max() < (0.01 if "float" in target else 0.05)


@pytest.mark.parametrize("modality", MODALITIES)
def test_all_formats_count_the_same_products(made, modality: str):
    outcomes = made(modality)
    parent = outcomes["onnx:float32"].artifact.path.with_name(f"{modality}.keras")
    macs = {cost_of(parent).macs}
    macs |= {
        cost_of(outcome.artifact.path).macs for outcome in outcomes.values() if outcome.artifact
    }
    assert len(macs) == 1


@pytest.mark.parametrize("modality", MODALITIES)
def test_without_data_the_noise_suits_the_input(made, modality: str):
    path: Path = made(modality)["onnx:float32"].artifact.path
    found = verify_artifact(path, parent=path.with_name(f"{modality}.keras"))
    assert found.parity.snr_db > 80
    assert found.gate is None


@pytest.mark.parametrize("target", ["tflite:static_int8", "onnx:static_int8", "onnx:dynamic_int8"])
@pytest.mark.parametrize("modality", ["text", "signal"])
def test_layers_share_the_noise_of_quantization(made, modality: str, target: str):
    path: Path = made(modality)[target].artifact.path
    parent = path.with_name(f"{modality}.keras")
    layers = verify_artifact(path, parent=parent, dataset=dataset(modality), layers=True).layers
    assert sum(layer.share for layer in layers) == pytest.approx(1)
    assert layers[0].share == max(layer.share for layer in layers)
    assert all(layer.snr_db > 15 for layer in layers)
