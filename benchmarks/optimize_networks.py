"""The networks of `benchmarks/optimize.py`, each with its data and little training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn import data as sources
from edgecnn import training
from edgecnn.data.base import Dataset
from edgecnn.data.splitting.calibration_holdout import subset
from edgecnn.manifest import Manifest, read_sidecar, sha256_of, write_manifest
from edgecnn.vision.detectors.detector import ASSETS

BROKEN = ("broken", "nncf_broken", "ours_broken")
UNBROKEN = ("train", "search", "tight", "nncf", "ours", "grid", "rounds")
ALL = (*UNBROKEN, *BROKEN)


@dataclass(frozen=True)
class Network:
    """`data` is a source below the data's folder. `full` also compares with Keras and others."""

    data: str
    epochs: int
    parts: tuple[str, ...] = UNBROKEN
    full: bool = False
    build: Callable[[int], Any] | None = None
    most: int = 60_000


def path_of(name: str, folder: Path) -> Path:
    """The trained network; the shipped detector lies in the package."""
    if name == "stop_sign_small":
        return Path(ASSETS) / f"{name}.keras"
    return folder / f"{name}.keras"


def dataset(name: str, root: Path) -> Dataset:
    if name == "stop_sign_small":
        return _signs(root / "stop_signs")
    source, _, folder = NETWORKS[name].data.partition(":")
    return sources.load(f"{source}:{root / folder}")


def _signs(root: Path) -> Dataset:
    """Annotated photos: one source calibrates, one guides the search, and the claim is made on
    others. The shipped weights were trained on none of the last two.
    """
    found = {
        split: sources.load("coco:" + ",".join(str(root / name) for name in names))
        for split, names in (
            ("train", ("rf_roadsigns_id",)),
            ("validation", ("ardakbas",)),
            ("test", ("rf_stopsign_my", "gtsdb", "far_validation")),
        )
    }
    splits = {name: next(iter(each.splits.values())) for name, each in found.items()}
    return replace(
        found["test"], splits=splits, sha256="".join(each.sha256[:16] for each in found.values())
    )


def train(name: str, data: Dataset, folder: Path) -> Path:
    """The network's file, made when it is not there; rerun to resume a killed training."""
    path, network = path_of(name, folder), NETWORKS[name]
    if path.exists():
        return path
    if network.build is None:
        made = training.train(
            name, data, out=path, epochs=network.epochs, folder=folder / "training"
        )
        return made.path
    import keras

    keras.utils.set_random_seed(0)
    model = network.build(len(data.labels))
    prepare = data.preprocessing(model.input_shape[1:])
    split = subset(data["train"], np.arange(min(network.most, len(data["train"]))))
    x = np.stack([prepare(split.samples[index]) for index in range(len(split))])
    model.compile(
        keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(x, np.asarray(split.labels), 64, network.epochs, verbose=0)
    model.save(path)
    manifest = Manifest(
        task="classification",
        model=name,
        labels=data.labels,
        preprocessing=prepare,
        data={"name": data.name, "sha256": data.sha256},
    )
    write_manifest(path, manifest)
    return path


def mobilenet_v2_like(classes: int) -> Any:
    """Inverted residuals of depthwise convolutions, ReLU6 (Sandler 2018)."""
    import keras
    from keras.layers import (
        Add,
        BatchNormalization,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        GlobalAveragePooling2D,
        ReLU,
    )

    inputs = keras.Input((28, 28, 1), name="image")
    x = ReLU(6.0)(BatchNormalization()(Conv2D(16, 3, 2, padding="same", use_bias=False)(inputs)))
    for stride in (1, 2, 1, 1):
        before = x
        x = ReLU(6.0)(BatchNormalization()(Conv2D(96, 1, use_bias=False)(x)))
        x = DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = ReLU(6.0)(BatchNormalization()(x))
        x = BatchNormalization()(Conv2D(16, 1, use_bias=False)(x))
        x = Add()([x, before]) if stride == 1 else x
    outputs = Dense(classes)(GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="mobilenet_v2_like")


def mobilenet_v3_like(classes: int) -> Any:
    """Hard-swish, squeeze and excitation (Howard 2019)."""
    import keras
    from keras.layers import (
        Activation,
        Add,
        BatchNormalization,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        GlobalAveragePooling2D,
        Multiply,
    )

    def hard_swish(x: Any) -> Any:
        return Activation("hard_swish")(x)

    inputs = keras.Input((28, 28, 1), name="image")
    x = hard_swish(BatchNormalization()(Conv2D(16, 3, 2, padding="same", use_bias=False)(inputs)))
    for stride in (1, 2, 1):
        before = x
        x = hard_swish(BatchNormalization()(Conv2D(64, 1, use_bias=False)(x)))
        x = DepthwiseConv2D(5, stride, padding="same", use_bias=False)(x)
        x = hard_swish(BatchNormalization()(x))
        squeezed = Conv2D(16, 1, activation="relu")(GlobalAveragePooling2D(keepdims=True)(x))
        x = Multiply()([x, Conv2D(64, 1, activation="hard_sigmoid")(squeezed)])
        x = BatchNormalization()(Conv2D(16, 1, use_bias=False)(x))
        x = Add()([x, before]) if stride == 1 else x
    outputs = Dense(classes)(GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="mobilenet_v3_like")


def broken(model: Path, folder: Path) -> tuple[Path, str]:
    """(the network with a layer that int8 ruins, that layer's name).

    One channel in front of the second convolution is silenced, and the weights that meet it are
    made huge: outputs are the same, but the steps of int8 are theirs now. A file that is there is
    the one that other parts made files of.
    """
    from edgecnn.keras_files import load_keras

    network = load_keras(model)
    first, victim = [each for each in network.layers if type(each).__name__ == "Conv2D"][:2]
    path = folder / "broken.keras"
    if path.exists():
        return path, victim.name
    norm = next(each for each in network.layers if type(each).__name__ == "BatchNormalization")
    weights = first.get_weights()
    weights[0][..., 0] = 0.0
    if len(weights) > 1:
        weights[1][0] = 0.0
    first.set_weights(weights)
    gamma, beta, mean, variance = norm.get_weights()
    beta[0], mean[0] = 0.0, 0.0
    norm.set_weights([gamma, beta, mean, variance])
    weights = victim.get_weights()
    weights[0][:, :, 0, :] = 300.0 * np.abs(weights[0]).max()
    victim.set_weights(weights)
    network.save(path)
    manifest = read_sidecar(model, sha256_of(model))
    assert manifest is not None
    write_manifest(path, replace(manifest, model="broken", metrics={}))
    return path, victim.name


NETWORKS: dict[str, Network] = {
    "mobilenet_v2_like": Network("mnist:mnist", 4, ALL, build=mobilenet_v2_like, most=12_000),
    "mobilenet_v3_like": Network("mnist:mnist", 4, ALL, build=mobilenet_v3_like, most=12_000),
    "resnet8": Network("cifar10:cifar10_small", 10, ALL),
    "cnn1d": Network("spoken-digits:spoken_digits_1d", 8),
    "stop_sign_small": Network("", 0),
    "resnet18": Network("gtsrb:gtsrb_small", 4, ALL, full=True),
    "googlenet": Network("gtsrb:gtsrb_small", 5),
}
