"""Two small nets trained on real digits, and all of their artifacts, made once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.outcome import ConversionOutcome
from edgecnn.data.base import Dataset
from edgecnn.registry import DATA_SOURCES

if TYPE_CHECKING:
    import keras

SHAPE = (16, 16, 1)
SAMPLES = 64


@dataclass(frozen=True)
class Converted:
    """A trained model, its file, and one outcome a target."""

    name: str
    parent: Path
    folder: Path
    outcomes: dict[str, ConversionOutcome]

    def path(self, target: str) -> Path:
        return self.outcomes[target].artifact.path


def plain_net() -> keras.Model:
    """Convolutions, pooling, dense layers: what LeNet is made of."""
    from keras import Input, Sequential
    from keras.layers import AveragePooling2D, Conv2D, Dense, Flatten

    return Sequential(
        [
            Input(SHAPE, name="picture"),
            Conv2D(8, 3, activation="tanh"),
            AveragePooling2D(2),
            Conv2D(16, 3, activation="relu"),
            Flatten(),
            Dense(32, activation="tanh"),
            Dense(10, activation="softmax"),
        ],
        name="plain",
    )


def residual_net() -> keras.Model:
    """Batch normalization, depthwise convolutions, a residual sum: what MobileNetV2 is made of."""
    from keras import Input, Model
    from keras.layers import (
        Add,
        BatchNormalization,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        GlobalAveragePooling2D,
        ReLU,
    )

    def normalized(tensor: Any) -> Any:
        return BatchNormalization(momentum=0.8)(tensor)

    image = Input(SHAPE)
    tensor = ReLU()(normalized(Conv2D(24, 3, strides=2, padding="same", use_bias=False)(image)))
    for _ in range(2):
        shortcut = tensor
        tensor = DepthwiseConv2D(3, padding="same", use_bias=False)(tensor)
        tensor = ReLU(6.0)(normalized(tensor))
        tensor = normalized(Conv2D(24, 1, use_bias=False)(tensor))
        tensor = Add()([shortcut, tensor])
    scores = Dense(10, activation="softmax")(GlobalAveragePooling2D()(tensor))
    return Model(image, scores, name="residual")


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return DATA_SOURCES.load("digits")()


NETS = {"plain": (plain_net, 4), "residual": (residual_net, 8)}


@pytest.fixture(scope="session")
def conversions(
    tmp_path_factory: pytest.TempPathFactory, digits: Dataset
) -> Callable[[str], Converted]:
    """A net by name, trained, saved and converted to all targets; made when first asked for."""
    return cache(lambda name: make(name, tmp_path_factory.mktemp(name), digits))


@pytest.fixture(scope="session", params=list(NETS))
def converted(request: pytest.FixtureRequest, conversions: Callable[[str], Converted]) -> Converted:
    """Each of the nets in turn."""
    return conversions(request.param)


@pytest.fixture(scope="session")
def plain(conversions: Callable[[str], Converted]) -> Converted:
    """One net, for what does not depend on the architecture."""
    return conversions("plain")


def make(name: str, folder: Path, digits: Dataset) -> Converted:
    import keras
    import numpy as np

    build, epochs = NETS[name]
    keras.utils.set_random_seed(0)
    model = build()
    prepare = digits.preprocessing(SHAPE)
    split = digits["train"]
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    inputs = np.concatenate([batch for batch, _ in split.tensors(prepare, 256)])
    model.fit(inputs, split.labels, batch_size=32, epochs=epochs, verbose=0)
    parent = folder / f"{name}.keras"
    model.save(parent)
    out = folder / "artifacts"
    outcomes = convert(
        parent, "all", calibration=digits, out=out, samples=SAMPLES, preprocessing=prepare
    )
    return Converted(name, parent, out, {str(outcome.target): outcome for outcome in outcomes})
