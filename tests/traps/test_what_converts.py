"""Traps of conversion: success that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset, Split
from edgecnn.formats.recipes import recipe_in

keras = pytest.importorskip("keras")
layers = keras.layers

SIZE, CLASSES = 16, 3
RNG = np.random.default_rng(0)


def images(count: int) -> Split:
    """A bright third on the left, in the middle or on the right: the class."""
    labels = np.arange(count, dtype=np.int64) % CLASSES
    images = RNG.integers(0, 60, (count, SIZE, SIZE, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 5 * label : 5 * label + 5] += 120
    return Split(images, labels)


def dataset(train: Split, test: Split | None = None) -> Dataset:
    splits = {"train": train, "test": test or images(60)}
    names = tuple(str(label) for label in range(CLASSES))
    shape = tuple(train.samples.shape[1:])
    return Dataset("thirds", "classification", names, splits, "feed", shape)


def knowing(shape: tuple[int, ...] = (SIZE, SIZE, 3)) -> Any:
    """A network whose weights know the classes: the mean of each third of the image."""
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ],
        name="knowing",
    )
    weights = np.zeros((SIZE, SIZE, 3, CLASSES), np.float32)
    for label in range(CLASSES):
        weights[:, 5 * label : 5 * label + 5, :, label] = 0.02
    model.layers[-1].set_weights([weights.reshape(-1, CLASSES), np.zeros(CLASSES, np.float32)])
    return model


def made(model: Any, targets: str, data: Dataset, out: Path) -> dict[str, Any]:
    parent = out / f"{model.name}.keras"
    model.save(parent)
    outcomes = convert(parent, targets, calibration=data, out=out / "art", preprocessing="raw")
    return {str(outcome.target): outcome for outcome in outcomes}


def test_a_gate_passes_a_parent_that_knows_something(tmp_path: Path):
    data = dataset(images(60))
    outcome = made(knowing(), "tflite:static_int8", data, tmp_path)["tflite:static_int8"]
    found = verify_artifact(outcome.artifact.path, dataset=data)
    assert found.passed, found.gate
    assert outcome.notes == ()


def test_a_gate_does_not_pass_on_chance(tmp_path: Path):
    """A network that was never trained agrees with its copy in all that it does not know."""
    model = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(),
         layers.Dense(CLASSES, activation="softmax")],
        name="untrained",
    )  # fmt: skip
    data = dataset(images(60))
    outcome = made(model, "tflite:float32", data, tmp_path)["tflite:float32"]
    found = verify_artifact(outcome.artifact.path, dataset=data)
    assert not found.passed
    assert "accuracy not meaningful" in found.gate.reason
    assert any("accuracy not meaningful" in note for note in outcome.notes)


def test_outputs_that_do_not_depend_on_the_input_are_not_called_identical(tmp_path: Path):
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, kernel_initializer="zeros")], name="deaf"
    )
    parent = tmp_path / "deaf.keras"
    model.save(parent)
    (outcome,) = convert(parent, "onnx:float32", out=tmp_path / "art", samples=8)
    assert any("parity is inconclusive" in note for note in outcome.notes)
    found = verify_artifact(outcome.artifact.path, parent=parent)
    assert not found.passed
    assert "parity is inconclusive" in found.gate.reason


def test_scores_that_share_a_step_with_boxes_are_named(tmp_path: Path):
    keras.utils.set_random_seed(0)  # with some weights a score hardly differs between samples
    image = keras.Input((SIZE, SIZE, 3))
    features = layers.Conv2D(8, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(image))
    boxes = layers.Rescaling(600.0)(layers.Conv2D(4, 1, activation="sigmoid")(features))
    scores = layers.Conv2D(2, 1, activation="sigmoid")(features)
    head = layers.Reshape((-1, 6))(layers.Concatenate()([boxes, scores]))
    data = dataset(images(60))
    model = keras.Model(image, head, name="detector")
    outcome = made(model, "tflite:static_int8", data, tmp_path)["tflite:static_int8"]
    (note,) = (each for each in outcome.notes if "stay float32" in each)
    assert "in int8" in note
    assert "channels 4–5 would have 1 levels of 256" in note
    assert [part.part for part in outcome.parity.parts] == ["channels 0–3", "channels 4–5"]
    assert not any(part.lost for part in outcome.parity.parts)


def test_scores_that_die_in_the_last_weighted_layer_are_named_and_do_not_pass(tmp_path: Path):
    """Nothing lies behind that layer which could stay in float32 and save them."""
    image = keras.Input((SIZE, SIZE, 3))
    features = layers.Conv2D(8, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(image))
    both = layers.Conv2D(6, 1, name="both")
    head = layers.Reshape((-1, 6))(both(features))
    kernel, bias = both.get_weights()
    kernel[..., :4] *= 600
    bias[:4], bias[4:] = 300, 0.5
    both.set_weights([kernel, bias])
    data = dataset(images(60))
    model = keras.Model(image, head, name="detector")
    outcome = made(model, "tflite:static_int8", data, tmp_path)["tflite:static_int8"]
    assert outcome.parity.snr_db > 30  # as if all were well
    assert any("channels 4–5: range" in note and "lost" in note for note in outcome.notes)
    found = verify_artifact(outcome.artifact.path, dataset=data)
    assert not found.passed
    assert "the output's step is" in found.gate.reason


def test_black_images_do_not_calibrate(tmp_path: Path):
    black = Split(np.zeros((30, SIZE, SIZE, 3), np.uint8), np.arange(30) % CLASSES)
    outcomes = made(knowing(), "tflite:static_int8,tflite:float32", dataset(black), tmp_path)
    assert outcomes["tflite:static_int8"].status == "failed"
    assert "30 calibration samples are constant (all 0)" in outcomes["tflite:static_int8"].error
    assert outcomes["tflite:float32"].status == "converted"


def test_one_outlier_does_not_set_the_range(tmp_path: Path):
    signals = RNG.normal(size=(60, 24, 2)).astype(np.float32)
    outlier = signals.copy()
    outlier[7, 3, 0] = 5_000.0
    model = keras.Sequential(
        [keras.Input((24, 2)), layers.Conv1D(4, 3), layers.GlobalAveragePooling1D(),
         layers.Dense(CLASSES)],
        name="signal",
    )  # fmt: skip
    labels = np.arange(60) % CLASSES
    data = Dataset(
        "signals", "classification", ("0", "1", "2"),
        {"train": Split(outlier, labels), "test": Split(signals, labels)},
        "feed", (24, 2), modality="signal",
    )  # fmt: skip
    outcomes = made(model, "tflite:static_int8,tflite:int16x8", data, tmp_path)
    assert "widens the range" in outcomes["tflite:static_int8"].error
    assert "(train 7)" in outcomes["tflite:static_int8"].error
    assert any("widens the range" in note for note in outcomes["tflite:int16x8"].notes)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_not_called_float32(policy: str, tmp_path: Path):
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [keras.Input((SIZE, SIZE, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3),
             layers.Flatten(), layers.Dense(CLASSES, dtype="float32")],
            name="half",
        )  # fmt: skip
    finally:
        keras.config.set_dtype_policy("float32")
    outcomes = made(model, "onnx:float32,tflite:float32", dataset(images(60)), tmp_path)
    for outcome in outcomes.values():
        assert outcome.status == "converted", outcome.error
        assert recipe_in(outcome.artifact.path) == "float32"
        assert any(policy in note and "float32 twin" in note for note in outcome.notes)
        assert {spec.dtype for spec in outcome.artifact.manifest.outputs} == {"float32"}


def test_channels_first_are_fed_as_their_files_want_them(tmp_path: Path):
    model = keras.Sequential(
        [keras.Input((3, SIZE, SIZE)), layers.Conv2D(4, 3, data_format="channels_first"),
         layers.GlobalAveragePooling2D(data_format="channels_first"), layers.Dense(CLASSES)],
        name="first",
    )  # fmt: skip
    outcomes = made(model, "tflite:float32,onnx:float32", dataset(images(60)), tmp_path)
    for outcome in outcomes.values():
        assert outcome.status == "converted", outcome.error
        (spec,) = outcome.artifact.manifest.inputs
        assert (spec.layout, spec.shape[1:]) == ("NHWC", (SIZE, SIZE, 3))
        assert outcome.parity.snr_db is None or outcome.parity.snr_db > 80
        assert any("channels first" in note for note in outcome.notes)


def test_a_loop_is_named_with_the_way_out_and_the_rest_goes_on(tmp_path: Path):
    model = keras.Sequential(
        [keras.Input((6, 2)), layers.LSTM(3, name="memory"), layers.Dense(CLASSES)], name="loop"
    )
    signals = RNG.normal(size=(30, 6, 2)).astype(np.float32)
    split = Split(signals, np.arange(30) % CLASSES)
    data = Dataset(
        "signals", "classification", ("0", "1", "2"), {"train": split, "test": split}, "feed",
        (6, 2), modality="signal",
    )  # fmt: skip
    outcomes = made(model, "tflite:static_int8,tflite:dynamic_int8", data, tmp_path)
    assert outcomes["tflite:static_int8"].status == "unsupported"
    assert "WHILE, from memory" in outcomes["tflite:static_int8"].error
    assert "unroll=True" in outcomes["tflite:static_int8"].hint
    assert outcomes["tflite:dynamic_int8"].status == "converted"
