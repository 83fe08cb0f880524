"""Traps of the third kind: the right file, fed what it was not made for, or what it has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import data
from edgecnn.conversion.convert import convert, convert_one
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.splitting.training_overlap import digests_of
from edgecnn.errors import InputError
from edgecnn.manifest import Artifact
from tests.command_line import here

SIZE = (16, 16, 1)


@pytest.fixture(scope="module")
def inside(digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A foreign network that scales by itself, trained on pixels as they are."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(SIZE),
            layers.Rescaling(1 / 255),
            layers.Conv2D(12, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    pixels = np.concatenate([batch for batch, _ in digits["train"].tensors(raw(digits), 256)])
    model.fit(pixels, digits["train"].labels, batch_size=64, epochs=6, verbose=0)
    path = tmp_path_factory.mktemp("foreign") / "inside.keras"
    model.save(path)
    return path


def raw(dataset: Any) -> Any:
    from edgecnn.preprocessing import with_preset

    return with_preset(dataset.preprocessing(SIZE), "raw")


@pytest.fixture(scope="module")
def bare(inside: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network as a foreign .tflite file that tells nothing: the scale is folded away."""
    import keras
    import tensorflow as tf

    model = keras.saving.load_model(inside)
    path = tmp_path_factory.mktemp("bare") / "bare.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return path


def test_statistics_of_the_data_are_not_put_before_a_model_that_scales_inside(
    inside: Path, digits, measure, tmp_path: Path
):
    """The int8 file is calibrated on, and both are measured with, pixels as they are."""
    (outcome,) = convert(inside, "tflite:static_int8", calibration=digits, out=tmp_path)
    assert outcome.fed is not None
    assert "fed 0…255" in outcome.fed.sentence
    assert "Rescaling(1/255)" in outcome.fed.sentence
    assert outcome.artifact is not None
    found = verify_artifact(outcome.artifact.path, parent=inside, dataset=digits)
    assert found.passed
    assert found.parent_accuracy is not None
    assert found.parent_accuracy.value > 0.85
    row = measure(outcome.artifact.path, "litert:cpu", data=digits)
    assert row.accuracy.value > 0.85
    assert row.fed.sentence == outcome.fed.sentence


def test_a_model_that_tells_nothing_gets_latency_and_no_accuracy(bare: Path, digits, measure):
    row = measure(bare, "litert:cpu", data=digits)
    assert row.status == "ok"
    assert row.latency is not None
    assert row.accuracy is None
    assert "--preprocessing raw|0..1" in " ".join(row.reasons)


def test_a_model_that_tells_nothing_is_not_calibrated(digits, tmp_path: Path):
    import keras

    model = keras.Sequential([keras.Input(SIZE), keras.layers.Flatten(), keras.layers.Dense(10)])
    with pytest.raises(InputError, match="the preprocessing is unknown") as refused:
        convert_one(model, "tflite:static_int8", calibration=digits, out=tmp_path / "art")
    assert "--preprocessing raw|0..1" in refused.value.hint
    assert not (tmp_path / "art").exists()


