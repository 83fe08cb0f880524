"""A training that was killed goes on, and ends with the very weights of an undisturbed one."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import edgecnn.data
from edgecnn.cli import invoke
from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.training import callbacks, train
from edgecnn.training.checkpoint import Checkpoint
from edgecnn.training.fit import CHECKPOINT

PROGRAM = """
import importlib.util, os, sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("trainings", sys.argv[1])
trainings = importlib.util.module_from_spec(spec)
spec.loader.exec_module(trainings)

def killed(stage, done, total, message=""):
    if done >= 4:
        os.kill(os.getpid(), 9)

trainings.short_training(sys.argv[2], Path(sys.argv[3]), progress=killed)
"""


def few_samples(model):
    """48 digits for ResNet-8; for cnn1d their pixels one after the other, as a signal."""
    digits = edgecnn.data.load("digits")
    shape = (-1, 64, 1) if model == "cnn1d" else (-1, 8, 8)
    parts = {
        name: Split(part.samples[:48].reshape(shape), part.labels[:48])
        for name, part in digits.splits.items()
    }
    digits = replace(digits, splits=parts)
    if model != "cnn1d":
        return digits
    hints = {"scale": 1 / 255}
    return replace(digits, modality="signal", sample_shape=(64, 1), preprocessing_hints=hints)


def short_training(model, out, **options):
    """Three epochs of three batches, with a checkpoint after every batch; the weights that are
    kept are averages.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)
        train(model, few_samples(model), out=out, epochs=3, batch_size=16,
              augment="standard", average=0.8, folder=out.with_suffix(""), **options)  # fmt: skip


def rows(path):
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


# cnn1d has dropout, whose generators have a state, batch normalization, and AdamW's moments;
# ResNet-8 has momentum, and images that are augmented.
@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn1d", "resnet8"])
def test_killed_in_the_middle_of_an_epoch_it_ends_with_the_same_weights(model, tmp_path):
    whole, cut = tmp_path / "whole.keras", tmp_path / "cut.keras"
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, __file__, model, str(cut)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr[-2000:]
    assert not cut.exists()
    checkpoint = Checkpoint.read(tmp_path / "cut" / CHECKPOINT)
    assert (checkpoint.epoch, checkpoint.batch) == (1, 1)

    short_training(model, whole)
    short_training(model, cut)

    for one, other in zip(
        load_keras(whole).get_weights(), load_keras(cut).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "cut" / CHECKPOINT).exists()
    logs = [rows(tmp_path / name / "log.csv") for name in ("whole", "cut")]
    assert [row[:6] for row in logs[0]] == [row[:6] for row in logs[1]]  # all but the seconds


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def few_digits():
    digits = edgecnn.data.load("digits")
    parts = {
        name: Split(part.samples[:64], part.labels[:64]) for name, part in digits.splits.items()
    }
    return replace(digits, splits=parts)


