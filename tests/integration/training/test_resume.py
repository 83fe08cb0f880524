"""A training that was killed goes on, and ends with the very weights of an undisturbed one."""

from __future__ import annotations

import csv
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
from edgecnn.keras_files import load_keras
from edgecnn.training import train
from edgecnn.training.fit import CHECKPOINT

# ResNet-8 has batch normalisation, momentum and warm-up; cnn1d has dropout, and its signals are
# the rows of the digits one after the other.
PROGRAM = """
import os, sys
from dataclasses import replace
import edgecnn.data
from edgecnn.data.base import Split
from edgecnn.training import callbacks, train

model, out, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
callbacks.CHECKPOINT_SECS = 0.0  # after every batch
digits = edgecnn.data.load("digits")
shape = (-1, 64, 1) if model == "cnn1d" else (-1, 8, 8)
parts = {
    name: Split(part.samples[:48].reshape(shape), part.labels[:48])
    for name, part in digits.splits.items()
}
digits = replace(digits, splits=parts)
if model == "cnn1d":
    hints = {"scale": 1 / 255}
    digits = replace(
        digits, modality="signal", sample_shape=(64, 1), preprocessing_hints=hints
    )

def progress(stage, done, total, message=""):
    if kill_at and done >= kill_at:
        os.kill(os.getpid(), 9)

train(model, digits, out=out, epochs=3, batch_size=16, augment="standard",
      folder=out + ".training", progress=progress)
"""


def run(model, out, kill_at=0):
    """The return code of a training in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, model, str(out), str(kill_at)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode in (0, -signal.SIGKILL), process.stderr[-2000:]
    return process.returncode


def rows(path):
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("model", ["resnet8", "cnn1d"])
def test_killed_in_the_middle_of_epochs_it_ends_with_the_same_weights(model, tmp_path):
    whole, cut = tmp_path / "whole.keras", tmp_path / "cut.keras"

    assert run(model, whole) == 0
    assert run(model, cut, kill_at=4) == -signal.SIGKILL
    assert not cut.exists()
    assert run(model, cut, kill_at=7) == -signal.SIGKILL
    assert run(model, cut) == 0

    for one, other in zip(
        load_keras(whole).get_weights(), load_keras(cut).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "cut.keras.training" / CHECKPOINT).exists()
    logs = [rows(tmp_path / f"{name}.keras.training" / "log.csv") for name in ("whole", "cut")]
    assert [row[:5] for row in logs[0]] == [row[:5] for row in logs[1]]


class StoppedError(Exception):
    pass


def stop_late(stage, done, total, message=""):
    if done >= total - 1 > 1:
        raise StoppedError


@pytest.fixture
def few_digits():
    digits = edgecnn.data.load("digits")
    parts = {
        name: Split(part.samples[:64], part.labels[:64]) for name, part in digits.splits.items()
    }
    return replace(digits, splits=parts)


@pytest.fixture
def interrupted(few_digits, tmp_path):
    with pytest.raises(StoppedError):
        train("lenet5", few_digits, out=tmp_path / "m.keras", epochs=40, batch_size=32,
              folder=tmp_path / "m", progress=stop_late)  # fmt: skip
    assert (tmp_path / "m" / CHECKPOINT).exists()
    return tmp_path


def test_other_settings_than_before_are_named_and_nothing_is_lost(interrupted, few_digits):
    before = (interrupted / "m" / CHECKPOINT).read_bytes()

    with pytest.raises(
        InputError, match=r"batch_size 32 → 16; learning_rate 0\.002 → 0\.1"
    ) as told:
        train("lenet5", few_digits, out=interrupted / "m.keras", epochs=40, batch_size=16,
              learning_rate=0.1, folder=interrupted / "m")  # fmt: skip

    assert "--restart" in told.value.hint
    assert (interrupted / "m" / CHECKPOINT).read_bytes() == before


def test_other_data_than_before_are_refused(interrupted, few_digits):
    with pytest.raises(InputError, match="data "):
        train("lenet5", replace(few_digits, sha256="0" * 64), out=interrupted / "m.keras",
              epochs=40, batch_size=32, folder=interrupted / "m")  # fmt: skip


def test_restart_begins_anew(interrupted, few_digits):
    artifact = train("lenet5", few_digits, out=interrupted / "m.keras", epochs=1, batch_size=32,
                     folder=interrupted / "m", restart=True)  # fmt: skip

    assert artifact.manifest.training["epochs_run"] == 1


def test_a_damaged_checkpoint_is_told(interrupted, few_digits):
    path = interrupted / "m" / CHECKPOINT
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(InputError, match="not a whole checkpoint"):
        train("lenet5", few_digits, out=interrupted / "m.keras", epochs=40, batch_size=32,
              folder=interrupted / "m")  # fmt: skip


def test_a_finished_training_leaves_its_logs_and_pictures(few_digits, tmp_path):
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
