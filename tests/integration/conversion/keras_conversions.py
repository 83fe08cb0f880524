"""Keras models converted to float TFLite and ONNX, for tests of what arrives there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.outcome import ConversionOutcome

keras = pytest.importorskip("keras")
layers = keras.layers

FLOATS = ["tflite:float32", "onnx:float32"]
NEAR = 1e-3


def arrived(outcomes: list[ConversionOutcome]) -> dict[str, Any]:
    """The manifests by target, of files that all compute what their parent does."""
    for outcome in outcomes:
        assert outcome.status == "converted", f"{outcome.target}: {outcome.error}"
        assert outcome.parity.max_abs_error < NEAR
    return {str(outcome.target): outcome.artifact.manifest for outcome in outcomes}


def both(model: Any, folder: Path, **options: Any) -> dict[str, Any]:
    return arrived(convert(model, FLOATS, out=folder / "art", samples=4, **options))


def small(name: str = "small", **options: Any) -> Any:
    image = keras.Input((8, 8, 3), name="picture", **options)
    features = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    pooled = layers.GlobalAveragePooling2D(name="pool")(features)
    return keras.Model(image, layers.Dense(3, name="scores")(pooled), name=name)