@pytest.fixture(scope="module")
def half_done(few_digits, tmp_path_factory):
    """The checkpoint of a training that ended in its second of four epochs."""

    def stop(stage, done, total, message=""):
        if done == 3:
            raise StoppedError

    folder = tmp_path_factory.mktemp("half_done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)
        with pytest.raises(StoppedError):
            train("lenet5", few_digits, out=folder / "m.keras", epochs=4, batch_size=32,
                  folder=folder, progress=stop)  # fmt: skip
    return folder / CHECKPOINT


def small(few_digits, out, **options):
    return train("lenet5", few_digits, out=out, epochs=2, batch_size=32, average=0.8,
                 folder=out.with_suffix(""), **options)  # fmt: skip


def stopped_after(few_digits, out, batches, **options):
    """The checkpoint of a training that was killed behind `batches` batches of 2 × 2."""

    def stop(stage, done, total, message=""):
        if done == batches:
            raise StoppedError

    with pytest.raises(StoppedError):
        small(few_digits, out, progress=stop, **options)
    return out.with_suffix("") / CHECKPOINT


def test_nothing_is_written_behind_the_last_batch_of_an_epoch(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)
    checkpoint = Checkpoint.read(stopped_after(few_digits, tmp_path / "m.keras", 2))
    assert (checkpoint.epoch, checkpoint.batch) == (0, 1)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_checkpoint_behind_the_last_batch_of_an_epoch_is_resumed(
    few_digits, tmp_path, monkeypatch, epoch
):
    """Older versions wrote such: the epoch's end is all that it lacks."""
    own = callbacks.Checkpointer.callback

    def as_before(self, history, steps, **more):
        return own(self, history, steps + 1, **more)

    cut = tmp_path / "cut.keras"
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Checkpointer, "callback", as_before)
        checkpoint = Checkpoint.read(stopped_after(few_digits, cut, 2 * (epoch + 1)))
    assert (checkpoint.epoch, checkpoint.batch) == (epoch, 2)

    resumed, whole = small(few_digits, cut), small(few_digits, tmp_path / "whole.keras")

    for one, other in zip(
        load_keras(resumed.path).get_weights(), load_keras(whole.path).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    numbers = [artifact.manifest.training["history"] for artifact in (resumed, whole)]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert numbers[0][name] == numbers[1][name]


def test_a_training_in_float16_is_resumed(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)
    cut = tmp_path / "cut.keras"
    path = stopped_after(few_digits, cut, 3, mixed_precision="float16")
    numbers = [float(array) for array in Checkpoint.read(path).optimizer if array.ndim == 0]
    assert max(numbers) >= 2**10  # what the loss is multiplied by
    assert small(few_digits, cut, mixed_precision="float16").manifest.training["epochs_run"] == 2


def test_the_seconds_before_the_kill_are_counted(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECS", 0.0)
    path = stopped_after(few_digits, tmp_path / "m.keras", 3)
    checkpoint = Checkpoint.read(path)
    assert (checkpoint.epoch, checkpoint.batch) == (1, 1)
    assert checkpoint.history.open_seconds > 0
    checkpoint.history.open_seconds = 1000.0
    checkpoint.write(path)

    training = small(few_digits, tmp_path / "m.keras").manifest.training

    assert training["history"]["seconds"][0] < 1000 < training["history"]["seconds"][1]
    assert 1000 < training["seconds"] < 2000


@pytest.fixture
def interrupted(half_done, tmp_path):
    (tmp_path / "m.training").mkdir()
    shutil.copy(half_done, tmp_path / "m.training")
    return tmp_path


def test_other_settings_than_before_are_named_and_nothing_is_lost(interrupted, few_digits):
    before = (interrupted / "m.training" / CHECKPOINT).read_bytes()

    with pytest.raises(
        InputError, match=r"batch_size 32 → 16; learning_rate 0\.002 → 0\.1"
    ) as told:
        train("lenet5", few_digits, out=interrupted / "m.keras", epochs=4, batch_size=16,
              learning_rate=0.1, folder=interrupted / "m.training")  # fmt: skip

    assert "--restart" in told.value.hint
    assert (interrupted / "m.training" / CHECKPOINT).read_bytes() == before


def test_the_command_answers_2_to_other_settings_than_before(interrupted, capsys):
    arguments = ["train", "--model", "lenet5", "--data", "digits", "--epochs", "4", "--seed", "1"]

    assert invoke([*arguments, "--out", str(interrupted / "m.keras")]) == 2

    told = capsys.readouterr().err
    assert "batch_size 32 → 64" in told
    assert "seed 0 → 1" in told
    assert "--restart" in told


def test_other_data_than_before_are_refused(interrupted, few_digits):
    with pytest.raises(InputError, match="data "):
        train("lenet5", replace(few_digits, sha256="0" * 64), out=interrupted / "m.keras",
              epochs=4, batch_size=32, folder=interrupted / "m.training")  # fmt: skip


def test_restart_begins_anew(interrupted, few_digits):
    artifact = train("lenet5", few_digits, out=interrupted / "m.keras", epochs=1, batch_size=32,
                     folder=interrupted / "m.training", restart=True)  # fmt: skip

    assert artifact.manifest.training["epochs_run"] == 1


def test_a_damaged_checkpoint_is_told(interrupted, few_digits):
    path = interrupted / "m.training" / CHECKPOINT
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(InputError, match="not a whole checkpoint"):
        train("lenet5", few_digits, out=interrupted / "m.keras", epochs=4, batch_size=32,
              folder=interrupted / "m.training")  # fmt: skip


def test_a_finished_training_leaves_its_logs_and_images(few_digits, tmp_path):
    train("lenet5", few_digits, out=tmp_path / "m.keras", epochs=2, folder=tmp_path / "m")

    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        "log.csv",
        "tensorboard",
        "learning_curve.png",
        "confusion.csv",
        "confusion.png",
        "per_class.csv",
    }
    table = rows(tmp_path / "m" / "per_class.csv")
    assert table[0] == ["label", "precision", "recall", "f1", "n"]
    assert sum(int(row[4]) for row in table[1:]) == 64
