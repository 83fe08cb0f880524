"""Several devices train together: here two that are made of one CPU, as TensorFlow can."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# LeNet-5 has no batch normalization, so that only the order of sums differs. 49 samples leave
# one out of every epoch for two devices.
PROGRAM = """
import json, sys
from dataclasses import replace
from pathlib import Path
import tensorflow as tf
import edgecnn.data
from edgecnn.data.base import Split
from edgecnn.training import fit

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
digits = edgecnn.data.load("digits")

def few(count):
    parts = {
        name: Split(part.samples[:count], part.labels[:count])
        for name, part in digits.splits.items()
    }
    return replace(digits, splits=parts)

def training(count, batch_size):
    out = Path(sys.argv[1])
    artifact = fit.train("lenet5", few(count), out=out, epochs=2, batch_size=batch_size,
                         optimizer="sgd", learning_rate=0.05)
    return artifact.manifest.training

two, rest = training(48, 15), training(49, 15)
fit.training_devices = lambda samples: ("cpu:0",)
print(json.dumps({"two": two, "rest": rest, "one": training(48, 16)}))
"""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """What the manifests say of one training on two devices, on one, and with a rest."""
    out = tmp_path_factory.mktemp("devices") / "m.keras"
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(out)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_two_devices_learn_what_one_learns(trainings):
    two, one = trainings["two"], trainings["one"]

    assert (two["devices"], one["devices"]) == (["cpu:0", "cpu:1"], ["cpu:0"])
    for name in ("loss", "val_loss"):
        assert two["history"][name] == pytest.approx(one["history"][name], rel=1e-3)


def test_batches_divide_by_the_number_of_devices(trainings):
    assert trainings["two"]["batch_size"] == 16
    assert len(trainings["rest"]["history"]["loss"]) == 2
