"""Layers of Keras compute the same in TFLite and ONNX, or are named before minutes are spent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.data.base import Dataset, Split
from edgecnn.errors import InputError
from tests.integration.conversion.keras_conversions import FLOATS, both, small

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow
layers = keras.layers

RNG = np.random.default_rng(0)


def constants() -> Any:
    """Layers whose numbers are constants and no variables."""
    mean, variance = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    return [layers.Normalization(mean=mean, variance=variance), layers.Rescaling([0.1, 0.2, 0.3])]


def exact_gelu() -> Any:
    return [layers.Conv2D(4, 3, activation="gelu")]


def odd_activations() -> Any:
    return [layers.Conv2D(4, 3, activation=name) for name in ("silu", "mish", "celu", "hard_silu")]


def grouped() -> Any:
    """Keras compiles a convolution in groups by itself, as a function inside of the graph."""
    return [layers.Conv2D(4, 3, groups=1), layers.Conv2D(4, 3, groups=2)]


@pytest.mark.parametrize("build", [constants, exact_gelu, odd_activations, grouped])
def test_layers_compute_the_same_in_both_formats(build: Callable[[], Any], tmp_path: Path):
    model = keras.Sequential([keras.Input((12, 12, 3)), *build(), layers.GlobalMaxPooling2D()])
    both(model, tmp_path)


def test_normalization_and_exact_gelu_can_be_quantized_to_onnx(tmp_path: Path):
    model = keras.Sequential([keras.Input((12, 12, 3)), *constants(), *exact_gelu()])
    images = RNG.integers(0, 255, (16, 12, 12, 3)).astype(np.uint8)
    split = Split(images, np.arange(16) % 2)
    data = Dataset("noise", "classification", ("0", "1"), {"train": split}, "feed", (12, 12, 3))
    (outcome,) = convert(
        model, "onnx:static_int8", out=tmp_path, calibration=data, preprocessing="raw"
    )
    assert outcome.status == "converted", outcome.error
    assert outcome.parity.snr_db > 15


def test_the_place_of_the_largest_value_arrives_in_both_formats(tmp_path: Path):
    tensor = keras.Input((5, 4), name="values")
    places = [
        keras.ops.argmax(tensor, axis=-1),
        keras.ops.argmin(tensor, axis=1, keepdims=True),
    ]
    both(keras.Model(tensor, places), tmp_path)


def test_a_model_that_keras_quantized_is_refused_in_one_line(tmp_path: Path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="scores")], name="packed")
    model.get_layer("scores").quantize("int8")
    with pytest.raises(InputError, match=r"packed is quantized by Keras already \(int8.*'scores'"):
        convert(model, FLOATS, out=tmp_path)


def test_operators_that_a_format_lacks_are_named_with_their_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Odd(layers.Layer):
        def call(self, x: Any) -> Any:
            import tensorflow as tf

            return tf.math.lgamma(tf.math.igamma(x, x + 1.0))

    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), Odd(name="strange")], name="odd")

    def never(*_arguments: object) -> None:
        raise AssertionError("a converter was started")

    monkeypatch.setattr("edgecnn.conversion.exporters.tensorflow_to_onnx.write_float_onnx", never)
    monkeypatch.setattr(
        "edgecnn.conversion.exporters.tensorflow_to_tflite.write_float_tflite", never
    )
    for outcome in convert(model, FLOATS, out=tmp_path, samples=4):
        assert outcome.status == "unsupported"
        assert "Igamma (from strange)" in outcome.error


def test_what_goes_wrong_with_one_target_stays_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("edgecnn.conversion.float_files.onnx_quantizer.quantize_onnx", broken)
    outcomes = convert(
        small(), ["onnx:float16", "onnx:float32", "tflite:float32"], out=tmp_path, samples=4
    )
    assert [outcome.status for outcome in outcomes] == ["failed", "converted", "converted"]
    assert outcomes[0].error == "unexpected ZeroDivisionError: oops"
    assert isinstance(outcomes[0].bug, ZeroDivisionError)