def test_what_the_user_says_is_fed_and_said(bare: Path, tmp_path: Path):
    out = tmp_path / "r.json"
    done = here(
        "benchmark", bare, "--runtimes", "litert:cpu", "--quick", "--max-secs", "0.5",
        "--data", "digits", "--preprocessing", "raw", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fed 0…255, 16×16×1 NHWC: --preprocessing raw" in done.stdout.replace("\n", " ")
    (row,) = json.loads(out.read_text(encoding="utf-8"))["measurements"]
    assert row["accuracy"]["value"] > 0.85
    assert row["fed"]["known_from"] == "option"
    again = here(
        "benchmark", bare, "--runtimes", "litert:cpu", "--quick", "--max-secs", "0.5",
        "--data", "digits", "--preprocessing", "0..1", "--out", out,
    )  # fmt: skip
    assert again.returncode == 2
    assert "another --preprocessing" in again.stderr


def test_an_option_against_the_model_is_a_contradiction_that_is_said(
    inside: Path, digits, tmp_path: Path
):
    (outcome,) = convert(
        inside, "tflite:float32", calibration=digits, out=tmp_path, preprocessing="0..1"
    )
    assert outcome.fed is not None
    assert "fed 0…1" in outcome.fed.sentence
    assert "Rescaling(1/255), which is for 0…255" in outcome.fed.sentence


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """LeNet-5, trained on the digits as seed 3 splits them, with weights of seed 1."""
    folder = tmp_path_factory.mktemp("third")
    done = here(
        "train", "--model", "lenet5", "--data", "digits", "--seed", "1", "--split-seed", "3",
        "--epochs", "3", "--out", folder / "lenet5.keras",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    from edgecnn.embedded_manifest import load_artifact

    return load_artifact(folder / "lenet5.keras")


@pytest.fixture(scope="module")
def third_tflite(third: Artifact) -> Path:
    out = third.path.parent / "artifacts"
    done = here(
        "convert", third.path, "--to", "tflite:static_int8", "--calibration", "digits", "--out", out
    )
    assert done.returncode == 0, done.stderr
    return out / "lenet5_static_int8.tflite"


def test_training_records_the_split_apart_from_the_weights(third: Artifact):
    assert third.manifest.data["seed"] == 3
    assert third.manifest.training["seed"] == 1
    assert third.manifest.data["sha256"] == data.load("digits", seed=3).sha256


def test_convert_takes_the_split_from_the_model(third: Artifact, third_tflite: Path):
    from edgecnn.embedded_manifest import load_artifact

    calibrated = load_artifact(third_tflite).manifest.conversion["calibration"]
    assert calibrated["sha256"] == third.manifest.data["sha256"]
    assert calibrated["split"] == "train"


def test_convert_never_calibrates_on_test_samples_of_the_model(third: Artifact, digits):
    """Given the data as another seed splits them: its training samples are in part test samples."""
    from edgecnn.conversion.calibration import calibration_samples

    own = data.load("digits", seed=3)
    held_back = set(digests_of(own["test"]).tolist())
    preprocessing = third.manifest.preprocessing
    assert preprocessing is not None
    samples = calibration_samples(
        digits, preprocessing, preprocessing.shape, count=10_000, trained=third.manifest
    )
    drawn = digests_of(digits["train"])[list(samples.among or ())]
    assert len(drawn) == len(samples) > 500
    assert not held_back & set(drawn.tolist())


def test_verify_takes_the_split_from_the_model(third_tflite: Path):
    done = here("verify", third_tflite, "--data", "digits", "--max-drop", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in the training data" not in done.stdout


def test_verify_says_no_on_samples_that_training_saw(third: Artifact, third_tflite: Path, digits):
    found = verify_artifact(third_tflite, parent=third.path, dataset=digits)
    assert not found.passed
    assert found.gate is not None
    assert found.gate.reason.startswith("INVALID: ")
    assert f"of {len(digits['test'])} samples were in the training data" in found.gate.reason


def test_benchmark_takes_the_split_from_the_model(third_tflite: Path, tmp_path: Path):
    out = tmp_path / "r.json"
    done = here(
        "benchmark", third_tflite, "--runtimes", "litert:cpu", "--quick", "--max-secs", "0.5",
        "--data", "digits", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text(encoding="utf-8"))
    assert results["data"]["seed"] == 3
    assert results["measurements"][0]["accuracy"]["trained_on"] == 0


def test_benchmark_calls_accuracy_on_samples_that_training_saw_invalid(
    third: Artifact, third_tflite: Path, digits, measure
):
    row = measure(third_tflite, "litert:cpu", data=digits)
    trained = set(digests_of(data.load("digits", seed=3)["train"]).tolist())
    seen = sum(digest in trained for digest in digests_of(digits["test"]).tolist())
    assert row.verdict == "INVALID"
    assert f"{seen} of {len(digits['test'])} samples were in the training data" in " ".join(
        row.reasons
    )


def test_explain_takes_the_split_from_the_model(third: Artifact, tmp_path: Path):
    done = here(
        "explain", third.path, "--data", "digits", "--shifts", "0", "--samples", "40",
        "--out", tmp_path / "e.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "INVALID" not in done.stderr
    assert json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))["invalid"] == []


def test_explain_says_that_training_saw_the_samples(third: Artifact, digits):
    from edgecnn.explanation.explain import explain

    found = explain(third.path, dataset=digits, shifts=(0,), samples=40)
    (reason,) = found.invalid
    assert "samples were in the training data" in reason


def test_explain_does_not_measure_a_model_that_tells_nothing(bare: Path, digits):
    from edgecnn.explanation.explain import explain

    with pytest.raises(InputError, match="the preprocessing is unknown"):
        explain(bare, dataset=digits, shifts=(0,), samples=40)
