"""A network of several inputs with data that name them: converted, verified, measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgecnn.data
from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import resolve
from edgecnn.conversion.convert import convert
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset
from edgecnn.errors import InputError

TARGETS = ("tflite:float32", "tflite:static_int8", "onnx:float32", "onnx:static_int8")
COUNT = 64


def network(folder: Path) -> Path:
    """An image next to numbers; their order is not that of the alphabet."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image, extra = keras.Input((8, 6, 3), name="image"), keras.Input((5,), name="extra")
    seen = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu")(image))
    both = layers.Concatenate()([seen, layers.Dense(4)(extra)])
    model = keras.Model([image, extra], layers.Dense(4, name="scores")(both), name="pair")
    model.save(folder / "pair.keras")
    return folder / "pair.keras"


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return network(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def data(parent: Path) -> Dataset:
    """Answers are the network's own, so that it is always right."""
    import keras

    rng = np.random.default_rng(1)
    image = rng.uniform(-1, 1, (COUNT, 8, 6, 3)).astype(np.float32)
    extra = rng.uniform(-1, 1, (COUNT, 5)).astype(np.float32)
    labels = keras.models.load_model(parent).predict([image, extra], verbose=0).argmax(axis=1)
    np.savez(parent.parent / "data.npz", extra=extra, image=image, labels=labels)
    return edgecnn.data.load(f"npz:{parent.parent / 'data.npz'}")


@pytest.fixture(scope="module")
def outcomes(parent: Path, data: Dataset, tmp_path_factory: pytest.TempPathFactory):
    return convert(parent, TARGETS, calibration=data, out=tmp_path_factory.mktemp("art"))


def test_every_target_is_made_and_follows_its_parent(outcomes):
    for outcome in outcomes:
        assert outcome.artifact is not None, outcome.error
        assert outcome.parity.snr_db > (80 if outcome.target.recipe == "float32" else 20)
        assert "names the inputs" in outcome.fed.sentence
        assert outcome.artifact.manifest.conversion["verification"]["data"] == "data"


def test_calibration_took_its_own_half(outcomes):
    (record,) = {
        outcome.artifact.manifest.conversion["calibration"]["n"]
        for outcome in outcomes
        if outcome.target.recipe == "static_int8"
    }
    assert record == COUNT // 2


def test_verification_scores_what_did_not_calibrate(outcomes, data: Dataset, parent: Path):
    for outcome in outcomes:
        found = verify_artifact(outcome.artifact.path, parent=parent, dataset=data, max_drop=30)
        assert found.parent_accuracy.value == 1.0
        calibrated = outcome.target.recipe == "static_int8"
        assert found.accuracy.n == (COUNT // 2 if calibrated else COUNT)
        if outcome.target.recipe == "float32":
            assert found.accuracy.value == 1.0


def test_runtimes_are_fed_the_right_input(outcomes, data: Dataset):
    """Two inputs that change places would answer something else."""
    files = [one.artifact for one in outcomes if one.target.recipe == "float32"]
    results = benchmark(
        files,
        ["litert:cpu", "onnxruntime:cpu", "openvino:cpu"],
        protocol=resolve("quick", min_secs=0.02, min_runs=5, max_secs=0.2, processes=1),
        precision="strict_float32",
        data=data,
        passes=("response",),
    )
    rows = [row for row in results.measurements if row.cause != "missing"]
    assert {row.status for row in rows} == {"ok"}, [row.error for row in rows]
    assert {(row.accuracy.value, row.accuracy.n) for row in rows} == {(1.0, COUNT)}
    assert {row.runs[0].passes["response"]["real"] for row in rows} == {True}


def test_a_misspelled_input_is_named(parent: Path, tmp_path: Path):
    np.savez(tmp_path / "d.npz", picture=np.zeros((2, 8, 6, 3)), extra=np.zeros((2, 5)))
    wrong = edgecnn.data.load(f"npz:{tmp_path / 'd.npz'}")
    with pytest.raises(InputError, match="no array for the input 'image'") as caught:
        convert(parent, "tflite:static_int8", calibration=wrong, out=tmp_path / "art")
    assert "image (8, 6, 3), extra (5,)" in caught.value.hint


def test_a_preprocessing_is_refused(parent: Path, data: Dataset, tmp_path: Path):
    with pytest.raises(InputError, match="already model inputs"):
        convert(parent, "tflite:float32", calibration=data, out=tmp_path, preprocessing="raw")


def test_data_of_one_tensor_leave_a_row_without_accuracy_that_says_what_to_give(outcomes):
    digits = edgecnn.data.load("digits")
    results = benchmark(
        [outcomes[0].artifact],
        ["litert:cpu"],
        protocol=resolve("quick", min_secs=0.02, min_runs=5, max_secs=0.2, processes=1),
        data=digits,
        passes=(),
    )
    (row,) = results.measurements
    assert row.accuracy is None
    assert "--data npz:FILE" in row.fed.sentence
