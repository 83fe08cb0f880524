"""Keras's nearest upsampling leaves as a resize, with the same values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.conversion.sources.keras_model import describe
from edgecnn.formats.check import read_signature


@pytest.fixture(scope="module")
def upsampled(tmp_path_factory: pytest.TempPathFactory):
    """A model that upsamples images by different factors, also in a model inside of it;
    its files, and an image with what Keras answers.
    """
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((6, 5, 3), name="image")
    inner = keras.Sequential([keras.Input((12, 15, 4)), layers.UpSampling2D(2)], name="inner")
    wide = layers.UpSampling2D((2, 3))(layers.Conv2D(4, 3, padding="same")(image))
    model = keras.Model(image, layers.Conv2D(2, 3)(inner(wide)), name="upsampled")
    folder = tmp_path_factory.mktemp("upsampled")
    given = np.random.default_rng(0).random((1, 6, 5, 3), np.float32)
    source = describe(model, name="upsampled", sha256="")
    for ending in ("tflite", "onnx"):
        source.write_float(ending, folder / f"model.{ending}")
    assert all("call" not in vars(layer) for layer in model._flatten_layers())  # as before
    return folder, given, np.asarray(model(given))


@pytest.mark.parametrize(
    ("file", "runtime", "resize"),
    [
        ("model.tflite", "litert:cpu", "RESIZE_NEAREST_NEIGHBOR"),
        ("model.onnx", "onnxruntime:cpu", "Resize"),
    ],
)
def test_nearest_upsampling_is_a_resize_with_the_same_values(
    upsampled: tuple[Path, np.ndarray, np.ndarray], file: str, runtime: str, resize: str
):
    folder, given, expected = upsampled
    operators = read_signature(folder / file).operators
    assert operators[resize] == 2
    assert not {"Tile", "TILE"} & set(operators)
    (got,) = runtimes.load(folder / file, runtime).run([given])
    np.testing.assert_allclose(got, expected, atol=1e-6)
