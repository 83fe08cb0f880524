"""Data-parallel training on several accelerators.

TensorFlow's MirroredStrategy: each device holds all weights and takes an equal part of every
batch, gradients are summed. It serves Keras on TensorFlow, batches made ahead included; with
other backends Keras trains on the first device. Batch normalization takes its means over a
device's part, so weights are near those from one device, not the same (tests/integration/training/
test_devices.py does it with two devices made of one CPU).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from edgecnn.keras_files import import_keras


def training_devices(samples: int) -> tuple[str, ...]:
    """The devices that train together, as "gpu:0": all accelerators, or the CPU.

    No more than there are `samples` in the smallest split: each has to have one in every batch.
    """
    keras = import_keras()
    devices = tuple(keras.distribution.list_devices()) or ("cpu:0",)
    several = keras.backend.backend() == "tensorflow"
    return devices[: max(1, samples)] if several else devices[:1]


def together(devices: tuple[str, ...]) -> AbstractContextManager[Any]:
    """Inside, networks are built and compiled for all `devices`; for one it does nothing."""
    if len(devices) == 1:
        return nullcontext()
    import tensorflow as tf

    scope: AbstractContextManager[Any] = tf.distribute.MirroredStrategy(list(devices)).scope()
    return scope


def multiple_of(devices: int, number: int) -> int:
    """`number`, or as little more as divides by the number of devices: a batch without a rest.

    A device that got nothing would give a loss of 0/0.
    """
    return -(-number // devices) * devices
