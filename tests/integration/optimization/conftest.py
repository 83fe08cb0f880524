"""Small networks that read digits without any training: convolutions as they come, and a last
layer that is solved for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgecnn.benchmarking.protocol import Protocol, resolve
from edgecnn.data.base import Dataset
from edgecnn.manifest import Manifest, write_manifest
from edgecnn.registry import DATA_SOURCES

if TYPE_CHECKING:
    import keras

SHAPE = (8, 8, 1)
PROTOCOL: Protocol = resolve("quick", min_secs=0.01, min_runs=8, max_secs=1.5, processes=3)


@cache
def digits() -> Dataset:
    return DATA_SOURCES.load("digits")()


def seeded(seed: int = 0) -> None:
    import keras

    keras.utils.set_random_seed(seed)


def solved(inputs: Any, features: Any) -> keras.Model:
    """The network with a dense layer on `features` that reads digits: ridge regression."""
    import keras

    flat = keras.layers.Flatten(name="flat")(features)
    readout = keras.layers.Dense(10, name="readout")
    model = keras.Model(inputs, readout(flat), name="reader")
    data = digits()
    pixels = data.preprocessing(SHAPE).batch(data["train"].samples)
    found = np.asarray(keras.Model(inputs, flat)(pixels, training=False), np.float64)
    spread = float(found.std())
    scaled = np.column_stack([found / spread, np.ones(len(found))])
    wanted = 2.0 * np.eye(10)[data["train"].labels] - 1.0
    penalty = 0.01 * len(found) * np.eye(scaled.shape[1])  # keeps weights of one size, for int8
    solution = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T @ wanted)
    readout.set_weights([solution[:-1] / spread, solution[-1]])
    return model


def plain() -> keras.Model:
    """Two convolutions and the readout."""
    import keras
    from keras.layers import Conv2D

    seeded()
    inputs = keras.Input(SHAPE, name="picture")
    x = Conv2D(8, 3, activation="relu", name="first")(inputs)
    x = Conv2D(12, 3, activation="relu", name="second")(x)
    return solved(inputs, x)


def broken() -> keras.Model:
    """The same with one layer that int8 ruins: its largest weights meet an input that is always
    0, and take all steps from the others.
    """
    import keras
    from keras.layers import Conv2D

    seeded()
    inputs = keras.Input(SHAPE, name="picture")
    first = Conv2D(8, 3, activation="relu", name="first")
    second = Conv2D(12, 3, activation="relu", name="ruined")
    third = Conv2D(96, 3, activation="relu", name="third")  # what int8 makes small
    features = third(second(first(inputs)))
    kernel, bias = first.get_weights()
    kernel[..., 0], bias[0] = 0.0, 0.0
    first.set_weights([kernel, bias])
    kernel, bias = second.get_weights()
    kernel[:, :, 0, :] = 400.0 * np.abs(kernel).max()
    second.set_weights([kernel, bias])
    return solved(inputs, features)


def saved(model: keras.Model, folder: Path) -> Path:
    path = folder / f"{model.name}.keras"
    model.save(path)
    data = digits()
    manifest = Manifest(
        task="classification",
        model=model.name,
        labels=data.labels,
        preprocessing=data.preprocessing(SHAPE),
    )
    write_manifest(path, manifest)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[], Any]], Path]:
    """The file of a network, made once for all tests of a module."""
    files: dict[str, Path] = {}

    def make(build: Callable[[], Any]) -> Path:
        name = build.__name__
        if name not in files:
            files[name] = saved(build(), tmp_path_factory.mktemp(name))
        return files[name]

    return make
