"""The networks that edgecnn is compared on: LeNet-5, MobileNetV2 and ResNet-18, untrained.

Weights do not change how long an inference takes, so that nothing has to be downloaded. Files
are made once and kept in runs/benchmarks/models/.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

    from edgecnn.data.base import Dataset

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
MODELS = HERE.parent / "runs" / "benchmarks" / "models"
NAMES = ("lenet5", "mobilenetv2", "resnet18")
RECIPES = ("float32", "static_int8")
CALIBRATION_SAMPLES = 16


def model_file(name: str, format_name: str, recipe: str) -> Path:
    """The converted network, made when it is not there yet."""
    path = MODELS / f"{name}_{recipe}.{format_name}"
    if not path.exists():
        _convert(name)
    return path


def _convert(name: str) -> None:
    import keras

    from edgecnn.conversion.convert import convert

    keras.utils.set_random_seed(0)
    model = _BUILDERS[name]()
    _settle(model)
    targets = [f"{kind}:{recipe}" for kind in ("tflite", "onnx") for recipe in RECIPES]
    outcomes = convert(
        model,
        targets,
        calibration=_noise(model.input_shape[1:]),
        preprocessing="0..1",
        samples=CALIBRATION_SAMPLES,
        out=MODELS,
        name=name,
    )
    for outcome in outcomes:
        if outcome.artifact is None:
            sys.exit(f"{name} as {outcome.target}: {outcome.error}")


def _settle(model: keras.Model) -> None:
    """Let batch normalization see its input once: without, activations of an untrained net die
    out layer by layer, and the answer is the same for every image.
    """
    import keras

    layers = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    rng = np.random.default_rng(1)
    model(rng.random((4, *model.input_shape[1:]), np.float32), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _noise(shape: tuple[int, int, int]) -> Dataset:
    """Seeded images to calibrate the quantizer on."""
    from edgecnn.data.base import Dataset, Split

    rng = np.random.default_rng(0)
    count = CALIBRATION_SAMPLES

    def split() -> Split:
        return Split(rng.integers(0, 256, (count, *shape), np.uint8), np.zeros(count, np.int64))

    return Dataset(
        name="noise",
        task="classification",
        labels=tuple(str(number) for number in range(10)),
        splits={name: split() for name in ("train", "validation", "test")},
        sha256="0" * 64,
        sample_shape=shape,
    )


def _lenet5() -> keras.Model:
    from edgecnn import models

    return models.build("lenet5")


def _mobilenetv2() -> keras.Model:
    import keras

    return keras.applications.MobileNetV2(weights=None, input_shape=(224, 224, 3))


def _resnet18() -> keras.Model:
    """He et al. 2015, table 1: four stages of two basic blocks, 11.7 M parameters; logits, since
    a thousand untrained probabilities are all 0 in int8.
    """
    import keras
    from keras import layers

    inputs = keras.Input((224, 224, 3))
    x = _normalized(inputs, 64, 7, 2)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for filters, strides in (
        (64, 1),
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
    ):
        shortcut = x
        if strides != 1 or x.shape[-1] != filters:
            shortcut = _normalized(x, filters, 1, strides)
        x = layers.ReLU()(_normalized(x, filters, 3, strides))
        x = layers.ReLU()(layers.add([_normalized(x, filters, 3, 1), shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000)(x), name="resnet18")


def _normalized(x: Any, filters: int, size: int, strides: int) -> Any:
    from keras import layers

    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


_BUILDERS = {"lenet5": _lenet5, "mobilenetv2": _mobilenetv2, "resnet18": _resnet18}

if __name__ == "__main__":
    for each in NAMES:
        for kind in ("tflite", "onnx"):
            for recipe in RECIPES:
                print(model_file(each, kind, recipe).name)
