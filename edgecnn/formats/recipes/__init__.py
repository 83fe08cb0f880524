"""The recipe of a model file, read off its tensors: not what was asked for, not what the file is
called.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from edgecnn.formats.recipes import keras, onnx, tflite

_READERS: Mapping[str, Callable[[Path], str]] = {
    ".onnx": onnx.recipe_of,
    ".tflite": tflite.recipe_of,
    ".keras": keras.recipe_of,
}


def recipe_in(path: Path) -> str:
    """The recipe by which most of a file's weights are stored and its values are computed.

    float32, float16, bfloat16 or float64; dynamic_int8 (int8 weights, values quantized at each
    inference), int8_weights (int8 weights that are dequantized), int4_weights, static_int8,
    int16x8; of a `.keras` file the policy of its layers. Empty where the file does not tell: it
    has no weights, or cannot be read (whether it is whole is judged elsewhere).
    """
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        return ""
    try:
        return reader(Path(path))
    except (OSError, ValueError, IndexError, KeyError, struct.error):
        return ""
