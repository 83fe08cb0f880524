"""TFLite: a flatbuffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edgecnn.formats.readers import ModularFormat


class TFLite(ModularFormat):
    """A .tflite file."""

    name: ClassVar[str] = "tflite"
    title: ClassVar[str] = "a TFLite model"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    magic: ClassVar[tuple[tuple[bytes, int], ...]] = ((b"TFL3", 4),)
    runtime: ClassVar[str] = "litert"
    functions: ClassVar[Mapping[str, str]] = {
        "cost": "edgecnn.benchmarking.cost.tflite:count",
        "first_convolution": "edgecnn.runtimes.first_layer:from_tflite",
    }
