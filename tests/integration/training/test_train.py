"""Training for real: what lies there afterwards, and what does not when it goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import edgecnn.data
from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.evaluation.classification import top1_accuracy
from edgecnn.keras_files import load_keras
from edgecnn.manifest import read_sidecar, sha256_of, sidecar_path
from edgecnn.models import modality
from edgecnn.registry import MODELS
from edgecnn.training import train
from edgecnn.training.config import default_epochs


def first(dataset, count):
    """The data set with `count` samples in each split."""
    splits = {
        name: Split(split.samples[:count], split.labels[:count])
        for name, split in dataset.splits.items()
    }
    return replace(dataset, splits=splits)


@pytest.fixture(scope="module")
def digits():
    return edgecnn.data.load("digits")


@pytest.fixture(scope="module")
def few_digits(digits):
    return first(digits, 128)


@pytest.fixture(scope="module")
def trained(few_digits, tmp_path_factory):
    """A short training: the artifact and the calls of its progress."""
    calls = []
    artifact = train(
        "lenet5",
        few_digits,
        epochs=3,
        seed=0,
        out=tmp_path_factory.mktemp("trained") / "new" / "lenet5.keras",
        progress=lambda *call: calls.append(call),
    )
    return artifact, calls


LONG_TO_BUILD = ("googlenet", "resnet18")
SAME_BLOCKS = ("resnet34", "resnet50")
"""More of ResNet-18's blocks; blocks whose training `test_every_weight_of_a_bottleneck_learns`
shows, in tests/unit/models.
"""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in LONG_TO_BUILD else name
        for name in MODELS.names()
        if modality(name) == "image" and name not in SAME_BLOCKS
    ],
)
def test_every_model_for_images_trains_on_digits(name, digits, tmp_path):
    side = 64 if name in LONG_TO_BUILD else None
    artifact = train(name, first(digits, 16), epochs=1, input_size=side, out=tmp_path / "m.keras")

    assert artifact.manifest.model == name
    assert load_keras(artifact.path).output_shape == (None, 10)


def test_the_file_lies_with_a_manifest_that_describes_it(trained):
    artifact, _ = trained

    assert read_sidecar(artifact.path, sha256_of(artifact.path)) == artifact.manifest
    assert sorted(path.name for path in artifact.path.parent.iterdir()) == [
        "lenet5.keras",
        "lenet5.keras.manifest.json",
    ]


def test_the_manifest_says_what_goes_in_and_comes_out(trained):
    manifest = trained[0].manifest

    assert (manifest.task, manifest.recipe) == ("classification", "float32")
    assert manifest.inputs[0].name == "input"
    assert manifest.inputs[0].shape == (None, 32, 32, 1)
    assert manifest.inputs[0].layout == "NHWC"
    assert manifest.outputs[0].shape == (None, 10)
    assert manifest.labels == tuple("0123456789")
    assert manifest.preprocessing.shape == (32, 32, 1)


def test_the_manifest_says_where_the_weights_are_from(trained, few_digits):
    manifest = trained[0].manifest

    assert manifest.data["sha256"] == few_digits.sha256
    assert manifest.training["seed"] == 0
    assert manifest.training["epochs_run"] == 3
    assert len(manifest.training["history"]["val_loss"]) == 3
    assert {"edgecnn", "keras", "numpy", "python"} < manifest.versions.keys()


def test_the_metrics_are_those_of_the_saved_file(trained, few_digits):
    artifact, _ = trained
    model = load_keras(artifact.path)
    tensors = artifact.manifest.preprocessing.batch(few_digits["test"].samples)

    accuracy = top1_accuracy(model.predict_on_batch(tensors), few_digits["test"].labels)

    assert artifact.manifest.metrics["test_accuracy"] == pytest.approx(accuracy.value)


def test_the_optimizer_is_left_behind(trained):
    assert trained[0].size_bytes < 61_706 * 4 * 1.5


def test_progress_goes_from_nothing_to_everything(trained):
    _, calls = trained
    stages, done, total, messages = zip(*calls, strict=True)

    assert set(stages) == {"train"}
    assert list(done) == sorted(done)
    assert (done[0], done[-1]) == (0, total[-1])
    assert "epoch 3/3" in messages[-1]
    assert "validation accuracy" in messages[-1]


def test_the_same_seed_gives_the_same_weights(trained, few_digits, tmp_path):
    again = train("lenet5", few_digits, epochs=3, seed=0, out=tmp_path / "again.keras")

    weights = (load_keras(artifact.path).get_weights() for artifact in (trained[0], again))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_weights(trained, few_digits, tmp_path):
    other = train("lenet5", few_digits, epochs=1, seed=1, out=tmp_path / "other.keras")

    weights = [load_keras(artifact.path).get_weights()[0] for artifact in (trained[0], other)]
    assert not np.array_equal(*weights)


def test_the_model_takes_the_channels_of_the_images(few_digits, tmp_path):
    colors = {
        name: Split(np.repeat(split.samples[..., None], 3, axis=3), split.labels)
        for name, split in few_digits.splits.items()
    }
    dataset = replace(few_digits, splits=colors, sample_shape=(8, 8, 3))

    artifact = train("simple", dataset, epochs=1, out=tmp_path / "m.keras")

    assert artifact.manifest.inputs[0].shape == (None, 8, 8, 3)


def test_the_best_epoch_is_the_one_that_is_kept(few_digits, tmp_path):
    artifact = train(
        "lenet5", few_digits, epochs=6, learning_rate=0.02, patience=2, out=tmp_path / "m.keras"
    )

    history = artifact.manifest.training["history"]
    assert artifact.manifest.metrics["validation_loss"] == pytest.approx(
        min(history["val_loss"]), abs=1e-3
    )


def test_training_stops_when_it_no_longer_improves(few_digits, tmp_path):
    artifact = train(
        "lenet5", few_digits, epochs=50, learning_rate=1e-9, patience=2, out=tmp_path / "m.keras"
    )

    assert artifact.manifest.training["epochs_run"] < 50


def test_training_that_diverges_leaves_nothing(few_digits, tmp_path):
    with pytest.raises(InputError, match="diverged") as caught:
        train("simple", few_digits, epochs=2, learning_rate=1e30, out=tmp_path / "m.keras")

    assert "smaller learning rate" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "numbers",
    [
        {"epochs": 0},
        {"epochs": -1},
        {"batch_size": 0},
        {"patience": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
    ],
)
def test_numbers_that_make_no_sense_are_refused(few_digits, tmp_path, numbers):
    with pytest.raises(InputError, match="received"):
        train("lenet5", few_digits, out=tmp_path / "m.keras", **numbers)


@pytest.mark.parametrize("out", ["model.h5", "file/model.keras", "folder.keras"])
def test_a_place_that_cannot_hold_the_model_is_refused_before_training(few_digits, tmp_path, out):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder.keras").mkdir()

    with pytest.raises(InputError):
        train("lenet5", few_digits, out=tmp_path / out, progress=pytest.fail)


def test_data_for_another_task_is_refused(few_digits, tmp_path):
    with pytest.raises(InputError, match="answers with classes, the data set 'digits' has boxes"):
        train("lenet5", replace(few_digits, task="detection"), out=tmp_path / "m.keras")


def test_every_epoch_is_told_and_the_network_is_built_as_asked(few_digits, tmp_path):
    told = []
    artifact = train(
        "simple",
        few_digits,
        epochs=2,
        network_options={"width": 0.25},
        on_epoch=lambda *call: told.append(call),
        out=tmp_path / "simple.keras",
    )
    assert [done for done, _ in told] == [1, 2]
    history = artifact.manifest.training["history"]
    assert [numbers["val_accuracy"] for _, numbers in told] == history["val_accuracy"]
    assert artifact.manifest.training["network_options"] == {"width": 0.25}
    assert load_keras(artifact.path).get_layer("hidden").units == 32


def test_what_on_epoch_raises_ends_the_training_and_leaves_nothing(few_digits, tmp_path):
    def enough(done, _):
        raise InputError(f"ended behind epoch {done}")

    with pytest.raises(InputError, match="ended behind epoch 1"):
        train("simple", few_digits, epochs=5, on_epoch=enough, out=tmp_path / "simple.keras")
    assert not list(tmp_path.iterdir())


def test_an_option_that_the_network_does_not_have_is_refused(few_digits, tmp_path):
    with pytest.raises(InputError, match="takes no 'widht'"):
        train("simple", few_digits, network_options={"widht": 1}, out=tmp_path / "simple.keras")


def test_an_older_model_stays_until_the_new_one_is_whole(trained, few_digits, tmp_path):
    out = tmp_path / "m.keras"
    out.write_bytes(b"the model of yesterday")

    def stop(stage, done, total, message=""):
        if done > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("lenet5", few_digits, epochs=3, out=out, progress=stop)

    assert out.read_bytes() == b"the model of yesterday"
    assert list(tmp_path.iterdir()) == [out]


def test_an_older_model_stays_where_what_follows_the_training_fails(
    few_digits, tmp_path, monkeypatch
):
    out = tmp_path / "m.keras"
    out.write_bytes(b"the model of yesterday")

    def fails(*_):
        raise OSError("no space left")

    monkeypatch.setattr(
        "edgecnn.training.classification.task.ClassificationTask.after_training", fails
    )
    with pytest.raises(OSError, match="no space left"):
        train("lenet5", few_digits, epochs=1, out=out, folder=tmp_path / "m")

    assert out.read_bytes() == b"the model of yesterday"


def test_a_setting_without_effect_is_refused_before_training(few_digits, tmp_path):
    with pytest.raises(InputError, match="makes no use of auxiliary_weight"):
        train("lenet5", few_digits, out=tmp_path / "m.keras", auxiliary_weight=0.5,
              progress=pytest.fail)  # fmt: skip


def test_a_new_model_never_lies_beside_an_old_manifest(few_digits, tmp_path):
    out = tmp_path / "m.keras"
    sidecar_path(out).write_text('{"sha256": "of another file"}')

    train("lenet5", few_digits, epochs=1, out=out)

    assert read_sidecar(out, sha256_of(out)).model == "lenet5"


def test_ctrl_c_during_training_leaves_nothing_half_written(tmp_path):
    program = (
        "import edgecnn.data, edgecnn.training, pathlib, sys\n"
        "edgecnn.training.train('lenet5', edgecnn.data.load('digits'), epochs=10_000,\n"
        "    out=pathlib.Path(sys.argv[1]), progress=lambda *call: print(call, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "m.keras")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        while "epoch 2/" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=300)  # ten thousand epochs would take longer

    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("samples", "epochs"), [(55_000, 10), (1_259, 30), (10, 30), (25_600, 20)])
def test_small_data_gets_more_epochs(samples, epochs):
    assert default_epochs(samples) == epochs


@pytest.mark.slow
def test_lenet5_on_digits_reaches_97_5_percent(digits, tmp_path):
    artifact = train("lenet5", digits, out=tmp_path / "m.keras")

    assert artifact.manifest.metrics["test_accuracy"] >= 0.975


@pytest.mark.slow
def test_lenet5_on_mnist_reaches_99_percent(shared_data, tmp_path):
    dataset = edgecnn.data.load("mnist", data_dir=shared_data / "mnist")

    artifact = train("lenet5", dataset, epochs=4, out=tmp_path / "m.keras")  # of 10 by default

    assert artifact.manifest.metrics["test_accuracy"] >= 0.99
